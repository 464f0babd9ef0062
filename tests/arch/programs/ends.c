/* SPDX-License-Identifier: MIT
 *
 * ends HOW: a program that ends in the given way.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
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
        {"exhaust", exhaust},
        {"fork-bomb", fork_bomb},
    };

    for (size_t i = 0; argc > 1 && i < sizeof ends / sizeof ends[0]; i++)
        if (strcmp(argv[1], ends[i].how) == 0)
            ends[i].end();
    fprintf(stderr, "ends: no such end\n");
    return 2;
}
