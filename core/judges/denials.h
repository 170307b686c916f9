/*
 * denials: tells people what was refused, by which rule, and what to write if it should not have been.
 */
#ifndef NURSE_JUDGES_DENIALS_H
#define NURSE_JUDGES_DENIALS_H

#include "core/helper/judge.h"

struct denials;

/* A judge that passes every question on to `inner`, and says on stderr what is denied: each kind of denial once, when it happens. Both live until
 * denials_end(). NULL when memory is out. */
struct denials *denials_new(const struct judge *inner);
struct judge denials_judge(struct denials *denials);
/* Say how often each was denied, and free it. NULL is fine. */
void denials_end(struct denials *denials);

#endif
