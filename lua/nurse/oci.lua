-- oci: seccomp profiles of container engines (docker, podman, any OCI runtime) as a policy.
--
--   require "nurse.oci".load "profile.json"
--   require "nurse.oci".load("profile.json", { caps = { "CAP_SYS_ADMIN" } })
--
-- A layer of its own, complete: every call is answered. What the profile decides by the name alone becomes a constant, what it decides by
-- arguments one handler for each call. Rules, their order and their arithmetic are those of runc and libseccomp (seccomp_rule_add(3)).

-- What a rule does to a call that it matches. errno: takes errnoRet; permits: the call may happen.
local actions = {
  SCMP_ACT_ALLOW = { kind = "allow", permits = true },
  SCMP_ACT_LOG = { kind = "log", permits = true },
  SCMP_ACT_TRACE = { kind = "trace", permits = true },
  SCMP_ACT_ERRNO = { kind = "errno" },
  SCMP_ACT_NOTIFY = { kind = "notify" },
  SCMP_ACT_TRAP = { kind = "trap" },
  SCMP_ACT_KILL = { kind = "kill" },
  SCMP_ACT_KILL_THREAD = { kind = "kill" },
  SCMP_ACT_KILL_PROCESS = { kind = "kill" },
}

-- Comparisons are unsigned. rank: of two rules that both match, libseccomp asks the one of the higher rank first.
local operators = {
  SCMP_CMP_EQ = { rank = 3, holds = function(x, value) return x == value end },
  SCMP_CMP_NE = { rank = 3, holds = function(x, value) return x ~= value end },
  SCMP_CMP_MASKED_EQ = { rank = 3, masked = true, holds = function(x, value, mask) return x & mask == value end },
  SCMP_CMP_LT = { rank = 2, smaller_first = true, holds = function(x, value) return math.ult(x, value) end },
  SCMP_CMP_LE = { rank = 2, smaller_first = true, holds = function(x, value) return not math.ult(value, x) end },
  SCMP_CMP_GE = { rank = 1, holds = function(x, value) return not math.ult(x, value) end },
  SCMP_CMP_GT = { rank = 1, holds = function(x, value) return math.ult(value, x) end },
}

-- The architectures that a profile may name. Programs are x86_64 or i386 here; x32 never exists.
local architectures = {
  SCMP_ARCH_NATIVE = "x86_64", SCMP_ARCH_X86_64 = "x86_64", SCMP_ARCH_X86 = "i386",
}
for name in ([[ X32 ARM AARCH64 LOONGARCH64 M68K MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PARISC PARISC64 PPC PPC64 PPC64LE
    RISCV64 S390 S390X SH SHEB ]]):gmatch "%S+" do
  architectures["SCMP_ARCH_" .. name] = "other"
end
local host = "amd64"                                   -- in includes.arches and excludes.arches, and archMap's SCMP_ARCH_X86_64

local word_mask = { x86_64 = -1, i386 = 0xffffffff }   -- of an argument

-- How a filter is loaded, seccomp(2): nothing of it applies here, where no filter of the profile is loaded.
local filter_flags = {
  SECCOMP_FILTER_FLAG_TSYNC = true, SECCOMP_FILTER_FLAG_LOG = true, SECCOMP_FILTER_FLAG_SPEC_ALLOW = true,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = true,
}

local capabilities = {}                                -- capabilities(7)
for name in ([[ CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST
    NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE
    SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND
    AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE ]]):gmatch "%S+" do
  capabilities["CAP_" .. name] = true
end
-- What docker gives a container that asks for nothing.
local usual_caps = "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"

-- i386: calls that stand for others, which are judged in their place.
local multiplexers = {
  socketcall = [[ socket bind connect listen accept accept4 getsockname getpeername socketpair send sendto recv recvfrom shutdown setsockopt
    getsockopt sendmsg recvmsg recvmmsg sendmmsg ]],
  ipc = "semop semget semctl semtimedop msgsnd msgrcv msgget msgctl shmat shmdt shmget shmctl",
}

-- --- reading: each reader takes a value and where it stands, and returns what it means, or raises ---

local file = "profile"                                 -- the profile's path, for messages

local function fail(where, message, ...)
  error(("%s: %s%s%s"):format(file, where, where == "" and "" or ": ", message:format(...)), 0)
end

local function need(value, kind, where)
  if type(value) ~= kind then fail(where, "a %s was expected, not a %s", kind, type(value)) end
  return value
end

local function text(value, where)
  return need(value, "string", where)
end

local function choice(words, what)
  return function(value, where)
    local found = words[text(value, where)]
    if found == nil then fail(where, "unknown %s '%s'", what, value) end
    return found
  end
end

local function integer(least, most)
  return function(value, where)
    if math.type(value) ~= "integer" then fail(where, "an integer was expected, not %s", tostring(value)) end
    if value < least or value > most then fail(where, "%d is not between %d and %d", value, least, most) end
    return value
  end
end

local function word(value, where)                      -- unsigned, 64 bits: json() gives the upper half as negative integers
  if math.type(value) ~= "integer" then fail(where, "an integer from 0 to 2^64-1 was expected, not %s", tostring(value)) end
  return value
end

local function errno_name(value, where)                -- podman's spelling of errnoRet
  local errno = { EPERM = 1, ENOENT = 2, EIO = 5, EAGAIN = 11, ENOMEM = 12, EACCES = 13, EINVAL = 22, ENOSYS = 38, ENOTSUP = 95, EOPNOTSUPP = 95 }
  if not errno[text(value, where)] then fail(where, "unknown errno '%s'; write its number as errnoRet", value) end
  return errno[value]
end

local function version(value, where)
  local major, minor = text(value, where):match "^(%d+)%.(%d+)"
  if not major then fail(where, "'%s' is no version of a kernel, as 4.8 is", value) end
  return { major = tonumber(major), minor = tonumber(minor) }
end

local function list(reader)
  return function(value, where)
    local items, count = {}, 0
    for _ in pairs(need(value, "table", where)) do count = count + 1 end
    for i = 1, count do
      if value[i] == nil then fail(where, "a list without holes was expected") end
      items[i] = reader(value[i], ("%s[%d]"):format(where, i - 1))
    end
    return items
  end
end

local function object(readers, required)
  return function(value, where)
    local result = { where = where }
    local prefix = where == "" and "" or where .. "."
    for key, item in pairs(need(value, "table", where)) do
      local reader = readers[key]
      if type(key) ~= "string" then fail(where, "an object was expected, not a list") end
      if reader then
        result[key] = reader(item, prefix .. key)
      else
        log("%s: %s%s: unknown, ignored", file, prefix, key)
      end
    end
    for key in (required or ""):gmatch "%S+" do
      if result[key] == nil then fail(prefix .. key, "missing") end
    end
    return result
  end
end

-- The format: runtime-spec's config-linux.md, with what docker and podman add to it (name, archMap, includes, excludes, errno).
local action, architecture = choice(actions, "action"), choice(architectures, "architecture")
local errno = integer(0, 65535)
local filter = object { arches = list(text), caps = list(text), minKernel = version }
local read_profile = object({
  defaultAction = action, defaultErrnoRet = errno, defaultErrno = errno_name,
  architectures = list(architecture),
  archMap = list(object({ architecture = architecture, subArchitectures = list(architecture) }, "architecture")),
  flags = list(choice(filter_flags, "flag")),
  listenerPath = text, listenerMetadata = text, comment = text,
  syscalls = list(object({
    names = list(text), name = text, action = action, errnoRet = errno, errno = errno_name, comment = text, includes = filter, excludes = filter,
    args = list(object({ index = integer(0, 5), value = word, valueTwo = word, op = choice(operators, "operator") }, "index op")),
  }, "action")),
}, "defaultAction")

-- --- choosing: which entries count, and for whom ---

local function read_caps(value)
  local set = {}
  if type(value) == "table" then value = table.concat(value, " ") end
  for name in value:upper():gmatch "[^%s,]+" do
    if name:sub(1, 4) ~= "CAP_" then name = "CAP_" .. name end
    if name == "CAP_ALL" then return capabilities end
    if not capabilities[name] then error("oci: unknown capability '" .. name .. "'", 0) end
    set[name] = true
  end
  return set
end

local function any(items, test)
  for _, item in ipairs(items or {}) do
    if test(item) then return true end
  end
  return false
end

-- Whether an entry's includes and excludes let it count. scope: { caps = set, major = , minor = }
local function selected(entry, scope)
  local includes, excludes = entry.includes or {}, entry.excludes or {}
  local function is_host(arch) return arch == host end
  local function held(cap) return scope.caps[cap] end
  local function reached(min) return scope.major > min.major or scope.major == min.major and scope.minor >= min.minor end
  if any(excludes.arches, is_host) or any(excludes.caps, held) or excludes.minKernel and reached(excludes.minKernel) then return false end
  if includes.arches and #includes.arches > 0 and not any(includes.arches, is_host) then return false end
  if any(includes.caps, function(cap) return not held(cap) end) then return false end
  return not includes.minKernel or reached(includes.minKernel)
end

local function names_of(entry)
  local names = entry.names or {}
  if entry.name and entry.name ~= "" then
    if #names > 0 then fail(entry.where, "'name' and 'names' can't both be given") end
    return { entry.name }
  end
  return names
end

-- An action with its errno: { kind, errno, permits, where }
local function outcome(kind, number, where)
  local errnos = { errno = number or 1, trace = 38, notify = 38 }
  return { kind = kind.kind, errno = errnos[kind.kind], permits = kind.permits, where = where }
end

local function same(a, b)
  return a.kind == b.kind and a.errno == b.errno
end

-- name -> rules in the profile's order, without those that do what the default does anyway, as runc has it
local function collect(profile, default, scope)
  local rules = {}
  for _, entry in ipairs(profile.syscalls or {}) do
    if selected(entry, scope) then
      local does = outcome(entry.action, entry.errnoRet or entry.errno, entry.where)
      for _, name in ipairs(names_of(entry)) do
        if name == "" then fail(entry.where, "a system call without a name") end
        rules[name] = rules[name] or {}
        if not same(does, default) then table.insert(rules[name], { does = does, args = entry.args or {} }) end
      end
    end
  end
  return rules
end

-- The architectures of programs that may run: the machine's own always, as libseccomp has it.
local function allowed_architectures(profile)
  local allowed = { x86_64 = true }
  if #(profile.architectures or {}) > 0 and #(profile.archMap or {}) > 0 then
    fail("archMap", "'architectures' and 'archMap' can't both be given")
  end
  for _, arch in ipairs(profile.architectures or {}) do allowed[arch] = true end
  for _, entry in ipairs(profile.archMap or {}) do
    if entry.architecture == "x86_64" then
      for _, arch in ipairs(entry.subArchitectures or {}) do allowed[arch] = true end
      break
    end
  end
  return allowed
end

-- --- compiling: one call on one architecture ---

-- Two conditions of one rule on the same argument are two rules, as runc has it.
local function split(rule)
  local seen, twice = {}, false
  for _, arg in ipairs(rule.args) do
    twice = twice or seen[arg.index]
    seen[arg.index] = true
  end
  if not twice then return { rule } end
  local parts = {}
  for i, arg in ipairs(rule.args) do parts[i] = { does = rule.does, args = { arg } } end
  return parts
end

-- A rule's conditions in the order of the arguments, cut to the size of a word; those that always hold are left out.
local function conditions(rule, mask)
  local found = {}
  for _, arg in ipairs(rule.args) do
    local value, condition_mask = (arg.value or 0) & mask, mask
    if arg.op.masked then value, condition_mask = (arg.valueTwo or 0) & value, value end
    if condition_mask ~= 0 then
      table.insert(found, { i = arg.index + 1, op = arg.op, value = value, mask = condition_mask })
    end
  end
  table.sort(found, function(a, b) return a.i < b.i end)
  return found
end

-- Where libseccomp would put a condition among others: first the higher argument, then the operator's rank, then the greater value.
local function compare(a, b)
  if a.i ~= b.i then return a.i > b.i and -1 or 1 end
  if a.op.rank ~= b.op.rank then return a.op.rank > b.op.rank and -1 or 1 end
  if a.value ~= b.value then return math.ult(a.value, b.value) == (a.op.smaller_first or false) and -1 or 1 end
  return 0
end

local function equal(a, b)
  return a.i == b.i and a.op == b.op and a.value == b.value and a.mask == b.mask
end

local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local order = compare(a[i], b[i])
    if order ~= 0 then return order < 0 end
  end
  if #a ~= #b then return #a < #b end
  return a.order < b.order
end

-- libseccomp refuses rules that say different things of the same values; so do we.
local function check_contradictions(chains, name)
  local function is_prefix(a, b)
    for i = 1, #a do
      if not b[i] or not equal(a[i], b[i]) then return false end
    end
    return true
  end
  for _, a in ipairs(chains) do
    for _, b in ipairs(chains) do
      if a ~= b and is_prefix(a, b) and not same(a.does, b.does) and (#a == #b or b.order < a.order) then
        fail(a.does.where, "contradicts %s about %s", b.does.where, name)
      end
    end
  end
end

-- The first rule without conditions answers always; else those with conditions, in libseccomp's order. Returns an outcome, or nil and chains.
local function compile(rules, name, mask)
  local chains = {}
  for _, rule in ipairs(rules) do
    for _, part in ipairs(split(rule)) do
      local chain = conditions(part, mask)
      if #chain == 0 then return part.does end
      chain.does, chain.order = part.does, #chains
      table.insert(chains, chain)
    end
  end
  check_contradictions(chains, name)
  table.sort(chains, before)
  return nil, chains
end

-- --- speaking: rules of this layer ---

local notify                                           -- the user's function for SCMP_ACT_NOTIFY

-- How each kind of outcome is answered in a handler; why: for the report.
local answers = {
  allow = function() return function(call) return call:allow() end end,
  log = function(does)
    return function(call)
      log("%s: %s: %s", file, does.where, tostring(call))
      return call:allow()
    end
  end,
  errno = function(does, why)
    local number = math.min(does.errno, 4095)          -- the kernel's greatest
    if number == 0 then return function(call) return call:emulate(0) end end
    return function(call) return call:deny(number, why) end
  end,
  kill = function(_, why) return function(call) return call:kill_process("SIGSYS", why) end end,
  notify = function(does, why)
    return notify or function(call) return call:deny(does.errno, why) end
  end,
}
answers.trace, answers.trap = answers.errno, answers.kill

local function answer(does)
  return answers[does.kind](does, file .. ": " .. does.where)
end

local function handler(chains, default, mask)
  local otherwise, count = answer(default), #chains
  for _, chain in ipairs(chains) do chain.answer = answer(chain.does) end
  local function matches(chain, args)
    for i = 1, #chain do
      local condition = chain[i]
      if not condition.op.holds(args[condition.i] & mask, condition.value, condition.mask) then return false end
    end
    return true
  end
  return function(call)
    local args = call.args
    for i = 1, count do
      local chain = chains[i]
      if matches(chain, args) then return chain.answer(call) end
    end
    return otherwise(call)
  end
end

-- Rules for all names of one outcome: a constant where the language has one.
local function state(names, does)
  at(file .. "#" .. does.where)
  if does.kind == "allow" then
    allow(names)
  elseif does.errno and does.errno > 0 and does.kind ~= "notify" then
    deny(names, math.min(does.errno, 4095))
  else
    on(names, answer(does))
  end
end

-- Names by outcome, so that one rule states many.
local function group_add(groups, name, does)
  local key = ("%s %s %s"):format(does.kind, does.errno, does.where)
  if not groups[key] then
    groups[key] = { does = does }
    table.insert(groups, groups[key])
  end
  table.insert(groups[key], name)
end

-- The highest number that the profile names: what is above it is newer than the profile, and gets ENOSYS, as runc has it.
local function newest(rules, known, arch)
  local most = 0
  for name in pairs(rules) do
    most = math.max(most, known[name] and known[name][arch] or 0)
  end
  return most
end

-- A multiplexer must come through when a call behind it has a rule; that rule decides.
local function open_multiplexers(rules)
  for name, members in pairs(multiplexers) do
    local through = false
    for member in members:gmatch "%S+" do through = through or rules[member] ~= nil end
    if through and (not rules[name] or any(rules[name], function(rule) return #rule.args > 0 end)) then
      rules[name] = { { does = outcome(actions.SCMP_ACT_ALLOW, nil, "calls behind " .. name), args = {} } }
    end
  end
end

local function state_architecture(arch, rules, known, default, groups)
  local mask, top = word_mask[arch], newest(rules, known, arch)
  local future = outcome(actions.SCMP_ACT_ERRNO, 38, "newer than the profile")
  if arch == "i386" then open_multiplexers(rules) end
  for _, fact in ipairs(syscalls "@all") do
    local name, does, chains = arch .. ":" .. fact.name, nil, nil
    if rules[fact.name] and fact[arch] then
      does, chains = compile(rules[fact.name], fact.name, mask)
    end
    if chains and #chains > 0 then
      at(file .. "#" .. chains[1].does.where)
      on(name, handler(chains, default, mask))
    elseif does then
      group_add(groups, name, does)
    elseif top > 0 and (fact[arch] or 0) > top and not default.permits then
      group_add(groups, name, future)
    end
  end
end

-- --- telling: what the profile says and nurse doesn't do ---

local function sorted(set)
  local names = {}
  for name in pairs(set) do table.insert(names, name) end
  table.sort(names)
  return names
end

local function tell(format, set)
  local names = sorted(set)
  if #names > 0 then detail("%s: " .. format .. ": %s", file, #names, table.concat(names, " ")) end
end

local function tell_names(rules, known)
  local unknown, refused, asked, threads = {}, {}, {}, {}
  for name, list_of_rules in pairs(rules) do
    local function does(kind) return any(list_of_rules, function(rule) return rule.does.kind == kind end) end
    if not known[name] then
      unknown[name] = true
    elseif known[name].unsafe and any(list_of_rules, function(rule) return rule.does.permits end) then
      refused[name] = true
    end
    if does "notify" then asked[name] = true end
    if does "trap" then threads[name] = true end
  end
  tell("%d names are no system calls here, ignored", unknown)
  tell("%d names are refused by nurse, whatever a profile allows", refused)
  tell("%d names with SCMP_ACT_TRAP: the process is killed with SIGSYS", threads)
  if next(asked) and not notify then
    log("%s: SCMP_ACT_NOTIFY: no agent is asked, ENOSYS: %s", file, table.concat(sorted(asked), " "))
  end
end

local function tell_rest(profile)
  if profile.listenerPath or profile.listenerMetadata then detail("%s: the listener is not used", file) end
  if #(profile.flags or {}) > 0 then detail("%s: flags: no filter of the profile's is loaded, so they mean nothing here", file) end
end

local M = {}
local loaded

-- load(path [, options]): the profile becomes this layer; once for each script. path: as json()'s. options:
--   caps    names, a list or a string, that includes.caps and excludes.caps are asked about ("ALL"); default -D caps=, then docker's usual ones
--   kernel  "6.1": for minKernel; default: the running one
--   notify  function(call): answers calls with SCMP_ACT_NOTIFY, as the profile's agent would; default: ENOSYS
-- Raises "PROFILE: syscalls[1].args[0].op: what is wrong".
function M.load(path, options)
  options = options or {}
  if loaded then error("oci: this script has loaded " .. loaded .. " already; give another profile with -p", 2) end
  local value
  value, file = json(path)
  local profile = read_profile(value, "")
  local scope = { caps = read_caps(options.caps or param("caps", usual_caps)) }
  if options.kernel then
    local wanted = version(options.kernel, "kernel")
    scope.major, scope.minor = wanted.major, wanted.minor
  else
    scope.major, scope.minor = kernel()
  end
  local default = outcome(profile.defaultAction, profile.defaultErrnoRet or profile.defaultErrno, "defaultAction")
  if default.kind == "notify" then fail("defaultAction", "SCMP_ACT_NOTIFY can't be the default") end
  loaded, notify = file, options.notify

  local known, allowed, groups = {}, allowed_architectures(profile), {}
  for _, fact in ipairs(syscalls "@all") do known[fact.name] = fact end
  local rules = collect(profile, default, scope)
  tell_names(rules, known)
  tell_rest(profile)
  for arch in pairs(word_mask) do
    if allowed[arch] then
      state_architecture(arch, rules, known, default, groups)
    else
      state({ arch .. ":@all" }, outcome(actions.SCMP_ACT_KILL, nil, "architectures"))
    end
  end
  for _, group in ipairs(groups) do state(group, group.does) end
  state({ "@all" }, default)
  at()
end

return M
