/* SPDX-License-Identifier: MIT
 *
 * sim/memory/mmu.c: 4-level paging (Intel SDM vol. 3A chapter 4) and the modelled TLB in front
 * of it. fill.c puts it under Unicorn.
 *
 * Rules:
 *  - A TLB hit uses the entry as it is, also when the page table has since changed: that
 *    is what hardware does. If the table now says something else (other frame, fewer
 *    rights, not present) the use is counted as a stale translation.
 *  - A hit whose rights do not suffice is dropped and walked again before a fault is
 *    raised (SDM 4.10.4.1: a fault invalidates the entry; a table that allows the access
 *    now is no error).
 *  - A write through an entry that is not dirty walks again to set D (SDM 4.8).
 *  - Accessed and dirty bits are set by the walk, in RAM.
 */
#include <inttypes.h>
#include <string.h>

#include "sim/inside.h"

enum {
    PTE_P = 1 << 0,
    PTE_W = 1 << 1,
    PTE_U = 1 << 2,
    PTE_A = 1 << 5,
    PTE_D = 1 << 6,
    PTE_PS = 1 << 7,
    PTE_G = 1 << 8,
};
#define PTE_NX (1ul << 63)
#define PHYSICAL_BITS 40
#define PTE_FRAME (((1ul << PHYSICAL_BITS) - 1) & PAGE_MASK)
#define PTE_RESERVED (((1ul << 52) - 1) & ~((1ul << PHYSICAL_BITS) - 1))

enum { ERROR_P = 1, ERROR_W = 2, ERROR_U = 4, ERROR_RSVD = 8, ERROR_FETCH = 16 };

struct walk {
    struct cpu *cpu;
    uint64_t address;
    bool counted; /* charge references, use and fill the paging-structure caches */
    bool touch;   /* set A and D */
    bool write;
    uint64_t entry_address; /* of the leaf */
    uint64_t entry;
    uint8_t rights; /* accumulated TRANSLATION_USER, WRITE, NX */
    unsigned level; /* of the leaf: 0 PTE, 1 PDE, 2 PDPTE */
    bool reserved;
};

bool mmu_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

static void becomes_table(struct machine *m, uint64_t frame)
{
    m->page_flags[frame] |= PAGE_IS_TABLE;
    for (unsigned i = 0; i < m->cpu_count; i++) {
        m->cpus[i].data_page = UINT64_MAX; /* it may be the page that is being written */
        front_forget_writes(&m->cpus[i].front);
    }
}

static uint64_t read_entry(struct walk *w, uint64_t address)
{
    struct machine *m = w->cpu->machine;

    if (address + 8 > m->ram_bytes)
        return 0; /* a table outside RAM: nothing there answers */
    if (!(m->page_flags[address / PAGE_BYTES] & PAGE_IS_TABLE))
        becomes_table(m, address / PAGE_BYTES);
    if (w->counted) {
        count(w->cpu, COUNTER_walk_refs);
        data_access(w->cpu, address, 8, false, CAUSE_tlb);
    }
    return ram_word(m, address);
}

static void set_bits(struct walk *w, uint64_t address, uint64_t bits)
{
    uint64_t *entry = (uint64_t *)(w->cpu->machine->ram + address);

    if (w->touch && (*entry & bits) != bits)
        *entry |= bits;
}

static uint8_t rights_of(const struct cpu *cpu, uint64_t entry)
{
    return (uint8_t)((entry & PTE_U ? TRANSLATION_USER : 0) | (entry & PTE_W ? TRANSLATION_WRITE : 0) |
                     (entry & PTE_NX && cpu->efer & EFER_NXE ? TRANSLATION_NX : 0));
}

static uint8_t join_rights(uint8_t a, uint8_t b)
{
    return (uint8_t)((a & b & (TRANSLATION_USER | TRANSLATION_WRITE)) | ((a | b) & TRANSLATION_NX));
}

static bool entry_reserved(const struct cpu *cpu, uint64_t entry, unsigned level)
{
    uint64_t reserved = PTE_RESERVED | (cpu->efer & EFER_NXE ? 0 : PTE_NX);

    if (level == 3)
        reserved |= PTE_PS;
    else if (level == 2 && entry & PTE_PS)
        reserved |= 0x3fffe000ul; /* bits 29…13 of a 1 GiB page */
    else if (level == 1 && entry & PTE_PS)
        reserved |= 0x1fe000ul; /* bits 20…13 of a 2 MiB page */
    return (entry & reserved) != 0;
}

/* The deepest paging-structure cache that knows the way; *table is where to go on, the result the level to read next. */
static unsigned start_of_walk(struct walk *w, uint64_t *table)
{
    struct cpu *cpu = w->cpu;
    uint64_t page = w->address >> 12;

    for (unsigned level = 1; w->counted && level <= 3; level++)
        if (psc_lookup(cpu->tlb, level, page, cpu->pcid, table, &w->rights))
            return level - 1;
    *table = cpu->cr3 & PTE_FRAME;
    w->rights = TRANSLATION_USER | TRANSLATION_WRITE;
    return 3;
}

/* Finds the leaf. false: not present, or a reserved bit (w->reserved). */
static bool walk_tables(struct walk *w)
{
    uint64_t table;
    unsigned level = start_of_walk(w, &table);

    for (;; level--) {
        uint64_t at = table + (w->address >> (12 + 9 * level) & 511) * 8;
        uint64_t entry = read_entry(w, at);

        if (!(entry & PTE_P))
            return false;
        if ((w->reserved = entry_reserved(w->cpu, entry, level)))
            return false;
        w->rights = join_rights(w->rights, rights_of(w->cpu, entry));
        if (level == 0 || (level < 3 && entry & PTE_PS)) {
            w->entry_address = at;
            w->entry = entry;
            w->level = level;
            return true;
        }
        set_bits(w, at, PTE_A);
        table = entry & PTE_FRAME;
        if (w->counted)
            psc_insert(w->cpu->tlb, level, w->address >> 12, w->cpu->pcid, table, w->rights);
    }
}

static void leaf_translation(const struct walk *w, struct translation *out)
{
    uint64_t span = 1ul << (9 * w->level); /* in 4 KiB pages */

    out->page = w->address >> 12 & ~(span - 1);
    out->frame = (w->entry & PTE_FRAME) >> 12 & ~(span - 1);
    out->pcid = w->cpu->pcid;
    out->size = (uint8_t)w->level;
    out->flags = (uint8_t)(w->rights | (w->entry & PTE_D ? TRANSLATION_DIRTY : 0) |
                           (w->entry & PTE_G && w->cpu->cr4 & CR4_PGE ? TRANSLATION_GLOBAL : 0));
}

/* SDM 4.6: may this access be made under these rights? */
bool mmu_allowed(const struct cpu *cpu, uint8_t flags, enum access access, enum privilege privilege, bool ac)
{
    bool user_page = flags & TRANSLATION_USER;

    if (privilege == UNCHECKED)
        return true;
    if (access == ACCESS_FETCH && flags & TRANSLATION_NX)
        return false;
    if (privilege == AS_USER)
        return user_page && (access != ACCESS_WRITE || flags & TRANSLATION_WRITE);
    if (user_page && access == ACCESS_FETCH && cpu->cr4 & CR4_SMEP)
        return false;
    if (user_page && access != ACCESS_FETCH && cpu->cr4 & CR4_SMAP && !ac)
        return false;
    return access != ACCESS_WRITE || flags & TRANSLATION_WRITE || !(cpu->cr0 & CR0_WP);
}

static uint32_t error_code(const struct cpu *cpu, bool present, bool reserved, enum access access, enum privilege privilege)
{
    bool fetch_bit = access == ACCESS_FETCH && (cpu->efer & EFER_NXE || cpu->cr4 & CR4_SMEP);

    return (present ? ERROR_P : 0u) | (access == ACCESS_WRITE ? ERROR_W : 0u) | (privilege == AS_USER ? ERROR_U : 0u) |
           (reserved ? ERROR_RSVD | ERROR_P : 0u) | (fetch_bit ? ERROR_FETCH : 0u);
}

/* RFLAGS.AC, where it matters. */
static bool access_ac(const struct cpu *cpu, uint8_t flags, enum privilege privilege)
{
    return cpu->cr4 & CR4_SMAP && flags & TRANSLATION_USER && privilege == AS_SUPERVISOR && engine_system_flags(&cpu->engine) & FLAG_AC;
}

/* A counted walk with its rights check, into the TLBs. */
static bool walk_counted(struct cpu *cpu, uint64_t address, enum access access, enum privilege privilege, struct translation *out,
                         uint32_t *error)
{
    struct walk w = {
        .cpu = cpu, .address = address, .counted = cpu->machine->timing, .touch = true, .write = access == ACCESS_WRITE};
    bool present;

    charge_timing(cpu, CAUSE_tlb, cpu->machine->model.walk_cost);
    present = walk_tables(&w);
    if (present)
        leaf_translation(&w, out);
    if (!present || !mmu_allowed(cpu, out->flags, access, privilege, access_ac(cpu, out->flags, privilege))) {
        *error = error_code(cpu, present, w.reserved, access, privilege);
        if (cpu->machine->timing)
            psc_forget(cpu->tlb, address >> 12 & ((1ul << 52) - 1), cpu->pcid);
        return false;
    }
    set_bits(&w, w.entry_address, PTE_A | (w.write ? PTE_D : 0u));
    if (w.write)
        out->flags |= TRANSLATION_DIRTY;
    if (cpu->machine->timing)
        tlb_insert(cpu->tlb, access == ACCESS_FETCH ? TLB_CODE : TLB_DATA, out);
    return true;
}

static void count_tlb_result(struct cpu *cpu, enum tlb_kind kind, enum tlb_result result)
{
    if (result == TLB_HIT)
        return;
    count(cpu, kind == TLB_CODE ? COUNTER_itlb_misses : COUNTER_dtlb_misses);
    if (result == TLB_MISS)
        count(cpu, COUNTER_stlb_misses);
    charge(cpu, CAUSE_tlb, cpu->machine->model.stlb_hit_cost);
}

bool mmu_translate(struct cpu *cpu, uint64_t address, enum access access, enum privilege privilege, struct translation *out, uint32_t *error)
{
    enum tlb_kind kind = access == ACCESS_FETCH ? TLB_CODE : TLB_DATA;
    const struct translation *entry;
    enum tlb_result result;

    if (!cpu->machine->timing)
        return walk_counted(cpu, address, access, privilege, out, error);
    result = tlb_lookup(cpu->tlb, kind, address >> 12 & ((1ul << 52) - 1), cpu->pcid, &entry);
    count_tlb_result(cpu, kind, result);
    if (result == TLB_MISS)
        return walk_counted(cpu, address, access, privilege, out, error);
    *out = *entry;
    if (!mmu_allowed(cpu, out->flags, access, privilege, access_ac(cpu, out->flags, privilege))) {
        tlb_flush_page(cpu->tlb, address >> 12, cpu->pcid);
        return walk_counted(cpu, address, access, privilege, out, error);
    }
    if (access == ACCESS_WRITE && !(out->flags & TRANSLATION_DIRTY))
        return walk_counted(cpu, address, access, privilege, out, error);
    return true;
}

bool mmu_peek(const struct cpu *cpu, uint64_t address, struct translation *out)
{
    struct walk w = {.cpu = (struct cpu *)(uintptr_t)cpu, .address = address};

    if (!mmu_canonical(address) || !walk_tables(&w))
        return false;
    leaf_translation(&w, out);
    return true;
}

bool mmu_read(const struct cpu *cpu, uint64_t address, void *to, size_t bytes)
{
    struct translation t;

    while (bytes > 0) {
        size_t part = PAGE_BYTES - (address & (PAGE_BYTES - 1));

        part = part < bytes ? part : bytes;
        if (!mmu_peek(cpu, address, &t) || !ram_dma_read(cpu->machine, translation_address(&t, address), to, part))
            return false;
        address += part;
        to = (char *)to + part;
        bytes -= part;
    }
    return true;
}

/* Instruction fetches are translated here without effect; the block hook makes the counted look-up when the code runs.
 * The count model makes none: there the accessed bits are set here. */
bool mmu_translate_fetch(struct cpu *cpu, uint64_t address, struct translation *t, uint32_t *error)
{
    enum privilege privilege = cpu->cpl == 3 ? AS_USER : AS_SUPERVISOR;
    bool present;
    struct walk w = {.cpu = cpu, .address = address, .touch = !cpu->machine->timing};

    present = walk_tables(&w);
    if (present)
        leaf_translation(&w, t);
    if (present && mmu_allowed(cpu, t->flags, ACCESS_FETCH, privilege, false)) {
        set_bits(&w, w.entry_address, PTE_A);
        return true;
    }
    *error = error_code(cpu, present, w.reserved, ACCESS_FETCH, privilege);
    return false;
}

void mmu_describe_walk(const struct cpu *cpu, uint64_t address, FILE *out)
{
    static const char *const names[] = {"PTE", "PDE", "PDPTE", "PML4E"};
    uint64_t table = cpu->cr3 & PTE_FRAME;

    fprintf(out, "page walk of 0x%016" PRIx64 ", CR3 %#" PRIx64 "%s\n", address, cpu->cr3,
            mmu_canonical(address) ? "" : " (not canonical)");
    for (unsigned level = 3;; level--) {
        uint64_t at = table + (address >> (12 + 9 * level) & 511) * 8;
        uint64_t entry = at + 8 <= cpu->machine->ram_bytes ? ram_word(cpu->machine, at) : 0;

        fprintf(out, "  %-5s at 0x%09" PRIx64 " = 0x%016" PRIx64 " %s%s%s%s%s%s%s\n", names[level], at, entry,
                entry & PTE_P ? "P" : "not present", entry & PTE_W ? " W" : "", entry & PTE_U ? " U" : "",
                entry & PTE_A ? " A" : "", entry & PTE_D && level < 3 ? " D" : "", entry & PTE_G ? " G" : "",
                entry & PTE_NX ? " NX" : "");
        if (!(entry & PTE_P) || level == 0 || (level < 3 && entry & PTE_PS))
            return;
        table = entry & PTE_FRAME;
    }
}
