/* SPDX-License-Identifier: MIT
 *
 * arch-micro/copy.c: bulk data between address spaces, under a grant.
 *
 * A server copies to and from the memory of whom it serves, as far as that one's message grants it and only until it is
 * answered: one copy, from where the data is to where it belongs. The server's space is loaded; the other's pages are
 * looked up in its tables and reached through the direct map. A page that is not there is not the kernel's business: the
 * copy ends with -EAGAIN and its address, and the server asks the pager.
 *
 * In `micro:mach` payload goes into a buffer in the kernel and out again: two copies.
 */
#include "arch-micro/kernel.h"
#include "guest/frames.h"
#include "guest/trap.h"

#define PART_BYTES 65536ul /* of one copy */
#define PIECES_MAX (PART_BYTES / PAGE_BYTES + 1)

struct copy {
    struct task *other;
    char *own;
    uint64_t address; /* the other's */
    size_t bytes;
    bool out;         /* from own to the other's */
};

/* Is [address, address + bytes) in [from, from + length)? */
static bool inside(uint64_t address, uint64_t bytes, uint64_t from, uint64_t length)
{
    return address >= from && address - from <= length && bytes <= length - (address - from);
}

static uint64_t argument(const struct task *task, unsigned n)
{
    const struct user_regs *regs = &task->thread.context->regs;
    const uint64_t word[6] = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9};

    return word[n < 6 ? n : 0];
}

static bool route_grants(const struct task *task, const struct copy *c)
{
    const struct route *route = task->route;
    uint64_t length = route->length;

    if (!(route->rights & (c->out ? GRANT_WRITE : GRANT_READ)))
        return false;
    if (length == GRANT_ALL)
        return true;
    if (length >= GRANT_ARG(0) && length <= GRANT_ARG(5))
        length = argument(task, (unsigned)(length - GRANT_ARG(0)));
    return inside(c->address, c->bytes, argument(task, route->argument), length);
}

static bool request_grants(const struct task *requester, const struct copy *c)
{
    const struct message *message = message_page(requester);

    return !message->data_out == !c->out && inside(c->address, c->bytes, message->data, message->size);
}

/* Programs trust the exception handler, which builds their signal frames, and the pager with all of their memory; but
 * not whom these ask. */
static bool program_grants(const struct task *self, const struct task *program, const struct copy *c)
{
    bool direct = program->server == self;

    if (program->kind == MSG_PLAIN)
        return false;
    if (direct && kernel.handler && kernel.handler->owner == self)
        return true;
    if (program->kind == MSG_CALL)
        return route_grants(program, c);
    return direct && program->kind == MSG_FAULT;
}

static bool granted(const struct task *self, const struct copy *c)
{
    if (c->other->program)
        return program_grants(self, c->other, c);
    return c->other->kind == MSG_REQUEST && request_grants(c->other, c);
}

/* The next part of a copy, page by page of the other's space. The pieces, or -EAGAIN and the page that is not there. */
static long find_pieces(const struct copy *c, size_t bytes, struct piece piece[PIECES_MAX], uint64_t *absent)
{
    const struct space *space = c->other->thread.space;
    uint64_t address = c->address;
    char *own = c->own;
    long count = 0;

    while (bytes) {
        size_t here = PAGE_BYTES - address % PAGE_BYTES;
        uint64_t physical = space ? space_frame(space, address, c->out ? PAGE_WRITE : PAGE_READ) : 0;

        if (!physical) {
            *absent = address;
            return -EAGAIN;
        }
        if (here > bytes)
            here = bytes;
        piece[count].to = c->out ? direct(physical) : own;
        piece[count].from = c->out ? own : direct(physical);
        piece[count++].bytes = here;
        own += here;
        address += here;
        bytes -= here;
    }
    return count;
}

static long copy_part(const struct copy *c, size_t bytes, uint64_t *absent)
{
    struct piece piece[PIECES_MAX];
    void *there = (void *)c->address;
    long count = find_pieces(c, bytes, piece, absent);

    if (count < 0)
        return count;
    return copy_between_spaces(c->out ? there : c->own, c->out ? c->own : there, bytes, piece, (size_t)count) ? -EFAULT : 0;
}

static size_t part_of(const struct copy *c)
{
    return c->bytes < PART_BYTES ? c->bytes : PART_BYTES;
}

static long copy_directly(struct copy *c, uint64_t *absent)
{
    long result = 0;

    while (c->bytes && result == 0) {
        size_t bytes = part_of(c);

        result = copy_part(c, bytes, absent);
        c->own += bytes;
        c->address += bytes;
        c->bytes -= bytes;
    }
    return result;
}

/* Into the kernel, and out of it. */
static long copy_through(struct copy *c, char *buffer, uint64_t *absent)
{
    long result = 0;

    while (c->bytes && result == 0) {
        size_t bytes = part_of(c);
        struct copy half = {.other = c->other, .own = buffer, .address = c->address, .out = c->out};

        if (c->out && copy_user(buffer, c->own, bytes))
            return -EFAULT;
        result = copy_part(&half, bytes, absent);
        if (result == 0 && !c->out && copy_user(c->own, buffer, bytes))
            return -EFAULT;
        c->own += bytes;
        c->address += bytes;
        c->bytes -= bytes;
    }
    return result;
}

static long copy_buffered(struct copy *c, uint64_t *absent)
{
    size_t frames = (part_of(c) + PAGE_BYTES - 1) / PAGE_BYTES;
    uint64_t buffer = frames ? frames_alloc(frames) : 0;
    long result;

    if (!frames)
        return 0;
    result = buffer ? copy_through(c, direct(buffer), absent) : -ENOMEM;
    if (buffer)
        frames_free(buffer, frames);
    return result;
}

/* Whose memory: that of whom `handle` names, or of the program which that one serves. */
static struct task *memory_of(const struct task *self, uint64_t handle, bool served)
{
    struct task *other = ipc_served(self, handle), *program;

    if (!other || !served)
        return other;
    program = other->served;
    return program && program->state == IPC_SERVED && program->server == other ? program : NULL;
}

long copy_call(struct task *self, struct user_regs *regs)
{
    struct copy c = {
        .other = memory_of(self, regs->rdi, regs->r8 & COPY_SERVED),
        .own = (char *)regs->rsi,
        .address = regs->rdx,
        .bytes = regs->r10,
        .out = regs->r8 & COPY_OUT,
    };

    if (!c.other)
        return -ESRCH;
    if (!inside((uint64_t)c.own, c.bytes, 0, USER_TOP) || !inside(c.address, c.bytes, 0, USER_TOP))
        return -EFAULT;
    if (!granted(self, &c))
        return -EPERM;
    return kernel.mach ? copy_buffered(&c, &regs->rdx) : copy_directly(&c, &regs->rdx);
}
