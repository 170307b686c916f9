/*
 * symbols: which module and function of the program a call came from, for people who read reports.
 *
 * Runs in the helper, once for each denial that is told. The file is the program's, so nothing in it is believed: it is read by pread(2) in bounded
 * pieces, numbers are compared and never followed into memory, and what doesn't fit gives a name less, not a fault. That is why no library that maps
 * and parses whole ELF files is used. Test: t/37-live-denials.t.
 */
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/helper/call_private.h"

enum { SECTIONS_MAX = 4096, SYMBOLS_AT_ONCE = 512, SYMBOLS_MAX = 1 << 20 };

/* A mapping of a file. */
struct module { uint64_t start, offset; char path[PATH_MAX]; };

/* The fields that matter, equal for both classes. */
struct section { uint32_t type, link; uint64_t offset, size; };
struct symbol { uint32_t name; uint64_t value, size; bool function; };

struct image { int fd; bool wide; uint64_t sections; size_t section_count; };

static bool symbols_module(pid_t pid, uint64_t ip, struct module *module)
{
    char path[64], *line = NULL;
    size_t room = 0;
    uint64_t end;
    bool found = false;
    FILE *maps;

    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    maps = fopen(path, "re");
    if (!maps)
        return false;
    while (!found && getline(&line, &room, maps) > 0)
        found = sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %4095[^\n]", &module->start, &end, &module->offset, module->path) == 4 &&
                ip >= module->start && ip < end;
    free(line);
    fclose(maps);
    return found;
}

static bool symbols_image(struct image *image)
{
    union { Elf32_Ehdr narrow; Elf64_Ehdr wide; } head;

    if (pread(image->fd, &head, sizeof head, 0) != sizeof head || memcmp(&head, ELFMAG, SELFMAG) != 0)
        return false;
    image->wide = head.wide.e_ident[EI_CLASS] == ELFCLASS64;
    image->sections = image->wide ? head.wide.e_shoff : head.narrow.e_shoff;
    image->section_count = image->wide ? head.wide.e_shnum : head.narrow.e_shnum;
    return image->section_count <= SECTIONS_MAX;
}

static bool symbols_section(const struct image *image, size_t i, struct section *out)
{
    union { Elf32_Shdr narrow; Elf64_Shdr wide; } raw;
    size_t size = image->wide ? sizeof raw.wide : sizeof raw.narrow;

    if (i >= image->section_count || pread(image->fd, &raw, size, (off_t)(image->sections + i * size)) != (ssize_t)size)
        return false;
    *out = image->wide ? (struct section){ raw.wide.sh_type, raw.wide.sh_link, raw.wide.sh_offset, raw.wide.sh_size }
                       : (struct section){ raw.narrow.sh_type, raw.narrow.sh_link, raw.narrow.sh_offset, raw.narrow.sh_size };
    return true;
}

/* i386: the instruction lies in the gate or the VDSO, and who called that stands on a stack that isn't looked at. */
static bool symbols_between(const struct module *module)
{
    return strcmp(module->path, "[vdso]") == 0 || strncmp(module->path, "/memfd:nurse-stub", 17) == 0;
}

/* A regular file and nothing else is opened: what lies at the path may not be what was mapped. */
static int symbols_open(const char *path)
{
    char link[64];
    struct stat st;
    int at = *path == '/' ? open(path, O_PATH | O_CLOEXEC) : -1, fd = -1;

    if (at >= 0 && fstat(at, &st) == 0 && S_ISREG(st.st_mode)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        fd = open(link, O_RDONLY | O_CLOEXEC);
    }
    if (at >= 0)
        close(at);
    return fd;
}

/* The address in the file's own numbers: by the segment that the offset lies in. */
static bool symbols_address(const struct image *image, uint64_t offset, uint64_t *address)
{
    union { Elf32_Ehdr narrow; Elf64_Ehdr wide; } head;
    union { Elf32_Phdr narrow; Elf64_Phdr wide; } raw;
    size_t size = image->wide ? sizeof raw.wide : sizeof raw.narrow;

    if (pread(image->fd, &head, sizeof head, 0) != sizeof head)
        return false;
    uint64_t at = image->wide ? head.wide.e_phoff : head.narrow.e_phoff;
    for (int i = 0; i < (image->wide ? head.wide.e_phnum : head.narrow.e_phnum); i++, at += size) {
        if (pread(image->fd, &raw, size, (off_t)at) != (ssize_t)size)
            return false;
        uint64_t start = image->wide ? raw.wide.p_offset : raw.narrow.p_offset, length = image->wide ? raw.wide.p_filesz : raw.narrow.p_filesz;
        if ((image->wide ? raw.wide.p_type : raw.narrow.p_type) != PT_LOAD || offset < start || offset - start >= length)
            continue;
        *address = offset - start + (image->wide ? raw.wide.p_vaddr : raw.narrow.p_vaddr);
        return true;
    }
    return false;
}

static struct symbol symbols_read(const struct image *image, const void *raw, size_t i)
{
    const Elf64_Sym *wide = (const Elf64_Sym *)raw + i;
    const Elf32_Sym *narrow = (const Elf32_Sym *)raw + i;

    return image->wide ? (struct symbol){ wide->st_name, wide->st_value, wide->st_size, ELF64_ST_TYPE(wide->st_info) == STT_FUNC }
                       : (struct symbol){ narrow->st_name, narrow->st_value, narrow->st_size, ELF32_ST_TYPE(narrow->st_info) == STT_FUNC };
}

/* The function that holds the address. */
static bool symbols_search(const struct image *image, const struct section *table, uint64_t address, struct symbol *out)
{
    Elf64_Sym raw[SYMBOLS_AT_ONCE];
    size_t size = image->wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym), count = table->size / size < SYMBOLS_MAX ? table->size / size : SYMBOLS_MAX;

    for (size_t done = 0; done < count; done += SYMBOLS_AT_ONCE) {
        size_t some = count - done < SYMBOLS_AT_ONCE ? count - done : SYMBOLS_AT_ONCE;

        if (pread(image->fd, raw, some * size, (off_t)(table->offset + done * size)) != (ssize_t)(some * size))
            return false;
        for (size_t i = 0; i < some; i++) {
            *out = symbols_read(image, raw, i);
            if (out->function && address >= out->value && address - out->value < out->size)
                return true;
        }
    }
    return false;
}

/* "function+0x12", or nothing when no table of the file knows it. */
static void symbols_name(const struct image *image, uint64_t address, char *buf, size_t size)
{
    struct section table, strings;
    struct symbol symbol;
    char name[128];

    *buf = '\0';
    for (size_t i = 0; i < image->section_count && symbols_section(image, i, &table); i++) {
        if ((table.type != SHT_SYMTAB && table.type != SHT_DYNSYM) || !symbols_search(image, &table, address, &symbol) ||
            !symbols_section(image, table.link, &strings))
            continue;
        ssize_t n = pread(image->fd, name, sizeof name - 1, (off_t)(strings.offset + symbol.name));
        if (n <= 0)
            continue;
        name[n] = '\0';
        snprintf(buf, size, "%s+%#" PRIx64, name, address - symbol.value);
        return;
    }
}

void call_caller(struct call *call, char *buf, size_t size)
{
    struct module module;
    struct image image;
    uint64_t ip = call_ip(call), address;
    char name[160] = "";

    *buf = '\0';
    if (!symbols_module(call_pid(call), ip, &module) || symbols_between(&module))
        return;
    const char *base = strrchr(module.path, '/') ? strrchr(module.path, '/') + 1 : module.path;
    image.fd = symbols_open(module.path);
    if (image.fd >= 0) {
        if (symbols_image(&image) && symbols_address(&image, ip - module.start + module.offset, &address))
            symbols_name(&image, address, name, sizeof name);
        close(image.fd);
    }
    if (*name)
        snprintf(buf, size, "%s: %s", base, name);
    else
        snprintf(buf, size, "%s+%#" PRIx64, base, ip - module.start + module.offset);
}
