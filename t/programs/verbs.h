/*
 * verbs: what the programs share whose arguments are acts, done one after the other.
 *
 * An act is VERB[:WORD...], parted by a character that the program chooses; each makes one system call or a few, and gives a line of output:
 * "ACT = RESULT", where RESULT is a number, a text or an errno's name. The line is written at once, since children write too.
 */
#ifndef VERBS_H
#define VERBS_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 6 };

struct verb {
    const char *name;
    int words;                    /* that it needs */
    long (*run)(char **words);    /* -1: errno says why */
};

static char text[4096];           /* where a verb leaves its result, if it is a text */

/* At most `most` words; the last one may have the separator in it. */
static int verbs_split(char *act, char separator, int most, char **words)
{
    int count = 0;

    for (char *p = strchr(act, separator); p && count < most; p = strchr(p, separator)) {
        *p++ = '\0';
        words[count++] = p;
    }
    return count;
}

/* By write(2) and nothing else: stdio looks at its descriptor, and policies that are tested may change what it sees. */
static void verbs_say(const char *act, long result)
{
    static char line[2 * sizeof text + 32];
    const char *error = result < 0 ? strerrorname_np(errno) : NULL;
    int length;

    if (error || text[0])
        length = snprintf(line, sizeof line, "%s = %s\n", act, error ? error : text);
    else
        length = snprintf(line, sizeof line, "%s = %ld\n", act, result);
    if (write(1, line, (size_t)length) != length)
        _exit(3);
}

/* Do one act. Returns 0, or 2 when there is no such verb or it has too few words. */
static int verbs_act(const struct verb *verbs, size_t verb_count, char separator, int most, const char *act)
{
    char copy[4096], *words[WORDS_MAX + 1] = { NULL };

    snprintf(copy, sizeof copy, "%s", act);
    int count = verbs_split(copy, separator, most, words);
    for (size_t i = 0; i < verb_count; i++) {
        if (strcmp(copy, verbs[i].name) != 0 || count < verbs[i].words)
            continue;
        text[0] = '\0';
        errno = 0;
        long result = verbs[i].run(words);
        verbs_say(act, result);
        return 0;
    }
    dprintf(2, "can't %s\n", act);
    return 2;
}

#define VERBS_ACT(verbs, separator, most, act) verbs_act(verbs, sizeof(verbs) / sizeof *(verbs), separator, most, act)

#endif
