/*
 * catch (x86_64): a thread that creates a process must tell its registers, for the child goes on with them and only the thread itself knows them.
 *
 * The helper answers the call with the address of a request window, and a trampoline ends here; or it makes the instruction behind the call a jump to
 * that window's entry below. The thread notes what it has, reports, waits while its trustee clones, and goes on behind the call with the true result. The child begins at catch_born, locked down
 * already, with the copy of those notes, and goes the same last steps. Both run in the gate's page and are the program's as far as trust goes.
 * Test: t/44-live-fork.t (registers, vector registers, red zone, signal mask and stack on both sides).
 */
#include <asm/unistd_64.h>

#include "offsets.h"

#define SIG_SETMASK 2
#define SIGSET_SIZE 8
#define FLAG_INTERRUPT 0x200                    /* as in gate.S */
#define FLAG_OVERFLOW 0x800
#define ASIDE 256
#define INTERRUPTED 4                           /* EINTR */
#define RESTART 513                             /* ERESTARTNOINTR */
#define ENTRY_TO_WINDOW 9                       /* from CATCH_ENTRY to MAILBOX_REQUEST_SPAN bytes */
#define REG(n) CAUGHT_REG + 8 * n               /* rax rcx rdx rbx rsp rbp rsi rdi r8...r15 */

        .hidden gate_board
        .section .catch, "ax", @progbits
        .globl  catch_enter
        .hidden catch_enter
        .globl  catch_born
        .hidden catch_born

catch_enter:                                    /* rax = answer, rcx = address behind the call, r11 is free */
        jmp     .Lcaught
        .balign 16, 0xcc
catch_born:                                     /* rbp = cell of our window */
        leaq    -REQUEST_CELL(%rbp), %rbx
        movq    REG(4)(%rbx), %rsp              /* before a signal can come */
        xorl    %edx, %edx
        movl    gate_board + BOARD_XSAVE(%rip), %eax
        testl   %eax, %eax
        jz      1f
        xrstor64 CAUGHT_FPU(%rbx)
        jmp     .Lrelease
1:      fxrstor64 CAUGHT_FPU(%rbx)
        jmp     .Lrelease

/* An instruction of the program's that leads here for the moment of one call comes by the entry of the window: r11 = that entry, rax = RESTART (had a
 * signal come before this, the kernel would have made the call again). Another call that ended there asks whether the instruction can be put back (it can,
 * when it was changed for this very thread, which is in a handler now), and tries again. */
.Lpatched:
        leaq    RESTART(%rax), %rax
        xchgq   %rax, %rcx
        jrcxz   1f
        xchgq   %rax, %rcx
        leaq    -RESTART(%rax), %rax
        leaq    -ASIDE(%rsp), %rsp              /* out of the red zone; flags stay as they are */
        pushq   %rax
        pushq   %rcx
        pushq   %rdi
        pushfq
        movl    $SAY_OTHER, %edi
        movl    $CALL_OF_NURSE, %eax
        syscall
        popfq
        popq    %rdi
        popq    %rcx
        popq    %rax
        leaq    ASIDE(%rsp), %rsp
        jmp     *%rcx
1:      movq    %rax, %rcx
        lahf
        seto    %al
        andl    $(CATCH_ENTRIES - 1) * CATCH_ENTRY, %r11d
        shlq    $ENTRY_TO_WINDOW, %r11
        addq    gate_board + BOARD_REQUESTS(%rip), %r11
        jmp     .Lnote

.Lcaught:
        movq    %rax, %r11
        lahf
        seto    %al
        cmpq    gate_board + BOARD_REQUESTS(%rip), %r11
        jb      .Lother
        cmpq    gate_board + BOARD_REQUESTS_END(%rip), %r11
        jae     .Lother
.Lnote: movl    $CAUGHT_ARRIVED, CAUGHT_HELD(%r11)
        movzwl  %ax, %eax
        movq    %rax, CAUGHT_FLAGS(%r11)
        movq    %rcx, CAUGHT_IP(%r11)
        movq    %rdx, REG(2)(%r11)
        movq    %rbx, REG(3)(%r11)
        movq    %rsp, REG(4)(%r11)
        movq    %rbp, REG(5)(%r11)
        movq    %rsi, REG(6)(%r11)
        movq    %rdi, REG(7)(%r11)
        movq    %r8, REG(8)(%r11)
        movq    %r9, REG(9)(%r11)
        movq    %r10, REG(10)(%r11)
        movq    %r12, REG(12)(%r11)
        movq    %r13, REG(13)(%r11)
        movq    %r14, REG(14)(%r11)
        movq    %r15, REG(15)(%r11)
        movq    %r11, %rbx
        rdfsbase %rax
        movq    %rax, CAUGHT_FS(%rbx)
        rdgsbase %rax
        movq    %rax, CAUGHT_GS(%rbx)
        xorl    %edx, %edx
        movl    gate_board + BOARD_XSAVE(%rip), %eax
        testl   %eax, %eax
        jz      1f
        xsave64 CAUGHT_FPU(%rbx)
        jmp     2f
1:      fxsave64 CAUGHT_FPU(%rbx)

2:      movl    $SIG_SETMASK, %edi              /* sigprocmask(SIG_SETMASK, all, &mask): no handler shall create a process meanwhile */
        leaq    .Lall(%rip), %rsi
        leaq    CAUGHT_MASK(%rbx), %rdx
        movl    $SIGSET_SIZE, %r10d
        movl    $__NR_rt_sigprocmask, %eax
        syscall
        xorl    %edi, %edi                      /* sigaltstack(NULL, &altstack) */
        leaq    CAUGHT_ALTSTACK(%rbx), %rsi
        movl    $__NR_sigaltstack, %eax
        syscall
        movl    $SAY_CAUGHT, %edi
        movq    %rbx, %rsi
        movl    $CALL_OF_NURSE, %eax
        syscall
        cmpq    $CATCH_MAKE, %rax
        je      .Lmake
        cmpq    $CATCH_TELL, %rax
        je      .Lmake
        movq    %rax, REG(0)(%rbx)

.Lrelease:                                      /* parent and child: everything as it was */
        movl    $SIG_SETMASK, %edi
        leaq    CAUGHT_MASK(%rbx), %rsi
        xorl    %edx, %edx
        movl    $SIGSET_SIZE, %r10d
        movl    $__NR_rt_sigprocmask, %eax
        syscall
.Lleave:
        movl    CAUGHT_FLAGS(%rbx), %eax
        addb    $0x7f, %al
        sahf
        movq    %rbx, %r11
        movq    REG(0)(%r11), %rax
        movq    REG(2)(%r11), %rdx
        movq    REG(3)(%r11), %rbx
        movq    REG(4)(%r11), %rsp
        movq    REG(5)(%r11), %rbp
        movq    REG(6)(%r11), %rsi
        movq    REG(7)(%r11), %rdi
        movq    REG(8)(%r11), %r8
        movq    REG(9)(%r11), %r9
        movq    REG(10)(%r11), %r10
        movq    REG(12)(%r11), %r12
        movq    REG(13)(%r11), %r13
        movq    REG(14)(%r11), %r14
        movq    REG(15)(%r11), %r15
        movq    CAUGHT_IP(%r11), %rcx
        movl    $0, CAUGHT_HELD(%r11)           /* the window may serve others now */
        movq    %rax, %r11
.Lflags:                                        /* r11 = flags, without a change of them; rax = r11 */
        lahf
        movzbl  %ah, %eax
        leal    FLAG_INTERRUPT(%rax), %eax
        jno     1f
        leal    FLAG_OVERFLOW(%rax), %eax
1:      xchgq   %rax, %r11
        jmp     *%rcx

.Lmake:                                         /* rax = whether to tell: make the call here, open to signals */
        movq    %rax, %r13
        movl    $SIG_SETMASK, %edi
        leaq    CAUGHT_MASK(%rbx), %rsi
        xorl    %edx, %edx
        movl    $SIGSET_SIZE, %r10d
        movl    $__NR_rt_sigprocmask, %eax
        syscall
        movq    REQUEST_ORDER(%rbx), %r12
        movq    ORDER_ARG0(%r12), %rdi
        movq    ORDER_ARG1(%r12), %rsi
        movq    ORDER_ARG2(%r12), %rdx
        movq    ORDER_ARG3(%r12), %r10
        movq    ORDER_ARG4(%r12), %r8
        movq    ORDER_ARG5(%r12), %r9
        movq    ORDER_NR(%r12), %rax
        syscall
        movq    %rax, REG(0)(%rbx)
        cmpq    $CATCH_TELL, %r13
        jne     .Lleave
1:      movl    $SAY_MADE, %edi                 /* again when a handler comes before the helper hears */
        movq    %rbx, %rsi
        movq    REG(0)(%rbx), %rdx
        movl    $CALL_OF_NURSE, %eax
        syscall
        cmpq    $-INTERRUPTED, %rax
        je      1b
        jmp     .Lleave

.Lother:                                        /* nobody was sent here: the call's own result */
        addb    $0x7f, %al
        sahf
        jmp     .Lflags

        .balign 8
.Lall:  .quad   -1

        .section .catch_entries, "ax", @progbits    /* one for each window; the helper counts on their size */
        .rept   CATCH_ENTRIES
        .balign CATCH_ENTRY, 0xcc
        .byte   0xe9
        .long   .Lpatched - . - 4
        .endr

        .section .note.GNU-stack, "", @progbits
