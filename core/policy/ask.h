/*
 * ask: what a policy says to a written call, and what would become of the call: the answer that `nurse why` prints and `nurse test` compares.
 *
 * Runs in the command line. The judge is the real one, and so are the routes; the call is one of nurse's own process, and is never made.
 */
#ifndef NURSE_POLICY_ASK_H
#define NURSE_POLICY_ASK_H

#include "core/helper/alone.h"
#include "core/policy/policy.h"
#include "core/text/written.h"

struct ask;

enum { ASK_LINE = 16384 };

struct asked {
    struct call *call;                  /* as the policy left it; NULL when there is an error */
    int error;                          /* errno with which the kernel answers, so that no policy is asked; 0: it was asked */
    const struct route_entry *entry;    /* which way the call goes */
    struct verdict verdict;
    enum alone_guard guard;             /* of an allowed call, once ask_guard() was asked; else ALONE_PASSES */
    int64_t guard_value;
    char before[ASK_LINE], after[ASK_LINE];    /* the call as tostring() has it: as it was written, as the policy left it */
};

/* A run begins: the policy hears of the event `start`. It stays the caller's and must outlive the ask. Returns 0 or -errno; ended by ask_close(), NULL is fine. */
int ask_open(struct ask **out, struct policy *policy);
void ask_close(struct ask *ask);

/* Fill *out; ended by ask_end(), one at a time. */
void ask_call(struct ask *ask, const struct written *written, struct asked *out);
void ask_end(struct asked *asked);

/* What nurse's own rules say to an allowed call; some of them say it on stderr as well. */
void ask_guard(struct asked *asked);

/* What the program gets of an allowed call when the kernel gave `result`: after() may replace it. */
int64_t ask_after(struct ask *ask, struct asked *asked, int64_t result);
void ask_event(struct ask *ask, const struct judge_event *event);

/* "allow", "deny EACCES", "emulate 3", "kill SIGTERM". Returns the length as snprintf does. */
int ask_verdict(const struct verdict *verdict, char *buf, size_t size);
/* True when the call would be made, or get a value in its place. */
bool ask_passes(const struct asked *asked);

#endif
