/* SPDX-License-Identifier: MIT
 *
 * arch-exo/kernel.h: the exokernel: groups, environments, and what they own.
 *
 * Files: kernel.c starts the groups and ends the machine; calls.c is the way in of every SYSCALL and the way back; faults.c hands
 * exceptions and interrupts to libraries (upcall.S: page faults, the short way); groups.c is groups, tasks.c environments, sched.c
 * whose turn it is, memory.c pages and spaces, revoke.c what a group must give back, disk.c extents.
 *
 * A group has one library, whose image, data and heap are mapped at the same place in all of its spaces (abi/exo.h): these
 * tables hang below `shared`, a space that is never loaded, and each space of the group points to them. An env's private
 * page and stack hang below a table of its own, which is put into whichever space the env runs in.
 */
#ifndef RINGSIDE_ARCH_EXO_KERNEL_H
#define RINGSIDE_ARCH_EXO_KERNEL_H

#include "abi/exo.h"
#include "guest/alarm.h"
#include "guest/cpu.h"
#include "guest/frames.h"
#include "guest/kernel.h"
#include "guest/lend.h"
#include "guest/sched.h"
#include "guest/thread.h"

#define EPERM 1
#define EIO 5
#define EAGAIN 11
#define ENOMEM 12
#define EFAULT 14
#define EBUSY 16
#define EINVAL 22
#define ENOSYS 38

#define ENVS_MAX 512
#define GROUPS_MAX 8
#define EXTENTS_MAX 16
#define TASK_NAME_BYTES 32
#define BATCH_MAX 128 /* frames for one call */
#define KERNEL_FRAMES 16 /* what the kernel needs for a space, an env, a table */
#define GROUP_NAME_BYTES 40 /* a module's name and a number */

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

struct group {
    unsigned number; /* from 1: the owner of what is lent */
    char name[GROUP_NAME_BYTES];
    const struct boot_module *module;
    struct space *shared;
    struct exo_upcalls upcalls;
    bool has_upcalls;
    struct list spaces; /* struct place */
    unsigned gibibytes; /* of its region: entries of its table that are in use */
    struct alarm alarm;
    unsigned turn; /* number of the env that another group has yielded to last */
    unsigned envs, space_count, extents, transfers; /* how many of its share it has */
    size_t tables;      /* frames of its spaces' page tables */
    size_t kept;        /* frames taken with EXO_KEPT */
    size_t lost;        /* frames taken by force that it has not been told of: */
    uint64_t *lost_map; /* a bit each, by frame number; NULL: there is only one group */
    size_t revoke_next; /* how many it is asked for next time */
    bool done; /* it has said so, with this status: it has no envs any more */
    int status;
};

/* An environment: a thread that runs in ring 3 only, in program and library alike. */
struct env {
    struct thread thread; /* first: the scheduler's pointer is ours */
    struct group *group;
    unsigned number;
    struct place *place;         /* of its space */
    struct exo_private *private; /* through the direct map */
    uint64_t private_table;      /* the page directory of its private GiB */
    uint64_t private_leaf;       /* and its page table */
    uint32_t pending;            /* PENDING_*, not yet in private->pending */
    uint32_t happened;           /* EVENT_*, since its last sleep */
    uint32_t awaited;            /* EVENT_*, while it sleeps */
    bool sleeping;
    uint64_t handler;            /* of its program's own exceptions; 0: none */
    uint64_t handled;            /* which: EXO_HANDLER */
    bool slice_told;
    bool dying;
    char name[TASK_NAME_BYTES];
    char next_name[TASK_NAME_BYTES]; /* its next space is called so */
};

/* What there is to know of a space besides its tables. */
struct place {
    struct list link;        /* in its group's spaces */
    struct env *private_of;  /* whose private area is in it */
    unsigned users;          /* envs whose space it is */
    size_t tables;           /* frames that mappings have cost */
    bool limited;            /* there may be limits in it */
};

struct extent {
    struct group *group; /* NULL: free */
    uint64_t first, sectors;
    unsigned rights;
};

struct kernel {
    const struct boot_info *boot;
    struct group group[GROUPS_MAX];
    unsigned groups;
    unsigned systems; /* the first so many groups have a slice of the disk each, and are waited for */
    size_t fair;               /* frames that a group can always have */
    struct env *env[ENVS_MAX]; /* by number; 0 is nobody */
    struct place place[SPACES_MAX]; /* by number of the space */
};

extern struct kernel kernel;

#define CHANNEL_DONE 1
#define CHANNEL_FRAMES 2

/* Of a table of the kernel's: no group can have what another one is to find. */
static inline unsigned group_share(unsigned entries)
{
    return entries / kernel.groups;
}

static inline struct place *place_of(const struct space *space)
{
    return &kernel.place[space_number(space)];
}

static inline struct env *env_current(void)
{
    return (struct env *)this_cpu()->current;
}

/* The env whose context this is, as it tells itself: FXSAVE leaves the end of its image to software (SDM vol. 1 §10.5.1). */
#define FX_SOFTWARE 464
static inline struct env **env_at(struct user_regs *regs)
{
    return (struct env **)(((struct user_context *)regs)->fx + FX_SOFTWARE);
}

/* ---- calls.c ---- */

/* The last thing before ring 3. Does not return to an env that dies. */
void env_leave(struct env *env);

/* ---- tasks.c ---- */

/* An env of the group, with these frames (the private page first, then the stack's) as its private area. NULL without
 * memory, or if the frames are not the group's. */
struct env *env_create(struct group *group, const uint64_t frames[1 + LIB_STACK_PAGES], const struct env *parent);
/* It runs at `rip` in the library. */
void env_begin_at(struct env *env, uint64_t rip);
void env_end(struct env *env);
/* The same against its library's will: the group is told. */
void env_abort(struct env *env);
/* All of the group's, the current one on its way back. */
void envs_end(struct group *group);
void env_enter_space(struct env *env, struct space *space);
/* The private area of the current env is where it belongs. */
void env_private(struct env *env);
long env_call(struct env *self, struct user_regs *regs);
void group_alarm_init(struct group *group);

/* ---- sched.c ---- */

/* If it sleeps, and for that. */
void env_wake(struct env *env, uint32_t event);
/* EXO_SLEEP */
long env_sleep(struct env *self, uint64_t until, uint32_t events);
/* The current env lets others run: one of another group, if it can, however many envs its own group has. */
void env_yield(struct env *env);
void group_event(struct group *group, uint32_t event);
/* Frames are wanted back: who is told runs at once. 0: some are gone, and all are told. */
void group_revoke(struct group *group, size_t frames);

/* ---- faults.c ---- */

trap_handler fault_any, fault_interrupt, fault_disk;
void faults_init(void);
/* upcall.S: the way in of page faults, and what it asks: true: SYSRET with these registers. */
extern char upcall_entry[];
bool upcall_page_fault(struct user_regs *regs);
/* To the interrupt upcall, if something is pending and the program runs. */
void upcall_pending(struct env *env);
long fault_call(struct env *self, struct user_regs *regs);

/* ---- groups.c ---- */

void group_create(unsigned number, const struct boot_module *module);
/* Loads the library; its entry point. */
uint64_t group_load(struct group *group);
/* A space with the library mapped in it; NULL without memory. */
struct space *group_space(struct group *group);
void space_end(struct group *group, struct space *space);
/* The space at that place of a group's list. */
struct space *space_at(struct list *link);
/* A page of the group's own region, for all of its spaces. */
long shared_map(struct group *group, uint64_t address, uint64_t frame, unsigned rights);
/* The group's region has changed: no space of it may know what was there. */
void drop_translations(struct group *group);
void groups_end(void);

/* ---- memory.c ---- */

long memory_call(struct env *self, struct user_regs *regs);
/* Pages of a program's part of a space? */
static inline bool is_programs(uint64_t address, uint64_t pages)
{
    return address % PAGE_BYTES == 0 && address < USER_TOP && pages <= (USER_TOP - address) / PAGE_BYTES &&
           (address >= LIB_END || address + pages * PAGE_BYTES <= LIB_BASE);
}
/* Of the group's, if nothing uses it: as lend_give. */
long give_one(struct group *group, uint64_t frame);

/* ---- revoke.c ---- */

/* Once, when all groups have been made. */
void revoke_init(void);
void revoke_end(void);
/* How many of `count` frames the group may take now. */
size_t frames_for(const struct group *group, size_t count);
/* There may be fewer than `count`: waits for some. False: there are so many, or nobody can give any. */
bool frames_wait(struct env *self, size_t count);
/* The group has given some. */
void frames_given(const struct group *group);
/* The env is no more: nor does it wait. */
void frames_forget(const struct env *env);
/* EXO_REPOSSESSED */
long frames_lost(struct env *self, uint64_t array, uint64_t count);

/* ---- disk.c ---- */

void disk_init(void);
void disk_end(void);
void disk_interrupt(void);
long disk_call(struct env *self, struct user_regs *regs);
/* The frames of the group's transfers that have ended are fixed no more. */
void disk_collect(struct group *group);

#endif
