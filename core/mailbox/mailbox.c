/*
 * mailbox: see mailbox.h. x86 keeps stores in order and loads in order; the two places that need more (a store before a later load) say so.
 */
#include "core/mailbox/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* A trustee that looks a few times before it sleeps meets the next order twice as fast (3.6 us instead of 7); one that looks longer only takes
 * the CPU from the program. */
enum { TRUSTEE_YIELDS = 12 };


static void store32(uint32_t *place, uint32_t value)
{
    __atomic_store_n(place, value, __ATOMIC_RELEASE);
}

static uint32_t load32(const uint32_t *place)
{
    return __atomic_load_n(place, __ATOMIC_ACQUIRE);
}

static void futex_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void mailbox_awake(struct mailbox *mailbox, int i, bool awake, uint32_t spins)
{
    mailbox->orders[i].spins = spins;
    mailbox->orders[i].yields = awake ? TRUSTEE_YIELDS : 0;
    store32(&mailbox->orders[i].awake, awake);
    atomic_thread_fence(memory_order_seq_cst);
}

void mailbox_patience(struct mailbox *mailbox, int i)
{
    store32(&mailbox->orders[i].wake, 1);
}

void mailbox_ring(struct mailbox *mailbox, int i, bool ring)
{
    store32(&mailbox->orders[i].ring, ring);
    atomic_thread_fence(memory_order_seq_cst);    /* before the caller looks at result cells once more */
}

bool mailbox_take(struct mailbox *mailbox, int i, struct mailbox_posted *posted)
{
    struct request *request = &mailbox->requests[i];
    volatile const struct request *claim = request;    /* each field is fetched exactly once */
    uint32_t expected = REQUEST_POSTED;

    if (load32(&request->state) != REQUEST_POSTED)
        return false;
    if (!__atomic_compare_exchange_n(&request->state, &expected, REQUEST_TAKEN, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return false;
    posted->nr = claim->nr;
    for (int k = 0; k < 6; k++)
        posted->arg[k] = claim->arg[k];
    posted->ip = claim->ip;
    return true;
}

void mailbox_answer(struct mailbox *mailbox, int i, enum answer_kind kind, int64_t value)
{
    struct order *order = &mailbox->orders[i];

    store32(&mailbox->requests[i].state, REQUEST_NONE);
    order->answer_kind = kind;
    order->answer_value = value;
    __atomic_store_n(&order->answer_seq, order->answer_seq + 1, __ATOMIC_SEQ_CST);
    if (!load32(&mailbox->requests[i].waiting))
        return;
    if (mailbox->bell >= 0)
        (void)!write(mailbox->bell, "", 1);    /* a full pipe has been rung already */
    else
        futex_wake(&order->answer_seq);
}

void mailbox_settle(struct mailbox *mailbox, int i, enum answer_kind kind, int64_t value)
{
    struct order *order = &mailbox->orders[i];

    __atomic_store_n(&order->answer_value, value, __ATOMIC_RELAXED);
    __atomic_store_n(&order->answer_kind, kind, __ATOMIC_SEQ_CST);
}

uint32_t mailbox_post(struct mailbox *mailbox, int i, const struct mailbox_order *order)
{
    struct order *window = &mailbox->orders[i];

    window->command = order->command;
    window->wake = 0;
    window->nr = order->nr;
    for (int k = 0; k < 6; k++)
        window->arg[k] = order->arg[k];
    /* A register that looks like an errno is one to get_robust_list, since Linux 6.18: such numbers are not given. */
    store32(&window->seq, window->seq + ((window->seq + 1) % 0x10000 == 0xffff ? 2 : 1));
    store32(&window->alarm, window->alarm ^ ALARM_TOGGLE);
    return window->seq;
}

void mailbox_wake(struct mailbox *mailbox, int i)
{
    futex_wake(&mailbox->orders[i].alarm);
}

bool mailbox_hint(const struct mailbox *mailbox, int i, uint32_t seq)
{
    return load32(&mailbox->requests[i].done) == seq;
}

int64_t mailbox_result(const struct mailbox *mailbox, int i)
{
    return __atomic_load_n(&mailbox->requests[i].result, __ATOMIC_RELAXED);
}
