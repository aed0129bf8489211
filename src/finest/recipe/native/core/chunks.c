/* How spaCy's English tokenizer splits a chunk of ASCII: chunks.py's rules, for all chunks in which no special case is met.
 *
 * What a pair of characters decides about an affix is asked of spaCy's own expressions when the splitter is made. A chunk
 * with a dot inside that is no number, or in reach of a special case is left to Python.
 */
#define PY_SSIZE_T_CLEAN
#include "texts.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

enum { CHARS = 128, FEW = 100, SLOTS = 8192, PUNT = -1 };

typedef struct { const char *p; size_t n; } Piece;
typedef struct { PyObject *tokens; int32_t next; } Pattern; /* patterns that begin with one token are a list */
typedef struct { Piece key; int32_t pattern; bool unit; PyObject *special; } Slot; /* `special`: the tokens of a special case */
typedef struct {
    unsigned char prefix[CHARS][CHARS]; /* [character][the next, or 0]: characters of the prefix */
    unsigned char suffix[CHARS][CHARS]; /* [the one before, or 0][character]: characters of the suffix */
    bool punctuation[CHARS];
    size_t longest;
    Slot slots[SLOTS];
    size_t used;
    Pattern *patterns;
    int32_t pattern_count;
    PyObject *kept; /* the strings that keys and patterns lie in */
} Splitter;

static const char CAPSULE[] = "finest.recipe.native.chunks";

static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

static Slot *slot_of(Splitter *splitter, Piece key)
{
    size_t slot = fn_name_hash(key.p, key.n) % SLOTS;
    while (splitter->slots[slot].key.p != NULL &&
           (splitter->slots[slot].key.n != key.n || memcmp(splitter->slots[slot].key.p, key.p, key.n) != 0))
        slot = (slot + 1) % SLOTS;
    return &splitter->slots[slot];
}

static Slot *added(Splitter *splitter, PyObject *text)
{
    Py_ssize_t n;
    const char *p = PyUnicode_AsUTF8AndSize(text, &n);
    if (p == NULL || splitter->used == SLOTS / 2) return NULL;
    Slot *slot = slot_of(splitter, (Piece){p, (size_t)n});
    if (slot->key.p == NULL) {
        *slot = (Slot){{p, (size_t)n}, -1, false, NULL};
        splitter->used++;
    }
    return slot;
}

static void close_splitter(Splitter *splitter)
{
    if (splitter == NULL) return;
    Py_XDECREF(splitter->kept);
    free(splitter->patterns);
    free(splitter);
}

static void close_capsule(PyObject *capsule) { close_splitter(PyCapsule_GetPointer(capsule, CAPSULE)); }

static bool fill(Splitter *splitter, PyObject *special, PyObject *patterns, PyObject *units)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(units); i++) {
        Slot *slot = added(splitter, PyTuple_GET_ITEM(units, i));
        if (slot == NULL) return false;
        slot->unit = true;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(special); i++) {
        PyObject *tokens = PyTuple_GET_ITEM(special, i); /* its text, then the tokens */
        if (!PyTuple_Check(tokens) || PyTuple_GET_SIZE(tokens) == 0) return false;
        Slot *slot = added(splitter, PyTuple_GET_ITEM(tokens, 0));
        if (slot == NULL) return false;
        slot->special = tokens;
        if (slot->key.n > splitter->longest) splitter->longest = slot->key.n;
    }
    splitter->patterns = calloc((size_t)PyTuple_GET_SIZE(patterns) + 1, sizeof(Pattern));
    if (splitter->patterns == NULL) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(patterns); i++) {
        PyObject *tokens = PyTuple_GET_ITEM(patterns, i);
        if (!PyTuple_Check(tokens) || PyTuple_GET_SIZE(tokens) == 0) return false;
        Slot *slot = added(splitter, PyTuple_GET_ITEM(tokens, 0));
        if (slot == NULL) return false;
        splitter->patterns[i] = (Pattern){tokens, slot->pattern};
        slot->pattern = (int32_t)i;
    }
    return true;
}

PyObject *fn_splitter_open(PyObject *self, PyObject *args)
{
    PyObject *special, *patterns, *units;
    const char *prefix, *suffix, *punctuation;
    Py_ssize_t n, m, k;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!O!y#y#y#", &PyTuple_Type, &special, &PyTuple_Type, &patterns, &PyTuple_Type,
                          &units, &prefix, &n, &suffix, &m, &punctuation, &k))
        return NULL;
    Splitter *splitter = calloc(1, sizeof(Splitter));
    if (splitter == NULL) return PyErr_NoMemory();
    if (n != CHARS * CHARS || m != CHARS * CHARS) {
        free(splitter);
        return PyErr_Format(PyExc_ValueError, "tables of pairs of ASCII characters are needed");
    }
    memcpy(splitter->prefix, prefix, (size_t)n);
    memcpy(splitter->suffix, suffix, (size_t)m);
    for (Py_ssize_t i = 0; i < k; i++) splitter->punctuation[punctuation[i] & 127] = true;
    splitter->kept = PyTuple_Pack(3, special, patterns, units);
    if (splitter->kept == NULL || !fill(splitter, special, patterns, units)) {
        close_splitter(splitter);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    PyObject *capsule = PyCapsule_New(splitter, CAPSULE, close_capsule);
    if (capsule == NULL) close_splitter(splitter);
    return capsule;
}

/* Its text and tokens; NULL of anything else. */
static PyObject *special_of(Splitter *splitter, const char *p, const char *end)
{
    size_t n = (size_t)(end - p);
    if (p >= end || n > splitter->longest) return NULL;
    const Slot *slot = slot_of(splitter, (Piece){p, n});
    return slot->key.p != NULL ? slot->special : NULL;
}

static int prefix_length(const Splitter *splitter, const char *p, const char *end)
{
    if (*p == '.') {
        const char *at = p;
        while (at < end && *at == '.') at++;
        return at - p > 1 ? (int)(at - p) : 0;
    }
    if ((*p == 'U' || *p == 'C' || *p == 'A') && memchr(p, '$', (size_t)(end - p > 3 ? 3 : end - p)) != NULL) return PUNT;
    return splitter->prefix[(int)*p][p + 1 < end ? (int)p[1] : 0];
}

static int suffix_length(Splitter *splitter, const char *p, const char *end)
{
    if (p >= end) return 0;
    char last = end[-1], before = end - p > 1 ? end[-2] : 0;
    if (fn_is_digit(last)) return 0;
    if (fn_is_letter(last)) {
        const char *at = end - 1;
        while (at > p && end - at < FN_CHUNKS_MAX_UNIT && (fn_is_letter(*at) || *at == '/')) at--; /* km/h */
        if (fn_is_digit(*at)) {
            const Slot *slot = slot_of(splitter, (Piece){at + 1, (size_t)(end - at - 1)});
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
    if (last == '$' && fn_is_letter(before)) return PUNT;
    return splitter->suffix[(int)before][(int)last];
}

/* Characters of the infix that begins here, which is not the core's first character; 0 where there is none. */
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

/* No piece is empty, so that a chunk has no more pieces than characters. Those of a longer chunk are allocated. */
typedef struct { Piece *pieces, room[FEW]; size_t n; } Pieces;

static bool begin_pieces(Pieces *pieces, size_t chars)
{
    pieces->n = 0;
    pieces->pieces = chars <= FEW ? pieces->room : malloc(chars * sizeof(Piece));
    if (pieces->pieces == NULL) PyErr_NoMemory();
    return pieces->pieces != NULL;
}

static void end_pieces(Pieces *pieces)
{
    if (pieces->pieces != pieces->room) free(pieces->pieces);
}

static void put_piece(Pieces *pieces, const char *p, const char *end)
{
    if (p < end) pieces->pieces[pieces->n++] = (Piece){p, (size_t)(end - p)};
}

/* Digits with single points and commas between them. */
static bool is_number(const char *p, const char *end)
{
    if (!fn_is_digit(*p) || !fn_is_digit(end[-1])) return false;
    for (; p < end; p++)
        if (!fn_is_digit(*p) && ((*p != '.' && *p != ',') || !fn_is_digit(p[1]))) return false;
    return true;
}

static bool put_core(Pieces *pieces, const char *p, const char *end)
{
    const char *from = p, *at = p;
    while (at < end && fn_is_letter(*at)) at++;
    if (at == end) {
        put_piece(pieces, p, end);
        return true;
    }
    if (memchr(p, '.', (size_t)(end - p)) != NULL) {
        if (!is_number(p, end)) return false;
        put_piece(pieces, p, end);
        return true;
    }
    for (at = p + 1; at < end;) {
        size_t n = infix_length(at, end);
        if (n == 0) {
            at++;
            continue;
        }
        put_piece(pieces, from, at);
        put_piece(pieces, at, at + n);
        from = at += n;
    }
    put_piece(pieces, from, end);
    return true;
}

/* The tokens of a special case, which are the parts of its text. */
static bool put_special(Pieces *pieces, PyObject *special, const char *p, const char *end)
{
    for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(special); i++) {
        Py_ssize_t n;
        if (PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(special, i), &n) == NULL || n > end - p) return false;
        put_piece(pieces, p, p + n);
        p += n;
    }
    return p == end;
}

static bool same(PyObject *text, Piece piece)
{
    Py_ssize_t n;
    const char *p = PyUnicode_AsUTF8AndSize(text, &n);
    return p != NULL && (size_t)n == piece.n && memcmp(p, piece.p, piece.n) == 0;
}

/* Whether the tokens spell a special case somewhere. */
static bool spell_special(Splitter *splitter, const Pieces *pieces)
{
    for (size_t i = 0; i < pieces->n; i++) {
        if (pieces->pieces[i].n > splitter->longest) continue;
        const Slot *slot = slot_of(splitter, pieces->pieces[i]);
        if (slot->key.p == NULL) continue;
        for (int32_t at = slot->pattern; at >= 0; at = splitter->patterns[at].next) {
            PyObject *tokens = splitter->patterns[at].tokens;
            size_t n = (size_t)PyTuple_GET_SIZE(tokens), j = 1;
            if (n > pieces->n - i) continue;
            while (j < n && same(PyTuple_GET_ITEM(tokens, (Py_ssize_t)j), pieces->pieces[i + j])) j++;
            if (j == n) return true;
        }
    }
    return false;
}

static bool split(Splitter *splitter, const char *p, const char *end, Pieces *pieces)
{
    Piece *behind = pieces->pieces + (end - p), *after = behind; /* suffixes, from the end of the room */
    for (const char *at = p; at < end; at++)
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 127) return false;
    PyObject *special = NULL;
    while (p < end && (special = special_of(splitter, p, end)) == NULL) {
        int head = prefix_length(splitter, p, end);
        if (head == PUNT) return false;
        put_piece(pieces, p, p + head);
        if (head && (special = special_of(splitter, p + head, end)) != NULL) {
            p += head;
            break;
        }
        int tail = suffix_length(splitter, p + head, end);
        if (tail == PUNT) return false;
        bool strips = tail && head + tail <= end - p, last = tail && (special = special_of(splitter, p, end - tail)) != NULL;
        if (strips || last) {
            *--after = (Piece){end - tail, (size_t)tail};
            end -= tail;
        }
        if (last) { /* with its prefix */
            pieces->n -= head > 0;
            break;
        }
        if (!head && !tail) break;
        p += head;
    }
    if (special != NULL ? !put_special(pieces, special, p, end) : p < end && !put_core(pieces, p, end)) return false;
    while (after < behind) pieces->pieces[pieces->n++] = *after++;
    return !spell_special(splitter, pieces);
}

typedef struct { size_t non_symbol, chars, alpha; } Counts; /* tokens that are no symbols, their characters; with a letter */

static void add_counts(const Splitter *splitter, Piece token, Counts *counts)
{
    bool symbol = true, letter = false;
    for (size_t i = 0; i < token.n; i++) {
        symbol = symbol && splitter->punctuation[(int)token.p[i]];
        letter = letter || fn_is_letter(token.p[i]);
    }
    counts->non_symbol += !symbol;
    counts->chars += symbol ? 0 : token.n;
    counts->alpha += letter;
}

/* (tokens, non-symbol tokens, their characters, tokens with a letter); None where Python decides. */
PyObject *fn_splitter_split(PyObject *self, PyObject *args)
{
    PyObject *capsule, *chunk;
    Pieces pieces;
    Counts counts = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "OU", &capsule, &chunk)) return NULL;
    Splitter *splitter = PyCapsule_GetPointer(capsule, CAPSULE);
    if (splitter == NULL) return NULL;
    Py_ssize_t n;
    const char *p = PyUnicode_IS_ASCII(chunk) ? PyUnicode_AsUTF8AndSize(chunk, &n) : NULL;
    if (p == NULL && PyErr_Occurred()) return NULL;
    if (p == NULL || n == 0) Py_RETURN_NONE;
    if (!begin_pieces(&pieces, (size_t)n)) return NULL;
    if (!split(splitter, p, p + n, &pieces)) {
        end_pieces(&pieces);
        if (PyErr_Occurred()) return NULL;
        Py_RETURN_NONE;
    }
    PyObject *tokens = PyTuple_New((Py_ssize_t)pieces.n);
    for (size_t i = 0; tokens != NULL && i < pieces.n; i++) {
        Piece piece = pieces.pieces[i];
        PyObject *token = piece.n == (size_t)n ? Py_NewRef(chunk) : PyUnicode_FromStringAndSize(piece.p, (Py_ssize_t)piece.n);
        if (token == NULL) {
            Py_CLEAR(tokens);
            break;
        }
        PyTuple_SET_ITEM(tokens, (Py_ssize_t)i, token);
        add_counts(splitter, piece, &counts);
    }
    end_pieces(&pieces);
    return tokens == NULL ? NULL
                          : Py_BuildValue("Nnnn", tokens, (Py_ssize_t)counts.non_symbol, (Py_ssize_t)counts.chars,
                                          (Py_ssize_t)counts.alpha);
}

/* ---- all words of a text ---- */

typedef struct {
    FnGrowing text; /* all tokens, a space behind each */
    size_t n;
    PyObject *known; /* counts of the chunks that the memo knows */
    Counts counts;   /* of all others */
} Words;

static bool add_token(Words *words, const char *p, size_t n)
{
    words->n++;
    return fn_grow(&words->text, p, n) && fn_grow(&words->text, " ", 1);
}

static bool add_pieces(const Splitter *splitter, const Pieces *pieces, Words *words)
{
    for (size_t i = 0; i < pieces->n; i++) {
        if (!add_token(words, pieces->pieces[i].p, pieces->pieces[i].n)) return false;
        add_counts(splitter, pieces->pieces[i], &words->counts);
    }
    return true;
}

/* A chunk as Python knows it: (tokens, counts, after, before). */
static bool add_known(PyObject *memo, const char *p, size_t n, Words *words)
{
    PyObject *chunk = PyUnicode_DecodeUTF8(p, (Py_ssize_t)n, "strict"), *known = NULL, *sum = NULL;
    bool good = chunk != NULL && (known = PyObject_GetItem(memo, chunk)) != NULL;
    if (good && (!PyTuple_Check(known) || PyTuple_GET_SIZE(known) != 4 || !PyTuple_Check(PyTuple_GET_ITEM(known, 0)))) {
        PyErr_SetString(PyExc_TypeError, "a memo gives a tuple of four");
        good = false;
    }
    for (Py_ssize_t i = 0; good && i < PyTuple_GET_SIZE(PyTuple_GET_ITEM(known, 0)); i++) {
        Py_ssize_t size;
        const char *token = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(PyTuple_GET_ITEM(known, 0), i), &size);
        good = token != NULL && add_token(words, token, (size_t)size);
    }
    good = good && (sum = PyNumber_Add(words->known, PyTuple_GET_ITEM(known, 1))) != NULL;
    if (good) Py_SETREF(words->known, sum);
    Py_XDECREF(known);
    Py_XDECREF(chunk);
    return good;
}

static bool add_chunk(Splitter *splitter, PyObject *memo, const char *p, size_t n, Words *words)
{
    Pieces pieces;
    if (!begin_pieces(&pieces, n)) return false;
    bool known = !split(splitter, p, p + n, &pieces); /* to the memo, or by it */
    bool good = known || add_pieces(splitter, &pieces, words);
    end_pieces(&pieces);
    return known && !PyErr_Occurred() ? add_known(memo, p, n, words) : good && !known;
}

static bool add_chunks(Splitter *splitter, PyObject *memo, const char *p, const char *end, Words *words)
{
    while (p < end) {
        size_t space = fn_space_at(p, end);
        const char *from = p;
        if (space) {
            p += space;
            continue;
        }
        while (p < end && (FN_BYTE_KIND[(unsigned char)*p] == 0 || fn_space_at(p, end) == 0)) p++;
        if (!add_chunk(splitter, memo, from, (size_t)(p - from), words)) return false;
    }
    return true;
}

/* (tokens with spaces between them, how many, counts of the chunks that the memo knows, and those of all others in three
 * numbers) */
PyObject *fn_splitter_words(PyObject *self, PyObject *args)
{
    PyObject *capsule, *memo, *found = NULL;
    const char *p;
    Py_ssize_t n;
    (void)self;
    if (!PyArg_ParseTuple(args, "Os#O", &capsule, &p, &n, &memo)) return NULL;
    Splitter *splitter = PyCapsule_GetPointer(capsule, CAPSULE);
    if (splitter == NULL) return NULL;
    size_t room = (size_t)n + (size_t)n / 4 + 16;
    Words words = {.text = {malloc(room), 0, room}, .known = PyLong_FromLong(0)};
    if (words.text.p == NULL) PyErr_NoMemory();
    if (words.text.p != NULL && words.known != NULL && add_chunks(splitter, memo, p, p + n, &words)) {
        const Counts *counts = &words.counts;
        PyObject *text = PyUnicode_DecodeUTF8(words.text.p, (Py_ssize_t)(words.text.n ? words.text.n - 1 : 0), "strict");
        if (text != NULL)
            found = Py_BuildValue("NnOnnn", text, (Py_ssize_t)words.n, words.known, (Py_ssize_t)counts->non_symbol,
                                  (Py_ssize_t)counts->chars, (Py_ssize_t)counts->alpha);
    }
    Py_XDECREF(words.known);
    free(words.text.p);
    return found;
}
