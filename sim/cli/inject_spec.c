/* SPDX-License-Identifier: MIT
 *
 * sim/cli/inject_spec.c: see inject_spec.h. One function a rule of the grammar, from left to right; each says what it
 * wanted at the column where it stopped.
 */
#include "sim/cli/inject_spec.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sim/cli/suggest.h"

#define WORD_MAX 24

struct reader {
    const char *option, *text;
    size_t at;
    struct error *error;
};

__attribute__((format(printf, 3, 4))) static bool mistake(const struct reader *r, size_t at, const char *format, ...)
{
    char what[256];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return refuse(r->error, STATUS_USAGE, "%s: column %zu: %s", r->option, at + 1, what);
}

/* What stands there, up to the next sign of the grammar; the reader goes behind it. */
static void take_word(struct reader *r, char word[WORD_MAX])
{
    size_t bytes = strcspn(r->text + r->at, "=@:+,");

    snprintf(word, WORD_MAX, "%.*s", (int)(bytes < WORD_MAX ? bytes : WORD_MAX), r->text + r->at);
    r->at += bytes;
}

static bool take_sign(struct reader *r, const char *sign, const char *behind)
{
    size_t same = 0;

    while (sign[same] && sign[same] == r->text[r->at + same])
        same++;
    if (sign[same])
        return mistake(r, r->at + same, "wants '%s' behind the %s, as in crash=fsd@op:200", sign, behind);
    r->at += same;
    return true;
}

static bool take_kind(struct reader *r, enum fault_kind *kind)
{
    size_t start = r->at;
    char word[WORD_MAX], hint[HINT_MAX];

    take_word(r, word);
    if (!*word)
        return mistake(r, start, "wants a fault, as in crash=fsd@op:200");
    for (*kind = 0; *kind < FAULT_KINDS; ++*kind)
        if (strcmp(word, fault_kind_names[*kind]) == 0)
            return true;
    return mistake(r, start, "a fault is crash, wild-write or hang, not '%s'%s", word,
                   suggest_hint(hint, word, fault_kind_names, FAULT_KINDS));
}

static bool take_service(struct reader *r, enum fault_service *service)
{
    size_t start = r->at;
    char word[WORD_MAX], hint[HINT_MAX];

    take_word(r, word);
    for (*service = 0; *service < FAULT_SERVICES; ++*service)
        if (strcmp(word, fault_service_names[*service]) == 0 || strcmp(word, fault_server_names[*service]) == 0)
            return true;
    return mistake(r, start, "a server is procd, vmd, fsd, blkd, ttyd or kernel, not '%s'%s", word,
                   suggest_hint(hint, word, fault_server_names, FAULT_SERVICES));
}

static bool take_number(struct reader *r, uint64_t least, uint64_t *number)
{
    size_t start = r->at;

    *number = 0;
    for (; isdigit((unsigned char)r->text[r->at]); r->at++)
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(r->text[r->at] - '0'), number))
            return mistake(r, start, "the number is too large");
    if (r->at == start || *number < least)
        return mistake(r, start, "wants a number from %d on", (int)least);
    return true;
}

static bool take_fault(struct reader *r, struct fault_spec *f)
{
    *f = (struct fault_spec){0};
    if (!take_kind(r, &f->kind) || !take_sign(r, "=", "fault") || !take_service(r, &f->service) ||
        !take_sign(r, "@op:", "server") || !take_number(r, 1, &f->op))
        return false;
    if (r->text[r->at] != '+')
        return true;
    r->at++;
    return take_number(r, 0, &f->blocks);
}

static bool is_same_moment(const struct fault_spec *a, const struct fault_spec *b)
{
    return a->service == b->service && a->op == b->op && a->blocks == b->blocks;
}

bool parse_faults(const char *option, const char *text, struct fault_spec list[FAULTS_MAX], size_t *count,
                  struct error *error)
{
    struct reader r = {option, text, 0, error};

    for (*count = 0;;) {
        size_t start = r.at;

        if (*count == FAULTS_MAX)
            return mistake(&r, start, "more than %d faults", FAULTS_MAX);
        if (!take_fault(&r, &list[*count]))
            return false;
        for (size_t i = 0; i < *count; i++)
            if (is_same_moment(&list[i], &list[*count]))
                return mistake(&r, start, "there is a fault at this moment already");
        ++*count;
        if (!text[r.at])
            return true;
        if (text[r.at] != ',')
            return mistake(&r, r.at, "wants ',' and another fault, or the end");
        r.at++;
    }
}
