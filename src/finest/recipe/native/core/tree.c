/* Trees: walking them as lxml's iterators do, and changing them as lxml's functions do. */
#include "core.h"

/* ---- walking ---- */

/* The next element in document order below `top`. From a node that was taken out of its tree the way ends with that
 * node's own subtree, as it does in lxml. */
Node *step(const Node *top, Node *node)
{
    if (node->first != NULL) return node->first;
    if (node == top) return NULL;
    Node *next = node->next;
    while (next == NULL) {
        node = node->parent;
        if (node == NULL || node == top) return NULL;
        next = node->next;
    }
    return next;
}

static bool matches(const Page *page, const Walk *walk, const Node *node)
{
    return walk->any || (walk->tag && node->tag == walk->tag) || (walk->sets && (sets_of(page, node->tag) & walk->sets));
}

static Node *matching_after(Page *page, const Walk *walk, Node *node)
{
    do {
        tick(page);
        node = step(walk->top, node);
    } while (node != NULL && !matches(page, walk, node));
    return node;
}

static Walk started(Page *page, Walk walk, bool inclusive)
{
    if (!inclusive || !matches(page, &walk, walk.top)) walk.next = matching_after(page, &walk, walk.top);
    return walk;
}

Walk walk_any(Page *page, Node *top, bool inclusive) { return started(page, (Walk){top, top, 0, 0, true}, inclusive); }

Walk walk_tag(Page *page, Node *top, uint32_t tag, bool inclusive)
{
    return started(page, (Walk){top, top, 0, tag, false}, inclusive);
}

Walk walk_sets(Page *page, Node *top, uint64_t sets, bool inclusive)
{
    return started(page, (Walk){top, top, sets, 0, false}, inclusive);
}

/* The node after this one is looked for before this one is handed out, as lxml does. */
Node *walk_on(Page *page, Walk *walk)
{
    Node *found = walk->next;
    if (found != NULL) walk->next = matching_after(page, walk, found);
    return found;
}

Node *first_below(Page *page, Node *top, uint32_t tag) { return walk_tag(page, top, tag, false).next; }

Node *first_of_sets(Page *page, Node *top, uint64_t sets) { return walk_sets(page, top, sets, false).next; }

NodeList list_of(Page *page, Walk walk)
{
    NodeList list = {0};
    for (Node *node; (node = walk_on(page, &walk)) != NULL;) push(page, &list, node);
    return list;
}

size_t child_count(const Node *node, size_t enough)
{
    size_t n = 0;
    for (const Node *child = node->first; child != NULL && n < enough; child = child->next) n++;
    return n;
}

bool is_below(const Node *top, const Node *node)
{
    do node = node->parent;
    while (node != NULL && node != top);
    return node != NULL;
}

Node *root_of(Node *node)
{
    while (node->parent != NULL) node = node->parent;
    while (node->prev != NULL) node = node->prev;
    return node;
}

/* ---- changing ---- */

void unlink_node(Node *node)
{
    if (node->prev != NULL) node->prev->next = node->next;
    else if (node->parent != NULL) node->parent->first = node->next;
    if (node->next != NULL) node->next->prev = node->prev;
    else if (node->parent != NULL) node->parent->last = node->prev;
    node->parent = node->prev = node->next = NULL;
}

void append_child(Node *parent, Node *child)
{
    unlink_node(child);
    child->parent = parent;
    child->prev = parent->last;
    if (parent->last != NULL) parent->last->next = child;
    else parent->first = child;
    parent->last = child;
}

void insert_first(Node *parent, Node *child)
{
    unlink_node(child);
    child->parent = parent;
    child->next = parent->first;
    if (parent->first != NULL) parent->first->prev = child;
    else parent->last = child;
    parent->first = child;
}

void insert_after(Node *sibling, Node *node)
{
    unlink_node(node);
    node->parent = sibling->parent;
    node->prev = sibling;
    node->next = sibling->next;
    if (sibling->next != NULL) sibling->next->prev = node;
    else if (sibling->parent != NULL) sibling->parent->last = node;
    sibling->next = node;
}

Node *add_child(Page *page, Node *parent, uint32_t tag)
{
    Node *child = new_node(page, tag);
    append_child(parent, child);
    return child;
}

static Node *copy_one(Page *page, Node *node)
{
    Node *copy = take(page, sizeof(Node));
    tick(page);
    *copy = *node;
    copy->parent = copy->first = copy->last = copy->next = copy->prev = copy->twin = NULL;
    node->twin = copy;
    return copy;
}

Node *copy_tree(Page *page, const Node *original)
{
    Node *top = (Node *)original, *copy = copy_one(page, top);
    for (Node *node = step(top, top); node != NULL; node = step(top, node)) append_child(node->parent->twin, copy_one(page, node));
    return copy;
}

void remove_node(Page *page, Node *node)
{
    if (node->parent == NULL) refuse(page, "root_removed");
    if (node->tail.p != NULL) {
        Node *target = node->prev != NULL ? node->prev : node->parent;
        target->tail = concat3(page, target->tail, LIT(" "), node->tail);
    }
    unlink_node(node);
}

static void join_before(Page *page, Node *node, Str text)
{
    Str *target = node->prev != NULL ? &node->prev->tail : &node->parent->text;
    *target = concat(page, *target, text);
}

void delete_node(Page *page, Node *node)
{
    if (node->parent == NULL) return;
    if (node->tail.n > 0) join_before(page, node, node->tail);
    unlink_node(node);
}

static void replace_by_children(Page *page, Node *node)
{
    Node *parent = node->parent, *first = node->first, *last = node->last;
    join_before(page, node, node->text);
    if (first == NULL) {
        join_before(page, node, node->tail);
    } else {
        last->tail = concat(page, last->tail, node->tail);
        for (Node *child = first; child != NULL; child = child->next) child->parent = parent;
        first->prev = node->prev;
        last->next = node->next;
        if (node->prev != NULL) node->prev->next = first;
        else parent->first = first;
        if (node->next != NULL) node->next->prev = last;
        else parent->last = last;
        node->first = node->last = node->parent = node->prev = node->next = NULL;
        node->text = node->tail = NONE;
        return;
    }
    node->text = node->tail = NONE;
    unlink_node(node);
}

static void strip_matching(Page *page, Node *top, uint64_t sets, uint32_t tag, uint32_t tag2, bool outside)
{
    for (Node *node = top; node != NULL; node = step(top, node)) {
        Node *child = node->first;
        tick(page);
        while (child != NULL) {
            uint64_t in = sets_of(page, child->tag) & sets;
            if (outside ? in != 0 : in == 0 && child->tag != tag && child->tag != tag2) {
                child = child->next;
                continue;
            }
            Node *next = child->first != NULL ? child->first : child->next;
            tick(page);
            replace_by_children(page, child);
            child = next;
        }
    }
}

/* lxml's strip_tags, for tags of the sets and these two */
void strip_tag_sets(Page *page, Node *top, uint64_t sets, uint32_t tag, uint32_t tag2)
{
    strip_matching(page, top, sets, tag ? tag : UINT32_MAX, tag2 ? tag2 : UINT32_MAX, false);
}

void strip_tags_outside(Page *page, Node *top, uint64_t sets) { strip_matching(page, top, sets, 0, 0, true); }

/* lxml's strip_elements */
void strip_subtrees(Page *page, Node *top, uint64_t sets, uint32_t tag, bool with_tail)
{
    for (Node *node = top; node != NULL; node = step(top, node)) {
        tick(page);
        for (Node *child = node->first, *next; child != NULL; child = next) {
            next = child->next;
            if (!(sets_of(page, child->tag) & sets) && (tag == 0 || child->tag != tag)) continue;
            if (!with_tail) {
                join_before(page, child, child->tail);
                child->tail = NONE;
            }
            unlink_node(child);
        }
    }
}

/* ---- attributes and texts ---- */

const Attr *attribute(const Node *node, uint16_t id)
{
    const Attr *attr = node->attrs;
    while (attr != NULL && attr->id != id) attr = attr->next;
    return attr;
}

Str attribute_value(const Node *node, uint16_t id)
{
    const Attr *attr = attribute(node, id);
    return attr != NULL ? attr->value : EMPTY;
}

/* Attributes are shared by copies, so a node that sets one gets a list of its own. */
void set_attribute(Page *page, Node *node, uint16_t id, Str name, Str value)
{
    Attr **end = &node->attrs, *old = node->attrs;
    bool found = false;
    for (; old != NULL; old = old->next) {
        Attr *copy = take(page, sizeof(Attr));
        *copy = *old;
        copy->next = NULL;
        if (!found && equals(old->name, name)) {
            copy->value = value;
            found = true;
        }
        *end = copy;
        end = &copy->next;
    }
    if (found) return;
    *end = take(page, sizeof(Attr));
    **end = (Attr){NULL, name, value, id};
}

Str text_of(Page *page, Node *node)
{
    if (node->first == NULL) return node->text.p == NULL ? EMPTY : node->text;
    Buffer buffer = {0};
    put(page, &buffer, node->text);
    for (Node *inner = step(node, node); inner != NULL;) {
        put(page, &buffer, inner->text);
        tick(page);
        if (inner->first != NULL) {
            inner = inner->first;
            continue;
        }
        while (inner != node) {
            put(page, &buffer, inner->tail);
            if (inner->next != NULL) break;
            inner = inner->parent;
        }
        inner = inner == node ? NULL : inner->next;
    }
    return buffer.p == NULL ? EMPTY : (Str){buffer.p, buffer.n};
}

/* Adds the text inside the node; false as soon as there are `enough` characters. */
bool count_text(Page *page, const Node *node, Trimmed *count, size_t enough)
{
    const Node *inner = node;
    for (;;) {
        if (!trimmed_add(count, inner->text, enough)) return false;
        tick_by(page, 1 + inner->text.n / TICK_BYTES);
        if (inner->first != NULL) {
            inner = inner->first;
            continue;
        }
        while (inner != node) {
            if (!trimmed_add(count, inner->tail, enough)) return false;
            tick_by(page, inner->tail.n / TICK_BYTES);
            if (inner->next != NULL) break;
            inner = inner->parent;
        }
        if (inner == node) return true;
        inner = inner->next;
    }
}

size_t trimmed_length(Page *page, const Node *node, size_t enough)
{
    Trimmed count = {0};
    count_text(page, node, &count, enough);
    return count.chars;
}

size_t text_chars(Page *page, const Node *node)
{
    const Node *inner = node;
    size_t n = 0;
    for (;;) {
        n += char_count(inner->text);
        tick_by(page, 1 + inner->text.n / TICK_BYTES);
        if (inner->first != NULL) {
            inner = inner->first;
            continue;
        }
        while (inner != node) {
            n += char_count(inner->tail);
            tick_by(page, inner->tail.n / TICK_BYTES);
            if (inner->next != NULL) break;
            inner = inner->parent;
        }
        if (inner == node) return n;
        inner = inner->next;
    }
}
