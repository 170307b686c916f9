/*
 * addr: the parts of a socket address, as text.
 *
 * Runs in the helper. The bytes are the program's and may be cut anywhere; `len` says how many there are.
 * unit-policy.c: addresses.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "core/text/text.h"

static const struct { const char *name, *short_name; int family; } families[] = {
    { "AF_UNSPEC", "unspec", AF_UNSPEC }, { "AF_UNIX", "unix", AF_UNIX }, { "AF_INET", "inet", AF_INET },
    { "AF_INET6", "inet6", AF_INET6 }, { "AF_NETLINK", "netlink", AF_NETLINK }, { "AF_PACKET", "packet", AF_PACKET },
    { "AF_VSOCK", "vsock", AF_VSOCK }, { "AF_ALG", "alg", AF_ALG }, { NULL, NULL, 0 },
};

const char *text_addr_family(const struct text_addr *addr)
{
    if (addr->len < sizeof addr->raw.ss_family)
        return NULL;
    for (int i = 0; families[i].name; i++)
        if (families[i].family == addr->raw.ss_family)
            return families[i].name;
    return NULL;
}

int text_addr_family_of(const char *name)
{
    for (int i = 0; families[i].name; i++)
        if (strcmp(families[i].name, name) == 0 || strcmp(families[i].short_name, name) == 0)
            return families[i].family;
    return -1;
}

/* The address with a family and at least `size` bytes. */
static const void *addr_as(const struct text_addr *addr, int family, size_t size)
{
    return addr->len >= size && addr->raw.ss_family == family ? &addr->raw : NULL;
}

int text_addr_ip(const struct text_addr *addr, char *buf, size_t size)
{
    const struct sockaddr_in *in = addr_as(addr, AF_INET, offsetof(struct sockaddr_in, sin_zero));
    const struct sockaddr_in6 *in6 = addr_as(addr, AF_INET6, offsetof(struct sockaddr_in6, sin6_scope_id));

    if (in)
        return inet_ntop(AF_INET, &in->sin_addr, buf, (socklen_t)size) ? 0 : -1;
    if (in6)
        return inet_ntop(AF_INET6, &in6->sin6_addr, buf, (socklen_t)size) ? 0 : -1;
    return -1;
}

int text_addr_port(const struct text_addr *addr)
{
    const struct sockaddr_in *in = addr_as(addr, AF_INET, offsetof(struct sockaddr_in, sin_addr));
    const struct sockaddr_in6 *in6 = addr_as(addr, AF_INET6, offsetof(struct sockaddr_in6, sin6_flowinfo));

    if (in)
        return ntohs(in->sin_port);
    return in6 ? ntohs(in6->sin6_port) : -1;
}

int text_addr_path(const struct text_addr *addr, char *buf, size_t size)
{
    const size_t start = offsetof(struct sockaddr_un, sun_path);
    const struct sockaddr_un *un = addr_as(addr, AF_UNIX, start);

    if (!un || size == 0)
        return -1;
    size_t len = addr->len - start;
    if (len > sizeof un->sun_path)
        len = sizeof un->sun_path;
    bool abstract = len > 0 && un->sun_path[0] == '\0';
    if (!abstract)
        len = strnlen(un->sun_path, len);
    if (len > size - 1)
        len = size - 1;
    memcpy(buf, un->sun_path, len);
    if (abstract)
        buf[0] = '@';
    buf[len] = '\0';
    return (int)len;
}
