/* SPDX-License-Identifier: MIT
 *
 * sim/cli/doctor.c: `ringside doctor`: is everything here that a run needs? One line a check; what fails says what to
 * do.
 *
 * Checks go from the host to the images, so that the first failure is the one to mend. JSON:
 * {"schema":"ringside.doctor/1", "checks":[{"name","ok","text"}]}. Exit status 0, or 5.
 */
#include <capstone/capstone.h>
#include <errno.h>
#include <jansson.h>
#include <libelf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unicorn/unicorn.h>
#include <unistd.h>

#include "sim/cli/commands.h"
#include "sim/cli/files.h"
#include "sim/cli/session.h"

#define TEXT_MAX 700

struct examination {
    json_t *checks; /* NULL: print instead */
    bool sound;
    struct home home;
    bool at_home; /* home was found */
};

__attribute__((format(printf, 4, 5))) static void report(struct examination *x, const char *name, bool good,
                                                         const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    x->sound = x->sound && good;
    if (x->checks)
        json_array_append_new(x->checks, json_pack("{s:s, s:b, s:s}", "name", name, "ok", good, "text", text));
    else
        printf("%-4s  %-9s  %s\n", good ? "ok" : "FAIL", name, text);
}

static void check_host(struct examination *x)
{
    struct utsname host;
    long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    bool good = uname(&host) == 0 && strcmp(host.machine, "x86_64") == 0;

    if (good)
        report(x, "host", true, "%s %s on %s, %ld processors, %ld MiB of memory free", host.sysname, host.release,
               host.machine, sysconf(_SC_NPROCESSORS_ONLN), pages > 0 ? (pages >> 10) * page >> 10 : 0);
    else
        report(x, "host", false,
               "not an x86-64 Linux: programs are built for it and byte order and context layout rely on it");
}

static void check_unicorn(struct examination *x)
{
    unsigned major, minor, packed = uc_version(&major, &minor), patch = packed >> 8 & 255;

    if (major == 2 && minor == 1)
        report(x, "unicorn", true, "Unicorn %u.%u.%u%s", major, minor, patch,
               patch >= 2 ? "; 2.1.1 is the reference, later ones are slower" : "");
    else if (major == 2 && minor == 0)
        report(x, "unicorn", false,
               "Unicorn %u.%u.%u: its MMU maps every virtual address to itself, so there are no address spaces; "
               "2.1.x is needed: run 'make setup', or build with UNICORN_PREFIX=",
               major, minor, patch);
    else
        report(x, "unicorn", false,
               "Unicorn %u.%u: 2.1.x is needed: run 'make setup', or build with UNICORN_PREFIX=", major, minor);
}

static void check_libraries(struct examination *x)
{
    int major, minor;

    cs_version(&major, &minor);
    report(x, "capstone", major >= 4, "Capstone %d.%d%s", major, minor,
           major >= 4 ? "" : "; 4.0 or later is needed (libcapstone-dev)");
    report(x, "libelf", elf_version(EV_CURRENT) != EV_NONE, "libelf, ELF version %u", elf_version(EV_CURRENT));
    report(x, "jansson", true, "Jansson %s", jansson_version_str());
}

static void check_home(struct examination *x)
{
    struct error error = {0};

    x->at_home = find_home(&x->home, &error);
    report(x, "home", x->at_home, "%s", x->at_home ? x->home.path : error.text);
}

static void check_cpus(struct examination *x)
{
    char *names[CPUS_MAX], good[256] = "";
    size_t count = list_cpus(&x->home, names), at = 0;
    bool sound = count > 0;

    for (size_t i = 0; i < count; i++) {
        struct cpu_model model;
        struct error error = {0};

        if (load_cpu(&x->home, names[i], &model, &error)) {
            at += (size_t)snprintf(good + at, sizeof good - at, "%s%s", at ? " " : "", names[i]);
            at = at < sizeof good ? at : sizeof good - 1;
        } else {
            report(x, "cpus", false, "%s", error.text);
            sound = false;
        }
        free(names[i]);
    }
    if (sound || count == 0)
        report(x, "cpus", sound, "%s", sound ? good : "there is no CPU model in sim/cpus");
}

/* A machine that is made has probed where the engine keeps its privilege state, and verified it. */
static void check_machine(struct examination *x)
{
    struct error error = {0};
    struct cpu_model cpu;
    struct machine_config config = {.cpu = &cpu, .cpus = 1, .model = MODEL_TIMING};
    char why[MACHINE_ERROR_MAX] = "";
    struct machine *machine;

    if (!x->at_home || !load_cpu(&x->home, DEFAULT_CPU, &cpu, &error)) {
        report(x, "machine", false, "not tried: %s", x->at_home ? error.text : "no CPU model");
        return;
    }
    machine = machine_create(&config, why);
    report(x, "machine", machine != NULL, "%s", machine ? "the engine's privilege state was found and verified" : why);
    if (machine)
        machine_destroy(machine);
}

static void check_images(struct examination *x)
{
    for (size_t i = 0; i < arch_count; i++) {
        char path[PATH_MAX];
        bool good;

        home_path(&x->home, path, "build/images/%s", archs[i].image);
        good = access(path, R_OK) == 0;
        report(x, "image", good, "%s:%s %s%s%s", archs[i].name, archs[i].variant, path, good ? "" : ": ",
               good ? "" : "missing; run 'make build'");
    }
}

static void check_programs(struct examination *x)
{
    size_t good = 0;

    for (size_t i = 0; i < workload_count; i++) {
        char path[PATH_MAX];
        struct error error = {0};
        struct file program;

        home_path(&x->home, path, "build/programs/root/bin/%s", workloads[i].program);
        if (read_program(path, &program, &error)) {
            file_free(&program);
            good++;
        } else {
            report(x, "programs", false, "%s; run 'make build'", error.text);
        }
    }
    if (good == workload_count)
        report(x, "programs", true, "all %zu workloads", good);
}

int command_doctor(const struct options *options, struct error *error)
{
    struct examination x = {.sound = true, .checks = options->json ? json_array() : NULL};
    bool written = true;

    if (options->words || options->program)
        return refuse(error, STATUS_USAGE, "doctor takes no words"), STATUS_USAGE;
    check_host(&x);
    check_unicorn(&x);
    check_libraries(&x);
    check_home(&x);
    if (x.at_home)
        check_cpus(&x);
    check_machine(&x);
    if (x.at_home) {
        check_images(&x);
        check_programs(&x);
    }
    if (x.checks) {
        json_t *json = json_pack("{s:s, s:O}", "schema", "ringside.doctor/1", "checks", x.checks);

        written = write_json(json, options->json_file, STDOUT_FILENO, error);
        json_decref(json);
        json_decref(x.checks);
    }
    if (!written)
        return error->status;
    return x.sound ? STATUS_OK : STATUS_HOST;
}
