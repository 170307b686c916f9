/*
 * pool: the memory of all windows, and who gets which block of it.
 *
 * Runs in the helper. A pool is two memfds, one for order windows and one for request windows, which the helper maps whole before it seals the first
 * against every later writable mapping; a process maps its own block and no other. What a block's last owner wrote is wiped before the next gets it.
 *
 * Every trustee sleeps on a robust futex of the helper's (order.alarm): when the helper dies, even by SIGKILL, the kernel walks the helper's robust list
 * (set_robust_list(2)), and each trustee it wakes ends its process. The list's nodes lie in private memory at a fixed distance from the futexes.
 * Test: t/10-unit-mailbox.t, t/32-live-badinput.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/mailbox/mailbox.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define POOL_ORDERS ((size_t)MAILBOX_BLOCKS * BLOCK_ORDER_SPAN)
#define POOL_REQUESTS ((size_t)MAILBOX_BLOCKS * BLOCK_REQUEST_SPAN)

struct mailbox_pool {
    int order_fd, request_fd;
    uint8_t *orders;                        /* then, as far behind as they are long, the nodes of the robust list */
    uint8_t *requests;
    uint32_t used;                          /* bit: block */
    uint64_t dirty[MAILBOX_BLOCKS];         /* bit: slot that has been in use */
};

/* A node of the robust list; the kernel looks at `next` only. */
struct node { struct node *next, **link; };

static struct mailbox_pool pools[MAILBOX_POOLS];
static int pool_count;
static struct {
    struct node *first;
    long futex_offset;
    struct node *pending;
} robust = { .first = (struct node *)&robust };

static_assert(offsetof(struct robust_list_head, futex_offset) == sizeof(void *), "struct robust_list_head");

/* A memfd of `size` bytes. Returns the descriptor or -errno. */
static int pool_memory(const char *name, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd >= 0 && ftruncate(fd, (off_t)size)) {
        close(fd);
        return -ENOMEM;
    }
    return fd < 0 ? -errno : fd;
}

/* The order windows and behind them, in private memory, as much room for nodes: pages of it exist where one is written. */
static uint8_t *pool_map_orders(int fd)
{
    uint8_t *orders = mmap(NULL, 2 * POOL_ORDERS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (orders == MAP_FAILED)
        return NULL;
    if (mmap(orders, POOL_ORDERS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED)
        return orders;
    munmap(orders, 2 * POOL_ORDERS);
    return NULL;
}

/* Give back what was had of a pool that could not be made. */
static void pool_discard(struct mailbox_pool *pool)
{
    if (pool->order_fd >= 0)
        close(pool->order_fd);
    if (pool->request_fd >= 0)
        close(pool->request_fd);
    if (pool->orders)
        munmap(pool->orders, 2 * POOL_ORDERS);
    if (pool->requests)
        munmap(pool->requests, POOL_REQUESTS);
    *pool = (struct mailbox_pool){ .order_fd = -1 };
}

static bool pool_map(struct mailbox_pool *pool)
{
    pool->order_fd = pool_memory("nurse-order", POOL_ORDERS);
    pool->request_fd = pool_memory("nurse-request", POOL_REQUESTS);
    if (pool->order_fd < 0 || pool->request_fd < 0 || pool->order_fd >= 1 << WINDOWS_FD_BITS || pool->request_fd >= 1 << WINDOWS_FD_BITS)
        return false;
    pool->orders = pool_map_orders(pool->order_fd);
    pool->requests = mmap(NULL, POOL_REQUESTS, PROT_READ | PROT_WRITE, MAP_SHARED, pool->request_fd, 0);
    if (pool->requests == MAP_FAILED)
        pool->requests = NULL;
    return pool->orders && pool->requests;
}

static int pool_create(struct mailbox_pool *pool)
{
    *pool = (struct mailbox_pool){ 0 };
    /* Sealed, nobody gets a writable view of the orders any more, by any descriptor: ours is the last. */
    if (!pool_map(pool) || fcntl(pool->order_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ||
        fcntl(pool->request_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        pool_discard(pool);
        return -ENOMEM;
    }
    robust.futex_offset = -(long)POOL_ORDERS;
    return syscall(SYS_set_robust_list, &robust, sizeof robust) ? -errno : 0;
}

/* A pool with a free block; NULL and *error when there is none and none can be made. */
static struct mailbox_pool *pool_find(int *error)
{
    for (int i = 0; i < pool_count; i++)
        if (pools[i].used != (1u << MAILBOX_BLOCKS) - 1)
            return &pools[i];
    if (pool_count == MAILBOX_POOLS) {
        *error = -EAGAIN;
        return NULL;
    }
    *error = pool_create(&pools[pool_count]);
    return *error ? NULL : &pools[pool_count++];
}

/* Nothing of the last owner's is left for the next: it could write to all of its request windows, used or not, and orders hold its paths. The order windows'
 * seal forbids holes, so what exists of them is overwritten. Returns 0 or -errno. */
static int pool_wipe(struct mailbox_pool *pool, int block)
{
    off_t data = (off_t)block * BLOCK_ORDER_SPAN, end = data + BLOCK_ORDER_SPAN, hole;

    pool->dirty[block] = 0;
    while ((data = lseek(pool->order_fd, data, SEEK_DATA)) >= 0 && data < end) {
        hole = lseek(pool->order_fd, data, SEEK_HOLE);
        if (hole < 0 || hole > end)
            hole = end;
        memset(pool->orders + data, 0, (size_t)(hole - data));
        data = hole;
    }
    return fallocate(pool->request_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)block * BLOCK_REQUEST_SPAN, BLOCK_REQUEST_SPAN) ? -errno : 0;
}

int mailbox_create(struct mailbox *mailbox, uint64_t base)
{
    int error = 0, block;
    struct mailbox_pool *pool = pool_find(&error);
    uint8_t *orders;

    *mailbox = (struct mailbox){ .bell = -1, .base = base };
    if (!pool)
        return error;
    block = __builtin_ctz(~pool->used);
    pool->used |= 1u << block;
    orders = pool->orders + (size_t)block * BLOCK_ORDER_SPAN;
    mailbox->pool = pool;
    mailbox->block = block;
    mailbox->board = (void *)orders;
    mailbox->orders = (void *)(orders + MAILBOX_BOARD_SPAN);
    mailbox->requests = (void *)(pool->requests + (size_t)block * BLOCK_REQUEST_SPAN);
    error = pool_wipe(pool, block);
    if (error) {
        pool->used &= ~(1u << block);
        mailbox->pool = NULL;
        return error;
    }
    mailbox->board->requests = mailbox_request_at(mailbox, 0);
    mailbox->board->requests_end = mailbox_request_at(mailbox, MAILBOX_SLOTS);
    return 0;
}

void mailbox_destroy(struct mailbox *mailbox)
{
    if (!mailbox->pool)
        return;
    for (int i = 0; i < MAILBOX_SLOTS; i++)
        mailbox_retire(mailbox, i);
    mailbox->pool->used &= ~(1u << mailbox->block);
    mailbox->pool = NULL;
}

uint32_t mailbox_windows(const struct mailbox *mailbox)
{
    return WINDOWS_PACK(mailbox->pool->order_fd, mailbox->pool->request_fd, mailbox->block);
}

uint64_t mailbox_order_at(const struct mailbox *mailbox, int i)
{
    return mailbox->base + KEEP_ORDER + (uint64_t)i * MAILBOX_ORDER_SPAN;
}

uint64_t mailbox_request_at(const struct mailbox *mailbox, int i)
{
    return mailbox->base + KEEP_REQUEST + (uint64_t)i * MAILBOX_REQUEST_SPAN;
}

static struct node *pool_node(const struct mailbox *mailbox, int i)
{
    return (void *)((uint8_t *)&mailbox->orders[i].alarm + POOL_ORDERS);
}

void mailbox_prepare(struct mailbox *mailbox, int i)
{
    struct order *order = &mailbox->orders[i];
    struct request *request = &mailbox->requests[i];

    mailbox->pool->dirty[mailbox->block] |= 1ull << i;
    memset(order, 0, offsetof(struct order, birth));
    memset(request, 0, offsetof(struct request, caught));
    request->self = mailbox_request_at(mailbox, i);
    request->order = mailbox_order_at(mailbox, i);
    order->alarm = (uint32_t)getpid() | FUTEX_WAITERS;
    order->ring_nr = NURSE_CALL;
    order->ring_arg[0] = REPORT_RING;
}

void mailbox_guard(struct mailbox *mailbox, int i)
{
    struct node *node = pool_node(mailbox, i);

    if (!node->next) {
        *node = (struct node){ .next = robust.first, .link = &robust.first };
        if (node->next != (struct node *)&robust)
            node->next->link = &node->next;
        robust.first = node;
    }
}

void mailbox_retire(struct mailbox *mailbox, int i)
{
    struct node *node;

    if (!(mailbox->pool->dirty[mailbox->block] & 1ull << i))
        return;
    node = pool_node(mailbox, i);
    if (node->next) {
        *node->link = node->next;
        if (node->next != (struct node *)&robust)
            node->next->link = node->link;
        *node = (struct node){ 0 };
    }
}

/* The place of a key, see layout.h. */
static unsigned pool_place(enum abi_arch arch, uint64_t key)
{
    return (arch == ABI_X86_64 ? key >> 28 : key >> 12) % MAILBOX_THREADS;
}

bool mailbox_enter(struct mailbox *mailbox, enum abi_arch arch, uint64_t key, int i)
{
    unsigned place = pool_place(arch, key);
    struct board *board = mailbox->board;

    if (arch == ABI_X86_64)
        key &= ~0xffffull;
    else
        key = (uint32_t)key;
    if (key == 0 || (board->threads[place].request && board->threads[place].key != key))
        return false;
    board->threads[place].request = 0;
    __atomic_store_n(&board->threads[place].key, key, __ATOMIC_SEQ_CST);
    __atomic_store_n(&board->threads[place].request, i < 0 ? 0 : mailbox_request_at(mailbox, i), __ATOMIC_SEQ_CST);
    return true;
}

void mailbox_leave(struct mailbox *mailbox, int i)
{
    uint64_t request = mailbox_request_at(mailbox, i);

    for (int place = 0; place < MAILBOX_THREADS; place++)
        if (mailbox->board->threads[place].request == request) {
            mailbox->board->threads[place].request = 0;
            mailbox->board->threads[place].key = 0;
        }
}
