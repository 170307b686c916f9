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
    MAILBOX_SLOTS = 64,                 /* of one address space: a thread needs one, and a process that is being born */
    MAILBOX_SCRATCH = MAILBOX_SLOTS - 1,    /* belongs to no thread: the place where a gate without a window keeps its registers */
    MAILBOX_REQUEST_SPAN = 0x1000,      /* one request window */
    MAILBOX_ORDER_SPAN = 0x10000,       /* one order window: a page of fields, then the bytes of a call */
    MAILBOX_BOARD_SPAN = 0x10000,       /* the board, in front of the order windows */
    MAILBOX_BYTES = 0x1000,             /* where those bytes begin */
    MAILBOX_ROUTES = 1024,              /* call numbers that the route bitmap covers */
    MAILBOX_THREADS = 256,              /* places in the board's table of threads */

    /* The keep: the part of the address space that belongs to nurse, from the sandbox's random base on. */
    KEEP_STUB = 0,
    KEEP_REQUEST = 0x40000,
    KEEP_BOARD = KEEP_REQUEST + MAILBOX_SLOTS * MAILBOX_REQUEST_SPAN,
    KEEP_ORDER = KEEP_BOARD + MAILBOX_BOARD_SPAN,
    KEEP_STRINGS = KEEP_ORDER + MAILBOX_SLOTS * MAILBOX_ORDER_SPAN,    /* argv and envp of an exec, for a moment */
    KEEP_STRINGS_SPAN = 0x800000,
    KEEP_SPAN = KEEP_STRINGS + KEEP_STRINGS_SPAN,

    /* Inside the stub: configuration, then the trustee's page, then the gate's with the catch in its second half. */
    STUB_CONFIG = 0x0000,
    STUB_TRUSTEE = 0x3000,
    STUB_GATE = 0x4000,
    STUB_GATE_OWN = STUB_GATE + 0x100,  /* i386: before it the gate makes the program's calls, from it on its own */
    STUB_CATCH = STUB_GATE + 0x800,     /* where a thread that creates a process is caught; the child's entry stands 16 bytes on */
    STUB_BORN = STUB_CATCH + 0x10,
    STUB_CATCH_ENTRIES = STUB_GATE + 0xc00,    /* one for each window, for threads that come from changed code */
    CATCH_ENTRY = 8,
    CATCH_MAKE = -4095,                 /* what REPORT_CAUGHT may answer instead of a result: make the call in the order window */
    CATCH_TELL = -4094,                 /* and say REPORT_MADE afterwards */

    GATE_SPAN = 0x10000,                /* trampolines of redirected sites, near the libraries */
    SITES_TRAMPOLINE = 128,             /* one of them */
    SITES_KERNEL = 16,                  /* x86_64: in it, from the record that the gate gets to the call in the kernel */

    NURSE_CALL = 28277,                 /* a number that no kernel has: reports of stub, gate and trustees */

    SEGMENT_ORDER = 13, SEGMENT_CELL = 14,    /* i386: descriptors of a trustee's windows; 12 is what libc gets */

    ALARM_TOGGLE = 0x40000000,          /* the bit of order.alarm that changes with every order (FUTEX_OWNER_DIED, which it is not while the helper lives) */
    ALARM_OWNER = 0x3fffffff,           /* the bits that name the helper: FUTEX_TID_MASK */
};

/* What a trustee can be told. Peek and poke are ordinary executions of write(2) and read(2). */
enum order_command {
    ORDER_EXECUTE = 1,
    ORDER_TRAP = 2,         /* raise SIGTRAP: a debugger takes over */
    ORDER_EXIT = 3,         /* end this trustee */
    ORDER_HIGH = 4,         /* report the upper part of the last result, which the report register has no room for */
    ORDER_SPAWN = 5,        /* clone(2): what is born goes by `birth` of this window to its own, and on by birth.kind */
};

enum birth_kind {
    BIRTH_NONE = 0,         /* the helper's: a caught thread that shall make a call itself */
    BIRTH_TRUSTEE = 1,      /* another trustee of this process */
    BIRTH_PROCESS = 2,      /* a process: it starts a trustee, turns itself into an untrustee and goes on where its parent was caught */
};

/* How a gate's request ends. */
enum answer_kind {
    ANSWER_VALUE = 1,       /* answer_value is the result */
    ANSWER_TRUSTEE = 2,     /* the trustee has the order answer_value; wait for its result cell */
    ANSWER_KERNEL = 3,      /* make the call in the kernel: only the thread itself can */
};

/* The life of a request: the gate posts, the helper takes; either may win when the helper goes to sleep. */
enum request_state { REQUEST_NONE = 0, REQUEST_POSTED = 1, REQUEST_TAKEN = 2 };

/* One call of a newborn; nr STEP_NONE: nothing. */
enum { STEP_NONE = 0x7fffffff, STEP_LAST = 8 };
struct step {
    uint64_t nr, arg[6];
};

/* How a newborn comes to itself. It reads the first part in the window of the trustee that cloned it, the rest in its own. */
struct birth_steps {
    uint64_t order, cell;       /* its windows */
    uint32_t kind;              /* enum birth_kind */
    uint32_t selectors;         /* i386: of its segments for the two, low and high half */
    struct step segment[2];     /* i386: set_thread_area for them */

    struct step map[2][3];      /* openat, mmap (of what was opened), close: the windows of a new address space */
    struct step trustee;        /* clone */
    struct step hello;          /* NURSE_CALL(REPORT_BORN, token, trustee's thread id) */
    struct step thread[STEP_LAST];    /* what the thread had and a clone of the trustee lacks: segments, signal stack, name... */
    struct step lock;           /* seccomp: from here on it is an untrustee */
    uint64_t resume;            /* STUB_BORN */
};

struct order {
    /* The trustee's part. seq is written last. */
    uint32_t seq;
    uint32_t command;           /* enum order_command */
    uint32_t ring;              /* the helper sleeps: make the ring call after the call */
    uint32_t wake;              /* the call takes its time: the gate may sleep on the result cell, the trustee wakes it */
    uint32_t yields;            /* how often the trustee yields before it sleeps */
    uint32_t alarm;             /* the futex that the trustee sleeps on: helper's thread id, FUTEX_WAITERS, ALARM_TOGGLE. A robust futex of the
                                 * helper's: when the helper dies, however it dies, the kernel wakes the trustee, which ends the process */
    uint64_t nr, arg[6];
    uint64_t ring_nr, ring_arg[3];    /* filter: NURSE_CALL(REPORT_RING); strict: write(2) to the bell */
    uint8_t pad1[0x80 - 0x70];

    /* The gate's part. answer_seq is written last and is the futex that the gate sleeps on. */
    uint32_t answer_seq;
    uint32_t answer_kind;       /* enum answer_kind */
    int64_t answer_value;
    uint32_t awake;             /* the helper is looking at this slot's request window */
    uint32_t spins;             /* how often the gate looks for an answer before it yields */
    uint32_t strict;            /* the thread knows read and write only: it rings and waits on `bell` */
    int32_t bell;               /* descriptor of the sandbox's end, strict only */
    uint8_t pad2[0x100 - 0xa0];

    struct birth_steps birth;
    uint8_t pad3[MAILBOX_BYTES - 0x100 - sizeof(struct birth_steps)];

    uint8_t bytes[MAILBOX_ORDER_SPAN - MAILBOX_BYTES];    /* paths, addresses, buffers of the call being executed */
};

#define NO_TRAMPOLINES UINT64_MAX

/* What a stub has to start. Stays where it is for the life of the image: AT_EXECFN points here. */
struct start {
    uint64_t pie_base;          /* where a position-independent program goes */
    uint64_t brk_gap;           /* between the program's end and its heap */
    uint64_t mask;              /* of signals, for the program */
    uint64_t trampolines;       /* where they begin in what gate_fd holds; NO_TRAMPOLINES: none */
    uint32_t sysinfo_gate;      /* i386: AT_SYSINFO becomes the gate */
    uint32_t hide_vdso;
    char comm[16];
    char execfn[4096];          /* the string of AT_EXECFN */
    char binary[4096];          /* the file to load: the program, or its #! interpreter */
};

/* What all threads of an address space share; read only in the sandbox. */
struct board {
    uint32_t routes[MAILBOX_ROUTES / 32];    /* bit nr: the gate posts this call; else it goes to the kernel */
    uint32_t repeats[MAILBOX_ROUTES / 32];   /* bit nr: a call that ends with EINTR is made again */
    uint32_t strict;            /* one thread, slot 0 */
    uint32_t xsave;             /* states that xsave keeps (what a call must not change); 0: fxsave */
    uint64_t requests, requests_end;    /* where the request windows lie */
    uint8_t pad0[0x180 - 0x118];
    struct {
        uint64_t key;           /* what tells threads apart: x86_64: fs base << 16; i386: the word at %gs:0. 0: free */
        uint64_t request;       /* its request window; 0: this thread has none */
    } threads[MAILBOX_THREADS];    /* by bits 12..19 of fs base or word */
    struct start start;
};

/* Whose notes a window keeps. */
enum held { HELD_NOT = 0, HELD_SENT = 1 /* for a thread on its way */, HELD_ARRIVED = 2 /* it is there, and has not taken its registers back yet */ };

/* The registers of a thread that creates a process, as they were after the call. Written by the catch, read by it and by the child. */
struct caught {
    uint64_t reg[16];           /* x86_64: rax rcx rdx rbx rsp rbp rsi rdi r8...r15, as machine code numbers them */
    uint64_t flags, ip;
    uint64_t fs, gs;            /* x86_64: bases; i386: selectors */
    uint64_t mask;              /* of signals */
    uint64_t altstack[3];       /* stack_t of the class */
    uint32_t area[3][4];        /* i386: struct user_desc of the thread's segments */
    uint32_t held;              /* enum held */
    uint8_t pad0[0x200 - 0xf4];
    uint8_t fpu[0xc00];         /* xsave area */
};

struct request {
    uint32_t state;             /* enum request_state */
    uint32_t busy;              /* a call is in the gate: others (signal handlers, threads) go to the kernel */
    uint64_t nr, arg[6];
    uint64_t ip;                /* address after the system call instruction */
    /* The gate's own notes. */
    uint64_t self, order;       /* where its windows are */
    uint64_t record;            /* x86_64: of the site */
    uint32_t flags;             /* the caller's flags */
    uint32_t seen;              /* answer_seq before it posted */
    uint32_t tries;             /* yields left */
    uint32_t waiting;           /* it sleeps on answer_seq */
    uint8_t pad0[0x100 - 0x70];

    /* The trustee's result cell: the only memory it writes. The gate believes it; the helper does not, it asks the kernel for the
     * trustee's report register (evidence.c). */
    uint32_t done;              /* seq of the last executed order; a futex */
    uint32_t asleep;            /* the trustee sleeps on order.alarm */
    int64_t result;
    uint8_t pad1[0x200 - 0x110];

    struct caught caught;
};

/* What the helper writes into the stub's first pages before it is executed, the same for every process of a class; read only afterwards. */
struct stub_config {
    uint64_t base;              /* of the keep */
    uint32_t helper;            /* process id, for /proc/HELPER/fd */
    uint32_t strict;            /* --seccomp=strict */
    uint32_t windows;           /* strict: what REPORT_BOOT would answer */
    int32_t gate_fd;            /* of the trampolines, in the helper */
};

/* Where the windows of a process lie: descriptors in the helper, and which part of what they hold. */
enum { WINDOWS_FD_BITS = 13, WINDOWS_BLOCK_BITS = 4 };
#define WINDOWS_PACK(order_fd, request_fd, block) ((uint32_t)(order_fd) << (WINDOWS_FD_BITS + WINDOWS_BLOCK_BITS) | (uint32_t)(request_fd) << WINDOWS_BLOCK_BITS | (uint32_t)(block))
#define WINDOWS_ORDER_FD(windows) ((windows) >> (WINDOWS_FD_BITS + WINDOWS_BLOCK_BITS))
#define WINDOWS_REQUEST_FD(windows) ((windows) >> WINDOWS_BLOCK_BITS & ((1u << WINDOWS_FD_BITS) - 1))
#define WINDOWS_BLOCK(windows) ((windows) & ((1u << WINDOWS_BLOCK_BITS) - 1))

enum {
    MAILBOX_BLOCKS = 1 << WINDOWS_BLOCK_BITS,
    BLOCK_ORDER_SPAN = MAILBOX_BOARD_SPAN + MAILBOX_SLOTS * MAILBOX_ORDER_SPAN,
    BLOCK_REQUEST_SPAN = MAILBOX_SLOTS * MAILBOX_REQUEST_SPAN,
};

/* First argument of a NURSE_CALL; the value answered is given behind it. Reports marked * come from the trustee's page, where no untrustee can call. */
enum report {
    REPORT_RING = 0,            /* * trustee: look at the result cells -> 0 */
    REPORT_BOOT = 1,            /* * stub: a fresh image -> where its windows are (WINDOWS_PACK) */
    REPORT_BORN = 2,            /* * newborn; second argument: token, third: thread id of its trustee, or -errno -> 0 */
    REPORT_BOOTED = 3,          /* untrustee; second argument: address of the trampolines, third: thread id of the trustee -> length of the keystone filter in order bytes */
    REPORT_LOCKED = 4,          /* the filter is on; from here on nothing is believed -> 0 */
    REPORT_LOADED = 5,          /* the program is mapped -> length of the policy's filter in order bytes, 0: none */
    REPORT_START = 6,           /* about to jump -> 0 */
    REPORT_FAILED = 7,          /* second argument: errno of the loader -> never answered */
    REPORT_STRICT = 8,          /* the libraries are loaded, strict seccomp comes next -> 0 */
    REPORT_CAUGHT = 9,          /* a caught thread; second argument: its request window -> what its call returns */
    REPORT_OTHER = 11,          /* a call that ended where the program's code leads to the catch, and was not sent there -> 0 */
    REPORT_MADE = 12,           /* a caught thread has made its call; second argument: its request window, third: the result -> 0 */
    REPORT_THREAD = 10,         /* a gate that knows no window for its thread; second argument: the thread's key -> 0 */
};

static_assert(sizeof(struct order) == MAILBOX_ORDER_SPAN, "order window");
static_assert(sizeof(struct request) == MAILBOX_REQUEST_SPAN, "request window");
static_assert(__builtin_offsetof(struct order, answer_seq) == 0x80, "the gate's part has cache lines of its own");
static_assert(__builtin_offsetof(struct order, birth) == 0x100, "birth");
static_assert(sizeof(struct board) <= MAILBOX_BOARD_SPAN, "board");
static_assert(__builtin_offsetof(struct caught, fpu) == 0x200 && __builtin_offsetof(struct request, caught) % 64 == 0, "xsave wants 64 bytes");
static_assert(__builtin_offsetof(struct request, done) == 0x100, "the result cell has a cache line of its own");
static_assert(sizeof(struct stub_config) <= STUB_TRUSTEE, "configuration fits its pages");

#endif
