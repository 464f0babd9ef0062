/* SPDX-License-Identifier: MIT
 *
 * sim/cli/guest_disk.c: see guest_disk.h; sim/files/disk.h does the work.
 */
#include "sim/cli/guest_disk.h"

#include <errno.h>
#include <string.h>

bool guest_disk_build(struct guest_disk *disk, const char *root, const char *path, const struct file *program,
                      struct disk_left_out *left_out, struct error *error)
{
    struct disk_file extra = {.path = path};
    struct disk_spec spec = {.folder = root,
                             .files = &extra,
                             .file_count = program != NULL,
                             .keep_times = true,
                             .left_out = left_out};
    struct disk_error why = {""};

    if (program) {
        extra.data = program->data;
        extra.bytes = program->bytes;
        extra.mode = 0755;
    }
    disk->slices = 1;
    disk->data = disk_build(&spec, &disk->bytes, &why);
    return disk->data || refuse(error, STATUS_USAGE, "%s", why.text);
}

bool guest_disk_check_cwd(const struct guest_disk *disk, const char *cwd, struct error *error)
{
    int r = cwd ? disk_find_directory(disk->data, disk->bytes, cwd) : 0;

    return !r || refuse(error, r == -ENOMEM ? STATUS_HOST : STATUS_USAGE, "--cwd %s: %s in the guest", cwd,
                        strerror(-r));
}

bool guest_disk_blank(struct guest_disk *disk, size_t bytes, struct error *error)
{
    struct disk_error why = {""};

    *disk = (struct guest_disk){disk_reserve(bytes, &why), bytes, 1};
    return disk->data || refuse(error, STATUS_HOST, "%s", why.text);
}

bool guest_disk_repeat(struct guest_disk *disk, unsigned slices, struct error *error)
{
    struct disk_error why = {""};
    void *copies;

    if (slices == disk->slices)
        return true;
    copies = disk_repeat(disk->data, disk->bytes, slices, &why);
    if (!copies)
        return refuse(error, STATUS_HOST, "%s", why.text);
    disk_free(disk->data, disk->bytes);
    *disk = (struct guest_disk){copies, disk->bytes * slices, slices};
    return true;
}

bool guest_disk_save(const struct guest_disk *disk, unsigned slice, const char *folder, struct error *error)
{
    struct disk_error why = {""};
    void *data = disk_slice(disk->data, disk->bytes, disk->slices, slice);

    return disk_export(data, disk->bytes / disk->slices, folder, &why) ||
           refuse(error, STATUS_HOST, "--save %s: %s", folder, why.text);
}

void guest_disk_free(struct guest_disk *disk)
{
    disk_free(disk->data, disk->bytes);
    disk->data = NULL;
}

/* Appends one name; ".." takes the last one off. */
static bool append(char path[PATH_MAX], const char *name, size_t bytes)
{
    size_t at = strlen(path);

    if (bytes == 0 || (bytes == 1 && name[0] == '.'))
        return true;
    if (bytes == 2 && name[0] == '.' && name[1] == '.') {
        char *slash = strrchr(path, '/');

        if (slash)
            *slash = 0;
        return true;
    }
    if (at + bytes + 2 > PATH_MAX)
        return false;
    path[at++] = '/';
    memcpy(path + at, name, bytes);
    path[at + bytes] = 0;
    return true;
}

static bool append_all(char path[PATH_MAX], const char *names)
{
    while (*names) {
        size_t bytes = strcspn(names, "/");

        if (!append(path, names, bytes))
            return false;
        names += bytes;
        names += *names == '/';
    }
    return true;
}

bool guest_path(const char *cwd, const char *typed, char path[PATH_MAX])
{
    path[0] = 0;
    if ((*typed != '/' && !append_all(path, cwd)) || !append_all(path, typed))
        return false;
    if (!path[0])
        strcpy(path, "/");
    return true;
}
