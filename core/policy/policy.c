/*
 * policy: the life of a policy, from its options to its end.
 *
 * Runs in the helper. unit-policy.c proves it with the rest of the room.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/policy/inside.h"

static const struct policy_options policy_defaults = { .memory = 64 << 20, .instructions = 10000000, .wall = 1000 };

static int policy_add_other(struct policy *p, const struct abi_call *row)
{
    const struct abi_call *primary = abi_find(row->name);
    const struct abi_call **others = realloc(p->others, (p->other_count + 1) * sizeof *others);

    if (!others)
        return -ENOMEM;
    p->others = others;
    size_t *rows = realloc(p->other_rows, (p->other_count + 1) * sizeof *rows);
    if (!rows)
        return -ENOMEM;
    p->other_rows = rows;
    others[p->other_count] = row;
    rows[p->other_count++] = (size_t)(primary - p->first_row);
    return 0;
}

/* Count the rows, and find those that abi_row() does not list: a call whose arguments lie differently on one architecture. */
static int policy_rows(struct policy *p)
{
    p->first_row = abi_row(0);
    while (abi_row(p->row_count))
        p->row_count++;
    if (p->row_count > ROWS_MAX)
        return -E2BIG;
    for (int arch = 0; arch < ABI_ARCHES; arch++) {
        for (int nr = 0; nr < abi_limit((enum abi_arch)arch); nr++) {
            const struct abi_call *row = abi_call((enum abi_arch)arch, nr);
            if (row && layers_slot(p, row) == SIZE_MAX && policy_add_other(p, row) != 0)
                return -ENOMEM;
        }
    }
    p->names = calloc(p->row_count + p->other_count, sizeof *p->names);
    return p->names ? 0 : -ENOMEM;
}

int policy_new(struct policy **out, const struct policy_options *options)
{
    struct policy *p = calloc(1, sizeof *p);

    if (!p)
        return -ENOMEM;
    if (options)
        p->options = *options;
    if (p->options.memory == 0)
        p->options.memory = policy_defaults.memory;
    if (p->options.instructions == 0)
        p->options.instructions = policy_defaults.instructions;
    if (p->options.wall == 0)
        p->options.wall = policy_defaults.wall;
    int error = policy_rows(p);
    if (error == 0)
        error = host_open(p);
    if (error == 0)
        error = state_open(p);
    if (error != 0) {
        policy_free(p);
        return error;
    }
    *out = p;
    return 0;
}

void policy_free(struct policy *p)
{
    if (!p)
        return;
    layers_free(p);
    state_close(p);
    host_close(p);
    free(p->names);
    free(p->others);
    free(p->other_rows);
    free(p);
}

