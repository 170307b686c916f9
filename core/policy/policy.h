/*
 * policy: the users' Lua scripts as a judge of calls.
 *
 * Runs in the helper, in its only thread. Believes the policy's author, but not his skill: an error, an endless loop or a
 * memory hog in a script is a denial with file:line, never a crash and never an allow. What the scripts can say is in doc/;
 * t/programs/unit-policy.c proves it.
 */
#ifndef NURSE_POLICY_POLICY_H
#define NURSE_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/abi/abi.h"
#include "core/helper/judge.h"

struct policy;

enum policy_on_error { POLICY_ERROR_DENY, POLICY_ERROR_KILL };

/* All zero means: the defaults. */
struct policy_options {
    size_t memory;                     /* bytes that all scripts together may use; 0: 64 MiB */
    uint64_t instructions;             /* Lua instructions per decision; 0: 10 million */
    unsigned wall;                     /* milliseconds per decision; 0: 1000 */
    enum policy_on_error on_error;     /* the verdict where a script fails */
    bool shadow;                       /* it is only asked what it would say (shadow.h): its own messages say so */
    const char *const *parameters;     /* "NAME=VALUE"..., ends with NULL; kept by the caller for the policy's life; may be NULL */
};

/* A policy without a layer (it denies everything). `options` may be NULL. Returns 0 or -errno. */
int policy_new(struct policy **out, const struct policy_options *options);

/* Load one script as the next layer: a path, or a name to be looked up (policy_search). Returns 0, or -1 after one line on
 * stderr ("nurse: file:line: message"); the policy is then good for policy_free() only. */
int policy_add(struct policy *policy, const char *name_or_path);

/* Begin the phases of that name at once, for those who ask without running anything. Returns 0, or -ENOENT when no script has such a phase. */
int policy_enter(struct policy *policy, const char *name);

/* The judge; lives as long as the policy, and no script may be added after it was made. */
struct judge policy_judge(struct policy *policy);

/* Ends the Lua state, after a line for each error that came more than once. NULL is fine. */
void policy_free(struct policy *policy);

/* Where a policy of that name lies: the path itself; in the directories of $NURSE_PATH, in $XDG_CONFIG_HOME/nurse
 * (~/.config/nurse), in the source tree's scripts/, in ../share/nurse/policies of the installed program. The ending .lua may
 * be left out. `beside` (or NULL) is a file whose directory is searched first. Returns 0, or -ENOENT, -ENAMETOOLONG. */
int policy_search(const char *name, const char *beside, char *path, size_t size);

/* What will happen to a call, for `nurse check` and `nurse why`. */
struct policy_answer {
    bool constant;                 /* the verdict never depends on the call: */
    struct verdict verdict;        /* ...this one; not constant: what is left when no handler speaks */
    size_t handlers;               /* not constant: handlers in the order in which they are asked */
    const char *const *where;      /* their file:line, `handlers` of them */
    bool watched;                  /* after() sees the result */
    const char *phase;             /* name of the first phase that will change it; NULL: none */
    const struct verdict *in_phase;    /* and what it says, unless one of its handlers does */
};
void policy_explain(struct policy *policy, enum abi_arch arch, const struct abi_call *row, struct policy_answer *out);

/* Tell what is wrong with a policy that loads all the same, each with its file:line. Returns how many complaints there were. */
typedef void policy_complaint(void *self, const char *where, const char *what);
size_t policy_complain(struct policy *policy, policy_complaint *tell, void *self);

/* Print a group's members (name without '@'), or all groups when the name is NULL. Returns 0, or -ENOENT. */
int policy_group_print(FILE *out, const char *name);
/* Print every call of the table with its arguments as policies see them, in Markdown: doc/calls.md. */
void policy_calls_print(FILE *out);

#endif
