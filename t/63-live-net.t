#!/usr/bin/perl
# nurse.net: what sockets may be connected to, bound to and sent to, through real runs of t/programs/sockets.c against servers of our own.
# Each case runs natively first, where everything succeeds, then under nurse: 64 bits, without the gate, 32 bits (socketcall).
# The servers tell afterwards who came: what was denied never arrived.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM SOCK_DGRAM SOMAXCONN pack_sockaddr_un AF_UNIX);
use Test::More;

my @ways = (['64 bits', 64, []], ['64 bits, no gate', 64, ['--gate=off']], ['32 bits', 32, []]);
my $dir = scratch();
mkdir "$dir/$_" for qw(run other here);

# --- the servers: each greets with its name, and keeps count ------------------------------------------------------

my %server = (
    A => IO::Socket::INET->new(Listen => SOMAXCONN, LocalAddr => '127.0.0.1'),
    B => IO::Socket::INET->new(Listen => SOMAXCONN, LocalAddr => '127.0.0.1'),
    U => IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1'),
    V => IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1'),
    X => IO::Socket::UNIX->new(Listen => SOMAXCONN, Local => "$dir/run/x"),
    Y => IO::Socket::UNIX->new(Listen => SOMAXCONN, Local => "$dir/other/y"),
    D => IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$dir/run/d"),
    E => IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$dir/other/e"),
    N => IO::Socket::UNIX->new(Listen => SOMAXCONN, Local => "\0nurse-test-$$"),
    control => IO::Socket::UNIX->new(Listen => SOMAXCONN, Local => "$dir/control"),
);
my $six = IO::Socket::IP->new(Listen => SOMAXCONN, LocalHost => '::1', V6Only => 1);
$server{S} = $six if $six;
defined $server{$_} or die "$_: $!" for keys %server;
my %port = map { $_ => $server{$_}->sockport } qw(A B U V);
$port{S} = $six ? $six->sockport : 9;

# Everybody who has come, before the control connection is answered.
sub serve {
    alarm 300;
    $_->blocking(0) for values %server;
    my $select = IO::Select->new(values %server);
    my @log;
    while (1) {
        $select->can_read;
        for my $name (grep { $_ ne 'control' } sort keys %server) {
            my $socket = $server{$name};
            if ($socket->socktype == SOCK_DGRAM) {
                while (defined(my $from = recv $socket, my $text, 100, 0)) {
                    push @log, $name;
                    send $socket, "$name\n", 0, $from if length $from > 2;
                }
            } else {
                while (my $peer = $socket->accept) {
                    push @log, $name;
                    print {$peer} "$name\n";
                    close $peer;
                }
            }
        }
        if (my $peer = $server{control}->accept) {
            print {$peer} join(' ', sort @log), "\n";
            @log = ();
            close $peer;
        }
    }
    return;
}

my $child = fork() // die "fork: $!";
if (!$child) { $SIG{PIPE} = 'IGNORE'; eval { serve() }; POSIX::_exit(1) }
END { if ($child) { local $?; kill 'KILL', $child; waitpid $child, 0 } }

# Who has come since the last time; nobody can be on the way, for who comes has been heard or has been queued before.
sub visitors {
    my $peer = IO::Socket::UNIX->new(Peer => "$dir/control") or return "no server: $!";
    my $line = <$peer> // '';
    chomp $line;
    return $line;
}

# --- cases -----------------------------------------------------------------------------------------------------------

# One case: rules; acts: [ACT, NATIVE, UNDER NURSE] (undef: don't care); o: native visitors, visitors; look->(); env.
sub check {
    my ($name, $rules, $acts, $o) = @_;
    $o //= {};
    my $policy = policy(qq{local net = require "nurse.net"\n$rules\ndefault "allow"\n});
    my @list = map { $_->[0] } @$acts;
    my @natively = map { $_->[0] } grep { defined $_->[1] } @$acts;    # what has no answer here is not for the network outside
    my @runs = (['natively', sub { run([program('sockets'), @natively], { cwd => "$dir/here" }) }, 1, $o->{native}]);
    for my $way (@ways) {
        my ($kind, $class, $options) = @$way;
        push @runs, [$kind, sub { nurse($policy, $options, [program('sockets', $class), @list], { cwd => "$dir/here" }) }, 2, $o->{visitors}];
    }
    for my $run (@runs) {
        my ($kind, $do, $column, $visitors) = @$run;
        unlink glob "$dir/here/*";
        $o->{before}->() if $o->{before};
        my $result = $do->();
        my $got = answers($result);
        for my $act (@$acts) {
            next if !defined $act->[$column];
            like($got->{ $act->[0] } // 'nothing', qr/\A(?:$act->[$column])\z/, "$name, $kind: $act->[0] is $act->[$column]") or diag($result->{err});
        }
        is($result->{code}, 0, "$name, $kind: exit status") or diag($result->{out}, $result->{err});
        my $came = visitors();
        is($came, $visitors, "$name, $kind: who came") if defined $visitors;
        $o->{look}->("$name, $kind", $column == 2) if $o->{look};
    }
    return;
}

my ($A, $B, $U, $V) = map { "127.0.0.1,$port{$_}" } qw(A B U V);

check('tcp by port', qq{net.allow("tcp 127.0.0.1:$port{A}")},
    [["connect,tcp,$A", 'A', 'A'], ["connect,tcp,$B", 'B', 'EACCES'], ["fastopen,tcp,$B", undef, 'EACCES'], ["connect,udp,$U", 'U', 'EACCES'],
     ["connect,tcp6,::ffff:$A", 'A', 'A'], ["connect,tcp6,::ffff:$B", 'B', 'EACCES'], ["connect,tcp,0.0.0.0,$port{A}", 'A', 'A'],
     ["connect,tcp,0.0.0.0,$port{B}", 'B', 'EACCES'], ['connect,stream,../run/x', 'X', 'EACCES'], ['pair', 'x', 'x'],
     ["file,tcp,$A", 'ENOTSOCK', 'ENOTSOCK'], ["short,tcp,$A,8", 'EINVAL', 'EINVAL'], ["short,tcp,$A,1", 'EINVAL', 'EINVAL']],
    { visitors => 'A A A' });
check('nothing is allowed', '', [["connect,tcp,$A", 'A', 'EACCES'], ["send,udp,$U", 'U', 'EACCES'], ['bind,tcp,127.0.0.1,0', '0', 'EACCES'],
    ['bind,stream,s', '0', 'EACCES'], ['listen', '0', 'EACCES'], ['socket,16,3,0', '0', 'EACCES'], ['name,127.0.0.1', 'found', 'found'], ['pair', 'x', 'x']],
    { native => 'A U', visitors => '', look => sub { my ($name, $inside) = @_; is(-e "$dir/here/s" ? 1 : 0, $inside ? 0 : 1, "$name: the socket's name") } });
check('networks, ranges, the first rule', qq{net.deny("tcp 127.0.0.0/30:$port{B}")
net.allow("any 127.0.0.0/8:1024-65535")
net.deny("udp *")},
    [["connect,tcp,$A", 'A', 'A'], ["connect,tcp,$B", 'B', 'EACCES'], ["connect,udp,$U", 'U', 'U'], ["connect,tcp,127.1.2.3,1", 'ECONNREFUSED', 'EACCES'],
     ["connect,tcp,127.1.2.3,$port{A}", 'ECONNREFUSED', 'ECONNREFUSED'], ["connect,tcp,192.0.2.1,0", undef, 'EACCES']], { visitors => 'A U' });
check('udp, however it is sent', qq{net.allow("udp localhost:$port{U}")},
    [["connect,udp,$U", 'U', 'U'], ["connect,udp,$V", 'V', 'EACCES'], ["send,udp,$U", 'U', 'U'], ["send,udp,$V", 'V', 'EACCES'],
     ["sendmsg,udp,$U", 'U', 'U'], ["sendmsg,udp,$V", 'V', 'EACCES'], ["unspec,udp,$U", 'U', 'U'], ["unspec,udp,$V", 'V', 'EACCES'],
     ["sendmmsg,udp,$U,udp,$U", '2 sent', '2 sent'], ["sendmmsg,udp,$U,udp,$V", '2 sent', '1 sent'], ["again,udp,$U", 'U', 'U'],
     ["send,udp6,::ffff:$U", 'U', 'U'], ["send,udp6,::ffff:$V", 'V', 'EACCES'], ["connect,tcp,$A", 'A', 'EACCES']],
    { native => 'A U U U U U U U U U V V V V V V', visitors => 'U U U U U U U U U' });
check('unix', qq{net.allow("unix $dir/run/*")
net.allow("unix \@nurse-test-$$")},
    [['connect,stream,../run/x', 'X', 'X'], ['connect,stream,../other/y', 'Y', 'EACCES'], ["connect,stream,$dir/run/../other/y", 'Y', 'EACCES'],
     ['connect,stream,good', 'X', 'X'], ['connect,stream,bad', 'Y', 'EACCES'], ['connect,stream,way/y', 'Y', 'EACCES'], ['connect,stream,../run/none', 'ENOENT', 'ENOENT'],
     ["connect,stream,\@nurse-test-$$", 'N', 'N'], ["connect,stream,\@nurse-nobody", 'ECONNREFUSED', 'EACCES'], ['connect,dgram,../run/d', '6', '6'],
     ['connect,dgram,../other/e', '6', 'EACCES'], ['send,dgram,../run/d', '6', '6'], ['send,dgram,../other/e', '6', 'EACCES'], ['sendmsg,dgram,../run/d', '6', '6'],
     ['sendmsg,dgram,way/e', '6', 'EACCES'], ['chdir,../other', '0', '0'], ['connect,stream,y', 'Y', 'EACCES'], ['connect,stream,../run/x', 'X', 'X'],
     ["connect,tcp,$A", 'A', 'EACCES']],
    { visitors => 'D D D N X X X', before => sub { symlink '../run/x', "$dir/here/good"; symlink '../other/y', "$dir/here/bad"; symlink '../other', "$dir/here/way" } });
check('bind', qq{net.bind("tcp 127.0.0.1:0")
net.allow("bind udp 127.0.0.0/8")
net.listen("unix $dir/here/*")},
    [['bind,tcp,127.0.0.1,0', '0', '0'], ['bind,tcp,0.0.0.0,0', '0', 'EACCES'], ['listen', '0', 'EACCES'], ["swap,tcp,$A", undef, 'EACCES'],
     ['bind,udp,127.0.0.1,0', '0', '0'], ['bind,udp,0.0.0.0,0', '0', 'EACCES'], ['bind,stream,s', '0', '0'], ['bind,dgram,d', '0', '0'],
     ['bind,stream,../other/s', '0', 'EACCES'], ['bind,stream,./s', 'EADDRINUSE', 'EADDRINUSE'], ["connect,tcp,$A", 'A', 'EACCES']],
    { visitors => '', look => sub {
        my ($name, $inside) = @_;
        is(join(' ', map { -S "$dir/$_" ? 1 : 0 } qw(here/s here/d other/s)), $inside ? '1 1 0' : '1 1 1', "$name: names of sockets");
        unlink "$dir/other/s";
    } });
my $long = 'l' x 100;    # no address has room for the whole path
check('long paths', qq{net.allow("unix $dir/here/$long/a")\nnet.bind("unix $dir/here/$long/a")},
    [["chdir,$long", '0', '0'], ['bind,stream,a', '0', '0'], ['connect,stream,a', 'ECONNREFUSED', 'ECONNREFUSED'], ['bind,stream,b', '0', 'EACCES'],
     ['connect,stream,./b', 'ECONNREFUSED', 'EACCES'], ["connect,stream,../$long/./a", 'ECONNREFUSED', 'ECONNREFUSED']],
    { before => sub { mkdir "$dir/here/$long"; unlink glob "$dir/here/$long/*" }, look => sub {
        my ($name, $inside) = @_;
        is(join(' ', map { -S "$dir/here/$long/$_" ? 1 : 0 } qw(a b)), $inside ? '1 0' : '1 1', "$name: names of sockets");
        unlink glob "$dir/here/$long/*";
        rmdir "$dir/here/$long";
    } });
check('redirect', qq{net.redirect("tcp 192.0.2.0/24:80", "127.0.0.1:$port{A}")
net.redirect("tcp 127.0.0.1:$port{A}", ":$port{B}")
net.redirect("udp *:$port{V}", "127.0.0.1:$port{U}")
net.redirect("unix $dir/other/y", "$dir/run/x")},
    [['connect,tcp,192.0.2.7,80', undef, 'A'], ["connect,tcp,$A", 'A', 'B'], ["peer,tcp,$A", "port $port{A}", "port $port{B}"], ["connect,tcp,$B", 'B', 'EACCES'],
     ["connect,tcp6,::ffff:$A", 'A', 'B'], ["send,udp,$V", 'V', 'U'], ["sendmsg,udp,$V", 'V', 'U'], ['connect,stream,../other/y', 'Y', 'X']],
    { visitors => 'A B B B U U X' });
check('netlink by name only', 'net.allow "netlink"', [['socket,16,3,0', '0', '0'], ['name,127.0.0.1', 'found', 'found'], ["connect,tcp,$A", 'A', 'EACCES']], { visitors => '' });

SKIP: {
    skip 'this machine has no IPv6, and no package brings it', 1 if !$six;
    check('IPv6', qq{net.allow("tcp [::1]:$port{S}")}, [["connect,tcp6,::1,$port{S}", 'S', 'S'], ["connect,tcp6,::,$port{S}", 'S', 'EACCES'], ["connect,tcp,$A", 'A', 'EACCES']], { visitors => 'S' });
    check('IPv6, any address', qq{net.allow("tcp localhost:$port{S}")}, [["connect,tcp6,::,$port{S}", 'S', 'S'], ["connect,tcp6,::1,$port{S}", 'S', 'S']], { visitors => 'S S' });
    check('IPv6 networks', qq{net.deny("tcp [::1]/128:$port{S}") net.allow("tcp ::/0")},
        [["connect,tcp6,::1,$port{S}", 'S', 'EACCES'], ["connect,tcp6,::,$port{S}", 'S', 'EACCES'], ["connect,tcp6,::ffff:$A", 'A', 'EACCES']], { visitors => '' });
}

# --- a link that is turned while it is used ----------------------------------------------------------------------------

for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    my $act = "race,turning,$dir/run/x,$dir/other/y,X,Y";
    my $race = nurse(policy(qq{require("nurse.net").allow("unix $dir/run/*") default "allow"}), $options, [program('sockets', $class), $act], { cwd => "$dir/here" });
    is($race->{out}, "$act = X refused\n", "a turning link, $kind: what was judged is what answers") or diag($race->{err});
    my $visitors = visitors();
    like($visitors, qr/X/, "a turning link, $kind: the good one was reached");
    unlike($visitors, qr/Y/, "a turning link, $kind: the other never");
    unlink "$dir/here/turning", "$dir/here/turning.new";
}
run([program('sockets'), "connect,stream,turning"], { cwd => "$dir/here", before => sub { symlink "$dir/other/y", "$dir/here/turning" } });
is(visitors(), 'Y', 'a turning link, natively: it can be reached');

# --- addresses that are none -------------------------------------------------------------------------------------------

for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    my $rules = 'net.deny("udp ::/1") net.allow("any 10.255.255.255:1") net.allow("unix /none/*") net.bind("any 192.0.2.1")';
    my $result = nurse(policy(qq{local net = require "nurse.net" $rules default "allow"}), $options, [program('sockets', $class), 'rubbish,400'], { cwd => "$dir/here" });
    is($result->{out}, "rubbish,400 = 0\n", "rubbish, $kind: nothing of it is allowed") or diag($result->{err});
    unlike($result->{err}, qr/nurse\.net:\d+: |limit/, "rubbish, $kind: no mistake in the rules' code");
}

# --- mistakes ------------------------------------------------------------------------------------------------------------

for my $mistake (
    ['net.allow("tcp example.org:80")', "no address 'example.org'"], ['net.allow("sctp 10.0.0.1")', "'any' was expected"], ['net.allow("tcp 10.0.0.1:99999")', 'no port'],
    ['net.allow("tcp 10.0.0.1/33")', 'no prefix length'], ['net.allow("unix relative")', 'a path or @name was expected'], ['net.allow("tcp /run/x")', 'an address was expected'],
    ['net.bind("connect tcp *")', "'connect' was not expected"], ['net.redirect("tcp 10.0.0.1", "::1")', "can't be redirected to IPv6"],
    ['net.redirect("tcp 10.0.0.1", "/run/x")', "can't be redirected"], ['net.redirect("tcp 10.0.0.1")', 'an address to go to'], ['net.allow()', 'a rule is a string'],
) {
    my ($rule, $message) = @$mistake;
    my $file = policy(qq{local net = require "nurse.net"\n$rule\n});
    my $result = nurse($file, [], ['/bin/true']);
    is($result->{code}, 125, "$rule: status");
    like($result->{err}, qr/^nurse: \Q$file\E:2: net: .*\Q$message\E/, "$rule: message");
}

# --- the examples of the manual page -------------------------------------------------------------------------------------

my @examples = slurp(root_dir() . '/doc/man/nurse-net.3') =~ /^\.Bd -literal -offset indent\n(.*?)^\.Ed/msg;
cmp_ok(scalar @examples, '>=', 2, 'the manual page has examples');
for my $example (@examples) {
    my $result = run([$ENV{NURSE} // build_dir() . '/nurse', 'check', policy($example)]);
    is($result->{code}, 0, 'an example of the manual page can be used') or diag($example, $result->{err});
}

done_testing();
