/* SPDX-License-Identifier: MIT
 *
 * sim/cli/columns.c: from words to the columns of a comparison (compare.h).
 *
 * A word may carry settings, so that one architecture can stand beside itself: `compare monolithic monolithic,pti=on`.
 * They come after those of --set, and so prevail.
 */
#include <string.h>

#include "sim/cli/compare.h"
#include "sim/cli/suggest.h"

#define NAMES_MAX 128

/* What is compared unless words say otherwise, as far as it exists. */
static const char *const usual[] = {"monolithic", "micro", "exo", "vmm"};

/* ---- words ---- */

static bool take_word(struct column *c, const char *word, struct error *error)
{
    if (snprintf(c->label, LABEL_MAX, "%s", word) >= LABEL_MAX)
        return refuse(error, STATUS_USAGE, "'%.40s...' is too long for an architecture", word);
    strcpy(c->words, c->label);
    return true;
}

/* Cuts the word at its commas; what follows the first one are settings. */
static bool take_settings(struct column *c, struct error *error)
{
    char *rest = c->words, *setting;

    strsep(&rest, ",");
    while ((setting = strsep(&rest, ","))) {
        if (!strchr(setting, '='))
            return refuse(error, STATUS_USAGE, "%s: a setting is KEY=VALUE, not '%s'", c->label, setting);
        if (c->options.sets == WORDS_MAX)
            return refuse(error, STATUS_USAGE, "%s: more than %d settings", c->label, WORDS_MAX);
        c->options.set[c->options.sets++] = setting;
    }
    return true;
}

static bool add_column(struct comparison *comparison, const char *word, struct error *error)
{
    if (comparison->columns == COLUMNS_MAX)
        return refuse(error, STATUS_USAGE, "compare takes at most %d architectures", COLUMNS_MAX);
    return take_word(&comparison->column[comparison->columns++], word, error);
}

static bool add_columns(struct comparison *comparison, const struct options *o, struct error *error)
{
    for (size_t i = 0; i < o->words; i++)
        if (!add_column(comparison, o->word[i], error))
            return false;
    for (size_t i = 0; o->words == 0 && i < sizeof usual / sizeof *usual; i++) {
        struct error none;

        if (find_arch(usual[i], &none) && !add_column(comparison, usual[i], error))
            return false;
    }
    return true;
}

/* ---- settings of --set ---- */

static bool knows(const struct arch *arch, const char *setting)
{
    size_t bytes = strcspn(setting, "=");

    for (size_t i = 0; i < setting_count; i++)
        if (strcmp(settings[i].arch, arch->name) == 0 && strlen(settings[i].key) == bytes &&
            memcmp(settings[i].key, setting, bytes) == 0)
            return true;
    return false;
}

static bool unknown_to_all(const struct comparison *comparison, const char *setting, struct error *error)
{
    const char *names[NAMES_MAX];
    char hint[HINT_MAX], typed[64];
    size_t count = 0;

    for (size_t c = 0; c < comparison->columns; c++)
        for (size_t i = 0; i < setting_count && count < NAMES_MAX; i++)
            if (strcmp(settings[i].arch, comparison->column[c].session.arch->name) == 0)
                names[count++] = settings[i].key;
    snprintf(typed, sizeof typed, "%.*s", (int)strcspn(setting, "="), setting);
    return refuse(error, STATUS_USAGE, "no architecture here has a setting '%s'%s (see 'ringside list archs')", typed,
                  suggest_hint(hint, typed, names, count));
}

/* Gives a setting to the columns that know it. One without a value goes to all: opening a session refuses it. */
static bool share_setting(struct comparison *comparison, const char *setting, struct error *error)
{
    bool all = !strchr(setting, '=') || *setting == '=', known = all;

    for (size_t i = 0; i < comparison->columns; i++) {
        struct column *c = &comparison->column[i];

        if (!all && !knows(c->session.arch, setting))
            continue;
        c->options.set[c->options.sets++] = setting;
        known = true;
    }
    return known || unknown_to_all(comparison, setting, error);
}

/* ---- columns ---- */

/* The architecture of a column, for share_setting; a workload's name is a likely mistake. */
static bool find_column(struct column *c, const struct options *o, struct error *error)
{
    char name[LABEL_MAX];
    struct error none;

    snprintf(name, sizeof name, "%.*s", (int)strcspn(c->label, ","), c->label);
    c->options = *o;
    c->options.sets = 0;
    c->session.arch = find_arch(name, error);
    if (!c->session.arch && find_workload(name, &none))
        return refuse(error, STATUS_USAGE, "'%s' is a workload, not an architecture: --workload %s", name, name);
    return c->session.arch;
}

static bool open_column(struct column *c, struct error *error)
{
    return take_settings(c, error) && session_open(&c->session, &c->options, c->words, error);
}

bool choose_columns(struct comparison *comparison, const struct options *o, struct error *error)
{
    if (!add_columns(comparison, o, error))
        return false;
    for (size_t i = 0; i < comparison->columns; i++)
        if (!find_column(&comparison->column[i], o, error))
            return false;
    for (size_t i = 0; i < o->sets; i++)
        if (!share_setting(comparison, o->set[i], error))
            return false;
    for (size_t i = 0; i < comparison->columns; i++)
        if (!open_column(&comparison->column[i], error))
            return false;
    return true;
}
