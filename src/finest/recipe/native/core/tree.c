/* Walk trees as lxml's iterators do, and change them as lxml's functions do. */
#include "core.h"

/* ---- walking ---- */

/* The next element in document order below `top`. From a node that was removed from its tree, the walk ends after that
 * node's own subtree, as in lxml. */
FnNode *fn_step(const FnNode *top, FnNode *node)
{
    if (node->first != NULL) return node->first;
    if (node == top) return NULL;
    FnNode *next = node->next;
    while (next == NULL) {
        node = node->parent;
        if (node == NULL || node == top) return NULL;
        next = node->next;
    }
    return next;
}

static bool matches(const FnPage *page, const FnWalk *walk, const FnNode *node)
{
    return walk->any || (walk->tag && node->tag == walk->tag) || (walk->sets && (fn_sets_of(page, node->tag) & walk->sets));
}

static FnNode *matching_after(FnPage *page, const FnWalk *walk, FnNode *node)
{
    do {
        fn_tick(page);
        node = fn_step(walk->top, node);
    } while (node != NULL && !matches(page, walk, node));
    return node;
}

static FnWalk started(FnPage *page, FnWalk walk, bool inclusive)
{
    if (!inclusive || !matches(page, &walk, walk.top)) walk.next = matching_after(page, &walk, walk.top);
    return walk;
}

FnWalk fn_walk_any(FnPage *page, FnNode *top, bool inclusive)
{
    return started(page, (FnWalk){top, top, 0, 0, true}, inclusive);
}

FnWalk fn_walk_tag(FnPage *page, FnNode *top, uint32_t tag, bool inclusive)
{
    return started(page, (FnWalk){top, top, 0, tag, false}, inclusive);
}

FnWalk fn_walk_sets(FnPage *page, FnNode *top, uint64_t sets, bool inclusive)
{
    return started(page, (FnWalk){top, top, sets, 0, false}, inclusive);
}

/* As in lxml, the next node is determined before the current one is returned. */
FnNode *fn_walk_on(FnPage *page, FnWalk *walk)
{
    FnNode *found = walk->next;
    if (found != NULL) walk->next = matching_after(page, walk, found);
    return found;
}

FnNode *fn_first_below(FnPage *page, FnNode *top, uint32_t tag) { return fn_walk_tag(page, top, tag, false).next; }

FnNode *fn_first_of_sets(FnPage *page, FnNode *top, uint64_t sets) { return fn_walk_sets(page, top, sets, false).next; }

FnNodeList fn_list_of(FnPage *page, FnWalk walk)
{
    FnNodeList list = {0};
    for (FnNode *node; (node = fn_walk_on(page, &walk)) != NULL;) fn_push(page, &list, node);
    return list;
}

size_t fn_child_count(const FnNode *node, size_t enough)
{
    size_t n = 0;
    for (const FnNode *child = node->first; child != NULL && n < enough; child = child->next) n++;
    return n;
}

bool fn_is_below(const FnNode *top, const FnNode *node)
{
    do node = node->parent;
    while (node != NULL && node != top);
    return node != NULL;
}

FnNode *fn_root_of(FnNode *node)
{
    while (node->parent != NULL) node = node->parent;
    while (node->prev != NULL) node = node->prev;
    return node;
}

/* ---- changing ---- */

void fn_unlink_node(FnNode *node)
{
    if (node->prev != NULL) node->prev->next = node->next;
    else if (node->parent != NULL) node->parent->first = node->next;
    if (node->next != NULL) node->next->prev = node->prev;
    else if (node->parent != NULL) node->parent->last = node->prev;
    node->parent = node->prev = node->next = NULL;
}

void fn_append_child(FnNode *parent, FnNode *child)
{
    assert(child != parent && !fn_is_below(child, parent)); /* otherwise the tree would contain a cycle */
    fn_unlink_node(child);
    child->parent = parent;
    child->prev = parent->last;
    if (parent->last != NULL) parent->last->next = child;
    else parent->first = child;
    parent->last = child;
}

void fn_insert_first(FnNode *parent, FnNode *child)
{
    fn_unlink_node(child);
    child->parent = parent;
    child->next = parent->first;
    if (parent->first != NULL) parent->first->prev = child;
    else parent->last = child;
    parent->first = child;
}

void fn_insert_after(FnNode *sibling, FnNode *node)
{
    fn_unlink_node(node);
    node->parent = sibling->parent;
    node->prev = sibling;
    node->next = sibling->next;
    if (sibling->next != NULL) sibling->next->prev = node;
    else if (sibling->parent != NULL) sibling->parent->last = node;
    sibling->next = node;
}

FnNode *fn_add_child(FnPage *page, FnNode *parent, uint32_t tag)
{
    FnNode *child = fn_new_node(page, tag);
    fn_append_child(parent, child);
    return child;
}

static FnNode *copy_one(FnPage *page, FnNode *node)
{
    FnNode *copy = fn_take(page, sizeof(FnNode));
    fn_tick(page);
    *copy = *node;
    copy->parent = copy->first = copy->last = copy->next = copy->prev = copy->twin = NULL;
    node->twin = copy;
    return copy;
}

FnNode *fn_copy_tree(FnPage *page, const FnNode *original)
{
    FnNode *top = (FnNode *)original, *copy = copy_one(page, top);
    for (FnNode *node = fn_step(top, top); node != NULL; node = fn_step(top, node)) {
        FnNode *twin = copy_one(page, node);
        assert(node->parent->twin != NULL); /* parents come before their children */
        fn_append_child(node->parent->twin, twin);
    }
    return copy;
}

void fn_join_before(FnPage *page, FnNode *node, FnStr text)
{
    FnStr *target = node->prev != NULL ? &node->prev->tail : &node->parent->text;
    *target = fn_concat(page, *target, text);
}

static void replace_by_children(FnPage *page, FnNode *node)
{
    FnNode *parent = node->parent, *first = node->first, *last = node->last;
    assert(parent != NULL);
    fn_join_before(page, node, node->text);
    if (first == NULL) {
        fn_join_before(page, node, node->tail);
    } else {
        last->tail = fn_concat(page, last->tail, node->tail);
        for (FnNode *child = first; child != NULL; child = child->next) child->parent = parent;
        first->prev = node->prev;
        last->next = node->next;
        if (node->prev != NULL) node->prev->next = first;
        else parent->first = first;
        if (node->next != NULL) node->next->prev = last;
        else parent->last = last;
        node->first = node->last = node->parent = node->prev = node->next = NULL;
        node->text = node->tail = FN_NONE;
        return;
    }
    node->text = node->tail = FN_NONE;
    fn_unlink_node(node);
}

static void strip_matching(FnPage *page, FnNode *top, uint64_t sets, uint32_t tag, uint32_t tag2, bool outside)
{
    for (FnNode *node = top; node != NULL; node = fn_step(top, node)) {
        FnNode *child = node->first;
        fn_tick(page);
        while (child != NULL) {
            uint64_t in = fn_sets_of(page, child->tag) & sets;
            if (outside ? in != 0 : in == 0 && child->tag != tag && child->tag != tag2) {
                child = child->next;
                continue;
            }
            FnNode *next = child->first != NULL ? child->first : child->next;
            fn_tick(page);
            replace_by_children(page, child);
            child = next;
        }
    }
}

/* lxml's strip_tags, for the tags of the sets and the two given tags. */
void fn_strip_tag_sets(FnPage *page, FnNode *top, uint64_t sets, uint32_t tag, uint32_t tag2)
{
    strip_matching(page, top, sets, tag ? tag : UINT32_MAX, tag2 ? tag2 : UINT32_MAX, false);
}

void fn_strip_tags_outside(FnPage *page, FnNode *top, uint64_t sets) { strip_matching(page, top, sets, 0, 0, true); }

/* lxml's strip_elements */
void fn_strip_subtrees(FnPage *page, FnNode *top, uint64_t sets, uint32_t tag, bool with_tail)
{
    for (FnNode *node = top; node != NULL; node = fn_step(top, node)) {
        fn_tick(page);
        for (FnNode *child = node->first, *next; child != NULL; child = next) {
            next = child->next;
            if (!(fn_sets_of(page, child->tag) & sets) && (tag == 0 || child->tag != tag)) continue;
            if (!with_tail) {
                fn_join_before(page, child, child->tail);
                child->tail = FN_NONE;
            }
            fn_unlink_node(child);
        }
    }
}

/* ---- attributes and texts ---- */

const FnAttr *fn_attribute(const FnNode *node, uint16_t id)
{
    const FnAttr *attr = node->attrs;
    while (attr != NULL && attr->id != id) attr = attr->next;
    return attr;
}

FnStr fn_attribute_value(const FnNode *node, uint16_t id)
{
    const FnAttr *attr = fn_attribute(node, id);
    return attr != NULL ? attr->value : FN_EMPTY;
}

/* Copies share attributes, so a node that sets one gets its own list. */
void fn_set_attribute(FnPage *page, FnNode *node, uint16_t id, FnStr name, FnStr value)
{
    FnAttr **end = &node->attrs, *old = node->attrs;
    bool found = false;
    for (; old != NULL; old = old->next) {
        FnAttr *copy = fn_take(page, sizeof(FnAttr));
        *copy = *old;
        copy->next = NULL;
        if (!found && fn_equals(old->name, name)) {
            copy->value = value;
            found = true;
        }
        *end = copy;
        end = &copy->next;
    }
    if (found) return;
    *end = fn_take(page, sizeof(FnAttr));
    **end = (FnAttr){NULL, name, value, id};
}

FnStr fn_text_of(FnPage *page, FnNode *node)
{
    if (node->first == NULL) return node->text.p == NULL ? FN_EMPTY : node->text;
    FnBuffer buffer = {0};
    fn_put(page, &buffer, node->text);
    for (FnNode *inner = fn_step(node, node); inner != NULL;) {
        fn_put(page, &buffer, inner->text);
        fn_tick(page);
        if (inner->first != NULL) {
            inner = inner->first;
            continue;
        }
        while (inner != node) {
            fn_put(page, &buffer, inner->tail);
            if (inner->next != NULL) break;
            inner = inner->parent;
        }
        inner = inner == node ? NULL : inner->next;
    }
    return buffer.p == NULL ? FN_EMPTY : (FnStr){buffer.p, buffer.n};
}

/* Add the text inside the node; return false as soon as there are `enough` characters. */
bool fn_count_text(FnPage *page, const FnNode *node, FnTrimmed *count, size_t enough)
{
    const FnNode *inner = node;
    for (;;) {
        if (!fn_trimmed_add(count, inner->text, enough)) return false;
        fn_tick_by(page, 1 + inner->text.n / FN_TICK_BYTES);
        if (inner->first != NULL) {
            inner = inner->first;
            continue;
        }
        while (inner != node) {
            if (!fn_trimmed_add(count, inner->tail, enough)) return false;
            fn_tick_by(page, inner->tail.n / FN_TICK_BYTES);
            if (inner->next != NULL) break;
            inner = inner->parent;
        }
        if (inner == node) return true;
        inner = inner->next;
    }
}

size_t fn_trimmed_length(FnPage *page, const FnNode *node, size_t enough)
{
    FnTrimmed count = {0};
    fn_count_text(page, node, &count, enough);
    return count.chars;
}

size_t fn_text_chars(FnPage *page, const FnNode *node)
{
    const FnNode *inner = node;
    size_t n = 0;
    for (;;) {
        n += fn_char_count(inner->text);
        fn_tick_by(page, 1 + inner->text.n / FN_TICK_BYTES);
        if (inner->first != NULL) {
            inner = inner->first;
            continue;
        }
        while (inner != node) {
            n += fn_char_count(inner->tail);
            fn_tick_by(page, inner->tail.n / FN_TICK_BYTES);
            if (inner->next != NULL) break;
            inner = inner->parent;
        }
        if (inner == node) return n;
        inner = inner->next;
    }
}
