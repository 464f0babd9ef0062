/* SPDX-License-Identifier: MIT
 *
 * guest/lend.h: frames and spaces that ring 3 manages: a pager, or a library OS.
 *
 * An owner (a small number, not 0) takes frames, maps them into its spaces as it likes, and gives them back. What keeps the
 * kernel safe from it: it names only frames and spaces that are its own, and a frame is taken back only when nothing maps
 * it and no device moves it (pins).
 */
#ifndef RINGSIDE_GUEST_LEND_H
#define RINGSIDE_GUEST_LEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/paging.h"

/* False without memory. Once, before the rest. */
bool lend_init(void);
/* When nothing is lent any more; what was not given back is a leak and stays lost. */
void lend_fini(void);

/* A frame, or `count` contiguous ones: the first's address; 0 without memory. */
uint64_t lend_take(unsigned owner, size_t count);
/* 0; -EINVAL: not the owner's; -EBUSY: mapped or pinned. */
long lend_give(unsigned owner, uint64_t frame);
bool lend_owned(unsigned owner, uint64_t frame);
/* By anybody? */
bool lend_any(uint64_t frame);
void lend_pin(uint64_t frame);
void lend_unpin(uint64_t frame);
/* How many frames the owner has. */
size_t lend_held(unsigned owner);

/* For who takes frames from an owner by force: not those that a device moves or an env stands on (fixed: a pin of its own),
 * nor those that the owner was promised to keep. */
void lend_fix(uint64_t frame);
void lend_unfix(uint64_t frame);
void lend_keep(uint64_t frame);
bool lend_kept(uint64_t frame);
/* The owner's, and neither fixed nor kept. */
bool lend_seizable(unsigned owner, uint64_t frame);
bool lend_used(uint64_t frame);

/* An address space: a number > 0, or -ENOMEM. */
long lend_space_create(unsigned owner);
/* NULL: not the owner's. */
struct space *lend_space(unsigned owner, uint64_t number);
/* With what is still mapped in it. */
void lend_space_destroy(struct space *space);
/* 0, -EINVAL or -ENOMEM. Replaces. */
long lend_map(unsigned owner, struct space *space, uint64_t address, uint64_t frame, unsigned rights);
void lend_unmap(struct space *space, uint64_t address, uint64_t pages);
/* Whole pages below USER_TOP? */
bool lend_range(uint64_t address, uint64_t pages);

#endif
