/* SPDX-License-Identifier: MIT
 *
 * services/proc/frame.c: the signal frame on the user stack, built and undone.
 *
 * As arch/x86/kernel/signal_64.c lays it out for a machine with FXSAVE and without
 * XSAVE. From high addresses to low:
 *
 *     128 bytes red zone         (not on an alternate stack)
 *     512 bytes FXSAVE image     64-byte aligned
 *     siginfo, ucontext          struct rt_sigframe, so that at the handler's entry
 *     return address             RSP + 8 is a multiple of 16, as after a CALL
 *
 * What comes back by rt_sigreturn is a stranger's: only flags that a program may set
 * itself reach RFLAGS, CS and SS stay, RIP must be canonical, MXCSR loses reserved bits.
 */
#include <linux/signal.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>

#include "services/proc/process.h"

#define RED_ZONE 128
#define FX_BYTES 512
#define FX_ALIGN 64
#define FX_MXCSR 24
#define MXCSR_VALID 0xffbfu
/* CF PF AF ZF SF TF DF OF RF AC: what a signal handler may change (FIX_EFLAGS). */
#define FLAGS_USER 0x50dd5ul
#define FLAGS_TF 0x100ul
#define FLAGS_DF 0x400ul
#define FLAGS_RF 0x10000ul

struct rt_sigframe {
    uint64_t return_address;
    struct ucontext uc;
    siginfo_t info;
};

_Static_assert(sizeof(struct rt_sigframe) == 440, "Linux's struct rt_sigframe");
_Static_assert(__builtin_offsetof(struct ucontext, uc_sigmask) == 296, "Linux's struct ucontext");

static bool use_other_stack(const struct process *p, const struct frame_request *f, uint64_t sp)
{
    return f->action.flags & SA_ONSTACK && p->stack_bytes && !proc_on_stack(p, sp);
}

static void fill_info(siginfo_t *to, int signo, const struct signal_info *from)
{
    bool is_fault = from->code > 0 && (signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL ||
                                       signo == SIGTRAP);

    to->si_signo = signo;
    to->si_code = from->code;
    if (is_fault) {
        to->si_addr = (void *)from->address;
        return;
    }
    to->si_pid = from->pid;
    to->si_uid = from->uid;
    if (signo == SIGCHLD && from->code > 0) {
        to->si_status = from->status;
        to->si_utime = (long)(from->user_ns / 10000000);
        to->si_stime = (long)(from->system_ns / 10000000);
    }
}

static void fill_registers(struct sigcontext *to, const struct process *p, const struct user_regs *regs,
                           const struct frame_request *f)
{
    to->r8 = regs->r8;
    to->r9 = regs->r9;
    to->r10 = regs->r10;
    to->r11 = regs->r11;
    to->r12 = regs->r12;
    to->r13 = regs->r13;
    to->r14 = regs->r14;
    to->r15 = regs->r15;
    to->rdi = regs->rdi;
    to->rsi = regs->rsi;
    to->rbp = regs->rbp;
    to->rbx = regs->rbx;
    to->rdx = regs->rdx;
    to->rax = f->rax;
    to->rcx = regs->rcx;
    to->rsp = regs->rsp;
    to->rip = f->rip;
    to->eflags = regs->rflags;
    to->cs = (uint16_t)regs->cs;
    to->ss = (uint16_t)regs->ss;
    to->err = p->trap_error;
    to->trapno = p->trap_number;
    to->cr2 = p->trap_address;
    to->oldmask = f->mask;
}

static void fill_frame(struct rt_sigframe *frame, const struct process *p, const struct user_regs *regs,
                       const struct frame_request *f, uint64_t fx)
{
    frame->return_address = f->action.restorer;
    frame->uc.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
    frame->uc.uc_stack.ss_sp = (void *)p->stack_address;
    frame->uc.uc_stack.ss_size = p->stack_bytes;
    frame->uc.uc_stack.ss_flags = (int)p->stack_flags | (!p->stack_bytes                  ? SS_DISABLE
                                                         : proc_on_stack(p, regs->rsp) ? SS_ONSTACK
                                                                                       : 0);
    fill_registers(&frame->uc.uc_mcontext, p, regs, f);
    frame->uc.uc_mcontext.fpstate = (struct _fpstate *)fx;
    frame->uc.uc_sigmask = f->mask;
    fill_info(&frame->info, f->signo, f->info);
}

static void enter_handler(struct process *p, struct user_regs *regs, const struct frame_request *f, uint64_t at)
{
    regs->rsp = at;
    regs->rip = f->action.handler;
    regs->rdi = (uint64_t)f->signo;
    regs->rsi = at + __builtin_offsetof(struct rt_sigframe, info);
    regs->rdx = at + __builtin_offsetof(struct rt_sigframe, uc);
    regs->rax = 0;
    regs->rflags &= ~(FLAGS_TF | FLAGS_DF | FLAGS_RF);
    regs->vector = VECTOR_RESTORED;
    if (p->stack_flags & SS_AUTODISARM)
        p->stack_address = p->stack_bytes = p->stack_flags = 0;
}

long proc_push_frame(struct proc *proc, struct call *call, struct process *p, struct user_context *context,
                     const struct frame_request *f)
{
    struct user_regs *regs = &context->regs;
    uint64_t sp = regs->rsp - RED_ZONE, fx, at;
    struct rt_sigframe frame = {0};
    long r;

    if (use_other_stack(p, f, regs->rsp))
        sp = p->stack_address + p->stack_bytes;
    fx = (sp - FX_BYTES) & ~(uint64_t)(FX_ALIGN - 1);
    at = ((fx - sizeof frame) & ~15ul) - 8;
    if (sp > USER_END || at > USER_END || f->action.handler >= USER_END || !(f->action.flags & SA_RESTORER))
        return -EFAULT;
    if (proc_on_stack(p, regs->rsp) && !proc_on_stack(p, at)) /* the alternate stack is full */
        return -EFAULT;
    fill_frame(&frame, p, regs, f, fx);
    r = proc_out(proc, call, fx, context->fx, FX_BYTES);
    if (r == 0)
        r = proc_out(proc, call, at, &frame, sizeof frame);
    if (r == 0)
        enter_handler(p, regs, f, at);
    return r;
}

static void restore_registers(struct user_regs *regs, const struct sigcontext *from)
{
    regs->r8 = from->r8;
    regs->r9 = from->r9;
    regs->r10 = from->r10;
    regs->r11 = from->r11;
    regs->r12 = from->r12;
    regs->r13 = from->r13;
    regs->r14 = from->r14;
    regs->r15 = from->r15;
    regs->rdi = from->rdi;
    regs->rsi = from->rsi;
    regs->rbp = from->rbp;
    regs->rbx = from->rbx;
    regs->rdx = from->rdx;
    regs->rax = from->rax;
    regs->rcx = from->rcx;
    regs->rsp = from->rsp;
    regs->rip = from->rip;
    regs->rflags = (regs->rflags & ~FLAGS_USER) | (from->eflags & FLAGS_USER);
    regs->vector = VECTOR_RESTORED;
}

/* An image that FXRSTOR takes without a fault. */
static void default_fx(uint8_t fx[FX_BYTES])
{
    __builtin_memset(fx, 0, FX_BYTES);
    fx[0] = 0x7f; /* FCW 0x37f */
    fx[1] = 0x03;
    fx[FX_MXCSR] = 0x80; /* MXCSR 0x1f80 */
    fx[FX_MXCSR + 1] = 0x1f;
}

static long restore_fx(struct proc *proc, struct call *call, struct user_context *context, uint64_t from)
{
    uint32_t *mxcsr = (uint32_t *)(context->fx + FX_MXCSR);
    long r;

    if (!from) {
        default_fx(context->fx);
        return 0;
    }
    r = proc_in(proc, call, context->fx, from, FX_BYTES);
    *mxcsr &= MXCSR_VALID;
    return r;
}

/* sigreturn brings the alternate stack back too; one that makes no sense is left out, as in Linux. */
static void restore_stack(struct process *p, const stack_t *stack)
{
    bool disable = stack->ss_flags & SS_DISABLE || stack->ss_size < MINSIGSTKSZ;

    p->stack_address = disable ? 0 : (uint64_t)stack->ss_sp;
    p->stack_bytes = disable ? 0 : stack->ss_size;
    p->stack_flags = stack->ss_flags & SS_AUTODISARM;
}

static long bad_frame(struct proc *proc, struct process *p)
{
    proc_force(proc, p, SIGSEGV, &(struct signal_info){.code = SI_KERNEL});
    return 0;
}

/* The result is RAX as the interrupted program had it: the placement may write it there without harm. */
long proc_call_rt_sigreturn(void *self, struct call *call)
{
    struct proc *proc = self;
    struct process *p = proc_caller(proc, call);
    struct user_context *context = proc->threads->thread_context(proc->threads->ctx, p->pid);
    struct ucontext uc;
    long r = proc_in(proc, call, &uc, context->regs.rsp, sizeof uc); /* RET took the return address */

    if (r == 0)
        r = restore_fx(proc, call, context, (uint64_t)uc.uc_mcontext.fpstate);
    if (r == CALL_WAIT)
        return r;
    if (r || uc.uc_mcontext.rip >= USER_END)
        return bad_frame(proc, p);
    restore_registers(&context->regs, &uc.uc_mcontext);
    restore_stack(p, &uc.uc_stack);
    proc_set_blocked(p, uc.uc_sigmask);
    return (long)context->regs.rax;
}
