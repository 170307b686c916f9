-- net: which addresses sockets may be connected to, bound to and sent to.
--
--   local net = require "nurse.net"
--   net.allow("tcp 10.0.0.0/8:443")                       -- connect, and send to
--   net.bind("tcp 127.0.0.1:8080")                        -- bind, and listen
--   net.redirect("tcp 10.1.2.3:5432", "127.0.0.1:5432")   -- another address instead
--
-- A layer of its own: the rules are tried in the order written, the first that fits decides, and what none fits is denied with
-- EACCES. What has no address (socketpair, accept, read, write...) is left to the other layers. The grammar is in nurse-net(3).

-- --- data: the words of the rules, and the kernel's ------------------------------------------------------------

local AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 0, 1, 2, 10, 16
local SIZE_IN, SIZE_IN6 = 16, 24                -- the shortest that the kernel takes, ip(7) and ipv6(7)

local WORDS = { tcp = { "tcp" }, udp = { "udp" }, unix = { "unix" }, netlink = { "netlink" }, any = { "tcp", "udp", "unix" } }
local WAYS = { connect = "connect", bind = "bind", listen = "bind" }

-- What a socket was made as (descriptor.protocol) -> the word in rules.
local KERNEL = {
  TCP = "tcp", TCPv6 = "tcp", UDP = "udp", UDPv6 = "udp", UNIX = "unix", ["UNIX-STREAM"] = "unix", ["UNIX-DGRAM"] = "unix", NETLINK = "netlink",
}

-- socket(2): family -> type -> protocols.
local INET = { [1] = { [0] = "tcp", [6] = "tcp" }, [2] = { [0] = "udp", [17] = "udp" } }
local UNIX = { [0] = "unix" }
local SOCKETS = { [AF_UNIX] = { UNIX, UNIX, UNIX, nil, UNIX }, [AF_INET] = INET, [AF_INET6] = INET }

local LOCALHOST = { "127.0.0.0/8", "::1" }
local LOOPBACK4 = 0x7f000001

-- --- reading rules ---------------------------------------------------------------------------------------------

local function fail(text, spec)
  error(("net: %s in '%s'"):format(text, spec), 0)
end

-- A mistake in a rule is shown where the policy has it.
local function checked(read, ...)
  local good, message = pcall(read, ...)
  if not good then error(message, 3) end
end

-- "10.1.2.3" -> an integer
local function parse4(text)
  if #text > #"255.255.255.255" then return nil end
  local value = 0
  local parts = { text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$" }
  if #parts == 0 then return nil end
  for _, part in ipairs(parts) do
    if #part > 3 or tonumber(part) > 255 then return nil end
    value = value << 8 | math.tointeger(tonumber(part))
  end
  return value
end

-- "fe80:0:1" -> a list of groups of 16 bits; nil: it is none
local function groups6(text)
  local list = {}
  if text == "" then return list end
  for part in (text .. ":"):gmatch "([^:]*):" do
    local four = parse4(part)
    if four then
      list[#list + 1] = four >> 16
      list[#list + 1] = four & 0xffff
    elseif #part <= 4 and part:find "^%x+$" then
      list[#list + 1] = tonumber(part, 16)
    else
      return nil
    end
  end
  return list
end

-- "fe80::1" -> its upper and lower 64 bits
local function parse6(text)
  local gap = text:find("::", 1, true)
  local head = groups6(gap and text:sub(1, gap - 1) or text)
  local tail = groups6(gap and text:sub(gap + 2) or "")
  if not head or not tail or #head + #tail > 8 or not gap and #head ~= 8 then return nil end
  while #head + #tail < 8 do head[#head + 1] = 0 end
  for _, group in ipairs(tail) do head[#head + 1] = group end
  local words = { 0, 0 }
  for i, group in ipairs(head) do
    local half = i <= 4 and 1 or 2
    words[half] = words[half] << 16 | group
  end
  return words[1], words[2]
end

local function mask(bits, size)
  if bits <= 0 then return 0 end
  if bits >= size then return size == 64 and -1 or (1 << size) - 1 end
  return (((1 << bits) - 1) << (size - bits))
end

-- An address or a network: { v4, mask } or { hi, lo, hi_mask, lo_mask }. Addresses that IPv6 maps from IPv4 are the latter.
local function parse_network(text, spec)
  local ip, bits = text:match "^([^/]*)/?(%d*)$"
  local v4 = ip and parse4(ip)
  local hi, lo
  if ip and not v4 then hi, lo = parse6(ip) end
  if not v4 and not hi then fail(("no address '%s' (names are not looked up)"):format(text), spec) end
  bits = tonumber(bits) or text:find "/" and -1 or v4 and 32 or 128
  if not v4 and hi == 0 and lo >> 32 == 0xffff then
    v4, bits = lo & 0xffffffff, bits - 96
  end
  if bits < 0 or bits > (v4 and 32 or 128) then fail(("no prefix length in '%s'"):format(text), spec) end
  if v4 then return { v4 = v4 & mask(bits, 32), mask = mask(bits, 32) } end
  local hi_mask, lo_mask = mask(bits, 64), mask(bits - 64, 64)
  return { hi = hi & hi_mask, lo = lo & lo_mask, hi_mask = hi_mask, lo_mask = lo_mask }
end

-- "80,8000-8080" -> { {80, 80}, {8000, 8080} }; nil: any
local function parse_ports(text, spec)
  if not text or text == "*" then return nil end
  local list = {}
  for part in (text .. ","):gmatch "([^,]*)," do
    local low, high = part:match "^(%d+)%-?(%d*)$"
    low, high = tonumber(low), part:find "-" and tonumber(high) or tonumber(low)
    if not low or not high or low > high or high > 65535 then fail(("no port '%s'"):format(part), spec) end
    list[#list + 1] = { low, high }
  end
  return list
end

-- "10.0.0.0/8:443", "[fe80::]/10:80", "::1", "*:80", ":80", "localhost:80" -> host, ports
local function split_host(text)
  local inside, rest = text:match "^%[([^%]]*)%](.*)$"
  if inside then
    local bits, ports = rest:match "^(/?%d*):?(.*)$"
    return inside .. bits, rest:find(":", 1, true) and ports or nil
  end
  local _, colons = text:gsub(":", "")
  if colons ~= 1 then return text, nil end
  return text:match "^(.-):(.*)$"
end

local function ip_targets(text, spec)
  local host, ports = split_host(text)
  local list = {}
  ports = parse_ports(ports, spec)
  if host == "" or host == "*" then return { { ports = ports } } end
  for _, network in ipairs(host == "localhost" and LOCALHOST or { host }) do
    local target = parse_network(network, spec)
    target.ports = ports
    list[#list + 1] = target
  end
  return list
end

local function is_path(text)
  return text:find "^[/@]" ~= nil
end

-- The rest of a spec -> for each protocol what it fits: lists of { ... }, an empty table fits everything.
local function targets_of(words, text, spec)
  local targets = {}
  for _, word in ipairs(words) do
    if text == "" or text == "*" then
      targets[word] = { {} }
    elseif word == "netlink" then
      fail("netlink has no addresses", spec)
    elseif word == "unix" and is_path(text) then
      targets[word] = { { glob = text } }
    elseif word == "unix" and #words == 1 then
      fail("a path or @name was expected", spec)
    elseif word ~= "unix" and not is_path(text) then
      targets[word] = ip_targets(text, spec)
    elseif word ~= "unix" and #words == 1 then
      fail("an address was expected", spec)
    end
  end
  return targets
end

-- --- the rules -------------------------------------------------------------------------------------------------

local rules = { connect = { tcp = {}, udp = {}, unix = {}, netlink = {} }, bind = { tcp = {}, udp = {}, unix = {}, netlink = {} } }
local wanted = {}      -- protocols that some rule lets something do
local known, known_count = {}, 0    -- way, protocol and address -> its rule or false: the answer doesn't change while the program runs
local KNOWN_MAX = 1024

-- "tcp 10.0.0.1" -> "tcp", "10.0.0.1"
local function split_word(text)
  local _, last, word = text:find "^%s*(%a*)%s*"
  return word, text:sub(last + 1)
end

local function parse(spec, way)
  if type(spec) ~= "string" then error("net: a rule is a string, such as 'tcp 10.0.0.0/8:443'", 0) end
  local first, rest = split_word(spec:gsub("%s+$", ""))
  if WAYS[first] then
    if way and way ~= WAYS[first] then fail(("'%s' was not expected"):format(first), spec) end
    way = WAYS[first]
    first, rest = split_word(rest)
  end
  local words = WORDS[first]
  if not words then fail("'tcp', 'udp', 'unix', 'netlink' or 'any' was expected", spec) end
  return way or "connect", targets_of(words, rest, spec)
end

local function add(action, spec, way, target)
  local targets
  way, targets = parse(spec, way)
  for word, list in pairs(targets) do
    for _, rule in ipairs(list) do
      rule.action, rule.text, rule.target = action, spec, target
      local all = rules[way][word]
      all[#all + 1] = rule
    end
    if action ~= "deny" then wanted[word] = true end
  end
end

local function fits_port(rule, port)
  if not rule.ports then return true end
  for _, range in ipairs(rule.ports) do
    if port >= range[1] and port <= range[2] then return true end
  end
  return false
end

-- The first rule that fits an IPv4 address (v4) or an IPv6 one (hi, lo).
local function find_ip(list, v4, hi, lo, port)
  for _, rule in ipairs(list) do
    local fits
    if rule.mask then
      fits = v4 and v4 & rule.mask == rule.v4
    elseif rule.hi then
      fits = hi and hi & rule.hi_mask == rule.hi and lo & rule.lo_mask == rule.lo
    else
      fits = true
    end
    if fits and fits_port(rule, port) then return rule end
  end
end

-- A glob ends at a NUL byte, an abstract name doesn't: such a name fits only where all do.
local function find_path(list, path)
  local abstract, odd = path:sub(1, 1) == "@", path:find("\0", 1, true)
  for _, rule in ipairs(list) do
    if not rule.glob or abstract and rule.glob == "@*" or not odd and path:glob(rule.glob) then return rule end
  end
end

-- --- addresses -------------------------------------------------------------------------------------------------

-- To connect to 0.0.0.0 is to connect to 127.0.0.1; to :: to ::1, or to 127.0.0.1 if the socket is bound to a mapped address: both must be allowed.
local function find_any(list, v4, hi, lo, port)
  if v4 == 0 then return find_ip(list, LOOPBACK4, nil, nil, port) end
  if hi ~= 0 or lo ~= 0 then return find_ip(list, v4, hi, lo, port) end
  local six, four = find_ip(list, nil, 0, 1, port), find_ip(list, LOOPBACK4, nil, nil, port)
  if not six or six.action == "deny" then return six end
  if not four or four.action == "deny" then return four end
  return six
end

-- The rule for the bytes of an AF_INET or AF_INET6 address; AF_UNSPEC, where it is one, is an AF_INET to the kernel.
local function find_address(way, word, family, bytes)
  local list, v4, hi, lo = rules[way][word], nil, nil, nil
  local port = string.unpack(">I2", bytes, 3)
  if family == AF_INET6 then
    hi, lo = string.unpack(">i8i8", bytes, 9)
    if hi == 0 and lo >> 32 == 0xffff then v4, hi, lo = lo & 0xffffffff, nil, nil end
  else
    v4 = string.unpack(">I4", bytes, 5)
  end
  if way == "connect" then return find_any(list, v4, hi, lo, port) end
  return find_ip(list, v4, hi, lo, port)
end

local function remember(way, word, family, bytes)
  local key = way .. word .. bytes
  local rule = known[key]
  if rule == nil then
    rule = find_address(way, word, family, bytes) or false
    if known_count >= KNOWN_MAX then known, known_count = {}, 0 end
    known[key], known_count = rule, known_count + 1
  end
  return rule
end

-- --- decisions -------------------------------------------------------------------------------------------------

local function refuse(call, way, word, what, rule)
  local why = rule and ("net: denied by '%s'"):format(rule.text) or ("net: no rule allows '%s %s %s'"):format(way, word, what)
  return call:deny("EACCES", why)
end

local function redirect(call, rule, family)
  if rule.target.six and family ~= AF_INET6 then return call:deny("EAFNOSUPPORT", "net: an IPv4 socket can't be redirected to an IPv6 address") end
  call.addr = rule.target
end

-- What a rule says; nothing: allowed, as far as this layer is concerned.
local function apply(call, way, word, rule, what, family)
  if not rule or rule.action == "deny" then return refuse(call, way, word, what or tostring(call.addr), rule) end
  if rule.action == "redirect" then return redirect(call, rule, family) end
end

-- The word of the call's socket, or a denial.
local function word_of(call)
  local fd = call.fd
  local protocol = fd.protocol
  local word = KERNEL[protocol]
  if word then return word end
  if protocol then return nil, call:deny("EACCES", ("net: no rule can allow %s sockets"):format(protocol)) end
  return nil, call:deny(fd.kind == "none" and "EBADF" or "ENOTSOCK")
end

local function judge_unix(call, way, word, addr)
  if word ~= "unix" then return call:deny "EAFNOSUPPORT" end
  local path = addr.path
  if path == "" then path = "@" end    -- bind: the kernel chooses an abstract name
  return apply(call, way, word, find_path(rules[way].unix, path), path)
end

local function judge_ip(call, way, word, family, bytes)
  if word ~= "tcp" and word ~= "udp" then return call:deny "EAFNOSUPPORT" end
  if #bytes < (family == AF_INET6 and SIZE_IN6 or SIZE_IN) then return call:deny "EINVAL" end
  return apply(call, way, word, remember(way, word, family, bytes), nil, family)
end

local FAMILIES = { [AF_UNSPEC] = judge_ip, [AF_INET] = judge_ip, [AF_INET6] = judge_ip }

local function judge(call, way)
  local addr = call.addr
  if not addr then return call:deny "EFAULT" end
  local word, denial = word_of(call)
  if not word then return denial end
  local bytes = addr.bytes
  if #bytes < 2 then return call:deny "EINVAL" end
  local family = string.unpack("<I2", bytes)
  if family == AF_UNIX then return judge_unix(call, way, word, addr) end
  if FAMILIES[family] then return judge_ip(call, way, word, family, bytes) end
  if family == AF_NETLINK and word == "netlink" then return apply(call, way, word, rules[way].netlink[1], "*") end
  return call:deny("EAFNOSUPPORT", "net: no rule can allow this address family")
end

default "allow"

on("connect", function(call)
  local addr = call.addr
  if addr and addr.family == "AF_UNSPEC" then return nil end    -- it takes an address away
  return judge(call, "connect")
end)

on("sendto", function(call)
  if call.args[5] == 0 then return nil end    -- to where the socket is connected
  return judge(call, "connect")
end)

on("sendmsg sendmmsg", function(call)
  if not call.addr then return nil end
  return judge(call, "connect")
end)

on("socket", function(call)
  local family, kind, protocol = call.args[1] & 0xffffffff, call.args[2] & 0xf, call.args[3] & 0xffffffff
  local word = family == AF_NETLINK and "netlink"
  if not word then
    local kinds = SOCKETS[family]
    word = kinds and kinds[kind] and kinds[kind][family == AF_UNIX and 0 or protocol]
  end
  if not word then return call:deny("EACCES", ("net: no rule can allow %s %s"):format(tostring(call.domain), tostring(call.type))) end
  if not wanted[word] then return call:deny("EACCES", ("net: no rule allows anything to %s"):format(word)) end
end)

-- To listen on a TCP socket that isn't bound binds it to a port of the kernel's choice, on all addresses.
local bound, bound_count = {}, 0    -- "socket:[4711]"
local BOUND_MAX = 4096

on("bind", function(call)
  return judge(call, "bind")
end)

after("bind", function(call, result)
  if result ~= 0 or KERNEL[call.fd.protocol] ~= "tcp" then return end
  if bound_count >= BOUND_MAX then bound, bound_count = {}, 0 end
  local path = call.fd.path
  if path and not bound[path] then bound[path], bound_count = true, bound_count + 1 end
end)

on("listen", function(call)
  local word, denial = word_of(call)
  if not word then return denial end
  if word ~= "tcp" or bound[call.fd.path] then return nil end
  return apply(call, "bind", word, find_ip(rules.bind.tcp, 0, nil, nil, 0), "0.0.0.0:0")
end)

-- --- what policies call ----------------------------------------------------------------------------------------

local M = {}

-- net.allow(rule), net.deny(rule): "[connect|bind] tcp|udp|unix|netlink|any [address]"
function M.allow(spec)
  checked(add, "allow", spec)
end

function M.deny(spec)
  checked(add, "deny", spec)
end

-- net.bind(rule): the same as net.allow("bind ..."); listen is another word for it.
function M.bind(spec)
  checked(add, "allow", spec, "bind")
end
M.listen = M.bind

-- Where a redirection leads: call.addr's table.
local function parse_target(text)
  if type(text) ~= "string" then error("net: redirect needs an address to go to", 0) end
  if is_path(text) then return { path = text } end
  local host, port = split_host(text)
  local ports = parse_ports(port, text)
  if ports and (#ports > 1 or ports[1][1] ~= ports[1][2]) then fail(("one port was expected, not '%s'"):format(port), text) end
  local target = { port = ports and ports[1][1] }
  if host ~= "" and host ~= "*" then
    local network = parse_network(host, text)
    if host:find "/" then fail("one address was expected, not a network", text) end
    target.ip, target.six = host, network.hi ~= nil
  end
  return target
end

local function redirection(spec, address)
  local target = parse_target(address)
  local way, targets = parse(spec)
  for word, list in pairs(targets) do
    if word == "netlink" or (word == "unix") ~= (target.path ~= nil) then fail(("%s can't be redirected to '%s'"):format(word, address), spec) end
    for _, rule in ipairs(list) do
      if target.six and rule.mask then fail("IPv4 can't be redirected to IPv6", spec) end
    end
  end
  add("redirect", spec, way, target)
end

-- net.redirect(rule, address): what fits the rule goes to "10.0.0.1:80", "10.0.0.1" (same port), ":80" (same address) or a unix path instead.
function M.redirect(spec, address)
  checked(redirection, spec, address)
end

return M
