/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_signal.c: signals: delivery, frames byte for byte as Linux has them (the host's <ucontext.h> is
 * the oracle), restarts, masks, default actions, exceptions, timers.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#include <cmocka.h>

#include "tests/services/fake_world.h"

#define DATA WORLD_DATA
#define STACK (WORLD_DATA + 0x3f10)
#define HANDLER 0x400010ul
#define RESTORER 0x400020ul
#define RIP 0x400030ul
#define SA_RESTORER_FLAG 0x04000000ul
#define KERNEL_RESTART 512
#define SECOND 1000000000ul

struct kernel_action {
    uint64_t handler, flags, restorer, mask;
};

/* struct rt_sigframe as arch/x86/include/asm/sigframe.h has it; glibc's ucontext_t begins like the kernel's. */
struct frame {
    uint64_t return_address;
    uint8_t uc[304];
    siginfo_t info;
};

static void action(struct world *w, int pid, int signo, uint64_t handler, uint64_t flags, uint64_t mask)
{
    struct kernel_action a = {handler, flags | SA_RESTORER_FLAG, RESTORER, mask};

    assert_true(world_poke(w, pid, DATA + 0x100, &a, sizeof a));
    assert_int_equal(CALLS(w, pid, CALL_rt_sigaction, (uint64_t)signo, DATA + 0x100, 0, 8), 0);
}

/* Puts the thread into a system call with every register told apart. */
static struct user_context *in_call(struct world *w, int pid, uint64_t nr)
{
    struct user_context *c = &w->thread[pid].context;
    uint64_t *word = (uint64_t *)&c->regs;

    for (int i = 0; i < 15; i++)
        word[i] = 0x1000u + (unsigned)i;
    c->regs.vector = VECTOR_SYSCALL_ENTRY;
    c->regs.error = nr;
    c->regs.rip = RIP;
    c->regs.rsp = STACK;
    c->regs.cs = 0x33;
    c->regs.ss = 0x2b;
    c->regs.rflags = 0x202 | 0x400 | 0x1; /* DF, CF */
    for (int i = 0; i < 512; i++)
        c->fx[i] = (uint8_t)(i * 3);
    c->fx[24] = 0x80;
    c->fx[25] = 0x1f;
    c->fx[26] = c->fx[27] = 0;
    return c;
}

static uint64_t mask_of(struct world *w, int pid)
{
    uint64_t mask;

    assert_int_equal(CALLS(w, pid, CALL_rt_sigprocmask, SIG_BLOCK, 0, DATA + 0x180, 8), 0);
    assert_true(world_peek(w, pid, DATA + 0x180, &mask, 8));
    return mask;
}

static void nothing_pending_writes_the_result(void **state)
{
    struct world *w = world_with_proc();
    struct user_context *c = in_call(w, 1, CALL_getpid);

    assert_false(proc_pending(w->proc, 1));
    assert_int_equal(world_deliver(w, 1, 77), 0);
    assert_int_equal(c->regs.rax, 77);
    assert_int_equal(c->regs.vector, VECTOR_SYSCALL_ENTRY);
    world_end(w);
}

/* A frame, looked at with the host's headers, then sigreturn: everything is as it was. */
static void frame_round_trip(void **state)
{
    struct world *w = world_with_proc();
    struct user_context before, *c;
    struct frame f;
    ucontext_t uc = {0};

    action(w, 1, SIGUSR1, HANDLER, SA_SIGINFO, 1ul << (SIGUSR2 - 1));
    assert_int_equal(CALLS(w, 1, CALL_kill, 1, SIGUSR1), 0);
    assert_true(w->thread[1].interrupted);
    assert_true(proc_pending(w->proc, 1));
    c = in_call(w, 1, CALL_kill);
    before = *c;
    assert_int_equal(world_deliver(w, 1, 5), 0);

    assert_int_equal(c->regs.rip, HANDLER);
    assert_int_equal(c->regs.rdi, SIGUSR1);
    assert_int_equal(c->regs.rax, 0);
    assert_int_equal(c->regs.rflags, 0x203); /* no DF */
    assert_int_equal((c->regs.rsp + 8) % 16, 0);
    assert_int_equal(c->regs.vector, VECTOR_RESTORED);
    assert_true(world_peek(w, 1, c->regs.rsp, &f, sizeof f));
    assert_int_equal(sizeof f, 440);
    assert_int_equal(f.return_address, RESTORER);
    assert_int_equal(c->regs.rdx, c->regs.rsp + 8);
    assert_int_equal(c->regs.rsi, c->regs.rsp + 8 + 304);
    assert_int_equal(f.info.si_signo, SIGUSR1);
    assert_int_equal(f.info.si_code, SI_USER);
    assert_int_equal(f.info.si_pid, 1);

    memcpy(&uc, f.uc, sizeof f.uc);
    assert_int_equal(uc.uc_mcontext.gregs[REG_RAX], 5);
    assert_int_equal(uc.uc_mcontext.gregs[REG_RIP], RIP);
    assert_int_equal(uc.uc_mcontext.gregs[REG_RSP], STACK);
    assert_int_equal(uc.uc_mcontext.gregs[REG_R15], 0x1000);
    assert_int_equal(uc.uc_mcontext.gregs[REG_RDI], 0x100d);
    assert_int_equal(uc.uc_mcontext.gregs[REG_EFL], before.regs.rflags);
    assert_int_equal(uc.uc_mcontext.gregs[REG_CSGSFS] & 0xffff, 0x33);
    assert_int_equal((uint64_t)uc.uc_mcontext.gregs[REG_CSGSFS] >> 48, 0x2b);
    assert_int_equal(*(uint64_t *)&uc.uc_sigmask, 0);
    assert_int_equal(uc.uc_stack.ss_flags, SS_DISABLE);
    assert_int_equal((uint64_t)uc.uc_mcontext.fpregs % 64, 0);
    assert_true((uint64_t)uc.uc_mcontext.fpregs + 512 <= STACK - 128); /* the red zone is whole */
    {
        uint8_t fx[512];

        assert_true(world_peek(w, 1, (uint64_t)uc.uc_mcontext.fpregs, fx, 512));
        assert_memory_equal(fx, before.fx, 512);
    }
    assert_int_equal(mask_of(w, 1), 1ul << (SIGUSR1 - 1) | 1ul << (SIGUSR2 - 1));

    memset(&c->regs, 0x5a, 15 * 8);
    memset(c->fx, 0, 512);
    c->regs.rsp += 8; /* RET */
    c->regs.vector = VECTOR_SYSCALL_ENTRY;
    assert_int_equal(CALLS(w, 1, CALL_rt_sigreturn), 5);
    before.regs.rax = 5;
    before.regs.vector = VECTOR_RESTORED;
    before.regs.error = c->regs.error;
    assert_memory_equal(&c->regs, &before.regs, sizeof c->regs);
    assert_memory_equal(c->fx, before.fx, 512);
    assert_int_equal(mask_of(w, 1), 0);
    assert_false(proc_pending(w->proc, 1));
    world_end(w);
}

static void sigreturn_trusts_nothing(void **state)
{
    struct world *w = world_with_proc();
    struct user_context *c;
    ucontext_t uc = {0};
    uint64_t at = DATA + 0x1000;

    c = in_call(w, 1, CALL_rt_sigreturn);
    uc.uc_mcontext.gregs[REG_RIP] = RIP;
    uc.uc_mcontext.gregs[REG_RSP] = STACK;
    uc.uc_mcontext.gregs[REG_EFL] = -1;
    uc.uc_mcontext.gregs[REG_CSGSFS] = 0x08; /* the kernel's code segment, please */
    uc.uc_mcontext.fpregs = (void *)(at + 512);
    assert_true(world_poke(w, 1, at, &uc, 304));
    {
        uint8_t fx[512];

        memset(fx, 0xff, sizeof fx);
        assert_true(world_poke(w, 1, at + 512, fx, sizeof fx));
    }
    c->regs.rsp = at;
    CALLS(w, 1, CALL_rt_sigreturn);
    assert_int_equal(c->regs.cs, 0x33);
    assert_int_equal(c->regs.ss, 0x2b);
    assert_int_equal(c->regs.rflags, 0x202 | 0x50dd5); /* no IOPL, NT, VM, VIF */
    assert_int_equal(*(uint32_t *)(c->fx + 24), 0xffbf);

    uc.uc_mcontext.gregs[REG_RIP] = (long)0x800000000000ul; /* not canonical */
    assert_true(world_poke(w, 1, at, &uc, 304));
    c->regs.rsp = at;
    CALLS(w, 1, CALL_rt_sigreturn);
    assert_int_equal(world_deliver(w, 1, 0), 1);
    assert_int_equal(w->all_done_status, SIGSEGV);
    world_end(w);

    w = world_with_proc(); /* no frame at all */
    in_call(w, 1, CALL_rt_sigreturn)->regs.rsp = 0x10;
    CALLS(w, 1, CALL_rt_sigreturn);
    assert_int_equal(world_deliver(w, 1, 0), 1);
    assert_int_equal(w->all_done_status, SIGSEGV);
    world_end(w);
}

/* result × SA_RESTART × handler or none: where the program goes on. */
static void restarts(void **state)
{
    static const struct {
        long result;
        uint64_t flags;
        bool handled;
        long rax; /* 0: the call again */
    } cases[] = {
        {-512, 0, true, -EINTR},  {-512, SA_RESTART, true, 0},       {-512, 0, false, 0},
        {-513, 0, true, 0},       {-514, SA_RESTART, true, -EINTR},  {-514, 0, false, 0},
        {-516, 0, true, -EINTR},  {-516, SA_RESTART, true, -EINTR},  {-516, 0, false, 0},
        {-EAGAIN, 0, true, -EAGAIN}, {33, SA_RESTART, true, 33},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *w = world_with_proc();
        struct user_context *c;
        uint64_t rip, rax;

        action(w, 1, SIGUSR1, HANDLER, cases[i].flags, 0);
        c = in_call(w, 1, CALL_read);
        if (cases[i].handled)
            assert_int_equal(CALLS(w, 1, CALL_kill, 1, SIGUSR1), 0);
        assert_int_equal(world_deliver(w, 1, cases[i].result), 0);
        if (cases[i].handled) {
            assert_true(world_peek(w, 1, c->regs.rdx + 40 + 16 * 8, &rip, 8));
            assert_true(world_peek(w, 1, c->regs.rdx + 40 + 13 * 8, &rax, 8));
        } else {
            rip = c->regs.rip;
            rax = c->regs.rax;
        }
        if (rip != (cases[i].rax ? RIP : RIP - 2) || rax != (uint64_t)cases[i].rax)
            fail_msg("case %zu: rip %lx rax %ld", i, rip, (long)rax);
        world_end(w);
    }
}

static void blocked_signals_wait(void **state)
{
    struct world *w = world_with_proc();
    uint64_t set = 1ul << (SIGUSR1 - 1) | 1ul << (SIGKILL - 1), pending;
    struct user_context *c;

    action(w, 1, SIGUSR1, HANDLER, 0, 0);
    assert_true(world_poke(w, 1, DATA, &set, 8));
    assert_int_equal(CALLS(w, 1, CALL_rt_sigprocmask, SIG_BLOCK, DATA, 0, 8), 0);
    assert_int_equal(mask_of(w, 1), 1ul << (SIGUSR1 - 1)); /* SIGKILL cannot be */
    assert_int_equal(CALLS(w, 1, CALL_kill, 1, SIGUSR1), 0);
    assert_int_equal(CALLS(w, 1, CALL_kill, 1, SIGUSR1), 0); /* once is enough */
    assert_false(proc_pending(w->proc, 1));
    assert_int_equal(CALLS(w, 1, CALL_rt_sigpending, DATA, 8), 0);
    assert_true(world_peek(w, 1, DATA, &pending, 8));
    assert_int_equal(pending, 1ul << (SIGUSR1 - 1));
    set = 0;
    assert_true(world_poke(w, 1, DATA, &set, 8));
    assert_int_equal(CALLS(w, 1, CALL_rt_sigprocmask, SIG_SETMASK, DATA, 0, 8), 0);
    assert_true(proc_pending(w->proc, 1));
    c = in_call(w, 1, CALL_rt_sigprocmask);
    assert_int_equal(world_deliver(w, 1, 0), 0);
    assert_int_equal(c->regs.rip, HANDLER);
    assert_false(proc_pending(w->proc, 1));
    assert_int_equal(CALLS(w, 1, CALL_rt_sigpending, DATA, 8), 0);
    assert_true(world_peek(w, 1, DATA, &pending, 8));
    assert_int_equal(pending, 0);
    assert_int_equal(CALLS(w, 1, CALL_rt_sigprocmask, 9, DATA, 0, 8), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_rt_sigprocmask, 0, DATA, 0, 4), -EINVAL);
    world_end(w);
}

/* Real-time signals queue, in order, each with its sender. */
static void real_time_signals_queue(void **state)
{
    struct world *w = world_with_proc();
    int child = world_fork(w, 1);
    struct user_context *c;

    action(w, 1, 40, HANDLER, SA_SIGINFO, 0);
    CALLS(w, child, CALL_kill, 1, 40);
    CALLS(w, 1, CALL_kill, 1, 40);
    c = in_call(w, 1, CALL_kill);
    for (int sender = child; sender >= 1; sender--) {
        siginfo_t info;

        assert_int_equal(world_deliver(w, 1, 0), 0);
        assert_int_equal(c->regs.rip, HANDLER);
        assert_true(world_peek(w, 1, c->regs.rsi, &info, sizeof info));
        assert_int_equal(info.si_pid, sender);
        c->regs.rsp += 8;
        CALLS(w, 1, CALL_rt_sigreturn);
    }
    assert_int_equal(world_deliver(w, 1, 0), 0);
    assert_int_equal(c->regs.rip, RIP);
    world_end(w);
}

/* No handler runs any more, whatever its number. */
static void sigkill_comes_first(void **state)
{
    struct world *w = world_with_proc();
    size_t copies;

    action(w, 1, SIGHUP, HANDLER, 0, 0);
    CALLS(w, 1, CALL_kill, 1, SIGHUP);
    CALLS(w, 1, CALL_kill, 1, SIGKILL);
    in_call(w, 1, CALL_kill);
    copies = w->copies_out;
    assert_int_equal(world_deliver(w, 1, 0), 1);
    assert_int_equal(w->copies_out, copies);
    assert_int_equal(w->all_done_status, SIGKILL);
    world_end(w);
}

/* signal × default action. */
static void default_actions(void **state)
{
    static const struct {
        int signo;
        long outcome; /* 1: killed, 0: nothing, CALL_WAIT: stopped */
    } cases[] = {{SIGHUP, 1}, {SIGINT, 1},  {SIGKILL, 1}, {SIGTERM, 1},  {SIGSEGV, 1},  {SIGPIPE, 1},
                 {SIGALRM, 1}, {SIGCHLD, 0}, {SIGURG, 0},  {SIGWINCH, 0}, {SIGCONT, 0},
                 {SIGSTOP, CALL_WAIT}, {SIGTSTP, CALL_WAIT}, {34, 1}, {64, 1}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *w = world_with_proc();
        int child = world_fork(w, 1);

        assert_int_equal(CALLS(w, 1, CALL_kill, (uint64_t)child, (uint64_t)cases[i].signo), 0);
        in_call(w, child, CALL_getpid);
        if (world_deliver(w, child, 1) != cases[i].outcome)
            fail_msg("signal %d", cases[i].signo);
        if (cases[i].outcome == 1) {
            int32_t status;

            assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, DATA, 0, 0), child);
            assert_true(world_peek(w, 1, DATA, &status, 4));
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == cases[i].signo);
        }
        world_end(w);
    }
}

static void stop_and_continue(void **state)
{
    struct world *w = world_with_proc();
    int child = world_fork(w, 1);
    struct call stopped = {.pid = child};
    bool woken = false;
    int32_t status;

    in_call(w, child, CALL_getpid);
    assert_int_equal(CALLS(w, 1, CALL_kill, (uint64_t)child, SIGSTOP), 0);
    assert_int_equal(CALLS(w, 1, CALL_kill, (uint64_t)child, SIGCONT), 0); /* undoes it */
    assert_int_equal(world_deliver(w, child, 9), 0);
    assert_int_equal(CALLS(w, 1, CALL_kill, (uint64_t)child, SIGSTOP), 0);
    assert_int_equal(world_deliver(w, child, 9), CALL_WAIT);
    assert_int_equal(proc_deliver(w->proc, &stopped, 9), CALL_WAIT);
    assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, DATA, WNOHANG, 0), 0);
    assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, DATA, WUNTRACED, 0), child);
    assert_true(world_peek(w, 1, DATA, &status, 4));
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, DATA, WUNTRACED | WNOHANG, 0), 0); /* told once */
    w->wakes = 0;
    assert_int_equal(CALLS(w, 1, CALL_kill, (uint64_t)child, SIGCONT), 0);
    for (size_t i = 0; i < w->wakes; i++)
        woken |= w->woken[i] == stopped.channel;
    assert_true(woken);
    assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, DATA, WCONTINUED, 0), child);
    assert_true(world_peek(w, 1, DATA, &status, 4));
    assert_true(WIFCONTINUED(status));
    assert_int_equal(world_deliver(w, child, 9), 0);
    assert_int_equal(w->thread[child].context.regs.rax, 9);
    assert_int_equal(CALLS(w, 1, CALL_kill, (uint64_t)child, SIGSTOP), 0);
    assert_int_equal(world_deliver(w, child, 9), CALL_WAIT);
    assert_int_equal(CALLS(w, 1, CALL_kill, (uint64_t)child, SIGKILL), 0);
    assert_int_equal(world_deliver(w, child, 9), 1);
    world_end(w);
}

static void handler_flags(void **state)
{
    struct world *w = world_with_proc();
    struct user_context *c;

    action(w, 1, SIGUSR1, HANDLER, SA_NODEFER | SA_RESETHAND, 0);
    CALLS(w, 1, CALL_kill, 1, SIGUSR1);
    c = in_call(w, 1, CALL_kill);
    assert_int_equal(world_deliver(w, 1, 0), 0);
    assert_int_equal(c->regs.rip, HANDLER);
    assert_int_equal(mask_of(w, 1), 0);
    CALLS(w, 1, CALL_kill, 1, SIGUSR1); /* now at its default */
    assert_int_equal(world_deliver(w, 1, 0), 1);
    assert_int_equal(w->all_done_status, SIGUSR1);
    world_end(w);
}

static void alternate_stack(void **state)
{
    struct world *w = world_with_proc();
    stack_t stack = {.ss_sp = (void *)(DATA + 0x1000), .ss_size = 0x1000};
    struct user_context *c;
    uint64_t first;

    assert_true(world_poke(w, 1, DATA, &stack, sizeof stack));
    assert_int_equal(CALLS(w, 1, CALL_sigaltstack, DATA, 0), 0);
    action(w, 1, SIGUSR1, HANDLER, SA_ONSTACK | SA_NODEFER, 0);
    CALLS(w, 1, CALL_kill, 1, SIGUSR1);
    c = in_call(w, 1, CALL_kill);
    assert_int_equal(world_deliver(w, 1, 0), 0);
    first = c->regs.rsp;
    assert_true(first > DATA + 0x1000 && first < DATA + 0x2000);
    assert_true(DATA + 0x2000 - first < 440 + 512 + 128); /* no red zone there */
    assert_int_equal(CALLS(w, 1, CALL_sigaltstack, DATA, 0), -EPERM); /* it is in use */
    assert_int_equal(CALLS(w, 1, CALL_sigaltstack, 0, DATA), 0);
    assert_true(world_peek(w, 1, DATA, &stack, sizeof stack));
    assert_int_equal(stack.ss_flags, SS_ONSTACK);
    CALLS(w, 1, CALL_kill, 1, SIGUSR1); /* nested: below the first */
    assert_int_equal(world_deliver(w, 1, 0), 0);
    assert_true(c->regs.rsp < first && c->regs.rsp > DATA + 0x1000);
    CALLS(w, 1, CALL_kill, 1, SIGUSR1);
    world_deliver(w, 1, 0);
    CALLS(w, 1, CALL_kill, 1, SIGUSR1); /* full: a SIGSEGV that cannot be handled */
    assert_int_equal(world_deliver(w, 1, 0), 1);
    assert_int_equal(w->all_done_status, SIGSEGV);
    world_end(w);

    w = world_with_proc(); /* SS_AUTODISARM: gone while the handler runs, back when it returns */
    stack = (stack_t){.ss_sp = (void *)(DATA + 0x1000), .ss_size = 0x1000, .ss_flags = (int)(1u << 31)};
    assert_true(world_poke(w, 1, DATA, &stack, sizeof stack));
    assert_int_equal(CALLS(w, 1, CALL_sigaltstack, DATA, 0), 0);
    action(w, 1, SIGUSR1, HANDLER, SA_ONSTACK, 0);
    CALLS(w, 1, CALL_kill, 1, SIGUSR1);
    c = in_call(w, 1, CALL_kill);
    assert_int_equal(world_deliver(w, 1, 0), 0);
    assert_true(c->regs.rsp > DATA + 0x1000 && c->regs.rsp < DATA + 0x2000);
    assert_int_equal(CALLS(w, 1, CALL_sigaltstack, 0, DATA), 0);
    assert_true(world_peek(w, 1, DATA, &stack, sizeof stack));
    assert_int_equal(stack.ss_flags, SS_DISABLE);
    c->regs.rsp += 8;
    CALLS(w, 1, CALL_rt_sigreturn);
    assert_int_equal(CALLS(w, 1, CALL_sigaltstack, 0, DATA), 0);
    assert_true(world_peek(w, 1, DATA, &stack, sizeof stack));
    assert_int_equal(stack.ss_size, 0x1000);
    assert_int_equal(stack.ss_flags, (int)(1u << 31));
    world_end(w);

    w = world_with_proc();
    stack = (stack_t){.ss_sp = (void *)DATA, .ss_size = 100};
    assert_true(world_poke(w, 1, DATA, &stack, sizeof stack));
    assert_int_equal(CALLS(w, 1, CALL_sigaltstack, DATA, 0), -ENOMEM);
    stack.ss_flags = 77;
    assert_true(world_poke(w, 1, DATA, &stack, sizeof stack));
    assert_int_equal(CALLS(w, 1, CALL_sigaltstack, DATA, 0), -EINVAL);
    world_end(w);
}

/* vector × error × vm's word: signal, code, address. */
static void exceptions(void **state)
{
    static const struct {
        unsigned vector;
        uint64_t error;
        int signo, code;
        uint64_t address;
    } cases[] = {
        {14, 4 | PROC_FAULT(-EFAULT), SIGSEGV, SEGV_MAPERR, 0x1234},
        {14, 4 | PROC_FAULT(-EACCES), SIGSEGV, SEGV_ACCERR, 0x1234},
        {14, 7, SIGSEGV, SEGV_ACCERR, 0x1234},
        {14, 6, SIGSEGV, SEGV_MAPERR, 0x1234},
        {14, 4 | PROC_FAULT(-EIO), SIGBUS, BUS_ADRERR, 0x1234},
        {0, 0, SIGFPE, FPE_INTDIV, RIP},
        {6, 0, SIGILL, ILL_ILLOPN, RIP},
        {3, 0, SIGTRAP, SI_KERNEL, 0},
        {1, 0, SIGTRAP, TRAP_TRACE, RIP},
        {13, 0, SIGSEGV, SI_KERNEL, 0},
        {17, 0, SIGBUS, BUS_ADRALN, 0},
        {19, 0, SIGFPE, FPE_FLTDIV, RIP},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *w = world_with_proc();
        struct user_context *c;
        siginfo_t info;
        uint64_t cr2, trapno;

        action(w, 1, cases[i].signo, HANDLER, SA_SIGINFO, 0);
        c = in_call(w, 1, 0);
        c->regs.vector = cases[i].vector;
        *(uint32_t *)(c->fx + 24) = 0x1f80 & ~0x200u; /* divide by zero unmasked … */
        c->fx[24] |= 4;                              /* … and seen */
        proc_exception(w->proc, 1, cases[i].vector, cases[i].error, 0x1234);
        assert_int_equal(world_deliver(w, 1, 0), 0);
        assert_true(world_peek(w, 1, c->regs.rsi, &info, sizeof info));
        assert_true(world_peek(w, 1, c->regs.rdx + 40 + 20 * 8, &trapno, 8));
        assert_true(world_peek(w, 1, c->regs.rdx + 40 + 22 * 8, &cr2, 8));
        if (info.si_signo != cases[i].signo || info.si_code != cases[i].code ||
            (uint64_t)info.si_addr != cases[i].address || trapno != cases[i].vector ||
            cr2 != (cases[i].vector == 14 ? 0x1234 : 0))
            fail_msg("case %zu: signal %d code %d address %p trapno %lu cr2 %lx", i, info.si_signo, info.si_code,
                     info.si_addr, trapno, cr2);
        world_end(w);
    }
}

static void a_fault_cannot_be_blocked_or_ignored(void **state)
{
    struct world *w = world_with_proc();
    uint64_t all = -1ul;

    action(w, 1, SIGSEGV, HANDLER, 0, 0);
    assert_true(world_poke(w, 1, DATA, &all, 8));
    assert_int_equal(CALLS(w, 1, CALL_rt_sigprocmask, SIG_SETMASK, DATA, 0, 8), 0);
    in_call(w, 1, 0)->regs.vector = 14;
    proc_exception(w->proc, 1, 14, 4, 0x1234);
    assert_int_equal(world_deliver(w, 1, 0), 1);
    assert_int_equal(w->all_done_status, SIGSEGV);
    world_end(w);

    w = world_with_proc();
    action(w, 1, SIGILL, (uint64_t)SIG_IGN, 0, 0);
    in_call(w, 1, 0)->regs.vector = 6;
    proc_exception(w->proc, 1, 6, 0, 0);
    assert_int_equal(world_deliver(w, 1, 0), 1);
    assert_int_equal(w->all_done_status, SIGILL);
    world_end(w);

    w = world_with_proc(); /* no frame left: by hand */
    in_call(w, 1, 0)->regs.vector = 14;
    proc_exception(w->proc, 1, 14, PROC_FAULT(-ENOMEM), 0x1234);
    assert_int_equal(world_deliver(w, 1, 0), 1);
    assert_int_equal(w->all_done_status, SIGKILL);
    world_end(w);
}

static void a_frame_that_does_not_fit_kills(void **state)
{
    static const uint64_t stacks[] = {0x1000, 0, 100, 0x7fffffffffffff00ul, -8ul, 0x400800};

    for (size_t i = 0; i < sizeof stacks / sizeof *stacks; i++) {
        struct world *w = world_with_proc();

        action(w, 1, SIGUSR1, HANDLER, 0, 0);
        action(w, 1, SIGSEGV, HANDLER, 0, 0);
        CALLS(w, 1, CALL_kill, 1, SIGUSR1);
        in_call(w, 1, CALL_kill)->regs.rsp = stacks[i];
        assert_int_equal(world_deliver(w, 1, 0), 1);
        assert_int_equal(w->all_done_status, SIGSEGV);
        world_end(w);
    }
}

static void sigsuspend_and_pause(void **state)
{
    struct world *w = world_with_proc();
    struct call call = {.nr = CALL_rt_sigsuspend, .pid = 1, .arg = {DATA, 8}};
    uint64_t blocked = 1ul << (SIGUSR1 - 1), none = 0, saved;
    struct user_context *c;

    action(w, 1, SIGUSR1, HANDLER, 0, 0);
    assert_true(world_poke(w, 1, DATA, &blocked, 8));
    assert_int_equal(CALLS(w, 1, CALL_rt_sigprocmask, SIG_SETMASK, DATA, 0, 8), 0);
    assert_true(world_poke(w, 1, DATA, &none, 8));
    assert_int_equal(world_call(w, &call), CALL_WAIT);
    assert_false(proc_pending(w->proc, 1)); /* or the placement would not let it sleep */
    assert_int_equal(CALLS(w, 1, CALL_kill, 1, SIGUSR1), 0);
    call.flags = CALL_INTERRUPTED;
    assert_int_equal(world_call(w, &call), -514);
    assert_true(proc_pending(w->proc, 1));
    c = in_call(w, 1, CALL_rt_sigsuspend);
    assert_int_equal(world_deliver(w, 1, -514), 0);
    assert_int_equal(c->regs.rip, HANDLER);
    assert_true(world_peek(w, 1, c->regs.rdx + 296, &saved, 8));
    assert_int_equal(saved, blocked); /* the mask from before comes back */
    call = (struct call){.nr = CALL_pause, .pid = 1};
    assert_int_equal(world_call(w, &call), CALL_WAIT);
    call.flags = CALL_INTERRUPTED;
    assert_int_equal(world_call(w, &call), -514);
    world_end(w);

    w = world_with_proc(); /* interrupted without a handler: the mask comes back, and the call begins again */
    call = (struct call){.nr = CALL_rt_sigsuspend, .pid = 1, .arg = {DATA, 8}};
    assert_true(world_poke(w, 1, DATA, &blocked, 8));
    assert_int_equal(world_call(w, &call), CALL_WAIT);
    call.flags = CALL_INTERRUPTED;
    assert_int_equal(world_call(w, &call), -514);
    c = in_call(w, 1, CALL_rt_sigsuspend);
    assert_int_equal(world_deliver(w, 1, -514), 0);
    assert_int_equal(c->regs.rip, RIP - 2);
    assert_int_equal(c->regs.rax, CALL_rt_sigsuspend);
    assert_int_equal(mask_of(w, 1), 0);
    world_end(w);
}

/* ppoll's mask, as fs asks for it. */
static void mask_of_a_wait(void **state)
{
    struct world *w = world_with_proc();
    uint64_t blocked = 1ul << (SIGUSR1 - 1), other = 1ul << (SIGUSR2 - 1), saved;
    struct user_context *c;

    action(w, 1, SIGUSR1, HANDLER, 0, 0);
    assert_true(world_poke(w, 1, DATA, &blocked, 8));
    assert_int_equal(CALLS(w, 1, CALL_rt_sigprocmask, SIG_SETMASK, DATA, 0, 8), 0);
    assert_int_equal(world_request(w, SERVICE_PROC, PROC_MASK, 1, 0, 0, 0, 0, 0, 0), 0);
    assert_false(proc_pending(w->proc, 1));
    assert_int_equal(world_request(w, SERVICE_PROC, PROC_MASK_END, 1, 0, 0, 0, 0, 0, 0), 0);
    assert_int_equal(mask_of(w, 1), blocked); /* nothing came */
    assert_int_equal(CALLS(w, 1, CALL_kill, 1, SIGUSR1), 0);
    assert_false(proc_pending(w->proc, 1));
    assert_int_equal(world_request(w, SERVICE_PROC, PROC_MASK, 1, other, 0, 0, 0, 0, 0), 1);
    assert_int_equal(world_request(w, SERVICE_PROC, PROC_MASK_END, 1, 0, 0, 0, 0, 0, 0), 0);
    assert_false(proc_pending(w->proc, 1)); /* something was ready: blocked again, pending still */
    assert_int_equal(world_request(w, SERVICE_PROC, PROC_MASK, 1, other, 0, 0, 0, 0, 0), 1);
    assert_int_equal(world_request(w, SERVICE_PROC, PROC_MASK_END, 1, 1, 0, 0, 0, 0, 0), 0);
    assert_int_equal(mask_of(w, 1), other);
    c = in_call(w, 1, CALL_ppoll);
    assert_int_equal(world_deliver(w, 1, -EINTR), 0);
    assert_int_equal(c->regs.rip, HANDLER);
    assert_int_equal(mask_of(w, 1), other | blocked);
    assert_true(world_peek(w, 1, c->regs.rdx + 296, &saved, 8));
    assert_int_equal(saved, blocked);
    assert_int_equal(world_request(w, SERVICE_PROC, PROC_MASK, 99, 0, 0, 0, 0, 0, 0), -ESRCH);
    assert_int_equal(world_request(w, SERVICE_PROC, PROC_MASK_END, 99, 0, 0, 0, 0, 0, 0), -ESRCH);
    world_end(w);
}

static void kill_targets(void **state)
{
    struct world *w = world_with_proc();
    int a = world_fork(w, 1), b = world_fork(w, 1);

    assert_int_equal(CALLS(w, a, CALL_setpgid, 0, 0), 0);
    assert_int_equal(CALLS(w, b, CALL_setpgid, 0, (uint64_t)a), -EPERM + EPERM); /* a's group exists in this session */
    assert_int_equal(CALLS(w, 1, CALL_kill, 99, SIGTERM), -ESRCH);
    assert_int_equal(CALLS(w, 1, CALL_kill, (uint64_t)a, 65), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_kill, (uint64_t)a, 0), 0);
    assert_false(proc_pending(w->proc, a));
    assert_int_equal(CALLS(w, 1, CALL_kill, (uint64_t)-a, SIGTERM), 0);
    assert_true(proc_pending(w->proc, a) && proc_pending(w->proc, b) && !proc_pending(w->proc, 1));
    assert_int_equal(CALLS(w, a, CALL_kill, -1ul, SIGUSR1), 0); /* all but process 1 and itself */
    assert_false(proc_pending(w->proc, 1));
    assert_int_equal(CALLS(w, 1, CALL_tgkill, (uint64_t)a, (uint64_t)b, SIGTERM), -ESRCH);
    assert_int_equal(CALLS(w, 1, CALL_tkill, 0, SIGTERM), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_tgkill, (uint64_t)a, (uint64_t)a, SIGTERM), 0);
    assert_int_equal(world_request(w, SERVICE_PROC, PROC_PENDING, a, 0, 0, 0, 0, 0, 0), 1);
    assert_int_equal(world_request(w, SERVICE_PROC, PROC_SIGNAL, 99, SIGPIPE, 0, 0, 0, 0, 0), -ESRCH);
    assert_int_equal(world_request(w, SERVICE_PROC, PROC_SIGNAL, 1, SIGPIPE, 0, 0, 0, 0, 0), 0);
    assert_true(proc_pending(w->proc, 1));
    world_end(w);
}

static void timers(void **state)
{
    struct world *w = world_with_proc();
    struct itimerval timer = {.it_interval = {1, 0}, .it_value = {2, 500000}}, old;
    int child = world_fork(w, 1);

    w->now = 0;
    assert_int_equal(proc_next_timer(w->proc), CALL_FOREVER);
    assert_int_equal(CALLS(w, 1, CALL_alarm, 5), 0);
    assert_int_equal(proc_next_timer(w->proc), 5 * SECOND);
    assert_true(world_poke(w, child, DATA, &timer, sizeof timer));
    assert_int_equal(CALLS(w, child, CALL_setitimer, ITIMER_REAL, DATA, 0), 0);
    assert_int_equal(proc_next_timer(w->proc), 5 * SECOND / 2);
    w->now = SECOND;
    assert_int_equal(CALLS(w, 1, CALL_alarm, 6), 4);
    proc_timer(w->proc);
    assert_false(proc_pending(w->proc, child));
    w->now = 9 * SECOND / 2 + 5; /* 4.5 s: three periods in one signal */
    proc_timer(w->proc);
    assert_true(proc_pending(w->proc, child));
    assert_false(proc_pending(w->proc, 1));
    assert_int_equal(proc_next_timer(w->proc), 11 * SECOND / 2);
    timer = (struct itimerval){0};
    assert_true(world_poke(w, child, DATA, &timer, sizeof timer));
    assert_int_equal(CALLS(w, child, CALL_setitimer, ITIMER_REAL, DATA, DATA + 64), 0);
    assert_true(world_peek(w, child, DATA + 64, &old, sizeof old));
    assert_int_equal(old.it_interval.tv_sec, 1);
    assert_int_equal(old.it_value.tv_usec, 999999);
    assert_int_equal(proc_next_timer(w->proc), 7 * SECOND);
    w->now = 7 * SECOND;
    proc_timer(w->proc);
    assert_int_equal(proc_next_timer(w->proc), CALL_FOREVER);
    assert_int_equal(world_deliver(w, 1, 0), 1);
    assert_int_equal(w->all_done_status, SIGALRM);
    world_end(w);
}

static void child_signals(void **state)
{
    struct world *w = world_with_proc();
    int child = world_fork(w, 1);
    struct user_context *c;
    siginfo_t info;

    action(w, 1, SIGCHLD, HANDLER, SA_SIGINFO, 0);
    CALLS(w, child, CALL_exit, 42);
    c = in_call(w, 1, CALL_getpid);
    assert_int_equal(world_deliver(w, 1, 0), 0);
    assert_true(world_peek(w, 1, c->regs.rsi, &info, sizeof info));
    assert_int_equal(info.si_signo, SIGCHLD);
    assert_int_equal(info.si_code, CLD_EXITED);
    assert_int_equal(info.si_pid, child);
    assert_int_equal(info.si_status, 42);
    assert_int_equal(info.si_utime, 100);
    world_end(w);
}

/* One scene; a WAIT at each of its copies changes nothing, and a failed allocation loses no signal. */
static void deliver_all(struct world *w, struct user_context *c)
{
    CALLS(w, 1, CALL_kill, 1, SIGUSR1);
    CALLS(w, 1, CALL_kill, 1, SIGUSR2);
    assert_int_equal(world_deliver(w, 1, 3), 0);
    assert_int_equal(c->regs.rdi, SIGUSR2); /* the later one runs first */
    c->regs.rsp += 8;
    CALLS(w, 1, CALL_rt_sigreturn);
    assert_int_equal(c->regs.rdi, SIGUSR1);
    assert_int_equal(c->regs.rip, HANDLER);
    c->regs.rsp += 8;
    assert_int_equal(CALLS(w, 1, CALL_rt_sigreturn), 3);
    assert_int_equal(c->regs.rip, RIP);
    assert_int_equal(c->regs.rsp, STACK);
}

static void waits_and_failures(void **state)
{
    long places = 1;

    for (long k = 0; k < places; k++) {
        struct world *w = world_with_proc();

        action(w, 1, SIGUSR1, HANDLER, 0, 0);
        action(w, 1, SIGUSR2, HANDLER, 0, 0);
        world_quiet(w);
        w->wait_at = k;
        deliver_all(w, in_call(w, 1, CALL_kill));
        places = w->waits;
        world_end(w);
    }
    assert_int_equal(places, 8);
    for (long k = 0; k < 6; k++) {
        struct world *w = world_with_proc();
        struct user_context *c = in_call(w, 1, CALL_kill);
        uint8_t byte;

        action(w, 1, SIGUSR1, HANDLER, 0, 0);
        action(w, 1, SIGUSR2, HANDLER, 0, 0);
        assert_true(world_peek(w, 1, STACK - 2000, &byte, 1));
        world_quiet(w);
        w->fail_at = k;
        deliver_all(w, c);
        world_end(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_pending_writes_the_result),
        cmocka_unit_test(frame_round_trip),
        cmocka_unit_test(sigreturn_trusts_nothing),
        cmocka_unit_test(restarts),
        cmocka_unit_test(blocked_signals_wait),
        cmocka_unit_test(real_time_signals_queue),
        cmocka_unit_test(sigkill_comes_first),
        cmocka_unit_test(default_actions),
        cmocka_unit_test(stop_and_continue),
        cmocka_unit_test(handler_flags),
        cmocka_unit_test(alternate_stack),
        cmocka_unit_test(exceptions),
        cmocka_unit_test(a_fault_cannot_be_blocked_or_ignored),
        cmocka_unit_test(a_frame_that_does_not_fit_kills),
        cmocka_unit_test(sigsuspend_and_pause),
        cmocka_unit_test(mask_of_a_wait),
        cmocka_unit_test(kill_targets),
        cmocka_unit_test(timers),
        cmocka_unit_test(child_signals),
        cmocka_unit_test(waits_and_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
