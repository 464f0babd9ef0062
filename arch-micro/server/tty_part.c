/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/tty_part.c: tty: the registers of two consoles, and their interrupts.
 *
 * Output is with the device before a write is answered. Input that was read ahead is gone if the server had to start
 * from nothing: what comes later must not be taken for what comes next, so reading a stream answers -EIO from then on.
 * A terminal goes on: a person sees what is missing.
 */
#include "abi/devices.h"
#include "arch-micro/server/parts.h"
#include "services/tty/tty.h"

static struct {
    struct tty *tty;
    struct device console, stderr_console;
    struct service service;
} part;

static long request_after_gap(void *self, struct request *rq)
{
    return rq->op == TTY_READ && rq->arg[0] == 0 ? -EIO : part.service.request(self, rq);
}

static void create(enum server_why why)
{
    const struct boot_info *boot = server.boot;
    struct tty_config config = {.tty_mask = boot->tty_mask, .rows = boot->tty_rows, .columns = boot->tty_columns};

    part.console = device_at(MMIO_VIRTIO_CONSOLE);
    part.stderr_console = device_at(MMIO_VIRTIO_STDERR);
    part.tty = tty_create(&server.host, &part.console, &part.stderr_console, &config);
    if (!part.tty)
        panic("no console");
    part.service = tty_service(part.tty);
    server_add(SERVICE_TTY, part.service);
    if (why == START_FRESH && !(boot->tty_mask & 1))
        server.services[SERVICE_TTY].request = request_after_gap;
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
