/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_vmm_guests.c: several guests: each is as if it were alone, but for its time, and each has its share
 * of that.
 *
 * Every guest runs the same program. The first one's output is the machine's; that of others is in the log, "guest N:
 * …". What a kernel can do to the others by intent is test_vmm_hostile.c's affair; here one just hangs, panics or
 * leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sim/files/disk.h"
#include "sim/saved.h"
#include "tests/arch/images/vmm_bad.h"
#include "tests/arch/record.h"

#define GUESTS_MAX 8
#define TEXT_MAX 8192
#define DISK_FREE (4u << 20)
#define RAM_BYTES (32ul << 20)
#define SLICE_CYCLES (cpu.hz / 100) /* guest/sched.c: 10 ms */
#define LIMIT_SLICES 1000           /* nothing takes so long */
#define BOOT_WAITS 8                /* of a guest for its disk, before its program runs */
#define SPINS "8000"                /* some slices long */
#define MONOLITHIC "build/images/monolithic/kernel.elf"
#define BAD "build/images/tests/vmm_bad.elf"
#define TRAVELLER "build/programs/arch/traveller"
#define SPIN "build/programs/root/bin/spin"

struct run {
    /* set by the test */
    const char *kernel[GUESTS_MAX + 1]; /* NULL ends */
    const char *program, *argument, *settings;
    /* the outcome */
    enum machine_end end;
    int exit_status;
    uint64_t cycles;
    char text[GUESTS_MAX][TEXT_MAX]; /* what each guest's program printed */
    uint64_t said[GUESTS_MAX];       /* the clock when it last did */
    char log[TEXT_MAX];              /* all else */
    void *disk;
    size_t disk_bytes;
    unsigned guests;
    struct machine *machine;
};

static struct cpu_model cpu;

/* ---- what is said ---- */

static void add(char text[TEXT_MAX], const void *from, size_t bytes)
{
    size_t used = strlen(text);

    assert_true(used + bytes < TEXT_MAX);
    memcpy(text + used, from, bytes);
}

static void note_time(struct run *r, unsigned guest)
{
    struct saved_guest now;

    saved_guest(r->machine, &now);
    r->said[guest] = now.cycles;
}

static void on_output(void *ctx, const void *from, size_t bytes)
{
    struct run *r = ctx;

    add(r->text[0], from, bytes);
    note_time(r, 0);
}

/* "guest N: LINE" of a guest whose kernel is the real one is its program's: that kernel says nothing while all is well.
 */
static void on_log(void *ctx, const char *line)
{
    struct run *r = ctx;
    unsigned guest = 0;
    int at = 0;

    if (sscanf(line, "guest %u: %n", &guest, &at) == 1 && at && guest > 1 && guest <= r->guests &&
        strcmp(r->kernel[guest - 1], MONOLITHIC) == 0) {
        add(r->text[guest - 1], line + at, strlen(line + at));
        add(r->text[guest - 1], "\n", 1);
        note_time(r, guest - 1);
        return;
    }
    add(r->log, line, strlen(line));
    add(r->log, "\n", 1);
}

/* ---- running ---- */

static void make_disk(struct run *r)
{
    struct disk_file file = {.path = "/program", .mode = 0755};
    struct disk_spec spec = {.files = &file, .file_count = 1, .free_bytes = DISK_FREE};
    struct disk_error error = {""};
    FILE *in = fopen(r->program, "rb");
    struct stat st;
    size_t bytes;
    void *one, *data;

    assert_non_null(in);
    assert_int_equal(fstat(fileno(in), &st), 0);
    file.bytes = (size_t)st.st_size;
    file.data = data = malloc(file.bytes);
    assert_int_equal(fread(data, 1, file.bytes, in), file.bytes);
    fclose(in);
    one = disk_build(&spec, &bytes, &error);
    free(data);
    r->disk = one ? disk_repeat(one, bytes, r->guests, &error) : NULL;
    if (!r->disk)
        fail_msg("%s", error.text);
    disk_free(one, bytes);
    r->disk_bytes = r->guests * bytes;
}

static void load(struct run *r)
{
    char error[MACHINE_ERROR_MAX] = "", name[16];

    if (machine_load_kernel(r->machine, "build/images/vmm/kernel.elf", error) != 0)
        fail_msg("%s", error);
    for (unsigned i = 0; i < r->guests; i++) {
        snprintf(name, sizeof name, "kernel%u", i + 1);
        if (machine_load_module(r->machine, r->kernel[i], name, error) != 0)
            fail_msg("%s", error);
    }
}

static void run_machine(struct run *r)
{
    const char *const argv[] = {"/program", r->argument, NULL};
    struct machine_config config = {
        .cpu = &cpu,
        .cpus = 1,
        .ram_bytes = RAM_BYTES,
        .guests = r->guests,
        .disk = r->disk,
        .disk_bytes = r->disk_bytes,
        .disk_slices = r->guests,
        .console = {.ctx = r, .output = on_output},
        .stderr_console = {.ctx = r, .output = on_output},
        .time_limit_cycles = LIMIT_SLICES * SLICE_CYCLES,
        .settings = r->settings,
        .argv = argv,
        .log = on_log,
        .ctx = r,
    };
    char error[MACHINE_ERROR_MAX] = "";
    const struct machine_result *result;
    struct saved_guest last;

    r->machine = machine_create(&config, error);
    if (!r->machine)
        fail_msg("%s", error);
    load(r);
    r->end = machine_run(r->machine);
    result = machine_result(r->machine);
    r->exit_status = result->exit_status;
    saved_guest(r->machine, &last);
    r->cycles = last.cycles;
    if (r->end == END_POWER_OFF && result->free_frames_before != result->free_frames_after)
        fail_msg("%lu frames free before, %lu after", result->free_frames_before, result->free_frames_after);
    machine_destroy(r->machine);
}

/* The caller frees it by done(). */
static struct run *run(const struct run *wanted)
{
    struct run *r = malloc(sizeof *r);

    assert_non_null(r);
    *r = *wanted;
    while (r->kernel[r->guests])
        r->guests++;
    make_disk(r);
    run_machine(r);
    return r;
}

static void done(struct run *r)
{
    disk_free(r->disk, r->disk_bytes);
    free(r);
}

/* ---- is it what it is alone? ---- */

static struct run *alone, *spins_alone;

static void export(const struct run *r, unsigned guest, const char *folder)
{
    struct disk_error error = {""};
    void *slice = disk_slice(r->disk, r->disk_bytes, r->guests, guest);

    if (!disk_export(slice, r->disk_bytes / r->guests, folder, &error))
        fail_msg("guest %u: %s", guest + 1, error.text);
}

static void same_as_alone(const struct run *r, unsigned guest)
{
    char text[4096];

    if (strcmp(r->text[guest], alone->text[0]) != 0)
        fail_msg("of %u guests, number %u printed\n%s%s", r->guests, guest + 1, r->text[guest], r->log);
    export(alone, 0, "build/tests/guests-alone");
    export(r, guest, "build/tests/guests-one");
    if (record_command("diff -r build/tests/guests-alone build/tests/guests-one 2>&1", text, sizeof text) != 0)
        fail_msg("of %u guests, number %u has other files:\n%s", r->guests, guest + 1, text);
    assert_int_equal(record_command("rm -r build/tests/guests-alone build/tests/guests-one", text, sizeof text), 0);
}

static int run_alone(void **state)
{
    char error[CPU_MODEL_ERROR_MAX];

    if (cpu_model_read(&cpu, "sim/cpus/skylake.ini", error) != 0)
        return -1;
    alone = run(&(struct run){.kernel = {MONOLITHIC}, .program = TRAVELLER, .argument = "2", .settings = ""});
    spins_alone = run(&(struct run){.kernel = {MONOLITHIC}, .program = SPIN, .argument = SPINS, .settings = ""});
    return strstr(alone->text[0], "\nend 2 ") && spins_alone->end == END_POWER_OFF ? 0 : -1;
}

static int free_alone(void **state)
{
    done(alone);
    done(spins_alone);
    return 0;
}

/* ---- good neighbours ---- */

static void each_is_as_if_alone(void **state)
{
    static const unsigned numbers[] = {2, 4, 8};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct run wanted = {.program = TRAVELLER, .argument = "2", .settings = ""}, *r;

        for (unsigned guest = 0; guest < numbers[i]; guest++)
            wanted.kernel[guest] = MONOLITHIC;
        r = run(&wanted);
        assert_int_equal(r->end, END_POWER_OFF);
        assert_int_equal(r->exit_status, alone->exit_status);
        for (unsigned guest = 0; guest < numbers[i]; guest++)
            same_as_alone(r, guest);
        assert_string_equal(r->log, "");
        done(r);
    }
}

/* All want the processor all the time. So all end at about the same time, when all of it is spent. */
static void shares_are_fair(void **state)
{
    static const unsigned numbers[] = {2, 4};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct run wanted = {.program = SPIN, .argument = SPINS, .settings = ""}, *r;
        uint64_t sum = numbers[i] * spins_alone->cycles;

        for (unsigned guest = 0; guest < numbers[i]; guest++)
            wanted.kernel[guest] = MONOLITHIC;
        r = run(&wanted);
        assert_in_range(r->cycles, sum - sum / 20, sum + sum / 20);
        for (unsigned guest = 0; guest < numbers[i]; guest++) {
            assert_string_equal(r->text[guest], spins_alone->text[0]);
            assert_in_range(r->said[guest], r->cycles - (numbers[i] - 1) * SLICE_CYCLES, r->cycles);
        }
        done(r);
    }
}

/* ---- bad ones ---- */

static struct run *with_bad(enum bad what, unsigned first, const struct run *like)
{
    char settings[16];

    snprintf(settings, sizeof settings, "bad=%d", what);
    return run(&(struct run){.kernel = {first ? BAD : MONOLITHIC, first ? MONOLITHIC : BAD},
                             .program = like->program,
                             .argument = like->argument,
                             .settings = settings});
}

/* Of a guest that is no more, the others notice nothing: not even in their time, but for its boot's. */
static void one_that_ends_is_not_missed(void **state)
{
    static const struct {
        enum bad what;
        const char *says;
    } ends[] = {{BAD_LEAVES, "guest 2: bad: begins\n"},
                {BAD_PANICS, "guest 2: panic: bad: had enough"},
                {BAD_CRASHES, "guest 2: crash: "}};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct run *r = with_bad(ends[i].what, 0, alone);

        assert_int_equal(r->end, END_POWER_OFF);
        assert_int_equal(r->exit_status, alone->exit_status);
        same_as_alone(r, 0);
        if (!strstr(r->log, ends[i].says))
            fail_msg("the log is\n%s", r->log);
        assert_in_range(r->cycles, alone->cycles - alone->cycles / 20, alone->cycles + alone->cycles / 5);
        done(r);
    }
}

/* The machine has the status of its first guest, when all have ended. */
static void the_first_ones_status_counts(void **state)
{
    struct run *r = with_bad(BAD_LEAVES, 1, alone);

    assert_int_equal(r->end, END_POWER_OFF);
    assert_int_equal(r->exit_status, BAD_STATUS);
    same_as_alone(r, 1);
    done(r);
    r = with_bad(BAD_PANICS, 1, alone);
    assert_int_equal(r->end, END_CRASH);
    assert_non_null(strstr(r->log, "panic: guest 1 crashed\n"));
    same_as_alone(r, 1);
    done(r);
}

/* One that hangs has its slices, and no more: what computes beside it has half of the processor; what waits for disk
 * and timers comes first when they are there, so that its time is its own, but for being second at first and what
 * changing places costs (measured: 3 of 27 million cycles). */
static void one_that_hangs_has_its_slices(void **state)
{
    for (unsigned first = 0; first < 2; first++) {
        struct run *r = with_bad(BAD_HANGS, first, spins_alone);
        unsigned good = first;

        assert_int_equal(r->end, END_TIME_LIMIT); /* it alone is left, in ring 3: nothing will ever happen */
        assert_string_equal(r->text[good], spins_alone->text[0]);
        assert_in_range(r->said[good], spins_alone->cycles, 2 * spins_alone->cycles + BOOT_WAITS * SLICE_CYCLES);
        done(r);
        r = with_bad(BAD_HANGS, first, alone);
        assert_int_equal(r->end, END_TIME_LIMIT);
        same_as_alone(r, good);
        assert_in_range(r->said[good], alone->said[0], alone->said[0] + alone->said[0] / 5 + first * SLICE_CYCLES);
        done(r);
    }
}

/* ---- how many ---- */

static void one_to_eight(void **state)
{
    static const char *const wrong[] = {"0", "9", "x", "", "-1", "1.5", "01"};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char command[128], text[512], wanted[128];

        snprintf(command, sizeof command, "build/ringside exec vmm --set guests=%s -- " TRAVELLER " 1 2>&1", wrong[i]);
        snprintf(wanted, sizeof wanted, "ringside: setting 'guests' cannot be '%s'; it is one of 1|2|3|4|5|6|7|8\n",
                 wrong[i]);
        assert_int_equal(record_command(command, text, sizeof text), 2);
        assert_string_equal(text, wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_as_if_alone),           cmocka_unit_test(shares_are_fair),
        cmocka_unit_test(one_that_ends_is_not_missed),   cmocka_unit_test(the_first_ones_status_counts),
        cmocka_unit_test(one_that_hangs_has_its_slices), cmocka_unit_test(one_to_eight),
    };

    return cmocka_run_group_tests_name("arch/vmm_guests", tests, run_alone, free_alone);
}
