-- paths: what policies that deal with paths keep asking. nurse-paths(3) is the manual.
--
--   local paths = require "nurse.paths"
--   for _, dir in ipairs(paths.list(param("read", ""), "mine")) do ... end
--   if paths.library(call.path) then return call:allow() end
--   if paths.reads(call.flags) then ... end
--
-- It has no rules, so it is no layer. Tests: t/74-live-modules.t.

local LIBRARIES = { "/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32" }

local M = {}

-- paths.list(text [, who]): the canonical paths of "/a:/b", or of a table of paths, in which a colon is a colon. One that isn't absolute is an
-- error at the policy's line: "who: 'a' is no absolute path".
function M.list(text, who)
  local list = {}
  local function add(path)
    if path:sub(1, 1) ~= "/" then error(("%s: '%s' is no absolute path"):format(who or "paths", path), 0) end
    list[#list + 1] = realpath(path) or path
  end
  if type(text) == "table" then
    for _, path in ipairs(text) do add(path) end
  else
    for path in text:gmatch "[^:]+" do add(path) end
  end
  return list
end

-- paths.reads(flags): an open with these O_* flags only reads, and makes nothing.
function M.reads(flags)
  return flags:has "O_RDONLY" and not flags:has "O_CREAT" and not flags:has "O_TRUNC"
end

-- paths.library(path): a shared library of the system by place and name, or the cache that tells the dynamic linker where they are. ld.so(8).
function M.library(path)
  if path == "/etc/ld.so.cache" then return true end
  local name = path:basename()
  if not name:find "%.so$" and not name:find "%.so%.[%d.]+$" then return false end
  for _, dir in ipairs(LIBRARIES) do
    if path:under(dir) then return true end
  end
  return false
end

return M
