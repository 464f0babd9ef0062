/* SPDX-License-Identifier: MIT
 *
 * hostile: what a program might try at the border to ring 0, one child for each attempt, and how each ended. It runs
 * natively as well: Linux is the oracle. Nothing printed depends on addresses or time.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define KERNEL_ADDRESS 0xffffffff80100000ul
#define NON_CANONICAL 0x8000000000000000ul
#define LAST_PAGE 0x7fffffffe000ul

static uint64_t new_rip, new_rsp, new_flags;

static void change_context(int signo, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

    (void)signo;
    (void)info;
    if (new_rip)
        regs[REG_RIP] = (greg_t)new_rip;
    if (new_rsp)
        regs[REG_RSP] = (greg_t)new_rsp;
    regs[REG_EFL] |= (greg_t)new_flags;
}

static void return_with(uint64_t rip, uint64_t rsp, uint64_t flags)
{
    struct sigaction action = {.sa_sigaction = change_context, .sa_flags = SA_SIGINFO};

    new_rip = rip;
    new_rsp = rsp;
    new_flags = flags;
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}

static void push_nothing(void)
{
    __asm__ volatile("push $0; add $8, %rsp");
}

static void rip_kernel(void)
{
    return_with(KERNEL_ADDRESS, 0, 0);
}
static void rip_non_canonical(void)
{
    return_with(NON_CANONICAL, 0, 0);
}
static void rip_top(void)
{
    return_with(LAST_PAGE + 4096, 0, 0);
}
static void rsp_kernel(void)
{
    return_with((uint64_t)push_nothing, KERNEL_ADDRESS, 0);
}
static void flags_iopl(void)
{
    return_with(0, 0, 0x3000);
    __asm__ volatile("cli");
}
static void flags_ports(void)
{
    return_with(0, 0, 0x3000);
    __asm__ volatile("outb %%al, $0xf4" : : "a"(0));
}

/* SYSRET to the first address that is not canonical for it is a known way to fault in ring 0. */
static void syscall_at_the_top(void)
{
    unsigned char *page = mmap((void *)LAST_PAGE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (page != (void *)LAST_PAGE)
        _exit(1);
    page[4094] = 0x0f;
    page[4095] = 0x05;
    __asm__ volatile("jmp *%0" : : "r"(page + 4094), "a"((long)SYS_getppid) : "memory");
}

static void direction_flag(void)
{
    static const char text[] = "written with the direction flag set\n";
    long r;

    __asm__ volatile("std; syscall; cld"
                     : "=a"(r)
                     : "a"((long)SYS_write), "D"(1l), "S"(text), "d"(sizeof text - 1)
                     : "rcx", "r11", "memory");
    _exit(r == sizeof text - 1 ? 0 : 1);
}

static void no_stack(void)
{
    long r;

    __asm__ volatile("mov %%rsp, %%rbx; mov $0x10, %%rsp; syscall; mov %%rbx, %%rsp"
                     : "=a"(r)
                     : "a"((long)SYS_getpid)
                     : "rbx", "rcx", "r11", "memory");
    _exit(r > 0 ? 0 : 1);
}

/* All registers but rax, rcx and r11 outlive a call that sleeps. */
static void registers_kept(void)
{
    struct {
        long seconds, ns;
    } nap = {0, 20000000};
    long bad;

    __asm__ volatile(
        "mov $1, %%rbx; mov $2, %%r8; mov $3, %%r9; mov $4, %%r10; mov $5, %%r12; mov $6, %%r13; mov $7, %%r14;"
        "mov $8, %%r15; mov $9, %%rdx; syscall;"
        "lea (%%rbx,%%r8), %%rax; add %%r9, %%rax; add %%r10, %%rax; add %%r12, %%rax; add %%r13, %%rax; add %%r14, "
        "%%rax;"
        "add %%r15, %%rax; add %%rdx, %%rax"
        : "=a"(bad)
        : "a"((long)SYS_nanosleep), "D"(&nap), "S"(0)
        : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory");
    _exit(bad == 45 ? 0 : 1);
}

/* Single stepping ends with the call: the trap is the program's, whichever way the kernel returned. */
static void step_over_a_call(void)
{
    long r;

    __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; syscall; nop; nop"
                     : "=a"(r)
                     : "a"((long)SYS_getpid)
                     : "rcx", "r11", "memory");
    _exit(1);
}

static void bad_segment_base(void)
{
    long r = syscall(SYS_arch_prctl, 0x1002, KERNEL_ADDRESS);

    _exit(r == -1 && errno == EPERM ? 0 : 1);
}

static void kernel_pointers(void)
{
    char one[1];
    int pipes[2];
    long sum = 0;

    if (pipe(pipes))
        _exit(1);
    sum += syscall(SYS_write, pipes[1], KERNEL_ADDRESS, 8) == -1 && errno == EFAULT;
    sum += syscall(SYS_write, pipes[1], 0x7ffffffff000ul - 4, 8) == -1 && errno == EFAULT;
    sum += syscall(SYS_write, pipes[1], -4ul, 8) == -1 && errno == EFAULT;
    sum += write(pipes[1], "abc", 3) == 3;
    sum += syscall(SYS_read, pipes[0], KERNEL_ADDRESS, 1) == -1 && errno == EFAULT;
    sum += read(pipes[0], one, 1) == 1;
    _exit(sum == 6 ? 0 : 1);
}

static void unknown_calls(void)
{
    long a = syscall(511), ea = errno, b = syscall(512), eb = errno, c = syscall(513), ec = errno, d = syscall(-1),
         ed = errno;

    _exit(a == -1 && b == -1 && c == -1 && d == -1 && ea == ENOSYS && eb == ENOSYS && ec == ENOSYS && ed == ENOSYS ? 0
                                                                                                                   : 1);
}

#define INSTRUCTION(name, text)                                                                                        \
    static void name(void)                                                                                             \
    {                                                                                                                  \
        __asm__ volatile(text : : : "memory", "rax", "rcx", "rdx");                                                    \
    }
INSTRUCTION(i_hlt, "hlt")
INSTRUCTION(i_cr3, "mov %%cr3, %%rax")
INSTRUCTION(i_wrmsr, "wrmsr")
INSTRUCTION(i_swapgs, "swapgs")
INSTRUCTION(i_int14, "int $14")
INSTRUCTION(i_int32, "int $0x20")
INSTRUCTION(i_int3, "int3")
INSTRUCTION(i_ud2, "ud2")
INSTRUCTION(i_divide, "xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx")
INSTRUCTION(i_in, "in $0x60, %%al")
INSTRUCTION(i_sysret, "sysretq")
INSTRUCTION(i_iret, "pushq $0x10; pushq $0; pushq $2; pushq $0x08; pushq $0; iretq")
INSTRUCTION(i_kernel_read, "mov $0xffffffff80100000, %%rax; mov (%%rax), %%rax")
INSTRUCTION(i_direct_map, "mov $0xffff800000000000, %%rax; mov %%rax, (%%rax)")

static const struct {
    const char *name;
    void (*attempt)(void);
} attempts[] = {
    {"rip in the kernel", rip_kernel},
    {"rip not canonical", rip_non_canonical},
    {"rip at the top", rip_top},
    {"rsp in the kernel", rsp_kernel},
    {"IOPL 3, cli", flags_iopl},
    {"IOPL 3, out", flags_ports},
    {"syscall at the top", syscall_at_the_top},
    {"direction flag", direction_flag},
    {"no stack", no_stack},
    {"registers kept", registers_kept},
    {"step over a call", step_over_a_call},
    {"bad segment base", bad_segment_base},
    {"kernel pointers", kernel_pointers},
    {"unknown calls", unknown_calls},
    {"hlt", i_hlt},
    {"mov cr3", i_cr3},
    {"wrmsr", i_wrmsr},
    {"swapgs", i_swapgs},
    {"int 14", i_int14},
    {"int 32", i_int32},
    {"int3", i_int3},
    {"ud2", i_ud2},
    {"division by zero", i_divide},
    {"in", i_in},
    {"sysret", i_sysret},
    {"iret to ring 0", i_iret},
    {"kernel text", i_kernel_read},
    {"direct map", i_direct_map},
};

static void try_one(const char *name, void (*attempt)(void))
{
    int status;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        attempt();
        _exit(77);
    }
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        printf("%s: signal %d\n", name, WTERMSIG(status));
    else
        printf("%s: exit %d\n", name, WEXITSTATUS(status));
}

int main(void)
{
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++)
        try_one(attempts[i].name, attempts[i].attempt);
    return 0;
}
