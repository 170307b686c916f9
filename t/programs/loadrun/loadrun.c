/*
 * loadrun: runs a program through the stub's loader, natively and without a sandbox: `loadrun [OPTION...] PROGRAM [ARG...]`.
 *
 * A freestanding program at an odd address, as the stub is. It checks that loading left its own image untouched, and says
 * "loadrun: error N" (status 99) or "loadrun: image changed" (status 98) itself, so that nothing else can be mistaken for it.
 * Options, numbers in hexadecimal: --pie=BASE --gap=BYTES --comm=NAME --gate (AT_SYSINFO is our own) --hook (AT_ENTRY is a routine of ours
 * that exits with 77) --hide --check (load only).
 */
#include <elf.h>

#include "core/stub/loader.h"
#include "core/stub/syscall.h"

enum { STATUS_IMAGE = 98, STATUS_ERROR = 99 };

extern const char loadrun_image[], loadrun_image_end[];     /* from the linker */
extern const char loadrun_gate[], loadrun_hook[];
_Noreturn void loadrun_enter(uintptr_t *stack, uintptr_t address);
_Noreturn void loadrun_main(uintptr_t *stack);

struct options {
    struct loader_plan plan;
    int only_check;
};

static uint32_t image_sum(void)
{
    uint32_t sum = 1;

    for (uintptr_t byte = (uintptr_t)loadrun_image; byte < (uintptr_t)loadrun_image_end; byte++)
        sum = sum * 31 + *(const unsigned char *)byte;
    return sum;
}

static void print(const char *text)
{
    const char *end = text;

    while (*end)
        end++;
    syscall6(__NR_write, 2, (intptr_t)text, end - text, 0, 0, 0);
}

static _Noreturn void quit(int status)
{
    for (;;)
        syscall6(__NR_exit_group, status, 0, 0, 0, 0, 0);
}

static _Noreturn void fail(int error)
{
    char digits[] = "000\n";

    digits[0] = (char)('0' + error / 100 % 10);
    digits[1] = (char)('0' + error / 10 % 10);
    digits[2] = (char)('0' + error % 10);
    print("loadrun: error ");
    print(digits);
    quit(STATUS_ERROR);
}

/* The text behind `name` if `argument` starts with it. */
static const char *option(const char *argument, const char *name)
{
    while (*name)
        if (*argument++ != *name++)
            return NULL;
    return argument;
}

static uintptr_t number(const char *digits)
{
    uintptr_t value = 0;

    for (; *digits; digits++)
        value = value * 16 + (uintptr_t)(*digits <= '9' ? *digits - '0' : *digits - 'a' + 10);
    return value;
}

static void parse(struct options *options, const char *argument)
{
    struct loader_plan *plan = &options->plan;
    const char *value;

    if ((value = option(argument, "--pie=")))
        plan->pie_base = number(value);
    else if ((value = option(argument, "--gap=")))
        plan->brk_gap = number(value);
    else if ((value = option(argument, "--comm=")))
        plan->comm = value;
    else if (option(argument, "--gate"))
        plan->sysinfo = (uintptr_t)loadrun_gate;
    else if (option(argument, "--hook"))
        plan->entry_hook = (uintptr_t)loadrun_hook;
    else if (option(argument, "--hide"))
        plan->hide_vdso = 1;
    else if (option(argument, "--check"))
        options->only_check = 1;
    else
        fail(0);
}

/* Remove argv[0]: everything up to the end of the auxv moves down by a word, so that the stack stays aligned and contiguous. */
static void shift(uintptr_t *stack)
{
    uintptr_t *word = stack + 1;

    stack[0]--;
    for (int lists = 0; lists < 2; word++) {
        word[0] = word[1];
        lists += word[0] == 0;
    }
    for (;; word += 2) {
        word[0] = word[1];
        word[1] = word[2];
        if (word[0] == AT_NULL)
            return;
    }
}

static const char *base_name(const char *path)
{
    const char *name = path;

    for (; *path; path++)
        if (*path == '/')
            name = path + 1;
    return name;
}

void loadrun_main(uintptr_t *stack)
{
    struct options options = { 0 };
    struct loader_image image;
    uint32_t sum = image_sum();
    int error;

    for (shift(stack); stack[0] && option((const char *)stack[1], "--"); shift(stack))
        parse(&options, (const char *)stack[1]);
    if (stack[0] == 0)
        fail(0);
    options.plan.program = options.plan.execfn = (const char *)stack[1];
    if (!options.plan.comm)
        options.plan.comm = base_name(options.plan.program);
    error = loader_load(&options.plan, stack, &image);
    if (sum != image_sum()) {
        print("loadrun: image changed\n");
        quit(STATUS_IMAGE);
    }
    if (error)
        fail(-error);
    if (options.only_check)
        quit(0);
    loadrun_enter(stack, image.start);
}
