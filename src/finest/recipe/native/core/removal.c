/* trafilatura's two ways of removing an element from a tree: C port of extract/removal.py. */
#include "core.h"

void fn_remove_node(FnPage *page, FnNode *node)
{
    if (node->parent == NULL) fn_refuse(page, "root_removed");
    if (node->tail.p != NULL) {
        FnNode *target = node->prev != NULL ? node->prev : node->parent;
        target->tail = fn_concat3(page, target->tail, FN_LIT(" "), node->tail);
    }
    fn_unlink_node(node);
}

void fn_delete_node(FnPage *page, FnNode *node)
{
    if (node->parent == NULL) return;
    if (node->tail.n > 0) fn_join_before(page, node, node->tail);
    fn_unlink_node(node);
}
