/* SPDX-License-Identifier: MIT
 *
 * sim/events.c: what happens later in simulated time: a binary heap by (time, order made).
 */
#include <stdlib.h>

#include "sim/inside.h"

static bool before(const struct event *a, const struct event *b)
{
    return a->when != b->when ? a->when < b->when : a->order < b->order;
}

static void swap(struct event *a, struct event *b)
{
    struct event t = *a;

    *a = *b;
    *b = t;
}

bool event_at(struct machine *m, uint64_t when, void (*fire)(void *self), void *self)
{
    size_t i = m->event_count;

    if (m->event_count == m->event_room) {
        size_t room = m->event_room ? 2 * m->event_room : 64;
        struct event *events = realloc(m->events, room * sizeof *events);

        if (!events)
            return false;
        m->events = events;
        m->event_room = room;
    }
    m->events[m->event_count++] = (struct event){when, m->event_order++, fire, self};
    for (; i > 0 && before(&m->events[i], &m->events[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&m->events[i], &m->events[(i - 1) / 2]);
    run_set_attention(&m->cpus[0]);
    return true;
}

static struct event pop(struct machine *m)
{
    struct event first = m->events[0];
    size_t i = 0;

    m->events[0] = m->events[--m->event_count];
    for (;;) {
        size_t least = i, left = 2 * i + 1, right = left + 1;

        if (left < m->event_count && before(&m->events[left], &m->events[least]))
            least = left;
        if (right < m->event_count && before(&m->events[right], &m->events[least]))
            least = right;
        if (least == i)
            return first;
        swap(&m->events[i], &m->events[least]);
        i = least;
    }
}

uint64_t event_next(const struct machine *m)
{
    return m->event_count ? m->events[0].when : UINT64_MAX;
}

void event_run(struct machine *m, uint64_t now)
{
    while (event_next(m) <= now) {
        struct event e = pop(m);

        e.fire(e.self);
    }
}
