/* SPDX-License-Identifier: MIT
 *
 * workloads/data/generate.c: makes the workloads' input data, the same bytes on every host.
 *
 * Usage: generate DIRECTORY, an existing folder. Writes
 *     log.txt      1000 lines of a web server's log, for shell
 *     block.dat    64 KiB, for read
 *     tree/leaf    a small file two folders down, for stat and open
 *     copy/0…7     1 MiB each, and copy/warm of 64 KiB, for copy
 * Random numbers are xorshift64 with a fixed seed for each file. Exit status 1 and a
 * line on standard error if something cannot be written.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_LINES 1000
#define BLOCK_BYTES 65536
#define COPY_BYTES (1 << 20)
#define COPY_FILES 8

static void fail(const char *path)
{
    fprintf(stderr, "generate: %s: %s\n", path, strerror(errno));
    exit(1);
}

static unsigned long next_random(unsigned long *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void make_directory(const char *base, const char *name)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", base, name);
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        fail(path);
}

static FILE *create(const char *base, const char *name)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", base, name);
    file = fopen(path, "wb");
    if (file == NULL)
        fail(path);
    return file;
}

static void finish(FILE *file, const char *name)
{
    if (ferror(file) || fclose(file) != 0)
        fail(name);
}

/* `bytes` of noise; a multiple of 8. */
static void write_noise(const char *base, const char *name, size_t bytes, unsigned long seed)
{
    FILE *file = create(base, name);

    for (size_t i = 0; i < bytes; i += sizeof(seed)) {
        unsigned long word = next_random(&seed);

        fwrite(&word, sizeof(word), 1, file);
    }
    finish(file, name);
}

static void write_log(const char *base, const char *name)
{
    static const char *const methods[] = {"GET", "GET", "GET", "HEAD", "POST"};
    static const char *const paths[] = {"/index.html", "/news/today.html", "/images/logo.png", "/search",
                                        "/login",      "/api/v1/parts",    "/robots.txt"};
    static const int statuses[] = {200, 200, 200, 200, 200, 304, 304, 404, 500, 503};
    FILE *file = create(base, name);
    unsigned long seed = 2463534242ul;

    for (int i = 0; i < LOG_LINES; i++) {
        const char *method = methods[next_random(&seed) % 5], *path = paths[next_random(&seed) % 7];
        unsigned client = (unsigned)(next_random(&seed) % 40);

        fprintf(file, "%s 10.0.%u.%u %s %d %lu\n", method, client % 4, client, path, statuses[next_random(&seed) % 10],
                next_random(&seed) % 20000);
    }
    finish(file, name);
}

static void write_leaf(const char *base, const char *name)
{
    FILE *file = create(base, name);

    fputs("a leaf\n", file);
    finish(file, name);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: generate DIRECTORY\n", stderr);
        return 2;
    }
    make_directory(argv[1], "tree");
    make_directory(argv[1], "copy");
    write_log(argv[1], "log.txt");
    write_leaf(argv[1], "tree/leaf");
    write_noise(argv[1], "block.dat", BLOCK_BYTES, 1);
    write_noise(argv[1], "copy/warm", BLOCK_BYTES, 2);
    for (unsigned i = 0; i < COPY_FILES; i++) {
        char name[] = {'c', 'o', 'p', 'y', '/', (char)('0' + i), '\0'};

        write_noise(argv[1], name, COPY_BYTES, 100 + i);
    }
    return 0;
}
