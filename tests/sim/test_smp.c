/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_smp.c: several CPUs: they start by INIT and SIPI, LOCK makes increments exact, a spin lock protects
 * what is not atomic, IPIs arrive, and the same run twice is the same.
 *
 * CPU 0 wakes the others with INIT and SIPI to all but itself; each CPU runs the same snippet with its number in R15.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/guest.h"

/* PARAM: 0 CPUs, 8 finished, 16 a counter, 24 lock, 32 counter under the lock, 40 not atomic, 64 … seen[cpu]. */
#define P(offset) "[" AT(GUEST_PARAM) " + " #offset "]"
#define APIC_ON "mov edi, 0xfee00000; mov dword ptr [rdi + 0xf0], 0x1ff;"
/* RDI the APIC. SIPI vector 0x80: GUEST_BASE. */
#define WAKE_OTHERS                                                                                                    \
    APIC_ON "test r15d, r15d; jnz 5f; mov dword ptr [rdi + 0x300], 0xc4500; mov dword ptr [rdi + 0x300], 0xc4680; 5: "
#define FINISH "lock inc qword ptr " P(8) "; test r15d, r15d; jz 6f; ret; 6: mov rax, " P(0) "; 4: pause; cmp " P(8) ", rax; jb 4b; xor eax, eax; ret;"

SNIPPET(increments,
        WAKE_OTHERS "inc qword ptr [r15 * 8 + " AT(GUEST_PARAM) " + 64]; mov ecx, 5000;"
        "1: lock inc qword ptr " P(16) "; lock xadd qword ptr " P(40) ", rax; dec ecx; jnz 1b;"
        "mov ecx, 1000;"
        "2: mov eax, 1; xchg eax, dword ptr " P(24) "; test eax, eax; jz 3f; pause; jmp 2b;"
        "3: mov rdx, " P(32) "; inc rdx; jmp 7f; 7: mov " P(32) ", rdx; mov dword ptr " P(24) ", 0; dec ecx; jnz 2b;" FINISH);

static void start(struct guest *guest, unsigned cpus, const char *model)
{
    guest_open(guest, model);
    guest->cpus = cpus;
    guest_put(guest, GUEST_PARAM, cpus);
}

static void test_atomic_increments(void **state)
{
    for (unsigned cpus = 1; cpus <= 8; cpus++) {
        static const enum machine_model models[] = {MODEL_TIMING, MODEL_COUNT};
        for (unsigned m = 0; m < 2; m++) {
            struct guest guest;
            start(&guest, cpus, "skylake");
            guest.model = models[m];
            guest_must_run(&guest, increments, increments_end, 0);
            assert_int_equal(guest_word(&guest, GUEST_PARAM + 8), cpus);
            assert_int_equal(guest_word(&guest, GUEST_PARAM + 16), cpus * 5000);
            assert_int_equal(guest_word(&guest, GUEST_PARAM + 32), cpus * 1000);
            for (unsigned cpu = 0; cpu < 8; cpu++)
                assert_int_equal(guest_word(&guest, GUEST_PARAM + 64 + cpu * 8), cpu < cpus);
            guest_close(&guest);
        }
    }
}

/* INIT and SIPI go to each of the others, and are counted one for each destination. */
static void test_start_is_counted(void **state)
{
    for (unsigned cpus = 1; cpus <= 8; cpus++) {
        struct guest guest;
        start(&guest, cpus, "tiny");
        guest_must_run(&guest, increments, increments_end, 0);
        assert_int_equal(guest_counter(&guest, COUNTER_ipis), 2 * (cpus - 1));
        guest_close(&guest);
    }
}

/* CPU 0 interrupts all others again and again; each answers by counting (the kit's log). It waits for all answers. */
SNIPPET(ping,
        WAKE_OTHERS "test r15d, r15d; jnz 2f; mov ebx, 20; mov r8, " P(0) "; dec r8; xor r9, r9; 9: pause; cmp " P(16) ", r8; jb 9b;"
        "1: mov dword ptr [rdi + 0x300], 0xc0061; add r9, r8; 3: pause; cmp qword ptr [" AT(GUEST_CONTROL) " + 16], r9; jb 3b;"
        "dec ebx; jnz 1b; mov qword ptr " P(24) ", 1; lock inc qword ptr " P(8) "; mov rax, " P(0) "; 4: pause; cmp " P(8) ", rax; jb 4b; xor eax, eax; ret;"
        "2: lock inc qword ptr " P(16) "; sti; 5: pause; cmp qword ptr " P(24) ", 0; je 5b; cli; lock inc qword ptr " P(8) "; ret;");

static void test_ipis(void **state)
{
    for (unsigned cpus = 2; cpus <= 8; cpus += 3) {
        struct guest guest;
        start(&guest, cpus, "zen4");
        guest_must_run(&guest, ping, ping_end, 0);
        assert_int_equal(guest_logged(&guest), 20 * (cpus - 1));
        assert_int_equal(guest_counter(&guest, COUNTER_interrupts), 20 * (cpus - 1));
        assert_int_equal(guest_counter(&guest, COUNTER_ipis), 22 * (cpus - 1));
        for (unsigned i = 0; i < 20 * (cpus - 1); i++)
            assert_int_equal(guest_record(&guest, i).vector, 0x61);
        guest_close(&guest);
    }
}

/* IPIs wake halted CPUs. */
SNIPPET(wake,
        WAKE_OTHERS "test r15d, r15d; jnz 2f; mov r8, " P(0) "; dec r8; 9: pause; cmp " P(16) ", r8; jb 9b; mov ecx, 5000; 8: dec ecx; jnz 8b;"
        "mov dword ptr [rdi + 0x300], 0xc0061; 3: pause; cmp " P(8) ", r8; jb 3b; xor eax, eax; ret;"
        "2: lock inc qword ptr " P(16) "; sti; hlt; cli; lock inc qword ptr " P(8) "; ret;");

static void test_ipi_wakes(void **state)
{
    struct guest guest;
    start(&guest, 4, "tiny");
    guest_must_run(&guest, wake, wake_end, 0);
    assert_int_equal(guest_logged(&guest), 3);
    guest_close(&guest);
}

/* A store by one CPU is seen by another, through different virtual addresses too; and a page that one CPU writes and
 * another executes shows the new code after an IPI. Message passing: data, then flag; x86 keeps the order. */
SNIPPET(messages,
        WAKE_OTHERS "mov ebx, 1000; test r15d, r15d; jnz 2f;"
        "1: mov " P(128) ", rbx; mov " P(192) ", rbx; 3: pause; cmp " P(256) ", rbx; jne 3b; dec ebx; jnz 1b; jmp 5f;"
        "2: pause; cmp " P(192) ", rbx; jne 2b; mov rax, " P(128) "; cmp rax, rbx; je 4f; lock inc qword ptr " P(40) "; 4: mov " P(256)
        ", rbx; dec ebx; jnz 2b; 5: " FINISH);

static void test_messages(void **state)
{
    struct guest guest;
    start(&guest, 2, "skylake");
    guest_must_run(&guest, messages, messages_end, 0);
    assert_int_equal(guest_word(&guest, GUEST_PARAM + 40), 0);
    guest_close(&guest);
}

/* CPU 1 executes a function that CPU 0 rewrites: mov eax, imm; ret. After each flag it must see the new one. */
#define FUNCTION 0x310000
SNIPPET(cross_modify,
        WAKE_OTHERS "mov ebx, 200; mov r10d, " AT(FUNCTION) "; test r15d, r15d; jnz 2f;"
        "1: mov byte ptr [r10], 0xb8; mov [r10 + 1], ebx; mov byte ptr [r10 + 5], 0xc3; mov " P(192) ", rbx; 3: pause; cmp " P(256)
        ", rbx; jne 3b; dec ebx; jnz 1b; jmp 5f;"
        "2: pause; cmp " P(192) ", rbx; jne 2b; xor eax, eax; cpuid; call r10; mov rdx, rax; sub rdx, " P(192) ";"
        "jz 7f; lock inc qword ptr " P(40) "; 7: mov rbx, " P(192) "; mov " P(256) ", rbx; dec ebx; jnz 2b; 5: " FINISH);

static void test_cross_modifying_code(void **state)
{
    struct guest guest;
    start(&guest, 2, "skylake");
    guest_must_run(&guest, cross_modify, cross_modify_end, 0);
    assert_int_equal(guest_word(&guest, GUEST_PARAM + 40), 0);
    guest_close(&guest);
}

static void test_determinism(void **state)
{
    struct guest first, second;
    start(&first, 5, "skylake");
    start(&second, 5, "skylake");
    guest_must_run(&first, increments, increments_end, 0);
    guest_must_run(&second, increments, increments_end, 0);
    const struct machine_result *a = machine_result(first.machine), *b = machine_result(second.machine);
    assert_memory_equal(&a->counters, &b->counters, sizeof a->counters);
    assert_memory_equal(a->causes, b->causes, sizeof a->causes);
    for (uint64_t at = GUEST_BASE; at < GUEST_END; at += 8)
        assert_int_equal(guest_word(&first, at), guest_word(&second, at));
    guest_close(&first);
    guest_close(&second);
}

/* Two machines in one process do not disturb each other: the second is made, run and destroyed inside the first's life. */
static void test_two_machines(void **state)
{
    struct guest first, second;
    start(&first, 2, "tiny");
    guest_must_run(&first, increments, increments_end, 0);
    uint64_t cycles = guest_counter(&first, COUNTER_cycles);
    start(&second, 3, "zen4");
    guest_must_run(&second, increments, increments_end, 0);
    guest_close(&second);
    assert_int_equal(guest_counter(&first, COUNTER_cycles), cycles);
    guest_close(&first);
    start(&first, 2, "tiny");
    guest_must_run(&first, increments, increments_end, 0);
    assert_int_equal(guest_counter(&first, COUNTER_cycles), cycles);
    guest_close(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_atomic_increments), cmocka_unit_test(test_start_is_counted),
        cmocka_unit_test(test_ipis),              cmocka_unit_test(test_ipi_wakes),
        cmocka_unit_test(test_messages),          cmocka_unit_test(test_cross_modifying_code),
        cmocka_unit_test(test_determinism),       cmocka_unit_test(test_two_machines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
