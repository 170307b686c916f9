/*
 * nurse doctor: prints what core/helper/doctor.c found. Runs in the helper process; starts no sandbox.
 * Test: t/programs/unit-doctor.c, t/20-live-cli.t.
 */
#include "core/helper/doctor.h"

#include "core/base/say.h"
#include "core/cli/commands.h"

int command_doctor(struct settings *settings, char **operands)
{
    int missing;

    (void)settings;
    if (*operands) {
        say("doctor: takes no operand, %s", *operands);
        return EXIT_NURSE;
    }
    missing = doctor_report(doctor_probes, doctor_probes_count, stdout);
    if (missing != 0)
        say("doctor: %d required feature%s missing", missing, missing == 1 ? " is" : "s are");
    return command_flush(missing ? EXIT_NURSE : 0);
}
