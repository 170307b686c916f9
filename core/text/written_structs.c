/*
 * written_structs: the structs of written calls, as far as the kernel's meaning of them is known here: times, open_how, vectors, socket addresses,
 * messages.
 *
 * Runs in the command line. Believes nobody; what isn't understood is a mistake. Built in the memory of written_values.c. Test: t/10-unit-written.t.
 */
#include <arpa/inet.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "core/abi/flags.h"
#include "core/helper/call.h"
#include "core/text/text.h"
#include "core/text/written_inside.h"

/* A number in a field of a struct, written at its place. */
static bool field_number(struct span braces, const char *name, uint64_t *value)
{
    struct span text, wrong;

    *value = 0;
    return span_field(braces, name, &text) && names_read(NULL, text, value, &wrong);
}

int value_how(struct reader *reader, int i, struct span text)
{
    struct open_how *how = value_take(reader, CALL_BYTES_MAX);
    struct span flags = text, wrong;
    uint64_t value;

    if (!how || value_address(reader, i, text))
        return how ? 0 : -1;
    if (*text.at == '{' && !span_field(text, "flags", &flags))
        return value_expected(reader, i, text, "{flags=..., mode=..., resolve=...}");
    if (!names_read(abi_flags_open, flags, &value, &wrong))
        return value_expected_name(reader, i, wrong, abi_flags_open);
    how->flags = value;
    if (*text.at == '{') {
        field_number(text, "mode", &value);
        how->mode = value;
        field_number(text, "resolve", &value);
        how->resolve = value;
    }
    reader->data[i] = sizeof *how;
    return value_pointer(reader, i, how);
}

/* A list of buffers at `list`: returns how many, or -1. */
static int value_iov(struct reader *reader, struct span text, uint64_t *list)
{
    size_t width = reader->out->arch == ABI_I386 ? 4 : 8, length, count = 0;
    bool list_given = *text.at == '[';
    struct span rest = list_given ? span_inside(text) : text, part, base;
    unsigned char *vector = value_take(reader, VALUE_ELEMENTS * 2 * width);

    for (; vector && count < VALUE_ELEMENTS && (list_given ? span_part(&rest, &part) : count == 0); count++) {
        uint64_t at = 0, size = 0;
        bool given;

        part = list_given ? part : text;
        given = *part.at == '{' && field_number(part, "iov_len", &size);
        base = part;
        if (*part.at != '{' || (span_field(part, "iov_base", &base) && *base.at == '"')) {
            at = (uint64_t)(uintptr_t)value_bytes(reader, base, size < CALL_BYTES_MAX ? (size_t)size : CALL_BYTES_MAX, &length);
            size = given ? size : length;
        }
        memcpy(vector + 2 * count * width, &at, width);
        memcpy(vector + (2 * count + 1) * width, &size, width);
    }
    *list = (uint64_t)(uintptr_t)vector;
    return vector ? (int)count : -1;
}

/* [{iov_base="...", iov_len=N}]; one buffer may stand alone in quotes, and in words without them. */
int value_vectors(struct reader *reader, int i, struct span text)
{
    int count;

    if (*text.at != '"' && *text.at != '[' && value_address(reader, i, text))
        return 0;
    count = *text.at == '"' || *text.at == '[' || reader->words ? value_iov(reader, text, &reader->out->args[i]) : -1;
    if (count < 0)
        return value_expected(reader, i, text, "a list of buffers [{iov_base=\"...\", iov_len=N}]");
    reader->data[i] = (size_t)count;
    return 0;
}

/* A time: a number of seconds, or {tv_sec=..., tv_nsec=...}. */
int value_time(struct reader *reader, int i, struct span text, size_t size)
{
    unsigned char *into = value_take(reader, size);
    uint64_t seconds = 0, rest = 0;
    char number[32], *end;

    if (*text.at == '{') {
        field_number(text, "tv_sec", &seconds);
        if (!field_number(text, "tv_nsec", &rest))
            field_number(text, "tv_usec", &rest);
    } else {
        snprintf(number, sizeof number, "%.*s", (int)(text.length < sizeof number ? text.length : 0), text.at);
        double value = strtod(number, &end);
        if (end == number || *end || !(value >= 0 && value < 1e15))
            return value_expected(reader, i, text, "a number of seconds");
        seconds = (uint64_t)value;
        rest = (uint64_t)((value - (double)seconds) * (value_arg(reader, i)->shape == ABI_TIMEVAL ? 1e6 : 1e9));
    }
    if (into) {
        memcpy(into, &seconds, size / 2);    /* little-endian */
        memcpy(into + size / 2, &rest, size / 2);
    }
    return value_pointer(reader, i, into);
}

/* ---- addresses ---------------------------------------------------------------------------- */

struct address { struct text_addr addr; char host[128]; bool port_given; uint64_t port; };

static int address_unix(struct address *a, struct span path, bool abstract)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&a->addr.raw;
    char *bytes = path.length < 4 * sizeof un->sun_path ? malloc(path.length + 1) : NULL;
    size_t count = bytes ? span_unescape(path, bytes) : sizeof un->sun_path, start = 0;

    if (bytes && count && bytes[0] == '@' && !abstract) {    /* as nurse writes them: "@name" */
        abstract = true;
        start = 1;
    }
    if (!bytes || count - start + abstract > sizeof un->sun_path) {
        free(bytes);
        return -1;
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + abstract, bytes + start, count - start);
    a->addr.len = offsetof(struct sockaddr_un, sun_path) + count - start + 1;
    if (a->addr.len > sizeof *un)
        a->addr.len = sizeof *un;
    free(bytes);
    return 0;
}

/* An IP address as text, and the port. */
static int address_ip(struct address *a, int family)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&a->addr.raw;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->addr.raw;

    if (a->port > UINT16_MAX)
        return -1;
    if (family == AF_INET && inet_pton(AF_INET, a->host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)a->port);
        a->addr.len = sizeof *in;
        return 0;
    }
    if (family == AF_INET6 && inet_pton(AF_INET6, a->host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)a->port);
        a->addr.len = sizeof *in6;
        return 0;
    }
    return -1;
}

/* A bare or quoted host somewhere in a part: inet_addr("10.0.0.1"), inet_pton(AF_INET6, "::1", &sin6_addr), 10.0.0.1. */
static void address_host(struct address *a, struct span part)
{
    const char *quote = memchr(part.at, '"', part.length);

    if (!quote && memchr(part.at, '=', part.length))    /* sin6_flowinfo=... */
        return;
    if (quote) {
        part = span_after(part, (size_t)(quote - part.at) + 1);
        part.length = strcspn(part.at, "\"") < part.length ? strcspn(part.at, "\"") : part.length;
    }
    if (part.length < sizeof a->host)
        snprintf(a->host, sizeof a->host, "%.*s", (int)part.length, part.at);
}

/* htons(443), or "port 443" */
static bool address_port(struct address *a, struct span part)
{
    for (size_t i = 0; i + 6 < part.length; i++)
        if (memcmp(part.at + i, "htons(", 6) == 0)
            return span_number((struct span){ part.at + i + 6, part.length - i - 7 }, &a->port);
    return span_begins(part, "port ") && span_number(span_after(part, 5), &a->port);
}

static int address_family(struct span text)
{
    char name[32];
    uint64_t number;

    if (span_begins(text, "sa_family="))
        text = span_after(text, strlen("sa_family="));
    if (span_number(text, &number))
        return number <= UINT16_MAX ? (int)number : -1;
    snprintf(name, sizeof name, "%.*s", (int)(text.length < sizeof name ? text.length : 0), text.at);
    if (strcmp(name, "AF_LOCAL") == 0)
        return AF_UNIX;
    return text_addr_family_of(name);
}

/* {AF_INET, 10.0.0.1, port 443} as nurse writes it, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("10.0.0.1")} as strace does. */
static int address_braces(struct address *a, struct span text)
{
    struct span rest = span_inside(text), part;
    int family = span_part(&rest, &part) ? address_family(part) : -1;

    if (family < 0)
        return -1;
    a->addr.raw.ss_family = (sa_family_t)family;
    a->addr.len = sizeof a->addr.raw.ss_family;
    while (span_part(&rest, &part)) {
        bool named = span_begins(part, "sun_path="), abstract = named && span_begins(part, "sun_path=@");

        if (family == AF_UNIX)
            return address_unix(a, span_after(part, named ? strlen("sun_path=") + abstract : 0), abstract);
        if (!address_port(a, part) && !a->host[0])
            address_host(a, part);
    }
    return family == AF_INET || family == AF_INET6 ? address_ip(a, family) : 0;
}

/* 10.0.0.1:443, [::1]:443, ::1, /run/socket, @abstract, unix:relative */
static int address_word(struct address *a, struct span text)
{
    const char *colon = memrchr(text.at, ':', text.length);
    bool v6 = *text.at == '[' || (colon && memchr(text.at, ':', (size_t)(colon - text.at)));
    struct span host = text;

    if (span_begins(text, "unix:"))
        return address_unix(a, span_after(text, strlen("unix:")), false);
    if (*text.at == '/' || *text.at == '.' || *text.at == '@')
        return address_unix(a, text, false);
    if (colon && (!v6 || (*text.at == '[' && colon > text.at && colon[-1] == ']'))) {
        host.length = (size_t)(colon - text.at);
        if (!span_number(span_after(text, host.length + 1), &a->port))
            return -1;
    }
    address_host(a, *host.at == '[' ? span_inside(host) : host);
    return address_ip(a, v6 ? AF_INET6 : AF_INET);
}

static int value_sockaddr(struct reader *reader, int i, struct span text, uint64_t *at, size_t *length)
{
    struct address a = { .port = 0 };
    void *into = value_take(reader, sizeof a.addr.raw);

    if (!text.length || (*text.at == '{' ? address_braces(&a, text) : address_word(&a, text)) != 0)
        return value_expected(reader, i, text, "a socket address (10.0.0.1:443, [::1]:443, /run/socket, @abstract, {AF_INET, 10.0.0.1, port 443})");
    if (!into)
        return -1;
    memcpy(into, &a.addr.raw, sizeof a.addr.raw);
    *at = (uint64_t)(uintptr_t)into;
    *length = a.addr.len;
    return 0;
}

int value_addr(struct reader *reader, int i, struct span text)
{
    if (value_address(reader, i, text))
        return 0;
    return value_sockaddr(reader, i, text, &reader->out->args[i], &reader->data[i]);
}

/* {msg_name={...}, msg_iov=[...], ...}, in words also the address alone: struct msghdr at `into`, which has room for seven words. */
static int value_message(struct reader *reader, int i, struct span text, unsigned char *into)
{
    size_t width = reader->out->arch == ABI_I386 ? 4 : 8, length = 0;
    uint64_t word[7] = { 0 };    /* name, namelen, iov, iovlen, control, controllen, flags */
    struct span field = text;

    if ((*text.at != '{' || span_field(text, "msg_name", &field)) && !span_is(field, "NULL") && !span_begins(field, "0x")) {
        if (value_sockaddr(reader, i, field, &word[0], &length) != 0)
            return -1;
        word[1] = length;
    }
    if (*text.at == '{' && span_field(text, "msg_iov", &field) && *field.at == '[') {
        int count = value_iov(reader, field, &word[2]);

        if (count < 0)
            return -1;
        word[3] = (uint64_t)count;
    }
    for (int k = 0; k < 7; k++)
        memcpy(into + (size_t)k * width, &word[k], width);    /* little-endian */
    return 0;
}

int value_header(struct reader *reader, int i, struct span text)
{
    unsigned char *into = value_take(reader, VALUE_ROOM);

    if (value_address(reader, i, text))
        return 0;
    return into && value_message(reader, i, text, into) == 0 ? value_pointer(reader, i, into) : -1;
}

/* [{msg_hdr={...}, msg_len=5}, ...] of sendmmsg; nurse shows the first message, without the list. */
int value_headers(struct reader *reader, int i, struct span text)
{
    size_t size = reader->out->arch == ABI_I386 ? 32 : 64, count = 0;
    unsigned char *into = value_take(reader, VALUE_ELEMENTS * size);
    bool list = *text.at == '[';
    struct span rest = list ? span_inside(text) : text, part, header;

    if (value_address(reader, i, text))
        return 0;
    while (into && count < VALUE_ELEMENTS && (list ? span_part(&rest, &part) : count == 0)) {
        header = part = list ? part : text;
        if (*part.at == '{')
            span_field(part, "msg_hdr", &header);
        if (value_message(reader, i, header, into + size * count++) != 0)
            return -1;
    }
    reader->data[i] = count;
    return value_pointer(reader, i, into);
}
