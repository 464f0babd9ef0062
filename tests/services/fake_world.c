/* SPDX-License-Identifier: MIT
 *
 * tests/services/fake_world.c: see fake_world.h.
 */
#include "tests/services/fake_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE 4096ul

static bool refused(struct world *w)
{
    long number = w->allocations++;

    return w->fail_at != NEVER && number >= w->fail_at;
}

static bool must_wait(struct world *w, struct call *call)
{
    long number = w->waits++;

    if (w->wait_at == NEVER || number != w->wait_at)
        return false;
    w->waited = true;
    call_wait(call, CHANNEL(SERVICE_NET, 1), CALL_FOREVER);
    return true;
}

/* --- struct host --- */

static void *fake_alloc(void *ctx, size_t bytes)
{
    struct world *w = ctx;
    void *memory = refused(w) ? NULL : aligned_alloc(bytes >= PAGE ? PAGE : 16, (bytes + PAGE - 1) & ~(PAGE - 1));

    if (memory) {
        memset(memory, 0, bytes);
        w->live_blocks++;
    }
    return memory;
}

static void fake_free(void *ctx, void *memory, size_t bytes)
{
    memset(memory, 0xdd, bytes);
    free(memory);
    ((struct world *)ctx)->live_blocks--;
}

static long copy(struct world *w, struct call *call, uint64_t address, uint8_t *mine, size_t bytes, bool out)
{
    if (must_wait(w, call))
        return CALL_WAIT;
    for (size_t i = 0; i < bytes; i++) {
        uint8_t *theirs;

        if (!world_access(w, call->pid, address + i, out ? VM_WRITE : VM_READ, &theirs))
            return -EFAULT;
        *(out ? theirs : mine + i) = *(out ? mine + i : theirs);
    }
    return 0;
}

static long fake_copy_in(void *ctx, struct call *call, void *to, uint64_t from, size_t bytes)
{
    ((struct world *)ctx)->copies_in++;
    return copy(ctx, call, from, to, bytes, false);
}

static long fake_copy_out(void *ctx, struct call *call, uint64_t to, const void *from, size_t bytes)
{
    ((struct world *)ctx)->copies_out++;
    return copy(ctx, call, to, (uint8_t *)from, bytes, true);
}

static uint64_t fake_now(void *ctx)
{
    return ((struct world *)ctx)->now;
}

static void fake_wake(void *ctx, uint64_t channel)
{
    struct world *w = ctx;

    w->woken[w->wakes++ % 64] = channel;
}

/* --- fs --- */

static struct world_file *file_of(struct world *w, uint64_t handle)
{
    assert_true(handle >= 100 && handle < 100 + WORLD_FILES);
    assert_true(w->file[handle - 100].handles > 0);
    return &w->file[handle - 100];
}

static long read_at(struct world *w, struct request *rq)
{
    struct world_file *f = file_of(w, rq->arg[0]);
    size_t bytes = rq->arg[1] < f->bytes ? f->bytes - rq->arg[1] : 0;

    if (must_wait(w, rq->call))
        return CALL_WAIT;
    bytes = bytes < rq->size ? bytes : rq->size;
    memcpy(rq->data, f->data + (bytes ? rq->arg[1] : 0), bytes);
    f->reads += bytes > 0;
    return (long)bytes;
}

static long open_exec(struct world *w, struct request *rq)
{
    if (must_wait(w, rq->call))
        return CALL_WAIT;
    for (int i = 0; i < WORLD_FILES; i++)
        if (w->file[i].path && strcmp(w->file[i].path, rq->data) == 0) {
            w->file[i].handles++;
            return 100 + i;
        }
    return -ENOENT;
}

static long fake_fs(struct world *w, struct request *rq)
{
    switch (rq->op) {
    case FS_FORK:
        w->fs_forks += !w->fs_fork_fails;
        return w->fs_fork_fails ? -ENOMEM : 0;
    case FS_EXEC:
        w->fs_execs++;
        return 0;
    case FS_EXIT:
        w->fs_exits++;
        return 0;
    case FS_LIMIT:
        w->fs_limit = rq->arg[1];
        return 0;
    case FS_OPEN_EXEC:
        return open_exec(w, rq);
    case FS_FILE_OF:
        if (rq->arg[0] >= 16 || w->fds[rq->arg[0]] < 0)
            return -EBADF;
        w->file[w->fds[rq->arg[0]]].handles++;
        return 100 + w->fds[rq->arg[0]];
    case FS_HOLD:
        file_of(w, rq->arg[0])->handles++;
        return 0;
    case FS_RELEASE:
        file_of(w, rq->arg[0])->handles--;
        return 0;
    case FS_READ_AT:
        return read_at(w, rq);
    case FS_STAT_OF: {
        struct world_file *f = file_of(w, rq->arg[0]);
        struct fs_identity id = {.inode = rq->arg[0], .version = f->version, .size = f->bytes};

        memcpy(rq->data, &id, sizeof id);
        return 0;
    }
    }
    return -ENOSYS;
}

static long fake_ask(void *ctx, struct request *rq)
{
    struct world *w = ctx;

    assert_non_null(rq->call);
    if (rq->service == SERVICE_FS)
        return fake_fs(w, rq);
    if (rq->service == SERVICE_VM)
        return w->vm_service.request(w->vm_service.self, rq);
    return -ENOSYS;
}

static long fake_take(void *ctx, struct request *rq, void *to, size_t offset, size_t bytes)
{
    if (offset > rq->size || bytes > rq->size - offset)
        return -EFAULT;
    memcpy(to, (const char *)rq->data + offset, bytes);
    return 0;
}

/* --- struct vm_host --- */

static uint8_t *frame_bytes(struct world *w, frame_t frame)
{
    assert_true(frame % PAGE == 0 && frame / PAGE < WORLD_FRAMES && w->frame_used[frame / PAGE]);
    return w->ram + frame;
}

static frame_t fake_frame_alloc(void *ctx)
{
    struct world *w = ctx;

    if (refused(w))
        return FRAME_NONE;
    for (size_t i = 0; i < WORLD_FRAMES; i++) {
        size_t n = (w->next_frame + i) % WORLD_FRAMES;

        if (n == 0 || w->frame_used[n])
            continue;
        w->frame_used[n] = true;
        w->next_frame = n + 1;
        w->live_frames++;
        memset(w->ram + n * PAGE, 0xaa, PAGE);
        return n * PAGE;
    }
    return FRAME_NONE;
}

static void fake_frame_free(void *ctx, frame_t frame)
{
    struct world *w = ctx;

    memset(frame_bytes(w, frame), 0xee, PAGE);
    for (int s = 0; s < WORLD_SPACES; s++)
        for (size_t i = 0; i < w->space[s].count; i++)
            assert_true(w->space[s].pte[i].frame != frame); /* freed while mapped */
    w->frame_used[frame / PAGE] = false;
    w->live_frames--;
}

static void fake_frame_zero(void *ctx, frame_t frame)
{
    memset(frame_bytes(ctx, frame), 0, PAGE);
}

static void fake_frame_copy(void *ctx, frame_t to, frame_t from)
{
    ((struct world *)ctx)->frame_copies++;
    memcpy(frame_bytes(ctx, to), frame_bytes(ctx, from), PAGE);
}

static void *fake_frame_window(void *ctx, frame_t frame)
{
    return frame_bytes(ctx, frame);
}

static long fake_space_create(void *ctx)
{
    struct world *w = ctx;

    if (refused(w))
        return -ENOMEM;
    for (int i = 1; i < WORLD_SPACES; i++)
        if (!w->space[i].used) {
            w->space[i].used = true;
            w->space[i].born = ++w->births;
            w->live_spaces++;
            return i;
        }
    return -ENOMEM;
}

static struct world_space *space_at(struct world *w, long space)
{
    assert_true(space > 0 && space < WORLD_SPACES && w->space[space].used);
    return &w->space[space];
}

static void fake_space_destroy(void *ctx, long space)
{
    struct world *w = ctx;
    struct world_space *s = space_at(w, space);

    assert_int_equal(s->count, 0); /* everything is unmapped already */
    free(s->pte);
    *s = (struct world_space){0};
    w->live_spaces--;
}

static void fake_space_assign(void *ctx, int pid, long space)
{
    struct world *w = ctx;

    w->thread[pid].space_born = space_at(w, space)->born;
    w->thread[pid].space = space;
}

static struct world_pte *find_pte(struct world_space *s, uint64_t page)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->pte[i].page == page)
            return &s->pte[i];
    return NULL;
}

static long fake_map(void *ctx, long space, uint64_t address, frame_t frame, unsigned prot)
{
    struct world *w = ctx;
    struct world_space *s = space_at(w, space);
    struct world_pte *pte = find_pte(s, address / PAGE);

    assert_true(address % PAGE == 0 && address < VM_USER_END && prot & VM_PROT_READ);
    frame_bytes(w, frame);
    w->maps++;
    if (!pte && refused(w)) /* replacing needs no page table */
        return -ENOMEM;
    if (!pte && s->count == s->room) {
        s->room = s->room ? 2 * s->room : 16;
        s->pte = realloc(s->pte, s->room * sizeof *s->pte);
    }
    if (!pte)
        pte = &s->pte[s->count++];
    *pte = (struct world_pte){.page = address / PAGE, .frame = frame, .prot = prot};
    return 0;
}

static void fake_unmap(void *ctx, long space, uint64_t address, size_t pages)
{
    struct world_space *s = space_at(ctx, space);

    ((struct world *)ctx)->unmaps++;
    for (size_t i = 0; i < s->count;) {
        if (s->pte[i].page >= address / PAGE && s->pte[i].page < address / PAGE + pages)
            s->pte[i] = s->pte[--s->count];
        else
            i++;
    }
}

static void fake_protect(void *ctx, long space, uint64_t address, size_t pages, unsigned prot)
{
    struct world_space *s = space_at(ctx, space);

    ((struct world *)ctx)->protects++;
    for (size_t i = 0; i < s->count; i++)
        if (s->pte[i].page >= address / PAGE && s->pte[i].page < address / PAGE + pages)
            s->pte[i].prot = prot;
}

/* --- struct proc_host --- */

static long fake_thread_create(void *ctx, int child, int parent)
{
    struct world *w = ctx;

    assert_true(child > 0 && child < WORLD_PIDS && !w->thread[child].used);
    if (refused(w))
        return -ENOMEM;
    w->thread[child] = (struct world_thread){.used = true, .context = w->thread[parent].context};
    w->live_threads++;
    return 0;
}

static void fake_thread_start(void *ctx, int pid)
{
    assert_true(((struct world *)ctx)->thread[pid].used);
    ((struct world *)ctx)->thread[pid].started = true;
}

static void fake_thread_exit(void *ctx, int pid)
{
    struct world *w = ctx;

    assert_true(w->thread[pid].used);
    w->thread[pid] = (struct world_thread){0};
    w->live_threads--;
}

static struct user_context *fake_thread_context(void *ctx, int pid)
{
    struct world *w = ctx;

    return w->thread[pid].used ? &w->thread[pid].context : NULL;
}

static void fake_thread_interrupt(void *ctx, int pid)
{
    struct world *w = ctx;

    w->thread[pid].interrupted = true;
    w->interrupts++;
}

static void fake_thread_yield(void *ctx)
{
    ((struct world *)ctx)->yields++;
}

static void fake_thread_times(void *ctx, int pid, uint64_t *user, uint64_t *system)
{
    *user = 1000000000ul + (uint64_t)pid;
    *system = 2000000000ul + (uint64_t)pid;
}

static void fake_all_done(void *ctx, int status)
{
    ((struct world *)ctx)->all_done_status = status;
}

/* --- the world --- */

static void fill_hosts(struct world *w)
{
    w->host = (struct host){.ctx = w, .alloc = fake_alloc, .free = fake_free, .copy_in = fake_copy_in,
                            .copy_out = fake_copy_out, .now = fake_now, .wake = fake_wake, .ask = fake_ask,
                            .take = fake_take};
    w->mmu = (struct vm_host){.ctx = w, .frame_alloc = fake_frame_alloc, .frame_free = fake_frame_free,
                              .frame_zero = fake_frame_zero, .frame_copy = fake_frame_copy,
                              .frame_window = fake_frame_window, .space_create = fake_space_create,
                              .space_destroy = fake_space_destroy, .space_assign = fake_space_assign,
                              .map = fake_map, .unmap = fake_unmap, .protect = fake_protect};
    w->threads = (struct proc_host){.ctx = w, .thread_create = fake_thread_create, .thread_start = fake_thread_start,
                                    .thread_exit = fake_thread_exit, .thread_context = fake_thread_context,
                                    .thread_interrupt = fake_thread_interrupt, .thread_yield = fake_thread_yield,
                                    .thread_times = fake_thread_times, .all_done = fake_all_done};
}

struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof *w);

    w->ram = aligned_alloc(PAGE, WORLD_FRAMES * PAGE);
    w->next_frame = 1;
    w->now = 5000;
    w->all_done_status = -1;
    memset(w->fds, 0xff, sizeof w->fds);
    world_quiet(w);
    fill_hosts(w);
    w->vm = vm_create(&w->host, &w->mmu, WORLD_FRAMES * PAGE);
    w->vm_service = vm_service(w->vm);
    return w;
}

void world_quiet(struct world *w)
{
    w->fail_at = w->wait_at = NEVER;
    w->allocations = w->waits = 0;
}

void world_free(struct world *w)
{
    if (w->proc)
        proc_destroy(w->proc);
    vm_destroy(w->vm);
    assert_int_equal(w->live_frames, 0);
    assert_int_equal(w->live_spaces, 0);
    assert_int_equal(w->live_blocks, 0);
    for (int i = 0; i < WORLD_FILES; i++)
        assert_int_equal(w->file[i].handles, 0);
    free(w->ram);
    free(w);
}

long world_call(struct world *w, struct call *call)
{
    const struct service *s = &w->vm_service;
    long r;

    switch (call->nr) {
    case CALL_mmap:
    case CALL_munmap:
    case CALL_mprotect:
    case CALL_mremap:
    case CALL_brk:
    case CALL_madvise:
    case CALL_msync:
    case CALL_FAULT:
        break;
    default:
        s = &w->proc_service;
    }
    do {
        w->waited = false;
        r = service_call(s, call);
    } while (r == CALL_WAIT && w->waited);
    return r;
}

long world_request(struct world *w, int service, int op, int pid, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f)
{
    struct call call = {.nr = CALL_getpid, .pid = pid};
    struct request rq = {.service = (uint16_t)service, .op = (uint16_t)op, .pid = pid, .arg = {a, b, c, d, e, f},
                         .call = &call};
    const struct service *s = service == SERVICE_VM ? &w->vm_service : &w->proc_service;

    return s->request(s->self, &rq);
}

long world_deliver(struct world *w, int pid, long result)
{
    struct call call = {.pid = pid};
    long r;

    do {
        w->waited = false;
        r = proc_deliver(w->proc, &call, result);
    } while (r == CALL_WAIT && w->waited);
    return r;
}

const struct world_pte *world_pte(struct world *w, int pid, uint64_t address)
{
    long space = w->thread[pid].space;

    return space && w->space[space].born == w->thread[pid].space_born ? find_pte(&w->space[space], address / PAGE) : NULL;
}

static bool permits(const struct world_pte *pte, unsigned access)
{
    if (access & VM_WRITE)
        return pte->prot & VM_PROT_WRITE;
    return access & VM_EXEC_ACCESS ? pte->prot & VM_PROT_EXEC : pte->prot & VM_PROT_READ;
}

bool world_access(struct world *w, int pid, uint64_t address, unsigned access, uint8_t **byte)
{
    for (int tries = 0; tries < 3; tries++) {
        const struct world_pte *pte = world_pte(w, pid, address);
        struct call fault = {.nr = CALL_FAULT, .pid = pid, .arg = {address, access}};
        long r;

        if (pte && permits(pte, access)) {
            *byte = frame_bytes(w, pte->frame) + address % PAGE;
            return true;
        }
        r = world_call(w, &fault);
        w->last_fault = (int)r;
        if (r)
            return false;
    }
    fail_msg("a fault at %lx was resolved, and resolved nothing", address);
    return false;
}

bool world_poke(struct world *w, int pid, uint64_t address, const void *from, size_t bytes)
{
    uint8_t *byte;

    for (size_t i = 0; i < bytes; i++) {
        if (!world_access(w, pid, address + i, VM_WRITE, &byte))
            return false;
        *byte = ((const uint8_t *)from)[i];
    }
    return true;
}

bool world_peek(struct world *w, int pid, uint64_t address, void *to, size_t bytes)
{
    uint8_t *byte;

    for (size_t i = 0; i < bytes; i++) {
        if (!world_access(w, pid, address + i, VM_READ, &byte))
            return false;
        ((uint8_t *)to)[i] = *byte;
    }
    return true;
}

int world_add_file(struct world *w, const char *path, const void *data, size_t bytes)
{
    for (int i = 0; i < WORLD_FILES; i++)
        if (!w->file[i].path) {
            w->file[i] = (struct world_file){.path = path, .data = data, .bytes = bytes, .version = 1};
            return i;
        }
    fail_msg("too many files");
    return -1;
}

/* --- proc --- */

/* The least program: one page of text, four pages of data. */
static uint8_t init_elf[4096] = {
    0x7f, 'E', 'L', 'F', 2, 1, 1, [16] = 2, 0, 62, 0, 1, [24] = 0x80, 0x00, 0x40, [32] = 64, [52] = 64, 0, 56, 0, 2,
    /* PT_LOAD R-X, offset 0, 0x400000, 0x100 bytes */
    [64] = 1, [68] = 5, [80] = 0, 0, 0x40, [96] = 0, 1, [104] = 0, 1, [112] = 0, 0x10,
    /* PT_LOAD RW-, no file bytes, WORLD_DATA, 0x4000 bytes */
    [120] = 1, [124] = 6, [136] = 0, 0, 0, 0x10, [160] = 0, 0x40, [168] = 0, 0x10,
};

void world_start_proc(struct world *w)
{
    static const struct proc_config config = {.seed = 42, .wall_ns = 1700000000000000000ul, .ram_bytes = 1ul << 24,
                                              .cpus = 1, .machine_version = "#1 test"};
    const char *argv[] = {"/init", NULL}, *envp[] = {"A=1", NULL};
    struct call call = {.nr = CALL_execve, .pid = 1};
    long r;

    world_add_file(w, "/init", init_elf, sizeof init_elf);
    w->proc = proc_create(&w->host, &w->threads, &config);
    assert_non_null(w->proc);
    w->proc_service = proc_service(w->proc);
    w->thread[1] = (struct world_thread){.used = true};
    w->thread[1].context.regs.cs = 0x33;
    w->thread[1].context.regs.ss = 0x2b;
    w->live_threads++;
    do {
        w->waited = false;
        r = proc_start(w->proc, &call, "/init", argv, envp);
    } while (r == CALL_WAIT && w->waited);
    assert_int_equal(r, 0);
}

struct world *world_with_proc(void)
{
    struct world *w = world_new();

    world_start_proc(w);
    return w;
}

void world_end(struct world *w)
{
    if (w->all_done_status < 0)
        CALLS(w, 1, CALL_exit_group, 0);
    assert_int_equal(w->live_threads, 0);
    world_free(w);
}

int world_fork(struct world *w, int pid)
{
    return (int)CALLS(w, pid, CALL_fork);
}
