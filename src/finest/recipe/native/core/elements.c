/* From a page's elements to result elements: elements.py over the core's nodes. */
#include "core.h"

static bool counts(const Page *page, uint32_t tag, bool with_div)
{
    return (sets_of(page, tag) & IN(CONTENT)) || (with_div && tag == T_DIV);
}

static Str trimmed(Page *page, Str text) { return text.p == NULL ? text : trim(page, text); }

static bool filtered(Page *page, const Node *node) { return is_filtered(page, node->text.p != NULL ? node->text : node->tail); }

/* trafilatura's process_node: trim in place, take the tail where there is no text */
static Node *light(Page *page, Node *node)
{
    if (node->tag == T_DONE || (!node->text.n && !node->tail.n && node->first == NULL)) return NULL;
    Str text = trimmed(page, node->text), tail = trimmed(page, node->tail);
    if (node->tag != T_LB && !text.n && tail.n) {
        text = tail;
        tail = NONE;
    }
    node->text = text;
    node->tail = tail;
    return (text.n || tail.n) && filtered(page, node) ? NULL : node;
}

/* trafilatura's handle_textnode */
static Node *text_node(Page *page, Node *node, bool comments_fix, bool preserve_spaces)
{
    Str text = node->text, tail = node->tail;
    if (node->tag == T_DONE || (!text.n && !tail.n && node->first == NULL)) return NULL;
    if (!comments_fix && node->tag == T_LB) {
        if (!preserve_spaces) node->tail = trimmed(page, tail);
        return node;
    }
    if (!text.n && node->first == NULL) {
        text = tail;
        tail = EMPTY;
        node->text = text;
        node->tail = tail;
        if (comments_fix && node->tag == T_LB) node->tag = T_P;
    }
    if (!preserve_spaces) {
        node->text = text = trimmed(page, text);
        if (tail.n) node->tail = trim(page, tail);
    }
    return !text.n && filtered(page, node) ? NULL : node;
}

static bool holds_text(Page *page, const Node *node)
{
    Trimmed count = {0};
    return !count_text(page, node, &count, 1);
}

/* lxml gives no element or attribute a name that XML does not know: Python has a ValueError, and with it no text. */
static void need_valid_name(Page *page, Str name)
{
    bool valid = name.n > 0;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char byte = (unsigned char)name.p[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
        if (byte >= 0x80 || (i == 0 && byte == '{')) refuse(page, "name"); /* lxml decides */
        if (!letter && (i == 0 || !((byte >= '0' && byte <= '9') || byte == '-' || byte == '.'))) valid = false;
    }
    if (!valid) leave(page, NO_TEXT);
}

static Node *like(Page *page, const Node *processed, Node *target)
{
    if (processed == NULL) return NULL;
    if (processed->tag >= NAMED_TAG_COUNT) need_valid_name(page, tag_name(page, processed->tag));
    Node *child = add_child(page, target, processed->tag);
    child->text = processed->text;
    child->tail = processed->tail;
    return child;
}

static Node *title_of(Page *page, Node *node)
{
    Node *title;
    if (node->first == NULL) {
        title = light(page, node);
    } else {
        NodeList children = {0};
        title = copy_tree(page, node);
        for (Node *child = node->first; child != NULL; child = child->next) push(page, &children, child);
        for (size_t i = 0; i < children.n; i++) {
            Node *processed = text_node(page, children.items[i], false, false);
            if (processed != NULL) append_child(title, processed);
            children.items[i]->tag = T_DONE;
        }
    }
    return title != NULL && holds_text(page, title) ? title : NULL;
}

static Node *formatting_of(Page *page, Node *node)
{
    Node *formatting = light(page, node);
    if (formatting == NULL && node->first == NULL) return NULL;
    const Node *parent = node->parent != NULL ? node->parent : node->prev;
    if (parent != NULL && sets_of(page, parent->tag) & IN(PROTECTED)) return formatting;
    Node *paragraph = new_node(page, T_P);
    if (formatting == NULL) leave(page, NO_TEXT); /* Python: TypeError, and with it no text at all */
    insert_first(paragraph, formatting);
    return paragraph;
}

static Node *list_of_items(Page *page, Node *node);

static void nested(Page *page, Node *child, Node *item)
{
    item->text = child->text;
    Walk walk = walk_any(page, child, false);
    for (Node *inner; (inner = walk_on(page, &walk)) != NULL;) {
        if (inner->tag == T_LIST) {
            Node *processed = list_of_items(page, inner);
            if (processed != NULL) append_child(item, processed);
        } else {
            Node *processed = text_node(page, inner, false, false);
            if (processed != NULL) {
                Node *copy = like(page, processed, item);
                for (const Attr *attr = inner->attrs; attr != NULL; attr = attr->next)
                    if (attr->id == A_OTHER) need_valid_name(page, attr->name);
                copy->attrs = inner->attrs;
            }
        }
        inner->tag = T_DONE;
    }
}

static void append_tail(Page *page, Node *item, Str tail)
{
    if (tail.p == NULL || is_blank(tail)) return;
    Node *last = item->last;
    while (last != NULL && last->tag == T_DONE) last = last->prev;
    if (last == NULL) return;
    if (last->tail.p == NULL || is_blank(last->tail)) last->tail = tail;
    else last->tail = concat3(page, last->tail, LIT(" "), tail);
}

static Node *list_of_items(Page *page, Node *node)
{
    Node *processed = new_node(page, node->tag);
    if (node->text.p != NULL && !is_blank(node->text)) add_child(page, processed, T_ITEM)->text = node->text;
    Walk walk = walk_tag(page, node, T_ITEM, false);
    for (Node *child; (child = walk_on(page, &walk)) != NULL;) {
        Node *item = new_node(page, T_ITEM);
        if (child->first == NULL) {
            const Node *one = light(page, child);
            if (one != NULL) {
                item->text = one->text;
                if (one->tail.p != NULL && !is_blank(one->tail)) {
                    if (item->text.p == NULL) leave(page, NO_TEXT); /* Python: TypeError */
                    item->text = concat3(page, item->text, LIT(" "), one->tail);
                }
                append_child(processed, item);
            }
        } else {
            nested(page, child, item);
            append_tail(page, item, child->tail);
        }
        if (item->text.n || item->first != NULL) append_child(processed, item);
        child->tag = T_DONE;
    }
    node->tag = T_DONE;
    return holds_text(page, processed) ? processed : NULL;
}

static bool is_code_block(const Node *node)
{
    if (attribute_value(node, A_LANG).n || node->tag == T_CODE) return true;
    if (node->parent != NULL && holds(attribute_value(node->parent, A_CLASS), LIT("highlight"))) return true;
    return node->first != NULL && node->first->next == NULL && node->first->tag == T_CODE;
}

static Node *code_of(Page *page, Node *node)
{
    Node *processed = copy_tree(page, node);
    for (Node *child = node; child != NULL; child = step(node, child)) {
        tick(page);
        child->tag = T_DONE;
    }
    processed->tag = T_CODE;
    return processed;
}

static Node *quote_of(Page *page, Node *node)
{
    if (is_code_block(node)) return code_of(page, node);
    Node *processed = new_node(page, node->tag);
    Walk walk = walk_any(page, node, true);
    for (Node *child; (child = walk_on(page, &walk)) != NULL;) {
        like(page, light(page, child), processed);
        child->tag = T_DONE;
    }
    if (!holds_text(page, processed)) return NULL;
    strip_tag_sets(page, processed, 0, T_QUOTE, 0);
    return processed;
}

static Node *line_break_of(Page *page, Node *node)
{
    if (!has_text(node->tail)) return NULL;
    const Node *processed = light(page, node);
    if (processed == NULL) return NULL;
    Node *paragraph = new_node(page, T_P);
    paragraph->text = processed->tail;
    return paragraph;
}

static Node *division_of(Page *page, Node *node, bool with_div)
{
    if (holds(attribute_value(node, A_CLASS), LIT("w3-code"))) return code_of(page, node);
    if (!counts(page, T_DIV, with_div)) return NULL;
    Node *processed = text_node(page, node, false, true);
    if (processed == NULL || !has_text(processed->text)) return NULL;
    clear_attributes(processed);
    processed->tag = T_P;
    return processed;
}

static Node *inline_of(Page *page, Node *child, Node *processed)
{
    Node *copy = new_node(page, child->tag);
    if (processed->tag == T_HI || processed->tag == T_REF) {
        /* Each child in turn, found as lxml's child iterator finds it: the next one is known before this one is stripped. */
        for (Node *item = processed->first, *next; item != NULL; item = next) {
            next = item->next;
            if (has_text(item->text)) item->text = concat3(page, LIT(" "), item->text, NONE);
            strip_tag_sets(page, processed, 0, item->tag, 0);
        }
        if (child->tag == T_HI) {
            if (attribute(child, A_REND) == NULL) leave(page, NO_TEXT); /* Python: TypeError */
            set_attribute(page, copy, A_REND, LIT("rend"), attribute_value(child, A_REND));
        }
    }
    copy->text = processed->text;
    copy->tail = processed->tail;
    return copy;
}

static Node *paragraph_of(Page *page, Node *node, bool with_div)
{
    clear_attributes(node);
    if (node->first == NULL) return light(page, node);
    Node *paragraph = new_node(page, T_P);
    Walk walk = walk_any(page, node, true);
    for (Node *child; (child = walk_on(page, &walk)) != NULL;) {
        if (!counts(page, child->tag, with_div) && child->tag != T_DONE) continue;
        Node *processed = text_node(page, child, false, true);
        if (processed != NULL) {
            if (processed->tag == T_P) {
                if (paragraph->text.n) {
                    if (processed->text.p == NULL) leave(page, NO_TEXT); /* Python: TypeError */
                    paragraph->text = concat3(page, paragraph->text, LIT(" "), processed->text);
                } else {
                    paragraph->text = processed->text;
                }
                child->tag = T_DONE;
                continue;
            }
            append_child(paragraph, inline_of(page, child, processed));
        }
        child->tag = T_DONE;
    }
    if (paragraph->first != NULL) {
        if (paragraph->last->tag == T_LB && paragraph->last->tail.p == NULL) unlink_node(paragraph->last);
        return paragraph;
    }
    return paragraph->text.n ? paragraph : NULL;
}

enum { MOST_COLUMNS = 1000 }; /* bounds.py */

/* int(colspan), as many as one may span; text that Python reads as no number ends the page, text that it may read is left to it. */
static long columns_of(Page *page, const Node *cell)
{
    const Attr *attr = attribute(cell, A_COLSPAN);
    long number = 0;
    bool digits = true, odd = false;
    if (attr == NULL) return 1;
    Str text = strip(attr->value);
    if (text.n == 0) leave(page, NO_TEXT);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char byte = (unsigned char)text.p[i];
        if (byte >= '0' && byte <= '9') {
            if (number < 1000000000) number = number * 10 + (byte - '0');
            continue;
        }
        digits = false;
        if (byte >= 0x80 || byte == '_' || byte == '+' || byte == '-') odd = true;
        else leave(page, NO_TEXT);
    }
    if (!digits || odd || number >= 1000000000) refuse(page, "colspan");
    return number < MOST_COLUMNS ? number : MOST_COLUMNS;
}

static Node *cell_of(Page *page, Node *node, bool is_header)
{
    Node *cell = new_node(page, T_CELL);
    if (is_header) set_attribute(page, cell, A_ROLE, LIT("role"), LIT("head"));
    if (node->first == NULL) {
        const Node *processed = light(page, node);
        if (processed != NULL) {
            cell->text = processed->text;
            cell->tail = processed->tail;
        }
        return cell;
    }
    cell->text = node->text;
    cell->tail = node->tail;
    node->tag = T_DONE;
    Walk walk = walk_any(page, node, false);
    for (Node *child; (child = walk_on(page, &walk)) != NULL;) {
        Node *processed;
        if (child->tag == T_TD || child->tag == T_TH) {
            child->tag = T_CELL;
            processed = text_node(page, child, true, true);
        } else if (child->tag == T_HI) {
            processed = text_node(page, child, true, true);
        } else {
            processed = handle(page, child, true);
        }
        like(page, processed, cell);
        child->tag = T_DONE;
    }
    return cell;
}

static Str number_text(Page *page, long number)
{
    char *end = (char *)take(page, 24) + 24, *p = end;
    do *--p = (char)('0' + number % 10);
    while (number /= 10);
    return (Str){p, (size_t)(end - p)};
}

static Node *new_row(Page *page, long columns)
{
    Node *row = new_node(page, T_ROW);
    if (columns > 1) set_attribute(page, row, A_SPAN, LIT("span"), number_text(page, columns));
    return row;
}

static long widest_row(Page *page, Node *table)
{
    long columns = 0;
    Walk rows = walk_tag(page, table, T_TR, true);
    for (Node *row; (row = walk_on(page, &rows)) != NULL;) {
        long width = 0;
        Walk cells = walk_sets(page, row, IN(CELLS), true);
        for (Node *cell; (cell = walk_on(page, &cells)) != NULL;) width += columns_of(page, cell);
        if (width > columns) columns = width;
    }
    return columns < MOST_COLUMNS ? columns : MOST_COLUMNS;
}

static Node *table_of(Page *page, Node *table)
{
    Node *result = new_node(page, T_TABLE);
    strip_tag_sets(page, table, 0, T_THEAD, T_TBODY);
    strip_tag_sets(page, table, 0, T_TFOOT, 0);
    long columns = widest_row(page, table);
    Node *row = new_row(page, columns);
    bool seen_header_row = false, seen_header = false;
    Walk walk = walk_any(page, table, false);
    for (Node *node; (node = walk_on(page, &walk)) != NULL;) {
        if (node->tag == T_TR) {
            if (row->first != NULL) {
                append_child(result, row);
                row = new_row(page, columns);
                seen_header_row = seen_header_row || seen_header;
            }
        } else if (node->tag == T_TD || node->tag == T_TH) {
            bool is_header = node->tag == T_TH && !seen_header_row;
            seen_header = seen_header || is_header;
            Node *cell = cell_of(page, node, is_header);
            if (cell->text.n || cell->first != NULL) append_child(row, cell);
        } else if (node->tag == T_TABLE) {
            break;
        }
        node->tag = T_DONE;
    }
    clear_attributes(row); /* "span" is all that it has */
    if (row->first != NULL) append_child(result, row);
    return result->first != NULL ? result : NULL;
}

Node *handle(Page *page, Node *node, bool with_div)
{
    switch (node->tag) {
    case T_P: return paragraph_of(page, node, with_div);
    case T_LIST: return list_of_items(page, node);
    case T_CODE: case T_QUOTE: return quote_of(page, node);
    case T_HEAD: return title_of(page, node);
    case T_LB: return line_break_of(page, node);
    case T_HI: case T_REF: case T_SPAN: return formatting_of(page, node);
    case T_TABLE: return table_of(page, node);
    case T_DIV: return division_of(page, node, with_div);
    default: return NULL;
    }
}
