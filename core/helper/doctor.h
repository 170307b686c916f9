/*
 * doctor: can this machine run a sandbox, and if not, what is missing.
 *
 * Runs in the helper process before anything is started, or instead of it. Believes only what it tried: each probe does,
 * in a short-lived child where needed, the very thing that nurse will do later, since containers and boot options refuse
 * features that the kernel's version promises. Test: t/programs/unit-doctor.c feeds it failing probes.
 */
#ifndef NURSE_HELPER_DOCTOR_H
#define NURSE_HELPER_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum doctor_need { DOCTOR_REQUIRED, DOCTOR_OPTIONAL };

struct doctor_probe {
    const char *name;
    enum doctor_need need;
    /* True when the machine can do it. May write what it found into detail (which is "" before). */
    bool (*probe)(char *detail, size_t size);
    const char *purpose;    /* what nurse needs it for */
    const char *remedy;     /* what a person can do about it */
};

extern const struct doctor_probe doctor_probes[];
extern const size_t doctor_probes_count;

/* Run the probes and print a line for each; returns how many required ones failed. */
int doctor_report(const struct doctor_probe *probes, size_t count, FILE *out);

/* The first required probe that fails, without printing; NULL when none does. */
const struct doctor_probe *doctor_required(const struct doctor_probe *probes, size_t count);

#endif
