/* SPDX-License-Identifier: MIT
 *
 * sim/account/account.c: who a cycle belongs to, and the measured region.
 *
 * A domain is a ring in an address space: ring 3 of each root table is its own, ring 0
 * is one domain whatever the root (the kernel is mapped everywhere). Guests name them by
 * probe. When a space is destroyed its domain's account is kept, and the next space of
 * the same name goes on with it: a thousand forks of one program are one line, and as
 * many lines as ever lived at once.
 *
 * A virtual machine monitor's guests run at ring 3 on root tables that it marked
 * (PROBE_GUEST_ROOT). There a domain is the kernel mode of a guest, or an address space of
 * the guest's, by the guest's own CR3: which shadow tables stand for it is the monitor's
 * affair.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/inside.h"
#include "sim/saved.h"

/* What makes one domain another than the next. */
struct place {
    unsigned ring;
    uint64_t space;
    uint16_t guest;
    bool guest_kernel;
};

/* Ring 3 on this root. */
static struct place user_place(const struct guest_root *root)
{
    if (!root->guest)
        return (struct place){.ring = 3, .space = root->root};
    return (struct place){3, root->kernel ? 0 : root->space, root->guest, root->kernel};
}

static bool is_at(const struct domain *d, const struct place *p)
{
    return d->ring == p->ring && d->space == p->space && d->guest == p->guest && d->guest_kernel == p->guest_kernel;
}

/* Programs come and go, kernels stay. */
static bool is_program(const struct place *p)
{
    return p->ring == 3 && !p->guest_kernel;
}

static struct domain *find_live(struct machine *m, const struct place *place)
{
    for (size_t i = 0; i < m->domain_count; i++)
        if (is_at(m->domains[i], place) && !m->domains[i]->gone)
            return m->domains[i];
    return NULL;
}

/* `name` with its prefix. */
static struct domain *find_gone(struct machine *m, const struct place *p, const char *name)
{
    for (size_t i = 0; i < m->domain_count; i++) {
        struct domain *d = m->domains[i];

        if (d->gone && d->ring == p->ring && d->guest == p->guest && d->guest_kernel == p->guest_kernel &&
            strcmp(d->name, name) == 0)
            return d;
    }
    return NULL;
}

/* `name` without its prefix. A guest's kernel is a boot module of ours; its programs never are. */
static struct symbols *symbols_for(const struct machine *m, const struct place *p, const char *name)
{
    if (p->ring != 3)
        return m->kernel_symbols;
    for (size_t i = 0; i < m->program_count; i++)
        if (strcmp(m->programs[i].domain, name) == 0 && (!p->guest || m->programs[i].module == p->guest_kernel))
            return m->programs[i].symbols;
    return NULL;
}

static void full_name(const struct place *p, const char *name, char full[DOMAIN_NAME_MAX])
{
    if (p->guest > 1)
        snprintf(full, DOMAIN_NAME_MAX, "g%u:%s", p->guest, name);
    else
        snprintf(full, DOMAIN_NAME_MAX, "%s", name);
}

static void set_name(struct machine *m, struct domain *d, const struct place *p, const char *name)
{
    full_name(p, name, d->name);
    d->symbols = symbols_for(m, p, name);
}

static struct domain *make(struct machine *m, const struct place *place, const char *name)
{
    struct domain **list = realloc(m->domains, (m->domain_count + 1) * sizeof *list);
    struct domain *d = calloc(1, sizeof *d);

    if (!list || !d)
        abort(); /* a few hundred bytes: the host is beyond help */
    m->domains = list;
    list[m->domain_count++] = d;
    d->ring = place->ring;
    d->space = place->space;
    d->guest = place->guest;
    d->guest_kernel = place->guest_kernel;
    d->number = m->domain_count - 1;
    set_name(m, d, place, name);
    return d;
}

static void give_instructions(struct cpu *cpu)
{
    if (cpu->domain && !cpu->machine->timing)
        cpu->domain->instructions += cpu->now.clock - cpu->domain_clock;
    cpu->domain_clock = cpu->now.clock;
}

static void give_all_instructions(struct machine *m)
{
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i].started)
            give_instructions(&m->cpus[i]);
}

const struct guest_root *account_guest(struct cpu *cpu)
{
    uint64_t root = cpu->cr3 & ROOT_MASK;

    if (cpu->guest.root != root || !cpu->guest.used) {
        cpu->guest = guest_roots_find(&cpu->machine->guest_roots, root);
        cpu->guest.used = true;
    }
    return &cpu->guest;
}

void account_enter(struct cpu *cpu)
{
    struct place place = cpu->cpl == 3 ? user_place(account_guest(cpu)) : (struct place){.ring = cpu->cpl};
    struct domain *d = cpu->domain;

    if (d && is_at(d, &place) && !d->gone)
        return;
    trace_leave(cpu);
    give_instructions(cpu);
    d = find_live(cpu->machine, &place);
    cpu->domain = d ? d : make(cpu->machine, &place, is_program(&place) ? "user" : "kernel");
    trace_enter(cpu);
}

static void enter_all(struct machine *m)
{
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i].started)
            account_enter(&m->cpus[i]);
}

/* What the kernel that runs, ours or a guest's, means by a ring and a root table of its own. */
static struct place place_meant(struct cpu *cpu, uint64_t space, unsigned ring)
{
    const struct guest_root *current = account_guest(cpu);
    struct guest_root meant = {.root = space & ROOT_MASK};

    if (cpu->cpl == 3)
        meant = (struct guest_root){.space = space & ROOT_MASK, .guest = current->guest, .kernel = ring != 3};
    else if (ring != 3)
        return (struct place){.ring = ring};
    if (!space) {
        meant.root = current->root;
        meant.space = current->space;
    }
    return user_place(&meant);
}

void account_name(struct cpu *cpu, uint64_t space, unsigned ring, const char *name)
{
    struct machine *m = cpu->machine;
    struct place place = place_meant(cpu, space, ring);
    struct domain *d = find_live(m, &place), *old;
    char full[DOMAIN_NAME_MAX];

    full_name(&place, name, full);
    if (d && strcmp(d->name, full) == 0)
        return;
    old = find_gone(m, &place, full);
    if (d && is_program(&place) && (d->instructions || old)) { /* the space goes on under another name (exec) */
        d->gone = true;
        d = NULL;
    }
    if (!d && old) {
        old->gone = false;
        old->space = place.space;
        d = old;
    }
    if (d)
        set_name(m, d, &place, name);
    else
        make(m, &place, name);
    enter_all(m);
}

bool saved_domain(const struct machine *m, size_t n, struct saved_domain *out)
{
    for (size_t i = 0; i < m->domain_count; i++) {
        const struct domain *d = m->domains[i];

        if (!d->guest || d->gone || n--)
            continue;
        *out = (struct saved_domain){.space = d->space, .guest = d->guest, .kernel = d->guest_kernel};
        memcpy(out->name, d->name, sizeof out->name);
        return true;
    }
    return false;
}

bool saved_put_domain(struct machine *m, const struct saved_domain *domain)
{
    struct place place = {3, domain->space, (uint16_t)domain->guest, domain->kernel};

    if (!domain->guest || domain->guest > m->config.guests || find_live(m, &place))
        return false;
    make(m, &place, domain->name);
    return true;
}

/* The next user code on this root is another's, also if it is in the same place. */
static void forget_user(struct machine *m, uint64_t root)
{
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i].user_space == root)
            m->cpus[i].user_space = UINT64_MAX;
}

/* The same for all that stand for a guest's space. */
static void forget_guest_user(struct machine *m, const struct place *place)
{
    for (unsigned i = 0; i < m->cpu_count; i++) {
        struct guest_root last = guest_roots_find(&m->guest_roots, m->cpus[i].user_space);

        if (last.guest == place->guest && !last.kernel && last.space == place->space)
            m->cpus[i].user_space = UINT64_MAX;
    }
}

void account_space_gone(struct cpu *cpu, uint64_t space)
{
    struct place place = place_meant(cpu, space, 3);
    struct domain *d = find_live(cpu->machine, &place);

    if (d)
        d->gone = true;
    if (place.guest)
        forget_guest_user(cpu->machine, &place);
    else
        forget_user(cpu->machine, place.space);
}

void account_guest_root(struct cpu *cpu, const struct guest_root *root)
{
    struct machine *m = cpu->machine;
    struct guest_root before = guest_roots_set(&m->guest_roots, root);

    if (before.guest != root->guest || before.kernel != root->kernel || before.space != root->space)
        forget_user(m, root->root);
    for (unsigned i = 0; i < m->cpu_count; i++)
        m->cpus[i].guest.used = false;
    enter_all(m);
}

void account_user_resumes(struct cpu *cpu)
{
    uint64_t space = cpu->cr3 & ROOT_MASK;
    bool other = cpu->user_space != space && cpu->user_space != 0;

    if (other)
        count(cpu, COUNTER_context_switches);
    cpu->user_space = space;
    trace_user(cpu, other);
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
    m->result_exits = m->exits;
    exits_sort(&m->result_exits);
    r->exits = m->result_exits.reason;
    r->exit_count = m->result_exits.count;
    r->ops = ops;
}

void account_region_begin(struct cpu *cpu)
{
    struct machine *m = cpu->machine;

    give_all_instructions(m);
    close_books(m);
    memset(&m->counters, 0, sizeof m->counters);
    memset(&m->exits, 0, sizeof m->exits);
    for (size_t i = 0; i < m->domain_count; i++) {
        m->domains[i]->instructions = 0;
        memset(m->domains[i]->cycles, 0, sizeof m->domains[i]->cycles);
    }
    trace_region_begin(cpu);
}

void account_region_end(struct machine *m, uint64_t ops)
{
    freeze(m, ops);
    trace_finish(m);
    m->result.region = true;
    m->result_frozen = true;
}

void account_result(struct machine *m)
{
    if (!m->result_frozen)
        freeze(m, 0);
    trace_finish(m);
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
    guest_roots_close(&m->guest_roots);
}
