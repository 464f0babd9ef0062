/* SPDX-License-Identifier: MIT
 *
 * workloads/copy.c: copies 1 MiB files through the disk: the block device, its interrupts,
 * the buffer cache and the file system, with payload that matters.
 *
 * Cold means: an operation copies a file that nobody has opened since power on; there are
 * FILES of them, so this needs no favour from the kernel. A run of more operations reads
 * a file again after asking the kernel to drop it from its cache (posix_fadvise
 * DONTNEED), and fails if the kernel refuses rather than report warm copies as cold. The
 * copy ends with fsync(), so that its writes are part of the operation. Natively the
 * host's page cache is what it is: there only the output counts.
 */
#include <fcntl.h>
#include <unistd.h>

#include "workloads/region.h"

#define FILES 8
#define BUFFER 65536
#define TARGET "tmp/copy.out"

static char buffer[BUFFER] __attribute__((aligned(4096))); /* so that whole pages can be moved, where that helps */

static int open_source(const char *name)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "data/copy/%s", name);
    fd = open(path, O_RDONLY);
    require(fd >= 0, path);
    return fd;
}

static void copy_file(int from, int to)
{
    ssize_t n;

    while ((n = read(from, buffer, BUFFER)) > 0)
        require(write(to, buffer, (size_t)n) == n, "write " TARGET);
    require(n == 0, "read data/copy");
    require(fsync(to) == 0, "fsync " TARGET);
}

static void copy_named(const char *name, int drop)
{
    int from = open_source(name), to = open(TARGET, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    require(to >= 0, "open " TARGET);
    copy_file(from, to);
    if (drop)
        require(posix_fadvise(from, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise data/copy");
    close(from);
    close(to);
}

static void copy_files(unsigned long ops)
{
    for (unsigned long i = 0; i < ops; i++) {
        char name[2] = {(char)('0' + i % FILES), '\0'};

        copy_named(name, ops > FILES);
    }
}

static void print_target(unsigned long ops)
{
    unsigned long hash = FNV_START, bytes = 0;
    int fd = open(TARGET, O_RDONLY);
    ssize_t n;

    require(fd >= 0, "open " TARGET);
    while ((n = read(fd, buffer, BUFFER)) > 0) {
        hash = fnv(hash, buffer, (size_t)n);
        bytes += (unsigned long)n;
    }
    require(n == 0 && close(fd) == 0, "read " TARGET);
    printf("copy: %lu files, the last of %lu bytes, %016lx\n", ops, bytes, hash);
}

int main(int argc, char **argv)
{
    unsigned long ops = operations(argc, argv, "copy");

    copy_named("warm", 0);
    region_begin();
    copy_files(ops);
    region_end(ops);
    print_target(ops);
    require(unlink(TARGET) == 0, "unlink " TARGET);
    return 0;
}
