/* SPDX-License-Identifier: MIT
 *
 * services/vm/tree.c: a treap (Seidel and Aragon, 1996). See tree.h.
 */
#include "services/vm/tree.h"

#include <stddef.h>

/* xorshift32 (Marsaglia, 2003). */
static uint32_t next_random(struct vm_tree *tree)
{
    uint32_t x = tree->random ? tree->random : 2463534242u;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return tree->random = x;
}

static void replace_child(struct vm_tree *tree, struct vm_node *old, struct vm_node *with)
{
    struct vm_node *parent = old->parent;

    if (!parent)
        tree->root = with;
    else if (parent->left == old)
        parent->left = with;
    else
        parent->right = with;
    if (with)
        with->parent = parent;
}

/* `node` takes the place of its parent, which becomes its child. */
static void rotate_up(struct vm_tree *tree, struct vm_node *node)
{
    struct vm_node *parent = node->parent;
    int is_left = parent->left == node;
    struct vm_node *inner = is_left ? node->right : node->left;

    replace_child(tree, parent, node);
    *(is_left ? &node->right : &node->left) = parent;
    parent->parent = node;
    *(is_left ? &parent->left : &parent->right) = inner;
    if (inner)
        inner->parent = parent;
}

void vm_tree_insert(struct vm_tree *tree, struct vm_node *node, uint64_t key)
{
    struct vm_node **link = &tree->root, *parent = NULL;

    while (*link) {
        parent = *link;
        link = key < parent->key ? &parent->left : &parent->right;
    }
    node->left = node->right = NULL;
    node->parent = parent;
    node->key = key;
    node->priority = next_random(tree);
    *link = node;
    while (node->parent && node->parent->priority < node->priority)
        rotate_up(tree, node);
}

void vm_tree_remove(struct vm_tree *tree, struct vm_node *node)
{
    while (node->left && node->right)
        rotate_up(tree, node->left->priority > node->right->priority ? node->left : node->right);
    replace_child(tree, node, node->left ? node->left : node->right);
}

struct vm_node *vm_tree_floor(const struct vm_tree *tree, uint64_t key)
{
    struct vm_node *node = tree->root, *best = NULL;

    while (node) {
        if (node->key == key)
            return node;
        if (node->key < key)
            best = node;
        node = node->key < key ? node->right : node->left;
    }
    return best;
}

struct vm_node *vm_tree_ceiling(const struct vm_tree *tree, uint64_t key)
{
    struct vm_node *node = tree->root, *best = NULL;

    while (node) {
        if (node->key == key)
            return node;
        if (node->key > key)
            best = node;
        node = node->key < key ? node->right : node->left;
    }
    return best;
}

struct vm_node *vm_tree_next(struct vm_node *node)
{
    if (node->right) {
        for (node = node->right; node->left;)
            node = node->left;
        return node;
    }
    while (node->parent && node->parent->right == node)
        node = node->parent;
    return node->parent;
}

struct vm_node *vm_tree_previous(struct vm_node *node)
{
    if (node->left) {
        for (node = node->left; node->right;)
            node = node->right;
        return node;
    }
    while (node->parent && node->parent->left == node)
        node = node->parent;
    return node->parent;
}
