-- The policy of t/bench/supervisor.c for `make bench`: the same rules as getppid.lua and paths.lua give to nurse.
-- The global `answer` (-D answer=...) is what getppid gets: deny, emulate or allow; without it getppid is not trapped.

local SECRET <const> = "/secret"

local function path_rule(path)
  if path == SECRET or path:sub(1, #SECRET + 1) == SECRET .. "/" then return "errno", 1 end
end

on = {}
if not answer or answer == "paths" then
  for name in ("open openat openat2 creat stat lstat newfstatat statx stat64 lstat64 fstatat64 "
    .. "access faccessat faccessat2 connect"):gmatch "%S+" do
    on[name] = path_rule
  end
elseif answer == "deny" then
  on.getppid = function() return "errno", 1 end
elseif answer == "emulate" then
  on.getppid = function() return "value", 4242 end
else
  on.getppid = function() return end
end
