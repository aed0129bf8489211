/* Split a word of letters, with marks before and after it, in any language.
 *
 * expressions.py proves of the marks that nothing but they themselves can be an affix in such a chunk, and of letters
 * that no rule splits them. A word may also end with a dot, if the character before the dot makes it a suffix.
 */
#define PY_SSIZE_T_CLEAN
#include "chunks.h"

static int asked(FnSplitter *splitter, uint32_t code)
{
    PyObject *key = PyLong_FromUnsignedLong(code), *found = key != NULL ? PyObject_GetItem(splitter->kind_table, key) : NULL;
    long kind = found != NULL ? PyLong_AsLong(found) : -1;
    Py_XDECREF(key);
    Py_XDECREF(found);
    if (PyErr_Occurred()) return FN_PUNT;
    return (int)(kind & 0xff) | FN_KIND_KNOWN;
}

int fn_kind_of(FnSplitter *splitter, const char **p, const char *end)
{
    uint32_t code = fn_decode(p, end);
    if (code >= FN_CODES) return asked(splitter, code);
    if (splitter->kinds[code] == 0) {
        int kind = asked(splitter, code);
        if (kind < 0) return kind;
        splitter->kinds[code] = (unsigned char)kind;
    }
    return splitter->kinds[code];
}

/* The start of the last character before `end`. */
static const char *last_of(const char *p, const char *end)
{
    const char *at = end - 1;
    while (at > p && ((unsigned char)*at & 0xc0) == 0x80) at--;
    return at;
}

static bool is_digits(const char *p, const char *end)
{
    while (p < end && fn_is_digit(*p)) p++;
    return p == end;
}

/* Whether the chunk is marks, letters, then marks or one dot: the form for which the marks are proved to be affixes. */
static bool has_form(FnSplitter *splitter, const char *p, const char *end)
{
    int kind = 0, before = 0;
    while (p < end && ((kind = fn_kind_of(splitter, &p, end)) & FN_KIND_PREFIX) && kind >= 0) {}
    if (kind < 0 || !(kind & FN_KIND_LETTER) || (kind & FN_KIND_WORD)) return false;
    for (before = kind; p < end && kind >= 0 && (kind & FN_KIND_LETTER);) {
        const char *at = p;
        kind = fn_kind_of(splitter, &at, end);
        if (kind < 0) return false;
        if (!(kind & FN_KIND_LETTER)) break;
        before = kind;
        p = at;
    }
    if (p + 1 == end && *p == '.') return splitter->dots && (before & FN_KIND_DOT);
    while (p < end) {
        kind = fn_kind_of(splitter, &p, end);
        if (kind < 0 || !(kind & FN_KIND_SUFFIX)) return false;
    }
    return true;
}

static bool split_form(FnSplitter *splitter, const char *p, const char *end, FnPieces *pieces)
{
    FnPiece *behind = pieces->pieces + (end - p), *after = behind; /* suffixes, backwards from the end of the room */
    PyObject *special = NULL;
    while (p < end && (special = fn_special_of(splitter, p, end)) == NULL) {
        const char *second = p, *last;
        int first_kind = fn_kind_of(splitter, &second, end);
        size_t head = first_kind & FN_KIND_PREFIX ? (size_t)(second - p) : 0, tail = 0;
        fn_put_piece(pieces, p, p + head);
        if (head && (special = fn_special_of(splitter, p + head, end)) != NULL) {
            p += head;
            break;
        }
        last = last_of(p, end);
        if (p + head < end) {
            const char *at = last;
            int kind = fn_kind_of(splitter, &at, end);
            if (*last == '.' || (kind & FN_KIND_SUFFIX)) tail = (size_t)(end - last);
        }
        bool strips = tail && head + tail <= (size_t)(end - p), ends = tail && (special = fn_special_of(splitter, p, end - tail)) != NULL;
        if (strips || ends) {
            *--after = (FnPiece){end - tail, tail};
            end -= tail;
        }
        if (ends) { /* with its prefix */
            pieces->n -= head > 0;
            break;
        }
        if (!head && !tail) break;
        p += head;
    }
    if (special != NULL) {
        if (!fn_put_special(pieces, special, p, end)) return false;
    } else {
        fn_put_piece(pieces, p, end);
    }
    while (after < behind) pieces->pieces[pieces->n++] = *after++;
    return true;
}

bool fn_split_letters(FnSplitter *splitter, const char *p, const char *end, FnPieces *pieces)
{
    if (is_digits(p, end)) {
        if (!splitter->digits || fn_special_of(splitter, p, end) != NULL) return false;
        fn_put_piece(pieces, p, end);
        return true;
    }
    return splitter->letters && has_form(splitter, p, end) && split_form(splitter, p, end, pieces);
}
