/*
 * arguments: the typed view of a call's arguments: how each type is pushed to Lua, and assigned from it.
 *
 * Runs in the helper, on the hot path. The program isn't believed: what is read here is the helper's copy, the same that will be executed.
 * unit-policy.c: the_call_shows_its_arguments, arguments_can_be_rewritten.
 */
#include <fcntl.h>
#include <math.h>
#include <string.h>

#include "core/policy/inside.h"
#include "core/text/text.h"

/* get: [-0, +1] push the value; set: assign the one at stack index 3. */

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
    const char *const *strings;
    size_t count;

    if (call_strings(a.call, a.i, &strings, &count) != 0) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, (int)count, 0);    /* exec takes fewer than INT_MAX */
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, strings[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* A list and nothing else: a name as a key, as in { HOME = "/" }, or a hole would otherwise be lost without a word. */
static void check_list(lua_State *L, struct argument a, lua_Unsigned count)
{
    lua_Unsigned keys = 0;

    for (lua_pushnil(L); lua_next(L, 3) != 0; lua_pop(L, 1))
        keys++;
    if (keys != count)
        luaL_error(L, "%s must be a list of strings: 1, 2, 3... and no other keys", a.arg->name);
}

static const char *check_item(lua_State *L, struct argument a, lua_Integer i)
{
    size_t len;

    if (lua_rawgeti(L, 3, i) != LUA_TSTRING)
        luaL_error(L, "%s must be a list of strings: item %d is a %s", a.arg->name, (int)i, luaL_typename(L, -1));
    const char *text = lua_tolstring(L, -1, &len);
    if (strlen(text) != len)
        luaL_error(L, "%s: item %d has a NUL byte in it", a.arg->name, (int)i);
    lua_pop(L, 1);    /* the list keeps it */
    return text;
}

static void set_strings(lua_State *L, struct argument a)
{
    if (lua_type(L, 3) != LUA_TTABLE)
        luaL_error(L, "%s must be a list of strings, not a %s", a.arg->name, luaL_typename(L, 3));
    lua_Unsigned count = lua_rawlen(L, 3);
    check_list(L, a, count);
    const char **strings = lua_newuserdatauv(L, (count + 1) * sizeof *strings, 0);
    for (lua_Unsigned i = 0; i < count; i++)
        strings[i] = check_item(L, a, (lua_Integer)i + 1);
    int error = call_set_strings(a.call, a.i, strings, count);
    if (error != 0)
        luaL_error(L, "%s can't be changed: %s", a.arg->name, strerror(-error));
}

/* --- times: seconds, as a number --- */

struct time_form { enum abi_shape shape; double unit; };
static const struct time_form time_forms[] = { { ABI_TIMESPEC, 1e9 }, { ABI_TIMESPEC64, 1e9 }, { ABI_TIMEVAL, 1e6 } };

/* NULL when the argument is no time, or one that only the thread itself can be given: then it is an address like any other. */
static const struct time_form *time_form(struct argument a)
{
    enum abi_where where = call_row(a.call)->where;

    for (size_t i = 0; i < sizeof time_forms / sizeof *time_forms; i++)
        if (time_forms[i].shape == a.arg->shape && (where == ABI_ANY || where == ABI_BLOCKS))
            return &time_forms[i];
    return NULL;
}

static bool time_is_narrow(struct argument a)
{
    return call_arch(a.call) == ABI_I386 && a.arg->shape != ABI_TIMESPEC64;
}

static void get_struct(lua_State *L, struct argument a)
{
    const struct time_form *form = time_form(a);
    struct text_time time;

    if (!form)
        get_integer(L, a);
    else if (call_arg(a.call, a.i) && text_time(a.call, a.i, &time) == 0)
        lua_pushnumber(L, (lua_Number)time.seconds + (lua_Number)time.fraction / form->unit);
    else
        lua_pushnil(L);
}

static void set_struct(lua_State *L, struct argument a)
{
    const struct time_form *form = time_form(a);
    lua_Number seconds = form ? luaL_checknumber(L, 3) : 0, whole = floor(seconds);

    if (!form) {
        set_integer(L, a);
        return;
    }
    luaL_argcheck(L, fabs(seconds) < 9e18, 3, "no time is that long");
    int64_t wide[2] = { (int64_t)whole, (int64_t)((seconds - whole) * form->unit) };
    int32_t narrow[2] = { (int32_t)wide[0], (int32_t)wide[1] };
    if (time_is_narrow(a))
        set_bytes(L, a, narrow, sizeof narrow);
    else
        set_bytes(L, a, wide, sizeof wide);
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

static void push_addr(lua_State *L, struct call *call, int i, const struct text_addr *addr)
{
    const char *path;

    values_push_addr(L, &addr->raw, addr->len);
    if (call_path(call, i, &path) == 0)
        values_place_addr(L, path);
}

static void get_addr(lua_State *L, struct argument a)
{
    struct text_addr addr;

    if (argument_addr(a, &addr))
        push_addr(L, a.call, a.i, &addr);
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
    [ABI_STRINGS] = { get_strings, set_strings },
    [ABI_FLAGS] = { get_flags, set_flags },
    [ABI_MODE] = { get_mode, set_mode },
    [ABI_ADDR_IN] = { get_addr, set_addr },
    [ABI_ADDR_OUT] = { get_filled_addr, set_never },
    [ABI_BUF_IN] = { get_bytes, set_buffer },
    [ABI_BUF_OUT] = { get_filled, set_never },
    [ABI_STRUCT_IN] = { get_struct, set_struct },
};

static const struct accessor *argument_accessor(const struct abi_arg *arg)
{
    bool special = (size_t)arg->type < sizeof accessors / sizeof accessors[0] && accessors[arg->type].get;

    return special ? &accessors[arg->type] : &integer_accessor;
}

void arguments_push(lua_State *L, struct call *call, int i)
{
    const struct abi_arg *arg = &call_row(call)->args[i];

    argument_accessor(arg)->get(L, (struct argument){ call, arg, i });
}

void arguments_assign(lua_State *L, struct call *call, int i)
{
    const struct abi_arg *arg = &call_row(call)->args[i];

    argument_accessor(arg)->set(L, (struct argument){ call, arg, i });
}

/* --- data and address of vectors and messages --- */

/* The argument of one of these types; -1 when there is none. */
static int argument_of(const struct call *call, enum abi_type a, enum abi_type b, enum abi_type c)
{
    const struct abi_call *row = call_row(call);

    for (int i = 0; i < 6; i++)
        if (row->args[i].type != ABI_NONE && (row->args[i].type == a || row->args[i].type == b || row->args[i].type == c))
            return i;
    return -1;
}

/* The argument of sendmsg, sendmmsg or (with `vectors`) writev and its like. */
static int scattered_index(const struct call *call, bool vectors)
{
    return argument_of(call, ABI_MSG_IN, ABI_MMSG_IN, vectors ? ABI_IOV_IN : ABI_NONE);
}

/* What the kernel has put into readv's vectors or recvmsg's message: known in after() only. */
static void push_filled_data(lua_State *L, struct call *call)
{
    const struct policy *p = policy_of(L);
    int i = argument_of(call, ABI_IOV_OUT, ABI_MSG_OUT, ABI_NONE);
    luaL_Buffer bytes;

    if (i < 0 || !p->has_result || p->result < 0) {
        lua_pushnil(L);
        return;
    }
    size_t wanted = p->result < CALL_BYTES_MAX ? (size_t)p->result : CALL_BYTES_MAX;
    char *into = luaL_buffinitsize(L, &bytes, wanted + 1);
    ssize_t n = call_filled(call, i, into, wanted);
    luaL_pushresultsize(&bytes, n > 0 ? (size_t)n : 0);
}

static void push_filled_name(lua_State *L, struct call *call)
{
    const struct policy *p = policy_of(L);
    int i = argument_of(call, ABI_MSG_OUT, ABI_NONE, ABI_NONE);
    struct text_addr addr = { .len = 0 };
    ssize_t n = i >= 0 && p->has_result && p->result >= 0 ? call_filled_name(call, i, &addr.raw, sizeof addr.raw) : 0;

    if (n > 0)
        values_push_addr(L, &addr.raw, (size_t)n);
    else
        lua_pushnil(L);
}

static struct argument scattered(struct call *call, int i)
{
    return (struct argument){ call, &call_row(call)->args[i], i };
}

void arguments_push_data(lua_State *L, struct call *call)
{
    int i = scattered_index(call, true);

    if (i >= 0)
        get_bytes(L, scattered(call, i));
    else
        push_filled_data(L, call);
}

bool arguments_assign_data(lua_State *L, struct call *call)
{
    size_t len;
    int i = scattered_index(call, true);

    if (i < 0)
        return false;
    const char *bytes = luaL_checklstring(L, 3, &len);
    set_bytes(L, scattered(call, i), bytes, len);
    return true;
}

static bool message_addr(struct call *call, int i, struct text_addr *out)
{
    const void *bytes;

    if (call_name(call, i, &bytes, &out->len) != 0 || out->len == 0)
        return false;
    memset(&out->raw, 0, sizeof out->raw);
    memcpy(&out->raw, bytes, out->len);
    return true;
}

void arguments_push_name(lua_State *L, struct call *call)
{
    struct text_addr addr;
    int i = scattered_index(call, false);

    if (i >= 0 && message_addr(call, i, &addr))
        push_addr(L, call, i, &addr);
    else
        push_filled_name(L, call);
}

void arguments_push_control(lua_State *L, struct call *call)
{
    const void *bytes;
    size_t count;
    int i = scattered_index(call, false);

    if (i >= 0 && call_arg(call, i) && call_control(call, i, &bytes, &count) == 0)
        lua_pushlstring(L, bytes, count);
    else
        lua_pushnil(L);
}

bool arguments_assign_name(lua_State *L, struct call *call)
{
    struct text_addr old, new;
    int i = scattered_index(call, false);

    if (i < 0)
        return false;
    values_check_addr(L, 3, message_addr(call, i, &old) ? &old : NULL, &new);
    int error = call_set_name(call, i, &new.raw, new.len);
    if (error != 0)
        luaL_error(L, "addr can't be changed: %s", strerror(-error));
    return true;
}

/* --- openat2 and creat have their flags elsewhere; policies for @open needn't know --- */

static int open_how_index(const struct call *call)
{
    const struct abi_call *row = call_row(call);

    for (int i = 0; i < 6; i++)
        if (row->args[i].type == ABI_OPEN_HOW)
            return i;
    return -1;
}

static const struct abi_flag *open_flags(void)
{
    const struct abi_call *open = abi_find("open");

    return open ? open->args[1].set : NULL;
}

int arguments_push_open(lua_State *L, struct call *call, bool mode)
{
    struct text_how how;
    int i = open_how_index(call);

    if (i >= 0 && text_how(call, i, &how) == 0) {
        if (mode)
            values_push_set(L, values_mode, how.mode, true);
        else
            values_push_set(L, open_flags(), how.flags, false);
    } else if (!mode && strcmp(call_row(call)->name, "creat") == 0) {
        values_push_set(L, open_flags(), O_CREAT | O_WRONLY | O_TRUNC, false);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

bool arguments_assign_open(lua_State *L, struct call *call, bool mode)
{
    const void *bytes;
    size_t count;
    struct { uint64_t word[3]; unsigned char rest[232]; } how;
    int i = open_how_index(call);

    if (i < 0 || call_bytes(call, i, &bytes, &count) != 0 || count < sizeof how.word || count > sizeof how)
        return false;
    memcpy(&how, bytes, count);
    how.word[mode] = values_check_set(L, 3, mode ? values_mode : open_flags());
    return call_set_bytes(call, i, &how, count) == 0;
}
