/*
 * nurse check: loads a policy and prints what will become of every call, on both architectures.
 *
 * Runs in the helper process and starts no sandbox. Prints the route table that the kernel filter is
 * made of, so that the table can't differ from what happens. Test: t/21-live-check.t.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/say.h"
#include "core/cli/commands.h"
#include "core/route/route.h"

enum { EXIT_COMPLAINTS = 1 };    /* the policy loads, but says what it can't mean */

/* One call on one architecture, in words. */
struct check_line {
    const char *route;
    char verdict[96];
    char rule[256];
};

static void line_rules(const struct policy_answer *answer, char *out, size_t size)
{
    size_t used = 0;

    *out = '\0';
    for (size_t i = 0; i < answer->handlers && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? " " : "", answer->where[i]);
    if (answer->verdict.rule && used < size)
        snprintf(out + used, size - used, "%s%s", used ? " " : "", answer->verdict.rule);
}

static void line_words(const struct verdict *verdict, const char *before, char *out, size_t size)
{
    const char *name;

    switch (verdict->kind) {
    case VERDICT_ALLOW:
        snprintf(out, size, "%sallow", before);
        break;
    case VERDICT_EMULATE:
        snprintf(out, size, "%semulate %lld", before, (long long)verdict->value);
        break;
    case VERDICT_ASK:
        snprintf(out, size, "%sask", before);
        break;
    case VERDICT_DENY:
        name = abi_errno_name(verdict->error);
        snprintf(out, size, "%sdeny %s", before, name ? name : "?");
        break;
    case VERDICT_KILL_PROCESS:
    case VERDICT_KILL:
        snprintf(out, size, "%skill", before);
        break;
    }
}

static void line_verdict(const struct policy_answer *answer, char *out, size_t size)
{
    line_words(&answer->verdict, answer->handlers ? "Lua, else " : "", out, size);
    size_t used = strlen(out);
    if (answer->phase && used < size)
        used += (size_t)snprintf(out + used, size - used, "; phase %s: ", answer->phase);
    if (answer->phase && used < size)
        line_words(answer->in_phase, "", out + used, size - used);
}

/* A policy and the routes that follow from it. */
struct check {
    struct policy *policy;
    struct route_table routes;
};

/* False when the architecture has no such call. */
static bool line_fill(struct check *check, enum abi_arch arch, const struct abi_call *row, struct check_line *line)
{
    const struct route_entry *entry;
    struct policy_answer answer;
    int nr = abi_number(arch, row);

    if (nr < 0)
        return false;
    row = abi_call(arch, nr);    /* i386 has some rows of its own */
    entry = route_entry(&check->routes, arch, (uint64_t)nr);
    policy_explain(check->policy, arch, row, &answer);
    if (entry->route == ROUTE_DENIED) {    /* what the filter answers is not always what the policy said: unsafe calls */
        answer.constant = true;
        answer.verdict = entry->verdict;
    }
    line->route = route_name(entry->route);
    line_verdict(&answer, line->verdict, sizeof line->verdict);
    line_rules(&answer, line->rule, sizeof line->rule);
    if (row->where == ABI_UNSAFE && entry->route == ROUTE_DENIED && !*line->rule)
        snprintf(line->rule, sizeof line->rule, "(unsafe, whatever the policy says)");
    return true;
}

static void line_print(const struct abi_call *row, const char *arch, const struct check_line *line)
{
    printf("%-24s %-7s %-8s %-24s %s\n", row->name, arch, line->route, line->verdict, line->rule);
}

static void row_print(struct check *check, const struct abi_call *row)
{
    struct check_line line[ABI_ARCHES] = {0};
    bool has[ABI_ARCHES];

    for (int arch = 0; arch < ABI_ARCHES; arch++)
        has[arch] = line_fill(check, (enum abi_arch)arch, row, &line[arch]);
    if (has[ABI_X86_64] && has[ABI_I386] && strcmp(line[0].route, line[1].route) == 0 &&
        strcmp(line[0].verdict, line[1].verdict) == 0 && strcmp(line[0].rule, line[1].rule) == 0) {
        line_print(row, "both", &line[0]);
        return;
    }
    for (int arch = 0; arch < ABI_ARCHES; arch++)
        if (has[arch])
            line_print(row, abi_arch_name((enum abi_arch)arch), &line[arch]);
}

static int check_groups(void)
{
    policy_group_print(stdout, NULL);
    return command_flush(0);
}

static int check_calls(void)
{
    policy_calls_print(stdout);
    return command_flush(0);
}

static void check_complain(void *self, const char *where, const char *what)
{
    (void)self;
    say_notice("%s: %s", where, what);
}

static void check_print(struct check *check)
{
    const struct abi_call *row;

    printf("%-24s %-7s %-8s %-24s %s\n", "CALL", "ON", "ROUTE", "VERDICT", "RULE");
    for (size_t i = 0; (row = abi_row(i)); i++)
        row_print(check, row);
}

int command_check(struct settings *settings, char **operands)
{
    int status = EXIT_NURSE;
    struct check *check;
    struct judge judge;

    if (settings->groups)
        return check_groups();
    if (settings->calls)
        return check_calls();
    if (!operands[0] || operands[1]) {
        say("check: which policy? (nurse check POLICY)");
        return EXIT_NURSE;
    }
    check = calloc(1, sizeof *check);
    if (!check) {
        say("out of memory");
        return EXIT_NURSE;
    }
    check->policy = settings_policy(settings, (const char *const *)operands, 1);
    if (check->policy) {
        judge = policy_judge(check->policy);
        route_compute(&check->routes, &judge);
        check_print(check);
        status = command_flush(policy_complain(check->policy, check_complain, NULL) ? EXIT_COMPLAINTS : 0);
        policy_free(check->policy);
    }
    free(check);
    return status;
}
