/* The text of blocks: white space, character references and lines. C port of `add_text` to `line` in blocks.py. */
#define PY_SSIZE_T_CLEAN
#include "structure.h"

enum { MOST_ENTITIES = 4096, MOST_DIGITS = 32 };

unsigned fn_char_kind(const FnBlocks *tables, uint32_t code)
{
    if (code < sizeof(tables->kinds)) return tables->kinds[code];
    for (unsigned i = 0; i < tables->mark_count; i += 2)
        if (tables->marks[i] == code) return tables->marks[i + 1];
    return FN_CHAR_PLAIN;
}

static bool emit(FnReader *reader, const char *p, size_t n) { return fn_grow(&reader->found->text, p, n); }

static bool in_pre(const FnReader *reader) { return reader->kind == FN_KIND_PRE; }

static void line_ends(FnReader *reader)
{
    reader->line_begun = reader->gap = false;
    reader->indent_n = 0;
}

void fn_new_block(FnReader *reader)
{
    reader->block = (FnBlock){.start = reader->found->text.n};
    line_ends(reader);
}

static void add_blank(FnReader *reader, char c)
{
    if (in_pre(reader) && c == '\n') line_ends(reader);
    else if (reader->line_begun) reader->gap = true;
    else if (in_pre(reader) && reader->indent_n < FN_MOST_INDENT) reader->indent[reader->indent_n++] = c == '\t' ? '\t' : ' ';
}

/* Write the pending white space before a character that is not white space. */
static bool put_gap(FnReader *reader)
{
    if (reader->line_begun) {
        bool gap = reader->gap;
        reader->gap = false;
        return !gap || emit(reader, " ", 1);
    }
    reader->line_begun = true;
    return (reader->block.chars == 0 || emit(reader, "\n", 1)) && emit(reader, reader->indent, reader->indent_n);
}

static bool add_plain(FnReader *reader, const char *p, size_t n, size_t chars)
{
    if ((!reader->line_begun || reader->gap) && !put_gap(reader)) return false;
    reader->breaks = 0;
    reader->block.chars += (uint32_t)chars;
    if (reader->link_from >= 0) reader->block.linked += (uint32_t)chars;
    return emit(reader, p, n);
}

/* Add one character that is blank, invisible, a mark or not ASCII. */
static bool add_char(FnReader *reader, const char **p, const char *end)
{
    const char *start = *p;
    uint32_t code = fn_decode(p, end);
    unsigned kind = fn_char_kind(reader->tables, code);
    if (kind & FN_CHAR_BLANK) {
        add_blank(reader, (char)(code < 128 ? code : ' '));
        return true;
    }
    if (kind & FN_CHAR_NOTHING) return true;
    reader->last = kind;
    if (kind & FN_CHAR_COMMA) reader->block.commas++;
    return add_plain(reader, start, (size_t)(*p - start), 1);
}

/* Add text without character references. */
bool fn_add_chars(FnReader *reader, const char *p, const char *end)
{
    if (reader->keeper != NULL) return fn_keep_chars(reader, p, end);
    const uint8_t *kinds = reader->tables->kinds;
    while (p < end) {
        const char *start = p;
        while (p < end && (unsigned char)*p < 128 && kinds[(unsigned char)*p] == FN_CHAR_PLAIN) p++;
        if (p > start) {
            reader->last = FN_CHAR_PLAIN;
            if (!add_plain(reader, start, (size_t)(p - start), (size_t)(p - start))) return false;
        }
        if (p < end && !add_char(reader, &p, end)) return false;
    }
    return true;
}

/* End of what html.unescape treats as a character reference: `&` and up to 32 characters of a name. */
static const char *reference_end(const char *p, const char *end)
{
    const char *start = ++p;
    if (p < end && *p == '#') {
        bool hex = ++p < end && (*p == 'x' || *p == 'X');
        start = hex ? ++p : p;
        while (p < end && (fn_is_digit(*p) || (hex && fn_is_letter(*p) && fn_lower_of(*p) <= 'f'))) p++;
    } else {
        for (int n = 0; n < 32 && p < end; n++) {
            if (*p == '\t' || *p == '\n' || *p == '\f' || *p == ' ' || *p == '<' || *p == '&' || *p == '#' || *p == ';')
                break;
            fn_decode(&p, end);
        }
    }
    if (p == start) return NULL;
    return p < end && *p == ';' ? p + 1 : p;
}

/* Number of digits of a numeric character reference. */
static size_t digits_of(const char *p, const char *end)
{
    const char *first = p + 2 + (fn_lower_of(p[2]) == 'x');
    return (size_t)(end - first) - (end[-1] == ';');
}

static bool memorize(PyObject *entities, PyObject *name, PyObject *text)
{
    if (PyDict_GET_SIZE(entities) >= MOST_ENTITIES) PyDict_Clear(entities);
    return PyDict_SetItem(entities, name, text) == 0;
}

/* The text of a character reference: a new reference to a str. */
static PyObject *unescaped(FnBlocks *tables, const char *p, const char *end)
{
    PyObject *name = PyUnicode_DecodeUTF8(p, end - p, "strict"), *html, *text;
    if (name == NULL) return NULL;
    text = PyDict_GetItemWithError(tables->entities, name);
    Py_XINCREF(text);
    if (text == NULL && !PyErr_Occurred() && PyErr_CheckSignals() == 0) {
        html = PyImport_ImportModule("html");
        text = html != NULL ? PyObject_CallMethod(html, "unescape", "O", name) : NULL;
        Py_XDECREF(html);
        if (text != NULL && !memorize(tables->entities, name, text)) Py_CLEAR(text);
    }
    Py_DECREF(name);
    return text;
}

static bool add_reference(FnReader *reader, const char *p, const char *end)
{
    static const char NO_CHARACTER[] = "\xef\xbf\xbd";
    if (p[1] == '#' && digits_of(p, end) > MOST_DIGITS) return fn_add_chars(reader, NO_CHARACTER, NO_CHARACTER + 3);
    Py_ssize_t n;
    PyObject *text = unescaped(reader->tables, p, end);
    const char *meant = text != NULL ? PyUnicode_AsUTF8AndSize(text, &n) : NULL;
    bool good = meant != NULL && fn_add_chars(reader, meant, meant + n);
    Py_XDECREF(text);
    return good;
}

bool fn_add_text(FnReader *reader, const char *p, const char *end)
{
    if (fn_skips(reader)) return true;
    return reader->keeper != NULL ? fn_keep_text(reader, p, end) : fn_unescaped_text(reader, p, end);
}

bool fn_unescaped_text(FnReader *reader, const char *p, const char *end)
{
    while (p < end) {
        const char *reference = memchr(p, '&', (size_t)(end - p)), *after;
        if (reference == NULL) return fn_add_chars(reader, p, end);
        if (!fn_add_chars(reader, p, reference)) return false;
        after = reference_end(reference, end);
        p = reference;
        if (after == NULL) {
            if (!fn_add_chars(reader, p, p + 1)) return false;
            p++;
            continue;
        }
        if (!add_reference(reader, reference, after)) return false;
        p = after;
    }
    return true;
}

FnBlock *fn_push_block(FnFound *found, const FnBlock *block)
{
    if (found->count == found->room) {
        size_t room = 2 * found->room + 64;
        FnBlock *larger = realloc(found->blocks, room * sizeof(FnBlock));
        if (larger == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        found->blocks = larger;
        found->room = room;
    }
    found->blocks[found->count] = *block;
    return &found->blocks[found->count++];
}

bool fn_end_block(FnReader *reader)
{
    if (reader->keeper != NULL) return fn_keep_end_block(reader);
    reader->breaks = 0;
    if (reader->block.chars > 0) {
        FnBlock *block = fn_push_block(reader->found, &reader->block);
        if (block == NULL) return false;
        block->end = reader->found->text.n;
        block->kind = (uint8_t)reader->kind;
        block->flags = reader->flags;
        block->names = reader->near | reader->own_names;
        block->ends_sentence = reader->last & FN_CHAR_SENTENCE_END;
        block->is_item = reader->is_item;
        block->is_cell = reader->is_cell;
        reader->is_item = false;
        reader->is_cell = true;
    }
    fn_new_block(reader);
    return true;
}

bool fn_end_line(FnReader *reader)
{
    if (fn_skips(reader)) return true;
    if (reader->keeper != NULL && fn_keep_in_code(reader)) return fn_keep_newline(reader);
    if (++reader->breaks != 2) {
        if (reader->keeper != NULL) return fn_keep_newline(reader);
        line_ends(reader);
        return true;
    }
    if (!fn_end_block(reader)) return false;
    reader->is_cell = false;
    return true;
}
