/* SPDX-License-Identifier: MIT
 *
 * workloads/open.c: open() and close(): path resolution, a descriptor taken and given back.
 */
#include <fcntl.h>
#include <unistd.h>

#include "workloads/region.h"

#define PATH "data/tree/leaf"

/* All opens gave this descriptor, or the workload ends. */
static int open_close(unsigned long ops)
{
    int lowest = open(PATH, O_RDONLY);

    require(lowest >= 0 && close(lowest) == 0, "open " PATH);
    for (unsigned long i = 1; i < ops; i++) {
        int fd = open(PATH, O_RDONLY);

        require(fd == lowest && close(fd) == 0, "open " PATH);
    }
    return lowest;
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "open");
    int fd;

    open_close(64);
    region_begin();
    fd = open_close(ops);
    region_end(ops);
    require(fd == open_close(1), "descriptors leaked");
    printf("open: %lu times, no descriptor leaked\n", ops);
    return 0;
}
