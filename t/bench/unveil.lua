-- unveil with 100 entries; the file that is opened lies below the deepest of them.
local unveil = require "nurse.unveil"
local dir = param("dir", "/tmp")

for _, entry in ipairs { "/usr", "/lib", "/lib64", "/etc", "/dev", "/proc", param("build", "/nonexistent") } do unveil(entry, "rwxc") end
for i = 1, 87 do unveil(("/srv/somewhere/else/%d"):format(i), "r") end
for i = 0, 5 do
  unveil(dir, i == 5 and "r" or "")
  dir = dir .. "/deep"
end
unveil.lock()
default "allow"
