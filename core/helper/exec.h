/*
 * exec: a process becomes another program.
 *
 * Runs in the helper. The program is found, judged and pinned here, with #! lines followed as the kernel would; the trustee then executes the stub
 * again, which makes it the only thread left and unconfined as it was, and the stub starts like the first one did. Errors that the kernel
 * would give come before anything is lost. Test: t/45-live-exec.t.
 */
#ifndef NURSE_HELPER_EXEC_H
#define NURSE_HELPER_EXEC_H

#include "core/helper/call_private.h"

/* execve or execveat, allowed. 1: *value is the answer; 0: its trustee will do it. */
int exec_begin(struct call *call, int64_t *value);
/* For life.c: the next order of an exec. Returns 0 or -errno. */
int exec_order(struct call *call, struct mailbox_order *order);
/* An order of it is over: true when another is to follow, else *result is what became of the call. */
bool exec_goes_on(struct call *call, int64_t *result);
/* REPORT_BOOT of a process that exists: its exec has succeeded. */
void exec_booted(struct process *process, uint64_t id);

#endif
