/* SPDX-License-Identifier: MIT
 *
 * sim/cli/plot_draw.c: gnuplot (plot.h).
 *
 * Scripts get everything as arguments and read names from CSV as data, so nothing that a result file says is ever part
 * of a command. gnuplot starts without anybody's settings (-d, and no GNUTERM), once for each of the two forms. It has
 * nothing to say: a word on its standard error is a failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/cli/plot.h"

#define SAID_MAX 400
#define NOT_FOUND 127

struct drawing {
    char script[PATH_MAX], csv[PATH_MAX], out[PATH_MAX], folder[PATH_MAX];
    char panels[24], rows[24], series[24];
    char *names; /* of series, of panels, of rows, a line each */
};

static const char *name_of(const struct plot_table *t, size_t i)
{
    if (i < t->series)
        return t->serie[i];
    i -= t->series;
    return i < t->panels ? t->panel[i] : t->row[i - t->panels];
}

static char *make_names(const struct plot_table *t)
{
    size_t count = t->series + t->panels + t->rows, bytes = count * PLOT_NAME_MAX + 1, used = 0;
    char *names = malloc(bytes);

    for (size_t i = 0; names && i < count; i++) {
        char name[PLOT_NAME_MAX];

        snprintf(name, sizeof name, "%s", name_of(t, i));
        plot_clean(name);
        used += (size_t)snprintf(names + used, bytes - used, "%s\n", name);
    }
    return names;
}

static bool prepare(struct drawing *d, const struct home *home, const char *dir, const char *name, const char *form,
                    const struct plot_table *table, struct error *error)
{
    home_path(home, d->script, "plots/%s.gp", name);
    home_path(home, d->folder, "plots");
    snprintf(d->panels, sizeof d->panels, "%zu", table->panels);
    snprintf(d->rows, sizeof d->rows, "%zu", table->rows);
    snprintf(d->series, sizeof d->series, "%zu", table->series);
    if (snprintf(d->csv, PATH_MAX, "%s/%s.csv", dir, name) >= PATH_MAX ||
        snprintf(d->out, PATH_MAX, "%s/%s.%s", dir, name, form) >= PATH_MAX)
        return refuse(error, STATUS_USAGE, "%.60s...: the path is too long", dir);
    return access(d->script, R_OK) == 0 || refuse(error, STATUS_HOST, "%s: %s", d->script, strerror(errno));
}

/* In the child. */
static void become_gnuplot(const struct drawing *d, const char *form, const char *caption, int err)
{
    int null = open("/dev/null", O_RDWR);

    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    unsetenv("GNUTERM");
    unsetenv("DISPLAY");
    execlp("gnuplot", "gnuplot", "-d", "-c", d->script, d->csv, d->out, form, caption, d->folder, d->panels, d->rows,
           d->series, d->names, (char *)NULL);
    _exit(NOT_FOUND);
}

/* What it says until it ends; what does not fit is read and dropped. */
static void listen_to(int fd, char said[SAID_MAX])
{
    char rest[512];
    size_t used = 0;
    ssize_t bytes = 1;

    while (bytes > 0 || (bytes < 0 && errno == EINTR)) {
        bool room = used + 1 < SAID_MAX;

        bytes = room ? read(fd, said + used, SAID_MAX - 1 - used) : read(fd, rest, sizeof rest);
        used += room && bytes > 0 ? (size_t)bytes : 0;
    }
    said[used] = 0;
}

static bool judge(const struct drawing *d, int status, char *said, struct error *error)
{
    char *text = said + strspn(said, " \n\t^");

    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND)
        return refuse(error, STATUS_HOST, "cannot run gnuplot; install the package gnuplot-nox");
    for (char *c = text; *c; c++)
        *c = *c == '\n' || *c == '\t' ? ' ' : *c;
    if (*text)
        return refuse(error, STATUS_FAILED, "%s: gnuplot says: %s", d->script, text);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return refuse(error, STATUS_FAILED, "%s: gnuplot ended with status %d", d->script,
                      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return access(d->out, R_OK) == 0 || refuse(error, STATUS_FAILED, "%s: gnuplot wrote no %s", d->script, d->out);
}

static bool run_gnuplot(const struct drawing *d, const char *form, const char *caption, struct error *error)
{
    char said[SAID_MAX];
    int ends[2], status = 0;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return refuse(error, STATUS_HOST, "cannot make a pipe: %s", strerror(errno));
    fflush(NULL);
    child = fork();
    if (child == 0)
        become_gnuplot(d, form, caption, ends[1]);
    close(ends[1]);
    listen_to(ends[0], said);
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return refuse(error, STATUS_HOST, "cannot start a process: %s", strerror(errno));
    return judge(d, status, said, error);
}

static bool draw_form(struct drawing *d, const char *form, const char *caption, struct error *error)
{
    if (unlink(d->out) != 0 && errno != ENOENT)
        return refuse(error, STATUS_USAGE, "%s: %s", d->out, strerror(errno));
    return run_gnuplot(d, form, caption, error);
}

bool plot_draw(const struct home *home, const char *dir, const char *name, const struct plot_table *table,
               const char *caption, struct error *error)
{
    static const char *const forms[] = {"svg", "png"};
    struct drawing d = {.names = make_names(table)};
    bool good = d.names || refuse(error, STATUS_HOST, "out of memory");

    for (size_t i = 0; good && i < sizeof forms / sizeof *forms; i++)
        good = prepare(&d, home, dir, name, forms[i], table, error) && draw_form(&d, forms[i], caption, error);
    free(d.names);
    return good;
}
