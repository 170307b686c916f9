/*
 * window-noise: writes random bytes over its own request windows, most over that of its only thread, for so many milliseconds (default
 * 2000) while it makes calls, then stops, and sees whether its calls are still answered. What a taken-over program would do to the helper: posted rubbish, half of it plausible.
 *
 * The gates' own notes in those pages are left alone, since without them the program only hurts itself and the noise ends early;
 * `window-noise MS all` spares nothing, and may die or hang. Without a window it says so, and
 * the test knows that it proved nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/mailbox/layout.h"

static uint64_t state = 88172645463325252u;

static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* The writable mapping whose name holds "nurse-request". */
static unsigned char *find_window(size_t *size)
{
    char line[4400], rights[8];
    unsigned long from, to;
    unsigned char *window = NULL;
    FILE *maps = fopen("/proc/self/maps", "r");

    while (maps && fgets(line, sizeof line, maps)) {
        if (!strstr(line, "nurse-request") || sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 || rights[1] != 'w')
            continue;
        window = (unsigned char *)(uintptr_t)from;
        *size = to - from;
    }
    if (maps)
        fclose(maps);
    return window;
}

/* The gate's own notes, of any thread: where its windows are, and whether the trustee sleeps. */
static int is_note(size_t at)
{
    at %= MAILBOX_REQUEST_SPAN;
    return at == offsetof(struct request, self) || at == offsetof(struct request, order) || at == offsetof(struct request, record) ||
        at == offsetof(struct request, done);
}

static void rubbish(unsigned char *window, size_t words, int spare)
{
    int kind = (int)(rnd() % 4);
    /* Mostly the first words, where the protocol lives; sometimes everything; small values reach further than wild ones. */
    for (size_t i = 0; i < (kind ? 16 : words); i++) {
        uint64_t value = kind == 1 ? rnd() % 8 : kind == 2 ? rnd() % 500 : rnd();
        size_t at = (kind ? rnd() % 40 : i) * 8;
        if (!spare || !is_note(at))
            memcpy(window + at, &value, 8);
    }
}

/* A request as the gate would post it, but of no call that was made. */
static void forgery(struct request *request)
{
    request->nr = rnd() % 8 ? rnd() % 460 : rnd();
    for (int i = 0; i < 6; i++)
        request->arg[i] = rnd() % 3 ? rnd() % 5 : rnd() % 2 ? (uintptr_t)request + rnd() % 4096 : rnd();
    request->ip = rnd();
    __atomic_store_n(&request->state, REQUEST_POSTED, __ATOMIC_SEQ_CST);
}

static void noise(unsigned char *window, size_t size, int spare)
{
    if (rnd() % 2)
        forgery((struct request *)(void *)window);
    else
        rubbish(window, size / 8, spare);
}

/* A call of libc, so that it takes the gate where there is one; any answer will do while there is noise. */
static void some_call(void)
{
    switch (rnd() % 4) {
    case 0: getppid(); break;
    case 1: close(open("/etc/passwd", O_RDONLY)); break;
    case 2: access("/etc", R_OK); break;
    default: lseek(0, 0, SEEK_CUR);
    }
}

static int still_answered(void)
{
    struct timespec start, now;

    clock_gettime(CLOCK_MONOTONIC, &start);
    do    /* the answer to the last forgery may still be on its way, and would be taken for that to a call */
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 50);
    for (int fd = 3; fd < 1024; fd++)    /* what forged opens have left */
        close(fd);
    for (int i = 0; i < 100; i++) {
        int fd = open("/etc/passwd", O_RDONLY);
        char byte;
        if (fd < 0 || read(fd, &byte, 1) != 1 || close(fd) != 0 || getpid() != syscall(SYS_getpid))
            return 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    size_t size = 0;
    unsigned char *window = find_window(&size);
    long milliseconds = argc > 1 ? atol(argv[1]) : 2000;
    struct timespec start, now;
    unsigned long rounds = 0;
    int spare = argc <= 2;

    printf("window: %s\n", window ? "found" : "none");
    fflush(stdout);
    if (!window)
        return 3;
    state ^= (uint64_t)getpid() << 20;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        noise(window, size, spare);
        some_call();
        rounds++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < milliseconds);
    ((struct request *)(void *)window)->busy = 0;
    ((struct request *)(void *)window)->state = REQUEST_NONE;
    printf("rounds: %s\n", rounds > 100 ? "many" : "few");
    printf("answered afterwards: %d\n", still_answered());
    return 0;
}
