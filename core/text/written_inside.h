/*
 * written_inside: what the files of the reader of written calls share: written.c knows the forms, written_values.c the arguments, written_structs.c
 * what they point to, written_text.c the letters.
 */
#ifndef NURSE_TEXT_WRITTEN_INSIDE_H
#define NURSE_TEXT_WRITTEN_INSIDE_H

#include "core/text/written.h"

/* A piece of the text. */
struct span { const char *at; size_t length; };

struct reader {
    struct written *out;
    bool words;                 /* the words form: what is left out is guessed, bare words are strings */
    size_t data[6];             /* bytes, or elements, of what argument i points to, for the length that follows it */
};

enum {
    VALUE_ROOM = 4096,        /* bytes for what the kernel would fill, and for structs that are not read here */
    VALUE_ELEMENTS = 256,     /* of a list */
};

/* written.c: -1, always */
int reader_mistake(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* written_values.c. One argument. Return 0, or -1 with a mistake. */
int value_read(struct reader *reader, int i, struct span text);
/* The value of an argument that isn't there. */
int value_left_out(struct reader *reader, int i);
/* Whether, in the words form, this word is for argument i: of those that may be left out. */
bool value_takes(const struct reader *reader, int i, struct span text);
/* The strings of a list argument (argv), each a span. */
int value_strings(struct reader *reader, int i, const struct span *strings, size_t count);
/* The memory is empty again. Returns 0, or -1 with a mistake. */
int value_memory(struct reader *reader);
/* Zeroed bytes of it; NULL after a mistake. */
void *value_take(struct reader *reader, size_t size);
/* The argument is this address; -1 when it is NULL. */
int value_pointer(struct reader *reader, int i, const void *at);
/* NULL, and addresses as they are: 1, the argument is done. */
int value_address(struct reader *reader, int i, struct span text);
/* The bytes of a string in memory, a NUL behind, with room for `least`; *count of them. NULL after a mistake. */
char *value_bytes(struct reader *reader, struct span text, size_t least, size_t *count);
const struct abi_arg *value_arg(const struct reader *reader, int i);
/* -1, with a mistake: what was expected in place of `text`; of a set, its names. */
int value_expected(struct reader *reader, int i, struct span text, const char *what);
int value_expected_name(struct reader *reader, int i, struct span text, const struct abi_flag *set);

/* written_structs.c, each one argument. A time of `size` bytes, struct open_how, vectors, a socket address, one message's header or several. */
int value_time(struct reader *reader, int i, struct span text, size_t size);
int value_how(struct reader *reader, int i, struct span text);
int value_vectors(struct reader *reader, int i, struct span text);
int value_addr(struct reader *reader, int i, struct span text);
int value_header(struct reader *reader, int i, struct span text);
int value_headers(struct reader *reader, int i, struct span text);

/* written_text.c */
struct span span_trim(struct span text);
bool span_is(struct span text, const char *word);
bool span_begins(struct span text, const char *word);
struct span span_after(struct span text, size_t count);
/* The next part of a list up to a comma outside of quotes and brackets; false at the end. `rest` moves past it. */
bool span_part(struct span *rest, struct span *part);
/* What stands between the first bracket and its end. */
struct span span_inside(struct span text);
/* NAME=value in braces. */
bool span_field(struct span braces, const char *name, struct span *value);
/* A number: decimal, hexadecimal, octal, all of the text. */
bool span_number(struct span text, uint64_t *value);
/* The bytes of a string, quoted or bare; `into` has room for as many as the text is long. Returns how many. */
size_t span_unescape(struct span text, char *into);
/* Names and numbers with '|' between: of the set, or (NULL) of any. On failure *wrong is the first that is none. */
bool names_read(const struct abi_flag *set, struct span text, uint64_t *value, struct span *wrong);

#endif
