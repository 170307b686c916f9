/*
 * auxv: the initial stack of a process (argc, argv, envp, auxiliary vector) and its edits in place.
 *
 * Runs in the stub before the program's first instruction; the kernel wrote the stack for the stub, so it is believed.
 */
#ifndef NURSE_STUB_AUXV_H
#define NURSE_STUB_AUXV_H

#include <stddef.h>
#include <stdint.h>

/* Where the strings of argv and envp lie: contiguous, as the kernel copies them. */
struct auxv_strings {
    uintptr_t arg_start, arg_end;
    uintptr_t env_start, env_end;
};

/* The first (type, value) pair above argc at `stack`. */
uintptr_t *auxv_find(uintptr_t *stack);
/* Bytes from `auxv` to the end of its AT_NULL pair. */
size_t auxv_size(const uintptr_t *auxv);
/* Change the value of every pair of this type; a type that the kernel didn't supply is not added. */
void auxv_set(uintptr_t *auxv, uintptr_t type, uintptr_t value);
/* Turn the pairs of this type into AT_IGNORE. */
void auxv_hide(uintptr_t *auxv, uintptr_t type);
/* Measure the strings of the stack at `stack`. */
void auxv_strings(const uintptr_t *stack, struct auxv_strings *strings);

#endif
