/*
 * shapes_memory: bytes, strings, vectors and messages of the program, as strace shows them.
 *
 * Runs in the helper. Whom it believes: nobody: what can't be read is shown as its address, what is long is cut. Test: t/69-live-trace.t.
 */
#include <string.h>

#include "core/text/shapes_inside.h"

bool shape_wide(const struct text *t)
{
    return call_arch(t->call) == ABI_X86_64;
}

uint64_t shape_address(const struct text *t, int i)
{
    return call_arg(t->call, i);
}

void shape_show_address(struct text *t, uint64_t value)
{
    if (value)
        text_add(t, "%#llx", (unsigned long long)value);
    else
        text_add(t, "NULL");
}

/* Bytes at an address of the program, all or none; where there are none, the address is shown. */
bool shape_fetch(struct text *t, uint64_t at, void *buf, size_t count)
{
    if (at && call_read(t->call, at, buf, count) == (ssize_t)count)
        return true;
    shape_show_address(t, at);
    return false;
}

static bool fetch_argument(struct text *t, int i, void *buf, size_t count)
{
    if (shape_address(t, i) && call_peek(t->call, i, buf, count) == (ssize_t)count)
        return true;
    shape_show_address(t, shape_address(t, i));
    return false;
}

/* `count` words of the program; false: the address was shown. */
bool shape_words(struct text *t, uint64_t at, uint64_t *words, size_t count)
{
    uint32_t narrow[8];

    if (shape_wide(t))
        return shape_fetch(t, at, words, count * sizeof *words);
    if (count > sizeof narrow / sizeof *narrow || !shape_fetch(t, at, narrow, count * sizeof *narrow))
        return false;
    for (size_t k = 0; k < count; k++)
        words[k] = narrow[k];
    return true;
}

/* --- bytes and strings --- */

static void show_bytes(struct text *t, uint64_t at, uint64_t count)
{
    char bytes[SHOWN];
    size_t part = count < SHOWN ? (size_t)count : SHOWN;

    if (part == 0)
        text_add(t, at ? "\"\"" : "NULL");
    else if (shape_fetch(t, at, bytes, part))
        text_quote(t, bytes, count > SHOWN ? SHOWN + 1 : part, SHOWN);
}

/* A string, of which at most `shown` bytes matter. */
void shape_string(struct text *t, uint64_t at, size_t shown)
{
    enum { STEP = 256, PAGE = 4096 };
    char text[PATHS + 1];
    size_t have = 0, length;

    if (shown > PATHS)
        shown = PATHS;
    do {
        size_t step = PAGE - (at + have) % PAGE < STEP ? PAGE - (at + have) % PAGE : STEP;
        ssize_t n = at ? call_read(t->call, at + have, text + have, step < shown + 1 - have ? step : shown + 1 - have) : 0;

        if (n <= 0) {
            shape_show_address(t, at);
            return;
        }
        length = have + strnlen(text + have, (size_t)n);
        have += (size_t)n;
    } while (length == have && have <= shown);
    text_quote(t, text, length, shown);
}

void shape_buffer_in(struct text *t, int i, const int64_t *result)
{
    char bytes[SHOWN];
    uint64_t count = i < 5 ? (uint64_t)text_integer(t->call, i + 1) : 0;
    size_t part = count < SHOWN ? (size_t)count : SHOWN;

    (void)result;
    if (part == 0 || !shape_address(t, i))
        show_bytes(t, shape_address(t, i), 0);
    else if (fetch_argument(t, i, bytes, part))
        text_quote(t, bytes, count > SHOWN ? SHOWN + 1 : part, SHOWN);
}

void shape_buffer_out(struct text *t, int i, const int64_t *result)
{
    show_bytes(t, shape_address(t, i), (uint64_t)*result);
}

void shape_name(struct text *t, int i, const int64_t *result)
{
    (void)result;
    shape_string(t, shape_address(t, i), PATHS);
}

/* getcwd returns the length with the NUL. */
void shape_cwd(struct text *t, int i, const int64_t *result)
{
    shape_string(t, shape_address(t, i), *result > 0 ? (size_t)*result : 0);
}

void shape_random(struct text *t, int i, const int64_t *result)
{
    unsigned char bytes[SHOWN];
    size_t count = *result < SHOWN ? (size_t)*result : SHOWN;

    if (!shape_fetch(t, shape_address(t, i), bytes, count))
        return;
    text_add(t, "\"");
    for (size_t k = 0; k < count; k++)
        text_add(t, "\\x%02x", bytes[k]);
    text_add(t, *result > SHOWN ? "\"..." : "\"");
}

void shape_entries(struct text *t, int i, const int64_t *result)
{
    int count = 0;
    bool is64 = call_row(t->call)->name[strlen(call_row(t->call)->name) - 1] == '4';
    size_t at_length = is64 ? 16 : shape_wide(t) ? 16 : 8;
    uint16_t length = 0;

    for (int64_t at = 0; at < *result && count < 65536; at += length, count++)
        if (call_read(t->call, shape_address(t, i) + (uint64_t)at + at_length, &length, sizeof length) != sizeof length || length == 0)
            break;
    shape_show_address(t, shape_address(t, i));
    text_add(t, " /* %d entries */", count);
}

/* --- vectors --- */

static void show_vector(struct text *t, uint64_t at, uint64_t count, int64_t filled, bool late)
{
    uint64_t word[2];

    text_add(t, "[");
    for (uint64_t k = 0; k < count; k++, at += shape_wide(t) ? 16 : 8) {
        if (k)
            text_add(t, ", ");
        if (k == ITEMS) {
            text_add(t, "...");
            break;
        }
        if (!shape_words(t, at, word, 2))
            break;
        uint64_t bytes = late && (int64_t)word[1] > filled ? (uint64_t)filled : word[1];
        text_add(t, "{iov_base=");
        show_bytes(t, word[0], bytes);
        text_add(t, ", iov_len=%llu}", (unsigned long long)word[1]);
        filled -= (int64_t)bytes;
    }
    text_add(t, "]");
}

void shape_vector_in(struct text *t, int i, const int64_t *result)
{
    (void)result;
    show_vector(t, shape_address(t, i), (uint64_t)text_integer(t->call, i + 1), 0, false);
}

void shape_vector_out(struct text *t, int i, const int64_t *result)
{
    show_vector(t, shape_address(t, i), (uint64_t)text_integer(t->call, i + 1), *result, true);
}

void shape_sockaddr(struct text *t, uint64_t at, uint64_t length)
{
    struct text_addr addr = { .len = length < sizeof addr.raw ? (size_t)length : sizeof addr.raw };

    if (at && length && shape_fetch(t, at, &addr.raw, addr.len))
        text_addr(t, &addr);
    else if (!at || !length)
        shape_show_address(t, at);
}

static void show_message(struct text *t, int i, int64_t filled, bool late)
{
    uint64_t m[7] = { 0 };    /* name, namelen, iov, iovlen, control, controllen, flags */

    if (!shape_words(t, shape_address(t, i), m, 7))
        return;
    m[1] = (uint32_t)m[1];
    text_add(t, "{msg_name=");
    shape_sockaddr(t, m[0], m[1]);
    text_add(t, ", msg_namelen=%llu, msg_iov=", (unsigned long long)m[1]);
    show_vector(t, m[2], m[3], filled, late);
    text_add(t, ", msg_iovlen=%llu, msg_controllen=%llu, msg_flags=%#x}", (unsigned long long)m[3], (unsigned long long)m[5], (unsigned)m[6]);
}

void shape_message_in(struct text *t, int i, const int64_t *result)
{
    (void)result;
    show_message(t, i, 0, false);
}

void shape_message_out(struct text *t, int i, const int64_t *result)
{
    show_message(t, i, *result, true);
}

void shape_strings(struct text *t, int i, const int64_t *result)
{
    uint64_t at = shape_address(t, i), word;
    int count = 0;

    (void)result;
    if (!at) {
        text_add(t, "NULL");
        return;
    }
    text_add(t, "[");
    for (; count <= ITEMS; count++, at += shape_wide(t) ? 8 : 4) {
        struct text item = *t;
        if (count)
            text_add(t, ", ");
        if (!shape_words(t, at, &word, 1))
            break;
        if (!word) {
            *t = item;
            break;
        }
        if (count == ITEMS)
            text_add(t, "...");
        else
            shape_string(t, word, SHOWN);
    }
    text_add(t, "]");
}

void shape_variables(struct text *t, int i, const int64_t *result)
{
    enum { COUNTED = 65536 };
    uint64_t at = shape_address(t, i), words[32];
    size_t width = shape_wide(t) ? 8 : 4;
    int count = 0;

    (void)result;
    shape_show_address(t, at);
    while (at && count < COUNTED) {
        size_t step = (4096 - at % 4096) / width;
        ssize_t n = call_read(t->call, at, words, (step && step < 32 ? step : step ? 32 : 1) * width);
        if (n < (ssize_t)width)
            break;
        for (ssize_t k = 0; k < n / (ssize_t)width; k++, count++) {
            uint32_t narrow;
            memcpy(&narrow, (char *)words + (size_t)k * width, sizeof narrow);
            if (shape_wide(t) ? !words[k] : !narrow) {
                text_add(t, " /* %d vars */", count);
                return;
            }
        }
        at += (uint64_t)n;
    }
}
