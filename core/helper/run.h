/*
 * run: one sandbox from its first process to its exit status.
 *
 * Runs in the helper; starts the program and serves its calls until the last process is gone. Believes the judge's verdicts
 * and the user's options, nothing of the program.
 */
#ifndef NURSE_HELPER_RUN_H
#define NURSE_HELPER_RUN_H

#include "core/helper/judge.h"
#include "core/helper/program.h"

enum run_mode { SECCOMP_FILTER, SECCOMP_STRICT };    /* --seccomp */
enum run_gate { GATE_AUTO, GATE_VDSO, GATE_OFF };    /* --gate */

struct run_options {
    enum run_mode mode;
    enum run_gate gate;
};

/* Run the program to its end. Returns the exit status for nurse: the program's own, 128+N for signal N, or one of
 * core/base/say.h after one line on stderr. No process of the sandbox is left. */
int run_program(const struct run_options *options, const struct judge *judge, struct program *program);

#endif
