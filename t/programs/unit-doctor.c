/*
 * unit-doctor: the doctor names what is missing. Failing kernels are mocked by feeding it probes that
 * fail; the real table is run too, since this machine must be able to run nurse when it tests nurse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/helper/doctor.h"

static bool yes(char *detail, size_t size)
{
    (void)detail, (void)size;
    return true;
}

static bool no(char *detail, size_t size)
{
    snprintf(detail, size, "tried");
    return false;
}

static int report(const struct doctor_probe *probes, size_t count, char **text)
{
    size_t size;
    FILE *out = open_memstream(text, &size);
    int missing = doctor_report(probes, count, out);

    fclose(out);
    return missing;
}

static const struct doctor_probe lacking[] = {
    {"alpha", DOCTOR_REQUIRED, yes, "one thing", "nothing to do"},
    {"beta", DOCTOR_OPTIONAL, no, "speed", "buy a computer"},
    {"gamma", DOCTOR_REQUIRED, no, "life", "boot another kernel"},
};

static void names_each_missing_feature(void **state)
{
    char *text;

    (void)state;
    assert_int_equal(report(lacking, 3, &text), 1);
    assert_string_equal(text, "ok        alpha: one thing\n"
                              "optional  beta tried: speed\n"
                              "          remedy: buy a computer\n"
                              "missing   gamma tried: life\n"
                              "          remedy: boot another kernel\n");
    free(text);
}

static void an_optional_feature_is_no_failure(void **state)
{
    char *text;

    (void)state;
    assert_int_equal(report(lacking, 2, &text), 0);
    free(text);
}

static void finds_the_cause_of_a_failed_start(void **state)
{
    (void)state;
    assert_ptr_equal(doctor_required(lacking, 3), &lacking[2]);
    assert_null(doctor_required(lacking, 2));
}

static void every_probe_says_why_and_what_to_do(void **state)
{
    (void)state;
    assert_true(doctor_probes_count >= 14);
    for (size_t i = 0; i < doctor_probes_count; i++) {
        assert_non_null(doctor_probes[i].name);
        assert_non_null(doctor_probes[i].probe);
        assert_true(strlen(doctor_probes[i].purpose) > 0);
        assert_true(strlen(doctor_probes[i].remedy) > 0);
    }
}

static void this_machine_has_what_is_required(void **state)
{
    const struct doctor_probe *missing = doctor_required(doctor_probes, doctor_probes_count);

    (void)state;
    if (missing)
        fail_msg("this machine lacks: %s", missing->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_each_missing_feature),
        cmocka_unit_test(an_optional_feature_is_no_failure),
        cmocka_unit_test(finds_the_cause_of_a_failed_start),
        cmocka_unit_test(every_probe_says_why_and_what_to_do),
        cmocka_unit_test(this_machine_has_what_is_required),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
