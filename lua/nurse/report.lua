-- nurse.report: what was denied, for policies that act on it: count it, tell somebody, end the run.
--
--   local report = require "nurse.report"
--   report.each(function(denial) ... end)      -- every denied call, when it happens
--   report.at_end(function(kinds) ... end)     -- all kinds, most frequent first, when the first process ends
--   report.count()                             -- how many calls have been denied so far
--
-- A denial is a table: call (its name), text (the line), errno (nil: killed), rule ("policy.lua:3"), why (or nil), pid, tid, comm. A kind is the
-- first denial of its sort, the same call with the same errno by the same rule, with its count. call:deny(errno, false) isn't heard of.

local KINDS_MAX = 1000      -- a program can make as many as it likes

local kinds, list, total = {}, {}, 0

local function note(denial)
  total = total + 1
  local key = denial.call .. " " .. (denial.errno or "") .. " " .. (denial.rule or "")
  local kind = kinds[key]
  if not kind then
    if #list == KINDS_MAX then return end
    kind = { count = 0 }
    for name, value in pairs(denial) do kind[name] = value end
    kinds[key] = kind
    list[#list + 1] = kind
  end
  kind.count = kind.count + 1
end

event("denied", note)

local M = {}

--- Call fn(denial) for every denied call, in the order of these calls. While the policy is loaded.
function M.each(fn)
  event("denied", fn)
end

--- How many calls have been denied so far.
function M.count()
  return total
end

--- Call fn(kinds) when the first process ends, with a list sorted by count. While the policy is loaded.
function M.at_end(fn)
  event("exit", function(process)
    if process.parent then return end
    table.sort(list, function(a, b) return a.count > b.count end)
    fn(list)
  end)
end

return M
