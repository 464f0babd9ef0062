/* SPDX-License-Identifier: MIT
 *
 * sim/cpu_model.h: a CPU as data: geometry and costs, read from sim/cpus/NAME.ini.
 *
 * Every figure in an .ini carries its source in a comment. Costs are in cycles.
 * Nothing here is fitted to a system-level result (shared rule: calibrate
 * components only).
 */
#ifndef RINGSIDE_SIM_CPU_MODEL_H
#define RINGSIDE_SIM_CPU_MODEL_H

#include <stddef.h>
#include <stdint.h>

struct cache_geometry {
    uint32_t bytes;      /* total; bytes / (ways * line) is a power of two; 0: no such cache (L3 only) */
    uint32_t ways;       /* 1…32 */
    uint32_t line;       /* bytes, 32…256, a power of two, the same in all caches; 64 on all known models */
    uint32_t latency;    /* cycles, load to use on a hit; the cost charged is latency minus the L1's */
};

struct tlb_geometry {
    uint32_t entries; /* 0: this TLB does not hold that page size */
    uint32_t ways;    /* entries = fully associative; entries / ways is a power of two */
};

/* Index of page sizes everywhere in sim/. */
enum page_size { PAGE_4K, PAGE_2M, PAGE_1G, PAGE_SIZES };

struct cpu_model {
    char name[32];    /* file name without .ini */
    char title[96];   /* "Intel Skylake client (i7-6700)" */
    char vendor[13];  /* CPUID vendor string */
    uint32_t family, model, stepping;
    uint64_t hz;      /* cycles in a second */

    /* core */
    uint32_t instruction_cost_256; /* base cost of an instruction in 1/256 cycles */
    uint32_t rep_startup;          /* REP MOVS/STOS: once */
    uint32_t rep_bytes_per_cycle;  /* then throughput */

    /* translation */
    struct tlb_geometry itlb[PAGE_SIZES], dtlb[PAGE_SIZES], stlb[PAGE_SIZES];
    uint32_t stlb_hit_cost;   /* extra cycles of an L1 TLB miss that hits the STLB */
    uint32_t walk_cost;       /* fixed part of a page walk; its references are charged by the caches */
    uint32_t pml4e_cache, pdpte_cache, pde_cache; /* entries of the paging-structure caches, fully associative; 0: none */
    uint32_t pcids;           /* PCIDs that the TLBs can tag (4096), 0: no PCID */

    /* caches */
    struct cache_geometry l1i, l1d, l2, l3; /* l3.bytes 0: none */
    uint32_t memory_latency;

    /* transitions */
    uint32_t syscall_cost, sysret_cost, swapgs_cost;
    uint32_t exception_cost, interrupt_cost, int_n_cost, iret_cost;
    uint32_t cr3_write_cost, cr3_write_noflush_cost, invlpg_cost, invpcid_cost;
    uint32_t cr_write_cost, msr_write_cost, msr_read_cost, cpuid_cost, rdtsc_cost;
    uint32_t lgdt_cost, ltr_cost, hlt_wake_cost;
    uint32_t mmio_cost, port_cost; /* an access to a device register */
    uint32_t ipi_cost;             /* sender's side of an IPI through the local APIC */
    uint32_t ipi_latency;          /* until it is pending at the destination */
    uint32_t fxsave_cost, lock_cost; /* extra cost of FXSAVE/FXRSTOR and of a LOCKed instruction */

    /* disk */
    uint32_t disk_latency_us;      /* a virtio-blk request, fixed part, simulated microseconds */
    uint32_t disk_bytes_per_us;    /* throughput */
};

#define CPU_MODEL_ERROR_MAX 256

/* Reads an .ini. 0, or -1 with "FILE:LINE: what is wrong and what to do" in `error`. Refuses unknown keys, missing
 * keys, values out of range, geometries that do not divide. */
int cpu_model_read(struct cpu_model *model, const char *path, char error[CPU_MODEL_ERROR_MAX]);

/* Gives a number of the model another value, in the range and between the geometries that a file's must be in. `key` is
 * "KEY", or "SECTION.KEY" if several sections have it. 0, or -1 with what is wrong and what to do in `error`, and the
 * model as it was. The name stays: who shows it says that the model is a variant. */
int cpu_model_set(struct cpu_model *model, const char *key, const char *value, char error[CPU_MODEL_ERROR_MAX]);

/* Calls `each` for every number of the model, in the order of a file. */
typedef void cpu_model_number(void *ctx, const char *section, const char *key, uint64_t value);
void cpu_model_each(const struct cpu_model *model, cpu_model_number *each, void *ctx);

#endif
