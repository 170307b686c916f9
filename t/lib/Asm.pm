package Asm;

# Asm: reads disassembly and says what is wrong with it. Everything that is not on a list here is wrong.
#
# The trustee runs unconfined beside hostile threads, so its page is judged instruction by instruction: known instructions with known kinds of
# operands, no stack, loads from the order window and stores to the result cell only (each at the offset of a field that is the trustee's), direct
# jumps to starts of instructions, calls of the kernel with known numbers, and no path that leaves the code.
#
# Three pieces do what none of this allows: the clone of an order, the newborn that changes its windows and in the end leaves the page, and the
# first call of a stub. They are spelled out here and must be just that, each once; nothing else jumps or runs into the newborn than the clone's zero.
#
# Gate and catch are judged more loosely: they are untrusted, but must not disturb the program's stack. Needs objdump. Proved by the mutants in
# t/12-unit-asm.t.

use strict;
use warnings;
no warnings 'portable';    # addresses of 64 bits
use Exporter 'import';

our @EXPORT_OK = qw(offsets constants disassemble_section disassemble_bytes section_bytes relocations check_trustee check_gate check_catch);

my %machine = (x86_64 => 'i386:x86-64', i386 => 'i386');

# --- reading ---------------------------------------------------------------------------------------------

# build/gen/offsets.h as a hash.
sub offsets {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!";
    return { map { /^#define (\w+) (-?\d+)$/ ? ($1 => $2) : () } <$in> };
}

# Constants of an enum, read from a header.
sub constants {
    my ($file, @names) = @_;
    open my $in, '<', $file or die "$file: $!";
    my %value = map { /^\s*(\w+) = (0x[0-9a-f]+|\d+),/ ? ($1 => $2) : () } <$in>;
    return { map { $_ => oct($value{$_} // die "$file: no $_\n") } @names };
}

sub _lines {
    my (@command) = @_;
    open my $out, '-|', @command or die "$command[0]: $!";
    my @lines = <$out>;
    close $out;
    die "@command: failed\n" if $?;
    return @lines;
}

# One instruction: { at, size, text, op, operands => [...], target }.
sub _instruction {
    my ($at, $bytes, $text) = @_;
    $text =~ s/\s*#.*//;      # objdump's remarks
    $text =~ s/\s+$//;
    $text =~ s/\s+/ /g;
    my $target = $text =~ s/ <[^>]*>$// && $text =~ /^\w+\s+([0-9a-f]+)$/ || $text =~ /^(?:j\w+|call)\s+(?:0x)?([0-9a-f]+)$/ ? hex $1 : undef;
    my ($op, $rest) = split ' ', $text, 2;
    my @operands = defined $rest ? split /,(?![^(]*\))/, $rest : ();
    return { at => $at, size => scalar(split ' ', $bytes), text => $text, op => $op // '', operands => \@operands, target => $target };
}

# Instructions in order; addresses are made relative to the first. A line that is neither instruction nor decoration is fatal.
sub _parse {
    my (@lines) = @_;
    my @instructions;
    for (@lines) {
        chomp;
        if (/^\s*([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*(?:\t(.*))?$/) { push @instructions, _instruction(hex $1, $2, $3 // '') }
        elsif (!/^$|file format|^Disassembly of section|^[0-9a-f]+ <.*>:$/) { die "objdump: not understood: $_\n" }
    }
    my $first = @instructions ? $instructions[0]{at} : 0;
    for (@instructions) {
        $_->{at} -= $first;
        $_->{target} -= $first if defined $_->{target};
    }
    return \@instructions;
}

sub disassemble_section {
    my ($file, $section) = @_;
    return _parse(_lines('objdump', '-d', '-z', '-w', "--section=$section", $file));
}

sub disassemble_bytes {
    my ($file, $arch) = @_;
    return _parse(_lines('objdump', '-D', '-z', '-w', '-b', 'binary', '-m', $machine{$arch}, $file));
}

# The bytes of an ELF file's section, by its section headers.
sub section_bytes {
    my ($file, $section) = @_;
    for (_lines('objdump', '-h', '-w', $file)) {
        my ($index, $name, $size, $vma, $lma, $offset) = split;
        next unless defined $offset && $name eq $section;
        open my $in, '<:raw', $file or die "$file: $!";
        seek $in, hex $offset, 0;
        read $in, my $bytes, hex $size;
        return $bytes;
    }
    die "$file: no section $section\n";
}

# How many relocations a section has.
sub relocations {
    my ($file, $section, @but) = @_;    # relocations against the symbols @but do not count
    my $but = join '|', map { quotemeta } @but;
    return scalar grep { /^[0-9a-f]+\s+R_/ && !(@but && /\s(?:$but)\b/) } _lines('objdump', '-r', "--section=$section", $file);
}

# --- kinds of operands -----------------------------------------------------------------------------------

# Registers that the trustee may read, and those it may write; the windows' registers are never written. x86_64: rcx and r11 are the
# kernel's at every call. i386: %esp never, mm3 and mm4 (addresses for futex) only read.
my %trustee = (
    x86_64 => {
        read  => qr/%(?:[re](?:ax|dx|si|di)|r(?:8|9|10|12|13|14)d?)/,
        write => qr/%(?:[re](?:ax|dx|si|di)|r(?:8|9|10|12|13|14)d?)/,
        load  => qr/(-?(?:0x)?[0-9a-f]*)\(%rbx\)/,
        store => qr/(-?(?:0x)?[0-9a-f]*)\(%rbp\)/,
        call  => 'syscall', entry => 'rax',
    },
    i386 => {
        read  => qr/%(?:e[abcd]x|esi|edi|ebp|mm[0-4])/,
        write => qr/%(?:e[abcd]x|esi|edi|ebp|mm[0-2])/,
        load  => qr/%fs:(0x[0-9a-f]+)/,
        store => qr/%gs:(0x[0-9a-f]+)/,
        call  => 'int $0x80', entry => 'eax',
    },
);

# What each instruction may look like. i: immediate, r: register read, w: register written, m: load, s: store, a: address of a field, t: target.
my %shapes = (
    x86_64 => {
        mov => [qw(iw rw mw rs)], movl => [qw(is)], lea => [qw(aw)], cmp => [qw(rr ir)], cmpl => [qw(im)],
        sub => [qw(iw)], xor => [qw(rw)], or => [qw(rw)], shl => [qw(iw)], shr => [qw(iw)], sar => [qw(iw)], test => [qw(ir)],
        jmp => [qw(t)], je => [qw(t)], jne => [qw(t)], js => [qw(t)],
        syscall => [''], mfence => [''], ud2 => [''], int3 => [''],
    },
    i386 => {
        mov => [qw(iw mw rs)], movl => [qw(is)], movd => [qw(rw)], cmp => [qw(rr ir)], add => [qw(iw)], sub => [qw(iw)],
        xor => [qw(rw)], or => [qw(rw)], shl => [qw(iw)], shr => [qw(iw)], sar => [qw(iw)], pxor => [qw(rw)], psrld => [qw(iw)], test => [qw(ir)],
        jmp => [qw(t)], je => [qw(t)], jne => [qw(t)], js => [qw(t)],
        int => [qw(v)], mfence => [''], ud2 => [''], int3 => [''],
    },
);

# The fields that are the trustee's: offset => size. Those of a birth are the newborn's, see below.
sub _fields {
    my ($o) = @_;
    my %load = map { $o->{"ORDER_$_"} => 4 } qw(SEQ COMMAND RING WAKE YIELDS ALARM);
    $load{ $o->{"ORDER_$_"} } = 8 for qw(NR ARG0 ARG1 ARG2 ARG3 ARG4 ARG5 RING_NR RING_ARG0 RING_ARG1 RING_ARG2);
    return { load => \%load, store => { $o->{CELL_DONE} => 4, $o->{CELL_ASLEEP} => 4, $o->{CELL_RESULT} => 8, $o->{CELL_RESULT} + 4 => 4 } };
}

# Bytes that an instruction with a memory operand moves: by its suffix, else by its register.
sub _width {
    my ($instruction) = @_;
    return 4 if $instruction->{op} =~ /l$/;
    my ($register) = grep { /^%\w+$/ } @{ $instruction->{operands} };
    return 4 if !defined $register || $register =~ /^%e|^%r\d+d$/;
    return 8;
}

sub _number { my ($text) = @_; return $text eq '' ? 0 : $text =~ /^-/ ? -1 : hex $text }

sub _fits {
    my ($instruction, $kind, $operand, $rule, $fields) = @_;
    return $operand =~ /^\$0x[0-9a-f]+$/      if $kind eq 'i';
    return $operand eq '$0x80'                if $kind eq 'v';
    return $operand =~ /^$rule->{read}$/      if $kind eq 'r';
    return $operand =~ /^$rule->{write}$/     if $kind eq 'w';
    return defined $instruction->{target}     if $kind eq 't';
    if ($kind eq 'a') {
        return 0 unless $operand =~ /^(?:$rule->{load}|$rule->{store})$/;
        return defined $1 ? exists $fields->{load}{ _number($1) } : exists $fields->{store}{ _number($2) };
    }
    my $where = $kind eq 'm' ? 'load' : 'store';
    return 0 unless $operand =~ /^$rule->{$where}$/;
    my $size = $fields->{$where}{ _number($1) };
    return defined $size && _width($instruction) <= $size;
}

sub _allowed {
    my ($instruction, $arch, $fields) = @_;
    my @operands = @{ $instruction->{operands} };
    SHAPE: for my $shape (@{ $shapes{$arch}{ $instruction->{op} } // [] }) {
        next unless @operands == length $shape;
        for my $i (0 .. $#operands) {
            next SHAPE unless _fits($instruction, substr($shape, $i, 1), $operands[$i], $trustee{$arch}, $fields);
        }
        return 1;
    }
    return 0;
}

# --- the pieces that are spelled out ---------------------------------------------------------------------

# A listing is a list of instructions as objdump writes them; `op @label` is a jump to a `label:` of the listing or to one of these:
#   wait: the first instruction of the page   die: a ud2   newborn: where that listing begins   code: anything that is not in a listing

my %kernel = (x86_64 => { clone => 56 }, i386 => { clone => 120, set_thread_area => 243, seccomp => 354 });
my %arguments = (x86_64 => [qw(%rdi %rsi %rdx %r10 %r8 %r9)], i386 => [qw(%ebx %ecx %edx %esi %edi %ebp)]);

sub _field {
    my ($arch, $offset) = @_;
    return sprintf $arch eq 'x86_64' ? '0x%x(%%rbx)' : '%%fs:0x%x', $offset;
}

# LOAD_STEP: arguments, then the number.
sub _load_step {
    my ($arch, $o, $at) = @_;
    my @to = @{ $arguments{$arch} };
    return (map({ 'mov ' . _field($arch, $at + $o->{"STEP_ARG$_"}) . ",$to[$_]" } 0 .. 5),
        'mov ' . _field($arch, $at + $o->{STEP_NR}) . ($arch eq 'x86_64' ? ',%rax' : ',%eax'));
}

sub _failed { my ($arch) = @_; return ($arch eq 'x86_64' ? 'cmp $0xfffffffffffff000,%rax' : 'cmp $0xfffff000,%eax', 'ja @die') }

sub _nothing {
    my ($arch, $o, $label) = @_;
    return (sprintf('cmp $0x%x,%s', $o->{STEP_NOTHING}, $arch eq 'x86_64' ? '%rax' : '%eax'), "je \@$label");
}

sub _step {
    my ($arch, $o, $at) = @_;
    return (_load_step($arch, $o, $at), _nothing($arch, $o, "behind$at"), $trustee{$arch}{call}, _failed($arch), "behind$at:");
}

# fd = openat(...); mmap(..., fd, ...); close(fd);
sub _map_steps {
    my ($arch, $o, $at) = @_;
    my @moves = $arch eq 'x86_64' ? ('mov %rax,%r14', 'mov %r14,%r8', 'mov %r14,%rdi') : ('movd %eax,%mm2', 'movd %mm2,%edi', 'movd %mm2,%ebx');
    my ($keep, $fifth, $first) = @moves;
    my $call = $trustee{$arch}{call};
    return (_load_step($arch, $o, $at), _nothing($arch, $o, "behind$at"), $call, _failed($arch), $keep,
        _load_step($arch, $o, $at + $o->{STEP_SIZE}), $fifth, $call, _failed($arch),
        _load_step($arch, $o, $at + 2 * $o->{STEP_SIZE}), $first, $call, "behind$at:");
}

# The newborn's way from its own windows to the point where a trustee waits and an untrustee goes on.
sub _coming_to_itself {
    my ($arch, $o) = @_;
    my $wide = $arch eq 'x86_64';
    my $call = $trustee{$arch}{call};
    my $kind = sprintf 'cmp $0x%x,', $o->{NEWBORN_TRUSTEE};
    my @is_trustee = $wide ? "$kind%r13d" : ('movd %mm1,%ecx', "$kind%ecx");
    return (
        @is_trustee, 'je @hello',
        map({ _map_steps($arch, $o, $o->{BIRTH_MAP} + $_ * 3 * $o->{STEP_SIZE}) } 0, 1),
        _load_step($arch, $o, $o->{BIRTH_TRUSTEE}), $call, $wide ? ('mov %rax,%r14', 'test %rax,%rax') : ('movd %eax,%mm2', 'test %eax,%eax'), 'je @wait',
        'hello:', _load_step($arch, $o, $o->{BIRTH_HELLO}), $wide ? 'mov %r14,%rdx' : 'movd %mm2,%edx', $call, _failed($arch),
        @is_trustee, 'je @wait',
        map({ _step($arch, $o, $o->{BIRTH_THREAD} + $_ * $o->{STEP_SIZE}) } 0 .. ($wide ? 7 : 6)),
    );
}

sub _listings_x86_64 {
    my ($o) = @_;
    my $field = sub { my ($name) = @_; return _field('x86_64', $o->{$name}) };
    return (
        spawn => [
            map({ 'mov ' . $field->("ORDER_ARG$_") . ",$arguments{x86_64}[$_]" } 0 .. 4), sprintf('mov $0x%x,%%eax', $kernel{x86_64}{clone}), 'syscall',
            'mov %rax,%r14', 'test %rax,%rax', 'je @newborn', 'jmp @code',
        ],
        newborn => [
            'mov ' . $field->('BIRTH_KIND') . ',%r13d', 'mov ' . $field->('BIRTH_CELL') . ',%rbp', 'mov ' . $field->('BIRTH_ORDER') . ',%rbx',
            'xor %r12d,%r12d',
            _coming_to_itself('x86_64', $o),
            'mov ' . $field->('BIRTH_RESUME') . ',%r13', _step('x86_64', $o, $o->{BIRTH_LOCK}), 'jmp *%r13',
        ],
        boot => [sprintf('mov $0x%x,%%edi', $o->{SAY_BOOT}), sprintf('mov $0x%x,%%eax', $o->{CALL_OF_NURSE}), 'syscall', 'jmp *%r15'],
    );
}

sub _listings_i386 {
    my ($o) = @_;
    my $load = sub { my ($name, $to, $plus) = @_; return 'mov ' . _field('i386', $o->{$name} + ($plus // 0)) . ",$to" };
    my $kept = sub { my ($name, $to, $plus) = @_; return ($load->($name, '%eax', $plus), "movd %eax,$to") };
    my $call = sub { my ($name) = @_; return (sprintf('mov $0x%x,%%eax', $kernel{i386}{$name}), 'int $0x80') };
    my @must_be_0 = ('test %eax,%eax', 'jne @die');
    my $segment = sub { my ($pointer) = @_; return ($pointer, $call->('set_thread_area'), @must_be_0) };
    return (
        spawn => [
            map({ $load->("ORDER_ARG$_", $arguments{i386}[$_]) } 0 .. 4), $call->('clone'),
            'movd %eax,%mm2', 'test %eax,%eax', 'je @newborn', 'jmp @code',
        ],
        newborn => [
            $kept->('BIRTH_KIND', '%mm1'), $kept->('BIRTH_SEGMENT', '%mm5', $o->{STEP_SIZE} + $o->{STEP_ARG0}), $kept->('BIRTH_SELECTORS', '%mm6'),
            $kept->('BIRTH_ORDER', '%mm3'), $kept->('BIRTH_CELL', '%mm4'),
            $segment->($load->('BIRTH_SEGMENT', '%ebx', $o->{STEP_ARG0})), $segment->('movd %mm5,%ebx'),
            'movd %mm6,%ecx', 'mov %ecx,%fs', 'shr $0x10,%ecx', 'mov %ecx,%gs', 'pxor %mm0,%mm0',
            _coming_to_itself('i386', $o),
            $kept->('BIRTH_LOCK', '%mm5', $o->{STEP_ARG2}), $kept->('BIRTH_RESUME', '%mm6'),
            $segment->($load->('BIRTH_THREAD', '%ebx', 7 * $o->{STEP_SIZE} + $o->{STEP_ARG0})),
            'mov $0x1,%ebx', 'xor %ecx,%ecx', 'movd %mm5,%edx', $call->('seccomp'), @must_be_0,
            'movd %mm4,%ebp', 'movd %mm6,%eax', 'jmp *%eax',
        ],
        boot => [sprintf('mov $0x%x,%%ebx', $o->{SAY_BOOT}), sprintf('mov $0x%x,%%eax', $o->{CALL_OF_NURSE}), 'int $0x80', 'jmp *%ebp'],
    );
}

# Whether the instructions from $start on are the listing; says what is not. Returns how many they are, or 0.
sub _is_listing {
    my ($code, $start, $name, $listing, $places, $complain) = @_;
    my (%label, @lines);
    for (@$listing) {
        if (/^(\w+):$/) { $label{$1} = $start + @lines } else { push @lines, $_ }
    }
    for my $k (0 .. $#lines) {
        my $instruction = $code->[$start + $k];
        if (!$instruction) { $complain->($code->[-1], "the $name ends too early"); return 0 }
        my $right = $lines[$k] eq $instruction->{text};
        if (my ($op, $to) = $lines[$k] =~ /^(j\w+) @(\w+)$/) {
            my $target = defined $instruction->{target} ? $places->{index}{ $instruction->{target} } : undef;
            $right = $op eq $instruction->{op} && defined $target && (
                $to eq 'code' || ($to eq 'die' ? $code->[$target]{op} eq 'ud2' : $target == ($label{$to} // $places->{$to} // -1)));
        }
        if (!$right) { $complain->($instruction, "the $name should have: $lines[$k]"); return 0 }
    }
    return scalar @lines;
}

# Find the three pieces. Returns { index => name of its piece } and where each begins.
sub _find_listings {
    my ($code, $arch, $o, $complain) = @_;
    my %listing = $arch eq 'x86_64' ? _listings_x86_64($o) : _listings_i386($o);
    my %places = (wait => 0, index => { map { $code->[$_]{at} => $_ } 0 .. $#$code });
    my ($clone) = grep { /^mov \$0x/ } @{ $listing{spawn} };
    my @clones = grep { $code->[$_]{text} eq $clone } 0 .. $#$code;
    my (%piece, %start);
    if (@clones != 1 || $clones[0] < 5) { $complain->($code->[0], scalar(@clones) . ' clones'); return (\%piece, \%start) }
    my $branch = $code->[$clones[0] + 4] // {};
    $start{spawn} = $clones[0] - 5;
    $start{newborn} = $places{newborn} = defined $branch->{target} ? $places{index}{ $branch->{target} } // $#$code : $#$code;
    $start{boot} = @$code - @{ $listing{boot} };
    for my $name (qw(spawn newborn boot)) {
        my $size = $start{$name} < 0 ? 0 : _is_listing($code, $start{$name}, $name, $listing{$name}, \%places, $complain);
        $piece{$_} = $name for $start{$name} .. $start{$name} + $size - 1;
    }
    return (\%piece, \%start);
}

my %ends = map { $_ => 1 } qw(jmp ud2 ret);

# Only the clone's zero leads to the newborn, nothing to the boot, and nothing to the middle of a piece but its own jumps.
sub _check_ways {
    my ($code, $piece, $start, $complain) = @_;
    my %index = map { $code->[$_]{at} => $_ } 0 .. $#$code;
    my %from = (spawn => 'any', newborn => 'spawn', boot => 'none');
    for my $i (0 .. $#$code) {
        my $to = defined $code->[$i]{target} ? $index{ $code->[$i]{target} } : undef;
        my $name = defined $to ? $piece->{$to} : undef;
        next if !defined $name || ($piece->{$i} // '') eq $name;
        next if $to == $start->{$name} && ($from{$name} eq 'any' || $from{$name} eq ($piece->{$i} // ''));
        $complain->($code->[$i], "jumps into the $name");
    }
    for my $name (grep { defined $start->{$_} && defined $piece->{ $start->{$_} } } qw(newborn boot)) {
        my $before = $code->[$start->{$name} - 1];
        $complain->($before, "runs into the $name") unless $ends{ $before->{op} };
    }
    return;
}

# --- where control can go --------------------------------------------------------------------------------

# Everything reachable from the instructions with these indices: { index => 1 }, and complaints about jumps that land nowhere and paths that run out.
# $through->($index) may say that a jump is an end.
sub _walk {
    my ($code, $complain, $through, @todo) = @_;
    my %index = map { $code->[$_]{at} => $_ } 0 .. $#$code;
    my %seen;
    while (@todo) {
        my $i = pop @todo;
        if ($i > $#$code) { $complain->($code->[-1], 'control runs out of the code'); next }
        next if $seen{$i}++;
        my $instruction = $code->[$i];
        if ($instruction->{op} =~ /^j/ && !$through->($i)) {
            my $target = $instruction->{target};
            if (defined $target && exists $index{$target}) { push @todo, $index{$target} }
            else { $complain->($instruction, 'jumps to no instruction of this code') }
        }
        push @todo, $i + 1 unless $ends{ $instruction->{op} };
    }
    return \%seen;
}

# Code and the int3 that fill the page behind it.
sub _without_padding {
    my ($instructions) = @_;
    my $last = $#$instructions;
    $last-- while $last >= 0 && $instructions->[$last]{op} eq 'int3';
    return [@$instructions[0 .. $last]];
}

# The number of each call into the kernel outside of the pieces is an immediate from the list, or (once each) the order's and the bell's; nothing
# jumps in between.
sub _check_calls {
    my ($code, $arch, $o, $numbers, $piece, $complain) = @_;
    my %targets = map { $_->{target} => 1 } grep { defined $_->{target} } @$code;
    my %fields = ($o->{ORDER_NR} => 0, $o->{ORDER_RING_NR} => 0);
    for my $i (0 .. $#$code) {
        next if $piece->{$i} || $code->[$i]{text} !~ /^\Q$trustee{$arch}{call}\E$/;
        my $from = _number_source($code, $i, \%targets);
        if (!defined $from) { $complain->($code->[$i], 'a call with a number from nowhere') }
        elsif ($from =~ /^\$0x([0-9a-f]+)$/) { $complain->($code->[$i], "call $1 is not the trustee's") unless $numbers->{ hex $1 } }
        elsif ($from =~ /^$trustee{$arch}{load}$/ && exists $fields{ _number($1) }) { $fields{ _number($1) }++ }
        else { $complain->($code->[$i], "a call with a number from $from") }
    }
    $complain->($code->[0], "$fields{$_} calls with the number at $_") for grep { $fields{$_} != 1 } sort keys %fields;
    return;
}

# The operand that was moved to eax last before instruction i, in a straight line.
sub _number_source {
    my ($code, $i, $targets) = @_;
    while (!$targets->{ $code->[$i]{at} } && $i-- > 0) {
        return $1 if $code->[$i]{text} =~ /^mov\s+(\S+),%[re]ax$/;
        return if $code->[$i]{text} =~ /%[re]ax$|^j|^int|^syscall/;
    }
    return;
}

# --- verdicts --------------------------------------------------------------------------------------------

# What is wrong with a trustee's page; an empty list when nothing is. numbers: the calls it makes for itself.
sub check_trustee {
    my ($instructions, $arch, $o, $numbers) = @_;
    my @complaints;
    my $complain = sub { my ($at, $what) = @_; push @complaints, sprintf '%x: %s: %s', $at->{at}, $at->{text}, $what };
    my $code = _without_padding($instructions);
    return 'no instructions' unless @$code;
    my $fields = _fields($o);
    my ($piece, $start) = _find_listings($code, $arch, $o, $complain);
    $piece->{$_} || _allowed($code->[$_], $arch, $fields) or $complain->($code->[$_], 'not on the list') for 0 .. $#$code;
    my $out = sub { my ($i) = @_; return $piece->{$i} && $code->[$i]{text} =~ /^jmp \*/ };
    my $seen = _walk($code, $complain, $out, 0, grep { $piece->{$_} } $start->{boot} // -1);
    $seen->{$_} or $complain->($code->[$_], 'not reachable') for 0 .. $#$code;
    _check_ways($code, $piece, $start, $complain);
    _check_calls($code, $arch, $o, { map { $_ => 1 } @$numbers }, $piece, $complain);
    return @complaints;
}

# x86_64: a leaf function's data lies below the stack pointer, so the gate may not even name it.
# i386: as the kernel's own entry does, the gate pushes; every path must pop as much, and loads reach no further than the return address. One way
# leads to the catch, with the flags pushed: $catch is where that is, seen from the gate.
sub check_gate {
    my ($instructions, $arch, $catch) = @_;
    my @complaints;
    my $complain = sub { my ($at, $what) = @_; push @complaints, sprintf '%x: %s: %s', $at->{at}, $at->{text}, $what };
    my $code = _without_padding($instructions);
    return 'no instructions' unless @$code;
    my $out = sub {
        my ($i) = @_;
        return $arch eq 'x86_64' ? $code->[$i]{text} =~ /^jmp\s+\*%rcx$/ : $code->[$i]{op} eq 'jmp' && ($code->[$i]{target} // -1) == $catch;
    };
    my $seen = _walk($code, $complain, $out, 0);
    $seen->{$_} or $complain->($code->[$_], 'not reachable') for 0 .. $#$code;
    for my $i (grep { $code->[$_]{op} =~ /^call/ } 0 .. $#$code) {    # asks where it is
        $complain->($code->[$i], 'not for a gate') unless $arch eq 'i386' && ($code->[$i]{target} // -1) == $code->[$i + 1]{at};
    }
    for (@$code) {
        $complain->($_, 'neither load nor store of the windows') if grep { !_gate_operand($_, $arch) } @{ $_->{operands} };
        $complain->($_, 'not for a gate') if $_->{op} =~ /^(?:enter|leave|rep\w*|cld|std|sysenter|sysexit|iret)/;
        $complain->($_, 'touches the stack') if $arch eq 'x86_64' && $_->{text} =~ /^(?:push|pop|ret)|%[er]?spl?\b/;
    }
    _check_depth($code, $catch, $complain) if $arch eq 'i386';
    return @complaints;
}

# Windows, board and the site's record; i386: and the word that tells threads apart.
sub _gate_operand {
    my ($operand, $arch) = @_;
    return 1 if $operand !~ /[(:]/;
    return $operand =~ /^-?(?:0x[0-9a-f]+)?\(%(?:rip|rax|rcx|r8|r9|r11)\)$/ if $arch eq 'x86_64';
    return $operand =~ /^(?:0x[0-9a-f]+)?\(%(?:ebp|edx|esp|ebp,%edx,1)\)$/ || $operand eq '%gs:0x0';
}

# i386: bytes on the stack at each instruction, the same on every path to it; ret only with none, to the catch only with flags.
sub _check_depth {
    my ($code, $catch, $complain) = @_;
    my %index = map { $code->[$_]{at} => $_ } 0 .. $#$code;
    my (%depth, @todo);
    @todo = ([0, 0]);
    while (my $next = shift @todo) {
        my ($i, $depth) = @$next;
        my $instruction = $code->[$i] // next;
        if (defined $depth{$i}) {
            $complain->($instruction, "$depth bytes on the stack, or $depth{$i}") if $depth != $depth{$i};
            next;
        }
        $depth{$i} = $depth;
        $complain->($instruction, "returns with $depth bytes on the stack") if $instruction->{op} eq 'ret' && $depth;
        $complain->($instruction, "goes to the catch with $depth bytes on the stack") if ($instruction->{target} // -1) == $catch && $depth != 4;
        $complain->($instruction, 'reads beyond the return address') if $instruction->{text} =~ /(0x[0-9a-f]+)?\(%esp\)/ && hex($1 // 0) > $depth;
        $complain->($instruction, 'changes the stack pointer') if $instruction->{text} =~ /%esp$/;
        $depth += 4 if $instruction->{op} =~ /^(?:push|call)/;
        $depth -= 4 if $instruction->{op} =~ /^pop/;
        push @todo, [$index{ $instruction->{target} } // next, $depth] if defined $instruction->{target};
        push @todo, [$i + 1, $depth] unless $ends{ $instruction->{op} };
    }
    return;
}

# The catch: no path from its entries (offsets) runs out of it, and on x86_64 nothing is pushed where the program's data may lie.
sub check_catch {
    my ($instructions, $arch, @entries) = @_;
    my @complaints;
    my $complain = sub { my ($at, $what) = @_; push @complaints, sprintf '%x: %s: %s', $at->{at}, $at->{text}, $what };
    my %index = map { $instructions->[$_]{at} => $_ } 0 .. $#$instructions;
    my @missing = grep { !defined $index{$_} } @entries;
    return "no instructions at @missing" if @missing;
    my $out = sub { my ($i) = @_; return $arch eq 'x86_64' && $instructions->[$i]{text} =~ /^jmp\s+\*%rcx$/ };
    my $seen = _walk($instructions, $complain, $out, map { $index{$_} } @entries);
    for (map { $instructions->[$_] } sort { $a <=> $b } keys %$seen) {
        $complain->($_, 'touches the stack') if $arch eq 'x86_64' && $_->{text} =~ /^(?:push|pop|call|ret)|\(%rsp/;
    }
    return @complaints;
}

1;
