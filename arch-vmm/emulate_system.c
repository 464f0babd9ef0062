/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/emulate_system.c: privileged instructions, one function each, on the virtual CPU (Intel SDM vol. 2).
 */
#include "arch-vmm/emulate.h"
#include "guest/print.h"
#include "guest/x86.h"

#define CR0_WRITABLE 0xe005003ful /* PE MP EM TS ET NE, WP AM, NW CD PG */
#define CR0_PE 0x1ul
#define CR0_PG (1ul << 31)
#define CR0_REQUIRED (CR0_PE | CR0_PG)
#define CR4_PAE (1ul << 5)
/* What CPUID offers: VME … PGE, OSFXSR, OSXMMEXCPT, PCIDE, SMEP, SMAP. */
#define CR4_KNOWN (0x7fful | CR4_PCIDE | CR4_SMEP | CR4_SMAP)
#define EFER_WRITABLE (EFER_SCE | 1ul << 11)
#define EFER_BOOT 0xd00ul /* LME LMA NXE */
#define RFLAGS_NT 0x4000
#define RFLAGS_IOPL 0x3000
#define RFLAGS_AC 0x40000
#define MSR_EFER 0xc0000080

static bool load(struct execution *e, void *to, size_t bytes)
{
    return guest_read(e->v, address_of(e->v, &e->d), to, bytes, false, &e->trouble);
}

/* ---- interrupts and halting ---- */

static enum outcome do_cli(struct execution *e)
{
    e->v->interrupts = false;
    return DONE;
}

static enum outcome do_sti(struct execution *e)
{
    e->v->interrupts = true;
    return DONE;
}

static enum outcome do_hlt(struct execution *e)
{
    vcpu_regs(e->v)->rip += e->d.length;
    vcpu_halt(e->v);
    return JUMPED;
}

/* ---- SMAP: AC of a kernel is kept, and means nothing here ---- */

static enum outcome do_clac(struct execution *e)
{
    e->v->flags &= ~(uint64_t)RFLAGS_AC;
    return DONE;
}

static enum outcome do_stac(struct execution *e)
{
    e->v->flags |= RFLAGS_AC;
    return DONE;
}

/* ---- control registers ---- */

static enum outcome do_clts(struct execution *e)
{
    e->v->cr0 &= ~CR0_TS;
    return DONE;
}

/* Rights have another meaning when WP changes. Real mode, and paging off, there are not. */
static enum outcome write_cr0(struct vcpu *v, uint64_t value)
{
    if (value >> 32 || (value & CR0_REQUIRED) != CR0_REQUIRED)
        return value >> 32 ? REFUSED : UNKNOWN;
    if ((v->cr0 ^ value) & CR0_WP)
        shadow_forget(v->guest);
    v->cr0 = (v->cr0 & ~CR0_WRITABLE) | (value & CR0_WRITABLE);
    return DONE;
}

static enum outcome write_guest_cr3(struct vcpu *v, uint64_t value)
{
    bool tagged = v->cr4 & CR4_PCIDE;
    bool keep = tagged && value & CR3_NOFLUSH;

    if (tagged)
        value &= ~CR3_NOFLUSH;
    if (value >> 52)
        return REFUSED;
    v->cr3 = value;
    shadow_switch(v, keep);
    return DONE;
}

static enum outcome write_guest_cr4(struct vcpu *v, uint64_t value)
{
    uint64_t changed = v->cr4 ^ value;

    if (value & ~CR4_KNOWN || !(value & CR4_PAE))
        return REFUSED;
    if (changed & value & CR4_PCIDE && v->cr3 & (PAGE_BYTES - 1))
        return REFUSED;
    v->cr4 = value;
    if (changed & CR4_SMEP)
        shadow_forget(v->guest);
    else if (changed & (CR4_PGE | CR4_PCIDE))
        shadow_flush_all(v->guest);
    return DONE;
}

static enum outcome do_write_cr(struct execution *e)
{
    uint64_t value = *general(e->v, e->d.rm);

    switch (e->d.reg) {
    case 0:
        return write_cr0(e->v, value);
    case 2:
        e->v->cr2 = value;
        return DONE;
    case 3:
        return write_guest_cr3(e->v, value);
    case 4:
        return write_guest_cr4(e->v, value);
    case 8:
        lapic_write(&e->v->lapic, LAPIC_TPR, (uint32_t)(value & 15) << 4, guest_clock(e->v->guest));
        return DONE;
    default:
        return UNDEFINED;
    }
}

static enum outcome do_read_cr(struct execution *e)
{
    const struct vcpu *v = e->v;
    uint64_t *to = general(e->v, e->d.rm);

    switch (e->d.reg) {
    case 0:
        *to = v->cr0;
        return DONE;
    case 2:
        *to = v->cr2;
        return DONE;
    case 3:
        *to = v->cr3;
        return DONE;
    case 4:
        *to = v->cr4;
        return DONE;
    case 8:
        *to = v->lapic.tpr >> 4;
        return DONE;
    default:
        return UNDEFINED;
    }
}

/* ---- translations ---- */

static enum outcome do_invlpg(struct execution *e)
{
    shadow_flush_page(e->v, address_of(e->v, &e->d));
    return DONE;
}

/* The tags are the guest's own, not ours: but for one address, all of its translations go. */
static enum outcome do_invpcid(struct execution *e)
{
    uint64_t type = *general(e->v, e->d.reg), descriptor[2];

    if (!load(e, descriptor, sizeof(descriptor)))
        return FAULTED;
    if (type > 3 || descriptor[0] >> 12 || (type == 0 && !is_canonical(descriptor[1])))
        return REFUSED;
    if (type < 2 && descriptor[0] && !(e->v->cr4 & CR4_PCIDE))
        return REFUSED;
    if (type == 0 && descriptor[0] == (e->v->cr3 & 0xfff))
        shadow_flush_page(e->v, descriptor[1]);
    else
        shadow_flush_all(e->v->guest);
    return DONE;
}

/* ---- tables ---- */

struct descriptor_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static enum outcome load_table(struct execution *e, struct table_register *table)
{
    struct descriptor_pointer pointer;

    if (!load(e, &pointer, sizeof(pointer)))
        return FAULTED;
    if (!is_canonical(pointer.base))
        return REFUSED;
    *table = (struct table_register){pointer.base, pointer.limit};
    return DONE;
}

static enum outcome do_lgdt(struct execution *e)
{
    return load_table(e, &e->v->gdt);
}

static enum outcome do_lidt(struct execution *e)
{
    return load_table(e, &e->v->idt);
}

/* A 64-bit TSS descriptor (SDM vol. 3A §8.2.3): it becomes busy. */
static enum outcome do_ltr(struct execution *e)
{
    struct vcpu *v = e->v;
    uint16_t selector = (uint16_t)*general(v, e->d.rm);
    uint64_t at = v->gdt.base + (selector & 0xfff8u), low, high;

    if (e->d.has_memory)
        return UNKNOWN;
    if (!(selector & 0xfff8) || selector & 4 || (selector | 15u) > v->gdt.limit)
        return REFUSED;
    if (!guest_read(v, at, &low, 8, false, &e->trouble) || !guest_read(v, at + 8, &high, 8, false, &e->trouble))
        return FAULTED;
    if ((low >> 40 & 0x1f) != 9 || !(low >> 47 & 1))
        return REFUSED;
    v->tr = selector;
    v->tss.base = (low >> 16 & 0xffffff) | (low >> 32 & 0xff000000) | high << 32;
    v->tss.limit = (uint32_t)((low & 0xffff) | (low >> 32 & 0xf0000));
    low |= 2ul << 40;
    return guest_write(v, at, &low, 8, false, &e->trouble) ? DONE : FAULTED;
}

/* Only the null selector: there are no LDTs here. */
static enum outcome do_lldt(struct execution *e)
{
    return !e->d.has_memory && !(*general(e->v, e->d.rm) & 0xfffc) ? DONE : UNKNOWN;
}

/* ---- model-specific registers ---- */

static enum outcome base_write(uint64_t value, void (*write)(uint64_t))
{
    if (!is_canonical(value))
        return REFUSED;
    write(value);
    return DONE;
}

static void write_fs_base(uint64_t value)
{
    write_msr(MSR_FS_BASE, value);
}

static enum outcome do_wrmsr(struct execution *e)
{
    struct vcpu *v = e->v;
    const struct user_regs *r = vcpu_regs(v);
    uint64_t value = (uint32_t)r->rax | r->rdx << 32;

    switch ((uint32_t)r->rcx) {
    case MSR_FS_BASE:
        return base_write(value, write_fs_base);
    case MSR_GS_BASE:
        return base_write(value, vcpu_set_gs);
    case MSR_KERNEL_GS_BASE:
        v->kernel_gs = value;
        return is_canonical(value) ? DONE : UNKNOWN;
    case MSR_STAR:
        v->star = value;
        return DONE;
    case MSR_LSTAR:
        v->lstar = value;
        return is_canonical(value) ? DONE : UNKNOWN;
    case MSR_FMASK:
        v->fmask = (uint32_t)value;
        return DONE;
    case MSR_EFER:
        v->efer = (v->efer & ~EFER_WRITABLE) | (value & EFER_WRITABLE);
        return (value & ~EFER_WRITABLE) == EFER_BOOT - (1ul << 11) ? DONE : UNKNOWN;
    default:
        return REFUSED;
    }
}

static enum outcome do_rdmsr(struct execution *e)
{
    struct vcpu *v = e->v;
    struct user_regs *r = vcpu_regs(v);
    uint64_t value;

    switch ((uint32_t)r->rcx) {
    case MSR_FS_BASE:
        value = read_msr(MSR_FS_BASE);
        break;
    case MSR_GS_BASE:
        value = vcpu_gs();
        break;
    case MSR_KERNEL_GS_BASE:
        value = v->kernel_gs;
        break;
    case MSR_STAR:
        value = v->star;
        break;
    case MSR_LSTAR:
        value = v->lstar;
        break;
    case MSR_FMASK:
        value = v->fmask;
        break;
    case MSR_EFER:
        value = v->efer;
        break;
    default:
        return REFUSED;
    }
    r->rax = (uint32_t)value;
    r->rdx = value >> 32;
    return DONE;
}

static enum outcome do_swapgs(struct execution *e)
{
    uint64_t other = e->v->kernel_gs;

    e->v->kernel_gs = vcpu_gs();
    vcpu_set_gs(other);
    return DONE;
}

/* ---- ports ---- */

static uint16_t port_of(struct execution *e)
{
    return e->d.immediate_used ? (uint8_t)e->d.immediate : (uint16_t)vcpu_regs(e->v)->rdx;
}

static enum outcome do_out(struct execution *e)
{
    uint64_t mask = e->d.width == 4 ? 0xffffffff : e->d.width == 2 ? 0xffff : 0xff;

    vcpu_regs(e->v)->rip += e->d.length;
    port_write(e->v->guest, port_of(e), e->d.width, (uint32_t)(vcpu_regs(e->v)->rax & mask));
    return JUMPED;
}

/* Nothing answers: all ones. */
static enum outcome do_in(struct execution *e)
{
    struct user_regs *r = vcpu_regs(e->v);

    r->rax = e->d.width == 4 ? 0xffffffff : e->d.width == 2 ? r->rax | 0xffff : r->rax | 0xff;
    return DONE;
}

/* ---- ways back ---- */

/* SDM vol. 2B, SYSRET. */
static enum outcome do_sysret(struct execution *e)
{
    struct vcpu *v = e->v;
    struct user_regs *r = vcpu_regs(v);

    if (!(v->efer & EFER_SCE))
        return UNDEFINED;
    if (!e->d.wide)
        return UNKNOWN;
    if (!is_canonical(r->rcx))
        return REFUSED;
    v->kernel = false;
    v->cs = (uint16_t)((v->star >> 48) + 16) | 3;
    v->ss = (uint16_t)((v->star >> 48) + 8) | 3;
    vcpu_set_flags(v, r->r11 & ~(uint64_t)RFLAGS_RF);
    r->rip = r->rcx;
    if (r->rflags == r->r11)
        r->vector = VECTOR_SYSCALL_ENTRY; /* so that the monitor may leave by SYSRET as well */
    return JUMPED;
}

struct iret_frame {
    uint64_t rip, cs, rflags, rsp, ss;
};

/* To where the frame says; at the same CPL or less privileged. What may change of the flags depends on the CPL. */
static enum outcome leave_by(struct vcpu *v, const struct iret_frame *f)
{
    struct user_regs *r = vcpu_regs(v);
    uint64_t kept = v->kernel ? 0 : RFLAGS_IF | RFLAGS_IOPL;
    uint64_t flags = (f->rflags & ~kept) | (vcpu_flags(v) & kept);
    unsigned cpl = f->cs & 3;

    if (!is_canonical(f->rip) || !(f->cs & 0xfffc) || cpl == 1 || cpl == 2 || (!v->kernel && cpl != 3) || (f->ss & 3) != cpl)
        return REFUSED;
    v->kernel = cpl == 0;
    v->cs = (uint16_t)f->cs;
    v->ss = (uint16_t)f->ss;
    r->rip = f->rip;
    r->rsp = f->rsp;
    vcpu_set_flags(v, flags);
    return JUMPED;
}

static enum outcome do_iret(struct execution *e)
{
    struct iret_frame frame;

    if (!e->d.wide)
        return UNKNOWN;
    if (vcpu_flags(e->v) & RFLAGS_NT)
        return REFUSED;
    if (!guest_read(e->v, vcpu_regs(e->v)->rsp, &frame, sizeof(frame), !e->v->kernel, &e->trouble))
        return FAULTED;
    return leave_by(e->v, &frame);
}

static enum outcome do_int(struct execution *e)
{
    vcpu_regs(e->v)->rip += e->d.length;
    deliver_software(e->v, (uint8_t)e->d.immediate, e->d.length);
    return JUMPED;
}

/* ---- the rest ---- */

static enum outcome do_nothing(struct execution *e)
{
    return DONE;
}

static enum outcome do_refused(struct execution *e)
{
    return REFUSED;
}

static enum outcome do_undefined(struct execution *e)
{
    return UNDEFINED;
}

typedef enum outcome operation(struct execution *e);

static operation *const operations[] = {
    [OP_CLI] = do_cli,           [OP_STI] = do_sti,         [OP_HLT] = do_hlt,           [OP_CLAC] = do_clac,
    [OP_STAC] = do_stac,         [OP_CLTS] = do_clts,       [OP_READ_CR] = do_read_cr,   [OP_WRITE_CR] = do_write_cr,
    [OP_INVLPG] = do_invlpg,     [OP_INVPCID] = do_invpcid, [OP_LGDT] = do_lgdt,         [OP_LIDT] = do_lidt,
    [OP_LTR] = do_ltr,           [OP_LLDT] = do_lldt,       [OP_WRMSR] = do_wrmsr,       [OP_RDMSR] = do_rdmsr,
    [OP_SWAPGS] = do_swapgs,     [OP_OUT] = do_out,         [OP_IN] = do_in,             [OP_SYSRET] = do_sysret,
    [OP_IRET] = do_iret,         [OP_INT] = do_int,         [OP_INVD] = do_nothing,      [OP_WBINVD] = do_nothing,
    [OP_RDPMC] = do_refused,     [OP_UD] = do_undefined,
};

enum outcome execute(struct execution *e)
{
    operation *op = e->d.op < sizeof(operations) / sizeof(*operations) ? operations[e->d.op] : NULL;

    return op ? op(e) : UNKNOWN;
}
