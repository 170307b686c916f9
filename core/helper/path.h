/*
 * path: which object a path of the program names, resolved as the kernel would in that process, and pinned.
 *
 * Runs in the helper. Believes the kernel only. A path is judged by what it names, and the thing judged is held by an O_PATH
 * descriptor of the helper's, so that the trustee can act on exactly that thing through /proc/HELPER/fd/N: swapping a symlink
 * between check and use changes nothing.
 */
#ifndef NURSE_HELPER_PATH_H
#define NURSE_HELPER_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/abi/abi.h"

/* The process whose eyes we see with. */
struct path_view {
    pid_t pid, tid;         /* /proc/self and /proc/thread-self mean these */
    int cwd;                /* O_PATH descriptor of its working directory, kept by the caller; -1: read /proc/PID/cwd */
    const char *exe;        /* what /proc/self/exe means (canonical path of the program, not of the stub) */
    const char *root;       /* canonical directory that is "/" for this path: absolute paths and links start there, ".." ends there, a base that
                               isn't below it counts as it; NULL: the root itself */
};

enum path_last { PATH_FOLLOW, PATH_NOFOLLOW, PATH_NAME };    /* NAME: the name itself is created or removed */

struct path_pin {
    int fd;                     /* O_PATH: the object itself (FOLLOW), or its parent directory (NOFOLLOW, NAME); -1 none.
                                   With error ENOENT: the directory in which only `name` is missing, for O_CREAT (with
                                   O_NOFOLLOW: the name may have become a link by now); -1 if more is missing */
    int error;                  /* 0, or the positive errno that the kernel would give for this path (ENOENT, ELOOP, ENOTDIR...) */
    bool named;                 /* fd was reached by names alone, no magic link: `canonical` opened again leads to it (or nowhere) */
    bool exists;                /* for NOFOLLOW and NAME: the last name exists (a hint, it may change) */
    char name[NAME_MAX + 2];    /* last component below fd, with one trailing '/' if the program wrote one; "" when fd is the object;
                                   "/" alone when fd is the object, a directory, and the call doesn't follow (lstat "link/", "..", "/") */
    char canonical[PATH_MAX];   /* absolute path to judge; filled as far as it exists even when error is ENOENT (the rest is lexical).
                                   An object without a path has the kernel's text: "pipe:[1]", "anon_inode:[eventfd]" */
};

/* Resolve `path` (not empty) against dirfd (AT_FDCWD or a descriptor of the process). Always fills *pin; returns pin->error as -errno or 0.
 * NOFOLLOW treats a path that ends in '/', "." or ".." as FOLLOW, as the kernel does. NAME is no error when the name doesn't exist.
 * What lies below the helper's own /proc directory is ENOENT. The caller owns pin->fd: path_release(). */
int path_resolve(const struct path_view *view, int dirfd, const char *path, enum path_last last, struct path_pin *pin);
void path_release(struct path_pin *pin);

/* Spell the pin for the trustee: "/proc/HELPER/fd/N" or "/proc/HELPER/fd/N/name"; "/" for the root itself (name "/").
 * Returns the length as snprintf does. */
int path_spell(const struct path_pin *pin, char *buf, size_t size);

/* The path of a descriptor of the helper's own, as the kernel tells it; buf has PATH_MAX bytes. Returns the length or -errno. */
ssize_t path_canonical(int fd, char *buf);

/* Append names to an absolute path of PATH_MAX bytes, with "." and ".." taken lexically. Returns 0 or -ENAMETOOLONG (as much as fits is appended). */
int path_append(char *canonical, const char *names);

/* 1 when the descriptor's object lies on procfs, 0 when not, -errno when that can't be known: take it for procfs then. */
int path_is_procfs(int fd);

#endif
