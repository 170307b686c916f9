/*
 * walk: the slow half of path resolution, one component at a time.
 *
 * Runs in the helper, used by path.c alone. Needed wherever the kernel, asked by the helper, would answer for the helper instead
 * of the program: below /proc/self, and through the magic links of procfs.
 */
#ifndef NURSE_HELPER_WALK_H
#define NURSE_HELPER_WALK_H

#include <stdint.h>

#include "core/helper/path.h"

/* One O_PATH|O_CLOEXEC open by openat2 under these RESOLVE_* bits. Returns the descriptor or -errno. */
int walk_open(int base, const char *path, int flags, uint64_t resolve);

/* Resolve as path_resolve() does, from the directory `base` (left open; unused for an absolute path). pin must be empty. */
void walk_path(const struct path_view *view, int base, const char *path, enum path_last last, struct path_pin *pin);

/* pin->fd is a directory and pin->canonical its path: turn the pin into "this name below it". `slash`: the program wrote one behind it. */
void walk_name(struct path_pin *pin, const char *name, size_t length, bool slash, enum path_last last);

/* The path can't be resolved: drop the descriptor. */
void walk_fail(struct path_pin *pin, int error);

#endif
