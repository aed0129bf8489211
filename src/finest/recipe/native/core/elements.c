/* Convert a page's elements to result elements: C port of extract/elements.py. */
#include "core.h"

static bool counts(const FnPage *page, uint32_t tag, bool with_div)
{
    return (fn_sets_of(page, tag) & FN_IN(CONTENT)) || (with_div && tag == FN_T_DIV);
}

static FnStr trimmed(FnPage *page, FnStr text) { return text.p == NULL ? text : fn_trim(page, text); }

static bool filtered(FnPage *page, const FnNode *node)
{
    return fn_is_filtered(page, node->text.p != NULL ? node->text : node->tail);
}

/* Trim the element in place and use its tail if it has no text (trafilatura's process_node). */
static FnNode *light(FnPage *page, FnNode *node)
{
    if (node->tag == FN_T_DONE || (!node->text.n && !node->tail.n && node->first == NULL)) return NULL;
    FnStr text = trimmed(page, node->text), tail = trimmed(page, node->tail);
    if (node->tag != FN_T_LB && !text.n && tail.n) {
        text = tail;
        tail = FN_NONE;
    }
    node->text = text;
    node->tail = tail;
    return (text.n || tail.n) && filtered(page, node) ? NULL : node;
}

/* trafilatura's handle_textnode */
static FnNode *text_node(FnPage *page, FnNode *node, bool comments_fix, bool preserve_spaces)
{
    FnStr text = node->text, tail = node->tail;
    if (node->tag == FN_T_DONE || (!text.n && !tail.n && node->first == NULL)) return NULL;
    if (!comments_fix && node->tag == FN_T_LB) {
        if (!preserve_spaces) node->tail = trimmed(page, tail);
        return node;
    }
    if (!text.n && node->first == NULL) {
        text = tail;
        tail = FN_EMPTY;
        node->text = text;
        node->tail = tail;
        if (comments_fix && node->tag == FN_T_LB) node->tag = FN_T_P;
    }
    if (!preserve_spaces) {
        node->text = text = trimmed(page, text);
        if (tail.n) node->tail = fn_trim(page, tail);
    }
    return !text.n && filtered(page, node) ? NULL : node;
}

static bool holds_text(FnPage *page, const FnNode *node)
{
    FnTrimmed count = {0};
    return !fn_count_text(page, node, &count, 1);
}

/* lxml raises ValueError for an element or attribute name that XML forbids; the page then has no text. */
static void need_valid_name(FnPage *page, FnStr name)
{
    bool valid = name.n > 0;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char byte = (unsigned char)name.p[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
        if (byte >= 0x80 || (i == 0 && byte == '{')) fn_refuse(page, "name"); /* lxml decides */
        if (!letter && (i == 0 || !((byte >= '0' && byte <= '9') || byte == '-' || byte == '.'))) valid = false;
    }
    if (!valid) fn_leave(page, FN_NO_TEXT);
}

static FnNode *like(FnPage *page, const FnNode *processed, FnNode *target)
{
    if (processed == NULL) return NULL;
    if (processed->tag >= FN_NAMED_TAG_COUNT) need_valid_name(page, fn_tag_name(page, processed->tag));
    FnNode *child = fn_add_child(page, target, processed->tag);
    child->text = processed->text;
    child->tail = processed->tail;
    return child;
}

static FnNode *title_of(FnPage *page, FnNode *node)
{
    FnNode *title;
    if (node->first == NULL) {
        title = light(page, node);
    } else {
        FnNodeList children = {0};
        title = fn_copy_tree(page, node);
        for (FnNode *child = node->first; child != NULL; child = child->next) fn_push(page, &children, child);
        for (size_t i = 0; i < children.n; i++) {
            FnNode *processed = text_node(page, children.items[i], false, false);
            if (processed != NULL) fn_append_child(title, processed);
            children.items[i]->tag = FN_T_DONE;
        }
    }
    return title != NULL && holds_text(page, title) ? title : NULL;
}

static FnNode *formatting_of(FnPage *page, FnNode *node)
{
    FnNode *formatting = light(page, node);
    if (formatting == NULL && node->first == NULL) return NULL;
    const FnNode *parent = node->parent != NULL ? node->parent : node->prev;
    if (parent != NULL && fn_sets_of(page, parent->tag) & FN_IN(PROTECTED)) return formatting;
    FnNode *paragraph = fn_new_node(page, FN_T_P);
    if (formatting == NULL) fn_leave(page, FN_NO_TEXT); /* Python raises TypeError, and the page has no text */
    fn_insert_first(paragraph, formatting);
    return paragraph;
}

static FnNode *list_of_items(FnPage *page, FnNode *node);

static void nested(FnPage *page, FnNode *child, FnNode *item)
{
    item->text = child->text;
    FnWalk walk = fn_walk_any(page, child, false);
    for (FnNode *inner; (inner = fn_walk_on(page, &walk)) != NULL;) {
        if (inner->tag == FN_T_LIST) {
            FnNode *processed = list_of_items(page, inner);
            if (processed != NULL) fn_append_child(item, processed);
        } else {
            FnNode *processed = text_node(page, inner, false, false);
            if (processed != NULL) {
                FnNode *copy = like(page, processed, item);
                for (const FnAttr *attr = inner->attrs; attr != NULL; attr = attr->next)
                    if (attr->id == FN_A_OTHER) need_valid_name(page, attr->name);
                copy->attrs = inner->attrs;
            }
        }
        inner->tag = FN_T_DONE;
    }
}

static void append_tail(FnPage *page, FnNode *item, FnStr tail)
{
    if (tail.p == NULL || fn_is_blank(tail)) return;
    FnNode *last = item->last;
    while (last != NULL && last->tag == FN_T_DONE) last = last->prev;
    if (last == NULL) return;
    if (last->tail.p == NULL || fn_is_blank(last->tail)) last->tail = tail;
    else last->tail = fn_concat3(page, last->tail, FN_LIT(" "), tail);
}

static FnNode *list_of_items(FnPage *page, FnNode *node)
{
    FnNode *processed = fn_new_node(page, node->tag);
    if (node->text.p != NULL && !fn_is_blank(node->text)) fn_add_child(page, processed, FN_T_ITEM)->text = node->text;
    FnWalk walk = fn_walk_tag(page, node, FN_T_ITEM, false);
    for (FnNode *child; (child = fn_walk_on(page, &walk)) != NULL;) {
        FnNode *item = fn_new_node(page, FN_T_ITEM);
        if (child->first == NULL) {
            const FnNode *one = light(page, child);
            if (one != NULL) {
                item->text = one->text;
                if (one->tail.p != NULL && !fn_is_blank(one->tail)) {
                    if (item->text.p == NULL) fn_leave(page, FN_NO_TEXT); /* Python: TypeError */
                    item->text = fn_concat3(page, item->text, FN_LIT(" "), one->tail);
                }
                fn_append_child(processed, item);
            }
        } else {
            nested(page, child, item);
            append_tail(page, item, child->tail);
        }
        if (item->text.n || item->first != NULL) fn_append_child(processed, item);
        child->tag = FN_T_DONE;
    }
    node->tag = FN_T_DONE;
    return holds_text(page, processed) ? processed : NULL;
}

static bool is_code_block(const FnNode *node)
{
    if (fn_attribute_value(node, FN_A_LANG).n || node->tag == FN_T_CODE) return true;
    if (node->parent != NULL && fn_holds(fn_attribute_value(node->parent, FN_A_CLASS), FN_LIT("highlight"))) return true;
    return node->first != NULL && node->first->next == NULL && node->first->tag == FN_T_CODE;
}

static FnNode *code_of(FnPage *page, FnNode *node)
{
    FnNode *processed = fn_copy_tree(page, node);
    for (FnNode *child = node; child != NULL; child = fn_step(node, child)) {
        fn_tick(page);
        child->tag = FN_T_DONE;
    }
    processed->tag = FN_T_CODE;
    return processed;
}

static FnNode *quote_of(FnPage *page, FnNode *node)
{
    if (is_code_block(node)) return code_of(page, node);
    FnNode *processed = fn_new_node(page, node->tag);
    FnWalk walk = fn_walk_any(page, node, true);
    for (FnNode *child; (child = fn_walk_on(page, &walk)) != NULL;) {
        like(page, light(page, child), processed);
        child->tag = FN_T_DONE;
    }
    if (!holds_text(page, processed)) return NULL;
    fn_strip_tag_sets(page, processed, 0, FN_T_QUOTE, 0);
    return processed;
}

static FnNode *line_break_of(FnPage *page, FnNode *node)
{
    if (!fn_has_text(node->tail)) return NULL;
    const FnNode *processed = light(page, node);
    if (processed == NULL) return NULL;
    FnNode *paragraph = fn_new_node(page, FN_T_P);
    paragraph->text = processed->tail;
    return paragraph;
}

static FnNode *division_of(FnPage *page, FnNode *node, bool with_div)
{
    if (fn_holds(fn_attribute_value(node, FN_A_CLASS), FN_LIT("w3-code"))) return code_of(page, node);
    if (!counts(page, FN_T_DIV, with_div)) return NULL;
    FnNode *processed = text_node(page, node, false, true);
    if (processed == NULL || !fn_has_text(processed->text)) return NULL;
    fn_clear_attributes(processed);
    processed->tag = FN_T_P;
    return processed;
}

static FnNode *inline_of(FnPage *page, FnNode *child, FnNode *processed)
{
    FnNode *copy = fn_new_node(page, child->tag);
    if (processed->tag == FN_T_HI || processed->tag == FN_T_REF) {
        /* As with lxml's child iterator, the next child is determined before this one is stripped. */
        for (FnNode *item = processed->first, *next; item != NULL; item = next) {
            next = item->next;
            if (fn_has_text(item->text)) item->text = fn_concat3(page, FN_LIT(" "), item->text, FN_NONE);
            fn_strip_tag_sets(page, processed, 0, item->tag, 0);
        }
        if (child->tag == FN_T_HI) {
            if (fn_attribute(child, FN_A_REND) == NULL) fn_leave(page, FN_NO_TEXT); /* Python: TypeError */
            fn_set_attribute(page, copy, FN_A_REND, FN_LIT("rend"), fn_attribute_value(child, FN_A_REND));
        }
    }
    copy->text = processed->text;
    copy->tail = processed->tail;
    return copy;
}

static FnNode *paragraph_of(FnPage *page, FnNode *node, bool with_div)
{
    fn_clear_attributes(node);
    if (node->first == NULL) return light(page, node);
    FnNode *paragraph = fn_new_node(page, FN_T_P);
    FnWalk walk = fn_walk_any(page, node, true);
    for (FnNode *child; (child = fn_walk_on(page, &walk)) != NULL;) {
        if (!counts(page, child->tag, with_div) && child->tag != FN_T_DONE) continue;
        FnNode *processed = text_node(page, child, false, true);
        if (processed != NULL) {
            if (processed->tag == FN_T_P) {
                if (paragraph->text.n) {
                    if (processed->text.p == NULL) fn_leave(page, FN_NO_TEXT); /* Python: TypeError */
                    paragraph->text = fn_concat3(page, paragraph->text, FN_LIT(" "), processed->text);
                } else {
                    paragraph->text = processed->text;
                }
                child->tag = FN_T_DONE;
                continue;
            }
            fn_append_child(paragraph, inline_of(page, child, processed));
        }
        child->tag = FN_T_DONE;
    }
    if (paragraph->first != NULL) {
        if (paragraph->last->tag == FN_T_LB && paragraph->last->tail.p == NULL) fn_unlink_node(paragraph->last);
        return paragraph;
    }
    return paragraph->text.n ? paragraph : NULL;
}

/* int(colspan), at most MOST_COLUMNS. The page has no text if Python rejects the value, and is refused if in doubt. */
static long columns_of(FnPage *page, const FnNode *cell)
{
    const FnAttr *attr = fn_attribute(cell, FN_A_COLSPAN);
    long number = 0;
    bool digits = true, odd = false;
    if (attr == NULL) return 1;
    FnStr text = fn_strip(attr->value);
    if (text.n == 0) fn_leave(page, FN_NO_TEXT);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char byte = (unsigned char)text.p[i];
        if (byte >= '0' && byte <= '9') {
            if (number < 1000000000) number = number * 10 + (byte - '0');
            continue;
        }
        digits = false;
        if (byte >= 0x80 || byte == '_' || byte == '+' || byte == '-') odd = true;
        else fn_leave(page, FN_NO_TEXT);
    }
    if (!digits || odd || number >= 1000000000) fn_refuse(page, "colspan");
    return number < FN_MOST_COLUMNS ? number : FN_MOST_COLUMNS;
}

static FnNode *cell_of(FnPage *page, FnNode *node, bool is_header)
{
    FnNode *cell = fn_new_node(page, FN_T_CELL);
    if (is_header) fn_set_attribute(page, cell, FN_A_ROLE, FN_LIT("role"), FN_LIT("head"));
    if (node->first == NULL) {
        const FnNode *processed = light(page, node);
        if (processed != NULL) {
            cell->text = processed->text;
            cell->tail = processed->tail;
        }
        return cell;
    }
    cell->text = node->text;
    cell->tail = node->tail;
    node->tag = FN_T_DONE;
    FnWalk walk = fn_walk_any(page, node, false);
    for (FnNode *child; (child = fn_walk_on(page, &walk)) != NULL;) {
        FnNode *processed;
        if (child->tag == FN_T_TD || child->tag == FN_T_TH) {
            child->tag = FN_T_CELL;
            processed = text_node(page, child, true, true);
        } else if (child->tag == FN_T_HI) {
            processed = text_node(page, child, true, true);
        } else {
            processed = fn_handle(page, child, true);
        }
        like(page, processed, cell);
        child->tag = FN_T_DONE;
    }
    return cell;
}

static FnStr number_text(FnPage *page, long number)
{
    char *end = (char *)fn_take(page, 24) + 24, *p = end;
    do *--p = (char)('0' + number % 10);
    while (number /= 10);
    return (FnStr){p, (size_t)(end - p)};
}

static FnNode *new_row(FnPage *page, long columns)
{
    FnNode *row = fn_new_node(page, FN_T_ROW);
    if (columns > 1) fn_set_attribute(page, row, FN_A_SPAN, FN_LIT("span"), number_text(page, columns));
    return row;
}

static long widest_row(FnPage *page, FnNode *table)
{
    long columns = 0;
    FnWalk rows = fn_walk_tag(page, table, FN_T_TR, true);
    for (FnNode *row; (row = fn_walk_on(page, &rows)) != NULL;) {
        long width = 0;
        FnWalk cells = fn_walk_sets(page, row, FN_IN(CELLS), true);
        for (FnNode *cell; (cell = fn_walk_on(page, &cells)) != NULL;) width += columns_of(page, cell);
        if (width > columns) columns = width;
    }
    return columns < FN_MOST_COLUMNS ? columns : FN_MOST_COLUMNS;
}

static FnNode *table_of(FnPage *page, FnNode *table)
{
    FnNode *result = fn_new_node(page, FN_T_TABLE);
    fn_strip_tag_sets(page, table, 0, FN_T_THEAD, FN_T_TBODY);
    fn_strip_tag_sets(page, table, 0, FN_T_TFOOT, 0);
    long columns = widest_row(page, table);
    FnNode *row = new_row(page, columns);
    bool seen_header_row = false, seen_header = false;
    FnWalk walk = fn_walk_any(page, table, false);
    for (FnNode *node; (node = fn_walk_on(page, &walk)) != NULL;) {
        if (node->tag == FN_T_TR) {
            if (row->first != NULL) {
                fn_append_child(result, row);
                row = new_row(page, columns);
                seen_header_row = seen_header_row || seen_header;
            }
        } else if (node->tag == FN_T_TD || node->tag == FN_T_TH) {
            bool is_header = node->tag == FN_T_TH && !seen_header_row;
            seen_header = seen_header || is_header;
            FnNode *cell = cell_of(page, node, is_header);
            if (cell->text.n || cell->first != NULL) fn_append_child(row, cell);
        } else if (node->tag == FN_T_TABLE) {
            break;
        }
        node->tag = FN_T_DONE;
    }
    fn_clear_attributes(row); /* "span" is its only attribute */
    if (row->first != NULL) fn_append_child(result, row);
    return result->first != NULL ? result : NULL;
}

FnNode *fn_handle(FnPage *page, FnNode *node, bool with_div)
{
    switch (node->tag) {
    case FN_T_P: return paragraph_of(page, node, with_div);
    case FN_T_LIST: return list_of_items(page, node);
    case FN_T_CODE: case FN_T_QUOTE: return quote_of(page, node);
    case FN_T_HEAD: return title_of(page, node);
    case FN_T_LB: return line_break_of(page, node);
    case FN_T_HI: case FN_T_REF: case FN_T_SPAN: return formatting_of(page, node);
    case FN_T_TABLE: return table_of(page, node);
    case FN_T_DIV: return division_of(page, node, with_div);
    default: return NULL;
    }
}
