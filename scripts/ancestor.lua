-- ancestor: the policy of the demo. The program may read every file except what lies below /secret, and change none.
--
--   nurse run -p scripts/ancestor.lua -- python3
--   nurse run -p scripts/ancestor.lua -D secret=/home/me/.ssh -- python3

local secret = param("secret", "/secret")

-- These calls name a file. call.path is the file that they would really reach: "..", "." and symbolic links are already
-- resolved, so no spelling gets around this rule. A handler that returns nothing leaves the answer to the rules below it.
on("@open @stat @dir", function(call)
  if call.path and call.path:under(secret) then return call:deny "EPERM" end
end)

-- Opening a file for reading is fine; opening it for anything else isn't.
on("@open", function(call)
  local flags = call.flags
  if flags:has "O_RDONLY" and not flags:has "O_CREAT" and not flags:has "O_TRUNC" then return call:allow() end
  return call:deny "EROFS"
end)

-- What is harmless needs no function: the kernel answers these calls itself, at native speed.
allow "@stdio @memory @self @stat getdents getdents64 chdir fchdir"

default "deny EPERM"
