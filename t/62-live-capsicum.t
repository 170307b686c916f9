#!/usr/bin/perl
# nurse.capsicum: what a process may do that has entered capability mode, and with limited descriptors, through real runs of t/programs/capable.c.
# Each case runs natively first, where everything succeeds, then under nurse: 64 bits, without the gate, 32 bits. What was denied has not happened.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use File::Path qw(make_path remove_tree);
use Test::More;

my @ways = (['64 bits', 64, []], ['64 bits, no gate', 64, ['--gate=off']], ['32 bits', 32, []]);
my $dir = scratch();
my $work = "$dir/work";
my ($CAP, $NOT) = ('EPERM', 'EACCES');    # ECAPMODE, ENOTCAPABLE

sub fresh {
    remove_tree($work);
    make_path("$work/in/sub", "$work/out");
    spew("$work/in/file", "inside\n");
    spew("$work/in/sub/deep", "deep\n");
    spew("$work/out/file", "outside\n");
    symlink '../out/file', "$work/in/leak";
    symlink 'sub/deep', "$work/in/short";
    symlink "$work/in/file", "$work/in/absolute";
    return;
}

# A run's answers in their order: [ACT, RESULT]...
sub answers_in_order {
    my ($result) = @_;
    return [map { [/^(.*?) = (.*)$/] } split /\n/, $result->{out}];
}

# One case: the script; acts in order: [ACT, NATIVE, UNDER NURSE] (regexes; undef: not natively); o: look->(NAME, INSIDE).
sub check {
    my ($name, $script, $acts, $o) = @_;
    $o //= {};
    my $policy = policy(qq{local capsicum = require "nurse.capsicum"\n$script\ndefault "allow"\n});
    my @natively = grep { defined $_->[1] } @$acts;
    my @runs = (['natively', 1, \@natively, sub { run([program('capable'), map { $_->[0] } @natively], { cwd => $work, %$o }) }]);
    for my $way (@ways) {
        my ($kind, $class, $options) = @$way;
        push @runs, [$kind, 2, $acts, sub { nurse($policy, $options, [program('capable', $class), map { $_->[0] } @$acts], { cwd => $work, %$o }) }];
    }
    for my $run (@runs) {
        my ($kind, $column, $list, $do) = @$run;
        fresh();
        my $result = $do->();
        my $got = answers_in_order($result);
        for my $i (0 .. $#$list) {
            my ($act, $wanted) = @{ $list->[$i] }[0, $column];
            my $answer = ($got->[$i] // [''])->[0] eq $act ? $got->[$i][1] : 'nothing';
            like($answer, qr/\A(?:$wanted)\z/, "$name, $kind: $act is $wanted") or diag($result->{err});
        }
        is($result->{code}, 0, "$name, $kind: exit status") or diag($result->{out}, $result->{err});
        $o->{look}->("$name, $kind", $column == 2, $result) if $o->{look};
    }
    return;
}

# --- below what is held ------------------------------------------------------------------------------------------------

check('a held directory', 'capsicum.enter{ at = "getppid" }',
    [['hold,in', '3', '3'], ['cat,out/file', 'outside', 'outside'], ['enter', '0', '0'], ['catat,3,file', 'inside', 'inside'], ['catat,3,sub/deep', 'deep', 'deep'],
     ['catat,3,sub/../file', 'inside', 'inside'], ['catat,3,short', 'deep', 'deep'], ['catat,3,../out/file', 'outside', $NOT], ['catat,3,../in/file', 'inside', $NOT],
     ['catat,3,leak', 'outside', $NOT], ["catat,3,$work/in/file", 'inside', $NOT], ['catat,cwd,in/file', 'inside', $CAP], ['cat,in/file', 'inside', $CAP],
     ["cat,$work/in/file", 'inside', $CAP], ['catat,3,none', 'ENOENT', 'ENOENT'], ['catat,9,file', 'EBADF', 'EBADF'],
     ['statat,3,file', '0', '0'], ['statat,3,../out', '0', $NOT], ['statat,cwd,.', '0', $CAP], ['empty,3', '0', '0'], ['empty,cwd', '0', $CAP], ['fstat,3', '0', '0'],
     ['access,3,file', '0', '0'], ['access,3,leak', '0', $NOT], ['readlinkat,3,leak', '../out/file', '../out/file'], ['make,3,new', '0', '0'],
     ['make,3,../out/new', '0', $NOT], ['mkdirat,3,d', '0', '0'], ['mkdirat,3,../out/d', '0', $NOT], ['mkdir,in/m', '0', $CAP], ['renameat,3,new,3,newer', '0', '0'],
     ['renameat,3,newer,3,../out/newer', '0', $NOT], ['linkat,3,file,3,hard', '0', '0'], ['linkat,3,../out/file,3,stolen', '0', $NOT],
     ['symlinkat,../../out,3,way', '0', '0'], ['symlinkat,../out,3,road', '0', '0'], ['catat,3,road/file', 'outside', $NOT], ['unlinkat,3,hard', '0', '0'],
     ['unlinkat,3,../out/file', '0', $NOT], ['unlink,in/file', '0', $CAP], ['fchdir,3', '0', '0'], ['catat,cwd,sub/deep', 'deep', $CAP], ['chdir,sub', '0', $CAP]],
    { look => sub {
        my ($name, $inside) = @_;
        my @there = grep { -e "$work/$_" || -l "$work/$_" } qw(in/file in/d in/m in/newer in/stolen out/d out/file out/new out/newer);
        is("@there", $inside ? 'in/file in/d in/newer out/file' : 'in/d in/m in/stolen out/d out/new out/newer', "$name: what is there");
    } });

check('dirs', qq{capsicum.enter{ dirs = { "$work/in", ["$work/out"] = "LOOKUP READ FSTAT SEEK" } }},
    [['cat,in/leak', 'outside', 'outside'], ['cat,in/file', 'inside', 'inside'], ["cat,$work/in/../in/file", 'inside', 'inside'], ['make,cwd,in/new', '0', '0'], ['cat,out/file', 'outside', 'outside'],
     ['over,cwd,out/file', '0', $NOT], ['make,cwd,out/new', '0', $NOT], ['statat,cwd,out/file', '0', '0'], ['cat,/etc/passwd', '.*', $CAP],
     ['unlink,in/new', '0', '0'], ['chdir,in', '0', '0'], ['cat,file', 'inside', 'inside'], ['statat,cwd,/', '0', $CAP]],
    { look => sub { my ($name, $inside) = @_; is(slurp("$work/out/file"), $inside ? "outside\n" : '', "$name: the file that may only be read") } });

check('no global namespaces', 'capsicum.enter{ at = "getppid" }',
    [['net,socket', '0', '0'], ['shm', '0', '0'], ['enter', '0', '0'], ['net,socket', '0', '0'], ['net,connect,9', '0', $CAP], ['net,bind', '0', $CAP], ['net,sendto,9', '1', $CAP],
     ['net,sendmsg,9', '1', $CAP], ['net,listen', '0', $CAP], ['pair', '0', '0'], ['kill,self', '0', '0'], ['kill,parent', '0', $CAP], ['kill,0', '0', $CAP],
     ['priority,self', '0', '0'], ['priority,parent', '0|EACCES|EPERM', $CAP], ['shm', '0', $CAP], ["shmopen,/nurse-test-$$", '0', $CAP], ["mq,/nurse-test-$$", '0', $CAP],
     ['memfd,x', '0', '0'], ["exec,/bin/false", undef, $CAP]]);

# --- when it is entered, and who is inside -----------------------------------------------------------------------------

check('from the start', 'capsicum.enter{ at = "start" }',
    [['cat,in/file', 'inside', $CAP], ['hold,in', '3', $CAP], ['cat,/etc/ld.so.cache', '.*', '.*'], ['over,cwd,/lib/none', 'ENOENT', $CAP], ['mkdir,/lib/none/x', 'ENOENT', $CAP],
     ['kill,self', '0', '0'], ['net,connect,9', '0', $CAP], ['memfd,x', '0', '0']]);
check('at accept', 'capsicum.enter{ at = "accept" }', [['cat,in/file', 'inside', 'inside'], ['accept', 'hello', 'hello'], ['cat,in/file', 'inside', $CAP], ['net,bind', '0', $CAP]]);
check('at a path', qq{capsicum.enter{ at = "$work/in/file" }}, [['cat,out/file', 'outside', 'outside'], ['cat,in/file', 'inside', 'inside'], ['cat,in/file', 'inside', $CAP]]);
check('at a time', 'capsicum.enter{ at = 0.4 }', [['sleep,500', '0', '0'], ['cat,in/file', 'inside', $CAP]]);
check('not before its time', 'capsicum.enter{ at = 1000 }', [['cat,in/file', 'inside', 'inside'], ['enter', '0', '0'], ['cat,out/file', 'outside', 'outside']]);
check('when a function says so', 'capsicum.enter{ at = function(call) return call.path ~= nil and call.path:basename() == "m" end }',
    [['cat,in/file', 'inside', 'inside'], ['mkdir,in/m', '0', '0'], ['cat,in/file', 'inside', $CAP]]);
check('children', 'capsicum.enter{ at = "getppid" }',
    [['hold,in', '3', '3'], ['enter', '0', '0'], ['child', '0', '0'], ['cat,in/file', 'inside', $CAP], ['catat,3,file', 'inside', 'inside'], ['child', '0', '0'], ['cat,in/file', 'inside', $CAP]]);
check('children of nobody', 'capsicum.enter{ at = "getppid" }',
    [['enter', '0', '0'], ['orphan', '0', '0'], ['cat,in/file', 'inside', $CAP]]);
check('other processes are outside', 'capsicum.enter{ at = "mkdir mkdirat" }',
    [['child', '0', '0'], ['cat,in/file', 'inside', 'inside'], ['mkdir,in/m', '0', '0'], ['cat,in/file', 'inside', $CAP]]);
for my $class (64, 32) {
    my $program = program('capable', $class);
    my @acts = ("hold,$program", 'hold,in', 'enter', 'fexec,3', 'cat,in/file', 'catat,4,file');
    fresh();
    my $native = run([$program, @acts], { cwd => $work });
    my $result = nurse(policy('require("nurse.capsicum").enter{ at = "getppid" } default "allow"'), [], [$program, @acts], { cwd => $work });
    is($native->{out}, "hold,$program = 3\nhold,in = 4\nenter = 0\ncat,in/file = inside\ncatat,4,file = inside\n", "what it executes, $class bits, natively");
    is($result->{out}, "hold,$program = 3\nhold,in = 4\nenter = 0\ncat,in/file = $CAP\ncatat,4,file = inside\n", "what it executes, $class bits: exec keeps the mode")
        or diag($result->{err});
}

# --- rights --------------------------------------------------------------------------------------------------------------

my $rdwr = 2;
check('rights by number, from when it is entered', 'capsicum.limit(3, "READ FSTAT") capsicum.enter{ at = "getppid" }',
    [["hold,in/file,$rdwr", '3', '3'], ["hold,out/file,$rdwr", '4', '4'], ['write,3,I', '1', '1'], ['enter', '0', '0'], ['read,3', 'nside', 'nside'], ['fstat,3', '0', '0'],
     ['write,3,x', '1', $NOT], ['seek,3,0', '0', $NOT], ['mmap,3', '0', $NOT], ['mmap,3,old', '0', "$NOT|ENOSYS"], ['ftruncate,3', '0', $NOT], ['fchmod,3', '0', $NOT], ['write,4,O', '1', '1'],
     ['dup,3', '5', '5'], ['write,5,x', '1', $NOT], ['read,5', '0', '0'], ['dupfd,3', '6', '6'], ['write,6,x', '1', $NOT], ['dup2,3,4', '4', '4'], ['write,4,x', '1', $NOT],
     ['child', '0', '0'], ['write,3,x', '1', $NOT], ['write,5,x', '1', $NOT], ['close,3', '0', '0'], ['dup,5', '3', '3'], ['write,3,x', '1', $NOT], ['fstat,3', '0', '0']],
    { look => sub { my ($name, $inside) = @_; is(slurp("$work/in/file"), $inside ? "Inside\n" : 'xxxxxx', "$name: the file"); is(slurp("$work/out/file"), "Outside\n", "$name: the other file") } });
check('what is opened below a limited directory', 'capsicum.limit(3, "LOOKUP READ MMAP") capsicum.enter{ at = "getppid" }',
    [['hold,in', '3', '3'], ["hold,out", '4', '4'], ['enter', '0', '0'], ['catat,3,file', 'inside', 'inside'], ['over,3,file', '0', $NOT], ['make,3,new', '0', $NOT],
     ['statat,3,file', '0', $NOT], ['over,4,file', '0', '0'], ['statat,4,file', '0', '0'], ['holdat,3,sub/deep', '5', '5'], ['read,5', 'deep', 'deep'], ['fstat,5', '0', $NOT],
     ['seek,5,0', '0', $NOT], ['mmap,5', '0', '0'], ['mmap,5,shared', '0', $NOT]]);
check('two numbers of one file', 'capsicum.limit(3, "READ FSTAT") capsicum.enter{ at = "getppid" }',
    [["hold,in/file,$rdwr", '3', '3'], ["hold,in/file,$rdwr", '4', '4'], ['enter', '0', '0'], ['write,4,x', '1', '1'], ['write,3,x', '1', $NOT],
     ['dup,4', '5', '5'], ['write,5,x', '1', $NOT], ['close,4', '0', '0'], ['dup,3', '4', '4'], ['write,4,x', '1', $NOT]]);
check('a limited file under another name', 'capsicum.limit(3, "READ FSTAT") capsicum.enter{ at = "getppid" }',
    [["hold,in/file,$rdwr", '3', '3'], ['hold,.', '4', '4'], ['enter', '0', '0'], ['renameat,4,in/file,4,moved', '0', '0'], ['write,3,x', '1', $NOT], ['dup,3', '5', '5'],
     ['write,5,x', '1', $NOT], ['unlinkat,4,moved', '0', '0'], ['dupfd,5', '6', '6'], ['write,6,x', '1', $NOT], ['read,6', '.*', '.*']]);
check('rights by path', qq{capsicum.limit("$work/in", "LOOKUP READ FSTAT SEEK") capsicum.limit("$work/in/sub", "LOOKUP FSTAT READ WRITE")},
    [['hold,in', '3', '3'], ['hold,.', '4', '4'], ['catat,3,file', 'inside', 'inside'], ['catat,4,in/file', 'inside', 'inside'], ['cat,in/file', 'inside', 'inside'],
     ['over,3,file', '0', $NOT], ['over,4,in/file', '0', $NOT], ['make,3,new', '0', $NOT], ['mkdirat,3,d', '0', $NOT], ['unlinkat,3,file', '0', $NOT], ['make,cwd,out/new', '0', '0'],
     ['hold,in/sub/deep', '5', '5'], ['read,5', 'deep', 'deep'], ['seek,5,0', '0', $NOT], ['over,3,sub/deep', '0', $NOT], ['over,cwd,out/file', '0', '0'],
     ['renameat,3,sub,4,out/sub', '0', $NOT]],
    { look => sub {
        my ($name, $inside) = @_;
        is(join(' ', grep { -e "$work/$_" } qw(in/file in/new in/d out/new)), $inside ? 'in/file out/new' : 'in/new in/d out/new', "$name: what is there");
    } });

# --- mistakes ------------------------------------------------------------------------------------------------------------

for my $mistake (
    ['capsicum.limit(3, "REED")', "no right 'REED'"], ['capsicum.limit("relative", "READ")', 'an absolute path'], ['capsicum.enter{ dirs = { "relative" } }', 'absolute paths'],
    ['capsicum.enter{} capsicum.enter{}', 'called before'], ['capsicum.enter{ at = true }', 'at is'], ['capsicum.enter{ at = "nocall" }', "unknown system call 'nocall'"],
    ['capsicum.enter "start"', 'takes a table'], ['capsicum.limit(3)', 'rights are a string'],
) {
    my ($text, $message) = @$mistake;
    my $file = policy(qq{local capsicum = require "nurse.capsicum"\n$text\n});
    my $result = nurse($file, [], ['/bin/true']);
    is($result->{code}, 125, "$text: status");
    like($result->{err}, qr/^nurse: \Q$file\E:2: .*\Q$message\E/, "$text: message");
}

# --- programs of others ------------------------------------------------------------------------------------------------

fresh();
my $file = policy(qq{require("nurse.capsicum").enter{ dirs = { "$work/in" } } default "allow"});
my $cat = nurse($file, [], ['/bin/cat', "$work/in/file", "$work/out/file"], { cwd => $work, env => { LC_ALL => 'C' } });
is($cat->{out}, "inside\n", 'a program that knows nothing of it, put inside from the start');
like($cat->{err}, qr{^/bin/cat: \Q$work\E/out/file: Operation not permitted$}m, '...and what it is told');
like($cat->{err}, qr/ECAPMODE/, '...and what the user is told');

my $sh = nurse(policy('require("nurse.capsicum").enter{ dirs = { "/usr/bin" } } default "allow"'), [], ['/bin/sh', '-c', '/usr/bin/true && echo yes; cat </etc/passwd; cd /'],
    { env => { LC_ALL => 'C' } });
is($sh->{out}, "yes\n", 'a shell may execute what is below dirs, and no more');

# --- the examples of the manual page -------------------------------------------------------------------------------------

my @examples = slurp(root_dir() . '/doc/man/nurse-capsicum.3') =~ /^\.Bd -literal -offset indent\n(.*?)^\.Ed/msg;
cmp_ok(scalar @examples, '>=', 2, 'the manual page has examples');
for my $example (@examples) {
    my $result = run([$ENV{NURSE} // build_dir() . '/nurse', 'check', policy($example)]);
    is($result->{code}, 0, 'an example of the manual page can be used') or diag($example, $result->{err});
}
my $filter = nurse(policy($examples[1]), [], ['/bin/cat'], { stdin => "through\n" });
is($filter->{out}, "through\n", 'the filter of the manual page filters');
my $other = nurse(policy($examples[1]), [], ['/bin/sh', '-c', 'exec cat'], { stdin => "through\n", env => { LC_ALL => 'C' } });
is($other->{out}, '', '...and executes nothing');

done_testing();
