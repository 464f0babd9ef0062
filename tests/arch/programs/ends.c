/* SPDX-License-Identifier: MIT
 *
 * ends HOW: a program that ends in the given way.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void segv(void)
{
    volatile int *volatile nowhere = (int *)8;

    *nowhere = 1;
}

static void kill_self(void)
{
    kill(getpid(), SIGKILL);
}

static void exit_300(void)
{
    exit(300);
}

/* Process 1 leaves two others behind: one that sleeps and one that computes. */
static void leave_children(void)
{
    if (fork() == 0)
        for (;;)
            pause();
    if (fork() == 0)
        for (;;)
            ;
    usleep(1000);
    exit(4);
}

static volatile sig_atomic_t rang;

static void ring(int signo)
{
    rang = signo;
}

/* A timer interrupts a program that never calls the kernel. */
static void interrupted_loop(void)
{
    struct itimerval timer = {.it_value = {.tv_usec = 3000}};

    signal(SIGALRM, ring);
    setitimer(ITIMER_REAL, &timer, NULL);
    while (!rang)
        ;
    exit(9);
}

/* Two programs that never wait share the CPU by time slice: the first can only end because the second runs. */
static void share_cpu(void)
{
    volatile int *flag = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (fork() == 0) {
        *flag = 1;
        while (*flag != 2)
            ;
        *flag = 3;
        _exit(0);
    }
    while (*flag != 1)
        ;
    *flag = 2;
    while (*flag != 3)
        ;
    exit(11);
}

#define TURNS 6
#define SLICE_US 10000

static uint64_t cycles(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static uint64_t cycles_of_slice(void)
{
    struct timespec from, to;
    uint64_t begin, end;

    clock_gettime(CLOCK_MONOTONIC, &from);
    begin = cycles();
    usleep(SLICE_US);
    clock_gettime(CLOCK_MONOTONIC, &to);
    end = cycles();
    return (end - begin) * (SLICE_US * 1000ul) /
           (uint64_t)((to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec);
}

static uint64_t differ_by(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Computes until it has lost the CPU some times, and looks how long it had it each time: a slice, but for the first
 * time, when there may be nobody else yet. Calls nothing: among servers, who waits for another's call has lost its turn, too. */
static _Noreturn void measure_turns(uint64_t slice)
{
    uint64_t begin = cycles(), last = begin, now;
    int turns = 0;

    for (; turns < TURNS; last = now) {
        for (volatile int i = 0; i < 1000; i++)
            ;
        now = cycles();
        if (now - last < slice / 5)
            continue;
        if (turns && differ_by(last - begin, slice) > slice / 20)
            _exit(1);
        begin = now;
        turns++;
    }
    _exit(0);
}

/* Slices are as long as they are whatever else the timer is wanted for: alarms that are far away, and many that are not. */
static void time_slices(void)
{
    uint64_t slice = cycles_of_slice();
    pid_t helper[2], child[2];
    int bad = 0, status;

    for (int i = 0; i < 2; i++)
        if ((helper[i] = fork()) == 0)
            for (;;)
                usleep(i ? 500 : 100000000);
    for (int i = 0; i < 2; i++)
        if ((child[i] = fork()) == 0)
            measure_turns(slice);
    waitpid(child[0], &status, 0);
    bad |= status;
    kill(child[1], SIGKILL);
    for (int i = 0; i < 2; i++)
        kill(helper[i], SIGKILL);
    exit(bad ? 2 : 14);
}

/* More memory than there is: refused in one piece; promised in small ones, it ends who touches it, and nobody else. */
static void exhaust(void)
{
    int status;

    if (mmap(NULL, 1ul << 34, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ||
        errno != ENOMEM)
        exit(1);
    if (fork() == 0)
        for (;;)
            memset(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, 1 << 20);
    wait(&status);
    exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 12 : 2);
}

/* More processes than there is memory or space for. */
static void fork_bomb(void)
{
    long children = 0, waited = 0;
    pid_t child;

    while ((child = fork()) > 0)
        children++;
    if (child == 0) {
        pause();
        _exit(0);
    }
    if (errno != EAGAIN && errno != ENOMEM)
        exit(1);
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    while (wait(NULL) > 0)
        waited++;
    exit(children > 100 && waited == children ? 13 : 2);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *how;
        void (*end)(void);
    } ends[] = {
        {"segv", segv},
        {"abort", abort},
        {"kill", kill_self},
        {"exit-300", exit_300},
        {"children", leave_children},
        {"loop", interrupted_loop},
        {"share", share_cpu},
        {"slices", time_slices},
        {"exhaust", exhaust},
        {"fork-bomb", fork_bomb},
    };

    for (size_t i = 0; argc > 1 && i < sizeof ends / sizeof ends[0]; i++)
        if (strcmp(argv[1], ends[i].how) == 0)
            ends[i].end();
    fprintf(stderr, "ends: no such end\n");
    return 2;
}
