/* SPDX-License-Identifier: MIT
 *
 * sim/cli/catalogue.c: see catalogue.h. The tables are generated from the .def files.
 */
#include "sim/cli/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cli/suggest.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define NAMES_MAX 128

const struct arch archs[] = {
#define ARCH(name, variant, image, modules, settings, description)                                                     \
    {name, variant, image, modules, settings, description},
#define SETTING(arch, key, values, initial, description)
#define SLICES(arch, key, values, initial, description)
#define GUESTS(arch, key, values, initial, description)
#include "sim/cli/archs.def"
#undef ARCH
#undef SETTING
#undef SLICES
#undef GUESTS
};
const size_t arch_count = COUNT(archs);

const struct setting settings[] = {
#define ARCH(name, variant, image, modules, settings, description)
#define SETTING(arch, key, values, initial, description) {arch, key, values, initial, description, USE_KERNEL},
#define SLICES(arch, key, values, initial, description) {arch, key, values, initial, description, USE_SLICES},
#define GUESTS(arch, key, values, initial, description) {arch, key, values, initial, description, USE_GUESTS},
#include "sim/cli/archs.def"
#undef ARCH
#undef SETTING
#undef SLICES
#undef GUESTS
};
const size_t setting_count = COUNT(settings);

const struct workload workloads[] = {
#define WORKLOAD(name, program, ops, arguments, operation) {name, program, ops, arguments, operation, "", false},
#include "workloads/workloads.def"
};
const size_t workload_count = COUNT(workloads);

const struct parameter parameters[] = {
#define PARAMETER(workload, key, initial, low, high, description) {workload, key, initial, low, high, description},
#include "workloads/workloads.def"
};
const size_t parameter_count = COUNT(parameters);

/* ---- architectures ---- */

static bool names_arch(const struct arch *arch, const char *name, size_t bytes)
{
    return strlen(arch->name) == bytes && memcmp(arch->name, name, bytes) == 0;
}

static const struct arch *unknown_arch(const char *name, struct error *error)
{
    const char *names[NAMES_MAX];
    char hint[HINT_MAX];

    for (size_t i = 0; i < arch_count; i++)
        names[i] = archs[i].name;
    refuse(error, STATUS_USAGE, "unknown architecture '%s'%s (see 'ringside list archs')", name,
           suggest_hint(hint, name, names, arch_count));
    return NULL;
}

static const struct arch *unknown_variant(const char *name, size_t arch_bytes, struct error *error)
{
    const char *names[NAMES_MAX];
    char hint[HINT_MAX];
    size_t count = 0;

    for (size_t i = 0; i < arch_count; i++)
        if (names_arch(&archs[i], name, arch_bytes))
            names[count++] = archs[i].variant;
    refuse(error, STATUS_USAGE, "architecture '%.*s' has no variant '%s'%s (see 'ringside list archs')",
           (int)arch_bytes, name, name + arch_bytes + 1, suggest_hint(hint, name + arch_bytes + 1, names, count));
    return NULL;
}

const struct arch *find_arch(const char *name, struct error *error)
{
    size_t bytes = strcspn(name, ":");
    const char *variant = name[bytes] ? name + bytes + 1 : NULL;
    bool known = false;

    for (size_t i = 0; i < arch_count; i++) {
        if (!names_arch(&archs[i], name, bytes))
            continue;
        if (!variant || strcmp(archs[i].variant, variant) == 0)
            return &archs[i];
        known = true;
    }
    return known ? unknown_variant(name, bytes, error) : unknown_arch(name, error);
}

const struct workload *find_workload(const char *name, struct error *error)
{
    const char *names[NAMES_MAX];
    char hint[HINT_MAX];

    for (size_t i = 0; i < workload_count; i++) {
        if (strcmp(workloads[i].name, name) == 0)
            return &workloads[i];
        names[i] = workloads[i].name;
    }
    refuse(error, STATUS_USAGE, "unknown workload '%s'%s (see 'ringside list workloads')", name,
           suggest_hint(hint, name, names, workload_count));
    return NULL;
}

/* ---- settings ---- */

static bool has_value(const struct setting *setting, const char *value, size_t bytes)
{
    for (const char *at = setting->values; *at; at += strcspn(at, "|"), at += *at == '|') {
        size_t length = strcspn(at, "|");

        if (length == bytes && memcmp(at, value, bytes) == 0)
            return true;
    }
    return false;
}

static bool unknown_setting(const struct arch *arch, const char *key, int key_bytes, struct error *error)
{
    const char *names[NAMES_MAX];
    char hint[HINT_MAX], typed[64];
    size_t count = 0;

    for (size_t i = 0; i < setting_count; i++)
        if (strcmp(settings[i].arch, arch->name) == 0)
            names[count++] = settings[i].key;
    snprintf(typed, sizeof typed, "%.*s", key_bytes, key);
    return refuse(error, STATUS_USAGE, "architecture '%s' has no setting '%s'%s (see 'ringside list archs')",
                  arch->name, typed, suggest_hint(hint, typed, names, count));
}

/* The index in `settings` of "key=value", checked; -1: refused. */
static int check_setting(const struct arch *arch, const char *chosen, size_t bytes, struct error *error)
{
    size_t key_bytes = strcspn(chosen, "= ");

    if (key_bytes >= bytes || chosen[key_bytes] != '=' || key_bytes == 0) {
        refuse(error, STATUS_USAGE, "--set wants KEY=VALUE, not '%.*s'", (int)bytes, chosen);
        return -1;
    }
    for (size_t i = 0; i < setting_count; i++) {
        if (strcmp(settings[i].arch, arch->name) != 0 || strlen(settings[i].key) != key_bytes ||
            memcmp(settings[i].key, chosen, key_bytes) != 0)
            continue;
        if (has_value(&settings[i], chosen + key_bytes + 1, bytes - key_bytes - 1))
            return (int)i;
        refuse(error, STATUS_USAGE, "setting '%s' cannot be '%.*s'; it is one of %s", settings[i].key,
               (int)(bytes - key_bytes - 1), chosen + key_bytes + 1, settings[i].values);
        return -1;
    }
    unknown_setting(arch, chosen, (int)key_bytes, error);
    return -1;
}

/* A value within somebody else's text. */
struct value {
    const char *text;
    int bytes;
};

static bool apply_setting(const struct arch *arch, const char *chosen, size_t bytes, struct value *value,
                          struct error *error)
{
    int index = check_setting(arch, chosen, bytes, error);
    size_t key_bytes;

    if (index < 0)
        return false;
    key_bytes = strlen(settings[index].key) + 1;
    value[index] = (struct value){chosen + key_bytes, (int)(bytes - key_bytes)};
    return true;
}

bool resolve_settings(const struct arch *arch, const char *const *chosen, size_t count, char text[SETTINGS_TEXT_MAX],
                      struct error *error)
{
    struct value value[COUNT(settings)];
    size_t at = 0;

    for (size_t i = 0; i < setting_count; i++)
        value[i] = (struct value){settings[i].initial, (int)strlen(settings[i].initial)};
    for (const char *s = arch->settings; *s; s += strcspn(s, " "), s += *s == ' ')
        if (!apply_setting(arch, s, strcspn(s, " "), value, error))
            return false;
    for (size_t i = 0; i < count; i++)
        if (!apply_setting(arch, chosen[i], strlen(chosen[i]), value, error))
            return false;
    text[0] = 0;
    for (size_t i = 0; i < setting_count; i++)
        if (strcmp(settings[i].arch, arch->name) == 0)
            at += (size_t)snprintf(text + at, SETTINGS_TEXT_MAX - at, "%s%s=%.*s", at ? " " : "", settings[i].key,
                                   value[i].bytes, value[i].text);
    return true;
}

/* The value of `key` in "key=value key=value"; NULL: not in it. */
static const char *value_in(const char *text, const char *key)
{
    size_t bytes = strlen(key);

    for (; *text; text += strcspn(text, " "), text += *text == ' ')
        if (strncmp(text, key, bytes) == 0 && text[bytes] == '=')
            return text + bytes + 1;
    return NULL;
}

/* The number that a setting of this use, or of a later one, has; else `otherwise`. */
static unsigned number_for(enum setting_use use, const struct arch *arch, const char *settings_text, unsigned otherwise)
{
    for (size_t i = 0; i < setting_count; i++) {
        const char *value = settings[i].use >= use && strcmp(settings[i].arch, arch->name) == 0
                                ? value_in(settings_text, settings[i].key)
                                : NULL;

        if (value)
            return (unsigned)strtoul(value, NULL, 10);
    }
    return otherwise;
}

unsigned slices_wanted(const struct arch *arch, const char *settings_text)
{
    return number_for(USE_SLICES, arch, settings_text, 1);
}

unsigned guests_wanted(const struct arch *arch, const char *settings_text)
{
    return number_for(USE_GUESTS, arch, settings_text, 0);
}
