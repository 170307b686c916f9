/*
 * memory: the program's memory, read and written through the kernel.
 *
 * Runs in the helper. Every read is a copy; nothing read twice is assumed to be the same. process_vm_readv(2), no ptrace stop.
 */
#ifndef NURSE_HELPER_MEMORY_H
#define NURSE_HELPER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/abi/abi.h"

/* Copy up to `size` bytes; stops early at an unmapped page. Returns the bytes copied, or -errno when there are none. */
ssize_t memory_read(pid_t pid, uint64_t addr, void *buf, size_t size);
ssize_t memory_write(pid_t pid, uint64_t addr, const void *buf, size_t size);
/* True when these bytes are not all in the half of the address space that programs have: the kernel refuses them (EFAULT) before it looks at any. */
bool memory_outside(enum abi_arch arch, uint64_t addr, uint64_t size);
/* Copy a string with its NUL. Returns its length, -EFAULT, or -ENAMETOOLONG when `size` bytes hold no NUL. */
ssize_t memory_string(pid_t pid, uint64_t addr, char *buf, size_t size);

/* For reading much that lies side by side: whole pages around an address, more and more of them as long as the reader goes straight on.
 * What is wanted must be taken from it at once: asked for a second time, the program may have changed it. */
struct memory_ahead {
    pid_t pid;
    size_t step, count;
    uint64_t addr;
    char bytes[1 << 16];
};
void memory_ahead_start(struct memory_ahead *ahead, pid_t pid);
/* The bytes at `addr`: how many are at hand, at least one; or -errno. */
ssize_t memory_ahead(struct memory_ahead *ahead, uint64_t addr, const char **bytes);

#endif
