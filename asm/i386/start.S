/*
 * start (i386): the stub's first instruction, the birth of a trustee, and the jump into the program; see asm/x86_64/start.S.
 */
#include <asm/unistd_32.h>

#include "offsets.h"

        .section .text.start, "ax", @progbits
        .globl  stub_start
        .hidden stub_start
stub_start:                                     /* esp: argc, argv, envp, auxv, as the kernel laid them */
        call    1f                              /* where are we? (and give the stack back as it was) */
1:      popl    %ebp
        addl    $(2f - 1b), %ebp
        jmp     trustee_boot                    /* eax = windows */
2:      movl    %esp, %ebx
        movl    %esp, %ecx
        andl    $-16, %esp
        subl    $8, %esp
        pushl   %eax
        pushl   %ecx
        call    boot                            /* returns where to jump */
        movl    %ebx, %esp
        pushl   %eax
        xorl    %eax, %eax
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        xorl    %edx, %edx                      /* edx: nothing for atexit */
        xorl    %esi, %esi
        xorl    %edi, %edi
        xorl    %ebp, %ebp
        ret

/* long trustee_start(struct order *order, uint32_t *cell, unsigned long flags, segments): clone(flags) a trustee for these windows; returns
 * its thread id or -errno. segments: selector of the order window in the low half, of the cell in the high half. */
        .globl  trustee_start
        .hidden trustee_start
trustee_start:
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        pushl   %ebp
        movl    20(%esp), %eax
        movd    %eax, %mm3
        movl    24(%esp), %eax
        movd    %eax, %mm4
        movl    28(%esp), %ebx
        movl    32(%esp), %ebp
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        xorl    %esi, %esi
        xorl    %edi, %edi
        movl    $__NR_clone, %eax
        int     $0x80
        testl   %eax, %eax
        jz      1f
        emms
        popl    %ebp
        popl    %edi
        popl    %esi
        popl    %ebx
        ret
1:      movw    %bp, %fs
        shrl    $16, %ebp
        movw    %bp, %gs
        xorl    %esp, %esp
        pxor    %mm0, %mm0
        jmp     trustee_run

        .section .note.GNU-stack, "", @progbits
