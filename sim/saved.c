/* SPDX-License-Identifier: MIT
 *
 * sim/saved.c: see saved.h.
 */
#include "sim/saved.h"

#include <stdio.h>
#include <string.h>

#include "sim/inside.h"

/* The first guest's memory begins where the monitor's ends (abi/boot.h). */
static uint64_t memory_base(const struct machine *m)
{
    return BOOT_MONITOR_RAM(m->config.guests);
}

static uint64_t memory_bytes(const struct machine *m)
{
    return m->config.guests ? m->ram_bytes - memory_base(m) : 0;
}

void saved_request(struct cpu *cpu, uint32_t frame)
{
    struct machine *m = cpu->machine;
    struct save_request rq;

    if (cpu->cpl != 0 || !m->config.save_at_ns || !m->config.guests)
        return;
    if (!ram_dma_read(m, frame * PAGE_BYTES, &rq, sizeof rq) || rq.bytes == 0 || rq.address >= m->ram_bytes ||
        rq.bytes > m->ram_bytes - rq.address)
        return;
    m->saved = rq;
    run_end(m, END_SAVED);
    uc_emu_stop(cpu->engine.uc);
}

void saved_guest(const struct machine *m, struct saved_guest *saved)
{
    *saved = (struct saved_guest){
        .state = m->ram + m->saved.address,
        .state_bytes = m->saved.bytes,
        .memory = m->ram + memory_base(m),
        .memory_bytes = memory_bytes(m),
        .cycles = m->cpus[0].now.clock,
    };
}

bool saved_put_memory(struct machine *m, uint64_t offset, const void *from, size_t bytes)
{
    uint64_t all = memory_bytes(m);

    return offset <= all && bytes <= all - offset && ram_dma_write(m, memory_base(m) + offset, from, bytes);
}

int saved_put_state(struct machine *m, const void *state, size_t bytes, char error[MACHINE_ERROR_MAX])
{
    return machine_load_data(m, state, bytes, SAVED_MODULE, SAVED_MODULE, error);
}
