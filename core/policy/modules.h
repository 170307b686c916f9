/*
 * modules: the Lua modules of lua/nurse/, embedded into the binary (the Makefile generates modules.c).
 */
#ifndef NURSE_POLICY_MODULES_H
#define NURSE_POLICY_MODULES_H

#include <stddef.h>

struct policy_module { const char *name; const char *text; size_t size; };    /* name: "nurse.unveil" */
extern const struct policy_module policy_modules[];                           /* ends with a NULL name */

#endif
