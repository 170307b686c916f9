/*
 * processes: nanoseconds per process or thread made, and per round trip between two processes.
 *
 * An unmodified program as far as nurse is concerned: everything through libc's functions. Unlike micro, it ends with a
 * message and status 1 as soon as an operation fails or does something else than it should: a figure means that all worked.
 * Output, one line: the median over the batches. A first batch warms caches, gates and helpers up, and is not counted.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCHES = 7 };

static char *program;               /* what spawn starts */
static int ask[2], reply[2];        /* the pipes of pingpong */
static pid_t echo;

static _Noreturn void fail(const char *what, int error)
{
    fprintf(stderr, "processes: %s%s%s\n", what, error ? ": " : "", error ? strerror(error) : "");
    exit(1);
}

static void reap(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid", errno);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail("a child did not end well", 0);
}

static void op_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    if (pid == -1)
        fail("fork", errno);
    reap(pid);
}

static void op_spawn(void)
{
    char *argv[] = { program, NULL };
    pid_t pid;
    int error = posix_spawn(&pid, program, NULL, NULL, argv, environ);
    if (error)
        fail(program, error);
    reap(pid);
}

static void *give_back(void *value)
{
    return value;
}

static void op_thread(void)
{
    static char token;
    pthread_t thread;
    void *result;
    int error = pthread_create(&thread, NULL, give_back, &token);
    if (error)
        fail("pthread_create", error);
    error = pthread_join(thread, &result);
    if (error)
        fail("pthread_join", error);
    if (result != &token)
        fail("a thread gave something else back", 0);
}

/* Both sides of pingpong stay on one CPU: else it is chance whether a round trip crosses CPUs, which costs ten times as much
 * and hides what we want to see. */
static void stay_here(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(sched_getcpu(), &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        fail("sched_setaffinity", errno);
}

/* The other side of pingpong; ends when the asking end is closed, also by our death. */
static void start_echo(void)
{
    char byte;
    stay_here();
    if (pipe(ask) != 0 || pipe(reply) != 0)
        fail("pipe", errno);
    echo = fork();
    if (echo == -1)
        fail("fork", errno);
    if (echo == 0) {
        close(ask[1]);
        close(reply[0]);
        while (read(ask[0], &byte, 1) == 1) {
            if (write(reply[1], &byte, 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    close(ask[0]);
    close(reply[1]);
}

static void op_pingpong(void)
{
    static char sent;
    char got = ++sent ^ 1;
    if (write(ask[1], &sent, 1) != 1 || read(reply[0], &got, 1) != 1)
        fail("pipe", errno);
    if (got != sent)
        fail("another byte came back", 0);
}

static const struct { const char *name; void (*run)(void); } operations[] = {
    { "fork", op_fork }, { "spawn", op_spawn }, { "threads", op_thread }, { "pingpong", op_pingpong },
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double batch(void (*run)(void), long count)
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

static double measure(void (*run)(void), long count)
{
    double ns[BATCHES];
    batch(run, count);
    for (int i = 0; i < BATCHES; i++)
        ns[i] = batch(run, count) * 1e9 / (double)count;
    qsort(ns, BATCHES, sizeof *ns, ascending);
    return ns[BATCHES / 2];
}

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: processes fork|threads|pingpong N, or processes spawn N PROGRAM (N operations in a batch)\n");
    exit(2);
}

int main(int argc, char **argv)
{
    void (*run)(void) = NULL;
    for (int i = 0; i < OPERATIONS && argc > 1; i++) {
        if (strcmp(argv[1], operations[i].name) == 0)
            run = operations[i].run;
    }
    long count = argc > 2 ? atol(argv[2]) : 0;
    if (!run || count < 1 || argc != (run == op_spawn ? 4 : 3))
        usage();
    program = argv[3];
    if (run == op_pingpong)
        start_echo();
    printf("%.1f\n", measure(run, count));
    if (run == op_pingpong) {
        close(ask[1]);
        reap(echo);
    }
    return 0;
}
