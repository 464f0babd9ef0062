/* SPDX-License-Identifier: MIT
 *
 * sim/cli/cpu_variant.c: see cpu_variant.h.
 */
#include "sim/cli/cpu_variant.h"

#include <stdio.h>
#include <string.h>

#include "sim/cli/digest.h"

static bool change(struct cpu_model *model, const char *text, struct error *error)
{
    char key[64], why[CPU_MODEL_ERROR_MAX];
    size_t bytes = strcspn(text, "=");

    if (!text[bytes] || bytes == 0 || bytes >= sizeof key)
        return refuse(error, STATUS_USAGE, "--cpu-set wants KEY=VALUE, not '%.60s'", text);
    snprintf(key, sizeof key, "%.*s", (int)bytes, text);
    return cpu_model_set(model, key, text + bytes + 1, why) == 0 || refuse(error, STATUS_USAGE, "--cpu-set %s", why);
}

bool cpu_variant(struct cpu_model *model, const char *const *changes, size_t count, char name[CPU_NAME_MAX],
                 struct error *error)
{
    size_t used = (size_t)snprintf(name, CPU_NAME_MAX, "%s", model->name);

    for (size_t i = 0; i < count; i++) {
        if (!change(model, changes[i], error))
            return false;
        if (strlen(changes[i]) + 1 >= CPU_NAME_MAX - used)
            return refuse(error, STATUS_USAGE,
                          "--cpu-set: so many changes do not fit into a model's name; write a "
                          "file of its own for --cpu");
        used += (size_t)snprintf(name + used, CPU_NAME_MAX - used, "+%s", changes[i]);
    }
    return true;
}

static void hash_model_number(void *ctx, const char *section, const char *key, uint64_t value)
{
    hash_text(ctx, "section", section);
    hash_number(ctx, key, value);
}

void cpu_version(const struct cpu_model *model, char version[CPU_VERSION_MAX])
{
    char text[DIGEST_TEXT_MAX];
    struct digest digest;
    struct hasher h;

    hash_start(&h);
    hash_text(&h, "title", model->title);
    hash_text(&h, "vendor", model->vendor);
    cpu_model_each(model, hash_model_number, &h);
    hash_end(&h, &digest);
    digest_text(&digest, text);
    snprintf(version, CPU_VERSION_MAX, "%.*s", CPU_VERSION_MAX - 1, text);
}

static void add_number(void *ctx, const char *section, const char *key, uint64_t value)
{
    json_t *numbers = ctx, *keys = json_object_get(numbers, section);

    if (!keys) {
        keys = json_object();
        json_object_set_new(numbers, section, keys);
    }
    json_object_set_new(keys, key, json_integer((json_int_t)value));
}

json_t *cpu_model_json(const struct cpu_model *model, const char *name)
{
    json_t *numbers = json_object();
    char version[CPU_VERSION_MAX];

    cpu_model_each(model, add_number, numbers);
    cpu_version(model, version);
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:o}", "name", name, "model", model->name, "title", model->title,
                     "version", version, "hz", (json_int_t)model->hz, "numbers", numbers);
}
