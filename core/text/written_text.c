/*
 * written_text: the text of written calls: its pieces, numbers, quoted strings, and names.
 *
 * Pure; runs in the command line. Believes nobody: a piece is a place and a length, and nothing is read beyond it but the NUL that ends the whole.
 * Test: t/10-unit-written.t.
 */
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
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/abi/flags.h"
#include "core/text/written_inside.h"

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

bool span_begins(struct span text, const char *word)
{
    return text.length >= strlen(word) && memcmp(text.at, word, strlen(word)) == 0;
}

struct span span_after(struct span text, size_t count)
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
struct span span_inside(struct span text)
{
    text = span_trim(text);
    if (text.length && strchr("])}", text.at[text.length - 1]))
        text.length--;
    return text.length ? span_after(text, 1) : text;
}

/* NAME=value in braces. */
bool span_field(struct span braces, const char *name, struct span *value)
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
size_t span_unescape(struct span text, char *into)
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
bool names_read(const struct abi_flag *set, struct span text, uint64_t *value, struct span *wrong)
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
