/*
 * spawn: from nothing to a stub that runs, and from there to a program that runs.
 *
 * Runs in the helper; spawn_child() in the child between fork and exec.
 */
#ifndef NURSE_HELPER_SPAWN_H
#define NURSE_HELPER_SPAWN_H

#include "core/helper/sandbox.h"

/* Draw addresses, compute routes, and start the stub of the first process under the base filter. Returns 0 or -errno (said), ECHILD: it
 * has died before it became one (not said). */
int spawn_start(struct sandbox *sandbox);
/* The stub's image for a class, made once: a sealed memfd. Returns the descriptor or -errno. */
int spawn_image(struct sandbox *sandbox, enum abi_arch arch);
/* Fill a fresh space with what its stub needs to start process->program with `mask` blocked. */
void spawn_prepare(struct process *process, uint64_t mask);
/* A NURSE_CALL of a stub's: one step further. `id` is the notification's, or 0 when it came through the window (strict). */
void spawn_report(struct process *process, uint64_t id, const uint64_t args[6]);
/* A call of the loader's, locked down: what a loader needs, and nothing else. */
void spawn_load_call(struct process *process, uint64_t id, enum abi_arch arch, uint64_t nr, const uint64_t args[6]);

#endif
