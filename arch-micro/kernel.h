/* SPDX-License-Identifier: MIT
 *
 * arch-micro/kernel.h: the microkernel: tasks, endpoints, capabilities, and the messages between them.
 *
 * Files: kernel.c starts the servers and ends the machine; calls.c is the way in of every SYSCALL and the way back to ring 3;
 * faults.c turns exceptions and interrupts into messages; ipc.c moves messages, fastpath.c moves the common ones, mach.c all
 * of them as the first generation did; copy.c moves bulk data under a grant; tasks.c is programs' threads, servers.c the
 * servers' images, supervise.c what is seen of servers, memory.c frames and mappings.
 *
 * Who waits for whom. A task that sends is IPC_SENDING, in the queue of an endpoint, until a receiver takes its message; then
 * IPC_SERVED, on the receiver's list `serving`, until that answers. A receiver without a message is IPC_RECEIVING, as
 * `waiting` of its endpoint. All of these are blocked on their kernel stacks; everybody else is IPC_NONE.
 */
#ifndef RINGSIDE_ARCH_MICRO_KERNEL_H
#define RINGSIDE_ARCH_MICRO_KERNEL_H

#include "abi/ipc.h"
#include "guest/cpu.h"
#include "guest/kernel.h"
#include "guest/paging.h"
#include "guest/sched.h"
#include "guest/thread.h"

#define EPERM 1
#define ENOENT 2
#define ESRCH 3
#define EINTR 4
#define EIO 5
#define EBADF 9
#define EAGAIN 11
#define ENOMEM 12
#define EFAULT 14
#define EBUSY 16
#define EINVAL 22
#define ENFILE 23
#define EPIPE 32
#define EDEADLK 35
#define ENOSYS 38

#define TASKS_MAX 1024
#define TASK_NAME_BYTES 32
#define TASK_BUCKETS 64
#define PROGRAM_CAPS 8

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

struct task;

/* Where messages are sent to. */
struct endpoint {
    struct task *waiting; /* a receiver without a message */
    struct list senders;  /* tasks, first in first out */
    struct task *owner;   /* the server it belongs to; a plain one: NULL */
    uint64_t notified;    /* NOTIFY_*, not yet received */
    unsigned notices;     /* of those whom the owner serves, how many have a notice for it */
    uint32_t deaths;      /* servers whose MSG_DEATH was not yet received: the supervisor's only */
    uint32_t tell_free;   /* servers to notify when the owner waits */
    unsigned capabilities; /* to it; a plain one ends with its last */
};

enum capability_kind { CAP_KIND_NONE, CAP_KIND_ENDPOINT, CAP_KIND_MEMORY, CAP_KIND_TASKS, CAP_KIND_SUPERVISE };
#define RIGHT_SEND 1
#define RIGHT_RECEIVE 2

struct capability {
    uint8_t kind, rights;
    struct endpoint *endpoint;
};

/* A call number's destination. Installed by the server that knows the numbers. */
struct route {
    struct endpoint *endpoint;
    uint8_t rights;    /* GRANT_READ, GRANT_WRITE: what the receiver may do with the caller's memory */
    uint8_t argument;  /* from the address in this argument on */
    uint16_t length;   /* GRANT_ALL, GRANT_ARG(n) or bytes */
    uint32_t name;     /* mach.c: of the port */
};

enum ipc_state { IPC_NONE, IPC_SENDING, IPC_SERVED, IPC_RECEIVING };
enum notice { NOTICE_NONE, NOTICE_INTERRUPT, NOTICE_GONE };

/* A thread and what it may name. */
struct task {
    struct thread thread; /* first: the scheduler's pointer is ours */
    bool program;         /* its calls are routed; else a server, whose calls are the kernel's */
    uint8_t state;        /* enum ipc_state */
    uint16_t handle;      /* its place in kernel.task[] */
    int badge;            /* a program's pid; a server's number */

    /* sending: the message, until it is answered */
    uint8_t kind;              /* enum message_kind */
    uint16_t nr;
    uint64_t word[6];          /* MSG_CALL: not used, the words are the registers */
    const struct route *route; /* MSG_CALL: what it grants */
    struct task *served;       /* MSG_REQUEST: the program that the sender serves by this */
    struct task *server;       /* IPC_SERVED: by whom; IPC_SENDING: NULL */
    struct endpoint *at;       /* IPC_SENDING, IPC_RECEIVING: where */
    struct list link;          /* in at->senders, or server->serving */
    struct endpoint *to;       /* where it was sent */
    void *buffer;              /* mach.c: the message while it is in the kernel */
    /* the answer */
    long result;
    uint64_t answer[3];
    bool delivered, yield;     /* REPLY_* */
    bool kept;                 /* IPC_SERVED: its server has said so, and is still saying (IPC_KEEP) */

    /* receiving */
    struct list serving; /* those whose messages were taken and not answered */
    struct endpoint *endpoint; /* a server's own */
    uint64_t received;         /* messages so far */

    /* programs */
    struct task *next;      /* in its bucket of kernel.tasks */
    bool attention;         /* interrupted: MSG_DELIVER before ring 3 */
    uint8_t notice;         /* IPC_SERVED: enum notice, not yet received */
    bool released;          /* its thread is gone; it stays for a notice */
    struct capability *caps;
    unsigned cap_count;
    char name[TASK_NAME_BYTES];      /* for the domain of its space */
    char exec_name[TASK_NAME_BYTES]; /* its next space is called so */

    struct server *image; /* a server's; NULL: a program */
};

/* A heap page range that was given back below the top. */
struct heap_hole {
    uint64_t address, pages;
};
#define HEAP_HOLES 64

struct server {
    struct task task; /* first */
    struct endpoint endpoint;
    struct capability caps[CAPS_MAX];
    const struct boot_module *module;
    const struct server_role *role;
    uint64_t entry;
    uint64_t message_frame;
    uint64_t heap_top;
    struct heap_hole hole[HEAP_HOLES];
    unsigned holes;
    bool moved; /* of its heap, what a driver was told to move: IPC_DMA_OF */
    struct alarm alarm;
    uint64_t asked;     /* messages received, NOTIFY_BEAT the last of them, which is not answered yet; 0: it is */
    unsigned forgotten; /* since the supervisor asked last: messages that it took and did not answer, nor keep */
    bool dead;
    bool ended; /* IPC_EXIT: it is never heard of again */
    uint64_t death_vector, death_rip, death_address;
    bool fresh;           /* started from nothing, and has not waited yet */
    uint64_t *old_frames; /* of the heap before a restart: kept until the new instance waits */
    size_t old_count, old_pages;
};

struct kernel {
    const struct boot_info *boot;
    bool fastpath, mach;
    struct route route[ROUTES_MAX];
    struct route other_calls; /* numbers beyond the table, and those without a route */
    struct endpoint *pager, *handler; /* of all programs */
    struct server *server[SERVERS_MAX], *supervisor;
    unsigned servers;
    struct task *task[TASKS_MAX]; /* by handle; 0 is nobody */
    unsigned next_handle;
    struct task *tasks[TASK_BUCKETS]; /* programs, by pid */
    unsigned task_count;
    struct space *nowhere; /* of tasks without memory: empty */
    bool done;
    int status;
};

extern struct kernel kernel;

/* Wakes the main thread. */
#define CHANNEL_DONE 1

static inline struct task *task_current(void)
{
    return (struct task *)this_cpu()->current;
}

static inline struct message *message_page(const struct task *server)
{
    return (struct message *)(DIRECT_MAP + server->image->message_frame);
}

/* ---- calls.c ---- */

/* The last thing before ring 3. `result`: of the call, if it was one. Does not return to a task that dies. */
void task_leave(struct task *task);

/* ---- ipc.c ---- */

/* The caller of these is the sender, blocked until it is answered: task->result, ->answer. task->kind and the rest of the
 * message are set. `direct`: the receiver, if it waits, runs at once. */
void ipc_send(struct task *from, struct endpoint *to);
/* `from`'s call is answered: it can run. */
void ipc_answer(struct task *from, long result);
/* The same, and the sender learns nothing more than the result. */
void ipc_fail(struct task *from, long result);
/* The next message of `endpoint` goes to the caller's registers; blocks until there is one. */
void ipc_receive(struct task *self, struct endpoint *endpoint);
/* Is there something to receive? */
bool ipc_ready(const struct task *self, const struct endpoint *endpoint);
void ipc_notify(struct endpoint *endpoint, uint64_t bits);
/* The sender was interrupted, or is gone: whoever serves it gets a notice. */
void ipc_interrupt(struct task *from);
void ipc_gone(struct task *from);
/* Before the owner of `endpoint` waits: those who asked to be told. */
void ipc_tell_free(struct endpoint *endpoint);
/* Whom `self` serves under that handle; NULL: nobody. */
struct task *ipc_served(const struct task *self, uint64_t handle);
/* Would `from` wait for itself, if it waited for the owner of `to`? */
bool ipc_cycle(const struct task *from, const struct endpoint *to);
/* A receiver that is sent elsewhere waits no more. It must be resumed. */
void ipc_leave(struct task *receiver);
/* For those who move messages: `to` serves `from` from now on. */
void ipc_taken(struct task *to, struct task *from);
static inline uint64_t ipc_label(const struct task *from)
{
    return LABEL(from->kind, from->nr, from->handle, from->badge);
}

/* The routines that move one message from one task's registers to another's: what the machine counts as messages
 * (abi/message_routines.def). */
void message_move_call(struct task *to, struct task *from);
void message_move_plain(struct task *to, struct task *from);
void message_move_words(struct task *to, struct task *from);
void message_move_request(struct task *to, struct task *from);
void message_move_answer(struct task *to, struct task *from, long result);

/* ---- fastpath.c ---- */

/* True if it was a case for it; then the call is answered. */
bool fast_call(struct task *task, const struct route *route, uint32_t nr);
bool fast_plain_call(struct task *task, struct user_regs *regs);
/* True if it was a case for it; then the next message has arrived. */
bool fast_reply_wait(struct task *self, struct user_regs *regs);

/* ---- mach.c ---- */

/* First generation: a message is put into the kernel, and taken out by its receiver when that runs. */
void mach_put(struct task *from);
void mach_take(struct task *to, struct task *from);
void mach_answer(struct task *to, struct task *from, long result);
void mach_drop(struct task *from);
void mach_port_create(const struct endpoint *endpoint);
void mach_port_destroy(const struct endpoint *endpoint);

/* ---- copy.c ---- */

long copy_call(struct task *self, struct user_regs *regs);

/* ---- caps.c ---- */

const struct capability *cap_find(const struct task *task, uint64_t cap, enum capability_kind kind, unsigned rights);
void endpoint_init(struct endpoint *endpoint, struct task *owner);
void endpoint_fini(struct endpoint *endpoint);
/* Those that queue there get -EPIPE. */
void endpoint_fail_senders(struct endpoint *endpoint);
/* A new endpoint's capability, or -errno. */
long cap_new_endpoint(struct task *task);
long cap_close(struct task *task, uint64_t cap);
/* All of parent's; false without memory. */
bool caps_copy(struct task *task, const struct task *parent);
void caps_drop(struct task *task);

/* ---- tasks.c ---- */

struct task *task_find(int pid);
long task_call(struct task *self, struct user_regs *regs);
/* A handle for a new task; 0: none left. */
uint16_t handle_take(struct task *task);
void handle_drop(struct task *task);
/* Are there programs? */
bool tasks_any(void);
void tasks_end(void);
void task_dispose(struct task *task);

/* ---- memory.c ---- */

long memory_call(struct task *self, struct user_regs *regs);
long heap_grow(struct server *server, uint64_t pages);
long heap_shrink_by(struct server *server, uint64_t address, uint64_t pages);
/* A page of the heap that is mapped no more. false: a device may still move it, so it is in use. */
bool heap_frame_free(const struct server *server, uint64_t frame);
long heap_dma_of(struct task *driver, uint64_t handle, uint64_t physical, uint64_t bytes);

/* ---- servers.c ---- */

struct server_role {
    char name[SERVER_NAME_BYTES];
    uint32_t authority;     /* bits: 1 << CAP_MEMORY … */
    uint64_t device[4];     /* physical addresses, 0 ends */
    uint8_t interrupt[4];   /* vectors, 0 ends */
};

void servers_start(void);
void servers_end(void);
/* The server can go no further: the supervisor is told. Of the current thread: it returns when the server was restarted. */
void server_die(struct server *server, uint64_t vector, uint64_t rip, uint64_t address);
/* From its image: how many calls of programs failed by that, or -EBUSY: it is not dead. */
long server_restart(struct server *server, bool keep);
/* Whom it serves gets an error. How many calls of programs. */
long server_fail_served(struct server *server);
/* For ipc_receive: a restarted server waits for messages, so all of its old memory may go. */
void server_is_up(struct server *server);
void server_interrupt(unsigned vector);

/* ---- supervise.c ---- */

/* Calls of the supervisor, and IPC_EXIT. */
long server_call(struct task *self, struct user_regs *regs);
/* IPC_KEEP. */
long server_keep(struct server *server, uint64_t handle);
/* It has received NOTIFY_BEAT, and is to answer before the next message. */
void server_was_asked(struct server *server);

/* ---- faults.c ---- */

trap_handler fault_page, fault_exception, fault_interrupt;

#endif
