/*
 * burner: uses CPU time in children of which the kernel keeps different books: burner HOW CHILDREN MILLISECONDS [killed].
 *
 * HOW: wait (the parent waits for each), zombie (it waits for none), ignore (SIGCHLD is ignored), nocldwait (SA_NOCLDWAIT), threads (no children, but
 * threads that end). Children run one after another; each has used so many milliseconds when it ends, by exit or by SIGKILL.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double used(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void *burn(void *milliseconds)
{
    double end = used(CLOCK_THREAD_CPUTIME_ID) + *(double *)milliseconds;

    while (used(CLOCK_THREAD_CPUTIME_ID) < end)
        for (volatile int i = 0; i < 20000; i++)
            continue;
    return NULL;
}

/* The child's end closes the pipe: nobody has to wait for it. */
static void child(const char *how, double milliseconds, int by_signal)
{
    int ends[2], status;
    char byte;

    if (pipe(ends))
        exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        burn(&milliseconds);
        if (by_signal)
            kill(getpid(), SIGKILL);
        _exit(0);
    }
    close(ends[1]);
    while (read(ends[0], &byte, 1) > 0)
        continue;
    close(ends[0]);
    if (strcmp(how, "wait") == 0)
        waitpid(pid, &status, 0);
}

int main(int argc, char **argv)
{
    const char *how = argc > 3 ? argv[1] : "";
    double milliseconds = argc > 3 ? atof(argv[3]) : 0;
    struct sigaction no_wait = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
    pthread_t thread;

    if (strcmp(how, "ignore") == 0)
        signal(SIGCHLD, SIG_IGN);
    if (strcmp(how, "nocldwait") == 0)
        sigaction(SIGCHLD, &no_wait, NULL);
    for (int i = 0; argc > 3 && i < atoi(argv[2]); i++) {
        if (strcmp(how, "threads") != 0)
            child(how, milliseconds, argc > 4);
        else if (pthread_create(&thread, NULL, burn, &milliseconds) == 0)
            pthread_join(thread, NULL);
    }
    usleep(30000);    /* the helper hears of the last one's end */
    return 0;
}
