/* SPDX-License-Identifier: MIT
 *
 * workloads/ctx.c: the price of a switch of process when each has something to lose.
 *
 * Processes in a ring pass a token by pipes; whoever holds it reads and writes its working
 * set. Eight working sets of 16 KiB, the default, are 128 KiB: beyond L1, within L2, so every
 * hop finds its TLB and first-level cache cold. lmbench's lat_ctx -s 16 8.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "workloads/region.h"

#define RING_MAX 32
#define WORDS_MAX (1048576 / sizeof(unsigned long))

static unsigned long working_set[WORDS_MAX]; /* of which pages are made when they are touched */
static unsigned long words;
static int ring;

static unsigned long touch(void)
{
    unsigned long sum = 0;

    for (size_t i = 0; i < words; i++) {
        working_set[i] += i;
        sum += working_set[i];
    }
    return sum;
}

/* A member of the ring other than the parent; ends with its predecessor. */
static void member(int from, int to)
{
    unsigned long token;

    while (read(from, &token, sizeof(token)) == sizeof(token)) {
        token += touch();
        require(write(to, &token, sizeof(token)) == sizeof(token), "write token");
    }
    _exit(0);
}

/* ends[i] is the pipe into process i. A child keeps only its own two ends. */
static void start_ring(int ends[RING_MAX][2])
{
    for (int i = 0; i < ring; i++)
        require(pipe(ends[i]) == 0, "pipe");
    for (int i = 1; i < ring; i++) {
        pid_t child = fork();

        require(child >= 0, "fork");
        if (child > 0)
            continue;
        for (int k = 0; k < ring; k++) {
            if (k != i)
                close(ends[k][0]);
            if (k != (i + 1) % ring)
                close(ends[k][1]);
        }
        member(ends[i][0], ends[(i + 1) % ring][1]);
    }
    for (int k = 0; k < ring; k++) {
        if (k != 0)
            close(ends[k][0]);
        if (k != 1)
            close(ends[k][1]);
    }
}

static unsigned long laps(int from, int to, unsigned long count, unsigned long token)
{
    for (unsigned long i = 0; i < count; i++) {
        token += touch();
        require(write(to, &token, sizeof(token)) == sizeof(token), "write token");
        require(read(from, &token, sizeof(token)) == sizeof(token), "read token");
    }
    return token;
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "ctx"), count, token;
    int ends[RING_MAX][2], status;

    ring = (int)parameter(argc, argv, "ctx", "processes");
    words = parameter(argc, argv, "ctx", "bytes") / sizeof(unsigned long);
    count = (ops + (unsigned long)ring - 1) / (unsigned long)ring;
    start_ring(ends);
    token = laps(ends[0][0], ends[1][1], 4, 0);
    region_begin();
    token = laps(ends[0][0], ends[1][1], count, token);
    region_end(count * (unsigned long)ring);
    close(ends[1][1]);
    for (int i = 1; i < ring; i++)
        require(wait(&status) > 0 && status == 0, "member");
    printf("ctx: %lu hops, token %016lx\n", count * (unsigned long)ring, token);
    return 0;
}
