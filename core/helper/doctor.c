/*
 * doctor: the table of probes, and the two ways to read it.
 *
 * Runs in the helper process and in children that live for one probe, each under an alarm so that
 * nothing hangs. Believes what a system call answered, never a version number alone.
 * Test: t/programs/unit-doctor.c.
 */
#include "core/helper/doctor.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* Newer than the headers of Debian 12. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, uint64_t)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

enum { CHILD_SECONDS = 2, CHILD_YES = 42 };

/* ---- children ---- */

static pid_t child_start(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(CHILD_SECONDS);
    }
    return pid;
}

/* Did the child end by _exit(CHILD_YES)? */
static bool child_said_yes(pid_t pid)
{
    int status;

    if (pid < 0)
        return false;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == CHILD_YES;
}

static bool child_tries(bool (*body)(void))
{
    pid_t pid = child_start();

    if (pid == 0)
        _exit(body() ? CHILD_YES : 1);
    return child_said_yes(pid);
}

static void child_end(pid_t pid)
{
    kill(pid, SIGKILL);
    child_said_yes(pid);
}

/* ---- seccomp ---- */

/* Install a filter that allows everything; returns what seccomp() did. Only in a child: it can't be undone. */
static int filter_install(unsigned int flags)
{
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = 1, .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static bool try_filter(void)
{
    return filter_install(0) == 0;
}

static bool try_listener(void)
{
    return filter_install(SECCOMP_FILTER_FLAG_NEW_LISTENER) >= 0;
}

static bool try_killable(void)
{
    return filter_install(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) >= 0;
}

static bool try_sync_wake_up(void)
{
    int listener = filter_install(SECCOMP_FILTER_FLAG_NEW_LISTENER);

    return listener >= 0 &&
           ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) == 0;
}

static bool try_no_new_privs(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

static bool probe_no_new_privs(char *detail, size_t size)
{
    (void)detail, (void)size;
    return child_tries(try_no_new_privs);
}

static bool probe_filter(char *detail, size_t size)
{
    (void)detail, (void)size;
    return child_tries(try_filter);
}

static bool probe_listener(char *detail, size_t size)
{
    (void)detail, (void)size;
    return child_tries(try_listener);
}

static bool probe_killable(char *detail, size_t size)
{
    (void)detail, (void)size;
    return child_tries(try_killable);
}

static bool probe_sync_wake_up(char *detail, size_t size)
{
    (void)detail, (void)size;
    return child_tries(try_sync_wake_up);
}

/* ---- memfd: the windows and the stub ---- */

static int memfd_for_exec(void)
{
    int fd = memfd_create("nurse-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

    if (fd < 0 && errno == EINVAL)    /* before Linux 6.3 every memfd may be executed */
        fd = memfd_create("nurse-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd;
}

static bool probe_future_write(char *detail, size_t size)
{
    int fd = memfd_for_exec();
    bool ok = fd >= 0 && ftruncate(fd, 4096) == 0 &&
              fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) == 0;
    void *map = ok ? mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

    (void)detail, (void)size;
    if (map != MAP_FAILED) {
        munmap(map, 4096);
        ok = false;
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

/* The smallest programs that exit with CHILD_YES, one per class. */
static const struct {
    Elf64_Ehdr head;
    Elf64_Phdr load;
    uint8_t code[12];
} tiny_64 = {
    .head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
             .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
             .e_entry = 0x400000 + sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr), .e_phoff = sizeof(Elf64_Ehdr),
             .e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1},
    .load = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000,
             .p_filesz = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + 12,
             .p_memsz = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + 12, .p_align = 4096},
    /* mov $SYS_exit, %eax; mov $CHILD_YES, %edi; syscall */
    .code = {0xb8, 60, 0, 0, 0, 0xbf, CHILD_YES, 0, 0, 0, 0x0f, 0x05},
};

static const struct {
    Elf32_Ehdr head;
    Elf32_Phdr load;
    uint8_t code[12];
} tiny_32 = {
    .head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
             .e_type = ET_EXEC, .e_machine = EM_386, .e_version = EV_CURRENT,
             .e_entry = 0x8048000 + sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr), .e_phoff = sizeof(Elf32_Ehdr),
             .e_ehsize = sizeof(Elf32_Ehdr), .e_phentsize = sizeof(Elf32_Phdr), .e_phnum = 1},
    .load = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x8048000,
             .p_filesz = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr) + 12,
             .p_memsz = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr) + 12, .p_align = 4096},
    /* mov $1 (exit), %eax; mov $CHILD_YES, %ebx; int $0x80 */
    .code = {0xb8, 1, 0, 0, 0, 0xbb, CHILD_YES, 0, 0, 0, 0xcd, 0x80},
};

/* Execute an image from a sealed memfd, as a sandbox starts. */
static bool image_runs(const void *image, size_t size)
{
    static char *const nothing[] = {(char *)"nurse-doctor", NULL};
    int fd = memfd_for_exec();
    pid_t pid = -1;

    if (fd >= 0 && write(fd, image, size) == (ssize_t)size &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0) {
        pid = child_start();
        if (pid == 0) {
            syscall(SYS_execveat, fd, "", nothing, nothing, AT_EMPTY_PATH);
            _exit(1);
        }
    }
    if (fd >= 0)
        close(fd);
    return child_said_yes(pid);
}

static bool probe_memfd_exec(char *detail, size_t size)
{
    (void)detail, (void)size;
    return image_runs(&tiny_64, sizeof tiny_64);
}

static bool probe_ia32(char *detail, size_t size)
{
    (void)detail, (void)size;
    return image_runs(&tiny_32, sizeof tiny_32);
}

/* ---- another process's memory, /proc, paths ---- */

static bool probe_vm_read(char *detail, size_t size)
{
    static volatile char here = 'n';
    char copy = 0;
    struct iovec to = {.iov_base = &copy, .iov_len = 1}, from = {.iov_base = (void *)&here, .iov_len = 1};
    pid_t pid = child_start();
    bool ok;

    (void)detail, (void)size;
    if (pid == 0) {
        pause();
        _exit(1);
    }
    if (pid < 0)
        return false;
    ok = process_vm_readv(pid, &to, 1, &from, 1, 0) == 1 && copy == 'n';
    child_end(pid);
    return ok;
}

/* Write a page that the child itself can't write, as a redirected call site is. */
static bool probe_mem_write(char *detail, size_t size)
{
    static const char text[] = "text";
    char path[64];
    pid_t pid = child_start();
    bool ok;
    int fd;

    (void)detail, (void)size;
    if (pid == 0) {
        pause();
        _exit(1);
    }
    if (pid < 0)
        return false;
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    fd = open(path, O_RDWR | O_CLOEXEC);
    ok = fd >= 0 && pwrite(fd, "T", 1, (off_t)(uintptr_t)text) == 1;
    if (fd >= 0)
        close(fd);
    child_end(pid);
    return ok;
}

static bool probe_proc(char *detail, size_t size)
{
    struct statfs fs;
    char self[32] = "", pid[32];

    snprintf(pid, sizeof pid, "%d", (int)getpid());
    if (statfs("/proc", &fs) != 0 || fs.f_type != PROC_SUPER_MAGIC) {
        snprintf(detail, size, "/proc is no proc file system");
        return false;
    }
    if (readlink("/proc/self", self, sizeof self - 1) < 0 || strcmp(self, pid) != 0) {
        snprintf(detail, size, "/proc belongs to another pid namespace");
        return false;
    }
    return true;
}

static bool probe_openat2(char *detail, size_t size)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof how);

    (void)detail, (void)size;
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool probe_mm_map(char *detail, size_t size)
{
    unsigned int bytes = 0;

    (void)detail, (void)size;
    return prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &bytes, 0, 0) == 0 && bytes != 0;
}

/* ---- the machine ---- */

static bool probe_kernel(char *detail, size_t size)
{
    struct utsname uts;
    int major = 0, minor = 0;

    if (uname(&uts) != 0)
        return false;
    snprintf(detail, size, "%s %s", uts.release, uts.machine);
    return sscanf(uts.release, "%d.%d", &major, &minor) == 2 && (major > 5 || (major == 5 && minor >= 19)) &&
           strcmp(uts.machine, "x86_64") == 0;
}

static bool probe_cpus(char *detail, size_t size)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return false;
    snprintf(detail, size, "%d", CPU_COUNT(&set));
    return CPU_COUNT(&set) > 1;
}

const struct doctor_probe doctor_probes[] = {
    {"kernel", DOCTOR_REQUIRED, probe_kernel,
     "Linux 5.19 or newer on x86_64", "boot a newer kernel"},
    {"proc", DOCTOR_REQUIRED, probe_proc,
     "paths are pinned, and descriptors and programs named, through /proc", "mount -t proc proc /proc"},
    {"no_new_privs", DOCTOR_REQUIRED, probe_no_new_privs,
     "an ordinary user may install filters", "ask whoever runs the container to allow prctl"},
    {"seccomp filter", DOCTOR_REQUIRED, probe_filter,
     "the kernel enforces the routes", "a kernel with CONFIG_SECCOMP_FILTER, a container that allows seccomp()"},
    {"user notification", DOCTOR_REQUIRED, probe_listener,
     "calls that miss the gate reach the helper", "run nurse outside of another program's seccomp notification"},
    {"killable wait", DOCTOR_REQUIRED, probe_killable,
     "a signal doesn't tear a call away while it is judged", "Linux 5.19 or newer"},
    {"synchronous wake-up", DOCTOR_OPTIONAL, probe_sync_wake_up,
     "faster notifications", "Linux 6.6 or newer"},
    {"sealed windows", DOCTOR_REQUIRED, probe_future_write,
     "the program can't write the order window (F_SEAL_FUTURE_WRITE)", "Linux 5.1 or newer"},
    {"executable memfd", DOCTOR_REQUIRED, probe_memfd_exec,
     "the stub starts from memory", "sysctl vm.memfd_noexec=0 (or 1)"},
    {"32-bit programs", DOCTOR_OPTIONAL, probe_ia32,
     "i386 programs run", "a kernel with CONFIG_IA32_EMULATION, booted without ia32_emulation=off"},
    {"openat2", DOCTOR_REQUIRED, probe_openat2,
     "paths resolve without following links", "Linux 5.6 or newer, a container that allows openat2()"},
    {"process_vm_readv", DOCTOR_REQUIRED, probe_vm_read,
     "the helper reads arguments", "sysctl kernel.yama.ptrace_scope=1 (or 0)"},
    {"forced memory write", DOCTOR_OPTIONAL, probe_mem_write,
     "calls in program text are redirected to the gate; otherwise each is a notification",
     "boot without proc_mem.force_override=never"},
    {"PR_SET_MM_MAP", DOCTOR_OPTIONAL, probe_mm_map,
     "ps shows the program's arguments", "a kernel with CONFIG_CHECKPOINT_RESTORE"},
    {"two CPUs", DOCTOR_OPTIONAL, probe_cpus,
     "the helper answers while the program spins; with one, each call is a switch", "allow nurse another CPU"},
};

const size_t doctor_probes_count = sizeof doctor_probes / sizeof doctor_probes[0];

int doctor_report(const struct doctor_probe *probes, size_t count, FILE *out)
{
    int missing = 0;

    for (size_t i = 0; i < count; i++) {
        const struct doctor_probe *probe = &probes[i];
        char detail[128] = "";
        bool ok = probe->probe(detail, sizeof detail);
        const char *word = ok ? "ok" : probe->need == DOCTOR_OPTIONAL ? "optional" : "missing";

        fprintf(out, "%-9s %s%s%s: %s\n", word, probe->name, *detail ? " " : "", detail, probe->purpose);
        if (!ok)
            fprintf(out, "%-9s remedy: %s\n", "", probe->remedy);
        missing += !ok && probe->need == DOCTOR_REQUIRED;
    }
    return missing;
}

const struct doctor_probe *doctor_required(const struct doctor_probe *probes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char detail[128] = "";

        if (probes[i].need == DOCTOR_REQUIRED && !probes[i].probe(detail, sizeof detail))
            return &probes[i];
    }
    return NULL;
}
