#!/usr/bin/perl
# A hostile program under a policy that allows everything tries what the keystone rules forbid: memory behind page protections, calls past
# the filter, the helper itself, nurse's descriptors. Natively, with a stand-in for the helper, each attempt works.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

alarm 200;    # last resort: something hangs

my $dir = scratch() . '/place';
mkdir $dir or die "$dir: $!";
my $allow = policy(qq{default "allow"\n});
my $paths = policy(<<'END');
on("@open @stat @file @dir", function(call) return call:allow() end)
default "allow"
END
my @ways = (['allow'], ['allow, no gate', '--gate=off'], ['Lua for paths'], ['Lua for paths, no gate', '--gate=off']);

# "NAME: RESULT" lines, in order.
sub attempts {
    my ($text) = @_;
    return [$text =~ /^(\w+): (.*)$/mg];
}

sub under {
    my ($way, $class, @words) = @_;
    my ($name, @options) = @$way;
    return nurse($name =~ /paths/ ? $paths : $allow, \@options, [program('keystone-attack', $class), @words], { cwd => $dir, timeout => 20 });
}

# What fails on this machine for a reason of its own: who isn't root, what the kernel lacks, what has no object natively.
my %unsure = map { $_ => 1 } qw(io_setup prctl_mm prctl_ptracer tiocsti setpriority_user kill_0);

# The native run: every attempt works, so that a refusal means something.
sub natively {
    my ($class, @words) = @_;
    # An own process stands for the helper: a shell that waits for the program.
    my $program = program('keystone-attack', $class);
    my $result = run(['/bin/sh', '-c', '"$@"; exit $?', 'sh', $program, @words], { cwd => $dir, timeout => 20 });
    my @pairs = @{ attempts($result->{out}) };
    my %absent;
    my @failed;
    while (my ($name, $value) = splice @pairs, 0, 2) {
        next if $value eq 'works' || $unsure{$name};
        if ($value eq 'absent') { $absent{$name} = 1 } else { push @failed, "$name: $value" }
    }
    like($result->{out}, qr/^done$/m, "$class bit, @words, native: all was tried") or diag($result->{err});
    is_deeply(\@failed, [], "$class bit, @words, native: each attempt works");
    diag("this kernel lacks: @{[sort keys %absent]}") if %absent;
    return \%absent;
}

sub refused {
    my ($way, $class, $absent, $pattern, @words) = @_;
    my $result = under($way, $class, @words);
    my $what = "$class bit, $way->[0], @words";
    my @pairs = @{ attempts($result->{out}) };
    my (@through, @refused, @broken);
    while (my ($name, $value) = splice @pairs, 0, 2) {
        if ($name =~ /^self_/) {
            push @broken, "$name: $value" if $value ne 'works' && !$absent->{$name};
        } elsif ($value =~ $pattern || ($value eq 'absent' && $absent->{$name})) {
            push @refused, $name;
        } else {
            push @through, "$name: $value";
        }
    }
    is($result->{code}, 0, "$what: ends by itself") or diag($result->{out}, $result->{err});
    like($result->{out}, qr/^done$/m, "$what: all was tried");
    is_deeply(\@through, [], "$what: nothing got through");
    is_deeply(\@broken, [], "$what: the same on itself works");
    cmp_ok(scalar @refused, '>', 8, "$what: attempts were refused");
}

for my $class (64, 32) {
    my $none = natively($class, 'mem');
    refused($_, $class, { map { $_ => 1 } qw(mem_openat2_beneath mem_openat2_in_root mem_openat2_no_links mem_openat2_no_xdev) }, qr/^(?:EACCES|EPERM|ENOENT|EXDEV)$/, 'mem') for @ways;
    $none = natively($class, 'filter');
    refused($_, $class, $none, qr/^(?:EPERM|EACCES|EINVAL)$/, 'filter') for @ways;
    $none = natively($class, 'helper');
    refused($_, $class, $none, qr/^(?:EPERM|EACCES|ESRCH|ENOENT)$/, 'helper') for @ways;
    # Where the policy asks about paths, the helper isn't even there.
    refused($_, $class, $none, qr/^(?:EPERM|EACCES|ESRCH|ENOENT)$/, 'helper', 'stats') for @ways[2, 3];

    for my $way (@ways) {
        my $what = "$class bit, $way->[0]";
        my $result = under($way, $class, 'options');
        is_deeply(attempts($result->{out}), [qw(prctl_mm EPERM prctl_dispatch EPERM prctl_ptracer EPERM tiocsti EPERM dumpable 1 self_prctl_name works)],
            "$what: prctl and TIOCSTI") or diag($result->{out}, $result->{err});
        like($result->{out}, qr/^death signal: 9$/m, "$what: the program dies with the helper, whatever it asks for");

        $result = under($way, $class, 'processes');
        my @values = $result->{out} =~ /^raw_\w+: (-?\d+)$/mg;
        is_deeply(\@values, [(-1) x 8, -38], "$what: no namespaces, no descriptors shared between address spaces: EPERM; clone3: ENOSYS") or diag($result->{out});
        like($result->{err}, qr/^nurse: clone: .*\(keystone\): EPERM$/m, "$what: a line names the rule") or diag($result->{err});

        $result = under($way, $class, 'descriptors');
        like($result->{out}, qr/^descriptors: 0 1 2$/m, "$what: the program finds its own descriptors and no other") or diag($result->{out});
        my %after = @{ attempts($result->{out}) };
        is_deeply([map { $after{"self_after_$_"} // 'missing' } qw(close dup2 close_range limits)], [('works') x 4],
            "$what: calls are answered after close, dup2, close_range of everything and with tiny limits") or diag($result->{out}, $result->{err});

        $result = under($way, $class, 'everybody');
        is($result->{code}, 0, "$what: signals to the group don't reach the helper") or diag($result->{out}, $result->{err});
        is_deeply(attempts($result->{out}), [qw(kill_group works kill_group_number works kill_all ESRCH)], "$what: nor does one to everybody, who is nobody but the caller here");
    }
}

done_testing();
