/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_guests.c: a virtual machine monitor's guests: whose cycles, which probes are believed, VM exits.
 *
 * Ring 0 works off a list of steps: a probe, or an entry of ring 3 on one of four root tables, at one of the pieces of
 * code of this file. All roots map the same, so only what was said of them tells them apart. Each piece ends by an
 * exit, which comes back to the list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "abi/probe.h"
#include "sim/inside.h"
#include "tests/sim/guest.h"

#define CODE GUEST_USER
#define STACK (GUEST_USER + 0x3000) /* top of a user page */
#define NAMES (GUEST_USER + 0x4000) /* 16 bytes each */
#define CODE_FRAME 0x300000
#define STACK_FRAME 0x302000
#define NAMES_FRAME 0x304000
#define STEPS GUEST_PARAM
#define LEAF 0x52494e47
_Static_assert(LEAF == PROBE_LEAF, "the assembler takes no suffix");

/* Root tables, copies of the kit's. */
#define ROOT(n) (0x310000ull + (n) * 0x1000ull)
#define ROOTS 4

/* What the guests call their own tables. */
#define CR3(n) (0x7000ull + (n) * 0x1000ull)

enum kind { STEP_END, STEP_PROBE, STEP_ENTER, STEP_IPI };

struct step {
    uint64_t kind, rax, rcx, rdx, rsi, rdi; /* the registers, at ring 0 for PROBE, at ring 3 for ENTER */
    uint64_t root, rip;                     /* ENTER */
};

SNIPPET(monitor,
        "mov edi, 0xfee00000; mov dword ptr [rdi + 0xf0], 0x1ff; mov r12d, " AT(STEPS) ";"
        "lea rax, [rip + next]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp; jmp first;"
        "next: add r12, 64; first: mov rbx, [r12]; mov rax, [r12 + 8]; mov rcx, [r12 + 16];"
        "mov rdx, [r12 + 24]; mov rsi, [r12 + 32]; mov rdi, [r12 + 40];"
        "cmp ebx, 1; jb done; je probe; cmp ebx, 3; je ipi;"
        "mov rbx, [r12 + 48]; mov cr3, rbx; push " AT(GUEST_USER_SS) "; movabs rbx, " AT(STACK) "; push rbx;"
        "push 0x202; push " AT(GUEST_USER_CS) "; push [r12 + 56]; xor ebx, ebx; iretq;"
        "probe: cpuid; jmp next;"
        "ipi: mov edi, 0xfee00000; mov dword ptr [rdi + 0x300], 0x40090; jmp next;"
        "done: mov eax, " AT(GUEST_TABLES) "; mov cr3, rax; xor eax, eax; ret");

/* Pieces: what a guest's code does last. */
#define PIECES(X)                                                                                                      \
    X(p_syscall, "syscall")                                                                                            \
    X(p_probe, "cpuid; syscall")                                                                                       \
    X(p_swapgs, "nop; swapgs")                                                                                         \
    X(p_sysret, "sysretq")                                                                                             \
    X(p_iretq, "push 0x23; push rsp; pushfq; push 0x1230; push rbx; iretq")                                            \
    X(p_mov_to_cr3, "mov cr3, rax")                                                                                    \
    X(p_mov_from_cr2, "mov rax, cr2")                                                                                  \
    X(p_mov_to_dr7, "mov dr7, rax")                                                                                    \
    X(p_wrmsr, "wrmsr")                                                                                                \
    X(p_invlpg, "invlpg [rax]")                                                                                        \
    X(p_invpcid, "invpcid rax, [rsp]")                                                                                 \
    X(p_cli, "cli")                                                                                                    \
    X(p_hlt, "hlt")                                                                                                    \
    X(p_out, "out dx, al")                                                                                             \
    X(p_outs, "mov ecx, 3; rep outsb")                                                                                 \
    X(p_lgdt, "lgdt [rax]")                                                                                            \
    X(p_high, "bts rax, 60; mov rax, [rax]")                                                                           \
    X(p_vmcall, "vmcall")                                                                                              \
    X(p_ud2, "ud2")                                                                                                    \
    X(p_junk, ".byte 0x0f, 0x0a")                                                                                      \
    X(p_unmapped, "movabs rax, 0xffff800000000000; mov rax, [rax]")                                                    \
    X(p_div, "xor ecx, ecx; div ecx")                                                                                  \
    X(p_int3, "int3")                                                                                                  \
    X(p_int80, "int 0x80")                                                                                             \
    X(p_int20, "int 0x20")                                                                                             \
    X(p_loop, "1: jmp 1b")                                                                                             \
    X(p_work, "mov ecx, 100; 1: dec ecx; jnz 1b; syscall")

#define WORK (1 + 200 + 1) /* instructions of p_work */

#define PIECE(name, text) SNIPPET(name, text);
PIECES(PIECE)
#undef PIECE

enum piece {
#define PIECE(name, text) AT_##name,
    PIECES(PIECE)
#undef PIECE
        PIECE_COUNT
};

#define PIECE_BYTES 64
_Static_assert(PIECE_COUNT * PIECE_BYTES <= 8192, "two pages of code");

static uint64_t piece_at(enum piece piece)
{
    return CODE + piece * PIECE_BYTES;
}

#define SAY(number, a, b, c) {.kind = STEP_PROBE, .rax = LEAF, .rcx = (number), .rdx = (a), .rsi = (b), .rdi = (c)}
#define MARK(root, who, cr3) SAY(PROBE_GUEST_ROOT, root, who, cr3)
#define RUN(on, piece) {.kind = STEP_ENTER, .root = (on), .rip = CODE + AT_##piece * PIECE_BYTES}
/* A probe by ring 3. */
#define ASK(on, number, a, b, c)                                                                                       \
    {.kind = STEP_ENTER, .rax = LEAF, .rcx = (number), .rdx = (a), .rsi = (b), .rdi = (c), .root = (on),               \
     .rip = CODE + AT_p_probe * PIECE_BYTES}
#define NAME(n) (NAMES + (n) * 16)

static void open_with(struct guest *guest, const struct step *steps, size_t count)
{
    static const uint8_t *const pieces[][2] = {
#define PIECE(name, text) {name, name##_end},
        PIECES(PIECE)
#undef PIECE
    };
    static const char names[][16] = {"kernel", "init", "sh", "monitor"};

    guest_open(guest, "tiny");
    for (unsigned page = 0; page < 5; page++)
        guest_map(guest, CODE + page * 4096, CODE_FRAME + page * 4096, PAGE_4K, PAGE_ALL);
    for (enum piece i = 0; i < PIECE_COUNT; i++) {
        assert_true(pieces[i][1] - pieces[i][0] <= PIECE_BYTES);
        guest_code(guest, CODE_FRAME + i * PIECE_BYTES, pieces[i][0], pieces[i][1]);
    }
    for (unsigned root = 0; root < ROOTS; root++)
        memcpy(guest_memory(guest, ROOT(root)), guest_memory(guest, GUEST_TABLES), 4096);
    memcpy(guest_memory(guest, NAMES_FRAME), names, sizeof names);
    memcpy(guest_memory(guest, STEPS), steps, count * sizeof *steps);
}

static void run(struct guest *guest, const struct step *steps, size_t count)
{
    open_with(guest, steps, count);
    guest_must_run(guest, monitor, monitor_end, 0);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t reason(const struct guest *guest, const char *name)
{
    const struct machine_result *r = machine_result(guest->machine);

    for (size_t i = 0; i < r->exit_count; i++)
        if (strcmp(r->exits[i].name, name) == 0)
            return r->exits[i].count;
    return 0;
}

static const struct domain_result *domain(const struct guest *guest, const char *name, unsigned ring)
{
    const struct machine_result *r = machine_result(guest->machine);

    for (size_t i = 0; i < r->domain_count; i++)
        if (strcmp(r->domains[i].name, name) == 0 && r->domains[i].ring == ring)
            return &r->domains[i];
    return NULL;
}

static uint64_t instructions(const struct guest *guest, const char *name)
{
    const struct domain_result *d = domain(guest, name, 3);

    if (!d)
        fail_msg("there is no domain '%s' in ring 3", name);
    return d->instructions;
}

/* ---- exits ---- */

static void test_reasons(void **state)
{
    static const struct {
        enum piece piece;
        const char *name;
        uint64_t hypercalls;
    } rows[] = {
        {AT_p_syscall, "syscall", 1},        {AT_p_swapgs, "swapgs", 0},         {AT_p_sysret, "sysretq", 0},
        {AT_p_iretq, "iretq", 0},            {AT_p_mov_to_cr3, "mov cr3", 0},    {AT_p_mov_from_cr2, "mov cr2", 0},
        {AT_p_mov_to_dr7, "mov dr7", 0},     {AT_p_wrmsr, "wrmsr", 0},           {AT_p_invlpg, "invlpg", 0},
        {AT_p_invpcid, "invpcid", 0},        {AT_p_cli, "cli", 0},               {AT_p_hlt, "hlt", 0},
        {AT_p_out, "out", 0},                {AT_p_outs, "rep outsb", 0},        {AT_p_lgdt, "lgdt", 0},
        {AT_p_high, "mov", 0},               {AT_p_vmcall, "vmcall", 1},         {AT_p_ud2, "ud2", 0},
        {AT_p_junk, "invalid opcode", 0},    {AT_p_unmapped, "page fault", 0},   {AT_p_div, "divide error", 0},
        {AT_p_int3, "breakpoint", 0},        {AT_p_int80, "int n", 0},           {AT_p_int20, "int", 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct step enter = {.kind = STEP_ENTER, .root = ROOT(0), .rip = piece_at(rows[i].piece)};
        const struct step steps[] = {MARK(ROOT(0), 1 | GUEST_KERNEL, CR3(0)), enter, enter, enter, {STEP_END}};
        struct guest guest;

        run(&guest, steps, COUNT(steps));
        if (machine_result(guest.machine)->exit_count != 1 || reason(&guest, rows[i].name) != 3)
            fail_msg("row %zu: not 3 times %s, but %s", i, rows[i].name, machine_result(guest.machine)->exits[0].name);
        assert_int_equal(guest_counter(&guest, COUNTER_vm_exits), 3);
        assert_int_equal(guest_counter(&guest, COUNTER_hypercalls), 3 * rows[i].hypercalls);
        assert_int_equal(guest_counter(&guest, COUNTER_mode_switches), 6);
        guest_close(&guest);
    }
}

/* Roots of nobody, and one that is a guest's no more. Only a guest's kernel makes hypercalls. */
static void test_whose_exits(void **state)
{
    static const struct step steps[] = {
        RUN(ROOT(0), p_swapgs), MARK(ROOT(0), 1 | GUEST_KERNEL, CR3(0)), MARK(ROOT(1), 1, CR3(0)),
        RUN(ROOT(0), p_swapgs), RUN(ROOT(0), p_swapgs), RUN(ROOT(1), p_syscall), RUN(ROOT(1), p_vmcall),
        RUN(ROOT(2), p_syscall), RUN(ROOT(0), p_syscall), MARK(ROOT(0), 0, 0), RUN(ROOT(0), p_swapgs),
        RUN(ROOT(1), p_swapgs), RUN(ROOT(1), p_swapgs), {.kind = STEP_IPI}, RUN(ROOT(1), p_loop), {STEP_END},
    };
    struct guest guest;

    run(&guest, steps, COUNT(steps));
    const struct machine_result *r = machine_result(guest.machine);
    assert_int_equal(guest_counter(&guest, COUNTER_vm_exits), 8);
    assert_int_equal(guest_counter(&guest, COUNTER_hypercalls), 1);
    assert_int_equal(r->exit_count, 4);
    assert_string_equal(r->exits[0].name, "swapgs");
    assert_int_equal(r->exits[0].count, 4);
    assert_string_equal(r->exits[1].name, "syscall");
    assert_int_equal(r->exits[1].count, 2);
    assert_string_equal(r->exits[2].name, "interrupt"); /* as often as the next: by name */
    assert_string_equal(r->exits[3].name, "vmcall");
    guest_close(&guest);
}

/* Like the counters, reasons are of the measured region. */
static void test_region(void **state)
{
    static const struct step steps[] = {
        MARK(ROOT(0), 1 | GUEST_KERNEL, CR3(0)), MARK(ROOT(1), 2 | GUEST_KERNEL, CR3(0)), RUN(ROOT(0), p_cli),
        ASK(ROOT(0), PROBE_REGION_BEGIN, 0, 0, 0), RUN(ROOT(0), p_hlt), RUN(ROOT(1), p_wrmsr),
        ASK(ROOT(1), PROBE_REGION_END, 1, 0, 0), RUN(ROOT(0), p_hlt), ASK(ROOT(1), PROBE_REGION_BEGIN, 0, 0, 0),
        ASK(ROOT(0), PROBE_REGION_END, 7, 0, 0), RUN(ROOT(0), p_swapgs), {STEP_END},
    };
    struct guest guest;

    run(&guest, steps, COUNT(steps));
    const struct machine_result *r = machine_result(guest.machine);
    assert_true(r->region);
    assert_int_equal(r->ops, 7);
    assert_int_equal(guest_counter(&guest, COUNTER_vm_exits), 6);
    assert_int_equal(r->exit_count, 3);
    assert_int_equal(reason(&guest, "syscall"), 3);
    assert_int_equal(reason(&guest, "hlt"), 2);
    assert_int_equal(reason(&guest, "wrmsr"), 1);
    guest_close(&guest);
}

/* ---- domains ---- */

/* Programs are told apart by the guest's own CR3, whatever roots stand for it; so are guests. */
static void test_domains(void **state)
{
    for (enum machine_model model = MODEL_TIMING; model <= MODEL_COUNT; model++) {
        static const struct step steps[] = {
            SAY(PROBE_DOMAIN, 0, GUEST_PARAM + 0x8000, 0),
            MARK(ROOT(0), 1 | GUEST_KERNEL, CR3(0)), MARK(ROOT(1), 1, CR3(0)),
            MARK(ROOT(2), 2 | GUEST_KERNEL, CR3(0)),
            ASK(ROOT(0), PROBE_DOMAIN, 0, NAME(0), 0), ASK(ROOT(0), PROBE_DOMAIN, 0, NAME(1), 3),
            ASK(ROOT(0), PROBE_DOMAIN, CR3(1), NAME(2), 3), ASK(ROOT(2), PROBE_DOMAIN, 0, NAME(0), 0),
            ASK(ROOT(2), PROBE_DOMAIN, CR3(0) | 7, NAME(1), 3),
            RUN(ROOT(1), p_work), RUN(ROOT(1), p_work), MARK(ROOT(1), 0, 0), MARK(ROOT(3), 1, CR3(0)),
            RUN(ROOT(3), p_work),
            MARK(ROOT(3), 1, CR3(1)), RUN(ROOT(3), p_work), MARK(ROOT(3), 2, CR3(0)), RUN(ROOT(3), p_work), {STEP_END},
        };
        struct guest guest;

        open_with(&guest, steps, COUNT(steps));
        memcpy(guest_memory(&guest, GUEST_PARAM + 0x8000), "monitor", 8);
        guest.model = model;
        guest_must_run(&guest, monitor, monitor_end, 0);
        assert_int_equal(instructions(&guest, "kernel"), 3 * 2);
        assert_int_equal(instructions(&guest, "init"), 3 * WORK);
        assert_int_equal(instructions(&guest, "sh"), WORK);
        assert_int_equal(instructions(&guest, "g2:kernel"), 2 * 2);
        assert_int_equal(instructions(&guest, "g2:init"), WORK);
        assert_non_null(domain(&guest, "monitor", 0));
        assert_int_equal(machine_result(guest.machine)->domain_count, 6);
        guest_close(&guest);
    }
}

/* A guest's space ends and another begins with the same CR3; then it becomes another program. */
static void test_space_gone(void **state)
{
    static const struct step steps[] = {
        MARK(ROOT(0), 1 | GUEST_KERNEL, CR3(0)), MARK(ROOT(1), 1, CR3(0)),
        ASK(ROOT(0), PROBE_DOMAIN, 0, NAME(1), 3), RUN(ROOT(1), p_work), ASK(ROOT(0), PROBE_SPACE_GONE, CR3(0), 0, 0),
        ASK(ROOT(0), PROBE_DOMAIN, CR3(0), NAME(2), 3), RUN(ROOT(1), p_work),
        ASK(ROOT(0), PROBE_DOMAIN, CR3(0), NAME(1), 3), RUN(ROOT(1), p_work), RUN(ROOT(1), p_work), {STEP_END},
    };
    struct guest guest;

    run(&guest, steps, COUNT(steps));
    assert_int_equal(instructions(&guest, "init"), 3 * WORK);
    assert_int_equal(instructions(&guest, "sh"), WORK);
    assert_int_equal(machine_result(guest.machine)->domain_count, 4); /* ring 0, the guest's kernel, and these */
    guest_close(&guest);
}

/* Roots are spaces: each change between them is a switch; so is a root that is made another's in between. */
static void test_context_switches(void **state)
{
    static const struct step steps[] = {
        MARK(ROOT(0), 1 | GUEST_KERNEL, CR3(0)), MARK(ROOT(1), 1, CR3(0)), RUN(ROOT(0), p_work), RUN(ROOT(0), p_work),
        RUN(ROOT(1), p_work) /* 1 */, RUN(ROOT(0), p_work) /* 2 */, RUN(ROOT(1), p_work) /* 3 */,
        MARK(ROOT(1), 1, CR3(0)), RUN(ROOT(1), p_work), MARK(ROOT(1), 1, CR3(1)), RUN(ROOT(1), p_work) /* 4 */,
        MARK(ROOT(1), 0, 0), RUN(ROOT(1), p_work) /* 5 */, RUN(ROOT(1), p_work), {STEP_END},
    };
    struct guest guest;

    run(&guest, steps, COUNT(steps));
    assert_int_equal(guest_counter(&guest, COUNTER_context_switches), 5);
    guest_close(&guest);
}

/* The space of a guest's that another CPU ran last ends: what comes next on that root there is another space's. */
static void test_space_gone_elsewhere(void **state)
{
    static const struct step steps[] = {
        MARK(ROOT(0), 1 | GUEST_KERNEL, CR3(0)), MARK(ROOT(1), 1, CR3(0)), MARK(ROOT(2), 2, CR3(0)), {STEP_END},
    };
    static const struct {
        uint64_t ran, gone;
        bool forgotten;
    } rows[] = {
        {ROOT(1), CR3(0), true}, {ROOT(1), CR3(1), false}, {ROOT(0), CR3(0), false}, {ROOT(2), CR3(0), false},
        {ROOT(3), CR3(0), false},
    };
    struct guest guest;

    open_with(&guest, steps, COUNT(steps));
    guest.cpus = 2;
    guest_must_run(&guest, monitor, monitor_end, 0);
    struct cpu *here = &guest.machine->cpus[0], *there = &guest.machine->cpus[1];
    here->cpl = 3;
    here->cr3 = ROOT(0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        there->user_space = rows[i].ran;
        account_space_gone(here, rows[i].gone);
        assert_true(there->user_space == (rows[i].forgotten ? UINT64_MAX : rows[i].ran));
    }
    guest_close(&guest);
}

/* ---- the table of roots ---- */

static bool is_known(const struct guest_roots *roots, uint64_t n)
{
    struct guest_root root = guest_roots_find(roots, n << 12);

    assert_int_equal(root.root, n << 12);
    return root.guest == 1 + n % 7 && root.space == n << 13 && root.kernel == n % 2;
}

/* Thousands, of which some go and come back. */
static void test_many_roots(void **state)
{
    enum { MANY = 20000 };
    struct guest_roots roots = {0};

    for (unsigned round = 0; round < 3; round++) {
        for (uint64_t n = 0; n < MANY; n++)
            guest_roots_set(&roots, &(struct guest_root){n << 12, n << 13, (uint16_t)(1 + n % 7), n % 2, false});
        for (uint64_t n = round; n < MANY; n += 3)
            assert_int_equal(guest_roots_set(&roots, &(struct guest_root){.root = n << 12}).guest, 1 + n % 7);
        for (uint64_t n = 0; n < MANY; n++)
            assert_int_equal(is_known(&roots, n), n % 3 != round);
    }
    assert_int_equal(guest_roots_find(&roots, (uint64_t)MANY << 12).guest, 0);
    assert_true(roots.room <= 4 * MANY);
    guest_roots_close(&roots);
}

/* ---- symbols ---- */

/* A guest's kernel has the symbols of the boot module that it names itself after, whatever the guest's number; what
 * else bears the name has not. */
static void test_kernel_symbols(void **state)
{
    static const struct {
        uint64_t who, name, ring;
        bool has_symbols;
    } rows[] = {
        {1 | GUEST_KERNEL, NAME(0), 0, true},
        {3 | GUEST_KERNEL, NAME(0), 0, true},
        {1 | GUEST_KERNEL, NAME(1), 0, false},
        {1, NAME(0), 3, false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct step steps[] = {
            MARK(ROOT(0), rows[i].who | GUEST_KERNEL, CR3(0)), MARK(ROOT(1), rows[i].who, CR3(0)),
            ASK(ROOT(0), PROBE_DOMAIN, CR3(0), rows[i].name, rows[i].ring), RUN(ROOT(1), p_work),
            RUN(ROOT(1), p_work), {STEP_END},
        };
        struct guest guest;

        open_with(&guest, steps, COUNT(steps));
        guest.ram_bytes = 16ul << 20;
        guest.module = "kernel";
        guest_symbol(&guest, "__cause_schedule_begin", piece_at(AT_p_work), 0, false);
        guest_symbol(&guest, "__cause_schedule_end", piece_at(AT_p_work) + PIECE_BYTES, 0, false);
        guest_must_run(&guest, monitor, monitor_end, 0);
        const uint64_t cycles = machine_result(guest.machine)->causes[CAUSE_schedule];
        assert_int_equal(cycles, rows[i].has_symbols ? 2 * WORK * guest.cpu.instruction_cost_256 >> 8 : 0);
        guest_close(&guest);
    }
}

/* Shadow updates are ring 0's: 5 calls and one that runs into the routine from before. */
SNIPPET(updates,
        "mov ecx, 5; 1: call update; dec ecx; jnz 1b; call into; jmp over; shadow_from: into: nop; update: nop; ret;"
        "shadow_to: over: xor eax, eax; ret");
extern const uint8_t shadow_from[], update[], shadow_to[];

static uint64_t in_updates(const uint8_t *label)
{
    return GUEST_TEST + (uint64_t)(label - updates);
}

static void test_shadow_updates(void **state)
{
    static const struct step steps[] = {
        MARK(ROOT(0), 1 | GUEST_KERNEL, CR3(0)), ASK(ROOT(0), PROBE_DOMAIN, 0, NAME(0), 0), RUN(ROOT(0), p_work),
        {STEP_END},
    };
    struct guest guest;

    guest_open(&guest, "tiny");
    guest_symbol(&guest, "shadow_write", in_updates(update), (uint64_t)(shadow_to - update), false);
    guest_symbol(&guest, "__cause_shadow_begin", in_updates(shadow_from), 0, false);
    guest_symbol(&guest, "__cause_shadow_end", in_updates(shadow_to), 0, false);
    guest_must_run(&guest, updates, updates_end, 0);
    assert_int_equal(guest_counter(&guest, COUNTER_shadow_updates), 6);
    assert_int_equal(machine_result(guest.machine)->causes[CAUSE_shadow], 13 * guest.cpu.instruction_cost_256 >> 8);
    guest_close(&guest);

    open_with(&guest, steps, COUNT(steps)); /* the same name in a guest's kernel */
    guest.ram_bytes = 16ul << 20;
    guest.module = "kernel";
    guest_symbol(&guest, "shadow_write", piece_at(AT_p_work), PIECE_BYTES, false);
    guest_must_run(&guest, monitor, monitor_end, 0);
    assert_int_equal(guest_counter(&guest, COUNTER_shadow_updates), 0);
    guest_close(&guest);
}

/* ---- memory ---- */

static void test_memory(void **state)
{
    static const struct step nothing[] = {{STEP_END}};
    struct guest guest;

    open_with(&guest, nothing, COUNT(nothing));
    for (guest.guests = 0; guest.guests <= 2; guest.guests++) {
        const uint64_t own = guest.guests ? BOOT_MONITOR_RAM(guest.guests) : 8ul << 20;

        guest_must_run(&guest, monitor, monitor_end, 0);
        const struct boot_info *boot = guest.machine->boot;
        assert_int_equal(boot->guests, guest.guests);
        assert_int_equal(boot->guest_ram_bytes, guest.guests ? 8ul << 20 : 0);
        assert_int_equal(boot->free_end, own);
        assert_int_equal(boot->ram_bytes, own + guest.guests * (8ul << 20));
        assert_int_equal(boot->free_start, GUEST_END);
    }
    guest_close(&guest);
}

static void test_memory_is_limited(void **state)
{
    static const struct {
        unsigned guests;
        uint64_t ram_bytes;
        bool fits;
    } rows[] = {{8, 0, true}, {9, 0, false}, {8, 366ul << 20, true}, {8, 368ul << 20, false}, {0, 3ul << 30, true}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        char error[MACHINE_ERROR_MAX] = "";
        struct cpu_model cpu;
        struct machine_config config = {
            .cpu = &cpu, .cpus = 1, .guests = rows[i].guests, .ram_bytes = rows[i].ram_bytes};

        assert_int_equal(cpu_model_read(&cpu, "sim/cpus/tiny.ini", error), 0);
        struct machine *machine = machine_create(&config, error);
        if (!machine == rows[i].fits)
            fail_msg("row %zu: %s", i, error);
        machine_destroy(machine);
    }
}

/* ---- who is believed ---- */

/* Ring 3 cannot make itself a guest, nor a guest's kernel. A guest's programs cannot speak for its kernel. */
static void test_forged(void **state)
{
    static const struct step steps[] = {
        ASK(ROOT(3), PROBE_GUEST_ROOT, ROOT(3), 1 | GUEST_KERNEL, CR3(0)), ASK(ROOT(3), PROBE_DOMAIN, 0, NAME(0), 0),
        MARK(ROOT(0), 1 | GUEST_KERNEL, CR3(0)), MARK(ROOT(1), 1, CR3(0)),
        ASK(ROOT(0), PROBE_GUEST_ROOT, ROOT(1), 2, CR3(0)),
        ASK(ROOT(1), PROBE_GUEST_ROOT, ROOT(1), 1 | GUEST_KERNEL, CR3(0)),
        ASK(ROOT(1), PROBE_DOMAIN, 0, NAME(0), 0), ASK(ROOT(1), PROBE_DOMAIN, 0, NAME(1), 3),
        ASK(ROOT(1), PROBE_FREE_FRAMES, 77, 0, 0), MARK(ROOT(1), 2 * GUEST_KERNEL + 5, CR3(0)), {STEP_END},
    };
    struct guest guest;

    run(&guest, steps, COUNT(steps));
    const struct machine_result *r = machine_result(guest.machine);
    assert_int_equal(guest_counter(&guest, COUNTER_vm_exits), 5);
    assert_int_equal(guest_counter(&guest, COUNTER_hypercalls), 1);
    assert_int_equal(r->domain_count, 4);
    assert_string_equal(r->domains[0].name, "kernel");
    assert_int_equal(r->domains[0].ring, 0);
    assert_int_equal(r->domains[1].instructions, 4);
    assert_string_equal(r->domains[1].name, "user");
    assert_string_equal(r->domains[2].name, "kernel");
    assert_int_equal(r->domains[2].instructions, 2);
    assert_string_equal(r->domains[3].name, "user");
    assert_int_equal(r->domains[3].instructions, 8);
    assert_int_equal(r->free_frames_before, 0);
    guest_close(&guest);
}

/* Free frames: the first guest's kernel may tell, unless ring 0 does. */
static void test_free_frames(void **state)
{
    static const struct step guests[] = {
        MARK(ROOT(0), 1 | GUEST_KERNEL, CR3(0)), MARK(ROOT(1), 2 | GUEST_KERNEL, CR3(0)),
        ASK(ROOT(0), PROBE_FREE_FRAMES, 100, 0, 0), ASK(ROOT(1), PROBE_FREE_FRAMES, 50, 0, 0),
        ASK(ROOT(0), PROBE_FREE_FRAMES, 99, 1, 0), {STEP_END},
    };
    static const struct step both[] = {
        MARK(ROOT(0), 1 | GUEST_KERNEL, CR3(0)), ASK(ROOT(0), PROBE_FREE_FRAMES, 100, 0, 0),
        ASK(ROOT(0), PROBE_FREE_FRAMES, 99, 1, 0), SAY(PROBE_FREE_FRAMES, 20, 0, 0),
        ASK(ROOT(0), PROBE_FREE_FRAMES, 98, 1, 0), {STEP_END},
    };
    struct guest guest;

    run(&guest, guests, COUNT(guests));
    assert_int_equal(machine_result(guest.machine)->free_frames_before, 100);
    assert_int_equal(machine_result(guest.machine)->free_frames_after, 99);
    guest_close(&guest);
    run(&guest, both, COUNT(both));
    assert_int_equal(machine_result(guest.machine)->free_frames_before, 20);
    assert_int_equal(machine_result(guest.machine)->free_frames_after, 0);
    guest_close(&guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_whose_exits),
        cmocka_unit_test(test_region),
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_space_gone),
        cmocka_unit_test(test_context_switches),
        cmocka_unit_test(test_space_gone_elsewhere),
        cmocka_unit_test(test_many_roots),
        cmocka_unit_test(test_kernel_symbols),
        cmocka_unit_test(test_shadow_updates),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_memory_is_limited),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_free_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
