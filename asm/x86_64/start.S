/*
 * start (x86_64): the stub's first instruction, the birth of a trustee, and the jump into the program. Runs in the untrustee, before and
 * (the jump) after lock-down; t/11-unit-loader.t compares what a program finds at its start with a native run.
 */
#include <asm/unistd_64.h>

#include "offsets.h"

        .section .text.start, "ax", @progbits
        .globl  stub_start
        .hidden stub_start
stub_start:                                     /* rsp: argc, argv, envp, auxv, as the kernel laid them */
        leaq    1f(%rip), %r15
        jmp     trustee_boot                    /* rax = windows */
1:      movq    %rsp, %rbx
        movq    %rsp, %rdi
        movq    %rax, %rsi
        andq    $-16, %rsp
        call    boot                            /* returns where to jump */
        movq    %rbx, %rsp
        movq    %rax, %rcx
        xorl    %edx, %edx                      /* rdx: nothing for atexit */
        xorl    %ebx, %ebx
        pushq   %rcx
        xorl    %eax, %eax
        xorl    %ecx, %ecx
        xorl    %esi, %esi
        xorl    %edi, %edi
        xorl    %r8d, %r8d
        xorl    %r9d, %r9d
        xorl    %r10d, %r10d
        xorl    %r11d, %r11d
        xorl    %r12d, %r12d
        xorl    %r13d, %r13d
        xorl    %r14d, %r14d
        xorl    %r15d, %r15d
        xorl    %ebp, %ebp
        ret

/* long trustee_start(struct order *order, uint32_t *cell, unsigned long flags): clone(flags) a trustee for these windows; returns its
 * thread id or -errno. The child takes its registers and nothing else along. */
        .globl  trustee_start
        .hidden trustee_start
trustee_start:
        pushq   %rbx
        pushq   %rbp
        movq    %rdi, %rbx
        movq    %rsi, %rbp
        movq    %rdx, %rdi
        xorl    %esi, %esi
        xorl    %edx, %edx
        xorl    %r10d, %r10d
        xorl    %r8d, %r8d
        movl    $__NR_clone, %eax
        syscall
        testq   %rax, %rax
        jz      1f
        popq    %rbp
        popq    %rbx
        ret
1:      xorl    %esp, %esp
        xorl    %r12d, %r12d
        jmp     trustee_run

        .section .note.GNU-stack, "", @progbits
