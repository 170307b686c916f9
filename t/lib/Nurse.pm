package Nurse;

# Nurse: what the live tests share: running a program natively and under nurse, and comparing the two.
#
# Every run has a time limit of its own and its own process group, so a hanging nurse fails one test and no more.
# Output goes through files, never pipes: no deadlock, and both runs see the same kind of stdout.
# Needs core Perl only. NURSE names the binary, BUILD the build directory (the defaults fit `make test`).

use strict;
use warnings;
use Cwd qw(abs_path getcwd);
use Exporter 'import';
use File::Find ();
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(
    run start finish nurse nurse_command policy same_as_native same_result differences gates answers
    program build_program scratch spew slurp wait_for marked_processes one_nurse_line
    skip_or_fail skip_all_or_fail root_dir build_dir
);

my $root  = getcwd();
my $build = abs_path($ENV{BUILD} // 'build') // "$root/build";
my $nurse = abs_path($ENV{NURSE} // 'build/nurse') // "$root/build/nurse";
my $scratch;

sub root_dir  { return $root }
sub build_dir { return $build }

# A directory for this test script, gone when it ends.
sub scratch {
    $scratch //= abs_path(tempdir('nurse-test-XXXXXX', TMPDIR => 1, CLEANUP => 1));
    return $scratch;
}

sub spew {
    my ($file, $text, $mode) = @_;
    open my $out, '>', $file or die "$file: $!";
    binmode $out;
    print {$out} $text;
    close $out or die "$file: $!";
    chmod $mode, $file if defined $mode;
    return $file;
}

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!";
    binmode $in;
    local $/ = undef;
    return scalar(<$in>) // '';
}

# A missing precondition: a skip for people, a failure where MUST_WORK=1 says that everything has to be there.
sub skip_or_fail {
    my ($reason, $count) = @_;
    if ($ENV{MUST_WORK}) { fail("must work here: $reason"); no warnings 'exiting'; last SKIP }
    skip($reason, $count // 1);
}

sub skip_all_or_fail {
    my ($reason) = @_;
    BAIL_OUT("must work here: $reason") if $ENV{MUST_WORK};
    plan(skip_all => $reason);
}

# A test program of t/programs, for class 64 or 32.
sub program {
    my ($name, $class) = @_;
    return "$build/" . ($class // 64) . "/t/$name";
}

# Build t/programs/NAME.c in another way (compiler and flags), once: returns its path, or nothing when the compiler fails.
sub build_program {
    my ($kind, $name, @compiler) = @_;
    my $dir = "$build/live";
    make_path($dir);
    my ($source, $binary) = ("$root/t/programs/$name.c", "$dir/$name-$kind");
    return $binary if -x $binary && -M $binary <= -M $source;
    my $made = run([@compiler, '-D_GNU_SOURCE', '-std=gnu11', '-O2', '-o', "$binary.$$", $source], { timeout => 60 });
    if ($made->{code}) { diag("@compiler: $made->{err}"); return }
    rename "$binary.$$", $binary or die "$binary: $!";
    return $binary;
}

# --- running ---------------------------------------------------------------------------------------------

my $runs = 0;

# Start a command. Options: stdin (bytes), stdin_file, env (added; undef removes), cwd, timeout (seconds),
# before (code to run in the child just before exec). Returns a handle for finish().
sub start {
    my ($command, $o) = @_;
    $o //= {};
    my $base = scratch() . '/.run' . $runs++;
    my $in = $o->{stdin_file};
    $in = spew("$base.in", $o->{stdin}) if defined $o->{stdin};
    $in //= '/dev/null';
    my $pid = fork() // die "fork: $!";
    if (!$pid) {
        eval {
            setpgrp(0, 0);
            open STDIN,  '<', $in         or die "$in: $!";
            open STDOUT, '>', "$base.out" or die "$base.out: $!";
            open STDERR, '>', "$base.err" or die "$base.err: $!";
            POSIX::close($_) for 3 .. 255;    # what the caller of the tests left open
            chdir $o->{cwd} or die "$o->{cwd}: $!" if defined $o->{cwd};
            my $env = $o->{env} // {};
            for my $name (sort keys %$env) {    # one order, for each run the same environment
                if (defined $env->{$name}) { $ENV{$name} = $env->{$name} } else { delete $ENV{$name} }
            }
            $o->{before}->() if $o->{before};
            no warnings 'exec';
            exec { $command->[0] } @$command or die "exec $command->[0]: $!\n";
        };
        print STDERR $@;
        POSIX::_exit(99);
    }
    return { pid => $pid, base => $base, timeout => $o->{timeout} // 30 };
}

# Wait for a started command; past its time limit its process group is killed. Returns
# { status, signal, code (as a shell shows it: 128+N), out, err, timeout }.
sub finish {
    my ($handle) = @_;
    my ($pid, $late) = ($handle->{pid}, 0);
    my $deadline = Time::HiRes::time() + $handle->{timeout};
    my $pause = 0.0005;
    while (waitpid($pid, WNOHANG) == 0) {
        if (Time::HiRes::time() > $deadline) {
            $late = 1;
            kill 'KILL', -$pid;
            waitpid($pid, 0);
            last;
        }
        Time::HiRes::sleep($pause);
        $pause *= 1.5 if $pause < 0.02;
    }
    my $wait = $?;
    my %result = (
        status  => WIFEXITED($wait)   ? WEXITSTATUS($wait) : undef,
        signal  => WIFSIGNALED($wait) ? WTERMSIG($wait)    : 0,
        out     => slurp("$handle->{base}.out"),
        err     => slurp("$handle->{base}.err"),
        timeout => $late,
    );
    $result{code} = $result{signal} ? 128 + $result{signal} : $result{status};
    $result{err} .= "[killed: time limit of $handle->{timeout} s]\n" if $late;
    unlink glob "$handle->{base}.*";
    return \%result;
}

sub run {
    my ($command, $o) = @_;
    return finish(start($command, $o));
}

# A policy written in the test: returns its file. The name shows in file:line messages.
sub policy {
    my ($text, $name) = @_;
    $name //= 'policy' . $runs++ . '.lua';
    return spew(scratch() . "/$name", $text);
}

# The command line of `nurse run`: policy is a file, a list of files, or undef for none.
sub nurse_command {
    my ($policy, $options, $command) = @_;
    my @policies = ref $policy ? @$policy : defined $policy ? ($policy) : ();
    return [$nurse, 'run', (map { ('-p', $_) } @policies), @{ $options // [] }, '--', @$command];
}

sub nurse {
    my ($policy, $options, $command, $o) = @_;
    return run(nurse_command($policy, $options, $command), $o);
}

# What a program of acts has answered: { ACT => RESULT }.
sub answers {
    my ($result) = @_;
    return { $result->{out} =~ /^(.*?) = (.*)$/mg };
}

# --- comparing with a native run -------------------------------------------------------------------------

# The ways in which one program must behave the same: [name, policy, options].
sub gates {
    my ($all, $paths) = ("$root/t/data/policy-all-lua.lua", "$root/t/data/policy-paths.lua");
    return (
        ['every call in Lua',           $all,   []],
        ['Lua for paths',               $paths, []],
        ['Lua for paths, no gate',      $paths, ['--gate=off']],
        ['every call in Lua, no gate',  $all,   ['--gate=off']],
    );
}

# What a run left in its directory: one line per file, with content.
sub _tree {
    my ($dir) = @_;
    my @lines;
    File::Find::find({ no_chdir => 1, wanted => sub {
        my $name = substr $_, length $dir;
        my ($mode) = (lstat $_)[2];
        my $what = -l $_ ? 'link to ' . readlink $_ : -d _ ? 'directory' : -f _ ? slurp($_) : 'special';
        push @lines, sprintf "%s %o %s\n", $name, $mode, $what;
    } }, $dir);
    return join '', sort @lines;
}

sub _difference {
    my ($what, $native, $other) = @_;
    return if $native eq $other;
    my ($x, $y) = (scratch() . '/.native', scratch() . '/.nurse');
    spew($x, $native);
    spew($y, $other);
    my @lines = split /^/, `diff -a -u --label native --label nurse $x $y`;
    push @lines, "(lengths " . length($native) . " and " . length($other) . ")\n" if !@lines;
    splice @lines, 30, @lines, "...\n" if @lines > 30;
    return "$what differs:\n" . join '', @lines;
}

# What distinguishes two results, as texts for people; an empty list when nothing does.
sub differences {
    my ($native, $other) = @_;
    return grep { defined } (
        _difference('stdout', $native->{out}, $other->{out}),
        _difference('stderr', $native->{err}, $other->{err}),
        _difference('exit status', "$native->{code}\n", ($other->{signal} ? "signal $other->{signal}" : $other->{code}) . "\n"),
        _difference('files', $native->{files} // '', $other->{files} // ''),
    );
}

# One test: two results are the same in output, errors, exit status (and files, where both have them).
sub same_result {
    my ($native, $other, $name) = @_;
    my @differences = differences($native, $other);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok(!@differences, $name) || do { diag($_) for @differences; 0 };
}

# Run a command natively, then under nurse in every way of gates() (or o.gates), each time in a fresh directory that o.setup
# fills (it is called in there), and compare everything. o.native_code: what the native run must end with (default 0), so
# that a command that fails everywhere does not count as success. o.notices: nurse may say something of its own on stderr.
sub same_as_native {
    my ($name, $command, $o) = @_;
    $o //= {};
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $native = _in_fresh_directory($command, $o);
    if ($native->{code} != ($o->{native_code} // 0)) {
        fail("$name: native run");
        return diag("status $native->{code}: $native->{err}");
    }
    for my $gate ($o->{gates} ? @{ $o->{gates} } : gates()) {
        my ($way, $policy, $options) = @$gate;
        my $result = _in_fresh_directory(nurse_command($policy, $options, $command), $o);
        $result->{err} =~ s/^nurse: .*\n//mg if $o->{notices};
        same_result($native, $result, "$name: $way");
    }
    return;
}

sub _in_fresh_directory {
    my ($command, $o) = @_;
    my $dir = scratch() . '/work';
    remove_tree($dir);
    make_path($dir);
    my $back = getcwd();
    chdir $dir or die "$dir: $!";
    umask 022;
    $o->{setup}->() if $o->{setup};
    File::Find::finddepth({ no_chdir => 1, wanted => sub { utime 1e9, 1e9, $_ if !-l $_ } }, $dir);
    my $result = run($command, { cwd => $dir, %$o });
    $result->{files} = _tree($dir);
    chdir $back or die "$back: $!";
    return $result;
}

# --- looking for what should not be there ------------------------------------------------------------------

# Try until a condition holds, at most so many seconds.
sub wait_for {
    my ($seconds, $condition) = @_;
    my $deadline = Time::HiRes::time() + $seconds;
    until ($condition->()) {
        return 0 if Time::HiRes::time() > $deadline;
        Time::HiRes::sleep(0.02);
    }
    return 1;
}

# Processes (not zombies) whose command line or environment contains a mark.
sub marked_processes {
    my ($mark) = @_;
    my @found;
    for my $dir (glob '/proc/[0-9]*') {
        next if $dir eq "/proc/$$";
        my $text = '';
        for my $file (qw(cmdline environ)) {
            open my $in, '<', "$dir/$file" or next;
            local $/ = undef;
            $text .= <$in> // '';
        }
        push @found, substr $dir, 6 if index($text, $mark) >= 0;
    }
    return @found;
}

# Exactly one line on stderr, nurse's, that matches.
sub one_nurse_line {
    my ($result, $pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $good = $result->{err} =~ /\Anurse: [^\n]*\n\z/ && $result->{err} =~ $pattern;
    return ok($good, $name) || do { diag("stderr: $result->{err}"); 0 };
}

1;
