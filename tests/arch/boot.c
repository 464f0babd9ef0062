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

void boot_image(struct boot *boot, const char *image, const char *cpu, const char *settings)
{
    char path[128], error[MACHINE_ERROR_MAX] = "";
    struct machine_config config = {.cpu = &boot->cpu, .cpus = 1, .settings = settings, .log = keep_line, .ctx = boot};

    memset(boot, 0, sizeof *boot);
    snprintf(path, sizeof path, "sim/cpus/%s.ini", cpu);
    if (cpu_model_read(&boot->cpu, path, error) != 0)
        fail_msg("%s", error);
    boot->machine = machine_create(&config, error);
    if (!boot->machine || machine_load_kernel(boot->machine, image, error) != 0)
        fail_msg("%s", error);
    boot->end = machine_run(boot->machine);
    boot->result = machine_result(boot->machine);
}

void boot_close(struct boot *boot)
{
    machine_destroy(boot->machine);
}
