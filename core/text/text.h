/*
 * text: a call as one line in the manner of strace, and socket addresses as text.
 *
 * Runs in the helper; no Lua here, so that tracing needs no policy. What it prints of the program's memory is the copy
 * that is judged, escaped.
 */
#ifndef NURSE_TEXT_TEXT_H
#define NURSE_TEXT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/helper/call.h"

/* `openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC)`, cut to fit and always terminated. Returns the length in buf. */
size_t text_call(struct call *call, char *buf, size_t size);

/* One argument as text_call() shows it. Returns the length in buf. */
size_t text_argument(struct call *call, int i, char *buf, size_t size);

/* For other writers of lines (shapes.c): text under construction, cut to fit and always terminated. */
struct text { char *buf; size_t size, len; struct call *call; };
void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* At most `shown` of `count` bytes, in quotes, escaped. */
void text_quote(struct text *t, const char *bytes, size_t count, size_t shown);
/* Argument i, as text_call() shows it; what it points to is copied into the call. */
void text_one(struct text *t, int i);
/* Whether the line has no argument i. */
bool text_ends(const struct call *call, int i);

/* The argument as its type has it: sign or zero extended from the width that the kernel looks at. */
int64_t text_integer(const struct call *call, int i);

/* A socket address of the program, of `len` bytes. */
struct text_addr {
    struct sockaddr_storage raw;
    size_t len;
};
const char *text_addr_family(const struct text_addr *addr);              /* "AF_INET", or NULL when it has no name here */
int text_addr_family_of(const char *name);                               /* "AF_INET" or "inet": 2; -1 unknown */
int text_addr_ip(const struct text_addr *addr, char *buf, size_t size);  /* 0, or -1 when the family has no IP address */
int text_addr_port(const struct text_addr *addr);                        /* -1 when the family has none */
/* Path of a unix socket, an abstract one with '@' for its zero byte. Returns its length, or -1 when the family has none. */
int text_addr_path(const struct text_addr *addr, char *buf, size_t size);

void text_addr(struct text *t, const struct text_addr *addr);

/* A time of ABI_STRUCT_IN, as the program gave it: fraction in the unit of its shape. Returns 0 or -errno. */
struct text_time { int64_t seconds, fraction; };
int text_time(struct call *call, int i, struct text_time *out);

/* Parts of openat2's struct open_how. Returns 0, or -errno. */
struct text_how { uint64_t flags, mode, resolve; };
int text_how(struct call *call, int i, struct text_how *out);

#endif
