/*
 * micro: nanoseconds per operation, to be run natively and under a supervisor.
 *
 * An unmodified program as far as nurse is concerned: all calls go through libc's own functions, so that libc's call
 * sites are what is measured (syscall(2) has another shape). It tolerates denials: an operation may fail, the
 * last column tells how it ended. Output, one line each: NAME NANOSECONDS RESULT (the value, or -errno).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BATCHES_MAX = 101 };

static const char *file = "/etc/passwd";
static char absent[4096 + 16];
static int zero_fd, null_fd;
static char byte;

static long op_getppid(void) { return getppid(); }
static long op_getuid(void) { return (long)getuid(); }
static long op_read_zero(void) { return read(zero_fd, &byte, 1); }
static long op_write_null(void) { return write(null_fd, &byte, 1); }
static long op_openat_enoent(void) { return openat(AT_FDCWD, absent, O_RDONLY); }

static long op_open_close(void)
{
    int fd = open(file, O_RDONLY);
    if (fd == -1)
        return -1;
    return close(fd);
}

static long op_stat(void)
{
    struct stat st;
    return stat(file, &st);
}

static long op_access(void) { return access(file, R_OK); }

static long op_clock_gettime(void)
{
    struct timespec now;
    return clock_gettime(CLOCK_MONOTONIC, &now);
}

static const struct { const char *name; long (*run)(void); } operations[] = {
    { "getppid", op_getppid },         { "getuid", op_getuid },
    { "open_close", op_open_close },   { "stat", op_stat },    { "access", op_access },
    { "openat_enoent", op_openat_enoent }, { "read_zero", op_read_zero },
    { "write_null", op_write_null },   { "clock_gettime", op_clock_gettime },
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double batch(long (*run)(void), long count)
{
    double begin = seconds();
    for (long i = 0; i < count; i++)
        run();
    return seconds() - begin;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *name, long (*run)(void), double length, int batches)
{
    double ns[BATCHES_MAX] = { 0 }, took;
    errno = 0;
    long result = run(), count = 1;
    if (result == -1 && errno)    /* libc's getppid gives the kernel's value as it is */
        result = -errno;
    /* Double until a batch can be timed, then scale: also warms caches, gates and helpers up. */
    while ((took = batch(run, count)) < length / 4)
        count *= 2;
    count = (long)((double)count * length / took) + 1;
    for (int i = 0; i < batches; i++)
        ns[i] = batch(run, count) * 1e9 / (double)count;
    qsort(ns, (size_t)batches, sizeof *ns, ascending);
    printf("%s %.1f %ld\n", name, ns[batches / 2], result);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int option, batches = 15;
    double length = 0.020;
    while ((option = getopt(argc, argv, "f:b:n:")) != -1) {
        switch (option) {
        case 'f': file = optarg; break;
        case 'b': length = atof(optarg) / 1000; break;
        case 'n': batches = atoi(optarg); break;
        default: return 2;
        }
    }
    if (optind == argc || batches < 1 || batches > BATCHES_MAX || length <= 0 || strlen(file) > 4096) {
        fprintf(stderr, "usage: micro [-f FILE] [-b MILLISECONDS] [-n BATCHES] OPERATION...\n");
        return 2;
    }
    snprintf(absent, sizeof absent, "%s.absent", file);
    zero_fd = open("/dev/zero", O_RDONLY);
    null_fd = open("/dev/null", O_WRONLY);
    for (int i = optind; i < argc; i++) {
        int found = 0;
        for (int k = 0; k < OPERATIONS; k++) {
            if (strcmp(argv[i], operations[k].name) == 0) {
                measure(argv[i], operations[k].run, length, batches);
                found = 1;
            }
        }
        if (!found) {
            fprintf(stderr, "micro: no operation %s\n", argv[i]);
            return 2;
        }
    }
    return 0;
}
