/*
 * allow: the judge of those who have no policy: everything is allowed.
 */
#ifndef NURSE_JUDGES_ALLOW_H
#define NURSE_JUDGES_ALLOW_H

#include "core/helper/judge.h"

struct judge allow_judge(void);

#endif
