/* SPDX-License-Identifier: MIT
 *
 * services/vm/pages.c: page maps, from page number to entry, for spaces and objects.
 *
 * Sparse and ordered: a tree of leaves of 16 pages (64 KiB), so that a small process
 * costs a dozen leaves, a walk over a huge empty mapping costs nothing, and neighbours
 * share a leaf. A leaf lives as long as it has entries.
 */
#include "services/vm/space.h"

static struct vm_leaf *leaf_find(struct vm_pages *pages, uint64_t page)
{
    uint64_t key = page / LEAF_PAGES;
    struct vm_leaf *leaf = pages->last;

    if (leaf && leaf->node.key == key)
        return leaf;
    leaf = (struct vm_leaf *)vm_tree_floor(&pages->leaves, key);
    if (!leaf || leaf->node.key != key)
        return NULL;
    return pages->last = leaf;
}

uint64_t vm_page_get(struct vm_pages *pages, uint64_t page)
{
    struct vm_leaf *leaf = leaf_find(pages, page);

    return leaf ? leaf->entry[page % LEAF_PAGES] : 0;
}

long vm_page_reserve(struct vm *vm, struct vm_pages *pages, uint64_t page)
{
    struct vm_leaf *leaf = leaf_find(pages, page);

    if (leaf)
        return 0;
    leaf = vm_alloc(vm, sizeof *leaf);
    if (!leaf)
        return -ENOMEM;
    vm_tree_insert(&pages->leaves, &leaf->node, page / LEAF_PAGES);
    pages->last = leaf;
    return 0;
}

void vm_page_set(struct vm_pages *pages, uint64_t page, uint64_t entry)
{
    struct vm_leaf *leaf = leaf_find(pages, page);
    uint64_t *slot = &leaf->entry[page % LEAF_PAGES];
    int change = (entry != 0) - (*slot != 0);

    *slot = entry;
    leaf->used += change;
    pages->used += change;
}

void vm_page_trim(struct vm *vm, struct vm_pages *pages, uint64_t page)
{
    struct vm_leaf *leaf = leaf_find(pages, page);

    if (!leaf || leaf->used)
        return;
    vm_tree_remove(&pages->leaves, &leaf->node);
    pages->last = NULL;
    vm->host->free(vm->host->ctx, leaf, sizeof *leaf);
}

void vm_page_prune(struct vm *vm, struct vm_pages *pages, uint64_t start, uint64_t end)
{
    struct vm_node *node = vm_tree_ceiling(&pages->leaves, start / LEAF_PAGES), *next;

    for (; node && node->key * LEAF_PAGES < end; node = next) {
        next = vm_tree_next(node);
        vm_page_trim(vm, pages, node->key * LEAF_PAGES);
    }
}

uint64_t vm_page_next(struct vm_pages *pages, uint64_t *page, uint64_t end)
{
    struct vm_leaf *leaf = leaf_find(pages, *page);

    if (!leaf)
        leaf = (struct vm_leaf *)vm_tree_ceiling(&pages->leaves, *page / LEAF_PAGES);
    while (leaf) {
        uint64_t first = leaf->node.key * LEAF_PAGES, at = *page > first ? *page : first;

        for (; at < first + LEAF_PAGES && at < end; at++) {
            if (leaf->entry[at % LEAF_PAGES]) {
                *page = at;
                return leaf->entry[at % LEAF_PAGES];
            }
        }
        if (at >= end)
            return 0;
        leaf = (struct vm_leaf *)vm_tree_next(&leaf->node);
    }
    return 0;
}
