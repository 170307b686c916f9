/*
 * denials: the judge that reports what another judge denies.
 *
 * Runs in the helper. Constant denials come to the helper instead of ending in the kernel's filter, so that they can be told; with -q this judge isn't
 * there, and they don't. A program may be denied as much as it likes: kinds are counted in a table of fixed size, few are told while it runs, and
 * what is told of them is escaped. Test: t/37-live-denials.t.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/say.h"
#include "core/judges/advice.h"
#include "core/judges/denials.h"
#include "core/text/text.h"

enum { KINDS_MAX = 256, TOLD_MAX = 20, OBJECT_MAX = 256 };

/* Calls that are the same to a reader: name, object, rule and answer. */
struct kind {
    const struct abi_call *row;
    const char *rule;              /* NULL: no policy's */
    int error;                     /* 0: killed */
    char object[OBJECT_MAX];       /* path or address, or empty */
    unsigned long count;
};

struct denials {
    struct judge inner;
    struct kind kinds[KINDS_MAX];
    size_t kind_count;
    size_t told;
    unsigned long others;          /* denied calls that no room was left for */
};

static bool is_denial(const struct verdict *verdict)
{
    return !verdict->quiet && (verdict->kind == VERDICT_DENY || verdict->kind >= VERDICT_KILL_PROCESS);
}

/* --- what was denied --- */

static bool is_object(enum abi_type type)
{
    return (type >= ABI_PATH && type <= ABI_PATH_OPEN) || type == ABI_ADDR_IN;
}

/* One argument: the canonical path, or what a line shows of it. */
static size_t object_argument(struct call *call, int i, char *buf, size_t size)
{
    const char *path;

    if (call_path(call, i, &path) == 0)
        return (size_t)snprintf(buf, size, "%s", path);
    return text_argument(call, i, buf, size);
}

/* What the call is about, in few words: its paths or its address; where there is neither, its sets (socket's family, ioctl's request). */
static void object_of(struct call *call, char *buf, size_t size)
{
    const struct abi_arg *args = call_row(call)->args;
    bool has_object = false;
    size_t used = 0;

    for (int i = 0; i < 6; i++)
        has_object = has_object || is_object(args[i].type);
    *buf = '\0';
    for (int i = 0; i < 6 && used < size; i++) {
        if (has_object ? !is_object(args[i].type) : args[i].type != ABI_FLAGS)
            continue;
        used += used ? (size_t)snprintf(buf + used, size - used, " ") : 0;
        used += used < size ? object_argument(call, i, buf + used, size - used) : 0;
    }
}

static bool kind_is(const struct kind *kind, const struct kind *other)
{
    return kind->row == other->row && kind->error == other->error && strcmp(kind->object, other->object) == 0 &&
           (kind->rule == other->rule || (kind->rule && other->rule && strcmp(kind->rule, other->rule) == 0));
}

/* Count it. Returns the kind when it is new, else NULL. */
static struct kind *denials_count(struct denials *denials, const struct kind *wanted)
{
    for (size_t i = 0; i < denials->kind_count; i++)
        if (kind_is(&denials->kinds[i], wanted)) {
            denials->kinds[i].count++;
            return NULL;
        }
    if (denials->kind_count == KINDS_MAX) {
        denials->others++;
        return NULL;
    }
    denials->kinds[denials->kind_count] = *wanted;
    return &denials->kinds[denials->kind_count++];
}

/* --- telling --- */

/* "denied with EACCES by policy.lua:3" */
static const char *kind_answer(const struct kind *kind, char *buf, size_t size)
{
    const char *name = abi_errno_name(kind->error), *rule = kind->rule ? kind->rule : "nurse itself, whatever the policy says";

    if (kind->error == 0)
        snprintf(buf, size, "killed by %s", rule);
    else if (name)
        snprintf(buf, size, "denied with %s by %s", name, rule);
    else
        snprintf(buf, size, "denied with errno %d by %s", kind->error, rule);
    return buf;
}

/* A rule that would allow it, in one line that can be pasted. */
static void denials_advise(struct call *call, const struct verdict *verdict)
{
    static char advice[ADVICE_MAX];
    char *line = advice, *out = advice;

    if (advice_rule(call, verdict, advice, sizeof advice) == 0)
        return;
    while (strncmp(line, "--", 2) == 0 && strchr(line, '\n'))    /* the comment says where it goes, and so do we */
        line = strchr(line, '\n') + 1;
    for (; *line; line++) {
        *out++ = *line == '\n' ? ' ' : *line;
        if (*line == '\n')
            line += strspn(line + 1, " ");
    }
    *out = '\0';
    say("  to allow it, above %s: %s", verdict->rule, advice);
}

static void denials_tell(const struct kind *kind, struct call *call, const struct verdict *verdict)
{
    char line[4096], caller[512], answer[4352];

    text_call(call, line, sizeof line);
    say("%s%s%s%s: %s", kind_answer(kind, answer, sizeof answer), verdict->why ? " (" : "", verdict->why ? verdict->why : "", verdict->why ? ")" : "", line);
    call_caller(call, caller, sizeof caller);
    say("  in %s (pid %d)%s%s%s%s", call_comm(call), call_pid(call), *caller ? ", " : "", caller, *kind->object ? "; of " : "", kind->object);
    if (verdict->rule)
        denials_advise(call, verdict);
}

static void denials_note(struct denials *denials, struct call *call, const struct verdict *verdict)
{
    struct kind wanted = { .row = call_row(call), .rule = verdict->rule, .count = 1 };

    wanted.error = verdict->kind == VERDICT_DENY ? verdict->error : 0;
    object_of(call, wanted.object, sizeof wanted.object);
    const struct kind *kind = denials_count(denials, &wanted);
    if (!kind || denials->told > TOLD_MAX)
        return;
    if (denials->told++ == TOLD_MAX)
        say("more is denied than is told while the program runs; it is counted");
    else
        denials_tell(kind, call, verdict);
}

/* --- the judge --- */

static bool denials_constant(void *self, enum abi_arch arch, const struct abi_call *row, struct verdict *out)
{
    struct denials *denials = self;

    return denials->inner.constant(denials->inner.self, arch, row, out) && !is_denial(out);
}

static bool denials_watches(void *self, const struct abi_call *row)
{
    struct denials *denials = self;

    return denials->inner.watches(denials->inner.self, row);
}

static void denials_decide(void *self, struct call *call, struct verdict *out)
{
    struct denials *denials = self;

    denials->inner.decide(denials->inner.self, call, out);
    if (is_denial(out))
        denials_note(denials, call, out);
}

static bool denials_after(void *self, struct call *call, int64_t *result)
{
    struct denials *denials = self;

    return denials->inner.after(denials->inner.self, call, result);
}

static void denials_event(void *self, const struct judge_event *event)
{
    struct denials *denials = self;

    denials->inner.event(denials->inner.self, event);
}

static void denials_tick(void *self)
{
    struct denials *denials = self;

    denials->inner.tick(denials->inner.self);
}

static void denials_refused(void *self, struct call *call, int error)
{
    struct denials *denials = self;

    if (denials->inner.refused)
        denials->inner.refused(denials->inner.self, call, error);
    denials_note(denials, call, &(struct verdict){ .kind = VERDICT_DENY, .error = error });
}

struct denials *denials_new(const struct judge *inner)
{
    struct denials *denials = calloc(1, sizeof *denials);

    if (denials)
        denials->inner = *inner;
    return denials;
}

struct judge denials_judge(struct denials *denials)
{
    return (struct judge){
        .self = denials,
        .wish = denials->inner.wish,
        .constant = denials_constant,
        .watches = denials_watches,
        .decide = denials_decide,
        .after = denials_after,
        .event = denials_event,
        .tick = denials_tick,
        .refused = denials_refused,
    };
}

static int kind_compare(const void *a, const void *b)
{
    const struct kind *left = a, *right = b;

    return (left->count < right->count) - (left->count > right->count);
}

static void denials_summary(struct denials *denials, unsigned long total)
{
    char answer[4352];

    qsort(denials->kinds, denials->kind_count, sizeof *denials->kinds, kind_compare);
    say(total == 1 ? "%lu call was denied:" : "%lu calls were denied:", total);
    for (size_t i = 0; i < denials->kind_count; i++) {
        const struct kind *kind = &denials->kinds[i];

        say("%7lu  %s%s%s, %s", kind->count, kind->row->name, *kind->object ? " " : "", kind->object, kind_answer(kind, answer, sizeof answer));
    }
    if (denials->others)
        say("%7lu  more", denials->others);
}

void denials_end(struct denials *denials)
{
    unsigned long total = denials ? denials->others : 0;

    for (size_t i = 0; denials && i < denials->kind_count; i++)
        total += denials->kinds[i].count;
    if (total > 0)
        denials_summary(denials, total);
    free(denials);
}
