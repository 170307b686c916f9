-- default: the policy of a run without -p: to try a program that you don't know. Start it in a directory of its own.
--
--   reads     the system (/usr, /etc, /opt...), the current directory and /tmp; no homes, no passwords and keys
--   writes    the current directory and /tmp. In a home, what begins with a dot stays closed; the root and the system's directories as a whole
--             don't count as one to work in
--   network   none, not even to this machine, by no kind of socket
--   others    no signals to processes outside, no change of their limits or priorities, no other terminals, no key rings, no device nodes
--
-- More directories, absolute, separated by colons:  -D read=/srv/data:/home/me/pictures  -D write=/var/cache/thing

-- A module has a say of its own: what it refuses, no rule below can allow. Of the entries for files the nearest above a path counts, and what lies
-- below none is closed.
local files = require "nurse.files"
files.read "/usr:/bin:/sbin:/lib:/lib32:/lib64:/libx32:/etc:/opt:/sys:/proc:/var/lib/dpkg:/var/cache/fontconfig"
files.close "/etc/shadow:/etc/shadow-:/etc/gshadow:/etc/gshadow-:/etc/security/opasswd:/etc/sudoers:/etc/sudoers.d:/etc/ssl/private:/etc/ssh:/etc/krb5.keytab"
files.close "/etc/NetworkManager/system-connections:/etc/wpa_supplicant:/proc/kcore:/proc/kmsg:/sys/kernel/debug:/sys/kernel/tracing:/sys/kernel/security"
files.write "/tmp:/dev/null:/dev/zero:/dev/full:/dev/random:/dev/urandom:/dev/tty:/dev/ptmx"
files.list "/:/dev"
local cwd = param("cwd", "/")
if not files.work(cwd) then
  event("start", function() log("default: nothing in %s can be opened: start in a directory of its own, or use -D write=%s", cwd, cwd) end)
end
files.read(param("read", ""), "default")
files.write(param("write", ""), "default")

require "nurse.outsiders"

-- Sockets that it already has, or connected pairs of its own, may be used; no others can be made. A pair of datagram sockets could write to any
-- other unix socket by its address. (socketcall is i386's: what it stands for is judged under its own name.)
on("socketpair", function(call)
  local kind = call.args[2] & 15
  if call.args[1] & 0xffffffff == 1 and (kind == 1 or kind == 5) then return call:allow() end    -- AF_UNIX; SOCK_STREAM, SOCK_SEQPACKET
  return call:deny "EACCES"
end)
allow "socketcall sendto sendmsg recvfrom recvmsg send recv shutdown getsockopt setsockopt getsockname getpeername"
deny("@net", "EACCES")
deny "add_key request_key keyctl"

-- The rest of everyday life; what the modules don't look at is answered by the kernel at native speed. Looking at names (stat) is allowed
-- everywhere, since much software walks up from the current directory. An executed program stays under this policy.
allow "@open @file @exec @stdio @stat @dir @memory @self @ids @thread @process @signal @time"

default "deny EPERM"
