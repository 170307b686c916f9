/*
 * flip-attacker: changes, as fast as it can, what a sandboxed flip-victim passes to its system calls.
 *
 * Runs outside of the sandbox, as the hostile sibling of the victim: two processes share a mapping.
 *   flip-attacker FILE DIR bytes|links SECONDS
 * makes FILE (struct flip) and the objects below DIR, prints "ready", and flips until SECONDS are over or it is
 * killed or its parent dies. "bytes" flips the names, the socket address and the open flags in the mapping; "links" exchanges
 * the symbolic links DIR/link and DIR/knil, of which one leads to the allowed and one to the forbidden directory.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flip.h"

static const char good[4] = "good", evil[4] = "evil";

static void make_file(const char *path, int size)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0644);
    if (fd == -1 || ftruncate(fd, size) != 0)
        err(1, "%s", path);
    close(fd);
}

static void make_objects(const char *dir)
{
    if (chdir(dir) != 0)
        err(1, "%s", dir);
    make_file("good", FLIP_GOOD_SIZE);
    make_file("evil", FLIP_EVIL_SIZE);
    mkdir("sock", 0755);
    mkdir("tree", 0755);
    mkdir("tree/good", 0755);
    mkdir("tree/evil", 0755);
    make_file("tree/good/file", FLIP_GOOD_SIZE);
    make_file("tree/evil/file", FLIP_EVIL_SIZE);
    unlink("link");
    unlink("knil");
    if (symlink("tree/good", "link") != 0 || symlink("tree/evil", "knil") != 0)
        err(1, "symlink");
}

/* Place text so that its last four letters are aligned; returns the offset of the text. */
static uint32_t place(char *buf, size_t head, const char *text)
{
    size_t at = -(head + strlen(text)) & 3;
    memcpy(buf + at + head, text, strlen(text) + 1);
    return (uint32_t)at;
}

static struct flip *make_mapping(const char *file, const char *dir)
{
    char text[128];
    int fd = open(file, O_CREAT | O_TRUNC | O_RDWR, 0644);
    if (fd == -1 || ftruncate(fd, sizeof(struct flip)) != 0)
        err(1, "%s", file);
    struct flip *flip = mmap(NULL, sizeof *flip, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (flip == MAP_FAILED)
        err(1, "mmap");
    if (snprintf(flip->dir, sizeof flip->dir, "%s", dir) >= (int)sizeof flip->dir)
        errx(1, "%s: too long", dir);
    snprintf(text, sizeof text, "%s/good", dir);
    flip->path_at = place(flip->path, 0, text);
    snprintf(text, sizeof text, "%s/link/file", dir);
    flip->link_at = place(flip->link, 0, text);
    snprintf(text, sizeof text, "%s/sock/good", dir);
    flip->addr_at = place(flip->addr, sizeof(sa_family_t), text);
    flip->addr_len = (uint32_t)(sizeof(sa_family_t) + strlen(text) + 1);
    memcpy(flip->addr + flip->addr_at, &(sa_family_t){ AF_UNIX }, sizeof(sa_family_t));
    return flip;
}

static uint32_t random_next(void)
{
    static uint32_t x = 2463534242;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
}

/* From nothing to some microseconds: the time between a check and a use is not known. */
static void random_pause(void)
{
    static const uint32_t spread[4] = { 1, 4, 32, 128 };
    uint32_t r = random_next();
    for (uint32_t i = (r >> 8) % spread[r & 3]; i > 0; i--)
        __builtin_ia32_pause();
}

static void flip_word(char *at, const char *to, int tear)
{
    uint32_t word;
    memcpy(&word, to, 4);
    if (!tear) {
        *(volatile uint32_t *)(void *)at = word;
        return;
    }
    for (int i = 0; i < 4; i++) {
        *(volatile char *)(at + i) = to[i];
        if (i == 1)
            random_pause();
    }
}

static void flip_bytes(struct flip *flip)
{
    char *path = flip->path + flip->path_at + strlen(flip->path + flip->path_at) - 4;
    char *addr = flip->addr + flip->addr_at + flip->addr_len - 5;
    for (;;) {
        uint32_t r = random_next();
        const char *to = r & 1 ? good : evil;
        flip_word(path, to, (r & 0x70) == 0);
        flip_word(addr, to, (r & 0x70) == 0);
        *(volatile uint64_t *)&flip->how[0] = r >> 8 & 1 ? O_RDONLY : O_WRONLY;
        flip->flips++;
        random_pause();
    }
}

static void flip_links(struct flip *flip)
{
    for (;;) {
        if (renameat2(AT_FDCWD, "link", AT_FDCWD, "knil", RENAME_EXCHANGE) != 0)
            err(1, "rename");
        flip->flips++;
        random_pause();
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        errx(2, "usage: flip-attacker FILE DIR bytes|links SECONDS");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct flip *flip = make_mapping(argv[1], argv[2]);
    make_objects(argv[2]);
    alarm((unsigned)atoi(argv[4]));
    puts("ready");
    fflush(stdout);
    if (strcmp(argv[3], "links") == 0)
        flip_links(flip);
    flip_bytes(flip);
}
