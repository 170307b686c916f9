#!/usr/bin/perl
# Processes under nurse: fork, vfork, clone in all shapes and from sites that can't be redirected, posix_spawn, daemons and orphans, waiting, groups
# and sessions, what a child inherits. The words of t/programs/forks.c and spawns.c, natively and in every way. Job control: t/48-live-terminal.t.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my @short = (gates())[0, 2];    # in Lua with gate; without

# [WORD, status of the native run]
my @forks = (
    ['fork'], ['deep', 15], ['many'], ['memory'], ['vfork'], ['double'], ['orphan'], ['subreaper'], ['waitid'], ['groups'], ['zombie'], ['pidfd'], ['ids'],
    ['death-signal'], ['from-thread'], ['in-threads'], ['state'], ['state thread'], ['clone-signal'], ['clone-shares'], ['clonevm'], ['clonevm-kill'],
    ['raw'], ['tree'],
);
my @spawns = (['ok'], ['missing'], ['actions'], ['attributes'], ['in-threads']);

sub words {
    my ($kind, $program, $gates, @list) = @_;
    for my $entry (@list) {
        my ($word, $code) = @$entry;
        same_as_native("$word, $kind", [$program, split ' ', $word], { gates => $gates, native_code => $code // 0, timeout => 20 });
    }
    return;
}

words('64 bits', program('forks', 64), [gates()], @forks);
words('32 bits', program('forks', 32), \@short, @forks);
words('spawn, 64 bits', program('spawns', 64), [gates()], @spawns);
words('spawn, 32 bits', program('spawns', 32), \@short, @spawns);

my %kinds = (static => ['gcc', '-static'], musl => ['musl-gcc'], 'musl static' => ['musl-gcc', '-static']);
for my $kind (sort keys %kinds) {
    (my $name = $kind) =~ s/ /-/g;
    my ($forks, $spawns) = map { build_program($name, $_, @{ $kinds{$kind} }) } qw(forks spawns);
    ok($forks && $spawns, "$kind: compiles") or next;
    words($kind, $forks, \@short, ['fork'], ['vfork'], ['double'], ['from-thread'], ['clonevm'], ['raw']);
    words("spawn, $kind", $spawns, \@short, ['ok'], ['missing'], ['actions']);
}

# --- what is left when the first process ends --------------------------------------------------------------
sub ended { my ($mark) = @_; return wait_for(5, sub { !marked_processes($mark) }) }
{
    my $mark = "left-behind-by-$$";
    my $native = run([program('forks'), 'leave'], { env => { MARK => $mark } });
    is($native->{code}, 3, 'natively the first process ends');
    my @left = marked_processes($mark);
    is(scalar @left, 1, 'and its child in a session of its own stays');
    kill 'KILL', @left;
    ok(ended($mark), 'until it is killed');
    for my $class (64, 32) {
        for my $gate (@short) {
            my $inside = nurse($gate->[1], $gate->[2], [program('forks', $class), 'leave'], { env => { MARK => $mark } });
            same_result({ %$native, files => '' }, { %$inside, files => '' }, "$class bits, $gate->[0]: the first process ends the same way");
            ok(ended($mark), "$class bits, $gate->[0]: nothing is left of the sandbox") or kill 'KILL', marked_processes($mark);
        }
    }
}

done_testing();
