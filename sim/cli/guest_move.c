/* SPDX-License-Identifier: MIT
 *
 * sim/cli/guest_move.c: see guest_move.h.
 */
#include "sim/cli/guest_move.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- who is who ---- */

struct description {
    struct saved_header *header;
    const struct session *session;
    struct error *error;
};

static bool add_image(void *ctx, const char *name, const char *image)
{
    struct description *d = ctx;
    struct saved_image *to = &d->header->image[d->header->images];
    char path[PATH_MAX];
    struct hasher h;

    home_path(&d->session->home, path, "build/images/%s", image);
    hash_start(&h);
    if (!hash_file(&h, "image", path))
        return refuse(d->error, STATUS_HOST, "%s: %s", path, strerror(errno));
    if (d->header->images++ == SAVED_IMAGES_MAX)
        return refuse(d->error, STATUS_HOST, "%s: more than %d images", name, SAVED_IMAGES_MAX);
    snprintf(to->path, sizeof to->path, "%s", image);
    hash_end(&h, &to->digest);
    return true;
}

/* The CPU's struct goes in with its padding, which is zero (inputs.c). */
static struct digest cpu_digest(const struct session *s)
{
    return digest_of(&s->cpu, sizeof s->cpu);
}

static void name_arch(const struct arch *arch, char name[SAVED_NAME_MAX])
{
    snprintf(name, SAVED_NAME_MAX, "%s:%s", arch->name, arch->variant);
}

static bool describe(const struct session *s, struct saved_header *h, struct error *error)
{
    struct description d = {h, s, error};

    h->model = s->options->model;
    h->cpus = s->options->cpus;
    name_arch(s->arch, h->arch);
    snprintf(h->settings, sizeof h->settings, "%s", s->settings);
    snprintf(h->cpu, sizeof h->cpu, "%s", s->cpu.name);
    h->cpu_digest = cpu_digest(s);
    return add_image(&d, s->arch->name, s->arch->image) && for_modules(s->arch, add_image, &d);
}

/* ---- out ---- */

static bool check_new_file(const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    struct stat st;

    if (strlen(path) >= sizeof folder)
        return refuse(error, STATUS_USAGE, "--save-at: the file's path is too long");
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    if (access(folder, W_OK | X_OK) != 0)
        return refuse(error, STATUS_USAGE, "--save-at %s: %s", path, strerror(errno));
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return refuse(error, STATUS_USAGE, "--save-at %s: there is something that is no regular file", path);
    return true;
}

bool check_save_at(const struct session *s, struct error *error)
{
    if (!s->options->save_file)
        return true;
    if (s->guests == 0)
        return refuse(error, STATUS_USAGE, "--save-at: only a guest can be saved, and %s has none; use vmm",
                      s->arch->name);
    if (s->guests > 1)
        return refuse(error, STATUS_USAGE, "--save-at: only a guest that is alone can be saved, and here are %u",
                      s->guests);
    return check_new_file(s->options->save_file, error);
}

bool guest_save(const struct session *s, const struct job *job, struct machine *machine, struct error *error)
{
    struct saved_header header = {
        .disk_bytes = job->disk_bytes,
        .input_bytes = (job->saved ? job->saved->header.input_bytes : 0) + job->console->taken,
    };

    snprintf(header.name, sizeof header.name, "%s", job->name);
    snprintf(header.domain, sizeof header.domain, "%s", job->domain);
    return describe(s, &header, error) && saved_file_write(s->options->save_file, &header, machine, job->disk,
                                                           job->program, job->program_bytes, error);
}

/* ---- back ---- */

bool adopt_options(struct saved_file *saved, struct options *o, struct error *error)
{
    struct saved_header *h = &saved->header;
    const struct arch *arch = find_arch(o->word[0], error);
    char *rest = h->settings, name[SAVED_NAME_MAX];

    if (!arch)
        return false;
    name_arch(arch, name);
    if (strcmp(h->arch, name) != 0)
        return refuse(error, STATUS_USAGE, "%s: saved under the architecture '%s', not '%s'", saved->path, h->arch,
                      name);
    o->cpus = h->cpus;
    o->model = (enum machine_model)h->model;
    o->cpu = o->cpu ? o->cpu : h->cpu;
    o->sets = 0;
    while (rest && *rest && o->sets < WORDS_MAX)
        o->set[o->sets++] = strsep(&rest, " ");
    return true;
}

static bool another(const struct saved_file *saved, const char *what, const char *name, struct error *error)
{
    return refuse(error, STATUS_USAGE, "%s: saved under another %s than '%s' is here; save it again with this one",
                  saved->path, what, name);
}

bool check_restored(const struct saved_file *saved, const struct session *s, struct error *error)
{
    const struct saved_header *h = &saved->header;
    struct saved_header here = {0};

    if (!describe(s, &here, error))
        return false;
    if (!digest_equal(&h->cpu_digest, &here.cpu_digest))
        return another(saved, "CPU model", here.cpu, error);
    for (size_t i = 0; i < here.images; i++)
        if (i >= h->images || strcmp(h->image[i].path, here.image[i].path) != 0 ||
            !digest_equal(&h->image[i].digest, &here.image[i].digest))
            return another(saved, i ? "kernel" : "monitor", here.image[i].path, error);
    return s->guests == 1 || refuse(error, STATUS_USAGE, "%s: malformed: %u guests", saved->path, s->guests);
}
