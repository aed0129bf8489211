/* Drop boilerplate by link density: C port of extract/density.py. */
#include "core.h"

static void find_holders(FnPage *page, FnNode *tree)
{
    for (FnNode *node = tree; node != NULL; node = fn_step(tree, node)) {
        fn_tick(page);
        node->flags &= ~(uint32_t)FN_NODE_HOLDER;
    }
    FnWalk walk = fn_walk_sets(page, tree, FN_IN(LINKS), false);
    for (FnNode *link; (link = fn_walk_on(page, &walk)) != NULL;)
        for (FnNode *node = link->parent; !(node->flags & FN_NODE_HOLDER); node = node->parent) {
            node->flags |= FN_NODE_HOLDER;
            if (node == tree) break;
        }
}

static bool has_links(FnPage *page, FnNode *node) { return fn_first_of_sets(page, node, FN_IN(LINKS)) != NULL; }

static size_t limit_of(const FnNode *node, uint32_t tag)
{
    if (tag == FN_T_P) return 200;
    return node->next == NULL ? FN_DENSITY_MAX_LIMIT : 100;
}

typedef struct { size_t count, sum, brief; } Links;

static Links links_of(FnPage *page, FnNode *node, size_t brief_below)
{
    Links found = {0};
    FnWalk walk = fn_walk_sets(page, node, FN_IN(LINKS), false);
    for (FnNode *link; (link = fn_walk_on(page, &walk)) != NULL;) {
        size_t length = fn_trimmed_length(page, link, FN_NO_LIMIT);
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
    if ((double)links->sum > FN_DENSITY_MAX_SHARE * (double)length) return true;
    return links->count > 1 && (double)links->brief / (double)links->count > FN_DENSITY_MAX_SHARE;
}

static void drop_dense(FnPage *page, FnNode *tree, uint32_t tag, bool precise)
{
    FnNodeList elements = fn_list_of(page, fn_walk_tag(page, tree, tag, true)), doomed = {0};
    for (size_t i = 0; i < elements.n; i++) elements.items[i]->flags &= ~(uint32_t)FN_NODE_LONG;
    for (size_t i = elements.n; i-- > 0;) {
        FnNode *node = elements.items[i];
        if (!(node->flags & FN_NODE_HOLDER) || node->flags & FN_NODE_LONG || !has_links(page, node)) continue;
        size_t length = fn_trimmed_length(page, node, FN_DENSITY_MAX_LIMIT);
        if (length >= limit_of(node, tag)) {
            if (length >= FN_DENSITY_MAX_LIMIT)
                for (FnNode *up = node->parent; up != NULL; up = up->parent) up->flags |= FN_NODE_LONG;
            continue;
        }
        Links links = links_of(page, node, precise ? 50 : 10);
        if (is_dense(&links, length)) {
            fn_push(page, &doomed, node);
        } else if (tag == FN_T_DIV && links.count && length > 0 && length < FN_DENSITY_SHORT_SECTION &&
                   fn_child_count(node, 3) >= 3) {
            for (FnNode *child = node->first; child != NULL; child = child->next) fn_push(page, &doomed, child);
        }
    }
    for (size_t i = 0; i < doomed.n; i++) doomed.items[i]->flags &= ~(uint32_t)FN_NODE_CHOSEN;
    for (size_t i = 0; i < doomed.n; i++) {
        if (doomed.items[i]->flags & FN_NODE_CHOSEN) continue;
        doomed.items[i]->flags |= FN_NODE_CHOSEN;
        fn_delete_node(page, doomed.items[i]);
    }
}

void fn_drop_boilerplate(FnPage *page, FnNode *tree)
{
    find_holders(page, tree);
    drop_dense(page, tree, FN_T_DIV, true);
    drop_dense(page, tree, FN_T_LIST, true);
    drop_dense(page, tree, FN_T_P, true);
    while (tree->last != NULL && tree->last->tag == FN_T_HEAD) fn_unlink_node(tree->last);
    drop_dense(page, tree, FN_T_HEAD, false);
    drop_dense(page, tree, FN_T_QUOTE, false);
}

bool fn_is_link_table(FnPage *page, FnNode *table)
{
    if (!has_links(page, table)) return false;
    size_t length = fn_trimmed_length(page, table, FN_NO_LIMIT);
    if (length <= 250) return false;
    Links links = links_of(page, table, 0);
    if (links.count == 0) return true;
    return (double)links.sum > (length < 1000 ? FN_DENSITY_MAX_SHARE : 0.5) * (double)length;
}
