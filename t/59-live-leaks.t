#!/usr/bin/perl
# Nothing is left of processes and threads that have ended: after 10,000 forks and 10,000 threads in one sandbox the helper's memory, descriptors and
# mappings are back where they were, and so are the program's. Seen from outside, in /proc, at moments when the program waits for its next order.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use POSIX ();
use Test::More;

my @lua         = ((gates())[0][1], []);
my @lua_no_gate = ((gates())[3][1], ['--gate=off']);
my @constant    = (policy(qq{default "allow"\n}), []);

# A program that takes its orders from a named pipe; its answers are lines in the file that is its stdout.
sub begin {
    my ($command) = @_;
    my $fifo = scratch() . '/orders';
    unlink $fifo;
    POSIX::mkfifo($fifo, 0600) or die "$fifo: $!";
    my $handle = start($command, { stdin_file => $fifo, timeout => 100 });
    open my $orders, '>', $fifo or die "$fifo: $!";
    $orders->autoflush(1);
    return { handle => $handle, orders => $orders, answers => 0 };
}

# Give an order and wait for its answer, or for the end of the program.
sub order {
    my ($it, $what, $count) = @_;
    my $answer;
    my $end = "/proc/$it->{handle}{pid}/stat";
    local $SIG{PIPE} = 'IGNORE';
    print { $it->{orders} } "$what $count\n";
    $it->{answers}++;
    wait_for(90, sub {
        my $ended = slurp($end) =~ /\) Z /;
        my $out = "$it->{handle}{base}.out";
        $answer = -e $out ? (split /\n/, slurp($out))[$it->{answers} - 1] : undef;
        return defined $answer || $ended;
    });
    return is($answer, "$what $count done", "$it->{name}: $count $what");
}

sub lines_of {
    my ($file) = @_;
    open my $in, '<', $file or return 0;
    return scalar(() = <$in>);
}

sub children {
    my ($pid) = @_;
    my @found;
    for my $file (glob '/proc/[0-9]*/stat') {
        open my $in, '<', $file or next;
        my $line = <$in> // '';
        push @found, $1 if $line =~ /^(\d+) .*\) \S $pid /s;
    }
    return @found;
}

# What a process holds: memory in kB, descriptors, mappings, threads, children (dead ones are children too).
sub held {
    my ($pid) = @_;
    my $status = slurp("/proc/$pid/status");
    my @fds = glob "/proc/$pid/fd/*";
    my %held = (descriptors => scalar @fds, mappings => lines_of("/proc/$pid/maps"), children => scalar children($pid));
    ($held{$_->[0]}) = $status =~ /^$_->[1]:\s+(\d+)/m for ['memory', 'VmRSS'], ['threads', 'Threads'];
    return \%held;
}

# The most that may have come on top. A megabyte is a hundred bytes for each process; a mapping or two may come from how malloc divides its memory.
my %more = (memory => 1024, mappings => 2, descriptors => 0, threads => 0, children => 0);

sub grown {
    my ($before, $now) = @_;
    return map { "$_ from $before->{$_} to $now->{$_}" } grep { $now->{$_} > $before->{$_} + $more{$_} } sort keys %more;
}

# The helper may still be clearing up when the program has seen the end: it gets a few seconds.
sub back {
    my ($it, $who) = @_;
    my @grown;
    wait_for(5, sub { @grown = grown($it->{before}{$who}, held($it->{$who})); !@grown });
    return is("@grown", '', "$it->{name}: the $who is back where it was");
}

sub leaks {
    my ($name, $command, $in_nurse, @orders) = @_;
    my $it = begin($command);
    $it->{name} = $name;
    measure($it, $in_nurse, @orders);
    close $it->{orders};
    my $end = finish($it->{handle});
    return is("$end->{code} $end->{err}", '0 ', "$name: it ends well, and nothing was complained of");
}

my %warm_up = (forks => 200, threads => 200, crowds => 3, execs => 50, orphans => 50, killed => 50);

sub measure {
    my ($it, $in_nurse, @orders) = @_;
    for my $order (@orders) { order($it, $order->[0], $warm_up{$order->[0]}) or return }
    $it->{helper} = $it->{handle}{pid};
    ($it->{program}) = $in_nurse ? grep({ slurp("/proc/$_/cmdline") ne '' } children($it->{helper})) : $it->{helper};    # not one that is dead
    my @who = $in_nurse ? ('helper', 'program') : 'program';
    $it->{before}{$_} = held($it->{$_}) for @who;
    for my $order (@orders) {
        order($it, @$order) or return;
        back($it, $_) for @who;
    }
    return;
}

# The yardstick itself must be able to fail.
is(scalar(grown({ memory => 5000, mappings => 50, descriptors => 9, threads => 1, children => 1 },
    { memory => 6025, mappings => 53, descriptors => 10, threads => 2, children => 2 })), 5, 'a growth is seen');
{
    my $before = held($$);
    my @open = map { open my $f, '<', '/dev/null' or die; $f } 1, 2;
    my $block = 'x' x 3_000_000;
    is(join(' ', map { /^(\w+)/ } grown($before, held($$))), 'descriptors memory', 'two descriptors and a block of memory are seen');
}

my @many = (['forks', 10_000], ['threads', 10_000], ['crowds', 20], ['execs', 200], ['orphans', 200], ['killed', 200]);
my @few  = (['forks', 1000], ['threads', 1000], ['crowds', 5], ['execs', 100], ['orphans', 100], ['killed', 100]);
leaks('natively',                   [program('leaks')], 0, @few);
leaks('every call in Lua',          nurse_command(@lua, [program('leaks')]), 1, @many);
leaks('every call in Lua, no gate', nurse_command(@lua_no_gate, [program('leaks')]), 1, @few);
leaks('constants, 32 bits',         nurse_command(@constant, [program('leaks', 32)]), 1, @few);
leaks('every call in Lua, 32 bits', nurse_command(@lua, [program('leaks', 32)]), 1, @few);

done_testing();
