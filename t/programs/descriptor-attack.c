/*
 * descriptor-attack: a hostile program whose descriptors are not what they were when the helper looked.
 *
 * Runs in the sandbox under a policy that forbids changing what is in no/; it may open files there for reading. A sibling thread swaps the
 * descriptor between the check and the use (swap: calls that name a descriptor instead of a path), or the caller has a table of
 * descriptors of its own (table). Prints how often the forbidden file was changed. Proof: t/53-attack-descriptor.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/programs/attack.h"

enum { MARK = 86400 };    /* the time that only an attack gives the file */

static int good, bad, used;
static volatile bool stop;

static void *swap_always(void *argument)
{
    (void)argument;
    while (!stop) {
        dup2(bad, used);
        dup2(good, used);
    }
    return NULL;
}

static bool changed(void)
{
    struct stat st;

    return fstat(bad, &st) == 0 && st.st_mtim.tv_sec == MARK;
}

/* futimens is utimensat without a path: the judged path is the descriptor's. */
static void swap(long tries)
{
    const struct timespec times[2] = { { MARK, 0 }, { MARK, 0 } };
    long done = 0, denied = 0;
    pthread_t thread;

    if (pthread_create(&thread, NULL, swap_always, NULL))
        errx(1, "pthread_create");
    for (; done < tries && !changed(); done++) {
        int r = done & 1 ? utimensat(used, "", times, AT_EMPTY_PATH) : futimens(used, times);

        denied += r != 0 && errno == EPERM;
    }
    stop = true;
    pthread_join(thread, NULL);
    printf("tries=%ld denied=%ld changed=%d\n", done, denied, changed());
}

static void *table_run(void *argument)
{
    const struct timespec times[2] = { { MARK, 0 }, { MARK, 0 } };
    long unshared = syscall(SYS_close_range, 60000, 60001, CLOSE_RANGE_UNSHARE);
    int error = errno;

    (void)argument;
    dup2(bad, used);
    futimens(used, times);
    fchmod(used, 0611);
    printf("unshare=%s\n", unshared ? strerrorname_np(error) : "works");
    return NULL;
}

/* In the thread's own table `used` is the forbidden file, in everybody else's still the allowed one. */
static void table(void)
{
    struct stat st;
    pthread_t thread;

    if (pthread_create(&thread, NULL, table_run, NULL))
        errx(1, "pthread_create");
    pthread_join(thread, NULL);
    printf("changed=%d\n", changed() || (fstat(bad, &st) == 0 && (st.st_mode & 07777) == 0611));
}

int main(int argc, char *argv[])
{
    if (argc < 2)
        errx(1, "what?");
    good = open("ok/file", O_RDONLY);
    bad = open("no/file", O_RDONLY);
    used = dup(good);
    if (good < 0 || bad < 0 || used < 0)
        err(1, "open");
    if (strcmp(argv[1], "swap") == 0)
        swap(argc > 2 ? atol(argv[2]) : 1000);
    else
        table();
    return 0;
}
