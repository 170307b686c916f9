/*
 * groups: printing the groups of calls for `nurse check --groups`.
 *
 * Runs in the command line; data of the calls table only.
 */
#include <errno.h>
#include <string.h>

#include "core/policy/policy.h"

enum { LINE = 100 };

static void groups_print(FILE *out, int group)
{
    const struct abi_call *row;
    size_t column = 0;

    fprintf(out, "@%s: %s\n", abi_groups[group].name, abi_groups[group].about);
    for (size_t i = 0; (row = abi_row(i)); i++) {
        if (!(row->groups >> group & 1))
            continue;
        if (column == 0 || column + strlen(row->name) > LINE) {
            fprintf(out, column ? "\n   " : "   ");
            column = 3;
        }
        column += (size_t)fprintf(out, " %s", row->name);
    }
    fprintf(out, "\n");
}

int policy_group_print(FILE *out, const char *name)
{
    int group = name ? abi_group(name) : 0;

    if (group < 0)
        return -ENOENT;
    if (name) {
        groups_print(out, group);
        return 0;
    }
    for (; abi_groups[group].name; group++)
        groups_print(out, group);
    return 0;
}
