/* SPDX-License-Identifier: MIT
 *
 * sim/files/image.h: ELF files on libelf: loading segments, and symbols.
 */
#ifndef RINGSIDE_SIM_IMAGE_H
#define RINGSIDE_SIM_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_ERROR_MAX 256

struct symbols;

/* A whole file in memory; the caller frees. NULL and one line in `error`. */
void *image_read_file(const char *path, size_t *bytes, char error[IMAGE_ERROR_MAX]);

struct image_segment {
    uint64_t physical, virtual_address, offset, file_bytes, memory_bytes;
};
#define IMAGE_SEGMENTS_MAX 16

struct image {
    uint64_t entry;
    struct image_segment segments[IMAGE_SEGMENTS_MAX];
    size_t segment_count;
};

/* A static ELF64 x86-64 executable. 0, or -1 and `error`. */
int image_parse(struct image *image, const void *elf, size_t bytes, char error[IMAGE_ERROR_MAX]);

/* The file's bytes at a virtual address; NULL: no segment has so many there. */
const void *image_bytes(const void *elf, size_t elf_bytes, uint64_t address, size_t bytes);

/* Function symbols, sorted. NULL if there are none (stripped) or no memory. */
struct symbols *symbols_read(const void *elf, size_t bytes);
void symbols_free(struct symbols *symbols);
/* The function that holds `address`, and how far into it; NULL: none. */
const char *symbols_name(const struct symbols *symbols, uint64_t address, uint64_t *offset);
/* The value of a symbol by name; false: no such symbol. */
bool symbols_value(const struct symbols *symbols, const char *name, uint64_t *value);

/* What the symbols say of a pc: which listed routine or cause range it is in. */
enum symbol_role {
    ROLE_NONE,
    ROLE_COPY = 1 << 0,     /* in a routine of abi/copy_routines.def */
    ROLE_MESSAGE = 1 << 1,  /* in a routine of abi/message_routines.def */
    ROLE_ENTRY = 1 << 2,    /* at its first instruction */
    ROLE_SCHEDULE = 1 << 3, /* in __cause_schedule_begin…end */
    ROLE_EMULATION = 1 << 4, /* in __cause_emulation_begin…end */
    ROLE_SHADOW = 1 << 5,    /* in __cause_shadow_begin…end */
    ROLE_SHADOW_WRITE = 1 << 6, /* in a routine of abi/shadow_routines.def */
};
unsigned symbols_role(const struct symbols *symbols, uint64_t pc);
/* Does a routine of this role begin in pc … pc + bytes? Code may run into one from what stands before it. */
bool symbols_enters(const struct symbols *symbols, uint64_t pc, uint64_t bytes, enum symbol_role role);

#endif
