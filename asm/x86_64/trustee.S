/*
 * trustee (x86_64): executes the helper's orders. It runs in the sandboxed process, unconfined, beside threads that may be hostile, so it
 * believes nothing but its registers and the order window, which nobody in the process can write:
 * no stack, no call, no load but from (rbx), no store but to the cell at (rbp). t/12-unit-asm.t disassembles it and allows nothing else.
 * asm/REGISTERS says what each register means.
 */
#include <asm/unistd_64.h>

#include "offsets.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define ROBUST_LIST_HEAD 24     /* sizeof(struct robust_list_head): the kernel insists */
#define EVIDENCE_SHIFT 48

        .section .trustee, "ax", @progbits
        .globl  trustee_run
        .hidden trustee_run
        .type   trustee_run, @function

/* for (;;) */
trustee_run:
.Lwait:                                         /* tries = order->yields; */
        movl    ORDER_YIELDS(%rbx), %r13d
.Llook:                                         /* while (order->seq == last) { */
        movl    ORDER_SEQ(%rbx), %eax
        cmpl    %r12d, %eax
        jne     .Ltake
        subl    $1, %r13d                       /*     if (--tries < 0) sleep; */
        js      .Lsleep
        movl    $__NR_sched_yield, %eax         /*     sched_yield(); */
        syscall
        jmp     .Llook                          /* } */

.Lsleep:                                        /* cell->asleep = 1; futex(&order->seq, FUTEX_WAIT, last, NULL); cell->asleep = 0; */
        movl    $1, CELL_ASLEEP(%rbp)
        leaq    ORDER_SEQ(%rbx), %rdi
        movl    $FUTEX_WAIT, %esi
        movl    %r12d, %edx
        xorl    %r10d, %r10d
        movl    $__NR_futex, %eax
        syscall
        movl    $0, CELL_ASLEEP(%rbp)
        jmp     .Lwait

.Ltake:                                         /* last = order->seq; switch (order->command) */
        movl    %eax, %r12d
        movl    ORDER_COMMAND(%rbx), %eax
        cmpl    $COMMAND_EXECUTE, %eax
        je      .Lexecute
        cmpl    $COMMAND_TRAP, %eax
        je      .Ltrap
        cmpl    $COMMAND_EXIT, %eax
        je      .Lexit
        cmpl    $COMMAND_HIGH, %eax
        je      .Lhigh
        ud2                                     /* our own invariant is broken: die, never guess */

.Lexecute:                                      /* result = syscall(order->nr, order->arg...); */
        movq    ORDER_ARG0(%rbx), %rdi
        movq    ORDER_ARG1(%rbx), %rsi
        movq    ORDER_ARG2(%rbx), %rdx
        movq    ORDER_ARG3(%rbx), %r10
        movq    ORDER_ARG4(%rbx), %r8
        movq    ORDER_ARG5(%rbx), %r9
        movq    ORDER_NR(%rbx), %rax
        syscall
        movq    %rax, %r14

.Lreport:                                       /* set_robust_list(last << 48 | (result & 0xffffffffffff), 24); */
        movq    %r12, %rdi                      /* a register of this thread in the kernel, which the helper reads with */
        shlq    $EVIDENCE_SHIFT, %rdi           /* get_robust_list: the one thing about a result that can't be forged */
        movq    %r14, %rax
        shlq    $(64 - EVIDENCE_SHIFT), %rax
        shrq    $(64 - EVIDENCE_SHIFT), %rax
        orq     %rax, %rdi
        movl    $ROBUST_LIST_HEAD, %esi
        movl    $__NR_set_robust_list, %eax
        syscall

        movq    %r14, CELL_RESULT(%rbp)         /* cell->result = result; cell->done = last; (seen by all before what follows) */
        movl    %r12d, CELL_DONE(%rbp)
        mfence

        cmpl    $0, ORDER_WAKE(%rbx)            /* if (order->wake) futex(&cell->done, FUTEX_WAKE, 1); */
        je      .Lring
        leaq    CELL_DONE(%rbp), %rdi
        movl    $FUTEX_WAKE, %esi
        movl    $1, %edx
        movl    $__NR_futex, %eax
        syscall

.Lring:                                         /* if (order->ring) syscall(order->ring_nr, order->ring_arg...); */
        cmpl    $0, ORDER_RING(%rbx)
        je      .Lwait
        movq    ORDER_RING_ARG0(%rbx), %rdi
        movq    ORDER_RING_ARG1(%rbx), %rsi
        movq    ORDER_RING_ARG2(%rbx), %rdx
        movq    ORDER_RING_NR(%rbx), %rax
        syscall
        jmp     .Lwait

.Ltrap:                                         /* raise SIGTRAP for a debugger, then report as for a call */
        int3
        xorl    %r14d, %r14d
        jmp     .Lreport

.Lhigh:                                         /* result >>= 48; the helper asks for what did not fit */
        sarq    $EVIDENCE_SHIFT, %r14
        jmp     .Lreport

.Lexit:                                         /* exit(0): this thread only */
        xorl    %edi, %edi
        movl    $__NR_exit, %eax
        syscall
        ud2
        .size   trustee_run, . - trustee_run
        .balign 4096, 0xcc

        .section .note.GNU-stack, "", @progbits
