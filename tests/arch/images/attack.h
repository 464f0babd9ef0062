/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/attack.h: a hostile server: the real one, with operations in front that attack while they serve a
 * call.
 *
 * A program asks for attack n of a list, by a call that a real server would refuse. The attack runs while the call is
 * served; its name and its result go to the log, where the test holds them against what the list (attacks*.def)
 * expects.
 */
#ifndef RINGSIDE_TESTS_ARCH_IMAGES_ATTACK_H
#define RINGSIDE_TESTS_ARCH_IMAGES_ATTACK_H

#include "arch-micro/server/kcall.h"
#include "arch-micro/server/parts.h"

/* The call that is served. */
struct target {
    struct entry *entry;     /* NULL: no program's call itself */
    uint64_t handle;         /* who waits */
    uint64_t served;         /* COPY_SERVED, if the memory is that of the program which the asker serves */
    uint64_t address, bytes; /* what is granted */
    uint64_t secret;         /* not granted, in the same memory */
};

struct attack {
    const char *name;
    long (*run)(const struct target *target);
};

/* Attack n, logged; -ENOENT: there are not so many. */
long attack_run(const struct attack *attacks, size_t count, uint64_t n, const struct target *target);

/* One that is an expression of its target `t`. */
#define AS(name, expression)                                                                                           \
    long attack_##name(const struct target *t)                                                                         \
    {                                                                                                                  \
        return expression;                                                                                             \
    }

static inline long copy_with(uint64_t handle, const void *own, uint64_t other, uint64_t bytes, uint64_t flags)
{
    uint64_t absent;

    return ipc_copy(handle, (uint64_t)own, other, bytes, flags, &absent);
}

/* Is it the handle of somebody whom this server serves? */
static inline bool is_mine(const struct target *t, uint64_t handle)
{
    return handle == t->handle || entry_of(handle);
}

#define ATTACK(name, expected) long attack_##name(const struct target *target);
#define LIST(name)
#define END
#include "tests/arch/images/attacks.def"
#include "tests/arch/images/attacks_ttyd.def"
#include "tests/arch/images/attacks_vmd.def"
#undef ATTACK
#undef LIST
#undef END

#endif
