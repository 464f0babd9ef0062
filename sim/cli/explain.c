/* SPDX-License-Identifier: MIT
 *
 * sim/cli/explain.c: see explain.h.
 */
#include "sim/cli/explain.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHARE_LEAST 0.01 /* what is less goes together, as "other" */
#define TINY 0.01        /* of all that moved: what points the other way and is less is not worth a second sum */
#define NOTHING 0.1      /* cycles that moved, of all causes: rounding */
#define FIGURE_MAX 32
#define FRACTION_BELOW 100 /* cycles; below, a figure has a decimal */

double cause_differences(const struct record *base, const struct record *r, double difference[CAUSE_COUNT])
{
    double sum = 0;

    for (enum cause c = 0; c < CAUSE_COUNT; c++) {
        difference[c] = (double)r->cause[c] / (double)r->ops - (double)base->cause[c] / (double)base->ops;
        sum += difference[c];
    }
    return sum;
}

/* ---- text ---- */

struct text {
    char *start;
    size_t bytes;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    t->bytes += (size_t)vsnprintf(t->start + t->bytes, EXPLANATION_MAX - t->bytes, format, arguments);
    va_end(arguments);
    if (t->bytes >= EXPLANATION_MAX)
        t->bytes = EXPLANATION_MAX - 1;
}

/* With its sign, and a comma every three digits. */
static void add_cycles(struct text *t, double cycles)
{
    double size = fabs(cycles);
    char digits[FIGURE_MAX];
    size_t whole;

    snprintf(digits, sizeof digits, "%.*f", size < FRACTION_BELOW, size);
    whole = strcspn(digits, ".");
    add(t, "%c", cycles < 0 ? '-' : '+');
    for (size_t i = 0; digits[i]; i++)
        add(t, "%s%c", i && i < whole && (whole - i) % 3 == 0 ? "," : "", digits[i]);
}

/* ---- shares ---- */

/* The largest difference of this sign that has not been said. */
static int largest(const double *difference, double sign, const bool *said)
{
    int best = -1;

    for (int c = 0; c < CAUSE_COUNT; c++)
        if (!said[c] && sign * difference[c] > 0 && (best < 0 || sign * difference[c] > sign * difference[best]))
            best = c;
    return best;
}

/* "41 % transition, 22 % copy, 1 % other": of `sum`, which all differences of this sign make. */
static void add_shares(struct text *t, const double *difference, double sign, double sum)
{
    bool said[CAUSE_COUNT] = {false};
    double rest = sum;
    int cause;

    while ((cause = largest(difference, sign, said)) >= 0 && sign * difference[cause] >= SHARE_LEAST * sum) {
        add(t, "%s%.0f %% %s", rest < sum ? ", " : "", 100 * sign * difference[cause] / sum, cause_info[cause].name);
        said[cause] = true;
        rest -= sign * difference[cause];
    }
    if (rest >= SHARE_LEAST / 2 * sum)
        add(t, ", %.0f %% other", 100 * rest / sum);
}

/* "-310 (work)" or "+2,150 (78 % transition, 22 % copy)" */
static void add_sum(struct text *t, const double *difference, double sign, double sum)
{
    bool said[CAUSE_COUNT] = {false};
    int first = largest(difference, sign, said);

    add_cycles(t, sign * sum);
    if (sign * difference[first] > (1 - SHARE_LEAST / 2) * sum) {
        add(t, " (%s)", cause_info[first].name);
        return;
    }
    add(t, " (");
    add_shares(t, difference, sign, sum);
    add(t, ")");
}

static double sum_of(const double *difference, double sign)
{
    double sum = 0;

    for (enum cause c = 0; c < CAUSE_COUNT; c++)
        if (sign * difference[c] > 0)
            sum += sign * difference[c];
    return sum;
}

bool explain(const struct record *base, const struct record *r, char text[EXPLANATION_MAX])
{
    double difference[CAUSE_COUNT], net, sign, with, against;
    struct text t = {.start = text};

    text[0] = 0;
    if (!record_has(base, COUNTER_cycles) || !record_has(r, COUNTER_cycles))
        return false;
    net = cause_differences(base, r, difference);
    sign = net < 0 ? -1 : 1;
    with = sum_of(difference, sign);
    against = sum_of(difference, -sign);
    if (with + against < NOTHING) {
        add(&t, "no difference");
        return true;
    }
    add_cycles(&t, net);
    add(&t, " cycles: ");
    if (against < TINY * (with + against)) {
        add_shares(&t, difference, sign, with);
        return true;
    }
    add_sum(&t, difference, sign, with);
    add(&t, ", ");
    add_sum(&t, difference, -sign, against);
    return true;
}
