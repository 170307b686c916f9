/*
 * start: entry and exit of loadrun, the harness around the loader. Hands the initial stack to loadrun_main(), which never returns;
 * loadrun_enter(stack, address) enters a program as exec would: all registers 0 but the stack pointer.
 * loadrun_gate serves libc's system calls as the VDSO would; loadrun_hook is where an interpreter is sent instead of the program.
 */
    .section .note.GNU-stack, "", @progbits
    .text
    .globl _start, loadrun_enter, loadrun_gate, loadrun_hook
    .hidden loadrun_gate, loadrun_hook
#ifdef __x86_64__
_start:
    mov %rsp, %rdi
    xor %ebp, %ebp
    call loadrun_main
    hlt
loadrun_enter:
    mov %rdi, %rsp
    push %rsi
    xor %eax, %eax
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    pushq $0x202
    popfq
    ret
loadrun_gate:
    syscall
    ret
loadrun_hook:
    mov $77, %edi
    mov $231, %eax
    syscall
#else
_start:
    mov %esp, %eax
    xor %ebp, %ebp
    sub $12, %esp
    push %eax
    call loadrun_main
    hlt
loadrun_enter:
    mov 8(%esp), %eax
    mov 4(%esp), %esp
    push %eax
    xor %eax, %eax
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %ebp, %ebp
    push $0x202
    popf
    ret
loadrun_gate:
    int $0x80
    ret
loadrun_hook:
    mov $77, %ebx
    mov $252, %eax
    int $0x80
#endif
