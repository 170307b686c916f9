/*
 * start-state: prints what a program inherits: descriptors, directory, umask, limits, signals, and what the ABI promises about a new
 * process image (floating point control). All of it must be the same under nurse.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/personality.h>
#include <sys/time.h>
#include <unistd.h>

static void descriptors(void)
{
    int lowest = open("/dev/null", O_RDONLY);

    printf("lowest free descriptor: %d\n", lowest);
    close(lowest);
    for (int fd = 0; fd < 1100; fd++) {
        struct stat st;
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0 && fstat(fd, &st) == 0)
            printf("descriptor %d: flags %d, type %o, access %d\n", fd, flags, (unsigned)(st.st_mode & S_IFMT), fcntl(fd, F_GETFL) & O_ACCMODE);
    }
}

static void read_five(void)
{
    char text[100];
    ssize_t got = read(5, text, sizeof text);
    if (got >= 0)
        printf("descriptor 5 says: %.*s\n", (int)got, text);
    else
        printf("descriptor 5 fails: %s\n", strerror(errno));
}

static void limits(void)
{
    for (int i = 0; i < RLIMIT_NLIMITS; i++) {
        struct rlimit limit;
        if (getrlimit(i, &limit) == 0)
            printf("limit %d: %llu %llu\n", i, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
    }
}

static void signals(void)
{
    sigset_t mask, pending;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigpending(&pending);
    for (int i = 1; i < 65; i++) {
        struct sigaction action;
        if (sigaction(i, NULL, &action) == 0)
            printf("signal %d: %s%s%s, flags %x\n", i, action.sa_handler == SIG_IGN ? "ignored" : action.sa_handler == SIG_DFL ? "default" : "handled",
                   sigismember(&mask, i) ? ", blocked" : "", sigismember(&pending, i) ? ", pending" : "", (unsigned)action.sa_flags);
    }
    stack_t stack;
    sigaltstack(NULL, &stack);
    printf("alternate stack: flags %d\n", stack.ss_flags);
}

static void rest(void)
{
    char cwd[4096];
    struct itimerval timer;
    unsigned short control = 0;
    unsigned mxcsr = 0;

    printf("cwd %s\n", getcwd(cwd, sizeof cwd) ? cwd : strerror(errno));
    mode_t mask = umask(0);
    umask(mask);
    printf("umask %o\n", (unsigned)mask);
    printf("session %d, nice %d, personality %x\n", (int)getsid(0), getpriority(PRIO_PROCESS, 0), (unsigned)personality(0xffffffff));
    getitimer(ITIMER_REAL, &timer);
    printf("timer %ld\n", (long)timer.it_value.tv_sec);
    __asm__("fnstcw %0" : "=m"(control));
    __asm__("stmxcsr %0" : "=m"(mxcsr));
    printf("fpu %x, mxcsr %x\n", control, mxcsr);
}

int main(void)
{
    descriptors();
    read_five();
    limits();
    signals();
    rest();
    return 0;
}
