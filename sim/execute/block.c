/* SPDX-License-Identifier: MIT
 *
 * sim/execute/block.c: see block.h. Descriptors lie densely in the order in which they were first
 * run; a hash with linear probing finds their numbers. All are forgotten when there is no more
 * room.
 */
#include "sim/execute/block.h"

#include <stdlib.h>
#include <string.h>

enum { HASH_BITS = 17, HASH_SIZE = 1 << HASH_BITS };

#define DROPPED UINT32_MAX /* as an address: RAM ends before */

_Static_assert(BLOCKS_MAX == HASH_SIZE / 2, "a hash with room");

struct block_table {
    uint32_t hash[HASH_SIZE];                                     /* number of a block; 0: empty */
    struct block blocks[BLOCKS_MAX] __attribute__((aligned(64))); /* number 0 is nobody */
    uint32_t used;
    struct block_plan plans[BLOCKS_MAX]; /* by the blocks' numbers */
    struct plan_step *steps;
    size_t step_count, step_room;
};

struct block_table *block_table_create(void)
{
    struct block_table *t = aligned_alloc(64, (sizeof *t + 63) & ~63ul);

    if (!t)
        return NULL;
    memset(t, 0, sizeof *t);
    t->used = 1;
    return t;
}

void block_table_destroy(struct block_table *table)
{
    if (table)
        free(table->steps);
    free(table);
}

void block_table_clear(struct block_table *table)
{
    memset(table->hash, 0, sizeof table->hash);
    table->used = 1;
    table->step_count = 0;
}

bool block_table_full(const struct block_table *table)
{
    return table->used == BLOCKS_MAX;
}

const struct block_plan *block_plan(const struct block_table *table, const struct block *b)
{
    return &table->plans[b - table->blocks];
}

const struct plan_step *block_steps(const struct block_table *table)
{
    return table->steps;
}

bool block_set_plan(struct block_table *table, const struct block *b, const struct plan_builder *plan, size_t count,
                    bool syncs)
{
    struct block_plan *p = &table->plans[b - table->blocks];

    if (table->step_count + count > table->step_room) {
        size_t room = (table->step_count + count) * 2 + 4096;
        struct plan_step *steps = realloc(table->steps, room * sizeof *steps);

        if (!steps)
            return false;
        table->steps = steps;
        table->step_room = room;
    }
    if (count > 0)
        memcpy(&table->steps[table->step_count], plan->steps, count * sizeof *plan->steps);
    *p = (struct block_plan){(uint32_t)table->step_count, (uint16_t)count, (uint8_t)plan->trust & 63, plan->partial,
                             syncs};
    table->step_count += count;
    return true;
}

void block_drop_page(struct block_table *table, uint64_t frame)
{
    for (uint32_t i = 1; i < table->used; i++) {
        struct block *b = &table->blocks[i];

        if (b->address != DROPPED && (b->address >> 12 == frame || (b->address + b->size - 1u) >> 12 == frame))
            b->address = DROPPED, b->key = 0; /* its number stays taken, and if it runs now it is settled by its size */
    }
}

void block_forget_keys(struct block_table *table)
{
    for (uint32_t i = 1; i < table->used; i++)
        table->blocks[i].key = 0;
}

struct block *block_all(struct block_table *table)
{
    return table->blocks;
}

static uint32_t slot_of(uint64_t address)
{
    return (uint32_t)(address * 0x9e3779b1u) >> (32 - HASH_BITS);
}

static bool is_it(const struct block *b, uint64_t address, uint32_t size)
{
    return b->address == (uint32_t)address && b->size == size;
}

static struct block *find_in_hash(struct block_table *t, uint64_t address, uint32_t size)
{
    for (uint32_t i = slot_of(address); t->hash[i]; i = (i + 1) & (HASH_SIZE - 1))
        if (is_it(&t->blocks[t->hash[i]], address, size))
            return &t->blocks[t->hash[i]];
    return NULL;
}

struct block *block_find(struct block_table *table, struct block *before, uint64_t address, uint32_t size)
{
    struct block *b;

    if (before && is_it(&table->blocks[before->next[0]], address, size))
        return &table->blocks[before->next[0]];
    if (before && is_it(&table->blocks[before->next[1]], address, size))
        return &table->blocks[before->next[1]];
    b = find_in_hash(table, address, size);
    if (b && before) {
        before->next[1] = before->next[0];
        before->next[0] = (uint32_t)(b - table->blocks);
    }
    return b;
}

struct block *block_add(struct block_table *table, uint64_t address, uint32_t size, const struct block_place *place)
{
    uint32_t i = slot_of(address);
    struct block *b;

    if (block_table_full(table))
        block_table_clear(table);
    while (table->hash[i])
        i = (i + 1) & (HASH_SIZE - 1);
    table->hash[i] = table->used;
    b = &table->blocks[table->used++];
    *b = (struct block){.address = (uint32_t)address,
                        .size = (uint16_t)size,
                        .cause = place->cause,
                        .event = place->event & 7,
                        .in_copy_routine = place->in_copy_routine & 1};
    return b;
}
