/*
 * commands: the table of what nurse can be told to do; one file per command.
 */
#ifndef NURSE_CLI_COMMANDS_H
#define NURSE_CLI_COMMANDS_H

#include "core/cli/settings.h"

struct command {
    const char *name;
    const char *operands;    /* what follows the options */
    const char *about;
    const struct option_row *options;
    /* Do it; returns the exit status. NULL: a name of the contract that this version doesn't carry out. */
    int (*run)(struct settings *settings, char **operands);
};

int command_run(struct settings *settings, char **operands);
int command_trace(struct settings *settings, char **operands);
int command_check(struct settings *settings, char **operands);
int command_why(struct settings *settings, char **operands);
int command_test(struct settings *settings, char **operands);
int command_doctor(struct settings *settings, char **operands);

struct trace;
/* Run the program under `judge`, with the shadow policy of the settings, if there is one, and a trace (or NULL) around it. Returns the exit status. */
int run_looked_on(struct settings *settings, char **operands, struct judge judge, struct trace *trace);

/* End of a command that printed to stdout: its status, or EXIT_NURSE after one line when the output was lost. */
int command_flush(int status);

#endif
