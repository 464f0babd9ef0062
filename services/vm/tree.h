/* SPDX-License-Identifier: MIT
 *
 * services/vm/tree.h: an ordered tree of nodes that live inside other structures.
 *
 * A treap: a search tree by key that is also a heap by a pseudo-random priority, so it
 * stays shallow without any balancing rules. The priorities come from a generator in
 * the tree, so the shape is the same in every run. No allocation, no failure.
 */
#ifndef RINGSIDE_SERVICES_VM_TREE_H
#define RINGSIDE_SERVICES_VM_TREE_H

#include <stdint.h>

struct vm_node {
    struct vm_node *left, *right, *parent;
    uint64_t key; /* may change while the node is in the tree as long as the order stays the same */
    uint32_t priority;
};

struct vm_tree {
    struct vm_node *root;
    uint32_t random;
};

/* `key` must not be in the tree yet. */
void vm_tree_insert(struct vm_tree *tree, struct vm_node *node, uint64_t key);
void vm_tree_remove(struct vm_tree *tree, struct vm_node *node);
/* The node with the greatest key <= `key`, or the least key >= `key`; NULL: none. */
struct vm_node *vm_tree_floor(const struct vm_tree *tree, uint64_t key);
struct vm_node *vm_tree_ceiling(const struct vm_tree *tree, uint64_t key);
struct vm_node *vm_tree_next(struct vm_node *node);
struct vm_node *vm_tree_previous(struct vm_node *node);

#endif
