/*
 * unit-route: the routes and the seccomp programs, read by a small interpreter of classic BPF and, where it is cheap, by the kernel itself.
 *
 * The interpreter is the kernel's semantics for seccomp: 32-bit words of struct seccomp_data, accumulator, index, 16 words of scratch memory; a
 * load that is not aligned, memory that was not written and a jump out of the program end the test.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/close_range.h>
#include <linux/sockios.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/route/filter.h"

enum { PAGE = 4096, X32 = 0x40000000, TRIES = 200000, BOTH = 1000 };

static const uint32_t audit[ABI_ARCHES] = { [ABI_X86_64] = AUDIT_ARCH_X86_64, [ABI_I386] = AUDIT_ARCH_I386 };
/* As spawn_draw() draws them; the x86_64 one shares its low half with the i386 one, so that only the high half tells them apart. */
static const uint64_t base[ABI_ARCHES] = { [ABI_X86_64] = 0x41234a5b6000, [ABI_I386] = 0x4a5b6000 };
enum { PROGRAM_IP = 0x40123456, HELPER = 4242 };

/* --- the interpreter ------------------------------------------------------------------------------------- */

struct machine {
    uint32_t a, x, m[BPF_MEMWORDS];
    uint16_t written;
};

static uint32_t machine_word(const struct seccomp_data *data, uint32_t k)
{
    uint32_t word;

    assert_true(k % 4 == 0 && k <= sizeof *data - 4);
    memcpy(&word, (const uint8_t *)data + k, sizeof word);
    return word;
}

static uint32_t machine_memory(const struct machine *machine, uint32_t k)
{
    assert_true(k < BPF_MEMWORDS && (machine->written >> k & 1));
    return machine->m[k];
}

static void machine_store(struct machine *machine, uint32_t k, uint32_t value)
{
    assert_true(k < BPF_MEMWORDS);
    machine->m[k] = value;
    machine->written |= (uint16_t)(1u << k);
}

static uint32_t machine_alu(uint16_t op, uint32_t a, uint32_t b)
{
    switch (op) {
    case BPF_ADD: return a + b;
    case BPF_SUB: return a - b;
    case BPF_AND: return a & b;
    case BPF_OR: return a | b;
    case BPF_XOR: return a ^ b;
    case BPF_LSH: assert_true(b < 32); return a << b;
    case BPF_RSH: assert_true(b < 32); return a >> b;
    case BPF_NEG: return -a;
    default: fail_msg("ALU operation %x", op); return 0;
    }
}

static bool machine_test(uint16_t op, uint32_t a, uint32_t b)
{
    switch (op) {
    case BPF_JEQ: return a == b;
    case BPF_JGT: return a > b;
    case BPF_JGE: return a >= b;
    case BPF_JSET: return (a & b) != 0;
    default: fail_msg("jump %x", op); return false;
    }
}

static void machine_load(struct machine *machine, const struct sock_filter *insn, const struct seccomp_data *data)
{
    uint32_t value = 0;

    switch (BPF_MODE(insn->code)) {
    case BPF_ABS: assert_int_equal(BPF_SIZE(insn->code), BPF_W); value = machine_word(data, insn->k); break;
    case BPF_IMM: value = insn->k; break;
    case BPF_MEM: value = machine_memory(machine, insn->k); break;
    default: fail_msg("load %x", insn->code);
    }
    if (BPF_CLASS(insn->code) == BPF_LD)
        machine->a = value;
    else
        machine->x = value;
}

/* What the program answers. */
static uint32_t interpret(const struct bpf *bpf, const struct seccomp_data *data)
{
    struct machine machine = { 0 };

    for (size_t pc = 0; pc < bpf->count; pc++) {
        const struct sock_filter *insn = &bpf->code[pc];
        uint32_t operand = BPF_SRC(insn->code) == BPF_X ? machine.x : insn->k;

        switch (BPF_CLASS(insn->code)) {
        case BPF_LD:
        case BPF_LDX: machine_load(&machine, insn, data); break;
        case BPF_ST: machine_store(&machine, insn->k, machine.a); break;
        case BPF_STX: machine_store(&machine, insn->k, machine.x); break;
        case BPF_ALU: machine.a = machine_alu(BPF_OP(insn->code), machine.a, operand); break;
        case BPF_MISC: *(BPF_MISCOP(insn->code) == BPF_TAX ? &machine.x : &machine.a) = BPF_MISCOP(insn->code) == BPF_TAX ? machine.a : machine.x; break;
        case BPF_JMP:
            if (BPF_OP(insn->code) == BPF_JA)
                pc += insn->k;
            else
                pc += machine_test(BPF_OP(insn->code), machine.a, operand) ? insn->jt : insn->jf;
            break;
        default: return BPF_RVAL(insn->code) == BPF_A ? machine.a : insn->k;
        }
    }
    fail_msg("control runs out of the program");
    return 0;
}

/* --- a policy -------------------------------------------------------------------------------------------- */

enum { NAMES = 1024 };

/* What it answers for each call; row i as in abi_row(i). */
static struct policy {
    struct { bool constant, watched; struct verdict verdict; } row[NAMES];
} policy;

static bool policy_constant(void *self, enum abi_arch arch, const struct abi_call *row, struct verdict *out)
{
    const struct policy *p = self;
    size_t i = abi_index(row);

    (void)arch;
    *out = p->row[i].verdict;
    return p->row[i].constant;
}

static bool policy_watches(void *self, const struct abi_call *row)
{
    return ((const struct policy *)self)->row[abi_index(row)].watched;
}

static const struct judge judge = { .self = &policy, .constant = policy_constant, .watches = policy_watches };

static void policy_all(bool constant, struct verdict verdict)
{
    for (int i = 0; i < NAMES; i++) {
        policy.row[i].constant = constant;
        policy.row[i].watched = false;
        policy.row[i].verdict = verdict;
    }
}

static const struct verdict allowed = { .kind = VERDICT_ALLOW };

/* Everything a bit different: a constant allow, a question, a constant denial, a kill, an emulation, in turns. */
static void policy_mixed(void)
{
    static const char rule[] = "policy.lua:12";

    policy_all(true, allowed);
    for (int i = 0; i < NAMES; i++) {
        policy.row[i].constant = i % 7 != 1;
        policy.row[i].watched = i % 11 == 0;
        if (i % 7 == 2)
            policy.row[i].verdict = (struct verdict){ .kind = VERDICT_DENY, .error = 1 + i % 133, .rule = rule };
        if (i % 7 == 3)
            policy.row[i].verdict = (struct verdict){ .kind = i % 2 ? VERDICT_KILL : VERDICT_ASK, .rule = rule };
        if (i % 7 == 4)
            policy.row[i].verdict = (struct verdict){ .kind = VERDICT_EMULATE, .value = 42 };
    }
}

static struct route_table table;
static struct bpf bpf;

static const struct route_entry *entry_of(enum abi_arch arch, const char *name)
{
    int nr = abi_number(arch, abi_find(name));

    assert_true(nr >= 0);
    return route_entry(&table, arch, (uint64_t)nr);
}

/* --- routes ---------------------------------------------------------------------------------------------- */

static void test_route_of(void **state)
{
    const enum route N = ROUTE_NATIVE, D = ROUTE_DENIED, M = ROUTE_MAILBOX, Y = ROUTE_NOTIFY;
    const struct { enum abi_where where; enum route constant[6], asked; } cases[] = {
        /*                  allow, emulate, ask, deny, kills       a question */
        { ABI_ANY,        { N,     M,       D,   D,    Y, Y },  M },
        { ABI_BLOCKS,     { N,     Y,       D,   D,    Y, Y },  Y },
        { ABI_THREAD,     { N,     Y,       D,   D,    Y, Y },  Y },
        { ABI_WATCHED,    { Y,     Y,       D,   D,    Y, Y },  Y },
        { ABI_HELPER,     { M,     M,       D,   D,    Y, Y },  M },
        { ABI_PROCESS,    { Y,     Y,       D,   D,    Y, Y },  Y },
        { ABI_UNSAFE,     { D,     D,       D,   D,    Y, Y },  D },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int kind = VERDICT_ALLOW; kind <= VERDICT_KILL; kind++) {
            struct abi_call row = { .name = "test", .where = cases[i].where };
            struct verdict verdict = { .kind = (enum verdict_kind)kind };

            assert_int_equal(route_of(&row, true, &verdict), cases[i].constant[kind]);
            assert_int_equal(route_of(&row, false, &verdict), cases[i].asked);
        }
    assert_string_equal(route_name(ROUTE_NATIVE), "native");
    assert_string_equal(route_name(ROUTE_DENIED), "denied");
    assert_string_equal(route_name(ROUTE_MAILBOX), "mailbox");
    assert_string_equal(route_name(ROUTE_NOTIFY), "notify");
}

/* The table: what after() wants to see never runs natively, unsafe and unanswerable calls are denials with an errno, the rest is route_of(). */
static void test_route_compute(void **state)
{
    (void)state;
    policy_all(true, allowed);
    policy.row[abi_index(abi_find("getppid"))].watched = true;
    policy.row[abi_index(abi_find("sched_yield"))].watched = true;
    policy.row[abi_index(abi_find("read"))].watched = true;
    policy.row[abi_index(abi_find("umask"))].verdict = (struct verdict){ .kind = VERDICT_ASK, .rule = "p.lua:1" };
    policy.row[abi_index(abi_find("userfaultfd"))].verdict = (struct verdict){ .kind = VERDICT_KILL };
    policy.row[abi_index(abi_find("bpf"))].verdict = (struct verdict){ .kind = VERDICT_DENY, .error = ENOSYS };
    route_compute(&table, &judge);
    for (int arch = 0; arch < ABI_ARCHES; arch++) {
        assert_int_equal(entry_of(arch, "dup")->route, ROUTE_NATIVE);
        assert_int_not_equal(entry_of(arch, "getppid")->route, ROUTE_NATIVE);
        assert_int_equal(entry_of(arch, "sched_yield")->route, ROUTE_NOTIFY);
        assert_int_not_equal(entry_of(arch, "read")->route, ROUTE_NATIVE);
        assert_int_equal(entry_of(arch, "umask")->route, ROUTE_DENIED);
        assert_int_equal(entry_of(arch, "umask")->verdict.kind, VERDICT_DENY);
        assert_int_equal(entry_of(arch, "umask")->verdict.error, EPERM);
        assert_string_equal(entry_of(arch, "umask")->verdict.rule, "p.lua:1");
        assert_int_equal(entry_of(arch, "userfaultfd")->route, ROUTE_NOTIFY);    /* the helper kills, with the policy's signal */
        assert_int_equal(entry_of(arch, "userfaultfd")->verdict.kind, VERDICT_KILL);
        assert_int_equal(entry_of(arch, "process_madvise")->route, ROUTE_DENIED);
        assert_int_equal(entry_of(arch, "process_madvise")->verdict.kind, VERDICT_DENY);
        assert_int_equal(entry_of(arch, "process_madvise")->verdict.error, EPERM);
        assert_int_equal(entry_of(arch, "bpf")->route, ROUTE_DENIED);
    }
    assert_null(route_entry(&table, ABI_X86_64, MAILBOX_ROUTES)->row);
    assert_null(route_entry(&table, ABI_X86_64, 39 + (1ull << 32))->row);
    assert_null(route_entry(&table, ABI_X86_64, UINT64_MAX)->row);
    assert_int_equal(route_entry(&table, ABI_X86_64, MAILBOX_ROUTES)->route, ROUTE_NOTIFY);
    assert_null(table.entry[ABI_X86_64][1023].row);
    assert_int_equal(table.entry[ABI_X86_64][1023].route, ROUTE_NOTIFY);
}

/* --- the base filter ------------------------------------------------------------------------------------- */

static uint64_t random64(void)
{
    static uint64_t x = 0x9e3779b97f4a7c15;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static uint32_t ask(enum abi_arch arch, int nr, uint64_t ip, const uint64_t args[6])
{
    struct seccomp_data data = { .nr = nr, .arch = audit[arch], .instruction_pointer = ip };

    if (args)
        memcpy(data.args, args, sizeof data.args);
    return interpret(&bpf, &data);
}

static bool in_page(uint64_t ip, uint64_t page)
{
    return ip >= page && ip < page + PAGE;
}

/* A multiplexer's call is what it stands for; libseccomp knows that for constant answers. */
static enum route route_behind(enum abi_arch arch, int nr, const uint64_t args[6])
{
    const struct route_entry *entry = route_entry(&table, arch, (uint64_t)nr);
    const struct abi_call *row = NULL;
    const uint8_t *from;
    int words;

    if (!entry->row)
        return ROUTE_NOTIFY;
    if (arch == ABI_I386 && args && !strcmp(entry->row->name, "socketcall") && args[0] <= UINT32_MAX)
        row = abi_socketcall((uint32_t)args[0], &words);
    if (arch == ABI_I386 && args && !strcmp(entry->row->name, "ipc") && args[0] <= UINT32_MAX)
        row = abi_ipc((uint32_t)args[0], &from);
    if (row && abi_number(arch, row) >= 0 && entry_of(arch, row->name)->route == ROUTE_NATIVE)
        return ROUTE_NATIVE;
    return entry->route;
}

/* What gate and catch may call for themselves, whatever its arguments. */
static const char *const gate_calls[] = { "sched_yield", "rt_sigprocmask", "sigaltstack", "get_thread_area" };
enum { GATE_CALLS = sizeof gate_calls / sizeof *gate_calls };

static bool gate_may(enum abi_arch arch, int nr)
{
    for (int i = 0; i < GATE_CALLS; i++)
        if (nr == abi_number(arch, abi_find(gate_calls[i])))
            return true;
    return false;
}

static uint32_t base_expected(enum abi_arch arch, int nr, uint64_t ip, const uint64_t args[6])
{
    uint64_t first = args ? args[0] : 0, keep = base[arch];

    if (route_behind(arch, nr, args) == ROUTE_NATIVE)
        return SECCOMP_RET_ALLOW;
    if (nr == NURSE_CALL)
        return SECCOMP_RET_USER_NOTIF;
    if (in_page(ip, keep + STUB_TRUSTEE))
        return SECCOMP_RET_ALLOW;
    if (in_page(ip, keep + STUB_GATE) && (arch == ABI_X86_64 || ip >= keep + STUB_GATE_OWN)) {
        if (gate_may(arch, nr))
            return SECCOMP_RET_ALLOW;
        if (nr == abi_number(arch, abi_find("futex")) && first >= keep + KEEP_REQUEST && first < keep + KEEP_SPAN)
            return SECCOMP_RET_ALLOW;
    }
    return SECCOMP_RET_USER_NOTIF;
}

/* Addresses behind system call instructions: the program's, each page of both keeps, and their neighbours. */
static int base_places(uint64_t places[64])
{
    static const int32_t around[] = { STUB_TRUSTEE - 1, STUB_TRUSTEE, STUB_TRUSTEE + 1, STUB_TRUSTEE + 0x18, STUB_GATE - 1, STUB_GATE, STUB_GATE + 2,
                                      STUB_GATE_OWN - 1, STUB_GATE_OWN, STUB_GATE + PAGE - 1, STUB_GATE + PAGE, KEEP_REQUEST + 2, 0 };
    int count = 0;

    places[count++] = 0;
    places[count++] = UINT64_MAX;
    places[count++] = PROGRAM_IP;
    for (int arch = 0; arch < ABI_ARCHES; arch++)
        for (size_t i = 0; i < sizeof around / sizeof *around; i++)
            places[count++] = base[arch] + (uint64_t)around[i];
    places[count++] = base[ABI_X86_64] + STUB_TRUSTEE + (1ull << 32);
    places[count++] = base[ABI_X86_64] + STUB_TRUSTEE + (1ull << 63);
    places[count++] = base[ABI_I386] + STUB_TRUSTEE + (1ull << 32);
    return count;
}

static void base_check(void)
{
    uint64_t places[64];
    int count = base_places(places), numbers = 0;

    assert_true(filter_base(&bpf, &table, base) > 0);
    for (int arch = 0; arch < ABI_ARCHES; arch++)
        for (int nr = -1; nr < MAILBOX_ROUTES + 2; nr++)
            for (int i = 0; i < count; i++, numbers++) {
                uint32_t action = ask(arch, nr, places[i], NULL);

                if (action != base_expected(arch, nr, places[i], NULL))
                    fail_msg("%s call %d from %llx: %x", abi_arch_name(arch), nr, (unsigned long long)places[i], action);
            }
    for (int arch = 0; arch < ABI_ARCHES; arch++)
        for (int i = 0; i < count; i++)
            assert_int_equal(ask(arch, NURSE_CALL, places[i], NULL), SECCOMP_RET_USER_NOTIF);
    assert_true(numbers > 50000);
}

/* The gate's own calls: futex on window addresses, whole 64 bits of them. */
static void base_check_gate(void)
{
    static const uint64_t edges[] = { KEEP_REQUEST, KEEP_ORDER, KEEP_SPAN, 0, STUB_TRUSTEE };

    for (int arch = 0; arch < ABI_ARCHES; arch++)
        for (int i = 0; i < 20000; i++) {
            uint64_t args[6] = { base[arch] + edges[random64() % 5] + random64() % 17 - 8, 0, 0, 0, 0, 0 };
            uint64_t ip = base[arch] + STUB_GATE + (random64() % 3 ? random64() % PAGE : random64() % (2 * PAGE));
            int nr = abi_number(arch, abi_find(random64() % 2 ? "futex" : gate_calls[random64() % GATE_CALLS]));

            if (random64() % 4 == 0)
                args[0] ^= 1ull << random64() % 64;
            if (arch == ABI_I386)
                args[0] = (uint32_t)args[0];
            assert_int_equal(ask(arch, nr, ip, args), base_expected(arch, nr, ip, args));
        }
}

/* A multiplexer passes only where the call that it stands for would; where libseccomp does not know it, the helper is asked. */
static void base_check_multiplexers(void)
{
    static const char *const names[] = { "socketcall", "ipc" };

    for (int n = 0; n < 2; n++)
        for (uint64_t first = 0; first < 30; first++) {
            uint64_t args[6] = { first, 0, 0, 0, 0, 0 };
            int nr = abi_number(ABI_I386, abi_find(names[n]));
            uint32_t action = ask(ABI_I386, nr, PROGRAM_IP, args);

            if (action != SECCOMP_RET_USER_NOTIF && action != base_expected(ABI_I386, nr, PROGRAM_IP, args))
                fail_msg("%s(%d): %x", names[n], (int)first, action);
        }
}

static void base_check_foreign(void)
{
    static const uint32_t others[] = { AUDIT_ARCH_ARM, AUDIT_ARCH_AARCH64, AUDIT_ARCH_MIPS, 0, UINT32_MAX, AUDIT_ARCH_I386 | 1u << 31 };

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        for (int nr = 0; nr < 500; nr++) {
            struct seccomp_data data = { .nr = nr, .arch = others[i], .instruction_pointer = base[ABI_X86_64] + STUB_TRUSTEE + 2 };

            assert_int_equal(interpret(&bpf, &data), SECCOMP_RET_KILL_PROCESS);
        }
    for (int nr = 0; nr < MAILBOX_ROUTES; nr++)    /* x32 */
        assert_int_not_equal(ask(ABI_X86_64, X32 + nr, PROGRAM_IP, NULL), SECCOMP_RET_ALLOW);
}

static void test_base(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        policy_all(kind == 1, allowed);
        if (kind == 2)
            policy_mixed();
        route_compute(&table, &judge);
        base_check();
        base_check_gate();
        base_check_multiplexers();
        base_check_foreign();
    }
}

/* --- the keystone filter --------------------------------------------------------------------------------- */

/* The keep and the trampolines, as they lie in a process of this class. */
static struct keystone keystone_of(enum abi_arch arch)
{
    uint64_t trampolines = arch == ABI_X86_64 ? 0x7f31fffe0000 : 0xf7ff0000;
    struct keystone keystone = { .helper = HELPER };

    keystone.range[0].start = base[arch];
    keystone.range[0].end = base[arch] + KEEP_SPAN;
    keystone.range[1].start = trampolines;
    keystone.range[1].end = trampolines + GATE_SPAN;
    return keystone;
}

static bool is_absent(enum abi_arch arch, int nr)
{
    return nr == abi_number(arch, abi_find("clone3")) || nr == abi_number(arch, abi_find("landlock_create_ruleset"));
}

static void test_keystone_where(void **state)
{
    static const uint64_t harmless[6] = { 0 };
    static const uint32_t others[] = { AUDIT_ARCH_ARM, AUDIT_ARCH_AARCH64, 0, UINT32_MAX };

    (void)state;
    policy_mixed();
    route_compute(&table, &judge);
    for (int arch = 0; arch < ABI_ARCHES; arch++) {
        struct keystone keystone = keystone_of(arch);
        uint64_t trustee = base[arch] + STUB_TRUSTEE;

        assert_true(filter_keystone(&bpf, &table, arch, base[arch], &keystone) > 0);
        for (int nr = -1; nr < MAILBOX_ROUTES + 2; nr++) {
            bool native = route_entry(&table, arch, (uint64_t)(int64_t)nr)->route == ROUTE_NATIVE;
            struct seccomp_data foreign = { .nr = nr, .arch = audit[!arch], .instruction_pointer = PROGRAM_IP };

            assert_int_equal(interpret(&bpf, &foreign), SECCOMP_RET_KILL_PROCESS);
            if (arch == ABI_X86_64 && nr < 0) {    /* the sign bit is above the x32 bit */
                assert_int_equal(ask(arch, nr, PROGRAM_IP, harmless), SECCOMP_RET_KILL_PROCESS);
                continue;
            }
            if (is_absent(arch, nr)) {    /* as if the kernel were too old, wherever it comes from */
                assert_int_equal(ask(arch, nr, PROGRAM_IP, harmless), SECCOMP_RET_ERRNO | ENOSYS);
                assert_int_equal(ask(arch, nr, trustee + 2, harmless), SECCOMP_RET_ERRNO | ENOSYS);
                continue;
            }
            assert_int_equal(ask(arch, nr, PROGRAM_IP, harmless), SECCOMP_RET_ALLOW);
            assert_int_equal(ask(arch, nr, trustee - 1, harmless), SECCOMP_RET_ALLOW);
            assert_int_equal(ask(arch, nr, trustee + PAGE, harmless), SECCOMP_RET_ALLOW);
            assert_int_equal(ask(arch, nr, trustee + (1ull << 32), harmless), SECCOMP_RET_ALLOW);
            /* What the base filter lets pass because the trustee asks must be death for everybody else, whatever the number. */
            if (native && !keystone_rule(table.entry[arch][nr].row))
                assert_int_equal(ask(arch, nr, trustee + 2, harmless), SECCOMP_RET_ALLOW);
            for (uint64_t place = 0; !native && place < PAGE; place += place < 0x200 ? 1 : 0x1ff)
                if (ask(arch, nr, trustee + place, harmless) != SECCOMP_RET_KILL_PROCESS)
                    fail_msg("%s %d (%s) from the trustee's page", abi_arch_name(arch), nr,
                             route_entry(&table, arch, (uint64_t)nr)->row ? table.entry[arch][nr].row->name : "no row");
        }
        assert_int_equal(ask(arch, NURSE_CALL, trustee + 2, NULL), SECCOMP_RET_KILL_PROCESS);
        assert_int_equal(ask(arch, NURSE_CALL, PROGRAM_IP, NULL), SECCOMP_RET_ALLOW);
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
            struct seccomp_data data = { .nr = 1, .arch = others[i] };

            assert_int_equal(interpret(&bpf, &data), SECCOMP_RET_KILL_PROCESS);
        }
        for (int nr = 0; nr < MAILBOX_ROUTES && arch == ABI_X86_64; nr++)
            assert_int_equal(ask(arch, X32 + nr, PROGRAM_IP, harmless), SECCOMP_RET_KILL_PROCESS);
    }
}

/* An address or a length that is near something. */
static uint64_t near(const struct keystone *keystone, uint64_t from)
{
    static const uint64_t spots[] = { 0, PAGE, 1ull << 31, 1ull << 32, 1ull << 47, 1ull << 63, UINT64_MAX, UINT32_MAX };
    uint64_t edges[4] = { keystone->range[0].start, keystone->range[0].end, keystone->range[1].start, keystone->range[1].end };

    switch (random64() % 8) {
    case 0: return random64();
    case 1: return random64() >> random64() % 64;
    case 2: return spots[random64() % 8] + random64() % 5 - 2;
    case 3: return edges[random64() % 4] + (1ull << random64() % 64);
    case 4: return edges[random64() % 4] + random64() % (16 * PAGE) - 8 * PAGE;
    case 5: return edges[random64() % 4] - from + random64() % 5 - 2;     /* a length that ends there */
    case 6: return 0 - from + random64() % 5 - 2;                         /* or at the end of the world */
    default: return edges[random64() % 4] + random64() % 5 - 2;
    }
}

/* Arguments that the rule looks at; where it looks at bits, all combinations of the interesting ones. */
static void keystone_args(const struct keystone *keystone, const struct keystone_rule *rule, enum abi_arch arch, uint64_t args[6])
{
    static const uint64_t interesting[] = { HELPER, HELPER + 1, 0, 1, 2, 3, TIOCSTI, TIOCLINUX, TIOCSTI + 1, SHM_REMAP, SHM_RND, 21, 20, 22, 21 | 1 << 16,
                                            PRIO_PROCESS, PRIO_PGRP, UINT32_MAX, (uint64_t)-HELPER, F_SETOWN, F_SETOWN_EX, F_GETOWN, 0xaa00, FIOSETOWN, SIOCSPGRP, CLOSE_RANGE_UNSHARE,
                                            CLOSE_RANGE_CLOEXEC };

    for (int i = 0; i < 6; i++)
        args[i] = near(keystone, i ? args[0] : 0);
    switch (rule->kind) {
    case KEYSTONE_RANGE:
        break;
    case KEYSTONE_MMAP:
    case KEYSTONE_MREMAP:
        args[2] = near(keystone, args[4]);
        args[3] = random64() % 3 ? (uint64_t)MAP_FIXED | MREMAP_FIXED : random64() % 64;
        break;
    default:
        for (int i = 0; i < 6; i++)
            args[i] = interesting[random64() % (sizeof interesting / sizeof *interesting)];
        break;
    }
    if (random64() % 4 == 0)
        args[random64() % 6] ^= 1ull << (32 + random64() % 32);    /* what the kernel does not look at, or does */
    for (int i = 0; i < 6 && arch == ABI_I386; i++)
        args[i] = (uint32_t)args[i];
}

/* The property: for every rule both readings of the table say the same; and both answers occur. */
static void keystone_compare(enum abi_arch arch, int nr)
{
    const struct abi_call *row = table.entry[arch][nr].row;
    struct keystone keystone = keystone_of(arch);
    int refused = 0;

    for (int i = 0; i < TRIES / ABI_ARCHES; i++) {
        uint64_t args[6] = { 0 };
        int error;
        uint32_t action;

        keystone_args(&keystone, keystone_rule(row), arch, args);
        error = keystone_refuses(&keystone, row, args);
        action = ask(arch, nr, PROGRAM_IP, args);
        refused += error != 0;
        if (action != (error ? SECCOMP_RET_ERRNO | (uint32_t)error : SECCOMP_RET_ALLOW))
            fail_msg("%s %s(%#llx, %#llx, %#llx, %#llx, %#llx): C says %d, BPF %#x", abi_arch_name(arch), row->name, (unsigned long long)args[0],
                     (unsigned long long)args[1], (unsigned long long)args[2], (unsigned long long)args[3], (unsigned long long)args[4], error, action);
    }
    if (refused < BOTH || refused > TRIES / ABI_ARCHES - BOTH)
        fail_msg("%s %s: %d of %d refused: this proves nothing", abi_arch_name(arch), row->name, refused, TRIES / ABI_ARCHES);
}

static void test_keystone_readings(void **state)
{
    int rules = 0;

    (void)state;
    policy_all(true, allowed);
    route_compute(&table, &judge);
    for (int arch = 0; arch < ABI_ARCHES; arch++) {
        struct keystone keystone = keystone_of(arch);

        assert_true(filter_keystone(&bpf, &table, arch, base[arch], &keystone) > 0);
        for (int nr = 0; nr < MAILBOX_ROUTES; nr++)
            if (table.entry[arch][nr].row && keystone_rule(table.entry[arch][nr].row)) {
                keystone_compare(arch, nr);
                rules++;
            }
    }
    assert_true(rules >= 40);
}

/* What the two readings agree on is also right: by hand, for the shapes that matter. */
static void test_keystone_cases(void **state)
{
    const uint64_t start = base[ABI_X86_64], end = start + KEEP_SPAN, top = UINT64_MAX - PAGE + 1;
    const struct { const char *name; uint64_t args[6]; bool refused; } cases[] = {
        { "munmap", { start, PAGE }, true },
        { "munmap", { start - PAGE, PAGE }, false },
        { "munmap", { start - PAGE, PAGE + 1 }, true },
        { "munmap", { start - PAGE, 0 }, false },
        { "munmap", { end - PAGE, PAGE }, true },
        { "munmap", { end, PAGE }, false },
        { "munmap", { 0, 1ull << 47 }, true },
        { "munmap", { start - (1ull << 32), 1ull << 32 }, false },
        { "munmap", { start - (1ull << 32), (1ull << 32) + 1 }, true },
        { "munmap", { 0xe3a3f7b946889343, 0x1c5c496a03d2ccbd }, true },
        { "munmap", { start + PAGE, 0 }, true },
        { "munmap", { top, 2 * PAGE }, true },
        { "munmap", { start - PAGE, UINT64_MAX }, true },
        { "mprotect", { 0x7f31fffe0000, PAGE, PROT_WRITE }, true },
        { "mprotect", { 0x7f31fffe0000 + GATE_SPAN, PAGE, PROT_WRITE }, false },
        { "madvise", { start + KEEP_ORDER, PAGE, MADV_REMOVE }, true },
        { "mmap", { start, PAGE, PROT_READ, MAP_PRIVATE }, false },
        { "mmap", { start, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED }, true },
        { "mmap", { start - PAGE, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED }, true },
        { "mremap", { PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, start }, true },
        { "mremap", { PAGE, PAGE, PAGE, MREMAP_MAYMOVE, start }, false },
        { "mremap", { start, 0, PAGE, MREMAP_MAYMOVE, 0 }, true },
        { "mremap", { start, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, PAGE }, true },
        { "shmat", { 1, start, SHM_REMAP }, true },
        { "shmat", { 1, start, 0 }, false },
        { "prlimit64", { HELPER, RLIMIT_NOFILE }, true },
        { "prlimit64", { HELPER | 1ull << 32, RLIMIT_NOFILE }, true },
        { "prlimit64", { 0, RLIMIT_NOFILE }, false },
        { "setpriority", { PRIO_PROCESS, HELPER, 19 }, true },
        { "setpriority", { PRIO_PROCESS, 0, 19 }, false },
        { "setpriority", { PRIO_USER, 0, 19 }, true },
        { "setpgid", { HELPER, 1 }, true },
        { "ioctl", { 0, TIOCSTI }, true },
        { "ioctl", { 0, TIOCSTI | 1ull << 40 }, true },
        { "ioctl", { 0, TIOCLINUX }, true },
        { "ioctl", { 0, TCGETS }, false },
    };
    struct keystone keystone = keystone_of(ABI_X86_64);

    (void)state;
    policy_all(true, allowed);
    route_compute(&table, &judge);
    assert_true(filter_keystone(&bpf, &table, ABI_X86_64, base[ABI_X86_64], &keystone) > 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct abi_call *row = abi_find(cases[i].name);

        if (keystone_refuses(&keystone, row, cases[i].args) != (cases[i].refused ? EPERM : 0))
            fail_msg("case %zu: %s, in C", i, row->name);
        if (ask(ABI_X86_64, abi_number(ABI_X86_64, row), PROGRAM_IP, cases[i].args) != (cases[i].refused ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW))
            fail_msg("case %zu: %s, in the filter", i, row->name);
    }
    assert_int_equal(keystone_refuses(&keystone, abi_find("getppid"), cases[0].args), 0);
}

/* --- the policy's denials -------------------------------------------------------------------------------- */

static void test_policy(void **state)
{
    (void)state;
    policy_mixed();
    route_compute(&table, &judge);
    for (int arch = 0; arch < ABI_ARCHES; arch++) {
        int errors = 0, kills = 0;

        assert_true(filter_policy(&bpf, &table, arch, base[arch]) > 0);
        for (int nr = 0; nr < MAILBOX_ROUTES; nr++) {
            const struct route_entry *entry = &table.entry[arch][nr];
            uint32_t expected = SECCOMP_RET_ALLOW, action = ask(arch, nr, PROGRAM_IP, NULL);

            kills += entry->row && entry->constant && entry->verdict.kind == VERDICT_KILL && entry->route == ROUTE_NOTIFY;
            if (entry->row && entry->route == ROUTE_DENIED)
                expected = SECCOMP_RET_ERRNO | (uint32_t)entry->verdict.error, errors++;
            if (action != expected)
                fail_msg("%s %s: %x, not %x", abi_arch_name(arch), entry->row ? entry->row->name : "no row", action, expected);
        }
        assert_int_equal(ask(arch, NURSE_CALL, PROGRAM_IP, NULL), SECCOMP_RET_ALLOW);
        assert_true(errors > 50 && kills > 10);
    }
}

/* A policy without futex and sched_yield keeps the program from them, but not the gate from waiting on its windows. */
static void test_policy_gate(void **state)
{
    const struct verdict denied = { .kind = VERDICT_DENY, .error = EACCES };

    (void)state;
    policy_all(true, denied);
    route_compute(&table, &judge);
    for (int arch = 0; arch < ABI_ARCHES; arch++) {
        const int yield = abi_number(arch, abi_find("sched_yield")), wait = abi_number(arch, abi_find("futex"));
        const uint64_t window[6] = { base[arch] + KEEP_REQUEST }, own[6] = { PROGRAM_IP }, behind[6] = { base[arch] + KEEP_SPAN };
        const uint64_t gate = base[arch] + STUB_GATE_OWN + 0x80, entry = base[arch] + STUB_GATE + 0x80;
        const uint32_t no = SECCOMP_RET_ERRNO | EACCES;

        assert_true(filter_policy(&bpf, &table, arch, base[arch]) > 0);
        for (int i = 0; i < GATE_CALLS; i++) {
            const int nr = abi_number(arch, abi_find(gate_calls[i]));

            assert_int_equal(ask(arch, nr, gate, own), SECCOMP_RET_ALLOW);
            assert_int_equal(ask(arch, nr, entry, own), arch == ABI_I386 ? no : SECCOMP_RET_ALLOW);    /* it calls for the program there */
            assert_int_equal(ask(arch, nr, base[arch] + STUB_CATCH + 2, own), SECCOMP_RET_ALLOW);
            assert_int_equal(ask(arch, nr, PROGRAM_IP, own), no);
            assert_int_equal(ask(arch, nr, base[arch] + STUB_GATE + PAGE, own), no);
        }
        assert_int_equal(ask(arch, wait, gate, window), SECCOMP_RET_ALLOW);
        assert_int_equal(ask(arch, wait, PROGRAM_IP, window), no);
        assert_int_equal(ask(arch, wait, gate, own), no);
        assert_int_equal(ask(arch, wait, gate, behind), no);
        assert_int_equal(ask(arch, wait + 1, gate, window), no);
        assert_int_equal(ask(arch, yield, base[arch] + STUB_TRUSTEE + 2, NULL), no);
    }
}

/* A policy that denies nothing: only what is unsafe for every policy is refused. */
static void test_policy_empty(void **state)
{
    (void)state;
    policy_all(false, allowed);
    route_compute(&table, &judge);
    for (int arch = 0; arch < ABI_ARCHES; arch++) {
        int count = filter_policy(&bpf, &table, arch, base[arch]);

        assert_true(count >= 0);
        for (int nr = 0; count > 0 && nr < MAILBOX_ROUTES; nr++) {
            const struct abi_call *row = table.entry[arch][nr].row;
            bool unsafe = row && row->where == ABI_UNSAFE;

            assert_int_equal(ask(arch, nr, PROGRAM_IP, NULL), unsafe ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW);
        }
    }
}

/* --- both in one, for a newborn -------------------------------------------------------------------------- */

static struct bpf stones, denials;

/* What the two filters that the newborn's parent is under say together. Of two refusals it is the keystone's that the newborn gets. */
static uint32_t born_expected(const struct seccomp_data *data)
{
    uint32_t first = interpret(&stones, data), second = denials.count ? interpret(&denials, data) : SECCOMP_RET_ALLOW;

    return first == SECCOMP_RET_ALLOW ? second : first;
}

static void born_compare(const struct seccomp_data *data, int answers[3])
{
    uint32_t expected = born_expected(data), action = interpret(&bpf, data);

    if (action != expected)
        fail_msg("call %d of %x from %llx: %#x, not %#x", data->nr, data->arch, (unsigned long long)data->instruction_pointer, action, expected);
    answers[action == SECCOMP_RET_ALLOW ? 0 : action == SECCOMP_RET_KILL_PROCESS ? 1 : 2]++;
}

static void born_filters(enum abi_arch arch, const struct keystone *keystone)
{
    int born = filter_born(&bpf, &table, arch, base[arch], keystone);

    assert_true(born > 0);
    assert_true((size_t)born * sizeof(struct sock_filter) <= 0x9000);    /* what a window has room for (core/helper/birth.c) */
    assert_true(filter_keystone(&stones, &table, arch, base[arch], keystone) > 0);
    if (filter_policy(&denials, &table, arch, base[arch]) <= 0)
        denials.count = 0;
}

static void test_born(void **state)
{
    static const struct verdict denied = { .kind = VERDICT_DENY, .error = EACCES };

    (void)state;
    for (int kind = 0; kind < 4; kind++)
        for (int arch = 0; arch < ABI_ARCHES; arch++) {
            const struct keystone keystone = keystone_of(arch);
            const uint64_t keep = base[arch];
            const uint64_t places[] = { PROGRAM_IP, keep + STUB_TRUSTEE + 2, keep + STUB_GATE + 2, keep + STUB_CATCH + 0x20, keep + STUB_GATE + PAGE };
            int answers[3] = { 0 };

            policy_all(kind == 1, kind == 3 ? denied : allowed);
            if (kind == 2)
                policy_mixed();
            if (kind == 3)
                policy_all(true, denied);
            route_compute(&table, &judge);
            born_filters(arch, &keystone);
            for (int nr = -1; nr < MAILBOX_ROUTES + 2; nr++)
                for (size_t i = 0; i < 5 * sizeof places / sizeof *places; i++) {
                    const struct abi_call *row = nr < 0 ? NULL : route_entry(&table, arch, (uint64_t)nr)->row;
                    struct seccomp_data data = { .nr = nr, .arch = audit[i >= sizeof places / sizeof *places * 4 ? !arch : arch],
                                                 .instruction_pointer = places[i % (sizeof places / sizeof *places)] };
                    uint64_t args[6] = { i & 1 ? keep + KEEP_REQUEST : 0 };

                    if (row && keystone_rule(row))
                        keystone_args(&keystone, keystone_rule(row), arch, args);
                    memcpy(data.args, args, sizeof args);
                    born_compare(&data, answers);
                }
            assert_true(answers[1] > 1000 && answers[2] > 50 && answers[0] > 50);
        }
}

/* By hand, under a policy that denies everything by a constant, and one that allows everything. */
static void test_born_cases(void **state)
{
    const struct verdict denied = { .kind = VERDICT_DENY, .error = EACCES };
    const uint32_t policys = SECCOMP_RET_ERRNO | EACCES, keystones = SECCOMP_RET_ERRNO | EPERM, absent = SECCOMP_RET_ERRNO | ENOSYS;

    (void)state;
    for (int deny = 0; deny < 2; deny++)
        for (int arch = 0; arch < ABI_ARCHES; arch++) {
            const struct keystone keystone = keystone_of(arch);
            const uint64_t keep = base[arch], window[6] = { keep + KEEP_REQUEST, PAGE }, own[6] = { PROGRAM_IP, PAGE };
            const uint64_t trustee = keep + STUB_TRUSTEE + 2, catch = keep + STUB_CATCH + 2;
            const uint32_t otherwise = deny ? policys : SECCOMP_RET_ALLOW;
            const struct { const char *name; uint64_t ip; const uint64_t *args; uint32_t action; } cases[] = {
                { "execve", trustee, own, SECCOMP_RET_KILL_PROCESS },
                { "openat", trustee, own, SECCOMP_RET_KILL_PROCESS },
                { "openat", keep + STUB_TRUSTEE + PAGE - 1, own, SECCOMP_RET_KILL_PROCESS },
                { "openat", PROGRAM_IP, own, otherwise },
                { "openat", catch, own, otherwise },
                { "munmap", PROGRAM_IP, window, keystones },
                { "munmap", PROGRAM_IP, own, otherwise },
                { "clone3", PROGRAM_IP, own, absent },
                { "clone3", catch, own, absent },
                { "landlock_create_ruleset", PROGRAM_IP, own, absent },
                { "landlock_add_rule", PROGRAM_IP, own, otherwise },
                { "clone", PROGRAM_IP, own, otherwise },
                { "clone", catch, own, otherwise },
                { "futex", catch, window, SECCOMP_RET_ALLOW },
                { "futex", catch, own, otherwise },
                { "rt_sigprocmask", catch, own, SECCOMP_RET_ALLOW },
                { "sigaltstack", catch, own, SECCOMP_RET_ALLOW },
                { "get_thread_area", catch, own, SECCOMP_RET_ALLOW },
                { "sched_yield", catch, own, SECCOMP_RET_ALLOW },
                { "sigaltstack", PROGRAM_IP, own, otherwise },
                { "get_thread_area", PROGRAM_IP, own, otherwise },
            };

            policy_all(true, deny ? denied : allowed);
            route_compute(&table, &judge);
            assert_true(filter_born(&bpf, &table, arch, keep, &keystone) > 0);
            for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                uint32_t action = ask(arch, abi_number(arch, abi_find(cases[i].name)), cases[i].ip, cases[i].args);

                if (action != cases[i].action)
                    fail_msg("%s, %s, case %zu (%s): %#x, not %#x", abi_arch_name(arch), deny ? "deny" : "allow", i, cases[i].name, action, cases[i].action);
            }
            assert_int_equal(ask(!arch, 0, PROGRAM_IP, own), SECCOMP_RET_KILL_PROCESS);
            assert_int_equal(ask(ABI_X86_64, X32 + 39, PROGRAM_IP, own), SECCOMP_RET_KILL_PROCESS);
            assert_int_equal(ask(arch, NURSE_CALL, trustee, own), SECCOMP_RET_KILL_PROCESS);
            assert_int_equal(ask(arch, NURSE_CALL, catch, own), SECCOMP_RET_ALLOW);    /* the base filter tells the helper */
        }
}

/* --- the assembler --------------------------------------------------------------------------------------- */

/* Labels on both sides of 300 instructions, more than a conditional jump reaches. */
static void test_bpf_far(void **state)
{
    struct seccomp_data data = { .nr = 7 };
    int near, far;

    (void)state;
    bpf_begin(&bpf);
    near = bpf_label(&bpf), far = bpf_label(&bpf);
    bpf_load(&bpf, offsetof(struct seccomp_data, nr));
    bpf_if(&bpf, BPF_JEQ, 7, far);
    bpf_goto(&bpf, near);
    bpf_here(&bpf, near);
    bpf_return(&bpf, 1);
    for (int i = 0; i < 300; i++)
        bpf_return(&bpf, 2);
    bpf_here(&bpf, far);
    bpf_return(&bpf, 3);
    assert_int_equal(bpf_end(&bpf), 306);
    assert_int_equal(interpret(&bpf, &data), 3);
    data.nr = 8;
    assert_int_equal(interpret(&bpf, &data), 1);
}

/* Returns of one value in foreign code become jumps; other instructions stay. */
static void test_bpf_append(void **state)
{
    static const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7, 0, 1), BPF_STMT(BPF_RET | BPF_K, 5), BPF_STMT(BPF_RET | BPF_K, 6),
    };
    struct seccomp_data data = { .nr = 7 };
    int label;

    (void)state;
    bpf_begin(&bpf);
    label = bpf_label(&bpf);
    bpf_append(&bpf, code, 4, 6, label);
    bpf_here(&bpf, label);
    bpf_return(&bpf, 9);
    assert_int_equal(bpf_end(&bpf), 5);
    assert_int_equal(interpret(&bpf, &data), 5);
    data.nr = 8;
    assert_int_equal(interpret(&bpf, &data), 9);
}

/* Too many instructions or labels: an error, and nothing is written behind the arrays. */
static void test_bpf_overflow(void **state)
{
    struct { struct bpf bpf; uint8_t canary[256]; } *box = malloc(sizeof *box);
    struct bpf *b = &box->bpf;
    static const struct sock_filter nothing[] = { BPF_STMT(BPF_RET | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, 1) };

    (void)state;
    assert_non_null(box);
    memset(box, 0xa5, sizeof *box);
    bpf_begin(b);
    for (int i = 0; i < BPF_MAXINSNS; i++)
        bpf_return(b, 0);
    assert_int_equal(bpf_end(b), BPF_MAXINSNS);
    bpf_return(b, 0);
    assert_int_equal(bpf_end(b), -E2BIG);
    bpf_append(b, nothing, 2, 1, 0);
    bpf_if(b, BPF_JEQ, 0, 0);
    assert_int_equal(b->count, BPF_MAXINSNS);
    assert_int_equal(bpf_end(b), -E2BIG);

    bpf_begin(b);
    for (int i = 0; i < BPF_LABELS; i++)
        assert_int_equal(bpf_label(b), i);
    assert_int_equal(bpf_end(b), 0);
    bpf_label(b);
    bpf_here(b, bpf_label(b));
    assert_int_equal(b->labels, BPF_LABELS);
    assert_int_equal(bpf_end(b), -E2BIG);
    for (size_t i = 0; i < sizeof box->canary; i++)
        assert_int_equal(box->canary[i], 0xa5);
    free(box);
}

/* --- the kernel ------------------------------------------------------------------------------------------ */

/* Where a child leaves what it found, since a filter may take even exit from it. */
static int64_t *shared;

static int64_t in_child(void (*act)(void))
{
    int status;
    pid_t pid;

    shared[0] = -1;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGILL, SIG_DFL);    /* cmocka's handler would run the parent's tests */
        act();
        __builtin_trap();
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return shared[0];
}

static long install(void)
{
    struct sock_fprog program = { .len = (unsigned short)bpf.count, .filter = bpf.code };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -1;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static void child_install(void)
{
    shared[0] = install() ? -errno : 0;
}

static void test_kernel_accepts(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        policy_all(kind == 1, allowed);
        if (kind == 2)
            policy_mixed();
        route_compute(&table, &judge);
        assert_true(filter_base(&bpf, &table, base) > 0);
        assert_int_equal(in_child(child_install), 0);
        for (int arch = 0; arch < ABI_ARCHES; arch++) {
            struct keystone keystone = keystone_of(arch);

            assert_true(filter_keystone(&bpf, &table, arch, base[arch], &keystone) > 0);
            assert_int_equal(in_child(child_install), 0);
            if (filter_policy(&bpf, &table, arch, base[arch]) > 0)
                assert_int_equal(in_child(child_install), 0);
            assert_true(filter_born(&bpf, &table, arch, base[arch], &keystone) > 0);
            assert_int_equal(in_child(child_install), 0);
        }
    }
    bpf_begin(&bpf);    /* and it refuses what it should: a program that runs out */
    bpf_load(&bpf, 0);
    bpf_end(&bpf);
    assert_int_equal(in_child(child_install), -EINVAL);
}

/* The keystone filter in force: nurse's pages can't be unmapped, those around them can. */
static uint8_t *pages;

static void child_munmap(void)
{
    int before, inside, across, free_page;

    if (install())
        return;
    before = munmap(pages, PAGE) ? errno : 0;
    inside = munmap(pages + PAGE, PAGE) ? errno : 0;
    across = munmap(pages + 2 * PAGE, 2 * PAGE) ? errno : 0;
    free_page = munmap(pages + 3 * PAGE, PAGE) ? errno : 0;
    *(volatile uint8_t *)(pages + PAGE) = *(volatile uint8_t *)(pages + 2 * PAGE) = 1;    /* still there */
    shared[0] = before | inside << 8 | across << 16 | free_page << 24;
}

static void test_kernel_keystone(void **state)
{
    struct keystone keystone = keystone_of(ABI_X86_64);

    (void)state;
    pages = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    policy_all(true, allowed);
    route_compute(&table, &judge);
    keystone.range[1].start = (uintptr_t)pages + PAGE;
    keystone.range[1].end = (uintptr_t)pages + 3 * PAGE;
    assert_true(filter_keystone(&bpf, &table, ABI_X86_64, base[ABI_X86_64], &keystone) > 0);
    assert_int_equal(in_child(child_munmap), EPERM << 8 | EPERM << 16);
    assert_true(filter_born(&bpf, &table, ABI_X86_64, base[ABI_X86_64], &keystone) > 0);
    assert_int_equal(in_child(child_munmap), EPERM << 8 | EPERM << 16);
    munmap(pages, 4 * PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_route_of), cmocka_unit_test(test_route_compute), cmocka_unit_test(test_base), cmocka_unit_test(test_keystone_where),
        cmocka_unit_test(test_keystone_readings), cmocka_unit_test(test_keystone_cases), cmocka_unit_test(test_policy), cmocka_unit_test(test_policy_gate),
        cmocka_unit_test(test_policy_empty), cmocka_unit_test(test_born), cmocka_unit_test(test_born_cases),
        cmocka_unit_test(test_bpf_far), cmocka_unit_test(test_bpf_append), cmocka_unit_test(test_bpf_overflow), cmocka_unit_test(test_kernel_accepts),
        cmocka_unit_test(test_kernel_keystone),
    };

    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return cmocka_run_group_tests_name("unit-route", tests, NULL, NULL);
}
