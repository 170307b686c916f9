/* leaks: makes and ends processes and threads by the number, as the lines of its stdin say, and answers each line when all of them are gone;
 * t/59-live-leaks.t measures between the lines. A line is a word and a count: forks, threads, crowds, execs, orphans, killed. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CROWD = 64 };

static const char *self;

static void fail(const char *what)
{
    printf("failed: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    _exit(1);
}

/* Something that a policy decides and a trustee makes. */
static void a_call(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || close(fd) != 0)
        fail("open and close");
}

static void wait_status(pid_t pid, int wanted)
{
    int status;
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid");
    errno = 0;
    if (status != wanted)
        fail("status");
}

static pid_t child(void)
{
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    return pid;
}

static pthread_barrier_t all_there;

static void *thread(void *wanted)
{
    a_call();
    pthread_barrier_wait(&all_there);
    return wanted;
}

static void one_fork(int i)
{
    pid_t pid = child();
    if (pid == 0) {
        a_call();
        _exit(i & 127);
    }
    wait_status(pid, (i & 127) << 8);
}

/* All of them exist at the same moment. */
static void some_threads(int count)
{
    pthread_t threads[CROWD];
    char own[CROWD];
    pthread_barrier_init(&all_there, NULL, (unsigned)count);
    for (int i = 0; i < count; i++)
        if ((errno = pthread_create(&threads[i], NULL, thread, &own[i])) != 0)
            fail("pthread_create");
    for (int i = 0; i < count; i++) {
        void *answer;
        if (pthread_join(threads[i], &answer) != 0 || answer != &own[i])
            fail("pthread_join");
    }
}

static void one_exec(void)
{
    char *argv[] = { (char *)self, (char *)"leaf", NULL };
    pid_t pid;
    if ((errno = posix_spawn(&pid, self, NULL, NULL, argv, NULL)) != 0)
        fail("posix_spawn");
    wait_status(pid, 7 << 8);
}

/* A grandchild that nobody here waits for: its end shows as the end of a pipe. */
static void one_orphan(void)
{
    int ends[2];
    char c;
    if (pipe(ends) != 0)
        fail("pipe");
    pid_t pid = child();
    if (pid == 0) {
        close(ends[0]);
        if (child() == 0)
            a_call();
        _exit(0);
    }
    close(ends[1]);
    wait_status(pid, 0);
    if (read(ends[0], &c, 1) != 0)
        fail("end of pipe");
    close(ends[0]);
}

static void *blocked(void *fd)
{
    char c;
    while (read(*(int *)fd, &c, 1) != 0)
        ;
    return NULL;
}

/* A process with a second thread, each killed in the middle of a call that waits. */
static void one_killed(void)
{
    int in[2], up[2];
    char c;
    if (pipe(in) != 0 || pipe(up) != 0)
        fail("pipe");
    pid_t pid = child();
    if (pid == 0) {
        pthread_t other;
        close(in[1]);
        if (pthread_create(&other, NULL, blocked, &in[0]) != 0 || write(up[1], "u", 1) != 1)
            fail("thread in a child");
        blocked(&in[0]);
        _exit(1);
    }
    if (read(up[0], &c, 1) != 1)
        fail("the child is up");
    kill(pid, SIGKILL);
    wait_status(pid, SIGKILL);
    for (int i = 0; i < 2; i++) {
        close(in[i]);
        close(up[i]);
    }
}

static void one(const char *what, int i)
{
    if (strcmp(what, "forks") == 0)
        one_fork(i);
    else if (strcmp(what, "threads") == 0)
        some_threads(1);
    else if (strcmp(what, "crowds") == 0)
        some_threads(CROWD);
    else if (strcmp(what, "execs") == 0)
        one_exec();
    else if (strcmp(what, "orphans") == 0)
        one_orphan();
    else if (strcmp(what, "killed") == 0)
        one_killed();
    else {
        errno = EINVAL;
        fail(what);
    }
}

int main(int argc, char **argv)
{
    char what[16];
    int count;
    if (argc > 1)
        return 7;
    self = argv[0];
    setvbuf(stdin, NULL, _IONBF, 0);    /* a child must not find a line of its parent */
    while (scanf("%15s %d", what, &count) == 2) {
        for (int i = 0; i < count; i++)
            one(what, i);
        printf("%s %d done\n", what, count);
        fflush(stdout);
    }
    return 0;
}
