/*
 * birth: how processes and trustees come into being.
 *
 * Runs in the helper. A task inherits its creator's filters for ever, so whatever is to have, or to be, a trustee descends from a trustee: it clones, and
 * the copy starts a trustee of its own, locks itself down and goes on as the program's thread. What only the creating thread knows, its
 * registers, it tells in the catch (asm/ARCH/catch.S), where the helper sends it for that. Test: t/44-live-fork.t, t/51-attack-mailbox.t.
 */
#ifndef NURSE_HELPER_BIRTH_H
#define NURSE_HELPER_BIRTH_H

#include "core/helper/call_private.h"

/* fork, vfork, or a clone without CLONE_THREAD, allowed. 1: *value is the answer; 0: the thread is on its way into the catch, the call is kept. */
int birth_process(struct call *call, int64_t *value);
/* The same way for a call that blocks and whose arguments were judged: the thread makes it itself, from the gate's page, with the arguments in an order
 * window, so that signals interrupt it as they would natively. */
int birth_make(struct call *call, int64_t *value);
/* The same for a call whose result shall be heard, while there is room to spare; else 1. */
int birth_hear(struct call *call, int64_t *value);
/* Whether a call from the gate's page is such a one. */
bool birth_makes(struct thread *thread, uint64_t nr, const uint64_t args[6], uint64_t ip);
/* REPORT_OTHER: where the thread was sent from is needed as it was. If it is the one that was sent, a handler has interrupted it, and its call is made again. */
void birth_astray(struct thread *thread);
/* The process is gone: none of its calls waits any more. */
void birth_forsake(const struct process *process);
/* REPORT_CAUGHT: the thread has told its registers and waits in notification `id`. */
void birth_caught(struct thread *thread, uint64_t id, uint64_t window);
/* REPORT_MADE: it has made its call, and this came of it, or so it says. */
void birth_told(struct thread *thread, uint64_t id, uint64_t window, uint64_t result);
/* REPORT_BORN, from the trustee's page: `tid` has come to itself. */
void birth_born(struct sandbox *sandbox, uint64_t id, pid_t tid, uint64_t token, pid_t trustee);
/* The process gets a trustee that makes others: a thread is about to be created. `by` is idle. */
void birth_spare(struct process *process, struct slot *by);
/* Order a trustee for a slot that has none, from the spare one. False: there is no spare one. */
bool birth_trustee(struct process *process, struct slot *slot);

/* Give one thread the scheduling attributes of another: they belong to threads, and a clone or an exec of the trustee has the trustee's. */
void birth_schedule(pid_t from, pid_t to);

/* For life.c: the call's order, and what became of it: true when the trustee is done with it for good. */
void birth_order(struct call *call, struct mailbox_order *order);
bool birth_cloned(struct call *call, int64_t result);
/* Its trustee has cloned, but the newborn has not come to itself yet. */
bool birth_waits(const struct call *call);

/* For the loop: whether there is such a birth, and a look whether the newborn still lives. */
bool birth_pending(void);
void birth_check(void);

#endif
