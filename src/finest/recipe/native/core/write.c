/* Trees as text: as trafilatura's plain text, and as the XML that readability hands back to the parser. */
#include "core.h"

static long span_of(Page *page, const Node *row)
{
    const Attr *attr = attribute(row, A_SPAN);
    long number = 0;
    if (attr == NULL) return 1;
    if (attr->value.n == 0 || attr->value.n > 5) refuse(page, "span");
    for (size_t i = 0; i < attr->value.n; i++) {
        if (attr->value.p[i] < '0' || attr->value.p[i] > '9') refuse(page, "span");
        number = number * 10 + (attr->value.p[i] - '0');
    }
    return number;
}

static void write_row_end(Page *page, Node *row, Buffer *out)
{
    long span = span_of(page, row), cells = (long)list_of(page, walk_tag(page, row, T_CELL, false)).n;
    bool header = false;
    for (long i = cells; i < span; i++) put(page, out, LIT("|"));
    put(page, out, LIT("\n"));
    for (const Node *child = row->first; child != NULL; child = child->next)
        header = header || (child->tag == T_CELL && equals(attribute_value(child, A_ROLE), LIT("head")));
    if (!header) return;
    put(page, out, LIT("\n"));
    for (long i = 0; i < span; i++) put(page, out, LIT("---|"));
    put(page, out, LIT("\n"));
}

static void write_image(Page *page, const Node *node, Buffer *out)
{
    Str text = concat3(page, attribute_value(node, A_TITLE), LIT(" "), attribute_value(node, A_ALT));
    put(page, out, LIT("!["));
    put(page, out, strip(text));
    put(page, out, LIT("]("));
    put(page, out, attribute_value(node, A_SRC));
    put(page, out, LIT(")"));
}

static void write_own_text(Page *page, const Node *node, Buffer *out)
{
    if (node->text.n == 0) return;
    if (node->tag == T_ITEM) put(page, out, LIT("- "));
    if (node->tag == T_REF) put(page, out, LIT("["));
    put(page, out, node->text);
    if (node->tag == T_ITEM) put(page, out, LIT("\n"));
    if (node->tag == T_CELL && node->first != NULL && node->first->tag == T_P) put(page, out, LIT(" "));
    if (node->tag != T_REF) return;
    put(page, out, LIT("]"));
    if (attribute_value(node, A_TARGET).n == 0) return;
    put(page, out, LIT("("));
    put(page, out, attribute_value(node, A_TARGET));
    put(page, out, LIT(")"));
}

static void write_node(Page *page, Node *node, Buffer *out, bool in_cell)
{
    uint64_t sets = sets_of(page, node->tag);
    tick(page);
    write_own_text(page, node, out);
    for (Node *child = node->first; child != NULL; child = child->next) write_node(page, child, out, in_cell || node->tag == T_CELL);
    if (node->text.p == NULL && node->tail.p == NULL) {
        if (node->tag == T_GRAPHIC) write_image(page, node, out);
        else if (node->tag == T_ROW) write_row_end(page, node, out);
        else if (sets & IN(NEWLINE)) put(page, out, LIT("\n"));
        else if (node->tag != T_CELL) return;
    }
    if (sets & IN(NEWLINE) && !in_cell) put(page, out, LIT("\n\n"));
    else if (node->tag == T_CELL) put(page, out, LIT(" | "));
    else if (node->tag == T_COMMENTS) put(page, out, LIT("\n\n"));
    else if (!(sets & IN(SPECIAL_FORMATTING))) put(page, out, LIT(" "));
    put(page, out, node->tail);
}

void write_text(Page *page, Node *body, Buffer *out) { write_node(page, body, out, false); }

/* Lines trimmed, empty ones dropped, characters that cannot be printed dropped: text.py's _clean. */
Str cleaned_text(Page *page, Str raw)
{
    static const Str SPACES[] = {LIT("&#13;"), LIT("&#10;"), LIT("&nbsp;")};
    char *out = take(page, raw.n + 1), *o = out;
    bool in_line = false, any_line = false, pending = false;
    for (const char *p = raw.p, *end = raw.p + raw.n; p < end;) {
        const char *from = p;
        unsigned char byte = (unsigned char)*p;
        bool space = byte == ' ', line_break = false, shown = true;
        if (byte > ' ' && byte < 0x7f && byte != '&') {
            p++;
        } else {
            uint32_t code = decode(&p, end);
            line_break = is_line_break(code);
            space = !line_break && is_space(code);
            for (int i = 0; code == '&' && i < 3; i++)
                if ((size_t)(end - from) >= SPACES[i].n && memcmp(from, SPACES[i].p, SPACES[i].n) == 0) {
                    p = from + SPACES[i].n;
                    space = true;
                    break;
                }
            if (!space && !line_break && code != '&' && !page->host->is_printable(code)) continue;
            shown = code != 0x2424; /* dropped when the lines are made */
        }
        tick(page);
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
    return (Str){out, (size_t)(o - out)};
}

/* ---- XML as libxml2 writes it ---- */

static void put_escaped(Page *page, Buffer *out, Str text, bool in_attribute)
{
    size_t begin = 0;
    for (size_t i = 0; i < text.n; i++) {
        Str written = NONE;
        switch (text.p[i]) {
        case '<': written = LIT("&lt;"); break;
        case '>': written = LIT("&gt;"); break;
        case '&': written = LIT("&amp;"); break;
        case '\r': written = LIT("&#13;"); break;
        case '"': if (in_attribute) written = LIT("&quot;"); break;
        case '\n': if (in_attribute) written = LIT("&#10;"); break;
        case '\t': if (in_attribute) written = LIT("&#9;"); break;
        default: break;
        }
        if (written.p == NULL) continue;
        put(page, out, (Str){text.p + begin, i - begin});
        put(page, out, written);
        begin = i + 1;
    }
    put(page, out, (Str){text.p + begin, text.n - begin});
}

void serialize(Page *page, const Node *node, Buffer *out)
{
    Str name = tag_name(page, node->tag);
    tick(page);
    put(page, out, LIT("<"));
    put(page, out, name);
    for (const Attr *attr = node->attrs; attr != NULL; attr = attr->next) {
        put(page, out, LIT(" "));
        put(page, out, attr->name);
        put(page, out, LIT("=\""));
        put_escaped(page, out, attr->value, true);
        put(page, out, LIT("\""));
    }
    if (node->first == NULL && node->text.p == NULL) {
        put(page, out, LIT("/>"));
    } else {
        put(page, out, LIT(">"));
        put_escaped(page, out, node->text, false);
        for (const Node *child = node->first; child != NULL; child = child->next) serialize(page, child, out);
        put(page, out, LIT("</"));
        put(page, out, name);
        put(page, out, LIT(">"));
    }
    put_escaped(page, out, node->tail, false);
}
