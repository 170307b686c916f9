/*
 * main: finds the command and its options, and lets it run.
 *
 * The first code of the helper process, before anything is started; believes the user. A mistake on
 * the command line is one line on stderr and status 125. Test: t/20-live-cli.t.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/say.h"
#include "core/cli/commands.h"

static const struct command commands[] = {
    {"run", "-- PROGRAM [ARG...]", "run a program under a policy (`nurse -- PROGRAM` is the same)",
     settings_run, command_run},
    {"check", "POLICY", "load a policy, print the route of every call, run nothing", settings_check, command_check},
    {"doctor", "", "what this machine can do, and what is missing", settings_none, command_doctor},
    {"trace", "-- PROGRAM [ARG...]", "run a program and print its system calls, as strace does", settings_trace, command_trace},
    {"learn", "", "", NULL, NULL},
    {"debug", "", "", NULL, NULL},
    {"explain", "", "", NULL, NULL},
    {"why", "CALL [ARG...]", "would this call pass? which rule decides, what would allow it; runs nothing", settings_why, command_why},
    {"test", "FILE.lua...", "unit tests of policies: calls in, verdicts out, TAP", settings_test, command_test},
    {"convert", "", "", NULL, NULL},
};

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void usage(FILE *out)
{
    fputs("usage: nurse COMMAND [OPTION...] ...\n\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].run)
            fprintf(out, "  nurse %-8s%-22s%s\n", commands[i].name, commands[i].operands, commands[i].about);
    fputs("\n  nurse COMMAND --help          the options of a command\n"
          "  nurse --version\n", out);
}

static void command_help(const struct command *command, FILE *out)
{
    fprintf(out, "usage: nurse %s [OPTION...] %s\n\n%s\n\n", command->name, command->operands, command->about);
    options_help(command->options, out);
}

static int command_start(const struct command *command, char **args)
{
    struct settings settings;
    int status = EXIT_NURSE;
    char **operands;

    if (!command->run) {
        say("%s: not in this version", command->name);
        return EXIT_NURSE;
    }
    if (settings_init(&settings) != 0)
        return EXIT_NURSE;
    switch (options_parse(command->options, &settings, args, &operands)) {
    case OPTIONS_DONE:
        status = command->run(&settings, operands);
        break;
    case OPTIONS_HELP:
        command_help(command, stdout);
        status = command_flush(0);
        break;
    case OPTIONS_BAD:
        break;
    }
    settings_free(&settings);
    return status;
}

int command_flush(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    say("the output could not be written");
    return EXIT_NURSE;
}

int main(int argc, char **argv)
{
    const struct command *command;

    if (argc < 2) {
        say("what shall I do? (nurse --help lists the commands)");
        return EXIT_NURSE;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return command_flush(0);
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("nurse 0.1");
        return command_flush(0);
    }
    if (argv[1][0] == '-')
        return command_start(&commands[0], argv + 1);
    command = command_find(argv[1]);
    if (!command) {
        say("%s: no such command (nurse --help lists them)", argv[1]);
        return EXIT_NURSE;
    }
    return command_start(command, argv + 2);
}
