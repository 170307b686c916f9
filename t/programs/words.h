/*
 * words: what the programs with sub-commands (PROGRAM WORD [ARGUMENT...]) share.
 *
 * Their output is the same each time: no pids, times or addresses. It is written at once, since several processes speak, one after the other.
 */
#ifndef WORDS_H
#define WORDS_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct word {
    const char *name;
    void (*act)(char **rest);
};

__attribute__((unused, format(printf, 1, 2))) static void say(const char *format, ...)
{
    char text[1024];
    va_list rest;

    va_start(rest, format);
    int length = vsnprintf(text, sizeof text, format, rest);
    va_end(rest);
    for (int done = 0; done < length;) {
        ssize_t put = write(1, text + done, (size_t)(length - done));
        if (put > 0)
            done += (int)put;
        else if (errno != EINTR)
            _exit(98);
    }
}

/* What has to work for the test to mean anything. */
#define must(what) \
    do { \
        if (!(what)) { \
            say("%s, line %d: %s: %s\n", __func__, __LINE__, #what, strerror(errno)); \
            _exit(99); \
        } \
    } while (0)

/* One line that shows whether something holds. */
__attribute__((unused)) static void check(const char *what, int holds)
{
    say("%s: %s\n", what, holds ? "yes" : "NO");
}

/* One line with the outcome of a call: its value, or the error. */
__attribute__((unused)) static long tell(const char *what, long result)
{
    int error = errno;
    if (result < 0)
        say("%s: %s\n", what, strerror(error));
    else
        say("%s: %ld\n", what, result);
    errno = error;
    return result;
}

__attribute__((unused)) static void tell_status(const char *who, int status)
{
    if (WIFEXITED(status))
        say("%s: exited %d\n", who, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        say("%s: killed by %d\n", who, WTERMSIG(status));
    else if (WIFSTOPPED(status))
        say("%s: stopped by %d\n", who, WSTOPSIG(status));
    else if (WIFCONTINUED(status))
        say("%s: continued\n", who);
    else
        say("%s: status %x\n", who, (unsigned)status);
}

/* Wait for a child, whatever signals arrive. */
__attribute__((unused)) static int wait_for(pid_t pid)
{
    int status = -1;
    pid_t got;

    while ((got = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
        ;
    must(got == pid);
    return status;
}

__attribute__((unused)) static void brief_pause(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

__attribute__((unused)) static int words_run(const struct word *words, int argc, char **argv)
{
    for (const struct word *w = words; argc > 1 && w->name; w++) {
        if (strcmp(w->name, argv[1]) == 0) {
            w->act(argv + 2);
            return 0;
        }
    }
    say("no such word: %s\n", argc > 1 ? argv[1] : "");
    return 97;
}

#endif
