/*
 * walk: resolves a path by hand, one component at a time, with the program's /proc/self instead of the helper's.
 *
 * Runs in the helper. Believes the kernel's answer about each single name, and no link text that the kernel wouldn't follow either.
 * Every step is held by an O_PATH descriptor, so the walk goes through objects, not through names that may be swapped behind it.
 * The helper hides itself here: its own /proc directory doesn't exist for the program. Proven by t/programs/unit-path.c, which
 * compares with what the kernel does in the program itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/openat2.h>

#include "core/helper/walk.h"

enum {
    LINKS_MAX = 40,              /* the kernel's MAXSYMLINKS */
    PROC_ROOT = 1,               /* inode number of the root of every procfs */
    NOSYMFOLLOW = 0x2000,        /* ST_NOSYMFOLLOW of statfs, newer than this libc */
};

struct walk {
    const struct path_view *view;
    int fd;                      /* where we stand */
    int links;                   /* followed so far */
    bool slash;                  /* a slash followed the last name taken: the object must be a directory */
    char *rest;                  /* what is still to walk: the end of text, links are written in front of it */
    char text[2 * PATH_MAX];
};

/* The next name; it lies in the text, with the rest behind it. */
struct part {
    const char *name;
    size_t length;
    bool last, dots;
};

int walk_open(int base, const char *path, int flags, uint64_t resolve)
{
    struct open_how how = { .flags = (unsigned)flags | O_PATH | O_CLOEXEC, .resolve = resolve };
    long fd = syscall(SYS_openat2, base, path, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

void walk_fail(struct path_pin *pin, int error)
{
    path_release(pin);
    pin->error = error;
}

void walk_name(struct path_pin *pin, const char *name, size_t length, bool slash, enum path_last last)
{
    struct stat st;
    int error = 0;

    if (path_append(pin->canonical, name) || length > NAME_MAX) {
        walk_fail(pin, ENAMETOOLONG);
        return;
    }
    memcpy(pin->name, name, length);
    pin->name[length] = '\0';
    if (fstatat(pin->fd, pin->name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
        error = errno;
    pin->exists = !error;
    if (slash)
        strcpy(pin->name + length, "/");
    if (error == ENOENT)
        pin->error = last == PATH_NAME ? 0 : ENOENT;
    else if (error)
        walk_fail(pin, error);
}

static bool walk_is_number(const char *name)
{
    return *name && !name[strspn(name, "0123456789")];
}

/* Put a link's text in front of the rest. */
static int walk_insert(struct walk *walk, const char *text)
{
    size_t length = strlen(text);

    if (length > (size_t)(walk->rest - walk->text))
        return -ENAMETOOLONG;
    walk->rest -= length;
    memcpy(walk->rest, text, length);
    return 0;
}

/* Stand on fd from now on; it is ours. */
static void walk_move(struct walk *walk, int fd)
{
    if (walk->fd >= 0)
        close(walk->fd);
    walk->fd = fd;
}

static int walk_root(struct walk *walk)
{
    int fd = walk_open(AT_FDCWD, walk->view->root ? walk->view->root : "/", O_DIRECTORY, RESOLVE_NO_SYMLINKS);

    if (fd < 0)
        return fd;
    walk_move(walk, fd);
    return 0;
}

/* Whether the object is the view's root or below it; what has no path at all (a pipe) is nowhere else either. */
static bool walk_is_inside(const struct walk *walk, int fd)
{
    const char *root = walk->view->root;
    char path[PATH_MAX];
    size_t length;

    if (!root || !root[1])
        return true;
    if (path_canonical(fd, path) < 0)
        return false;
    length = strlen(root);
    return path[0] != '/' || (strncmp(path, root, length) == 0 && (path[length] == '/' || !path[length]));
}

/* Nothing is above the view's root, nor above what was moved out of it meanwhile. */
static bool walk_is_top(const struct walk *walk)
{
    struct stat here, root;

    if (!walk->view->root)
        return false;
    return fstat(walk->fd, &here) || stat(walk->view->root, &root) || (here.st_dev == root.st_dev && here.st_ino == root.st_ino) ||
           !walk_is_inside(walk, walk->fd);
}

static bool walk_is_proc_root(int dir)
{
    struct stat st;

    return path_is_procfs(dir) && !fstat(dir, &st) && st.st_ino == PROC_ROOT;
}

/* Is this name, in this directory, the helper or one of its threads? Asked of that procfs, which may number another pid namespace. Where nothing is
 * confined, and the calls are nurse's own (alone.c), there is nobody to hide from. */
static bool walk_is_helper(const struct walk *walk, int dir, const char *name)
{
    char task[32 + NAME_MAX];

    if (walk->view->pid == getpid() || !walk_is_number(name) || !walk_is_proc_root(dir))
        return false;
    snprintf(task, sizeof(task), "self/task/%s", name);
    return !faccessat(dir, task, F_OK, 0);
}

/* After a jump (start of the walk, magic link): did we land inside the helper's own /proc directory? Works on a copy of the kernel's text. */
static bool walk_is_hidden(const struct walk *walk, int fd)
{
    char path[PATH_MAX], name[NAME_MAX + 1];

    if (!path_is_procfs(fd))
        return false;
    if (path_canonical(fd, path) < 0)
        return true;
    for (char *at = path, *next; *at == '/'; at = next) {
        bool helper = false;
        int dir;

        next = at + 1 + strcspn(at + 1, "/");
        snprintf(name, sizeof(name), "%.*s", (int)(next - at - 1), at + 1);
        if (!walk_is_number(name))
            continue;
        *at = '\0';
        dir = open(at == path ? "/" : path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        *at = '/';
        if (dir >= 0) {
            helper = walk_is_helper(walk, dir, name);
            close(dir);
        }
        if (helper)
            return true;
    }
    return false;
}

static int walk_land(struct walk *walk, int fd)
{
    if (fd < 0)
        return fd;
    if (walk_is_hidden(walk, fd)) {
        close(fd);
        return -ENOENT;
    }
    walk_move(walk, fd);
    return 0;
}

/* Is the directory that we stand in /proc/N of a thread of the program (or /proc/PID/task/N)? */
static bool walk_at_program(const struct walk *walk)
{
    char path[PATH_MAX], task[64 + NAME_MAX];
    const char *name;

    if (path_canonical(walk->fd, path) < 0)
        return false;
    name = strrchr(path, '/');
    if (!name || !walk_is_number(name + 1))
        return false;
    snprintf(task, sizeof(task), "/proc/%d/task%s", walk->view->pid, name);
    return !access(task, F_OK);
}

/* A link of procfs that the kernel doesn't follow by its text: jump. */
static int walk_magic(struct walk *walk, const char *name)
{
    int fd;

    if (!strcmp(name, "exe") && walk->view->exe && walk_at_program(walk)) {
        fd = walk_open(AT_FDCWD, walk->view->exe, 0, RESOLVE_NO_MAGICLINKS);
    } else {
        fd = openat(walk->fd, name, O_PATH | O_CLOEXEC);
        if (fd < 0)
            fd = -errno;
    }
    if (fd >= 0 && !walk_is_inside(walk, fd)) {
        close(fd);
        fd = -EACCES;
    }
    return walk_land(walk, fd);
}

/* fs.protected_symlinks: in a sticky directory that all may write, only one's own links and those of the directory's owner are followed. */
static bool walk_is_protected(int dir, const struct stat *link)
{
    struct stat st;
    char on = '1';
    int fd;

    if (link->st_uid == geteuid() || fstat(dir, &st))
        return false;
    if ((st.st_mode & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH) || st.st_uid == link->st_uid)
        return false;
    fd = open("/proc/sys/fs/protected_symlinks", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, &on, 1) != 1)
            on = '1';
        close(fd);
    }
    return on != '0';
}

/* Follow the symbolic link `link` (ours), which is `name` where we stand. */
static int walk_link(struct walk *walk, int link, const struct stat *st, const char *name, bool trailing)
{
    char text[PATH_MAX];
    struct statfs fs;
    ssize_t length;

    if (walk->links++ >= LINKS_MAX)
        return -ELOOP;
    if (trailing && walk_is_protected(walk->fd, st))
        return -EACCES;
    if (fstatfs(link, &fs))
        return -errno;
    if (fs.f_flags & NOSYMFOLLOW)
        return -ELOOP;
    if (fs.f_type == PROC_SUPER_MAGIC) {
        int probe = walk_open(walk->fd, name, 0, RESOLVE_NO_MAGICLINKS);

        if (probe == -ELOOP)
            return walk_magic(walk, name);
        if (probe >= 0)
            close(probe);
    }
    length = readlinkat(link, "", text, sizeof(text));
    if (length < 0)
        return -errno;
    if (length == 0)
        return -ENOENT;
    if (length >= PATH_MAX)
        return -ENAMETOOLONG;
    text[length] = '\0';
    if (walk_insert(walk, text))
        return -ENAMETOOLONG;
    return text[0] == '/' ? walk_root(walk) : 0;
}

/* In the root of a procfs, `self` is the program and the helper doesn't exist. Returns 1 when the name was dealt with, 0, or -errno. */
static int walk_proc_root(struct walk *walk, const char *name)
{
    bool self = !strcmp(name, "self"), thread = !strcmp(name, "thread-self");
    char text[64] = "";

    if (!self && !thread && !walk_is_number(name))
        return 0;
    if (!walk_is_proc_root(walk->fd))
        return 0;
    if (!self && !thread)
        return walk_is_helper(walk, walk->fd, name) ? -ENOENT : 0;
    if (walk->links++ >= LINKS_MAX)
        return -ELOOP;
    /* Another pid namespace's procfs calls us by another number, or not at all: then we don't know the program's number there. */
    if (readlinkat(walk->fd, "self", text, sizeof(text) - 1) < 0 || atoi(text) != getpid())
        return -ENOENT;
    snprintf(text, sizeof(text), thread ? "%d/task/%d" : "%d", walk->view->pid, walk->view->tid);
    return walk_insert(walk, text) ? -ENAMETOOLONG : 1;
}

static bool walk_next(struct walk *walk, struct part *part)
{
    const char *after;

    walk->rest += strspn(walk->rest, "/");
    if (!*walk->rest)
        return false;
    part->name = walk->rest;
    part->length = strcspn(walk->rest, "/");
    part->dots = part->name[0] == '.' && (part->length == 1 || (part->length == 2 && part->name[1] == '.'));
    walk->rest += part->length;
    after = walk->rest + strspn(walk->rest, "/");
    part->last = !*after;
    walk->slash = *walk->rest == '/';
    return true;
}

/* Go through one name. */
static int walk_step(struct walk *walk, const struct part *part)
{
    char name[NAME_MAX + 1];
    struct stat st;
    int next, rc;

    if (part->length > NAME_MAX)
        return fstat(walk->fd, &st) || S_ISDIR(st.st_mode) ? -ENAMETOOLONG : -ENOTDIR;
    memcpy(name, part->name, part->length);
    name[part->length] = '\0';
    rc = walk_proc_root(walk, name);
    if (rc)
        return rc < 0 ? rc : 0;
    if (part->dots && part->length == 2 && walk_is_top(walk))
        return walk_root(walk);
    next = openat(walk->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0)
        return -errno;
    if (fstat(next, &st)) {
        rc = -errno;
    } else if (S_ISLNK(st.st_mode)) {
        rc = walk_link(walk, next, &st, name, part->last);
    } else {
        walk_move(walk, next);
        return 0;
    }
    close(next);
    return rc;
}

/* The walk can't pass this name: say how far it came, and where the name could be created. */
static void walk_stuck(struct walk *walk, const struct part *part, enum path_last last, int error, struct path_pin *pin)
{
    bool creatable = error == ENOENT && last == PATH_FOLLOW && part->last && !part->dots;

    if (creatable) {
        walk_name(pin, part->name, part->length, walk->slash, last);
        creatable = pin->error == ENOENT;
    } else if (path_append(pin->canonical, part->name)) {
        error = ENAMETOOLONG;
    }
    if (!creatable) {    /* what exists and still is ENOENT, is hidden */
        pin->exists = false;
        pin->name[0] = '\0';
        walk_fail(pin, error);
    }
}

/* The call acts on a name where we stand. */
static void walk_last(const struct walk *walk, const struct part *part, enum path_last last, struct path_pin *pin)
{
    char name[NAME_MAX + 1];
    bool helper;

    snprintf(name, sizeof(name), "%.*s", (int)part->length, part->name);
    helper = walk_is_helper(walk, pin->fd, name);
    walk_name(pin, part->name, part->length, walk->slash, last);
    if (helper)
        walk_fail(pin, ENOENT);
}

/* The call acts on the object that we stand on. */
static void walk_object(const struct walk *walk, enum path_last last, struct path_pin *pin)
{
    struct stat st;

    if (fstat(pin->fd, &st)) {
        walk_fail(pin, errno);
    } else if (walk->slash && !S_ISDIR(st.st_mode)) {
        walk_fail(pin, ENOTDIR);
    } else {
        pin->exists = true;
        strcpy(pin->name, last == PATH_FOLLOW ? "" : "/");
    }
}

static int walk_start(struct walk *walk, int base, const char *path)
{
    size_t length = strlen(path);
    int fd;

    walk->fd = -1;
    walk->links = 0;
    walk->slash = false;
    walk->rest = walk->text + sizeof(walk->text) - 1 - length;
    memcpy(walk->rest, path, length + 1);
    if (path[0] == '/')
        return walk_root(walk);
    if (!walk_is_inside(walk, base))
        return walk_root(walk);
    fd = fcntl(base, F_DUPFD_CLOEXEC, 0);
    return walk_land(walk, fd < 0 ? -errno : fd);
}

void walk_path(const struct path_view *view, int base, const char *path, enum path_last last, struct path_pin *pin)
{
    struct walk walk;
    struct part part = { 0 };
    bool stop = false;
    ssize_t length;
    int rc;

    walk.view = view;
    rc = walk_start(&walk, base, path);
    while (!rc && !stop && walk_next(&walk, &part)) {
        stop = part.last && (last == PATH_NAME || (last == PATH_NOFOLLOW && !walk.slash && !part.dots));
        if (!stop)
            rc = walk_step(&walk, &part);
    }
    pin->fd = walk.fd;
    length = walk.fd < 0 ? rc : path_canonical(walk.fd, pin->canonical);
    if (length < 0)
        walk_fail(pin, (int)-length);
    else if (rc)
        walk_stuck(&walk, &part, last, -rc, pin);
    else if (stop)
        walk_last(&walk, &part, last, pin);
    else
        walk_object(&walk, last, pin);
}
