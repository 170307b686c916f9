/*
 * shadow: a judge around another one that asks a second policy as well, and tells where it would say something else.
 *
 * Runs in the helper. The second policy changes nothing: neither verdicts, arguments, memory and results, nor which way a call goes.
 */
#ifndef NURSE_JUDGES_SHADOW_H
#define NURSE_JUDGES_SHADOW_H

#include "core/helper/judge.h"
#include "core/policy/policy.h"

struct shadow;

/* `next` (kept by the caller) was made with policy_options.shadow. Never NULL. */
struct shadow *shadow_new(struct policy *next);
/* `inner` (kept) decides. */
struct judge shadow_judge(struct shadow *shadow, const struct judge *inner);
/* Says how often what differed more than once. NULL is fine. */
void shadow_end(struct shadow *shadow);

#endif
