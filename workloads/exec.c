/* SPDX-License-Identifier: MIT
 *
 * workloads/exec.c: fork(), execve() of a small static program, its exit(), wait4(): what a
 * shell does for each command. lmbench's lat_proc exec.
 *
 * The program executed is this one again, with the argument "child": it goes through the
 * C library's start-up and leaves.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "workloads/region.h"

#define CHILD_STATUS 7

static void exec_wait(const char *self, unsigned long ops)
{
    char *const arguments[] = {(char *)self, "child", NULL};
    char *const environment[] = {NULL};

    for (unsigned long i = 0; i < ops; i++) {
        pid_t child = fork();
        int status;

        require(child >= 0, "fork");
        if (child == 0) {
            execve(self, arguments, environment);
            _exit(127);
        }
        require(waitpid(child, &status, 0) == child && WIFEXITED(status), "waitpid");
        require(WEXITSTATUS(status) == CHILD_STATUS, self);
    }
}

int main(int argc, char **argv)
{
    unsigned long ops;

    if (argc > 1 && strcmp(argv[1], "child") == 0)
        return CHILD_STATUS;
    ops = operations(argc, argv, "exec");
    exec_wait(argv[0], 8);
    region_begin();
    exec_wait(argv[0], ops);
    region_end(ops);
    printf("exec: %lu children, all left with status %d\n", ops, CHILD_STATUS);
    return 0;
}
