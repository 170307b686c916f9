#!/usr/bin/perl
# A hostile program works on its mailbox: it forges completions, requests and the registers of its children, posts by hand, jumps into trustee, gate
# and catch, and swaps what its children open. It may get wrong results itself; it never reaches what the policy forbids, never makes the policy see
# what did not happen, and the helper lives.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

alarm 280;    # last resort: something hangs

my $dir = scratch() . '/place';
my $fuzz = root_dir() . '/t/data/attack-fuzz.lua';
my @gates = ([], ['--gate=off']);
use constant SIGSYS => 128 + 31;

my $paths = policy(<<"END");
local no = "$dir/no"
on("\@open \@stat chmod fchmodat fchmodat2 mkdir mkdirat", function(call)
  if call.path:under(no) then return call:deny "EPERM" end
  return call:allow()
end)
deny("getpgrp", "EACCES")
default "allow"
END

# What was refused shows on stderr: behind a jump the gate goes on, and may forget the result.
my $logged = policy(<<"END");
local no = "$dir/no"
local function refuse(call, error)
  log("refused %s", call.name)
  return call:deny(error)
end
on("access mkdir", function(call)
  if call.path:under(no) then return refuse(call, "EPERM") end
  return call:allow()
end)
on("futex", function(call) return refuse(call, "EACCES") end)
default "allow"
END

# A fresh place: ok/ may be used, no/ not.
sub place {
    run(['rm', '-rf', $dir]);
    mkdir $_ or die "$_: $!" for $dir, "$dir/ok", "$dir/no";
    spew("$dir/ok/file", "ALLOWED\n", 0644);
    spew("$dir/no/file", "FORBIDDEN\n", 0644);
}

# no/ is as it was made.
sub untouched {
    my ($name) = @_;
    my @names = map { s/.*\///r } glob "$dir/no/*";
    my ($mode) = (stat "$dir/no/file")[2];
    is(sprintf('%s %o %s', "@names", ($mode // 0) & 07777, slurp("$dir/no/file")), "file 644 FORBIDDEN\n", "$name: the forbidden is untouched");
}

sub attack {
    my ($class, $policy, $options, @words) = @_;
    my $limit = { cwd => $dir, timeout => 20 };
    my @quiet = $policy && $policy eq $logged ? () : '-q';
    return $policy ? nurse($policy, [@quiet, @$options], [program('mailbox-attack', $class), @words], $limit)
        : run([program('mailbox-attack', $class), @words], $limit);
}

# A jump that ends without a result (the single step behind the call was lost) is tried again: what counts is what calls from there return.
sub jump {
    my ($class, $policy, $gate, @words) = @_;
    my $result;
    for (1 .. 3) {
        $result = attack($class, $policy, $gate, 'jump', @words);
        last if $result->{out} =~ /^result=/m;
    }
    return $result;
}

# What a started program has printed so far.
sub printed { my ($handle) = @_; return -e "$handle->{base}.out" ? slurp("$handle->{base}.out") : '' }

sub numbers { my ($result) = @_; return { $result->{out} =~ /(\w+)=(-?\d+)/g } }

sub done {
    my ($result, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok($result->{code} == 0 && $result->{out} =~ /^done$/m, "$name: ends by itself") || diag("status $result->{code}\n$result->{out}$result->{err}");
}

for my $class (64, 32) {
    # Forged completions. Against a mailbox that believes its cell the idea works.
    place();
    my $native = attack($class, undef, [], 'forge', 0.3);
    done($native, "$class bit, forge, gullible mailbox");
    cmp_ok(numbers($native)->{misled}, '>', 0, "$class bit, forge: a gullible reader is misled");
    for my $gate (@gates) {
        my $name = "$class bit @$gate";
        place();
        my $result;
        for (1 .. 3) {    # on a busy machine the forger may never be in time
            $result = attack($class, $paths, $gate, 'forge', 1.5);
            last if @$gate || (numbers($result)->{misled} // 1) > 0 || (numbers($result)->{breaches} // 0) > 0;
        }
        done($result, "$name, forge");
        my $n = numbers($result);
        cmp_ok($n->{calls}, '>', 100, "$name, forge: calls were made") or diag($result->{out});
        cmp_ok($n->{forged}, '>', 10000, "$name, forge: results were forged");
        cmp_ok($n->{misled}, '>', 0, "$name, forge: the program's own gate, which believes the cell, is misled") if !@$gate;
        cmp_ok($n->{denied}, '>', 0, "$name, forge: the policy was asked and refused");
        is($n->{breaches}, 0, "$name, forge: no descriptor leads to the forbidden");
        untouched("$name, forge");
    }

    # after() sees the kernel's truth.
    for my $gate (@gates) {
        my $name = "$class bit @$gate";
        my $log = policy(qq{after("umask", function(call, result) log("umask %d", result) end)\ndefault "allow"\n});
        my $result = nurse($log, $gate, [program('mailbox-attack', $class), 'after', 3000], { cwd => $dir, timeout => 30 });
        done($result, "$name, after");
        my $n = numbers($result);
        cmp_ok($n->{forged}, '>', 10000, "$name, after: results were forged");
        is($n->{wrong}, 0, "$name, after: the program gets the true result of a watched call");
        my @seen = $result->{err} =~ /umask (-?\d+)$/mg;
        cmp_ok(scalar @seen, '>=', 3000, "$name, after: every call was seen");
        my %false = map { $_ => 1 } grep { $_ != 022 && $_ != 077 } @seen;
        is_deeply([keys %false], [], "$name, after: no forged value was seen");
    }

    # Jumps. On a page of the program's own they work.
    place();
    is(numbers(attack($class, undef, [], 'jump', 'own', 0, 'getpid'))->{result}, 0, "$class bit, jump, own page: getpid works");
    is(numbers(attack($class, undef, [], 'jump', 'own', 0, 'mkdir'))->{result}, 0, "$class bit, jump, own page, native: mkdir works");
    place();
    for my $gate (@gates) {
        my $name = "$class bit @$gate, jump";
        is(numbers(attack($class, $paths, $gate, 'jump', 'own', 0, 'mkdir'))->{result}, -1, "$name, own page: mkdir is judged");
        my $result = attack($class, $paths, $gate, qw(jump trustee -1 getpid));
        is(numbers($result)->{result}, 0, "$name, trustee: a call that is native anyway is harmless there");
        my $count = numbers($result)->{instructions};
        cmp_ok($count, '>', 3, "$name, trustee: has instructions to jump to");
        for my $i (0 .. $count - 1) {
            is(attack($class, $paths, $gate, 'jump', 'trustee', $i, $_)->{code}, SIGSYS, "$name, trustee's instruction $i with $_: killed") for qw(access mkdir);
        }
        # Gate and catch are one page: a call from there is judged like any other, but for what they need for themselves.
        my @own;
        for my $i (-6 .. -1) {
            $result = attack($class, $paths, $gate, 'jump', 'gate', $i, 'getpid');
            $count = numbers($result)->{instructions};
            push @own, numbers($result)->{result} // 'none';
        }
        ok((grep { $_ eq 0 } @own), "$name, gate: a native call works there as everywhere") or diag("@own");
        cmp_ok($count, '>', 8, "$name, gate: has instructions to jump to");
        my $no_futex = policy(qq{deny("futex futex_time64", "EACCES")\ndefault "allow"\n});
        my $answered = 0;
        for my $i (0 .. $count - 1) {
            my $value;
            for my $call (qw(access mkdir futex)) {
                my $tried = jump($class, $logged, $gate, 'gate', $i, $call);
                $value = numbers($tried)->{result} // 'none';
                like($tried->{err}, qr/refused $call$/m, "$name, gate's instruction $i with $call: judged") or diag("$value: status $tried->{code}: $tried->{out}");
                $answered += $value eq ($call eq 'futex' ? -13 : -1);
            }
            next if $value ne -13;    # where the result of the last is seen: the same by a filter, without a question
            for (1 .. 3) {
                $value = numbers(jump($class, $no_futex, $gate, 'gate', $i, 'futex'))->{result} // 'none';
                last if $value eq -13;    # else the gate may have gone on
            }
            is($value, -13, "$name, gate's instruction $i with futex on own memory, which a constant denies");
        }
        cmp_ok($answered, '>=', 3 * ($count - 5), "$name, gate: refusals were seen");
        untouched($name);
    }

    # Requests posted by hand.
    for my $gate (@gates) {
        my $name = "$class bit @$gate";
        place();
        my $result = attack($class, $fuzz, ['-D', "OK=$dir/ok", @$gate], 'fuzz', 2);
        done($result, "$name, fuzz");
        my $n = numbers($result);
        cmp_ok($n->{taken} // 0, '>', 1500, "$name, fuzz: the helper took what was posted");
        is($n->{ok}, 0, "$name, fuzz: calls are still answered, the allowed");
        is($n->{no}, 1, "$name, fuzz: and the forbidden (EPERM)");
        untouched("$name, fuzz");
        is(join(' ', map { s/.*\///r } glob "$dir/* $dir/ok/*"), 'no ok file', "$name, fuzz: nothing was made");

        $result = attack($class, $fuzz, ['-D', "OK=$dir/ok", @$gate], 'keep');
        done($result, "$name, native calls posted by hand");
        cmp_ok(numbers($result)->{taken} // 0, '>=', 20, "$name: the helper took them");
        my @maps = $result->{out} =~ /^map \S+ (\S{4}) .*memfd:(nurse-\w+)/mg;
        is("@maps", 'r-xp nurse-stub rw-s nurse-request r--s nurse-order r-xs nurse-gate', "$name: nurse's memory is as it was");

        # The stub's reports mean nothing any more.
        $result = attack($class, $paths, $gate, 'reports');
        done($result, "$name, reports");
        my @values = $result->{out} =~ /^report \w+ \d+: (-?\d+)$/mg;
        # One is of a thread that is not caught (EAGAIN), one asks for a window by what its own memory says, one waits for code that has been changed.
        like("@values", qr/^(?:(?:-38 ){9}-11 0 (?:0|-38) -38 ?){2}$/, "$name, reports: all others refused (ENOSYS)");
        is($result->{out} =~ /^ok=(.*) no=(.*)$/m ? "$1 $2" : '', '0 1', "$name, reports: and nothing has changed");
    }

    # Births: forged registers, and descriptors that are swapped while a newborn maps its windows.
    for my $gate (@gates) {
        my $name = "$class bit @$gate";
        place();
        my $result = attack($class, $paths, $gate, 'caught', 1.5);
        done($result, "$name, caught");
        my $n = numbers($result);
        cmp_ok($n->{died} // 0, '>', 5, "$name, caught: those who forge their registers come to grief");
        is(join(' ', $n->{ok} // '', $n->{no} // ''), '0 1', "$name, caught: others are answered as ever");
        untouched("$name, caught");

        place();
        $result = attack($class, $paths, $gate, 'swapped', 0.7);
        done($result, "$name, swapped");
        $n = numbers($result);
        cmp_ok(($n->{born} // 0) + ($n->{refused} // 0), '>', 50, "$name, swapped: tried");
        untouched("$name, swapped");
    }

    # A thread that posts without pause, and one that lets requests pile up behind a call that blocks.
    place();
    my $flood = start(nurse_command($paths, ['-q'], [program('mailbox-attack', $class), 'flood']), { cwd => $dir, timeout => 15 });
    ok(wait_for(5, sub { printed($flood) =~ /flooding/ }), "$class bit, flood: calls are answered");
    kill 'TERM', $flood->{pid};
    my $result = finish($flood);
    is($result->{code}, 128 + 15, "$class bit, flood: the helper still passes SIGTERM on");

    run(['mkfifo', "$dir/ok/fifo"]);
    my $pile = start(nurse_command($paths, ['-q'], [program('mailbox-attack', $class), 'pile', 1]), { cwd => $dir, timeout => 15 });
    wait_for(5, sub { printed($pile) =~ /taken/ });
    my @descriptors = glob "/proc/$pile->{pid}/fd/*";
    my ($resident) = slurp("/proc/$pile->{pid}/status") =~ /^VmRSS:\s+(\d+)/m;
    cmp_ok(scalar @descriptors, '<', 100, "$class bit, pile: the helper's descriptors don't pile up");
    cmp_ok($resident, '<', 16384, "$class bit, pile: nor does its memory (kB)");
    kill 'TERM', $pile->{pid};
    is(finish($pile)->{code}, 128 + 15, "$class bit, pile: the helper still passes SIGTERM on");
}

done_testing();
