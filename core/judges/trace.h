/*
 * trace: a judge around another one, which prints each call and what came of it in the manner of strace.
 *
 * Runs in the helper. Calls that aren't named keep their own routes.
 */
#ifndef NURSE_JUDGES_TRACE_H
#define NURSE_JUDGES_TRACE_H

#include <stdbool.h>

#include "core/helper/judge.h"

struct trace;

struct trace_options {
    const char *const *names;    /* of strace's -e: "trace=open,@net", "!getpid"; ends with NULL; NULL or empty: all calls */
    const char *file;            /* where to; NULL: stderr */
    bool paths;                  /* descriptors with what they are */
};

/* Returns 0, or -1 after one line on stderr. */
int trace_new(struct trace **out, const struct trace_options *options);
/* `inner` (kept) decides. */
struct judge trace_judge(struct trace *trace, const struct judge *inner);
/* Says how many lines nobody took. NULL is fine. */
void trace_free(struct trace *trace);

#endif
