/*
 * mm: makes the process describe itself as the program: comm, heap, /proc/PID/stat and auxv, executable stack.
 *
 * Runs in the stub, in the untrustee, just before the program; PR_SET_MM_MAP is the only way to move the heap that needs no
 * capability (kernel built with CHECKPOINT_RESTORE). The exe link is left alone: the kernel wants the old file unmapped
 * first, and the stub stays mapped for life. Test: t/11-unit-loader.t.
 */
#include "core/stub/mm.h"

#include <linux/prctl.h>
#include <sys/mman.h>

#include "core/stub/auxv.h"
#include "core/stub/syscall.h"

/* The kernel's struct prctl_mm_map as a 64-bit kernel reads it: also from a 32-bit program, there is no compat form. */
struct mm_map {
    uint64_t start_code, end_code;
    uint64_t start_data, end_data;
    uint64_t start_brk, brk;
    uint64_t start_stack;
    uint64_t arg_start, arg_end;
    uint64_t env_start, env_end;
    uint64_t auxv;
    uint32_t auxv_size;
    uint32_t exe_fd;
};
_Static_assert(sizeof(struct mm_map) == 104, "struct prctl_mm_map of a 64-bit kernel");

void mm_rename(const char *comm)
{
    syscall6(__NR_prctl, PR_SET_NAME, (intptr_t)comm, 0, 0, 0, 0);
}

int mm_describe(const struct mm_program *program, uintptr_t *stack)
{
    uintptr_t *auxv = auxv_find(stack);
    struct auxv_strings strings;

    auxv_strings(stack, &strings);
    const struct mm_map map = {
        .start_code = program->start_code, .end_code = program->end_code,
        .start_data = program->start_data, .end_data = program->end_data,
        .start_brk = program->heap, .brk = program->heap,
        .start_stack = (uintptr_t)stack,
        .arg_start = strings.arg_start, .arg_end = strings.arg_end,
        .env_start = strings.env_start, .env_end = strings.env_end,
        .auxv = (uintptr_t)auxv, .auxv_size = (uint32_t)auxv_size(auxv),
        .exe_fd = (uint32_t)-1,
    };
    return (int)syscall6(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP, (intptr_t)&map, sizeof map, 0, 0);
}

int mm_stack_executable(const uintptr_t *stack)
{
    struct auxv_strings strings;
    uintptr_t start = (uintptr_t)stack & -SYSCALL_PAGE;

    auxv_strings(stack, &strings);
    return (int)syscall_mprotect(start, strings.env_end - start, PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN);
}
