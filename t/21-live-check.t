#!/usr/bin/perl
# nurse check: the routes, verdicts and rules of a policy, its mistakes with file:line, the groups; it never runs anything.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;
use Cwd qw(abs_path);

my $nurse = abs_path($ENV{NURSE} // 'build/nurse');

sub check { return run([$nurse, 'check', @_], { timeout => 20 }) }

my $policy = policy(<<'END', 'routes.lua');
default "deny EPERM"
on("openat mkdir", function(call) return call:allow() end)
allow "read write getpid mkdir"
deny("socket", "EACCES")
kill "ptrace"
deny "getpid"
on("close", function(call) if call.args[1] == 3 then return false end end)
allow "close"
after("write", function(call, result) return nil end)
END

my $result = check($policy);
is($result->{code}, 1, 'a policy that loads but has a mistake in it: status');
like($result->{out}, qr/^CALL +ON +ROUTE +VERDICT +RULE$/m, 'the head of the table');
my @expected = (
    qr/^read +both +native +allow +\S*routes\.lua:3$/m,
    qr/^getpid +both +native +allow +\S*routes\.lua:3$/m,
    qr/^socket +both +denied +deny EACCES +\S*routes\.lua:4$/m,
    qr/^ptrace +both +notify +kill +\S*routes\.lua:5$/m,
    qr/^listen +both +denied +deny EPERM/m,
    qr/^openat +both +mailbox +Lua, else deny EPERM +\S*routes\.lua:2/m,
    qr/^mkdir +both +mailbox +Lua, else allow +\S*routes\.lua:2 \S*routes\.lua:3$/m,
    qr/^close +both +mailbox +Lua, else allow +\S*routes\.lua:7 \S*routes\.lua:8$/m,
    qr/^write +both +mailbox +allow +\S*routes\.lua:3$/m,
    qr/^arch_prctl +both +denied /m,
    qr/^socketcall +i386 /m,
);
like($result->{out}, $_, "a line like $_") for @expected;
like($result->{err}, qr/\Anurse: \S*routes\.lua:6: no call reaches this rule[^\n]*\n\z/, 'the rule that nothing reaches is named');
is_deeply([@{check('-q', $policy)}{qw(code err)}], [1, ''], 'but not with -q');

# Mistakes in policies that load: each with its place, and status 1 for CI.
my @complaints = (    # text, what is said of it; nothing: it is fine
    [qq{allow "ptrace"\ndefault "deny"\n},                                              qr/:1: ptrace can't be allowed: nurse refuses this call/],
    [qq{default "allow"\non("bpf", function() return true end)\n},                      qr/:2: bpf can't be decided by a function: nurse refuses this call/],
    [qq{deny "ptrace"\nallow "\@admin \@unsafe"\ndefault "deny"\n},                     undef],
    [qq{default "allow"\non("\@open", function(call) if call.path == "/tmp/" then return false end end)\n}, qr/:2: "\/tmp\/" never matches/],
    [qq{default "allow"\non("\@open", function(call) if call.path:glob "etc\/*" then return false end end)\n}, qr/:2: "etc\/\*" never matches/],
    [qq{default "allow"\non("\@open", function(call) if call.path:under "/tmp/" or call.path == "/a" or call.path:glob "/**/x" then return false end end)\n}, undef],
    [qq{default "allow"\non("\@open", function(call) if call.path:under "/usr/../tmp" then return false end end)\n}, qr/:2: "\/usr\/\.\.\/tmp" never matches/],
);
for my $case (@complaints) {
    my ($text, $pattern) = @$case;
    my $said = check(policy($text, 'complaint.lua'));
    (my $name = $text) =~ s/\n/; /g;
    is($said->{code}, $pattern ? 1 : 0, "$name status");
    if ($pattern) { one_nurse_line($said, $pattern, "$name said") } else { is($said->{err}, '', "$name nothing to say") }
}
my $phased = check(policy(qq{default "allow"\nphase("serve", "listen")\ndeny("mkdir", "EROFS")\non("rmdir", function() end)\n}));
like($phased->{out}, qr/^mkdir +both +mailbox +allow; phase serve: deny EROFS/m, 'a phase is shown where it changes something');

# Each row of a call appears once on each architecture.
my %seen;
for my $line (grep { !/^CALL / } split /\n/, $result->{out}) {
    my ($name, $on) = split ' ', $line;
    $seen{"$name $_"}++ for $on eq 'both' ? qw(x86_64 i386) : $on;
}
ok(keys %seen > 500, 'the table is whole') or diag(scalar keys %seen);
is_deeply([grep { $seen{$_} != 1 } keys %seen], [], 'and says everything once');

my @bad = (    # text, what the one line says
    ["default \"deny EPERM\"\nallow(\n",              qr/bad\.lua:\d+: /],
    ["allow \"read\"\nallow \"frobnicate\"\n",        qr/bad\.lua:2: .*frobnicate/],
    ["allow \"\@nogroup\"\n",                         qr/bad\.lua:1: .*nogroup/],
    ["\n\ndeny(\"read\", \"EFROB\")\n",               qr/bad\.lua:3: .*EFROB/],
    ["default \"perhaps\"\n",                         qr/bad\.lua:1: .*perhaps/],
    ["allow \"read\"\nerror \"on purpose\"\n",        qr/bad\.lua:2: .*on purpose/],
    ["while true do end\n",                           qr/bad\.lua:1/],
    ["local t = {} for i = 1, 1e9 do t[i] = 'x' .. i end\n", qr/bad\.lua/],
    ["on(\"read\", 42)\n",                            qr/bad\.lua:1/],
    ["param \"size\"\n",                              qr/bad\.lua:1: .*size/],
);
for my $bad (@bad) {
    my ($text, $pattern) = @$bad;
    my $said = check(policy($text, 'bad.lua'));
    (my $name = $text) =~ s/\n/; /g;
    is($said->{code}, 125, "$name status");
    one_nurse_line($said, $pattern, "$name one line");
    is($said->{out}, '', "$name no table");
    like($said->{err}, qr/, in: \S/, "$name the text of the line") if $said->{err} =~ /:\d+:/ && $said->{err} !~ /<eof>/;
}
is(check('-D', 'size=3', policy("param \"size\"\ndefault \"allow\"\n", 'parameter.lua'))->{code}, 0, 'a parameter that is given');

my $groups = check('--groups')->{out};
like($groups, qr/\@\Q$_\E\b/, "group \@$_")
    for qw(stdio read write open stat file dir exec process thread signal memory time net ipc self ids admin unsafe);
like($groups, qr/\@open\b.*\bopenat2\b/s, 'groups list their members');

is(check('--calls')->{out}, slurp('doc/calls.md'), 'doc/calls.md is what the table says (make docs writes it)');

# The examples of the manual load, without a mistake in them.
my $manual = slurp('doc/policy.md');
my $example = 0;
while ($manual =~ /(<!-- a file for nurse test -->\n)?```lua\n(.*?)```/gs) {
    next if $1;
    my $said = check('-D', 'dir=/x', policy($2, 'example' . ++$example . '.lua'));
    is_deeply([@$said{qw(code err)}], [0, ''], "example $example of doc/policy.md") or diag($2);
}
cmp_ok($example, '>', 9, 'they were found');

# The policies that are shipped load, all rules reachable.
for my $file (glob('scripts/*.lua scripts/examples/*.lua')) {
    my $shipped = check($file);
    is_deeply([@$shipped{qw(code err)}], [0, ''], "$file loads");
}

done_testing();
