/*
 * spawn: see spawn.h. Whom it believes: its own child until the stub reports REPORT_LOCKED, because until then no byte of the program has been
 * looked at; afterwards nobody. Test: t/30-live-start.t, t/32-live-badinput.t.
 */
#include "core/helper/spawn.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/helper/call_private.h"
#include "core/helper/memory.h"
#include "core/helper/tree.h"
#include "core/route/filter.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* build/gen/stubs.S */
extern const uint8_t stub_x86_64[], stub_x86_64_end[], stub_i386[], stub_i386_end[];

enum { PAGE = 4096 };

static uint64_t draw(uint64_t pages)
{
    uint64_t r = 0;

    if (getrandom(&r, sizeof r, 0) != sizeof r)
        r = (uint64_t)getpid();
    return r % pages * PAGE;
}

/* The keep lies where nothing else wants to be: on x86_64 away from Go's arenas and the sanitizers' fixed shadows, on i386 between a
 * fixed program with its heap and a position-independent one. */
static void spawn_draw(struct sandbox *sandbox)
{
    sandbox->base[ABI_X86_64] = 0x400000000000 + draw(0x0fff00000000 / PAGE);
    sandbox->base[ABI_I386] = 0x48000000 + draw(0x08000000 / PAGE);
}

static bool spawn_hides_vdso(const struct sandbox *sandbox, enum abi_arch arch)
{
    static const char *const calls[] = { "clock_gettime", "clock_gettime64", "gettimeofday", "time", "getcpu", "clock_getres", "clock_getres_time64",
                                         "getrandom" };

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const struct abi_call *row = abi_find(calls[i]);
        int nr = row ? abi_number(arch, row) : -1;

        if (nr >= 0 && sandbox->routes.entry[arch][nr].route != ROUTE_NATIVE)
            return true;
    }
    return false;
}

/* The gate's bitmap. In strict mode the thread has but four calls of its own. */
static void spawn_routes(struct process *process)
{
    static const char *const own[] = { "read", "write", "exit", "sigreturn" };
    struct board *board = process->space->mailbox.board;
    uint32_t *routes = board->routes;

    for (uint32_t nr = 0; nr < MAILBOX_ROUTES; nr++)
        if (process->strict || process->sandbox->routes.entry[process->arch][nr].route == ROUTE_MAILBOX)
            routes[nr / 32] |= 1u << nr % 32;
    for (uint32_t nr = 0; nr < MAILBOX_ROUTES; nr++)
        if (route_repeats(&process->sandbox->routes.entry[process->arch][nr]))
            board->repeats[nr / 32] |= 1u << nr % 32;
    for (size_t i = 0; process->strict && i < sizeof own / sizeof *own; i++) {
        uint32_t nr = (uint32_t)abi_number(process->arch, abi_find(own[i]));

        routes[nr / 32] &= ~(1u << nr % 32);
    }
}

/* Without what procfs says of a file that has no name any more. */
static int spawn_name_length(const char *name)
{
    const char *deleted = strstr(name, " (deleted)");

    return (int)(deleted && !deleted[10] ? deleted - name : (ptrdiff_t)strlen(name));
}

void spawn_prepare(struct process *process, uint64_t mask)
{
    const struct sandbox *sandbox = process->sandbox;
    const struct program *program = process->program;
    const char *path = program->by_descriptor ? program->exe : program->path, *name = strrchr(path, '/');
    bool wide = process->arch == ABI_X86_64;
    struct board *board = process->space->mailbox.board;
    struct start *start = &board->start;

    space_trampolines(process->sandbox, process->space, NULL);
    memset(start, 0, sizeof *start);
    start->pie_base = wide ? 0x555555554000 + draw(1 << 28) : 0x56555000 + draw(1 << 8);
    start->brk_gap = draw(wide ? 0x2000 : 0x800);
    start->mask = mask;
    start->trampolines = process->space->trampolines ? process->space->trampolines->offset : NO_TRAMPOLINES;
    start->sysinfo_gate = process->strict || sandbox->options->gate != GATE_OFF;
    start->hide_vdso = process->strict || spawn_hides_vdso(sandbox, process->arch);    /* strict: rdtsc faults */
    snprintf(start->comm, sizeof start->comm, "%.*s", spawn_name_length(name ? name + 1 : path), name ? name + 1 : path);
    snprintf(start->execfn, sizeof start->execfn, "%s", program->path);
    snprintf(start->binary, sizeof start->binary, "%s", program->binary);
    board->strict = process->strict;
    if (!process->strict)
        spawn_routes(process);
    slot_take(process->space, process, false)->coming = true;    /* slot 0, whose trustee the stub starts */
    mailbox_guard(&process->space->mailbox, 0);
}

/* Move the stub to its base: program headers and entry are all that knows an address. */
static void spawn_relocate(uint8_t *image, uint64_t base)
{
    if (image[EI_CLASS] == ELFCLASS64) {
        Elf64_Ehdr *header = (void *)image;
        Elf64_Phdr *segment = (void *)(image + header->e_phoff);

        header->e_entry += base;
        for (int i = 0; i < header->e_phnum; i++)
            if (segment[i].p_type == PT_LOAD)
                segment[i].p_vaddr = segment[i].p_paddr = segment[i].p_vaddr + base;
    } else {
        Elf32_Ehdr *header = (void *)image;
        Elf32_Phdr *segment = (void *)(image + header->e_phoff);

        header->e_entry += (uint32_t)base;
        for (int i = 0; i < header->e_phnum; i++)
            if (segment[i].p_type == PT_LOAD)
                segment[i].p_vaddr = segment[i].p_paddr = segment[i].p_vaddr + (uint32_t)base;
    }
}

/* Where the loadable segment starts in the file: there lies struct stub_config. */
static size_t spawn_config_offset(const uint8_t *image)
{
    if (image[EI_CLASS] == ELFCLASS64)
        return ((const Elf64_Phdr *)(image + ((const Elf64_Ehdr *)image)->e_phoff))->p_offset;
    return ((const Elf32_Phdr *)(image + ((const Elf32_Ehdr *)image)->e_phoff))->p_offset;
}

static void spawn_configure(const struct sandbox *sandbox, enum abi_arch arch, uint32_t windows, struct stub_config *config)
{
    config->base = sandbox->base[arch];
    config->helper = (uint32_t)getpid();
    config->strict = sandbox->options->mode == SECCOMP_STRICT;
    config->windows = windows;
    config->gate_fd = sandbox->gate_fd;
}

/* `windows`: of the only process of a strict sandbox, which can ask nobody. */
static int spawn_make_image(const struct sandbox *sandbox, enum abi_arch arch, uint32_t windows)
{
    const uint8_t *stub = arch == ABI_X86_64 ? stub_x86_64 : stub_i386;
    size_t size = (size_t)((arch == ABI_X86_64 ? stub_x86_64_end : stub_i386_end) - stub);
    int fd = memfd_create("nurse-stub", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    uint8_t *image;

    if (fd < 0)
        return -errno;
    image = ftruncate(fd, (off_t)size) ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (image == MAP_FAILED) {
        close(fd);
        return -ENOMEM;
    }
    memcpy(image, stub, size);
    spawn_configure(sandbox, arch, windows, (void *)(image + spawn_config_offset(image)));
    spawn_relocate(image, sandbox->base[arch]);
    munmap(image, size);
    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    return fd;
}

int spawn_image(struct sandbox *sandbox, enum abi_arch arch)
{
    if (sandbox->image_fd[arch] < 0)
        sandbox->image_fd[arch] = spawn_make_image(sandbox, arch, 0);
    return sandbox->image_fd[arch];
}

/* What parent and child tell each other in the moment when neither can use descriptors or signals. */
struct handshake {
    int listener;       /* the child's: its number is also valid in the helper, the table is shared until exec; 0: not yet; HANDSHAKE_STRICT: none */
    int error;          /* of the exec */
};

enum { HANDSHAKE_STRICT = INT_MAX };

static _Noreturn void spawn_child(const struct sandbox *sandbox, pid_t helper, const struct bpf *filter, int count, const sigset_t *mask,
                                  struct handshake *handshake)
{
    struct sock_fprog program = { .len = (unsigned short)count, .filter = (struct sock_filter *)filter->code };
    long listener;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != helper)
        _exit(EXIT_NURSE);
    sigprocmask(SIG_SETMASK, mask, NULL);
    setrlimit(RLIMIT_NOFILE, &sandbox->limit);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    listener = sandbox->options->mode == SECCOMP_STRICT ? HANDSHAKE_STRICT : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
    __atomic_store_n(&handshake->listener, listener < 0 ? -errno : (int)listener, __ATOMIC_RELEASE);
    if (listener < 0)
        syscall(SYS_exit_group, EXIT_NURSE);
    syscall(SYS_execveat, sandbox->image_fd[sandbox->program->arch], "", sandbox->program->argv, environ, AT_EMPTY_PATH);
    handshake->error = errno;
    syscall(SYS_exit_group, EXIT_NURSE);
    __builtin_unreachable();
}

/* Wait for the child's listener; it comes within microseconds, or the child is dead. */
static int spawn_listener(struct sandbox *sandbox, struct handshake *handshake)
{
    while (!__atomic_load_n(&handshake->listener, __ATOMIC_ACQUIRE)) {
        siginfo_t info = { 0 };

        if (waitid(P_PID, (id_t)sandbox->first, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
            return -ECHILD;
        usleep(50);
    }
    return handshake->listener == HANDSHAKE_STRICT ? -1 : handshake->listener;
}

static int spawn_fork(struct sandbox *sandbox, const struct bpf *filter, int count)
{
    struct handshake *handshake = mmap(NULL, sizeof *handshake, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sigset_t ours, before;
    pid_t helper = getpid();
    long pid;

    if (handshake == MAP_FAILED)
        return -ENOMEM;
    /* What a terminal sends to both is the program's business; what is sent to the helper alone is passed on. */
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGQUIT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGHUP);
    sigaddset(&ours, SIGTSTP);
    sigaddset(&ours, SIGTTIN);
    sigaddset(&ours, SIGTTOU);
    sigaddset(&ours, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ours, &before);
    pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        spawn_child(sandbox, helper, filter, count, &before, handshake);
    sandbox->first = (pid_t)pid;
    sandbox->listener = pid < 0 ? -errno : spawn_listener(sandbox, handshake);
    munmap(handshake, sizeof *handshake);
    return sandbox->listener < 0 && sandbox->options->mode != SECCOMP_STRICT ? sandbox->listener : 0;
}

/* strict: how both sides wake each other: with a byte of the trustee's own order window down a socket. */
static int spawn_bell(struct process *process)
{
    enum { HIGH = 1000 };    /* out of the way of the program's own */
    struct mailbox *mailbox = &process->space->mailbox;
    struct order *order = mailbox->orders;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
        return -errno;
    mailbox->bell = pair[0];
    process->bell_fd = fcntl(pair[1], F_DUPFD, HIGH);
    close(pair[1]);
    if (process->bell_fd < 0 || fcntl(process->bell_fd, F_SETFL, 0))    /* the gate's read waits; the helper's end does not */
        return -errno;
    order->strict = 1;
    order->bell = process->bell_fd;
    order->ring_nr = (uint64_t)abi_number(process->arch, abi_find("write"));
    order->ring_arg[0] = (uint64_t)process->bell_fd;
    order->ring_arg[1] = mailbox_order_at(mailbox, 0);
    order->ring_arg[2] = 1;
    return 0;
}

/* The first process, as far as it can be thought of before it exists. Returns 0 or -errno. */
static int spawn_first(struct sandbox *sandbox, struct process *process)
{
    int error = space_new(sandbox, process->arch, &process->space);
    sigset_t mask;
    uint64_t bits;

    if (error)
        return error;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    memcpy(&bits, &mask, sizeof bits);
    spawn_prepare(process, bits);
    if (!process->strict)
        return spawn_image(sandbox, process->arch);
    error = spawn_bell(process);
    return error ? error : (sandbox->image_fd[process->arch] = spawn_make_image(sandbox, process->arch, mailbox_windows(&process->space->mailbox)));
}

static int spawn_process(struct sandbox *sandbox)
{
    struct bpf *filter = mmap(NULL, sizeof *filter, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct process draft = { .sandbox = sandbox, .arch = sandbox->program->arch, .program = sandbox->program, .bell_fd = -1,
                             .strict = sandbox->options->mode == SECCOMP_STRICT };
    struct process *process;
    int count = 0, error = filter == MAP_FAILED ? -ENOMEM : spawn_first(sandbox, &draft);

    if (error >= 0)
        error = count = filter_base(filter, &sandbox->routes, sandbox->base);
    if (error >= 0)
        error = spawn_fork(sandbox, filter, count);
    if (filter != MAP_FAILED)
        munmap(filter, sizeof *filter);
    if (error < 0)
        return error;
    process = tree_add(sandbox, sandbox->first, NULL, draft.arch);
    process->space = draft.space;
    process->space->slot[0].process = process;
    process->space->slot[0].thread = tree_thread(sandbox, process->pid);
    process->space->slot[0].thread->slot = &process->space->slot[0];
    process->program = program_share(draft.program);
    process->strict = draft.strict;
    process->bell_fd = draft.bell_fd;
    if (process->strict)
        slot_watch(&process->space->slot[0]);    /* its stub reports by the window */
    return 0;
}

int spawn_start(struct sandbox *sandbox)
{
    int error;

    if (sandbox->options->mode == SECCOMP_STRICT && sandbox->program->arch != ABI_I386) {
        say("%s: --seccomp=strict is for 32-bit programs: only the i386 gate can wait with read and write alone", sandbox->program->path);
        return -ENOTSUP;
    }
    spawn_draw(sandbox);
    route_compute(&sandbox->routes, sandbox->judge);
    error = spawn_process(sandbox);
    if (error < 0 && error != -ECHILD)
        say("the sandbox can't be started: %s", strerror(-error));
    return error < 0 ? error : 0;
}

/* Leave a filter where the stub can install it from: in its order window. Returns its length or -errno. */
static int spawn_leave(struct process *process, const struct bpf *filter, int count)
{
    struct order *order = process->space->mailbox.orders;

    if (count > 0 && (size_t)count * sizeof *filter->code > sizeof order->bytes)
        return -E2BIG;
    if (count > 0)
        memcpy(order->bytes, filter->code, (size_t)count * sizeof *filter->code);
    return count;
}

/* What the stub calls from its lock-down to the program's start. */
static const char *const load_calls[] = { "mmap", "mmap2", "mprotect", "munmap", "close", "read", "pread64", "statx", "faccessat2", "prctl", "exit_group" };

/* Whether the policy's denials leave the loader what it needs: then they can be installed before it, together with the keystone. */
static bool spawn_loads_under_policy(const struct process *process)
{
    for (size_t i = 0; i < sizeof load_calls / sizeof *load_calls; i++) {
        int nr = abi_number(process->arch, abi_find(load_calls[i]));

        if (nr >= 0 && process->sandbox->routes.entry[process->arch][nr].route == ROUTE_DENIED)
            return false;
    }
    return process->sandbox->routes.entry[process->arch][abi_number(process->arch, abi_find("openat"))].route != ROUTE_DENIED;
}

static int spawn_filter(struct process *process, enum report report)
{
    static struct bpf filter;
    struct sandbox *sandbox = process->sandbox;
    uint64_t base = sandbox->base[process->arch];
    bool together = spawn_loads_under_policy(process);
    int count;

    if (process->strict || (report == REPORT_LOADED && together))
        count = 0;
    else if (report == REPORT_LOADED)
        count = filter_policy(&filter, &sandbox->routes, process->arch, base);
    else
        count = (together ? filter_born : filter_keystone)(&filter, &sandbox->routes, process->arch, base, &process->space->keystone);
    return spawn_leave(process, &filter, count);
}

static int spawn_booted(struct process *process, uint64_t trampolines, pid_t trustee)
{
    struct space *space = process->space;
    struct slot *slot = &space->slot[0];

    space->trampolines_at = trampolines;
    space->keystone.range[1].start = trampolines;
    space->keystone.range[1].end = trampolines ? trampolines + GATE_SPAN : 0;
    slot->trustee = trustee;
    slot->coming = false;
    process->trustees = 1;
    if (process->strict)
        close(process->bell_fd);    /* ours; the program's, of the same number, stays */
    return spawn_filter(process, REPORT_BOOTED);
}

/* The loader gave up: say why, and let nothing of the process live. */
static void spawn_failed(struct process *process, int error)
{
    const struct program *program = process->program;

    if (process->phase == PHASE_BOOT)
        say("%s: the sandbox can't be set up: %s", program->path, strerror(error));
    else if (error == ENOEXEC)
        say("%s: not an executable this kernel can run", program->binary);
    else if (error == ENOTSUP)
        say("%s: strict mode is for dynamic programs: this one sets up its thread only after its first instruction", program->binary);
    else if (error == ENOENT)
        say("%s: its interpreter does not exist", program->binary);
    else
        say("%s: can't be loaded: %s", program->binary, strerror(error));
    if (process->pid == process->sandbox->first)
        process->sandbox->said = process->phase == PHASE_BOOT ? EXIT_NURSE : EXIT_CANNOT_RUN;
    kill(process->pid, SIGKILL);
}

static void spawn_reply(struct process *process, uint64_t id, int64_t value)
{
    if (id)
        notify_value(process->sandbox, id, value);
    else
        mailbox_answer(&process->space->mailbox, 0, ANSWER_VALUE, value);
}

static void spawn_started(struct process *process)
{
    const struct judge *judge = process->sandbox->judge;

    judge->event(judge->self, &(struct judge_event){
        .name = process->started || process->pid != process->sandbox->first ? "exec" : "start", .pid = process->pid,
        .parent = process->parent ? process->parent->pid : 0, .exe = process->program->exe, .status = -1 });
    process->started = true;
}

void spawn_report(struct process *process, uint64_t id, const uint64_t args[6])
{
    if (process->phase == PHASE_RUN) {
        spawn_reply(process, id, -ENOSYS);
        return;
    }
    switch ((enum report)args[0]) {
    case REPORT_BOOTED:
        spawn_reply(process, id, process->phase == PHASE_BOOT ? spawn_booted(process, args[1], (pid_t)args[2]) : -ENOSYS);
        break;
    case REPORT_LOCKED:
        process->phase = PHASE_LOAD;
        spawn_reply(process, id, 0);
        break;
    case REPORT_LOADED:
        process->entry = args[1];
        spawn_reply(process, id, spawn_filter(process, REPORT_LOADED));
        break;
    case REPORT_START:
        process->phase = process->strict ? PHASE_LOAD : PHASE_RUN;    /* strict: the libraries come before the program */
        if (!process->strict)
            spawn_started(process);
        spawn_reply(process, id, 0);
        break;
    case REPORT_STRICT:
        process->phase = PHASE_RUN;
        spawn_routes(process);
        spawn_started(process);
        spawn_reply(process, id, (int64_t)process->entry);
        break;
    case REPORT_FAILED:
        spawn_failed(process, (int)args[1]);
        break;
    default:
        spawn_reply(process, id, -ENOSYS);
        break;
    }
}

/* The loader opens two files: the program, which was examined before anything started, and the interpreter it names, which must be one that
 * the kernel would run. Returns a descriptor or -errno. */
static int spawn_open(struct process *process, uint64_t addr)
{
    char path[PATH_MAX], cwd[64];
    struct stat st;
    struct statvfs fs;
    ssize_t length;
    int fd, dir;

    if (!process->opened) {
        process->opened = true;
        fd = dup(process->program->fd);
        return fd < 0 ? -errno : fd;
    }
    if (process->program->interpreter > 0) {    /* exec has found it, where the policy's root had it looked for */
        fd = process->program->interpreter;
        process->program->interpreter = 0;
        return fd;
    }
    length = memory_string(process->pid, addr, path, sizeof path);
    if (length < 0)
        return (int)length;
    snprintf(cwd, sizeof cwd, "/proc/%d/cwd", process->pid);
    dir = path[0] == '/' ? AT_FDCWD : open(cwd, O_PATH | O_CLOEXEC);
    fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (dir >= 0)
        close(dir);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || fstatvfs(fd, &fs) || (fs.f_flag & ST_NOEXEC) || access(path, X_OK)) {
        close(fd);
        return -EACCES;
    }
    return fd;
}

void spawn_load_call(struct process *process, uint64_t id, enum abi_arch arch, uint64_t nr, const uint64_t args[6])
{
    const struct abi_call *row = route_entry(&process->sandbox->routes, arch, nr)->row;
    int fd;

    if (row && strcmp(row->name, "openat") == 0) {
        fd = spawn_open(process, args[1]);
        if (fd < 0)
            notify_value(process->sandbox, id, fd);
        else
            notify_descriptor(process->sandbox, id, fd, true);
        return;
    }
    for (size_t i = 0; row && i < sizeof load_calls / sizeof *load_calls; i++)
        if (strcmp(row->name, load_calls[i]) == 0) {
            notify_continue(process->sandbox, id);
            return;
        }
    if (row && strcmp(row->name, "seccomp") == 0)    /* the policy's filter */
        notify_continue(process->sandbox, id);
    else
        notify_value(process->sandbox, id, -EPERM);
}
