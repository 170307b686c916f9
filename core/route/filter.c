/*
 * filter: see filter.h. What libseccomp can say (which numbers pass, which are denied) it says; the rest is written with bpf.h.
 */
#include "core/route/filter.h"

#include <asm/ioctls.h>
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#define FIELD(name) offsetof(struct seccomp_data, name)
#define ARG_LOW(i) (FIELD(args) + 8 * (size_t)(i))
#define ARG_HIGH(i) (ARG_LOW(i) + 4)
#define REFUSE (SECCOMP_RET_ERRNO | EPERM)

enum { X32_BIT = 0x40000000 };

static const uint32_t audit_arch[ABI_ARCHES] = { [ABI_X86_64] = SCMP_ARCH_X86_64, [ABI_I386] = SCMP_ARCH_X86 };

/* A libseccomp context for one architecture, or NULL. */
static scmp_filter_ctx filter_context(enum abi_arch arch, uint32_t fallback)
{
    scmp_filter_ctx ctx = seccomp_init(fallback);

    if (!ctx)
        return NULL;
    seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (arch == ABI_I386 && (seccomp_arch_add(ctx, SCMP_ARCH_X86) || seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE))) {
        seccomp_release(ctx);
        return NULL;
    }
    return ctx;
}

/* The context's program, appended to bpf with returns of `from` sent to `label`. Returns 0 or -errno. */
static int filter_export(scmp_filter_ctx ctx, struct bpf *bpf, uint32_t from, int label)
{
    static struct sock_filter code[BPF_MAXINSNS];
    int fd = memfd_create("nurse-filter", MFD_CLOEXEC);
    int error = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
    ssize_t length = error ? error : pread(fd, code, sizeof code, 0);

    if (fd >= 0)
        close(fd);
    if (length <= 0)
        return length ? (int)length : -EINVAL;
    bpf_append(bpf, code, (size_t)length / sizeof *code, from, label);
    return 0;
}

/* Jump to `label` when the call comes from the page at `page` (seccomp reports the address behind the instruction). */
static void filter_if_page(struct bpf *bpf, uint64_t page, int label)
{
    int elsewhere = bpf_label(bpf);

    bpf_load(bpf, FIELD(instruction_pointer) + 4);
    bpf_op(bpf, BPF_ALU | BPF_XOR | BPF_K, (uint32_t)(page >> 32));
    bpf_if(bpf, BPF_JGT, 0, elsewhere);
    bpf_load(bpf, FIELD(instruction_pointer));
    bpf_op(bpf, BPF_ALU | BPF_AND | BPF_K, 0xfffff000);
    bpf_if(bpf, BPF_JEQ, (uint32_t)page, label);
    bpf_here(bpf, elsewhere);
}

/* What gate and catch may do by themselves: give the CPU away, futex on nurse's own windows, and see to the thread's own signals and segments. */
static const char *const gate_calls[] = { "sched_yield", "rt_sigprocmask", "sigaltstack", "get_thread_area" };

static void filter_gate(struct bpf *bpf, enum abi_arch arch, uint64_t base, int allow, int notify)
{
    int gate = bpf_label(bpf), own = bpf_label(bpf), yes = bpf_label(bpf);
    uint64_t start = base + KEEP_REQUEST, end = base + KEEP_SPAN;

    filter_if_page(bpf, base + STUB_GATE, gate);
    bpf_goto(bpf, notify);
    bpf_here(bpf, gate);
    if (arch == ABI_I386) {    /* what libc calls through it is the program's */
        bpf_load(bpf, FIELD(instruction_pointer));
        bpf_op(bpf, BPF_ALU | BPF_AND | BPF_K, 0xfff);
        bpf_if(bpf, BPF_JGE, STUB_GATE_OWN - STUB_GATE, own);
        bpf_goto(bpf, notify);
    }
    bpf_here(bpf, own);
    bpf_load(bpf, FIELD(nr));
    for (size_t i = 0; i < sizeof gate_calls / sizeof *gate_calls; i++)
        bpf_if(bpf, BPF_JEQ, (uint32_t)abi_number(arch, abi_find(gate_calls[i])), allow);
    bpf_if(bpf, BPF_JEQ, (uint32_t)abi_number(arch, abi_find("futex")), yes);
    bpf_goto(bpf, notify);
    bpf_here(bpf, yes);
    bpf_load(bpf, ARG_HIGH(0));
    bpf_op(bpf, BPF_ALU | BPF_XOR | BPF_K, (uint32_t)(start >> 32));
    bpf_if(bpf, BPF_JGT, 0, notify);
    bpf_load(bpf, ARG_LOW(0));
    bpf_if(bpf, BPF_JGE, (uint32_t)end, notify);
    bpf_if(bpf, BPF_JGE, (uint32_t)start, allow);
    bpf_goto(bpf, notify);
}

/* What neither is native nor came through the gate: the trustee's own calls pass, its bell and all others notify. */
static void filter_base_rest(struct bpf *bpf, const uint64_t base[ABI_ARCHES])
{
    int allow = bpf_label(bpf), notify = bpf_label(bpf), i386 = bpf_label(bpf);

    bpf_load(bpf, FIELD(nr));
    bpf_if(bpf, BPF_JEQ, NURSE_CALL, notify);
    bpf_load(bpf, FIELD(arch));
    bpf_if(bpf, BPF_JEQ, audit_arch[ABI_I386], i386);
    filter_if_page(bpf, base[ABI_X86_64] + STUB_TRUSTEE, allow);
    filter_gate(bpf, ABI_X86_64, base[ABI_X86_64], allow, notify);
    bpf_here(bpf, i386);
    filter_if_page(bpf, base[ABI_I386] + STUB_TRUSTEE, allow);
    filter_gate(bpf, ABI_I386, base[ABI_I386], allow, notify);
    bpf_here(bpf, allow);
    bpf_return(bpf, SECCOMP_RET_ALLOW);
    bpf_here(bpf, notify);
    bpf_return(bpf, SECCOMP_RET_USER_NOTIF);
}

/* One rule of a libseccomp context per entry of `route`. Returns 0 or -errno. */
static int filter_rules(scmp_filter_ctx ctx, const struct route_table *table, enum abi_arch arch, enum route route)
{
    for (int nr = 0; nr < MAILBOX_ROUTES; nr++) {
        const struct route_entry *entry = &table->entry[arch][nr];
        uint32_t action = SCMP_ACT_ALLOW;
        int error;

        if (!entry->row || entry->route != route)
            continue;
        if (route == ROUTE_DENIED)
            action = SCMP_ACT_ERRNO((unsigned)entry->verdict.error);
        error = seccomp_rule_add(ctx, action, seccomp_syscall_resolve_name(entry->row->name), 0);
        if (error)
            return error;
    }
    return 0;
}

int filter_base(struct bpf *bpf, const struct route_table *table, const uint64_t base[ABI_ARCHES])
{
    scmp_filter_ctx ctx = filter_context(ABI_X86_64, SCMP_ACT_NOTIFY), i386 = filter_context(ABI_I386, SCMP_ACT_NOTIFY);
    int rest, error = ctx && i386 ? 0 : -ENOMEM;

    bpf_begin(bpf);
    rest = bpf_label(bpf);
    if (!error)
        error = filter_rules(ctx, table, ABI_X86_64, ROUTE_NATIVE);
    if (!error)
        error = filter_rules(i386, table, ABI_I386, ROUTE_NATIVE);
    if (!error)
        error = seccomp_merge(ctx, i386);
    if (!error)
        i386 = NULL;    /* it belongs to ctx now */
    if (!error)
        error = filter_export(ctx, bpf, SECCOMP_RET_USER_NOTIF, rest);
    seccomp_release(ctx);
    if (i386)
        seccomp_release(i386);
    if (error)
        return error;
    bpf_here(bpf, rest);
    filter_base_rest(bpf, base);
    return bpf_end(bpf);
}

/* libseccomp's program for the denials of an architecture, made once: the routes of a run don't change. Returns 0 or -errno. */
static int filter_denied(const struct route_table *table, enum abi_arch arch, const struct bpf **out)
{
    static struct bpf made[ABI_ARCHES];
    static unsigned of[ABI_ARCHES];
    scmp_filter_ctx ctx;
    int error;

    *out = &made[arch];
    if (of[arch] && of[arch] == table->made)
        return 0;
    ctx = filter_context(arch, SCMP_ACT_ALLOW);
    error = ctx ? filter_rules(ctx, table, arch, ROUTE_DENIED) : -ENOMEM;
    bpf_begin(&made[arch]);
    if (!error)
        error = filter_export(ctx, &made[arch], UINT32_MAX, -1);
    seccomp_release(ctx);
    of[arch] = error ? 0 : table->made;
    return error;
}

/* The policy's denials, at the place where the program stands; everything else returns ALLOW. Returns 0 or -errno. */
static int filter_denials(struct bpf *bpf, const struct route_table *table, enum abi_arch arch, uint64_t base)
{
    int waits = bpf_label(bpf), allow = bpf_label(bpf), rules = bpf_label(bpf);
    const struct bpf *denied;
    int error = filter_denied(table, arch, &denied);

    if (error)
        return error;
    bpf_load(bpf, FIELD(nr));    /* a policy without futex does not keep the gate from waiting */
    for (size_t i = 0; i < sizeof gate_calls / sizeof *gate_calls; i++)
        bpf_if(bpf, BPF_JEQ, (uint32_t)abi_number(arch, abi_find(gate_calls[i])), waits);
    bpf_if(bpf, BPF_JEQ, (uint32_t)abi_number(arch, abi_find("futex")), waits);
    bpf_goto(bpf, rules);
    bpf_here(bpf, waits);
    filter_gate(bpf, arch, base, allow, rules);
    bpf_here(bpf, allow);
    bpf_return(bpf, SECCOMP_RET_ALLOW);
    bpf_here(bpf, rules);
    bpf_append(bpf, denied->code, denied->count, UINT32_MAX, -1);
    return 0;
}

int filter_policy(struct bpf *bpf, const struct route_table *table, enum abi_arch arch, uint64_t base)
{
    int error;

    bpf_begin(bpf);
    error = filter_denials(bpf, table, arch, base);
    return error ? error : bpf_end(bpf);
}

/* Refuse when [args[a], args[a] + args[b]) touches nurse's memory, else go to `pass`. */
static void filter_range(struct bpf *bpf, const struct keystone *keystone, int a, int b, int refuse, int pass)
{
    enum { ADDR_LOW, ADDR_HIGH, END_LOW, END_HIGH };
    int wide = bpf_label(bpf), nonzero = bpf_label(bpf), carry = bpf_label(bpf), sum = bpf_label(bpf);

    bpf_load(bpf, ARG_LOW(a));
    bpf_op(bpf, BPF_ST, ADDR_LOW);
    bpf_load(bpf, ARG_HIGH(a));
    bpf_op(bpf, BPF_ST, ADDR_HIGH);
    bpf_op(bpf, BPF_MISC | BPF_TAX, 0);
    bpf_load(bpf, ARG_HIGH(b));                     /* end_high = addr_high + length_high */
    bpf_op(bpf, BPF_ALU | BPF_ADD | BPF_X, 0);
    bpf_op(bpf, BPF_ST, END_HIGH);
    bpf_op(bpf, BPF_JMP | BPF_JGE | BPF_X, 0);      /* if (end_high < addr_high) it wrapped around 64 bits */
    bpf->code[bpf->count - 1].jt = 1;
    bpf_goto(bpf, refuse);
    bpf_load(bpf, ARG_HIGH(b));                     /* a length of 0 counts as 1 (mremap copies with it) */
    bpf_if(bpf, BPF_JGT, 0, wide);
    bpf_load(bpf, ARG_LOW(b));
    bpf_if(bpf, BPF_JGT, 0, nonzero);
    bpf_op(bpf, BPF_LD | BPF_IMM, 1);
    bpf_goto(bpf, nonzero);
    bpf_here(bpf, wide);
    bpf_load(bpf, ARG_LOW(b));
    bpf_here(bpf, nonzero);
    bpf_op(bpf, BPF_LDX | BPF_MEM, ADDR_LOW);
    bpf_op(bpf, BPF_ALU | BPF_ADD | BPF_X, 0);      /* end_low = addr_low + length_low */
    bpf_op(bpf, BPF_ST, END_LOW);
    bpf_op(bpf, BPF_MISC | BPF_TAX, 0);
    bpf_op(bpf, BPF_LD | BPF_MEM, ADDR_LOW);        /* if (addr_low > end_low) end_high++ */
    bpf_op(bpf, BPF_JMP | BPF_JGT | BPF_X, 0);
    bpf->code[bpf->count - 1].jf = 1;
    bpf_goto(bpf, carry);
    bpf_goto(bpf, sum);
    bpf_here(bpf, carry);
    bpf_op(bpf, BPF_LD | BPF_MEM, END_HIGH);
    bpf_op(bpf, BPF_ALU | BPF_ADD | BPF_K, 1);
    bpf_op(bpf, BPF_ST, END_HIGH);
    bpf_if(bpf, BPF_JEQ, 0, refuse);                /* wrapped around 64 bits */
    bpf_here(bpf, sum);
    for (int i = 0; i < KEYSTONE_RANGES; i++) {
        uint64_t start = keystone->range[i].start, end = keystone->range[i].end;
        int next = bpf_label(bpf), below = bpf_label(bpf);

        bpf_op(bpf, BPF_LD | BPF_MEM, ADDR_HIGH);   /* if (addr >= end) next */
        bpf_if(bpf, BPF_JGT, (uint32_t)(end >> 32), next);
        bpf_op(bpf, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(end >> 32));
        bpf->code[bpf->count - 1].jt = 1;
        bpf_goto(bpf, below);
        bpf_op(bpf, BPF_LD | BPF_MEM, ADDR_LOW);
        bpf_if(bpf, BPF_JGE, (uint32_t)end, next);
        bpf_here(bpf, below);
        bpf_op(bpf, BPF_LD | BPF_MEM, END_HIGH);    /* if (end > start) refuse */
        bpf_if(bpf, BPF_JGT, (uint32_t)(start >> 32), refuse);
        bpf_op(bpf, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(start >> 32));
        bpf->code[bpf->count - 1].jt = 1;
        bpf_goto(bpf, next);
        bpf_op(bpf, BPF_LD | BPF_MEM, END_LOW);
        bpf_if(bpf, BPF_JGT, (uint32_t)start, refuse);
        bpf_here(bpf, next);
    }
    bpf_goto(bpf, pass);
}

/* Go to `pass` unless args[i] has one of the bits. */
static void filter_unless_bits(struct bpf *bpf, int i, uint32_t bits, int pass)
{
    int set = bpf_label(bpf);

    bpf_load(bpf, ARG_LOW(i));
    bpf_if(bpf, BPF_JSET, bits, set);
    bpf_goto(bpf, pass);
    bpf_here(bpf, set);
}

/* The BPF reading of one row of the keystone table: goes to `refuse` or `pass`, or to `range`, where the first two arguments are looked at as address and
 * length. (One such place for all rules: the kernel translates the whole filter at every fork and exec.) */
static void filter_rule(struct bpf *bpf, const struct keystone *keystone, const struct keystone_rule *rule, int refuse, int pass, int range)
{
    int more = bpf_label(bpf);

    switch (rule->kind) {
    case KEYSTONE_RANGE:
        bpf_goto(bpf, range);
        return;
    case KEYSTONE_MMAP:
        filter_unless_bits(bpf, 3, MAP_FIXED, pass);
        bpf_goto(bpf, range);
        return;
    case KEYSTONE_MREMAP:
        filter_unless_bits(bpf, 3, MREMAP_FIXED, range);
        filter_range(bpf, keystone, 4, 2, refuse, range);
        return;
    case KEYSTONE_IPC:
        bpf_load(bpf, ARG_LOW(rule->a));
        bpf_op(bpf, BPF_ALU | BPF_AND | BPF_K, 0xffff);
        bpf_if(bpf, BPF_JEQ, 21 /* SHMAT */, more);
        bpf_goto(bpf, pass);
        bpf_here(bpf, more);
        filter_unless_bits(bpf, rule->b, SHM_REMAP, pass);
        bpf_goto(bpf, refuse);
        return;
    case KEYSTONE_SHMAT:
        filter_unless_bits(bpf, rule->a, SHM_REMAP, pass);
        bpf_goto(bpf, refuse);
        return;
    case KEYSTONE_WHO:
    case KEYSTONE_PRIORITY:
        bpf_load(bpf, ARG_LOW(rule->a));
        bpf_if(bpf, BPF_JGT, rule->kind == KEYSTONE_WHO, refuse);
        bpf_load(bpf, ARG_LOW(rule->b));
        bpf_if(bpf, BPF_JEQ, (uint32_t)keystone->helper, refuse);
        bpf_goto(bpf, pass);
        return;
    case KEYSTONE_PID:
        bpf_load(bpf, ARG_LOW(rule->a));
        bpf_if(bpf, BPF_JEQ, (uint32_t)keystone->helper, refuse);
        bpf_goto(bpf, pass);
        return;
    case KEYSTONE_IOCTL:
        bpf_load(bpf, ARG_LOW(rule->a));
        for (size_t i = 0; i < KEYSTONE_IOCTLS; i++)
            bpf_if(bpf, BPF_JEQ, keystone_ioctls[i], refuse);
        bpf_goto(bpf, pass);
        return;
    case KEYSTONE_OWNER:
        bpf_load(bpf, ARG_LOW(rule->a));
        bpf_if(bpf, BPF_JEQ, F_SETOWN_EX, refuse);
        bpf_if(bpf, BPF_JEQ, F_SETOWN, more);
        bpf_goto(bpf, pass);
        bpf_here(bpf, more);
        bpf_load(bpf, ARG_LOW(rule->b));
        bpf_if(bpf, BPF_JGE, 0x80000000, refuse);
        bpf_if(bpf, BPF_JEQ, (uint32_t)keystone->helper, refuse);
        bpf_goto(bpf, pass);
        return;
    case KEYSTONE_BITS:
        filter_unless_bits(bpf, rule->a, rule->b, pass);
        bpf_goto(bpf, refuse);
        return;
    }
}

struct span { uint32_t first, last; };

/* Calls that this kernel seems not to have. clone3: its flags lie in memory, where they could change after they were judged; libc then uses clone. landlock:
 * it would bind the thread and not the trustee that opens files for it. */
static const char *const absent_calls[] = { "clone3", "landlock_create_ruleset" };

static bool filter_absent(const struct abi_call *row)
{
    for (size_t i = 0; i < sizeof absent_calls / sizeof *absent_calls; i++)
        if (strcmp(absent_calls[i], row->name) == 0)
            return true;
    return false;
}

/* The native numbers that no keystone rule looks at, as sorted spans. */
static int filter_spans(const struct route_table *table, enum abi_arch arch, struct span spans[MAILBOX_ROUTES])
{
    int count = 0;

    for (uint32_t nr = 0; nr < MAILBOX_ROUTES; nr++) {
        const struct route_entry *entry = &table->entry[arch][nr];

        if (!entry->row || entry->route != ROUTE_NATIVE || keystone_rule(entry->row) || filter_absent(entry->row))
            continue;
        if (count && spans[count - 1].last + 1 == nr)
            spans[count - 1].last = nr;
        else
            spans[count++] = (struct span){ nr, nr };
    }
    return count;
}

/* Binary search: go to `yes` when the number (in the accumulator) lies in a span, else to `no`. */
static void filter_search(struct bpf *bpf, const struct span *spans, int count, int yes, int no)
{
    int right = bpf_label(bpf);

    if (count == 0) {
        bpf_goto(bpf, no);
    } else if (count == 1) {
        bpf_if(bpf, BPF_JGT, spans->last, no);
        bpf_if(bpf, BPF_JGE, spans->first, yes);
        bpf_goto(bpf, no);
    } else {
        bpf_if(bpf, BPF_JGE, spans[count / 2].first, right);
        filter_search(bpf, spans, count / 2, yes, no);
        bpf_here(bpf, right);
        filter_search(bpf, spans + count / 2, count - count / 2, yes, no);
    }
}

/* The keystone rules; what they let pass goes to `pass`. */
static void filter_stones(struct bpf *bpf, const struct route_table *table, enum abi_arch arch, uint64_t base, const struct keystone *keystone, int pass)
{
    static struct span spans[MAILBOX_ROUTES];
    int count = filter_spans(table, arch, spans);
    int ours = bpf_label(bpf), refuse = bpf_label(bpf), kill = bpf_label(bpf), rest = bpf_label(bpf), page = bpf_label(bpf), absent = bpf_label(bpf),
        range = bpf_label(bpf);

    bpf_load(bpf, FIELD(arch));
    bpf_if(bpf, BPF_JEQ, audit_arch[arch], ours);
    bpf_goto(bpf, kill);
    bpf_here(bpf, ours);
    bpf_load(bpf, FIELD(nr));
    if (arch == ABI_X86_64)
        bpf_if(bpf, BPF_JGE, X32_BIT, kill);
    filter_search(bpf, spans, count, pass, rest);
    bpf_here(bpf, rest);
    for (size_t i = 0; i < sizeof absent_calls / sizeof *absent_calls; i++)
        if (abi_number(arch, abi_find(absent_calls[i])) >= 0)
            bpf_if(bpf, BPF_JEQ, (uint32_t)abi_number(arch, abi_find(absent_calls[i])), absent);
    for (int nr = 0; nr < MAILBOX_ROUTES; nr++) {
        const struct abi_call *row = table->entry[arch][nr].row;
        const struct keystone_rule *rule = row ? keystone_rule(row) : NULL;
        int next, this;

        if (!rule)
            continue;
        next = bpf_label(bpf), this = bpf_label(bpf);
        bpf_if(bpf, BPF_JEQ, (uint32_t)nr, this);
        bpf_goto(bpf, next);
        bpf_here(bpf, this);
        filter_rule(bpf, keystone, rule, refuse, table->entry[arch][nr].route == ROUTE_NATIVE ? pass : page, range);
        bpf_here(bpf, next);
    }
    bpf_goto(bpf, page);
    bpf_here(bpf, range);
    filter_range(bpf, keystone, 0, 1, refuse, page);
    bpf_here(bpf, page);    /* what the base filter lets pass for the trustee's sake is death for everybody else */
    filter_if_page(bpf, base + STUB_TRUSTEE, kill);
    bpf_goto(bpf, pass);
    bpf_here(bpf, refuse);
    bpf_return(bpf, REFUSE);
    bpf_here(bpf, absent);
    bpf_return(bpf, SECCOMP_RET_ERRNO | ENOSYS);
    bpf_here(bpf, kill);
    bpf_return(bpf, SECCOMP_RET_KILL_PROCESS);
}

int filter_keystone(struct bpf *bpf, const struct route_table *table, enum abi_arch arch, uint64_t base, const struct keystone *keystone)
{
    int allow;

    bpf_begin(bpf);
    allow = bpf_label(bpf);
    filter_stones(bpf, table, arch, base, keystone, allow);
    bpf_here(bpf, allow);
    bpf_return(bpf, SECCOMP_RET_ALLOW);
    return bpf_end(bpf);
}

int filter_born(struct bpf *bpf, const struct route_table *table, enum abi_arch arch, uint64_t base, const struct keystone *keystone)
{
    int allow, error;

    bpf_begin(bpf);
    allow = bpf_label(bpf);
    filter_stones(bpf, table, arch, base, keystone, allow);
    bpf_here(bpf, allow);
    error = filter_denials(bpf, table, arch, base);
    return error ? error : bpf_end(bpf);
}
