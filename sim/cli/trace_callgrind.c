/* SPDX-License-Identifier: MIT
 *
 * sim/cli/trace_callgrind.c: a recording in Callgrind's profile format (Valgrind manual, "Callgrind Format
 * Specification"), for callgrind_annotate and KCachegrind: what each function and source line has cost itself.
 *
 * A domain is an object (ob=). There are no calls= lines, so no inclusive cost: the machine sees blocks of code run,
 * and no caller is kept. What a block has cost is shared out to its lines by their instructions: exact for the
 * instructions; a miss is known of the block, not of a line; switches and copies are those of a block's last
 * instruction, or of a routine's entry, and stay whole.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cli/trace_lines.h"
#include "sim/cli/traced.h"

#define EVENTS(X)                                                                                                      \
    X(Cycles)                                                                                                          \
    X(Instructions) X(DTLB_misses) X(Copies) X(Bytes_copied) X(Mode_switches) X(Context_switches)

enum event {
#define NAME(name) EVENT_##name,
    EVENTS(NAME)
#undef NAME
        EVENT_COUNT
};

static const char *const event_names[] = {
#define NAME(name) #name,
    EVENTS(NAME)
#undef NAME
};

/* One line of one function. */
struct row {
    const char *domain, *start_file, *function, *file;
    unsigned line;
    uint64_t value[EVENT_COUNT];
};

struct rows {
    struct row *list;
    size_t count, room;
    uint64_t total[EVENT_COUNT];
};

static const char *or_unknown(const char *text)
{
    return text ? text : "???"; /* as Valgrind says it */
}

/* ---- rows ---- */

static void take_figures(const struct trace_figures *f, uint64_t value[EVENT_COUNT])
{
    value[EVENT_Cycles] = trace_cycles(f);
    value[EVENT_Instructions] = f->value[FIGURE_INSTRUCTIONS];
    value[EVENT_DTLB_misses] = f->value[FIGURE_DTLB_MISSES];
    value[EVENT_Copies] = f->value[FIGURE_COPIES];
    value[EVENT_Bytes_copied] = f->value[FIGURE_BYTES_COPIED];
    value[EVENT_Mode_switches] = f->value[FIGURE_MODE_SWITCHES];
    value[EVENT_Context_switches] = f->value[FIGURE_CONTEXT_SWITCHES];
}

/* What instructions `from` … `to` of `all` have of it: shares of all parts add up. */
static uint64_t share(uint64_t value, unsigned from, unsigned to, unsigned all)
{
    return (uint64_t)((unsigned __int128)value * to / all - (unsigned __int128)value * from / all);
}

static bool is_shared(unsigned event)
{
    return event < EVENT_Copies;
}

static struct row *add_row(struct rows *r)
{
    if (r->count == r->room) {
        size_t room = r->room ? 2 * r->room : 4096;
        struct row *more = realloc(r->list, room * sizeof *more);

        if (!more)
            return NULL;
        r->list = more;
        r->room = room;
    }
    memset(&r->list[r->count], 0, sizeof r->list[0]);
    return &r->list[r->count++];
}

static bool add_account(struct rows *r, const struct traced *t, struct code_lines *lines, const struct trace_account *a)
{
    struct line_part parts[LINE_PARTS_MAX];
    const char *start_file;
    size_t count = lines_of(lines, a, parts, &start_file);
    unsigned all = 0, before = 0;
    uint64_t value[EVENT_COUNT];

    take_figures(&a->figures, value);
    for (size_t i = 0; i < count; i++)
        all += parts[i].instructions;
    for (size_t i = 0; i < count; i++) {
        struct row *row = add_row(r);
        unsigned after = before + parts[i].instructions;

        if (!row)
            return false;
        row->domain = trace_lane_name(t->machine, a->lane);
        row->function = trace_text(t->machine, a->function);
        row->start_file = or_unknown(start_file);
        row->file = or_unknown(parts[i].file);
        row->line = parts[i].line;
        for (unsigned e = 0; e < EVENT_COUNT; e++)
            row->value[e] = is_shared(e) ? share(value[e], before, after, all) : i + 1 == count ? value[e] : 0;
        before = after;
    }
    for (unsigned e = 0; e < EVENT_COUNT; e++)
        r->total[e] += value[e];
    return true;
}

static int by_place(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    int order = strcmp(a->domain, b->domain);

    if (!order)
        order = strcmp(a->start_file, b->start_file);
    if (!order)
        order = strcmp(a->function, b->function);
    if (!order)
        order = strcmp(a->file, b->file);
    return order ? order : (a->line > b->line) - (a->line < b->line);
}

static void merge(struct rows *r)
{
    size_t kept = 0;

    qsort(r->list, r->count, sizeof *r->list, by_place);
    for (size_t i = 0; i < r->count; i++) {
        if (!kept || by_place(&r->list[kept - 1], &r->list[i]) != 0) {
            r->list[kept++] = r->list[i];
            continue;
        }
        for (unsigned e = 0; e < EVENT_COUNT; e++)
            r->list[kept - 1].value[e] += r->list[i].value[e];
    }
    r->count = kept;
}

/* ---- the file ---- */

static void put_values(FILE *out, const uint64_t value[EVENT_COUNT])
{
    for (unsigned e = 0; e < EVENT_COUNT; e++)
        fprintf(out, " %" PRIu64, value[e]);
    fputc('\n', out);
}

static void put_header(const struct traced *t, const struct rows *r)
{
    char room[TRACED_ARCH_MAX];

    fprintf(t->out, "# callgrind format\nversion: 1\ncreator: ringside\npid: 1\ncmd: %s on %s\npart: 1\n",
            t->record->workload, traced_arch(t, room));
    fprintf(t->out, "desc: Trigger: %s\ndesc: CPU model: %s\n",
            t->trace->region ? "the measured region" : "the whole run", t->record->cpu);
    fprintf(t->out, "positions: line\nevents:");
    for (unsigned e = 0; e < EVENT_COUNT; e++)
        fprintf(t->out, " %s", event_names[e]);
    fprintf(t->out, "\nsummary:");
    put_values(t->out, r->total);
}

static bool is_zero(const uint64_t value[EVENT_COUNT])
{
    for (unsigned e = 0; e < EVENT_COUNT; e++)
        if (value[e])
            return false;
    return true;
}

static bool same_function(const struct row *a, const struct row *b)
{
    return a && strcmp(a->domain, b->domain) == 0 && strcmp(a->start_file, b->start_file) == 0 &&
           strcmp(a->function, b->function) == 0;
}

/* fl= is where a function begins; fi= and fe= lead into an inlined file and back. */
static void put_rows(FILE *out, const struct rows *r)
{
    const struct row *before = NULL;

    for (size_t i = 0; i < r->count; i++) {
        const struct row *row = &r->list[i];
        bool same = same_function(before, row);

        if (is_zero(row->value))
            continue;
        if (!same)
            fprintf(out, "\nob=%s\nfl=%s\nfn=%s\n", row->domain, row->start_file, row->function);
        if (strcmp(row->file, same ? before->file : row->start_file) != 0)
            fprintf(out, "%s=%s\n", strcmp(row->file, row->start_file) ? "fi" : "fe", row->file);
        fprintf(out, "%u", row->line);
        put_values(out, row->value);
        before = row;
    }
}

bool trace_callgrind(const struct traced *t, struct error *error)
{
    struct code_lines *lines = lines_open();
    struct rows rows = {0};
    bool good = lines != NULL;

    for (size_t i = 0; good && i < t->trace->account_count; i++)
        good = add_account(&rows, t, lines, &t->trace->accounts[i]);
    if (good) {
        merge(&rows);
        put_header(t, &rows);
        put_rows(t->out, &rows);
        fprintf(t->out, "\ntotals:");
        put_values(t->out, rows.total);
    }
    free(rows.list);
    lines_close(lines);
    return good || refuse(error, STATUS_HOST, "out of memory");
}
