/*
 * slot: the windows of a thread, as the thread finds them, and the trustee that belongs to them.
 *
 * Runs in the stub before lock-down, when no byte of the program has been looked at; the kernel and the helper are believed.
 */
#ifndef NURSE_STUB_SLOT_H
#define NURSE_STUB_SLOT_H

#include "core/mailbox/layout.h"

/* Map the windows of this process (WINDOWS_PACK) at the keep and the trampolines where the kernel likes. Returns the trampolines' address or -errno. */
intptr_t slot_map(const struct stub_config *config, uint32_t windows);
/* Start a trustee for slot i with every signal blocked for its life; the caller goes on with `mask`. Returns its thread id or -errno. */
int slot_open(uintptr_t base, int i, uint64_t mask);

#endif
