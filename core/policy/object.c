/*
 * object: `call`, the one object through which handlers see and change the call under decision.
 *
 * Runs in the helper, on the hot path: one userdata for the life of the state, which reaches the call through the policy, so
 * that it is dead as soon as the handler has returned. The program isn't believed: what is read here is the helper's copy, the same
 * that will be executed. Verdicts are light userdata (kind in the low bits), so that returning one allocates nothing.
 * unit-policy.c: handlers, object_*.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/policy/inside.h"
#include "core/policy/text.h"

/* What call.NAME can be, beside methods. Numbers from FIELD_FLAGS on are names of arguments. */
enum field {
    FIELD_NONE, FIELD_NAME, FIELD_NR, FIELD_ARCH, FIELD_PID, FIELD_TID, FIELD_COMM, FIELD_EXE, FIELD_IP, FIELD_ARGS, FIELD_MEMORY,
    FIELD_RAWPATH, FIELD_RAWNEWPATH, FIELD_FLAGS, FIELD_MODE, FIELD_PATH, FIELD_NEWPATH, FIELD_OTHER,
};

static const struct { const char *name; enum field field; } fixed_fields[] = {
    { "name", FIELD_NAME }, { "nr", FIELD_NR }, { "arch", FIELD_ARCH }, { "pid", FIELD_PID }, { "tid", FIELD_TID },
    { "comm", FIELD_COMM }, { "exe", FIELD_EXE }, { "ip", FIELD_IP }, { "args", FIELD_ARGS }, { "memory", FIELD_MEMORY },
    { "rawpath", FIELD_RAWPATH }, { "rawnewpath", FIELD_RAWNEWPATH }, { "flags", FIELD_FLAGS }, { "mode", FIELD_MODE },
    { "path", FIELD_PATH }, { "newpath", FIELD_NEWPATH }, { NULL, FIELD_NONE },
};

struct call *object_call(lua_State *L)
{
    struct call *call = policy_of(L)->call;

    if (!call)
        luaL_error(L, "this call is over: `call` can only be used inside its handler");
    return call;
}

/* --- verdicts --- */

enum { VERDICT_BITS = 3, VERDICT_MASK = (1 << VERDICT_BITS) - 1 };

static int object_push_verdict(lua_State *L, enum verdict_kind kind, int64_t value)
{
    uintptr_t packed = (uintptr_t)value << VERDICT_BITS | kind;

    lua_pushlightuserdata(L, (void *)packed);    /* never used as a pointer */
    return 1;
}

int object_verdict(lua_State *L, int index, struct verdict *out)
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
    out->signal = out->kind == VERDICT_KILL ? (int)(packed >> VERDICT_BITS) : 0;
    out->value = out->kind == VERDICT_EMULATE ? packed >> VERDICT_BITS : 0;
    return 1;
}

static int object_allow(lua_State *L)
{
    return object_push_verdict(L, VERDICT_ALLOW, 0);
}

static int object_ask(lua_State *L)
{
    return object_push_verdict(L, VERDICT_ASK, 0);
}

/* call:deny(errno); upvalue: errno names, so that the usual case is one table access. */
static int object_deny(lua_State *L)
{
    if (lua_type(L, 2) == LUA_TSTRING) {
        lua_pushvalue(L, 2);
        if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNUMBER)
            return object_push_verdict(L, VERDICT_DENY, lua_tointeger(L, -1));
        lua_settop(L, 2);
    }
    return object_push_verdict(L, VERDICT_DENY, statements_errno(L, 2, EPERM));
}

static int object_emulate(lua_State *L)
{
    lua_Integer value = luaL_checkinteger(L, 2);

    luaL_argcheck(L, value == (lua_Integer)((lua_Unsigned)value << VERDICT_BITS) >> VERDICT_BITS, 2, "the value has more than 61 bits");
    return object_push_verdict(L, VERDICT_EMULATE, value);
}

static int object_kill(lua_State *L)
{
    return object_push_verdict(L, VERDICT_KILL, statements_signal(L, 2));
}

static int object_verdict_text(lua_State *L)
{
    static const char *const kinds[] = { "allow", "emulate", "ask", "deny", "kill" };    /* ORDER verdict_kind */
    struct verdict verdict = { 0 };

    if (lua_type(L, 1) != LUA_TLIGHTUSERDATA || object_verdict(L, 1, &verdict) != 1)
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

/* --- arguments, by type: [-0, +1] push the value, or assign the one at stack index 3 --- */

struct argument { struct call *call; const struct abi_arg *arg; int i; };

static void get_integer(lua_State *L, struct argument a)
{
    lua_pushinteger(L, text_integer(a.call, a.i));
}

static void set_integer(lua_State *L, struct argument a)
{
    call_set_arg(a.call, a.i, (uint64_t)luaL_checkinteger(L, 3));
}

static void get_path(lua_State *L, struct argument a)
{
    const char *path;

    lua_pushstring(L, call_path(a.call, a.i, &path) == 0 ? path : NULL);
}

static void set_path(lua_State *L, struct argument a)
{
    int error = call_set_path(a.call, a.i, luaL_checkstring(L, 3));

    if (error != 0)
        luaL_error(L, "%s can't become '%s': %s", a.arg->name, lua_tostring(L, 3), strerror(-error));
}

static void get_string(lua_State *L, struct argument a)
{
    const void *bytes;
    size_t count;

    if (call_bytes(a.call, a.i, &bytes, &count) == 0)
        lua_pushlstring(L, bytes, strnlen(bytes, count));
    else
        lua_pushnil(L);
}

static void set_bytes(lua_State *L, struct argument a, const void *bytes, size_t count)
{
    int error = call_set_bytes(a.call, a.i, bytes, count);

    if (error != 0)
        luaL_error(L, "%s can't be changed: %s", a.arg->name, strerror(-error));
}

static void set_string(lua_State *L, struct argument a)
{
    size_t len;
    const char *text = luaL_checklstring(L, 3, &len);

    set_bytes(L, a, text, len + 1);
}

static void get_bytes(lua_State *L, struct argument a)
{
    const void *bytes;
    size_t count;

    if (call_bytes(a.call, a.i, &bytes, &count) == 0)
        lua_pushlstring(L, bytes, count);
    else
        lua_pushnil(L);
}

/* Bytes with their count in the next argument. */
static void set_counted(lua_State *L, struct argument a, const void *bytes, size_t count)
{
    set_bytes(L, a, bytes, count);
    call_set_arg(a.call, a.i + 1, count);
}

static void set_buffer(lua_State *L, struct argument a)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 3, &len);

    set_counted(L, a, bytes, len);
}

/* What the kernel has filled is known in after() only. */
static void get_filled(lua_State *L, struct argument a)
{
    const struct policy *p = policy_of(L);

    if (!p->has_result || p->result < 0)
        lua_pushnil(L);
    else
        memory_push(L, a.call, call_arg(a.call, a.i), p->result < CALL_BYTES_MAX ? (size_t)p->result : CALL_BYTES_MAX);
}

static void get_strings(lua_State *L, struct argument a)
{
    memory_push_strings(L, a.call, call_arg(a.call, a.i));
}

static void set_never(lua_State *L, struct argument a)
{
    luaL_error(L, "%s can't be assigned", a.arg->name);
}

static void get_flags(lua_State *L, struct argument a)
{
    values_push_set(L, a.arg->set, (uint64_t)text_integer(a.call, a.i), false);
}

static void set_flags(lua_State *L, struct argument a)
{
    call_set_arg(a.call, a.i, values_check_set(L, 3, a.arg->set));
}

static void get_mode(lua_State *L, struct argument a)
{
    values_push_set(L, values_mode, call_arg(a.call, a.i) & 0177777, true);
}

static void set_mode(lua_State *L, struct argument a)
{
    call_set_arg(a.call, a.i, values_check_set(L, 3, values_mode));
}

static void get_fd(lua_State *L, struct argument a)
{
    values_push_fd(L, (int)text_integer(a.call, a.i));
}

static void set_fd(lua_State *L, struct argument a)
{
    call_set_arg(a.call, a.i, (uint64_t)(int64_t)values_check_fd(L, 3));
}

static bool argument_addr(struct argument a, struct text_addr *out)
{
    const void *bytes;

    if (call_bytes(a.call, a.i, &bytes, &out->len) != 0 || out->len > sizeof out->raw)
        return false;
    memset(&out->raw, 0, sizeof out->raw);
    memcpy(&out->raw, bytes, out->len);
    return true;
}

static void get_addr(lua_State *L, struct argument a)
{
    struct text_addr addr;

    if (argument_addr(a, &addr))
        values_push_addr(L, &addr.raw, addr.len);
    else
        lua_pushnil(L);
}

static void set_addr(lua_State *L, struct argument a)
{
    struct text_addr old, new;

    values_check_addr(L, 3, argument_addr(a, &old) ? &old : NULL, &new);
    set_counted(L, a, &new.raw, new.len);
}

static void get_filled_addr(lua_State *L, struct argument a)
{
    struct text_addr addr = { .len = 0 };
    uint32_t len = 0;

    if (policy_of(L)->has_result && call_read(a.call, call_arg(a.call, a.i + 1), &len, sizeof len) == (ssize_t)sizeof len) {
        addr.len = len < sizeof addr.raw ? len : sizeof addr.raw;
        if (call_read(a.call, call_arg(a.call, a.i), &addr.raw, addr.len) == (ssize_t)addr.len && addr.len > 0) {
            values_push_addr(L, &addr.raw, addr.len);
            return;
        }
    }
    lua_pushnil(L);
}

struct accessor { void (*get)(lua_State *L, struct argument a); void (*set)(lua_State *L, struct argument a); };

static const struct accessor integer_accessor = { get_integer, set_integer };

static const struct accessor accessors[] = {    /* by enum abi_type; the others are integers */
    [ABI_FD] = { get_fd, set_fd },
    [ABI_DIRFD] = { get_fd, set_fd },
    [ABI_PATH] = { get_path, set_path },
    [ABI_PATH_LINK] = { get_path, set_path },
    [ABI_PATH_NAME] = { get_path, set_path },
    [ABI_PATH_AT] = { get_path, set_path },
    [ABI_PATH_OPEN] = { get_path, set_path },
    [ABI_STRING] = { get_string, set_string },
    [ABI_STRINGS] = { get_strings, set_never },
    [ABI_FLAGS] = { get_flags, set_flags },
    [ABI_MODE] = { get_mode, set_mode },
    [ABI_ADDR_IN] = { get_addr, set_addr },
    [ABI_ADDR_OUT] = { get_filled_addr, set_never },
    [ABI_BUF_IN] = { get_bytes, set_buffer },
    [ABI_BUF_OUT] = { get_filled, set_never },
};

static const struct accessor *object_accessor(enum abi_type type)
{
    bool special = (size_t)type < sizeof accessors / sizeof accessors[0] && accessors[type].get;

    return special ? &accessors[type] : &integer_accessor;
}

/* --- openat2 and creat have their flags elsewhere; policies for @open needn't know --- */

static int object_how_index(const struct call *call)
{
    const struct abi_call *row = call_row(call);

    for (int i = 0; i < 6; i++)
        if (row->args[i].type == ABI_OPEN_HOW)
            return i;
    return -1;
}

static const struct abi_flag *object_open_flags(void)
{
    const struct abi_call *open = abi_find("open");

    return open ? open->args[1].set : NULL;
}

/* [-0, +1] */
static int object_get_how(lua_State *L, struct call *call, int field)
{
    struct text_how how;
    int i = object_how_index(call);

    if (i >= 0 && text_how(call, i, &how) == 0) {
        if (field == FIELD_FLAGS)
            values_push_set(L, object_open_flags(), how.flags, false);
        else
            values_push_set(L, values_mode, how.mode, true);
    } else if (field == FIELD_FLAGS && strcmp(call_row(call)->name, "creat") == 0) {
        values_push_set(L, object_open_flags(), O_CREAT | O_WRONLY | O_TRUNC, false);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

static bool object_set_how(lua_State *L, struct call *call, int field)
{
    const void *bytes;
    size_t count;
    struct { uint64_t word[3]; unsigned char rest[232]; } how;
    int i = object_how_index(call);

    if (i < 0 || call_bytes(call, i, &bytes, &count) != 0 || count < sizeof how.word || count > sizeof how)
        return false;
    memcpy(&how, bytes, count);
    how.word[field == FIELD_FLAGS ? 0 : 1] = values_check_set(L, 3, field == FIELD_FLAGS ? object_open_flags() : values_mode);
    return call_set_bytes(call, i, &how, count) == 0;
}

/* --- the object --- */

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
        const struct abi_arg *arg = &call_row(call)->args[i];
        object_accessor(arg->type)->get(L, (struct argument){ call, arg, i });
        return 1;
    }
    if (field == FIELD_FLAGS || field == FIELD_MODE)
        return object_get_how(L, call, field);
    lua_pushnil(L);
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
    case FIELD_IP: lua_pushinteger(L, (lua_Integer)call_ip(call)); break;
    case FIELD_ARGS: lua_rawgeti(L, LUA_REGISTRYINDEX, p->args); break;
    case FIELD_MEMORY: lua_rawgeti(L, LUA_REGISTRYINDEX, p->memory); break;
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

static int object_newindex(lua_State *L)
{
    bool method;
    struct call *call = object_call(L);
    int field = object_lookup(L, &method);
    int i = method ? -1 : object_argument(policy_of(L), field);

    if (i >= 0) {
        const struct abi_arg *arg = &call_row(call)->args[i];
        object_accessor(arg->type)->set(L, (struct argument){ call, arg, i });
        return 0;
    }
    if ((field == FIELD_FLAGS || field == FIELD_MODE) && object_set_how(L, call, field))
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

static const luaL_Reg object_methods[] = {
    { "allow", object_allow },
    { "emulate", object_emulate },
    { "kill", object_kill },
    { "ask", object_ask },
    { NULL, NULL },
};

static const luaL_Reg object_metamethods[] = {
    { "__index", object_index },
    { "__newindex", object_newindex },
    { "__tostring", object_tostring },
    { NULL, NULL },
};

/* [-0, +1] the method deny with its table of errno names */
static void object_push_deny(lua_State *L)
{
    lua_newtable(L);
    for (int error = 1; error < 256; error++) {
        const char *name = abi_errno_name(error);
        if (name) {
            lua_pushinteger(L, error);
            lua_setfield(L, -2, name);
        }
    }
    lua_pushcclosure(L, object_deny, 1);
}

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

    luaL_newlib(L, object_methods);
    object_push_deny(L);
    lua_setfield(L, -2, "deny");
    for (int i = 0; fixed_fields[i].name; i++) {
        lua_pushinteger(L, fixed_fields[i].field);
        lua_setfield(L, -2, fixed_fields[i].name);
    }
    for (size_t i = 0; i < p->row_count; i++)
        object_number_row(L, abi_row(i), p->names[i], &next);
    for (size_t i = 0; i < p->other_count; i++)
        object_number_row(L, p->others[i], p->names[p->row_count + i], &next);
}

/* [-0, +1] a metatable that scripts can't reach; `upvalues` values on top go into each function */
static void object_push_metatable(lua_State *L, const luaL_Reg *functions, int upvalues)
{
    lua_newtable(L);
    lua_insert(L, -1 - upvalues);
    luaL_setfuncs(L, functions, upvalues);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
}

static void object_open_verdicts(lua_State *L)
{
    static const luaL_Reg metamethods[] = { { "__tostring", object_verdict_text }, { NULL, NULL } };

    lua_pushlightuserdata(L, NULL);
    object_push_metatable(L, metamethods, 0);
    lua_pushliteral(L, "verdict");
    lua_setfield(L, -2, "__name");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

void object_open(lua_State *L)
{
    object_open_verdicts(L);
    lua_newuserdatauv(L, 0, 0);
    object_push_metatable(L, args_metamethods, 0);
    lua_setmetatable(L, -2);
    policy_of(L)->args = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_newuserdatauv(L, 0, 0);
    object_push_fields(L);
    object_push_metatable(L, object_metamethods, 1);
    lua_setmetatable(L, -2);
}
