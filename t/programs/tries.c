/*
 * tries: what a program may try that the shipped policies are there to stop: one act for each argument, VERB[:WORD...], each result on a line of its own
 * as "VERB[:WORD...] = RESULT" (a number, a text, or an errno's name). For what a library would do by another call, the call itself is made.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/programs/verbs.h"

static int number(const char *word) { return (int)strtol(word, NULL, 0); }

/* Close without touching errno. */
static long closing(int fd, long result)
{
    int error = errno;

    close(fd);
    errno = error;
    return result;
}

/* --- to other processes --- */

static long try_kill(char **w) { return kill(number(w[0]), 0); }
static long try_setpgid(char **w) { return setpgid(0, number(w[0])); }
static long try_nice(char **w) { return setpriority(PRIO_PROCESS, (id_t)number(w[0]), 5); }

static long try_pidfd(char **w)
{
    int fd = (int)syscall(SYS_pidfd_open, number(w[0]), 0);

    return fd < 0 ? fd : closing(fd, syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
}

static long try_setown(char **w)
{
    int fds[2];

    if (pipe(fds) < 0)
        return -1;
    close(fds[1]);
    return closing(fds[0], fcntl(fds[0], F_SETOWN, number(w[0])));
}

static long try_affinity(char **w)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return -1;
    return sched_setaffinity(number(w[0]), sizeof set, &set);
}

static long try_limit(char **w)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? -1 : prlimit(number(w[0]), RLIMIT_NOFILE, &limit, NULL);
}

static long try_fork(char **w)
{
    pid_t child = fork();
    int status = -1;

    (void)w;
    if (child == 0)
        _exit(7);
    return child < 0 || waitpid(child, &status, 0) < 0 ? -1 : WEXITSTATUS(status);
}

/* A child that is told to end, by way of kill. */
static long try_child(char **w)
{
    pid_t child = fork();
    int status = -1;

    (void)w;
    if (child == 0)
        for (;;)
            pause();
    if (child < 0 || kill(child, SIGTERM) < 0)
        return -1;
    return waitpid(child, &status, 0) < 0 ? -1 : WTERMSIG(status);
}

static void *thread(void *result) { *(int *)result = 3; return NULL; }

static long try_thread(char **w)
{
    int result = 0;
    pthread_t id;

    (void)w;
    errno = pthread_create(&id, NULL, thread, &result);
    if (errno)
        return -1;
    pthread_join(id, NULL);
    return result;
}

/* --- sockets --- */

static long try_socket(char **w)
{
    int fd = socket(number(w[0]), number(w[1]), 0);

    return fd < 0 ? fd : closing(fd, 0);
}

static long try_pair(char **w)
{
    int fds[2];

    if (socketpair(AF_UNIX, number(w[0]), 0, fds) < 0)
        return -1;
    close(fds[1]);
    return closing(fds[0], 0);
}

static long unix_socket(const char *path, struct sockaddr_un *addr)
{
    *addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(addr->sun_path, sizeof addr->sun_path, "%s", path);
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long try_connect(char **w)
{
    struct sockaddr_un addr;
    int fd = (int)unix_socket(w[0], &addr);

    return fd < 0 ? fd : closing(fd, connect(fd, (struct sockaddr *)&addr, sizeof addr));
}

static long try_bind(char **w)
{
    struct sockaddr_un addr;
    int fd = (int)unix_socket(w[0], &addr);

    return fd < 0 ? fd : closing(fd, bind(fd, (struct sockaddr *)&addr, sizeof addr));
}

/* --- files --- */

static long opening(const char *path, int flags, mode_t mode)
{
    int fd = open(path, flags, mode);

    return fd < 0 ? fd : closing(fd, 0);
}

static long try_read(char **w) { return opening(w[0], O_RDONLY, 0); }
static long try_write(char **w) { return opening(w[0], O_WRONLY, 0); }
static long try_create(char **w) { return opening(w[0], O_WRONLY | O_CREAT, w[1] ? (mode_t)strtol(w[1], NULL, 8) : 0644); }
static long try_mkdir(char **w) { return mkdir(w[0], 0755); }
static long try_rmdir(char **w) { return rmdir(w[0]); }
static long try_unlink(char **w) { return unlink(w[0]); }
static long try_rename(char **w) { return rename(w[0], w[1]); }
static long try_link(char **w) { return link(w[0], w[1]); }
static long try_symlink(char **w) { return symlink(w[0], w[1]); }
static long try_chmod(char **w) { return chmod(w[0], (mode_t)strtol(w[1], NULL, 8)); }
static long try_utime(char **w) { return utimensat(AT_FDCWD, w[0], NULL, 0); }
static long try_truncate(char **w) { return truncate(w[0], 0); }
static long try_device(char **w) { return mknod(w[0], S_IFCHR | 0644, makedev(1, 3)); }
static long try_fifo(char **w) { return mkfifo(w[0], 0644); }
static long try_access(char **w) { return access(w[0], number(w[1])); }
static long try_chown(char **w) { return lchown(w[0], (uid_t)number(w[1]), (gid_t)number(w[2])); }

static long try_chownat(char **w) { return fchownat(AT_FDCWD, w[0], (uid_t)number(w[1]), (gid_t)number(w[2]), 0); }

static long try_fchmod(char **w)
{
    int fd = open(w[0], O_RDONLY);

    return fd < 0 ? fd : closing(fd, fchmod(fd, (mode_t)strtol(w[1], NULL, 8)));
}

/* Below a directory that the program was started with, and from there as its working directory. */
static long try_readat(char **w)
{
    int fd = openat(number(w[0]), w[1], O_RDONLY);

    return fd < 0 ? fd : closing(fd, 0);
}

static long try_fchdir(char **w) { return fchdir(number(w[0])); }

/* What chattr does, with a descriptor that is open for reading: the flags that the file has, plus "no dump". */
static long try_chattr(char **w)
{
    int fd = open(w[0], O_RDONLY), flags = 0;

    if (fd < 0)
        return -1;
    ioctl(fd, FS_IOC_GETFLAGS, &flags);
    flags |= FS_NODUMP_FL;
    return closing(fd, ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

static long try_memfd(char **w)
{
    int fd = memfd_create("tries", 0);

    (void)w;
    return fd < 0 ? fd : closing(fd, ftruncate(fd, 4096));
}

static long try_readlink(char **w)
{
    ssize_t got = readlink(w[0], text, sizeof text - 1);

    text[got > 0 ? got : 0] = 0;
    return got;
}

static long try_exec(char **w)
{
    char *argv[] = { w[0], NULL };
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), 1);
        execv(w[0], argv);
        _exit(errno);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return -1;
    errno = WEXITSTATUS(status);
    return errno ? -1 : 0;
}

/* --- who --- */

static long try_owner(char **w)
{
    struct stat st;
    long result = lstat(w[0], &st);

    if (result == 0)
        snprintf(text, sizeof text, "%d:%d %o %x:%x", (int)st.st_uid, (int)st.st_gid, (unsigned)st.st_mode, major(st.st_rdev), minor(st.st_rdev));
    return result;
}

static long try_statx(char **w)
{
    struct statx st;
    long result = statx(AT_FDCWD, w[0], AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &st);

    if (result == 0)
        snprintf(text, sizeof text, "%d:%d %o %x:%x", (int)st.stx_uid, (int)st.stx_gid, (unsigned)st.stx_mode, st.stx_rdev_major, st.stx_rdev_minor);
    return result;
}

static long try_fstat(char **w)
{
    struct stat st;
    int fd = open(w[0], O_RDONLY);
    long result = fd < 0 ? fd : closing(fd, fstat(fd, &st));

    if (result == 0)
        snprintf(text, sizeof text, "%d:%d %o", (int)st.st_uid, (int)st.st_gid, (unsigned)st.st_mode);
    return result;
}

static long try_ids(char **w)
{
    uid_t r = 9, e = 9, s = 9;
    gid_t g = 9, f = 9, t = 9;

    (void)w;
    if (getresuid(&r, &e, &s) < 0 || getresgid(&g, &f, &t) < 0)
        return -1;
    snprintf(text, sizeof text, "%d %d %d %d %d %d %d %d %d %d", (int)r, (int)e, (int)s, (int)g, (int)f, (int)t, (int)getuid(), (int)geteuid(), (int)getgid(), (int)getegid());
    return 0;
}

static long try_setuid(char **w) { return setuid((uid_t)number(w[0])); }
static long try_seteuid(char **w) { return seteuid((uid_t)number(w[0])); }
static long try_setgroups(char **w) { gid_t groups[2] = { 1, 2 }; (void)w; return setgroups(2, groups); }
static long try_keys(char **w) { (void)w; return syscall(SYS_keyctl, 0, -4, 1) < 0 ? -1 : 0; }    /* KEYCTL_GET_KEYRING_ID of the user's, made if need be */

static const struct verb verbs[] = {
    { "kill", 1, try_kill }, { "setpgid", 1, try_setpgid }, { "nice", 1, try_nice }, { "pidfd", 1, try_pidfd }, { "setown", 1, try_setown },
    { "affinity", 1, try_affinity }, { "limit", 1, try_limit }, { "fork", 0, try_fork }, { "child", 0, try_child }, { "thread", 0, try_thread },
    { "socket", 2, try_socket }, { "pair", 1, try_pair }, { "connect", 1, try_connect }, { "bind", 1, try_bind },
    { "read", 1, try_read }, { "write", 1, try_write }, { "create", 1, try_create }, { "mkdir", 1, try_mkdir }, { "rmdir", 1, try_rmdir },
    { "unlink", 1, try_unlink }, { "rename", 2, try_rename }, { "link", 2, try_link }, { "symlink", 2, try_symlink }, { "chmod", 2, try_chmod },
    { "utime", 1, try_utime }, { "truncate", 1, try_truncate }, { "device", 1, try_device }, { "fifo", 1, try_fifo }, { "access", 2, try_access },
    { "chown", 3, try_chown }, { "chownat", 3, try_chownat }, { "fchmod", 2, try_fchmod }, { "chattr", 1, try_chattr }, { "memfd", 0, try_memfd }, { "readlink", 1, try_readlink },
    { "exec", 1, try_exec }, { "readat", 2, try_readat }, { "fchdir", 1, try_fchdir }, { "owner", 1, try_owner }, { "statx", 1, try_statx }, { "fstat", 1, try_fstat }, { "ids", 0, try_ids },
    { "setuid", 1, try_setuid }, { "seteuid", 1, try_seteuid }, { "setgroups", 0, try_setgroups }, { "keys", 0, try_keys },
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (VERBS_ACT(verbs, ':', 3, argv[i]) != 0)
            return 2;
    return 0;
}
