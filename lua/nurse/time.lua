-- time: clocks of one's own, and chance that comes out the same.
--
--   local time = require "nurse.time"
--   time.freeze(86400)     -- it is always one day after the epoch
--   time.start(86400)      -- it is, when the program starts
--   time.shift(-3600)      -- an hour ago
--   time.scale(2)          -- time goes by at twice the pace, and sleeps are half as long
--   time.seed(42)          -- getrandom(2) gives the same bytes in each run
--
-- A layer of its own: it answers the calls that ask for the time, and has no opinion on others. The VDSO, which would answer them
-- without a call, is hidden from programs (the helper does that wherever such a call has a handler). Manual: nurse-time(3).

local SECOND = 1000000000
local TICK = SECOND // 100           -- of times(2)
local PACES = { 1e-6, 1e6 }          -- slowest, fastest
local RANDOM_AT_ONCE = 4096          -- bytes for one getrandom; more is a short result, as the kernel's may be

-- Clocks that can be set, by their numbers: what they are in the helper, and their family. Others (CPU time, devices) are the kernel's.
local real, mono = { pace = 1 }, { pace = 1 }
local clocks = {
  [0] = { name = "CLOCK_REALTIME", family = real },
  [1] = { name = "CLOCK_MONOTONIC", family = mono },
  [4] = { name = "CLOCK_MONOTONIC_RAW", family = mono },
  [5] = { name = "CLOCK_REALTIME_COARSE", family = real, as = 0 },
  [6] = { name = "CLOCK_MONOTONIC_COARSE", family = mono, as = 1 },
  [7] = { name = "CLOCK_BOOTTIME", family = mono },
  [8] = { name = "CLOCK_REALTIME_ALARM", family = real, as = 0 },
  [9] = { name = "CLOCK_BOOTTIME_ALARM", family = mono, as = 7 },
  [11] = { name = "CLOCK_TAI", family = real, offset = true },    -- whole seconds from CLOCK_REALTIME
}

-- Where calls have their results: the layouts of struct timespec and struct timeval, and how many units a second has.
local layouts = {
  clock_gettime = { x86_64 = "<I8I8", i386 = "<I4I4", unit = 1 },
  clock_gettime64 = { i386 = "<I8I8", unit = 1 },
  gettimeofday = { x86_64 = "<I8I8", i386 = "<I4I4", unit = 1000 },
}
local words = { x86_64 = "<I8", i386 = "<I4" }
local masks = { ["<I8I8"] = -1, ["<I4I4"] = 0xffffffff }

-- --- the clocks ----------------------------------------------------------------------------------------------------------

local running = false

-- What the clocks show at the start; a machine may lack some (those of alarms, without a clock chip): the kernel knows what to answer then.
local function read_clocks()
  for id, c in pairs(clocks) do
    local known, time = pcall(clock, c.name)
    if known then c.from = time else clocks[id] = nil end
  end
end

-- Clocks of one family agree with each other: all count from the same moment. A coarse clock is a little behind, and still shows no time
-- before the start.
local function begin()
  running = true
  read_clocks()
  local behind = real.pace == 0 and 0 or clocks[0].from - clocks[5].from
  for _, c in pairs(clocks) do
    if c.as then c.from = clocks[c.as].from end
    if c.offset then c.from = clocks[0].from + (c.from - clocks[0].from + SECOND // 2) // SECOND * SECOND end
    c.base = (c.family.at and c.family.at + c.from - clocks[0].from + behind or c.from) + (c.family.shift or 0)
  end
end

-- What a clock shows, in nanoseconds.
local function now(c)
  if not running then begin() end
  local passed = clock(c.name) - c.from
  local pace = c.family.pace
  return c.base + (pace == 1 and passed or pace == 0 and 0 or passed * pace // 1 | 0)
end

local function changed(family)
  return family.at or family.shift or family.pace ~= 1
end

-- The clock of a number, if it is one that shows another time than the kernel's.
local function clock_of(number)
  local c = clocks[number & 0xffffffff]
  return c and changed(c.family) and c
end

-- --- results -------------------------------------------------------------------------------------------------------------

-- Two words at an address, or EFAULT.
local function put(call, addr, layout, first, second)
  local mask = masks[layout]
  return call.memory:write(addr, layout:pack(first & mask, second & mask)) == layout:packsize()
end

local function clock_gettime(call)
  local c = clock_of(call.args[1])
  if not c then return nil end
  local time = now(c)
  if put(call, call.args[2], layouts[call.name][call.arch], time // SECOND, time % SECOND) then return call:emulate(0) end
  return call:deny "EFAULT"
end

-- The time zone is a leftover; it is UTC.
local function gettimeofday(call)
  local tv, tz = call.args[1], call.args[2]
  local time = now(clocks[0])
  if tv ~= 0 and not put(call, tv, layouts.gettimeofday[call.arch], time // SECOND, time % SECOND // 1000) then return call:deny "EFAULT" end
  if tz ~= 0 and not put(call, tz, "<I4I4", 0, 0) then return call:deny "EFAULT" end
  return call:emulate(0)
end

local function time(call)
  local tloc, seconds = call.args[1], now(clocks[0]) // SECOND
  local word = words[call.arch]
  if tloc ~= 0 and call.memory:write(tloc, word:pack(seconds & masks[word .. word:sub(2)])) ~= word:packsize() then return call:deny "EFAULT" end
  return call:emulate(seconds)
end

-- Ticks since some moment long ago: those since the start are ours.
local function times(_, result)
  local c = clocks[1]
  if result < 0 then return nil end
  return result + (now(c) - c.base - (clock(c.name) - c.from)) // TICK
end

-- --- sleeping ------------------------------------------------------------------------------------------------------------

local TIMER_ABSTIME = 1

-- When the kernel's clock will show what the program waits for, in seconds.
local function kernels(c, wanted)
  local pace = c.family.pace
  local ahead = wanted - now(c) / SECOND
  return clock(c.name) / SECOND + (pace == 0 and ahead or ahead / pace)
end

local function nanosleep(call)
  local pace = mono.pace
  local wanted = pace ~= 1 and pace ~= 0 and call.req
  if wanted then call.req = wanted / pace end
end

local function clock_nanosleep(call)
  local c = clock_of(call.args[1])
  local wanted = c and call.req
  if not wanted then return nil end
  local pace = c.family.pace
  if call.args[2] & TIMER_ABSTIME ~= 0 then
    call.req = math.max(kernels(c, wanted), 0)
  elseif pace ~= 1 and pace ~= 0 then
    call.req = wanted / pace
  end
end

-- Milliseconds; -1 is for ever.
local function poll(call)
  local timeout = call.timeout
  if timeout > 0 then call.timeout = math.min(math.ceil(timeout / mono.pace), 0x7fffffff) end
end

local function alarm(call)
  local seconds = call.args[1]
  if seconds > 0 then call.args[1] = math.min(math.ceil(seconds / mono.pace), 0x7fffffff) end
end

-- --- chance --------------------------------------------------------------------------------------------------------------

local state

-- splitmix64 (Steele, Lea and Flood, 2014)
local function random()
  state = state + 0x9e3779b97f4a7c15
  local z = state
  z = (z ~ z >> 30) * 0xbf58476d1ce4e5b9
  z = (z ~ z >> 27) * 0x94d049bb133111eb
  return z ~ z >> 31
end

local function random_bytes(count)
  local parts = {}
  for i = 1, (count + 7) // 8 do parts[i] = ("<i8"):pack(random()) end
  return table.concat(parts):sub(1, count)
end

-- A buffer is filled with as much as one call gives.
local function fill(call, addr, count)
  if count == 0 then return call:emulate(0) end
  if count < 0 or count > RANDOM_AT_ONCE then count = RANDOM_AT_ONCE end
  local written = call.memory:write(addr, random_bytes(count))
  return written and written > 0 and call:emulate(written) or call:deny "EFAULT"
end

local GRND_KNOWN, GRND_BOTH = 0x7, 0x6    -- the kernel refuses other flags, and GRND_RANDOM with GRND_INSECURE

local function getrandom(call)
  local flags = call.args[3] & 0xffffffff
  if flags & ~GRND_KNOWN ~= 0 or flags & GRND_BOTH == GRND_BOTH then return nil end
  return fill(call, call.args[1], call.args[2])
end

local devices = { ["/dev/random"] = true, ["/dev/urandom"] = true }

local function read(call)
  local fd = call.fd
  if fd.kind == "chr" and devices[fd.path] then return fill(call, call.args[2], call.args[3]) end
end

-- --- the statements ------------------------------------------------------------------------------------------------------

default "allow"
event("start", begin)

local watched = {}

-- Handlers for what was asked for, each once.
local function watch(what, register)
  if not watched[what] then register() end
  watched[what] = true
end

local function watch_real()
  on("gettimeofday", gettimeofday)
  on("time", time)
end

local function watch_any()
  on("clock_gettime clock_gettime64", clock_gettime)
  on("clock_nanosleep clock_nanosleep_time64", clock_nanosleep)
  deny("settimeofday stime clock_settime clock_settime64 adjtimex clock_adjtime clock_adjtime64", "EPERM")    -- they are the machine's
end

local function watch_pace()
  on("nanosleep", nanosleep)
  on("poll epoll_wait epoll_pwait", poll)
  on("alarm", alarm)
end

local function watch_mono()
  after("times", times)
end

local function number(name, value, least, most)
  if type(value) ~= "number" or not (value >= least and value <= most) then
    error(("time.%s: a number between %g and %g was expected, not '%s'"):format(name, least, most, tostring(value)), 0)
  end
  return value
end

local function nanoseconds(name, seconds)
  return math.floor(number(name, seconds, -9e9, 9e9) * SECOND)    -- 285 years: what 64 bits hold
end

-- The families that a statement is about: "realtime" or "all".
local function families(name, which, usual)
  which = which or usual
  if running then error(("time.%s: clocks are set while the policy is loaded, not while the program runs"):format(name), 0) end
  if which ~= "realtime" and which ~= "all" then error(("time.%s: clocks are 'realtime' or 'all', not '%s'"):format(name, tostring(which)), 0) end
  watch("any", watch_any)
  watch("real", watch_real)
  if which == "realtime" then return { real } end
  watch("mono", watch_mono)
  return { real, mono }
end

local M = {}

-- All clocks stand still; that of the day at so many seconds after the epoch.
function M.freeze(seconds, which)
  real.at = nanoseconds("freeze", seconds)
  for _, family in ipairs(families("freeze", which, "all")) do family.pace = 0 end
end

-- The clock of the day shows so many seconds after the epoch when the program starts, and goes on.
function M.start(seconds)
  families("start", "realtime")
  real.at = nanoseconds("start", seconds)
end

-- The clock of the day is so many seconds ahead, or (negative) behind.
function M.shift(seconds, which)
  local shift = nanoseconds("shift", seconds)
  for _, family in ipairs(families("shift", which, "realtime")) do family.shift = shift end
end

-- Clocks go at so many times their pace, and who sleeps waits accordingly.
function M.scale(factor, which)
  number("scale", factor, PACES[1], PACES[2])
  for _, family in ipairs(families("scale", which, "all")) do family.pace = factor end
  if mono.pace ~= 1 and mono.pace ~= 0 then watch("pace", watch_pace) end
end

-- getrandom(2) gives bytes that depend on the number and on the order of the calls alone; with "devices" read(2) of /dev/random and /dev/urandom too.
function M.seed(value, which)
  if math.type(value) ~= "integer" then error("time.seed: an integer was expected", 0) end
  if which ~= nil and which ~= "devices" then error(("time.seed: 'devices' was expected, not '%s'"):format(tostring(which)), 0) end
  state = value
  watch("getrandom", function() on("getrandom", getrandom) end)
  if which then watch("devices", function() on("read", read) end) end
end

return M
