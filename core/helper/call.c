/*
 * call: see call.h and call_private.h. Whom it believes: the kernel for registers, ids and descriptors; a byte of the program's memory is
 * fetched once, here, and what was fetched is what is judged and executed.
 */
#include "core/helper/call_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/helper/guess.h"
#include "core/helper/memory.h"

static struct call *spare;    /* calls are large: they are reused */

struct call *call_new(struct process *process, enum call_origin origin, pid_t tid, enum abi_arch arch, uint64_t nr, const uint64_t args[6])
{
    struct call *call = spare;

    if (call)
        spare = call->next;
    else
        call = malloc(sizeof *call);
    if (!call)
        die(EXIT_NURSE, "out of memory");
    memset(call, 0, offsetof(struct call, paths));
    call->process = process;
    call->origin = origin;
    call->tid = tid;
    call->arch = arch;
    call->nr = nr < MAILBOX_ROUTES ? (int)nr : -1;
    call->entry = route_entry(&process->sandbox->routes, arch, nr);
    call->row = call->entry->row;
    memcpy(call->args, args, sizeof call->args);
    if (arch == ABI_I386)
        for (int i = 0; i < 6; i++)
            call->args[i] = (uint32_t)call->args[i];
    return call;
}

void call_free(struct call *call)
{
    for (int i = 0; i < call->path_count; i++)
        if (call->paths[i].resolved)
            path_release(&call->paths[i].pin);
    call_free_strings(call);
    call->next = spare;
    spare = call;
}

void call_abandon(struct call *call)
{
    if (call->birth)
        birth_orphan(call->birth);
    call_free(call);
}

const struct abi_call *call_row(const struct call *call)
{
    return call->row;
}

enum abi_arch call_arch(const struct call *call)
{
    return call->arch;
}

int call_nr(const struct call *call)
{
    return call->nr;
}

pid_t call_pid(const struct call *call)
{
    return call->process->pid;
}

pid_t call_tid(const struct call *call)
{
    return call->tid;
}

uint64_t call_ip(const struct call *call)
{
    return sites_origin(call->process, call->ip);
}

const char *call_comm(struct call *call)
{
    char path[64];
    int fd;

    if (call->comm[0])
        return call->comm;
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", call->process->pid, call->tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, call->comm, sizeof call->comm - 1);

        call->comm[n > 0 ? strcspn(call->comm, "\n") : 0] = '\0';
        close(fd);
    }
    return call->comm;
}

const char *call_exe(struct call *call)
{
    return call->process->program->exe;
}

uint64_t call_arg(const struct call *call, int i)
{
    return call->args[i];
}

void call_set_arg(struct call *call, int i, uint64_t value)
{
    if (call->arch == ABI_I386)
        value = (uint32_t)value;
    if (call->args[i] != value)
        call->rewritten = true;
    call->args[i] = value;
}

bool call_is_rewritten(const struct call *call)
{
    return call->rewritten;
}

static bool is_path(enum abi_type type)
{
    return type == ABI_PATH || type == ABI_PATH_LINK || type == ABI_PATH_NAME || type == ABI_PATH_AT || type == ABI_PATH_OPEN;
}

/* The argument of that name, or -1. */
static int call_find(const struct call *call, const char *name)
{
    for (int i = 0; i < 6 && call->row->args[i].name; i++)
        if (strcmp(call->row->args[i].name, name) == 0)
            return i;
    return -1;
}

static uint64_t call_at_flags(const struct call *call)
{
    int i = call_find(call, "flags");

    return i >= 0 ? call->args[i] : 0;
}

bool call_open_flags(struct call *call, uint64_t *flags)
{
    const void *how;
    size_t size;
    int i;

    if (strcmp(call->row->name, "creat") == 0) {
        *flags = O_CREAT | O_WRONLY | O_TRUNC;
        return true;
    }
    i = call_find(call, "how");
    if (i >= 0) {
        if (call_bytes(call, i, &how, &size) || size < sizeof(uint64_t))
            return false;
        memcpy(flags, how, sizeof *flags);
        return true;
    }
    i = call_find(call, "flags");
    if (i < 0)
        return false;
    *flags = call->args[i];
    return true;
}

/* Fetch the string of path argument i. */
static int call_fetch_path(struct call *call, int i)
{
    struct call_path *path = &call->paths[call->path_count];
    bool empty_means_descriptor = (call_at_flags(call) & AT_EMPTY_PATH) && call->row->args[i].type == ABI_PATH_AT;
    ssize_t length;

    path->arg = i;
    path->resolved = path->rewritten = path->descriptor = path->socket = false;
    path->dirfd = i > 0 && call->row->args[i - 1].type == ABI_DIRFD ? (int)call->args[i - 1] : AT_FDCWD;
    path->raw[0] = '\0';
    if (call->args[i] == 0 && i > 0 && call->row->args[i - 1].type == ABI_DIRFD && (empty_means_descriptor || !strncmp(call->row->name, "utimensat", 9) || !strcmp(call->row->name, "futimesat"))) {
        path->descriptor = true;
    } else {
        length = memory_string(call->tid, call->args[i], path->raw, sizeof path->raw);
        if (length < 0)
            return (int)length;
        if (length == 0 && !empty_means_descriptor)
            return -ENOENT;
        path->descriptor = length == 0;
    }
    call->path_count++;
    return 0;
}

void call_note_socket(struct call *call, int i, const void *bytes, size_t count)
{
    const size_t head = offsetof(struct sockaddr_un, sun_path);
    const struct sockaddr_un *un = bytes;
    struct call_path *path = call->paths;

    if (call->path_count && path->resolved)
        path_release(&path->pin);
    call->path_count = 0;
    if (count <= head || count > sizeof *un || un->sun_family != AF_UNIX || !un->sun_path[0])
        return;
    path->arg = i;
    path->socket = true;
    path->resolved = path->rewritten = path->descriptor = false;
    path->dirfd = AT_FDCWD;
    snprintf(path->raw, sizeof path->raw, "%.*s", (int)(count - head), un->sun_path);    /* it may lack its final NUL (unix(7)) */
    call->path_count = 1;
}

int call_fetch(struct call *call)
{
    for (int i = 0; i < 6; i++) {
        const struct abi_arg *arg = &call->row->args[i];
        const void *bytes = NULL;
        size_t count = 0;
        int error = 0;

        if (is_path(arg->type) && call->path_count < CALL_PATHS)
            error = call_fetch_path(call, i);
        else if (((arg->type == ABI_ADDR_IN && !call->entry->constant) || arg->type == ABI_OPEN_HOW) && call->args[i])
            error = call_bytes(call, i, &bytes, &count);
        if (error)
            return error;
        if (arg->type == ABI_ADDR_IN && call->copied & 1 << i)
            call_note_socket(call, i, bytes, count);
    }
    return 0;
}

/* Whether the last name of the path is followed, and whether the path names an object at all. */
static enum path_last call_last(struct call *call, const struct call_path *path)
{
    uint64_t flags;

    switch (call->row->args[path->arg].type) {
    case ABI_PATH_LINK:
        return PATH_NOFOLLOW;
    case ABI_PATH_NAME:
        return PATH_NAME;
    case ABI_ADDR_IN:
        return strcmp(call->row->name, "bind") == 0 ? PATH_NAME : PATH_FOLLOW;
    case ABI_PATH_AT:
        if (strcmp(call->row->name, "linkat") == 0 || strcmp(call->row->name, "name_to_handle_at") == 0)
            return call_at_flags(call) & AT_SYMLINK_FOLLOW ? PATH_FOLLOW : PATH_NOFOLLOW;
        return call_at_flags(call) & AT_SYMLINK_NOFOLLOW ? PATH_NOFOLLOW : PATH_FOLLOW;
    case ABI_PATH_OPEN:
        if (!call_open_flags(call, &flags))
            return PATH_FOLLOW;
        if ((flags & O_CREAT) && (flags & O_EXCL))
            return PATH_NAME;
        return flags & O_NOFOLLOW ? PATH_NOFOLLOW : PATH_FOLLOW;
    default:
        return PATH_FOLLOW;
    }
}

void call_view(const struct call *call, struct path_view *view)
{
    struct process *process = call->process;
    char cwd[64];

    if (process->shares_cwd)
        guard_moved(process);    /* by another process, for all we know */
    if (process->cwd < 0) {
        snprintf(cwd, sizeof cwd, "/proc/%d/cwd", call->tid);
        process->cwd = open(cwd, O_PATH | O_CLOEXEC);
    }
    *view = (struct path_view){ .pid = process->pid, .tid = call->tid, .cwd = process->cwd, .exe = process->program->exe, .root = call->root };
}

/* Whether an open creates what is missing: the pin then holds the directory of the missing name, and the name is made there. */
static bool call_creates(struct call *call, const struct call_path *path)
{
    uint64_t flags;

    return call->row->args[path->arg].type == ABI_PATH_OPEN && path->pin.error == ENOENT && path->pin.fd >= 0 &&
           call_open_flags(call, &flags) && (flags & O_CREAT);
}

/* "" with AT_EMPTY_PATH: the judged path is the descriptor's own. */
static int call_resolve_descriptor(struct call *call, struct call_path *path, const struct path_view *view)
{
    char link[64];
    ssize_t length;

    path->pin.fd = -1;
    path->pin.error = 0;
    path->pin.exists = path->pin.named = false;
    path->pin.name[0] = path->pin.canonical[0] = '\0';    /* the call is used again: nothing of an earlier one must show */
    path->resolved = true;
    if (path->dirfd == AT_FDCWD)
        return path_resolve(view, AT_FDCWD, ".", PATH_FOLLOW, &path->pin);
    snprintf(link, sizeof link, "/proc/%d/fd/%d", call->tid, path->dirfd);
    path->pin.fd = open(link, O_PATH | O_CLOEXEC);
    length = path->pin.fd < 0 ? -(errno == ENOENT ? EBADF : errno) : path_canonical(path->pin.fd, path->pin.canonical);
    path->pin.error = length < 0 ? (int)-length : 0;
    return -path->pin.error;
}

/* openat2 with RESOLVE_* bits: the pin is found under the same bits from the same directory. What would be created, or lies on procfs (whose
 * links mean the helper here), is left to those who can do without openat2: they get ENOSYS as from an older kernel. */
static bool call_resolve_how(struct call *call, struct call_path *path, const struct path_view *view)
{
    const void *bytes;
    struct open_how how;
    struct path_pin base;
    size_t size;

    if (call->row->args[path->arg + 1].type != ABI_OPEN_HOW || path->rewritten || call_bytes(call, path->arg + 1, &bytes, &size))
        return false;
    memcpy(&how, bytes, sizeof how);
    if (!how.resolve)
        return false;
    if (view->root) {
        path->pin = (struct path_pin){ .fd = -1, .error = ENOSYS };
        return true;
    }
    path_resolve(view, path->raw[0] == '/' && !(how.resolve & RESOLVE_IN_ROOT) ? AT_FDCWD : path->dirfd, ".", PATH_FOLLOW, &base);
    path->pin = base;
    path->pin.named = false;
    if (base.error)
        return true;
    how.flags = O_PATH | O_CLOEXEC | (how.flags & (O_NOFOLLOW | O_DIRECTORY));
    how.mode = 0;
    path->pin.fd = (int)syscall(SYS_openat2, base.fd, path->raw, &how, sizeof how);
    path->pin.error = path->pin.fd < 0 ? errno == ENOENT ? ENOSYS : errno : 0;
    if (path->pin.fd >= 0 && (path_is_procfs(path->pin.fd) != 0 || path_canonical(path->pin.fd, path->pin.canonical) < 0))
        path->pin.error = ENOSYS;
    close(base.fd);
    return true;
}

bool call_opens_plainly(struct call *call, uint64_t *flags)
{
    enum { PLAIN = O_ACCMODE | O_APPEND | O_CLOEXEC | O_DIRECT | O_DIRECTORY | O_DSYNC | O_LARGEFILE | O_NOATIME | O_NOCTTY | O_NOFOLLOW |
                   O_NONBLOCK | O_SYNC | O_TRUNC };

    return call_open_flags(call, flags) && !(*flags & ~(uint64_t)PLAIN);
}

/* Whether an open by a gate can do without resolving: what is guessed wrong ends in ELOOP, and comes back by way of the kernel. */
static bool call_guess(struct call *call, struct call_path *path)
{
    uint64_t flags;

    if (call->origin != FROM_GATE || call->process->strict || call->watched || call->heard || call->root || call->row->args[path->arg].type != ABI_PATH_OPEN || call->copied)
        return false;
    if (!call_opens_plainly(call, &flags) || (flags & (O_ACCMODE | O_TRUNC | O_NOFOLLOW)) || !guess_canonical(path->raw))
        return false;
    path->pin.fd = -1;
    path->pin.error = 0;
    path->pin.exists = path->pin.named = true;
    path->pin.name[0] = '\0';
    strcpy(path->pin.canonical, path->raw);
    return true;
}

int call_resolve(struct call *call, struct call_path *path)
{
    struct path_view view;

    if (path->resolved)
        return -path->pin.error;
    call_view(call, &view);
    if (path->descriptor)
        return call_resolve_descriptor(call, path, &view);
    path->resolved = true;
    if (call_guess(call, path))
        return 0;
    if (call_resolve_how(call, path, &view))
        return -path->pin.error;
    path_resolve(&view, path->dirfd, path->raw, call_last(call, path), &path->pin);
    if (path->pin.named)
        guess_learn(path->raw, path->pin.canonical);
    if (call_creates(call, path))
        path->pin.error = 0;
    return -path->pin.error;
}

static struct call_path *call_path_of(struct call *call, int i)
{
    for (int k = 0; k < call->path_count; k++)
        if (call->paths[k].arg == i)
            return &call->paths[k];
    return NULL;
}

int call_path(struct call *call, int i, const char **canonical)
{
    struct call_path *path = call_path_of(call, i);

    if (!path)
        return -EINVAL;
    call_resolve(call, path);    /* what doesn't exist has a path too */
    *canonical = path->pin.canonical;
    return 0;
}

int call_rawpath(struct call *call, int i, const char **raw)
{
    struct call_path *path = call_path_of(call, i);

    if (!path)
        return -EINVAL;
    *raw = path->raw;
    return 0;
}

int call_set_path(struct call *call, int i, const char *text)
{
    struct call_path *path = call_path_of(call, i);

    if (!path)
        return -EINVAL;
    if (strlen(text) >= sizeof path->raw)
        return -ENAMETOOLONG;
    if (*text == '\0')
        return -ENOENT;
    if (path->resolved)
        path_release(&path->pin);
    snprintf(path->raw, sizeof path->raw, "%s", text);
    path->resolved = path->descriptor = false;
    path->rewritten = true;
    if (*text != '/' && path->dirfd != AT_FDCWD)
        path->dirfd = AT_FDCWD;
    call->rewritten = true;
    return 0;
}

bool call_path_exists(struct call *call, int i)
{
    struct call_path *path = call_path_of(call, i);
    struct stat st;

    if (!path || call_resolve(call, path))
        return false;
    if (path->pin.named && path->pin.fd < 0)    /* guessed */
        return lstat(path->pin.canonical, &st) == 0;
    return path->descriptor || path->pin.exists;
}

void call_set_root(struct call *call, const char *root)
{
    call->root = root;
    for (int i = 0; i < call->path_count; i++) {
        if (call->paths[i].resolved)
            path_release(&call->paths[i].pin);
        call->paths[i].resolved = false;
    }
}

void *call_room(struct call *call, size_t size, uint32_t *offset)
{
    size_t aligned = (size + 15) & ~(size_t)15;

    if (aligned < size || aligned > CALL_ARENA - call->arena_used)
        return NULL;
    *offset = call->arena_used;
    call->arena_used += (uint32_t)aligned;
    return call->arena + *offset;
}

uint64_t call_window(const struct call *call, uint32_t offset)
{
    return mailbox_order_at(&call->slot->space->mailbox, call->slot->i) + MAILBOX_BYTES + offset;
}

/* How many bytes argument i points to; sets *text when it is a string. */
static size_t call_extent(const struct call *call, int i, bool *text)
{
    const struct abi_arg *arg = &call->row->args[i];

    *text = arg->type == ABI_STRING;
    switch (arg->type) {
    case ABI_ADDR_IN:
    case ABI_BUF_IN:
    case ABI_OPEN_HOW:
        return i < 5 ? call->args[i + 1] : 0;
    case ABI_STRUCT_IN:
        return call->arch == ABI_X86_64 ? arg->size : arg->size32;
    case ABI_STRING:
        return PATH_MAX;
    default:
        return 0;
    }
}

/* Sizes that the kernel would refuse, before anything is read. */
static int call_extent_check(const struct call *call, int i, size_t extent)
{
    switch (call->row->args[i].type) {
    case ABI_ADDR_IN:
        return extent > sizeof(struct sockaddr_storage) ? -EINVAL : 0;
    case ABI_BUF_IN:
        return memory_outside(call->arch, call->args[i], extent) ? -EFAULT : 0;
    case ABI_OPEN_HOW:
        return extent < sizeof(struct open_how) ? -EINVAL : extent > 4096 ? -E2BIG : 0;
    default:
        return 0;
    }
}

static bool is_scattered(enum abi_type type)
{
    return type == ABI_IOV_IN || type == ABI_MSG_IN || type == ABI_MMSG_IN;
}

bool call_is_message(const struct call *call)
{
    return strncmp(call->row->name, "send", 4) == 0;
}

static int call_fetch_bytes(struct call *call, int i, const void **bytes, size_t *count)
{
    bool text;
    size_t extent = call_extent(call, i, &text);
    uint32_t offset = 0;
    ssize_t n;
    void *room;

    if (!(call->copied & 1 << i)) {
        int error = call_extent_check(call, i, extent);

        if (error)
            return error;
        if (extent > CALL_BYTES_MAX) {
            error = message_cut(call);
            if (error)
                return error;
            extent = CALL_BYTES_MAX;
            call->args[i + 1] = extent;
        }
        room = call_room(call, extent, &offset);
        if (!room)
            return -ENOMEM;
        n = text ? memory_string(call->tid, call->args[i], room, extent) : extent ? memory_read(call->tid, call->args[i], room, extent) : 0;
        if (n < 0 || (!text && (size_t)n < extent && (call->row->args[i].type != ABI_BUF_IN || call_is_message(call)))) {
            call->arena_used = offset;    /* whoever asks again gets the same answer */
            return n < 0 ? (int)n : -EFAULT;
        }
        call->bytes[i].offset = offset;
        call->bytes[i].count = (uint32_t)n;
        if (call->row->args[i].type == ABI_BUF_IN)
            call->args[i + 1] = (uint64_t)n;
        call->copied |= (uint8_t)(1 << i);
    }
    *bytes = call->arena + call->bytes[i].offset;
    *count = call->bytes[i].count;
    return 0;
}

/* Where the program's memory is bad the call fails as the kernel would have it fail, even if the memory has been mended since. */
int call_faulted(struct call *call, int i, int error)
{
    if (error && error != -ENODATA && call->args[i] && !call->fault)
        call->fault = error;
    return error;
}

int call_bytes(struct call *call, int i, const void **bytes, size_t *count)
{
    int error = is_scattered(call->row->args[i].type) ? message_bytes(call, i, bytes, count) : call_fetch_bytes(call, i, bytes, count);

    return call_faulted(call, i, error);
}

ssize_t call_peek(struct call *call, int i, void *buf, size_t count)
{
    if (!(call->copied & 1 << i) || is_scattered(call->row->args[i].type))
        return memory_read(call->tid, call->args[i], buf, count);
    if (count > call->bytes[i].count)
        count = call->bytes[i].count;
    memcpy(buf, call->arena + call->bytes[i].offset, count);
    return (ssize_t)count;
}

int call_set_bytes(struct call *call, int i, const void *bytes, size_t count)
{
    enum abi_type type = call->row->args[i].type;
    uint32_t offset;
    void *room;

    if (is_scattered(type))
        return message_set_bytes(call, i, bytes, count);
    if (count > CALL_BYTES_MAX)
        return -E2BIG;
    room = call_room(call, count + 1, &offset);    /* strings keep a NUL */
    if (!room)
        return -ENOMEM;
    memcpy(room, bytes, count);
    ((char *)room)[count] = '\0';
    call->bytes[i].offset = offset;
    call->bytes[i].count = (uint32_t)count;
    call->copied |= (uint8_t)(1 << i);
    call->rewritten = true;
    if (i < 5 && (type == ABI_ADDR_IN || type == ABI_BUF_IN || type == ABI_OPEN_HOW))
        call->args[i + 1] = count;
    if (type == ABI_ADDR_IN)
        call_note_socket(call, i, bytes, count);
    return 0;
}

static const char *call_kind(const struct stat *st, const char *path)
{
    switch (st->st_mode & S_IFMT) {
    case S_IFREG:
        return "file";
    case S_IFDIR:
        return "dir";
    case S_IFIFO:
        return "pipe";
    case S_IFSOCK:
        return "socket";
    case S_IFBLK:
        return "blk";
    case S_IFLNK:
        return "link";
    case S_IFCHR:
        return strncmp(path, "/dev/pts/", 9) == 0 || strncmp(path, "/dev/tty", 8) == 0 || strcmp(path, "/dev/console") == 0 ? "tty" : "chr";
    default:
        return "anon";
    }
}

int call_fd(struct call *call, int fd, char *path, size_t size, const char **kind)
{
    char link[64];
    struct stat st;
    ssize_t n;

    *kind = "none";
    if (fd == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/%d/cwd", call->tid);
    else
        snprintf(link, sizeof link, "/proc/%d/fd/%d", call->tid, fd);
    n = readlink(link, path, size - 1);
    if (n < 0)
        return errno == ENOENT ? -EBADF : -errno;
    path[n] = '\0';
    *kind = stat(link, &st) == 0 ? call_kind(&st, path) : "anon";
    return 0;
}

int64_t call_fd_size(const struct call *call, int fd)
{
    char link[64];
    struct stat st;

    snprintf(link, sizeof link, "/proc/%d/fd/%d", call->tid, fd);
    if (stat(link, &st))
        return errno == ENOENT ? -EBADF : -errno;
    return st.st_size;
}

int call_fd_object(struct call *call, int fd, uint64_t object[2])
{
    char link[64];
    struct stat st;

    snprintf(link, sizeof link, "/proc/%d/fd/%d", call->tid, fd);
    if (stat(link, &st))
        return errno == ENOENT ? -EBADF : -errno;
    object[0] = st.st_dev;
    object[1] = st.st_ino;
    return 0;
}

int call_protocol(const struct call *call, int fd, char name[CALL_PROTOCOL])
{
    char link[64];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/%d/fd/%d", call->tid, fd);
    n = getxattr(link, "system.sockprotoname", name, CALL_PROTOCOL - 1);    /* of the socket's inode, as it was made: nothing changes it */
    if (n < 0)
        return errno == ENOENT ? -EBADF : -ENOTSOCK;
    name[n] = '\0';
    return 0;
}

ssize_t call_read(struct call *call, uint64_t addr, void *buf, size_t count)
{
    return memory_read(call->tid, addr, buf, count);
}

ssize_t call_write(struct call *call, uint64_t addr, const void *buf, size_t count)
{
    if (call_is_frozen(call))
        return (ssize_t)count;
    return memory_write(call->tid, addr, buf, count);
}
