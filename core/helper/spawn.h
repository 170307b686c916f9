/*
 * spawn: from nothing to a stub that runs, and from there to a program that runs.
 *
 * Runs in the helper; spawn_child() in the child between fork and exec.
 */
#ifndef NURSE_HELPER_SPAWN_H
#define NURSE_HELPER_SPAWN_H

#include "core/helper/sandbox.h"

/* Draw addresses, compute routes, make the windows and start the stub under the base filter. Returns 0 or -errno (said). */
int spawn_start(struct sandbox *sandbox);
/* A NURSE_CALL of the stub's: one step further. `id` is the notification's, or 0 when it came through the window (strict). */
void spawn_report(struct process *process, uint64_t id, pid_t tid, const uint64_t args[6]);
/* A call of the loader's, locked down: what a loader needs, and nothing else. */
void spawn_load_call(struct process *process, uint64_t id, enum abi_arch arch, uint64_t nr, const uint64_t args[6]);
void spawn_release(struct process *process);

#endif
