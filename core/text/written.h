/*
 * written: calls that somebody wrote down, in words or as a line of strace's, made into calls.
 *
 *   openat /etc/shadow O_RDONLY
 *   openat(AT_FDCWD, "/etc/shadow", O_RDONLY) = -1 EACCES (Permission denied)
 *
 * Pure but for the memory that a call's pointers point to; runs in the command line (`nurse why`, `nurse test`). Believes nobody: what it doesn't
 * understand is a mistake, told with the word and what was expected there. The grammar for users is in doc/man/nurse-why.1.
 */
#ifndef NURSE_TEXT_WRITTEN_H
#define NURSE_TEXT_WRITTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/abi/abi.h"

enum { WRITTEN_MISTAKE = 512, WRITTEN_MARK = 128 };

struct written {
    enum abi_arch arch;
    const struct abi_call *row;         /* as this architecture lays it out */
    uint64_t args[6];                   /* addresses are of nurse's own memory, below 4 GiB, good until the next call is read */
    bool has_result;
    int64_t result;                     /* the kernel's, a negative errno on failure */
    char mark[WRITTEN_MARK];            /* what stood between < and > at the end of the line; "" */
    char mistake[WRITTEN_MISTAKE];
};

/* A call as words; `words` ends with NULL. The first word may hold all of it. Returns 0, or -1 with out->mistake. */
int written_words(struct written *out, enum abi_arch arch, const char *const *words);
/* A call in one text, as words or as a line. Returns 0, or -1 with out->mistake. */
int written_text(struct written *out, enum abi_arch arch, const char *text);

/* A line of a recording: the call in it; WRITTEN_OTHER for lines without a whole call (signals, exits, unfinished and resumed ones). */
enum written_line { WRITTEN_CALL, WRITTEN_OTHER, WRITTEN_BAD };
enum written_line written_line(struct written *out, enum abi_arch arch, const char *line);

/* What a text means where argument i of a row stands, as in words: out->args[i]. The memory of the call read last stays as it is.
 * Returns 0, or -1 with out->mistake. */
int written_argument(struct written *out, const struct abi_call *row, enum abi_arch arch, int i, const char *text);

#endif
