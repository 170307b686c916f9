/*
 * written_values: the arguments of a written call: what each type of the table looks like, and the memory that pointers point to.
 *
 * Runs in the command line. Believes nobody: every length is bounded by the one block of memory that calls are built in, which lies below 4 GiB so
 * that i386's calls can point to it too. Test: t/10-unit-written.t.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/helper/call.h"
#include "core/text/written_inside.h"

enum {
    MEMORY = 4 << 20,
    SOME_FD = 3,              /* of a socket that isn't named */
    HELD = 6,                 /* descriptors of one call */
    STDERR = 2,
};

/* ---- memory ------------------------------------------------------------------------------- */

static unsigned char *memory;
static size_t memory_used;

static int held[HELD], held_count;    /* descriptors that stand for those of a recording */

static void value_release(void)
{
    while (held_count > 0)
        close(held[--held_count]);
}

int value_memory(struct reader *reader)
{
    value_release();
    if (!memory) {
        void *low = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

        if (low == MAP_FAILED)
            return reader_mistake(reader, "no memory below 4 GiB: %s", strerror(errno));
        memory = low;
    }
    memset(memory, 0, memory_used);
    memory_used = 0;
    return 0;
}

void *value_take(struct reader *reader, size_t size)
{
    size_t whole = (size + 15) & ~(size_t)15;

    if (!memory || whole < size || whole > MEMORY - memory_used) {
        reader_mistake(reader, "%s: more data than one call can have here", reader->out->row->name);
        return NULL;
    }
    memory_used += whole;
    return memory + memory_used - whole;
}

int value_pointer(struct reader *reader, int i, const void *at)
{
    reader->out->args[i] = (uint64_t)(uintptr_t)at;
    return at ? 0 : -1;
}

static int value_room(struct reader *reader, int i, size_t size)
{
    return value_pointer(reader, i, value_take(reader, size));
}

/* ---- mistakes ----------------------------------------------------------------------------- */

const struct abi_arg *value_arg(const struct reader *reader, int i)
{
    return &reader->out->row->args[i];
}

int value_expected(struct reader *reader, int i, struct span text, const char *what)
{
    int shown = text.length < 80 ? (int)text.length : 80;

    return reader_mistake(reader, "'%.*s': %s of %s: %s was expected", shown, text.at, value_arg(reader, i)->name, reader->out->row->name, what);
}

int value_expected_name(struct reader *reader, int i, struct span text, const struct abi_flag *set)
{
    char what[256] = "a number or one of";
    size_t used = strlen(what);

    for (int k = 0; set && set[k].name && used < sizeof what - 64; k++)
        used += (size_t)snprintf(what + used, sizeof what - used, "%s %s", k ? "," : "", set[k].name);
    return value_expected(reader, i, text, set ? what : "a number");
}

/* ---- numbers ------------------------------------------------------------------------------ */

/* strace explains: 3</etc/passwd>, 0x3001 / * ARCH_??? * /. In words such things belong to the word. */
static struct span value_plain(const struct reader *reader, struct span text)
{
    for (size_t i = 1; !reader->words && i + 1 < text.length; i++)
        if ((text.at[i] == '/' && text.at[i + 1] == '*') || (text.at[i] == '<' && text.at[i + 1] != '<' && text.at[i - 1] != '<'))
            return span_trim((struct span){ text.at, i });
    return text;
}

/* 3</etc>, as strace -y tells what a descriptor is: nurse gets one of that number for as long as the call is judged, which can only be looked at. */
static void value_hold(struct span text, uint64_t number)
{
    char path[PATH_MAX];
    const char *open_at = memchr(text.at, '<', text.length);
    int wanted = (int)number, fd;

    if (!open_at || open_at[1] != '/' || text.at[text.length - 1] != '>' || text.length >= sizeof path || wanted <= STDERR || held_count == HELD)
        return;
    text = span_after(text, (size_t)(open_at - text.at) + 1);
    text.length--;
    path[span_unescape(text, path)] = '\0';
    fd = fcntl(wanted, F_GETFD) < 0 ? open(path, O_PATH | O_CLOEXEC) : -1;
    if (fd >= 0 && fd != wanted) {
        int moved = dup3(fd, wanted, O_CLOEXEC);

        close(fd);
        fd = moved;
    }
    if (fd >= 0)
        held[held_count++] = fd;
}

static int read_string(struct reader *reader, int i, struct span text);

/* Where a pointer hides behind a number (fcntl's lock, prctl's name) the text may be what it points to. */
static bool value_points(struct span text)
{
    return text.length && strchr("\"[{~&", *text.at);
}

static bool value_is_narrow(enum abi_type type)
{
    return type == ABI_INT || type == ABI_UINT || type == ABI_FD || type == ABI_DIRFD || type == ABI_PID || type == ABI_UID || type == ABI_GID ||
           type == ABI_SIGNAL || type == ABI_CLOCK;
}

static int value_set(struct reader *reader, int i, struct span text, uint64_t value)
{
    int64_t number = (int64_t)value;

    if (value_is_narrow(value_arg(reader, i)->type) && (number < INT32_MIN || number > UINT32_MAX))
        return value_expected(reader, i, text, "a number of 32 bits");
    reader->out->args[i] = value;
    return 0;
}

static int read_number(struct reader *reader, int i, struct span text)
{
    const struct abi_flag *set = value_arg(reader, i)->set;
    uint64_t value;
    struct span wrong;

    if (value_points(text))
        return *text.at == '"' ? read_string(reader, i, text) : value_room(reader, i, VALUE_ROOM);
    text = value_plain(reader, text);
    if (!names_read(set, text, &value, &wrong))
        return value_expected_name(reader, i, wrong, set);
    return value_set(reader, i, text, value);
}

static int read_fd(struct reader *reader, int i, struct span text)
{
    int error = read_number(reader, i, text);

    if (!error && !reader->words)
        value_hold(text, reader->out->args[i]);
    return error;
}

static int read_pid(struct reader *reader, int i, struct span text)
{
    if (!span_is(text, "self"))
        return read_number(reader, i, text);
    reader->out->args[i] = (uint64_t)getpid();
    return 0;
}

/* Octal whether it begins with a zero or not, as for chmod(1); S_IFIFO|0644 too. */
static int read_mode(struct reader *reader, int i, struct span text)
{
    char octal[80];
    uint64_t value;
    struct span wrong, number = { octal, 0 };

    text = value_plain(reader, text);
    if (text.length && text.length < 32 && isdigit((unsigned char)*text.at) && *text.at != '0')
        number.length = (size_t)snprintf(octal, sizeof octal, "0%.*s", (int)text.length, text.at);
    if (!names_read(NULL, number.length ? number : text, &value, &wrong))
        return value_expected(reader, i, text, "a mode in octal");
    return value_set(reader, i, text, value);
}

static int read_signal(struct reader *reader, int i, struct span text)
{
    char name[32];
    uint64_t value;

    text = value_plain(reader, text);
    snprintf(name, sizeof name, "%.*s", (int)(text.length < sizeof name ? text.length : 0), text.at);
    if (abi_signal(name))
        value = (uint64_t)abi_signal(name);
    else if (!span_number(text, &value))
        return value_expected(reader, i, text, "a signal");
    return value_set(reader, i, text, value);
}

/* makedev(0x8, 0x1) */
static int read_unsigned(struct reader *reader, int i, struct span text)
{
    struct span rest, part;
    uint64_t number[2] = { 0, 0 };

    if (!span_begins(text, "makedev("))
        return read_number(reader, i, text);
    rest = span_inside(span_after(text, strlen("makedev")));
    for (int k = 0; k < 2 && span_part(&rest, &part); k++)
        if (!span_number(part, &number[k]))
            return value_expected(reader, i, part, "a number");
    reader->out->args[i] = makedev((unsigned)number[0], (unsigned)number[1]);
    return 0;
}

/* ---- strings and buffers ------------------------------------------------------------------ */

int value_address(struct reader *reader, int i, struct span text)
{
    uint64_t value = 0;

    text = value_plain(reader, text);
    if (!span_is(text, "NULL") && !(span_number(text, &value) && (!reader->words || span_begins(text, "0x"))))
        return 0;
    reader->out->args[i] = span_is(text, "NULL") ? 0 : value;
    return 1;
}

char *value_bytes(struct reader *reader, struct span text, size_t least, size_t *count)
{
    char *bytes = value_take(reader, (text.length > least ? text.length : least) + 1);

    *count = bytes ? span_unescape(text, bytes) : 0;
    return bytes;
}

static int read_string(struct reader *reader, int i, struct span text)
{
    size_t count;
    char *bytes;

    if (span_is(text, "NULL") || (!reader->words && *text.at != '"' && value_address(reader, i, text)))
        return 0;
    if (!reader->words && *text.at != '"')
        return value_expected(reader, i, text, "a string in quotes");
    bytes = value_bytes(reader, text, 0, &count);
    if (bytes && memchr(bytes, '\0', count))
        return value_expected(reader, i, text, "a string without a NUL byte");
    return value_pointer(reader, i, bytes);
}

/* [1, 2]: integers */
static int read_integers(struct reader *reader, int i, struct span text)
{
    struct span rest = span_inside(text), part, wrong;
    int32_t *into = value_take(reader, CALL_BYTES_MAX);
    uint64_t value;
    size_t count = 0;

    while (into && span_part(&rest, &part) && count < CALL_BYTES_MAX / sizeof *into)
        into[count++] = names_read(NULL, part, &value, &wrong) ? (int32_t)value : 0;
    reader->data[i] = count * sizeof *into;
    return value_pointer(reader, i, into);
}

/* Room for as much as is ever looked at, so that a count beyond the text finds zeros. */
static int read_buffer(struct reader *reader, int i, struct span text)
{
    char *bytes;

    if (*text.at == '[')
        return read_integers(reader, i, text);
    if (value_points(text) && *text.at != '"')
        return value_room(reader, i, CALL_BYTES_MAX);
    if (value_address(reader, i, text))
        return 0;
    if (!reader->words && *text.at != '"')
        return value_expected(reader, i, text, "bytes in quotes");
    bytes = value_bytes(reader, text, CALL_BYTES_MAX, &reader->data[i]);
    return value_pointer(reader, i, bytes);
}

int value_strings(struct reader *reader, int i, const struct span *strings, size_t count)
{
    size_t width = reader->out->arch == ABI_I386 ? 4 : 8, length;
    unsigned char *list = value_take(reader, (count + 1) * width);

    for (size_t k = 0; list && k < count; k++) {
        uint64_t at = (uint64_t)(uintptr_t)value_bytes(reader, strings[k], 0, &length);

        if (!at)
            return -1;
        memcpy(list + k * width, &at, width);    /* little-endian */
    }
    return value_pointer(reader, i, list);
}

/* ["ls", "-l"]; an address, as recordings have it for environments, is an empty list: nobody kept it. */
static int read_strings(struct reader *reader, int i, struct span text)
{
    struct span rest = span_inside(text), list[VALUE_ELEMENTS], part;
    size_t count = 0;

    if (span_is(text, "NULL"))
        return 0;
    if (*text.at != '[') {
        if (value_address(reader, i, text))
            return value_strings(reader, i, NULL, 0);
        return value_expected(reader, i, text, "a list of strings [\"a\", \"b\"]");
    }
    while (count < VALUE_ELEMENTS && span_part(&rest, &part))
        if (*part.at == '"')
            list[count++] = part;
    return value_strings(reader, i, list, count);
}

static int read_struct(struct reader *reader, int i, struct span text)
{
    const struct abi_arg *arg = value_arg(reader, i);

    if (arg->shape == ABI_BLOB || span_is(text, "NULL") || span_begins(text, "0x"))
        return read_number(reader, i, text);
    return value_time(reader, i, text, reader->out->arch == ABI_I386 ? arg->size32 : arg->size);
}

/* What the kernel fills: its contents don't matter before, unless a recording has them for after(). */
static int read_filled(struct reader *reader, int i, struct span text)
{
    if (*text.at == '"')
        return read_buffer(reader, i, text);
    if (value_points(text))
        return value_room(reader, i, VALUE_ROOM);
    if (value_address(reader, i, text))
        return 0;
    return read_number(reader, i, text);
}

/* ---- by type ------------------------------------------------------------------------------ */

static int (*const readers[])(struct reader *reader, int i, struct span text) = {    /* by enum abi_type; the others are numbers */
    [ABI_UINT] = read_unsigned, [ABI_FD] = read_fd, [ABI_DIRFD] = read_fd, [ABI_PID] = read_pid, [ABI_MODE] = read_mode, [ABI_SIGNAL] = read_signal,
    [ABI_PATH] = read_string, [ABI_PATH_LINK] = read_string, [ABI_PATH_NAME] = read_string, [ABI_PATH_AT] = read_string,
    [ABI_PATH_OPEN] = read_string, [ABI_STRING] = read_string, [ABI_STRINGS] = read_strings, [ABI_OPEN_HOW] = value_how,
    [ABI_ADDR_IN] = value_addr, [ABI_ADDR_OUT] = read_filled, [ABI_BUF_IN] = read_buffer, [ABI_BUF_OUT] = read_filled,
    [ABI_IOV_IN] = value_vectors, [ABI_IOV_OUT] = value_vectors, [ABI_MSG_IN] = value_header, [ABI_MMSG_IN] = value_headers, [ABI_MSG_OUT] = read_filled,
    [ABI_STRUCT_IN] = read_struct, [ABI_STRUCT_OUT] = read_filled,
};

int value_read(struct reader *reader, int i, struct span text)
{
    enum abi_type type = value_arg(reader, i)->type;

    reader->out->args[i] = 0;
    if (!text.length) {
        if (reader->words)    /* '' of a shell */
            text = (struct span){ "\"\"", 2 };
        else
            return value_expected(reader, i, text, "a value");
    }
    return ((size_t)type < sizeof readers / sizeof *readers && readers[type] ? readers[type] : read_number)(reader, i, text);
}

static bool is_data(enum abi_type type)
{
    return type == ABI_BUF_IN || type == ABI_BUF_OUT || type == ABI_ADDR_IN || type == ABI_OPEN_HOW || type == ABI_IOV_IN || type == ABI_IOV_OUT ||
           type == ABI_MMSG_IN;
}

static bool is_filled(enum abi_type type)
{
    return type == ABI_BUF_OUT || type == ABI_STRUCT_OUT || type == ABI_ADDR_OUT || type == ABI_IOV_OUT || type == ABI_MSG_OUT;
}

/* A length that follows from the argument before it. */
static bool is_length(const struct abi_call *row, int i)
{
    enum abi_type before = i > 0 ? row->args[i - 1].type : ABI_NONE;

    return is_data(before) && (row->args[i].type == ABI_SIZE || before == ABI_MMSG_IN);
}

static bool is_path(enum abi_type type)
{
    return type >= ABI_PATH && type <= ABI_PATH_OPEN;
}

bool value_takes(const struct reader *reader, int i, struct span text)
{
    const struct abi_call *row = reader->out->row;
    enum abi_type type = row->args[i].type;
    uint64_t number;

    if (type == ABI_DIRFD)
        return span_number(text, &number) || span_is(text, "AT_FDCWD");
    if ((type == ABI_FD && i < 5 && row->args[i + 1].type == ABI_ADDR_IN) || is_length(row, i))
        return span_number(text, &number);
    if (is_filled(type) || (type == ABI_POINTER && i > 0 && row->args[i - 1].type == ABI_ADDR_OUT))
        return span_is(text, "NULL") || span_begins(text, "0x") || value_points(text);
    return true;
}

static int left_out_filled(struct reader *reader, int i)
{
    reader->data[i] = VALUE_ROOM;
    return value_room(reader, i, value_arg(reader, i)->type == ABI_BUF_OUT ? CALL_BYTES_MAX : VALUE_ROOM);
}

/* argv[0] is the path, as its writer had it. */
static int left_out_strings(struct reader *reader, int i)
{
    const char *path = i > 0 && is_path(value_arg(reader, i - 1)->type) ? (const char *)(uintptr_t)reader->out->args[i - 1] : NULL;
    uint64_t list[2] = { (uint64_t)(uintptr_t)path, 0 };
    uint32_t list32[2] = { (uint32_t)list[0], 0 };
    void *into = value_take(reader, sizeof list);

    if (into)
        memcpy(into, reader->out->arch == ABI_I386 ? (void *)list32 : (void *)list, reader->out->arch == ABI_I386 ? sizeof list32 : sizeof list);
    return value_pointer(reader, i, into);
}

int value_left_out(struct reader *reader, int i)
{
    const struct abi_call *row = reader->out->row;
    enum abi_type type = row->args[i].type;

    if (is_path(type) || type == ABI_STRING)
        return reader_mistake(reader, "%s: %s (%s) is missing", row->name, row->args[i].name, is_path(type) ? "a path" : "a string");
    if (is_filled(type))
        return left_out_filled(reader, i);
    if (type == ABI_STRINGS)
        return left_out_strings(reader, i);
    reader->out->args[i] = type == ABI_DIRFD ? (uint64_t)(int64_t)AT_FDCWD : 0;
    if (type == ABI_FD && i < 5 && row->args[i + 1].type == ABI_ADDR_IN)
        reader->out->args[i] = SOME_FD;
    else if (is_length(row, i))
        reader->out->args[i] = reader->data[i - 1];
    else if (strcmp(row->args[i].name, "sigsetsize") == 0)
        reader->out->args[i] = 8;
    else if (type == ABI_POINTER && i > 0 && row->args[i - 1].type == ABI_ADDR_OUT)
        return value_room(reader, i, sizeof(uint32_t));
    return 0;
}
