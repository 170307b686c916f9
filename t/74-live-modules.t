#!/usr/bin/perl
# The modules that the shipped policies are made of, by their own interfaces: files, outsiders, processes, paths, decoys, faults, ids, owners. Each denial with
# its errno, what did not happen, and the same act natively; mistakes are one line with the policy's place; the manual pages' examples are policies.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Tries;
use File::Copy qw(copy);
use Test::More;

my ($work, $other, $victim) = (work(), other(), victim());
my $root = $> == 0;

sub check { return run([build_dir() . '/nurse', 'check', @_]) }
sub route { my ($said, $call) = @_; return $said->{out} =~ /^\Q$call\E +\S+ +(\S+)/m ? $1 : 'none' }
# 'RESULT RESULT...' of acts under a policy.
sub under {
    my ($policy, $options, @acts) = @_;
    my $said = nurse($policy, $options, [program('tries'), @acts], { cwd => $work });
    return (join(' ', $said->{out} =~ / = (.*)$/mg), $said->{err});
}
sub is_mistake {
    my ($text, $pattern, $name) = @_;
    my $said = nurse(policy($text), [], ['/bin/echo', 'started']);
    is("$said->{code} $said->{out}", '125 ', "$name: nothing is started");
    one_nurse_line($said, $pattern, "$name: one line says why");
    return;
}

# --- files -------------------------------------------------------------------------------------------------------
my $files = policy(<<"END", 'files.lua');
local files = require "nurse.files"
files.read "/:$other/shown"
files.close "$other:$work/part"
files.write { "$work", "$other/a:b" }
files.write "$work/part"           -- a later entry replaces an earlier one
files.close "$work/part/no"
files.execute("/bin:/usr:/lib:/lib64")
default "allow"
END
sub fill {
    mkdir $_ for "$other/shown", "$other/a:b", "$work/part", "$work/part/no";
    spew("$_/file", "x\n") for "$other/shown", "$other/a:b", "$work/part/no";
    symlink "$other/a:b", "$work/colon";    # acts have a colon between their words
    copy('/bin/true', "$work/true") && chmod 0755, "$work/true";
    return;
}
tries('files', $files, [], [
    ['create:new', 0, 0], ['read:/etc/passwd', 0, 0], ["read:$other/file", 0, 'EACCES'], ["read:$other/none", 'ENOENT', 'ENOENT'], ["write:$other/file", 0, 'EACCES'],
    ["read:$other/shown/file", 0, 0], ["write:$other/shown/file", 0, 'EACCES'], ['write:colon/file', 0, 0], ['create:part/new', 0, 0], ['read:part/no/file', 0, 'EACCES'],
    ["link:$other/file:got", 0, 'EACCES'], ["link:new:$other/made", 0, 'EACCES'], ["access:$other/shown/file:2", 0, 'EACCES'], ["unlink:$other/shown/file", 0, 'EACCES'], ['access:colon/file:6', 0, 0], ["access:$other/file:4", 0, 'EACCES'],
    ["chmod:$other/file:600", 0, 'EACCES'], ['chmod:new:4755', 0, 'EPERM'], ['rename:new:newer', 0, 0], ['exec:/bin/true', 0, 0], ['exec:./true', 0, 'EACCES'],
    ["readlink:/proc/$victim/cwd", '/.*', 'EACCES'], ['read:/proc/self/status', 0, 0], ['rename:part:moved', 0, 'EACCES'], ['fork', 7, 7], ["kill:$victim", 0, 0],
], { setup => \&fill, look => sub {
    my ($name, $inside) = @_;
    is(join(' ', map { -e $_ ? 1 : 0 } "$work/got", "$other/made", "$work/moved/no"), $inside ? '0 0 0' : '1 1 1', "$name: links and renames out of place");
    is(sprintf('%o', (stat "$other/file")[2] & 0777), $inside ? '644' : '600', "$name: the mode");
    is(-e "$other/shown/file" ? 1 : 0, $inside, "$name: the file that may only be read");
} });
{
    fresh();
    fill();
    my $said = nurse($files, [], [program('tries'), "read:$other/file", "write:$other/shown/file", 'exec:./true'], { cwd => $work });
    like($said->{err}, qr/^nurse: denied with EACCES by \Q$files\E:1 \(files\.\Q$_\E would allow it\): /m, "files: a denial says what would allow it: $_")
        for qq{read "$other/file"}, qq{write "$other/shown/file"}, qq{execute "$work/true"};
    my $colon = nurse($files, [], ['cat', "$other/x:y", qq{$other/x" files.write "/y}], { cwd => $work, before => sub { spew("$other/x:y", ''); mkdir qq{$other/x" files.write "}; spew(qq{$other/x" files.write "/y}, '') } })->{err};
    like($colon, qr/\(files\.read \{ "\Q$other\E\/x:y" \} would allow it\)/, 'files: a colon in a path is none in the entry');
    like($colon, qr/\(files: no entry allows it\): openat\([^\n]*x\\" files\.write/, 'files: no path writes entries');
    my ($file) = policy(qq{local files = require "nurse.files"\nfiles.read "/:$other/file"\nfiles.write "$other/shown/file"\nfiles.execute "/:$work/true"\ndefault "allow"\n});
    is((under($file, [], "read:$other/file", "write:$other/shown/file", 'exec:./true'))[0], '0 0 0', 'files: and so it does');
    opendir my $dir, $other or die "$other: $!";
    my $entries = () = readdir $dir;
    my $listed = policy(qq{local files = require "nurse.files"\nfiles.read "/usr:/lib:/lib64:/lib32:/etc"\nfiles.list "$other"\ndefault "allow"\n});
    my $got = answers(nurse($listed, ['-q'], [program('acts'), "count:$other", "cat:$other/file", "count:$work"]));
    is_deeply($got, { "count:$other" => $entries, "cat:$other/file" => 'EACCES', "count:$work" => 'EACCES' }, 'files.list: its names, no more');
    is(answers(run([program('acts'), "cat:$other/file"]))->{"cat:$other/file"}, 'hidden', 'files.list: natively it is read');
}
{
    my $piped = sub { return run(['sh', '-c', '"$@" 2>/dev/null | cat', 'sh', @{ nurse_command($files, ['-q'], ['sh', '-c', "$_[0] && echo written"]) }], { cwd => $work })->{out} };
    is($piped->('echo x > /dev/stdout'), "x\nwritten\n", 'files: /dev/stdout is opened, where it leads to a pipe');
    fresh();
    fill();
    my $again = "exec 3< $other/shown/file && echo changed > /dev/fd/3";
    is($piped->($again) . slurp("$other/shown/file"), "x\n", 'files: a file that is open for reading is not opened for writing so');
    run(['sh', '-c', $again]);
    is(slurp("$other/shown/file"), "changed\n", 'files: natively it is');
}
for my $case (['/', '/', 'false'], [$work, '/', 'true'], ['/home', '/', 'false'], ['/root', '/root', 'true'], ['/root', '/', 'false'], [$other, '/', 'false']) {
    my ($dir, $home, $answer) = @$case;
    my $said = nurse(policy(qq{local files = require "nurse.files"\nfiles.read "/:$other"\nfiles.write "/dev/null"\nlog("%s", tostring(files.work "$dir"))\ndefault "allow"\n}), ['-D', "home=$home"], ['/bin/true']);
    like($said->{err}, qr/^nurse: $answer$/m, "files.work: $dir, the home being $home: $answer");
}
{
    fresh();
    mkdir "$work/.ssh";
    mkdir "$work/.cache";
    spew("$work/.ssh/key", "key\n");
    my $home = policy(qq{local files = require "nurse.files"\nfiles.read "/usr:/lib:/lib64:/lib32:/etc"\nfiles.write "$work/.cache"\nfiles.work "$work"\ndefault "allow"\n});
    my @acts = ('read:.ssh/key', 'create:.profile', 'create:.cache/x', 'create:x', 'read:file');
    is((under($home, ['-q', '-D', "home=$work"], @acts))[0], 'EACCES EACCES 0 0 0', 'files.work: in a home, what begins with a dot is closed, unless it is named');
    ok(!-e "$work/.profile" && -e "$work/x", 'files.work: what it made');
    is((under($home, ['-q', '-D', 'home=/nonexistent'], @acts))[0], '0 0 0 0 0', 'files.work: elsewhere it is open');
}
is_mistake(qq{local files = require "nurse.files"\nfiles.read "/usr:relative"\ndefault "allow"\n}, qr/:2: paths: 'relative' is no absolute path/, 'files: a relative path');
is_mistake(qq{local files = require "nurse.files"\nfiles.write("x", "mine")\ndefault "allow"\n}, qr/:2: mine: 'x' is no absolute path/, "files: a user's list");

# --- outsiders, processes ------------------------------------------------------------------------------------------
my $outsiders = policy(qq{require "nurse.outsiders"\ndefault "allow"\n}, 'outsiders.lua');
tries('outsiders', $outsiders, [], [
    ["kill:$victim", 0, 'EPERM'], ["kill:-$victim", 0, 'EPERM'], ["pidfd:$victim", 0, 'EPERM'], ["setown:$victim", 0, 'EPERM'], ["limit:$victim", 0, 'EPERM'], ["affinity:$victim", 0, 'EPERM'],
    ["nice:$victim", 0, 'EPERM'], ["setpgid:$victim", 0, 'EPERM'], ['child', 15, 15], ['fork', 7, 7], ['thread', 3, 3], ['affinity:0', 0, 0], ['limit:0', 0, 0], ['kill:0', 0, 0], ["read:$other/file", 0, 0],
]);
{
    my $killed = start(['sleep', '60']);
    is(nurse($outsiders, ['-q'], ['sh', '-c', "kill $killed->{pid} || echo refused; sleep 60 & kill \$!; wait \$!; echo \$?"])->{out}, "refused\n143\n", 'outsiders: kill reaches its own child only');
    ok(kill(0, $killed->{pid}), 'outsiders: the other one lives');
    kill 'KILL', $killed->{pid};
    finish($killed);
    my $ours = policy(qq{local ours = require "nurse.processes"\non("kill", function(call) if not ours[call.args[1]] then return call:deny "ESRCH" end end)\ndefault "allow"\n});
    is((under($ours, ['-q'], "kill:$victim", 'child', "kill:$victim"))[0], 'ESRCH 15 ESRCH', 'processes: a child is one of ours, others are not');
    is(route(check($outsiders), 'getpid') . ' ' . route(check(policy(qq{require "nurse.processes"\nrequire "nurse.paths"\ndefault "allow"\n})), 'kill'), 'native notify', 'processes and paths have no rules')
        or diag(route(check(policy(qq{default "allow"\n})), 'kill'));
}

# --- paths ---------------------------------------------------------------------------------------------------------
{
    my $said = check('-q', policy(<<"END"));
local paths = require "nurse.paths"
local function same(what, got, wanted) if got ~= wanted then error(what .. " is " .. tostring(got)) end end
symlink = nil
for path, wanted in pairs { ["/usr/lib/x86_64-linux-gnu/libc.so.6"] = true, ["/lib64/a.so"] = true, ["/etc/ld.so.cache"] = true, ["/usr/lib/a.so.1.2.3"] = true,
  ["/usr/lib/a.so.conf"] = false, ["/usr/libx/a.so"] = false, ["/tmp/a.so"] = false, ["/usr/lib/aso"] = false } do same(path, paths.library(path), wanted) end
same("list", table.concat(paths.list "/etc/../usr:$other/x:/", " "), "/usr $other/x /")
same("empty", #paths.list "", 0)
same("table", table.concat(paths.list { "$other/a:b" }, " "), "$other/a:b")
default "allow"
END
    is("$said->{code} $said->{err}", '0 ', 'paths: lists and libraries');
    my $reads = policy(qq{local paths = require "nurse.paths"\non("\@open", function(call) if not paths.reads(call.flags) then return call:deny "EROFS" end end)\ndefault "allow"\n});
    fresh();
    is((under($reads, ['-q'], 'read:file', 'write:file', 'create:new'))[0] . (-e "$work/new" ? ' made' : ''), '0 EROFS EROFS', 'paths.reads');
    is_mistake(qq{local paths = require "nurse.paths"\n\npaths.list { "x" }\ndefault "allow"\n}, qr/:3: paths: 'x' is no absolute path/, 'paths.list: a relative path');
}

# --- decoys --------------------------------------------------------------------------------------------------------
my $decoys = base() . '/decoys';
sub bait {
    for my $place ($other, "$decoys$other") {
        my $path = '';
        mkdir $path .= "/$_" for grep { length } split m{/}, "$place/.ssh";
        spew("$place/.ssh/key", $place eq $other ? "true\n" : "decoy\n");
    }
    spew("$other/.ssh/second", "true\n");
    spew("$other/.ssh/third", "true\n");
    symlink "$other/file", "$decoys$other/.ssh/third";    # a decoy that leads elsewhere
    symlink "$other/.ssh/key", "$work/way";
    return;
}
my $baited = policy(<<"END", 'decoys.lua');
local decoys = require "nurse.decoys"
decoys.serve("$decoys", { "$other/.ssh/**", "$work/.ssh/**" })
decoys.spare "$work"
decoys.alert(function(call) log("touched: %s", call.name) end)
local files = require "nurse.files"
files.read "/usr:/bin:/lib:/lib64:/lib32:/etc"
files.read { "$decoys" }
files.write { "$work", "/dev/null" }
default "allow"
END
for my $way (['64 bits', 64], ['32 bits', 32]) {
    my ($kind, $class) = @$way;
    fresh();
    bait();
    my @acts = ("cat:$other/.ssh/key", 'cat:way', "cat:$other/.ssh/second", "write:$other/.ssh/key:changed", "write:$other/.ssh/new:x", "unlink:$other/.ssh/key", "rename:$other/.ssh/key:$work/got",
        "cat:$decoys$other/.ssh/key", "write:$decoys$other/.ssh/key:x", "cat:$other/file", "cat:$other/.ssh/third");
    my $got = answers(run([program('acts', $class), @acts[0, 1, 2]], { cwd => $work }));
    is_deeply([@$got{@acts[0, 1, 2]}], ['true', 'true', 'true'], "decoys, $kind: natively it is read");
    my $said = nurse($baited, [], [program('acts', $class), @acts], { cwd => $work });
    $got = answers($said);
    is_deeply([@$got{@acts}], ['decoy', 'decoy', 'ENOENT', 7, 'ENOSPC', 'ENOSPC', 'ENOSPC', 'decoy', 'ENOSPC', 'EACCES', 'ENOENT'], "decoys, $kind: what the program sees") or diag($said->{err});
    is(slurp("$other/.ssh/key") . slurp("$decoys$other/.ssh/key") . (-e "$other/.ssh/new" ? 1 : 0) . (-e "$work/got" ? 1 : 0), "true\ndecoy\n00", "decoys, $kind: nothing has changed");
    cmp_ok(scalar(() = $said->{err} =~ /^nurse: touched: /mg), '>=', 9, "decoys, $kind: each touch is told");
    unlike($said->{err}, qr/; denied$/m, "decoys, $kind: no handler failed");
    is((under($baited, ['-q'], "access:$other/.ssh/key:6", "access:$other/.ssh/second:4", "owner:$other/.ssh/second"))[0], '0 ENOENT ENOENT', "decoys, $kind: looking at them");
    mkdir "$work/.ssh";
    spew("$work/.ssh/mine", "mine\n");
    is(answers(nurse($baited, ['-q'], [program('acts', $class), 'cat:.ssh/mine'], { cwd => $work }))->{'cat:.ssh/mine'}, 'mine', "decoys, $kind: what is spared is no bait");
}
is_mistake(qq{local decoys = require "nurse.decoys"\ndecoys.serve("/usr", {})\ndecoys.serve("/etc", {})\ndefault "allow"\n}, qr/:3: decoys: they are in \/usr already/, 'decoys: two directories');

# --- faults --------------------------------------------------------------------------------------------------------
{
    my $always = policy(qq{local faults = require "nurse.faults"\nfaults.fail("mkdir", "ENOSPC", 1, function(call) return call.path:basename() == "hit" end)\nfaults.fail("rename renameat renameat2", "EIO", 0)\ndefault "allow"\n});
    tries('faults', $always, [], [['mkdir:hit', 0, 'ENOSPC'], ['mkdir:missed', 0, 0], ['rename:file:moved', 0, 0]],
        { look => sub { is(join(' ', map { s{.*/}{}r } glob "$work/*"), $_[1] ? 'missed moved' : 'hit missed moved', "$_[0]: the directory") } });
    my $said = check($always);
    is(route($said, 'mkdir') . ' ' . route($said, 'read') . ' ' . route($said, 'rename'), 'mailbox native ' . route(check(policy(qq{default "allow"\n})), 'rename'), 'faults: a chance of 0 is no rule');
    my $half = policy(qq{local faults = require "nurse.faults"\nfaults.seed(param("seed", 1))\nfaults.fail("mkdir", "ENOSPC", 0.5)\ndefault "allow"\n});
    my @runs = map { fresh(); (under($half, ['-q', '-D', "seed=$_"], map { "mkdir:$_" } 1 .. 24))[0] } 3, 3, 4;
    is($runs[1], $runs[0], 'faults: a seed makes the same run');
    isnt($runs[2], $runs[0], 'faults: another seed another one');
    like($runs[0], qr/(?=.*\b0\b)(?=.*ENOSPC)/, 'faults: some are hit, some not');
    my $short = policy(qq{local faults = require "nurse.faults"\nfaults.short("write", 1, function(call) return call.fd.path:find "made" and 4 or nil end)\ndefault "allow"\n});
    fresh();
    my $count = answers(nurse($short, ['-q'], [program('acts'), 'write:made:0123456789', 'say:whole'], { cwd => $work }))->{'write:made:0123456789'};
    like($count, qr/^[4-9]$/, 'faults.short: a part, but not less than is allowed');
    is(slurp("$work/made"), substr('0123456789', 0, $count), 'faults.short: and these bytes are there');
    is_mistake(qq{local faults = require "nurse.faults"\nfaults.fail("read", "EIO", 2)\n}, qr/:2: faults: a chance is a number between 0 and 1/, 'faults: a chance of 2');
}

# --- ids, owners ---------------------------------------------------------------------------------------------------
tries('ids', policy(qq{require "nurse.ids".seem(70, 80)\ndefault "allow"\n}), [], [
    ['ids', undef, '70 70 70 80 80 80 70 70 80 80'], ['seteuid:71', undef, 0], ['ids', undef, '70 71 70 80 80 80 70 71 80 80'], ['setuid:0', undef, 0], ['ids', undef, '0 0 0 80 80 80 0 0 80 80'],
    ['setgroups', undef, 0], ['fork', 7, 7], ['owner:file', "$>:.*", "$>:.*"],
]);
tries('ids: another layer', policy(qq{local ids = require "nurse.ids"\nids.seem(70, 80)\non("setuid setuid32", function(call) if ids.argument(call, 1) == 0 then return call:deny "EPERM" end end)\ndefault "allow"\n}), [],
    [['setuid:0', undef, 'EPERM'], ['setuid:71', undef, 0], ['ids', undef, '71 71 71 80 80 80 71 71 80 80']]);
is(nurse(policy(qq{require "nurse.ids".seem(70, 80)\ndefault "allow"\n}), [], ['perl', '-MPOSIX', '-e', 'system "id -u"; POSIX::setuid(71); system "id -u; id -G"'])->{out}, "70\n71\n80\n", 'ids: a child has those of its parent');
is_mistake(qq{require "nurse.ids".seem(-1, 0)\ndefault "allow"\n}, qr/:1: ids: a uid and a gid are needed/, 'ids: no id');
is_mistake(qq{require "nurse.ids".seem(0)\ndefault "allow"\n}, qr/:1: ids: a uid and a gid are needed/, 'ids: no group');

my $noted = policy(qq{local owners = require "nurse.owners"\nowners.of("$work/file").uid = 33\nlocal d = owners.of("$work/dev") d.type, d.rdev = 0x2000, 0x103\ndefault "allow"\n});
my $mine = join ':', $>, (stat $work)[5];
tries('owners', $noted, [], [
    ['owner:file', "$mine 100644 0:0", "33:\\d+ 100644 0:0"], ['statx:file', "$mine 100644 0:0", "33:\\d+ 100644 0:0"], ['fstat:file', "$mine 100644", '33:\d+ 100644'], ['create:new', 0, 0],
    ['owner:new', "$mine 100644 0:0", "$mine 100644 0:0"], ['rename:new:dev', 0, 0], ['owner:dev', "$mine 100644 0:0", "$mine 100644 0:0"], ['rename:file:moved', 0, 0], ['owner:moved', "$mine 100644 0:0", "33:\\d+ 100644 0:0"], ['unlink:moved', 0, 0],
    ['create:moved', 0, 0], ['owner:moved', "$mine 100644 0:0", "$mine 100644 0:0"],
], { look => sub { is((stat "$work/moved")[4], $>, "$_[0]: the true owner") } });
tries('owners.all', policy(qq{local owners = require "nurse.owners"\nowners.all(nil, 44)\nlocal d = owners.of("$work/file") d.type, d.rdev, d.uid = 0x2000, 0x103, 7\ndefault "allow"\n}), [],
    [['owner:file', "$mine 100644 0:0", '7:44 20644 1:3'], ['statx:file', "$mine 100644 0:0", '7:44 20644 1:3'], ['owner:.', "$mine 40755 0:0", "$>:44 40755 0:0"]]);

# --- the manual pages' examples --------------------------------------------------------------------------------------
for my $module (qw(files outsiders processes paths decoys faults ids owners)) {
    my $page = slurp(root_dir() . "/doc/man/nurse-$module.3");
    my @examples = $page =~ /^\.Bd -literal -offset indent\n(.*?)^\.Ed\n/msg;
    cmp_ok(scalar @examples, '>=', 1, "nurse-$module(3) has an example");
    for my $text (@examples) {
        my $said = check(policy($text));
        is("$said->{code} $said->{err}", '0 ', "nurse-$module(3): it is a policy");
        next if $module eq 'faults' || $module eq 'decoys';
        is(nurse(policy($text), ['-q'], ['/bin/sh', '-c', 'echo good'], { cwd => $work })->{out}, "good\n", "nurse-$module(3): a program runs under it");
    }
}
done_testing();
