-- grid: somebody else's computation on this machine, as the ancestor's was meant for: it computes on what it is given on its standard input.
--
--   nurse run -p grid -- ./simulate < parameters > result
--   nurse run -p grid -D threads=yes -- ./simulate            threads, but no processes
--   nurse run -p grid -D read=/usr/lib/python3 -- python3 -c 'print(2**1000)'
--
-- It may use the descriptors that it is started with, memory and the clock, and end. There are no files but the libraries that its dynamic
-- linker asks for, no names to look at, no processes, no signals but to itself, no network. See also `ancestor`, which may read files.

local paths = require "nurse.paths"
local read = paths.list(param("read", ""), "grid")

-- The libraries of the system are what lies in its places for them and is called so.
local function readable(path)
  for _, dir in ipairs(read) do
    if path:under(dir) then return true end
  end
  return paths.library(path)
end

on("@open", function(call)
  if not call.flags or not paths.reads(call.flags) then return call:deny "EACCES" end
  if readable(call.path) then return call:allow() end
  return call:deny "ENOENT"
end)
on("stat lstat stat64 lstat64 newfstatat fstatat64 statx access faccessat faccessat2 readlink readlinkat", function(call)
  if call.rawpath == "" or readable(call.path) then return call:allow() end    -- "": of a descriptor that it has
  return call:deny "ENOENT"
end)

-- The flags of clone tell a thread from a process. Where threads may be started, they may be told apart, placed and waited for.
if param("threads", false) then
  on("clone", function(call)
    if call.flags:has "CLONE_THREAD" then return call:allow() end
    return call:deny "EAGAIN"
  end)
  deny("clone3", "ENOSYS", false)    -- libc then uses clone
  allow "sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min futex_waitv"
end

require "nurse.outsiders"    -- signals and limits: for itself, as abort() and assert() need it
allow "kill tkill tgkill"
on("fcntl fcntl64", function(call)    -- not: F_SETOWN, F_SETLK..., F_NOTIFY
  local cmd = call.args[2] & 0xffffffff
  if cmd > 4 and cmd ~= 1030 then return call:deny "EPERM" end    -- F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_DUPFD_CLOEXEC
end)
on("ioctl", function(call)    -- TCGETS TIOCGWINSZ FIONREAD: is it a terminal, how wide, what waits there
  local request = call.args[2] & 0xffffffff
  if request == 0x5401 or request == 0x5413 or request == 0x541b then return call:allow() end
  return call:deny "ENOTTY"
end)

deny "memfd_create memfd_secret migrate_pages move_pages"
allow "@read @write @memory @self @time lseek _llseek fstat fstat64 close dup dup2 dup3 fcntl fcntl64"
allow "poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 fadvise64 getcwd getdents getdents64"

default "deny EPERM"
