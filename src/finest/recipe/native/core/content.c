/* Extract the main text by trafilatura's own rules: C port of extract/content.py. */
#include "core.h"

typedef struct { size_t chars, kept; bool begun, trimmed; FnTrimmed words; } Length;

static void measure(Length *length, FnStr text)
{
    if (length->trimmed) {
        fn_trimmed_add(&length->words, text, FN_NO_LIMIT);
        return;
    }
    for (const char *p = text.p, *end = text.p + text.n; p < end;) {
        unsigned char byte = (unsigned char)*p;
        size_t n = FN_BYTE_KIND[byte] ? fn_space_at(p, end) : 0;
        if (n) {
            p += n;
            length->chars += length->begun;
            continue;
        }
        p++;
        length->begun = true;
        length->chars += (byte & 0xc0) != 0x80;
        length->kept = length->chars;
    }
}

static void measure_next(Length *length, FnStr text, bool *first)
{
    if (text.p == NULL) return;
    if (!*first) measure(length, FN_LIT(" "));
    *first = false;
    measure(length, text);
}

size_t fn_joined_length(FnPage *page, const FnNode *body, bool trimmed)
{
    Length length = {0};
    bool first = true;
    const FnNode *node = body;
    length.trimmed = trimmed;
    for (;;) {
        measure_next(&length, node->text, &first);
        fn_tick(page);
        if (node->first != NULL) {
            node = node->first;
            continue;
        }
        while (node != body) {
            measure_next(&length, node->tail, &first);
            if (node->next != NULL) break;
            node = node->parent;
        }
        if (node == body) break;
        node = node->next;
    }
    return trimmed ? length.words.chars : length.kept;
}

static FnNode *first_marked(FnPage *page, FnNode *tree, FnMarkedList marked, uint32_t bit)
{
    for (size_t i = 0; i < marked.n; i++) {
        const FnMarked *one = &marked.items[i];
        fn_tick(page);
        if (one->mask & bit && fn_bits_now(one) & bit && fn_is_below(tree, one->node)) return one->node;
    }
    return NULL;
}

static FnNode *first_main(FnPage *page, FnNode *tree, FnMarkedList marked)
{
    FnNode *named = first_marked(page, tree, marked, FN_MARK_BODY_4), *main = fn_first_below(page, tree, FN_T_MAIN);
    if (named == NULL || main == NULL) return named != NULL ? named : main;
    FnNode *node = fn_step(tree, tree);
    while (node != named && node != main) node = fn_step(tree, node);
    return node;
}

static FnNode *choose(FnPage *page, FnNode *tree, FnMarkedList marked, int choice)
{
    switch (choice) {
    case 0: return first_marked(page, tree, marked, FN_MARK_BODY_0);
    case 1: return fn_first_below(page, tree, FN_T_ARTICLE);
    case 2: return first_marked(page, tree, marked, FN_MARK_BODY_2);
    case 3: return first_marked(page, tree, marked, FN_MARK_BODY_3);
    default: return first_main(page, tree, marked);
    }
}

/* Whether the paragraphs of the whole page have at least MIN_CHARS characters; nested paragraphs count once. */
static bool has_paragraphs(FnPage *page, FnNode *root)
{
    size_t chars = 0;
    for (FnNode *top = root; top != NULL; top = top->next) {
        FnNode *node = top;
        while (node != NULL) {
            fn_tick(page);
            if (node->tag != FN_T_P) {
                node = fn_step(top, node);
                continue;
            }
            chars += fn_text_chars(page, node);
            if (chars >= FN_MIN_CHARS) return true;
            while (node != top && node->next == NULL) node = node->parent;
            node = node == top ? NULL : node->next;
        }
    }
    return false;
}

/* Append the results of the pruned subtree; return whether divs count from here on. */
static bool fill(FnPage *page, FnNode *body, FnNode *subtree, FnNode *root, bool with_div)
{
    FnWalk tables = fn_walk_tag(page, subtree, FN_T_TABLE, true);
    for (FnNode *table; (table = fn_walk_on(page, &tables)) != NULL;)
        if (fn_is_link_table(page, table)) {
            if (table->parent == NULL) fn_refuse(page, "root_removed");
            fn_unlink_node(table);
        }
    if (subtree->first == NULL) return with_div;
    if (!has_paragraphs(page, root)) with_div = true;
    fn_strip_tag_sets(page, subtree, FN_IN(LINKS), FN_T_SPAN, 0);
    FnNodeList elements = fn_list_of(page, fn_walk_any(page, subtree, false)), results = {0};
    bool only_breaks = elements.n > 0;
    for (size_t i = 0; i < elements.n && only_breaks; i++) only_breaks = elements.items[i]->tag == FN_T_LB;
    if (only_breaks) {
        elements.n = 0;
        fn_push(page, &elements, subtree);
    }
    for (size_t i = 0; i < elements.n; i++) {
        FnNode *result = fn_handle(page, elements.items[i], with_div);
        if (result != NULL) fn_push(page, &results, result);
    }
    for (size_t i = 0; i < results.n; i++) fn_append_child(body, results.items[i]);
    while (body->last != NULL && (body->last->tag == FN_T_HEAD || body->last->tag == FN_T_REF)) fn_unlink_node(body->last);
    return with_div;
}

/* Append all paragraphs, quotes, code and tables of the page (trafilatura's recover_wild_text). */
static void recover(FnPage *page, FnNode *body, FnNode *tree, bool with_div)
{
    fn_strip_tag_sets(page, tree, FN_IN(LINKS), FN_T_SPAN, 0);
    FnNodeList found = fn_list_of(page, fn_walk_sets(page, tree, FN_IN(WILD), false)), elements = {0};
    for (size_t i = 0; i < found.n; i++)
        if (found.items[i]->tag != FN_T_DIV || fn_holds(fn_attribute_value(found.items[i], FN_A_CLASS), FN_LIT("w3-code")))
            fn_push(page, &elements, found.items[i]);
    for (size_t i = 0; i < elements.n; i++) {
        FnNode *result = fn_handle(page, elements.items[i], with_div);
        if (result != NULL) fn_append_child(body, result);
    }
}

FnExtract fn_extract_content(FnPage *page, FnNode *tree, FnMarkedList marked)
{
    FnNode *body = fn_new_node(page, FN_T_BODY), *whole = NULL, *root = fn_root_of(tree);
    bool with_div = false;
    for (int choice = 0; choice < 5; choice++) {
        FnNode *subtree = choose(page, tree, marked, choice);
        if (subtree == NULL) continue;
        if (whole == NULL) whole = fn_copy_tree(page, tree);
        FnNode *pruned = fn_prune_sections(page, subtree, fn_below(page, subtree, marked));
        with_div = fill(page, body, pruned, pruned == subtree ? root : pruned, with_div);
        if (fn_child_count(body, 2) > 1) break;
    }
    size_t length = fn_joined_length(page, body, false);
    if (body->first == NULL || length < FN_MIN_CHARS) {
        if (whole == NULL) {
            whole = tree;
            marked = fn_below(page, tree, marked);
        } else {
            marked = fn_mark(page, whole);
        }
        recover(page, body, fn_prune_sections(page, whole, marked), with_div);
        length = fn_joined_length(page, body, false);
    }
    fn_strip_subtrees(page, body, 0, FN_T_DONE, true);
    fn_strip_tag_sets(page, body, 0, FN_T_DIV, 0);
    return (FnExtract){body, length};
}
