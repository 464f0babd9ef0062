/* SPDX-License-Identifier: MIT
 *
 * services/tty/tty.h: terminals over virtio consoles (VIRTIO 1.1 §5.3).
 *
 * Line 0 is standard input and output, line 1 standard error. When a line is not a
 * terminal on the host, it is a byte stream without line discipline.
 */
#ifndef RINGSIDE_SERVICES_TTY_H
#define RINGSIDE_SERVICES_TTY_H

#include "services/device.h"
#include "services/host.h"

struct tty_config {
    uint32_t tty_mask; /* bit n: descriptor n is a terminal on the host */
    uint32_t rows, columns;
};

struct tty;

struct tty *tty_create(const struct host *host, const struct device *console, const struct device *stderr_console,
                       const struct tty_config *config);
void tty_destroy(struct tty *tty);
struct service tty_service(struct tty *tty);
/* A console's interrupt. */
void tty_event(struct tty *tty);

#endif
