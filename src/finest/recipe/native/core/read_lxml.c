/* Read libxml2's tree into the core's own nodes, which point to its texts; the tree is not modified. */
#include "read_lxml.h"

enum { ELEMENT = 1, TEXT = 3, CDATA = 4, DOCUMENT = 9, HTML_DOCUMENT = 13, DTD = 14, MOST_DEPTH = 1000 };

static FnStr content_of(FnPage *page, const FnXmlNode *node)
{
    FnStr text = node->content == NULL ? FN_EMPTY : (FnStr){node->content, strlen(node->content)};
    if (page->doubtful && fn_holds_forbidden(text)) fn_refuse(page, "forbidden_characters");
    return text;
}

/* The content of scripts and styles is never written into another tree. */
static FnStr raw_content_of(const FnXmlNode *node)
{
    return node->content == NULL ? FN_EMPTY : (FnStr){node->content, strlen(node->content)};
}

static FnStr value_of(FnPage *page, const FnXmlAttr *attr)
{
    const FnXmlNode *value = attr->children;
    if (value == NULL) return FN_EMPTY;
    if (value->next != NULL || value->type != TEXT) fn_refuse(page, "attribute_value");
    return content_of(page, value);
}

static size_t name_slot(FnPage *page, const char *name)
{
    size_t slot = (size_t)((uintptr_t)name >> 3) % FN_NAMES_CACHED;
    if (page->attr_names[slot].name == name) return slot;
    size_t n = strlen(name);
    bool ascii = true, angle = false;
    if (page->doubtful && fn_holds_forbidden((FnStr){name, n})) fn_refuse(page, "forbidden_characters");
    for (size_t i = 0; i < n; i++) {
        ascii = ascii && (unsigned char)name[i] < 0x80;
        angle = angle || name[i] == '<';
    }
    if (angle && !ascii) fn_refuse(page, "attribute_name");
    page->attr_names[slot].name = name;
    page->attr_names[slot].id = fn_attribute_id(name, n);
    page->attr_names[slot].mark = (uint16_t)(fn_mark_attribute(name, n) + 1);
    return slot;
}

static void read_attributes(FnPage *page, const FnXmlNode *from, FnNode *node)
{
    FnAttr **end = &node->attrs;
    for (const FnXmlAttr *attr = from->properties; attr != NULL; attr = attr->next) {
        if (attr->ns != NULL) fn_refuse(page, "namespace");
        size_t slot = name_slot(page, attr->name);
        FnAttr *copy = fn_take(page, sizeof(FnAttr));
        *copy = (FnAttr){NULL, {attr->name, strlen(attr->name)}, value_of(page, attr), page->attr_names[slot].id};
        if (page->attr_names[slot].mark) node->mask |= fn_mask_of(page->attr_names[slot].mark - 1, copy->value);
        *end = copy;
        end = &copy->next;
    }
}

static FnNode *read_element(FnPage *page, const FnXmlNode *from, FnNode *parent)
{
    if (from->ns != NULL) fn_refuse(page, "namespace");
    if (page->doubtful && fn_holds_forbidden((FnStr){from->name, strlen(from->name)}))
        fn_refuse(page, "forbidden_characters");
    FnNode *node = fn_new_node(page, fn_tag_of_interned(page, from->name));
    if (from->properties != NULL) read_attributes(page, from, node);
    if (parent != NULL) fn_append_child(parent, node);
    return node;
}

static const FnXmlNode *document_of(const FnXmlNode *node)
{
    while (node->parent != NULL) node = node->parent;
    return node;
}

FnNode *fn_read_tree(FnPage *page, const FnXmlNode *wanted)
{
    const FnXmlNode *document = document_of(wanted), *from = document->children;
    FnNode *parent = NULL, *last = NULL, *found = NULL; /* `last`: the last element read in this parent */
    int depth = 0;
    if (document->type != DOCUMENT && document->type != HTML_DOCUMENT) fn_refuse(page, "detached");
    while (from != NULL) {
        const FnXmlNode *next = from->next;
        fn_tick(page);
        if (from->type == ELEMENT) {
            FnNode *node = read_element(page, from, parent);
            if (parent == NULL && last != NULL) {
                node->prev = last;
                last->next = node;
            }
            if (from == wanted) found = node;
            last = node;
            if (from->children != NULL) {
                if (++depth > MOST_DEPTH) fn_refuse(page, "depth");
                parent = node;
                last = NULL;
                next = from->children;
            }
        } else if (from->type == TEXT || from->type == CDATA) {
            FnStr *text = last != NULL ? &last->tail : parent != NULL ? &parent->text : NULL;
            bool unseen = parent != NULL && text == &parent->text && fn_sets_of(page, parent->tag) & FN_IN(SCRIPTS);
            if (text != NULL) *text = fn_concat(page, *text, unseen ? raw_content_of(from) : content_of(page, from));
        } else if (from->type != DTD) {
            fn_refuse(page, "node_kind");
        }
        while (next == NULL && parent != NULL) { /* the parent is complete: continue after it */
            from = from->parent;
            last = parent;
            parent = parent->parent;
            next = from->next;
            depth--;
        }
        from = next;
    }
    if (found == NULL) fn_refuse(page, "detached");
    return found;
}
