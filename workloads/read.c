/* SPDX-License-Identifier: MIT
 *
 * workloads/read.c: 4 KiB of a file that the kernel has in its cache.
 *
 * pread64, so that an operation is one call and not a read and a seek; over 64 KiB, so
 * that source lines come from beyond L1.
 */
#include <fcntl.h>
#include <unistd.h>

#include "workloads/region.h"

#define BLOCK 4096
#define BLOCKS 16

static char buffer[BLOCK];

static unsigned long read_blocks(int fd, unsigned long ops)
{
    unsigned long hash = FNV_START;

    for (unsigned long i = 0; i < ops; i++) {
        require(pread(fd, buffer, BLOCK, (off_t)(i % BLOCKS) * BLOCK) == BLOCK, "pread data/block.dat");
        hash = fnv(hash, buffer, 8);
    }
    return hash;
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "read"), hash;
    int fd = open("data/block.dat", O_RDONLY);

    require(fd >= 0, "open data/block.dat");
    read_blocks(fd, 2 * BLOCKS);
    region_begin();
    hash = read_blocks(fd, ops);
    region_end(ops);
    printf("read: %lu blocks, first words %016lx, last block %016lx\n", ops, hash, fnv(FNV_START, buffer, BLOCK));
    return 0;
}
