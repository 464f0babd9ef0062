/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/load.c: what proc asks of vm to load a program, and the program's own calls for memory.
 *
 * What comes from the program's file is read at once. So no page fault asks fs for anything.
 */
#include "arch-exo/copier/space.h"
#include "arch-exo/lib/context.h"
#include "arch-exo/lib/exo_call.h"

static struct {
    uint64_t brk_start, brk;
} memory;

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
    memory.brk_start = memory.brk = page_up(rq->arg[0]);
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

/* What is not enforced is accepted all the same: memory of its own has no limit but the machine's. */
static long request_limit(const struct request *rq)
{
    return 0;
}

/* The program is gone, but its env runs here to the end. */
static long request_exit(const struct request *rq)
{
    return 0;
}

static long request(void *self, struct request *rq)
{
    static long (*const requests[])(const struct request *rq) = {
        [VM_CREATE] = request_create,   [VM_MAP_FILE] = request_map_file, [VM_MAP_ANON] = request_map_anon,
        [VM_LIMIT] = request_limit,
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
    uint64_t to = call->arg[0], end = page_up(memory.brk), new_end = page_up(to);
    struct area *area = area_of(memory.brk_start);

    if (to < memory.brk_start || to >= VM_USER_END)
        return (long)memory.brk;
    if (new_end > end &&
        (area ? area_grow(area, new_end) : area_add(memory.brk_start, new_end, VM_PROT_READ | VM_PROT_WRITE)) < 0)
        return (long)memory.brk;
    if (new_end < end) {
        if (area_cut(new_end) < 0)
            return (long)memory.brk;
        each_area(new_end, end, area_drop, 0);
    }
    return (long)(memory.brk = to);
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
