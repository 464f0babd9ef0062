/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_access.c: what a block touches, known before it runs: the same counters, to the last one, as from the
 * engine's memory hook; and each access in its place, by the machine's own comparison (ACCESSES_VERIFIED). Random code
 * is compared in test_random_code.c, workloads in tests/arch/test_accesses.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sim/cpu.h"
#include "tests/sim/guest.h"

#define WORDS AT(GUEST_PARAM)

/* Addresses that follow from the first registers, by way of all that is followed. */
SNIPPET(followed, "mov ebx, " WORDS
                  "; mov ecx, 50; 1: push rbx; push rcx; lea rsi, [rbx + rcx * 8]; mov rax, [rsi + 64]; mov rdx, rsi;"
                  "and rdx, -64; mov [rdx], rax; sub rdx, rbx; shr rdx, 1; movzx edi, dl; mov r8, [rbx + rdi * 4]; neg "
                  "rdi; mov r9, [rbx + rdi + 512];"
                  "movsxd r10, ecx; imul r10, r10, 24; inc dword ptr [rbx + r10]; xor r11d, r11d; mov r12, [rbx + r11 "
                  "+ 8]; mov r13d, ecx;"
                  "shl r13d, 5; not r13; mov r14, [rbx + r13 + 4096]; bts [rbx + 4096], rcx; xchg [rbx + 4160], rax; "
                  "pop rcx; pop rbx; dec ecx; jnz 1b;"
                  "xor eax, eax; ret");
/* A list that is walked, and changed, within the block: each word is loaded for the next address. */
SNIPPET(list,
        "mov ebx, " WORDS
        "; mov ecx, 100; lea rax, [rbx + 4096]; mov [rbx], rax; lea rdx, [rbx + 8192]; mov [rax], rdx; mov [rdx], rbx;"
        "mov ecx, 60; 1: mov rax, [rbx]; mov rdx, [rax]; mov rsi, [rdx]; mov [rax + 8], rsi; mov rdi, [rax + 8]; mov "
        "r8, [rdi + 16];"
        "mov [rbx], rax; mov r9, [rbx]; mov r10, [r9]; mov rbx, [r10]; dec ecx; jnz 1b; xor eax, eax; ret");
/* What is not followed: conditions, bytes, what another unit computes, what a device says. */
SNIPPET(unfollowed, "mov ebx, " WORDS "; mov ecx, 60; 1: lea rdx, [rbx + 128]; test cl, 1; mov rax, rbx; cmovz rax, "
                    "rdx; mov rsi, [rax]; mov al, cl; mov rdi, [rax];"
                    "movd xmm0, ecx; movd esi, xmm0; mov r8, [rbx + rsi * 8]; mov eax, 0xfee00020; mov eax, [rax]; mov "
                    "r9, [rbx + rax + 256];"
                    "mov rax, rcx; mul rcx; push qword ptr [rbx + rax]; pop qword ptr [rbx + rax + 8]; dec ecx; jnz "
                    "1b; xor eax, eax; ret");
/* Wide operands, pages and lines crossed, strings, states. */
SNIPPET(wide,
        "mov ebx, " WORDS
        "; mov ecx, 40; 1: movups xmm0, [rbx + rcx + 4090]; movups [rbx + rcx + 50], xmm0; mov rax, [rbx + rcx + 4073];"
        "fxsave [rbx + 8192]; fxrstor [rbx + 8192]; fld tbyte ptr [rbx + 60]; fstp tbyte ptr [rbx + 124]; cmpxchg [rbx "
        "+ 16], rdx;"
        "lock xadd [rbx + 24], rsi; push rcx; mov ecx, 33; lea rsi, [rbx + 100]; lea rdi, [rbx + 5000]; rep movsb; mov "
        "ecx, 9; lea rsi, [rbx + 90];"
        "repe cmpsq; lodsw; stosd; xor ecx, ecx; rep stosb; pop rcx; enter 32, 3; leave; dec ecx; jnz 1b; xor eax, "
        "eax; ret");
/* More places that need a hook of their own than the machine sets. */
SNIPPET(many, "mov ebx, " WORDS
              "; mov ecx, 3; 1: .rept 700; cmovz rdx, rbx; mov rdx, rbx; cmovc rdx, rcx; mov rax, [rdx]; .endr;"
              "dec ecx; jnz 1b; xor eax, eax; ret");
/* A fault in the middle of a block, again and again: what came before it counts, what comes after does not. */
SNIPPET(faults,
        "mov ebx, " WORDS "; mov qword ptr [rbx], 0; lea rax, [rip + 2f]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(
            GUEST_CONTROL) " + 8], rsp;"
                           "1: mov ebx, " WORDS "; mov rcx, [rbx]; mov r8, [rbx + 4096]; mov rdx, " AT(
                               GUEST_USER) "; mov [rbx + 512], rcx; mov rax, [rdx + rcx * 8]; mov r9, [rbx + 8192];"
                                           "2: mov ebx, " WORDS
                                           "; inc qword ptr [rbx]; cmp qword ptr [rbx], 40; jb 1b; xor eax, eax; ret");

/* Pages of one TLB set, last used in another order than before the next of them come; lines of one cache set; stores
 * that a load of the block meets; a store to a line that was only read. */
SNIPPET(front, "mov ebx, " WORDS "; mov ecx, 400; movabs rbp, " AT(
                   GUEST_USER) " + 0x110000;"
                               "1: mov rax, [rbp]; mov rdx, [rbp + 0x10140]; test ecx, 7; jnz 2f; mov rax, [rbp]; mov "
                               "rdx, [rbp + 0x20180]; mov "
                               "rax, [rbp + 0x301c0]; mov rdx, [rbp + 0x40200]; 2: mov rdi, [rbx + 64]; mov [rbx + "
                               "64], rdi; lea r12, [rbx + 0x5300]; "
                               "mov [rbx + 0x200 + 8 * 57], r12; jmp 3f; 3: lea rsi, [rbx + 0x3000]; mov [rbx + rcx * "
                               "8 + 0x200], rsi; mov r8, [rbx + "
                               "0x200 + 8 * 57]; mov r9, [r8]; dec ecx; jnz 1b; xor eax, eax; ret");
/* A page leads elsewhere, and its entry leaves the TLB without a flush: the line that was at the front is another one.
 */
SNIPPET(moved,
        "mov ebx, " WORDS "; mov r11, [rbx]; mov r10, [rbx + 8]; mov r12, [rbx + 16]; mov ecx, 320; movabs rsi, " AT(
            GUEST_USER) " + 0x100000;"
                        "1: mov rax, [rsi]; jmp 4f; 4: mov rdx, [rsi + 64]; mov rdx, [rbx + rdx * 8 + 256]; test ecx, "
                        "15; jnz 2f; xchg r10, r12; mov [r11], r10; lea rdi, [rsi + 0x10000]; mov r8d, 112; 3: mov r9, "
                        "[rdi]; add rdi, 0x10000; dec r8d; jnz 3b; 2: dec ecx; jnz 1b; xor eax, eax; ret");

/* A page of code leads elsewhere; the modelled TLB learns it later than the engine. */
SNIPPET(recoded, "mov ebx, " WORDS "; mov r12, [rbx]; movabs rbp, " AT(
                     GUEST_USER) " + 0x100200; mov ecx, 40; 1: call rbp; dec "
                                 "ecx; jnz 1b; mov rax, [rbx + 8]; mov [r12], rax; jmp 2f; 2: mov ecx, 40; 3: call "
                                 "rbp; dec ecx; jnz 3b; invlpg "
                                 "[rbp]; jmp 4f; 4: mov ecx, 40; 5: call rbp; dec ecx; jnz 5b; xor eax, eax; ret");

static const struct {
    const char *name;
    const uint8_t *code, *end;
    const char *cpu;
} snippets[] = {
#define CASE(name, cpu)                                                                                                \
    {                                                                                                                  \
#name, name, name##_end, cpu                                                                                   \
    }
    CASE(followed, "skylake"), CASE(list, "skylake"),  CASE(unfollowed, "zen4"),
    CASE(wide, "tiny"),        CASE(many, "tiny"),     CASE(faults, "tiny"),
    CASE(front, "skylake"),    CASE(moved, "skylake"), CASE(recoded, "skylake"),
};

/* PARAM: 0 the entry of the page that moves; 8, 16 its two values. Behind it 112 pages of its TLB sets. */
static void map_moved(struct guest *guest)
{
    const uint64_t here = GUEST_FREE + 0x2000, there = GUEST_FREE + 0x3000;

    guest_put(guest, GUEST_PARAM, guest_map(guest, GUEST_USER + 0x100000, here, PAGE_4K, PAGE_P | PAGE_W));
    guest_put(guest, GUEST_PARAM + 8, there | PAGE_P | PAGE_W);
    guest_put(guest, GUEST_PARAM + 16, here | PAGE_P | PAGE_W);
    guest_put(guest, here + 64, 3);
    guest_put(guest, here + 0x200, 0xc3); /* RET */
    guest_put(guest, there + 0x200, 0xc3);
    guest_put(guest, there + 64, 700);
    for (uint64_t i = 1; i <= 112; i++)
        guest_map(guest, GUEST_USER + 0x100000 + i * 0x10000, GUEST_FREE + 0x4000, PAGE_4K, PAGE_P | PAGE_W);
}

static void run(struct guest *guest, unsigned i, enum machine_model model, enum machine_accesses accesses)
{
    guest_open(guest, snippets[i].cpu);
    guest->model = model;
    guest->accesses = accesses;
    guest->time_limit = 100000000;
    guest_map(guest, GUEST_USER, GUEST_FREE, PAGE_4K, 0); /* not present */
    map_moved(guest);
    if (guest_run(guest, snippets[i].code, snippets[i].end) == END_POWER_OFF)
        return;
    machine_report(guest->machine, stderr);
    fail_msg("%s, accesses %d", snippets[i].name, accesses);
}

static void assert_same(struct guest *a, struct guest *b, const char *name)
{
    const struct machine_result *x = machine_result(a->machine), *y = machine_result(b->machine);

    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        if (x->counters.value[i] != y->counters.value[i])
            fail_msg("%s: counter %u is %llu, by the hook %llu", name, i, (unsigned long long)x->counters.value[i],
                     (unsigned long long)y->counters.value[i]);
    assert_memory_equal(x->causes, y->causes, sizeof x->causes);
    assert_int_equal(x->total_cycles, y->total_cycles);
}

static void test_same_as_hooked(void **state)
{
    for (unsigned i = 0; i < sizeof snippets / sizeof snippets[0]; i++) {
        struct guest planned, hooked;

        run(&planned, i, MODEL_TIMING, ACCESSES_PLANNED);
        run(&hooked, i, MODEL_TIMING, ACCESSES_HOOKED);
        assert_same(&planned, &hooked, snippets[i].name);
        guest_close(&planned);
        guest_close(&hooked);
    }
}

/* Host code is written, and changes nothing. How much there was of it. */
static unsigned same_with_host_code(unsigned i, enum machine_model model, enum machine_accesses without)
{
    struct guest with_code, without_code;
    unsigned places;

    run(&with_code, i, model, ACCESSES_PLANNED);
    run(&without_code, i, model, without);
    assert_same(&with_code, &without_code, snippets[i].name);
    places = in_place_count(&with_code.machine->cpus[0]);
    assert_int_equal(in_place_count(&without_code.machine->cpus[0]), 0);
    guest_close(&with_code);
    guest_close(&without_code);
    return places;
}

static void test_host_code(void **state)
{
    unsigned timed = 0;

    for (unsigned i = 0; i < sizeof snippets / sizeof snippets[0]; i++) {
        timed += same_with_host_code(i, MODEL_TIMING, ACCESSES_LISTED) > 0; /* all but those with syncs everywhere */
        assert_true(same_with_host_code(i, MODEL_COUNT, ACCESSES_HOOKED) > 0);
    }
    assert_true(timed >= 4);
}

static void test_each_in_its_place(void **state)
{
    for (unsigned i = 0; i < sizeof snippets / sizeof snippets[0]; i++) {
        struct guest guest;

        run(&guest, i, MODEL_TIMING, ACCESSES_VERIFIED);
        guest_close(&guest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_hooked),
        cmocka_unit_test(test_host_code),
        cmocka_unit_test(test_each_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
