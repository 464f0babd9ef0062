/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_hostile.h: a kernel that attacks the monitor that it runs on: what its parts share.
 */
#ifndef RINGSIDE_TESTS_ARCH_IMAGES_VMM_HOSTILE_H
#define RINGSIDE_TESTS_ARCH_IMAGES_VMM_HOSTILE_H

#include "abi/devices.h"
#include "guest/x86.h"
#include "tests/arch/images/vmm_kit.h"

/* Where the monitor is in every address space (guest/layout.h). */
#define MONITOR 0xffffe00000000000ul
#define MONITOR_STACKS 0xffffe08000000000ul
#define MONITOR_IMAGE 0xffffe17f80100000ul
/* Its selectors (guest/layout.h, LAYOUT_MONITOR). */
#define MONITOR_CS 0x48
#define MONITOR_SS 0x50
#define MONITOR_USER_SS 0x5b
#define MONITOR_USER_CS 0x63
#define MONITOR_TR 0x68
#define NOT_CANONICAL 0x8000000000000000ul
#define NOWHERE 0x0000700000000000ul /* mapped by nobody */
#define PLACE 0x8000000000ul         /* where attacks map what they want: slot 1 of a root */
#define BEYOND (kit.boot->ram_bytes) /* physical: the first address that is not the guest's */

#define LIST(list)
#define ATTACK(name, expected) long attack_##name(void);
#define DEADLY(name, report) long attack_##name(void);
#define END
#include "tests/arch/images/vmm_attacks.def"
#undef LIST
#undef ATTACK
#undef DEADLY
#undef END

/* The root is used from now on, to the attack's end. */
void enter(uint64_t root);
/* A root with this at PLACE. */
uint64_t root_with(uint64_t entry);
/* The outcome of a load from there, a store, a jump: RETURNED or a vector. What was loaded is in `loaded`. */
extern uint64_t loaded;
unsigned load(uint64_t address);
unsigned store(uint64_t address);
unsigned jump(uint64_t address);

/* Descriptor tables where none are (vmm_privileged.c). */
extern const struct pointer table_nowhere, table_not_canonical, table_in_monitor, table_empty, table_at_top;
/* Executes IRETQ with that frame: what comes of it. Where there is #UD: */
unsigned iret(uint64_t rip, uint64_t cs, uint64_t rflags, uint64_t rsp, uint64_t ss);
extern char iret_landing[];
#define LANDING ((uint64_t)iret_landing)

/* An attack that is one piece of assembly, with these inputs. It may clobber what its caller does not expect back. */
#define INSTRUCTION(name, text, ...)                                                                                   \
    long attack_##name(void)                                                                                           \
    {                                                                                                                  \
        __asm__ volatile(text : : __VA_ARGS__ : "memory", "cc");                                                       \
        return RETURNED;                                                                                               \
    }

#endif
