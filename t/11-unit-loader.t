#!/usr/bin/perl
# The ELF loader alone, natively, without a sandbox: programs linked in every way find what exec would have given them, and files that lie
# get an error or die on their own, but never touch the loader's image and never hang it. Harness: t/programs/loadrun.
use strict;
use warnings;
no warnings 'portable';    # 64-bit addresses
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use POSIX ();
use Test::More;

use constant EXECVE => 59;    # x86_64
my @environment = ('PATH=/usr/bin:/bin', 'FIRST=1', 'LAST=end');

my $dir = $ENV{LOADRUN_DIR} // 'build/t/loadrun';
my $scratch = tempdir(CLEANUP => 1);
system('t/programs/loadrun/build.sh', $dir) == 0 or BAIL_OUT('the harness does not build');
$dir = abs_path($dir);
my %harness = (64 => "$dir/loadrun64", 32 => "$dir/loadrun32");
my %base = (64 => 0x400012340000, 32 => 0x48120000);
# Where the kernel likes to put a PIE; what the helper would draw at random.
my %pie = (64 => '555555554000', 32 => '56555000');

# Run a command with a fixed environment; gives (wait status, stdout, stderr). SIGALRM means that it hung. The bare system call, in a directory
# of its own: Perl's exec would give what the kernel refuses to the shell, and hostile files make bad scripts.
sub run {
    my @command = @_;
    my ($out, $err) = ("$scratch/out", "$scratch/err");
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', $out or die;
        open STDERR, '>', $err or die;
        chdir $scratch or die;
        alarm 20;
        syscall EXECVE, $command[0], pack('p*J', @command, 0), pack('p*J', @environment, 0);
        POSIX::_exit(126);
    }
    waitpid $pid, 0;
    return ($?, -s $out ? slurp($out) : '', -s $err ? slurp($err) : '');
}

sub slurp {
    open my $file, '<:raw', $_[0] or die "$_[0]: $!";
    local $/;
    return <$file> // '';
}

sub spew {
    my ($path, $bytes) = @_;
    open my $file, '>:raw', $path or die "$path: $!";
    print $file $bytes;
    close $file;
    chmod 0755, $path;
    return $path;
}

# The same output and status through the loader as natively.
sub same {
    my ($name, $class, $options, @command) = @_;
    my @native = run(@command);
    my @loaded = run($harness{$class}, @$options, @command);
    my %seen = map { $_ => 1 } split /\n/, $native[1];
    is("@loaded[0, 2]", "@native[0, 2]", "$name: status and errors");
    ok($loaded[1] eq $native[1], "$name: output") or diag(join "\n", 'only through the loader:', grep { !$seen{$_} } split /\n/, $loaded[1]);
}

sub fails {
    my ($name, $class, $error, @command) = @_;
    my ($status, undef, $err) = run($harness{$class}, @command);
    ok($status == 99 << 8 && $err eq sprintf("loadrun: error %03d\n", $error), "$name: error $error") or diag("$status $err");
}

subtest 'the linked image' => sub {
    for my $class (64, 32) {
        is(`readelf -rW $harness{$class} | grep -c R_`, "0\n", "$class: no relocations");
        is(`readelf -lW $harness{$class} | grep -cE 'LOAD.* R?WE? '`, "0\n", "$class: no writable data");
        is(`objdump -d $harness{$class} | grep -cE '%(xmm|ymm|mm[0-7]|st)'`, "0\n", "$class: general registers only");
    }
};

subtest 'facts are as after exec' => sub {
    for my $class (64, 32) {
        my @ways = map { "$_-$class" } qw(dynamic nopie static staticpie wide widenopie execstack), $class == 64 ? qw(musl muslstatic) : ();
        for my $way (@ways) {
            my $facts = "$dir/facts-$way";
            same("$way", $class, [], $facts, 'one', 'two words', '');
            same("$way at a chosen base", $class, ["--pie=$pie{$class}", '--gap=123000'], $facts, 'one');
            my (undef, $out) = run($harness{$class}, "--pie=$pie{$class}", $facts, 'one');
            unlike($out, qr/bad/, "$way: all facts are good");
            like($out, qr/atexit ran/, "$way: the program came to its end");
        }
        my (undef, $out) = run($harness{$class}, "$dir/facts-execstack-$class");
        like($out, qr/map stack rwxp/, "$class: executable stack when asked for");
    }
};

subtest 'what the plan asks for' => sub {
    for my $class (64, 32) {
        my $facts = "$dir/facts-dynamic-$class";
        my (undef, $out) = run($harness{$class}, '--comm=someone', $facts);
        like($out, qr/comm:someone\n/, "$class: comm");
        (undef, $out) = run($harness{$class}, '--hide', $facts);
        like($out, qr/VDSO: hidden\n/, "$class: no VDSO functions");
        unlike($out, qr/bad/, "$class: and nothing else changed");
        my ($status) = run($harness{$class}, '--hook', $facts);
        is($status >> 8, 77, "$class: the interpreter jumps to the hook");
        ($status) = run($harness{$class}, '--hook', "$dir/facts-static-$class");
        is($status >> 8, 7, "$class: a static program has its own entry");
        ($status) = run($harness{$class}, sprintf('--pie=%x', $base{$class}), $facts);
        is($status >> 8, 7, "$class: a base that is taken gives way to the kernel's choice");
    }
    for my $way (qw(dynamic nopie static staticpie)) {
        my (undef, $out) = run($harness{32}, '--gate', '--hide', "$dir/facts-$way-32");
        like($out, qr/gs:0x10 is AT_SYSINFO: good\n/, "$way: AT_SYSINFO is the gate and libc uses it, also without VDSO");
        unlike($out, qr/bad|VDSO: there/, "$way: and nothing else changed");
    }
};

subtest 'real programs' => sub {
    same('ls', 64, [], '/bin/ls', '-l', '/usr/share/perl');
    same('sh, a command', 64, ["--pie=$pie{64}"], '/bin/sh', '-c', 'for i in 1 2 3; do echo $i; cat /proc/$$/comm; done');
    same('perl', 64, [], '/usr/bin/perl', '-e', 'print join ",", map { $_ * 2 } 1 .. 100_000');
    same('ld.so as the program', 64, [], '/lib64/ld-linux-x86-64.so.2', '/bin/echo', 'hello');
    SKIP: {
        skip 'no python3', 1 unless -x '/usr/bin/python3';
        same('python3', 64, ["--pie=$pie{64}"], '/usr/bin/python3', '-c', 'import json, sys; print(json.dumps(sys.argv), bytes(1 << 24)[-1])');
    }
};

subtest 'errors have their names' => sub {
    my $tiny = slurp("$dir/tiny-dynamic-64");
    fails('a missing program', 64, 2, "$scratch/nothing");
    fails('a directory', 64, 13, $scratch);
    fails('an empty file', 64, 8, spew("$scratch/p", ''));
    fails('a script', 64, 8, spew("$scratch/p", "#!/bin/sh\n" x 100));
    fails('the other class', 64, 8, "$dir/tiny-exec-32");
    fails('the other class', 32, 8, "$dir/tiny-exec-64");
    (my $gone = $tiny) =~ s{/lib64/ld-linux}{/lib64/ld-gone!};
    fails('a missing interpreter', 64, 2, spew("$scratch/p", $gone));
    (my $unfinished = $tiny) =~ s{(/lib64/ld-linux-x86-64\.so\.2)\0}{$1!};
    fails('an interpreter without an end', 64, 8, spew("$scratch/p", $unfinished));
    my $text = spew("$scratch/text", 'not ELF' x 100);
    (my $bad = $tiny) =~ s{/lib64/ld-linux-x86-64\.so\.2\0}{pack 'a28', $text}e;
    fails('an interpreter that is no ELF file', 64, 80, spew("$scratch/p", $bad));
    chmod 0644, $text;
    fails('an interpreter that may not be executed', 64, 13, "$scratch/p");
    chmod 0644, spew("$scratch/p", $tiny);
    fails('a program that may not be executed', 64, 13, "$scratch/p");
};

# --- hostile files ---

my %verdicts;

# Whatever the file says: an error in the harness's own words, or the program ran (to its own good or bad end). What the kernel runs to a
# good end must run here too, and the other way round; the exceptions are files that
# end inside a segment, and an ET_EXEC that spans the loader's own address.
sub survives {
    my ($class, $bytes, $may_refuse) = @_;
    my $file = spew("$scratch/mutant", $bytes);
    my ($status, undef, $err) = run($harness{$class}, "--pie=$pie{$class}", $file);
    return 'hangs' if ($status & 127) == 14;
    my ($native) = $status && $may_refuse ? -1 : run($file);
    return "status $status, $err" if $status >> 8 == 98 || ($status >> 8 == 99 && $err !~ /\Aloadrun: error \d+\n\z/);
    return 'runs only here' if $status == 0 && $native != 0;
    return 'runs only natively' if $native == 0 && $status != 0 && !$may_refuse;
    $verdicts{$status & 127 ? 'signal' : $status >> 8 == 99 ? 'error' : 'ran'}++;
    return '';
}

# Offsets and pack() templates of the fields, by class.
my %fields = (
    64 => { header => { type => [16, 'v'], machine => [18, 'v'], entry => [24, 'Q<'], phoff => [32, 'Q<'], phentsize => [54, 'v'],
                        phnum => [56, 'v'] },
            segment => { type => [0, 'V'], flags => [4, 'V'], offset => [8, 'Q<'], vaddr => [16, 'Q<'], filesz => [32, 'Q<'],
                         memsz => [40, 'Q<'], align => [48, 'Q<'] },
            size => 56 },
    32 => { header => { type => [16, 'v'], machine => [18, 'v'], entry => [24, 'V'], phoff => [28, 'V'], phentsize => [42, 'v'],
                        phnum => [44, 'v'] },
            segment => { type => [0, 'V'], flags => [24, 'V'], offset => [4, 'V'], vaddr => [8, 'V'], filesz => [16, 'V'],
                         memsz => [20, 'V'], align => [28, 'V'] },
            size => 32 },
);

sub field {
    my ($bytes, $offset, $template) = @_;
    return unpack $template, substr($bytes, $offset, length pack $template, 0);
}

# All the values that replace a field whose honest value is $old; page offsets are also kept, so that later checks are reached.
sub lies {
    my ($class, $old) = @_;
    my @kernel = $class == 64 ? (0xffffffff80000000, 0x7fffffffe000, 1 << 63, 1 << 40) : (0xffffe000, 0xc0000000);
    my @values = (0, 1, 6, ~0, 0x7fffffff, 0x80000000, $kernel[0], $old + 1, $old + 0x1000, $old ^ 0x2000);
    return @values, map { ($_ & ~0xfff) | ($old & 0xfff) } $base{$class}, $base{$class} - 0x1000, ~0, @kernel;
}

sub mutants {
    my ($class, $bytes) = @_;
    my $layout = $fields{$class};
    my ($table, $count) = (field($bytes, @{ $layout->{header}{phoff} }), field($bytes, @{ $layout->{header}{phnum} }));
    my @places = map { ["header $_", @{ $layout->{header}{$_} }] } sort keys %{ $layout->{header} };
    for my $i (0 .. $count - 1) {
        my $segment = $table + $i * $layout->{size};
        my @names = field($bytes, $segment, 'V') =~ /\A[13]\z/ ? sort keys %{ $layout->{segment} } : 'type';    # PT_LOAD, PT_INTERP
        push @places, map { ["segment $i $_", $segment + $layout->{segment}{$_}[0], $layout->{segment}{$_}[1]] } @names;
    }
    my @mutants;
    for my $place (@places) {
        my ($name, $offset, $template) = @$place;
        my %seen;
        for my $value (lies($class, field($bytes, $offset, $template))) {
            my $packed = pack $template, $value;
            next if $seen{$packed}++ || ($name eq 'header entry' && ($value & ~0xfff) == $base{$class});    # would run the harness
            my $mutant = $bytes;
            substr($mutant, $offset, length $packed) = $packed;
            push @mutants, [sprintf('%s = %x', $name, $value), $mutant, $name =~ /offset|filesz|phnum|vaddr|memsz/];
        }
    }
    return @mutants;
}

for my $class (64, 32) {
    for my $kind ('exec', $class == 64 ? 'pie' : 'dynamic') {
        subtest "hostile $kind, $class bit" => sub {
            my $bytes = slurp("$dir/tiny-$kind-$class");
            is(survives($class, $bytes), '', 'the honest file runs');
            my ($tried, @bad) = (0);
            for (my $length = 0; $length < length $bytes; $length += 64) {
                my $verdict = survives($class, substr($bytes, 0, $length), 1);
                push @bad, "cut at $length: $verdict" if $verdict;
                $tried++;
            }
            is_deeply(\@bad, [], "cut short in $tried places");
            ($tried, @bad) = (0);
            for my $mutant (mutants($class, $bytes)) {
                my $verdict = survives($class, @$mutant[1, 2]);
                push @bad, "$mutant->[0]: $verdict" if $verdict;
                $tried++;
            }
            is_deeply(\@bad, [], "$tried lies in its headers");
        };
    }
}

cmp_ok($verdicts{$_} // 0, '>', 10, "$_: $verdicts{$_} times") for qw(error signal ran);

done_testing();
