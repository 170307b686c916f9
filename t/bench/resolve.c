/*
 * resolve: microseconds that the helper needs to find, judge by name and pin what a path names (core/helper/path.c).
 *
 * Runs by itself, no sandbox: it is the helper's own code in a loop, all names in the kernel's cache. Output, one line each: NAME MICROSECONDS.
 *   resolve DIR      an empty directory of three components, in which the paths are made
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/helper/path.h"

enum { BATCHES = 21, COUNT = 4000 };

/* CPU time: what the helper spends. */
static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure(const char *name, const struct path_view *view, const char *path, enum path_last last, int expected)
{
    double took[BATCHES];
    struct path_pin pin;

    for (int i = 0; i < BATCHES; i++) {
        double begin = now();

        for (int k = 0; k < COUNT; k++) {
            if (path_resolve(view, AT_FDCWD, path, last, &pin) != expected)
                errx(1, "%s: %s", path, strerror(pin.error));
            path_release(&pin);
        }
        took[i] = (now() - begin) / COUNT;
    }
    qsort(took, BATCHES, sizeof *took, ascending);
    printf("%s %.3f\n", name, took[BATCHES / 2]);
}

int main(int argc, char **argv)
{
    char path[5][4096];
    struct path_view view = { .pid = getppid(), .tid = getppid(), .exe = "/bin/true" };
    int fd;

    if (argc != 2 || chdir(argv[1]) || mkdir("d", 0755) || symlink("d", "link"))
        err(2, "resolve DIR: %s", argc > 1 ? argv[1] : "");
    fd = open("d/file", O_CREAT | O_WRONLY, 0644);
    view.cwd = open(".", O_PATH | O_DIRECTORY);
    if (fd < 0 || view.cwd < 0)
        err(1, "d/file");
    snprintf(path[0], sizeof path[0], "%.4000s/d/file", argv[1]);
    snprintf(path[1], sizeof path[1], "%.4000s/link/file", argv[1]);
    snprintf(path[2], sizeof path[2], "%.4000s/d/nothing", argv[1]);
    snprintf(path[3], sizeof path[3], "%.4000s/d/../d/file", argv[1]);
    measure("plain", &view, path[0], PATH_FOLLOW, 0);
    measure("link", &view, path[1], PATH_FOLLOW, 0);
    measure("missing", &view, path[2], PATH_FOLLOW, -ENOENT);
    measure("dots", &view, path[3], PATH_FOLLOW, 0);
    measure("relative", &view, "d/file", PATH_FOLLOW, 0);
    measure("name", &view, path[0], PATH_NAME, 0);
    measure("proc", &view, "/proc/self/status", PATH_FOLLOW, 0);
    return 0;
}
