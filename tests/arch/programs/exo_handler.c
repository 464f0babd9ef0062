/* SPDX-License-Identifier: MIT
 *
 * tests/arch/programs/exo_handler.c: what a program's handler of its own exceptions can do, and how it ends when
 * it does wrong.
 */
#include <sys/syscall.h>

#include "tests/arch/programs/exo_trap.h"

/* ---- what it can do ---- */

INTEGERS static bool allow_all(void)
{
    return kernel_call(EXO_LIMIT, trap->address & ~(PAGE - 1), 1, EXO_RIGHTS_ALL) == 0;
}

static int by_call(void)
{
    char *page = data();

    install(allow_all, EXO_LIMITS);
    for (char i = 2; i < 10; i++) {
        limit(page, EXO_READ);
        put(page, i);
        if (get(page) != i || caught != (unsigned)i - 1)
            return 1;
    }
    return 0;
}

INTEGERS static bool skip_division(void)
{
    trap->rip += 2; /* div %ecx */
    return trap->vector == 0;
}

/* All registers and flags but RIP are as they were. */
static int division(void)
{
    unsigned long rcx = 0, r11 = 11, rax = 7, rdx = 0, flags;

    install(skip_division, DIVISIONS);
    __asm__ volatile("movq $11, %%r11; stc; std; div %%ecx; pushfq; cld; popq %3; movq %%r11, %4"
                     : "+a"(rax), "+d"(rdx), "+c"(rcx), "=r"(flags), "=r"(r11) : : "r11", "cc", "memory");
    return caught != 1 || rax != 7 || rdx != 0 || rcx != 0 || r11 != 11 || (flags & 0x401) != 0x401;
}

/* Demand-zero pages under a handler that wants none of them: the library's. */
static int passed_on(void)
{
    char *fresh = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    install(pass_on, PAGE_FAULTS);
    for (unsigned i = 0; i < 8; i++)
        put(fresh + i * PAGE, (char)i);
    return caught != 8 || get(fresh + 3 * PAGE) != 3;
}

static char *untouched;

INTEGERS static bool touch(void)
{
    *(volatile char *)untouched = 1;
    return true;
}

/* A fault in the handler is the library's, and the handler goes on. */
static int nested(void)
{
    char *page = data();

    untouched = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    install(touch, EXO_LIMITS | PAGE_FAULTS);
    limit(page, EXO_READ | EXO_ONCE);
    put(page, 3);
    return caught != 1 || get(untouched) != 1 || get(page) != 3;
}

static int inherited(void)
{
    char *page = data();
    int status;

    install(accept_it, EXO_LIMITS);
    if (fork() == 0) {
        limit(page, EXO_READ | EXO_ONCE);
        put(page, 2); /* not the limit's doing: the frame is its parent's too */
        put(page, 3);
        limit(page, EXO_READ | EXO_ONCE);
        put(page, 4);
        _exit(caught != 1);
    }
    wait(&status);
    return status != 0 || get(page) != 1;
}

static int fork_status;

INTEGERS static bool fork_here(void)
{
    long pid = kernel_call(SYS_fork, 0, 0, 0);

    /* wait4 without options, and R10 is 0: its caller sees to it */
    return pid == 0 || kernel_call(SYS_wait4, (unsigned long)pid, (unsigned long)&fork_status, 0) == pid;
}

/* Both come back from it. */
static int forked_in_handler(void)
{
    char *page = data();
    int parent = getpid();

    fork_status = -1;
    install(fork_here, EXO_LIMITS);
    limit(page, EXO_READ | EXO_ONCE);
    __asm__ volatile("xorl %%r10d, %%r10d" : : : "r10");
    put(page, 9);
    if (getpid() != parent)
        _exit(get(page) != 9);
    return fork_status != 0 || get(page) != 9;
}

/* ---- what it cannot do ---- */

static int handler_nowhere(void)
{
    char *page = data();

    munmap(page, PAGE);
    kernel_call(EXO_HANDLER, (unsigned long)page, PAGE_FAULTS, 0);
    put(page, 1);
    return 1;
}

static int handler_in_the_library(void)
{
    kernel_call(EXO_HANDLER, LIB_PRIVATE, PAGE_FAULTS, 0);
    put(NULL, 1);
    return 1;
}

INTEGERS static bool crash(void)
{
    return *(volatile char *volatile){(char *)16};
}

static int handler_crashes(void)
{
    char *page = data();

    install(crash, EXO_LIMITS | PAGE_FAULTS);
    limit(page, EXO_READ);
    put(page, 1);
    return 1;
}

INTEGERS static bool write_limited(void)
{
    *(volatile char *)(trap->address & ~(PAGE - 1)) = 1;
    return true;
}

static int handler_traps_itself(void)
{
    char *page = data();

    install(write_limited, EXO_LIMITS);
    limit(page, EXO_READ);
    put(page, 1);
    return 1;
}

static int nobody_wants_it(void)
{
    install(pass_on, PAGE_FAULTS);
    put((char *)16, 1);
    return 1;
}

/* A handler that never lifts anything: the same instruction again and again, until a signal ends it. */
static int for_ever(void)
{
    char *page = data();

    install(accept_it, EXO_LIMITS);
    limit(page, EXO_READ);
    alarm(1);
    put(page, 1);
    return 1;
}

static char *self;

/* Into a program that touches fresh memory. */
static int gone_after_exec(void)
{
    char *argv[] = {self, "fresh", NULL};

    install(crash, EXO_LIMITS | PAGE_FAULTS | DIVISIONS);
    execv(self, argv);
    return 1;
}

static int fresh(void)
{
    char *memory = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (unsigned i = 0; i < 16; i++)
        put(memory + i * PAGE, 1);
    return trap->busy != 0;
}

/* ---- all cases ---- */

static const struct test tests[] = {
    {"unprotected by call", by_call, 0},
    {"another exception", division, 0},
    {"passed on", passed_on, 0},
    {"a fault in the handler", nested, 0},
    {"a child's", inherited, 0},
    {"fork in the handler", forked_in_handler, 0},
    {"a handler that is not there", handler_nowhere, SIGSEGV},
    {"a handler among the library's data", handler_in_the_library, SIGSEGV},
    {"a crash in the handler", handler_crashes, SIGSEGV},
    {"a trap in the handler", handler_traps_itself, SIGSEGV},
    {"what nobody wants", nobody_wants_it, SIGSEGV},
    {"traps for ever", for_ever, SIGALRM},
    {"after exec", gone_after_exec, 0},
};

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc > 1 && strcmp(argv[1], "fresh") == 0)
        return fresh();
    return run_cases(tests, sizeof(tests) / sizeof(tests[0]));
}
