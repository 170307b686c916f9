/*
 * nonsense: calls with descriptors that aren't open, addresses where nothing is, names that are empty or too long. Every one must fail, and so must none of
 * a policy's handlers: says "refused N of N".
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FD = 999, NOWHERE = 8, EMPTY_PATH = 0x1000 };

static char long_name[5000], slashes[5000];

#define S(text) ((long)(text))

int main(void)
{
    const struct { long nr, args[5]; } calls[] = {
        { SYS_read, { FD, NOWHERE, 10 } }, { SYS_write, { FD, NOWHERE, 10 } }, { SYS_writev, { FD, NOWHERE, 1 } }, { SYS_pread64, { FD, NOWHERE, 10 } }, { SYS_ftruncate, { FD, 1 } },
        { SYS_fallocate, { FD, 0, 0, 1 } }, { SYS_fchmod, { FD, 0644 } }, { SYS_fchown, { FD, 1, 1 } }, { SYS_fstat, { FD, NOWHERE } }, { SYS_ioctl, { FD, 0x40086602, NOWHERE } },
        { SYS_fcntl, { FD, F_SETOWN, 0 } }, { SYS_fchdir, { FD } }, { SYS_flock, { FD, 1 } }, { SYS_fsetxattr, { FD, NOWHERE, NOWHERE, 1 } },
        { SYS_open, { NOWHERE } }, { SYS_open, { S("") } }, { SYS_open, { S(long_name) } }, { SYS_open, { S(slashes), O_RDWR } }, { SYS_openat, { FD, S("x") } }, { SYS_openat, { AT_FDCWD, S("/"), O_RDWR } },
        { SYS_openat2, { AT_FDCWD, S("x"), NOWHERE, 24 } }, { SYS_openat2, { AT_FDCWD, S("x"), NOWHERE, 2 } }, { SYS_creat, { NOWHERE, 0 } },
        { SYS_stat, { NOWHERE, NOWHERE } }, { SYS_stat, { S("/"), NOWHERE } }, { SYS_statx, { FD, S(""), EMPTY_PATH, 0, NOWHERE } }, { SYS_access, { NOWHERE, R_OK } },
        { SYS_readlink, { S("/proc/self/cwd"), NOWHERE, 100 } }, { SYS_readlinkat, { FD, S(""), NOWHERE, 10 } }, { SYS_getcwd, { NOWHERE, 4096 } },
        { SYS_rename, { NOWHERE, NOWHERE } }, { SYS_rename, { S("/"), S("") } }, { SYS_link, { S("/etc/passwd"), NOWHERE } }, { SYS_symlink, { NOWHERE, NOWHERE } }, { SYS_mkdir, { NOWHERE } },
        { SYS_mknod, { NOWHERE, S_IFCHR | 0644, 259 } }, { SYS_unlink, { S("") } }, { SYS_chown, { NOWHERE, 1, 1 } }, { SYS_fchownat, { FD, S(""), 1, 1, EMPTY_PATH } },
        { SYS_utimensat, { FD, 0, 0, 0 } }, { SYS_chdir, { NOWHERE } }, { SYS_inotify_add_watch, { FD, NOWHERE, 1 } },
        { SYS_execve, { NOWHERE, NOWHERE, NOWHERE } }, { SYS_execve, { S(""), 0, 0 } }, { SYS_execveat, { FD, S(""), 0, 0, EMPTY_PATH } },
        { SYS_connect, { FD, NOWHERE, 110 } }, { SYS_connect, { FD, NOWHERE, 5000 } }, { SYS_bind, { FD, NOWHERE, 110 } }, { SYS_sendto, { FD, NOWHERE, 4, 0, NOWHERE } }, { SYS_sendmsg, { FD, NOWHERE } },
        { SYS_sendmmsg, { FD, NOWHERE, 1 } }, { SYS_socketpair, { 1, 1, 0, NOWHERE } }, { SYS_socket, { -1, -1, -1 } }, { SYS_getresuid, { NOWHERE, NOWHERE, NOWHERE } },
        { SYS_nanosleep, { NOWHERE, 0 } }, { SYS_clock_nanosleep, { 0, 0, NOWHERE, 0 } }, { SYS_kill, { 0x7ffffff0, 0 } }, { SYS_prlimit64, { 0, 99, NOWHERE, NOWHERE } },
    };
    size_t count = sizeof calls / sizeof *calls, refused = 0;

    memset(long_name, 'a', sizeof long_name - 1);
    memset(slashes, '/', sizeof slashes - 1);
    for (size_t i = 0; i < count; i++) {
        const long *a = calls[i].args;

        if (syscall(calls[i].nr, a[0], a[1], a[2], a[3], a[4]) < 0)
            refused++;
        else
            printf("call %zu (%ld) was made\n", i, calls[i].nr);
    }
    printf("refused %zu of %zu\n", refused, count);
    return 0;
}
