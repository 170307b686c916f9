/*
 * shapes: what strace shows of the memory that a call points to, before it and after.
 *
 * Runs in the helper; no Lua. Unlike text_call() it only looks: nothing is copied into the call, whose way is the same with a tracer as without.
 * Where the call has a copy already, that is what is shown.
 */
#ifndef NURSE_TEXT_SHAPES_H
#define NURSE_TEXT_SHAPES_H

#include "core/text/text.h"

/* Argument i; `result` is NULL while the call begins, else what came of it: then what the kernel has filled is shown. */
void shapes_argument(struct text *t, int i, const int64_t *result);
/* The whole call as it is now: `openat(AT_FDCWD, "/etc/passwd", O_RDONLY)`. */
void shapes_call(struct text *t);
/* Argument i, which the kernel fills, before it has: the address, or the length that it will change. */
void shapes_before(struct text *t, int i);
/* Whether the kernel fills it, so that it is known afterwards only. */
bool shapes_late(const struct abi_call *row, int i);
/* Whether the line has no argument i. */
bool shapes_ends(const struct call *call, int i);
/* `3`, `0x7f0000000000`, `-1 ENOENT (No such file or directory)`. */
void shapes_result(struct text *t, int64_t result);

#endif
