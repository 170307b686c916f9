/*
 * fuzz-arguments: system calls with arguments that make no sense, for those who decode them.
 *
 * Runs in the sandbox, and natively where nothing it does has an effect. Pointers lead to strings without an end, to the last bytes before a hole, to no
 * page, to the kernel; lengths are 0, 1, huge, negative; vectors, messages and addresses are filled with all of that. The same seed makes the same calls:
 * nothing depends on what they gave.
 *   fuzz-arguments deny SEED COUNT     any call of the table: the policy must deny all of them (EDOM) from the first getppid to the second
 *   fuzz-arguments same SEED COUNT     calls without a lasting effect; a line for each: its number in the run, its name, what it gave
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "attack.h"

enum { PAGE = 4096, NUMBERS = 512 };

/* The same addresses in every run. */
static uint8_t *const arena = (uint8_t *)0x20000000;
enum { DATA = 16 * PAGE, NO_ACCESS = DATA + PAGE, ENDLESS = DATA + 3 * PAGE, LONG = DATA + 6 * PAGE, SIZE = DATA + 12 * PAGE };    /* holes between them */

static uint64_t state;

static uint64_t any(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t below(uint64_t limit) { return any() % limit; }

static void *pages(size_t at, size_t size, int prot)
{
    void *got = mmap(arena + at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (got == MAP_FAILED)
        err(1, "mmap");
    return got;
}

static const char *const strings[] = {
    "/etc/hostname", "/etc/../etc/passwd", "/", "", ".", "..", "/proc/self/status", "/proc/self/fd/0", "/nonexistent/x", "/etc/passwd/x", "a\nb\033[1m",
    "/dev/null", "//etc//./hostname", "/proc/self/cwd/../..", "user.x", "security.selinux",
};
enum { STRINGS = sizeof strings / sizeof *strings, STRING = 64 };

static void map_arena(void)
{
    pages(0, DATA, PROT_READ | PROT_WRITE);
    pages(NO_ACCESS, PAGE, PROT_NONE);
    pages(ENDLESS, 2 * PAGE, PROT_READ | PROT_WRITE);
    pages(LONG, 4 * PAGE, PROT_READ | PROT_WRITE);
}

/* What the kernel wrote into it must not be part of the next question. */
static void fill_arena(void)
{
    static uint64_t noise[DATA / 8];

    for (size_t i = 0; !noise[1] && i < DATA / 8; i++)
        noise[i] = any();
    memcpy(arena, noise, DATA);
    memset(arena + ENDLESS, 'E', 2 * PAGE);
    memset(arena + LONG, '/', 4 * PAGE);
    for (size_t i = 0; i < STRINGS; i++)
        strcpy((char *)arena + i * STRING, strings[i]);
    memcpy(arena + DATA - 14, "/etc/hostname", 14);    /* its NUL is the last byte of the page */
}

/* ---- words ---- */

static long number(void)
{
    static const int64_t odd[] = { 0, 1, -1, 2, 3, 8, 16, 110, 128, 200, 1024, 1025, 4095, 4096, 4097, 32767, 32768, 32769, 65536, 131072, 1 << 20, INT32_MAX,
                                   INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN, -4095, -100 };
    uint64_t r = any();

    if (r & 1)
        return (long)odd[(r >> 8) % (sizeof odd / sizeof *odd)];
    return (long)(r & 2 ? any() : any() % 256);
}

static long place(size_t from, size_t to) { return (long)(uintptr_t)arena + (long)(from + below(to - from)); }

static long pointer(void)
{
    switch (below(16)) {
    case 0: return 0;
    case 1: return (long)(sizeof(long) == 8 ? 0xffffffff81000000 : 0xfffff000);
    case 2: return (long)below(65536);
    case 3: return (long)(uintptr_t)arena + NO_ACCESS + (long)below(PAGE);
    case 4: return (long)(uintptr_t)arena + DATA - (long)below(17);
    case 5: return (long)(uintptr_t)arena + DATA - 14;
    case 6: return (long)(uintptr_t)arena + ENDLESS + 2 * PAGE - (long)below(300);
    case 7: return (long)(uintptr_t)arena + ENDLESS;
    case 8: return (long)(uintptr_t)arena + LONG + 4 * PAGE - (long)below(5000);
    case 9: return (long)(sizeof(long) == 8 ? any() : 0x80000000 + below(0x40000000));    /* where a 32-bit program has nothing */
    case 10: return place(0, DATA) | 1;
    case 11: case 12: return (long)(uintptr_t)arena + (long)below(STRINGS) * STRING;
    default: return place(STRINGS * STRING, DATA) & ~7L;
    }
}

/* ---- structures ---- */

static long room(size_t size) { return place(STRINGS * STRING, DATA - size - 16) & ~7L; }

static long vectors(int *count)
{
    struct iovec *vector = (void *)room(sizeof(struct iovec) * 64);

    for (int i = 0; i < 64; i++)
        vector[i] = (struct iovec){ (void *)(below(4) ? place(STRINGS * STRING, DATA) : pointer()), below(4) ? below(200) : (size_t)number() };
    if (count)
        *count = below(4) ? (int)below(65) : (int)number();
    return (long)vector;
}

static long address(int *length)
{
    static const uint16_t families[] = { AF_UNSPEC, AF_UNIX, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK, 999 };
    uint8_t *bytes = (void *)room(256);
    static const char *const names[] = { "/nonexistent/socket", "/etc/hostname", "@x", "/proc/self/fd/0", "", "socket\n" };

    for (size_t i = 0; i < 256; i += 8)
        memcpy(bytes + i, &(uint64_t){ any() }, 8);
    memcpy(bytes, &families[below(sizeof families / sizeof *families)], 2);
    if (below(2))
        strcpy((char *)bytes + 2, names[below(6)]);
    *length = below(8) ? (int)below(201) : (int)number();
    return (long)bytes;
}

static long message(void)
{
    struct mmsghdr *messages = (void *)room(4 * sizeof *messages);
    int length, count;

    for (int i = 0; i < 4; i++) {
        struct msghdr *header = &messages[i].msg_hdr;

        header->msg_name = below(3) ? (void *)address(&length) : (length = (int)number(), (void *)pointer());
        header->msg_namelen = (socklen_t)length;
        header->msg_iov = below(4) ? (void *)vectors(&count) : (count = (int)number(), (void *)pointer());
        header->msg_iovlen = (size_t)count;
        header->msg_control = below(2) ? NULL : (void *)pointer();
        header->msg_controllen = header->msg_control ? (size_t)number() : 0;
        header->msg_flags = (int)any();
    }
    return (long)messages;
}

/* Pointers to strings, with an end or without. */
static long list(void)
{
    long *items = (void *)room(32 * sizeof(long));

    for (int i = 0; i < 32; i++)
        items[i] = below(3) ? (long)(uintptr_t)arena + (long)below(STRINGS) * STRING : pointer();
    if (below(2))
        items[below(32)] = 0;
    return (long)items;
}

static long how(void)
{
    uint64_t *words = (void *)room(64);

    for (int i = 0; i < 8; i++)
        words[i] = below(2) ? 0 : any() >> below(64);
    return (long)words;
}

static long argument(void)
{
    int ignored;

    switch (below(12)) {
    case 0: return vectors(NULL);
    case 1: return message();
    case 2: return address(&ignored);
    case 3: return list();
    case 4: return how();
    case 5: case 6: case 7: return pointer();
    default: return number();
    }
}

/* ---- calls: by a site that the gate can have, or one that it can't ---- */

#ifdef __x86_64__
__asm__(".pushsection .text\n\t.balign 16\nfuzz_sites:\n\t.set fuzz_number, 0\n\t.rept 512\n\t.balign 16\n\tmov $fuzz_number, %eax\n\tsyscall\n\tret\n\t"
        ".set fuzz_number, fuzz_number + 1\n\t.endr\n\t.popsection");
extern const char fuzz_sites[];

static long by_gate(long nr, const long a[6])
{
    const long d = a[3], e = a[4], f = a[5];
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("sub $128, %%rsp\n\tcall *%%rax\n\tadd $128, %%rsp"    /* the red zone */
                     : "=a"(result) : "0"(fuzz_sites + nr * 16), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}
#else
static long by_gate(long nr, const long a[6])
{
    long result = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);    /* libc's way leads through AT_SYSINFO */

    return result == -1 ? -errno : result;
}
#endif

static long make(long nr, const long a[6], bool gate)
{
    return gate ? by_gate(nr, a) : raw(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- everything is denied ---- */

/* uretprobe and uprobe of x86_64 are no calls for programs: the kernel looks at no filter, and kills whoever makes them (SIGILL), natively too. */
static bool is_probe(long nr) { return sizeof(long) == 8 && (nr == 335 || nr == 336); }

static int deny(long count)
{
    static long errors[4096];
    long through = 0;

    syscall(SYS_getppid);
    if (raw(SYS_getuid, 0, 0, 0, 0, 0, 0) != -EDOM)
        errx(1, "nobody denies: not to be run like that");
    for (long i = 0; i < count; i++) {
        long nr = (long)below(NUMBERS), a[6], result;

        for (int k = 0; k < 6; k++)
            a[k] = argument();
        if (nr == SYS_getppid || is_probe(nr))
            continue;
        result = make(nr, a, below(2));
        if (result < 0 && result > -4096)
            errors[-result]++;
        else
            through = nr + 1;
    }
    syscall(SYS_getppid);
    printf("denied %ld", errors[EDOM]);
    for (int i = 1; i < 4096; i++)
        if (errors[i] && i != EDOM)
            printf(" %s %ld", strerrorname_np(i) ? strerrorname_np(i) : "?", errors[i]);
    printf(" through %ld\n", through - 1);
    fflush(stdout);
    getchar();    /* the test looks at the helper */
    return 0;
}

/* ---- the same as natively ---- */

static int null_fd, pair[2];

/* A path and where the answer goes. */
static void two_pointers(long a[6]) { a[0] = pointer(), a[1] = pointer(); }
static void at_pointers(long a[6]) { a[0] = AT_FDCWD, a[1] = pointer(), a[2] = pointer(), a[3] = below(3) ? 0 : AT_SYMLINK_NOFOLLOW; }
static void path_number(long a[6]) { a[0] = pointer(), a[1] = (long)below(9); }
static void at_number(long a[6]) { a[0] = AT_FDCWD, a[1] = pointer(), a[2] = (long)below(9); }
static void path_sized(long a[6]) { a[0] = pointer(), a[1] = pointer(), a[2] = number(); }
static void open_args(long a[6]) { a[0] = pointer(), a[1] = O_RDONLY | O_NONBLOCK | O_NOCTTY | (long)(below(2) ? O_NOFOLLOW : 0); }
static void openat_args(long a[6]) { a[0] = below(4) ? AT_FDCWD : number(), a[1] = pointer(), a[2] = O_RDONLY | O_NONBLOCK | O_NOCTTY | (long)(below(2) ? O_DIRECTORY : 0); }
static void writev_args(long a[6]) { int count; a[0] = null_fd, a[1] = below(4) ? vectors(&count) : (count = (int)number(), pointer()), a[2] = count; }
static void write_args(long a[6]) { a[0] = null_fd, a[1] = pointer(), a[2] = number(); }
static void one_pointer(long a[6]) { a[0] = pointer(); }
static void statx_args(long a[6]) { a[0] = AT_FDCWD, a[1] = pointer(), a[2] = below(2) ? 0 : AT_EMPTY_PATH, a[3] = 0x7ff, a[4] = pointer(); }

static void connect_args(long a[6])
{
    int length;

    a[0] = socket(AF_UNIX, SOCK_DGRAM, 0);
    a[1] = below(4) ? address(&length) : (length = (int)number(), pointer());
    a[2] = length;
}

static void sendto_args(long a[6])
{
    int length;

    a[0] = pair[0], a[1] = pointer(), a[2] = below(4) ? (long)below(2000) : number(), a[3] = MSG_DONTWAIT | MSG_NOSIGNAL;
    a[4] = below(2) ? 0 : below(4) ? address(&length) : (length = (int)number(), pointer());
    a[5] = a[4] ? length : 0;
}

static void sendmsg_args(long a[6]) { a[0] = pair[0], a[1] = below(8) ? message() : pointer(), a[2] = MSG_DONTWAIT | MSG_NOSIGNAL; }
static void sendmmsg_args(long a[6]) { a[0] = pair[0], a[1] = below(8) ? message() : pointer(), a[2] = (long)below(5), a[3] = MSG_DONTWAIT | MSG_NOSIGNAL; }

static void sleep_args(long a[6])
{
    long *time = (void *)room(16);

    time[0] = below(4) ? 0 : -1;
    time[1] = below(2) ? (long)below(2000) : (long)(1000000000 + below(1000));
    a[0] = below(2) ? (long)time : (long)(uintptr_t)arena + DATA - (long)below(sizeof(long) * 2);    /* across the edge */
    a[1] = pointer();
}

/* Nothing that can be executed. */
static void execve_args(long a[6])
{
    a[0] = below(2) ? (long)(uintptr_t)arena : (long)(uintptr_t)arena + DATA - 14;
    a[1] = list(), a[2] = list();
}

static const struct sample { const char *name; long nr; void (*fill)(long a[6]); } samples[] = {
#ifdef __x86_64__
    { "stat", SYS_stat, two_pointers }, { "lstat", SYS_lstat, two_pointers }, { "newfstatat", SYS_newfstatat, at_pointers },
#else
    { "stat", SYS_stat64, two_pointers }, { "lstat", SYS_lstat64, two_pointers }, { "fstatat64", SYS_fstatat64, at_pointers },
#endif
    { "access", SYS_access, path_number }, { "faccessat", SYS_faccessat, at_number }, { "readlink", SYS_readlink, path_sized }, { "open", SYS_open, open_args },
    { "openat", SYS_openat, openat_args }, { "writev", SYS_writev, writev_args }, { "write", SYS_write, write_args }, { "uname", SYS_uname, one_pointer },
    { "statx", SYS_statx, statx_args }, { "connect", SYS_connect, connect_args }, { "sendto", SYS_sendto, sendto_args }, { "sendmsg", SYS_sendmsg, sendmsg_args },
    { "sendmmsg", SYS_sendmmsg, sendmmsg_args }, { "nanosleep", SYS_nanosleep, sleep_args }, { "execve", SYS_execve, execve_args },
    { "getcwd", SYS_getcwd, two_pointers },
};
enum { SAMPLES = sizeof samples / sizeof *samples };

static int same(long count)
{
    static char bytes[256 * 1024];

    null_fd = open("/dev/null", O_RDWR);
    if (null_fd < 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
        err(1, "descriptors");
    for (long i = 0; i < count; i++) {
        long a[6] = { 0 }, result;
        const struct sample *sample;

        fill_arena();
        sample = &samples[below(SAMPLES)];
        sample->fill(a);
        result = make(sample->nr, a, below(2));
        while (recv(pair[1], bytes, sizeof bytes, MSG_DONTWAIT) >= 0)
            ;
        if (result >= 0 && (sample->fill == open_args || sample->fill == openat_args))
            close((int)result), result = 0;
        if (sample->fill == connect_args)
            close((int)a[0]);
        printf("%ld %s(%#lx, %#lx, %#lx) %s %ld\n", i, sample->name, a[0], a[1], a[2], result < 0 ? strerrorname_np((int)-result) : "ok", result);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        errx(2, "usage: fuzz-arguments deny|same SEED COUNT");
    state = strtoull(argv[2], NULL, 0) | 1;
    map_arena();
    fill_arena();
    return strcmp(argv[1], "deny") == 0 ? deny(atol(argv[3])) : same(atol(argv[3]));
}
