# Data in pieces and messages with addresses: what a policy sees of writev, sendmsg and sendmmsg is one copy, which it may change and which is what is sent;
# times are numbers of seconds. Looked at and left alone, everything is as native.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my $looking = policy('on("@all", function(call) local addr, buf, control = call.addr, call.buf, call.control end) default "allow"');
my $changing = policy(<<'END');
on("writev pwritev sendmsg sendmmsg", function(call) call.buf = call.buf:upper() .. "!" end)
on("sendmsg sendmmsg", function(call)
  if call.addr.port == 40001 then call.addr = { port = 40002 } end
end)
default "allow"
END
my $refusing = policy('on("sendmsg sendmmsg", function(call) if call.addr.port == 40002 then return call:deny "EACCES" end end) default "allow"');
my $keeping = policy(<<'END');    # struct cmsghdr: its length, its level
on("sendmsg sendmmsg", function(call)
  local control = call.control
  if control and #control > 0 and ("<i4"):unpack(control, call.arch == "i386" and 5 or 9) == 1 then return call:deny("EPERM", false) end
end)
default "allow"
END
my $receiving = policy('after("readv recvmsg", function(call, n) log("%s %s from %s", call.name, call.buf, tostring(call.addr and call.addr.port)) end) default "allow"');
my $timing = policy(<<'END');
on("nanosleep clock_nanosleep clock_nanosleep_time64", function(call)
  log("%s takes %g", tostring(call):gsub("0x%x+", "-"), call.req)
  call.req = 0.01
end)
default "allow"
END

for my $class (64, 32) {
    my $program = program('messages', $class);
    my %changed = (writev => "ABCD! 5\n", pwritev => "ABCD! 5\n", sendmsg => "5\nsocket 0:\nsocket 1: [ABCD!]\n", sendmmsg => "2 of 5 and 2 bytes\nsocket 0:\nsocket 1: [ABCD!] [X!]\n");

    for my $options ([], ['--gate=off']) {
        my $kind = "$class bit @$options";
        for my $act (qw(writev pwritev sendmsg sendmmsg bad)) {
            my $native = run([$program, $act]);
            my $run = nurse($looking, $options, [$program, $act]);
            is("$run->{code} $run->{out}", "$native->{code} $native->{out}", "$act looked at, $kind: as native");
            is(nurse($changing, $options, [$program, $act])->{out}, $changed{$act}, "$act changed, $kind") if $changed{$act};
        }
        my $received = nurse($receiving, $options, [$program, 'receive']);
        is("$received->{out}$received->{err}", "5\n6\nnurse: readv first from nil\nnurse: recvmsg second from 40001\n", "what the kernel has filled, $kind");
        is(nurse($keeping, $options, [$program, 'pass', 5000])->{out}, "- messages\n", "control data that another thread changes: what was judged is sent, $kind");
        is(nurse($looking, $options, [$program, 'pass', 500000])->{out}, "passed messages\n", "... and passed where nobody minds, $kind");
        my $run = nurse($timing, $options, [$program, 'sleep']);
        is($run->{out}, "short\n", "a time that the policy changed, $kind");
        like($run->{err}, qr/nanosleep\w*\(.*\{tv_sec=30, tv_nsec=0\}.* takes 30$/m, "a time in words and as a number, $kind");
        is(nurse($refusing, $options, [$program, 'flip', 3000])->{out} =~ s/refused|-(?=\n)/any/r, "- right any\n", "an address that another thread swaps, $kind: what was judged is used");
    }
    like(run([$program, 'pass', 5000000])->{out}, qr/^passed messages/, "natively descriptors are passed, $class bit");
    like(run([$program, 'flip', 5000000])->{out}, qr/^wrong right/, "natively the swapped address is hit, $class bit");
}

done_testing;
