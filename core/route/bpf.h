/*
 * bpf: a small assembler for seccomp filters, with labels, for what libseccomp can't say: where a call comes from, and sums of arguments.
 *
 * Pure computation in the helper. Jumps to labels may be of any length. Test: t/10-unit-route.t.
 */
#ifndef NURSE_ROUTE_BPF_H
#define NURSE_ROUTE_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

enum { BPF_LABELS = 1024 };

struct bpf {
    struct sock_filter code[BPF_MAXINSNS];
    int target[BPF_MAXINSNS];       /* label that a BPF_JA at this place goes to; -1 none */
    int place[BPF_LABELS];
    size_t count;
    int labels;
    int overflow;                   /* more instructions or labels than there is room for */
};

void bpf_begin(struct bpf *bpf);
/* Append code that libseccomp made; returns of `from` become jumps to `label`. */
void bpf_append(struct bpf *bpf, const struct sock_filter *code, size_t count, uint32_t from, int label);
int bpf_label(struct bpf *bpf);                             /* a new label */
void bpf_here(struct bpf *bpf, int label);                  /* the label is this place */
void bpf_load(struct bpf *bpf, size_t offset);              /* a = word of struct seccomp_data */
void bpf_op(struct bpf *bpf, uint16_t code, uint32_t k);
void bpf_if(struct bpf *bpf, uint16_t test, uint32_t k, int label);    /* if (a TEST k) goto label; BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET */
void bpf_goto(struct bpf *bpf, int label);
void bpf_return(struct bpf *bpf, uint32_t value);
/* Resolve the labels. Returns the number of instructions, or -E2BIG. */
int bpf_end(struct bpf *bpf);

#endif
