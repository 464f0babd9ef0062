/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/show.h: how the programs of the differential suite report.
 *
 * They expect nothing themselves: they do something and print what came back; the host's
 * Linux, running the same file, says what is right. So nothing may be printed that may
 * differ between two right answers: no process id, address, time, inode number, order of
 * a directory, uid.
 */
#ifndef RINGSIDE_TESTS_LINUX_SHOW_H
#define RINGSIDE_TESTS_LINUX_SHOW_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* One line: the expression's text, and its value or the errno it failed with. */
#define SHOW(expression) (errno = 0, show_result(#expression, (long)(expression)))

static inline long show_result(const char *what, long result)
{
    if (result == -1 && errno != 0)
        printf("%s: errno %d\n", what, errno);
    else
        printf("%s: %ld\n", what, result);
    return result;
}

/* A heading, also flushes, so that children do not print what a parent had buffered. */
static inline void part(const char *title)
{
    printf("-- %s\n", title);
    fflush(stdout);
}

static inline void show_status(const char *what, int status)
{
    if (WIFSIGNALED(status))
        printf("%s: killed by signal %d\n", what, WTERMSIG(status));
    else if (WIFEXITED(status))
        printf("%s: exited with %d\n", what, WEXITSTATUS(status));
    else
        printf("%s: status %x\n", what, (unsigned)status);
}

/* Runs `body` in a child; prints how it ended. The body's return value is the exit status. */
static inline void in_child(const char *what, int (*body)(void))
{
    int status = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        int result = body();

        fflush(stdout);
        _exit(result);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        printf("%s: no child, errno %d\n", what, errno);
    else
        show_status(what, status);
}

/* FNV-1a: a fingerprint of data too long to print. */
static inline unsigned long fingerprint(const void *data, size_t bytes)
{
    const unsigned char *p = data;
    unsigned long hash = 0xcbf29ce484222325ul;

    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ p[i]) * 0x100000001b3ul;
    return hash;
}

#endif
