/* SPDX-License-Identifier: MIT
 *
 * services/fs/mkfs_check.c: is this disk consistent? A file system check that trusts nothing.
 *
 * It writes everything back and then reads the raw disk, not the service's structures:
 *   1. every inode in use is marked so, and no other; its fields make sense;
 *   2. every block belongs to exactly one owner, is in bounds and marked in use, and no other is;
 *   3. directories are well formed: entries tile their blocks, "." and ".." are right, names are unique,
 *      every entry's inode exists and has the entry's type;
 *   4. link counts are the number of names; each directory has one name and leads up to the root;
 *   5. what has no name is an orphan, and nothing else lies beyond a file's end.
 */
#include "services/fs/mkfs_internal.h"

struct check {
    struct mkfs *m;
    const struct disk_super *s;
    uint64_t *used;   /* bit a block */
    uint32_t *names;  /* entries that name an inode, "." and ".." aside */
    uint32_t *parent; /* of a directory, by its ".." */
    uint32_t *where;  /* … and by the entry that names it */
    uint32_t *subdirs;
    char *why;
    size_t size;
    uint32_t ino; /* in question */
};

static long bad(struct check *c, const char *what)
{
    c->why[0] = 0;
    str_append(c->why, "inode ", c->size);
    str_append_number(c->why, c->ino, c->size);
    str_append(c->why, ": ", c->size);
    str_append(c->why, what, c->size);
    return -EUCLEAN;
}

static const uint8_t *block(const struct check *c, uint32_t number)
{
    return c->m->disk + (uint64_t)number * BLOCK_SIZE;
}

static const struct disk_inode *inode(const struct check *c, uint32_t ino)
{
    return (const struct disk_inode *)block(c, c->s->itable_start) + ino;
}

static int bit(const struct check *c, uint32_t start, uint32_t n)
{
    return ((const uint64_t *)block(c, start))[n / 64] >> n % 64 & 1;
}

/* ---- blocks ---- */

static long claim(struct check *c, uint32_t number)
{
    uint64_t mask = 1ull << number % 64;

    if (number < c->s->data_start || number >= c->s->blocks)
        return bad(c, "a block is out of bounds");
    if (c->used[number / 64] & mask)
        return bad(c, "a block has two owners");
    c->used[number / 64] |= mask;
    return 0;
}

struct tally {
    uint32_t blocks;
    uint64_t end; /* index after the last block */
};

static long claim_tree(struct check *c, uint32_t number, int levels, uint64_t first, struct tally *t)
{
    uint64_t span = levels == 2 ? POINTERS_PER_BLOCK : 1;
    const uint32_t *pointers;
    long r = number ? claim(c, number) : 0;

    if (!number || r)
        return r;
    t->blocks++;
    if (!levels) {
        t->end = first + 1 > t->end ? first + 1 : t->end;
        return 0;
    }
    pointers = (const uint32_t *)block(c, number);
    for (uint32_t i = 0; !r && i < POINTERS_PER_BLOCK; i++)
        r = claim_tree(c, pointers[i], levels - 1, first + i * span, t);
    return r;
}

static int is_orphan(const struct check *c, uint32_t ino)
{
    const uint32_t *slots = (const uint32_t *)block(c, c->s->orphan_block);

    for (uint32_t i = 0; i < ORPHAN_SLOTS; i++)
        if (slots[i] == ino)
            return 1;
    return 0;
}

static long check_blocks(struct check *c, const struct disk_inode *d)
{
    struct tally t = {0, 0};
    long r = 0;

    if (S_ISCHR(d->mode) || (S_ISLNK(d->mode) && d->size < INLINE_LINK))
        return d->blocks ? bad(c, "blocks where none belong") : 0;
    for (uint32_t i = 0; !r && i < DIRECT_BLOCKS + 2; i++)
        r = claim_tree(c, d->pointer[i], i < DIRECT_BLOCKS ? 0 : (int)(i - DIRECT_BLOCKS + 1),
                       i <= DIRECT_BLOCKS ? i : DIRECT_BLOCKS + POINTERS_PER_BLOCK, &t);
    if (r)
        return r;
    if (t.blocks != d->blocks)
        return bad(c, "wrong number of blocks");
    if (t.end > (d->size + BLOCK_SIZE - 1) / BLOCK_SIZE && !is_orphan(c, c->ino))
        return bad(c, "blocks beyond its end");
    return 0;
}

/* ---- inodes ---- */

static long check_inode(struct check *c, uint32_t ino)
{
    const struct disk_inode *d = inode(c, ino);
    int live = d->mode != 0;

    c->ino = ino;
    if (bit(c, c->s->imap_start, ino) != live)
        return bad(c, live ? "in use but marked free" : "free but marked in use");
    if (!live)
        return 0;
    if (!S_ISREG(d->mode) && !S_ISDIR(d->mode) && !S_ISLNK(d->mode) && !S_ISCHR(d->mode))
        return bad(c, "unknown type");
    if (d->size > MAX_FILE_BYTES || (S_ISLNK(d->mode) && (!d->size || d->size >= PATH_MAX)))
        return bad(c, "impossible size");
    if (S_ISDIR(d->mode) && (!d->size || d->size % BLOCK_SIZE))
        return bad(c, "impossible size of a directory");
    return check_blocks(c, d);
}

/* ---- directories ---- */

static uint32_t file_block(const struct check *c, const struct disk_inode *d, uint64_t index)
{
    const uint32_t *top;

    if (index < DIRECT_BLOCKS)
        return d->pointer[index];
    index -= DIRECT_BLOCKS;
    if (index < POINTERS_PER_BLOCK)
        return d->pointer[DIRECT_BLOCKS] ? ((const uint32_t *)block(c, d->pointer[DIRECT_BLOCKS]))[index] : 0;
    index -= POINTERS_PER_BLOCK;
    top = d->pointer[DIRECT_BLOCKS + 1] ? (const uint32_t *)block(c, d->pointer[DIRECT_BLOCKS + 1]) : NULL;
    if (!top || index / POINTERS_PER_BLOCK >= POINTERS_PER_BLOCK || !top[index / POINTERS_PER_BLOCK])
        return 0;
    return ((const uint32_t *)block(c, top[index / POINTERS_PER_BLOCK]))[index % POINTERS_PER_BLOCK];
}

static int name_is(const struct disk_entry *e, const char *name)
{
    return e->name_length == str_len(name) && bytes_eq(e->name, name, e->name_length);
}

static long check_name(struct check *c, const struct disk_entry *e)
{
    for (uint32_t i = 0; i < e->name_length; i++)
        if (!e->name[i] || e->name[i] == '/')
            return bad(c, "a name with a character that none can have");
    return e->name_length ? 0 : bad(c, "an empty name");
}

static long check_entry(struct check *c, const struct disk_entry *e, int first_block, uint32_t nth)
{
    const struct disk_inode *d;
    long r = check_name(c, e);

    if (r)
        return r;
    if (e->ino >= c->s->inodes || !inode(c, e->ino)->mode)
        return bad(c, "an entry without an inode");
    d = inode(c, e->ino);
    if (e->type != dir_type(d->mode))
        return bad(c, "an entry of the wrong type");
    if (name_is(e, "."))
        return first_block && nth == 0 && e->ino == c->ino ? 0 : bad(c, "\".\" is wrong");
    if (name_is(e, "..")) {
        c->parent[c->ino] = e->ino;
        return first_block && nth == 1 ? 0 : bad(c, "\"..\" is out of place");
    }
    c->names[e->ino]++;
    c->where[e->ino] = c->ino;
    if (S_ISDIR(d->mode))
        c->subdirs[c->ino]++;
    return 0;
}

/* Is the same name further on in this block? Names in other blocks are compared by the caller's loop. */
static int again(const uint8_t *data, uint32_t from, const struct disk_entry *name)
{
    for (uint32_t at = from; at < BLOCK_SIZE;) {
        const struct disk_entry *e = dir_entry(data, at);

        if (!e)
            return 0;
        if (e->ino && e->name_length == name->name_length && bytes_eq(e->name, name->name, e->name_length))
            return 1;
        at += e->length;
    }
    return 0;
}

static int twice(const struct check *c, const struct disk_inode *d, uint64_t index, uint32_t offset,
                 const struct disk_entry *e)
{
    uint64_t blocks = d->size / BLOCK_SIZE;

    if (again(block(c, file_block(c, d, index)), offset + e->length, e))
        return 1;
    for (uint64_t i = index + 1; i < blocks && blocks <= 32; i++)
        if (file_block(c, d, i) && again(block(c, file_block(c, d, i)), 0, e))
            return 1;
    return 0;
}

static long check_directory_block(struct check *c, const struct disk_inode *d, uint64_t index)
{
    uint32_t number = file_block(c, d, index), nth = 0;

    if (!number)
        return bad(c, "a hole in a directory");
    for (uint32_t at = 0; at < BLOCK_SIZE; nth++) {
        const struct disk_entry *e = dir_entry(block(c, number), at);
        long r = e ? 0 : bad(c, "a malformed entry");

        if (!r && e->ino)
            r = check_entry(c, e, index == 0, nth);
        if (!r && e->ino && twice(c, d, index, at, e))
            r = bad(c, "the same name twice");
        if (r)
            return r;
        at += e->length;
    }
    return index || nth >= 2 ? 0 : bad(c, "no \".\" or \"..\"");
}

static long check_directory(struct check *c, uint32_t ino)
{
    const struct disk_inode *d = inode(c, ino);
    long r = 0;

    c->ino = ino;
    for (uint64_t i = 0; S_ISDIR(d->mode) && !r && i < d->size / BLOCK_SIZE; i++)
        r = check_directory_block(c, d, i);
    return r;
}

static long check_way_up(struct check *c)
{
    uint32_t at = c->ino;

    for (uint32_t steps = 0; at != ROOT_INODE; steps++) {
        if (!at || at >= c->s->inodes || steps > c->s->inodes || !S_ISDIR(inode(c, at)->mode))
            return bad(c, "a directory that does not lead to the root");
        at = c->parent[at];
    }
    return 0;
}

static long check_links(struct check *c, uint32_t ino)
{
    const struct disk_inode *d = inode(c, ino);
    uint32_t names = c->names[ino] + (ino == ROOT_INODE);

    c->ino = ino;
    if (!d->mode)
        return 0;
    if (!names)
        return !d->nlink && is_orphan(c, ino) ? 0 : bad(c, "no name leads to it");
    if (!S_ISDIR(d->mode))
        return d->nlink == names ? 0 : bad(c, "wrong link count");
    if (names != 1)
        return bad(c, "a directory with two names");
    if (c->parent[ino] != (ino == ROOT_INODE ? ROOT_INODE : c->where[ino]))
        return bad(c, "\"..\" is not its parent");
    if (d->nlink != 2 + c->subdirs[ino])
        return bad(c, "wrong link count of a directory");
    return check_way_up(c);
}

/* ---- all of it ---- */

static long check_bitmap(struct check *c)
{
    for (uint32_t i = 0; i < c->s->blocks; i++) {
        int owned = c->used[i / 64] >> i % 64 & 1;

        c->ino = 0;
        if (bit(c, c->s->bitmap_start, i) != owned)
            return bad(c, owned ? "a block in use is marked free" : "a block is marked in use by nobody");
    }
    return 0;
}

static long check_all(struct check *c)
{
    long r = 0;

    for (uint32_t i = 0; i < c->s->data_start; i++)
        c->used[i / 64] |= 1ull << i % 64;
    for (uint32_t ino = 1; !r && ino < c->s->inodes; ino++)
        r = check_inode(c, ino);
    for (uint32_t ino = 1; !r && ino < c->s->inodes; ino++)
        r = check_directory(c, ino);
    for (uint32_t ino = 1; !r && ino < c->s->inodes; ino++)
        r = check_links(c, ino);
    return r ? r : check_bitmap(c);
}

static void *get(struct mkfs *m, size_t bytes)
{
    return m->memory.alloc(m->memory.ctx, bytes);
}

static void put(struct mkfs *m, void *memory, size_t bytes)
{
    if (memory)
        m->memory.free(m->memory.ctx, memory, bytes);
}

int mkfs_check(struct mkfs *m, char *why, size_t why_bytes)
{
    struct check c = {.m = m, .s = &m->fs->super, .why = why, .size = why_bytes};
    size_t map = m->fs->super.blocks / 8 + 8, table = m->fs->super.inodes * sizeof(uint32_t);
    struct call call = {.nr = CALL_SYNC_ALL};
    long r;

    do
        r = m->fs->calls[CALL_SYNC_ALL](m->fs, &call);
    while (r == CALL_WAIT);
    if (r)
        return (int)bad(&c, "cannot be written back");
    c.used = get(m, map);
    c.names = get(m, table);
    c.parent = get(m, table);
    c.where = get(m, table);
    c.subdirs = get(m, table);
    r = c.used && c.names && c.parent && c.where && c.subdirs ? check_all(&c) : -ENOMEM;
    put(m, c.used, map);
    put(m, c.names, table);
    put(m, c.parent, table);
    put(m, c.where, table);
    put(m, c.subdirs, table);
    return (int)r;
}
