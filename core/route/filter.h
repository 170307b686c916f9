/*
 * filter: the three seccomp programs of a sandbox.
 *
 *   base      installed once, before the stub's first instruction, inherited by all; the only listener hangs on it. It lets native
 *             calls pass, and calls of the trustee (from the trustee's page); everything else notifies the helper.
 *   keystone  installed by each untrustee on itself: foreign ABIs and the trustee's page are death, nurse's memory can't be touched.
 *   policy    installed by each untrustee when its program is loaded: the policy's constant denials. Made by libseccomp.
 *
 * All three answer for native calls without looking at more than the number, so that the kernel caches the answer and a
 * native call costs nothing. Computed in the helper; test: t/10-unit-route.t.
 */
#ifndef NURSE_ROUTE_FILTER_H
#define NURSE_ROUTE_FILTER_H

#include "core/route/bpf.h"
#include "core/route/keystone.h"
#include "core/route/route.h"

/* Each fills *bpf and returns the number of instructions, or -errno. `base` is where the keep of each class lies. */
int filter_base(struct bpf *bpf, const struct route_table *table, const uint64_t base[ABI_ARCHES]);
int filter_keystone(struct bpf *bpf, const struct route_table *table, enum abi_arch arch, uint64_t base, const struct keystone *keystone);
/* Both of these in one, for a process that is born with its program loaded. */
int filter_born(struct bpf *bpf, const struct route_table *table, enum abi_arch arch, uint64_t base, const struct keystone *keystone);
/* May return 0: nothing is denied by a constant. */
int filter_policy(struct bpf *bpf, const struct route_table *table, enum abi_arch arch, uint64_t base);

#endif
