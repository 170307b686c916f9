/*
 * options: the command line as rows of tables, so that parsing is one loop.
 *
 * Runs in the helper before anything starts. Believes the user, but every mistake is named in one
 * line and nothing is guessed. Test: t/20-live-cli.t.
 */
#ifndef NURSE_CLI_OPTIONS_H
#define NURSE_CLI_OPTIONS_H

#include <stdio.h>

struct settings;    /* core/cli/settings.h */

struct option_row {
    char letter;             /* 0: none */
    const char *name;        /* without the dashes; NULL: none */
    const char *argument;    /* what the value is called in the help; NULL: takes none */
    const char *about;
    /* Note the option; value is NULL when it takes none. Returns 0, or -1 after one line on stderr. */
    int (*take)(struct settings *into, const char *value);
};

enum options_end { OPTIONS_DONE, OPTIONS_HELP, OPTIONS_BAD };

/* Read options from args up to the first operand or past "--"; *rest is what follows. OPTIONS_BAD comes after one line on stderr.
 * The rows end with an empty one. */
enum options_end options_parse(const struct option_row *rows, struct settings *into, char **args, char ***rest);

void options_help(const struct option_row *rows, FILE *out);

#endif
