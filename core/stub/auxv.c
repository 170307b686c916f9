/*
 * auxv: reads and edits the initial stack that the kernel made for the stub, so that the program finds its own facts there.
 *
 * Runs in the stub, in the untrustee, before the program starts; believes the kernel. In place, because everything above
 * (strings, AT_RANDOM bytes) is pointed to and must not move. Test: t/11-unit-loader.t.
 */
#include "core/stub/auxv.h"

#include <elf.h>

/* The word after the NULL that ends the pointer list at `list`. */
static const uintptr_t *auxv_skip(const uintptr_t *list)
{
    while (*list)
        list++;
    return list + 1;
}

uintptr_t *auxv_find(uintptr_t *stack)
{
    const uintptr_t *envp = auxv_skip(stack + 1);

    return (uintptr_t *)auxv_skip(envp);
}

size_t auxv_size(const uintptr_t *auxv)
{
    size_t words = 0;

    while (auxv[words] != AT_NULL)
        words += 2;
    return (words + 2) * sizeof *auxv;
}

void auxv_set(uintptr_t *auxv, uintptr_t type, uintptr_t value)
{
    for (; auxv[0] != AT_NULL; auxv += 2)
        if (auxv[0] == type)
            auxv[1] = value;
}

void auxv_hide(uintptr_t *auxv, uintptr_t type)
{
    for (; auxv[0] != AT_NULL; auxv += 2)
        if (auxv[0] == type)
            auxv[0] = AT_IGNORE;
}

/* The end of the last string of a pointer list; `none` if the list is empty. */
static uintptr_t auxv_strings_end(const uintptr_t *list, uintptr_t none)
{
    const char *last;

    if (!*list)
        return none;
    while (list[1])
        list++;
    last = (const char *)*list;
    while (*last)
        last++;
    return (uintptr_t)last + 1;
}

void auxv_strings(const uintptr_t *stack, struct auxv_strings *strings)
{
    const uintptr_t *argv = stack + 1;
    const uintptr_t *envp = auxv_skip(argv);

    strings->arg_start = *argv ? *argv : (uintptr_t)stack;
    strings->arg_end = auxv_strings_end(argv, strings->arg_start);
    strings->env_start = *envp ? *envp : strings->arg_end;
    strings->env_end = auxv_strings_end(envp, strings->env_start);
}
