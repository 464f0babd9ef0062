/* SPDX-License-Identifier: MIT
 *
 * tests/arch/programs/exo_limits.c: limits of a program's own pages: what they mean to it and to services, and what
 * they never give.
 */
#include "tests/arch/programs/exo_trap.h"

/* ---- what they mean ---- */

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

/* ---- what they never give ---- */

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

/* ---- all cases ---- */

static const struct test tests[] = {
    {"limited for one trap", once, 0},
    {"no access", no_access, 0},
    {"a limit without a handler", signalled, 0},
    {"services", services, 0},
    {"how long a limit lasts", lifetime, 0},
    {"more than mprotect gave", more_than_mprotect, SIGSEGV},
    {"executes data", execute_data, SIGSEGV},
    {"writes to a shared frame", a_shared_frame, 0},
    {"writes to a cached page", a_cached_page, 0},
    {"bad arguments", bad_arguments, 0},
};

int main(void)
{
    return run_cases(tests, sizeof(tests) / sizeof(tests[0]));
}
