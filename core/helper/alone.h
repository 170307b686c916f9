/*
 * alone: calls that nobody made, of a process that is in no sandbox: what `nurse why`, `nurse test` and unit tests put before a judge.
 *
 * Nothing is ever executed. But for that a call is a real one: its memory, paths and descriptors are those of the process.
 */
#ifndef NURSE_HELPER_ALONE_H
#define NURSE_HELPER_ALONE_H

#include "core/helper/call.h"
#include "core/helper/judge.h"

struct alone;
struct route_entry;    /* core/route/route.h */

/* Process `pid`, its routes as the judge has them (NULL: as if nothing were constant). Calls of nurse's own process (getpid()) have their pointers
 * in nurse's own memory. Returns 0 or -errno; alone_free() ends it, NULL is fine. */
int alone_new(struct alone **out, const struct judge *judge, pid_t pid);
void alone_free(struct alone *alone);
/* The path of its program; lives as long as it. */
const char *alone_exe(const struct alone *alone);

/* A call of that process, its paths and addresses fetched. Returns 0, or -errno: what the kernel answers before a policy is asked (EFAULT...).
 * alone_end() ends it; the process must outlive it. */
int alone_call(struct alone *alone, struct call **out, enum abi_arch arch, const struct abi_call *row, const uint64_t args[6]);
void alone_end(struct call *call);

/* The way that calls of this row go. */
const struct route_entry *alone_route(const struct alone *alone, enum abi_arch arch, const struct abi_call *row);

/* What the keystone rules would answer whatever the policy said, as far as that can be known without a sandbox: nothing is done or sent for it.
 * *value is the result in place of the call's. */
enum alone_guard { ALONE_PASSES, ALONE_REFUSED, ALONE_UNKNOWN };
enum alone_guard alone_guard(struct call *call, int64_t *value);

#endif
