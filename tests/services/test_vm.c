/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_vm.c: each call of vm by a table of cases, then what pages do: demand zero, copy on write,
 * file pages, stacks; and that a failure at any allocation leaves nothing behind.
 */
#include <errno.h>
#include <setjmp.h>
#include <sys/resource.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/services/fake_world.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define BASE 0x20000000ul

static struct world *new_space(void)
{
    struct world *w = world_new();

    assert_int_equal(world_request(w, SERVICE_VM, VM_CREATE, 1, 0, 0, 0, 0, 0, 0), 0);
    return w;
}

static void end(struct world *w)
{
    for (int pid = 1; pid < 10; pid++)
        if (w->thread[pid].space)
            world_request(w, SERVICE_VM, VM_EXIT, pid, 0, 0, 0, 0, 0, 0);
    world_free(w);
}

static void exit_space(struct world *w, int pid)
{
    assert_int_equal(world_request(w, SERVICE_VM, VM_EXIT, pid, 0, 0, 0, 0, 0, 0), 0);
    w->thread[pid].space = 0;
}

static long fork_space(struct world *w, int child, int parent)
{
    return world_request(w, SERVICE_VM, VM_FORK, child, (uint64_t)parent, 0, 0, 0, 0, 0);
}

static void map_at(struct world *w, int pid, uint64_t address, uint64_t pages, int prot)
{
    assert_int_equal(CALLS(w, pid, CALL_mmap, address, pages * PAGE, prot, ANON | MAP_FIXED, -1ul, 0), address);
}

static void mmap_refusals(void **state)
{
    static const struct {
        uint64_t arg[6];
        long result;
    } cases[] = {
        {{0, 0, RW, ANON, -1ul, 0}, -EINVAL},
        {{0, PAGE, RW, MAP_ANONYMOUS, -1ul, 0}, -EINVAL},               /* neither shared nor private */
        {{0, PAGE, RW, ANON, -1ul, 1}, -EINVAL},                        /* offset not aligned */
        {{0, 1ul << 47, RW, ANON | MAP_NORESERVE, -1ul, 0}, -ENOMEM},   /* larger than a program's half */
        {{0, -1ul, RW, ANON, -1ul, 0}, -ENOMEM},
        {{0, 1ul << 30, RW, ANON, -1ul, 0}, -ENOMEM},                   /* more than the machine has */
        {{BASE + 1, PAGE, RW, ANON | MAP_FIXED, -1ul, 0}, -EINVAL},
        {{VM_USER_END - PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1ul, 0}, -ENOMEM},
        {{0xffff800000000000ul, PAGE, RW, ANON | MAP_FIXED, -1ul, 0}, -ENOMEM},
        {{0, PAGE, RW, ANON | MAP_FIXED, -1ul, 0}, -EPERM},             /* below mmap_min_addr */
        {{BASE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1ul, 0}, -EEXIST},
        {{0, PAGE, RW, MAP_PRIVATE, 9, 0}, -EBADF},
        {{0, PAGE, RW, MAP_SHARED, 3, 0}, -ENODEV},                     /* writable and shared with a file */
    };
    struct world *w = new_space();

    w->fds[3] = world_add_file(w, "/f", "x", 1);
    map_at(w, 1, BASE, 1, RW);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct call call = {.nr = CALL_mmap, .pid = 1};

        memcpy(call.arg, cases[i].arg, sizeof call.arg);
        if (world_call(w, &call) != cases[i].result)
            fail_msg("case %zu", i);
    }
    end(w);
}

static void addresses_are_handed_out_downwards(void **state)
{
    struct world *w = new_space();
    uint64_t first = VM_MMAP_TOP - 3 * PAGE;

    assert_int_equal(CALLS(w, 1, CALL_mmap, 0, 3 * PAGE, RW, ANON, -1ul, 0), first);
    assert_int_equal(CALLS(w, 1, CALL_mmap, 0, PAGE, PROT_READ, ANON, -1ul, 0), first - PAGE);
    assert_int_equal(CALLS(w, 1, CALL_munmap, first + PAGE, PAGE), 0);
    assert_int_equal(CALLS(w, 1, CALL_mmap, 0, 2 * PAGE, RW, ANON, -1ul, 0), first - 3 * PAGE);
    assert_int_equal(CALLS(w, 1, CALL_mmap, 0, PAGE, RW, ANON, -1ul, 0), first + PAGE); /* the hole */
    assert_int_equal(CALLS(w, 1, CALL_mmap, BASE + 5, PAGE, RW, ANON, -1ul, 0), BASE + PAGE); /* a hint, rounded up */
    assert_int_equal(CALLS(w, 1, CALL_mmap, BASE + PAGE, PAGE, RW, ANON, -1ul, 0), first - 4 * PAGE); /* taken */
    end(w);
}

static void demand_zero(void **state)
{
    struct world *w = new_space();
    uint8_t byte = 1;

    map_at(w, 1, BASE, 100, RW);
    assert_int_equal(w->live_frames, 0);
    assert_true(world_peek(w, 1, BASE + 50 * PAGE + 7, &byte, 1));
    assert_int_equal(byte, 0);
    assert_int_equal(w->live_frames, 1);
    assert_int_equal(CALLS(w, 1, CALL_FAULT, BASE + 50 * PAGE, VM_READ), 0); /* spurious */
    assert_int_equal(w->maps, 1);
    assert_int_equal(world_request(w, SERVICE_VM, VM_USAGE, 1, 0, 0, 0, 0, 0, 0), 1);
    assert_int_equal(CALLS(w, 1, CALL_munmap, BASE, 100 * PAGE), 0);
    assert_int_equal(w->live_frames, 0);
    end(w);
}

/* prot × access: resolved or refused, by the letter of Linux on x86. */
static void every_protection_and_access(void **state)
{
    static const unsigned accesses[] = {VM_READ, VM_WRITE, VM_EXEC_ACCESS};
    struct world *w = new_space();

    for (unsigned prot = 0; prot < 8; prot++)
        for (unsigned a = 0; a < 3; a++) {
            uint64_t at = BASE + (prot * 3 + a) * PAGE;
            bool allowed = accesses[a] == VM_READ    ? prot != 0
                           : accesses[a] == VM_WRITE ? prot & PROT_WRITE
                                                     : prot & PROT_EXEC;

            map_at(w, 1, at, 1, (int)prot);
            assert_int_equal(CALLS(w, 1, CALL_FAULT, at, accesses[a]), allowed ? 0 : -EACCES);
        }
    assert_int_equal(CALLS(w, 1, CALL_FAULT, BASE - PAGE, VM_READ), -EFAULT);
    assert_int_equal(CALLS(w, 1, CALL_FAULT, 0, VM_READ), -EFAULT);
    assert_int_equal(CALLS(w, 1, CALL_FAULT, VM_USER_END, VM_READ), -EFAULT);
    assert_int_equal(CALLS(w, 1, CALL_FAULT, 0xffffffff80000000ul, VM_WRITE), -EFAULT);
    end(w);
}

static void heap_grows_and_shrinks(void **state)
{
    struct world *w = new_space();
    uint8_t byte = 9;

    assert_int_equal(world_request(w, SERVICE_VM, VM_SET_BRK, 1, BASE, 0, 0, 0, 0, 0), 0);
    assert_int_equal(CALLS(w, 1, CALL_brk, 0), BASE);
    assert_int_equal(CALLS(w, 1, CALL_brk, BASE + 10), BASE + 10);
    assert_true(world_poke(w, 1, BASE + PAGE - 1, &byte, 1));
    assert_int_equal(CALLS(w, 1, CALL_brk, BASE + 3 * PAGE), BASE + 3 * PAGE);
    assert_true(world_poke(w, 1, BASE + 2 * PAGE, &byte, 1));
    assert_int_equal(CALLS(w, 1, CALL_brk, BASE + PAGE), BASE + PAGE);
    assert_false(world_poke(w, 1, BASE + PAGE, &byte, 1));
    assert_int_equal(w->live_frames, 1);
    assert_int_equal(CALLS(w, 1, CALL_brk, BASE + 3 * PAGE), BASE + 3 * PAGE);
    assert_true(world_peek(w, 1, BASE + 2 * PAGE, &byte, 1));
    assert_int_equal(byte, 0); /* not what was there before */
    map_at(w, 1, BASE + 5 * PAGE, 1, RW);
    assert_int_equal(CALLS(w, 1, CALL_brk, BASE + 6 * PAGE), BASE + 3 * PAGE); /* something is in the way */
    assert_int_equal(CALLS(w, 1, CALL_brk, BASE + (1ul << 40)), BASE + 3 * PAGE);
    assert_int_equal(CALLS(w, 1, CALL_brk, -1ul), BASE + 3 * PAGE);
    assert_int_equal(fork_space(w, 2, 1), 0);
    assert_int_equal(CALLS(w, 2, CALL_brk, 0), BASE + 3 * PAGE);
    assert_int_equal(CALLS(w, 2, CALL_brk, BASE - 1), BASE + 3 * PAGE);
    end(w);
}

static void protection_returns_without_a_fault(void **state)
{
    struct world *w = new_space();
    uint8_t byte = 5;

    map_at(w, 1, BASE, 4, RW);
    for (int i = 0; i < 4; i++)
        assert_true(world_poke(w, 1, BASE + (uint64_t)i * PAGE, &byte, 1));
    assert_int_equal(CALLS(w, 1, CALL_mprotect, BASE + PAGE, 2 * PAGE, PROT_READ), 0);
    assert_int_equal(w->protects, 1);
    assert_false(world_poke(w, 1, BASE + PAGE, &byte, 1));
    assert_int_equal(w->last_fault, -EACCES);
    assert_true(world_pte(w, 1, BASE)->prot & VM_PROT_WRITE);
    assert_int_equal(CALLS(w, 1, CALL_mprotect, BASE + PAGE, 2 * PAGE, RW), 0);
    assert_true(world_pte(w, 1, BASE + PAGE)->prot & VM_PROT_WRITE);
    assert_int_equal(CALLS(w, 1, CALL_mprotect, BASE, 4 * PAGE, PROT_NONE), 0);
    assert_null(world_pte(w, 1, BASE));
    assert_int_equal(w->live_frames, 4);
    assert_int_equal(CALLS(w, 1, CALL_mprotect, BASE, 4 * PAGE, RW), 0);
    assert_true(world_pte(w, 1, BASE)->prot & VM_PROT_WRITE);
    assert_int_equal(CALLS(w, 1, CALL_mprotect, BASE, 5 * PAGE, PROT_READ), -ENOMEM); /* a hole */
    assert_true(world_pte(w, 1, BASE)->prot & VM_PROT_WRITE);                         /* nothing has changed */
    assert_int_equal(CALLS(w, 1, CALL_mprotect, BASE + 1, PAGE, PROT_READ), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_mprotect, BASE, PAGE, 0x100), -EINVAL);
    end(w);
}

/* After fork: one copy for each side that writes while two share, none for the last. */
static void copy_on_write_counts(void **state)
{
    struct world *w = new_space();
    uint8_t byte = 1, seen;

    map_at(w, 1, BASE, 8, RW);
    for (int i = 0; i < 8; i++)
        assert_true(world_poke(w, 1, BASE + (uint64_t)i * PAGE, &byte, 1));
    assert_int_equal(fork_space(w, 2, 1), 0);
    assert_int_equal(w->protects, 1); /* in one batch */
    assert_int_equal(w->live_frames, 8);
    byte = 2;
    assert_true(world_poke(w, 2, BASE, &byte, 1));
    assert_int_equal(w->frame_copies, 1);
    assert_true(world_peek(w, 1, BASE, &seen, 1));
    assert_int_equal(seen, 1);
    assert_true(world_poke(w, 1, BASE, &byte, 1)); /* the only one left: no copy */
    assert_int_equal(w->frame_copies, 1);
    assert_int_equal(w->live_frames, 9);
    exit_space(w, 2);
    assert_int_equal(w->live_frames, 8);
    assert_true(world_poke(w, 1, BASE + PAGE, &byte, 1));
    assert_int_equal(w->frame_copies, 1);
    end(w);
}

static void shared_memory_is_shared_by_fork(void **state)
{
    struct world *w = new_space();
    uint8_t byte = 7, seen = 0;

    assert_int_equal(CALLS(w, 1, CALL_mmap, BASE, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1ul, 0), BASE);
    assert_int_equal(fork_space(w, 2, 1), 0);
    assert_true(world_poke(w, 2, BASE + PAGE, &byte, 1)); /* first touched after the fork, by the child */
    assert_true(world_peek(w, 1, BASE + PAGE, &seen, 1));
    assert_int_equal(seen, 7);
    assert_int_equal(w->live_frames, 1);
    end(w);
}

static void vfork_shares_until_exec(void **state)
{
    struct world *w = new_space();
    uint8_t byte = 3, seen = 0;

    map_at(w, 1, BASE, 1, RW);
    assert_int_equal(world_request(w, SERVICE_VM, VM_SHARE, 2, 1, 0, 0, 0, 0, 0), 0);
    assert_int_equal(w->live_spaces, 1);
    assert_true(world_poke(w, 2, BASE, &byte, 1));
    assert_true(world_peek(w, 1, BASE, &seen, 1));
    assert_int_equal(seen, 3);
    assert_int_equal(world_request(w, SERVICE_VM, VM_EXEC, 2, 0, 0, 0, 0, 0, 0), 0);
    assert_int_equal(w->live_spaces, 2);
    assert_false(world_peek(w, 2, BASE, &seen, 1));
    assert_true(world_peek(w, 1, BASE, &seen, 1));
    end(w);
}

static long set_limit(struct world *w, int pid, uint64_t resource, uint64_t bytes)
{
    return world_request(w, SERVICE_VM, VM_LIMIT, pid, resource, bytes, 0, 0, 0, 0);
}

/* Counted in pages: the space has two, one of them data. */
static void limits_of_a_process(void **state)
{
    struct world *w = new_space();
    uint64_t anonymous = MAP_PRIVATE | MAP_ANONYMOUS, shared = MAP_SHARED | MAP_ANONYMOUS, at;

    map_at(w, 1, BASE, 1, RW);
    map_at(w, 1, BASE + 8 * PAGE, 1, PROT_READ);
    assert_int_equal(world_request(w, SERVICE_VM, VM_SET_BRK, 1, BASE + 64 * PAGE, 0, 0, 0, 0, 0), 0);
    assert_int_equal(set_limit(w, 99, RLIMIT_AS, 0), -ESRCH);
    assert_int_equal(set_limit(w, 1, RLIMIT_CPU, 0), -EINVAL);
    assert_int_equal(set_limit(w, 1, RLIMIT_AS, 5 * PAGE), 0);
    assert_int_equal(CALLS(w, 1, CALL_mmap, 0, 4 * PAGE, PROT_READ, anonymous, -1ul, 0), -ENOMEM);
    assert_int_equal(CALLS(w, 1, CALL_mmap, 0, 4 * PAGE, PROT_READ, shared, -1ul, 0), -ENOMEM);
    assert_int_equal(CALLS(w, 1, CALL_mmap, BASE, 4 * PAGE, PROT_READ, anonymous | MAP_FIXED, -1ul, 0), BASE);
    assert_int_equal(CALLS(w, 1, CALL_brk, BASE + 65 * PAGE), BASE + 64 * PAGE);
    assert_int_equal(CALLS(w, 1, CALL_mremap, BASE, 4 * PAGE, 5 * PAGE, 0, 0), -ENOMEM);
    assert_int_equal(CALLS(w, 1, CALL_munmap, BASE + PAGE, 3 * PAGE), 0);
    assert_int_equal(CALLS(w, 1, CALL_mremap, BASE, PAGE, 4 * PAGE, 0, 0), BASE);
    assert_int_equal(fork_space(w, 2, 1), 0);
    assert_int_equal(CALLS(w, 2, CALL_brk, BASE + 65 * PAGE), BASE + 64 * PAGE); /* inherited */
    assert_int_equal(set_limit(w, 2, RLIMIT_AS, UINT64_MAX), 0);
    assert_int_equal(CALLS(w, 2, CALL_brk, BASE + 65 * PAGE), BASE + 65 * PAGE); /* and its own */
    assert_int_equal(CALLS(w, 1, CALL_brk, BASE + 65 * PAGE), BASE + 64 * PAGE);
    assert_int_equal(world_request(w, SERVICE_VM, VM_EXEC, 1, 0, 0, 0, 0, 0, 0), 0);
    assert_int_equal(CALLS(w, 1, CALL_mmap, 0, 6 * PAGE, PROT_READ, anonymous, -1ul, 0), -ENOMEM); /* kept */
    assert_int_equal(set_limit(w, 1, RLIMIT_AS, UINT64_MAX), 0);
    assert_int_equal(set_limit(w, 1, RLIMIT_DATA, 2 * PAGE), 0);
    map_at(w, 1, BASE, 1, RW);
    assert_int_equal(CALLS(w, 1, CALL_mmap, 0, 2 * PAGE, RW, anonymous, -1ul, 0), -ENOMEM);
    at = (uint64_t)CALLS(w, 1, CALL_mmap, 0, 9 * PAGE, RW, shared, -1ul, 0);
    assert_true((long)at > 0);
    assert_true(CALLS(w, 1, CALL_mmap, 0, 9 * PAGE, PROT_READ, anonymous, -1ul, 0) > 0);
    assert_int_equal(CALLS(w, 1, CALL_mmap, at, 2 * PAGE, RW, anonymous | MAP_FIXED, -1ul, 0), -ENOMEM);
    assert_int_equal(CALLS(w, 1, CALL_mmap, BASE, 2 * PAGE, RW, anonymous | MAP_FIXED, -1ul, 0), BASE);
    end(w);
}

static void stack_limit(void **state)
{
    struct world *w = new_space();
    uint64_t top = 0x7ffffffff000ul;

    assert_int_equal(world_request(w, SERVICE_VM, VM_MAP_ANON, 1, top - PAGE, PAGE, RW, VM_ANON_STACK, 0, 0), 0);
    assert_int_equal(set_limit(w, 1, RLIMIT_STACK, 3 * PAGE), 0);
    assert_int_equal(CALLS(w, 1, CALL_FAULT, top - 3 * PAGE, VM_WRITE), 0);
    assert_int_equal(CALLS(w, 1, CALL_FAULT, top - 4 * PAGE, VM_WRITE), -EFAULT);
    assert_int_equal(set_limit(w, 1, RLIMIT_STACK, UINT64_MAX), 0);
    assert_int_equal(CALLS(w, 1, CALL_FAULT, top - 2 * VM_STACK_LIMIT, VM_WRITE), 0);
    assert_int_equal(set_limit(w, 1, RLIMIT_AS, 3 * VM_STACK_LIMIT), 0);
    assert_int_equal(CALLS(w, 1, CALL_FAULT, top - 3 * VM_STACK_LIMIT - PAGE, VM_WRITE), -EFAULT);
    assert_int_equal(CALLS(w, 1, CALL_FAULT, top - 3 * VM_STACK_LIMIT, VM_WRITE), 0);
    end(w);
}

static void stack_grows_to_its_limit(void **state)
{
    struct world *w = new_space();
    uint64_t top = VM_USER_END;
    uint8_t byte = 1;

    assert_int_equal(world_request(w, SERVICE_VM, VM_MAP_ANON, 1, top - 4 * PAGE, 4 * PAGE, RW, VM_ANON_STACK, 0, 0), 0);
    assert_true(world_poke(w, 1, top - 100 * PAGE, &byte, 1));
    assert_int_equal(w->live_frames, 1);
    assert_true(world_poke(w, 1, top - VM_STACK_LIMIT, &byte, 1));
    assert_false(world_poke(w, 1, top - VM_STACK_LIMIT - 1, &byte, 1));
    assert_int_equal(w->last_fault, -EFAULT);
    end(w);

    w = new_space(); /* the guard: 256 pages stay free below */
    assert_int_equal(world_request(w, SERVICE_VM, VM_MAP_ANON, 1, top - 4 * PAGE, 4 * PAGE, RW, VM_ANON_STACK, 0, 0), 0);
    map_at(w, 1, top - 500 * PAGE, 1, RW);
    assert_true(world_poke(w, 1, top - (500 - 257) * PAGE, &byte, 1));
    assert_false(world_poke(w, 1, top - (500 - 256) * PAGE, &byte, 1));
    end(w);

    w = new_space(); /* mmap keeps away from a stack, too */
    top = (uint64_t)CALLS(w, 1, CALL_mmap, 0, PAGE, RW, ANON | MAP_GROWSDOWN, -1ul, 0);
    assert_int_equal(top, VM_MMAP_TOP - PAGE);
    assert_int_equal(CALLS(w, 1, CALL_mmap, 0, PAGE, RW, ANON, -1ul, 0), top - 257 * PAGE);
    end(w);
}

static uint8_t file_data[3 * PAGE + 100];

static void fill_file(void)
{
    for (size_t i = 0; i < sizeof file_data; i++)
        file_data[i] = (uint8_t)(i * 7 + i / PAGE + 1);
}

static void file_pages_are_read_once_and_shared(void **state)
{
    struct world *w = new_space();
    uint8_t seen[8], byte = 0xff;

    fill_file();
    w->fds[3] = world_add_file(w, "/f", file_data, sizeof file_data);
    assert_int_equal(CALLS(w, 1, CALL_mmap, BASE, 5 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, 3, 0), BASE);
    assert_int_equal(world_request(w, SERVICE_VM, VM_CREATE, 2, 0, 0, 0, 0, 0, 0), 0);
    assert_int_equal(CALLS(w, 2, CALL_mmap, BASE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, 3, PAGE), BASE);
    assert_true(world_peek(w, 1, BASE + PAGE, seen, 8));
    assert_true(world_peek(w, 2, BASE, seen, 8));
    assert_memory_equal(seen, file_data + PAGE, 8);
    assert_int_equal(w->file[0].reads, 1);
    assert_int_equal(w->live_frames, 1);
    assert_true(world_poke(w, 1, BASE + PAGE, &byte, 1)); /* its own copy */
    assert_true(world_peek(w, 2, BASE, seen, 1));
    assert_int_equal(seen[0], file_data[PAGE]);
    assert_true(world_peek(w, 1, BASE + 3 * PAGE + 99, seen, 2)); /* the end of the file, zeros behind */
    assert_int_equal(seen[0], file_data[3 * PAGE + 99]);
    assert_int_equal(seen[1], 0);
    assert_false(world_peek(w, 1, BASE + 4 * PAGE, seen, 1)); /* beyond: SIGBUS */
    assert_int_equal(w->last_fault, -EIO);
    exit_space(w, 1);
    exit_space(w, 2);
    assert_int_equal(w->live_frames, 2); /* cached */
    assert_int_equal(vm_shrink(w->vm), 2);
    assert_int_equal(w->live_frames, 0);
    assert_int_equal(w->file[0].handles, 0);
    end(w);
}

/* fork copies what only this space has; a file's page is found again when it is touched. */
static void fork_leaves_file_pages(void **state)
{
    struct world *w = new_space();
    uint8_t byte = 1;

    fill_file();
    w->fds[3] = world_add_file(w, "/f", file_data, sizeof file_data);
    assert_int_equal(CALLS(w, 1, CALL_mmap, BASE, 2 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, 3, 0), BASE);
    assert_true(world_peek(w, 1, BASE, &byte, 1) && world_poke(w, 1, BASE + PAGE, &byte, 1));
    assert_int_equal(fork_space(w, 2, 1), 0);
    assert_null(world_pte(w, 2, BASE));
    assert_non_null(world_pte(w, 2, BASE + PAGE));
    assert_true(world_peek(w, 2, BASE, &byte, 1));
    assert_int_equal(byte, file_data[0]);
    assert_int_equal(w->file[0].reads, 2);
    end(w);
}

static void a_changed_file_is_another(void **state)
{
    struct world *w = new_space();
    uint8_t seen;

    fill_file();
    w->fds[3] = world_add_file(w, "/f", file_data, sizeof file_data);
    assert_int_equal(CALLS(w, 1, CALL_mmap, BASE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, 3, 0), BASE);
    assert_true(world_peek(w, 1, BASE, &seen, 1));
    w->file[0].version++;
    assert_int_equal(CALLS(w, 1, CALL_mmap, BASE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, 3, 0), BASE);
    assert_true(world_peek(w, 1, BASE, &seen, 1));
    assert_int_equal(w->file[0].reads, 2);
    end(w);
}

/* A program's data: file bytes, zeros in the rest of their last page, zero pages. */
static void program_segment(void **state)
{
    struct world *w = new_space();
    uint8_t seen[4];

    fill_file();
    world_add_file(w, "/f", file_data, sizeof file_data);
    w->file[0].handles = 1;
    assert_int_equal(world_request(w, SERVICE_VM, VM_MAP_FILE, 1, BASE, 4 * PAGE, 100, PAGE, PAGE + 50, RW), 0);
    w->file[0].handles--;
    assert_true(world_peek(w, 1, BASE + PAGE + 48, seen, 4));
    assert_int_equal(seen[1], file_data[2 * PAGE + 49]);
    assert_int_equal(seen[2], 0);
    assert_true(world_peek(w, 1, BASE + 3 * PAGE, seen, 1));
    assert_int_equal(seen[0], 0);
    assert_int_equal(world_request(w, SERVICE_VM, VM_MAP_FILE, 1, BASE, PAGE, 100, 0, 2 * PAGE, RW), -EINVAL);
    assert_int_equal(world_request(w, SERVICE_VM, VM_MAP_FILE, 1, BASE + 1, PAGE, 100, 0, 1, RW), -EINVAL);
    end(w);
}

static void madvise_dontneed(void **state)
{
    struct world *w = new_space();
    uint8_t byte = 1;

    map_at(w, 1, BASE, 2, RW);
    assert_true(world_poke(w, 1, BASE, &byte, 1));
    assert_int_equal(CALLS(w, 1, CALL_madvise, BASE, 2 * PAGE, MADV_DONTNEED), 0);
    assert_int_equal(w->live_frames, 0);
    assert_true(world_peek(w, 1, BASE, &byte, 1));
    assert_int_equal(byte, 0);
    assert_int_equal(CALLS(w, 1, CALL_madvise, BASE, 2 * PAGE, MADV_WILLNEED), 0);
    assert_int_equal(CALLS(w, 1, CALL_madvise, BASE, 3 * PAGE, MADV_WILLNEED), -ENOMEM);
    assert_int_equal(CALLS(w, 1, CALL_madvise, BASE, PAGE, 77), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_msync, BASE, PAGE, MS_SYNC), 0);
    assert_int_equal(CALLS(w, 1, CALL_msync, BASE, PAGE, MS_SYNC | MS_ASYNC), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_msync, BASE + 2 * PAGE, PAGE, MS_SYNC), -ENOMEM);
    end(w);
}

static void mremap_cases(void **state)
{
    struct world *w = new_space();
    uint8_t byte = 8, seen;
    long moved;

    map_at(w, 1, BASE, 2, RW);
    assert_true(world_poke(w, 1, BASE + PAGE, &byte, 1));
    assert_int_equal(CALLS(w, 1, CALL_mremap, BASE, 2 * PAGE, 4 * PAGE, 0, 0), BASE); /* grows where it is */
    map_at(w, 1, BASE + 4 * PAGE, 1, PROT_READ);
    assert_int_equal(CALLS(w, 1, CALL_mremap, BASE, 4 * PAGE, 5 * PAGE, 0, 0), -ENOMEM);
    moved = CALLS(w, 1, CALL_mremap, BASE, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE, 0);
    assert_int_equal(moved, VM_MMAP_TOP - 6 * PAGE);
    assert_true(world_peek(w, 1, (uint64_t)moved + PAGE, &seen, 1));
    assert_int_equal(seen, 8);
    assert_int_equal(w->frame_copies, 0); /* pages move, contents do not */
    assert_false(world_peek(w, 1, BASE + PAGE, &seen, 1));
    assert_int_equal(CALLS(w, 1, CALL_mremap, moved, 6 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, BASE), BASE);
    assert_true(world_peek(w, 1, BASE + PAGE, &seen, 1));
    assert_int_equal(seen, 8);
    assert_int_equal(CALLS(w, 1, CALL_mremap, BASE, 2 * PAGE, PAGE, 0, 0), BASE); /* shrinks */
    assert_int_equal(w->live_frames, 0);
    assert_int_equal(CALLS(w, 1, CALL_mremap, BASE + 9 * PAGE, PAGE, PAGE, 0, 0), -EFAULT);
    assert_int_equal(CALLS(w, 1, CALL_mremap, BASE, 9 * PAGE, PAGE, 0, 0), -EFAULT);
    assert_int_equal(CALLS(w, 1, CALL_mremap, BASE, PAGE, 0, 0, 0), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_mremap, BASE, PAGE, PAGE, MREMAP_FIXED, BASE + 20 * PAGE), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_mremap, BASE, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, BASE), -EINVAL);
    end(w);
}

static long poke_request(struct world *w, int pid, uint64_t address, unsigned flags, const void *data, size_t size)
{
    struct call call = {.nr = CALL_FAULT, .pid = pid};
    struct request rq = {.service = SERVICE_VM, .op = VM_POKE, .pid = pid, .arg = {address, flags},
                         .data = (void *)data, .size = size, .call = &call};
    long r;

    do {
        w->waited = false;
        r = w->vm_service.request(w->vm_service.self, &rq);
    } while (r == CALL_WAIT && w->waited);
    return r;
}

static long reserve(struct world *w, int pid, uint64_t near, uint64_t bytes, unsigned prot)
{
    return world_request(w, SERVICE_VM, VM_RESERVE, pid, near, bytes, prot, 0, 0, 0);
}

/* Descriptor 3, from its beginning. */
static void map_file_at(struct world *w, int pid, uint64_t address, uint64_t pages, int prot)
{
    assert_int_equal(CALLS(w, pid, CALL_mmap, address, pages * PAGE, prot, MAP_PRIVATE | MAP_FIXED, 3, 0), address);
}

static void poke_refusals(void **state)
{
    struct world *w = new_space();
    uint8_t bytes[8] = {0};

    fill_file();
    w->fds[3] = world_add_file(w, "/f", file_data, sizeof file_data);
    map_at(w, 1, BASE, 1, PROT_NONE);
    map_at(w, 1, BASE + 2 * PAGE, 1, PROT_READ | PROT_EXEC);
    assert_int_equal(CALLS(w, 1, CALL_mmap, BASE + PAGE, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1ul, 0),
                     BASE + PAGE);
    map_file_at(w, 1, BASE + 3 * PAGE, 1, PROT_READ);
    map_file_at(w, 1, BASE + 4 * PAGE, 1, RW | PROT_EXEC);
    map_file_at(w, 1, BASE + 5 * PAGE, 8, PROT_READ);
    assert_int_equal(poke_request(w, 7, BASE, 0, bytes, 1), -EFAULT); /* nobody */
    assert_int_equal(poke_request(w, 1, BASE - 1, 0, bytes, 1), -EFAULT);
    assert_int_equal(poke_request(w, 1, BASE, 0, bytes, 0), -EINVAL);
    assert_int_equal(poke_request(w, 1, BASE + 3 * PAGE - 7, 0, bytes, 8), -EINVAL); /* two pages */
    assert_int_equal(poke_request(w, 1, BASE + 2 * PAGE, 0, bytes, -1ul), -EINVAL);
    assert_int_equal(poke_request(w, 1, BASE, 0, bytes, 1), -EACCES); /* not even a read would find it */
    assert_int_equal(poke_request(w, 1, BASE + PAGE, 0, bytes, 1), -EACCES); /* others see it */
    assert_int_equal(poke_request(w, 1, BASE + 2 * PAGE, VM_POKE_TEXT, bytes, 1), -EACCES); /* of no file */
    assert_int_equal(poke_request(w, 1, BASE + 3 * PAGE, VM_POKE_TEXT, bytes, 1), -EACCES); /* not executable */
    assert_int_equal(poke_request(w, 1, BASE + 4 * PAGE, VM_POKE_TEXT, bytes, 1), -EACCES); /* writable */
    assert_int_equal(poke_request(w, 1, BASE + 12 * PAGE, 0, bytes, 1), -EIO); /* beyond the end of the file */
    assert_int_equal(poke_request(w, 1, BASE + 2 * PAGE, 0, bytes, 8), 0);
    end(w);
}

/* Whatever its state (not there, in the file's object, own, shared by fork), the page becomes the space's own. */
static void a_poke_is_seen_by_its_space_only(void **state)
{
    struct world *w = new_space();
    uint8_t byte, seen;

    fill_file();
    w->fds[3] = world_add_file(w, "/f", file_data, sizeof file_data);
    for (int pid = 1; pid <= 2; pid++) {
        if (pid == 2)
            assert_int_equal(world_request(w, SERVICE_VM, VM_CREATE, 2, 0, 0, 0, 0, 0, 0), 0);
        map_file_at(w, pid, BASE, 3, PROT_READ | PROT_EXEC);
    }
    assert_true(world_peek(w, 1, BASE, &seen, 1) && world_peek(w, 2, BASE, &seen, 1)); /* page 0: in the object */
    for (uint64_t page = 0; page < 2; page++) {
        byte = (uint8_t)~file_data[page * PAGE + 5];
        assert_int_equal(poke_request(w, 1, BASE + page * PAGE + 5, VM_POKE_TEXT, &byte, 1), 0);
        assert_true(world_peek(w, 1, BASE + page * PAGE + 5, &seen, 1));
        assert_int_equal(seen, byte);
        assert_true(world_peek(w, 1, BASE + page * PAGE + 6, &seen, 1)); /* and the rest is the file's */
        assert_int_equal(seen, file_data[page * PAGE + 6]);
        assert_true(world_peek(w, 2, BASE + page * PAGE + 5, &seen, 1));
        assert_int_equal(seen, file_data[page * PAGE + 5]);
    }
    assert_false(world_poke(w, 1, BASE, &byte, 1)); /* the program still may not */
    assert_int_equal(w->frame_copies, 2);
    assert_int_equal(poke_request(w, 1, BASE + 7, VM_POKE_TEXT, &byte, 1), 0);
    assert_int_equal(w->frame_copies, 2); /* its own already */
    assert_int_equal(fork_space(w, 3, 1), 0);
    byte = 1;
    assert_int_equal(poke_request(w, 3, BASE + 7, VM_POKE_TEXT, &byte, 1), 0);
    assert_int_equal(w->frame_copies, 3);
    assert_true(world_peek(w, 3, BASE + 7, &seen, 1));
    assert_int_equal(seen, 1);
    assert_true(world_peek(w, 1, BASE + 7, &seen, 1));
    assert_int_not_equal(seen, 1);
    assert_true(world_peek(w, 3, BASE + PAGE + 5, &seen, 1)); /* inherited */
    assert_int_equal(seen, (uint8_t)~file_data[PAGE + 5]);
    end(w);
}

static void a_reserved_area_is_sealed(void **state)
{
    struct world *w = new_space();
    uint64_t at;
    uint8_t byte = 9, seen = 1;

    map_at(w, 1, BASE, 4, PROT_READ | PROT_EXEC);
    map_at(w, 1, BASE - 3 * PAGE, 1, RW);
    assert_int_equal(reserve(w, 1, BASE - PAGE, PAGE, PROT_READ), -EFAULT); /* near what? */
    assert_int_equal(reserve(w, 7, BASE, PAGE, PROT_READ), -EINVAL);
    assert_int_equal(reserve(w, 1, BASE, 0, PROT_READ), -EINVAL);
    assert_int_equal(reserve(w, 1, BASE, -1ul, PROT_READ), -EINVAL);
    assert_int_equal(reserve(w, 1, BASE, PAGE, PROT_NONE), -EINVAL);
    assert_int_equal(reserve(w, 1, BASE, BASE, PROT_READ), -ENOMEM); /* no room below */
    at = (uint64_t)reserve(w, 1, BASE + PAGE, 2 * PAGE, PROT_READ | PROT_EXEC);
    assert_int_equal(at, BASE - 2 * PAGE);
    assert_int_equal(reserve(w, 1, BASE, 2 * PAGE, PROT_READ | PROT_EXEC), at); /* the same one */
    assert_int_equal(reserve(w, 1, BASE, PAGE, PROT_READ | PROT_EXEC), -EEXIST);
    assert_int_equal(reserve(w, 1, BASE, 2 * PAGE, PROT_READ), -EEXIST);
    assert_int_equal(CALLS(w, 1, CALL_munmap, at + PAGE, 2 * PAGE), -EPERM);
    assert_int_equal(CALLS(w, 1, CALL_mprotect, at, PAGE, RW), -EPERM);
    assert_int_equal(CALLS(w, 1, CALL_mprotect, at - PAGE, 2 * PAGE, PROT_READ), -EPERM);
    assert_int_equal(CALLS(w, 1, CALL_mmap, at - PAGE, 9 * PAGE, RW, ANON | MAP_FIXED, -1ul, 0), -EPERM);
    assert_int_equal(CALLS(w, 1, CALL_mmap, at, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1ul, 0), -EEXIST);
    assert_int_equal(CALLS(w, 1, CALL_mremap, at, 2 * PAGE, PAGE, 0, 0), -EPERM);
    assert_int_equal(CALLS(w, 1, CALL_mremap, BASE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + PAGE), -EPERM);
    assert_int_equal(CALLS(w, 1, CALL_madvise, at - PAGE, 2 * PAGE, MADV_DONTNEED), -EPERM);
    assert_int_equal(CALLS(w, 1, CALL_munmap, at - PAGE, PAGE), 0); /* up to it */
    assert_int_equal(CALLS(w, 1, CALL_munmap, BASE, PAGE), 0);      /* and from its end on */
    assert_int_equal(poke_request(w, 1, at + 3, 0, &byte, 1), 0);
    assert_int_equal(fork_space(w, 2, 1), 0);
    assert_int_equal(reserve(w, 2, BASE + PAGE, 2 * PAGE, PROT_READ | PROT_EXEC), at);
    assert_true(world_peek(w, 2, at + 3, &seen, 1));
    assert_int_equal(seen, 9);
    assert_false(world_poke(w, 2, at, &byte, 1));
    assert_int_equal(world_request(w, SERVICE_VM, VM_EXEC, 2, 0, 0, 0, 0, 0, 0), 0);
    map_at(w, 2, BASE + 4 * PAGE, 1, PROT_READ);
    assert_int_equal(reserve(w, 2, BASE + 4 * PAGE, PAGE, PROT_READ), BASE + 3 * PAGE); /* another space */
    end(w);
}

/* It keeps the guard of a stack, and finds room further down when there is none right below. */
static void a_reserved_area_finds_room(void **state)
{
    struct world *w = new_space();

    assert_int_equal(world_request(w, SERVICE_VM, VM_MAP_ANON, 1, BASE, PAGE, RW, VM_ANON_STACK, 0, 0), 0);
    assert_int_equal(reserve(w, 1, BASE, PAGE, PROT_READ), BASE - 257 * PAGE);
    end(w);

    w = new_space();
    map_at(w, 1, 0x10000, 1, RW); /* the lowest page there is */
    assert_int_equal(reserve(w, 1, 0x10000, PAGE, PROT_READ), -ENOMEM);
    map_at(w, 1, 0x10000 + 4 * PAGE, 1, RW);
    map_at(w, 1, 0x10000 + 6 * PAGE, 1, RW);
    assert_int_equal(reserve(w, 1, 0x10000 + 6 * PAGE, 3 * PAGE, PROT_READ), 0x10000 + PAGE);
    end(w);
}

/* A scene that allocates in every way there is; its first refusal, or 0. */
static long scene(struct world *w)
{
    uint8_t byte = 1;
    long r = CALLS(w, 1, CALL_mmap, BASE, 40 * PAGE, RW, ANON | MAP_FIXED, -1ul, 0);

    for (int i = 0; r >= 0 && i < 40; i += 10)
        r = world_poke(w, 1, BASE + (uint64_t)i * PAGE, &byte, 1) ? 0 : w->last_fault;
    if (r >= 0)
        r = CALLS(w, 1, CALL_mmap, BASE + 50 * PAGE, 3 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, 3, 0);
    if (r >= 0)
        r = world_poke(w, 1, BASE + 51 * PAGE, &byte, 1) ? 0 : w->last_fault;
    if (r >= 0)
        r = world_peek(w, 1, BASE + 52 * PAGE, &byte, 1) ? 0 : w->last_fault;
    if (r >= 0)
        r = CALLS(w, 1, CALL_mmap, BASE + 60 * PAGE, 3 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1ul, 0);
    if (r >= 0)
        r = world_poke(w, 1, BASE + 61 * PAGE, &byte, 1) ? 0 : w->last_fault;
    if (r >= 0)
        r = CALLS(w, 1, CALL_mprotect, BASE + 5 * PAGE, 2 * PAGE, PROT_READ);
    if (r >= 0)
        r = reserve(w, 1, BASE, 4 * PAGE, PROT_READ);
    if (r >= 0)
        r = poke_request(w, 1, (uint64_t)r + PAGE, 0, &byte, 1);
    if (r >= 0)
        r = poke_request(w, 1, BASE + 50 * PAGE, 0, &byte, 1);
    if (r >= 0)
        r = fork_space(w, 2, 1);
    if (r >= 0)
        r = poke_request(w, 2, BASE + 50 * PAGE, 0, &byte, 1);
    if (r >= 0)
        r = world_poke(w, 2, BASE, &byte, 1) ? 0 : w->last_fault;
    if (r >= 0)
        r = CALLS(w, 1, CALL_mremap, BASE + 10 * PAGE, 20 * PAGE, 100 * PAGE, MREMAP_MAYMOVE, 0);
    if (r >= 0)
        r = world_request(w, SERVICE_VM, VM_EXEC, 2, 0, 0, 0, 0, 0, 0);
    if (r >= 0)
        r = CALLS(w, 1, CALL_munmap, BASE + 8 * PAGE, PAGE);
    return r < 0 ? r : 0;
}

static void no_allocation_leaks_when_it_fails(void **state)
{
    long k = 0, r = -1;

    fill_file();
    for (; r < 0; k++) {
        struct world *w = new_space();

        w->fds[3] = world_add_file(w, "/f", file_data, sizeof file_data);
        world_quiet(w);
        w->fail_at = k;
        r = scene(w);
        assert_true(r == 0 || r == -ENOMEM);
        w->fail_at = NEVER;
        end(w); /* fails the test if anything is left */
    }
    assert_true(k > 30);
}

/* The same scene with one WAIT at every place that may wait: same end. */
static void a_wait_anywhere_changes_nothing(void **state)
{
    long places = 1;

    fill_file();
    for (long k = 0; k < places; k++) {
        struct world *w = new_space();
        uint8_t seen[2];

        w->fds[3] = world_add_file(w, "/f", file_data, sizeof file_data);
        world_quiet(w);
        w->wait_at = k;
        assert_int_equal(scene(w), 0);
        places = w->waits;
        world_quiet(w);
        assert_true(world_peek(w, 1, BASE + 51 * PAGE, seen, 2));
        assert_int_equal(seen[0], 1);
        assert_int_equal(seen[1], file_data[PAGE + 1]);
        end(w);
    }
    assert_true(places > 1);
}

/* When frames run out, cached file pages go first. */
static void pressure_takes_the_cache(void **state)
{
    struct world *w = new_space();
    uint8_t byte = 1;
    uint64_t at = BASE;

    fill_file();
    w->fds[3] = world_add_file(w, "/f", file_data, sizeof file_data);
    assert_int_equal(CALLS(w, 1, CALL_mmap, BASE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, 3, 0), BASE);
    assert_true(world_peek(w, 1, BASE, &byte, 1));
    assert_int_equal(CALLS(w, 1, CALL_munmap, BASE, PAGE), 0);
    assert_int_equal(w->live_frames, 1);
    map_at(w, 1, BASE, WORLD_FRAMES, RW);
    for (int i = 0; i < WORLD_FRAMES - 1; i++, at += PAGE)
        if (!world_poke(w, 1, at, &byte, 1))
            fail_msg("page %d", i);
    assert_int_equal(w->file[0].handles, 0);
    assert_false(world_poke(w, 1, at, &byte, 1));
    assert_int_equal(w->last_fault, -ENOMEM);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mmap_refusals),
        cmocka_unit_test(addresses_are_handed_out_downwards),
        cmocka_unit_test(demand_zero),
        cmocka_unit_test(every_protection_and_access),
        cmocka_unit_test(heap_grows_and_shrinks),
        cmocka_unit_test(protection_returns_without_a_fault),
        cmocka_unit_test(copy_on_write_counts),
        cmocka_unit_test(shared_memory_is_shared_by_fork),
        cmocka_unit_test(vfork_shares_until_exec),
        cmocka_unit_test(limits_of_a_process),
        cmocka_unit_test(stack_limit),
        cmocka_unit_test(stack_grows_to_its_limit),
        cmocka_unit_test(file_pages_are_read_once_and_shared),
        cmocka_unit_test(fork_leaves_file_pages),
        cmocka_unit_test(a_changed_file_is_another),
        cmocka_unit_test(program_segment),
        cmocka_unit_test(madvise_dontneed),
        cmocka_unit_test(mremap_cases),
        cmocka_unit_test(poke_refusals),
        cmocka_unit_test(a_poke_is_seen_by_its_space_only),
        cmocka_unit_test(a_reserved_area_is_sealed),
        cmocka_unit_test(a_reserved_area_finds_room),
        cmocka_unit_test(no_allocation_leaks_when_it_fails),
        cmocka_unit_test(a_wait_anywhere_changes_nothing),
        cmocka_unit_test(pressure_takes_the_cache),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
