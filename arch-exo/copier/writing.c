/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/writing.c: what is written, when.
 *
 * Pages that came in by a row go out from there (others go through fs, by a copy): at the end of a file, where room is
 * reserved for them. The program's pages are on loan until the disk has them (space.c); mostly the next read puts
 * others in their place before anybody notices. Neighbours wait for each other, so that transfers are long. When the
 * disk has them fs is told: so metadata never refers to what is not there yet.
 */
#include <linux/fcntl.h>

#include "arch-exo/copier/stream.h"

#define SECTORS_PER_PAGE (PAGE_BYTES / 512)
#define NOT_PLAIN (O_APPEND | O_DSYNC)

_Static_assert(FS_BLOCK == PAGE_BYTES, "a block is a page");

/* ---- pieces: from the program's memory to the disk to fs ---- */

static void piece_begin(struct piece *p)
{
    long ticket = transfer_begin(BLK_WRITE, p->sector, p->frame, p->pages);

    p->begun = true;
    p->ticket = ticket > 0 ? (uint64_t)ticket : 0;
    p->done = ticket <= 0;
    p->result = ticket <= 0 ? -EIO : 0;
}

static void piece_finish(struct piece *p)
{
    if (!p->begun)
        piece_begin(p);
    if (!p->done)
        p->result = transfer_wait(p->ticket);
    p->done = true;
}

/* The disk has it, or does not take it: now fs. */
static void piece_commit(struct stream *s, const struct piece *p)
{
    uint64_t offset = p->index * PAGE_BYTES, bytes = p->pages * PAGE_BYTES;
    long result = p->result;

    if (result == 0)
        result = ASK(SERVICE_FS, FS_EXTENT_COMMIT, NULL, 0, s->handle, offset, p->sector, bytes, offset + bytes);
    if (result < 0) {
        ASK(SERVICE_FS, FS_EXTENT_CANCEL, NULL, 0, p->sector, bytes);
        s->error = result;
    }
    frames_drop(p->frame, p->pages);
}

void pieces_commit(struct stream *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        piece_finish(&s->piece[i]);
        piece_commit(s, &s->piece[i]);
    }
    s->pieces -= count;
    for (unsigned i = 0; i < s->pieces; i++)
        s->piece[i] = s->piece[i + count];
}

void pieces_finish(struct stream *s)
{
    for (unsigned i = 0; i < s->pieces; i++)
        piece_finish(&s->piece[i]);
}

/* What the disk has by now. */
static void pieces_collect(struct stream *s)
{
    unsigned n = 0;

    while (n < s->pieces && s->piece[n].begun) {
        struct piece *p = &s->piece[n];
        long result = p->done ? p->result : transfer_done(p->ticket);

        if (result == CALL_WAIT)
            break;
        p->done = true;
        p->result = result;
        n++;
    }
    if (n)
        pieces_commit(s, n);
}

/* ---- write ---- */

static bool goes_on(const struct piece *p, frame_t frame, uint64_t sector, uint64_t index)
{
    return !p->begun && p->frame + p->pages * PAGE_BYTES == frame && p->index + p->pages == index &&
           p->sector + p->pages * SECTORS_PER_PAGE == sector && row_left(frame) < ROW_PAGES;
}

static void piece_add(struct stream *s, frame_t frame, uint64_t sector, uint64_t index, uint64_t pages)
{
    struct piece *last = s->pieces ? &s->piece[s->pieces - 1] : NULL;

    frames_use(frame, pages);
    if (last && goes_on(last, frame, sector, index)) {
        last->pages += pages;
    } else {
        if (last && !last->begun)
            piece_begin(last);
        if (s->pieces == PIECES)
            pieces_commit(s, 1);
        last = &s->piece[s->pieces++];
        *last = (struct piece){.frame = frame, .sector = sector, .index = index, .pages = pages};
    }
    if (last->pages == ROW_PAGES)
        piece_begin(last);
}

/* Behind what is written already. */
static uint64_t best_sector(const struct stream *s)
{
    const struct piece *last = s->pieces ? &s->piece[s->pieces - 1] : NULL;

    return last ? last->sector + last->pages * SECTORS_PER_PAGE : 0;
}

static uint64_t end_of(const struct stream *s)
{
    const struct piece *last = s->pieces ? &s->piece[s->pieces - 1] : NULL;

    return last ? (last->index + last->pages) * PAGE_BYTES : s->identity.size;
}

/* Pages that are in a row; how many of them there is room for in a row. */
static uint64_t put(struct stream *s, uint64_t address, uint64_t index, uint64_t pages)
{
    struct fs_extent extent;
    frame_t frame;
    uint64_t n = space_frames(address, pages, &frame);

    if (!n ||
        ASK(SERVICE_FS, FS_EXTENT_RESERVE, &extent, sizeof(extent), s->handle, n * PAGE_BYTES, best_sector(s)) < 0)
        return 0;
    n = extent.bytes / PAGE_BYTES;
    space_loan(address, n);
    piece_add(s, frame, extent.sector, index, n);
    return n;
}

static uint64_t write_pages(struct stream *s, uint64_t from, uint64_t index, uint64_t pages)
{
    uint64_t done = 0, n;

    while (done < pages && (n = put(s, from + done * PAGE_BYTES, index + done, pages - done)))
        done += n;
    return done;
}

/* At its end only, and not if that is somewhere else each time or must be waited for. */
bool stream_write(const struct call *call, uint64_t *moved)
{
    bool plain = !(fs_call(CALL_fcntl, call->arg[0], F_GETFL, 0) & NOT_PLAIN);
    uint64_t at;
    struct stream *s = plain ? stream_for(call, VM_WRITE, &at) : NULL;

    *moved = 0;
    if (s && !s->error) {
        pieces_collect(s);
        stream_settle_others(s);
        stream_look(s);
        if (at == end_of(s))
            *moved = PAGE_BYTES * write_pages(s, call->arg[1], at / PAGE_BYTES, call->arg[2] / PAGE_BYTES);
        fs_call(CALL_lseek, call->arg[0], at + *moved, SEEK_TO);
    }
    if (*moved == call->arg[2] && *moved)
        return true;
    stream_settle();
    return false;
}
