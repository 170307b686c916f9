/*
 * groups: the list of call groups (@stdio, @open...) and the look-up of their names.
 *
 * Pure data; runs in the helper and in the command line. Believes nobody. Membership stands in the
 * rows of calls.def, so that a call has one home. Proved by unit-abi (memberships) and by lua tests.
 */
#include <assert.h>
#include <string.h>

#include "core/abi/abi.h"
#include "core/abi/groups.h"

static_assert(ABI_GROUP_COUNT <= 32, "abi_call.groups has 32 bits");

const struct abi_group abi_groups[] = {
#define GROUP(id, name, about) { name, about },
    ABI_GROUPS(GROUP)
#undef GROUP
    { NULL, NULL }
};

int abi_group(const char *name)
{
    for (int i = 0; abi_groups[i].name; i++)
        if (strcmp(abi_groups[i].name, name) == 0)
            return i;
    return -1;
}
