/*
 * acts: does what its arguments say, one system call each, and prints each result: the subject of the policy tests.
 *
 * An argument is VERB[:WORD[:WORD...]]; a line of output is "VERB[:WORD...] = RESULT", where RESULT is a number, a text or an errno's name.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "t/programs/verbs.h"

static long do_open(char **w) { return open(w[0], w[1] ? (int)strtol(w[1], NULL, 0) : O_RDONLY, 0644); }
static long do_creat(char **w) { return open(w[0], O_WRONLY | O_CREAT | O_EXCL, 0644); }
static long do_unlink(char **w) { return unlink(w[0]); }
static long do_mkdir(char **w) { return mkdir(w[0], w[1] ? (mode_t)strtol(w[1], NULL, 8) : 0755); }
static long do_rmdir(char **w) { return rmdir(w[0]); }
static long do_rename(char **w) { return rename(w[0], w[1]); }
static long do_link(char **w) { return link(w[0], w[1]); }
static long do_symlink(char **w) { return symlink(w[0], w[1]); }
static long do_chmod(char **w) { return chmod(w[0], (mode_t)strtol(w[1], NULL, 8)); }
static long do_truncate(char **w) { return truncate(w[0], atol(w[1])); }
static long do_access(char **w) { return access(w[0], R_OK); }
static long do_chdir(char **w) { return chdir(w[0]); }
static long do_getpid(char **w) { (void)w; return syscall(SYS_getpid); }
static long do_getppid(char **w) { (void)w; return syscall(SYS_getppid); }
static long do_getuid(char **w) { (void)w; return getuid(); }
static long do_umask(char **w) { return umask((mode_t)strtol(w[0], NULL, 8)); }
static long do_dup(char **w) { return dup(atoi(w[0])); }
static long do_lseek(char **w) { return lseek(atoi(w[0]), atol(w[1]), SEEK_SET); }
static long do_close(char **w) { return close(atoi(w[0])); }
static long do_kill(char **w) { return kill(atoi(w[0]), atoi(w[1])); }
static long do_sleep(char **w) { return (long)sleep((unsigned)atoi(w[0])); }
static long do_socket(char **w) { return socket(atoi(w[0]), SOCK_STREAM, 0); }
static long do_time(char **w) { (void)w; return syscall(SYS_time, NULL); }
/* An executable page by the oldest mmap of the architecture: i386 takes its arguments from memory. */
static long do_mmap(char **w)
{
    long args[6] = { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 };

    (void)w;
    long at = sizeof(long) == 4 ? syscall(SYS_mmap, args) : syscall(SYS_mmap, args[0], args[1], args[2], args[3], args[4], args[5]);
    return at == -1 ? -1 : munmap((void *)at, 4096);
}

static long do_unknown(char **w) { return syscall(atoi(w[0])); }
static long do_ptrace(char **w) { (void)w; return syscall(SYS_ptrace, 0x7fff, 0, 0, 0); }

static long do_stat(char **w)
{
    struct stat st;
    long result = stat(w[0], &st);
    if (result == 0)
        snprintf(text, sizeof text, "size %ld mode %o", (long)st.st_size, (unsigned)st.st_mode);
    return result;
}

static long do_lstat(char **w)
{
    struct stat st;
    long result = lstat(w[0], &st);
    if (result == 0)
        snprintf(text, sizeof text, "mode %o", (unsigned)st.st_mode);
    return result;
}

static long do_fstat(char **w)
{
    struct stat st;
    return fstat(atoi(w[0]), &st);
}

static long take(long fd)
{
    if (fd < 0)
        return fd;
    ssize_t got = read((int)fd, text, sizeof text - 1);
    int error = errno;
    close((int)fd);
    errno = error;
    text[got > 0 ? got : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    return got;
}

static long do_cat(char **w) { return take(open(w[0], O_RDONLY)); }

/* A directory by descriptor, then a name below it. */
static long do_catat(char **w)
{
    int dir = open(w[0], O_RDONLY | O_DIRECTORY);
    long result = dir < 0 ? dir : take(openat(dir, w[1], O_RDONLY));
    int error = errno;
    close(dir);
    errno = error;
    return result;
}

static long put(int fd, const char *word)
{
    if (fd < 0)
        return fd;
    long result = write(fd, word, strlen(word));
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static long do_write(char **w) { return put(open(w[0], O_WRONLY | O_CREAT | O_TRUNC, 0644), w[1]); }
static long do_append(char **w) { return put(open(w[0], O_WRONLY | O_APPEND), w[1]); }
static long do_say(char **w) { return write(1, w[0], strlen(w[0])); }

static long do_writev(char **w)
{
    struct iovec parts[2] = { { w[0], strlen(w[0]) }, { w[1], strlen(w[1]) } };
    return writev(1, parts, 2);
}

static long do_readlink(char **w)
{
    ssize_t got = readlink(w[0], text, sizeof text - 1);
    text[got > 0 ? got : 0] = 0;
    return got;
}

static long do_getcwd(char **w)
{
    (void)w;
    return syscall(SYS_getcwd, text, sizeof text);
}

static long do_uname(char **w)
{
    struct utsname names;
    (void)w;
    long result = uname(&names);
    if (result == 0)
        snprintf(text, sizeof text, "%s", names.nodename);
    return result;
}

static long do_clock(char **w)
{
    struct timespec now = { 0 };
    (void)w;
    long result = clock_gettime(CLOCK_REALTIME, &now);
    if (result == 0)
        snprintf(text, sizeof text, "year %ld", 1970 + (long)(now.tv_sec / 31556952));
    return result;
}

static long do_count(char **w)
{
    DIR *dir = opendir(w[0]);
    long count = 0;
    if (!dir)
        return -1;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* connect to 127.0.0.1:PORT */
static long do_connect(char **w)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(w[0])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    long result = fd < 0 ? fd : connect(fd, (struct sockaddr *)&to, sizeof to);
    int error = errno;
    if (result == 0)
        take(dup(fd));
    close(fd);
    errno = error;
    return result;
}

static long do_repeat(char **w)
{
    long result = 0;
    for (int i = atoi(w[0]); i > 0; i--)
        result = syscall(SYS_getppid);
    return result;
}

/* Compute, with no system call, for so many milliseconds. */
static long do_burn(char **w)
{
    for (volatile long i = atol(w[0]) * 100000; i > 0; i--)
        ;
    return 0;
}

static long do_ready(char **w)
{
    (void)w;
    fflush(stdout);
    return 0;
}

/* An address that is not mapped where the kernel wants a string. */
static long do_badpath(char **w)
{
    (void)w;
    return syscall(SYS_open, (void *)1, O_RDONLY, 0);
}

static const struct verb verbs[] = {
    { "open", 1, do_open }, { "creat", 1, do_creat }, { "cat", 1, do_cat }, { "catat", 2, do_catat }, { "stat", 1, do_stat }, { "lstat", 1, do_lstat },
    { "fstat", 1, do_fstat }, { "write", 2, do_write }, { "append", 2, do_append }, { "say", 1, do_say }, { "writev", 2, do_writev },
    { "unlink", 1, do_unlink }, { "mkdir", 1, do_mkdir }, { "rmdir", 1, do_rmdir }, { "rename", 2, do_rename }, { "link", 2, do_link },
    { "symlink", 2, do_symlink }, { "chmod", 2, do_chmod }, { "truncate", 2, do_truncate }, { "access", 1, do_access }, { "chdir", 1, do_chdir },
    { "getcwd", 0, do_getcwd }, { "readlink", 1, do_readlink }, { "getpid", 0, do_getpid }, { "getppid", 0, do_getppid }, { "getuid", 0, do_getuid },
    { "umask", 1, do_umask }, { "dup", 1, do_dup }, { "lseek", 2, do_lseek }, { "close", 1, do_close }, { "kill", 2, do_kill },
    { "sleep", 1, do_sleep }, { "socket", 1, do_socket }, { "connect", 1, do_connect }, { "uname", 0, do_uname }, { "time", 0, do_time },
    { "clock", 0, do_clock }, { "count", 1, do_count }, { "repeat", 1, do_repeat }, { "burn", 1, do_burn }, { "ready", 0, do_ready },
    { "unknown", 1, do_unknown }, { "ptrace", 0, do_ptrace }, { "badpath", 0, do_badpath }, { "mmap", 0, do_mmap },
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (VERBS_ACT(verbs, ':', 3, argv[i]) != 0)
            return 2;
    return 0;
}
