/*
 * strings: the lists of strings that an exec hands over, argv and envp.
 *
 * Runs in the helper. The program is not believed: list and strings are fetched once, an error too, and from then on the copy is what is judged
 * and executed; the program can change its own as it likes. Limits are those of the kernel's exec. Test: t/10-unit-strings.t.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/helper/call_private.h"
#include "core/helper/memory.h"

/* What Linux takes: bytes of one string with its NUL; of all strings and pointers together, at least and at most. */
enum { STRING_MOST = 128 << 10, TOGETHER_LEAST = 128 << 10, TOGETHER_MOST = 6 << 20 };

struct call_strings {
    int error;              /* 0, or why the list can't be had, once and for all */
    size_t count;
    size_t size, room;      /* bytes of text: used, allocated */
    char *text;             /* the strings, one after the other */
    const char **list;      /* ends with NULL */
};

/* Which of the call's lists argument i is, or -1. */
static int strings_slot(const struct call *call, int i)
{
    int slot = 0;

    if (i < 0 || i > 5 || call->row->args[i].type != ABI_STRINGS)
        return -1;
    while (i-- > 0)
        slot += call->row->args[i].type == ABI_STRINGS;
    return slot < CALL_LISTS ? slot : -1;
}

/* A quarter of the stack, within bounds. */
static size_t strings_limit(const struct call *call)
{
    struct rlimit stack;

    if (prlimit(call->process->pid, RLIMIT_STACK, NULL, &stack) < 0 || stack.rlim_cur / 4 > TOGETHER_MOST)
        return TOGETHER_MOST;
    return stack.rlim_cur / 4 < TOGETHER_LEAST ? TOGETHER_LEAST : stack.rlim_cur / 4;
}

/* What a list takes of the limit. */
static size_t strings_cost(const struct call_strings *strings)
{
    return strings && !strings->error ? strings->size + strings->count * sizeof(char *) : 0;
}

/* What the call's other list leaves of the limit. */
static size_t strings_left(const struct call *call, int slot)
{
    size_t limit = strings_limit(call), used = strings_cost(call->strings[!slot]);

    return used < limit ? limit - used : 0;
}

static void strings_free(struct call_strings *strings)
{
    if (!strings)
        return;
    free(strings->text);
    free(strings->list);
    free(strings);
}

void call_free_strings(struct call *call)
{
    for (int slot = 0; slot < CALL_LISTS; slot++) {
        strings_free(call->strings[slot]);
        call->strings[slot] = NULL;
    }
}

/* Find the strings in the text again: it doesn't move any more. */
static int strings_index(struct call_strings *strings)
{
    const char *text = strings->text;

    strings->list = malloc((strings->count + 1) * sizeof *strings->list);
    if (!strings->list)
        return -ENOMEM;
    for (size_t i = 0; i < strings->count; i++) {
        strings->list[i] = text;
        text += strlen(text) + 1;
    }
    strings->list[strings->count] = NULL;
    return 0;
}

/* Add bytes to the text. */
static int strings_add(struct call_strings *strings, const char *bytes, size_t count)
{
    if (!strings->text || strings->room - strings->size < count) {
        size_t room = 2 * strings->size + count + 1024;
        char *text = realloc(strings->text, room);

        if (!text)
            return -ENOMEM;
        strings->text = text;
        strings->room = room;
    }
    memcpy(strings->text + strings->size, bytes, count);
    strings->size += count;
    return 0;
}

/* ---- out of the program's memory ---------------------------------------------------------- */

static int strings_fetch_pointer(struct memory_ahead *ahead, uint64_t addr, size_t width, uint64_t *pointer)
{
    const char *bytes;
    ssize_t n;

    *pointer = 0;    /* little-endian: four bytes fill the low half */
    for (size_t done = 0; done < width; done += (size_t)n) {
        n = memory_ahead(ahead, addr + done, &bytes);
        if (n < 0)
            return (int)n;
        if ((size_t)n > width - done)
            n = (ssize_t)(width - done);
        memcpy((char *)pointer + done, bytes, (size_t)n);
    }
    return 0;
}

static int strings_fetch_string(struct memory_ahead *ahead, uint64_t addr, struct call_strings *strings)
{
    const char *bytes, *end = NULL;
    size_t length = 0;

    while (!end) {
        ssize_t n = length < STRING_MOST ? memory_ahead(ahead, addr + length, &bytes) : -E2BIG;
        int error;

        if (n < 0)
            return (int)n;
        if ((size_t)n > STRING_MOST - length)
            n = (ssize_t)(STRING_MOST - length);
        end = memchr(bytes, '\0', (size_t)n);
        error = strings_add(strings, bytes, end ? (size_t)(end - bytes) + 1 : (size_t)n);
        if (error)
            return error;
        length += (size_t)n;
    }
    return 0;
}

/* The list at `addr`; NULL is an empty one. */
static int strings_fetch(struct call *call, uint64_t addr, size_t left, struct call_strings *strings)
{
    size_t width = call->arch == ABI_I386 ? 4 : 8;
    struct memory_ahead list, text;
    uint64_t pointer = 0;
    int error = 0;

    memory_ahead_start(&list, call->tid);
    memory_ahead_start(&text, call->tid);
    for (; addr; addr += width) {
        error = strings_fetch_pointer(&list, addr, width, &pointer);
        if (error || !pointer)
            break;
        error = strings_fetch_string(&text, pointer, strings);
        strings->count++;
        if (!error && strings_cost(strings) > left)
            error = -E2BIG;
        if (error)
            break;
    }
    return error ? error : strings_index(strings);
}

int call_strings(struct call *call, int i, const char *const **strings, size_t *count)
{
    int slot = strings_slot(call, i);
    struct call_strings *mine;

    if (slot < 0)
        return -EINVAL;
    mine = call->strings[slot];
    if (!mine) {
        mine = calloc(1, sizeof *mine);
        if (!mine)
            return -ENOMEM;
        mine->error = strings_fetch(call, call->args[i], strings_left(call, slot), mine);
        call->strings[slot] = mine;
    }
    if (mine->error)
        return mine->error;
    *strings = mine->list;
    *count = mine->count;
    return 0;
}

/* ---- assigned ----------------------------------------------------------------------------- */

static int strings_copy(const char *const *from, size_t count, size_t left, struct call_strings *strings)
{
    if (count > left / sizeof(char *))
        return -E2BIG;
    strings->count = count;
    for (size_t i = 0; i < count; i++) {
        size_t length = strnlen(from[i], STRING_MOST);
        int error = length < STRING_MOST ? strings_add(strings, from[i], length + 1) : -E2BIG;

        if (error)
            return error;
        if (strings_cost(strings) > left)
            return -E2BIG;
    }
    return strings_index(strings);
}

int call_set_strings(struct call *call, int i, const char *const *strings, size_t count)
{
    int slot = strings_slot(call, i), error;
    struct call_strings *mine;

    if (slot < 0)
        return -EINVAL;
    mine = calloc(1, sizeof *mine);
    if (!mine)
        return -ENOMEM;
    error = strings_copy(strings, count, strings_left(call, slot), mine);
    if (error) {
        strings_free(mine);
        return error;
    }
    strings_free(call->strings[slot]);    /* only now: `strings` may be those */
    call->strings[slot] = mine;
    call->rewritten = true;
    return 0;
}
