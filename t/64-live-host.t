#!/usr/bin/perl
# What policies may ask of nurse besides the verdict: clock, timer, stop, cpu.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Time::HiRes ();
use Test::More;

my @gates = ([], ['--gate=off']);

# --- timer ---------------------------------------------------------------------------------------------------------
{
    my $policy = policy(<<'LUA', 'timers.lua');
default "allow"
local from, turns, told = nil, 0, 0
local function tell(what)
  told = told + 1
  log("%s, %s", what, (clock() - from) / 1e9 >= 0.049 and "in time" or "too early")
end
event("start", function() from = clock() end)
timer(0.1, function()
  tell "once"
  timer(0.05, function() tell "from a timer" end)
end)
timer(0.1, function() turns = turns + 1 if turns < 3 then return 0.02 end tell "three turns" end)
timer(3600, function() tell "never" end)
timer(0.05, function() error "fails" end)
local asked = false
on("getppid", function(call)
  if not asked then timer(0.05, function() tell "from a handler" end) end
  asked = true
  return call:emulate(told == 5 and 1 or 0)
end)
event("exit", function(process) if process.parent then timer(0.05, function() tell "from an event" end) end end)
LUA
    for my $gate (@gates) {
        my $result = nurse($policy, $gate, ['sh', '-c', 'read line; echo $line'], { stdin_file => '/dev/null' });
        is($result->{code}, 0, "@$gate: a program that ends first hears nothing of timers");
        is($result->{err}, '', '... nor does anybody else');
        $result = nurse($policy, $gate, ['perl', '-e', 'fork // die or exit; wait; select undef, undef, undef, 0.02 until getppid == 1; print "done\n"']);
        is($result->{out}, "done\n", 'the program is not disturbed');
        like($result->{err}, qr/^nurse: once, in time\n/m, 'a timer runs after its time, counted from the start');
        like($result->{err}, qr/^nurse: from $_, in time\n/m, "$_ can make one") for 'a timer', 'a handler', 'an event';
        like($result->{err}, qr/^nurse: three turns, in time\n/m, 'a number is the time to the next turn, nothing ends it');
        unlike($result->{err}, qr/never/, 'not before its time');
        like($result->{err}, qr/^nurse: \S*timers\.lua:14: fails; this timer is gone\n/m, 'an error is told with file and line');
    }
}

# A timer runs while calls keep the helper busy, and while it sleeps; none of them wakes a helper that has no timer.
{
    my $busy = policy(<<'LUA', 'busy.lua');
default "allow"
on("getppid", function(call) return call:emulate(7) end)
timer(0.2, function() stop(9, "time is up") end)
LUA
    for my $gate (@gates) {
        my $start = Time::HiRes::time();
        my $result = nurse($busy, $gate, ['perl', '-e', 'getppid() while 1']);
        is($result->{code}, 9, "@$gate: calls without a pause: the timer has its turn");
        one_nurse_line($result, qr/time is up/, 'the reason is the only line');
        cmp_ok(Time::HiRes::time() - $start, '<', 5, '... in time');
    }
    my $result = nurse($busy, [], ['sleep', '20']);
    is($result->{code}, 9, 'a program that sleeps');
    my $idle = start(nurse_command(policy('default "allow"'), [], ['sleep', '1.5']));
    my $wakes = sub { return slurp("/proc/$idle->{pid}/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m ? $1 : 0 };
    Time::HiRes::sleep(0.5);
    my $before = $wakes->();
    Time::HiRes::sleep(0.5);
    cmp_ok($wakes->() - $before, '<', 5, 'without a timer the helper sleeps');
    is(finish($idle)->{code}, 0, '... to the end');
}

# --- stop ----------------------------------------------------------------------------------------------------------
{
    my $dir = scratch() . '/stop';
    my $policy = policy(<<'LUA', 'stop.lua');
default "allow"
local how = param("how", "handler")
local function wanted(where, path) return how == where and (not path or path:glob "**/victim") end
on("@file", function(call) if wanted("handler", call.path) then stop(12, "a handler\nsays so") return true end end)
on("getppid", function(call) if wanted "default" then stop() end return call:emulate(1) end)
after("mkdir mkdirat", function(call) if wanted("after", call.path) then stop(13, "after says so") end end)
event("exit", function(process) if how == "exit" and (process.parent or process.status == 4) then stop(14, "an end as that") end end)
event("fork", function() if how == "fork" then stop(0, "no children") end end)
LUA
    my $stop = sub {
        my ($how, $gate, @command) = @_;
        system('rm', '-rf', $dir);
        mkdir $dir;
        spew("$dir/victim", 'x');
        return nurse($policy, [@$gate, '-D', "how=$how"], \@command, { cwd => $dir, env => { MARK => "stopped-$$" } });
    };
    for my $gate (@gates) {
        my $result = $stop->('nobody', $gate, 'rm', 'victim');
        is($result->{code}, 0, "@$gate: without a stop all goes on");
        ok(!-e "$dir/victim", '... and the file is removed');
        $result = $stop->('handler', $gate, 'sh', '-c', 'sleep 30 & rm victim; echo never');
        is($result->{code}, 12, 'stop in a handler: its status');
        one_nurse_line($result, qr/^nurse: a handler\\nsays so$/, '... one line, escaped');
        is($result->{out}, '', '... nothing runs on');
        ok(-e "$dir/victim", '... the call under decision is not made, whatever the handler returned');
        is(scalar(marked_processes("stopped-$$")), 0, '... nobody is left');
        $result = $stop->('default', $gate, 'perl', '-e', 'getppid(); sleep 30');
        is($result->{code}, 124, 'stop without arguments: the status of a time limit');
        one_nurse_line($result, qr/^nurse: stopped by the policy at \S*stop\.lua:5$/, '... and where it stands');
        $result = $stop->('after', $gate, 'sh', '-c', 'mkdir other; rm victim; mkdir victim; sleep 30');
        is($result->{code}, 13, 'stop in after()');
        $result = $stop->('exit', $gate, 'sh', '-c', '(exit 3); sleep 30');
        is($result->{code}, 14, 'stop in an event');
        $result = $stop->('exit', $gate, 'sh', '-c', 'exit 4');
        is($result->{code}, 14, 'stop at the end of the first process: its status, not the program\'s');
        $result = $stop->('fork', $gate, 'sh', '-c', 'sleep 30 & wait; exit 5');
        is($result->{code}, 0, 'any status');
    }
    my $result = nurse($policy, ['-q', '-D', 'how=default'], ['perl', '-e', 'getppid(); sleep 30']);
    one_nurse_line($result, qr/stopped by the policy/, '-q does not hide why');
    $result = nurse(policy('default "allow" stop(1)', 'early.lua'), [], ['true']);
    is($result->{code}, 125, 'nothing can be stopped while the policy is loaded');
    one_nurse_line($result, qr/^nurse: \S*early\.lua:1: stop: nothing runs yet/, '... and it says so');
}

# --- cpu -----------------------------------------------------------------------------------------------------------
{
    my $policy = policy(<<'LUA', 'cpu.lua');
default "allow"
cpu()
timer(0.02, function() cpu() return 0.02 end)
on("exit_group", function() cpu() return true end)
event("exit", function(process) if not process.parent then log("used %.3f", cpu()) end end)
LUA
    my $used = sub {
        my ($class, @words) = @_;
        my $result = nurse($policy, [], [program('burner', $class), @words]);
        return $result->{err} =~ /^nurse: used ([\d.]+)$/m ? $1 : -1;
    };
    for my $case (['wait', 64], ['wait', 32], ['zombie', 64], ['ignore', 64], ['nocldwait', 64], ['threads', 64]) {
        my ($how, $class) = @$case;
        my $sum = $used->($class, $how, 4, 60);
        cmp_ok($sum, '>=', 0.2, "$how, $class bits: what all have used, ended ones included ($sum)");
        cmp_ok($sum, '<', 0.45, '... counted once');
    }
    my $sum = $used->(64, 'wait', 4, 60, 'killed');
    cmp_ok($sum, '>=', 0.2, "children that were killed ($sum)");
    $sum = $used->(64, 'wait', 0, 0);
    cmp_ok($sum, '<', 0.15, "a program that does nothing ($sum)");
}

# --- the examples of the manual pages -------------------------------------------------------------------------------
my %examples;
for my $page (qw(nurse-host nurse-quota nurse-time)) {
    my @texts = slurp(root_dir() . "/doc/man/$page.3") =~ /^\.Bd -literal -offset indent\n(.*?)^\.Ed\n/msg;
    cmp_ok(scalar @texts, '>=', 2, "$page(3) has examples");
    for my $text (@texts) {
        my $result = nurse(policy($text, "$page.lua"), [], ['sh', '-c', 'cat /dev/null; echo hello > f; rm f; echo done'], { cwd => scratch() });
        is($result->{code}, 0, "$page(3): an example works") or diag($text, $result->{err});
        is($result->{out}, "done\n", '... and lets a program run');
        $examples{$1} = [$text, $result->{err}] if $text =~ /(cpu\(\)|quota\.used|mmap)/;
    }
}
like($examples{'cpu()'}[1], qr/^nurse: \d+\.\d\d s of CPU time in \d\.\d\d s\n/, 'what was used is told');
like($examples{'quota.used'}[1], qr/^nurse: \d+ files, \d+ bytes\n/, '... files and bytes too');
{
    my $map = 'use strict; open my $f, "+<", shift or die; printf "%d\n", syscall(9, 0, 4096, 3, 1, fileno $f, 0) == -1 ? $! : 0';
    my $file = spew(scratch() . '/mapped', 'x' x 4096);
    is(run(['perl', '-e', $map, $file])->{out}, "0\n", 'natively a file is mapped');
    is(nurse(policy($examples{mmap}[0]), [], ['perl', '-e', $map, $file])->{out}, "13\n", 'with the example it is not');
}

done_testing();
