/*
 * decide: a policy as the helper's judge: the questions of judge.h, answered by the layers' handlers.
 *
 * Runs in the helper, on the hot path: no allocation here, one protected call for each handler that is asked. An error in a
 * handler is a denial (or the end, --on-error=kill), said once with file:line. unit-policy.c: handlers, limits_*, after.
 */
#include <errno.h>
#include <string.h>

#include "core/base/say.h"
#include "core/policy/inside.h"

static void decide_fault(struct policy *p, const char *where, const char *message, struct verdict *out)
{
    bool kill = p->options.on_error == POLICY_ERROR_KILL;

    state_report(p, "%s; %s", message, kill ? "killed" : "denied");
    events_error(p, where, message);
    *out = (struct verdict){ .kind = kill ? VERDICT_KILL : VERDICT_DENY, .error = EPERM, .rule = where };
}

/* [-1, +0] the verdict of the value on top; false: the handler said nothing. */
static bool decide_read_verdict(struct policy *p, const struct rule *rule, struct verdict *out)
{
    char message[PLACE_MAX + 64];

    *out = (struct verdict){ .rule = rule->where, .module = rule->module, .quiet = p->quiet, .why = p->why[0] ? p->why : NULL };
    int said = verdicts_read(p->L, -1, out);
    if (said < 0) {
        snprintf(message, sizeof message, "%s: the handler returned a %s, not a verdict", rule->where, luaL_typename(p->L, -1));
        decide_fault(p, rule->where, message, out);
    }
    lua_settop(p->L, SLOTS);
    return said != 0;
}

/* Ask one handler; false: it said nothing. */
static bool decide_ask(struct policy *p, const struct rule *rule, struct verdict *out)
{
    const char *message;

    p->why[0] = '\0';
    p->quiet = false;
    lua_rawgeti(p->L, LUA_REGISTRYINDEX, rule->handler);
    lua_pushvalue(p->L, SLOT_CALL);
    if (state_call(p, 1, 1, rule->where, &message) == 0)
        return decide_read_verdict(p, rule, out);
    decide_fault(p, rule->where, message, out);
    return true;
}

static struct verdict decide_ask_stage(struct policy *p, const struct plan *plan, const struct stage *stage)
{
    struct verdict verdict = { 0 };

    for (size_t i = stage->first; i < stage->first + stage->count; i++)
        if (decide_ask(p, plan->handlers[i], &verdict))
            return verdict;
    return stage->otherwise;
}

static bool decide_is_told(const struct policy *p, const struct verdict *verdict)
{
    return p->hears_denials && !verdict->quiet && verdict->kind > VERDICT_EMULATE;
}

static void decide_begin(struct policy *p, struct call *call)
{
    p->call = call;
    p->call_names = p->names[layers_slot(p, call_row(call))];
    p->generation++;
}

static void decide_end(struct policy *p)
{
    p->call = NULL;
}

static void decide_call(void *self, struct call *call, struct verdict *out)
{
    struct policy *p = self;
    const struct plan *plan = layers_plan(p, call_arch(call), call_row(call));

    if (!plan) {
        *out = (struct verdict){ .kind = VERDICT_DENY, .error = ENOSYS };
        return;
    }
    *out = plan->floor;
    decide_begin(p, call);
    for (size_t i = 0; i < plan->stage_count && !host_stopped(p); i++) {
        if (plan->stages[i].phase && !plan->stages[i].phase->entered)
            continue;
        struct verdict verdict = decide_ask_stage(p, plan, &plan->stages[i]);
        if (layers_join(out, &verdict) && verdict.why)
            out->why = strcpy(p->reason, verdict.why);
    }
    layers_final(out);
    if (plan->trigger_count && out->kind <= VERDICT_EMULATE)
        phases_look(p, plan, call);
    if (decide_is_told(p, out))
        events_denied(p, out);
    decide_end(p);
    if (host_stopped(p))    /* the end is near: until it comes nothing more is let through, and nobody needs to be told */
        *out = (struct verdict){ .kind = VERDICT_DENY, .error = EPERM, .rule = out->rule, .quiet = true };
}

static bool decide_constant(void *self, enum abi_arch arch, const struct abi_call *row, struct verdict *out)
{
    const struct plan *plan = layers_plan(self, arch, row);

    *out = (struct verdict){ .kind = VERDICT_DENY, .error = ENOSYS };
    if (!plan)
        return true;
    *out = plan->floor;
    layers_final(out);
    return plan->constant && !decide_is_told(self, out);
}

static bool decide_watches(void *self, const struct abi_call *row)
{
    for (int arch = 0; arch < ABI_ARCHES; arch++) {
        const struct plan *plan = layers_plan(self, (enum abi_arch)arch, row);
        if (plan && plan->after_count > 0)
            return true;
    }
    return false;
}

static void decide_after_fault(struct policy *p, const char *where, const char *message)
{
    state_report(p, "%s; denied", message);
    events_error(p, where, message);
    p->result = -EPERM;
}

/* [-1, +0] what an after handler returned: an integer, an errno's name, or nothing. */
static void decide_read_result(struct policy *p, const struct rule *rule)
{
    lua_State *L = p->L;
    char message[PLACE_MAX + 96];
    int is_integer = 0, error;

    lua_Integer value = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &is_integer) : 0;
    if (is_integer) {
        p->result = value;
    } else if (lua_type(L, -1) == LUA_TSTRING && (error = abi_errno(lua_tostring(L, -1))) > 0) {
        p->result = -error;
    } else if (!lua_isnil(L, -1)) {
        snprintf(message, sizeof message, "%s: the after handler returned a %s, not an integer or an errno's name", rule->where,
                 luaL_typename(L, -1));
        decide_after_fault(p, rule->where, message);
    }
    lua_settop(L, SLOTS);
}

/* Calls handler(call, result, errno); runs protected, for a string is made here. */
static int decide_run_after(lua_State *L)
{
    int64_t result = policy_of(L)->result;

    lua_pushinteger(L, result);
    lua_pushstring(L, result < 0 && result > -4096 ? abi_errno_name((int)-result) : NULL);
    lua_call(L, 3, 1);
    return 1;
}

static void decide_ask_after(struct policy *p, const struct rule *rule)
{
    lua_State *L = p->L;
    const char *message;

    lua_pushcfunction(L, decide_run_after);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rule->handler);
    lua_pushvalue(L, SLOT_CALL);
    if (state_call(p, 2, 1, rule->where, &message) == 0)
        decide_read_result(p, rule);
    else
        decide_after_fault(p, rule->where, message);
}

static bool decide_after(void *self, struct call *call, int64_t *result)
{
    struct policy *p = self;
    const struct plan *plan = layers_plan(p, call_arch(call), call_row(call));

    if (!plan)
        return false;
    decide_begin(p, call);
    p->has_result = true;
    p->result = *result;
    for (size_t i = 0; i < plan->after_count; i++)
        decide_ask_after(p, plan->afters[i]);
    p->has_result = false;
    decide_end(p);
    bool replaced = p->result != *result;
    *result = p->result;
    return replaced;
}

static void decide_event(void *self, const struct judge_event *event)
{
    if (strcmp(event->name, "start") == 0)
        host_start(self);
    events_of_tree(self, event);
}

struct judge policy_judge(struct policy *p)
{
    bool speaks = false;

    for (size_t i = 0; i < p->layer_count; i++)
        speaks |= layers_speaks(p->layers[i]);
    if (!speaks && !p->plans)
        say_notice("the policy has no rule, so every call is denied");
    if (layers_compile(p) != 0)
        die(EXIT_NURSE, "out of memory");
    return (struct judge){
        .self = p,
        .wish = host_wish(p),
        .constant = decide_constant,
        .watches = decide_watches,
        .decide = decide_call,
        .after = decide_after,
        .event = decide_event,
        .tick = host_tick,
    };
}

