/* SPDX-License-Identifier: MIT
 *
 * workloads/pipe.c: one byte to another process and one back: two switches of process,
 * four calls, almost no data. lmbench's lat_pipe.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "workloads/region.h"

/* The other process: answers each byte with the next number, until end of file. */
static void echo(int from, int to)
{
    unsigned char byte;

    while (read(from, &byte, 1) == 1) {
        byte++;
        require(write(to, &byte, 1) == 1, "write");
    }
    _exit(0);
}

static unsigned char ping_pong(int to, int from, unsigned long ops)
{
    unsigned char byte = 0;

    for (unsigned long i = 0; i < ops; i++)
        require(write(to, &byte, 1) == 1 && read(from, &byte, 1) == 1, "ping-pong");
    return byte;
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "pipe");
    int there[2], back[2], status;
    unsigned char last;
    pid_t child;

    require(pipe(there) == 0 && pipe(back) == 0, "pipe");
    child = fork();
    require(child >= 0, "fork");
    if (child == 0) {
        close(there[1]);
        close(back[0]);
        echo(there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    ping_pong(there[1], back[0], 32);
    region_begin();
    last = ping_pong(there[1], back[0], ops);
    region_end(ops);
    close(there[1]);
    require(waitpid(child, &status, 0) == child && status == 0, "child");
    require(last == (unsigned char)ops, "a byte was lost");
    printf("pipe: %lu round trips, last byte %u\n", ops, last);
    return 0;
}
