/* SPDX-License-Identifier: MIT
 *
 * abi/exo.h: the exokernel's interface: kernel calls, upcalls, and where a library OS finds itself.
 *
 * An environment (env) is a processor context in an address space. Envs whose libraries share their state are one group: the
 * unit of ownership. Frames, spaces, extents and envs belong to a group; a name that is not the caller's group's answers
 * -EPERM. Rights are checked when something is bound (a frame mapped, an extent opened), never when it is used.
 *
 * A kernel call is SYSCALL with RAX = EXO_* and arguments in RDI RSI RDX R10 R8; it answers in RAX. All other numbers are a
 * program's: the kernel reflects them to the library (upcalls, below). It knows no Linux.
 *
 * Upcalls. The kernel enters the library at addresses that EXO_UPCALLS gave, by SYSRET, which loads RIP from RCX and the
 * flags from R11.
 *   syscall    a SYSCALL with a program's number. Registers are the program's but RCX: private->rip is its RIP, R11 its
 *              flags, RSP still its own; in_library = 1
 *   exception  a program's exception: registers are the program's but RCX and R11; its rip, rflags, rcx, r11, vector and
 *              error are in private->context.regs (vector and error as in abi/regs.h), address = CR2; in_library = 1
 *   fault      an exception in the library (in_library was 1): private->nested is what it had, address = CR2; no register
 *              is defined but RSP, which is below the one it had
 *   interrupt  the program was running, and pending is not 0: as exception, without one
 * A page fault's error has EXO_FAULT_LIMITED besides, if only a limit (EXO_LIMIT) caused it.
 * An exception with in_library = 1 while `nested` is in use (nested_busy) ends the env.
 * The library's way back to its program lies between exit_begin and exit_end and restores registers from
 * private->context.regs: an env that is interrupted there is resumed at exit_begin, so what it does there it may do again.
 *
 * A program's own faults. EXO_HANDLER replaces the exception upcall for the exceptions that it names, in programs too (the numbers
 * are nobody else's: -ENOSYS says that there is no such kernel). Registers are the program's but RCX and R11, RSP still its
 * own; the rest is in private->trap, whose `busy` is 1 then. While it is, exceptions go to the library: so one inside the
 * handler finds the library's policy, which may resolve it, send a signal, or end the program. The handler
 *   returns    by loading what is in trap, which it may change, and clearing busy as soon as it does not need trap any more
 *   passes on  by a jump to trap->pass, with all registers but RCX and R11 as they were: the library takes the exception
 * An env that leaves its space (an execve) has no handler any more; a new one has its creator's (a fork).
 *
 * EXO_LIMIT narrows what may be done with pages of one's own: it gives no right that the library's EXO_MAP or EXO_PROTECT did not
 * (a frame that others share stays as it is). It stays when they change the rights, and is no more when another mapping
 * takes the page's place: so a child of fork has none. A limit for once is lifted by the trap that goes to the handler.
 * To the library, which knows nothing of it, an access that only a limit denies is one that mprotect denies: SIGSEGV, EFAULT.
 */
#ifndef RINGSIDE_ABI_EXO_H
#define RINGSIDE_ABI_EXO_H

#define EXO_CALL_BASE 0x20000

#ifndef __ASSEMBLER__
enum exo_call {
    /* the library itself */
    EXO_UPCALLS = EXO_CALL_BASE, /* address of struct exo_upcalls: for the group */
    EXO_LOG,                     /* address, bytes: a line to the machine's log */
    EXO_POWER_OFF,               /* exit status: the group is done, and has no envs any more. The machine goes off when all
                                    systems have said so (boot.h, disk_slices: as many), with the first status that is not 0 */
    EXO_NAME,                    /* env, up to 24 bytes in RSI RDX R10: the next space that it enters is called so */

    /* pages */
    EXO_PAGES_TAKE = EXO_CALL_BASE + 16, /* array, count: frames for the group, contents undefined (zeroes, if there are
                                            other groups): how many, or -ENOMEM. The group sees each at LIB_WINDOW + physical
                                            address. With count's bit 63 (EXO_IN_A_ROW): all of them contiguous, or -ENOMEM.
                                            With bit 62 (EXO_KEPT): never taken by force; at most half of a fair share. When there
                                            are none, another group is asked for some, and the caller waits. -EAGAIN: frames
                                            have been taken from the caller's group, EXO_REPOSSESSED comes first */
    EXO_PAGES_GIVE,     /* array, count: back; -EBUSY: one is mapped somewhere */
    EXO_SHARED_MAP,     /* address in the shared region, frame, rights: for the whole group; frame 0: unmaps */
    EXO_SPACE_CREATE,   /* a space, with the library mapped in it: a number > 0 */
    EXO_SPACE_DESTROY,  /* space */
    EXO_MAP,            /* space, address, frame, rights (1 read, 2 write, 4 execute; 0: held, nobody may): replaces */
    EXO_UNMAP,          /* space, address, pages */
    EXO_PROTECT,        /* space, address, pages, rights */
    EXO_BATCH,          /* array of struct exo_batch, count: MAP, UNMAP and PROTECT in one call: 0, or the first error: the rest is not done */
    EXO_REPOSSESSED,    /* array, count: frames taken by force, lowest first, each told once: how many, 0: no more. They are
                           mapped nowhere, and seen at LIB_WINDOW no more */

    /* processor */
    EXO_ENV_CREATE = EXO_CALL_BASE + 32, /* frame of its private page, array of LIB_STACK_PAGES frames for its stack: a number > 0 */
    EXO_ENV_START,      /* env, RIP in the library: it runs there, on its private stack, in_library = 1 */
    EXO_ENV_EXIT,       /* env (0: the caller): it is no more */
    EXO_ENV_SPACE,      /* env, space */
    EXO_ENV_BASES,      /* env, FS base, GS base */
    EXO_ENV_UPCALL,     /* env: pending |= PENDING_LIBRARY, and an interrupt upcall if it is not in the library; wakes it */
    EXO_ENV_ALIVE,      /* env: 1 or 0 */
    EXO_ENV_TIME,       /* env: ns of CPU time */
    EXO_SLEEP,          /* until (ns since power on), events (EVENT_*): sleeps until woken, that time, or one of the events; what came: EVENT_* bits */
    EXO_WAKE,           /* env */
    EXO_YIELD,          /* env (0: any): that one runs now, or all others before the caller */
    EXO_ALARM,          /* ns: EVENT_ALARM to the group at that time; replaces; UINT64_MAX: none */

    /* disk: extents of 512-byte sectors */
    EXO_EXTENT_BIND = EXO_CALL_BASE + 48, /* first sector, sectors, rights: an extent's number > 0. If the disk has slices, of the
                                             group's own one (the group's number - 1); else what nobody has. sectors 0: from
                                             there to the end of the slice */
    EXO_EXTENT_SIZE,    /* extent: sectors */
    EXO_DISK_READ,      /* extent, sector in it, physical address in a frame of the group's, bytes: a ticket > 0, or -EAGAIN: queue full */
    EXO_DISK_WRITE,     /* same */
    EXO_DISK_FLUSH,     /* extent: a ticket */
    EXO_DISK_DONE,      /* ticket: 0 done, -EIO, -EAGAIN: not yet; EVENT_DISK follows */

    /* devices */
    EXO_DEVICE = EXO_CALL_BASE + 64, /* physical address of a console's registers: maps it at LIB_DEVICES + (it - MMIO_BASE); first group */

    /* a program's own faults (see below): for the caller's env and space */
    EXO_HANDLER = EXO_CALL_BASE + 80, /* address (0: none), exceptions: bit n for vector n, EXO_LIMITS. Replaces */
    EXO_LIMIT,          /* address, pages, rights (| EXO_ONCE): of what EXO_MAP and EXO_PROTECT allow, no more than that */
    EXO_CALLS_END,
};
#endif

#define EXO_IN_A_ROW (1ul << 63)
#define EXO_KEPT (1ul << 62)

/* Visible revocation. When a group finds no frame, one that holds more than its fair share (what is free at the start, by
 * groups) and more than the asker is asked for some: an env that has slept for EVENT_REVOKE, else the group's first, gets
 * PENDING_REVOKE and private->revoke. What is not there after REVOKE_NS is taken by force: then all its envs get
 * PENDING_REVOKE. Who lets it come to that is asked for twice as much the next time. */
#define REVOKE_NS 50000000ul

#define EXO_LIMITS (1ul << 32) /* in exceptions: a page fault that only a limit caused; bit 14 is all others */
#define EXO_ONCE 8u            /* in rights: until the first trap that the limit causes */
#define EXO_READ 1u
#define EXO_WRITE 2u
#define EXO_EXECUTE 4u
#define EXO_RIGHTS_ALL 7u

/* What an env can sleep for besides EXO_WAKE (EVENT_WOKEN) and time (EVENT_TIME). */
#define EVENT_WOKEN 1u
#define EVENT_TIME 2u
#define EVENT_DISK 4u     /* some request of the group's has ended, or there is room in the queue */
#define EVENT_CONSOLE 8u  /* a console interrupted */
#define EVENT_ALARM 16u
#define EVENT_UPCALL 32u  /* EXO_ENV_UPCALL */
#define EVENT_ABORT 64u   /* the kernel has ended an env of the group */
#define EVENT_REVOKE 128u /* with PENDING_REVOKE */

#define EXO_FAULT_LIMITED (1ul << 31) /* in a page fault's error */

/* private->pending */
#define PENDING_LIBRARY 1u /* EXO_ENV_UPCALL */
#define PENDING_SLICE 2u   /* the slice is over: yield soon, or be preempted */
#define PENDING_REVOKE 4u  /* private->revoke frames of the group are wanted back; some may be gone (EXO_REPOSSESSED) */

/* One PML4 slot holds the library: its first GiB and what follows the second are the group's, the second is each env's own. */
#define LIB_BASE 0x600000000000ul
#define LIB_IMAGE (LIB_BASE + 0x00200000ul)   /* where the library is linked: text, data, bss, shared */
#define LIB_BOOT_INFO (LIB_BASE + 0x0f000000ul)
#define LIB_DEVICES (LIB_BASE + 0x0f100000ul) /* the clock always; see EXO_DEVICE */
#define LIB_HEAP (LIB_BASE + 0x10000000ul)    /* the library maps here what it likes (EXO_SHARED_MAP) */
#define LIB_HEAP_END (LIB_BASE + 0x3ff00000ul)
#define LIB_PRIVATE (LIB_BASE + 0x40000000ul) /* struct exo_private */
#define LIB_STACK_PAGES 8
#define LIB_STACK_TOP (LIB_PRIVATE + 0x10000ul + LIB_STACK_PAGES * 4096ul)
#define LIB_WINDOW (LIB_BASE + 0x80000000ul)
#define LIB_END (LIB_BASE + 0x8000000000ul)

/* offsets in struct exo_private for assembly: context.regs is at 0 */
#define PRIVATE_FS_BASE 176
#define PRIVATE_NESTED 704
#define PRIVATE_IN_LIBRARY 880
#define PRIVATE_PENDING 888
#define PRIVATE_RIP 896
#define PRIVATE_RSP 904
#define PRIVATE_NESTED_BUSY 912
#define PRIVATE_ADDRESS 920
#define PRIVATE_TRAP 1024
#define LIB_TRAP (LIB_PRIVATE + PRIVATE_TRAP)

/* offsets in struct exo_trap */
#define TRAP_BUSY 0
#define TRAP_VECTOR 8
#define TRAP_ERROR 16
#define TRAP_ADDRESS 24
#define TRAP_RIP 32
#define TRAP_RFLAGS 40
#define TRAP_RCX 48
#define TRAP_R11 56

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

#include "abi/regs.h"

struct exo_upcalls {
    uint64_t syscall, exception, fault, interrupt, exit_begin, exit_end;
};

struct exo_batch {
    uint64_t op; /* EXO_MAP, EXO_UNMAP or EXO_PROTECT */
    uint64_t space, address, frame_or_pages, rights;
};

/* What a program's handler needs to know and cannot find in registers. One cache line, and what the library puts there. */
struct exo_trap {
    uint64_t busy;
    uint64_t vector, error, address; /* address: CR2 of a page fault, else RIP */
    uint64_t rip, rflags, rcx, r11;
    uint64_t pass; /* where to jump to with what the handler does not want */
};

struct exo_private {
    struct user_context context; /* the program's. The kernel writes regs only; FPU and bases are where the library puts them */
    struct user_regs nested;
    uint64_t in_library;
    uint64_t pending;
    uint64_t rip, rsp;
    uint64_t nested_busy; /* the library clears it when it needs `nested` no more */
    uint64_t address; /* CR2 */
    uint64_t env;     /* its number */
    uint64_t group;   /* its group's, from 1 */
    uint64_t revoke;
    void *library;    /* the library's own */
    struct exo_trap trap __attribute__((aligned(256)));
};

_Static_assert(offsetof(struct exo_private, context.fs_base) == PRIVATE_FS_BASE, "assembly");
_Static_assert(offsetof(struct exo_private, nested) == PRIVATE_NESTED, "assembly");
_Static_assert(offsetof(struct exo_private, in_library) == PRIVATE_IN_LIBRARY, "assembly");
_Static_assert(offsetof(struct exo_private, pending) == PRIVATE_PENDING, "assembly");
_Static_assert(offsetof(struct exo_private, rip) == PRIVATE_RIP, "assembly");
_Static_assert(offsetof(struct exo_private, rsp) == PRIVATE_RSP, "assembly");
_Static_assert(offsetof(struct exo_private, nested_busy) == PRIVATE_NESTED_BUSY, "assembly");
_Static_assert(offsetof(struct exo_private, address) == PRIVATE_ADDRESS, "assembly");
_Static_assert(offsetof(struct exo_private, trap) == PRIVATE_TRAP, "assembly");
_Static_assert(offsetof(struct exo_trap, busy) == TRAP_BUSY && offsetof(struct exo_trap, vector) == TRAP_VECTOR &&
               offsetof(struct exo_trap, error) == TRAP_ERROR && offsetof(struct exo_trap, address) == TRAP_ADDRESS &&
               offsetof(struct exo_trap, rip) == TRAP_RIP && offsetof(struct exo_trap, rflags) == TRAP_RFLAGS &&
               offsetof(struct exo_trap, rcx) == TRAP_RCX && offsetof(struct exo_trap, r11) == TRAP_R11, "assembly");
#endif

#endif
