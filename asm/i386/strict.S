/*
 * strict (i386): the moment before main. The dynamic linker jumps here instead of to the program's entry, when libraries are relocated and
 * the thread's segment is set; strict_enter() locks the thread down, and the program's entry is entered as if nothing had been: every
 * register (edx: what main's exit must run) and the stack are kept.
 */
        .text
        .globl  strict_start
        .hidden strict_start
strict_start:
        pushl   %eax                            /* becomes the entry's address */
        pushal
        movl    %esp, %ebx
        andl    $-16, %esp
        call    strict_enter
        movl    %ebx, %esp
        movl    %eax, 32(%esp)
        popal
        ret

        .section .note.GNU-stack, "", @progbits
