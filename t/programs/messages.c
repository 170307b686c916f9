/*
 * messages: data in vectors and messages with addresses, for policies that look at them and change them.
 *
 *   messages writev | pwritev            writes "ab", "" and "cd" as three vectors
 *   messages sendmsg | sendmmsg          sends to the first of two sockets (sendmmsg: two messages), says which one got what
 *   messages flip COUNT                  sends COUNT messages, or until one goes wrong, to the first socket while a thread swaps the address for the second's; says how many
 *                                        the second one got
 *   messages receive                     receives what it has sent itself: readv into two vectors, then recvmsg
 *   messages pass COUNT                 sends COUNT messages that pass a descriptor while a thread hides it; says whether any came, and whether messages did
 *   messages bad                         the errors of bad pointers, one a line
 *   messages sleep                       sleeps for 30 seconds
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int sockets[2];
static struct sockaddr_in address[2];

static void sockets_open(void)
{
    for (int i = 0; i < 2; i++) {
        socklen_t size = sizeof address[i];

        sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        address[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)(40001 + i)), .sin_addr.s_addr = htonl(0x7f0b0000 + (uint32_t)getpid() % 60000 + 1) };
        if (bind(sockets[i], (struct sockaddr *)&address[i], sizeof address[i]) != 0)
            perror("bind"), exit(1);
        getsockname(sockets[i], (struct sockaddr *)&address[i], &size);
    }
}

/* What lies in a socket: each message in brackets. */
static void sockets_show(void)
{
    char bytes[64];

    for (int i = 0; i < 2; i++) {
        ssize_t n;

        printf("socket %d:", i);
        while ((n = recv(sockets[i], bytes, sizeof bytes, 0)) >= 0)
            printf(" [%.*s]", (int)n, bytes);
        printf("\n");
    }
}

static struct iovec three[] = { { "ab", 2 }, { NULL, 0 }, { "cd", 2 } };

static void act_writev(void)
{
    printf(" %zd\n", writev(1, three, 3));
}

static void act_pwritev(void)
{
    char bytes[16] = "";
    FILE *file = tmpfile();
    ssize_t n = pwritev(fileno(file), three, 3, 1);

    if (pread(fileno(file), bytes, sizeof bytes - 1, 1) < 0)
        perror("pread");
    printf("%s %zd\n", bytes, n);
}

static void act_sendmsg(void)
{
    struct msghdr message = { .msg_name = &address[0], .msg_namelen = sizeof address[0], .msg_iov = three, .msg_iovlen = 3 };

    sockets_open();
    printf("%zd\n", sendmsg(sockets[0], &message, 0));
    sockets_show();
}

static void act_sendmmsg(void)
{
    struct iovec one = { "x", 1 };
    struct mmsghdr messages[2] = {
        { .msg_hdr = { .msg_name = &address[0], .msg_namelen = sizeof address[0], .msg_iov = three, .msg_iovlen = 3 } },
        { .msg_hdr = { .msg_name = &address[0], .msg_namelen = sizeof address[0], .msg_iov = &one, .msg_iovlen = 1 } },
    };
    int done = 0, n = 0;

    sockets_open();
    while (done < 2 && (n = sendmmsg(sockets[0], messages + done, 2 - (unsigned)done, 0)) > 0)
        done += n;
    printf("%d of %u and %u bytes\n", n < 0 ? n : done, messages[0].msg_len, messages[1].msg_len);
    sockets_show();
}

static void act_receive(void)
{
    char bytes[16] = "";
    struct iovec two[] = { { bytes, 2 }, { bytes + 2, 8 } };
    struct sockaddr_in from;
    struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = two, .msg_iovlen = 2 };

    sockets_open();
    sendto(sockets[0], "first", 5, 0, (struct sockaddr *)&address[1], sizeof address[1]);
    sendto(sockets[0], "second", 6, 0, (struct sockaddr *)&address[1], sizeof address[1]);
    printf("%zd\n", readv(sockets[1], two, 2));
    printf("%zd\n", recvmsg(sockets[1], &message, 0));
}

static volatile bool stop;

static void *flipper(void *name)
{
    struct sockaddr_in *where = name;

    while (!stop) {
        __atomic_store_n(&where->sin_port, address[1].sin_port, __ATOMIC_RELAXED);
        for (int i = 0; i < 50; i++)
            __atomic_store_n(&where->sin_port, address[0].sin_port, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void act_flip(int count)
{
    struct sockaddr_in where;
    struct msghdr message = { .msg_name = &where, .msg_namelen = sizeof where, .msg_iov = three, .msg_iovlen = 3 };
    int wrong = 0, right = 0, refused = 0;
    char bytes[8];
    pthread_t thread;

    sockets_open();
    where = address[0];
    pthread_create(&thread, NULL, flipper, &where);
    for (int i = 0; i < count && !wrong; i++) {
        refused += sendmsg(sockets[0], &message, 0) < 0;
        wrong += recv(sockets[1], bytes, sizeof bytes, 0) > 0;
        right += recv(sockets[0], bytes, sizeof bytes, 0) > 0;
    }
    stop = true;
    pthread_join(thread, NULL);
    printf("%s %s %s\n", wrong ? "wrong" : "-", right ? "right" : "-", refused ? "refused" : "-");
}

/* Of another level than SOL_SOCKET control data mean nothing to the socket, and are no error. */
static void *hider(void *level)
{
    while (!stop) {
        *(volatile int *)level = 99;
        *(volatile int *)level = SOL_SOCKET;
    }
    return NULL;
}

/* One message from the pair; true when a descriptor came with it. */
static bool take(int fd, int *messages)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec one = { &byte, 1 };
    struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    struct cmsghdr *first;

    if (recvmsg(fd, &message, MSG_DONTWAIT) <= 0)
        return false;
    ++*messages;
    first = CMSG_FIRSTHDR(&message);
    if (!first || first->cmsg_type != SCM_RIGHTS)
        return false;
    close(*(int *)CMSG_DATA(first));
    return true;
}

static void act_pass(int count)
{
    char control[CMSG_SPACE(sizeof(int))] = "";
    struct iovec one = { "x", 1 };
    struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    struct cmsghdr *first = CMSG_FIRSTHDR(&message);
    int pair[2], passed = 0, messages = 0;
    pthread_t thread;

    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    *first = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
    pthread_create(&thread, NULL, hider, &first->cmsg_level);
    for (int i = 0; i < count && !(passed && messages > 10); i++) {
        sendmsg(pair[0], &message, 0);
        passed += take(pair[1], &messages);
    }
    stop = true;
    pthread_join(thread, NULL);
    printf("%s %s\n", passed ? "passed" : "-", messages ? "messages" : "-");
}

static void show(const char *what, ssize_t result)
{
    printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
}

static void act_bad(void)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iovec far = { (void *)16, 4 }, half = { page + 4092, 8 }, huge = { page, (size_t)-1 };
    struct msghdr no_name = { .msg_name = (void *)16, .msg_namelen = 16, .msg_iov = three, .msg_iovlen = 3 };
    struct msghdr negative = { .msg_name = &address[0], .msg_namelen = (socklen_t)-1, .msg_iov = three, .msg_iovlen = 3 };
    struct msghdr many = { .msg_name = &address[0], .msg_namelen = sizeof address[0], .msg_iov = three, .msg_iovlen = 1025 };

    sockets_open();
    munmap(page + 4096, 4096);
    show("writev of bad data", syscall(SYS_writev, 1, &far, 1));
    show("writev of bad vectors", syscall(SYS_writev, 1, (void *)16, 1));
    show("writev of too many", syscall(SYS_writev, 1, three, 1025));
    show("writev of too much", syscall(SYS_writev, 1, &huge, 1));
    show("writev of none", syscall(SYS_writev, 1, three, 0));
    show("writev of data that end too early", syscall(SYS_writev, sockets[0], &half, 1));
    show("sendmsg at a bad address", syscall(SYS_sendmsg, sockets[0], (void *)16, 0));
    show("sendmsg with a bad name", syscall(SYS_sendmsg, sockets[0], &no_name, 0));
    show("sendmsg with a name of negative length", syscall(SYS_sendmsg, sockets[0], &negative, 0));
    show("sendmsg with too many vectors", syscall(SYS_sendmsg, sockets[0], &many, 0));
    show("sendmmsg of none", syscall(SYS_sendmmsg, sockets[0], NULL, 0, 0));
    show("sendmmsg at a bad address", syscall(SYS_sendmmsg, sockets[0], (void *)16, 1, 0));
    show("nanosleep at a bad address", syscall(SYS_nanosleep, (void *)16, NULL));
}

static void act_sleep(void)
{
    struct timespec before, after;

    clock_gettime(CLOCK_MONOTONIC, &before);
    nanosleep(&(struct timespec){ .tv_sec = 30 }, NULL);
    clock_gettime(CLOCK_MONOTONIC, &after);
    puts(after.tv_sec - before.tv_sec < 29 ? "short" : "long");
}

int main(int argc, char **argv)
{
    static const struct { const char *name; void (*act)(void); } acts[] = {
        { "writev", act_writev }, { "pwritev", act_pwritev }, { "sendmsg", act_sendmsg }, { "sendmmsg", act_sendmmsg }, { "receive", act_receive }, { "bad", act_bad },
        { "sleep", act_sleep },
    };

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; argc == 2 && i < sizeof acts / sizeof *acts; i++)
        if (strcmp(argv[1], acts[i].name) == 0)
            return acts[i].act(), 0;
    if (argc == 3 && strcmp(argv[1], "flip") == 0)
        return act_flip(atoi(argv[2])), 0;
    if (argc == 3 && strcmp(argv[1], "pass") == 0)
        return act_pass(atoi(argv[2])), 0;
    return 2;
}
