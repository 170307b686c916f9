/*
 * mm: makes the process describe itself as the program: comm, heap, /proc/PID/stat and auxv, executable stack.
 *
 * Runs in the stub, in the untrustee. Only the process's own view of itself depends on it, no decision of the helper.
 */
#ifndef NURSE_STUB_MM_H
#define NURSE_STUB_MM_H

#include <stdint.h>

/* Addresses of the mapped program, as the kernel's exec would record them. */
struct mm_program {
    uintptr_t start_code, end_code;
    uintptr_t start_data, end_data;
    uintptr_t heap;             /* where brk starts, page aligned */
};

/* Set the process's name (at most 15 bytes are kept). */
void mm_rename(const char *comm);
/* Tell the kernel where code, data, heap, argv, envp and auxv are, the latter three from the initial stack `stack`.
 * Returns 0, or -errno from a kernel that refuses: then the heap stays the stub's and /proc shows the stub's addresses. */
int mm_describe(const struct mm_program *program, uintptr_t *stack);
/* Make the stack that holds `stack` executable, down to wherever it grows. Returns 0 or -errno. */
int mm_stack_executable(const uintptr_t *stack);

#endif
