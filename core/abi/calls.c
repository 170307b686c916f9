/*
 * calls: the rows of calls.def as tables, with the numbers that libseccomp knows for them.
 *
 * Pure data and look-ups; runs in the helper and in the command line, single-threaded (numbers are
 * cached at first use). Believes libseccomp for numbers; a number without a row stays unknown.
 * Proved by unit-abi: every number that libseccomp knows has a row, and rows have the right shapes.
 */
#include <linux/net.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "core/abi/abi.h"
#include "core/abi/flags.h"
#include "core/abi/groups.h"

/* The words of calls.def. */
enum {
#define GROUP(id, name, about) id = 1u << ABI_GROUP_##id,
    ABI_GROUPS(GROUP)
#undef GROUP
};

/* Bytes of what a STRUCT_IN points at, on x86_64 and on i386; its shape, where policies see it. */
#define BYTES_cachestat_range 16, 16, ABI_BLOB
#define BYTES_epoll_event     12, 12, ABI_BLOB
#define BYTES_itimerspec      32, 16, ABI_BLOB
#define BYTES_itimerspec64    32, 32, ABI_BLOB
#define BYTES_itimerval       32, 16, ABI_BLOB
#define BYTES_mq_attr         64, 32, ABI_BLOB
#define BYTES_old_sigaction    0, 16, ABI_BLOB
#define BYTES_old_sigset       0,  4, ABI_BLOB
#define BYTES_rlimit          16,  8, ABI_BLOB
#define BYTES_rlimit64        16, 16, ABI_BLOB
#define BYTES_sched_param      4,  4, ABI_BLOB
#define BYTES_sigaction       32, 20, ABI_BLOB
#define BYTES_sigevent        64, 64, ABI_BLOB
#define BYTES_siginfo        128, 128, ABI_BLOB
#define BYTES_sigset           8,  8, ABI_BLOB
#define BYTES_sigstack        24, 12, ABI_BLOB
#define BYTES_time             0,  4, ABI_BLOB
#define BYTES_timespec        16,  8, ABI_TIMESPEC
#define BYTES_timespec64      16, 16, ABI_TIMESPEC64
#define BYTES_timespecs       32, 16, ABI_BLOB
#define BYTES_timespecs64     32, 32, ABI_BLOB
#define BYTES_timeval         16,  8, ABI_TIMEVAL
#define BYTES_timevals        32, 16, ABI_BLOB
#define BYTES_timezone         8,  8, ABI_BLOB
#define BYTES_utimbuf         16,  8, ABI_BLOB

#define ARG(name, type)        { #name, ABI_##type, NULL, 0, 0, ABI_BLOB }
#define ADDR_IN(name)          ARG(name, ADDR_IN)
#define ADDR_OUT(name)         ARG(name, ADDR_OUT)
#define BUF_IN(name)           ARG(name, BUF_IN)
#define BUF_OUT(name)          ARG(name, BUF_OUT)
#define CLOCK(name)            { #name, ABI_CLOCK, abi_flags_clock, 0, 0, ABI_BLOB }
#define DIRFD(name)            ARG(name, DIRFD)
#define FD(name)               ARG(name, FD)
#define FLAGS(name, set)       { #name, ABI_FLAGS, abi_flags_##set, 0, 0, ABI_BLOB }
#define GID(name)              ARG(name, GID)
#define INT(name)              ARG(name, INT)
#define IOV_IN(name)           ARG(name, IOV_IN)
#define IOV_OUT(name)          ARG(name, IOV_OUT)
#define LONG(name)             ARG(name, LONG)
#define MMSG_IN(name)          ARG(name, MMSG_IN)
#define MODE(name)             ARG(name, MODE)
#define MSG_IN(name)           ARG(name, MSG_IN)
#define MSG_OUT(name)          ARG(name, MSG_OUT)
#define OFFSET(name)           ARG(name, OFFSET)
#define OPEN_HOW(name)         ARG(name, OPEN_HOW)
#define PATH(name)             ARG(name, PATH)
#define PATH_AT(name)          ARG(name, PATH_AT)
#define PATH_LINK(name)        ARG(name, PATH_LINK)
#define PATH_NAME(name)        ARG(name, PATH_NAME)
#define PATH_OPEN(name)        ARG(name, PATH_OPEN)
#define PID(name)              ARG(name, PID)
#define POINTER(name)          ARG(name, POINTER)
#define SIGNAL(name)           ARG(name, SIGNAL)
#define SIZE(name)             ARG(name, SIZE)
#define STRING(name)           ARG(name, STRING)
#define STRINGS(name)          ARG(name, STRINGS)
#define STRUCT_IN(name, bytes) { #name, ABI_STRUCT_IN, NULL, BYTES_##bytes }
#define STRUCT_OUT(name)       ARG(name, STRUCT_OUT)
#define UID(name)              ARG(name, UID)
#define UINT(name)             ARG(name, UINT)
#define ULONG(name)            ARG(name, ULONG)

#define ROW(name, where, groups, ...) { #name, ABI_##where, (groups), INDEX_##name, { __VA_ARGS__ } },
#define NO_ROW(...)

enum {
#define CALL(name, ...) INDEX_##name,
#define CALL32 NO_ROW
#include "core/abi/calls.def"
#undef CALL
#undef CALL32
    ROWS
};

static const struct abi_call rows[] = {
#define CALL   ROW
#define CALL32 NO_ROW
#include "core/abi/calls.def"
#undef CALL
#undef CALL32
};

/* Rows that replace the one of the same name on i386. */
static const struct abi_call rows_i386[] = {
#define CALL   NO_ROW
#define CALL32 ROW
#include "core/abi/calls.def"
#undef CALL
#undef CALL32
};

enum {
    ROWS_I386 = sizeof rows_i386 / sizeof rows_i386[0],
    NUMBERS = 1024,    /* call numbers at or above this are unknown; today's highest is below 480 */
};

static struct {
    bool ready;
    int limit[ABI_ARCHES];
    int number[ABI_ARCHES][ROWS];
    const struct abi_call *row[ABI_ARCHES][NUMBERS];
} cache;

/* Asked by number, since by name libseccomp answers with numbers of its own for what i386 programs can also reach through socketcall or ipc. */
static void cache_number(enum abi_arch arch, int nr)
{
    char *name = seccomp_syscall_resolve_num_arch(arch == ABI_X86_64 ? SCMP_ARCH_X86_64 : SCMP_ARCH_X86, nr);
    const struct abi_call *row = name ? abi_find(name) : NULL;

    free(name);
    if (!row)
        return;
    cache.number[arch][row->index] = nr;
    cache.row[arch][nr] = row;
    cache.limit[arch] = nr + 1;
}

static void cache_fill(void)
{
    if (cache.ready)
        return;
    cache.ready = true;
    memset(cache.number, -1, sizeof cache.number);
    for (int arch = 0; arch < ABI_ARCHES; arch++)
        for (int nr = 0; nr < NUMBERS; nr++)
            cache_number(arch, nr);
    for (size_t i = 0; i < ROWS_I386; i++) {
        const int nr = cache.number[ABI_I386][rows_i386[i].index];
        if (nr >= 0)
            cache.row[ABI_I386][nr] = &rows_i386[i];
    }
}

const struct abi_call *abi_call(enum abi_arch arch, int nr)
{
    cache_fill();
    return nr >= 0 && nr < cache.limit[arch] ? cache.row[arch][nr] : NULL;
}

const struct abi_call *abi_find(const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

size_t abi_index(const struct abi_call *call)
{
    return call->index;
}

int abi_number(enum abi_arch arch, const struct abi_call *call)
{
    cache_fill();
    return cache.number[arch][abi_index(call)];
}

const struct abi_call *abi_row(size_t i)
{
    return i < ROWS ? &rows[i] : NULL;
}

int abi_limit(enum abi_arch arch)
{
    cache_fill();
    return cache.limit[arch];
}

const struct abi_call *abi_socketcall(uint32_t first, int *words)
{
    static const struct { const char *name; int words; } calls[] = {
        [SYS_SOCKET] = { "socket", 3 },           [SYS_BIND] = { "bind", 3 },
        [SYS_CONNECT] = { "connect", 3 },         [SYS_LISTEN] = { "listen", 2 },
        [SYS_ACCEPT] = { "accept4", 3 },          [SYS_GETSOCKNAME] = { "getsockname", 3 },
        [SYS_GETPEERNAME] = { "getpeername", 3 }, [SYS_SOCKETPAIR] = { "socketpair", 4 },
        [SYS_SEND] = { "sendto", 4 },             [SYS_RECV] = { "recvfrom", 4 },
        [SYS_SENDTO] = { "sendto", 6 },           [SYS_RECVFROM] = { "recvfrom", 6 },
        [SYS_SHUTDOWN] = { "shutdown", 2 },       [SYS_SETSOCKOPT] = { "setsockopt", 5 },
        [SYS_GETSOCKOPT] = { "getsockopt", 5 },   [SYS_SENDMSG] = { "sendmsg", 3 },
        [SYS_RECVMSG] = { "recvmsg", 3 },         [SYS_ACCEPT4] = { "accept4", 4 },
        [SYS_RECVMMSG] = { "recvmmsg", 5 },       [SYS_SENDMMSG] = { "sendmmsg", 4 },
    };

    if (first >= sizeof calls / sizeof calls[0] || !calls[first].name)
        return NULL;
    *words = calls[first].words;
    return abi_find(calls[first].name);
}

const struct abi_call *abi_ipc(uint32_t first, const uint8_t **from)
{
    enum { FIRST = 1, SECOND, THIRD, PTR, FIFTH, PTR_0 = ABI_IPC_AT_PTR, PTR_1 };    /* arguments of ipc(2) */
    static const struct { uint32_t number; const char *name; uint8_t from[6]; } calls[] = {
        {  1, "semtimedop_time64", { FIRST, PTR, SECOND } },    /* semop: no timeout; it has no number of its own */
        {  2, "semget",     { FIRST, SECOND, THIRD } },
        {  3, "semctl",     { FIRST, SECOND, THIRD, PTR_0 } },
        {  4, "semtimedop", { FIRST, PTR, SECOND, FIFTH } },
        { 11, "msgsnd",     { FIRST, PTR, SECOND, THIRD } },
        { 12, "msgrcv",     { FIRST, PTR_0, SECOND, PTR_1, THIRD } },
        { 13, "msgget",     { FIRST, SECOND } },
        { 14, "msgctl",     { FIRST, SECOND, PTR } },
        { 21, "shmat",      { FIRST, PTR, SECOND } },
        { 22, "shmdt",      { PTR } },
        { 23, "shmget",     { FIRST, SECOND, THIRD } },
        { 24, "shmctl",     { FIRST, SECOND, PTR } },
        { 12 | 1u << 16, "msgrcv", { FIRST, PTR, SECOND, FIFTH, THIRD } },
    };
    const uint32_t number = first & 0xffff, version = first >> 16;
    /* Only msgrcv has a second form, for every version but 0; shmat of version 1 is an error. */
    const uint32_t wanted = number == 12 && version ? (12 | 1u << 16) : number;

    if (number == 21 && version == 1)
        return NULL;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i].number == wanted) {
            *from = calls[i].from;
            return abi_find(calls[i].name);
        }
    return NULL;
}
