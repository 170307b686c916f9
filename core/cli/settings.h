/*
 * settings: what the user asked for, and the options of each command as rows.
 *
 * Filled by core/cli/options.c before anything starts; points into argv, owns only its lists.
 * Test: t/20-live-cli.t.
 */
#ifndef NURSE_CLI_SETTINGS_H
#define NURSE_CLI_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/cli/options.h"
#include "core/helper/run.h"
#include "core/policy/policy.h"

/* Words of the command line; after the first one the list ends with NULL too. */
struct word_list {
    const char **words;
    size_t count;
};

enum settings_own { SETTINGS_CWD, SETTINGS_HOME, SETTINGS_OWN };

struct settings {
    struct run_options run;
    enum policy_on_error on_error;
    struct word_list policies;    /* -p, in order */
    struct word_list shadows;     /* --shadow, in order */
    struct word_list traced;      /* trace -e, in order */
    const char *trace_file;       /* trace -o; NULL: stderr */
    bool trace_paths;             /* trace -y */
    struct word_list params;      /* NAME=VALUE: cwd=..., home=..., then -D in order; the last of a name counts */
    char *own[SETTINGS_OWN];      /* the texts of the first parameters; owned */
    bool groups;                  /* check --groups */
    bool calls;                   /* check --calls */
    enum abi_arch arch;           /* why --arch */
    struct word_list phases;      /* why --phase */
};

/* All defaults, and the parameters "cwd", the directory that nurse was started in, and "home", the user's own, canonical. Returns 0, or -1 after one line on stderr. */
int settings_init(struct settings *settings);
void settings_free(struct settings *settings);

/* Each table ends with an empty row. */
extern const struct option_row settings_run[], settings_trace[], settings_check[], settings_why[], settings_test[], settings_none[];

/* Load these policies as layers, with the settings' parameters; none: the shipped `default`. The caller owns the result: policy_free().
 * Returns NULL after one line on stderr. The settings must outlive the policy. */
struct policy *settings_policy(const struct settings *settings, const char *const *names, size_t count);
/* The policy of --shadow, in the same way. */
struct policy *settings_shadow(const struct settings *settings);

#endif
