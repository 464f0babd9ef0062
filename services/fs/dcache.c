/* SPDX-License-Identifier: MIT
 *
 * services/fs/dcache.c: the name cache: (directory, name) → inode, also "no such name".
 *
 * Set associative, round robin, no pointers. Every change of a directory goes through dcache_set, so an
 * entry is never stale; names longer than DENTRY_NAME are not cached. An entry for a directory that was removed says
 * "no such name" and stays right for the next directory with that inode, which starts empty.
 */
#include "services/fs/internal.h"

uint32_t name_hash(const char *name, uint32_t length)
{
    uint32_t h = 2166136261u;

    for (uint32_t i = 0; i < length; i++)
        h = (h ^ (uint8_t)name[i]) * 16777619u;
    return h;
}

static struct dentry *set_of(struct fs *fs, uint32_t dir, uint32_t hash)
{
    uint32_t h = hash ^ dir * 2654435761u;

    return &fs->dcache[(h ^ h >> 16) % DENTRY_SETS * DENTRY_WAYS];
}

static struct dentry *find(struct fs *fs, uint32_t dir, const char *name, uint32_t length, uint32_t hash)
{
    struct dentry *set = set_of(fs, dir, hash);

    for (uint32_t i = 0; i < DENTRY_WAYS; i++)
        if (set[i].hash == hash && set[i].dir == dir && set[i].length == length && bytes_eq(set[i].name, name, length))
            return &set[i];
    return NULL;
}

struct dentry *dcache_find(struct fs *fs, uint32_t dir, const char *name, uint32_t length)
{
    return find(fs, dir, name, length, name_hash(name, length));
}

void dcache_set(struct fs *fs, uint32_t dir, const char *name, uint32_t length, uint32_t ino, uint8_t type)
{
    uint32_t hash = name_hash(name, length);
    struct dentry *d = find(fs, dir, name, length, hash);

    if (length > DENTRY_NAME)
        return;
    if (!d) {
        d = set_of(fs, dir, hash) + fs->dcache_turn++ % DENTRY_WAYS;
        d->dir = dir;
        d->hash = hash;
        d->length = (uint8_t)length;
        for (uint32_t i = 0; i < length; i++)
            d->name[i] = name[i];
    }
    d->ino = ino;
    d->type = type;
}
