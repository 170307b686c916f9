/*
 * state: the Lua state and its limits; every entry from C into Lua is state_call().
 *
 * Runs in the helper. Scripts are believed to be clumsy: memory is capped by the allocator, time by a hook that counts
 * instructions and, from its first tick on, looks at the clock. Once a limit is passed the hook raises at every instruction, so
 * that no pcall in the script can go on. unit-policy.c: limits_*.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lua5.4/lualib.h>

#include "core/base/say.h"
#include "core/policy/inside.h"

enum { TICK = 100, REPORTS_MAX = 256 };    /* instructions between two looks at the limits; distinct messages kept */

static void *state_alloc(void *self, void *block, size_t old, size_t size)
{
    struct policy *p = self;
    size_t had = block ? old : 0;    /* Lua passes a type in `old` for new blocks */

    if (size == 0) {
        p->used -= had;
        free(block);
        return NULL;
    }
    if (size > had && p->used + (size - had) > p->options.memory) {
        if (p->L)
            state_where(p->L, p->memory_where, sizeof p->memory_where);
        return NULL;
    }
    void *moved = realloc(block, size);
    if (moved)
        p->used += size - had;
    return moved;
}

static bool state_over(struct policy *p)
{
    struct timespec now;

    if (++p->ticks >= p->tick_limit) {
        p->expired_how = "it ran through its limit of instructions";
        return true;
    }
    if (p->ticks == 1) {
        clock_gettime(CLOCK_MONOTONIC, &p->started);
        return false;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ms = (int64_t)(now.tv_sec - p->started.tv_sec) * 1000 + (now.tv_nsec - p->started.tv_nsec) / 1000000;
    p->expired_how = "it ran longer than its time limit";
    return ms >= p->wall;
}

static void state_tick(lua_State *L, lua_Debug *ar)
{
    struct policy *p = policy_of(L);

    (void)ar;
    if (!p->expired) {
        if (!state_over(p))
            return;
        p->expired = true;
        state_where(L, p->expired_where, sizeof p->expired_where);
        lua_sethook(L, state_tick, LUA_MASKCOUNT, 1);
    }
    lua_pushliteral(L, "a limit was passed");
    lua_error(L);
}

/* The innermost level that runs a user's file; modules have a chunk name without '@'. */
static bool state_level(lua_State *L, lua_Debug *ar)
{
    for (int level = 0; lua_getstack(L, level, ar); level++) {
        lua_getinfo(L, "Sl", ar);
        if (ar->source[0] == '@' && ar->currentline > 0)
            return true;
    }
    return false;
}

void state_where(lua_State *L, char *buf, size_t size)
{
    lua_Debug ar;

    if (state_level(L, &ar))
        snprintf(buf, size, "%s:%d", ar.source + 1, ar.currentline);
    else
        buf[0] = '\0';
}

/* The message handler: puts file:line of the user's script before a message that has none, in full length. */
static int state_trace(lua_State *L)
{
    lua_Debug ar;

    if (!lua_isstring(L, 1))
        lua_pushfstring(L, "(the error value is a %s)", luaL_typename(L, 1));
    const char *message = lua_tostring(L, -1);
    if (!state_level(L, &ar))
        return 1;
    size_t len = strlen(ar.short_src);
    if (strncmp(message, ar.short_src, len) == 0 && message[len] == ':')
        lua_pushfstring(L, "%s%s", ar.source + 1, message + len);
    else
        lua_pushfstring(L, "%s:%d: %s", ar.source + 1, ar.currentline, message);
    return 1;
}

/* What went wrong, as one text on top of the stack or in the policy's own memory. */
static const char *state_fault(struct policy *p, int status, const char *where)
{
    static char text[PLACE_MAX + 128];
    const char *place = where;

    if (p->expired) {
        if (p->expired_where[0])
            place = p->expired_where;
        snprintf(text, sizeof text, "%s: %s", place, p->expired_how);
    } else if (status == LUA_ERRMEM) {
        if (p->memory_where[0])
            place = p->memory_where;
        snprintf(text, sizeof text, "%s: it used more memory than %zu MiB", place, p->options.memory >> 20);
    } else if (lua_type(p->L, -1) == LUA_TSTRING) {
        snprintf(text, sizeof text, "%s", lua_tostring(p->L, -1));
    } else {
        snprintf(text, sizeof text, "%s: unknown error", place);
    }
    return text;
}

int state_call(struct policy *p, int nargs, int nresults, const char *where, const char **message)
{
    lua_State *L = p->L;

    p->ticks = 0;
    int status = lua_pcall(L, nargs, nresults, SLOT_TRACE);
    if (status == LUA_OK && !p->expired)
        return 0;
    *message = state_fault(p, status, where);
    if (p->expired) {
        p->expired = false;
        lua_sethook(L, state_tick, LUA_MASKCOUNT, TICK);
    }
    lua_settop(L, SLOTS);
    if (status == LUA_ERRMEM)
        lua_gc(L, LUA_GCCOLLECT);
    return -1;
}

const char *state_intern(struct policy *p, const char *text)
{
    for (size_t i = 0; i < p->string_count; i++)
        if (strcmp(p->strings[i], text) == 0)
            return p->strings[i];
    char **list = realloc(p->strings, (p->string_count + 1) * sizeof *list);
    if (!list)
        return "?";
    p->strings = list;
    if (!(list[p->string_count] = strdup(text)))
        return "?";
    return list[p->string_count++];
}

void *state_grow(lua_State *L, void *list, size_t count, size_t size)
{
    void *more = realloc(list, (count + 1) * size);

    if (!more)
        luaL_error(L, "out of memory");
    return more;
}

const char *state_mark(const struct policy *p)
{
    return p->options.shadow ? "shadow: " : "";
}

void state_report(struct policy *p, const char *fmt, ...)
{
    char text[PLACE_MAX + 256];
    va_list args;
    size_t distinct = 0;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (struct report *r = p->reports; r; r = r->next, distinct++) {
        if (strcmp(r->text, text) == 0) {
            r->count++;
            return;
        }
    }
    struct report *r = distinct < REPORTS_MAX ? malloc(sizeof *r + strlen(text) + 1) : NULL;
    if (!r)
        return;
    r->count = 1;
    r->next = p->reports;
    strcpy(r->text, text);
    p->reports = r;
    say("%s%s", state_mark(p), text);
}

static void state_free_reports(struct policy *p)
{
    for (struct report *r = p->reports, *next; r; r = next) {
        next = r->next;
        if (r->count > 1)
            say("%s%s (%lu times)", state_mark(p), r->text, r->count);
        free(r);
    }
    p->reports = NULL;
}

/* Runs protected; memory may end anywhere in it. */
static int state_fill(lua_State *L)
{
    sandbox_open(L);
    values_open(L);
    memory_open(L);
    object_open(L);
    return 1;
}

int state_open(struct policy *p)
{
    lua_State *L = lua_newstate(state_alloc, p);

    if (!L)
        return -ENOMEM;
    *(struct policy **)lua_getextraspace(L) = p;
    p->L = L;
    lua_pushcfunction(L, state_trace);
    lua_pushcfunction(L, state_fill);
    if (lua_pcall(L, 0, 1, 0) != LUA_OK)
        return -ENOMEM;
    p->wall = p->options.wall;
    p->tick_limit = p->options.instructions / TICK;
    lua_sethook(L, state_tick, LUA_MASKCOUNT, TICK);
    return 0;
}

void state_close(struct policy *p)
{
    state_free_reports(p);
    if (p->L)
        lua_close(p->L);
    for (size_t i = 0; i < p->string_count; i++)
        free(p->strings[i]);
    free(p->strings);
}
