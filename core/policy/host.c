/*
 * host: what a policy may ask of the machine and of nurse itself: clock, timer, stop, cpu.
 *
 * Runs in the helper. They are globals of every script and module, for none of them makes a rule. A timer's function runs between two
 * calls, never inside a decision, under the same limits as a handler. unit-policy.c: host_*; t/64-live-quota.t.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "core/base/say.h"
#include "core/helper/cpu.h"
#include "core/policy/inside.h"

#define SECOND 1000000000ll
#define SECONDS_MAX 1e9

enum { TIMERS_MAX = 256, SHORTEST = 1000000 /* nanoseconds: the event loop must come to other things as well */ };

/* Before the program starts `due` is how long after that. */
struct timer { int64_t due; int handler; const char *where; };

struct host {
    struct judge_wish wish;
    bool started;
    size_t count;
    struct timer timer[TIMERS_MAX];
};

static int64_t host_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static const struct { const char *name; clockid_t clock; } host_clocks[] = {
    { "CLOCK_REALTIME", CLOCK_REALTIME }, { "CLOCK_REALTIME_COARSE", CLOCK_REALTIME_COARSE }, { "CLOCK_TAI", CLOCK_TAI },
    { "CLOCK_MONOTONIC", CLOCK_MONOTONIC }, { "CLOCK_MONOTONIC_COARSE", CLOCK_MONOTONIC_COARSE }, { "CLOCK_MONOTONIC_RAW", CLOCK_MONOTONIC_RAW },
    { "CLOCK_BOOTTIME", CLOCK_BOOTTIME }, { "CLOCK_REALTIME_ALARM", CLOCK_REALTIME_ALARM }, { "CLOCK_BOOTTIME_ALARM", CLOCK_BOOTTIME_ALARM },
};

/* clock([name]) -> integer nanoseconds of that clock (clock_gettime(2)), CLOCK_MONOTONIC if none is named; an error if the machine has it not. Upvalue:
 * the clocks by name. */
static int statement_clock(lua_State *L)
{
    struct timespec now;

    if (lua_isnoneornil(L, 1)) {
        lua_pushinteger(L, host_clock());
        return 1;
    }
    luaL_checkstring(L, 1);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNUMBER)
        return luaL_error(L, "clock: '%s' is no clock of the machine", lua_tostring(L, 1));
    if (clock_gettime((clockid_t)lua_tointeger(L, -1), &now))
        return luaL_error(L, "clock: %s: %s", lua_tostring(L, 1), strerror(errno));
    lua_pushinteger(L, now.tv_sec * SECOND + now.tv_nsec);
    return 1;
}

/* cpu() -> seconds of CPU time that all processes of the sandbox have used, ended ones included, 0 while nothing runs; and the number of CPUs, which
 * is how much more it can be in a second. */
static int statement_cpu(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)cpu_used() / SECOND);
    lua_pushinteger(L, get_nprocs());
    return 2;
}

/* stop([status [, why]]): the sandbox ends, nurse says "nurse: WHY" and exits with the status, 0 to 255 (124). The first stop counts. */
static int statement_stop(lua_State *L)
{
    struct policy *p = policy_of(L);
    struct judge_wish *wish = &p->host->wish;
    lua_Integer status = luaL_optinteger(L, 1, EXIT_TIME_LIMIT);
    const char *why = luaL_optstring(L, 2, NULL);
    char place[PLACE_MAX];

    if (p->loading)
        return luaL_error(L, "stop: nothing runs yet; error() refuses a policy");
    luaL_argcheck(L, status >= 0 && status <= 255, 1, "an exit status is between 0 and 255");
    if (wish->stop)
        return 0;
    state_where(L, place, sizeof place);
    if (!why)
        why = lua_pushfstring(L, "stopped by the policy%s%s", place[0] ? " at " : "", place);
    wish->why = state_intern(p, why);
    wish->status = (int)status;
    wish->stop = true;
    return 0;
}

static int64_t host_delay(lua_Number seconds)
{
    int64_t delay = (int64_t)(seconds * SECOND);

    return delay < SHORTEST ? SHORTEST : delay;
}

static bool host_is_delay(lua_Number seconds)
{
    return seconds >= 0 && seconds <= SECONDS_MAX;    /* so no NaN either */
}

/* When the next timer is due, for the event loop. */
static void host_plan(struct host *host)
{
    host->wish.due = INT64_MAX;
    for (size_t i = 0; host->started && i < host->count; i++)
        if (host->timer[i].due < host->wish.due)
            host->wish.due = host->timer[i].due;
}

/* timer(seconds, fn): fn() is called once after that time; if it returns a number, again after so many seconds. While the policy is loaded, time counts
 * from the program's start. */
static int statement_timer(lua_State *L)
{
    struct host *host = policy_of(L)->host;
    lua_Number seconds = luaL_checknumber(L, 1);
    char place[PLACE_MAX];

    luaL_checktype(L, 2, LUA_TFUNCTION);
    luaL_argcheck(L, host_is_delay(seconds), 1, "between 0 and 1000000000 seconds");
    if (host->count == TIMERS_MAX)
        return luaL_error(L, "timer: there are %d already", TIMERS_MAX);
    state_where(L, place, sizeof place);
    lua_settop(L, 2);
    struct timer timer = { .due = host_delay(seconds), .where = place[0] ? state_intern(policy_of(L), place) : "timer", .handler = luaL_ref(L, LUA_REGISTRYINDEX) };
    if (host->started)
        timer.due += host_clock();
    host->timer[host->count++] = timer;
    host_plan(host);
    return 0;
}

void host_start(struct policy *p)
{
    int64_t now = host_clock();

    for (size_t i = 0; i < p->host->count; i++)
        p->host->timer[i].due += now;
    p->host->started = true;
    host_plan(p->host);
}

/* Run a timer that is due. Returns nanoseconds until it is to run again; -1: that was all. */
static int64_t host_run(struct policy *p, const struct timer *timer)
{
    const char *message;
    lua_Number again;

    lua_rawgeti(p->L, LUA_REGISTRYINDEX, timer->handler);
    if (state_call(p, 0, 1, timer->where, &message) != 0) {
        state_report(p, "%s; this timer is gone", message);
        return -1;
    }
    again = lua_type(p->L, -1) == LUA_TNUMBER ? lua_tonumber(p->L, -1) : -1;
    if (lua_toboolean(p->L, -1) && !host_is_delay(again))
        state_report(p, "%s: the timer returned neither seconds nor nothing; it is gone", timer->where);
    lua_settop(p->L, SLOTS);
    return host_is_delay(again) ? host_delay(again) : -1;
}

/* Timers that a function makes are put behind the others and have their turn another time. */
void host_tick(void *self)
{
    struct policy *p = self;
    struct host *host = p->host;
    int64_t now = host_clock();

    for (size_t i = 0, count = host->count; i < count && !host->wish.stop;) {
        struct timer *timer = &host->timer[i];
        int64_t again = timer->due <= now ? host_run(p, timer) : 0;

        if (again > 0)
            timer->due = host_clock() + again;
        if (again >= 0) {
            i++;
            continue;
        }
        luaL_unref(p->L, LUA_REGISTRYINDEX, timer->handler);
        memmove(timer, timer + 1, (size_t)(&host->timer[--host->count] - timer) * sizeof *timer);
        count--;
    }
    host_plan(host);
}

const struct judge_wish *host_wish(const struct policy *p)
{
    return &p->host->wish;
}

bool host_stopped(const struct policy *p)
{
    return p->host->wish.stop;
}

static const luaL_Reg host_functions[] = {
    { "timer", statement_timer },
    { "stop", statement_stop },
    { "cpu", statement_cpu },
    { NULL, NULL },
};

void host_functions_open(lua_State *L)
{
    luaL_setfuncs(L, host_functions, 0);
    lua_newtable(L);
    for (size_t i = 0; i < sizeof host_clocks / sizeof *host_clocks; i++) {
        lua_pushinteger(L, host_clocks[i].clock);
        lua_setfield(L, -2, host_clocks[i].name);
    }
    lua_pushcclosure(L, statement_clock, 1);
    lua_setfield(L, -2, "clock");
}

int host_open(struct policy *p)
{
    p->host = calloc(1, sizeof *p->host);
    if (!p->host)
        return -ENOMEM;
    p->host->wish.due = INT64_MAX;
    return 0;
}

void host_close(struct policy *p)
{
    free(p->host);
}
