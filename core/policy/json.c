/*
 * json: json(path), a JSON file as a Lua value, for policies and modules while they are loaded.
 *
 * Runs in the helper, before the program starts. Believes the file as little as any script: it may be torn, deep or no JSON at all, and
 * that is one line with file and line. lua-cjson does the parsing; scripts never see it, only what it made. What it would bend is put right
 * here: numbers, null, and bytes that are no UTF-8. unit-json.c.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy/inside.h"

#include <lua5.4/lua-cjson.h>    /* needs Lua's own header before it */

enum {
    DEPTH_MAX = 64,       /* tables within tables */
    DIGITS_SAFE = 15,     /* a double holds so many exactly */
    MARK = 0xff,          /* begins the string that stands for a longer integer; no byte of a valid text */
};

static int json_error(lua_State *L, const char *path, int line, const char *message)
{
    if (line)
        lua_pushfstring(L, "%s:%d: %s", path, line, message);
    else
        lua_pushfstring(L, "%s: %s", path, message);
    return lua_error(L);    /* without a position: the script's is put before it */
}

static int json_line(const char *text, size_t at)
{
    int line = 1;

    for (size_t i = 0; i < at && text[i]; i++)
        line += text[i] == '\n';
    return line;
}

/* The length of the UTF-8 character at the start of text (which a NUL ends), or 0. */
static size_t json_character(const char *text)
{
    static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };    /* shorter spellings are not valid */
    const unsigned char *c = (const unsigned char *)text;
    size_t len = c[0] < 0x80 ? 1 : c[0] < 0xc0 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf8 ? 4 : 0;
    unsigned code = len > 1 ? c[0] & (0x7fu >> len) : c[0];

    for (size_t i = 1; i < len; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (c[i] & 0x3f);
    }
    return len && code >= least[len] && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000) ? len : 0;
}

static void json_check_text(lua_State *L, const char *path, const char *text, size_t size)
{
    for (size_t i = 0, len; i < size; i += len) {
        if (text[i] == '\0')
            json_error(L, path, json_line(text, i), "a NUL byte");
        len = json_character(text + i);
        if (!len)
            json_error(L, path, json_line(text, i), "a byte that is not UTF-8");
    }
}

/* Whether a token is an integer of 64 bits that a double might not hold. */
static bool json_is_long(const char *token, size_t len)
{
    size_t sign = token[0] == '-', digits = strspn(token + sign, "0123456789");
    char *end;

    if (sign + digits != len || digits <= DIGITS_SAFE || token[sign] == '0')
        return false;
    errno = 0;
    if (sign)
        strtoll(token, &end, 10);
    else
        strtoull(token, &end, 10);
    return errno == 0;
}

/* [-0, +1] the text with long integers as marked strings, since cjson knows doubles only; lines stay what they are */
static void json_mark_integers(lua_State *L, const char *text)
{
    static const char token_chars[] = "0123456789+-.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    luaL_Buffer out;

    luaL_buffinit(L, &out);
    while (*text) {
        size_t len = strspn(text, token_chars);
        bool is_long = len && json_is_long(text, len);
        if (text[0] == '"')
            for (len = 1; text[len] && text[len] != '"'; len++)
                len += text[len] == '\\' && text[len + 1];
        len += !len || (text[0] == '"' && text[len]);
        if (is_long)
            luaL_addlstring(&out, (const char[]){ '"', (char)MARK }, 2);
        luaL_addlstring(&out, text, len);
        if (is_long)
            luaL_addchar(&out, '"');
        text += len;
    }
    luaL_pushresult(&out);
}

/* [-0, +1] a decoder of our own, so that nobody else's settings count */
static void json_push_decoder(lua_State *L)
{
    lua_pushcfunction(L, luaopen_cjson);
    lua_call(L, 0, 1);
    lua_getfield(L, -1, "decode_max_depth");
    lua_pushinteger(L, DEPTH_MAX);
    lua_call(L, 1, 0);
    lua_getfield(L, -1, "decode_invalid_numbers");
    lua_pushboolean(L, 0);
    lua_call(L, 1, 0);
    lua_getfield(L, -1, "decode");
    lua_remove(L, -2);
}

/* Raises cjson's message in our words: "Expected value but found T_END at character 12". */
static void json_complain(lua_State *L, const char *path, const char *text)
{
    static const char *const tokens[][2] = {
        { "T_OBJ_BEGIN", "'{'" }, { "T_OBJ_END", "'}'" }, { "T_ARR_BEGIN", "'['" }, { "T_ARR_END", "']'" }, { "T_STRING", "a string" },
        { "T_NUMBER", "a number" }, { "T_BOOLEAN", "a boolean" }, { "T_NULL", "null" }, { "T_COLON", "':'" }, { "T_COMMA", "','" },
        { "T_END", "the end of the file" }, { "Expected", "expected" }, { "Found", "found" },
    };
    const char *message = lua_tostring(L, -1);
    const char *at = strstr(message, " at character ");

    int line = at ? json_line(text, strtoul(at + strlen(" at character "), NULL, 10)) : 0;
    message = lua_pushlstring(L, message, at ? (size_t)(at - message) : strlen(message));
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        message = luaL_gsub(L, message, tokens[i][0], tokens[i][1]);
    json_error(L, path, line, message);
}

/* [-1, +1] the value on top as scripts shall see it; false when it is a number beyond all bounds */
static bool json_mend(lua_State *L)
{
    if (lua_islightuserdata(L, -1)) {    /* null: nothing, never a value that could pass for a verdict */
        lua_pop(L, 1);
        lua_pushnil(L);
    } else if (lua_type(L, -1) == LUA_TNUMBER) {
        double value = lua_tonumber(L, -1);
        if (!isfinite(value))
            return false;
        lua_Integer integer;
        if (lua_numbertointeger(value, &integer) && (double)integer == value && fabs(value) < 1e15) {
            lua_pop(L, 1);
            lua_pushinteger(L, integer);
        }
    } else if (lua_type(L, -1) == LUA_TSTRING && (unsigned char)lua_tostring(L, -1)[0] == MARK) {
        const char *digits = lua_tostring(L, -1) + 1;
        unsigned long long value = digits[0] == '-' ? (unsigned long long)strtoll(digits, NULL, 10) : strtoull(digits, NULL, 10);
        lua_pop(L, 1);
        lua_pushinteger(L, (lua_Integer)value);
    }
    return true;
}

/* The value on top and all within it; as deep as the decoder went at most. */
static bool json_mend_all(lua_State *L)
{
    if (!lua_istable(L, -1))
        return json_mend(L);
    luaL_checkstack(L, 4, "json");
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {    /* table, key, value */
        if (!json_mend_all(L))
            return false;
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -5);    /* a field that exists: allowed while walking */
    }
    return true;
}

/* [-0, +1] the path, relative to the script that runs */
static const char *json_path(lua_State *L, const char *name)
{
    char place[PLACE_MAX];

    state_where(L, place, sizeof place);
    const char *slash = name[0] == '/' ? NULL : strrchr(place, '/');
    lua_pushlstring(L, place, slash ? (size_t)(slash + 1 - place) : 0);
    lua_pushstring(L, name);
    lua_concat(L, 2);
    return lua_tostring(L, -1);
}

/*
 * json(path): the value of a file of at most 4 MiB, and the path where it was found (relative ones begin at the calling script's directory).
 * Objects and arrays are tables, null is nil. Integers of up to 64 bits are exact; those above 2^63-1 come as Lua has them, negative
 * (math.ult, "%u"). Raises "PATH:LINE: what is wrong" (RFC 8259). While loading only.
 */
int json_load(lua_State *L)
{
    size_t size;
    const char *name = luaL_checkstring(L, 1);

    if (!policy_of(L)->loading)
        return luaL_error(L, "json: files are read while the policy is loaded, not while the program runs");
    lua_settop(L, 1);
    const char *path = json_path(L, name);
    scripts_read(L, path);
    const char *text = lua_tolstring(L, -1, &size);
    json_check_text(L, path, text, size);
    json_mark_integers(L, text);
    text = lua_tostring(L, -1);
    json_push_decoder(L);
    lua_pushvalue(L, -2);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK)
        json_complain(L, path, text);
    if (!json_mend_all(L))
        return json_error(L, path, 0, "a number is too large");
    lua_pushvalue(L, 2);
    return 2;
}
