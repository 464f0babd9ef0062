/* SPDX-License-Identifier: MIT
 *
 * tools/measure.c: what a command cost the host. Used by tools/bench.sh, so that no package is needed for it.
 *
 * Usage: measure FILE COMMAND [ARGUMENT…]. Runs the command and writes one line to FILE: wall seconds, CPU seconds
 * (user and system), and its largest resident set in KiB. Exits as the command did; 127 if it could not be started.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct rusage usage;
    double start = now();
    FILE *file;
    int status;
    pid_t child;

    if (argc < 3) {
        fputs("usage: measure FILE COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child)
        return 127;
    file = fopen(argv[1], "w");
    if (file == NULL ||
        fprintf(file, "%.3f %.3f %ld\n", now() - start, seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime),
                usage.ru_maxrss) < 0 ||
        fclose(file) != 0)
        return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
