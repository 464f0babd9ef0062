/* SPDX-License-Identifier: MIT
 *
 * workloads/pipe-bw.c: bulk data through a pipe: one chunk an operation (64 KiB), written by a child and
 * read by the parent. lmbench's bw_pipe.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "workloads/region.h"

#define CHUNK_MAX 262144
#define WARM_UP 4

static unsigned char buffer[CHUNK_MAX];
static size_t chunk;

static void produce(int to, unsigned long chunks)
{
    for (unsigned long i = 0; i < chunks; i++) {
        size_t done = 0;

        buffer[0] = (unsigned char)i;
        while (done < chunk) {
            ssize_t n = write(to, buffer + done, chunk - done);

            require(n > 0, "write to pipe");
            done += (size_t)n;
        }
    }
    _exit(0);
}

/* Reads whole chunks; the sum of their first bytes. */
static unsigned long consume(int from, unsigned long chunks)
{
    unsigned long sum = 0;

    for (unsigned long i = 0; i < chunks; i++) {
        size_t done = 0;

        while (done < chunk) {
            ssize_t n = read(from, buffer + done, chunk - done);

            require(n > 0, "read from pipe");
            done += (size_t)n;
        }
        sum += buffer[0];
    }
    return sum;
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "pipe-bw"), sum;
    int ends[2], status;
    pid_t child;

    chunk = parameter(argc, argv, "pipe-bw", "bytes");
    memset(buffer, 'b', chunk);
    require(pipe(ends) == 0, "pipe");
    child = fork();
    require(child >= 0, "fork");
    if (child == 0) {
        close(ends[0]);
        produce(ends[1], WARM_UP + ops);
    }
    close(ends[1]);
    consume(ends[0], WARM_UP);
    region_begin();
    sum = consume(ends[0], ops);
    region_end(ops);
    require(read(ends[0], buffer, 1) == 0, "data after the end");
    require(waitpid(child, &status, 0) == child && status == 0, "child");
    printf("pipe-bw: %lu chunks, sum %lu, data %016lx\n", ops, sum, fnv(FNV_START, buffer + 1, chunk - 1));
    return 0;
}
