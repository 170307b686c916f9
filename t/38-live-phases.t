# phase(name, trigger): rules that hold from some moment on, and then for good; before it the program is as free as without them.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my $work = scratch() . '/work';
mkdir $work or die;
spew("$work/ready", "ready\n");

# Does things around the moment; `touch` is the moment of the triggers below, or none.
my $perl = <<'END';
use Socket; $| = 1;
sub tries { my ($name) = @_; print $name, ": ", (mkdir("$ENV{WORK}/$name") ? "done" : 0 + $!), " ", defined(getppid()) ? "" : "?", (socket(my $s, PF_INET, SOCK_DGRAM, 0) ? "socket" : 0 + $!), "\n" }
tries("before");
my %moment = (
    path => sub { open my $file, "<", "$ENV{WORK}/ready" or die $! },
    call => sub { socket(my $s, PF_UNIX, SOCK_STREAM, 0); listen($s, 1) },
    addr => sub { socket(my $s, PF_INET, SOCK_DGRAM, 0); connect($s, pack_sockaddr_in(9, inet_aton("127.0.0.1"))) or die $! },
    after => sub { select undef, undef, undef, 0.02 until -e "$ENV{WORK}/never" or time > $ENV{LATE} },
    none => sub { open my $file, "<", "/etc/hostname" },
);
$moment{$_}->() for split / /, $ENV{MOMENT};
tries("after");
END

sub moment {
    my ($policy, $options, @moments) = @_;
    my $run = nurse($policy, $options, ['/usr/bin/perl', '-e', $perl], { env => { WORK => $work, MOMENT => "@moments", LATE => time + 2 } });
    rmdir "$work/$_" for 'before', 'after';
    return $run;
}

my $rules = 'deny("mkdir mkdirat", "EROFS") on("socket socketcall", function(call) if call.args[1] == 2 then return call:deny "EACCES" end end)';
my %triggers = (
    path => qq({ path = "$work/rea*", call = "\@open" }),
    call => q("listen accept"),
    addr => q({ addr = "127.0.0.1:9" }),
    after => q({ after = 0.5 }),
);
my ($free, $held) = ("before: done socket\nafter: done socket\n", "before: done socket\nafter: 30 13\n");

for my $options ([], ['--gate=off']) {
    for my $kind (sort keys %triggers) {
        my $policy = policy(qq{default "allow"\nphase("serve", $triggers{$kind})\n$rules\n});
        is(moment($policy, $options, 'none')->{out}, $free, "@$options $kind: before its moment a phase changes nothing") if $kind ne 'after';
        my $run = moment($policy, $options, $kind);
        is($run->{out}, $held, "@$options $kind: after it the rules hold");
        like($run->{err}, qr/^nurse: phase 'serve' begins(?: with \w+\(.*\))?$/m, "@$options $kind: the moment is told");
    }
}

# --- a phase tightens, it never widens; several add up -----------------------------------------------------------
my $policy = policy(<<"END");
allow "\@all"
phase("first", { path = "$work/ready" })
deny("mkdir mkdirat", "EROFS")
phase("second", "listen")
allow "mkdir mkdirat"
deny("socket", "EACCES")
END
is(moment($policy, [], 'call', 'path')->{out}, $held, 'what a phase denies, a later one does not allow');
is(moment($policy, [], 'call')->{out}, "before: done socket\nafter: done 13\n", 'phases begin in any order');

# --- a moment of the policy's own: when, and the function ------------------------------------------------------------
$policy = policy(<<"END");
local opens = 0
local serve = phase "serve"
$rules
phase("counted", { call = "listen", when = function(call) opens = opens + 1 return opens > 1 end })
deny "rmdir"
END
is(moment($policy, [], 'call')->{out}, '', 'a script with phases alone denies the rest');
$policy = policy(<<"END");
local serve
on("listen", function(call) serve() end)
default "allow"
serve = phase "serve"
$rules
END
is(moment($policy, [], 'call')->{out}, $held, 'a handler may begin a phase itself');
$policy = policy(qq{default "allow"\nlocal n = 0\nphase("twice", { call = "listen", when = function(call) n = n + 1 return n > 1 end })\n$rules\n});
is(moment($policy, [], 'call')->{out}, $free, 'when: not yet');
is(moment($policy, [], 'call', 'call')->{out}, $held, 'when: now');
$policy = policy(qq{default "allow"\nphase("broken", { call = "listen", when = function(call) return nothing.here end })\n$rules\n});
is(moment($policy, [], 'call')->{out}, $held, 'a trigger that fails begins the phase');

# --- a denied call is no moment; the constants that a phase leaves alone stay native -----------------------------------
$policy = policy(qq{deny "listen"\ndefault "allow"\nphase("serve", "listen")\n$rules\n});
is(moment($policy, [], 'call')->{out}, $free, 'a call that is denied begins nothing');
my $check = run([build_dir() . '/nurse', 'check', policy(qq{default "allow"\nphase("serve", "listen")\n$rules\n})]);
like($check->{out}, qr/^getpid +both +native +allow/m, 'what a phase leaves alone stays native');
unlike($check->{out}, qr/^mkdir +\w+ +native/m, 'what it will deny does not');

# --- mistakes --------------------------------------------------------------------------------------------------------
for my $case (
    ['phase("x", "nosuch")', qr/unknown system call 'nosuch'/],
    ['phase("x", { foo = 1 })', qr/a trigger has no 'foo'/],
    ['phase("x", { when = function() end })', qr/which calls can begin it/],
    ['phase("x", { path = 3 })', qr/'path' is a string, not a number/],
    ['phase()', qr/string expected/],
    ['default "allow" on("getppid", function() phase "late" end)', undef],
) {
    my ($text, $message) = @$case;
    my $run = moment(policy("$text\n"), [], 'none');
    if ($message) { is($run->{code}, 125, "$text: refused"); one_nurse_line($run, qr/^nurse: \S+:1: .*$message/, '... with file and line') }
    else { like($run->{err}, qr/phase: rules are made while the policy is loaded/, 'a phase is made while loading') }
}

done_testing;
