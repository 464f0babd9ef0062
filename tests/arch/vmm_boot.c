/* SPDX-License-Identifier: MIT
 *
 * tests/arch/vmm_boot.c: see vmm_boot.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/files/disk.h"
#include "tests/arch/keep.h"
#include "tests/arch/vmm_boot.h"

#define DISK_FREE (4u << 20)
#define SILENT_MAX 5 /* looks at the log */
#define WALL_NS (1704067200ull * 1000000000)

static void keep_log(void *ctx, const char *line)
{
    struct vmm_boot *boot = ctx;

    size_t bytes = strlen(line);

    if (boot->log_used + bytes + 2 > sizeof boot->log)
        return;
    memcpy(boot->log + boot->log_used, line, bytes);
    boot->log_used += bytes;
    memcpy(boot->log + boot->log_used++, "\n", 2);
}

static void keep_output(void *ctx, const void *from, size_t bytes)
{
    struct vmm_boot *boot = ctx;

    keep_text(boot->output, sizeof boot->output, from, bytes);
    boot->heard = boot->log_used;
}

/* Every 5 ms of simulated time or so. */
static void watch(void *ctx, uint64_t cycles, uint64_t instructions)
{
    struct vmm_boot *boot = ctx;

    boot->silent = boot->log_watched == boot->log_used ? boot->silent + 1 : 0;
    boot->log_watched = boot->log_used;
    if (boot->watched && boot->silent == SILENT_MAX)
        machine_stop(boot->machine);
}

static void *make_disk(const struct vmm_boot *boot, unsigned slices, size_t *bytes)
{
    struct disk_file file = {.path = "/program", .mode = 0755};
    struct disk_spec spec = {
        .files = &file, .file_count = boot->program != NULL, .free_bytes = boot->program ? DISK_FREE : 4096};
    struct disk_error error = {""};
    void *one, *all;

    if (boot->program)
        file.data = read_whole(boot->program, &file.bytes);
    one = disk_build(&spec, bytes, &error);
    free((void *)file.data);
    all = one ? disk_repeat(one, *bytes, slices, &error) : NULL;
    if (!all)
        fail_msg("%s", error.text);
    disk_free(one, *bytes);
    *bytes *= slices;
    return all;
}

static void load(struct machine *machine, const struct vmm_boot *boot)
{
    char error[MACHINE_ERROR_MAX] = "", name[32];

    if (machine_load_kernel(machine, boot->natively ? boot->kernel[0] : "build/images/vmm/kernel.elf", error) != 0)
        fail_msg("%s", error);
    for (unsigned i = 0; !boot->natively && boot->kernel[i]; i++) {
        snprintf(name, sizeof name, i ? "kernel%u" : "kernel", i + 1);
        if (machine_load_module(machine, boot->kernel[i], name, error) != 0)
            fail_msg("%s", error);
    }
}

static void keep_result(struct vmm_boot *boot, struct machine *machine)
{
    const struct machine_result *result = machine_result(machine);
    FILE *out;

    boot->exit_status = result->exit_status;
    boot->free_frames_before = result->free_frames_before;
    boot->free_frames_after = result->free_frames_after;
    boot->cycles = result->total_cycles;
    boot->counters = result->counters;
    if (boot->end == END_POWER_OFF)
        return;
    out = fmemopen(boot->report, sizeof boot->report, "w");
    machine_report(machine, out);
    fclose(out);
}

static unsigned count_guests(const struct vmm_boot *boot)
{
    unsigned guests = 0;

    while (boot->kernel[guests])
        guests++;
    return guests;
}

static void run(struct vmm_boot *boot, struct machine_config *config)
{
    char error[MACHINE_ERROR_MAX] = "";
    struct machine *machine = machine_create(config, error);

    if (!machine)
        fail_msg("%s", error);
    load(machine, boot);
    boot->machine = machine;
    boot->end = machine_run(machine);
    keep_result(boot, machine);
    machine_destroy(machine);
}

void vmm_boot(struct vmm_boot *boot)
{
    unsigned guests = boot->natively ? 0 : count_guests(boot), slices = guests ? guests : 1;
    const char *argv[6] = {"/program"};
    char error[MACHINE_ERROR_MAX] = "";
    struct cpu_model cpu;
    struct machine_config config = {
        .cpu = &cpu,
        .cpus = 1,
        .model = boot->model,
        .ram_bytes = boot->ram_bytes,
        .guests = guests,
        .disk_slices = slices,
        .console = {.ctx = boot, .output = keep_output},
        .stderr_console = {.ctx = boot, .output = keep_output},
        .wall_ns = WALL_NS,
        .settings = boot->settings,
        .argv = argv,
        .log = keep_log,
        .progress = watch,
        .ctx = boot,
    };
    size_t disk_bytes;

    boot->heard = boot->log_used = boot->log_watched = 0;
    boot->silent = 0;
    boot->log[0] = boot->output[0] = boot->report[0] = 0;
    for (unsigned i = 0; i < 4 && boot->arguments[i]; i++)
        argv[i + 1] = boot->arguments[i];
    if (cpu_model_read(&cpu, "sim/cpus/skylake.ini", error) != 0)
        fail_msg("%s", error);
    config.disk = make_disk(boot, slices, &disk_bytes);
    config.disk_bytes = disk_bytes;
    config.time_limit_cycles = boot->limit_ms * (cpu.hz / 1000);
    run(boot, &config);
    disk_free(config.disk, disk_bytes);
}

const char *vmm_line(const struct vmm_boot *boot, const char *begin)
{
    for (const char *line = boot->log; *line; line = strchr(line, '\n') + 1)
        if (strncmp(line, begin, strlen(begin)) == 0)
            return line;
    return NULL;
}

bool vmm_monitor_failed(const struct vmm_boot *boot)
{
    static const char last[] = "\npanic: guest 1 crashed\n";

    return boot->end == END_CRASH &&
           (boot->log_used < strlen(last) || strcmp(boot->log + boot->log_used - strlen(last), last) != 0);
}
