/* SPDX-License-Identifier: MIT
 *
 * sim/cli/digest.h: SHA-256 of things that have names: the key of a cached result is one of these.
 *
 * Every part goes in with its label and its length, so that no two different lists of parts are the same bytes.
 */
#ifndef RINGSIDE_SIM_CLI_DIGEST_H
#define RINGSIDE_SIM_CLI_DIGEST_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest {
    uint8_t byte[SHA256_DIGEST_SIZE];
};

struct hasher {
    struct sha256_ctx sha;
};

void hash_start(struct hasher *hasher);
void hash_part(struct hasher *hasher, const char *label, const void *data, size_t bytes);
void hash_text(struct hasher *hasher, const char *label, const char *text);
void hash_number(struct hasher *hasher, const char *label, uint64_t number);
/* The whole content of a file. false: it cannot be read. */
bool hash_file(struct hasher *hasher, const char *label, const char *path);
void hash_end(struct hasher *hasher, struct digest *digest);

struct digest digest_of(const void *data, size_t bytes);
bool digest_equal(const struct digest *a, const struct digest *b);
#define DIGEST_TEXT_MAX (2 * SHA256_DIGEST_SIZE + 1)
/* In hexadecimal. */
void digest_text(const struct digest *digest, char text[DIGEST_TEXT_MAX]);

#endif
