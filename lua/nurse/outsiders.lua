-- outsiders: processes outside of the sandbox aren't signalled, limited or moved by those in it. nurse-outsiders(3) is the manual.
--
--   require "nurse.outsiders"
--
-- A layer of its own, which restricts: what is done to a process of the sandbox is left to the other layers. The arguments that it reads are
-- numbers of the call itself. Tests: t/74-live-modules.t, t/71-live-scripts.t.

local ours = require "nurse.processes"

-- Which argument names a process, the first if none is said; it is an int to the kernel.
local target = { setpriority = 2, ioprio_set = 2 }
local function int(value)
  return (value & 0xffffffff ~ 0x80000000) - 0x80000000
end

default "allow"

on("kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open prlimit64 setpriority ioprio_set sched_setaffinity sched_setscheduler " ..
   "sched_setparam sched_setattr get_robust_list migrate_pages move_pages setpgid kcmp", function(call)
  local pid, other = int(call.args[target[call.name] or 1]), int(call.args[2])
  local group = call.name == "kill" and pid < -1 and -pid or call.name == "setpgid" and other ~= 0 and other
  if group and not ours[group] or call.name == "kcmp" and not ours[other] then return call:deny("EPERM", "outsiders: not of the sandbox") end
  if group or pid == 0 or pid == -1 or ours[pid] or pid == call.tid then return call:allow() end
  return call:deny("EPERM", "outsiders: not of the sandbox")
end)

-- A descriptor can be told to signal others.
local F_SETOWN = 8
on("fcntl fcntl64", function(call)
  if call.args[2] & 0xffffffff ~= F_SETOWN then return nil end
  local pid = call.args[3] & 0xffffffff
  if pid ~= 0 and not ours[pid] then return call:deny("EPERM", "outsiders: not of the sandbox") end
end)

return ours
