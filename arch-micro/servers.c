/* SPDX-License-Identifier: MIT
 *
 * arch-micro/servers.c: servers: loaded from boot modules, stopped when they fault, started again.
 *
 * A server's endpoint and capabilities belong to its place, not to the instance: who sends to a server that is dead waits
 * for the next one. A restart brings text and constants from the image and an empty stack. Data and heap are kept, if the
 * supervisor thinks so (RESTART_KEEP), else they are the image's and nothing (RESTART_FRESH): then whoever was being served
 * gets an error, and the frames of the old heap stay out of use until the new instance waits for messages, because the
 * device of a driver may still write to them.
 */
#include "abi/devices.h"
#include "abi/probe.h"
#include "arch-micro/kernel.h"
#include "guest/frames.h"
#include "guest/heap.h"
#include "guest/image.h"
#include "guest/print.h"
#include "guest/trap.h"
#include "guest/x86.h"

#define VECTOR_RESTORED 0x101 /* any but VECTOR_SYSCALL_ENTRY: all registers are loaded, by IRET */

static const struct server_role roles[] = {
#define SERVER(name, authority, devices, interrupts) {name, authority, devices, interrupts},
#define DEVICES(...) {__VA_ARGS__}
#define INTERRUPTS(...) {__VA_ARGS__}
#include "arch-micro/servers.def"
};

static bool name_is(const char *name, const char *other)
{
    while (*name && *name == *other)
        name++, other++;
    return *name == *other;
}

static const struct server_role *role_of(const char *name)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (name_is(roles[i].name, name))
            return &roles[i];
    panic("boot module '%s' is no server", name);
}

/* ---- images ---- */

static void *page_of(void *ctx, uint64_t address, unsigned rights)
{
    struct server *server = ctx;
    struct space *space = server->task.thread.space;
    uint64_t frame = space_held(space, address);

    if (!frame) {
        frame = frame_alloc();
        if (!frame || space_map(space, address, frame, rights) < 0)
            panic("not enough memory for server '%s'", server->module->name);
    }
    return direct(frame);
}

static void load_image(struct server *server, bool keep_data)
{
    const struct image_place place = {SERVER_IMAGE_BASE, SERVER_STACK_TOP - (SERVER_STACK_PAGES + 1) * PAGE_BYTES};

    server->entry = image_load(server->module, &place, !keep_data, page_of, server);
}

/* ---- what a server has besides its image ---- */

static void map_stack(struct server *server)
{
    for (unsigned i = 1; i <= SERVER_STACK_PAGES; i++)
        zero_quads(page_of(server, SERVER_STACK_TOP - i * PAGE_BYTES, PAGE_READ | PAGE_WRITE), PAGE_BYTES / 8);
}

static void map_fixed(struct server *server, uint64_t address, uint64_t frame, unsigned rights)
{
    if (space_map(server->task.thread.space, address, frame, rights) < 0)
        panic("not enough memory for server '%s'", server->module->name);
}

static void map_rest(struct server *server)
{
    uint64_t boot = physical(kernel.boot) & ~(PAGE_BYTES - 1), end = physical(kernel.boot) + sizeof(*kernel.boot);

    server->message_frame = physical(page_of(server, SERVER_MESSAGE_PAGE, PAGE_READ | PAGE_WRITE));
    zero_quads(direct(server->message_frame), PAGE_BYTES / 8);
    for (uint64_t frame = boot; frame < end; frame += PAGE_BYTES)
        map_fixed(server, SERVER_BOOT_INFO + (frame - boot), frame, PAGE_READ);
    map_fixed(server, SERVER_DEVICES + (MMIO_CLOCK - MMIO_BASE), MMIO_CLOCK, PAGE_READ);
    for (unsigned i = 0; i < 4 && server->role->device[i]; i++)
        map_fixed(server, SERVER_DEVICES + (server->role->device[i] - MMIO_BASE), server->role->device[i], PAGE_READ | PAGE_WRITE);
}

static void fill_caps(struct server *server)
{
    static const uint8_t authority[] = {
        [CAP_MEMORY] = CAP_KIND_MEMORY, [CAP_TASKS] = CAP_KIND_TASKS, [CAP_SUPERVISE] = CAP_KIND_SUPERVISE};

    for (unsigned n = 0; n < kernel.servers; n++)
        server->caps[CAP_SERVER(n)] = (struct capability){CAP_KIND_ENDPOINT, RIGHT_SEND, &kernel.server[n]->endpoint};
    for (unsigned cap = CAP_MEMORY; cap <= CAP_SUPERVISE; cap++)
        if (server->role->authority >> cap & 1)
            server->caps[cap].kind = authority[cap];
    server->task.caps = server->caps;
    server->task.cap_count = CAPS_MAX;
}

/* ---- starting ---- */

static void set_context(struct server *server, enum server_why why)
{
    struct user_regs *regs = &thread_context_write(&server->task.thread)->regs;

    *regs = (struct user_regs){
        .rdi = (uint64_t)server->task.badge,
        .rsi = why,
        .rdx = server->death_rip,
        .rip = server->entry,
        .cs = USER_CS,
        .ss = USER_SS,
        .rsp = SERVER_STACK_TOP,
        .rflags = RFLAGS_IF | RFLAGS_FIXED,
        .vector = VECTOR_RESTORED,
    };
}

static void server_begin(void *argument)
{
    struct task *task = argument;

    task_leave(task);
    return_to_user(&task->thread.context->regs);
}

static void server_released(struct thread *thread)
{
}

static void alarm_expired(struct alarm *alarm)
{
    ipc_notify(&LIST_MEMBER(alarm, struct server, alarm)->endpoint, NOTIFY_ALARM);
}

static void server_create(unsigned number)
{
    struct server *server = heap_alloc(sizeof(*server));
    struct task *task = &server->task;

    if (!server)
        panic("not enough memory for the servers");
    kernel.server[number] = server;
    server->module = &kernel.boot->modules[number];
    server->role = role_of(server->module->name);
    server->heap_top = SERVER_HEAP_BASE;
    alarm_init(&server->alarm, alarm_expired);
    endpoint_init(&server->endpoint, task);
    task->image = server;
    task->badge = (int)number;
    task->endpoint = &server->endpoint;
    list_init(&task->link);
    list_init(&task->serving);
    if (!thread_init(&task->thread, server_begin, task, server_released) || !handle_take(task))
        panic("not enough memory for the servers");
    task->thread.integer_only = true;
    task->thread.space = space_create();
    if (!task->thread.space)
        panic("not enough memory for the servers");
    for (unsigned i = 0; i < SERVER_NAME_BYTES; i++)
        task->name[i] = server->role->name[i];
    probe(PROBE_DOMAIN, space_user_root(task->thread.space), (uint64_t)task->name, 3);
    if (server->role->authority >> CAP_SUPERVISE & 1)
        kernel.supervisor = server;
}

void servers_start(void)
{
    kernel.servers = kernel.boot->module_count;
    if (!kernel.servers || kernel.servers > SERVERS_MAX)
        panic("%u servers", kernel.servers);
    for (unsigned n = 0; n < kernel.servers; n++)
        server_create(n);
    for (unsigned n = 0; n < kernel.servers; n++) {
        struct server *server = kernel.server[n];

        load_image(server, false);
        map_stack(server);
        map_rest(server);
        fill_caps(server);
        set_context(server, START_BOOT);
        sched_ready(&server->task.thread);
    }
}

/* ---- dying ---- */

void server_die(struct server *server, uint64_t vector, uint64_t rip, uint64_t address)
{
    server->dead = true;
    server->death_vector = vector;
    server->death_rip = rip;
    server->death_address = address;
    if (!kernel.supervisor || server == kernel.supervisor)
        panic("server %s died: vector %lu at %lx, address %lx", server->task.name, vector, rip, address);
    kernel.supervisor->endpoint.deaths |= 1u << server->task.badge;
    ipc_notify(&kernel.supervisor->endpoint, 0);
    if (&server->task == task_current())
        sched_block();
}

/* ---- restarting ---- */

static size_t list_bytes(size_t frames)
{
    return frames * sizeof(uint64_t) + 1;
}

/* Behind those of an instance before, if that died before it waited. false: no memory. */
static bool old_frames_extend(struct server *server, size_t pages)
{
    size_t room = server->old_count + pages;
    uint64_t *frames = heap_alloc(list_bytes(room));

    if (!frames)
        return false;
    for (size_t i = 0; i < server->old_count; i++)
        frames[i] = server->old_frames[i];
    if (server->old_frames)
        heap_free(server->old_frames, list_bytes(server->old_pages));
    server->old_frames = frames;
    server->old_pages = room;
    return true;
}

/* Keeps the frames of the heap aside. Without memory for the list they are lost, which the count of frames shows. */
static void heap_abandon(struct server *server)
{
    struct space *space = server->task.thread.space;
    size_t pages = (server->heap_top - SERVER_HEAP_BASE) / PAGE_BYTES;
    bool listed = old_frames_extend(server, pages);

    for (size_t i = 0; i < pages; i++) {
        uint64_t frame = space_frame(space, SERVER_HEAP_BASE + i * PAGE_BYTES, PAGE_WRITE);

        if (frame && listed)
            server->old_frames[server->old_count++] = frame;
    }
    space_unmap(space, SERVER_HEAP_BASE, pages, NULL);
    server->heap_top = SERVER_HEAP_BASE;
    server->holes = 0;
    server->fresh = true;
}

/* Those that a device may still move go when its driver says that it does not, at the latest at the end. */
void server_is_up(struct server *server)
{
    size_t left = 0;

    server->fresh = false;
    for (size_t i = 0; i < server->old_count; i++)
        if (!heap_frame_free(server, server->old_frames[i]))
            server->old_frames[left++] = server->old_frames[i];
    server->old_count = left;
    if (left || !server->old_frames)
        return;
    heap_free(server->old_frames, list_bytes(server->old_pages));
    server->old_frames = NULL;
}

long server_fail_served(struct server *server)
{
    struct task *self = &server->task;
    long failed = 0;

    while (!list_empty(&self->serving)) {
        struct task *from = LIST_MEMBER(self->serving.next, struct task, link);

        if (from->notice == NOTICE_GONE) {
            list_remove(&from->link);
            from->state = IPC_NONE;
            from->notice = NOTICE_NONE;
            if (from->released)
                task_dispose(from);
            continue;
        }
        failed += from->kind != MSG_REQUEST;
        ipc_fail(from, from->kind == MSG_REQUEST ? -EPIPE : -EIO);
    }
    server->endpoint.notices = 0;
    return failed;
}

long server_restart(struct server *server, bool keep)
{
    long failed = 0;

    if (!server->dead)
        return -EBUSY;
    if (!keep) {
        failed = server_fail_served(server);
        alarm_cancel(&server->alarm);
        server->endpoint.notified = 0;
        heap_abandon(server);
    }
    load_image(server, keep);
    map_stack(server);
    set_context(server, keep ? START_KEEP : START_FRESH);
    server->asked = 0;
    server->dead = false;
    sched_resume(&server->task.thread);
    return failed;
}

/* ---- interrupts ---- */

void server_interrupt(unsigned vector)
{
    for (unsigned n = 0; n < kernel.servers; n++)
        for (unsigned i = 0; i < 4 && kernel.server[n]->role->interrupt[i]; i++)
            if (kernel.server[n]->role->interrupt[i] == vector)
                ipc_notify(&kernel.server[n]->endpoint, NOTIFY_IRQ(i));
}

/* ---- the end ---- */

static void free_frame(uint64_t frame)
{
    if (frame < MMIO_BASE && frame >= kernel.boot->free_start)
        frame_free(frame);
}

/* What it has asked of another server, and no answer will come. */
static void drop_request(struct task *task)
{
    if (kernel.mach && (task->state == IPC_SENDING || task->state == IPC_SERVED))
        mach_drop(task);
    list_remove(&task->link);
}

void servers_end(void)
{
    for (unsigned n = 0; n < kernel.servers; n++) {
        struct server *server = kernel.server[n];

        alarm_cancel(&server->alarm);
        endpoint_fini(&server->endpoint);
        drop_request(&server->task);
        sched_kill(&server->task.thread);
        server->moved = false;
        server_is_up(server);
        probe(PROBE_SPACE_GONE, space_user_root(server->task.thread.space), 0, 0);
        space_unmap(server->task.thread.space, 0, WINDOW_BASE / PAGE_BYTES, free_frame);
        space_destroy(server->task.thread.space);
        server->task.thread.space = NULL;
    }
    sched_reap();
    for (unsigned n = 0; n < kernel.servers; n++)
        heap_free(kernel.server[n], sizeof(*kernel.server[n]));
}
