/*
 * freeze: a call is shown to a judge whose changes must not count.
 *
 * Runs in the helper. The judge works on the call itself, so what it assigned it reads back; afterwards the call is as before. Bytes in the arena are
 * never written twice, so the mark of what is used is enough for them; pins and lists that the call held are put aside meanwhile. Test: t/70-live-shadow.t.
 */
#include <string.h>

#include "core/helper/call_private.h"

static struct { const struct call *call; unsigned char saved[offsetof(struct call, arena)]; } frozen;

bool call_is_frozen(const struct call *call)
{
    return frozen.call == call;
}

void call_freeze(struct call *call)
{
    memcpy(frozen.saved, call, sizeof frozen.saved);
    frozen.call = call;
    for (int i = 0; i < CALL_LISTS; i++)
        call->strings[i] = NULL;
    for (int i = 0; i < call->path_count; i++)
        call->paths[i].resolved = false;
}

void call_thaw(struct call *call)
{
    for (int i = 0; i < call->path_count; i++)
        if (call->paths[i].resolved)
            path_release(&call->paths[i].pin);
    call_free_strings(call);
    memcpy(call, frozen.saved, sizeof frozen.saved);
    frozen.call = NULL;
}
