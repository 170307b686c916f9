/*
 * ask: see ask.h. The steps are those of life_begin() in core/helper/life.c: fetch, the route's constant or the judge, the guard.
 *
 * Runs in the command line. Believes the user's policy. Test: t/67-live-why.t, which compares with what happens in a sandbox.
 */
#include "core/policy/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/text/text.h"
#include "core/route/route.h"

struct ask {
    struct judge judge;
    struct alone *alone;
};

int ask_open(struct ask **out, struct policy *policy)
{
    struct ask *ask = calloc(1, sizeof *ask);
    int error;

    if (!ask)
        return -ENOMEM;
    ask->judge = policy_judge(policy);
    error = alone_new(&ask->alone, &ask->judge, getpid());
    if (error) {
        free(ask);
        return error;
    }
    ask->judge.event(ask->judge.self, &(struct judge_event){ .name = "start", .pid = getpid(), .exe = alone_exe(ask->alone), .status = -1 });
    *out = ask;
    return 0;
}

void ask_close(struct ask *ask)
{
    if (ask)
        alone_free(ask->alone);
    free(ask);
}

/* A call of its own for the text: to show a buffer is to fetch it, and a long one is cut by that. */
static int ask_show(struct ask *ask, const struct written *written, char *line)
{
    struct call *call;
    int error = alone_call(ask->alone, &call, written->arch, written->row, written->args);

    line[0] = '\0';
    if (error)
        return error;
    text_call(call, line, ASK_LINE);
    alone_end(call);
    return 0;
}

void ask_call(struct ask *ask, const struct written *written, struct asked *out)
{
    out->call = NULL;
    out->guard = ALONE_PASSES;
    out->guard_value = 0;
    out->after[0] = '\0';
    out->entry = alone_route(ask->alone, written->arch, written->row);
    out->verdict = out->entry->verdict;
    out->error = -ask_show(ask, written, out->before);
    if (!out->error)
        out->error = -alone_call(ask->alone, &out->call, written->arch, written->row, written->args);
    if (out->error) {
        out->call = NULL;
        return;
    }
    if (!out->entry->constant && written->row->where != ABI_UNSAFE)
        ask->judge.decide(ask->judge.self, out->call, &out->verdict);
    text_call(out->call, out->after, sizeof out->after);
}

void ask_guard(struct asked *asked)
{
    if (asked->call && asked->verdict.kind == VERDICT_ALLOW)
        asked->guard = alone_guard(asked->call, &asked->guard_value);
}

void ask_end(struct asked *asked)
{
    if (asked->call)
        alone_end(asked->call);
    asked->call = NULL;
}

int64_t ask_after(struct ask *ask, struct asked *asked, int64_t result)
{
    if (asked->call && ask->judge.watches(ask->judge.self, call_row(asked->call)))
        ask->judge.after(ask->judge.self, asked->call, &result);
    return result;
}

void ask_event(struct ask *ask, const struct judge_event *event)
{
    ask->judge.event(ask->judge.self, event);
}

int ask_verdict(const struct verdict *verdict, char *buf, size_t size)
{
    static const char *const kinds[] = {
        [VERDICT_ALLOW] = "allow", [VERDICT_EMULATE] = "emulate", [VERDICT_ASK] = "ask", [VERDICT_DENY] = "deny",
        [VERDICT_KILL_PROCESS] = "kill_process", [VERDICT_KILL] = "kill",
    };
    const char *kind = kinds[verdict->kind], *name;

    switch (verdict->kind) {
    case VERDICT_EMULATE:
        return snprintf(buf, size, "%s %lld", kind, (long long)verdict->value);
    case VERDICT_DENY:
        name = abi_errno_name(verdict->error);
        return name ? snprintf(buf, size, "%s %s", kind, name) : snprintf(buf, size, "%s %d", kind, verdict->error);
    case VERDICT_KILL_PROCESS:
    case VERDICT_KILL:
        name = abi_signal_name(verdict->signal ? verdict->signal : 9);
        return snprintf(buf, size, "%s %s", kind, name ? name : "?");
    default:
        return snprintf(buf, size, "%s", kind);
    }
}

bool ask_passes(const struct asked *asked)
{
    return !asked->error && (asked->verdict.kind == VERDICT_EMULATE ||
                             (asked->verdict.kind == VERDICT_ALLOW && (asked->guard != ALONE_REFUSED || asked->guard_value >= 0)));
}
