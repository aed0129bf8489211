/* The main text by trafilatura's own rules: content.py over the core's nodes. */
#include "core.h"

typedef struct { size_t chars, kept; bool begun, trimmed; Trimmed words; } Length;

static void measure(Length *length, Str text)
{
    if (length->trimmed) {
        trimmed_add(&length->words, text, NO_LIMIT);
        return;
    }
    for (const char *p = text.p, *end = text.p + text.n; p < end;) {
        unsigned char byte = (unsigned char)*p;
        size_t n = BYTE_KIND[byte] ? space_at(p, end) : 0;
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

static void measure_next(Length *length, Str text, bool *first)
{
    if (text.p == NULL) return;
    if (!*first) measure(length, LIT(" "));
    *first = false;
    measure(length, text);
}

size_t joined_length(Page *page, const Node *body, bool trimmed)
{
    Length length = {0};
    bool first = true;
    const Node *node = body;
    length.trimmed = trimmed;
    for (;;) {
        measure_next(&length, node->text, &first);
        tick(page);
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

static Node *first_marked(Page *page, Node *tree, MarkedList marked, uint32_t bit)
{
    for (size_t i = 0; i < marked.n; i++) {
        const Marked *one = &marked.items[i];
        tick(page);
        if (one->mask & bit && bits_now(one) & bit && is_below(tree, one->node)) return one->node;
    }
    return NULL;
}

static Node *first_main(Page *page, Node *tree, MarkedList marked)
{
    Node *named = first_marked(page, tree, marked, BODY_4), *main = first_below(page, tree, T_MAIN);
    if (named == NULL || main == NULL) return named != NULL ? named : main;
    Node *node = step(tree, tree);
    while (node != named && node != main) node = step(tree, node);
    return node;
}

static Node *choose(Page *page, Node *tree, MarkedList marked, int choice)
{
    switch (choice) {
    case 0: return first_marked(page, tree, marked, BODY_0);
    case 1: return first_below(page, tree, T_ARTICLE);
    case 2: return first_marked(page, tree, marked, BODY_2);
    case 3: return first_marked(page, tree, marked, BODY_3);
    default: return first_main(page, tree, marked);
    }
}

/* At least MIN_CHARS characters in paragraphs, wherever in the page; a paragraph in a paragraph counts once. */
static bool has_paragraphs(Page *page, Node *root)
{
    size_t chars = 0;
    for (Node *top = root; top != NULL; top = top->next) {
        Node *node = top;
        while (node != NULL) {
            tick(page);
            if (node->tag != T_P) {
                node = step(top, node);
                continue;
            }
            chars += text_chars(page, node);
            if (chars >= MIN_CHARS) return true;
            while (node != top && node->next == NULL) node = node->parent;
            node = node == top ? NULL : node->next;
        }
    }
    return false;
}

/* Appends what the pruned subtree gives; true where divs count from here on. */
static bool fill(Page *page, Node *body, Node *subtree, Node *root, bool with_div)
{
    Walk tables = walk_tag(page, subtree, T_TABLE, true);
    for (Node *table; (table = walk_on(page, &tables)) != NULL;)
        if (is_link_table(page, table)) {
            if (table->parent == NULL) refuse(page, "root_removed");
            unlink_node(table);
        }
    if (subtree->first == NULL) return with_div;
    if (!has_paragraphs(page, root)) with_div = true;
    strip_tag_sets(page, subtree, IN(LINKS), T_SPAN, 0);
    NodeList elements = list_of(page, walk_any(page, subtree, false)), results = {0};
    bool only_breaks = elements.n > 0;
    for (size_t i = 0; i < elements.n && only_breaks; i++) only_breaks = elements.items[i]->tag == T_LB;
    if (only_breaks) {
        elements.n = 0;
        push(page, &elements, subtree);
    }
    for (size_t i = 0; i < elements.n; i++) {
        Node *result = handle(page, elements.items[i], with_div);
        if (result != NULL) push(page, &results, result);
    }
    for (size_t i = 0; i < results.n; i++) append_child(body, results.items[i]);
    while (body->last != NULL && (body->last->tag == T_HEAD || body->last->tag == T_REF)) unlink_node(body->last);
    return with_div;
}

/* All paragraphs, quotes, code and tables of the page (trafilatura's recover_wild_text). */
static void recover(Page *page, Node *body, Node *tree, bool with_div)
{
    strip_tag_sets(page, tree, IN(LINKS), T_SPAN, 0);
    NodeList found = list_of(page, walk_sets(page, tree, IN(WILD), false)), elements = {0};
    for (size_t i = 0; i < found.n; i++)
        if (found.items[i]->tag != T_DIV || holds(attribute_value(found.items[i], A_CLASS), LIT("w3-code")))
            push(page, &elements, found.items[i]);
    for (size_t i = 0; i < elements.n; i++) {
        Node *result = handle(page, elements.items[i], with_div);
        if (result != NULL) append_child(body, result);
    }
}

Extract extract_content(Page *page, Node *tree, MarkedList marked)
{
    Node *body = new_node(page, T_BODY), *whole = NULL, *root = root_of(tree);
    bool with_div = false;
    for (int choice = 0; choice < 5; choice++) {
        Node *subtree = choose(page, tree, marked, choice);
        if (subtree == NULL) continue;
        if (whole == NULL) whole = copy_tree(page, tree);
        Node *pruned = prune_sections(page, subtree, below(page, subtree, marked));
        with_div = fill(page, body, pruned, pruned == subtree ? root : pruned, with_div);
        if (child_count(body, 2) > 1) break;
    }
    size_t length = joined_length(page, body, false);
    if (body->first == NULL || length < MIN_CHARS) {
        if (whole == NULL) {
            whole = tree;
            marked = below(page, tree, marked);
        } else {
            marked = mark(page, whole);
        }
        recover(page, body, prune_sections(page, whole, marked), with_div);
        length = joined_length(page, body, false);
    }
    strip_subtrees(page, body, 0, T_DONE, true);
    strip_tag_sets(page, body, 0, T_DIV, 0);
    return (Extract){body, length};
}
