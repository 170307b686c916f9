/*
 * shadow: see shadow.h. The second policy is asked first, about the call as the program made it, while the call is frozen (call.h).
 *
 * Runs in the helper. Whom it believes: both policies' authors. Each pair of rules that differ over a call is told once, and counted. Test:
 * t/70-live-shadow.t.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/say.h"
#include "core/judges/shadow.h"
#include "core/text/shapes.h"

enum { DIFFERENCES_MAX = 512, TEXT_MAX = 4096 };

/* What one policy says to a call. */
struct opinion {
    struct verdict verdict;
    bool rewrites;
    char words[TEXT_MAX];       /* what it makes of the call, where it rewrites it */
};

/* Told once; the same call with the same two opinions is counted. */
struct difference {
    struct difference *next;
    const struct abi_call *row;
    struct verdict here, there;
    bool rewrites_here, rewrites_there;
    unsigned long count;
    char text[];
};

struct shadow {
    const struct judge *inner;
    struct judge next;
    struct judge_wish wish;     /* of both, but what the second one would end goes on */
    bool stopped;               /* it would have ended the sandbox */
    struct difference *differences;
    size_t count;
    unsigned long others;       /* that found no room */
    struct opinion here, there;
    char call[TEXT_MAX];
};

static bool verdict_same(const struct verdict *a, const struct verdict *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case VERDICT_DENY:
        return a->error == b->error;
    case VERDICT_EMULATE:
        return a->value == b->value;
    case VERDICT_KILL_PROCESS:
    case VERDICT_KILL:
        return a->signal == b->signal;
    default:
        return true;
    }
}

static void verdict_text(struct text *t, const struct verdict *verdict)
{
    static const char *const kinds[] = { "allow", "emulate", "ask", "deny", "kill_process", "kill" };    /* ORDER verdict_kind */
    const char *error = abi_errno_name(verdict->error ? verdict->error : EPERM);

    text_add(t, "%s", kinds[verdict->kind]);
    if (verdict->kind == VERDICT_DENY)
        text_add(t, " %s", error ? error : "?");
    else if (verdict->kind == VERDICT_EMULATE)
        text_add(t, " %lld", (long long)verdict->value);
    else if (verdict->kind >= VERDICT_KILL_PROCESS)
        text_add(t, " %s", abi_signal_name(verdict->signal ? verdict->signal : 9));
}

/* --- what is told --- */

static bool difference_is(const struct difference *d, const struct shadow *s, const struct abi_call *row)
{
    return d->row == row && d->here.rule == s->here.verdict.rule && d->there.rule == s->there.verdict.rule &&
           verdict_same(&d->here, &s->here.verdict) && verdict_same(&d->there, &s->there.verdict) &&
           d->rewrites_here == s->here.rewrites && d->rewrites_there == s->there.rewrites;
}

/* `openat(AT_FDCWD, "/etc/passwd", O_RDONLY): allow (default.lua:12) here, deny EACCES at new.lua:3` */
static void difference_text(const struct shadow *s, struct text *t)
{
    const struct opinion *here = &s->here, *there = &s->there;

    text_add(t, "%s: ", s->call);
    verdict_text(t, &here->verdict);
    if (here->verdict.rule)
        text_add(t, " (%s)", here->verdict.rule);
    if (here->rewrites)
        text_add(t, " rewritten to %s", here->words);
    text_add(t, " here, ");
    verdict_text(t, &there->verdict);
    if (there->verdict.rule)
        text_add(t, " at %s", there->verdict.rule);
    if (there->rewrites)
        text_add(t, ", would rewrite it to %s", there->words);
}

static void shadow_tell(struct shadow *s, const struct abi_call *row)
{
    char words[3 * TEXT_MAX + 512];
    struct text text = { .buf = words, .size = sizeof words };
    struct difference *d = s->differences;

    while (d && !difference_is(d, s, row))
        d = d->next;
    if (d) {
        d->count++;
        return;
    }
    difference_text(s, &text);
    d = s->count < DIFFERENCES_MAX ? malloc(sizeof *d + text.len + 1) : NULL;
    if (!d) {
        s->others++;
        return;
    }
    *d = (struct difference){ .next = s->differences, .row = row, .here = s->here.verdict, .there = s->there.verdict,
                              .rewrites_here = s->here.rewrites, .rewrites_there = s->there.rewrites, .count = 1 };
    memcpy(d->text, words, text.len + 1);
    s->differences = d;
    s->count++;
    say_notice("shadow: %s", words);
}

/* --- the judge --- */

/* The call as it is now. */
static void shadow_words(struct call *call, char *words)
{
    struct text text = { .buf = words, .size = TEXT_MAX, .call = call };

    *words = '\0';
    shapes_call(&text);
}

/* What the second policy says. A call that is made of another one (socketcall) counts as rewritten from the start. */
static void shadow_ask(struct shadow *s, struct call *call)
{
    struct opinion *there = &s->there;

    call_freeze(call);
    s->next.decide(s->next.self, call, &there->verdict);
    there->rewrites = call_is_rewritten(call);
    if (there->rewrites)
        shadow_words(call, there->words);
    call_thaw(call);
}

/* After each of its turns: when either wants to be asked again. */
static void shadow_wish(struct shadow *s)
{
    s->wish = *s->inner->wish;
    if (!s->next.wish->stop && s->next.wish->due < s->wish.due)
        s->wish.due = s->next.wish->due;
    if (s->next.wish->stop && !s->stopped)
        say_notice("shadow: would end the sandbox with status %d%s%s", s->next.wish->status, s->next.wish->why ? ": " : "",
                   s->next.wish->why ? s->next.wish->why : "");
    s->stopped |= s->next.wish->stop;
}

static bool shadow_rewrites(const struct opinion *opinion, const char *call)
{
    return opinion->rewrites && opinion->verdict.kind == VERDICT_ALLOW && strcmp(opinion->words, call) != 0;
}

static void shadow_decide(void *self, struct call *call, struct verdict *out)
{
    struct shadow *s = self;
    struct opinion *here = &s->here, *there = &s->there;

    shadow_ask(s, call);
    if (there->rewrites || there->verdict.kind != VERDICT_ALLOW || !s->inner->constant(s->inner->self, call_arch(call), call_row(call), out))
        shadow_words(call, s->call);
    else
        s->call[0] = '\0';    /* nobody changes it */
    s->inner->decide(s->inner->self, call, out);
    shadow_wish(s);
    here->verdict = *out;
    here->rewrites = call_is_rewritten(call);
    if (!here->rewrites && !there->rewrites && verdict_same(&here->verdict, &there->verdict))
        return;
    if (!s->call[0])
        shadow_words(call, s->call);
    if (here->rewrites)
        shadow_words(call, here->words);
    here->rewrites = shadow_rewrites(here, s->call);
    there->rewrites = shadow_rewrites(there, s->call);
    bool same = here->rewrites == there->rewrites && (!here->rewrites || strcmp(here->words, there->words) == 0);
    if (!same || !verdict_same(&here->verdict, &there->verdict))
        shadow_tell(s, call_row(call));
}

static bool shadow_constant(void *self, enum abi_arch arch, const struct abi_call *row, struct verdict *out)
{
    struct shadow *s = self;
    struct verdict next;

    return s->inner->constant(s->inner->self, arch, row, out) && s->next.constant(s->next.self, arch, row, &next) && verdict_same(out, &next);
}

static bool shadow_watches(void *self, const struct abi_call *row)
{
    const struct shadow *s = self;

    return s->inner->watches(s->inner->self, row);
}

/* What the second policy watches is learned where that changes nothing. */
static bool shadow_hears(void *self, const struct abi_call *row)
{
    const struct shadow *s = self;

    return s->next.watches(s->next.self, row) || (s->inner->hears && s->inner->hears(s->inner->self, row));
}

static bool shadow_after(void *self, struct call *call, int64_t *result)
{
    struct shadow *s = self;
    const struct abi_call *row = call_row(call);
    int64_t copy = *result;
    bool replaced = false;

    if (s->next.watches(s->next.self, row)) {
        call_freeze(call);
        s->next.after(s->next.self, call, &copy);
        call_thaw(call);
    }
    if (s->inner->watches(s->inner->self, row) || (s->inner->hears && s->inner->hears(s->inner->self, row)))
        replaced = s->inner->after(s->inner->self, call, result);
    shadow_wish(s);
    return replaced;
}

static void shadow_faulted(void *self, struct call *call, int error)
{
    const struct shadow *s = self;

    if (s->inner->faulted)
        s->inner->faulted(s->inner->self, call, error);
}

static void shadow_refused(void *self, struct call *call, int error)
{
    const struct shadow *s = self;

    if (s->inner->refused)
        s->inner->refused(s->inner->self, call, error);
}

static void shadow_unheard(void *self, struct call *call, bool again)
{
    const struct shadow *s = self;

    if (s->inner->unheard)
        s->inner->unheard(s->inner->self, call, again);
}

static void shadow_event(void *self, const struct judge_event *event)
{
    struct shadow *s = self;

    s->inner->event(s->inner->self, event);
    s->next.event(s->next.self, event);
    shadow_wish(s);
}

static void shadow_tick(void *self)
{
    struct shadow *s = self;

    s->inner->tick(s->inner->self);
    s->next.tick(s->next.self);
    shadow_wish(s);
}

struct judge shadow_judge(struct shadow *shadow, const struct judge *inner)
{
    shadow->inner = inner;
    shadow_wish(shadow);
    return (struct judge){
        .self = shadow,
        .wish = &shadow->wish,
        .tick = shadow_tick,
        .constant = shadow_constant,
        .watches = shadow_watches,
        .hears = shadow_hears,
        .decide = shadow_decide,
        .faulted = shadow_faulted,
        .unheard = shadow_unheard,
        .after = shadow_after,
        .event = shadow_event,
        .refused = inner->refused ? shadow_refused : NULL,
    };
}

struct shadow *shadow_new(struct policy *next)
{
    struct shadow *shadow = calloc(1, sizeof *shadow);

    if (!shadow)
        die(EXIT_NURSE, "out of memory");
    shadow->next = policy_judge(next);
    return shadow;
}

void shadow_end(struct shadow *shadow)
{
    if (!shadow)
        return;
    for (struct difference *d = shadow->differences, *next; d; d = next) {
        next = d->next;
        if (d->count > 1)
            say_notice("shadow: %s (%lu times)", d->text, d->count);
        free(d);
    }
    if (shadow->others)
        say_notice("shadow: %lu more differences were not told", shadow->others);
    if (!shadow->count)
        say_detail("shadow: the policies didn't differ");
    free(shadow);
}
