/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_translation.c: what stays in the TLB and what goes: MOV CR3, PCIDs, global pages, INVLPG, INVPCID, and
 * the stale translations that a kernel leaves when it forgets one of them.
 *
 * Two frames hold different words. The guest reads a page that shows the first, changes the entry to the second, does
 * (or does not do) something about it, and reads again: the old word says that the TLB still has the old entry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/guest.h"

#define PAGE (GUEST_USER + 0x5000)
#define OLD_FRAME 0x300000
#define NEW_FRAME 0x301000
#define OLD 0x01d
#define NEW 0x2e3

/* RBX: the entry; R14: what it becomes; RSI: the page. PARAM: 0 entry, 8 new entry, 16 CR4 bits to set, 24 CR3 to use,
 * 32 RFLAGS. */
#define PROLOGUE                                                                                                       \
    "push [" AT(GUEST_PARAM) " + 32]; popfq; mov rax, cr4; or rax, [" AT(GUEST_PARAM) " + 16]; mov cr4, rax;"                                                  \
    "mov rax, cr3; or rax, [" AT(GUEST_PARAM) " + 24]; mov cr3, rax;"                                                  \
    "mov rbx, [" AT(GUEST_PARAM) "]; mov r14, [" AT(GUEST_PARAM) " + 8]; movabs rsi, " AT(PAGE) ";"                    \
    "mov rax, [rsi]; mov [" AT(GUEST_PARAM) " + 64], rax; mov [rbx], r14;"
#define EPILOGUE                                                                                                       \
    "mov rax, [rsi]; mov [" AT(GUEST_PARAM) " + 72], rax; mov eax, 0; ret;"

SNIPPET(forgets, PROLOGUE EPILOGUE);
SNIPPET(invlpg, PROLOGUE "invlpg [rsi + 0x123];" EPILOGUE);
SNIPPET(invlpg_other, PROLOGUE "invlpg [rsi + 0x1000];" EPILOGUE);
SNIPPET(reload_cr3, PROLOGUE "mov rax, cr3; mov cr3, rax;" EPILOGUE);
SNIPPET(keep_cr3, PROLOGUE "mov rax, cr3; bts rax, 63; mov cr3, rax;" EPILOGUE);
SNIPPET(other_pcid_and_back,
        PROLOGUE "mov rax, cr3; mov rcx, rax; xor rcx, 3; bts rcx, 63; mov cr3, rcx; bts rax, 63; mov cr3, rax;" EPILOGUE);
SNIPPET(flush_other_pcid,
        PROLOGUE "mov rax, cr3; mov rcx, rax; xor rcx, 3; mov cr3, rcx; bts rax, 63; mov cr3, rax;" EPILOGUE);
SNIPPET(toggle_pge, PROLOGUE "mov rax, cr4; mov rcx, rax; xor rcx, 0x80; mov cr4, rcx; mov cr4, rax;" EPILOGUE);
SNIPPET(read_in_other_pcid, PROLOGUE "mov rax, cr3; xor rax, 3; bts rax, 63; mov cr3, rax;" EPILOGUE);

/* INVPCID rax, [PARAM + 96] with the type from PARAM + 88. */
SNIPPET(invpcid, PROLOGUE "mov rax, [" AT(GUEST_PARAM) " + 88]; mov ecx, " AT(GUEST_PARAM) " + 96; invpcid rax, [rcx];" EPILOGUE);

#define CR4_PGE_BIT 0x80u
#define CR4_PCIDE_BIT 0x20000u

struct row {
    const char *name;
    const uint8_t *code, *code_end;
    bool global, pcide;
    unsigned type, pcid; /* INVPCID */
    bool keeps;          /* the second read shows the old frame */
    unsigned flushes, page_flushes, cr3_writes; /* beyond those of the kit and the prologue */
};

#define CODE(name) #name, name, name##_end
#define FLAGS 2u
#define FLAGS_STEP 0x102u /* TF */
#define PCID 5u /* of the test; the other one is PCID ^ 3 */

static const struct row rows[] = {
    {CODE(forgets), .keeps = true},
    {CODE(forgets), .pcide = true, .keeps = true},
    {CODE(invlpg), .page_flushes = 1},
    {CODE(invlpg), .global = true, .page_flushes = 1},
    {CODE(invlpg), .pcide = true, .page_flushes = 1},
    {CODE(invlpg), .pcide = true, .global = true, .page_flushes = 1},
    {CODE(invlpg_other), .keeps = true, .page_flushes = 1},
    {CODE(reload_cr3), .flushes = 1, .cr3_writes = 1},
    {CODE(reload_cr3), .global = true, .keeps = true, .flushes = 1, .cr3_writes = 1},
    {CODE(reload_cr3), .pcide = true, .flushes = 1, .cr3_writes = 1},
    {CODE(reload_cr3), .pcide = true, .global = true, .keeps = true, .flushes = 1, .cr3_writes = 1},
    {CODE(keep_cr3), .pcide = true, .keeps = true, .cr3_writes = 1},
    {CODE(other_pcid_and_back), .pcide = true, .keeps = true, .cr3_writes = 2},
    {CODE(flush_other_pcid), .pcide = true, .keeps = true, .flushes = 1, .cr3_writes = 2},
    {CODE(read_in_other_pcid), .pcide = true, .cr3_writes = 1},
    {CODE(read_in_other_pcid), .pcide = true, .global = true, .keeps = true, .cr3_writes = 1},
    {CODE(toggle_pge), .flushes = 2},
    {CODE(toggle_pge), .global = true, .flushes = 2},
    {CODE(invpcid), .pcide = true, .type = 0, .pcid = PCID, .page_flushes = 1},
    {CODE(invpcid), .pcide = true, .type = 0, .pcid = PCID ^ 3, .keeps = true, .page_flushes = 1},
    {CODE(invpcid), .pcide = true, .type = 0, .pcid = PCID, .global = true, .keeps = true, .page_flushes = 1},
    {CODE(invpcid), .pcide = true, .type = 1, .pcid = PCID, .flushes = 1},
    {CODE(invpcid), .pcide = true, .type = 1, .pcid = PCID ^ 3, .keeps = true, .flushes = 1},
    {CODE(invpcid), .pcide = true, .type = 1, .pcid = PCID, .global = true, .keeps = true, .flushes = 1},
    {CODE(invpcid), .pcide = true, .type = 2, .pcid = 0, .global = true, .flushes = 1},
    {CODE(invpcid), .pcide = true, .type = 3, .pcid = 0, .flushes = 1},
    {CODE(invpcid), .pcide = true, .type = 3, .pcid = 0, .global = true, .keeps = true, .flushes = 1},
};

static void set_up(struct guest *guest, const struct row *row, const char *cpu)
{
    uint64_t bits = PAGE_P | PAGE_W | (row->global ? PAGE_G : 0);
    guest_open(guest, cpu);
    uint64_t entry = guest_map(guest, PAGE, OLD_FRAME, PAGE_4K, bits);
    guest_put(guest, OLD_FRAME, OLD);
    guest_put(guest, NEW_FRAME, NEW);
    guest_put(guest, GUEST_PARAM, entry);
    guest_put(guest, GUEST_PARAM + 8, NEW_FRAME | bits);
    guest_put(guest, GUEST_PARAM + 16, CR4_PGE_BIT | (row->pcide ? CR4_PCIDE_BIT : 0));
    guest_put(guest, GUEST_PARAM + 24, row->pcide ? PCID : 0);
    guest_put(guest, GUEST_PARAM + 32, FLAGS);
    guest_put(guest, GUEST_PARAM + 88, row->type);
    guest_put(guest, GUEST_PARAM + 96, row->pcid);
    guest_put(guest, GUEST_PARAM + 104, PAGE + 0x123);
}

/* The machine's boot stub: MOV CR3, CR4, CR0, each a flush. Kit: one CR3 write (a flush). Prologue: PGE changes (a
 * flush), PCIDE perhaps with it, one CR3 write (a flush). */
static void run_row(const struct row *row, const char *cpu, unsigned flags)
{
    struct guest guest;
    set_up(&guest, row, cpu);
    guest_put(&guest, GUEST_PARAM + 32, flags);
    guest_must_run(&guest, row->code, row->code_end, 0);
    uint64_t before = guest_word(&guest, GUEST_PARAM + 64), after = guest_word(&guest, GUEST_PARAM + 72);
    assert_int_equal(before, OLD);
    if (after != (row->keeps ? OLD : NEW))
        fail_msg("%s%s%s on %s: read %#llx", row->name, row->global ? ", global" : "", row->pcide ? ", PCIDE" : "", cpu,
                 (unsigned long long)after);
    if (flags == FLAGS)
        assert_int_equal(guest_logged(&guest), 0);
    else
        assert_true(guest_logged(&guest) >= 15);
    assert_int_equal(guest_counter(&guest, COUNTER_tlb_flushes), 6 + row->flushes);
    assert_int_equal(guest_counter(&guest, COUNTER_tlb_page_flushes), row->page_flushes);
    assert_int_equal(guest_counter(&guest, COUNTER_cr3_writes), 3 + row->cr3_writes);
    assert_int_equal(guest_counter(&guest, COUNTER_stale_translations), row->keeps);
    assert_int_equal(machine_result(guest.machine)->warning_count, row->keeps);
    guest_close(&guest);
}

static void test_keep_and_flush(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run_row(&rows[i], "skylake", FLAGS);
        run_row(&rows[i], "tiny", FLAGS);
        run_row(&rows[i], "zen4", FLAGS);
    }
}

/* The same with a #DB behind each instruction: it comes behind what the instruction does to the TLB. */
static void test_single_steps(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        run_row(&rows[i], "skylake", FLAGS_STEP);
}

/* A change that only adds rights, or sets A or D, is no stale translation. */
static void test_harmless_changes(void **state)
{
    static const uint64_t from[] = {PAGE_P, PAGE_P | PAGE_W, PAGE_P | PAGE_W | PAGE_NX, PAGE_P};
    static const uint64_t to[] = {PAGE_P | PAGE_W, PAGE_P | PAGE_W | PAGE_A | PAGE_D, PAGE_P | PAGE_W, PAGE_P | 0xe00};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        const struct row row = {.name = "harmless"};
        struct guest guest;
        set_up(&guest, &row, "skylake");
        guest_put(&guest, guest_entry(&guest, PAGE, 0), OLD_FRAME | from[i]);
        guest_put(&guest, GUEST_PARAM + 8, OLD_FRAME | to[i]);
        guest_must_run(&guest, forgets, forgets_end, 0);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 72), OLD);
        assert_int_equal(guest_counter(&guest, COUNTER_stale_translations), 0);
        guest_close(&guest);
    }
}

/* A mapping that was not there is never in the TLB: no flush is needed to use it. */
SNIPPET(fresh_mapping,
        "mov rbx, [" AT(GUEST_PARAM) "]; mov r14, [" AT(GUEST_PARAM) " + 8]; movabs rsi, " AT(PAGE) ";"
        "lea rax, [rip + faulted]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;"
        "mov rax, [rsi]; ud2; faulted: mov [rbx], r14; mov rax, [rsi]; mov [" AT(GUEST_PARAM) " + 72], rax; xor eax, eax; ret;");

static void test_fresh_mapping(void **state)
{
    const struct row row = {.name = "fresh"};
    struct guest guest;
    set_up(&guest, &row, "skylake");
    guest_put(&guest, guest_entry(&guest, PAGE, 0), 0);
    guest_must_run(&guest, fresh_mapping, fresh_mapping_end, 0);
    assert_int_equal(guest_logged(&guest), 1);
    assert_int_equal(guest_record(&guest, 0).vector, 14);
    assert_int_equal(guest_word(&guest, GUEST_PARAM + 72), NEW);
    assert_int_equal(guest_counter(&guest, COUNTER_stale_translations), 0);
    guest_close(&guest);
}

/* More rights in the table than in the TLB: the access succeeds without a fault (SDM 4.10.4.3 allows one; we retry). */
SNIPPET(upgrade,
        "mov rbx, [" AT(GUEST_PARAM) "]; mov r14, [" AT(GUEST_PARAM) " + 8]; movabs rsi, " AT(PAGE) ";"
        "mov rax, [rsi]; mov [rbx], r14; mov [rsi], rsi; xor eax, eax; ret;");

static void test_rights_upgrade(void **state)
{
    const struct row row = {.name = "upgrade"};
    struct guest guest;
    set_up(&guest, &row, "skylake");
    guest_put(&guest, guest_entry(&guest, PAGE, 0), OLD_FRAME | PAGE_P);
    guest_put(&guest, GUEST_PARAM + 8, OLD_FRAME | PAGE_P | PAGE_W);
    guest_must_run(&guest, upgrade, upgrade_end, 0);
    assert_int_equal(guest_logged(&guest), 0);
    assert_int_equal(guest_word(&guest, OLD_FRAME), PAGE);
    guest_close(&guest);
}

/* Counting: 20 pages twice through TLBs of 16 entries miss each time; 8 pages only the first time. */
SNIPPET(touch_pages,
        "mov r8d, 2; 1: movabs rsi, " AT(GUEST_USER) "; mov rcx, [" AT(GUEST_PARAM) "];"
        "2: mov rax, [rsi]; add rsi, 4096; dec rcx; jnz 2b; dec r8d; jnz 1b; xor eax, eax; ret;");

static uint64_t touches(unsigned pages)
{
    struct guest guest;
    guest_open(&guest, "tiny");
    for (unsigned i = 0; i < 32; i++)
        guest_map(&guest, GUEST_USER + i * 4096, OLD_FRAME + i % 16 * 4096, PAGE_4K, PAGE_P);
    guest_put(&guest, GUEST_PARAM, pages);
    guest_must_run(&guest, touch_pages, touch_pages_end, 0);
    uint64_t misses = guest_counter(&guest, COUNTER_dtlb_misses);
    assert_int_equal(guest_counter(&guest, COUNTER_stlb_misses), misses + guest_counter(&guest, COUNTER_itlb_misses));
    guest_close(&guest);
    return misses;
}

static void test_miss_counts(void **state)
{
    uint64_t one = touches(1);
    assert_int_equal(touches(8) - one, 7);
    assert_int_equal(touches(16) - one, 15);
    assert_int_equal(touches(20) - one, 39);
    assert_int_equal(touches(32) - one, 63);
}

/* Code that reads itself, under an address that is not its frame's. */
SNIPPET(call_page, "movabs rsi, " AT(PAGE) "; mov rax, [rsi]; mov rcx, [" AT(GUEST_PARAM) "]; jrcxz 2f; 1: call rsi; loop 1b; 2: mov eax, 0; ret;");
SNIPPET(reads_itself, "mov rax, [rip - 7]; ret;");

static uint64_t self_reads(uint64_t calls)
{
    struct guest guest;
    guest_open(&guest, "tiny");
    guest_map(&guest, PAGE, OLD_FRAME, PAGE_4K, PAGE_P);
    guest_put(&guest, OLD_FRAME, *(const uint64_t *)reads_itself);
    guest_put(&guest, GUEST_PARAM, calls);
    guest_must_run(&guest, call_page, call_page_end, 0);
    uint64_t misses = guest_counter(&guest, COUNTER_dtlb_misses);
    guest_close(&guest);
    return misses;
}

static void test_data_among_code(void **state)
{
    assert_int_equal(self_reads(8), self_reads(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep_and_flush), cmocka_unit_test(test_single_steps), cmocka_unit_test(test_harmless_changes), cmocka_unit_test(test_fresh_mapping),
        cmocka_unit_test(test_rights_upgrade), cmocka_unit_test(test_miss_counts),
        cmocka_unit_test(test_data_among_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
