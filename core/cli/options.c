/*
 * options: one loop over the arguments, one over the rows.
 *
 * Runs in the helper before anything starts. Long options are exact, never abbreviated: a script that
 * says --gat must not change its meaning with the next version. Test: t/20-live-cli.t.
 */
#include "core/cli/options.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/say.h"

static bool row_ends(const struct option_row *row)
{
    return !row->letter && !row->name;
}

static const struct option_row *row_long(const struct option_row *rows, const char *name, size_t length)
{
    for (; !row_ends(rows); rows++)
        if (rows->name && strlen(rows->name) == length && strncmp(rows->name, name, length) == 0)
            return rows;
    return NULL;
}

static const struct option_row *row_short(const struct option_row *rows, char letter)
{
    for (; !row_ends(rows); rows++)
        if (rows->letter == letter)
            return rows;
    return NULL;
}

/* Give the row its value: `inside` the same argument, or the next one. Returns how many arguments were used, 0 when bad. */
static int row_take(const struct option_row *row, struct settings *into, const char *spelled, const char *inside,
                    const char *next)
{
    const char *value = inside ? inside : next;

    if (!row->argument) {
        if (inside) {
            say("%s: takes no value", spelled);
            return 0;
        }
        return row->take(into, NULL) == 0 ? 1 : 0;
    }
    if (!value) {
        say("%s: needs %s", spelled, row->argument);
        return 0;
    }
    if (row->take(into, value) != 0)
        return 0;
    return inside ? 1 : 2;
}

static int take_long(const struct option_row *rows, struct settings *into, char **args)
{
    const char *name = args[0] + 2, *equals = strchr(name, '=');
    const struct option_row *row = row_long(rows, name, equals ? (size_t)(equals - name) : strlen(name));

    if (!row) {
        say("%s: no such option", args[0]);
        return 0;
    }
    return row_take(row, into, args[0], equals ? equals + 1 : NULL, args[1]);
}

/* -v, -p POLICY, -pPOLICY; letters aren't bundled. */
static int take_short(const struct option_row *rows, struct settings *into, char **args)
{
    const struct option_row *row = row_short(rows, args[0][1]);

    if (!row || (!row->argument && args[0][2])) {
        say("%s: no such option", args[0]);
        return 0;
    }
    return row_take(row, into, args[0], args[0][2] ? args[0] + 2 : NULL, args[1]);
}

enum options_end options_parse(const struct option_row *rows, struct settings *into, char **args, char ***rest)
{
    while (*args && args[0][0] == '-' && args[0][1]) {
        int used;

        if (strcmp(*args, "--") == 0) {
            args++;
            break;
        }
        if (strcmp(*args, "-h") == 0 || strcmp(*args, "--help") == 0)
            return OPTIONS_HELP;
        used = args[0][1] == '-' ? take_long(rows, into, args) : take_short(rows, into, args);
        if (used == 0)
            return OPTIONS_BAD;
        args += used;
    }
    *rest = args;
    return OPTIONS_DONE;
}

void options_help(const struct option_row *rows, FILE *out)
{
    for (; !row_ends(rows); rows++) {
        char spelled[64];

        snprintf(spelled, sizeof spelled, "%s%.1s%s%s%s%s%s", rows->letter ? "-" : "", &rows->letter,
                 rows->letter && rows->name ? ", " : "", rows->name ? "--" : "", rows->name ? rows->name : "",
                 !rows->argument ? "" : rows->name ? "=" : " ", rows->argument ? rows->argument : "");
        fprintf(out, "  %-26s %s\n", spelled, rows->about);
    }
    fprintf(out, "  %-26s %s\n", "-h, --help", "this text");
}
