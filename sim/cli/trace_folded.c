/* SPDX-License-Identifier: MIT
 *
 * sim/cli/trace_folded.c: a recording as folded stacks, what Brendan Gregg's flamegraph.pl, speedscope and inferno
 * read: a line a stack, "arch;domain;call;function cycles". The cycles of all lines are the region's.
 *
 * There is no stack of functions below a call: the machine sees blocks of code run, and no caller is kept.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "sim/cli/trace_sums.h"

/* In a stack, blanks and semicolons mean something. */
static void put_frame(FILE *out, const char *name)
{
    for (; *name; name++)
        fputc(*name == ' ' || *name == ';' ? '_' : *name, out);
}

bool trace_folded(const struct traced *t, struct error *error)
{
    char room[TRACED_ARCH_MAX];
    struct sums sums;

    if (!sums_make(&sums, t, true))
        return refuse(error, STATUS_HOST, "out of memory");
    for (size_t i = 0; i < sums.count; i++) {
        const struct sum *s = &sums.list[i];
        const char *const frame[] = {traced_arch(t, room), s->domain, s->call, s->function};

        if (!s->cycles)
            continue;
        for (size_t n = 0; n < sizeof frame / sizeof *frame; n++) {
            put_frame(t->out, frame[n]);
            fputc(n + 1 < sizeof frame / sizeof *frame ? ';' : ' ', t->out);
        }
        fprintf(t->out, "%" PRIu64 "\n", s->cycles);
    }
    free(sums.list);
    return true;
}
