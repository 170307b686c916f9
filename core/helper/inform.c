/*
 * inform: calls that only ask what an object is like, answered from the pin that was judged.
 *
 * Runs in the helper. There is nothing to execute: the helper holds the very object, the kernel tells it what it would tell the program, and the answer
 * is written where the program wants it, with the program's own page protections. That saves the trustee's turn and the way through
 * /proc: stat costs less than half. 64-bit layouts only; 32-bit programs ask through their trustee. Test: t/31-live-policy.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/helper/call_private.h"
#include "core/helper/memory.h"

/* stat, lstat, newfstatat: the kernel's struct stat is libc's on x86_64. */
static int inform_stat(struct call *call, int64_t *value)
{
    struct call_path *path = &call->paths[0];
    struct stat st;
    ssize_t written;
    bool object;

    if (path->descriptor || (call->row->args[3].name && call->args[3] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)))
        return 0;    /* fstat of a descriptor, or an error that is the kernel's to find */
    *value = call_resolve(call, path);
    if (*value)
        return 1;
    object = !path->pin.name[0] || path->pin.name[0] == '/';
    if (fstatat(path->pin.fd, object ? "" : path->pin.name, &st, object ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW)) {
        *value = -errno;
        return 1;
    }
    written = memory_write(call->tid, call->args[path->arg + 1], &st, sizeof st);
    *value = written == sizeof st ? 0 : -EFAULT;
    return 1;
}

static const struct {
    const char *name;
    int (*inform)(struct call *call, int64_t *value);
} informs[] = {
    { "stat", inform_stat }, { "lstat", inform_stat }, { "newfstatat", inform_stat },
};

int inform_call(struct call *call, int64_t *value)
{
    if (call->arch != ABI_X86_64 || call->path_count != 1 || call->row->args[call->paths[0].arg + 1].type != ABI_STRUCT_OUT)
        return 0;
    for (size_t i = 0; i < sizeof informs / sizeof *informs; i++)
        if (strcmp(informs[i].name, call->row->name) == 0)
            return informs[i].inform(call, value);
    return 0;
}
