/* SPDX-License-Identifier: MIT
 *
 * services/vm/requests.c: what proc asks of vm (services/requests.h).
 */
#include "services/vm/space.h"

static bool bad_range(uint64_t start, uint64_t bytes)
{
    return start & PAGE_MASK || bytes == 0 || bytes > VM_USER_END || start > VM_USER_END - page_up(bytes) ||
           start < MAP_LOWEST;
}

static long create(struct vm *vm, struct request *rq)
{
    return vm_space_create(vm, rq->pid);
}

static long fork_space(struct vm *vm, struct request *rq)
{
    return vm_space_fork(vm, rq->pid, (int)rq->arg[0]);
}

static long share(struct vm *vm, struct request *rq)
{
    return vm_space_share(vm, rq->pid, (int)rq->arg[0]);
}

static long exec_space(struct vm *vm, struct request *rq)
{
    return vm_space_exec(vm, rq->pid);
}

static long exit_space(struct vm *vm, struct request *rq)
{
    return vm_space_exit(vm, rq->pid);
}

static long map_anonymous(struct vm *vm, struct vm_space *space, uint64_t start, uint64_t end, uint32_t prot,
                          uint32_t flags)
{
    struct vm_mapping mapping = {.start = start, .end = end, .prot = prot, .flags = flags};

    return start == end ? 0 : vm_area_create(vm, space, &mapping);
}

static long map_object(struct vm *vm, struct vm_space *space, struct request *rq, uint64_t end)
{
    uint64_t start = rq->arg[0], file_end = start + rq->arg[4];
    struct vm_mapping mapping = {.start = start, .end = end, .prot = (uint32_t)rq->arg[5] & 7,
                                 .index = rq->arg[3] >> PAGE_SHIFT, .fill_end = file_end & PAGE_MASK ? file_end : 0};
    long r = vm_object_file(vm, rq->call, rq->arg[2], &mapping.object);

    if (r < 0)
        return r;
    r = vm_area_create(vm, space, &mapping);
    if (r < 0)
        vm_object_release(vm, mapping.object);
    return r;
}

/* Two areas: pages of the file, the last of them perhaps in part; then zeros. */
static long map_file(struct vm *vm, struct request *rq)
{
    struct vm_space *space = vm_space_of(vm, rq->pid);
    uint64_t start = rq->arg[0], end = start + page_up(rq->arg[1]), border = start + page_up(rq->arg[4]);
    long r;

    if (!space || bad_range(start, rq->arg[1]) || rq->arg[4] == 0 || rq->arg[4] > page_up(rq->arg[1]) ||
        rq->arg[3] & PAGE_MASK)
        return -EINVAL;
    r = map_object(vm, space, rq, border);
    if (r < 0)
        return r;
    r = map_anonymous(vm, space, border, end, (uint32_t)rq->arg[5] & 7, 0);
    if (r < 0)
        vm_range_remove(vm, space, start, border);
    return r;
}

static long map_anon(struct vm *vm, struct request *rq)
{
    struct vm_space *space = vm_space_of(vm, rq->pid);
    uint64_t start = rq->arg[0];

    if (!space || bad_range(start, rq->arg[1]))
        return -EINVAL;
    return map_anonymous(vm, space, start, start + page_up(rq->arg[1]), (uint32_t)rq->arg[2] & 7,
                         rq->arg[3] & VM_ANON_STACK ? AREA_STACK : 0);
}

static long set_brk(struct vm *vm, struct request *rq)
{
    struct vm_space *space = vm_space_of(vm, rq->pid);

    if (!space || rq->arg[0] > VM_USER_END)
        return -EINVAL;
    space->brk_start = space->brk_end = rq->arg[0];
    return 0;
}

static long usage(struct vm *vm, struct request *rq)
{
    struct vm_space *space = vm_space_of(vm, rq->pid);

    return space ? (long)space->pages.used : 0;
}

long vm_request(void *self, struct request *rq)
{
    static long (*const requests[])(struct vm *, struct request *) = {
        [VM_CREATE] = create,     [VM_FORK] = fork_space,   [VM_SHARE] = share,
        [VM_EXEC] = exec_space,   [VM_EXIT] = exit_space,
        [VM_MAP_FILE] = map_file, [VM_MAP_ANON] = map_anon, [VM_SET_BRK] = set_brk, [VM_USAGE] = usage,
        [VM_POKE] = vm_poke,      [VM_RESERVE] = vm_reserve, [VM_LIMIT] = vm_limit,
    };

    if (rq->op >= sizeof requests / sizeof *requests || !requests[rq->op])
        return -ENOSYS;
    return requests[rq->op](self, rq);
}
