/*
 * order: an allowed call as the trustee will execute it.
 *
 * Runs in the helper. Every pointer whose target was judged is replaced by the helper's copy in the order window, every path by the spelling
 * of its pin, so that what was checked is what is executed. Test: t/50-attack-flip.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/helper/call_private.h"

/* Change the O_* flags of an open call where it stands: in an argument or in the copied struct open_how. */
static void order_open_flags(struct call *call, struct call_path *path, uint64_t clear, uint64_t set)
{
    if (call->row->args[path->arg + 1].type == ABI_OPEN_HOW) {
        struct open_how *how = (void *)(call->arena + call->bytes[path->arg + 1].offset);

        how->flags = (how->flags & ~clear) | set;
        if (!(how->flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))))
            how->mode = 0;
        how->resolve = 0;    /* it was honoured when the helper resolved */
    } else {
        call->args[path->arg + 1] = (call->args[path->arg + 1] & ~clear) | set;
    }
}

/* openat2's RESOLVE_* bits: would the kernel find the path under them? Asked with the same bits on the same base. */
static int order_open_resolve(struct call *call, const struct call_path *path)
{
    const struct open_how *how;
    struct path_pin base;
    struct open_how probe = { .flags = O_PATH | O_CLOEXEC };
    const void *bytes;
    size_t size;
    int fd, error;

    if (call->row->args[path->arg + 1].type != ABI_OPEN_HOW || call_bytes(call, path->arg + 1, &bytes, &size))
        return 0;
    how = bytes;
    if (!how->resolve || path->rewritten)
        return 0;
    error = path_resolve(&(struct path_view){ .pid = call->process->pid, .tid = call->tid, .cwd = -1, .exe = call_exe(call) }, path->dirfd, ".",
                         PATH_FOLLOW, &base);
    if (error)
        return error;
    probe.resolve = how->resolve;
    probe.flags |= how->flags & O_NOFOLLOW;
    fd = (int)syscall(SYS_openat2, base.fd, path->raw, &probe, sizeof probe);
    error = fd < 0 ? -errno : 0;
    path_release(&base);
    if (fd >= 0)
        close(fd);
    return error == -ENOENT && (how->flags & O_CREAT) ? 0 : error;
}

/* An open: the pin is either the object (reopened through its descriptor, which never creates) or the directory of a name. */
static int order_open(struct call *call, struct call_path *path)
{
    uint64_t flags = 0;
    struct stat st;
    int error = order_open_resolve(call, path);

    call_open_flags(call, &flags);
    if (error)
        return error;
    if (strcmp(call->row->name, "creat") == 0) {    /* there is no room for flags: it is an open */
        call->row = abi_find("open");
        call->nr = abi_number(call->arch, call->row);
        call->args[2] = call->args[1];
        call->args[1] = flags;
    }
    if (path->pin.name[0]) {
        if (flags & O_CREAT)
            order_open_flags(call, path, 0, O_NOFOLLOW);
    } else if (flags & O_CREAT) {
        if (fstat(path->pin.fd, &st) == 0 && S_ISDIR(st.st_mode))
            return -EISDIR;
        order_open_flags(call, path, O_CREAT | O_EXCL, 0);
    } else {
        order_open_flags(call, path, 0, 0);
    }
    return 0;
}

static int order_path(struct call *call, struct call_path *path)
{
    int error = call_resolve(call, path);
    char spelling[64 + NAME_MAX];
    uint32_t offset;
    int length;
    char *room;

    if (path->descriptor) {
        if (!call->args[path->arg])
            return 0;
        room = call_room(call, 1, &offset);    /* our own "", not the program's */
        if (!room)
            return -ENAMETOOLONG;
        *room = '\0';
        call->args[path->arg] = call_window(call, offset);
        return 0;
    }
    if (error)
        return error;
    if (call->row->args[path->arg].type == ABI_PATH_OPEN)
        error = order_open(call, path);
    if (error)
        return error;
    length = path_spell(&path->pin, spelling, sizeof spelling);
    room = call_room(call, (size_t)length + 1, &offset);
    if (!room)
        return -ENAMETOOLONG;
    memcpy(room, spelling, (size_t)length + 1);
    call->args[path->arg] = call_window(call, offset);
    if (path->arg > 0 && call->row->args[path->arg - 1].type == ABI_DIRFD)
        call->args[path->arg - 1] = (uint64_t)(int64_t)AT_FDCWD;
    return 0;
}

int order_make(struct call *call, struct mailbox_order *order)
{
    for (int k = 0; k < call->path_count; k++) {
        int error = order_path(call, &call->paths[k]);

        if (error)
            return error;
    }
    for (int i = 0; i < 6; i++)
        if (call->copied & 1 << i)
            call->args[i] = call_window(call, call->bytes[i].offset);
    *order = (struct mailbox_order){
        .command = ORDER_EXECUTE,
        .may_sleep = call->row->where == ABI_BLOCKS || call->row->where == ABI_HELPER,
        .nr = (uint64_t)call->nr,
    };
    memcpy(order->arg, call->args, sizeof order->arg);
    return 0;
}
