/*
 * mailbox: the helper's side of the windows of one process.
 *
 * Runs in the helper. A request window is read once per field, its contents are a program's claim and no more; what the trustee has done
 * is asked of the kernel (mailbox_evidence). Test: t/10-unit-mailbox.t, t/51-attack-mailbox.t.
 */
#ifndef NURSE_MAILBOX_H
#define NURSE_MAILBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/abi/abi.h"
#include "core/mailbox/layout.h"

struct mailbox_pool;

/* The windows of one address space: a block of a pool that the helper has mapped once, for writing. */
struct mailbox {
    struct mailbox_pool *pool;
    int block;
    int bell;                       /* strict: the helper's end of a socket pair; else -1 */
    struct board *board;
    struct order *orders;           /* MAILBOX_SLOTS of each */
    struct request *requests;
    uint64_t base;                  /* of the keep in the process */
};

/* A request as it was copied out, once. */
struct mailbox_posted {
    uint64_t nr, arg[6], ip;
};

/* An order for a trustee. */
struct mailbox_order {
    enum order_command command;
    uint64_t nr, arg[6];
};

/* Take a block for an address space whose keep lies at `base`; the sandbox can never map the order windows writable. Returns 0 or -errno: EAGAIN when
 * there are MAILBOX_POOLS * MAILBOX_BLOCKS already. */
enum { MAILBOX_POOLS = 256 };
int mailbox_create(struct mailbox *mailbox, uint64_t base);
/* Give it back; no process may have it mapped any more. Nothing happens when it was never taken. */
void mailbox_destroy(struct mailbox *mailbox);
/* WINDOWS_PACK of it, for the process that maps it. */
uint32_t mailbox_windows(const struct mailbox *mailbox);
/* Make slot i as fresh as for a first trustee. */
void mailbox_prepare(struct mailbox *mailbox, int i);
/* Let the helper's death end the process of slot i's trustee. One for each process: the kernel follows the list for 2,048 entries. */
void mailbox_guard(struct mailbox *mailbox, int i);
/* Slot i has no trustee any more. */
void mailbox_retire(struct mailbox *mailbox, int i);
/* Where the windows of slot i lie in the process. */
uint64_t mailbox_order_at(const struct mailbox *mailbox, int i);
uint64_t mailbox_request_at(const struct mailbox *mailbox, int i);
/* Enter a thread into the board's table: its gate finds slot i (or none: -1) by `key`. False when the place is another thread's. */
bool mailbox_enter(struct mailbox *mailbox, enum abi_arch arch, uint64_t key, int i);
/* Take every entry for slot i out. */
void mailbox_leave(struct mailbox *mailbox, int i);

/* Tell the gate of slot i whether it pays to post, and how long to look for an answer. Before the caller looks at the slot's request once more. */
void mailbox_awake(struct mailbox *mailbox, int i, bool awake, uint32_t spins);
/* The order at work takes longer than the helper looks: let the gate sleep, and have the trustee wake it. */
void mailbox_patience(struct mailbox *mailbox, int i);
/* Ask the trustee to ring (or not) when it finishes. */
void mailbox_ring(struct mailbox *mailbox, int i, bool ring);

/* True when a request was waiting in slot i and is now taken and copied. */
bool mailbox_take(struct mailbox *mailbox, int i, struct mailbox_posted *posted);
/* Answer the request that was taken last. */
void mailbox_answer(struct mailbox *mailbox, int i, enum answer_kind kind, int64_t value);

/* Keep the result of an order that a gate was told to wait for, in its answer: the trustee's cell is about to be needed. */
void mailbox_settle(struct mailbox *mailbox, int i, enum answer_kind kind, int64_t value);

/* Give an order; the one before must be over (mailbox_evidence). Returns its seq. */
uint32_t mailbox_post(struct mailbox *mailbox, int i, const struct mailbox_order *order);
/* Wake a trustee that sleeps: needed when no gate waits that would do it. */
void mailbox_wake(struct mailbox *mailbox, int i);
/* A hint that order seq is done: what the result cell says, which the program can write. */
bool mailbox_hint(const struct mailbox *mailbox, int i, uint32_t seq);
int64_t mailbox_result(const struct mailbox *mailbox, int i);

/* What the kernel says: true when trustee `tid` has finished order seq; *bits gets what fits of its result: 48 bits on x86_64, sign-extended, 16
 * on i386. The trustee left both in its robust list register, which no other thread can write. False also when the thread is gone. */
bool mailbox_evidence(enum abi_arch arch, pid_t tid, uint32_t seq, int64_t *bits);

#endif
