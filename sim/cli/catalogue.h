/* SPDX-License-Identifier: MIT
 *
 * sim/cli/catalogue.h: what there is to run: architectures (archs.def), workloads (workloads/workloads.def), CPU models
 * (sim/cpus) and where their files are.
 *
 * Files are found relative to a home: the folder that holds sim/cpus and build/. It is $RINGSIDE_HOME, or the nearest
 * such folder above the executable.
 */
#ifndef RINGSIDE_SIM_CLI_CATALOGUE_H
#define RINGSIDE_SIM_CLI_CATALOGUE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/cli/error.h"
#include "sim/cpu_model.h"

struct arch {
    const char *name, *variant;
    const char *image;    /* below build/images */
    const char *modules;  /* "name=image name=image" */
    const char *settings; /* "key=value key=value": over the defaults */
    const char *description;
};

/* Who wants to know a setting; each also what those before it do. */
enum setting_use {
    USE_KERNEL,
    USE_SLICES, /* its value is the number of the disk's slices */
    USE_GUESTS, /* and of virtual machines */
};

struct setting {
    const char *arch, *key;
    const char *values; /* "on|off" */
    const char *initial;
    const char *description;
    enum setting_use use;
};

struct workload {
    const char *name, *program;
    uint64_t ops;          /* unless --ops says otherwise */
    const char *arguments; /* after the count, separated by blanks */
    const char *operation; /* what one is */
    const char *parameters; /* in effect, "key=value key=value"; only of a choice (parameters.h), else empty */
    bool has_own_ops;       /* a choice's: whatever --ops says */
};

/* How many operations a run does; `asked` is what --ops says, 0: nothing. */
static inline uint64_t workload_ops(const struct workload *workload, uint64_t asked)
{
    return asked && !workload->has_own_ops ? asked : workload->ops;
}

struct parameter {
    const char *workload, *key;
    uint64_t initial, low, high;
    const char *description;
};

extern const struct arch archs[];
extern const size_t arch_count;
extern const struct setting settings[];
extern const size_t setting_count;
extern const struct workload workloads[];
extern const size_t workload_count;
extern const struct parameter parameters[];
extern const size_t parameter_count;

/* "ARCH" or "ARCH:VARIANT". NULL, with a suggestion in `error`, if there is none. */
const struct arch *find_arch(const char *name, struct error *error);
const struct workload *find_workload(const char *name, struct error *error);

#define SETTINGS_TEXT_MAX 512
/* The effective settings of `arch`, "key=value key=value" in the order of archs.def: defaults, then the variant's, then
 * `chosen` ("key=value" each). Refuses keys and values that the architecture does not know. */
bool resolve_settings(const struct arch *arch, const char *const *chosen, size_t count, char text[SETTINGS_TEXT_MAX],
                      struct error *error);

/* In how many slices the disk is with these effective settings: 1, unless a setting says more. */
unsigned slices_wanted(const struct arch *arch, const char *settings_text);
/* For how many virtual machines the machine has memory with them: 0, unless a setting says more. */
unsigned guests_wanted(const struct arch *arch, const char *settings_text);

struct home {
    char path[PATH_MAX];
};

bool find_home(struct home *home, struct error *error);
/* home/FORMAT… in `path`. */
__attribute__((format(printf, 3, 4))) void home_path(const struct home *home, char path[PATH_MAX], const char *format,
                                                     ...);

#define CPUS_MAX 64
#define DEFAULT_CPU "skylake"
/* Names of the models in sim/cpus, sorted; the caller frees each. Returns how many. */
size_t list_cpus(const struct home *home, char *names[CPUS_MAX]);
/* A model by its name, or by a file's path (with a '/' or ending in .ini). */
bool load_cpu(const struct home *home, const char *name, struct cpu_model *model, struct error *error);

#endif
