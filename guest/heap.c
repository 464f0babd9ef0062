/* SPDX-License-Identifier: MIT
 *
 * guest/heap.c: the kernel's allocator: slabs of equal objects for small sizes, whole frames for large ones.
 *
 * A slab is one frame: a header, then objects of one size class. Slabs with a free object are on the list of their
 * class; full ones are on none and are found again by masking an object's address. A slab that becomes empty goes back
 * to the frames, but each class keeps one, so that a call that allocates and frees does not bounce a frame.
 */
#include <stdbool.h>
#include <stdint.h>

#include "guest/frames.h"
#include "guest/heap.h"
#include "guest/layout.h"
#include "guest/list.h"
#include "guest/print.h"
#include "guest/x86.h"

struct free_object {
    struct free_object *next;
};

struct slab {
    struct list link;
    struct free_object *free;
    uint16_t used, class;
    uint32_t magic;
} __attribute__((aligned(64)));

#define SLAB_MAGIC 0x51ab51abu

static const uint16_t class_bytes[] = {16, 32, 48, 64, 96, 128, 192, 256, 336, 448, 576, 800, 1008, 1344, 2016};
#define CLASSES (sizeof(class_bytes) / sizeof(class_bytes[0]))
#define SMALL_MAX 2016
#define GRAIN 16 /* all classes are multiples of it */

static struct {
    struct list partial[CLASSES];            /* slabs with a free object */
    struct slab *spare[CLASSES];             /* an empty slab, on no list */
    uint8_t class_of[SMALL_MAX / GRAIN + 1]; /* by size in units of GRAIN */
    bool ready;
} heap;

static void heap_init(void)
{
    for (size_t c = 0; c < CLASSES; c++)
        list_init(&heap.partial[c]);
    for (size_t g = 0, c = 0; g <= SMALL_MAX / GRAIN; g++) {
        c += class_bytes[c] < g * GRAIN;
        heap.class_of[g] = (uint8_t)c;
    }
    heap.ready = true;
}

/* bytes <= SMALL_MAX */
static size_t class_of(size_t bytes)
{
    return heap.class_of[(bytes + GRAIN - 1) / GRAIN];
}

static struct slab *slab_create(size_t c)
{
    uint64_t frame = frame_alloc();
    struct slab *slab = direct(frame);

    if (!frame)
        return NULL;
    *slab = (struct slab){.class = (uint16_t)c, .magic = SLAB_MAGIC};
    for (size_t n = (PAGE_BYTES - sizeof(*slab)) / class_bytes[c]; n > 0; n--) {
        struct free_object *object = (struct free_object *)((char *)slab + PAGE_BYTES - n * class_bytes[c]);

        object->next = slab->free;
        slab->free = object;
    }
    return slab;
}

/* A slab with a free object, on its list. */
static struct slab *slab_find(size_t c)
{
    struct slab *slab;

    if (!list_empty(&heap.partial[c]))
        return LIST_MEMBER(heap.partial[c].next, struct slab, link);
    slab = heap.spare[c];
    heap.spare[c] = NULL;
    if (!slab)
        slab = slab_create(c);
    if (slab)
        list_add(&heap.partial[c], &slab->link);
    return slab;
}

/* `bytes` is a multiple of 16. Starting REP STOS costs more than a short loop. */
static void zero_words(void *memory, size_t bytes)
{
    uint64_t *word = memory, *end = word + bytes / 8;

    if (bytes >= 256) {
        zero_quads(memory, bytes / 8);
        return;
    }
    for (; word < end; word += 2)
        word[0] = word[1] = 0;
}

static void *small_alloc(size_t bytes)
{
    size_t c = class_of(bytes);
    struct slab *slab = slab_find(c);
    struct free_object *object;

    if (!slab)
        return NULL;
    object = slab->free;
    slab->free = object->next;
    slab->used++;
    if (!slab->free)
        list_remove(&slab->link);
    zero_words(object, class_bytes[c]);
    return object;
}

static void slab_release(struct slab *slab)
{
    list_remove(&slab->link);
    if (!heap.spare[slab->class])
        heap.spare[slab->class] = slab;
    else
        frame_free(physical(slab));
}

static void small_free(void *memory, size_t bytes)
{
    struct slab *slab = (struct slab *)((uint64_t)memory & ~(PAGE_BYTES - 1));
    struct free_object *object = memory;

    if (slab->magic != SLAB_MAGIC || slab->class != class_of(bytes) || !slab->used)
        panic("heap: freeing %lu bytes that were not allocated so", bytes);
    if (!slab->free)
        list_add(&heap.partial[slab->class], &slab->link);
    object->next = slab->free;
    slab->free = object;
    if (!--slab->used)
        slab_release(slab);
}

static size_t frames_for(size_t bytes)
{
    return (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

void *heap_alloc(size_t bytes)
{
    uint64_t frame;

    if (!heap.ready)
        heap_init();
    if (bytes <= SMALL_MAX)
        return small_alloc(bytes);
    frame = frames_alloc(frames_for(bytes));
    if (!frame)
        return NULL;
    zero_quads(direct(frame), frames_for(bytes) * PAGE_BYTES / 8);
    return direct(frame);
}

void heap_free(void *memory, size_t bytes)
{
    if (!memory)
        return;
    if (bytes <= SMALL_MAX)
        small_free(memory, bytes);
    else
        frames_free(physical(memory), frames_for(bytes));
}

void heap_shrink(void)
{
    for (size_t c = 0; c < CLASSES; c++)
        if (heap.spare[c]) {
            frame_free(physical(heap.spare[c]));
            heap.spare[c] = NULL;
        }
}
