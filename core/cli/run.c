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
#include "core/judges/denials.h"
#include "core/judges/shadow.h"
#include "core/judges/trace.h"

struct lookers { struct shadow *shadow; struct trace *trace; };

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

/* Who looks on: what they note is told when the program has ended. */
static struct judge *run_wrap(struct judge judges[4], const struct lookers *lookers, struct denials **denials)
{
    struct judge *judge = judges;

    *denials = lookers->trace || say_verbosity < 0 ? NULL : denials_new(judge);
    if (*denials) {
        judge[1] = denials_judge(*denials);
        judge++;
    }
    if (lookers->shadow) {
        judge[1] = shadow_judge(lookers->shadow, judge);
        judge++;
    }
    if (lookers->trace) {
        judge[1] = trace_judge(lookers->trace, judge);
        judge++;
    }
    return judge;
}

static int run_judged(struct settings *settings, char **operands, struct judge first, const struct lookers *lookers)
{
    struct judge judges[4] = { first };
    struct program program;
    struct denials *denials;
    int status = program_find(&program, operands);

    if (status != 0)
        return status;
    status = run_explain(run_program(&settings->run, run_wrap(judges, lookers, &denials), &program));
    denials_end(denials);
    program_free(&program);
    return status;
}

int run_looked_on(struct settings *settings, char **operands, struct judge judge, struct trace *trace)
{
    struct lookers lookers = { .trace = trace };
    struct policy *next = NULL;
    int status;

    if (settings->shadows.count) {
        next = settings_shadow(settings);
        if (!next)
            return EXIT_NURSE;
        lookers.shadow = shadow_new(next);
    }
    status = run_judged(settings, operands, judge, &lookers);
    shadow_end(lookers.shadow);
    policy_free(next);
    return status;
}

int command_run(struct settings *settings, char **operands)
{
    struct policy *policy;
    int status;

    if (!*operands) {
        say("run: which program? (nurse run [OPTION...] -- PROGRAM [ARG...])");
        return EXIT_NURSE;
    }
    policy = settings_policy(settings, settings->policies.words, settings->policies.count);
    if (!policy)
        return EXIT_NURSE;
    status = run_looked_on(settings, operands, policy_judge(policy), NULL);
    policy_free(policy);
    return status;
}
