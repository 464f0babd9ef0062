/* SPDX-License-Identifier: MIT
 *
 * tests/arch/micro_boot.c: see micro_boot.h. The disk (each slice of it) has the program and nothing else.
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
#include "tests/arch/micro_boot.h"

#define DISK_FREE (4u << 20)
#define WALL_NS (1704067200ull * 1000000000)

static const char *const servers[] = {"procd", "vmd", "fsd", "blkd", "ttyd", "rsd"};

static void keep_log(void *ctx, const char *line)
{
    struct micro_boot *boot = ctx;

    keep_text(boot->log, sizeof boot->log, line, strlen(line));
    keep_text(boot->log, sizeof boot->log, "\n", 1);
}

static void keep_output(void *ctx, const void *from, size_t bytes)
{
    struct micro_boot *boot = ctx;

    keep_text(boot->output, sizeof boot->output, from, bytes);
}

static void *repeat(void *disk, size_t *bytes, unsigned slices)
{
    struct disk_error error = {""};
    void *copies = disk_repeat(disk, *bytes, slices, &error);

    disk_free(disk, *bytes);
    *bytes *= slices;
    if (!copies)
        fail_msg("%s", error.text);
    return copies;
}

static void *make_disk(const struct micro_boot *boot, size_t *bytes)
{
    struct disk_file file = {.path = "/program", .mode = 0755};
    struct disk_spec spec = {
        .files = &file, .file_count = 1, .free_bytes = boot->disk_free ? boot->disk_free : DISK_FREE};
    struct disk_error error = {""};
    void *disk;

    file.data = read_whole(boot->program, &file.bytes);
    disk = disk_build(&spec, bytes, &error);
    free((void *)file.data);
    if (!disk)
        fail_msg("%s", error.text);
    return boot->slices > 1 ? repeat(disk, bytes, boot->slices) : disk;
}

static void load_libraries(struct machine *machine, const struct boot_library *library)
{
    char error[MACHINE_ERROR_MAX] = "";

    if (machine_load_kernel(machine, "build/images/exo/kernel.elf", error) != 0)
        fail_msg("%s", error);
    for (; library->name; library++)
        if (machine_load_module(machine, library->image, library->name, error) != 0)
            fail_msg("%s", error);
}

static void load_servers(struct machine *machine, const struct micro_boot *boot)
{
    char error[MACHINE_ERROR_MAX] = "", path[128];

    if (machine_load_kernel(machine, "build/images/micro/kernel.elf", error) != 0)
        fail_msg("%s", error);
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        snprintf(path, sizeof path, "build/images/micro/%s.elf", servers[i]);
        if (machine_load_module(machine, boot->replaced && strcmp(boot->replaced, servers[i]) == 0 ? boot->image : path,
                                servers[i], error) != 0)
            fail_msg("%s", error);
    }
}

/* What the machine knows of a crash, or of where a run without end was, and who ran. */
static void keep_report(struct micro_boot *boot, struct machine *machine)
{
    const struct machine_result *result = machine_result(machine);
    FILE *out = fmemopen(boot->report, sizeof boot->report, "w");

    machine_report(machine, out);
    for (size_t i = 0; i < result->domain_count; i++)
        fprintf(out, "%s: %lu instructions\n", result->domains[i].name, result->domains[i].instructions);
    fclose(out);
}

static void keep_result(struct micro_boot *boot, struct machine *machine)
{
    const struct machine_result *result = machine_result(machine);

    boot->exit_status = result->exit_status;
    boot->free_frames_before = result->free_frames_before;
    boot->free_frames_after = result->free_frames_after;
    boot->revocations = result->revocations;
    if (boot->end != END_POWER_OFF)
        keep_report(boot, machine);
}

void micro_boot(struct micro_boot *boot)
{
    const char *argv[6] = {"/program"};
    char error[MACHINE_ERROR_MAX] = "";
    struct cpu_model cpu;
    struct machine_config config = {
        .cpu = &cpu,
        .cpus = 1,
        .model = MODEL_COUNT,
        .console = {.ctx = boot, .output = keep_output},
        .stderr_console = {.ctx = boot, .output = keep_output},
        .wall_ns = WALL_NS,
        .settings = boot->settings,
        .argv = argv,
        .log = keep_log,
        .ctx = boot,
    };
    size_t disk_bytes;
    struct machine *machine;

    boot->log[0] = boot->output[0] = boot->report[0] = 0;
    for (unsigned i = 0; i < 4 && boot->arguments[i]; i++)
        argv[i + 1] = boot->arguments[i];
    if (cpu_model_read(&cpu, "sim/cpus/skylake.ini", error) != 0)
        fail_msg("%s", error);
    config.disk = make_disk(boot, &disk_bytes);
    config.disk_slices = boot->slices;
    config.disk_bytes = disk_bytes;
    config.time_limit_cycles = boot->limit_ms * (cpu.hz / 1000);
    machine = machine_create(&config, error);
    if (!machine)
        fail_msg("%s", error);
    if (boot->libraries)
        load_libraries(machine, boot->libraries);
    else
        load_servers(machine, boot);
    boot->end = machine_run(machine);
    keep_result(boot, machine);
    machine_destroy(machine);
    disk_free(config.disk, disk_bytes);
}
