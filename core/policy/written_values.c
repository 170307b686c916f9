/*
 * written_values: the arguments of a written call: what each type of the table looks like, and the memory that pointers point to.
 *
 * Runs in the command line. Believes nobody: every length is bounded by the one block of memory that calls are built in, which lies below 4 GiB so
 * that i386's calls can point to it too. Test: t/10-unit-written.t.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/abi/flags.h"
#include "core/helper/call.h"
#include "core/policy/text.h"
#include "core/policy/written_inside.h"

enum {
    MEMORY = 4 << 20,
    ROOM = 4096,            /* for what the kernel would fill, and structs that are not read here */
    ELEMENTS = 256,         /* of a list of buffers */
    SOME_FD = 3,            /* of a socket that isn't named */
};

/* ---- memory ------------------------------------------------------------------------------- */

static unsigned char *memory;
static size_t memory_used;

int value_memory(struct reader *reader)
{
    if (!memory) {
        void *low = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

        if (low == MAP_FAILED)
            return reader_mistake(reader, "no memory below 4 GiB: %s", strerror(errno));
        memory = low;
    }
    memset(memory, 0, memory_used);
    memory_used = 0;
    return 0;
}

/* Zeroed bytes; NULL after a mistake. */
static void *memory_take(struct reader *reader, size_t size)
{
    size_t whole = (size + 15) & ~(size_t)15;

    if (!memory || whole < size || whole > MEMORY - memory_used) {
        reader_mistake(reader, "%s: more data than one call can have here", reader->out->row->name);
        return NULL;
    }
    memory_used += whole;
    return memory + memory_used - whole;
}

static int value_pointer(struct reader *reader, int i, const void *at)
{
    reader->out->args[i] = (uint64_t)(uintptr_t)at;
    return at ? 0 : -1;
}

static int value_room(struct reader *reader, int i, size_t size)
{
    return value_pointer(reader, i, memory_take(reader, size));
}

/* ---- text --------------------------------------------------------------------------------- */

struct span span_trim(struct span text)
{
    while (text.length && isspace((unsigned char)*text.at)) {
        text.at++;
        text.length--;
    }
    while (text.length && isspace((unsigned char)text.at[text.length - 1]))
        text.length--;
    return text;
}

bool span_is(struct span text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.at, word, text.length) == 0;
}

static bool span_begins(struct span text, const char *word)
{
    return text.length >= strlen(word) && memcmp(text.at, word, strlen(word)) == 0;
}

static struct span span_after(struct span text, size_t count)
{
    return (struct span){ text.at + count, text.length - count };
}

/* Past a quoted string that begins at i; the end of the text when it doesn't end. */
static size_t span_quoted(struct span text, size_t i)
{
    for (i++; i < text.length && text.at[i] != '"'; i++)
        if (text.at[i] == '\\')
            i++;
    return i < text.length ? i + 1 : text.length;
}

bool span_part(struct span *rest, struct span *part)
{
    int depth = 0;
    size_t i = 0;

    if (!rest->at || !span_trim(*rest).length)
        return false;
    while (i < rest->length && (rest->at[i] != ',' || depth > 0)) {
        if (rest->at[i] == '"') {
            i = span_quoted(*rest, i);
            continue;
        }
        depth += strchr("([{", rest->at[i]) && rest->at[i] ? 1 : 0;
        depth -= strchr(")]}", rest->at[i]) && rest->at[i] ? 1 : 0;
        i++;
    }
    *part = span_trim((struct span){ rest->at, i });
    *rest = i < rest->length ? span_after(*rest, i + 1) : (struct span){ NULL, 0 };
    return true;
}

/* What stands between the first of the brackets and its end. */
static struct span span_inside(struct span text)
{
    text = span_trim(text);
    if (text.length && strchr("])}", text.at[text.length - 1]))
        text.length--;
    return text.length ? span_after(text, 1) : text;
}

/* NAME=value in braces. */
static bool span_field(struct span braces, const char *name, struct span *value)
{
    struct span rest = span_inside(braces), part;
    size_t length = strlen(name);

    while (span_part(&rest, &part)) {
        if (span_begins(part, name) && part.length > length && part.at[length] == '=') {
            *value = span_after(part, length + 1);
            return true;
        }
    }
    return false;
}

bool span_number(struct span text, uint64_t *value)
{
    char digits[32], *end;

    if (!text.length || text.length >= sizeof digits)
        return false;
    memcpy(digits, text.at, text.length);
    digits[text.length] = '\0';
    if (!isdigit((unsigned char)digits[digits[0] == '-']))
        return false;
    errno = 0;
    *value = strtoull(digits, &end, 0);
    return !*end && !errno;
}

/* The byte of an escape that begins behind the backslash at text[*i], which moves to its last character. */
static char span_escape(struct span text, size_t *i)
{
    static const char letters[] = "abefnrtv", bytes[] = "\a\b\033\f\n\r\t\v";
    char c = text.at[*i];
    const char *letter = strchr(letters, c);
    unsigned value = 0;
    size_t digits = 0;

    if (c == 'x') {
        for (; digits < 2 && *i + 1 < text.length && isxdigit((unsigned char)text.at[*i + 1]); digits++, (*i)++)
            value = value * 16 + (unsigned)(isdigit((unsigned char)text.at[*i + 1]) ? text.at[*i + 1] - '0' : (text.at[*i + 1] | 32) - 'a' + 10);
        return (char)value;
    }
    if (c < '0' || c > '7')
        return letter && c ? bytes[letter - letters] : c;
    for (; digits < 3 && *i < text.length && text.at[*i] >= '0' && text.at[*i] <= '7'; digits++, (*i)++)
        value = value * 8 + (unsigned)(text.at[*i] - '0');
    (*i)--;
    return (char)value;
}

/* The bytes of a string, quoted or bare; `into` has room for as many as the text is long. Returns how many. */
static size_t span_unescape(struct span text, char *into)
{
    bool quoted = text.length && *text.at == '"';
    size_t count = 0;

    for (size_t i = quoted; i < text.length && !(quoted && text.at[i] == '"'); i++) {
        if (text.at[i] == '\\' && i + 1 < text.length) {
            i++;
            into[count++] = span_escape(text, &i);
        } else {
            into[count++] = text.at[i];
        }
    }
    return count;
}

/* ---- names -------------------------------------------------------------------------------- */

/* What strace writes beside, or in place of, the names of the table's sets. */
#define NAME(name) { #name, (uint64_t)(int64_t)(name), 0 }
static const struct abi_flag other_names[] = {
    NAME(NULL), NAME(AT_FDCWD), NAME(FD_CLOEXEC), NAME(MAP_FILE), NAME(MAP_ANON), NAME(O_NDELAY), { "AT_STATX_SYNC_AS_STAT", 0, 0 },
    NAME(S_IFREG), NAME(S_IFDIR), NAME(S_IFCHR), NAME(S_IFBLK), NAME(S_IFIFO), NAME(S_IFSOCK), NAME(S_IFLNK), NAME(S_ISUID), NAME(S_ISGID),
    NAME(S_ISVTX), NAME(RESOLVE_BENEATH), NAME(RESOLVE_IN_ROOT), NAME(RESOLVE_NO_MAGICLINKS), NAME(RESOLVE_NO_SYMLINKS), NAME(RESOLVE_NO_XDEV),
    NAME(RESOLVE_CACHED), NAME(IPPROTO_IP), NAME(IPPROTO_ICMP), NAME(IPPROTO_TCP), NAME(IPPROTO_UDP), NAME(IPPROTO_IPV6), NAME(IPPROTO_RAW),
    NAME(SO_REUSEADDR), NAME(SO_REUSEPORT), NAME(SO_TYPE), NAME(SO_ERROR), NAME(SO_BROADCAST), NAME(SO_SNDBUF), NAME(SO_RCVBUF),
    NAME(SO_KEEPALIVE), NAME(SO_LINGER), NAME(SO_PEERCRED), NAME(SO_PASSCRED), NAME(SO_RCVTIMEO), NAME(SO_SNDTIMEO), NAME(SO_ACCEPTCONN),
    NAME(SO_DOMAIN), NAME(SO_PROTOCOL), NAME(SO_BINDTODEVICE), NAME(TCP_NODELAY), NAME(TCP_CORK), NAME(TCP_KEEPIDLE), NAME(TCP_KEEPINTVL),
    NAME(TCP_KEEPCNT), NAME(TCP_DEFER_ACCEPT), NAME(TCP_INFO), NAME(TCP_QUICKACK), NAME(TCP_FASTOPEN), NAME(IP_TOS), NAME(IP_TTL),
    NAME(IP_RECVERR), NAME(IP_PKTINFO), NAME(IP_MTU_DISCOVER), NAME(IPV6_V6ONLY), NAME(IPV6_RECVERR), NAME(IPV6_RECVPKTINFO),
    { "FUTEX_BITSET_MATCH_ANY", UINT32_MAX, 0 }, { "PR_SET_VMA_ANON_NAME", 0, 0 }, { "SIG_DFL", 0, 0 }, { "SIG_IGN", 1, 0 },
    NAME(NETLINK_ROUTE), NAME(NETLINK_SOCK_DIAG), NAME(NETLINK_NETFILTER), NAME(NETLINK_AUDIT), NAME(NETLINK_KOBJECT_UEVENT), NAME(NETLINK_GENERIC),
    NAME(CAP_CHOWN), NAME(CAP_DAC_OVERRIDE), NAME(CAP_DAC_READ_SEARCH), NAME(CAP_FOWNER), NAME(CAP_FSETID), NAME(CAP_KILL), NAME(CAP_SETGID),
    NAME(CAP_SETUID), NAME(CAP_SETPCAP), NAME(CAP_LINUX_IMMUTABLE), NAME(CAP_NET_BIND_SERVICE), NAME(CAP_NET_BROADCAST), NAME(CAP_NET_ADMIN),
    NAME(CAP_NET_RAW), NAME(CAP_IPC_LOCK), NAME(CAP_IPC_OWNER), NAME(CAP_SYS_MODULE), NAME(CAP_SYS_RAWIO), NAME(CAP_SYS_CHROOT),
    NAME(CAP_SYS_PTRACE), NAME(CAP_SYS_PACCT), NAME(CAP_SYS_ADMIN), NAME(CAP_SYS_BOOT), NAME(CAP_SYS_NICE), NAME(CAP_SYS_RESOURCE),
    NAME(CAP_SYS_TIME), NAME(CAP_SYS_TTY_CONFIG), NAME(CAP_MKNOD), NAME(CAP_LEASE), NAME(CAP_AUDIT_WRITE), NAME(CAP_AUDIT_CONTROL),
    NAME(CAP_SETFCAP), NAME(CAP_MAC_OVERRIDE), NAME(CAP_MAC_ADMIN), NAME(CAP_SYSLOG), NAME(CAP_WAKE_ALARM), NAME(CAP_BLOCK_SUSPEND),
    NAME(CAP_AUDIT_READ), NAME(CAP_PERFMON), NAME(CAP_BPF), NAME(CAP_CHECKPOINT_RESTORE),
    { "IPC_PRIVATE", 0, 0 }, { "P_PIDFD", 3, 0 }, { "SCHED_OTHER", 0, 0 }, { NULL, 0, 0 },
};

#define SET(name) abi_flags_##name,
static const struct abi_flag *const every_set[] = { ABI_FLAG_SETS(SET) other_names };
#undef SET

static bool names_look(const struct abi_flag *set, const char *name, uint64_t *value)
{
    const struct abi_flag *flag;

    if (!set || abi_flag_value(set, name, &flag) != 0)
        return false;
    *value |= flag->value;
    return true;
}

/* FUTEX_WAKE_PRIVATE is FUTEX_WAKE|FUTEX_PRIVATE_FLAG. */
static bool names_look_futex(const char *name, uint64_t *value)
{
    const char *end = strstr(name, "_PRIVATE");
    char stem[64];

    if (!end || strcmp(end, "_PRIVATE") != 0)
        return false;
    snprintf(stem, sizeof stem, "%.*s", (int)(end - name), name);
    return names_look(abi_flags_futex, stem, value) && names_look(abi_flags_futex, "FUTEX_PRIVATE_FLAG", value);
}

/* One name or number of "O_RDWR|0x100"; where the table has no set, any name that it has elsewhere will do. */
static bool names_one(const struct abi_flag *set, struct span text, uint64_t *value)
{
    char name[64];
    uint64_t number;

    if (span_number(text, &number)) {
        *value |= number;
        return true;
    }
    if (text.length >= sizeof name)
        return false;
    snprintf(name, sizeof name, "%.*s", (int)text.length, text.at);
    if (names_look(set, name, value) || names_look(other_names, name, value) || (set == abi_flags_futex && names_look_futex(name, value)))
        return true;
    for (size_t i = 0; !set && i < sizeof every_set / sizeof *every_set; i++)
        if (names_look(every_set[i], name, value))
            return true;
    return false;
}

/* All of them; *wrong is the first that is none. */
static bool names_read(const struct abi_flag *set, struct span text, uint64_t *value, struct span *wrong)
{
    *value = 0;
    for (size_t i = 0; i <= text.length; i++) {
        size_t start = i;

        while (i < text.length && text.at[i] != '|')
            i++;
        *wrong = span_trim((struct span){ text.at + start, i - start });
        if (!names_one(set, *wrong, value))
            return false;
    }
    return true;
}

/* ---- mistakes ----------------------------------------------------------------------------- */

static const struct abi_arg *value_arg(const struct reader *reader, int i)
{
    return &reader->out->row->args[i];
}

static int value_expected(struct reader *reader, int i, struct span text, const char *what)
{
    int shown = text.length < 80 ? (int)text.length : 80;

    return reader_mistake(reader, "'%.*s': %s of %s: %s was expected", shown, text.at, value_arg(reader, i)->name, reader->out->row->name, what);
}

static int value_expected_name(struct reader *reader, int i, struct span text, const struct abi_flag *set)
{
    char what[256] = "a number or one of";
    size_t used = strlen(what);

    for (int k = 0; set && set[k].name && used < sizeof what - 64; k++)
        used += (size_t)snprintf(what + used, sizeof what - used, "%s %s", k ? "," : "", set[k].name);
    return value_expected(reader, i, text, set ? what : "a number");
}

/* ---- numbers ------------------------------------------------------------------------------ */

/* strace explains: 3</etc/passwd>, 0x3001 / * ARCH_??? * /. In words such things belong to the word. */
static struct span value_plain(const struct reader *reader, struct span text)
{
    for (size_t i = 1; !reader->words && i + 1 < text.length; i++)
        if ((text.at[i] == '/' && text.at[i + 1] == '*') || (text.at[i] == '<' && text.at[i + 1] != '<' && text.at[i - 1] != '<'))
            return span_trim((struct span){ text.at, i });
    return text;
}

static int read_string(struct reader *reader, int i, struct span text);

/* Where a pointer hides behind a number (fcntl's lock, prctl's name) the text may be what it points to. */
static bool value_points(struct span text)
{
    return text.length && strchr("\"[{~&", *text.at);
}

static bool value_is_narrow(enum abi_type type)
{
    return type == ABI_INT || type == ABI_UINT || type == ABI_FD || type == ABI_DIRFD || type == ABI_PID || type == ABI_UID || type == ABI_GID ||
           type == ABI_SIGNAL || type == ABI_CLOCK;
}

static int value_set(struct reader *reader, int i, struct span text, uint64_t value)
{
    int64_t number = (int64_t)value;

    if (value_is_narrow(value_arg(reader, i)->type) && (number < INT32_MIN || number > UINT32_MAX))
        return value_expected(reader, i, text, "a number of 32 bits");
    reader->out->args[i] = value;
    return 0;
}

static int read_number(struct reader *reader, int i, struct span text)
{
    const struct abi_flag *set = value_arg(reader, i)->set;
    uint64_t value;
    struct span wrong;

    if (value_points(text))
        return *text.at == '"' ? read_string(reader, i, text) : value_room(reader, i, ROOM);
    text = value_plain(reader, text);
    if (!names_read(set, text, &value, &wrong))
        return value_expected_name(reader, i, wrong, set);
    return value_set(reader, i, text, value);
}

static int read_pid(struct reader *reader, int i, struct span text)
{
    if (!span_is(text, "self"))
        return read_number(reader, i, text);
    reader->out->args[i] = (uint64_t)getpid();
    return 0;
}

/* Octal whether it begins with a zero or not, as for chmod(1); S_IFIFO|0644 too. */
static int read_mode(struct reader *reader, int i, struct span text)
{
    char octal[80];
    uint64_t value;
    struct span wrong, number = { octal, 0 };

    text = value_plain(reader, text);
    if (text.length && text.length < 32 && isdigit((unsigned char)*text.at) && *text.at != '0')
        number.length = (size_t)snprintf(octal, sizeof octal, "0%.*s", (int)text.length, text.at);
    if (!names_read(NULL, number.length ? number : text, &value, &wrong))
        return value_expected(reader, i, text, "a mode in octal");
    return value_set(reader, i, text, value);
}

static int read_signal(struct reader *reader, int i, struct span text)
{
    char name[32];
    uint64_t value;

    text = value_plain(reader, text);
    snprintf(name, sizeof name, "%.*s", (int)(text.length < sizeof name ? text.length : 0), text.at);
    if (abi_signal(name))
        value = (uint64_t)abi_signal(name);
    else if (!span_number(text, &value))
        return value_expected(reader, i, text, "a signal");
    return value_set(reader, i, text, value);
}

/* makedev(0x8, 0x1) */
static int read_unsigned(struct reader *reader, int i, struct span text)
{
    struct span rest, part;
    uint64_t number[2] = { 0, 0 };

    if (!span_begins(text, "makedev("))
        return read_number(reader, i, text);
    rest = span_inside(span_after(text, strlen("makedev")));
    for (int k = 0; k < 2 && span_part(&rest, &part); k++)
        if (!span_number(part, &number[k]))
            return value_expected(reader, i, part, "a number");
    reader->out->args[i] = makedev((unsigned)number[0], (unsigned)number[1]);
    return 0;
}

/* ---- strings and buffers ------------------------------------------------------------------ */

/* NULL, and addresses as they are: 1, the argument is done. */
static int value_address(struct reader *reader, int i, struct span text)
{
    uint64_t value;

    text = value_plain(reader, text);
    if (!span_is(text, "NULL") && !(span_number(text, &value) && (!reader->words || span_begins(text, "0x"))))
        return 0;
    reader->out->args[i] = span_is(text, "NULL") ? 0 : value;
    return 1;
}

/* The bytes of a string in memory, with a NUL behind; *count of them. */
static char *value_bytes(struct reader *reader, struct span text, size_t least, size_t *count)
{
    char *bytes = memory_take(reader, (text.length > least ? text.length : least) + 1);

    *count = bytes ? span_unescape(text, bytes) : 0;
    return bytes;
}

static int read_string(struct reader *reader, int i, struct span text)
{
    size_t count;
    char *bytes;

    if (span_is(text, "NULL") || (!reader->words && *text.at != '"' && value_address(reader, i, text)))
        return 0;
    if (!reader->words && *text.at != '"')
        return value_expected(reader, i, text, "a string in quotes");
    bytes = value_bytes(reader, text, 0, &count);
    if (bytes && memchr(bytes, '\0', count))
        return value_expected(reader, i, text, "a string without a NUL byte");
    return value_pointer(reader, i, bytes);
}

/* [1, 2]: integers */
static int read_integers(struct reader *reader, int i, struct span text)
{
    struct span rest = span_inside(text), part, wrong;
    int32_t *into = memory_take(reader, CALL_BYTES_MAX);
    uint64_t value;
    size_t count = 0;

    while (into && span_part(&rest, &part) && count < CALL_BYTES_MAX / sizeof *into)
        into[count++] = names_read(NULL, part, &value, &wrong) ? (int32_t)value : 0;
    reader->data[i] = count * sizeof *into;
    return value_pointer(reader, i, into);
}

/* Room for as much as is ever looked at, so that a count beyond the text finds zeros. */
static int read_buffer(struct reader *reader, int i, struct span text)
{
    char *bytes;

    if (*text.at == '[')
        return read_integers(reader, i, text);
    if (value_points(text) && *text.at != '"')
        return value_room(reader, i, CALL_BYTES_MAX);
    if (value_address(reader, i, text))
        return 0;
    if (!reader->words && *text.at != '"')
        return value_expected(reader, i, text, "bytes in quotes");
    bytes = value_bytes(reader, text, CALL_BYTES_MAX, &reader->data[i]);
    return value_pointer(reader, i, bytes);
}

int value_strings(struct reader *reader, int i, const struct span *strings, size_t count)
{
    size_t width = reader->out->arch == ABI_I386 ? 4 : 8, length;
    unsigned char *list = memory_take(reader, (count + 1) * width);

    for (size_t k = 0; list && k < count; k++) {
        uint64_t at = (uint64_t)(uintptr_t)value_bytes(reader, strings[k], 0, &length);

        if (!at)
            return -1;
        memcpy(list + k * width, &at, width);    /* little-endian */
    }
    return value_pointer(reader, i, list);
}

/* ["ls", "-l"]; an address, as recordings have it for environments, is an empty list: nobody kept it. */
static int read_strings(struct reader *reader, int i, struct span text)
{
    struct span rest = span_inside(text), list[ELEMENTS], part;
    size_t count = 0;

    if (span_is(text, "NULL"))
        return 0;
    if (*text.at != '[') {
        if (value_address(reader, i, text))
            return value_strings(reader, i, NULL, 0);
        return value_expected(reader, i, text, "a list of strings [\"a\", \"b\"]");
    }
    while (count < ELEMENTS && span_part(&rest, &part))
        if (*part.at == '"')
            list[count++] = part;
    return value_strings(reader, i, list, count);
}

/* ---- structs ------------------------------------------------------------------------------ */

/* A number in a field of a struct, written at its place. */
static bool field_number(struct span braces, const char *name, uint64_t *value)
{
    struct span text, wrong;

    *value = 0;
    return span_field(braces, name, &text) && names_read(NULL, text, value, &wrong);
}

static int read_how(struct reader *reader, int i, struct span text)
{
    struct open_how *how = memory_take(reader, CALL_BYTES_MAX);
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
    unsigned char *vector = memory_take(reader, ELEMENTS * 2 * width);

    for (; vector && count < ELEMENTS && (list_given ? span_part(&rest, &part) : count == 0); count++) {
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
static int read_iov(struct reader *reader, int i, struct span text)
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
static int value_time(struct reader *reader, int i, struct span text, size_t size)
{
    unsigned char *into = memory_take(reader, size);
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

static int read_struct(struct reader *reader, int i, struct span text)
{
    const struct abi_arg *arg = value_arg(reader, i);

    if (arg->shape == ABI_BLOB || span_is(text, "NULL") || span_begins(text, "0x"))
        return read_number(reader, i, text);
    return value_time(reader, i, text, reader->out->arch == ABI_I386 ? arg->size32 : arg->size);
}

/* What the kernel fills: its contents don't matter before, unless a recording has them for after(). */
static int read_filled(struct reader *reader, int i, struct span text)
{
    if (*text.at == '"')
        return read_buffer(reader, i, text);
    if (value_points(text))
        return value_room(reader, i, ROOM);
    if (value_address(reader, i, text))
        return 0;
    return read_number(reader, i, text);
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
    void *into = memory_take(reader, sizeof a.addr.raw);

    if (!text.length || (*text.at == '{' ? address_braces(&a, text) : address_word(&a, text)) != 0)
        return value_expected(reader, i, text, "a socket address (10.0.0.1:443, [::1]:443, /run/socket, @abstract, {AF_INET, 10.0.0.1, port 443})");
    if (!into)
        return -1;
    memcpy(into, &a.addr.raw, sizeof a.addr.raw);
    *at = (uint64_t)(uintptr_t)into;
    *length = a.addr.len;
    return 0;
}

static int read_address(struct reader *reader, int i, struct span text)
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

static int read_message(struct reader *reader, int i, struct span text)
{
    unsigned char *into = memory_take(reader, ROOM);

    if (value_address(reader, i, text))
        return 0;
    return into && value_message(reader, i, text, into) == 0 ? value_pointer(reader, i, into) : -1;
}

/* [{msg_hdr={...}, msg_len=5}, ...] of sendmmsg; nurse shows the first message, without the list. */
static int read_messages(struct reader *reader, int i, struct span text)
{
    size_t size = reader->out->arch == ABI_I386 ? 32 : 64, count = 0;
    unsigned char *into = memory_take(reader, ELEMENTS * size);
    bool list = *text.at == '[';
    struct span rest = list ? span_inside(text) : text, part, header;

    if (value_address(reader, i, text))
        return 0;
    while (into && count < ELEMENTS && (list ? span_part(&rest, &part) : count == 0)) {
        header = part = list ? part : text;
        if (*part.at == '{')
            span_field(part, "msg_hdr", &header);
        if (value_message(reader, i, header, into + size * count++) != 0)
            return -1;
    }
    reader->data[i] = count;
    return value_pointer(reader, i, into);
}

/* ---- by type ------------------------------------------------------------------------------ */

static int (*const readers[])(struct reader *reader, int i, struct span text) = {    /* by enum abi_type; the others are numbers */
    [ABI_UINT] = read_unsigned, [ABI_PID] = read_pid, [ABI_MODE] = read_mode, [ABI_SIGNAL] = read_signal,
    [ABI_PATH] = read_string, [ABI_PATH_LINK] = read_string, [ABI_PATH_NAME] = read_string, [ABI_PATH_AT] = read_string,
    [ABI_PATH_OPEN] = read_string, [ABI_STRING] = read_string, [ABI_STRINGS] = read_strings, [ABI_OPEN_HOW] = read_how,
    [ABI_ADDR_IN] = read_address, [ABI_ADDR_OUT] = read_filled, [ABI_BUF_IN] = read_buffer, [ABI_BUF_OUT] = read_filled,
    [ABI_IOV_IN] = read_iov, [ABI_IOV_OUT] = read_iov, [ABI_MSG_IN] = read_message, [ABI_MMSG_IN] = read_messages, [ABI_MSG_OUT] = read_filled,
    [ABI_STRUCT_IN] = read_struct, [ABI_STRUCT_OUT] = read_filled,
};

int value_read(struct reader *reader, int i, struct span text)
{
    enum abi_type type = value_arg(reader, i)->type;

    reader->out->args[i] = 0;
    if (!text.length) {
        if (reader->words)    /* '' of a shell */
            text = (struct span){ "\"\"", 2 };
        else
            return value_expected(reader, i, text, "a value");
    }
    return ((size_t)type < sizeof readers / sizeof *readers && readers[type] ? readers[type] : read_number)(reader, i, text);
}

static bool is_data(enum abi_type type)
{
    return type == ABI_BUF_IN || type == ABI_BUF_OUT || type == ABI_ADDR_IN || type == ABI_OPEN_HOW || type == ABI_IOV_IN || type == ABI_IOV_OUT ||
           type == ABI_MMSG_IN;
}

static bool is_filled(enum abi_type type)
{
    return type == ABI_BUF_OUT || type == ABI_STRUCT_OUT || type == ABI_ADDR_OUT || type == ABI_IOV_OUT || type == ABI_MSG_OUT;
}

/* A length that follows from the argument before it. */
static bool is_length(const struct abi_call *row, int i)
{
    return i > 0 && (row->args[i].type == ABI_SIZE || row->args[i - 1].type == ABI_MMSG_IN) && is_data(row->args[i - 1].type);
}

static bool is_path(enum abi_type type)
{
    return type >= ABI_PATH && type <= ABI_PATH_OPEN;
}

bool value_takes(const struct reader *reader, int i, struct span text)
{
    const struct abi_call *row = reader->out->row;
    enum abi_type type = row->args[i].type;
    uint64_t number;

    if (type == ABI_DIRFD)
        return span_number(text, &number) || span_is(text, "AT_FDCWD");
    if ((type == ABI_FD && i < 5 && row->args[i + 1].type == ABI_ADDR_IN) || is_length(row, i))
        return span_number(text, &number);
    if (is_filled(type) || (type == ABI_POINTER && i > 0 && row->args[i - 1].type == ABI_ADDR_OUT))
        return span_is(text, "NULL") || span_begins(text, "0x") || value_points(text);
    return true;
}

static int left_out_filled(struct reader *reader, int i)
{
    reader->data[i] = ROOM;
    return value_room(reader, i, value_arg(reader, i)->type == ABI_BUF_OUT ? CALL_BYTES_MAX : ROOM);
}

/* argv[0] is the path, as its writer had it. */
static int left_out_strings(struct reader *reader, int i)
{
    const char *path = i > 0 && is_path(value_arg(reader, i - 1)->type) ? (const char *)(uintptr_t)reader->out->args[i - 1] : NULL;
    uint64_t list[2] = { (uint64_t)(uintptr_t)path, 0 };
    uint32_t list32[2] = { (uint32_t)list[0], 0 };
    void *into = memory_take(reader, sizeof list);

    if (into)
        memcpy(into, reader->out->arch == ABI_I386 ? (void *)list32 : (void *)list, reader->out->arch == ABI_I386 ? sizeof list32 : sizeof list);
    return value_pointer(reader, i, into);
}

int value_left_out(struct reader *reader, int i)
{
    const struct abi_call *row = reader->out->row;
    enum abi_type type = row->args[i].type;

    if (is_path(type) || type == ABI_STRING)
        return reader_mistake(reader, "%s: %s (%s) is missing", row->name, row->args[i].name, is_path(type) ? "a path" : "a string");
    if (is_filled(type))
        return left_out_filled(reader, i);
    if (type == ABI_STRINGS)
        return left_out_strings(reader, i);
    reader->out->args[i] = type == ABI_DIRFD ? (uint64_t)(int64_t)AT_FDCWD : 0;
    if (type == ABI_FD && i < 5 && row->args[i + 1].type == ABI_ADDR_IN)
        reader->out->args[i] = SOME_FD;
    else if (is_length(row, i))
        reader->out->args[i] = reader->data[i - 1];
    else if (strcmp(row->args[i].name, "sigsetsize") == 0)
        reader->out->args[i] = 8;
    else if (type == ABI_POINTER && i > 0 && row->args[i - 1].type == ABI_ADDR_OUT)
        return value_room(reader, i, sizeof(uint32_t));
    return 0;
}
