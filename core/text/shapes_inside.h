/*
 * shapes_inside: what shapes.c and shapes_memory.c share; nobody else includes it.
 */
#ifndef NURSE_TEXT_SHAPES_INSIDE_H
#define NURSE_TEXT_SHAPES_INSIDE_H

#include "core/text/shapes.h"

enum { SHOWN = 32, ITEMS = 32, PATHS = 4096 };    /* bytes of a buffer, items of a list, bytes of a string that is a name */

bool shape_wide(const struct text *t);
/* The program's argument i, as an address; and how an address is shown. */
uint64_t shape_address(const struct text *t, int i);
void shape_show_address(struct text *t, uint64_t value);
/* Bytes, or words of the program's class, at an address: all of them, or the address is shown and the answer is false. */
bool shape_fetch(struct text *t, uint64_t at, void *buf, size_t count);
bool shape_words(struct text *t, uint64_t at, uint64_t *words, size_t count);
/* A string, of which at most `shown` bytes matter. */
void shape_string(struct text *t, uint64_t at, size_t shown);
/* For the table: how argument i is shown. */
void shape_buffer_in(struct text *t, int i, const int64_t *result);
void shape_buffer_out(struct text *t, int i, const int64_t *result);
void shape_name(struct text *t, int i, const int64_t *result);
void shape_cwd(struct text *t, int i, const int64_t *result);
void shape_random(struct text *t, int i, const int64_t *result);
void shape_entries(struct text *t, int i, const int64_t *result);
void shape_vector_in(struct text *t, int i, const int64_t *result);
void shape_vector_out(struct text *t, int i, const int64_t *result);
void shape_sockaddr(struct text *t, uint64_t at, uint64_t length);
void shape_message_in(struct text *t, int i, const int64_t *result);
void shape_message_out(struct text *t, int i, const int64_t *result);
void shape_strings(struct text *t, int i, const int64_t *result);
void shape_variables(struct text *t, int i, const int64_t *result);

#endif
