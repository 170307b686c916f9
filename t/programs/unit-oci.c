/*
 * unit-oci: rules on arguments against libseccomp itself.
 *
 * Profiles are made at random (the same ones each time): one call, a few rules. Each is loaded as a policy, and given to libseccomp rule by rule as
 * runc gives it; libseccomp's filter is then run here, by a small interpreter, over values around every edge. Both must say the same of all.
 * libseccomp 2.5.4 itself errs where several rules with several conditions, or with 64-bit values, meet: it then lets calls through that match no
 * rule. For those the union that seccomp_rule_add(3) promises is computed here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/helper/alone.h"
#include "core/policy/policy.h"

enum { RULES_MAX = 5, ARGS_MAX = 3, ERRNOS = 4, PROFILES = 100, PROGRAM_MAX = 4096, PER_WORD = 18, SMALL = 8 };

/* How profiles are drawn. */
struct shape { unsigned rules, args, values; bool one_action; };

static const uint64_t edges[PER_WORD] = {
    0, 1, 2, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0x100000000, 0x100000001, 0x1ffffffff, 0x200000000,
    0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001, 0xffffffff00000000, 0xfffffffffffffffe, 0xffffffffffffffff,
};

static const struct { const char *name; enum scmp_compare op; } operators[] = {
    { "SCMP_CMP_NE", SCMP_CMP_NE }, { "SCMP_CMP_LT", SCMP_CMP_LT }, { "SCMP_CMP_LE", SCMP_CMP_LE }, { "SCMP_CMP_EQ", SCMP_CMP_EQ },
    { "SCMP_CMP_GE", SCMP_CMP_GE }, { "SCMP_CMP_GT", SCMP_CMP_GT }, { "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};
enum { OPERATORS = sizeof operators / sizeof *operators };

static const uint32_t arches[ABI_ARCHES] = { [ABI_X86_64] = SCMP_ARCH_X86_64, [ABI_I386] = SCMP_ARCH_X86 };

/* errno 0: SCMP_ACT_ALLOW */
struct rule { unsigned error, arg_count; struct { unsigned index, op; uint64_t value, value_two; } args[ARGS_MAX]; };
struct profile { unsigned default_error, count; struct rule rules[RULES_MAX]; };

static char dir[] = "/tmp/unit-oci-XXXXXX";

static int setup(void **state)
{
    (void)state;
    return !mkdtemp(dir) || chdir(dir) != 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink("p.json");
    return chdir("/") != 0 || rmdir(dir) != 0;
}

/* --- profiles --- */

static uint32_t draw(uint32_t below)
{
    static uint64_t seed = 20260722;

    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* Distinct arguments in a rule: two conditions on one are two rules, which is tested elsewhere. */
static void draw_rule(struct rule *rule, const struct shape *shape)
{
    unsigned first = draw(3);

    rule->error = shape->one_action ? 0 : draw(ERRNOS);
    rule->arg_count = draw(20) == 0 ? 0 : 1 + draw(shape->args);
    for (unsigned i = 0; i < rule->arg_count; i++) {
        rule->args[i].index = (first + i) % 3;
        rule->args[i].op = draw(OPERATORS);
        rule->args[i].value = edges[draw(shape->values)];
        rule->args[i].value_two = operators[rule->args[i].op].op == SCMP_CMP_MASKED_EQ ? edges[draw(shape->values)] : 0;
    }
}

static void draw_profile(struct profile *profile, const struct shape *shape)
{
    profile->default_error = shape->one_action ? 1 : draw(ERRNOS);
    profile->count = 1 + draw(shape->rules);
    for (unsigned i = 0; i < profile->count; i++)
        draw_rule(&profile->rules[i], shape);
}

static void write_action(FILE *file, const char *action, const char *number, unsigned error)
{
    if (error)
        fprintf(file, "\"%s\": \"SCMP_ACT_ERRNO\", \"%s\": %u,\n", action, number, error);
    else
        fprintf(file, "\"%s\": \"SCMP_ACT_ALLOW\",\n", action);
}

static void write_profile(const struct profile *profile)
{
    FILE *file = fopen("p.json", "w");

    assert_non_null(file);
    fprintf(file, "{ \"architectures\": [\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\"],\n");
    write_action(file, "defaultAction", "defaultErrnoRet", profile->default_error);
    fprintf(file, "\"syscalls\": [");
    for (unsigned i = 0; i < profile->count; i++) {
        const struct rule *rule = &profile->rules[i];
        fprintf(file, "%s\n{ ", i ? "," : "");
        write_action(file, "action", "errnoRet", rule->error);
        fprintf(file, "\"names\": [\"setpriority\"], \"args\": [");
        for (unsigned a = 0; a < rule->arg_count; a++)
            fprintf(file, "%s{\"index\": %u, \"op\": \"%s\", \"value\": %llu, \"valueTwo\": %llu}", a ? ", " : "", rule->args[a].index,
                    operators[rule->args[a].op].name, (unsigned long long)rule->args[a].value, (unsigned long long)rule->args[a].value_two);
        fprintf(file, "] }");
    }
    fprintf(file, "] }\n");
    fclose(file);
}

static void print_profile(void)
{
    char line[1024];
    FILE *file = fopen("p.json", "r");

    while (file && fgets(line, sizeof line, file))
        print_error("%s", line);
    if (file)
        fclose(file);
}

/* --- libseccomp's answer --- */

struct program { size_t count; struct sock_filter steps[PROGRAM_MAX]; };

static uint32_t seccomp_action(unsigned error)
{
    return error ? SCMP_ACT_ERRNO(error) : SCMP_ACT_ALLOW;
}

/* As runc does; -1 when libseccomp refuses a rule. */
static int add_rule(scmp_filter_ctx filter, const struct profile *profile, const struct rule *rule)
{
    struct scmp_arg_cmp args[ARGS_MAX];

    if (rule->error == profile->default_error)
        return 0;
    for (unsigned i = 0; i < rule->arg_count; i++)
        args[i] = (struct scmp_arg_cmp){ rule->args[i].index, operators[rule->args[i].op].op, rule->args[i].value, rule->args[i].value_two };
    return seccomp_rule_add_array(filter, seccomp_action(rule->error), SCMP_SYS(setpriority), rule->arg_count, args) == 0 ? 0 : -1;
}

static int build_program(const struct profile *profile, uint32_t arch, struct program *program)
{
    scmp_filter_ctx filter = seccomp_init(seccomp_action(profile->default_error));
    int result = 0, file = memfd_create("filter", 0);

    assert_non_null(filter);
    if (arch != seccomp_arch_native()) {
        assert_int_equal(seccomp_arch_add(filter, arch), 0);
        assert_int_equal(seccomp_arch_remove(filter, seccomp_arch_native()), 0);
    }
    for (unsigned i = 0; i < profile->count && result == 0; i++)
        result = add_rule(filter, profile, &profile->rules[i]);
    if (result == 0) {
        assert_int_equal(seccomp_export_bpf(filter, file), 0);
        ssize_t size = pread(file, program->steps, sizeof program->steps, 0);
        assert_in_range(size, sizeof *program->steps, sizeof program->steps - 1);
        program->count = (size_t)size / sizeof *program->steps;
    }
    close(file);
    seccomp_release(filter);
    return result;
}

static size_t jump(const struct sock_filter *step, bool taken)
{
    return taken ? step->jt : step->jf;
}

static uint32_t run_program(const struct program *program, const struct seccomp_data *data)
{
    uint32_t a = 0, memory[BPF_MEMWORDS] = { 0 };

    for (size_t i = 0; i < program->count; i++) {
        const struct sock_filter *step = &program->steps[i];
        switch (step->code) {
        case BPF_LD | BPF_W | BPF_ABS: memcpy(&a, (const char *)data + step->k, sizeof a); break;
        case BPF_LD | BPF_MEM: a = memory[step->k]; break;
        case BPF_ST: memory[step->k] = a; break;
        case BPF_ALU | BPF_AND | BPF_K: a &= step->k; break;
        case BPF_JMP | BPF_JA: i += step->k; break;
        case BPF_JMP | BPF_JEQ | BPF_K: i += jump(step, a == step->k); break;
        case BPF_JMP | BPF_JGT | BPF_K: i += jump(step, a > step->k); break;
        case BPF_JMP | BPF_JGE | BPF_K: i += jump(step, a >= step->k); break;
        case BPF_JMP | BPF_JSET | BPF_K: i += jump(step, a & step->k); break;
        case BPF_RET | BPF_K: return step->k;
        default: fail_msg("an instruction that this interpreter doesn't know: %#x", step->code);
        }
    }
    fail_msg("the filter ends without an answer");
    return 0;
}

/* --- the promised union, for profiles of one action --- */

static bool holds(enum scmp_compare op, uint64_t x, uint64_t value, uint64_t value_two)
{
    switch (op) {
    case SCMP_CMP_NE: return x != value;
    case SCMP_CMP_LT: return x < value;
    case SCMP_CMP_LE: return x <= value;
    case SCMP_CMP_EQ: return x == value;
    case SCMP_CMP_GE: return x >= value;
    case SCMP_CMP_GT: return x > value;
    default: return (x & value) == (value_two & value);
    }
}

static unsigned union_says(const struct profile *profile, uint64_t mask, const uint64_t args[6])
{
    for (unsigned i = 0; i < profile->count; i++) {
        const struct rule *rule = &profile->rules[i];
        bool all = true;
        for (unsigned a = 0; a < rule->arg_count; a++)
            all &= holds(operators[rule->args[a].op].op, args[rule->args[a].index] & mask, rule->args[a].value & mask, rule->args[a].value_two & mask);
        if (all)
            return rule->error;
    }
    return profile->default_error;
}

/* --- both --- */

static struct policy *load_profile(void)
{
    struct policy *policy;

    assert_int_equal(policy_new(&policy, NULL), 0);
    if (policy_add(policy, "p.json") == 0)
        return policy;
    policy_free(policy);
    return NULL;
}

/* nurse's answer as an errno, 0: allowed */
static unsigned nurse_says(const struct judge *judge, enum abi_arch arch, const uint64_t args[6])
{
    struct call *call;
    struct alone *alone;
    struct verdict verdict;
    const struct abi_call *row = abi_call(arch, abi_number(arch, abi_find("setpriority")));

    assert_int_equal(alone_new(&alone, NULL, getpid()), 0);
    assert_int_equal(alone_call(alone, &call, arch, row, args), 0);
    judge->decide(judge->self, call, &verdict);
    alone_end(call);
    alone_free(alone);
    assert_true(verdict.kind == VERDICT_ALLOW || verdict.kind == VERDICT_DENY);
    return verdict.kind == VERDICT_DENY ? (unsigned)verdict.error : 0;
}

static unsigned libseccomp_says(const struct program *program, uint32_t arch, int nr, const uint64_t args[6])
{
    struct seccomp_data data = { .nr = nr, .arch = arch };

    memcpy(data.args, args, sizeof data.args);
    uint32_t answer = run_program(program, &data);
    return answer == SECCOMP_RET_ALLOW ? 0 : answer & SECCOMP_RET_DATA;
}

/* Arguments 0 and 1 take every edge value, argument 2 one that is drawn. */
static void compare_values(const struct profile *profile, enum abi_arch arch, const struct program *program)
{
    struct policy *policy = load_profile();
    uint64_t mask = arch == ABI_I386 ? UINT32_MAX : UINT64_MAX;

    if (!policy)
        print_profile();
    assert_non_null(policy);
    struct judge judge = policy_judge(policy);
    int nr = abi_number(arch, abi_find("setpriority"));
    for (int i = 0; i < PER_WORD * PER_WORD; i++) {
        const uint64_t args[6] = { edges[i % PER_WORD] & mask, edges[i / PER_WORD] & mask, edges[draw(PER_WORD)] & mask };
        unsigned ours = nurse_says(&judge, arch, args);
        unsigned theirs = program ? libseccomp_says(program, arches[arch], nr, args) : union_says(profile, mask, args);
        if (ours != theirs) {
            print_profile();
            fail_msg("%s: setpriority(%#llx, %#llx, %#llx): nurse says %u, not %u", abi_arch_name(arch), (unsigned long long)args[0],
                     (unsigned long long)args[1], (unsigned long long)args[2], ours, theirs);
        }
    }
    policy_free(policy);
}

/* With libseccomp as the reference, returns how many profiles it took. */
static int compare_profiles(const struct shape *shape, bool with_libseccomp)
{
    static struct program program;
    int taken = 0;

    for (int i = 0; i < PROFILES; i++) {
        struct profile profile = { 0 };
        draw_profile(&profile, shape);
        write_profile(&profile);
        for (int arch = 0; arch < ABI_ARCHES; arch++) {
            if (with_libseccomp && build_program(&profile, arches[arch], &program) != 0)
                continue;
            compare_values(&profile, (enum abi_arch)arch, with_libseccomp ? &program : NULL);
            taken++;
        }
    }
    return taken;
}

static void a_rule_holds_for_the_same_values(void **state)
{
    static const struct shape shape = { .rules = 1, .args = ARGS_MAX, .values = PER_WORD };

    (void)state;
    assert_int_equal(compare_profiles(&shape, true), 2 * PROFILES);
}

static void conditions_add_up(void **state)
{
    static const struct shape shape = { .rules = RULES_MAX, .args = 1, .values = SMALL, .one_action = true };

    (void)state;
    assert_int_equal(compare_profiles(&shape, true), 2 * PROFILES);
}

static void rules_of_one_action_are_a_union(void **state)
{
    static const struct shape shape = { .rules = RULES_MAX, .args = ARGS_MAX, .values = PER_WORD, .one_action = true };

    (void)state;
    compare_profiles(&shape, false);
}

static void of_several_actions_the_same_one_wins(void **state)
{
    static const struct shape shape = { .rules = 2, .args = 1, .values = SMALL };

    (void)state;
    assert_in_range(compare_profiles(&shape, true), PROFILES, 2 * PROFILES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_holds_for_the_same_values),
        cmocka_unit_test(conditions_add_up),
        cmocka_unit_test(rules_of_one_action_are_a_union),
        cmocka_unit_test(of_several_actions_the_same_one_wins),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
