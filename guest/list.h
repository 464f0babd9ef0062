/* SPDX-License-Identifier: MIT
 *
 * guest/list.h: circular doubly linked lists whose links live inside their members.
 *
 * A head is a struct list that points to itself when empty; so does a member that is on no list.
 */
#ifndef RINGSIDE_GUEST_LIST_H
#define RINGSIDE_GUEST_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define LIST_MEMBER(link, type, field) ((type *)((char *)(link)-offsetof(type, field)))

static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

/* Before `place`: at the end, if place is the head. */
static inline void list_add(struct list *place, struct list *link)
{
    link->next = place;
    link->prev = place->prev;
    place->prev->next = link;
    place->prev = link;
}

static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

#endif
