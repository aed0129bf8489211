/* Tokenize a text: `_tokenize` of words.py, with the splitter if it can split a chunk, otherwise with Python's memo. */
#define PY_SSIZE_T_CLEAN
#include "chunks.h"

#include <stdlib.h>

typedef struct {
    FnGrowing text; /* all tokens, each followed by a space */
    size_t n;
    PyObject *known; /* counts of the chunks from the memo */
    FnCounts counts;   /* of all other chunks */
    FnStr last;        /* the chunk before */
    PyObject *before;  /* what a chunk after it may begin with and so change its tokens; NULL if nothing is known to */
    bool linked;       /* whether a special case may cross the gap between two chunks of a line */
} Words;

static bool add_token(Words *words, const char *p, size_t n)
{
    words->n++;
    return fn_grow(&words->text, p, n) && fn_grow(&words->text, " ", 1);
}

static bool add_pieces(FnSplitter *splitter, const FnPieces *pieces, Words *words)
{
    for (size_t i = 0; i < pieces->n; i++) {
        if (!add_token(words, pieces->pieces[i].p, pieces->pieces[i].n)) return false;
        if (!fn_add_counts(splitter, pieces->pieces[i], &words->counts)) return false;
    }
    return true;
}

/* Whether a chunk begins with one of the strings of a tuple, or `ends` with one; -1 with an exception. */
static int meets(PyObject *strings, FnStr chunk, bool ends)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(strings); i++) {
        Py_ssize_t size;
        const char *text = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(strings, i), &size);
        if (text == NULL) return -1;
        size_t n = (size_t)size;
        if (n <= chunk.n && memcmp(ends ? chunk.p + chunk.n - n : chunk.p, text, n) == 0) return 1;
    }
    return 0;
}

/* Compare a chunk of the memo with the chunk before it, and keep what it says of the next one. */
static bool take_neighbours(Words *words, PyObject *after, PyObject *before)
{
    int met = words->last.p != NULL ? meets(after, words->last, true) : 0;
    words->linked |= met > 0;
    if (PyTuple_GET_SIZE(before) > 0) words->before = Py_NewRef(before);
    return met >= 0;
}

/* No special case crosses a newline. */
static void begin_line(Words *words)
{
    words->last = FN_NONE;
    Py_CLEAR(words->before);
}

/* Compare a chunk with what the chunk before it says of it. */
static bool is_linked(Words *words, FnStr chunk)
{
    int met = words->before != NULL ? meets(words->before, chunk, false) : 0;
    words->linked |= met > 0;
    Py_CLEAR(words->before);
    return met >= 0;
}

static bool is_chunk(PyObject *known)
{
    return PyTuple_Check(known) && PyTuple_GET_SIZE(known) == 4 && PyTuple_Check(PyTuple_GET_ITEM(known, 0)) &&
           PyTuple_Check(PyTuple_GET_ITEM(known, 2)) && PyTuple_Check(PyTuple_GET_ITEM(known, 3));
}

/* Add a chunk from Python's memo: (tokens, counts, after, before). */
static bool add_known(PyObject *memo, const char *p, size_t n, Words *words)
{
    PyObject *chunk = PyUnicode_DecodeUTF8(p, (Py_ssize_t)n, "strict"), *known = NULL, *sum = NULL;
    bool good = chunk != NULL && (known = PyObject_GetItem(memo, chunk)) != NULL;
    if (good && !is_chunk(known)) {
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
    good = good && take_neighbours(words, PyTuple_GET_ITEM(known, 2), PyTuple_GET_ITEM(known, 3));
    Py_XDECREF(known);
    Py_XDECREF(chunk);
    return good;
}

static bool add_chunk(FnSplitter *splitter, PyObject *memo, const char *p, size_t n, Words *words)
{
    FnPieces pieces;
    if (!fn_begin_pieces(&pieces, n)) return false;
    bool known = !fn_split(splitter, p, p + n, &pieces); /* Python's memo has the chunk or splits it */
    bool good = known || add_pieces(splitter, &pieces, words);
    fn_end_pieces(&pieces);
    return known && !PyErr_Occurred() ? add_known(memo, p, n, words) : good && !known;
}

static bool add_chunks(FnSplitter *splitter, PyObject *memo, const char *p, const char *end, Words *words)
{
    while (p < end) {
        size_t space = fn_space_at(p, end);
        const char *from = p;
        if (space) {
            if (*p == '\n') begin_line(words);
            p += space;
            continue;
        }
        while (p < end && (FN_BYTE_KIND[(unsigned char)*p] == 0 || fn_space_at(p, end) == 0)) p++;
        FnStr chunk = {from, (size_t)(p - from)};
        if (!is_linked(words, chunk) || !add_chunk(splitter, memo, chunk.p, chunk.n, words)) return false;
        words->last = chunk;
    }
    return true;
}

/* Returns (tokens joined by spaces, their number, packed counts of the chunks from the memo, three counts of the other
 * chunks, whether a special case may cross the gap between two chunks of a line; the others may be wrong then). */
PyObject *fn_splitter_words(PyObject *self, PyObject *args)
{
    PyObject *capsule, *memo, *found = NULL;
    const char *p;
    Py_ssize_t n;
    (void)self;
    if (!PyArg_ParseTuple(args, "Os#O", &capsule, &p, &n, &memo)) return NULL;
    FnSplitter *splitter = PyCapsule_GetPointer(capsule, FN_SPLITTER);
    if (splitter == NULL) return NULL;
    size_t room = (size_t)n + (size_t)n / 4 + 16;
    Words words = {.text = {malloc(room), 0, room}, .known = PyLong_FromLong(0)};
    if (words.text.p == NULL) PyErr_NoMemory();
    if (words.text.p != NULL && words.known != NULL && add_chunks(splitter, memo, p, p + n, &words)) {
        const FnCounts *counts = &words.counts;
        PyObject *text = PyUnicode_DecodeUTF8(words.text.p, (Py_ssize_t)(words.text.n ? words.text.n - 1 : 0), "strict");
        if (text != NULL)
            found = Py_BuildValue("NnOnnnN", text, (Py_ssize_t)words.n, words.known, (Py_ssize_t)counts->non_symbol,
                                  (Py_ssize_t)counts->chars, (Py_ssize_t)counts->alpha, PyBool_FromLong(words.linked));
    }
    Py_XDECREF(words.known);
    Py_XDECREF(words.before);
    free(words.text.p);
    return found;
}
