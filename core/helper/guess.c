/*
 * guess: see guess.h. Two small memories: directories that were canonical, and paths that turned out to be links.
 */
#include "core/helper/guess.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

enum { DIRECTORIES = 16, LINKS = 256, DIRECTORY_MAX = 256 };

static struct { size_t length; char name[DIRECTORY_MAX]; } directories[DIRECTORIES];
static uint64_t links[LINKS];

static uint64_t guess_hash(const char *text, size_t length)
{
    uint64_t hash = 14695981039346656037u;    /* FNV-1a */

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)text[i]) * 1099511628211u;
    return hash;
}

/* Length of the directory's name in an absolute path that is written plainly; 0: it is not. Procfs means something else to each process. */
static size_t guess_directory(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (path[0] != '/' || slash == path || !slash[1] || slash - path >= DIRECTORY_MAX)
        return 0;
    if (strstr(path, "//") || strstr(path, "/.") || strncmp(path, "/proc/", 6) == 0)
        return 0;
    return (size_t)(slash - path);
}

bool guess_canonical(const char *path)
{
    size_t length = guess_directory(path);
    uint64_t whole;
    size_t place;

    if (!length)
        return false;
    place = guess_hash(path, length) % DIRECTORIES;
    if (directories[place].length != length || memcmp(directories[place].name, path, length) != 0)
        return false;
    whole = guess_hash(path, strlen(path));
    return links[whole % LINKS] != whole;
}

void guess_learn(const char *path, const char *canonical)
{
    size_t length = guess_directory(path);
    uint64_t whole;

    if (!length)
        return;
    if (strcmp(path, canonical) == 0) {
        size_t place = guess_hash(path, length) % DIRECTORIES;

        directories[place].length = length;
        memcpy(directories[place].name, path, length);
    } else {
        whole = guess_hash(path, strlen(path));
        links[whole % LINKS] = whole;
    }
}
