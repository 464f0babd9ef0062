/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/stream.c: open files whose data is moved past fs.
 *
 * fs must know of all that has been written before it looks at that file for any other reason. So calls.c settles
 * before any call of fs that does not come through here.
 */
#include "arch-exo/copier/stream.h"

#define STREAMS 16

static struct stream streams[STREAMS];
static unsigned oldest; /* to be given up when there are too many */

/* ---- the disk ---- */

static long disk(uint16_t op, uint64_t a, uint64_t b, uint64_t c, struct call *call)
{
    struct service *blk = &copier.services[SERVICE_BLK];
    struct request rq = {.service = SERVICE_BLK, .op = op, .arg = {a, b, c}, .call = call};

    return blk->request(blk->self, &rq);
}

long transfer_done(uint64_t ticket)
{
    struct call call = {.nr = CALL_read};

    return disk(BLK_DONE, ticket, 0, 0, &call);
}

long transfer_wait(uint64_t ticket)
{
    struct call call = {.nr = CALL_read};
    long result;

    while ((result = disk(BLK_DONE, ticket, 0, 0, &call)) == CALL_WAIT)
        call_sleep(&call);
    return result;
}

long transfer_begin(uint16_t op, uint64_t sector, frame_t frame, uint64_t pages)
{
    struct call call = {.nr = CALL_read};
    long ticket;

    while ((ticket = disk(op, sector, pages * PAGE_BYTES, frame, &call)) == CALL_WAIT)
        call_sleep(&call);
    return ticket;
}

/* ---- streams ---- */

void stream_look(struct stream *s)
{
    if (ASK(SERVICE_FS, FS_STAT_OF, &s->identity, sizeof(s->identity), s->handle) < 0)
        panic("an open file is not known");
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
        pieces_finish(s);
}

void stream_settle_others(const struct stream *s)
{
    for (struct stream *other = streams; other < streams + STREAMS; other++)
        if (other != s && other->pieces && other->identity.inode == s->identity.inode)
            pieces_commit(other, other->pieces);
}

static void stream_end(struct stream *s)
{
    reading_stop(s);
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

/* The one of a descriptor that is open for `access`; a new one if need be. NULL: no regular file, or not open so. */
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
    stream_look(s);
    return s;
}

/* The one of a descriptor, if it has one already. */
static struct stream *stream_existing(uint64_t fd)
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
    struct stream *s = stream_existing(fd);
    long error = s ? s->error : 0;

    if (s)
        s->error = 0;
    return error;
}

long stream_close(uint64_t fd)
{
    struct stream *s = stream_existing(fd);
    long error;

    if (!s)
        return 0;
    pieces_commit(s, s->pieces);
    error = s->error;
    stream_end(s);
    return error;
}

/* ---- for reading and writing ---- */

long fs_call(uint32_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    struct call call = {.nr = nr, .pid = FIRST_PID, .arg = {a, b, c}};

    return service_call(&copier.services[SERVICE_FS], &call);
}

struct stream *stream_for(const struct call *call, unsigned access, uint64_t *at)
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

void streams_end(void)
{
    for (struct stream *s = streams; s < streams + STREAMS; s++)
        if (s->handle)
            stream_end(s);
}
