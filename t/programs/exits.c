/* exits: ends in the way its argument names: a number (exit status), or abort, segv, ill, fpe, bus, stack, term, kill, quick. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static int deeper(volatile char *up)
{
    volatile char room[65536];
    room[0] = up[0];
    return room[0] ? room[0] : deeper(room) + room[0];    /* up[0] is 0: this never ends */
}

static void touch_beyond_file(void)
{
    char name[] = "/tmp/exits-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    volatile char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    *p = 1;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "0";
    volatile int zero = 0;
    volatile char start[1] = { 0 };
    volatile int *volatile wild = (int *)8;

    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    printf("going to end by %s\n", how);
    fflush(stdout);
    if (strcmp(how, "abort") == 0)
        abort();
    else if (strcmp(how, "segv") == 0)
        *wild = 1;
    else if (strcmp(how, "ill") == 0)
        __builtin_trap();
    else if (strcmp(how, "fpe") == 0)
        return 10 / zero;
    else if (strcmp(how, "bus") == 0)
        touch_beyond_file();
    else if (strcmp(how, "stack") == 0)
        return deeper(start);
    else if (strcmp(how, "term") == 0)
        raise(SIGTERM);
    else if (strcmp(how, "kill") == 0)
        kill(getpid(), SIGKILL);
    else if (strcmp(how, "quick") == 0)
        _exit(7);
    return atoi(how);
}
