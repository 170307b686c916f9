/*
 * attack: what the hostile test programs share: system calls and threads without libc, and where nurse's memory lies.
 *
 * Runs in the sandbox. A thread made by attack_thread shares everything with the main thread, its TLS too, so it may use raw() and
 * plain memory, and nothing of libc.
 */
#ifndef ATTACK_H
#define ATTACK_H

#include <err.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "core/mailbox/layout.h"

/* The kernel's own answer: a value or -errno. Never redirected to a gate: the number is in no instruction. */
static inline long raw(long nr, long a, long b, long c, long d, long e, long f)
{
    long result;
#ifdef __x86_64__
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;

    __asm__ volatile("syscall" : "=a"(result) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
#else
    const long words[7] = { nr, a, b, c, d, e, f };

    __asm__ volatile("pushl %%ebp\n\tpushl %%ebx\n\t"
                     "movl 4(%%eax), %%ebx\n\tmovl 8(%%eax), %%ecx\n\tmovl 12(%%eax), %%edx\n\tmovl 16(%%eax), %%esi\n\t"
                     "movl 20(%%eax), %%edi\n\tmovl 24(%%eax), %%ebp\n\tmovl (%%eax), %%eax\n\tint $0x80\n\t"
                     "popl %%ebx\n\tpopl %%ebp" : "=a"(result) : "0"(words) : "ecx", "edx", "esi", "edi", "memory");
#endif
    return result;
}

#define RAW_1(nr) raw(nr, 0, 0, 0, 0, 0, 0)
#define RAW_2(nr, a) raw(nr, (long)(a), 0, 0, 0, 0, 0)
#define RAW_3(nr, a, b) raw(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define RAW_4(nr, a, b, c) raw(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define RAW_5(nr, a, b, c, d) raw(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

/* A thread that libc knows nothing of. */
static inline void attack_thread(int (*run)(void *), void *argument)
{
    enum { STACK = 65536 };
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (stack == MAP_FAILED ||
        clone(run, stack + STACK, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, argument) < 0)
        err(1, "clone");
}

/* Where nurse's keep begins; 0 when this process has none. */
static inline uintptr_t attack_keep(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned long long start;
    uintptr_t base = 0;
    char line[512];

    if (!maps)
        err(1, "/proc/self/maps");
    while (!base && fgets(line, sizeof line, maps))
        if (strstr(line, "memfd:nurse-stub") && sscanf(line, "%llx-", &start) == 1)
            base = (uintptr_t)start;
    fclose(maps);
    return base;
}

static inline struct request *attack_request(uintptr_t keep)
{
    return (struct request *)(keep + KEEP_REQUEST);
}

static inline const struct order *attack_order(uintptr_t keep)
{
    return (const struct order *)(keep + KEEP_ORDER);
}

#endif
