/* SPDX-License-Identifier: MIT
 *
 * guest/alarm.c: the one-shot timer, and who waits for it.
 *
 * The timer is armed only when something will have to happen, for the earliest of it. The scheduler arms it too, for
 * the end of a slice; then it may find no alarm due.
 */
#include "guest/alarm.h"

#include "guest/clock.h"

#define NOT_ARMED UINT64_MAX

static struct {
    struct list alarms; /* earliest first */
    uint64_t armed;     /* when the timer will fire, or NOT_ARMED */
} timer;

void alarms_init(void)
{
    list_init(&timer.alarms);
    timer.armed = NOT_ARMED;
}

void timer_arm(uint64_t when, uint64_t now)
{
    if (timer.armed <= when)
        return;
    timer.armed = when;
    lapic_timer(when > now ? when - now : 0);
}

void alarm_init(struct alarm *alarm, void (*expired)(struct alarm *))
{
    list_init(&alarm->link);
    alarm->until = ALARM_NEVER;
    alarm->expired = expired;
}

void alarm_set(struct alarm *alarm, uint64_t until)
{
    struct list *place;

    list_remove(&alarm->link);
    alarm->until = until;
    if (until == ALARM_NEVER)
        return;
    place = timer.alarms.next;
    while (place != &timer.alarms && LIST_MEMBER(place, struct alarm, link)->until <= until)
        place = place->next;
    list_add(place, &alarm->link);
    timer_arm(until, clock_ns());
}

void alarm_cancel(struct alarm *alarm)
{
    list_remove(&alarm->link);
}

void timer_fired(uint64_t now)
{
    timer.armed = NOT_ARMED;
    while (!list_empty(&timer.alarms)) {
        struct alarm *first = LIST_MEMBER(timer.alarms.next, struct alarm, link);

        if (first->until > now) {
            timer_arm(first->until, now);
            return;
        }
        alarm_cancel(first);
        first->expired(first);
    }
}
