/*
 * sandbox: which part of Lua's own library a policy gets.
 *
 * Runs in the helper. The hook of state.c only ticks between Lua instructions, so whatever could run long *inside* one C function is
 * refused or bounded here: patterns whose backtracking could explode (sandbox_pattern), table functions on tables
 * with metamethods (their length is what they claim), string.rep of nothing, xpcall (its handler would run without the hook) and
 * __gc (so would it). Not given at all: io, os except time, date and clock, debug, coroutine, bytecode, dofile, loadfile.
 * unit-policy.c: sandbox_*.
 */
#include <string.h>

#include <lua5.4/lualib.h>

#include "core/policy/inside.h"

/* Steps that one pattern function may need in the worst case: about a second. */
#define PATTERN_STEPS 2e8

/* The library's own function, kept as the first upvalue of each guard; it has no upvalues of its own. */
static int sandbox_original(lua_State *L)
{
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* What in a pattern multiplies the work: items that try every length, and optional items. */
struct pattern_shape { int loops, optionals; bool anchored; };

/* The index of the ']' that ends the set beginning at i. */
static size_t sandbox_set_end(const char *pattern, size_t len, size_t i)
{
    size_t first = i + 1;

    if (first < len && pattern[first] == '^')
        first++;
    for (i = first; i < len && (pattern[i] != ']' || i == first); i++)    /* a ']' in the first place is a member */
        if (pattern[i] == '%')
            i++;
    return i;
}

static void sandbox_shape(const char *pattern, size_t len, struct pattern_shape *shape)
{
    *shape = (struct pattern_shape){ .anchored = len > 0 && pattern[0] == '^' };
    for (size_t i = 0; i < len; i++) {
        char c = pattern[i];
        if (c == '%' && i + 1 < len) {
            i++;
            if (pattern[i] == 'b' || pattern[i] == 'f' || (pattern[i] >= '0' && pattern[i] <= '9'))
                shape->loops++;
        } else if (c == '[') {
            i = sandbox_set_end(pattern, len, i);
        } else if (c == '*' || c == '+' || c == '-') {
            shape->loops++;
        } else if (c == '?') {
            shape->optionals++;
        }
    }
}

/* gmatch knows no anchor. */
static void sandbox_shape_unanchored(const char *pattern, size_t len, struct pattern_shape *shape)
{
    sandbox_shape(pattern, len, shape);
    shape->anchored = false;
}

/* A plain search: no character is special. */
static void sandbox_shape_plain(const char *pattern, size_t len, struct pattern_shape *shape)
{
    (void)pattern, (void)len;
    *shape = (struct pattern_shape){ 0 };
}

/*
 * Lua's matcher backtracks: k items of variable length on n bytes need up to C(n+k, k) steps, one k more when the pattern isn't
 * anchored, twice as many for each '?'. A pattern is refused when that worst case is too long for this subject; so "^(.*)/" works on
 * whole buffers and ("a*"):rep(30) on nothing.
 */
static void sandbox_check_pattern(lua_State *L, void (*shape_of)(const char *pattern, size_t len, struct pattern_shape *shape))
{
    size_t n, m;
    struct pattern_shape shape;

    luaL_checklstring(L, 1, &n);
    const char *pattern = luaL_checklstring(L, 2, &m);
    shape_of(pattern, m, &shape);
    int k = shape.loops + !shape.anchored;
    double steps = 1 + (double)m / 16;
    for (int i = 1; i <= k && steps <= PATTERN_STEPS; i++)
        steps *= ((double)n + i) / i;
    for (int i = 0; i < shape.optionals && steps <= PATTERN_STEPS; i++)
        steps *= 2;
    if (steps > PATTERN_STEPS)
        luaL_error(L, "the pattern could take too long on a string of %d bytes", (int)n);
}

static int sandbox_pattern(lua_State *L)
{
    sandbox_check_pattern(L, sandbox_shape);
    return sandbox_original(L);
}

static int sandbox_find(lua_State *L)
{
    sandbox_check_pattern(L, lua_toboolean(L, 4) ? sandbox_shape_plain : sandbox_shape);
    return sandbox_original(L);
}

static int sandbox_gmatch(lua_State *L)
{
    sandbox_check_pattern(L, sandbox_shape_unanchored);
    return sandbox_original(L);
}

static int sandbox_rep(lua_State *L)
{
    size_t len, gap = 0;

    luaL_checklstring(L, 1, &len);
    luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &gap);
    if (len + gap == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    return sandbox_original(L);
}

static int sandbox_table(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (luaL_getmetafield(L, 1, "__len") != LUA_TNIL || luaL_getmetafield(L, 1, "__index") != LUA_TNIL
        || luaL_getmetafield(L, 1, "__newindex") != LUA_TNIL)
        luaL_error(L, "this function works on plain tables only");
    return sandbox_original(L);
}

static int sandbox_move(lua_State *L)
{
    lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);

    if (to > from && (lua_Unsigned)to - (lua_Unsigned)from > 1000000)
        luaL_error(L, "table.move of more than a million elements");
    if (lua_istable(L, 5) && lua_getmetatable(L, 5))
        luaL_error(L, "this function works on plain tables only");
    return sandbox_table(L);
}

static int sandbox_setmetatable(lua_State *L)
{
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            luaL_error(L, "__gc is not available in policies");
        lua_pop(L, 1);
    }
    return sandbox_original(L);
}

/* As Lua's, but the handler runs after the unwinding. */
static int sandbox_xpcall(lua_State *L)
{
    luaL_checkany(L, 2);
    lua_pushvalue(L, 2);
    lua_remove(L, 2);
    lua_insert(L, 1);    /* handler, function, arguments */
    if (lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0) == LUA_OK) {
        lua_pushboolean(L, 1);
        lua_replace(L, 1);
        return lua_gettop(L);
    }
    lua_pushvalue(L, 1);
    lua_insert(L, -2);
    lua_call(L, 1, LUA_MULTRET);
    lua_pushboolean(L, 0);
    lua_replace(L, 1);
    return lua_gettop(L);
}

static int sandbox_undefined(lua_State *L)
{
    if (lua_type(L, 2) == LUA_TSTRING)
        return luaL_error(L, "undefined global '%s'", lua_tostring(L, 2));
    return 0;
}

struct guard { const char *name; lua_CFunction guard; };    /* guard NULL: the original as it is */

/* [-1, +1] the library on top becomes a new table of the named functions */
static void sandbox_pick(lua_State *L, const struct guard *guards)
{
    lua_newtable(L);
    for (; guards->name; guards++) {
        lua_getfield(L, -2, guards->name);
        if (guards->guard)
            lua_pushcclosure(L, guards->guard, 1);
        lua_setfield(L, -2, guards->name);
    }
    lua_remove(L, -2);
}

static void sandbox_lib(lua_State *L, const char *name, lua_CFunction open, const struct guard *guards)
{
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
    sandbox_pick(L, guards);
}

/* [-1, +0] strings get the table on top as their methods */
static void sandbox_string_methods(lua_State *L)
{
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 3);
}

static const struct guard base_functions[] = {
    { "assert", NULL }, { "error", NULL }, { "getmetatable", NULL }, { "ipairs", NULL }, { "next", NULL },
    { "pairs", NULL }, { "pcall", NULL }, { "rawequal", NULL }, { "rawget", NULL }, { "rawlen", NULL }, { "rawset", NULL },
    { "select", NULL }, { "setmetatable", sandbox_setmetatable }, { "tonumber", NULL }, { "tostring", NULL },
    { "type", NULL }, { "_VERSION", NULL }, { NULL, NULL },
};

static const struct guard string_functions[] = {
    { "byte", NULL }, { "char", NULL }, { "find", sandbox_find }, { "format", NULL }, { "gmatch", sandbox_gmatch },
    { "gsub", sandbox_pattern }, { "len", NULL }, { "lower", NULL }, { "match", sandbox_pattern }, { "pack", NULL },
    { "packsize", NULL }, { "rep", sandbox_rep }, { "reverse", NULL }, { "sub", NULL }, { "unpack", NULL },
    { "upper", NULL }, { NULL, NULL },
};

static const struct guard table_functions[] = {
    { "concat", sandbox_table }, { "insert", sandbox_table }, { "move", sandbox_move }, { "pack", NULL },
    { "remove", sandbox_table }, { "sort", sandbox_table }, { "unpack", sandbox_table }, { NULL, NULL },
};

static const struct guard math_functions[] = {
    { "abs", NULL }, { "acos", NULL }, { "asin", NULL }, { "atan", NULL }, { "ceil", NULL }, { "cos", NULL }, { "deg", NULL },
    { "exp", NULL }, { "floor", NULL }, { "fmod", NULL }, { "huge", NULL }, { "log", NULL }, { "max", NULL },
    { "maxinteger", NULL }, { "min", NULL }, { "mininteger", NULL }, { "modf", NULL }, { "pi", NULL }, { "rad", NULL },
    { "random", NULL }, { "randomseed", NULL }, { "sin", NULL }, { "sqrt", NULL }, { "tan", NULL },
    { "tointeger", NULL }, { "type", NULL }, { "ult", NULL }, { NULL, NULL },
};

static const struct guard utf8_functions[] = {
    { "char", NULL }, { "charpattern", NULL }, { "codepoint", NULL }, { "codes", NULL }, { "len", NULL },
    { "offset", NULL }, { NULL, NULL },
};

static const struct guard os_functions[] = {
    { "clock", NULL }, { "date", NULL }, { "time", NULL }, { NULL, NULL },
};

static const struct { const char *name; lua_CFunction open; const struct guard *functions; } libraries[] = {
    { LUA_TABLIBNAME, luaopen_table, table_functions },
    { LUA_MATHLIBNAME, luaopen_math, math_functions },
    { LUA_UTF8LIBNAME, luaopen_utf8, utf8_functions },
    { LUA_OSLIBNAME, luaopen_os, os_functions },
    { NULL, NULL, NULL },
};

/* [-1, +1] names that nobody defined are an error, in every environment */
static void sandbox_strict(lua_State *L)
{
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, sandbox_undefined);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

static const char sandbox_key;    /* its address: the registry's key of the environments' metatable */

void sandbox_open(lua_State *L)
{
    sandbox_lib(L, LUA_GNAME, luaopen_base, base_functions);
    lua_pushcfunction(L, sandbox_xpcall);
    lua_setfield(L, -2, "xpcall");
    sandbox_lib(L, LUA_STRLIBNAME, luaopen_string, string_functions);
    strings_open(L);
    lua_getfield(L, -1, "format");
    policy_of(L)->format = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, LUA_STRLIBNAME);
    sandbox_string_methods(L);
    for (int i = 0; libraries[i].name; i++) {
        sandbox_lib(L, libraries[i].name, libraries[i].open, libraries[i].functions);
        lua_setfield(L, -2, libraries[i].name);
    }
    host_functions_open(L);
    sandbox_strict(L);
    lua_createtable(L, 0, 2);
    lua_insert(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &sandbox_key);
}

void sandbox_env(lua_State *L)
{
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "_G");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &sandbox_key);
    lua_setmetatable(L, -2);
}
