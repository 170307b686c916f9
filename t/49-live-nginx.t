#!/usr/bin/perl
# nginx with a master and two workers in the sandbox serves 10,000 requests from a client outside: half of them before, half after a reload by SIGHUP,
# in which no request is lost. Then it stops by SIGQUIT, after the answer that it is in the middle of. Answers, log and status are as natively.

use strict;
use warnings;
use lib 't/lib';
use File::Path qw(remove_tree);
use IO::Select;
use IO::Socket::INET;
use Nurse;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;

my $nginx = '/usr/sbin/nginx';
skip_all_or_fail("no $nginx") if !-x $nginx;

my $HALF   = 5_000;
my $LARGE  = 24 << 20;                                                             # more than the sockets' buffers hold
my %bodies = map { ("file$_" => join '', map { "$_\n" } 1 .. $_ ** 4) } 1 .. 8;    # from 2 bytes to 20 kB

# --- the server --------------------------------------------------------------------------------------------

sub free_port {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0) or die "no port: $!";
    return $socket->sockport;
}

# Answers carry the edition of the configuration that they were made by.
sub configure {
    my ($dir, $port, $edition) = @_;
    my $user = $> == 0 ? 'user root;' : '';    # else it changes to another user, which can't be in a sandbox
    return spew("$dir/nginx.conf", <<"END");
$user
daemon off;
worker_processes 2;
pid nginx.pid;
error_log error.log notice;
events { worker_connections 64; }
http {
    access_log access.log;
    client_body_temp_path tmp/body; proxy_temp_path tmp/proxy; fastcgi_temp_path tmp/fastcgi; uwsgi_temp_path tmp/uwsgi; scgi_temp_path tmp/scgi;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 700;
    open_file_cache max=4;
    limit_req_zone \$binary_remote_addr zone=all:1m rate=1000000r/s;    # memory that the workers share
    limit_req zone=all burst=1000000 nodelay;
    default_type text/plain;
    add_header X-Edition $edition;
    server {
        listen 127.0.0.1:$port;
        root www;
        location /said { return 200 "said by \$request_method\\n"; }
        location /through/ { proxy_pass http://127.0.0.1:$port/; }
    }
}
END
}

sub fresh_directory {
    my $dir = scratch() . '/nginx';
    remove_tree($dir);
    mkdir $_ for $dir, "$dir/www", "$dir/tmp";
    spew("$dir/www/$_", $bodies{$_}, 0644) for keys %bodies;
    spew("$dir/www/large", '', 0644);
    truncate "$dir/www/large", $LARGE;
    return $dir;
}

sub content { my ($file) = @_; return -e $file ? slurp($file) : '' }

sub workers_of {
    my ($master) = @_;
    my $count = 0;
    for my $file (glob '/proc/[0-9]*/stat') {
        open my $in, '<', $file or next;
        $count++ if (<$in> // '') =~ /\) [^Z] $master /;
    }
    return $count;
}

# --- the client: four connections, used in turn; one that nginx has closed is opened again ------------------

sub try_connect { my ($port) = @_; return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10) }

sub connection {
    my ($client, $slot) = @_;
    if (!$client->{connections}[$slot]) {
        my $socket = try_connect($client->{port}) or die "connect: $!\n";
        setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
        $client->{connections}[$slot] = $socket;
    }
    return $client->{connections}[$slot];
}

# Read on until the buffer holds a whole answer; nothing when the connection ended before its first byte.
sub answer {
    my ($socket, $buffer) = @_;
    my $select = IO::Select->new($socket);
    my ($head, $length) = ('');
    until (defined $length && length($buffer) >= length($head) + $length) {
        if (!defined $length && $buffer =~ /\A(HTTP.*?\r\n\r\n)/s) {
            $head = $1;
            $length = $head =~ /^Content-Length: (\d+)/m ? $1 : die "an answer without length: $head\n";
            next;
        }
        die "no answer in 20 s\n" if !$select->can_read(20);
        next if sysread $socket, $buffer, 1 << 20, length $buffer;
        die "half an answer\n" if $buffer ne '';
        return;
    }
    my ($status) = $head =~ m{\AHTTP/1\.1 (\d+)};
    my ($edition) = $head =~ /^X-Edition: (\w+)/m;
    return { status => $status, edition => $edition // '', body => substr($buffer, length $head), close => scalar $head =~ /^Connection: close/m };
}

sub request { my ($path) = @_; return "GET /$path HTTP/1.1\r\nHost: x\r\n\r\n" }

sub ask {
    my ($client, $path) = @_;
    my $slot = $client->{asked}++ % 4;
    for (1 .. 3) {
        my $socket = connection($client, $slot);
        my $sent = do { local $SIG{PIPE} = 'IGNORE'; syswrite $socket, request($path) };
        my $answer = $sent ? answer($socket, '') : undef;
        delete $client->{connections}[$slot] if !$answer || $answer->{close};
        return $answer if $answer;
    }
    die "connections are closed without an answer\n";
}

# Requests of all kinds: counts of what was answered, by path and status, and whether the bodies were right.
sub ask_many {
    my ($client, $count) = @_;
    my @names = sort keys %bodies;
    my (%seen, %edition);
    for my $i (1 .. $count) {
        my $path = $i % 50 == 1 ? 'missing' : $i % 50 == 2 ? 'said' : $i % 50 == 3 ? 'through/file4' : $names[$i % @names];
        my $answer = ask($client, $path);
        my $body = $path eq 'said' ? "said by GET\n" : $bodies{ $path =~ s{.*/}{}r };
        my $right = defined $body ? ($answer->{body} eq $body ? 'right' : 'wrong') : 'any body';
        $seen{"$path: $answer->{status}, $right"}++;
        $edition{$answer->{edition}}++;
    }
    return (\%edition, map { "$_, $seen{$_} times\n" } sort keys %seen);
}

# --- one nginx from start to end, as text that is the same each time ---------------------------------------

sub come_up {
    my ($client, $dir) = @_;
    wait_for(20, sub { try_connect($client->{port}) }) or die "it does not listen\n";
    wait_for(10, sub { content("$dir/nginx.pid") =~ /\n/ }) or die "no file with the master's pid\n";
    my $master = slurp("$dir/nginx.pid") + 0;
    wait_for(10, sub { workers_of($master) == 2 }) or die workers_of($master) . " workers\n";
    return $master;
}

sub reload {
    my ($client, $dir, $master) = @_;
    configure($dir, $client->{port}, 'second');
    kill 'HUP', $master or die "HUP: $!\n";
    my $second = wait_for(20, sub {
        my $answer = ask($client, 'said');
        die "status $answer->{status} in the reload\n" if $answer->{status} != 200;
        return $answer->{edition} eq 'second';
    });
    die "no reload\n" if !$second;
    wait_for(20, sub { workers_of($master) == 2 }) or die workers_of($master) . " workers after the reload\n";
    return;
}

# It is told to stop when the client has seen the beginning of an answer that does not fit into any buffer.
sub stop_in_an_answer {
    my ($client, $master) = @_;
    my $socket = connection($client, $client->{asked}++ % 4);
    syswrite $socket, request('large');
    sysread $socket, my $begin, 1000 or die "no beginning of the large answer\n";
    kill 'QUIT', $master or die "QUIT: $!\n";
    wait_for(20, sub { !try_connect($client->{port}) }) or die "it still listens\n";
    my $answer = answer($socket, $begin);
    my $right = $answer->{body} eq "\0" x $LARGE ? 'right' : 'wrong';
    @{ $client->{connections} } = ();
    return "in the middle of the stop: $answer->{status}, $right\n";
}

sub visit {
    my ($client, $dir) = @_;
    my $master = come_up($client, $dir);
    my ($before, @first) = ask_many($client, $HALF);
    reload($client, $dir, $master);
    my ($after, @second) = ask_many($client, $HALF);
    my $by_first = $HALF - ($after->{second} // 0) - ($after->{''} // 0);
    my $late = $by_first <= 3 ? 'at most one on each connection' : 'too many';    # one of the four has seen the second
    return "before the reload:\n", @first, "after it:\n", @second,
        'by the first edition: ' . join(' ', sort keys %$before) . "\nstill by the first: $late\n", stop_in_an_answer($client, $master);
}

sub serve {
    my (@nurse) = @_;
    my $dir = fresh_directory();
    my $client = { port => free_port(), connections => [], asked => 0 };
    configure($dir, $client->{port}, 'first');
    my $handle = start([@nurse, $nginx, '-e', 'error.log', '-p', $dir, '-c', 'nginx.conf'], { cwd => $dir, timeout => 90 });
    my $said = eval { join '', visit($client, $dir) };
    if (!defined $said) {
        $said = "failed: $@";
        kill 'TERM', $handle->{pid};
    }
    my $result = finish($handle);
    $result->{err} =~ s/^nurse: (?:.*setgroups.*|  in nginx \(.*|\d+ calls were denied:)\n//mg;
    $result->{out} .= $said . logs($client, $dir);
    return $result;
}

# How many there are in the log compared with what was asked: what goes through the server is there twice. Other messages than notices are shown.
# In a sandbox the workers can't set their groups: they (and nurse) say so and go on.
sub logs {
    my ($client, $dir) = @_;
    my $log = content("$dir/access.log");
    my $lines = () = $log =~ /\n/g;
    my $twice = () = $log =~ m{"GET /through/}g;
    my $asked = $client->{asked} + $twice;
    my @messages = grep { !/\[notice\]|open\(\) "\S+missing" failed|initgroups/ } split /\n/, content("$dir/error.log");
    my @left = map { s{.*/}{}r } glob "$dir/*";
    return 'log: ' . ($lines == $asked ? 'every request' : "$lines of $asked") . "\nmessages: @messages\nleft: @left\n";
}

my $native = serve();
is($native->{code}, 0, 'natively: status') or diag($native->{out}, $native->{err});
my $sum = 0;
$sum += $_ for $native->{out} =~ /, (\d+) times$/mg;
is($sum, 2 * $HALF, 'natively: that many requests were answered');
unlike($native->{out}, qr/wrong|failed/, 'natively: every body is right');
like($native->{out}, qr/^missing: 404, any body, 100 times$/m, 'natively: what is missing is missing');
like($native->{out},
    qr/^still by the first: at most one on each connection\nin the middle of the stop: 200, right\nlog: every request\nmessages: \n/m, 'natively: reload, stop and log');

my ($lua, undef, undef, $lua_no_gate) = gates();
for my $way (['constants', policy(qq{default "allow"\n}), []], $lua, $lua_no_gate) {
    my ($name, $policy, $options) = @$way;
    same_result($native, serve(@{ nurse_command($policy, $options, []) }), $name);
}

done_testing();
