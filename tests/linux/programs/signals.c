/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/signals.c: handlers and what they are told, masks, restarts, alternate stacks, defaults.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

#include "show.h"

static volatile int count, last_code, depth, deepest, on_stack;
static volatile long last_address, last_status, last_pid;
static char *page;
static pid_t child;
static sigjmp_buf back;
static char alternate[65536];

static void counting(int signal)
{
    count++;
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (signal == SIGUSR1 && count < 3)
        raise(SIGUSR1);
    depth--;
}

static void informed(int signal, siginfo_t *info, void *context)
{
    char here;

    count++;
    last_code = info->si_code;
    last_address = (char *)info->si_addr - page;
    last_status = info->si_status;
    last_pid = info->si_pid;
    on_stack = &here >= alternate && &here < alternate + sizeof(alternate);
    if (signal == SIGSEGV || signal == SIGFPE || signal == SIGILL || signal == SIGBUS)
        siglongjmp(back, signal);
}

static void install(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};

    SHOW(sigaction(signal, &action, NULL));
}

static void install_simple(int signal, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

    SHOW(sigaction(signal, &action, NULL));
}

static void basics(void)
{
    struct sigaction old;

    part("basics");
    install_simple(SIGUSR2, counting, 0);
    SHOW(raise(SIGUSR2));
    SHOW(count);
    count = deepest = 0;
    install_simple(SIGUSR1, counting, 0);
    SHOW(raise(SIGUSR1));
    SHOW(count);
    SHOW(deepest);
    count = deepest = 0;
    install_simple(SIGUSR1, counting, SA_NODEFER);
    SHOW(raise(SIGUSR1));
    SHOW(count);
    SHOW(deepest);
    install_simple(SIGUSR1, counting, SA_RESETHAND);
    count = 5;
    SHOW(raise(SIGUSR1));
    SHOW(sigaction(SIGUSR1, NULL, &old));
    SHOW(old.sa_handler == SIG_DFL);
    SHOW(sigaction(SIGKILL, &old, NULL));
    SHOW(sigaction(0, &old, NULL));
    SHOW(sigaction(65, NULL, &old));
    SHOW(kill(getpid(), 0));
    SHOW(kill(getpid(), 99));
    SHOW(kill(2000000000, 0));
}

static void masks(void)
{
    sigset_t set, old;

    part("masks");
    install_simple(SIGUSR2, counting, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    SHOW(sigprocmask(SIG_BLOCK, &set, NULL));
    count = 0;
    raise(SIGUSR2);
    raise(SIGUSR2);
    SHOW(count);
    SHOW(sigpending(&old));
    SHOW(sigismember(&old, SIGUSR2));
    SHOW(sigismember(&old, SIGUSR1));
    SHOW(sigprocmask(SIG_UNBLOCK, &set, &old));
    SHOW(count);
    SHOW(sigismember(&old, SIGUSR2));
    SHOW(sigprocmask(SIG_BLOCK, &set, NULL));
    raise(SIGUSR2);
    sigemptyset(&old);
    SHOW(sigsuspend(&old));
    SHOW(count);
    SHOW(sigprocmask(99, &set, NULL));
    install_simple(SIGUSR2, SIG_IGN, 0);
    raise(SIGUSR2);
    SHOW(sigprocmask(SIG_SETMASK, &old, NULL));
    SHOW(count);
}

static void wrong(int kind)
{
    if (kind == 0)
        page[0] = 1;
    else if (kind == 1)
        page[4096] = 1;
    else if (kind == 2)
        __asm__ volatile("xor %%ecx, %%ecx\n\tmov $1, %%eax\n\tcltd\n\tidiv %%ecx" : : : "eax", "ecx", "edx");
    else if (kind == 3)
        __asm__ volatile("ud2");
    else if (kind == 4)
        *(volatile char *)0xffffffff80000000 = 1;
    else if (kind == 5)
        __asm__ volatile("hlt");
    else
        (void)*(volatile char *)0x8000000000000000;
}

static void faults(void)
{
    part("faults");
    page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + 4096, 4096);
    install(SIGSEGV, informed, 0);
    install(SIGFPE, informed, 0);
    install(SIGILL, informed, 0);
    install(SIGBUS, informed, 0);
    for (volatile int kind = 0; kind < 7; kind++) {
        int signal = sigsetjmp(back, 1);

        if (signal == 0)
            wrong(kind);
        printf("kind %d: signal %d code %d", kind, signal, last_code);
        printf(signal == SIGSEGV && kind < 2 ? " at %ld\n" : "\n", last_address);
    }
}

static void alternate_stack(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)}, old;

    part("alternate stack");
    SHOW(sigaltstack(&stack, NULL));
    SHOW(sigaltstack(NULL, &old));
    SHOW(old.ss_sp == alternate && old.ss_size == sizeof(alternate));
    install(SIGUSR1, informed, SA_ONSTACK);
    raise(SIGUSR1);
    SHOW(on_stack);
    install(SIGUSR1, informed, 0);
    raise(SIGUSR1);
    SHOW(on_stack);
    stack.ss_size = 100;
    SHOW(sigaltstack(&stack, NULL));
    stack.ss_flags = SS_DISABLE;
    SHOW(sigaltstack(&stack, NULL));
}

/* Reads from an empty pipe while a child first signals, then writes. */
static void interrupted_read(int flags)
{
    int ends[2], status;
    char byte = 0;

    install_simple(SIGUSR2, counting, flags);
    count = 0;
    SHOW(pipe(ends));
    fflush(stdout);
    child = fork();
    if (child == 0) {
        usleep(20000);
        kill(getppid(), SIGUSR2);
        usleep(20000);
        _exit(write(ends[1], "b", 1) != 1);
    }
    SHOW(read(ends[0], &byte, 1));
    SHOW(count);
    while (waitpid(child, &status, 0) == -1 && errno == EINTR)
        ;
    show_status("writer", status);
    close(ends[0]);
    close(ends[1]);
}

static void children(void)
{
    int status;

    part("SIGCHLD");
    install(SIGCHLD, informed, SA_RESTART);
    count = 0;
    fflush(stdout);
    child = fork();
    if (child == 0)
        _exit(33);
    SHOW(waitpid(child, &status, 0) == child);
    SHOW(count);
    SHOW(last_code == CLD_EXITED);
    SHOW(last_status);
    SHOW(last_pid == child);
    child = fork();
    if (child == 0) {
        pause();
        _exit(1);
    }
    SHOW(kill(child, SIGTERM));
    SHOW(waitpid(child, &status, 0) == child);
    show_status("terminated", status);
    SHOW(last_code == CLD_KILLED);
    SHOW(last_status);
    install_simple(SIGCHLD, SIG_IGN, 0);
    if (fork() == 0)
        _exit(0);
    SHOW(wait(&status));
    install_simple(SIGCHLD, SIG_DFL, 0);
}

static void skip_two(int signal, siginfo_t *info, void *context)
{
    ucontext_t *user = context;

    user->uc_mcontext.gregs[REG_RIP] += 2; /* ud2 is two bytes */
    user->uc_mcontext.gregs[REG_RBX] = 4711;
}

static void changed_context(void)
{
    long rbx = 0;

    part("a handler that changes registers");
    install(SIGILL, skip_two, 0);
    __asm__ volatile("ud2" : "+b"(rbx));
    SHOW(rbx);
}

static void alarms(void)
{
    struct itimerval timer = {.it_value = {0, 10000}};

    part("alarms");
    install_simple(SIGALRM, counting, 0);
    count = 0;
    SHOW(setitimer(ITIMER_REAL, &timer, NULL));
    SHOW(pause());
    SHOW(count);
    SHOW(alarm(100));
    SHOW(alarm(0));
    SHOW(alarm(0));
}

static int die_of(int signal)
{
    signal == SIGKILL ? kill(getpid(), signal) : raise(signal);
    return 0;
}

static int die_term(void)
{
    return die_of(SIGTERM);
}
static int die_kill(void)
{
    return die_of(SIGKILL);
}
static int die_abort(void)
{
    abort();
}
static int survive_child(void)
{
    return die_of(SIGCHLD) + die_of(SIGURG) + die_of(SIGWINCH) + 5;
}
static int die_masked(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGSEGV, SIG_IGN);
    *(volatile int *)8 = 1;
    return 0;
}

static void remember(int signal)
{
    sigset_t now;

    sigprocmask(SIG_SETMASK, NULL, &now);
    printf("handler of %d: SIGALRM blocked %d, SIGUSR1 blocked %d\n", signal, sigismember(&now, SIGALRM),
           sigismember(&now, SIGUSR1));
}

/* A signal that is blocked but for the wait, pending before it or coming during it. */
static void masked_waits(void)
{
    struct timespec two = {2, 0}, none = {0, 0}, soon = {0, 30000000};
    struct itimerval timer = {.it_value = {0, 30000}};
    sigset_t blocked, empty, now;
    struct pollfd ready = {.events = POLLIN};
    int fd[2];

    part("masked waits");
    install_simple(SIGALRM, remember, 0);
    install_simple(SIGUSR1, remember, 0);
    sigemptyset(&empty);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    SHOW(sigprocmask(SIG_SETMASK, &blocked, NULL));
    SHOW(raise(SIGALRM));
    SHOW(ppoll(NULL, 0, &two, &empty));
    SHOW(raise(SIGALRM));
    SHOW(pselect(0, NULL, NULL, NULL, &two, &empty));
    SHOW(raise(SIGALRM));
    SHOW(ppoll(NULL, 0, &none, &empty));
    SHOW(setitimer(ITIMER_REAL, &timer, NULL));
    SHOW(ppoll(NULL, 0, &two, &empty));
    SHOW(setitimer(ITIMER_REAL, &timer, NULL));
    SHOW(pselect(0, NULL, NULL, NULL, &two, &empty));
    SHOW(ppoll(NULL, 0, &soon, &empty));
    SHOW(pipe(fd));
    SHOW(write(fd[1], "x", 1));
    ready.fd = fd[0];
    SHOW(raise(SIGALRM));
    SHOW(ppoll(&ready, 1, &two, &empty));
    SHOW(sigpending(&now));
    SHOW(sigismember(&now, SIGALRM));
    SHOW(ppoll(&ready, 1, &two, NULL));
    SHOW(raise(SIGUSR1));
    SHOW(sigprocmask(SIG_SETMASK, NULL, &now));
    SHOW(sigismember(&now, SIGALRM));
    SHOW(syscall(SYS_ppoll, NULL, 0, &none, &empty, 4));
    SHOW(sigprocmask(SIG_SETMASK, &empty, NULL));
}

int main(void)
{
    basics();
    masks();
    faults();
    alternate_stack();
    part("interrupted");
    interrupted_read(0);
    interrupted_read(SA_RESTART);
    children();
    changed_context();
    alarms();
    masked_waits();
    part("defaults");
    in_child("SIGTERM", die_term);
    in_child("SIGKILL", die_kill);
    in_child("abort", die_abort);
    in_child("ignored by default", survive_child);
    in_child("blocked SIGSEGV", die_masked);
    return 0;
}
