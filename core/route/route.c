/*
 * route: see route.h. Whom it believes: the table in core/abi for what a call does, the judge for what the policy says; a call that could
 * harm the keystone never becomes native, whatever the policy says.
 */
#include "core/route/route.h"

#include <errno.h>
#include <string.h>

enum route route_of(const struct abi_call *row, bool constant, const struct verdict *verdict)
{
    if (constant && verdict->kind >= VERDICT_KILL_PROCESS)
        return ROUTE_NOTIFY;    /* the helper kills, with the policy's signal, and says why */
    if (row->where == ABI_UNSAFE || (constant && (verdict->kind == VERDICT_DENY || verdict->kind == VERDICT_ASK)))
        return ROUTE_DENIED;
    switch (row->where) {
    case ABI_THREAD:
    case ABI_BLOCKS:
        return constant && verdict->kind == VERDICT_ALLOW ? ROUTE_NATIVE : ROUTE_NOTIFY;
    case ABI_WATCHED:
    case ABI_PROCESS:
        return ROUTE_NOTIFY;
    case ABI_ANY:
        return constant && verdict->kind == VERDICT_ALLOW ? ROUTE_NATIVE : ROUTE_MAILBOX;
    default:
        return ROUTE_MAILBOX;
    }
}

const char *route_name(enum route route)
{
    static const char *const names[] = {
        [ROUTE_NATIVE] = "native", [ROUTE_DENIED] = "denied", [ROUTE_MAILBOX] = "mailbox", [ROUTE_NOTIFY] = "notify",
    };

    return names[route];
}

/* The route of a call that is always allowed: off the native way where somebody asks for its result. */
static enum route route_asked(const struct abi_call *row, const struct judge *judge)
{
    bool watched = judge->watches(judge->self, row);

    if (!watched && !(judge->hears && judge->hears(judge->self, row)))
        return ROUTE_NATIVE;
    return row->where == ABI_ANY || (row->where == ABI_BLOCKS && watched) ? ROUTE_MAILBOX : ROUTE_NOTIFY;
}

void route_compute(struct route_table *table, const struct judge *judge)
{
    static unsigned made;

    table->made = ++made;
    for (int arch = 0; arch < ABI_ARCHES; arch++)
        for (int nr = 0; nr < MAILBOX_ROUTES; nr++) {
            struct route_entry *entry = &table->entry[arch][nr];

            *entry = (struct route_entry){ .row = abi_call(arch, nr), .route = ROUTE_NOTIFY };
            if (!entry->row)
                continue;
            entry->constant = judge->constant(judge->self, arch, entry->row, &entry->verdict);
            entry->route = route_of(entry->row, entry->constant, &entry->verdict);
            if (entry->route == ROUTE_NATIVE)
                entry->route = route_asked(entry->row, judge);
            if (entry->row->where == ABI_UNSAFE && judge->refused)
                entry->route = ROUTE_NOTIFY;    /* refused by the helper, who tells of it */
            if (entry->row->where == ABI_UNSAFE && (!entry->constant || entry->verdict.kind < VERDICT_KILL_PROCESS))
                entry->verdict = (struct verdict){ .kind = VERDICT_DENY, .error = EPERM };
            if (entry->route == ROUTE_DENIED && entry->verdict.kind == VERDICT_ASK)
                entry->verdict = (struct verdict){ .kind = VERDICT_DENY, .error = EPERM, .rule = entry->verdict.rule };
        }
}

bool route_repeats(const struct route_entry *entry)
{
    static const char *const waits[] = { "futex", "futex_time64", "futex_waitv", "futex_wait", "rt_sigsuspend", "sigsuspend", "rt_sigtimedwait",
                                         "rt_sigtimedwait_time64", "pause", "restart_syscall", "rt_sigreturn", "sigreturn", "socketcall", "ipc" };

    if (!entry->row || entry->row->where == ABI_BLOCKS || entry->route == ROUTE_NATIVE || entry->route == ROUTE_DENIED)
        return false;
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
        if (strcmp(waits[i], entry->row->name) == 0)
            return false;
    return true;
}

bool route_returns(const struct abi_call *row)
{
    static const char *const lost[] = { "exit", "exit_group", "rt_sigreturn", "sigreturn", "restart_syscall" };

    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
        if (strcmp(lost[i], row->name) == 0)
            return false;
    return true;
}

const struct route_entry *route_entry(const struct route_table *table, enum abi_arch arch, uint64_t nr)
{
    static const struct route_entry unknown = { .route = ROUTE_NOTIFY };

    return nr < MAILBOX_ROUTES ? &table->entry[arch][nr] : &unknown;
}
