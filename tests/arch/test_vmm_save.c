/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_vmm_save.c: a guest is saved, goes on in another machine, and nobody can tell from what it prints,
 * the status it ends with, the input it reads, or its files.
 *
 * The traveller says what it is about to do; so the last line before a save tells where it was saved. Machines are
 * those of the library here: a file between them is tests/cli/test_saved.c's affair.
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
#include "tests/arch/record.h"

#define ROUNDS "3"
#define MOMENTS 32
#define OUTPUT_MAX 16384
#define DISK_FREE (4u << 20)
#define RAM_BYTES (32ul << 20)
#define LIMIT_MS 1000
#define DOMAINS_MAX 16
#define DISK_NS 40000 /* so long a save is only late if it waits for the disk; the monitor needs half of it */
#define PIECE 20      /* of input; the traveller reads 32 at once */

/* What the traveller does, in this order; it says so before. */
static const char *const tasks[] = {"compute", "files", "calls", "child", "memory", "timers", "input"};
#define TASKS (sizeof tasks / sizeof *tasks)

/* A guest between two machines. */
struct luggage {
    void *state, *memory;
    size_t state_bytes, memory_bytes;
    struct saved_domain domain[DOMAINS_MAX];
    size_t domains;
};

/* One run of the traveller, through as many machines as it takes. */
struct journey {
    char output[OUTPUT_MAX];
    size_t printed;
    uint64_t began_ns[TASKS + 1]; /* each task for the first time, by the guest's clock */
    size_t input; /* bytes that were taken */
    void *disk;
    size_t disk_bytes;
    struct luggage luggage;
    struct machine *machine; /* while it runs */
    /* of the last machine */
    enum machine_end end;
    int exit_status;
    uint64_t cycles, late_ns; /* late: from when it was to be saved until it was */
    char domains[512];        /* with their names */
};

static const char input[] =
    "Thou hast most kindly hit it. A most courteous exposition. Nay, I am the very pink of courtesy. "
    "Pink for flower. Right. Why, then is my pump well flowered.\n";
static struct cpu_model cpu;
static struct journey whole;

static size_t last_task(const struct journey *j)
{
    const char *line = j->output + j->printed;

    while (line > j->output && (line == j->output + j->printed || line[-1] != '\n'))
        line--;
    for (size_t i = 0; i < TASKS; i++)
        if (strncmp(line, tasks[i], strlen(tasks[i])) == 0)
            return i;
    return TASKS;
}

static uint64_t ns_of(uint64_t cycles)
{
    return (uint64_t)((double)cycles / (double)cpu.hz * 1e9);
}

/* ---- the machine's surroundings ---- */

static void note_task(struct journey *j)
{
    uint64_t *began = &j->began_ns[last_task(j)];
    struct saved_guest now;

    saved_guest(j->machine, &now);
    if (!*began)
        *began = ns_of(now.cycles);
}

static void on_output(void *ctx, const void *from, size_t bytes)
{
    struct journey *j = ctx;

    assert_true(j->printed + bytes < sizeof j->output);
    memcpy(j->output + j->printed, from, bytes);
    j->printed += bytes;
    note_task(j);
}

static long on_input(void *ctx, void *to, size_t bytes)
{
    struct journey *j = ctx;
    size_t left = sizeof input - 1 - j->input, n = bytes < left ? bytes : left;

    n = n < PIECE ? n : PIECE; /* as if it were typed */
    memcpy(to, input + j->input, n);
    j->input += n;
    return (long)n;
}

static void on_log(void *ctx, const char *line)
{
    print_error("kernel: %s\n", line);
}

static void make_disk(struct journey *j, const char *path)
{
    struct disk_file file = {.path = "/program", .mode = 0755};
    struct disk_spec spec = {.files = &file, .file_count = 1, .free_bytes = DISK_FREE};
    struct disk_error error = {""};
    struct stat st;
    FILE *in = fopen(path, "rb");
    void *data;

    assert_non_null(in);
    assert_int_equal(fstat(fileno(in), &st), 0);
    data = malloc((size_t)st.st_size);
    file.bytes = (size_t)st.st_size;
    file.data = data;
    assert_int_equal(fread(data, 1, file.bytes, in), file.bytes);
    fclose(in);
    j->disk = disk_build(&spec, &j->disk_bytes, &error);
    free(data);
    if (!j->disk)
        fail_msg("%s", error.text);
}

/* ---- luggage ---- */

static void *copy_of(const void *from, size_t bytes)
{
    void *to = malloc(bytes);

    assert_non_null(to);
    return memcpy(to, from, bytes);
}

static void pack(struct luggage *l, const struct machine *machine)
{
    struct saved_guest guest;

    saved_guest(machine, &guest);
    l->state = copy_of(guest.state, l->state_bytes = guest.state_bytes);
    l->memory = copy_of(guest.memory, l->memory_bytes = guest.memory_bytes);
    for (l->domains = 0; l->domains < DOMAINS_MAX && saved_domain(machine, l->domains, &l->domain[l->domains]);)
        l->domains++;
}

static void unpack(struct luggage *l, struct machine *machine)
{
    char error[MACHINE_ERROR_MAX] = "";

    assert_true(saved_put_memory(machine, 0, l->memory, l->memory_bytes));
    for (size_t i = 0; i < l->domains; i++)
        assert_true(saved_put_domain(machine, &l->domain[i]));
    if (saved_put_state(machine, l->state, l->state_bytes, error) != 0)
        fail_msg("%s", error);
    free(l->state);
    free(l->memory);
    *l = (struct luggage){0};
}

/* ---- one machine of a journey ---- */

static void load_images(struct machine *machine)
{
    char error[MACHINE_ERROR_MAX] = "";

    if (machine_load_kernel(machine, "build/images/vmm/kernel.elf", error) != 0 ||
        machine_load_module(machine, "build/images/monolithic/kernel.elf", "kernel", error) != 0)
        fail_msg("%s", error);
}

static void keep_result(struct journey *j, struct machine *machine, uint64_t save_at_ns)
{
    const struct machine_result *r = machine_result(machine);
    struct saved_guest guest;

    saved_guest(machine, &guest);
    j->exit_status = r->exit_status;
    j->cycles = guest.cycles;
    j->late_ns = ns_of(guest.cycles) - save_at_ns;
    j->domains[0] = 0;
    for (size_t i = 0; i < r->domain_count; i++) {
        strncat(j->domains, r->domains[i].name, 32);
        strcat(j->domains, " ");
    }
    if (j->end == END_POWER_OFF && r->free_frames_before != r->free_frames_after)
        fail_msg("%lu frames free before, %lu after", r->free_frames_before, r->free_frames_after);
    if (j->end == END_SAVED)
        pack(&j->luggage, machine);
    else if (j->end != END_POWER_OFF)
        machine_report(machine, stderr);
}

/* Until the guest ends or is saved. */
static void travel(struct journey *j, const char *settings, uint64_t save_at_ns)
{
    static const char *const argv[] = {"/program", ROUNDS, NULL};
    struct machine_config config = {
        .cpu = &cpu,
        .cpus = 1,
        .ram_bytes = RAM_BYTES,
        .guests = 1,
        .disk = j->disk,
        .disk_bytes = j->disk_bytes,
        .console = {.ctx = j, .input = on_input, .output = on_output},
        .stderr_console = {.ctx = j, .output = on_output},
        .time_limit_cycles = LIMIT_MS * (cpu.hz / 1000),
        .save_at_ns = save_at_ns,
        .settings = settings,
        .argv = argv,
        .log = on_log,
    };
    char error[MACHINE_ERROR_MAX] = "";
    struct machine *machine = machine_create(&config, error);

    if (!machine)
        fail_msg("%s", error);
    j->machine = machine;
    load_images(machine);
    if (j->luggage.state)
        unpack(&j->luggage, machine);
    j->end = machine_run(machine);
    keep_result(j, machine, save_at_ns);
    machine_destroy(machine);
}

static struct journey *start(void)
{
    struct journey *j = calloc(1, sizeof *j);

    assert_non_null(j);
    make_disk(j, "build/programs/arch/traveller");
    return j;
}

static void finish(struct journey *j)
{
    disk_free(j->disk, j->disk_bytes);
    free(j->luggage.state);
    free(j->luggage.memory);
    free(j);
}

/* ---- is it what it is without? ---- */

static void same_files(const struct journey *j)
{
    char text[4096];
    struct disk_error error = {""};

    if (!disk_export(whole.disk, whole.disk_bytes, "build/tests/save-whole", &error) ||
        !disk_export(j->disk, j->disk_bytes, "build/tests/save-parts", &error))
        fail_msg("%s", error.text);
    if (record_command("diff -r build/tests/save-whole build/tests/save-parts 2>&1", text, sizeof text) != 0)
        fail_msg("the files differ:\n%s", text);
    assert_int_equal(record_command("grep -rc . build/tests/save-parts/tmp/traveller | wc -l", text, sizeof text), 0);
    assert_string_equal(text, "2\n"); /* there are files to compare */
    assert_int_equal(record_command("rm -rf build/tests/save-whole build/tests/save-parts", text, sizeof text), 0);
}

static void same(const struct journey *j, uint64_t at)
{
    if (j->end != END_POWER_OFF || j->exit_status != whole.exit_status || strcmp(j->output, whole.output) != 0)
        fail_msg("saved at %lu ns: end %d, exit status %d, not %d; it printed\n%s", at, j->end, j->exit_status,
                 whole.exit_status, j->output);
    assert_int_equal(j->input, whole.input);
    same_files(j);
}

static uint64_t whole_ns(void)
{
    return ns_of(whole.cycles);
}

static int run_whole(void **state)
{
    char error[CPU_MODEL_ERROR_MAX];

    if (cpu_model_read(&cpu, "sim/cpus/skylake.ini", error) != 0)
        return -1;
    make_disk(&whole, "build/programs/arch/traveller");
    travel(&whole, "", 0);
    return whole.end == END_POWER_OFF && strstr(whole.output, "\nend " ROUNDS) ? 0 : -1;
}

static int free_whole(void **state)
{
    disk_free(whole.disk, whole.disk_bytes);
    return 0;
}

/* ---- moments ---- */

/* Saved then, and restored, it is what it is without. Whether the save came late. */
static bool late_when_saved_at(uint64_t at, size_t *during)
{
    struct journey *j = start();
    bool late;

    travel(j, "", at);
    assert_int_equal(j->end, END_SAVED);
    late = j->late_ns > DISK_NS;
    *during = last_task(j);
    travel(j, "", 0);
    same(j, at);
    finish(j);
    return late;
}

static void any_moment_will_do(void **state)
{
    unsigned late = 0;
    size_t during;

    for (uint64_t i = 1; i <= MOMENTS; i++)
        late += late_when_saved_at(whole_ns() * i / (MOMENTS + 1), &during);
    assert_true(late > 0); /* a request to the disk was under way */
}

/* But for input, which is a moment's affair, and no_input_is_lost()'s. */
static void any_task_will_do(void **state)
{
    for (size_t i = 0; i < TASKS - 1; i++) {
        size_t during;

        late_when_saved_at((whole.began_ns[i] + whole.began_ns[i + 1]) / 2, &during);
        assert_int_equal(during, i);
    }
}

/* Without PCIDs, and with shadow tables that do not last. */
static void settings_do_not_matter(void **state)
{
    static const char *const settings[] = {"pcid=off", "shadow-cache=off", "pcid=off shadow-cache=off"};

    for (size_t i = 0; i < 3; i++) {
        struct journey *j = start();

        travel(j, settings[i], whole_ns() * (i + 2) / 6);
        assert_int_equal(j->end, END_SAVED);
        travel(j, settings[i], 0);
        same(j, i);
        finish(j);
    }
}

/* ---- many machines ---- */

static void from_machine_to_machine(void **state)
{
    struct journey *j = start();
    uint64_t step = whole_ns() / 9;
    unsigned machines = 1;

    for (travel(j, "", step * 2); j->end == END_SAVED; machines++)
        travel(j, "", step * 2);
    assert_true(machines >= 5);
    same(j, step);
    finish(j);
}

/* Saved again before it has run an instruction: asleep, or about to run. */
static void again_at_once(void **state)
{
    for (uint64_t i = 1; i <= 6; i++) {
        struct journey *j = start();

        travel(j, "", whole_ns() * i / 7);
        for (unsigned again = 0; again < 3; again++) {
            size_t printed = j->printed;

            assert_int_equal(j->end, END_SAVED);
            travel(j, "", 1);
            assert_int_equal(j->printed, printed);
        }
        travel(j, "", 0);
        same(j, i);
        finish(j);
    }
}

/* ---- input that is on its way ---- */

/* How much input was taken before a guest was saved at `at`. */
static size_t input_at(uint64_t at)
{
    struct journey *j = start();
    size_t taken;

    travel(j, "", at);
    assert_int_equal(j->end, END_SAVED);
    taken = j->input;
    finish(j);
    return taken;
}

/* The second piece of a line: nothing is being printed then, which a guest that is to be saved would wait for. So there
 * is a moment when the machine takes input after the monitor has begun to save, and before it is done. */
static void no_input_is_lost(void **state)
{
    uint64_t before = 0, after = whole_ns() - 1;

    while (after - before > 100) {
        uint64_t middle = before + (after - before) / 2;

        if (input_at(middle) > PIECE)
            after = middle;
        else
            before = middle;
    }
    for (uint64_t at = before - 300; at <= after + 1500; at += 300) {
        struct journey *j = start();

        travel(j, "", at);
        travel(j, "", 0);
        same(j, at);
        finish(j);
    }
}

/* ---- what else the machine knows ---- */

static void names_go_along(void **state)
{
    struct journey *j = start();

    travel(j, "", whole_ns() / 2);
    travel(j, "", 0);
    assert_memory_equal(j->domains, "kernel program ", 15);
    assert_null(strstr(j->domains, "user")); /* what a program is called that nobody named */
    finish(j);
}

static void too_late_is_not_saved(void **state)
{
    struct journey *j = start();

    travel(j, "", 2 * whole_ns());
    same(j, 0);
    finish(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_moment_will_do),      cmocka_unit_test(any_task_will_do),
        cmocka_unit_test(settings_do_not_matter),
        cmocka_unit_test(from_machine_to_machine), cmocka_unit_test(again_at_once),
        cmocka_unit_test(no_input_is_lost),        cmocka_unit_test(names_go_along),
        cmocka_unit_test(too_late_is_not_saved),
    };

    return cmocka_run_group_tests_name("arch/vmm_save", tests, run_whole, free_whole);
}
