/*
 * slot: see slot.h. On i386 the registers that a call of six arguments leaves are too few for a trustee: its windows hang on segments.
 * Test: t/30-live-start.t.
 */
#include "core/stub/slot.h"

#include <asm/ldt.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mman.h>

#include "core/stub/syscall.h"

/* asm/ARCH/start.S */
long trustee_start(struct order *order, uint32_t *cell, unsigned long flags, unsigned long segments) __attribute__((visibility("hidden")));

enum { TRUSTEE_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM };

/* "/proc/HELPER/fd/FD" in `path`: no descriptor of nurse's comes to a process by inheritance, and none stays. */
static void slot_path(char path[48], uint32_t helper, uint32_t fd)
{
    static const char before[] = "/proc/", between[] = "/fd/";
    char *end = path;

    for (const char *p = before; *p; p++)
        *end++ = *p;
    for (uint32_t unit = 1000000000, number = helper; unit; unit /= 10)
        if (number >= unit)
            *end++ = (char)('0' + number / unit % 10);
    for (const char *p = between; *p; p++)
        *end++ = *p;
    for (uint32_t unit = 1000000000; unit; unit /= 10)
        if (fd >= unit || unit == 1)
            *end++ = (char)('0' + fd / unit % 10);
    *end = '\0';
}

/* Map a part of what the helper's descriptor holds. Returns the address or -errno. */
static intptr_t slot_map_at(uint32_t helper, uint32_t helper_fd, uintptr_t address, size_t length, int prot, uint64_t offset)
{
    char path[48];
    intptr_t fd, mapped;

    slot_path(path, helper, helper_fd);
    fd = syscall6(__NR_openat, AT_FDCWD, (intptr_t)path, O_CLOEXEC | (prot & PROT_WRITE ? O_RDWR : O_RDONLY), 0, 0, 0);
    if (syscall_failed(fd))
        return fd;
    mapped = syscall_mmap(address, length, prot, MAP_SHARED | (address ? MAP_FIXED_NOREPLACE : 0), (int)fd, offset);
    syscall_close((int)fd);
    return mapped;
}

intptr_t slot_map(const struct stub_config *config, uint32_t windows)
{
    uintptr_t base = (uintptr_t)config->base;
    const struct board *board = (const void *)(base + KEEP_BOARD);
    uint64_t block = WINDOWS_BLOCK(windows);
    intptr_t requests = slot_map_at(config->helper, WINDOWS_REQUEST_FD(windows), base + KEEP_REQUEST, BLOCK_REQUEST_SPAN, PROT_READ | PROT_WRITE,
                                    block * BLOCK_REQUEST_SPAN);
    intptr_t orders = slot_map_at(config->helper, WINDOWS_ORDER_FD(windows), base + KEEP_BOARD, BLOCK_ORDER_SPAN, PROT_READ, block * BLOCK_ORDER_SPAN);

    if (syscall_failed(requests))
        return requests;
    if (syscall_failed(orders))
        return orders;
    if (board->start.trampolines == NO_TRAMPOLINES)
        return 0;
    return slot_map_at(config->helper, (uint32_t)config->gate_fd, 0, GATE_SPAN, PROT_READ | PROT_EXEC, board->start.trampolines);
}

#ifdef __x86_64__

static int slot_segments(struct order *order, struct request *request, unsigned long *segments)
{
    (void)order, (void)request;
    *segments = 0;
    return 0;
}

static void slot_segments_done(void)
{
}

#else

/* A trustee's windows hang on segments of its own; the descriptors are given back for libc, whose TLS then gets the number it would get
 * natively. The trustee has copies. */
enum { DESCRIPTOR_ORDER = SEGMENT_ORDER, DESCRIPTOR_CELL = SEGMENT_CELL, USER_RPL = 3 };

static int descriptor_set(unsigned number, uintptr_t address, unsigned length)
{
    struct user_desc desc = {
        .entry_number = number, .base_addr = address, .limit = length ? length - 1 : 0, .seg_32bit = length != 0, .contents = 0,
        .read_exec_only = length == 0, .limit_in_pages = 0, .seg_not_present = length == 0, .useable = length != 0,
    };
    return (int)syscall6(__NR_set_thread_area, (intptr_t)&desc, 0, 0, 0, 0, 0);
}

static unsigned long selector(unsigned number)
{
    return number * 8 + USER_RPL;
}

static int slot_segments(struct order *order, struct request *request, unsigned long *segments)
{
    int error = descriptor_set(DESCRIPTOR_ORDER, (uintptr_t)order, MAILBOX_ORDER_SPAN);

    if (!error)
        error = descriptor_set(DESCRIPTOR_CELL, (uintptr_t)&request->done, sizeof *request - __builtin_offsetof(struct request, done));
    *segments = selector(DESCRIPTOR_ORDER) | selector(DESCRIPTOR_CELL) << 16;
    return error;
}

static void slot_segments_done(void)
{
    descriptor_set(DESCRIPTOR_ORDER, 0, 0);
    descriptor_set(DESCRIPTOR_CELL, 0, 0);
}

#endif

int slot_open(uintptr_t base, int i, uint64_t mask)
{
    struct order *order = (void *)(base + KEEP_ORDER + (uintptr_t)i * MAILBOX_ORDER_SPAN);
    struct request *request = (void *)(base + KEEP_REQUEST + (uintptr_t)i * MAILBOX_REQUEST_SPAN);
    const uint64_t all = ~0ull;
    unsigned long segments;
    long tid;
    int error = slot_segments(order, request, &segments);

    if (error)
        return error;
    syscall6(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, (intptr_t)&all, 0, sizeof mask, 0, 0);
    tid = trustee_start(order, &request->done, TRUSTEE_FLAGS, segments);
    syscall6(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, (intptr_t)&mask, 0, sizeof mask, 0, 0);
    slot_segments_done();
    return (int)tid;
}
