/*
 * guard: what of the keystone can be known before anything runs; the rules themselves are asked by life.c (call_private.h).
 */
#ifndef NURSE_HELPER_GUARD_H
#define NURSE_HELPER_GUARD_H

#include <stdbool.h>

#include "core/abi/abi.h"

/* Whether this call is refused however it is made, whatever a policy says. */
bool guard_refuses(const struct abi_call *row);

#endif
