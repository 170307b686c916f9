/*
 * start-auxv: prints what the auxiliary vector says: values that must equal a native run's, and for addresses whether
 * they are what the manual page promises. `start-auxv file` compares with /proc/self/auxv instead.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

extern char **environ;
extern void _start(void);

static ElfW(auxv_t) *vector(void)
{
    char **p = environ;
    while (*p)
        p++;
    return (ElfW(auxv_t) *)(void *)(p + 1);
}

static unsigned long get(unsigned long type)
{
    for (ElfW(auxv_t) *a = vector(); a->a_type != AT_NULL; a++)
        if (a->a_type == type)
            return a->a_un.a_val;
    return 0;
}

static int is_elf(unsigned long address)
{
    return memcmp((const void *)address, ELFMAG, SELFMAG) == 0;
}

/* Is the address inside the file that this line of /proc/self/maps names? */
static int mapped_from(unsigned long address, const char *name)
{
    char line[4400];
    FILE *maps = fopen("/proc/self/maps", "r");
    int found = 0;

    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from <= address && address < to)
            found = strstr(line, name) != NULL;
    }
    if (maps)
        fclose(maps);
    return found;
}

static int check_program(struct dl_phdr_info *info, size_t size, void *out)
{
    (void)size;
    int *good = out;
    if (*good < 0)    /* the first object is the program */
        *good = info->dlpi_phdr == (const void *)get(AT_PHDR) && info->dlpi_phnum == get(AT_PHNUM);
    return 0;
}

static int random_looks_random(void)
{
    const unsigned char *bytes = (const unsigned char *)get(AT_RANDOM);
    int nonzero = 0;
    for (int i = 0; bytes && i < 16; i++)
        nonzero += bytes[i] != 0;
    return nonzero >= 8;
}

static void addresses(void)
{
    int program = -1;
    unsigned long base = get(AT_BASE), vdso = get(AT_SYSINFO_EHDR);

    dl_iterate_phdr(check_program, &program);
    printf("PHDR is the program's: %d\n", program);
    printf("ENTRY is _start: %d\n", get(AT_ENTRY) == (unsigned long)(uintptr_t)&_start);
    printf("BASE: %s\n", base == 0 ? "none" : is_elf(base) && mapped_from(base, "ld-") ? "the interpreter" : "wrong");
    printf("EXECFN: %s\n", get(AT_EXECFN) ? (const char *)get(AT_EXECFN) : "none");
    printf("PLATFORM: %s\n", get(AT_PLATFORM) ? (const char *)get(AT_PLATFORM) : "none");
    printf("RANDOM: %d\n", random_looks_random());
    printf("SYSINFO_EHDR: %s\n", vdso == 0 ? "none" : is_elf(vdso) ? "ELF" : "wrong");
#ifdef __i386__
    printf("SYSINFO: %d\n", get(AT_SYSINFO) != 0);
#endif
}

static void values(void)
{
    static const struct { const char *name; unsigned long type; } equal[] = {
        { "PAGESZ", AT_PAGESZ }, { "CLKTCK", AT_CLKTCK }, { "PHENT", AT_PHENT }, { "PHNUM", AT_PHNUM }, { "FLAGS", AT_FLAGS },
        { "UID", AT_UID }, { "EUID", AT_EUID }, { "GID", AT_GID }, { "EGID", AT_EGID }, { "SECURE", AT_SECURE },
        { "HWCAP", AT_HWCAP }, { "HWCAP2", AT_HWCAP2 }, { "MINSIGSTKSZ", AT_MINSIGSTKSZ },
    };
    for (size_t i = 0; i < sizeof equal / sizeof *equal; i++)
        printf("%s: %lx\n", equal[i].name, get(equal[i].type));
}

/* The kernel's copy must tell the same as the stack. */
static void compare_file(void)
{
    ElfW(auxv_t) copy[64];
    int fd = open("/proc/self/auxv", O_RDONLY);
    ssize_t got = read(fd, copy, sizeof copy);
    const ElfW(auxv_t) *stack = vector();

    close(fd);
    for (ssize_t i = 0; i < got / (ssize_t)sizeof *copy && stack[i].a_type != AT_NULL; i++)
        if (copy[i].a_type != stack[i].a_type || copy[i].a_un.a_val != stack[i].a_un.a_val)
            printf("type %lu differs: %lu\n", (unsigned long)stack[i].a_type, (unsigned long)copy[i].a_type);
    printf("read: %d\n", got > 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "file") == 0) {
        compare_file();
        return 0;
    }
    values();
    addresses();
    return 0;
}
