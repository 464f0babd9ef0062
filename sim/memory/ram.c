/* SPDX-License-Identifier: MIT
 *
 * sim/memory/ram.c: physical memory, its alias slots in each engine, and DMA.
 *
 * RAM is one host mapping. Every engine maps it SLOT_COUNT times (see cpu.h), so few
 * large regions: Unicorn looks each hooked access's region up. Above RAM and outside
 * the devices there is nothing: a kernel that goes there ends the run with a report.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/inside.h"

bool ram_open(struct machine *m, char error[MACHINE_ERROR_MAX])
{
    void *ram = mmap(NULL, m->ram_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    m->ram = ram == MAP_FAILED ? NULL : ram;
    m->page_flags = calloc(m->ram_bytes / PAGE_BYTES, 1);
    if (m->ram && m->page_flags)
        return true;
    snprintf(error, MACHINE_ERROR_MAX, "no memory on the host for %llu MiB of simulated RAM",
             (unsigned long long)(m->ram_bytes >> 20));
    return false;
}

void ram_close(struct machine *m)
{
    if (m->ram)
        munmap(m->ram, m->ram_bytes);
    free(m->page_flags);
}

bool ram_map(struct cpu *cpu, char error[MACHINE_ERROR_MAX])
{
    struct machine *m = cpu->machine;
    size_t pages = m->ram_bytes / PAGE_BYTES;

    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        uc_err err = uc_mem_map_ptr(cpu->engine.uc, SLOT_BASE(slot), m->ram_bytes, slot == SLOT_PLAIN ? UC_PROT_ALL : UC_PROT_READ | UC_PROT_WRITE, m->ram);

        if (err) {
            snprintf(error, MACHINE_ERROR_MAX, "Unicorn cannot map RAM: %s", uc_strerror(err));
            return false;
        }
    }
    for (unsigned i = 0; i < REVERSE_SLOTS; i++) {
        /* lazily zero: epoch 0 is never current */
        cpu->reverse[i] = calloc(pages, sizeof *cpu->reverse[i]);
        if (!cpu->reverse[i]) {
            snprintf(error, MACHINE_ERROR_MAX, "no memory on the host for the reverse maps");
            return false;
        }
    }
    cpu->fetched = calloc(pages, sizeof *cpu->fetched);
    if (!cpu->fetched)
        snprintf(error, MACHINE_ERROR_MAX, "no memory on the host for the reverse maps");
    return cpu->fetched;
}

static bool in_ram(const struct machine *m, uint64_t address, size_t bytes)
{
    return address < m->ram_bytes && bytes <= m->ram_bytes - address;
}

static void flush_soft_everywhere(struct machine *m)
{
    for (unsigned i = 0; i < m->cpu_count; i++) {
        m->cpus[i].flush_soft = true;
        attend(&m->cpus[i]);
    }
}

static void drop_code(struct machine *m, uint64_t address, size_t bytes)
{
    for (uint64_t frame = address / PAGE_BYTES; frame * PAGE_BYTES < address + bytes; frame++) {
        if (m->page_flags[frame] & PAGE_IS_CODE)
            run_drop_code(m, frame);
        if (m->page_flags[frame] & PAGE_IS_TABLE)
            flush_soft_everywhere(m);
    }
}

bool ram_dma_write(struct machine *m, uint64_t address, const void *from, size_t bytes)
{
    if (!in_ram(m, address, bytes))
        return false;
    if (bytes == 0)
        return true;
    memcpy(m->ram + address, from, bytes);
    drop_code(m, address, bytes);
    if (m->caches)
        cache_invalidate(m->caches, address, bytes);
    return true;
}

bool ram_dma_read(struct machine *m, uint64_t address, void *to, size_t bytes)
{
    if (!in_ram(m, address, bytes))
        return false;
    memcpy(to, m->ram + address, bytes);
    return true;
}
