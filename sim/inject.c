/* SPDX-License-Identifier: MIT
 *
 * sim/inject.c: see inject.h and docs/faults.md: counting how often services are entered, and changing the code when a
 * fault's moment has come. Only a machine that was asked for faults has a struct inject, and the block hook that calls
 * inject_block; all others run without.
 *
 * A fault waits for its op, then counts blocks if it was asked to, then hits. What it hits is physical memory, as a
 * device's write would: caches and translations of the page are dropped. The block that was about to run is given back
 * and translated again, so that the new instruction is the next that the CPU executes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/probe.h"
#include "sim/files/operations.h"
#include "sim/inside.h"

const char *const fault_kind_names[FAULT_KINDS] = {"crash", "wild-write", "hang"};
const char *const fault_service_names[FAULT_SERVICES] = {"proc", "vm", "fs", "blk", "tty", "kernel"};
const char *const fault_server_names[FAULT_SERVICES] = {"procd", "vmd", "fsd", "blkd", "ttyd", "kernel"};

enum { CODE_MAX = 9, FILTER_BITS = 4096 };

enum fault_state { FAULT_WAITS, FAULT_COUNTS, FAULT_HAS_HIT, FAULT_MISSED };

struct fault {
    enum fault_state state;
    const struct domain *domain; /* from the op on */
    uint64_t blocks_left;
    uint64_t pc; /* of the changed code */
};

struct inject {
    struct fault fault[FAULTS_MAX];
    struct fault_result result[FAULTS_MAX];
    size_t count, counting;
    uint64_t entered[FAULT_SERVICES];

    /* the images: the kernel's domain has no name */
    struct {
        char domain[32];
        struct operations operations;
    } image[BOOT_MODULES_MAX + 1];
    size_t images;
    uint64_t filter[FILTER_BITS / 64]; /* may an operation begin at an address with these low bits? */
};

bool inject_open(struct machine *m)
{
    const struct machine_config *c = &m->config;

    if (c->fault_count == 0)
        return true;
    m->inject = calloc(1, sizeof *m->inject);
    if (!m->inject)
        return false;
    m->inject->count = c->fault_count < FAULTS_MAX ? c->fault_count : FAULTS_MAX;
    for (size_t i = 0; i < m->inject->count; i++)
        m->inject->result[i].spec = c->faults[i];
    return true;
}

void inject_close(struct machine *m)
{
    for (size_t i = 0; m->inject && i < m->inject->images; i++)
        free(m->inject->image[i].operations.list);
    free(m->inject);
}

static uint64_t *filter_word(struct inject *in, uint64_t pc)
{
    return &in->filter[pc % FILTER_BITS / 64];
}

void inject_image(struct machine *m, const char *domain, const void *elf, size_t bytes)
{
    struct inject *in = m->inject;
    struct operations *o;

    if (!in || in->images == sizeof in->image / sizeof in->image[0])
        return;
    snprintf(in->image[in->images].domain, sizeof in->image[0].domain, "%s", domain ? domain : "");
    o = &in->image[in->images++].operations;
    *o = operations_read(elf, bytes, domain == NULL);
    for (size_t i = 0; i < o->count; i++)
        *filter_word(in, o->list[i].address) |= 1ul << o->list[i].address % 64;
}

/* ---- the moment ---- */

static const struct operation *operation_at(const struct inject *in, const struct cpu *cpu, uint64_t pc)
{
    const char *name = cpu->cpl == 0 ? "" : cpu->domain->name;

    for (size_t i = 0; i < in->images; i++)
        if (strcmp(in->image[i].domain, name) == 0)
            return operations_find(&in->image[i].operations, pc);
    return NULL;
}

/* Code that a fault has changed is not entered: it fails before it has begun. Entering it counted when the fault hit.
 */
static bool is_changed(const struct inject *in, const struct cpu *cpu, uint64_t pc)
{
    for (size_t i = 0; i < in->count; i++)
        if (in->fault[i].state == FAULT_HAS_HIT && !in->result[i].died && in->fault[i].pc == pc &&
            in->fault[i].domain == cpu->domain)
            return true;
    return false;
}

/* A service is entered. Faults that want this op hit now or count blocks from now on; the number of the one that hits,
 * or -1. */
static int enter(struct inject *in, const struct cpu *cpu, enum fault_service service)
{
    uint64_t op = ++in->entered[service];
    int hit = -1;

    for (size_t i = 0; i < in->count; i++) {
        struct fault *f = &in->fault[i];
        const struct fault_spec *spec = &in->result[i].spec;

        if (f->state != FAULT_WAITS || spec->service != service || spec->op != op)
            continue;
        f->domain = cpu->domain;
        f->blocks_left = spec->blocks;
        if (spec->blocks == 0) {
            hit = (int)i;
        } else {
            f->state = FAULT_COUNTS;
            in->counting++;
        }
    }
    return hit;
}

static int count_block(struct inject *in, const struct cpu *cpu)
{
    int hit = -1;

    for (size_t i = 0; i < in->count; i++) {
        struct fault *f = &in->fault[i];

        if (f->state == FAULT_COUNTS && f->domain == cpu->domain && hit < 0 && --f->blocks_left == 0)
            hit = (int)i;
    }
    if (hit >= 0)
        in->counting--;
    return hit;
}

/* ---- the fault ---- */

/* Length of the instruction in `code`. */
static size_t make_code(enum fault_kind kind, uint8_t code[CODE_MAX])
{
    const uint64_t text = BOOT_KERNEL_BASE + (1ul << 20); /* read-only for ring 0 too (CR0.WP) */

    switch (kind) {
    case FAULT_WILD_WRITE: /* mov [text], al */
        code[0] = 0xa2;
        memcpy(code + 1, &text, sizeof text);
        return 9;
    case FAULT_HANG: /* jmp to itself */
        memcpy(code, "\xeb\xfe", 2);
        return 2;
    default: /* ud2 */
        memcpy(code, "\x0f\x0b", 2);
        return 2;
    }
}

/* Physical address of a byte of code; UINT64_MAX: not in RAM. */
static uint64_t place(const struct cpu *cpu, uint64_t pc)
{
    struct translation t;
    uint64_t at = mmu_peek(cpu, pc, &t) ? translation_address(&t, pc) : UINT64_MAX;

    return at < cpu->machine->ram_bytes ? at : UINT64_MAX;
}

static bool change_code(struct cpu *cpu, uint64_t pc, const uint8_t *code, size_t bytes)
{
    size_t first = PAGE_BYTES - (pc & (PAGE_BYTES - 1));

    first = first < bytes ? first : bytes;
    if (place(cpu, pc) == UINT64_MAX || place(cpu, pc + bytes - 1) == UINT64_MAX)
        return false;
    ram_dma_write(cpu->machine, place(cpu, pc), code, first);
    if (bytes > first)
        ram_dma_write(cpu->machine, place(cpu, pc + first), code + first, bytes - first);
    return true;
}

static void hit(struct cpu *cpu, size_t i, uint64_t pc)
{
    struct inject *in = cpu->machine->inject;
    struct fault_result *r = &in->result[i];
    uint8_t code[CODE_MAX];
    size_t bytes = make_code(r->spec.kind, code);
    char text[FAULT_TEXT_MAX];

    settle_cancel(cpu, pc);
    engine_set(&cpu->engine, UC_X86_REG_RIP, pc); /* a chained block has not stored it */
    uc_emu_stop(cpu->engine.uc);
    if (!change_code(cpu, pc, code, bytes)) {
        in->fault[i].state = FAULT_MISSED;
        account_warn(cpu->machine, "inject: the code at %#" PRIx64 " is not in RAM: no fault there", pc);
        return;
    }
    in->fault[i].state = FAULT_HAS_HIT;
    in->fault[i].pc = pc;
    r->hit = true;
    r->ring = cpu->cpl;
    r->hit_at = cpu->now.clock;
    snprintf(r->domain, sizeof r->domain, "%s", cpu->domain->name);
    fault_text(r, text);
    trace_fault(cpu, text);
}

void inject_block(struct cpu *cpu, uint64_t pc)
{
    struct inject *in = cpu->machine->inject;
    const struct operation *operation = NULL;
    int now = -1;

    if (in->counting)
        now = count_block(in, cpu);
    if (now < 0 && *filter_word(in, pc) >> pc % 64 & 1)
        operation = operation_at(in, cpu, pc);
    if (operation && !is_changed(in, cpu, pc))
        now = enter(in, cpu, operation->service);
    if (now >= 0)
        hit(cpu, (size_t)now, pc);
}

/* ---- what became of it ---- */

/* The first fault of this domain for which `died` is as given, and which is not back. */
static struct fault_result *fault_of(struct inject *in, const char *domain, bool died)
{
    for (size_t i = 0; in && i < in->count; i++)
        if (in->result[i].hit && in->result[i].died == died && !in->result[i].back &&
            strcmp(in->result[i].domain, domain) == 0)
            return &in->result[i];
    return NULL;
}

void inject_died(struct cpu *cpu, const char *domain, uint64_t cause)
{
    struct fault_result *r = fault_of(cpu->machine->inject, domain, false);
    char text[16];

    if (r) {
        r->died = true;
        r->cause = (unsigned)cause;
        r->died_at = cpu->now.clock;
        return;
    }
    fault_cause_text((unsigned)cause, text);
    account_warn(cpu->machine, "%s died by %s, and no fault was injected into it", domain, text);
}

void inject_back(struct cpu *cpu, const char *domain, uint64_t calls_failed, const char *lost)
{
    struct fault_result *r;

    while ((r = fault_of(cpu->machine->inject, domain, true))) { /* it may have died again before it was back */
        r->back = true;
        r->back_at = cpu->now.clock;
        r->calls_failed = calls_failed;
        snprintf(r->lost, sizeof r->lost, "%s", lost);
    }
}

static void warn_of_missing(struct machine *m, const struct fault *f, const struct fault_spec *spec)
{
    const char *server = fault_server_names[spec->service];
    uint64_t entered = m->inject->entered[spec->service];

    if (f->state == FAULT_COUNTS)
        account_warn(m, "inject: %s ran only %" PRIu64 " basic blocks after its op %" PRIu64, f->domain->name,
                     spec->blocks - f->blocks_left, spec->op);
    else if (f->state == FAULT_WAITS && entered == 0)
        account_warn(m, "inject: %s was never entered", server);
    else if (f->state == FAULT_WAITS)
        account_warn(m, "inject: %s was entered only %" PRIu64 " times", server, entered);
}

void inject_finish(struct machine *m)
{
    struct inject *in = m->inject;

    for (size_t i = 0; in && i < in->count; i++)
        warn_of_missing(m, &in->fault[i], &in->result[i].spec);
    if (!in)
        return;
    m->result.faults = in->result;
    m->result.fault_count = in->count;
}

/* ---- words ---- */

static void spec_text(const struct fault_spec *spec, unsigned ring, char text[FAULT_TEXT_MAX])
{
    const char *const *names = ring ? fault_server_names : fault_service_names;
    int n = snprintf(text, FAULT_TEXT_MAX, "%s of %s at op %" PRIu64, fault_kind_names[spec->kind],
                     names[spec->service], spec->op);

    if (spec->blocks)
        snprintf(text + n, FAULT_TEXT_MAX - (size_t)n, "+%" PRIu64, spec->blocks);
}

void fault_text(const struct fault_result *fault, char text[FAULT_TEXT_MAX])
{
    size_t n;

    spec_text(&fault->spec, fault->hit ? fault->ring : 3, text);
    n = strlen(text);
    if (fault->hit)
        snprintf(text + n, FAULT_TEXT_MAX - n, " (domain %s, ring %u)", fault->domain, fault->ring);
}

void fault_cause_text(unsigned cause, char text[16])
{
    static const char *const names[] = {"DE", "DB", "NMI", "BP", "OF", "BR", "UD", "NM", "DF", "",
                                        "TS", "NP", "SS",  "GP", "PF", "",   "MF", "AC", "MC", "XM"};

    if (cause == PROBE_DEATH_HANG)
        snprintf(text, 16, "hang");
    else if (cause < sizeof names / sizeof names[0] && *names[cause])
        snprintf(text, 16, "#%s", names[cause]);
    else
        snprintf(text, 16, "vector %u", cause & 0xffff);
}

void inject_report(const struct machine *m, FILE *out)
{
    const struct inject *in = m->inject;
    char text[FAULT_TEXT_MAX];

    for (size_t i = 0; in && i < in->count; i++) {
        const struct fault_result *r = &in->result[i];

        if (!r->hit)
            continue;
        spec_text(&r->spec, r->ring, text);
        fprintf(out, "injected: %s in domain %s, ring %u%s\n", text, r->domain, r->ring, r->back ? ", back since" : "");
    }
}
