/* Clean a tree and rename its tags: C port of extract/clean.py. */
#include "core.h"

void fn_clear_attributes(FnNode *node)
{
    node->attrs = NULL;
    node->mask = 0;
}

static bool holds_itself(FnPage *page, FnNode *tree, uint32_t tag)
{
    FnWalk walk = fn_walk_tag(page, tree, tag, true);
    for (FnNode *node; (node = fn_walk_on(page, &walk)) != NULL;)
        if (node->first != NULL && fn_first_below(page, node, tag) != NULL) return true;
    return false;
}

/* If a tag is nested in itself, trafilatura's loop misses elements, and this one must miss the same ones. */
static void delete_tags(FnPage *page, FnNode *tree)
{
    bool all = (fn_sets_of(page, tree->tag) & FN_IN(CLEANED)) != 0, nested[128] = {false}, any = all;
    uint64_t seen[2] = {0};
    FnWalk walk = fn_walk_sets(page, tree, FN_IN(CLEANED), true);
    for (FnNode *node; (node = fn_walk_on(page, &walk)) != NULL;)
        if (node->first != NULL)
            for (size_t i = 0; i < fn_cleaned_count; i++)
                if (fn_cleaned_tags[i] == node->tag) seen[i / 64] |= 1ull << i % 64;
    for (size_t i = 0; i < fn_cleaned_count; i++)
        if (all || (seen[i / 64] >> i % 64 & 1 && holds_itself(page, tree, fn_cleaned_tags[i]))) nested[i] = any = true;
    if (!any) {
        fn_strip_subtrees(page, tree, FN_IN(CLEANED), 0, false);
        return;
    }
    for (size_t i = 0; i < fn_cleaned_count; i++) {
        if (!nested[i]) {
            fn_strip_subtrees(page, tree, 0, fn_cleaned_tags[i], false);
            continue;
        }
        walk = fn_walk_tag(page, tree, fn_cleaned_tags[i], true);
        for (FnNode *node; (node = fn_walk_on(page, &walk)) != NULL;) fn_delete_node(page, node);
    }
}

static void delete_empty(FnPage *page, FnNode *root)
{
    bool found = false;
    FnWalk walk = fn_walk_sets(page, root, FN_IN(CUT_EMPTY), false);
    for (FnNode *node; (node = fn_walk_on(page, &walk)) != NULL;)
        if (node->first == NULL && node->text.p == NULL) {
            node->tag = FN_T_DOOMED;
            found = true;
        }
    if (found) fn_strip_tag_sets(page, root, 0, FN_T_DOOMED, 0);
}

void fn_clean(FnPage *page, FnNode *tree)
{
    FnNode *root = fn_root_of(tree);
    FnNodeList figures = fn_list_of(page, fn_walk_tag(page, tree, FN_T_FIGURE, false));
    for (size_t i = 0; i < figures.n; i++)
        if (fn_first_below(page, figures.items[i], FN_T_TABLE) != NULL) figures.items[i]->tag = FN_T_DIV;
    fn_strip_tag_sets(page, tree, FN_IN(STRIPPED), 0, 0);
    delete_tags(page, tree);
    delete_empty(page, root);
}

static bool holds_links(uint32_t tag) { return tag == FN_T_DIV || tag == FN_T_UL || tag == FN_T_TABLE; }

/* Rename links outside of div, ul and table to a tag of their own. */
static void doom_loose_links(FnPage *page, FnNode *tree)
{
    tree->flags &= ~(uint32_t)FN_NODE_HOLDER;
    for (FnNode *node = fn_step(tree, tree); node != NULL; node = fn_step(tree, node)) {
        const FnNode *parent = node->parent;
        fn_tick(page);
        if (parent != tree && (parent->flags & FN_NODE_HOLDER || holds_links(parent->tag))) node->flags |= FN_NODE_HOLDER;
        else node->flags &= ~(uint32_t)FN_NODE_HOLDER;
        if (node->tag == FN_T_A && !(node->flags & FN_NODE_HOLDER)) node->tag = FN_T_DOOMED;
    }
}

static bool holds_code(FnPage *page, FnNode *pre)
{
    bool code = pre->first != NULL && pre->first->next == NULL && pre->first->tag == FN_T_SPAN;
    FnWalk walk = fn_walk_tag(page, pre, FN_T_SPAN, false);
    for (FnNode *span; (span = fn_walk_on(page, &walk)) != NULL;) {
        FnStr name = fn_attribute_value(span, FN_A_CLASS);
        if (name.n >= 4 && memcmp(name.p, "hljs", 4) == 0) {
            fn_clear_attributes(span);
            code = true;
        }
    }
    return code;
}

static void rename_all(FnPage *page, FnNode *top, uint32_t from1, uint32_t from2, uint32_t from3, uint32_t to)
{
    for (FnNode *node = top; node != NULL; node = fn_step(top, node)) {
        fn_tick(page);
        if (node->tag == from1 || node->tag == from2 || node->tag == from3) node->tag = to;
    }
}

void fn_convert(FnPage *page, FnNode *tree)
{
    doom_loose_links(page, tree);
    fn_strip_tag_sets(page, tree, FN_IN(FORMATTING), FN_T_DOOMED, 0);
    for (FnNode *node = tree; node != NULL; node = fn_step(tree, node)) {
        fn_tick(page);
        switch (node->tag) {
        case FN_T_BR: case FN_T_HR: node->tag = FN_T_LB; break;
        case FN_T_BLOCKQUOTE: case FN_T_Q: node->tag = FN_T_QUOTE; break;
        case FN_T_S: case FN_T_STRIKE: node->tag = FN_T_DEL; break;
        case FN_T_DL: case FN_T_OL: case FN_T_UL:
            node->tag = FN_T_LIST;
            rename_all(page, node, FN_T_DD, FN_T_DT, FN_T_LI, FN_T_ITEM);
            break;
        case FN_T_PRE: node->tag = holds_code(page, node) ? FN_T_CODE : FN_T_QUOTE; break;
        case FN_T_DETAILS:
            node->tag = FN_T_DIV;
            rename_all(page, node, FN_T_SUMMARY, FN_T_SUMMARY, FN_T_SUMMARY, FN_T_HEAD);
            break;
        default:
            if (fn_sets_of(page, node->tag) & FN_IN(HEADINGS)) {
                fn_clear_attributes(node);
                node->tag = FN_T_HEAD;
            }
        }
    }
}
