/* SPDX-License-Identifier: MIT
 *
 * patient: calls that wait for seconds, each in a process of its own and rightly, since what they wait for comes. One
 * line each says how it ended.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_US 4500000 /* several accounts of the servers (arch-micro/server/rsd.c) */

#define FUTEX_WAIT 0 /* futex(2); not every C library has them */
#define FUTEX_WAKE 1

static int to_reader[2], to_poller[2];
static volatile int *word;

static int reads(void)
{
    char c = 0;

    return read(to_reader[0], &c, 1) == 1 && c == 'x';
}

static int polls(void)
{
    struct pollfd one = {.fd = to_poller[0], .events = POLLIN};

    return poll(&one, 1, -1) == 1 && one.revents == POLLIN;
}

static int sleeps(void)
{
    return usleep(LONG_US) == 0;
}

static int waits(void)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        usleep(LONG_US);
        _exit(5);
    }
    return waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5;
}

static int vforks(void)
{
    pid_t child = vfork();
    int status = 0;

    if (child == 0) {
        usleep(LONG_US);
        _exit(6);
    }
    return waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 6;
}

static int is_stopped(void)
{
    return raise(SIGSTOP) == 0;
}

static int waits_for_futex(void)
{
    return syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 && *word == 1;
}

static void ring(int signo)
{
    (void)signo;
}

static int pauses(void)
{
    return pause() == -1 && errno == EINTR;
}

static struct {
    const char *name;
    int (*wait)(void);
    pid_t pid;
} cases[] = {
    {"read", reads, 0},   {"poll", polls, 0},         {"nanosleep", sleeps, 0},      {"wait4", waits, 0},
    {"vfork", vforks, 0}, {"stopped", is_stopped, 0}, {"futex", waits_for_futex, 0}, {"pause", pauses, 0},
};
#define CASES (sizeof cases / sizeof *cases)
enum { STOPPED = 5, PAUSES = 7 };

static void begin(void)
{
    for (size_t i = 0; i < CASES; i++) {
        cases[i].pid = fork();
        if (cases[i].pid == 0)
            _exit(cases[i].wait() ? 0 : 1);
    }
}

/* What they wait for. */
static void end(void)
{
    if (write(to_reader[1], "x", 1) != 1 || write(to_poller[1], "x", 1) != 1)
        exit(2);
    *word = 1;
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    kill(cases[STOPPED].pid, SIGCONT);
    kill(cases[PAUSES].pid, SIGUSR1);
}

int main(void)
{
    word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (word == MAP_FAILED || pipe(to_reader) || pipe(to_poller) || signal(SIGUSR1, ring) == SIG_ERR)
        return 2;
    setvbuf(stdout, NULL, _IONBF, 0);
    begin();
    usleep(LONG_US);
    end();
    for (size_t i = 0; i < CASES; i++) {
        int status;

        waitpid(cases[i].pid, &status, 0);
        printf("%s: %s\n", cases[i].name, status == 0 ? "right" : "wrong");
    }
    return 0;
}
