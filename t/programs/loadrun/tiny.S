/*
 * tiny: the smallest honest program, which the hostile-ELF test mutates: code, data, a bss that must be zero; exit status 0 if all is well.
 * Position independent, so that one source serves ET_EXEC, static-pie and a program with an interpreter.
 */
    .section .note.GNU-stack, "", @progbits
    .data
value:
    .long 42
    .bss
    .balign 4096
zeros:
    .skip 8192
    .text
    .globl _start
_start:
#ifdef __x86_64__
    mov value(%rip), %edi
    sub $42, %edi
    or 8188+zeros(%rip), %edi
    mov $231, %eax
    syscall
#else
    call 1f
1:  pop %eax
    mov value-1b(%eax), %ebx
    sub $42, %ebx
    or 8188+zeros-1b(%eax), %ebx
    mov $252, %eax
    int $0x80
#endif
    hlt
