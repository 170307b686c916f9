#!/usr/bin/perl
# An outside process flips the path, the socket address and the flags of a call between check and use. Under nurse no try reaches
# what the policy forbids; under the plain notification supervisor some do, which shows that the attack works.
# FLIP_TRIES, FLIP_OFF_TRIES: tries under nurse, with the gate and without; FLIP_SECONDS: time for all of it.
use strict;
use warnings;
use File::Temp qw(tempdir);
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(time);

my $build = $ENV{BUILD} // 'build';
my $nurse = $ENV{NURSE} // "$build/nurse";
my $tries = $ENV{FLIP_TRIES} // 250_000;
my $off_tries = $ENV{FLIP_OFF_TRIES} // 50_000;
my $seconds = $ENV{FLIP_SECONDS} // 60;
my %modes = (bytes => [qw(open openat2 stat connect connect_raw sendto)], links => [qw(link linkstat)]);
my @classes = (64, 32);
my $runs = @classes * map { @$_ } values %modes;
my $begin = time;
alarm $seconds + 60;    # last resort: something hangs

# Short and without "evil" in it; renames on a tmpfs are quick.
my $dir = tempdir('nurse-flip-XXXXXX', DIR => -w '/dev/shm' ? '/dev/shm' : '/tmp', CLEANUP => 1);
chmod 0755, $dir;

my $attacker;

sub attack {
    my ($kind) = @_;
    my $pid = open my $out, '-|', "$build/64/t/flip-attacker", "$dir/shared", $dir, $kind, $seconds + 30
        or die "flip-attacker: $!";
    my $line = <$out> // '';
    die "flip-attacker did not start\n" unless $line eq "ready\n";
    $attacker = { pid => $pid, out => $out };
}

sub flips {
    open my $fh, '<', "$dir/shared" or die "$dir/shared: $!";
    read $fh, my $bytes, 8;
    return unpack 'Q', $bytes;
}

sub stop {
    kill KILL => $attacker->{pid} if $attacker;
    close $attacker->{out} if $attacker;
    undef $attacker;
}
END { my $status = $?; stop(); $? = $status }

# One run of the victim below @$under; the counts it printed, or undef.
sub victim {
    my ($under, $class, $mode, $count, $limit) = @_;
    my @command = ('timeout', '-s', 'KILL', int($limit) + 15, @$under,
        "$build/$class/t/flip-victim", "$dir/shared", $mode, int $count, sprintf '%.2f', $limit);
    open my $out, '-|', @command or die "timeout: $!";
    my $line = <$out> // '';
    close $out;
    diag("@command: status ", $? >> 8 || 128 + ($? & 127)) if $?;
    return unless $? == 0 && $line =~ /^$mode /;
    return { $line =~ /(\w+)=(\d+)/g };
}

# Without nurse: the supervisor lets some through. A few runs, since it is a matter of luck.
for my $kind (sort keys %modes) {
    attack($kind);
    for my $class (@classes) {
        for my $mode (@{ $modes{$kind} }) {
            my $supervised = ["$build/t/supervisor", '-p', 't/data/flip-supervisor.lua', '--'];
            my ($all, $evil) = (0, 0);
            for (1 .. 20) {
                my $got = victim($supervised, $class, $mode, 2000, 1) or last;
                $all += $got->{tries};
                $evil += $got->{evil};
                last if $evil;
            }
            ok($evil > 0, "supervisor, $class bit, $mode: the race is there ($evil of $all)");
        }
    }
    stop();
}

# Under nurse: passes over all modes until there are enough tries.
sub under_nurse {
    my ($gate, $wanted, $limit) = @_;
    my $end = time + $limit;
    my %sum;
    my ($total, $flips) = (0, 0);
    PASS: while ($total < $wanted && time < $end) {
        my $share = ($wanted - $total) / $runs + 64;
        my $slice = max(0.2, ($end - time) / $runs);
        for my $kind (sort keys %modes) {
            attack($kind);
            for my $class (@classes) {
                for my $mode (@{ $modes{$kind} }) {
                    my $got = victim([$nurse, 'run', '-q', '-p', 't/data/flip.lua', "--gate=$gate", '--'],
                        $class, $mode, $share, $slice);
                    my $sum = $sum{"$class bit, $mode"} //= { good => 0, evil => 0, denied => 0, errors => 0, tries => 0 };
                    last PASS unless $got;
                    $sum->{$_} += $got->{$_} for keys %$sum;
                    $total += $got->{tries};
                }
            }
            $flips += flips();
            stop();
        }
    }
    stop();
    for my $what (sort keys %sum) {
        my %n = %{ $sum{$what} };
        my $text = join ', ', map { "$n{$_} $_" } qw(tries good denied errors evil);
        ok($n{tries} > 0 && $n{evil} == 0, "nurse --gate=$gate, $what: nothing forbidden was reached ($text)");
        ok($n{good} > 0 && $n{denied} > 0, "nurse --gate=$gate, $what: the allowed was reached, the forbidden refused");
    }
    cmp_ok($total, '>=', $wanted, "nurse --gate=$gate: enough tries");
    cmp_ok($flips, '>=', 4 * $wanted, "nurse --gate=$gate: enough flips");
}

my $left = $seconds - (time - $begin);
under_nurse('auto', $tries, $left * 0.8);
under_nurse('off', $off_tries, $seconds - (time - $begin));

done_testing;
