/* SPDX-License-Identifier: MIT
 *
 * tests/arch/boot.c: see boot.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/arch/boot.h"

static void keep_line(void *ctx, const char *line)
{
    struct boot *boot = ctx;
    size_t used = strlen(boot->log);

    snprintf(boot->log + used, sizeof boot->log - used, "%s\n", line);
}

static void boot_machine(struct boot *boot, const char *image, const char *cpu, struct machine_config config)
{
    char path[128], error[MACHINE_ERROR_MAX] = "";

    memset(boot, 0, sizeof *boot);
    config.cpu = &boot->cpu;
    config.cpus = 1;
    config.log = keep_line;
    config.ctx = boot;
    snprintf(path, sizeof path, "sim/cpus/%s.ini", cpu);
    if (cpu_model_read(&boot->cpu, path, error) != 0)
        fail_msg("%s", error);
    boot->machine = machine_create(&config, error);
    if (!boot->machine || machine_load_kernel(boot->machine, image, error) != 0)
        fail_msg("%s", error);
    boot->end = machine_run(boot->machine);
    boot->result = machine_result(boot->machine);
}

void boot_image(struct boot *boot, const char *image, const char *cpu, const char *settings)
{
    boot_machine(boot, image, cpu, (struct machine_config){.settings = settings});
}

void boot_with_guests(struct boot *boot, const char *image, const char *cpu, unsigned guests)
{
    boot_machine(boot, image, cpu, (struct machine_config){.guests = guests, .ram_bytes = 16ul << 20});
}

void boot_close(struct boot *boot)
{
    machine_destroy(boot->machine);
}
