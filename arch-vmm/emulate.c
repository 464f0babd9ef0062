/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/emulate.c: the instructions that trap in ring 3, carried out on the virtual CPU (Intel SDM vol. 2).
 *
 * Each privileged one has a function in emulate_system.c, which raises on the guest what a processor would raise, or changes the
 * virtual CPU; RIP moves on behind it unless the function set it itself. Here they are found, and loads and stores are made
 * that meet a device or a page table. What the decoder does not know ends the guest, with a report: a guess would
 * be a wrong result later.
 */
#include "arch-vmm/emulate.h"
#include "guest/x86.h"

#define REGISTER(name) offsetof(struct user_regs, name)

uint64_t *general(struct vcpu *v, unsigned number)
{
    static const uint8_t at[16] = {
        REGISTER(rax), REGISTER(rcx), REGISTER(rdx), REGISTER(rbx), REGISTER(rsp), REGISTER(rbp), REGISTER(rsi), REGISTER(rdi),
        REGISTER(r8),  REGISTER(r9),  REGISTER(r10), REGISTER(r11), REGISTER(r12), REGISTER(r13), REGISTER(r14), REGISTER(r15),
    };

    return (uint64_t *)((char *)vcpu_regs(v) + at[number & 15]);
}

uint64_t address_of(struct vcpu *v, const struct decoded *d)
{
    uint64_t registers[16];
    bool fs = d->memory.segment == 1, gs = d->memory.segment == 2;

    for (unsigned i = 0; i < 16; i++)
        registers[i] = *general(v, i);
    return decoded_address(d, registers, vcpu_regs(v)->rip + d->length, fs ? read_msr(MSR_FS_BASE) : 0, gs ? vcpu_gs() : 0);
}

/* ---- privileged instructions ---- */

static _Noreturn void unknown(struct vcpu *v, unsigned vector, uint32_t error, const uint8_t *code, size_t bytes)
{
    uint8_t shown[8] = {0};

    for (size_t i = 0; i < sizeof(shown) && i < bytes; i++)
        shown[i] = code[i];
    guest_crash(v->guest, "exception %u, error %x, by an instruction that is not emulated: %x %x %x %x %x %x %x %x", vector, error,
                shown[0], shown[1], shown[2], shown[3], shown[4], shown[5], shown[6], shown[7]);
}

static void finish(struct execution *e, enum outcome outcome)
{
    if (outcome == DONE)
        vcpu_regs(e->v)->rip += e->d.length;
    else if (outcome == REFUSED)
        deliver_exception(e->v, VECTOR_PROTECTION, 0);
    else if (outcome == UNDEFINED)
        deliver_exception(e->v, VECTOR_UNDEFINED, 0);
    else if (outcome == FAULTED)
        deliver_page_fault(e->v, e->trouble.address, e->trouble.error);
}

void emulate_privileged(struct vcpu *v, unsigned vector, uint32_t error)
{
    struct execution e = {.v = v};
    uint8_t code[CODE_BYTES];
    size_t bytes = guest_fetch(v, code);
    enum outcome outcome = decode(code, bytes, &e.d) ? execute(&e) : UNKNOWN;

    if (outcome == UNKNOWN && vector == VECTOR_UNDEFINED)
        outcome = UNDEFINED;
    if (outcome == UNKNOWN)
        unknown(v, vector, error, code, bytes);
    finish(&e, outcome);
}

/* IRET within its ring, and INT n through a gate of the guest's. */
bool emulate_program(struct vcpu *v, uint32_t error)
{
    struct execution e = {.v = v};
    uint8_t code[CODE_BYTES];

    if (!decode(code, guest_fetch(v, code), &e.d) || (e.d.op != OP_IRET && e.d.op != OP_INT))
        return false;
    finish(&e, execute(&e));
    return true;
}

/* ---- memory operands ---- */

static void register_write(struct vcpu *v, const struct decoded *d, uint64_t value)
{
    uint64_t *to = general(v, d->high_byte ? d->reg & 3 : d->reg);
    unsigned bits = d->width * 8u;

    if (d->sign && bits < 64)
        value = (uint64_t)((int64_t)(value << (64 - bits)) >> (64 - bits));
    if (d->high_byte)
        *to = (*to & ~0xff00ul) | (value & 0xff) << 8;
    else if (d->target == 8)
        *to = value;
    else if (d->target == 4)
        *to = (uint32_t)value;
    else if (d->target == 2)
        *to = (*to & ~0xfffful) | (value & 0xffff);
    else
        *to = (*to & ~0xfful) | (value & 0xff);
}

static uint64_t register_read(struct vcpu *v, const struct decoded *d)
{
    uint64_t value = d->immediate_used ? (uint64_t)d->immediate : *general(v, d->high_byte ? d->reg & 3 : d->reg);

    value = d->high_byte && !d->immediate_used ? value >> 8 : value;
    return d->width == 8 ? value : value & ((1ul << d->width * 8) - 1);
}

void emulate_device_access(struct vcpu *v, uint64_t address, uint64_t physical)
{
    struct decoded d;
    uint8_t code[CODE_BYTES];
    size_t bytes = guest_fetch(v, code);

    if (!decode(code, bytes, &d) || (d.op != OP_LOAD && d.op != OP_STORE) || address_of(v, &d) != address)
        unknown(v, VECTOR_PAGE_FAULT, 0, code, bytes);
    vcpu_regs(v)->rip += d.length;
    if (d.op == OP_LOAD)
        register_write(v, &d, bus_read(v->guest, physical, d.width));
    else
        bus_write(v->guest, physical, d.width, register_read(v, &d));
}

bool emulate_table_store(struct vcpu *v, uint64_t address, uint64_t physical)
{
    struct decoded d;
    uint8_t code[CODE_BYTES], *to;
    uint64_t value;

    if (!decode(code, guest_fetch(v, code), &d) || d.op != OP_STORE || address_of(v, &d) != address)
        return false;
    if (physical % 8 + d.width > 8)
        return false;
    to = guest_memory(v->guest, physical, d.width);
    value = register_read(v, &d);
    if (d.width == 8)
        *(uint64_t *)to = value;
    else
        for (unsigned i = 0; i < d.width; i++)
            to[i] = (uint8_t)(value >> 8 * i);
    shadow_wrote(v->guest, physical);
    vcpu_regs(v)->rip += d.length;
    return true;
}
