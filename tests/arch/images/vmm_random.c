/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_random.c: random instruction streams as a guest's kernel ("cpl=0") or as its program ("cpl=3").
 *
 * Each stream begins with random registers, many of which point to memory that is there for it; an exception, a SYSCALL
 * or the timer ends it, and the next one begins: a line of the log is its number. Stream N of a seed is always the
 * same, so that another boot goes on behind one that has ended the guest: a stream can do to its kernel what it likes.
 * Several guests share the work: the image is linked once for each, with its number as `lane` (vmm_images.mk).
 * "from3=N" is where that of lane 3 begins; it goes on by steps of LANES up to "to".
 */
#include "abi/devices.h"
#include "guest/x86.h"
#include "tests/arch/images/vmm_kit.h"
#include "tests/sim/random.h"

#define LANES 8
#define STREAM_BYTES 128
#define STREAM_CYCLES 12000
#define CODE 0x8000000000ul
#define DATA 0x8000100000ul /* DATA_PAGES of it; one after the other a page table, the streams' stack, anything */
#define DATA_PAGES 8
#define REGISTERS 15 /* all but RSP */

/* The registers of a stream: r15 … rax. */
uint64_t random_registers[REGISTERS];
void random_enter(uint64_t code);
void random_enter_user(uint64_t code);

#define LOAD_REGISTERS                                                                                                 \
    "leaq random_registers(%rip), %rax; movq (%rax), %r15; movq 8(%rax), %r14; movq 16(%rax), %r13;"                   \
    "movq 24(%rax), %r12; movq 32(%rax), %r11; movq 40(%rax), %r10; movq 48(%rax), %r9; movq 56(%rax), %r8;"           \
    "movq 64(%rax), %rbp; movq 72(%rax), %rdi; movq 80(%rax), %rsi; movq 88(%rax), %rdx; movq 96(%rax), %rcx;"         \
    "movq 104(%rax), %rbx; movq 112(%rax), %rax;"

extern const uint64_t random_lane;
__asm__(".section .rodata; random_lane: .quad lane;"
        ".text;"
        "random_enter: movabsq $0x8000106800, %rsp; pushq %rdi;" LOAD_REGISTERS "sti; ret;"
        "random_enter_user: pushq $0x23; movabsq $0x8000106800, %rax; pushq %rax; pushq $0x202; pushq $0x2b; pushq "
        "%rdi;" LOAD_REGISTERS "iretq");

static uint8_t random_byte(struct random *random)
{
    return (uint8_t)random_next(random);
}

/* What traps in a guest's kernel, or has to do with that; a byte of random operands follows most. */
static unsigned privileged(struct random *random, uint8_t *to)
{
    static const uint8_t code[][4] = {
        {0x0f, 0x20}, {0x0f, 0x22}, {0x0f, 0x01}, {0x0f, 0x00}, {0x0f, 0x30}, {0x0f, 0x32}, {0x0f, 0x06},
        {0x0f, 0x05}, {0xfa},       {0xfb},       {0xf4},       {0xe4},       {0xe6},       {0xec},
        {0xee},       {0xcd},       {0x48, 0xcf}, {0x9c},       {0x9d},       {0x8c},       {0x0f, 0x09},
        {0xcc},       {0x0f, 0xa2}, {0x0f, 0x31}, {0x0f, 0xae}, {0x0f, 0x02}, {0x0f, 0x03}, {0x48, 0x0f},
    };
    const uint8_t *one = code[random_below(random, sizeof(code) / sizeof(*code))];
    unsigned n = 0;

    if (!random_below(random, 4))
        to[n++] = 0x48;
    to[n++] = one[0];
    if (one[0] == 0x0f || (one[0] == 0x48 && one[1]))
        to[n++] = one[1];
    to[n++] = random_byte(random);
    return n;
}

/* What the monitor does not emulate, or what mostly reaches for addresses that cannot be, ends a guest for sure: rare,
 * or nothing else would be tried. */
static uint8_t opcode(struct random *random, bool escaped)
{
    static const uint8_t ends[] = {0x6c, 0x6d, 0x6e, 0x6f, 0x8e, 0xa0, 0xa1, 0xa2, 0xa3, 0xca, 0xcb, 0xcf};
    static const uint8_t ends_escaped[] = {0x07, 0x21, 0x23, 0x35, 0xb2, 0xb4, 0xb5};
    const uint8_t *rare = escaped ? ends_escaped : ends;
    size_t count = escaped ? sizeof(ends_escaped) : sizeof(ends);
    uint8_t byte = random_byte(random);

    for (size_t i = 0; i < count; i++)
        if (byte == rare[i] && random_below(random, 16))
            byte = random_byte(random);
    return byte;
}

static unsigned usual(struct random *random, uint8_t *to)
{
    static const uint8_t prefixes[] = {0x66, 0xf2, 0xf3, 0xf0, 0x64, 0x65, 0x67};
    unsigned n = 0, map = random_below(random, 6);

    if (!random_below(random, 4))
        to[n++] = prefixes[random_below(random, sizeof(prefixes))];
    if (random_below(random, 2))
        to[n++] = (uint8_t)(0x40 + random_below(random, 16));
    if (map < 2)
        to[n++] = 0x0f;
    if (map == 0)
        to[n++] = random_below(random, 2) ? 0x38 : 0x3a;
    to[n++] = opcode(random, map < 2);
    to[n++] = (uint8_t)(random_below(random, 3) ? 0xc0 | random_next(random) : random_next(random));
    for (unsigned rest = random_below(random, 3) * 2; rest > 0; rest--)
        to[n++] = random_below(random, 2) ? 0 : random_byte(random);
    return n;
}

static void make_stream(struct random *random, uint8_t *to)
{
    unsigned used = 0, kind = random_below(random, 4);
    uint8_t one[16];

    while (kind && used < STREAM_BYTES - sizeof(one)) {
        unsigned bytes = random_below(random, 3) ? usual(random, one) : privileged(random, one);

        for (unsigned i = 0; i < bytes; i++)
            to[used++] = one[i];
    }
    while (used < STREAM_BYTES)
        to[used++] = random_byte(random);
}

/* Small numbers, addresses of the streams' memory, of devices, of everything else. */
static uint64_t make_register(struct random *random)
{
    switch (random_below(random, 64)) {
    case 0 ... 7:
        return random_below(random, 256);
    case 8:
        return random_next(random);
    case 9:
        return 0xfe000000 + random_below(random, 1u << 24);
    case 10 ... 17:
        return 0xc0000080 + random_below(random, 8);
    default:
        return DATA + random_below(random, DATA_PAGES << 12);
    }
}

/* At 0: memory and devices, and not what is neither, which is nothing that a stream could learn from. */
static void map_what_there_is(uint64_t root)
{
    uint64_t pdpt = kit_frame(), low = kit_frame(), high = kit_frame();
    uint64_t memory = kit.boot->ram_bytes >> 21, devices = MMIO_BASE >> 21 & 511;

    copy_quads((void *)low, kit_entry(root, 0, 1), memory);
    copy_quads((uint64_t *)high + devices, kit_entry(root, MMIO_BASE, 1), (MMIO_END >> 21 & 511) - devices + 1);
    ((uint64_t *)pdpt)[0] = low | P | W;
    ((uint64_t *)pdpt)[3] = high | P | W;
    ((uint64_t *)root)[0] = ((uint64_t *)root)[256] = pdpt | P | W;
}

static uint64_t map_streams(void)
{
    uint64_t root = kit_root(), code = kit_frame();

    map_what_there_is(root);
    kit_map(root, CODE, code | P | W | U);
    for (unsigned i = 0; i < DATA_PAGES; i++)
        kit_map(root, DATA + i * PAGE, kit_frame() | P | W | U);
    /* two of its pages are tables: of the other pages, and of nothing */
    kit_map(root, DATA + 2 * PAGE, ((uint64_t)kit_entry(root, DATA, 0) & ~(PAGE - 1)) | P | W | U);
    kit_map(root, DATA + 4 * PAGE, root | P | W | U);
    return root;
}

/* Interrupts that still wait come now. */
static void settle(void)
{
    kit_timer(0);
    kit_interrupts_end = 0;
    __asm__ volatile("sti; nop; cli" : : : "memory");
}

static void run_stream(uint64_t seed, uint64_t n, bool user)
{
    struct random random = {seed * 1000003 + n};
    uint8_t *code = (uint8_t *)CODE;

    make_stream(&random, code);
    for (unsigned i = 0; i < REGISTERS; i++)
        random_registers[i] = make_register(&random);
    settle();
    kit_interrupts_end = 1;
    kit_timer(STREAM_CYCLES);
    kit_try(user ? random_enter_user : random_enter, CODE);
}

void test_main(void)
{
    const char key[] = {'f', 'r', 'o', 'm', (char)('0' + random_lane), 0};
    uint64_t from = kit_setting(key, random_lane), to = kit_setting("to", 1), seed = kit_setting("seed", 1);
    bool user = kit_setting("cpl", 0) == 3;
    uint64_t boot = kit.cr3, first = kit.next_frame;

    for (uint64_t n = from; n < to; n += LANES) {
        print("%lu\n", n);
        kit.next_frame = first;
        kit.cr3 = boot;
        write_cr3(boot);
        kit.cr3 = map_streams();
        write_cr3(kit.cr3);
        run_stream(seed, n, user);
    }
    print("streams: done\n");
}
