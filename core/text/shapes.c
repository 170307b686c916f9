/*
 * shapes: see shapes.h. A table says which argument of which call is what; bytes, strings and vectors are in shapes_memory.c.
 *
 * Runs in the helper. Whom it believes: nobody: addresses, counts and what lies there are the program's, so everything is read in pieces of fixed size,
 * escaped, and an address that can't be read is shown as an address. Test: t/69-live-trace.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "core/text/shapes_inside.h"

struct shape {
    const char *call;
    int i;
    bool late;                                    /* filled by the kernel */
    void (*show)(struct text *t, int i, const int64_t *result);
};

/* --- numbers that the kernel fills --- */

static void pair(struct text *t, int i, const int64_t *result)
{
    int32_t fd[2];

    (void)result;
    if (shape_fetch(t, shape_address(t, i), fd, sizeof fd))
        text_add(t, "[%d, %d]", fd[0], fd[1]);
}

static void number(struct text *t, int i, const int64_t *result)
{
    int32_t value;

    (void)result;
    if (shape_fetch(t, shape_address(t, i), &value, sizeof value))
        text_add(t, "[%d]", value);
}

static void offset(struct text *t, int i, const int64_t *result)
{
    int64_t value;

    (void)result;
    if (shape_fetch(t, shape_address(t, i), &value, sizeof value))
        text_add(t, "[%lld]", (long long)value);
}

static void show_signal(struct text *t, int number)
{
    const char *text = abi_signal_name(number);

    if (text)
        text_add(t, "%s", text);
    else
        text_add(t, "%d", number);
}

static void wait_status(struct text *t, int i, const int64_t *result)
{
    int status;

    if (*result == 0) {    /* WNOHANG */
        shape_show_address(t, shape_address(t, i));
        return;
    }
    if (!shape_fetch(t, shape_address(t, i), &status, sizeof status))
        return;
    if (WIFEXITED(status)) {
        text_add(t, "[{WIFEXITED(s) && WEXITSTATUS(s) == %d}]", WEXITSTATUS(status));
    } else if (WIFSTOPPED(status)) {
        text_add(t, "[{WIFSTOPPED(s) && WSTOPSIG(s) == ");
        show_signal(t, WSTOPSIG(status));
        text_add(t, "}]");
    } else if (WIFCONTINUED(status)) {
        text_add(t, "[{WIFCONTINUED(s)}]");
    } else {
        text_add(t, "[{WIFSIGNALED(s) && WTERMSIG(s) == ");
        show_signal(t, WTERMSIG(status));
        text_add(t, WCOREDUMP(status) ? " && WCOREDUMP(s)}]" : "}]");
    }
}

/* --- structs --- */

static void show_mode(struct text *t, const char *prefix, unsigned mode)
{
    static const struct { unsigned type; const char *name; } types[] = {
        { S_IFREG, "S_IFREG" }, { S_IFDIR, "S_IFDIR" }, { S_IFCHR, "S_IFCHR" }, { S_IFBLK, "S_IFBLK" },
        { S_IFIFO, "S_IFIFO" }, { S_IFSOCK, "S_IFSOCK" }, { S_IFLNK, "S_IFLNK" },
    };
    const char *type = NULL;

    for (size_t k = 0; k < sizeof types / sizeof *types; k++)
        if ((mode & S_IFMT) == types[k].type)
            type = types[k].name;
    text_add(t, "%s_mode=", prefix);
    if (type)
        text_add(t, "%s|", type);
    text_add(t, "%s%s%s%#03o", mode & S_ISUID ? "S_ISUID|" : "", mode & S_ISGID ? "S_ISGID|" : "", mode & S_ISVTX ? "S_ISVTX|" : "", mode & 0777);
}

static void show_stat(struct text *t, unsigned mode, uint64_t size, uint64_t device)
{
    text_add(t, "{");
    show_mode(t, "st", mode);
    if (S_ISCHR(mode) || S_ISBLK(mode))
        text_add(t, ", st_rdev=makedev(%#x, %#x), ...}", gnu_dev_major(device), gnu_dev_minor(device));
    else
        text_add(t, ", st_size=%llu, ...}", (unsigned long long)size);
}

static void stat_word(struct text *t, int i, const int64_t *result)
{
    struct { uint32_t dev, ino; uint16_t mode, nlink, uid, gid; uint32_t rdev, size; } narrow;
    struct stat st;

    (void)result;
    if (shape_wide(t) && shape_fetch(t, shape_address(t, i), &st, sizeof st))
        show_stat(t, st.st_mode, (uint64_t)st.st_size, st.st_rdev);
    else if (!shape_wide(t) && shape_fetch(t, shape_address(t, i), &narrow, sizeof narrow))
        show_stat(t, narrow.mode, narrow.size, narrow.rdev);
}

/* struct stat64 of i386 */
static void stat_64(struct text *t, int i, const int64_t *result)
{
    struct __attribute__((packed)) { uint8_t before[16]; uint32_t mode, nlink, uid, gid; uint64_t rdev; uint32_t pad; uint64_t size; } st;

    (void)result;
    if (shape_fetch(t, shape_address(t, i), &st, sizeof st))
        show_stat(t, st.mode, st.size, st.rdev);
}

static void stat_x(struct text *t, int i, const int64_t *result)
{
    static const struct abi_flag attributes[] = {
        { "STATX_ATTR_COMPRESSED", 0x4, 0x4 }, { "STATX_ATTR_IMMUTABLE", 0x10, 0x10 }, { "STATX_ATTR_APPEND", 0x20, 0x20 },
        { "STATX_ATTR_NODUMP", 0x40, 0x40 }, { "STATX_ATTR_ENCRYPTED", 0x800, 0x800 }, { "STATX_ATTR_AUTOMOUNT", 0x1000, 0x1000 },
        { "STATX_ATTR_MOUNT_ROOT", 0x2000, 0x2000 }, { "STATX_ATTR_VERITY", 0x100000, 0x100000 }, { "STATX_ATTR_DAX", 0x200000, 0x200000 },
        { NULL, 0, 0 },
    };
    struct statx st;
    char mask[256];

    (void)result;
    if (!shape_fetch(t, shape_address(t, i), &st, sizeof st))
        return;
    abi_flags_text(call_row(t->call)->args[3].set, st.stx_mask, mask, sizeof mask);
    text_add(t, "{stx_mask=%s, ", mask);
    abi_flags_text(attributes, st.stx_attributes, mask, sizeof mask);
    text_add(t, "stx_attributes=%s, ", mask);
    show_mode(t, "stx", st.stx_mode);
    text_add(t, ", stx_size=%llu, ...}", (unsigned long long)st.stx_size);
}

static void show_time(struct text *t, uint64_t at, bool words, const char *fraction)
{
    uint64_t word[2];
    int64_t time[2];

    if (words ? !shape_words(t, at, word, 2) : !shape_fetch(t, at, time, sizeof time))
        return;
    for (int k = 0; k < 2 && words; k++)
        time[k] = shape_wide(t) ? (int64_t)word[k] : (int32_t)word[k];
    text_add(t, "{tv_sec=%lld, tv_%s=%lld}", (long long)time[0], fraction, (long long)time[1]);
}

static void timespec(struct text *t, int i, const int64_t *result)
{
    (void)result;
    show_time(t, shape_address(t, i), true, "nsec");
}

static void timespec_64(struct text *t, int i, const int64_t *result)
{
    (void)result;
    show_time(t, shape_address(t, i), false, "nsec");
}

static void timeval(struct text *t, int i, const int64_t *result)
{
    (void)result;
    show_time(t, shape_address(t, i), true, "usec");
}

static void show_limit(struct text *t, const char *name, uint64_t value, const char *most)
{
    if (value == UINT64_MAX)
        text_add(t, "%s=%s", name, most);
    else if (value > 1024 && value % 1024 == 0)
        text_add(t, "%s=%llu*1024", name, (unsigned long long)value / 1024);
    else
        text_add(t, "%s=%llu", name, (unsigned long long)value);
}

static void show_limits(struct text *t, const uint64_t limit[2], const char *most)
{
    text_add(t, "{");
    show_limit(t, "rlim_cur", limit[0], most);
    show_limit(t, ", rlim_max", limit[1], most);
    text_add(t, "}");
}

static void limits(struct text *t, int i, const int64_t *result)
{
    uint64_t limit[2];

    (void)result;
    if (!shape_words(t, shape_address(t, i), limit, 2))
        return;
    for (int k = 0; k < 2; k++)
        if (!shape_wide(t) && limit[k] == UINT32_MAX)
            limit[k] = UINT64_MAX;
    show_limits(t, limit, "RLIM_INFINITY");
}

static void limits_64(struct text *t, int i, const int64_t *result)
{
    uint64_t limit[2];

    (void)result;
    if (shape_fetch(t, shape_address(t, i), limit, sizeof limit))
        show_limits(t, limit, "RLIM64_INFINITY");
}

static void system_name(struct text *t, int i, const int64_t *result)
{
    struct utsname system;

    (void)result;
    if (!shape_fetch(t, shape_address(t, i), &system, sizeof system))
        return;
    text_add(t, "{sysname=");
    text_quote(t, system.sysname, strnlen(system.sysname, sizeof system.sysname), SHOWN);
    text_add(t, ", nodename=");
    text_quote(t, system.nodename, strnlen(system.nodename, sizeof system.nodename), SHOWN);
    text_add(t, ", ...}");
}

/* --- signals --- */

static void show_set_member(struct text *t, int number, bool *first)
{
    const char *text = abi_signal_name(number);

    text_add(t, *first ? "" : " ");
    *first = false;
    if (number >= 32)
        text_add(t, number == 32 ? "RTMIN" : "RT_%d", number - 32);
    else
        text_add(t, "%s", text ? text + strlen("SIG") : "?");
}

/* As strace: a set with more than two thirds of the signals is shown by those that it lacks. */
static void show_set(struct text *t, uint64_t set)
{
    bool first = true, most = __builtin_popcountll(set) > 64 * 2 / 3;

    text_add(t, most ? "~[" : "[");
    for (int number = 1; number <= 64; number++)
        if ((set >> (number - 1) & 1) != most)
            show_set_member(t, number, &first);
    text_add(t, "]");
}

static void signal_set(struct text *t, int i, const int64_t *result)
{
    uint64_t set;

    (void)result;
    if (shape_fetch(t, shape_address(t, i), &set, sizeof set))
        show_set(t, set);
}

static void show_handler(struct text *t, uint64_t handler)
{
    if (handler == 0)
        text_add(t, "SIG_DFL");
    else if (handler == 1)
        text_add(t, "SIG_IGN");
    else
        text_add(t, "%#llx", (unsigned long long)handler);
}

static void action(struct text *t, int i, const int64_t *result)
{
    static const struct abi_flag flags[] = {
        { "SA_RESTORER", 0x04000000, 0x04000000 }, { "SA_ONSTACK", 0x08000000, 0x08000000 }, { "SA_RESTART", 0x10000000, 0x10000000 },
        { "SA_INTERRUPT", 0x20000000, 0x20000000 }, { "SA_NODEFER", 0x40000000, 0x40000000 }, { "SA_RESETHAND", 0x80000000, 0x80000000 },
        { "SA_NOCLDSTOP", 1, 1 }, { "SA_NOCLDWAIT", 2, 2 }, { "SA_SIGINFO", 4, 4 }, { NULL, 0, 0 },
    };
    uint64_t part[3], set;
    char text[256];

    (void)result;
    if (!shape_words(t, shape_address(t, i), part, 3) || !shape_fetch(t, shape_address(t, i) + (shape_wide(t) ? 24 : 12), &set, sizeof set))
        return;
    abi_flags_text(flags, (uint32_t)part[1], text, sizeof text);
    text_add(t, "{sa_handler=");
    show_handler(t, part[0]);
    text_add(t, ", sa_mask=");
    show_set(t, set);
    text_add(t, ", sa_flags=%s", text);
    if (part[1] & 0x04000000)
        text_add(t, ", sa_restorer=%#llx", (unsigned long long)part[2]);
    text_add(t, "}");
}

/* --- descriptors --- */

static void show_events(struct text *t, const char *name, short events)
{
    static const struct abi_flag flags[] = {
        { "POLLIN", POLLIN, POLLIN }, { "POLLPRI", POLLPRI, POLLPRI }, { "POLLOUT", POLLOUT, POLLOUT }, { "POLLRDNORM", 0x40, 0x40 },
        { "POLLRDBAND", 0x80, 0x80 }, { "POLLWRNORM", 0x100, 0x100 }, { "POLLWRBAND", 0x200, 0x200 }, { "POLLERR", POLLERR, POLLERR },
        { "POLLHUP", POLLHUP, POLLHUP }, { "POLLNVAL", POLLNVAL, POLLNVAL }, { "POLLRDHUP", 0x2000, 0x2000 }, { NULL, 0, 0 },
    };
    char text[128];

    abi_flags_text(flags, (unsigned short)events, text, sizeof text);
    text_add(t, "%s=%s", name, text);
}

static void polls(struct text *t, int i, const int64_t *result)
{
    struct pollfd fd;
    uint64_t count = (uint64_t)text_integer(t->call, i + 1);

    (void)result;
    text_add(t, "[");
    for (uint64_t k = 0; k < count; k++) {
        if (k)
            text_add(t, ", ");
        if (k == ITEMS) {
            text_add(t, "...");
            break;
        }
        if (!shape_fetch(t, shape_address(t, i) + k * sizeof fd, &fd, sizeof fd))
            break;
        text_add(t, "{fd=%d, ", fd.fd);
        show_events(t, "events", fd.events);
        text_add(t, "}");
    }
    text_add(t, "]");
}

static void socket_address(struct text *t, int i, const int64_t *result)
{
    uint32_t length;

    (void)result;
    if (shape_address(t, i) && call_read(t->call, shape_address(t, i + 1), &length, sizeof length) == sizeof length)
        shape_sockaddr(t, shape_address(t, i), length);
    else
        shape_show_address(t, shape_address(t, i));
}

static void hexadecimal(struct text *t, int i, const int64_t *result)
{
    uint64_t value = (uint64_t)text_integer(t->call, i);

    (void)result;
    text_add(t, value ? "%#llx" : "%llu", (unsigned long long)value);
}

/* mmap2 counts in pages. */
static void page_offset(struct text *t, int i, const int64_t *result)
{
    uint64_t value = (uint64_t)text_integer(t->call, i) * 4096;

    (void)result;
    text_add(t, value ? "%#llx" : "%llu", (unsigned long long)value);
}

static void show_flags(struct text *t, const struct abi_flag *set, uint64_t value)
{
    char flags[512];

    abi_flags_text(set, value, flags, sizeof flags);
    text_add(t, "%s", flags);
}

/* As strace: what is synchronised is always said. */
static void statx_flags(struct text *t, int i, const int64_t *result)
{
    uint64_t flags = (uint64_t)text_integer(t->call, i);

    (void)result;
    if (!(flags & AT_STATX_SYNC_TYPE))
        text_add(t, flags ? "AT_STATX_SYNC_AS_STAT|" : "AT_STATX_SYNC_AS_STAT");
    if (flags)
        show_flags(t, call_row(t->call)->args[i].set, flags);
}

static void futex_op(struct text *t, int i, const int64_t *result)
{
    enum { PRIVATE = 128, REALTIME = 256 };
    uint64_t op = (uint64_t)text_integer(t->call, i);

    (void)result;
    show_flags(t, call_row(t->call)->args[i].set, op & ~(uint64_t)(PRIVATE | REALTIME));
    text_add(t, "%s%s", op & PRIVATE ? "_PRIVATE" : "", op & REALTIME ? "|FUTEX_CLOCK_REALTIME" : "");
}

/* All of clone's arguments, in strace's order: those that its flags make matter. */
static void clone_arguments(struct text *t, int i, const int64_t *result)
{
    uint64_t flags = shape_address(t, 0);
    int tls = shape_wide(t) ? 4 : 3, child = shape_wide(t) ? 3 : 4;

    (void)i, (void)result;
    text_add(t, "child_stack=");
    shape_show_address(t, shape_address(t, 1));
    text_add(t, ", flags=");
    if (flags & ~(uint64_t)0xff)
        show_flags(t, call_row(t->call)->args[0].set, flags & ~(uint64_t)0xff);
    if (flags & 0xff) {
        text_add(t, flags & ~(uint64_t)0xff ? "|" : "");
        show_signal(t, (int)(flags & 0xff));
    } else if (!flags) {
        text_add(t, "0");
    }
    const struct { uint64_t flag; const char *name; int i; } more[] = {
        { CLONE_PARENT_SETTID | CLONE_PIDFD, "parent_tid", 2 }, { CLONE_SETTLS, "tls", tls }, { CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, "child_tidptr", child },
    };
    for (size_t k = 0; k < sizeof more / sizeof *more; k++)
        if (flags & more[k].flag) {
            text_add(t, ", %s=", more[k].name);
            shape_show_address(t, shape_address(t, more[k].i));
        }
}

/* Flags of the open family where nothing is read or written: the access mode isn't said. */
static void made_flags(struct text *t, int i, const int64_t *result)
{
    uint64_t flags = (uint64_t)text_integer(t->call, i);

    (void)result;
    show_flags(t, flags & O_ACCMODE ? call_row(t->call)->args[i].set : call_row(t->call)->args[i].set + 1, flags);
}

static void protocol(struct text *t, int i, const int64_t *result)
{
    static const struct abi_flag names[] = {
        { "IPPROTO_IP", 0, ~0ull }, { "IPPROTO_ICMP", 1, ~0ull }, { "IPPROTO_TCP", 6, ~0ull }, { "IPPROTO_UDP", 17, ~0ull }, { NULL, 0, 0 },
    };
    uint64_t family = shape_address(t, 0), value = (uint64_t)text_integer(t->call, i);

    (void)result;
    if ((family == AF_INET || family == AF_INET6) && (value <= 1 || value == 6 || value == 17))
        show_flags(t, names, value);
    else
        text_add(t, "%lld", (long long)value);
}

static void fcntl_argument(struct text *t, int i, const int64_t *result)
{
    static const struct abi_flag close_on_exec[] = { { "FD_CLOEXEC", FD_CLOEXEC, FD_CLOEXEC }, { NULL, 0, 0 } };
    const struct abi_call *open = abi_find("open");
    uint64_t command = shape_address(t, 1), value = shape_address(t, i);

    (void)result;
    if (command == F_SETFD)
        show_flags(t, close_on_exec, value);
    else if (command == F_SETFL)
        show_flags(t, open->args[1].set, value);
    else if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        text_add(t, "%lld", (long long)value);
    else
        shape_show_address(t, value);
}

static void timer_value(struct text *t, int i, const int64_t *result)
{
    uint64_t at = shape_address(t, i);

    (void)result;
    if (!at) {
        text_add(t, "NULL");
        return;
    }
    text_add(t, "{it_interval=");
    show_time(t, at, true, "usec");
    text_add(t, ", it_value=");
    show_time(t, at + (shape_wide(t) ? 16 : 8), true, "usec");
    text_add(t, "}");
}

static const struct shape shapes[] = {
    { "getcwd", 0, true, shape_cwd }, { "getrandom", 0, true, shape_random }, { "getdents", 1, true, shape_entries }, { "getdents64", 1, true, shape_entries },
    { "execve", 2, false, shape_variables }, { "execveat", 3, false, shape_variables },
    { "pipe", 0, true, pair }, { "pipe2", 0, true, pair }, { "socketpair", 3, true, pair },
    { "wait4", 1, true, wait_status }, { "waitpid", 1, true, wait_status },
    { "accept", 2, true, number }, { "accept4", 2, true, number }, { "getsockname", 2, true, number }, { "getpeername", 2, true, number },
    { "recvfrom", 5, true, number }, { "getsockopt", 4, true, number }, { "_llseek", 3, true, offset },
    { "accept", 1, true, socket_address }, { "accept4", 1, true, socket_address }, { "getsockname", 1, true, socket_address },
    { "getpeername", 1, true, socket_address }, { "recvfrom", 4, true, socket_address },
    { "stat", 1, true, stat_word }, { "fstat", 1, true, stat_word }, { "lstat", 1, true, stat_word }, { "newfstatat", 2, true, stat_word },
    { "stat64", 1, true, stat_64 }, { "fstat64", 1, true, stat_64 }, { "lstat64", 1, true, stat_64 }, { "fstatat64", 2, true, stat_64 },
    { "statx", 4, true, stat_x }, { "uname", 0, true, system_name },
    { "clock_gettime", 1, true, timespec }, { "clock_getres", 1, true, timespec }, { "clock_gettime64", 1, true, timespec_64 },
    { "clock_getres_time64", 1, true, timespec_64 }, { "gettimeofday", 0, true, timeval },
    { "nanosleep", 0, false, timespec }, { "clock_nanosleep", 2, false, timespec }, { "clock_nanosleep_time64", 2, false, timespec_64 },
    { "ppoll", 2, false, timespec }, { "ppoll_time64", 2, false, timespec_64 }, { "pselect6", 4, false, timespec },
    { "pselect6_time64", 4, false, timespec_64 }, { "select", 4, false, timeval }, { "_newselect", 4, false, timeval },
    { "futex", 3, false, timespec }, { "futex_time64", 3, false, timespec_64 }, { "rt_sigtimedwait", 2, false, timespec },
    { "rt_sigtimedwait_time64", 2, false, timespec_64 },
    { "getrlimit", 1, true, limits }, { "ugetrlimit", 1, true, limits }, { "setrlimit", 1, false, limits },
    { "prlimit64", 2, false, limits_64 }, { "prlimit64", 3, true, limits_64 },
    { "rt_sigprocmask", 1, false, signal_set }, { "rt_sigprocmask", 2, true, signal_set }, { "rt_sigsuspend", 0, false, signal_set },
    { "rt_sigtimedwait", 0, false, signal_set }, { "rt_sigpending", 0, true, signal_set }, { "ppoll", 3, false, signal_set },
    { "rt_sigaction", 1, false, action }, { "rt_sigaction", 2, true, action },
    { "poll", 0, false, polls }, { "ppoll", 0, false, polls }, { "ppoll_time64", 0, false, polls },
    { "mmap", 5, false, hexadecimal }, { "mmap2", 5, false, page_offset }, { "pipe2", 1, false, made_flags }, { "dup3", 2, false, made_flags }, { "socket", 2, false, protocol },
    { "fcntl", 2, false, fcntl_argument }, { "fcntl64", 2, false, fcntl_argument }, { "setitimer", 1, false, timer_value },
    { "setitimer", 2, true, timer_value }, { "getitimer", 1, true, timer_value }, { "clone", 0, false, clone_arguments }, { "statx", 2, false, statx_flags },
    { "futex", 1, false, futex_op }, { "futex_time64", 1, false, futex_op }, { "rseq", 1, false, hexadecimal },
};

/* What the type alone tells. */
static const struct shape types[] = {    /* by enum abi_type */
    [ABI_BUF_IN] = { NULL, 0, false, shape_buffer_in }, [ABI_BUF_OUT] = { NULL, 0, true, shape_buffer_out }, [ABI_STRING] = { NULL, 0, false, shape_name },
    [ABI_STRINGS] = { NULL, 0, false, shape_strings }, [ABI_IOV_IN] = { NULL, 0, false, shape_vector_in }, [ABI_IOV_OUT] = { NULL, 0, true, shape_vector_out },
    [ABI_MSG_IN] = { NULL, 0, false, shape_message_in }, [ABI_MSG_OUT] = { NULL, 0, true, shape_message_out },
};

static const struct shape *shape_find(const struct abi_call *row, int i)
{
    static const struct shape none;
    static const struct shape *known[1024][6];
    const struct shape **shape = &known[abi_index(row) % 1024][i];

    for (size_t k = 0; !*shape && k < sizeof shapes / sizeof *shapes; k++)
        if (shapes[k].i == i && strcmp(shapes[k].call, row->name) == 0)
            *shape = &shapes[k];
    if (!*shape && (size_t)row->args[i].type < sizeof types / sizeof *types && types[row->args[i].type].show)
        *shape = &types[row->args[i].type];
    if (!*shape)
        *shape = &none;
    return *shape;
}

bool shapes_late(const struct abi_call *row, int i)
{
    return shape_find(row, i)->late;
}

void shapes_before(struct text *t, int i)
{
    const struct abi_arg *args = call_row(t->call)->args;

    if (shape_find(call_row(t->call), i)->show == number && i > 0 && args[i - 1].type == ABI_ADDR_OUT)
        number(t, i, NULL);
    else
        shape_show_address(t, shape_address(t, i));
}

/* An offset of 64 bits in two arguments is shown as one, in the place of its lower half; _llseek's lower half comes second. */
static bool shape_half(const struct abi_call *row, int i)
{
    const char *end = row->args[i].type == ABI_OFFSET || row->args[i].type == ABI_ULONG ? strstr(row->args[i].name, "_high") : NULL;

    return end && strcmp(end, "_high") == 0;
}

static bool shape_double(const struct abi_call *row, int i)
{
    if (strcmp(row->args[i].name, "offset_low") == 0)
        return true;
    return i < 5 && row->args[i].type == ABI_OFFSET && row->args[i + 1].type != ABI_NONE && shape_half(row, i + 1);
}

static void show_double(struct text *t, int i)
{
    int high = strcmp(call_row(t->call)->args[i].name, "offset_low") == 0 ? i - 1 : i + 1;
    uint64_t value = shape_address(t, i);

    if (!shape_wide(t))
        value = shape_address(t, high) << 32 | (uint32_t)value;
    text_add(t, "%lld", (long long)value);
}

static bool is_path(enum abi_type type)
{
    return type >= ABI_PATH && type <= ABI_PATH_OPEN;
}

void shapes_argument(struct text *t, int i, const int64_t *result)
{
    const struct abi_arg *arg = &call_row(t->call)->args[i];
    const struct shape *shape = shape_find(call_row(t->call), i);
    const char *path;

    if (shape_half(call_row(t->call), i))
        return;
    if (shape_double(call_row(t->call), i))
        show_double(t, i);
    else if (arg->type == ABI_ADDR_IN && !shape_address(t, i))
        text_add(t, "NULL");
    else if (is_path(arg->type) && call_rawpath(t->call, i, &path) != 0)
        shape_string(t, shape_address(t, i), PATHS);    /* the kernel will refuse it, or it is a descriptor's */
    else if (shape->show && (!shape->late || (result && *result >= 0)))
        shape->show(t, i, result);
    else if (shape->show || arg->type == ABI_STRUCT_IN || arg->type == ABI_MMSG_IN)
        shape_show_address(t, shape_address(t, i));
    else
        text_one(t, i);
}

bool shapes_ends(const struct call *call, int i)
{
    enum { COMMAND = 0x7f, WAIT = 0, WAKE = 1 };
    const char *name = call_row(call)->name;
    uint64_t second = call_arg(call, 1);

    if (text_ends(call, i))
        return true;
    if (strncmp(name, "futex", 5) == 0 && (name[5] == '\0' || name[5] == '_') && strcmp(call_row(call)->args[1].name, "op") == 0)
        return ((second & COMMAND) == WAKE && i >= 3) || ((second & COMMAND) == WAIT && i >= 4);
    if (strcmp(name, "clone") == 0)
        return i >= 1;
    if (strncmp(name, "fcntl", 5) == 0)
        return i >= 2 && (second == F_GETFD || second == F_GETFL || second == F_GETOWN || second == F_GETSIG || second == F_GETPIPE_SZ);
    return false;
}

void shapes_call(struct text *t)
{
    const char *comma = "";

    text_add(t, "%s(", call_row(t->call)->name);
    for (int i = 0; i < 6 && !shapes_ends(t->call, i); i++) {
        if (shape_half(call_row(t->call), i))
            continue;
        text_add(t, "%s", comma);
        comma = ", ";
        shapes_argument(t, i, NULL);
    }
    text_add(t, ")");
}

static void show_flags_result(struct text *t, uint64_t flags, bool of_file)
{
    text_add(t, flags ? "%#llx (flags " : "0", (unsigned long long)flags);
    if (!flags && !of_file)
        return;
    if (!flags)
        text_add(t, " (flags ");
    if (of_file)
        show_flags(t, abi_find("open")->args[1].set, flags);
    else
        text_add(t, flags == FD_CLOEXEC ? "FD_CLOEXEC" : "%#llx", (unsigned long long)flags);
    text_add(t, ")");
}

/* The descriptors of poll that something happened to. */
static void show_ready(struct text *t, int64_t result)
{
    struct pollfd fd;
    uint64_t count = (uint64_t)text_integer(t->call, 1);
    const char *before = " ([";

    if (result == 0)
        text_add(t, " (Timeout)");
    for (uint64_t k = 0; result > 0 && k < count && k < ITEMS; k++) {
        if (call_read(t->call, shape_address(t, 0) + k * sizeof fd, &fd, sizeof fd) != sizeof fd || !fd.revents)
            continue;
        text_add(t, "%s{fd=%d, ", before, fd.fd);
        show_events(t, "revents", fd.revents);
        text_add(t, "}");
        before = ", ";
    }
    if (*before == ',')
        text_add(t, "])");
}

void shapes_result(struct text *t, int64_t result)
{
    const char *error = result < 0 && result > -4096 ? abi_errno_name((int)-result) : NULL;
    const char *row = call_row(t->call)->name;
    static const char *const addresses[] = { "mmap", "mmap2", "brk", "mremap", "shmat" };

    if (error) {
        text_add(t, "-1 %s (%s)", error, strerror((int)-result));
        return;
    }
    for (size_t k = 0; k < sizeof addresses / sizeof *addresses; k++)
        if (strcmp(addresses[k], row) == 0) {
            text_add(t, "%#llx", shape_wide(t) ? (unsigned long long)result : (unsigned long long)(uint32_t)result);
            return;
        }
    if (strcmp(row, "umask") == 0) {
        text_add(t, "%#03llo", (unsigned long long)result);
    } else if (strncmp(row, "fcntl", 5) == 0 && (call_arg(t->call, 1) == F_GETFL || call_arg(t->call, 1) == F_GETFD)) {
        show_flags_result(t, (uint64_t)result, call_arg(t->call, 1) == F_GETFL);
    } else {
        text_add(t, "%lld", (long long)result);
        if (strcmp(row, "poll") == 0 || strncmp(row, "ppoll", 5) == 0)
            show_ready(t, result);
    }
}
