/*
 * memory: call.memory, the program's memory as seen from a handler.
 *
 * Runs in the helper. Nothing read here is believed to stay: only what is read through `call` itself is what will be executed.
 * unit-policy.c: memory.
 */
#include <string.h>

#include "core/policy/inside.h"

enum { READ_MAX = 1 << 20, STRING_MAX = 1 << 16, PAGE = 4096 };

/* The bytes as a string; nil and a message when the memory isn't there. Returns the number of results. */
int memory_push(lua_State *L, struct call *call, uint64_t addr, size_t count)
{
    luaL_Buffer bytes;

    char *into = luaL_buffinitsize(L, &bytes, count ? count : 1);
    ssize_t got = count ? call_read(call, addr, into, count) : 0;
    luaL_pushresultsize(&bytes, got > 0 ? (size_t)got : 0);
    if (got >= 0)
        return 1;
    luaL_pushfail(L);
    lua_replace(L, -2);
    lua_pushstring(L, strerror((int)-got));
    return 2;
}

/* A C string, read page by page, since what follows it may not be mapped. Returns its length, or -1. */
static ssize_t memory_string(struct call *call, uint64_t addr, char *buf)
{
    size_t len = 0;

    while (len < STRING_MAX) {
        size_t room = PAGE - (addr + len) % PAGE;
        if (room > STRING_MAX - len)
            room = STRING_MAX - len;
        ssize_t got = call_read(call, addr + len, buf + len, room);
        if (got <= 0)
            return -1;
        const char *end = memchr(buf + len, '\0', (size_t)got);
        if (end)
            return end - buf;
        len += (size_t)got;
    }
    return STRING_MAX;
}

/* [-0, +1] the string, or nil */
static void memory_push_string(lua_State *L, struct call *call, uint64_t addr)
{
    luaL_Buffer bytes;

    char *into = luaL_buffinitsize(L, &bytes, STRING_MAX);
    ssize_t len = memory_string(call, addr, into);
    luaL_pushresultsize(&bytes, len > 0 ? (size_t)len : 0);
    if (len < 0) {
        lua_pushnil(L);
        lua_replace(L, -2);
    }
}

static int memory_read(lua_State *L)
{
    struct call *call = object_call(L);
    lua_Integer addr = luaL_checkinteger(L, 2), count = luaL_checkinteger(L, 3);

    luaL_argcheck(L, count >= 0 && count <= READ_MAX, 3, "between 0 and 1048576 bytes can be read");
    return memory_push(L, call, (uint64_t)addr, (size_t)count);
}

static int memory_read_string(lua_State *L)
{
    struct call *call = object_call(L);

    memory_push_string(L, call, (uint64_t)luaL_checkinteger(L, 2));
    return 1;
}

static int memory_write(lua_State *L)
{
    struct call *call = object_call(L);
    lua_Integer addr = luaL_checkinteger(L, 2);
    size_t count;
    const char *bytes = luaL_checklstring(L, 3, &count);

    ssize_t put = call_write(call, (uint64_t)addr, bytes, count);
    if (put >= 0) {
        lua_pushinteger(L, put);
        return 1;
    }
    luaL_pushfail(L);
    lua_pushstring(L, strerror((int)-put));
    return 2;
}

static const luaL_Reg memory_methods[] = {
    { "read", memory_read },
    { "string", memory_read_string },
    { "write", memory_write },
    { NULL, NULL },
};

void memory_open(lua_State *L)
{
    lua_newuserdatauv(L, 0, 0);
    lua_createtable(L, 0, 2);
    luaL_newlib(L, memory_methods);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    policy_of(L)->memory = luaL_ref(L, LUA_REGISTRYINDEX);
}
