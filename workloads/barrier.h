/* SPDX-License-Identifier: MIT
 *
 * workloads/barrier.h: pages whose first write calls a function of the program: a garbage collector's write barrier, a
 * checkpoint, shared memory in software (Appel and Li, "Virtual Memory Primitives for User Programs", ASPLOS 1991).
 *
 * barrier_install(handler) once, barrier_protect(start, bytes) as often as liked. A write to a protected page calls the
 * handler with its address; then the page can be written again, and the write is done. barrier_close(start, bytes) is
 * for good: the handler must send the program elsewhere (*rip).
 *
 * On Linux that is mprotect() and a handler of SIGSEGV. An exokernel lets a program have its own faults (abi/exo.h):
 * then the handler is the kernel's upcall, no signal, and pages are limited for one trap each, so that there is nothing
 * to unprotect. Who does not know the call's number has no such thing. The program is the same everywhere.
 */
#ifndef RINGSIDE_WORKLOADS_BARRIER_H
#define RINGSIDE_WORKLOADS_BARRIER_H

#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "abi/exo.h"
#include "workloads/region.h"

#define BARRIER_PAGE 4096ul

/* Only integer registers are saved around a handler. */
#define BARRIER_HANDLER __attribute__((target("general-regs-only")))
typedef void barrier_handler(char *address, unsigned long *rip);

static struct {
    barrier_handler *handler;
    bool is_upcall;
} barrier;

/* ---- by upcall ---- */

/* barrier.S: an upcall of the kernel's, which calls barrier_trap. */
extern char barrier_upcall[];
void barrier_trap(struct exo_trap *trap);

BARRIER_HANDLER void barrier_trap(struct exo_trap *trap)
{
    barrier.handler((char *)trap->address, &trap->rip);
}

static long barrier_kernel_call(long number, unsigned long a, unsigned long b, unsigned long c)
{
    long result;

    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

/* ---- by signal ---- */

static void barrier_signal(int signal, siginfo_t *info, void *context)
{
    greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP], before = *rip;
    char *page = (char *)((unsigned long)info->si_addr & ~(BARRIER_PAGE - 1));

    barrier.handler(info->si_addr, (unsigned long *)rip);
    if (*rip == before && mprotect(page, BARRIER_PAGE, PROT_READ | PROT_WRITE) != 0)
        _Exit(1);
}

/* ---- for programs ---- */

static inline void barrier_install(barrier_handler *handler)
{
    struct sigaction action = {.sa_sigaction = barrier_signal, .sa_flags = SA_SIGINFO};

    barrier.handler = handler;
    barrier.is_upcall = barrier_kernel_call(EXO_HANDLER, (unsigned long)barrier_upcall, EXO_LIMITS, 0) == 0;
    require(barrier.is_upcall || sigaction(SIGSEGV, &action, NULL) == 0, "sigaction");
}

static inline bool barrier_set(char *start, unsigned long bytes, bool once)
{
    unsigned long rights = EXO_READ | (once ? EXO_ONCE : 0);

    if (!barrier.is_upcall)
        return mprotect(start, bytes, PROT_READ) == 0;
    return barrier_kernel_call(EXO_LIMIT, (unsigned long)start, bytes / BARRIER_PAGE, rights) == 0;
}

static inline bool barrier_protect(char *start, unsigned long bytes)
{
    return barrier_set(start, bytes, true);
}

static inline bool barrier_close(char *start, unsigned long bytes)
{
    return barrier_set(start, bytes, false);
}

/* Private pages that can be written, and have been. */
static inline char *barrier_pages(unsigned long count)
{
    char *start = mmap(NULL, count * BARRIER_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    require(start != MAP_FAILED, "mmap");
    for (unsigned long i = 0; i < count; i++)
        start[i * BARRIER_PAGE] = 0;
    return start;
}

#endif
