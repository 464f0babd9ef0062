/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_vm_lost.c: vm when frames are wanted back, or are gone: what can be read again is, and who has
 * lost the only copy of something is named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/services/fake_world.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define FILE_AT 0x20000000ul
#define OWN_AT 0x30000000ul
#define PAGES 40 /* of the file: more than two leaves */

static uint8_t file_data[PAGES * PAGE];
static unsigned hurt_times[10];

static void hurt(int pid)
{
    hurt_times[pid]++;
}

/* A process with a file's pages at FILE_AT, all read, and two pages at OWN_AT, written. */
static struct world *new_world(int flags)
{
    struct world *w = world_new();

    for (size_t i = 0; i < sizeof file_data; i++)
        file_data[i] = (uint8_t)(i * 7 + i / PAGE + 1);
    memset(hurt_times, 0, sizeof hurt_times);
    w->fds[3] = world_add_file(w, "/f", file_data, sizeof file_data);
    assert_int_equal(world_request(w, SERVICE_VM, VM_CREATE, 1, 0, 0, 0, 0, 0, 0), 0);
    assert_int_equal(CALLS(w, 1, CALL_mmap, FILE_AT, sizeof file_data, PROT_READ, MAP_PRIVATE | MAP_FIXED, 3, 0),
                     FILE_AT);
    assert_int_equal(CALLS(w, 1, CALL_mmap, OWN_AT, 2 * PAGE, RW, flags | MAP_ANONYMOUS | MAP_FIXED, -1ul, 0), OWN_AT);
    assert_true(world_poke(w, 1, OWN_AT, "one", 4) && world_poke(w, 1, OWN_AT + PAGE, "two", 4));
    return w;
}

static void expect_file(struct world *w, int pid)
{
    static uint8_t seen[sizeof file_data];

    assert_true(world_peek(w, pid, FILE_AT, seen, sizeof seen));
    assert_memory_equal(seen, file_data, sizeof seen);
}

static void end(struct world *w)
{
    for (int pid = 1; pid < 10; pid++)
        if (w->thread[pid].space)
            world_request(w, SERVICE_VM, VM_EXIT, pid, 0, 0, 0, 0, 0, 0);
    world_free(w);
}

static void fork_to(struct world *w, int child)
{
    assert_int_equal(world_request(w, SERVICE_VM, VM_FORK, child, 1, 0, 0, 0, 0, 0), 0);
}

/* What the placement does: out of all page tables (it is at one address in all of them), and not vm's any more. */
static frame_t take(struct world *w, int pid, uint64_t address)
{
    frame_t frame = world_pte(w, pid, address)->frame;

    for (int p = 1; p < 10; p++)
        if (w->thread[p].space && world_pte(w, p, address) && world_pte(w, p, address)->frame == frame)
            w->mmu.unmap(w->mmu.ctx, w->thread[p].space, address, 1);
    w->mmu.frame_free(w->mmu.ctx, frame);
    return frame;
}

static int by_address(const void *a, const void *b)
{
    frame_t x = *(const frame_t *)a, y = *(const frame_t *)b;

    return x < y ? -1 : x > y;
}

static void pages_of_files_are_read_again(void **state)
{
    struct world *w = new_world(MAP_PRIVATE);
    frame_t lost[PAGES];
    int reads;

    fork_to(w, 2);
    expect_file(w, 1);
    expect_file(w, 2);
    for (unsigned i = 0; i < PAGES; i++)
        lost[i] = take(w, 1, FILE_AT + i * PAGE);
    qsort(lost, PAGES, sizeof *lost, by_address);
    vm_lost(w->vm, lost, PAGES, hurt);
    assert_int_equal(hurt_times[1] + hurt_times[2], 0);
    reads = w->file[0].reads;
    expect_file(w, 1);
    expect_file(w, 2);
    assert_int_equal(w->file[0].reads, reads + PAGES);
    end(w);
}

static void who_had_the_only_copy_is_named(void **state)
{
    struct world *w = new_world(MAP_PRIVATE);
    frame_t lost;

    fork_to(w, 2);
    assert_true(world_poke(w, 2, OWN_AT, "new", 4)); /* a copy of its own */
    lost = take(w, 1, OWN_AT);
    vm_lost(w->vm, &lost, 1, hurt);
    assert_int_equal(hurt_times[1], 1);
    assert_int_equal(hurt_times[2], 0);
    lost = take(w, 1, OWN_AT + PAGE); /* both have it still */
    vm_lost(w->vm, &lost, 1, hurt);
    assert_int_equal(hurt_times[1], 2);
    assert_int_equal(hurt_times[2], 1);
    end(w);
}

/* Also who has it without having touched it. */
static void shared_memory_is_lost_to_all(void **state)
{
    struct world *w = new_world(MAP_SHARED);
    frame_t lost;

    fork_to(w, 2);
    lost = take(w, 1, OWN_AT);
    vm_lost(w->vm, &lost, 1, hurt);
    assert_int_equal(hurt_times[1], 1);
    assert_int_equal(hurt_times[2], 1);
    end(w);
}

static void clean_pages_are_given_back(void **state)
{
    struct world *w = new_world(MAP_PRIVATE);
    size_t frames;
    char text[4];

    expect_file(w, 1);
    frames = w->live_frames;
    assert_int_equal(vm_reclaim(w->vm, 5), 5);
    assert_int_equal(w->live_frames, frames - 5);
    assert_int_equal(vm_reclaim(w->vm, 1000), PAGES - 5);
    assert_int_equal(vm_reclaim(w->vm, 1000), 0);
    assert_int_equal(w->live_frames, 2);
    assert_true(world_peek(w, 1, OWN_AT + PAGE, text, 4));
    assert_string_equal(text, "two");
    expect_file(w, 1);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_of_files_are_read_again),
        cmocka_unit_test(who_had_the_only_copy_is_named),
        cmocka_unit_test(shared_memory_is_lost_to_all),
        cmocka_unit_test(clean_pages_are_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
