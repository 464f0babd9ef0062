/* SPDX-License-Identifier: MIT
 *
 * sim/cli/cache.c: see cache.h. An entry is the digest of its content, then the content. Reading one sets its time of
 * modification, so that the oldest is the one that was unused for longest.
 */
#include "sim/cli/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/cli/files.h"

#define ENTRY_MAX_BYTES (1u << 20)

/* ---- where ---- */

/* As the XDG base directory specification has it: what is not absolute is not there. Returns what of the path may be
 * made, which is never a home; NULL: no place. */
static char *choose_folder(char folder[PATH_MAX])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int bytes = -1;

    if (cache && *cache == '/')
        bytes = snprintf(folder, PATH_MAX, "%s/ringside", cache);
    else if (home && *home == '/')
        bytes = snprintf(folder, PATH_MAX, "%s/.cache/ringside", home);
    if (bytes < 0 || bytes >= PATH_MAX)
        return NULL;
    return cache && *cache == '/' ? folder + 1 : folder + strlen(home) + 1;
}

/* Makes the folder and those above it, from `made` on, for its owner alone. */
static bool make_folders(char *folder, char *made)
{
    for (; (made = strchr(made, '/')); made++) {
        *made = 0;
        (void)mkdir(folder, 0700);
        *made = '/';
    }
    return mkdir(folder, 0700) == 0 || errno == EEXIST;
}

void cache_open(struct cache *c, bool wanted)
{
    char *made = wanted ? choose_folder(c->folder) : NULL;

    if (!made || !make_folders(c->folder, made))
        c->folder[0] = 0;
}

bool cache_is_on(const struct cache *c)
{
    return c->folder[0] != 0;
}

static bool entry_path(const struct cache *c, const char *name, char path[PATH_MAX])
{
    return cache_is_on(c) && snprintf(path, PATH_MAX, "%s/%s", c->folder, name) < PATH_MAX;
}

/* ---- entries ---- */

/* Takes the digest off a file's content; false: they do not belong together. */
static bool take_content(struct file *f, size_t *bytes)
{
    struct digest said, found;

    if (f->bytes < sizeof said || f->bytes > ENTRY_MAX_BYTES)
        return false;
    memcpy(&said, f->data, sizeof said);
    *bytes = f->bytes - sizeof said;
    memmove(f->data, (char *)f->data + sizeof said, *bytes);
    found = digest_of(f->data, *bytes);
    return digest_equal(&said, &found);
}

void *cache_read(const struct cache *c, const struct digest *key, size_t *bytes)
{
    char name[DIGEST_TEXT_MAX], path[PATH_MAX];
    struct error why;
    struct file f;

    digest_text(key, name);
    if (!entry_path(c, name, path) || !read_file(path, &f, &why))
        return NULL;
    if (take_content(&f, bytes)) {
        (void)utimensat(AT_FDCWD, path, NULL, 0);
        return f.data;
    }
    file_free(&f);
    return NULL;
}

static bool write_all(int fd, const void *data, size_t bytes)
{
    return write(fd, data, bytes) == (ssize_t)bytes;
}

void cache_write(const struct cache *c, const struct digest *key, const void *data, size_t bytes)
{
    char name[DIGEST_TEXT_MAX], path[PATH_MAX], fresh[PATH_MAX];
    struct digest digest = digest_of(data, bytes);
    bool good;
    int fd;

    digest_text(key, name);
    if (bytes > ENTRY_MAX_BYTES - sizeof digest || !entry_path(c, name, path) || !entry_path(c, "new-XXXXXX", fresh))
        return;
    fd = mkostemp(fresh, O_CLOEXEC);
    if (fd < 0)
        return;
    good = write_all(fd, &digest, sizeof digest) && write_all(fd, data, bytes);
    if (close(fd) != 0 || !good || rename(fresh, path) != 0)
        (void)unlink(fresh);
}

/* ---- size ---- */

struct entry {
    char name[NAME_MAX + 1];
    struct timespec used;
    unsigned long long bytes;
};

struct entries {
    struct entry *entry;
    size_t count, room;
    unsigned long long bytes;
};

static bool add_entry(struct entries *all, const char *name, const struct stat *st)
{
    struct entry *entry = &all->entry[all->count];

    if (all->count == all->room) {
        size_t room = all->room ? 2 * all->room : 64;

        entry = realloc(all->entry, room * sizeof *entry);
        if (!entry)
            return false;
        all->entry = entry;
        all->room = room;
        entry += all->count;
    }
    snprintf(entry->name, sizeof entry->name, "%s", name);
    entry->used = st->st_mtim;
    entry->bytes = (unsigned long long)st->st_blocks * 512;
    all->bytes += entry->bytes;
    all->count++;
    return true;
}

static void list_entries(DIR *folder, struct entries *all)
{
    const struct dirent *e;
    struct stat st;

    while ((e = readdir(folder)))
        if (fstatat(dirfd(folder), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            !add_entry(all, e->d_name, &st))
            return;
}

static int older_first(const void *left, const void *right)
{
    const struct timespec *a = &((const struct entry *)left)->used, *b = &((const struct entry *)right)->used;

    if (a->tv_sec != b->tv_sec)
        return a->tv_sec < b->tv_sec ? -1 : 1;
    return (a->tv_nsec > b->tv_nsec) - (a->tv_nsec < b->tv_nsec);
}

void cache_trim(const struct cache *c, unsigned long long max_bytes)
{
    DIR *folder = cache_is_on(c) ? opendir(c->folder) : NULL;
    struct entries all = {0};

    if (!folder)
        return;
    list_entries(folder, &all);
    if (all.bytes > max_bytes)
        qsort(all.entry, all.count, sizeof *all.entry, older_first);
    for (size_t i = 0; i < all.count && all.bytes > max_bytes; i++) {
        (void)unlinkat(dirfd(folder), all.entry[i].name, 0);
        all.bytes -= all.entry[i].bytes;
    }
    free(all.entry);
    closedir(folder);
}
