/*
 * strings: what paths can do, as methods of every string: under, glob, dirname, basename.
 *
 * Runs in the helper. Pure text: the paths that a policy sees are canonical already. Compared by component, so that
 * "/tmpfoo" isn't under "/tmp" (the ancestor's mistake). unit-policy.c: paths.
 */
#include <fnmatch.h>
#include <string.h>

#include "core/policy/inside.h"

/* Length without trailing slashes; "/" alone becomes "", which everything absolute is under. */
static size_t strings_trim(const char *path, size_t len)
{
    while (len > 0 && path[len - 1] == '/')
        len--;
    return len;
}

/* path:under(dir): the directory itself or anything below. */
static int strings_under(lua_State *L)
{
    size_t path_len, dir_len;
    const char *path = luaL_checklstring(L, 1, &path_len);
    const char *dir = luaL_checklstring(L, 2, &dir_len);

    if (dir_len == 0)
        return luaL_argerror(L, 2, "a directory was expected, got an empty string");
    dir_len = strings_trim(dir, dir_len);
    lua_pushboolean(L, path_len >= dir_len && memcmp(path, dir, dir_len) == 0
                       && (path[dir_len] == '/' || (path[dir_len] == '\0' && path_len == dir_len && dir_len > 0)));
    return 1;
}

struct glob { const char *path, *path_end, *pattern, *pattern_end; };

/* The end of one component; `at` may already be past the last one. */
static const char *strings_component(const char *at, const char *end)
{
    const char *slash = at < end ? memchr(at, '/', (size_t)(end - at)) : NULL;

    return slash ? slash : end;
}

static bool strings_component_matches(const char *pattern, size_t pattern_len, const char *name, size_t name_len)
{
    char p[NAME_MAX + 1], n[NAME_MAX + 1];

    if (pattern_len > NAME_MAX || name_len > NAME_MAX)
        return false;
    memcpy(p, pattern, pattern_len);
    p[pattern_len] = '\0';
    memcpy(n, name, name_len);
    n[name_len] = '\0';
    return fnmatch(p, n, 0) == 0;
}

/* Components one by one; after a "**" that fits nothing more, it takes one component more and the rest is tried again: only
 * the last "**" needs that, so the work is at most components x components. */
static bool strings_glob_walk(struct glob g)
{
    const char *retry_pattern = NULL, *retry_path = NULL;

    for (;;) {
        const char *pe = strings_component(g.pattern, g.pattern_end), *ne = strings_component(g.path, g.path_end);
        bool pattern_done = g.pattern > g.pattern_end, path_done = g.path > g.path_end;
        if (pattern_done && path_done)
            return true;
        if (!pattern_done && pe - g.pattern == 2 && memcmp(g.pattern, "**", 2) == 0) {
            g.pattern = pe + 1;
            retry_pattern = g.pattern;
            retry_path = g.path;
        } else if (!pattern_done && !path_done && strings_component_matches(g.pattern, (size_t)(pe - g.pattern), g.path, (size_t)(ne - g.path))) {
            g.pattern = pe + 1;
            g.path = ne + 1;
        } else if (retry_pattern && retry_path <= g.path_end) {
            retry_path = strings_component(retry_path, g.path_end) + 1;
            g.path = retry_path;
            g.pattern = retry_pattern;
        } else {
            return false;
        }
    }
}

bool strings_match(const char *path, const char *pattern)
{
    return strings_glob_walk((struct glob){ path, path + strlen(path), pattern, pattern + strlen(pattern) });
}

/* path:glob(pattern): `*`, `?` and `[...]` within one component, `**` for any number of components. */
static int strings_glob(lua_State *L)
{
    size_t path_len, pattern_len;
    const char *path = luaL_checklstring(L, 1, &path_len);
    const char *pattern = luaL_checklstring(L, 2, &pattern_len);

    luaL_argcheck(L, path_len < PATH_MAX && pattern_len < PATH_MAX, 1, "a path is at most 4095 bytes long");
    lua_pushboolean(L, strings_glob_walk((struct glob){ path, path + path_len, pattern, pattern + pattern_len }));
    return 1;
}

/* Where the last component begins, in a path of `len` bytes without trailing slashes. */
static size_t strings_last(const char *path, size_t len)
{
    while (len > 0 && path[len - 1] != '/')
        len--;
    return len;
}

static int strings_dirname(lua_State *L)
{
    size_t len;
    const char *path = luaL_checklstring(L, 1, &len);
    size_t last = strings_last(path, strings_trim(path, len));
    size_t dir = strings_trim(path, last);

    if (dir > 0)
        lua_pushlstring(L, path, dir);
    else
        lua_pushstring(L, len > 0 && path[0] == '/' ? "/" : ".");
    return 1;
}

static int strings_basename(lua_State *L)
{
    size_t len;
    const char *path = luaL_checklstring(L, 1, &len);
    size_t end = strings_trim(path, len);
    size_t last = strings_last(path, end);

    if (end > 0)
        lua_pushlstring(L, path + last, end - last);
    else
        lua_pushstring(L, len > 0 ? "/" : "");
    return 1;
}

static const luaL_Reg path_methods[] = {
    { "under", strings_under },
    { "glob", strings_glob },
    { "dirname", strings_dirname },
    { "basename", strings_basename },
    { NULL, NULL },
};

void strings_open(lua_State *L)
{
    luaL_setfuncs(L, path_methods, 0);
}
