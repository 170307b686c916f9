/*
 * lookup: realpath(path) and call:realpath(path), for paths that are no arguments of a call.
 *
 * Runs in the helper: the former in its own eyes, for rules, the latter in those of the process whose call is judged. unit-policy.c: realpaths.
 */
#include <string.h>

#include "core/policy/inside.h"

/* [-0, +2] canonical path or nil, errno's name or nil */
static int lookup_push(lua_State *L, const struct call *call, int index)
{
    char canonical[PATH_MAX];
    size_t len;
    const char *path = luaL_checklstring(L, index, &len);

    luaL_argcheck(L, strlen(path) == len, index, "a path has no NUL byte");
    int error = call_canonical(call, path, canonical);
    lua_pushstring(L, canonical[0] == '/' ? canonical : NULL);
    lua_pushstring(L, error ? abi_errno_name(-error) : NULL);
    return 2;
}

/* realpath(path): the canonical path, links followed, as nurse sees it; what doesn't exist, as far as it does, the rest as it is written. Then
 * the errno's name comes second. nil and the name when nothing can be said. realpath(3). */
int lookup_realpath(lua_State *L)
{
    return lookup_push(L, NULL, 1);
}

/* call:realpath(path): the same as the calling process sees it, from its working directory. */
int lookup_of_call(lua_State *L)
{
    return lookup_push(L, object_call(L), 2);
}
