/* SPDX-License-Identifier: MIT
 *
 * sim/cli/guest_disk.h: the simulated disk of one run: a folder of the host, one program more, room to write.
 */
#ifndef RINGSIDE_SIM_CLI_GUEST_DISK_H
#define RINGSIDE_SIM_CLI_GUEST_DISK_H

#include <limits.h>
#include <stddef.h>

#include "sim/cli/error.h"
#include "sim/cli/files.h"
#include "sim/files/disk.h"

struct guest_disk {
    void *data;
    size_t bytes;    /* of all slices */
    unsigned slices; /* sim/files/disk.h */
};

/* A disk with the files of `root` (NULL: an empty /tmp only) and, if `program` is not NULL, that file at `guest_path`
 * (absolute, normalised; its folders are made; it replaces what is there). `left_out`, zeroed, or NULL: disk.h. */
bool guest_disk_build(struct guest_disk *disk, const char *root, const char *guest_path, const struct file *program,
                      struct disk_left_out *left_out, struct error *error);
/* Is the guest's folder there that --cwd names? NULL: it was not given. */
bool guest_disk_check_cwd(const struct guest_disk *disk, const char *cwd, struct error *error);
/* One of this size, all zeroes: a saved one's content follows. */
bool guest_disk_blank(struct guest_disk *disk, size_t bytes, struct error *error);
/* A disk of one slice becomes one of `slices`, each as it was. */
bool guest_disk_repeat(struct guest_disk *disk, unsigned slices, struct error *error);
/* Writes all files of a slice (from 0) to `folder`, which is made if it is not there. */
bool guest_disk_save(const struct guest_disk *disk, unsigned slice, const char *folder, struct error *error);
void guest_disk_free(struct guest_disk *disk);

/* `typed` as seen from `cwd`, without "." and "..": an absolute path. false: too long. */
bool guest_path(const char *cwd, const char *typed, char path[PATH_MAX]);

#endif
