/*
 * pledges: does what its arguments say, one thing each, and prints each result: the subject of the tests of nurse.pledge and nurse.unveil.
 *
 * An argument is VERB[:WORD...]; a line of output is "VERB[:WORD...] = RESULT": a number or an errno's name. "in:VERB..." does it in a child and
 * tells how that ended, "core:VERB..." also whether it left a core file. Knows nurse: "pledge", "unveil" and "lock" are the calls of core/abi/nurse.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "core/abi/nurse.h"

static const char *const tool = "/usr/bin/true";

static const char *word_or_null(const char *word) { return !word || strcmp(word, "-") == 0 ? NULL : word; }
static long do_pledge(char **w) { return nurse_pledge(word_or_null(w[0]), word_or_null(w[1])); }
static long do_badpledge(char **w) { (void)w; return nurse_pledge((const char *)1, NULL); }
static long do_unveil(char **w) { return nurse_unveil(w[0], w[1] ? w[1] : ""); }
static long do_lock(char **w) { (void)w; return nurse_unveil_lock(); }

static long do_badunveil(char **w) { (void)w; return nurse_unveil((const char *)1, "r") < 0 && errno == EFAULT ? nurse_unveil("/", (const char *)1) : 0; }

/* SIZE times a character */
static char *long_text(char **w)
{
    size_t size = (size_t)atol(w[0]);
    char *text = malloc(size + 1);
    memset(text, w[1] ? w[1][0] : ' ', size);
    text[size] = 0;
    return text;
}

static long do_longpledge(char **w) { return nurse_pledge(long_text(w), NULL); }
static long do_longunveil(char **w) { return nurse_unveil(long_text(w), "r"); }
static long do_longletters(char **w) { return nurse_unveil("/", long_text(w)); }

/* FLAGS: letters r w c t(runcate) p(ath) */
static long do_open(char **w)
{
    const char *f = w[1] ? w[1] : "r";
    int flags = strchr(f, 'w') ? strchr(f, 'r') ? O_RDWR : O_WRONLY : O_RDONLY;
    flags |= (strchr(f, 'c') ? O_CREAT : 0) | (strchr(f, 't') ? O_TRUNC : 0) | (strchr(f, 'p') ? O_PATH : 0);
    int fd = open(w[0], flags, 0644);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? fd : 0;
}

/* The same by the old number. */
static long do_oldopen(char **w)
{
    long fd = syscall(SYS_open, w[0], O_RDONLY, 0);
    if (fd >= 0)
        close((int)fd);
    return fd < 0 ? fd : 0;
}

static long do_stat(char **w) { struct stat st; return stat(w[0], &st); }
static long do_lstat(char **w) { struct stat st; return lstat(w[0], &st); }
static long do_fstat(char **w) { struct stat st; return fstatat(atoi(w[0]), "", &st, AT_EMPTY_PATH); }
static long do_access(char **w) { return access(w[0], w[1] ? atoi(w[1]) : F_OK); }
static long do_readlink(char **w) { char to[4096]; return readlink(w[0], to, sizeof to) < 0 ? -1 : 0; }
static long do_mkdir(char **w) { return mkdir(w[0], 0755); }
static long do_rmdir(char **w) { return rmdir(w[0]); }
static long do_unlink(char **w) { return unlink(w[0]); }
static long do_rename(char **w) { return rename(w[0], w[1]); }
static long do_link(char **w) { return link(w[0], w[1]); }
static long do_symlink(char **w) { return symlink(w[0], w[1]); }
static long do_chmod(char **w) { return chmod(w[0], (mode_t)strtol(w[1], NULL, 8)); }
static long do_chown(char **w) { return chown(w[0], (uid_t)atoi(w[1]), (gid_t)-1); }
static long do_utime(char **w) { return utimensat(AT_FDCWD, w[0], NULL, 0); }
static long do_truncate(char **w) { return truncate(w[0], 0); }
static long do_mkfifo(char **w) { return mkfifo(w[0], 0644); }
static long do_chdir(char **w) { return chdir(w[0]); }
static long do_getcwd(char **w) { char to[4096]; (void)w; return syscall(SYS_getcwd, to, sizeof to) < 0 ? -1 : 0; }
static long do_execmap(char **w) { (void)w; return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0; }
/* i386's first mmap, whose arguments lie in memory; elsewhere the same as execmap. */
static long do_oldmap(char **w)
{
#ifdef __i386__
    unsigned arguments[6] = { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, (unsigned)-1, 0 };
    (void)w;
    return syscall(SYS_mmap, arguments) == -1 ? -1 : 0;
#else
    return do_execmap(w);
#endif
}

static long do_map(char **w) { (void)w; return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0; }
static long do_getpriority(char **w) { (void)w; errno = 0; return getpriority(PRIO_PROCESS, 0) == -1 && errno ? -1 : 0; }
static long do_setrlimit(char **w) { struct rlimit r; (void)w; return getrlimit(RLIMIT_CORE, &r) ? -1 : setrlimit(RLIMIT_CORE, &r); }
static long do_setuid(char **w) { (void)w; return setuid(getuid()); }
static long do_settime(char **w) { struct timespec t = { 1, 0 }; (void)w; return clock_settime(CLOCK_MONOTONIC, &t); }
static long do_kill(char **w) { (void)w; return kill(1, 0); }
static long do_raise(char **w) { (void)w; return raise(SIGCONT); }
static long do_abort(char **w) { (void)w; abort(); }
static long do_ipc(char **w) { (void)w; return syscall(SYS_mq_unlink, "nurse-no-such-queue"); }
static long do_ptrace(char **w) { (void)w; return syscall(SYS_ptrace, 0x7fff, 0, 0, 0); }
static long do_tcsets(char **w) { struct termios t = { 0 }; (void)w; return ioctl(0, TCSETS, &t); }
static long do_isatty(char **w) { struct termios t; (void)w; return ioctl(0, TCGETS, &t); }

static long done(int fd, long result)
{
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static long do_flock(char **w) { int fd = open(w[0], O_RDONLY); return fd < 0 ? -1 : done(fd, flock(fd, LOCK_SH)); }

static long do_lockf(char **w)
{
    struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
    int fd = open(w[0], O_RDONLY);
    return fd < 0 ? -1 : done(fd, fcntl(fd, F_SETLK, &lock));
}

static long do_socket(char **w)
{
    int fd = socket(atoi(w[0]), atoi(w[1]), 0);
    return fd < 0 ? fd : done(fd, 0);
}

static long do_connect(char **w)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(w[0])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return fd < 0 ? fd : done(fd, connect(fd, (struct sockaddr *)&to, sizeof to));
}

static long do_multicast(char **w)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0), ttl = 1;
    (void)w;
    return fd < 0 ? fd : done(fd, setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl));
}

/* A unix socket at PATH: connect, bind, send, sendmsg. */
static long do_unix(char **w)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, strcmp(w[0], "connect") == 0 || strcmp(w[0], "bind") == 0 ? SOCK_STREAM : SOCK_DGRAM, 0);
    struct iovec part = { "x", 1 };
    struct msghdr message = { .msg_name = &at, .msg_namelen = sizeof at, .msg_iov = &part, .msg_iovlen = 1 };
    if (fd < 0)
        return fd;
    snprintf(at.sun_path, sizeof at.sun_path, "%s", w[1]);
    if (strcmp(w[0], "connect") == 0)
        return done(fd, connect(fd, (struct sockaddr *)&at, sizeof at));
    if (strcmp(w[0], "bind") == 0)
        return done(fd, bind(fd, (struct sockaddr *)&at, sizeof at));
    if (strcmp(w[0], "send") == 0)
        return done(fd, sendto(fd, "x", 1, 0, (struct sockaddr *)&at, sizeof at));
    return done(fd, sendmsg(fd, &message, 0));
}

/* send: give a descriptor to oneself; receive: be ready to get one. */
static long do_pass(char **w)
{
    int pair[2];
    union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
    struct iovec part = { &(char){ 'x' }, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        return -1;
    if (strcmp(w[0], "receive") == 0)
        return send(pair[1], "x", 1, 0) == 1 ? recvmsg(pair[0], &message, 0) : -1;
    control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
    return sendmsg(pair[0], &message, 0);
}

static void *nothing(void *arg) { return arg; }
static long do_thread(char **w)
{
    pthread_t thread;
    (void)w;
    return pthread_create(&thread, NULL, nothing, NULL) ? -1 : pthread_join(thread, NULL);
}

/* A thread promises; the whole process has promised. */
static void *promise(void *words) { return (void *)do_pledge(words); }
static long do_threadpledge(char **w)
{
    pthread_t thread;
    void *result = NULL;
    return pthread_create(&thread, NULL, promise, w) || pthread_join(thread, &result) ? -1 : (long)result;
}

static int told_of_cores;    /* "core:" and not "in:" */

static long ended(pid_t pid)
{
    int status;
    if (pid < 0 || waitpid(pid, &status, __WALL) != pid)
        return -1;
    return WIFSIGNALED(status) ? (told_of_cores && WCOREDUMP(status) ? 2000 : 1000) + WTERMSIG(status) : WEXITSTATUS(status);
}

static long do_fork(char **w)
{
    pid_t pid = fork();
    (void)w;
    if (pid == 0)
        _exit(0);
    return ended(pid);
}

static long do_exec(char **w)
{
    char *argv[] = { (char *)(w[0] ? w[0] : tool), NULL };
    execv(argv[0], argv);
    return -1;
}

static const struct { const char *name; long (*run)(char **); } verbs[] = {
    { "pledge", do_pledge }, { "badpledge", do_badpledge }, { "longpledge", do_longpledge }, { "threadpledge", do_threadpledge }, { "unveil", do_unveil },
    { "lock", do_lock }, { "badunveil", do_badunveil }, { "longunveil", do_longunveil }, { "longletters", do_longletters },
    { "open", do_open }, { "oldopen", do_oldopen }, { "stat", do_stat }, { "lstat", do_lstat }, { "fstat", do_fstat },
    { "access", do_access }, { "readlink", do_readlink }, { "mkdir", do_mkdir }, { "rmdir", do_rmdir }, { "unlink", do_unlink }, { "rename", do_rename },
    { "link", do_link }, { "symlink", do_symlink }, { "chmod", do_chmod }, { "chown", do_chown }, { "utime", do_utime }, { "truncate", do_truncate },
    { "mkfifo", do_mkfifo }, { "chdir", do_chdir }, { "getcwd", do_getcwd }, { "execmap", do_execmap }, { "map", do_map }, { "oldmap", do_oldmap }, { "getpriority", do_getpriority },
    { "setrlimit", do_setrlimit }, { "setuid", do_setuid }, { "settime", do_settime }, { "kill", do_kill }, { "raise", do_raise }, { "ipc", do_ipc },
    { "ptrace", do_ptrace }, { "tcsets", do_tcsets }, { "isatty", do_isatty }, { "flock", do_flock }, { "lockf", do_lockf }, { "socket", do_socket },
    { "connect", do_connect }, { "multicast", do_multicast }, { "unix", do_unix }, { "pass", do_pass }, { "thread", do_thread }, { "fork", do_fork },
    { "exec", do_exec }, { "abort", do_abort },
};

static long act(char *text)
{
    char *words[5] = { NULL };
    int count = 0;
    for (char *p = strchr(text, ':'); p && count < 4; p = strchr(p, ':')) {
        *p++ = 0;
        words[count++] = p;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(text, verbs[i].name) == 0)
            return verbs[i].run(words);
    fprintf(stderr, "pledges: can't %s\n", text);
    exit(2);
}

static void say(const char *what, long result)
{
    char line[8192];
    int length = result < 0 ? snprintf(line, sizeof line, "%s = %s\n", what, strerrorname_np(errno)) : snprintf(line, sizeof line, "%s = %ld\n", what, result);
    if (write(1, line, (size_t)length) != length)
        _exit(3);
}

/* In a child, whose end is told: its exit status, 0 when it could, else 1; or 1000 and the signal, with "core:" 2000 if there is a core file. */
static long in_child(char *text)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(act(text) < 0);
    return ended(pid);
}

/* A child promises, and then has a child of its own beside it (CLONE_PARENT): that one's end is told. */
static long in_sibling(char *text)
{
    pid_t pid = fork();
    if (pid == 0) {
        int bad = do_pledge((char *[]){ "stdio proc", NULL }) < 0;
        pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
        _exit(pid ? bad || pid < 0 : act(text) < 0);
    }
    long middle = ended(pid);
    int status;
    if (middle || waitpid(-1, &status, 0) < 0)
        return -1;
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char copy[4096];
        snprintf(copy, sizeof copy, "%s", argv[i]);
        told_of_cores = strncmp(copy, "core:", 5) == 0;
        if (told_of_cores)
            say(argv[i], in_child(copy + 5));
        else if (strncmp(copy, "in:", 3) == 0)
            say(argv[i], in_child(copy + 3));
        else if (strncmp(copy, "beside:", 7) == 0)
            say(argv[i], in_sibling(copy + 7));
        else
            say(argv[i], act(copy));
    }
    return 0;
}
