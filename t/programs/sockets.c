/*
 * sockets: does what its arguments say with sockets, and prints each result: the subject of the tests of nurse.net and nurse.capsicum.
 *
 * An argument is VERB[,WORD...]; a line of output is "ARGUMENT = RESULT", where RESULT is a number, what a server said, or an errno's name.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "t/programs/verbs.h"

struct target { struct sockaddr_storage addr; socklen_t length; int family, type; };

/* "tcp", "udp6"... an address and a port; or "stream", "dgram" and a path, "@" for the zero byte of an abstract one. */
static struct target target_of(char **w)
{
    struct target t = { .family = AF_INET, .type = w[0][0] == 'u' || w[0][0] == 'd' ? SOCK_DGRAM : SOCK_STREAM };
    struct sockaddr_in *in = (void *)&t.addr;
    struct sockaddr_in6 *in6 = (void *)&t.addr;
    struct sockaddr_un *un = (void *)&t.addr;

    if (w[0][0] == 's' || w[0][0] == 'd') {
        t.family = un->sun_family = AF_UNIX;
        memcpy(un->sun_path, w[1], strnlen(w[1], sizeof un->sun_path));    /* one of 108 bytes has no end */
        t.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strnlen(w[1], sizeof un->sun_path));
        if (w[1][0] == '@')
            un->sun_path[0] = '\0';
    } else if (strchr(w[0], '6')) {
        t.family = in6->sin6_family = AF_INET6;
        inet_pton(AF_INET6, w[1], &in6->sin6_addr);
        in6->sin6_port = htons((uint16_t)atoi(w[2]));
        t.length = sizeof *in6;
    } else {
        in->sin_family = AF_INET;
        inet_pton(AF_INET, w[1], &in->sin_addr);
        in->sin_port = htons((uint16_t)atoi(w[2]));
        t.length = sizeof *in;
    }
    return t;
}

static int open_socket(const struct target *t)
{
    int fd = socket(t->family, t->type, 0);

    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_sec = 5 }, sizeof(struct timeval));
    return fd;
}

/* What the server says; closes. */
static long hear(int fd, long result)
{
    if (result >= 0) {
        ssize_t n = read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        result = n < 0 ? -1 : 0;
    }
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static long do_connect(char **w)
{
    struct target t = target_of(w);
    int fd = open_socket(&t);

    if (fd < 0)
        return -1;
    long result = connect(fd, (void *)&t.addr, t.length);
    if (result == 0 && t.type == SOCK_DGRAM)
        result = send(fd, "hello\n", 6, 0);
    return t.family == AF_UNIX && t.type == SOCK_DGRAM ? result : hear(fd, result);
}

static long do_send(char **w)
{
    struct target t = target_of(w);
    int fd = open_socket(&t);

    return fd < 0 ? -1 : t.family == AF_UNIX ? sendto(fd, "hello\n", 6, 0, (void *)&t.addr, t.length)
                                             : hear(fd, sendto(fd, "hello\n", 6, 0, (void *)&t.addr, t.length));
}

static long do_fastopen(char **w)
{
    struct target t = target_of(w);
    int fd = open_socket(&t);

    return fd < 0 ? -1 : hear(fd, sendto(fd, "hello\n", 6, MSG_FASTOPEN, (void *)&t.addr, t.length));
}

static long do_unspec(char **w)    /* an IPv4 address that says that it is none */
{
    struct target t = target_of(w);
    int fd = open_socket(&t);

    t.addr.ss_family = AF_UNSPEC;
    return fd < 0 ? -1 : hear(fd, sendto(fd, "hello\n", 6, 0, (void *)&t.addr, t.length));
}

static long do_sendmsg(char **w)
{
    struct target t = target_of(w);
    int fd = open_socket(&t);
    struct iovec iov = { "hello\n", 6 };
    struct msghdr msg = { .msg_name = &t.addr, .msg_namelen = t.length, .msg_iov = &iov, .msg_iovlen = 1 };

    return fd < 0 ? -1 : t.family == AF_UNIX ? sendmsg(fd, &msg, 0) : hear(fd, sendmsg(fd, &msg, 0));
}

static long do_sendmmsg(char **w)    /* the second message goes to the second target */
{
    struct target t[2] = { target_of(w), target_of(w + 3) };
    int fd = open_socket(&t[0]), done = 0;
    struct iovec iov = { "hello\n", 6 };
    struct mmsghdr msg[2] = { 0 };

    for (int i = 0; i < 2; i++)
        msg[i].msg_hdr = (struct msghdr){ .msg_name = &t[i].addr, .msg_namelen = t[i].length, .msg_iov = &iov, .msg_iovlen = 1 };
    while (done < 2) {
        int n = sendmmsg(fd, msg + done, (unsigned)(2 - done), 0);
        if (n < 0)
            break;
        done += n;
    }
    snprintf(text, sizeof text, "%d sent", done);
    return close(fd);
}

static long do_again(char **w)    /* disconnected, and connected again */
{
    struct target t = target_of(w);
    struct sockaddr none = { .sa_family = AF_UNSPEC };
    int fd = open_socket(&t);

    if (connect(fd, (void *)&t.addr, t.length) != 0 || connect(fd, &none, sizeof none) != 0)
        return -1;
    return hear(fd, connect(fd, (void *)&t.addr, t.length) == 0 ? send(fd, "hello\n", 6, 0) : -1);
}

static long do_peer(char **w)
{
    struct target t = target_of(w);
    struct sockaddr_in peer = { 0 };
    socklen_t length = sizeof peer;
    int fd = open_socket(&t);

    if (connect(fd, (void *)&t.addr, t.length) != 0 || getpeername(fd, (void *)&peer, &length) != 0)
        return -1;
    snprintf(text, sizeof text, "port %d", ntohs(peer.sin_port));
    return close(fd);
}

static long do_bind(char **w)
{
    struct target t = target_of(w);
    int fd = open_socket(&t);
    long result = fd < 0 ? -1 : bind(fd, (void *)&t.addr, t.length);

    if (result == 0 && t.type == SOCK_STREAM)
        result = listen(fd, 1);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static long do_listen(char **w)    /* without an address */
{
    (void)w;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? -1 : listen(fd, 1);
}

static long do_swap(char **w)    /* bound in vain, then not bound at all */
{
    struct target t = target_of(w);
    int fd = open_socket(&t);
    if (bind(fd, (void *)&t.addr, t.length) == 0)
        return 1;
    return listen(fd, 1);
}

static long do_socket(char **w)
{
    int fd = socket(atoi(w[0]), atoi(w[1]), atoi(w[2]));
    return fd < 0 ? -1 : close(fd);
}

static long do_pair(char **w)
{
    int fd[2];

    (void)w;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0 || send(fd[0], "x\n", 2, 0) != 2)
        return -1;
    return hear(fd[1], 0);
}

static long do_file(char **w)    /* no socket at all */
{
    struct target t = target_of(w);
    return connect(0, (void *)&t.addr, t.length);
}

static long do_short(char **w)
{
    struct target t = target_of(w);
    int fd = open_socket(&t);
    return connect(fd, (void *)&t.addr, (socklen_t)atoi(w[3]));
}

static long do_chdir(char **w) { return chdir(w[0]); }

static long do_name(char **w)
{
    struct addrinfo *list = NULL;
    int error = getaddrinfo(w[0], NULL, &(struct addrinfo){ .ai_socktype = SOCK_STREAM }, &list);

    snprintf(text, sizeof text, "%s", error ? gai_strerror(error) : "found");
    freeaddrinfo(list);
    return 0;
}

/* Another thread turns a link to and fro while this one connects by it: who answers? */
static volatile int stop;
static char **turning;

static void *turn(void *unused)
{
    char fresh[512];

    snprintf(fresh, sizeof fresh, "%s.new", turning[0]);
    for (unsigned i = 0; !stop; i++)
        if (symlink(turning[1 + i % 2], fresh) != 0 || rename(fresh, turning[0]) != 0)
            break;
    return unused;
}

static long do_race(char **w)
{
    pthread_t thread;
    int first = 0, second = 0, refused = 0;
    char *words[] = { "stream", w[0], NULL };

    turning = w;
    pthread_create(&thread, NULL, turn, NULL);
    for (int i = 0; i < 100000 && !second && (first < 50 || refused < 50); i++) {
        long result = do_connect(words);
        first += result == 0 && strcmp(text, w[3]) == 0;
        second += result == 0 && strcmp(text, w[4]) == 0;
        refused += result != 0 && errno == EACCES;
    }
    stop = 1;
    pthread_join(thread, NULL);
    snprintf(text, sizeof text, "%s%s%s", first ? w[3] : "", second ? w[4] : "", refused ? " refused" : "");
    return 0;
}

/* Addresses of any family, length and content, by every call that takes one; the same ones each time. */
static long do_rubbish(char **w)
{
    static const int families[] = { AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, 99, AF_UNIX | 0x100 };
    unsigned seed = 1, count = (unsigned)atoi(w[0]), allowed = 0;
    unsigned char bytes[160];
    int fds[] = { socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET6, SOCK_DGRAM, 0), socket(AF_UNIX, SOCK_DGRAM, 0), 0, -1 };
    struct iovec iov = { "x", 1 };

    for (unsigned i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16 & (i % 3 ? 0xff : 0x2f));
        int family = families[seed / 65536 % 7], fd = fds[i % 5];
        memcpy(bytes, &family, 2);
        socklen_t length = i % 7 ? seed / 3 % 140 : (socklen_t)seed;
        struct msghdr msg = { .msg_name = bytes, .msg_namelen = length, .msg_iov = &iov, .msg_iovlen = 1 };
        long results[] = { family == AF_UNSPEC ? -1 : connect(fd, (void *)bytes, length), bind(fd, (void *)bytes, length),
                           sendto(fd, "x", 1, MSG_DONTWAIT, (void *)bytes, length), length ? sendmsg(fd, &msg, MSG_DONTWAIT) : -1 };
        for (int k = 0; k < 4; k++)
            allowed += results[k] >= 0;
    }
    return connect(fds[0], (void *)8, 16) == 0 ? 9999 : (long)allowed;
}

static const struct verb verbs[] = {
    { "connect", 2, do_connect }, { "send", 2, do_send }, { "fastopen", 3, do_fastopen }, { "unspec", 3, do_unspec }, { "sendmsg", 2, do_sendmsg },
    { "sendmmsg", 6, do_sendmmsg }, { "again", 3, do_again }, { "peer", 3, do_peer }, { "bind", 2, do_bind }, { "listen", 0, do_listen },
    { "swap", 3, do_swap }, { "socket", 3, do_socket }, { "pair", 0, do_pair }, { "file", 3, do_file }, { "short", 4, do_short },
    { "chdir", 1, do_chdir }, { "name", 1, do_name }, { "race", 5, do_race }, { "rubbish", 1, do_rubbish },
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (VERBS_ACT(verbs, ',', 6, argv[i]) != 0)
            return 2;
    return 0;
}
