/*
 * nurse run: policy, program, sandbox, in this order, so that a mistake in either is told before
 * anything starts.
 *
 * Runs in the helper. Believes the user and the policy. Test: t/20-live-cli.t.
 */
#include "core/helper/run.h"

#include "core/base/say.h"
#include "core/cli/commands.h"
#include "core/helper/doctor.h"
#include "core/policy/denials.h"

/* nurse itself failed: if the machine lacks something, that is the cause to name. */
static int run_explain(int status)
{
    const struct doctor_probe *missing;

    if (status != EXIT_NURSE)
        return status;
    missing = doctor_required(doctor_probes, doctor_probes_count);
    if (missing)
        say("this machine lacks \"%s\" (%s): %s", missing->name, missing->purpose, missing->remedy);
    return status;
}

int command_run(struct settings *settings, char **operands)
{
    struct program program;
    struct denials *denials;
    struct policy *policy;
    struct judge judge;
    int status;

    if (!*operands) {
        say("run: which program? (nurse run [OPTION...] -- PROGRAM [ARG...])");
        return EXIT_NURSE;
    }
    policy = settings_policy(settings, settings->policies.words, settings->policies.count);
    if (!policy)
        return EXIT_NURSE;
    status = program_find(&program, operands);
    if (status == 0) {
        judge = policy_judge(policy);
        denials = say_verbosity >= 0 ? denials_new(&judge) : NULL;
        if (denials)
            judge = denials_judge(denials);
        status = run_explain(run_program(&settings->run, &judge, &program));
        denials_end(denials);
        program_free(&program);
    }
    policy_free(policy);
    return status;
}
