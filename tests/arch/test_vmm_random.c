/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_vmm_random.c: 10,000 random instruction streams as guests' kernels, and 1,000 as their programs
 * (tests/arch/images/vmm_random.c): what they do, they do to their guest. Eight guests share them. A boot runs streams
 * until all guests have ended, or nobody says anything any more; the next boot goes on behind the streams that did
 * that. The monitor may end a guest, with a report, but never itself, nor the simulator.
 *
 * RINGSIDE_RANDOM=k: k times as many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/arch/vmm_boot.h"

#define IMAGE(lane) "build/images/tests/vmm_random" #lane ".elf"
#define LANES 8
#define KERNEL_STREAMS 10000
#define USER_STREAMS 1000
#define RAM_BYTES (16ul << 20)
#define LIMIT_MS 100000 /* for none of these */

static struct vmm_boot boot;

struct work {
    unsigned cpl, count;
    unsigned next[LANES];          /* the stream to begin with */
    bool again[LANES];             /* it was begun and did not end: once more and no further */
    unsigned boots, crashed, hung; /* streams that ended their guest */
};

static unsigned scale(unsigned usual)
{
    const char *factor = getenv("RINGSIDE_RANDOM");

    return usual * (factor ? (unsigned)atoi(factor) : 1);
}

static void run(const struct work *w)
{
    char settings[256];
    int used = snprintf(settings, sizeof settings, "seed=1 to=%u cpl=%u", w->count, w->cpl);

    for (unsigned i = 0; i < LANES; i++)
        used += snprintf(settings + used, sizeof settings - (size_t)used, " from%u=%u", i, w->next[i]);
    boot = (struct vmm_boot){
        .kernel = {IMAGE(0), IMAGE(1), IMAGE(2), IMAGE(3), IMAGE(4), IMAGE(5), IMAGE(6), IMAGE(7)},
        .settings = settings,
        .model = MODEL_COUNT,
        .ram_bytes = RAM_BYTES,
        .limit_ms = LIMIT_MS,
        .watched = true,
    };
    vmm_boot(&boot);
    if (vmm_monitor_failed(&boot) || boot.end == END_TIME_LIMIT) {
        print_error("%s", boot.log + (boot.log_used > 900 ? boot.log_used - 900 : 0));
        print_error("%s", boot.report);
        fail_msg("%s: end %d", settings, boot.end);
    }
}

/* The last stream that this guest began, or `none`; whether it came to its end, or crashed, is in *ended. */
static unsigned last_stream(unsigned lane, unsigned none, bool *crashed)
{
    char start[16];
    size_t bytes = (size_t)snprintf(start, sizeof start, "guest %u: ", lane + 1);
    unsigned last = none;

    *crashed = false;
    for (const char *line = boot.log; *line; line = strchr(line, '\n') + 1)
        if (strncmp(line, start, bytes) == 0) {
            sscanf(line + bytes, "%u\n", &last);
            *crashed |= strncmp(line + bytes, "crash: ", 7) == 0;
        }
    return last;
}

static bool is_done(unsigned lane)
{
    char line[32];

    snprintf(line, sizeof line, "guest %u: streams: done\n", lane + 1);
    return vmm_line(&boot, line);
}

/* Where a lane goes on. One that neither crashed nor came to its end was stopped: perhaps by another's stream that
 * hangs, so that its own is tried once more. */
static void go_on(struct work *w, unsigned lane)
{
    bool crashed, moved;
    unsigned last = last_stream(lane, w->next[lane], &crashed);

    moved = last != w->next[lane];
    if (is_done(lane)) {
        w->next[lane] = w->count + lane;
    } else if (boot.end != END_STOPPED || crashed || (!moved && w->again[lane])) {
        w->crashed += crashed;
        w->hung += !crashed;
        w->next[lane] = last + LANES;
        w->again[lane] = false;
    } else {
        w->next[lane] = last;
        w->again[lane] = true;
    }
}

static bool all_done(const struct work *w)
{
    for (unsigned i = 0; i < LANES; i++)
        if (w->next[i] < w->count)
            return false;
    return true;
}

static void streams(unsigned count, unsigned cpl)
{
    struct work w = {.cpl = cpl, .count = count};

    for (unsigned i = 0; i < LANES; i++)
        w.next[i] = i;
    for (; !all_done(&w); w.boots++) {
        run(&w);
        for (unsigned i = 0; i < LANES; i++)
            go_on(&w, i);
    }
    print_message("CPL %u: %u streams in %u boots; %u crashed their guest, %u hung it or switched it off\n", cpl, count,
                  w.boots, w.crashed, w.hung);
}

static void test_kernel(void **state)
{
    streams(scale(KERNEL_STREAMS), 0);
}

static void test_user(void **state)
{
    streams(scale(USER_STREAMS), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel),
        cmocka_unit_test(test_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
