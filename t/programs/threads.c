/* threads: does what a word says with threads: many in turn, many at once, the ways to end, robust mutexes, cancellation. Subject of t/43. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "words.h"

enum { CROWD = 64, WAIT_FUTEX = 0 };    /* musl comes without the kernel's headers */

static pthread_t begin(void *(*body)(void *), void *arg)
{
    pthread_t thread;
    errno = pthread_create(&thread, NULL, body, arg);
    must(errno == 0);
    return thread;
}

static void *join(pthread_t thread)
{
    void *result = NULL;
    errno = pthread_join(thread, &result);
    must(errno == 0);
    return result;
}

/* --- many in turn ----------------------------------------------------------------------------------------- */

static __thread int own = 7;

static void *count_up(void *arg)
{
    struct stat st;

    own += 1;    /* each thread has a fresh 7 */
    must(stat("/", &st) == 0);
    return (void *)((intptr_t)arg * 2 + own);
}

static void many(char **rest)
{
    int count = rest[0] ? atoi(rest[0]) : 1000;
    long sum = 0;

    for (int i = 0; i < count; i++)
        sum += (intptr_t)join(begin(count_up, (void *)(intptr_t)i));
    say("%d threads in turn, sum %ld, own %d\n", count, sum, own);
}

static atomic_int detached;

static void *detached_body(void *arg)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && close(fd) == 0);
    atomic_fetch_add(&detached, 1);
    return arg;
}

static void detach(char **rest)
{
    (void)rest;
    for (int i = 1; i <= 300; i++) {
        must(pthread_detach(begin(detached_body, NULL)) == 0);
        while (atomic_load(&detached) < i - 20)    /* at most some twenty at once */
            brief_pause();
    }
    while (atomic_load(&detached) < 300)
        brief_pause();
    say("300 detached threads\n");
}

/* --- many at once ----------------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;
static atomic_int wrong;

static void one_file(const char *name, int seed)
{
    char out[100], in[100];
    int length = snprintf(out, sizeof out, "%s by %d\n", name, seed);

    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    must(fd >= 0);
    must(write(fd, out, (size_t)length) == length && lseek(fd, 0, SEEK_SET) == 0);
    if (read(fd, in, sizeof in) != length || memcmp(in, out, (size_t)length) != 0)
        atomic_fetch_add(&wrong, 1);
    must(close(fd) == 0);
}

static void *open_and_close(void *arg)
{
    char name[30], other[40];

    snprintf(name, sizeof name, "file%d", (int)(intptr_t)arg);
    snprintf(other, sizeof other, "%s.moved", name);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 25; i++) {
        struct stat st;
        one_file(name, i);
        must(rename(name, other) == 0 && stat(other, &st) == 0 && unlink(other) == 0);
        if (stat(name, &st) == 0 || errno != ENOENT)
            atomic_fetch_add(&wrong, 1);
    }
    one_file(name, (int)(intptr_t)arg);    /* stays: the test compares the directory */
    return arg;
}

static void files(char **rest)
{
    pthread_t threads[CROWD];

    (void)rest;
    pthread_barrier_init(&barrier, NULL, CROWD);
    for (int i = 0; i < CROWD; i++)
        threads[i] = begin(open_and_close, (void *)(intptr_t)i);
    for (int i = 0; i < CROWD; i++)
        join(threads[i]);
    int fd = open("/dev/null", O_RDONLY);
    say("%d threads at once, %d wrong, lowest descriptor %d\n", CROWD, atomic_load(&wrong), fd);
}

static int pipes[CROWD][2];

static void *read_own_pipe(void *arg)
{
    char c = 0;
    pthread_barrier_wait(&barrier);
    must(read(pipes[(intptr_t)arg][0], &c, 1) == 1);
    return (void *)(intptr_t)c;
}

/* All but one wait in the kernel; that one works on, then frees the others. */
static void blocked(char **rest)
{
    pthread_t threads[CROWD];
    long sum = 0;

    (void)rest;
    pthread_barrier_init(&barrier, NULL, CROWD + 1);
    for (int i = 0; i < CROWD; i++) {
        must(pipe(pipes[i]) == 0);
        threads[i] = begin(read_own_pipe, (void *)(intptr_t)i);
    }
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 500; i++) {
        int fd = open("/dev/null", O_RDONLY);
        must(fd >= 0 && close(fd) == 0);
    }
    for (int i = CROWD; i-- > 0;)
        must(write(pipes[i][1], &(char){ (char)i }, 1) == 1);
    for (int i = 0; i < CROWD; i++)
        sum += (intptr_t)join(threads[i]);
    say("%d threads waited in read, sum %ld\n", CROWD, sum);
}

static void *open_writer(void *arg)
{
    int fd = open("fifo", O_WRONLY);
    must(fd >= 0 && write(fd, "x", 1) == 1);
    close(fd);
    return arg;
}

/* Two threads open the two ends of a FIFO: each waits for the other. */
static void fifo(char **rest)
{
    (void)rest;
    must(mkfifo("fifo", 0600) == 0);
    for (int i = 0; i < 50; i++) {
        char c = 0;
        pthread_t writer = begin(open_writer, NULL);
        int fd = open("fifo", O_RDONLY);
        must(fd >= 0 && read(fd, &c, 1) == 1 && c == 'x' && read(fd, &c, 1) == 0);
        close(fd);
        join(writer);
    }
    unlink("fifo");
    say("both ends of a FIFO, 50 times\n");
}

/* --- waiting for each other ------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER, less = PTHREAD_COND_INITIALIZER;
static int queue[8], queued;
static long eaten;

static void *produce(void *arg)
{
    for (int i = 1; i <= 500; i++) {
        pthread_mutex_lock(&lock);
        while (queued == 8)
            pthread_cond_wait(&less, &lock);
        queue[queued++] = i;
        pthread_cond_signal(&more);
        pthread_mutex_unlock(&lock);
    }
    return arg;
}

static void *consume(void *arg)
{
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&lock);
        while (queued == 0)
            pthread_cond_wait(&more, &lock);
        eaten += queue[--queued];
        pthread_cond_signal(&less);
        pthread_mutex_unlock(&lock);
    }
    return arg;
}

static void timed_out(void)
{
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 20000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    pthread_mutex_lock(&lock);
    int error = pthread_cond_timedwait(&more, &lock, &soon);
    pthread_mutex_unlock(&lock);
    say("waiting in vain: %s\n", strerror(error));
}

static void futexes(char **rest)
{
    pthread_t threads[16];

    (void)rest;
    for (int i = 0; i < 16; i++)
        threads[i] = begin(i % 2 ? produce : consume, NULL);
    for (int i = 0; i < 16; i++)
        join(threads[i]);
    say("eaten %ld, left %d\n", eaten, queued);
    timed_out();
}

/* --- robust mutexes --------------------------------------------------------------------------------------- */

static pthread_mutex_t *robust_mutex(int shared)
{
    pthread_mutex_t *mutex = mmap(NULL, sizeof *mutex, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attr;

    must(mutex != MAP_FAILED);
    pthread_mutexattr_init(&attr);
    must(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0);
    must(pthread_mutexattr_setpshared(&attr, shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE) == 0);
    must(pthread_mutex_init(mutex, &attr) == 0);
    return mutex;
}

static void *lock_and_end(void *arg)
{
    int fd = open("/dev/null", O_RDONLY);    /* a call through nurse in between */
    must(pthread_mutex_lock(arg) == 0);
    close(fd);
    return NULL;
}

static void *lock_and_wait(void *arg)
{
    return (void *)(intptr_t)pthread_mutex_lock(arg);
}

static void tell_lock(const char *after, pthread_mutex_t *mutex)
{
    int error = pthread_mutex_lock(mutex);
    say("after %s: %s\n", after, strerror(error));
    if (error == EOWNERDEAD)
        must(pthread_mutex_consistent(mutex) == 0);
    must(pthread_mutex_unlock(mutex) == 0);
}

static void robust(char **rest)
{
    static const char *const ends[] = { "_exit of a process", "SIGKILL to a process" };
    pthread_mutex_t *mutex = robust_mutex(0);

    (void)rest;
    for (int i = 0; i < 3; i++) {
        join(begin(lock_and_end, mutex));
        tell_lock("the end of a thread", mutex);
    }
    must(pthread_mutex_lock(mutex) == 0);
    pthread_t waiter = begin(lock_and_wait, mutex);
    must(pthread_mutex_unlock(mutex) == 0);
    say("a waiter: %s\n", strerror((int)(intptr_t)join(waiter)));
    tell_lock("the end of the waiter", mutex);

    mutex = robust_mutex(1);
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        must(child >= 0);
        if (child == 0) {
            must(pthread_mutex_lock(mutex) == 0);
            if (i == 1)
                kill(getpid(), SIGKILL);
            _exit(0);
        }
        wait_for(child);
        tell_lock(ends[i], mutex);
    }
}

/* --- the ways to end -------------------------------------------------------------------------------------- */

static int idle[2];
static sem_t ready;

static void *wait_in_read(void *arg)
{
    char c;
    sem_post(&ready);
    must(read(idle[0], &c, 1) == 1);
    return arg;
}

static void *wait_in_mutex(void *arg)
{
    sem_post(&ready);
    pthread_mutex_lock(&lock);
    return arg;
}

static void *wait_in_sleep(void *arg)
{
    sem_post(&ready);
    for (;;)
        pause();
    return arg;
}

static void *keep_busy(void *arg)
{
    sem_post(&ready);
    for (;;) {
        int fd = open("/dev/null", O_RDONLY);
        must(fd >= 0);
        close(fd);
        brief_pause();
    }
    return arg;
}

/* Threads that wait in several ways, so that the end has to reach all of them. */
static void crowd(void)
{
    must(pipe(idle) == 0 && sem_init(&ready, 0, 0) == 0);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 3; i++) {
        begin(wait_in_read, NULL);
        begin(wait_in_mutex, NULL);
        begin(wait_in_sleep, NULL);
        begin(keep_busy, NULL);
    }
    for (int i = 0; i < 12; i++)
        while (sem_wait(&ready) != 0)
            ;
}

static void *exit_all(void *arg)
{
    say("a thread ends the process\n");
    syscall(SYS_exit_group, 7);
    return arg;
}

static void exit_group(char **rest)
{
    (void)rest;
    crowd();
    begin(exit_all, NULL);
    for (;;)
        pause();
}

static void *exit_by_libc(void *arg)
{
    exit(8);
    return arg;
}

static void flushed(void)
{
    say("atexit ran\n");
}

static void exit_libc(char **rest)
{
    (void)rest;
    atexit(flushed);
    crowd();
    join(begin(exit_by_libc, NULL));
}

static void main_returns(char **rest)
{
    (void)rest;
    crowd();
    say("main returns\n");
}

static void *die_by_signal(void *arg)
{
    raise(SIGKILL);
    return arg;
}

static void killed(char **rest)
{
    (void)rest;
    crowd();
    join(begin(die_by_signal, NULL));
}

static pthread_t first;

/* The leader is a zombie from here on; whatever /proc/PID tells about it is gone, and the others go on all the same. */
static void *outlive(void *arg)
{
    char **rest = arg;
    int fd;

    join(first);
    must(mkdir("deeper", 0755) == 0 && chdir("deeper") == 0);
    must((fd = open("made", O_WRONLY | O_CREAT, 0644)) >= 0 && write(fd, "after main\n", 11) == 11 && close(fd) == 0);
    own = 0;
    say("the rest goes on, another thread gives %ld\n", (long)(intptr_t)join(begin(count_up, (void *)20)));
    if (rest[0] && strcmp(rest[0], "fork") == 0) {
        pid_t child = fork();
        must(child >= 0);
        if (child == 0)
            _exit(access("made", R_OK) == 0 && syscall(SYS_gettid) == getpid() ? 4 : 1);
        tell_status("a child of the rest", wait_for(child));
    }
    if (rest[0] && strcmp(rest[0], "exec") == 0)
        execl("/bin/sh", "sh", "-c", "read x < made; echo \"$x\"; exit 6", (char *)NULL);
    exit(5);
}

static void main_exits(char **rest)
{
    first = pthread_self();
    begin(outlive, rest);
    pthread_exit(NULL);
}

/* All threads end by themselves: the process ends with the status of the last one's exit, 0. */
static void *end_quietly(void *arg)
{
    join(first);
    say("the last one ends\n");
    return arg;
}

static void all_exit(char **rest)
{
    (void)rest;
    first = pthread_self();
    begin(end_quietly, NULL);
    pthread_exit(NULL);
}

/* --- cancellation ----------------------------------------------------------------------------------------- */

static atomic_int cleaned;

static void clean(void *arg)
{
    int fd = open("/dev/null", O_RDONLY);
    must(fd >= 0 && close(fd) == 0);
    atomic_fetch_add(&cleaned, (int)(intptr_t)arg);
}

static void *cancelled_in_read(void *arg)
{
    char c;
    pthread_cleanup_push(clean, arg);
    sem_post(&ready);
    must(read(idle[0], &c, 1) < 0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *cancelled_in_open(void *arg)
{
    pthread_cleanup_push(clean, arg);
    sem_post(&ready);
    must(open("fifo", O_RDONLY) < 0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *cancelled_in_sleep(void *arg)
{
    pthread_cleanup_push(clean, arg);
    sem_post(&ready);
    sleep(100);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *cancelled_in_wait(void *arg)
{
    pthread_cleanup_push(clean, arg);
    pthread_mutex_lock(&lock);
    sem_post(&ready);
    pthread_cond_wait(&more, &lock);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *cancelled_at_point(void *arg)
{
    pthread_cleanup_push(clean, arg);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    sem_post(&ready);
    for (int i = 0; i < 50; i++)
        one_file("point", i);    /* nothing of it may be cut off */
    unlink("point");
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    for (;;)
        pthread_testcancel();
    pthread_cleanup_pop(0);
    return NULL;
}

static void cancel_one(const char *what, void *(*body)(void *))
{
    int before = atomic_load(&cleaned);
    pthread_t thread = begin(body, (void *)1);

    while (sem_wait(&ready) != 0)
        ;
    must(pthread_cancel(thread) == 0);
    void *result = join(thread);
    pthread_mutex_trylock(&lock);    /* a cancelled pthread_cond_wait has it again */
    pthread_mutex_unlock(&lock);
    say("cancelled in %s: %s, cleaned %d\n", what, result == PTHREAD_CANCELED ? "yes" : "NO", atomic_load(&cleaned) - before);
}

static void cancel(char **rest)
{
    (void)rest;
    must(pipe(idle) == 0 && sem_init(&ready, 0, 0) == 0 && mkfifo("fifo", 0600) == 0);
    for (int i = 0; i < 5; i++) {
        cancel_one("read", cancelled_in_read);
        cancel_one("open", cancelled_in_open);
        cancel_one("sleep", cancelled_in_sleep);
        cancel_one("a condition", cancelled_in_wait);
        cancel_one("a loop", cancelled_at_point);
    }
    unlink("fifo");
}

/* --- who is who ------------------------------------------------------------------------------------------- */

static void *name_self(void *arg)
{
    char name[16], seen[100] = "", path[64];
    pid_t self = (pid_t)syscall(SYS_gettid);

    snprintf(name, sizeof name, "thread %d", (int)(intptr_t)arg);
    must(prctl(PR_SET_NAME, name) == 0);
    pthread_barrier_wait(&barrier);
    must(prctl(PR_GET_NAME, name) == 0);
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", (int)self);
    int fd = open(path, O_RDONLY);
    must(fd >= 0 && read(fd, seen, sizeof seen - 1) > 0 && close(fd) == 0);
    seen[strcspn(seen, "\n")] = 0;
    if (strcmp(name, seen) != 0 || self == getpid() || syscall(SYS_tgkill, getpid(), self, 0) != 0)
        atomic_fetch_add(&wrong, 1);
    return (void *)(intptr_t)self;
}

static void names(char **rest)
{
    pthread_t threads[8];
    intptr_t ids[8];
    char name[16];

    (void)rest;
    check("the first thread's id is the process's", syscall(SYS_gettid) == getpid());
    pthread_barrier_init(&barrier, NULL, 8);
    for (int i = 0; i < 8; i++)
        threads[i] = begin(name_self, (void *)(intptr_t)i);
    for (int i = 0; i < 8; i++)
        ids[i] = (intptr_t)join(threads[i]);
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < i; k++)
            if (ids[i] == ids[k])
                atomic_fetch_add(&wrong, 1);
    must(prctl(PR_GET_NAME, name) == 0);
    say("names and ids: %d wrong; the first is %s\n", atomic_load(&wrong), name);
    for (int i = 0; i < 8; i++)
        while (syscall(SYS_tgkill, getpid(), (pid_t)ids[i], 0) == 0)    /* joined, but perhaps not yet gone */
            brief_pause();
    check("joined threads can't be signalled", errno == ESRCH);
}

/* --- threads without libc's help -------------------------------------------------------------------------- */

struct raw {
    atomic_int parent_tid, child_tid;
    int said, fd;
};

/* Shares the first thread's TLS, so: no errno, nothing of libc that could fail. */
static int raw_body(void *arg)
{
    struct raw *raw = arg;
    raw->fd = open("/dev/null", O_RDONLY);
    raw->said = 77;
    return 0;
}

static void raw_clone(char **rest)
{
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    char *stack = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int good = 0;

    (void)rest;
    must(stack != MAP_FAILED);
    for (int i = 0; i < 20; i++) {
        struct raw raw = { .child_tid = -1, .fd = -1 };
        pid_t tid = clone(raw_body, stack + (1 << 16), flags, &raw, &raw.parent_tid, NULL, &raw.child_tid);
        must(tid > 0);
        int seen;
        while ((seen = atomic_load(&raw.child_tid)) != 0)
            syscall(SYS_futex, &raw.child_tid, WAIT_FUTEX, seen, NULL, NULL, 0);
        good += raw.said == 77 && raw.fd >= 0 && raw.parent_tid == tid && tid != getpid() && fcntl(raw.fd, F_GETFD) == 0;
        close(raw.fd);
    }
    say("%d threads by clone(2) alone\n", good);
}

/* What clone refuses, it refuses here too, and nothing is left of it. */
static void refused(char **rest)
{
    (void)rest;
    tell("CLONE_THREAD without CLONE_SIGHAND", syscall(SYS_clone, CLONE_THREAD | CLONE_VM, 0, 0, 0, 0));
    tell("CLONE_SIGHAND without CLONE_VM", syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));
    say("and threads still work: %ld\n", (long)(intptr_t)join(begin(count_up, (void *)1)));
    tell("no child is left", waitpid(-1, NULL, __WALL));
}

static const struct word words[] = {
    { "many", many }, { "detach", detach }, { "files", files }, { "blocked", blocked }, { "fifo", fifo }, { "futexes", futexes }, { "robust", robust },
    { "exit-group", exit_group }, { "exit-libc", exit_libc }, { "main-returns", main_returns }, { "killed", killed },
    { "main-exits", main_exits }, { "all-exit", all_exit },
    { "cancel", cancel }, { "names", names }, { "raw", raw_clone }, { "refused", refused }, { NULL, NULL },
};

int main(int argc, char **argv)
{
    return words_run(words, argc, argv);
}
