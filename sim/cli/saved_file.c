/* SPDX-License-Identifier: MIT
 *
 * sim/cli/saved_file.c: see saved_file.h.
 */
#include "sim/cli/saved_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cli/output.h"

#define PAGE 4096
#define STATE_MAX (1u << 20)
#define TEXT_ENDS(array) (memchr(array, 0, sizeof array) != NULL)

static const char magic[8] = "RSGUEST";

_Static_assert(sizeof(struct saved_header) == 1200, "this is a file's format: another layout is another SAVED_VERSION");
_Static_assert(sizeof(struct saved_chunk) == 24 && sizeof(struct saved_domain) == 48, "as above");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file's numbers are little-endian");

/* ---- writing ---- */

struct writer {
    FILE *out;
    struct sha256_ctx sha;
    bool good;
};

static void put(struct writer *w, const void *data, size_t bytes)
{
    sha256_update(&w->sha, bytes, data);
    w->good = w->good && fwrite(data, 1, bytes, w->out) == bytes;
}

static void put_chunk(struct writer *w, enum saved_kind kind, uint64_t at, const void *data, size_t bytes)
{
    struct saved_chunk chunk = {.kind = kind, .at = at, .bytes = bytes};

    put(w, &chunk, sizeof chunk);
    if (bytes)
        put(w, data, bytes);
}

/* `bytes` is a multiple of PAGE. */
static bool is_zero(const char *page)
{
    static const char zero[PAGE];

    return memcmp(page, zero, PAGE) == 0;
}

static void put_pages(struct writer *w, enum saved_kind kind, const char *data, size_t bytes)
{
    for (size_t at = 0, end; at < bytes; at = end) {
        end = at + PAGE;
        if (is_zero(data + at))
            continue;
        while (end < bytes && !is_zero(data + end))
            end += PAGE;
        put_chunk(w, kind, at, data + at, end - at);
    }
}

static void put_guest(struct writer *w, const struct saved_guest *guest, const struct machine *machine)
{
    struct saved_domain domain;

    put_chunk(w, CHUNK_STATE, 0, guest->state, guest->state_bytes);
    for (size_t i = 0; saved_domain(machine, i, &domain); i++)
        put_chunk(w, CHUNK_DOMAIN, 0, &domain, sizeof domain);
    put_pages(w, CHUNK_MEMORY, guest->memory, guest->memory_bytes);
}

static void put_digest(struct writer *w)
{
    struct digest digest;

    sha256_digest(&w->sha, sizeof digest.byte, digest.byte);
    w->good = w->good && fwrite(&digest, sizeof digest, 1, w->out) == 1;
}

bool saved_file_write(const char *path, struct saved_header *header, const struct machine *machine, const void *disk,
                      const void *program, size_t program_bytes, struct error *error)
{
    struct writer w = {.good = true};
    struct saved_guest guest;
    struct output output;

    if (!output_open(&output, "the saved guest", path, error))
        return false;
    w.out = output.file;
    saved_guest(machine, &guest);
    memcpy(header->magic, magic, sizeof magic);
    header->version = SAVED_VERSION;
    header->memory_bytes = guest.memory_bytes;
    sha256_init(&w.sha);
    put(&w, header, sizeof *header);
    put_guest(&w, &guest, machine);
    put_pages(&w, CHUNK_DISK, disk, header->disk_bytes);
    put_chunk(&w, CHUNK_PROGRAM, 0, program, program_bytes);
    put_chunk(&w, CHUNK_END, 0, NULL, 0);
    put_digest(&w);
    return output_close(&output, true, error);
}

/* ---- reading ---- */

static bool malformed(const struct saved_file *s, const char *what, struct error *error)
{
    return refuse(error, STATUS_USAGE, "%s: malformed: %s", s->path, what);
}

static bool check_digest(const struct saved_file *s, struct error *error)
{
    struct digest said, found;
    struct sha256_ctx sha;
    size_t bytes = s->file.bytes - sizeof said;

    memcpy(&said, (const char *)s->file.data + bytes, sizeof said);
    sha256_init(&sha);
    sha256_update(&sha, bytes, s->file.data);
    sha256_digest(&sha, sizeof found.byte, found.byte);
    return digest_equal(&said, &found) ||
           refuse(error, STATUS_USAGE, "%s: damaged or truncated: its SHA-256 is another; save the guest again",
                  s->path);
}

static bool check_file(struct saved_file *s, struct error *error)
{
    struct saved_header *h = &s->header;

    if (s->file.bytes < sizeof magic || memcmp(s->file.data, magic, sizeof magic) != 0)
        return refuse(error, STATUS_USAGE, "%s: not a saved guest; 'ringside exec vmm --save-at MS FILE' makes one",
                      s->path);
    if (s->file.bytes < sizeof *h + sizeof(struct digest))
        return refuse(error, STATUS_USAGE, "%s: truncated; save the guest again", s->path);
    memcpy(h, s->file.data, sizeof *h);
    if (h->version != SAVED_VERSION)
        return refuse(error, STATUS_USAGE, "%s: a saved guest of version %u; this ringside reads version %d", s->path,
                      h->version, SAVED_VERSION);
    return check_digest(s, error);
}

static bool check_header(const struct saved_file *s, struct error *error)
{
    const struct saved_header *h = &s->header;
    bool texts =
        TEXT_ENDS(h->arch) && TEXT_ENDS(h->settings) && TEXT_ENDS(h->name) && TEXT_ENDS(h->domain) && TEXT_ENDS(h->cpu);

    for (size_t i = 0; i < SAVED_IMAGES_MAX; i++)
        texts = texts && TEXT_ENDS(h->image[i].path);
    if (!texts)
        return malformed(s, "a name without an end", error);
    if (h->cpus < 1 || h->cpus > MACHINE_CPUS_MAX || h->model > MODEL_COUNT || h->images < 1 ||
        h->images > SAVED_IMAGES_MAX)
        return malformed(s, "no such machine", error);
    return (h->disk_bytes && h->disk_bytes % PAGE == 0) || malformed(s, "no such disk", error);
}

/* The chunk at *at, and behind it *at; NULL: it is not all there. */
static const void *next_chunk(const struct saved_file *s, size_t *at, struct saved_chunk *chunk)
{
    const char *data = s->file.data;
    size_t end = s->file.bytes - sizeof(struct digest);

    if (end - *at < sizeof *chunk)
        return NULL;
    memcpy(chunk, data + *at, sizeof *chunk);
    *at += sizeof *chunk;
    if (chunk->bytes > end - *at)
        return NULL;
    *at += chunk->bytes;
    return data + *at - chunk->bytes;
}

static bool is_within(const struct saved_chunk *chunk, uint64_t bytes)
{
    return chunk->at <= bytes && chunk->bytes <= bytes - chunk->at;
}

static bool is_sound(const struct saved_header *h, const struct saved_chunk *chunk, const void *data)
{
    switch (chunk->kind) {
    case CHUNK_END:
        return chunk->bytes == 0;
    case CHUNK_STATE:
        return chunk->bytes && chunk->bytes <= STATE_MAX;
    case CHUNK_MEMORY:
        return is_within(chunk, h->memory_bytes);
    case CHUNK_DISK:
        return is_within(chunk, h->disk_bytes);
    case CHUNK_DOMAIN:
        return chunk->bytes == sizeof(struct saved_domain) && memchr(data, 0, sizeof(((struct saved_domain *)0)->name));
    default:
        return chunk->kind == CHUNK_PROGRAM;
    }
}

static bool check_chunks(struct saved_file *s, struct error *error)
{
    struct saved_chunk chunk;
    unsigned count[CHUNK_KINDS] = {0};
    size_t at = sizeof s->header;

    while (!count[CHUNK_END]) {
        const void *data = next_chunk(s, &at, &chunk);

        if (!data || !is_sound(&s->header, &chunk, data))
            return malformed(s, "a part of it makes no sense", error);
        count[chunk.kind]++;
        if (chunk.kind == CHUNK_PROGRAM && chunk.bytes) {
            s->program = data;
            s->program_bytes = chunk.bytes;
        }
    }
    return (at == s->file.bytes - sizeof(struct digest) && count[CHUNK_STATE] == 1 && count[CHUNK_PROGRAM] == 1) ||
           malformed(s, "parts of it are missing, or too many", error);
}

bool saved_file_read(struct saved_file *s, const char *path, struct error *error)
{
    *s = (struct saved_file){.path = path};
    return read_file(path, &s->file, error) && check_file(s, error) && check_header(s, error) && check_chunks(s, error);
}

void saved_file_free(struct saved_file *s)
{
    file_free(&s->file);
}

/* ---- into a machine ---- */

static bool load_domain(struct machine *machine, const void *data)
{
    struct saved_domain domain;

    memcpy(&domain, data, sizeof domain);
    return saved_put_domain(machine, &domain);
}

static bool load_chunk(const struct saved_file *s, const struct saved_chunk *chunk, const void *data,
                       struct machine *machine, char *disk, struct error *error)
{
    char why[MACHINE_ERROR_MAX];

    switch (chunk->kind) {
    case CHUNK_STATE:
        return saved_put_state(machine, data, chunk->bytes, why) == 0 || refuse(error, STATUS_HOST, "%s", why);
    case CHUNK_MEMORY:
        return saved_put_memory(machine, chunk->at, data, chunk->bytes) ||
               malformed(s, "its memory is larger than a guest's", error);
    case CHUNK_DISK:
        memcpy(disk + chunk->at, data, chunk->bytes);
        return true;
    case CHUNK_DOMAIN:
        return load_domain(machine, data) || malformed(s, "a name is of no guest, or given twice", error);
    default:
        return true;
    }
}

bool saved_file_load(const struct saved_file *s, struct machine *machine, void *disk, struct error *error)
{
    struct saved_chunk chunk = {.kind = CHUNK_KINDS};
    struct saved_guest guest;
    size_t at = sizeof s->header;

    saved_guest(machine, &guest);
    if (guest.memory_bytes != s->header.memory_bytes)
        return malformed(s, "its guest has another amount of memory", error);
    while (chunk.kind != CHUNK_END) {
        const void *data = next_chunk(s, &at, &chunk);

        if (!load_chunk(s, &chunk, data, machine, disk, error))
            return false;
    }
    return true;
}
