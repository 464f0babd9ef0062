/* SPDX-License-Identifier: MIT
 *
 * sim/cli/files.h: files and folders of the host that a user named.
 */
#ifndef RINGSIDE_SIM_CLI_FILES_H
#define RINGSIDE_SIM_CLI_FILES_H

#include <stddef.h>
#include <sys/stat.h>

#include "sim/cli/error.h"

struct file {
    void *data; /* malloc'd */
    size_t bytes;
    struct stat st;
};

/* Reads a regular file whole. The error names the path. */
bool read_file(const char *path, struct file *file, struct error *error);
void file_free(struct file *file);
/* The same for a program: it must be a static x86-64 Linux executable. */
bool read_program(const char *path, struct file *file, struct error *error);
/* A descriptor to read from: of --stdin, or standard input if `path` is NULL. The caller closes it. */
bool open_input(const char *path, int *fd, struct error *error);
/* A folder that can be read? `option` is what named it. */
bool check_folder(const char *option, const char *path, struct error *error);
/* A folder that does not exist yet and could be made, or is empty. */
bool check_new_folder(const char *option, const char *path, struct error *error);

#endif
