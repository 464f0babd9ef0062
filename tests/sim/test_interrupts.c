/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_interrupts.c: external interrupts: when they may come, in which order, and that none is lost.
 *
 * Interrupts come from the local APIC: its timer, or an IPI to itself. The kit's handler logs each and ends it (EOI).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "abi/devices.h"
#include "tests/sim/guest.h"

/* RDI: the APIC's page. */
#define APIC_ON "mov edi, 0xfee00000; mov dword ptr [rdi + 0xf0], 0x1ff;"
#define DIVIDE_BY_1 "mov dword ptr [rdi + 0x3e0], 0xb;"
/* Sends an IPI to this CPU and waits until it is pending: IRR bit of the vector. */
#define SELF_IPI(vector)                                                                                               \
    "mov dword ptr [rdi + 0x300], 0x40000 + " #vector "; 7: mov eax, [rdi + 0x200 + (" #vector " / 32) * 16];"         \
    "bt eax, " #vector " % 32; jnc 7b;"
#define LOGGED "qword ptr [" AT(GUEST_CONTROL) " + " AT(GUEST_LOG_COUNT) "]"
#define SPIN "mov ecx, 20000; 8: dec ecx; jnz 8b;"
#define DONE "xor eax, eax; ret"

static void run(struct guest *guest, const uint8_t *code, const uint8_t *end)
{
    guest_open(guest, "tiny");
    guest_must_run(guest, code, end, 0);
}

static void expect(struct guest *guest, uint64_t interrupts)
{
    assert_int_equal(guest_logged(guest), interrupts);
    assert_int_equal(guest_counter(guest, COUNTER_interrupts), interrupts);
    assert_int_equal(guest_counter(guest, COUNTER_exceptions), 0);
}

SNIPPET(one_shot, APIC_ON DIVIDE_BY_1 "mov dword ptr [rdi + 0x320], 0x41; mov dword ptr [rdi + 0x380], 5000; sti;"
                  "1: cmp " LOGGED ", 0; je 1b;" SPIN "cli;" DONE);

static void test_one_shot(void **state)
{
    struct guest guest;
    run(&guest, one_shot, one_shot_end);
    expect(&guest, 1);
    assert_int_equal(guest_record(&guest, 0).vector, 0x41);
    assert_int_equal(guest_record(&guest, 0).cs, GUEST_KERNEL_CS);
    assert_true(guest_record(&guest, 0).rflags & 0x200);
    guest_close(&guest);
}

SNIPPET(periodic, APIC_ON DIVIDE_BY_1 "mov dword ptr [rdi + 0x320], 0x20041; mov dword ptr [rdi + 0x380], 3000;"
                  "1: sti; hlt; cli; cmp " LOGGED ", 10; jb 1b; mov dword ptr [rdi + 0x380], 0;" DONE);

static void test_periodic_wakes_hlt(void **state)
{
    struct guest guest;
    run(&guest, periodic, periodic_end);
    expect(&guest, 10);
    guest_close(&guest);
}

/* While halted no cycles are counted: ten periods of a million cost little more than ten of 3000. */
SNIPPET(idle, APIC_ON DIVIDE_BY_1 "mov dword ptr [rdi + 0x320], 0x20041; mov dword ptr [rdi + 0x380], 1000000;"
              "1: sti; hlt; cli; cmp " LOGGED ", 10; jb 1b; mov dword ptr [rdi + 0x380], 0;" DONE);

static void test_halted_cycles_do_not_count(void **state)
{
    struct guest guest;
    run(&guest, periodic, periodic_end);
    uint64_t busy = guest_counter(&guest, COUNTER_cycles);
    guest_close(&guest);
    run(&guest, idle, idle_end);
    expect(&guest, 10);
    assert_in_range(guest_counter(&guest, COUNTER_cycles), busy / 2, busy * 2);
    guest_close(&guest);
}

SNIPPET(masked, APIC_ON SELF_IPI(0x50) SPIN "cmp " LOGGED ", 0; jne 9f; sti; nop; nop; jmp 2f; 2: nop; cli; cmp " LOGGED ", 1; jne 9f;" DONE
                "; 9: mov eax, 1; ret");

static void test_masked_until_sti(void **state)
{
    struct guest guest;
    run(&guest, masked, masked_end);
    expect(&guest, 1);
    guest_close(&guest);
}

/* STI; CLI never opens a window (SDM vol. 2B, STI). */
SNIPPET(no_window, APIC_ON SELF_IPI(0x50) "mov ecx, 100; 1: sti; cli; dec ecx; jnz 1b; cmp " LOGGED ", 0; jne 9f;"
                   "sti; nop; jmp 2f; 2: cli; cmp " LOGGED ", 1; jne 9f;" DONE "; 9: mov eax, 1; ret");

static void test_sti_cli_has_no_window(void **state)
{
    struct guest guest;
    run(&guest, no_window, no_window_end);
    expect(&guest, 1);
    guest_close(&guest);
}

/* STI; HLT with an interrupt already pending: it wakes the HLT; it does not come before it and get lost. */
SNIPPET(sti_hlt, APIC_ON SELF_IPI(0x50) "sti; hlt; after: cli; lea rax, [rip + after]; mov [" AT(GUEST_PARAM) "], rax;" DONE);

static void test_sti_hlt(void **state)
{
    struct guest guest;
    run(&guest, sti_hlt, sti_hlt_end);
    expect(&guest, 1);
    assert_int_equal(guest_record(&guest, 0).rip, guest_word(&guest, GUEST_PARAM));
    guest_close(&guest);
}

/* Nothing between MOV SS and the next instruction, which loads RSP. */
SNIPPET(mov_ss, APIC_ON SELF_IPI(0x50) "mov ebx, 0x10; mov rdx, rsp; sti; mov ss, ebx; mov rsp, rdx; nop; jmp 2f; 2: nop; cli;"
                "lea rax, [rip + mov_ss]; mov [" AT(GUEST_PARAM) "], rax;" DONE);

static void test_mov_ss_shadow(void **state)
{
    struct guest guest;
    run(&guest, mov_ss, mov_ss_end);
    expect(&guest, 1);
    uint8_t code[3];
    memcpy(code, mov_ss + (guest_record(&guest, 0).rip - GUEST_TEST), sizeof code);
    assert_false(code[0] == 0x48 && code[1] == 0x89 && code[2] == 0xd4); /* mov rsp, rdx has run */
    assert_false(code[0] == 0x8e);                                        /* and MOV SS, in STI's shadow */
    guest_close(&guest);
}

SNIPPET(popf_on, APIC_ON SELF_IPI(0x50) "push 0x202; popfq; nop; jmp 2f; 2: nop; cli;" DONE);
SNIPPET(iret_on, APIC_ON SELF_IPI(0x50) "mov rdx, rsp; push 0x10; push rdx; push 0x202; push 8; lea rax, [rip + 1f]; push rax; iretq;"
                 "1: nop; jmp 2f; 2: nop; cli;" DONE);

static void test_popf_and_iret_open(void **state)
{
    struct guest guest;
    run(&guest, popf_on, popf_on_end);
    expect(&guest, 1);
    guest_close(&guest);
    run(&guest, iret_on, iret_on_end);
    expect(&guest, 1);
    guest_close(&guest);
}

/* From ring 3: the stack is RSP0, the way back restores everything. */
SNIPPET(to_user, APIC_ON DIVIDE_BY_1 "mov dword ptr [rdi + 0x320], 0x41; mov dword ptr [rdi + 0x380], 20000;"
                 "push 0x23; movabs rax, " AT(GUEST_USER) " + 0x2000; push rax; push 0x202; push 0x2b; movabs rax, " AT(GUEST_USER)
                 "; push rax; mov ebx, 1234; xor ecx, ecx; iretq");
SNIPPET(user_loop, "1: inc rcx; cmp rcx, 100000; jb 1b; int 0x80; 2: jmp 2b");
/* The INT 0x80 handler: RCX and RBX to PARAM, power off with status 0. */
SNIPPET(user_done, "mov [" AT(GUEST_PARAM) "], rcx; mov [" AT(GUEST_PARAM) " + 8], rbx; mov edx, 0xf4; xor eax, eax; out dx, ax; hlt");

static void test_from_user(void **state)
{
    struct guest guest;
    guest_open(&guest, "tiny");
    guest_map(&guest, GUEST_USER, GUEST_FREE, PAGE_4K, PAGE_ALL);
    guest_map(&guest, GUEST_USER + 0x1000, GUEST_FREE + 0x1000, PAGE_4K, PAGE_ALL);
    guest_code(&guest, GUEST_FREE, user_loop, user_loop_end);
    guest_gate(&guest, 0x80, GUEST_TEST + 0x1000, GUEST_KERNEL_CS, 0, 14, 3, true);
    guest_code(&guest, GUEST_TEST + 0x1000, user_done, user_done_end);
    guest_must_run(&guest, to_user, to_user_end, 0);
    assert_int_equal(guest_logged(&guest), 1);
    struct guest_record r = guest_record(&guest, 0);
    assert_int_equal(r.vector, 0x41);
    assert_int_equal(r.cs, GUEST_USER_CS);
    assert_int_equal(r.frame & 0xffffffffffff, GUEST_STACKS + 0x1000 - 40);
    assert_int_equal(r.rsp, GUEST_USER + 0x2000);
    assert_int_equal(guest_word(&guest, GUEST_PARAM), 100000);
    assert_int_equal(guest_word(&guest, GUEST_PARAM + 8), 1234);
    assert_int_equal(guest_counter(&guest, COUNTER_interrupts), 1);
    assert_int_equal(guest_counter(&guest, COUNTER_exceptions), 1);
    assert_int_equal(guest_counter(&guest, COUNTER_mode_switches), 4);
    guest_close(&guest);
}

SNIPPET(priorities, APIC_ON SELF_IPI(0x50) SELF_IPI(0x91) SELF_IPI(0x90) SELF_IPI(0x23) "sti; nop;" SPIN "cli;" DONE);

static void test_priorities(void **state)
{
    static const uint64_t order[] = {0x91, 0x90, 0x50, 0x23};
    struct guest guest;
    run(&guest, priorities, priorities_end);
    expect(&guest, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(guest_record(&guest, i).vector, order[i]);
    guest_close(&guest);
}

SNIPPET(task_priority, APIC_ON "mov dword ptr [rdi + 0x80], 0x60;" SELF_IPI(0x50) SELF_IPI(0x70) "sti; nop;" SPIN
                       "cli; cmp " LOGGED ", 1; jne 9f; mov dword ptr [rdi + 0x80], 0x40; sti; nop;" SPIN "cli;" DONE "; 9: mov eax, 1; ret");

static void test_task_priority(void **state)
{
    struct guest guest;
    run(&guest, task_priority, task_priority_end);
    expect(&guest, 2);
    assert_int_equal(guest_record(&guest, 0).vector, 0x70);
    assert_int_equal(guest_record(&guest, 1).vector, 0x50);
    guest_close(&guest);
}

/* A long REP MOVSB under a fast timer: one instruction, one copy, all bytes, whatever interrupts it. */
SNIPPET(long_copy, APIC_ON DIVIDE_BY_1 "mov dword ptr [rdi + 0x320], 0x20041; mov dword ptr [rdi + 0x380], 2000;"
                   "mov r8, rdi; mov esi, " AT(GUEST_FREE) "; mov edi, " AT(GUEST_FREE) " + 0x80000; mov ecx, 0x40000; cld; sti;"
                   "rep movsb; cli; mov dword ptr [r8 + 0x380], 0; mov [" AT(GUEST_PARAM) "], rcx; mov [" AT(GUEST_PARAM) " + 8], rdi;" DONE);

static void test_interrupted_copy(void **state)
{
    struct guest guest;
    guest_open(&guest, "tiny");
    for (uint64_t at = 0; at < 0x40000; at += 8)
        guest_put(&guest, GUEST_FREE + at, at * 0x9e3779b97f4a7c15);
    guest_must_run(&guest, long_copy, long_copy_end, 0);
    assert_true(guest_logged(&guest) > 5);
    expect(&guest, guest_logged(&guest));
    assert_int_equal(guest_counter(&guest, COUNTER_copies), 1);
    assert_int_equal(guest_counter(&guest, COUNTER_bytes_copied), 0x40000);
    assert_int_equal(guest_word(&guest, GUEST_PARAM), 0);
    assert_int_equal(guest_word(&guest, GUEST_PARAM + 8), GUEST_FREE + 0x80000 + 0x40000);
    for (uint64_t at = 0; at < 0x40000; at += 8)
        assert_int_equal(guest_word(&guest, GUEST_FREE + 0x80000 + at), at * 0x9e3779b97f4a7c15);
    guest_close(&guest);
}

/* The instructions of a run do not depend on how often it is interrupted, but for the handler's own. */
SNIPPET(counted, "mov ecx, 50000; 1: add rax, rcx; dec ecx; jnz 1b;" DONE);
SNIPPET(counted_timer, APIC_ON DIVIDE_BY_1 "mov dword ptr [rdi + 0x320], 0x20041; mov dword ptr [rdi + 0x380], 4000; sti;"
                       "mov ecx, 50000; 1: add rax, rcx; dec ecx; jnz 1b; cli;" DONE);

static void test_instruction_count(void **state)
{
    static const enum machine_model models[] = {MODEL_TIMING, MODEL_COUNT};
    for (unsigned m = 0; m < 2; m++) {
        struct guest guest;
        guest_open(&guest, "tiny");
        guest.model = models[m];
        guest_must_run(&guest, counted, counted_end, 0);
        uint64_t plain = guest_counter(&guest, COUNTER_instructions);
        guest_close(&guest);
        guest_open(&guest, "tiny");
        guest.model = models[m];
        guest_must_run(&guest, counted_timer, counted_timer_end, 0);
        uint64_t logged = guest_logged(&guest), handler = 47; /* instructions of stub and handler on this way */
        assert_true(logged > 10);
        assert_int_equal(guest_counter(&guest, COUNTER_instructions), plain + 7 + logged * handler);
        guest_close(&guest);
    }
}

/* The same run twice is the same in every byte of RAM and every counter. */
static void test_determinism(void **state)
{
    struct guest first, second;
    guest_open(&first, "skylake");
    guest_open(&second, "skylake");
    guest_must_run(&first, counted_timer, counted_timer_end, 0);
    guest_must_run(&second, counted_timer, counted_timer_end, 0);
    const struct machine_result *a = machine_result(first.machine), *b = machine_result(second.machine);
    assert_memory_equal(&a->counters, &b->counters, sizeof a->counters);
    assert_memory_equal(a->causes, b->causes, sizeof a->causes);
    assert_true(guest_logged(&first) > 10);
    for (uint64_t at = GUEST_BASE; at < GUEST_END; at += 8)
        assert_int_equal(guest_word(&first, at), guest_word(&second, at));
    guest_close(&first);
    guest_close(&second);
}

/* Causes add up to the cycles. */
static void test_causes_add_up(void **state)
{
    struct guest guest;
    run(&guest, counted_timer, counted_timer_end);
    const struct machine_result *result = machine_result(guest.machine);
    uint64_t sum = 0, domains = 0;
    for (unsigned i = 0; i < CAUSE_COUNT; i++)
        sum += result->causes[i];
    for (size_t i = 0; i < result->domain_count; i++)
        domains += result->domains[i].cycles;
    assert_int_equal(sum, result->counters.value[COUNTER_cycles]);
    assert_int_equal(domains, sum);
    guest_close(&guest);
}

SNIPPET(dead, "cli; hlt;" DONE);
SNIPPET(for_ever, "1: inc eax; jmp 1b");

static void test_ends(void **state)
{
    struct guest guest;
    guest_open(&guest, "tiny");
    assert_int_equal(guest_run(&guest, dead, dead_end), END_CRASH);
    guest_close(&guest);
    guest_open(&guest, "tiny");
    guest.time_limit = 1000000;
    assert_int_equal(guest_run(&guest, for_ever, for_ever_end), END_TIME_LIMIT);
    assert_in_range(machine_result(guest.machine)->counters.value[COUNTER_cycles], 900000, 1100000);
    guest_close(&guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_shot),
        cmocka_unit_test(test_periodic_wakes_hlt),
        cmocka_unit_test(test_halted_cycles_do_not_count),
        cmocka_unit_test(test_masked_until_sti),
        cmocka_unit_test(test_sti_cli_has_no_window),
        cmocka_unit_test(test_sti_hlt),
        cmocka_unit_test(test_mov_ss_shadow),
        cmocka_unit_test(test_popf_and_iret_open),
        cmocka_unit_test(test_from_user),
        cmocka_unit_test(test_priorities),
        cmocka_unit_test(test_task_priority),
        cmocka_unit_test(test_interrupted_copy),
        cmocka_unit_test(test_instruction_count),
        cmocka_unit_test(test_determinism),
        cmocka_unit_test(test_causes_add_up),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
