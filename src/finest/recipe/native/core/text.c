/* Write trees as trafilatura's plain text, and as the XML that readability passes to the parser. */
#include "core.h"

static long span_of(FnPage *page, const FnNode *row)
{
    const FnAttr *attr = fn_attribute(row, FN_A_SPAN);
    long number = 0;
    if (attr == NULL) return 1;
    if (attr->value.n == 0 || attr->value.n > 5) fn_refuse(page, "span");
    for (size_t i = 0; i < attr->value.n; i++) {
        if (attr->value.p[i] < '0' || attr->value.p[i] > '9') fn_refuse(page, "span");
        number = number * 10 + (attr->value.p[i] - '0');
    }
    return number;
}

static void write_row_end(FnPage *page, FnNode *row, FnBuffer *out)
{
    long span = span_of(page, row), cells = (long)fn_list_of(page, fn_walk_tag(page, row, FN_T_CELL, false)).n;
    bool header = false;
    for (long i = cells; i < span; i++) fn_put(page, out, FN_LIT("|"));
    fn_put(page, out, FN_LIT("\n"));
    for (const FnNode *child = row->first; child != NULL; child = child->next)
        header = header || (child->tag == FN_T_CELL && fn_equals(fn_attribute_value(child, FN_A_ROLE), FN_LIT("head")));
    if (!header) return;
    fn_put(page, out, FN_LIT("\n"));
    for (long i = 0; i < span; i++) fn_put(page, out, FN_LIT("---|"));
    fn_put(page, out, FN_LIT("\n"));
}

static void write_image(FnPage *page, const FnNode *node, FnBuffer *out)
{
    FnStr text = fn_concat3(page, fn_attribute_value(node, FN_A_TITLE), FN_LIT(" "), fn_attribute_value(node, FN_A_ALT));
    fn_put(page, out, FN_LIT("!["));
    fn_put(page, out, fn_strip(text));
    fn_put(page, out, FN_LIT("]("));
    fn_put(page, out, fn_attribute_value(node, FN_A_SRC));
    fn_put(page, out, FN_LIT(")"));
}

static void write_own_text(FnPage *page, const FnNode *node, FnBuffer *out)
{
    if (node->text.n == 0) return;
    if (node->tag == FN_T_ITEM) fn_put(page, out, FN_LIT("- "));
    if (node->tag == FN_T_REF) fn_put(page, out, FN_LIT("["));
    fn_put(page, out, node->text);
    if (node->tag == FN_T_ITEM) fn_put(page, out, FN_LIT("\n"));
    if (node->tag == FN_T_CELL && node->first != NULL && node->first->tag == FN_T_P) fn_put(page, out, FN_LIT(" "));
    if (node->tag != FN_T_REF) return;
    fn_put(page, out, FN_LIT("]"));
    if (fn_attribute_value(node, FN_A_TARGET).n == 0) return;
    fn_put(page, out, FN_LIT("("));
    fn_put(page, out, fn_attribute_value(node, FN_A_TARGET));
    fn_put(page, out, FN_LIT(")"));
}

static void write_node(FnPage *page, FnNode *node, FnBuffer *out, bool in_cell)
{
    uint64_t sets = fn_sets_of(page, node->tag);
    fn_tick(page);
    write_own_text(page, node, out);
    for (FnNode *child = node->first; child != NULL; child = child->next)
        write_node(page, child, out, in_cell || node->tag == FN_T_CELL);
    if (node->text.p == NULL && node->tail.p == NULL) {
        if (node->tag == FN_T_GRAPHIC) write_image(page, node, out);
        else if (node->tag == FN_T_ROW) write_row_end(page, node, out);
        else if (sets & FN_IN(NEWLINE)) fn_put(page, out, FN_LIT("\n"));
        else if (node->tag != FN_T_CELL) return;
    }
    if (sets & FN_IN(NEWLINE) && !in_cell) fn_put(page, out, FN_LIT("\n\n"));
    else if (node->tag == FN_T_CELL) fn_put(page, out, FN_LIT(" | "));
    else if (node->tag == FN_T_COMMENTS) fn_put(page, out, FN_LIT("\n\n"));
    else if (!(sets & FN_IN(SPECIAL_FORMATTING))) fn_put(page, out, FN_LIT(" "));
    fn_put(page, out, node->tail);
}

void fn_write_text(FnPage *page, FnNode *body, FnBuffer *out) { write_node(page, body, out, false); }

/* Trim lines, and drop empty lines and unprintable characters: _clean of extract/text.py. */
FnStr fn_cleaned_text(FnPage *page, FnStr raw)
{
    static const FnStr SPACES[] = {FN_LIT("&#13;"), FN_LIT("&#10;"), FN_LIT("&nbsp;")};
    char *out = fn_take(page, raw.n + 1), *o = out;
    bool in_line = false, any_line = false, pending = false;
    for (const char *p = raw.p, *end = raw.p + raw.n; p < end;) {
        const char *from = p;
        unsigned char byte = (unsigned char)*p;
        bool space = byte == ' ', line_break = false, shown = true;
        if (byte > ' ' && byte < 0x7f && byte != '&') {
            p++;
        } else {
            uint32_t code = fn_decode(&p, end);
            line_break = fn_is_line_break(code);
            space = !line_break && fn_is_space(code);
            for (int i = 0; code == '&' && i < 3; i++)
                if ((size_t)(end - from) >= SPACES[i].n && memcmp(from, SPACES[i].p, SPACES[i].n) == 0) {
                    p = from + SPACES[i].n;
                    space = true;
                    break;
                }
            if (!space && !line_break && code != '&' && !page->host->is_printable(code)) continue;
            shown = code != 0x2424; /* dropped when the lines are made */
        }
        fn_tick(page);
        if (line_break) {
            any_line = any_line || in_line;
            in_line = pending = false;
        } else if (space) {
            pending = true;
        } else {
            if (!in_line && any_line) *o++ = '\n';
            else if (in_line && pending) *o++ = ' ';
            in_line = true;
            pending = false;
            if (shown) {
                memcpy(o, from, (size_t)(p - from));
                o += p - from;
            }
        }
    }
    return (FnStr){out, (size_t)(o - out)};
}

/* ---- XML as libxml2 writes it ---- */

static void put_escaped(FnPage *page, FnBuffer *out, FnStr text, bool in_attribute)
{
    size_t begin = 0;
    for (size_t i = 0; i < text.n; i++) {
        FnStr written = FN_NONE;
        switch (text.p[i]) {
        case '<': written = FN_LIT("&lt;"); break;
        case '>': written = FN_LIT("&gt;"); break;
        case '&': written = FN_LIT("&amp;"); break;
        case '\r': written = FN_LIT("&#13;"); break;
        case '"': if (in_attribute) written = FN_LIT("&quot;"); break;
        case '\n': if (in_attribute) written = FN_LIT("&#10;"); break;
        case '\t': if (in_attribute) written = FN_LIT("&#9;"); break;
        default: break;
        }
        if (written.p == NULL) continue;
        fn_put(page, out, (FnStr){text.p + begin, i - begin});
        fn_put(page, out, written);
        begin = i + 1;
    }
    fn_put(page, out, (FnStr){text.p + begin, text.n - begin});
}

void fn_serialize(FnPage *page, const FnNode *node, FnBuffer *out)
{
    FnStr name = fn_tag_name(page, node->tag);
    fn_tick(page);
    fn_put(page, out, FN_LIT("<"));
    fn_put(page, out, name);
    for (const FnAttr *attr = node->attrs; attr != NULL; attr = attr->next) {
        fn_put(page, out, FN_LIT(" "));
        fn_put(page, out, attr->name);
        fn_put(page, out, FN_LIT("=\""));
        put_escaped(page, out, attr->value, true);
        fn_put(page, out, FN_LIT("\""));
    }
    if (node->first == NULL && node->text.p == NULL) {
        fn_put(page, out, FN_LIT("/>"));
    } else {
        fn_put(page, out, FN_LIT(">"));
        put_escaped(page, out, node->text, false);
        for (const FnNode *child = node->first; child != NULL; child = child->next) fn_serialize(page, child, out);
        fn_put(page, out, FN_LIT("</"));
        fn_put(page, out, name);
        fn_put(page, out, FN_LIT(">"));
    }
    put_escaped(page, out, node->tail, false);
}
