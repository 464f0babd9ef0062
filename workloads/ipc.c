/* SPDX-License-Identifier: MIT
 *
 * workloads/ipc.c: a call of another process and its answer, through an endpoint of a kernel that has such things (abi/ipc.h).
 * The null call of a microkernel between two programs: no file, no pipe, five words there and one back.
 *
 * A kernel without IPC does not know the call numbers. Then there is nothing to measure, which is no failure: the
 * workload says so to the instrument, prints the same line, and ends.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/ipc.h"
#include "workloads/region.h"

/* An answer differs from its question, so that a lost message shows. */
#define ANSWER(question) ((question) * 3 + 1)

static long ipc(long number, unsigned long *a, unsigned long *b, unsigned long c)
{
    long result;

    __asm__ volatile("syscall" : "=a"(result), "+D"(*a), "+S"(*b) : "0"(number), "d"(c) : "rcx", "r8", "r9", "r10", "r11", "memory");
    return result;
}

static long ask(unsigned long endpoint, unsigned long question)
{
    return ipc(IPC_CALL, &endpoint, &question, 0);
}

/* The other process: answers until it is killed. */
static void serve(unsigned long endpoint)
{
    unsigned long word = endpoint, unused = 0, handle, answer;
    long label = ipc(IPC_WAIT, &word, &unused, 0);

    while (label > 0 && LABEL_KIND(label) == MSG_PLAIN) {
        handle = LABEL_HANDLE(label);
        answer = ANSWER(word);
        label = ipc(IPC_REPLY_WAIT, &handle, &answer, endpoint);
        word = handle; /* RDI: the first word of the next message */
    }
    _exit(1);
}

static void ask_all(unsigned long endpoint, unsigned long ops)
{
    for (unsigned long i = 0; i < ops; i++)
        require(ask(endpoint, i) == (long)ANSWER(i), "call");
}

static void measure(unsigned long endpoint, unsigned long ops)
{
    pid_t child = fork();
    int status;

    require(child >= 0, "fork");
    if (child == 0)
        serve(endpoint);
    ask_all(endpoint, 32);
    region_begin();
    ask_all(endpoint, ops);
    region_end(ops);
    require(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child, "child");
    require(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "child's end");
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "ipc"), unused = 0, none = 0;
    long endpoint = ipc(IPC_ENDPOINT, &unused, &none, 0);

    if (endpoint == -ENOSYS)
        probe(PROBE_WARN, PROBE_WARN_NOT_APPLICABLE, 0, 0);
    else
        measure((unsigned long)endpoint, ops);
    printf("ipc: %lu round trips, where there is IPC\n", ops);
    return 0;
}
