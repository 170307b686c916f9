/*
 * flip-victim: passes names that somebody else is changing to system calls, and looks what it got.
 *
 * Runs in the sandbox; plays the hostile program whose sibling is flip-attacker. It asks the kernel what was reached: the
 * size of the file, the access mode of the descriptor, the socket that a datagram arrives at (it holds both).
 *   flip-victim FILE MODE TRIES SECONDS
 * prints one line: MODE tries=N good=N denied=N errors=N evil=N. Proof of the race: t/50-attack-flip.t.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "flip.h"

static const struct flip *flip;
static const char *path, *through_link;
static const struct sockaddr *addr;
static int sockets[2], sender;        /* sockets: where "good" and "evil" arrive */

enum outcome { GOOD, EVIL, FAILED, OUTCOMES };

static enum outcome outcome_of_size(off_t size)
{
    return size == FLIP_GOOD_SIZE ? GOOD : EVIL;
}

static enum outcome outcome_of_fd(int fd)
{
    struct stat st;
    if (fd == -1)
        return FAILED;
    int bad = fstat(fd, &st) != 0 || (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
    close(fd);
    return bad ? EVIL : outcome_of_size(st.st_size);
}

/* Something was sent: a datagram that is not at the good socket went astray. */
static enum outcome outcome_of_datagram(void)
{
    char byte;
    if (recv(sockets[0], &byte, 1, MSG_DONTWAIT) == 1)
        return GOOD;
    recv(sockets[1], &byte, 1, MSG_DONTWAIT);
    return EVIL;
}

static enum outcome try_open(void) { return outcome_of_fd(open(path, O_RDONLY)); }
static enum outcome try_link(void) { return outcome_of_fd(open(through_link, O_RDONLY)); }

static enum outcome try_openat2(void)
{
    return outcome_of_fd((int)syscall(SYS_openat2, AT_FDCWD, path, flip->how, sizeof flip->how));
}

static enum outcome try_stat(void)
{
    struct stat st;
    return stat(path, &st) == 0 ? outcome_of_size(st.st_size) : FAILED;
}

static enum outcome try_linkstat(void)
{
    struct stat st;
    return stat(through_link, &st) == 0 ? outcome_of_size(st.st_size) : FAILED;
}

static enum outcome after_connect(int result)
{
    if (result != 0)
        return FAILED;
    return send(sender, "x", 1, MSG_DONTWAIT) == 1 ? outcome_of_datagram() : EVIL;
}

/* libc's function: on i386 that is socketcall, so its arguments lie in memory too. */
static enum outcome try_connect(void)
{
    return after_connect(connect(sender, addr, flip->addr_len));
}

static enum outcome try_connect_raw(void)
{
    return after_connect((int)syscall(SYS_connect, sender, addr, flip->addr_len));
}

static enum outcome try_sendto(void)
{
    return sendto(sender, "x", 1, MSG_DONTWAIT, addr, flip->addr_len) == 1 ? outcome_of_datagram() : FAILED;
}

static const struct { const char *name; enum outcome (*try)(void); int sockets; } modes[] = {
    { "open", try_open, 0 },       { "openat2", try_openat2, 0 },         { "stat", try_stat, 0 },
    { "connect", try_connect, 1 }, { "connect_raw", try_connect_raw, 1 }, { "sendto", try_sendto, 1 },
    { "link", try_link, 0 },       { "linkstat", try_linkstat, 0 },
};

static int bound_socket(const char *name)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    snprintf(un.sun_path, sizeof un.sun_path, "%.64s/sock/%s", flip->dir, name);
    unlink(un.sun_path);
    if (fd == -1 || bind(fd, (struct sockaddr *)&un, sizeof un) != 0)
        err(1, "%s", un.sun_path);
    return fd;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void run(const char *name, enum outcome (*try)(void), long tries, double limit)
{
    long count[OUTCOMES] = { 0 }, denied = 0, i;
    double end = seconds() + limit;
    for (i = 0; i < tries && ((i & 63) != 0 || seconds() < end); i++) {
        enum outcome outcome = try();
        if (outcome == FAILED && errno == EPERM)
            denied++;
        else
            count[outcome]++;
    }
    printf("%s tries=%ld good=%ld denied=%ld errors=%ld evil=%ld\n", name, i, count[GOOD], denied, count[FAILED], count[EVIL]);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        errx(2, "usage: flip-victim FILE MODE TRIES SECONDS");
    int fd = open(argv[1], O_RDONLY);
    flip = mmap(NULL, sizeof *flip, PROT_READ, MAP_SHARED, fd, 0);
    if (fd == -1 || flip == MAP_FAILED)
        err(1, "%s", argv[1]);
    path = flip->path + flip->path_at;
    through_link = flip->link + flip->link_at;
    addr = (const struct sockaddr *)(const void *)(flip->addr + flip->addr_at);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(argv[2], modes[i].name) != 0)
            continue;
        if (modes[i].sockets) {
            sockets[0] = bound_socket("good");
            sockets[1] = bound_socket("evil");
            sender = socket(AF_UNIX, SOCK_DGRAM, 0);
        }
        run(argv[2], modes[i].try, atol(argv[3]), atof(argv[4]));
        return 0;
    }
    errx(2, "no mode %s", argv[2]);
}
