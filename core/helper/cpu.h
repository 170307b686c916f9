/*
 * cpu: the CPU time that a sandbox has used, as the kernel counts it.
 *
 * Runs in the helper. Costs nothing until somebody asks for the first time. Test: t/64-live-quota.t.
 */
#ifndef NURSE_HELPER_CPU_H
#define NURSE_HELPER_CPU_H

#include <stdint.h>

struct process;
struct sandbox;

/* The sandbox that is asked about from now on; NULL: none. */
void cpu_begin(struct sandbox *sandbox);
/* Nanoseconds of user and system time of all its processes, trustees included, those that have ended too; 0 without a sandbox. */
int64_t cpu_used(void);
/* A process has ended and is still in the tree; nobody but its parent has waited for it yet. */
void cpu_ended(struct process *process);

#endif
