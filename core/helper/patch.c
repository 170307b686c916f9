/*
 * patch: see patch.h. It writes by /proc/PID/mem, which copies a private page and fails on a shared one, so a file is never changed.
 */
#include "core/helper/patch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* By a thread that lives: the first one may be gone. */
static int space_memory(struct space *space, pid_t tid)
{
    char path[64];

    if (space->memory < 0) {
        snprintf(path, sizeof path, "/proc/%d/mem", tid);
        space->memory = open(path, O_RDWR | O_CLOEXEC);
    }
    return space->memory;
}

static size_t patch_size(enum abi_arch arch)
{
    return arch == ABI_X86_64 ? 13 : 5;
}

/* x86_64: movabs $catch,%r11; jmp *%r11 (both free after a call). i386: call catch. */
static size_t patch_code(enum abi_arch arch, uint64_t at, uint64_t catch, uint8_t code[PATCH_MAX])
{
    uint32_t distance = (uint32_t)(catch - (at + 5));

    if (arch == ABI_X86_64) {
        static const uint8_t movabs[] = { 0x49, 0xbb }, jmp[] = { 0x41, 0xff, 0xe3 };

        memcpy(code, movabs, sizeof movabs);
        memcpy(code + sizeof movabs, &catch, sizeof catch);
        memcpy(code + sizeof movabs + sizeof catch, jmp, sizeof jmp);
        return patch_size(arch);
    }
    code[0] = 0xe8;
    memcpy(code + 1, &distance, sizeof distance);
    return patch_size(arch);
}

struct patch *patch_find(struct space *space, uint64_t at)
{
    for (int i = 0; i < SPACE_PATCHES; i++)
        if (space->patch[i].users && space->patch[i].at == at)
            return &space->patch[i];
    return NULL;
}

/* Where to note a patch: where the same was noted before, else where the oldest was. A birth under way may need the latest of them to heal its child. */
static struct patch *patch_place(struct space *space, uint64_t at)
{
    struct patch *place = NULL;

    for (int i = 0; i < SPACE_PATCHES; i++) {
        struct patch *patch = &space->patch[i];

        if (patch->users)
            continue;
        if (patch->at == at)
            return patch;
        if (!place || patch->set < place->set)
            place = patch;
    }
    return place;
}


/* Make the instruction at `at` lead to `entry` of the catch. Returns 0 or -errno. */
int patch_set(struct space *space, enum abi_arch arch, pid_t tid, uint64_t at, uint64_t entry)
{
    struct patch *patch = patch_place(space, at);
    uint8_t code[PATCH_MAX];
    size_t size = patch_code(arch, at, entry, code);
    int memory = space_memory(space, tid);

    if (!patch)
        return -EAGAIN;
    if (memory < 0 || pread(memory, patch->original, size, (off_t)at) != (ssize_t)size)
        return -EFAULT;
    if (pwrite(memory, code, size, (off_t)at) != (ssize_t)size) {
        (void)!pwrite(memory, patch->original, size, (off_t)at);
        return -EFAULT;
    }
    patch->at = at;
    patch->users = 1;
    patch->set = ++space->patches_set;
    return 0;
}

void patch_clear(struct space *space, enum abi_arch arch, uint64_t at)
{
    struct patch *patch = patch_find(space, at);

    if (patch && --patch->users == 0 && space->memory >= 0)
        (void)!pwrite(space->memory, patch->original, patch_size(arch), (off_t)at);
}

bool patch_any(const struct space *space)
{
    for (int i = 0; i < SPACE_PATCHES; i++)
        if (space->patch[i].users)
            return true;
    return false;
}

/* A child may have been copied while somebody else's patch was in place: it gets the true code back. */
void patch_heal(const struct space *parent, struct space *child, enum abi_arch arch, pid_t pid)
{
    for (int i = 0; i < SPACE_PATCHES; i++)
        if (parent->patch[i].at && space_memory(child, pid) >= 0)
            (void)!pwrite(child->memory, parent->patch[i].original, patch_size(arch), (off_t)parent->patch[i].at);
}
