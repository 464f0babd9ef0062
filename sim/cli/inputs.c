/* SPDX-License-Identifier: MIT
 *
 * sim/cli/inputs.c: see inputs.h.
 *
 * Libraries go in by the build ID that the linker made of their content (hashing Unicorn's 20 MB would take longer than
 * all the rest); one without a build ID by its content. The disk goes in as the folder that it is made of, in the order
 * and with the times that sim/files/disk.c takes, so that a result can be found without making a disk.
 */
#include "sim/cli/inputs.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/cli/workload.h"

/* ---- this program ---- */

static size_t padded(size_t bytes)
{
    return (bytes + 3) & ~(size_t)3;
}

static bool hash_build_id(struct hasher *h, const char *note, size_t bytes)
{
    while (bytes >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *head = (const ElfW(Nhdr) *)note;
        size_t name = sizeof *head, content = name + padded(head->n_namesz), all = content + padded(head->n_descsz);

        if (all > bytes)
            break;
        if (head->n_type == NT_GNU_BUILD_ID && head->n_namesz == 4 && memcmp(note + name, "GNU", 4) == 0) {
            hash_part(h, "build id", note + content, head->n_descsz);
            return true;
        }
        note += all;
        bytes -= all;
    }
    return false;
}

/* dl_iterate_phdr's callback: 0 goes on. The nameless object is the program itself; the kernel's has no file. */
static int hash_library(struct dl_phdr_info *object, size_t bytes, void *ctx)
{
    struct hasher *h = ctx;
    bool done = !strchr(object->dlpi_name, '/');

    for (size_t i = 0; !done && i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];

        if (p->p_type == PT_NOTE)
            done = hash_build_id(h, (const char *)object->dlpi_addr + p->p_vaddr, p->p_memsz);
    }
    return !done && !hash_file(h, "library", object->dlpi_name);
}

static bool hash_program(struct hasher *h)
{
    return hash_file(h, "ringside", "/proc/self/exe") && dl_iterate_phdr(hash_library, h) == 0;
}

/* ---- the disk ---- */

static bool hash_link(struct hasher *h, const char *path)
{
    char target[PATH_MAX];
    ssize_t bytes = readlink(path, target, sizeof target);

    if (bytes >= 0)
        hash_part(h, "link", target, (size_t)bytes);
    return bytes >= 0;
}

static bool hash_folder(struct hasher *h, const char *path);

static bool hash_entry(struct hasher *h, const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat st;

    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path || lstat(path, &st) != 0)
        return false;
    hash_text(h, "name", name);
    hash_number(h, "mode", st.st_mode);
    hash_number(h, "seconds", (uint64_t)st.st_mtim.tv_sec);
    hash_number(h, "nanoseconds", (uint64_t)st.st_mtim.tv_nsec);
    if (S_ISDIR(st.st_mode))
        return hash_folder(h, path);
    if (S_ISLNK(st.st_mode))
        return hash_link(h, path);
    return !S_ISREG(st.st_mode) || hash_file(h, "file", path);
}

static int no_dots(const struct dirent *e)
{
    return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool hash_folder(struct hasher *h, const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, no_dots, by_name);
    bool good = count >= 0;

    hash_number(h, "entries", (uint64_t)count);
    for (int i = 0; i < count; i++) {
        good = good && hash_entry(h, path, entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return good;
}

static bool hash_disk(struct hasher *h, const struct session *s)
{
    char root[PATH_MAX];

    workload_root(s, root);
    return hash_folder(h, root);
}

/* ---- the kernel ---- */

struct images {
    struct hasher *h;
    const struct session *session;
};

static bool hash_image(void *ctx, const char *name, const char *image)
{
    struct images *images = ctx;
    char path[PATH_MAX];

    home_path(&images->session->home, path, "build/images/%s", image);
    hash_text(images->h, "image", name);
    return hash_file(images->h, "content", path);
}

static bool hash_images(struct hasher *h, const struct session *s)
{
    struct images images = {h, s};

    return hash_image(&images, "kernel", s->arch->image) && for_modules(s->arch, hash_image, &images);
}

/* ---- the machine ---- */

static void hash_faults(struct hasher *h, const struct options *o)
{
    hash_number(h, "faults", o->faults);
    for (size_t i = 0; i < o->faults; i++) {
        hash_number(h, "kind", o->fault[i].kind);
        hash_number(h, "service", o->fault[i].service);
        hash_number(h, "op", o->fault[i].op);
        hash_number(h, "blocks", o->fault[i].blocks);
    }
}

/* The CPU's struct goes in with its padding, which is zero; were it not, a result would not be found, never a wrong
 * one. */
static void hash_machine(struct hasher *h, const struct session *s)
{
    hash_text(h, "architecture", s->arch->name);
    hash_text(h, "variant", s->arch->variant);
    hash_text(h, "settings", s->settings);
    hash_part(h, "cpu", &s->cpu, sizeof s->cpu);
    hash_text(h, "cpu name", s->cpu_name);
    hash_number(h, "cpus", s->options->cpus);
    hash_number(h, "model", s->options->model);
    hash_number(h, "seed", s->options->seed);
    hash_number(h, "time limit", s->options->time_limit_ms);
    hash_faults(h, s->options);
}

bool inputs_digest(const struct session *s, struct digest *digest)
{
    struct hasher h;
    bool good;

    hash_start(&h);
    hash_machine(&h, s);
    good = hash_program(&h) && hash_images(&h, s) && hash_disk(&h, s);
    hash_end(&h, digest);
    return good;
}

struct digest inputs_of_run(const struct digest *inputs, const struct session *s, const struct workload *w)
{
    struct digest digest;
    struct hasher h;

    hash_start(&h);
    hash_part(&h, "inputs", inputs, sizeof *inputs);
    hash_text(&h, "workload", w->name);
    hash_text(&h, "arguments", w->arguments);
    hash_number(&h, "operations", workload_ops(w, s->options->ops));
    hash_end(&h, &digest);
    return digest;
}
