/*
 * sites: what sites-64 and sites-32 share: making code at run time, counting calls, comparing registers.
 *
 * Every shape is a piece of code with a system call instruction in it that begins anywhere and ends in site_done. It makes lseek(fd, 1, SEEK_CUR), so
 * that each call changes the next one's result: a call that is lost or made twice shows. Each line printed must be the same natively.
 */
#ifndef SITES_H
#define SITES_H

#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, CALLS = 2000, MOV = 5, CALL = 2, SITE = MOV + CALL };

#ifdef SITES_LIBRARY

long library_lseek(int fd);
long library_lseek(int fd)
{
    long result;

    __asm__ volatile("mov %1, %%eax\n\t" CALL_TEXT : "=&a"(result) : "i"(SYS_lseek), ARGUMENTS(fd) : "memory", "cc" CLOBBERS);
    return result;
}

#else

/* What the arch's file gives. */
extern const uint8_t site_mov_text[], site_mov[], site_mov_al[], site_earlier[], site_store[], site_end[], site_done[];
static const char *site_call(const void *code, long nr, int fd, long *result);    /* NULL, or what was not kept */
static size_t site_leave(uint8_t *code);                                         /* code that goes to site_done */

static int file;

/* COUNT calls by this code: every result in its place, everything kept. */
static void repeat(const char *name, const void *code, long nr, int count)
{
    long first = lseek(file, 0, SEEK_CUR), result = 0;
    int wrong = 0;

    for (int i = 1; i <= count; i++) {
        const char *lost = site_call(code, nr, file, &result);

        if (lost) {
            printf("%s: call %d: %s\n", name, i, lost);
            return;
        }
        wrong += result != first + i;
    }
    printf("%s: %d calls, %d wrong, the last %ld, the file at %ld\n", name, count, wrong, result - first, (long)lseek(file, 0, SEEK_CUR) - first);
}

/* mov $nr,%eax; the call; away. Returns the length. */
static size_t emit(uint8_t *code, uint32_t nr)
{
    static const uint8_t call[CALL] = { CALL_BYTES };

    code[0] = 0xb8;
    memcpy(code + 1, &nr, sizeof nr);
    memcpy(code + MOV, call, CALL);
    return SITE + site_leave(code + SITE);
}

static uint8_t *pages(size_t count, int prot)
{
    uint8_t *memory = mmap(NULL, count * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        err(1, "mmap");
    return memory;
}

enum { RWX = PROT_READ | PROT_WRITE | PROT_EXEC, RX = PROT_READ | PROT_EXEC };

/* A copy of the code written in assembly, in a mapping of its own among the libraries, where redirected sites are. */
static const uint8_t *here(const uint8_t *code)
{
    static uint8_t *copy;
    enum { FIRST = 64, STEP = 64 };
    size_t at = FIRST + (size_t)(code - site_mov) / SITE_STEP * STEP;

    if (!copy) {
        copy = pages(2, PROT_READ | PROT_WRITE);
        memset(copy, 0x90, 2 * PAGE);
        for (const uint8_t *from = site_mov; from < site_end; from += SITE_STEP) {
            uint8_t *to = copy + FIRST + (size_t)(from - site_mov) / SITE_STEP * STEP;

            memcpy(to, from, SITE_STEP);    /* nops fill it up */
            site_leave(to + SITE_STEP);
        }
        if (mprotect(copy, 2 * PAGE, RX))
            err(1, "mprotect");
    }
    return copy + at;
}

/* --- shapes ---------------------------------------------------------------------------------------------- */

static void shape_mov(void) { repeat("mov", here(site_mov), -1, CALLS); }
static void shape_text(void) { repeat("text", site_mov_text, -1, CALLS); }
static void shape_mov_al(void) { repeat("mov_al", here(site_mov_al), 0, CALLS); }
static void shape_earlier(void) { repeat("earlier", here(site_earlier), -1, CALLS); }
static void shape_store(void) { repeat("store", here(site_store), SYS_lseek, CALLS); }

/* Straight onto the call instruction of a site that is redirected, with its own number and with another. */
static void shape_jump(void)
{
    long result, other;
    int wrong = 0;

    repeat("jump, before", here(site_mov), -1, CALLS);
    repeat("jump, same number", here(site_mov) + MOV, SYS_lseek, CALLS);
    for (int i = 0; i < CALLS; i++) {
        const char *lost = site_call(here(site_mov) + MOV, SYS_dup, file, &result);

        other = close((int)result);
        wrong += lost || result < 3 || other;
    }
    printf("jump, another number: %d wrong\n", wrong);
    repeat("jump, afterwards", here(site_mov), -1, CALLS);
}

/* For a policy that emulates dup. */
static void shape_invented(void)
{
    uint8_t *memory = pages(1, PROT_READ | PROT_WRITE);
    int right = 0;
    long result;

    emit(memory + 64, SYS_dup);
    if (mprotect(memory, PAGE, RX))
        err(1, "mprotect");
    for (int i = 0; i < CALLS; i++)
        right += !site_call(memory + 64, -1, file, &result) && result == 1000;
    printf("invented: %d times 1000\n", right);
}

/* Code made at run time: at the very start of a mapping, in the middle, and finished (not writable any more). */
static void shape_jit(void)
{
    uint8_t *memory = pages(1, RWX), *sealed = pages(1, PROT_READ | PROT_WRITE);

    emit(memory, SYS_lseek);
    repeat("jit, first bytes", memory, -1, CALLS);
    emit(memory + 1000, SYS_lseek);
    repeat("jit, middle", memory + 1000, -1, CALLS);
    emit(sealed + 64, SYS_lseek);
    if (mprotect(sealed, PAGE, RX))
        err(1, "mprotect");
    repeat("jit, finished", sealed + 64, -1, CALLS);
}

/* A site across two pages, cut at each of its bytes. */
static void shape_across(void)
{
    for (int cut = 1; cut < SITE; cut++) {
        uint8_t *memory = pages(2, PROT_READ | PROT_WRITE);

        emit(memory + PAGE - cut, SYS_lseek);
        if (mprotect(memory, PAGE, RX) || mprotect(memory + PAGE, PAGE, cut % 2 ? RX : RWX))
            err(1, "mprotect");
        repeat("across", memory + PAGE - cut, -1, CALLS / 10);
    }
}

/* The same where the second page is a file's that nobody may write: a redirection that is only half possible must not be half done. */
static void shape_across_shared(void)
{
    for (int cut = 1; cut < SITE; cut++) {
        uint8_t whole[2 * PAGE] = { 0 }, *memory = pages(2, PROT_READ | PROT_WRITE);
        int fd = memfd_create("code", 0);

        emit(whole + PAGE - cut, SYS_lseek);
        memcpy(memory, whole, PAGE);
        if (write(fd, whole + PAGE, PAGE) != PAGE || mprotect(memory, PAGE, RX))
            err(1, "write");
        if (mmap(memory + PAGE, PAGE, RX, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
            err(1, "mmap");
        repeat("across_shared", memory + PAGE - cut, -1, CALLS / 10);
        close(fd);
    }
}

/* Code that its program writes anew: all of it, or only the number in it. */
static void rewritten(const char *name, bool number_only)
{
    uint8_t *memory = pages(1, RWX);
    uint32_t nr = SYS_lseek;
    long result;
    int wrong = 0;

    emit(memory + 64, SYS_dup);
    for (int i = 0; i < CALLS; i++) {
        const char *lost = site_call(memory + 64, -1, file, &result);

        wrong += lost || result < 3 || close((int)result);
    }
    printf("%s, before: %d wrong\n", name, wrong);
    if (number_only)
        memcpy(memory + 65, &nr, sizeof nr);
    else
        emit(memory + 64, nr);
    repeat(name, memory + 64, -1, CALLS);
}

static void shape_rewritten(void) { rewritten("rewritten", false); }
static void shape_renumbered(void) { rewritten("renumbered", true); }

/* Code in a file's pages: what the file holds is the program's business. */
static void shape_shared(void)
{
    uint8_t *view, *code;
    int fd = memfd_create("code", 0), changed = 0;
    uint8_t before[PAGE];

    if (ftruncate(fd, PAGE) || (view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
        err(1, "memfd");
    emit(view + 64, SYS_lseek);
    memcpy(before, view, PAGE);
    code = mmap(NULL, PAGE, RX, MAP_SHARED, fd, 0);
    repeat("shared, two views", code + 64, -1, CALLS);
    code = mmap(NULL, PAGE, RWX, MAP_SHARED, fd, 0);
    repeat("shared, one view", code + 64, -1, CALLS);
    for (int i = 0; i < PAGE; i++)
        changed += view[i] != before[i];
    printf("shared: %d bytes of the file changed\n", changed);
}

/* More sites than there are trampolines. */
static void shape_many(void)
{
    enum { STEP = 32, SITES = 3000 };
    uint8_t *memory = pages(SITES * STEP / PAGE + 1, PROT_READ | PROT_WRITE);
    long first = lseek(file, 0, SEEK_CUR), result;
    int wrong = 0;

    for (int i = 0; i < SITES; i++)
        emit(memory + i * STEP, SYS_lseek);
    if (mprotect(memory, (SITES * STEP / PAGE + 1) * PAGE, RX))
        err(1, "mprotect");
    for (int i = 0; i < 3 * SITES; i++)
        wrong += site_call(memory + i % SITES * STEP, -1, file, &result) || result != first + i + 1;
    printf("many: %d wrong\n", wrong);
}

/* Unmapped and mapped again with other code, at the same place. */
static void shape_remapped(void)
{
    uint8_t *memory = pages(1, RWX);

    for (int i = 0; i < 20; i++) {
        memset(memory, 0x90, PAGE);
        emit(memory + 64 + i, SYS_lseek);
        repeat("remapped", memory + 64, -1, CALLS / 20);
        if (mmap(memory, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != memory)
            err(1, "mmap");
    }
}

static void shape_library(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    long (*library_lseek)(int), first = lseek(file, 0, SEEK_CUR);
    int wrong = 0;

    if (!library || !(library_lseek = (long (*)(int))dlsym(library, "library_lseek")))
        errx(1, "%s", dlerror());
    for (int i = 1; i <= CALLS; i++)
        wrong += library_lseek(file) != first + i;
    printf("library: %d wrong\n", wrong);
}

/* The proof that redirection works, for a policy that emulates 42: warm the site up, show its first byte, then take the call instruction away;
 * what comes back now came through the gate, and what did not is caught and counted. */
static volatile int missed;

static void on_missing(int signal, siginfo_t *info, void *context);

static void shape_proof(void)
{
    struct sigaction action = { .sa_sigaction = on_missing, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    stack_t stack = { .ss_sp = pages(16, PROT_READ | PROT_WRITE), .ss_size = 16 * PAGE };    /* the site's own stack is small */
    const uint8_t *site = here(site_mov);
    int right = 0, answered = 0;
    long result;

    for (int i = 0; i < CALLS; i++)
        right += !site_call(site, -1, file, &result) && result == 42;
    printf("proof: %d times 42\n", right);
    printf("first byte: %02x\n", ((volatile const uint8_t *)site)[0]);
    fflush(stdout);
    sigaltstack(&stack, NULL);
    sigaction(SIGILL, &action, NULL);
    if (mprotect((void *)((uintptr_t)site & -(uintptr_t)PAGE), PAGE, RWX))
        err(1, "mprotect");
    memcpy((uint8_t *)(uintptr_t)site + MOV, "\x0f\x0b", CALL);
    for (int i = 0; i < CALLS; i++) {
        if (missed)    /* the helper slept; only the kernel can wake it */
            site_call(here(site_earlier), -1, file, &result);
        missed = 0;
        site_call(site, -1, file, &result);
        answered += !missed && result == 42;
    }
    printf("answered without the call instruction: %s\n", answered > CALLS / 20 ? "yes" : answered ? "few" : "none");
}

#define SHAPES                                                                                                                              \
    { "mov", shape_mov }, { "text", shape_text }, { "mov_al", shape_mov_al }, { "earlier", shape_earlier }, { "store", shape_store }, \
    { "jump", shape_jump }, { "jit", shape_jit }, { "across", shape_across }, { "across_shared", shape_across_shared },                       \
    { "rewritten", shape_rewritten }, { "renumbered", shape_renumbered }, { "shared", shape_shared }, { "many", shape_many },                  \
    { "remapped", shape_remapped }, { "invented", shape_invented }, { "proof", shape_proof }

struct shape { const char *name; void (*run)(void); };

static int sites_main(int argc, char **argv, const struct shape *shapes, size_t count)
{
    file = open("/proc/self/exe", O_RDONLY);
    if (file < 0 || argc < 2)
        errx(1, "usage: %s SHAPE", argv[0]);
    if (strchr(argv[1], '/')) {
        shape_library(argv[1]);
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        if (strcmp(argv[1], shapes[i].name) == 0) {
            shapes[i].run();
            return 0;
        }
    errx(1, "%s: no such shape", argv[1]);
}

#endif
#endif
