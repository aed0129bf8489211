/* Split a chunk as spaCy's tokenizer of a language does: the rules of chunks.py, for chunks without special cases.
 *
 * For chunks of ASCII in English, Python evaluates spaCy's own expressions, when the splitter is created, to find the
 * affix of each pair of characters. letters.c splits words of letters and marks in all languages. Chunks that have an
 * inner dot but are not numbers, or that a special case may affect, are left to Python.
 */
#define PY_SSIZE_T_CLEAN
#include "texts.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "chunks.h"

static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

static FnSplitterSlot *slot_of(FnSplitter *splitter, FnPiece key)
{
    size_t slot = fn_name_hash(key.p, key.n) & (splitter->slot_count - 1);
    while (splitter->slots[slot].key.p != NULL &&
           (splitter->slots[slot].key.n != key.n || memcmp(splitter->slots[slot].key.p, key.p, key.n) != 0))
        slot = (slot + 1) & (splitter->slot_count - 1);
    return &splitter->slots[slot];
}

static FnSplitterSlot *added(FnSplitter *splitter, PyObject *text)
{
    Py_ssize_t n;
    const char *p = PyUnicode_AsUTF8AndSize(text, &n);
    if (p == NULL || splitter->used == splitter->slot_count / 2) return NULL;
    FnSplitterSlot *slot = slot_of(splitter, (FnPiece){p, (size_t)n});
    if (slot->key.p == NULL) {
        *slot = (FnSplitterSlot){{p, (size_t)n}, -1, -1, false, NULL};
        splitter->used++;
    }
    return slot;
}

static void close_splitter(FnSplitter *splitter)
{
    if (splitter == NULL) return;
    Py_XDECREF(splitter->kept);
    Py_XDECREF(splitter->kind_table);
    free(splitter->patterns);
    free(splitter->opens);
    free(splitter->slots);
    free(splitter);
}

static void close_capsule(PyObject *capsule) { close_splitter(PyCapsule_GetPointer(capsule, FN_SPLITTER)); }

static bool fill(FnSplitter *splitter, PyObject *special, PyObject *patterns, PyObject *units, PyObject *opens)
{
    size_t most = (size_t)(PyTuple_GET_SIZE(special) + PyTuple_GET_SIZE(patterns) + PyTuple_GET_SIZE(units) +
                           PyTuple_GET_SIZE(opens));
    for (splitter->slot_count = 1024; splitter->slot_count < 4 * most;) splitter->slot_count *= 2;
    splitter->slots = calloc(splitter->slot_count, sizeof(FnSplitterSlot));
    if (splitter->slots == NULL) return false;
    splitter->opens = calloc((size_t)PyTuple_GET_SIZE(opens) + 1, sizeof(FnPattern));
    if (splitter->opens == NULL) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(opens); i++) {
        PyObject *tokens = PyTuple_GET_ITEM(opens, i);
        if (!PyTuple_Check(tokens) || PyTuple_GET_SIZE(tokens) == 0) return false;
        FnSplitterSlot *slot = added(splitter, PyTuple_GET_ITEM(tokens, PyTuple_GET_SIZE(tokens) - 1));
        if (slot == NULL) return false;
        splitter->opens[i] = (FnPattern){tokens, slot->open};
        slot->open = (int32_t)i;
        if (slot->key.n > splitter->longest) splitter->longest = slot->key.n;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(units); i++) {
        FnSplitterSlot *slot = added(splitter, PyTuple_GET_ITEM(units, i));
        if (slot == NULL) return false;
        slot->unit = true;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(special); i++) {
        PyObject *tokens = PyTuple_GET_ITEM(special, i); /* its text, then the tokens */
        if (!PyTuple_Check(tokens) || PyTuple_GET_SIZE(tokens) == 0) return false;
        FnSplitterSlot *slot = added(splitter, PyTuple_GET_ITEM(tokens, 0));
        if (slot == NULL) return false;
        slot->special = tokens;
        if (slot->key.n > splitter->longest) splitter->longest = slot->key.n;
    }
    splitter->patterns = calloc((size_t)PyTuple_GET_SIZE(patterns) + 1, sizeof(FnPattern));
    if (splitter->patterns == NULL) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(patterns); i++) {
        PyObject *tokens = PyTuple_GET_ITEM(patterns, i);
        if (!PyTuple_Check(tokens) || PyTuple_GET_SIZE(tokens) == 0) return false;
        FnSplitterSlot *slot = added(splitter, PyTuple_GET_ITEM(tokens, 0));
        if (slot == NULL) return false;
        splitter->patterns[i] = (FnPattern){tokens, slot->pattern};
        slot->pattern = (int32_t)i;
    }
    return true;
}

PyObject *fn_splitter_open(PyObject *self, PyObject *args)
{
    PyObject *special, *patterns, *units, *opens, *kinds;
    const char *prefix, *suffix;
    Py_ssize_t n, m;
    int english, letters, digits, dots;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!O!O!Oy#y#pppp", &PyTuple_Type, &special, &PyTuple_Type, &patterns, &PyTuple_Type,
                          &units, &PyTuple_Type, &opens, &kinds, &prefix, &n, &suffix, &m, &english, &letters, &digits, &dots))
        return NULL;
    FnSplitter *splitter = calloc(1, sizeof(FnSplitter));
    if (splitter == NULL) return PyErr_NoMemory();
    if (n != FN_CHARS * FN_CHARS || m != FN_CHARS * FN_CHARS) {
        free(splitter);
        return PyErr_Format(PyExc_ValueError, "tables of pairs of ASCII characters are needed");
    }
    memcpy(splitter->prefix, prefix, (size_t)n);
    memcpy(splitter->suffix, suffix, (size_t)m);
    splitter->english = english;
    splitter->letters = letters;
    splitter->digits = digits;
    splitter->dots = dots;
    splitter->kind_table = Py_NewRef(kinds);
    splitter->kept = PyTuple_Pack(4, special, patterns, units, opens);
    if (splitter->kept == NULL || !fill(splitter, special, patterns, units, opens)) {
        close_splitter(splitter);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    PyObject *capsule = PyCapsule_New(splitter, FN_SPLITTER, close_capsule);
    if (capsule == NULL) close_splitter(splitter);
    return capsule;
}

PyObject *fn_special_of(FnSplitter *splitter, const char *p, const char *end)
{
    size_t n = (size_t)(end - p);
    if (p >= end || n > splitter->longest) return NULL;
    const FnSplitterSlot *slot = slot_of(splitter, (FnPiece){p, n});
    return slot->key.p != NULL ? slot->special : NULL;
}

static int prefix_length(const FnSplitter *splitter, const char *p, const char *end)
{
    if (*p == '.') {
        const char *at = p;
        while (at < end && *at == '.') at++;
        return at - p > 1 ? (int)(at - p) : 0;
    }
    if ((*p == 'U' || *p == 'C' || *p == 'A') && memchr(p, '$', (size_t)(end - p > 3 ? 3 : end - p)) != NULL) return FN_PUNT;
    return splitter->prefix[(int)*p][p + 1 < end ? (int)p[1] : 0];
}

static int suffix_length(FnSplitter *splitter, const char *p, const char *end)
{
    if (p >= end) return 0;
    char last = end[-1], before = end - p > 1 ? end[-2] : 0;
    if (fn_is_digit(last)) return 0;
    if (fn_is_letter(last)) {
        const char *at = end - 1;
        while (at > p && end - at < FN_CHUNKS_MAX_UNIT && (fn_is_letter(*at) || *at == '/')) at--; /* km/h */
        if (fn_is_digit(*at)) {
            const FnSplitterSlot *slot = slot_of(splitter, (FnPiece){at + 1, (size_t)(end - at - 1)});
            return slot->key.p != NULL && slot->unit ? (int)(end - at - 1) : 0;
        }
        return (last == 's' || last == 'S') && before == '\'' ? 2 : 0;
    }
    if (last == '.') {
        const char *at = end;
        while (at > p && at[-1] == '.') at--;
        if (end - at > 1) return (int)(end - at);
        if (is_upper(before)) return end - p > 2 && is_upper(end[-3]);
    }
    if (last == '$' && fn_is_letter(before)) return FN_PUNT;
    return splitter->suffix[(int)before][(int)last];
}

/* Length of the infix that begins here, which is not the core's first character; 0 if there is none. */
static size_t infix_length(const char *at, const char *end)
{
    char before = at[-1], after = at + 1 < end ? at[1] : 0;
    if (fn_is_digit(before) && strchr("+-*^", *at) != NULL && (fn_is_digit(after) || after == '-')) return 1;
    if (!fn_is_letter(before) && !fn_is_digit(before)) return 0;
    if (*at == ',') return fn_is_letter(before) && fn_is_letter(after);
    if (*at == '~' || *at == ':' || *at == '<' || *at == '>' || *at == '=' || *at == '/') return fn_is_letter(after);
    size_t n = 0;
    while (at + n < end && at[n] == '-') n++;
    return n >= 1 && n <= 3 && at + n < end && fn_is_letter(at[n]) ? n : 0;
}

/* No piece is empty, so a chunk has at most as many pieces as characters; more than FN_FEW_PIECES are allocated. */
bool fn_begin_pieces(FnPieces *pieces, size_t chars)
{
    pieces->n = 0;
    pieces->pieces = chars <= FN_FEW_PIECES ? pieces->room : malloc(chars * sizeof(FnPiece));
    if (pieces->pieces == NULL) PyErr_NoMemory();
    return pieces->pieces != NULL;
}

void fn_end_pieces(FnPieces *pieces)
{
    if (pieces->pieces != pieces->room) free(pieces->pieces);
}

void fn_put_piece(FnPieces *pieces, const char *p, const char *end)
{
    if (p < end) pieces->pieces[pieces->n++] = (FnPiece){p, (size_t)(end - p)};
}

/* Digits with single points and commas between them. */
static bool is_number(const char *p, const char *end)
{
    if (!fn_is_digit(*p) || !fn_is_digit(end[-1])) return false;
    for (; p < end; p++)
        if (!fn_is_digit(*p) && ((*p != '.' && *p != ',') || !fn_is_digit(p[1]))) return false;
    return true;
}

static bool put_core(FnPieces *pieces, const char *p, const char *end)
{
    const char *from = p, *at = p;
    while (at < end && fn_is_letter(*at)) at++;
    if (at == end) {
        fn_put_piece(pieces, p, end);
        return true;
    }
    if (memchr(p, '.', (size_t)(end - p)) != NULL) {
        if (!is_number(p, end)) return false;
        fn_put_piece(pieces, p, end);
        return true;
    }
    for (at = p + 1; at < end;) {
        size_t n = infix_length(at, end);
        if (n == 0) {
            at++;
            continue;
        }
        fn_put_piece(pieces, from, at);
        fn_put_piece(pieces, at, at + n);
        from = at += n;
    }
    fn_put_piece(pieces, from, end);
    return true;
}

/* Add the tokens of a special case, which are the parts of its text. */
bool fn_put_special(FnPieces *pieces, PyObject *special, const char *p, const char *end)
{
    for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(special); i++) {
        Py_ssize_t n;
        if (PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(special, i), &n) == NULL || n > end - p) return false;
        fn_put_piece(pieces, p, p + n);
        p += n;
    }
    return p == end;
}

static bool same(PyObject *text, FnPiece piece)
{
    Py_ssize_t n;
    const char *p = PyUnicode_AsUTF8AndSize(text, &n);
    return p != NULL && (size_t)n == piece.n && memcmp(p, piece.p, piece.n) == 0;
}

/* Whether the tokens at `at` are those of the pattern. */
static bool is_at(PyObject *tokens, const FnPieces *pieces, size_t at)
{
    size_t n = (size_t)PyTuple_GET_SIZE(tokens), j = 0;
    if (n > pieces->n - at) return false;
    while (j < n && same(PyTuple_GET_ITEM(tokens, (Py_ssize_t)j), pieces->pieces[at + j])) j++;
    return j == n;
}

/* Whether any sequence of the tokens spells a special case, or begins one at their end that a next chunk may continue. */
static bool spell_special(FnSplitter *splitter, const FnPieces *pieces)
{
    for (size_t i = 0; i < pieces->n; i++) {
        if (pieces->pieces[i].n > splitter->longest) continue;
        const FnSplitterSlot *slot = slot_of(splitter, pieces->pieces[i]);
        if (slot->key.p == NULL) continue;
        for (int32_t at = slot->pattern; at >= 0; at = splitter->patterns[at].next)
            if (is_at(splitter->patterns[at].tokens, pieces, i)) return true;
        for (int32_t at = i + 1 == pieces->n ? slot->open : -1; at >= 0; at = splitter->opens[at].next) {
            PyObject *tokens = splitter->opens[at].tokens;
            size_t n = (size_t)PyTuple_GET_SIZE(tokens);
            if (n <= pieces->n && is_at(tokens, pieces, pieces->n - n)) return true;
        }
    }
    return false;
}

static bool is_visible_ascii(const char *p, const char *end)
{
    for (; p < end; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 127) return false;
    return true;
}

static bool split_ascii(FnSplitter *splitter, const char *p, const char *end, FnPieces *pieces)
{
    FnPiece *behind = pieces->pieces + (end - p), *after = behind; /* suffixes, backwards from the end of the room */
    PyObject *special = NULL;
    while (p < end && (special = fn_special_of(splitter, p, end)) == NULL) {
        int head = prefix_length(splitter, p, end);
        if (head == FN_PUNT) return false;
        fn_put_piece(pieces, p, p + head);
        if (head && (special = fn_special_of(splitter, p + head, end)) != NULL) {
            p += head;
            break;
        }
        int tail = suffix_length(splitter, p + head, end);
        if (tail == FN_PUNT) return false;
        bool strips = tail && head + tail <= end - p, last = tail && (special = fn_special_of(splitter, p, end - tail)) != NULL;
        if (strips || last) {
            *--after = (FnPiece){end - tail, (size_t)tail};
            end -= tail;
        }
        if (last) { /* with its prefix */
            pieces->n -= head > 0;
            break;
        }
        if (!head && !tail) break;
        p += head;
    }
    if (special != NULL ? !fn_put_special(pieces, special, p, end) : p < end && !put_core(pieces, p, end)) return false;
    while (after < behind) pieces->pieces[pieces->n++] = *after++;
    return true;
}

bool fn_split(FnSplitter *splitter, const char *p, const char *end, FnPieces *pieces)
{
    bool ascii = splitter->english && is_visible_ascii(p, end);
    bool done = ascii ? split_ascii(splitter, p, end, pieces) : fn_split_letters(splitter, p, end, pieces);
    return done && !spell_special(splitter, pieces);
}

bool fn_add_counts(FnSplitter *splitter, FnPiece token, FnCounts *counts)
{
    bool symbol = true, letter = false;
    size_t chars = 0;
    for (const char *p = token.p, *end = p + token.n; p < end; chars++) {
        int kind = fn_kind_of(splitter, &p, end);
        if (kind < 0) return false;
        symbol = symbol && (kind & FN_KIND_PUNCTUATION);
        letter = letter || (kind & FN_KIND_LETTER);
    }
    counts->non_symbol += !symbol;
    counts->chars += symbol ? 0 : chars;
    counts->alpha += letter;
    return true;
}

/* Returns (tokens, non-symbol tokens, their characters, tokens with a letter); None if Python must split the chunk. */
PyObject *fn_splitter_split(PyObject *self, PyObject *args)
{
    PyObject *capsule, *chunk;
    FnPieces pieces;
    FnCounts counts = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "OU", &capsule, &chunk)) return NULL;
    FnSplitter *splitter = PyCapsule_GetPointer(capsule, FN_SPLITTER);
    if (splitter == NULL) return NULL;
    Py_ssize_t n;
    const char *p = PyUnicode_AsUTF8AndSize(chunk, &n);
    if (p == NULL) return NULL;
    if (n == 0) Py_RETURN_NONE;
    if (!fn_begin_pieces(&pieces, (size_t)n)) return NULL;
    if (!fn_split(splitter, p, p + n, &pieces)) {
        fn_end_pieces(&pieces);
        if (PyErr_Occurred()) return NULL;
        Py_RETURN_NONE;
    }
    PyObject *tokens = PyTuple_New((Py_ssize_t)pieces.n);
    for (size_t i = 0; tokens != NULL && i < pieces.n; i++) {
        FnPiece piece = pieces.pieces[i];
        PyObject *token = piece.n == (size_t)n ? Py_NewRef(chunk) : PyUnicode_FromStringAndSize(piece.p, (Py_ssize_t)piece.n);
        if (token != NULL) PyTuple_SET_ITEM(tokens, (Py_ssize_t)i, token);
        if (token == NULL || !fn_add_counts(splitter, piece, &counts)) Py_CLEAR(tokens);
    }
    fn_end_pieces(&pieces);
    return tokens == NULL ? NULL
                          : Py_BuildValue("Nnnn", tokens, (Py_ssize_t)counts.non_symbol, (Py_ssize_t)counts.chars,
                                          (Py_ssize_t)counts.alpha);
}
