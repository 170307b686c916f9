/*
 * tree: the processes, threads, spaces and slots of a sandbox: found, made, ended.
 *
 * Runs in the helper. Believes the kernel for who is whose thread, and its own bookkeeping for the rest. Test: t/43-live-threads.t, t/59-live-leaks.t.
 */
#ifndef NURSE_HELPER_TREE_H
#define NURSE_HELPER_TREE_H

#include "core/helper/sandbox.h"

/* A process that exists; its main thread with it. `parent` may be NULL. Never returns NULL (nurse ends when memory is out). */
struct process *tree_add(struct sandbox *sandbox, pid_t pid, struct process *parent, enum abi_arch arch);
struct process *tree_process(const struct sandbox *sandbox, pid_t pid);
/* Forget a process that has ended, with its threads and their calls; its children become orphans. */
void tree_remove(struct process *process);
/* Exec: only the main thread is left, in a space of its own that nothing has been mapped in yet. Returns 0 or -errno. */
int tree_renew(struct process *process, enum abi_arch arch);

/* The thread, which may not have been heard of before; NULL: it belongs to no process of the sandbox. */
struct thread *tree_thread(struct sandbox *sandbox, pid_t tid);
/* The thread makes no more calls. */
void tree_thread_exits(struct thread *thread);
/* How many threads of the program are left: neither trustees nor on their way out. */
int tree_alive(const struct process *process);

/* A fresh address space. Returns 0 or -errno. */
int space_new(struct sandbox *sandbox, enum abi_arch arch, struct space **out);
void space_release(struct space *space);
/* Give the space trampolines of its own, or those of another (a fork's). Without room there are none. */
void space_trampolines(struct sandbox *sandbox, struct space *space, struct trampolines *shared);

/* A slot without thread and trustee, prepared; NULL: all are taken. Some are kept for births. */
struct slot *slot_take(struct space *space, struct process *process, bool birth);
/* Nobody needs the slot any more: it is free when it has no trustee either. */
void slot_leave(struct slot *slot);
/* Its trustee is gone. */
void slot_clear(struct slot *slot);
/* Its trustee has an order; it is done with it. */
void slot_works(struct slot *slot);
void slot_done(struct slot *slot);
/* The helper does not look at this slot's window until it is watched again: its gate goes to the kernel. */
void slot_rest(struct slot *slot);
/* The helper looks at this slot's window from now on; the one that was used longest ago makes room. */
void slot_watch(struct slot *slot);

#endif
