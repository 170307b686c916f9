/*
 * scripts: loading files, includes and embedded modules, each into the environment of its layer.
 *
 * Runs in the helper, before the program starts. A module has a layer of its own (pledge, unveil), separate for each script that
 * requires it; an included file belongs to the layer that includes it. Only text is loaded, never bytecode.
 * unit-policy.c: scripts, mistakes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/say.h"
#include "core/policy/inside.h"
#include "core/policy/modules.h"

enum {
    FILE_MAX = 4 << 20, INCLUDE_DEPTH = 16, SHORT_NAME = LUA_IDSIZE - 1,
    PATIENCE = 10,    /* loading may take so many times as long as a decision: nobody waits for it yet, and the machine may be busy */
};

/* A new layer with its environment; `script` NULL: it is a script itself. A module that a phase requires is one of its rules. */
struct layer *scripts_layer(lua_State *L, const char *path, struct layer *script)
{
    struct policy *p = policy_of(L);
    struct layer *layer = layers_new(L, &(struct layer){ .script = script, .module = script != NULL, .path = state_intern(p, path) });

    if (!script)
        layer->script = layer;
    else if (script->into)
        layer->phase = script->into->phase;
    sandbox_env(L);
    statements_open(L, layer);
    layer->env = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    layer->loaded = luaL_ref(L, LUA_REGISTRYINDEX);
    return layer;
}

/* Raises "path: reason"; the script that wanted the file is put before it by state_trace(). */
static void scripts_cannot(lua_State *L, const char *path, int error)
{
    lua_pushfstring(L, "%s: %s", path, strerror(error));
    lua_error(L);
}

void scripts_read(lua_State *L, const char *path)
{
    FILE *file = fopen(path, "re");

    if (!file)
        scripts_cannot(L, path, errno);
    char *text = malloc(FILE_MAX);
    size_t size = text ? fread(text, 1, FILE_MAX, file) : 0;
    int error = text ? ferror(file) ? errno : size == FILE_MAX ? EFBIG : 0 : ENOMEM;
    fclose(file);
    if (!error)
        lua_pushlstring(L, text, size);    /* raises at the memory limit only: that ends nurse, and the text with it */
    free(text);
    if (error)
        scripts_cannot(L, path, error);
}

/* Lua cuts long file names in messages to "...tail"; users get the whole. [-1, +1] the message on top. */
static void scripts_whole_name(lua_State *L, const char *path)
{
    const char *message = lua_tostring(L, -1);
    size_t len = strlen(path);
    char shown[LUA_IDSIZE];

    if (len <= SHORT_NAME)
        snprintf(shown, sizeof shown, "%s", path);
    else
        snprintf(shown, sizeof shown, "...%s", path + len - (SHORT_NAME - 3));
    size_t shown_len = strlen(shown);
    if (strncmp(message, shown, shown_len) == 0 && message[shown_len] == ':')
        lua_pushfstring(L, "%s%s", path, message + shown_len);
    else
        lua_pushfstring(L, "%s:1: %s", path, message);
    lua_remove(L, -2);
}

/* [-0, +1] the function of a text */
static void scripts_compile(lua_State *L, struct layer *layer, const char *text, size_t size, const char *chunk)
{
    if (luaL_loadbufferx(L, text, size, chunk, "t") != LUA_OK) {
        if (chunk[0] == '@')
            scripts_whole_name(L, chunk + 1);
        lua_error(L);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, layer->env);
    lua_setupvalue(L, -2, 1);
}

/* The first line of a script may say how to run it ("#!..."); its newline stays, so that lines are counted right. */
static const char *scripts_skip_comment(const char *text, size_t *size)
{
    if (*size == 0 || text[0] != '#')
        return text;
    const char *newline = memchr(text, '\n', *size);
    const char *start = newline ? newline : text + *size;
    *size -= (size_t)(start - text);
    return start;
}

void scripts_run_file(lua_State *L, struct layer *layer, const char *path)
{
    size_t size;

    scripts_read(L, path);
    const char *text = lua_tolstring(L, -1, &size);
    text = scripts_skip_comment(text, &size);
    lua_pushfstring(L, "@%s", path);
    scripts_compile(L, layer, text, size, lua_tostring(L, -1));
    lua_call(L, 0, 0);
    lua_pop(L, 2);
}

/* include(policy): the statements of another file, as if they stood here. */
int scripts_include(lua_State *L)
{
    struct layer *layer = lua_touserdata(L, lua_upvalueindex(1));
    const char *name = luaL_checkstring(L, 1);
    char path[PATH_MAX];
    lua_Debug ar;

    if (!layer->policy->loading)
        luaL_error(L, "include: rules are made while the policy is loaded, not while the program runs");
    bool has_file = lua_getstack(L, 1, &ar) && lua_getinfo(L, "S", &ar) && ar.source[0] == '@';
    if (policy_search(name, has_file ? ar.source + 1 : NULL, path, sizeof path) != 0)
        luaL_error(L, "include: no policy '%s'", name);
    if (layer->policy->include_depth >= INCLUDE_DEPTH)
        luaL_error(L, "include: '%s' is included too deep, does it include itself?", name);
    layer->policy->include_depth++;
    scripts_run_file(L, layer, path);
    layer->policy->include_depth--;
    return 0;
}

static const struct policy_module *scripts_module(const char *name)
{
    for (const struct policy_module *m = policy_modules; m->name; m++)
        if (strcmp(m->name, name) == 0)
            return m;
    return NULL;
}

/* [-0, +1] what the module returns; true when it returns nothing */
static void scripts_run_module(lua_State *L, struct layer *script, const struct policy_module *module)
{
    if (!policy_of(L)->loading)
        luaL_error(L, "require: modules are loaded with the policy, not while the program runs");
    struct layer *layer = scripts_layer(L, module->name, script);
    lua_pushfstring(L, "=%s", module->name);
    scripts_compile(L, layer, module->text, module->size, lua_tostring(L, -1));
    lua_remove(L, -2);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
}

int scripts_require(lua_State *L)
{
    struct layer *script = ((struct layer *)lua_touserdata(L, lua_upvalueindex(1)))->script;
    const char *name = luaL_checkstring(L, 1);
    const struct policy_module *module = scripts_module(name);

    if (!module)
        return luaL_error(L, "no module '%s' in this nurse", name);
    lua_settop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->loaded);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, 2) != LUA_TNIL)
        return 1;
    lua_pop(L, 1);
    scripts_run_module(L, script, module);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
    return 1;
}

/* load(text [, name]): as Lua's, but text only, in the script's own environment. */
int scripts_load(lua_State *L)
{
    struct layer *layer = lua_touserdata(L, lua_upvalueindex(1));
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    const char *name = luaL_optstring(L, 2, "=(load)");

    if (luaL_loadbufferx(L, text, size, name[0] == '@' ? name + 1 : name, "t") != LUA_OK) {
        luaL_pushfail(L);
        lua_insert(L, -2);
        return 2;
    }
    if (lua_istable(L, 4))
        lua_pushvalue(L, 4);
    else
        lua_rawgeti(L, LUA_REGISTRYINDEX, layer->env);
    lua_setupvalue(L, -2, 1);
    return 1;
}

/* A seccomp profile given as a policy stands for a script beside it that loads it. */
static void scripts_run_profile(lua_State *L, struct layer *layer, const char *path)
{
    static const char text[] = "require 'nurse.oci'.load(...)";
    const char *slash = strrchr(path, '/');

    lua_pushfstring(L, "@%s", path);
    scripts_compile(L, layer, text, sizeof text - 1, lua_tostring(L, -1));
    lua_pushstring(L, slash ? slash + 1 : path);
    lua_call(L, 1, 0);
    lua_pop(L, 1);
}

static int scripts_add(lua_State *L)
{
    const char *path = lua_touserdata(L, 1), *ending = strrchr(path, '.');
    bool is_profile = ending && strcmp(ending, ".json") == 0;

    (is_profile ? scripts_run_profile : scripts_run_file)(L, scripts_layer(L, path, NULL), path);
    return 0;
}

/* The line of a file, without the blanks around it; "" when there is none. */
static void scripts_line(const char *path, int wanted, char *buf, size_t size)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;

    *buf = '\0';
    for (int number = 1; file && getline(&line, &room, file) > 0; number++) {
        if (number != wanted)
            continue;
        const char *start = line + strspn(line, " \t");
        snprintf(buf, size, "%.*s", (int)strcspn(start, "\n"), start);
        break;
    }
    free(line);
    if (file)
        fclose(file);
}

/* A mistake, with the text of the line that the message names: "PATH:LINE: what". */
static void scripts_say_mistake(const char *message)
{
    char path[PATH_MAX], text[200];
    int number, end = 0;

    for (const char *colon = strchr(message, ':'); colon; colon = strchr(colon + 1, ':')) {
        if (sscanf(colon, ":%d:%n", &number, &end) != 1 || end == 0 || (size_t)(colon - message) >= sizeof path)
            continue;
        snprintf(path, sizeof path, "%.*s", (int)(colon - message), message);
        scripts_line(path, number, text, sizeof text);
        if (*text) {
            say("%s, in: %s", message, text);
            return;
        }
        break;
    }
    say("%s", message);
}

int policy_add(struct policy *p, const char *name)
{
    char path[PATH_MAX];
    const char *message;

    if (p->plans) {
        say("%s: a policy can't be added after the start", name);
        return -1;
    }
    int error = policy_search(name, NULL, path, sizeof path);
    if (error != 0) {
        say("%s: %s", name, error == -ENOENT ? "no such policy" : strerror(-error));
        return -1;
    }
    p->loading = true;
    p->wall = PATIENCE * p->options.wall;
    p->at = NULL;
    p->include_depth = 0;
    lua_pushcfunction(p->L, scripts_add);
    lua_pushlightuserdata(p->L, path);
    error = state_call(p, 1, 0, path, &message);
    p->loading = false;
    p->wall = p->options.wall;
    if (error != 0)
        scripts_say_mistake(message);
    return error;
}
