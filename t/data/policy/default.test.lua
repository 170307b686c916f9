-- What scripts/default.lua promises, as `nurse test t/data/policy/default.test.lua` shows it.
policy("../../../scripts/default", { cwd = "/home/me/project", write = "/srv/out", read = "/srv/data" })

-- reads the system, the current directory and what it is told; no homes, no secrets
expect("openat /usr/share/x O_RDONLY", "allow")
expect("open /etc/passwd O_RDONLY|O_CLOEXEC", "allow")
expect("open /etc/shadow O_RDONLY", "deny EACCES")
expect("openat2 /etc/shadow {flags=O_RDONLY}", "deny EACCES")
expect("openat /home/me/project/notes O_RDONLY", "allow")
expect("openat /root O_RDONLY|O_DIRECTORY", "deny EACCES")
expect("openat /home/me/projecter O_RDONLY", "emulate -2", { name = "a directory's name is no prefix; what isn't there is ENOENT" })
expect("openat /srv/data/x O_RDONLY", "allow")
expect{ call = "openat /usr/../etc/shadow O_RDONLY", verdict = "deny EACCES", path = "/etc/shadow" }

-- writes the current directory, /tmp and what it is told
expect("openat /home/me/project/new O_WRONLY|O_CREAT|O_TRUNC 0644", "allow")
expect("creat /tmp/x 0600", "allow")
expect("openat /srv/out/x O_RDWR|O_CREAT 0600", "allow")
expect("openat /srv/data/x O_WRONLY", "deny EACCES")
expect("openat /etc/passwd O_RDONLY|O_TRUNC", "deny EACCES")
expect("openat /usr/bin/new O_RDONLY|O_CREAT 0755", "deny EACCES")
expect("mkdir /tmp/d 0755", "allow")
expect("rmdir /etc", "deny EACCES")
expect("rename /tmp/a /tmp/b", "allow")
expect("rename /tmp/a /etc/b", "deny EACCES")
expect("linkat /etc/shadow /tmp/b", "deny EACCES")
expect{ call = "unlink /usr/bin/env", arch = "i386", verdict = "deny EACCES" }

-- looks at its own process
expect("openat /proc/self/status O_RDONLY", "allow")
expect("openat /proc/meminfo O_RDONLY", "allow")
expect("openat /proc/1/environ O_RDONLY", "deny EACCES")
expect("kill self SIGTERM", "allow")
expect("kill 1 SIGTERM", "deny EPERM")

-- no network, nothing unusual
expect("socket AF_INET SOCK_STREAM 0", "deny EACCES")
expect("connect 127.0.0.1:80", "deny EACCES")
expect("socketpair AF_UNIX SOCK_STREAM 0", "allow")
expect("mount none /mnt tmpfs", "deny EPERM")
expect("ptrace PTRACE_ATTACH 1", "deny EPERM")

-- everyday life
expect("execve /usr/bin/ls ls -l", "allow")
expect("write 1 hello", "allow")
expect("stat /home/me/.ssh", "allow")
expect("clock_gettime CLOCK_REALTIME", "allow")
