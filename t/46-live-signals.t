#!/usr/bin/perl
# Signals under nurse: handlers, restarts, alternate stacks, jumps out of handlers, faults, storms from inside and outside, whose thread runs what; and
# credentials and the state of threads. The words of t/programs/signals.c and creds.c, natively and in every way. STORM=1000000 makes the storms longer.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Cwd qw(getcwd);
use File::Path qw(make_path remove_tree);
use Test::More;
use Time::HiRes ();

my @short = (gates())[0, 2];    # in Lua with gate; without
my $storm = $ENV{STORM} // 2000;
my $limit = 20 + $storm / 2000;

my @words = (
    'handlers', 'blocked', 'siginfo', 'faults', 'altstack', 'restart', 'partial', "storm $storm", 'storm-forks', "storm-threads $storm",
    'chld', 'stop', 'defaults', 'alarm', 'suspend', 'signalfd', 'strange', 'to-threads',
);

sub words {
    my ($kind, $program, $gates, @list) = @_;
    same_as_native("$_, $kind", [$program, split ' ', $_], { gates => $gates, timeout => $limit }) for @list;
    return;
}

words('64 bits', program('signals', 64), [gates()], @words);
# Without gate a handler that comes before the helper has heard of a call ends it with EINTR, whatever call it is: jumps only where calls are repeated.
words("$_ bits", program('signals', $_), [(gates())[0, 1]], 'longjmp') for 64, 32;
words('32 bits', program('signals', 32), \@short, @words);
my $musl = build_program('musl', 'signals', 'musl-gcc');
ok($musl, 'musl: compiles') and words('musl', $musl, \@short, 'handlers', 'restart', 'storm 1000', 'to-threads');
my $static = build_program('static', 'signals', 'gcc', '-static');
ok($static, 'static: compiles') and words('static', $static, \@short, 'handlers', 'restart', 'storm 1000', 'to-threads');

# A policy that takes its time: nearly every signal comes while the gate waits for its answer, and still every call gets one.
my $slow = policy(<<'LUA', 'slow.lua');
on("@open @stat access faccessat faccessat2 getppid read", function(call) for _ = 1, 20000 do end return call:allow() end)
default "allow"
LUA
my @slow = (['a slow policy', $slow, []], ['a slow policy, no gate', $slow, ['--gate=off']]);
for my $class (64, 32) {
    words("$class bits", program('signals', $class), \@slow, 'storm 1000', 'restart', 'storm-forks', 'stop');
}

# --- core files --------------------------------------------------------------------------------------------
SKIP: {
    my ($hard) = run(['/bin/sh', '-c', 'ulimit -H -c'])->{out} =~ /(\w+)/;
    skip_or_fail('core files can not be allowed here', 1) if $hard ne 'unlimited' && $> != 0;
    words("$_ bits", program('signals', $_), \@short, 'core') for 64, 32;
}

# --- signals from outside ----------------------------------------------------------------------------------
# Runs a command whose program writes its pid into a file, and sends it signals until the file is gone.
sub bombard {
    my (@command) = @_;
    my $dir = scratch() . '/outside';
    remove_tree($dir);
    make_path($dir);
    my $handle = start(\@command, { cwd => $dir, timeout => $limit });
    my $deadline = Time::HiRes::time() + $limit;
    if (wait_for(10, sub { -s "$dir/pid" })) {
        my $pid = int slurp("$dir/pid");
        for (my $sent = 0; -e "$dir/pid" && Time::HiRes::time() < $deadline; $sent++) {
            kill $sent % 2 ? 'USR1' : 'USR2', $pid or last;
            Time::HiRes::sleep(0.0001) if $sent % 20 == 0;
        }
    }
    return finish($handle);
}
for my $class (64, 32) {
    my @program = (program('signals', $class), 'outside', $storm);
    my $native = bombard(@program);
    is($native->{code}, 0, "from outside, $class bits: natively") or diag($native->{out}, $native->{err});
    for my $gate ($class == 64 ? gates() : @short, $slow[0]) {
        same_result($native, bombard(@{ nurse_command($gate->[1], $gate->[2], \@program) }), "from outside, $class bits: $gate->[0]");
    }
}

# --- credentials and the state of threads ------------------------------------------------------------------
for my $class (64, 32) {
    my $gates = $class == 64 ? [gates()] : \@short;
    words("creds, $class bits", program('creds', $class), $gates, 'same', 'threads', 'options', 'places');
}

# NAME => what became of it
sub outcomes { my ($result) = @_; return { $result->{out} =~ /^([a-z ]+): (.*)$/mg } }

# A run of creds in a fresh directory.
sub creds {
    my (@command) = @_;
    my $dir = scratch() . '/creds';
    remove_tree($dir);
    make_path($dir);
    return run(\@command, { cwd => $dir });
}

my $refused = 'Operation not permitted, unchanged';
for my $class (64, 32) {
    my %program = map { $_ => [program('creds', $class), $_] } qw(other either);
    my ($other, $either) = map { creds(@{ $program{$_} }) } qw(other either);
    is("$other->{code} $either->{code}", '0 0', "$class bits: natively the changes are tried") or diag($other->{out}, $either->{out});
    my ($may, $might) = (outcomes($other), outcomes($either));
    SKIP: {
        skip_or_fail('only root may change credentials', 1) if $> != 0;
        is($may->{setuid}, 'done, changed', "$class bits: natively root may become somebody else");
    }
    for my $gate (@short) {
        my $inside = creds(@{ nurse_command($gate->[1], $gate->[2], $program{other}) });
        my $got = outcomes($inside);
        is($got->{$_} // 'nothing', $refused, "$class bits, $gate->[0]: $_ is refused and has no effect (natively: $may->{$_})") for sort keys %$may;
        is($inside->{code}, 0, "$class bits, $gate->[0]: the program goes on");
        $got = outcomes(creds(@{ nurse_command($gate->[1], $gate->[2], $program{either}) }));
        for my $name (sort keys %$might) {
            my $now = $got->{$name} // 'nothing';
            ok($now eq $might->{$name} || $now eq $refused || $name eq 'setfsuid' && $now eq 'done, unchanged', "$class bits, $gate->[0]: $name is as natively or refused")
                or diag("natively $might->{$name}, under nurse $now");
        }
    }
}

done_testing();
