/*
 * memory: see memory.h.
 */
#include "core/helper/memory.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>

ssize_t memory_read(pid_t pid, uint64_t addr, void *buf, size_t size)
{
    enum { PAGE = 4096 };
    size_t done = 0;

    /* The kernel may refuse a whole request for one bad page in it: ask again up to the page's edge. */
    while (done < size) {
        uint64_t at = addr + done;
        size_t rest = size - done, edge = PAGE - at % PAGE;
        struct iovec local = { (char *)buf + done, rest }, remote = { (void *)(uintptr_t)at, rest };
        ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);

        if (n < 0 && errno == EFAULT && rest > edge) {
            local.iov_len = remote.iov_len = edge;
            n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
        }
        if (n <= 0)
            return done ? (ssize_t)done : -(n ? errno : EFAULT);
        done += (size_t)n;
    }
    return (ssize_t)done;
}

bool memory_outside(enum abi_arch arch, uint64_t addr, uint64_t size)
{
    const uint64_t end = 0x7ffffffff000;

    return arch == ABI_X86_64 && (addr > end || size > end - addr);    /* nothing of 32 bits reaches that far */
}

ssize_t memory_write(pid_t pid, uint64_t addr, const void *buf, size_t size)
{
    struct iovec local = { (void *)buf, size }, remote = { (void *)(uintptr_t)addr, size };
    ssize_t n = process_vm_writev(pid, &local, 1, &remote, 1, 0);

    return n < 0 ? -errno : n;
}

ssize_t memory_string(pid_t pid, uint64_t addr, char *buf, size_t size)
{
    enum { STEP = 256, PAGE = 4096 };
    size_t done = 0;

    while (done < size) {
        uint64_t at = addr + done;
        size_t step = PAGE - at % PAGE < STEP ? PAGE - at % PAGE : STEP;
        ssize_t n = memory_read(pid, at, buf + done, step < size - done ? step : size - done);
        const char *end;

        if (n <= 0)
            return n ? n : -EFAULT;
        end = memchr(buf + done, '\0', (size_t)n);
        if (end)
            return end - buf;
        done += (size_t)n;
    }
    return -ENAMETOOLONG;
}

void memory_ahead_start(struct memory_ahead *ahead, pid_t pid)
{
    ahead->pid = pid;
    ahead->step = ahead->count = 0;
    ahead->addr = 0;
}

ssize_t memory_ahead(struct memory_ahead *ahead, uint64_t addr, const char **bytes)
{
    enum { PAGE = 4096, FIRST = 2 * PAGE };
    size_t at = addr % PAGE;
    ssize_t n;

    if (addr - ahead->addr >= ahead->count) {
        bool onwards = ahead->count && addr == ahead->addr + ahead->count;

        ahead->step = !onwards ? FIRST : ahead->step < sizeof ahead->bytes ? 2 * ahead->step : sizeof ahead->bytes;
        ahead->count = 0;
        n = memory_read(ahead->pid, addr - at, ahead->bytes, ahead->step);
        if (n <= (ssize_t)at)
            return n < 0 ? n : -EFAULT;
        ahead->addr = addr - at;
        ahead->count = (size_t)n;
    }
    *bytes = ahead->bytes + (addr - ahead->addr);
    return (ssize_t)(ahead->count - (addr - ahead->addr));
}
