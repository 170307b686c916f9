-- decoys: in place of what is worth stealing, files from another directory are served. nurse-decoys(3) is the manual.
--
--   local decoys = require "nurse.decoys"
--   decoys.serve("/srv/decoys", { "/root/**", "/home/*/.ssh/**" })
--   decoys.alert(function(call) log("%s", tostring(call)) end)      -- every touch
--
-- A layer of its own. It rewrites paths, so it is required before modules that judge them (nurse.files): they see the decoy's path, and must
-- let it be read. Paths are canonical, so a link to bait is bait. Tests: t/74-live-modules.t, t/71-live-scripts.t.

local paths = require "nurse.paths"

local where                 -- directory with the decoys; nil: none are served
local bait, spared = {}, {}
local alerted = {}

local function tempting(path)
  for _, dir in ipairs(spared) do
    if path:under(dir) then return false end
  end
  for _, pattern in ipairs(bait) do
    if path:glob(pattern) then return true end
  end
  return false
end

local function alert(call)
  for _, fn in ipairs(alerted) do fn(call) end
end

default "allow"

-- The decoys themselves can be read, for a program that has changed into one's directory; what it writes there would spoil them.
on("@open @file mkdir mkdirat rmdir", function(call)
  if not where or not (call.path and call.path:under(where) or call.newpath and call.newpath:under(where)) then return nil end
  alert(call)
  if call.name:find "^open" and call.flags and paths.reads(call.flags) then return call:allow() end
  return call:deny("ENOSPC", "decoys: nothing is changed there")
end)

on("@open", function(call)
  local path, flags = call.path, call.flags
  if not where or not flags or not tempting(path) then return nil end
  alert(call)
  call.path = where .. path
  if not paths.reads(flags) then
    if not call.exists then return call:deny("ENOSPC", "decoys: nothing is made among them") end    -- a file more, and the disk is full
    call.path = "/dev/null"
    if call.name ~= "creat" then call.flags = flags:without "O_CREAT|O_EXCL|O_TRUNC|O_DIRECTORY" end
  end
  if not (call.path:under(where) or call.path == "/dev/null") then return call:deny("ENOENT", "decoys: a decoy that is a link elsewhere") end
  return call:allow()
end)

local W_OK = 2
on("@stat chdir", function(call)
  local path = call.path
  if not where or not path or call.rawpath == "" or not tempting(path) then return nil end
  call.path = where .. path
  if call.exists then
    alert(call)    -- shells look for programs in many places
    if call.name:find "access" and call.mode.number & W_OK ~= 0 then call.path = "/dev/null" end    -- as an open would say
  end
  return call:allow()
end)

on("@exec @file mkdir mkdirat rmdir", function(call)
  if not where or not (call.path and tempting(call.path) or call.newpath and tempting(call.newpath)) then return nil end
  alert(call)
  return call:deny(call.name:find "^exec" and "ENOENT" or "ENOSPC", "decoys: bait")
end)

local M = {}

-- decoys.serve(dir, patterns): what fits a pattern (of path:glob) is served from dir, which mirrors the machine: dir/etc/shadow stands for
-- /etc/shadow. Bait without a decoy doesn't exist. Returns dir's canonical path, and an errno's name where it isn't there (so there are no decoys).
-- An error: another directory was given before.
function M.serve(dir, patterns)
  local canonical, missing = realpath(dir)
  if where and where ~= canonical then error("decoys: they are in " .. where .. " already", 2) end
  where = canonical
  for _, pattern in ipairs(patterns) do bait[#bait + 1] = pattern end
  return where, missing
end

-- decoys.spare(dir): nothing below this directory is bait.
function M.spare(dir)
  spared[#spared + 1] = paths.list { dir }[1]
end

-- decoys.alert(fn): fn(call) is called for every call that touches bait or a decoy.
function M.alert(fn)
  alerted[#alerted + 1] = fn
end

return M
