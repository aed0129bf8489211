/* Remove the elements that the discard expressions select: C port of extract/prune.py. */
#include "core.h"

FnMarkedList fn_below(FnPage *page, FnNode *tree, FnMarkedList marked)
{
    FnMarkedList found = {fn_take(page, (marked.n + 1) * sizeof(FnMarked)), 0};
    for (size_t i = 0; i < marked.n; i++) {
        fn_tick(page);
        if (fn_is_below(tree, marked.items[i].node)) found.items[found.n++] = marked.items[i];
    }
    return found;
}

/* Remove elements expression by expression; the first that selects an element removes it. */
void fn_discard(FnPage *page, FnMarkedList marked, const uint32_t *bits, size_t n)
{
    FnNodeList selected[3] = {{0}};
    uint32_t wanted = 0;
    FN_MUST(n <= sizeof(selected) / sizeof(*selected));
    for (size_t i = 0; i < n; i++) wanted |= bits[i];
    for (size_t i = 0; i < marked.n; i++) {
        uint32_t mask = marked.items[i].mask & wanted ? fn_bits_now(&marked.items[i]) : 0;
        for (size_t j = 0; mask != 0 && j < n; j++)
            if (mask & bits[j]) {
                fn_push(page, &selected[j], marked.items[i].node);
                break;
            }
    }
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < selected[j].n; i++) fn_remove_node(page, selected[j].items[i]);
}

static FnMarkedList attached(FnPage *page, FnMarkedList marked)
{
    FnMarkedList found = {fn_take(page, (marked.n + 1) * sizeof(FnMarked)), 0};
    for (size_t i = 0; i < marked.n; i++)
        if (marked.items[i].node->parent != NULL) found.items[found.n++] = marked.items[i];
    return found;
}

static bool holds_any_text(FnPage *page, FnNode *tree)
{
    if (tree->text.n) return true;
    for (FnNode *node = fn_step(tree, tree); node != NULL; node = fn_step(tree, node)) {
        fn_tick(page);
        if (node->text.n || node->tail.n) return true;
    }
    return false;
}

static const uint32_t OVERALL_BITS[] = {FN_MARK_OVERALL, FN_MARK_HIDDEN};

static FnNode *with_backup(FnPage *page, FnNode *backup, FnMarkedList *marked)
{
    *marked = fn_mark(page, backup);
    return backup;
}

static FnNode *prune_overall(FnPage *page, FnNode *tree, FnMarkedList *marked)
{
    FnMarkedList selected = {fn_take(page, (marked->n + 1) * sizeof(FnMarked)), 0};
    for (size_t i = 0; i < marked->n; i++) {
        const FnMarked *one = &marked->items[i];
        if (one->mask & (FN_MARK_OVERALL | FN_MARK_HIDDEN) && fn_bits_now(one) & (FN_MARK_OVERALL | FN_MARK_HIDDEN))
            selected.items[selected.n++] = *one;
    }
    if (selected.n == 0) return holds_any_text(page, tree) ? tree : with_backup(page, fn_copy_tree(page, tree), marked);
    size_t old = fn_text_chars(page, tree), lost = 0;
    for (size_t i = 0; i < selected.n; i++) {
        const FnNode *node = selected.items[i].node;
        lost += fn_text_chars(page, node);
        if (node->parent == tree) lost += fn_char_count(node->tail);
    }
    if ((double)old - (double)lost > (double)old / FN_PRUNE_KEEP_SHARE) {
        fn_discard(page, selected, OVERALL_BITS, 2);
        return tree;
    }
    FnNode *backup = fn_copy_tree(page, tree);
    fn_discard(page, selected, OVERALL_BITS, 2);
    if ((double)fn_text_chars(page, tree) > (double)old / FN_PRUNE_KEEP_SHARE) return tree;
    return with_backup(page, backup, marked);
}

FnNode *fn_prune_sections(FnPage *page, FnNode *tree, FnMarkedList marked)
{
    static const uint32_t SECTION_BITS[] = {FN_MARK_PAYWALL, FN_MARK_CAPTION, FN_MARK_TEASER},
                          PRECISION_BITS[] = {FN_MARK_PRECISION};
    tree = prune_overall(page, tree, &marked);
    marked = attached(page, marked);
    fn_discard(page, marked, SECTION_BITS, 3);
    FnNodeList headers = fn_list_of(page, fn_walk_tag(page, tree, FN_T_HEADER, false));
    for (size_t i = 0; i < headers.n; i++) fn_remove_node(page, headers.items[i]);
    fn_discard(page, attached(page, marked), PRECISION_BITS, 1);
    fn_drop_boilerplate(page, tree);
    return tree;
}
