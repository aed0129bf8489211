/* The Python side of decontaminate_text.c and decontaminate_match.c: an index as a capsule, and its matches. */
#define PY_SSIZE_T_CLEAN
#include "decontaminate.h"
#include "texts.h"

enum { KINDS, HASHES, FIRSTS, ITEMS, ORDINALS, NEEDED, BUFFERS };

typedef struct {
    Py_buffer buffers[BUFFERS];
    FnMatching *matching;
} Opened;

static const char CAPSULE[] = "finest.recipe.native.decontaminate";

static void close_opened(Opened *opened)
{
    for (int i = 0; i < BUFFERS; i++)
        if (opened->buffers[i].obj != NULL) PyBuffer_Release(&opened->buffers[i]);
    fn_matching_close(opened->matching);
    free(opened);
}

static void close_capsule(PyObject *capsule) { close_opened(PyCapsule_GetPointer(capsule, CAPSULE)); }

/* Whether the buffers belong to an index, which index.py has checked in detail. */
static bool is_index(const Py_buffer *buffers)
{
    const unsigned char *kinds = buffers[KINDS].buf;
    const uint32_t *firsts = buffers[FIRSTS].buf, *items = buffers[ITEMS].buf;
    size_t count = (size_t)buffers[HASHES].len / 8, postings = (size_t)buffers[ITEMS].len / 4;
    size_t needed = (size_t)buffers[NEEDED].len / 4;
    bool holds = buffers[KINDS].len == FN_DECONTAMINATE_CODES && count < UINT32_MAX &&
                 (size_t)buffers[FIRSTS].len == 4 * (count + 1) && buffers[ORDINALS].len == buffers[ITEMS].len;
    for (int c = 0; holds && c < 0x80; c++) /* decontaminate_text.c takes these, and no other ASCII, for parts of words */
        holds = (kinds[c] == FN_DECONTAMINATE_LETTER) ==
                ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
    for (size_t i = 0; holds && i < count; i++) holds = firsts[i] <= firsts[i + 1] && firsts[i + 1] <= postings;
    for (size_t i = 0; holds && i < postings; i++) holds = items[i] < needed;
    return holds;
}

PyObject *fn_decontaminate_open(PyObject *self, PyObject *args)
{
    int n;
    PyObject *capsule = NULL;
    Opened *opened = calloc(1, sizeof(Opened));
    (void)self;
    if (opened == NULL) return PyErr_NoMemory();
    Py_buffer *buffers = opened->buffers;
    if (!PyArg_ParseTuple(args, "y*iy*y*y*y*y*", &buffers[KINDS], &n, &buffers[HASHES], &buffers[FIRSTS], &buffers[ITEMS],
                          &buffers[ORDINALS], &buffers[NEEDED])) {
        free(opened); /* on failure PyArg_ParseTuple has released the buffers */
        return NULL;
    }
    if (n < 1 || n > FN_DECONTAMINATE_MOST_N) {
        PyErr_SetString(PyExc_ValueError, "an n-gram of too many or too few words");
    } else if (!is_index(buffers)) {
        PyErr_SetString(PyExc_ValueError, "no index");
    } else {
        FnEvaluationItems items = {
            .kinds = buffers[KINDS].buf, .hashes = buffers[HASHES].buf, .firsts = buffers[FIRSTS].buf,
            .items = buffers[ITEMS].buf, .ordinals = buffers[ORDINALS].buf, .needed = buffers[NEEDED].buf,
            .ngram_count = (size_t)buffers[HASHES].len / 8, .item_count = (size_t)buffers[NEEDED].len / 4, .n = n,
        };
        opened->matching = fn_matching_open(&items);
        if (opened->matching == NULL) PyErr_NoMemory();
        else capsule = PyCapsule_New(opened, CAPSULE, close_capsule);
    }
    if (capsule == NULL) close_opened(opened);
    return capsule;
}

PyObject *fn_decontaminate_match(PyObject *self, PyObject *args)
{
    PyObject *capsule;
    const char *text;
    Py_ssize_t n;
    FnBest best;
    (void)self;
    if (!PyArg_ParseTuple(args, "Os#", &capsule, &text, &n)) return NULL;
    Opened *opened = PyCapsule_GetPointer(capsule, CAPSULE);
    if (opened == NULL) return NULL;
    if ((uint64_t)n > UINT32_MAX) return PyErr_Format(PyExc_ValueError, "the text is too long");
    if (!fn_matching_best(opened->matching, (const unsigned char *)text, (size_t)n, &best)) return PyErr_NoMemory();
    if (best.found == 0) Py_RETURN_NONE;
    return Py_BuildValue("nIIII", (Py_ssize_t)best.item, best.found, best.needed, best.start, best.end);
}
