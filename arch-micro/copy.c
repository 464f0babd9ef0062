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

#define BUFFER_BYTES 65536ul /* mach: the largest piece */

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

/* Programs trust the exception handler, which builds their signal frames, with all of their memory. */
static bool granted(const struct task *self, const struct copy *c)
{
    const struct task *other = c->other;

    if (other->program && kernel.handler && kernel.handler->owner == self && other->server == self)
        return other->kind != MSG_PLAIN;
    if (other->kind == MSG_CALL)
        return route_grants(other, c);
    if (other->kind == MSG_REQUEST)
        return request_grants(other, c);
    return other->kind == MSG_FAULT;
}

/* Moves `c->bytes`, page by page of the other's space. What could not be: -EAGAIN and its address, or -EFAULT. One
 * activation is one copy (abi/copy_routines.def), so (to, from, bytes) come first. */
__attribute__((noinline)) long copy_between_spaces(void *to, const void *from, size_t bytes, const struct copy *c,
                                                   uint64_t *absent);
__attribute__((noinline)) long copy_between_spaces(void *to, const void *from, size_t bytes, const struct copy *c,
                                                   uint64_t *absent)
{
    const struct space *space = c->other->thread.space;
    uint64_t address = c->address;
    char *own = c->out ? (char *)(uint64_t)from : to;

    while (bytes) {
        size_t piece = PAGE_BYTES - address % PAGE_BYTES;
        uint64_t physical = space ? space_frame(space, address, c->out ? PAGE_WRITE : PAGE_READ) : 0;
        void *there = direct(physical);

        if (!physical) {
            *absent = address;
            return -EAGAIN;
        }
        if (piece > bytes)
            piece = bytes;
        if (copy_user(c->out ? there : own, c->out ? own : there, piece))
            return -EFAULT;
        own += piece;
        address += piece;
        bytes -= piece;
    }
    return 0;
}

static long copy_once(const struct copy *c, uint64_t *absent)
{
    void *there = (void *)c->address;

    return copy_between_spaces(c->out ? there : c->own, c->out ? c->own : there, c->bytes, c, absent);
}

/* Into the kernel, and out of it. */
static long copy_through(const struct copy *whole, char *buffer, uint64_t *absent)
{
    for (size_t done = 0; done < whole->bytes;) {
        size_t piece = whole->bytes - done < BUFFER_BYTES ? whole->bytes - done : BUFFER_BYTES;
        struct copy c = {.other = whole->other, .own = buffer, .address = whole->address + done, .bytes = piece, .out = whole->out};
        long result = 0;

        if (c.out && copy_user(buffer, whole->own + done, piece))
            return -EFAULT;
        result = copy_once(&c, absent);
        if (result < 0)
            return result;
        if (!c.out && copy_user(whole->own + done, buffer, piece))
            return -EFAULT;
        done += piece;
    }
    return 0;
}

static long copy_buffered(const struct copy *c, uint64_t *absent)
{
    size_t frames = ((c->bytes < BUFFER_BYTES ? c->bytes : BUFFER_BYTES) + PAGE_BYTES - 1) / PAGE_BYTES;
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
    return kernel.mach ? copy_buffered(&c, &regs->rdx) : copy_once(&c, &regs->rdx);
}
