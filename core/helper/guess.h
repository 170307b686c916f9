/*
 * guess: absolute paths that need not be resolved before they are judged.
 *
 * Runs in the helper. A path in a directory whose name was canonical a moment ago is most likely canonical itself. It is judged as it stands and
 * opened with RESOLVE_NO_SYMLINKS, so a wrong guess can't reach anything: it ends in ELOOP, the gate takes the call to the kernel, and there it is
 * resolved and judged anew. This saves the helper's own walk, a sixth of an open. Test: t/50-attack-flip.t (link), t/31-live-policy.t.
 */
#ifndef NURSE_HELPER_GUESS_H
#define NURSE_HELPER_GUESS_H

#include <stdbool.h>

/* True when `path` may be taken for its own canonical form. */
bool guess_canonical(const char *path);
/* What resolving has shown: `path` led to `canonical`. */
void guess_learn(const char *path, const char *canonical);

#endif
