/* SPDX-License-Identifier: MIT
 *
 * guest/alarm.h: something that happens at a time: a sleeper's deadline, a server's alarm; and the timer below it.
 */
#ifndef RINGSIDE_GUEST_ALARM_H
#define RINGSIDE_GUEST_ALARM_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/list.h"

#define ALARM_NEVER UINT64_MAX

struct alarm {
    struct list link; /* by time */
    uint64_t until;   /* ns since power on */
    void (*expired)(struct alarm *alarm); /* from the timer's interrupt, once */
};

void alarm_init(struct alarm *alarm, void (*expired)(struct alarm *));
/* At `until`, or as soon as interrupts are on if that is past; replaces the time set before. */
void alarm_set(struct alarm *alarm, uint64_t until);
void alarm_cancel(struct alarm *alarm);

/* Once, before the rest. */
void alarms_init(void);
/* An interrupt at `when` or earlier; ALARM_NEVER: no need of one. */
void timer_arm(uint64_t when, uint64_t now);
/* It has come: what is due expires. */
void timer_fired(uint64_t now);

#endif
