#!/usr/bin/perl
# A call of a foreign ABI means another call than its number says: int $0x80 from 64-bit code and x32 numbers kill the sandbox, whatever
# the policy allows; an int $0x80 of a 32-bit program is an ordinary call that only passes by the gate.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my @policies = (['constants', policy(qq{default "allow"\n})], ['Lua', (gates())[0][1]]);

is(run([program('foreign'), 'int80'])->{out} =~ s/\Abefore\nafter: (?:answered|refused)\n\z//r, '', 'natively: int $0x80 goes on');
is(run([program('foreign'), 'x32'])->{out} =~ s/\Abefore\nafter: (?:answered|refused)\n\z//r, '', 'natively: x32 goes on');

for my $how ('int80', 'x32') {
    for my $policy (@policies) {
        for my $gate ('auto', 'off') {
            my $name = "$how, $policy->[0], gate $gate";
            my $result = nurse($policy->[1], ["--gate=$gate"], [program('foreign'), $how]);
            is($result->{out}, "before\n", "$name: it runs up to the call and no further");
            is($result->{code}, 159, "$name: SIGSYS, 159");
            one_nurse_line($result, qr/foreign|int \$0x80|x32|SIGSYS/i, "$name: one line says why");
        }
    }
}

for my $policy (@policies) {
    for my $gate ('auto', 'off') {
        my $result = nurse($policy->[1], ["--gate=$gate"], [program('foreign', 32), 'int80']);
        is($result->{out}, "before\nafter: answered\n", "32 bits, $policy->[0], gate $gate: int \$0x80 is an ordinary call");
        is($result->{code}, 0, "32 bits, $policy->[0], gate $gate: status");
    }
}

# It is decided as any other.
my $decided = nurse(policy(qq{on("getpid", function(call) return call:deny "EPERM" end)\ndefault "allow"\n}), [], [program('foreign', 32), 'int80']);
is($decided->{out}, "before\nafter: refused\n", '32 bits: int $0x80 is under the policy');

done_testing();
