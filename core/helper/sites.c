/*
 * sites: system call instructions of the program that are redirected to the gate.
 *
 * Runs in the helper, while the thread that made the call is stopped in it. A site is learned from a notification, so it is exact: where
 * `mov $nr,%eax` (5 bytes) directly precedes the call instruction (2 bytes), the mov becomes a jump to a trampoline; the call instruction stays where
 * it is, so a jump straight to it still works. Trampolines and gate are the program's as far as trust goes: a redirected site can do no
 * more than the program could before. Test: t/35-live-sites.t.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/helper/call_private.h"
#include "core/helper/memory.h"

enum { BEFORE = 8, MOV = 5, CALL = 2, SITE = MOV + CALL, TRAMPOLINE = SITES_TRAMPOLINE, MOV_EAX = 0xb8, JMP = 0xe9, CALL_REL = 0xe8, REX_FIRST = 0x40, REX_LAST = 0x4f };

static uint8_t *put8(uint8_t *p, unsigned value)
{
    *p = (uint8_t)value;
    return p + 1;
}

static uint8_t *put32(uint8_t *p, uint64_t value)
{
    uint32_t low = (uint32_t)value;

    memcpy(p, &low, sizeof low);
    return p + sizeof low;
}

static uint8_t *put64(uint8_t *p, uint64_t value)
{
    memcpy(p, &value, sizeof value);
    return p + sizeof value;
}

/* Where a trampoline keeps what. The kernel part stands SITES_KERNEL behind the record, as the gate knows. */
enum { POINTERS = 16, RECORD = 32, KERNEL = RECORD + SITES_KERNEL, SYSCALL_LENGTH = 2 };

/* lea back(%rip),%rcx; jmp *catch */
static uint8_t *sites_behind_x86_64(uint8_t *code, uint64_t at, uint8_t *p, uint64_t back)
{
    p = put8(put8(put8(p, 0x48), 0x8d), 0x0d);
    p = put32(p, back - (at + (uint64_t)(p - code) + 4));
    p = put8(put8(p, 0xff), 0x25);
    return put32(p, (uint64_t)(code + POINTERS + 8 - (p + 4)));
}

/* 1: syscall; lea 4(%rax),%rcx; jrcxz 2f; lea back(%rip),%rcx; jmp *catch; 2: mov $nr,%eax; jmp 1b
 * The call in the kernel. One that a handler interrupts before the helper has heard of it ends with EINTR (seccomp_unotify(2)), which no call that comes
 * here would give by itself: it is made again. The catch returns at once unless the helper has sent the thread there. */
static void sites_kernel_x86_64(uint8_t *code, uint64_t at, uint8_t *p, uint32_t nr, uint64_t back)
{
    uint8_t *start = p;

    p = put8(put8(p, 0x0f), 0x05);
    p = put8(put8(put8(put8(p, 0x48), 0x8d), 0x48), 0x04);
    p = put8(put8(p, 0xe3), 13);
    p = sites_behind_x86_64(code, at, p, back);
    p = put32(put8(p, MOV_EAX), nr);
    p = put8(p, 0xeb);
    put8(p, (unsigned)(start - (p + 1)) & 0xff);
}

/* lea record(%rip),%rcx; jmp *gate; addresses of gate and catch; record: return address, call number; the kernel part */
static void sites_trampoline_x86_64(uint8_t *code, uint64_t at, uint32_t nr, uint64_t back, uint64_t gate)
{
    uint8_t *p = put8(put8(put8(code, 0x48), 0x8d), 0x0d);

    p = put32(p, RECORD - (uint64_t)(p - code) - 4);
    p = put8(put8(p, 0xff), 0x25);
    put32(p, POINTERS - (uint64_t)(p - code) - 4);
    put64(put64(code + POINTERS, gate), gate - STUB_GATE + STUB_CATCH);
    put32(put32(put64(code + RECORD, back), nr), 0);
    sites_kernel_x86_64(code, at, code + KERNEL, nr, back);
}

/* A call that no gate posts is made here, for EINTR, and so that the program's code need not be changed each time that a process is created:
 * mov $nr,%eax; the kernel part. */
static void sites_unposted_x86_64(uint8_t *code, uint64_t at, uint32_t nr, uint64_t back, uint64_t gate)
{
    enum { DISTANCE = KERNEL - MOV - 2 };
    uint8_t *p = put32(put8(code, MOV_EAX), nr);

    put8(put8(p, 0xeb), DISTANCE);
    put64(put64(code + POINTERS, gate), gate - STUB_GATE + STUB_CATCH);
    put32(put32(put64(code + RECORD, back), nr), 0);
    sites_kernel_x86_64(code, at, code + KERNEL, nr, back);
}

/* The same for a call that may give EINTR by itself: syscall; lea back(%rip),%rcx; jmp *catch */
static void sites_once_x86_64(uint8_t *code, uint64_t at, uint32_t nr, uint64_t back, uint64_t gate)
{
    sites_unposted_x86_64(code, at, nr, back, gate);
    sites_behind_x86_64(code, at, code + KERNEL + SYSCALL_LENGTH, back);
}

uint64_t sites_origin(const struct process *process, uint64_t ip)
{
    const struct space *space = process->space;
    uint64_t offset = space ? ip - space->trampolines_at : 0, back;

    if (process->arch != ABI_X86_64 || !space || !space->trampolines || !space->trampolines_at || offset >= GATE_SPAN)
        return ip;
    if (offset % TRAMPOLINE != KERNEL + SYSCALL_LENGTH)
        return ip;
    memcpy(&back, space->trampolines->view + offset / TRAMPOLINE * TRAMPOLINE + RECORD, sizeof back);
    return back;
}

/* mov $nr,%eax; call gate; jmp back */
static void sites_trampoline_i386(uint8_t *code, uint64_t at, uint32_t nr, uint64_t back, uint64_t gate)
{
    uint8_t *p = put32(put8(code, MOV_EAX), nr);

    p = put8(p, CALL_REL);
    p = put32(p, gate - (at + (uint64_t)(p - code) + 4));
    p = put8(p, JMP);
    put32(p, back - (at + (uint64_t)(p - code) + 4));
}

/* Whether the mov's first byte may be the end of an address (disp8 or disp32) in an instruction with an immediate: `movl $nr,-0x48(%rsp)` and its
 * like end in the same bytes. `b` points to the byte behind that address. */
static bool sites_tail(const uint8_t *b)
{
    static const uint8_t opcodes[] = { 0x69, 0x81, 0xc7, 0xf7 };

    for (size_t i = 0; i < sizeof opcodes; i++)
        for (int back = 3; back <= 7; back++)    /* opcode, ModRM, perhaps SIB, then 1 or 4 bytes */
            if ((back == 3 || back == 4 || back >= 6) && b[-back] == opcodes[i])
                return true;
    return false;
}

/* Whether the site is code as the loader maps it: one private mapping that can't be written. What a program makes or changes itself is its own
 * business, and a shared mapping is a file's. */
static bool sites_fixed(pid_t tid, uint64_t site)
{
    unsigned long start, end;
    char line[512], mode[5];
    bool fixed = false;
    FILE *maps;

    snprintf(line, sizeof line, "/proc/%d/maps", tid);
    maps = fopen(line, "re");
    while (maps && fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %4s", &start, &end, mode) == 3 && site >= start && site < end) {
            fixed = site + SITE <= end && strcmp(mode, "r-xp") == 0;
            break;
        }
    if (maps)
        fclose(maps);
    return fixed;
}

/* Whether the bytes before `ip` are the shape, for this number. The byte before them must not make the mov another instruction. */
static bool sites_match(const struct process *process, pid_t tid, uint64_t ip, uint32_t nr)
{
    static const uint8_t calls[ABI_ARCHES][CALL] = { [ABI_X86_64] = { 0x0f, 0x05 }, [ABI_I386] = { 0xcd, 0x80 } };
    uint8_t around[BEFORE + SITE], *bytes = around + BEFORE - 1;
    uint32_t immediate;

    if (memory_read(tid, ip - sizeof around, around, sizeof around) != sizeof around)
        return false;
    memcpy(&immediate, bytes + 2, sizeof immediate);
    return bytes[1] == MOV_EAX && immediate == nr && memcmp(bytes + 1 + MOV, calls[process->arch], CALL) == 0 &&
           !(process->arch == ABI_X86_64 && bytes[0] >= REX_FIRST && bytes[0] <= REX_LAST) &&
           !sites_tail(bytes + 2);
}

static bool sites_reach(const struct process *process, uint64_t from, uint64_t to)
{
    int64_t distance = (int64_t)(to - from);

    return process->arch == ABI_I386 || (distance > -0x7fff0000ll && distance < 0x7fff0000ll);
}

/* Remember that a site can't be redirected, so that its next notification costs nothing. */
static bool sites_refused(uint64_t ip, bool refuse)
{
    enum { REMEMBERED = 256 };
    static uint64_t refused[REMEMBERED];
    uint64_t *place = &refused[(ip ^ ip >> 8) % REMEMBERED];

    if (refuse)
        *place = ip;
    return *place == ip;
}

/* Who writes the trampoline for a site. */
static void (*sites_kind(const struct process *process, bool unposted, bool repeats))(uint8_t *, uint64_t, uint32_t, uint64_t, uint64_t)
{
    if (process->arch == ABI_I386)
        return sites_trampoline_i386;    /* the gate knows what creates processes, and what is repeated */
    if (!repeats)
        return sites_once_x86_64;
    return unposted ? sites_unposted_x86_64 : sites_trampoline_x86_64;
}

/* Code is changed under other threads only for what no gate posts: a creation without a trampoline changes more of it, and each time. */
void sites_learn(struct process *process, pid_t tid, uint64_t ip, uint64_t nr, bool unposted, bool repeats)
{
    struct trampolines *trampolines = process->space->trampolines;
    uint64_t site = ip - SITE, gate = process->space->mailbox.base + STUB_GATE, at;
    uint8_t jump[MOV];
    char path[64];

    if ((process->threaded && !unposted) || !trampolines || trampolines->used + TRAMPOLINE > GATE_SPAN || sites_refused(ip, false))
        return;
    if (process->arch == ABI_X86_64 && !process->sandbox->has_fsgsbase)
        return;
    at = process->space->trampolines_at + trampolines->used;
    if (ip - process->space->trampolines_at < GATE_SPAN)
        return;    /* it came through one */
    if (!sites_match(process, tid, ip, (uint32_t)nr) || !sites_reach(process, site, at) || !sites_fixed(tid, site)) {
        sites_refused(ip, true);
        return;
    }
    if (process->space->memory < 0) {
        snprintf(path, sizeof path, "/proc/%d/mem", tid);
        process->space->memory = open(path, O_RDWR | O_CLOEXEC);
    }
    sites_kind(process, unposted, repeats)(trampolines->view + trampolines->used, at, (uint32_t)nr, ip, gate);
    put32(put8(jump, JMP), at - (site + MOV));
    if (process->space->memory >= 0 && pwrite(process->space->memory, jump, sizeof jump, (off_t)site) == sizeof jump)
        trampolines->used += TRAMPOLINE;
}
