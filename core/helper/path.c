/*
 * path: the fast half of path resolution: the kernel resolves, we ask what it found and keep hold of it.
 *
 * Runs in the helper, once per path of a call. Believes openat2 and the link texts of /proc/self/fd, nothing else. One openat2 and one
 * readlink answer the common case; it is only valid while the kernel's answer does not depend on who asks. Whatever may depend on that
 * (magic links, /proc/self) and every error but a plain ENOENT goes to walk.c. Proven by t/programs/unit-path.c, t/54-attack-paths.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "core/helper/path.h"
#include "core/helper/walk.h"

/* A path cut before its last component. */
struct split {
    const char *name;    /* in the path */
    size_t length;       /* 0: the path is "/" */
    bool slash, dots;    /* slashes follow the name; the name is "." or ".." */
    char parent[PATH_MAX];
};

static void path_split(const char *path, struct split *split)
{
    size_t end = strlen(path), start;

    split->slash = path[end - 1] == '/';
    while (end && path[end - 1] == '/')
        end--;
    for (start = end; start && path[start - 1] != '/';)
        start--;
    split->name = path + start;
    split->length = end - start;
    split->dots = (split->length == 1 && path[start] == '.') || (split->length == 2 && !strncmp(path + start, "..", 2));
    memcpy(split->parent, path, start);
    strcpy(split->parent + start, start ? "" : ".");
}

ssize_t path_canonical(int fd, char *buf)
{
    static int table = -1;    /* our /proc/self/fd: a third cheaper than the walk from the root */
    static pid_t owner;
    char number[16];
    ssize_t length;

    if (owner != getpid()) {    /* the first call, or the first in a child: the parent's descriptor may be gone, don't close it */
        table = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (table < 0)
            return -errno;
        owner = getpid();
    }
    snprintf(number, sizeof(number), "%d", fd);
    length = readlinkat(table, number, buf, PATH_MAX);
    if (length < 0)
        return -errno;
    if (length >= PATH_MAX)
        return -ENAMETOOLONG;
    buf[length] = '\0';
    return length;
}

int path_append(char *canonical, const char *names)
{
    size_t length = strlen(canonical), part;

    for (names += strspn(names, "/"); *names; names += part, names += strspn(names, "/")) {
        part = strcspn(names, "/");
        if (part == 1 && names[0] == '.')
            continue;
        if (length == 1 && canonical[0] == '/')
            length = 0;
        if (part == 2 && names[0] == '.' && names[1] == '.') {
            char *slash = memrchr(canonical, '/', length);

            length = slash ? (size_t)(slash - canonical) : 0;
        } else if (length + part + 2 > PATH_MAX) {
            return -ENAMETOOLONG;
        } else {
            canonical[length++] = '/';
            memcpy(canonical + length, names, part);
            length += part;
        }
        if (!length)
            canonical[length++] = '/';
        canonical[length] = '\0';
    }
    return 0;
}

int path_is_procfs(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs))
        return -errno;
    return fs.f_type == PROC_SUPER_MAGIC;
}

/* True when a component is a number: on procfs it could be a process, and that process could be us. */
static bool path_numbered(const char *path)
{
    bool start = true, digits = false;

    for (;; path++) {
        bool end = *path == '/' || !*path;

        if (end && digits)
            return true;
        if (!*path)
            return false;
        digits = !end && (start || digits) && *path >= '0' && *path <= '9';
        start = end;
    }
}

/* True when an absolute path is written as its canonical form would be: no empty name, none that begins with a dot. */
static bool path_plain(const char *path)
{
    for (; *path; path++)
        if (path[0] == '/' && (path[1] == '/' || path[1] == '.' || !path[1]))
            return false;
    return true;
}

/* Open a path and find its canonical spelling. An absolute path that the kernel finds without following a single link needs no
 * question: it is its own canonical path, but for `.`, `..` and doubled slashes, which then mean what they say. Returns a descriptor
 * or -errno. */
static int path_open(int base, const char *path, int flags, char canonical[PATH_MAX])
{
    int fd = path[0] == '/' ? walk_open(AT_FDCWD, path, flags, RESOLVE_NO_SYMLINKS) : -ELOOP;
    ssize_t length;

    if (fd >= 0 && path_plain(path)) {
        strcpy(canonical, path);
        length = 0;
    } else if (fd >= 0 && !strstr(path, "..")) {
        strcpy(canonical, "/");
        length = path_append(canonical, path);
    } else {    /* `..` of a directory that is being renamed is no matter of spelling */
        if (fd == -ELOOP)
            fd = walk_open(base, path, flags, RESOLVE_NO_MAGICLINKS);
        length = fd < 0 ? fd : path_canonical(fd, canonical);
    }
    if (length < 0 && fd >= 0)
        close(fd);
    return length < 0 ? (int)length : fd;
}

/* Hold fd, whose path is known. False when the slow walk has to answer, since /proc/self may have been on the way. */
static bool path_hold(struct path_pin *pin, int fd, const char *name)
{
    pin->fd = fd;
    if ((path_numbered(pin->canonical) || path_numbered(name)) && path_is_procfs(fd))
        return false;
    return true;
}

/* Follow the whole path. */
static bool path_object(int base, const char *path, const char *name, struct path_pin *pin, int *error)
{
    int fd = path_open(base, path, 0, pin->canonical);

    *error = fd < 0 ? -fd : 0;
    if (fd < 0 || !path_hold(pin, fd, ""))
        return false;
    pin->exists = pin->named = !pin->error;
    strcpy(pin->name, name);
    return true;
}

/* Follow all but the last component. */
static bool path_parent(int base, const struct split *split, enum path_last last, struct path_pin *pin)
{
    int fd = path_open(base, split->parent, O_DIRECTORY, pin->canonical);

    if (fd < 0 || !path_hold(pin, fd, split->name))
        return false;
    if (!pin->error)
        walk_name(pin, split->name, split->length, split->slash, last);
    return true;
}

/* True when *pin is filled; false: somebody has to look closer. */
static bool path_fast(int base, const char *path, enum path_last last, struct path_pin *pin)
{
    struct split split;
    int error;

    path_split(path, &split);
    if (last == PATH_NAME && split.length)
        return path_parent(base, &split, last, pin);
    if (last == PATH_NOFOLLOW && split.length && !split.slash && !split.dots)
        return path_parent(base, &split, last, pin);
    if (path_object(base, path, last == PATH_FOLLOW ? "" : "/", pin, &error))
        return true;
    /* Most often a file is just not there. If the name exists after all, it is a link to nowhere, or new. */
    return error == ENOENT && last == PATH_FOLLOW && split.length && !split.dots && path_parent(base, &split, last, pin) && !pin->exists;
}

/* The directory that a relative path starts from, as a descriptor of ours, or -errno. */
static int path_base(const struct path_view *view, int dirfd)
{
    char link[64];
    int fd;

    if (dirfd == AT_FDCWD && view->cwd >= 0)
        return view->cwd;
    if (dirfd == AT_FDCWD)
        snprintf(link, sizeof(link), "/proc/%d/cwd", view->tid);
    else
        snprintf(link, sizeof(link), "/proc/%d/fd/%d", view->tid, dirfd);
    fd = open(link, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return dirfd != AT_FDCWD && errno == ENOENT ? -EBADF : -errno;
    return fd;
}

static void path_empty(struct path_pin *pin)
{
    pin->fd = -1;
    pin->error = 0;
    pin->exists = pin->named = false;
    pin->name[0] = pin->canonical[0] = '\0';
}

int path_resolve(const struct path_view *view, int dirfd, const char *path, enum path_last last, struct path_pin *pin)
{
    size_t length = strnlen(path, PATH_MAX);
    int base = AT_FDCWD;

    path_empty(pin);
    if (!length || length == PATH_MAX) {
        pin->error = length ? ENAMETOOLONG : ENOENT;
        return -pin->error;
    }
    if (path[0] != '/') {
        base = path_base(view, dirfd);
        if (base < 0) {
            pin->error = -base;
            return base;
        }
    }
    if (view->root || !path_fast(base, path, last, pin)) {
        path_release(pin);
        path_empty(pin);
        walk_path(view, base, path, last, pin);
    }
    if (base >= 0 && base != view->cwd)
        close(base);
    return -pin->error;
}

void path_release(struct path_pin *pin)
{
    if (pin->fd >= 0)
        close(pin->fd);
    pin->fd = -1;
}

int path_spell(const struct path_pin *pin, char *buf, size_t size)
{
    /* The kernel has errors of its own for calls on the root (rmdir: EBUSY), and nobody can replace it. */
    if (pin->name[0] == '/' && !strcmp(pin->canonical, "/"))
        return snprintf(buf, size, "/");
    if (pin->name[0] == '/')
        return snprintf(buf, size, "/proc/%d/fd/%d/", getpid(), pin->fd);
    return snprintf(buf, size, "/proc/%d/fd/%d%s%s", getpid(), pin->fd, pin->name[0] ? "/" : "", pin->name);
}
