/*
 * birth_private: a birth, as birth.c leads it and nest.c furnishes it.
 */
#ifndef NURSE_HELPER_BIRTH_PRIVATE_H
#define NURSE_HELPER_BIRTH_PRIVATE_H

#include <sched.h>

#include "core/helper/call_private.h"

/* What a trustee shares with the thread that it is for: everything but the filters. */
enum { TRUSTEE_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM };

/* clone(2) as the program asked for it. */
struct wish {
    uint64_t flags, stack, parent_tid, child_tid, tls;
};

struct birth {
    uint32_t token;
    enum birth_kind kind;
    struct wish wish;
    struct call *call;          /* whose order the clone is */
    struct thread *thread;      /* that was caught; NULL when it is gone */
    struct birth *outer;        /* of the same thread: a handler of its creates too, before it came to the catch */
    pid_t parent;
    enum abi_arch arch;
    struct space *space;        /* the creator's, held */
    struct slot *cradle;        /* of that space: keeps the caught registers */
    struct slot *slot;          /* the newborn's trustee's */
    struct space *home;         /* the newborn's: a new one, or the creator's */
    uint64_t patched;           /* where the program's code leads into the catch; 0: nowhere */
    bool patches;               /* when the clone was ordered, others' patches were in place, */
    unsigned patches_set;       /* and so many had been set before */
    bool caught, born, cloned;
    pid_t pid;
};

/* nest.c: what the newborn will find in its windows. Everything of a process's, from what its parent told in the catch: returns 0 or -errno. */
int nest_prepare(struct birth *birth, struct sandbox *sandbox);
/* The part that every newborn reads in the window of the trustee `by` that clones it. */
void nest_way(const struct birth *birth, const struct slot *by, struct birth_steps *steps);
/* The part of its own window that a mere trustee needs too. */
void nest_hello(const struct birth *birth, struct birth_steps *steps);

#endif
