/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/space.c: the program's memory, in place of the vm service: one space, nothing shared, nothing mapped
 * from files.
 *
 * An area is a range of whole pages with one protection; a page of it is a frame, or none yet: zeroes, at the first
 * touch. What makes it worth being one's own: the frames behind a range can be exchanged for others (space_flip), and
 * lent to the disk (space_loan): then the page is read-only, and whoever writes to it first waits for the disk.
 */
#include "arch-exo/copier/space.h"

#include "arch-exo/lib/exo_call.h"
#include "guest/heap.h"
#include "guest/x86.h"

#define FLIP_BATCH 32

struct space space;

static struct exo_batch batch[FLIP_BATCH];

/* ---- areas ---- */

struct area *area_of(uint64_t address)
{
    struct area *area = space.areas;

    while (area && (address < area->start || address >= area->end))
        area = area->next;
    return area;
}

static bool is_free(uint64_t start, uint64_t end)
{
    if (start >= end || !is_programs(start, end - start))
        return false;
    for (const struct area *area = space.areas; area; area = area->next)
        if (start < area->end && area->start < end)
            return false;
    return true;
}

long area_add(uint64_t start, uint64_t end, unsigned prot)
{
    struct area *area;

    if (!is_free(start, end))
        return -EEXIST;
    area = heap_alloc(sizeof(*area));
    if (!area)
        return -ENOMEM;
    *area = (struct area){.next = space.areas, .start = start, .end = end, .prot = prot};
    area->page = heap_alloc(pages_of(area) * sizeof(page_t));
    if (!area->page) {
        heap_free(area, sizeof(*area));
        return -ENOMEM;
    }
    space.areas = area;
    return 0;
}

void area_free(struct area *area)
{
    struct area **link = &space.areas;

    while (*link != area)
        link = &(*link)->next;
    *link = area->next;
    exo_call(EXO_UNMAP, (uint64_t)space.number, area->start, pages_of(area));
    for (uint64_t i = 0; i < pages_of(area); i++)
        if (area->page[i])
            frames_drop(area->page[i] & ~PAGE_LOANED, 1);
    heap_free(area->page, pages_of(area) * sizeof(page_t));
    heap_free(area, sizeof(*area));
}

long area_cut(uint64_t at)
{
    struct area *area = area_of(at);
    uint64_t end, left;
    page_t *page;

    if (!area || area->start == at)
        return 0;
    end = area->end;
    left = (at - area->start) / PAGE_BYTES;
    page = heap_alloc(left * sizeof(*page));
    area->end = at;
    if (!page || area_add(at, end, area->prot) < 0) {
        area->end = end;
        heap_free(page, left * sizeof(*page));
        return -ENOMEM;
    }
    for (uint64_t i = 0; i < left; i++)
        page[i] = area->page[i];
    for (uint64_t i = 0; i < (end - at) / PAGE_BYTES; i++)
        space.areas->page[i] = area->page[left + i];
    heap_free(area->page, (end - area->start) / PAGE_BYTES * sizeof(*page));
    area->page = page;
    return 0;
}

long area_grow(struct area *area, uint64_t end)
{
    page_t *page = is_free(area->end, end) ? heap_alloc((end - area->start) / PAGE_BYTES * sizeof(*page)) : NULL;

    if (!page)
        return -ENOMEM;
    for (uint64_t i = 0; i < pages_of(area); i++)
        page[i] = area->page[i];
    heap_free(area->page, pages_of(area) * sizeof(*page));
    area->page = page;
    area->end = end;
    return 0;
}

void each_area(uint64_t start, uint64_t end, void (*change)(struct area *area, unsigned prot), unsigned prot)
{
    for (struct area *area = space.areas, *next; area; area = next) {
        next = area->next;
        if (area->start >= start && area->start < end)
            change(area, prot);
    }
}

/* ---- pages ---- */

static long map(uint64_t address, frame_t frame, unsigned prot)
{
    return exo_call5(EXO_MAP, (uint64_t)space.number, address, frame, prot, 0);
}

long page_new(const struct area *area, uint64_t address)
{
    frame_t frame = frame_take();
    long result;

    if (frame == FRAME_NONE)
        return -ENOMEM;
    zero_quads(page_window(frame), PAGE_BYTES / 8);
    result = map(address, frame, area->prot);
    if (result < 0)
        frames_drop(frame, 1);
    else
        *page_at(area, address) = frame;
    return result;
}

static long page_unloan(const struct area *area, uint64_t address, page_t *page)
{
    stream_finish();
    *page &= ~PAGE_LOANED;
    return map(address, *page, area->prot);
}

long space_fault(uint64_t address, unsigned access)
{
    struct area *area = area_of(address);
    page_t *page;

    if (!area)
        return -EFAULT;
    if (!(area->prot & access))
        return -EACCES;
    address &= ~(PAGE_BYTES - 1);
    page = page_at(area, address);
    if (!*page)
        return page_new(area, address);
    if (*page & PAGE_LOANED && access == VM_WRITE)
        return page_unloan(area, address, page);
    return map(address, *page & ~PAGE_LOANED, *page & PAGE_LOANED ? area->prot & ~VM_PROT_WRITE : area->prot);
}

bool space_writable(uint64_t address, uint64_t pages)
{
    const struct area *area = address % PAGE_BYTES ? NULL : area_of(address);

    return area && area->prot & VM_PROT_WRITE && pages <= (area->end - address) / PAGE_BYTES;
}

uint64_t space_frames(uint64_t address, uint64_t pages, frame_t *frame)
{
    const page_t *page = page_at(area_of(address), address);
    uint64_t n = 0, left;

    *frame = page[0] & ~PAGE_LOANED;
    left = *frame ? row_left(*frame) : 0;
    while (n < pages && n < left && (page[n] & ~PAGE_LOANED) == *frame + n * PAGE_BYTES)
        n++;
    return n;
}

static void flip(const struct area *area, uint64_t address, frame_t frame, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++)
        batch[i] = (struct exo_batch){EXO_MAP, (uint64_t)space.number, address + i * PAGE_BYTES, frame + i * PAGE_BYTES,
                                      area->prot};
    if (exo_call(EXO_BATCH, (uint64_t)batch, pages, 0) < 0)
        panic("no memory for a page table");
    for (uint64_t i = 0; i < pages; i++) {
        page_t *page = page_at(area, address + i * PAGE_BYTES);

        if (*page)
            frames_drop(*page & ~PAGE_LOANED, 1);
        *page = frame + i * PAGE_BYTES;
    }
}

void space_flip(uint64_t address, frame_t frame, uint64_t pages)
{
    const struct area *area = area_of(address);

    while (pages) {
        uint64_t n = pages < FLIP_BATCH ? pages : FLIP_BATCH;

        flip(area, address, frame, n);
        address += n * PAGE_BYTES;
        frame += n * PAGE_BYTES;
        pages -= n;
    }
}

void space_loan(uint64_t address, uint64_t pages)
{
    const struct area *area = area_of(address);

    exo_call5(EXO_PROTECT, (uint64_t)space.number, address, pages, area->prot & ~VM_PROT_WRITE, 0);
    for (uint64_t i = 0; i < pages; i++)
        *page_at(area, address + i * PAGE_BYTES) |= PAGE_LOANED;
}

/* What is on loan stays so: its next fault puts that right. */
void area_protect(struct area *area, unsigned prot)
{
    area->prot = prot;
    exo_call5(EXO_PROTECT, (uint64_t)space.number, area->start, pages_of(area), prot, 0);
    for (uint64_t i = 0; i < pages_of(area); i++)
        if (area->page[i] & PAGE_LOANED)
            map(area->start + i * PAGE_BYTES, area->page[i] & ~PAGE_LOANED, prot & ~VM_PROT_WRITE);
}

void space_end(void)
{
    while (space.areas)
        area_free(space.areas);
}
