-- Policies see Lua 5.4 without io, os.execute and debug, and the statements of the policy language.
std = "lua54"
max_line_length = 160
local statements = { "default", "allow", "deny", "kill", "on", "after", "event", "log", "param", "include",
    "clock", "timer", "stop", "cpu", "phase", "realpath", "json", "syscalls", "kernel", "detail", "at" }
local supervisor = { globals = { "on" }, read_globals = { "answer", "realpath", "secret" } }
for _, directory in ipairs { "scripts", "lua/nurse", "t/data", "t/bench" } do
    files[directory] = { read_globals = statements }
end
-- Not policies but scripts of the plain supervisor that nurse is compared with.
files["t/bench/supervisor.lua"] = supervisor
files["t/data/flip-supervisor.lua"] = supervisor
files["t/data/attack-paths-supervisor.lua"] = supervisor
-- Tests of policies (nurse test) have words of their own.
files["**/*.test.lua"] = { read_globals = { "policy", "expect", "recorded", "event", "phase" } }
