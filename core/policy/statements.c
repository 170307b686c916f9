/*
 * statements: the words of a policy script: default, allow, deny, kill, on, after, event, log, param (phase: phases.c).
 *
 * Runs in the helper, while scripts are loaded (log and param at any time). Each is a closure over the layer of its
 * script. A mistake is a Lua error, which the caller of the script shows with file:line. unit-policy.c: statements, mistakes.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/say.h"
#include "core/policy/inside.h"

/* A word of a names string: two ends in it. */
struct word { const char *text; size_t len; };

static bool statements_word(const char **at, struct word *word)
{
    *at += strspn(*at, " \t\n\r,");
    word->text = *at;
    word->len = strcspn(*at, " \t\n\r,");
    *at += word->len;
    return word->len > 0;
}

static struct layer *statements_layer(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* The layer that takes rules now, while it still may get some. */
static struct layer *statements_open_layer(lua_State *L, const char *statement)
{
    struct layer *layer = statements_layer(L);

    if (!layer->policy->loading)
        luaL_error(L, "%s: rules are made while the policy is loaded, not while the program runs", statement);
    return layer->into ? layer->into : layer;
}

enum { ARCHES_ALL = (1 << ABI_ARCHES) - 1 };    /* a set of architectures: bit enum abi_arch */

static void statements_set_row(struct rule *rule, unsigned arches, size_t row)
{
    for (size_t cell = row; cell < CELLS; cell += ROWS_MAX, arches >>= 1)
        if (arches & 1)
            rule->rows[cell / CHAR_BIT] |= (unsigned char)(1u << cell % CHAR_BIT);
}

/* The architectures of a word; "i386:open" stands for one, and loses its prefix. */
static unsigned statements_arches(struct word *word)
{
    for (int arch = 0; arch < ABI_ARCHES; arch++) {
        const char *name = abi_arch_name((enum abi_arch)arch);
        size_t len = strlen(name);
        if (word->len > len && word->text[len] == ':' && strncmp(word->text, name, len) == 0) {
            *word = (struct word){ word->text + len + 1, word->len - len - 1 };
            return 1u << arch;
        }
    }
    return ARCHES_ALL;
}

static void statements_spell_row(struct rule *rule, size_t row)
{
    rule->spelled[row / CHAR_BIT] |= (unsigned char)(1u << row % CHAR_BIT);
}

static bool statements_any(const struct abi_call *row)
{
    (void)row;
    return true;
}

static bool statements_has_path(const struct abi_call *row)
{
    for (int i = 0; i < 6; i++)
        if (row->args[i].type >= ABI_PATH && row->args[i].type <= ABI_PATH_OPEN)
            return true;
    return false;
}

/* Groups that follow from the calls themselves. */
static const struct { const char *name; bool (*holds)(const struct abi_call *row); } computed_groups[] = {
    { "all", statements_any }, { "paths", statements_has_path }, { NULL, NULL },
};

/*
 * Rows of a group. Kernel work outside the route table (ABI_UNSAFE) is only granted by its own name or by @unsafe: a group that
 * happens to hold such a call may deny it, but not allow it.
 */
static void statements_name_group(lua_State *L, struct rule *rule, unsigned arches, const char *name, bool grants)
{
    const struct abi_call *row;
    int group = abi_group(name), computed = 0;

    while (computed_groups[computed].name && strcmp(computed_groups[computed].name, name) != 0)
        computed++;
    if (group < 0 && !computed_groups[computed].name)
        luaL_error(L, "unknown group '@%s'", name);
    bool skip_unsafe = grants && strcmp(name, "unsafe") != 0;
    for (size_t i = 0; (row = abi_row(i)); i++) {
        bool member = group >= 0 ? row->groups >> group & 1 : computed_groups[computed].holds(row);
        if (member && !(skip_unsafe && row->where == ABI_UNSAFE))
            statements_set_row(rule, arches, i);
    }
}

static void statements_name(lua_State *L, struct rule *rule, struct word word, bool grants)
{
    char name[64];

    unsigned arches = statements_arches(&word);
    snprintf(name, sizeof name, "%.*s", (int)word.len, word.text);
    if (name[0] == '@') {
        statements_name_group(L, rule, arches, name + 1, grants);
        return;
    }
    if (word.len >= sizeof name || !abi_find(name))
        luaL_error(L, abi_group(name) < 0 ? "unknown system call '%s'" : "unknown system call '%s' (a group is written '@%s')", name, name);
    statements_set_row(rule, arches, (size_t)(abi_find(name) - abi_row(0)));
    statements_spell_row(rule, (size_t)(abi_find(name) - abi_row(0)));
}

/* Returns how many names there were. */
static int statements_name_string(lua_State *L, struct rule *rule, int index, bool grants)
{
    const char *at = luaL_checkstring(L, index);
    struct word word;
    int count = 0;

    for (; statements_word(&at, &word); count++)
        statements_name(L, rule, word, grants);
    return count;
}

void statements_names(lua_State *L, int index, struct rule *rule, bool grants)
{
    int count = 0;

    memset(rule, 0, sizeof *rule);
    rule->handler = LUA_NOREF;
    if (lua_istable(L, index)) {
        for (lua_Integer i = 1; lua_rawgeti(L, index, i) != LUA_TNIL; i++) {
            count += statements_name_string(L, rule, -1, grants);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    } else {
        count = statements_name_string(L, rule, index, grants);
    }
    if (count == 0)
        luaL_argerror(L, index, "no system call is named");
}

const char *statements_where(lua_State *L, const struct layer *layer)
{
    char place[PLACE_MAX];

    if (policy_of(L)->at)
        return policy_of(L)->at;
    state_where(L, place, sizeof place);
    return place[0] ? state_intern(policy_of(L), place) : layer->path;
}

static void statements_add(lua_State *L, struct rules *rules, const struct rule *rule)
{
    rules->list = state_grow(L, rules->list, rules->count, sizeof *rules->list);
    struct rule *copy = malloc(sizeof *copy);
    if (!copy) {
        luaL_error(L, "out of memory");
        return;    /* not reached: luaL_error never returns */
    }
    *copy = *rule;
    rules->list[rules->count++] = copy;
}

/* A constant: the names at 1, and the verdict. */
static int statements_constant(lua_State *L, const char *statement, struct verdict verdict)
{
    struct layer *layer = statements_open_layer(L, statement);
    struct rule rule;

    statements_names(L, 1, &rule, verdict.kind < VERDICT_DENY);
    rule.where = statements_where(L, statements_layer(L));
    rule.verdict = verdict;
    rule.verdict.rule = rule.where;
    rule.module = rule.verdict.module = layer->module;
    statements_add(L, &layer->rules, &rule);
    return 0;
}

int statements_errno(lua_State *L, int index, int fallback)
{
    if (lua_isnoneornil(L, index))
        return fallback;
    if (lua_type(L, index) == LUA_TNUMBER) {
        lua_Integer error = luaL_checkinteger(L, index);
        luaL_argcheck(L, error > 0 && error < 4096, index, "an errno is between 1 and 4095");
        return (int)error;
    }
    const char *name = luaL_checkstring(L, index);
    int error = abi_errno(name);
    return error ? error : luaL_error(L, "unknown errno '%s'", name);
}

int statements_signal(lua_State *L, int index)
{
    if (lua_isnoneornil(L, index))
        return 0;
    if (lua_type(L, index) == LUA_TNUMBER) {
        lua_Integer signal = luaL_checkinteger(L, index);
        luaL_argcheck(L, signal > 0 && signal <= 64, index, "a signal is between 1 and 64");
        return (int)signal;
    }
    const char *name = luaL_checkstring(L, index);
    int signal = abi_signal(name);
    return signal ? signal : luaL_error(L, "unknown signal '%s'", name);
}

static int statement_allow(lua_State *L)
{
    return statements_constant(L, "allow", (struct verdict){ .kind = VERDICT_ALLOW });
}

static int statement_deny(lua_State *L)
{
    struct verdict verdict = { .kind = VERDICT_DENY, .error = statements_errno(L, 2, EPERM) };

    verdict.quiet = lua_isboolean(L, 3) && !lua_toboolean(L, 3);
    if (!verdict.quiet && !lua_isnoneornil(L, 3))
        verdict.why = state_intern(policy_of(L), luaL_checkstring(L, 3));
    return statements_constant(L, "deny", verdict);
}

static int statement_kill(lua_State *L)
{
    return statements_constant(L, "kill", (struct verdict){ .kind = VERDICT_KILL, .signal = statements_signal(L, 2) });
}

static int statements_handler(lua_State *L, struct layer *layer, struct rules *rules, bool grants)
{
    struct rule rule;

    luaL_checktype(L, 2, LUA_TFUNCTION);
    statements_names(L, 1, &rule, grants);
    rule.where = statements_where(L, statements_layer(L));
    rule.module = layer->module;
    lua_settop(L, 2);
    rule.handler = luaL_ref(L, LUA_REGISTRYINDEX);
    statements_add(L, rules, &rule);
    return 0;
}

static int statement_on(lua_State *L)
{
    struct layer *layer = statements_open_layer(L, "on");

    return statements_handler(L, layer, &layer->rules, true);
}

static int statement_after(lua_State *L)
{
    struct layer *layer = statements_open_layer(L, "after");

    return statements_handler(L, layer, &layer->policy->afters, false);
}

static const char *const event_names[] = { "start", "fork", "exec", "exit", "signal", "error", "denied", NULL };

static int statement_event(lua_State *L)
{
    struct policy *p = statements_open_layer(L, "event")->policy;
    const char *name = event_names[luaL_checkoption(L, 1, NULL, event_names)];

    luaL_checktype(L, 2, LUA_TFUNCTION);
    const char *where = statements_where(L, statements_layer(L));
    p->events = state_grow(L, p->events, p->event_count, sizeof *p->events);
    lua_settop(L, 2);
    int handler = luaL_ref(L, LUA_REGISTRYINDEX);
    p->hears_denials |= strcmp(name, "denied") == 0;
    p->events[p->event_count++] = (struct event_rule){ .name = name, .where = where, .handler = handler };
    return 0;
}

static struct verdict default_allow(lua_State *L, const char *argument)
{
    luaL_argcheck(L, !argument, 1, "allow takes nothing more");
    return (struct verdict){ .kind = VERDICT_ALLOW };
}

static struct verdict default_ask(lua_State *L, const char *argument)
{
    luaL_argcheck(L, !argument, 1, "ask takes nothing more");
    return (struct verdict){ .kind = VERDICT_ASK };
}

static struct verdict default_deny(lua_State *L, const char *argument)
{
    lua_pushstring(L, argument);
    return (struct verdict){ .kind = VERDICT_DENY, .error = statements_errno(L, -1, EPERM) };
}

static struct verdict default_kill(lua_State *L, const char *argument)
{
    lua_pushstring(L, argument);
    return (struct verdict){ .kind = VERDICT_KILL, .signal = statements_signal(L, -1) };
}

static const struct { const char *name; struct verdict (*make)(lua_State *L, const char *argument); } defaults[] = {
    { "allow", default_allow }, { "ask", default_ask }, { "deny", default_deny }, { "kill", default_kill }, { NULL, NULL },
};

/* "deny EACCES" -> its verdict */
static struct verdict statements_default(lua_State *L, const char *text)
{
    char kind[16], argument[32];
    struct word word, more;

    const char *at = text;
    if (!statements_word(&at, &word) || word.len >= sizeof kind)
        luaL_error(L, "default: 'allow', 'deny', 'deny ERRNO', 'kill' or 'ask' was expected, got '%s'", text);
    snprintf(kind, sizeof kind, "%.*s", (int)word.len, word.text);
    bool has_argument = statements_word(&at, &word);
    if (has_argument)
        snprintf(argument, sizeof argument, "%.*s", (int)word.len, word.text);
    for (int i = 0; defaults[i].name; i++)
        if (strcmp(kind, defaults[i].name) == 0 && !statements_word(&at, &more))
            return defaults[i].make(L, has_argument ? argument : NULL);
    luaL_error(L, "default: 'allow', 'deny', 'deny ERRNO', 'kill' or 'ask' was expected, got '%s'", text);
    return (struct verdict){ .kind = VERDICT_DENY, .error = EPERM };
}

static int statement_default(lua_State *L)
{
    struct layer *layer = statements_open_layer(L, "default");
    struct verdict verdict = statements_default(L, luaL_checkstring(L, 1));

    if (layer->has_default)
        luaL_error(L, "default was already given at %s", layer->otherwise.rule);
    verdict.rule = statements_where(L, statements_layer(L));
    verdict.module = layer->module;
    layer->otherwise = verdict;
    layer->has_default = true;
    return 0;
}

/* The line of string.format's arguments. */
static const char *statements_format(lua_State *L)
{
    luaL_checkstring(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, policy_of(L)->format);
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return lua_tostring(L, -1);
}

static int statement_log(lua_State *L)
{
    say_notice("%s%s", state_mark(policy_of(L)), statements_format(L));
    return 0;
}

/* As log, for those who gave -v. */
static int statement_detail(lua_State *L)
{
    say_detail("%s%s", state_mark(policy_of(L)), statements_format(L));
    return 0;
}

static int statement_print(lua_State *L)
{
    luaL_Buffer line;
    int count = lua_gettop(L);

    luaL_buffinit(L, &line);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&line, ' ');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    say_notice("%s%s", state_mark(policy_of(L)), lua_tostring(L, -1));
    return 0;
}

/* at(place): the rules from here on are said to stand there; at() ends it. For modules that take rules from other files. */
static int statement_at(lua_State *L)
{
    struct policy *p = statements_open_layer(L, "at")->policy;
    const char *place = luaL_optstring(L, 1, NULL);

    p->at = place ? state_intern(p, place) : NULL;
    return 0;
}

/* The value of -D NAME=VALUE, or NULL. */
static const char *statements_parameter(const struct policy *p, const char *name)
{
    size_t len = strlen(name);
    const char *found = NULL;

    for (const char *const *at = p->options.parameters; at && *at; at++)
        if (strncmp(*at, name, len) == 0 && (*at)[len] == '=')
            found = *at + len + 1;
    return found;
}

static bool statements_boolean(lua_State *L, const char *name, const char *value)
{
    static const char *const words[] = { "false", "no", "off", "0", "true", "yes", "on", "1", NULL };

    for (int i = 0; words[i]; i++)
        if (strcmp(value, words[i]) == 0)
            return i >= 4;
    return luaL_error(L, "parameter '%s' is yes or no, not '%s'", name, value);
}

/* param(name, fallback): of the fallback's type; without a fallback it must be given. */
static int statement_param(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const char *value = statements_parameter(policy_of(L), name);

    lua_settop(L, 2);
    if (!value) {
        if (lua_isnil(L, 2))
            luaL_error(L, "parameter '%s' has no value: give -D %s=VALUE", name, name);
        return 1;
    }
    switch (lua_type(L, 2)) {
    case LUA_TNUMBER:
        if (!lua_stringtonumber(L, value))
            luaL_error(L, "parameter '%s' is a number, not '%s'", name, value);
        break;
    case LUA_TBOOLEAN:
        lua_pushboolean(L, statements_boolean(L, name, value));
        break;
    default:
        lua_pushstring(L, value);
    }
    return 1;
}

static const luaL_Reg statements[] = {
    { "default", statement_default },
    { "allow", statement_allow },
    { "deny", statement_deny },
    { "kill", statement_kill },
    { "on", statement_on },
    { "after", statement_after },
    { "event", statement_event },
    { "phase", statement_phase },
    { "log", statement_log },
    { "detail", statement_detail },
    { "print", statement_print },
    { "at", statement_at },
    { "param", statement_param },
    { "include", scripts_include },
    { "require", scripts_require },
    { "load", scripts_load },
    { "realpath", lookup_realpath },
    { "json", json_load },
    { "syscalls", facts_syscalls },
    { "kernel", facts_kernel },
    { NULL, NULL },
};

void statements_open(lua_State *L, struct layer *layer)
{
    lua_pushlightuserdata(L, layer);
    luaL_setfuncs(L, statements, 1);
}
