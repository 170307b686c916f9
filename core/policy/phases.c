/*
 * phases: rules that hold from some moment of the run on.
 *
 * Runs in the helper. phase(name, trigger) begins a layer of its own for the rules after it; until the phase is entered that layer isn't asked. Since of
 * all layers the strictest wins, a phase can only tighten, and it is never left. What a phase changes can't be a constant of the kernel's filter;
 * what it leaves alone still is. unit-policy.c: phases; t/38-live-phases.t.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/say.h"
#include "core/policy/inside.h"
#include "core/text/text.h"

/* --- entering --- */

static void phase_enter(struct phase *phase, struct call *call)
{
    char line[1024];

    if (phase->entered)
        return;
    phase->entered = true;
    if (call)
        text_call(call, line, sizeof line);
    say_notice("phase '%s' begins%s%s", phase->name, call ? " with " : "", call ? line : "");
}

int policy_enter(struct policy *p, const char *name)
{
    int error = -ENOENT;

    for (size_t i = 0; i < p->phase_count; i++)
        if (strcmp(p->phases[i]->name, name) == 0) {
            p->phases[i]->entered = true;
            error = 0;
        }
    return error;
}

/* The function that phase() returns, and what its timer calls. */
static int phase_enter_now(lua_State *L)
{
    phase_enter(lua_touserdata(L, lua_upvalueindex(1)), policy_of(L)->call);
    return 0;
}

static bool phase_path(const struct phase *phase, struct call *call)
{
    const char *path;

    for (int i = 0; i < 6; i++)
        if (call_path(call, i, &path) == 0 && strings_match(path, phase->path))
            return true;
    return false;
}

/* The address in argument i: "IP:PORT", ":PORT", "IP" or a path. */
static bool phase_argument_addr(const struct phase *phase, struct call *call, int i)
{
    enum abi_type type = call_row(call)->args[i].type;
    struct text_addr addr = { .len = 0 };
    char host[128], text[160];
    const void *bytes;
    int error;

    if (type != ABI_ADDR_IN && type != ABI_MSG_IN && type != ABI_MMSG_IN)
        return false;
    error = type == ABI_ADDR_IN ? call_bytes(call, i, &bytes, &addr.len) : call_name(call, i, &bytes, &addr.len);
    if (error || addr.len > sizeof addr.raw)
        return false;
    memcpy(&addr.raw, bytes, addr.len);
    if (text_addr_path(&addr, text, sizeof text) >= 0)
        return strcmp(text, phase->addr) == 0;
    if (text_addr_ip(&addr, host, sizeof host) != 0)
        return false;
    snprintf(text, sizeof text, "%s:%d", host, text_addr_port(&addr));
    return strcmp(text, phase->addr) == 0 || strcmp(host, phase->addr) == 0 || strcmp(strrchr(text, ':'), phase->addr) == 0;
}

static bool phase_addr(const struct phase *phase, struct call *call)
{
    for (int i = 0; i < 6; i++)
        if (phase_argument_addr(phase, call, i))
            return true;
    return false;
}

/* The trigger's function: true enters. An error enters too: it is the strict side. */
static bool phase_asks(struct policy *p, const struct phase *phase)
{
    const char *message;
    bool yes;

    lua_rawgeti(p->L, LUA_REGISTRYINDEX, phase->trigger.handler);
    lua_pushvalue(p->L, SLOT_CALL);
    if (state_call(p, 1, 1, phase->where, &message) != 0) {
        state_report(p, "%s; the phase begins", message);
        return true;
    }
    yes = lua_toboolean(p->L, -1);
    lua_settop(p->L, SLOTS);
    return yes;
}

void phases_look(struct policy *p, const struct plan *plan, struct call *call)
{
    for (size_t i = 0; i < plan->trigger_count; i++) {
        struct phase *phase = plan->triggers[i];

        if (!phase->entered && (!phase->path || phase_path(phase, call)) && (!phase->addr || phase_addr(phase, call)) &&
            (phase->trigger.handler == LUA_NOREF || phase_asks(p, phase)))
            phase_enter(phase, call);
    }
}

/* --- the statement --- */

/* [-0, +0] a string of the trigger's table at index 2, interned; NULL when it has none */
static const char *trigger_string(lua_State *L, const char *key)
{
    const char *text = NULL;

    if (lua_getfield(L, 2, key) == LUA_TSTRING)
        text = state_intern(policy_of(L), lua_tostring(L, -1));
    else if (!lua_isnil(L, -1))
        luaL_error(L, "phase: '%s' is a string, not a %s", key, luaL_typename(L, -1));
    lua_pop(L, 1);
    return text;
}

static void trigger_check_keys(lua_State *L)
{
    static const char *const keys[] = { "call", "path", "addr", "after", "when", NULL };

    for (lua_pushnil(L); lua_next(L, 2) != 0; lua_pop(L, 1)) {
        int i = 0;

        while (keys[i] && !(lua_type(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -2), keys[i]) == 0))
            i++;
        if (!keys[i])
            luaL_error(L, "phase: a trigger has no '%s', only call, path, addr, after and when", luaL_tolstring(L, -2, NULL));
    }
}

/* [-0, +0] timer(seconds, enter), when the trigger has `after`. Stack index 3: the function that enters. */
static bool trigger_time(lua_State *L, const struct layer *script)
{
    bool has = lua_getfield(L, 2, "after") != LUA_TNIL;

    if (has) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, script->env);
        lua_getfield(L, -1, "timer");
        lua_pushvalue(L, -3);
        lua_pushvalue(L, 3);
        lua_call(L, 2, 0);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return has;
}

/* Which calls can be the moment: those that are named, or those that the condition is about. */
static void trigger_calls(lua_State *L, struct phase *phase, bool time)
{
    int type = lua_getfield(L, 2, "call");

    if (type == LUA_TNIL && (phase->path || phase->addr)) {
        lua_pushstring(L, phase->path ? "@paths" : "connect bind sendto sendmsg sendmmsg");
        lua_replace(L, -2);
        type = LUA_TSTRING;
    }
    if (type != LUA_TNIL)
        statements_names(L, lua_gettop(L), &phase->trigger, false);
    else if (!time)
        luaL_error(L, "phase: which calls can begin it? (call = NAMES)");
    lua_pop(L, 1);
}

static void phase_trigger(lua_State *L, struct phase *phase, const struct layer *script)
{
    if (lua_isnoneornil(L, 2))
        return;
    if (lua_type(L, 2) != LUA_TTABLE) {
        statements_names(L, 2, &phase->trigger, false);
        return;
    }
    trigger_check_keys(L);
    phase->path = trigger_string(L, "path");
    phase->addr = trigger_string(L, "addr");
    trigger_calls(L, phase, trigger_time(L, script));
    if (lua_getfield(L, 2, "when") == LUA_TFUNCTION)
        phase->trigger.handler = luaL_ref(L, LUA_REGISTRYINDEX);
    else
        lua_pop(L, 1);
}

/* phase(name, trigger): the rules after it hold once the trigger has happened. The trigger is names of calls, or a table of call = NAMES, path = GLOB,
 * addr = "IP:PORT" | ":PORT" | PATH, when = function(call), all of which must hold of one allowed call, and after = SECONDS. Returns a function that begins
 * the phase at once. */
int statement_phase(lua_State *L)
{
    struct layer *script = lua_touserdata(L, lua_upvalueindex(1));
    struct policy *p = script->policy;
    const char *name = luaL_checkstring(L, 1);

    if (!p->loading)
        luaL_error(L, "phase: rules are made while the policy is loaded, not while the program runs");
    lua_settop(L, 2);
    p->phases = state_grow(L, p->phases, p->phase_count, sizeof *p->phases);
    struct phase *phase = calloc(1, sizeof *phase);
    if (!phase)
        return luaL_error(L, "out of memory");
    p->phases[p->phase_count++] = phase;
    phase->name = state_intern(p, name);
    phase->where = statements_where(L, script);
    phase->trigger.handler = LUA_NOREF;
    lua_pushlightuserdata(L, phase);
    lua_pushcclosure(L, phase_enter_now, 1);
    phase_trigger(L, phase, script);
    script->into = layers_new(L, &(struct layer){ .script = script->script, .module = script->module, .path = script->path, .phase = phase });
    lua_settop(L, 3);
    return 1;
}
