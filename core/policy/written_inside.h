/*
 * written_inside: what the two halves of the reader of written calls share: written.c knows the forms, written_values.c the arguments.
 */
#ifndef NURSE_POLICY_WRITTEN_INSIDE_H
#define NURSE_POLICY_WRITTEN_INSIDE_H

#include "core/policy/written.h"

/* A piece of the text. */
struct span { const char *at; size_t length; };

struct reader {
    struct written *out;
    bool words;                 /* the words form: what is left out is guessed, bare words are strings */
    size_t data[6];             /* bytes, or elements, of what argument i points to, for the length that follows it */
};

/* One argument. Return 0, or -1 with a mistake. */
int value_read(struct reader *reader, int i, struct span text);
/* The value of an argument that isn't there. */
int value_left_out(struct reader *reader, int i);
/* Whether, in the words form, this word is for argument i: of those that may be left out. */
bool value_takes(const struct reader *reader, int i, struct span text);
/* The strings of a list argument (argv), each a span. */
int value_strings(struct reader *reader, int i, const struct span *strings, size_t count);
/* The memory is empty again. Returns 0, or -1 with a mistake. */
int value_memory(struct reader *reader);

/* Text. */
struct span span_trim(struct span text);
bool span_is(struct span text, const char *word);
/* The next part of a list up to a comma outside of quotes and brackets; false at the end. `rest` moves past it. */
bool span_part(struct span *rest, struct span *part);
/* A number: decimal, hexadecimal, octal, all of the text. */
bool span_number(struct span text, uint64_t *value);

int reader_mistake(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
