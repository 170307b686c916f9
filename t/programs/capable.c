/*
 * capable: does what its arguments say with the descriptors that it holds, and prints each result: the subject of the tests of nurse.capsicum.
 *
 * An argument is VERB[,WORD...]; a line of output is "ARGUMENT = RESULT", where RESULT is a number, a text or an errno's name. Descriptors are numbers,
 * 3 being the first that it opens; "enter" makes the call that the policies take as the moment to enter.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t/programs/verbs.h"

static char **rest;        /* what is still to do */

static int fd_of(const char *word) { return strcmp(word, "cwd") == 0 ? AT_FDCWD : atoi(word); }

static long line_of(int fd)
{
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return n < 0 ? -1 : 0;
}

static long closing(int fd, long result)
{
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return result;
}

static long do_enter(char **w) { (void)w; return syscall(SYS_getppid) > 0 ? 0 : -1; }
static long do_hold(char **w) { return open(w[0], O_RDONLY | (w[1] ? (int)strtol(w[1], NULL, 0) : 0)); }
static long do_holdat(char **w) { return openat(fd_of(w[0]), w[1], O_RDONLY); }
static long do_cat(char **w) { int fd = open(w[0], O_RDONLY); return closing(fd, line_of(fd)); }
static long do_catat(char **w) { int fd = openat(fd_of(w[0]), w[1], O_RDONLY); return closing(fd, line_of(fd)); }
static long do_make(char **w) { int fd = openat(fd_of(w[0]), w[1], O_WRONLY | O_CREAT, 0600); return closing(fd, fd < 0 ? -1 : 0); }
static long do_over(char **w) { int fd = openat(fd_of(w[0]), w[1], O_WRONLY | O_TRUNC); return closing(fd, fd < 0 ? -1 : 0); }
static long do_statat(char **w) { struct stat st; return fstatat(fd_of(w[0]), w[1], &st, 0); }
static long do_empty(char **w) { struct stat st; return fstatat(fd_of(w[0]), "", &st, AT_EMPTY_PATH); }
static long do_access(char **w) { return faccessat(fd_of(w[0]), w[1], R_OK, 0); }
static long do_readlinkat(char **w) { return readlinkat(fd_of(w[0]), w[1], text, sizeof text - 1) < 0 ? -1 : 0; }
static long do_mkdirat(char **w) { return mkdirat(fd_of(w[0]), w[1], 0700); }
static long do_unlinkat(char **w) { return unlinkat(fd_of(w[0]), w[1], 0); }
static long do_renameat(char **w) { return renameat(fd_of(w[0]), w[1], fd_of(w[2]), w[3]); }
static long do_linkat(char **w) { return linkat(fd_of(w[0]), w[1], fd_of(w[2]), w[3], 0); }
static long do_symlinkat(char **w) { return symlinkat(w[0], fd_of(w[1]), w[2]); }
static long do_unlink(char **w) { return unlink(w[0]); }
static long do_mkdir(char **w) { return mkdir(w[0], 0700); }
static long do_chdir(char **w) { return chdir(w[0]); }
static long do_fchdir(char **w) { return fchdir(fd_of(w[0])); }
static long do_read(char **w) { return line_of(fd_of(w[0])); }
static long do_write(char **w) { return write(fd_of(w[0]), w[1], strlen(w[1])); }
static long do_seek(char **w) { return lseek(fd_of(w[0]), atol(w[1]), SEEK_SET); }
static long do_fstat(char **w) { struct stat st; return fstat(fd_of(w[0]), &st); }
static long do_ftruncate(char **w) { return ftruncate(fd_of(w[0]), 0); }
static long do_fchmod(char **w) { return fchmod(fd_of(w[0]), 0640); }
static long do_dup(char **w) { return dup(fd_of(w[0])); }
static long do_dup2(char **w) { return dup2(fd_of(w[0]), fd_of(w[1])); }
static long do_dupfd(char **w) { return fcntl(fd_of(w[0]), F_DUPFD, 3); }
static long do_close(char **w) { return close(fd_of(w[0])); }
static long do_kill(char **w) { return kill(strcmp(w[0], "self") == 0 ? getpid() : strcmp(w[0], "parent") == 0 ? getppid() : atoi(w[0]), 0); }
static long do_priority(char **w) { return setpriority(PRIO_PROCESS, (id_t)(strcmp(w[0], "self") == 0 ? 0 : getppid()), 0); }
static long do_shm(char **w) { (void)w; int id = shmget(IPC_PRIVATE, 4096, 0600); return id < 0 ? -1 : shmctl(id, IPC_RMID, NULL); }
static long do_shmopen(char **w) { int fd = shm_open(w[0], O_CREAT | O_RDWR, 0600); if (fd >= 0) shm_unlink(w[0]); return closing(fd, fd < 0 ? -1 : 0); }
static long do_memfd(char **w) { int fd = memfd_create(w[0], 0); return closing(fd, fd < 0 ? -1 : 0); }
static long do_pair(char **w) { int fd[2]; (void)w; if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd)) return -1; close(fd[0]); return closing(fd[1], 0); }
static long do_sleep(char **w) { return nanosleep(&(struct timespec){ .tv_nsec = atol(w[0]) * 1000000 }, NULL); }

static long do_mmap(char **w)
{
#ifdef __i386__
    if (w[1] && strcmp(w[1], "old") == 0) {    /* the first of i386's two: its arguments lie in memory */
        long args[6] = { 0, 4096, PROT_READ, MAP_PRIVATE, fd_of(w[0]), 0 };
        return syscall(SYS_mmap, args) == -1 ? -1 : 0;
    }
#endif
    void *p = mmap(NULL, 4096, PROT_READ, w[1] ? MAP_SHARED : MAP_PRIVATE, fd_of(w[0]), 0);
    return p == MAP_FAILED ? -1 : munmap(p, 4096);
}

static long do_mq(char **w)
{
    mqd_t q = mq_open(w[0], O_CREAT | O_RDWR, 0600, NULL);
    if (q == (mqd_t)-1)
        return -1;
    mq_unlink(w[0]);
    return mq_close(q);
}

/* connect, bind, sendto, sendmsg, listen: with a UDP or TCP socket and the loopback address. */
static long do_net(char **w)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)(w[1] ? atoi(w[1]) : 0)) };
    struct iovec iov = { "x", 1 };
    struct msghdr msg = { .msg_name = &in, .msg_namelen = sizeof in, .msg_iov = &iov, .msg_iovlen = 1 };
    int fd = socket(AF_INET, strcmp(w[0], "listen") == 0 ? SOCK_STREAM : SOCK_DGRAM, 0);
    long result = fd < 0                          ? -1
                  : strcmp(w[0], "connect") == 0 ? connect(fd, (void *)&in, sizeof in)
                  : strcmp(w[0], "bind") == 0    ? bind(fd, (void *)&in, sizeof in)
                  : strcmp(w[0], "sendto") == 0  ? sendto(fd, "x", 1, 0, (void *)&in, sizeof in)
                  : strcmp(w[0], "sendmsg") == 0 ? sendmsg(fd, &msg, 0)
                  : strcmp(w[0], "listen") == 0  ? listen(fd, 1)
                                                 : 0;
    return closing(fd, result);
}

/* A connection to itself: the server's end of it is served by accept. */
static long do_accept(char **w)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof in;
    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);

    (void)w;
    if (bind(server, (void *)&in, sizeof in) || listen(server, 1) || getsockname(server, (void *)&in, &length) || connect(client, (void *)&in, sizeof in))
        return -1;
    int fd = accept(server, NULL, NULL);
    if (fd < 0 || write(client, "hello\n", 6) != 6)
        return -1;
    close(client);
    close(server);
    return closing(fd, line_of(fd));
}

/* The rest is done by a child; or, after one that has ended meanwhile, by a child that is not its maker's. */
static long do_child(char **w)
{
    pid_t pid = fork();

    (void)w;
    if (pid > 0) {
        int status;
        exit(waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 99);
    }
    return pid;
}

static long do_orphan(char **w)
{
    pid_t pid = fork();

    (void)w;
    if (pid == 0) {
        pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
        if (pid != 0)
            _exit(pid < 0 ? 98 : 0);
        return 0;
    }
    int status, code = 0;
    while (wait(&status) > 0)
        code |= WIFEXITED(status) ? WEXITSTATUS(status) : 99;
    exit(code);
}

static long do_fexec(char **w)
{
    char *argv[64] = { "capable" };
    extern char **environ;

    for (int i = 0; i < 62 && rest[i]; i++)
        argv[1 + i] = rest[i];
    return syscall(SYS_execveat, fd_of(w[0]), "", argv, environ, AT_EMPTY_PATH);
}

static long do_exec(char **w)
{
    char *argv[] = { w[0], NULL };
    return execv(w[0], argv);
}

static const struct verb verbs[] = {
    { "enter", 0, do_enter }, { "hold", 1, do_hold }, { "holdat", 2, do_holdat }, { "cat", 1, do_cat }, { "catat", 2, do_catat }, { "make", 2, do_make }, { "over", 2, do_over },
    { "statat", 2, do_statat }, { "empty", 1, do_empty }, { "access", 2, do_access }, { "readlinkat", 2, do_readlinkat }, { "mkdirat", 2, do_mkdirat },
    { "unlinkat", 2, do_unlinkat }, { "renameat", 4, do_renameat }, { "linkat", 4, do_linkat }, { "symlinkat", 3, do_symlinkat }, { "unlink", 1, do_unlink },
    { "mkdir", 1, do_mkdir }, { "chdir", 1, do_chdir }, { "fchdir", 1, do_fchdir }, { "read", 1, do_read }, { "write", 2, do_write }, { "seek", 2, do_seek },
    { "fstat", 1, do_fstat }, { "ftruncate", 1, do_ftruncate }, { "fchmod", 1, do_fchmod }, { "dup", 1, do_dup }, { "dup2", 2, do_dup2 },
    { "dupfd", 1, do_dupfd }, { "close", 1, do_close }, { "kill", 1, do_kill }, { "priority", 1, do_priority }, { "shm", 0, do_shm },
    { "shmopen", 1, do_shmopen }, { "memfd", 1, do_memfd }, { "pair", 0, do_pair }, { "sleep", 1, do_sleep }, { "mmap", 1, do_mmap }, { "mq", 1, do_mq },
    { "net", 1, do_net }, { "accept", 0, do_accept }, { "child", 0, do_child }, { "orphan", 0, do_orphan }, { "fexec", 1, do_fexec }, { "exec", 1, do_exec },
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        rest = argv + i + 1;
        if (VERBS_ACT(verbs, ',', 4, argv[i]) != 0)
            return 2;
    }
    return 0;
}
