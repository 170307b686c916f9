/*
 * alone: see alone.h. A sandbox with nothing in it but one process, which is not confined.
 *
 * Runs in the command line (why, test) and in unit tests, before or without a sandbox. Believes its caller, who made up the call; what the call
 * points to is read by the kernel, as of any process. Test: t/10-unit-written.t, t/67-live-why.t.
 */
#include "core/helper/alone.h"

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

int alone_new(struct alone **out, const struct judge *judge, pid_t pid)
{
    static const struct judge nobody = { .constant = alone_constant, .watches = alone_watches };
    struct alone *alone = calloc(1, sizeof *alone);
    char link[64];
    ssize_t n;

    if (!alone)
        return -ENOMEM;
    snprintf(link, sizeof link, "/proc/%d/exe", pid);
    n = readlink(link, alone->exe, sizeof alone->exe - 1);
    if (n < 0) {
        n = -errno;
        free(alone);
        return (int)n;
    }
    alone->exe[n] = '\0';
    alone->program.exe = alone->exe;
    alone->process = (struct process){ .sandbox = &alone->sandbox, .program = &alone->program, .pid = pid, .phase = PHASE_RUN, .cwd = -1 };
    route_compute(&alone->sandbox.routes, judge ? judge : &nobody);
    *out = alone;
    return 0;
}

void alone_free(struct alone *alone)
{
    if (alone)
        guard_moved(&alone->process);
    free(alone);
}

const char *alone_exe(const struct alone *alone)
{
    return alone->exe;
}

int alone_call(struct alone *alone, struct call **out, enum abi_arch arch, const struct abi_call *row, const uint64_t args[6])
{
    int error;

    guard_moved(&alone->process);    /* it may have changed its directory since the last call */
    alone->process.arch = arch;
    *out = call_new(&alone->process, FROM_NOTIFICATION, alone->process.pid, arch, (uint64_t)abi_number(arch, row), args);
    error = call_fetch(*out);
    if (error)
        call_free(*out);
    return error;
}

void alone_end(struct call *call)
{
    call_free(call);
}

const struct route_entry *alone_route(const struct alone *alone, enum abi_arch arch, const struct abi_call *row)
{
    return route_entry(&alone->sandbox.routes, arch, (uint64_t)abi_number(arch, row));
}
