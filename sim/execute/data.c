/* SPDX-License-Identifier: MIT
 *
 * sim/execute/data.c: what data accesses do to TLBs and caches: those of a list (access.c), by virtual address, and
 * those that the memory hook reports, for comparison.
 *
 * The hook gets the Unicorn-physical address; its slot tells the virtual page (cpu.h). The page of the access before
 * needs no look-up, a line that is the most recently used of its set needs none either: both are exact (tlb.h,
 * cache.h). A device's registers are looked up in the TLB and cost what a device costs.
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

/* Old and new value of a page-table entry: does the soft TLB have to forget anything? Not for a first mapping: what was
 * not present was never cached. */
static bool changes_mapping(uint64_t old, uint64_t value)
{
    return old & 1 && (old ^ value) & ~0xe00ul; /* bits 9…11 are the kernel's own */
}

static bool is_entry(uint64_t physical, unsigned bytes)
{
    return bytes == 8 && !(physical & 7);
}

/* All soft TLBs are dropped before their engines run again, and each fill walks the tables and marks them: until then nothing
 * depends on this one, which may be a page of data by now. */
static void slow mapping_changed(struct cpu *cpu, uint64_t physical)
{
    struct machine *m = cpu->machine;

    m->page_flags[physical >> 12] &= (uint8_t)~PAGE_IS_TABLE;
    for (unsigned i = 0; i < m->cpu_count; i++) {
        m->cpus[i].flush_soft = true;
        attend(&m->cpus[i]);
    }
    cpu->data_page = UINT64_MAX; /* the rest of this block still runs with the soft TLB: look at its pages */
}

/* A table was changed in this very block: is what the TLB still holds for this page stale? */
static void slow check_stale_in_block(struct cpu *cpu, uint64_t page)
{
    const struct translation *t;

    if (tlb_lookup(cpu->tlb, TLB_DATA, page & ((1ul << 52) - 1), cpu->pcid, &t) != TLB_MISS)
        mmu_check_stale(cpu, page << 12, t);
}

static bool slow data_page_walk(struct cpu *cpu, uint64_t page, bool write)
{
    struct translation t;
    uint32_t error;
    bool ok = mmu_translate(cpu, page << 12, write ? ACCESS_WRITE : ACCESS_READ, UNCHECKED, &t, &error);

    cpu->data_held = ok && tlb_has_first(cpu->tlb, TLB_DATA, (enum page_size)t.size);
    cpu->data_dirty = ok && t.flags & TRANSLATION_DIRTY;
    cpu->data_frame = ok ? translation_address(&t, page << 12) >> 12 : 0;
    return ok;
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

/* Not the page of the access before: look it up, counted. false: it is not mapped any more. */
static bool look_up(struct cpu *cpu, uint64_t page, bool write)
{
    const struct translation *t = tlb_recent(cpu->tlb, TLB_DATA, page & ((1ul << 52) - 1), cpu->pcid);
    bool ok = true;

    if (t && (!write || t->flags & TRANSLATION_DIRTY)) {
        cpu->data_held = true;
        cpu->data_dirty = t->flags & TRANSLATION_DIRTY;
        cpu->data_frame = t->frame + (page - t->page);
    } else {
        ok = data_page_walk(cpu, page, write);
    }
    if (cpu->flush_soft)
        check_stale_in_block(cpu, page);
    cpu->data_epoch = *cpu->tlb_epoch;
    return ok;
}

static void data_page(struct cpu *cpu, uint64_t address, bool write)
{
    look_up(cpu, virtual_page(cpu, address), write);
    cpu->data_page = cpu->data_held ? address >> 12 : UINT64_MAX;
    cpu->data_table = cpu->machine->page_flags[(address & SLOT_OFFSET_MASK) >> 12] & PAGE_IS_TABLE;
}

static void slow data_line(struct cpu *cpu, uint64_t physical, bool write)
{
    data_cache_line(cpu, CACHE_DATA, physical, write, CAUSE_cache);
}

static void slow data_device(struct cpu *cpu)
{
    charge_timing(cpu, CAUSE_device, cpu->machine->model.mmio_cost);
}

void data_hook(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user)
{
    struct cpu *cpu = user;
    uint64_t physical = address & SLOT_OFFSET_MASK, line = physical >> 6;
    bool write = type == UC_MEM_WRITE;

    (void)uc;
    if (cpu->access->verify)
        access_verify(cpu,
                      physical >= cpu->machine->ram_bytes
                          ? access_device_address(cpu, physical)
                          : virtual_page(cpu, address) << 12 | (address & (PAGE_BYTES - 1)),
                      (unsigned)size, write);
    if (cpu->data_page != address >> 12 || cpu->data_epoch != *cpu->tlb_epoch || (write && !cpu->data_dirty)) {
        if (physical >= cpu->machine->ram_bytes) {
            cpu->data_page = UINT64_MAX;
            look_up(cpu, access_device_page(cpu, physical), write);
            data_device(cpu);
            return;
        }
        data_page(cpu, address, write);
    }
    if ((write ? cpu->filter_write : cpu->filter_read)[line & cpu->filter_data_mask] != line)
        data_line(cpu, physical, write);
    if ((physical & 63) + (unsigned)size > 64 && (physical & 4095) + (unsigned)size <= 4096)
        data_line(cpu, physical + (unsigned)size - 1, write);
    if (write && cpu->data_table &&
        (!is_entry(physical, (unsigned)size) || changes_mapping(ram_word(cpu->machine, physical), (uint64_t)value)))
        mapping_changed(cpu, physical);
}

/* This access left its line at the front of its set, and its page. */
static inline void to_front(struct cpu *cpu, uint64_t address, uint64_t physical, bool write)
{
    struct front *f = &cpu->front;
    unsigned slot = (unsigned)(address >> 6) & f->line_mask;

    f->read[slot].line = address >> 6;
    f->read[slot].host = (uint64_t)(uintptr_t)cpu->machine->ram + physical - address;
    if (!cpu->data_table && cpu->data_dirty && (write || cpu->filter_write[(physical >> 6) & cpu->filter_data_mask] == physical >> 6))
        f->write[slot] = address >> 6;
}

/* At most to the end of a page. `old`: what a store to a paging structure replaces, the aligned word, or NULL. */
static inline void touch(struct cpu *cpu, uint64_t address, unsigned bytes, bool write, const uint64_t *old)
{
    const struct front *f = &cpu->front;
    uint64_t page = address >> 12, physical, line;

    if (cpu->data_page != page || cpu->data_epoch != *cpu->tlb_epoch || (write && !cpu->data_dirty) ||
        f->page[TLB_DATA][page & f->page_mask[TLB_DATA]] != page) {
        cpu->data_page = UINT64_MAX;
        if (!look_up(cpu, page, write))
            return;
        if (cpu->data_frame << 12 >= cpu->machine->ram_bytes) {
            data_device(cpu);
            return;
        }
        cpu->data_page = cpu->data_held ? page : UINT64_MAX;
        cpu->data_table = cpu->machine->page_flags[cpu->data_frame] & PAGE_IS_TABLE;
    }
    physical = cpu->data_frame << 12 | (address & (PAGE_BYTES - 1));
    line = physical >> 6;
    if ((write ? cpu->filter_write : cpu->filter_read)[line & cpu->filter_data_mask] != line)
        data_line(cpu, physical, write);
    to_front(cpu, address, physical, write);
    if ((physical & 63) + bytes > 64 && (physical & (PAGE_BYTES - 1)) + bytes <= PAGE_BYTES)
        data_line(cpu, physical + bytes - 1, write);
    if (write && cpu->data_table &&
        (!old || !is_entry(physical, bytes) || changes_mapping(*old, ram_word(cpu->machine, physical))))
        mapping_changed(cpu, physical);
}

void data_make(struct cpu *cpu, const struct made_access *a, const struct made_access *end)
{
    for (; a < end; a++) {
        const uint64_t last = a->address + a->bytes - 1;

        if (!a->bytes) /* a barrier */
            continue;
        touch(cpu, a->address, a->bytes, a->write, a->has_old ? &a->old : NULL);
        if (last >> 12 != a->address >> 12) /* and the page behind */
            touch(cpu, last & PAGE_MASK, (unsigned)(last & (PAGE_BYTES - 1)) + 1, a->write, NULL);
    }
}
