-- quota: how much a sandbox may use, all of its processes and threads together.
--
--   local quota = require "nurse.quota"
--   quota{ files = 100, written = "10MB", processes = 20, wall = 30, cpu = 10, on_limit = "deny EDQUOT" }
--
-- A layer of its own, with handlers for the calls of those limits that are given, and for no others. Sums are kept for the whole
-- tree: there is one policy for it. Something that is under way is held against the limit until its result is known.
-- Manual: nurse-quota(3).

local GREATEST = 0x7ffff000    -- bytes that one call moves at most: write(2)
local AT_ONCE = 1 << 20        -- bytes for one call that copies between files: what it holds, others can't have
local SHORTEST = 0.01          -- seconds between two looks at the CPU time
local STOPPED, KILLED = 124, 128 + 9

-- Suffixes as those of dd(1), head(1) and their like.
local sizes = {
  [""] = 1, K = 1 << 10, M = 1 << 20, G = 1 << 30, T = 1 << 40, KIB = 1 << 10, MIB = 1 << 20, GIB = 1 << 30, TIB = 1 << 40,
  KB = 1000, MB = 1000 ^ 2, GB = 1000 ^ 3, TB = 1000 ^ 4,
}
local times = { [""] = 1, S = 1, M = 60, H = 3600, D = 86400 }
local counts = { [""] = 1 }

-- What can be limited: its unit, what happens at the limit if nothing is said, and the words for it.
local kinds = {
  files = { units = counts, action = "deny EMFILE", words = "%d files opened" },
  written = { units = sizes, action = "deny EDQUOT", words = "%d bytes written" },
  processes = { units = counts, action = "deny EAGAIN", words = "%d processes at once" },
  wall = { units = times, action = "stop", words = "%g s" },
  cpu = { units = times, action = "stop", words = "%g s of CPU time" },
}

local limits = {}    -- name -> { limit, action }

-- --- what is used, and what is held for calls under way ---------------------------------------------------------------

local ledgers = {}

local function ledger(name)
  ledgers[name] = { used = 0, held = 0, amount = {}, owner = {} }    -- by thread: a thread makes one call at a time
  return ledgers[name]
end

local function hold(book, call, amount)
  local tid = call.tid
  book.held = book.held - (book.amount[tid] or 0) + amount    -- what it held before was for a call that was not made in the end
  book.amount[tid], book.owner[tid] = amount, call.pid
end

-- True when the thread held something.
local function settle(book, tid, amount)
  local held = book.amount[tid]
  if not held then return false end
  book.held, book.used = book.held - held, book.used + amount
  book.amount[tid], book.owner[tid] = nil, nil
  return true
end

local function left(name)
  local book = ledgers[name]
  return limits[name].limit - book.used - book.held
end

local function drop(pid)
  for _, book in pairs(ledgers) do
    for tid, owner in pairs(book.owner) do
      if owner == pid then settle(book, tid, 0) end
    end
  end
end

-- --- what happens at a limit ---------------------------------------------------------------------------------------------

local function why(name)
  return ("quota: %s: " .. kinds[name].words):format(name, limits[name].limit)
end

-- "deny ERRNO", "kill", "stop" or "allow" as a pair.
local function action(text)
  local kind, argument
  if type(text) == "string" then kind, argument = text:match "^%s*(%a+)%s*(%w*)%s*$" end
  if kind == "deny" then
    local _, problem = pcall(deny, "", argument)    -- it knows the names, and makes no rule of no call
    if argument ~= "" and not problem:find "unknown errno" then return kind, argument end
  elseif (kind == "kill" or kind == "stop" or kind == "allow") and argument == "" then
    return kind
  end
  error(("quota: on_limit is 'deny ERRNO', 'kill', 'stop' or a function, not '%s'"):format(tostring(text)), 0)
end

local function chosen(name, used)
  local limit = limits[name]
  if type(limit.action) ~= "function" then return limit.kind, limit.argument end
  return action(limit.action(name, used, limit.limit) or kinds[name].action)
end

-- The verdict for a call that is beyond a limit; nil where the policy's function lets it pass.
local function refuse(call, name)
  local book = ledgers[name]
  local kind, argument = chosen(name, book.used + book.held)
  if kind == "deny" then return call:deny(argument, why(name)) end
  if kind == "kill" then return call:kill("SIGKILL", why(name)) end
  if kind == "stop" then
    stop(STOPPED, why(name))
    return call:deny("EPERM", why(name))
  end
end

-- Time is over: there is no call to be denied.
local function over(name, used)
  local kind = chosen(name, used)
  if kind ~= "allow" then stop(kind == "kill" and KILLED or STOPPED, why(name)) end
end

-- --- files ---------------------------------------------------------------------------------------------------------------

local function watch_files()
  local book = ledger "files"

  on("@open", function(call)
    if left "files" < 1 then
      local verdict = refuse(call, "files")
      if verdict then return verdict end
    end
    hold(book, call, 1)
  end)
  after("@open", function(call, result)
    settle(book, call.tid, result >= 0 and 1 or 0)
  end)
end

-- --- bytes written -------------------------------------------------------------------------------------------------------

local function is_file(fd)
  return fd.kind == "file"
end

-- How much of so many bytes may be written; nothing, and the verdict instead.
local function grant(call, count)
  local free = left "written"
  if count <= free then return count end
  if free > 0 then return free end
  local verdict = refuse(call, "written")
  if verdict then return nil, verdict end
  return count
end

-- All or nothing.
local function grow(call, count)
  if count <= 0 then return nil end
  if count > left "written" then
    local verdict = refuse(call, "written")
    if verdict then return verdict end
  end
  ledgers.written.used = ledgers.written.used + count
end

-- What is asked for is what is written, as far as regular files go; and the thread itself writes.
local function write(call)
  local count = call.count
  if count <= 0 or not is_file(call.fd) then return nil end
  if count > GREATEST then count = GREATEST end
  local granted, verdict = grant(call, count)
  if verdict then return verdict end
  if granted < count then call.count = granted end
  ledgers.written.used = ledgers.written.used + granted
end

-- How much it is lies in the program's memory, so the data is taken from there once.
local function write_vector(call)
  if not is_file(call.fd) then return nil end
  local bytes = call.buf
  if not bytes then return call:deny "EFAULT" end
  if #bytes == 0 then return nil end
  local granted, verdict = grant(call, #bytes)
  if verdict then return verdict end
  if granted < #bytes then call.buf = bytes:sub(1, granted) end
  ledgers.written.used = ledgers.written.used + granted
end

-- Calls that copy to a file as much as there is: which argument is the source, the target, the count.
local copies = {
  sendfile = { "in_fd", "out_fd", "count" }, sendfile64 = { "in_fd", "out_fd", "count" },
  splice = { "fd_in", "fd_out", "len" }, copy_file_range = { "fd_in", "fd_out", "len" },
}

local function copy(call)
  local names = copies[call.name]
  local count = call[names[3]]
  if count == 0 or not is_file(call[names[2]]) then return nil end
  local from, wanted = call[names[1]], AT_ONCE
  if is_file(from) and from.size > 0 and from.size < wanted then wanted = from.size end
  if count > 0 and count < wanted then wanted = count end
  local granted, verdict = grant(call, wanted)
  if verdict then return verdict end
  hold(ledgers.written, call, granted)
  if granted ~= count then call[names[3]] = granted end
end

-- A 64-bit argument: two words on i386.
local function wide(call, i, i_386)
  if call.arch ~= "i386" then return call.args[i] end
  return call.args[i_386] | call.args[i_386 + 1] << 32
end

local REMOVES, INSERTS = 0x02 | 0x08, 0x20    -- FALLOC_FL_PUNCH_HOLE, COLLAPSE_RANGE; INSERT_RANGE

local function fallocate(call)
  local mode, offset, len = call.args[2], wide(call, 3, 3), wide(call, 4, 5)
  if mode & REMOVES ~= 0 or not is_file(call.fd) then return nil end
  return grow(call, mode & INSERTS ~= 0 and len or offset + len - call.fd.size)
end

local function ftruncate(call)
  if is_file(call.fd) then return grow(call, (call.name == "ftruncate64" and wide(call, 2, 2) or call.length) - call.fd.size) end
end

local function truncate(call)
  return grow(call, call.name == "truncate64" and wide(call, 2, 2) or call.length)
end

local function watch_written()
  ledger "written"
  on("write pwrite64", write)
  on("writev pwritev pwritev2", write_vector)
  on("sendfile sendfile64 splice copy_file_range", copy)
  after("sendfile sendfile64 splice copy_file_range", function(call, result)
    settle(ledgers.written, call.tid, result > 0 and result or 0)
  end)
  on("fallocate", fallocate)
  on("ftruncate ftruncate64", ftruncate)
  on("truncate truncate64", truncate)
end

-- --- processes -----------------------------------------------------------------------------------------------------------

local CLONE_THREAD = 0x10000

local function watch_processes()
  local book = ledger "processes"

  on("fork vfork clone", function(call)
    if call.name == "clone" and call.args[1] & CLONE_THREAD ~= 0 then return nil end
    if left "processes" < 1 then
      local verdict = refuse(call, "processes")
      if verdict then return verdict end
    end
    hold(book, call, 1)
  end)
  event("fork", function(process)
    for tid, owner in pairs(book.owner) do
      if owner == process.parent then
        settle(book, tid, 1)
        return
      end
    end
    book.used = book.used + 1    -- a child of its maker's parent: what its maker held is given back when that makes another
  end)
  event("start", function() book.used = 1 end)
  event("exit", function() book.used = book.used - 1 end)
end

-- --- time ----------------------------------------------------------------------------------------------------------------

local function watch_wall()
  local limit = limits.wall.limit
  timer(limit, function() over("wall", limit) end)
end

-- Looked at when it could be used up at the earliest, and at every end, for of a child that nobody waits for the kernel keeps nothing.
local function watch_cpu()
  local function look()
    local used, cpus = cpu()
    local limit = limits.cpu.limit
    if used >= limit then used = cpu() end    -- once more: a process that was just ending may have been counted twice
    if used >= limit then return over("cpu", used) end
    return math.max(SHORTEST, (limit - used) / cpus)
  end

  cpu()
  timer(0, look)
  on("exit_group", function() cpu() end)
end

-- --- the statement -------------------------------------------------------------------------------------------------------

local watchers = { files = watch_files, written = watch_written, processes = watch_processes, wall = watch_wall, cpu = watch_cpu }

-- A number, or a text like "10MB".
local function amount(name, value)
  local number, unit = value, ""
  if type(value) == "string" then
    number, unit = value:match "^%s*([%d.]+)%s*(%a*)%s*$"
    number = tonumber(number)
  end
  local factor = type(number) == "number" and kinds[name].units[unit:upper()]
  if not factor or not (number >= 0 and number * factor < 2 ^ 53) then error(("quota: %s can't be '%s'"):format(name, tostring(value)), 0) end
  number = number * factor
  return kinds[name].units == times and number or math.floor(number)
end

local function set(name, value, on_limit)
  if limits[name] then error(("quota: %s was limited before"):format(name), 0) end
  if type(value) == "table" then value, on_limit = value[1], value.on_limit or on_limit end
  local limit = { limit = amount(name, value), action = on_limit or kinds[name].action }
  if type(limit.action) ~= "function" then
    limit.kind, limit.argument = action(limit.action)
    if limit.kind == "deny" and kinds[name].action == "stop" then limit.kind = "stop" end    -- no call is to be denied
  end
  limits[name] = limit
  watchers[name]()
end

default "allow"
event("exit", function(process) drop(process.pid) end)

local M = {}

-- How much of something is used: a number, nil if it has no limit. Calls under way are not in it.
function M.used(name)
  if name == "cpu" and limits.cpu then return (cpu()) end
  return ledgers[name] and ledgers[name].used
end

return setmetatable(M, {
  __call = function(_, wanted)
    if type(wanted) ~= "table" then error("quota: a table of limits was expected", 0) end
    for name in pairs(wanted) do
      if name ~= "on_limit" and not kinds[name] then error(("quota: there is no limit '%s'"):format(tostring(name)), 0) end
    end
    for name in pairs(kinds) do
      if wanted[name] then set(name, wanted[name], wanted.on_limit) end
    end
  end,
})
