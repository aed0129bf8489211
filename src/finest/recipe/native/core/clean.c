/* Cleaning a tree and renaming its tags: clean.py over the core's nodes. */
#include "core.h"

void clear_attributes(Node *node)
{
    node->attrs = NULL;
    node->mask = 0;
}

static bool holds_itself(Page *page, Node *tree, uint32_t tag)
{
    Walk walk = walk_tag(page, tree, tag, true);
    for (Node *node; (node = walk_on(page, &walk)) != NULL;)
        if (node->first != NULL && first_below(page, node, tag) != NULL) return true;
    return false;
}

/* Where a tag is nested in itself, trafilatura's loop loses its way, and so must ours. */
static void delete_tags(Page *page, Node *tree)
{
    bool all = (sets_of(page, tree->tag) & IN(CLEANED)) != 0, nested[128] = {false}, any = all;
    uint64_t seen[2] = {0};
    Walk walk = walk_sets(page, tree, IN(CLEANED), true);
    for (Node *node; (node = walk_on(page, &walk)) != NULL;)
        if (node->first != NULL)
            for (size_t i = 0; i < cleaned_count; i++)
                if (cleaned_tags[i] == node->tag) seen[i / 64] |= 1ull << i % 64;
    for (size_t i = 0; i < cleaned_count; i++)
        if (all || (seen[i / 64] >> i % 64 & 1 && holds_itself(page, tree, cleaned_tags[i]))) nested[i] = any = true;
    if (!any) {
        strip_subtrees(page, tree, IN(CLEANED), 0, false);
        return;
    }
    for (size_t i = 0; i < cleaned_count; i++) {
        if (!nested[i]) {
            strip_subtrees(page, tree, 0, cleaned_tags[i], false);
            continue;
        }
        walk = walk_tag(page, tree, cleaned_tags[i], true);
        for (Node *node; (node = walk_on(page, &walk)) != NULL;) delete_node(page, node);
    }
}

static void delete_empty(Page *page, Node *root)
{
    bool found = false;
    Walk walk = walk_sets(page, root, IN(CUT_EMPTY), false);
    for (Node *node; (node = walk_on(page, &walk)) != NULL;)
        if (node->first == NULL && node->text.p == NULL) {
            node->tag = T_DOOMED;
            found = true;
        }
    if (found) strip_tag_sets(page, root, 0, T_DOOMED, 0);
}

void clean(Page *page, Node *tree)
{
    Node *root = root_of(tree);
    NodeList figures = list_of(page, walk_tag(page, tree, T_FIGURE, false));
    for (size_t i = 0; i < figures.n; i++)
        if (first_below(page, figures.items[i], T_TABLE) != NULL) figures.items[i]->tag = T_DIV;
    strip_tag_sets(page, tree, IN(STRIPPED), 0, 0);
    delete_tags(page, tree);
    delete_empty(page, root);
}

static bool holds_links(uint32_t tag) { return tag == T_DIV || tag == T_UL || tag == T_TABLE; }

/* Links outside of div, ul and table get a name of their own. */
static void doom_loose_links(Page *page, Node *tree)
{
    tree->flags &= ~(uint32_t)HOLDER;
    for (Node *node = step(tree, tree); node != NULL; node = step(tree, node)) {
        const Node *parent = node->parent;
        tick(page);
        if (parent != tree && (parent->flags & HOLDER || holds_links(parent->tag))) node->flags |= HOLDER;
        else node->flags &= ~(uint32_t)HOLDER;
        if (node->tag == T_A && !(node->flags & HOLDER)) node->tag = T_DOOMED;
    }
}

static bool holds_code(Page *page, Node *pre)
{
    bool code = pre->first != NULL && pre->first->next == NULL && pre->first->tag == T_SPAN;
    Walk walk = walk_tag(page, pre, T_SPAN, false);
    for (Node *span; (span = walk_on(page, &walk)) != NULL;) {
        Str name = attribute_value(span, A_CLASS);
        if (name.n >= 4 && memcmp(name.p, "hljs", 4) == 0) {
            clear_attributes(span);
            code = true;
        }
    }
    return code;
}

static void rename_all(Page *page, Node *top, uint32_t from1, uint32_t from2, uint32_t from3, uint32_t to)
{
    for (Node *node = top; node != NULL; node = step(top, node)) {
        tick(page);
        if (node->tag == from1 || node->tag == from2 || node->tag == from3) node->tag = to;
    }
}

void convert(Page *page, Node *tree)
{
    doom_loose_links(page, tree);
    strip_tag_sets(page, tree, IN(FORMATTING), T_DOOMED, 0);
    for (Node *node = tree; node != NULL; node = step(tree, node)) {
        tick(page);
        switch (node->tag) {
        case T_BR: case T_HR: node->tag = T_LB; break;
        case T_BLOCKQUOTE: case T_Q: node->tag = T_QUOTE; break;
        case T_S: case T_STRIKE: node->tag = T_DEL; break;
        case T_DL: case T_OL: case T_UL:
            node->tag = T_LIST;
            rename_all(page, node, T_DD, T_DT, T_LI, T_ITEM);
            break;
        case T_PRE: node->tag = holds_code(page, node) ? T_CODE : T_QUOTE; break;
        case T_DETAILS:
            node->tag = T_DIV;
            rename_all(page, node, T_SUMMARY, T_SUMMARY, T_SUMMARY, T_HEAD);
            break;
        default:
            if (sets_of(page, node->tag) & IN(HEADINGS)) {
                clear_attributes(node);
                node->tag = T_HEAD;
            }
        }
    }
}
