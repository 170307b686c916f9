/*
 * verdicts: what a handler returns, as Lua values and back.
 *
 * Runs in the helper, on the hot path: a verdict is a light userdata (kind in the low bits, errno, signal or value above), so that
 * returning one allocates nothing; the reason that may come with it is kept in the policy. unit-policy.c: handlers_return_verdicts.
 */
#include <errno.h>
#include <string.h>

#include "core/policy/inside.h"

enum { VERDICT_BITS = 3, VERDICT_MASK = (1 << VERDICT_BITS) - 1 };

/* The reason at a stack index, if there is one: whoever reads the verdict takes it from the policy. false: it isn't worth a report. */
static void verdict_reason(lua_State *L, int index)
{
    policy_of(L)->quiet = lua_isboolean(L, index) && !lua_toboolean(L, index);
    if (policy_of(L)->quiet)
        return;
    snprintf(policy_of(L)->why, WHY_MAX, "%s", luaL_optstring(L, index, ""));
}

static int verdict_push(lua_State *L, enum verdict_kind kind, int64_t value)
{
    uintptr_t packed = (uintptr_t)value << VERDICT_BITS | kind;

    lua_pushlightuserdata(L, (void *)packed);    /* never used as a pointer */
    return 1;
}

int verdicts_read(lua_State *L, int index, struct verdict *out)
{
    intptr_t packed = 0;

    switch (lua_type(L, index)) {
    case LUA_TNIL:
        return 0;
    case LUA_TBOOLEAN:
        packed = lua_toboolean(L, index) ? VERDICT_ALLOW : (intptr_t)EPERM << VERDICT_BITS | VERDICT_DENY;
        break;
    case LUA_TLIGHTUSERDATA:
        packed = (intptr_t)lua_touserdata(L, index);
        break;
    default:
        return -1;
    }
    out->kind = (enum verdict_kind)(packed & VERDICT_MASK);
    out->error = out->kind == VERDICT_DENY ? (int)(packed >> VERDICT_BITS) : 0;
    out->signal = out->kind >= VERDICT_KILL_PROCESS ? (int)(packed >> VERDICT_BITS) : 0;
    out->value = out->kind == VERDICT_EMULATE ? packed >> VERDICT_BITS : 0;
    return 1;
}

static int verdict_allow(lua_State *L)
{
    return verdict_push(L, VERDICT_ALLOW, 0);
}

static int verdict_ask(lua_State *L)
{
    return verdict_push(L, VERDICT_ASK, 0);
}

/* call:deny(errno, why); upvalue: errno names, so that the usual case is one table access. */
static int verdict_deny(lua_State *L)
{
    if (!lua_isnoneornil(L, 3))
        verdict_reason(L, 3);
    if (lua_type(L, 2) == LUA_TSTRING) {
        lua_pushvalue(L, 2);
        if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNUMBER)
            return verdict_push(L, VERDICT_DENY, lua_tointeger(L, -1));
        lua_pop(L, 1);
    }
    return verdict_push(L, VERDICT_DENY, statements_errno(L, 2, EPERM));
}

static int verdict_emulate(lua_State *L)
{
    lua_Integer value = luaL_checkinteger(L, 2);

    luaL_argcheck(L, value == (lua_Integer)((lua_Unsigned)value << VERDICT_BITS) >> VERDICT_BITS, 2, "the value has more than 61 bits");
    return verdict_push(L, VERDICT_EMULATE, value);
}

/* call:kill(signal, why) ends the sandbox, call:kill_process(signal, why) the caller's process. */
static int verdict_kill(lua_State *L)
{
    verdict_reason(L, 3);
    return verdict_push(L, VERDICT_KILL, statements_signal(L, 2));
}

static int verdict_kill_process(lua_State *L)
{
    verdict_reason(L, 3);
    return verdict_push(L, VERDICT_KILL_PROCESS, statements_signal(L, 2));
}

/* call:within(dir): the call's paths are resolved as if dir were the root directory. */
static int verdict_within(lua_State *L)
{
    const char *dir = luaL_checkstring(L, 2);

    dir = state_intern(policy_of(L), dir);
    luaL_argcheck(L, dir[0] == '/' && (!dir[1] || dir[strlen(dir) - 1] != '/'), 2, "an absolute path without a slash at its end was expected");
    call_set_root(object_call(L), dir);
    return 0;
}

static int verdict_tostring(lua_State *L)
{
    static const char *const kinds[] = { "allow", "emulate", "ask", "deny", "kill_process", "kill" };    /* ORDER verdict_kind */
    struct verdict verdict = { 0 };

    if (lua_type(L, 1) != LUA_TLIGHTUSERDATA || verdicts_read(L, 1, &verdict) != 1)
        return luaL_error(L, "a verdict was expected");
    const char *kind = kinds[verdict.kind];
    if (verdict.kind == VERDICT_DENY && abi_errno_name(verdict.error))
        lua_pushfstring(L, "%s %s", kind, abi_errno_name(verdict.error));
    else if (verdict.kind == VERDICT_EMULATE)
        lua_pushfstring(L, "%s %I", kind, (LUAI_UACINT)verdict.value);
    else
        lua_pushstring(L, kind);
    return 1;
}

static const luaL_Reg verdict_methods[] = {
    { "allow", verdict_allow },
    { "emulate", verdict_emulate },
    { "kill", verdict_kill },
    { "kill_process", verdict_kill_process },
    { "ask", verdict_ask },
    { "realpath", lookup_of_call },
    { "within", verdict_within },
    { NULL, NULL },
};

/* [-0, +1] the method deny with its table of errno names */
static void verdicts_push_deny(lua_State *L)
{
    lua_newtable(L);
    for (int error = 1; error < 256; error++) {
        const char *name = abi_errno_name(error);
        if (name) {
            lua_pushinteger(L, error);
            lua_setfield(L, -2, name);
        }
    }
    lua_pushcclosure(L, verdict_deny, 1);
}

/* [-0, +1] call's methods */
void verdicts_push_methods(lua_State *L)
{
    luaL_newlib(L, verdict_methods);
    verdicts_push_deny(L);
    lua_setfield(L, -2, "deny");
}

void verdicts_open(lua_State *L)
{
    static const luaL_Reg metamethods[] = { { "__tostring", verdict_tostring }, { NULL, NULL } };

    lua_pushlightuserdata(L, NULL);
    object_metatable(L, metamethods, 0);
    lua_pushliteral(L, "verdict");
    lua_setfield(L, -2, "__name");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}
