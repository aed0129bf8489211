/* Reading libxml2's tree into the core's own nodes. The tree stays as it is, and its texts where they are. */
#include "read.h"

enum { ELEMENT = 1, TEXT = 3, CDATA = 4, DOCUMENT = 9, HTML_DOCUMENT = 13, DTD = 14, MOST_DEPTH = 1000 };

static Str content_of(Page *page, const XmlNode *node)
{
    Str text = node->content == NULL ? EMPTY : (Str){node->content, strlen(node->content)};
    if (page->doubtful && holds_forbidden(text)) refuse(page, "forbidden_characters");
    return text;
}

/* What scripts and styles hold is never written into another tree. */
static Str raw_content_of(const XmlNode *node) { return node->content == NULL ? EMPTY : (Str){node->content, strlen(node->content)}; }

static Str value_of(Page *page, const XmlAttr *attr)
{
    const XmlNode *value = attr->children;
    if (value == NULL) return EMPTY;
    if (value->next != NULL || value->type != TEXT) refuse(page, "attribute_value");
    return content_of(page, value);
}

static size_t name_slot(Page *page, const char *name)
{
    size_t slot = (size_t)((uintptr_t)name >> 3) % NAMES_CACHED;
    if (page->attr_names[slot].name == name) return slot;
    size_t n = strlen(name);
    bool ascii = true, angle = false;
    if (page->doubtful && holds_forbidden((Str){name, n})) refuse(page, "forbidden_characters");
    for (size_t i = 0; i < n; i++) {
        ascii = ascii && (unsigned char)name[i] < 0x80;
        angle = angle || name[i] == '<';
    }
    if (angle && !ascii) refuse(page, "attribute_name");
    page->attr_names[slot].name = name;
    page->attr_names[slot].id = attribute_id(name, n);
    page->attr_names[slot].mark = (uint16_t)(mark_attribute(name, n) + 1);
    return slot;
}

static void read_attributes(Page *page, const XmlNode *from, Node *node)
{
    Attr **end = &node->attrs;
    for (const XmlAttr *attr = from->properties; attr != NULL; attr = attr->next) {
        if (attr->ns != NULL) refuse(page, "namespace");
        size_t slot = name_slot(page, attr->name);
        Attr *copy = take(page, sizeof(Attr));
        *copy = (Attr){NULL, {attr->name, strlen(attr->name)}, value_of(page, attr), page->attr_names[slot].id};
        if (page->attr_names[slot].mark) node->mask |= mask_of(page->attr_names[slot].mark - 1, copy->value);
        *end = copy;
        end = &copy->next;
    }
}

static Node *read_element(Page *page, const XmlNode *from, Node *parent)
{
    if (from->ns != NULL) refuse(page, "namespace");
    if (page->doubtful && holds_forbidden((Str){from->name, strlen(from->name)})) refuse(page, "forbidden_characters");
    Node *node = new_node(page, tag_of_interned(page, from->name));
    if (from->properties != NULL) read_attributes(page, from, node);
    if (parent != NULL) append_child(parent, node);
    return node;
}

static const XmlNode *document_of(const XmlNode *node)
{
    while (node->parent != NULL) node = node->parent;
    return node;
}

Node *read_tree(Page *page, const XmlNode *wanted)
{
    const XmlNode *document = document_of(wanted), *from = document->children;
    Node *parent = NULL, *last = NULL, *found = NULL; /* `last`: the element read last in this parent */
    int depth = 0;
    if (document->type != DOCUMENT && document->type != HTML_DOCUMENT) refuse(page, "detached");
    while (from != NULL) {
        const XmlNode *next = from->next;
        tick(page);
        if (from->type == ELEMENT) {
            Node *node = read_element(page, from, parent);
            if (parent == NULL && last != NULL) {
                node->prev = last;
                last->next = node;
            }
            if (from == wanted) found = node;
            last = node;
            if (from->children != NULL) {
                if (++depth > MOST_DEPTH) refuse(page, "depth");
                parent = node;
                last = NULL;
                next = from->children;
            }
        } else if (from->type == TEXT || from->type == CDATA) {
            Str *text = last != NULL ? &last->tail : parent != NULL ? &parent->text : NULL;
            bool unseen = parent != NULL && text == &parent->text && sets_of(page, parent->tag) & IN(SCRIPTS);
            if (text != NULL) *text = concat(page, *text, unseen ? raw_content_of(from) : content_of(page, from));
        } else if (from->type != DTD) {
            refuse(page, "node_kind");
        }
        while (next == NULL && parent != NULL) { /* the parent is read: go on behind it */
            from = from->parent;
            last = parent;
            parent = parent->parent;
            next = from->next;
            depth--;
        }
        from = next;
    }
    if (found == NULL) refuse(page, "detached");
    return found;
}
