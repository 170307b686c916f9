/*
 * slot: see slot.h. On i386 the registers that a call of six arguments leaves are too few for a trustee: its windows hang on segments.
 * Test: t/30-live-start.t.
 */
#include "core/stub/slot.h"

#include <asm/ldt.h>
#include <linux/sched.h>
#include <sys/mman.h>

#include "core/stub/syscall.h"

/* asm/ARCH/start.S */
long trustee_start(struct order *order, uint32_t *cell, unsigned long flags, unsigned long segments) __attribute__((visibility("hidden")));

enum { TRUSTEE_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM };

static intptr_t slot_map_at(uintptr_t address, size_t length, int prot, int fd)
{
    return syscall_mmap(address, length, prot, MAP_SHARED | (address ? MAP_FIXED_NOREPLACE : 0), fd, 0);
}

intptr_t slot_map(const struct stub_config *config)
{
    uintptr_t base = (uintptr_t)config->base;
    intptr_t requests = slot_map_at(base + KEEP_REQUEST, MAILBOX_SLOTS * MAILBOX_REQUEST_SPAN, PROT_READ | PROT_WRITE, config->request_fd);
    intptr_t orders = slot_map_at(base + KEEP_ORDER, MAILBOX_SLOTS * MAILBOX_ORDER_SPAN, PROT_READ, config->order_fd);
    intptr_t trampolines = slot_map_at(0, GATE_SPAN, PROT_READ | PROT_EXEC, config->gate_fd);

    if (syscall_failed(requests))
        return requests;
    if (syscall_failed(orders))
        return orders;
    syscall_close(config->request_fd);
    syscall_close(config->order_fd);
    syscall_close(config->gate_fd);
    return trampolines;
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
enum { DESCRIPTOR_ORDER = 12, DESCRIPTOR_CELL = 13, USER_RPL = 3 };

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

int slot_open(uintptr_t base, int i)
{
    struct order *order = (void *)(base + KEEP_ORDER + (uintptr_t)i * MAILBOX_ORDER_SPAN);
    struct request *request = (void *)(base + KEEP_REQUEST + (uintptr_t)i * MAILBOX_REQUEST_SPAN);
    const uint64_t all = ~0ull;
    uint64_t mask;
    unsigned long segments;
    long tid;
    int error = slot_segments(order, request, &segments);

    if (error)
        return error;
    request->self = (uintptr_t)request;
    request->order = (uintptr_t)order;
    syscall6(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, (intptr_t)&all, (intptr_t)&mask, sizeof mask, 0, 0);
    tid = trustee_start(order, &request->done, TRUSTEE_FLAGS, segments);
    syscall6(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, (intptr_t)&mask, 0, sizeof mask, 0, 0);
    slot_segments_done();
    return (int)tid;
}
