/*
 * search: where a policy of a given name lies.
 *
 * Runs in the helper, before the program starts. Believes the environment of the user who starts nurse.
 * unit-policy.c: search.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/policy/policy.h"

/* "dir/name" or "dir/name.lua", whichever is a file (a script may also come through a pipe); dir "" is none. */
static int search_in(const char *dir, size_t dir_len, const char *name, char *path, size_t size)
{
    static const char *const endings[] = { "", ".lua" };
    struct stat st;

    for (int i = 0; i < 2; i++) {
        int len = snprintf(path, size, "%.*s%s%s%s", (int)dir_len, dir, dir_len ? "/" : "", name, endings[i]);
        if (len < 0 || (size_t)len >= size)
            return -ENAMETOOLONG;
        if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
            return 0;
    }
    return -ENOENT;
}

static int search_beside(const char *beside, const char *name, char *path, size_t size)
{
    const char *slash = beside ? strrchr(beside, '/') : NULL;

    return slash ? search_in(beside, (size_t)(slash - beside), name, path, size) : -ENOENT;
}

/* Directories separated by ':'. */
static int search_list(const char *dirs, const char *name, char *path, size_t size)
{
    while (dirs && *dirs) {
        size_t len = strcspn(dirs, ":");
        if (len > 0 && search_in(dirs, len, name, path, size) == 0)
            return 0;
        dirs += len + (dirs[len] == ':');
    }
    return -ENOENT;
}

static int search_config(const char *name, char *path, size_t size)
{
    char dir[PATH_MAX];
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (config && config[0] == '/')
        snprintf(dir, sizeof dir, "%s/nurse", config);
    else if (home && home[0] == '/')
        snprintf(dir, sizeof dir, "%s/.config/nurse", home);
    else
        return -ENOENT;
    return search_in(dir, strlen(dir), name, path, size);
}

/* Beside the running nurse: build/nurse -> scripts/, PREFIX/bin/nurse -> PREFIX/share/nurse/policies/. */
static int search_shipped(const char *name, char *path, size_t size)
{
    static const char *const places[] = { "scripts", "share/nurse/policies" };
    char exe[PATH_MAX], dir[PATH_MAX + 32];

    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    for (int level = 0; level < 2; level++) {    /* the file's name, and its directory's */
        while (len > 0 && exe[len - 1] != '/')
            len--;
        len--;
    }
    if (len < 0)
        return -ENOENT;
    for (int i = 0; i < 2; i++) {
        snprintf(dir, sizeof dir, "%.*s/%s", (int)len, exe, places[i]);
        if (search_in(dir, strlen(dir), name, path, size) == 0)
            return 0;
    }
    return -ENOENT;
}

int policy_search(const char *name, const char *beside, char *path, size_t size)
{
    if (strlen(name) >= PATH_MAX || strlen(name) >= size)
        return -ENAMETOOLONG;
    if (name[0] == '\0')
        return -ENOENT;
    if (name[0] != '/' && search_beside(beside, name, path, size) == 0)
        return 0;
    if (search_in("", 0, name, path, size) == 0)
        return 0;
    if (name[0] == '/')
        return -ENOENT;
    if (search_list(getenv("NURSE_PATH"), name, path, size) == 0 || search_config(name, path, size) == 0)
        return 0;
    return search_shipped(name, path, size);
}
