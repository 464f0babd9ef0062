/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/hostile_lib.h: a hostile library of the exokernel: what its attacks share.
 *
 * It is one group. Its first env makes the attacks of the list `call` (or, when it is the first group, `disk`) itself;
 * each of the list `deadly` is made by an env of its own. Names and answers go to the log (test_exo_hostile.c).
 */
#ifndef RINGSIDE_TESTS_ARCH_IMAGES_HOSTILE_LIB_H
#define RINGSIDE_TESTS_ARCH_IMAGES_HOSTILE_LIB_H

#include <stdbool.h>

#include "abi/boot.h"
#include "abi/devices.h"
#include "arch-exo/lib/exo_call.h"
#include "guest/ring3/log.h"
#include "tests/arch/images/exo_outcome.h"

#define EPERM 1
#define EAGAIN 11
#define ENOMEM 12
#define EFAULT 14
#define EBUSY 16
#define EINVAL 22
#define ENOSYS 38

#define PAGE 4096ul
#define KERNEL_TEXT 0xffffffff80100000ul
#define DIRECT_MAP 0xffff800000000000ul
#define NOT_CANONICAL (1ul << 63)
#define TOP 0x7ffffffff000ul
#define UNMAPPED 0x10000ul
#define ADDRESS 0x10000000ul /* nothing is there */
#define ENV_FRAMES (1 + LIB_STACK_PAGES)
#define ENVS 512
#define SPACES 1024
#define EXTENTS 16
#define PARTNERS 40

struct attack {
    const char *name;
    long (*run)(void);
};

struct hostile {
    const struct boot_info *boot;
    uint64_t frame[2 * ENV_FRAMES + 2]; /* taken: for two envs, and two more */
    uint64_t self; /* number of the first env (one of its own making has had its private page) */
    uint64_t space;
    const struct attack *current; /* what a deadly env does */
    volatile long outcome;
    volatile uint64_t partner[PARTNERS]; /* of a deadly env; 0 ends */
    uint64_t row;              /* frames that a deadly env took; 0: none */
};

extern struct hostile hostile;
#define FRAME (hostile.frame[2 * ENV_FRAMES]) /* one of the two more */
#define ROW_FRAMES 128
#define PRIVATE ((volatile struct exo_private *)LIB_PRIVATE)

bool is_taken(uint64_t frame);
uint64_t now_ns(void);
void sleep_ns(uint64_t ns);
/* Made of the n-th set of frames, in the space of all deadly envs; it runs at `rip`. */
long env_start(unsigned n, void (*rip)(void));
/* The library's own upcalls. */
void upcalls_reset(void);
_Noreturn void env_exit(void);

static inline long map(uint64_t space, uint64_t address, uint64_t frame, uint64_t rights)
{
    return exo_call5(EXO_MAP, space, address, frame, rights, 0);
}

static inline long unmap(uint64_t address, uint64_t pages)
{
    return exo_call(EXO_UNMAP, hostile.space, address, pages);
}

static inline long give(uint64_t frame)
{
    return exo_call(EXO_PAGES_GIVE, (uint64_t)&frame, 1, 0);
}

static inline uint64_t take(void)
{
    uint64_t frame = 0;

    return exo_call(EXO_PAGES_TAKE, (uint64_t)&frame, 1, 0) == 1 ? frame : 0;
}

#define LIST(list)
#define END
#define ATTACK(name, expected) long attack_##name(void);
#include "tests/arch/images/exo_attacks.def"
#undef ATTACK
#undef END
#undef LIST

#endif
