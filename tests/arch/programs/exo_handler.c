/* SPDX-License-Identifier: MIT
 *
 * tests/arch/programs/exo_handler.c: a program's own exceptions under the exokernel (abi/exo.h, EXO_HANDLER and EXO_LIMIT): what
 * they can do, and what they cannot.
 *
 * Each case is a child of its own, which exits 0 if all is as it should be, or ends by the signal that it should. Prints a line for
 * each case that does not; the exit status is how many.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "abi/exo.h"

#define PAGE 4096ul
#define PAGE_FAULTS (1ul << 14)
#define DIVISIONS 1ul
#define INTEGERS __attribute__((target("general-regs-only")))

static long kernel_call(long number, unsigned long a, unsigned long b, unsigned long c)
{
    long result;

    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static long limit(const void *start, unsigned long rights)
{
    return kernel_call(EXO_LIMIT, (unsigned long)start, 1, rights);
}

/* ---- the handler ---- */

static struct exo_trap *const trap = (struct exo_trap *)LIB_TRAP;
static bool (*handle)(void); /* false: passes it on */
static volatile unsigned caught;
extern char upcall[];
bool handle_trap(void);

INTEGERS bool handle_trap(void)
{
    caught++;
    return handle();
}

/* As workloads/barrier.S, and with the jump that passes a trap on: to trap->pass, with RCX and R11 lost. */
__asm__(".text\n"
        "upcall:\n"
        "   leaq -136(%rsp), %rsp\n"
        "   pushq %rax; pushq %rdi; pushq %rsi; pushq %rdx; pushq %r8; pushq %r9; pushq %r10\n"
        "   call handle_trap\n"
        "   testb %al, %al\n"
        "   popq %r10; popq %r9; popq %r8; popq %rdx; popq %rsi; popq %rdi\n"
        "   movabsq $0x600040000400, %rax\n"
        "   jz 1f\n"
        "   movq 32(%rax), %rcx\n"
        "   movq %rcx, 8(%rsp)\n"
        "   movq 48(%rax), %rcx\n"
        "   movq 56(%rax), %r11\n"
        "   pushq 40(%rax)\n"
        "   movq $0, (%rax)\n"
        "   popfq\n"
        "   popq %rax\n"
        "   ret $128\n"
        "1: movq 64(%rax), %rcx\n"
        "   popq %rax\n"
        "   leaq 136(%rsp), %rsp\n"
        "   jmp *%rcx\n");
_Static_assert(LIB_TRAP == 0x600040000400 && TRAP_RIP == 32 && TRAP_RFLAGS == 40 && TRAP_RCX == 48 && TRAP_R11 == 56 &&
                   offsetof(struct exo_trap, pass) == 64, "upcall");

static void install(bool (*function)(void), unsigned long exceptions)
{
    handle = function;
    caught = 0;
    if (kernel_call(EXO_HANDLER, (unsigned long)upcall, exceptions, 0) != 0)
        _exit(100);
}

INTEGERS static bool accept_it(void)
{
    return true;
}

INTEGERS static bool pass_on(void)
{
    return false;
}

/* ---- memory ---- */

static char *pages(int prot)
{
    char *start = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    start[0] = start[PAGE] = 1;
    mprotect(start, 2 * PAGE, prot);
    return start;
}

static char *data(void)
{
    return pages(PROT_READ | PROT_WRITE);
}

static __attribute__((noinline)) void put(char *at, char value)
{
    *(volatile char *)at = value;
}

static char get(const char *at)
{
    return *(volatile const char *)at;
}

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

static int once(void)
{
    char *page = data();

    install(accept_it, EXO_LIMITS);
    limit(page, EXO_READ | EXO_ONCE);
    put(page, 5);
    put(page, 6);
    return caught != 1 || get(page) != 6;
}

static int no_access(void)
{
    char *page = data();

    install(accept_it, EXO_LIMITS);
    limit(page, EXO_ONCE);
    return get(page) != 1 || caught != 1 || trap->address != (unsigned long)page || trap->vector != 14 ||
           !(trap->error & EXO_FAULT_LIMITED);
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
        put(page, 2); /* the frame is its parent's too: the limit denies nothing that sharing does not, and raises nothing */
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
    long pid = kernel_call(57, 0, 0, 0); /* fork */

    return pid == 0 || kernel_call(61, (unsigned long)pid, (unsigned long)&fork_status, 0) == pid; /* wait4, no options: R10 is 0 */
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

static volatile int signal_code;

static void on_segv(__attribute__((unused)) int number, siginfo_t *info, __attribute__((unused)) void *context)
{
    signal_code = info->si_code;
    kernel_call(EXO_LIMIT, (unsigned long)info->si_addr & ~(PAGE - 1), 1, EXO_RIGHTS_ALL);
}

/* A limit without a handler is as mprotect. */
static int signalled(void)
{
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO};
    char *page = data();

    sigaction(SIGSEGV, &action, NULL);
    limit(page, EXO_READ | EXO_ONCE);
    put(page, 4);
    return signal_code != SEGV_ACCERR || get(page) != 4;
}

/* ---- what a limit means to others ---- */

static int services(void)
{
    char *page = data(), *other = data();
    int pipes[2];

    if (pipe(pipes) != 0)
        return 1;
    install(accept_it, EXO_LIMITS);
    limit(page, EXO_READ | EXO_ONCE);
    limit(other, 0);
    if (write(pipes[1], page, 1) != 1 || read(pipes[0], page, 1) != -1 || errno != EFAULT)
        return 2;
    if (write(pipes[1], other, 1) != -1 || errno != EFAULT)
        return 3;
    return caught != 0;
}

/* The limit stays when rights change, and goes with the mapping. */
static int lifetime(void)
{
    char *page = data();

    install(accept_it, EXO_LIMITS);
    limit(page, EXO_READ | EXO_ONCE);
    mprotect(page, PAGE, PROT_READ);
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    put(page, 1);
    if (caught != 1)
        return 1;
    limit(page, EXO_READ | EXO_ONCE);
    if (mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != page)
        return 2;
    put(page, 1);
    return caught != 1;
}

/* ---- what it cannot do ---- */

static int more_than_mprotect(void)
{
    char *page = pages(PROT_READ);

    limit(page, EXO_RIGHTS_ALL);
    put(page, 2);
    return 1;
}

static int execute_data(void)
{
    char *page = data();

    page[0] = (char)0xc3;
    limit(page, EXO_RIGHTS_ALL);
    ((void (*)(void))page)();
    return 1;
}

static int a_shared_frame(void)
{
    char *page = data();
    int status;

    if (fork() == 0) {
        limit(page, EXO_RIGHTS_ALL);
        put(page, 7);
        _exit(get(page) != 7);
    }
    wait(&status);
    return status != 0 || get(page) != 1;
}

static int a_cached_page(void)
{
    int file = open("limits", O_CREAT | O_TRUNC | O_RDWR, 0600);
    char *page = data(), *other;

    if (file < 0 || write(file, page, PAGE) != PAGE || unlink("limits") != 0)
        return 1;
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    other = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
    if (get(page) != 1 || get(other) != 1)
        return 2;
    limit(page, EXO_RIGHTS_ALL);
    put(page, 9);
    return get(page) != 9 || get(other) != 1;
}

static int bad_arguments(void)
{
    char *page = data();
    unsigned long at = (unsigned long)page;

    return kernel_call(EXO_HANDLER, 1ul << 47, PAGE_FAULTS, 0) != -EINVAL ||
           kernel_call(EXO_HANDLER, ~0ul, PAGE_FAULTS, 0) != -EINVAL ||
           kernel_call(EXO_HANDLER, (unsigned long)upcall, EXO_LIMITS << 1, 0) != -EINVAL ||
           kernel_call(EXO_LIMIT, at + 1, 1, EXO_READ) != -EINVAL || kernel_call(EXO_LIMIT, at, 1, 16) != -EINVAL ||
           kernel_call(EXO_LIMIT, LIB_IMAGE, 1, 0) != -EINVAL || kernel_call(EXO_LIMIT, LIB_PRIVATE, 1, 0) != -EINVAL ||
           kernel_call(EXO_LIMIT, 0, 1ul << 47, 0) != -EINVAL || kernel_call(EXO_LIMIT, 1ul << 47, 1, 0) != -EINVAL ||
           kernel_call(EXO_LIMIT, 0xffff800000000000ul, 1, 0) != -EINVAL;
}

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

static const struct test {
    const char *name;
    int (*run)(void);
    int signal;
} tests[] = {
    {"unprotected by call", by_call, 0},
    {"limited for one trap", once, 0},
    {"no access", no_access, 0},
    {"another exception", division, 0},
    {"passed on", passed_on, 0},
    {"a fault in the handler", nested, 0},
    {"a child's", inherited, 0},
    {"fork in the handler", forked_in_handler, 0},
    {"a limit without a handler", signalled, 0},
    {"services", services, 0},
    {"how long a limit lasts", lifetime, 0},
    {"more than mprotect gave", more_than_mprotect, SIGSEGV},
    {"executes data", execute_data, SIGSEGV},
    {"writes to a shared frame", a_shared_frame, 0},
    {"writes to a cached page", a_cached_page, 0},
    {"bad arguments", bad_arguments, 0},
    {"a handler that is not there", handler_nowhere, SIGSEGV},
    {"a handler among the library's data", handler_in_the_library, SIGSEGV},
    {"a crash in the handler", handler_crashes, SIGSEGV},
    {"a trap in the handler", handler_traps_itself, SIGSEGV},
    {"what nobody wants", nobody_wants_it, SIGSEGV},
    {"traps for ever", for_ever, SIGALRM},
    {"after exec", gone_after_exec, 0},
};

static bool is_as_expected(const struct test *test)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(test->run());
    waitpid(pid, &status, 0);
    if (test->signal ? WIFSIGNALED(status) && WTERMSIG(status) == test->signal : status == 0)
        return true;
    printf("%s: wait status %#x\n", test->name, (unsigned)status);
    return false;
}

int main(int argc, char **argv)
{
    int failures = 0;

    self = argv[0];
    if (argc > 1 && strcmp(argv[1], "fresh") == 0)
        return fresh();
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        failures += !is_as_expected(&tests[i]);
    printf("%zu cases\n", sizeof(tests) / sizeof(tests[0]));
    return failures;
}
