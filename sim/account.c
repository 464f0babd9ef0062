/* SPDX-License-Identifier: MIT
 *
 * sim/account.c: who a cycle belongs to, and the measured region.
 *
 * A domain is a ring in an address space: ring 3 of each root table is its own, ring 0
 * is one domain whatever the root (the kernel is mapped everywhere). Guests name them by
 * probe. When a space is destroyed its domain's account is kept, and the next space of
 * the same name goes on with it: a thousand forks of one program are one line, and as
 * many lines as ever lived at once.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cpu.h"

#define SPACE_MASK 0x000ffffffffff000ul

static struct domain *find_live(struct machine *m, unsigned ring, uint64_t space)
{
    for (size_t i = 0; i < m->domain_count; i++) {
        struct domain *d = m->domains[i];

        if (d->ring == ring && d->space == space && !d->gone)
            return d;
    }
    return NULL;
}

static struct domain *find_gone(struct machine *m, unsigned ring, const char *name)
{
    for (size_t i = 0; i < m->domain_count; i++)
        if (m->domains[i]->gone && m->domains[i]->ring == ring && strcmp(m->domains[i]->name, name) == 0)
            return m->domains[i];
    return NULL;
}

static struct symbols *program_symbols(const struct machine *m, const char *name)
{
    for (size_t i = 0; i < m->program_count; i++)
        if (strcmp(m->programs[i].domain, name) == 0)
            return m->programs[i].symbols;
    return NULL;
}

static void set_name(struct machine *m, struct domain *d, const char *name)
{
    snprintf(d->name, sizeof d->name, "%s", name);
    d->symbols = d->ring == 3 ? program_symbols(m, name) : m->kernel_symbols;
}

static struct domain *make(struct machine *m, unsigned ring, uint64_t space, const char *name)
{
    struct domain **list = realloc(m->domains, (m->domain_count + 1) * sizeof *list);
    struct domain *d = calloc(1, sizeof *d);

    if (!list || !d)
        abort(); /* a few hundred bytes: the host is beyond help */
    m->domains = list;
    list[m->domain_count++] = d;
    d->ring = ring;
    d->space = space;
    d->number = m->domain_count - 1;
    set_name(m, d, name);
    return d;
}

static void give_instructions(struct cpu *cpu)
{
    if (cpu->domain && !cpu->machine->timing)
        cpu->domain->instructions += cpu->clock - cpu->domain_clock;
    cpu->domain_clock = cpu->clock;
}

static void give_all_instructions(struct machine *m)
{
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i].started)
            give_instructions(&m->cpus[i]);
}

void account_enter(struct cpu *cpu)
{
    unsigned ring = cpu->cpl;
    uint64_t space = ring == 3 ? cpu->cr3 & SPACE_MASK : 0;
    struct domain *d = cpu->domain;

    if (d && d->ring == ring && d->space == space && !d->gone)
        return;
    give_instructions(cpu);
    d = find_live(cpu->machine, ring, space);
    cpu->domain = d ? d : make(cpu->machine, ring, space, ring == 3 ? "user" : "kernel");
}

void account_name(struct cpu *cpu, uint64_t space, unsigned ring, const char *name)
{
    struct machine *m = cpu->machine;
    struct domain *d, *old;

    space = ring == 3 ? (space ? space : cpu->cr3) & SPACE_MASK : 0;
    d = find_live(m, ring, space);
    if (d && strcmp(d->name, name) == 0)
        return;
    old = find_gone(m, ring, name);
    if (d && ring == 3 && (d->instructions || old)) { /* the space goes on under another name (exec) */
        d->gone = true;
        d = NULL;
    }
    if (!d && old) {
        old->gone = false;
        old->space = space;
        d = old;
    }
    if (d)
        set_name(m, d, name);
    else
        make(m, ring, space, name);
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i].started)
            account_enter(&m->cpus[i]);
}

void account_space_gone(struct cpu *cpu, uint64_t space)
{
    struct domain *d = find_live(cpu->machine, 3, space & SPACE_MASK);

    if (d)
        d->gone = true;
    for (unsigned i = 0; i < cpu->machine->cpu_count; i++)
        if (cpu->machine->cpus[i].user_space == (space & SPACE_MASK))
            cpu->machine->cpus[i].user_space = UINT64_MAX; /* the next user code there is another's, also at this address */
}

void account_user_resumes(struct cpu *cpu)
{
    uint64_t space = cpu->cr3 & SPACE_MASK;

    if (cpu->user_space != space && cpu->user_space != 0)
        count(cpu, COUNTER_context_switches);
    cpu->user_space = space;
}

/* ---- regions and results ---- */

uint64_t account_instructions(struct machine *m)
{
    uint64_t n = 0;

    give_all_instructions(m);
    for (size_t i = 0; i < m->domain_count; i++)
        n += m->domains[i]->instructions;
    return n;
}

static void close_books(struct machine *m)
{
    for (size_t i = 0; i < m->domain_count; i++) {
        m->total_instructions += m->domains[i]->instructions;
        for (unsigned c = 0; c < CAUSE_COUNT; c++)
            m->total_cycles += m->domains[i]->cycles[c];
    }
}

static void copy_domain(const struct machine *m, const struct domain *d, struct domain_result *to)
{
    memcpy(to->name, d->name, sizeof to->name);
    to->ring = d->ring;
    to->space = d->ring == 3 ? d->number : 0;
    to->instructions = d->instructions;
    to->cycles = 0;
    for (unsigned c = 0; m->timing && c < CAUSE_COUNT; c++)
        to->cycles += d->cycles[c];
}

/* Copies the present figures into the result. */
static void freeze(struct machine *m, uint64_t ops)
{
    struct machine_result *r = &m->result;
    uint64_t cycles = 0;

    give_all_instructions(m);
    memset(r->causes, 0, sizeof r->causes);
    free(m->result_domains);
    m->result_domains = calloc(m->domain_count + 1, sizeof *m->result_domains);
    r->domains = m->result_domains;
    r->domain_count = 0;
    for (size_t i = 0; r->domains && i < m->domain_count; i++) {
        for (unsigned c = 0; m->timing && c < CAUSE_COUNT; c++)
            r->causes[c] += m->domains[i]->cycles[c];
        if (m->domains[i]->instructions)
            copy_domain(m, m->domains[i], &r->domains[r->domain_count++]);
    }
    for (unsigned c = 0; c < CAUSE_COUNT; c++)
        cycles += r->causes[c];
    r->counters = m->counters;
    r->counters.value[COUNTER_cycles] = cycles;
    r->counters.value[COUNTER_instructions] = account_instructions(m);
    r->ops = ops;
}

void account_region_begin(struct machine *m)
{
    give_all_instructions(m);
    close_books(m);
    memset(&m->counters, 0, sizeof m->counters);
    for (size_t i = 0; i < m->domain_count; i++) {
        m->domains[i]->instructions = 0;
        memset(m->domains[i]->cycles, 0, sizeof m->domains[i]->cycles);
    }
}

void account_region_end(struct machine *m, uint64_t ops)
{
    freeze(m, ops);
    m->result.region = true;
    m->result_frozen = true;
}

void account_result(struct machine *m)
{
    if (!m->result_frozen)
        freeze(m, 0);
    inject_finish(m);
    m->result.warnings = m->warnings;
    m->result.warning_count = m->warning_count;
    close_books(m);
    m->result.total_instructions = m->total_instructions;
    m->result.total_cycles = m->total_cycles;
}

void account_warn(struct machine *m, const char *format, ...)
{
    char text[160];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (size_t i = 0; i < m->warning_count; i++)
        if (strcmp(m->warnings[i], text) == 0)
            return;
    if (m->warning_count < MACHINE_WARNINGS_MAX)
        memcpy(m->warnings[m->warning_count++], text, sizeof text);
}

void account_close(struct machine *m)
{
    for (size_t i = 0; i < m->domain_count; i++)
        free(m->domains[i]);
    free(m->domains);
    free(m->result_domains);
}
