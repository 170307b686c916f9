-- default: the policy of a run without -p: to try a program that you don't know. Start it in a directory of its own.
--
--   reads     the system (/usr, /etc, /opt...), the current directory and /tmp; no homes, no passwords and keys
--   writes    the current directory and /tmp. In a home, what begins with a dot stays closed; the root and the system's directories as a whole
--             don't count as one to work in
--   network   none, not even to this machine, by no kind of socket
--   others    no signals to processes outside, no change of their limits or priorities, no other terminals, no key rings, no device nodes
--
-- More directories, absolute, separated by colons:  -D read=/srv/data:/home/me/pictures  -D write=/var/cache/thing

-- What may be done where: "r" read, "w" write too, "-" nothing. The nearest entry above a path counts, a later one replaces an earlier one.
local zone = {}
local function zones(letter, text)
  for dir in text:gmatch "[^:]+" do
    if dir:sub(1, 1) ~= "/" then error("default: '" .. dir .. "' is no absolute path", 0) end
    zone[realpath(dir) or dir] = letter
  end
end
zones("r", "/usr:/bin:/sbin:/lib:/lib32:/lib64:/libx32:/etc:/opt:/sys:/proc:/var/lib/dpkg:/var/cache/fontconfig")
zones("-", "/etc/shadow:/etc/shadow-:/etc/gshadow:/etc/gshadow-:/etc/security/opasswd:/etc/sudoers:/etc/sudoers.d:/etc/ssl/private:/etc/ssh:/etc/krb5.keytab")
zones("-", "/etc/NetworkManager/system-connections:/etc/wpa_supplicant:/proc/kcore:/proc/kmsg:/sys/kernel/debug:/sys/kernel/tracing:/sys/kernel/security")
zones("w", "/tmp:/dev/null:/dev/zero:/dev/full:/dev/random:/dev/urandom:/dev/tty:/dev/ptmx")
local cwd, shared = param("cwd", "/"), { ["/"] = true, ["/root"] = true, ["/home"] = true, ["/var"] = true, ["/run"] = true, ["/dev"] = true, ["/boot"] = true }
local a_home = cwd == param("home", "/") or cwd:glob "/home/*"
if shared[cwd] and not (a_home and cwd == "/root") or zone[cwd] and zone[cwd] ~= "w" then
  event("start", function() log("default: nothing in %s can be opened: start in a directory of its own, or use -D write=%s", cwd, cwd) end)
else
  zones("w", cwd)
end
zones("r", param("read", ""))
zones("w", param("write", ""))

-- The processes of the sandbox: to these alone a process may do something.
local ours = {}
event("start", function(process) ours[process.pid] = true end)
event("fork", function(process) ours[process.pid] = true end)
event("exit", function(process) ours[process.pid] = nil end)

-- The paths are canonical: links and ".." are resolved, and /proc/self is /proc/PID.
local function right(path)
  local process = path:match "^/proc/(%d+)"
  if process then return ours[tonumber(process)] and "w" or "-" end
  while not zone[path] do
    if path == "/" or path == "." then return "-" end
    local above = path:dirname()
    if a_home and above == cwd and path:basename():sub(1, 1) == "." then return "-" end    -- keys, settings, what a shell runs
    path = above
  end
  return zone[path]
end
local function may_write(path) return right(path) == "w" end
local function may_read(path) return right(path) ~= "-" or path == "/" or path == "/dev" or path == cwd end

-- /dev/stdout and the like lead to what the program has open already. Of a file that may mean more rights than it has there.
local function has_open(call)
  local raw, path = call.rawpath, call.path
  if not path:under "/dev/pts" and path:find("pipe:", 1, true) ~= 1 then return false end
  return raw:find "^/dev/std%l+$" or raw:find "^/dev/fd/%d+$" or raw:find "^/proc/self/fd/%d+$"
end

-- Set-user-id programs, for others to run, and device nodes, which root could make and open, are not made.
local function special(mode)
  return mode.number & 0x0c00 ~= 0 or mode:has "S_IFCHR" or mode:has "S_IFBLK"
end

local ENOENT, EBADF, EEXIST = -2, -9, -17    -- emulated: what the kernel would say is no denial to be told

on("@open", function(call)
  local flags = call.flags
  if not flags then return call:deny "EINVAL" end
  if flags:has "O_RDONLY" and not flags:has "O_CREAT" and not flags:has "O_TRUNC" then
    if may_read(call.path) or has_open(call) then return call:allow() end
    if not call.exists then return call:emulate(ENOENT) end    -- stat tells as much
  elseif may_write(call.path) or has_open(call) then
    if (flags:has "O_CREAT" or flags:has "O_TMPFILE") and call.mode and special(call.mode) then return call:deny "EPERM" end
    return call:allow()
  end
  return call:deny "EACCES"
end)
on("@exec readlink readlinkat inotify_add_watch", function(call)
  local link = call.name:find "^readlink" and not call.path:find "^/proc/%d"    -- names may be looked at everywhere, but not what others have open
  if link or may_read(call.path) then return call:allow() end
  return call:deny "EACCES"
end)

on("access faccessat faccessat2", function(call)    -- the truth about these opens, or git would fall over ~/.gitconfig
  local wanted = call.mode.number
  local refused = wanted & 4 ~= 0 and not may_read(call.path) or wanted & 2 ~= 0 and not may_write(call.path)
  if refused and call.exists then return call:deny "EACCES" end
end)

-- Changing names and attributes, by path or by descriptor. A hard link or a rename needs both ends: a file must not be moved
-- to where it could be read. What the zones above name, and what it lies in, stays where it is.
local function holds(path)
  for dir in pairs(zone) do
    if dir:under(path) then return true end
  end
end
local removes = { rename = true, renameat = true, renameat2 = true, rmdir = true, unlink = true, unlinkat = true }
allow "umask flock sync syncfs ftruncate ftruncate64 fallocate inotify_init inotify_init1 inotify_rm_watch"
on("@file mkdir mkdirat rmdir", function(call)
  local fd = call.fd or call.dirfd
  local path, newpath = call.path or fd and fd.path, call.newpath
  if call.name:find "^mkdir" and call.exists then return call:emulate(EEXIST) end
  if not path or path == "" then return call:emulate(EBADF) end
  if not may_write(path) or newpath and not may_write(newpath) then return call:deny "EACCES" end
  if removes[call.name] and (holds(path) or newpath and holds(newpath)) then return call:deny "EACCES" end
  if call.mode and special(call.mode) then return call:deny "EPERM" end
  return call:allow()
end)

-- A descriptor that is open for reading is enough to change a file's flags, or to have others signalled.
on("ioctl", function(call)
  if (call.args[2] & 0xffffffff) >> 8 == 0x54 then return call:allow() end    -- TCGETS, FIONREAD and the like; what types into terminals nurse itself refuses
  local fd = call.fd
  local on_disk = fd.kind == "file" or fd.kind == "dir" or fd.kind == "blk"
  if on_disk and not may_write(fd.path) then return call:deny "ENOTTY" end
end)
on("fcntl fcntl64", function(call)
  if call.args[2] & 0xffffffff == 8 and not ours[call.args[3] & 0xffffffff] and call.args[3] & 0xffffffff ~= 0 then return call:deny "EPERM" end    -- F_SETOWN
end)

-- Which argument of these names a process; it is an int to the kernel.
local target = { setpriority = 2, ioprio_set = 2 }
local function int(value)
  return (value & 0xffffffff ~ 0x80000000) - 0x80000000
end
on("kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open prlimit64 setpriority ioprio_set sched_setaffinity sched_setscheduler " ..
   "sched_setparam sched_setattr get_robust_list migrate_pages move_pages setpgid kcmp", function(call)
  local pid, other = int(call.args[target[call.name] or 1]), int(call.args[2])
  local group = call.name == "kill" and pid < -1 and -pid or call.name == "setpgid" and other ~= 0 and other
  if group and not ours[group] or call.name == "kcmp" and not ours[other] then return call:deny "EPERM" end
  if group or pid == 0 or pid == -1 or ours[pid] or pid == call.tid then return call:allow() end
  return call:deny "EPERM"
end)

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

-- The rest of everyday life, answered by the kernel at native speed. Looking at names (stat) is allowed everywhere, since much
-- software walks up from the current directory. An executed program stays under this policy.
allow "@stdio @stat @dir @memory @self @ids @thread @process @signal @time"

default "deny EPERM"
