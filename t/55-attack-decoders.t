#!/usr/bin/perl
# Arguments that make no sense (t/programs/fuzz-arguments.c): any call of the table, with every typed field of it read, rewritten and printed by the policy,
# and its memory read. The helper survives, in bounded memory, and nothing gets through. Where the calls are allowed they give what they give natively.
# FUZZ_ROUNDS=N: N times as many calls; FUZZ_SEED: another seed than the usual one.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use POSIX ();
use Test::More;

my $rounds = $ENV{FUZZ_ROUNDS} // 1;
my $seed = 2 * ($ENV{FUZZ_SEED} // 20261122) + 1;
my @ways = map { my $class = $_; map { [$class, $_] } [], ['--gate=off'] } 64, 32;
alarm 120 + 60 * $rounds;    # last resort: something hangs
diag("seed " . ($seed - 1) / 2 . ", " . 4 * 4000 * $rounds . ' calls that are denied, ' . 4 * 1500 * $rounds . ' that are allowed');

# A table of Lua: the names of the arguments of each call, on whichever architecture.
sub fields {
    my %fields;
    for (split /\n/, slurp('core/abi/calls.def')) {
        my ($call, $rest) = /^CALL(?:32)?\((\w+),\s*(.*)\)/ or next;
        $fields{$call}{$_} = 1 for $rest =~ /[A-Z_0-9]+\((\w+)/g;
        @{ $fields{$call} }{qw(path newpath rawpath rawnewpath flags mode buf addr control)} = (1) x 9;
    }
    return '{ ' . join(', ', map { my $call = $_; "['$call'] = { " . join(', ', map { "'$_'" } sort keys %{ $fields{$call} }) . ' }' } sort keys %fields) . ' }';
}

my $look = "local fields <const> = " . fields() . <<'END';

local parts <const> = { "number", "path", "kind", "family", "ip", "port", "rawpath" }

local function look(call)
  tostring(call)
  for _, name in ipairs(fields[call.name]) do
    local value = call[name]
    tostring(value)
    if type(value) == "userdata" then
      for _, part in ipairs(parts) do pcall(function() return value[part] end) end
    end
  end
end
END

my $deny = policy($look . <<'END', 'deny.lua');
local armed = false

local function poke(call)
  for _, name in ipairs(fields[call.name]) do
    local value = call[name]
    if value ~= nil then pcall(function() call[name] = value end) end
  end
  for i = 1, 6 do
    local bytes = call.memory:read(call.args[i], 1 << i * 3)
    call.memory:string(call.args[i])
    if bytes then call.memory:write(call.args[i], bytes) end
    pcall(function() call.memory:read(call.args[i], call.args[(i + 1) % 6 + 1]) end)
    call.args[i] = call.args[i]
  end
  tostring(call)
end

on("getppid", function(call) armed = not armed return call:allow() end)
on("@all", function(call)
  if not armed then return call:allow() end
  look(call)
  poke(call)
  return call:deny "EDOM"
end)
END
my $allow = policy($look . qq{on("\@all", look)\ndefault "allow"\n}, 'allow.lua');

sub kilobytes {
    my ($pid, $what) = @_;
    open my $in, '<', "/proc/$pid/status" or return 0;
    local $/ = undef;
    return <$in> =~ /^$what:\s+(\d+)/m ? $1 : 0;
}

for my $way (@ways) {
    my ($class, $options) = @$way;
    my $what = join ' ', "$class bit", @$options;
    my $count = 4000 * $rounds;
    my $fifo = scratch() . "/go$class@$options";    # the program waits at its end until nobody has it open for writing
    POSIX::mkfifo($fifo, 0600) or die "$fifo: $!";
    open my $write, '+<', $fifo or die "$fifo: $!";
    my $handle = start(nurse_command($deny, $options, [program('fuzz-arguments', $class), 'deny', $seed, $count]), { timeout => 30 + $count / 500, stdin_file => $fifo });
    ok(wait_for(30 + $count / 500, sub { -s "$handle->{base}.out" }), "$what: all was tried");
    my ($now, $peak) = map { kilobytes($handle->{pid}, $_) } 'VmRSS', 'VmHWM';
    close $write;
    my $result = finish($handle);
    my ($denied, $through) = $result->{out} =~ /^denied (\d+) .*through (-?\d+)$/m;
    is($result->{code}, 0, "$what: the program ends as it wants to") or diag($result->{out}, $result->{err});
    is($through, -1, "$what: nothing gets through the denial");
    cmp_ok($denied // 0, '>', $count / 4, "$what: the policy was asked and denied") or diag($result->{out});
    cmp_ok($peak, '<', 48 * 1024, "$what: the helper's memory is bounded ($now kB, at most $peak kB)");
    cmp_ok($peak, '>', 0, "$what: which was looked at");
    unlike($result->{err}, qr/^nurse: \S+\.lua:\d+: |[^\n\x20-\x7e\x80-\xff]/m, "$what: no error in a handler, no control byte in a message");
}

# --- as natively ---------------------------------------------------------------------------------------------

# Whether a result under nurse is one that the kernel might have given: the same; less of the data (what is judged is cut at 32768 bytes); EFAULT, since
# the helper copies what the kernel would not have looked at (yet); where two arguments are wrong, the path's error before the number's, and the
# address's before the data's.
sub acceptable {
    my ($native, $got) = @_;
    my ($call, $error, $value, $arguments) = @$native;
    my ($name, $size) = ($call, (split /, /, $arguments)[2]);
    return 1 if $error eq $got->[1] && $value == $got->[2];
    return 1 if $got->[1] eq 'EFAULT';
    return 1 if $name =~ /^(?:write|writev|sendmsg|sendmmsg)$/ && $error eq 'ok' && $got->[1] eq 'ok' && $got->[2] <= $value;
    no warnings 'portable';
    return 1 if $name eq 'write' && hex $size > 32768;
    return 1 if $name =~ /^send/ && $got->[1] eq 'EMSGSIZE';    # a datagram that the policy looks at has 32768 bytes at most
    return 1 if $name =~ /^sendm?msg$/ && $got->[1] =~ /^E(?:NOBUFS|INVAL)$/ && $error =~ /^E/;    # too many control data, or a length that is none: which is told first
    return 1 if $name =~ /^sendm?msg$/ && $got->[1] eq 'ENOBUFS';    # more control data than are looked at
    return 1 if $name =~ /^send/ && $error =~ /^E(?:FAULT|MSGSIZE)$/ && $got->[1] =~ /^E(?:INVAL|NOENT|CONNREFUSED)$/;
    return 1 if $name =~ /^(?:access|faccessat|readlink)$/ && $error eq 'EINVAL' && $got->[1] =~ /^E(?:NOENT|NAMETOOLONG|NOTDIR)$/;
    return 0;
}

sub results {
    my ($text) = @_;
    return [map { /^\d+ (\w+)\((.*)\) (\w+) (-?\d+)$/ ? [$1, $3, $4, $2] : () } split /\n/, $text];
}

for my $way (@ways) {
    my ($class, $options) = @$way;
    my $what = join ' ', "$class bit", @$options;
    my $count = 1500 * $rounds;
    my @command = (program('fuzz-arguments', $class), 'same', $seed, $count);
    my $native = results(run(\@command, { timeout => 30 + $count / 500 })->{out});
    my $under = nurse($allow, $options, \@command, { timeout => 30 + $count / 500 });
    my $got = results($under->{out});
    is(scalar @$native, $count, "$what: natively all was tried");
    is(scalar @$got, $count, "$what: under nurse too") or diag(substr $under->{err}, 0, 2000);
    my @odd = grep { !acceptable($native->[$_], $got->[$_] // ['nothing', '', 0]) } 0 .. $#$native;
    my $same = grep { my $i = $_; "@{$native->[$i]}" eq "@{$got->[$i] // []}" } 0 .. $#$native;
    is(join('', map { "$_: $native->[$_][0]($native->[$_][3]) $native->[$_][1] $native->[$_][2], under nurse " . join(' ', @{ $got->[$_] // [] }[1, 2]) . "\n" } @odd[0 .. ($#odd < 20 ? $#odd : 20)]), '',
        "$what: what natively is given ($same of $count the same to the letter)");
    cmp_ok($same, '>', $count * 0.9, "$what: mostly the very same");
    my %worked = map { $_->[0] => 1 } grep { $_->[1] eq 'ok' } @$got;
    cmp_ok(scalar keys %worked, '>=', 12, "$what: and many kinds of calls worked");
    unlike($under->{err}, qr/^nurse: \S+\.lua:\d+: |[^\n\x20-\x7e\x80-\xff]/m, "$what: no error in a handler, no control byte in a message");
}

# --- longer than what is copied ------------------------------------------------------------------------------

# A stream's data may be cut, which its program sees; a datagram would be another one.
{
    my $code = 'use Socket; for my $type (SOCK_STREAM, SOCK_DGRAM) { for my $size (32768, 40000) { socketpair(my $a, my $b, AF_UNIX, $type, 0) or die; ' .
        'my $sent = send($a, "x" x $size, 0); print defined $sent ? $sent : 0 + $!, "\n" } }';
    my $look_buf = policy(qq{on("send sendto sendmsg", function(call) return call.buf == "" and call:deny() or call:allow() end)\ndefault "allow"\n});
    my $too_long = POSIX::EMSGSIZE();
    is(run(['perl', '-e', $code])->{out}, "32768\n40000\n32768\n40000\n", 'natively as much as one likes is sent');
    for my $options ([], ['--gate=off']) {
        my $result = nurse($look_buf, $options, ['perl', '-e', $code]);
        is($result->{out}, "32768\n32768\n32768\n$too_long\n", "nurse @$options: more than 32768 bytes are a part of a stream, and no datagram") or diag($result->{err});
    }
}

done_testing;
