-- processes: which processes are of the sandbox. nurse-processes(3) is the manual.
--
--   local ours = require "nurse.processes"
--   if not ours[pid] then return call:deny "EPERM" end
--
-- A table: pid -> true. It has no rules, so it is no layer. Tests: t/74-live-modules.t, and all that use it.

local ours = {}

local function begins(process) ours[process.pid] = true end
event("start", begins)
event("fork", begins)
event("exit", function(process) ours[process.pid] = nil end)

return ours
