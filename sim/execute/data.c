/* SPDX-License-Identifier: MIT
 *
 * sim/execute/data.c: the memory hook: what one data access does to TLBs and caches.
 *
 * The hook gets the Unicorn-physical address; its slot tells the virtual page (cpu.h). The page of the access before
 * needs no look-up, a line that is the most recently used of its set needs none either: both are exact (tlb.h,
 * cache.h).
 */
#include "sim/inside.h"

#define slow __attribute__((noinline, cold))

static void count_cache(struct cpu *cpu, enum cache_port port, struct cache_result r)
{
    if (r.missed_l1)
        count(cpu, port == CACHE_CODE ? COUNTER_l1i_misses : COUNTER_l1d_misses);
    if (r.missed_l2)
        count(cpu, COUNTER_l2_misses);
    if (r.missed_l3)
        count(cpu, COUNTER_l3_misses);
}

void data_cache_line(struct cpu *cpu, enum cache_port port, uint64_t physical, bool write, enum cause cause)
{
    struct cache_result r = cache_access(cpu->machine->caches, cpu->index, port, physical, write);

    count_cache(cpu, port, r);
    charge(cpu, cause, r.cycles);
}

void data_access(struct cpu *cpu, uint64_t physical, unsigned bytes, bool write, enum cause miss_cause)
{
    const unsigned line = cpu->machine->model.l1d.line;

    if (!cpu->machine->timing)
        return;
    data_cache_line(cpu, CACHE_DATA, physical, write, miss_cause);
    if ((physical & (line - 1)) + bytes > line)
        data_cache_line(cpu, CACHE_DATA, physical + bytes - 1, write, miss_cause);
}

/* Old and new value of a page-table entry that is being stored: does the soft TLB have to forget anything? Not for a
 * first mapping: what was not present was never cached. */
static bool slow store_changes_mapping(struct cpu *cpu, uint64_t physical, unsigned bytes, uint64_t value)
{
    uint64_t old = ram_word(cpu->machine, physical & ~7ul), changed;

    if (bytes != 8 || physical & 7)
        return true;
    changed = old ^ value;
    return old & 1 && changed & ~0xe00ul; /* bits 9…11 are the kernel's own */
}

static void slow store_to_special_page(struct cpu *cpu, uint64_t physical, unsigned bytes, uint64_t value)
{
    struct machine *m = cpu->machine;

    if (!store_changes_mapping(cpu, physical, bytes, value))
        return;
    for (unsigned i = 0; i < m->cpu_count; i++) {
        m->cpus[i].flush_soft = true;
        m->cpus[i].attention = 0;
    }
    cpu->data_alias = UINT64_MAX; /* the rest of this block still runs with the soft TLB: look at its pages */
}

/* A table was changed in this very block: is what the TLB still holds for this page stale? */
static void slow check_stale_in_block(struct cpu *cpu, uint64_t page)
{
    const struct translation *t;

    if (tlb_lookup(cpu->tlb, TLB_DATA, page & ((1ul << 52) - 1), cpu->pcid, &t) != TLB_MISS)
        mmu_check_stale(cpu, page << 12, t);
}

static void slow data_page_walk(struct cpu *cpu, uint64_t page, bool write)
{
    struct translation t;
    uint32_t error;

    cpu->data_dirty = mmu_translate(cpu, page << 12, write ? ACCESS_WRITE : ACCESS_READ, UNCHECKED, &t, &error) &&
                      t.flags & TRANSLATION_DIRTY;
}

static uint64_t virtual_page(const struct cpu *cpu, uint64_t address)
{
    unsigned slot = (unsigned)(address >> SLOT_SHIFT);
    uint64_t physical = address & SLOT_OFFSET_MASK;

    if (slot >= SLOT_REVERSE)
        return cpu->reverse[slot - SLOT_REVERSE][physical >> 12].page;
    if (slot == SLOT_PLAIN) /* the engine reads data by the entry with which it fetched code */
        return cpu->fetched[physical >> 12];
    return (physical + (slot == SLOT_DIRECT ? BOOT_DIRECT_MAP : BOOT_KERNEL_BASE)) >> 12;
}

/* Not the page of the access before: look it up, counted. */
static void data_page(struct cpu *cpu, uint64_t address, bool write)
{
    uint64_t page = virtual_page(cpu, address);
    const struct translation *t = tlb_recent(cpu->tlb, TLB_DATA, page & ((1ul << 52) - 1), cpu->pcid);

    if (t && (!write || t->flags & TRANSLATION_DIRTY))
        cpu->data_dirty = t->flags & TRANSLATION_DIRTY;
    else
        data_page_walk(cpu, page, write);
    if (cpu->flush_soft)
        check_stale_in_block(cpu, page);
    cpu->data_alias = address >> 12;
    cpu->data_epoch = *cpu->tlb_epoch;
    cpu->data_table = cpu->machine->page_flags[(address & SLOT_OFFSET_MASK) >> 12] & PAGE_IS_TABLE;
}

static void slow data_line(struct cpu *cpu, uint64_t physical, bool write)
{
    data_cache_line(cpu, CACHE_DATA, physical, write, CAUSE_cache);
}

static void slow device_access(struct cpu *cpu)
{
    charge_timing(cpu, CAUSE_device, cpu->machine->model.mmio_cost);
}

void data_hook(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user)
{
    struct cpu *cpu = user;
    uint64_t physical = address & SLOT_OFFSET_MASK, line = physical >> 6;
    bool write = type == UC_MEM_WRITE;

    if (cpu->data_alias != address >> 12 || cpu->data_epoch != *cpu->tlb_epoch || (write && !cpu->data_dirty)) {
        if (physical >= cpu->machine->ram_bytes) {
            device_access(cpu);
            return;
        }
        data_page(cpu, address, write);
    }
    if ((write ? cpu->filter_write : cpu->filter_read)[line & cpu->filter_data_mask] != line)
        data_line(cpu, physical, write);
    if ((physical & 63) + (unsigned)size > 64 && (physical & 4095) + (unsigned)size <= 4096)
        data_line(cpu, physical + (unsigned)size - 1, write);
    if (write && cpu->data_table)
        store_to_special_page(cpu, physical, (unsigned)size, (uint64_t)value);
}
