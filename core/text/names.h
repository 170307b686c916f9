/*
 * names: strace's way of naming system calls, for -e.
 */
#ifndef NURSE_TEXT_NAMES_H
#define NURSE_TEXT_NAMES_H

#include <stdint.h>

enum { NAMES_BYTES = 128 };    /* a bit for each abi_index() */

/* Add what one -e names: calls and groups, with '!' before them all others; "trace=" may stand before. Returns 0, or -1 after one line on stderr. */
int names_add(uint8_t named[NAMES_BYTES], const char *list);

#endif
