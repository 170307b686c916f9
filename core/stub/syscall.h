/*
 * syscall: raw system calls for the stub, which has no libc and so no errno: the kernel's own value comes back, -errno on failure.
 *
 * Runs in the sandbox, in the loader and the code around it. Deliberately only the six-argument form: unused arguments
 * cost one register clear, and one form per architecture is easy to check. Test: t/11-unit-loader.t.
 */
#ifndef NURSE_STUB_SYSCALL_H
#define NURSE_STUB_SYSCALL_H

#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>

#define SYSCALL_PAGE 4096ul

/* Whether a value returned by syscall6() is -errno: the kernel reserves the last page of values for that. */
static inline int syscall_failed(intptr_t value)
{
    return (uintptr_t)value > -SYSCALL_PAGE;
}

#ifdef __x86_64__

static inline intptr_t syscall6(intptr_t nr, intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e, intptr_t f)
{
    register intptr_t r10 __asm__("r10") = d;
    register intptr_t r8 __asm__("r8") = e;
    register intptr_t r9 __asm__("r9") = f;

    __asm__ volatile("syscall" : "+a"(nr) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return nr;
}

#else

/* All seven registers are taken, ebp too, and the compiler may need ebp or esp to find an operand: number and sixth argument
 * are therefore fetched through eax, before eax itself is overwritten. */
static inline intptr_t syscall6(intptr_t nr, intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e, intptr_t f)
{
    const intptr_t outer[2] = { nr, f };
    intptr_t value;

    __asm__ volatile("push %%ebp\n\t"
                     "mov 4(%%eax), %%ebp\n\t"
                     "mov (%%eax), %%eax\n\t"
                     "int $0x80\n\t"
                     "pop %%ebp"
                     : "=a"(value) : "0"(outer), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
    return value;
}

#endif

/* The calls whose number or argument shape differs between the architectures. `offset` is in bytes, a page multiple for mmap. */

static inline intptr_t syscall_mmap(uintptr_t address, size_t length, int prot, int flags, int fd, uint64_t offset)
{
#ifdef __x86_64__
    return syscall6(__NR_mmap, (intptr_t)address, (intptr_t)length, prot, flags, fd, (intptr_t)offset);
#else
    return syscall6(__NR_mmap2, (intptr_t)address, (intptr_t)length, prot, flags, fd, (intptr_t)(offset / SYSCALL_PAGE));
#endif
}

static inline intptr_t syscall_pread(int fd, void *buffer, size_t length, uint64_t offset)
{
#ifdef __x86_64__
    return syscall6(__NR_pread64, fd, (intptr_t)buffer, (intptr_t)length, (intptr_t)offset, 0, 0);
#else
    return syscall6(__NR_pread64, fd, (intptr_t)buffer, (intptr_t)length, (intptr_t)offset, (intptr_t)(offset >> 32), 0);
#endif
}

static inline intptr_t syscall_munmap(uintptr_t address, size_t length)
{
    return syscall6(__NR_munmap, (intptr_t)address, (intptr_t)length, 0, 0, 0, 0);
}

static inline intptr_t syscall_mprotect(uintptr_t address, size_t length, int prot)
{
    return syscall6(__NR_mprotect, (intptr_t)address, (intptr_t)length, prot, 0, 0, 0);
}

static inline intptr_t syscall_close(int fd)
{
    return syscall6(__NR_close, fd, 0, 0, 0, 0, 0);
}

#endif
