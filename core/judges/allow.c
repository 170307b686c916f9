/*
 * allow: see allow.h.
 *
 * Runs in the helper. The keystone's rules hold all the same: they are the helper's, not a judge's. Test: t/69-live-trace.t.
 */
#include "core/judges/allow.h"

static bool allow_constant(void *self, enum abi_arch arch, const struct abi_call *row, struct verdict *out)
{
    (void)self, (void)arch, (void)row;
    *out = (struct verdict){ .kind = VERDICT_ALLOW };
    return true;
}

static bool allow_watches(void *self, const struct abi_call *row)
{
    (void)self, (void)row;
    return false;
}

static void allow_decide(void *self, struct call *call, struct verdict *out)
{
    (void)self, (void)call;
    *out = (struct verdict){ .kind = VERDICT_ALLOW };
}

static bool allow_after(void *self, struct call *call, int64_t *result)
{
    (void)self, (void)call, (void)result;
    return false;
}

static void allow_event(void *self, const struct judge_event *event)
{
    (void)self, (void)event;
}

static void allow_tick(void *self)
{
    (void)self;
}

struct judge allow_judge(void)
{
    static const struct judge_wish none = { .due = INT64_MAX };

    return (struct judge){ .wish = &none, .tick = allow_tick, .constant = allow_constant, .watches = allow_watches, .decide = allow_decide, .after = allow_after, .event = allow_event };
}
