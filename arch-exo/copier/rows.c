/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/rows.c: frames: single ones, and rows of them that the disk fills by one transfer.
 *
 * A row's frames have users: a transfer, or the program's memory; one frame can have several. A row is free when none
 * of its frames has any: that is looked at in numbers, not frame by frame. So the pages of a file go from the disk to
 * the program and from there to the disk again without leaving their row, and the number of rows bounds what is in
 * flight.
 *
 * All frames are taken as such that the kernel does not take back by force (EXO_KEPT). When it asks for some, free ones
 * go.
 */
#include "arch-exo/copier/copier.h"
#include "arch-exo/lib/exo_call.h"

#define ROWS_MAX 16u /* 8 MiB */
#define TAKE_BATCH 32
#define POOL_MAX 256

struct row {
    frame_t first; /* FRAME_NONE: not taken from the kernel yet */
    uint64_t uses;
};

static struct {
    struct row row[ROWS_MAX];
    uint64_t batch[ROW_PAGES]; /* for one kernel call */
    frame_t free[POOL_MAX];
    size_t free_count;
} frames;

static struct row *row_of(frame_t frame)
{
    for (unsigned i = 0; i < ROWS_MAX; i++)
        if (frames.row[i].first && frame - frames.row[i].first < ROW_PAGES * PAGE_BYTES)
            return &frames.row[i];
    return NULL;
}

static bool fill(struct row *row)
{
    if (exo_call(EXO_PAGES_TAKE, (uint64_t)frames.batch, ROW_PAGES | EXO_IN_A_ROW | EXO_KEPT, 0) < (long)ROW_PAGES)
        return false;
    row->first = frames.batch[0];
    return true;
}

frame_t row_take(void)
{
    for (unsigned i = 0; i < ROWS_MAX; i++) {
        struct row *row = &frames.row[i];

        if (!row->uses && (row->first || fill(row)))
            return row->first;
    }
    return FRAME_NONE;
}

uint64_t row_left(frame_t frame)
{
    const struct row *row = row_of(frame);

    return row ? ROW_PAGES - (frame - row->first) / PAGE_BYTES : 0;
}

void frames_use(frame_t first, uint64_t count)
{
    row_of(first)->uses += count;
}

static void give(const uint64_t *array, size_t count)
{
    if (exo_call(EXO_PAGES_GIVE, (uint64_t)array, count, 0) < 0)
        panic("the kernel does not take frames back");
}

void frames_drop(frame_t first, uint64_t count)
{
    struct row *row = row_of(first);

    if (row) {
        row->uses -= count;
        return;
    }
    for (; count; count--, first += PAGE_BYTES) {
        if (frames.free_count == POOL_MAX)
            give(&frames.free[--frames.free_count], 1);
        frames.free[frames.free_count++] = first;
    }
}

frame_t frame_take(void)
{
    if (!frames.free_count) {
        long count = exo_call(EXO_PAGES_TAKE, (uint64_t)frames.free, TAKE_BATCH | EXO_KEPT, 0);

        frames.free_count = count > 0 ? (size_t)count : 0;
    }
    return frames.free_count ? frames.free[--frames.free_count] : FRAME_NONE;
}

static void give_row(struct row *row)
{
    if (!row->first || row->uses)
        return;
    for (unsigned i = 0; i < ROW_PAGES; i++)
        frames.batch[i] = row->first + i * PAGE_BYTES;
    give(frames.batch, ROW_PAGES);
    row->first = FRAME_NONE;
}

void rows_shrink(void)
{
    for (; frames.free_count; frames.free_count--)
        give(&frames.free[frames.free_count - 1], 1);
    for (unsigned i = 0; i < ROWS_MAX; i++)
        give_row(&frames.row[i]);
}

/* memory.c asks this when the kernel has taken frames: from this library it does not. */
bool pages_mend(void)
{
    return false;
}
