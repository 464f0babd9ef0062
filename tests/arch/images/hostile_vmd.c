/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/hostile_vmd.c: vmd that attacks. munmap of HOSTILE_ADDRESS asks for it: the attack's number is the
 * length less 1; HOSTILE_DESTROY takes the space from under the process that was forked last. Programs trust their
 * pager, but the kernel and the other servers do not: nor may a program run in one of theirs.
 */
#include "tests/arch/images/attack.h"

#include "guest/layout.h"
#include "tests/arch/images/hostile.h"

#define KERNEL_TEXT 0xffffffff80100000ul
#define SPACES 1024
#define SERVER_SPACES 8 /* the first ones are the servers' and the kernel's empty one */
#define HERE 0x40000000ul

#define LIST(when) static const struct attack when##_attacks[] = {
#define ATTACK(name, expected) {#name, attack_##name},
#define END                                                                                                            \
    }                                                                                                                  \
    ;
#include "tests/arch/images/attacks_vmd.def"
#define COUNT(list) (sizeof(list) / sizeof(*list))

static struct {
    long (*request)(void *self, struct request *rq); /* the real one */
    call_op *munmap;
    uint64_t newest; /* space */
} hostile;

/* ---- spaces ---- */

static long not_refused(const uint64_t *spaces, size_t count)
{
    long accepted = 0;

    for (size_t i = 0; i < count; i++) {
        accepted += kcall(IPC_SPACE_DESTROY, spaces[i], 0, 0) != -EINVAL;
        accepted += kcall4(IPC_MAP, spaces[i], HERE, 0, 7) != -EINVAL;
        accepted += kcall(IPC_UNMAP, spaces[i], SERVER_IMAGE_BASE, 1) != -EINVAL;
        accepted += kcall4(IPC_PROTECT, spaces[i], SERVER_IMAGE_BASE, 1, 7) != -EINVAL;
        accepted += kcall(IPC_SPACE_ASSIGN, 1, spaces[i], 0) != -EINVAL;
    }
    return accepted;
}

long attack_spaces_of_others(const struct target *t)
{
    uint64_t spaces[SERVER_SPACES];

    for (unsigned n = 0; n < SERVER_SPACES; n++)
        spaces[n] = n;
    return not_refused(spaces, SERVER_SPACES);
}

long attack_space_nowhere(const struct target *t)
{
    static const uint64_t spaces[] = {SPACES,    SPACES - 1, 65536, 1ul << 32, (1ul << 32) + SERVER_SPACES,
                                      1ul << 63, -1ul};

    return not_refused(spaces, COUNT(spaces));
}

/* With a space of its own, for the attack only. */
static long with_space(long (*attack)(uint64_t space))
{
    uint64_t space = (uint64_t)kcall(IPC_SPACE_CREATE, 0, 0, 0);
    long result = attack(space);

    return kcall(IPC_SPACE_DESTROY, space, 0, 0) ? 1000 : result;
}

static long assign_to_nobody(uint64_t space)
{
    return kcall(IPC_SPACE_ASSIGN, 4711, space, 0);
}

long attack_assign_to_nobody(const struct target *t)
{
    return with_space(assign_to_nobody);
}

long attack_assign_no_space(const struct target *t)
{
    return kcall(IPC_SPACE_ASSIGN, 1, 0, 0);
}

/* ---- frames ---- */

static uint64_t take_frame(void)
{
    uint64_t frame = 0;

    kcall(IPC_FRAMES_TAKE, (uint64_t)&frame, 1, 0);
    return frame;
}

static long give_frame(uint64_t frame)
{
    return kcall(IPC_FRAMES_GIVE, (uint64_t)&frame, 1, 0);
}

/* The zero page, the kernel, a device, beyond memory, half a page of its own. */
static long foreign(unsigned i, uint64_t own)
{
    const uint64_t frames[] = {0, 0x100000, 0xfe000000, 1ul << 40, -4096ul, own + 8};

    return i < COUNT(frames) ? (long)frames[i] : -1;
}

static long map_frames_of_others(uint64_t space)
{
    uint64_t own = take_frame();
    long accepted = 0, frame;

    for (unsigned i = 0; (frame = foreign(i, own)) != -1; i++)
        accepted += kcall4(IPC_MAP, space, HERE, (uint64_t)frame, 3) != -EINVAL;
    return accepted + (give_frame(own) != 0);
}

long attack_map_frames_of_others(const struct target *t)
{
    return with_space(map_frames_of_others);
}

static long map_in_the_kernel(uint64_t space)
{
    static const uint64_t places[] = {KERNEL_TEXT & ~0xffful, DIRECT_MAP, USER_TOP, 1ul << 63, -4096ul, HERE + 8};
    uint64_t own = take_frame();
    long accepted = 0;

    for (unsigned i = 0; i < COUNT(places); i++)
        accepted += kcall4(IPC_MAP, space, places[i], own, 3) != -EINVAL;
    return accepted + (give_frame(own) != 0);
}

long attack_map_in_the_kernel(const struct target *t)
{
    return with_space(map_in_the_kernel);
}

static long map_all_rights(uint64_t space)
{
    uint64_t own = take_frame();
    long result = kcall4(IPC_MAP, space, HERE, own, -1ul);

    return give_frame(own) ? 1000 : result;
}

long attack_map_all_rights(const struct target *t)
{
    return with_space(map_all_rights);
}

static long unmap_wrapping(uint64_t space)
{
    return kcall(IPC_UNMAP, space, HERE, 1ul << 52);
}

long attack_unmap_wrapping(const struct target *t)
{
    return with_space(unmap_wrapping);
}

static long protect_wrapping(uint64_t space)
{
    return kcall4(IPC_PROTECT, space, HERE, 1ul << 52, 7);
}

long attack_protect_wrapping(const struct target *t)
{
    return with_space(protect_wrapping);
}

long attack_give_frames_of_others(const struct target *t)
{
    uint64_t own = take_frame();
    long accepted = 0, frame;

    for (unsigned i = 0; (frame = foreign(i, own)) != -1; i++)
        accepted += give_frame((uint64_t)frame) != -EINVAL;
    return accepted + (give_frame(own) != 0);
}

long attack_give_frame_twice(const struct target *t)
{
    uint64_t own = take_frame();

    return give_frame(own) ? 1000 : give_frame(own);
}

/* A program's memory stays what it is: it comes back when nothing maps it any more. */
static long give_mapped_frame(uint64_t space)
{
    uint64_t own = take_frame();
    long mapped = kcall4(IPC_MAP, space, HERE, own, 3), refused = give_frame(own);

    kcall(IPC_UNMAP, space, HERE, 1);
    return mapped || refused != -EINVAL || give_frame(own);
}

long attack_give_mapped_frame(const struct target *t)
{
    return with_space(give_mapped_frame);
}

long attack_take_absurd(const struct target *t)
{
    return kcall(IPC_FRAMES_TAKE, SERVER_HEAP_BASE, 1ul << 40, 0);
}

long attack_take_to_the_kernel(const struct target *t)
{
    return kcall(IPC_FRAMES_TAKE, KERNEL_TEXT, 1, 0);
}

/* ---- the space of another ---- */

#define TEXT(n) #n
#define NUMBER(n) TEXT(n)

/* A program's call of exit. */
__attribute__((naked)) static void ran_here(void)
{
    __asm__ volatile("mov $60, %eax; mov $" NUMBER(HOSTILE_RAN) ", %edi; syscall");
}

/* ---- vm_part, and these two in front ---- */

static long munmap(void *self, struct call *call)
{
    uint64_t n = call->arg[1] - 1;

    if (call->arg[0] != HOSTILE_ADDRESS)
        return hostile.munmap(self, call);
    if (n == HOSTILE_WHERE)
        return (long)ran_here;
    if (n == HOSTILE_DESTROY)
        return kcall(IPC_SPACE_DESTROY, hostile.newest, 0, 0);
    return attack_run(munmap_attacks, COUNT(munmap_attacks), n, &(struct target){.entry = (struct entry *)call});
}

/* The next space that is made has the number of one that was made and destroyed. */
static long request(void *self, struct request *rq)
{
    if (rq->op == VM_FORK) {
        hostile.newest = (uint64_t)kcall(IPC_SPACE_CREATE, 0, 0, 0);
        kcall(IPC_SPACE_DESTROY, hostile.newest, 0, 0);
    }
    return hostile.request(self, rq);
}

static void create(enum server_why why)
{
    vm_part.create(why);
    hostile.munmap = server.routes[CALL_munmap].op;
    hostile.request = server.services[SERVICE_VM].request;
    server.routes[CALL_munmap].op = munmap;
    server.services[SERVICE_VM].request = request;
}

static void destroy(void)
{
    vm_part.destroy();
}

static long operation(struct request *rq)
{
    return vm_part.operation(rq);
}

static const struct part hostile_part = {.create = create, .destroy = destroy, .operation = operation};
const struct part *const server_parts[] = {&hostile_part, NULL};
