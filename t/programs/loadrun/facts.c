/*
 * facts: prints what a program can learn about how it was started, in words that don't depend on where things were mapped.
 *
 * The loader's test runs it natively and through the loader and compares the output byte by byte. Built in every way of linking;
 * "bad" in the output is a failure by itself.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BSS = 16 << 20, GROWTH = 64 << 20 };

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));
extern char _start[], _end[];

static char bss[BSS];
static int data = 42;
static __thread int tls_data = 43, tls_bss;
#ifdef FACTS_ALIGN
static char aligned[FACTS_ALIGN] __attribute__((aligned(FACTS_ALIGN))) = "aligned";
#endif

static void check(const char *what, int good)
{
    printf("%s: %s\n", what, good ? "good" : "bad");
}

static const char *slurp(const char *path, size_t *size)
{
    static char content[1 << 16];
    int fd = open(path, O_RDONLY);
    ssize_t got, total = 0;

    while ((got = read(fd, content + total, sizeof content - 1 - (size_t)total)) > 0)
        total += got;
    content[total] = '\0';
    close(fd);
    *size = (size_t)total;
    return content;
}

/* Field of /proc/self/stat, counted as in proc(5). */
static uintptr_t stat_field(int wanted)
{
    size_t size;
    const char *text = strrchr(slurp("/proc/self/stat", &size), ')') + 1;

    for (int field = 3; field < wanted; field++)
        text = strchr(text + 1, ' ');
    return (uintptr_t)strtoull(text, NULL, 10);
}

static void print_auxv(const ElfW(auxv_t) *auxv)
{
    const ElfW(auxv_t) *end = auxv;
    size_t size, length;

    for (; end->a_type != AT_NULL; end++) {
        if (end->a_type == AT_IGNORE || end->a_type == AT_SYSINFO_EHDR)
            continue;
        printf("auxv %lu", (unsigned long)end->a_type);
        switch (end->a_type) {
        case AT_PHENT: case AT_PHNUM: case AT_PAGESZ: case AT_CLKTCK: case AT_FLAGS: case AT_UID: case AT_EUID: case AT_GID: case AT_EGID:
        case AT_SECURE: case AT_HWCAP: case AT_HWCAP2: case AT_MINSIGSTKSZ:
            printf(" = %lu", (unsigned long)end->a_un.a_val);
            break;
        case AT_PLATFORM: case AT_EXECFN:
            printf(" = %s", (const char *)end->a_un.a_val);
            break;
        }
        putchar('\n');
    }
    length = (size_t)((const char *)(end + 1) - (const char *)auxv);
    check("/proc/self/auxv begins with the stack's auxv", !memcmp(slurp("/proc/self/auxv", &size), auxv, length) && size >= length);
}

static void print_addresses(void)
{
    uintptr_t base = getauxval(AT_BASE);

    check("AT_PHDR", getauxval(AT_PHDR) == (uintptr_t)&__ehdr_start + __ehdr_start.e_phoff);
    check("AT_ENTRY", getauxval(AT_ENTRY) == (uintptr_t)_start);
    printf("AT_BASE: %s\n", base == 0 ? "zero" : memcmp((const void *)base, ELFMAG, SELFMAG) ? "bad" : "an ELF file");
    check("AT_RANDOM", getauxval(AT_RANDOM) != 0);
#ifdef __i386__
    uintptr_t gate;
    __asm__("mov %%gs:0x10, %0" : "=r"(gate));
    check("gs:0x10 is AT_SYSINFO", gate == getauxval(AT_SYSINFO));
#endif
}

static void print_stat(int argc, char **argv, char **envp)
{
    uintptr_t first = (uintptr_t)&argv[-1], last = (uintptr_t)envp[0];

    for (char **variable = envp; *variable; variable++)
        last = (uintptr_t)*variable + strlen(*variable) + 1;
    check("code", stat_field(26) <= (uintptr_t)print_stat && (uintptr_t)print_stat < stat_field(27));
    check("data", stat_field(45) <= (uintptr_t)&data && (uintptr_t)&data < stat_field(46));
    check("start of stack", stat_field(28) == first && *(long *)first == argc);
    check("arguments", stat_field(48) == (uintptr_t)argv[0] && stat_field(49) == (uintptr_t)argv[argc - 1] + strlen(argv[argc - 1]) + 1);
    check("environment", stat_field(50) == (uintptr_t)envp[0] && stat_field(51) == last);
    check("stack alignment", first % 16 == 0 && (uintptr_t)__builtin_frame_address(0) % 16 == (sizeof(void *) == 8 ? 0 : 8));
}

static void print_heap(void)
{
    uintptr_t start = stat_field(47), now = (uintptr_t)syscall(SYS_brk, 0), more = (uintptr_t)syscall(SYS_brk, now + GROWTH);

    check("heap above start_brk", start <= now && start != 0);
    check("heap grows", more == now + GROWTH);
    if (more == now + GROWTH) {
        *(volatile char *)now = *(volatile char *)(more - 1) = 1;
        check("heap shrinks", (uintptr_t)syscall(SYS_brk, now) == now);
    }
#ifdef FACTS_HEAP_FOLLOWS
    check("heap follows the program", start >= (uintptr_t)_end);
#endif
}

static void print_memory(void)
{
    size_t used = 0;

    for (size_t i = 0; i < sizeof bss; i++)
        used += bss[i] != 0;
    check("bss", used == 0);
    bss[0] = bss[sizeof bss - 1] = 1;
    check("data", data == 42 && tls_data == 43 && tls_bss == 0);
#ifdef FACTS_ALIGN
    check("alignment", (uintptr_t)aligned % FACTS_ALIGN == 0 && !strcmp(aligned, "aligned"));
#endif
}

static void print_file(const char *path)
{
    size_t size;
    const char *text = slurp(path, &size);

    printf("%s:", path);
    for (size_t i = 0; i < size; i++)
        putchar(text[i] ? text[i] : '|');
    putchar('\n');
}

/* The mappings of one file by size, offset and protection, with the gaps between them; the last argument is the file to tell. */
static void print_maps(const char *file)
{
    unsigned long previous = 0;
    char line[512];
    int heap = 0;
    FILE *maps = fopen("/proc/self/maps", "r");

    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end, offset;
        char protection[8], *path = strpbrk(line, "/[");

        sscanf(line, "%lx-%lx %7s %lx", &start, &end, protection, &offset);
        if (path && !strncmp(path, "[stack]", 7))
            printf("map stack %s\n", protection);
        if (path && !strncmp(path, "[heap]", 6))
            heap = 1;
        if (path && (strstr(path, file) || strstr(path, "/ld-"))) {
            printf("map gap %lx size %lx %s offset %lx\n", previous ? start - previous : 0, end - start, protection, offset);
            previous = strstr(path, "/ld-") ? 0 : end;
        } else
            previous = 0;
    }
    fclose(maps);
    check("the heap is named", heap);
}

static void print_registers(void)
{
    unsigned short control;

    __asm__("fnstcw %0" : "=m"(control));
    printf("x87 control: %x\n", control);
#ifdef __SSE__
    printf("mxcsr: %x\n", __builtin_ia32_stmxcsr());
#endif
}

/* Whether the VDSO's names include the time functions. */
static void print_vdso(void)
{
    const char *vdso = (const char *)getauxval(AT_SYSINFO_EHDR);
    const ElfW(Phdr) *whole = vdso ? (const ElfW(Phdr) *)(vdso + ((const ElfW(Ehdr) *)vdso)->e_phoff) : NULL;
    int found = whole && memmem(vdso, whole->p_memsz, "__vdso_clock_gettime", 20);

    printf("VDSO: %s\n", found ? "there" : "hidden");
}

static void goodbye(void)
{
    puts("atexit ran");
}

int main(int argc, char **argv, char **envp)
{
    char **end = envp;
    int fd = open("/dev/null", O_RDONLY);
    struct timespec now;

    printf("lowest descriptor: %d\n", fd);
    close(fd);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    while (*end)
        end++;
    print_auxv((const ElfW(auxv_t) *)(end + 1));
    print_addresses();
    print_stat(argc, argv, envp);
    print_memory();
    print_heap();
    print_file("/proc/self/comm");
    print_file("/proc/self/cmdline");
    print_file("/proc/self/environ");
    print_maps(argv[0]);
    print_registers();
    print_vdso();
    check("clock", clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    atexit(goodbye);
    return 7;
}
