/* SPDX-License-Identifier: MIT
 *
 * sim/devices/lapic.h: the local APIC of one CPU: its register page, priorities, timer, and the IPIs it sends.
 *
 * Modelled on Intel SDM vol. 3A ch. 10 (xAPIC): ID, TPR, PPR, EOI, LDR, DFR, SVR, ISR, TMR, IRR, ESR, ICR, the LVT and
 * the timer (one-shot and periodic, divide configuration). All interrupts are edge triggered. Left out: x2APIC, TSC
 * deadline, SMI and ExtINT.
 *
 * Use. A machine has one struct lapic for each CPU. It gives device and IPI messages to lapic_raise(), asks
 * lapic_pending() whenever the CPU could take an interrupt, and says lapic_accept() when it delivers one. It calls
 * lapic_tick() when the CPU's clock reaches lapic_next_timer(). A write to ICR calls `send`: the machine finds the
 * destinations with lapic_destinations() and delivers after the modelled latency: fixed by lapic_raise(), NMI, INIT and
 * SIPI by its own means. Pure: no other effects, no allocation; a struct lapic may be copied.
 *
 * Times are cycles of the CPU's own clock and must not go backwards.
 *
 * After power on and INIT the APIC is disabled by software (SVR bit 8 is 0): it drops fixed interrupts and its LVT is
 * masked. A kernel enables it by writing SVR (0x1ff).
 */
#ifndef RINGSIDE_SIM_LAPIC_H
#define RINGSIDE_SIM_LAPIC_H

#include <stdbool.h>
#include <stdint.h>

/* Offsets in the register page; each register is 4 bytes at a multiple of 16. */
enum lapic_register {
    LAPIC_ID = 0x20,      /* APIC ID in bits 24…31: the CPU's number; read only here */
    LAPIC_VERSION = 0x30, /* 0x00050014 */
    LAPIC_TPR = 0x80,
    LAPIC_PPR = 0xa0,
    LAPIC_EOI = 0xb0,
    LAPIC_LDR = 0xd0,
    LAPIC_DFR = 0xe0,
    LAPIC_SVR = 0xf0,
    LAPIC_ISR = 0x100, /* 8 registers of 32 vectors each, as TMR and IRR */
    LAPIC_TMR = 0x180,
    LAPIC_IRR = 0x200,
    LAPIC_ESR = 0x280,
    LAPIC_ICR_LOW = 0x300, /* a write sends */
    LAPIC_ICR_HIGH = 0x310,
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_LVT_THERMAL = 0x330,
    LAPIC_LVT_PERFORMANCE = 0x340,
    LAPIC_LVT_LINT0 = 0x350,
    LAPIC_LVT_LINT1 = 0x360,
    LAPIC_LVT_ERROR = 0x370,
    LAPIC_TIMER_INITIAL = 0x380,
    LAPIC_TIMER_CURRENT = 0x390,
    LAPIC_TIMER_DIVIDE = 0x3e0,
};

#define LAPIC_SVR_ENABLE 0x100u
#define LAPIC_LVT_MASKED 0x10000u
#define LAPIC_LVT_PERIODIC 0x20000u
/* ESR */
#define LAPIC_ERROR_SEND_VECTOR 0x20u
#define LAPIC_ERROR_RECEIVED_VECTOR 0x40u
#define LAPIC_ERROR_REGISTER 0x80u

enum lapic_delivery { /* ICR bits 8…10 */
    LAPIC_FIXED = 0,
    LAPIC_LOWEST = 1,
    LAPIC_SMI = 2,
    LAPIC_NMI = 4,
    LAPIC_INIT = 5,
    LAPIC_SIPI = 6,
};

enum lapic_shorthand { LAPIC_NO_SHORTHAND, LAPIC_SELF, LAPIC_ALL, LAPIC_OTHERS }; /* ICR bits 18, 19 */

struct lapic_ipi {
    unsigned sender; /* CPU number */
    enum lapic_delivery delivery;
    enum lapic_shorthand shorthand;
    bool logical;        /* destination mode */
    uint8_t destination; /* APIC ID (0xff: all) or logical address; without a shorthand */
    uint8_t vector;      /* SIPI: the start page: CS = vector << 8, IP = 0, physical vector << 12 */
};

/* Called inside lapic_write. */
typedef void lapic_send(void *ctx, const struct lapic_ipi *ipi);

#define LAPIC_NEVER UINT64_MAX

struct lapic {
    unsigned id;
    lapic_send *send;
    void *ctx;
    int deliverable; /* highest vector that the CPU may take now, or -1: kept up to date */
    uint32_t tpr, ldr, dfr, svr, esr, esr_latched, icr_low, icr_high;
    uint32_t isr[8], irr[8];
    uint32_t lvt[6]; /* timer, thermal, performance, LINT0, LINT1, error */
    uint32_t timer_initial, timer_divide;
    uint32_t timer_count; /* what is left at timer_since; 0: stopped */
    uint64_t timer_since; /* cycles */
};

/* Power on. `id`: the CPU's number. send may be NULL: then IPIs go nowhere. */
void lapic_create(struct lapic *lapic, unsigned id, lapic_send *send, void *ctx);
/* What an INIT does to the registers; ID and callbacks stay. */
void lapic_init(struct lapic *lapic);

/* A 32-bit access at `offset` of the page (bits 0…3 are ignored). Unknown registers read 0 and note an error in ESR. */
uint32_t lapic_read(struct lapic *lapic, uint64_t offset, uint64_t now);
void lapic_write(struct lapic *lapic, uint64_t offset, uint32_t value, uint64_t now);

/* A fixed interrupt message arrives: of a device, an IPI or the timer. Vectors below 16 are refused and noted in ESR.
 * false: refused, or the APIC is disabled by software. Not counted twice: a vector already waiting stays one. */
bool lapic_raise(struct lapic *lapic, unsigned vector);
/* The vector that the CPU takes next if it is interruptible: above the processor priority. -1: none. */
static inline int lapic_pending(const struct lapic *lapic)
{
    return lapic->deliverable;
}
/* The CPU takes the vector that lapic_pending() said: from IRR to ISR, until EOI. */
void lapic_accept(struct lapic *lapic, unsigned vector);

/* When the timer next interrupts: cycles, perhaps past; LAPIC_NEVER if it is stopped or masked. Changes only by
 * lapic_write, lapic_init and lapic_tick. */
uint64_t lapic_next_timer(const struct lapic *lapic);
/* Lets the timer run until `now`. Several periods that have passed are one interrupt. true: it raised one. */
bool lapic_tick(struct lapic *lapic, uint64_t now);

/* Which of `count` CPUs an IPI is for: bit n is lapics[n]. LAPIC_LOWEST picks the one of lowest priority, then number.
 * count: up to 32. */
uint32_t lapic_destinations(const struct lapic *const lapics[], unsigned count, const struct lapic_ipi *ipi);

#endif
