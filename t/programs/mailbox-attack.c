/*
 * mailbox-attack: a hostile program that works on its mailbox: forges completions, posts by hand, jumps into nurse's code.
 *
 * Runs in the sandbox, and natively or on pages of its own (`own`), where each idea has to work. One word says which attack; what it
 * prints is counted and compared by t/51-attack-mailbox.t. In its directory are ok/file and no/file, and the policy forbids no/.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "t/programs/attack.h"

#ifdef __x86_64__
#include <asm/prctl.h>
#endif

static const char allowed[] = "ok/file", forbidden[] = "no/file";

static volatile struct request *request;
static volatile const struct order *order;
static volatile bool stop;
static volatile uint64_t forged;

/* ---- forged completions ---- */

enum { GARBAGE = 0x5a5a };    /* no descriptor, no errno */

/* Result cell and request fields, for ever: done is every seq that the gate or the helper could be waiting for. */
static int forge_all(void *argument)
{
    static const long numbers[] = { SYS_openat, SYS_fchmodat };

    (void)argument;
    for (uint64_t i = 0; !stop; i++) {
        request->result = GARBAGE;
        request->done = order->seq + (uint32_t)(i & 1);
        if (i % 3 == 0)
            request->arg[1] = (uintptr_t)(i & 1 ? forbidden : allowed);
        if (i % 5 == 0)
            request->nr = (uint64_t)numbers[i / 5 % 2];
        forged = forged + 1;
        /* A gate that believes a forged completion does not wake the trustee; the attack needs one that works. */
        if (i % 256 == 0)
            raw(SYS_futex, (long)&order->alarm, FUTEX_WAKE, 1, 0, 0, 0);
    }
    return (int)RAW_2(SYS_exit, 0);
}

/* What a descriptor leads to must never be forbidden. */
static int leads_to_forbidden(int fd)
{
    char text[16] = "";

    return raw(SYS_pread64, fd, (long)text, sizeof text - 1, 0, 0, 0) > 0 && strncmp(text, "FORBIDDEN", 9) == 0;
}

struct counts { long calls, misled, allowed, denied, breaches; };

static void forge_open(struct counts *n, const char *path)
{
    int fd = open(path, O_RDONLY);

    n->misled += fd == GARBAGE;
    n->allowed += fd >= 0 && fd < GARBAGE;
    n->denied += fd < 0 && errno == EPERM;
}

static void forge_round(struct counts *n, long i)
{
    const char *path = i & 1 ? forbidden : allowed;

    switch (i / 2 % 3) {
    case 0:
        forge_open(n, path);
        break;
    case 1:
        n->misled += chmod(path, 0600) == GARBAGE;
        break;
    default:
        n->misled += access(path, F_OK) == GARBAGE;
        break;
    }
    n->calls++;
    if (i % 64)
        return;
    for (int fd = 3; fd < 128; fd++)
        n->breaches += leads_to_forbidden(fd);
    raw(SYS_close_range, 3, 0x7fffffff, 0, 0, 0, 0);
}

/* The forger gets its turn exactly when the gate gives the CPU away, and the helper has the other CPU for itself. */
static void share_cpu(void)
{
    cpu_set_t cpus;

    sched_getaffinity(0, sizeof cpus, &cpus);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &cpus)) {
            CPU_ZERO(&cpus);
            CPU_SET(i, &cpus);
            sched_setaffinity(0, sizeof cpus, &cpus);
            return;
        }
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void forge(double seconds)
{
    struct counts n = { 0 };
    double end = now() + seconds;

    for (long i = 0; i < 200; i++)    /* the sites are redirected while there is one thread */
        forge_round(&n, i);
    n = (struct counts){ 0 };
    share_cpu();
    attack_thread(forge_all, NULL);
    for (long i = 0; now() < end; i++)
        forge_round(&n, i);
    stop = true;
    printf("calls=%ld misled=%ld allowed=%ld denied=%ld breaches=%ld forged=%llu\n", n.calls, n.misled, n.allowed, n.denied, n.breaches,
           (unsigned long long)forged);
}

/* ---- what after() sees ---- */

enum { MASK_A = 022, MASK_B = 077 };

/* Values that agree with the true ones in every bit that fits the trustee's report register, and values that agree in none. */
static int forge_results(void *argument)
{
    (void)argument;
    for (uint64_t i = 0; !stop; i++) {
        uint64_t low = i & 2 ? MASK_A : MASK_B;

        request->result = (int64_t)(i % 3 == 0 ? GARBAGE : (i % 3 == 1 ? 0x1234000000000000 : 0x7fff0000) | low);
        request->done = order->seq + (uint32_t)(i & 1);
        forged = forged + 1;
    }
    return (int)RAW_2(SYS_exit, 0);
}

static void after(long calls)
{
    long wrong = 0;

    for (int i = 0; i < 20; i++)
        umask(MASK_B);
    attack_thread(forge_results, NULL);
    for (long i = 0; i < calls; i++)
        wrong += umask(i & 1 ? MASK_B : MASK_A) != (i & 1 ? MASK_A : MASK_B);
    stop = true;
    printf("calls=%ld wrong=%ld forged=%llu\n", calls, wrong, (unsigned long long)forged);
}

/* ---- jumps into nurse's code ---- */

static sigjmp_buf back;
static volatile long landed;
static volatile uintptr_t aim;

/* Behind the call instruction the thread stops, before the gate goes on with windows that expect something else: on x86_64 it is single-stepped,
 * on i386 the gate's base register leads nowhere, and so does whatever it takes from the stack. Mostly the call's result is still in its register. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *u = context;

#ifdef __i386__
    __asm__ volatile("pushfl\n\tandl $~0x40000, (%%esp)\n\tpopfl" : : : "cc");    /* flags of the stack: alignment checks */
#endif
    (void)info;
#ifdef __x86_64__
    if (signal == SIGTRAP && (uintptr_t)u->uc_mcontext.gregs[REG_RIP] == aim)
        return;
    landed = (long)u->uc_mcontext.gregs[REG_RAX];
#else
    landed = u->uc_mcontext.gregs[REG_EAX];
#endif
    siglongjmp(back, signal);
}

#ifdef __i386__
extern const char attack_landing[];
__asm__(".text\nattack_landing:\n\tud2");
#endif

/* Make a call with the instruction at `at`. Returns the result; the signal that ended it must be the expected one. */
static long call_at(uintptr_t at, long nr, long a, long b, long c)
{
    landed = -9999;
    aim = at;
    if (sigsetjmp(back, 1) != 0)
        return landed;
#ifdef __x86_64__
    register long r10 __asm__("r10") = 0;

    __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tjmp *%0"
                     : : "r"(at), "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "memory", "cc");
#else
    __asm__ volatile(".rept 16\n\tpushl %%esi\n\t.endr\n\tpushl %0\n\txorl %%ebp, %%ebp\n\tret"
                     : : "D"(at), "a"(nr), "b"(a), "c"(b), "d"(c), "S"(attack_landing) : "memory");
#endif
    __builtin_unreachable();
}

/* The system call instructions of a page, in order. */
static int instructions(uintptr_t page, uintptr_t at[], int room)
{
    const uint8_t *code = (const uint8_t *)page;
    int count = 0;

    for (int i = 0; i < 4095 && count < room; i++)
#ifdef __x86_64__
        if (code[i] == 0x0f && code[i + 1] == 0x05)
#else
        if (code[i] == 0xcd && code[i + 1] == 0x80)
#endif
            at[count++] = page + (uintptr_t)i;
    return count;
}

static void jump_prepare(void)
{
    static char stack[65536];
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof stack }, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

/* A page of our own with one call instruction and one that faults: there the jump has to work. */
static uintptr_t own_page(void)
{
    uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#ifdef __x86_64__
    static const uint8_t code[] = { 0x0f, 0x05, 0x0f, 0x0b };
#else
    static const uint8_t code[] = { 0xcd, 0x80, 0x0f, 0x0b };
#endif

    if (page == MAP_FAILED)
        err(1, "mmap");
    memcpy(page, code, sizeof code);
    return (uintptr_t)page;
}

/* jump PAGE INDEX CALL: one call from one instruction. A negative index counts from the end. */
static void jump(const char *page, int index, const char *call)
{
    uintptr_t keep = attack_keep(), at[64];
    uint32_t word = 0;
    int count = 0;
    long result = -9998;

    jump_prepare();
    if (strcmp(page, "own") == 0)
        count = instructions(own_page(), at, 64);
    else if (keep)
        count = instructions(keep + (strcmp(page, "gate") == 0 ? STUB_GATE : STUB_TRUSTEE), at, 64);
    if (index < 0)
        index += count;
    printf("instructions=%d\n", count);
    fflush(stdout);
    if (index < 0 || index >= count)
        return;
    if (strcmp(call, "getpid") == 0)
        result = call_at(at[index], SYS_getpid, 0, 0, 0) - getpid();
    else if (strcmp(call, "access") == 0)
        result = call_at(at[index], SYS_access, (long)forbidden, 0, 0);
    else if (strcmp(call, "mkdir") == 0)
        result = call_at(at[index], SYS_mkdir, (long)"no/made", 0755, 0);
    else if (strcmp(call, "umask") == 0)
        result = call_at(at[index], SYS_umask, 0, 0, 0);
    else if (strcmp(call, "futex") == 0)
        result = call_at(at[index], SYS_futex, (long)&word, FUTEX_WAKE, 1);
    printf("result=%ld\n", result);
}

/* ---- requests posted by hand ---- */

static uint64_t seed = 88172645463325252u;

static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Post, and make the helper look by a call that it has to decide. True when it took the request. */
static bool post(uint64_t nr, const uint64_t args[6])
{
    request->nr = nr;
    for (int i = 0; i < 6; i++)
        request->arg[i] = args[i];
    request->ip = rnd();
    __atomic_store_n(&request->state, REQUEST_POSTED, __ATOMIC_SEQ_CST);
    RAW_3(SYS_access, allowed, F_OK);
    return __atomic_load_n(&request->state, __ATOMIC_SEQ_CST) != REQUEST_POSTED;
}

static uint64_t fuzz_argument(void)
{
    static const char *const paths[] = { "no/file", "ok/../no/new", "no", "/proc/self/mem", "", "ok/a", "../nurse-outside" };
    static char buffer[4096];

    switch (rnd() % 8) {
    case 0:
        return rnd();
    case 1:
        return rnd() % 64;
    case 2:
        return (uint64_t)-(int64_t)(rnd() % 200);
    case 3:
        return (uintptr_t)request + rnd() % 0x1000;
    case 4:
        return (uintptr_t)order + rnd() % 0x10000;
    case 5:
        return (uintptr_t)buffer;
    default:
        return (uintptr_t)paths[rnd() % (sizeof paths / sizeof *paths)];
    }
}

/* With these the program would only end or blind itself. */
static bool suicidal(uint64_t nr)
{
    static const int numbers[] = {
        SYS_read, SYS_write, SYS_writev, SYS_pread64, SYS_close, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_brk, SYS_rt_sigaction, SYS_prlimit64,
#ifdef SYS_mmap2
        SYS_mmap2,
#endif
#ifdef SYS_sigaction
        SYS_sigaction, SYS_signal,
#endif
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (nr == (uint64_t)numbers[i])
            return true;
    return false;
}

static void fuzz(double seconds)
{
    static const uint64_t zero[6];
    double end = now() + seconds;
    long posted = 0, taken = 0;

    for (uint64_t nr = 0; nr < 1024; nr++, posted++)
        taken += !suicidal(nr) && post(nr, zero);
    while (now() < end) {
        uint64_t nr = rnd() % 1024, args[6];

        for (int i = 0; i < 6; i++)
            args[i] = fuzz_argument();
        if (rnd() % 16 == 0)
            nr = rnd();
        taken += !suicidal(nr) && post(nr, args);
        posted++;
    }
    request->state = REQUEST_NONE;
    printf("posted=%ld taken=%ld ok=%d no=%d\n", posted, taken, access(allowed, F_OK), access(forbidden, F_OK) ? errno : 0);
}

/* Calls that ordinarily are native, by hand: the keystone rules hold on this way too. Afterwards the windows are as they were. */
static void keep_by_hand(void)
{
    uintptr_t keep = (uintptr_t)request - KEEP_REQUEST, places[] = { keep, keep + STUB_TRUSTEE, keep + STUB_GATE, (uintptr_t)request, (uintptr_t)order };
    long taken = 0;
    FILE *maps;
    char line[512];

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        uint64_t at = places[i], fixed[] = { at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1, 0 };

        taken += post(SYS_mprotect, (uint64_t[6]){ at, 4096, PROT_READ | PROT_WRITE });
        taken += post(SYS_mprotect, (uint64_t[6]){ at - 4096, 8192, PROT_READ | PROT_WRITE });
        taken += post(SYS_munmap, (uint64_t[6]){ at, 4096 });
        taken += post(SYS_mremap, (uint64_t[6]){ at, 4096, 8192, MREMAP_MAYMOVE });
        taken += post(SYS_madvise, (uint64_t[6]){ at, 4096, MADV_DONTNEED });
#ifdef SYS_mmap2
        taken += post(SYS_mmap2, fixed);
        uint32_t words[] = { (uint32_t)at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint32_t)-1, 0 };
        taken += post(SYS_mmap, (uint64_t[6]){ (uintptr_t)words });
#else
        taken += post(SYS_mmap, fixed);
#endif
    }
    printf("taken=%ld\n", taken);
    maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps))
        if (strstr(line, "memfd:nurse-"))
            printf("map %.*s %s", (int)strcspn(line, " "), line, strchr(line, ' ') + 1);
    if (maps)
        fclose(maps);
}

/* The helper must still see the world while somebody posts without pause. */
static int flood_posts(void *argument)
{
    (void)argument;
    for (;;) {
        request->nr = SYS_getppid;
        request->state = REQUEST_POSTED;
        __asm__ volatile("pause");
    }
    return 0;
}

static void flood(void)
{
    attack_thread(flood_posts, NULL);
    for (int i = 0; i < 100; i++)
        RAW_3(SYS_access, allowed, F_OK);
    printf("flooding\n");
    fflush(stdout);
    for (;;)
        RAW_3(SYS_access, allowed, F_OK);
}

/* A trustee that a FIFO holds, and a request posted for every look of the helper: its queue must not grow. */
static int pile_blocked(void *argument)
{
    (void)argument;
    RAW_5(SYS_openat, AT_FDCWD, "ok/fifo", O_RDONLY, 0);
    return (int)RAW_2(SYS_exit, 0);
}

static void pile(double seconds)
{
    double end;
    long taken = 0;
    char link[64];

    attack_thread(pile_blocked, NULL);
    usleep(200000);
    for (end = now() + seconds; now() < end;) {
        request->nr = SYS_openat;
        request->arg[0] = (uint64_t)AT_FDCWD;
        request->arg[1] = (uintptr_t)allowed;
        request->arg[2] = 0;
        __atomic_store_n(&request->state, REQUEST_POSTED, __ATOMIC_SEQ_CST);
        RAW_4(SYS_readlink, "/proc/self/exe", link, sizeof link);    /* the helper answers this one itself */
        taken += request->state != REQUEST_POSTED;
    }
    printf("taken=%ld\n", taken);
    fflush(stdout);
    pause();
}

/* ---- births ---- */

static void descriptors_close(int from)
{
    raw(SYS_close_range, from, 0x7fffffff, 0, 0, 0, 0);
}

/* A memory that looks like order windows in which a newborn shall make a directory. */
static int evil_windows(void)
{
    int fd = memfd_create("evil", 0);

    if (fd < 0 || ftruncate(fd, (off_t)MAILBOX_BLOCKS * BLOCK_ORDER_SPAN))
        err(1, "memfd_create");
    for (int block = 0; block < MAILBOX_BLOCKS; block++)
        for (int i = 0; i < 4; i++) {
            static struct birth_steps steps;
            off_t at = (off_t)block * BLOCK_ORDER_SPAN + MAILBOX_BOARD_SPAN + i * MAILBOX_ORDER_SPAN + (off_t)offsetof(struct order, birth);

            steps.trustee = (struct step){ SYS_mkdirat, { (uint64_t)AT_FDCWD, (uintptr_t)"no/made", 0755 } };
            if (pwrite(fd, &steps, sizeof steps, at) != sizeof steps)
                err(1, "pwrite");
        }
    return fd;
}

static int evil;

/* Whatever appears in the next descriptors is something else a moment later. */
static int swap_descriptors(void *argument)
{
    (void)argument;
    while (!stop)
        for (int fd = evil + 1; fd < evil + 3; fd++)
            if (raw(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) >= 0) {
                raw(SYS_dup2, evil, fd, 0, 0, 0, 0);
                forged = forged + 1;
            }
    return (int)RAW_2(SYS_exit, 0);
}

/* Children that share descriptors and no memory: what they open is swapped for a memory of ours. */
static void swapped(double seconds)
{
    double end = now() + seconds;
    long born = 0, refused = 0;

    evil = evil_windows();
    attack_thread(swap_descriptors, NULL);
    while (now() < end) {
        long pid = RAW_2(SYS_clone, CLONE_FILES | SIGCHLD);

        if (pid == 0)
            RAW_2(SYS_exit_group, 0);
        born += pid > 0;
        refused += pid < 0;
        if (pid > 0)
            RAW_4(SYS_wait4, pid, 0, 0);
        descriptors_close(evil + 1);
    }
    stop = true;
    printf("born=%ld refused=%ld forged=%llu\n", born, refused, (unsigned long long)forged);
}

/* What a thread told of its registers, changed under the helper's and the newborn's hands: in any window, to any value. */
static int forge_caught(void *argument)
{
    (void)argument;
    for (;;) {
        volatile struct request *any = request + rnd() % MAILBOX_SLOTS;
        volatile uint64_t *word = (volatile uint64_t *)&any->caught + rnd() % (rnd() % 4 ? offsetof(struct caught, pad0) / 8 : sizeof any->caught / 8);
        uintptr_t keep = (uintptr_t)request - KEEP_REQUEST;

        switch (rnd() % 4) {
        case 0:
            *word = rnd();
            break;
        case 1:
            *word = rnd() % 64;
            break;
        case 2:
            *word = keep + STUB_TRUSTEE + rnd() % 0x2000;
            break;
        default:
            *word = keep + KEEP_ORDER + rnd() % 0x20000;
        }
    }
    return 0;
}

/* A process that forks while it forges, until that kills it or it has had its time. */
static void caught_victim(void)
{
    attack_thread(forge_caught, NULL);
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            close(open(forbidden, O_RDWR | O_TRUNC));
            mkdir("no/made", 0755);
            _exit(0);
        }
        if (pid > 0)
            waitpid(pid, NULL, 0);
    }
    _exit(0);
}

static void caught(double seconds)
{
    double end = now() + seconds, limit;
    long victims = 0, died = 0;
    int status = 0;

    while (now() < end) {
        pid_t pid = fork();

        if (pid == 0) {
            setpgid(0, 0);
            seed ^= (uint64_t)getpid() << 32;
            caught_victim();
        }
        setpgid(pid, pid);
        victims++;
        for (limit = now() + 0.1; now() < limit && waitpid(pid, &status, WNOHANG) != pid;)
            usleep(1000);
        if (now() >= limit) {    /* it, and whatever its children have become */
            kill(-pid, SIGKILL);
            waitpid(pid, &status, 0);
        } else {
            died += WIFSIGNALED(status);
            kill(-pid, SIGKILL);
        }
    }
    printf("victims=%ld died=%ld ok=%d no=%d\n", victims, died, access(allowed, F_OK), access(forbidden, F_OK) ? errno : 0);
}

/* ---- the stub's reports ---- */

static long report_results[2][16];

static int report_all(void *row)
{
    for (long i = 0; i <= 12; i++)
        ((long *)row)[i] = raw(NURSE_CALL, i, (long)&stop, 1, 2, 3, 4);
    stop = true;
    return row == report_results[0] ? 0 : (int)RAW_2(SYS_exit, 0);
}

static void reports(void)
{
    report_all(report_results[0]);
    stop = false;
    attack_thread(report_all, report_results[1]);
    while (!stop)
        sched_yield();
    for (int i = 0; i < 2; i++)
        for (int k = 0; k <= 12; k++)
            printf("report %s %d: %ld\n", i ? "thread" : "main", k, report_results[i][k]);
    printf("ok=%d no=%d\n", access(allowed, F_OK), access(forbidden, F_OK) ? errno : 0);
}

/* Natively there is no mailbox: attack one of our own, with a thread that takes what it finds there at its word. */
static struct { struct request request; struct order order; } own;

static int gullible(void *argument)
{
    for (volatile long *misled = argument; !stop; own.order.seq++)
        for (int i = 0; i < 1000; i++)
            *misled = *misled + (request->done == order->seq && request->result == GARBAGE);
    return (int)RAW_2(SYS_exit, 0);
}

static void own_forge(double seconds)
{
    static long misled;
    double end = now() + seconds;

    attack_thread(forge_all, NULL);
    attack_thread(gullible, &misled);
    while (now() < end)
        sched_yield();
    stop = true;
    printf("misled=%ld forged=%llu\n", misled, (unsigned long long)forged);
}

int main(int argc, char *argv[])
{
    const char *mode = argc > 1 ? argv[1] : "";
    double number = argc > 2 ? atof(argv[2]) : 0;
    uintptr_t keep = attack_keep();

    request = keep ? attack_request(keep) : &own.request;
    order = keep ? attack_order(keep) : &own.order;
    if (strcmp(mode, "jump") == 0 && argc > 4)
        jump(argv[2], atoi(argv[3]), argv[4]);
    else if (strcmp(mode, "reports") == 0)
        reports();
    else if (strcmp(mode, "forge") == 0)
        (keep ? forge : own_forge)(number);
    else if (!keep)
        errx(1, "%s needs a mailbox", mode);
    else if (strcmp(mode, "after") == 0)
        after((long)number);
    else if (strcmp(mode, "fuzz") == 0)
        fuzz(number);
    else if (strcmp(mode, "keep") == 0)
        keep_by_hand();
    else if (strcmp(mode, "flood") == 0)
        flood();
    else if (strcmp(mode, "pile") == 0)
        pile(number);
    else if (strcmp(mode, "swapped") == 0)
        swapped(number);
    else if (strcmp(mode, "caught") == 0)
        caught(number);
    else
        errx(1, "what?");
    printf("done\n");
    fflush(stdout);
    RAW_2(SYS_exit_group, 0);
}
