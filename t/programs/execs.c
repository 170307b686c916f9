/* execs: execve in all its ways, as a word says: what survives it, scripts, descriptors as programs, big arguments, errors. Subject of t/45. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "words.h"

enum { IOPRIO_SELF = 1, EMPTY_PATH = 0x1000, NO_FOLLOW = 0x100, CLOEXEC = 1 };

extern char **environ;
static char *self;
static void *volatile bad = (void *)8, *volatile none;    /* the compiler isn't to see what they are */

static const char *last(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path ? path : "nothing";
}

static long exec_at(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
    return syscall(SYS_execveat, fd, path, argv, envp, flags);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);
    must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static void copy_self(const char *name)
{
    static char bytes[1 << 16];
    ssize_t got;
    int in = open(self, O_RDONLY), out = open(name, O_WRONLY | O_CREAT | O_EXCL, 0755);

    must(in >= 0 && out >= 0);
    while ((got = read(in, bytes, sizeof bytes)) > 0)
        must(write(out, bytes, (size_t)got) == got);
    must(close(in) == 0 && close(out) == 0);
}

/* --- the other side ----------------------------------------------------------------------------------------- */

/* The names that a program finds: arguments, environment, /proc, the auxiliary vector. */
static void show(char **rest)
{
    char exe[1000] = "", name[16] = "", line[200] = "";

    for (; *rest; rest++)
        say("  argument [%s]\n", *rest);
    for (char **e = environ; *e; e++)
        if (strncmp(*e, "EXEC", 4) == 0)
            say("  environment [%s]\n", *e);
    must(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0);
    prctl(PR_GET_NAME, name);
    int fd = open("/proc/self/cmdline", O_RDONLY);
    ssize_t got = read(fd, line, sizeof line - 1);
    must(got > 0);
    close(fd);
    say("  exe %s, comm %s, cmdline of %s, execfn %s, secure %lu, %d bits\n", last(exe), name, last(line), last((const char *)getauxval(AT_EXECFN)), getauxval(AT_SECURE),
        (int)sizeof(long) * 8);
    check("  thread id is process id", syscall(SYS_gettid) == getpid());
    _exit(25);
}

static char *const *words_of(char *one, char *two, char *three)
{
    static char *argv[5];
    argv[0] = self;
    argv[1] = one;
    argv[2] = two;
    argv[3] = two ? three : NULL;
    return argv;
}

static void by_self(char **rest)
{
    char *const envp[] = { "EXEC=1", "EXEC_EMPTY=", "EXEC_ODD=a=b", "PATH=/bin", NULL };

    (void)rest;
    say("by its path\n");
    pid_t child = fork();
    if (child == 0) {
        execve(self, words_of("show", "one", ""), envp);
        _exit(errno);
    }
    tell_status("child", wait_for(child));
    say("by /proc/self/exe, with another name\n");
    child = fork();
    if (child == 0) {
        execle("/proc/self/exe", "another name", "show", "x", (char *)NULL, (char *const[]){ NULL });
        _exit(errno);
    }
    tell_status("child", wait_for(child));
    say("by a relative path with a link\n");
    must(mkdir("dir", 0755) == 0 && symlink("dir", "link") == 0);
    copy_self("dir/program");
    child = fork();
    if (child == 0) {
        execl("./link/../dir/program", "program", "show", (char *)NULL);
        _exit(errno);
    }
    tell_status("child", wait_for(child));
    must(unlink("dir/program") == 0);
    say("without arguments\n");
    child = fork();
    if (child == 0) {
        execve("/bin/true", none, none);
        _exit(errno);
    }
    tell_status("child", wait_for(child));
    say("itself\n");
    execve(self, words_of("show", "last", NULL), envp);
    _exit(errno);
}

/* One after the other in one process. */
static void many(char **rest)
{
    int left = rest[0] ? atoi(rest[0]) : 50;
    long first = rest[0] && rest[1] ? atol(rest[1]) : getpid();
    char count[20], pid[20];

    must(first == getpid());
    if (left == 0) {
        int fd = open("/dev/null", O_RDONLY);
        say("the same process after 50 execs, lowest descriptor %d\n", fd);
        return;
    }
    snprintf(count, sizeof count, "%d", left - 1);
    snprintf(pid, sizeof pid, "%ld", first);
    execv(self, words_of("many", count, pid));
    _exit(errno);
}

/* --- from threads ------------------------------------------------------------------------------------------- */

static int idle[2];
static sem_t ready;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *wait_somehow(void *arg)
{
    char c;

    sem_post(&ready);
    switch ((int)(long)arg % 5) {
    case 0: must(read(idle[0], &c, 1) == 1); break;
    case 1: pthread_mutex_lock(&lock); break;
    case 2: pause(); break;
    case 3: open("fifo", O_RDONLY); break;
    default:
        for (;;) {
            int fd = open("/dev/null", O_RDONLY);
            close(fd);
            brief_pause();
        }
    }
    return arg;
}

static void *exec_here(void *arg)
{
    prctl(PR_SET_NAME, "a-thread");
    (void)arg;
    execv(self, words_of("after-thread", getenv("EXEC_PID"), NULL));
    _exit(errno);
}

static void from_thread(char **rest)
{
    pthread_t thread;
    char pid[20];

    must(pipe2(idle, O_CLOEXEC) == 0 && sem_init(&ready, 0, 0) == 0 && mkfifo("fifo", 0600) == 0);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("EXEC_PID", pid, 1);
    pthread_mutex_lock(&lock);
    for (long i = 0; i < 10; i++)
        must(pthread_create(&thread, NULL, wait_somehow, (void *)i) == 0);
    for (int i = 0; i < 10; i++)
        while (sem_wait(&ready) != 0)
            ;
    if (rest[0] && strcmp(rest[0], "first") == 0)
        exec_here(NULL);
    must(pthread_create(&thread, NULL, exec_here, NULL) == 0);
    for (;;)
        pause();
}

static void *nothing(void *arg)
{
    return arg;
}

static void after_thread(char **rest)
{
    pthread_t thread;
    void *result = NULL;
    char name[16];

    prctl(PR_GET_NAME, name);
    check("the process's id is the same", rest[0] && atoi(rest[0]) == getpid());
    check("thread id is process id", syscall(SYS_gettid) == getpid());
    say("named %s\n", name);
    must(pthread_create(&thread, NULL, nothing, (void *)1) == 0 && pthread_join(thread, &result) == 0);
    unlink("fifo");
    check("threads work", result == (void *)1);
    check("forks work", wait_for(fork() ?: (_exit(0), 0)) == 0);
}

/* A failed exec leaves the threads alone. */
static void *count_on(void *arg)
{
    atomic_int *count = arg;
    while (atomic_load(count) < 1000000) {
        atomic_fetch_add(count, 1);
        brief_pause();
    }
    return arg;
}

static void failed(char **rest)
{
    static atomic_int count;
    pthread_t thread;

    (void)rest;
    must(pthread_create(&thread, NULL, count_on, &count) == 0);
    for (int i = 0; i < 20; i++)
        must(execl("/no/such/program", "x", (char *)NULL) < 0 && errno == ENOENT && execl("/", "x", (char *)NULL) < 0 && errno == EACCES);
    int seen = atomic_load(&count);
    while (atomic_load(&count) < seen + 3)
        brief_pause();
    atomic_store(&count, 1000000);
    pthread_join(thread, NULL);
    say("40 execs failed, the other thread went on\n");
}

/* --- scripts ------------------------------------------------------------------------------------------------ */

static void exec_child(const char *what, const char *path, char *const argv[])
{
    say("%s\n", what);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        execve(path, argv, environ);
        say("  %s\n", strerror(errno));
        _exit(126);
    }
    tell_status("  child", wait_for(child));
}

static void script(const char *what, const char *first_line)
{
    write_file("script", first_line, 0755);
    exec_child(what, "./script", (char *const[]){ "zero", "one", "two words", NULL });
}

static void scripts(char **rest)
{
    char text[5000], name[20];

    (void)rest;
    copy_self("program");
    copy_self("show");    /* an interpreter whose first word is what it gets as argument */
    write_file("s0", "#!./program show\n", 0755);
    for (int i = 1; i <= 7; i++) {
        snprintf(text, sizeof text, "#!./s%d\n", i - 1);
        snprintf(name, sizeof name, "s%d", i);
        write_file(name, text, 0755);
    }
    for (int i = 0; i <= 7; i++) {
        snprintf(name, sizeof name, "./s%d", i);
        snprintf(text, sizeof text, "a chain of %d", i + 1);
        exec_child(text, name, (char *const[]){ "zero", "one", NULL });
    }
    script("spaces and tabs", "#! \t ./program \t show \t \nrest\n");
    script("no newline", "#!./program show");
    script("several words are one", "#!./program show me\n");
    script("no interpreter", "#!\n");
    script("only spaces", "#!   \n");
    script("a missing interpreter", "#!/no/such/interpreter\n");
    script("a directory", "#!/tmp\n");
    script("a script in a script that doesn't end", "#!./script\n");
    script("an interpreter that isn't executable", "#!/etc/passwd\n");
    script("no #! at all", "exit 3\n");
    memset(text, 'x', 400);
    memcpy(text, "#!./", 4);
    strcpy(text + 400, "\n");
    script("a name that is too long", text);
    memset(text, ' ', 400);
    memcpy(text, "#!./program show", 16);
    strcpy(text + 400, "y\n");
    script("an argument beyond what is read", text);
    exec_child("no arguments", "./s0", (char *const[]){ NULL });
    must(unlink("program") == 0 && unlink("show") == 0);
}

/* --- descriptors -------------------------------------------------------------------------------------------- */

static void at_child(const char *what, int fd, const char *path, int flags)
{
    say("%s\n", what);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        exec_at(fd, path, words_of("show", "at", NULL), environ, flags);
        say("  %s\n", strerror(errno));
        _exit(126);
    }
    tell_status("  child", wait_for(child));
}

static void by_descriptor(char **rest)
{
    char text[100];

    (void)rest;
    must(mkdir("dir", 0755) == 0);
    copy_self("dir/program");
    write_file("dir/script", "#!/bin/sh\necho \"  script $1\"\nexit 4\n", 0755);
    write_file("dir/plain", "plain\n", 0644);
    must(symlink("program", "dir/link") == 0);
    int program = open("dir/program", O_RDONLY | O_CLOEXEC), path = open("dir/program", O_PATH | O_CLOEXEC), dir = open("dir", O_RDONLY | O_DIRECTORY);
    int script_open = open("dir/script", O_RDONLY), script_closes = open("dir/script", O_RDONLY | O_CLOEXEC), plain = open("dir/plain", O_RDONLY | O_CLOEXEC);
    must(program >= 0 && path >= 0 && dir >= 0 && script_open >= 0 && script_closes >= 0 && plain >= 0);
    at_child("a program's descriptor", program, "", EMPTY_PATH);
    at_child("an O_PATH descriptor", path, "", EMPTY_PATH);
    at_child("a script's descriptor", script_open, "", EMPTY_PATH);
    at_child("a script's that is closed on exec", script_closes, "", EMPTY_PATH);
    at_child("one that isn't executable", plain, "", EMPTY_PATH);
    at_child("a directory's", dir, "", EMPTY_PATH);
    at_child("none", 77, "", EMPTY_PATH);
    at_child("a name in a directory", dir, "program", 0);
    at_child("a script in a directory", dir, "script", 0);
    at_child("a link in a directory", dir, "link", 0);
    at_child("a link that isn't followed", dir, "link", NO_FOLLOW);
    at_child("not in a directory", program, "program", 0);
    at_child("no name and no flag", dir, "", 0);
    at_child("unknown flags", dir, "program", 0x8000);
    at_child("from the working directory", AT_FDCWD, "dir/program", 0);
    at_child("an absolute path and no descriptor", -1, self, 0);

    pid_t child = fork();
    if (child == 0) {
        fexecve(script_open, (char *const[]){ "script", "by fexecve", NULL }, environ);
        _exit(errno);
    }
    tell_status("fexecve", wait_for(child));
    int made = (int)syscall(SYS_memfd_create, "made", CLOEXEC);
    int in = open(self, O_RDONLY);
    ssize_t got;
    must(made >= 0 && in >= 0);
    while ((got = read(in, text, sizeof text)) > 0)
        must(write(made, text, (size_t)got) == got);
    close(in);
    at_child("a file that has no name", made, "", EMPTY_PATH);
    must(unlink("dir/program") == 0);
    at_child("a file that has lost its name", program, "", EMPTY_PATH);
}

/* --- close on exec ------------------------------------------------------------------------------------------ */

static void after_cloexec(char **rest)
{
    for (int fd = 0; fd < 40; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0)
            say("open: %d, flags %d\n", fd, flags);
    }
    struct flock held = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    pid_t child = fork();
    if (child == 0) {
        int fd = open("locked", O_RDWR);
        must(fd >= 0 && fcntl(fd, F_GETLK, &held) == 0);
        say("the lock is %s\n", held.l_type == F_UNLCK ? "gone" : held.l_pid == getppid() ? "the parent's" : "another's");
        _exit(0);
    }
    wait_for(child);
    (void)rest;
}

static void close_on_exec(char **rest)
{
    (void)rest;
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    must(open("/dev/null", O_RDONLY) == 3 && open("/dev/null", O_RDONLY | O_CLOEXEC) == 4);
    must(dup3(3, 10, O_CLOEXEC) == 10 && dup3(3, 11, 0) == 11 && dup2(4, 12) == 12);
    must(fcntl(3, F_DUPFD_CLOEXEC, 20) == 20 && fcntl(4, F_DUPFD, 21) == 21);
    must(dup2(3, 13) == 13 && fcntl(13, F_SETFD, FD_CLOEXEC) == 0);
    must(dup3(3, 14, O_CLOEXEC) == 14 && fcntl(14, F_SETFD, 0) == 0);
    int lock_fd = open("locked", O_RDWR | O_CREAT, 0600);
    must(lock_fd == 5 && fcntl(lock_fd, F_SETLK, &(struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET }) == 0);
    execv(self, words_of("after-cloexec", NULL, NULL));
    _exit(errno);
}

/* --- big arguments ------------------------------------------------------------------------------------------ */

static void digest(char **rest)
{
    unsigned long sum = 5381, bytes = 0, count = 0;

    for (char **list = rest; list; list = list == environ ? NULL : environ)
        for (char **one = list; *one; one++, count++)
            for (const char *c = *one; *c; c++, bytes++)
                sum = (sum * 33 + (unsigned char)*c) & 0xffffffff;
    say("  %lu strings, %lu bytes, sum %lx\n", count, bytes, sum);
    _exit(0);
}

/* `count` strings of `size` bytes each, as arguments or as environment. */
static void big(const char *what, int count, size_t size, int as_environment)
{
    char **list = calloc((size_t)count + 3, sizeof *list), **next = list;
    char *word = malloc(size + 2);

    must(list && word);
    if (!as_environment) {
        *next++ = self;
        *next++ = "digest";
    }
    for (int i = 0; i < count; i++) {
        for (size_t k = 0; k < size; k++)
            word[k] = (char)('a' + ((size_t)i * 7 + k) % 26);
        word[size] = 0;
        must((*next++ = strdup(word)));
    }
    say("%s\n", what);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        if (as_environment)
            execve(self, words_of("digest", NULL, NULL), list);
        else
            execve(self, list, (char *const[]){ NULL });
        say("  %s\n", strerror(errno));
        _exit(126);
    }
    tell_status("  child", wait_for(child));
    for (int i = as_environment ? 0 : 2; list[i]; i++)
        free(list[i]);
    free(list);
    free(word);
}

static void big_args(char **rest)
{
    (void)rest;
    must(setrlimit(RLIMIT_STACK, &(struct rlimit){ 8 << 20, 8 << 20 }) == 0);    /* the limit follows from it */
    big("1 MB of arguments", 1000, 1048, 0);
    big("1 MB of environment", 1000, 1048, 1);
    big("60,000 arguments", 60000, 5, 0);
    big("one string of 128 KB", 1, 131071, 0);
    big("one string of a byte more", 1, 131072, 0);
    big("2 MB less a little", 15, 131071, 0);
    big("more than 2 MB", 17, 131071, 0);
    big("more than 2 MB of environment", 17, 131071, 1);
    must(setrlimit(RLIMIT_STACK, &(struct rlimit){ 1 << 20, 8 << 20 }) == 0);
    big("a small stack, 200 KB", 200, 1023, 0);
    big("a small stack, 300 KB", 300, 1023, 0);
    big("a small stack, an empty one after all that", 1, 0, 0);
}

/* --- errors ------------------------------------------------------------------------------------------------- */

static void fails(const char *what, const char *path, char *const argv[])
{
    long result = execve(path, argv, environ);
    say("%s: %ld %s\n", what, result, strerror(errno));
}

static void errors(char **rest)
{
    static char long_name[5000], elf[4096];
    char *const argv[] = { "x", NULL };
    int fd;

    (void)rest;
    memset(long_name, 'n', sizeof long_name - 1);
    must(mkdir("dir", 0755) == 0 && symlink("loop", "loop") == 0 && symlink("nowhere", "dangling") == 0 && mkfifo("fifo", 0755) == 0);
    write_file("plain", "just text\n", 0755);
    write_file("unmarked", "#!/bin/sh\n", 0644);
    write_file("empty", "", 0755);
    write_file("one", "#", 0755);
    must((fd = open(self, O_RDONLY)) >= 0 && read(fd, elf, sizeof elf) == sizeof elf && close(fd) == 0);
    must((fd = open("truncated", O_WRONLY | O_CREAT, 0755)) >= 0 && write(fd, elf, 40) == 40 && close(fd) == 0);
    elf[18] = 40;    /* e_machine: ARM */
    must((fd = open("foreign", O_WRONLY | O_CREAT, 0755)) >= 0 && write(fd, elf, sizeof elf) == sizeof elf && close(fd) == 0);
    fails("missing", "/no/such/program", argv);
    fails("empty path", "", argv);
    fails("a directory", "dir", argv);
    fails("not executable", "unmarked", argv);
    fails("a FIFO", "fifo", argv);
    fails("a device", "/dev/null", argv);
    fails("text", "plain", argv);
    fails("empty", "empty", argv);
    fails("one byte", "one", argv);
    fails("a truncated program", "truncated", argv);
    fails("another machine's program", "foreign", argv);
    fails("below a file", "plain/below", argv);
    fails("a loop", "loop", argv);
    fails("a dangling link", "dangling", argv);
    fails("a long name", long_name, argv);
    long_name[300] = 0;
    fails("a long component", long_name, argv);
    fails("a bad path", bad, argv);
    fails("bad arguments", "/bin/true", bad);
    fails("a bad argument", "/bin/true", (char *const[]){ bad, NULL });
    tell("a bad environment", syscall(SYS_execve, "/bin/true", argv, bad));
    fails("below /proc", "/proc/self/status", argv);
    must(unlink("fifo") == 0 && unlink("foreign") == 0 && unlink("truncated") == 0);    /* the test compares what is left */
    say("still here\n");
}

/* --- what survives ------------------------------------------------------------------------------------------ */

static void on_signal(int signal)
{
    (void)signal;
}

static void tell_state(char **rest)
{
    sigset_t mask, pending;
    struct itimerval timer;
    struct rlimit limit;
    struct sigaction action;
    stack_t stack;
    cpu_set_t cpus;
    char name[16], cwd[1000];

    (void)rest;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigpending(&pending);
    for (int i = 1; i < 65; i++) {
        if (sigaction(i, NULL, &action) == 0 && (action.sa_handler != SIG_DFL || sigismember(&mask, i) || sigismember(&pending, i)))
            say("signal %d: %s%s%s\n", i, action.sa_handler == SIG_IGN ? "ignored" : action.sa_handler == SIG_DFL ? "default" : "HANDLED", sigismember(&mask, i) ? ", blocked" : "",
                sigismember(&pending, i) ? ", pending" : "");
    }
    sigaltstack(NULL, &stack);
    mode_t umask_now = umask(0);
    umask(umask_now);
    getitimer(ITIMER_REAL, &timer);
    getrlimit(RLIMIT_NOFILE, &limit);
    CPU_ZERO(&cpus);
    sched_getaffinity(0, sizeof cpus, &cpus);
    prctl(PR_GET_NAME, name);
    say("alternate stack %s, umask %o, timer %s, descriptors %ld, in %s\n", stack.ss_flags & SS_DISABLE ? "none" : "SET", (unsigned)umask_now, timer.it_value.tv_sec ? "runs" : "off",
        (long)limit.rlim_cur, getcwd(cwd, sizeof cwd) ? last(cwd) : "?");
    say("nice %d, cpus %d, policy %ld, io priority %ld, personality %lx, slack %d, comm %s\n", getpriority(PRIO_PROCESS, 0), CPU_COUNT(&cpus), syscall(SYS_sched_getscheduler, 0),
        syscall(SYS_ioprio_get, IOPRIO_SELF, 0), (unsigned long)personality(0xffffffff) & 0xff0000, prctl(PR_GET_TIMERSLACK), name);
    unsigned mxcsr;
    unsigned short x87;
    __asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(mxcsr), "=m"(x87));
    say("mxcsr %x, x87 %x\n", mxcsr & 0xffc0, x87);
    siginfo_t info;
    int got;
    while ((got = sigtimedwait(&pending, &info, &(struct timespec){ 0, 0 })) > 0)
        say("was pending: %d\n", got);    /* whose it was, the trustee that carries it over can't tell */
}

static void set_state(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    static char alternate[1 << 15];
    cpu_set_t cpus, one;
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGRTMAX);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigaltstack(&(stack_t){ .ss_sp = alternate, .ss_size = sizeof alternate }, NULL);
    if (getpid() == syscall(SYS_gettid)) {
        kill(getpid(), SIGUSR1);
        kill(getpid(), SIGRTMAX);
    } else {    /* the other threads don't block them */
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGRTMAX);
    }
    umask(027);
    setitimer(ITIMER_REAL, &(struct itimerval){ .it_value = { .tv_sec = 1000 } }, NULL);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 200, 300 });
    prctl(PR_SET_TIMERSLACK, 77777);
    prctl(PR_SET_NAME, "before");
    must(mkdir("inside", 0755) == 0 && chdir("inside") == 0);
    must(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &cpus))
            CPU_SET(i, &one);
    must(sched_setaffinity(0, sizeof one, &one) == 0);
    must(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &(struct sched_param){ 0 }) == 0);
    must(setpriority(PRIO_PROCESS, 0, 5) == 0 && syscall(SYS_ioprio_set, IOPRIO_SELF, 0, (2 << 13) | 6) == 0);
    must(personality(0x0040000) >= 0);    /* ADDR_NO_RANDOMIZE */
    __asm__ volatile("ldmxcsr %0\n fldcw %1" : : "m"((unsigned){ 0x5f80 }), "m"((unsigned short){ 0x0b7f }));
}

static void *set_and_exec(void *arg)
{
    set_state();
    execv(self, words_of("state", NULL, NULL));
    _exit(errno);
    return arg;
}

static void mask(char **rest)
{
    pthread_t thread;

    if (rest[0] && strcmp(rest[0], "thread") == 0) {
        must(pthread_create(&thread, NULL, set_and_exec, NULL) == 0);
        pthread_join(thread, NULL);
    }
    set_and_exec(NULL);
}

static void after_children(char **rest)
{
    (void)rest;
    int status, sum = 0;
    while (wait(&status) > 0)
        sum += WEXITSTATUS(status);
    say("three children of before: %d\n", sum);
}

/* Children stay children. */
static void children(char **rest)
{
    int ends[2];

    (void)rest;
    must(pipe(ends) == 0);
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        must(child >= 0);
        if (child == 0) {
            char c;
            close(ends[1]);
            must(read(ends[0], &c, 1) == 0);    /* until the exec has closed the other end */
            _exit(10 + i);
        }
    }
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    execv(self, words_of("after-children", NULL, NULL));
    _exit(errno);
}

static void wait_for_end(char **rest)
{
    char c;

    (void)rest;
    must(write(1, "running\n", 8) == 8);
    if (read(0, &c, 1) == 0)
        _exit(0);
}

static void busy_text(char **rest)
{
    int ends[2], out[2];
    char text[20];

    (void)rest;
    copy_self("copy");
    must(pipe2(ends, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        dup2(ends[0], 0);
        dup2(out[1], 1);
        execl("./copy", "copy", "wait", (char *)NULL);
        _exit(errno);
    }
    must(read(out[0], text, sizeof text) == 8);
    tell("writing to a running program", open("copy", O_WRONLY) < 0 ? -1 : 0);
    tell("truncating it", truncate("copy", 0));
    tell("reading it", open("copy", O_RDONLY | O_CLOEXEC) < 0 ? -1 : 0);
    tell("renaming it", rename("copy", "moved"));
    tell("removing its name", unlink("moved"));
    close(ends[1]);
    tell_status("it", wait_for(child));

    copy_self("copy");
    int fd = open("copy", O_WRONLY | O_CLOEXEC);
    must(fd >= 0);
    fails("running what is open for writing", "./copy", (char *const[]){ "copy", "show", NULL });
    close(fd);
    write_file("script", "#!./copy show\n", 0755);
    fd = open("script", O_WRONLY | O_CLOEXEC);
    fails("a script that is open for writing", "./script", (char *const[]){ "script", NULL });
    close(fd);
    fd = open("copy", O_RDWR | O_CLOEXEC);
    fails("a script whose interpreter is open for writing", "./script", (char *const[]){ "script", NULL });
    close(fd);
    exec_child("and closed", "./script", (char *const[]){ "script", NULL });
    must(unlink("copy") == 0);
}

/* Back and forth between two programs of different classes: class OTHER [COUNT] */
static void class(char **rest)
{
    int left = rest[0] && rest[1] ? atoi(rest[1]) : 7;
    char count[20];

    must(rest[0]);
    snprintf(count, sizeof count, "%d", left - 1);
    say("%d bits\n", (int)sizeof(long) * 8);
    if (left == 0)
        return;
    tell_status("child", wait_for(fork() ?: (execl(rest[0], "child", "show", (char *)NULL), _exit(errno), 0)));
    execl(rest[0], rest[0], "class", self, count, (char *)NULL);
    _exit(errno);
}

/* What policies look at: three execs with known arguments. */
static void seen(char **rest)
{
    char *const envp[] = { "EXEC=seen", "EXEC_TWO=2", NULL };

    (void)rest;
    say("first\n");
    pid_t child = fork();
    if (child == 0) {
        execve(self, words_of("show", "first", "a b"), envp);
        _exit(errno);
    }
    tell_status("child", wait_for(child));
    say("second\n");
    child = vfork();
    if (child == 0) {
        exec_at(AT_FDCWD, self, words_of("show", "second", ""), envp, 0);
        _exit(errno);
    }
    tell_status("child", wait_for(child));
    say("third\n");
    execve(self, words_of("show", "third", NULL), envp);
    _exit(errno);
}

static const struct word words[] = {
    { "show", show }, { "self", by_self }, { "many", many }, { "thread", from_thread }, { "after-thread", after_thread }, { "failed", failed }, { "script-chain", scripts },
    { "fexecve", by_descriptor }, { "cloexec", close_on_exec }, { "after-cloexec", after_cloexec }, { "digest", digest }, { "big-args", big_args }, { "errors", errors },
    { "mask", mask }, { "state", tell_state }, { "children", children }, { "after-children", after_children }, { "etxtbsy", busy_text }, { "wait", wait_for_end },
    { "class", class }, { "seen", seen }, { NULL, NULL },
};

int main(int argc, char **argv)
{
    self = argv[0];
    return words_run(words, argc, argv);
}
