-- t/54-attack-paths.t: the rule of attack-paths.lua for t/bench/supervisor.c, written with care: links are resolved before it is judged.
local function rule(subject)
  local path = realpath(subject) or subject
  if path:find(secret, 1, true) == 1 then return "errno", 1 end
end

on = {}
for name in ("open openat openat2 creat stat lstat newfstatat statx stat64 lstat64 fstatat64"):gmatch "%S+" do on[name] = rule end
