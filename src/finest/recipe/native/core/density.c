/* Link density: density.py over the core's nodes. */
#include "core.h"

#define MAX_SHARE 0.8
enum { MAX_LIMIT = 300, SHORT_SECTION = 200 };

static void find_holders(Page *page, Node *tree)
{
    for (Node *node = tree; node != NULL; node = step(tree, node)) {
        tick(page);
        node->flags &= ~(uint32_t)HOLDER;
    }
    Walk walk = walk_sets(page, tree, IN(LINKS), false);
    for (Node *link; (link = walk_on(page, &walk)) != NULL;)
        for (Node *node = link->parent; !(node->flags & HOLDER); node = node->parent) {
            node->flags |= HOLDER;
            if (node == tree) break;
        }
}

static bool has_links(Page *page, Node *node) { return first_of_sets(page, node, IN(LINKS)) != NULL; }

static size_t limit_of(const Node *node, uint32_t tag)
{
    if (tag == T_P) return 200;
    return node->next == NULL ? MAX_LIMIT : 100;
}

typedef struct { size_t count, sum, brief; } Links;

static Links links_of(Page *page, Node *node, size_t brief_below)
{
    Links found = {0};
    Walk walk = walk_sets(page, node, IN(LINKS), false);
    for (Node *link; (link = walk_on(page, &walk)) != NULL;) {
        size_t length = trimmed_length(page, link, NO_LIMIT);
        if (length == 0) continue;
        found.count++;
        found.sum += length;
        found.brief += length < brief_below;
    }
    return found;
}

static bool is_dense(const Links *links, size_t length)
{
    if (links->count == 0) return true;
    if ((double)links->sum > MAX_SHARE * (double)length) return true;
    return links->count > 1 && (double)links->brief / (double)links->count > MAX_SHARE;
}

static void drop_dense(Page *page, Node *tree, uint32_t tag, bool precise)
{
    NodeList elements = list_of(page, walk_tag(page, tree, tag, true)), doomed = {0};
    for (size_t i = 0; i < elements.n; i++) elements.items[i]->flags &= ~(uint32_t)LONG;
    for (size_t i = elements.n; i-- > 0;) {
        Node *node = elements.items[i];
        if (!(node->flags & HOLDER) || node->flags & LONG || !has_links(page, node)) continue;
        size_t length = trimmed_length(page, node, MAX_LIMIT);
        if (length >= limit_of(node, tag)) {
            if (length >= MAX_LIMIT)
                for (Node *up = node->parent; up != NULL; up = up->parent) up->flags |= LONG;
            continue;
        }
        Links links = links_of(page, node, precise ? 50 : 10);
        if (is_dense(&links, length)) {
            push(page, &doomed, node);
        } else if (tag == T_DIV && links.count && length > 0 && length < SHORT_SECTION && child_count(node, 3) >= 3) {
            for (Node *child = node->first; child != NULL; child = child->next) push(page, &doomed, child);
        }
    }
    for (size_t i = 0; i < doomed.n; i++) doomed.items[i]->flags &= ~(uint32_t)CHOSEN;
    for (size_t i = 0; i < doomed.n; i++) {
        if (doomed.items[i]->flags & CHOSEN) continue;
        doomed.items[i]->flags |= CHOSEN;
        delete_node(page, doomed.items[i]);
    }
}

void drop_boilerplate(Page *page, Node *tree)
{
    find_holders(page, tree);
    drop_dense(page, tree, T_DIV, true);
    drop_dense(page, tree, T_LIST, true);
    drop_dense(page, tree, T_P, true);
    while (tree->last != NULL && tree->last->tag == T_HEAD) unlink_node(tree->last);
    drop_dense(page, tree, T_HEAD, false);
    drop_dense(page, tree, T_QUOTE, false);
}

bool is_link_table(Page *page, Node *table)
{
    if (!has_links(page, table)) return false;
    size_t length = trimmed_length(page, table, NO_LIMIT);
    if (length <= 250) return false;
    Links links = links_of(page, table, 0);
    if (links.count == 0) return true;
    return (double)links.sum > (length < 1000 ? MAX_SHARE : 0.5) * (double)length;
}
