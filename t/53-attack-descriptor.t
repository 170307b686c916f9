#!/usr/bin/perl
# A hostile program swaps the descriptor that a call names between check and use, or gives a thread a descriptor table of its own. What the
# policy forbids to change stays unchanged; natively, and for calls that are judged by nobody, both attacks work.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

alarm 120;    # last resort: something hangs

my $dir = scratch() . '/place';

sub place {
    run(['rm', '-rf', $dir]);
    mkdir $_ or die "$_: $!" for $dir, "$dir/ok", "$dir/no";
    spew("$dir/$_/file", "content\n", 0644) for qw(ok no);
}

my $policy = policy(<<"END");
local no = "$dir/no"
on("utimensat utimensat_time64 fchmod", function(call)
  local path = call.path or call.fd.path
  if path and path:under(no) then return call:deny "EPERM" end
  return call:allow()
end)
default "allow"
END

for my $class (64, 32) {
    my $program = program('descriptor-attack', $class);
    place();
    like(run([$program, 'swap', 100000], { cwd => $dir })->{out}, qr/changed=1/, "$class bit, native: the descriptor is swapped in time");
    place();
    like(run([$program, 'table'], { cwd => $dir })->{out}, qr/unshare=works\nchanged=1/, "$class bit, native: the table is the thread's own");
    for my $gate ([], ['--gate=off']) {
        place();
        my $result = nurse($policy, ['-q', @$gate], [$program, 'swap', 6000], { cwd => $dir, timeout => 20 });
        my %n = $result->{out} =~ /(\w+)=(\d+)/g;
        is($result->{code}, 0, "$class bit @$gate, swap: ends by itself") or diag($result->{err});
        cmp_ok($n{denied} // 0, '>', 10, "$class bit @$gate, swap: the check often saw the forbidden");
        is("$n{tries} $n{changed}", '6000 0', "$class bit @$gate, swap: the forbidden file was never changed");
        place();
        $result = nurse($policy, ['-q', @$gate], [$program, 'table'], { cwd => $dir });
        like($result->{out}, qr/^unshare=E/m, "$class bit @$gate: a table of one's own is refused") or diag($result->{err});
        like($result->{out}, qr/^changed=0/m, "$class bit @$gate, table: the forbidden file was not changed");
    }
}

done_testing();
