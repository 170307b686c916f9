/*
 * layers: from rules to verdicts: which rules a call meets, in which order, and whether the answer is a constant.
 *
 * Runs in the helper. The plan of every row is made once, when all scripts are loaded, so that a decision only walks an array.
 * In a layer the first verdict wins, then its default; of the layers the strictest (ORDER of enum verdict_kind); nothing falls
 * through to allow. unit-policy.c: layers_*, constants.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/say.h"
#include "core/policy/inside.h"

static bool layers_names(const struct rule *rule, size_t row)
{
    return rule->rows[row / CHAR_BIT] >> row % CHAR_BIT & 1;
}

bool layers_speaks(const struct layer *layer)
{
    return layer->rules.count > 0 || layer->has_default || layer->into;
}

bool layers_join(struct verdict *into, const struct verdict *verdict)
{
    bool stricter = !into->rule || verdict->kind > into->kind;

    if (stricter)
        *into = *verdict;
    return stricter;
}

static size_t layers_count_naming(const struct rules *rules, size_t row)
{
    size_t count = 0;

    for (size_t i = 0; i < rules->count; i++)
        count += layers_names(rules->list[i], row);
    return count;
}

/* Kernel work outside the route table is allowed by name only, not by a default. */
static bool layers_needs_name(const struct policy *p, size_t row)
{
    if (abi_row(row % ROWS_MAX)->where != ABI_UNSAFE)
        return false;
    for (size_t i = 0; i < p->layer_count; i++)
        if (layers_count_naming(&p->layers[i]->rules, row) > 0)
            return false;
    return true;
}

/* What a layer says when none of its rules does. */
static struct verdict layers_default(const struct layer *layer, size_t row)
{
    struct verdict deny = { .kind = VERDICT_DENY, .error = EPERM, .rule = layer->path };

    if (!layer->has_default && layer->phase)    /* what a phase doesn't name stays as it was */
        return (struct verdict){ .kind = VERDICT_ALLOW, .rule = layer->phase->where };
    if (!layer->has_default)
        return deny;
    if (layer->otherwise.kind < VERDICT_DENY && layers_needs_name(layer->policy, row)) {
        deny.rule = layer->otherwise.rule;
        return deny;
    }
    return layer->otherwise;
}

/* One layer's handlers for this row are appended to the plan; the verdict after them is returned. */
static struct verdict layers_collect(const struct layer *layer, struct plan *plan, size_t row)
{
    for (size_t i = 0; i < layer->rules.count; i++) {
        const struct rule *rule = layer->rules.list[i];
        if (!layers_names(rule, row))
            continue;
        if (rule->handler == LUA_NOREF)
            return rule->verdict;
        plan->where[plan->handler_count] = rule->where;
        plan->handlers[plan->handler_count++] = rule;
    }
    return layers_default(layer, row);
}

static int layers_room(const struct policy *p, struct plan *plan, size_t row)
{
    size_t handlers = 0, afters = layers_count_naming(&p->afters, row);

    for (size_t i = 0; i < p->layer_count; i++)
        handlers += layers_count_naming(&p->layers[i]->rules, row);
    plan->handlers = calloc(handlers + 1, sizeof *plan->handlers);
    plan->where = calloc(handlers + 1, sizeof *plan->where);
    plan->stages = calloc(p->layer_count + 1, sizeof *plan->stages);
    plan->afters = calloc(afters + 1, sizeof *plan->afters);
    plan->triggers = calloc(p->phase_count + 1, sizeof *plan->triggers);
    return plan->handlers && plan->where && plan->stages && plan->afters && plan->triggers ? 0 : -ENOMEM;
}

/* A layer that must be asked: one with handlers, or a phase whose constant would be stricter than what holds without it. */
static bool layers_is_stage(const struct plan *plan, const struct stage *stage)
{
    if (!stage->phase || stage->count > 0)
        return stage->count > 0;
    return stage->otherwise.kind > (plan->floor.rule ? plan->floor.kind : VERDICT_ALLOW);
}

/* A call that is never let through is no moment. */
static void layers_triggers(const struct policy *p, struct plan *plan, size_t row)
{
    bool refused = plan->stage_count == 0 && plan->floor.kind >= VERDICT_ASK;

    for (size_t i = 0; i < p->phase_count && !refused; i++)
        if (layers_names(&p->phases[i]->trigger, row))
            plan->triggers[plan->trigger_count++] = p->phases[i];
}

static int layers_plan_row(const struct policy *p, struct plan *plan, size_t row)
{
    if (layers_room(p, plan, row) != 0)
        return -ENOMEM;
    for (size_t i = 0; i < p->layer_count; i++) {
        if (!layers_speaks(p->layers[i]))
            continue;
        struct stage stage = { .phase = p->layers[i]->phase, .first = plan->handler_count };
        stage.otherwise = layers_collect(p->layers[i], plan, row);
        stage.count = plan->handler_count - stage.first;
        if (layers_is_stage(plan, &stage))
            plan->stages[plan->stage_count++] = stage;
        else if (stage.phase)
            continue;
        else
            layers_join(&plan->floor, &stage.otherwise);
    }
    for (size_t i = 0; i < p->afters.count; i++)
        if (layers_names(p->afters.list[i], row))
            plan->afters[plan->after_count++] = p->afters.list[i];
    layers_triggers(p, plan, row);
    plan->constant = plan->stage_count == 0 && plan->trigger_count == 0;
    if (plan->constant && !plan->floor.rule)
        plan->floor = (struct verdict){ .kind = VERDICT_DENY, .error = EPERM };
    return 0;
}

struct layer *layers_new(lua_State *L, const struct layer *as)
{
    struct policy *p = policy_of(L);

    p->layers = state_grow(L, p->layers, p->layer_count, sizeof *p->layers);
    struct layer *layer = calloc(1, sizeof *layer);
    if (!layer) {
        luaL_error(L, "out of memory");
        return NULL;    /* not reached: luaL_error never returns */
    }
    *layer = *as;
    layer->policy = p;
    layer->env = layer->loaded = LUA_NOREF;
    p->layers[p->layer_count++] = layer;
    return layer;
}

int layers_compile(struct policy *p)
{
    if (p->plans)
        return 0;
    p->plans = calloc(CELLS, sizeof *p->plans);
    if (!p->plans)
        return -ENOMEM;
    for (size_t i = 0; i < CELLS; i++)
        if (i % ROWS_MAX < p->row_count && layers_plan_row(p, &p->plans[i], i) != 0)
            return -ENOMEM;
    return 0;
}

static void layers_free_rules(struct rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        free(rules->list[i]);
    free(rules->list);
}

void layers_free(struct policy *p)
{
    for (size_t i = 0; p->plans && i < CELLS; i++) {
        free(p->plans[i].handlers);
        free(p->plans[i].where);
        free(p->plans[i].stages);
        free(p->plans[i].afters);
        free(p->plans[i].triggers);
    }
    free(p->plans);
    for (size_t i = 0; i < p->layer_count; i++) {
        layers_free_rules(&p->layers[i]->rules);
        free(p->layers[i]);
    }
    free(p->layers);
    layers_free_rules(&p->afters);
    for (size_t i = 0; i < p->phase_count; i++)
        free(p->phases[i]);
    free(p->phases);
    free(p->events);
}

size_t layers_slot(const struct policy *p, const struct abi_call *row)
{
    uintptr_t offset = (uintptr_t)row - (uintptr_t)p->first_row;    /* the others lie in another array */

    if (offset < p->row_count * sizeof *row)
        return offset / sizeof *row;
    for (size_t i = 0; i < p->other_count; i++)
        if (p->others[i] == row)
            return p->row_count + i;
    return SIZE_MAX;
}

struct plan *layers_plan(const struct policy *p, enum abi_arch arch, const struct abi_call *row)
{
    size_t slot = layers_slot(p, row);

    if (!p->plans || slot == SIZE_MAX)
        return NULL;
    return &p->plans[arch * ROWS_MAX + (slot < p->row_count ? slot : p->other_rows[slot - p->row_count])];
}

/* Nobody is asked here: without a terminal `ask` means no. */
void layers_final(struct verdict *verdict)
{
    if (verdict->kind == VERDICT_ASK) {
        verdict->kind = VERDICT_DENY;
        verdict->error = EPERM;
    }
}

void policy_explain(struct policy *p, enum abi_arch arch, const struct abi_call *row, struct policy_answer *out)
{
    memset(out, 0, sizeof *out);
    if (layers_compile(p) != 0)
        die(EXIT_NURSE, "out of memory");
    const struct plan *plan = layers_plan(p, arch, row);
    out->constant = policy_judge(p).constant(p, arch, row, &out->verdict);
    if (!plan)
        return;
    for (size_t i = 0; i < plan->stage_count; i++) {
        const struct stage *stage = &plan->stages[i];

        if (!stage->phase) {
            layers_join(&out->verdict, &stage->otherwise);
        } else if (!out->phase) {
            out->phase = stage->phase->name;
            out->in_phase = &stage->otherwise;
        }
    }
    layers_final(&out->verdict);
    out->handlers = plan->handler_count;
    out->where = plan->where;
    out->watched = plan->after_count > 0;
}
