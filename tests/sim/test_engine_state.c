/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_engine_state.c: where the engine's own state would mislead: it takes ring 0's soft TLB for some accesses
 * of ring 3, shows an operand as RFLAGS in the middle of a block, and traps behind an instruction that the block hook has
 * not settled. In both models, with and without the memory hook.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/guest.h"

#define CODE GUEST_USER
#define STACK (GUEST_USER + 0x3000) /* top of a user page */
#define DATA (GUEST_USER + 0x5000)
#define CODE_FRAME 0x300000
#define STACK_FRAME 0x302000
#define DATA_FRAME 0x305000

static const struct {
    enum machine_model model;
    enum machine_accesses accesses;
} ways[] = {{MODEL_TIMING, ACCESSES_PLANNED},
            {MODEL_TIMING, ACCESSES_HOOKED},
            {MODEL_COUNT, ACCESSES_PLANNED},
            {MODEL_COUNT, ACCESSES_HOOKED}};
#define WAYS (sizeof ways / sizeof ways[0])

/* Ring 3's code is in a page of both rings. */
static void set_up(struct guest *guest, unsigned way, const uint8_t *code, const uint8_t *end)
{
    guest_open(guest, "tiny");
    guest->model = ways[way].model;
    guest->accesses = ways[way].accesses;
    guest_code(guest, CODE_FRAME, code, end);
    guest_map(guest, CODE, CODE_FRAME, PAGE_4K, PAGE_ALL);
    guest_map(guest, STACK - 4096, STACK_FRAME, PAGE_4K, PAGE_ALL);
    guest_map(guest, DATA, DATA_FRAME, PAGE_4K, PAGE_ALL);
}

/* What ring 3 executes: it ends with an interrupt. */
#define S(name, text) SNIPPET(name, text "; int 0x80")
#define RESUME_AT(label) "lea rax, [rip + " label "]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;"
#define WITH_SMAP "mov rax, cr4; bts rax, 21; btr rax, 20; mov cr4, rax;"

/* clang-format off: it sets a snippet word by word */
/* Ring 0 has just read PARAM + 0x800; ring 3 gets the stack pointer in PARAM + 0x900. */
SNIPPET(to_user,
        WITH_SMAP RESUME_AT("8f") "mov rax, [" AT(GUEST_PARAM) " + 0x800]; push " AT(GUEST_USER_SS) "; push [" AT(GUEST_PARAM) " + 0x900]; push 2;"
        "push " AT(GUEST_USER_CS) "; movabs rax, " AT(CODE) "; push rax; iretq; 8: xor eax, eax; ret");
/* clang-format on */
S(user_iretq, "iretq");

/* A ring-0 kernel steps over IRETQ: the trap comes from ring 3, at the target, and with the target's RFLAGS. */
SNIPPET(steps_to_user,
        "push " AT(GUEST_USER_SS) "; movabs rax, " AT(STACK) "; push rax; push 2; push " AT(GUEST_USER_CS) "; movabs rax, " AT(CODE) ";"
        "push rax; push 0x102; popfq; iretq;");
S(user_privileged, "nop; cli");

static void test_step_over_iret(void **state)
{
    for (unsigned way = 0; way < WAYS; way++) {
        struct guest guest;
        struct guest_record r;

        set_up(&guest, way, user_privileged, user_privileged_end);
        guest_must_run(&guest, steps_to_user, steps_to_user_end, GUEST_LOST); /* by CLI */
        assert_int_equal(guest_logged(&guest), 2);
        r = guest_record(&guest, 0);
        assert_int_equal(r.vector, 1);
        assert_int_equal(r.rip, CODE);
        assert_int_equal(r.cs, GUEST_USER_CS);
        assert_int_equal(r.rsp, STACK);
        assert_int_equal(r.rflags & 0x302, 2);
        r = guest_record(&guest, 1);
        assert_int_equal(r.vector, 13);
        assert_int_equal(r.rip, CODE + 1);
        assert_int_equal(guest_counter(&guest, COUNTER_mode_switches), 4); /* out, in, out, in */
        guest_close(&guest);
    }
}

/* Arithmetic whose operand looks like RFLAGS, EDX, behind a block that has left the flags themselves; then an access to a
 * user page of ring 0 with SMAP, with AC (PARAM + 0x908), or without. */
SNIPPET(reads_users,
        WITH_SMAP RESUME_AT("8f") "movabs rbx, " AT(DATA) "; mov edx, [" AT(GUEST_PARAM) " + 0x900]; push [" AT(GUEST_PARAM) " + 0x908]; popfq;"
        "add ecx, edx; mov rax, [rbx]; push 2; popfq; mov eax, 7; ret; 8: xor eax, eax; ret");

static void test_smap_in_mid_block(void **state)
{
    for (unsigned way = 0; way < 2 * WAYS; way++) {
        const bool ac = way / WAYS;
        struct guest guest;

        set_up(&guest, way % WAYS, user_iretq, user_iretq_end);
        guest_put(&guest, GUEST_PARAM + 0x900, ac ? 0 : 0x40000);
        guest_put(&guest, GUEST_PARAM + 0x908, ac ? 0x40002 : 2);
        guest_must_run(&guest, reads_users, reads_users_end, ac ? 7 : 0);
        assert_int_equal(guest_logged(&guest), !ac);
        if (!ac)
            assert_int_equal(guest_record(&guest, 0).error, 1);
        guest_close(&guest);
    }
}

/* The same at ring 3: the #PF's RFLAGS have no TF, NT, RF, AC or ID of an operand. */
S(user_flags_like, "push 2; popfq; mov edx, 0x254500; add ecx, edx; mov rax, [0]");

static void test_flags_of_fault(void **state)
{
    for (unsigned way = 0; way < WAYS; way++) {
        struct guest guest;

        set_up(&guest, way, user_flags_like, user_flags_like_end);
        guest_put(&guest, GUEST_PARAM + 0x900, STACK - 64);
        guest_must_run(&guest, to_user, to_user_end, 0);
        assert_int_equal(guest_record(&guest, 0).vector, 14);
        assert_int_equal(guest_record(&guest, 0).rflags & 0x3fffff & ~0x8d5ul & ~0x10000ul, 2);
        guest_close(&guest);
    }
}

/* Ring 3 runs on its own stack; then ring 0 reads there. */
SNIPPET(then_reads_stack,
        WITH_SMAP RESUME_AT("8f") "push " AT(GUEST_USER_SS) "; movabs rax, " AT(STACK) " - 64; push rax; push 2; push " AT(GUEST_USER_CS) ";"
        "movabs rax, " AT(CODE) "; push rax; iretq; 8: " RESUME_AT("9f") "movabs rdx, " AT(STACK) "; mov rax, [rdx - 8]; mov eax, 7; ret;"
        "9: xor eax, eax; ret");
S(user_takes_stack, "mov esp, " AT(GUEST_PARAM) " + 0x800; iretq");
S(user_far_return, "rex.W retf");
S(user_far_call, "rex.W call fword ptr [rip + 1f]; 1: .quad " AT(CODE) "; .word " AT(GUEST_USER_CS));
S(user_iretq_to_next, "mov rax, rsp; mov ecx, ss; push rcx; push rax; pushfq; mov ecx, cs; push rcx; lea rcx, [rip + 1f]; push rcx; jmp 2f; 2: iretq; 1: nop");

/* The stack of IRET, far RET and far CALL is the program's: ring 0's pages are not for them, nor for ring 0 with SMAP what
 * they have read. */
static void test_far_transfers_at_ring_3(void **state)
{
    static const struct {
        const uint8_t *code, *end;
        uint64_t stack;
        unsigned error, at;
    } transfers[] = {{user_iretq, user_iretq_end, GUEST_PARAM + 0x800, 5, 0},
                     {user_takes_stack, user_takes_stack_end, STACK - 64, 5, 5},
                     {user_far_return, user_far_return_end, GUEST_PARAM + 0x800, 5, 0},
                     {user_far_call, user_far_call_end, GUEST_PARAM + 0x800, 7, 0}};

    for (unsigned way = 0; way < WAYS; way++) {
        struct guest guest;

        for (size_t i = 0; i < sizeof transfers / sizeof transfers[0]; i++) {
            set_up(&guest, way, transfers[i].code, transfers[i].end);
            guest_put(&guest, GUEST_PARAM + 0x800, CODE + 0x100);
            guest_put(&guest, GUEST_PARAM + 0x808, GUEST_USER_CS);
            guest_put(&guest, GUEST_PARAM + 0x900, transfers[i].stack);
            guest_must_run(&guest, to_user, to_user_end, 0);
            assert_int_equal(guest_logged(&guest), 1);
            assert_int_equal(guest_record(&guest, 0).vector, 14);
            assert_int_equal(guest_record(&guest, 0).error, transfers[i].error);
            assert_int_equal(guest_record(&guest, 0).rip, CODE + transfers[i].at);
            guest_close(&guest);
        }
        set_up(&guest, way, user_iretq_to_next, user_iretq_to_next_end);
        guest_must_run(&guest, then_reads_stack, then_reads_stack_end, 0); /* 7: it could */
        assert_int_equal(guest_logged(&guest), 2);
        assert_int_equal(guest_record(&guest, 0).vector, 0x80);
        assert_int_equal(guest_record(&guest, 1).vector, 14);
        assert_int_equal(guest_record(&guest, 1).cs, GUEST_KERNEL_CS);
        guest_close(&guest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step_over_iret),
        cmocka_unit_test(test_smap_in_mid_block),
        cmocka_unit_test(test_flags_of_fault),
        cmocka_unit_test(test_far_transfers_at_ring_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
