/*
 * nest: what a newborn finds in its windows: where they are, what to call before it is an untrustee, and the registers to go on with.
 *
 * Runs in the helper, before the trustee clones. Believes the caught registers no more than a program's argument: the newborn makes calls with them only
 * for its own thread, and a call that fails ends it. All it reads lies in order windows, which only the helper writes. Test: t/44-live-fork.t (state).
 */
#include <asm/prctl.h>
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/helper/birth_private.h"
#include "core/helper/memory.h"
#include "core/helper/tree.h"
#include "core/route/filter.h"

enum { AUX = 0x9000 };    /* in the order bytes, behind the filter: what the steps point to */

/* A window that is being filled with what a newborn needs. */
struct nest {
    struct order *order;
    uint64_t at;                /* where the newborn sees its bytes */
    uint32_t aux;
};

static uint64_t nest_put(struct nest *nest, const void *bytes, size_t size)
{
    uint32_t offset = nest->aux;

    memcpy(nest->order->bytes + offset, bytes, size);
    nest->aux += (uint32_t)((size + 15) & ~(size_t)15);
    return nest->at + offset;
}

static struct nest nest_of(const struct mailbox *mailbox, int i)
{
    return (struct nest){ .order = &mailbox->orders[i], .at = mailbox_order_at(mailbox, i) + MAILBOX_BYTES, .aux = AUX };
}

static uint64_t nr_of(enum abi_arch arch, const char *name)
{
    return (uint64_t)abi_number(arch, abi_find(name));
}

/* openat "/proc/HELPER/fd/FD", mmap it at `address`, close: in a new address space the windows are its own. The path is read in the old one. */
static void nest_map(struct step map[3], struct nest *nest, enum abi_arch arch, uint32_t fd, uint64_t address, uint64_t size, int prot, uint64_t offset)
{
    char path[48];
    int length = snprintf(path, sizeof path, "/proc/%d/fd/%u", getpid(), fd);

    map[0] = (struct step){ nr_of(arch, "openat"), { (uint64_t)(int64_t)AT_FDCWD, nest_put(nest, path, (size_t)length + 1), O_CLOEXEC | (prot & PROT_WRITE ? O_RDWR : O_RDONLY) } };
    map[1] = (struct step){ nr_of(arch, arch == ABI_X86_64 ? "mmap" : "mmap2"),
                            { address, size, (uint64_t)prot, MAP_SHARED | MAP_FIXED, 0, arch == ABI_X86_64 ? offset : offset / 4096 } };
    map[2] = (struct step){ nr_of(arch, "close"), { 0 } };
}

static void nest_windows(const struct birth *birth, struct birth_steps *steps)
{
    const struct mailbox *home = &birth->home->mailbox;
    struct nest nest = nest_of(&birth->space->mailbox, birth->slot->i);
    uint32_t windows = mailbox_windows(home);
    uint64_t base = home->base;

    nest_map(steps->map[0], &nest, birth->arch, WINDOWS_REQUEST_FD(windows), base + KEEP_REQUEST, BLOCK_REQUEST_SPAN, PROT_READ | PROT_WRITE,
              (uint64_t)home->block * BLOCK_REQUEST_SPAN);
    nest_map(steps->map[1], &nest, birth->arch, WINDOWS_ORDER_FD(windows), base + KEEP_BOARD, BLOCK_ORDER_SPAN, PROT_READ,
              (uint64_t)home->block * BLOCK_ORDER_SPAN);
}

/* i386: the thread's own segments; the last to be set is the one that the newborn's order window hangs on. */
static void nest_segments(const struct birth *birth, const struct caught *caught, struct step thread[STEP_LAST], struct nest *nest)
{
    static const int order[] = { 12, SEGMENT_CELL, SEGMENT_ORDER };
    uint32_t area[3][4];

    memcpy(area, caught->area, sizeof area);
    if (birth->wish.flags & CLONE_SETTLS) {
        uint32_t given[4];

        if (birth->call->process && memory_read(birth->call->tid, birth->wish.tls, given, sizeof given) == sizeof given && given[0] - 12 < 3)
            memcpy(area[given[0] - 12], given, sizeof given);
    }
    for (int k = 0; k < 3; k++) {
        area[order[k] - 12][0] = (uint32_t)order[k];
        thread[5 + k] = (struct step){ nr_of(birth->arch, "set_thread_area"), { nest_put(nest, area[order[k] - 12], sizeof *area) } };
    }
}

/* The alternate signal stack, if there is one: stack_t of the class has words for place, flags, size. */
static void nest_stack(const struct birth *birth, const struct caught *caught, struct step *step, struct nest *nest)
{
    size_t word = birth->arch == ABI_X86_64 ? 8 : 4;
    uint8_t stack[24];
    uint32_t flags;

    memcpy(stack, caught->altstack, sizeof stack);
    memcpy(&flags, stack + word, sizeof flags);
    if (flags & SS_DISABLE)
        return;
    flags &= ~(uint32_t)SS_ONSTACK;
    memcpy(stack + word, &flags, sizeof flags);
    *step = (struct step){ nr_of(birth->arch, "sigaltstack"), { nest_put(nest, stack, 3 * word) } };
}

/* What a clone of the trustee lacks of the thread that it stands for: see clone(2) and fork(2) for what a child inherits. */
static void nest_thread(const struct birth *birth, const struct caught *caught, struct step thread[STEP_LAST], struct nest *nest)
{
    bool wide = birth->arch == ABI_X86_64;
    const uint64_t *rseq = birth->thread->rseq;

    for (int k = 0; k < STEP_LAST; k++)
        thread[k].nr = STEP_NONE;
    if (!(birth->wish.flags & CLONE_VM) || birth->wish.flags & CLONE_VFORK)
        nest_stack(birth, caught, &thread[0], nest);
    if (!(birth->wish.flags & CLONE_VM) && rseq[0])
        thread[1] = (struct step){ nr_of(birth->arch, "rseq"), { rseq[0], rseq[1], 0, rseq[2] } };
    thread[2] = (struct step){ nr_of(birth->arch, "prctl"), { PR_SET_NAME, nest_put(nest, call_comm(birth->call), sizeof birth->call->comm) } };
    if (!wide) {
        nest_segments(birth, caught, thread, nest);
        return;
    }
    thread[5] = (struct step){ __NR_arch_prctl, { ARCH_SET_FS, birth->wish.flags & CLONE_SETTLS ? birth->wish.tls : caught->fs } };
    if (caught->gs)
        thread[6] = (struct step){ __NR_arch_prctl, { ARCH_SET_GS, caught->gs } };
}

/* The newborn's own filter: all that the untrustee it descends from is under. */
static void nest_lock(const struct birth *birth, struct step *lock, struct nest *nest)
{
    const struct born_filter *filter = birth->space->born_filter;
    struct sock_fprog program = { .len = (unsigned short)filter->count };
    uint32_t program32[2] = { (uint32_t)filter->count, (uint32_t)nest->at };
    bool wide = birth->arch == ABI_X86_64;

    memcpy(nest->order->bytes, filter->code, (size_t)filter->count * sizeof *filter->code);
    program.filter = (struct sock_filter *)nest->at;    /* an address of the newborn's */
    *lock = (struct step){ nr_of(birth->arch, "seccomp"),
                           { SECCOMP_SET_MODE_FILTER, 0, wide ? nest_put(nest, &program, sizeof program) : nest_put(nest, program32, sizeof program32) } };
}

/* Made once for a space, used by all its children. Returns 0 or -errno. */
static int nest_filter(const struct sandbox *sandbox, struct space *space, enum abi_arch arch)
{
    static struct bpf bpf;
    int count;

    if (space->born_filter)
        return 0;
    count = filter_born(&bpf, &sandbox->routes, arch, space->mailbox.base, &space->keystone);
    if (count < 0 || (size_t)count * sizeof *bpf.code > AUX)
        return count < 0 ? count : -E2BIG;
    space->born_filter = malloc(sizeof *space->born_filter + (size_t)count * sizeof *bpf.code);
    if (!space->born_filter)
        return -ENOMEM;
    space->born_filter->users = 1;
    space->born_filter->count = count;
    memcpy(space->born_filter->code, bpf.code, (size_t)count * sizeof *bpf.code);
    return 0;
}

/* The part that the newborn reads in the window of the trustee that clones it. */
void nest_way(const struct birth *birth, const struct slot *by, struct birth_steps *steps)
{
    const struct mailbox *mailbox = &birth->space->mailbox;
    struct nest nest = nest_of(mailbox, by->i);
    uint64_t order = mailbox_order_at(mailbox, birth->slot->i), request = mailbox_request_at(mailbox, birth->slot->i);

    steps->order = order;
    steps->cell = request + offsetof(struct request, done);
    steps->kind = birth->kind;
    if (birth->arch == ABI_I386) {
        uint32_t windows[2][4] = {
            { SEGMENT_ORDER, (uint32_t)order, MAILBOX_ORDER_SPAN - 1, 1 /* 32 bits, data, writable as far as the pages are */ | 1 << 6 /* useable */ },
            { SEGMENT_CELL, (uint32_t)steps->cell, sizeof(struct request) - offsetof(struct request, done) - 1, 1 | 1 << 6 },
        };

        for (int k = 0; k < 2; k++)
            steps->segment[k] = (struct step){ nr_of(birth->arch, "set_thread_area"), { nest_put(&nest, windows[k], sizeof windows[k]) } };
        steps->selectors = (SEGMENT_ORDER * 8 + 3) | (SEGMENT_CELL * 8 + 3) << 16;
    }
}

void nest_hello(const struct birth *birth, struct birth_steps *steps)
{
    for (int k = 0; k < 2; k++)
        steps->map[k][0].nr = STEP_NONE;
    steps->trustee = (struct step){ nr_of(birth->arch, "clone"), { TRUSTEE_FLAGS } };
    steps->hello = (struct step){ NURSE_CALL, { REPORT_BORN, birth->token } };
    steps->resume = birth->space->mailbox.base + STUB_BORN;
}

/* A new address space for a fork: same addresses, windows of its own. Returns 0 or -errno. */
static int nest_home(struct birth *birth, struct sandbox *sandbox)
{
    struct space *space = birth->space, *home;
    struct board *board;
    int i = birth->cradle->i, error;

    if (birth->wish.flags & CLONE_VM) {
        birth->home = space;
        return 0;
    }
    error = space_new(sandbox, birth->arch, &home);
    if (error)
        return error;
    board = home->mailbox.board;
    memcpy(board->routes, space->mailbox.board->routes, sizeof board->routes);
    memcpy(board->repeats, space->mailbox.board->repeats, sizeof board->repeats);
    memcpy(&board->start, &space->mailbox.board->start, offsetof(struct start, binary));
    home->keystone = space->keystone;
    space_trampolines(sandbox, home, space->trampolines);
    home->trampolines_at = space->trampolines_at;
    home->born_filter = space->born_filter;
    home->born_filter->users++;
    birth->home = home;
    birth->slot = &home->slot[i];
    mailbox_prepare(&home->mailbox, i);
    return 0;
}

/* Everything that the child will need, from what its parent told. Returns 0 or -errno. */
int nest_prepare(struct birth *birth, struct sandbox *sandbox)
{
    static struct caught caught;
    struct birth_steps steps = { 0 };
    struct nest nest;
    int error = nest_filter(sandbox, birth->space, birth->arch);

    if (!error)
        error = nest_home(birth, sandbox);
    if (error)
        return error;
    memcpy(&caught, &birth->space->mailbox.requests[birth->cradle->i].caught, sizeof caught);
    mailbox_guard(&birth->home->mailbox, birth->slot->i);
    nest = nest_of(&birth->home->mailbox, birth->slot->i);
    nest_hello(birth, &steps);
    nest_thread(birth, &caught, steps.thread, &nest);
    nest_lock(birth, &steps.lock, &nest);
    if (birth->home != birth->space) {
        nest_windows(birth, &steps);
        birth->space->mailbox.orders[birth->slot->i].birth = steps;
    }
    birth->home->mailbox.orders[birth->slot->i].birth = steps;
    caught.reg[0] = 0;
    if (birth->wish.stack)
        caught.reg[4] = birth->wish.stack;
    memcpy(&birth->home->mailbox.requests[birth->slot->i].caught, &caught, sizeof caught);
    return 0;
}
