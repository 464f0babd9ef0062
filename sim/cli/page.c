/* SPDX-License-Identifier: MIT
 *
 * sim/cli/page.c: see page.h.
 *
 * The page is a template (sim/cli/page/): what stands between two @ is put in. Results go in as JSON, in a script element
 * that is data; no '<' is left in it, so that nothing in it can end the element.
 */
#include "sim/cli/page.h"
#include "sim/cli/explain.h"
#include "sim/cli/output.h"

#include <stdlib.h>
#include <string.h>

/* The files, as text with a NUL behind. */
#define ASSET(name, file)                                                                                              \
    __asm__(".pushsection .rodata\n" #name ": .incbin \"sim/cli/page/" file "\"\n.byte 0\n.popsection\n");             \
    extern const char name[] __attribute__((visibility("hidden")))

ASSET(page_template, "page.html");
ASSET(page_style, "page.css");
ASSET(page_script, "page.js");

/* ---- the data ---- */

static json_t *counter_terms(void)
{
    json_t *object = json_object();

    for (enum counter c = 0; c < COUNTER_COUNT; c++)
        json_object_set_new(object, counter_info[c].name, json_string(counter_info[c].definition));
    return object;
}

static json_t *cause_terms(void)
{
    json_t *object = json_object();

    for (enum cause c = 0; c < CAUSE_COUNT; c++)
        json_object_set_new(object, cause_info[c].name, json_string(cause_info[c].definition));
    return object;
}

static json_t *explanations(const struct comparison *c)
{
    json_t *array = json_array();
    char text[EXPLANATION_MAX];

    for (size_t row = 0; row < c->rows; row++)
        for (size_t i = 1; i < c->columns; i++) {
            const struct cell *base = &c->cell[row][0], *cell = &c->cell[row][i];

            if (base->good && cell->good && explain(&base->record, &cell->record, text))
                json_array_append_new(array, json_sprintf("%s: %s %s", c->row[row]->name, c->column[i].label, text));
        }
    return array;
}

static json_t *page_data(const struct comparison *c, json_t *steps)
{
    return json_pack("{s:s, s:o, s:{s:o, s:o, s:o}, s:o, s:O}", "schema", "ringside.page/1", "compare", comparison_json(c),
                     "terms", "counters", counter_terms(), "causes", cause_terms(), "groups", comparison_groups(),
                     "explanations", explanations(c), "steps", steps);
}

/* ---- the file ---- */

static void put_json(json_t *data, FILE *out)
{
    char *text = json_dumps(data, JSON_COMPACT);

    for (const char *c = text; c && *c; c++)
        if (*c == '<')
            fputs("\\u003c", out);
        else
            fputc(*c, out);
    free(text);
}

static void put_part(const char *name, size_t length, json_t *data, FILE *out)
{
    if (strncmp(name, "STYLE", length) == 0)
        fputs(page_style, out);
    else if (strncmp(name, "SCRIPT", length) == 0)
        fputs(page_script, out);
    else if (strncmp(name, "DATA", length) == 0)
        put_json(data, out);
}

/* Capitals between two @; any other @ is itself. */
static void put_template(json_t *data, FILE *out)
{
    for (const char *at = page_template; *at;) {
        size_t length = *at == '@' ? strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") : 0;

        if (length && at[length + 1] == '@') {
            put_part(at + 1, length, data, out);
            at += length + 2;
        } else {
            fputc(*at++, out);
        }
    }
}

bool page_check(const char *path, struct error *error)
{
    return output_check("the page", path, error);
}

bool write_page(const struct comparison *c, json_t *steps, const char *path, struct error *error)
{
    struct output output;
    json_t *data;
    bool good;

    if (!output_open(&output, "the page", path, error))
        return false;
    data = page_data(c, steps);
    good = data || refuse(error, STATUS_HOST, "out of memory");
    if (good)
        put_template(data, output.file);
    json_decref(data);
    return output_close(&output, good, error);
}
