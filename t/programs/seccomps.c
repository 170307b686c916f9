/*
 * seccomps: what programs do under a seccomp profile, for the tests of nurse.oci.
 *
 *   table COUNT         getppid(value, row), whose arguments mean nothing to the kernel, for every edge value: a line of 0 and 1 for each row
 *   die CALL            a child makes the call: "killed by N", or what it returned
 *   catch CALL          the same with a handler of SIGSYS: "caught SIGSYS" or what the call returned
 *   CALL[:ARG]...       the raw call: "CALL = RESULT"
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct { const char *name; long nr; } calls[] = {
    { "getppid", SYS_getppid }, { "getpgrp", SYS_getpgrp }, { "getsid", SYS_getsid }, { "getpriority", SYS_getpriority }, { "sync", SYS_sync },
    { "sched_get_priority_max", SYS_sched_get_priority_max }, { "personality", SYS_personality }, { "getuid", SYS_getuid }, { "umask", SYS_umask }, { "mlockall", SYS_mlockall },
    { "alarm", SYS_alarm }, { "setpgid", SYS_setpgid }, { "landlock", 444 }, { "futex_requeue", 456 },
};

/* The same list is in the test. A 32-bit program passes their low halves. */
static const uint64_t edges[] = {
    0, 1, 2, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0x100000000, 0x100000001, 0x1ffffffff, 0x7fffffffffffffff,
    0x8000000000000000, 0x8000000000000001, 0xfffffffffffffffe, 0xffffffffffffffff,
};

static volatile sig_atomic_t caught;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)context;
    caught = signal == SIGSYS && info->si_signo == SIGSYS;
}

/* "name:1:2", printed with its result */
static long make(const char *word)
{
    char copy[256], *argument;
    long args[6] = { 0 };

    snprintf(copy, sizeof copy, "%s", word);
    const char *name = strtok(copy, ":");
    for (int i = 0; i < 6 && (argument = strtok(NULL, ":")); i++)
        args[i] = (long)strtoull(argument, NULL, 0);
    for (size_t i = 0; name && i < sizeof calls / sizeof *calls; i++)
        if (strcmp(calls[i].name, name) == 0)
            return syscall(calls[i].nr, args[0], args[1], args[2], args[3], args[4], args[5]);
    fprintf(stderr, "seccomps: can't %s\n", word);
    exit(2);
}

static void tell(const char *word, long result)
{
    if (result == -1)
        printf("%s = %s\n", word, strerrorname_np(errno));
    else
        printf("%s = %ld\n", word, result);
    fflush(stdout);
}

static void die(const char *word)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        tell(word, make(word));
        _exit(0);
    }
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        printf("%s = killed by %d\n", word, WTERMSIG(status));
    fflush(stdout);
}

static void catch(const char *word)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

    sigaction(SIGSYS, &action, NULL);
    long result = make(word);
    if (caught)
        printf("%s = caught SIGSYS\n", word);
    else
        tell(word, result);
    fflush(stdout);
}

static void table(int rows)
{
    for (int row = 0; row < rows; row++) {
        for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
            putchar(syscall(SYS_getppid, (long)edges[i], row) > 0 ? '1' : '0');
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "table") == 0 && argv[i + 1])
            table(atoi(argv[++i]));
        else if (strcmp(argv[i], "die") == 0 && argv[i + 1])
            die(argv[++i]);
        else if (strcmp(argv[i], "catch") == 0 && argv[i + 1])
            catch(argv[++i]);
        else
            tell(argv[i], make(argv[i]));
    }
    return 0;
}
