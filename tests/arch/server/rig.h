/* SPDX-License-Identifier: MIT
 *
 * tests/arch/server/rig.h: the servers' runtime (arch-micro/server) on the host, between a kernel and a service that
 * are fakes.
 *
 * The kernel says messages from a list, notes each kernel call, and answers copies and requests as a test wants it. The
 * server is fsd, with one operation that behaves as a test wants it. When there is nothing left to say, the loop is
 * left by longjmp; the server's state stays, and a test may say more.
 */
#ifndef RINGSIDE_TESTS_ARCH_SERVER_RIG_H
#define RINGSIDE_TESTS_ARCH_SERVER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define SERVER_ON_HOST
#include "abi/devices.h"
#include "arch-micro/server/parts.h"
#include "guest/ring3/memory.h"

enum { PROCD, VMD, FSD, BLKD, TTYD, RSD };
#define NS(n) ((n)*1000ul)

struct event {
    uint64_t nr, a, b, c, d, e;
    struct message message; /* of IPC_REQUEST: as sent */
};

struct rig_kernel {
    uint64_t said[64][7];
    unsigned say_first, say_count;
    struct event event[256];
    unsigned events;
    uint64_t heap_pages, heap_most;
    bool moved; /* a device moves the heap's pages: IPC_SHRINK is refused */
    jmp_buf end;

    long copy[16]; /* what the next copies answer; 0 when used up */
    unsigned copies, copies_done;
    uint64_t absent;
    struct {
        long status, result;
        uint64_t channel;
    } request[16]; /* what the next requests answer */
    unsigned requests, requests_done;
};
extern struct rig_kernel k;

struct rig_service {
    long (*behave)(struct call *call);
    unsigned entered;
    uint32_t flags[16]; /* of the calls handed in */
    unsigned open;      /* behave's own */
};
extern struct rig_service fake;
extern uint64_t timer_due;
extern unsigned timer_calls;

/* The service's operation of all calls, and its request. */
call_op fake_read;
long fake_request(void *self, struct request *rq);

/* ---- saying ---- */

void say(uint64_t label, uint64_t word);
void say_call(unsigned handle, int pid, uint64_t argument);
void say_notify(uint64_t bits);
/* FS_READ_AT, for process 10. */
void say_request(unsigned handle, int from);
struct message *page(void);
/* Until nothing is left to be said. The kernel calls of it are k.event, from 0. */
void run(void);
void set_time(uint64_t ns);

/* Event i is that kernel call. An answer is IPC_REPLY, whichever way it went. */
void expect(unsigned i, uint64_t nr, uint64_t a, uint64_t b);

/* ---- behaviours ---- */

#define CHANNEL_DOOR CHANNEL(SERVICE_FS, 7)

long answers_argument(struct call *call);
/* Argument 0 waits for the door, 1 opens it. */
long door(struct call *call);
long waits_for_disk(struct call *call);
long sends_signal(struct call *call);
long copies_out(struct call *call);
long dies(struct call *call);
long counts_done(struct call *call);

/* ---- tests ---- */

int set_up(void **state);
/* All memory has been given back. */
int tear_down(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
