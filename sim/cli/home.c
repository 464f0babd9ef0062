/* SPDX-License-Identifier: MIT
 *
 * sim/cli/home.c: finding files: the home folder and the CPU models in it (catalogue.h).
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/cli/catalogue.h"
#include "sim/cli/suggest.h"

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_home(const char *path)
{
    char cpus[PATH_MAX];

    return snprintf(cpus, sizeof cpus, "%s/sim/cpus", path) < (int)sizeof cpus && is_directory(cpus);
}

bool find_home(struct home *home, struct error *error)
{
    const char *said = getenv("RINGSIDE_HOME");
    ssize_t bytes;

    if (said && *said) {
        snprintf(home->path, sizeof home->path, "%s", said);
        return is_home(home->path) || refuse(error, STATUS_HOST, "RINGSIDE_HOME=%s holds no sim/cpus", said);
    }
    bytes = readlink("/proc/self/exe", home->path, sizeof home->path - 1);
    if (bytes < 0)
        return refuse(error, STATUS_HOST, "cannot find myself (/proc/self/exe: %s); set RINGSIDE_HOME",
                      strerror(errno));
    home->path[bytes] = 0;
    for (char *slash = strrchr(home->path, '/'); slash; slash = strrchr(home->path, '/')) {
        *slash = 0;
        if (is_home(home->path))
            return true;
    }
    return refuse(error, STATUS_HOST, "found no folder above the executable that holds sim/cpus; set RINGSIDE_HOME");
}

void home_path(const struct home *home, char path[PATH_MAX], const char *format, ...)
{
    int at = snprintf(path, PATH_MAX, "%s/", home->path);
    va_list arguments;

    if (at >= PATH_MAX)
        return;
    va_start(arguments, format);
    vsnprintf(path + at, (size_t)(PATH_MAX - at), format, arguments);
    va_end(arguments);
}

static int is_model(const struct dirent *entry)
{
    size_t bytes = strlen(entry->d_name);

    return bytes > 4 && strcmp(entry->d_name + bytes - 4, ".ini") == 0;
}

size_t list_cpus(const struct home *home, char *names[CPUS_MAX])
{
    struct dirent **entries;
    char path[PATH_MAX];
    int found;
    size_t count = 0;

    home_path(home, path, "sim/cpus");
    found = scandir(path, &entries, is_model, alphasort);
    for (int i = 0; i < found; i++) {
        if (count < CPUS_MAX)
            names[count++] = strndup(entries[i]->d_name, strlen(entries[i]->d_name) - 4);
        free(entries[i]);
    }
    if (found >= 0)
        free(entries);
    return count;
}

static bool unknown_cpu(const struct home *home, const char *name, struct error *error)
{
    char *names[CPUS_MAX], hint[HINT_MAX];
    size_t count = list_cpus(home, names);

    refuse(error, STATUS_USAGE, "unknown CPU '%s'%s (see 'ringside list cpus')", name,
           suggest_hint(hint, name, (const char *const *)names, count));
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return false;
}

static bool is_path(const char *name)
{
    size_t bytes = strlen(name);

    return strchr(name, '/') || (bytes > 4 && strcmp(name + bytes - 4, ".ini") == 0);
}

bool load_cpu(const struct home *home, const char *name, struct cpu_model *model, struct error *error)
{
    char path[PATH_MAX], why[CPU_MODEL_ERROR_MAX];
    struct stat st;

    if (is_path(name))
        snprintf(path, sizeof path, "%s", name);
    else
        home_path(home, path, "sim/cpus/%s.ini", name);
    if (stat(path, &st) != 0 && !is_path(name))
        return unknown_cpu(home, name, error);
    if (stat(path, &st) != 0)
        return refuse(error, STATUS_USAGE, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse(error, STATUS_USAGE, "%s: not a file but a %s; --cpu wants a CPU model", path,
                      S_ISDIR(st.st_mode) ? "directory" : "special file");
    if (cpu_model_read(model, path, why) != 0)
        return refuse(error, STATUS_USAGE, "%s", why);
    return true;
}
