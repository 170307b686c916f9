/*
 * events: telling the scripts what has happened: in the tree of processes, to a call, to themselves.
 *
 * Runs in the helper, between calls or at the end of a decision. What a listener does changes nothing in what has happened; one that fails is reported
 * and no more. unit-policy.c: events_*; t/39-live-report.t, t/45-live-exec.t.
 */
#include <string.h>
#include <sys/wait.h>

#include "core/policy/inside.h"
#include "core/text/text.h"

static void events_integer(lua_State *L, const char *name, int value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

/* A NULL text sets nothing. */
static void events_string(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

/* Call fill(listener, data) for the listeners of an event; it runs protected. */
static void events_run(struct policy *p, const char *name, lua_CFunction fill, const void *data)
{
    const char *message;

    for (size_t i = 0; i < p->event_count; i++) {
        if (strcmp(p->events[i].name, name) != 0)
            continue;
        lua_pushcfunction(p->L, fill);
        lua_rawgeti(p->L, LUA_REGISTRYINDEX, p->events[i].handler);
        lua_pushlightuserdata(p->L, (void *)data);
        if (state_call(p, 2, 0, p->events[i].where, &message) != 0)
            state_report(p, "%s", message);
    }
}

/* --- a call was denied --- */

static int events_call_denied(lua_State *L)
{
    const struct verdict *verdict = lua_touserdata(L, 2);
    struct call *call = object_call(L);
    char line[4096];

    lua_settop(L, 1);
    lua_createtable(L, 0, 9);
    text_call(call, line, sizeof line);
    events_string(L, "name", "denied");
    events_string(L, "call", call_row(call)->name);
    events_string(L, "text", line);
    events_string(L, "errno", verdict->kind == VERDICT_DENY ? abi_errno_name(verdict->error) : NULL);
    events_string(L, "rule", verdict->rule);
    events_string(L, "why", verdict->why);
    events_string(L, "comm", call_comm(call));
    events_integer(L, "pid", call_pid(call));
    events_integer(L, "tid", call_tid(call));
    lua_call(L, 1, 0);
    return 0;
}

void events_denied(struct policy *p, const struct verdict *verdict)
{
    events_run(p, "denied", events_call_denied, verdict);
}

/* --- a handler has failed --- */

struct failure { const char *where, *message; };

static int events_call_error(lua_State *L)
{
    const struct failure *failure = lua_touserdata(L, 2);
    const struct policy *p = policy_of(L);

    lua_settop(L, 1);
    lua_createtable(L, 0, 5);
    events_string(L, "name", "error");
    events_string(L, "message", failure->message);
    events_string(L, "rule", failure->where);
    if (p->call) {
        events_string(L, "call", call_row(p->call)->name);
        events_integer(L, "pid", call_pid(p->call));
    }
    lua_call(L, 1, 0);
    return 0;
}

void events_error(struct policy *p, const char *where, const char *message)
{
    char copy[PLACE_MAX + 256];    /* the message is overwritten by the next entry into Lua */

    snprintf(copy, sizeof copy, "%s", message);
    events_run(p, "error", events_call_error, &(struct failure){ where, copy });
}

/* --- something happened in the tree --- */

/* How a process ended, as a shell shows it, and the signal if there was one. */
static void events_end(lua_State *L, int status)
{
    if (status == -1)
        return;
    if (WIFSIGNALED(status))
        events_integer(L, "signal", WTERMSIG(status));
    events_integer(L, "status", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static int events_call_tree(lua_State *L)
{
    const struct judge_event *event = lua_touserdata(L, 2);

    lua_settop(L, 1);
    lua_createtable(L, 0, 7);
    events_string(L, "name", event->name);
    events_integer(L, "pid", event->pid);
    if (event->parent)
        events_integer(L, "parent", event->parent);
    if (event->maker)
        events_integer(L, "maker", event->maker);
    events_string(L, "exe", event->exe);
    if (event->signal)
        events_integer(L, "signal", event->signal);
    if (strcmp(event->name, "exit") == 0)
        events_end(L, event->status);
    lua_call(L, 1, 0);
    return 0;
}

void events_of_tree(struct policy *p, const struct judge_event *event)
{
    events_run(p, event->name, events_call_tree, event);
}
