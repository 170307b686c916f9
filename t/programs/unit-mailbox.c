/*
 * unit-mailbox: the windows from the helper's side, with threads of this process in the places of gate and trustee.
 *
 * The order windows can't be written by anybody but their maker; a block that is given again holds nothing of its last owner's; requests are taken
 * exactly once, field by field; evidence comes from the kernel's record of a real thread, for both architectures (the 32-bit call is made with
 * int $0x80), and from nowhere else; and when the maker is killed, those who sleep on its alarms are woken.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/mailbox/mailbox.h"

enum { PAGE = 4096, ROUNDS = 20000, NR_I386_SET_ROBUST_LIST = 311, SLOT = 5, NONE = -1 };

/* As helper/spawn.c draws them: one that no 32-bit number holds. */
static const uint64_t base = 0x41234a5b6000;
static struct mailbox mailbox;

static int setup(void **state)
{
    (void)state;
    if (mailbox_create(&mailbox, base))
        return -1;
    for (int i = SLOT - 1; i <= SLOT + 1; i++)
        mailbox_prepare(&mailbox, i);
    return 0;
}

/* What a process is told about its windows, and where in the memory behind them its block begins. */
static int order_fd(const struct mailbox *m) { return (int)WINDOWS_ORDER_FD(mailbox_windows(m)); }
static int request_fd(const struct mailbox *m) { return (int)WINDOWS_REQUEST_FD(mailbox_windows(m)); }
static off_t order_offset(const struct mailbox *m) { return (off_t)WINDOWS_BLOCK(mailbox_windows(m)) * BLOCK_ORDER_SPAN; }
static off_t request_offset(const struct mailbox *m) { return (off_t)WINDOWS_BLOCK(mailbox_windows(m)) * BLOCK_REQUEST_SPAN; }

/* --- the memory ------------------------------------------------------------------------------------------ */

static int map_error(int fd, int prot, int flags)
{
    void *map = mmap(NULL, PAGE, prot, flags, fd, 0);

    if (map == MAP_FAILED)
        return errno;
    munmap(map, PAGE);
    return 0;
}

/* All ways to write through a descriptor of the order windows. */
static void sealed(int fd)
{
    char byte = 1;
    void *map;

    assert_int_equal(map_error(fd, PROT_READ | PROT_WRITE, MAP_SHARED), EPERM);
    assert_int_equal(map_error(fd, PROT_WRITE, MAP_SHARED), EPERM);
    assert_int_equal(write(fd, &byte, 1), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(pwrite(fd, &byte, 1, PAGE), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, (off_t)MAILBOX_BLOCKS * BLOCK_ORDER_SPAN + PAGE), -1);
    assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_int_equal(errno, EPERM);
    map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(mprotect(map, PAGE, PROT_READ | PROT_WRITE), -1);
    assert_int_equal(errno, EACCES);
    munmap(map, PAGE);
}

static void test_order_sealed(void **state)
{
    static const int modes[] = { O_RDWR, O_WRONLY, O_RDONLY, O_RDWR | O_TRUNC };
    const struct order *seen;
    char path[64];
    int again;

    (void)state;
    mailbox.orders[0].command = 77;
    sealed(order_fd(&mailbox));
    snprintf(path, sizeof path, "/proc/self/fd/%d", order_fd(&mailbox));
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        again = open(path, modes[i]);
        if (again < 0)
            continue;
        assert_int_not_equal(map_error(again, PROT_READ | PROT_WRITE, MAP_SHARED), 0);
        if ((modes[i] & O_ACCMODE) == O_RDWR)
            sealed(again);
        close(again);
    }
    /* The one writable view works, and what it writes is seen by a reader of the descriptor. */
    seen = mmap(NULL, sizeof *seen, PROT_READ, MAP_SHARED, order_fd(&mailbox), order_offset(&mailbox) + MAILBOX_BOARD_SPAN);
    assert_ptr_not_equal(seen, MAP_FAILED);
    assert_int_equal(seen->command, 77);
    mailbox.orders[0].command = 78;
    assert_int_equal(((volatile const struct order *)seen)->command, 78);
    munmap((void *)(uintptr_t)seen, sizeof *seen);
}

/* The request windows are the program's to write, but not to take away. */
static void test_request_shared(void **state)
{
    struct request *theirs = mmap(NULL, sizeof *theirs, PROT_READ | PROT_WRITE, MAP_SHARED, request_fd(&mailbox),
                                  request_offset(&mailbox) + SLOT * (off_t)sizeof *theirs);

    (void)state;
    assert_ptr_not_equal(theirs, MAP_FAILED);
    theirs->nr = 1234;
    assert_int_equal(mailbox.requests[SLOT].nr, 1234);
    assert_int_equal(ftruncate(request_fd(&mailbox), 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fcntl(request_fd(&mailbox), F_ADD_SEALS, F_SEAL_WRITE), -1);
    munmap(theirs, sizeof *theirs);
}

/* --- pools and blocks ------------------------------------------------------------------------------------ */

static bool is_zero(const void *memory, size_t size)
{
    const uint8_t *byte = memory;

    return size == 0 || (byte[0] == 0 && memcmp(byte, byte + 1, size - 1) == 0);
}

/* What the process maps, where it maps it. */
static void test_windows(void **state)
{
    const struct board *board = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, order_fd(&mailbox), order_offset(&mailbox));

    (void)state;
    assert_ptr_not_equal(board, MAP_FAILED);
    assert_true(board->requests == base + KEEP_REQUEST && board->requests_end == base + KEEP_BOARD);
    mailbox.board->routes[3] = 0x12345678;
    assert_int_equal(((volatile const struct board *)board)->routes[3], 0x12345678);
    assert_true(mailbox_order_at(&mailbox, 0) == base + KEEP_ORDER && mailbox_request_at(&mailbox, 0) == base + KEEP_REQUEST);
    assert_true(mailbox_order_at(&mailbox, MAILBOX_SLOTS - 1) + MAILBOX_ORDER_SPAN == base + KEEP_STRINGS);
    assert_true(mailbox_request_at(&mailbox, MAILBOX_SLOTS) == base + KEEP_BOARD);
    assert_int_equal((uint8_t *)mailbox.orders - (uint8_t *)mailbox.board, KEEP_ORDER - KEEP_BOARD);
    assert_int_equal((int32_t)mailbox_windows(&mailbox) > 0, true);    /* the answer to a call, of 32 bits too */
    munmap((void *)(uintptr_t)board, PAGE);
}

/* Two address spaces have two blocks; one that is given back is given again, and has nothing of its last owner's, wherever that wrote. */
static void test_blocks(void **state)
{
    static const int slots[] = { 0, SLOT, SLOT + 9, MAILBOX_SLOTS - 1 };
    struct mailbox other, again;
    uint32_t windows = mailbox_windows(&mailbox), anew;
    int unwiped = NONE;
    bool orders, board, elsewhere;

    (void)state;
    assert_int_equal(mailbox_create(&other, base + PAGE), 0);
    assert_int_not_equal(mailbox_windows(&other), windows);
    other.requests[SLOT].nr = 99;
    assert_int_equal(mailbox.requests[SLOT].nr, 0);
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
        memset(&mailbox.requests[slots[i]], 0xa5, sizeof *mailbox.requests);    /* as a program can */
    memset(&mailbox.orders[SLOT], 0xa5, MAILBOX_BYTES);
    mailbox.orders[SLOT].seq = 7;
    memset(mailbox.board->routes, 0xa5, sizeof mailbox.board->routes);
    assert_true(mailbox_enter(&mailbox, ABI_X86_64, 0x7f1234567000ull << 16, SLOT));
    mailbox_destroy(&mailbox);
    assert_int_equal(mailbox_create(&again, base + 2 * PAGE), 0);
    anew = mailbox_windows(&again);
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
        if (!is_zero(&again.requests[slots[i]], sizeof *again.requests))
            unwiped = slots[i];
    orders = is_zero(&again.orders[SLOT], MAILBOX_BYTES);
    board = is_zero(again.board->routes, sizeof again.board->routes) && is_zero(again.board->threads, sizeof again.board->threads) &&
            again.board->requests == base + 2 * PAGE + KEEP_REQUEST;
    elsewhere = other.requests[SLOT].nr == 99;
    mailbox_destroy(&again);
    mailbox_destroy(&again);    /* nothing happens */
    mailbox_destroy(&other);
    assert_int_equal(anew, windows);
    if (unwiped != NONE)
        fail_msg("the request window of slot %d was not wiped", unwiped);
    assert_true(orders && board && elsewhere);
}

/* What act() does in a child of its own, with limits and lists of its own; it returns 0, or a line number. */
static void in_child(int (*act)(void))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(60);
        _exit(act() & 0xff);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status)
        fail_msg("status %#x: the line is %d modulo 256", status, WEXITSTATUS(status));
}

#define CHECK(condition) do { if (!(condition)) return __LINE__; } while (0)

static struct mailbox many[MAILBOX_POOLS * MAILBOX_BLOCKS];

/* All blocks that there are, then one that there is not, then one that was given back. */
static int take_all(void)
{
    struct rlimit files = { 2048, 2048 };
    struct mailbox more;
    int count = 0, error;

    setrlimit(RLIMIT_NOFILE, &files);
    mailbox_destroy(&mailbox);
    while (count < MAILBOX_POOLS * MAILBOX_BLOCKS && mailbox_create(&many[count], base) == 0)
        count++;
    CHECK(count == MAILBOX_POOLS * MAILBOX_BLOCKS);
    error = mailbox_create(&more, base);
    CHECK(error == -EAGAIN);
    mailbox_destroy(&more);
    for (int i = 0; i < count; i++)
        many[i].requests[i % MAILBOX_SLOTS].nr = (uint64_t)i;
    for (int i = 0; i < count; i++)
        CHECK(many[i].requests[i % MAILBOX_SLOTS].nr == (uint64_t)i);
    mailbox_destroy(&many[77]);
    CHECK(mailbox_create(&more, base) == 0);
    CHECK(mailbox_windows(&more) == mailbox_windows(&many[76]) + 1);
    CHECK(mailbox_create(&many[77], base) == -EAGAIN);
    return 0;
}

static int open_files(void)
{
    int count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* No descriptors: an error, not a half pool, and nothing that is left behind; when there are some again, all is well. */
static int run_out(void)
{
    struct rlimit none, all;
    int taken = 0, before, error;

    getrlimit(RLIMIT_NOFILE, &all);
    do    /* the pool that we have inherited is full */
        CHECK(mailbox_create(&many[taken], base) == 0);
    while (mailbox_windows(&many[taken++]) % MAILBOX_BLOCKS != MAILBOX_BLOCKS - 1);
    before = open_files();
    for (int more = 0; more < 2; more++)
        for (int i = 0; i < 3; i++) {
            none = (struct rlimit){ (rlim_t)(dup(0) + more), all.rlim_max };
            close((int)none.rlim_cur - more);
            setrlimit(RLIMIT_NOFILE, &none);
            error = mailbox_create(&many[taken], base);
            setrlimit(RLIMIT_NOFILE, &all);
            CHECK(error < 0);
            CHECK(open_files() == before);
        }
    CHECK(mailbox_create(&many[taken], base) == 0);
    CHECK(order_fd(&many[taken]) != order_fd(&many[taken - 1]));
    return 0;
}

/* A descriptor that WINDOWS_PACK has no room for is refused. */
static int high_descriptors(void)
{
    enum { HIGH = 1 << WINDOWS_FD_BITS };
    struct rlimit files = { HIGH + 16, HIGH + 16 };

    if (setrlimit(RLIMIT_NOFILE, &files))
        return 0;    /* an ordinary user below that limit can't get there either */
    for (int i = 0; i < MAILBOX_BLOCKS; i++)
        if (mailbox_create(&many[i], base) || mailbox_windows(&many[i]) % MAILBOX_BLOCKS == MAILBOX_BLOCKS - 1)
            break;
    while (dup(0) < HIGH - 1)
        ;
    CHECK(mailbox_create(&many[MAILBOX_BLOCKS], base) < 0);
    return 0;
}

static void test_limits(void **state)
{
    (void)state;
    in_child(take_all);
    in_child(run_out);
    in_child(high_descriptors);
}

/* A slot that is prepared is as fresh as a new one, whatever was there, and its neighbours stay as they are. */
static void test_prepare(void **state)
{
    struct order *order = &mailbox.orders[SLOT];
    struct request *request = &mailbox.requests[SLOT];

    (void)state;
    memset(order, 0xa5, offsetof(struct order, birth));
    memset(request, 0xa5, offsetof(struct request, caught));
    mailbox.orders[SLOT + 1].seq = mailbox.orders[SLOT - 1].seq = 5;
    mailbox.requests[SLOT + 1].nr = mailbox.requests[SLOT - 1].nr = 6;
    mailbox_prepare(&mailbox, SLOT);
    assert_true(request->self == mailbox_request_at(&mailbox, SLOT) && request->order == mailbox_order_at(&mailbox, SLOT));
    request->self = request->order = 0;
    assert_true(is_zero(request, offsetof(struct request, caught)));
    assert_int_equal(order->ring_nr, NURSE_CALL);
    assert_int_equal(order->ring_arg[0], REPORT_RING);
    assert_int_equal(order->alarm & ALARM_OWNER, getpid());
    assert_int_equal(order->alarm & ~(uint32_t)ALARM_OWNER, FUTEX_WAITERS);
    order->ring_nr = order->alarm = 0;
    assert_true(is_zero(order, offsetof(struct order, birth)));
    assert_int_equal(mailbox.orders[SLOT + 1].seq + mailbox.orders[SLOT - 1].seq, 10);
    assert_int_equal(mailbox.requests[SLOT + 1].nr + mailbox.requests[SLOT - 1].nr, 12);
}

/* --- the table of threads -------------------------------------------------------------------------------- */

/* What a gate would find, as asm/ARCH/gate.S looks: a window, 0 (known, without one), UINT64_MAX (a stranger at a free place), TAKEN (at another's). */
enum { TAKEN = 1 };

static uint64_t gate_finds(enum abi_arch arch, uint64_t own)
{
    uint64_t key = arch == ABI_X86_64 ? own << 16 : (uint32_t)own, request, there;

    memcpy(&there, &mailbox.board->threads[own >> 12 & 0xff].key, sizeof there);
    memcpy(&request, &mailbox.board->threads[own >> 12 & 0xff].request, sizeof request);
    return there == key ? request : request ? TAKEN : UINT64_MAX;
}

static bool enter(enum abi_arch arch, uint64_t own, int i)
{
    return mailbox_enter(&mailbox, arch, arch == ABI_X86_64 ? own << 16 | 0x4601 : own, i);    /* what the gate reports has the flags below */
}

static void test_threads(void **state)
{
    static const uint64_t where[ABI_ARCHES] = { [ABI_X86_64] = 0x7f12345bd740, [ABI_I386] = 0xf7d5b740 };

    (void)state;
    for (int arch = 0; arch < ABI_ARCHES; arch++) {
        uint64_t own = where[arch], beside = own + 0x1000, alike = own + 0x100000, other_low = own ^ 0x800;

        assert_true(gate_finds(arch, own) == UINT64_MAX);
        assert_true(enter(arch, own, 3) && enter(arch, beside, 4));
        assert_true(gate_finds(arch, own) == mailbox_request_at(&mailbox, 3));
        assert_true(gate_finds(arch, beside) == mailbox_request_at(&mailbox, 4));
        /* the same place, another thread: whoever came first has it */
        assert_true(gate_finds(arch, alike) == TAKEN && gate_finds(arch, other_low) == TAKEN);
        assert_false(enter(arch, alike, 5) || enter(arch, other_low, 5) || enter(arch, alike, NONE));
        assert_true(gate_finds(arch, own) == mailbox_request_at(&mailbox, 3));
        /* the same thread, another window; then none */
        assert_true(enter(arch, own, 6) && gate_finds(arch, own) == mailbox_request_at(&mailbox, 6));
        assert_true(enter(arch, own, NONE) && gate_finds(arch, own) == 0);
        /* who has no window holds no place */
        assert_true(enter(arch, alike, 5) && gate_finds(arch, alike) == mailbox_request_at(&mailbox, 5));
        assert_true(gate_finds(arch, own) == TAKEN);
        /* all entries of a slot go, and no others */
        assert_true(enter(arch, own + 0x7000, 5));
        mailbox_leave(&mailbox, 5);
        assert_true(gate_finds(arch, alike) == UINT64_MAX && gate_finds(arch, own) == UINT64_MAX && gate_finds(arch, own + 0x7000) == UINT64_MAX);
        assert_true(gate_finds(arch, beside) == mailbox_request_at(&mailbox, 4));
        mailbox_leave(&mailbox, 4);
        mailbox_leave(&mailbox, MAILBOX_SLOTS - 1);
        assert_true(is_zero(mailbox.board->threads, sizeof mailbox.board->threads));
        assert_false(enter(arch, 0, 3) || enter(arch, 0, NONE));    /* no thread area: nothing to tell threads apart */
        assert_true(is_zero(mailbox.board->threads, sizeof mailbox.board->threads));
    }
    /* i386: the word has 32 bits; what a 64-bit register had above them is nobody's */
    assert_true(mailbox_enter(&mailbox, ABI_I386, 0x1234500000000 | where[ABI_I386], 3));
    assert_true(gate_finds(ABI_I386, where[ABI_I386]) == mailbox_request_at(&mailbox, 3));
    mailbox_leave(&mailbox, 3);
    /* every place can be used, and they are all there are */
    for (uint64_t place = 0; place < MAILBOX_THREADS; place++)
        assert_true(enter(ABI_X86_64, 0x7f0000000000 + place * 0x1000 + 0x40, (int)place % MAILBOX_SLOTS));
    for (uint64_t place = 0; place < MAILBOX_THREADS; place++)
        assert_true(gate_finds(ABI_X86_64, 0x7f0000000000 + place * 0x1000 + 0x40) == mailbox_request_at(&mailbox, (int)place % MAILBOX_SLOTS));
    assert_true(is_zero(&mailbox.board->start, PAGE));
}

/* --- requests -------------------------------------------------------------------------------------------- */

static void post_request(struct request *request, uint64_t first)
{
    request->nr = first;
    for (int i = 0; i < 6; i++)
        request->arg[i] = first + 1 + (uint64_t)i;
    request->ip = first + 7;
    __atomic_store_n(&request->state, REQUEST_POSTED, __ATOMIC_RELEASE);
}

static void test_take(void **state)
{
    struct request *request = &mailbox.requests[SLOT];
    struct mailbox_posted posted = { 0 };

    (void)state;
    assert_false(mailbox_take(&mailbox, SLOT, &posted));
    post_request(request, 0xfedcba9876543200);
    assert_false(mailbox_take(&mailbox, SLOT + 1, &posted));
    assert_false(mailbox_take(&mailbox, SLOT - 1, &posted));
    assert_true(mailbox_take(&mailbox, SLOT, &posted));
    assert_true(posted.nr == 0xfedcba9876543200);
    for (int i = 0; i < 6; i++)
        assert_true(posted.arg[i] == 0xfedcba9876543201 + (uint64_t)i);
    assert_true(posted.ip == 0xfedcba9876543207);
    assert_int_equal(request->state, REQUEST_TAKEN);
    assert_false(mailbox_take(&mailbox, SLOT, &posted));    /* once */
    request->state = 7;                                     /* no state at all */
    assert_false(mailbox_take(&mailbox, SLOT, &posted));
    assert_int_equal(request->state, 7);
}

static void test_answer(void **state)
{
    struct order *order = &mailbox.orders[SLOT];
    struct mailbox_posted posted;
    uint32_t seq = order->answer_seq;

    (void)state;
    for (int i = 0; i < 3; i++) {
        post_request(&mailbox.requests[SLOT], 1);
        assert_true(mailbox_take(&mailbox, SLOT, &posted));
        mailbox_answer(&mailbox, SLOT, ANSWER_VALUE, -(1ll << 40) - i);
        assert_int_equal(mailbox.requests[SLOT].state, REQUEST_NONE);
        assert_int_equal(order->answer_seq, ++seq);
        assert_int_equal(order->answer_kind, ANSWER_VALUE);
        assert_true(order->answer_value == -(1ll << 40) - i);
    }
    mailbox_answer(&mailbox, SLOT, ANSWER_KERNEL, 0);
    assert_int_equal(order->answer_kind, ANSWER_KERNEL);
    assert_int_equal(mailbox.orders[SLOT + 1].answer_seq, 0);
}

/* An order's result that is kept for its gate: the answer changes its kind, and not its number. */
static void test_settle(void **state)
{
    struct order *order = &mailbox.orders[SLOT];
    uint32_t seq;

    (void)state;
    mailbox_answer(&mailbox, SLOT, ANSWER_TRUSTEE, 17);
    seq = order->answer_seq;
    mailbox_settle(&mailbox, SLOT, ANSWER_VALUE, -(1ll << 40));
    assert_int_equal(order->answer_seq, seq);
    assert_int_equal(order->answer_kind, ANSWER_VALUE);
    assert_true(order->answer_value == -(1ll << 40));
    assert_int_equal(order[1].answer_kind, 0);
}

/* A gate that gets tired takes its request back: either it or the helper has it, never both, never none. */
static struct { atomic_int go, back; } race;

static void *tired_gate(void *arg)
{
    struct request *request = arg;

    for (int round = 1; round <= ROUNDS; round++) {
        uint32_t expected = REQUEST_POSTED;

        while (atomic_load(&race.go) != round)
            __builtin_ia32_pause();
        atomic_store(&race.back, round * 2 + __atomic_compare_exchange_n(&request->state, &expected, REQUEST_NONE, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    }
    return NULL;
}

static void test_take_race(void **state)
{
    struct request *request = &mailbox.requests[SLOT];
    int ours = 0;
    pthread_t gate;

    (void)state;
    atomic_store(&race.go, 0);
    assert_int_equal(pthread_create(&gate, NULL, tired_gate, request), 0);
    for (int round = 1; round <= ROUNDS; round++) {
        struct mailbox_posted posted;
        int back;
        bool taken;

        post_request(request, (uint64_t)round);
        atomic_store(&race.go, round);
        for (int i = round % 64; i > 0; i--)
            __builtin_ia32_pause();
        taken = mailbox_take(&mailbox, SLOT, &posted);
        while ((back = atomic_load(&race.back)) / 2 != round)
            __builtin_ia32_pause();
        assert_int_not_equal(taken, back & 1);
        assert_int_equal(request->state, taken ? REQUEST_TAKEN : REQUEST_NONE);
        ours += taken;
    }
    pthread_join(gate, NULL);
    assert_true(ours > 0);
}

/* A hostile thread changes the fields while they are copied: each copied word is one that was there, and the copy does not change afterwards. */
static atomic_bool flipping;

static void *flipper(void *arg)
{
    struct request *request = arg;
    volatile struct request *window = request;

    for (uint64_t word = 0x1111111111111111; atomic_load(&flipping); word = ~word) {
        window->nr = word;
        for (int i = 0; i < 6; i++)
            window->arg[i] = word;
        window->ip = word;
        window->state = REQUEST_POSTED;
    }
    return NULL;
}

static bool whole(uint64_t word)
{
    return word == 0x1111111111111111 || word == 0xeeeeeeeeeeeeeeee;
}

static void test_take_flipping(void **state)
{
    struct mailbox_posted posted, again;
    time_t end = time(NULL) + 20;
    int taken = 0;
    pthread_t thread;

    (void)state;
    post_request(&mailbox.requests[SLOT], 0);
    mailbox.requests[SLOT].state = REQUEST_NONE;
    atomic_store(&flipping, true);
    assert_int_equal(pthread_create(&thread, NULL, flipper, &mailbox.requests[SLOT]), 0);
    while (taken < ROUNDS / 10 && time(NULL) < end) {
        if (!mailbox_take(&mailbox, SLOT, &posted)) {
            sched_yield();
            continue;
        }
        again = posted;
        assert_true(whole(posted.nr) && whole(posted.ip));
        for (int k = 0; k < 6; k++)
            assert_true(whole(posted.arg[k]));
        mailbox_answer(&mailbox, SLOT, ANSWER_VALUE, 0);
        assert_memory_equal(&again, &posted, sizeof posted);
        taken++;
    }
    atomic_store(&flipping, false);
    pthread_join(thread, NULL);
    assert_int_equal(taken, ROUNDS / 10);
}

/* Each field is fetched exactly once: all fields lie on a page that nobody can read; every fault is one fetch, and between two steps the page
 * is closed again. */
static struct {
    volatile sig_atomic_t fetches[8];    /* nr, arg[0..5], ip */
    volatile sig_atomic_t others;
} watch;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    size_t offset = (size_t)((uint8_t *)info->si_addr - (uint8_t *)&mailbox.requests[SLOT]);
    size_t field = (offset - offsetof(struct request, nr)) / 8;

    (void)signal;
    if (offset >= offsetof(struct request, nr) && field < 8)
        watch.fetches[field]++;
    else
        watch.others++;
    mprotect(&mailbox.requests[SLOT], PAGE, PROT_READ | PROT_WRITE);
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= 0x100;    /* one step */
}

static void on_step(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    mprotect(&mailbox.requests[SLOT], PAGE, PROT_NONE);
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}

static void test_take_fetches_once(void **state)
{
    struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
    struct sigaction old_fault, old_trap;
    struct mailbox_posted posted;
    bool taken;

    (void)state;
    memset((void *)&watch, 0, sizeof watch);
    post_request(&mailbox.requests[SLOT], 100);
    sigaction(SIGSEGV, &fault, &old_fault);
    sigaction(SIGTRAP, &step, &old_trap);
    mprotect(&mailbox.requests[SLOT], PAGE, PROT_NONE);
    taken = mailbox_take(&mailbox, SLOT, &posted);
    mprotect(&mailbox.requests[SLOT], PAGE, PROT_READ | PROT_WRITE);
    sigaction(SIGSEGV, &old_fault, NULL);
    sigaction(SIGTRAP, &old_trap, NULL);
    assert_true(taken);
    assert_int_equal(posted.nr, 100);
    for (int i = 0; i < 8; i++)
        assert_int_equal(watch.fetches[i], 1);
    assert_in_range(watch.others, 1, 3);    /* state: looked at, exchanged */
}

/* --- sleepers -------------------------------------------------------------------------------------------- */

struct sleeper { uint32_t *word, seen; atomic_int tid, awake; };

static void *sleep_on(void *arg)
{
    struct sleeper *sleeper = arg;
    struct timespec limit = { .tv_sec = 10 };

    atomic_store(&sleeper->tid, (int)syscall(SYS_gettid));
    if (syscall(SYS_futex, sleeper->word, FUTEX_WAIT, sleeper->seen, &limit, NULL, 0) == 0)
        atomic_store(&sleeper->awake, 1);
    else
        atomic_store(&sleeper->awake, -errno);
    return NULL;
}

static bool sleeps(pid_t tid)
{
    char path[64], state = 0;
    FILE *file;
    int fields;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    file = fopen(path, "r");
    if (!file)
        return false;
    fields = fscanf(file, "%*d %*s %c", &state);
    fclose(file);
    return fields == 1 && state == 'S';
}

/* Start it and wait until it sleeps. */
static pthread_t put_to_sleep(struct sleeper *sleeper)
{
    pthread_t thread;

    atomic_store(&sleeper->tid, 0);
    atomic_store(&sleeper->awake, 0);
    assert_int_equal(pthread_create(&thread, NULL, sleep_on, sleeper), 0);
    for (int i = 0; i < 5000 && !(atomic_load(&sleeper->tid) && sleeps(atomic_load(&sleeper->tid))); i++)
        usleep(1000);
    return thread;
}

static void test_answer_wakes(void **state)
{
    struct sleeper sleeper = { .word = &mailbox.orders[SLOT].answer_seq, .seen = mailbox.orders[SLOT].answer_seq };
    pthread_t thread = put_to_sleep(&sleeper);

    (void)state;
    mailbox.requests[SLOT].waiting = 1;
    mailbox_answer(&mailbox, SLOT, ANSWER_VALUE, 1);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&sleeper.awake), 1);
}

/* Strict mode's gate can't sleep on a futex; it reads from the bell. */
static void test_answer_rings(void **state)
{
    int ends[2];
    char byte;

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    mailbox.bell = ends[1];
    mailbox_answer(&mailbox, SLOT, ANSWER_VALUE, 1);
    assert_int_equal(read(ends[0], &byte, 1), -1);    /* nobody waits: silence */
    mailbox.requests[SLOT].waiting = 1;
    mailbox_answer(&mailbox, SLOT, ANSWER_VALUE, 1);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    for (int i = 0; i < 70000; i++)                   /* a hostile waiter does not hold the helper up */
        mailbox_answer(&mailbox, SLOT, ANSWER_VALUE, 1);
    mailbox.bell = -1;
    mailbox.requests[SLOT].waiting = 0;
    close(ends[0]);
    close(ends[1]);
}

static void test_wake_trustee(void **state)
{
    struct sleeper sleeper = { .word = &mailbox.orders[SLOT].alarm, .seen = mailbox.orders[SLOT].alarm };
    struct mailbox_order order = { .command = ORDER_EXECUTE, .nr = 1 };
    pthread_t thread = put_to_sleep(&sleeper);

    (void)state;
    assert_int_equal(mailbox_post(&mailbox, SLOT, &order), 1);
    mailbox_wake(&mailbox, SLOT);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&sleeper.awake), 1);
}

/* --- the alarms, when their owner is killed -------------------------------------------------------------- */

enum { ALARMS = 4 };
static const int alarmed[ALARMS] = { 0, SLOT, SLOT + 1, MAILBOX_SCRATCH - 1 }, retired = SLOT + 2, reused = SLOT + 3, unguarded = SLOT + 4;
enum { FAR = MAILBOX_BLOCKS + 3 };    /* a block of another pool */

static void owner_guard(struct mailbox *m, int i)
{
    mailbox_prepare(m, i);
    mailbox_guard(m, i);
}

/* A helper in small: two pools, slots guarded in a block of each, some retired; then it tells where the windows are and waits for its end. */
static void owner_run(int tell)
{
    struct mailbox_order order = { .command = ORDER_EXECUTE };
    uint32_t windows[2];

    mailbox_destroy(&mailbox);
    for (int i = 0; i <= FAR; i++)    /* the first pool was our parent's, the others are our own: so is their robust list */
        if (mailbox_create(&many[i], base))
            _exit(1);
    for (int far = 0; far < 2; far++) {
        struct mailbox *m = &many[far ? FAR : MAILBOX_BLOCKS];

        for (int i = 0; i < ALARMS; i++)
            owner_guard(m, alarmed[i]);
        for (int again = 0; again < 2; again++) {
            owner_guard(m, retired);
            owner_guard(m, reused);
            mailbox_guard(m, reused);    /* it is already */
            mailbox_retire(m, retired);
            mailbox_retire(m, reused);
            mailbox_retire(m, reused);
        }
        mailbox_retire(m, SLOT + 20);    /* never prepared */
        mailbox_prepare(m, unguarded);
        owner_guard(m, reused);
        mailbox_post(m, SLOT, &order);
        windows[far] = mailbox_windows(m);
    }
    (void)!write(tell, windows, sizeof windows);
    for (;;)
        pause();
}

/* The order windows of another process's block, as a trustee has them. */
static const struct order *orders_of(pid_t pid, uint32_t windows)
{
    char path[64];
    void *orders;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/fd/%u", pid, WINDOWS_ORDER_FD(windows));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    orders = mmap(NULL, MAILBOX_SLOTS * sizeof(struct order), PROT_READ, MAP_SHARED, fd,
                  (off_t)WINDOWS_BLOCK(windows) * BLOCK_ORDER_SPAN + MAILBOX_BOARD_SPAN);
    assert_ptr_not_equal(orders, MAP_FAILED);
    close(fd);
    return orders;
}

static void test_owner_killed(void **state)
{
    static struct sleeper sleeper[2][ALARMS + 1];
    pthread_t thread[2][ALARMS + 1];
    const struct order *orders[2];
    uint32_t windows[2];
    int tell[2];
    pid_t pid;

    (void)state;
    assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        owner_run(tell[1]);
    close(tell[1]);
    assert_int_equal(read(tell[0], windows, sizeof windows), sizeof windows);
    close(tell[0]);
    assert_int_not_equal(WINDOWS_ORDER_FD(windows[0]), WINDOWS_ORDER_FD(mailbox_windows(&mailbox)));
    for (int far = 0; far < 2; far++) {
        orders[far] = orders_of(pid, windows[far]);
        for (int i = 0; i <= ALARMS; i++) {
            const struct order *order = &orders[far][i < ALARMS ? alarmed[i] : reused];

            assert_int_equal(order->alarm & ALARM_OWNER, pid);
            sleeper[far][i] = (struct sleeper){ .word = (uint32_t *)(uintptr_t)&order->alarm, .seen = order->alarm };
            thread[far][i] = put_to_sleep(&sleeper[far][i]);
        }
        assert_true(orders[far][SLOT].alarm & ALARM_TOGGLE);
    }
    for (int far = 0; far < 2; far++)
        for (int i = 0; i <= ALARMS; i++)
            assert_int_equal(atomic_load(&sleeper[far][i].awake), 0);
    kill(pid, SIGKILL);
    for (int far = 0; far < 2; far++) {
        for (int i = 0; i <= ALARMS; i++) {
            pthread_join(thread[far][i], NULL);
            assert_int_equal(atomic_load(&sleeper[far][i].awake), 1);
            assert_int_equal(*(volatile uint32_t *)sleeper[far][i].word & ALARM_OWNER, 0);
        }
        assert_int_equal(orders[far][retired].alarm & ALARM_OWNER, pid);    /* nobody's any more: left alone */
        assert_int_equal(orders[far][unguarded].alarm & ALARM_OWNER, pid);
        assert_int_equal(orders[far][SLOT + 20].alarm, 0);
        munmap((void *)(uintptr_t)orders[far], MAILBOX_SLOTS * sizeof(struct order));
    }
    waitpid(pid, NULL, 0);
}

/* --- orders ---------------------------------------------------------------------------------------------- */

static void test_post(void **state)
{
    struct mailbox_order order = { .command = ORDER_EXECUTE, .nr = 0xffffffff00000001, .arg = { 1, 2, 3, 4, 5, UINT64_MAX } };
    struct order *window = &mailbox.orders[SLOT];

    (void)state;
    for (uint32_t seq = 1; seq < 4; seq++) {
        uint32_t alarm = window->alarm;

        assert_int_equal(mailbox_post(&mailbox, SLOT, &order), seq);
        assert_int_equal(window->alarm, alarm ^ ALARM_TOGGLE);    /* a trustee on its way to sleep notices */
        assert_int_equal(window->seq, seq);
        assert_int_equal(window->command, ORDER_EXECUTE);
        assert_int_equal(window->wake, 0);
        assert_true(window->nr == order.nr);
        assert_memory_equal(window->arg, order.arg, sizeof order.arg);
        mailbox_patience(&mailbox, SLOT);    /* for this order only */
        assert_int_equal(window->wake, 1);
        assert_int_equal(mailbox.orders[SLOT + 1].wake, 0);
    }
    order = (struct mailbox_order){ .command = ORDER_HIGH };
    mailbox_post(&mailbox, SLOT, &order);
    assert_int_equal(window->command, ORDER_HIGH);
    assert_int_equal(window->wake, 0);
    assert_int_equal(mailbox.orders[SLOT + 1].seq, 0);
    window->seq = UINT32_MAX;
    assert_in_range(mailbox_post(&mailbox, SLOT, &order), 0, 1);    /* it turns over */
}

/* Whoever sees a new seq sees the order that belongs to it. */
static struct { atomic_uint read; atomic_int torn; } reader;

static void *read_orders(void *arg)
{
    const volatile struct order *window = arg;

    for (uint32_t last = 0; last < ROUNDS; last++) {
        while (__atomic_load_n(&window->seq, __ATOMIC_RELAXED) == last)
            __builtin_ia32_pause();
        for (int i = 0; i < 6; i++)
            if (window->arg[i] != last + 1ull || window->nr != last + 1ull || window->command != (last + 1) % 4)
                atomic_fetch_add(&reader.torn, 1);
        atomic_store(&reader.read, last + 1);
    }
    return NULL;
}

static void test_post_is_last(void **state)
{
    pthread_t thread;

    (void)state;
    atomic_store(&reader.read, 0);
    assert_int_equal(pthread_create(&thread, NULL, read_orders, &mailbox.orders[SLOT]), 0);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        struct mailbox_order order = { .command = (enum order_command)(i % 4), .nr = i, .arg = { i, i, i, i, i, i } };

        assert_int_equal(mailbox_post(&mailbox, SLOT, &order), i);
        while (atomic_load(&reader.read) != i)
            __builtin_ia32_pause();
    }
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&reader.torn), 0);
}

static void test_flags(void **state)
{
    const struct order *order = &mailbox.orders[SLOT];

    (void)state;
    mailbox_awake(&mailbox, SLOT, true, 321);
    assert_int_equal(order->awake, 1);
    assert_int_equal(order->spins, 321);
    assert_true(order->yields > 0);
    mailbox_ring(&mailbox, SLOT, true);
    assert_int_equal(order->ring, 1);
    assert_int_equal(order[1].awake + order[1].spins + order[1].yields + order[1].ring, 0);    /* each slot by itself */
    assert_int_equal(order[-1].awake + order[-1].spins + order[-1].yields + order[-1].ring, 0);
    mailbox_awake(&mailbox, SLOT, false, 0);
    assert_int_equal(order->awake, 0);
    assert_int_equal(order->spins, 0);
    assert_int_equal(order->yields, 0);
    mailbox_ring(&mailbox, SLOT, false);
    assert_int_equal(order->ring, 0);
}

static void test_hint(void **state)
{
    (void)state;
    mailbox.requests[SLOT].done = 17;
    mailbox.requests[SLOT].result = -5;
    assert_true(mailbox_hint(&mailbox, SLOT, 17));
    assert_false(mailbox_hint(&mailbox, SLOT, 18));
    assert_false(mailbox_hint(&mailbox, SLOT, 17 + 65536));
    assert_false(mailbox_hint(&mailbox, SLOT + 1, 17));
    assert_int_equal(mailbox_result(&mailbox, SLOT), -5);
}

/* --- evidence -------------------------------------------------------------------------------------------- */

/* A thread in the trustee's place: it leaves what it is told to leave, as asm/ARCH/trustee.S does. */
static struct {
    pthread_t thread;
    bool runs;
    atomic_int tid, turn;       /* odd: something to leave; even: left */
    enum abi_arch arch;
    uint64_t head;
    atomic_long result;
} stand_in;

static long leave_i386(uint32_t head)
{
    long result;

    __asm__ volatile("int $0x80" : "=a"(result) : "0"((long)NR_I386_SET_ROBUST_LIST), "b"((long)head), "c"(12L) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

static void *stand_in_run(void *arg)
{
    uint64_t own;
    size_t length;

    (void)arg;
    syscall(SYS_get_robust_list, 0, &own, &length);
    atomic_store(&stand_in.tid, (int)syscall(SYS_gettid));
    for (;;) {
        while (!(atomic_load(&stand_in.turn) & 1))
            sched_yield();
        if (stand_in.arch == ABI_ARCHES)
            break;
        if (stand_in.arch == ABI_X86_64)
            atomic_store(&stand_in.result, syscall(SYS_set_robust_list, stand_in.head, 24L));
        else
            atomic_store(&stand_in.result, leave_i386((uint32_t)stand_in.head));
        atomic_fetch_add(&stand_in.turn, 1);
    }
    syscall(SYS_set_robust_list, own, 24L);
    leave_i386(0);
    return NULL;
}

static void leave(enum abi_arch arch, uint64_t head)
{
    stand_in.arch = arch;
    stand_in.head = head;
    atomic_fetch_add(&stand_in.turn, 1);
    while (arch != ABI_ARCHES && atomic_load(&stand_in.turn) & 1)
        sched_yield();
    assert_int_equal(atomic_load(&stand_in.result), 0);
}

static pid_t stand_in_start(void)
{
    atomic_store(&stand_in.tid, 0);
    atomic_store(&stand_in.turn, 0);
    atomic_store(&stand_in.result, 0);
    assert_int_equal(pthread_create(&stand_in.thread, NULL, stand_in_run, NULL), 0);
    stand_in.runs = true;
    while (!atomic_load(&stand_in.tid))
        sched_yield();
    return atomic_load(&stand_in.tid);
}

static void stand_in_end(void)
{
    stand_in.runs = false;
    leave(ABI_ARCHES, 0);
    pthread_join(stand_in.thread, NULL);
}

static void test_evidence_x86_64(void **state)
{
    static const int64_t results[] = { 0, 1, 42, -1, -EPERM, -4095, 4096, 0x7fffffff, 0x80000000, 0x7fffffffffff, 0x555555554000, -0x800000000000 };
    static const uint32_t seqs[] = { 1, 2, 0x7fff, 0x8000, 0xfffe, 0x10000, 0x12345678 };
    pid_t tid = stand_in_start();
    int64_t bits;

    (void)state;
    for (size_t s = 0; s < sizeof seqs / sizeof *seqs; s++)
        for (size_t r = 0; r < sizeof results / sizeof *results; r++) {
            leave(ABI_X86_64, (uint64_t)seqs[s] << 48 | ((uint64_t)results[r] & 0xffffffffffff));
            bits = 99;
            assert_true(mailbox_evidence(ABI_X86_64, tid, seqs[s], &bits));
            assert_true(bits == results[r]);
            assert_false(mailbox_evidence(ABI_X86_64, tid, seqs[s] + 1, &bits));
            assert_false(mailbox_evidence(ABI_X86_64, tid, seqs[s] - 1, &bits));
            assert_false(mailbox_evidence(ABI_X86_64, tid, seqs[s] ^ 0x8000, &bits));
        }
    stand_in_end();
}

static void test_evidence_i386(void **state)
{
    static const uint16_t results[] = { 0, 1, 42, 0x7fff, 0x8000, 0xffff, 0xf001 };
    static const uint32_t seqs[] = { 1, 2, 0x7fff, 0x8000, 0xfffe, 0x10001, 0x12345678 };
    pid_t tid = stand_in_start();
    int64_t bits;

    (void)state;
    leave(ABI_X86_64, 0x1234567812345678);    /* another register */
    for (size_t s = 0; s < sizeof seqs / sizeof *seqs; s++)
        for (size_t r = 0; r < sizeof results / sizeof *results; r++) {
            leave(ABI_I386, (uint64_t)(seqs[s] << 16 | results[r]));
            bits = -99;
            assert_true(mailbox_evidence(ABI_I386, tid, seqs[s], &bits));
            assert_int_equal(bits, results[r]);
            assert_false(mailbox_evidence(ABI_I386, tid, seqs[s] + 1, &bits));
            assert_false(mailbox_evidence(ABI_I386, tid, seqs[s] - 1, &bits));
            assert_false(mailbox_evidence(ABI_I386, tid, seqs[s] ^ 0x8000, &bits));
            assert_true(mailbox_evidence(ABI_X86_64, tid, 0x1234, &bits));
            assert_true(bits == 0x567812345678);
        }
    stand_in_end();
}

/* What the program can write proves nothing; nor does another thread's register, nor a thread that is gone. */
static void test_evidence_forged(void **state)
{
    pid_t tid = stand_in_start(), none = fork();
    int64_t bits = 0;

    (void)state;
    if (none == 0)
        _exit(0);
    waitpid(none, NULL, 0);
    leave(ABI_X86_64, 7ull << 48 | 1);
    leave(ABI_I386, 7u << 16 | 1);
    mailbox.requests[SLOT].done = 8;
    mailbox.requests[SLOT].result = 2;
    assert_true(mailbox_hint(&mailbox, SLOT, 8));
    for (int arch = 0; arch < ABI_ARCHES; arch++) {
        assert_true(mailbox_evidence(arch, tid, 7, &bits));
        assert_false(mailbox_evidence(arch, tid, 8, &bits));
        assert_false(mailbox_evidence(arch, (pid_t)syscall(SYS_gettid), 7, &bits));
        assert_false(mailbox_evidence(arch, none, 7, &bits));
        assert_false(mailbox_evidence(arch, none, 0, &bits));
        assert_false(mailbox_evidence(arch, -1, 0, &bits));
    }
    stand_in_end();
    for (int arch = 0; arch < ABI_ARCHES; arch++)
        assert_false(mailbox_evidence(arch, tid, 7, &bits));
}

/* Each number that an order can get leaves evidence that the kernel hands out, whatever the result: since Linux 6.18 get_robust_list takes a
 * register of -4095..-1 for an error of its own. */
static void test_evidence_every_order(void **state)
{
    struct mailbox_order order = { .command = ORDER_EXECUTE };
    pid_t tid = stand_in_start();
    int64_t bits;

    (void)state;
    for (uint32_t half = 0; half < 2; half++) {
        mailbox.orders[SLOT].seq = half ? 0xfffffffc : 0xfffc;
        for (int i = 0; i < 8; i++) {
            uint32_t seq = mailbox_post(&mailbox, SLOT, &order);

            assert_int_equal(mailbox.orders[SLOT].seq, seq);
            for (int64_t result = -4095; result < 0; result += 89) {
                leave(ABI_X86_64, (uint64_t)seq << 48 | ((uint64_t)result & 0xffffffffffff));
                if (!mailbox_evidence(ABI_X86_64, tid, seq, &bits))
                    fail_msg("x86_64: no evidence for order %#x with result %d", seq, (int)result);
                assert_true(bits == result);
                leave(ABI_I386, (uint32_t)(seq << 16 | (result & 0xffff)));
                if (!mailbox_evidence(ABI_I386, tid, seq, &bits))
                    fail_msg("i386: no evidence for order %#x with result %d", seq, (int)result);
                assert_true(bits == (result & 0xffff));
            }
        }
    }
    stand_in_end();
}

static int teardown(void **state)
{
    (void)state;
    if (stand_in.runs)    /* a test that failed */
        stand_in_end();
    mailbox_destroy(&mailbox);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_order_sealed), TEST(test_request_shared), TEST(test_windows), TEST(test_blocks), TEST(test_limits), TEST(test_prepare), TEST(test_threads),
        TEST(test_owner_killed), TEST(test_take), TEST(test_answer), TEST(test_settle), TEST(test_take_race),
        TEST(test_take_flipping), TEST(test_take_fetches_once), TEST(test_answer_wakes), TEST(test_answer_rings), TEST(test_wake_trustee), TEST(test_post),
        TEST(test_post_is_last), TEST(test_flags), TEST(test_hint), TEST(test_evidence_x86_64), TEST(test_evidence_i386), TEST(test_evidence_forged),
        TEST(test_evidence_every_order),
    };

    return cmocka_run_group_tests_name("unit-mailbox", tests, NULL, NULL);
}
