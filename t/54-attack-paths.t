#!/usr/bin/perl
# A policy forbids one directory; a hostile program (t/programs/path-attack.c) wants what is in it, by every spelling of its path and by every race. An
# escape is a read of what lies there, or a change of it. Natively each trick works, and under the same policy with another directory's name in it
# the tricks work as natively. Each race has a control that escapes: natively, or, where a check can be had, under the plain supervisor.
# ROUNDS=N: N times 10,000 tries for each race; RACES: names of the races to run, all if none.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use File::Path qw(make_path remove_tree);
use IO::Socket::UNIX;
use POSIX ();
use Test::More;

my $rounds = $ENV{ROUNDS} // 1;
my %chosen = map { $_ => 1 } split ' ', $ENV{RACES} // '';
my $top = scratch() . '/top';
my $policy = root_dir() . '/t/data/attack-paths.lua';
my $build = build_dir();
my @ways = map { my $class = $_; map { [$class, $_] } [], ['--gate=off'] } 64, 32;
my %sockets;
alarm 120 + 60 * $rounds;    # last resort: something hangs

# --- the place ---------------------------------------------------------------------------------------------

sub fresh {
    %sockets = ();
    remove_tree($top);
    make_path(map { "$top/$_" } qw(secret public names/bind open/a/b open/mnt open/f open/race/d/e open/race/dir open/race/secret open/race/x/y open/race/z));
    for my $side ('secret', 'public') {
        spew("$top/$side/$_", $side eq 'secret' ? "SECRET\n" : "public bytes\n") for qw(file cut mode times out swap removed);
        run(['cp', $side eq 'secret' ? '/bin/false' : '/bin/true', "$top/$side/prog"]);
        $sockets{$side} = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$top/$side/sock") or die "$top/$side/sock: $!";
    }
    spew("$top/$_", "public bytes\n") for qw(open/race/file open/race/dir/file open/race/secret/file open/race/x/y/file open/swap);
    link "$top/secret/file", "$top/names/hard" or die "link: $!";
    my %links = (
        'door' => '../secret', 'key' => '../secret/file', 'sock' => '../secret/sock', 'dangling' => '../secret/dangled', 'cwd' => '/proc/self/cwd',
        'chain' => 'chain1', (map { ("chain$_" => $_ == 38 ? 'key' : 'chain' . ($_ + 1)) } 1 .. 38), "new\nline\e[31m\x7f\xff" => '../secret/file',
        'race/door' => '../../public', 'race/rood' => '../../secret', 'race/over' => '../../public', 'race/key' => '../../secret/file', 'race/z/y' => '../../../secret',
    );
    symlink $links{$_}, "$top/open/$_" or die "$_: $!" for sort keys %links;
    return;
}

# All that a program could change there.
sub state_of {
    my ($dir) = @_;
    return join '', sort split /^/, run(['find', "$top/$dir", '-printf', '%P %y %s %m %T@ %n %l\n'])->{out};
}

# In front of a command: a mount namespace in which names/bind is the secret as well; nothing where that can't be had.
my @outside = ('unshare', '-m', 'sh', '-c', 'mount --bind "$0/secret" "$0/names/bind" && exec "$@"', $top);
@outside = () if do { fresh(); run([@outside, 'true'])->{code} };

sub inside {
    my ($way, $parameters, @words) = @_;
    my ($class, $options) = @$way;
    my @D = map { ('-D', $_) } @$parameters;
    return @{ nurse_command($policy, [@$options, @D], [program('path-attack', $class), $top, @words]) };
}

sub named { my ($way) = @_; return join ' ', "$way->[0] bit", @{ $way->[1] } }

# --- tricks ------------------------------------------------------------------------------------------------

my $handle;

# { TRICK => RESULT }, and the whole result. Descriptor 9 is the secret directory, opened by somebody outside.
sub tricks {
    my (@command) = @_;
    my $result = run([@outside, @command], {
        cwd => $top, timeout => 20, env => { HANDLE => $handle },
        before => sub { open my $dir, '<', "$top/secret" or die "secret: $!"; POSIX::dup2(fileno $dir, 9) },
    });
    return ({ $result->{out} =~ /^(\w+): (.*)$/mg }, $result);
}

sub arrived {
    $sockets{secret}->blocking(0);
    return defined $sockets{secret}->recv(my $datagram, 16);
}

sub differing {
    my ($got, $wanted) = @_;
    return join ', ', map { "$_: $got->{$_}, not $wanted->{$_}" } grep { ($got->{$_} // 'nothing') ne $wanted->{$_} } sort keys %$wanted;
}

# What is an error for the kernel too, in the order of its checks: too long, past the end of the mapping, a file with a slash behind it...
my %errors = (path_max => 'ENAMETOOLONG', path_max_more => 'ENAMETOOLONG', name_max_more => 'ENAMETOOLONG', page_over => 'EFAULT', trailing => 'ENOTDIR',
    create_at_link => 'EEXIST');
my %nobody = map { $_ => 'EPERM' } qw(by_handle mount_bind);    # no policy can allow these
my %names = map { $_ => 1 } qw(outside_hard outside_bind);      # other names for what is there: a policy on paths knows only the names that it is told

for my $class ($chosen{none} || !%chosen ? (64, 32) : ()) {
    fresh();
    $handle = run([program('path-attack', $class), $top, 'handle'])->{out};
    chomp $handle;
    my $before = state_of('secret');
    my ($native, $result) = tricks(program('path-attack', $class), $top, 'tricks');
    my %absent = map { $_ => 1 } grep { $native->{$_} =~ /^(?:EOPNOTSUPP|ENOSYS|EPERM)$/ && /handle|mount|attribute|nameless|openat2/ } keys %$native;
    $absent{outside_bind} = 1 if !@outside;
    diag("$class bit: this machine lacks @{[sort keys %absent]}") if %absent;
    delete $native->{$_} for keys %absent;
    my %works = map { $_ => $errors{$_} // 'escaped' } keys %$native;
    cmp_ok(scalar keys %works, '>', 60, "$class bit, natively: the tricks were tried") or diag($result->{err});
    is(differing($native, \%works), '', "$class bit, natively: each trick works");
    isnt(state_of('secret'), $before, "$class bit, natively: and changes what is there");
    ok(arrived(), "$class bit, natively: and sends to the socket there");

    for my $way (grep { $_->[0] == $class } @ways) {
        my $what = named($way);
        fresh();
        $before = state_of('secret');
        my ($got, $under) = tricks(inside($way, ["secret=$top/secret"], 'tricks'));
        my %refused = map { $_ => $names{$_} ? 'escaped' : $errors{$_} && $errors{$_} ne 'ENOTDIR' ? $errors{$_} : 'EPERM' } keys %works;
        is(differing($got, \%refused), '', "$what: each trick is refused") or diag($under->{err});
        is(state_of('secret'), $before, "$what: nothing has changed in there");
        ok(!arrived(), "$what: nothing has arrived there");
        like($under->{err}, qr{^nurse: refused: \Q$top\E/secret/file$}m, "$what: the policy saw the canonical path");
        unlike($under->{err}, qr/[^\n\x20-\x7e]/, "$what: no control byte in what is logged");

        fresh();
        ($got, $under) = tricks(inside($way, ['secret=/nowhere'], 'tricks'));
        is(differing($got, { %works, map { $_ => $nobody{$_} } grep { $works{$_} } keys %nobody }), '', "$what, twin: each works where the policy allows it")
            or diag($under->{err});

        fresh();
        ($got) = tricks(inside($way, ["secret=$top/secret", "other=$top/names"], 'tricks'));
        is(differing($got, { map { $_ => 'EPERM' } grep { $names{$_} } keys %works }), '', "$what: other names are refused when the policy knows them");
    }
}

# A name with control bytes, as the policy has it and as it is logged.
{
    fresh();
    my $log = policy(qq{on("openat open", function(call)\n  if call.rawpath:find("\\n", 1, true) then log("%s and %s", call.rawpath, tostring(call)) end\nend)\ndefault "allow"\n});
    my $result = nurse($log, [], [program('path-attack', 64), $top, 'tricks'], { cwd => $top });
    my @lines = grep { /new|line/ } split /\n/, $result->{err};    # two where a guess was wrong: the call was judged twice
    my @whole = grep { /^nurse: [\x20-\x7e]*new\\nline[\x20-\x7e]* and open[\x20-\x7e]*new\\nline[\x20-\x7e]*$/ } @lines;
    ok(@lines > 0, 'a name with control bytes is logged');
    is(scalar @whole, scalar @lines, 'in one line, of printable bytes') or diag($result->{err});
}

# --- a policy that rewrites flags ----------------------------------------------------------------------------

# What was judged as a name, not followed, is not followed when a handler takes the flag away.
for my $way (@ways) {
    fresh();
    my ($class, $options) = @$way;
    my $strip = policy(<<"END");
on("\@open", function(call)
  if call.path:under "$top/secret" then return call:deny "EPERM" end
  call.flags = call.flags:without "O_CREAT|O_NOFOLLOW"
end)
on("fchownat newfstatat fstatat64", function(call)
  if call.path:under "$top/secret" then return call:deny "EPERM" end
  call.flags = call.flags:without "AT_SYMLINK_NOFOLLOW"
end)
default "allow"
END
    my $result = nurse($strip, $options, [program('path-attack', $class), $top, 'stripped'], { cwd => $top });
    is($result->{out}, "exclusive: ELOOP\nunfollowed: ELOOP\nowner: link\nsize: link\nplain: harmless\n", named($way) . ': what was judged without following is not followed')
        or diag($result->{err});
    fresh();
    my $native = run([program('path-attack', $class), $top, 'stripped', 'followed'], { cwd => $top });
    is($native->{out}, "exclusive: escaped\nunfollowed: escaped\nowner: file\nsize: file\nplain: harmless\n", named($way) . ', natively: with the flags that were left it is');
}

# --- races -------------------------------------------------------------------------------------------------

# Who swaps: a process outside, or a thread of the program. Control: what lets some through.
my @races = (
    ['door', 'outside', 'supervisor'], ['door', 'self', 'native'], ['over', 'outside', 'supervisor'], ['dir', 'outside', 'supervisor'],
    ['parent', 'outside', 'supervisor'], ['file', 'outside', 'supervisor'], ['stat', 'outside', 'supervisor'], ['create', 'outside', 'supervisor'],
    ['openat2', 'outside', 'native'], ['reopen', 'outside', 'native'], ['link', 'outside', 'native'], ['mkdir', 'outside', 'native'],
    ['connect', 'outside', 'native'], ['exec', 'outside', 'native'], ['depth', 'outside', 'native'], ['cwd', 'self', 'native'], ['fd', 'self', 'native'],
    ['bytes', 'self', 'native'],
);
my $swapper;

sub swap {
    my ($name) = @_;
    my $pid = open my $out, '-|', program('path-attack', 64), $top, 'swap', $name or die "path-attack: $!";
    my $line = <$out> // '';
    die "path-attack does not swap\n" if $line ne "ready\n";
    $swapper = { pid => $pid, out => $out };
    return;
}

sub unswap {
    return if !$swapper;
    kill 'KILL', $swapper->{pid};
    close $swapper->{out};
    undef $swapper;
    return;
}
END { my $status = $?; unswap(); $? = $status }

# Counts of one run, and of what it left: { tries, got, refused, other, escaped }.
sub race {
    my ($race, $tries, $kind, @front) = @_;
    my ($name, $who) = @$race;
    my $before = state_of('secret');
    swap($name) if $who eq 'outside';
    my $result = run([@front, 'race', $name, $tries, $who eq 'self' ? 'self' : ()], { cwd => $top, timeout => 20 + $tries / 250 });
    unswap();
    my %got = $result->{out} =~ /(\w+)=(\w+)/g;
    diag("$name, $kind: status $result->{code}: $result->{err}") if $result->{code};
    $got{changed} = state_of('secret') ne $before ? 1 : 0;
    return \%got;
}

sub control {
    my ($race, $class) = @_;
    my @program = (program('path-attack', $class), $top);
    my @front = $race->[2] eq 'native' ? @program : ("$build/t/supervisor", '-p', root_dir() . '/t/data/attack-paths-supervisor.lua', '-D', "secret=$top/secret", '--', @program);
    my ($tries, $escaped) = (0, 0);
    for (1 .. 20) {
        fresh();
        my $got = race($race, 1000, $race->[2], @front);
        $tries += $got->{tries} // 0;
        $escaped += ($got->{escaped} // 0) + $got->{changed};
        last if $escaped;
    }
    return ok($escaped > 0, "$race->[0], swapped by $race->[1], $race->[2]: the attack works ($escaped of $tries)");
}

for my $race (grep { !%chosen || $chosen{ $_->[0] } } @races) {
    control($race, 64);
    my %sum = map { $_ => 0 } qw(tries got refused other escaped changed);
    my %last;
    for my $way (@ways) {
        fresh();
        my $got = race($race, 2500 * $rounds, named($way), inside($way, ["secret=$top/secret"]));
        $sum{$_} += $got->{$_} // 0 for keys %sum;
        $last{ $got->{last} // 'none' } = 1;
        ok(defined $got->{tries}, "$race->[0], " . named($way) . ': it ended') if !defined $got->{tries};
    }
    my $text = join ', ', map { "$sum{$_} $_" } qw(tries got refused other escaped);
    delete $last{none};
    $text .= ", other: @{[sort keys %last]}" if %last;
    is($sum{escaped} + $sum{changed}, 0, "$race->[0], swapped by $race->[1]: no escape ($text)");
    ok($sum{got} > 0 && $sum{refused} > 0, "$race->[0]: the allowed was reached, the forbidden refused");
}

done_testing;
