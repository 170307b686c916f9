# nurse.report and the event "denied": policies hear of every denial, by constants too, whether it is told to people or not.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my $policy = policy(<<'END', 'report.lua');
local report = require "nurse.report"
report.each(function(denial) log("each %s %s %s %s", denial.call, denial.errno, denial.why or "-", denial.comm) end)
report.at_end(function(kinds)
  for _, kind in ipairs(kinds) do log("kind %d %s %s", kind.count, kind.call, kind.rule:match "[^/]*$") end
  log("%d in all", report.count())
end)
on("rmdir", function(call) return call:deny("EBUSY", false) end)
on("mkdir", function(call) return call:deny("EROFS", "no rooms") end)
deny("socket socketcall", "EACCES")
default "allow"
END
my @words = ('mkdir:/tmp/nurse-no', 'mkdir:/tmp/nurse-no', 'rmdir:/tmp/nurse-no', 'socket:2');

for my $class (64, 32) {
    my $run = nurse($policy, [], [program('acts', $class), @words]);
    my @said = $run->{err} =~ /^nurse: ((?:each|kind|\d+ in all).*)$/mg;
    is_deeply(\@said, [
        'each mkdir EROFS no rooms acts', 'each mkdir EROFS no rooms acts', 'each socket EACCES - acts',
        'kind 2 mkdir report.lua:8', 'kind 1 socket report.lua:9', '3 in all',
    ], "$class bit: each denial, then the kinds") or diag($run->{out}, $run->{err});
}

# An error in a listener is told, and changes no verdict; one that stops the run is heard.
my $run = nurse(policy(qq{event("denied", function(d) return d.nothing.here end)\ndeny("mkdir", "EROFS")\ndefault "allow"\n}), [], [program('acts', 64), @words[0, 1]]);
is($run->{out}, "mkdir:/tmp/nurse-no = EROFS\n" x 2, 'a listener that fails changes nothing');
like($run->{err}, qr/^nurse: \S+:1: attempt to index a nil value/m, '... and is told');
$run = nurse(policy(qq{local report = require "nurse.report"\nreport.each(function(d) if report.count() > 1 then stop(3, "that was too much") end end)\ndeny("mkdir", "EROFS")\ndefault "allow"\n}),
    ['-q'], [program('acts', 64), @words[0, 1], 'sleep:20']);
is_deeply([$run->{code}, $run->{err}], [3, "nurse: that was too much\n"], 'with -q denials are heard of too, and a policy may end the run for them');

done_testing;
