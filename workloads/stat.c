/* SPDX-License-Identifier: MIT
 *
 * workloads/stat.c: path resolution and the attributes of a file, without touching its data.
 */
#include <sys/stat.h>

#include "workloads/region.h"

#define PATH "data/tree/leaf"

static unsigned long stat_sum(unsigned long ops)
{
    unsigned long sum = 0;
    struct stat st;

    for (unsigned long i = 0; i < ops; i++) {
        require(stat(PATH, &st) == 0, "stat " PATH);
        sum += (unsigned long)st.st_size;
    }
    return sum;
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "stat"), sum;

    stat_sum(64);
    region_begin();
    sum = stat_sum(ops);
    region_end(ops);
    printf("stat: %lu times a file of %lu bytes\n", ops, sum / ops);
    return 0;
}
