-- build: a compiler run. Start it in the directory that is built.
--
--   nurse run -p build -- make -j4
--   nurse run -p build -D read=/home/me/.cargo -D exec=/home/me/.cargo/bin -- cargo build --offline
--
-- As `default` (reads the system, writes here and in /tmp, no network, no signals to others), and programs are executed only from
-- the system and from here: what a build drops into /tmp isn't run. -D read=, -D write= and -D exec= add directories.

include "default"

local files = require "nurse.files"    -- the same one that `default` has
files.execute "/usr:/bin:/sbin:/lib:/lib32:/lib64"
files.execute(param("exec", ""), "build")

local cwd = param("cwd", "/")
if cwd ~= "/" then files.execute { cwd } end    -- the root directory is not "here"
