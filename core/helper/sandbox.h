/*
 * sandbox: the helper's own picture of what it guards; only files of core/helper see it.
 *
 * Runs in the helper. One sandbox has processes, a process has slots (a thread and its trustee), a slot has at most one order at work.
 */
#ifndef NURSE_HELPER_SANDBOX_H
#define NURSE_HELPER_SANDBOX_H

#include "core/helper/run.h"
#include "core/mailbox/mailbox.h"
#include "core/route/keystone.h"
#include "core/route/route.h"

struct call;

/* How far a process has come, and so how much it is believed. */
enum phase {
    PHASE_BOOT,     /* only the stub's own code has run: its calls go on unasked */
    PHASE_LOAD,     /* locked down; the loader may do what a loader does */
    PHASE_RUN,      /* the program runs: the policy decides */
};

struct slot {
    struct process *process;
    int i;
    pid_t trustee;
    uint32_t seq;               /* of the order given last */
    bool working;               /* no evidence yet that it is done */
    bool high;                  /* the trustee was asked for the upper part of a watched result */
    int64_t low;                /* the part that came first */
    bool queued;                /* a gate's call waits for the trustee: its window is not looked at until then */
    struct call *call;          /* whose order it is */
    struct call *first, *last;  /* calls that wait for this trustee */
};

struct process {
    struct sandbox *sandbox;
    pid_t pid;
    enum abi_arch arch;
    enum phase phase;
    bool threaded;              /* more than one thread has existed: code is not redirected any more */
    bool strict;                /* --seccomp=strict: no filter, the gate is the only door */
    int bell_fd;                /* strict: the descriptor in the program that is nurse's */
    uint64_t entry;             /* strict: the program's entry, for the stub when the libraries are loaded */
    bool opened;                /* the loader has got the program; what it opens next is the interpreter */
    struct mailbox mailbox;
    struct keystone keystone;
    struct slot slot;           /* the first thread's; siblings share its trustee */
    int cwd;                    /* O_PATH descriptor of its working directory, -1: to be asked again */
    int memory;                 /* /proc/PID/mem, for redirecting sites; -1 */
    int image_fd, gate_fd;      /* for the stub; closed when it has booted, since the table is shared until its exec */
    uint8_t *trampolines;       /* the helper's view */
    uint64_t trampolines_at;    /* the process's view */
    size_t trampolines_used;
};

struct sandbox {
    const struct run_options *options;
    const struct judge *judge;
    struct program *program;
    struct route_table routes;
    uint64_t base[ABI_ARCHES];  /* of the keep, for either class */
    int listener;               /* seccomp notifications */
    int pidfd;                  /* of the first process */
    int signals;                /* signalfd */
    bool may_spin;              /* more than one CPU, and gates in use */
    bool killed;                /* by the policy */
    int said;                   /* exit status that a message has explained; 0 none */
    struct process process;
};

#endif
