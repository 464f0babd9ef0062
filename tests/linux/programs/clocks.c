/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/clocks.c: clocks that never go back, sleeps that are long enough, timers.
 */
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

#include "show.h"

static volatile int ticks;

static long now_us(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void tick(int signal)
{
    ticks++;
}

static void steady(void)
{
    long last = now_us(CLOCK_MONOTONIC), back = 0;
    struct timeval tv;
    struct timespec ts;

    part("steady");
    for (int i = 0; i < 2000; i++) {
        long next = now_us(CLOCK_MONOTONIC);

        back += next < last;
        last = next;
    }
    SHOW(back);
    gettimeofday(&tv, NULL);
    SHOW(labs(tv.tv_sec - now_us(CLOCK_REALTIME) / 1000000) <= 1);
    SHOW(labs(time(NULL) - tv.tv_sec) <= 1);
    SHOW(now_us(CLOCK_REALTIME) > 1000000);
    SHOW(clock_gettime(CLOCK_MONOTONIC_RAW, &ts));
    SHOW(clock_gettime(CLOCK_BOOTTIME, &ts));
    SHOW(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts));
    SHOW(clock_gettime(1234, &ts));
    SHOW(clock_getres(CLOCK_MONOTONIC, &ts) == 0 && ts.tv_sec == 0 && ts.tv_nsec > 0);
}

static void sleeps(void)
{
    struct timespec ts = {0, 20000000}, left;
    long start = now_us(CLOCK_MONOTONIC);

    part("sleeps");
    SHOW(nanosleep(&ts, NULL));
    SHOW(now_us(CLOCK_MONOTONIC) - start >= 20000);
    ts.tv_nsec = 1000000000;
    SHOW(nanosleep(&ts, NULL));
    ts = (struct timespec){-1, 0};
    SHOW(nanosleep(&ts, NULL));
    ts = (struct timespec){0, 5000000};
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL));
    clock_gettime(CLOCK_MONOTONIC, &ts);
    start = ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
    ts.tv_nsec += 10000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_nsec -= 1000000000;
        ts.tv_sec++;
    }
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL));
    SHOW(now_us(CLOCK_MONOTONIC) - start >= 10000);
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0, 10000}}, NULL);
    ts = (struct timespec){3, 0};
    SHOW(nanosleep(&ts, &left));
    SHOW(left.tv_sec == 2 && left.tv_nsec > 500000000);
    start = now_us(CLOCK_MONOTONIC);
    SHOW(poll(NULL, 0, 15));
    SHOW(now_us(CLOCK_MONOTONIC) - start >= 15000);
}

/* Children that sleep longer finish later. */
static void order(void)
{
    int ends[2];
    char text[4] = "";

    part("order");
    SHOW(pipe(ends));
    fflush(stdout);
    for (int i = 0; i < 3; i++)
        if (fork() == 0) {
            usleep((useconds_t)(3 - i) * 50000);
            text[0] = (char)('a' + i);
            _exit(write(ends[1], text, 1) != 1);
        }
    for (int i = 0; i < 3; i++)
        wait(NULL);
    SHOW(read(ends[0], text, 3));
    printf("%s\n", text);
}

static void interval(void)
{
    struct itimerval timer = {{0, 5000}, {0, 5000}}, off = {{0, 0}, {0, 0}};

    part("interval timer");
    ticks = 0;
    SHOW(setitimer(ITIMER_REAL, &timer, NULL));
    while (ticks < 4)
        pause();
    SHOW(setitimer(ITIMER_REAL, &off, NULL));
    SHOW(ticks >= 4);
}

/* A process that only computes is preempted, so that another gets its turn. */
static void preemption(void)
{
    int ends[2], status;
    char byte;
    pid_t child;

    part("preemption");
    SHOW(pipe(ends));
    fflush(stdout);
    child = fork();
    if (child == 0)
        for (volatile unsigned long i = 0;; i++)
            ;
    usleep(20000);
    SHOW(write(ends[1], "p", 1));
    SHOW(read(ends[0], &byte, 1));
    SHOW(kill(child, SIGKILL));
    SHOW(waitpid(child, &status, 0) == child);
    show_status("spinner", status);
    SHOW(times(NULL) != (clock_t)-1);
}

int main(void)
{
    steady();
    sleeps();
    order();
    interval();
    preemption();
    return 0;
}
