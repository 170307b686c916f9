/*
 * traced: calls whose lines strace and `nurse trace` must agree about, and what must not change for being traced.
 *
 * A word says what to do. Prints what the calls gave. t/69-live-trace.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NO(call) do { if ((call) < 0) perror(#call); } while (0)

/* Files, below the working directory. */
static void files(void)
{
    char text[64] = "", name[256];
    struct stat st;
    struct rlimit limit;
    struct utsname system;
    int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0640), two[2];

    NO(close(fd));
    fd = open("file", O_RDWR);
    NO(write(fd, "one\ttwo\n\001\0022\377 and more than thirty-two bytes of it", 50));
    NO(lseek(fd, 0, SEEK_SET));
    NO(read(fd, text, 5));
    NO(pread(fd, text, 60, 3));
    NO(fstat(fd, &st));
    NO(stat("file", &st));
    NO(stat("/dev/null", &st));
    NO(ftruncate(fd, 7));
    NO(fcntl(fd, F_GETFL));
    NO(fcntl(fd, F_SETFD, FD_CLOEXEC));
    NO(dup2(fd, 9));
    NO(writev(fd, (struct iovec[]){ { "ab", 2 }, { "cde", 3 } }, 2));
    NO(close(fd));
    NO(symlink("file", "link"));
    NO(readlink("link", text, sizeof text));
    NO(mkdir("dir", 0755));
    NO(rename("dir", "moved"));
    NO(rmdir("moved"));
    NO(unlink("link"));
    NO(chmod("file", 04711));
    NO(access("file", R_OK | X_OK));
    NO(truncate("missing", 5) + 1);
    NO(open("", O_RDONLY) + 1);
    NO(open((char *)8, O_RDONLY) + 1);
    NO(open("odd \n\033[1m\"name\"", O_RDONLY) + 1);
    NO(pipe(two));
    NO(write(two[1], "through", 7));
    NO(read(two[0], text, sizeof text));
    NO(close(two[1]));
    NO(read(two[0], text, sizeof text));
    NO(getcwd(name, sizeof name) ? 0 : -1);
    NO(uname(&system));
    NO(getrlimit(RLIMIT_CORE, &limit));
    NO((int)umask(022));
}

static void sockets(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "socket" };
    socklen_t size = sizeof in, room = sizeof(struct sockaddr_storage);
    struct sockaddr_storage who;
    char text[16];
    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), named = socket(AF_UNIX, SOCK_DGRAM, 0), peer, pair[2];

    NO(bind(server, (struct sockaddr *)&in, sizeof in));
    NO(listen(server, 5));
    NO(getsockname(server, (struct sockaddr *)&in, &size));
    NO(connect(client, (struct sockaddr *)&in, sizeof in));
    peer = accept(server, (struct sockaddr *)&who, &room);
    NO(send(client, "hello", 5, MSG_NOSIGNAL));
    NO(recv(peer, text, sizeof text, 0));
    NO(poll((struct pollfd[]){ { .fd = peer, .events = POLLIN }, { .fd = client, .events = POLLOUT } }, 1, 0));
    NO(shutdown(client, SHUT_WR));
    NO(bind(named, (struct sockaddr *)&un, sizeof un));
    NO(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    NO(write(pair[0], "x", 1));
    NO(read(pair[1], text, 1));
}

static void handler(int signal)
{
    (void)signal;
}

static void processes(void)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
    sigset_t set;
    int status;
    pid_t child;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    NO(sigaction(SIGUSR2, &action, NULL));
    NO(sigprocmask(SIG_BLOCK, &set, NULL));
    NO(nanosleep(&(struct timespec){ 0, 1000 }, NULL));
    NO(kill(getpid(), 0));
    fflush(stdout);
    child = fork();
    if (child == 0)
        _exit(7);
    NO(waitpid(child, &status, 0));
    child = fork();
    if (child == 0)
        raise(SIGKILL);
    NO(waitpid(child, &status, 0));
    NO(waitpid(-1, &status, 0) + 1);
}

static int pipe_of_handler[2];

static void writes(int signal)
{
    (void)signal;
    NO(write(pipe_of_handler[1], "!", 1));
}

/* A handler without SA_RESTART ends a read; one with it does not, and gives it something to read. */
static void interrupted(void)
{
    struct sigaction action = { .sa_handler = handler };
    char byte = '-';
    ssize_t n;

    NO(pipe(pipe_of_handler));
    sigaction(SIGALRM, &action, NULL);
    ualarm(20000, 0);
    n = read(pipe_of_handler[0], &byte, 1);
    printf("without SA_RESTART: %zd %s\n", n, n < 0 ? strerror(errno) : "");
    action.sa_handler = writes;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    ualarm(20000, 0);
    n = read(pipe_of_handler[0], &byte, 1);
    printf("with SA_RESTART: %zd %c\n", n, byte);
    fflush(stdout);
    close(pipe_of_handler[0]);
    n = write(pipe_of_handler[1], "x", 1);    /* SIGPIPE */
    printf("not reached: %zd\n", n);
}

static void *thread(void *number)
{
    char byte;

    for (int i = 0; i < 200; i++) {
        NO(write(pipe_of_handler[1], "x", 1));
        NO(read(pipe_of_handler[0], &byte, 1));
    }
    return number;
}

static void threads(void)
{
    pthread_t id[4];

    NO(pipe(pipe_of_handler));
    for (long i = 0; i < 4; i++)
        pthread_create(&id[i], NULL, thread, (void *)i);
    for (int i = 0; i < 4; i++)
        pthread_join(id[i], NULL);
    puts("joined");
}

static void crash(void)
{
    raise(SIGSEGV);
}

static void killed(void)
{
    NO(kill(getpid(), SIGKILL));
}

static const struct { const char *word; void (*act)(void); } acts[] = {
    { "files", files }, { "sockets", sockets }, { "processes", processes }, { "interrupted", interrupted }, { "threads", threads }, { "crash", crash },
    { "killed", killed },
};

int main(int argc, char **argv)
{
    umask(027);    /* where the comparison begins */
    for (size_t i = 0; argc > 1 && i < sizeof acts / sizeof *acts; i++)
        if (strcmp(acts[i].word, argv[1]) == 0)
            acts[i].act();
    return argc > 2 ? atoi(argv[2]) : 0;
}
