/*
 * values: what the typed fields of a call give: sets of flags, descriptors, socket addresses.
 *
 * Runs in the helper. A set and an address are values of their own, a copy that outlives the call; a descriptor asks
 * the kernel about the program when its path is wanted, so it lives as long as the call. unit-policy.c: sets, fds, addresses.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/policy/inside.h"
#include "core/text/text.h"

#define BIT(name) { #name, name, name }
#define KIND(name) { #name, name, S_IFMT }

const struct abi_flag values_mode[] = {
    BIT(S_ISUID), BIT(S_ISGID), BIT(S_ISVTX), { "S_IRWXU", S_IRWXU, S_IRWXU }, BIT(S_IRUSR), BIT(S_IWUSR), BIT(S_IXUSR),
    { "S_IRWXG", S_IRWXG, S_IRWXG }, BIT(S_IRGRP), BIT(S_IWGRP), BIT(S_IXGRP), { "S_IRWXO", S_IRWXO, S_IRWXO }, BIT(S_IROTH),
    BIT(S_IWOTH), BIT(S_IXOTH), KIND(S_IFSOCK), KIND(S_IFLNK), KIND(S_IFREG), KIND(S_IFBLK), KIND(S_IFDIR), KIND(S_IFCHR),
    KIND(S_IFIFO), { NULL, 0, 0 },
};

/* --- sets of flags --- */

struct set { const struct abi_flag *flags; uint64_t value; bool octal; };

static const char set_type[] = "nurse.set";

static struct set *set_self(lua_State *L, int index)
{
    return luaL_checkudata(L, index, set_type);
}

void values_push_set(lua_State *L, const struct abi_flag *flags, uint64_t value, bool octal)
{
    struct set *set = lua_newuserdatauv(L, sizeof *set, 0);

    *set = (struct set){ flags, value, octal };
    luaL_setmetatable(L, set_type);
}

/* The next name of "O_RDONLY|O_CREAT" (spaces and commas part them too); NULL at the end, an error when the set has no such name. */
static const struct abi_flag *set_next(lua_State *L, const struct abi_flag *flags, const char **at)
{
    char name[64];
    const struct abi_flag *flag = NULL;

    *at += strspn(*at, "| ,");
    size_t len = strcspn(*at, "| ,");
    if (len == 0)
        return NULL;
    snprintf(name, sizeof name, "%.*s", (int)len, *at);
    *at += len;
    if (!flags || len >= sizeof name || abi_flag_value(flags, name, &flag) != 0)
        luaL_error(L, "unknown flag '%s'", name);
    return flag;
}

static uint64_t set_mask(const struct abi_flag *flag)
{
    return flag->mask ? flag->mask : flag->value;
}

/* A set from an integer, a set or names. */
uint64_t values_check_set(lua_State *L, int index, const struct abi_flag *flags)
{
    uint64_t value = 0;
    const struct abi_flag *flag;

    if (lua_type(L, index) == LUA_TNUMBER)
        return (uint64_t)luaL_checkinteger(L, index);
    if (lua_type(L, index) != LUA_TSTRING)
        return set_self(L, index)->value;
    const char *at = lua_tostring(L, index);
    while ((flag = set_next(L, flags, &at)))
        value = (value & ~set_mask(flag)) | flag->value;
    return value;
}

/* set:has "O_CREAT": every one of the names. */
static int set_has(lua_State *L)
{
    const struct set *set = set_self(L, 1);
    const char *at = luaL_checkstring(L, 2);
    const struct abi_flag *flag;
    bool has = true;

    while ((flag = set_next(L, set->flags, &at)))
        has = has && (set->value & set_mask(flag)) == flag->value;
    lua_pushboolean(L, has);
    return 1;
}

static int set_with(lua_State *L)
{
    const struct set *set = set_self(L, 1);
    uint64_t value = set->value;
    const struct abi_flag *flag;

    if (lua_type(L, 2) == LUA_TSTRING) {
        const char *at = lua_tostring(L, 2);
        while ((flag = set_next(L, set->flags, &at)))
            value = (value & ~set_mask(flag)) | flag->value;
    } else {
        value |= values_check_set(L, 2, set->flags);
    }
    values_push_set(L, set->flags, value, set->octal);
    return 1;
}

static int set_without(lua_State *L)
{
    const struct set *set = set_self(L, 1);
    uint64_t value = set->value;
    const struct abi_flag *flag;

    if (lua_type(L, 2) == LUA_TSTRING) {
        const char *at = lua_tostring(L, 2);
        while ((flag = set_next(L, set->flags, &at)))
            if ((value & set_mask(flag)) == flag->value)
                value &= ~flag->value;
    } else {
        value &= ~values_check_set(L, 2, set->flags);
    }
    values_push_set(L, set->flags, value, set->octal);
    return 1;
}

static int set_tostring(lua_State *L)
{
    const struct set *set = set_self(L, 1);
    char text[1024];

    if (set->octal)
        snprintf(text, sizeof text, "0%llo", (unsigned long long)set->value);
    else
        abi_flags_text(set->flags, set->value, text, sizeof text);
    lua_pushstring(L, text);
    return 1;
}

static int set_eq(lua_State *L)
{
    lua_pushboolean(L, set_self(L, 1)->value == set_self(L, 2)->value);
    return 1;
}

/* .number, or a method (upvalue: the methods) */
static int set_index(lua_State *L)
{
    const struct set *set = set_self(L, 1);
    const char *key = luaL_checkstring(L, 2);

    if (strcmp(key, "number") == 0) {
        lua_pushinteger(L, (lua_Integer)set->value);
        return 1;
    }
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
        luaL_error(L, "a set of flags has no '%s' (ask it with :has \"%s\")", key, key);
    return 1;
}

static const luaL_Reg set_methods[] = {
    { "has", set_has },
    { "with", set_with },
    { "without", set_without },
    { NULL, NULL },
};

static const luaL_Reg set_metamethods[] = {
    { "__index", set_index },
    { "__add", set_with },
    { "__sub", set_without },
    { "__eq", set_eq },
    { "__tostring", set_tostring },
    { NULL, NULL },
};

/* --- descriptors --- */

struct fd { int number; uint64_t generation; };

static const char fd_type[] = "nurse.fd";

static struct fd *fd_self(lua_State *L, int index)
{
    return luaL_checkudata(L, index, fd_type);
}

void values_push_fd(lua_State *L, int number)
{
    struct fd *fd = lua_newuserdatauv(L, sizeof *fd, 0);

    *fd = (struct fd){ number, policy_of(L)->generation };
    luaL_setmetatable(L, fd_type);
}

int values_check_fd(lua_State *L, int index)
{
    if (lua_type(L, index) == LUA_TUSERDATA)
        return fd_self(L, index)->number;
    return (int)luaL_checkinteger(L, index);
}

static struct call *fd_call(lua_State *L, const struct fd *fd)
{
    struct call *call = object_call(L);

    if (fd->generation != policy_of(L)->generation)
        luaL_error(L, "this descriptor belongs to an earlier call");
    return call;
}

/* The path in buf, and the kind; false when the program has no such descriptor. */
static bool fd_ask(lua_State *L, const struct fd *fd, char *buf, size_t size, const char **kind)
{
    return call_fd(fd_call(L, fd), fd->number, buf, size, kind) == 0;
}

static void fd_push_size(lua_State *L, const struct fd *fd)
{
    int64_t size = call_fd_size(fd_call(L, fd), fd->number);

    if (size >= 0)
        lua_pushinteger(L, size);
    else
        lua_pushnil(L);
}

static void fd_push_protocol(lua_State *L, const struct fd *fd)
{
    char name[CALL_PROTOCOL];

    lua_pushstring(L, call_protocol(fd_call(L, fd), fd->number, name) == 0 ? name : NULL);
}

/* "64769:1234": equal for descriptors of one object, as long as one of them is open. */
static void fd_push_object(lua_State *L, const struct fd *fd)
{
    uint64_t object[2];
    char text[48];

    if (call_fd_object(fd_call(L, fd), fd->number, object) == 0)
        snprintf(text, sizeof text, "%llu:%llu", (unsigned long long)object[0], (unsigned long long)object[1]);
    else
        text[0] = '\0';
    lua_pushstring(L, text[0] ? text : NULL);
}

static int fd_index(lua_State *L)
{
    const struct fd *fd = fd_self(L, 1);
    const char *key = luaL_checkstring(L, 2), *kind = "none";
    char path[PATH_MAX];

    if (strcmp(key, "number") == 0) {
        lua_pushinteger(L, fd->number);
    } else if (strcmp(key, "path") == 0) {
        lua_pushstring(L, fd_ask(L, fd, path, sizeof path, &kind) ? path : NULL);
    } else if (strcmp(key, "kind") == 0) {
        lua_pushstring(L, fd_ask(L, fd, path, sizeof path, &kind) ? kind : "none");
    } else if (strcmp(key, "size") == 0) {
        fd_push_size(L, fd);
    } else if (strcmp(key, "protocol") == 0) {
        fd_push_protocol(L, fd);
    } else if (strcmp(key, "object") == 0) {
        fd_push_object(L, fd);
    } else {
        luaL_error(L, "a descriptor has no '%s'", key);
    }
    return 1;
}

static int fd_tostring(lua_State *L)
{
    const struct fd *fd = fd_self(L, 1);

    if (fd->number == AT_FDCWD)
        lua_pushliteral(L, "AT_FDCWD");
    else
        lua_pushfstring(L, "%d", fd->number);
    return 1;
}

static int fd_eq(lua_State *L)
{
    lua_pushboolean(L, fd_self(L, 1)->number == fd_self(L, 2)->number);
    return 1;
}

static int fd_lt(lua_State *L)
{
    lua_pushboolean(L, values_check_fd(L, 1) < values_check_fd(L, 2));
    return 1;
}

static int fd_le(lua_State *L)
{
    lua_pushboolean(L, values_check_fd(L, 1) <= values_check_fd(L, 2));
    return 1;
}

static const luaL_Reg fd_metamethods[] = {
    { "__index", fd_index },
    { "__eq", fd_eq },
    { "__lt", fd_lt },
    { "__le", fd_le },
    { "__tostring", fd_tostring },
    { NULL, NULL },
};

/* --- socket addresses --- */

static const char addr_type[] = "nurse.addr";

static const struct text_addr *addr_self(lua_State *L, int index)
{
    return luaL_checkudata(L, index, addr_type);
}

void values_push_addr(lua_State *L, const void *bytes, size_t len)
{
    struct text_addr *addr = lua_newuserdatauv(L, sizeof *addr, 1);    /* its value: the canonical path, where that is known */

    memset(addr, 0, sizeof *addr);
    addr->len = len < sizeof addr->raw ? len : sizeof addr->raw;
    memcpy(&addr->raw, bytes, addr->len);
    luaL_setmetatable(L, addr_type);
}

void values_place_addr(lua_State *L, const char *canonical)
{
    lua_pushstring(L, canonical);
    lua_setiuservalue(L, -2, 1);
}

static void addr_push_family(lua_State *L, const struct text_addr *addr)
{
    const char *family = text_addr_family(addr);

    if (family)
        lua_pushstring(L, family);
    else
        lua_pushinteger(L, addr->raw.ss_family);
}

static void addr_push_ip(lua_State *L, const struct text_addr *addr)
{
    char ip[INET6_ADDRSTRLEN];

    lua_pushstring(L, text_addr_ip(addr, ip, sizeof ip) == 0 ? ip : NULL);
}

static void addr_push_port(lua_State *L, const struct text_addr *addr)
{
    int port = text_addr_port(addr);

    if (port >= 0)
        lua_pushinteger(L, port);
    else
        lua_pushnil(L);
}

static void addr_push_rawpath(lua_State *L, const struct text_addr *addr)
{
    char path[sizeof(struct sockaddr_un)];
    int len = text_addr_path(addr, path, sizeof path);

    if (len >= 0)
        lua_pushlstring(L, path, (size_t)len);
    else
        lua_pushnil(L);
}

static void addr_push_path(lua_State *L, const struct text_addr *addr)
{
    if (lua_getiuservalue(L, 1, 1) == LUA_TSTRING)
        return;
    lua_pop(L, 1);
    addr_push_rawpath(L, addr);
}

static void addr_push_bytes(lua_State *L, const struct text_addr *addr)
{
    lua_pushlstring(L, (const char *)&addr->raw, addr->len);
}

static const struct { const char *name; void (*push)(lua_State *L, const struct text_addr *addr); } addr_fields[] = {
    { "family", addr_push_family }, { "ip", addr_push_ip }, { "port", addr_push_port }, { "path", addr_push_path },
    { "rawpath", addr_push_rawpath }, { "bytes", addr_push_bytes }, { NULL, NULL },
};

static int addr_index(lua_State *L)
{
    const struct text_addr *addr = addr_self(L, 1);
    const char *key = luaL_checkstring(L, 2);

    for (int i = 0; addr_fields[i].name; i++) {
        if (strcmp(key, addr_fields[i].name) == 0) {
            addr_fields[i].push(L, addr);
            return 1;
        }
    }
    return luaL_error(L, "an address has no '%s'", key);
}

static int addr_newindex(lua_State *L)
{
    return luaL_error(L, "an address is changed as a whole: call.addr = { ip = ..., port = ... }");
}

static int addr_tostring(lua_State *L)
{
    const struct text_addr *addr = addr_self(L, 1);
    char text[sizeof(struct sockaddr_un)];
    int len = text_addr_path(addr, text, sizeof text);

    if (len >= 0)
        lua_pushfstring(L, "unix:%s", text);
    else if (text_addr_ip(addr, text, sizeof text) == 0)
        lua_pushfstring(L, strchr(text, ':') ? "[%s]:%d" : "%s:%d", text, text_addr_port(addr));
    else
        addr_push_family(L, addr);
    return 1;
}

static const luaL_Reg addr_metamethods[] = {
    { "__index", addr_index },
    { "__newindex", addr_newindex },
    { "__tostring", addr_tostring },
    { NULL, NULL },
};

/* A unix address from the path on top of the stack. */
static void addr_make_unix(lua_State *L, struct text_addr *out)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&out->raw;
    size_t len;
    const char *path = luaL_checklstring(L, -1, &len);

    if (len == 0 || len >= sizeof un->sun_path)
        luaL_error(L, "the path of a unix socket has 1 to %d bytes", (int)sizeof un->sun_path - 1);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len);
    out->len = offsetof(struct sockaddr_un, sun_path) + len + 1;
    if (path[0] == '@') {
        un->sun_path[0] = '\0';
        out->len--;
    }
}

/* An IP address in the family of the socket: IPv4 is mapped into IPv6 where the program uses that. */
static void addr_make_ip(lua_State *L, const char *ip, int port, bool want6, struct text_addr *out)
{
    char mapped[INET6_ADDRSTRLEN + 8];
    struct sockaddr_in *in = (struct sockaddr_in *)&out->raw;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->raw;

    if (!want6 && inet_pton(AF_INET, ip, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        out->len = sizeof *in;
        return;
    }
    snprintf(mapped, sizeof mapped, strchr(ip, ':') ? "%s" : "::ffff:%s", ip);
    if (inet_pton(AF_INET6, mapped, &in6->sin6_addr) != 1)
        luaL_error(L, "'%s' is no IP address", ip);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)port);
    out->len = sizeof *in6;
}

static int addr_check_port(lua_State *L, int index, const struct text_addr *old)
{
    int old_port = old ? text_addr_port(old) : -1;

    lua_getfield(L, index, "port");
    lua_Integer port = luaL_optinteger(L, -1, old_port >= 0 ? old_port : 0);
    if (port < 0 || port > 65535)
        luaL_error(L, "a port is between 0 and 65535");
    return (int)port;
}

static bool addr_wants6(lua_State *L, int index, const struct text_addr *old)
{
    if (lua_getfield(L, index, "family") == LUA_TSTRING) {
        int family = text_addr_family_of(lua_tostring(L, -1));
        if (family < 0)
            luaL_error(L, "unknown address family '%s'", lua_tostring(L, -1));
        return family == AF_INET6;
    }
    return old && old->raw.ss_family == AF_INET6;
}

/* An address from another one, or from a table { ip, port } or { path }; what the table leaves out comes from the old one. */
void values_check_addr(lua_State *L, int index, const struct text_addr *old, struct text_addr *out)
{
    char ip[INET6_ADDRSTRLEN] = "";

    if (lua_type(L, index) == LUA_TUSERDATA) {
        *out = *addr_self(L, index);
        return;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    memset(out, 0, sizeof *out);
    if (lua_getfield(L, index, "path") != LUA_TNIL) {
        addr_make_unix(L, out);
        return;
    }
    int port = addr_check_port(L, index, old);
    bool want6 = addr_wants6(L, index, old);
    if (old)
        text_addr_ip(old, ip, sizeof ip);
    lua_getfield(L, index, "ip");
    addr_make_ip(L, luaL_optstring(L, -1, ip), port, want6, out);
}

/* --- the types --- */

/* [-upvalues, +0] */
static void values_type(lua_State *L, const char *name, const luaL_Reg *metamethods, int upvalues)
{
    luaL_newmetatable(L, name);
    lua_insert(L, -1 - upvalues);
    luaL_setfuncs(L, metamethods, upvalues);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

void values_open(lua_State *L)
{
    luaL_newlib(L, set_methods);
    values_type(L, set_type, set_metamethods, 1);
    values_type(L, fd_type, fd_metamethods, 0);
    values_type(L, addr_type, addr_metamethods, 0);
}
