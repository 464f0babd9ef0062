/* SPDX-License-Identifier: MIT
 *
 * reread FILES PASSES [keep]: makes FILES files of 8 MiB, then maps and reads all of them PASSES times, and checks each
 * page.
 *
 * Between two passes nothing is mapped: what stays in memory is a cache, which costs nothing but time to lose. With
 * `keep` all stays mapped, until two seconds later; it is a cache nevertheless.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 2048 /* of a file */
#define FILES_MAX 16
#define STEP 64    /* words between those that are checked */

static unsigned long wrong;
static const uint64_t *kept[FILES_MAX];

static uint64_t word_at(int file, unsigned page, unsigned at)
{
    return ((uint64_t)file << 40 | (uint64_t)page << 16 | at) * 0x9e3779b97f4a7c15;
}

static int open_file(int file, int flags)
{
    char name[32];
    int fd;

    snprintf(name, sizeof name, "/tmp/reread.%d", file);
    fd = open(name, flags, 0600);
    if (fd < 0)
        perror(name);
    return fd;
}

static void make_file(int file)
{
    int fd = open_file(file, O_WRONLY | O_CREAT | O_TRUNC);
    uint64_t piece[PAGE / 8];

    for (unsigned page = 0; page < PAGES; page++) {
        for (unsigned i = 0; i < PAGE / 8; i++)
            piece[i] = word_at(file, page, i);
        wrong += write(fd, piece, sizeof piece) != sizeof piece;
    }
    close(fd);
}

static const uint64_t *map_file(int file)
{
    int fd = open_file(file, O_RDONLY);
    const uint64_t *words = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

    close(fd);
    if (words != MAP_FAILED)
        return words;
    perror("mmap");
    exit(2);
}

static void check_file(int file, bool keep)
{
    const uint64_t *words = kept[file] ? kept[file] : map_file(file);

    for (unsigned page = 0; page < PAGES; page++)
        for (unsigned i = 0; i < PAGE / 8; i += STEP)
            wrong += words[page * (PAGE / 8) + i] != word_at(file, page, i);
    if (keep)
        kept[file] = words;
    else
        munmap((void *)words, PAGES * PAGE);
}

int main(int argc, char **argv)
{
    int files = argc > 1 ? atoi(argv[1]) % FILES_MAX : 1, passes = argc > 2 ? atoi(argv[2]) : 1;

    for (int file = 0; file < files; file++)
        make_file(file);
    for (int pass = 0; pass < passes; pass++)
        for (int file = 0; file < files; file++)
            check_file(file, argc > 3);
    if (argc > 3)
        sleep(2);
    printf("reread: %lu wrong\n", wrong);
    return wrong != 0;
}
