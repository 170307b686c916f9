/*
 * message: data that the program gives in pieces (struct iovec) or with an address (struct msghdr), gathered once.
 *
 * Runs in the helper. The program is not believed: header, vectors and data are each read once, bounded; what was read is what is judged, and what
 * the call then executes: one vector of the helper's copy, one header that points to it. A message that nobody looked at stays the program's.
 * sendmmsg(2) whose first message was looked at sends that one alone, as it may: its caller goes on with the rest. Tests: t/36-live-messages.t, t/55-attack-decoders.t.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/helper/call_private.h"
#include "core/helper/memory.h"

enum { CONTROL_MAX = 20480 /* net.core.optmem_max of most kernels */ };
enum { VECTORS_MAX = 1024 /* UIO_MAXIOV */, VECTORS_AT_ONCE = 32, HEADER_WORDS = 7 };
enum { NAME, NAME_LEN, VECTORS, VECTOR_COUNT, CONTROL, CONTROL_LEN, FLAGS };    /* words of struct msghdr */

static bool is_wide(const struct call *call)
{
    return call->arch == ABI_X86_64;
}

/* Read `count` words of the program's size, at most as many as struct iovec needs at once. */
static int message_words(const struct call *call, uint64_t addr, uint64_t *words, size_t count)
{
    uint32_t narrow[2 * VECTORS_AT_ONCE] = { 0 };
    size_t size = count * (is_wide(call) ? sizeof *words : sizeof *narrow);
    ssize_t n = memory_read(call->tid, addr, is_wide(call) ? (void *)words : narrow, size);

    if (n != (ssize_t)size)
        return n < 0 ? (int)n : -EFAULT;
    for (size_t i = 0; !is_wide(call) && i < count; i++)
        words[i] = narrow[i];
    return 0;
}

/* As the kernel sees vectors before it touches any data: no negative length, nothing beyond the program's half of the address space. */
static int message_check(const struct call *call, const uint64_t *words, size_t vectors)
{
    int error = 0;

    for (size_t i = 0; i < vectors; i++) {
        uint64_t length = words[2 * i + 1];

        if (length > (is_wide(call) ? INT64_MAX : INT32_MAX))
            return -EINVAL;
        if (memory_outside(call->arch, words[2 * i], length))
            error = -EFAULT;
    }
    return error;
}

/* Sockets whose data are a stream, as the kernel names their protocols. */
static bool message_is_stream(const struct call *call)
{
    static const char *const streams[] = { "TCP", "TCPv6", "MPTCP", "MPTCPv6", "UNIX-STREAM", "SMC", "SMC6" };
    char protocol[CALL_PROTOCOL];

    if (call_protocol(call, (int)call->args[0], protocol) != 0)
        return true;    /* what is no socket is the kernel's to refuse */
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (strcmp(streams[i], protocol) == 0)
            return true;
    return false;
}

int message_cut(const struct call *call)
{
    return call_is_message(call) && !message_is_stream(call) ? -EMSGSIZE : 0;
}

/* Append the data of the vectors, as far as there is room and memory. Returns 0, or -errno when there is none at all, or not all of a message. */
static int message_append(const struct call *call, const uint64_t *words, size_t vectors, uint8_t *room, uint32_t *count)
{
    for (size_t i = 0; i < vectors; i++) {
        uint64_t length = words[2 * i + 1];
        size_t left = CALL_BYTES_MAX - *count, wanted = length < left ? length : left;
        ssize_t n = wanted ? memory_read(call->tid, words[2 * i], room + *count, wanted) : 0;

        if (n < 0)
            return *count && !call_is_message(call) ? 0 : (int)n;
        *count += (uint32_t)n;
        if ((size_t)n < wanted)
            return call_is_message(call) ? -EFAULT : 0;
        if (wanted < length)
            return message_cut(call);
    }
    return 0;
}

/* The data of a list of vectors, at most CALL_BYTES_MAX bytes, into the arena. */
static int message_gather(struct call *call, uint64_t addr, uint64_t vectors, uint32_t *offset, uint32_t *count)
{
    uint64_t words[2 * VECTORS_MAX];
    uint8_t *room = vectors > VECTORS_MAX ? NULL : call_room(call, CALL_BYTES_MAX, offset);
    const size_t size = is_wide(call) ? 16 : 8;
    int error = 0;

    *count = 0;
    if (!room)
        return vectors > VECTORS_MAX ? -EINVAL : -ENOMEM;
    for (uint64_t done = 0; done < vectors && error == 0; done += VECTORS_AT_ONCE) {
        size_t some = vectors - done < VECTORS_AT_ONCE ? vectors - done : VECTORS_AT_ONCE;

        error = message_words(call, addr + done * size, words + 2 * done, 2 * some);
    }
    if (error == 0)
        error = message_check(call, words, vectors);
    if (error == 0)
        error = message_append(call, words, vectors, room, count);
    call->arena_used = *offset + ((*count + 15) & ~15u);    /* what wasn't needed goes back */
    return error;
}

static bool is_many(const struct call *call, int i)
{
    return call->row->args[i].type == ABI_MMSG_IN;
}

static int message_fetch_name(struct call *call, int i)
{
    struct call_message *message = &call->message;
    int length = (int)message->word[NAME_LEN];
    void *room;

    if (!message->word[NAME] || length == 0)
        return 0;
    if (length < 0)
        return -EINVAL;
    message->name_count = (uint32_t)length < sizeof(struct sockaddr_storage) ? (uint32_t)length : sizeof(struct sockaddr_storage);
    room = call_room(call, message->name_count, &message->name);
    if (!room)
        return -ENOMEM;
    if (memory_read(call->tid, message->word[NAME], room, message->name_count) != (ssize_t)message->name_count) {
        call->arena_used = message->name;
        return -EFAULT;
    }
    call_note_socket(call, i, room, message->name_count);
    return 0;
}

static int message_fetch(struct call *call, int i)
{
    struct call_message *message = &call->message;
    int error;

    if (call->copied & 1 << i)
        return 0;
    if (is_many(call, i) && (uint32_t)call->args[i + 1] == 0)
        return -ENODATA;
    error = message_words(call, call->args[i], message->word, HEADER_WORDS);
    if (error == 0)
        error = message_fetch_name(call, i);
    if (error == 0 && message->word[VECTOR_COUNT] > VECTORS_MAX)
        error = -EMSGSIZE;
    if (error)
        return error;
    message->many = is_many(call, i);
    call->copied |= (uint8_t)(1 << i);
    return 0;
}

int message_bytes(struct call *call, int i, const void **bytes, size_t *count)
{
    struct call_message *message = &call->message;
    bool bare = call->row->args[i].type == ABI_IOV_IN;
    int error = bare ? 0 : message_fetch(call, i);

    if (error == 0 && !message->gathered)
        error = message_gather(call, bare ? call->args[i] : message->word[VECTORS], bare ? call->args[i + 1] : message->word[VECTOR_COUNT], &message->data,
                               &message->data_count);
    if (error)
        return error;
    if (bare)
        call->args[i + 1] = 1;
    message->gathered = true;
    call->copied |= (uint8_t)(1 << i);
    *bytes = call->arena + message->data;
    *count = message->data_count;
    return 0;
}

/* Where the vectors of what the kernel fills are, and the address; the program may have changed both since. */
static int message_filled(const struct call *call, int i, uint64_t header[HEADER_WORDS])
{
    if (call->row->args[i].type == ABI_MSG_OUT)
        return message_words(call, call->args[i], header, HEADER_WORDS);
    header[VECTORS] = call->args[i];
    header[VECTOR_COUNT] = call->args[i + 1];
    return 0;
}

ssize_t call_filled(struct call *call, int i, void *buf, size_t size)
{
    uint64_t header[HEADER_WORDS] = { 0 }, vector[2] = { 0 };
    size_t filled = 0;
    int error = message_filled(call, i, header);

    for (uint64_t k = 0; error == 0 && filled < size && k < header[VECTOR_COUNT] && k < VECTORS_MAX; k++) {
        error = message_words(call, header[VECTORS] + k * (is_wide(call) ? 16 : 8), vector, 2);
        size_t left = size - filled, wanted = vector[1] < left ? vector[1] : left;
        ssize_t n = error || !wanted ? 0 : memory_read(call->tid, vector[0], (char *)buf + filled, wanted);
        if (n < 0)
            error = (int)n;
        else
            filled += (size_t)n;
    }
    return error ? error : (ssize_t)filled;
}

ssize_t call_filled_name(struct call *call, int i, void *buf, size_t size)
{
    uint64_t header[HEADER_WORDS] = { 0 };
    int error = message_filled(call, i, header);

    if (error)
        return error;
    if (!header[NAME] || !(uint32_t)header[NAME_LEN])
        return 0;
    return memory_read(call->tid, header[NAME], buf, (uint32_t)header[NAME_LEN] < size ? (uint32_t)header[NAME_LEN] : size);
}

static int message_fetch_control(struct call *call, int i)
{
    struct call_message *message = &call->message;
    int error = message_fetch(call, i);
    uint64_t length = message->word[CONTROL] ? message->word[CONTROL_LEN] : 0;
    void *room;

    if (error || message->held)
        return error;
    if (length > CONTROL_MAX)
        return -ENOBUFS;
    room = call_room(call, length, &message->control);
    if (!room)
        return -ENOMEM;
    if (length && memory_read(call->tid, message->word[CONTROL], room, length) != (ssize_t)length)
        return -EFAULT;
    message->control_count = (uint32_t)length;
    message->held = true;
    return 0;
}

int call_control(struct call *call, int i, const void **bytes, size_t *count)
{
    int error = call_faulted(call, i, message_fetch_control(call, i));

    if (error)
        return error;
    *bytes = call->arena + call->message.control;
    *count = call->message.control_count;
    return 0;
}

/* Put bytes of the policy's into the arena. */
static int message_keep(struct call *call, const void *bytes, size_t size, uint32_t *offset, uint32_t *count)
{
    void *room = size > CALL_BYTES_MAX ? NULL : call_room(call, size, offset);

    if (!room)
        return size > CALL_BYTES_MAX ? -E2BIG : -ENOMEM;
    memcpy(room, bytes, size);
    *count = (uint32_t)size;
    call->rewritten = true;
    return 0;
}

int message_set_bytes(struct call *call, int i, const void *bytes, size_t count)
{
    int error = call->row->args[i].type == ABI_IOV_IN ? 0 : message_fetch(call, i);

    if (error == 0)
        error = message_keep(call, bytes, count, &call->message.data, &call->message.data_count);
    if (error)
        return error;
    call->message.gathered = true;
    call->copied |= (uint8_t)(1 << i);
    return 0;
}

int call_name(struct call *call, int i, const void **bytes, size_t *count)
{
    int error = call_faulted(call, i, message_fetch(call, i));

    if (error)
        return error;
    *bytes = call->arena + call->message.name;
    *count = call->message.name_count;
    return 0;
}

int call_set_name(struct call *call, int i, const void *bytes, size_t count)
{
    int error = message_fetch(call, i);

    if (error == 0)
        error = message_keep(call, bytes, count, &call->message.name, &call->message.name_count);
    if (error == 0)
        call_note_socket(call, i, bytes, count);
    return error;
}

/* Words in the program's size, in the arena; returns where the kernel will find them, 0 when there is no room. */
static uint64_t message_put(struct call *call, const uint64_t *words, size_t count)
{
    size_t size = is_wide(call) ? sizeof *words : sizeof(uint32_t);
    uint32_t offset;
    uint8_t *room = call_room(call, count * size, &offset);

    if (!room)
        return 0;
    for (size_t i = 0; i < count; i++)
        memcpy(room + i * size, &words[i], size);    /* both little-endian */
    return call_window(call, offset);
}

int message_order(struct call *call, struct mailbox_order *order, int i)
{
    struct call_message *message = &call->message;
    bool bare = call->row->args[i].type == ABI_IOV_IN;
    uint64_t vector[2] = { message->gathered ? call_window(call, message->data) : 0, message->data_count }, where = 0;
    uint64_t header[HEADER_WORDS] = { 0 };
    uint32_t name = message->name, name_count = message->name_count;
    int error = order_socket(call, &name, &name_count);

    if (error)
        return error;
    if (message->gathered && !(where = message_put(call, vector, 2)))
        return -ENOMEM;
    if (bare) {
        order->arg[i] = where;
        order->arg[i + 1] = 1;
        return 0;
    }
    memcpy(header, message->word, sizeof header);
    header[NAME] = name_count ? call_window(call, name) : 0;
    header[NAME_LEN] = name_count;
    if (message->gathered) {
        header[VECTORS] = where;
        header[VECTOR_COUNT] = 1;
    }
    if (message->held) {
        header[CONTROL] = message->control_count ? call_window(call, message->control) : 0;
        header[CONTROL_LEN] = message->control_count;
    }
    order->arg[i] = message_put(call, header, HEADER_WORDS);
    if (message->many) {
        order->nr = (uint64_t)abi_number(call->arch, abi_find("sendmsg"));
        order->arg[i + 1] = order->arg[i + 2];
    }
    return order->arg[i] ? 0 : -ENOMEM;
}

int64_t message_result(struct call *call, int64_t result)
{
    uint32_t sent = (uint32_t)result;

    if (!call->message.many || result < 0)
        return result;
    /* struct mmsghdr: the header, then how much of it was sent */
    memory_write(call->tid, call->args[1] + HEADER_WORDS * (is_wide(call) ? 8 : 4), &sent, sizeof sent);
    return 1;
}
