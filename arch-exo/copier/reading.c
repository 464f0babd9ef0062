/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/reading.c: what is read before it is asked for.
 *
 * Who reads a file from its beginning, or goes on where the last read ended, will read all of it: so AHEAD_PAGES beyond
 * that are on their way from the disk, by transfers as long as the file lies in a row. What has come is mapped where
 * the program wants it, and is the program's from then on. Nothing is kept: what has been read once is not read again,
 * or is worth another transfer.
 */
#include "arch-exo/copier/stream.h"

#define AHEAD_PAGES 256u /* 1 MiB */

/* ---- ahead ---- */

static bool row_enter(struct stream *s)
{
    if (!s->row) {
        s->row = row_take();
        s->row_used = 0;
        if (s->row)
            frames_use(s->row, 1);
    }
    return s->row;
}

static void row_leave(struct stream *s)
{
    if (s->row)
        frames_drop(s->row, 1);
    s->row = FRAME_NONE;
}

void reading_stop(struct stream *s)
{
    for (; s->chunks; s->chunks--, s->first = (s->first + 1) % CHUNKS) {
        struct chunk *c = &s->chunk[s->first];

        if (c->ticket)
            transfer_wait(c->ticket);
        frames_drop(c->frame, c->pages);
    }
    row_leave(s);
}

/* As far as there is memory for it, and the file has data in a row there. */
static bool read_chunk(struct stream *s)
{
    struct fs_extent extent;
    struct chunk *c;
    long ticket;

    if (s->chunks == CHUNKS || !row_enter(s))
        return false;
    if (ASK(SERVICE_FS, FS_EXTENT_OF, &extent, sizeof(extent), s->handle, s->ahead * PAGE_BYTES,
            least(s->end - s->ahead, ROW_PAGES - s->row_used) * PAGE_BYTES) < 0 ||
        !extent.sector || !extent.bytes)
        return false;
    c = &s->chunk[(s->first + s->chunks) % CHUNKS];
    *c = (struct chunk){.frame = s->row + s->row_used * PAGE_BYTES, .pages = extent.bytes / PAGE_BYTES};
    ticket = transfer_begin(BLK_READ, extent.sector, c->frame, c->pages);
    if (ticket <= 0)
        return false;
    c->ticket = (uint64_t)ticket;
    frames_use(c->frame, c->pages);
    s->chunks++;
    s->ahead += c->pages;
    s->row_used += c->pages;
    if (s->row_used == ROW_PAGES)
        row_leave(s);
    return true;
}

/* The last page of a file that is not whole is not for this. */
static void read_ahead(struct stream *s, uint64_t pages)
{
    s->end = least(s->next + pages, s->identity.size / PAGE_BYTES);
    while (s->ahead < s->end && read_chunk(s))
        ;
}

/* Where the program reads now, or has changed the file, what was read ahead is no good. */
static void read_from(struct stream *s, uint64_t index)
{
    if (s->next == index && s->version == s->identity.version)
        return;
    reading_stop(s);
    s->next = s->ahead = index;
    s->version = s->identity.version;
}

/* How many pages of the first chunk are at `address` now. */
static uint64_t take(struct stream *s, uint64_t address, uint64_t pages)
{
    struct chunk *c = &s->chunk[s->first];
    uint64_t n = least(pages, c->pages);

    if (c->ticket && transfer_wait(c->ticket) < 0) {
        c->ticket = 0;
        reading_stop(s);
        s->ahead = s->next;
        return 0;
    }
    c->ticket = 0;
    space_flip(address, c->frame, n);
    c->frame += n * PAGE_BYTES;
    c->pages -= n;
    s->next += n;
    if (!c->pages) {
        s->first = (s->first + 1) % CHUNKS;
        s->chunks--;
    }
    return n;
}

/* What is written has its rows for longer than it needs. */
static bool more(struct stream *s, uint64_t pages)
{
    read_ahead(s, pages);
    if (s->chunks)
        return true;
    stream_settle();
    read_ahead(s, pages);
    return s->chunks;
}

static uint64_t read_pages(struct stream *s, uint64_t to, uint64_t index, uint64_t pages)
{
    uint64_t ahead = index == 0 || s->next == index ? AHEAD_PAGES : 0, done = 0, n;

    read_from(s, index);
    while (done < pages && more(s, ahead + pages - done) && (n = take(s, to + done * PAGE_BYTES, pages - done)))
        done += n;
    if (ahead)
        read_ahead(s, ahead);
    return done;
}

bool stream_read(const struct call *call, uint64_t *moved)
{
    uint64_t at, size;
    struct stream *s = stream_for(call, VM_READ, &at);

    *moved = 0;
    if (!s)
        return false;
    pieces_commit(s, s->pieces);
    stream_settle_others(s);
    stream_look(s);
    size = s->identity.size;
    if (at >= size)
        return true;
    *moved = PAGE_BYTES * read_pages(s, call->arg[1], at / PAGE_BYTES, least(call->arg[2], size - at) / PAGE_BYTES);
    fs_call(CALL_lseek, call->arg[0], at + *moved, SEEK_TO);
    return *moved == call->arg[2] || at + *moved == size;
}
