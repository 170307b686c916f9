/*
 * calls: the table of calls as documentation: what a policy sees of each.
 *
 * Runs in the command line; data of the calls table only, so that the reference can't tell another story than the decoder. Test: t/21-live-check.t.
 */
#include <string.h>

#include "core/policy/policy.h"

/* What call.NAME is; nothing: a plain integer. */
static const char *const kinds[] = {
    [ABI_FD] = "descriptor", [ABI_DIRFD] = "descriptor", [ABI_PATH] = "path", [ABI_PATH_LINK] = "path, last link not followed",
    [ABI_PATH_NAME] = "path, a name", [ABI_PATH_AT] = "path", [ABI_PATH_OPEN] = "path", [ABI_STRING] = "string", [ABI_STRINGS] = "list", [ABI_FLAGS] = "set",
    [ABI_MODE] = "set", [ABI_OPEN_HOW] = "see flags, mode", [ABI_ADDR_IN] = "address", [ABI_ADDR_OUT] = "address, in after",
    [ABI_BUF_IN] = "bytes", [ABI_BUF_OUT] = "bytes, in after", [ABI_IOV_IN] = "see buf", [ABI_MSG_IN] = "see addr, buf", [ABI_MMSG_IN] = "see addr, buf",
};

static const char *const places[] = {
    [ABI_ANY] = "", [ABI_BLOCKS] = "may wait", [ABI_THREAD] = "thread", [ABI_WATCHED] = "thread", [ABI_HELPER] = "", [ABI_PROCESS] = "process",
    [ABI_UNSAFE] = "refused",
};

static const char *calls_kind(const struct abi_call *row, const struct abi_arg *arg)
{
    bool is_time = arg->type == ABI_STRUCT_IN && arg->shape != ABI_BLOB && (row->where == ABI_ANY || row->where == ABI_BLOCKS);

    if (is_time)
        return "seconds";
    return (size_t)arg->type < sizeof kinds / sizeof *kinds ? kinds[arg->type] : NULL;
}

static void calls_arguments(FILE *out, const struct abi_call *row)
{
    for (int i = 0; i < 6 && row->args[i].type != ABI_NONE; i++) {
        const char *kind = calls_kind(row, &row->args[i]);

        fprintf(out, "%s%s%s%s%s", i ? ", " : "", row->args[i].name, kind ? " (" : "", kind ? kind : "", kind ? ")" : "");
    }
}

static void calls_groups(FILE *out, const struct abi_call *row)
{
    for (int group = 0; abi_groups[group].name; group++)
        if (row->groups >> group & 1)
            fprintf(out, "@%s ", abi_groups[group].name);
}

static const char *calls_architectures(const struct abi_call *row)
{
    bool wide = abi_number(ABI_X86_64, row) >= 0, narrow = abi_number(ABI_I386, row) >= 0;

    return wide && narrow ? "both" : wide ? "x86_64" : narrow ? "i386" : "by ipc(2)";
}

void policy_calls_print(FILE *out)
{
    const struct abi_call *row;

    fputs("# The calls\n\nWhat a policy sees of each system call: its fields, where it exists, its groups. This list is printed by `nurse check --calls` from the table\n"
          "that decodes the calls. A field without a word in brackets is an integer; i386 splits some 64-bit numbers in two, whose second is named NAME_high there.\n"
          "*may wait*: it can block; a rule of constants leaves it to the kernel. *thread*: only the calling thread itself can make it, so its arguments can't be\n"
          "rewritten. *process*: it makes or replaces a process. *refused*: nurse never lets it through.\n\n| call | fields | on | groups | |\n|---|---|---|---|---|\n", out);
    for (size_t i = 0; (row = abi_row(i)); i++) {
        fprintf(out, "| %s | ", row->name);
        calls_arguments(out, row);
        fprintf(out, " | %s | ", calls_architectures(row));
        calls_groups(out, row);
        fprintf(out, "| %s |\n", places[row->where]);
    }
}
