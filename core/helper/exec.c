/*
 * exec: see exec.h. Whom it believes: nobody about the file, which is read through one descriptor from here to the loader; the kernel that an exec has
 * happened: the report comes from the trustee's page, and no untrustee is left to forge it.
 */
#include "core/helper/exec.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/helper/birth.h"
#include "core/helper/memory.h"
#include "core/helper/spawn.h"
#include "core/helper/tree.h"

enum stage { STAGE_OPEN, STAGE_MAP, STAGE_CLOSE, STAGE_EXEC, STAGE_UNMAP };

struct exec {
    struct call *call;
    struct program *program;
    uint64_t mask;              /* of the thread's signals, for the new program */
    enum stage stage;
    int strings_fd;             /* argv and envp as judged, a memfd; -1: the program's own, or in the order window */
    size_t strings_size;
    uint64_t argv, envp;        /* where the kernel finds them */
    int64_t result;             /* of the exec that failed */
    int64_t opened;
};

static void exec_free(struct exec *exec)
{
    if (exec->strings_fd >= 0)
        close(exec->strings_fd);
    program_release(exec->program);
    free(exec);
}

void exec_abandon(struct process *process)
{
    if (process->exec) {
        process->exec->call = NULL;
        exec_free(process->exec);
    }
    process->exec = NULL;
}

/* --- the file --- */

/* What exec demands of a file, held by an O_PATH descriptor that becomes a readable one. Returns 0 or -errno. */
static int exec_open(int *fd)
{
    struct statvfs fs;
    struct stat st;
    char link[32];
    int file;

    if (fstat(*fd, &st) || fstatvfs(*fd, &fs))
        return -errno;
    if (!S_ISREG(st.st_mode) || fs.f_flag & ST_NOEXEC || faccessat(*fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS))
        return -EACCES;
    snprintf(link, sizeof link, "/proc/self/fd/%d", *fd);
    file = open(link, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0)
        return -errno;
    close(*fd);
    *fd = file;
    /* A lease for reading is refused as long as somebody has the file open for writing: exec's own condition (fcntl(2), execve(2)). */
    if (fcntl(file, F_SETLEASE, F_RDLCK) == 0)
        fcntl(file, F_SETLEASE, F_UNLCK);
    else if (errno == EAGAIN)
        return -ETXTBSY;
    return 0;
}

/* The interpreter that the file names must be there, for afterwards it is too late to say so; the loader will get what was found. Returns 0 or -errno. */
static int exec_interpreter(const char *name, const struct path_view *view, int *interpreter)
{
    struct path_pin pin;
    struct stat st;
    char link[32];
    int error = path_resolve(view, AT_FDCWD, name, PATH_FOLLOW, &pin), fd;

    if (!error && (fstat(pin.fd, &st) || !S_ISREG(st.st_mode) || faccessat(pin.fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS)))
        error = -EACCES;
    if (!error && view->root) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", pin.fd);
        fd = open(link, O_RDONLY | O_CLOEXEC);
        *interpreter = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
        error = *interpreter < 0 ? -errno : 0;
        close(fd);
    }
    path_release(&pin);
    return error;
}

/* Of an ELF file only the name of its interpreter is looked up, every number checked; what is wrong otherwise the loader will find. Returns 0 or -errno. */
static int exec_elf_check(struct program *program, const char head[PROGRAM_HEAD], const struct path_view *view)
{
    Elf64_Phdr segments[64];
    Elf64_Ehdr header;
    char name[PATH_MAX];
    const enum abi_arch arch = program->arch;
    const int fd = program->fd;
    uint64_t count, size = arch == ABI_X86_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr), table;
    ssize_t got;

    memcpy(&header, head, sizeof header);
    if (arch == ABI_X86_64) {
        table = header.e_phoff, count = header.e_phnum;
    } else {
        Elf32_Ehdr small;

        memcpy(&small, head, sizeof small);
        table = small.e_phoff, count = small.e_phnum;
    }
    if (count > sizeof segments / sizeof *segments)
        count = sizeof segments / sizeof *segments;
    got = pread(fd, segments, count * size, (off_t)table);
    if (got < 0 || (uint64_t)got < count * size)
        return -ENOEXEC;
    for (uint64_t i = 0; i < count; i++) {
        Elf64_Phdr segment = segments[i % 64];

        if (arch == ABI_I386) {
            Elf32_Phdr small;

            memcpy(&small, (char *)segments + i * size, sizeof small);
            segment = (Elf64_Phdr){ .p_type = small.p_type, .p_offset = small.p_offset, .p_filesz = small.p_filesz };
        }
        if (segment.p_type != PT_INTERP)
            continue;
        if (segment.p_filesz < 2 || segment.p_filesz > sizeof name || pread(fd, name, segment.p_filesz, (off_t)segment.p_offset) != (ssize_t)segment.p_filesz ||
            name[segment.p_filesz - 1])
            return -ENOEXEC;
        return exec_interpreter(name, view, &program->interpreter);
    }
    return 0;
}

static char *exec_copy(const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        die(EXIT_NURSE, "out of memory");
    return copy;
}

/* Put interpreter, argument and script before what is there already. */
static void exec_prefix(struct program *program, const char *name, const char *argument, const char *script)
{
    size_t count = 0, at = 0;
    char **list;

    while (program->argv && program->argv[count])
        count++;
    list = calloc(count + 4, sizeof *list);
    if (!list)
        die(EXIT_NURSE, "out of memory");
    list[at++] = exec_copy(name);
    if (argument)
        list[at++] = exec_copy(argument);
    list[at++] = exec_copy(script);
    for (size_t i = 1; i < count; i++)    /* the script's own name stands in [0] already */
        list[at++] = program->argv[i];
    if (count)
        free(program->argv[0]);
    free(program->argv);
    program->argv = list;
}

/* A script that is named by a descriptor can't be found by its interpreter when exec closes that descriptor. */
static bool exec_vanishes(const struct call *call)
{
    char path[64], text[512] = "";
    const char *flags;
    int fd;

    if (call->paths[0].rewritten || call->paths[0].raw[0] == '/' || call->paths[0].dirfd == AT_FDCWD)
        return false;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", call->tid, call->paths[0].dirfd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    close(fd);
    flags = strstr(text, "flags:");
    return flags && strtoul(flags + 6, NULL, 8) & O_CLOEXEC;
}

/* Follow #! lines from program->fd (O_PATH) to an ELF file. Returns 0 or -errno. */
static int exec_follow(const struct call *call, struct program *program, const struct path_view *view)
{
    char head[PROGRAM_HEAD], *name, *argument, exe[PATH_MAX];
    struct path_pin pin;
    struct stat st;
    unsigned other = 0;
    size_t count;
    int error;

    for (int depth = 0;; depth++) {
        error = exec_open(&program->fd);
        if (!error)
            error = program_head(program->fd, head, &count);
        if (error)
            return error;
        if (head[0] != '#' || head[1] != '!')
            break;
        if (!program_script(head, &name, &argument))
            return -ENOEXEC;
        if (depth == 0 && exec_vanishes(call))
            return -ENOENT;
        if (depth == PROGRAM_SCRIPTS)
            return -ELOOP;
        exec_prefix(program, name, argument, program->binary);
        free(program->binary);
        program->binary = exec_copy(name);
        error = path_resolve(view, AT_FDCWD, name, PATH_FOLLOW, &pin);
        close(program->fd);
        program->fd = pin.fd;
        if (error)
            return error;
    }
    if (count < SELFMAG || memcmp(head, ELFMAG, SELFMAG) || program_elf((const unsigned char *)head, count, &program->arch, &other))
        return -ENOEXEC;
    if (path_canonical(program->fd, exe) < 0 || fstat(program->fd, &st))
        return -ENOENT;
    program->exe = exec_copy(exe);
    program->device = st.st_dev;
    program->inode = st.st_ino;
    return exec_elf_check(program, head, view);
}

/* The name that the new program finds as AT_EXECFN: as written, or by way of the descriptor (execveat(2)). */
static char *exec_name(const struct call *call)
{
    const struct call_path *path = &call->paths[0];
    char *name;
    int length;

    if (path->rewritten || path->raw[0] == '/' || path->dirfd == AT_FDCWD)
        return exec_copy(path->raw);
    length = path->raw[0] ? asprintf(&name, "/dev/fd/%d/%s", path->dirfd, path->raw) : asprintf(&name, "/dev/fd/%d", path->dirfd);
    if (length < 0)
        die(EXIT_NURSE, "out of memory");
    return name;
}

/* The object itself, where the pin is a directory with a name below it (AT_SYMLINK_NOFOLLOW). Returns a descriptor or -errno. */
static int exec_pin(const struct path_pin *pin)
{
    struct stat st;
    int fd = pin->name[0] && pin->name[0] != '/' ? openat(pin->fd, pin->name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : fcntl(pin->fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) == 0 && S_ISLNK(st.st_mode)) {
        close(fd);
        return -ELOOP;
    }
    return fd;
}

static int exec_find(struct call *call, struct program **out)
{
    struct path_view view;
    struct program *program;
    int error = call_resolve(call, &call->paths[0]);

    if (error)
        return error;
    program = calloc(1, sizeof *program);
    if (!program)
        die(EXIT_NURSE, "out of memory");
    program->users = 1;
    program->path = exec_name(call);
    program->by_descriptor = call->paths[0].descriptor;
    program->binary = exec_copy(program->path);
    program->fd = exec_pin(&call->paths[0].pin);
    error = program->fd < 0 ? program->fd : 0;
    if (!error && strlen(program->path) >= PATH_MAX)
        error = -ENAMETOOLONG;
    call_view(call, &view);
    if (!error)
        error = exec_follow(call, program, &view);
    if (!error) {
        *out = program;
        return 0;
    }
    program_release(program);
    return error;
}

/* --- the strings --- */

/* The thread's blocked signals, which the trustee, that blocks all, must not hand on. What is pending for the thread goes with it through an exec:
 * the trustee takes it over. */
static uint64_t exec_mask(const struct call *call)
{
    pid_t tid = call->tid;
    uint64_t pending;
    char path[64], text[4096] = "";
    const char *line;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/status", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    close(fd);
    line = strstr(text, "\nSigPnd:");
    pending = line ? strtoull(line + 8, NULL, 16) : 0;
    for (int signal = 1; pending; signal++, pending >>= 1)
        if (pending & 1)
            syscall(SYS_tgkill, call->process->pid, call->slot->trustee, signal);
    line = strstr(text, "\nSigBlk:");
    return line ? strtoull(line + 8, NULL, 16) : 0;
}

/* A list of pointers and its strings, laid out one after the other. */
struct layout {
    uint8_t *memory;            /* NULL: only measure */
    uint64_t at;                /* where the process sees it */
    size_t used;
    size_t word;                /* of a pointer */
};

static void layout_word(struct layout *layout, uint64_t place, uint64_t value)
{
    if (layout->memory)
        memcpy(layout->memory + place, &value, layout->word);
}

/* Returns where the list begins. */
static uint64_t layout_list(struct layout *layout, const char *const *first, size_t first_count, const char *const *rest, size_t rest_count)
{
    size_t count = first_count + rest_count, list = layout->used;

    layout->used += (count + 1) * layout->word;
    for (size_t i = 0; i < count; i++) {
        const char *text = i < first_count ? first[i] : rest[i - first_count];
        size_t size = strlen(text) + 1;

        layout_word(layout, list + i * layout->word, layout->at + layout->used);
        if (layout->memory)
            memcpy(layout->memory + layout->used, text, size);
        layout->used += size;
    }
    layout_word(layout, list + count * layout->word, 0);
    layout->used = (layout->used + 15) & ~(size_t)15;
    return layout->at + list;
}

static void exec_lay(struct layout *layout, struct exec *exec, const char *const *lists[2], const size_t counts[2])
{
    const char *const *prefix = (const char *const *)exec->program->argv;
    size_t prefixed = 0, skip;

    while (prefix && prefix[prefixed])
        prefixed++;
    skip = prefixed && counts[0] ? 1 : 0;    /* the interpreter's name stands for argv[0] */
    exec->argv = layout_list(layout, prefix, prefixed, lists[0] + skip, counts[0] - skip);
    exec->envp = layout_list(layout, NULL, 0, lists[1], counts[1]);
}

/* Copies of both lists: in the order window when they fit, else in a memory of their own that the trustee will map. Returns 0 or -errno. */
static int exec_strings_copy(struct call *call, struct exec *exec, int argv_arg)
{
    const char *const *lists[2];
    size_t counts[2];
    struct layout layout = { .word = call->arch == ABI_X86_64 ? 8 : 4 };
    uint32_t offset;
    int error = call_strings(call, argv_arg, &lists[0], &counts[0]);

    if (!error)
        error = call_strings(call, argv_arg + 1, &lists[1], &counts[1]);
    if (error)
        return error;
    exec_lay(&layout, exec, lists, counts);
    exec->strings_size = layout.used;
    if (layout.used <= CALL_ARENA / 2 && (layout.memory = call_room(call, layout.used, &offset))) {
        layout.at = call_window(call, offset);
        layout.used = 0;
        exec_lay(&layout, exec, lists, counts);
        return 0;
    }
    if (layout.used > KEEP_STRINGS_SPAN)
        return -E2BIG;
    exec->strings_fd = memfd_create("nurse-strings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (exec->strings_fd < 0 || ftruncate(exec->strings_fd, (off_t)layout.used))
        return -ENOMEM;
    layout.memory = mmap(NULL, layout.used, PROT_READ | PROT_WRITE, MAP_SHARED, exec->strings_fd, 0);
    if (layout.memory == MAP_FAILED)
        return -ENOMEM;
    layout.at = call->process->space->mailbox.base + KEEP_STRINGS;
    layout.used = 0;
    exec_lay(&layout, exec, lists, counts);
    munmap(layout.memory, exec->strings_size);
    exec->stage = STAGE_OPEN;
    return fcntl(exec->strings_fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ? -errno : 0;
}

/* What nobody has judged or changed is the program's own business, and its kernel's. */
static int exec_strings(struct call *call, struct exec *exec)
{
    int argv_arg = strcmp(call->row->name, "execveat") == 0 ? 2 : 1;

    exec->strings_fd = -1;
    exec->stage = STAGE_EXEC;
    exec->argv = call->args[argv_arg];
    exec->envp = call->args[argv_arg + 1];
    if (call->strings[0] || call->strings[1] || exec->program->argv)
        return exec_strings_copy(call, exec, argv_arg);
    return 0;
}

/* The kernel copies the strings before it sees that the file is no program: their error comes first. */
static int exec_odd(struct call *call)
{
    const char *const *strings;
    size_t count;
    int error = 0;

    for (int i = 0; i < 6 && !error; i++)
        if (call->row->args[i].type == ABI_STRINGS)
            error = call_strings(call, i, &strings, &count);
    return error ? error : -ENOEXEC;
}

int exec_begin(struct call *call, int64_t *value)
{
    enum { CHECK_ONLY = 0x10000 /* AT_EXECVE_CHECK */ };
    uint64_t flags = strcmp(call->row->name, "execveat") == 0 ? (uint32_t)call->args[4] : 0;
    struct exec *exec;

    if (call->process->exec) {    /* another thread's is under way; if it succeeds, this one is no more */
        *value = -EAGAIN;
        return 1;
    }
    exec = calloc(1, sizeof *exec);
    if (!exec)
        die(EXIT_NURSE, "out of memory");
    *exec = (struct exec){ .call = call, .strings_fd = -1 };
    if (flags & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | CHECK_ONLY)) {
        free(exec);
        *value = -EINVAL;
        return 1;
    }
    call->slot = life_slot(call);    /* the copies will lie in its window */
    *value = call->slot ? exec_find(call, &exec->program) : -EAGAIN;
    if (*value == -ENOEXEC)
        *value = exec_odd(call);
    if (exec->program) {    /* found: *value is 0 */
        *value = exec_strings(call, exec);
        if (!*value && spawn_image(call->process->sandbox, exec->program->arch) < 0)
            *value = -ENOMEM;
    }
    if (*value || flags & CHECK_ONLY) {
        exec_free(exec);
        return 1;
    }
    exec->mask = exec_mask(call);
    if (call->slot->trustee)
        birth_schedule(call->tid, call->slot->trustee);
    call->process->exec = exec;
    call->exec = exec;
    return 0;
}

static uint64_t exec_text(struct call *call, const char *text)
{
    size_t size = strlen(text) + 1;
    uint32_t offset;
    char *room = call_room(call, size, &offset);

    if (!room)
        return 0;
    memcpy(room, text, size);
    return call_window(call, offset);
}

static uint64_t exec_nr(const struct call *call, const char *name)
{
    return (uint64_t)abi_number(call->arch, abi_find(name));
}

int exec_order(struct call *call, struct mailbox_order *order)
{
    struct exec *exec = call->exec;
    const struct sandbox *sandbox = call->process->sandbox;
    uint64_t strings = call->process->space->mailbox.base + KEEP_STRINGS;
    bool wide = call->arch == ABI_X86_64;
    char path[64];

    *order = (struct mailbox_order){ .command = ORDER_EXECUTE };
    switch (exec->stage) {
    case STAGE_OPEN:
        snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), exec->strings_fd);
        order->nr = exec_nr(call, "openat");
        order->arg[0] = (uint64_t)(int64_t)AT_FDCWD;
        order->arg[1] = exec_text(call, path);
        order->arg[2] = O_RDONLY | O_CLOEXEC;
        break;
    case STAGE_MAP:
        order->nr = exec_nr(call, wide ? "mmap" : "mmap2");
        memcpy(order->arg, (uint64_t[6]){ strings, exec->strings_size, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, (uint64_t)exec->opened, 0 }, sizeof order->arg);
        break;
    case STAGE_CLOSE:
        order->nr = exec_nr(call, "close");
        order->arg[0] = (uint64_t)exec->opened;
        break;
    case STAGE_EXEC:
        snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), sandbox->image_fd[exec->program->arch]);
        order->nr = exec_nr(call, "execve");
        order->arg[0] = exec_text(call, path);
        order->arg[1] = exec->argv;
        order->arg[2] = exec->envp;
        break;
    case STAGE_UNMAP:
        order->nr = exec_nr(call, "munmap");
        order->arg[0] = strings;
        order->arg[1] = exec->strings_size;
        break;
    }
    return 0;
}

/* Threads of the process share its descriptors: what the trustee has mapped must be what it was told to open. */
static bool exec_mapped(const struct call *call)
{
    uint64_t strings = call->process->space->mailbox.base + KEEP_STRINGS, start, inode;
    char line[512];
    struct stat st;
    bool ours = false;
    FILE *maps;

    snprintf(line, sizeof line, "/proc/%d/maps", call->tid);
    maps = fopen(line, "re");
    while (maps && fgets(line, sizeof line, maps))
        if (sscanf(line, "%" SCNx64 "-%*x %*s %*s %*s %" SCNu64, &start, &inode) == 2 && start == strings)
            ours = fstat(call->exec->strings_fd, &st) == 0 && st.st_ino == inode && strstr(line, "/memfd:nurse-strings");
    if (maps)
        fclose(maps);
    return ours;
}

bool exec_goes_on(struct call *call, int64_t *result)
{
    struct exec *exec = call->exec;

    if (exec->stage == STAGE_MAP && *result >= 0 && !exec_mapped(call))
        *result = -EACCES;

    switch (exec->stage) {
    case STAGE_OPEN:
        exec->opened = *result;
        break;
    case STAGE_MAP:
    case STAGE_CLOSE:
    case STAGE_UNMAP:
        break;
    case STAGE_EXEC:
        exec->result = *result;
        break;
    }
    if ((exec->stage == STAGE_EXEC && exec->strings_fd < 0) || exec->stage == STAGE_UNMAP || (exec->stage < STAGE_EXEC && *result < 0)) {
        *result = exec->stage >= STAGE_EXEC ? exec->result : *result;
        call->exec = NULL;
        call->process->exec = NULL;
        exec_free(exec);
        return false;
    }
    exec->stage++;
    return true;
}

void exec_booted(struct process *process, uint64_t id)
{
    struct exec *exec = process->exec;
    struct sandbox *sandbox = process->sandbox;
    struct program *program;

    if (!exec) {    /* an exec that the helper didn't order can't come from the trustee's page */
        kill(process->pid, SIGKILL);
        return;
    }
    program = program_share(exec->program);
    process->exec = NULL;
    if (tree_renew(process, program->arch)) {
        say("%s: no room for another process: killed", program->path);
        program_release(program);
        exec_free(exec);
        kill(process->pid, SIGKILL);
        return;
    }
    program_release(process->program);
    process->program = program;
    spawn_prepare(process, exec->mask);
    exec_free(exec);
    notify_value(sandbox, id, mailbox_windows(&process->space->mailbox));
}
