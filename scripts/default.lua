-- default: the policy of a run without -p: to try a program that you don't know. Start it in a directory of its own.
--
--   reads     the system (/usr, /etc, /opt...), the current directory and /tmp; no homes, no password files
--   writes    the current directory and /tmp
--   network   none, not even to this machine
--   others    no signals to other processes, no debugging, no mounts, no kernel interfaces beyond the usual
--
-- More directories, separated by colons:  -D read=/srv/data:/home/me/pictures  -D write=/var/cache/thing

local function list(text)
  local dirs = {}
  for dir in text:gmatch "[^:]+" do dirs[#dirs + 1] = dir end
  return dirs
end

local writable = list("/tmp:/var/tmp:" .. param("cwd", "") .. ":" .. param("write", ""))
local readable = list("/usr:/bin:/sbin:/lib:/lib32:/lib64:/etc:/opt:/sys:/var/lib:/var/cache:" .. param("read", ""))
local secret = list "/etc/shadow:/etc/shadow-:/etc/gshadow:/etc/gshadow-:/etc/sudoers:/etc/sudoers.d:/etc/ssl/private:/etc/ssh"
local devices = list "/dev/null:/dev/zero:/dev/full:/dev/random:/dev/urandom:/dev/tty:/dev/pts:/dev/ptmx"

local function below(dirs, path)
  for _, dir in ipairs(dirs) do
    if path:under(dir) then return true end
  end
  return false
end

-- /proc/self is resolved to /proc/PID: what the kernel says of the machine and of the process itself, not of others.
local function of_own_proc(call, path)
  return path:under "/proc" and (not path:match "^/proc/%d" or path:under("/proc/" .. call.pid))
end

local function may_write(call, path)
  return below(writable, path) or below(devices, path) or path:under("/proc/" .. call.pid)
end

local function may_read(call, path)
  if below(secret, path) then return false end
  return path == "/" or path == "/dev" or below(readable, path) or of_own_proc(call, path) or may_write(call, path)
end

on("@open", function(call)
  local flags = call.flags
  local reads = flags and flags:has "O_RDONLY" and not flags:has "O_CREAT" and not flags:has "O_TRUNC"
  if (reads and may_read or may_write)(call, call.path) then return call:allow() end
  return call:deny "EACCES"
end)

-- Changing names and attributes, by path or by descriptor. A hard link or a rename needs both ends: a file must not be moved
-- to where it could be read.
allow "umask flock sync syncfs ftruncate ftruncate64 fallocate"
on("@file mkdir mkdirat rmdir", function(call)
  local fd = call.fd or call.dirfd
  local path = call.path or fd and fd.path
  if path and may_write(call, path) and (not call.newpath or may_write(call, call.newpath)) then return call:allow() end
  return call:deny "EACCES"
end)

-- A program may end or interrupt itself.
on("kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo", function(call)
  if call.args[1] == call.pid or call.args[1] == call.tid then return call:allow() end
  return call:deny "EPERM"
end)

-- Sockets that it already has, or pairs of its own, may be used; no others can be made.
allow "socketpair sendto sendmsg recvfrom recvmsg send recv shutdown getsockopt setsockopt getsockname getpeername"
deny("@net", "EACCES")

-- The rest of everyday life, answered by the kernel at native speed. Looking at names (stat) is allowed everywhere, since much
-- software walks up from the current directory. An executed program stays under this policy.
allow "@stdio @stat @dir @memory @self @ids @thread @process @exec @time @signal"

default "deny EPERM"
