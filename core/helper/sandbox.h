/*
 * sandbox: the helper's own picture of what it guards; only files of core/helper see it.
 *
 * Runs in the helper. One sandbox has processes; a process has threads and lives in a space (an address space with the windows in it, shared
 * after vfork); a space has slots; a slot has a thread, a trustee, or both, and at most one order at work. Who makes and ends them: tree.c.
 */
#ifndef NURSE_HELPER_SANDBOX_H
#define NURSE_HELPER_SANDBOX_H

#include <sys/resource.h>

#include "core/helper/run.h"
#include "core/mailbox/mailbox.h"
#include "core/route/bpf.h"
#include "core/route/keystone.h"
#include "core/route/route.h"

struct birth;
struct call;
struct exec;

/* How far a process has come, and so how much it is believed. */
enum phase {
    PHASE_BOOT,     /* only the stub's own code has run: its calls go on unasked */
    PHASE_LOAD,     /* locked down; the loader may do what a loader does */
    PHASE_RUN,      /* the program runs: the policy decides */
};

struct slot {
    struct space *space;
    struct process *process;    /* whose trustee and thread; NULL: free */
    struct thread *thread;      /* whose gate posts here; NULL: a trustee without a thread, or a place that a birth needs */
    int i;
    pid_t trustee;              /* 0: none (yet) */
    bool coming;                /* it has been ordered */
    uint32_t seq;               /* of the order given last */
    bool working;               /* no evidence yet that it is done */
    bool high;                  /* the trustee was asked for the upper part of a result */
    int64_t low;                /* the part that came first */
    bool unread;                /* a gate was told to wait for the cell, and may not have looked yet: */
    int64_t result;             /* for this */
    bool queued;                /* a gate's call waits for the trustee: its window is not looked at until then */
    bool rings;                 /* its trustee will wake the helper when it is done */
    bool watched;               /* its gate may post: the helper looks */
    struct call *call;          /* whose order it is */
    struct call *first, *last;  /* calls that wait for this trustee */
    struct slot *next_working;
};

/* Code of a space that is not as the file has it, for the moment of a birth. */
enum { PATCH_MAX = 16, SPACE_PATCHES = 16 };
struct patch {
    uint64_t at;
    int users;
    unsigned set;               /* the how manieth of its space; 0: never */
    uint8_t original[PATCH_MAX];
};

/* Trampolines of redirected sites; forked processes share them. */
struct trampolines {
    int users;
    uint8_t *view;              /* the helper's */
    uint64_t offset;            /* in the sandbox's gate_fd */
    size_t used;
};

/* A filter that children install, made once for a program and its forks. */
struct born_filter {
    int users;
    int count;
    struct sock_filter code[];
};

struct space {
    int users;                  /* processes, and births under way */
    struct mailbox mailbox;
    struct slot slot[MAILBOX_SLOTS];
    struct keystone keystone;
    struct trampolines *trampolines;    /* NULL: none */
    uint64_t trampolines_at;    /* where the process has them */
    struct born_filter *born_filter;    /* NULL: not made yet */
    int memory;                 /* /proc/PID/mem; -1 */
    struct patch patch[SPACE_PATCHES];    /* those in place, and the latest that were */
    unsigned patches_set;       /* so far */
};

struct thread {
    struct thread *next;        /* in the table */
    struct process *process;
    pid_t tid;
    struct slot *slot;          /* NULL: none of its own (yet) */
    bool exiting;
    struct birth *birth;        /* it has been sent into the catch */
    uint64_t rseq[3];           /* address, length, signature of its rseq(2); 0: none */
};

struct process {
    struct process *next;       /* in the table */
    struct sandbox *sandbox;
    struct process *parent;     /* in the sandbox's tree; NULL: the first, or an orphan */
    pid_t pid;
    int pidfd;
    enum abi_arch arch;
    enum phase phase;
    struct space *space;
    struct program *program;    /* what it runs; shared by forks */
    bool threaded;              /* more than one thread has existed: code is not redirected any more */
    bool strict;                /* --seccomp=strict: no filter, the gate is the only door */
    int bell_fd;                /* strict: the descriptor in the program that is nurse's */
    uint64_t entry;             /* strict: the program's entry, for the stub when the libraries are loaded */
    bool started;               /* its first program runs */
    bool opened;                /* the loader has got the program; what it opens next is the interpreter */
    bool shares_cwd;            /* with another process (CLONE_FS): its working directory can't be remembered */
    int cwd;                    /* O_PATH descriptor of its working directory, -1: to be asked again */
    int trustees;               /* that live */
    struct slot *spare;         /* a trustee that does nothing but make others; NULL as long as there is one thread */
    struct exec *exec;          /* under way */
    pid_t creator;              /* the thread that forked it; 0: it has ended */
    int deathsig;               /* prctl(PR_SET_PDEATHSIG) of its main thread, which is the end of its creator; exec keeps it */
    int64_t cpu_seen;           /* nanoseconds of CPU time that it and the children it has waited for had used when somebody asked */
    int64_t cpu_waited;         /* of those children, what had been seen of them before they ended */
};

enum { TREE_BUCKETS = 256, WATCHED_MAX = 8 };

struct sandbox {
    const struct run_options *options;
    const struct judge *judge;
    struct program *program;
    struct route_table routes;
    uint64_t base[ABI_ARCHES];  /* of the keep, for either class */
    int image_fd[ABI_ARCHES];   /* the stub, a sealed memfd; -1: not made yet */
    int gate_fd;                /* memory of all trampolines */
    uint8_t *gates;
    int listener;               /* seccomp notifications */
    int ends;                   /* epoll: pidfds of all processes */
    int signals;                /* signalfd */
    struct rlimit limit;        /* of descriptors, as nurse found it: the helper itself takes what it can get */
    uint32_t xsave;             /* see struct board */
    bool has_fsgsbase;          /* x86_64: a thread can read its fs base: gates and births need it */
    bool executes;              /* programs, since the loop looked last */
    bool may_spin;              /* more than one CPU, and gates in use */
    bool killed;                /* by the policy */
    int said;                   /* exit status that a message has explained; 0 none */
    pid_t first;                /* the process that nurse was asked to run */
    int process_count;
    struct process *process[TREE_BUCKETS];    /* by pid */
    struct thread *thread[TREE_BUCKETS];      /* by tid */
    struct slot *watched[WATCHED_MAX];        /* slots that the helper looks at, the latest first */
    struct slot *working;       /* slots whose trustee is at work */
};

#endif
