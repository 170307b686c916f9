/*
 * loader: maps the program and its interpreter as the kernel's exec would, inside the sandbox.
 *
 * Runs in the stub, in the untrustee, already locked down: it parses hostile files, and being taken over gains nothing.
 * It believes the plan and the kernel, never the file: every number is checked before use, and all addresses of an object
 * are reserved in one piece first, without replacing anything, so that no segment can land on the stub, stack or windows.
 * Its calls: openat, statx, faccessat2, pread64, mmap, mprotect, munmap, close, prctl. Uses 10 KB of stack.
 * Deviations from the kernel: refuses a file that ends inside a segment, a program header table above a page, and an ET_EXEC
 * between whose segments something of ours lies.
 * Test: t/11-unit-loader.t.
 */
#include "core/stub/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/stat.h>
#include <sys/mman.h>

#include "core/stub/auxv.h"
#include "core/stub/mm.h"
#include "core/stub/syscall.h"

#ifdef __x86_64__
enum { LOADER_CLASS = ELFCLASS64, LOADER_STACK_EXECUTABLE_BY_DEFAULT = 0 };
#define LOADER_ADDRESSES 0x7ffffffff000ull     /* end of the program's address space */
#define LOADER_HEAP_ROOM 0x40000000ull         /* kept free behind a program that the kernel placed among the libraries */

static int header_machine_known(uint16_t machine)
{
    return machine == EM_X86_64;
}

#else
enum { LOADER_CLASS = ELFCLASS32, LOADER_STACK_EXECUTABLE_BY_DEFAULT = 1 };
#define LOADER_ADDRESSES 0xffffe000ull
#define LOADER_HEAP_ROOM 0x10000000ull

static int header_machine_known(uint16_t machine)
{
    return machine == EM_386 || machine == 6 /* EM_486 */;
}

#endif

extern const char vdso_empty[] __attribute__((visibility("hidden")));    /* asm/i386/vdso.S */

enum {
    LOADER_PHDRS = 4096 / sizeof(ElfW(Phdr)),
    LOADER_PATH = 4096,
    LOADER_EMPTY_PATH = 0x1000,     /* AT_EMPTY_PATH */
    LOADER_EFFECTIVE_IDS = 0x200,   /* AT_EACCESS */
};

/* One ELF file on its way into memory. Addresses are the file's own until `bias` is added. */
struct loader_object {
    int fd;
    uint64_t size;                  /* of the file */
    ElfW(Ehdr) header;
    ElfW(Phdr) phdr[LOADER_PHDRS];
    uintptr_t low, high;            /* the pages that its segments span */
    uintptr_t align;                /* the largest p_align, at least a page */
    uintptr_t bias;
};

static uintptr_t page_down(uintptr_t address)
{
    return address & -SYSCALL_PAGE;
}

static uintptr_t page_up(uintptr_t address)
{
    return page_down(address + SYSCALL_PAGE - 1);
}

/* --- the file --- */

/* Read exactly `length` bytes; a file that is too short is no program. */
static int file_read(const struct loader_object *object, void *buffer, size_t length, uint64_t offset)
{
    char *next = buffer;

    while (length > 0) {
        intptr_t got = syscall_pread(object->fd, next, length, offset);

        if (got == -EINTR)
            continue;
        if (got <= 0)
            return got == 0 || got == -EINVAL /* the offset */ ? -ENOEXEC : (int)got;
        next += got;
        offset += (size_t)got;
        length -= (size_t)got;
    }
    return 0;
}

/* As exec demands: a regular file that this process may execute. Mounts with noexec are noticed by mmap. */
static int file_check(struct loader_object *object)
{
    struct statx facts = { 0 };
    const char nothing = '\0';
    intptr_t error = syscall6(__NR_statx, object->fd, (intptr_t)&nothing, LOADER_EMPTY_PATH, STATX_TYPE | STATX_SIZE,
                              (intptr_t)&facts, 0);

    if (error)
        return (int)error;
    if ((facts.stx_mode & S_IFMT) != S_IFREG)
        return -EACCES;
    object->size = facts.stx_size;
    error = syscall6(__NR_faccessat2, object->fd, (intptr_t)&nothing, 1 /* X_OK */,
                     LOADER_EMPTY_PATH | LOADER_EFFECTIVE_IDS, 0, 0);
    return error == -ENOSYS ? 0 : (int)error;
}

static int file_open(struct loader_object *object, const char *path)
{
    intptr_t fd = syscall6(__NR_openat, AT_FDCWD, (intptr_t)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);

    object->fd = (int)fd;
    return syscall_failed(fd) ? (int)fd : 0;
}

/* --- the headers --- */

static int header_check(const ElfW(Ehdr) *header)
{
    if (header->e_ident[EI_MAG0] != ELFMAG0 || header->e_ident[EI_MAG1] != ELFMAG1
        || header->e_ident[EI_MAG2] != ELFMAG2 || header->e_ident[EI_MAG3] != ELFMAG3)
        return -ENOEXEC;
    if (header->e_ident[EI_CLASS] != LOADER_CLASS || !header_machine_known(header->e_machine))
        return -ENOEXEC;
    if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
        return -ENOEXEC;
    if (header->e_phentsize != sizeof(ElfW(Phdr)) || header->e_phnum < 1 || header->e_phnum > LOADER_PHDRS)
        return -ENOEXEC;
    return 0;
}

static int segment_check(const struct loader_object *object, const ElfW(Phdr) *segment)
{
    if (segment->p_filesz > segment->p_memsz || segment->p_memsz > LOADER_ADDRESSES
        || segment->p_vaddr > LOADER_ADDRESSES - segment->p_memsz)
        return -ENOEXEC;
    if (segment->p_filesz == 0)
        return 0;
    if (segment->p_vaddr % SYSCALL_PAGE != segment->p_offset % SYSCALL_PAGE)
        return -ENOEXEC;
    if (segment->p_offset > object->size || segment->p_filesz > object->size - segment->p_offset)
        return -ENOEXEC;
    return 0;
}

/* The next header of this type at or after `from`, or NULL; empty segments count as absent. */
static const ElfW(Phdr) *object_find(const struct loader_object *object, uint32_t type, const ElfW(Phdr) *from)
{
    const ElfW(Phdr) *end = object->phdr + object->header.e_phnum;

    for (; from < end; from++)
        if (from->p_type == type && (type != PT_LOAD || from->p_memsz > 0))
            return from;
    return NULL;
}

/* The segments that occupy memory, one after the other. */
static const ElfW(Phdr) *segment_first(const struct loader_object *object)
{
    return object_find(object, PT_LOAD, object->phdr);
}

static const ElfW(Phdr) *segment_next(const struct loader_object *object, const ElfW(Phdr) *segment)
{
    return object_find(object, PT_LOAD, segment + 1);
}

static uintptr_t segment_start(const ElfW(Phdr) *segment)
{
    return page_down(segment->p_vaddr);
}

static uintptr_t segment_end(const ElfW(Phdr) *segment)
{
    return page_up(segment->p_vaddr + segment->p_memsz);
}

/* Check all segments, the empty ones too. From then on sums of their fields can't overflow. */
static int object_check_segments(const struct loader_object *object)
{
    int error = 0;

    for (unsigned i = 0; i < object->header.e_phnum && !error; i++)
        if (object->phdr[i].p_type == PT_LOAD)
            error = segment_check(object, &object->phdr[i]);
    return error;
}

/* Find what the segments span, and how they must be aligned. */
static int object_measure(struct loader_object *object)
{
    int error = object_check_segments(object);

    object->low = UINTPTR_MAX;
    object->high = 0;
    object->align = SYSCALL_PAGE;
    if (error)
        return error;
    for (const ElfW(Phdr) *segment = segment_first(object); segment; segment = segment_next(object, segment)) {
        uintptr_t align = segment->p_align;

        if (segment_start(segment) < object->low)
            object->low = segment_start(segment);
        if (segment_end(segment) > object->high)
            object->high = segment_end(segment);
        if (align > object->align && (align & (align - 1)) == 0)
            object->align = align;
    }
    return object->high > object->low ? 0 : -ENOEXEC;
}

static int object_read(struct loader_object *object)
{
    int error = file_check(object);

    if (!error)
        error = file_read(object, &object->header, sizeof object->header, 0);
    if (!error)
        error = header_check(&object->header);
    if (!error)
        error = file_read(object, object->phdr, object->header.e_phnum * sizeof(ElfW(Phdr)), object->header.e_phoff);
    return error ? error : object_measure(object);
}

/* Copy the interpreter's path, or an empty string if the object needs none. */
static int object_interpreter(const struct loader_object *object, char *path)
{
    const ElfW(Phdr) *header = object_find(object, PT_INTERP, object->phdr);
    int error;

    path[0] = '\0';
    if (header == NULL)
        return 0;
    if (header->p_filesz < 2 || header->p_filesz > LOADER_PATH)
        return -ENOEXEC;
    error = file_read(object, path, header->p_filesz, header->p_offset);
    if (error)
        return error;
    return path[header->p_filesz - 1] == '\0' && path[0] != '\0' ? 0 : -ENOEXEC;
}

/* --- the mapping --- */

/* Reserve `length` bytes of inaccessible addresses: at `address`, or anywhere if it is 0 and not `fixed`. */
static intptr_t memory_reserve(uintptr_t address, uintptr_t length, int fixed)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (fixed ? MAP_FIXED_NOREPLACE : 0);

    return syscall_mmap(address, length, PROT_NONE, flags, -1, 0);
}

/* Give back what lies between two addresses of a reservation. */
static void memory_release(uintptr_t start, uintptr_t end)
{
    if (end > start)
        syscall_munmap(start, end - start);
}

/* Let the kernel choose, with `room` free bytes behind the object at the time. The bias must be a multiple of the alignment. */
static int object_reserve_anywhere(struct loader_object *object, uintptr_t room)
{
    uintptr_t span = object->high - object->low;
    uintptr_t slack = object->align - SYSCALL_PAGE;
    uintptr_t length = span + slack + room;
    intptr_t start;
    uintptr_t base;

    if (length < span)
        return -ENOMEM;
    start = memory_reserve(0, length, 0);
    if (syscall_failed(start))
        return (int)start;
    base = (uintptr_t)start + ((object->low - (uintptr_t)start) & (object->align - 1));
    memory_release((uintptr_t)start, base);
    memory_release(base + span, (uintptr_t)start + length);
    object->bias = base - object->low;
    return 0;
}

/* Reserve the object's addresses, all of them, before anything is mapped. */
static int object_reserve(struct loader_object *object, uintptr_t base, uintptr_t room)
{
    uintptr_t span = object->high - object->low;

    object->bias = 0;
    if (object->header.e_type == ET_EXEC) {
        intptr_t reserved = memory_reserve(object->low, span, 1);

        return syscall_failed(reserved) ? (int)reserved : 0;
    }
    if (base != 0) {
        object->bias = (base & -object->align) - (object->low & -object->align);
        if (!syscall_failed(memory_reserve(object->low + object->bias, span, 1)))
            return 0;
    }
    if (room != 0 && object_reserve_anywhere(object, room) == 0)
        return 0;
    return object_reserve_anywhere(object, 0);
}

static int segment_protection(const ElfW(Phdr) *segment)
{
    uint32_t flags = segment->p_flags;

    return ((flags & PF_R) ? PROT_READ : 0) | ((flags & PF_W) ? PROT_WRITE : 0) | ((flags & PF_X) ? PROT_EXEC : 0);
}

/* Map the part of a segment that comes from the file, and clear the rest of its last page if the segment goes on; a page
 * that the program may not write is made writable for that moment, but never writable and executable. */
static int segment_map_file(const struct loader_object *object, const ElfW(Phdr) *segment)
{
    uintptr_t start = segment_start(segment) + object->bias;
    uintptr_t end = segment->p_vaddr + segment->p_filesz + object->bias;
    uint64_t offset = segment->p_offset - segment->p_vaddr % SYSCALL_PAGE;
    int protection = segment_protection(segment);
    int clear = segment->p_memsz > segment->p_filesz && end % SYSCALL_PAGE != 0;
    int first = clear && !(protection & PROT_WRITE) ? PROT_READ | PROT_WRITE : protection;
    intptr_t mapped = syscall_mmap(start, end - start, first, MAP_PRIVATE | MAP_FIXED, object->fd, offset);

    if (syscall_failed(mapped))
        return (int)mapped;
    if (clear)
        __builtin_memset((void *)end, 0, page_up(end) - end);
    return first == protection ? 0 : (int)syscall_mprotect(start, end - start, protection);
}

/* The anonymous rest of a segment is always writable, as the kernel makes it. */
static int segment_map(const struct loader_object *object, const ElfW(Phdr) *segment)
{
    uintptr_t start = segment_start(segment) + object->bias;
    uintptr_t end = segment_end(segment) + object->bias;
    int protection = PROT_READ | PROT_WRITE | (segment_protection(segment) & PROT_EXEC);
    intptr_t mapped;

    if (segment->p_filesz > 0) {
        int error = segment_map_file(object, segment);

        if (error)
            return error;
        start = page_up(segment->p_vaddr + segment->p_filesz + object->bias);
    }
    if (start >= end)
        return 0;
    mapped = syscall_mmap(start, end - start, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return syscall_failed(mapped) ? (int)mapped : 0;
}

/* Give back the addresses between the end of `segment` and the next one, unless another segment covers that end. */
static void segment_release_gap(const struct loader_object *object, const ElfW(Phdr) *segment)
{
    uintptr_t end = segment_end(segment);
    uintptr_t next = object->high;

    for (const ElfW(Phdr) *other = segment_first(object); other; other = segment_next(object, other)) {
        if (segment_start(other) <= end && end < segment_end(other))
            return;
        if (segment_start(other) > end && segment_start(other) < next)
            next = segment_start(other);
    }
    memory_release(end + object->bias, next + object->bias);
}

static uintptr_t object_entry(const struct loader_object *object)
{
    return object->header.e_entry + object->bias;
}

static int object_map(struct loader_object *object, uintptr_t base, uintptr_t room)
{
    int error = object_reserve(object, base, room);

    if (error)
        return error;
    for (const ElfW(Phdr) *segment = segment_first(object); segment; segment = segment_next(object, segment)) {
        error = segment_map(object, segment);
        if (error)
            return error;
    }
    for (const ElfW(Phdr) *segment = segment_first(object); segment; segment = segment_next(object, segment))
        segment_release_gap(object, segment);
    return object_entry(object) < LOADER_ADDRESSES ? 0 : -ENOEXEC;
}

/* --- program and interpreter --- */

/* Open, read and map the file at `path`. `interpreter` gets the path of what it asks for; if NULL, that isn't looked at. */
static int object_load(struct loader_object *object, const char *path, uintptr_t base, uintptr_t room, char *interpreter)
{
    int error = file_open(object, path);

    if (error)
        return error;
    error = object_read(object);
    if (!error && interpreter != NULL)
        error = object_interpreter(object, interpreter);
    if (!error)
        error = object_map(object, base, room);
    syscall_close(object->fd);
    return error;
}

/* Where the program header table lies in memory; 0 if no segment brings it there. */
static uintptr_t program_headers(const struct loader_object *object)
{
    uint64_t offset = object->header.e_phoff;

    for (const ElfW(Phdr) *segment = segment_first(object); segment; segment = segment_next(object, segment))
        if (offset >= segment->p_offset && offset - segment->p_offset < segment->p_filesz)
            return (uintptr_t)(offset - segment->p_offset) + segment->p_vaddr + object->bias;
    return 0;
}

static int program_wants_executable_stack(const struct loader_object *object)
{
    const ElfW(Phdr) *header = object_find(object, PT_GNU_STACK, object->phdr);

    return header != NULL ? (header->p_flags & PF_X) != 0 : LOADER_STACK_EXECUTABLE_BY_DEFAULT;
}

/* What the kernel would note in its mm structure, by its rules. */
static void program_extent(const struct loader_object *object, uintptr_t brk_gap, struct mm_program *extent)
{
    uintptr_t start_code = UINTPTR_MAX, end_code = 0, start_data = 0, end_data = 0;

    for (const ElfW(Phdr) *segment = segment_first(object); segment; segment = segment_next(object, segment)) {
        uintptr_t start = segment->p_vaddr, end = segment->p_vaddr + segment->p_filesz;

        if (segment->p_flags & PF_X) {
            start_code = start < start_code ? start : start_code;
            end_code = end > end_code ? end : end_code;
        }
        start_data = start > start_data ? start : start_data;
        end_data = end > end_data ? end : end_data;
    }
    if (start_code >= end_code) {
        start_code = object->low;
        end_code = object->high;
    }
    extent->start_code = start_code + object->bias;
    extent->end_code = end_code + object->bias;
    extent->start_data = start_data + object->bias;
    extent->end_data = (end_data > start_data ? end_data : start_data) + object->bias;
    extent->heap = object->high + object->bias + brk_gap;
}

/* glibc for i386 ignores AT_SYSINFO, our gate, unless there is a VDSO as well: it gets one without functions. */
static void program_hide_vdso(uintptr_t *auxv)
{
#ifdef __x86_64__
    auxv_hide(auxv, AT_SYSINFO_EHDR);
#else
    auxv_set(auxv, AT_SYSINFO_EHDR, (uintptr_t)vdso_empty);
#endif
}

static void program_edit_auxv(const struct loader_object *object, const struct loader_plan *plan, uintptr_t *auxv)
{
    auxv_set(auxv, AT_PHDR, program_headers(object));
    auxv_set(auxv, AT_PHENT, sizeof(ElfW(Phdr)));
    auxv_set(auxv, AT_PHNUM, object->header.e_phnum);
    auxv_set(auxv, AT_ENTRY, object_entry(object));
    auxv_set(auxv, AT_BASE, 0);
    auxv_set(auxv, AT_EXECFN, (uintptr_t)plan->execfn);
    if (plan->sysinfo != 0)
        auxv_set(auxv, AT_SYSINFO, plan->sysinfo);
    if (plan->hide_vdso)
        program_hide_vdso(auxv);
}

/* Map the interpreter and make it what runs first. `object` is reused: the program's facts have been taken from it. */
static int interpreter_load(struct loader_object *object, const char *path, uintptr_t *auxv, struct loader_image *image)
{
    int error = object_load(object, path, 0, 0, NULL);

    if (error)
        return error == -ENOEXEC ? -ELIBBAD : error;
    image->start = object_entry(object);
    auxv_set(auxv, AT_BASE, object->bias);
    return 0;
}

int loader_load(const struct loader_plan *plan, uintptr_t *stack, struct loader_image *image)
{
    struct loader_object object;
    struct mm_program extent;
    char interpreter[LOADER_PATH];
    uintptr_t *auxv = auxv_find(stack);
    int error = object_load(&object, plan->program, plan->pie_base, plan->brk_gap + LOADER_HEAP_ROOM, interpreter);

    if (error)
        return error;
    program_edit_auxv(&object, plan, auxv);
    program_extent(&object, plan->brk_gap, &extent);
    image->entry = image->start = object_entry(&object);
    if (program_wants_executable_stack(&object))
        error = mm_stack_executable(stack);
    if (!error && interpreter[0] != '\0')
        error = interpreter_load(&object, interpreter, auxv, image);
    if (error)
        return error;
    mm_rename(plan->comm);
    mm_describe(&extent, stack);    /* a kernel that refuses leaves the stub's heap, which works as well */
    if (plan->entry_hook != 0 && interpreter[0] != '\0')
        auxv_set(auxv, AT_ENTRY, plan->entry_hook);
    return 0;
}
