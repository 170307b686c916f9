/*
 * nurse trace: run a program and print its system calls in the manner of strace, with what a policy says to them.
 *
 * Runs in the helper. Believes the user and the policy. Test: t/69-live-trace.t.
 */
#include "core/judges/trace.h"

#include "core/base/say.h"
#include "core/cli/commands.h"
#include "core/judges/allow.h"

static int trace_under(struct settings *settings, char **operands, struct trace *trace)
{
    struct policy *policy;
    int status;

    if (!settings->policies.count)
        return run_looked_on(settings, operands, allow_judge(), trace);
    policy = settings_policy(settings, settings->policies.words, settings->policies.count);
    if (!policy)
        return EXIT_NURSE;
    status = run_looked_on(settings, operands, policy_judge(policy), trace);
    policy_free(policy);
    return status;
}

int command_trace(struct settings *settings, char **operands)
{
    const struct trace_options options = {
        .names = settings->traced.words, .file = settings->trace_file, .paths = settings->trace_paths,
    };
    struct trace *trace;
    int status;

    if (!*operands) {
        say("trace: which program? (nurse trace [OPTION...] -- PROGRAM [ARG...])");
        return EXIT_NURSE;
    }
    if (trace_new(&trace, &options) != 0)
        return EXIT_NURSE;
    status = trace_under(settings, operands, trace);
    trace_free(trace);
    return status;
}
