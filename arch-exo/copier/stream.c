/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/stream.c: the policy: what is read before it is asked for, what is written when, what is kept.
 *
 * Reading. Who reads a file from its beginning, or goes on where the last read ended, will read all of it: so as much as
 * AHEAD_PAGES beyond that is on its way from the disk, by transfers as long as the file lies in a row. What has come is
 * mapped where the program wants it, and is the program's from then on. Nothing is kept: what has been read once is not
 * read again, or is worth another transfer.
 *
 * Writing. Pages that came in by a row go out from there (others go through fs, by a copy): at the end of a file, where room
 * is reserved for them. The program's pages are on loan until the disk has them (space.c); mostly the next read puts
 * others in their place before anybody notices. Neighbours wait for each other, so that transfers are long. When the disk has them
 * fs is told: so metadata never refers to what is not there yet.
 *
 * fs must know of all that has been written before it looks at that file for any other reason. So calls.c settles before
 * any call of fs that does not come through here.
 */
#include <linux/fcntl.h>

#include "arch-exo/copier/copier.h"
#include "arch-exo/lib/exo_call.h"

#define STREAMS 16
#define CHUNKS 16u
#define PIECES 16u
#define AHEAD_PAGES 256u /* 1 MiB */
#define SECTORS_PER_PAGE (PAGE_BYTES / 512)
#define SEEK_CURRENT 1
#define SEEK_TO 0
#define NOT_PLAIN (O_APPEND | O_DSYNC)

_Static_assert(FS_BLOCK == PAGE_BYTES, "a block is a page");

/* One transfer from the disk, into a part of a row. */
struct chunk {
    frame_t frame;
    uint64_t pages;
    uint64_t ticket; /* 0: it is there */
};

/* One transfer to the disk. */
struct piece {
    frame_t frame;
    uint64_t sector, index, pages;
    uint64_t ticket;
    bool begun, done;
    long result; /* when done */
};

/* An open file. */
struct stream {
    uint64_t handle; /* 0: none */
    struct fs_identity identity; /* as of the last look */
    long error;                  /* what was written did not reach the disk: not reported yet */
    /* reading */
    uint64_t version;          /* that the chunks are of */
    uint64_t next, ahead, end; /* pages: to be read next; up to where chunks reach; up to where they are to reach */
    frame_t row;               /* where the next chunk goes, which counts as a use; FRAME_NONE: a new one */
    uint64_t row_used;         /* pages of it */
    struct chunk chunk[CHUNKS];
    unsigned first, chunks;
    /* writing */
    struct piece piece[PIECES]; /* the last one may grow until it has begun */
    unsigned pieces;
};

static struct stream streams[STREAMS];
static unsigned oldest; /* to be given up when there are too many */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- the disk ---- */

static long disk(uint16_t op, uint64_t a, uint64_t b, uint64_t c, struct call *call)
{
    struct service *blk = &copier.services[SERVICE_BLK];
    struct request rq = {.service = SERVICE_BLK, .op = op, .arg = {a, b, c}, .call = call};

    return blk->request(blk->self, &rq);
}

/* 0, -EIO or, if it is still under way, CALL_WAIT. */
static long transfer_done(uint64_t ticket)
{
    struct call call = {.nr = CALL_read};

    return disk(BLK_DONE, ticket, 0, 0, &call);
}

static long transfer_wait(uint64_t ticket)
{
    struct call call = {.nr = CALL_read};
    long result;

    while ((result = disk(BLK_DONE, ticket, 0, 0, &call)) == CALL_WAIT)
        call_sleep(&call);
    return result;
}

/* A ticket or -errno. */
static long transfer_begin(uint16_t op, uint64_t sector, frame_t frame, uint64_t pages)
{
    struct call call = {.nr = CALL_read};
    long ticket;

    while ((ticket = disk(op, sector, pages * PAGE_BYTES, frame, &call)) == CALL_WAIT)
        call_sleep(&call);
    return ticket;
}

/* ---- streams ---- */

static void look(struct stream *s)
{
    if (ASK(SERVICE_FS, FS_STAT_OF, &s->identity, sizeof(s->identity), s->handle) < 0)
        panic("an open file is not known");
}

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

static void stop_reading(struct stream *s)
{
    for (; s->chunks; s->chunks--, s->first = (s->first + 1) % CHUNKS) {
        struct chunk *c = &s->chunk[s->first];

        if (c->ticket)
            transfer_wait(c->ticket);
        frames_drop(c->frame, c->pages);
    }
    row_leave(s);
}

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

/* The first `count` are for fs. */
static void pieces_commit(struct stream *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        piece_finish(&s->piece[i]);
        piece_commit(s, &s->piece[i]);
    }
    s->pieces -= count;
    for (unsigned i = 0; i < s->pieces; i++)
        s->piece[i] = s->piece[i + count];
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

void stream_settle(void)
{
    for (struct stream *s = streams; s < streams + STREAMS; s++)
        if (s->pieces)
            pieces_commit(s, s->pieces);
}

void stream_finish(void)
{
    for (struct stream *s = streams; s < streams + STREAMS; s++)
        for (unsigned i = 0; i < s->pieces; i++)
            piece_finish(&s->piece[i]);
}

static void settle_others(const struct stream *s)
{
    for (struct stream *other = streams; other < streams + STREAMS; other++)
        if (other != s && other->pieces && other->identity.inode == s->identity.inode)
            pieces_commit(other, other->pieces);
}

static void stream_end(struct stream *s)
{
    stop_reading(s);
    pieces_commit(s, s->pieces);
    ASK(SERVICE_FS, FS_RELEASE, NULL, 0, s->handle);
    *s = (struct stream){0};
}

static struct stream *stream_free(void)
{
    struct stream *s = streams;

    while (s < streams + STREAMS && s->handle)
        s++;
    if (s < streams + STREAMS)
        return s;
    s = &streams[oldest++ % STREAMS];
    stream_end(s);
    return s;
}

static struct stream *stream_find(uint64_t handle)
{
    for (struct stream *s = streams; s < streams + STREAMS; s++)
        if (s->handle == handle)
            return s;
    return NULL;
}

/* The one of a descriptor that is open for `access`; a new one if need be. NULL: no regular file, or not open for that. */
static struct stream *stream_of(uint64_t fd, unsigned access)
{
    long handle = ASK(SERVICE_FS, FS_FILE_OF, NULL, 0, fd, access);
    struct stream *s = handle < 0 ? NULL : stream_find((uint64_t)handle);

    if (handle < 0)
        return NULL;
    if (s) {
        ASK(SERVICE_FS, FS_RELEASE, NULL, 0, s->handle); /* it has one already */
    } else {
        s = stream_free();
        *s = (struct stream){.handle = (uint64_t)handle};
    }
    look(s);
    return s;
}

static struct stream *stream_open(uint64_t fd)
{
    struct stream *s = NULL;

    for (unsigned access = VM_READ; !s && access <= VM_WRITE; access++) {
        long handle = ASK(SERVICE_FS, FS_FILE_OF, NULL, 0, fd, access);

        if (handle < 0)
            continue;
        s = stream_find((uint64_t)handle);
        ASK(SERVICE_FS, FS_RELEASE, NULL, 0, (uint64_t)handle);
    }
    return s;
}

long stream_error(uint64_t fd)
{
    struct stream *s = stream_open(fd);
    long error = s ? s->error : 0;

    if (s)
        s->error = 0;
    return error;
}

long stream_close(uint64_t fd)
{
    struct stream *s = stream_open(fd);
    long error;

    if (!s)
        return 0;
    pieces_commit(s, s->pieces);
    error = s->error;
    stream_end(s);
    return error;
}

static long fs_call(uint32_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    struct call call = {.nr = nr, .pid = FIRST_PID, .arg = {a, b, c}};

    return service_call(&copier.services[SERVICE_FS], &call);
}

/* ---- reading ---- */

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
    stop_reading(s);
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
        stop_reading(s);
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

/* Where a descriptor is, if what is to be moved is for us. */
static struct stream *stream_for(const struct call *call, unsigned access, uint64_t *at)
{
    uint64_t pages = call->arg[2] / PAGE_BYTES;
    struct stream *s = pages && space_writable(call->arg[1], pages) ? stream_of(call->arg[0], access) : NULL;

    if (s)
        *at = (uint64_t)fs_call(CALL_lseek, call->arg[0], 0, SEEK_CURRENT);
    if (s && *at % PAGE_BYTES == 0)
        return s;
    stream_settle();
    return NULL;
}

bool stream_read(const struct call *call, uint64_t *moved)
{
    uint64_t at, size;
    struct stream *s = stream_for(call, VM_READ, &at);

    *moved = 0;
    if (!s)
        return false;
    pieces_commit(s, s->pieces);
    settle_others(s);
    look(s);
    size = s->identity.size;
    if (at >= size)
        return true;
    *moved = PAGE_BYTES * read_pages(s, call->arg[1], at / PAGE_BYTES, least(call->arg[2], size - at) / PAGE_BYTES);
    fs_call(CALL_lseek, call->arg[0], at + *moved, SEEK_TO);
    return *moved == call->arg[2] || at + *moved == size;
}

/* ---- writing ---- */

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

    if (!n || ASK(SERVICE_FS, FS_EXTENT_RESERVE, &extent, sizeof(extent), s->handle, n * PAGE_BYTES, best_sector(s)) < 0)
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
    uint64_t at;
    struct stream *s = fs_call(CALL_fcntl, call->arg[0], F_GETFL, 0) & NOT_PLAIN ? NULL : stream_for(call, VM_WRITE, &at);

    *moved = 0;
    if (s && !s->error) {
        pieces_collect(s);
        settle_others(s);
        look(s);
        if (at == end_of(s))
            *moved = PAGE_BYTES * write_pages(s, call->arg[1], at / PAGE_BYTES, call->arg[2] / PAGE_BYTES);
        fs_call(CALL_lseek, call->arg[0], at + *moved, SEEK_TO);
    }
    if (*moved == call->arg[2] && *moved)
        return true;
    stream_settle();
    return false;
}

void streams_end(void)
{
    for (struct stream *s = streams; s < streams + STREAMS; s++)
        if (s->handle)
            stream_end(s);
}
