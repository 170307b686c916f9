-- t/50-attack-flip.t: the rules of flip.lua for t/bench/supervisor.c, written with care: symbolic links are resolved.
local O_WRONLY <const> = 1

local function rule(subject, flags)
  local path = realpath(subject) or subject
  if path:find("/evil", 1, true) or flags & O_WRONLY ~= 0 then return "errno", 1 end
end

on = {}
for name in ("open openat openat2 stat lstat newfstatat statx stat64 lstat64 fstatat64 connect sendto socketcall"):gmatch "%S+" do
  on[name] = rule
end
