/*
 * memory: the program's memory, read and written through the kernel.
 *
 * Runs in the helper. Every read is a copy; nothing read twice is assumed to be the same. process_vm_readv(2), no ptrace stop.
 */
#ifndef NURSE_HELPER_MEMORY_H
#define NURSE_HELPER_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Copy up to `size` bytes; stops early at an unmapped page. Returns the bytes copied, or -errno when there are none. */
ssize_t memory_read(pid_t pid, uint64_t addr, void *buf, size_t size);
ssize_t memory_write(pid_t pid, uint64_t addr, const void *buf, size_t size);
/* Copy a string with its NUL. Returns its length, -EFAULT, or -ENAMETOOLONG when `size` bytes hold no NUL. */
ssize_t memory_string(pid_t pid, uint64_t addr, char *buf, size_t size);

#endif
