-- chaos: makes a program's life hard, to see whether it can stand it: interrupted calls, full disks, short reads and writes, long sleeps.
--
--   nurse run -p chaos -- ./program
--   nurse run -p chaos -D seed=7 -D enospc=0.05 -D eintr=0 -- make test
--
-- Each number is the probability that one call is hit, 0 to 1. The seed is told, and given again it makes the same choices for the
-- same calls in the same order: for a program with one thread and one process, the same run.

local chance = {
  eintr = param("eintr", 0.05),      -- what waits (pipes, sockets, terminals, poll, wait...) is interrupted by a signal that has no other trace
  short = param("short", 0.1),       -- read and write move less than they were asked to
  enospc = param("enospc", 0.01),    -- no space left: writing, making, renaming
  emfile = param("emfile", 0.0),     -- no descriptor left. Off, as few programs go on after it
  delay = param("delay", 0.1),       -- a sleep takes longer than it should, by up to -D seconds=
}
for name, value in pairs(chance) do
  if value < 0 or value > 1 then error("chaos: -D " .. name .. "= must be between 0 and 1", 0) end
end

local faults = require "nurse.faults"
local seed = param("seed", os.time())
faults.seed(seed)
event("start", function() log("chaos: -D seed=%d", seed) end)

-- Only what the manual page of the call allows. The dynamic linker is spared, for it gives up at once: it reads libraries, which are files, and
-- its calls on files end with EINTR as little as the kernel's do.
local function library(path) return path:find "%.so[%.%d]*$" or path == "/etc/ld.so.cache" end
local function kernel_file(path) return path:under "/proc" or path:under "/sys" or path:under "/dev" end
local function on_disk(call) return call.fd.kind == "file" and not kernel_file(call.fd.path) end
local function waits(call)
  local kind = call.fd.kind
  return kind == "pipe" or kind == "socket" or kind == "tty"
end

faults.fail("read pread64 write pwrite64 readv writev", "EINTR", chance.eintr, waits)
faults.fail([[ connect accept accept4 send sendto sendmsg recv recvfrom recvmsg poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64
  epoll_wait epoll_pwait epoll_pwait2 wait4 waitid waitpid flock semop semtimedop msgsnd msgrcv ]], "EINTR", chance.eintr)

faults.fail("write pwrite64", "ENOSPC", chance.enospc, on_disk)
faults.fail("@open", "ENOSPC", chance.enospc, function(call) return call.flags and call.flags:has "O_CREAT" and not call.exists end)
faults.fail("mkdir mkdirat mknod mknodat symlink symlinkat link linkat rename renameat renameat2 fallocate fsync fdatasync copy_file_range",
  "ENOSPC", chance.enospc)

faults.fail("@open", "EMFILE", chance.emfile, function(call) return call.flags and not library(call.path) end)
faults.fail("socket socketpair pipe pipe2 dup epoll_create epoll_create1 eventfd2", "EMFILE", chance.emfile)

-- A datagram is read whole or in part lost, and written whole: sockets are left alone. So are writes to a pipe that must not be torn (pipe(7)).
faults.short("read pread64 write pwrite64", chance.short, function(call)
  local kind = call.fd.kind
  if kind == "file" then return on_disk(call) and not library(call.fd.path) and 1 or nil end
  if kind == "pipe" and call.name:find "write" then return 4096 end
  return (kind == "pipe" or kind == "tty") and 1 or nil
end)

faults.delay(chance.delay, param("seconds", 0.5))    -- a policy can hold no other call back without holding up the whole sandbox

default "allow"
