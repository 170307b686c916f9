/*
 * advice: see advice.h. What a rule asks of a call is what its arguments' types tell: paths, how a file is opened, addresses.
 *
 * Runs in the helper and in the command line; allocates nothing. Test: t/67-live-why.t pastes each rule and asks again.
 */
#include "core/judges/advice.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text/text.h"

struct advice { char *buf; size_t size, len; bool conditions, vague; };    /* vague: what the call acts on isn't known */

static void advice_add(struct advice *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void advice_add(struct advice *a, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(a->len < a->size ? a->buf + a->len : NULL, a->len < a->size ? a->size - a->len : 0, fmt, args);
    va_end(args);
    if (len > 0)
        a->len += (size_t)len;
}

/* A Lua string: its escapes are decimal. */
static void advice_quote(struct advice *a, const char *text)
{
    advice_add(a, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            advice_add(a, "\\%c", *text);
        else if (isprint((unsigned char)*text) && (unsigned char)*text < 0x80)
            advice_add(a, "%c", *text);
        else
            advice_add(a, "\\%03d", (unsigned char)*text);
    }
    advice_add(a, "\"");
}

/* One more condition. */
static void advice_and(struct advice *a)
{
    advice_add(a, "%s", a->conditions ? " and " : "");
    a->conditions = true;
}

/* /proc/PID is another path in the next run. */
static void advice_path(struct advice *a, struct call *call, int i)
{
    const char *path;
    char own[32];

    if (call_path(call, i, &path) != 0 || *path != '/') {
        a->vague = true;
        return;
    }
    advice_and(a);
    advice_add(a, "call.%s == ", call_row(call)->args[i].name);
    snprintf(own, sizeof own, "/proc/%d/", call_pid(call));
    if (strncmp(path, own, strlen(own)) == 0) {
        advice_add(a, "\"/proc/\" .. call.pid .. ");
        path += strlen(own) - 1;
    }
    advice_quote(a, path);
}

static bool advice_open_flags(struct call *call, int i, uint64_t *flags)
{
    const struct abi_call *row = call_row(call);
    struct text_how how;

    for (i++; i < 6; i++) {
        if (row->args[i].type == ABI_FLAGS) {
            *flags = call_arg(call, i);
            return true;
        }
        if (row->args[i].type == ABI_OPEN_HOW && text_how(call, i, &how) == 0) {
            *flags = how.flags;
            return true;
        }
    }
    *flags = O_CREAT | O_WRONLY | O_TRUNC;    /* creat */
    return strcmp(row->name, "creat") == 0;
}

/* What is opened in which way: who may read may not write, create or empty a file. */
static void advice_open(struct advice *a, struct call *call, int i)
{
    static const char *const modes[] = { "O_RDONLY", "O_WRONLY", "O_RDWR" };
    uint64_t flags;

    if (!advice_open_flags(call, i, &flags) || (flags & O_ACCMODE) > O_RDWR)
        return;
    advice_and(a);
    advice_add(a, "call.flags:has \"%s\"", modes[flags & O_ACCMODE]);
    if (!(flags & O_CREAT))
        advice_add(a, " and not call.flags:has \"O_CREAT\"");
    if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_TRUNC))
        advice_add(a, " and not call.flags:has \"O_TRUNC\"");
}

/* The bytes of the address of argument i; false when there is none. */
static bool advice_has_addr(struct call *call, int i, struct text_addr *addr)
{
    const void *bytes;
    enum abi_type type = call_row(call)->args[i].type;

    if (!call_arg(call, i) || (type == ABI_ADDR_IN ? call_bytes(call, i, &bytes, &addr->len) : call_name(call, i, &bytes, &addr->len)) != 0 ||
        addr->len == 0 || addr->len > sizeof addr->raw)
        return false;
    memcpy(&addr->raw, bytes, addr->len);
    return true;
}

static void advice_addr(struct advice *a, struct call *call, int i)
{
    struct text_addr addr = { .len = 0 };
    const char *path;
    char text[256];

    if (!advice_has_addr(call, i, &addr))
        return;
    advice_and(a);
    advice_add(a, "call.addr and ");
    if (text_addr_ip(&addr, text, sizeof text) == 0) {
        advice_add(a, "call.addr.ip == \"%s\" and call.addr.port == %d", text, text_addr_port(&addr));
    } else if (text_addr_path(&addr, text, sizeof text) >= 0) {
        advice_add(a, "call.addr.family == \"AF_UNIX\" and call.addr.path == ");
        advice_quote(a, call_path(call, i, &path) == 0 ? path : text);
    } else if (text_addr_family(&addr)) {
        advice_add(a, "call.addr.family == \"%s\"", text_addr_family(&addr));
    } else {
        a->vague = true;
    }
}

static void advice_conditions(struct advice *a, struct call *call)
{
    const struct abi_call *row = call_row(call);

    for (int i = 0; i < 6; i++) {
        if (row->args[i].type >= ABI_PATH && row->args[i].type <= ABI_PATH_OPEN)
            advice_path(a, call, i);
        if (row->args[i].type == ABI_PATH_OPEN)
            advice_open(a, call, i);
        if (row->args[i].type == ABI_ADDR_IN || row->args[i].type == ABI_MSG_IN || row->args[i].type == ABI_MMSG_IN)
            advice_addr(a, call, i);
    }
}

/* The names that a rule should have: libc may change which call of a family it makes. */
static const char *advice_names(const struct abi_call *row)
{
    for (int i = 0; i < 6; i++) {
        if (row->args[i].type == ABI_PATH_OPEN)
            return "@open";
        if (row->args[i].type == ABI_STRINGS)
            return "@exec";
    }
    return row->name;
}

size_t advice_rule(struct call *call, const struct verdict *verdict, char *buf, size_t size)
{
    const struct abi_call *row = call_row(call);
    struct advice a = { .buf = buf, .size = size };
    size_t start;

    if (size)
        buf[0] = '\0';
    if (verdict->kind <= VERDICT_EMULATE || verdict->module || row->where == ABI_UNSAFE)
        return 0;
    if (verdict->rule && strchr(verdict->rule, ':'))
        advice_add(&a, "-- above %s\n", verdict->rule);
    start = a.len;
    advice_add(&a, "on(\"%s\", function(call)\n  if ", advice_names(row));
    advice_conditions(&a, call);
    if (a.conditions) {
        advice_add(&a, " then return call:allow() end\nend)");
    } else {
        a.len = start;
        advice_add(&a, "allow \"%s\"", row->name);
    }
    if (a.len < size && !a.vague)
        return a.len;
    if (size)
        buf[0] = '\0';
    return 0;
}
