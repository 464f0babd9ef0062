/* SPDX-License-Identifier: MIT
 *
 * workloads/prot.c: memory protection as a program uses it (a garbage collector's write
 * barrier, a checkpoint): protect a page, write to it, let the SIGSEGV handler unprotect it,
 * return and retry. lmbench's lat_sig prot, with the handler doing its work.
 */
#include <signal.h>
#include <sys/mman.h>

#include "workloads/region.h"

#define PAGE 4096ul

static char *page;
static volatile unsigned long caught;

static void unprotect(int signal, siginfo_t *info, void *context)
{
    if (info->si_addr != page || mprotect(page, PAGE, PROT_READ | PROT_WRITE) != 0)
        _Exit(1);
    caught++;
}

static void protect_write(unsigned long ops)
{
    for (unsigned long i = 0; i < ops; i++) {
        require(mprotect(page, PAGE, PROT_READ) == 0, "mprotect");
        *(volatile unsigned long *)page = i;
    }
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "prot");
    struct sigaction action = {.sa_sigaction = unprotect, .sa_flags = SA_SIGINFO};

    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(page != MAP_FAILED, "mmap");
    require(sigaction(SIGSEGV, &action, NULL) == 0, "sigaction");
    protect_write(32);
    caught = 0;
    region_begin();
    protect_write(ops);
    region_end(ops);
    require(caught == ops && *(unsigned long *)page == ops - 1, "a write was lost");
    printf("prot: %lu writes caught\n", caught);
    return 0;
}
