/*
 * complaints: what is wrong with a policy that loads all the same: rules that nothing reaches, handlers that can never match, grants that nurse won't
 * honour.
 *
 * Runs in the command line, for `nurse check`. Believes the rules as they were loaded; patterns that no canonical path has are looked for in the
 * script's text, so a pattern made at run time goes unseen. Test: t/21-live-check.t, unit-policy.c.
 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "core/helper/guard.h"
#include "core/policy/inside.h"

struct complainer { policy_complaint *tell; void *self; size_t count; };

static void complain(struct complainer *to, const char *where, const char *what)
{
    to->count++;
    to->tell(to->self, where, what);
}

/* --- rules --- */

/* Rows that the constants before the rule leave to it. */
static bool complaints_reached(const struct layer *layer, size_t index)
{
    const struct rule *rule = layer->rules.list[index];

    for (size_t byte = 0; byte < sizeof rule->rows; byte++) {
        unsigned left = rule->rows[byte];
        for (size_t i = 0; i < index && left; i++)
            if (layer->rules.list[i]->handler == LUA_NOREF)
                left &= ~(unsigned)layer->rules.list[i]->rows[byte];
        if (left)
            return true;
    }
    return false;
}

static bool complaints_names(const unsigned char *rows, size_t row)
{
    return rows[row / CHAR_BIT] >> row % CHAR_BIT & 1;
}

/* Refused only if they would be made: a function can still emulate them (setgroups, for a program that believes to be root). */
static bool complaints_emulable(const struct abi_call *row)
{
    return row->where != ABI_UNSAFE && strcmp(row->name, "clone3") != 0;
}

/* Calls that the rule grants, or asks a function about, by their own names, and that are refused before anybody is asked. */
static void complaints_keystone(struct complainer *to, const struct rule *rule)
{
    const struct abi_call *row;
    char text[160];

    if (rule->handler == LUA_NOREF && rule->verdict.kind >= VERDICT_ASK)
        return;
    for (size_t i = 0; (row = abi_row(i)); i++) {
        if (!complaints_names(rule->spelled, i) || !guard_refuses(row) || (rule->handler != LUA_NOREF && complaints_emulable(row)))
            continue;
        snprintf(text, sizeof text, "%s can't be %s: nurse refuses this call whatever a policy says", row->name,
                 rule->handler == LUA_NOREF ? "allowed" : "decided by a function");
        complain(to, rule->where, text);
    }
}

static void complaints_of_rules(struct complainer *to, const struct layer *layer)
{
    for (size_t i = 0; i < layer->rules.count; i++) {
        if (!complaints_reached(layer, i))
            complain(to, layer->rules.list[i]->where, "no call reaches this rule: others before it answer them all");
        complaints_keystone(to, layer->rules.list[i]);
    }
}

/* --- patterns --- */

/* Whether a canonical path, or a directory above one, can be spelled so. */
static bool complaints_is_canonical(const char *path)
{
    size_t length = strlen(path);

    return path[0] == '@' || (path[0] == '/' && !strstr(path, "//") && !strstr(path, "/../") && !strstr(path, "/./") && (length == 1 || path[length - 1] != '/'));
}

/* The literals of one line that paths are compared with. */
static void complaints_of_line(struct complainer *to, const regex_t *literal, const char *where, const char *line)
{
    enum { METHOD = 3, TEXT = 4, GROUPS };
    regmatch_t at[GROUPS];
    char path[PATH_MAX], text[PATH_MAX + 96];

    for (; regexec(literal, line, GROUPS, at, 0) == 0; line += at[0].rm_eo) {
        snprintf(path, sizeof path, "%.*s", (int)(at[TEXT].rm_eo - at[TEXT].rm_so), line + at[TEXT].rm_so);
        bool is_under = at[METHOD].rm_so >= 0 && strncmp(line + at[METHOD].rm_so, "under", 5) == 0;
        size_t length = strlen(path);
        if (is_under && length > 1 && path[length - 1] == '/')
            path[length - 1] = '\0';    /* under() doesn't mind */
        if (strstr(path, "**") && path[0] == '*')
            continue;
        if (complaints_is_canonical(path))
            continue;
        snprintf(text, sizeof text, "\"%s\" never matches: paths are canonical (absolute, without //, . and .., no slash at the end)", path);
        complain(to, where, text);
    }
}

static void complaints_of_text(struct complainer *to, const struct layer *layer)
{
    static const char pattern[] = "([.](new)?path *[=~]= *|path:(under|glob) *[(]? *)\"([^\"\\\\]*)\"";
    FILE *file = fopen(layer->path, "re");
    char *line = NULL, where[PLACE_MAX];
    size_t room = 0;
    regex_t literal;

    if (!file || regcomp(&literal, pattern, REG_EXTENDED) != 0) {
        if (file)
            fclose(file);
        return;
    }
    for (int number = 1; getline(&line, &room, file) > 0; number++) {
        char *comment = strstr(line, "--");

        if (comment)
            *comment = '\0';
        snprintf(where, sizeof where, "%s:%d", layer->path, number);
        complaints_of_line(to, &literal, where, line);
    }
    free(line);
    regfree(&literal);
    fclose(file);
}

size_t policy_complain(struct policy *p, policy_complaint *tell, void *self)
{
    struct complainer to = { .tell = tell, .self = self };

    for (size_t i = 0; i < p->layer_count; i++) {
        const struct layer *layer = p->layers[i];

        complaints_of_rules(&to, layer);
        if (layer->script == layer && !layer->phase)
            complaints_of_text(&to, layer);
    }
    return to.count;
}
