/* Intrusive doubly linked list, circular with a head node. A node is in at most one list; list_remove() leaves it
 * detached (both pointers NULL). */
#ifndef DOL_LIST_H
#define DOL_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *next;
    struct list_node *prev;
};

/* The structure of type `type` whose member `member` is at `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* NOLINTBEGIN(bugprone-macro-parentheses): `pos` is a declared name. */
#define list_for_each(pos, head) for (struct list_node *pos = (head)->next; pos != (head); pos = pos->next)
/* `pos` may be removed in the body. */
#define list_for_each_safe(pos, tmp, head)                                                                             \
    for (struct list_node *pos = (head)->next, *tmp = pos->next; pos != (head); pos = tmp, tmp = pos->next)
/* NOLINTEND(bugprone-macro-parentheses) */

static inline void list_init(struct list_node *head)
{
    head->next = head->prev = head;
}

static inline bool list_is_empty(const struct list_node *head)
{
    return head->next == head;
}

static inline void list_push_back(struct list_node *head, struct list_node *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_push_front(struct list_node *head, struct list_node *node)
{
    node->next = head->next;
    node->prev = head;
    head->next->prev = node;
    head->next = node;
}

static inline void list_remove(struct list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
}

/* First node, detached; NULL when empty. */
static inline struct list_node *list_pop_front(struct list_node *head)
{
    if (list_is_empty(head))
        return NULL;
    struct list_node *node = head->next;
    list_remove(node);
    return node;
}

#endif
