/*
 * nurse test: runs files of unit tests of policies, and prints TAP.
 *
 * Runs in the command line, starts no sandbox and makes no call of those that are judged. The words of a test file are in core/policy/testing.c.
 * Test: t/68-live-nursetest.t.
 */
#include <stdio.h>

#include "core/base/say.h"
#include "core/cli/commands.h"
#include "core/policy/testing.h"

enum { TEST_FAILED = 1 };    /* exit status */

int command_test(struct settings *settings, char **operands)
{
    struct testing_options options = { .on_error = settings->on_error, .parameters = settings->params.words, .out = stdout };
    struct testing_count count = { 0, 0 };

    if (!*operands) {
        say("test: which file? (nurse test FILE.lua...)");
        return EXIT_NURSE;
    }
    for (; *operands; operands++)
        if (testing_run(*operands, &options, &count) != 0) {
            fflush(stdout);
            return EXIT_NURSE;
        }
    printf("1..%zu\n", count.tests);
    if (count.failed)
        printf("# %zu of %zu failed\n", count.failed, count.tests);
    return command_flush(count.failed ? TEST_FAILED : 0);
}
