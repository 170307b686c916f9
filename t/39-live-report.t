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

# --- the events signal and error -----------------------------------------------------------------------------
my $events = policy(<<'END');
event("signal", function(process) log("signal %d for %s", process.signal, process.exe:basename()) end)
event("exit", function(process) log("exit %s", tostring(process.signal)) end)
event("error", function(failure) log("failed %s %s: %s", failure.call, failure.rule:match "%d+$", failure.message:match "[^:]*$") end)
on("mkdir", function(call) return call.nothing end)
after("rmdir", function(call, result) return {} end)
default "allow"
END
for my $class (64, 32) {
    my $run = nurse($events, [], [program('acts', $class), 'mkdir:/tmp/nurse-no', 'rmdir:/tmp/nurse-no', 'sleep:0']);
    is_deeply([$run->{err} =~ /^nurse: (failed .*)$/mg], ["failed mkdir 4:  a call has no field 'nothing'", 'failed rmdir 5:  the after handler returned a table, not an integer or an errno\'s name'],
        "$class bit: failures of handlers are events") or diag($run->{err});
}
my $run2 = nurse($events, [], ['sh', '-c', 'kill -USR1 $$']);
is_deeply([$run2->{err} =~ /^nurse: ((?:signal|exit) .*)$/mg], ['signal 10 for dash', 'exit 10'], 'a signal that ends a process, then its exit');
my $handle = start(nurse_command($events, [], ['sh', '-c', 'trap "echo got; exit 7" TERM; echo up; while :; do sleep 0.05; done']));
wait_for(20, sub { -s "$handle->{base}.out" });
kill 'TERM', $handle->{pid};
$run2 = finish($handle);
is_deeply([$run2->{code}, $run2->{out}, $run2->{err} =~ /^nurse: (signal .*)$/mg], [7, "up\ngot\n", 'signal 15 for dash'], 'a signal that nurse passes on');

done_testing;
