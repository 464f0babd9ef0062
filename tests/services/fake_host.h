/* SPDX-License-Identifier: MIT
 *
 * tests/services/fake_host.h: a struct host for tests of fs and pipe: plain pointers, a clock that the test moves,
 * a disk in memory that answers later, a terminal, faults to order.
 *
 * The caller's memory is the test's own; addresses below FAKE_BAD give -EFAULT. The disk queues requests; they take
 * effect when fake_disk_step completes them, in order or, with `shuffle`, in a seeded random order between flushes.
 * Every write and flush that has completed is recorded, so that a test can make the disk as a power cut would leave it.
 */
#ifndef RINGSIDE_TESTS_FAKE_HOST_H
#define RINGSIDE_TESTS_FAKE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/host.h"
#include "services/requests.h"

#define FAKE_BAD 65536u
#define FAKE_QUEUE 64

struct fake_io {
    uint64_t ticket; /* 0: unused */
    uint16_t op;
    bool done;
    uint64_t sector, bytes, dma;
};

struct fake_write {
    bool flush; /* a barrier: nothing was moved */
    uint64_t at, bytes;
    uint8_t *data;
};

struct fake_host {
    struct host host;
    uint64_t now;
    long live;                 /* bytes allocated and not freed */
    long allocations, fail_at; /* from that number on, allocations fail; 0: never */

    /* copies to and from the caller */
    uint64_t low, high; /* if set, all addresses outside are bad */
    long copies, largest;
    uint64_t copied;
    long wait_every; /* about one copy in so many answers CALL_WAIT; 0: none */

    /* disk */
    uint8_t *disk;
    uint64_t disk_bytes;
    struct fake_io queue[FAKE_QUEUE];
    unsigned depth;                    /* requests that it takes at once */
    uint64_t next_ticket, last_ticket; /* handed out; completed */
    uint64_t random;
    bool shuffle, record, immediate;
    long lose_every;    /* about one question in so many finds that the driver was started anew; 0: none */
    long losses;        /* transfers begun and forgotten by that */
    long fail_write_at; /* the n-th write and all later ones fail; 0: never */
    long reads, writes, flushes;
    struct fake_write *log;
    size_t log_count, log_room;

    /* terminal, processes */
    char output[4096];
    size_t output_bytes;
    const char *input;
    int signal; /* the last one sent */
    uint64_t mask;       /* of a wait, while there is one */
    bool signal_due;     /* … under it */
    int masks, unmasked; /* how often one began; how the last one ended: 1: interrupted, 0: not */
    bool proc_busy;      /* what is asked of proc next waits */
    uint64_t woken[64];
    unsigned woken_count;
};

/* Over `disk` (the caller's), or none. */
void fake_host_init(struct fake_host *f, void *disk, uint64_t disk_bytes);
void fake_host_end(struct fake_host *f); /* frees the record; asserts that no memory is held */
/* Completes one request. false: none was waiting. */
bool fake_disk_step(struct fake_host *f);
/* Makes the call and plays placement while it waits for the disk, a copy or a deadline. CALL_WAIT: it waits for
 * something else. */
long fake_run(struct fake_host *f, const struct service *service, struct call *call);
/* A new call with up to six arguments. */
long fake_call(struct fake_host *f, const struct service *service, int pid, uint32_t nr, uint64_t a0, uint64_t a1,
               uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
bool fake_was_woken(struct fake_host *f, uint64_t channel); /* since the last time it was asked */
uint64_t fake_random(uint64_t *state);
/* malloc'd memory for mkfs. */
struct mkfs_memory;
extern const struct mkfs_memory fake_memory;

#define P(pointer) ((uint64_t)(uintptr_t)(pointer))

#endif
