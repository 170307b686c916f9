/*
 * loader: maps the program and its interpreter as the kernel's exec would, inside the sandbox.
 *
 * Runs in the stub, in the untrustee, already locked down: it parses hostile input, so it may be taken over and must gain
 * nothing by it. Freestanding: no libc, no stack protector, no relocations, no writable globals needed.
 */
#ifndef NURSE_STUB_LOADER_H
#define NURSE_STUB_LOADER_H

#include <stdint.h>

/* What the helper tells the loader; all addresses are of this process. */
struct loader_plan {
    const char *program;        /* path to open: the program's, or the last #! interpreter's */
    const char *execfn;         /* AT_EXECFN string; stays mapped for life */
    const char *comm;           /* at most 15 bytes */
    uintptr_t pie_base;         /* where a position-independent program may go; 0: the kernel chooses */
    uintptr_t brk_gap;          /* bytes between the program's end and its heap (random, page multiple) */
    uintptr_t sysinfo;          /* i386: the gate for AT_SYSINFO; 0: leave the kernel's */
    uintptr_t entry_hook;       /* strict: AT_ENTRY for the interpreter to jump to instead; 0: none */
    uint32_t hide_vdso;         /* no VDSO functions: AT_SYSINFO_EHDR becomes AT_IGNORE, on i386 an empty VDSO */
};

struct loader_image {
    uintptr_t start;            /* where to jump: the interpreter's entry, or the program's */
    uintptr_t entry;            /* the program's own entry */
};

/*
 * Load plan->program for the initial stack `stack` (argc, argv, envp, auxv as the kernel laid them for the stub; the auxv is
 * edited in place). Returns 0, or -errno (ENOEXEC, ENOENT: no interpreter, EACCES, ENOMEM...); nothing of the program has run.
 */
int loader_load(const struct loader_plan *plan, uintptr_t *stack, struct loader_image *image);

#endif
