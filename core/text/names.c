/*
 * names: strace's way of naming system calls, for -e.
 *
 * Runs in the helper before anything starts; believes the user, names every mistake. Test: t/69-live-trace.t.
 */
#include "core/text/names.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/abi/abi.h"
#include "core/base/say.h"

static bool row_has_path(const struct abi_call *row)
{
    for (int i = 0; i < 6; i++)
        if (row->args[i].type >= ABI_PATH && row->args[i].type <= ABI_PATH_OPEN)
            return true;
    return false;
}

static bool row_has_fd(const struct abi_call *row)
{
    for (int i = 0; i < 6; i++)
        if (row->args[i].type == ABI_FD || row->args[i].type == ABI_DIRFD)
            return true;
    return false;
}

/* A group of ours, or one of strace's that has another name here. */
static bool group_holds(const char *group, const struct abi_call *row)
{
    if (strcmp(group, "all") == 0)
        return true;
    if (strcmp(group, "paths") == 0 || strcmp(group, "file") == 0)    /* strace's %file is what takes a file name; ours are all of them */
        return row_has_path(row) || (abi_group(group) >= 0 && row->groups >> abi_group(group) & 1);
    if (strcmp(group, "desc") == 0)
        return row_has_fd(row);
    if (strcmp(group, "network") == 0)
        group = "net";
    return row->groups >> abi_group(group) & 1;
}

static bool group_exists(const char *group)
{
    static const char *const others[] = { "all", "paths", "desc", "network" };

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i], group) == 0)
            return true;
    return abi_group(group) >= 0;
}

/* Whether a word of the list names the row. */
static bool word_holds(const char *word, const struct abi_call *row)
{
    if (*word == '@' || *word == '%')
        return group_holds(word + 1, row);
    return strcmp(word, "all") == 0 || strcmp(word + (*word == '?'), row->name) == 0;
}

/* Returns 0, or -1 after one line on stderr. A word that begins with '?' need not exist. */
static int names_check_word(const char *word)
{
    bool group = *word == '@' || *word == '%';

    if (group ? group_exists(word + 1) : *word == '?' || strcmp(word, "all") == 0 || strcmp(word, "none") == 0 || abi_find(word))
        return 0;
    say("-e: no such %s: %s", group ? "group" : "system call", word);
    return -1;
}

static void names_word(uint8_t named[NAMES_BYTES], const char *word)
{
    const struct abi_call *row;

    for (size_t i = 0; (row = abi_row(i)); i++)
        if (word_holds(word, row))
            named[i / 8] |= (uint8_t)(1 << i % 8);
}

int names_add(uint8_t named[NAMES_BYTES], const char *list)
{
    uint8_t these[NAMES_BYTES] = { 0 };
    char *words, *rest, *word;
    int error = 0;

    list += strncmp(list, "trace=", 6) == 0 ? 6 : strncmp(list, "t=", 2) == 0 ? 2 : 0;
    if (strchr(list, '=')) {
        say("-e %s: only trace= is understood", list);
        return -1;
    }
    bool others = *list == '!';
    words = strdup(list + others);
    if (!words)
        die(EXIT_NURSE, "out of memory");
    for (word = strtok_r(words, ", \t\n", &rest); word && !error; word = strtok_r(NULL, ", \t\n", &rest)) {
        error = names_check_word(word);
        if (!error)
            names_word(these, word);
    }
    free(words);
    for (size_t i = 0; i < sizeof these; i++)
        named[i] |= (uint8_t)(others ? ~these[i] : these[i]);
    return error;
}
