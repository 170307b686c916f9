#!/usr/bin/perl
# nurse.time: what t/programs/clocks.c and real programs see of frozen, shifted, started and scaled clocks, and of seeded chance; natively and in four
# ways (64 bits, without gate, 32 bits, static).

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Time::HiRes ();
use Test::More;

my $static = build_program('static', 'clocks', 'gcc', '-static');
ok($static, 'a static program compiles') or done_testing(), exit 1;
my @ways = (
    ['64 bits', program('clocks', 64), []], ['64 bits, no gate', program('clocks', 64), ['--gate=off']],
    ['32 bits', program('clocks', 32), []], ['static', $static, []],
);

sub with { my ($text, $name) = @_; return policy("default \"allow\"\nlocal time = require \"nurse.time\"\n$text\n", $name) }

sub inside {
    my ($policy, $way, @acts) = @_;
    my $result = nurse($policy, $way->[2], [$way->[1], @acts]);
    is($result->{code}, 0, "$way->[0]: runs") or diag($result->{err});
    return answers($result);
}

my @now = map { "now:$_" } qw(libc raw gettimeofday raw-gettimeofday time raw-time tloc);
my @day = (@now, map { ("clock:$_", "raw:$_") } 0, 5);
sub all_like { my ($answers, $like, $name, @acts) = @_; my @odd = grep { $answers->{$_} !~ $like } @acts; return ok(!@odd, $name) || diag(map { "$_ = $answers->{$_}\n" } @odd) }
sub all_between {
    my ($answers, $low, $high, $name, @acts) = @_;
    my @odd = grep { !($answers->{$_} >= $low && $answers->{$_} <= $high) } @acts;
    return ok(!@odd, $name) || diag("not between $low and $high: ", map { "$_ = $answers->{$_}\n" } @odd);
}

my $native = answers(run([program('clocks'), @day]));
all_between($native, time - 60, time + 60, 'natively it is now', @day);

# --- freeze --------------------------------------------------------------------------------------------------------
{
    my $policy = with('time.freeze(86400.25)');
    for my $way (@ways) {
        my $answers = inside($policy, $way, @day, 'clock:11', 'clock:2', 'clock:1', 'passed:0:sleep:20', 'passed:1:sleep:20', 'passed:7:sleep:20', 'passed:99:sleep:30', 'passed:2:sleep:1');
        all_like($answers, qr/^86400(\.250*)?$/, "$way->[0]: frozen: all ways to ask for the day", @day);
        like($answers->{'clock:11'}, qr/^864\d\d\.250*$/, '... and the atomic clock');
        like($answers->{"passed:$_:sleep:20"}, qr/^-?0\.000$/, "... clock $_ stands still") for 0, 1, 7;
        cmp_ok(abs $answers->{'passed:99:sleep:30'}, '<=', 0.011, '... and so does times(2)');
        cmp_ok($answers->{'clock:2'}, '>', 0, '... CPU time does not');
        cmp_ok($answers->{'clock:2'}, '<', 10, '... it is the program\'s own');
        $answers = inside(with('time.freeze(-1, "realtime")'), $way, 'now:libc', 'passed:1:sleep:20');
        is($answers->{'now:libc'}, '-1.000000000', 'before the epoch');
        cmp_ok($answers->{'passed:1:sleep:20'}, '>=', 0.02, 'only the clock of the day stands still if that is what was asked for');
    }
}

# --- shift, start --------------------------------------------------------------------------------------------------
{
    for my $way (@ways) {
        my $answers = inside(with('time.shift(-3600.5)'), $way, @day, 'clock:1', 'passed:0:sleep:20', 'passed:0:until:0:30');
        all_between($answers, time - 3661, time - 3599, "$way->[0]: shifted by an hour", @day);
        cmp_ok($answers->{'passed:0:sleep:20'}, '>=', 0.02, '... and goes on');
        cmp_ok($answers->{'passed:0:until:0:30'}, '>=', 0.03, 'a sleep until a time of the shifted clock ends when it shows that');
        cmp_ok($answers->{'passed:0:until:0:30'}, '<', 60, '... and not an hour later');
        my $uptime = answers(run([program('clocks'), 'clock:1']))->{'clock:1'};
        cmp_ok(abs($answers->{'clock:1'} - $uptime), '<', 60, 'the monotonic clock is as it was');
        $answers = inside(with('time.start(1e9)'), $way, @day, 'passed:0:sleep:20');
        all_between($answers, 1e9, 1e9 + 60, 'started at a moment', @day);
        cmp_ok($answers->{'passed:0:sleep:20'}, '>=', 0.02, '... and goes on');
    }
    my $answers = inside(with('time.start(100) time.shift(-50)'), $ways[0], 'now:libc');
    all_between($answers, 50, 80, 'both together', 'now:libc');
}

# --- scale ---------------------------------------------------------------------------------------------------------
{
    my @sleeps = ('sleep:2000', 'nanosleep:2000', 'until:0:2000', 'until:1:2000', 'poll:2000');
    all_between(inside(with('time.scale(40)'), $ways[0], 'passed:1:alarm:40'), 40, 300, 'alarm(2)', 'passed:1:alarm:40');
    for my $way (@ways) {
        my $begin = Time::HiRes::time();
        my $answers = inside(with('time.scale(20)'), $way, map { ("passed:1:$_") } @sleeps);
        my $took = Time::HiRes::time() - $begin;
        all_between($answers, 1.999, 60, "$way->[0]: scaled: the program thinks that it slept for two seconds", map { "passed:1:$_" } @sleeps);
        cmp_ok($took, '<', 8, '... five times, in a fraction of that');
        $answers = inside(with('time.scale(20)'), $way, 'passed:0:sleep:1000', 'passed:99:sleep:1000', 'passed:7:sleep:1000', 'passed:2:sleep:1000');
        cmp_ok($answers->{"passed:$_:sleep:1000"}, '>=', 0.98, "... clock $_") for 0, 99, 7;
        cmp_ok($answers->{'passed:2:sleep:1000'}, '<', 0.5, '... CPU time is not scaled');
        $answers = inside(with('time.scale(0.01)'), $way, 'passed:1:poll:1', 'passed:0:nanosleep:1');
        all_between($answers, 0.0009, 1, 'slower', 'passed:1:poll:1', 'passed:0:nanosleep:1');
    }
}

# --- results and refusals as the kernel's ----------------------------------------------------------------------------
{
    my @same = (
        (map { ("edge:$_", "null:$_") } qw(clock_gettime gettimeofday zone)), 'edge:time', 'null:time', 'edge:getrandom', 'null:getrandom', 'clock:99', 'clock:-1',
        'clock:10', 'clock:8', 'res:0', 'res:1', 'res:99', 'flags:0', 'flags:1', 'flags:2', 'flags:6', 'flags:8', 'random:0',
    );
    for my $way (@ways) {
        my $expected = answers(run([$way->[1], @same]));
        delete $expected->{'clock:8'} if $expected->{'clock:8'} ne 'EINVAL';    # a machine with a clock chip
        is_deeply(inside(with('time.shift(-5) time.seed(1)'), $way, grep { defined $expected->{$_} } @same), $expected, "$way->[0]: bad addresses, clocks and flags as natively");
        my $answers = inside(with('time.shift(-5)'), $way, 'set');
        is($answers->{set}, 'EPERM', '... but the machine\'s clock can\'t be set');
    }
    is(answers(run([program('clocks', 32), 'edge:clock_gettime64']))->{'edge:clock_gettime64'}, 'EFAULT', 'natively');
    is(inside(with('time.shift(-5)'), $ways[2], 'edge:clock_gettime64')->{'edge:clock_gettime64'}, 'EFAULT', 'the call of i386 for later than 2038');
    is(inside(with('time.start(5e9)'), $ways[2], 'now:raw-time')->{'now:raw-time'}, 5e9 - 2**32, '... and what an older one makes of such a time');
}

# --- seed ----------------------------------------------------------------------------------------------------------
{
    my @acts = ('random:8', 'random:3', 'random:60', 'random:8');
    # splitmix64 with seed 1234567: what other implementations give as its first numbers, here as bytes
    my $first = join '', map { unpack 'H*', pack 'Q<', $_ } 6457827717110365317, 3203168211198807973;
    for my $way (@ways) {
        my $one = inside(with('time.seed(42)'), $way, @acts);
        is_deeply(inside(with('time.seed(42)'), $way, @acts), $one, "$way->[0]: the same chance");
        isnt(inside(with('time.seed(43)'), $way, @acts)->{'random:60'}, $one->{'random:60'}, '... another for another seed');
        isnt(inside(policy('default "allow"'), $way, @acts)->{'random:60'}, $one->{'random:60'}, '... and without');
        is(inside(with('time.seed(42)'), $way, 'random:100000')->{'random:100000'}, 4096, 'a large request gets a part');
        my $device = with('time.seed(42, "devices")');
        is(inside($device, $way, 'device:16')->{'device:16'}, inside($device, $way, 'device:16')->{'device:16'}, 'the device too if asked for');
        isnt(inside(with('time.seed(42)'), $way, 'device:16')->{'device:16'}, inside(with('time.seed(42)'), $way, 'device:16')->{'device:16'}, '... else not');
    }
    is(inside(with('time.seed(1234567)'), $ways[0], 'random:16')->{'random:16'}, $first, 'the generator is splitmix64');
}

# --- real programs -------------------------------------------------------------------------------------------------
{
    my $frozen = with('time.freeze(86400)');
    my %programs = (
        date => [[qw(date -u +%s)], '86400'],
        bash => [['bash', '-c', 'echo $EPOCHSECONDS $(date -u +%Y)'], '86400 1970'],
        perl => [['perl', '-e', 'print time'], '86400'],
        python3 => [['python3', '-c', 'import time, datetime; print(int(time.time()), datetime.datetime.utcfromtimestamp(time.time()).year)'], '86400 1970'],
        lua => [['lua5.4', '-e', 'print(os.time())'], '86400'],
    );
    for my $name (sort keys %programs) {
        my ($command, $expected) = @{ $programs{$name} };
        isnt(run($command)->{out}, "$expected\n", "$name, natively: another day");
        for my $gate ([], ['--gate=off']) {
            my $result = nurse($frozen, $gate, $command);
            $result->{out} =~ s/\n\z//;
            is($result->{out}, $expected, "$name @$gate: the frozen day") or diag($result->{err});
        }
    }
    my @python = ('python3', '-c', 'import random, os, tempfile; print(random.random(), hash("x"), os.urandom(5000)[-4:], tempfile.mktemp())');
    my $seeded = with('time.seed(7)');
    is(nurse($seeded, [], \@python)->{out}, nurse($seeded, [], \@python)->{out}, 'python: random, hashes, names');
    isnt(run(\@python)->{out}, run(\@python)->{out}, '... natively not');
}

# --- mistakes, and what costs nothing ---------------------------------------------------------------------------------
my %mistakes = (
    'time.freeze()' => qr/time\.freeze: a number .* was expected, not 'nil'/,
    'time.shift("now")' => qr/time\.shift: a number .* not 'now'/,
    'time.scale(0)' => qr/time\.scale: a number .* not '0'/,
    'time.scale(0/0)' => qr/time\.scale: a number/,
    'time.freeze(0, "monotonic")' => qr/time\.freeze: clocks are 'realtime' or 'all', not 'monotonic'/,
    'time.seed(1.5)' => qr/time\.seed: an integer was expected/,
    'time.seed(1, "all")' => qr/time\.seed: 'devices' was expected, not 'all'/,
);
for my $mistake (sort keys %mistakes) {
    my $result = nurse(with($mistake, 'mistake.lua'), [], ['true']);
    is($result->{code}, 125, "$mistake: refused");
    one_nurse_line($result, qr/^nurse: \S*mistake\.lua:3: $mistakes{$mistake}/, '... with file and line');
}
my $check = run([build_dir() . '/nurse', 'check', with('time.seed(1)')]);
like($check->{out}, qr/^clock_gettime +both +native/m, 'a seed leaves the clocks alone');
$check = run([build_dir() . '/nurse', 'check', with('time.shift(1)')]);
like($check->{out}, qr/^poll +both +native/m, 'a shift leaves timeouts native');
like($check->{out}, qr/^getrandom +both +native/m, '... and chance');

done_testing();
