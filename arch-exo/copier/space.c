/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/space.c: the program's memory, in place of the vm service: one space, nothing shared, nothing from files but
 * what the program is loaded from, and that at once.
 *
 * An area is a range of whole pages with one protection; a page of it is a frame, or none yet: zeroes, at the first
 * touch. What makes it worth being one's own: the frames behind a range can be exchanged for others (space_flip), and lent
 * to the disk (space_loan): then the page is read-only, and whoever writes to it first waits for the disk.
 */
#include "arch-exo/copier/copier.h"
#include "arch-exo/lib/context.h"
#include "arch-exo/lib/exo_call.h"
#include "guest/heap.h"
#include "guest/x86.h"
#include "services/string.h"

#define LOANED 1ul /* in a page's word: a bit that no frame has */
#define FLIP_BATCH 32

typedef uint64_t page_t; /* frame | LOANED, or 0 */

struct area {
    struct area *next;
    uint64_t start, end;
    unsigned prot;
    page_t *page;
};

static struct {
    long number; /* 0: none yet */
    struct area *areas;
    uint64_t brk_start, brk;
    struct exo_batch batch[FLIP_BATCH];
} space;

static uint64_t pages_of(const struct area *area)
{
    return (area->end - area->start) / PAGE_BYTES;
}

static uint64_t page_up(uint64_t bytes)
{
    return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static page_t *page_at(const struct area *area, uint64_t address)
{
    return &area->page[(address - area->start) / PAGE_BYTES];
}

/* ---- areas ---- */

static struct area *area_of(uint64_t address)
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

static long area_add(uint64_t start, uint64_t end, unsigned prot)
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

static void area_free(struct area *area)
{
    struct area **link = &space.areas;

    while (*link != area)
        link = &(*link)->next;
    *link = area->next;
    exo_call(EXO_UNMAP, (uint64_t)space.number, area->start, pages_of(area));
    for (uint64_t i = 0; i < pages_of(area); i++)
        if (area->page[i])
            frames_drop(area->page[i] & ~LOANED, 1);
    heap_free(area->page, pages_of(area) * sizeof(page_t));
    heap_free(area, sizeof(*area));
}

/* An area that `at` lies in becomes two. */
static long area_cut(uint64_t at)
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

/* Its end moves up; 0 or -ENOMEM. */
static long area_grow(struct area *area, uint64_t end)
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

/* All areas that begin in the range, which must have been cut at both ends. */
static void each_area(uint64_t start, uint64_t end, void (*change)(struct area *area, unsigned prot), unsigned prot)
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

/* A page of zeroes. */
static long page_new(const struct area *area, uint64_t address)
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
    *page &= ~LOANED;
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
    if (*page & LOANED && access == VM_WRITE)
        return page_unloan(area, address, page);
    return map(address, *page & ~LOANED, *page & LOANED ? area->prot & ~VM_PROT_WRITE : area->prot);
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

    *frame = page[0] & ~LOANED;
    left = *frame ? row_left(*frame) : 0;
    while (n < pages && n < left && (page[n] & ~LOANED) == *frame + n * PAGE_BYTES)
        n++;
    return n;
}

static void flip(const struct area *area, uint64_t address, frame_t frame, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++)
        space.batch[i] = (struct exo_batch){EXO_MAP, (uint64_t)space.number, address + i * PAGE_BYTES,
                                            frame + i * PAGE_BYTES, area->prot};
    if (exo_call(EXO_BATCH, (uint64_t)space.batch, pages, 0) < 0)
        panic("no memory for a page table");
    for (uint64_t i = 0; i < pages; i++) {
        page_t *page = page_at(area, address + i * PAGE_BYTES);

        if (*page)
            frames_drop(*page & ~LOANED, 1);
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
        *page_at(area, address + i * PAGE_BYTES) |= LOANED;
}

/* ---- what proc asks of vm, to load a program ---- */

static long request_create(const struct request *rq)
{
    char name[NAME_BYTES] __attribute__((aligned(8))) = {0};
    const uint64_t *word = (const uint64_t *)name;

    if (space.number > 0)
        return 0;
    context_name(name, sizeof(name), copier.boot->text);
    space.number = exo_call(EXO_SPACE_CREATE, 0, 0, 0);
    if (space.number < 0)
        return space.number;
    exo_call5(EXO_NAME, lib_private.env, word[0], word[1], word[2], 0);
    return exo_call(EXO_ENV_SPACE, lib_private.env, (uint64_t)space.number, 0);
}

/* One page of the file, of which `bytes` count. */
static long load_page(const struct area *area, uint64_t address, uint64_t handle, uint64_t offset, uint64_t bytes)
{
    long result = page_new(area, address);

    if (result < 0)
        return result;
    result = ASK(SERVICE_FS, FS_READ_AT, page_window(*page_at(area, address)), bytes, handle, offset);
    return result < 0 ? result : 0;
}

/* proc aligns addresses and offsets to pages. */
static long request_map_file(const struct request *rq)
{
    uint64_t start = rq->arg[0], bytes = rq->arg[4];
    long result = area_add(start, start + page_up(rq->arg[1]), (unsigned)rq->arg[5]);

    for (uint64_t at = 0; result == 0 && at < bytes; at += PAGE_BYTES)
        result = load_page(area_of(start), start + at, rq->arg[2], rq->arg[3] + at,
                           bytes - at < PAGE_BYTES ? bytes - at : PAGE_BYTES);
    return result;
}

/* A stack has all that it may grow to. */
static long request_map_anon(const struct request *rq)
{
    uint64_t start = rq->arg[0], end = start + page_up(rq->arg[1]);

    if (rq->arg[3] & VM_ANON_STACK)
        start = end - VM_STACK_LIMIT;
    return area_add(start, end, (unsigned)rq->arg[2]);
}

static long request_set_brk(const struct request *rq)
{
    space.brk_start = space.brk = page_up(rq->arg[0]);
    return 0;
}

static long request_usage(const struct request *rq)
{
    long pages = 0;

    for (const struct area *area = space.areas; area; area = area->next)
        for (uint64_t i = 0; i < pages_of(area); i++)
            pages += area->page[i] != 0;
    return pages;
}

/* The program is gone, but its env runs here to the end. */
static long request_exit(const struct request *rq)
{
    return 0;
}

static long request(void *self, struct request *rq)
{
    static long (*const requests[])(const struct request *rq) = {
        [VM_CREATE] = request_create,     [VM_MAP_FILE] = request_map_file, [VM_MAP_ANON] = request_map_anon,
        [VM_SET_BRK] = request_set_brk, [VM_USAGE] = request_usage,       [VM_EXIT] = request_exit,
    };

    return rq->op < sizeof(requests) / sizeof(*requests) && requests[rq->op] ? requests[rq->op](rq) : -ENOSYS;
}

/* ---- calls ---- */

static void area_drop(struct area *area, unsigned prot)
{
    area_free(area);
}

static long op_brk(void *self, struct call *call)
{
    uint64_t to = call->arg[0], end = page_up(space.brk), new_end = page_up(to);
    struct area *area = area_of(space.brk_start);

    if (to < space.brk_start || to >= VM_USER_END)
        return (long)space.brk;
    if (new_end > end &&
        (area ? area_grow(area, new_end) : area_add(space.brk_start, new_end, VM_PROT_READ | VM_PROT_WRITE)) < 0)
        return (long)space.brk;
    if (new_end < end) {
        if (area_cut(new_end) < 0)
            return (long)space.brk;
        each_area(new_end, end, area_drop, 0);
    }
    return (long)(space.brk = to);
}

/* Below all that has been handed out. */
static uint64_t choose(uint64_t bytes)
{
    uint64_t lowest = VM_MMAP_TOP;

    for (const struct area *area = space.areas; area; area = area->next)
        if (area->start < lowest && area->start > VM_MMAP_TOP / 2 && area->end <= VM_MMAP_TOP)
            lowest = area->start;
    return lowest - bytes;
}

static bool is_range(uint64_t start, uint64_t bytes)
{
    return start % PAGE_BYTES == 0 && bytes && bytes < VM_USER_END && start < VM_USER_END - bytes;
}

/* Private and of nothing (calls.c); the hint is not taken. */
static long op_mmap(void *self, struct call *call)
{
    uint64_t bytes = page_up(call->arg[1]), start;
    long result;

    if (!bytes || bytes > VM_MMAP_TOP / 4)
        return bytes ? -ENOMEM : -EINVAL;
    start = choose(bytes);
    result = area_add(start, start + bytes, call->arg[2] & 7);
    return result < 0 ? -ENOMEM : (long)start;
}

static long op_munmap(void *self, struct call *call)
{
    uint64_t start = call->arg[0], bytes = page_up(call->arg[1]);

    if (!is_range(start, bytes))
        return -EINVAL;
    if (area_cut(start) < 0 || area_cut(start + bytes) < 0)
        return -ENOMEM;
    each_area(start, start + bytes, area_drop, 0);
    return 0;
}

/* What is on loan stays so: its next fault puts that right. */
static void area_protect(struct area *area, unsigned prot)
{
    area->prot = prot;
    exo_call5(EXO_PROTECT, (uint64_t)space.number, area->start, pages_of(area), prot, 0);
    for (uint64_t i = 0; i < pages_of(area); i++)
        if (area->page[i] & LOANED)
            map(area->start + i * PAGE_BYTES, area->page[i] & ~LOANED, prot & ~VM_PROT_WRITE);
}

static long op_mprotect(void *self, struct call *call)
{
    uint64_t start = call->arg[0], bytes = page_up(call->arg[1]);

    if (!call->arg[1])
        return start % PAGE_BYTES ? -EINVAL : 0;
    if (!is_range(start, bytes) || call->arg[2] > 7)
        return -EINVAL;
    for (uint64_t at = start; at < start + bytes; at = area_of(at)->end)
        if (!area_of(at))
            return -ENOMEM;
    if (area_cut(start) < 0 || area_cut(start + bytes) < 0)
        return -ENOMEM;
    each_area(start, start + bytes, area_protect, (unsigned)call->arg[2]);
    return 0;
}

static call_op *const operations[CALL_TABLE_END] = {
    [CALL_brk] = op_brk,
    [CALL_mmap] = op_mmap,
    [CALL_munmap] = op_munmap,
    [CALL_mprotect] = op_mprotect,
};

struct service space_service(void)
{
    return (struct service){.name = "space", .calls = operations, .request = request};
}

void space_end(void)
{
    while (space.areas)
        area_free(space.areas);
}
