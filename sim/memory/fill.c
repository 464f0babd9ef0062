/* SPDX-License-Identifier: MIT
 *
 * sim/memory/fill.c: Unicorn's TLB fill callback: the modelled MMU under the engine.
 *
 * Rules of the soft TLB (Unicorn's own, not modelled):
 *  - It gets write permission only once the entry is dirty.
 *  - A page is either translated code or writable there, never both.
 *  - A frame's alias slot tells its virtual page (cpu.h).
 */
#include <inttypes.h>
#include <string.h>

#include "sim/inside.h"

void mmu_check_stale(struct cpu *cpu, uint64_t address, const struct translation *used)
{
    struct translation now;
    const uint8_t rights = TRANSLATION_USER | TRANSLATION_WRITE;
    bool same = mmu_peek(cpu, address, &now) &&
                translation_address(&now, address) == translation_address(used, address) &&
                (used->flags & rights & ~now.flags) == 0 && (now.flags & ~used->flags & TRANSLATION_NX) == 0;

    if (same)
        return;
    count(cpu, COUNTER_stale_translations);
    account_warn(cpu->machine,
                 "stale translation: %s used %#" PRIx64
                 " through a TLB entry whose page-table entry has changed; INVLPG is missing",
                 cpu->domain->name, address & PAGE_MASK);
}

void mmu_soft_flushed(struct cpu *cpu)
{
    cpu->key_epoch = (++cpu->soft_epoch * MACHINE_CPUS_MAX + cpu->index) & 0xffff;
    if (cpu->key_epoch < MACHINE_CPUS_MAX)
        block_forget_keys(cpu->machine->blocks);
    cpu->data_page = UINT64_MAX; /* its slot may be given to another page */
}

void mmu_flush_soft(struct cpu *cpu)
{
    uc_ctl_flush_tlb(cpu->engine.uc);
    mmu_soft_flushed(cpu);
    cpu->flush_soft = false;
}

/* May ring 3 use its stack, as far as such an instruction does? */
static bool stack_is_users(const struct cpu *cpu)
{
    enum { PUSHED = 16, POPPED = 40 };
    const uint64_t rsp = engine_get(&cpu->engine, UC_X86_REG_RSP);
    struct translation low, high;

    return mmu_peek(cpu, rsp - PUSHED, &low) && mmu_peek(cpu, rsp + POPPED - 1, &high) &&
           low.flags & high.flags & TRANSLATION_USER &&
           (cpu->cr0 & CR0_WP || low.flags & high.flags & TRANSLATION_WRITE);
}

/* The engine makes the accesses to the stack with ring 0's part of the soft TLB, also at CPL 3, which are the program's
 * (SDM vol. 3A §4.6.1). So what ring 0 may and ring 3 may not must not be there before, and with SMAP nothing behind
 * it. */
void mmu_before_far_transfer(struct cpu *cpu, bool first)
{
    if (!first || !stack_is_users(cpu)) /* what comes before it may give it another stack */
        mmu_flush_soft(cpu);
    else if (!(cpu->cr4 & CR4_SMAP))
        return;
    cpu->flush_soft = true;
    attend(cpu);
}

static uint64_t alias_of(struct cpu *cpu, uint64_t address, uint64_t physical)
{
    uint64_t frame = physical >> 12;

    if (physical >= cpu->machine->ram_bytes)
        return physical;
    if (address - physical == BOOT_DIRECT_MAP)
        return SLOT_BASE(SLOT_DIRECT) | physical;
    if (address - physical == BOOT_KERNEL_BASE)
        return SLOT_BASE(SLOT_KERNEL) | physical;
    for (;;) {
        for (unsigned i = 0; i < REVERSE_SLOTS; i++) {
            struct reverse_entry *r = &cpu->reverse[i][frame];

            if (r->epoch != cpu->soft_epoch || r->page == address >> 12) {
                *r = (struct reverse_entry){address >> 12, cpu->soft_epoch};
                return SLOT_BASE(SLOT_REVERSE + i) | physical;
            }
        }
        mmu_flush_soft(cpu); /* the frame is mapped more often than there are slots */
    }
}

static void drop_writable(struct machine *m, uint64_t frame)
{
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i].started)
            mmu_flush_soft(&m->cpus[i]);
    m->page_flags[frame] &= (uint8_t)~PAGE_IS_DATA;
}

static void fill_fetch(struct cpu *cpu, uint64_t address, uint64_t physical, uc_tlb_entry *out)
{
    struct machine *m = cpu->machine;

    out->paddr = physical;
    out->perms = UC_PROT_READ | UC_PROT_EXEC;
    if (physical >= m->ram_bytes)
        return;
    cpu->fetched[physical >> 12] = address >> 12;
    if (m->page_flags[physical >> 12] & PAGE_IS_DATA)
        drop_writable(m, physical >> 12);
    m->page_flags[physical >> 12] |= PAGE_IS_CODE;
}

static void fill_data(struct cpu *cpu, uint64_t address, uint64_t physical, enum access access,
                      const struct translation *t, uc_tlb_entry *out)
{
    struct machine *m = cpu->machine;
    bool writable = t->flags & TRANSLATION_DIRTY &&
                    mmu_allowed(cpu, t->flags, ACCESS_WRITE, cpu->cpl == 3 ? AS_USER : AS_SUPERVISOR, true);
    uint8_t *flags = physical < m->ram_bytes ? &m->page_flags[physical >> 12] : NULL;

    if (flags && *flags & PAGE_IS_CODE) {
        if (access == ACCESS_WRITE)
            run_drop_code(
                m,
                physical >> 12); /* before the next block; only a block that modifies itself could see the difference */
        else
            writable = false;
    }
    if (flags && writable)
        *flags |= PAGE_IS_DATA;
    out->paddr = alias_of(cpu, address, physical);
    out->perms = UC_PROT_READ | (writable ? UC_PROT_WRITE : 0);
}

static bool in_descriptor_table(const struct cpu *cpu, uint64_t page)
{
    for (unsigned i = 0; i < 3; i++)
        if (page + PAGE_BYTES > cpu->table_base[i] && page <= cpu->table_base[i] + cpu->table_limit[i] &&
            cpu->table_base[i])
            return true;
    return false;
}

/* Does this instruction look at a descriptor? MOV and POP to a segment register, LSS LFS LGS, IRET, far RET, far CALL
 * and JMP, LLDT LTR VERR VERW, LAR, LSL. */
static bool reads_descriptor(const uint8_t *code, unsigned length)
{
    static const char one_byte[] = "\x8e\xca\xcb\xcf", two_bytes[] = "\x02\x03\xa1\xa9\xb2\xb4\xb5";
    static const char prefixes[] = "\x66\x67\xf0\xf2\xf3\x26\x2e\x36\x3e\x64\x65";
    unsigned at = 0;

    while (at + 1 < length && ((code[at] && strchr(prefixes, code[at])) || (code[at] & 0xf0) == 0x40))
        at++;
    if (code[at] == 0xff && at + 1 < length && code[at + 1] < 0xc0) { /* /3 and /5, of memory */
        unsigned reg = code[at + 1] >> 3 & 7;

        return reg == 3 || reg == 5;
    }
    if (code[at] != 0x0f || at + 1 >= length)
        return code[at] && strchr(one_byte, code[at]);
    return code[at + 1] == 0 || strchr(two_bytes, code[at + 1]);
}

static bool block_reads_descriptor(const struct cpu *cpu)
{
    const struct block *b = cpu->block;
    uint8_t code[8192];
    char text[64];

    if (!b || b->size > sizeof code || !mmu_read(cpu, cpu->block_pc, code, b->size))
        return false;
    for (unsigned at = 0, length; at < b->size; at += length) {
        length = decode_text(cpu->machine->decoder, code + at, b->size - at, cpu->block_pc + at, text, sizeof text);
        length = length ? length : 1;
        if (reads_descriptor(code + at, length))
            return true;
    }
    return false;
}

/* Segment loads read the GDT and the TSS as supervisor whatever the CPL (SDM 4.6: implicit supervisor-mode access). The
 * engine does not say which access is one: at ring 3 the block must have an instruction that makes one, and the soft
 * TLB forgets it behind the block. A write is the program's: a descriptor whose accessed bit is clear, in a page that
 * programs may not write, is #PF here. */
static bool is_implicit_supervisor(struct cpu *cpu, uint64_t page, enum access access)
{
    if (cpu->cpl != 3 || access != ACCESS_READ || !in_descriptor_table(cpu, page) || !block_reads_descriptor(cpu))
        return false;
    cpu->flush_soft = true;
    attend(cpu);
    return true;
}

static enum privilege privilege_of(struct cpu *cpu, uint64_t address, enum access access)
{
    return cpu->cpl != 3 || is_implicit_supervisor(cpu, address, access) ? AS_SUPERVISOR : AS_USER;
}

bool mmu_fill(uc_engine *uc, uint64_t address, uc_mem_type type, uc_tlb_entry *out, void *user)
{
    struct cpu *cpu = user;
    enum access access = type == UC_MEM_FETCH ? ACCESS_FETCH : type == UC_MEM_WRITE ? ACCESS_WRITE : ACCESS_READ;
    struct translation t;
    uint32_t error = 0;
    uint64_t physical;
    bool ok;

    if (cpu->dropping_code) {
        *out = (uc_tlb_entry){.paddr = address & ~DROP_WINDOW, .perms = UC_PROT_READ | UC_PROT_EXEC};
        return true;
    }
    in_place_take(cpu);
    if (access == ACCESS_FETCH && cpu->block)
        settle_block(cpu);
    if (access != ACCESS_FETCH)
        access_before_fill(cpu, address, access == ACCESS_WRITE);
    cpu->fault.canonical = mmu_canonical(address);
    if (!cpu->fault.canonical) {
        cpu->fault.valid = true;
        cpu->fault.page = address;
        return false;
    }
    if (access == ACCESS_FETCH)
        ok = mmu_translate_fetch(cpu, address, &t, &error);
    else
        ok = mmu_translate(cpu, address, access, privilege_of(cpu, address, access), &t, &error);
    if (!ok) {
        cpu->fault.valid = true;
        cpu->fault.page = address;
        cpu->fault.error = error;
        cpu->fault.fetch = access == ACCESS_FETCH;
        cpu->fault.write = access == ACCESS_WRITE;
        return false;
    }
    if (access != ACCESS_FETCH && cpu->machine->timing)
        mmu_check_stale(cpu, address, &t);
    physical = translation_address(&t, address) & PAGE_MASK;
    if (access == ACCESS_FETCH)
        fill_fetch(cpu, address, physical, out);
    else
        fill_data(cpu, address, physical, access, &t, out);
    if (access != ACCESS_FETCH)
        access_page_filled(cpu, address, physical);
    return true;
}
