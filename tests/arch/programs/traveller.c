/* SPDX-License-Identifier: MIT
 *
 * traveller ROUNDS: does a bit of everything, round by round, says what comes next, then what came of it. Everything it
 * prints is the same in every run, however long things take. Ends with a status that all results go into.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "/tmp/traveller"
#define BLOCK 20000

static uint64_t digest = 14695981039346656037u;
static volatile sig_atomic_t alarms;

/* FNV-1a. */
static void mix(const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        digest = (digest ^ ((const unsigned char *)data)[i]) * 1099511628211u;
}

static void check(int good, const char *what)
{
    if (!good) {
        perror(what);
        exit(99);
    }
}

/* Time that has passed stays so. */
static void look_at_clock(void)
{
    static struct timespec last;
    struct timespec now;

    check(clock_gettime(CLOCK_MONOTONIC, &now) == 0, "clock");
    check(now.tv_sec > last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec >= last.tv_nsec),
          "the clock went back");
    last = now;
}

static void say(const char *what, unsigned round)
{
    look_at_clock();
    printf("%s %u %016lx\n", what, round, (unsigned long)digest);
}

/* Integers, SSE and x87 registers that live long. */
static void compute(unsigned round)
{
    double x = 1.0 + round;
    long double y = 0.5L;
    uint64_t z = round;

    say("compute", round);
    for (unsigned i = 0; i < 60000; i++) {
        z = z * 6364136223846793005u + 1442695040888963407u;
        x = x * 1.0000001 + (double)(z >> 60);
        y = y * 0.99999L + (long double)(z & 7);
    }
    mix(&z, sizeof z);
    mix(&x, sizeof x);
    mix(&y, 10);
}

static void use_files(unsigned round)
{
    static char block[BLOCK], back[BLOCK];
    char name[64], last[64];
    int fd;

    say("files", round);
    snprintf(name, sizeof name, FOLDER "/file%u", round);
    memset(block, (int)('a' + round % 26), sizeof block);
    memcpy(block, &digest, sizeof digest);
    fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);
    check(fd >= 0 && write(fd, block, sizeof block) == sizeof block && fsync(fd) == 0, "write");
    check(pread(fd, back, sizeof back, 0) == sizeof back && memcmp(back, block, sizeof back) == 0, "read back");
    close(fd);
    snprintf(last, sizeof last, FOLDER "/file%u", round - 2);
    if (round >= 2)
        check(round % 3 ? unlink(last) == 0 : rename(last, FOLDER "/kept") == 0, "unlink");
    sync();
}

static void use_calls(unsigned round)
{
    struct stat st;

    say("calls", round);
    for (unsigned i = 0; i < 60; i++)
        check(stat(FOLDER, &st) == 0 && getppid() >= 0, "stat");
    mix(&st.st_nlink, sizeof st.st_nlink);
}

/* The child works on pages that it shares with us until one of us writes. */
static void use_children(unsigned round)
{
    int ends[2], status;
    uint64_t got = 0;
    pid_t child;

    say("child", round);
    fflush(stdout);
    check(pipe(ends) == 0, "pipe");
    child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        mix(&round, sizeof round);
        usleep(100);
        _exit(write(ends[1], &digest, sizeof digest) == sizeof digest ? (int)(round & 63) : 64);
    }
    close(ends[1]);
    check(read(ends[0], &got, sizeof got) == sizeof got, "read from a pipe");
    check(waitpid(child, &status, 0) == child && WIFEXITED(status), "wait");
    close(ends[0]);
    mix(&got, sizeof got);
    mix(&status, sizeof status);
}

static void use_memory(unsigned round)
{
    size_t bytes = 64 * 4096;
    char *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    say("memory", round);
    check(page != MAP_FAILED, "mmap");
    for (size_t at = 0; at < bytes; at += 4096)
        page[at] = (char)(at / 4096 + round);
    check(mprotect(page, bytes / 2, PROT_READ) == 0, "mprotect");
    for (size_t at = 0; at < bytes; at += 4096)
        mix(page + at, 1);
    check(munmap(page, bytes) == 0, "munmap");
}

static void on_alarm(int signal)
{
    (void)signal;
    alarms++;
}

static void use_timers(unsigned round)
{
    struct itimerval every = {{0, 200}, {0, 200}}, none = {{0, 0}, {0, 0}};
    struct timespec t = {0, 300000};
    int before = alarms;

    say("timers", round);
    nanosleep(&t, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    while (alarms < before + 2)
        pause();
    setitimer(ITIMER_REAL, &none, NULL);
    alarms = before + 2;
}

static void use_input(unsigned round)
{
    char line[32];
    size_t got = 0;

    say("input", round);
    while (got < sizeof line) {
        ssize_t n = read(0, line + got, sizeof line - got);

        check(n >= 0, "standard input");
        if (n == 0)
            break;
        got += (size_t)n;
    }
    mix(line, got);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 4;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGALRM, on_alarm);
    check(mkdir(FOLDER, 0755) == 0, FOLDER);
    for (unsigned round = 0; round < rounds; round++) {
        compute(round);
        use_files(round);
        use_calls(round);
        use_children(round);
        use_memory(round);
        use_timers(round);
        use_input(round);
    }
    say("end", rounds);
    return (int)(digest % 90) + 1;
}
