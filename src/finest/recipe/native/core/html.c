/* A page's HTML, read once from front to back, as blocks of text: blocks.py once more. */
#define PY_SSIZE_T_CLEAN
#include "blocks.h"

enum { MOST_ENTITIES = 4096, MOST_ENTITY = 130 }; /* `&`, 32 characters, `;` */
enum { TAGS_UNWATCHED = 4096 };

typedef struct { const HtmlTag *tag; uint32_t flags, names, near; } Open;
typedef struct { const char *p, *end; bool has_href, hides; uint32_t names; } Attributes; /* `p` NULL: the page ends in the tag */

typedef struct {
    Blocks *tables;
    const char *html, *end;
    Found *found;
    Open open[MOST_OPEN];
    int depth, skipped_from, link_from;
    uint32_t flags, names, near, own_names;
    unsigned kind, breaks;
    bool is_item, is_cell;
    Block block;             /* the one that is being read */
    bool line_begun, gap;    /* whether the line has text, and white space behind it */
    char indent[MOST_INDENT];
    size_t indent_n;
    uint32_t last;           /* the block's last character */
    const char *no_comment_end, *no_quote[2], *no_graphic_end[MOST_HTML_TAGS]; /* from here on there is none */
} Reader;

static const uint8_t IN_TAG[256] = {[9] = 1, [10] = 1, [12] = 1, [13] = 1, [32] = 1, ['/'] = 2, ['>'] = 4, ['='] = 8};
enum { SPACE = 1, SLASH = 2, CLOSE = 4, EQUAL = 8 };

static inline bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static inline char lower_of(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

static const HtmlTag *find_tag(const Blocks *tables, const char *p, size_t n)
{
    char name[MOST_NAME];
    if (n >= MOST_NAME) return NULL;
    for (size_t i = 0; i < n; i++) name[i] = lower_of(p[i]);
    for (uint32_t slot = name_hash(name, n) % TAG_SLOTS; tables->tag_slots[slot]; slot = (slot + 1) % TAG_SLOTS) {
        const HtmlTag *tag = &tables->tags[tables->tag_slots[slot] - 1];
        if (tag->n == n && memcmp(tag->name, name, n) == 0) return tag;
    }
    return NULL;
}

static const NameWord *find_word(const Blocks *tables, const char *name, size_t n)
{
    for (uint32_t slot = name_hash(name, n) % WORD_SLOTS; tables->word_slots[slot]; slot = (slot + 1) % WORD_SLOTS) {
        const NameWord *word = &tables->words[tables->word_slots[slot] - 1];
        if (word->n == n && memcmp(word->name, name, n) == 0) return word;
    }
    return NULL;
}

/* ---- text ---- */

static unsigned kind_of(const Blocks *tables, uint32_t code)
{
    if (code < sizeof(tables->kinds)) return tables->kinds[code];
    for (unsigned i = 0; i < tables->mark_count; i += 2)
        if (tables->marks[i] == code) return tables->marks[i + 1];
    return PLAIN;
}

static void new_block(Reader *reader)
{
    reader->block = (Block){.start = reader->found->text.n};
    reader->line_begun = reader->gap = false;
    reader->indent_n = 0;
}

static bool emit(Reader *reader, const char *p, size_t n) { return n == 0 || grow(&reader->found->text, p, n); }

static bool in_pre(const Reader *reader) { return reader->kind == KIND_PRE; }

static void line_ends(Reader *reader)
{
    reader->line_begun = reader->gap = false;
    reader->indent_n = 0;
}

static void add_blank(Reader *reader, char c)
{
    if (in_pre(reader) && c == '\n') line_ends(reader);
    else if (reader->line_begun) reader->gap = true;
    else if (in_pre(reader) && reader->indent_n < MOST_INDENT) reader->indent[reader->indent_n++] = c == '\t' ? '\t' : ' ';
}

/* The white space before a character that is none. */
static bool put_gap(Reader *reader)
{
    reader->breaks = 0;
    if (reader->line_begun) {
        bool gap = reader->gap;
        reader->gap = false;
        return !gap || emit(reader, " ", 1);
    }
    reader->line_begun = true;
    return (reader->block.chars == 0 || emit(reader, "\n", 1)) && emit(reader, reader->indent, reader->indent_n);
}

static bool add_plain(Reader *reader, const char *p, size_t n, size_t chars)
{
    if ((!reader->line_begun || reader->gap) && !put_gap(reader)) return false;
    reader->breaks = 0;
    reader->block.chars += (uint32_t)chars;
    if (reader->link_from >= 0) reader->block.linked += (uint32_t)chars;
    return emit(reader, p, n);
}

/* One character that is blank, nothing, or a mark; or one beyond ASCII. */
static bool add_char(Reader *reader, const char **p, const char *end)
{
    const char *start = *p;
    uint32_t code = decode(p, end);
    unsigned kind = kind_of(reader->tables, code);
    if (kind & BLANK) {
        add_blank(reader, (char)(code < 128 ? code : ' '));
        return true;
    }
    if (kind & NOTHING) return true;
    reader->last = kind;
    if (kind & COMMA) reader->block.commas++;
    return add_plain(reader, start, (size_t)(*p - start), 1);
}

/* Text without references to characters. */
static bool add_chars(Reader *reader, const char *p, const char *end)
{
    const uint8_t *kinds = reader->tables->kinds;
    while (p < end) {
        const char *start = p;
        while (p < end && (unsigned char)*p < 128 && kinds[(unsigned char)*p] == PLAIN) p++;
        if (p > start) {
            reader->last = PLAIN;
            if (!add_plain(reader, start, (size_t)(p - start), (size_t)(p - start))) return false;
        }
        if (p < end && !add_char(reader, &p, end)) return false;
    }
    return true;
}

/* The end of what html.unescape takes for a reference to a character: `&` and up to 32 characters of a name. */
static const char *reference_end(const char *p, const char *end)
{
    const char *start = ++p;
    if (p < end && *p == '#') {
        bool hex = ++p < end && (*p == 'x' || *p == 'X');
        start = hex ? ++p : p;
        while (p < end && (is_digit(*p) || (hex && is_letter(*p) && lower_of(*p) <= 'f'))) p++;
    } else {
        for (int n = 0; n < 32 && p < end; n++) {
            if (*p == '\t' || *p == '\n' || *p == '\f' || *p == ' ' || *p == '<' || *p == '&' || *p == '#' || *p == ';') break;
            decode(&p, end);
        }
    }
    if (p == start) return NULL;
    return p < end && *p == ';' ? p + 1 : p;
}

static bool memorize(PyObject *entities, PyObject *name, PyObject *text)
{
    if (PyDict_GET_SIZE(entities) >= MOST_ENTITIES) PyDict_Clear(entities);
    return PyDict_SetItem(entities, name, text) == 0;
}

/* What a reference stands for. Numbers may be as long as a page: only what is as short as names are is kept in mind. */
static PyObject *unescaped(Blocks *tables, const char *p, const char *end)
{
    PyObject *name = PyUnicode_DecodeUTF8(p, end - p, "strict"), *html, *text;
    if (name == NULL) return NULL;
    text = PyDict_GetItemWithError(tables->entities, name);
    Py_XINCREF(text);
    if (text == NULL && !PyErr_Occurred() && PyErr_CheckSignals() == 0) {
        html = PyImport_ImportModule("html");
        text = html != NULL ? PyObject_CallMethod(html, "unescape", "O", name) : NULL;
        Py_XDECREF(html);
        if (text != NULL && end - p <= MOST_ENTITY && !memorize(tables->entities, name, text)) Py_CLEAR(text);
    }
    Py_DECREF(name);
    return text;
}

static bool add_reference(Reader *reader, const char *p, const char *end)
{
    Py_ssize_t n;
    PyObject *text = unescaped(reader->tables, p, end);
    const char *meant = text != NULL ? PyUnicode_AsUTF8AndSize(text, &n) : NULL;
    bool good = meant != NULL && add_chars(reader, meant, meant + n);
    Py_XDECREF(text);
    return good;
}

static bool add_text(Reader *reader, const char *p, const char *end)
{
    if (reader->skipped_from >= 0) return true;
    while (p < end) {
        const char *reference = memchr(p, '&', (size_t)(end - p)), *after;
        if (reference == NULL) return add_chars(reader, p, end);
        if (!add_chars(reader, p, reference)) return false;
        after = reference_end(reference, end);
        p = reference;
        if (after == NULL) {
            if (!add_chars(reader, p, p + 1)) return false;
            p++;
            continue;
        }
        if (!add_reference(reader, reference, after)) return false;
        p = after;
    }
    return true;
}

static bool end_block(Reader *reader)
{
    Found *found = reader->found;
    reader->breaks = 0;
    if (reader->block.chars > 0) {
        if (found->count == found->room) {
            size_t room = 2 * found->room + 64;
            Block *larger = realloc(found->blocks, room * sizeof(Block));
            if (larger == NULL) {
                PyErr_NoMemory();
                return false;
            }
            found->blocks = larger;
            found->room = room;
        }
        Block *block = &found->blocks[found->count++];
        *block = reader->block;
        block->end = found->text.n;
        block->kind = (uint8_t)reader->kind;
        block->flags = reader->flags;
        block->names = reader->near | reader->own_names;
        block->ends_sentence = reader->last & SENTENCE_END;
        block->is_item = reader->is_item;
        block->is_cell = reader->is_cell;
        reader->is_item = false;
        reader->is_cell = true;
    }
    new_block(reader);
    return true;
}

static bool break_here(Reader *reader, const HtmlTag *tag)
{
    if (!end_block(reader)) return false;
    reader->own_names = 0;
    reader->is_cell &= (tag->does & CELL) != 0;
    return true;
}

static bool end_line(Reader *reader)
{
    if (reader->skipped_from >= 0) return true;
    if (++reader->breaks != 2) {
        line_ends(reader);
        return true;
    }
    if (!end_block(reader)) return false;
    reader->is_cell = false;
    return true;
}

/* ---- elements ---- */

static void close_at(Reader *reader, int depth)
{
    const Open *open = &reader->open[depth];
    reader->flags = open->flags;
    reader->names = open->names;
    reader->near = open->near;
    reader->depth = depth;
    if (reader->skipped_from >= depth) reader->skipped_from = -1;
    if (reader->link_from > depth) reader->link_from = -1;
    reader->kind = depth > 0 ? reader->open[depth - 1].tag->kind : 0;
}

static void end_innermost(Reader *reader, const HtmlTag *tag)
{
    for (int depth = reader->depth - 1; depth >= 0; depth--) {
        unsigned family = reader->open[depth].tag->family;
        if (family & tag->ends) {
            close_at(reader, depth);
            return;
        }
        if (family & tag->within) return;
    }
}

static bool start_block(Reader *reader, const HtmlTag *tag, const Attributes *attributes)
{
    if (!break_here(reader, tag)) return false;
    if (tag->ends) end_innermost(reader, tag);
    uint32_t names = reader->skipped_from >= 0 || tag->whole ? 0 : attributes->names;
    if (!(tag->does & PUSHED)) {
        reader->kind = tag->kind;
        reader->own_names = names;
        return true;
    }
    if (reader->depth == MOST_OPEN) return true;
    reader->open[reader->depth++] = (Open){tag, reader->flags, reader->names, reader->near};
    reader->flags |= tag->flag;
    reader->near = reader->names | names;
    reader->names = names;
    reader->kind = tag->kind;
    reader->is_item |= tag->family == ITEM;
    if (reader->skipped_from < 0 && ((attributes->hides && !tag->whole) || tag->does & SKIPPED))
        reader->skipped_from = reader->depth - 1;
    return true;
}

static void end_element(Reader *reader, const HtmlTag *tag)
{
    for (int depth = reader->depth - 1; depth >= 0; depth--) {
        if (reader->open[depth].tag == tag) {
            close_at(reader, depth);
            return;
        }
        if (reader->open[depth].tag->family & TABLE && !(tag->family & PART)) return;
    }
}

static bool end_tag(Reader *reader, const HtmlTag *tag)
{
    if (tag == NULL || tag->does & RAW) return true;
    if (tag->does & BR) return end_line(reader);
    if (tag->does & LINK) {
        reader->link_from = -1;
        return true;
    }
    if (!break_here(reader, tag)) return false;
    if (tag->family & (ITEM | LIST)) reader->is_item = false;
    if (tag->does & PUSHED) end_element(reader, tag);
    else reader->kind = reader->depth > 0 ? reader->open[reader->depth - 1].tag->kind : 0;
    return true;
}

/* ---- markup ---- */

static uint32_t names_of_one(const Blocks *tables, const char *p, const char *end)
{
    uint32_t bits = 0;
    bool first = true;
    while (p < end) {
        if (!is_letter(*p)) {
            p++;
            continue;
        }
        char name[MOST_NAME];
        size_t n = 0;
        const char *start = p;
        while (p < end && *p >= 'A' && *p <= 'Z') p++;
        while (p < end && *p >= 'a' && *p <= 'z') p++;
        n = (size_t)(p - start);
        if (n < MOST_NAME) {
            for (size_t i = 0; i < n; i++) name[i] = lower_of(start[i]);
            const NameWord *word = find_word(tables, name, n);
            if (word != NULL && first && word->denies) return 0;
            if (word != NULL) bits |= word->bits;
        }
        first = false;
    }
    return bits;
}

static uint32_t names_of(const Blocks *tables, const char *p, const char *end)
{
    uint32_t bits = 0;
    while (p < end) {
        while (p < end && IN_TAG[(unsigned char)*p] == SPACE) p++;
        const char *start = p;
        while (p < end && IN_TAG[(unsigned char)*p] != SPACE) p++;
        bits |= names_of_one(tables, start, p);
    }
    return bits;
}

static bool is_named(const char *p, size_t n, const char *name)
{
    if (strlen(name) != n) return false;
    for (size_t i = 0; i < n; i++)
        if (lower_of(p[i]) != name[i]) return false;
    return true;
}

static void take_attribute(const Reader *reader, Attributes *found, Str name, Str value)
{
    const Blocks *tables = reader->tables;
    for (unsigned i = 0; i < tables->naming_count; i++)
        if (is_named(name.p, name.n, tables->naming[i].p)) {
            found->names |= names_of(tables, value.p, value.p + value.n);
            return;
        }
    if (is_named(name.p, name.n, "href")) found->has_href = true;
    else if (is_named(name.p, name.n, "hidden")) found->hides = true;
    else if (is_named(name.p, name.n, "aria-hidden")) found->hides |= equals(value, LIT("true"));
    else if (is_named(name.p, name.n, "style")) found->hides |= holds(value, LIT("display:none")) || holds(value, LIT("display: none"));
}

static const char *past(const char *p, const char *end, unsigned kinds)
{
    while (p < end && IN_TAG[(unsigned char)*p] & kinds) p++;
    return p;
}

static const char *up_to(const char *p, const char *end, unsigned kinds)
{
    while (p < end && !(IN_TAG[(unsigned char)*p] & kinds)) p++;
    return p;
}

static const char *quote_end(Reader *reader, const char *p, char quote)
{
    const char **missing = &reader->no_quote[quote == '"'];
    if (*missing != NULL && p >= *missing) return NULL;
    const char *end = memchr(p, quote, (size_t)(reader->end - p));
    if (end == NULL) *missing = p;
    return end;
}

static Str read_value(Reader *reader, const char **p)
{
    const char *start = *p, *end = NULL;
    if (start < reader->end && (*start == '"' || *start == '\'')) end = quote_end(reader, start + 1, *start);
    if (end != NULL) {
        *p = end + 1;
        return (Str){start + 1, (size_t)(end - start - 1)};
    }
    *p = up_to(start, reader->end, SPACE | CLOSE);
    return (Str){start, (size_t)(*p - start)};
}

/* Behind the tag, or NULL where the page ends in it. `wanted`: whether the attributes are taken. */
static Attributes read_attributes(Reader *reader, const char *p, bool wanted)
{
    Attributes found = {NULL, reader->end, false, false, 0};
    const char *end = reader->end;
    for (;;) {
        p = past(p, end, SPACE | SLASH);
        if (p >= end) return found;
        if (*p == '>') {
            found.p = p + 1;
            return found;
        }
        const char *start = p;
        p = up_to(p + 1, end, SPACE | SLASH | CLOSE | EQUAL);
        Str name = {start, (size_t)(p - start)}, value = {p, 0};
        const char *equal = past(p, end, SPACE);
        if (equal < end && *equal == '=') {
            p = past(equal + 1, end, SPACE);
            value = read_value(reader, &p);
        }
        if (wanted) take_attribute(reader, &found, name, value);
    }
}

static const char *after(const char *p, const char *end, char c)
{
    const char *at = p < end ? memchr(p, c, (size_t)(end - p)) : NULL;
    return at != NULL ? at + 1 : end;
}

static const char *comment_end(Reader *reader, const char *p)
{
    if (reader->no_comment_end != NULL && p >= reader->no_comment_end) return NULL;
    const char *at = memmem(p, (size_t)(reader->end - p), "-->", 3);
    if (at == NULL) reader->no_comment_end = p;
    return at;
}

/* Behind the end tag. Without one the page ends, or, of a graphic, nothing is passed over. */
static const char *pass_over(Reader *reader, const HtmlTag *tag, const char *p)
{
    const char **missing = &reader->no_graphic_end[tag - reader->tables->tags], *end = reader->end;
    for (const char *at = p; (*missing == NULL || p < *missing) && at < end;) {
        at = memchr(at, '<', (size_t)(end - at));
        if (at == NULL) break;
        at++;
        if ((size_t)(end - at) < tag->n + 2u || *at != '/' || !is_named(at + 1, tag->n, tag->name)) continue;
        if (IN_TAG[(unsigned char)at[1 + tag->n]] & (SPACE | SLASH | CLOSE)) return after(at + 1 + tag->n, end, '>');
    }
    if (*missing == NULL || p < *missing) *missing = p;
    return tag->does & GRAPHIC ? p : end;
}

/* NULL: an exception. */
static const char *read_start_tag(Reader *reader, const char *start)
{
    const char *name_end = up_to(start, reader->end, SPACE | SLASH | CLOSE);
    const HtmlTag *tag = find_tag(reader->tables, start, (size_t)(name_end - start));
    bool wanted = tag != NULL && !(tag->does & RAW) && (reader->skipped_from < 0 || tag->ends); /* it may end what is skipped */
    Attributes attributes = read_attributes(reader, name_end, wanted);
    const char *p = attributes.p;
    if (p == NULL) return reader->end;
    if (tag == NULL) return p;
    if (tag->does & RAW) return tag->does & GRAPHIC && p[-2] == '/' ? p : pass_over(reader, tag, p);
    if (tag->does & BR) return end_line(reader) ? p : NULL;
    if (tag->does & LINK) {
        if (attributes.has_href) reader->link_from = reader->depth;
        return p;
    }
    return start_block(reader, tag, &attributes) ? p : NULL;
}

static const char *read_end_tag(Reader *reader, const char *start)
{
    if (start >= reader->end || !is_letter(*start)) return after(start, reader->end, '>');
    const char *name_end = up_to(start, reader->end, SPACE | SLASH | CLOSE);
    if (!end_tag(reader, find_tag(reader->tables, start, (size_t)(name_end - start)))) return NULL;
    return after(name_end, reader->end, '>');
}

static const char *read_markup(Reader *reader, const char *start)
{
    const char *p = start + 1, *end = reader->end;
    if (p < end && (*p == '!' || *p == '?')) {
        const char *closed = end - p >= 3 && memcmp(p, "!--", 3) == 0 ? comment_end(reader, p + 1) : NULL;
        return closed != NULL ? closed + 3 : after(p, end, '>');
    }
    if (p < end && *p == '/') return read_end_tag(reader, p + 1);
    if (p < end && is_letter(*p)) return read_start_tag(reader, p);
    return add_text(reader, start, p) ? p : NULL;
}

bool read_blocks(Blocks *tables, const char *html, size_t n, Found *found)
{
    Reader reader;
    memset(&reader, 0, sizeof(reader));
    reader.tables = tables;
    reader.html = html;
    reader.end = html + n;
    reader.found = found;
    reader.skipped_from = reader.link_from = -1;
    new_block(&reader);
    unsigned tags = 0;
    for (const char *p = html; p < reader.end;) {
        if (++tags % TAGS_UNWATCHED == 0 && PyErr_CheckSignals() != 0) return false;
        const char *tag = memchr(p, '<', (size_t)(reader.end - p));
        if (tag == NULL) tag = reader.end;
        if (tag > p && !add_text(&reader, p, tag)) return false;
        p = tag < reader.end ? read_markup(&reader, tag) : tag;
        if (p == NULL) return false;
    }
    return end_block(&reader);
}
