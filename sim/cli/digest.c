/* SPDX-License-Identifier: MIT
 *
 * sim/cli/digest.c: see digest.h; nettle does the work.
 */
#include "sim/cli/digest.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void hash_start(struct hasher *h)
{
    sha256_init(&h->sha);
}

void hash_part(struct hasher *h, const char *label, const void *data, size_t bytes)
{
    uint64_t length = bytes;

    sha256_update(&h->sha, strlen(label) + 1, (const uint8_t *)label);
    sha256_update(&h->sha, sizeof length, (const uint8_t *)&length);
    if (bytes)
        sha256_update(&h->sha, bytes, data);
}

void hash_text(struct hasher *h, const char *label, const char *text)
{
    hash_part(h, label, text, strlen(text));
}

void hash_number(struct hasher *h, const char *label, uint64_t number)
{
    hash_part(h, label, &number, sizeof number);
}

/* `fd` is open; files of no length cannot be mapped. */
static bool hash_mapped(struct hasher *h, const char *label, int fd)
{
    struct stat st;
    void *data;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    if (st.st_size == 0)
        return hash_part(h, label, "", 0), true;
    data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return false;
    hash_part(h, label, data, (size_t)st.st_size);
    munmap(data, (size_t)st.st_size);
    return true;
}

bool hash_file(struct hasher *h, const char *label, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool good;

    if (fd < 0)
        return false;
    good = hash_mapped(h, label, fd);
    close(fd);
    return good;
}

void hash_end(struct hasher *h, struct digest *digest)
{
    sha256_digest(&h->sha, sizeof digest->byte, digest->byte);
}

struct digest digest_of(const void *data, size_t bytes)
{
    struct hasher h;
    struct digest digest;

    hash_start(&h);
    hash_part(&h, "", data, bytes);
    hash_end(&h, &digest);
    return digest;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->byte, b->byte, sizeof a->byte) == 0;
}

void digest_text(const struct digest *digest, char text[DIGEST_TEXT_MAX])
{
    for (size_t i = 0; i < sizeof digest->byte; i++)
        snprintf(text + 2 * i, 3, "%02x", digest->byte[i]);
}
