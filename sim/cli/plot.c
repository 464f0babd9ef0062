/* SPDX-License-Identifier: MIT
 *
 * sim/cli/plot.c: `ringside plot`: figures of results that `compare` has written.
 *
 * Draws every figure that the files have numbers for, as CSV, SVG and PNG, and says of the others in a line each what
 * the files lack. The files are read and checked before the first figure is drawn.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/cli/commands.h"
#include "sim/cli/plot.h"

static const struct {
    const char *name; /* of its script and its files */
    plot_figure *fill;
} figures[] = {
    {"relative-cycles", figure_relative},
    {"causes", figure_causes},
    {"events", figure_events},
    {"ctx-tlb", figure_ctx},
    {"pipe-bw-size", figure_pipe},
    {"write-size", figure_write},
    {"sensitivity-cr3", figure_cr3},
    {"sensitivity-syscall", figure_syscall},
    {"tcb", figure_tcb},
};
#define FIGURES (sizeof figures / sizeof *figures)

static bool check_words(const struct options *o, struct error *error)
{
    if (o->words || o->program)
        return refuse(error, STATUS_USAGE, "plot takes no words: ringside plot --from RESULTS.json --out DIR");
    if (!o->froms)
        return refuse(error, STATUS_USAGE,
                      "plot wants results: --from FILE ('ringside compare --json=FILE' writes them)");
    return o->out || refuse(error, STATUS_USAGE, "plot wants a folder for the figures: --out DIR");
}

static bool read_all(struct plot_results *r, const struct options *o, struct error *error)
{
    for (size_t i = 0; i < o->froms; i++)
        if (!results_read(r, o->from[i], error))
            return false;
    return r->results || refuse(error, STATUS_USAGE, "%s: it has no results", o->from[0]);
}

static bool make_folder(const char *path, struct error *error)
{
    struct stat st;

    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return refuse(error, STATUS_USAGE, "--out %s: %s", path, strerror(errno));
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return refuse(error, STATUS_USAGE, "--out %s: not a folder", path);
    return access(path, W_OK | X_OK) == 0 || refuse(error, STATUS_USAGE, "--out %s: %s", path, strerror(errno));
}

static void make_caption(const struct plot_results *r, char caption[PLOT_NAME_MAX * 3])
{
    const struct plot_cpu *cpu = &r->cpu[0];
    size_t used = (size_t)snprintf(caption, PLOT_NAME_MAX * 3, "%.90s; CPU model %.90s, version %.20s", cpu->title,
                                   cpu->name, cpu->version);

    if (cpu->cpus > 0)
        snprintf(caption + used, PLOT_NAME_MAX * 3 - used, "; %lld CPU%s", (long long)cpu->cpus,
                 cpu->cpus == 1 ? "" : "s");
    plot_clean(caption);
}

static bool make_figure(size_t i, const struct plot_results *r, const struct home *home, const char *dir,
                        const char *caption, struct error *error)
{
    struct plot_table table = {0};
    char csv[PATH_MAX];
    bool good = true;

    if (!figures[i].fill(&table, r))
        printf("%s: left out: %s\n", figures[i].name, table.why);
    else if (snprintf(csv, sizeof csv, "%s/%s.csv", dir, figures[i].name) >= PATH_MAX)
        good = refuse(error, STATUS_USAGE, "%.60s...: the path is too long", dir);
    else
        good = plot_write(&table, csv, error) && plot_draw(home, dir, figures[i].name, &table, caption, error) &&
               printf("%s: %s/%s.csv, .svg, .png\n", figures[i].name, dir, figures[i].name) > 0;
    plot_free(&table);
    fflush(stdout);
    return good;
}

static bool plot(struct plot_results *r, const struct options *o, struct error *error)
{
    char caption[PLOT_NAME_MAX * 3];
    struct home home;

    if (!check_words(o, error) || !find_home(&home, error) || !read_all(r, o, error) || !make_folder(o->out, error))
        return false;
    make_caption(r, caption);
    for (size_t i = 0; i < FIGURES; i++)
        if (!make_figure(i, r, &home, o->out, caption, error))
            return false;
    return true;
}

int command_plot(const struct options *options, struct error *error)
{
    struct plot_results results = {0};
    bool good = plot(&results, options, error);

    results_free(&results);
    return good ? STATUS_OK : error->status;
}
