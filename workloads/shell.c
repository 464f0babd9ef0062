/* SPDX-License-Identifier: MIT
 *
 * workloads/shell.c: a script that we wrote under a shell that we did not: data/shell.sh,
 * run by Debian's busybox ash.
 *
 * This wrapper exists to warm up and to mark the region. A run's output goes to a file, so
 * that the terminal is not what is measured; the last run's is printed after the region.
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workloads/region.h"

#define SHELL "bin/busybox"
#define SCRIPT "data/shell.sh"
#define OUTPUT "tmp/shell.out"

static void exec_script(void)
{
    char *const arguments[] = {"ash", SCRIPT, NULL};
    char *const environment[] = {"PATH=bin", "LC_ALL=C", NULL};
    int fd = open(OUTPUT, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd >= 0 && dup2(fd, 1) == 1 && close(fd) == 0)
        execve(SHELL, arguments, environment);
    _exit(127);
}

static void run_script(unsigned long ops)
{
    for (unsigned long i = 0; i < ops; i++) {
        pid_t child = fork();
        int status;

        require(child >= 0, "fork");
        if (child == 0)
            exec_script();
        require(waitpid(child, &status, 0) == child && status == 0, SHELL " " SCRIPT);
    }
}

static void print_output(void)
{
    char buffer[4096];
    int fd = open(OUTPUT, O_RDONLY);
    ssize_t n;

    require(fd >= 0, "open " OUTPUT);
    while ((n = read(fd, buffer, sizeof(buffer))) > 0)
        require(write(1, buffer, (size_t)n) == n, "write");
    require(n == 0 && close(fd) == 0, "read " OUTPUT);
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "shell");

    run_script(1);
    region_begin();
    run_script(ops);
    region_end(ops);
    print_output();
    require(unlink(OUTPUT) == 0, "unlink " OUTPUT);
    return 0;
}
