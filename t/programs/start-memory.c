/* start-memory: what the heap, the stack and the zero-filled data of a new program promise; prints facts that do not depend on addresses. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static char zeros[3 * 4096 + 5];
static const char constant[5000] = "constant";
static char data[5000] = "data";
static __thread char own[300] = "thread";

static uintptr_t set_break(uintptr_t to)
{
    return (uintptr_t)syscall(SYS_brk, to);
}

/* Before anything is printed: stdio would take its buffers from the same heap. */
static void heap(void)
{
    uintptr_t start = set_break(0);
    int good[6];

    good[0] = set_break(start + 100000) == start + 100000;
    memset((void *)start, 7, 100000);
    good[1] = set_break(start + 5000) == start + 5000;
    good[2] = set_break(start + 100000) == start + 100000;
    good[3] = ((char *)start)[50000] == 0 && ((char *)start)[100] == 7;
    good[4] = set_break(4096) == start + 100000 && set_break(UINTPTR_MAX - 4096) == start + 100000;
    good[5] = set_break(start) == start;
    printf("heap: grow %d, shrink %d, grow again %d, zeros %d, impossible %d, same %d\n", good[0], good[1], good[2], good[3], good[4], good[5]);
}

static void blocks(void)
{
    size_t total = 0;
    for (int i = 0; i < 200; i++) {
        size_t size = (size_t)(i * 977 % 300) * 1000;
        char *p = malloc(size + 1);
        if (!p)
            break;
        memset(p, i, size + 1);
        total += size;
        if (i % 3)
            free(p);
    }
    printf("malloc: %zu\n", total);
}

static void map(void)
{
    char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("mmap: %d\n", p != MAP_FAILED);
    p[5] = 1;
    char *q = mremap(p, 1 << 20, 4 << 20, MREMAP_MAYMOVE);
    printf("mremap: %d\n", q != MAP_FAILED && q[5] == 1);
    printf("mprotect: %d\n", mprotect(q, 4096, PROT_READ));
    printf("munmap: %d\n", munmap(q, 4 << 20));
#ifdef MAP_32BIT
    printf("low 2 GB: %d\n", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0) != MAP_FAILED);
#endif
}

/* Rights of the stack, and of no mapping that is both writable and executable beside it. */
static void rights(void)
{
    char line[4400], rights[8];
    unsigned long from, to, here = (unsigned long)(uintptr_t)line;
    FILE *maps = fopen("/proc/self/maps", "r");

    while (maps && fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 && from <= here && here < to)
            printf("stack: %s\n", rights);
    if (maps)
        fclose(maps);
}

static size_t deep(size_t n, volatile char *up)
{
    volatile char room[4096];
    room[0] = up[0];
    return n == 0 ? (size_t)room[0] : deep(n - 1, room) + (size_t)room[0];
}

int main(void)
{
    size_t set = 0;

    for (size_t i = 0; i < sizeof zeros; i++)
        set += zeros[i] != 0;
    heap();
    printf("zeros: %zu, constant %s, data %s, thread %s %d\n", set, constant, data, own, own[299]);
    blocks();
    map();
    rights();
    volatile char zero[1] = { 0 };
    printf("6 MB of stack: %zu\n", deep(1500, zero));
    return 0;
}
