/*
 * written: see written.h: the forms of a written call: its words, or its parentheses, and what stands around them in a recording.
 *
 * Runs in the command line. Believes nobody. Arguments are read by written_values.c. Test: t/10-unit-written.t.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text/written_inside.h"

enum { WORDS_MAX = 256, NAME_MAX_LENGTH = 64 };

int reader_mistake(struct reader *reader, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(reader->out->mistake, sizeof reader->out->mistake, format, args);
    va_end(args);
    return -1;
}

/* The row of the call's name. */
static int written_name(struct reader *reader, enum abi_arch arch, struct span name)
{
    char text[NAME_MAX_LENGTH];
    const struct abi_call *row;
    int nr;

    snprintf(text, sizeof text, "%.*s", (int)(name.length < sizeof text ? name.length : sizeof text - 1), name.at);
    row = abi_find(text);
    if (!row)
        return reader_mistake(reader, "unknown system call '%s'", text);
    nr = abi_number(arch, row);
    if (nr < 0)
        return reader_mistake(reader, "%s has no system call %s", abi_arch_name(arch), text);
    reader->out->arch = arch;
    reader->out->row = abi_call(arch, nr);
    return value_memory(reader);
}

static int written_begin(struct reader *reader, struct written *out, bool words, enum abi_arch arch, struct span name)
{
    *reader = (struct reader){ .out = out, .words = words };
    out->has_result = false;
    out->mark[0] = out->mistake[0] = '\0';
    memset(out->args, 0, sizeof out->args);
    return written_name(reader, arch, name);
}

static int written_count(const struct abi_call *row)
{
    int count = 0;

    while (count < 6 && row->args[count].type != ABI_NONE)
        count++;
    return count;
}

/* What strace calls an argument that the table calls otherwise. */
static const char *written_alias(const char *name)
{
    static const struct { const char *strace, *ours; } aliases[] = {
        { "child_stack", "stack" }, { "child_tidptr", "child_tid" }, { "parent_tidptr", "parent_tid" },
    };

    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(aliases[i].strace, name) == 0)
            return aliases[i].ours;
    return name;
}

/* NAME=VALUE, where the call has an argument of that name: its index, and the value in *text; else -1. */
static int written_named(const struct abi_call *row, struct span *text)
{
    const char *equals = memchr(text->at, '=', text->length);
    char name[NAME_MAX_LENGTH];

    if (!equals || (size_t)(equals - text->at) >= sizeof name)
        return -1;
    snprintf(name, sizeof name, "%.*s", (int)(equals - text->at), text->at);
    for (int i = 0; i < written_count(row); i++)
        if (strcmp(row->args[i].name, written_alias(name)) == 0) {
            text->length -= (size_t)(equals + 1 - text->at);
            text->at = equals + 1;
            return i;
        }
    return -1;
}

/* ---- in words ----------------------------------------------------------------------------- */

/* Named words go to their places; the others stay, in order. */
static size_t words_name(const struct abi_call *row, struct span *words, size_t count, struct span named[6])
{
    size_t left = 0;

    for (size_t i = 0; i < count; i++) {
        int arg = written_named(row, &words[i]);

        if (arg >= 0)
            named[arg] = words[i];
        else
            words[left++] = words[i];
    }
    return left;
}

/* argv: all words that are left. */
static int words_strings(struct reader *reader, int i, const struct span *words, size_t *used, size_t count)
{
    size_t first = *used;

    if (first < count && words[first].length && *words[first].at == '[') {
        (*used)++;
        return value_read(reader, i, words[first]);
    }
    *used = count;
    return first < count ? value_strings(reader, i, words + first, count - first) : value_left_out(reader, i);
}

static int words_arguments(struct reader *reader, struct span *words, size_t count)
{
    const struct abi_call *row = reader->out->row;
    struct span named[6] = { { NULL, 0 } };
    size_t used = 0;
    int error = 0;

    count = words_name(row, words, count, named);
    for (int i = 0; !error && i < written_count(row); i++) {
        if (named[i].at)
            error = value_read(reader, i, named[i]);
        else if (row->args[i].type == ABI_STRINGS)
            error = words_strings(reader, i, words, &used, count);
        else if (used < count && value_takes(reader, i, words[used]))
            error = value_read(reader, i, words[used++]);
        else
            error = value_left_out(reader, i);
    }
    if (!error && used < count)
        return reader_mistake(reader, "'%.*s': %s takes no more arguments", (int)words[used].length, words[used].at, row->name);
    return error;
}

/* The next word of a text: parted by spaces outside of quotes and brackets. */
static bool words_next(const char **at, struct span *word)
{
    int depth = 0;
    bool quoted = false;

    *at += strspn(*at, " \t\n");
    word->at = *at;
    for (; **at && (quoted || depth > 0 || !isspace((unsigned char)**at)); (*at)++) {
        if (**at == '\\' && (*at)[1])
            (*at)++;
        else if (**at == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += (strchr("[{", **at) != NULL) - (strchr("]}", **at) != NULL);
    }
    word->length = (size_t)(*at - word->at);
    return word->length > 0;
}

static int words_text(struct written *out, enum abi_arch arch, const char *text)
{
    struct span words[WORDS_MAX];
    struct reader reader;
    size_t count = 0;

    while (count < WORDS_MAX && words_next(&text, &words[count]))
        count++;
    if (!count)
        words[count++] = (struct span){ "", 0 };
    if (written_begin(&reader, out, true, arch, words[0]) != 0)
        return -1;
    return words_arguments(&reader, words + 1, count - 1);
}

int written_words(struct written *out, enum abi_arch arch, const char *const *texts)
{
    struct span words[WORDS_MAX];
    struct reader reader;
    size_t count = 0;

    if (!texts[0] || !texts[1])
        return written_text(out, arch, texts[0] ? texts[0] : "");
    for (; count < WORDS_MAX && texts[count]; count++)
        words[count] = (struct span){ texts[count], strlen(texts[count]) };
    if (written_begin(&reader, out, true, arch, words[0]) != 0)
        return -1;
    return words_arguments(&reader, words + 1, count - 1);
}

/* ---- as a line ---------------------------------------------------------------------------- */

/* The argument whose upper half this one is, or -1; the table parts 64-bit offsets, strace writes them as one number. */
static int line_high_of(const struct abi_call *row, int i)
{
    const char *name = row->args[i].name, *end = name ? strstr(name, "_high") : NULL;
    size_t stem = end ? (size_t)(end - name) : 0;

    for (int k = 0; stem && k < written_count(row); k++)
        if (k != i && strncmp(row->args[k].name, name, stem) == 0 && (!row->args[k].name[stem] || strcmp(row->args[k].name + stem, "_low") == 0))
            return k;
    return -1;
}

static int line_highs(const struct abi_call *row)
{
    int count = 0;

    for (int i = 0; i < written_count(row); i++)
        count += line_high_of(row, i) >= 0;
    return count;
}

static void line_part_offsets(struct written *out)
{
    for (int i = 0; i < written_count(out->row); i++) {
        int low = line_high_of(out->row, i);

        if (low >= 0) {
            out->args[i] = out->arch == ABI_I386 || strstr(out->row->args[low].name, "_low") ? out->args[low] >> 32 : 0;
            if (out->arch == ABI_I386 || strstr(out->row->args[low].name, "_low"))
                out->args[low] = (uint32_t)out->args[low];
        }
    }
}

static int line_arguments(struct reader *reader, struct span text)
{
    const struct abi_call *row = reader->out->row;
    struct span parts[8], part;
    int count = 0, used = 0, whole = written_count(row), error = 0;
    bool named[6] = { false };
    bool merged;

    while (count < 8 && span_part(&text, &part)) {
        int i = written_named(row, &part);

        if (i >= 0 && *part.at != '=') {
            named[i] = true;
            if (value_read(reader, i, part) != 0)
                return -1;
        } else {
            parts[count++] = part;
        }
    }
    merged = line_highs(row) > 0 && count <= whole - line_highs(row);
    for (int i = 0; !error && i < whole; i++) {
        if (named[i] || (merged && line_high_of(row, i) >= 0))
            continue;
        error = used < count ? value_read(reader, i, parts[used++]) : value_left_out(reader, i);
    }
    if (!error && used < count && whole > 0 && !span_is(parts[used], "..."))    /* strace shows what rt_sigreturn restores */
        return reader_mistake(reader, "'%.*s': %s takes no more arguments", (int)parts[used].length, parts[used].at, row->name);
    if (!error && merged)
        line_part_offsets(reader->out);
    return error;
}

/* The parenthesis that closes the one at `open`; NULL when there is none. */
static const char *line_close(const char *open)
{
    int depth = 0;
    bool quoted = false;

    for (const char *at = open; *at; at++) {
        if (quoted) {
            if (*at == '\\' && at[1])
                at++;
            else if (*at == '"')
                quoted = false;
        } else if (*at == '"') {
            quoted = true;
        } else if (*at == '(') {
            depth++;
        } else if (*at == ')' && --depth == 0) {
            return at;
        }
    }
    return NULL;
}

/* "<deny policy.lua:3>", at the end of a line of nurse trace's; strace's <0.000012> is none. */
static void line_mark(struct written *out, const char *text)
{
    const char *open = strrchr(text, '<'), *close = open ? strchr(open, '>') : NULL;

    if (close && !isdigit((unsigned char)open[1]))
        snprintf(out->mark, sizeof out->mark, "%.*s", (int)(close - open - 1), open + 1);
}

/* " = -1 EACCES (Permission denied)", " = 3</etc/passwd>", " = ?", " = -EACCES" */
static void line_result(struct written *out, const char *text)
{
    char name[32] = "";
    uint64_t value;
    size_t length;

    text += strspn(text, " \t");
    if (*text == '=') {
        text += 1 + strspn(text + 1, " \t");
        length = strspn(text, "-0123456789abcdefx");
        if (span_number((struct span){ text, length }, &value)) {
            out->has_result = true;
            out->result = (int64_t)value;
            if (out->result == -1 && sscanf(text + length, " %31[A-Z0-9]", name) == 1 && abi_errno(name))
                out->result = -abi_errno(name);
        }
        text += strcspn(text, " \t");
    }
    line_mark(out, text);
}

static int line_read(struct written *out, enum abi_arch arch, const char *text)
{
    const char *open = strchr(text, '('), *close = line_close(open);
    struct reader reader;

    if (!close)
        return reader_mistake(&(struct reader){ .out = out }, "the parenthesis isn't closed");
    if (written_begin(&reader, out, false, arch, span_trim((struct span){ text, (size_t)(open - text) })) != 0)
        return -1;
    if (line_arguments(&reader, (struct span){ open + 1, (size_t)(close - open - 1) }) != 0)
        return -1;
    line_result(out, close + 1);
    return 0;
}

int written_text(struct written *out, enum abi_arch arch, const char *text)
{
    text += strspn(text, " \t");
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '(' ? line_read(out, arch, text) : words_text(out, arch, text);
}

/* Who made the call and when, as strace -f, -t, -r and their kin write it before the call. */
static const char *line_start(const char *line)
{
    for (;;) {
        size_t number;

        line += strspn(line, " \t");
        if (strncmp(line, "[pid ", 5) == 0 && strchr(line, ']'))
            line = strchr(line, ']') + 1;
        else if ((number = strspn(line, "0123456789:.")) > 0 && isspace((unsigned char)line[number]))
            line += number;
        else
            return line;
    }
}

enum written_line written_line(struct written *out, enum abi_arch arch, const char *line)
{
    const char *start = line_start(line);
    size_t name = strspn(start, "abcdefghijklmnopqrstuvwxyz0123456789_");

    out->mistake[0] = '\0';
    if (!name || start[name] != '(' || strstr(start, "<unfinished ...>") || strstr(start, " resumed>"))
        return WRITTEN_OTHER;
    if (strncmp(start, "syscall_", 8) == 0)    /* strace has no name for it */
        return WRITTEN_OTHER;
    return line_read(out, arch, start) == 0 ? WRITTEN_CALL : WRITTEN_BAD;
}

int written_argument(struct written *out, const struct abi_call *row, enum abi_arch arch, int i, const char *text)
{
    struct reader reader = { .out = out, .words = true };

    *out = (struct written){ .arch = arch, .row = row };
    return value_read(&reader, i, (struct span){ text, strlen(text) });
}
