#!/usr/bin/perl
# What a program finds when it starts: argv, envp, auxv, its names in /proc, descriptors, directory, limits, signals, and address space
# randomisation. All as natively, for both classes and however the program is linked; then how it ends.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use POSIX ();
use Test::More;

my @short = (gates())[0, 2];    # in Lua with gate; without

# Programs in all linkages: name => path.
my %args = (
    '64 bits' => program('start-args', 64), '32 bits' => program('start-args', 32),
    'static'  => build_program('static', 'start-args', 'gcc', '-static', '-no-pie'),
    'static-pie' => build_program('static-pie', 'start-args', 'gcc', '-static-pie'),
    '32 bits static' => build_program('static-32', 'start-args', 'gcc', '-m32', '-static', '-no-pie'),
    'musl' => build_program('musl', 'start-args', 'musl-gcc'),
);
my %auxv = (
    '64 bits' => program('start-auxv', 64), '32 bits' => program('start-auxv', 32),
    'no-pie'  => build_program('no-pie', 'start-auxv', 'gcc', '-no-pie'),
    'static'  => build_program('static', 'start-auxv', 'gcc', '-static', '-no-pie'),
    'static-pie' => build_program('static-pie', 'start-auxv', 'gcc', '-static-pie'),
    '32 bits no-pie' => build_program('no-pie-32', 'start-auxv', 'gcc', '-m32', '-no-pie'),
    '32 bits static' => build_program('static-32', 'start-auxv', 'gcc', '-m32', '-static', '-no-pie'),
);

# --- argv, envp, names -------------------------------------------------------------------------------------
my %env = map { $_ => undef } keys %ENV;
%env = (%env, PATH => '/usr/bin:/bin', ONE => '1', EMPTY => '', ODD => "a=b\nc\x{ff}", 'LONG' => 'x' x 5000);
for my $kind (sort keys %args) {
    same_as_native("names, $kind", [$args{$kind}, 'one', '', "two words\n", 'y' x 3000], { env => \%env });
}
same_as_native('no environment', [$args{'64 bits'}], { env => { map { $_ => undef } keys %ENV }, gates => \@short });
same_as_native('many arguments', [$args{'64 bits'}, 1 .. 4000], { gates => \@short });
same_as_native('a relative path with a link', ['./link/prog', 'x'], {
    gates => \@short,
    setup => sub { mkdir 'dir'; symlink 'dir', 'link'; run(['cp', $args{'64 bits'}, 'dir/prog']) },
});
same_as_native('a name longer than comm', ['./a-program-with-quite-a-long-name'], {
    gates => \@short,
    setup => sub { run(['cp', $args{'64 bits'}, 'a-program-with-quite-a-long-name']) },
});
same_as_native('found in PATH', ['prog', 'x'], {
    gates => \@short, env => { %env, PATH => '/nowhere:.:/usr/bin' },
    setup => sub { run(['cp', $args{'64 bits'}, 'prog']) },
});

# --- auxv --------------------------------------------------------------------------------------------------
# With a function on the time calls the VDSO is hidden (on i386: replaced by one without functions, since libc takes the gate's address
# only beside a VDSO), so that those calls are seen; nothing else may change.
my @constants = (gates())[1, 2];
for my $kind (sort keys %auxv) {
    same_as_native("auxv, $kind", [$auxv{$kind}], { gates => \@constants });
    same_as_native("/proc/self/auxv, $kind", [$auxv{$kind}, 'file'], { gates => \@short });
    my $rest = run([$auxv{$kind}])->{out};
    $rest =~ s/^SYSINFO_EHDR: ELF$/SYSINFO_EHDR: none/m if $kind !~ /32/;
    is(nurse((gates())[0][1], [], [$auxv{$kind}])->{out}, $rest, "auxv, $kind: with a function on the clock the VDSO is hidden, the rest stays");
}

# --- randomisation -----------------------------------------------------------------------------------------
sub places {
    my (@command) = @_;
    my %seen;
    for (1 .. 6) {
        my $result = run([@command]);
        $seen{$1}{$2}++ while $result->{out} =~ /^(\w+) (\S+)$/mg;
    }
    return { map { $_ => scalar keys %{ $seen{$_} } } keys %seen };
}

for my $class (64, 32) {
    my @program = program('start-where', $class);
    my ($native, $inside) = (places(@program), places(@{ nurse_command((gates())[1][1], [], [@program]) }));
    is_deeply([sort keys %$inside], [qw(heap libc mmap program stack)], "$class bits: five places reported");
    for my $place (sort keys %$native) {
        ok($native->{$place} <= 2 || $inside->{$place} > 2, "$class bits: $place lies elsewhere each time")
            or diag("6 runs: natively $native->{$place}, under nurse $inside->{$place} different places");
    }
}

# --- memory ------------------------------------------------------------------------------------------------
my %memory = (
    '64 bits' => program('start-memory', 64), '32 bits' => program('start-memory', 32),
    'no-pie'  => build_program('no-pie', 'start-memory', 'gcc', '-no-pie'),
    'static'  => build_program('static', 'start-memory', 'gcc', '-static', '-no-pie'),
    'static-pie' => build_program('static-pie', 'start-memory', 'gcc', '-static-pie'),
    'an executable stack' => build_program('execstack', 'start-memory', 'gcc', '-z', 'execstack'),
    'aligned to 2 MB' => build_program('aligned', 'start-memory', 'gcc', '-Wl,-z,max-page-size=0x200000'),
    '32 bits static' => build_program('static-32', 'start-memory', 'gcc', '-m32', '-static', '-no-pie'),
);
same_as_native("memory, $_", [$memory{$_}]) for sort keys %memory;

# --- what is inherited -------------------------------------------------------------------------------------
my $five = spew(scratch() . '/five', "through descriptor five\n");
sub inherit {
    open my $in, '<', $five or die;
    POSIX::dup2(fileno $in, 5);
    close $in if fileno $in != 5;
    $SIG{HUP}  = 'IGNORE';    # as nohup does
    $SIG{USR2} = 'IGNORE';
    POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new(POSIX::SIGUSR1(), POSIX::SIGTERM()));
    umask 027;
}
for my $class (64, 32) {
    my $state = program('start-state', $class);
    same_as_native("state, $class bits", [$state]);
    same_as_native("inherited state, $class bits", [$state], { before => \&inherit });
    same_as_native("stdin closed, $class bits", [$state], { gates => \@short, before => sub { POSIX::close(0) } });
    same_as_native("all three closed, $class bits", [$state], { gates => \@short, before => sub { POSIX::close($_) for 0 .. 2 } });
}
{
    # Limits are set by a shell around the whole command: nurse and the program both live with them.
    my @limits = (['few descriptors', 'ulimit -n 24'], ['little memory', 'ulimit -v 400000'], ['a small stack', 'ulimit -s 256'], ['an unlimited stack', 'ulimit -s unlimited']);
    for my $limit (@limits) {
        my ($name, $command) = @$limit;
        for my $class (64, 32) {
            my @sh = ('/bin/sh', '-c', "$command; exec \"\$\@\"", 'sh');
            my $native = run([@sh, program('start-state', $class)]);
            is($native->{code}, 0, "$name, $class bits: natively");
            for my $gate (@short) {
                same_result($native, run([@sh, @{ nurse_command($gate->[1], $gate->[2], [program('start-state', $class)]) }]), "$name, $class bits: $gate->[0]");
            }
        }
    }
}

# A descriptor that is to be closed on exec does not reach the program; the program's own are closed by the kernel's rules.
{
    my $inside = run(nurse_command((gates())[0][1], [], [program('start-state')]));
    like($inside->{out}, qr/^lowest free descriptor: 3$/m, 'the lowest free descriptor is 3: nurse leaves none behind');
    my @left = $inside->{out} =~ /^descriptor (\d+):/mg;
    is("@left", '0 1 2', 'exactly three descriptors are open');
}

# --- stdin, stdout, stderr ---------------------------------------------------------------------------------
same_as_native('stdin to stdout', ['cat'], { stdin => join('', map { chr($_ % 256) } 0 .. 200000) });
same_as_native('to stdout and stderr', ['awk', 'BEGIN { print "out"; print "err" > "/dev/stderr" }']);
{
    my $policy = (gates())[0][1];
    my $command = join ' ', map { "'$_'" } @{ nurse_command($policy, [], ['cat']) };
    my $piped = run(['/bin/sh', '-c', "printf 'a\\nb\\n' | $command | tr ab xy"]);
    is($piped->{out}, "x\ny\n", 'in the middle of a pipeline');
    my $closed = run(['/bin/sh', '-c', "( " . join(' ', map { "'$_'" } @{ nurse_command($policy, [], ['cat', '/proc/self/maps', '/usr/bin/perl', '/usr/bin/gcc']) }) . '; echo "status $?" >&2 ) | true']);
    like($closed->{err}, qr/status 141$/m, 'writing into a closed pipe: SIGPIPE, 141');
}

# --- how it ends -------------------------------------------------------------------------------------------
{
    my $wrong = 0;
    for my $status (0 .. 255) {
        next if $status % 5 && $status > 4 && $status < 120;    # every fifth, and all that nurse uses itself
        my $result = nurse((gates())[1][1], [], [program('exits'), $status]);
        $wrong++, diag("status $status became $result->{code}: $result->{err}") if $result->{code} != $status || $result->{signal};
    }
    is($wrong, 0, 'exit statuses 0 to 255 come through');
}
for my $signal (1, 2, 3, 6, 9, 11, 13, 14, 15, 10, 34, 64) {
    my $result = nurse((gates())[1][1], ['-q'], ['perl', '-e', "kill $signal, \$\$; sleep 5"]);
    is($result->{code}, 128 + $signal, "death by signal $signal is " . (128 + $signal));
}
{
    my $handle = start(nurse_command((gates())[1][1], [], [program('acts'), 'getpid', 'ready', 'sleep:20']));
    ok(wait_for(10, sub { -s "$handle->{base}.out" }), 'a program that sleeps has begun');
    my ($pid) = slurp("$handle->{base}.out") =~ /getpid = (\d+)/;
    kill 'TERM', $pid // 0 if $pid;
    my $result = finish($handle);
    is($result->{code}, 143, 'a signal from outside ends it: 143');
}
{
    my $handle = start(nurse_command((gates())[1][1], [], [program('acts'), 'getpid', 'ready', 'sleep:20']));
    ok(wait_for(10, sub { -s "$handle->{base}.out" }), 'another has begun');
    my ($pid) = slurp("$handle->{base}.out") =~ /getpid = (\d+)/;
    kill 'INT', -$handle->{pid};    # as Ctrl-C does: to the whole group
    my $result = finish($handle);
    is($result->{code}, 130, 'Ctrl-C to both: 130');
    ok(!kill(0, $pid // -1), 'and the program is gone');
}

done_testing();
