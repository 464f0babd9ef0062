/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_page_faults.c: exactness of page faults: CR2, error code, frame, and that nothing else changed.
 *
 * Each row is one instruction and one layout of two neighbouring pages; the guest executes it at ring 3 or 0 with RSI,
 * RDI or RSP pointing near the border, and the fault must name the first byte that could not be accessed, push the
 * address of the instruction, and leave registers and memory as they were.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/guest.h"

#define CODE GUEST_USER              /* the instruction, at the start of a page */
#define FIRST (GUEST_USER + 0x10000) /* two pages */
#define SECOND (FIRST + 4096)
#define OTHER (GUEST_USER + 0x20000) /* a page that is always there, user writable */

#define CODE_FRAME 0x300000
#define FIRST_FRAME 0x301000
#define SECOND_FRAME 0x305000
#define OTHER_FRAME 0x309000

/* PARAM: 0 RSI, 8 RDI, 16 RSP, 24 RCX, 32 ring 3?, 40 code address. Out, from 64: RSI RDI RCX RAX. */
SNIPPET(one_instruction,
        "lea rax, [rip + done]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;"
        "mov ebx, " AT(GUEST_PARAM) "; mov rsi, [rbx]; mov rdi, [rbx + 8]; mov rbp, [rbx + 16]; mov rcx, [rbx + 24];"
        "movabs rax, 0x1122334455667788; movabs rdx, 0x99aabbccddeeff00;"
        "cmp qword ptr [rbx + 32], 0; jne ring3;"
        "push " AT(GUEST_KERNEL_SS) "; push rbp; push 2; push " AT(GUEST_KERNEL_CS) "; push [rbx + 40]; iretq;"
        "ring3: push " AT(GUEST_USER_SS) "; push rbp; push 2; push " AT(GUEST_USER_CS) "; push [rbx + 40]; iretq;"
        "done: mov ebx, " AT(GUEST_PARAM) "; mov [rbx + 64], rsi; mov [rbx + 72], rdi; mov [rbx + 80], rcx; mov [rbx + 88], rax;"
        "xor eax, eax; ret");

struct instruction {
    const char *name;
    uint8_t code[12];
    unsigned length;
    enum { BY_RSI, BY_RDI, BY_RSP } by; /* the register that the access starts from */
    int offset;                          /* … plus this */
    unsigned bytes;                      /* of the access */
    bool write;                          /* the fault's W bit */
    bool aligned;                        /* to its size: no crossing */
};

static const struct instruction instructions[] = {
    {"mov al,[rsi]", {0x8a, 0x06}, 2, BY_RSI, 0, 1, false, false},
    {"mov ax,[rsi]", {0x66, 0x8b, 0x06}, 3, BY_RSI, 0, 2, false, false},
    {"mov eax,[rsi+3]", {0x8b, 0x46, 0x03}, 3, BY_RSI, 3, 4, false, false},
    {"mov rax,[rsi]", {0x48, 0x8b, 0x06}, 3, BY_RSI, 0, 8, false, false},
    {"mov [rdi],al", {0x88, 0x07}, 2, BY_RDI, 0, 1, true, false},
    {"mov [rdi],rax", {0x48, 0x89, 0x07}, 3, BY_RDI, 0, 8, true, false},
    {"mov [rdi-5],eax", {0x89, 0x47, 0xfb}, 3, BY_RDI, -5, 4, true, false},
    {"mov word [rdi],imm", {0x66, 0xc7, 0x07, 0x34, 0x12}, 5, BY_RDI, 0, 2, true, false},
    {"movzx eax,word [rsi]", {0x0f, 0xb7, 0x06}, 3, BY_RSI, 0, 2, false, false},
    {"cmp [rdi],rax", {0x48, 0x39, 0x07}, 3, BY_RDI, 0, 8, false, false},
    {"test [rdi],eax", {0x85, 0x07}, 2, BY_RDI, 0, 4, false, false},
    {"push rax", {0x50}, 1, BY_RSP, -8, 8, true, false},
    {"pop rax", {0x58}, 1, BY_RSP, 0, 8, false, false},
    {"push [rsi]", {0xff, 0x36}, 2, BY_RSI, 0, 8, false, false},
    {"call next", {0xe8, 0, 0, 0, 0}, 5, BY_RSP, -8, 8, true, false},
    {"ret", {0xc3}, 1, BY_RSP, 0, 8, false, false},
    {"jmp [rsi]", {0xff, 0x26}, 2, BY_RSI, 0, 8, false, false},
    {"movdqu xmm0,[rsi]", {0xf3, 0x0f, 0x6f, 0x06}, 4, BY_RSI, 0, 16, false, false},
    {"movdqu [rdi],xmm0", {0xf3, 0x0f, 0x7f, 0x07}, 4, BY_RDI, 0, 16, true, false},
    {"movq xmm0,[rsi]", {0xf3, 0x0f, 0x7e, 0x06}, 4, BY_RSI, 0, 8, false, false},
    {"lodsq", {0x48, 0xad}, 2, BY_RSI, 0, 8, false, false},
    {"stosd", {0xab}, 1, BY_RDI, 0, 4, true, false},
    {"scasq", {0x48, 0xaf}, 2, BY_RDI, 0, 8, false, false},
    {"bt [rsi],imm", {0x48, 0x0f, 0xba, 0x26, 0x05}, 5, BY_RSI, 0, 8, false, false},
};
#define INSTRUCTIONS (sizeof instructions / sizeof *instructions)

/* Where the access begins, relative to SECOND; and which pages are mapped how. */
struct layout {
    const char *name;
    int start;
    uint64_t first, second; /* bits; 0: not present */
};

static const struct layout layouts[] = {
    {"neither page, in the middle", -2000, 0, 0},
    {"neither page, at an odd offset", -2001, 0, 0},
    {"second page missing, at its start", 0, PAGE_ALL, 0},
    {"second page missing, within", 77, PAGE_ALL, 0},
    {"second page missing, last byte reaches it", -1000, PAGE_ALL, 0}, /* start is replaced: see start_of */
    {"first page missing, crossing", -1001, 0, PAGE_ALL},
    {"second page supervisor, crossing", -1000, PAGE_ALL, PAGE_P | PAGE_W},
    {"first page supervisor, crossing", -1001, PAGE_P | PAGE_W, PAGE_ALL},
};

/* -1000: one byte of the access is in the second page; -1001: one byte in the first. */
static int start_of(const struct layout *layout, const struct instruction *i)
{
    if (layout->start == -1000)
        return 1 - (int)i->bytes;
    return layout->start == -1001 ? -1 : layout->start;
}

/* SDM: the first byte of the access that is on a page that does not allow it. */
static bool oracle(const struct layout *layout, const struct instruction *i, bool user, uint64_t *cr2, uint64_t *error)
{
    int start = start_of(layout, i);
    for (int byte = start; byte < start + (int)i->bytes; byte++) {
        uint64_t page = byte < 0 ? layout->first : layout->second;
        if (page && (!user || page & PAGE_U))
            continue;
        *cr2 = SECOND + (uint64_t)(int64_t)byte;
        *error = (page ? 1u : 0u) | (i->write ? 2u : 0u) | (user ? 4u : 0u);
        return true;
    }
    return false;
}

static void set_up(struct guest *guest, const struct layout *layout, const struct instruction *i, bool user)
{
    uint64_t access = SECOND + (uint64_t)(int64_t)start_of(layout, i), pointer = access - (uint64_t)(int64_t)i->offset;
    guest_open(guest, "tiny");
    uint8_t *code = guest_memory(guest, CODE_FRAME);
    memcpy(code, i->code, i->length);
    code[i->length] = 0xcd, code[i->length + 1] = 0x80;
    guest_map(guest, CODE, CODE_FRAME, PAGE_4K, user ? PAGE_ALL : PAGE_P);
    guest_map(guest, FIRST, FIRST_FRAME, PAGE_4K, layout->first);
    guest_map(guest, SECOND, SECOND_FRAME, PAGE_4K, layout->second);
    guest_map(guest, OTHER, OTHER_FRAME, PAGE_4K, PAGE_ALL);
    guest_gate(guest, 14, GUEST_STUBS + 14 * 16, GUEST_KERNEL_CS, 1, 14, 0, true); /* RSP itself may be what is bad */
    guest_gate(guest, 0x80, GUEST_STUBS + 0x80 * 16, GUEST_KERNEL_CS, 1, 14, 3, true);
    if (!layout->first)
        guest_put(guest, guest_entry(guest, FIRST, 0), 0);
    if (!layout->second)
        guest_put(guest, guest_entry(guest, SECOND, 0), 0);
    guest_put(guest, GUEST_PARAM, i->by == BY_RSI ? pointer : OTHER + 64);
    guest_put(guest, GUEST_PARAM + 8, i->by == BY_RDI ? pointer : OTHER + 128);
    guest_put(guest, GUEST_PARAM + 16, i->by == BY_RSP ? pointer : OTHER + 2048);
    guest_put(guest, GUEST_PARAM + 24, 1);
    guest_put(guest, GUEST_PARAM + 32, user);
    guest_put(guest, GUEST_PARAM + 40, CODE);
    uint64_t next = CODE + i->length; /* RET and JMP go to the INT 0x80 behind the instruction */
    for (int byte = 0; byte < 8; byte++) {
        int at = start_of(layout, i) + byte;
        *(uint8_t *)guest_memory(guest, (uint64_t)(at < 0 ? FIRST_FRAME + 4096 + at : SECOND_FRAME + at)) =
            (uint8_t)(next >> 8 * byte);
    }
}

static void check_nothing_changed(const struct guest *guest)
{
    for (unsigned word = 0; word < 3; word++)
        assert_int_equal(guest_word(guest, GUEST_PARAM + 64 + word * 8),
                         word == 2 ? 1 : guest_word(guest, GUEST_PARAM + word * 8));
    assert_int_equal(guest_word(guest, GUEST_PARAM + 88), 0x1122334455667788);
}

static void check_fault(struct guest *guest, const struct layout *layout, const struct instruction *i, bool user)
{
    struct guest_record r = guest_record(guest, 0);
    uint64_t cr2 = 0, error = 0;
    bool faults = oracle(layout, i, user, &cr2, &error);
    if (r.vector != (faults ? 14 : 0x80) || (faults && (r.cr2 != cr2 || r.error != error || r.rip != CODE)))
        fail_msg("%s, %s, ring %d: vector %llu error %#llx CR2 %#llx RIP %#llx, expected %s %#llx CR2 %#llx", i->name, layout->name,
                 user ? 3 : 0, (unsigned long long)r.vector, (unsigned long long)r.error, (unsigned long long)r.cr2,
                 (unsigned long long)r.rip, faults ? "fault" : "none", (unsigned long long)error, (unsigned long long)cr2);
    if (faults)
        check_nothing_changed(guest);
    assert_int_equal(guest_logged(guest), 1);
    assert_int_equal(guest_counter(guest, COUNTER_exceptions), 1);
}

static void run_one(const struct layout *layout, const struct instruction *i, bool user, enum machine_model model)
{
    struct guest guest;
    set_up(&guest, layout, i, user);
    guest.model = model;
    guest_must_run(&guest, one_instruction, one_instruction_end, 0);
    check_fault(&guest, layout, i, user);
    guest_close(&guest);
}

static void test_exact_cr2(void **state)
{
    for (size_t l = 0; l < sizeof layouts / sizeof *layouts; l++)
        for (size_t i = 0; i < INSTRUCTIONS; i++)
            run_one(&layouts[l], &instructions[i], i % 2, l % 2 ? MODEL_COUNT : MODEL_TIMING);
}

/* An entry of some level is not present, or has a reserved bit set (SDM vol. 3A table 4-19, 4.7). */
struct broken_entry {
    enum page_size size;
    unsigned level;
    uint64_t clear, set;
    uint64_t error;
};

static const struct broken_entry broken_entries[] = {
    {PAGE_4K, 0, PAGE_P, 0, 0},       {PAGE_4K, 1, PAGE_P, 0, 0},       {PAGE_4K, 2, PAGE_P, 0, 0},
    {PAGE_4K, 3, PAGE_P, 0, 0},       {PAGE_2M, 1, PAGE_P, 0, 0},       {PAGE_1G, 2, PAGE_P, 0, 0},
    {PAGE_4K, 0, 0, 1ull << 51, 9},   {PAGE_4K, 1, 0, 1ull << 51, 9},   {PAGE_4K, 2, 0, 1ull << 51, 9},
    {PAGE_4K, 3, 0, 1ull << 51, 9},   {PAGE_4K, 3, 0, PAGE_PS, 9},      {PAGE_2M, 1, 0, 1ull << 13, 9},
    {PAGE_2M, 1, 0, 1ull << 20, 9},   {PAGE_1G, 2, 0, 1ull << 13, 9},   {PAGE_1G, 2, 0, 1ull << 29, 9},
    {PAGE_2M, 1, 0, 1ull << 51, 9},   {PAGE_4K, 0, PAGE_P, 1ull << 51, 0}, /* not present: nothing is reserved */
    {PAGE_4K, 2, PAGE_P, 1ull << 51, 0},
};

static void run_broken(const struct broken_entry *b, bool user, bool write, enum machine_model model)
{
    struct guest guest;
    uint8_t read_code[] = {0x48, 0x8b, 0x06, 0xcd, 0x80}, write_code[] = {0x48, 0x89, 0x06, 0xcd, 0x80};
    uint64_t target = GUEST_USER + 0x8000000000, entry;
    guest_open(&guest, "skylake");
    guest.model = model;
    guest_map(&guest, CODE, CODE_FRAME, PAGE_4K, PAGE_ALL);
    memcpy(guest_memory(&guest, CODE_FRAME), write ? write_code : read_code, sizeof read_code);
    guest_map(&guest, target, 0, b->size, PAGE_ALL);
    uint64_t at = guest_entry(&guest, target, b->level);
    memcpy(&entry, guest_memory(&guest, at), sizeof entry);
    guest_put(&guest, at, (entry & ~b->clear) | b->set);
    guest_put(&guest, GUEST_PARAM, target + 0x123);
    guest_put(&guest, GUEST_PARAM + 16, GUEST_STACKS + 0x1800);
    guest_put(&guest, GUEST_PARAM + 32, user);
    guest_put(&guest, GUEST_PARAM + 40, CODE);
    guest_must_run(&guest, one_instruction, one_instruction_end, 0);
    struct guest_record r = guest_record(&guest, 0);
    assert_int_equal(r.vector, 14);
    assert_int_equal(r.error, b->error | (user ? 4 : 0) | (write ? 2 : 0));
    assert_int_equal(r.cr2, target + 0x123);
    assert_int_equal(r.rip, CODE);
    guest_close(&guest);
}

static void test_not_present_and_reserved(void **state)
{
    for (size_t i = 0; i < sizeof broken_entries / sizeof *broken_entries; i++)
        for (unsigned kind = 0; kind < 4; kind++)
            run_broken(&broken_entries[i], kind & 1, kind & 2, i % 2 ? MODEL_COUNT : MODEL_TIMING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_cr2),
        cmocka_unit_test(test_not_present_and_reserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
