/*
 * notify: answers to seccomp user notifications (seccomp_unotify(2)).
 *
 * Runs in the helper. An answer that comes too late, because the thread was killed, is no error: there is nobody left to tell.
 */
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/helper/call_private.h"

void notify_value(struct sandbox *sandbox, uint64_t id, int64_t value)
{
    struct seccomp_notif_resp resp = { .id = id };

    if (value < 0 && value >= -4095)
        resp.error = (int32_t)value;
    else
        resp.val = value;
    ioctl(sandbox->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

void notify_continue(struct sandbox *sandbox, uint64_t id)
{
    struct seccomp_notif_resp resp = { .id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

    ioctl(sandbox->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

void notify_descriptor(struct sandbox *sandbox, uint64_t id, int fd, bool cloexec)
{
    struct seccomp_notif_addfd add = {
        .id = id, .flags = SECCOMP_ADDFD_FLAG_SEND, .srcfd = (uint32_t)fd, .newfd_flags = cloexec ? O_CLOEXEC : 0,
    };

    ioctl(sandbox->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
    close(fd);
}
