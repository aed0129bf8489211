/* Simplify a text for MinHash: simplify of minhash.py, for texts in which no character depends on its neighbours. */
#define PY_SSIZE_T_CLEAN
#include "texts.h"

#include "core.h"

enum { GAP = 1 };

typedef struct { FnGrowing text; bool between, begun; } Output;

static bool add_text(Output *out, const char *p, size_t n)
{
    bool gap = out->between && out->begun;
    out->between = false;
    out->begun = true;
    return (!gap || fn_grow(&out->text, " ", 1)) && fn_grow(&out->text, p, n);
}

/* End of a number: digits, then at most one point or comma with digits after it. */
static const char *number_end(const char *p, const char *end)
{
    while (p < end && fn_is_digit(*p)) p++;
    if (end - p < 2 || (*p != '.' && *p != ',') || !fn_is_digit(p[1])) return p;
    for (p++; p < end && fn_is_digit(*p);) p++;
    return p;
}

/* The replacement of a non-ASCII character: a new reference to a str, or to None if its neighbours decide. */
static PyObject *mapped(PyObject *table, const char **p, const char *end)
{
    PyObject *code = PyLong_FromUnsignedLong(fn_decode(p, end));
    PyObject *found = code != NULL ? PyObject_GetItem(table, code) : NULL;
    Py_XDECREF(code);
    return found;
}

/* Returns 1, 0 if Python must simplify the text, or -1 with an exception. */
static int put_mapped(Output *out, PyObject *text)
{
    Py_ssize_t n;
    const char *p = text != Py_None ? PyUnicode_AsUTF8AndSize(text, &n) : NULL;
    if (p == NULL) return text == Py_None ? 0 : -1;
    if (n == 1 && *p == ' ') {
        out->between = true;
        return 1;
    }
    return add_text(out, p, (size_t)n) ? 1 : -1;
}

static int put_all(Output *out, const char *p, const char *end, const char *kinds, PyObject *table)
{
    while (p < end) {
        unsigned char c = (unsigned char)*p;
        if (c >= 128) {
            PyObject *text = mapped(table, &p, end);
            int done = text != NULL ? put_mapped(out, text) : -1;
            Py_XDECREF(text);
            if (done != 1) return done;
            continue;
        }
        if (kinds[c] == GAP) {
            out->between = true;
            p++;
            continue;
        }
        char lower = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        if (!add_text(out, fn_is_digit((char)c) ? "0" : &lower, 1)) return -1;
        p = fn_is_digit((char)c) ? number_end(p, end) : p + 1;
    }
    return 1;
}

PyObject *fn_simplify(PyObject *self, PyObject *args)
{
    const char *p, *kinds;
    Py_ssize_t n, kind_count;
    PyObject *table, *found = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "s#y#O", &p, &n, &kinds, &kind_count, &table)) return NULL;
    if (kind_count != 128) return PyErr_Format(PyExc_ValueError, "a kind for each character of ASCII is needed");
    Output out = {{malloc((size_t)n + 16), 0, (size_t)n + 16}, false, false};
    if (out.text.p == NULL) return PyErr_NoMemory();
    int done = put_all(&out, p, p + n, kinds, table);
    if (done == 1) {
        size_t from = 0, to = out.text.n;
        while (to > from && out.text.p[to - 1] == ' ') to--;
        while (from < to && out.text.p[from] == ' ') from++;
        found = PyUnicode_DecodeUTF8(out.text.p + from, (Py_ssize_t)(to - from), "strict");
    } else if (done == 0) {
        found = Py_NewRef(Py_None);
    }
    free(out.text.p);
    return found;
}
