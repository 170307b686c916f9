/*
 * settings: the handlers of all options, and the tables that offer them.
 *
 * Runs in the helper before anything starts; believes the user, names every mistake. Test: t/20-live-cli.t.
 */
#include "core/cli/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/say.h"

static int list_add(struct word_list *list, const char *word)
{
    const char **words = realloc(list->words, (list->count + 2) * sizeof *words);

    if (!words) {
        say("out of memory");
        return -1;
    }
    words[list->count++] = word;
    words[list->count] = NULL;
    list->words = words;
    return 0;
}

/* The place of value among the words, which end with NULL; -1 after one line on stderr. */
static int choose(const char *option, const char *value, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], value) == 0)
            return i;
    say("%s=%s: no such choice (--help lists them)", option, value);
    return -1;
}

static int take_policy(struct settings *into, const char *value)
{
    return list_add(&into->policies, value);
}

static int take_shadow(struct settings *into, const char *value)
{
    return list_add(&into->shadows, value);
}

static int take_traced(struct settings *into, const char *value)
{
    return list_add(&into->traced, value);
}

static int take_trace_file(struct settings *into, const char *value)
{
    into->trace_file = value;
    return 0;
}

static int take_trace_paths(struct settings *into, const char *value)
{
    (void)value;
    into->trace_paths = true;
    return 0;
}

static int take_follow(struct settings *into, const char *value)
{
    (void)into, (void)value;    /* nurse always does */
    return 0;
}

static int take_count(struct settings *into, const char *value)
{
    (void)into, (void)value;
    say("trace -c: not in this version");
    return -1;
}

static int take_param(struct settings *into, const char *value)
{
    const char *equals = strchr(value, '=');

    if (!equals || equals == value) {
        say("-D %s: needs NAME=VALUE", value);
        return -1;
    }
    return list_add(&into->params, value);
}

/* ORDER: the words of the next three stand as in their enums. */
static int take_seccomp(struct settings *into, const char *value)
{
    static const char *const words[] = {"filter", "strict", NULL};
    int i = choose("--seccomp", value, words);

    into->run.mode = i < 0 ? SECCOMP_FILTER : (enum run_mode)i;
    return i < 0 ? -1 : 0;
}

static int take_gate(struct settings *into, const char *value)
{
    static const char *const words[] = {"auto", "vdso", "off", NULL};
    int i = choose("--gate", value, words);

    into->run.gate = i < 0 ? GATE_AUTO : (enum run_gate)i;
    return i < 0 ? -1 : 0;
}

static int take_on_error(struct settings *into, const char *value)
{
    static const char *const words[] = {"deny", "kill", NULL};
    int i = choose("--on-error", value, words);

    into->on_error = i < 0 ? POLICY_ERROR_DENY : (enum policy_on_error)i;
    return i < 0 ? -1 : 0;
}

static int take_audit(struct settings *into, const char *value)
{
    (void)into, (void)value;
    say("--audit: not in this version");
    return -1;
}

static int take_quiet(struct settings *into, const char *value)
{
    (void)into, (void)value;
    say_verbosity = -1;
    return 0;
}

static int take_verbose(struct settings *into, const char *value)
{
    (void)into, (void)value;
    say_verbosity = 1;
    return 0;
}

static int take_groups(struct settings *into, const char *value)
{
    (void)value;
    into->groups = true;
    return 0;
}

static int take_calls(struct settings *into, const char *value)
{
    (void)value;
    into->calls = true;
    return 0;
}

static int take_phase(struct settings *into, const char *value)
{
    return list_add(&into->phases, value);
}

static int take_arch(struct settings *into, const char *value)
{
    static const char *const words[] = {"x86_64", "i386", NULL};    /* ORDER enum abi_arch */
    int i = choose("--arch", value, words);

    into->arch = i < 0 ? ABI_X86_64 : (enum abi_arch)i;
    return i < 0 ? -1 : 0;
}

#define ROW_PARAM   {'D', NULL, "NAME=VALUE", "set a parameter of the policy; may repeat", take_param}
#define ROW_QUIET   {'q', NULL, NULL, "say nothing but errors", take_quiet}
#define ROW_VERBOSE {'v', NULL, NULL, "say more", take_verbose}

#define ROW_GATE    {0, "gate", "auto|vdso|off", "fast path: all of it (default), no redirected code, none", take_gate}
#define ROW_ERROR   {0, "on-error", "deny|kill", "what a mistake in the policy does to the call (default: deny)", take_on_error}
#define ROW_SHADOW  {0, "shadow", "POLICY", "ask this policy too, and report where it differs; may repeat", take_shadow}

const struct option_row settings_run[] = {
    {'p', NULL, "POLICY", "a script or its name; may repeat, the strictest verdict wins", take_policy},
    ROW_SHADOW,
    ROW_PARAM,
    {0, "seccomp", "filter|strict", "who guards: a kernel filter (default), or strict mode", take_seccomp},
    ROW_GATE,
    ROW_ERROR,
    {0, "audit", "FILE", "(not in this version)", take_audit},
    ROW_QUIET,
    ROW_VERBOSE,
    {0},
};

const struct option_row settings_trace[] = {
    {'e', NULL, "NAMES", "trace these calls and @groups, with ! before them all others; may repeat", take_traced},
    {'o', NULL, "FILE", "write there, with the thread's id on every line, and not to stderr", take_trace_file},
    {'y', NULL, NULL, "show what descriptors are", take_trace_paths},
    {'p', NULL, "POLICY", "enforce this policy, and mark its verdicts; without it everything is allowed", take_policy},
    ROW_SHADOW,
    ROW_PARAM,
    ROW_GATE,
    ROW_ERROR,
    {'f', NULL, NULL, "(processes and threads are always followed)", take_follow},
    {'c', NULL, NULL, "(not in this version)", take_count},
    ROW_QUIET,
    ROW_VERBOSE,
    {0},
};

const struct option_row settings_check[] = {
    {0, "groups", NULL, "list the groups and their members", take_groups},
    {0, "calls", NULL, "list every call with its arguments", take_calls},
    ROW_PARAM,
    ROW_QUIET,
    ROW_VERBOSE,
    {0},
};

const struct option_row settings_why[] = {
    {'p', NULL, "POLICY", "a script or its name; may repeat, the strictest verdict wins", take_policy},
    ROW_PARAM,
    {0, "phase", "NAME", "as if this phase of the policy had begun; may repeat", take_phase},
    {0, "arch", "x86_64|i386", "whose system call it is (default: x86_64)", take_arch},
    {0, "on-error", "deny|kill", "what a mistake in the policy does to the call (default: deny)", take_on_error},
    ROW_QUIET,
    ROW_VERBOSE,
    {0},
};

const struct option_row settings_test[] = {
    ROW_PARAM,
    {0, "on-error", "deny|kill", "what a mistake in the policy does to the call (default: deny)", take_on_error},
    ROW_QUIET,
    ROW_VERBOSE,
    {0},
};

const struct option_row settings_none[] = {
    {0},
};

static struct policy *settings_load(const struct settings *settings, const char *const *names, size_t count, bool shadow)
{
    static const char *const shipped[] = {"default"};
    const struct policy_options options = {.on_error = settings->on_error, .parameters = settings->params.words, .shadow = shadow};
    struct policy *policy;
    int error = policy_new(&policy, &options);

    if (error != 0) {
        say("no Lua state for the policy: %s", strerror(-error));
        return NULL;
    }
    if (count == 0) {
        names = shipped;
        count = 1;
    }
    for (size_t i = 0; i < count; i++) {
        if (policy_add(policy, names[i]) != 0) {
            policy_free(policy);
            return NULL;
        }
    }
    return policy;
}

struct policy *settings_policy(const struct settings *settings, const char *const *names, size_t count)
{
    return settings_load(settings, names, count, false);
}

struct policy *settings_shadow(const struct settings *settings)
{
    return settings_load(settings, settings->shadows.words, settings->shadows.count, true);
}

/* A parameter that is a directory; one that isn't there (NULL) is left out, policies do without. Frees `path`. */
static int settings_directory(struct settings *settings, enum settings_own own, const char *name, char *path)
{
    if (!path)
        return 0;
    if (asprintf(&settings->own[own], "%s=%s", name, path) < 0)
        settings->own[own] = NULL;
    free(path);
    if (!settings->own[own]) {
        say("out of memory");
        return -1;
    }
    return list_add(&settings->params, settings->own[own]);
}

int settings_init(struct settings *settings)
{
    const char *home = getenv("HOME");

    *settings = (struct settings){0};
    if (settings_directory(settings, SETTINGS_CWD, "cwd", getcwd(NULL, 0)))
        return -1;
    return settings_directory(settings, SETTINGS_HOME, "home", home ? realpath(home, NULL) : NULL);
}

void settings_free(struct settings *settings)
{
    for (int i = 0; i < SETTINGS_OWN; i++)
        free(settings->own[i]);
    free(settings->policies.words);
    free(settings->shadows.words);
    free(settings->traced.words);
    free(settings->params.words);
    free(settings->phases.words);
}
