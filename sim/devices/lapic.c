/* SPDX-License-Identifier: MIT
 *
 * sim/devices/lapic.c: the local APIC as registers, two bit sets and a timer (Intel SDM vol. 3A ch. 10).
 *
 * Layer: pure model, below the machine; the use is described in sim/devices/lapic.h.
 *
 * IRR holds the vectors that wait, ISR those being served. Whatever changes either, or TPR, ends in update(), which
 * keeps `deliverable`, so that asking between two basic blocks costs one load.
 *
 * The timer does not run: it remembers a count and when it was that. What it is now, and whether it has expired since,
 * is computed when somebody looks. Every access first lets it run until now, so a register never shows the past.
 */
#include "sim/devices/lapic.h"

#include <stddef.h>

enum lvt { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVTS };

#define VERSION 0x00050014u /* integrated APIC, 6 LVT entries */
#define FIRST_VECTOR 16u
#define BROADCAST 0xffu

/* The bits of each LVT entry that can be written. */
static const uint32_t lvt_bits[LVTS] = {
    [LVT_TIMER] = 0x000300ff, [LVT_THERMAL] = 0x000107ff, [LVT_PERFORMANCE] = 0x000107ff,
    [LVT_LINT0] = 0x0001a7ff, [LVT_LINT1] = 0x0001a7ff,   [LVT_ERROR] = 0x000100ff,
};

/* Vectors and priorities. */

static int highest(const uint32_t set[8])
{
    for (int word = 7; word >= 0; word--)
        if (set[word])
            return word * 32 + 31 - __builtin_clz(set[word]);
    return -1;
}

static void set_bit(uint32_t set[8], unsigned vector)
{
    set[vector / 32] |= 1u << vector % 32;
}

static void clear_bit(uint32_t set[8], unsigned vector)
{
    set[vector / 32] &= ~(1u << vector % 32);
}

/* SDM 10.8.3.1. */
static uint32_t processor_priority(const struct lapic *lapic)
{
    int served = highest(lapic->isr);
    uint32_t service_class = served < 0 ? 0 : (uint32_t)served & 0xf0;
    return (lapic->tpr & 0xf0) >= service_class ? lapic->tpr : service_class;
}

static void update(struct lapic *lapic)
{
    int waiting = highest(lapic->irr);
    bool above = waiting >= 0 && ((uint32_t)waiting & 0xf0) > (processor_priority(lapic) & 0xf0);
    lapic->deliverable = above ? waiting : -1;
}

static bool enabled(const struct lapic *lapic)
{
    return lapic->svr & LAPIC_SVR_ENABLE;
}

/* Into ESR, and an interrupt if the kernel asked for one. */
static void note_error(struct lapic *lapic, uint32_t error)
{
    uint32_t entry = lapic->lvt[LVT_ERROR];
    lapic->esr |= error;
    if (!(entry & LAPIC_LVT_MASKED) && (entry & 0xff) >= FIRST_VECTOR)
        lapic_raise(lapic, entry & 0xff);
}

bool lapic_raise(struct lapic *lapic, unsigned vector)
{
    if (!enabled(lapic))
        return false;
    if (vector < FIRST_VECTOR || vector > 255) {
        note_error(lapic, LAPIC_ERROR_RECEIVED_VECTOR);
        return false;
    }
    set_bit(lapic->irr, vector);
    update(lapic);
    return true;
}

void lapic_accept(struct lapic *lapic, unsigned vector)
{
    clear_bit(lapic->irr, vector & 0xff);
    set_bit(lapic->isr, vector & 0xff);
    update(lapic);
}

static void end_of_interrupt(struct lapic *lapic)
{
    int served = highest(lapic->isr);
    if (served >= 0)
        clear_bit(lapic->isr, (unsigned)served);
    update(lapic);
}

/* Timer (SDM 10.5.4). */

/* Cycles in one count: bits 0, 1 and 3 of the divide configuration say 2, 4, 8 … 128, 1. */
static uint64_t divisor(const struct lapic *lapic)
{
    unsigned code = (lapic->timer_divide & 3) | (lapic->timer_divide & 8) >> 1;
    return 1ull << ((code + 1) & 7);
}

static uint64_t expiry(const struct lapic *lapic)
{
    return lapic->timer_since + lapic->timer_count * divisor(lapic);
}

/* Lets `now` be inside the current period. true: at least one period has ended. */
static bool run_timer(struct lapic *lapic, uint64_t now)
{
    if (!lapic->timer_count || now < expiry(lapic))
        return false;
    uint64_t ended = expiry(lapic), period = lapic->timer_initial * divisor(lapic);
    bool periodic = lapic->lvt[LVT_TIMER] & LAPIC_LVT_PERIODIC;
    lapic->timer_count = periodic ? lapic->timer_initial : 0;
    lapic->timer_since = periodic ? now - (now - ended) % period : now;
    return true;
}

bool lapic_tick(struct lapic *lapic, uint64_t now)
{
    uint32_t entry = lapic->lvt[LVT_TIMER];
    return run_timer(lapic, now) && !(entry & LAPIC_LVT_MASKED) && lapic_raise(lapic, entry & 0xff);
}

uint64_t lapic_next_timer(const struct lapic *lapic)
{
    bool silent = !lapic->timer_count || (lapic->lvt[LVT_TIMER] & LAPIC_LVT_MASKED);
    return silent ? LAPIC_NEVER : expiry(lapic);
}

/* After lapic_tick(now). */
static uint32_t current_count(const struct lapic *lapic, uint64_t now)
{
    return lapic->timer_count - (lapic->timer_count ? (uint32_t)((now - lapic->timer_since) / divisor(lapic)) : 0);
}

static void set_divide(struct lapic *lapic, uint32_t value, uint64_t now)
{
    lapic->timer_count = current_count(lapic, now);
    lapic->timer_since = now;
    lapic->timer_divide = value & 0xb;
}

static void set_initial(struct lapic *lapic, uint32_t value, uint64_t now)
{
    lapic->timer_initial = lapic->timer_count = value;
    lapic->timer_since = now;
}

/* IPIs (SDM 10.6). */

/* What this model sends: fixed to anyone; the others never to the sender by a shorthand (table 10-3). */
static bool can_send(const struct lapic_ipi *ipi, uint32_t icr)
{
    bool deassert = !(icr & 1u << 14) && (icr & 1u << 15);
    switch ((unsigned)ipi->delivery) {
    case LAPIC_FIXED:
        return true;
    case LAPIC_INIT:
        if (deassert)
            return false;
        /* fallthrough */
    case LAPIC_LOWEST:
    case LAPIC_NMI:
    case LAPIC_SIPI:
        return ipi->shorthand == LAPIC_NO_SHORTHAND || ipi->shorthand == LAPIC_OTHERS;
    default:
        return false;
    }
}

static void send_ipi(struct lapic *lapic)
{
    uint32_t icr = lapic->icr_low;
    struct lapic_ipi ipi = {
        .sender = lapic->id,
        .delivery = icr >> 8 & 7,
        .shorthand = icr >> 18 & 3,
        .logical = icr & 1u << 11,
        .destination = (uint8_t)(lapic->icr_high >> 24),
        .vector = (uint8_t)icr,
    };
    bool has_vector = ipi.delivery == LAPIC_FIXED || ipi.delivery == LAPIC_LOWEST;
    if (has_vector && ipi.vector < FIRST_VECTOR)
        note_error(lapic, LAPIC_ERROR_SEND_VECTOR);
    else if (can_send(&ipi, icr) && lapic->send)
        lapic->send(lapic->ctx, &ipi);
}

/* SDM 10.6.2.2: flat, or clusters of four. */
static bool matches_logical(const struct lapic *lapic, uint8_t destination)
{
    uint8_t own = (uint8_t)(lapic->ldr >> 24);
    if (destination == BROADCAST)
        return true;
    if (lapic->dfr >> 28 == 0xf)
        return own & destination;
    return own >> 4 == destination >> 4 && (own & destination & 0xf);
}

static bool addressed(const struct lapic *lapic, const struct lapic_ipi *ipi)
{
    switch (ipi->shorthand) {
    case LAPIC_SELF:
        return lapic->id == ipi->sender;
    case LAPIC_ALL:
        return true;
    case LAPIC_OTHERS:
        return lapic->id != ipi->sender;
    default:
        if (ipi->logical)
            return matches_logical(lapic, ipi->destination);
        return ipi->destination == BROADCAST || lapic->id == ipi->destination;
    }
}

uint32_t lapic_destinations(const struct lapic *const lapics[], unsigned count, const struct lapic_ipi *ipi)
{
    uint32_t all = 0, lowest = 0, lowest_priority = UINT32_MAX;
    for (unsigned i = 0; i < count; i++) {
        if (!addressed(lapics[i], ipi))
            continue;
        all |= 1u << i;
        uint32_t priority = processor_priority(lapics[i]);
        if (priority >= lowest_priority)
            continue;
        lowest = 1u << i;
        lowest_priority = priority;
    }
    return ipi->delivery == LAPIC_LOWEST ? lowest : all;
}

/* Registers. */

/* Index of the LVT entry at this offset, or -1. */
static int lvt_index(uint32_t offset)
{
    return offset >= LAPIC_LVT_TIMER && offset <= LAPIC_LVT_ERROR ? (int)(offset - LAPIC_LVT_TIMER) >> 4 : -1;
}

static bool within(uint32_t offset, uint32_t first)
{
    return offset >= first && offset < first + 0x80;
}

static uint32_t unknown(struct lapic *lapic)
{
    note_error(lapic, LAPIC_ERROR_REGISTER);
    return 0;
}

static uint32_t read_plain(struct lapic *lapic, uint32_t offset, uint64_t now)
{
    switch (offset) {
    case LAPIC_ID:
        return lapic->id << 24;
    case LAPIC_VERSION:
        return VERSION;
    case LAPIC_TPR:
        return lapic->tpr;
    case LAPIC_PPR:
        return processor_priority(lapic);
    case LAPIC_EOI:
        return 0;
    case LAPIC_LDR:
        return lapic->ldr;
    case LAPIC_DFR:
        return lapic->dfr;
    case LAPIC_SVR:
        return lapic->svr;
    case LAPIC_ESR:
        return lapic->esr_latched;
    case LAPIC_ICR_LOW:
        return lapic->icr_low;
    case LAPIC_ICR_HIGH:
        return lapic->icr_high;
    case LAPIC_TIMER_INITIAL:
        return lapic->timer_initial;
    case LAPIC_TIMER_CURRENT:
        return current_count(lapic, now);
    case LAPIC_TIMER_DIVIDE:
        return lapic->timer_divide;
    default:
        return unknown(lapic);
    }
}

uint32_t lapic_read(struct lapic *lapic, uint64_t offset, uint64_t now)
{
    uint32_t at = (uint32_t)offset & 0xff0;
    lapic_tick(lapic, now);
    if (within(at, LAPIC_ISR))
        return lapic->isr[(at - LAPIC_ISR) >> 4];
    if (within(at, LAPIC_TMR))
        return 0; /* all edge */
    if (within(at, LAPIC_IRR))
        return lapic->irr[(at - LAPIC_IRR) >> 4];
    if (lvt_index(at) >= 0)
        return lapic->lvt[lvt_index(at)];
    return read_plain(lapic, at, now);
}

static void write_lvt(struct lapic *lapic, int index, uint32_t value)
{
    lapic->lvt[index] = (value & lvt_bits[index]) | (enabled(lapic) ? 0 : LAPIC_LVT_MASKED);
}

static void write_svr(struct lapic *lapic, uint32_t value)
{
    lapic->svr = value & 0x3ff;
    if (!enabled(lapic))
        for (int i = 0; i < LVTS; i++)
            lapic->lvt[i] |= LAPIC_LVT_MASKED;
}

static void write_plain(struct lapic *lapic, uint32_t offset, uint32_t value, uint64_t now)
{
    switch (offset) {
    case LAPIC_TPR:
        lapic->tpr = value & 0xff;
        update(lapic);
        break;
    case LAPIC_EOI:
        end_of_interrupt(lapic);
        break;
    case LAPIC_LDR:
        lapic->ldr = value & 0xff000000;
        break;
    case LAPIC_DFR:
        lapic->dfr = value | 0x0fffffff;
        break;
    case LAPIC_SVR:
        write_svr(lapic, value);
        break;
    case LAPIC_ESR:
        lapic->esr_latched = lapic->esr;
        lapic->esr = 0;
        break;
    case LAPIC_ICR_LOW:
        lapic->icr_low = value & 0x000ccfff; /* delivery status, bit 12, is always idle */
        send_ipi(lapic);
        break;
    case LAPIC_ICR_HIGH:
        lapic->icr_high = value & 0xff000000;
        break;
    case LAPIC_TIMER_INITIAL:
        set_initial(lapic, value, now);
        break;
    case LAPIC_TIMER_DIVIDE:
        set_divide(lapic, value, now);
        break;
    case LAPIC_ID:
    case LAPIC_VERSION:
    case LAPIC_PPR:
    case LAPIC_TIMER_CURRENT:
        break; /* read only */
    default:
        unknown(lapic);
    }
}

void lapic_write(struct lapic *lapic, uint64_t offset, uint32_t value, uint64_t now)
{
    uint32_t at = (uint32_t)offset & 0xff0;
    lapic_tick(lapic, now);
    if (within(at, LAPIC_ISR) || within(at, LAPIC_TMR) || within(at, LAPIC_IRR))
        return; /* read only */
    if (lvt_index(at) >= 0)
        write_lvt(lapic, lvt_index(at), value);
    else
        write_plain(lapic, at, value, now);
}

/* Life. */

void lapic_init(struct lapic *lapic)
{
    struct lapic fresh = {.id = lapic->id, .send = lapic->send, .ctx = lapic->ctx, .deliverable = -1};
    fresh.svr = 0xff;
    fresh.dfr = 0xffffffff;
    for (int i = 0; i < LVTS; i++)
        fresh.lvt[i] = LAPIC_LVT_MASKED;
    *lapic = fresh;
}

void lapic_create(struct lapic *lapic, unsigned id, lapic_send *send, void *ctx)
{
    *lapic = (struct lapic){.id = id, .send = send, .ctx = ctx};
    lapic_init(lapic);
}
