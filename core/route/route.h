/*
 * route: which way each system call goes, computed once from the policy's constant answers and the table.
 *
 * Pure computation in the helper. The same routes are compiled into the kernel filter and into the gate's bitmap, so that gate and kernel
 * can't disagree; `nurse check` prints them. Test: t/10-unit-route.t.
 */
#ifndef NURSE_ROUTE_H
#define NURSE_ROUTE_H

#include "core/helper/judge.h"
#include "core/mailbox/layout.h"

enum route {
    ROUTE_NATIVE,       /* runs in the thread; the kernel filter lets it pass */
    ROUTE_DENIED,       /* the kernel filter answers */
    ROUTE_MAILBOX,      /* gate, or notification where the gate is missed; helper; trustee or direct answer */
    ROUTE_NOTIFY,       /* notification; helper; the thread itself goes on or gets an errno */
};

struct route_entry {
    const struct abi_call *row;     /* NULL: a number without a row: ENOSYS, said once */
    enum route route;
    bool constant;                  /* the verdict below never depends on the call */
    struct verdict verdict;
};

struct route_table {
    unsigned made;                  /* counts tables: which one this is */
    struct route_entry entry[ABI_ARCHES][MAILBOX_ROUTES];
};

/* The route of one call: `constant` says that the policy's answer is always *verdict. */
enum route route_of(const struct abi_call *row, bool constant, const struct verdict *verdict);
const char *route_name(enum route route);
/* Fill the table for every number of both architectures. */
void route_compute(struct route_table *table, const struct judge *judge);
/* Whether EINTR from this call can only mean that a handler ran before the helper had heard of it (seccomp_unotify(2)), so that it is made again. */
bool route_repeats(const struct route_entry *entry);
/* Whether the thread that makes this call comes back from it to where it made it. */
bool route_returns(const struct abi_call *row);
/* The entry of a number; one without a row for numbers outside the table. */
const struct route_entry *route_entry(const struct route_table *table, enum abi_arch arch, uint64_t nr);

#endif
