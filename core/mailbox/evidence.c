/*
 * evidence: what a trustee has really done.
 *
 * Runs in the helper. Everything in the sandbox's memory can be written by the program, the result cell too, and a helper that
 * believed a forged "done" would overwrite an order while the trustee is still loading it. So the trustee leaves seq and result in the one
 * per-thread register of the kernel that takes any value and can be read from outside: the head of its robust futex list
 * (set_robust_list(2), get_robust_list(2)). 0.1 us on each side, no descriptor, no memory. Test: t/51-attack-mailbox.t.
 */
#include "core/mailbox/mailbox.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NR_I386_GET_ROBUST_LIST = 312 };    /* asm/unistd_32.h */

static bool evidence_x86_64(pid_t tid, uint64_t *head)
{
    size_t length;

    return syscall(SYS_get_robust_list, tid, head, &length) == 0;
}

/* A 32-bit thread's list hangs in another field of its task, which only the 32-bit call reads. */
static bool evidence_i386(pid_t tid, uint64_t *head)
{
    static volatile uint32_t *low;    /* memory that a 32-bit call can point to */
    long result;

    if (!low) {
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

        if (page == MAP_FAILED)
            return false;
        low = page;
    }
    __asm__ volatile("int $0x80" : "=a"(result) : "0"((long)NR_I386_GET_ROBUST_LIST), "b"((long)tid), "c"(low), "d"(low + 1)
                     : "memory", "r8", "r9", "r10", "r11");
    *head = low[0];
    return result == 0;
}

bool mailbox_evidence(enum abi_arch arch, pid_t tid, uint32_t seq, int64_t *bits)
{
    int shift = arch == ABI_X86_64 ? 48 : 16;
    uint64_t head;

    if (!(arch == ABI_X86_64 ? evidence_x86_64(tid, &head) : evidence_i386(tid, &head)))
        return false;
    *bits = arch == ABI_X86_64 ? (int64_t)(head << 16) >> 16 : (int64_t)(head & 0xffff);
    return (head >> shift & 0xffff) == (seq & 0xffff);
}
