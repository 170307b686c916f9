/* start-where: prints where things lie, for a test that address space randomisation is kept. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
    int here = 0;
    void *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    printf("stack %p\nheap %p\nmmap %p\nlibc %p\nprogram %p\n", (void *)&here, sbrk(0), map, (void *)&puts, (void *)&main);
    return 0;
}
