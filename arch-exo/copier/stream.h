/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/stream.h: an open file whose data is moved past fs, for stream.c, reading.c and writing.c.
 */
#ifndef RINGSIDE_ARCH_EXO_COPIER_STREAM_H
#define RINGSIDE_ARCH_EXO_COPIER_STREAM_H

#include "arch-exo/copier/copier.h"

#define CHUNKS 16u
#define PIECES 16u

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
    uint64_t handle;             /* 0: none */
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

static inline uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- stream.c ---- */

/* What fs knows of the file now. */
void stream_look(struct stream *s);
/* The one of a read or write of whole pages at a whole page, and where that is. NULL: it is for fs, which knows all.
 * `access`: VM_READ or VM_WRITE. */
struct stream *stream_for(const struct call *call, unsigned access, uint64_t *at);
/* fs knows of all that has been written to the same file by another stream. */
void stream_settle_others(const struct stream *s);
/* A call of fs by the program, which does not wait. */
long fs_call(uint32_t nr, uint64_t a, uint64_t b, uint64_t c);
#define SEEK_TO 0
#define SEEK_CURRENT 1

/* Between the disk and frames in a row: a ticket, or -EIO. */
long transfer_begin(uint16_t op, uint64_t sector, frame_t frame, uint64_t pages);
/* 0, -EIO or, if it is still under way, CALL_WAIT. */
long transfer_done(uint64_t ticket);
/* 0 or -EIO. */
long transfer_wait(uint64_t ticket);

/* ---- reading.c ---- */

/* What was read ahead is given up. */
void reading_stop(struct stream *s);

/* ---- writing.c ---- */

/* The first `count` pieces are on the disk, and fs knows. */
void pieces_commit(struct stream *s, unsigned count);
/* All are on the disk. */
void pieces_finish(struct stream *s);

#endif
