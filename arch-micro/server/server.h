/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/server.h: a server: services in ring 3 that get their calls as messages.
 *
 * One runtime for all servers. An image is the runtime, one part for each service it holds (what is special about
 * placing that service), and the services' archives. Which server holds which service is found at start from the
 * servers' names, so that osd, which holds all, is the same code: what it asks itself is a function call.
 *
 *   main.c    start, and start again after a death
 *   loop.c    messages come in, answers go out
 *   calls.c   calls that wait: kept, woken, timed out, interrupted, forgotten
 *   ask.c     what services of this server ask of another server's
 *   serve.c   what other servers ask of this one
 *   host.c    struct host: everything else that a service calls back for
 *
 * An entry is a piece of work that a service is handed: a program's call, a request, a job of the server's own. While
 * it waits it is kept, and the same struct call is handed in again. Work is handed in by the loop only, never from
 * within an operation: a wake-up marks entries ready, the loop runs them.
 *
 * Servers block on one another only downwards: proc, vm, fs, then blk and tty. What is asked upwards must not block
 * (REQUEST_TRY). If the other is busy, a signal or a release is posted, which means sent when the other is free;
 * anything else waits like a call, on CHANNEL_FREE.
 */
#ifndef RINGSIDE_ARCH_MICRO_SERVER_SERVER_H
#define RINGSIDE_ARCH_MICRO_SERVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/boot.h"
#include "abi/ipc.h"
#include "arch-micro/server/clock.h"
#include "arch-micro/server/kcall.h"
#include "guest/list.h"
#include "guest/ring3/log.h"
#include "services/device.h"
#include "services/host.h"
#include "services/requests.h"
#include "services/string.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define MESSAGE_PAGE ((volatile struct message *)SERVER_MESSAGE_PAGE)
#define NOWHERE (-1)
#define ROUTE_UNKNOWN CALL_TABLE_END /* for all numbers beyond the table */

/* Wakes when server n may be asked again. */
#define CHANNEL_FREE(n) CHANNEL(SERVICE_NONE, 1 + (n))
#define CHANNEL_SERVICE(channel) ((unsigned)((channel) >> 56))
/* What another server waits for that waits for a page. */
#define CHANNEL_PAGE CHANNEL(SERVICE_VM, 1)

struct ipc_message {
    uint64_t label, word[6];
};

/* An answer to be sent. Handle 0: none. */
struct reply {
    uint64_t handle;
    long result;
};
#define NO_REPLY ((struct reply){0, 0})

enum entry_kind {
    ENTRY_CALL,    /* a program's call, or its page fault */
    ENTRY_REQUEST, /* another server's; never kept: the other one waits */
    ENTRY_JOB,     /* the server's own: `op` until it has a result, then `done` */
};

struct entry {
    struct call call; /* first: an operation's call is its entry */
    struct list link; /* while kept */
    bool waits;       /* on server.waiting */
    enum entry_kind kind;
    uint16_t handle;  /* who gets the answer; 0: nobody */
    bool interrupted; /* by a signal: told to the service as often as it wants to wait */
    bool gone;        /* nobody waits any more */
    bool polite;      /* asks upwards only, even where it could block */
    long result;      /* what is to be answered later */
    call_op *op;      /* of a job */
    struct reply (*done)(struct entry *entry, long result); /* of a job; releases it */
};

/* What is special about a service's placement. */
struct part {
    /* Makes the service and puts it into server.services. */
    void (*create)(enum server_why why);
    void (*destroy)(void);
    unsigned interrupts; /* how many of the server's interrupts are this part's */
    void (*interrupt)(void);
    /* What is asked by server_op, but OP_QUIT. */
    long (*operation)(struct request *rq);
    /* When it wants to be called, ns since power on, and that call. */
    uint64_t (*next_timer)(void);
    void (*timer)(void);
    /* An operation's own function, if the service's table leads there indirectly. nr < CALL_TABLE_END. */
    call_op *(*inner)(uint32_t nr);
};

/* The image's parts in the order of their interrupts; NULL ends. Services are made in this order. */
extern const struct part *const server_parts[];

/* Why the loop must look further than at the call's result. */
enum attention {
    ATTENTION_READY = 1,   /* entries are ready */
    ATTENTION_ALARM = 2,   /* a deadline is new */
    ATTENTION_POSTED = 4,  /* the current call posted something */
    ATTENTION_CONTEXT = 8, /* proc: registers of programs may have changed */
    ATTENTION_YIELD = 16,  /* proc: the current call lets others run */
    ATTENTION_QUIT = 32,   /* after the next answer: the end */
};

struct route {
    call_op *op;
    void *self;
};

#define POSTS_MAX 128

/* A request without payload whose answer does not matter. */
struct post {
    int to;
    uint16_t service, op;
    int32_t pid;
    uint64_t arg[3];
};

struct server {
    /* what each call reads */
    uint32_t attention;
    struct entry *fresh;                       /* for the next call; always there */
    void *entered;                             /* the operation that was entered last */
    int (*pending)(const void *proc, int pid); /* proc_pending where proc is; else NULL */
    void *proc;
    struct entry *current; /* what a service works on */
    struct route routes[CALL_TABLE_END + 1];

    /* set at start */
    int number;
    bool started;  /* all parts are made */
    bool retrying; /* the current entry has killed the server once */
    const struct boot_info *boot;
    struct host host;
    int where[SERVICE_COUNT]; /* the server of each service, or NOWHERE */
    struct service services[SERVICE_COUNT];
    struct reply (*finish)(struct entry *entry, long result); /* a program's call has its result */
    struct reply (*deliver)(struct entry *entry);             /* MSG_DELIVER */
    void (*write_back)(void);                                 /* ATTENTION_CONTEXT */
    void (*exception)(struct entry *entry, unsigned vector, uint64_t error, uint64_t address, uint64_t answer);

    /* calls.c */
    struct list waiting, ready, held;
    struct reply owed; /* to be sent when nothing is ready any more */
    uint64_t alarm;                 /* as the kernel has it */
    uint8_t waiters[SERVICE_COUNT]; /* servers to which CALL_WAIT was answered, by service of the channel */

    /* ask.c */
    struct post posts[POSTS_MAX]; /* a ring */
    unsigned first_post, post_count;

    /* serve.c */
    struct entry request_entry;
    struct request request;
    int requester;
};

extern struct server server;

/* ---- main.c ---- */

_Noreturn void server_main(int number, enum server_why why, uint64_t died_at);
/* The services end, memory goes back to the kernel. A leak is logged. */
void server_end(void);
/* The number of rsd. */
int server_supervisor(void);
/* Its calls lead to this service. */
void server_add(enum service_id id, struct service service);

/* ---- loop.c ---- */

_Noreturn void server_loop(struct reply reply);
void server_send(struct reply reply);

/* ---- calls.c ---- */

void calls_init(void);
void calls_end(void); /* forgets all that is kept */
/* An entry for a job; NULL without memory. */
struct entry *entry_create(call_op *op, struct reply (*done)(struct entry *entry, long result));
void entry_release(struct entry *entry);
/* Hands an entry in, for the first time or again, and does with the result what is to be done. */
struct reply entry_run(struct entry *entry);
/* The service has answered; it may be handed in again at once. */
struct reply entry_end(struct entry *entry, long result);
/* It waits for call.channel and call.until. false without memory. */
bool entry_keep(struct entry *entry);
/* The first kept entry that fits, or NULL. */
struct entry *entry_find(bool (*fits)(const struct entry *entry, uint64_t value), uint64_t value);
struct entry *entry_of(uint64_t handle);
/* A kept one, or a new job: the loop hands it in soon, with these call flags. */
void entry_ready(struct entry *entry, uint32_t flags);
void entry_interrupt(struct entry *entry);
void entry_forget(struct entry *entry);
/* Answers a program's call, or holds the answer back until what the call posted is sent. */
struct reply entry_answer(struct entry *entry, long result);
/* Answers what was held back. */
struct reply calls_release_held(void);

/* Names to the kernel who waits for an answer (NOTIFY_BEAT). */
void calls_account(void);

void wake_channel(uint64_t channel);
/* All of a service's channels, in another server. */
void wake_service(unsigned service);
/* The alarm went off. */
void calls_alarm(void);
/* Runs what is ready until nothing is, then sets the alarm. At most one answer is left to be sent. */
struct reply calls_settle(struct reply reply);

/* ---- ask.c ---- */

long ask(void *ctx, struct request *rq);
/* To a certain server, also with a server_op. */
long ask_server(int to, struct request *rq);
/* Server n is free again: what was posted for it goes out. */
void ask_free(int n);

/* ---- serve.c ---- */

struct reply serve_request(const struct ipc_message *m);
/* A server_op but OP_QUIT, of the part that knows it. */
long serve_operation(struct request *rq);
/* The request that was in service when the server died: once more, or with that result. */
struct reply serve_again(void);
struct reply serve_answer(long result);
long serve_take(void *ctx, struct request *rq, void *to, size_t offset, size_t bytes);
long serve_give(void *ctx, struct request *rq, size_t offset, const void *from, size_t bytes);

/* ---- host.c ---- */

void host_init(void);
struct device device_at(uint64_t mmio);

#endif
