#!/usr/bin/perl
# Interactive shells on a terminal of their own: keys that interrupt, stop and quit, jobs in the foreground and background, pipelines, a terminal
# that changes its size or goes away. First shells inside of nurse, then nurse itself as a job of a shell outside. What the terminal shows
# is the same as natively.

use strict;
use warnings;
use lib 't/lib';
use Fcntl qw(O_RDWR O_NOCTTY);
use Nurse;
use POSIX ();
use Test::More;
use Time::HiRes ();

my ($INTERRUPT, $STOP, $QUIT, $END) = ("\x03", "\x1a", "\x1c", "\x04");
my ($TIOCSPTLCK, $TIOCGPTN, $TIOCSCTTY, $TIOCSWINSZ) = (0x40045431, 0x80045430, 0x540e, 0x5414);
my $mark = "nurse-terminal-$$-" . int(Time::HiRes::time() * 1000);

skip_all_or_fail('no terminals: /dev/ptmx') if !open_pty();

# --- a terminal --------------------------------------------------------------------------------------------

# Both names: the master's handle and the slave's path.
sub open_pty {
    my ($unlock, $number) = (pack('i', 0), pack('i', 0));
    for my $master ('/dev/ptmx', '/dev/pts/ptmx') {
        sysopen my $handle, $master, O_RDWR | O_NOCTTY or next;
        ioctl $handle, $TIOCSPTLCK, $unlock or next;
        ioctl $handle, $TIOCGPTN, $number or next;
        my $slave = '/dev/pts/' . unpack 'i', $number;
        return ($handle, $slave) if -e $slave;
    }
    return;
}

sub resize {
    my ($terminal, $rows, $columns) = @_;
    return ioctl $terminal, $TIOCSWINSZ, pack 'S4', $rows, $columns, 0, 0;
}

# A command on a terminal of its own, as a terminal emulator starts it.
sub on_terminal {
    my ($command) = @_;
    my ($master, $slave) = open_pty() or die "no terminal: $!";
    resize($master, 25, 200);
    my $dir = scratch() . '/terminal';
    mkdir $dir;
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        eval {
            chdir $dir or die "$dir: $!";
            POSIX::setsid();
            sysopen my $tty, $slave, O_RDWR or die "$slave: $!";
            ioctl $tty, $TIOCSCTTY, 0 or die "TIOCSCTTY: $!";
            POSIX::dup2(fileno $tty, $_) for 0 .. 2;
            POSIX::close($_) for 3 .. 255;
            my $path = scratch() . '/bin:/usr/sbin:/usr/bin:/sbin:/bin';
            %ENV = (PATH => $path, HOME => $dir, TERM => 'dumb', PS1 => 'ready> ', HISTFILE => '',
                LC_ALL => 'C', INPUTRC => '/dev/null', NURSE_TEST_MARK => $mark);
            exec { $command->[0] } @$command or die "exec $command->[0]: $!\n";
        };
        print STDERR $@;
        POSIX::_exit(99);
    }
    return { pid => $pid, master => $master, buffer => '', shown => '' };
}

# Wait until what was shown since the last time ends with a pattern: true, and it is taken.
sub expect {
    my ($it, $pattern) = @_;
    my $deadline = Time::HiRes::time() + 20;
    until ($it->{buffer} =~ /$pattern\z/) {
        my $left = $deadline - Time::HiRes::time();
        my $ready = '';
        vec($ready, fileno $it->{master}, 1) = 1;
        if ($left < 0 || !select $ready, undef, undef, $left or !sysread $it->{master}, $it->{buffer}, 4096, length $it->{buffer}) {
            $it->{shown} .= "$it->{buffer}\n[not seen: $pattern]\n";
            return 0;
        }
    }
    $it->{shown} .= $it->{buffer};
    $it->{buffer} = '';
    return 1;
}

sub type { my ($it, $text) = @_; return defined syswrite $it->{master}, $text }

# Processes of this terminal's foreground group: name and state of each, sorted. A thread that is in another state than its process counts by itself.
sub group_members {
    my ($group) = @_;
    my @members;
    for my $dir (glob '/proc/[0-9]*') {
        my ($name, $state, $its) = stat_of($dir) or next;
        next if $its != $group || $state eq 'Z';
        push @members, [$name, $state];
        push @members, map { [$name, $_->[1]] } grep { $_->[0] && ($_->[1] eq 'T') ne ($state eq 'T') } map { [stat_of($_)] } glob "$dir/task/*";
    }
    return sort { $a->[0] cmp $b->[0] } @members;
}

sub stat_of {
    my ($dir) = @_;
    open my $in, '<', "$dir/stat" or return;
    return (<$in> // '') =~ /^\d+ \((.*)\) (\S) \d+ (\d+)/s;
}

# --- conversations -----------------------------------------------------------------------------------------
# A conversation is a list of steps:
#   line => TEXT      type it, with Enter, and wait for the prompt
#   start => TEXT     type it, with Enter, and don't wait
#   running => NAMES  wait until the foreground group consists of these programs
#   see => TEXT       wait until the terminal shows it, at the end
#   key => KEY        type it, and wait for the prompt
#   press => KEY      type it, and don't wait
#   stopped => NAMES  wait until the group that ran is stopped as a whole
#   quiet => 1       wait until that group sleeps: readline hears an interrupt only while it waits for a key
#   size => ROWS      change the terminal's size
#   end => 1          wait until the command is gone
my $prompt = qr/ready> (?:\e\[6n)?/;    # busybox asks the terminal where it stands; it may, nobody answers

my %step = (
    line  => sub { type($_[0], "$_[1]\n") && expect($_[0], $prompt) },
    start => sub { type($_[0], "$_[1]\n") },
    key   => sub { type($_[0], $_[1]) && expect($_[0], $prompt) },
    press => sub { type($_[0], $_[1]) },
    see   => sub { expect($_[0], quotemeta($_[1])) },
    prompt  => sub { expect($_[0], $prompt) },
    running => \&wait_running,
    stopped => sub { my ($it, $names) = @_; wait_for(20, sub { in_state($it, $names, qr/T/) }) },
    quiet => \&wait_quiet,
    size  => sub { resize($_[0]{master}, $_[1], 80) },
    end   => sub { expect($_[0], '(?!)'); return 1 },
);

# The group's programs, without nurse itself, are these and in this state; nurse, where it is among them, is in that state too.
sub in_state {
    my ($it, $names, $state) = @_;
    my @members = group_members($it->{group});
    return "@{[map { $_->[0] } grep { $_->[0] ne 'nurse' } @members]}" eq $names && !grep { $_->[1] !~ $state } @members;
}

# For several looks: a shell's fg gives its job the terminal first and continues it then, and that would undo a stop that came in between.
sub wait_running {
    my ($it, $names) = @_;
    my $looks = 0;
    return wait_for(20, sub {
        $it->{group} = POSIX::tcgetpgrp(fileno $it->{master});
        $looks = in_state($it, $names, qr/[^T]/) ? $looks + 1 : 0;
        return $looks > 4;
    });
}

sub wait_quiet {
    my ($it) = @_;
    my $looks = 0;
    return wait_for(20, sub {
        $looks = (grep { $_->[1] ne 'S' } group_members($it->{group})) ? 0 : $looks + 1;
        return $looks > 4;
    });
}

sub converse {
    my ($command, @steps) = @_;
    my $it = on_terminal($command);
    my $good = expect($it, $prompt);
    while ($good && (my ($what, $argument) = splice @steps, 0, 2)) {
        $good = $step{$what}->($it, $argument);
        next if $good;
        my @now = $it->{group} ? map { "$_->[0] $_->[1]" } group_members($it->{group}) : ();
        $it->{shown} .= "\n[failed: $what " . $argument =~ s/([^ -~])/sprintf '%02x', ord $1/ger . ", group: @now]\n";
    }
    my $ended = wait_for(20, sub { waitpid($it->{pid}, POSIX::WNOHANG()) }) if $good;
    my $status = $?;
    if (!$ended) { kill 'KILL', $it->{pid}; waitpid $it->{pid}, 0; $status = 9; $it->{shown} .= "\n[did not end]\n" }
    close $it->{master};
    return { out => plain($it->{shown}), err => '', code => $status & 127 ? 128 + ($status & 127) : $status >> 8, signal => 0 };
}

# What was shown, without numbers of processes, and without the shell's notes that a job has ended: the moment of them, and of the empty line
# before them, is chance. Whether a note that a job is stopped comes before one asks for it is chance too.
sub plain {
    my ($text) = @_;
    $text =~ s/\[not seen: \(\?!\)\]\n//;
    $text =~ s/\r|\e\[\d*[A-Za-z]//g;
    $text =~ s/^(\[\d+\]) \d+$/$1 PID/mg;
    $text =~ s/^(?:\[\d+\] ?[ +-] +(?:Terminated|Interrupt|Killed|Done|Exit \d+) .*|Terminated)\n//mg;
    $text =~ s/\n\n+/\n/g;
    $text =~ s/^(\[\d+\].* Stopped .*\n)\g1/$1/mg;
    return $text;
}

sub all_gone {
    my ($name) = @_;
    my @left;
    return ok(wait_for(10, sub { !(@left = marked_processes($mark)) }), "$name: no process is left") || do { kill 'KILL', @left; 0 };
}

my @constant = ('constants', policy(qq{default "allow"\n}), []);
my ($lua, undef, undef, $lua_no_gate) = gates();

# The same conversation natively and in every way; status: how the command natively ends; seen: patterns that the native terminal must have shown.
sub same_conversation {
    my ($name, $command, $status, $seen, @steps) = @_;
    my $native = converse($command, @steps);
    is($native->{code}, $status, "$name: natively, status") or return diag($native->{out});
    like($native->{out}, $_, "$name: natively, $_") for @$seen;
    for my $way (\@constant, $lua, $lua_no_gate) {
        same_result($native, converse(nurse_command($way->[1], $way->[2], $command), @steps), "$name: $way->[0]");
        all_gone("$name: $way->[0]");
    }
    return;
}

# --- shells inside -----------------------------------------------------------------------------------------
my @bash = ('/bin/bash', '--noprofile', '--norc', '-i');
my $kill_stopped = 'one=$(jobs -p %1); kill %1; while kill -0 $one 2> /dev/null; do sleep 0.02; done';
my $catches      = q{sh -c 'trap "echo caught; exit 9" INT; echo set; while :; do sleep 0.05; done'};
my $wait_stopped = 'until [ -n "$(jobs -s)" ]; do sleep 0.02; done';

same_conversation('bash, keys', [@bash], 7,
    [qr/^terminal, leader$/m, qr/^\^C\nready> echo \$\?\n130$/m, qr/^status 148$/m, qr/^status 131$/m, qr/caught$/m],
    line => 'ulimit -c 0; set -- $(cat /proc/$$/stat); [ -t 0 ] && [ $1 = $5 ] && [ $1 = $8 ] && echo terminal, leader',
    line => 'false; echo $?; (exit 3); echo $?; true | (exit 4); echo $? ${PIPESTATUS[@]}; seq 3 | sort -r | tr "\n" " "',
    start => 'sleep 100', running => 'sleep', key => $INTERRUPT, line => 'echo $?',
    start => 'sleep 100', running => 'sleep', key => $STOP, stopped => 'sleep', line => 'echo status $?',
    line => 'jobs', line => 'bg; jobs', start => 'fg', running => 'sleep', key => $INTERRUPT, line => 'echo $?; jobs',
    start => 'sleep 100', running => 'sleep', key => $QUIT, line => 'echo status $?',
    start => $catches, see => "set\r\n", key => $INTERRUPT, line => 'echo $?',
    press => 'not a command', see => 'not a command', running => 'bash', quiet => 1, key => $INTERRUPT, line => 'echo $?',
    start => q{sh -c 'sleep 100; echo not reached'}, running => 'sh sleep', key => $INTERRUPT, line => 'echo $?',
    start => 'cat', running => 'cat', press => "a line\n", see => "a line\r\na line\r\n", key => $END, line => 'echo $?',
    start => 'read -p "name: " name', see => 'name: ', key => "somebody\n", line => 'echo "<$name>"; exec 2>&1',
    start => 'exit 7', end => 1,
);

same_conversation('bash, jobs', [@bash], 5,
    [qr/^\[1\]\+  Stopped +cat$/m, qr/^hidden\nready> echo \$\?\n4$/m, qr/^25 200$/m, qr/^31 80$/m, qr/^went on$/m, qr/There are stopped jobs/],
    line => 'sleep 100 & one=$!; sleep 101 & two=$!; sleep 102 & three=$!',
    line => 'kill %2; wait $two; echo $?', line => 'jobs',
    line => 'kill -INT %1; wait $one; echo $?; kill -KILL %3; wait $three; echo $?', line => 'jobs',
    start => 'sleep 100 | cat | cat', running => 'cat cat sleep', key => $STOP, stopped => 'cat cat sleep', line => 'jobs',
    line => 'bg', start => 'fg', running => 'cat cat sleep', key => $INTERRUPT, line => 'echo ${PIPESTATUS[@]}',
    # One that reads the terminal in the background is stopped, one that writes is when the terminal is set so.
    line => "cat & $wait_stopped; jobs",
    start => 'fg', running => 'cat', press => "text\n", see => "text\r\ntext\r\n", key => $END, line => 'echo $?',
    line => "stty tostop; { /bin/echo hidden; exit 4; } & $wait_stopped; stty -tostop", line => 'fg', line => 'echo $?',
    line => 'stty size; stty -echo; stty echo',
    start => q{bash -c 'trap "stty size; exit 3" WINCH; echo set; while :; do sleep 0.05; done'},
    see => "set\r\n", size => 31, prompt => 1, line => 'echo $?',
    line => q{perl -e 'kill STOP => $$; print "went on\n"'}, line => 'fg',
    line => q{(trap '' TSTP; kill -TSTP $BASHPID; echo not stopped)},
    # A shell in the shell takes the terminal and gives it back, stops itself, goes on.
    line => 'bash --norc -i', start => 'sleep 100', running => 'sleep', key => $STOP, line => 'jobs', line => "$kill_stopped; jobs",
    line => 'suspend', line => 'jobs',
    line => 'fg', line => 'echo $SHLVL', line => 'exit 6', line => 'echo $?',
    line => 'set +m; sleep 0.01 & wait; set -m',
    start => 'sleep 100', running => 'sleep', key => $STOP, line => 'exit 5', start => 'exit 5', end => 1,
);

same_conversation('dash, keys', ['/bin/dash', '-i'], 130, [qr/^status 148$/m, qr/^status 143$/m],
    start => 'sleep 100', running => 'sleep', key => $INTERRUPT, line => 'echo $?',
    start => 'sleep 100', running => 'sleep', key => $STOP, stopped => 'sleep', line => 'echo status $?', line => 'jobs', line => 'bg',
    start => 'fg', running => 'sleep', key => $STOP, stopped => 'sleep', line => 'bg', line => 'kill %1; wait %1; echo status $?',
    start => 'sleep 100 | cat', running => 'cat sleep', key => $INTERRUPT, start => 'exit', end => 1,
);

SKIP: {
    my $fetched = run(['t/lib/i386-root.sh', build_dir() . '/i386'], { timeout => 300 });
    skip_or_fail("no i386 packages: $fetched->{err}") if $fetched->{code};
    my $busybox = build_dir() . '/i386/root/bin/busybox';
    my $bin = scratch() . '/32';
    mkdir $bin;
    symlink $busybox, "$bin/$_" for 'sleep', 'tac';    # executed by these names, they can be told from the shell
    same_conversation('32-bit busybox', [$busybox, 'sh', '-i'], 3, [qr/^status 148$/m],
        start => "$bin/sleep 100", running => 'sleep', key => $INTERRUPT, line => 'echo $?',
        start => '/bin/sleep 100', running => 'sleep', key => $STOP, stopped => 'sleep', line => 'echo status $?', line => 'jobs',
        start => 'fg', running => 'sleep', key => $INTERRUPT, line => 'echo $?',
        start => "$bin/sleep 100 | $bin/tac", running => 'sleep tac', key => $STOP, stopped => 'sleep tac',
        start => 'fg', running => 'sleep tac', key => $INTERRUPT,
        start => 'exit 3', end => 1,
    );
}

# The terminal goes away: the shell and what it runs in foreground and background get a hangup.
for my $way (['natively'], \@constant, $lua, $lua_no_gate) {
    my $it = on_terminal($way->[1] ? nurse_command($way->[1], $way->[2], [@bash]) : [@bash]);
    my $up = expect($it, $prompt) && $step{line}->($it, 'sleep 100 &') && $step{start}->($it, 'sleep 101') && $step{running}->($it, 'sleep');
    ok($up, "hangup, $way->[0]: a job in the background and one in the foreground") or diag($it->{shown});
    close $it->{master};
    my $ended = ok(wait_for(10, sub { waitpid($it->{pid}, POSIX::WNOHANG()) }), "hangup, $way->[0]: the shell ends");
    if (!$ended) { kill 'KILL', $it->{pid}; waitpid $it->{pid}, 0 }
    all_gone("hangup, $way->[0]");
}

# --- nurse as a job of a shell outside ---------------------------------------------------------------------
# `inside` stands for nurse, and natively for nothing. A program's end by a signal is nurse's status 128+N, which the shell shows otherwise.
mkdir scratch() . '/bin';
sub outside {
    my ($way) = @_;
    my @nurse = map { "'$_'" } $way->[1] ? @{ nurse_command($way->[1], $way->[2], []) } : ();
    spew(scratch() . '/bin/inside', "#!/bin/sh\nexec @nurse \"\$@\"\n", 0755);
    my $result = converse([@bash],
        line => 'ulimit -c 0',
        start => 'inside sleep 100', running => 'sleep', key => $INTERRUPT, line => 'echo interrupted: $?',
        start => 'inside sleep 100', running => 'sleep', key => $STOP, stopped => 'sleep', line => 'echo stopped: $?', line => 'jobs',
        start => 'fg', running => 'sleep', key => $STOP, stopped => 'sleep', line => 'bg',
        start => 'fg', running => 'sleep', key => $INTERRUPT, line => 'echo interrupted: $?',
        start => 'inside sleep 100', running => 'sleep', key => $QUIT, line => 'echo quit: $?',
        start => "inside $catches", see => "set\r\n", key => $INTERRUPT, line => 'echo own end: $?',
        start => q{inside sh -c 'echo up; read x; echo "got $x"; exit 6'}, see => "up\r\n", running => 'sh', key => $STOP, stopped => 'sh',
        start => 'fg', running => 'sh', key => "word\n", line => 'echo read: $?',
        start => 'inside sleep 100', running => 'sleep', key => $STOP, stopped => 'sleep',
        line => "$kill_stopped; echo gone: \$?; jobs",
        line => 'inside sleep 100 & one=$!', line => 'kill %1; wait $one; echo killed: $?',
        line => "inside cat & $wait_stopped; jobs",
        start => 'fg', running => 'cat', press => "text\n", see => "text\r\ntext\r\n", key => $END, line => 'echo cat: $?',
        start => 'inside sh -c "sleep 100 | cat" | cat', running => 'cat cat sh sleep', key => $STOP, stopped => 'cat cat sh sleep',
        start => 'fg', running => 'cat cat sh sleep', key => $INTERRUPT,
        line => 'echo ${PIPESTATUS[@]}', start => 'exit 4', end => 1);
    $result->{out} =~ s/^(?:\^\\)?Quit.*\n|^\^\\\n?//mg;
    $result->{out} =~ s/\^C\n(?=ready> )/^C/g;
    return $result;
}
{
    my $native = outside(['natively']);
    is($native->{code}, 4, 'a job outside, natively: status') or diag($native->{out});
    is(join(' ', $native->{out} =~ /^(\w+(?: end)?: \d+)$/mg),
        'interrupted: 130 stopped: 148 interrupted: 130 quit: 131 own end: 9 read: 6 gone: 0 killed: 143 cat: 0',
        'a job outside, natively: statuses') or diag($native->{out});
    for my $way (\@constant, $lua, $lua_no_gate) {
        same_result($native, outside($way), "nurse as a job: $way->[0]");
        all_gone("nurse as a job: $way->[0]");
    }
}

done_testing();
