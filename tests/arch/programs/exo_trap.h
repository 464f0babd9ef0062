/* SPDX-License-Identifier: MIT
 *
 * tests/arch/programs/exo_trap.h: for programs that have their own exceptions under the exokernel (abi/exo.h,
 * EXO_HANDLER and EXO_LIMIT): a handler, pages, and cases.
 *
 * Each case is a child of its own, which exits 0 if all is as it should be, or ends by the signal that it should. A
 * line is printed for each case that does not; run_cases answers how many.
 */
#ifndef RINGSIDE_TESTS_ARCH_EXO_TRAP_H
#define RINGSIDE_TESTS_ARCH_EXO_TRAP_H

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

static inline long kernel_call(long number, unsigned long a, unsigned long b, unsigned long c)
{
    long result;

    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static inline long limit(const void *start, unsigned long rights)
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

static inline void install(bool (*function)(void), unsigned long exceptions)
{
    handle = function;
    caught = 0;
    if (kernel_call(EXO_HANDLER, (unsigned long)upcall, exceptions, 0) != 0)
        _exit(100);
}

INTEGERS static inline bool accept_it(void)
{
    return true;
}

INTEGERS static inline bool pass_on(void)
{
    return false;
}

/* ---- memory ---- */

static inline char *pages(int prot)
{
    char *start = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    start[0] = start[PAGE] = 1;
    mprotect(start, 2 * PAGE, prot);
    return start;
}

static inline char *data(void)
{
    return pages(PROT_READ | PROT_WRITE);
}

static __attribute__((noinline, unused)) void put(char *at, char value)
{
    *(volatile char *)at = value;
}

static inline char get(const char *at)
{
    return *(volatile const char *)at;
}

/* ---- cases ---- */

struct test {
    const char *name;
    int (*run)(void);
    int signal; /* 0: it exits 0 */
};

static inline bool is_as_expected(const struct test *test)
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

static inline int run_cases(const struct test *tests, size_t count)
{
    int failures = 0;

    for (size_t i = 0; i < count; i++)
        failures += !is_as_expected(&tests[i]);
    printf("%zu cases\n", count);
    return failures;
}

#endif
