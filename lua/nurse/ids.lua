-- ids: users and groups that processes seem to have, and can change, while in truth nothing changes. nurse-ids(3) is the manual.
--
--   require "nurse.ids".seem(0, 0)     -- everybody is root
--
-- A layer of its own: it answers in the kernel's place, by emulation. What the kernel permits is not touched by it. Tests: t/74-live-modules.t,
-- t/72-live-fakeroot.t.

local first             -- { uid = { real, effective, saved }, gid = ... } of a process that has changed nothing; nil: no ids are faked
local ids = {}          -- pid -> its own

local function copy(of)
  return { uid = { table.unpack(of.uid) }, gid = { table.unpack(of.gid) } }
end

event("fork", function(process)
  local of = ids[process.maker or process.parent]
  if of then ids[process.pid] = copy(of) end
end)
event("exit", function(process) ids[process.pid] = nil end)

local function triple(call)
  return (ids[call.pid] or first)[call.name:match "[ug]id"]
end

-- i386 has two of each call; the older one's ids have 16 bits.
local function short(call)
  return call.arch == "i386" and not call.name:find "32$" and call.name ~= "fchownat"
end

local M = {}

-- ids.argument(call, i): the id that argument i gives, nil for -1: no change. Of chown(2) as well as of setuid(2) and its like.
function M.argument(call, i)
  local id, none = call.args[i] & 0xffffffff, 0xffffffff
  if short(call) then id, none = id & 0xffff, 0xffff end
  return id ~= none and id or nil
end

default "allow"

local function rule(names, handler)
  on(names, function(call)
    if first then return handler(call) end
  end)
end

rule("getuid getuid32 getgid getgid32", function(call) return call:emulate(triple(call)[1]) end)
rule("geteuid geteuid32 getegid getegid32", function(call) return call:emulate(triple(call)[2]) end)
rule("getresuid getresuid32 getresgid getresgid32", function(call)
  for i, id in ipairs(triple(call)) do
    if not call.memory:write(call.args[i], string.pack(short(call) and "<I2" or "<I4", id & (short(call) and 0xffff or 0xffffffff))) then
      return call:deny "EFAULT"
    end
  end
  return call:emulate(0)
end)

-- Which of real, effective, saved each argument sets. Every change succeeds; setfsuid(2) returns the old one.
local sets = { setuid = { { 1, 2, 3 } }, setreuid = { { 1 }, { 2, 3 } }, setresuid = { { 1 }, { 2 }, { 3 } }, setfsuid = {} }
rule([[ setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32
  setfsgid setfsgid32 ]], function(call)
  ids[call.pid] = ids[call.pid] or copy(first)
  local now = triple(call)
  for i, which in ipairs(sets[call.name:gsub("gid", "uid"):gsub("32$", "")]) do
    for _, k in ipairs(which) do now[k] = M.argument(call, i) or now[k] end
  end
  return call:emulate(call.name:find "fs" and now[2] or 0)
end)

rule("setgroups setgroups32 capset", function(call) return call:emulate(0) end)
rule("getgroups getgroups32", function(call)
  local group = string.pack(short(call) and "<I2" or "<I4", first.gid[1] & (short(call) and 0xffff or 0xffffffff))
  if call.args[1] ~= 0 and not call.memory:write(call.args[2], group) then return call:deny "EFAULT" end
  return call:emulate(1)
end)

local function is_id(value)
  return math.type(value) == "integer" and value >= 0 and value < 0xffffffff
end

-- ids.seem(uid, gid): every process has these ids, and only this group, until it changes them. While loading, or later for those who haven't changed
-- any. An error: something else than an id, 0 to 4294967294.
function M.seem(uid, gid)
  if not is_id(uid) or not is_id(gid) then error("ids: a uid and a gid are needed, 0 to 4294967294", 2) end
  first = { uid = { uid, uid, uid }, gid = { gid, gid, gid } }
end

return M
