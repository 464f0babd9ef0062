/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_trace_sums.c: recordings of workloads on every architecture, in this process: stretches and accounts
 * add up to the record's counters and causes, and the record is that of a run which was not recorded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sim/cli/parameters.h"
#include "sim/cli/workload.h"
#include "sim/trace/trace.h"
#include "tests/trace_sums.h"

static const char *const archs_run[] = {"monolithic", "micro", "micro:mach", "exo", "vmm"};
static const char *const workloads_run[] = {"write", "pipe", "fork", "exec", "trap"};

/* ---- adding up ---- */

/* An event of a kind for each that the counters know of. */
static void events_are_counted(const struct trace_result *t, const struct record *r)
{
    uint64_t of_kind[TRACE_KINDS] = {0};

    for (size_t i = 0; i < t->event_count; i++)
        of_kind[t->events[i].kind]++;
    assert_int_equal(of_kind[TRACE_LOST], 0);
    assert_int_equal(of_kind[TRACE_MESSAGE], r->counter[COUNTER_messages]);
    assert_int_equal(of_kind[TRACE_CR3], r->counter[COUNTER_cr3_writes]);
    assert_int_equal(of_kind[TRACE_FLUSH], r->counter[COUNTER_tlb_flushes] + r->counter[COUNTER_tlb_page_flushes]);
    assert_int_equal(of_kind[TRACE_SWITCH], r->counter[COUNTER_context_switches]);
    assert_int_equal(of_kind[TRACE_VM_EXIT], r->counter[COUNTER_vm_exits]);
    if (!r->counter[COUNTER_vm_exits]) {
        assert_int_equal(of_kind[TRACE_SYSCALL], r->counter[COUNTER_syscalls]);
        assert_int_equal(of_kind[TRACE_EXCEPTION], r->counter[COUNTER_exceptions]);
        assert_int_equal(of_kind[TRACE_INTERRUPT], r->counter[COUNTER_interrupts]);
    }
}

static void accounts_are_domains(struct machine *m, const struct trace_result *t, const struct record *r)
{
    for (size_t d = 0; d < r->domain_count; d++) {
        uint64_t of_name = 0, of_accounts = 0;

        for (size_t i = 0; i < r->domain_count; i++)
            if (strcmp(r->domains[i].name, r->domains[d].name) == 0)
                of_name += r->domains[i].instructions;
        for (size_t i = 0; i < t->account_count; i++) {
            const struct trace_lane *lane = &t->lanes[t->accounts[i].lane];
            uint32_t own = 0;

            while (t->lanes[own].domain != lane->domain || t->lanes[own].library)
                own++; /* a library's code runs in the domain of a lane that is no library */
            if (strcmp(trace_lane_name(m, own), r->domains[d].name) == 0)
                of_accounts += t->accounts[i].figures.value[FIGURE_INSTRUCTIONS];
        }
        assert_int_equal(of_accounts, of_name);
    }
}

static bool take(void *ctx, const struct session *session, struct machine *machine, const struct record *record,
                 struct error *error)
{
    const struct trace_result *t = machine_trace(machine);
    bool *took = ctx;

    (void)session;
    (void)error;
    assert_false(t->failed);
    recording_adds_up(t, record->cause, record->counter);
    events_are_counted(t, record);
    accounts_are_domains(machine, t, record);
    *took = true;
    return true;
}

/* ---- runs ---- */

static void run(const char *arch, const char *workload, const struct tracer *tracer, struct record *record)
{
    char *argv[] = {"--ops", "8"};
    struct error error = {0};
    struct options options;
    struct session session;
    struct choice choice;
    struct guest_disk disk = {0};
    bool ran;

    if (!parse_options(&options, COMMAND_RUN, 2, argv, &error) || !session_open(&session, &options, arch, &error) ||
        !choose_workload(&choice, workload, &error) || !workload_disk(&session, &disk, &error))
        fail_msg("%s", error.text);
    session.tracer = tracer;
    if (!workload_run(&session, &choice.workload, &disk, false, record, &ran, &error))
        fail_msg("%s on %s: %s", workload, arch, error.text);
    guest_disk_free(&disk);
}

static void same_record(const struct record *a, const struct record *b)
{
    assert_memory_equal(a->counter, b->counter, sizeof a->counter);
    assert_memory_equal(a->cause, b->cause, sizeof a->cause);
    assert_int_equal(a->instructions, b->instructions);
    assert_int_equal(a->domain_count, b->domain_count);
    for (size_t i = 0; i < a->domain_count; i++) {
        assert_string_equal(a->domains[i].name, b->domains[i].name);
        assert_int_equal(a->domains[i].cycles, b->domains[i].cycles);
        assert_int_equal(a->domains[i].instructions, b->domains[i].instructions);
    }
    assert_int_equal(a->exit_count, b->exit_count);
    for (size_t i = 0; i < a->exit_count; i++)
        assert_int_equal(a->exits[i].count, b->exits[i].count);
}

static void every_workload(const char *arch)
{
    for (size_t w = 0; w < sizeof workloads_run / sizeof *workloads_run; w++) {
        bool took = false;
        struct tracer events = {TRACE_EVENTS, take, &took}, functions = {TRACE_FUNCTIONS, take, &took};
        struct record plain, recorded;

        run(arch, workloads_run[w], NULL, &plain);
        run(arch, workloads_run[w], w % 2 ? &events : &functions, &recorded);
        assert_true(took);
        same_record(&plain, &recorded);
        record_free(&plain);
        record_free(&recorded);
    }
}

static void recordings_add_up_and_change_nothing(void **state)
{
    (void)state;
    for (size_t a = 0; a < sizeof archs_run / sizeof *archs_run; a++)
        every_workload(archs_run[a]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recordings_add_up_and_change_nothing)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
