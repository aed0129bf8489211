/* Elements that trafilatura's discard and body expressions select: marks.py and prune.py over the core's nodes. */
#include "core.h"

MarkedList mark(Page *page, Node *tree)
{
    MarkedList list = {0};
    size_t room = 0;
    for (Node *node = step(tree, tree); node != NULL; node = step(tree, node)) {
        tick(page);
        uint32_t mask = node->mask & candidate_bits_of(node->tag);
        if (mask == 0) continue;
        if (list.n == room) {
            room = room ? room * 2 : 64;
            Marked *items = take(page, room * sizeof(Marked));
            if (list.n) memcpy(items, list.items, list.n * sizeof(Marked));
            list.items = items;
        }
        list.items[list.n++] = (Marked){node, mask};
    }
    return list;
}

/* The bits of the expressions that select the element as it is now called; none where it lost its attributes. */
uint32_t bits_now(const Marked *one)
{
    uint32_t bits = one->mask & bits_of(one->node->tag);
    return bits && one->node->attrs != NULL ? bits : 0;
}

MarkedList below(Page *page, Node *tree, MarkedList marked)
{
    MarkedList found = {take(page, (marked.n + 1) * sizeof(Marked)), 0};
    for (size_t i = 0; i < marked.n; i++) {
        tick(page);
        if (is_below(tree, marked.items[i].node)) found.items[found.n++] = marked.items[i];
    }
    return found;
}

/* Expression by expression; an element goes with the first that selects it. */
void discard(Page *page, MarkedList marked, const uint32_t *bits, size_t n)
{
    NodeList selected[3] = {{0}};
    uint32_t wanted = 0;
    for (size_t i = 0; i < n; i++) wanted |= bits[i];
    for (size_t i = 0; i < marked.n; i++) {
        uint32_t mask = marked.items[i].mask & wanted ? bits_now(&marked.items[i]) : 0;
        for (size_t j = 0; mask != 0 && j < n; j++)
            if (mask & bits[j]) {
                push(page, &selected[j], marked.items[i].node);
                break;
            }
    }
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < selected[j].n; i++) remove_node(page, selected[j].items[i]);
}

static MarkedList attached(Page *page, MarkedList marked)
{
    MarkedList found = {take(page, (marked.n + 1) * sizeof(Marked)), 0};
    for (size_t i = 0; i < marked.n; i++)
        if (marked.items[i].node->parent != NULL) found.items[found.n++] = marked.items[i];
    return found;
}

static bool holds_any_text(Page *page, Node *tree)
{
    if (tree->text.n) return true;
    for (Node *node = step(tree, tree); node != NULL; node = step(tree, node)) {
        tick(page);
        if (node->text.n || node->tail.n) return true;
    }
    return false;
}

static const uint32_t OVERALL_BITS[] = {OVERALL, HIDDEN};

static Node *with_backup(Page *page, Node *backup, MarkedList *marked)
{
    *marked = mark(page, backup);
    return backup;
}

static Node *prune_overall(Page *page, Node *tree, MarkedList *marked)
{
    MarkedList selected = {take(page, (marked->n + 1) * sizeof(Marked)), 0};
    for (size_t i = 0; i < marked->n; i++) {
        const Marked *one = &marked->items[i];
        if (one->mask & (OVERALL | HIDDEN) && bits_now(one) & (OVERALL | HIDDEN)) selected.items[selected.n++] = *one;
    }
    if (selected.n == 0) return holds_any_text(page, tree) ? tree : with_backup(page, copy_tree(page, tree), marked);
    size_t old = text_chars(page, tree), lost = 0;
    for (size_t i = 0; i < selected.n; i++) {
        const Node *node = selected.items[i].node;
        lost += text_chars(page, node);
        if (node->parent == tree) lost += char_count(node->tail);
    }
    if ((double)old - (double)lost > (double)old / 7) {
        discard(page, selected, OVERALL_BITS, 2);
        return tree;
    }
    Node *backup = copy_tree(page, tree);
    discard(page, selected, OVERALL_BITS, 2);
    if ((double)text_chars(page, tree) > (double)old / 7) return tree;
    return with_backup(page, backup, marked);
}

Node *prune_sections(Page *page, Node *tree, MarkedList marked)
{
    static const uint32_t SECTION_BITS[] = {PAYWALL, CAPTION, TEASER}, PRECISION_BITS[] = {PRECISION};
    tree = prune_overall(page, tree, &marked);
    marked = attached(page, marked);
    discard(page, marked, SECTION_BITS, 3);
    NodeList headers = list_of(page, walk_tag(page, tree, T_HEADER, false));
    for (size_t i = 0; i < headers.n; i++) remove_node(page, headers.items[i]);
    discard(page, attached(page, marked), PRECISION_BITS, 1);
    drop_boilerplate(page, tree);
    return tree;
}
