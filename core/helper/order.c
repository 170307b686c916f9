/*
 * order: an allowed call as the trustee will execute it.
 *
 * Runs in the helper. Every pointer whose target was judged is replaced by the helper's copy in the order window, every path by the spelling
 * of its pin, so that what was checked is what is executed. Tests: t/50-attack-flip.t, t/54-attack-paths.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/helper/call_private.h"

/* Change the O_* flags of an open where they stand: in an argument or in the copied struct open_how. */
static void order_open_flags(struct call *call, struct mailbox_order *order, int i, uint64_t clear, uint64_t set)
{
    if (call->row->args[i].type == ABI_OPEN_HOW) {
        struct open_how *how = (void *)(call->arena + call->bytes[i].offset);

        how->flags = (how->flags & ~clear) | set;
        if (!(how->flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))))
            how->mode = 0;
        how->resolve = 0;    /* it was honoured when the helper resolved */
    } else {
        order->arg[i] = (order->arg[i] & ~clear) | set;
    }
}

/* creat has no room for flags: it becomes the open that it stands for. */
static void order_creat(struct call *call, struct mailbox_order *order, uint64_t flags)
{
    order->nr = (uint64_t)abi_number(call->arch, abi_find("open"));
    order->arg[2] = order->arg[1];
    order->arg[1] = flags;
}

/* The usual open, of an existing file reached by names alone: the canonical path, with no symlink accepted any more, leads to what was judged
 * or nowhere, and costs less than the way through /proc. True when the order now is that openat2. */
static bool order_open_canonical(struct call *call, struct mailbox_order *order, const struct call_path *path)
{
    static const struct abi_call *openat2;
    size_t length = strlen(path->pin.canonical);
    uint32_t text, where;
    uint64_t flags;
    struct open_how *how;
    char *copy;

    if (!path->pin.named || path->pin.name[0] || !call_opens_plainly(call, &flags))
        return false;
    copy = call_room(call, length + 1, &text);
    how = call_room(call, sizeof *how, &where);
    if (!copy || !how)
        return false;
    memcpy(copy, path->pin.canonical, length + 1);
    *how = (struct open_how){ .flags = flags, .resolve = RESOLVE_NO_SYMLINKS };
    if (!openat2)
        openat2 = abi_find("openat2");
    order->nr = (uint64_t)abi_number(call->arch, openat2);
    order->arg[0] = (uint64_t)(int64_t)AT_FDCWD;
    order->arg[1] = call_window(call, text);
    order->arg[2] = call_window(call, where);
    order->arg[3] = sizeof *how;
    return true;
}

/* A name that was judged as a name is not followed, whatever a policy has made of the flags since (O_CREAT|O_EXCL that lost O_CREAT). */
static bool order_unfollowed(const struct call_path *path)
{
    return path->pin.name[0] && path->pin.name[0] != '/';
}

/* An open: the pin is either the object (reopened, which never creates) or the directory of a name. Returns 1 when nothing is left to do. */
static int order_open(struct call *call, struct mailbox_order *order, const struct call_path *path)
{
    uint64_t flags = 0;
    struct stat st;

    call_open_flags(call, &flags);
    if (order_open_canonical(call, order, path))
        return 1;
    if (strcmp(call->row->name, "creat") == 0)
        order_creat(call, order, flags);
    if (order_unfollowed(path)) {
        order_open_flags(call, order, path->arg + 1, 0, O_NOFOLLOW);
    } else if (flags & O_CREAT) {
        if (fstat(path->pin.fd, &st) == 0 && S_ISDIR(st.st_mode))
            return -EISDIR;
        order_open_flags(call, order, path->arg + 1, O_CREAT | O_EXCL | O_NOFOLLOW, 0);
    } else {
        order_open_flags(call, order, path->arg + 1, O_NOFOLLOW, 0);    /* the object was found so; /proc/HELPER/fd/N is a link to it */
    }
    return 0;
}

static int order_string(struct call *call, struct mailbox_order *order, int i, const char *text, size_t length)
{
    uint32_t offset;
    char *room = call_room(call, length + 1, &offset);

    if (!room)
        return -ENAMETOOLONG;
    memcpy(room, text, length + 1);
    order->arg[i] = call_window(call, offset);
    return 0;
}

/* The AT_* flags must say whether the spelling of the pin is to be followed: the name below it never, the link in /proc that stands for it always. A
 * descriptor of the program could be another one by the time the trustee uses it, so the call goes to the pinned object by its path instead. */
static void order_at_flags(const struct call *call, struct mailbox_order *order, bool follow)
{
    bool asks = strcmp(call->row->name, "linkat") == 0 || strcmp(call->row->name, "name_to_handle_at") == 0;

    for (int i = 0; i < 6 && call->row->args[i].name; i++)
        if (strcmp(call->row->args[i].name, "flags") == 0) {
            order->arg[i] &= ~(uint64_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | (asks ? AT_SYMLINK_FOLLOW : 0));
            order->arg[i] |= (uint64_t)(follow ? asks ? AT_SYMLINK_FOLLOW : 0 : asks ? 0 : AT_SYMLINK_NOFOLLOW);
        }
}

/* The path of a unix socket that the policy has looked at: the call goes to the pinned socket. One that is missing stays so, and the kernel says in
 * which order its errors come. bind keeps the name that others will know the socket by, so it is executed as written. */
int order_socket(struct call *call, uint32_t *offset, uint32_t *count)
{
    const struct call_path *path = &call->paths[0];
    struct sockaddr_un *un;

    if (!call->path_count || !path->socket || !path->resolved || strcmp(call->row->name, "bind") == 0)
        return 0;
    if (path->pin.error && path->pin.error != ENOENT)
        return -path->pin.error;
    un = call_room(call, sizeof *un, offset);
    if (!un)
        return -ENOMEM;
    un->sun_family = AF_UNIX;
    if (path->pin.error)
        strcpy(un->sun_path, "/proc/self/nurse");
    else
        path_spell(&path->pin, un->sun_path, sizeof un->sun_path);
    *count = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + strlen(un->sun_path) + 1);
    return 0;
}

static int order_path(struct call *call, struct mailbox_order *order, struct call_path *path)
{
    char spelling[64 + NAME_MAX];
    int i = path->arg, error;

    if (path->socket)
        return 0;
    error = call_resolve(call, path);
    if (error)
        return error;
    if (call->row->args[i].type == ABI_PATH_AT && (path->descriptor || order_unfollowed(path)))
        order_at_flags(call, order, path->descriptor);
    if (call->row->args[i].type == ABI_PATH_OPEN) {
        error = order_open(call, order, path);
        if (error)
            return error < 0 ? error : 0;
    }
    if (i > 0 && call->row->args[i - 1].type == ABI_DIRFD)
        order->arg[i - 1] = (uint64_t)(int64_t)AT_FDCWD;
    return order_string(call, order, i, spelling, (size_t)path_spell(&path->pin, spelling, sizeof spelling));
}

static int order_copy(struct call *call, struct mailbox_order *order, int i)
{
    enum abi_type type = call->row->args[i].type;
    uint32_t offset = call->bytes[i].offset, count = call->bytes[i].count;
    int error;

    if (type == ABI_IOV_IN || type == ABI_MSG_IN || type == ABI_MMSG_IN)
        return message_order(call, order, i);
    if (type == ABI_ADDR_IN) {
        error = order_socket(call, &offset, &count);
        if (error)
            return error;
        if (offset != call->bytes[i].offset)
            order->arg[i + 1] = count;
    }
    order->arg[i] = call_window(call, offset);
    return 0;
}

int order_make(struct call *call, struct mailbox_order *order)
{
    int error;

    *order = (struct mailbox_order){
        .command = ORDER_EXECUTE,
        .nr = (uint64_t)call->nr,
    };
    memcpy(order->arg, call->args, sizeof order->arg);
    for (int i = 0; i < 6; i++) {
        if (!(call->copied & 1 << i))
            continue;
        error = order_copy(call, order, i);
        if (error)
            return error;
    }
    for (int k = 0; k < call->path_count; k++) {
        error = order_path(call, order, &call->paths[k]);
        if (error)
            return error;
    }
    return 0;
}
