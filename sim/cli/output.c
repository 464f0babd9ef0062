/* SPDX-License-Identifier: MIT
 *
 * sim/cli/output.c: see output.h.
 */
#include "sim/cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRESH_NAME ".ringside-XXXXXX" /* not the file's name and more: that might be too long */

static bool cannot_write(const char *what, const char *path, int status, int why, struct error *error)
{
    return refuse(error, status, "cannot write %s to %s: %s", what, path, strerror(why));
}

/* ---- which file ---- */

/* /dev/stdout may be a regular file, but is the one that whoever started us has open. */
static bool is_descriptor(const char *path)
{
    return strncmp(path, "/proc/", 6) == 0 || (strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0);
}

static bool is_special(const char *path)
{
    struct stat st;

    return is_descriptor(path) || (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
}

/* The folder of `path` with its slash; "./" if none is said. false: too long. */
static bool folder_of(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    int bytes = slash ? (int)(slash - path) + 1 : 2;

    return snprintf(folder, PATH_MAX, "%.*s", bytes, slash ? path : "./") < PATH_MAX;
}

/* The path without links; its last name may be one of no file yet. 0, or an errno. */
static int find_final(const char *path, char final[PATH_MAX])
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char folder[PATH_MAX];
    size_t bytes;

    if (realpath(path, final))
        return 0;
    if (errno != ENOENT)
        return errno;
    if (!*name)
        return EISDIR;
    if (!folder_of(path, folder))
        return ENAMETOOLONG;
    if (!realpath(folder, final))
        return errno;
    bytes = strlen(final);
    return snprintf(final + bytes, PATH_MAX - bytes, "/%s", name) < (int)(PATH_MAX - bytes) ? 0 : ENAMETOOLONG;
}

/* Why a regular file cannot be written, 0: it can. */
static int check_regular(const char *path, char final[PATH_MAX])
{
    char folder[PATH_MAX];
    struct stat st;
    int why = find_final(path, final);

    if (why)
        return why;
    if (stat(final, &st) == 0 && S_ISDIR(st.st_mode))
        return EISDIR;
    if (access(final, W_OK) != 0 && errno != ENOENT)
        return errno;
    return folder_of(final, folder) && access(folder, W_OK | X_OK) != 0 ? errno : 0;
}

bool output_check(const char *what, const char *path, struct error *error)
{
    char final[PATH_MAX];
    int why;

    if (is_special(path))
        why = access(path, W_OK) == 0 ? 0 : errno;
    else
        why = check_regular(path, final);
    return !why || cannot_write(what, path, STATUS_USAGE, why, error);
}

bool outputs_differ(const char *option, const char *path, const char *other_option, const char *other_path,
                    struct error *error)
{
    char final[PATH_MAX], other_final[PATH_MAX];

    if (!path || !other_path || is_special(path) || find_final(path, final) != 0 ||
        find_final(other_path, other_final) != 0 || strcmp(final, other_final) != 0)
        return true;
    return refuse(error, STATUS_USAGE, "%s and %s both want the same place: %s", option, other_option, path);
}

/* ---- writing ---- */

/* As if it had been made by open(2); an old file's permissions stay. */
static bool set_mode(int fd, const char *final)
{
    mode_t mask = umask(0);
    struct stat st;

    umask(mask);
    return fchmod(fd, stat(final, &st) == 0 ? st.st_mode & 07777 : 0666 & ~mask) == 0;
}

static FILE *open_fresh(struct output *o)
{
    FILE *file;
    int fd;

    errno = check_regular(o->path, o->final);
    if (errno)
        return NULL;
    if (!folder_of(o->final, o->fresh) || strlen(o->fresh) + sizeof FRESH_NAME > sizeof o->fresh) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    strcat(o->fresh, FRESH_NAME);
    fd = mkostemp(o->fresh, O_CLOEXEC);
    file = fd >= 0 && set_mode(fd, o->final) ? fdopen(fd, "w") : NULL;
    if (!file && fd >= 0) {
        (void)unlink(o->fresh);
        close(fd);
    }
    return file;
}

bool output_open(struct output *o, const char *what, const char *path, struct error *error)
{
    *o = (struct output){.what = what, .path = path};
    o->file = is_special(path) ? fopen(path, "we") : open_fresh(o);
    return o->file || cannot_write(what, path, STATUS_USAGE, errno, error);
}

/* 0, or why not all is written. An earlier write's errno is gone: one more (of what is not kept) fails as it did. */
static int finish(const struct output *o)
{
    int fd = fileno(o->file);

    if (fflush(o->file) != 0)
        return errno;
    if (ferror(o->file))
        return write(fd, "", 1) < 0 ? errno : EIO;
    return o->fresh[0] && fsync(fd) != 0 ? errno : 0;
}

bool output_close(struct output *o, bool good, struct error *error)
{
    int why = good ? finish(o) : 0;

    if (fclose(o->file) != 0 && good && !why)
        why = errno;
    if (good && !why && o->fresh[0] && rename(o->fresh, o->final) != 0)
        why = errno;
    if (o->fresh[0] && (!good || why))
        (void)unlink(o->fresh);
    if (why)
        cannot_write(o->what, o->path, STATUS_HOST, why, error);
    return good && !why;
}
