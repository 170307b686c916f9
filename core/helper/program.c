/*
 * program: finds the file to run as execvp and the kernel's exec would, and says clearly why not.
 *
 * Runs in the helper before anything is started. The files are not believed: of each one only the first 256 bytes are read; of an ELF
 * file only class, byte order, type and machine count here. A file is judged and read through one descriptor, so that nobody can
 * exchange it in between. Proven by t/programs/unit-program.c.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/helper/path.h"
#include "core/helper/program.h"

enum { EM_486 = 6 };    /* i386 by another name, which the kernel takes too */

#define NOT_RUNNABLE "%s: not an executable this kernel can run"

static const struct { unsigned machine; const char *name; } machines[] = {
    { EM_M32, "WE32100" }, { EM_SPARC, "SPARC" }, { EM_386, "i386" }, { EM_68K, "m68k" }, { EM_MIPS, "MIPS" },
    { EM_PARISC, "PA-RISC" }, { EM_SPARC32PLUS, "SPARC v8+" }, { EM_PPC, "PowerPC" }, { EM_PPC64, "PowerPC64" }, { EM_S390, "s390" },
    { EM_ARM, "ARM" }, { EM_SH, "SuperH" }, { EM_SPARCV9, "SPARC v9" }, { EM_IA_64, "IA-64" }, { EM_X86_64, "x86_64" },
    { EM_XTENSA, "Xtensa" }, { 164, "Hexagon" }, { EM_AARCH64, "AArch64" }, { EM_MICROBLAZE, "MicroBlaze" }, { EM_CUDA, "CUDA" },
    { EM_AMDGPU, "AMD GPU" }, { EM_RISCV, "RISC-V" }, { EM_BPF, "BPF" }, { EM_CSKY, "C-SKY" }, { EM_LOONGARCH, "LoongArch" },
    { EM_ALPHA, "Alpha" }, { 0x9026, "Alpha" },
};

static const char *machine_name(unsigned machine, char buf[24])
{
    for (size_t i = 0; i < sizeof(machines) / sizeof(*machines); i++)
        if (machines[i].machine == machine)
            return machines[i].name;
    snprintf(buf, 24, "machine %u", machine);
    return buf;
}

/* Nothing runs yet, so giving up here leaves nothing behind. */
static void *program_memory(void *got)
{
    if (!got)
        die(EXIT_NURSE, "out of memory");
    return got;
}

/* Hold a file that may be executed: an O_PATH descriptor, or -EISDIR, -EACCES, or why it can't be reached. */
static int program_hold(const char *path)
{
    int fd = open(path, O_PATH | O_CLOEXEC), error = 0;
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st))
        error = errno;
    else if (!S_ISREG(st.st_mode))
        error = S_ISDIR(st.st_mode) ? EISDIR : EACCES;
    else if (faccessat(fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS))
        error = errno;
    if (!error)
        return fd;
    close(fd);
    return -error;
}

/* Why exactly is it EACCES? Asked only to explain. */
static const char *program_obstacle(const char *path)
{
    struct statvfs fs;
    struct stat st;

    if (stat(path, &st))
        return "permission denied";
    if (!S_ISREG(st.st_mode))
        return "not a regular file";
    if (!statvfs(path, &fs) && fs.f_flag & ST_NOEXEC)
        return "permission denied: its file system is mounted noexec";
    return "permission denied: not executable";
}

/* One line for an error of program_hold(), and the status for it. `script` names it as its interpreter, or is NULL. */
static int program_refuse(const char *path, const char *script, int error)
{
    const char *why = error == EISDIR ? "is a directory" : error == EACCES ? program_obstacle(path) : strerror(error);

    if (script)
        say("%s: bad interpreter %s: %s", script, path, why);
    else
        say("%s: %s", path, why);
    return error == ENOENT && !script ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

/* The directories to search. Free it. */
static char *program_search_path(void)
{
    const char *path = getenv("PATH");
    size_t size;
    char *usual;

    if (path)
        return program_memory(strdup(path));
    size = confstr(_CS_PATH, NULL, 0);
    usual = program_memory(calloc(size + 1, 1));
    confstr(_CS_PATH, usual, size);
    return usual;
}

/* Search for a name without a slash. Returns the descriptor and the path found (free it), or -ENOENT, -EACCES or another -errno. */
static int program_search(const char *name, char **found)
{
    char *path = program_search_path(), *rest = path, *dir, *candidate;
    int fd, result = -ENOENT;

    while ((dir = strsep(&rest, ":"))) {
        if (asprintf(&candidate, "%s%s%s", dir, *dir ? "/" : "", name) < 0)
            program_memory(NULL);
        fd = program_hold(candidate);
        if (fd >= 0) {
            *found = candidate;
            result = fd;
            break;
        }
        free(candidate);
        if (fd == -EACCES || fd == -EISDIR) {
            result = -EACCES;
        } else if (fd != -ENOENT && fd != -ENOTDIR) {
            result = fd;
            break;
        }
    }
    free(path);
    return result;
}

/* Find argv[0]; *fd is O_PATH. Returns 0 or an exit status. */
static int program_locate(const char *name, char **path, int *fd)
{
    if (strchr(name, '/')) {
        *path = program_memory(strdup(name));
        *fd = program_hold(name);
        return *fd < 0 ? program_refuse(name, NULL, -*fd) : 0;
    }
    *fd = *name ? program_search(name, path) : -ENOENT;
    if (*fd >= 0)
        return 0;
    if (*fd == -ENOENT)
        say("%s: not found%s", *name ? name : "(empty name)", *name ? " in PATH" : "");
    else
        say("%s: found in PATH, but can't be run: %s", name, strerror(-*fd));
    return *fd == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

int program_head(int fd, char head[PROGRAM_HEAD], size_t *count)
{
    ssize_t got = 0;

    memset(head, 0, PROGRAM_HEAD);
    for (*count = 0; *count < PROGRAM_HEAD; *count += (size_t)got) {
        got = pread(fd, head + *count, PROGRAM_HEAD - *count, (off_t)*count);
        if (got <= 0)
            break;
    }
    return got < 0 ? -errno : 0;
}

/* Make the O_PATH descriptor readable and read the head. Returns 0 or an exit status. */
static int program_read(const char *path, int *fd, char head[PROGRAM_HEAD], size_t *count)
{
    char link[32];
    int file, error;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", *fd);
    file = open(link, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    error = file < 0 ? -errno : 0;
    if (file >= 0) {
        close(*fd);
        *fd = file;
        error = program_head(file, head, count);
    }
    if (!error)
        return 0;
    say("%s: can be executed, but not read: %s", path, strerror(-error));
    return EXIT_CANNOT_RUN;
}

/* The line may be cut at 255 bytes, but not within the name; blanks around both are dropped, blanks within the argument stay. */
bool program_script(char head[PROGRAM_HEAD], char **name, char **argument)
{
    char *end = memchr(head, '\n', PROGRAM_HEAD), *blank;

    if (!end) {
        end = head + PROGRAM_HEAD - 1;
        for (blank = head + 2; blank < end && (*blank == ' ' || *blank == '\t');)
            blank++;
        while (blank <= end && *blank && *blank != ' ' && *blank != '\t')
            blank++;
        if (blank > end)
            return false;
    }
    while (end[-1] == ' ' || end[-1] == '\t')
        end--;
    *end = '\0';
    *name = head + 2 + strspn(head + 2, " \t");
    blank = *name + strcspn(*name, " \t");
    *argument = *blank ? blank + strspn(blank, " \t") : NULL;
    *blank = '\0';
    return **name;
}

/* argv[0] becomes: interpreter [argument] script. */
static void script_argv(struct program *program, const char *name, const char *argument, const char *script)
{
    size_t count = 0, at = 0;
    char **argv;

    while (program->argv[count])
        count++;
    argv = program_memory(calloc(count + 4, sizeof(*argv)));
    argv[at++] = program_memory(strdup(name));
    if (argument)
        argv[at++] = program_memory(strdup(argument));
    argv[at++] = program_memory(strdup(script));
    if (count) {
        free(program->argv[0]);
        memcpy(argv + at, program->argv + 1, (count - 1) * sizeof(*argv));
    }
    free(program->argv);
    program->argv = argv;
}

/* Go from a script to its interpreter. Returns 0 or an exit status. */
static int script_follow(struct program *program, char head[PROGRAM_HEAD], int depth)
{
    char *name, *argument, *script = program->binary;
    int fd;

    if (!program_script(head, &name, &argument)) {
        say(NOT_RUNNABLE ": its first line names no interpreter, or one of more than 250 bytes", script);
        return EXIT_CANNOT_RUN;
    }
    if (depth == PROGRAM_SCRIPTS) {
        say("%s: too many interpreters that are scripts themselves", program->path);
        return EXIT_CANNOT_RUN;
    }
    fd = program_hold(name);
    if (fd < 0)
        return program_refuse(name, script, -fd);
    close(program->fd);
    program->fd = fd;
    script_argv(program, name, argument, script);
    program->binary = program_memory(strdup(name));
    free(script);
    return 0;
}

const char *program_elf(const unsigned char *head, size_t count, enum abi_arch *arch, unsigned *other)
{
    unsigned class = head[EI_CLASS], data = head[EI_DATA], type, machine;

    if (count <= EI_DATA || count < (class == ELFCLASS32 ? sizeof(Elf32_Ehdr) : sizeof(Elf64_Ehdr)))
        return "truncated ELF header";
    if ((class != ELFCLASS32 && class != ELFCLASS64) || (data != ELFDATA2LSB && data != ELFDATA2MSB))
        return "corrupt ELF header";
    type = data == ELFDATA2LSB ? head[16] | head[17] << 8 : head[16] << 8 | head[17];
    machine = data == ELFDATA2LSB ? head[18] | head[19] << 8 : head[18] << 8 | head[19];
    if (machine != EM_X86_64 && machine != EM_386 && machine != EM_486) {
        *other = machine;
        return "another machine";
    }
    if (data != ELFDATA2LSB || (class == ELFCLASS64) > (machine == EM_X86_64))
        return "corrupt ELF header: class or byte order don't fit the machine";
    if (class == ELFCLASS32 && machine == EM_X86_64)
        return "an x32 program; nurse knows x86_64 and i386";
    *arch = class == ELFCLASS64 ? ABI_X86_64 : ABI_I386;
    return type == ET_EXEC || type == ET_DYN ? NULL : type == ET_REL ? "an object file, not linked yet" : type == ET_CORE ? "a core dump" :
           "corrupt ELF header: unknown type";
}

/* Judge the last file of the chain. Returns 0 or an exit status. */
static int program_examine(struct program *program, const char *head, size_t count)
{
    unsigned other = 0;
    const char *fault;
    char buf[24];

    if (count < SELFMAG || memcmp(head, ELFMAG, SELFMAG)) {
        say(count ? NOT_RUNNABLE : NOT_RUNNABLE ": it is empty", program->binary);
        return EXIT_CANNOT_RUN;
    }
    fault = program_elf((const unsigned char *)head, count, &program->arch, &other);
    if (!fault)
        return 0;
    if (other)
        say(NOT_RUNNABLE ": it is for %s", program->binary, machine_name(other, buf));
    else
        say(NOT_RUNNABLE ": %s", program->binary, fault);
    return EXIT_CANNOT_RUN;
}

/* What remains to be known of a binary that can run. Returns 0 or an exit status. */
static int program_finish(struct program *program)
{
    char exe[PATH_MAX];
    struct stat st;
    ssize_t length = path_canonical(program->fd, exe);

    if (length < 0) {
        say("%s: no canonical path: %s", program->binary, strerror((int)-length));
        return EXIT_CANNOT_RUN;
    }
    program->exe = program_memory(strdup(exe));
    if (fstat(program->fd, &st))
        return EXIT_CANNOT_RUN;
    program->device = st.st_dev;
    program->inode = st.st_ino;
    if (st.st_mode & (S_ISUID | S_ISGID))
        say_detail("%s: its set-%s-ID bit has no effect in the sandbox (no_new_privs)", program->binary, st.st_mode & S_ISUID ? "user" : "group");
    return 0;
}

static void program_copy_argv(struct program *program, char **argv)
{
    size_t count = 0;

    while (argv[count])
        count++;
    program->argv = program_memory(calloc(count + 1, sizeof(*argv)));
    for (size_t i = 0; i < count; i++)
        program->argv[i] = program_memory(strdup(argv[i]));
}

int program_find(struct program *program, char **argv)
{
    char head[PROGRAM_HEAD] = "";
    size_t count = 0;
    int status;

    memset(program, 0, sizeof(*program));
    program->fd = -1;
    program->users = 1;
    program_copy_argv(program, argv);
    status = program_locate(argv[0] ? argv[0] : "", &program->path, &program->fd);
    if (!status)
        program->binary = program_memory(strdup(program->path));
    for (int depth = 0; !status; depth++) {
        status = program_read(program->binary, &program->fd, head, &count);
        if (status || head[0] != '#' || head[1] != '!')
            break;
        status = script_follow(program, head, depth);
    }
    if (!status)
        status = program_examine(program, head, count);
    if (!status)
        status = program_finish(program);
    if (status)
        program_free(program);
    return status;
}

void program_free(struct program *program)
{
    for (char **arg = program->argv; arg && *arg; arg++)
        free(*arg);
    free(program->argv);
    free(program->path);
    free(program->binary);
    free(program->exe);
    if (program->fd >= 0)
        close(program->fd);
    if (program->interpreter > 0)
        close(program->interpreter);
    memset(program, 0, sizeof(*program));
    program->fd = -1;
}

struct program *program_share(struct program *program)
{
    if (program)
        program->users++;
    return program;
}

void program_release(struct program *program)
{
    if (!program || --program->users > 0)
        return;
    program_free(program);
    free(program);
}
