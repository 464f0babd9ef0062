/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/deliver.c: the ways into a guest's kernel: SYSCALL, exceptions, interrupts, through the guest's own tables
 * (Intel SDM vol. 3A §6.14; vol. 2B, SYSCALL). What the machine does for a real kernel, for a virtual one.
 */
#include "arch-vmm/kernel.h"
#include "guest/x86.h"

#define VECTOR_DIVIDE 0
#define RFLAGS_NT 0x4000
#define GATE_INTERRUPT 14
#define GATE_TRAP 15
#define TSS_RSP0 4
#define TSS_IST1 36

struct arrival {
    unsigned vector;
    uint32_t error;
    bool has_error, software, external;
    unsigned length; /* of the instruction, if `software`: RIP is behind it, and at it again if it is refused */
};

/* What went wrong on the way; vector NONE: nothing. */
#define NONE 256
struct mishap {
    unsigned vector;
    uint32_t error;
    uint64_t address;
};

static struct mishap page_fault_of(const struct trouble *trouble)
{
    return (struct mishap){VECTOR_PAGE_FAULT, trouble->error, trouble->address};
}

struct gate {
    uint64_t target;
    uint16_t selector;
    unsigned ist, type, dpl;
    bool present;
};

static struct gate parse(uint64_t low, uint64_t high)
{
    return (struct gate){
        .target = (low & 0xffff) | (low >> 32 & 0xffff0000) | high << 32,
        .selector = (uint16_t)(low >> 16),
        .ist = low >> 32 & 7,
        .type = low >> 40 & 15,
        .dpl = low >> 45 & 3,
        .present = low >> 47 & 1,
    };
}

/* SDM vol. 3A §6.12.1, §6.13: the error code names the gate. */
static struct mishap read_gate(struct vcpu *v, const struct arrival *a, struct gate *gate)
{
    uint64_t at = v->idt.base + a->vector * 16ul, words[2];
    uint32_t error = a->vector << 3 | 2, external = a->software ? 0 : 1;
    struct trouble trouble;

    if (a->vector * 16ul + 15 > v->idt.limit)
        return (struct mishap){VECTOR_PROTECTION, error | external, 0};
    if (!guest_read(v, at, words, sizeof(words), false, &trouble))
        return page_fault_of(&trouble);
    *gate = parse(words[0], words[1]);
    if ((gate->type != GATE_INTERRUPT && gate->type != GATE_TRAP) || (a->software && !v->kernel && gate->dpl < 3))
        return (struct mishap){VECTOR_PROTECTION, error | external, 0};
    if (!gate->present)
        return (struct mishap){VECTOR_NOT_PRESENT, error | external, 0};
    return (struct mishap){.vector = NONE};
}

/* A 64-bit code segment of DPL 0. */
static struct mishap check_code(struct vcpu *v, uint16_t selector, uint32_t external)
{
    struct trouble trouble;
    uint64_t descriptor;

    if (!(selector & 0xfffc) || selector & 4 || (selector | 7u) > v->gdt.limit)
        return (struct mishap){VECTOR_PROTECTION, (selector & 0xfffcu) | external, 0};
    if (!guest_read(v, v->gdt.base + (selector & 0xfff8u), &descriptor, 8, false, &trouble))
        return page_fault_of(&trouble);
    if ((descriptor >> 43 & 3) != 3 || descriptor >> 45 & 3 || !(descriptor >> 53 & 1))
        return (struct mishap){VECTOR_PROTECTION, (selector & 0xfffcu) | external, 0};
    if (!(descriptor >> 47 & 1))
        return (struct mishap){VECTOR_NOT_PRESENT, (selector & 0xfffcu) | external, 0};
    return (struct mishap){.vector = NONE};
}

static bool find_stack(struct vcpu *v, const struct gate *gate, uint64_t *rsp, struct trouble *trouble)
{
    *rsp = vcpu_regs(v)->rsp;
    if (gate->ist)
        return guest_read(v, v->tss.base + TSS_IST1 + (gate->ist - 1) * 8ul, rsp, 8, false, trouble);
    return v->kernel || guest_read(v, v->tss.base + TSS_RSP0, rsp, 8, false, trouble);
}

struct pushed {
    uint64_t error, rip, cs, rflags, rsp, ss;
};

static bool push_frame(struct vcpu *v, const struct arrival *a, uint64_t *rsp, struct trouble *trouble)
{
    const struct user_regs *r = vcpu_regs(v);
    struct pushed frame = {a->error, r->rip, v->cs, vcpu_flags(v), r->rsp, v->ss};
    size_t skip = a->has_error ? 0 : sizeof(frame.error);

    *rsp = (*rsp & ~15ul) - (sizeof(frame) - skip);
    return guest_write(v, *rsp, (const char *)&frame + skip, sizeof(frame) - skip, false, trouble);
}

/* One attempt: nothing has changed when it fails. */
static struct mishap try(struct vcpu *v, const struct arrival *a)
{
    struct user_regs *r = vcpu_regs(v);
    struct trouble trouble;
    struct gate gate;
    struct mishap mishap = read_gate(v, a, &gate);
    uint64_t rsp, flags;

    if (mishap.vector == NONE)
        mishap = check_code(v, gate.selector, a->software ? 0 : 1);
    if (mishap.vector == NONE && !is_canonical(gate.target))
        mishap = (struct mishap){VECTOR_PROTECTION, a->software ? 0 : 1, 0};
    if (mishap.vector != NONE)
        return mishap;
    if (!find_stack(v, &gate, &rsp, &trouble) || !push_frame(v, a, &rsp, &trouble))
        return page_fault_of(&trouble);
    flags = vcpu_flags(v) & ~(uint64_t)(RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | (gate.type == GATE_INTERRUPT ? RFLAGS_IF : 0));
    v->ss = v->kernel ? v->ss : 0;
    v->cs = gate.selector & 0xfffc;
    v->kernel = true;
    vcpu_set_flags(v, flags);
    r->rip = gate.target;
    r->rsp = rsp;
    return mishap;
}

static bool contributory(unsigned vector)
{
    return vector == VECTOR_DIVIDE || (vector >= VECTOR_TASK_SEGMENT && vector <= VECTOR_PROTECTION);
}

/* SDM vol. 3A table 6-5. */
static bool doubles(unsigned first, unsigned second)
{
    if (first == VECTOR_PAGE_FAULT)
        return contributory(second) || second == VECTOR_PAGE_FAULT;
    return contributory(first) && contributory(second);
}

static bool has_error_code(unsigned vector)
{
    return vector == VECTOR_DOUBLE_FAULT || (vector >= VECTOR_TASK_SEGMENT && vector <= VECTOR_PAGE_FAULT) || vector == 17 || vector == 21;
}

static void deliver(struct vcpu *v, struct arrival a)
{
    for (;;) {
        struct mishap mishap = try(v, &a);

        if (mishap.vector == NONE)
            return;
        if (a.vector == VECTOR_DOUBLE_FAULT && !a.external && !a.software)
            guest_crash(v->guest, "triple fault: exception %u while a double fault was delivered", mishap.vector);
        if (mishap.vector == VECTOR_PAGE_FAULT)
            v->cr2 = mishap.address;
        vcpu_regs(v)->rip -= a.length;
        if (!a.external && !a.software && doubles(a.vector, mishap.vector))
            mishap = (struct mishap){VECTOR_DOUBLE_FAULT, 0, 0};
        a = (struct arrival){.vector = mishap.vector, .error = mishap.error, .has_error = true};
    }
}

void deliver_exception(struct vcpu *v, unsigned vector, uint32_t error)
{
    deliver(v, (struct arrival){.vector = vector, .error = error, .has_error = has_error_code(vector)});
}

void deliver_page_fault(struct vcpu *v, uint64_t address, uint32_t error)
{
    v->cr2 = address;
    deliver_exception(v, VECTOR_PAGE_FAULT, error);
}

void deliver_software(struct vcpu *v, unsigned vector, unsigned length)
{
    deliver(v, (struct arrival){.vector = vector, .software = true, .length = length});
}

void deliver_interrupt(struct vcpu *v, unsigned vector)
{
    deliver(v, (struct arrival){.vector = vector, .external = true});
}

void deliver_syscall(struct vcpu *v)
{
    struct user_regs *r = vcpu_regs(v);
    uint64_t flags = vcpu_flags(v) & ~(uint64_t)RFLAGS_RF;

    if (!(v->efer & EFER_SCE)) {
        r->rip -= 2;
        deliver_exception(v, VECTOR_UNDEFINED, 0);
        return;
    }
    r->rcx = r->rip;
    r->r11 = flags;
    v->kernel = true;
    v->cs = v->star >> 32 & 0xfffc;
    v->ss = (uint16_t)(v->cs + 8);
    vcpu_set_flags(v, flags & ~v->fmask);
    r->rip = v->lstar;
}
