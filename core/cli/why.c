/*
 * nurse why: what a policy says to one written call, by which rule, and what would allow it.
 *
 * Runs in the command line, starts no sandbox and makes no call. Prints what the same judge, routes and keystone rules answer as in a run; what
 * only a sandbox can tell is named. Test: t/67-live-why.t.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/say.h"
#include "core/cli/commands.h"
#include "core/judges/advice.h"
#include "core/policy/ask.h"
#include "core/route/route.h"

enum { WHY_REFUSED = 1 };    /* exit status */

struct why {
    struct policy *policy;
    struct ask *ask;
    struct written written;
    struct asked asked;
    char argv[ASK_LINE], line[ASK_LINE], rule[ADVICE_MAX];
};

/* A line of the answer; a path can have any byte in it. */
static void why_print(const char *label, const char *text)
{
    printf("%-8s ", label);
    for (; *text; text++)
        printf(isprint((unsigned char)*text) ? "%c" : "\\%03o", (unsigned char)*text);
    putchar('\n');
}

/* The lists of an exec aren't in its line. */
static void why_argv(struct why *why)
{
    const struct abi_call *row = why->written.row;
    const char *const *strings;
    size_t count, used = 0;

    why->argv[0] = '\0';
    for (int i = 0; i < 6; i++) {
        if (row->args[i].type != ABI_STRINGS || strcmp(row->args[i].name, "argv") != 0 || call_strings(why->asked.call, i, &strings, &count) != 0)
            continue;
        for (size_t k = 0; k < count && used < sizeof why->argv; k++)
            used += (size_t)snprintf(why->argv + used, sizeof why->argv - used, "%s\"%s\"", k ? " " : "", strings[k]);
        why_print("argv", why->argv);
    }
}

static void why_call(struct why *why)
{
    const struct abi_call *row = why->written.row;
    const char *path;

    why_print("call", why->asked.before);
    if (!why->asked.call)
        return;
    if (strcmp(why->asked.before, why->asked.after) != 0)
        why_print("becomes", why->asked.after);
    for (int i = 0; i < 6; i++)
        if (call_path(why->asked.call, i, &path) == 0)
            why_print(row->args[i].type >= ABI_PATH && row->args[i].type <= ABI_PATH_OPEN ? row->args[i].name : "addr", path);
    why_argv(why);
}

/* The line of a script that a rule stands on, without what surrounds it; false when it can't be read. */
static bool why_source(struct why *why, const char *where, const char **text)
{
    const char *colon = strrchr(where, ':');
    char *name = colon ? strndup(where, (size_t)(colon - where)) : NULL;
    FILE *file = name ? fopen(name, "re") : NULL;
    long wanted = colon ? strtol(colon + 1, NULL, 10) : 0, line = 0;

    free(name);
    if (!file)
        return false;
    while (line < wanted && fgets(why->line, sizeof why->line, file))
        line++;
    fclose(file);
    why->line[strcspn(why->line, "\r\n")] = '\0';
    *text = why->line + strspn(why->line, " \t");
    return line == wanted && line > 0;
}

static void why_rule(struct why *why)
{
    const struct verdict *verdict = &why->asked.verdict;
    const char *source;

    if (verdict->rule)
        why_print("rule", verdict->rule);
    else if (why->written.row->where == ABI_UNSAFE)
        why_print("rule", "none: calls of @unsafe are denied whatever the policy says");
    if (verdict->rule && why_source(why, verdict->rule, &source))
        printf("%-8s   %s\n", "", source);
    if (verdict->module)
        why_print("", "a module's rule: the script's own rules can't widen it, what it tells the module can");
    if (verdict->why)
        why_print("why", verdict->why);
}

/* What the same call would meet later. */
static void why_phase(struct why *why)
{
    struct policy_answer answer;
    char text[256];

    policy_explain(why->policy, why->written.arch, why->written.row, &answer);
    if (!answer.phase)
        return;
    snprintf(text, sizeof text, "'%s' may change that (--phase=%s asks as of then)", answer.phase, answer.phase);
    why_print("phase", text);
}

static void why_route(struct why *why)
{
    static const char *const ways[] = {
        [ROUTE_NATIVE] = "the kernel lets it pass, no script is asked", [ROUTE_DENIED] = "the kernel's filter answers, no script is asked",
        [ROUTE_MAILBOX] = "by the gate, or a notification, to the helper", [ROUTE_NOTIFY] = "by a notification to the helper",
    };
    const enum route route = why->asked.entry->route;

    printf("%-8s %s: %s\n", "route", route_name(route), ways[route]);
}

static void why_guard(struct why *why)
{
    char text[160];
    const int64_t value = why->asked.guard_value;
    const char *name = value < 0 ? abi_errno_name((int)-value) : NULL;

    if (why->asked.guard == ALONE_REFUSED) {
        snprintf(text, sizeof text, name ? "%s, whatever the policy says (nurse's own rules)" : "not made: nurse itself answers %s%lld",
                 name ? name : "", (long long)value);
        why_print("but", text);
    } else if (why->asked.guard == ALONE_UNKNOWN) {
        why_print("but", "EPERM if it is aimed at nurse's own process or memory: only a run can tell");
    }
}

static void why_advice(struct why *why)
{
    const char *line = why->rule;

    if (!why->asked.call || !advice_rule(why->asked.call, &why->asked.verdict, why->rule, sizeof why->rule))
        return;
    printf("\nThis would allow it:\n\n");
    while (*line) {
        size_t length = strcspn(line, "\n");

        printf("  %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

/* The answer; returns the exit status. */
static int why_answer(struct why *why)
{
    char verdict[64];
    struct asked *asked = &why->asked;

    ask_call(why->ask, &why->written, asked);
    ask_guard(asked);
    if (asked->error) {
        const char *name = abi_errno_name(asked->error);

        printf("not asked: the kernel's own answer is %s\n", name ? name : "an error");
    } else {
        ask_verdict(&asked->verdict, verdict, sizeof verdict);
        printf("%s%s\n", verdict, asked->guard == ALONE_REFUSED ? " (but see below)" : "");
        why_call(why);
        why_rule(why);
        why_phase(why);
        why_route(why);
        why_guard(why);
        why_advice(why);
    }
    ask_end(asked);
    return command_flush(ask_passes(asked) ? 0 : WHY_REFUSED);
}

/* 0, or -1 after one line on stderr. */
static int why_enter(struct why *why, const struct settings *settings)
{
    for (size_t i = 0; i < settings->phases.count; i++)
        if (policy_enter(why->policy, settings->phases.words[i]) != 0) {
            say("why: no phase '%s' in this policy", settings->phases.words[i]);
            return -1;
        }
    return 0;
}

int command_why(struct settings *settings, char **operands)
{
    struct why *why = calloc(1, sizeof *why);
    int status = EXIT_NURSE, error = 0;

    if (!why) {
        say("out of memory");
        return EXIT_NURSE;
    }
    if (!*operands) {
        say("why: which call? (nurse why [OPTION...] CALL [ARG...], as in: nurse why openat /etc/shadow O_RDONLY)");
    } else if (written_words(&why->written, settings->arch, (const char *const *)operands) != 0) {
        say("why: %s", why->written.mistake);
    } else {
        why->policy = settings_policy(settings, settings->policies.words, settings->policies.count);
        error = why->policy && why_enter(why, settings) == 0 ? ask_open(&why->ask, why->policy) : 0;
        if (error)
            say("why: %s", strerror(-error));
        else if (why->ask)
            status = why_answer(why);
    }
    ask_close(why->ask);
    policy_free(why->policy);
    free(why);
    return status;
}
