#!/usr/bin/perl
# The trustee and the gate, as objdump sees them: in the objects, in the linked stubs, and in the bytes embedded in nurse itself. t/lib/Asm.pm has
# the lists of what is allowed; mutants of the source show that it refuses everything else.

use strict;
use warnings;
use lib 't/lib';
use Asm qw(offsets constants disassemble_section disassemble_bytes section_bytes relocations check_trustee check_gate);
use File::Temp qw(tempdir);
use Test::More;

alarm 120;

my $build = $ENV{BUILD} // 'build';
my $nurse = $ENV{NURSE} // "$build/nurse";
my $dir = tempdir('nurse-asm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $o = offsets("$build/gen/offsets.h");
my $layout = constants('core/mailbox/layout.h', qw(STUB_TRUSTEE STUB_GATE));
my %class = (x86_64 => 64, i386 => 32);

# The calls that a trustee makes of its own: sched_yield, futex, set_robust_list, exit.
my %numbers = (x86_64 => [24, 202, 273, 60], i386 => [158, 240, 311, 1]);
my %least = (trustee => 60, gate => 70);

sub slurp {
    my ($file) = @_;
    open my $in, '<:raw', $file or die "$file: $!";
    local $/ = undef;
    return scalar <$in>;
}

sub spew {
    my ($file, $bytes) = @_;
    open my $out, '>:raw', $file or die "$file: $!";
    print {$out} $bytes;
    close $out or die "$file: $!";
    return $file;
}

sub check {
    my ($room, $instructions, $arch) = @_;
    return $room eq 'trustee' ? check_trustee($instructions, $arch, $o, $numbers{$arch}) : check_gate($instructions, $arch);
}

# One test: the instructions pass, there are enough of them, and they fill their page.
sub clean {
    my ($room, $instructions, $arch, $name) = @_;
    my @complaints = check($room, $instructions, $arch);
    my $bytes = 0;
    $bytes += $_->{size} for @$instructions;
    my $code = grep { $_->{op} ne 'int3' } @$instructions;
    push @complaints, "only $code instructions" if $code < $least{$room};
    push @complaints, "$bytes bytes, not a page" if $bytes != 4096;
    splice @complaints, 10, @complaints, '...' if @complaints > 10;
    ok(!@complaints, $name) or diag(join "\n", @complaints);
    return;
}

# --- what was built --------------------------------------------------------------------------------------

sub symbols {
    my ($file) = @_;
    return { map { /^([0-9a-f]+) \w (\w+)$/ ? ($2 => hex $1) : () } `nm \Q$file\E` };
}

# The bytes between two symbols in .rodata of nurse.
sub embedded {
    my ($name) = @_;
    my $symbols = symbols($nurse);
    my ($from, $to) = @$symbols{ $name, "${name}_end" };
    return '' unless defined $from && defined $to;
    my ($vma) = map { hex((split)[3]) } grep { / \.rodata / } `objdump -h -w \Q$nurse\E`;
    return substr section_bytes($nurse, '.rodata'), $from - $vma, $to - $from;
}

# A page of a stub: where the loadable segment begins in the file, plus the page's place.
sub stub_page {
    my ($bytes, $arch, $place) = @_;
    my ($phoff) = unpack $arch eq 'x86_64' ? 'x32 Q' : 'x28 L', $bytes;
    my ($offset) = unpack $arch eq 'x86_64' ? 'x8 Q' : 'x4 L', substr $bytes, $phoff;
    return substr $bytes, $offset + $place, 4096;
}

my %place = (trustee => $layout->{STUB_TRUSTEE}, gate => $layout->{STUB_GATE});
for my $arch (sort keys %class) {
    my $stub = embedded("stub_$arch");
    ok(length $stub > 0x3000 && $stub eq slurp("$build/$class{$arch}/stub.elf"), "$arch: the stub in nurse is stub.elf, byte for byte");
    for my $room (qw(trustee gate)) {
        my $object = "$build/$class{$arch}/asm/$arch/$room.o";
        clean($room, disassemble_section($object, ".$room"), $arch, "$arch $room: the object");
        is(relocations($object, ".$room", $room eq 'gate' ? 'gate_request' : undef), 0, "$arch $room: nothing to relocate but its distance from the window");
        clean($room, disassemble_section("$build/$class{$arch}/stub.elf", ".$room"), $arch, "$arch $room: the stub");
        my $page = stub_page($stub, $arch, $place{$room});
        clean($room, disassemble_bytes(spew("$dir/page", $page), $arch), $arch, "$arch $room: the page in nurse, where layout.h says");
        ok($page eq section_bytes($object, ".$room"), "$arch $room: the page in nurse is the object's section") if $room eq 'trustee';
    }
    cmp_ok(symbols("$build/$class{$arch}/stub.elf")->{trustee_run}, '==', $place{trustee}, "$arch: the trustee begins where its page does");
    cmp_ok(symbols("$build/$class{$arch}/stub.elf")->{gate_enter}, '==', $place{gate}, "$arch: so does the gate");
}

# --- mutants: the checker must refuse each of them -------------------------------------------------------

# A changed copy of asm/ARCH/ROOM.S, assembled; nothing when it does not assemble.
sub mutant {
    my ($arch, $room, $change) = @_;
    local $_ = slurp("asm/$arch/$room.S");
    my $before = $_;
    $change->();
    return if $_ eq $before && $change != \&same;
    spew("$dir/mutant.S", $_);
    my $error = `gcc -m$class{$arch} -I. -I$build/gen -c -o $dir/mutant.o $dir/mutant.S 2>&1`;
    diag($error) if $?;
    return $? ? undef : "$dir/mutant.o";
}

sub same { return }

# Lines put in front of the execution of an order, or behind it: a place that every order passes.
sub insert { my ($text) = @_; return sub { s/^(\.Lexecute:.*\n)/$1$text\n/m } }
sub append { my ($text) = @_; return sub { s/^(\.Lexit:.*\n)/$1$text\n/m } }
sub edit   {
    my ($from, $to) = @_;
    return sub { s{$from}{ my $first = $1 // ""; $to =~ s/\$1/$first/r }e };
}

my @both = (
    ['a call',                       insert('call trustee_run'),              qr/call.*not on the list/],
    ['a return',                     insert('ret'),                           qr/ret.*not on the list/],
    ['an unknown instruction',       insert('rdtsc'),                         qr/rdtsc.*not on the list/],
    ['a string instruction',         insert('rep stosb'),                     qr/stos.*not on the list/],
    ['a jump into an instruction',   insert('jmp .Lexecute + 1'),             qr/jumps to no instruction/],
    ['a jump out of the page',       edit('jmp     \.Lreport', 'jmp . + 8192'), qr/jumps to no instruction/],
    ['a jump into the padding',      edit('jmp     \.Lreport', 'jmp trustee_run + 4095'), qr/jumps to no instruction/],
    ['a conditional jump elsewhere', insert('je .Lexecute + 3'),              qr/jumps to no instruction/],
    ['a jump to a symbol',           insert('jmp elsewhere'),                 qr/jumps to no instruction|relocation/],
    ['no end',                       edit('ud2\n        \.size', "nop\n        .size"), qr/not on the list/],
    ['no end, all allowed',          edit('ud2\n        \.size', "mfence\n        .size"), qr/control runs out/],
    ['code that nothing reaches',    edit('(\.Lexit:)', "ud2\n\$1"),          qr/not reachable|control|jumps/],
    ['code behind the end',          edit('ud2\n        \.size', "ud2\n        mfence\n        ud2\n        .size"), qr/not reachable/],
    ['a call of its own: execve',    append("movl \$11, %eax\n        KERNEL"), qr/is not the trustee's/],
    ['a number from a register',     append("movl %edx, %eax\n        KERNEL"), qr/number from/],
    ['a second order',               append("LOAD(ORDER_NR)\n        KERNEL"), qr/2 calls with the number/],
    ['a number from another field',  append("LOAD(ORDER_ARG0)\n        KERNEL"), qr/number from/],
    ['a jump in front of a call',    edit('(movl    \$FUTEX_WAIT,)', "je 7f\n        \$1"), qr/number from nowhere/],
    ['half a write to eax',          append("movl \$1, %eax\n        shll \$1, %eax\n        KERNEL"), qr/number from nowhere/],
);

my %only = (
    x86_64 => [
        ['a push',                       insert('pushq %rax'),                 qr/push.*not on the list/],
        ['a pop',                        insert('popq %rax'),                  qr/pop.*not on the list/],
        ['a load from the stack',        insert('movq (%rsp), %rax'),          qr/not on the list/],
        ['a store to the stack',         insert('movq %rax, -8(%rsp)'),        qr/not on the list/],
        ['the stack pointer read',       insert('movq %rsp, %rax'),            qr/not on the list/],
        ['the stack pointer set',        insert('xorl %esp, %esp'),            qr/not on the list/],
        ['an address on the stack',      insert('leaq 8(%rsp), %rdi'),         qr/not on the list/],
        ['a store to the order window',  insert('movl %eax, ORDER_COMMAND(%rbx)'), qr/not on the list/],
        ['an immediate stored there',    insert('movl $1, ORDER_COMMAND(%rbx)'), qr/not on the list/],
        ['a load from the cell',         insert('movl CELL_DONE(%rbp), %eax'), qr/not on the list/],
        ['a comparison with the cell',   insert('cmpl $0, CELL_ASLEEP(%rbp)'), qr/not on the list/],
        ['an exchange with the cell',    insert('xchgl %eax, CELL_DONE(%rbp)'), qr/not on the list/],
        ['a load from anywhere',         insert('mov (%rax), %rax'),           qr/not on the list/],
        ['a store to anywhere',          insert('movl %eax, (%rdi)'),          qr/not on the list/],
        ['a load beside the code',       insert('movq .Lexit(%rip), %rax'),    qr/not on the list/],
        ['an absolute load',             insert('movabs 0x1122334455667788, %rax'), qr/not on the list/],
        ['an index',                     insert('movq ORDER_ARG0(%rbx,%rax,8), %rax'), qr/not on the list/],
        ['a segment',                    insert('movq %fs:0, %rax'),           qr/not on the list/],
        ['a load beyond the fields',     insert('movl ORDER_ANSWER_VALUE(%rbx), %eax'), qr/not on the list/],
        ['a load of the bytes',          insert('movl 0x1000(%rbx), %eax'),    qr/not on the list/],
        ['a load in front of the window', insert('movl -4(%rbx), %eax'),       qr/not on the list/],
        ['a load between fields',        insert('movl 2(%rbx), %eax'),         qr/not on the list/],
        ['a load wider than its field',  insert('movq ORDER_COMMAND(%rbx), %rax'), qr/not on the list/],
        ['a store behind the cell',      insert('movl %eax, 16(%rbp)'),        qr/not on the list/],
        ['a store in front of the cell', insert('movl %eax, -4(%rbp)'),        qr/not on the list/],
        ['a store wider than its field', insert('movq %rax, CELL_ASLEEP(%rbp)'), qr/not on the list/],
        ['the order window moved',       insert('movq %rax, %rbx'),            qr/not on the list/],
        ['the cell moved',               insert('subq $8, %rbp'),              qr/not on the list/],
        ['an order loaded over a window', insert('movq ORDER_ARG0(%rbx), %rbp'), qr/not on the list/],
        ['a register the kernel changes', insert('movl $1, %ecx'),             qr/not on the list/],
        ['an indirect jump',             insert('jmp *%rax'),                  qr/not on the list/],
        ['a jump through memory',        insert('jmp *ORDER_ARG0(%rbx)'),      qr/not on the list/],
        ['the other call instruction',   insert('int $0x80'),                  qr/not on the list/],
        ['an interrupt',                 insert('int $0x2e'),                  qr/not on the list/],
        ['a vector store',               insert('movq %xmm0, CELL_DONE(%rbp)'), qr/not on the list/],
        ['a prefix',                     insert('lock orl %eax, CELL_DONE(%rbp)'), qr/not on the list/],
        ['bytes that are no code',       insert('.byte 0x06'),                 qr/not on the list/],
    ],
    i386 => [
        ['a push',                       insert('pushl %eax'),                 qr/push.*not on the list/],
        ['a load from the stack',        insert('movl (%esp), %eax'),          qr/not on the list/],
        ['the stack pointer read',       insert('movl %esp, %eax'),            qr/not on the list/],
        ['the stack pointer set',        insert('movl %eax, %esp'),            qr/not on the list/],
        ['a store to the order window',  insert('movl %eax, %fs:ORDER_COMMAND'), qr/not on the list/],
        ['an immediate stored there',    insert('movl $1, %fs:ORDER_COMMAND'), qr/not on the list/],
        ['a load from the cell',         insert('movl %gs:CELL_DONE, %eax'),   qr/not on the list/],
        ['a load from anywhere',         insert('movl (%eax), %eax'),          qr/not on the list/],
        ['a store to anywhere',          insert('movl %eax, (%ebx)'),          qr/not on the list/],
        ['an absolute load',             insert('movl 0x11223344, %eax'),      qr/not on the list/],
        ['a load by symbol',             insert('movl trustee_run, %eax'),     qr/not on the list/],
        ['an index in the window',       insert('movl %fs:ORDER_ARG0(%eax), %eax'), qr/not on the list/],
        ['a load beyond the fields',     insert('movl %fs:ORDER_ANSWER_VALUE, %eax'), qr/not on the list/],
        ['a load of the bytes',          insert('movl %fs:0x1000, %eax'),      qr/not on the list/],
        ['a store behind the cell',      insert('movl %eax, %gs:16'),          qr/not on the list/],
        ['the window moved',             insert('movw %ax, %fs'),              qr/not on the list/],
        ['the cell moved',               insert('movl %eax, %gs'),             qr/not on the list/],
        ['a segment popped',             insert('popl %gs'),                   qr/not on the list/],
        ['the address for futex changed', insert('movd %eax, %mm3'),           qr/not on the list/],
        ['the bell\'s address changed',  insert('movd %eax, %mm4'),            qr/not on the list/],
        ['an MMX load',                  insert('movd %fs:ORDER_SEQ, %mm0'),   qr/not on the list/],
        ['an MMX store',                 insert('movd %mm0, %gs:CELL_DONE'),   qr/not on the list/],
        ['an indirect jump',             insert('jmp *%eax'),                  qr/not on the list/],
        ['a jump through memory',        insert('jmp *%fs:ORDER_ARG0'),        qr/not on the list/],
        ['a far call',                   insert('lcall $0x33, $0'),            qr/not on the list/],
        ['another gate',                 insert('sysenter'),                   qr/not on the list/],
        ['an interrupt',                 insert('int $0x81'),                  qr/not on the list/],
        ['the kernel\'s own VDSO',       insert('call *%gs:0x10'),             qr/not on the list/],
    ],
);

# The words in @both that are spelled differently.
sub spell {
    my ($arch) = @_;
    return $arch eq 'x86_64' ? sub { s/KERNEL/syscall/g; s/LOAD\((\w+)\)/movq $1(%rbx), %rax/g }
                             : sub { s/KERNEL/int \$0x80/g; s/LOAD\((\w+)\)/movl %fs:$1, %eax/g };
}

# A label for the mutant that jumps to just before a call instruction.
sub land {
    my ($arch) = @_;
    my $call = $arch eq 'x86_64' ? 'syscall' : 'int     \$0x80';
    return sub { s/(__NR_futex, %eax\n)(\s+$call)/$1 7:$2/ };
}

for my $arch (sort keys %class) {
    my $object = mutant($arch, 'trustee', \&same);
    clean('trustee', disassemble_section($object, '.trustee'), $arch, "$arch: the unchanged source passes");
    for (@both, @{ $only{$arch} }) {
        my ($name, $change, $expected) = @$_;
        my ($spell, $land) = (spell($arch), land($arch));
        $object = mutant($arch, 'trustee', sub { $change->(); $spell->(); $land->() if /je 7f/ });
        if (!$object) { fail("$arch, mutant: $name"); next }
        my @complaints = check('trustee', disassemble_section($object, '.trustee'), $arch);
        push @complaints, 'relocation' if relocations($object, '.trustee');
        like(join("\n", @complaints), $expected, "$arch, mutant: $name");
    }
}

# Gates.
my @gates = (
    ['x86_64', 'a push in the red zone', edit('(\.Lpost:)', "\$1 pushq %rax\n"), qr/touches the stack/],
    ['x86_64', 'flags by the stack',     edit('(\.Lpost:)', "\$1 pushfq\n"),     qr/touches the stack/],
    ['x86_64', 'a store below the stack', edit('(\.Lpost:)', "\$1 movq %rax, -8(%rsp)\n"), qr/touches the stack/],
    ['x86_64', 'a return',               edit('(\.Lpost:)', "\$1 ret\n"),        qr/touches the stack/],
    ['x86_64', 'a call',                 edit('(\.Lpost:)', "\$1 call gate_enter\n"), qr/not for a gate/],
    ['x86_64', 'a string instruction',   edit('(\.Lpost:)', "\$1 cld\n"),        qr/not for a gate/],
    ['x86_64', 'the program\'s memory',  edit('(\.Lpost:)', "\$1 movq (%rdi), %rax\n"), qr/neither load nor store of the windows/],
    ['x86_64', 'an indirect jump elsewhere', edit('(\.Lpost:)', "\$1 jmp *%rdi\n"), qr/jumps to no instruction/],
    ['x86_64', 'no end',                 edit('jmp     \*%rcx\n        \.size', ".size"), qr/control runs out/],
    ['i386',   'a push too many',        edit('(\.Lpost:)', "\$1 pushl %eax\n"), qr/bytes on the stack/],
    ['i386',   'a pop too few',          edit('(\.Lleave:(?:.*\n){4})        popl    %ebp\n', '$1'), qr/bytes on the stack/],
    ['i386',   'an early return',        edit('(\.Lpost:)', "\$1 ret\n"),        qr/returns with 16 bytes/],
    ['i386',   'the stack moved',        edit('(\.Lpost:)', "\$1 subl \$4, %esp\n"), qr/changes the stack pointer/],
    ['i386',   'a load of the caller\'s frame', edit('SAVED\(%esp\)', '20(%esp)'), qr/reads beyond the return address/],
    ['i386',   'the program\'s memory',  edit('(\.Lpost:)', "\$1 movl (%ebx), %eax\n"), qr/neither load nor store of the windows/],
);
for (@gates) {
    my ($arch, $name, $change, $expected) = @$_;
    my $object = mutant($arch, 'gate', $change);
    if (!$object) { fail("$arch gate, mutant: $name"); next }
    like(join("\n", check('gate', disassemble_section($object, '.gate'), $arch)), $expected, "$arch gate, mutant: $name");
}

# A check that finds nothing to check has failed.
is_deeply([check_trustee([], 'x86_64', $o, [])], ['no instructions'], 'an empty page is refused');
sub dies {
    my (@arguments) = @_;
    open my $stderr, '>&', \*STDERR or die "dup: $!";
    open STDERR, '>', '/dev/null' or die "/dev/null: $!";
    my $lived = eval { disassemble_section(@arguments); 1 };
    open STDERR, '>&', $stderr or die "dup: $!";
    return !$lived;
}
ok(dies("$dir/missing.o", '.trustee'), 'a missing file is fatal');
ok(dies("$build/64/asm/x86_64/trustee.o", '.nothing'), 'a missing section is fatal');

done_testing();
