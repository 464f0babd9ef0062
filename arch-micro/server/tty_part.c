/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/tty_part.c: tty: the registers of two consoles, and their interrupts.
 */
#include "abi/devices.h"
#include "arch-micro/server/parts.h"
#include "services/tty/tty.h"

static struct {
    struct tty *tty;
    struct device console, stderr_console;
} part;

static void create(enum server_why why)
{
    const struct boot_info *boot = server.boot;
    struct tty_config config = {.tty_mask = boot->tty_mask, .rows = boot->tty_rows, .columns = boot->tty_columns};

    part.console = device_at(MMIO_VIRTIO_CONSOLE);
    part.stderr_console = device_at(MMIO_VIRTIO_STDERR);
    part.tty = tty_create(&server.host, &part.console, &part.stderr_console, &config);
    if (!part.tty)
        panic("no console");
    server_add(SERVICE_TTY, tty_service(part.tty));
}

static void destroy(void)
{
    tty_destroy(part.tty);
}

static void interrupt(void)
{
    tty_event(part.tty);
}

const struct part tty_part = {.create = create, .destroy = destroy, .interrupts = 2, .interrupt = interrupt};
