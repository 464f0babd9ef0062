/* SPDX-License-Identifier: MIT
 *
 * services/device.h: a driver's access to its device's registers, lent by the placement.
 */
#ifndef RINGSIDE_SERVICES_DEVICE_H
#define RINGSIDE_SERVICES_DEVICE_H

#include <stdint.h>

struct device {
    void *ctx;
    uint32_t (*read)(void *ctx, unsigned offset); /* 32-bit register; offset within the device's page */
    void (*write)(void *ctx, unsigned offset, uint32_t value);
};

#endif
