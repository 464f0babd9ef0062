/* SPDX-License-Identifier: MIT
 *
 * sim/trace/trace_account.c: the accounts of a recording: one for each block of code, domain and call; and whose code
 * it is.
 *
 * A block's slot knows the account that it had last. Only when that is another one (the same code under another call,
 * or in another space) the hash is asked, and only for code that never ran so before, the symbols.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/trace/trace_record.h"

#define slow __attribute__((noinline, cold))

bool accounts_open(struct trace *t)
{
    t->account_room = 4096;
    t->account_count = 1;
    t->accounts = calloc(t->account_room, sizeof *t->accounts);
    t->hash = calloc(2 * t->account_room, sizeof *t->hash);
    t->slots = calloc(BLOCKS_MAX, sizeof *t->slots);
    return t->accounts && t->hash && t->slots;
}

void accounts_close(struct trace *t)
{
    free(t->accounts);
    free(t->hash);
    free(t->slots);
    free(t->lanes);
    free(t->domains);
}

void accounts_clear(struct trace *t)
{
    for (size_t i = 0; i < t->account_count; i++)
        t->accounts[i].figures = (struct trace_figures){0};
}

/* ---- domains and lanes ---- */

struct trace_domain *account_domain(struct cpu *cpu)
{
    struct trace *t = cpu->machine->trace;
    size_t number = cpu->domain->number;

    while (number >= t->domain_room) {
        size_t room = t->domain_room ? 2 * t->domain_room : 64;
        struct trace_domain *more = realloc(t->domains, room * sizeof *more);

        if (!more)
            abort(); /* a few hundred bytes: the host is beyond help */
        memset(more + t->domain_room, 0, (room - t->domain_room) * sizeof *more);
        t->domains = more;
        t->domain_room = room;
    }
    return &t->domains[number];
}

uint32_t account_lane(struct cpu *cpu, bool library)
{
    struct trace *t = cpu->machine->trace;
    struct trace_domain *d = account_domain(cpu);

    if (d->lane[library])
        return d->lane[library] - 1;
    if (t->lane_count == t->lane_room) {
        size_t room = t->lane_room ? 2 * t->lane_room : 64;
        struct trace_lane *more = realloc(t->lanes, room * sizeof *more);

        if (!more)
            abort();
        t->lanes = more;
        t->lane_room = room;
    }
    t->lanes[t->lane_count++] = (struct trace_lane){.domain = (uint32_t)cpu->domain->number, .library = library};
    d->lane[library] = (uint32_t)t->lane_count;
    return (uint32_t)t->lane_count - 1;
}

static bool is_module(const struct machine *m, const struct symbols *symbols)
{
    for (size_t i = 0; i < m->program_count; i++)
        if (m->programs[i].symbols == symbols)
            return m->programs[i].module;
    return false;
}

bool account_is_program(const struct cpu *cpu)
{
    const struct domain *d = cpu->domain;

    return d->ring == 3 && !d->guest_kernel && !(d->symbols && is_module(cpu->machine, d->symbols));
}

/* A module is a library if its code stands in a program's domain, at its own address. */
static bool is_library(const struct cpu *cpu, const struct trace_image *image, uint64_t pc, size_t bytes)
{
    uint8_t code[64];
    const uint8_t *expected;
    uint64_t offset;

    bytes = bytes < sizeof code ? bytes : sizeof code;
    if (!is_module(cpu->machine, image->symbols) || !symbols_name(image->symbols, pc, &offset))
        return false;
    expected = image_bytes(image->elf, image->bytes, pc, bytes);
    return expected && mmu_read(cpu, pc, code, bytes) && memcmp(code, expected, bytes) == 0;
}

static const struct trace_image *image_of(const struct trace *t, const struct symbols *symbols)
{
    for (size_t i = 0; symbols && i < t->image_count; i++)
        if (t->images[i].symbols == symbols)
            return &t->images[i];
    return NULL;
}

const struct trace_image *account_image(struct cpu *cpu, uint64_t pc, uint32_t bytes, bool *library)
{
    struct trace *t = cpu->machine->trace;
    const struct trace_image *own = image_of(t, cpu->domain->symbols);
    uint64_t offset;

    *library = false;
    if (!account_is_program(cpu) || (own && symbols_name(own->symbols, pc, &offset)))
        return own;
    for (size_t i = 0; i < t->image_count; i++)
        if (is_library(cpu, &t->images[i], pc, bytes)) {
            *library = t->library = true;
            return &t->images[i];
        }
    return own;
}

/* ---- the hash ---- */

static size_t place_in_hash(const struct trace *t, uint32_t lane, uint32_t call, uint64_t pc)
{
    uint64_t key = (pc ^ (uint64_t)call << 48 ^ (uint64_t)lane << 40) * 0x9e3779b97f4a7c15u;

    return key >> 32 & (2 * t->account_room - 1);
}

static bool slow grow(struct trace *t)
{
    size_t room = 2 * t->account_room;
    struct trace_account *accounts = realloc(t->accounts, room * sizeof *accounts);
    uint32_t *hash = calloc(2 * room, sizeof *hash);

    if (accounts)
        t->accounts = accounts;
    if (!accounts || !hash) {
        free(hash);
        return false;
    }
    free(t->hash);
    t->hash = hash;
    t->account_room = room;
    for (uint32_t i = 1; i < t->account_count; i++) {
        const struct trace_account *a = &t->accounts[i];
        size_t at = place_in_hash(t, a->lane, a->call, a->pc);

        while (hash[at])
            at = (at + 1) & (2 * room - 1);
        hash[at] = i;
    }
    return true;
}

uint32_t account_find(struct trace *t, uint32_t lane, uint32_t call, uint64_t pc, uint32_t bytes)
{
    size_t mask = 2 * t->account_room - 1;

    for (size_t at = place_in_hash(t, lane, call, pc); t->hash[at]; at = (at + 1) & mask) {
        const struct trace_account *a = &t->accounts[t->hash[at]];

        if (a->pc == pc && a->lane == lane && a->call == call && a->bytes == bytes)
            return t->hash[at];
    }
    return 0;
}

uint32_t account_make(struct trace *t, uint32_t lane, uint32_t call, uint64_t pc, uint32_t bytes,
                      const struct trace_image *image)
{
    const char *name = NULL;
    uint64_t offset;
    size_t at;

    if (t->account_count == t->account_room && !grow(t)) {
        t->failed = true;
        return 1; /* there is one: its figures are wrong, and so says `failed` */
    }
    if (image)
        name = symbols_name(image->symbols, pc, &offset);
    for (at = place_in_hash(t, lane, call, pc); t->hash[at]; at = (at + 1) & (2 * t->account_room - 1))
        ;
    t->hash[at] = (uint32_t)t->account_count;
    t->accounts[t->account_count] = (struct trace_account){.lane = lane,
                                                           .call = call,
                                                           .pc = pc,
                                                           .bytes = bytes,
                                                           .image = image,
                                                           .function = texts_number(&t->texts, name ? name : "?")};
    return (uint32_t)t->account_count++;
}
