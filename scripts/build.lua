-- build: a compiler run. Start it in the directory that is built.
--
--   nurse run -p build -- make -j4
--   nurse run -p build -D read=/home/me/.cargo -D exec=/home/me/.cargo/bin -- cargo build --offline
--
-- As `default` (reads the system, writes here and in /tmp, no network, no signals to others), and programs are executed only from
-- the system and from here: what a build drops into /tmp isn't run. -D read=, -D write= and -D exec= add directories.

local places = { "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", param("cwd", "/") }
for dir in param("exec", ""):gmatch "[^:]+" do
  if dir:sub(1, 1) ~= "/" then error("build: '" .. dir .. "' is no absolute path", 0) end
  places[#places + 1] = realpath(dir) or dir
end
for i = #places, 1, -1 do
  if places[i] == "/" then table.remove(places, i) end    -- started in the root directory, that is not "here"
end

on("@exec", function(call)
  for _, dir in ipairs(places) do
    if call.path:under(dir) then return nil end    -- `default` has the last word: it must be readable
  end
  return call:deny "EACCES"
end)

include "default"
