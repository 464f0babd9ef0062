/* SPDX-License-Identifier: MIT
 *
 * abi/ipc.h: the microkernel's interface: kernel calls, messages, capabilities, and where things are in a server's space.
 *
 * A kernel call is SYSCALL with RAX = IPC_* and arguments in RDI RSI RDX R10 R8 R9, like any call; its numbers lie beyond all of
 * Linux's. It answers in RAX; RCX and R11 are clobbered. Authority is in capabilities: small numbers, indexes into the
 * table of the caller's task. A number that names no capability of the right kind answers -EBADF.
 *
 * Messages. IPC_WAIT and IPC_REPLY_WAIT answer the next message for the caller's own endpoint. RAX is its label:
 *
 *     bits 0-7    kind, MSG_*
 *     bits 8-23   nr: Linux call number (MSG_CALL), exception vector, …
 *     bits 24-39  handle: who waits for the answer; 0: nobody does
 *     bits 40-63  badge: the sender's; a program's is its pid
 *
 * and RDI RSI RDX R10 R8 R9 are its six words. Longer ones (MSG_REQUEST) are in the receiver's message page besides.
 *
 * A handle names the sender until it is answered (IPC_REPLY or IPC_REPLY_WAIT), or told dead by MSG_GONE. While it does, and no
 * longer, the receiver may copy from and to the sender's memory with IPC_COPY, within what the sender granted:
 *   a call of a program    what the route of the call's number says (struct route_grant)
 *   a request              the buffer in it; and of the program it serves, what that one granted to the requester
 *   a plain message        nothing
 *   a fault or exception   everything: it goes to the pager and to the exception handler only
 */
#ifndef RINGSIDE_ABI_IPC_H
#define RINGSIDE_ABI_IPC_H

/* ---- kernel calls ---- */

#define IPC_CALL_BASE 0x10000

enum ipc_call {
    /* for anybody */
    IPC_CALL = IPC_CALL_BASE, /* endpoint, five words (RSI RDX R10 R8 R9): sends MSG_PLAIN, waits for the answer: RAX its result, and R10 R8 R9 the three
                                 words of the reply. -EPIPE: nobody will ever answer; -EINTR: a signal came first */
    IPC_WAIT,                 /* endpoint (0: the task's own): the next message */
    IPC_REPLY_WAIT,           /* handle (0: none), result, endpoint, and three words (R10 R8 R9) of an answer to MSG_PLAIN: IPC_REPLY
                                 then IPC_WAIT; a handle that is none is ignored */
    IPC_REPLY,                /* handle, result, flags (REPLY_*), three words: 0 or -ESRCH: no such handle. Does not wait. A request
                                 (MSG_REQUEST) is answered by the message page's words from `done` on, here and in IPC_REPLY_WAIT */
    IPC_ENDPOINT,             /* a new endpoint: its capability, with all rights. Inherited by fork. A server has its own: -EBADF */
    IPC_CLOSE,                /* capability: gives it up */
    IPC_NOTIFY,               /* endpoint, bits: or-ed into the endpoint's notification word; never waits */

    /* for servers: own memory and time */
    IPC_REQUEST = IPC_CALL_BASE + 16, /* endpoint, flags (REQUEST_*): sends the message page as MSG_REQUEST, waits for the answer, which
                                         is in the message page; 0, -EAGAIN (REQUEST_TRY), -EPIPE */
    IPC_COPY,   /* handle, own address, the other's address, bytes, flags (COPY_*): 0; -EPERM beyond the grant; -EFAULT own address
                   bad; or -EAGAIN: the other's page is not there: RDX = its address. Nothing was copied or a first part */
    IPC_GROW,   /* pages: zeroed pages at the end of the caller's heap: address, or -ENOMEM */
    IPC_SHRINK, /* address, pages: gives pages of the heap back; their addresses are used again by IPC_GROW, last first.
                   -EBUSY: a device may still move one of them (IPC_DMA_OF) */
    IPC_DMA,    /* address: the physical address of that byte of the caller's heap, or -EFAULT */
    IPC_ALARM,  /* ns since power on: NOTIFY_ALARM at that time; replaces the one before; UINT64_MAX: none */
    IPC_YIELD,  /* lets others run */
    IPC_LOG,    /* address, bytes: one line to the machine's log, the server's name before it */
    IPC_EXIT,   /* 0: the server has ended its services (OP_QUIT) and never runs again; while there are programs that is
                   its death, SERVER_LEFT. 1: SERVER_REFUSED */
    IPC_KEEP,   /* handle: its call waits here, and will be answered: 0, -ESRCH, or -EPERM: a request is not to be kept.
                   0: that was all: calls that the caller serves and has not named are answered -EIO, requests -EPIPE.
                   See NOTIFY_BEAT */
    IPC_DMA_OF, /* for drivers: handle of a request, physical address, bytes: 0: that is heap of the server which asks,
                   and stays so while the device moves it, or -EPERM. No bytes: nothing of that server is moved any more */

    /* with CAP_MEMORY (vmd): frames and mappings */
    IPC_FRAMES_TAKE = IPC_CALL_BASE + 32, /* address of an array, count: physical addresses of frames; how many, or -ENOMEM. Each
                                             is mapped at WINDOW_BASE + physical address in the caller's space */
    IPC_FRAMES_GIVE,   /* array, count: back to the kernel; 0 or -EINVAL: one was not the caller's */
    IPC_SPACE_CREATE,  /* an address space: a number > 0, or -ENOMEM */
    IPC_SPACE_DESTROY, /* number */
    IPC_SPACE_ASSIGN,  /* pid, number: the task's memory is this space from now on */
    IPC_MAP,           /* space, address, frame, rights (1 read, 2 write, 4 execute): 0 or -errno; replaces */
    IPC_UNMAP,         /* space, address, pages */
    IPC_PROTECT,       /* space, address, pages, rights */

    /* with CAP_TASKS (procd): threads of programs */
    IPC_TASK_CREATE = IPC_CALL_BASE + 48, /* pid, parent's pid or 0: not started; context and capabilities are the parent's. 0, -ENOMEM */
    IPC_TASK_START,     /* pid */
    IPC_TASK_EXIT,      /* pid: never runs again; whoever serves it gets MSG_GONE */
    IPC_TASK_READ,      /* pid, address of a struct user_context to fill */
    IPC_TASK_WRITE,     /* pid, address of a struct user_context. Only while the task waits for the caller, or never ran */
    IPC_TASK_INTERRUPT, /* pid: MSG_INTERRUPT to whoever serves it, and MSG_DELIVER before it runs again */
    IPC_TASK_NAME,      /* pid, up to 24 bytes of name in RSI RDX R10: its next address space is called so */
    IPC_TASK_TIME,      /* pid: CPU time in ns */
    IPC_ROUTE,          /* call number, endpoint, struct route_grant as a word: where programs' calls go */
    IPC_HANDLERS,       /* pager's endpoint, exception handler's endpoint: for all programs */
    IPC_POWER_OFF,      /* exit status: the machine stops */

    /* with CAP_SUPERVISE (rsd): servers */
    IPC_SERVER_STATE = IPC_CALL_BASE + 64, /* server: SERVER_*, | number of messages received << 8; RDX: ns of CPU time (sampled) */
    IPC_SERVER_STOP,    /* server: as if it had faulted with vector SERVER_HUNG; MSG_DEATH follows */
    IPC_SERVER_RESTART, /* server, RESTART_*: from its image: how many calls of programs failed by that */
    IPC_SERVER_BEAT,    /* server: NOTIFY_BEAT, if it serves anybody: how many it has forgotten since it was asked last
                           (IPC_KEEP), or -EPIPE: it has received that question and goes on without having answered it */
    IPC_CALLS_END,
};

#define IPC_IS_CALL(nr) ((nr) >= IPC_CALL_BASE)

enum {
    REPLY_DELIVERED = 1, /* by the exception handler only: what was pending for the sender is delivered, and its context says all (IPC_TASK_WRITE): the result is
                            not written to RAX */
    REPLY_YIELD = 2,     /* others run before the sender */
};
enum { REQUEST_TRY = 1 /* -EAGAIN instead of waiting until the receiver can take it; then NOTIFY_FREE(receiver's server number) follows
                          when it can */ };
enum {
    COPY_OUT = 1,    /* from own memory to the other's; else the other's to own */
    COPY_SERVED = 2, /* the other is the program that the requester `handle` serves, not the requester itself */
};

/* ---- messages ---- */

enum message_kind {
    MSG_NONE,
    MSG_CALL,      /* a program's call nr; six arguments */
    MSG_REQUEST,   /* another server's; in the message page. Badge: the server's number */
    MSG_PLAIN,     /* IPC_CALL of anybody: five words in RDI RSI RDX R10 R8, as sent in RSI RDX R10 R8 R9 */
    MSG_NOTIFY,    /* RDI = bits, NOTIFY_*. Handle 0 */
    MSG_FAULT,     /* to the pager: a program's page fault: address, access (1 read, 2 write, 4 execute) as VM_*, error code */
    MSG_EXCEPTION, /* to the exception handler: vector in nr; error code, address (page fault: CR2, else RIP), the pager's answer */
    MSG_DELIVER,   /* to the exception handler: the task was interrupted and is on its way to ring 3: the result of its call in RDI */
    MSG_INTERRUPT, /* the sender `handle`, whose call waits here, was interrupted. No answer to this but to the call */
    MSG_GONE,      /* the sender `handle` is no more: forget its call */
    MSG_DEATH,     /* to the supervisor: server (nr) died: vector, RIP, address */
};

#define LABEL(kind, nr, handle, badge)                                                                                 \
    ((uint64_t)(kind) | (uint64_t)(nr) << 8 | (uint64_t)(handle) << 24 | (uint64_t)(badge) << 40)
#define LABEL_KIND(label) ((unsigned)((label) & 0xff))
#define LABEL_NR(label) ((unsigned)((label) >> 8 & 0xffff))
#define LABEL_HANDLE(label) ((unsigned)((label) >> 24 & 0xffff))
#define LABEL_BADGE(label) ((int)((label) >> 40))

/* Bits of a notification word. 0-7: something that a server waited for at service n happened there (services' numbers). */
#define NOTIFY_WAKE(service) (1ul << (service))
#define NOTIFY_POLL (1ul << 8)          /* CHANNEL_POLL */
#define NOTIFY_IRQ(n) (1ul << (16 + (n))) /* the n-th interrupt of the server */
#define NOTIFY_ALARM (1ul << 24)
#define NOTIFY_BEAT (1ul << 25)         /* whose calls wait here? IPC_KEEP for each, then for 0, before the next message */
#define NOTIFY_ALIVE(server) (1ul << (32 + (server))) /* to the supervisor: it was restarted and is back */
#define NOTIFY_FREE(server) (1ul << (48 + (server)))

/* ---- what a call grants ---- */

/* As a word: rights | address argument << 8 | length << 16. */
#define GRANT_READ 1u  /* the server may read */
#define GRANT_WRITE 2u /* the server may write */
#define GRANT_ALL 0xffffu /* length: the whole space */
#define GRANT_ARG(n) (0xfff0u + (n)) /* length: in argument n; else bytes */
#define GRANT(rights, argument, length) ((uint64_t)(rights) | (uint64_t)(argument) << 8 | (uint64_t)(length) << 16)
#define ROUTES_MAX 512

/* ---- servers ---- */

/* Servers by number: the number of the boot module, and of the endpoint's capability in every server's table. */
#define SERVERS_MAX 8
#define SERVER_NAME_BYTES 16
#define CAP_SERVER(server) (1 + (server)) /* the server's endpoint, to send */
#define CAP_MEMORY 16
#define CAP_TASKS 17
#define CAP_SUPERVISE 18
#define CAPS_MAX 32

enum server_state { SERVER_WAITING, SERVER_BUSY, SERVER_DEAD };
#define SERVER_HUNG 0x100 /* "vector" of one that was stopped */
#define SERVER_REFUSED 0x101 /* it restarted with its memory and found that this cannot be used (IPC_EXIT 1) */
#define SERVER_LEFT 0x102 /* it ended its services, and nobody had asked for that (IPC_EXIT 0) */

enum { RESTART_FRESH, RESTART_KEEP /* with the data and heap it had; text is new from the image, the stack is empty */ };

/* A server's space. The image is linked at SERVER_IMAGE_BASE (arch-micro/server/server.ld). */
#define SERVER_IMAGE_BASE 0x400000ul
#define SERVER_STACK_TOP 0x10000000ul /* SERVER_STACK_PAGES below it; a guard page below those */
#define SERVER_STACK_PAGES 8
#define SERVER_MESSAGE_PAGE 0x10001000ul /* struct message */
#define SERVER_BOOT_INFO 0x10010000ul    /* struct boot_info, read only */
#define SERVER_DEVICES 0x11000000ul      /* device at MMIO_BASE + x: here + x, if the server has it; the clock always */
#define SERVER_HEAP_BASE 0x20000000ul
#define SERVER_HEAP_END 0x60000000ul
#define WINDOW_BASE 0x100000000ul

#ifndef __ASSEMBLER__
#include <stdint.h>

/* The message page. What a request carries and what its answer brings back: struct request and struct call of services/host.h,
 * as words. */
struct message {
    /* there */
    uint64_t service, op;
    int64_t pid;
    uint64_t arg[6];
    uint64_t data, size, data_out; /* a buffer in the sender's memory; 0: none */
    uint64_t served;               /* handle of the program's call that the sender serves by this, or 0 */
    uint64_t nr, flags;
    /* there and back */
    uint64_t done, note, channel, until;
    /* back */
    int64_t result;
};
#define MESSAGE_WORDS (sizeof(struct message) / 8)
#define MESSAGE_ANSWER_WORDS 5 /* the last ones: done … result */

/* Operations between servers beside those of services/requests.h. */
enum server_op {
    OP_FAULT = 0x100, /* vmd: pid, arg0 address, arg1 access: as CALL_FAULT. With CALL_WAIT, NOTIFY_WAKE(SERVICE_VM) follows when it is worth trying
                         again; vmd goes on by itself meanwhile */
    OP_SYNC,          /* fsd: CALL_SYNC_ALL */
    OP_SHRINK,        /* vmd: vm_shrink: pages */
    OP_QUIT,          /* any: ends the services and exits; the answer comes before */
};

/* _start(struct server_start): in RDI RSI RDX RCX. */
enum server_why { START_BOOT, START_FRESH, START_KEEP };
#endif

#endif
