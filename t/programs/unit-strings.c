/*
 * unit-strings: call_strings() against the kernel's own execve, which is asked to run an empty file: what it answers before it finds that
 * out (EFAULT, E2BIG) the helper has to answer too. And that a list is fetched once, whatever the program does to it afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/helper/alone.h"
#include "core/helper/call_private.h"

#define WORD(pointer) ((uint64_t)(uintptr_t)(pointer))

enum { PAGE = 4096, LONGEST = 128 << 10, ARGV = 1, ENVP = 2 };

static int empty = -1;    /* a file that can be executed but is no program */
static char path[32];
static struct alone *process;    /* this one */

static int setup(void **state)
{
    (void)state;
    empty = memfd_create("empty", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", empty);
    return empty < 0 || alone_new(&process, NULL, getpid()) != 0;
}

static int teardown(void **state)
{
    (void)state;
    alone_free(process);
    return close(empty);
}

static struct call *call_of(const char *name, enum abi_arch arch, const uint64_t args[6])
{
    struct call *call;

    assert_int_equal(alone_call(process, &call, arch, abi_find(name), args), 0);
    return call;
}

static struct call *exec_of(const void *argv, const void *envp)
{
    return call_of("execve", ABI_X86_64, (const uint64_t[6]){ WORD(path), WORD(argv), WORD(envp) });
}

static void *map(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(at != MAP_FAILED);
    return at;
}

/* `size` bytes, the last ones before memory that isn't there. */
static char *map_before_nothing(size_t size)
{
    size_t pages = (size + PAGE - 1) / PAGE * PAGE;
    char *at = map(pages + PAGE);

    munmap(at + pages, PAGE);
    return at + pages - size;
}

static void unmap_before_nothing(char *at, size_t size)
{
    munmap((void *)(uintptr_t)(WORD(at) / PAGE * PAGE), (size + PAGE - 1) / PAGE * PAGE);
}

static void assert_list(struct call *call, int i, const char *const *expected)
{
    const char *const *strings;
    size_t count, k;

    assert_int_equal(call_strings(call, i, &strings, &count), 0);
    for (k = 0; expected[k]; k++) {
        assert_true(k < count);
        assert_string_equal(strings[k], expected[k]);
    }
    assert_int_equal(count, k);
    assert_null(strings[k]);
}

/* --- lists that are there --- */

static const char *const some[] = { "ls", "", "-l", "\xff\n", NULL }, *const none[] = { NULL };

static void lists_are_read(void **state)
{
    struct call *call = exec_of(some, none);

    (void)state;
    assert_list(call, ARGV, some);
    assert_list(call, ENVP, none);
    alone_end(call);
    call = exec_of(NULL, some);
    assert_list(call, ARGV, none);
    assert_list(call, ENVP, some);
    alone_end(call);
    call = call_of("execveat", ABI_X86_64, (const uint64_t[6]){ (uint64_t)AT_FDCWD, WORD(path), WORD(none), WORD(some) });
    assert_list(call, 2, none);
    assert_list(call, 3, some);
    alone_end(call);
}

static void other_arguments_are_no_lists(void **state)
{
    struct call *call = exec_of(some, none);
    const char *const *strings;
    size_t count;

    (void)state;
    assert_int_equal(call_strings(call, 0, &strings, &count), -EINVAL);
    assert_int_equal(call_strings(call, 3, &strings, &count), -EINVAL);
    assert_int_equal(call_strings(call, 6, &strings, &count), -EINVAL);
    assert_int_equal(call_set_strings(call, 0, some, 1), -EINVAL);
    alone_end(call);
}

static void lists_of_32_bit_calls_have_short_pointers(void **state)
{
    char *low = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    uint32_t *list = (void *)(low + 256);
    struct call *call;

    (void)state;
    assert_true((void *)low != MAP_FAILED);
    strcpy(low, path);
    for (int i = 0; some[i]; i++) {
        list[i] = (uint32_t)WORD(strcpy(low + 64 + 16 * i, some[i]));
        list[i + 1] = 0;
        list[i + 2] = 8;    /* what lies behind the list is no part of it */
    }
    call = call_of("execve", ABI_I386, (const uint64_t[6]){ WORD(low), WORD(list), 0 });
    assert_list(call, ARGV, some);
    assert_list(call, ENVP, none);
    alone_end(call);
    munmap(low, PAGE);
}

/* Long and short, scattered, backwards, the same one twice: reading ahead must not mix them up. */
static void great_lists_are_read(void **state)
{
    enum { COUNT = 9001, STRIDE = 128 };
    static const char *list[COUNT + 1];
    char *text = map(COUNT * STRIDE + LONGEST);
    struct call *call;

    (void)state;
    memset(text, 'x', COUNT * STRIDE + LONGEST);
    for (int i = 0; i < COUNT; i++) {
        int place = i % 3 == 0 ? i : i % 3 == 1 ? COUNT - 1 - i : i / 3 * 7 % COUNT;
        char *at = text + place * STRIDE;

        list[i] = at;
        if (*at == 'x' && place % 4)    /* every fourth runs on into the next ones */
            snprintf(at, STRIDE, "%0*d", 1 + place % 100, place);
    }
    text[COUNT * STRIDE] = '\0';
    call = exec_of(list, list + COUNT - 10);
    assert_list(call, ARGV, list);
    assert_list(call, ENVP, list + COUNT - 10);
    alone_end(call);
    munmap(text, COUNT * STRIDE + LONGEST);
}

/* --- as the kernel: the list is read by both --- */

/* 0 or -errno, of the kernel; nothing is ever executed. */
static int kernel_says(const void *argv, const void *envp)
{
    assert_int_equal(syscall(SYS_execve, path, argv, envp), -1);
    return errno == ENOEXEC ? 0 : -errno;
}

static int helper_says(const void *argv, const void *envp)
{
    struct call *call = exec_of(argv, envp);
    const char *const *strings;
    size_t count;
    int error = call_strings(call, ARGV, &strings, &count);

    if (!error)
        error = call_strings(call, ENVP, &strings, &count);
    alone_end(call);
    return error;
}

static void assert_same(const char *what, const void *argv, const void *envp, int expected)
{
    int kernel = kernel_says(argv, envp), helper = helper_says(argv, envp);

    if (kernel != expected || helper != expected)
        fail_msg("%s: expected %d, the kernel says %d, the helper %d", what, expected, kernel, helper);
}

static void bad_addresses_fault(void **state)
{
    const char *const bad_string[] = { "a", (const char *)8, NULL };
    char *last = map_before_nothing(8), *open_list = map_before_nothing(24), *cut_word = map_before_nothing(12), *first = last, *high = (char *)(uintptr_t)-8;
    const char *const at_the_end[] = { memcpy(last, "1234567", 8), last + 7, NULL }, *const high_string[] = { high, NULL };

    (void)state;
    assert_same("a string up to the last byte", at_the_end, at_the_end, 0);
    memset(last, '8', 8);
    assert_same("a string without an end", at_the_end, NULL, -EFAULT);
    assert_same("an address of a string", bad_string, NULL, -EFAULT);
    assert_same("of the second list", NULL, bad_string, -EFAULT);
    assert_same("of a list", (void *)8, NULL, -EFAULT);
    assert_same("the end of all addresses", high, NULL, -EFAULT);
    assert_same("a string there", high_string, NULL, -EFAULT);
    memcpy(open_list, (const char *[]){ "a", "b", NULL }, 24);
    assert_same("a list up to the last byte", open_list, NULL, 0);
    memcpy(open_list, (const char *[]){ "a", "b", "c" }, 24);
    assert_same("a list without an end", open_list, NULL, -EFAULT);
    memset(cut_word, 0, 12);
    memcpy(cut_word, &first, 8);
    assert_same("a pointer without its end", cut_word, NULL, -EFAULT);
    unmap_before_nothing(last, 8);
    unmap_before_nothing(open_list, 24);
    unmap_before_nothing(cut_word, 12);
}

static void pointers_may_lie_across_pages(void **state)
{
    char *at = map(2 * PAGE);
    struct call *call;

    (void)state;
    for (int odd = 0; odd < 9; odd++) {
        char *list = at + PAGE - 20 + odd;

        memcpy(list, some, sizeof some);
        call = exec_of(list, NULL);
        assert_list(call, ARGV, some);
        alone_end(call);
    }
    munmap(at, 2 * PAGE);
}

static void a_string_has_its_limit(void **state)
{
    char *text = map(LONGEST + PAGE), *last = map_before_nothing(LONGEST);
    const char *const list[] = { "a", text, NULL }, *const at_the_end[] = { last, NULL };

    (void)state;
    memset(text, 'x', LONGEST + PAGE - 1);
    text[LONGEST - 1] = '\0';
    assert_same("the longest string", list, NULL, 0);
    text[LONGEST - 1] = 'x';
    text[LONGEST] = '\0';
    assert_same("a longer string", list, NULL, -E2BIG);
    memset(last, 'x', LONGEST);
    assert_same("a longer string, but nothing more to read", at_the_end, NULL, -E2BIG);
    last[LONGEST - 1] = '\0';
    assert_same("the longest, but nothing more to read", at_the_end, NULL, 0);
    unmap_before_nothing(last, LONGEST);
    munmap(text, LONGEST + PAGE);
}

/* Let the stack be as deep as the tests need before its limit is lowered. */
static __attribute__((noinline)) void deepen(void)
{
    volatile char pad[512 << 10];

    for (size_t i = 0; i < sizeof pad; i += PAGE)
        pad[i] = 1;
}

/* argv and envp of strings of a page each, half of them here and half there, that cost `size` bytes together with their pointers. */
static void assert_size(size_t stack, size_t size, int expected)
{
    static const char *list[2][2 << 10];
    static char page[PAGE - 8], longer[2 * PAGE];
    size_t count = size / PAGE;
    char what[64];

    memset(page, 'x', sizeof page - 1);
    memset(longer, 'x', sizeof longer);
    longer[PAGE - 8 - 1 + size % PAGE] = '\0';    /* and the rest that is no whole page */
    for (size_t i = 0; i < count; i++)
        list[i % 2][i / 2] = i ? page : longer;
    list[0][(count + 1) / 2] = list[1][count / 2] = NULL;
    snprintf(what, sizeof what, "%zu bytes for a stack of %zu", size, stack);
    assert_same(what, list[0], list[1], expected);
}

static void all_together_have_their_limit(void **state)
{
    static const struct { size_t stack, limit; } rows[] = {
        { 256 << 10, 128 << 10 }, { 1 << 20, 256 << 10 }, { 8 << 20, 2 << 20 }, { 64 << 20, 6 << 20 }, { RLIM_INFINITY, 6 << 20 },
    };
    struct rlimit old;

    (void)state;
    deepen();
    assert_int_equal(getrlimit(RLIMIT_STACK, &old), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rlimit stack = { rows[i].stack, old.rlim_max };

        if (rows[i].stack > old.rlim_max)
            continue;
        assert_int_equal(setrlimit(RLIMIT_STACK, &stack), 0);
        assert_size(rows[i].stack, rows[i].limit - strlen(path) - 2, 0);    /* the kernel counts the path too */
        assert_size(rows[i].stack, rows[i].limit + 1, -E2BIG);
    }
    assert_int_equal(setrlimit(RLIMIT_STACK, &old), 0);
}

static void a_list_of_pointers_has_its_limit(void **state)
{
    enum { COUNT = (6 << 20) / 8 };
    const char **list = map((COUNT + 1) * sizeof *list);

    (void)state;
    for (int i = 0; i < COUNT; i++)
        list[i] = "";
    assert_same("nothing but pointers", list, NULL, -E2BIG);
    list[1000] = NULL;
    assert_same("fewer", list, NULL, 0);
    munmap(list, (COUNT + 1) * sizeof *list);
}

/* --- once --- */

static void a_list_is_fetched_once(void **state)
{
    char text[] = "before";
    const char *list[] = { text, "b", NULL }, *const expected[] = { "before", "b", NULL };
    struct call *call = exec_of(list, NULL);

    (void)state;
    assert_list(call, ARGV, expected);
    strcpy(text, "after");
    list[1] = "c";
    assert_list(call, ARGV, expected);
    alone_end(call);
}

/* Who was told that there is no list mustn't let one pass that came later. */
static void an_error_is_fetched_once_too(void **state)
{
    const char *list[] = { (const char *)8, NULL }, *const *strings;
    struct call *call = exec_of(list, NULL);
    size_t count;

    (void)state;
    assert_int_equal(call_strings(call, ARGV, &strings, &count), -EFAULT);
    list[0] = "a";
    assert_int_equal(call_strings(call, ARGV, &strings, &count), -EFAULT);
    assert_int_equal(call_set_strings(call, ARGV, some, 4), 0);
    assert_list(call, ARGV, some);
    alone_end(call);
}

/* --- assigned --- */

static void lists_are_assigned(void **state)
{
    char text[] = "mine";
    const char *list[] = { text, NULL }, *const mine[] = { "mine", NULL }, *const tail[] = { "", "-l", "\xff\n", NULL }, *const *strings;
    struct call *call = exec_of(some, some);
    size_t count;

    (void)state;
    assert_list(call, ARGV, some);
    assert_false(call->rewritten);
    assert_int_equal(call_set_strings(call, ARGV, list, 1), 0);
    assert_true(call->rewritten);
    strcpy(text, "x");
    assert_list(call, ARGV, mine);
    assert_list(call, ENVP, some);
    assert_int_equal(call_strings(call, ENVP, &strings, &count), 0);
    assert_int_equal(call_set_strings(call, ENVP, strings + 1, count - 1), 0);    /* its own strings */
    assert_list(call, ENVP, tail);
    assert_int_equal(call_set_strings(call, ENVP, NULL, 0), 0);
    assert_list(call, ENVP, none);
    alone_end(call);
}

static void too_much_is_not_assigned(void **state)
{
    enum { COUNT = 31 };
    char *text = malloc(LONGEST + 1);
    const char *list[COUNT];
    struct rlimit old, stack;
    struct call *call = exec_of(some, NULL);

    (void)state;
    memset(text, 'x', LONGEST);
    text[LONGEST] = '\0';
    for (int i = 0; i < COUNT; i++)
        list[i] = text + 1;
    assert_int_equal(getrlimit(RLIMIT_STACK, &old), 0);
    stack = (struct rlimit){ 8 << 20, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_STACK, &stack), 0);
    assert_int_equal(call_set_strings(call, ARGV, (const char *[]){ "a", text }, 2), -E2BIG);
    assert_list(call, ARGV, some);
    assert_int_equal(call_set_strings(call, ARGV, list, 16), -E2BIG);
    assert_int_equal(call_set_strings(call, ARGV, list, 15), 0);
    assert_int_equal(call_set_strings(call, ENVP, list, 1), -E2BIG);    /* both together */
    assert_int_equal(call_set_strings(call, ARGV, list, 10), 0);
    assert_int_equal(call_set_strings(call, ENVP, list, 5), 0);
    assert_int_equal(call_set_strings(call, ENVP, some, (size_t)1 << 61), -E2BIG);
    alone_end(call);
    assert_int_equal(setrlimit(RLIMIT_STACK, &old), 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(other_arguments_are_no_lists),
        cmocka_unit_test(lists_of_32_bit_calls_have_short_pointers),
        cmocka_unit_test(great_lists_are_read),
        cmocka_unit_test(bad_addresses_fault),
        cmocka_unit_test(pointers_may_lie_across_pages),
        cmocka_unit_test(a_string_has_its_limit),
        cmocka_unit_test(all_together_have_their_limit),
        cmocka_unit_test(a_list_of_pointers_has_its_limit),
        cmocka_unit_test(a_list_is_fetched_once),
        cmocka_unit_test(an_error_is_fetched_once_too),
        cmocka_unit_test(lists_are_assigned),
        cmocka_unit_test(too_much_is_not_assigned),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
