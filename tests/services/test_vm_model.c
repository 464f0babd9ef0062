/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_vm_model.c: vm against a brute-force reference, on random traces.
 *
 * The reference keeps, for every process and every page of a small window, what the
 * page is (protection, shared or not) and one byte of its contents, and does each operation
 * page by page. vm has areas, reference counts, copy on write and a page table; after every
 * operation a random page of a random process must look the same, and now and then all do.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/services/fake_world.h"

#define PAGE 4096ul
#define BASE 0x30000000ul
#define WINDOW 48 /* pages */
#define PROCESSES 6
#define STEPS 3000
#define TRACES 60
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)

struct cell {
    bool mapped;
    unsigned prot;
    uint8_t value;
    uint8_t *shared; /* the value of a shared page is here */
    int file_page;   /* for a page of the file whose private contents are still the file's: +1; 0: not */
};

struct model {
    bool alive[PROCESSES + 1];
    struct cell cell[PROCESSES + 1][WINDOW];
    uint8_t pool[100000]; /* shared pages, never reused */
    size_t used;
};

static uint8_t file_data[8 * PAGE];
static uint64_t seed;

static unsigned roll(unsigned below)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return (unsigned)(seed >> 33) % below;
}

static uint64_t at(unsigned page)
{
    return BASE + page * PAGE;
}

static uint8_t *value_of(struct cell *c)
{
    return c->shared ? c->shared : &c->value;
}

static void do_map(struct world *w, struct model *m, int pid, unsigned page, unsigned pages)
{
    unsigned kind = roll(4), prot = kind == 3 ? PROT_READ : roll(8), file_page = roll(8);
    int flags = kind == 2 ? MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED : kind == 3 ? MAP_PRIVATE | MAP_FIXED : ANON;

    if (kind == 3 && file_page + pages > 8)
        return;
    assert_int_equal(CALLS(w, pid, CALL_mmap, at(page), pages * PAGE, prot, (uint64_t)flags, kind == 3 ? 3 : -1ul,
                           kind == 3 ? file_page * PAGE : 0),
                     at(page));
    for (unsigned i = 0; i < pages; i++) {
        struct cell *c = &m->cell[pid][page + i];

        *c = (struct cell){.mapped = true, .prot = prot};
        if (kind == 2)
            c->shared = &m->pool[m->used++];
        if (kind == 3)
            c->value = file_data[(file_page + i) * PAGE];
        c->file_page = kind == 3 ? (int)(file_page + i) + 1 : 0;
    }
}

static void do_unmap(struct world *w, struct model *m, int pid, unsigned page, unsigned pages)
{
    assert_int_equal(CALLS(w, pid, CALL_munmap, at(page), pages * PAGE), 0);
    for (unsigned i = 0; i < pages; i++)
        m->cell[pid][page + i] = (struct cell){0};
}

static void do_protect(struct world *w, struct model *m, int pid, unsigned page, unsigned pages)
{
    unsigned prot = roll(8);
    bool covered = true;

    for (unsigned i = 0; i < pages; i++)
        covered &= m->cell[pid][page + i].mapped;
    assert_int_equal(CALLS(w, pid, CALL_mprotect, at(page), pages * PAGE, prot), covered ? 0 : -ENOMEM);
    for (unsigned i = 0; covered && i < pages; i++)
        m->cell[pid][page + i].prot = prot;
}

static void do_dontneed(struct world *w, struct model *m, int pid, unsigned page, unsigned pages)
{
    CALLS(w, pid, CALL_madvise, at(page), pages * PAGE, MADV_DONTNEED);
    for (unsigned i = 0; i < pages; i++) {
        struct cell *c = &m->cell[pid][page + i];

        c->value = c->file_page ? file_data[(size_t)(c->file_page - 1) * PAGE] : 0;
    }
}

/* Moves to another place in the window, when vm and the model agree that it is one mapping. */
static void do_remap(struct world *w, struct model *m, int pid, unsigned page, unsigned pages)
{
    unsigned to = roll(WINDOW), more = pages + roll(4);
    struct cell moved[WINDOW];
    long r;

    if (to + more > WINDOW || (to < page + pages && page < to + more))
        return;
    memcpy(moved, &m->cell[pid][page], pages * sizeof *moved);
    if (moved[0].file_page || moved[0].shared) /* growing those adds pages that the model does not know */
        more = pages;
    r = CALLS(w, pid, CALL_mremap, at(page), pages * PAGE, more * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(to));
    if (r == -EFAULT)
        return;
    assert_int_equal(r, at(to));
    memset(&m->cell[pid][page], 0, pages * sizeof *moved);
    memcpy(&m->cell[pid][to], moved, pages * sizeof *moved);
    for (unsigned i = pages; i < more; i++)
        m->cell[pid][to + i] = (struct cell){.mapped = true, .prot = moved[0].prot};
}

/* -EFAULT may only come when the range is not one mapping: at least one neighbour differs or is not there. */
static void check_one_mapping(struct world *w, struct model *m, int pid, unsigned page)
{
    long r = CALLS(w, pid, CALL_mremap, at(page), PAGE, PAGE, 0, 0);

    assert_int_equal(r, m->cell[pid][page].mapped ? (long)at(page) : -EFAULT);
}

static void do_fork(struct world *w, struct model *m, int pid)
{
    int child = 1;

    while (child <= PROCESSES && m->alive[child])
        child++;
    if (child > PROCESSES)
        return;
    assert_int_equal(world_request(w, SERVICE_VM, VM_FORK, child, (uint64_t)pid, 0, 0, 0, 0, 0), 0);
    m->alive[child] = true;
    memcpy(m->cell[child], m->cell[pid], sizeof m->cell[pid]);
}

static void do_exit(struct world *w, struct model *m, int pid)
{
    int alive = 0;

    for (int i = 1; i <= PROCESSES; i++)
        alive += m->alive[i];
    if (alive == 1)
        return;
    assert_int_equal(world_request(w, SERVICE_VM, VM_EXIT, pid, 0, 0, 0, 0, 0, 0), 0);
    w->thread[pid].space = 0;
    m->alive[pid] = false;
}

static void do_write(struct world *w, struct model *m, int pid, unsigned page)
{
    struct cell *c = &m->cell[pid][page];
    uint8_t byte = (uint8_t)roll(256);
    bool may = c->mapped && c->prot & PROT_WRITE;

    assert_int_equal(world_poke(w, pid, at(page), &byte, 1), may);
    if (!may)
        assert_int_equal(w->last_fault, c->mapped ? -EACCES : -EFAULT);
    if (may)
        *value_of(c) = byte;
}

/* A debugger's write: whatever the protection, but not to shared memory or where there is no access. */
static void do_poke(struct world *w, struct model *m, int pid, unsigned page)
{
    struct cell *c = &m->cell[pid][page];
    uint8_t byte = (uint8_t)roll(256);
    struct call call = {.nr = CALL_FAULT, .pid = pid};
    struct request rq = {.op = VM_POKE, .pid = pid, .arg = {at(page)}, .data = &byte, .size = 1, .call = &call};
    long r = w->vm_service.request(w->vm_service.self, &rq);

    assert_int_equal(r, !c->mapped ? -EFAULT : c->shared || !c->prot ? -EACCES : 0);
    if (r == 0)
        c->value = byte;
}

static void check_page(struct world *w, struct model *m, int pid, unsigned page)
{
    struct cell *c = &m->cell[pid][page];
    uint8_t byte = 0, *where;
    bool may = c->mapped && c->prot;

    assert_int_equal(world_peek(w, pid, at(page), &byte, 1), may);
    if (may && byte != *value_of(c))
        fail_msg("pid %d page %u: %u, expected %u", pid, page, byte, *value_of(c));
    assert_int_equal(world_access(w, pid, at(page), VM_EXEC_ACCESS, &where), c->mapped && c->prot & PROT_EXEC);
}

static void step(struct world *w, struct model *m)
{
    unsigned page = roll(WINDOW), pages = 1 + roll(6);
    int pid;

    do
        pid = 1 + (int)roll(PROCESSES);
    while (!m->alive[pid]);
    if (page + pages > WINDOW)
        pages = WINDOW - page;
    switch (roll(16)) {
    case 0:
    case 1:
        do_map(w, m, pid, page, pages);
        break;
    case 2:
        do_unmap(w, m, pid, page, pages);
        break;
    case 3:
        do_protect(w, m, pid, page, pages);
        break;
    case 4:
        do_remap(w, m, pid, page, pages);
        break;
    case 5:
        do_fork(w, m, pid);
        break;
    case 6:
        if (roll(3) == 0)
            do_exit(w, m, pid);
        break;
    case 7:
        if (roll(3) == 0)
            do_dontneed(w, m, pid, page, pages);
        break;
    case 8:
        check_one_mapping(w, m, pid, page);
        break;
    case 9:
        if (roll(8) == 0)
            vm_shrink(w->vm);
        break;
    case 10:
        do_poke(w, m, pid, page);
        break;
    default:
        do_write(w, m, pid, page);
    }
    for (int i = 1; i <= PROCESSES; i++)
        if (m->alive[i])
            check_page(w, m, i, roll(4) ? page : roll(WINDOW));
}

static void run_trace(uint64_t from)
{
    struct world *w = world_new();
    struct model *m = calloc(1, sizeof *m);

    seed = from;
    for (size_t i = 0; i < sizeof file_data; i++)
        file_data[i] = (uint8_t)(i / PAGE * 31 + 5);
    w->fds[3] = world_add_file(w, "/f", file_data, sizeof file_data);
    assert_int_equal(world_request(w, SERVICE_VM, VM_CREATE, 1, 0, 0, 0, 0, 0, 0), 0);
    m->alive[1] = true;
    for (int i = 0; i < STEPS; i++)
        step(w, m);
    for (int pid = 1; pid <= PROCESSES; pid++)
        for (unsigned page = 0; m->alive[pid] && page < WINDOW; page++)
            check_page(w, m, pid, page);
    for (int pid = 1; pid <= PROCESSES; pid++)
        if (m->alive[pid])
            world_request(w, SERVICE_VM, VM_EXIT, pid, 0, 0, 0, 0, 0, 0);
    world_free(w);
    free(m);
}

static void random_traces(void **state)
{
    for (uint64_t i = 1; i <= TRACES; i++)
        run_trace(i * 977);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_traces)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
