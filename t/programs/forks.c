/* forks: does what a word says with processes: fork, vfork, clone in all shapes, waiting, groups and sessions, what a child inherits. Subject of t/44. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "words.h"

enum { STACK = 1 << 16, WAIT_FUTEX = 0, PIDFD_FLAG = 0x1000, WAIT_PIDFD = 3, IOPRIO_SELF = 1 };

static int shared_word = 1;
static char alternate[STACK];

static long plain_clone(long flags)
{
    return syscall(SYS_clone, flags, 0L, 0L, 0L, 0L);
}

static char *new_stack(void)
{
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(stack != MAP_FAILED);
    return stack + STACK;
}

/* A few calls of the kinds that nurse executes in different ways. */
static int works(void)
{
    struct stat st;
    int fd = open("/dev/null", O_RDWR);
    int good = fd >= 0 && write(fd, "x", 1) == 1 && stat("/", &st) == 0 && access("/no/such", F_OK) != 0 && errno == ENOENT;
    close(fd);
    return good;
}

/* --- fork -------------------------------------------------------------------------------------------------- */

static void basic(char **rest)
{
    int ends[2], fd;
    char text[20] = "";

    (void)rest;
    must((fd = open("file", O_RDWR | O_CREAT, 0644)) >= 0 && write(fd, "0123456789", 10) == 10 && lseek(fd, 0, SEEK_SET) == 0);
    must(pipe(ends) == 0);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        shared_word = 2;
        must(works() && read(fd, text, 3) == 3 && write(ends[1], text, 3) == 3);
        close(fd);
        _exit(3);
    }
    must(read(ends[0], text, 3) == 3);
    tell_status("child", wait_for(child));
    say("child read %.3s, ", text);
    must(read(fd, text, 3) == 3);
    say("parent %.3s; memory is %s\n", text, shared_word == 1 ? "its own" : "SHARED");
    tell("no more children", wait(NULL));
}

static void deep(char **rest)
{
    int depth = 0, status;

    (void)rest;
    for (; depth < 15; depth++) {
        pid_t child = fork();
        must(child >= 0);
        if (child > 0) {
            status = wait_for(child);
            must(works() && WIFEXITED(status));
            if (depth == 0)
                tell_status("the first of 15 generations", status);
            _exit(WEXITSTATUS(status) + 1);
        }
    }
    _exit(0);
}

static void many(char **rest)
{
    int count = rest[0] ? atoi(rest[0]) : 200, sum = 0, status;

    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        must(child >= 0);
        if (child == 0)
            _exit(works() ? i % 100 : 101);
        if (i >= 4 && wait(&status) > 0)    /* some five at once */
            sum += WEXITSTATUS(status);
    }
    while (wait(&status) > 0)
        sum += WEXITSTATUS(status);
    say("%d forks, sum %d\n", count, sum);
}

static void memory(char **rest)
{
    size_t size = 8 << 20, page = 4096;
    char *private = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *missing = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long sums[2] = { 0, 0 };

    (void)rest;
    must(private != MAP_FAILED && shared != MAP_FAILED && missing != MAP_FAILED && madvise(missing, page, MADV_DONTFORK) == 0);
    memset(private, 1, size);
    memset(shared, 1, size);
    *missing = 1;
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        memset(private, 2, size);
        memset(shared, 2, size);
        must(mincore(missing, page, (unsigned char *)private) != 0 && errno == ENOMEM);
        *(volatile char *)missing = 2;
        _exit(0);
    }
    tell_status("the child in memory it hasn't got", wait_for(child));
    for (size_t i = 0; i < size; i += page) {
        sums[0] += private[i];
        sums[1] += shared[i];
    }
    say("private %ld, shared %ld, kept %d\n", sums[0], sums[1], *missing);
}

/* --- vfork ------------------------------------------------------------------------------------------------- */

static volatile int told;    /* by a vfork child, in the memory that it borrows */

static void vfork_exec(const char *path)
{
    told = 0;
    pid_t child = vfork();
    must(child >= 0);
    if (child == 0) {
        execl(path, path, (char *)NULL);
        told = errno;
        _exit(127);
    }
    int error = told;
    int status = wait_for(child);
    say("vfork and exec of %s: %s, ", path, error ? strerror(error) : "done");
    tell_status("child", status);
}

static int exit_as;

static int vfork_once(void)
{
    told = 0;
    pid_t child = vfork();
    must(child >= 0);
    if (child == 0) {
        int fd = open("/dev/null", O_RDONLY);    /* its own descriptor */
        must(fd >= 0 && syscall(SYS_gettid) == getpid());
        told = fd + 40;
        _exit(exit_as);
    }
    must(told == 43 && fcntl(3, F_GETFD) < 0 && errno == EBADF);
    return WEXITSTATUS(wait_for(child));
}

static void vforks(char **rest)
{
    (void)rest;
    for (exit_as = 0; exit_as < 20; exit_as++)
        must(vfork_once() == exit_as);
    say("20 children by vfork\n");
    vfork_exec("/bin/true");
    vfork_exec("/bin/false");
    vfork_exec("/no/such/program");
    vfork_exec("/");
    pid_t outer = vfork();
    must(outer >= 0);
    if (outer == 0) {
        pid_t inner = vfork();
        if (inner == 0)
            _exit(5);
        int status = -1;
        must(waitpid(inner, &status, 0) == inner);
        told = WEXITSTATUS(status);
        _exit(6);
    }
    say("vfork in vfork: inner %d, ", (int)told);
    tell_status("outer", wait_for(outer));
    pid_t doomed = vfork();
    must(doomed >= 0);
    if (doomed == 0)
        kill(getpid(), SIGKILL);    /* musl's raise would name the parent's thread */
    tell_status("a killed vfork child", wait_for(doomed));
}

/* --- daemons and orphans ------------------------------------------------------------------------------------ */

static void daemonise(char **rest)
{
    int ends[2];
    char text[200];
    ssize_t got;

    (void)rest;
    must(pipe(ends) == 0);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        must(setsid() == getpid());
        if (fork() != 0)
            _exit(0);
        char cwd[100];
        umask(0);
        must(getcwd(cwd, sizeof cwd) && chdir("/") == 0);
        int null = open("/dev/null", O_RDWR);
        must(dup2(null, 0) == 0 && dup2(null, 1) == 1 && dup2(null, 2) == 2);
        strcat(cwd, "/daemon.log");
        int log = open(cwd, O_WRONLY | O_CREAT, 0666);
        dprintf(log, "daemon: leads no session: %d, has no terminal: %d, works: %d\n", getsid(0) != getpid(), open("/dev/tty", O_RDWR) < 0, works());
        close(log);
        dprintf(ends[1], "the daemon has begun\n");
        _exit(9);    /* nobody asks for it */
    }
    close(ends[1]);
    tell_status("the one between", wait_for(child));
    while ((got = read(ends[0], text, sizeof text)) > 0)
        say("%.*s", (int)got, text);
    tell("no more children", wait(NULL));
}

/* The grandchild outlives its parent: somebody else adopts it, natively init or the nearest subreaper. */
static void orphans(char **rest)
{
    int ends[2];
    char text[200];
    ssize_t got;

    (void)rest;
    must(pipe(ends) == 0);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        pid_t middle = getpid();
        if (fork() == 0) {
            while (getppid() == middle)
                brief_pause();
            dprintf(ends[1], "the orphan has another parent, and works: %d\n", works());
            _exit(0);
        }
        _exit(1);
    }
    close(ends[1]);
    tell_status("the parent of the orphan", wait_for(child));
    while ((got = read(ends[0], text, sizeof text)) > 0)
        say("%.*s", (int)got, text);
    tell("the orphan is nobody's child here", wait(NULL));
}

static void subreaper(char **rest)
{
    int ends[2], status, told_pid = 0;

    (void)rest;
    must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && pipe(ends) == 0);
    pid_t first = getpid(), child = fork();
    must(child >= 0);
    if (child == 0) {
        pid_t orphan = fork();
        if (orphan == 0) {
            while (getppid() != first)
                brief_pause();
            _exit(8);
        }
        must(write(ends[1], &orphan, sizeof orphan) == sizeof orphan);
        _exit(1);
    }
    tell_status("the one between", wait_for(child));
    must(read(ends[0], &told_pid, sizeof told_pid) == sizeof told_pid);
    must(waitpid(-1, &status, 0) == told_pid);
    tell_status("the orphan came back", status);
}

/* Ends while a child of its own session goes on. */
static void leave(char **rest)
{
    int ends[2];
    char c;

    (void)rest;
    must(pipe(ends) == 0);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        alarm(60);
        must(setsid() == getpid() && write(ends[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    must(read(ends[0], &c, 1) == 1);
    say("left behind\n");
    _exit(3);
}

/* --- waiting ------------------------------------------------------------------------------------------------ */

static pid_t child_that(int number)
{
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        if (number < 0)
            for (;;)
                pause();
        if (number >= 1000)
            raise(number - 1000);
        _exit(number);
    }
    return child;
}

static void tell_waitid(const char *what, idtype_t type, id_t id, int options, pid_t expected)
{
    siginfo_t info = { .si_pid = 0 };

    if (waitid(type, id, &info, options) != 0)
        say("%s: %s\n", what, strerror(errno));
    else if (info.si_pid == 0)
        say("%s: nothing yet\n", what);
    else
        say("%s: code %d, status %d, signal %d, the right one: %d\n", what, info.si_code, info.si_status, info.si_signo, info.si_pid == expected);
}

static void waitids(char **rest)
{
    (void)rest;
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    pid_t child = child_that(7);
    tell_waitid("WNOWAIT", P_PID, (id_t)child, WEXITED | WNOWAIT, child);
    tell_waitid("again", P_PID, (id_t)child, WEXITED, child);
    tell_waitid("once more", P_PID, (id_t)child, WEXITED, child);
    child = child_that(1000 + SIGTERM);
    tell_waitid("killed", P_ALL, 0, WEXITED, child);
    child = child_that(1000 + SIGABRT);
    tell_waitid("aborted", P_PGID, (id_t)getpgrp(), WEXITED, child);
    child = child_that(-1);
    tell_waitid("running", P_PID, (id_t)child, WEXITED | WNOHANG, child);
    must(kill(child, SIGSTOP) == 0);
    tell_waitid("stopped", P_PID, (id_t)child, WSTOPPED, child);
    tell_waitid("stopped, told once", P_PID, (id_t)child, WSTOPPED | WNOHANG, child);
    must(kill(child, SIGCONT) == 0);
    tell_waitid("continued", P_PID, (id_t)child, WCONTINUED, child);
    must(kill(child, SIGKILL) == 0);
    tell_waitid("killed at last", P_PID, (id_t)child, WEXITED, child);
    tell_waitid("no options", P_PID, (id_t)child, 0, child);
    tell_waitid("no child", P_ALL, 0, WEXITED, 0);

    struct rusage usage;
    int status = -1;
    child = child_that(6);
    must(wait4(child, &status, 0, &usage) == child && usage.ru_minflt > 0);
    tell_status("wait4", status);
    child = child_that(-1);
    tell("wait4, WNOHANG", wait4(child, &status, WNOHANG, NULL));
    must(kill(child, SIGKILL) == 0);
    tell_status("in the end", wait_for(child));
}

static void groups_of_children(char **rest)
{
    int status, sum = 0;
    pid_t leader = child_that(-1), others[3];

    (void)rest;
    must(setpgid(leader, leader) == 0);
    for (int i = 0; i < 3; i++) {
        others[i] = child_that(-1);
        must(setpgid(others[i], leader) == 0);
    }
    pid_t mine = child_that(4);
    must(waitpid(0, &status, 0) == mine);
    tell_status("my group's", status);
    tell("my group has no more", waitpid(0, &status, WNOHANG));
    must(kill(-leader, SIGUSR1) == 0);
    for (int i = 0; i < 4; i++) {
        must(waitpid(-leader, &status, 0) > 0);
        sum += WIFSIGNALED(status) ? WTERMSIG(status) : 1000;
    }
    say("four ends by a signal to the group: %d\n", sum);
    tell("nobody is in it", kill(-leader, 0));
    for (int i = 0; i < 30; i++)
        child_that(i);
    for (sum = 0; wait(&status) > 0;)
        sum += WEXITSTATUS(status);
    say("30 waited for in any order: %d\n", sum);
}

static void zombie(char **rest)
{
    char path[40], text[200];
    pid_t child = child_that(2);

    (void)rest;
    tell_waitid("ended, not reaped", P_PID, (id_t)child, WEXITED | WNOWAIT, child);
    tell("it can be signalled", kill(child, 0));
    snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
    int fd = open(path, O_RDONLY);
    ssize_t got = read(fd, text, sizeof text - 1);
    must(got > 0);
    text[got] = 0;
    say("its state: %c\n", strrchr(text, ')')[2]);
    close(fd);
    tell_status("reaped", wait_for(child));
    tell("it can't be signalled", kill(child, 0));
    tell("its directory", open(path, O_RDONLY));
}

static int poll_now(int fd)
{
    struct pollfd one = { .fd = fd, .events = POLLIN };
    return poll(&one, 1, 0);
}

static void pidfds(char **rest)
{
    int fd = -1;
    pid_t child = child_that(-1);

    (void)rest;
    int opened = (int)syscall(SYS_pidfd_open, child, 0);
    must(opened >= 0);
    say("pidfd: close on exec %d, ready %d\n", fcntl(opened, F_GETFD), poll_now(opened));
    tell("pidfd_send_signal", syscall(SYS_pidfd_send_signal, opened, SIGTERM, NULL, 0));
    must(poll(&(struct pollfd){ .fd = opened, .events = POLLIN }, 1, -1) == 1);
    tell_waitid("waitid by pidfd", (idtype_t)WAIT_PIDFD, (id_t)opened, WEXITED, child);
    tell("pidfd_send_signal to the dead", syscall(SYS_pidfd_send_signal, opened, 0, NULL, 0));
    tell("pidfd_open of the dead", syscall(SYS_pidfd_open, child, 0));
    tell("pidfd_open of nonsense", syscall(SYS_pidfd_open, -1, 0));
    close(opened);

    child = (pid_t)syscall(SYS_clone, (long)PIDFD_FLAG | SIGCHLD, 0L, &fd, 0L, 0L);
    must(child >= 0);
    if (child == 0)
        _exit(fd == -1 ? 5 : 6);    /* written to the parent's memory alone */
    must(fd >= 0);
    say("CLONE_PIDFD: descriptor %d, close on exec %d\n", fd, fcntl(fd, F_GETFD));
    tell_waitid("waitid by it", (idtype_t)WAIT_PIDFD, (id_t)fd, WEXITED, child);
    close(fd);
}

/* --- who is who --------------------------------------------------------------------------------------------- */

static void ids(char **rest)
{
    int ends[2];
    char c;

    (void)rest;
    check("thread id is process id", syscall(SYS_gettid) == getpid());
    pid_t parent = getpid(), group = getpgrp(), session = getsid(0);
    must(pipe(ends) == 0);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        check("child: thread id is process id", syscall(SYS_gettid) == getpid() && syscall(SYS_getpid) == getpid());
        check("child: has another id", getpid() != parent);
        check("child: parent", getppid() == parent);
        check("child: group and session are inherited", getpgrp() == group && getpgid(0) == group && getsid(0) == session);
        check("child: own group", setpgid(0, 0) == 0 && getpgrp() == getpid() && getpgid(parent) == group);
        tell("child: a leader can't begin a session", setsid() < 0 ? -1 : 0);
        must(setpgid(0, group) == 0);
        check("child: own session", setsid() == getpid() && getsid(0) == getpid() && getpgrp() == getpid());
        tell("child: no leader changes its group", setpgid(0, group));
        must(write(ends[1], "x", 1) == 1);
        pause();
    }
    must(read(ends[0], &c, 1) == 1);
    check("parent: sees the child's group and session", getpgid(child) == child && getsid(child) == child);
    tell("parent: can't move a session's leader", setpgid(child, group));
    must(kill(child, SIGKILL) == 0);
    wait_for(child);
    tell("parent: the dead have no group", getpgid(child));

    must((child = fork()) >= 0);
    if (child == 0) {
        execlp("cat", "cat", (char *)NULL);
        _exit(127);
    }
    tell("a new group before its exec or after", setpgid(child, child) == 0 || errno == EACCES ? 0 : -1);
    kill(child, SIGKILL);
    wait_for(child);
    tell("a group of another session", setpgid(0, 1) < 0 ? -1 : 0);
}

/* A child by each thread; __WNOTHREAD tells whose child it is. */
static void *fork_in_thread(void *arg)
{
    int *ends = arg, status;
    char c;

    pid_t child = child_that(11);
    must(write(ends[1], &child, sizeof child) == sizeof child);
    must(read(ends[2], &c, 1) == 1);
    must(waitpid(child, &status, __WNOTHREAD) == child);
    tell_status("the thread that forked, __WNOTHREAD", status);
    return NULL;
}

static void whose_child(char **rest)
{
    int ends[4];
    pthread_t thread;
    pid_t child;

    (void)rest;
    must(pipe(ends) == 0 && pipe(ends + 2) == 0 && pthread_create(&thread, NULL, fork_in_thread, ends) == 0);
    must(read(ends[0], &child, sizeof child) == sizeof child);
    tell("another thread, __WNOTHREAD", waitpid(child, NULL, __WNOTHREAD));
    tell_waitid("another thread, without", P_PID, (id_t)child, WEXITED | WNOWAIT, child);
    must(write(ends[3], "x", 1) == 1);
    pthread_join(thread, NULL);
}

static void *fork_and_end(void *arg)
{
    int *ends = arg;
    char c;

    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        alarm(5);    /* if nothing else comes */
        must(write(ends[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    must(read(ends[0], &c, 1) == 1);
    return (void *)(long)child;
}

/* PR_SET_PDEATHSIG speaks of the thread that forked, not of its process. */
static void death_signal(char **rest)
{
    int ends[2], value = -1;
    void *child;
    pthread_t thread;

    (void)rest;
    must(pipe(ends) == 0 && pthread_create(&thread, NULL, fork_and_end, ends) == 0 && pthread_join(thread, &child) == 0);
    tell_status("when the thread that forked ends", wait_for((pid_t)(long)child));
    must(prctl(PR_SET_PDEATHSIG, SIGHUP) == 0);
    pid_t other = fork();
    must(other >= 0);
    if (other == 0) {
        must(prctl(PR_GET_PDEATHSIG, &value) == 0);
        _exit(value);
    }
    tell_status("the child's own death signal", wait_for(other));
}

/* --- threads that fork -------------------------------------------------------------------------------------- */

static int prepared, in_parent, in_child;
static void on_prepare(void) { prepared++; }
static void on_parent(void) { in_parent++; }
static void on_child(void) { in_child++; }

static void *nothing(void *arg)
{
    return works() ? arg : NULL;
}

static void *fork_once(void *arg)
{
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        pthread_t thread;
        void *result = NULL;
        check("child of a thread: thread id is process id", syscall(SYS_gettid) == getpid());
        say("child of a thread: atfork %d %d %d, works %d\n", prepared, in_parent, in_child, works());
        must(pthread_create(&thread, NULL, nothing, arg) == 0 && pthread_join(thread, &result) == 0);
        check("child of a thread: threads of its own", result == arg);
        _exit(12);
    }
    tell_status("child of a thread", wait_for(child));
    return NULL;
}

static void *wait_for_ever(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void from_thread(char **rest)
{
    pthread_t thread, idle;

    (void)rest;
    pthread_atfork(on_prepare, on_parent, on_child);
    must(pthread_create(&idle, NULL, wait_for_ever, NULL) == 0);
    must(pthread_create(&thread, NULL, fork_once, (void *)1) == 0 && pthread_join(thread, NULL) == 0);
    say("atfork %d %d %d\n", prepared, in_parent, in_child);
    vfork_exec("/bin/true");
}

static atomic_int stop, sum_of_all;

static void *fork_often(void *arg)
{
    for (int i = 0; i < 12; i++) {
        int status = -1;
        pid_t child = i % 3 ? fork() : (pid_t)plain_clone(SIGCHLD);
        must(child >= 0);
        if (child == 0)
            _exit(works() ? i : 100);
        must(waitpid(child, &status, 0) == child && WIFEXITED(status));
        atomic_fetch_add(&sum_of_all, WEXITSTATUS(status));
    }
    return arg;
}

static void *call_often(void *arg)
{
    while (!atomic_load(&stop)) {
        must(works());
        brief_pause();
    }
    return arg;
}

static void in_threads(char **rest)
{
    pthread_t threads[6], caller;

    (void)rest;
    must(pthread_create(&caller, NULL, call_often, NULL) == 0);
    for (int i = 0; i < 6; i++)
        must(pthread_create(&threads[i], NULL, fork_often, NULL) == 0);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&stop, 1);
    pthread_join(caller, NULL);
    say("6 threads forked, sum %d\n", atomic_load(&sum_of_all));
}

/* --- what a child inherits ---------------------------------------------------------------------------------- */

static void on_signal(int signal)
{
    (void)signal;
}

static unsigned mxcsr(void)
{
    unsigned value;
    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value & 0xffc0;    /* without the flags of what was computed */
}

static unsigned x87(void)
{
    unsigned short value;
    __asm__ volatile("fnstcw %0" : "=m"(value));
    return value;
}

static void tell_state(const char *who)
{
    sigset_t mask, pending;
    struct sigaction action;
    struct itimerval timer;
    struct rlimit limit;
    cpu_set_t cpus;
    char name[16], cwd[1000];
    stack_t stack;

    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigpending(&pending);
    say("%s: blocked USR1 %d HUP %d RTMAX %d TERM %d, pending USR1 %d\n", who, sigismember(&mask, SIGUSR1), sigismember(&mask, SIGHUP),
        sigismember(&mask, SIGRTMAX), sigismember(&mask, SIGTERM), sigismember(&pending, SIGUSR1));
    sigaction(SIGUSR2, NULL, &action);
    say("%s: USR2 ignored %d, ", who, action.sa_handler == SIG_IGN);
    sigaction(SIGTERM, NULL, &action);
    sigaltstack(NULL, &stack);
    say("TERM handled %d with flags %x, alternate stack %s\n", action.sa_handler == on_signal, (unsigned)action.sa_flags & ~0x04000000u,
        stack.ss_sp == alternate && !(stack.ss_flags & SS_DISABLE) ? "set" : "none");
    mode_t umask_now = umask(0);
    umask(umask_now);
    getitimer(ITIMER_REAL, &timer);
    getrlimit(RLIMIT_NOFILE, &limit);
    prctl(PR_GET_NAME, name);
    const char *last = getcwd(cwd, sizeof cwd) ? strrchr(cwd, '/') : "?";
    say("%s: umask %o, timer %s, descriptors %ld, slack %d, name %s, in %s\n", who, (unsigned)umask_now, timer.it_value.tv_sec ? "runs" : "off",
        (long)limit.rlim_cur, prctl(PR_GET_TIMERSLACK), name, last);
    CPU_ZERO(&cpus);
    sched_getaffinity(0, sizeof cpus, &cpus);
    say("%s: nice %d, cpus %d, policy %d, io priority %ld, personality %lx, mxcsr %x, x87 %x\n", who, getpriority(PRIO_PROCESS, 0), CPU_COUNT(&cpus),
        (int)syscall(SYS_sched_getscheduler, 0), syscall(SYS_ioprio_get, IOPRIO_SELF, 0), (unsigned long)personality(0xffffffff) & 0xffffff, mxcsr(), x87());
}

static void set_state(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK };
    stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
    cpu_set_t cpus, one;
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGRTMAX);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    signal(SIGUSR2, SIG_IGN);
    sigaction(SIGTERM, &action, NULL);
    sigaltstack(&stack, NULL);
    raise(SIGUSR1);
    umask(027);
    setitimer(ITIMER_REAL, &(struct itimerval){ .it_value = { .tv_sec = 1000 } }, NULL);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 200, 300 });
    prctl(PR_SET_TIMERSLACK, 77777);
    prctl(PR_SET_NAME, "a-parent");
    must(mkdir("inside", 0755) == 0 && chdir("inside") == 0);
    must(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &cpus))
            CPU_SET(i, &one);
    must(sched_setaffinity(0, sizeof one, &one) == 0);
    must(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &(struct sched_param){ 0 }) == 0);
    must(setpriority(PRIO_PROCESS, 0, 5) == 0);
    must(syscall(SYS_ioprio_set, IOPRIO_SELF, 0, (2 << 13) | 6) == 0);
    must(personality(0x0040000) >= 0);    /* ADDR_NO_RANDOMIZE */
    __asm__ volatile("ldmxcsr %0" : : "m"((unsigned){ 0x5f80 }));    /* rounding upward */
    __asm__ volatile("fldcw %0" : : "m"((unsigned short){ 0x0b7f }));
}

static void *tell_states(void *arg)
{
    static const char *const ways[] = { "by fork", "by clone", "by vfork" };

    (void)arg;
    set_state();
    tell_state("parent");
    for (int i = 0; i < 3; i++) {
        pid_t child = i == 0 ? fork() : i == 1 ? (pid_t)plain_clone(SIGCHLD) : vfork();
        must(child >= 0);
        if (child == 0) {
            tell_state(ways[i]);
            _exit(0);
        }
        tell_status("child", wait_for(child));
    }
    tell_state("parent in the end");
    return NULL;
}

static void state(char **rest)
{
    pthread_t thread;

    if (rest[0] && strcmp(rest[0], "thread") == 0) {    /* what belongs to a thread must be that thread's, not the first's */
        must(pthread_create(&thread, NULL, tell_states, NULL) == 0 && pthread_join(thread, NULL) == 0);
        say("the first thread: nice %d, slack %d\n", getpriority(PRIO_PROCESS, 0), prctl(PR_GET_TIMERSLACK) != 77777);
    } else {
        tell_states(NULL);
    }
}

/* --- clone's flags ------------------------------------------------------------------------------------------ */

static int seen_signal;

static void on_end(int signal)
{
    seen_signal = signal;
}

static void clone_signal(char **rest)
{
    const int signals[] = { SIGCHLD, SIGUSR1, 0, SIGRTMIN + 2 };

    (void)rest;
    for (int i = 0; i < 4; i++) {
        sigset_t mask, old;
        int status = -1;
        if (signals[i])
            signal(signals[i], on_end);
        sigfillset(&mask);
        sigprocmask(SIG_BLOCK, &mask, &old);
        seen_signal = -1;
        pid_t child = (pid_t)plain_clone(signals[i]);
        must(child >= 0);
        if (child == 0)
            _exit(20 + i);
        pid_t got = waitpid(child, &status, __WALL | WNOWAIT);
        (void)got;
        tell_waitid("it ends", P_PID, (id_t)child, WEXITED | WNOWAIT | __WALL, child);
        sigprocmask(SIG_SETMASK, &old, NULL);
        say("end by signal %d: seen %d, plain wait: %s, ", i, seen_signal == signals[i] || (signals[i] == 0 && seen_signal == -1),
            waitpid(child, &status, 0) == child ? "found" : strerror(errno));
        say("__WCLONE: %s\n", waitpid(child, &status, __WCLONE) == child ? "found" : strerror(errno));
        if (signals[i])
            signal(signals[i], SIG_DFL);
    }
}

static void clone_shares(char **rest)
{
    char cwd[1000];
    atomic_int *tids = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)rest;
    must(tids != MAP_FAILED && mkdir("inside", 0755) == 0);
    pid_t child = (pid_t)plain_clone(CLONE_FS | SIGCHLD);
    if (child == 0) {
        umask(0123);
        _exit(chdir("inside"));
    }
    wait_for(child);
    say("CLONE_FS: in %s, umask %o\n", getcwd(cwd, sizeof cwd) ? strrchr(cwd, '/') : "?", (unsigned)umask(022));
    must(chdir("..") == 0);
    child = fork();
    if (child == 0) {
        pid_t sister = (pid_t)plain_clone(CLONE_PARENT | SIGCHLD);
        if (sister == 0)
            _exit(31);
        tell("CLONE_PARENT: not a child of the one that made it", waitpid(sister, NULL, __WALL));
        _exit(32);
    }
    int statuses[2], sum = 0;
    must(wait(&statuses[0]) > 0 && wait(&statuses[1]) > 0);
    sum = WEXITSTATUS(statuses[0]) + WEXITSTATUS(statuses[1]);
    say("CLONE_PARENT: both are children of the first: %d\n", sum);
    child = (pid_t)syscall(SYS_clone, (long)(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD), 0L, &tids[0],
#ifdef __x86_64__
                           &tids[1], 0L);
#else
                           0L, &tids[1]);
#endif
    if (child == 0)
        _exit(tids[1] == getpid() ? 33 : 34);
    tell_status("CLONE_CHILD_SETTID", wait_for(child));
    check("CLONE_PARENT_SETTID", tids[0] == child && tids[1] == child);
    tell("CLONE_VM without a stack and flags that don't fit", plain_clone(CLONE_SIGHAND | SIGCHLD));
}

/* --- two processes in one memory ----------------------------------------------------------------------------- */

static atomic_int child_did;

static int share_memory(void *arg)
{
    for (int i = 0; i < 100; i++) {
        int fd = open("/dev/null", O_RDONLY);
        if (fd < 0 || close(fd) != 0)
            return 50;
        atomic_fetch_add(&child_did, 1);
    }
    if (arg) {
        char *const argv[] = { "sh", "-c", "exit 15", NULL };
        execve("/bin/sh", argv, NULL);
    }
    return syscall(SYS_gettid) == syscall(SYS_getpid) ? 14 : 51;
}

static void clone_vm(char **rest)
{
    static const int flags[] = { 0, CLONE_FILES | CLONE_FS, CLONE_FILES | CLONE_FS | CLONE_SIGHAND, CLONE_VFORK };
    char *stack = new_stack();

    (void)rest;
    for (int i = 0; i < 8; i++) {
        atomic_store(&child_did, 0);
        pid_t child = clone(share_memory, stack, CLONE_VM | SIGCHLD | flags[i / 2], i % 2 ? "exec" : NULL);
        must(child > 0);
        for (int k = 0; k < 100; k++) {    /* meanwhile; no errno, which is shared */
            struct stat st;
            int fd = open("/", O_RDONLY | O_DIRECTORY);
            if (fd < 0 || fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode))
                say("the parent's directory is another\n");
            close(fd);
        }
        int status = -1;
        while (waitpid(child, &status, 0) != child)
            ;
        tell_status("child in the same memory", status);
        say("did %d\n", atomic_load(&child_did));
    }
    tell("no more children", wait(NULL));
}

/* Three of them at once, then the parent kills them in whatever they do. */
static int call_for_ever(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = open("/dev/null", O_RDONLY);
        close(fd);
        atomic_fetch_add(&child_did, 1);
    }
    return 0;
}

static void clone_vm_kill(char **rest)
{
    (void)rest;
    for (int i = 0; i < 5; i++) {
        pid_t children[3];
        atomic_store(&child_did, 0);
        for (int k = 0; k < 3; k++)
            must((children[k] = clone(call_for_ever, new_stack(), CLONE_VM | SIGCHLD, NULL)) > 0);
        while (atomic_load(&child_did) < 60)
            sched_yield();
        for (int k = 0; k < 3; k++)
            must(kill(children[k], SIGKILL) == 0);
        for (int k = 0; k < 3; k++)
            must(WTERMSIG(wait_for(children[k])) == SIGKILL);
        must(works());
    }
    say("5 times three killed in the same memory\n");
}

/* --- calls from a site that can't be redirected --------------------------------------------------------------- */

/* raw_call makes the call `nr` (from memory: no `mov $nr,%eax` to find) with all registers set, and stores them afterwards, in the child
   into the second block. The child goes on in `child` on a lower part of its stack, so that vfork's parent finds its own as it was. */
struct after {
    long reg[12];
    long red[16];
    char xmm[32];
};

struct raw {
    long nr, arg[6];
    char xmm[32];
    void (*child)(struct raw *);
    struct after after[2];
    sigset_t mask;
    int quiet;
    atomic_int done;
};

enum { AT_ARG = sizeof(long), AT_XMM = 7 * sizeof(long), AT_CHILD = AT_XMM + 32, AT_AFTER = AT_CHILD + sizeof(long), AT_RED = 12 * sizeof(long),
       AT_XMM_AFTER = AT_RED + 16 * sizeof(long), AFTER = AT_XMM_AFTER + 32 };

_Static_assert(offsetof(struct raw, xmm) == AT_XMM && offsetof(struct raw, child) == AT_CHILD && offsetof(struct raw, after) == AT_AFTER, "as the assembly has it");
_Static_assert(sizeof(struct after) == AFTER && offsetof(struct after, red) == AT_RED && offsetof(struct after, xmm) == AT_XMM_AFTER, "as the assembly has it");

long raw_call(struct raw *raw);

#ifdef __x86_64__
enum { SAVED = 6, RED = 16 };
static const long pattern[SAVED] = { 0x1b1b1b1b2c2c2c2c, 0x3d3d3d3d4e4e4e4e, 0x1212121212121212, 0x1313131313131313, 0x1414141414141414, 0x1515151515151515 };
__asm__(
    ".text\n"
    ".globl raw_call\n"
    ".type raw_call, @function\n"
    "raw_call:\n"
    "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "  push %rdi\n"
    "  mov %rdi, %rcx\n"
    "  .set raw_i, 1\n"
    "  .rept 16\n"
    "  movq $0x5a00 + raw_i, -8*raw_i(%rsp)\n"
    "  .set raw_i, raw_i + 1\n"
    "  .endr\n"
    "  movdqu 56(%rcx), %xmm0; movdqu 72(%rcx), %xmm15\n"
    "  movabs $0x1b1b1b1b2c2c2c2c, %rbx; movabs $0x3d3d3d3d4e4e4e4e, %rbp\n"
    "  movabs $0x1212121212121212, %r12; movabs $0x1313131313131313, %r13\n"
    "  movabs $0x1414141414141414, %r14; movabs $0x1515151515151515, %r15\n"
    "  mov 8(%rcx), %rdi; mov 16(%rcx), %rsi; mov 24(%rcx), %rdx; mov 32(%rcx), %r10; mov 40(%rcx), %r8; mov 48(%rcx), %r9\n"
    "  mov (%rcx), %rax\n"
    "  syscall\n"
    "  mov (%rsp), %rcx\n"
    "  lea 96(%rcx), %r11\n"    /* AT_AFTER */
    "  test %rax, %rax\n"
    "  jnz 1f\n"
    "  add $256, %r11\n"           /* AFTER */
    "1: mov %rbx, (%r11); mov %rbp, 8(%r11); mov %r12, 16(%r11); mov %r13, 24(%r11); mov %r14, 32(%r11); mov %r15, 40(%r11)\n"
    "  mov %rdi, 48(%r11); mov %rsi, 56(%r11); mov %rdx, 64(%r11); mov %r10, 72(%r11); mov %r8, 80(%r11); mov %r9, 88(%r11)\n"
    "  .set raw_i, 1\n"
    "  .rept 16\n"
    "  mov -8*raw_i(%rsp), %rbx\n"
    "  mov %rbx, 96-8+8*raw_i(%r11)\n"
    "  .set raw_i, raw_i + 1\n"
    "  .endr\n"
    "  movdqu %xmm0, 224(%r11); movdqu %xmm15, 240(%r11)\n"
    "  test %rax, %rax\n"
    "  jz 2f\n"
    "  pop %rdi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "  ret\n"
    "2: mov %rcx, %rdi\n"
    "  sub $1024, %rsp\n"
    "  and $-16, %rsp\n"
    "  call *88(%rdi)\n"           /* AT_CHILD */
    "  ud2\n"
    ".size raw_call, . - raw_call\n");
_Static_assert(AT_CHILD == 88 && AT_AFTER == 96 && AT_RED == 96 && AT_XMM_AFTER == 224 && AFTER == 256, "as the assembly has it");
#else
enum { SAVED = 1, RED = 0 };    /* only %ebp holds no argument; there is no red zone */
static const long pattern[SAVED] = { 0x3d3d4e4e };
__asm__(
    ".text\n"
    ".globl raw_call\n"
    ".type raw_call, @function\n"
    "raw_call:\n"
    "  push %ebx; push %ebp; push %esi; push %edi\n"
    "  mov 20(%esp), %eax\n"
    "  push %eax\n"
    "  movdqu 28(%eax), %xmm0; movdqu 44(%eax), %xmm7\n"
    "  mov 4(%eax), %ebx; mov 8(%eax), %ecx; mov 12(%eax), %edx; mov 16(%eax), %esi; mov 20(%eax), %edi\n"
    "  mov $0x3d3d4e4e, %ebp\n"
    "  mov (%eax), %eax\n"
    "  int $0x80\n"
    "  push %ebx\n"
    "  mov 4(%esp), %ebx\n"
    "  lea 64(%ebx), %ebx\n"       /* AT_AFTER */
    "  test %eax, %eax\n"
    "  jnz 1f\n"
    "  add $144, %ebx\n"           /* AFTER */
    "1: mov %ebp, (%ebx); mov %ecx, 8(%ebx); mov %edx, 12(%ebx); mov %esi, 16(%ebx); mov %edi, 20(%ebx)\n"
    "  pop %ecx\n"
    "  mov %ecx, 4(%ebx)\n"
    "  movdqu %xmm0, 112(%ebx); movdqu %xmm7, 128(%ebx)\n"
    "  mov (%esp), %ecx\n"
    "  test %eax, %eax\n"
    "  jz 2f\n"
    "  pop %ecx; pop %edi; pop %esi; pop %ebp; pop %ebx\n"
    "  ret\n"
    "2: sub $1024, %esp\n"
    "  and $-16, %esp\n"
    "  sub $16, %esp\n"
    "  mov %ecx, (%esp)\n"
    "  call *60(%ecx)\n"           /* AT_CHILD */
    "  ud2\n"
    ".size raw_call, . - raw_call\n");
_Static_assert(AT_CHILD == 60 && AT_AFTER == 64 && AT_XMM_AFTER == 112 && AFTER == 144, "as the assembly has it");
#endif

enum { ARGS = RED ? 6 : 5 };

/* What is wrong with the registers, as a word. */
static const char *judge(const struct raw *raw, const struct after *after, int own_stack)
{
    for (int i = 0; i < SAVED; i++)
        if (after->reg[i] != pattern[i])
            return "a CALLEE-SAVED register differs";
    for (int i = 0; i < ARGS; i++)
        if (after->reg[SAVED + i] != raw->arg[i])
            return "an ARGUMENT register differs";
    if (memcmp(after->xmm, raw->xmm, sizeof raw->xmm) != 0)
        return "an XMM register differs";
    for (int i = 0; i < RED && !own_stack; i++)
        if (after->red[i] != 0x5a00 + i + 1)
            return "the RED ZONE differs";
    return "as they were";
}

static void tell_thread(const char *who, const struct raw *raw, int side, int own_stack)
{
    sigset_t mask;
    stack_t stack;

    sigemptyset(&mask);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigaltstack(NULL, &stack);
    int same = 1;
    for (int i = 1; i < 32; i++)
        same &= sigismember(&mask, i) == sigismember(&raw->mask, i);
    say("  %s: registers %s, mask %s, alternate stack %s, works %d\n", who, judge(raw, &raw->after[side], own_stack), same ? "the same" : "ANOTHER",
        stack.ss_flags & SS_DISABLE ? "none" : stack.ss_sp == alternate ? "the same" : "ANOTHER", works());
}

static void raw_child(struct raw *raw)
{
    if (!raw->quiet)
        tell_thread("child", raw, 1, raw->arg[1] != 0);
    else if (strcmp(judge(raw, &raw->after[1], raw->arg[1] != 0), "as they were") != 0)
        syscall(SYS_exit, 42);
    if (raw->arg[0] & CLONE_THREAD)
        raw->done = 2;    /* shares TLS with the first thread, so it does no more than this */
    syscall(SYS_exit, raw->arg[0] & CLONE_THREAD ? 0 : 21);
}

/* flags: those of clone, or -1 for a call without arguments. A child with a stack of its own finds raw there, as on the old one. */
static void raw_one(const char *what, long nr, long flags, int own_stack, int quiet)
{
    static struct raw raw;

    memset(&raw, 0, sizeof raw);
    raw.nr = nr;
    raw.child = raw_child;
    raw.quiet = quiet;
    for (int i = 0; i < 32; i++)
        raw.xmm[i] = (char)(i * 7 + 1);
    raw.arg[0] = flags < 0 ? 0 : flags;
    if (own_stack) {
        char *stack = new_stack() - 4096;
        *(struct raw **)stack = &raw;
        raw.arg[1] = (long)stack;
    }
    sigprocmask(SIG_BLOCK, NULL, &raw.mask);
    if (!quiet)
        say("%s\n", what);
    atomic_store(&raw.done, 1);
    if (flags > 0 && flags & CLONE_THREAD)
        raw.arg[RED ? 3 : 4] = (long)&raw.done;
    long child = raw_call(&raw);
    must(child > 0);
    if (flags > 0 && flags & CLONE_THREAD) {
        int seen;
        while ((seen = atomic_load(&raw.done)) != 0)
            syscall(SYS_futex, &raw.done, WAIT_FUTEX, seen, NULL, NULL, 0);
    } else {
        int status = wait_for((pid_t)child);
        if (!quiet || WEXITSTATUS(status) != 21)
            tell_status("  child", status);
    }
    const char *found = judge(&raw, &raw.after[0], 0);
    if (!quiet)
        tell_thread("parent", &raw, 0, 0);
    else if (strcmp(found, "as they were") != 0)
        say("%s: registers %s\n", what, found);
}

static void raw_all(int quiet)
{
    int thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;

    raw_one("fork", SYS_fork, -1, 0, quiet);
    raw_one("vfork", SYS_vfork, -1, 0, quiet);
    raw_one("clone as fork", SYS_clone, SIGCHLD, 0, quiet);
    raw_one("clone as vfork", SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, quiet);
    raw_one("clone as posix_spawn", SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 1, quiet);
    raw_one("clone as fork, own stack", SYS_clone, SIGCHLD, 1, quiet);
    raw_one("clone, same memory", SYS_clone, CLONE_VM | SIGCHLD, 1, quiet);
    raw_one("clone, a thread", SYS_clone, thread, 1, 1);
}

static void raw_calls(char **rest)
{
    stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
    sigset_t mask;

    (void)rest;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGWINCH);
    must(sigprocmask(SIG_BLOCK, &mask, NULL) == 0 && sigaltstack(&stack, NULL) == 0);
    raw_all(0);
    for (int i = 0; i < 10; i++)
        raw_all(1);
    tell("no more children", waitpid(-1, NULL, __WALL));
    say("each ten times more\n");
}

/* --- what a policy sees -------------------------------------------------------------------------------------- */

/* Three generations, each ended before the next line: events come in one order only. */
static void tree(char **rest)
{
    (void)rest;
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        tell_status("grandchild", wait_for(child_that(5)));
        raise(SIGTERM);
    }
    tell_status("child", wait_for(child));
    vfork_exec("/bin/false");
}

static const struct word words[] = {
    { "fork", basic }, { "deep", deep }, { "many", many }, { "memory", memory }, { "vfork", vforks }, { "double", daemonise }, { "orphan", orphans },
    { "subreaper", subreaper }, { "leave", leave }, { "waitid", waitids }, { "groups", groups_of_children }, { "zombie", zombie }, { "pidfd", pidfds }, { "ids", ids },
    { "whose-child", whose_child }, { "death-signal", death_signal }, { "from-thread", from_thread }, { "in-threads", in_threads }, { "state", state },
    { "clone-signal", clone_signal }, { "clone-shares", clone_shares }, { "clonevm", clone_vm }, { "clonevm-kill", clone_vm_kill }, { "raw", raw_calls }, { "tree", tree },
    { NULL, NULL },
};

int main(int argc, char **argv)
{
    return words_run(words, argc, argv);
}
