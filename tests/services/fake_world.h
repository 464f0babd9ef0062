/* SPDX-License-Identifier: MIT
 *
 * tests/services/fake_world.h: the surroundings of vm and proc on the host, for tests.
 *
 * A world is RAM in frames, page tables as plain lists, contexts without threads, a
 * handful of files in memory, and a clock that the test moves. proc asks the real vm
 * and a fake fs. Faults are taken as a CPU would: an access looks into the page table and,
 * if that refuses, makes a CALL_FAULT and tries again.
 *
 * Injection. Every allocation (memory, frame, space, page table entry, thread) counts:
 * from number `fail_at` on, all fail. Every place that may WAIT (copies, fs reads) counts:
 * number `wait_at` answers CALL_WAIT once. world_check_empty says what leaked.
 */
#ifndef RINGSIDE_TESTS_FAKE_WORLD_H
#define RINGSIDE_TESTS_FAKE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/regs.h"
#include "services/host.h"
#include "services/proc/proc.h"
#include "services/requests.h"
#include "services/vm/vm.h"

#define WORLD_FRAMES 4096
#define WORLD_SPACES 64
#define WORLD_PIDS 32768 /* as many as Linux has */
#define WORLD_FILES 8
#define NEVER (-1L)

struct world_pte {
    uint64_t page;
    frame_t frame;
    unsigned prot;
};

struct world_space {
    bool used;
    unsigned long born; /* so that a thread does not take a later space of the same number for its own */
    struct world_pte *pte;
    size_t count, room;
};

struct world_file {
    const char *path;
    const uint8_t *data;
    size_t bytes;
    unsigned long version;
    int handles; /* references */
    int reads;   /* FS_READ_AT requests that moved bytes */
};

struct world_thread {
    bool used, started, interrupted;
    struct user_context context;
    long space;
    unsigned long space_born;
};

struct world {
    struct host host;
    struct vm_host mmu;
    struct proc_host threads;
    struct vm *vm;
    struct proc *proc;
    struct service vm_service, proc_service;

    uint8_t *ram;
    bool frame_used[WORLD_FRAMES];
    size_t next_frame;
    unsigned long births;
    struct world_space space[WORLD_SPACES];
    struct world_thread thread[WORLD_PIDS];
    struct world_file file[WORLD_FILES];
    int fds[16]; /* descriptor → file, for every process alike; -1: none */

    uint64_t now;
    long fail_at, allocations;
    long wait_at, waits; /* waits: places passed so far */
    bool waited;         /* the last CALL_WAIT was injected */
    size_t live_blocks, live_frames, live_spaces, live_threads;
    int fs_forks, fs_exits, fs_execs;
    uint64_t fs_limit; /* the last one told */
    bool fs_fork_fails;
    uint64_t woken[64]; /* channels, latest last */
    size_t wakes;
    int interrupts, yields;
    int all_done_status; /* -1: not yet */

    /* what callbacks asked for */
    size_t maps, unmaps, protects, copies_out, copies_in, frame_copies;
    int last_fault; /* -errno of the last refused access */
};

struct world *world_new(void);
/* Destroys vm and proc; fails the test if anything is left. */
void world_free(struct world *w);
void world_quiet(struct world *w); /* no injection from here on, counters at 0 */

/* A service call; injected waits are retried, a real one returns CALL_WAIT with *call filled in. */
long world_call(struct world *w, struct call *call);
#define CALLS(w, p, number, ...)                                                                                       \
    world_call((w), &(struct call){.nr = (number), .pid = (p), .arg = {__VA_ARGS__}})
long world_request(struct world *w, int service, int op, int pid, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f);
/* proc_deliver, through injected waits. */
long world_deliver(struct world *w, int pid, long result);

/* A program's accesses: true, or false with w->last_fault. */
bool world_access(struct world *w, int pid, uint64_t address, unsigned access, uint8_t **byte);
bool world_poke(struct world *w, int pid, uint64_t address, const void *from, size_t bytes);
bool world_peek(struct world *w, int pid, uint64_t address, void *to, size_t bytes);
/* The page table's entry; NULL: none. */
const struct world_pte *world_pte(struct world *w, int pid, uint64_t address);
int world_add_file(struct world *w, const char *path, const void *data, size_t bytes);

/* proc with process 1 in an empty space that has one page for the test's own data at WORLD_DATA. */
#define WORLD_DATA 0x10000000ul
void world_start_proc(struct world *w);
/* A world with that; its end, at which process 1 exits if it has not: nothing may be left. */
struct world *world_with_proc(void);
void world_end(struct world *w);
/* fork, the child's pid. */
int world_fork(struct world *w, int pid);

#endif
