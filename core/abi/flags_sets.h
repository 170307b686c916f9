/*
 * flags_sets: how the files flags_*.c write a set. Private to them.
 *
 * SET(name, entries...) with B(X): a bit (or several that belong together; wide ones stand before their parts), V(X, mask): one of the
 * values that a field can have, E(X): one of the values of the whole argument.
 */
#ifndef NURSE_ABI_FLAGS_SETS_H
#define NURSE_ABI_FLAGS_SETS_H

#include "core/abi/flags.h"

#define SET(name, ...) const struct abi_flag abi_flags_##name[] = { __VA_ARGS__, { NULL, 0, 0 } }
#define B(flag) { #flag, (uint32_t)(flag), (uint32_t)(flag) }
#define V(flag, mask) { #flag, (uint32_t)(flag), (uint32_t)(mask) }
#define E(flag) { #flag, (uint32_t)(flag), UINT32_MAX }

#endif
