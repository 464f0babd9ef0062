/* SPDX-License-Identifier: MIT
 *
 * sim/cli/files.c: see files.h.
 */
#include "sim/cli/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/files/program.h"

#define FILE_MAX_BYTES (1ull << 30)

static bool read_whole(int fd, const char *path, struct file *f, struct error *error)
{
    size_t room = (size_t)f->st.st_size;

    f->data = malloc(room + 1);
    if (!f->data)
        return refuse(error, STATUS_HOST, "%s: out of memory", path);
    while (f->bytes < room) {
        ssize_t got = read(fd, (char *)f->data + f->bytes, room - f->bytes);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return refuse(error, STATUS_USAGE, "%s: %s", path, strerror(errno));
        if (got == 0)
            break;
        f->bytes += (size_t)got;
    }
    return true;
}

static bool check_regular(const char *path, const struct stat *st, struct error *error)
{
    if (S_ISDIR(st->st_mode))
        return refuse(error, STATUS_USAGE, "%s: a directory, not a file", path);
    if (!S_ISREG(st->st_mode))
        return refuse(error, STATUS_USAGE, "%s: not a regular file", path);
    return (unsigned long long)st->st_size <= FILE_MAX_BYTES ||
           refuse(error, STATUS_USAGE, "%s: larger than 1 GiB", path);
}

bool read_file(const char *path, struct file *f, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool good;

    *f = (struct file){0};
    if (fd < 0)
        return refuse(error, STATUS_USAGE, "%s: %s", path, strerror(errno));
    if (fstat(fd, &f->st) != 0)
        good = refuse(error, STATUS_USAGE, "%s: %s", path, strerror(errno));
    else
        good = check_regular(path, &f->st, error) && read_whole(fd, path, f, error);
    close(fd);
    if (!good)
        file_free(f);
    return good;
}

void file_free(struct file *f)
{
    free(f->data);
    f->data = NULL;
}

bool read_program(const char *path, struct file *f, struct error *error)
{
    char why[PROGRAM_ERROR_MAX];

    if (!read_file(path, f, error))
        return false;
    if (program_check(f->data, f->bytes, why) == 0)
        return true;
    file_free(f);
    return refuse(error, STATUS_USAGE, "%s: %s", path, why);
}

bool open_input(const char *path, int *fd, struct error *error)
{
    struct stat st;

    *fd = path ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (*fd < 0)
        return refuse(error, STATUS_USAGE, "--stdin %s: %s", path, strerror(errno));
    if (fstat(*fd, &st) == 0 && S_ISDIR(st.st_mode))
        return refuse(error, STATUS_USAGE, "%s%s: a directory, not a file", path ? "--stdin " : "standard input",
                      path ? path : "");
    return true;
}

bool check_folder(const char *option, const char *path, struct error *error)
{
    DIR *folder = opendir(path);

    if (!folder)
        return refuse(error, STATUS_USAGE, "%s %s: %s", option, path, strerror(errno));
    closedir(folder);
    return true;
}

/* The folder above it is where it is made. */
static bool check_above(const char *option, const char *path, struct error *error)
{
    size_t bytes = strlen(path);
    char above[PATH_MAX];

    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    while (bytes && path[bytes - 1] != '/')
        bytes--;
    if (bytes >= sizeof above)
        return refuse(error, STATUS_USAGE, "%s: the path is too long", option);
    snprintf(above, sizeof above, "%.*s", bytes ? (int)bytes : 1, bytes ? path : ".");
    return access(above, W_OK | X_OK) == 0 || refuse(error, STATUS_USAGE, "%s %s: %s", option, path, strerror(errno));
}

bool check_new_folder(const char *option, const char *path, struct error *error)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    bool empty = true;

    if (!folder && errno == ENOENT)
        return check_above(option, path, error);
    if (!folder)
        return refuse(error, STATUS_USAGE, "%s %s: %s", option, path, strerror(errno));
    while ((entry = readdir(folder)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            empty = false;
    closedir(folder);
    return empty || refuse(error, STATUS_USAGE, "%s %s: the folder is not empty", option, path);
}
