/*
 * window-writer: a hostile program that knows where nurse's stub, windows and gate lie and tries to change them.
 *
 * Runs in the sandbox under a policy that allows everything, so that only the keystone rules stand in its way.
 *   window-writer           finds nurse's mappings in /proc/self/maps (or by probing) and attacks every page of them
 *   window-writer --own     attacks ordinary pages of its own: natively every attempt must succeed, else the test is blind
 * One line per attempt and area: "attempt NAME AREA: refused (ERRNO)", "... absent (ENOSYS)" or "... BREACH".
 * The last line is "done". Proof and expectations: t/50-attack-window.t.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL    /* Linux 6.13; of files since 6.15. Debian 12's headers are older */
#define MADV_GUARD_INSTALL 102
#endif

enum { PAGE = 4096 };

/* What is attacked: one page, and the file behind it as far as somebody knows. */
struct target {
    char *page;
    bool writable;            /* the request window: writing it is what it is for */
    const char *object;       /* the memfd's name */
};

static int self_fd = -1;      /* --own: the memfd behind the page */
static sigjmp_buf recover;

static void on_fault(int sig)
{
    siglongjmp(recover, sig);
}

/* Each attempt returns 0 when it got through, or an errno. */

static int fails(long result)
{
    return result == -1 ? errno : 0;
}

static int fails_pointer(const void *result)
{
    return result == MAP_FAILED ? errno : 0;
}

static int try_write(const struct target *t)
{
    volatile char *byte = t->page + 8;
    *byte = (char)~*byte;
    return 0;
}

static int try_mprotect(const struct target *t)
{
    return fails(mprotect(t->page, PAGE, PROT_READ | PROT_WRITE));
}

static int try_mprotect_none(const struct target *t)
{
    return fails(mprotect(t->page, PAGE, PROT_NONE));
}

/* From the page before (whatever is there) into the target: a check of the first address alone would not see it. */
static int try_mprotect_across(const struct target *t)
{
    int error = fails(mprotect(t->page - PAGE, 2 * PAGE, PROT_READ | PROT_WRITE));
    if (error == ENOMEM)        /* nothing was mapped before it; the kernel stops there */
        error = fails(mprotect(t->page, 2 * PAGE, PROT_READ | PROT_WRITE));
    return error;
}

static int try_pkey_mprotect(const struct target *t)
{
    return fails(syscall(SYS_pkey_mprotect, t->page, PAGE, PROT_READ | PROT_WRITE, -1));
}

static int try_mmap_fixed(const struct target *t)
{
    return fails_pointer(mmap(t->page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

static int try_mmap_across(const struct target *t)
{
    return fails_pointer(mmap(t->page - PAGE, 2 * PAGE, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

/* The kernel rounds the length up to whole pages. */
static int try_mmap_odd_length(const struct target *t)
{
    return fails_pointer(mmap(t->page - PAGE, PAGE + 1, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

#ifdef SYS_mmap2
/* The old call of i386: its six arguments lie in memory. */
static int try_old_mmap(const struct target *t)
{
    uint32_t args[6] = { (uint32_t)(uintptr_t)t->page, PAGE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint32_t)-1, 0 };
    return fails(syscall(SYS_mmap, args));
}
#endif

static int try_munmap(const struct target *t)
{
    return fails(munmap(t->page, PAGE));
}

static int try_munmap_across(const struct target *t)
{
    return fails(munmap(t->page - PAGE, 2 * PAGE));
}

static int try_mremap_away(const struct target *t)
{
    return fails_pointer(mremap(t->page, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
}

static char *spare(int prot)
{
    return mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int try_mremap_fixed_away(const struct target *t)
{
    return fails_pointer(mremap(t->page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, spare(PROT_READ)));
}

static int try_mremap_onto(const struct target *t)
{
    return fails_pointer(mremap(spare(PROT_READ | PROT_WRITE), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, t->page));
}

/* Old length 0 makes a second mapping of a shared object; made writable, it would be a way in. */
static int try_mremap_duplicate(const struct target *t)
{
    char *copy = mremap(t->page, 0, PAGE, MREMAP_MAYMOVE);
    if (copy == MAP_FAILED)
        return errno;
    return fails(mprotect(copy, PAGE, PROT_READ | PROT_WRITE));
}

/* Leaves the mapping in place and takes its pages away. */
static int try_mremap_dontunmap(const struct target *t)
{
    return fails_pointer(mremap(t->page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));
}

static int try_madvise_dontneed(const struct target *t)
{
    return fails(madvise(t->page, PAGE, MADV_DONTNEED));
}

static int try_madvise_remove(const struct target *t)
{
    return fails(madvise(t->page, PAGE, MADV_REMOVE));
}

/* The page is there and kills who touches it. An older kernel doesn't know the word. */
static int try_madvise_guard(const struct target *t)
{
    int error = fails(madvise(t->page, PAGE, MADV_GUARD_INSTALL));
    return error == EINVAL ? ENOSYS : error;
}

static int try_process_madvise(const struct target *t)
{
    struct iovec range = { t->page, PAGE };
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self == -1)
        return errno;
    long result = syscall(SYS_process_madvise, self, &range, 1, MADV_PAGEOUT, 0);
    int error = fails(result);
    close(self);
    return error;
}

static int try_remap_file_pages(const struct target *t)
{
    return fails(syscall(SYS_remap_file_pages, t->page, PAGE, 0, 1, 0));
}

static int try_shmat(const struct target *t)
{
    int id = shmget(IPC_PRIVATE, PAGE, 0600 | IPC_CREAT);
    if (id == -1)
        return errno;
    int error = fails_pointer(shmat(id, t->page, SHM_REMAP));
    shmctl(id, IPC_RMID, NULL);
    return error;
}

/* Let the heap grow over the page. Natively it stops at the next mapping, and grows where nothing is. */
static int try_brk(const struct target *t)
{
    char *want = t->page + PAGE;
    return (char *)syscall(SYS_brk, want) == want ? 0 : ENOMEM;
}

static int try_process_vm_writev(const struct target *t)
{
    char byte = 'x';
    struct iovec from = { &byte, 1 }, to = { t->page + 8, 1 };
    return fails(process_vm_writev(getpid(), &from, 1, &to, 1, 0));
}

/* A read(2) into the page: the kernel writes for us. */
static int try_read_into(const struct target *t)
{
    int zero = open("/dev/zero", O_RDONLY);
    if (zero == -1)
        return errno;
    int error = fails(read(zero, t->page + 8, 1));
    close(zero);
    return error;
}

static int try_userfaultfd(const struct target *t)
{
    struct uffdio_api api = { .api = UFFD_API };
    struct uffdio_register range = { .range = { (uintptr_t)t->page, PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
    int fd = (int)syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    int error = fails(ioctl(fd, UFFDIO_API, &api));
    if (!error)
        error = fails(ioctl(fd, UFFDIO_REGISTER, &range));
    close(fd);
    return error;
}

/* ---- procfs mem, in many spellings: it writes behind page protections ---- */

static int write_mem_fd(int fd, const struct target *t)
{
    char byte = 'x';
    if (fd == -1)
        return errno;
    int error = fails(pwrite64(fd, &byte, 1, (off64_t)(uintptr_t)(t->page + 8)));
    close(fd);
    return error;
}

static int write_mem(const char *path, const struct target *t)
{
    return write_mem_fd(open(path, O_RDWR), t);
}

static int try_mem_self(const struct target *t) { return write_mem("/proc/self/mem", t); }
static int try_mem_thread(const struct target *t) { return write_mem("/proc/thread-self/mem", t); }
static int try_mem_dots(const struct target *t) { return write_mem("/proc/./self/task/../../self/mem", t); }

static int try_mem_pid(const struct target *t)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)getpid());
    return write_mem(path, t);
}

static int try_mem_task(const struct target *t)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/mem", (int)getpid());
    return write_mem(path, t);
}

static int try_mem_dirfd(const struct target *t)
{
    int dir = open("/proc/self", O_PATH | O_DIRECTORY);
    if (dir == -1)
        return errno;
    int error = write_mem_fd(openat(dir, "mem", O_RDWR), t);
    close(dir);
    return error;
}

static int try_mem_chdir(const struct target *t)
{
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here) || chdir("/proc/self") != 0)
        return errno;
    int error = write_mem("mem", t);
    return chdir(here) == 0 ? error : errno;
}

static int try_mem_symlink(const struct target *t)
{
    char link[64];
    snprintf(link, sizeof link, "/tmp/window-writer-%d", (int)getpid());
    if (symlink("/proc/self/mem", link) != 0)
        return errno;
    int error = write_mem(link, t);
    unlink(link);
    return error;
}

/* Opened for looking only, then once more through the magic link. */
static int try_mem_reopen(const struct target *t)
{
    char path[64];
    int fd = open("/proc/self/mem", O_PATH);
    if (fd == -1)
        return errno;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int error = write_mem(path, t);
    close(fd);
    return error;
}

static int try_mem_openat2(const struct target *t)
{
    uint64_t how[3] = { O_RDWR };
    return write_mem_fd((int)syscall(SYS_openat2, AT_FDCWD, "/proc/self/mem", how, sizeof how), t);
}

/* ---- the files behind the windows ---- */

/* Open for writing whatever in `dir` leads to the object. ENOENT: nothing there does. */
static int write_links(const char *dir, const char *object)
{
    char path[PATH_MAX], to[256];
    int error = ENOENT;
    DIR *list = opendir(dir);
    if (!list)
        return errno;
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        ssize_t length = readlink(path, to, sizeof to - 1);
        if (length <= 0)
            continue;
        to[length] = 0;
        if (!strstr(to, object))
            continue;
        int fd = open(path, O_RDWR);
        error = fd == -1 ? errno : fails(pwrite(fd, "x", 1, 8));
        if (fd != -1)
            close(fd);
        if (!error)
            break;
    }
    closedir(list);
    return error;
}

static int try_own_fds(const struct target *t) { return write_links("/proc/self/fd", t->object); }
static int try_map_files(const struct target *t) { return write_links("/proc/self/map_files", t->object); }

/* The helper is our parent, and it holds the windows. */
static pid_t holder(void)
{
    return self_fd == -1 ? getppid() : getpid();
}

static int try_helper_fds(const struct target *t)
{
    char dir[64];
    snprintf(dir, sizeof dir, "/proc/%d/fd", (int)holder());
    return write_links(dir, t->object);
}

static int try_helper_map_files(const struct target *t)
{
    char dir[64];
    snprintf(dir, sizeof dir, "/proc/%d/map_files", (int)holder());
    return write_links(dir, t->object);
}

static int try_helper_mem(const struct target *t)
{
    char path[64];
    (void)t;
    snprintf(path, sizeof path, "/proc/%d/mem", (int)holder());
    int fd = open(path, O_RDWR);
    if (fd == -1)
        return errno;
    close(fd);
    return 0;
}

static int try_pidfd_getfd(const struct target *t)
{
    int pidfd = (int)syscall(SYS_pidfd_open, holder(), 0), error = ENOENT;
    char path[64], to[256];
    if (pidfd == -1)
        return errno;
    for (int n = 0; n < 1024 && error; n++) {
        int fd = (int)syscall(SYS_pidfd_getfd, pidfd, n, 0);
        if (fd == -1) {
            if (errno != EBADF)
                error = errno;
            continue;
        }
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, to, sizeof to - 1);
        to[length > 0 ? length : 0] = 0;
        if (strstr(to, t->object) || self_fd == -1)     /* any descriptor of the helper's is one too many */
            error = 0;
        close(fd);
    }
    close(pidfd);
    return error;
}

/* ---- the list ---- */

enum {
    READ_ONLY = 1,     /* --own: the page is made read-only, so that success means more than an ordinary write */
    PRIVATE = 2,       /* --own: a private anonymous page; else a shared one of a memfd */
    WRITES = 4,        /* no breach where the page is writable anyway */
    ONCE = 8,          /* goes for the file, not for the page: once per area is enough */
    TOP = 16,          /* --own: the page is the one right after the heap */
};

static const struct attempt { const char *name; int (*try)(const struct target *); int flags; } attempts[] = {
    { "write", try_write, WRITES },
    { "read_into", try_read_into, WRITES },
    { "process_vm_writev", try_process_vm_writev, WRITES },
    { "mprotect", try_mprotect, READ_ONLY },
    { "mprotect_none", try_mprotect_none, 0 },
    { "mprotect_across", try_mprotect_across, READ_ONLY },
    { "pkey_mprotect", try_pkey_mprotect, READ_ONLY },
    { "mmap_fixed", try_mmap_fixed, READ_ONLY },
    { "mmap_across", try_mmap_across, READ_ONLY },
    { "mmap_odd_length", try_mmap_odd_length, READ_ONLY },
#ifdef SYS_mmap2
    { "old_mmap", try_old_mmap, READ_ONLY },
#endif
    { "munmap", try_munmap, READ_ONLY },
    { "munmap_across", try_munmap_across, READ_ONLY },
    { "mremap_away", try_mremap_away, PRIVATE },
    { "mremap_fixed_away", try_mremap_fixed_away, READ_ONLY },
    { "mremap_onto", try_mremap_onto, READ_ONLY },
    { "mremap_duplicate", try_mremap_duplicate, READ_ONLY },
    { "mremap_dontunmap", try_mremap_dontunmap, PRIVATE },
    { "madvise_dontneed", try_madvise_dontneed, 0 },
    { "madvise_remove", try_madvise_remove, 0 },
    { "madvise_guard", try_madvise_guard, 0 },
    { "process_madvise", try_process_madvise, 0 },
    { "remap_file_pages", try_remap_file_pages, 0 },
    { "shmat_remap", try_shmat, READ_ONLY },
    { "brk", try_brk, TOP },
    { "userfaultfd", try_userfaultfd, PRIVATE },
    { "mem_self", try_mem_self, READ_ONLY | PRIVATE },
    { "mem_pid", try_mem_pid, READ_ONLY | PRIVATE },
    { "mem_thread_self", try_mem_thread, READ_ONLY | PRIVATE },
    { "mem_task", try_mem_task, READ_ONLY | PRIVATE },
    { "mem_dots", try_mem_dots, READ_ONLY | PRIVATE },
    { "mem_dirfd", try_mem_dirfd, READ_ONLY | PRIVATE },
    { "mem_chdir", try_mem_chdir, READ_ONLY | PRIVATE },
    { "mem_symlink", try_mem_symlink, READ_ONLY | PRIVATE },
    { "mem_reopen", try_mem_reopen, READ_ONLY | PRIVATE },
    { "mem_openat2", try_mem_openat2, READ_ONLY | PRIVATE },
    { "own_fds", try_own_fds, READ_ONLY | ONCE },
    { "map_files", try_map_files, READ_ONLY | ONCE },
    { "helper_fds", try_helper_fds, READ_ONLY | ONCE },
    { "helper_map_files", try_helper_map_files, READ_ONLY | ONCE },
    { "helper_mem", try_helper_mem, READ_ONLY | ONCE },
    { "pidfd_getfd", try_pidfd_getfd, READ_ONLY | ONCE },
};
enum { ATTEMPTS = sizeof attempts / sizeof *attempts };

/* One attempt, survived whatever it does: the errno, EFAULT for a fault. */
static int attempt_run(const struct attempt *attempt, const struct target *target)
{
    if (sigsetjmp(recover, 0) != 0)
        return EFAULT;
    return attempt->try(target);
}

static bool can_write(char *page)
{
    static const struct attempt write = { "write", try_write, WRITES };
    struct target target = { .page = page };
    return attempt_run(&write, &target) == 0;
}

/* Whatever the attempt answered: the page can still be read, and not written where it couldn't before. */
static bool is_intact(const struct target *target)
{
    if (sigsetjmp(recover, 0) != 0)
        return false;
    (void)*(volatile char *)target->page;
    return target->writable || !can_write(target->page);
}

static void report(const char *name, const char *area, int error, int pages)
{
    if (error == 0)
        printf("attempt %s %s: BREACH\n", name, area);
    else if (error == ENOSYS)
        printf("attempt %s %s: absent (ENOSYS)\n", name, area);
    else
        printf("attempt %s %s: refused (%s), %d pages\n", name, area, strerrorname_np(error), pages);
    fflush(stdout);
}

/* ---- --own ---- */

static void attack_own(const struct attempt *attempt)
{
    struct target target = { .object = "ordinary" };
    int flags = attempt->flags;
    self_fd = memfd_create("ordinary", 0);
    if (self_fd == -1 || ftruncate(self_fd, 3 * PAGE) != 0)
        err(1, "memfd");
    char *area = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, flags & PRIVATE ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED,
        flags & PRIVATE ? -1 : self_fd, 0);
    if (area == MAP_FAILED)
        err(1, "mmap");
    memset(area, 0x5a, 3 * PAGE);
    if (flags & READ_ONLY && mprotect(area, 3 * PAGE, PROT_READ) != 0)
        err(1, "mprotect");
    target.page = area + PAGE;
    if (flags & TOP)
        target.page = (char *)((uintptr_t)sbrk(0) & -(uintptr_t)PAGE) + PAGE;
    report(attempt->name, "own", attempt_run(attempt, &target), 1);
    close(self_fd);
}

/* ---- nurse's areas ---- */

struct area { char name[32]; uintptr_t start, end; bool writable; };

static struct area areas[256];
static int area_count;

static void area_add(const char *name, uintptr_t start, uintptr_t end, bool writable)
{
    struct area *area = &areas[area_count];
    if (area_count == sizeof areas / sizeof *areas)
        errx(1, "too many areas");
    snprintf(area->name, sizeof area->name, "%s", name);
    area->start = start;
    area->end = end;
    area->writable = writable;
    area_count++;
}

static bool find_in_maps(void)
{
    char line[512], prot[8], name[32];
    unsigned long start, end;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return false;
    while (fgets(line, sizeof line, maps)) {
        const char *at = strstr(line, "/memfd:nurse-");
        if (!at || sscanf(line, "%lx-%lx %7s", &start, &end, prot) != 3 || sscanf(at, "/memfd:%31[a-z-]", name) != 1)
            continue;
        area_add(name, start, end, prot[1] == 'w');
    }
    fclose(maps);
    return true;
}

/* Is an address our own: program, libraries, stack, heap, vdso? */
struct lookup { uintptr_t at; bool ours; };

static int is_in_object(struct dl_phdr_info *info, size_t size, void *data)
{
    struct lookup *lookup = data;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
        uintptr_t start = (info->dlpi_addr + phdr->p_vaddr) & -(uintptr_t)PAGE;
        if (phdr->p_type == PT_LOAD && lookup->at >= start && lookup->at < start + phdr->p_memsz + 2 * PAGE)
            lookup->ours = true;
    }
    return 0;
}

static bool is_ours(uintptr_t at)    /* by differences, which may wrap */
{
    static char *heap_end;
    struct lookup lookup = { at, false };
    uintptr_t stack = (uintptr_t)&lookup, vdso = getauxval(AT_SYSINFO_EHDR), libc_data = (uintptr_t)&errno;
    if (!heap_end)
        heap_end = sbrk(0);
    dl_iterate_phdr(is_in_object, &lookup);
    return lookup.ours || at - (stack - (1 << 20)) < (9 << 20) || at - (vdso - (1 << 16)) < (1 << 16) + (1 << 14)
        || at - (libc_data - (1 << 14)) < (1 << 15) || (uintptr_t)heap_end - at < (1 << 20);
}

/* Without maps: ask where a mapping would collide, halving the range. */
static void probe(uintptr_t start, uintptr_t end)
{
    void *got = mmap((void *)start, end - start, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != MAP_FAILED) {
        munmap(got, end - start);
        return;
    }
    if (end - start == PAGE) {
        struct area *last = area_count ? &areas[area_count - 1] : NULL;
        if (is_ours(start))
            return;
        if (last && last->end == start)
            last->end = end;
        else
            area_add("unknown", start, end, can_write((char *)start));
        return;
    }
    uintptr_t middle = start + ((end - start) / 2 & -(uintptr_t)PAGE);
    probe(start, middle);
    probe(middle, end);
}

static void attack_area(const struct attempt *attempt, const struct area *area)
{
    struct target target = { .object = area->name, .writable = area->writable };
    int pages = 0, error = 0;
    uintptr_t count = (area->end - area->start) / PAGE, step = count / 64 + 1;
    if (area->writable && attempt->flags & WRITES)
        return;
    for (uintptr_t i = 0; i < count; i += step) {
        target.page = (char *)(area->start + i * PAGE);
        error = attempt_run(attempt, &target);
        if (!is_intact(&target))
            error = 0;
        pages++;
        if (error == 0 || attempt->flags & ONCE)
            break;
    }
    report(attempt->name, area->name, error, pages);
}

int main(int argc, char **argv)
{
    bool own = argc > 1 && strcmp(argv[1], "--own") == 0;
    const int faults[] = { SIGSEGV, SIGBUS };
    for (int i = 0; i < 2; i++)
        sigaction(faults[i], &(struct sigaction){ .sa_handler = on_fault, .sa_flags = SA_NODEFER }, NULL);
    if (!own && !find_in_maps())
        probe(1 << 16, sizeof(long) == 8 ? (uintptr_t)0x7ffffffff000 : (uintptr_t)0xffffe000);
    for (int i = 0; i < area_count; i++)
        printf("area %s %#lx-%#lx %s\n", areas[i].name, (unsigned long)areas[i].start, (unsigned long)areas[i].end,
            areas[i].writable ? "writable" : "read-only");
    for (int k = 0; k < ATTEMPTS; k++) {
        if (own)
            attack_own(&attempts[k]);
        for (int i = 0; i < area_count; i++)
            attack_area(&attempts[k], &areas[i]);
    }
    puts("done");
    return 0;
}
