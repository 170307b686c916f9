/*
 * say: formats one line, makes it harmless, writes it with one write(2) to stderr.
 *
 * Runs in the helper and in the command line. Believes no byte of what it prints: a path or a message may come from the program. Whatever
 * could end the line, steer the terminal or turn the text around is spelled in hexadecimal. Proven by t/programs/unit-say.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/say.h"

enum { SAY_PATIENCE = 200 };    /* milliseconds */

enum { LINE_MAX_RAW = 3 * 4096 };    /* two paths and words around them; the rest is cut */

int say_verbosity;

/* Control characters (C0, DEL, C1), line and paragraph separators, and what changes the direction of the text after it. */
static int say_is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* The number of bytes of the valid and safe character at the start of text, or 0. */
static size_t say_character(const unsigned char *text, size_t left)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };    /* shorter spellings are not valid */
    size_t length = text[0] < 0x80 ? 1 : text[0] < 0xc0 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : text[0] < 0xf8 ? 4 : 0;
    uint32_t c = length > 1 ? text[0] & (0x7fU >> length) : text[0];

    if (!length || length > left)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (text[i] & 0x3f);
    }
    if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || say_is_unsafe(c))
        return 0;
    return length;
}

/* Writes at most 4 bytes for one; returns the end. */
static char *say_escape(char *out, const char *text, size_t left)
{
    while (left) {
        size_t length = say_character((const unsigned char *)text, left);

        if (length)
            out = mempcpy(out, text, length);
        else if (*text == '\n')
            out = stpcpy(out, "\\n");
        else
            out += sprintf(out, "\\x%02x", (unsigned char)*text);
        length += !length;
        text += length;
        left -= length;
    }
    return out;
}

static void say_line(const char *fmt, va_list args)
{
    char raw[LINE_MAX_RAW], line[4 * LINE_MAX_RAW + sizeof("nurse: ...\n")], *end;
    int saved = errno, length = vsnprintf(raw, sizeof(raw), fmt, args);
    ssize_t written;

    if (length < 0)
        length = snprintf(raw, sizeof(raw), "(a message that can't be formatted)");
    end = stpcpy(line, "nurse: ");
    end = say_escape(end, raw, (size_t)length < sizeof(raw) ? (size_t)length : sizeof(raw) - 1);
    end = stpcpy(end, (size_t)length < sizeof(raw) ? "\n" : "...\n");
    /* Whoever reads our stderr may be the program's accomplice: a full pipe costs the line, not the helper's time. */
    if (poll(&(struct pollfd){ .fd = STDERR_FILENO, .events = POLLOUT }, 1, SAY_PATIENCE) <= 0) {
        errno = saved;
        return;
    }
    do
        written = write(STDERR_FILENO, line, (size_t)(end - line));
    while (written < 0 && errno == EINTR);
    errno = saved;
}

/* The three voices differ in the verbosity from which they are heard. */
#define SAY_FROM(verbosity, fmt)             \
    do {                                     \
        va_list args;                        \
                                             \
        if (say_verbosity < (verbosity))     \
            return;                          \
        va_start(args, fmt);                 \
        say_line(fmt, args);                 \
        va_end(args);                        \
    } while (0)

void say(const char *fmt, ...)
{
    SAY_FROM(-1, fmt);
}

void say_notice(const char *fmt, ...)
{
    SAY_FROM(0, fmt);
}

void say_detail(const char *fmt, ...)
{
    SAY_FROM(1, fmt);
}

void die(int status, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say_line(fmt, args);
    va_end(args);
    exit(status);
}
