/*
 * judge: what the helper asks of a policy, as five questions; the policy room answers them from Lua,
 * tests answer them from C. The helper believes the answers but enforces the keystone rules itself.
 */
#ifndef NURSE_HELPER_JUDGE_H
#define NURSE_HELPER_JUDGE_H

#include "core/helper/call.h"

/* ORDER: from mild to strict; of several verdicts the greatest wins. */
enum verdict_kind { VERDICT_ALLOW, VERDICT_EMULATE, VERDICT_ASK, VERDICT_DENY, VERDICT_KILL };

struct verdict {
    enum verdict_kind kind;
    int error;            /* VERDICT_DENY: a positive errno */
    int signal;           /* VERDICT_KILL: 0 means SIGKILL */
    int64_t value;        /* VERDICT_EMULATE */
    const char *rule;     /* "policy.lua:12", lives as long as the judge; NULL: none named it */
};

struct judge {
    void *self;
    /* True when the answer for this call never depends on the call itself; *out is that answer. */
    bool (*constant)(void *self, enum abi_arch arch, const struct abi_call *row, struct verdict *out);
    /* True when after() wants this call's result. */
    bool (*watches)(void *self, const struct abi_call *row);
    /* The verdict; never fails: an error inside is a denial, reported by the judge. */
    void (*decide)(void *self, struct call *call, struct verdict *out);
    /* The result of an allowed call (negative errno on failure); true when *result was replaced. */
    bool (*after)(void *self, struct call *call, int64_t *result);
    /* start, exit, signal, error. */
    void (*event)(void *self, const char *name, pid_t pid, int status);
};

#endif
