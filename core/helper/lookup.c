/*
 * lookup: the canonical path of a path that is no argument of a call: of a unix socket's address, of a rule.
 *
 * Runs in the helper. Believes the kernel only. Nothing is pinned: the answer is true at this moment, so it is for rules and for what can't be
 * executed by a pin; the paths of calls are resolved by call.c. unit-policy.c: realpaths.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/helper/call_private.h"

int call_canonical(const struct call *call, const char *path, char canonical[PATH_MAX])
{
    struct path_view view = { .pid = getpid(), .tid = getpid(), .cwd = -1 };
    struct path_pin pin;

    if (call)
        call_view(call, &view);
    int error = path_resolve(&view, AT_FDCWD, path, PATH_FOLLOW, &pin);
    strcpy(canonical, pin.canonical);
    path_release(&pin);
    return error;
}
