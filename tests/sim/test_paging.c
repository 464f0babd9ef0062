/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_paging.c: rights of pages, by all combinations, against an oracle written from the manual.
 *
 * A case is: page size, the level of the paging structures that lacks a right, U/S, R/W, NX there, CR0.WP, CR4.SMEP,
 * CR4.SMAP, RFLAGS.AC, the access (read, write, fetch) and the CPL that makes it. The guest runs all cases in a loop:
 * it sets the control registers and the entries, makes the access, and goes on at a resume address, either by the page
 * fault or by the INT 0x80 that follows a successful access. So each case leaves exactly one record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/guest.h"

enum access { READ, WRITE, FETCH };

/* In the guest's memory, one after another from GUEST_PARAM. */
struct test_case {
    uint64_t leaf_at, leaf;   /* entry of the page */
    uint64_t upper_at, upper; /* entry that lacks the rights; the leaf again if that does */
    uint64_t cr0, cr4;
    uint32_t access, user;
    uint64_t ac; /* RFLAGS.AC or 0 */
    uint64_t address;
    uint64_t leaf_after; /* out */
};

#define CASE_BYTES 80
#define USER_STUBS GUEST_USER /* code for ring 3, user page */
#define TARGET_4K (GUEST_USER + 0x8000200000) /* three targets, each with tables of its own, from the PML4 down */
#define TARGET_2M (GUEST_USER + 0x10040000000)
#define TARGET_1G (GUEST_USER + 0x18000000000)
#define TARGET_FRAME 0x301000 /* what all three show: INT 0x80 at its start */
#define STUB_FRAME 0x300000

_Static_assert(sizeof(struct test_case) == CASE_BYTES, "the guest's loop knows the layout");

/* R12 the case, R13 how many are left. */
SNIPPET(matrix,
        "mov r12d, " AT(GUEST_PARAM) " + 64; mov r13, [" AT(GUEST_PARAM) "];"
        "again: mov rax, [r12 + 40]; mov cr4, rax; mov rax, [r12 + 32]; mov cr0, rax;"
        "mov rax, [r12]; mov rcx, [r12 + 8]; mov [rax], rcx; mov rax, [r12 + 16]; mov rcx, [r12 + 24]; mov [rax], rcx;"
        "mov rax, cr3; mov cr3, rax;"
        "lea rax, [rip + done]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;"
        "mov rsi, [r12 + 64]; mov edx, [r12 + 48];"
        "cmp dword ptr [r12 + 52], 0; jne user;"
        "push [r12 + 56]; popfq;"
        "cmp edx, 1; je write; ja fetch; mov rax, [rsi]; int 0x80; write: mov word ptr [rsi], 0x80cd; int 0x80; fetch: jmp rsi;"
        "user: push " AT(GUEST_USER_SS) "; push 0; mov rax, [r12 + 56]; or rax, 2; push rax; push " AT(GUEST_USER_CS) ";"
        "mov rax, " AT(USER_STUBS) "; push rax; iretq;"
        "done: mov rax, [r12]; mov rax, [rax]; mov [r12 + 72], rax;"
        "mov rax, [r12 + 16]; mov rcx, [rax]; or rcx, 7; btr rcx, 63; mov [rax], rcx;"
        "add r12, 80; dec r13; jnz again;"
        "mov qword ptr [" AT(GUEST_CONTROL) "], 0; xor eax, eax; ret;");

SNIPPET(user_access, "cmp edx, 1; je 1f; ja 2f; mov rax, [rsi]; int 0x80; 1: mov word ptr [rsi], 0x80cd; int 0x80; 2: jmp rsi");
SNIPPET(target_code, "int 0x80; ud2");

/* CR0: PG, AM, NE, ET, MP, PE. CR4: PAE, OSFXSR, OSXMMEXCPT. */
#define CR0_BASE 0x80040033u
#define CR0_WP_BIT 0x10000u
#define CR4_BASE 0x620u
#define CR4_SMEP_BIT (1u << 20)
#define CR4_SMAP_BIT (1u << 21)
#define FLAGS_AC 0x40000u

struct choice {
    enum page_size size;
    unsigned level; /* that lacks the rights */
    bool user_page, writable, no_execute, wp, smep, smap, ac;
    enum access access;
    bool user;
};

/* SDM vol. 3A 4.6.1. */
static bool oracle_allows(const struct choice *c)
{
    if (c->access == FETCH && c->no_execute)
        return false;
    if (c->user)
        return c->user_page && (c->access != WRITE || c->writable);
    if (c->user_page && c->access == FETCH)
        return !c->smep;
    if (c->user_page && c->smap && !c->ac)
        return false;
    return c->access != WRITE || c->writable || !c->wp;
}

/* SDM vol. 3A 4.7, for a page that is present; EFER.NXE is 1. */
static uint64_t oracle_error(const struct choice *c)
{
    return 1u | (c->access == WRITE ? 2u : 0u) | (c->user ? 4u : 0u) | (c->access == FETCH ? 16u : 0u);
}

static uint64_t address_of(enum page_size size)
{
    static const uint64_t start[] = {TARGET_4K, TARGET_2M, TARGET_1G};
    uint64_t span = 1ull << (12 + 9 * size);
    return start[size] + TARGET_FRAME % span;
}

static struct test_case make_case(struct guest *guest, const struct choice *c)
{
    uint64_t bits = PAGE_P | (c->writable ? PAGE_W : 0) | (c->user_page ? PAGE_U : 0) | (c->no_execute ? PAGE_NX : 0);
    uint64_t address = address_of(c->size), span = 1ull << (12 + 9 * c->size);
    uint64_t leaf_at = guest_entry(guest, address, c->size), upper_at = guest_entry(guest, address, c->level);
    uint64_t upper, leaf = TARGET_FRAME / span * span | PAGE_ALL | (c->size == PAGE_4K ? 0 : PAGE_PS);
    memcpy(&upper, guest_memory(guest, upper_at), sizeof upper);
    if (c->level == c->size)
        upper = leaf = (leaf & ~(uint64_t)PAGE_ALL) | bits;
    else
        upper = (upper & ~(uint64_t)PAGE_ALL) | bits;
    return (struct test_case){.leaf_at = leaf_at,
                              .leaf = leaf,
                              .upper_at = upper_at,
                              .upper = upper,
                              .cr0 = CR0_BASE | (c->wp ? CR0_WP_BIT : 0),
                              .cr4 = CR4_BASE | (c->smep ? CR4_SMEP_BIT : 0) | (c->smap ? CR4_SMAP_BIT : 0),
                              .access = c->access,
                              .user = c->user,
                              .ac = c->ac ? FLAGS_AC : 0,
                              .address = address};
}

/* Combination `number` of one (size, level); there are 2^7 * 3 * 2. */
#define COMBINATIONS 768

static struct choice choose(enum page_size size, unsigned level, unsigned number)
{
    return (struct choice){.size = size,
                           .level = level,
                           .user_page = number & 1,
                           .writable = number & 2,
                           .no_execute = number & 4,
                           .wp = number & 8,
                           .smep = number & 16,
                           .smap = number & 32,
                           .ac = number & 64,
                           .user = number & 128,
                           .access = number >> 8};
}

static void map_targets(struct guest *guest)
{
    guest_map(guest, USER_STUBS, STUB_FRAME, PAGE_4K, PAGE_ALL);
    guest_code(guest, STUB_FRAME, user_access, user_access_end);
    guest_code(guest, TARGET_FRAME, target_code, target_code_end);
    for (int size = 0; size < PAGE_SIZES; size++)
        guest_map(guest, address_of(size) & ~((1ull << (12 + 9 * size)) - 1),
                  TARGET_FRAME & ~((1ull << (12 + 9 * size)) - 1), size, PAGE_ALL);
}

static void fail_choice(const struct choice *c, const struct guest_record *r, const char *what)
{
    fail_msg("%s: size %d, rights at level %u: U%d W%d NX%d WP%d SMEP%d SMAP%d AC%d CPL%d access %d: vector %llu error %#llx CR2 %#llx",
             what, c->size, c->level, c->user_page, c->writable, c->no_execute, c->wp, c->smep, c->smap, c->ac, c->user ? 3 : 0,
             c->access, (unsigned long long)r->vector, (unsigned long long)r->error, (unsigned long long)r->cr2);
}

static void check_case(const struct choice *c, const struct test_case *t, const struct guest_record *r)
{
    bool allowed = oracle_allows(c);
    if (allowed != (r->vector == 0x80) || (!allowed && r->vector != 14))
        fail_choice(c, r, allowed ? "refused" : "allowed");
    if (!allowed && r->error != oracle_error(c))
        fail_choice(c, r, "wrong error code");
    if (!allowed && r->cr2 != t->address)
        fail_choice(c, r, "wrong CR2");
    if ((r->cs & 3) != (c->user ? 3 : 0))
        fail_choice(c, r, "wrong CPL in the frame");
    if (allowed && !(t->leaf_after & PAGE_A))
        fail_choice(c, r, "accessed bit not set");
    if (!(t->leaf_after & PAGE_D) != !(allowed && c->access == WRITE))
        fail_choice(c, r, "wrong dirty bit");
}

static void run_matrix(enum machine_model model, const char *cpu, enum page_size size, unsigned level)
{
    struct guest guest;
    guest_open(&guest, cpu);
    guest.model = model;
    guest.time_limit = 0;
    map_targets(&guest);
    guest_put(&guest, GUEST_PARAM, COMBINATIONS);
    for (unsigned i = 0; i < COMBINATIONS; i++) {
        struct choice choice = choose(size, level, i);
        struct test_case made = make_case(&guest, &choice);
        memcpy(guest_memory(&guest, GUEST_PARAM + 64 + i * CASE_BYTES), &made, sizeof made);
    }
    guest_must_run(&guest, matrix, matrix_end, 0);
    assert_int_equal(guest_logged(&guest), COMBINATIONS);
    for (unsigned i = 0; i < COMBINATIONS; i++) {
        struct choice choice = choose(size, level, i);
        struct test_case made = make_case(&guest, &choice);
        struct guest_record record = guest_record(&guest, i);
        made.leaf_after = guest_word(&guest, GUEST_PARAM + 64 + i * CASE_BYTES + 72);
        check_case(&choice, &made, &record);
    }
    guest_close(&guest);
}

static void test_rights_4k(void **state)
{
    for (unsigned level = 0; level <= 3; level++) {
        run_matrix(MODEL_TIMING, "skylake", PAGE_4K, level);
        run_matrix(MODEL_COUNT, "skylake", PAGE_4K, level);
    }
    run_matrix(MODEL_TIMING, "tiny", PAGE_4K, 0);
}

static void test_rights_2m(void **state)
{
    for (unsigned level = 1; level <= 3; level++) {
        run_matrix(MODEL_TIMING, "skylake", PAGE_2M, level);
        run_matrix(MODEL_COUNT, "skylake", PAGE_2M, level);
    }
    run_matrix(MODEL_TIMING, "tiny", PAGE_2M, 1);
}

static void test_rights_1g(void **state)
{
    for (unsigned level = 2; level <= 3; level++) {
        run_matrix(MODEL_TIMING, "skylake", PAGE_1G, level);
        run_matrix(MODEL_COUNT, "skylake", PAGE_1G, level);
    }
    run_matrix(MODEL_TIMING, "tiny", PAGE_1G, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rights_4k),
        cmocka_unit_test(test_rights_2m),
        cmocka_unit_test(test_rights_1g),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
