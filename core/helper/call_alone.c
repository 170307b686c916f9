/*
 * call_alone: a call that nobody made, of a process that is not in a sandbox: what unit tests put before a judge.
 *
 * Runs in a test's process. The call is a real one in every respect but that nothing will be executed: memory, paths and
 * descriptors are those of the process.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/helper/call_private.h"

struct alone {
    struct sandbox sandbox;
    struct program program;
    struct process process;
    char exe[PATH_MAX];
};

static bool alone_constant(void *self, enum abi_arch arch, const struct abi_call *row, struct verdict *out)
{
    (void)self, (void)arch, (void)row, (void)out;
    return false;
}

static bool alone_watches(void *self, const struct abi_call *row)
{
    (void)self, (void)row;
    return false;
}

int call_for_test(struct call **out, enum abi_arch arch, const struct abi_call *row, const uint64_t args[6], pid_t pid)
{
    static struct alone *alone;    /* one process at a time */
    static const struct judge judge = { .constant = alone_constant, .watches = alone_watches };
    struct process *process;
    ssize_t n;
    char link[64];

    if (!alone) {
        alone = calloc(1, sizeof *alone);
        if (!alone)
            return -ENOMEM;
        route_compute(&alone->sandbox.routes, &judge);
    }
    snprintf(link, sizeof link, "/proc/%d/exe", pid);
    n = readlink(link, alone->exe, sizeof alone->exe - 1);
    if (n < 0)
        return -errno;
    alone->exe[n] = '\0';
    alone->program.exe = alone->exe;
    process = &alone->process;
    if (process->pid && process->cwd >= 0)
        close(process->cwd);
    *process = (struct process){ .sandbox = &alone->sandbox, .program = &alone->program, .pid = pid, .arch = arch, .phase = PHASE_RUN, .cwd = -1 };
    *out = call_new(process, FROM_NOTIFICATION, pid, arch, (uint64_t)abi_number(arch, row), args);
    n = call_fetch(*out);
    if (n < 0)
        call_free(*out);
    return (int)n;
}

void call_end_test(struct call *call)
{
    call_free(call);
}
