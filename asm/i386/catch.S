/*
 * catch (i386): a thread that creates a process tells its registers; see asm/x86_64/catch.S.
 *
 * An `int $0x80` of the program's is followed by a call to one of the entries while it is awaited; the gate, whose instructions nobody changes, comes by
 * catch_return.
 * The notes are taken off the stack before anything else: the child of vfork will write where the parent's stack ends.
 */
#include <asm/unistd_32.h>

#include "offsets.h"

#define SIG_SETMASK 2
#define SIGSET_SIZE 8
#define CALL_LENGTH 5
#define INTERRUPTED 4                           /* EINTR */
#define RESTART 513                             /* ERESTARTNOINTR */
#define ENTRY_TO_WINDOW 9                       /* from CATCH_ENTRY to MAILBOX_REQUEST_SPAN bytes */
#define SEGMENT_FIRST 12                        /* of the three that a thread has, under a 64-bit kernel */
#define AREA_SIZE 16
#define REG(n) CAUGHT_REG + 8 * n               /* eax ecx edx ebx esp ebp esi edi */

        .hidden gate_board
        .section .catch, "ax", @progbits
        .globl  catch_enter
        .hidden catch_enter
        .globl  catch_born
        .hidden catch_born
        .globl  catch_return
        .hidden catch_return

catch_enter:                                    /* nobody comes this way: the gate does by catch_return, the program by the entries */
        ud2
        .balign 16, 0xcc
catch_born:                                     /* ebp = cell of our window */
        subl    $REQUEST_CELL, %ebp
        movl    REG(4)(%ebp), %esp              /* before a signal can come */
        movl    CAUGHT_FS(%ebp), %eax
        movw    %ax, %fs
        movl    CAUGHT_GS(%ebp), %eax
        movw    %ax, %gs
        call    1f
1:      popl    %ebx
        xorl    %edx, %edx
        movl    gate_board - 1b + BOARD_XSAVE(%ebx), %eax
        testl   %eax, %eax
        jz      2f
        xrstor  CAUGHT_FPU(%ebp)
        jmp     .Lrelease
2:      fxrstor CAUGHT_FPU(%ebp)
        jmp     .Lrelease

catch_return:                                   /* eax = answer, (%esp) = flags, 4(%esp) = return address */
        pushl   %ecx
        call    1f
1:      popl    %ecx
        addl    $(gate_board - 1b), %ecx
        cmpl    BOARD_REQUESTS(%ecx), %eax
        jb      .Lother
        cmpl    BOARD_REQUESTS_END(%ecx), %eax
        jae     .Lother
        movl    $CAUGHT_ARRIVED, CAUGHT_HELD(%eax)
        popl    %ecx
        movl    %ecx, REG(1)(%eax)
        popl    %ecx
        movl    %ecx, CAUGHT_FLAGS(%eax)
        popl    %ecx
        movl    %ecx, CAUGHT_IP(%eax)
        movl    %edx, REG(2)(%eax)
        movl    %ebx, REG(3)(%eax)
        movl    %esp, REG(4)(%eax)
        movl    %ebp, REG(5)(%eax)
        movl    %esi, REG(6)(%eax)
        movl    %edi, REG(7)(%eax)
        movl    %eax, %ebp
        movl    %fs, %eax
        movl    %eax, CAUGHT_FS(%ebp)
        movl    %gs, %eax
        movl    %eax, CAUGHT_GS(%ebp)
        call    1f
1:      popl    %edi
        xorl    %edx, %edx
        movl    gate_board - 1b + BOARD_XSAVE(%edi), %eax
        testl   %eax, %eax
        jz      2f
        xsave   CAUGHT_FPU(%ebp)
        jmp     3f
2:      fxsave  CAUGHT_FPU(%ebp)

3:      movl    $SIG_SETMASK, %ebx              /* sigprocmask(SIG_SETMASK, all, &mask): no handler shall create a process meanwhile */
        leal    .Lall - 1b(%edi), %ecx
        leal    CAUGHT_MASK(%ebp), %edx
        movl    $SIGSET_SIZE, %esi
        movl    $__NR_rt_sigprocmask, %eax
        int     $0x80
        xorl    %ebx, %ebx                      /* sigaltstack(NULL, &altstack) */
        leal    CAUGHT_ALTSTACK(%ebp), %ecx
        movl    $__NR_sigaltstack, %eax
        int     $0x80
        .irp    k, 0, 1, 2                      /* get_thread_area */
        leal    CAUGHT_AREA + \k * AREA_SIZE(%ebp), %ebx
        movl    $SEGMENT_FIRST + \k, (%ebx)
        movl    $__NR_get_thread_area, %eax
        int     $0x80
        .endr
        movl    $SAY_CAUGHT, %ebx
        movl    %ebp, %ecx
        movl    $CALL_OF_NURSE, %eax
        int     $0x80
        cmpl    $CATCH_MAKE, %eax
        je      .Lmake
        cmpl    $CATCH_TELL, %eax
        je      .Lmake
        movl    %eax, REG(0)(%ebp)

.Lrelease:                                      /* parent and child: everything as it was */
        movl    $SIG_SETMASK, %ebx
        leal    CAUGHT_MASK(%ebp), %ecx
        xorl    %edx, %edx
        movl    $SIGSET_SIZE, %esi
        movl    $__NR_rt_sigprocmask, %eax
        int     $0x80
.Lleave:
        movl    REG(4)(%ebp), %esp
        pushl   CAUGHT_IP(%ebp)
        pushl   CAUGHT_FLAGS(%ebp)
        pushl   REG(5)(%ebp)
        movl    REG(0)(%ebp), %eax
        movl    REG(1)(%ebp), %ecx
        movl    REG(2)(%ebp), %edx
        movl    REG(3)(%ebp), %ebx
        movl    REG(6)(%ebp), %esi
        movl    REG(7)(%ebp), %edi
        movl    $0, CAUGHT_HELD(%ebp)           /* the window may serve others now */
        popl    %ebp
        popfl
        ret

.Lmake:                                         /* see x86_64 */
        pushl   %eax
        movl    $SIG_SETMASK, %ebx
        leal    CAUGHT_MASK(%ebp), %ecx
        xorl    %edx, %edx
        movl    $SIGSET_SIZE, %esi
        movl    $__NR_rt_sigprocmask, %eax
        int     $0x80
        movl    REQUEST_ORDER(%ebp), %eax
        movl    ORDER_ARG0(%eax), %ebx
        movl    ORDER_ARG1(%eax), %ecx
        movl    ORDER_ARG2(%eax), %edx
        movl    ORDER_ARG3(%eax), %esi
        movl    ORDER_ARG4(%eax), %edi
        pushl   %ebp
        movl    ORDER_ARG5(%eax), %ebp
        movl    ORDER_NR(%eax), %eax
        int     $0x80
        popl    %ebp
        movl    %eax, REG(0)(%ebp)
        popl    %eax
        cmpl    $CATCH_TELL, %eax
        jne     .Lleave
1:      movl    $SAY_MADE, %ebx
        movl    %ebp, %ecx
        movl    REG(0)(%ebp), %edx
        movl    $CALL_OF_NURSE, %eax
        int     $0x80
        cmpl    $-INTERRUPTED, %eax
        je      1b
        jmp     .Lleave

.Lother:                                        /* nobody was sent here: the call's own result */
        popl    %ecx
        popfl
        ret

/* (%esp) = 5 bytes behind our entry, 4(%esp) = 5 bytes behind the return address; see x86_64 */
.Lpatched:
        pushfl
        subl    $CALL_LENGTH, 8(%esp)
        cmpl    $-RESTART, %eax
        je      1f
        pushl   %eax
        pushl   %ebx
        movl    $SAY_OTHER, %ebx
        movl    $CALL_OF_NURSE, %eax
        int     $0x80
        popl    %ebx
        popl    %eax
        popfl
        leal    4(%esp), %esp
        ret
1:      pushl   %ecx
        call    2f
2:      popl    %ecx
        movl    8(%esp), %eax                   /* the entry's place tells the window */
        subl    $CALL_LENGTH, %eax
        andl    $(CATCH_ENTRIES - 1) * CATCH_ENTRY, %eax
        shll    $ENTRY_TO_WINDOW, %eax
        addl    gate_board - 2b + BOARD_REQUESTS(%ecx), %eax
        popl    %ecx
        popl    (%esp)                          /* flags for the entry: as from the gate */
        jmp     catch_return

        .balign 8
.Lall:  .quad   -1

        .section .catch_entries, "ax", @progbits    /* one for each window; the helper counts on their size */
        .rept   CATCH_ENTRIES
        .balign CATCH_ENTRY, 0xcc
        .byte   0xe8
        .long   .Lpatched - . - 4
        .endr

        .section .note.GNU-stack, "", @progbits
