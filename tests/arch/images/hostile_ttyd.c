/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/hostile_ttyd.c: ttyd that attacks the program which fsd serves by asking it, and that does, when
 * asked by an ioctl, what no server survives (deadly.def). If the program was started with the argument
 * HOSTILE_REFUSES, it does not start again either.
 */
#include "tests/arch/images/attack.h"

#include "tests/arch/images/hostile.h"

#define KERNEL_TEXT 0xffffffff80100000ul
#define LIST(when) static const struct attack when##_attacks[] = {
#define ATTACK(name, expected) {#name, attack_##name},
#define END                                                                                                            \
    }                                                                                                                  \
    ;
#include "tests/arch/images/attacks_ttyd.def"
#define COUNT(list) (sizeof(list) / sizeof(*list))

static struct {
    long (*request)(void *self, struct request *rq); /* the real one */
} hostile;

/* ---- deadly ---- */

static uint8_t data_code[] = {0xc3}; /* ret */

static void run_data(void)
{
    void (*volatile code)(void) = (void (*)(void))data_code;

    code();
}

static void run_nothing(void)
{
    void (*volatile code)(void) = NULL;

    code();
}

static void run_kernel(void)
{
    void (*volatile code)(void) = (void (*)(void))KERNEL_TEXT;

    code();
}

static void touch(uint64_t address, bool write)
{
    volatile uint64_t *there = (volatile uint64_t *)address;

    if (write)
        *there = 0x666;
    else
        (void)*there;
}

static void read_null(void)
{
    touch(0, false);
}

static void read_kernel(void)
{
    touch(KERNEL_TEXT, false);
}

static void read_direct_map(void)
{
    touch(0xffff800000000000ul, false);
}

static void read_not_canonical(void)
{
    touch(1ul << 63, false);
}

static void read_window(void)
{
    touch(WINDOW_BASE, false);
}

static void write_text(void)
{
    touch(SERVER_IMAGE_BASE, true);
}

static void write_boot_info(void)
{
    touch(SERVER_BOOT_INFO, true);
}

static void overflow_stack(void)
{
    touch(SERVER_STACK_TOP - SERVER_STACK_PAGES * 4096 - 8, true);
}

static void refuse_memory(void)
{
    kcall(IPC_EXIT, 1, 0, 0);
}

static void hang(void)
{
    for (;;)
        __asm__ volatile("");
}

/* It lives, as the supervisor is told again and again; but it receives nothing. */
static void forge_life(void)
{
    for (;;)
        kcall(IPC_NOTIFY, CAP_SERVER((uint64_t)server_supervisor()), NOTIFY_ALIVE(server.number), 0);
}

/* It receives everything, and does nothing about it. */
static void deaf(void)
{
    uint64_t word[6];

    for (;;)
        ipc_reply_wait(0, 0, word);
}

static void leave(void)
{
    kcall(IPC_EXIT, 0, 0, 0);
}

#define DEADLY(name, text)                                                                                             \
    static void name(void)                                                                                             \
    {                                                                                                                  \
        __asm__ volatile(text : : : "memory", "rax", "rcx", "rdx");                                                    \
    }
DEADLY(instruction_hlt, "hlt")
DEADLY(instruction_cli, "cli")
DEADLY(instruction_in, "in $0x60, %%al")
DEADLY(instruction_out, "out %%al, $0xf4")
DEADLY(instruction_cr3, "mov %%cr3, %%rax")
DEADLY(instruction_wrmsr, "wrmsr")
DEADLY(instruction_swapgs, "swapgs")
DEADLY(instruction_int, "int $0x20")
DEADLY(instruction_iret, "pushq $0x10; pushq $0; pushq $2; pushq $0x08; pushq $0; iretq")
DEADLY(instruction_ud2, "ud2")
DEADLY(instruction_fpu, "fldz")
DEADLY(instruction_sse, "xorps %%xmm0, %%xmm0")
DEADLY(instruction_clts, "clts")
DEADLY(divide, "xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx")

static const struct {
    const char *name;
    void (*run)(void);
} deadly[] = {
#define DEADLY_ATTACK(name) {#name, name},
#include "tests/arch/images/deadly.def"
};

static void die(unsigned n)
{
    if (n >= sizeof(deadly) / sizeof(*deadly))
        return;
    log_line("attack %s", deadly[n].name);
    deadly[n].run();
    log_line("survived %s", deadly[n].name);
}

/* ---- on the program that the asker serves ---- */

static void attack_served(const struct request *rq)
{
    uint64_t handle = server.request_entry.handle, address = rq->arg[2], absent;
    char loot[64];
    const struct {
        const char *name;
        uint64_t address, bytes, flags;
    } copies[] = {
        {"granted", address, 64, COPY_SERVED},
        {"before", address - 1, 1, COPY_SERVED},
        {"after", address + 64, 1, COPY_SERVED},
        {"straddling begin", address - 8, 16, COPY_SERVED},
        {"straddling end", address + 60, 8, COPY_SERVED},
        {"write before", address - 1, 1, COPY_SERVED | COPY_OUT},
        {"write after", address + 64, 1, COPY_SERVED | COPY_OUT},
        {"kernel", KERNEL_TEXT, 8, COPY_SERVED},
        {"the asker's text", SERVER_IMAGE_BASE, 8, 0},
        {"the asker's message page", SERVER_MESSAGE_PAGE, 8, COPY_OUT},
        {"the asker at the program's address", address, 8, 0},
    };

    for (unsigned i = 0; i < sizeof(copies) / sizeof(*copies); i++)
        log_line("copy %s: %ld", copies[i].name,
                 ipc_copy(handle, (uint64_t)loot, copies[i].address, copies[i].bytes, copies[i].flags, &absent));
    log_line("request back: %ld", kcall(IPC_REQUEST, CAP_SERVER((uint64_t)server.where[SERVICE_FS]), 0, 0));
}

static void attack_others(const struct request *rq)
{
    const struct target target = {.handle = server.request_entry.handle, .address = rq->arg[2], .bytes = 64};

    for (unsigned n = 0; n < COUNT(ioctl_attacks); n++)
        attack_run(ioctl_attacks, COUNT(ioctl_attacks), n, &target);
}

static void drain_serves_nobody(void)
{
    uint64_t absent;
    char loot[8];

    log_line("copy of nobody: %ld",
             ipc_copy(server.request_entry.handle, (uint64_t)loot, 0x400000, 8, COPY_SERVED, &absent));
}

static long request(void *self, struct request *rq)
{
    if (rq->op == TTY_DRAIN)
        drain_serves_nobody();
    if (rq->op != TTY_IOCTL || (rq->arg[1] & 0xffff0000) != HOSTILE_IOCTL)
        return hostile.request(self, rq);
    if (rq->arg[1] & HOSTILE_DEADLY) {
        die(rq->arg[1] & ~(HOSTILE_IOCTL | HOSTILE_DEADLY));
        return 0;
    }
    attack_served(rq);
    attack_others(rq);
    return 0;
}

/* ---- tty_part, and this in front ---- */

static bool refuses(void)
{
    const char *last = server.boot->text; /* the path, then the arguments */

    for (unsigned n = 0; n < server.boot->argc; n++)
        last += str_len(last) + 1;
    return str_eq(last, HOSTILE_REFUSES);
}

static void create(enum server_why why)
{
    if (why == START_FRESH && refuses())
        kcall(IPC_EXIT, 1, 0, 0);
    tty_part.create(why);
    hostile.request = server.services[SERVICE_TTY].request;
    server.services[SERVICE_TTY].request = request;
}

static void destroy(void)
{
    tty_part.destroy();
}

static void interrupt(void)
{
    tty_part.interrupt();
}

static const struct part hostile_part = {.create = create, .destroy = destroy, .interrupts = 2, .interrupt = interrupt};
const struct part *const server_parts[] = {&hostile_part, NULL};
