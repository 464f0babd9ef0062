/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/memory.c: a guest's memory, as the guest addresses it.
 *
 * Its physical memory is one run of the machine's, so an address of the one is an address of the other plus `base`, and the
 * bounds check is the whole isolation: nothing that a guest says reaches beyond it. Virtual addresses are looked up in the
 * guest's own page tables, which the processor never sees (SDM vol. 3A §4.5).
 */
#include "arch-vmm/kernel.h"
#include "guest/x86.h"
#include "services/string.h"

#define PTE_A (1ul << 5)
#define PTE_D (1ul << 6)
#define PHYSICAL_BITS 40
#define RESERVED_BITS (0x000ffffffffff000ul & ~((1ul << PHYSICAL_BITS) - 1))

void *guest_memory(const struct guest *guest, uint64_t address, uint64_t bytes)
{
    return address <= guest->bytes && bytes <= guest->bytes - address ? direct(guest->base + address) : NULL;
}

/* ---- the guest's page tables ---- */

static bool is_last(uint64_t entry, unsigned level)
{
    return level == 0 || (level < 3 && entry & PTE_LARGE);
}

/* Bits that must be 0 (SDM vol. 3A §4.5, figure 4-11). */
static uint64_t reserved_in(uint64_t entry, unsigned level)
{
    if (level == 3)
        return RESERVED_BITS | PTE_LARGE;
    if (level && entry & PTE_LARGE)
        return RESERVED_BITS | (LEVEL_SPAN(level) - 0x2000);
    return RESERVED_BITS;
}

/* U/S and R/W of a page are those of all entries on the way, XD that of any. */
struct rights {
    uint64_t all, any;
};

static uint32_t error_of(enum vm_access access, bool user)
{
    return (access == VM_STORE ? FAULT_WRITE : 0) | (access == VM_EXECUTE ? FAULT_FETCH : 0) | (user ? FAULT_USER : 0) | WALK_FAULT;
}

/* SDM vol. 3A §4.6.1. SMAP is not applied: it would take a third root. */
static bool allowed(const struct vcpu *v, struct rights r, enum vm_access access, bool user)
{
    if (user && !(r.all & PTE_U))
        return false;
    if (access == VM_STORE)
        return r.all & PTE_W || (!user && !(v->cr0 & CR0_WP));
    if (access == VM_EXECUTE)
        return !(r.any & PTE_NX) && (user || !(r.all & PTE_U) || !(v->cr4 & CR4_SMEP));
    return true;
}

/* Accessed and dirty (SDM vol. 3A §4.8). */
static uint64_t mark(uint64_t *slot, uint64_t entry, uint64_t bits)
{
    if ((entry & bits) != bits)
        *slot = entry |= bits;
    return entry;
}

uint32_t guest_walk(struct vcpu *v, uint64_t address, enum vm_access access, bool user, struct walk *walk)
{
    uint32_t error = error_of(access, user);
    struct rights rights = {~0ul, 0};
    uint64_t table = v->cr3 & PTE_FRAME, entry, within;
    unsigned level = 3;
    uint64_t *slot;

    if (!is_canonical(address))
        return error;
    for (;; level--) {
        slot = guest_memory(v->guest, table + index_of(address, level) * 8, 8);
        if (!slot || !((entry = *slot) & PTE_P))
            return error;
        if (unlikely(entry & (RESERVED_BITS | PTE_LARGE)) && entry & reserved_in(entry, level))
            return error | FAULT_PRESENT | FAULT_RESERVED;
        rights.all &= entry;
        rights.any |= entry;
        if (is_last(entry, level))
            break;
        walk->entry[level] = mark(slot, entry, PTE_A);
        table = entry & PTE_FRAME;
    }
    if (!allowed(v, rights, access, user))
        return error | FAULT_PRESENT;
    walk->entry[level] = mark(slot, entry, access == VM_STORE ? PTE_A | PTE_D : PTE_A);
    walk->level = level;
    walk->user = rights.all & PTE_U;
    within = LEVEL_SPAN(level) - 1;
    walk->address = (entry & PTE_FRAME & ~within) | (address & within);
    return 0;
}

/* ---- by virtual address ---- */

static void *reach(struct vcpu *v, uint64_t address, enum vm_access access, bool user, struct walk *walk, struct trouble *trouble)
{
    uint32_t error = guest_walk(v, address, access, user, walk);
    void *memory = error ? NULL : guest_memory(v->guest, walk->address, 1);

    if (!memory)
        *trouble = (struct trouble){address, error ? error & ~WALK_FAULT : error_of(access, user) & ~WALK_FAULT};
    return memory;
}

static size_t in_page(uint64_t address, size_t bytes)
{
    size_t left = PAGE_BYTES - (address & (PAGE_BYTES - 1));

    return bytes < left ? bytes : left;
}

bool guest_read(struct vcpu *v, uint64_t address, void *to, size_t bytes, bool user, struct trouble *trouble)
{
    struct walk walk;

    for (size_t n; bytes; address += n, to = (char *)to + n, bytes -= n) {
        const void *from = reach(v, address, VM_LOAD, user, &walk, trouble);

        n = in_page(address, bytes);
        if (!from)
            return false;
        if (n == 8)
            *(uint64_t *)to = *(const uint64_t *)from;
        else
            for (size_t i = 0; i < n; i++)
                ((char *)to)[i] = ((const char *)from)[i];
    }
    return true;
}

bool guest_write(struct vcpu *v, uint64_t address, const void *from, size_t bytes, bool user, struct trouble *trouble)
{
    struct walk walk;

    for (size_t n; bytes; address += n, from = (const char *)from + n, bytes -= n) {
        void *to = reach(v, address, VM_STORE, user, &walk, trouble);

        n = in_page(address, bytes);
        if (!to)
            return false;
        for (size_t i = 0; i < n; i++)
            ((char *)to)[i] = ((const char *)from)[i];
        if (shadow_guards(v->guest, walk.address))
            shadow_release(v->guest, walk.address);
    }
    return true;
}

/* Mostly in one page: then two words, of which the last byte is too many. */
size_t guest_fetch(struct vcpu *v, uint8_t code[CODE_BYTES])
{
    uint64_t rip = vcpu_regs(v)->rip;
    struct trouble trouble;
    struct walk walk;
    size_t have = 0;

    while (have < INSTRUCTION_MAX) {
        const uint8_t *from = reach(v, rip + have, VM_EXECUTE, !v->kernel, &walk, &trouble);
        size_t n = in_page(rip + have, INSTRUCTION_MAX - have);

        if (!from)
            break;
        if (in_page(rip, CODE_BYTES) == CODE_BYTES) {
            __builtin_memcpy(code, from, CODE_BYTES);
            return INSTRUCTION_MAX;
        }
        for (size_t i = 0; i < n; i++)
            code[have + i] = from[i];
        have += n;
    }
    return have;
}

/* ---- by devices ---- */

void *guest_memory_for_device(struct guest *guest, uint64_t address, uint64_t bytes)
{
    void *memory = guest_memory(guest, address, bytes);

    for (uint64_t at = address & ~(PAGE_BYTES - 1); memory && at < address + bytes; at += PAGE_BYTES)
        if (shadow_guards(guest, at))
            shadow_release(guest, at);
    return memory;
}
