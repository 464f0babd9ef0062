/* SPDX-License-Identifier: MIT
 *
 * workloads/fork.c: fork(), exit() in the child, wait4() in the parent: a process is made and
 * unmade. lmbench's lat_proc fork.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "workloads/region.h"

static unsigned long fork_wait(unsigned long ops)
{
    unsigned long sum = 0;

    for (unsigned long i = 0; i < ops; i++) {
        pid_t child = fork();
        int status;

        require(child >= 0, "fork");
        if (child == 0)
            _exit((int)(i % 100));
        require(waitpid(child, &status, 0) == child && WIFEXITED(status), "waitpid");
        sum += (unsigned long)WEXITSTATUS(status);
    }
    return sum;
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "fork"), sum;

    fork_wait(8);
    region_begin();
    sum = fork_wait(ops);
    region_end(ops);
    printf("fork: %lu children, sum of statuses %lu\n", ops, sum);
    return 0;
}
