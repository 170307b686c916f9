/*
 * sites-32: system call instructions in every shape, on i386; sites.h has most of it. Which shapes: see t/35-live-sites.t.
 */
#include <sys/auxv.h>
#include <ucontext.h>

#define CALL_TEXT "int $0x80"
#define CALL_BYTES 0xcd, 0x80
#define ARGUMENTS(fd) "b"(fd), "c"(1L), "d"(1L)
#define SITE_STEP 16
#define CLOBBERS

#include "t/programs/sites.h"

#ifndef SITES_LIBRARY

#include <asm/ldt.h>

enum { DI, SI, BP, SKIPPED, BX, DX, CX, AX, FLAGS, REGISTERS, STACK = 64, STORED = 8 };    /* ORDER of popa */

/* The stack of a site: what it starts from is popped, what it leaves is pushed to the same place. */
struct site {
    uint8_t fpu_in[512] __attribute__((aligned(16))), fpu_out[512];
    uint8_t room[256];                      /* below the stack pointer nothing is kept: there is no red zone */
    uint32_t registers[REGISTERS];
    const void *target;
    /* here the stack pointer is while the site runs */
    uint32_t saved;
    struct site *self;
    uint8_t above[STACK];
} __attribute__((packed));

static struct site site __attribute__((aligned(16)));
void site_enter(struct site *site);

__asm__(
    ".globl site_enter\n"
    "site_enter:\n"
    "    push %ebx; push %esi; push %edi; push %ebp\n"
    "    mov 20(%esp), %eax\n"
    "    mov %esp, 1320(%eax)\n"            /* saved */
    "    fxrstor (%eax)\n"
    "    lea 1280(%eax), %esp\n"            /* registers */
    "    popa\n"
    "    popf\n"
    "    ret\n"                             /* to the target */
    ".globl site_done\n"
    "site_done:\n"
    "    pushf\n"
    "    pusha\n"
    "    mov 40(%esp), %eax\n"              /* self */
    "    fxsave 512(%eax)\n"
    "    mov 1320(%eax), %ecx\n"
    "    mov %esp, 1320(%eax)\n"            /* where it ended */
    "    mov %ecx, %esp\n"
    "    cld\n"
    "    pop %ebp; pop %edi; pop %esi; pop %ebx\n"
    "    ret\n"
    ".balign 16\n nop\n"
    "site_mov_text: mov $19, %eax; int $0x80; jmp site_done\n"
    ".balign 16\n"
    "site_mov:     mov $19, %eax; int $0x80\n"
    ".balign 16, 0x90\n"
    "site_mov_al:  mov $19, %al; int $0x80\n"
    ".balign 16, 0x90\n"
    "site_earlier: mov $19, %eax; nop; lea (%eax), %eax; int $0x80\n"
    ".balign 16, 0x90\n"
    "site_store:   movl $19, -0x48(%ebp); int $0x80\n"
    ".balign 16, 0x90\n"
    "site_sysinfo: call *%gs:0x10\n"
    ".balign 16, 0x90\n"
    "site_vdso:    call *%ebp\n"            /* ebp holds the address of AT_SYSINFO; the call has three arguments */
    ".balign 16, 0x90\n"
    "site_end:\n"
    ".globl site_mov_text, site_mov, site_mov_al, site_earlier, site_store, site_sysinfo, site_vdso, site_end\n"
);
extern const uint8_t site_sysinfo[], site_vdso[];

_Static_assert(__builtin_offsetof(struct site, registers) == 1280 && __builtin_offsetof(struct site, saved) == 1320, "the assembly's offsets");
_Static_assert(__builtin_offsetof(struct site, fpu_out) == 512, "the assembly's offsets");

static size_t site_leave(uint8_t *code)
{
    uint32_t to = (uintptr_t)site_done;

    code[0] = 0x68;    /* push, ret: nothing else needs no register */
    memcpy(code + 1, &to, sizeof to);
    code[5] = 0xc3;
    return 6;
}

static uint32_t filled[REGISTERS];

/* They end one word above where they began: the target was popped, too. */
static uint32_t *left(void)
{
    return site.registers + 1;
}

static void prepare(const void *code, long nr, int fd)
{
    static const uint32_t flags[] = { 0x202, 0x203, 0x206, 0x212, 0x242, 0x282, 0xa02, 0x602, 0xed7, 0xad7 };
    static uint32_t salt = 0x1234567;
    static unsigned round;

    if (!site.fpu_in[4]) {
        __asm__ volatile("fxsave %0" : "=m"(site.fpu_in));
        site.fpu_in[4] = 0xff;    /* all registers in use */
    }
    for (int i = 0; i < REGISTERS; i++)
        filled[i] = salt += 0x9e3779b9;
    for (int i = 0; i < STACK; i++)
        site.above[i] = (uint8_t)(salt + (unsigned)i * 7);
    for (int i = 0; i < 8; i++)                   /* the 80 bits of each register, and what is behind them: nothing */
        memset(site.fpu_in + 32 + 16 * i, (int)(salt >> i) & 0x3f, 10);
    for (int i = 160; i < 160 + 128; i++)
        site.fpu_in[i] = (uint8_t)(salt / 3 + (unsigned)i);
    if (nr >= 0)
        filled[AX] = (uint32_t)nr;
    if (code == here(site_vdso))
        filled[BP] = getauxval(AT_SYSINFO);
    if (code == here(site_store))
        filled[BP] = (uintptr_t)site.above + 0x48 + STORED;
    filled[BX] = (uint32_t)fd;
    filled[CX] = 1;
    filled[DX] = SEEK_CUR;
    filled[FLAGS] = flags[round++ % (sizeof flags / sizeof *flags)];
    memcpy(site.registers, filled, sizeof filled);
    site.target = code;
    site.self = &site;
}

static const char *difference(const void *code)
{
    static const char *const names[] = { "edi", "esi", "ebp", "esp", "ebx", "edx", "ecx", "eax", "flags" };
    static char text[128];

    if (site.saved != (uintptr_t)left())
        return "esp not kept";
    for (int i = 0; i < REGISTERS; i++)
        if (i != AX && i != SKIPPED && left()[i] != filled[i]) {
            snprintf(text, sizeof text, "%s: %#x became %#x", names[i], filled[i], left()[i]);
            return text;
        }
    for (int i = 1; i < STACK; i++) {
        bool stored = code == here(site_store) && i >= STORED && i < STORED + 4;
        uint8_t expected = stored ? (i == STORED ? SYS_lseek : 0) : (uint8_t)(site.above[0] + (unsigned)i * 7);

        if (site.above[i] != expected)
            return "the stack changed";
    }
    if (memcmp(site.fpu_out + 32, site.fpu_in + 32, 256) != 0 || memcmp(site.fpu_out, site.fpu_in, 6) != 0)
        return "floating point or vector registers not kept";
    return NULL;
}

static const char *site_call(const void *code, long nr, int fd, long *result)
{
    prepare(code, nr, fd);
    site_enter(&site);
    *result = (long)left()[AX];
    return difference(code);
}

static void on_missing(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)signal;
    (void)info;
    missed = 1;
    uc->uc_mcontext.gregs[REG_EIP] += CALL;
}

/* --- shapes of this architecture ------------------------------------------------------------------------- */

/* libc's way, through its thread control block, and the address from the auxiliary vector. */
static void shape_sysinfo(void) { repeat("sysinfo", here(site_sysinfo), SYS_lseek, CALLS); }
static void shape_vdso(void) { repeat("vdso", here(site_vdso), SYS_lseek, CALLS); }

/* Six arguments: ebp is the last, and all of them are kept. */
static void six(const char *name, const uint8_t *code)
{
    uint8_t expected[64];
    int wrong = 0;
    long result;

    for (int i = 0; i < CALLS; i++) {
        const uint32_t page = (uint32_t)i % 3;
        const uint32_t arguments[REGISTERS] = { [BX] = 0, [CX] = PAGE, [DX] = PROT_READ, [SI] = MAP_PRIVATE, [DI] = (uint32_t)file, [BP] = page,
                                                [AX] = SYS_mmap2, [FLAGS] = 0x202 };

        prepare(code, 0, file);
        memcpy(filled, arguments, sizeof filled);
        memcpy(site.registers, arguments, sizeof arguments);
        site_enter(&site);
        result = (long)left()[AX];
        if (difference(code) || (unsigned long)result >= -4095ul || pread(file, expected, sizeof expected, (off_t)page * PAGE) != sizeof expected) {
            wrong++;
            continue;
        }
        wrong += memcmp((const void *)result, expected, sizeof expected) != 0;
        munmap((void *)result, PAGE);
    }
    printf("%s: %d wrong\n", name, wrong);
}

static void shape_six(void)
{
    uint8_t *memory = pages(1, PROT_READ | PROT_WRITE);

    six("six, libc's way", here(site_sysinfo));
    emit(memory + 64, SYS_mmap2);
    if (mprotect(memory, PAGE, RX))
        err(1, "mprotect");
    six("six, redirected", memory + 64);
}

/* A program that uses %fs for itself, as it may. */
static void shape_fs(void)
{
    static uint32_t own[1024];
    struct user_desc desc = { .entry_number = (unsigned)-1, .base_addr = (uintptr_t)own, .limit = sizeof own - 1, .seg_32bit = 1, .useable = 1 };
    uint32_t seen = 0;
    int changed = 0;

    repeat("fs, before", here(site_mov), -1, CALLS);
    for (int i = 0; i < 1024; i++)
        own[i] = 1000 + (unsigned)i;
    if (syscall(SYS_set_thread_area, &desc))
        err(1, "set_thread_area");
    __asm__ volatile("movw %w0, %%fs" : : "r"(desc.entry_number * 8 + 3));
    repeat("fs", here(site_mov), -1, CALLS);
    __asm__ volatile("movl %%fs:0, %0" : "=r"(seen));
    for (int i = 0; i < 1024; i++)
        changed += own[i] != 1000 + (unsigned)i;
    printf("fs: %u, %d words changed\n", seen, changed);
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = { SHAPES, { "sysinfo", shape_sysinfo }, { "vdso", shape_vdso }, { "six", shape_six }, { "fs", shape_fs } };

    return sites_main(argc, argv, shapes, sizeof shapes / sizeof *shapes);
}

#endif
