/*
 * clocks: asks for the time, for sleep and for chance in all ways there are, one act for each argument: "ACT = RESULT", a text or an errno's name.
 *
 * now:WAY (libc, raw, gettimeofday, raw-gettimeofday, time, raw-time, tloc), clock:NUMBER, res:NUMBER, raw:NUMBER (system calls; on i386 both forms), edge:CALL (a
 * result that lies half on memory that isn't there), null:CALL, passed:CLOCK:ACT (how far a clock went meanwhile), sleep:MS, nanosleep:MS, until:CLOCK:MS,
 * poll:MS, alarm:S, random:N, flags:F, device:N, set.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

static char text[4096];
static char *edge;    /* no memory from here on */

static long seconds(long result, long long whole, long fraction, int digits)
{
    if (result >= 0)
        snprintf(text, sizeof text, "%lld.%0*ld", whole, digits, fraction);
    return result;
}

static long gettime(clockid_t clock)
{
    struct timespec now = { 0 };
    long result = clock_gettime(clock, &now);

    return seconds(result, now.tv_sec, now.tv_nsec, 9);
}

static long raw_gettime(clockid_t clock)
{
    long now[2] = { 0 };
    long result = syscall(SYS_clock_gettime, clock, now);

#ifdef SYS_clock_gettime64
    int64_t wide[2] = { 0 };
    if (result == 0 && syscall(SYS_clock_gettime64, clock, wide) == 0 && llabs(wide[0] - now[0]) > 1)
        return seconds(0, -1, 0, 9);    /* the two forms don't agree */
#endif
    return seconds(result, now[0], now[1], 9);
}

static long do_now(char **w)
{
    struct timeval day = { 0 };
    struct timezone zone = { 1, 1 };
    long raw[2] = { 0 }, result;
    time_t at = 0;

    if (strcmp(w[0], "libc") == 0)
        return gettime(CLOCK_REALTIME);
    if (strcmp(w[0], "raw") == 0)
        return raw_gettime(CLOCK_REALTIME);
    if (strcmp(w[0], "gettimeofday") == 0) {
        result = gettimeofday(&day, NULL);
        return seconds(result, day.tv_sec, day.tv_usec, 6);
    }
    if (strcmp(w[0], "raw-gettimeofday") == 0) {
        result = syscall(SYS_gettimeofday, raw, &zone);
        return zone.tz_minuteswest == 0 ? seconds(result, raw[0], raw[1], 6) : 99;
    }
    if (strcmp(w[0], "tloc") == 0) {
        result = syscall(SYS_time, raw);
        return result == raw[0] ? result : -1;
    }
    return strcmp(w[0], "time") == 0 ? time(&at) : syscall(SYS_time, NULL);
}

static long do_clock(char **w) { return gettime((clockid_t)atoi(w[0])); }
static long do_raw(char **w) { return raw_gettime((clockid_t)atoi(w[0])); }

static long do_res(char **w)
{
    struct timespec resolution = { 0 };
    long result = clock_getres((clockid_t)atoi(w[0]), &resolution);

    return seconds(result, resolution.tv_sec, resolution.tv_nsec, 9);
}

static long at_address(const char *what, void *address)
{
    if (strcmp(what, "clock_gettime") == 0)
        return syscall(SYS_clock_gettime, 0, address);
#ifdef SYS_clock_gettime64
    if (strcmp(what, "clock_gettime64") == 0)
        return syscall(SYS_clock_gettime64, 0, address);
#endif
    if (strcmp(what, "gettimeofday") == 0)
        return syscall(SYS_gettimeofday, address, NULL);
    if (strcmp(what, "zone") == 0)
        return syscall(SYS_gettimeofday, NULL, address);
    if (strcmp(what, "time") == 0)
        return syscall(SYS_time, address) < 0 ? -1 : 0;
    if (strcmp(what, "getrandom") == 0)
        return syscall(SYS_getrandom, address, 16, 0);
    errno = ENOSYS;
    return -1;
}

static long do_edge(char **w) { return at_address(w[0], edge - 4); }
static long do_null(char **w) { return at_address(w[0], NULL); }

static long do_sleep(char **w) { return usleep((useconds_t)atoi(w[0]) * 1000); }

static long do_nanosleep(char **w)
{
    long ms = atol(w[0]);

    return syscall(SYS_nanosleep, (long[]){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static long do_until(char **w)
{
    clockid_t clock = (clockid_t)atoi(w[0]);
    struct timespec until;
    long ms = atol(w[1]);
    int error;

    clock_gettime(clock, &until);
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    error = clock_nanosleep(clock, TIMER_ABSTIME, &until, NULL);
    errno = error;
    return error ? -1 : 0;
}

static long do_poll(char **w) { return poll(NULL, 0, atoi(w[0])); }

static void nothing(int signal) { (void)signal; }

static long do_alarm(char **w)
{
    signal(SIGALRM, nothing);
    alarm((unsigned)atoi(w[0]));
    return pause() < 0 && errno == EINTR ? 0 : -1;
}

static double clock_at(clockid_t clock)
{
    struct timespec now;

    if (clock == 99)    /* times(2) */
        return (double)times(&(struct tms){ 0 }) / (double)sysconf(_SC_CLK_TCK);
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long hexadecimal(const unsigned char *bytes, long count)
{
    for (long i = 0; i < count && i < 64; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    if (count > 64)
        *text = '\0';
    return count;
}

static unsigned char chance[1 << 20];

static long do_random(char **w) { return hexadecimal(chance, syscall(SYS_getrandom, chance, atol(w[0]), 0)); }
static long do_flags(char **w) { return syscall(SYS_getrandom, chance, 8, strtol(w[0], NULL, 0)); }

static long do_device(char **w)
{
    int fd = open("/dev/urandom", O_RDONLY);
    long result = hexadecimal(chance, read(fd, chance, (size_t)atol(w[0])));

    close(fd);
    return result;
}

static long do_set(char **w)
{
    (void)w;
    return clock_settime(CLOCK_REALTIME, &(struct timespec){ -1, 0 });    /* natively EINVAL, or EPERM: never a change */
}

static long act(char **w);
static long do_passed(char **w)
{
    clockid_t clock = (clockid_t)atoi(w[0]);
    double before = clock_at(clock);
    long result = act(w + 1);

    if (result >= 0)
        snprintf(text, sizeof text, "%.3f", clock_at(clock) - before);
    return result;
}

static const struct { const char *name; long (*act)(char **words); } verbs[] = {
    { "now", do_now }, { "clock", do_clock }, { "raw", do_raw }, { "res", do_res }, { "edge", do_edge }, { "null", do_null }, { "sleep", do_sleep },
    { "nanosleep", do_nanosleep }, { "until", do_until }, { "poll", do_poll }, { "alarm", do_alarm }, { "random", do_random }, { "flags", do_flags },
    { "device", do_device }, { "set", do_set }, { "passed", do_passed },
};

static long act(char **w)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, w[0]) == 0)
            return verbs[i].act(w + 1);
    errno = ENOSYS;
    return -1;
}

int main(int argc, char **argv)
{
    edge = (char *)mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 4096;
    munmap(edge, 4096);
    for (int i = 1; i < argc; i++) {
        char copy[256], *words[6] = { NULL };
        int count = 0;

        snprintf(copy, sizeof copy, "%s", argv[i]);
        for (char *word = strtok(copy, ":"); word && count < 5; word = strtok(NULL, ":"))
            words[count++] = word;
        *text = '\0';
        long result = act(words);
        if (result < 0)
            printf("%s = E%s\n", argv[i], errno == EFAULT ? "FAULT" : errno == EINVAL ? "INVAL" : errno == EPERM ? "PERM" : errno == ENOSYS ? "NOSYS" : strerror(errno));
        else if (*text)
            printf("%s = %s\n", argv[i], text);
        else
            printf("%s = %ld\n", argv[i], result);
    }
    return 0;
}
