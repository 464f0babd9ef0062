/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_inject.c: faults put into a service's code, by snippets: the moment, the instruction, the result.
 *
 * The snippets' images have symbols, so that functions of a few instructions are a service's operations: one by the
 * name of its request function, others by a table of addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "abi/boot.h"
#include "abi/probe.h"
#include "sim/files/image.h"
#include "sim/files/operations.h"
#include "tests/sim/guest.h"
#include "tests/sim/random.h"

#define P(offset) "[" AT(GUEST_PARAM) " + " #offset "]"
#define TABLE (GUEST_PARAM + 0x1000)
#define KERNEL_TEXT (BOOT_KERNEL_BASE + (1ul << 20))

/* PARAM: 0 how often, 8 entries of the first, 16 of the second operation. */
SNIPPET(calls,
        "mov r12, " P(0) "; 1: call first_op; call second_op; dec r12; jnz 1b; xor eax, eax; ret;"
        "first_op: inc qword ptr " P(8) "; mov ecx, 5; first_loop: dec ecx; jnz first_loop;"
        "cld; mov edi, " AT(GUEST_PARAM) " + 512; mov ecx, 20; first_rep: rep stosb; first_after: nop; first_jump: jmp first_end; first_end: ret;"
        "second_op: inc qword ptr " P(16) "; ret");
extern const uint8_t first_op[], first_loop[], first_after[], first_end[], second_op[];

static uint64_t at(const uint8_t *label)
{
    return GUEST_TEST + (uint64_t)(label - calls);
}

/* fs_request is the first; the second is in the table of vm, twice. */
static void open_calls(struct guest *guest, enum machine_model model, const struct fault_spec *faults, size_t count)
{
    guest_open(guest, "tiny");
    guest->model = model;
    guest->faults = faults;
    guest->fault_count = count;
    guest_put(guest, GUEST_PARAM, 20);
    guest_put(guest, TABLE + 8, at(second_op));
    guest_put(guest, TABLE + 24, at(second_op));
    guest_symbol(guest, "fs_request", at(first_op), 20, false);
    guest_symbol(guest, "vm_calls", TABLE, 32, true);
}

static const struct fault_result *fault(const struct guest *guest, size_t i)
{
    assert_true(i < machine_result(guest->machine)->fault_count);
    return &machine_result(guest->machine)->faults[i];
}

/* ---- the moment ---- */

static void test_op(void **state)
{
    static const enum machine_model models[] = {MODEL_TIMING, MODEL_COUNT};
    for (unsigned op = 1; op <= 20; op++) {
        struct fault_spec spec = {FAULT_CRASH, op % 2 ? FAULT_FS : FAULT_VM, op, 0};
        struct guest guest;
        open_calls(&guest, models[op / 2 % 2], &spec, 1);
        guest_must_run(&guest, calls, calls_end, GUEST_LOST); /* nobody handles the exception */
        assert_int_equal(guest_record(&guest, 0).vector, 6);
        assert_int_equal(guest_record(&guest, 0).rip, at(op % 2 ? first_op : second_op));
        assert_int_equal(guest_word(&guest, GUEST_PARAM + (op % 2 ? 8 : 16)), op - 1);
        assert_true(fault(&guest, 0)->hit && !fault(&guest, 0)->died && !fault(&guest, 0)->back);
        assert_string_equal(fault(&guest, 0)->domain, "kernel");
        assert_int_equal(fault(&guest, 0)->ring, 0);
        assert_int_equal(machine_result(guest.machine)->warning_count, 0);
        guest_close(&guest);
    }
}

/* Blocks behind the op, of the first operation: the loop's further four turns, REP with what stands before it, … */
static void test_blocks(void **state)
{
    static const struct {
        uint64_t blocks;
        const uint8_t *label;
    } rows[] = {{1, first_loop}, {4, first_loop}, {6, first_after}, {7, first_end}, {9, second_op}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fault_spec spec = {FAULT_CRASH, FAULT_FS, 3, rows[i].blocks};
        struct guest guest;
        open_calls(&guest, MODEL_TIMING, &spec, 1);
        guest_must_run(&guest, calls, calls_end, GUEST_LOST);
        assert_int_equal(guest_record(&guest, 0).rip, at(rows[i].label));
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 8), 3);
        guest_close(&guest);
    }
}

static void assert_warning(const struct guest *guest, size_t i, const char *text)
{
    const struct machine_result *r = machine_result(guest->machine);
    assert_true(i < r->warning_count);
    assert_string_equal(r->warnings[i], text);
}

/* A moment that never comes changes nothing but the warnings. */
static void test_never(void **state)
{
    static const enum machine_model models[] = {MODEL_TIMING, MODEL_COUNT};
    const struct fault_spec specs[] = {{FAULT_CRASH, FAULT_FS, 21, 0}, {FAULT_HANG, FAULT_VM, 20, 1000},
                                       {FAULT_HANG, FAULT_TTY, 1, 0}};
    for (unsigned m = 0; m < 2; m++) {
        struct guest plain, guest;
        open_calls(&plain, models[m], NULL, 0);
        guest_must_run(&plain, calls, calls_end, 0);
        open_calls(&guest, models[m], specs, 3);
        guest_must_run(&guest, calls, calls_end, 0);
        assert_memory_equal(&machine_result(plain.machine)->counters, &machine_result(guest.machine)->counters,
                            sizeof(struct counters));
        assert_memory_equal(machine_result(plain.machine)->causes, machine_result(guest.machine)->causes,
                            sizeof machine_result(guest.machine)->causes);
        assert_int_equal(machine_result(plain.machine)->fault_count, 0);
        assert_int_equal(machine_result(guest.machine)->fault_count, 3);
        assert_false(fault(&guest, 0)->hit || fault(&guest, 1)->hit || fault(&guest, 2)->hit);
        assert_warning(&guest, 0, "inject: fsd was entered only 20 times");
        assert_non_null(strstr(machine_result(guest.machine)->warnings[1], "inject: kernel ran only "));
        assert_warning(&guest, 2, "inject: ttyd was never entered");
        guest_close(&plain);
        guest_close(&guest);
    }
}

/* ---- the instruction ---- */

static void test_kinds(void **state)
{
    for (enum fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
        struct fault_spec spec = {kind, FAULT_FS, 7, 0};
        struct guest guest;
        enum machine_end end;
        open_calls(&guest, MODEL_TIMING, &spec, 1);
        end = guest_run(&guest, calls, calls_end);
        assert_int_equal(end, kind == FAULT_HANG ? END_CRASH : END_POWER_OFF);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 8), 6);
        if (kind != FAULT_HANG)
            assert_int_equal(guest_record(&guest, 0).vector, kind == FAULT_CRASH ? 6 : 14);
        if (kind == FAULT_WILD_WRITE) {
            assert_int_equal(guest_record(&guest, 0).cr2, KERNEL_TEXT);
            assert_int_equal(guest_record(&guest, 0).error & 2, 2);
        }
        guest_close(&guest);
    }
}

/* Text is read-only for ring 0 too. */
static void test_wild_write_hits_read_only_text(void **state)
{
    struct fault_spec spec = {FAULT_WILD_WRITE, FAULT_FS, 2, 0};
    struct guest guest;
    open_calls(&guest, MODEL_TIMING, &spec, 1);
    guest_map(&guest, KERNEL_TEXT, GUEST_FREE, PAGE_4K, PAGE_P);
    guest_put(&guest, GUEST_FREE, 0x1122334455667788);
    guest_must_run(&guest, calls, calls_end, GUEST_LOST);
    assert_int_equal(guest_record(&guest, 0).error, 3);
    assert_int_equal(guest_record(&guest, 0).cr2, KERNEL_TEXT);
    assert_int_equal(guest_word(&guest, GUEST_FREE), 0x1122334455667788);
    guest_close(&guest);
}

/* The nine bytes of the store lie on two pages, whose frames are no neighbours. */
#define BORDER (GUEST_USER + 0xffd)
SNIPPET(border, "movabs rbx, " AT(GUEST_USER) " + 0xffd; mov r12d, 9; 1: call rbx; dec r12d; jnz 1b; xor eax, eax; ret");

static void test_across_border(void **state)
{
    struct fault_spec spec = {FAULT_WILD_WRITE, FAULT_BLK, 5, 0};
    struct guest guest;
    open_calls(&guest, MODEL_COUNT, &spec, 1);
    guest_map(&guest, GUEST_USER, GUEST_FREE, PAGE_4K, PAGE_P);
    guest_map(&guest, GUEST_USER + 0x1000, GUEST_FREE + 0x5000, PAGE_4K, PAGE_P);
    memset(guest_memory(&guest, GUEST_FREE + 0xffd), 0x90, 3);
    memcpy(guest_memory(&guest, GUEST_FREE + 0x5000), "\x90\x90\xc3\x11\x22\x33\x44\x55", 8);
    guest_symbol(&guest, "blk_request", BORDER, 6, false);
    guest_must_run(&guest, border, border_end, GUEST_LOST);
    assert_int_equal(guest_record(&guest, 0).rip, BORDER);
    assert_int_equal(guest_record(&guest, 0).cr2, KERNEL_TEXT);
    assert_int_equal(guest_word(&guest, GUEST_FREE + 0x5000) >> 48, 0x5544); /* nothing beyond it */
    guest_close(&guest);
}

/* ---- a server in ring 3, and a kernel that starts it again ---- */

#define LEAF 0x52494e47
_Static_assert(LEAF == PROBE_LEAF, "the assembler takes no suffix");
#define NAME (GUEST_PARAM + 256)
#define LOST (GUEST_PARAM + 320)
#define SERVER GUEST_USER
#define CLEAN_FRAME (GUEST_FREE + 0x1000)

/* PARAM: 0 how often it is called. Out: 8 calls that came back, 16 deaths. An op that takes 3000 cycles hangs. */
SNIPPET(supervisor,
        "mov edi, 0xfee00000; mov dword ptr [rdi + 0xf0], 0x1ff; mov dword ptr [rdi + 0x3e0], 0xb; mov dword ptr [rdi + 0x320], 0x40;"
        "mov eax, " AT(LEAF) "; mov ecx, 1; xor edx, edx; mov esi, " AT(NAME) "; mov edi, 3; cpuid;"
        "lea rax, [rip + 3f]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;"
        "mov r12, " P(0) "; xor r13d, r13d;"
        "1: mov edi, 0xfee00000; mov dword ptr [rdi + 0x380], 3000;"
        "push " AT(GUEST_USER_SS) "; push 0; push 0x202; push " AT(GUEST_USER_CS) "; movabs rax, " AT(SERVER) "; push rax; iretq;"
        "3: mov edi, 0xfee00000; mov dword ptr [rdi + 0x380], 0; mov dword ptr [rdi + 0xb0], 0;"
        "cmp r13, [" AT(GUEST_CONTROL) " + " AT(GUEST_LOG_COUNT) "]; jne 4f;"
        "inc qword ptr " P(8) "; jmp 6f;"
        "4: mov rax, r13; shl rax, 6; mov edx, [rax + " AT(GUEST_LOG) "]; cmp edx, 0x40; jne 5f; mov edx, 0x100;"
        "5: inc r13; inc qword ptr " P(16) "; mov eax, " AT(LEAF) "; mov ecx, 8; mov esi, " AT(NAME) "; cpuid;"
        "cld; mov esi, " AT(CLEAN_FRAME) "; mov edi, " AT(GUEST_FREE) "; mov ecx, 4096; rep movsb;"
        "mov eax, " AT(LEAF) "; mov ecx, 9; mov edx, 1; mov esi, " AT(NAME) "; mov edi, " AT(LOST) "; test r13b, 1; jnz 7f; xor edi, edi; 7: cpuid;"
        "6: dec r12; jnz 1b; xor eax, eax; ret");
SNIPPET(server, "inc rbx; mov ecx, 3; 1: dec ecx; jnz 1b; syscall");

static void run_server(struct guest *guest, enum machine_model model, const struct fault_spec *faults, size_t count)
{
    guest_open(guest, "tiny");
    guest->model = model;
    guest->ram_bytes = 16ul << 20;
    guest->faults = faults;
    guest->fault_count = count;
    guest->module = "fsd";
    guest_put(guest, GUEST_PARAM, 40);
    memcpy(guest_memory(guest, NAME), "fsd", 4);
    memcpy(guest_memory(guest, LOST), "two\nbuffers", 12);
    guest_map(guest, SERVER, GUEST_FREE, PAGE_4K, PAGE_P | PAGE_U);
    guest_code(guest, GUEST_FREE, server, server_end);
    guest_code(guest, CLEAN_FRAME, server, server_end);
    guest_symbol(guest, "fs_request", SERVER, 20, false);
    guest_must_run(guest, supervisor, supervisor_end, 0);
}

static void assert_recovered(const struct fault_result *f, unsigned cause, const char *lost)
{
    assert_true(f->hit && f->died && f->back);
    assert_string_equal(f->domain, "fsd");
    assert_int_equal(f->ring, 3);
    assert_int_equal(f->cause, cause);
    assert_true(f->hit_at > 0 && f->hit_at < f->died_at && f->died_at < f->back_at);
    assert_int_equal(f->calls_failed, 1);
    assert_string_equal(f->lost, lost);
}

static void test_server(void **state)
{
    static const enum machine_model models[] = {MODEL_TIMING, MODEL_COUNT};
    const struct fault_spec faults[] = {{FAULT_CRASH, FAULT_FS, 5, 0}, {FAULT_WILD_WRITE, FAULT_FS, 6, 1},
                                        {FAULT_HANG, FAULT_FS, 30, 0}, {FAULT_CRASH, FAULT_FS, 41, 0}};
    for (unsigned m = 0; m < 2; m++) {
        struct guest guest;
        run_server(&guest, models[m], faults, 4);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 8), 37);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 16), 3);
        assert_recovered(fault(&guest, 0), 6, "two?buffers");
        assert_recovered(fault(&guest, 1), 14, "");
        assert_recovered(fault(&guest, 2), PROBE_DEATH_HANG, "two?buffers");
        assert_false(fault(&guest, 3)->hit);
        assert_warning(&guest, 0, "inject: fsd was entered only 40 times");
        assert_int_equal(guest_record(&guest, 1).error, 6); /* ring 3, a write, not mapped here */
        guest_close(&guest);
    }
}

/* A death that nobody asked for is a bug, and is told. */
static void test_death_without_fault(void **state)
{
    struct guest guest;
    run_server(&guest, MODEL_TIMING, NULL, 0);
    assert_int_equal(machine_result(guest.machine)->warning_count, 0);
    guest_close(&guest);
}

SNIPPET(obituary, "mov eax, " AT(LEAF) "; mov ecx, 8; mov edx, 13; mov esi, " AT(NAME) "; cpuid; xor eax, eax; ret");

static void test_unexpected_death(void **state)
{
    struct guest guest;
    guest_open(&guest, "tiny");
    memcpy(guest_memory(&guest, NAME), "vmd", 4);
    guest_must_run(&guest, obituary, obituary_end, 0);
    assert_warning(&guest, 0, "vmd died by #GP, and no fault was injected into it");
    guest_close(&guest);
}

/* A program cannot say so. */
SNIPPET(visit,
        "lea rax, [rip + 1f]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;"
        "push " AT(GUEST_USER_SS) "; push 0; push 2; push " AT(GUEST_USER_CS) "; movabs rax, " AT(GUEST_USER) "; push rax; iretq;"
        "1: xor eax, eax; ret");
SNIPPET(gossip,
        "mov eax, " AT(LEAF) "; mov ecx, 8; mov edx, 13; movabs rsi, " AT(GUEST_USER) " + 0x800; cpuid; syscall");

static void test_programs_are_not_believed(void **state)
{
    for (unsigned is_server = 0; is_server < 2; is_server++) {
        struct guest guest;
        guest_open(&guest, "tiny");
        guest.ram_bytes = 16ul << 20;
        guest.module = is_server ? "user" : "fsd"; /* what a domain is called that nobody has named */
        guest_symbol(&guest, "main", GUEST_USER, 16, false);
        guest_map(&guest, GUEST_USER, GUEST_FREE, PAGE_4K, PAGE_P | PAGE_U);
        guest_code(&guest, GUEST_FREE, gossip, gossip_end);
        memcpy(guest_memory(&guest, GUEST_FREE + 0x800), "fsd", 4);
        guest_must_run(&guest, visit, visit_end, 0);
        assert_int_equal(machine_result(guest.machine)->warning_count, is_server);
        guest_close(&guest);
    }
}

/* ---- symbols ---- */

static void test_operations_of_kernel(void **state)
{
    char error[IMAGE_ERROR_MAX];
    size_t bytes, of[FAULT_SERVICES] = {0};
    void *elf = image_read_file("build/images/monolithic/kernel.elf", &bytes, error);
    struct operations o = operations_read(elf, bytes, true);
    for (size_t i = 0; i < o.count; i++) {
        of[o.list[i].service]++;
        assert_true(o.list[i].address > KERNEL_TEXT);
        assert_true(i == 0 || o.list[i - 1].address < o.list[i].address);
        assert_ptr_equal(operations_find(&o, o.list[i].address), &o.list[i]);
    }
    assert_null(operations_find(&o, 0));
    assert_true(of[FAULT_FS] > 50 && of[FAULT_PROC] > 40 && of[FAULT_VM] > 7);
    assert_int_equal(of[FAULT_BLK], 1);
    assert_int_equal(of[FAULT_TTY], 1);
    free(o.list);
    free(elf);
}

/* A file may say anything. */
static void test_damaged_image(void **state)
{
    char error[IMAGE_ERROR_MAX];
    struct random random = {3};
    size_t bytes;
    uint8_t *elf = image_read_file("build/images/monolithic/kernel.elf", &bytes, error), *copy = malloc(bytes);
    for (unsigned i = 0; i < 300; i++) {
        size_t left = i % 3 ? bytes : random_below(&random, (uint32_t)bytes);
        struct operations o;
        memcpy(copy, elf, left);
        for (unsigned n = random_below(&random, 20); n > 0 && left > 4096; n--) /* the head, or the section table */
            copy[i % 2 ? random_below(&random, 64) : left - 1 - random_below(&random, 2048)] = (uint8_t)random_next(&random);
        o = operations_read(copy, left, i % 2);
        free(o.list);
        symbols_free(symbols_read(copy, left));
    }
    free(copy);
    free(elf);
}

/* ---- activations of listed routines ---- */

static const char *const message_routines[] = {
#define MESSAGE_ROUTINE(name) #name,
#include "abi/message_routines.def"
#undef MESSAGE_ROUTINE
    NULL};

/* A routine with a loop in it, called 30 times; a second one inside of the first, where the first runs into it, and which
 * is called 10 times besides. */
SNIPPET(routines,
        "mov r12d, 30; 1: mov edx, 16; call outer_routine; dec r12d; jnz 1b;"
        "mov r12d, 10; 1: mov edx, 16; call inner_routine; dec r12d; jnz 1b; xor eax, eax; ret;"
        "outer_routine: mov ecx, 4; 2: dec ecx; jnz 2b; nop; inner_routine: mov ecx, 3; 2: dec ecx; jnz 2b; ret");
extern const uint8_t outer_routine[], inner_routine[];

static uint64_t activations(const char *outer, const char *inner, enum counter counter)
{
    struct guest guest;
    uint64_t start = GUEST_TEST + (uint64_t)(outer_routine - routines), result;
    guest_open(&guest, "tiny");
    if (outer)
        guest_symbol(&guest, outer, start, (uint64_t)(routines_end - outer_routine), false);
    if (inner)
        guest_symbol(&guest, inner, start + (uint64_t)(inner_routine - outer_routine), (uint64_t)(routines_end - inner_routine), false);
    guest_must_run(&guest, routines, routines_end, 0);
    result = guest_counter(&guest, counter);
    guest_close(&guest);
    return result;
}

static void test_messages(void **state)
{
    const char *name = message_routines[0];
    if (!name)
        skip();
    assert_int_equal(activations(name, NULL, COUNTER_messages), 30);
    assert_int_equal(activations(NULL, name, COUNTER_messages), 40);
    assert_int_equal(activations("other", name, COUNTER_messages), 40);
    assert_int_equal(activations("other", NULL, COUNTER_messages), 0);
}

/* What carries messages through the kernel can be hit as well. */
static void test_kernel(void **state)
{
    struct fault_spec spec = {FAULT_CRASH, FAULT_KERNEL, 5, 0};
    uint64_t start = GUEST_TEST + (uint64_t)(outer_routine - routines);
    struct guest guest;
    if (!message_routines[0])
        skip();
    guest_open(&guest, "tiny");
    guest.faults = &spec;
    guest.fault_count = 1;
    guest_symbol(&guest, message_routines[0], start, 20, false);
    guest_must_run(&guest, routines, routines_end, GUEST_LOST);
    assert_int_equal(guest_record(&guest, 0).rip, start);
    guest_close(&guest);
}

/* A copy's size is in its registers when it is called, so running into one is none. */
static void test_copies(void **state)
{
    assert_int_equal(activations("memcpy", NULL, COUNTER_copies), 30);
    assert_int_equal(activations("other", "memmove", COUNTER_copies), 10);
}

SNIPPET(string_copy, "lea rsi, [rsp - 256]; lea rdi, [rsp - 128]; mov edx, 64; mov ecx, 64; call string_routine; xor eax, eax; ret;"
                     "string_routine: rep movsb; ret");
extern const uint8_t string_routine[];

/* The cycles of 64 bytes by REP MOVSB and of the RET behind it that are called copying, when the routine has this name. */
static uint64_t copying(const char *name)
{
    struct guest guest;
    uint64_t start = GUEST_TEST + (uint64_t)(string_routine - string_copy), result;
    guest_open(&guest, "tiny");
    guest_symbol(&guest, name, start, (uint64_t)(string_copy_end - string_routine), false);
    guest_must_run(&guest, string_copy, string_copy_end, 0);
    result = machine_result(guest.machine)->causes[CAUSE_copy];
    guest_close(&guest);
    return result;
}

/* tiny: 10 cycles to begin, 8 bytes a cycle; an instruction is 1. A copy routine is copying as a whole. */
static void test_string_copies(void **state)
{
    assert_int_equal(copying("other"), 10 + 64 / 8);
    assert_int_equal(copying("memcpy"), 1 + 10 + 64 / 8 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_op),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_wild_write_hits_read_only_text),
        cmocka_unit_test(test_across_border),
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_death_without_fault),
        cmocka_unit_test(test_unexpected_death),
        cmocka_unit_test(test_programs_are_not_believed),
        cmocka_unit_test(test_operations_of_kernel),
        cmocka_unit_test(test_damaged_image),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_kernel),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_string_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
