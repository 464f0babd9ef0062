/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_code.c: code that changes: by its own stores, through another mapping, by another page table entry. The
 * engine keeps translations of what it has executed; none may survive the bytes it was made from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/guest.h"

#define FUNCTION GUEST_USER          /* mov eax, imm32; ret */
#define ALIAS (GUEST_USER + 0x10000) /* the same frame, writable */
#define FRAME 0x300000
#define OTHER_FRAME 0x301000

static const uint8_t function[] = {0xb8, 1, 0, 0, 0, 0xc3};

static void set_up(struct guest *guest, enum machine_model model)
{
    guest_open(guest, "tiny");
    guest->model = model;
    uint64_t entry = guest_map(guest, FUNCTION, FRAME, PAGE_4K, PAGE_P | PAGE_W);
    guest_map(guest, ALIAS, FRAME, PAGE_4K, PAGE_P | PAGE_W);
    memcpy(guest_memory(guest, FRAME), function, sizeof function);
    memcpy(guest_memory(guest, OTHER_FRAME), function, sizeof function);
    guest_put(guest, GUEST_PARAM, entry);
}

/* Each calls the function, changes it, calls it again, 100 times; R8 sums what it answered: 1 … 100 is 5050. */
SNIPPET(own_store,
        "movabs rbx, " AT(FUNCTION) "; xor r8, r8; mov r9d, 1;"
        "1: mov [rbx + 1], r9d; call rbx; add r8, rax; inc r9d; cmp r9d, 101; jb 1b; mov [" AT(GUEST_PARAM) " + 64], r8; xor eax, eax; ret");
SNIPPET(alias_store,
        "movabs rbx, " AT(FUNCTION) "; movabs rcx, " AT(ALIAS) "; xor r8, r8; mov r9d, 1;"
        "1: mov [rcx + 1], r9d; call rbx; add r8, rax; inc r9d; cmp r9d, 101; jb 1b; mov [" AT(GUEST_PARAM) " + 64], r8; xor eax, eax; ret");
SNIPPET(identity_store,
        "movabs rbx, " AT(FUNCTION) "; mov ecx, " AT(FRAME) "; xor r8, r8; mov r9d, 1;"
        "1: mov [rcx + 1], r9d; call rbx; add r8, rax; inc r9d; cmp r9d, 101; jb 1b; mov [" AT(GUEST_PARAM) " + 64], r8; xor eax, eax; ret");
SNIPPET(byte_store,
        "movabs rbx, " AT(FUNCTION) "; xor r8, r8; mov r9d, 1;"
        "1: mov byte ptr [rbx + 1], r9b; call rbx; add r8, rax; inc r9d; cmp r9d, 101; jb 1b; mov [" AT(GUEST_PARAM) " + 64], r8; xor eax, eax; ret");
SNIPPET(string_store,
        "movabs rbx, " AT(FUNCTION) "; xor r8, r8; mov r9d, 1; cld;"
        "1: lea rdi, [rbx + 1]; mov eax, r9d; mov ecx, 1; rep stosd; call rbx; add r8, rax; inc r9d; cmp r9d, 101; jb 1b;"
        "mov [" AT(GUEST_PARAM) " + 64], r8; xor eax, eax; ret");
/* The page table entry changes instead: FRAME and OTHER_FRAME in turn, with INVLPG. The other frame is written while it
 * is not mapped there. */
SNIPPET(remapped,
        "movabs rbx, " AT(FUNCTION) "; mov rdx, [" AT(GUEST_PARAM) "]; mov ecx, " AT(FRAME) "; mov esi, " AT(OTHER_FRAME) "; xor r8, r8; mov r9d, 1;"
        "1: mov [rcx + 1], r9d; lea rax, [rcx + 3]; mov [rdx], rax; invlpg [rbx]; call rbx; add r8, rax; xchg rcx, rsi; inc r9d;"
        "cmp r9d, 101; jb 1b; mov [" AT(GUEST_PARAM) " + 64], r8; xor eax, eax; ret");
/* The loop rewrites the immediate of an instruction of its own, a few bytes on in the same page. */
SNIPPET(own_loop,
        "xor r8, r8; mov r9d, 1;"
        "1: mov [rip + 2f + 2], r9d; jmp 2f; .balign 8; 2: mov r10d, 0x11111111; add r8, r10; inc r9d; cmp r9d, 101; jb 1b;"
        "mov [" AT(GUEST_PARAM) " + 64], r8; xor eax, eax; ret");

static void run(const uint8_t *code, const uint8_t *end)
{
    static const enum machine_model models[] = {MODEL_TIMING, MODEL_COUNT};
    for (unsigned m = 0; m < 2; m++) {
        struct guest guest;
        set_up(&guest, models[m]);
        guest_must_run(&guest, code, end, 0);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 64), 5050);
        assert_int_equal(guest_logged(&guest), 0);
        guest_close(&guest);
    }
}

static void test_stores(void **state)
{
    run(own_store, own_store_end);
    run(alias_store, alias_store_end);
    run(identity_store, identity_store_end);
    run(byte_store, byte_store_end);
    run(string_store, string_store_end);
    run(own_loop, own_loop_end);
}

static void test_remapped(void **state)
{
    run(remapped, remapped_end);
}

/* Code across a page border: the second page changes, by store and by mapping; and it may be missing. */
SNIPPET(border,
        "movabs rbx, " AT(FUNCTION) " + 0xffd; movabs rcx, " AT(FUNCTION) " + 0x1000; xor r8, r8; mov r9d, 1;"
        "1: mov [rcx], r9b; call rbx; and eax, 0xff0000; shr eax, 16; add r8, rax; inc r9d; cmp r9d, 101; jb 1b;"
        "mov [" AT(GUEST_PARAM) " + 64], r8; xor eax, eax; ret");

static void test_across_border(void **state)
{
    static const enum machine_model models[] = {MODEL_TIMING, MODEL_COUNT};
    for (unsigned m = 0; m < 2; m++) {
        struct guest guest;
        set_up(&guest, models[m]);
        guest_map(&guest, FUNCTION + 0x1000, OTHER_FRAME, PAGE_4K, PAGE_P | PAGE_W);
        memcpy(guest_memory(&guest, FRAME + 0xffd), "\xb8\x00\x00", 3); /* mov eax, … */
        memcpy(guest_memory(&guest, OTHER_FRAME), "\x00\x00\xc3", 3);   /* … ; ret */
        guest_must_run(&guest, border, border_end, 0);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 64), 5050);
        guest_close(&guest);
    }
}

SNIPPET(border_missing,
        "lea rax, [rip + 1f]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;"
        "movabs rbx, " AT(FUNCTION) " + 0xffd; jmp rbx; 1: xor eax, eax; ret");

/* A fetch that runs into a missing page faults on that page. The engine translates whole blocks, so RIP is that of the
 * block: the instructions before have not run, and run when the handler returns. */
static void test_fetch_into_missing_page(void **state)
{
    static const enum machine_model models[] = {MODEL_TIMING, MODEL_COUNT};
    for (unsigned m = 0; m < 2; m++) {
        struct guest guest;
        set_up(&guest, models[m]);
        guest_map(&guest, FUNCTION + 0x1000, OTHER_FRAME, PAGE_4K, PAGE_P | PAGE_W);
        guest_put(&guest, guest_entry(&guest, FUNCTION + 0x1000, 0), 0);
        memcpy(guest_memory(&guest, FRAME + 0xffd), "\xb8\x00\x00", 3); /* mov eax, … */
        guest_must_run(&guest, border_missing, border_missing_end, 0);
        struct guest_record r = guest_record(&guest, 0);
        assert_int_equal(guest_logged(&guest), 1);
        assert_int_equal(r.vector, 14);
        assert_int_equal(r.error, 0x10);
        assert_int_equal(r.cr2, FUNCTION + 0x1000);
        assert_int_equal(r.rip, FUNCTION + 0xffd);
        guest_close(&guest);
    }
}

/* One page, then another, with code of the same size and other instructions: 3 and 15. */
/* clang-format off */
SNIPPET(swaps,
        "movabs rbx, " AT(FUNCTION) "; mov rdi, [" AT(GUEST_PARAM) "]; mov r12, [" AT(GUEST_PARAM) " + 8]; mov r13, [" AT(GUEST_PARAM) " + 16];"
        "mov ecx, 100; 1: mov [rdi], r12; invlpg [rbx]; call rbx; mov [rdi], r13; invlpg [rbx]; call rbx; dec ecx; jnz 1b;"
        "xor eax, eax; ret");
/* RDX the address that the page's code loads from: the first 20 times there is a word. RCX counts. */
SNIPPET(faults,
        "movabs rbx, " AT(FUNCTION) "; mov edx, " AT(OTHER_FRAME) "; mov ecx, 20; 1: call rbx; dec ecx; jnz 1b;"
        "lea rax, [rip + 8f]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp; bts rdx, 40; call rbx;"
        "8: xor eax, eax; ret");
/* The page's code interrupts itself, without a stack. */
SNIPPET(interrupts,
        "movabs rbx, " AT(FUNCTION) "; lea rax, [rip + 8f]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;"
        "movabs rsp, " AT(GUEST_USER) "; jmp rbx; 8: xor eax, eax; ret");
/* clang-format on */

/* Calls a function in each of PAGES pages, copies another one over each with one instruction, and calls them again. CPU 1
 * sleeps. */
#define PAGES 40
#define MANY 0x360000
#define MANY_NEW 0x330000
/* clang-format off */
SNIPPET(many,
        "test r15d, r15d; jnz 7f; mov edi, 0xfee00000; mov dword ptr [rdi + 0xf0], 0x1ff; mov dword ptr [rdi + 0x300], 0xc4500;"
        "mov dword ptr [rdi + 0x300], 0xc4680; 8: pause; cmp dword ptr [" AT(GUEST_PARAM) " + 72], 1; jb 8b;"
        "xor r8d, r8d; call 5f; mov esi, " AT(MANY_NEW) "; mov edi, " AT(MANY) "; mov ecx, " AT(PAGES) " * 4096; rep movsb; call 5f;"
        "mov [" AT(GUEST_PARAM) " + 64], r8; xor eax, eax; ret;"
        "5: mov ebx, " AT(MANY) "; mov edx, " AT(PAGES) "; 6: call rbx; add r8, rax; add ebx, 4096; dec edx; jnz 6b; ret;"
        "7: inc dword ptr [" AT(GUEST_PARAM) " + 72]; ret");
/* clang-format on */

static const struct {
    enum machine_model model;
    enum machine_accesses accesses;
} ways[] = {{MODEL_TIMING, ACCESSES_PLANNED},
            {MODEL_TIMING, ACCESSES_HOOKED},
            {MODEL_COUNT, ACCESSES_PLANNED},
            {MODEL_COUNT, ACCESSES_HOOKED}};
#define WAYS (sizeof ways / sizeof ways[0])

static uint64_t instructions_of_swaps(unsigned way, uint64_t first, uint64_t second)
{
    struct guest guest;
    uint64_t instructions;

    set_up(&guest, ways[way].model);
    guest.accesses = ways[way].accesses;
    memcpy(guest_memory(&guest, FRAME), "\x0f\x1f\x80\0\0\0\0\x0f\x1f\x80\0\0\0\0\xc3", 15);
    memset(guest_memory(&guest, OTHER_FRAME), 0x90, 14);
    *(uint8_t *)guest_memory(&guest, OTHER_FRAME + 14) = 0xc3;
    guest_put(&guest, GUEST_PARAM + 8, first | PAGE_ALL);
    guest_put(&guest, GUEST_PARAM + 16, second | PAGE_ALL);
    guest_must_run(&guest, swaps, swaps_end, 0);
    instructions = guest_counter(&guest, COUNTER_instructions);
    guest_close(&guest);
    return instructions;
}

static void test_same_size(void **state)
{
    for (unsigned way = 0; way < WAYS; way++)
        assert_int_equal(instructions_of_swaps(way, FRAME, OTHER_FRAME), instructions_of_swaps(way, FRAME, FRAME) + 1200);
}

/* A block stores to `target`, and is then left in the middle. Instructions of the run. */
static uint64_t leave_after_store(unsigned way, uint32_t target, bool interrupt)
{
    const uint8_t *code = interrupt ? interrupts : faults, *end = interrupt ? interrupts_end : faults_end;
    uint8_t block[] = "\xc6\x04\x25\0\0\0\0\x01\x90\x90\x48\x8b\x02\x90\x90\x90\xc3"; /* mov byte [target], 1 … mov rax, [rdx] … */
    struct guest guest;
    uint64_t instructions;

    set_up(&guest, ways[way].model);
    guest.accesses = ways[way].accesses;
    memcpy(block + 3, &target, sizeof target);
    if (interrupt)
        memcpy(block + 10, "\xcd\x82", 2);
    memcpy(guest_memory(&guest, FRAME), block, sizeof block);
    guest_gate(&guest, 14, GUEST_STUBS + 14 * 16, GUEST_KERNEL_CS, 1, 14, 0, true);
    guest_must_run(&guest, code, end, 0);
    assert_int_equal(guest_logged(&guest), 1);
    assert_int_equal(guest_record(&guest, 0).vector, 14);
    assert_int_equal(guest_record(&guest, 0).rip, FUNCTION + 10);
    instructions = guest_counter(&guest, COUNTER_instructions);
    guest_close(&guest);
    return instructions;
}

/* Its own page or another: the same. */
static void test_left_after_own_store(void **state)
{
    for (unsigned way = 0; way < WAYS; way++) {
        assert_int_equal(leave_after_store(way, FRAME + 0x800, false), leave_after_store(way, OTHER_FRAME, false));
        assert_int_equal(leave_after_store(way, FRAME + 0x800, true), leave_after_store(way, OTHER_FRAME, true));
    }
}

/* More pages than a CPU keeps a list of. */
static void test_many_pages(void **state)
{
    for (unsigned way = 0; way < WAYS; way++) {
        struct guest guest;

        set_up(&guest, ways[way].model);
        guest.accesses = ways[way].accesses;
        guest.cpus = 2;
        for (uint64_t page = 0; page < PAGES; page++) {
            memcpy(guest_memory(&guest, MANY + page * 4096), function, sizeof function);
            memcpy(guest_memory(&guest, MANY_NEW + page * 4096), function, sizeof function);
            *(uint8_t *)guest_memory(&guest, MANY_NEW + page * 4096 + 1) = 100;
        }
        guest_must_run(&guest, many, many_end, 0);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 64), PAGES * (1 + 100));
        guest_close(&guest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stores),
        cmocka_unit_test(test_remapped),
        cmocka_unit_test(test_across_border),
        cmocka_unit_test(test_fetch_into_missing_page),
        cmocka_unit_test(test_same_size),
        cmocka_unit_test(test_left_after_own_store),
        cmocka_unit_test(test_many_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
