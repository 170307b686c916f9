/*
 * flags: writes and reads sets of flags as text ("O_RDONLY|O_CLOEXEC").
 *
 * Pure; runs in the helper and in the command line. Believes nobody: bits that no name covers appear
 * in hexadecimal, never dropped. The sets themselves are in flags_*.c. Proved by unit-abi.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/abi/flags.h"

struct text { char *buf; size_t size, length; };

/* Append "|name" (no bar in front of the first); counts on past the end as snprintf does. */
static void text_add(struct text *text, const char *name)
{
    const size_t room = text->length < text->size ? text->size - text->length : 0;
    const int n = snprintf(room ? text->buf + text->length : NULL, room, "%s%s", text->length ? "|" : "", name);

    if (n > 0)
        text->length += (size_t)n;
}

int abi_flags_text(const struct abi_flag *set, uint64_t value, char *buf, size_t size)
{
    struct text text = { buf, size, 0 };

    /* An int that was sign-extended to a word: the kernel looks at its low half. */
    if (value == (uint64_t)(int64_t)(int32_t)value)
        value = (uint32_t)value;

    uint64_t rest = value;
    for (const struct abi_flag *flag = set; flag->name; flag++) {
        /* `rest`: what an earlier, wider name covered (O_SYNC) is not said again (O_DSYNC). */
        if ((value & flag->mask) != flag->value || (rest & flag->value) != flag->value)
            continue;
        text_add(&text, flag->name);
        rest &= ~flag->value;
    }
    if (rest || text.length == 0) {
        char number[24];
        snprintf(number, sizeof number, rest ? "0x%" PRIx64 : "%" PRIu64, rest);
        text_add(&text, number);
    }
    return (int)text.length;
}

int abi_flag_value(const struct abi_flag *set, const char *name, const struct abi_flag **out)
{
    for (const struct abi_flag *flag = set; flag->name; flag++)
        if (strcmp(flag->name, name) == 0) {
            *out = flag;
            return 0;
        }
    return -1;
}
