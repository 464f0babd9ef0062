/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_trace.c: what a machine records, by snippets: which events, in which order, with what in them; that
 * stretches and accounts add up to the counters; and that the recorded machine is the same machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sim/trace/trace.h"
#include "tests/sim/guest.h"
#include "tests/trace_sums.h"

#define P(offset) "[" AT(GUEST_PARAM) " + " #offset "]"
#define PROBE(number) "mov eax, 0x52494e47; mov ecx, " #number "; xor edx, edx; cpuid;"
#define BEGIN PROBE(2)
#define END PROBE(3)
#define CODE GUEST_USER
#define STACK (GUEST_USER + 0x3000)

/* ---- adding up ---- */

/* On one CPU a stretch ends where the next begins, or before, if the CPU was halted. */
static void stretches_follow(const struct trace_result *t)
{
    uint64_t end[MACHINE_CPUS_MAX] = {0};

    for (size_t i = 0; i < t->event_count; i++) {
        const struct trace_event *e = &t->events[i];

        assert_true(e->at >= end[e->cpu]);
        end[e->cpu] = e->at + trace_cycles(&e->figures);
    }
}

static const struct trace_result *checked(const struct guest *guest)
{
    const struct trace_result *t = machine_trace(guest->machine);
    const struct machine_result *result = machine_result(guest->machine);

    assert_non_null(t);
    assert_false(t->failed);
    recording_adds_up(t, result->causes, result->counters.value);
    stretches_follow(t);
    return t;
}

/* ---- one of each ---- */

SNIPPET(one_of_each,
        "lea rax, [rip + each_done]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;" BEGIN
        "mov rax, cr3; mov cr3, rax; invlpg [" AT(GUEST_PARAM) "];"
        "mov esi, " AT(GUEST_PARAM) " + 64; mov edi, " AT(GUEST_PARAM) " + 4096; mov ecx, 100; cld; rep movsb;"
        "mov ecx, 0; rep movsb; push 0x23; movabs rax, " AT(STACK) "; push rax; push 2; push 0x2b;"
        "movabs rax, " AT(CODE) "; push rax; iretq;"
        "each_done: " END "xor eax, eax; ret");
SNIPPET(at_ring3, "mov eax, 39; syscall");

static void open_user(struct guest *guest)
{
    guest_open(guest, "tiny");
    guest->trace = TRACE_EVENTS;
    guest_code(guest, GUEST_FREE, at_ring3, at_ring3_end);
    guest_map(guest, CODE, GUEST_FREE, PAGE_4K, PAGE_P | PAGE_U | PAGE_W);
    guest_map(guest, STACK - 0x1000, GUEST_FREE + 0x1000, PAGE_4K, PAGE_P | PAGE_U | PAGE_W);
}

static const struct trace_event *find(const struct trace_result *t, enum trace_kind kind, size_t nth)
{
    for (size_t i = 0; i < t->event_count; i++)
        if (t->events[i].kind == kind && nth-- == 0)
            return &t->events[i];
    return NULL;
}

/* The kinds but TRACE_RUN, in order, behind blanks. */
static void kinds(const struct trace_result *t, char *text, size_t bytes)
{
    *text = 0;
    for (size_t i = 0; i < t->event_count; i++)
        if (t->events[i].kind != TRACE_RUN)
            snprintf(text + strlen(text), bytes - strlen(text), " %s", trace_kind_names[t->events[i].kind]);
}

static void test_kinds_in_order(void **state)
{
    const struct trace_event *e;
    const struct trace_result *t;
    struct guest guest;
    char text[512];

    open_user(&guest);
    guest_must_run(&guest, one_of_each, one_of_each_end, 0);
    t = checked(&guest);
    kinds(t, text, sizeof text);
    assert_string_equal(text, " cr3 flush flush copy copy return syscall");
    assert_true(t->region);

    e = find(t, TRACE_COPY, 0);
    assert_int_equal(e->figures.value[FIGURE_BYTES_COPIED], 100);
    assert_int_equal(e->figures.value[FIGURE_COPIES], 1);
    assert_int_equal(find(t, TRACE_COPY, 1)->figures.value[FIGURE_COPIES], 0); /* RCX was 0 */
    e = find(t, TRACE_SYSCALL, 0);
    assert_string_equal(trace_text(guest.machine, e->name), "getpid");
    assert_int_equal(trace_lane_ring(guest.machine, e->lane), 3);
    assert_int_equal(trace_lane_ring(guest.machine, e->to_lane), 0);
    assert_int_equal(trace_cycles(&e->figures), guest.cpu.syscall_cost); /* the transition's own cost is its stretch */
    assert_string_equal(trace_text(guest.machine, (e + 1)->call), "getpid");
    e = find(t, TRACE_RETURN, 0);
    assert_int_equal(e->figures.value[CAUSE_transition], guest.cpu.iret_cost);
    assert_string_equal(trace_text(guest.machine, (e + 1)->call), "user");
    assert_string_equal(trace_text(guest.machine, find(t, TRACE_FLUSH, 1)->name), "invlpg");
    for (size_t i = 0; i < t->account_count; i++)
        assert_true(t->accounts[i].pc != 0); /* each transition's cost went to the block behind it */
    guest_close(&guest);
}

/* ---- interrupts of the flow ---- */

SNIPPET(many_ints, "mov r12, " P(0) ";" BEGIN "1: int 0x80; dec r12; jnz 1b;" END "xor eax, eax; ret");

static const struct trace_result *run_ints(struct guest *guest, uint64_t count)
{
    guest_open(guest, "tiny");
    guest->trace = TRACE_EVENTS;
    guest_put(guest, GUEST_PARAM, count);
    guest_must_run(guest, many_ints, many_ints_end, 0);
    return checked(guest);
}

/* An INT and its IRET are four stretches: the transition, the handler, the return, what comes then. */
static void test_exceptions(void **state)
{
    const struct trace_result *t;
    struct guest guest;

    t = run_ints(&guest, 10);
    assert_int_equal(t->event_count, 1 + 4 * 10);
    assert_string_equal(trace_text(guest.machine, find(t, TRACE_EXCEPTION, 9)->name), "vector 128");
    assert_null(find(t, TRACE_EXCEPTION, 10));
    guest_close(&guest);
}

/* What is too much to keep is counted, and its cycles are not lost. */
static void test_limit(void **state)
{
    const uint64_t count = 63000, kept = 250000;
    const struct trace_result *t;
    struct guest guest;

    t = run_ints(&guest, count);
    assert_int_equal(t->event_count, kept + 1);
    assert_int_equal(t->events[kept].kind, TRACE_LOST);
    assert_int_equal(t->events[kept].skipped, 1 + 4 * count - kept);
    guest_close(&guest);
}

SNIPPET(counts_down,
        "mov r12, " P(0) "; mov edi, 0xfee00000; sti; mov dword ptr [rdi + 0xf0], 0x1ff; mov dword ptr [rdi + 0x320], 0x20040;"
        "mov dword ptr [rdi + 0x3e0], 11; mov dword ptr [rdi + 0x380], 3000; 1: dec r12; jnz 1b;"
        "cli; xor eax, eax; ret");

/* Interrupts come where they may, and in a run without a region all of it is recorded. */
static void test_interrupts_and_no_region(void **state)
{
    const struct trace_result *t;
    struct guest guest;
    size_t count = 0;

    guest_open(&guest, "tiny");
    guest.trace = TRACE_EVENTS;
    guest_put(&guest, GUEST_PARAM, 20000);
    guest_must_run(&guest, counts_down, counts_down_end, 0);
    t = checked(&guest);
    while (find(t, TRACE_INTERRUPT, count))
        count++;
    assert_true(count > 3);
    assert_int_equal(count, guest_counter(&guest, COUNTER_interrupts));
    assert_string_equal(trace_text(guest.machine, find(t, TRACE_INTERRUPT, 0)->name), "vector 64");
    assert_false(t->region);
    guest_close(&guest);
}

/* ---- functions ---- */

SNIPPET(functions,
        BEGIN "call first; call second; call first; mov esi, 0x1000; mov edi, 0x2000; mov edx, 5; call copier;"
              "call sender;" END
              "xor eax, eax; ret;"
              "first: nop; jmp 1f; 1: nop; ret; second: nop; ret; copier: nop; jmp 2f; 2: ret;"
              "sender: nop; jmp 3f; 3: ret");
extern const uint8_t first[], second[], copier[], sender[];

static void name_it(struct guest *guest, const char *name, const uint8_t *label, const uint8_t *end)
{
    guest_symbol(guest, name, GUEST_TEST + (uint64_t)(label - functions), (uint64_t)(end - label), false);
}

static void open_functions(struct guest *guest, enum trace_mode mode)
{
    guest_open(guest, "tiny");
    guest->trace = mode;
    name_it(guest, "top", functions, first);
    name_it(guest, "first", first, second);
    name_it(guest, "second", second, copier);
    name_it(guest, "memcpy", copier, sender);
    name_it(guest, "message_take", sender, functions_end);
}

static void test_functions_in_order(void **state)
{
    const struct trace_event *e;
    const struct trace_result *t;
    struct guest guest;
    char text[512] = "";

    open_functions(&guest, TRACE_FUNCTIONS);
    guest_must_run(&guest, functions, functions_end, 0);
    t = checked(&guest);
    for (size_t i = 0; i < t->event_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %s:%s", trace_kind_names[t->events[i].kind],
                 trace_text(guest.machine, t->events[i].function));
    assert_string_equal(text, " run:top run:first run:top run:second run:top run:first run:top copy:memcpy run:top "
                              "message:message_take run:top");
    e = find(t, TRACE_COPY, 0);
    assert_int_equal(e->from, 0x1000);
    assert_int_equal(e->to, 0x2000);
    assert_int_equal(e->figures.value[FIGURE_BYTES_COPIED], 5);
    assert_int_equal(e->figures.value[FIGURE_INSTRUCTIONS], 3);
    assert_int_equal(find(t, TRACE_MESSAGE, 0)->figures.value[FIGURE_INSTRUCTIONS], 3);
    guest_close(&guest);
}

static uint64_t instructions_in(const struct guest *guest, const struct trace_result *t, const char *function)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < t->account_count; i++)
        if (strcmp(trace_text(guest->machine, t->accounts[i].function), function) == 0)
            sum += t->accounts[i].figures.value[FIGURE_INSTRUCTIONS];
    return sum;
}

/* Accounts know the function also if no event tells of it. */
static void test_functions_have_accounts(void **state)
{
    const struct trace_result *t;
    struct guest guest;

    open_functions(&guest, TRACE_EVENTS);
    guest_must_run(&guest, functions, functions_end, 0);
    t = checked(&guest);
    assert_int_equal(instructions_in(&guest, t, "first"), 2 * 4);
    assert_int_equal(instructions_in(&guest, t, "second"), 2);
    assert_int_equal(instructions_in(&guest, t, "memcpy"), 3);
    assert_int_equal(t->event_count, 1 + 2 * 2);
    guest_close(&guest);
}

/* ---- several CPUs ---- */

#define APIC_ON "mov edi, 0xfee00000; mov dword ptr [rdi + 0xf0], 0x1ff;"
SNIPPET(increments,
        APIC_ON "test r15d, r15d; jnz 5f; mov dword ptr [rdi + 0x300], 0xc4500; mov dword ptr [rdi + 0x300], 0xc4680;"
        "5: mov ecx, 3000; 1: lock inc qword ptr " P(16) "; int 0x80; dec ecx; jnz 1b; lock inc qword ptr " P(8) ";"
        "test r15d, r15d; jz 6f; ret; 6: mov rax, " P(0) "; 4: pause; cmp " P(8) ", rax; jb 4b; xor eax, eax; ret");

static void run_cpus(struct guest *guest, unsigned cpus, enum trace_mode mode)
{
    guest_open(guest, "skylake");
    guest->cpus = cpus;
    guest->trace = mode;
    guest_put(guest, GUEST_PARAM, cpus);
    guest_must_run(guest, increments, increments_end, 0);
}

/* Each CPU has stretches, they add up, and nothing is otherwise than without. */
static void test_cpus(void **state)
{
    for (unsigned cpus = 1; cpus <= 4; cpus++) {
        struct guest plain, recorded;
        size_t of_cpu[MACHINE_CPUS_MAX] = {0};
        const struct trace_result *t;

        run_cpus(&plain, cpus, TRACE_OFF);
        run_cpus(&recorded, cpus, TRACE_EVENTS);
        assert_null(machine_trace(plain.machine));
        t = checked(&recorded);
        for (size_t i = 0; i < t->event_count; i++)
            of_cpu[t->events[i].cpu]++;
        for (unsigned i = 0; i < cpus; i++)
            assert_true(of_cpu[i] > 4 * 3000);
        assert_memory_equal(&machine_result(plain.machine)->counters, &machine_result(recorded.machine)->counters,
                            sizeof(struct counters));
        guest_close(&plain);
        guest_close(&recorded);
    }
}

/* ---- faults, refusals ---- */

static void test_injected_fault(void **state)
{
    struct fault_spec spec = {FAULT_CRASH, FAULT_KERNEL, 1, 0};
    const struct trace_event *e;
    struct guest guest;

    open_functions(&guest, TRACE_EVENTS);
    guest.faults = &spec;
    guest.fault_count = 1;
    guest_must_run(&guest, functions, functions_end, GUEST_LOST);
    e = find(checked(&guest), TRACE_FAULT, 0);
    assert_non_null(e);
    assert_non_null(strstr(trace_text(guest.machine, e->name), "crash of kernel at op 1"));
    assert_string_equal(trace_text(guest.machine, find(checked(&guest), TRACE_EXCEPTION, 0)->name), "invalid opcode");
    guest_close(&guest);
}

static void test_count_model_has_no_cycles_to_record(void **state)
{
    struct guest guest;
    struct machine_config config = {.cpu = &guest.cpu, .cpus = 1, .model = MODEL_COUNT, .trace = TRACE_EVENTS};
    char error[MACHINE_ERROR_MAX];

    guest_open(&guest, "tiny");
    assert_null(machine_create(&config, error));
    assert_string_equal(error, "only the timing model records");
    guest_close(&guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_in_order),
        cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_interrupts_and_no_region),
        cmocka_unit_test(test_functions_in_order),
        cmocka_unit_test(test_functions_have_accounts),
        cmocka_unit_test(test_cpus),
        cmocka_unit_test(test_injected_fault),
        cmocka_unit_test(test_count_model_has_no_cycles_to_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
