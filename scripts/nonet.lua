-- nonet: everything but the network.
--
--   nurse run -p nonet -- make test
--   nurse run -p nonet -D unix=yes -- xterm       sockets of this machine's services are allowed: X, D-Bus, syslog...
--
-- Without unix=yes the services of this machine count as network, for one of them may fetch what it is asked for (docker, a proxy, ssh-agent):
-- only connected pairs that the program makes for itself are left. Sockets that it was started with may be used either way.

local AF_UNIX, SOCK_STREAM, SOCK_SEQPACKET = 1, 1, 5

if param("unix", false) then
  on("socket socketpair", function(call)
    if call.args[1] & 0xffffffff ~= AF_UNIX then return call:deny "EACCES" end
  end)
  allow "@net"
else
  on("socketpair", function(call)    -- a pair of datagram sockets could send to any other by its address
    local kind = call.args[2] & 15
    if call.args[1] & 0xffffffff == AF_UNIX and (kind == SOCK_STREAM or kind == SOCK_SEQPACKET) then return call:allow() end
  end)
  allow "socketcall send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64 shutdown getsockname getpeername getsockopt setsockopt"
  deny("@net", "EACCES")
end

default "allow"
