/* signals: handlers, restarts, alternate stacks, jumps out of handlers, storms, and whose thread runs what, as a word says. Subject of t/46. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <ucontext.h>

#include "words.h"

enum { PAGE = 4096 };

static void handle(int signal, void (*handler)(int), int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
    must(sigaction(signal, &action, NULL) == 0);
}

static void handle_info(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO };
    must(sigaction(signal, &action, NULL) == 0);
}

static sigset_t block(int signal)
{
    sigset_t mask, old;
    sigemptyset(&mask);
    sigaddset(&mask, signal);
    must(pthread_sigmask(SIG_BLOCK, &mask, &old) == 0);
    return old;
}

static int is_blocked(int signal)
{
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    return sigismember(&mask, signal);
}

static int is_pending(int signal)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, signal);
}

static void every(int microseconds)
{
    struct itimerval timer = { .it_interval = { .tv_usec = microseconds }, .it_value = { .tv_usec = microseconds } };
    must(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static int works(void)
{
    struct stat st;
    int fd = open("/dev/null", O_RDWR);
    int good = fd >= 0 && lseek(fd, 0, SEEK_CUR) == 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && access("/no/such", F_OK) != 0 && errno == ENOENT;
    return close(fd) == 0 && good;
}

/* --- handlers ----------------------------------------------------------------------------------------------- */

static char order[200];

static void note(char c)
{
    size_t length = strlen(order);
    if (length < sizeof order - 1)
        order[length] = c;
}

static void tell_order(const char *what)
{
    say("%s: %s\n", what, order);
    memset(order, 0, sizeof order);
}

static void plain_handler(int signal)
{
    int error = errno;
    note(signal == SIGUSR1 ? 'a' : signal == SIGUSR2 ? 'b' : 'c');
    works();    /* handlers make calls too */
    errno = error;
}

static void nesting_handler(int signal)
{
    note((char)('0' + signal - SIGRTMIN));
    if (signal < SIGRTMIN + 5) {
        raise(signal + 1);
        must(works());
    }
    note((char)('a' + signal - SIGRTMIN));
}

static void reentrant_handler(int signal)
{
    static int depth;
    note((char)('0' + depth));
    if (depth++ < 3)
        raise(signal);
    note(is_blocked(signal) ? 'B' : 'u');
}

static void handlers(char **rest)
{
    (void)rest;
    handle(SIGUSR1, plain_handler, 0);
    handle(SIGUSR2, plain_handler, SA_RESTART);
    handle(SIGHUP, plain_handler, SA_RESETHAND);
    must(raise(SIGUSR1) == 0 && kill(getpid(), SIGUSR2) == 0);
    must(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1) == 0 && syscall(SYS_tkill, syscall(SYS_gettid), SIGUSR2) == 0);
    must(sigqueue(getpid(), SIGUSR1, (union sigval){ 0 }) == 0 && pthread_kill(pthread_self(), SIGUSR2) == 0);
    must(raise(SIGHUP) == 0);
    tell_order("in order");
    struct sigaction action;
    sigaction(SIGHUP, NULL, &action);
    check("SA_RESETHAND", action.sa_handler == SIG_DFL);
    sigaction(SIGUSR2, NULL, &action);
    check("what was set is told", action.sa_handler == plain_handler && (action.sa_flags & ~0x04000000) == SA_RESTART);
    for (int i = 0; i < 6; i++)
        handle(SIGRTMIN + i, nesting_handler, 0);
    raise(SIGRTMIN);
    tell_order("nested");
    handle(SIGUSR1, reentrant_handler, SA_NODEFER);
    raise(SIGUSR1);
    tell_order("SA_NODEFER");

    struct sigaction masked = { .sa_handler = plain_handler };
    sigemptyset(&masked.sa_mask);
    sigaddset(&masked.sa_mask, SIGUSR2);
    must(sigaction(SIGUSR1, &masked, NULL) == 0);
    check("nothing is blocked in the end", !is_blocked(SIGUSR1) && !is_blocked(SIGUSR2) && !is_blocked(SIGRTMIN));
    tell("SIGKILL can't be handled", sigaction(SIGKILL, &masked, NULL));
    tell("SIGSTOP can't be handled", sigaction(SIGSTOP, &masked, NULL));
    tell("nor can 65", syscall(SYS_rt_sigaction, 65, &masked, NULL, 8));
    tell("a signal to nobody", kill(0x3fffff, SIGTERM));
    tell("signal 0 to itself", kill(getpid(), 0));
    tell("signal 100", kill(getpid(), 100));
}

/* Blocked signals: standard ones once, real-time ones each and in order; to a thread before to the process. */
static void queue_handler(int signal, siginfo_t *info, void *context)
{
    (void)context;
    note((char)('A' + signal - SIGRTMIN));
    note((char)('0' + info->si_value.sival_int));
}

static void blocked(char **rest)
{
    (void)rest;
    sigset_t old = block(SIGUSR1);
    for (int i = 0; i < 3; i++) {
        block(SIGRTMIN + i);
        handle_info(SIGRTMIN + i, queue_handler, 0);
    }
    handle(SIGUSR1, plain_handler, 0);
    for (int i = 0; i < 5; i++)
        raise(SIGUSR1);
    for (int i = 0; i < 3; i++)
        for (int k = 2; k >= 0; k--)
            must(sigqueue(getpid(), SIGRTMIN + k, (union sigval){ .sival_int = i }) == 0);
    must(works());
    tell_order("while blocked");
    say("pending: %d %d %d, not: %d\n", is_pending(SIGUSR1), is_pending(SIGRTMIN), is_pending(SIGRTMIN + 2), is_pending(SIGUSR2));
    must(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
    /* The lowest number is delivered last in, first run: each interrupts the next one's start; the kernel's order is compared, not known. */
    tell_order("when unblocked");
    check("nothing is pending", !is_pending(SIGUSR1) && !is_pending(SIGRTMIN));
    handle(SIGUSR2, SIG_IGN, 0);
    block(SIGUSR2);
    raise(SIGUSR2);
    say("an ignored one, blocked: pending %d\n", is_pending(SIGUSR2));
}

/* --- siginfo ------------------------------------------------------------------------------------------------ */

static siginfo_t seen;
static volatile int seen_count;

static void info_handler(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    seen = *info;
    seen_count++;
}

static void tell_info(const char *what)
{
    say("%s: signal %d, code %d, from itself %d, own user %d, value %d\n", what, seen.si_signo, seen.si_code, seen.si_pid == getpid(), seen.si_uid == getuid(), seen.si_value.sival_int);
    memset(&seen, 0, sizeof seen);
}

static void infos(char **rest)
{
    (void)rest;
    handle_info(SIGUSR1, info_handler, 0);
    kill(getpid(), SIGUSR1);
    tell_info("kill");
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
    tell_info("tgkill");
    sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 77 });
    tell_info("sigqueue");

    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value = { .sival_int = 88 } };
    must(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &(struct itimerspec){ .it_value = { .tv_nsec = 1000000 } }, NULL) == 0);
    for (int before = seen_count; seen_count == before;)
        brief_pause();
    say("timer: signal %d, code %d, value %d\n", seen.si_signo, seen.si_code, seen.si_value.sival_int);
    timer_delete(timer);

    handle_info(SIGCHLD, info_handler, 0);
    for (int i = 0; i < 2; i++) {
        sigset_t old = block(SIGCHLD);
        pid_t child = fork();
        if (child == 0) {
            if (i)
                kill(getpid(), SIGKILL);
            _exit(42);
        }
        must(wait_for(child) >= 0);
        int before = seen_count;
        sigprocmask(SIG_SETMASK, &old, NULL);
        say("SIGCHLD: once %d, code %d, status %d, the child's %d\n", seen_count - before, seen.si_code, seen.si_status, seen.si_pid == child);
    }
    handle_info(SIGPIPE, info_handler, 0);
    int ends[2];
    must(pipe(ends) == 0 && close(ends[0]) == 0);
    int before = seen_count;
    tell("a broken pipe", write(ends[1], "x", 1));
    say("SIGPIPE: once %d, code %d, from itself %d\n", seen_count - before, seen.si_code, seen.si_pid == getpid());
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && close(ends[0]) == 0);
    before = seen_count;
    tell("a broken socket", send(ends[1], "x", 1, MSG_NOSIGNAL));
    tell("a broken socket", send(ends[1], "x", 1, 0));
    say("SIGPIPE: once %d\n", seen_count - before);
    handle_info(SIGXFSZ, info_handler, 0);
    struct rlimit limit;
    must(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    rlim_t before_limit = limit.rlim_cur;
    limit.rlim_cur = 10;    /* for the output too, so nothing is said under it */
    int fd = open("limited", O_WRONLY | O_CREAT, 0644);
    must(fd >= 0 && setrlimit(RLIMIT_FSIZE, &limit) == 0);
    before = seen_count;
    long within = write(fd, "123456789012", 12), beyond = write(fd, "x", 1);
    int error = errno, count = seen_count - before;
    long truncated = ftruncate(fd, 50);
    limit.rlim_cur = before_limit;
    must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    say("a limited file: %ld %ld %s, SIGXFSZ %d; truncated %ld, SIGXFSZ %d\n", within, beyond, strerror(error), count, truncated, seen_count - before);
}

/* --- faults ------------------------------------------------------------------------------------------------- */

static sigjmp_buf back;
static char *region;

static void fault_handler(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    seen = *info;
    siglongjmp(back, 1);
}

static void fault(const char *what, void (*act)(void), const void *where)
{
    if (sigsetjmp(back, 1) == 0) {
        act();
        say("%s: NOTHING HAPPENED\n", what);
    } else {
        say("%s: signal %d, code %d, address %s\n", what, seen.si_signo, seen.si_code, !where ? "any" : seen.si_addr == where ? "right" : "WRONG");
    }
}

static void *volatile wild = (void *)8;
static volatile int zero;
static volatile int result;

static void touch_wild(void) { *(volatile int *)wild = 1; }
static void touch_protected(void) { *(volatile char *)(region + 5) = 1; }
static void divide(void) { result = 10 / zero; }
static void trap(void) { __asm__ volatile("ud2"); }
static void breakpoint(void) { __asm__ volatile("int3"); }
static void touch_beyond(void) { result = *(volatile char *)(region + PAGE); }

/* Pages become writable at the first touch, as garbage collectors have it. */
static volatile int opened;

static void barrier_handler(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    opened++;
    mprotect((void *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE);
}

/* The instruction is left out: the handler changes where it goes on. */
static void skip_handler(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)signal;
    (void)info;
#ifdef __x86_64__
    uc->uc_mcontext.gregs[REG_RIP] += 2;
    uc->uc_mcontext.gregs[REG_RBX] = 0x77;
#else
    uc->uc_mcontext.gregs[REG_EIP] += 2;
    uc->uc_mcontext.gregs[REG_EDI] = 0x77;
#endif
}

static void faults(char **rest)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
    long changed = 0;

    (void)rest;
    for (int i = 0; i < 5; i++)
        handle_info(signals[i], fault_handler, 0);
    fault("nothing there", touch_wild, wild);
    region = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fault("read only", touch_protected, region + 5);
    fault("division by zero", divide, NULL);
    fault("an illegal instruction", trap, NULL);
    fault("a breakpoint", breakpoint, NULL);
    int fd = open("short", O_RDWR | O_CREAT, 0644);
    must(fd >= 0 && write(fd, "x", 1) == 1);
    region = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    must(region != MAP_FAILED);
    fault("beyond a file", touch_beyond, region + PAGE);

    handle_info(SIGSEGV, barrier_handler, 0);
    region = mmap(NULL, 100 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 300; i++)
        region[(i * 37 % 100) * PAGE] = 1;
    say("pages opened by the handler: %d\n", opened);
    region = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fd = open("/dev/zero", O_RDONLY);
    tell("a call into such a page is no fault", read(fd, region, 10));
    say("opened: %d\n", opened);

    handle_info(SIGILL, skip_handler, 0);
#ifdef __x86_64__
    __asm__ volatile("xor %%ebx, %%ebx\n ud2\n mov %%rbx, %0" : "=r"(changed) : : "rbx");
#else
    __asm__ volatile("xor %%edi, %%edi\n ud2\n mov %%edi, %0" : "=r"(changed) : : "edi");
#endif
    say("skipped, and a register changed: %lx\n", (unsigned long)changed);

    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        touch_wild();
    }
    tell_status("unhandled", wait_for(child));
    child = fork();
    if (child == 0) {
        block(SIGSEGV);
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        touch_wild();
    }
    tell_status("handled, but blocked", wait_for(child));
}

/* --- alternate stacks --------------------------------------------------------------------------------------- */

static char *alternate;
static size_t alternate_size = 1 << 16;

static void stack_handler(int signal)
{
    char here;
    stack_t stack;

    note(&here >= alternate && &here < alternate + alternate_size ? 'y' : 'n');
    sigaltstack(NULL, &stack);
    note(stack.ss_flags & SS_ONSTACK ? 'o' : stack.ss_flags & SS_DISABLE ? 'd' : '-');
    must(works());
    if (signal == SIGUSR1)
        raise(SIGUSR2);
}

static void overflow_handler(int signal)
{
    (void)signal;
    stack_handler(SIGUSR2);
    siglongjmp(back, 1);
}

static int deeper(volatile char *up)
{
    volatile char room[PAGE];
    room[0] = up[0];
    return room[0] ? room[0] : deeper(room) + room[0];
}

static void *small_thread(void *arg)
{
    volatile char start[1] = { 0 };
    stack_t stack = { .ss_sp = alternate, .ss_size = alternate_size };

    must(sigaltstack(&stack, NULL) == 0);
    if (sigsetjmp(back, 1) == 0)
        result = deeper(start);
    else
        note('T');
    return arg;
}

static void altstack(char **rest)
{
    volatile char start[1] = { 0 };
    stack_t stack;
    pthread_t thread;

    (void)rest;
    alternate = mmap(NULL, alternate_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(alternate != MAP_FAILED);
    stack = (stack_t){ .ss_sp = alternate, .ss_size = alternate_size };
    handle(SIGUSR1, stack_handler, SA_ONSTACK);
    handle(SIGUSR2, stack_handler, SA_ONSTACK);
    raise(SIGUSR1);
    tell_order("without one");
    must(sigaltstack(&stack, NULL) == 0);
    raise(SIGUSR1);
    tell_order("with one, nested");
    handle(SIGUSR1, stack_handler, 0);
    raise(SIGUSR1);
    tell_order("from the normal stack");
    stack.ss_flags = (int)(1u << 31);    /* SS_AUTODISARM */
    must(sigaltstack(&stack, NULL) == 0);
    handle(SIGUSR1, stack_handler, SA_ONSTACK);
    raise(SIGUSR1);
    tell_order("with SS_AUTODISARM");
    stack.ss_flags = 0;
    stack.ss_size = 100;
    tell("too small", sigaltstack(&stack, NULL));
    stack.ss_size = alternate_size;
    must(sigaltstack(&stack, NULL) == 0);
    handle(SIGSEGV, overflow_handler, SA_ONSTACK);
    for (volatile int i = 0; i < 3; i++)
        if (sigsetjmp(back, 1) == 0)
            result = deeper(start);
    tell_order("the stack overflows, three times");
    must(pthread_create(&thread, NULL, small_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    tell_order("in a thread");
    stack.ss_flags = SS_DISABLE;
    must(sigaltstack(&stack, NULL) == 0 && works());
}

/* --- restarts ----------------------------------------------------------------------------------------------- */

/* Each call blocks; a timer's handler interrupts it again and again, and frees it in the end. So a call that is to be restarted returns what it
   waited for, and one that isn't returns EINTR at the first tick after it has begun. */
struct blocking {
    const char *name;
    void (*prepare)(void);
    long (*call)(void);
    void (*release)(void);
};

enum { TICK = 2000, FREE_AT = 5 };

static const struct blocking *current;
static volatile int ticks, released;
static int ends[2], pair[2], other = -1, key_id;
static pid_t helper;

static void tick(int signal)
{
    (void)signal;
    if (++ticks >= FREE_AT && !released && current->release) {
        released = 1;
        current->release();
    }
}

static void no_preparation(void) { }
static void new_pipe(void) { must(pipe(ends) == 0); }
static void new_pair(void) { must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0); }
static void put_pipe(void) { must(write(ends[1], "x", 1) == 1); }
static void put_pair(void) { must(write(pair[1], "x", 1) == 1); }

static char big[200000];

static void full_pipe(void)
{
    new_pipe();
    fcntl(ends[1], F_SETPIPE_SZ, 65536);
    must(write(ends[1], big, 65536) == 65536);
}

static void drain_pipe(void)
{
    for (size_t left = 65536; left > 0;)
        left -= (size_t)read(ends[0], big, left);
}

static void full_pair(void)
{
    new_pair();
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    while (write(pair[0], big, sizeof big) > 0)
        ;
    fcntl(pair[0], F_SETFL, 0);
}

static void drain_pair(void)
{
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    while (read(pair[1], big, sizeof big) > 0)
        ;
}

static void new_listener(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "listener" };
    unlink("listener");
    ends[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    ends[1] = socket(AF_UNIX, SOCK_STREAM, 0);
    must(bind(ends[0], (struct sockaddr *)&address, sizeof address) == 0 && listen(ends[0], 5) == 0);
}

static void connect_to_it(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "listener" };
    must(connect(ends[1], (struct sockaddr *)&address, sizeof address) == 0);
    unlink("listener");
}

/* A helper of its own process ends or lets go when it reads a byte. */
static void new_helper(void)
{
    sigset_t old = block(SIGALRM);
    new_pipe();
    must((helper = fork()) >= 0);
    if (helper == 0) {
        char c;
        must(read(ends[0], &c, 1) == 1);
        _exit(9);
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void locked_by_helper(int by_fcntl)
{
    int said[2];
    char c;
    sigset_t old = block(SIGALRM);

    new_pipe();
    must(pipe(said) == 0 && (other = open("lock", O_RDWR | O_CREAT, 0600)) >= 0 && (helper = fork()) >= 0);
    if (helper == 0) {
        int fd = open("lock", O_RDWR);
        must(by_fcntl ? fcntl(fd, F_SETLK, &(struct flock){ .l_type = F_WRLCK }) == 0 : flock(fd, LOCK_EX) == 0);
        must(write(said[1], "x", 1) == 1 && read(ends[0], &c, 1) == 1);
        _exit(9);
    }
    must(read(said[0], &c, 1) == 1);
    close(said[0]);
    close(said[1]);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void flocked(void) { locked_by_helper(0); }
static void fcntl_locked(void) { locked_by_helper(1); }

static void new_fifo(void)
{
    unlink("fifo");
    must(mkfifo("fifo", 0600) == 0);
}

static void open_fifo(void) { must((other = open("fifo", O_RDWR | O_NONBLOCK)) >= 0); }

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sem_t semaphore;
static void new_semaphore(void) { sem_init(&semaphore, 0, 0); }
static void post_semaphore(void) { sem_post(&semaphore); }

static void new_queue(void) { must((key_id = msgget(IPC_PRIVATE, 0600)) >= 0); }
static void new_sem(void) { must((key_id = semget(IPC_PRIVATE, 1, 0600)) >= 0); }

static long do_read(void) { char c; return read(ends[0], &c, 1); }
static long do_readv(void) { char c; return readv(ends[0], &(struct iovec){ &c, 1 }, 1); }
static long do_write(void) { return write(ends[1], big, 100); }
static long do_send(void) { return send(pair[0], big, 10, 0); }
static long do_recv(void) { char c; return recv(pair[0], &c, 1, 0); }
static long do_recvmsg(void) { char c; return recvmsg(pair[0], &(struct msghdr){ .msg_iov = &(struct iovec){ &c, 1 }, .msg_iovlen = 1 }, 0); }
static long do_accept(void) { return accept(ends[0], NULL, NULL) >= 0 ? 0 : -1; }
static long do_waitpid(void) { int status; long got = waitpid(helper, &status, 0); return got < 0 ? -1 : WEXITSTATUS(status); }
static long do_waitid(void) { siginfo_t info; return waitid(P_PID, (id_t)helper, &info, WEXITED); }
static long do_flock(void) { return flock(other, LOCK_EX); }
static long do_setlkw(void) { return fcntl(other, F_SETLKW, &(struct flock){ .l_type = F_WRLCK }); }
static long do_open(void) { int fd = open("fifo", O_RDONLY); return fd < 0 ? -1 : close(fd); }
static long do_sem(void) { return sem_wait(&semaphore); }
static long do_semop(void) { return semop(key_id, &(struct sembuf){ 0, -1, 0 }, 1); }
static long do_msgrcv(void) { struct { long type; char text[4]; } message; return msgrcv(key_id, &message, 4, 0, 0); }
static long do_poll(void) { return poll(&(struct pollfd){ .fd = ends[0], .events = POLLIN }, 1, -1); }
static long do_ppoll(void) { return ppoll(&(struct pollfd){ .fd = ends[0], .events = POLLIN }, 1, NULL, NULL); }
static long do_pause(void) { return pause(); }
static long do_nanosleep(void) { struct timespec left = { 0, 0 }; long got = nanosleep(&(struct timespec){ 100, 0 }, &left); must(left.tv_sec > 90); return got; }
static long do_clock_nanosleep(void) { errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ 100, 0 }, NULL); return errno ? -1 : 0; }
static long do_sigsuspend(void) { sigset_t none; sigemptyset(&none); return sigsuspend(&none); }
static long do_sigwait(void) { sigset_t one; sigemptyset(&one); sigaddset(&one, SIGUSR2); return syscall(SYS_rt_sigtimedwait, &one, NULL, &(struct timespec){ 100, 0 }, 8); }

static long do_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return select(ends[0] + 1, &set, NULL, NULL, NULL);
}

static long do_epoll(void)
{
    struct epoll_event event = { .events = EPOLLIN };
    int fd = epoll_create1(0);
    must(epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &event) == 0);
    long got = epoll_wait(fd, &event, 1, -1);
    int error = errno;
    close(fd);
    errno = error;
    return got;
}

static long do_recv_timeout(void)
{
    char c;
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 100, 0 }, sizeof(struct timeval));
    return recv(pair[0], &c, 1, 0);
}

static void new_eventfd(void) { must((other = eventfd(0, 0)) >= 0); }
static void put_eventfd(void) { must(write(other, &(uint64_t){ 1 }, 8) == 8); }
static long do_eventfd(void) { uint64_t value; return read(other, &value, 8); }

static const struct blocking blockings[] = {
    { "read", new_pipe, do_read, put_pipe }, { "readv", new_pipe, do_readv, put_pipe }, { "write", full_pipe, do_write, drain_pipe },
    { "eventfd", new_eventfd, do_eventfd, put_eventfd },
    { "send", full_pair, do_send, drain_pair }, { "recv", new_pair, do_recv, put_pair }, { "recvmsg", new_pair, do_recvmsg, put_pair },
    { "accept", new_listener, do_accept, connect_to_it }, { "waitpid", new_helper, do_waitpid, put_pipe }, { "waitid", new_helper, do_waitid, put_pipe },
    { "flock", flocked, do_flock, put_pipe }, { "fcntl", fcntl_locked, do_setlkw, put_pipe }, { "open of a FIFO", new_fifo, do_open, open_fifo },
    { "sem_wait", new_semaphore, do_sem, post_semaphore }, { "semop", new_sem, do_semop, NULL }, { "msgrcv", new_queue, do_msgrcv, NULL },
    { "recv with a timeout", new_pair, do_recv_timeout, NULL }, { "poll", new_pipe, do_poll, NULL }, { "ppoll", new_pipe, do_ppoll, NULL },
    { "select", new_pipe, do_select, NULL }, { "epoll_wait", new_pipe, do_epoll, NULL }, { "pause", no_preparation, do_pause, NULL },
    { "nanosleep", no_preparation, do_nanosleep, NULL }, { "clock_nanosleep", no_preparation, do_clock_nanosleep, NULL },
    { "sigsuspend", no_preparation, do_sigsuspend, NULL }, { "sigtimedwait", no_preparation, do_sigwait, NULL },
};

static void close_all(void)
{
    for (int fd = 3; fd < 40; fd++)
        close(fd);
    if (helper > 0) {
        kill(helper, SIGKILL);
        while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    helper = 0;
    if (key_id > 0) {
        msgctl(key_id, IPC_RMID, NULL);
        semctl(key_id, 0, IPC_RMID);
    }
    key_id = 0;
}

static void block_once(const struct blocking *one, int flags)
{
    current = one;
    one->prepare();
    ticks = released = 0;
    handle(SIGALRM, tick, flags);
    every(TICK);
    long got = one->call();
    int error = errno;
    every(0);
    int freed = released;
    close_all();
    if (got < 0)
        say("%s%s: %s%s\n", one->name, flags ? ", SA_RESTART" : "", strerror(error), freed ? ", after all" : "");
    else
        say("%s%s: %ld, %s\n", one->name, flags ? ", SA_RESTART" : "", got, freed ? "restarted until it was freed" : "BY ITSELF");
}

static void restart(char **rest)
{
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof blockings / sizeof *blockings; i++) {
        const struct blocking *one = &blockings[i];
        if (rest[0] && strcmp(rest[0], one->name) != 0)
            continue;
        block_once(one, SA_RESTART);
        block_once(one, 0);
    }
    unlink("lock");
    unlink("fifo");
    unlink("listener");
}

/* A transfer that has begun is cut short, and tells how much was done. */
static void partial(char **rest)
{
    static const struct blocking nothing = { "partial", no_preparation, NULL, NULL };

    (void)rest;
    current = &nothing;
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        new_pipe();
        fcntl(ends[1], F_SETPIPE_SZ, 65536);
        handle(SIGALRM, tick, flags);
        every(TICK);
        tell("write of 100000 into a pipe of 65536", write(ends[1], big, 100000));
        every(0);
        close_all();
    }
}

/* --- jumps out of handlers ---------------------------------------------------------------------------------- */

static volatile int may_jump;

static void jump(int signal)
{
    (void)signal;
    if (may_jump) {
        may_jump = 0;
        siglongjmp(back, 1);
    }
}

/* Out of any call, at any instruction of the way to the kernel; afterwards calls work as before. */
static void longjmps(char **rest)
{
    int count = rest[0] ? atoi(rest[0]) : 500;
    volatile int jumps = 0, wrong = 0;
    char c;

    new_pipe();
    handle(SIGALRM, jump, 0);
    every(TICK);
    for (volatile int i = 0; i < 20; i++) {
        if (sigsetjmp(back, 1) == 0) {
            may_jump = 1;
            must(read(ends[0], &c, 1) == 1);
        }
        may_jump = 0;
        wrong += !works();
    }
    say("20 jumps out of read, %d wrong\n", wrong);
    every(150);
    while (jumps < count) {
        if (sigsetjmp(back, 1) != 0) {
            jumps++;
            wrong += !works();
            continue;
        }
        may_jump = 1;
        for (;;) {    /* no open: a jump could come between it and its result */
            struct stat st;
            if (stat("/dev/null", &st) != 0 || !S_ISCHR(st.st_mode) || access("/no/such", F_OK) == 0 || getppid() <= 0)
                wrong++;
        }
    }
    may_jump = 0;
    every(0);
    say("%d jumps out of anything, %d wrong\n", count, wrong);
    int fd = open("/dev/null", O_RDONLY);
    say("lowest descriptor %d\n", fd);
}

/* --- storms ------------------------------------------------------------------------------------------------- */

static volatile int storm_count, storm_wrong;

static void storm_handler(int signal)
{
    int error = errno;
    (void)signal;
    storm_count++;
    if (storm_count % 7 == 0)
        storm_wrong += !works();
    errno = error;
}

/* A call from a site that nurse may redirect, with all other registers known before and after. */
static int registers_survive(void)
{
    long bad;
#ifdef __x86_64__
    __asm__ volatile(
        "mov $0x1234567, %%ebx; mov $0x2345678, %%r12d; mov $0x3456789, %%r13d; mov $0x456789a, %%r14d; mov $0x56789ab, %%r15d\n"
        "mov $0x11, %%edi; mov $0x12, %%esi; mov $0x13, %%edx; mov $0x14, %%r8d; mov $0x15, %%r9d; mov $0x16, %%r10d\n"
        "movq %%r12, %%xmm5; movq %%r13, %%xmm13\n"
        "mov %[nr], %%eax\n"
        "syscall\n"
        "cmp $0, %%rax; setle %%al; movzbl %%al, %%eax\n"
        "sub $0x1234567, %%rbx; or %%rbx, %%rax; sub $0x2345678, %%r12; or %%r12, %%rax; sub $0x3456789, %%r13; or %%r13, %%rax\n"
        "sub $0x456789a, %%r14; or %%r14, %%rax; sub $0x56789ab, %%r15; or %%r15, %%rax\n"
        "sub $0x11, %%rdi; or %%rdi, %%rax; sub $0x12, %%rsi; or %%rsi, %%rax; sub $0x13, %%rdx; or %%rdx, %%rax\n"
        "sub $0x14, %%r8; or %%r8, %%rax; sub $0x15, %%r9; or %%r9, %%rax; sub $0x16, %%r10; or %%r10, %%rax\n"
        "movq %%xmm5, %%r12; sub $0x2345678, %%r12; or %%r12, %%rax; movq %%xmm13, %%r13; sub $0x3456789, %%r13; or %%r13, %%rax\n"
        : "=&a"(bad)
        : [nr] "i"(SYS_getppid)
        : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm5", "xmm13", "cc", "memory");
#else
    __asm__ volatile(
        "push %%ebx; push %%ebp\n"
        "mov $0x1234567, %%ebx; mov $0x12, %%ecx; mov $0x13, %%edx; mov $0x14, %%esi; mov $0x15, %%edi; mov $0x16, %%ebp\n"
        "movd %%ebx, %%xmm5\n"
        "mov %[nr], %%eax\n"
        "int $0x80\n"
        "cmp $0, %%eax; setle %%al; movzbl %%al, %%eax\n"
        "sub $0x1234567, %%ebx; or %%ebx, %%eax; sub $0x12, %%ecx; or %%ecx, %%eax; sub $0x13, %%edx; or %%edx, %%eax\n"
        "sub $0x14, %%esi; or %%esi, %%eax; sub $0x15, %%edi; or %%edi, %%eax; sub $0x16, %%ebp; or %%ebp, %%eax\n"
        "movd %%xmm5, %%ebx; sub $0x1234567, %%ebx; or %%ebx, %%eax\n"
        "pop %%ebp; pop %%ebx\n"
        : "=&a"(bad)
        : [nr] "i"(SYS_getppid)
        : "ecx", "edx", "esi", "edi", "cc", "memory");    /* the compiler keeps nothing in %xmm5 */
#endif
    return bad == 0;
}

static void call_in_storm(int i)
{
    struct stat st;
    char out[64], in[64];
    int length = snprintf(out, sizeof out, "%d in the storm\n", i);

    int fd = open("storm", O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, out, (size_t)length) != length || lseek(fd, 0, SEEK_SET) != 0 || read(fd, in, sizeof in) != length || memcmp(in, out, (size_t)length) != 0)
        storm_wrong++;
    if (fstat(fd, &st) != 0 || st.st_size != length || close(fd) != 0 || stat("/no/such", &st) == 0 || errno != ENOENT)
        storm_wrong++;
    if (getpid() != syscall(SYS_gettid) || access("/", F_OK) != 0)
        storm_wrong++;
    if (!registers_survive())
        storm_wrong++;
}

static void weather(int count)
{
    for (int i = 0; storm_count < count; i++)
        call_in_storm(i);
}

/* storm COUNT: signals by a timer, as fast as they come, while calls go on in the program and in the handler. */
static void storm(char **rest)
{
    int count = rest[0] ? atoi(rest[0]) : 5000;

    handle(SIGALRM, storm_handler, SA_RESTART);
    every(60);
    weather(count);
    every(0);
    say("%d signals, %d wrong\n", count, storm_wrong);
    unlink("storm");
}

/* Signals from outside: whoever reads the file `pid` sends them. */
static void outside(char **rest)
{
    int count = rest[0] ? atoi(rest[0]) : 2000;
    char text[20];
    int length = snprintf(text, sizeof text, "%d\n", (int)getpid());

    handle(SIGUSR1, storm_handler, SA_RESTART);
    handle(SIGUSR2, storm_handler, SA_RESTART);
    int fd = open("pid.new", O_WRONLY | O_CREAT, 0644);
    must(write(fd, text, (size_t)length) == length && close(fd) == 0 && rename("pid.new", "pid") == 0);
    weather(count);
    unlink("pid");
    unlink("storm");
    signal(SIGUSR1, SIG_IGN);    /* some may still come */
    signal(SIGUSR2, SIG_IGN);
    say("%d signals from outside, %d wrong\n", count, storm_wrong);
}

/* Forks and execs while signals arrive. */
static void storm_forks(char **rest)
{
    int sum = 0;

    (void)rest;
    handle(SIGALRM, storm_handler, SA_RESTART);
    every(500);
    for (int i = 0; i < 40; i++) {
        pid_t child = fork();
        if (child == 0) {
            every(500);
            call_in_storm(i);
            if (i % 2) {
                handle(SIGALRM, SIG_IGN, 0);
                execl("/bin/sh", "sh", "-c", "exit 3", (char *)NULL);
            }
            _exit(storm_wrong ? 50 : 2);
        }
        must(child > 0);
        sum += WEXITSTATUS(wait_for(child));
    }
    every(0);
    unlink("storm");
    say("40 forks in a storm, sum %d, %d wrong\n", sum, storm_wrong);
}

static void *storm_thread(void *arg)
{
    struct stat st;
    while (storm_count < *(int *)arg)
        if (stat("/dev/null", &st) != 0 || !S_ISCHR(st.st_mode) || access("/no/such", F_OK) == 0)
            storm_wrong++;
    return NULL;
}

static void storm_threads(char **rest)
{
    int count = rest[0] ? atoi(rest[0]) : 2000;
    pthread_t threads[4];

    handle(SIGALRM, storm_handler, SA_RESTART);
    for (int i = 0; i < 4; i++)
        must(pthread_create(&threads[i], NULL, storm_thread, &count) == 0);
    every(100);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    every(0);
    say("%d signals to 5 threads, %d wrong\n", count, storm_wrong);
}

/* --- children ----------------------------------------------------------------------------------------------- */

static volatile int reaped, reaped_sum;

static void reap(int signal)
{
    int status, error = errno;
    (void)signal;
    while (waitpid(-1, &status, WNOHANG) > 0) {
        reaped++;
        reaped_sum += WEXITSTATUS(status);
    }
    errno = error;
}

static volatile int told_stops;

static void count_stops(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    told_stops++;
    note((char)('0' + info->si_code));
}

/* Until the handler has heard of it: two of a kind would become one. */
static void until_told(int count)
{
    while (told_stops < count)
        brief_pause();
}

static void sigchld(char **rest)
{
    (void)rest;
    handle(SIGCHLD, reap, SA_RESTART);
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(i);
        must(child > 0);
    }
    sigset_t none, old = block(SIGCHLD);
    sigemptyset(&none);
    while (reaped < 50)
        sigsuspend(&none);
    sigprocmask(SIG_SETMASK, &old, NULL);
    say("reaped %d in the handler, sum %d\n", reaped, reaped_sum);
    for (int way = 0; way < 2; way++) {
        if (way == 0)
            signal(SIGCHLD, SIG_IGN);
        else
            handle(SIGCHLD, reap, SA_NOCLDWAIT | SA_RESTART);
        for (int i = 0; i < 5; i++)
            if (fork() == 0)
                _exit(i);
        tell(way ? "SA_NOCLDWAIT" : "ignored: no zombies", wait(NULL));
    }
    for (int way = 0; way < 2; way++) {
        told_stops = 0;
        handle_info(SIGCHLD, count_stops, SA_RESTART | (way ? SA_NOCLDSTOP : 0));
        pid_t child = fork();
        if (child == 0)
            for (;;)
                pause();
        int status;
        kill(child, SIGSTOP);
        must(waitpid(child, &status, WUNTRACED) == child);
        tell_status("child", status);
        until_told(way ? 0 : 1);
        kill(child, SIGCONT);
        must(waitpid(child, &status, WCONTINUED) == child);
        tell_status("child", status);
        until_told(way ? 0 : 2);
        kill(child, SIGTERM);
        tell_status("child", wait_for(child));
        until_told(way ? 1 : 3);
        tell_order(way ? "told, SA_NOCLDSTOP" : "told");
    }
}

/* A stopped process goes on where it was, in whatever it was doing. */
static void stop(char **rest)
{
    volatile int *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;

    (void)rest;
    pid_t child = fork();
    if (child == 0) {
        for (;;) {
            must(works());
            ++*shared;
        }
    }
    for (int i = 0; i < 30; i++) {
        int before = *shared;
        while (*shared < before + 3)
            brief_pause();
        must(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
        before = *shared;
        for (int k = 0; k < 3; k++)
            brief_pause();
        must(*shared == before && kill(child, SIGCONT) == 0 && waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    }
    kill(child, SIGKILL);
    tell_status("stopped and continued 30 times, then", wait_for(child));
}

/* Every signal's default. */
static void defaults(char **rest)
{
    int status;

    (void)rest;
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    for (int signal = 1; signal < 65; signal++) {
        if (signal == 32 || signal == 33 || signal == 34)    /* libc's own */
            continue;
        pid_t child = fork();
        if (child == 0) {
            kill(getpid(), signal);
            _exit(1);
        }
        must(waitpid(child, &status, WUNTRACED) == child);
        if (WIFSTOPPED(status)) {
            say("%d stops with %d; ", signal, WSTOPSIG(status));
            kill(child, SIGCONT);
            status = wait_for(child);
        }
        say("%d ", signal);
        tell_status("is the end", status);
    }
}

/* core: a core file, where the system writes one, has the dying program's memory. */
static void core(char **rest)
{
    char pattern[200] = "", name[100], mark[40];
    int status;

    (void)rest;
    int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
    ssize_t got = read(fd, pattern, sizeof pattern - 1);
    must(got > 0 && close(fd) == 0 && mkdir("core-here", 0755) == 0 && chdir("core-here") == 0);
    must(setrlimit(RLIMIT_CORE, &(struct rlimit){ 64 << 20, 64 << 20 }) == 0);
    snprintf(mark, sizeof mark, "this is %s memory", "the program's");
    char *heap = strdup(mark);
    static const int signals[] = { SIGSEGV, SIGQUIT, SIGTERM };
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            memcpy(heap, "THIS IS", 7);
            if (i == 0)
                touch_wild();
            kill(getpid(), signals[i]);
        }
        must(waitpid(child, &status, 0) == child);
        tell_status("child", status);
        say("core %d\n", !!WCOREDUMP(status));
        snprintf(name, sizeof name, "core.%d", (int)child);
        if (access(name, F_OK) != 0)
            strcpy(name, "core");
        struct stat st;
        if ((fd = open(name, O_RDONLY)) < 0 || fstat(fd, &st) != 0) {
            say("no file\n");
            continue;
        }
        char *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        must(bytes != MAP_FAILED);
        check("a core file, with what the child wrote", memcmp(bytes, "\177ELF", 4) == 0 && memmem(bytes, (size_t)st.st_size, "THIS IS the program's memory", 28));
        munmap(bytes, (size_t)st.st_size);
        close(fd);
        unlink(name);
    }
    must(chdir("..") == 0 && rmdir("core-here") == 0);
}

/* --- timers and waiting for signals --------------------------------------------------------------------------- */

static void count_tick(int signal)
{
    (void)signal;
    ticks++;
}

static void alarms(char **rest)
{
    (void)rest;
    handle(SIGALRM, count_tick, 0);
    tell("first alarm", alarm(100));
    tell("it had left", alarm(1000) > 98);
    every(10000);    /* the same timer, sooner */
    tell("pause", pause());
    every(0);
    check("it came", ticks > 0);
    tell("no alarm is left", alarm(0));
    static const int timers[] = { ITIMER_VIRTUAL, ITIMER_PROF }, signals[] = { SIGVTALRM, SIGPROF };
    for (int i = 0; i < 2; i++) {
        ticks = 0;
        handle(signals[i], count_tick, SA_RESTART);
        must(setitimer(timers[i], &(struct itimerval){ .it_interval = { .tv_usec = 2000 }, .it_value = { .tv_usec = 2000 } }, NULL) == 0);
        while (ticks < 5)
            must(works());
        must(setitimer(timers[i], &(struct itimerval){ .it_value = { .tv_sec = 0 } }, NULL) == 0);
        say("timer %d ticks\n", i);
    }
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    uint64_t value = 0;
    must(timerfd_settime(fd, 0, &(struct itimerspec){ .it_value = { .tv_nsec = 2000000 } }, NULL) == 0);
    must(read(fd, &value, 8) == 8);
    say("timerfd: %d\n", (int)value);
}

static void suspend(char **rest)
{
    sigset_t none, one, old;
    siginfo_t info;

    (void)rest;
    sigemptyset(&none);
    handle(SIGUSR1, plain_handler, 0);
    old = block(SIGUSR1);
    raise(SIGUSR1);
    tell_order("blocked");
    tell("sigsuspend with one pending", sigsuspend(&none));
    tell_order("delivered");
    check("blocked again", is_blocked(SIGUSR1));
    raise(SIGUSR1);
    tell("ppoll with one pending", ppoll(NULL, 0, NULL, &none));
    tell_order("delivered");
    raise(SIGUSR1);
    tell("pselect with one pending", pselect(0, NULL, NULL, NULL, NULL, &none));
    tell_order("delivered");
    raise(SIGUSR1);
    int poller = epoll_create1(0);
    tell("epoll_pwait with one pending", epoll_pwait(poller, &(struct epoll_event){ 0 }, 1, -1, &none));
    tell_order("delivered");
    check("blocked again", is_blocked(SIGUSR1));

    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    block(SIGRTMIN + 3);
    sigaddset(&one, SIGRTMIN + 3);
    tell("sigtimedwait in vain", sigtimedwait(&one, &info, &(struct timespec){ 0, 10000000 }));
    for (int i = 0; i < 3; i++)
        must(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = i }) == 0);
    raise(SIGUSR1);
    for (int i = 0; i < 4; i++) {
        int got = sigwaitinfo(&one, &info);
        say("sigwaitinfo: %s, value %d\n", got == SIGUSR1 ? "USR1" : got == SIGRTMIN + 3 ? "RTMIN+3" : "?", got == SIGUSR1 ? 0 : info.si_value.sival_int);
    }
    int number = 0;
    pid_t child = fork();
    if (child == 0) {
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    must(sigwait(&one, &number) == 0);
    say("sigwait: from a child %d\n", number == SIGUSR1);
    wait_for(child);
    sigprocmask(SIG_SETMASK, &old, NULL);
    tell_order("no handler ran");
}

static void signalfds(char **rest)
{
    struct signalfd_siginfo info[5];
    sigset_t set;

    (void)rest;
    block(SIGUSR1);
    block(SIGCHLD);
    block(SIGRTMIN + 1);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGRTMIN + 1);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    must(fd >= 0);
    tell("nothing yet", read(fd, info, sizeof info));
    raise(SIGUSR1);
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 5 });
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 6 });
    must(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1) == 1);
    ssize_t got = read(fd, info, sizeof info);
    say("three: %d; values %d %d\n", (int)(got / (ssize_t)sizeof *info), info[1].ssi_int, info[2].ssi_int);
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    must(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1) == 1);
    must(read(fd, info, sizeof info) == sizeof *info);
    say("signal %d, status %d, the child's %d\n", (int)info[0].ssi_signo, info[0].ssi_status, (pid_t)info[0].ssi_pid == child);
    wait_for(child);
    fcntl(fd, F_SETFL, 0);
    child = fork();
    if (child == 0) {
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    must(read(fd, info, sizeof *info) == sizeof *info);    /* blocks, or not */
    say("signal %d, from the child %d\n", (int)info[0].ssi_signo, (pid_t)info[0].ssi_pid == child);
    wait_for(child);
}

/* --- whose thread runs what ----------------------------------------------------------------------------------- */

enum { THREADS = 4 };

static pid_t known[THREADS + 1];
static atomic_int ran[THREADS + 1], strangers, over;
static sem_t ready;

static void who_handler(int signal)
{
    pid_t self = (pid_t)syscall(SYS_gettid);
    int error = errno;
    (void)signal;
    for (int i = 0; i <= THREADS; i++) {
        if (known[i] == self) {
            atomic_fetch_add(&ran[i], 1);
            errno = error;
            return;
        }
    }
    atomic_fetch_add(&strangers, 1);
    errno = error;
}

/* Number 1 takes USR1, the others block it; all make calls, so that their trustees are at work. */
static void *bystander(void *arg)
{
    long number = (long)arg;

    sigset_t none;

    sigemptyset(&none);
    known[number] = (pid_t)syscall(SYS_gettid);
    if (number == 1)
        pthread_sigmask(SIG_SETMASK, &none, NULL);
    sem_post(&ready);
    while (!atomic_load(&over))
        must(works());
    return arg;
}

static void strange(char **rest)
{
    pthread_t threads[THREADS + 1];
    int sent = 0;

    (void)rest;
    sem_init(&ready, 0, 0);
    known[0] = getpid();
    block(SIGUSR1);
    handle(SIGUSR1, who_handler, SA_RESTART);
    handle(SIGUSR2, who_handler, SA_RESTART);
    for (long i = 1; i <= THREADS; i++)
        must(pthread_create(&threads[i], NULL, bystander, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        while (sem_wait(&ready) != 0)
            ;
    while (atomic_load(&ran[1]) < 100) {
        must(kill(getpid(), SIGUSR1) == 0);
        sent++;
        if (sent % 10 == 0)
            brief_pause();
    }
    int others = 0;
    for (int i = 0; i <= THREADS; i++)
        others += i != 1 ? atomic_load(&ran[i]) : 0;
    say("to the process: the one that takes it ran it; others %d, strangers %d\n", others, atomic_load(&strangers));
    for (int i = 0; i < 100; i++) {
        must(kill(getpid(), SIGUSR2) == 0);
        if (i % 10 == 0)
            brief_pause();
    }
    say("to all threads: strangers %d\n", atomic_load(&strangers));
    /* By name, to every thread that /proc shows and the program doesn't know. */
    struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    must(tasks);
    while ((entry = readdir(tasks))) {
        int tid = atoi(entry->d_name), mine = 0;
        for (int i = 0; i <= THREADS; i++)
            mine |= known[i] == tid;
        for (int i = 0; tid > 0 && !mine && i < 20; i++)
            syscall(SYS_tgkill, getpid(), tid, i % 2 ? SIGUSR1 : SIGUSR2);
    }
    closedir(tasks);
    for (int i = 0; i < 20; i++)
        must(works());
    say("by name: strangers %d\n", atomic_load(&strangers));
    atomic_store(&over, 1);
    for (int i = 1; i <= THREADS; i++)
        pthread_join(threads[i], NULL);

    /* Now nobody takes it: it stays pending, whatever calls are made. */
    int before = atomic_load(&ran[0]);
    kill(getpid(), SIGUSR1);
    for (int i = 0; i < 200; i++)
        must(works());
    say("nobody takes it: pending %d, handlers run %d\n", is_pending(SIGUSR1), atomic_load(&ran[0]) - before);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    say("taken: %d, strangers %d\n", atomic_load(&ran[0]) - before, atomic_load(&strangers));
}

/* Each thread its own mask; a signal to one runs in that one. */
static void *masked(void *arg)
{
    long number = (long)arg;
    known[number] = (pid_t)syscall(SYS_gettid);
    if (number == 2)
        block(SIGUSR2);
    sem_post(&ready);
    while (!atomic_load(&over))
        brief_pause();
    return (void *)(long)(is_pending(SIGUSR2) * 10 + is_blocked(SIGUSR2));
}

static void to_threads(char **rest)
{
    pthread_t threads[THREADS + 1];

    (void)rest;
    sem_init(&ready, 0, 0);
    known[0] = getpid();
    handle(SIGUSR2, who_handler, SA_RESTART);
    for (long i = 1; i <= THREADS; i++)
        must(pthread_create(&threads[i], NULL, masked, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        while (sem_wait(&ready) != 0)
            ;
    for (int i = 1; i <= THREADS; i++)
        for (int k = 0; k < i; k++) {
            must(pthread_kill(threads[i], SIGUSR2) == 0);
            while (i != 2 && atomic_load(&ran[i]) <= k)
                brief_pause();
        }
    atomic_store(&over, 1);
    for (int i = 1; i <= THREADS; i++) {
        void *result_of = NULL;
        pthread_join(threads[i], &result_of);
        say("thread %d: ran %d, pending and blocked %02d\n", i, atomic_load(&ran[i]), (int)(long)result_of);
    }
    say("strangers %d, mutex %d\n", atomic_load(&strangers), pthread_mutex_trylock(&mutex));
}

static const struct word words[] = {
    { "handlers", handlers }, { "blocked", blocked }, { "siginfo", infos }, { "faults", faults }, { "altstack", altstack }, { "restart", restart }, { "partial", partial },
    { "longjmp", longjmps }, { "storm", storm }, { "outside", outside }, { "storm-forks", storm_forks }, { "storm-threads", storm_threads },
    { "chld", sigchld }, { "stop", stop }, { "defaults", defaults }, { "core", core }, { "alarm", alarms }, { "suspend", suspend }, { "signalfd", signalfds },
    { "strange", strange }, { "to-threads", to_threads }, { NULL, NULL },
};

int main(int argc, char **argv)
{
    return words_run(words, argc, argv);
}
