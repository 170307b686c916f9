/*
 * bpf: see bpf.h.
 */
#include "core/route/bpf.h"

#include <errno.h>

void bpf_begin(struct bpf *bpf)
{
    bpf->count = 0;
    bpf->labels = 0;
    bpf->overflow = 0;
}

static void bpf_emit(struct bpf *bpf, struct sock_filter insn, int target)
{
    if (bpf->count == BPF_MAXINSNS) {
        bpf->overflow = 1;
        return;
    }
    bpf->target[bpf->count] = target;
    bpf->code[bpf->count++] = insn;
}

void bpf_op(struct bpf *bpf, uint16_t code, uint32_t k)
{
    bpf_emit(bpf, (struct sock_filter)BPF_STMT(code, k), -1);
}

void bpf_append(struct bpf *bpf, const struct sock_filter *code, size_t count, uint32_t from, int label)
{
    for (size_t i = 0; i < count; i++)
        if (code[i].code == (BPF_RET | BPF_K) && code[i].k == from)
            bpf_goto(bpf, label);
        else
            bpf_emit(bpf, code[i], -1);
}

int bpf_label(struct bpf *bpf)
{
    if (bpf->labels == BPF_LABELS) {
        bpf->overflow = 1;
        return 0;
    }
    bpf->place[bpf->labels] = -1;
    return bpf->labels++;
}

void bpf_here(struct bpf *bpf, int label)
{
    bpf->place[label] = (int)bpf->count;
}

void bpf_load(struct bpf *bpf, size_t offset)
{
    bpf_op(bpf, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

void bpf_goto(struct bpf *bpf, int label)
{
    bpf_emit(bpf, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0), label);
}

void bpf_if(struct bpf *bpf, uint16_t test, uint32_t k, int label)
{
    bpf_emit(bpf, (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, k, 0, 1), -1);
    bpf_goto(bpf, label);
}

void bpf_return(struct bpf *bpf, uint32_t value)
{
    bpf_op(bpf, BPF_RET | BPF_K, value);
}

int bpf_end(struct bpf *bpf)
{
    if (bpf->overflow)
        return -E2BIG;
    for (size_t i = 0; i < bpf->count; i++)
        if (bpf->target[i] >= 0)
            bpf->code[i].k = (uint32_t)(bpf->place[bpf->target[i]] - (int)i - 1);
    return (int)bpf->count;
}
