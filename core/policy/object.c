/*
 * object: `call`, the one object through which handlers see and change the call under decision.
 *
 * Runs in the helper, on the hot path: one userdata for the life of the state, which reaches the call through the policy, so
 * that it is dead as soon as the handler has returned. The program isn't believed: what is read here is the helper's copy, the same
 * that will be executed.
 * unit-policy.c: the_call_shows_its_arguments, a_saved_call_is_dead.
 */
#include <string.h>

#include "core/policy/inside.h"
#include "core/text/text.h"

/* What call.NAME can be, beside methods. Numbers from FIELD_FLAGS on are names of arguments. */
enum field {
    FIELD_NONE, FIELD_NAME, FIELD_NR, FIELD_ARCH, FIELD_PID, FIELD_TID, FIELD_COMM, FIELD_EXE, FIELD_EXISTS, FIELD_IP, FIELD_ARGS, FIELD_MEMORY,
    FIELD_RAWPATH, FIELD_RAWNEWPATH, FIELD_CONTROL, FIELD_FLAGS, FIELD_MODE, FIELD_BUF, FIELD_ADDR, FIELD_PATH, FIELD_NEWPATH,
    FIELD_OTHER,
};

static const struct { const char *name; enum field field; } fixed_fields[] = {
    { "name", FIELD_NAME }, { "nr", FIELD_NR }, { "arch", FIELD_ARCH }, { "pid", FIELD_PID }, { "tid", FIELD_TID },
    { "comm", FIELD_COMM }, { "exe", FIELD_EXE }, { "exists", FIELD_EXISTS }, { "ip", FIELD_IP }, { "args", FIELD_ARGS }, { "memory", FIELD_MEMORY },
    { "control", FIELD_CONTROL }, { "rawpath", FIELD_RAWPATH }, { "rawnewpath", FIELD_RAWNEWPATH }, { "flags", FIELD_FLAGS }, { "mode", FIELD_MODE },
    { "buf", FIELD_BUF }, { "addr", FIELD_ADDR },
    { "path", FIELD_PATH }, { "newpath", FIELD_NEWPATH }, { NULL, FIELD_NONE },
};

struct call *object_call(lua_State *L)
{
    struct call *call = policy_of(L)->call;

    if (!call)
        luaL_error(L, "this call is over: `call` can only be used inside its handler");
    return call;
}

/* Index of the argument of that name in the call's row; -1 when it has none. */
static int object_argument(const struct policy *p, int field)
{
    for (int i = 0; i < 6; i++)
        if (p->call_names[i] == field)
            return i;
    return -1;
}

static int object_get_argument(lua_State *L, struct call *call, int field)
{
    int i = object_argument(policy_of(L), field);

    if (i >= 0) {
        arguments_push(L, call, i);
        return 1;
    }
    switch (field) {
    case FIELD_FLAGS: case FIELD_MODE: return arguments_push_open(L, call, field == FIELD_MODE);
    case FIELD_BUF: arguments_push_data(L, call); break;
    case FIELD_ADDR: arguments_push_name(L, call); break;
    default: lua_pushnil(L);
    }
    return 1;
}

static int object_get_raw(lua_State *L, struct call *call, int field)
{
    int i = object_argument(policy_of(L), field);
    const char *raw;

    lua_pushstring(L, i >= 0 && call_rawpath(call, i, &raw) == 0 ? raw : NULL);
    return 1;
}

static int object_get(lua_State *L, struct call *call, int field)
{
    struct policy *p = policy_of(L);

    switch (field) {
    case FIELD_NAME: lua_pushstring(L, call_row(call)->name); break;
    case FIELD_NR: lua_pushinteger(L, call_nr(call)); break;
    case FIELD_ARCH: lua_pushstring(L, abi_arch_name(call_arch(call))); break;
    case FIELD_PID: lua_pushinteger(L, call_pid(call)); break;
    case FIELD_TID: lua_pushinteger(L, call_tid(call)); break;
    case FIELD_COMM: lua_pushstring(L, call_comm(call)); break;
    case FIELD_EXE: lua_pushstring(L, call_exe(call)); break;
    case FIELD_EXISTS: lua_pushboolean(L, call_path_exists(call, object_argument(p, FIELD_PATH))); break;
    case FIELD_IP: lua_pushinteger(L, (lua_Integer)call_ip(call)); break;
    case FIELD_ARGS: lua_rawgeti(L, LUA_REGISTRYINDEX, p->args); break;
    case FIELD_MEMORY: lua_rawgeti(L, LUA_REGISTRYINDEX, p->memory); break;
    case FIELD_CONTROL: arguments_push_control(L, call); break;
    case FIELD_RAWPATH: return object_get_raw(L, call, FIELD_PATH);
    case FIELD_RAWNEWPATH: return object_get_raw(L, call, FIELD_NEWPATH);
    default: return object_get_argument(L, call, field);
    }
    return 1;
}

/* What the key at stack index 2 is: pushes the method, or returns the field's number. */
static int object_lookup(lua_State *L, bool *method)
{
    lua_pushvalue(L, 2);
    int type = lua_rawget(L, lua_upvalueindex(1));
    *method = type == LUA_TFUNCTION;
    if (type == LUA_TNUMBER)
        return (int)lua_tointeger(L, -1);
    if (!*method)
        luaL_error(L, "a call has no field '%s'", luaL_tolstring(L, 2, NULL));
    return FIELD_NONE;
}

static int object_index(lua_State *L)
{
    bool method;
    int field = object_lookup(L, &method);

    return method ? 1 : object_get(L, object_call(L), field);
}

static bool object_assign_elsewhere(lua_State *L, struct call *call, int field)
{
    switch (field) {
    case FIELD_FLAGS: case FIELD_MODE: return arguments_assign_open(L, call, field == FIELD_MODE);
    case FIELD_BUF: return arguments_assign_data(L, call);
    case FIELD_ADDR: return arguments_assign_name(L, call);
    default: return false;
    }
}

static int object_newindex(lua_State *L)
{
    bool method;
    struct call *call = object_call(L);
    int field = object_lookup(L, &method);
    int i = method ? -1 : object_argument(policy_of(L), field);

    if (i >= 0) {
        arguments_assign(L, call, i);
        return 0;
    }
    if (object_assign_elsewhere(L, call, field))
        return 0;
    return luaL_error(L, "'%s' of %s can't be assigned", lua_tostring(L, 2), call_row(call)->name);
}

static int object_tostring(lua_State *L)
{
    luaL_Buffer text;
    enum { LINE_MAX_LENGTH = 16384 };
    struct call *call = object_call(L);

    luaL_buffinit(L, &text);
    luaL_addsize(&text, text_call(call, luaL_prepbuffsize(&text, LINE_MAX_LENGTH), LINE_MAX_LENGTH));
    luaL_pushresult(&text);
    return 1;
}

/* call:descriptor(number): any descriptor of the program, as call.fd is one. */
static int object_descriptor(lua_State *L)
{
    object_call(L);
    values_push_fd(L, (int)luaL_checkinteger(L, 2));
    return 1;
}

/* --- call.args --- */

static int args_number(lua_State *L)
{
    lua_Integer i = luaL_checkinteger(L, 2);

    luaL_argcheck(L, i >= 1 && i <= 6, 2, "a call has arguments 1 to 6");
    return (int)i - 1;
}

static int args_index(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)call_arg(object_call(L), args_number(L)));
    return 1;
}

static int args_newindex(lua_State *L)
{
    struct call *call = object_call(L);

    call_set_arg(call, args_number(L), (uint64_t)luaL_checkinteger(L, 3));
    return 0;
}

static int args_len(lua_State *L)
{
    lua_pushinteger(L, 6);
    return 1;
}

static const luaL_Reg args_metamethods[] = {
    { "__index", args_index },
    { "__newindex", args_newindex },
    { "__len", args_len },
    { NULL, NULL },
};

static const luaL_Reg object_metamethods[] = {
    { "__index", object_index },
    { "__newindex", object_newindex },
    { "__tostring", object_tostring },
    { NULL, NULL },
};

/* Numbers for the names of one row's arguments, in the table on top; a fixed field keeps its meaning. */
static void object_number_row(lua_State *L, const struct abi_call *row, short names[6], int *next)
{
    for (int i = 0; i < 6 && row->args[i].type != ABI_NONE; i++) {
        int type = lua_getfield(L, -1, row->args[i].name);
        int field = type == LUA_TNUMBER ? (int)lua_tointeger(L, -1) : *next;
        lua_pop(L, 1);
        if (type == LUA_TNIL) {
            lua_pushinteger(L, (*next)++);
            lua_setfield(L, -2, row->args[i].name);
        }
        bool is_argument = field >= FIELD_FLAGS && (type == LUA_TNIL || type == LUA_TNUMBER);
        names[i] = is_argument ? (short)field : FIELD_NONE;
    }
}

/* [-0, +1] the table name -> method or number */
static void object_push_fields(lua_State *L)
{
    struct policy *p = policy_of(L);
    int next = FIELD_OTHER;

    verdicts_push_methods(L);
    lua_pushcfunction(L, object_descriptor);
    lua_setfield(L, -2, "descriptor");
    for (int i = 0; fixed_fields[i].name; i++) {
        lua_pushinteger(L, fixed_fields[i].field);
        lua_setfield(L, -2, fixed_fields[i].name);
    }
    for (size_t i = 0; i < p->row_count; i++)
        object_number_row(L, abi_row(i), p->names[i], &next);
    for (size_t i = 0; i < p->other_count; i++)
        object_number_row(L, p->others[i], p->names[p->row_count + i], &next);
}

void object_metatable(lua_State *L, const luaL_Reg *functions, int upvalues)
{
    lua_newtable(L);
    lua_insert(L, -1 - upvalues);
    luaL_setfuncs(L, functions, upvalues);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
}

void object_open(lua_State *L)
{
    verdicts_open(L);
    lua_newuserdatauv(L, 0, 0);
    object_metatable(L, args_metamethods, 0);
    lua_setmetatable(L, -2);
    policy_of(L)->args = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_newuserdatauv(L, 0, 0);
    object_push_fields(L);
    object_metatable(L, object_metamethods, 1);
    lua_setmetatable(L, -2);
}
