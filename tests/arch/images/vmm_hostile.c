/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_hostile.c: runs the attacks of vmm_attacks.def: without settings, all that it survives, one
 * after the other; "live=N", "deadly=N" or "storm=N" one of a list. Each says "attack NAME: OUTCOME".
 */
#include "tests/arch/images/vmm_hostile.h"

struct attack {
    const char *name;
    long (*run)(void);
};

#define LIST(list) static const struct attack list##_attacks[] = {
#define ATTACK(name, expected) {#name, attack_##name},
#define DEADLY(name, report) {#name, attack_##name},
#define END                                                                                                            \
    }                                                                                                                  \
    ;
#include "tests/arch/images/vmm_attacks.def"
#define COUNT(list) (sizeof(list) / sizeof(*(list)))

uint64_t loaded;
static long outcome;

void enter(uint64_t root)
{
    kit.cr3 = root;
    write_cr3(root);
}

uint64_t root_with(uint64_t entry)
{
    uint64_t root = kit_root();

    kit_map(root, PLACE, entry);
    return root;
}

static void load_from(uint64_t address)
{
    loaded = *(volatile uint64_t *)address;
}

static void store_to(uint64_t address)
{
    *(volatile uint64_t *)address = 0x4141414141414141;
}

static void jump_to(uint64_t address)
{
    ((void (*)(void))address)();
}

unsigned load(uint64_t address)
{
    return kit_try(load_from, address);
}

unsigned store(uint64_t address)
{
    return kit_try(store_to, address);
}

unsigned jump(uint64_t address)
{
    return kit_try(jump_to, address);
}

static void run(uint64_t attack)
{
    outcome = ((const struct attack *)attack)->run();
}

static void make(const struct attack *attack)
{
    uint64_t own = kit.cr3, frame = kit.next_frame;
    unsigned how = kit_try(run, (uint64_t)attack);

    kit.cr3 = own;
    kit.next_frame = frame;
    kit_interrupts_end = 0;
    kit_restore();
    print("attack %s: %ld\n", attack->name, how == RETURNED ? outcome : EXCEPTION((long)how));
}

void test_main(void)
{
    uint64_t live = kit_setting("live", COUNT(live_attacks));
    uint64_t deadly = kit_setting("deadly", COUNT(deadly_attacks)), storm = kit_setting("storm", COUNT(storm_attacks));

    if (live < COUNT(live_attacks))
        make(&live_attacks[live]);
    else if (deadly < COUNT(deadly_attacks))
        make(&deadly_attacks[deadly]);
    else if (storm < COUNT(storm_attacks))
        make(&storm_attacks[storm]);
    else
        for (unsigned i = 0; i < COUNT(live_attacks); i++)
            make(&live_attacks[i]);
    print("attacks: done\n");
}
