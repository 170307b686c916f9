/*
 * facts: what a script may know of nurse and of the machine: the table of system calls, the kernel's version.
 *
 * Runs in the helper, in scripts and modules at any time. Reads nothing but nurse's own table and uname(2). unit-json.c: scripts_know_facts.
 */
#include <stdio.h>
#include <sys/utsname.h>

#include "core/policy/inside.h"

static bool facts_named(const struct rule *rule, size_t cell)
{
    return rule->rows[cell / CHAR_BIT] >> cell % CHAR_BIT & 1;
}

/* [-0, +1] { name = , unsafe = , and its number under each architecture's name } */
static void facts_push_row(lua_State *L, const struct rule *names, size_t row)
{
    const struct abi_call *call = abi_row(row);

    lua_createtable(L, 0, 4);
    lua_pushstring(L, call->name);
    lua_setfield(L, -2, "name");
    lua_pushboolean(L, call->where == ABI_UNSAFE);
    lua_setfield(L, -2, "unsafe");
    for (int arch = 0; arch < ABI_ARCHES; arch++) {
        int nr = abi_number((enum abi_arch)arch, call);
        if (nr >= 0 && facts_named(names, (size_t)arch * ROWS_MAX + row)) {
            lua_pushinteger(L, nr);
            lua_setfield(L, -2, abi_arch_name((enum abi_arch)arch));
        }
    }
}

/* syscalls(names): a list of the calls that a rule of these names means, in the table's order:
 * { name = "open", x86_64 = 2, i386 = 5, unsafe = false }. A call that an architecture doesn't have has no number there. */
int facts_syscalls(lua_State *L)
{
    struct rule names;
    lua_Integer count = 0;

    statements_names(L, 1, &names, false);
    lua_newtable(L);
    for (size_t row = 0; abi_row(row); row++) {
        bool named = false;
        for (int arch = 0; arch < ABI_ARCHES; arch++)
            named |= facts_named(&names, (size_t)arch * ROWS_MAX + row);
        if (!named)
            continue;
        facts_push_row(L, &names, row);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* kernel(): the running kernel's version as two integers, 6 and 18 of "6.18.5-1-amd64". */
int facts_kernel(lua_State *L)
{
    struct utsname system;
    int major, minor;

    if (uname(&system) != 0 || sscanf(system.release, "%d.%d", &major, &minor) != 2)
        return luaL_error(L, "kernel: its version can't be told");
    lua_pushinteger(L, major);
    lua_pushinteger(L, minor);
    return 2;
}
