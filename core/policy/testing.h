/*
 * testing: unit tests of policies, written in Lua: policy, expect, recorded, event.
 *
 * Runs in the command line. The test file has a Lua state of its own, sandboxed and limited like a policy's; each policy under test has another one.
 * What the words mean to users is in doc/man/nurse-test.1.
 */
#ifndef NURSE_POLICY_TESTING_H
#define NURSE_POLICY_TESTING_H

#include <stdio.h>

#include "core/policy/policy.h"

struct testing_options {
    enum policy_on_error on_error;        /* of the policies under test */
    const char *const *parameters;        /* "NAME=VALUE"..., ends with NULL; those of a `policy` statement come after them */
    FILE *out;                            /* TAP */
};

struct testing_count { size_t tests, failed; };

/* Run one file; its results are added to *count, whose numbers go on. Returns 0, or -1 after one line on stderr when the file, or a policy that it
 * names, can't be loaded. */
int testing_run(const char *path, const struct testing_options *options, struct testing_count *count);

#endif
