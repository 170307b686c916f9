-- faults: trouble on purpose: calls that fail, reads and writes that move less, sleeps that last. nurse-faults(3) is the manual.
--
--   local faults = require "nurse.faults"
--   faults.fail("@open", "EMFILE", 0.05)          -- one of twenty fails so
--   faults.short("read write", 0.1)               -- moves less than it was asked to
--   faults.delay(0.1, 0.5)                        -- a sleep lasts up to half a second longer
--   faults.seed(7)                                -- the same choices in every run
--
-- A layer of its own: its rules are tried in the order in which they are written, and what none hits is left to the other layers.
-- Tests: t/74-live-modules.t, t/73-live-chaos.t.

default "allow"

local M = {}

local function check(chance, level)
  if type(chance) ~= "number" or chance < 0 or chance > 1 then error("faults: a chance is a number between 0 and 1", level + 1) end
  return chance > 0
end

-- faults.seed(number): the choices are those of this seed; the same ones for the same calls in the same order.
function M.seed(number)
  math.randomseed(number)
end

-- faults.fail(names, errno, chance [, when]): these calls fail with errno, without being made, with this probability, 0 to 1; only those for which
-- when(call) is true, if it is given. A chance of 0 makes no rule.
function M.fail(names, errno, chance, when)
  if not check(chance, 2) then return end
  on(names, function(call)
    if (not when or when(call)) and math.random() < chance then return call:deny(errno, "on purpose") end
  end)
end

-- faults.short(names, chance [, least]): of read, write, pread64 and pwrite64: with this probability the count is cut to a random one, at least 1.
-- least(call) says how many bytes must be moved, or nil: this call is spared.
function M.short(names, chance, least)
  if not check(chance, 2) then return end
  on(names, function(call)
    local count, from = call.args[3], 1
    if least then from = least(call) end
    if from and count > from and math.random() < chance then call.args[3] = math.random(from, count - 1) end
  end)
end

-- faults.delay(chance, seconds): sleeps last longer, with this probability, by a random time up to `seconds`. Other calls can't be held back without
-- holding up the whole sandbox.
function M.delay(chance, seconds)
  if not check(chance, 2) then return end
  on("nanosleep clock_nanosleep clock_nanosleep_time64", function(call)
    if call.req and math.random() < chance then call.req = call.req + math.random() * seconds end
  end)
end

return M
