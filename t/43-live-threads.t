#!/usr/bin/perl
# Threads under nurse: a thousand in turn, sixty-four at once, the ways to end, robust mutexes, cancellation. Each word of
# t/programs/threads.c natively, then in every way of gates(), for both classes, linked statically, and with musl.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my @short = (gates())[0, 2];    # in Lua with gate; without

# WORD => status of the native run
my @words = (
    ['many'], ['detach'], ['files'], ['blocked'], ['fifo'], ['futexes'], ['robust'], ['cancel'], ['names'], ['raw'], ['refused'],
    ['exit-group', 7], ['exit-libc', 8], ['main-returns'], ['killed', 137], ['main-exits', 5], ['main-exits fork', 5], ['main-exits exec', 6], ['all-exit'],
);

sub words {
    my ($kind, $program, $gates, @list) = @_;
    for my $entry (@list) {
        my ($word, $code) = @$entry;
        same_as_native("$word, $kind", [$program, split ' ', $word], { gates => $gates, native_code => $code // 0, notices => ($code // 0) > 128, timeout => 20 });
    }
    return;
}

words('64 bits', program('threads', 64), [gates()], @words);
words('32 bits', program('threads', 32), \@short, @words);

my %kinds = (static => ['gcc', '-static'], musl => ['musl-gcc'], 'musl static' => ['musl-gcc', '-static']);
for my $kind (sort keys %kinds) {
    (my $name = $kind) =~ s/ /-/g;
    my $program = build_program($name, 'threads', @{ $kinds{$kind} });
    ok($program, "$kind: compiles") or next;
    words($kind, $program, \@short, ['many 200'], ['files'], ['robust'], ['exit-group', 7], ['main-exits fork', 5], ['raw']);
    # musl cancels by the place of the instruction: a thread that opens a FIFO is in nurse's page then.
    words($kind, $program, \@short, ['cancel']) if $kind eq 'static';
}

done_testing();
