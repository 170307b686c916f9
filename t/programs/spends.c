/*
 * spends: uses what a quota limits, one act for each argument, and prints what came of it: "ACT = RESULT", a number or an errno's name.
 *
 * An act is VERB:NUMBER. Those that write append so many bytes to the file "out", in the way their names say; "open" opens so many files, "fork" has so many
 * children at once, "threads" so many threads that write 1000 bytes each, in calls of 10.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char bytes[1 << 20];
static int out, plenty, zero;
static uintptr_t nowhere = 8;

static off_t end(void) { return lseek(out, 0, SEEK_END); }
static long do_write(size_t n) { end(); return write(out, bytes, n); }
static long do_pwrite(size_t n) { return pwrite(out, bytes, n, end()); }
static long do_fallocate(size_t n) { return fallocate(out, 0, end(), (off_t)n) ? -1 : (long)n; }
static long do_punch(size_t n) { return fallocate(out, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)n) ? -1 : (long)n; }
static long do_ftruncate(size_t n) { return ftruncate(out, end() + (off_t)n) ? -1 : (long)n; }
static long do_shrink(size_t n) { return ftruncate(out, (off_t)n); }
static long do_truncate(size_t n) { return truncate("out", (off_t)n); }
static long do_sendfile(size_t n) { end(); lseek(plenty, 0, SEEK_SET); return sendfile(out, plenty, NULL, n); }
static long do_copy(size_t n) { end(); lseek(plenty, 0, SEEK_SET); return copy_file_range(plenty, NULL, out, NULL, n, 0); }
static long do_null(size_t n) { return write(zero, bytes, n); }
static long do_bad(size_t n) { return pwrite(out, (void *)nowhere, n, end()); }
static long do_rewrite(size_t n) { lseek(out, 0, SEEK_SET); return write(out, bytes, n); }

static long do_writev(size_t n)
{
    struct iovec vectors[3] = { { bytes, n / 2 }, { bytes, 0 }, { bytes, n - n / 2 } };

    end();
    return writev(out, vectors, 3);
}

static long do_pwritev(size_t n)
{
    struct iovec vector = { bytes, n };

    return pwritev(out, &vector, 1, end());
}

static long do_splice(size_t n)
{
    int ends[2];
    long result;

    if (pipe(ends) || write(ends[1], bytes, n) != (ssize_t)n)
        return -1;
    lseek(out, 0, SEEK_END);
    result = splice(ends[0], NULL, out, NULL, n, 0);
    close(ends[0]);
    close(ends[1]);
    return result;
}

static long do_pipe(size_t n)
{
    int ends[2];
    long result = pipe(ends) ? -1 : write(ends[1], bytes, n);

    close(ends[0]);
    close(ends[1]);
    return result;
}

static long do_open(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int fd = open("plenty", O_RDONLY);
        if (fd < 0)
            return i ? (long)i : -1;
        close(fd);
    }
    return (long)n;
}

static long do_missing(size_t n)
{
    long found = 0;

    for (size_t i = 0; i < n; i++)
        found += open("missing", O_RDONLY) >= 0;
    return found;
}

/* So many children that live at the same time; returns how many there were. */
static long do_fork(size_t n)
{
    pid_t children[64];
    size_t made = 0;
    int failed = 0;

    while (made < n && made < 64) {
        pid_t pid = fork();
        if (pid < 0) {
            failed = errno;
            break;
        }
        if (pid == 0) {
            pause();
            _exit(0);
        }
        children[made++] = pid;
    }
    for (size_t i = 0; i < made; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    errno = failed;
    return made == 0 && failed ? -1 : (long)made;
}

static void *writer(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++)
        if (write(out, bytes, 10) < 0)
            break;
    return NULL;
}

/* Up to sixteen threads at the same time. Returns how many there were. */
static long at_once(size_t n, void *(*act)(void *))
{
    pthread_t threads[16];
    size_t made = 0;

    while (made < n && made < 16 && pthread_create(&threads[made], NULL, act, NULL) == 0)
        made++;
    for (size_t i = 0; i < made; i++)
        pthread_join(threads[i], NULL);
    return (long)made;
}

static long do_threads(size_t n) { return at_once(n, writer); }

/* Threads that copy at the same time, each as much as it gets. */
static void *copier(void *unused)
{
    off_t from = 0;

    (void)unused;
    for (int i = 0; i < 10; i++)
        if (sendfile(out, plenty, &from, 1000) <= 0)
            break;
    return NULL;
}

static long do_copiers(size_t n) { return at_once(n, copier); }

static const struct { const char *name; long (*act)(size_t n); } verbs[] = {
    { "write", do_write }, { "pwrite", do_pwrite }, { "writev", do_writev }, { "pwritev", do_pwritev }, { "splice", do_splice }, { "sendfile", do_sendfile },
    { "copy", do_copy }, { "fallocate", do_fallocate }, { "punch", do_punch }, { "ftruncate", do_ftruncate }, { "shrink", do_shrink },
    { "truncate", do_truncate }, { "pipe", do_pipe }, { "null", do_null }, { "bad", do_bad }, { "rewrite", do_rewrite }, { "open", do_open },
    { "missing", do_missing }, { "fork", do_fork }, { "threads", do_threads }, { "copiers", do_copiers },
};

static void act(const char *text)
{
    const char *colon = strchr(text, ':');
    size_t n = colon ? (size_t)atol(colon + 1) : 0;

    for (size_t i = 0; colon && i < sizeof verbs / sizeof *verbs; i++)
        if (strncmp(verbs[i].name, text, (size_t)(colon - text)) == 0 && verbs[i].name[colon - text] == '\0') {
            long result = verbs[i].act(n);
            if (result < 0)
                printf("%s = %s\n", text, strerrorname_np(errno));
            else
                printf("%s = %ld\n", text, result);
            return;
        }
    printf("%s: no such act\n", text);
}

int main(int argc, char **argv)
{
    memset(bytes, 'x', sizeof bytes);
    plenty = open("plenty", O_RDONLY);    /* a file of 1 MiB that the test has made */
    zero = open("/dev/null", O_WRONLY);
    out = open("out", O_RDWR | O_CREAT, 0644);
    for (int i = 1; i < argc; i++)
        act(argv[i]);
    return fflush(stdout) ? 1 : 0;
}
