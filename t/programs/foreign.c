/*
 * foreign: makes one system call in an unusual way, then prints its result: int80 (from 64-bit code: the i386 table, a foreign
 * ABI; from 32-bit code: an ordinary call that passes by the VDSO), x32 (the x32 bit set).
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __x86_64__
#define FOREIGN_CLOBBERS , "r8", "r9", "r10", "r11"
#else
#define FOREIGN_CLOBBERS
#endif

/* getpid of the i386 table: 20. */
static long by_interrupt(void)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory" FOREIGN_CLOBBERS);
    return result;
}

static long by_x32(void)
{
#ifdef __x86_64__
    return syscall(0x40000000 + 39);
#else
    return -1;
#endif
}

int main(int argc, char **argv)
{
    printf("before\n");
    fflush(stdout);
    long result = argc > 1 && strcmp(argv[1], "x32") == 0 ? by_x32() : by_interrupt();
    printf("after: %s\n", result > 0 ? "answered" : "refused");
    return 0;
}
