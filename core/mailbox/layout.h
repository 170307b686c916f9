/*
 * layout: the shared memory between helper and sandbox, described once, for both classes of program.
 *
 * Who may write which page (one slot = one order window + one request window):
 *
 *     order window    helper: read, write     sandbox: read only, for ever (memfd sealed with F_SEAL_FUTURE_WRITE)
 *     request window  helper: read, write     sandbox: read, write
 *
 * What the helper reads from a request window is believed as little as a program's argument: it is copied once, and the copy is
 * judged. What the trustee reads from the order window can't be changed by anybody but the helper. Assembly sees this file through
 * offsets.c; nothing types an offset by hand. All fields have a fixed width and are the same for 32 and 64 bit.
 */
#ifndef NURSE_MAILBOX_LAYOUT_H
#define NURSE_MAILBOX_LAYOUT_H

#include <assert.h>
#include <stdint.h>

enum {
    MAILBOX_SLOTS = 64,                 /* threads of one process */
    MAILBOX_REQUEST_SPAN = 0x1000,      /* one request window */
    MAILBOX_ORDER_SPAN = 0x10000,       /* one order window: a page of fields, then the bytes of a call */
    MAILBOX_BYTES = 0x1000,             /* where those bytes begin */
    MAILBOX_ROUTES = 1024,              /* call numbers that the route bitmap covers */

    /* The keep: the part of the address space that belongs to nurse, from the sandbox's random base on. */
    KEEP_STUB = 0,
    KEEP_REQUEST = 0x40000,
    KEEP_ORDER = KEEP_REQUEST + MAILBOX_SLOTS * MAILBOX_REQUEST_SPAN,
    KEEP_SPAN = KEEP_ORDER + MAILBOX_SLOTS * MAILBOX_ORDER_SPAN,

    /* Inside the stub: configuration, then the trustee's page, then the gate's. */
    STUB_CONFIG = 0x0000,
    STUB_TRUSTEE = 0x3000,
    STUB_GATE = 0x4000,

    GATE_SPAN = 0x10000,                /* trampolines of redirected sites, near the libraries */

    NURSE_CALL = 28277,                 /* a number that no kernel has: the stub's reports and the trustee's bell */
};

/* What a trustee can be told. Peek and poke are ordinary executions of write(2) and read(2). */
enum order_command {
    ORDER_EXECUTE = 1,
    ORDER_TRAP = 2,         /* raise SIGTRAP: a debugger takes over */
    ORDER_EXIT = 3,         /* end this trustee */
    ORDER_HIGH = 4,         /* report the upper part of the last result, which the report register has no room for */
};

/* How a gate's request ends. */
enum answer_kind {
    ANSWER_VALUE = 1,       /* answer_value is the result */
    ANSWER_TRUSTEE = 2,     /* the trustee has the order answer_value; wait for its result cell */
    ANSWER_KERNEL = 3,      /* make the call in the kernel: only the thread itself can */
};

/* The life of a request: the gate posts, the helper takes; either may win when the helper goes to sleep. */
enum request_state { REQUEST_NONE = 0, REQUEST_POSTED = 1, REQUEST_TAKEN = 2 };

struct order {
    /* The trustee's part. seq is written last and is the futex that the trustee sleeps on. */
    uint32_t seq;
    uint32_t command;           /* enum order_command */
    uint32_t ring;              /* the helper sleeps: make the ring call after the call */
    uint32_t wake;              /* the call takes its time: the gate may sleep on the result cell, the trustee wakes it */
    uint32_t yields;            /* how often the trustee yields before it sleeps */
    uint32_t pad0;
    uint64_t nr, arg[6];
    uint64_t ring_nr, ring_arg[3];    /* filter: NURSE_CALL(REPORT_RING); strict: write(2) to the bell */
    uint8_t pad1[0x80 - 0x70];

    /* The gate's part. answer_seq is written last and is the futex that the gate sleeps on. */
    uint32_t answer_seq;
    uint32_t answer_kind;       /* enum answer_kind */
    int64_t answer_value;
    uint32_t awake;             /* the helper is looking at request windows */
    uint32_t spins;             /* how often the gate looks for an answer before it yields */
    uint32_t strict;            /* the thread knows read and write only: it rings and waits on `bell` */
    int32_t bell;               /* descriptor of the sandbox's end, strict only */
    uint8_t pad2[0x100 - 0xa0];

    uint32_t routes[MAILBOX_ROUTES / 32];    /* bit nr: the gate posts this call; else it goes to the kernel */
    uint8_t pad3[MAILBOX_BYTES - 0x100 - MAILBOX_ROUTES / 8];

    uint8_t bytes[MAILBOX_ORDER_SPAN - MAILBOX_BYTES];    /* paths, addresses, buffers of the call being executed */
};

struct request {
    uint32_t state;             /* enum request_state */
    uint32_t busy;              /* a call is in the gate: others (signal handlers, threads) go to the kernel */
    uint64_t nr, arg[6];
    uint64_t ip;                /* address after the system call instruction */
    /* The gate's own notes. */
    uint64_t self, order;       /* where its windows are */
    uint32_t flags;             /* the caller's flags */
    uint32_t seen;              /* answer_seq before it posted */
    uint32_t tries;             /* yields left */
    uint32_t waiting;           /* it sleeps on answer_seq */
    uint8_t pad0[0x100 - 0x68];

    /* The trustee's result cell: the only memory it writes. The gate believes it; the helper does not, it asks the kernel for the
     * trustee's report register (evidence.c). */
    uint32_t done;              /* seq of the last executed order; a futex */
    uint32_t asleep;            /* the trustee sleeps on order.seq */
    int64_t result;
    uint8_t pad1[MAILBOX_REQUEST_SPAN - 0x110];
};

/* What the helper writes into the stub's first pages before it is executed; read only afterwards. */
struct stub_config {
    uint64_t base;              /* of the keep */
    uint64_t pie_base;          /* where a position-independent program goes */
    uint64_t brk_gap;           /* between the program's end and its heap */
    int32_t order_fd, request_fd, gate_fd;    /* mapped, then closed, before anything of the program is looked at */
    uint32_t strict;            /* --seccomp=strict */
    uint32_t sysinfo_gate;      /* i386: AT_SYSINFO becomes the gate */
    uint32_t hide_vdso;
    char comm[16];
    char execfn[4096];          /* the string of AT_EXECFN */
    char binary[4096];          /* the file to load: the program, or its #! interpreter */
};

/* First argument of a NURSE_CALL; the value answered is given behind it. */
enum report {
    REPORT_RING = 0,            /* trustee: look at the result cells -> 0 */
    REPORT_BOOTED = 1,          /* untrustee; second argument: address of the trampolines, third: thread id of the trustee -> length of the keystone filter in order bytes */
    REPORT_LOCKED = 2,          /* the filter is on; from here on nothing is believed -> 0 */
    REPORT_LOADED = 3,          /* the program is mapped -> length of the policy's filter in order bytes, 0: none */
    REPORT_START = 4,           /* about to jump -> 0 */
    REPORT_FAILED = 5,          /* second argument: errno of the loader -> never answered */
    REPORT_STRICT = 6,          /* the libraries are loaded, strict seccomp comes next -> 0 */
};

static_assert(sizeof(struct order) == MAILBOX_ORDER_SPAN, "order window");
static_assert(sizeof(struct request) == MAILBOX_REQUEST_SPAN, "request window");
static_assert(__builtin_offsetof(struct order, answer_seq) == 0x80, "the gate's part has cache lines of its own");
static_assert(__builtin_offsetof(struct order, routes) == 0x100, "routes");
static_assert(__builtin_offsetof(struct request, done) == 0x100, "the result cell has a cache line of its own");
static_assert(sizeof(struct stub_config) <= STUB_TRUSTEE, "configuration fits its pages");

#endif
