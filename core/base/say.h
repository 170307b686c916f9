/*
 * say: nurse's own voice on stderr, the only place that formats it.
 *
 * Runs in the helper and in the command line; the stub never links it.
 * Every message starts with "nurse: " (or "nurse: file:line: ") and is one line; text that came
 * from the program or from a file is escaped, so that it can't forge a line or move the cursor.
 */
#ifndef NURSE_BASE_SAY_H
#define NURSE_BASE_SAY_H

#include <stdarg.h>
#include <stddef.h>

/* Exit statuses of nurse itself: part of the contract with users. */
enum {
    EXIT_TIME_LIMIT = 124,    /* a time limit of nurse's ended the program */
    EXIT_NURSE = 125,         /* nurse failed: bad policy, missing kernel feature */
    EXIT_CANNOT_RUN = 126,    /* the program was found but can't be run */
    EXIT_NOT_FOUND = 127,     /* the program was not found */
};

extern int say_verbosity;    /* -1 with -q, 0, 1 with -v */

/* A line that always appears: errors. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A line that -q silences: denials, notices. */
void say_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A line that only -v shows. */
void say_detail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* say(), then exit(status). */
_Noreturn void die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
