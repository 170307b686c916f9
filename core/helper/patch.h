/*
 * patch: the program's code behind a call, changed for the moment in which a thread is sent from there to the catch.
 *
 * Runs in the helper, while that thread is stopped in the call. Gains the program nothing: it could write the same itself, and what is written leads to
 * code in the gate's page. Test: t/44-live-fork.t (raw, in-threads).
 */
#ifndef NURSE_HELPER_PATCH_H
#define NURSE_HELPER_PATCH_H

#include "core/helper/sandbox.h"

/* The patch in place at `at`; NULL: none. */
struct patch *patch_find(struct space *space, uint64_t at);
/* Make the instruction at `at` lead to `entry` of the catch. Returns 0 or -errno. */
int patch_set(struct space *space, enum abi_arch arch, pid_t tid, uint64_t at, uint64_t entry);
/* Put the instruction back. */
void patch_clear(struct space *space, enum abi_arch arch, uint64_t at);
bool patch_any(const struct space *space);
/* A child may have been copied while somebody else's patch was in place: it gets the true code back. */
void patch_heal(const struct space *parent, struct space *child, enum abi_arch arch, pid_t pid);

#endif
