/* SPDX-License-Identifier: MIT
 *
 * sim/cli/saved_file.h: a guest in a file (--save-at, --restore).
 *
 * The file is struct saved_header, then chunks, each a struct saved_chunk and its bytes, the last one CHUNK_END, then
 * the SHA-256 of all that. Pages of memory and disk that are zero are left out. Numbers are little-endian. Nothing in
 * it is believed: neither what a file says of itself, nor that it is as long as it says; a file with a right digest may
 * still be nonsense, and is then refused, or ends in the simulated machine.
 */
#ifndef RINGSIDE_SIM_CLI_SAVED_FILE_H
#define RINGSIDE_SIM_CLI_SAVED_FILE_H

#include "sim/cli/catalogue.h"
#include "sim/cli/digest.h"
#include "sim/cli/files.h"
#include "sim/cli/record.h"
#include "sim/saved.h"

#define SAVED_VERSION 1
#define SAVED_IMAGES_MAX 4
#define SAVED_NAME_MAX 64

struct saved_image {
    char path[SAVED_NAME_MAX]; /* below build/images */
    struct digest digest;
};

/* All strings end within their arrays. */
struct saved_header {
    char magic[8];
    uint32_t version;
    uint32_t model, cpus, images;
    uint64_t memory_bytes, disk_bytes;
    uint64_t input_bytes;      /* of standard input that the guest has had */
    char arch[SAVED_NAME_MAX]; /* "vmm:monolithic" */
    char settings[SETTINGS_TEXT_MAX];
    char name[RECORD_NAME_MAX]; /* of the program, in results */
    char domain[SAVED_NAME_MAX];
    char cpu[32];
    struct digest cpu_digest;
    struct saved_image image[SAVED_IMAGES_MAX]; /* the monitor's first */
};

enum saved_kind {
    CHUNK_END,
    CHUNK_STATE,   /* the monitor's */
    CHUNK_MEMORY,  /* at an offset in the guest's memory */
    CHUNK_DISK,    /* at an offset of the disk */
    CHUNK_DOMAIN,  /* struct saved_domain */
    CHUNK_PROGRAM, /* the program's file, for its symbols */
    CHUNK_KINDS,
};

struct saved_chunk {
    uint32_t kind, reserved;
    uint64_t at; /* the offset; else 0 */
    uint64_t bytes;
};

struct saved_file {
    const char *path; /* the caller's */
    struct file file;
    struct saved_header header;
    const void *program; /* in `file`; NULL: not there */
    size_t program_bytes;
};

/* Written under another name beside `path`, which becomes the new file when that is complete. header->magic and
 * ->version need not be set; its sizes are the machine's and the disk's. */
bool saved_file_write(const char *path, struct saved_header *header, const struct machine *machine, const void *disk,
                      const void *program, size_t program_bytes, struct error *error);
/* Reads and checks all of it. The caller frees it in any case. */
bool saved_file_read(struct saved_file *saved, const char *path, struct error *error);
void saved_file_free(struct saved_file *saved);
/* Memory, state and names go into a machine that has its images, the disk's content to `disk`, which is zero. */
bool saved_file_load(const struct saved_file *saved, struct machine *machine, void *disk, struct error *error);

#endif
