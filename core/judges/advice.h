/*
 * advice: the rule that would have allowed a call, as Lua to paste.
 *
 * Runs in the helper (report of denials) and in the command line (`nurse why`). The program isn't believed: what comes from it is written as Lua
 * strings that are only what they look like.
 */
#ifndef NURSE_JUDGES_ADVICE_H
#define NURSE_JUDGES_ADVICE_H

#include <stddef.h>

#include "core/helper/call.h"
#include "core/helper/judge.h"

/* Write a rule that allows this call and, as far as its path or its address tells, no other: a handler for those, a constant for the rest; first a
 * comment says above which rule it has to stand. Lines are parted by newlines, none at the end. Returns the length of the text, which is always
 * whole: 0 (and "") where no rule helps (the call wasn't refused by the policy, no policy can allow it, its path can't be known) or the buffer is
 * too small: ADVICE_MAX bytes always do. */
enum { ADVICE_MAX = 36 << 10 };    /* two paths of which each byte takes four */
size_t advice_rule(struct call *call, const struct verdict *verdict, char *buf, size_t size);

#endif
