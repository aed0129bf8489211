/* Find the elements that trafilatura's discard and body expressions select: C port of extract/marks.py. */
#include "core.h"

FnMarkedList fn_mark(FnPage *page, FnNode *tree)
{
    FnMarkedList list = {0};
    size_t room = 0;
    for (FnNode *node = fn_step(tree, tree); node != NULL; node = fn_step(tree, node)) {
        fn_tick(page);
        uint32_t mask = node->mask & fn_candidate_bits_of(node->tag);
        if (mask == 0) continue;
        if (list.n == room) {
            room = room ? room * 2 : 64;
            FnMarked *items = fn_take(page, room * sizeof(FnMarked));
            if (list.n) memcpy(items, list.items, list.n * sizeof(FnMarked));
            list.items = items;
        }
        list.items[list.n++] = (FnMarked){node, mask};
    }
    return list;
}

/* Bits of the expressions that select the element under its current tag; 0 if it lost its attributes. */
uint32_t fn_bits_now(const FnMarked *one)
{
    uint32_t bits = one->mask & fn_bits_of(one->node->tag);
    return bits && one->node->attrs != NULL ? bits : 0;
}
