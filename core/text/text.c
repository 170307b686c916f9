/*
 * text: a call as a line in the manner of strace; a table of how each type of argument is shown.
 *
 * Runs in the helper. What comes from the program is escaped here, so that it can't forge a line. Reads the copies that the call
 * holds; nothing is fetched twice. unit-policy.c: text.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text/text.h"

enum { SHOWN_BUFFER = 32, SHOWN_STRING = 4096 };    /* bytes of a buffer, of a string */

void text_add(struct text *t, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(t->buf + t->len, t->size - t->len, fmt, args);
    va_end(args);
    if (len > 0)
        t->len = t->len + (size_t)len < t->size ? t->len + (size_t)len : t->size - 1;
}

static void text_put(struct text *t, const char *bytes, size_t count)
{
    if (count > t->size - 1 - t->len)
        count = t->size - 1 - t->len;
    memcpy(t->buf + t->len, bytes, count);
    t->len += count;
    t->buf[t->len] = '\0';
}

/* In octal with as few digits as can be understood, as strace does. */
static void text_octal(struct text *t, unsigned char byte, bool digit_follows)
{
    text_add(t, digit_follows ? "\\%03o" : "\\%o", byte);
}

void text_quote(struct text *t, const char *bytes, size_t count, size_t shown)
{
    static const char plain[] = "\n\t\r\v\f\"\\", letters[] = "ntrvf\"\\";

    text_put(t, "\"", 1);
    for (size_t i = 0; i < count && i < shown; i++) {
        const char *special = bytes[i] ? strchr(plain, bytes[i]) : NULL;
        if (special)
            text_put(t, (char[]){ '\\', letters[special - plain] }, 2);
        else if (isprint((unsigned char)bytes[i]) && (unsigned char)bytes[i] < 0x80)
            text_put(t, &bytes[i], 1);
        else
            text_octal(t, (unsigned char)bytes[i], i + 1 < count && i + 1 < shown && isdigit((unsigned char)bytes[i + 1]));
    }
    text_put(t, "\"...", count > shown ? 4 : 1);
}

int64_t text_integer(const struct call *call, int i)
{
    uint64_t value = call_arg(call, i);
    bool narrow = call_arch(call) == ABI_I386;

    switch (call_row(call)->args[i].type) {
    case ABI_INT: case ABI_FD: case ABI_DIRFD: case ABI_PID: case ABI_SIGNAL: case ABI_CLOCK:
        return (int32_t)value;
    case ABI_UINT: case ABI_UID: case ABI_GID:
        return (uint32_t)value;
    case ABI_LONG: case ABI_OFFSET:
        return narrow ? (int32_t)value : (int64_t)value;
    default:
        return narrow ? (int64_t)(uint32_t)value : (int64_t)value;
    }
}

static void show_signed(struct text *t, const struct abi_arg *arg, int i)
{
    (void)arg;
    text_add(t, "%lld", (long long)text_integer(t->call, i));
}

static void show_size(struct text *t, const struct abi_arg *arg, int i)
{
    (void)arg;
    text_add(t, "%llu", (unsigned long long)text_integer(t->call, i));
}

/* User and group: -1 means "leave it", and is shown so. */
static void show_id(struct text *t, const struct abi_arg *arg, int i)
{
    int64_t id = text_integer(t->call, i);

    (void)arg;
    text_add(t, "%lld", id == UINT32_MAX ? -1LL : (long long)id);
}

static void show_address(struct text *t, const struct abi_arg *arg, int i)
{
    uint64_t value = (uint64_t)text_integer(t->call, i);

    if (value == 0 && arg->type != ABI_ULONG)
        text_add(t, "NULL");
    else
        text_add(t, "%#llx", (unsigned long long)value);
}

static void show_dirfd(struct text *t, const struct abi_arg *arg, int i)
{
    if (text_integer(t->call, i) == AT_FDCWD)
        text_add(t, "AT_FDCWD");
    else
        show_signed(t, arg, i);
}

static void show_path(struct text *t, const struct abi_arg *arg, int i)
{
    const char *raw;

    if (call_rawpath(t->call, i, &raw) == 0)
        text_quote(t, raw, strlen(raw), SHOWN_STRING);
    else
        show_address(t, arg, i);
}

static void show_bytes(struct text *t, const struct abi_arg *arg, int i)
{
    const void *bytes;
    size_t count;

    if (call_bytes(t->call, i, &bytes, &count) != 0)
        show_address(t, arg, i);
    else if (arg->type == ABI_STRING)
        text_quote(t, bytes, strnlen(bytes, count), SHOWN_STRING);
    else
        text_quote(t, bytes, count, SHOWN_BUFFER);
}

static void show_flags(struct text *t, const struct abi_arg *arg, int i)
{
    char flags[1024];

    abi_flags_text(arg->set, (uint64_t)text_integer(t->call, i), flags, sizeof flags);
    text_add(t, "%s", flags);
}

static void show_mode(struct text *t, const struct abi_arg *arg, int i)
{
    (void)arg;
    text_add(t, "0%llo", (unsigned long long)(call_arg(t->call, i) & 0177777));
}

static void show_signal(struct text *t, const struct abi_arg *arg, int i)
{
    const char *name = abi_signal_name((int)text_integer(t->call, i));

    if (name)
        text_add(t, "%s", name);
    else
        show_signed(t, arg, i);
}

static void show_how(struct text *t, const struct abi_arg *arg, int i)
{
    struct text_how how;
    char flags[512];
    const struct abi_call *open = abi_find("open");

    if (!open || text_how(t->call, i, &how) != 0) {
        show_address(t, arg, i);
        return;
    }
    abi_flags_text(open->args[1].set, how.flags, flags, sizeof flags);
    text_add(t, "{flags=%s, mode=0%llo, resolve=%#llx}", flags, (unsigned long long)how.mode, (unsigned long long)how.resolve);
}

int text_time(struct call *call, int i, struct text_time *out)
{
    const void *bytes;
    size_t count;
    int32_t narrow[2];
    int error = call_bytes(call, i, &bytes, &count);

    if (error != 0)
        return error;
    if (count == sizeof narrow) {
        memcpy(narrow, bytes, sizeof narrow);
        *out = (struct text_time){ narrow[0], narrow[1] };
    } else if (count == sizeof *out) {
        memcpy(out, bytes, sizeof *out);
    } else {
        return -EINVAL;
    }
    return 0;
}

/* Structs that only the thread itself can be given are not copied, and shown as addresses. */
static void show_struct(struct text *t, const struct abi_arg *arg, int i)
{
    enum abi_where where = call_row(t->call)->where;
    struct text_time time;

    if (arg->shape == ABI_BLOB || !call_arg(t->call, i) || (where != ABI_ANY && where != ABI_BLOCKS) || text_time(t->call, i, &time) != 0)
        show_address(t, arg, i);
    else
        text_add(t, "{tv_sec=%lld, tv_%csec=%lld}", (long long)time.seconds, arg->shape == ABI_TIMEVAL ? 'u' : 'n', (long long)time.fraction);
}

static void text_unix(struct text *t, const char *path, size_t len)
{
    text_add(t, ", sun_path=%s", len > 0 && path[0] == '@' ? "@" : "");
    text_quote(t, path + (len > 0 && path[0] == '@'), len - (len > 0 && path[0] == '@'), len);
}

void text_addr(struct text *t, const struct text_addr *addr)
{
    const char *family = text_addr_family(addr);
    char text[256];
    int len = text_addr_path(addr, text, sizeof text), port = text_addr_port(addr);

    if (family)
        text_add(t, "{sa_family=%s", family);
    else
        text_add(t, "{sa_family=%#x", addr->raw.ss_family);
    if (len > 0)
        text_unix(t, text, (size_t)len);
    else if (text_addr_ip(addr, text, sizeof text) == 0 && addr->raw.ss_family == AF_INET)
        text_add(t, ", sin_port=htons(%d), sin_addr=inet_addr(\"%s\")", port, text);
    else if (text_addr_ip(addr, text, sizeof text) == 0)
        text_add(t, ", sin6_port=htons(%d), inet_pton(AF_INET6, \"%s\", &sin6_addr)", port, text);
    text_add(t, "}");
}

static void show_addr(struct text *t, const struct abi_arg *arg, int i)
{
    const void *bytes;
    struct text_addr addr = { .len = 0 };

    if (call_bytes(t->call, i, &bytes, &addr.len) != 0 || addr.len > sizeof addr.raw) {
        show_address(t, arg, i);
        return;
    }
    memcpy(&addr.raw, bytes, addr.len);
    text_addr(t, &addr);
}

static void text_vector(struct text *t, int i)
{
    const void *bytes;
    size_t count;

    if (call_bytes(t->call, i, &bytes, &count) != 0) {
        text_add(t, "[...]");
        return;
    }
    text_add(t, "[{iov_base=");
    text_quote(t, bytes, count, SHOWN_BUFFER);
    text_add(t, ", iov_len=%zu}]", count);
}

static void show_vector(struct text *t, const struct abi_arg *arg, int i)
{
    (void)arg;
    text_vector(t, i);
}

static void show_message(struct text *t, const struct abi_arg *arg, int i)
{
    const void *bytes;
    struct text_addr addr = { .len = 0 };

    if (!call_arg(t->call, i) || call_name(t->call, i, &bytes, &addr.len) != 0) {
        show_address(t, arg, i);
        return;
    }
    text_add(t, "{msg_name=");
    if (addr.len > 0) {
        memcpy(&addr.raw, bytes, addr.len);
        text_addr(t, &addr);
    } else {
        text_add(t, "NULL");
    }
    text_add(t, ", msg_iov=");
    text_vector(t, i);
    text_add(t, "}");
}

static void (*const show[])(struct text *t, const struct abi_arg *arg, int i) = {    /* by enum abi_type; the others are addresses */
    [ABI_INT] = show_signed, [ABI_UINT] = show_signed, [ABI_LONG] = show_signed, [ABI_OFFSET] = show_signed,
    [ABI_FD] = show_signed, [ABI_PID] = show_signed, [ABI_CLOCK] = show_flags, [ABI_SIZE] = show_size,
    [ABI_UID] = show_id, [ABI_GID] = show_id, [ABI_SIGNAL] = show_signal, [ABI_DIRFD] = show_dirfd,
    [ABI_PATH] = show_path, [ABI_PATH_LINK] = show_path, [ABI_PATH_NAME] = show_path, [ABI_PATH_AT] = show_path,
    [ABI_PATH_OPEN] = show_path, [ABI_STRING] = show_bytes, [ABI_BUF_IN] = show_bytes, [ABI_FLAGS] = show_flags,
    [ABI_MODE] = show_mode, [ABI_OPEN_HOW] = show_how, [ABI_STRUCT_IN] = show_struct, [ABI_IOV_IN] = show_vector, [ABI_MSG_IN] = show_message,
    [ABI_MMSG_IN] = show_message, [ABI_ADDR_IN] = show_addr,
};

/* open() has a mode only when it may create. */
bool text_ends(const struct call *call, int i)
{
    const struct abi_arg *args = call_row(call)->args;

    if (args[i].type == ABI_NONE)
        return true;
    return args[i].type == ABI_MODE && i >= 2 && args[i - 1].type == ABI_FLAGS && args[i - 2].type == ABI_PATH_OPEN
           && !(call_arg(call, i - 1) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)));
}

void text_one(struct text *t, int i)
{
    const struct abi_arg *arg = &call_row(t->call)->args[i];

    if ((size_t)arg->type < sizeof show / sizeof show[0] && show[arg->type])
        show[arg->type](t, arg, i);
    else
        show_address(t, arg, i);
}

size_t text_argument(struct call *call, int i, char *buf, size_t size)
{
    struct text t = { .buf = buf, .size = size, .call = call };

    text_one(&t, i);
    return t.len;
}

size_t text_call(struct call *call, char *buf, size_t size)
{
    struct text t = { .buf = buf, .size = size, .call = call };

    text_add(&t, "%s(", call_row(call)->name);
    for (int i = 0; i < 6 && !text_ends(call, i); i++) {
        if (i > 0)
            text_add(&t, ", ");
        text_one(&t, i);
    }
    text_add(&t, ")");
    return t.len;
}

int text_how(struct call *call, int i, struct text_how *out)
{
    const void *bytes;
    size_t count;
    int error = call_bytes(call, i, &bytes, &count);

    if (error != 0)
        return error;
    if (count < sizeof *out)
        return -EINVAL;
    memcpy(out, bytes, sizeof *out);
    return 0;
}
