/* SPDX-License-Identifier: MIT
 *
 * services/fs/pool.c: equal pieces of memory, from whole pages; given back when the service ends.
 */
#include "services/fs/internal.h"

#define CHUNK 4096u

static int refill(struct fs *fs, struct pool *pool)
{
    uint8_t *chunk = fs->host->alloc(fs->host->ctx, CHUNK);

    if (!chunk)
        return 0;
    *(void **)chunk = pool->chunks;
    pool->chunks = chunk;
    for (uint32_t at = 16; at + pool->size <= CHUNK; at += pool->size)
        pool_put(pool, chunk + at);
    return 1;
}

void *pool_get(struct fs *fs, struct pool *pool)
{
    void *piece;

    if (!pool->free && !refill(fs, pool))
        return NULL;
    piece = pool->free;
    pool->free = *(void **)piece;
    memset(piece, 0, pool->size);
    return piece;
}

void pool_put(struct pool *pool, void *piece)
{
    *(void **)piece = pool->free;
    pool->free = piece;
}

void pool_destroy(struct fs *fs, struct pool *pool)
{
    while (pool->chunks) {
        void *chunk = pool->chunks;

        pool->chunks = *(void **)chunk;
        fs->host->free(fs->host->ctx, chunk, CHUNK);
    }
}
