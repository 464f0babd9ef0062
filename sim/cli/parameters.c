/* SPDX-License-Identifier: MIT
 *
 * sim/cli/parameters.c: see parameters.h.
 */
#include "sim/cli/parameters.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cli/suggest.h"

#define NAMES_MAX 128
#define OPS_MAX 1000000000ull

/* A value for each of parameters[]; those of other workloads are not looked at. */
struct values {
    uint64_t value[NAMES_MAX];
    bool chosen;  /* any of them */
    uint64_t ops; /* 0: not chosen */
};

static bool is_of(const struct parameter *p, const struct workload *w)
{
    return strcmp(p->workload, w->name) == 0;
}

static bool unknown_parameter(const struct workload *w, const char *key, struct error *error)
{
    const char *names[NAMES_MAX];
    char hint[HINT_MAX];
    size_t count = 0;

    names[count++] = "ops";
    for (size_t i = 0; i < parameter_count && count < NAMES_MAX; i++)
        if (is_of(&parameters[i], w))
            names[count++] = parameters[i].key;
    return refuse(error, STATUS_USAGE, "workload '%s' has no parameter '%s'%s (see 'ringside list workloads')", w->name,
                  key, suggest_hint(hint, key, names, count));
}

static bool parse_value(const struct workload *w, const char *key, const char *text, uint64_t low, uint64_t high,
                        uint64_t *value, struct error *error)
{
    char *end;

    errno = 0;
    *value = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : (end = (char *)text, 0);
    if (end == text || *end || errno || *value < low || *value > high)
        return refuse(error, STATUS_USAGE, "%s:%s wants a number from %llu to %llu, not '%s'", w->name, key,
                      (unsigned long long)low, (unsigned long long)high, text);
    return true;
}

static bool set_value(struct values *v, const struct workload *w, const char *key, const char *text,
                      struct error *error)
{
    if (strcmp(key, "ops") == 0)
        return parse_value(w, key, text, 1, OPS_MAX, &v->ops, error);
    for (size_t i = 0; i < parameter_count && i < NAMES_MAX; i++) {
        const struct parameter *p = &parameters[i];

        if (!is_of(p, w) || strcmp(p->key, key) != 0)
            continue;
        v->chosen = true;
        return parse_value(w, key, text, p->low, p->high, &v->value[i], error);
    }
    return unknown_parameter(w, key, error);
}

/* "key=value,key=value" */
static bool set_values(struct values *v, const struct workload *w, const char *words, struct error *error)
{
    char text[CHOICE_NAME_MAX], *rest = text, *word;

    snprintf(text, sizeof text, "%s", words);
    while ((word = strsep(&rest, ","))) {
        char *value = strchr(word, '=');

        if (!value || value == word)
            return refuse(error, STATUS_USAGE, "%s: a parameter is KEY=VALUE, not '%s'", w->name, word);
        *value++ = 0;
        if (!set_value(v, w, word, value, error))
            return false;
    }
    return true;
}

static void write_texts(struct choice *c, const struct values *v)
{
    size_t arguments = (size_t)snprintf(c->arguments, sizeof c->arguments, "%s", c->workload.arguments), texts = 0;

    for (size_t i = 0; i < parameter_count; i++) {
        if (!is_of(&parameters[i], &c->workload) || arguments >= sizeof c->arguments || texts >= sizeof c->parameters)
            continue;
        if (v->chosen)
            arguments += (size_t)snprintf(c->arguments + arguments, sizeof c->arguments - arguments, "%s%llu",
                                          arguments ? " " : "", (unsigned long long)v->value[i]);
        texts += (size_t)snprintf(c->parameters + texts, sizeof c->parameters - texts, "%s%s=%llu", texts ? " " : "",
                                  parameters[i].key, (unsigned long long)v->value[i]);
    }
}

bool choose_workload(struct choice *c, const char *word, struct error *error)
{
    size_t bytes = strcspn(word, ":");
    const struct workload *found;
    struct values values = {0};

    *c = (struct choice){0};
    if (snprintf(c->name, sizeof c->name, "%.*s", (int)bytes, word) >= CHOICE_NAME_MAX ||
        strlen(word) >= CHOICE_NAME_MAX)
        return refuse(error, STATUS_USAGE, "'%.40s...' is too long for a workload", word);
    found = find_workload(c->name, error);
    if (!found)
        return false;
    for (size_t i = 0; i < parameter_count && i < NAMES_MAX; i++)
        values.value[i] = parameters[i].initial;
    if (word[bytes] && !set_values(&values, found, word + bytes + 1, error))
        return false;
    c->workload = *found;
    write_texts(c, &values);
    strcpy(c->name, word);
    c->workload.name = c->name;
    c->workload.has_own_ops = values.ops;
    if (values.ops)
        c->workload.ops = values.ops;
    c->workload.arguments = c->arguments;
    c->workload.parameters = c->parameters;
    return true;
}
