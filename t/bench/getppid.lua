-- `make bench`: one Lua function decides getppid; -D answer=deny, emulate or allow.
default "allow"

local answers = {
  deny = function(call) return call:deny "EPERM" end,
  emulate = function(call) return call:emulate(4242) end,
  allow = function(call) return call:allow() end,
}
on("getppid", answers[param("answer", "deny")])
