/* SPDX-License-Identifier: MIT
 *
 * sim/cli/pool.h: work in processes of its own, several at once.
 *
 * Each piece of work is done in a fork: it sees the caller's memory as it was, changes none of it, and answers in
 * bytes. A process that dies takes nobody with it. What it says on standard error is dropped: the answer is the answer.
 */
#ifndef RINGSIDE_SIM_CLI_POOL_H
#define RINGSIDE_SIM_CLI_POOL_H

#include <stddef.h>

struct pool_answer {
    char *data; /* malloc'd; the caller's to free */
    size_t bytes;
    int status; /* of the process, as waitpid has it; 0: it ended well */
    int why;    /* errno, if it could not be started */
};

struct pool {
    /* In a process of its own: writes the answer to descriptor `out`, returns the exit status. */
    int (*work)(void *ctx, size_t index, int out);
    /* In the caller, after each answer and every now and then between them; may be NULL. */
    void (*progress)(void *ctx, size_t done, size_t count);
    void *ctx;
    unsigned workers; /* at most as many at once; 0: as many as the host has CPUs for us */
};

/* Does the work of 0 … count - 1, begun in this order. */
void pool_run(const struct pool *pool, struct pool_answer *answers, size_t count);

#endif
