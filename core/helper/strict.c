/*
 * strict: what the helper does differently under --seccomp=strict, the ancestor's mode.
 *
 * Runs in the helper. The untrustee has read, write, exit and sigreturn and nothing else, so a call that belongs to the thread itself
 * can't be sent back to it. Where the trustee's answer would be the same, the trustee stands in; where it would change the trustee instead of the
 * program's thread (signal masks, prctl, robust lists), the call does not exist. Test: t/34-live-strict.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/helper/call_private.h"
#include "core/helper/memory.h"

/* Calls whose effect or answer is the same from any thread of the process. */
static const char *const shared[] = {
    "exit_group", "futex", "futex_time64", "kill", "tkill", "tgkill", "sched_yield", "getcpu", "sched_getaffinity",
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "gettimeofday", "time",
    "getuid", "getuid32", "geteuid", "geteuid32", "getgid", "getgid32", "getegid", "getegid32", "getresuid", "getresuid32", "getresgid",
    "getresgid32", "getgroups", "getgroups32", "capget",
};

/* prctl: the name of the thread can be told and set from outside; nothing else of it can. */
static int64_t strict_prctl(struct call *call)
{
    char name[16] = "", path[64];
    ssize_t length;
    int fd;

    if (call->args[0] != PR_GET_NAME && call->args[0] != PR_SET_NAME)
        return -ENOSYS;
    if (call->args[0] == PR_GET_NAME) {
        snprintf(name, sizeof name, "%s", call_comm(call));
        return call_write(call, call->args[1], name, sizeof name) == sizeof name ? 0 : -EFAULT;
    }
    length = memory_string(call->tid, call->args[1], name, sizeof name);
    if (length == -EFAULT)
        return -EFAULT;
    snprintf(path, sizeof path, "/proc/%d/comm", call->process->pid);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    length = write(fd, name, strnlen(name, sizeof name - 1));
    close(fd);
    return length < 0 ? -EINVAL : 0;
}

int strict_stand_in(struct call *call, int64_t *value)
{
    if (strcmp(call->row->name, "prctl") == 0) {
        *value = strict_prctl(call);
        return 1;
    }
    if (strcmp(call->row->name, "gettid") == 0) {
        *value = call->tid;
        return 1;
    }
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (strcmp(shared[i], call->row->name) == 0)
            return 0;
    *value = -ENOSYS;
    return 1;
}

bool strict_reserved(const struct call *call)
{
    uint64_t bell = (uint64_t)call->process->bell_fd;

    if (strcmp(call->row->name, "close_range") == 0)
        return call->args[0] <= bell && call->args[1] >= bell;
    for (int i = 0; i < 6 && call->row->args[i].name; i++)
        if ((call->row->args[i].type == ABI_FD || call->row->args[i].type == ABI_DIRFD) && call->args[i] == bell)
            return true;
    return false;
}
