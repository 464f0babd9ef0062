/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/tasks.c: virtual CPUs as threads of the scheduler that all kernels here have: slices among guests, sleep while
 * halted.
 *
 * A virtual CPU's thread is in ring 0 only from a trap to the return from it, with the guest's registers at the top of its
 * stack; what the processor has for the guest besides (FPU, segment bases, CR0.TS, CR3) stays loaded until another guest
 * runs.
 */
#include "arch-vmm/kernel.h"
#include "guest/clock.h"
#include "guest/print.h"
#include "guest/x86.h"

#define RFLAGS_NT 0x4000
#define RFLAGS_IOPL 0x3000
#define RFLAGS_AC 0x40000
#define OPCODE_HLT 0xf4
#define VECTOR_TIMER_FIRST 16 /* SDM vol. 3A §10.5.2: lower ones are errors */

/* ---- flags and bases ---- */

uint64_t vcpu_flags(struct vcpu *v)
{
    uint64_t real = vcpu_regs(v)->rflags & RFLAGS_USER;

    return real | RFLAGS_FIXED | v->flags | (v->interrupts ? RFLAGS_IF : 0);
}

/* AC is alignment checking at CPL 3; at CPL 0 it is SMAP's, and means nothing to the processor. */
void vcpu_set_flags(struct vcpu *v, uint64_t flags)
{
    uint64_t hidden = RFLAGS_NT | RFLAGS_IOPL | (v->kernel ? RFLAGS_AC : 0);

    v->interrupts = flags & RFLAGS_IF;
    v->flags = flags & hidden;
    vcpu_regs(v)->rflags = (flags & RFLAGS_USER & ~hidden) | RFLAGS_IF | RFLAGS_FIXED;
}

/* While the monitor runs the processor keeps the guest's GS base where SWAPGS put it. */
uint64_t vcpu_gs(void)
{
    return read_msr(MSR_KERNEL_GS_BASE);
}

void vcpu_set_gs(uint64_t base)
{
    write_msr(MSR_KERNEL_GS_BASE, base);
}

/* ---- time and interrupts ---- */

uint64_t guest_clock(const struct guest *guest)
{
    return clock_cycles() + (uint64_t)guest->clock_offset;
}

static uint64_t channel_of(const struct vcpu *v)
{
    return (uint64_t)v;
}

/* Who was asleep while others ran comes first when he wakes up, or each wait would cost him their slices: a guest that spins
 * would slow down every disk transfer of the others. CPU time decides, so that nobody gets more than his share by sleeping: a
 * sleeper may be a slice ahead of who runs, and a long sleep counts for one slice. */
static void hurry(struct vcpu *v)
{
    struct vcpu *running = vcpu_current();
    int64_t mine, others;

    if (monitor.guests == 1 || running == v || running->thread.state != THREAD_RUNNING)
        return;
    others = (int64_t)sched_used_ns(&running->thread) + running->bias;
    mine = (int64_t)v->thread.used_ns + v->bias;
    if (mine < others - (int64_t)SCHED_SLICE_NS)
        v->bias += others - (int64_t)SCHED_SLICE_NS - mine;
    if (mine < others + (int64_t)SCHED_SLICE_NS)
        monitor.hurried = v;
}

void vcpu_wake(struct vcpu *v)
{
    if (!v->halted)
        return;
    sched_wake(channel_of(v));
    hurry(v);
}

static void let_hurried_run(struct vcpu *v)
{
    struct vcpu *to = monitor.hurried;

    monitor.hurried = NULL;
    if (to != v)
        sched_yield_to(&to->thread);
}

void vcpu_interrupt(struct vcpu *v, unsigned vector)
{
    if (lapic_raise(&v->lapic, vector))
        vcpu_wake(v);
}

/* Whether anybody would notice: not while the interrupt of the last time still waits. So a guest whose timer is always
 * due costs one alarm for each interrupt that it takes, and none while another one runs. */
static bool timer_is_heard(const struct lapic *lapic)
{
    unsigned vector = lapic->lvt[0] & 0xff;

    return vector >= VECTOR_TIMER_FIRST && !(lapic->irr[vector / 32] >> vector % 32 & 1);
}

void vcpu_timer_update(struct vcpu *v)
{
    uint64_t next = lapic_next_timer(&v->lapic);

    if (next == LAPIC_NEVER || !timer_is_heard(&v->lapic))
        alarm_cancel(&v->timer);
    else
        alarm_set(&v->timer, clock_ns_of(next - (uint64_t)v->guest->clock_offset));
}

static void timer_expired(struct alarm *alarm)
{
    struct vcpu *v = LIST_MEMBER(alarm, struct vcpu, timer);

    lapic_tick(&v->lapic, guest_clock(v->guest));
    if (lapic_pending(&v->lapic) >= 0)
        vcpu_wake(v);
    vcpu_timer_update(v);
}

/* To itself, as there is no other. NMI, INIT and SIPI do nothing here: as on the machine, where nobody sends them to who runs. */
static void send_ipi(void *self, const struct lapic_ipi *ipi)
{
    struct vcpu *v = self;
    const struct lapic *only = &v->lapic;

    if ((ipi->delivery == LAPIC_FIXED || ipi->delivery == LAPIC_LOWEST) && lapic_destinations(&only, 1, ipi))
        vcpu_interrupt(v, ipi->vector);
}

/* A processor that is halted with interrupts off is so for ever. */
void vcpu_halt(struct vcpu *v)
{
    if (!v->interrupts)
        guest_crash(v->guest, "HLT with interrupts off");
    v->halted = true;
    if (monitor.guests > 1)
        sched_used_ns(&v->thread); /* samples it: hurry() compares */
    while (lapic_pending(&v->lapic) < 0) {
        guest_save_if_due(v->guest);
        sched_sleep(channel_of(v), SCHED_FOREVER, false);
    }
    v->halted = false;
}

/* STI holds interrupts back until the next instruction is done (SDM vol. 2B, STI). That matters for HLT alone, which would
 * sleep through what it waits for. */
static bool halts_next(struct vcpu *v)
{
    uint8_t code[CODE_BYTES];

    return v->kernel && guest_fetch(v, code) && code[0] == OPCODE_HLT;
}

static void take_interrupt(struct vcpu *v)
{
    int vector = lapic_pending(&v->lapic);

    if (vector < 0 || !v->interrupts || halts_next(v))
        return;
    lapic_accept(&v->lapic, (unsigned)vector);
    if ((v->lapic.lvt[0] & 0xff) == (unsigned)vector)
        vcpu_timer_update(v);
    deliver_interrupt(v, (unsigned)vector);
}

/* An instruction that was emulated can have been the last one below the hole of the address space. What follows is the
 * guest's fault, and not one of the monitor's IRETQ. */
static void refuse_bad_rip(struct vcpu *v)
{
    if (unlikely(!is_canonical(vcpu_regs(v)->rip)))
        deliver_exception(v, VECTOR_PROTECTION, 0);
}

/* ---- into ring 3 ---- */

static void set_real_task_switched(bool on)
{
    if (on && !monitor.task_switched)
        set_task_switched();
    if (!on && monitor.task_switched)
        clear_task_switched();
    monitor.task_switched = on;
}

/* The bases are the guest's, who changes them unseen; they are saved when another one needs the place. */
static void load_state(struct vcpu *v)
{
    struct vcpu *last = monitor.bases_of;

    if (last != v) {
        set_real_task_switched(false);
        if (last) {
            last->thread.context->fs_base = read_msr(MSR_FS_BASE);
            last->thread.context->gs_base = vcpu_gs();
        }
        monitor.bases_of = v;
        thread_load_user_state();
    }
    set_real_task_switched(v->cr0 & CR0_TS);
}

static inline void give_way(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();

    while (unlikely(cpu->reschedule))
        sched_before_user();
    if (unlikely(monitor.hurried))
        let_hurried_run(v);
}

void vcpu_pause(struct vcpu *v)
{
    take_interrupts();
    give_way(v);
}

void vcpu_leave(struct vcpu *v)
{
    give_way(v);
    guest_save_if_due(v->guest);
    refuse_bad_rip(v);
    take_interrupt(v);
    load_state(v);
    shadow_load(v);
}

void kernel_user_return(struct user_regs *regs)
{
    vcpu_leave(vcpu_current());
}

/* ---- life ---- */

static void begin(void *argument)
{
    struct vcpu *v = argument;

    if (v->halted) /* it was saved so */
        vcpu_halt(v);
    vcpu_leave(v);
    return_to_user(vcpu_regs(v));
}

static void released(struct thread *thread)
{
}

void vcpu_init(struct vcpu *v, struct guest *guest)
{
    v->guest = guest;
    if (!thread_init(&v->thread, begin, v, released))
        panic("guest %u: not enough memory for a virtual CPU", guest->number);
    v->thread.changed = false; /* its registers are what the guest has, not what a program may */
    lapic_create(&v->lapic, 0, send_ipi, v);
    alarm_init(&v->timer, timer_expired);
}

void vcpu_start(struct vcpu *v)
{
    sched_ready(&v->thread);
}
