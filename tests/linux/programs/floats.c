/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/floats.c: each process has its own x87 and SSE registers and control words, whatever
 * interrupts it: other processes, preemption, signal handlers.
 */
#include <fenv.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>

#include "show.h"

#define PROCESSES 4

static volatile double disturbance;
static volatile int signals;

static unsigned get_mxcsr(void)
{
    unsigned value;

    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static void set_mxcsr(unsigned value)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(value));
}

static unsigned short get_x87_control(void)
{
    unsigned short value;

    __asm__ volatile("fnstcw %0" : "=m"(value));
    return value;
}

/* Keeps values in registers across a system call or just time. */
static int registers_survive(double seed)
{
    double in_sse[4] = {seed, seed * 3, seed / 7, -seed}, out_sse[4];
    long double in_x87 = (long double)seed * 1.25L, out_x87;
    long yield = 24; /* SYS_sched_yield */

    __asm__ volatile("fldt %[x]\n\t"
                     "movsd 0(%[in]), %%xmm4\n\tmovsd 8(%[in]), %%xmm7\n\t"
                     "movsd 16(%[in]), %%xmm11\n\tmovsd 24(%[in]), %%xmm15\n\t"
                     "syscall\n\t"
                     "movsd %%xmm4, 0(%[out])\n\tmovsd %%xmm7, 8(%[out])\n\t"
                     "movsd %%xmm11, 16(%[out])\n\tmovsd %%xmm15, 24(%[out])\n\t"
                     "fstpt %[y]"
                     : [y] "=m"(out_x87), "+a"(yield)
                     : [in] "r"(in_sse), [out] "r"(out_sse), [x] "m"(in_x87)
                     : "rcx", "r11", "memory", "xmm4", "xmm7", "xmm11", "xmm15", "st");
    return memcmp(in_sse, out_sse, sizeof(in_sse)) == 0 && in_x87 == out_x87;
}

static double series(int steps)
{
    double sum = 0;

    for (int i = 1; i <= steps; i++)
        sum += sqrt(i) / (i + 0.5);
    return sum;
}

static int own_state(int number)
{
    unsigned rounding = (unsigned)number << 13; /* MXCSR.RC */
    int good = 0;

    set_mxcsr((get_mxcsr() & ~0x6000u) | rounding);
    for (int i = 0; i < 200; i++)
        good += registers_survive(number * 1000 + i + 0.125) && (get_mxcsr() & 0x6000u) == rounding;
    return good;
}

static void disturb(int signal)
{
    disturbance = series(50) * disturbance + 1;
    set_mxcsr(0x7f80);
    signals++;
}

static void across_processes(void)
{
    int status, good = 0;

    part("across processes");
    fflush(stdout);
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0)
            _exit(own_state(i) == 200 && series(200000) > 0 ? i + 1 : 0);
    while (wait(&status) > 0)
        good += WEXITSTATUS(status);
    SHOW(good);
}

static void across_signals(void)
{
    struct itimerval often = {{0, 2000}, {0, 2000}}, off = {{0, 0}, {0, 0}};
    double before = series(100000), after;
    int different = 0;

    part("across signals");
    signal(SIGALRM, disturb);
    setitimer(ITIMER_REAL, &often, NULL);
    while (signals < 5) {
        after = series(100000);
        different += after != before;
    }
    setitimer(ITIMER_REAL, &off, NULL);
    SHOW(different);
    SHOW(get_mxcsr() & 0xffc0);
}

static int inherited(void)
{
    return (int)((get_mxcsr() & 0x6000) >> 13);
}

int main(void)
{
    part("initial state");
    SHOW(get_mxcsr());
    SHOW(get_x87_control());
    printf("%.17g %.12g %.15Lg\n", series(1000), pow(2.5, 3.5), sqrtl(2.0L) + expl(1.0L));
    across_processes();
    across_signals();
    part("inherited by fork");
    set_mxcsr(0x1f80 | 0x4000);
    in_child("rounding", inherited);
    set_mxcsr(0x1f80);
    return 0;
}
