/*
 * judge: what the helper asks of a policy, as a list of questions; the policy room answers them from Lua,
 * tests answer them from C; a judge may wrap another one. The helper believes the answers but enforces the keystone rules itself.
 */
#ifndef NURSE_HELPER_JUDGE_H
#define NURSE_HELPER_JUDGE_H

#include "core/helper/call.h"

/* ORDER: from mild to strict; of several verdicts the greatest wins. */
enum verdict_kind {
    VERDICT_ALLOW, VERDICT_EMULATE, VERDICT_ASK, VERDICT_DENY,
    VERDICT_KILL_PROCESS,    /* the caller's process */
    VERDICT_KILL,            /* the sandbox */
};

struct verdict {
    enum verdict_kind kind;
    int error;            /* VERDICT_DENY: a positive errno */
    int signal;           /* of the two kills: 0 means SIGKILL */
    int64_t value;        /* VERDICT_EMULATE */
    const char *rule;     /* "policy.lua:12", lives as long as the judge; NULL: none named it */
    bool quiet;           /* VERDICT_DENY: expected, nobody needs to be told */
    bool module;          /* the rule is a module's: no rule of the script can stand before it */
    const char *why;      /* the policy's own words about it, or NULL; valid until the judge is asked again */
};

/* What happened in the tree of processes. */
struct judge_event {
    const char *name;     /* start, fork, exec, exit, signal */
    pid_t pid;            /* the process that it happened to: of a fork the child, whose parent is below */
    pid_t parent;         /* in the tree of the sandbox; 0: the first process has none */
    pid_t maker;          /* fork: who made the call; another one than the parent after CLONE_PARENT. Else 0 */
    const char *exe;      /* canonical path of its program */
    int status;           /* exit: as of waitpid(2), or -1: the kernel doesn't tell */
    int signal;           /* signal: the one that ended it, or that nurse got and passed on to it; else 0 */
};

/* What a policy wants of the event loop, which looks at it between two things that happen. */
struct judge_wish {
    int64_t due;          /* nanoseconds of CLOCK_MONOTONIC: tick() is to be asked then; INT64_MAX: not at all */
    bool stop;            /* the sandbox shall end */
    int status;           /* with this exit status of nurse's */
    const char *why;      /* and this line, which lives as long as the judge */
};

struct judge {
    void *self;
    const struct judge_wish *wish;    /* lives as long as the judge, never NULL where a program runs */
    /* True when the answer for this call never depends on the call itself; *out is that answer. */
    bool (*constant)(void *self, enum abi_arch arch, const struct abi_call *row, struct verdict *out);
    /* True when after() wants this call's result. */
    bool (*watches)(void *self, const struct abi_call *row);
    /* May be NULL: never. True when after() is also content with a result that the thread itself tells, where nobody else may make the call: it
     * blocks, or belongs to the thread. Such a result can't be replaced. */
    bool (*hears)(void *self, const struct abi_call *row);
    /* The verdict; never fails: an error inside is a denial, reported by the judge. */
    void (*decide)(void *self, struct call *call, struct verdict *out);
    /* May be NULL. The kernel would refuse this call (-errno) for what its arguments point to, so nobody decides. */
    void (*faulted)(void *self, struct call *call, int error);
    /* May be NULL. What hears() asked for can't be had: the thread makes this call, and after() won't be called. `again`: it will be asked about once
     * more, as if it came for the first time. */
    void (*unheard)(void *self, struct call *call, bool again);
    /* The result of an allowed call (negative errno on failure); true when *result was replaced. */
    bool (*after)(void *self, struct call *call, int64_t *result);
    void (*event)(void *self, const struct judge_event *event);
    /* Told of what the helper refuses by itself, whatever the policy says (keystone rules, kernel work outside the route table). NULL: nobody wants to
     * know, and the kernel's filter answers as much of it as it can. */
    void (*refused)(void *self, struct call *call, int error);
    /* Some time is over: runs what was due. */
    void (*tick)(void *self);
};

#endif
