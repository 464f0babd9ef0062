/* SPDX-License-Identifier: MIT
 *
 * guest/alarm.h: something that happens at a time: a sleeper's deadline, a server's alarm. guest/sched.c keeps them.
 */
#ifndef RINGSIDE_GUEST_ALARM_H
#define RINGSIDE_GUEST_ALARM_H

#include <stdint.h>

#include "guest/list.h"

struct alarm {
    struct list link; /* by time */
    uint64_t until;   /* ns since power on */
    void (*expired)(struct alarm *alarm); /* from the timer's interrupt, once */
};

void alarm_init(struct alarm *alarm, void (*expired)(struct alarm *));
/* At `until`, or as soon as interrupts are on if that is past; replaces the time set before. */
void alarm_set(struct alarm *alarm, uint64_t until);
void alarm_cancel(struct alarm *alarm);

#endif
