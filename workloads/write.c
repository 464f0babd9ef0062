/* SPDX-License-Identifier: MIT
 *
 * workloads/write.c: a block (4 KiB) to a file that the kernel has in its cache.
 *
 * The blocks exist already, so nothing is allocated: a call moves one payload. Whether
 * and when the kernel writes back is its own affair.
 */
#include <fcntl.h>
#include <unistd.h>

#include "workloads/region.h"

#define BLOCK_MAX 65536
#define BLOCKS 16
#define PATH "tmp/write.dat"

static char buffer[BLOCK_MAX];
static size_t block;

static void write_blocks(int fd, unsigned long ops)
{
    for (unsigned long i = 0; i < ops; i++) {
        memcpy(buffer, &i, sizeof(i));
        require(pwrite(fd, buffer, block, (off_t)(i % BLOCKS) * (off_t)block) == (ssize_t)block, "pwrite " PATH);
    }
}

/* The fingerprint of the file as it reads back. */
static unsigned long file_hash(int fd)
{
    unsigned long hash = FNV_START;

    for (int i = 0; i < BLOCKS; i++) {
        require(pread(fd, buffer, block, (off_t)i * (off_t)block) == (ssize_t)block, "pread " PATH);
        hash = fnv(hash, buffer, block);
    }
    return hash;
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "write");
    int fd = open(PATH, O_RDWR | O_CREAT | O_TRUNC, 0644);

    require(fd >= 0, "open " PATH);
    block = parameter(argc, argv, "write", "bytes");
    memset(buffer, 'w', block);
    write_blocks(fd, 2 * BLOCKS);
    region_begin();
    write_blocks(fd, ops);
    region_end(ops);
    printf("write: %lu blocks, file %016lx\n", ops, file_hash(fd));
    require(unlink(PATH) == 0, "unlink " PATH);
    return 0;
}
