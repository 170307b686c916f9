/*
 * sites-64: system call instructions in every shape, on x86_64; sites.h has most of it. Which shapes: see t/35-live-sites.t.
 */
#include <signal.h>
#include <ucontext.h>

#define CALL_TEXT "syscall"
#define CALL_BYTES 0x0f, 0x05
#define ARGUMENTS(fd) "D"((long)(fd)), "S"(1L), "d"(1L)
#define SITE_STEP 16
#define CLOBBERS , "rcx", "r11"

#include "t/programs/sites.h"

#ifndef SITES_LIBRARY

#include <asm/prctl.h>
#include <immintrin.h>

enum { AX, BX, CX, DX, SI, DI, BP, R8, R9, R10, R11, R12, R13, R14, R15, SP, FLAGS, REGISTERS, STACK = 512, VECTORS = 16 * 32 };

/* What the code finds and what it leaves. Its stack pointer is in the middle of site_stack; the red zone and all the rest must stay. */
uint64_t site_in[REGISTERS], site_out[REGISTERS], site_saved;
const void *site_target;
uint8_t site_stack[STACK] __attribute__((aligned(16))), site_avx;
uint8_t site_vectors_in[VECTORS], site_vectors_out[VECTORS];
uint8_t site_fpu_in[512] __attribute__((aligned(16))), site_fpu_out[512] __attribute__((aligned(16)));
extern const uint8_t site_xor[], site_r8d[], site_rax[], site_movabs[];
void site_enter(void);

__asm__(
    ".macro all op\n"
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    ".ifc \\op, load\n vmovdqu site_vectors_in + 32*\\i(%rip), %ymm\\i\n"
    ".else\n vmovdqu %ymm\\i, site_vectors_out + 32*\\i(%rip)\n .endif\n"
    ".endr\n"
    ".endm\n"
    ".globl site_enter\n"
    "site_enter:\n"
    "    push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "    mov %rsp, site_saved(%rip)\n"
    "    fxrstor64 site_fpu_in(%rip)\n"
    "    cmpb $0, site_avx(%rip)\n"
    "    je 1f\n"
    "    all load\n"
    "1:  push site_in + 8*16(%rip)\n"
    "    popf\n"
    "    mov site_in(%rip), %rax; mov site_in + 8(%rip), %rbx; mov site_in + 16(%rip), %rcx; mov site_in + 24(%rip), %rdx\n"
    "    mov site_in + 32(%rip), %rsi; mov site_in + 40(%rip), %rdi; mov site_in + 48(%rip), %rbp; mov site_in + 56(%rip), %r8\n"
    "    mov site_in + 64(%rip), %r9; mov site_in + 72(%rip), %r10; mov site_in + 80(%rip), %r11; mov site_in + 88(%rip), %r12\n"
    "    mov site_in + 96(%rip), %r13; mov site_in + 104(%rip), %r14; mov site_in + 112(%rip), %r15; mov site_in + 120(%rip), %rsp\n"
    "    jmp *site_target(%rip)\n"
    ".globl site_done\n"
    "site_done:\n"
    "    mov %rax, site_out(%rip); mov %rbx, site_out + 8(%rip); mov %rcx, site_out + 16(%rip); mov %rdx, site_out + 24(%rip)\n"
    "    mov %rsi, site_out + 32(%rip); mov %rdi, site_out + 40(%rip); mov %rbp, site_out + 48(%rip); mov %r8, site_out + 56(%rip)\n"
    "    mov %r9, site_out + 64(%rip); mov %r10, site_out + 72(%rip); mov %r11, site_out + 80(%rip); mov %r12, site_out + 88(%rip)\n"
    "    mov %r13, site_out + 96(%rip); mov %r14, site_out + 104(%rip); mov %r15, site_out + 112(%rip); mov %rsp, site_out + 120(%rip)\n"
    "    mov site_saved(%rip), %rsp\n"
    "    pushf\n"
    "    pop site_out + 8*16(%rip)\n"
    "    cld\n"
    "    cmpb $0, site_avx(%rip)\n"
    "    je 1f\n"
    "    all store\n"
    "1:  fxsave64 site_fpu_out(%rip)\n"
    "    pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "    ret\n"
    ".balign 16\n nop\n"
    "site_mov_text: mov $8, %eax; syscall; jmp site_done\n"
    ".balign 16\n"
    "site_mov:     mov $8, %eax; syscall\n"
    ".balign 16, 0x90\n"
    "site_mov_al:  mov $8, %al; syscall\n"
    ".balign 16, 0x90\n"
    "site_xor:     xor %eax, %eax; syscall\n"
    ".balign 16, 0x90\n"
    "site_earlier: mov $8, %eax; nop; lea (%rax), %rax; syscall\n"
    ".balign 16, 0x90\n"
    "site_r8d:     mov $8, %r8d; syscall\n"
    ".balign 16, 0x90\n"
    "site_rax:     mov $8, %rax; syscall\n"
    ".balign 16, 0x90\n"
    "site_movabs:  movabs $8, %rax; syscall\n"
    ".balign 16, 0x90\n"
    "site_store:   movl $8, -0x48(%rsp); syscall\n"
    ".balign 16, 0x90\n"
    "site_end:\n"
    ".globl site_mov_text, site_mov, site_mov_al, site_xor, site_earlier, site_r8d, site_rax, site_movabs, site_store, site_end\n"
);

static size_t site_leave(uint8_t *code)
{
    uint64_t to = (uintptr_t)site_done;

    memcpy(code, "\xff\x25\0\0\0\0", 6);    /* jmp *0(%rip) */
    memcpy(code + 6, &to, sizeof to);
    return 14;
}

/* All kinds of values: the call's arguments, the rest changes from call to call. */
static void prepare(long nr, int fd)
{
    static uint64_t salt = 0x123456789abcdef;
    static const uint64_t flags[] = { 0x202, 0x203, 0x206, 0x212, 0x242, 0x282, 0xa02, 0x602, 0xed7, 0xad7 };    /* one by one, then all, then all but DF */
    static unsigned round;

    for (int i = 0; i < REGISTERS; i++)
        site_in[i] = salt += 0x9e3779b97f4a7c15;
    for (int i = 0; i < STACK; i++)
        site_stack[i] = (uint8_t)(salt + (unsigned)i * 7);
    for (int i = 0; i < VECTORS; i++)
        site_vectors_in[i] = (uint8_t)(salt / 3 + (unsigned)i * 5);
    for (int i = 160; i < 160 + 256; i++)
        site_fpu_in[i] = site_avx ? site_vectors_in[(i - 160) / 16 * 32 + (i - 160) % 16] : (uint8_t)i;
    site_in[AX] = nr < 0 ? site_in[AX] : nr ? (uint64_t)nr : 0;
    site_in[DI] = (uint64_t)fd;
    site_in[SI] = 1;
    site_in[DX] = SEEK_CUR;
    site_in[SP] = (uintptr_t)site_stack + STACK / 2;
    site_in[FLAGS] = flags[round++ % (sizeof flags / sizeof *flags)];
    memcpy(site_out, site_in, sizeof site_out);
}

/* Where the thread must be after this code's call instruction; 0 when it is not asked. */
static uint64_t site_returns(const uint8_t *code)
{
    for (int i = 0; i < 32; i++)
        if (code[i] == 0x0f && (code[i + 1] == 0x05 || code[i + 1] == 0x0b))
            return (uintptr_t)code + (unsigned)i + CALL;
    return 0;
}

static const char *difference(const void *code)
{
    static const char *const names[] = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rsp" };
    bool direction = site_in[FLAGS] & 0x400;
    static char text[128];

    for (int i = BX; i <= SP; i++)
        if (site_out[i] != site_in[i] && i != CX && i != R11 && !(i == R8 && code == here(site_r8d))) {
            snprintf(text, sizeof text, "%s not kept", names[i]);
            return text;
        }
    if (code == here(site_r8d) && site_out[R8] != 8)
        return "r8 is not what the program loaded";
    if (site_out[CX] != site_returns(code))
        return "rcx is not the address behind the call";
    if (code != here(site_xor) && site_out[FLAGS] != site_in[FLAGS]) {
        snprintf(text, sizeof text, "flags %#llx became %#llx", (unsigned long long)site_in[FLAGS], (unsigned long long)site_out[FLAGS]);
        return text;
    }
    if (code != here(site_xor) && !direction && site_out[R11] != site_in[FLAGS])
        return "r11 is not the flags";
    for (int i = 0; i < STACK; i++) {
        bool stored = code == here(site_store) && i >= STACK / 2 - 0x48 && i < STACK / 2 - 0x48 + 4;
        uint8_t expected = stored ? (i == STACK / 2 - 0x48 ? 8 : 0) : (uint8_t)(site_stack[0] + (unsigned)i * 7);

        if (site_stack[i] != expected) {
            snprintf(text, sizeof text, "the byte at %d(%%rsp) changed", i - STACK / 2);
            return text;
        }
    }
    if (site_avx && memcmp(site_vectors_out, site_vectors_in, VECTORS) != 0)
        return "vector registers not kept";
    if (memcmp(site_fpu_out, site_fpu_in, 160 + 256) != 0)
        return "floating point state not kept";
    return NULL;
}

static const char *site_call(const void *code, long nr, int fd, long *result)
{
    static bool ready;

    if (!ready) {
        site_avx = __builtin_cpu_supports("avx") != 0;
        __asm__ volatile("fxsave64 %0" : "=m"(site_fpu_in));
        ready = true;
    }
    prepare(nr, fd);
    if (code == here(site_xor)) {
        static char byte;

        site_in[SI] = (uintptr_t)&byte;
    }
    site_target = code;
    site_enter();
    *result = (long)site_out[AX];
    return difference(code);
}

static void on_missing(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)signal;
    (void)info;
    missed = 1;
    uc->uc_mcontext.gregs[REG_RIP] += CALL;
}

/* --- shapes of this architecture ------------------------------------------------------------------------- */

/* Number 0 is read; every byte counts. */
static void shape_xor(void)
{
    int wrong = 0;
    long result;

    lseek(file, 0, SEEK_SET);
    for (int i = 0; i < CALLS; i++)
        wrong += site_call(here(site_xor), -1, file, &result) || result != 1;
    printf("xor: %d wrong, the file at %ld\n", wrong, (long)lseek(file, 0, SEEK_CUR));
}

static void shape_r8d(void) { repeat("r8d", here(site_r8d), SYS_lseek, CALLS); }
static void shape_rax(void) { repeat("rax", here(site_rax), -1, CALLS); }
static void shape_movabs(void) { repeat("movabs", here(site_movabs), -1, CALLS); }

/* A program that uses the gs base for itself, as it may. */
static uint64_t own_gs[512];

static void use_gs(const char *name)
{
    uint64_t first = 0, changed = 0;

    for (int i = 0; i < 512; i++)
        own_gs[i] = 1000 + (unsigned)i;
    repeat(name, here(site_mov), -1, CALLS);
    __asm__ volatile("mov %%gs:0, %0" : "=r"(first));
    for (int i = 0; i < 512; i++)
        changed += own_gs[i] != 1000 + (unsigned)i;
    printf("%s: %llu, %llu words changed\n", name, (unsigned long long)first, (unsigned long long)changed);
}

static void shape_gs(void)
{
    repeat("gs, before", here(site_mov), -1, CALLS);
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, own_gs))
        err(1, "arch_prctl");
    use_gs("gs");
}

__attribute__((target("fsgsbase"))) static void shape_wrgsbase(void)
{
    repeat("wrgsbase, before", here(site_mov), -1, CALLS);
    _writegsbase_u64((uintptr_t)own_gs);
    use_gs("wrgsbase");
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = {
        SHAPES, { "xor", shape_xor }, { "r8d", shape_r8d }, { "rax", shape_rax }, { "movabs", shape_movabs }, { "gs", shape_gs }, { "wrgsbase", shape_wrgsbase },
    };

    return sites_main(argc, argv, shapes, sizeof shapes / sizeof *shapes);
}

#endif
