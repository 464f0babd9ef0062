/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/faults.c: an exception in ring 3: an instruction to emulate, a page to shadow, or the guest's own affair.
 */
#include "arch-vmm/kernel.h"
#include "guest/x86.h"

#define VECTOR_BREAKPOINT 3
#define VECTOR_OVERFLOW 4

static enum vm_access access_of(uint64_t error)
{
    if (error & FAULT_FETCH)
        return VM_EXECUTE;
    return error & FAULT_WRITE ? VM_STORE : VM_LOAD;
}

/* A store that is not a plain one is made by the processor, once the page is an ordinary one. */
static void store_to_table(struct vcpu *v, uint64_t address, const struct walk *walk)
{
    if (emulate_table_store(v, address, walk->address))
        return;
    shadow_release(v->guest, walk->address);
    shadow_fill(v, address, VM_STORE, walk);
    if (shadow_guards(v->guest, walk->address))
        guest_crash(v->guest, "its instruction changes the page table that translates its own operand, %lx, and is no plain store", address);
}

static void page_fault(struct vcpu *v, uint64_t address, uint64_t error)
{
    enum vm_access access = access_of(error);
    struct walk walk;
    uint32_t refused = guest_walk(v, address, access, !v->kernel, &walk);

    if (refused)
        deliver_page_fault(v, address, refused & ~WALK_FAULT);
    else if (address >= MONITOR_BEGIN && address < MONITOR_END)
        guest_crash(v->guest, "it uses address %lx, where the monitor is", address);
    else if (!guest_memory(v->guest, walk.address & ~(PAGE_BYTES - 1), PAGE_BYTES))
        emulate_device_access(v, address, walk.address);
    else if (access == VM_STORE && shadow_guards(v->guest, walk.address))
        store_to_table(v, address, &walk);
    else
        shadow_fill(v, address, access, &walk);
}

static void exception(struct vcpu *v, const struct user_regs *regs)
{
    unsigned vector = (unsigned)regs->vector;
    bool may_be_privileged = vector == VECTOR_PROTECTION || vector == VECTOR_UNDEFINED;

    if (vector == VECTOR_PAGE_FAULT)
        page_fault(v, read_cr2(), regs->error);
    else if (may_be_privileged && v->kernel)
        emulate_privileged(v, vector, (uint32_t)regs->error);
    else if (vector == VECTOR_BREAKPOINT || vector == VECTOR_OVERFLOW)
        deliver_software(v, vector, 1);
    else if (vector != VECTOR_PROTECTION || !emulate_program(v, (uint32_t)regs->error))
        deliver_exception(v, vector, (uint32_t)regs->error);
}

void fault_any(struct user_regs *regs)
{
    if (!from_user(regs))
        trap_panic(regs);
    exception(vcpu_current(), regs);
}

void fault_device(struct user_regs *regs)
{
    if (regs->vector == VECTOR_VIRTIO_BLK)
        disk_interrupt();
    else
        console_interrupt();
    if (monitor.save_due) /* a guest that sleeps may have waited for this alone, and its kernel not */
        vcpu_wake(&monitor.guest[0]->cpu);
}
