/* SPDX-License-Identifier: MIT
 *
 * sim/memory/memory.h: physical memory, and the MMU in front of it.
 */
#ifndef RINGSIDE_SIM_MEMORY_H
#define RINGSIDE_SIM_MEMORY_H

#include "sim/cpu.h"

/* ram.c */
static inline uint64_t ram_word(const struct machine *m, uint64_t address)
{
    return *(const uint64_t *)(m->ram + address);
}
bool ram_open(struct machine *m, char error[MACHINE_ERROR_MAX]);
void ram_close(struct machine *m);
bool ram_map(struct cpu *cpu, char error[MACHINE_ERROR_MAX]);
/* A device or the loader changes RAM: caches and translations of it are dropped. */
bool ram_dma_write(struct machine *m, uint64_t address, const void *from, size_t bytes);
bool ram_dma_read(struct machine *m, uint64_t address, void *to, size_t bytes);

/* mmu.c */
enum access { ACCESS_READ = 0, ACCESS_WRITE = 1, ACCESS_FETCH = 2 };
/* UNCHECKED: the access is being made, its rights were checked by the soft TLB. */
enum privilege { AS_USER, AS_SUPERVISOR, UNCHECKED };
/* A translation for an access by `cpu`. Counted: TLBs, walks and their
 * cost. false: *error is the #PF error code. */
bool mmu_translate(struct cpu *cpu, uint64_t address, enum access access, enum privilege privilege, struct translation *out, uint32_t *error);
/* The same without effect on counters, TLBs or A/D bits: what the page tables say now. */
bool mmu_peek(const struct cpu *cpu, uint64_t address, struct translation *out);
bool mmu_canonical(uint64_t address);
/* SDM 4.6: may this access be made under these rights? ac: RFLAGS.AC */
bool mmu_allowed(const struct cpu *cpu, uint8_t flags, enum access access, enum privilege privilege, bool ac);
/* An instruction fetch, without effect: the block hook makes the counted look-up when the code runs. */
bool mmu_translate_fetch(struct cpu *cpu, uint64_t address, struct translation *out, uint32_t *error);
void mmu_describe_walk(const struct cpu *cpu, uint64_t address, FILE *out);
/* Reads guest memory by virtual address without effects; false if not mapped. */
bool mmu_read(const struct cpu *cpu, uint64_t address, void *to, size_t bytes);
/* The physical address that `address`, in this page, means. */
static inline uint64_t translation_address(const struct translation *t, uint64_t address)
{
    return (t->frame + ((address >> 12) - t->page)) << 12 | (address & (PAGE_BYTES - 1));
}

/* fill.c: the MMU under the engine, and its soft TLB */
bool mmu_fill(uc_engine *uc, uint64_t address, uc_mem_type type, uc_tlb_entry *out, void *user);
void mmu_flush_soft(struct cpu *cpu);
/* Ring 3 is about to execute a block that ends with IRET, or a far RET, CALL or JMP; first: with no instruction before. */
void mmu_before_far_transfer(struct cpu *cpu, bool first);
void mmu_soft_flushed(struct cpu *cpu); /* the engine's soft TLB is empty */
/* This entry is being used: counts and warns if the tables no longer say the same. */
void mmu_check_stale(struct cpu *cpu, uint64_t address, const struct translation *used);

#endif
