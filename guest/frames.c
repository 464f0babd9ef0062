/* SPDX-License-Identifier: MIT
 *
 * guest/frames.c: the physical frame allocator: a binary buddy system with a short stack of single frames before it.
 *
 * A free block of 2^order frames is aligned to its size and is on the list of its order; its links lie in its own
 * first frame, its order in `order_of`. Freeing joins a block with its buddy as long as the buddy is free and whole.
 * A run of any length is cut from the next power of two and the rest given back. Single frames, by far the most common,
 * come from a stack that takes and gives BATCH at a time, so that they rarely split or join anything.
 *
 * The lowest free address is preferred nowhere: what counts is that the order of events decides, so runs repeat.
 */
#include <stdbool.h>

#include "guest/frames.h"
#include "guest/layout.h"
#include "guest/list.h"
#include "guest/print.h"

#define ORDERS 19 /* up to 1 GiB */
#define NOT_FREE 0xff
#define STACK_MAX 64
#define BATCH 32

static struct {
    struct list free[ORDERS];
    uint8_t *order_of; /* by frame number: the order of the free block that begins there, or NOT_FREE */
    size_t first, end; /* frame numbers: those that were ever free */
    size_t available;  /* on the lists */
    size_t stacked;
    uint64_t stack[STACK_MAX];
} frames;

static struct list *block_link(size_t number)
{
    return direct(number * PAGE_BYTES);
}

static size_t block_number(const struct list *link)
{
    return physical(link) / PAGE_BYTES;
}

static void block_put(size_t number, unsigned order)
{
    frames.order_of[number] = (uint8_t)order;
    list_add(&frames.free[order], block_link(number));
}

static void block_take(size_t number)
{
    list_remove(block_link(number));
    frames.order_of[number] = NOT_FREE;
}

static bool block_is_free(size_t number, unsigned order)
{
    return number >= frames.first && number < frames.end && frames.order_of[number] == order;
}

static void block_free(size_t number, unsigned order)
{
    frames.available += 1ul << order;
    while (order + 1 < ORDERS && block_is_free(number ^ 1ul << order, order)) {
        block_take(number ^ 1ul << order);
        number &= ~(1ul << order);
        order++;
    }
    block_put(number, order);
}

/* A frame number, 0 for none (frame 0 is never free). */
static size_t block_alloc(unsigned order)
{
    unsigned found = order;
    size_t number;

    while (found < ORDERS && list_empty(&frames.free[found]))
        found++;
    if (found >= ORDERS)
        return 0;
    number = block_number(frames.free[found].next);
    block_take(number);
    while (found-- > order)
        block_put(number + (1ul << found), found);
    frames.available -= 1ul << order;
    return number;
}

/* Frames [from, to) in the largest aligned blocks. */
static void range_free(size_t from, size_t to)
{
    while (from < to) {
        unsigned order = 0;

        while (order + 1 < ORDERS && !(from & 1ul << order) && from + (2ul << order) <= to)
            order++;
        block_free(from, order);
        from += 1ul << order;
    }
}

void frames_init(const struct boot_info *boot)
{
    size_t first = (boot->free_start + PAGE_BYTES - 1) / PAGE_BYTES, end = boot->free_end / PAGE_BYTES;
    size_t map_frames = (end + PAGE_BYTES - 1) / PAGE_BYTES;

    if (first + map_frames >= end)
        panic("frames: %lu bytes of RAM are too few", boot->free_end);
    for (unsigned o = 0; o < ORDERS; o++)
        list_init(&frames.free[o]);
    frames.order_of = direct(first * PAGE_BYTES);
    for (size_t i = 0; i < end; i++)
        frames.order_of[i] = NOT_FREE;
    frames.first = first + map_frames;
    frames.end = end;
    range_free(frames.first, end);
}

static void stack_fill(void)
{
    while (frames.stacked < BATCH) {
        size_t number = block_alloc(0);

        if (!number)
            return;
        frames.stack[frames.stacked++] = number * PAGE_BYTES;
    }
}

uint64_t frame_alloc(void)
{
    if (!frames.stacked)
        stack_fill();
    return frames.stacked ? frames.stack[--frames.stacked] : 0;
}

void frame_free(uint64_t frame)
{
    if (frame / PAGE_BYTES < frames.first || frame / PAGE_BYTES >= frames.end || frame % PAGE_BYTES)
        panic("frames: freeing %lx, which was never free", frame);
    if (frames.stacked == STACK_MAX)
        while (frames.stacked > STACK_MAX - BATCH)
            block_free(frames.stack[--frames.stacked] / PAGE_BYTES, 0);
    frames.stack[frames.stacked++] = frame;
}

static void stack_drain(void)
{
    while (frames.stacked)
        block_free(frames.stack[--frames.stacked] / PAGE_BYTES, 0);
}

uint64_t frames_alloc(size_t count)
{
    unsigned order = 0;
    size_t number;

    if (count == 1)
        return frame_alloc();
    while (order < ORDERS && 1ul << order < count)
        order++;
    if (order == ORDERS)
        return 0;
    number = block_alloc(order);
    if (!number) {
        stack_drain();
        number = block_alloc(order);
    }
    if (number)
        range_free(number + count, number + (1ul << order));
    return number * PAGE_BYTES;
}

void frames_free(uint64_t first, size_t count)
{
    if (count == 1)
        frame_free(first);
    else
        range_free(first / PAGE_BYTES, first / PAGE_BYTES + count);
}

size_t frames_available(void)
{
    return frames.available + frames.stacked;
}

size_t frames_total(void)
{
    return frames.end;
}
