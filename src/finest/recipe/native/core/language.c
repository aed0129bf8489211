/* fastText's prediction for its quantised models with hierarchical softmax (lid.176.ftz), with identical scores.
 *
 * The code does the same float operations in the same order as fastText 0.9.2 (dictionary.cc, quantmatrix.cc, loss.cc).
 * Only the access to the rows is faster: they are unpacked once, and a bit per n-gram tells whether it has a row.
 */
#define PY_SSIZE_T_CLEAN
#include "language.h"
#include "language_model.h"

#include <math.h>
#include <stdlib.h>

typedef struct { const FnModel *model; float *hidden; size_t count; } Summing;

static void sum_row(void *into, int32_t row)
{
    Summing *summing = into;
    fn_add_row(summing->model, summing->hidden, row);
    summing->count++;
}

static bool is_gap(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0'; }

/* Add the rows of a token; return true at the end of the line. `token` must have a byte of room on both sides. */
static bool sum_token(Summing *summing, char *token, uint32_t n)
{
    const FnModel *model = summing->model;
    int32_t id = model->slots[fn_find_word(model, token, n)];
    if (id >= model->words) return false; /* a label */
    if (id >= 0) {
        const FnWord *word = &model->entries[id];
        for (int32_t i = 0; i < word->count; i++) sum_row(summing, model->subwords[word->first + i]);
    } else if (n < 9 || memcmp(token, "__label__", 9) != 0) {
        if (!fn_is_end(token, n)) {
            char before = token[-1], after = token[n];
            token[-1] = '<';
            token[n] = '>';
            fn_visit_ngrams(model, token - 1, n + 2u, sum_row, summing);
            token[-1] = before;
            token[n] = after;
        }
    }
    return fn_is_end(token, n);
}

static void sum_line(Summing *summing, char *line, size_t n)
{
    char end[] = " </s> ";
    for (size_t at = 0; at < n;) {
        size_t from = at;
        while (at < n && !is_gap(line[at])) at++;
        if (at > from && sum_token(summing, line + from, (uint32_t)(at - from))) return;
        if (at < n && line[at] == '\n') {
            sum_token(summing, end + 1, 4);
            return;
        }
        at++;
    }
}

typedef struct { float score; int32_t label; } Answer;
typedef struct { const FnModel *model; const float *hidden; Answer *answers; int32_t n; } Search;

static float logarithm(float x) { return (float)log(x + 1e-5); }

static void descend(Search *search, int32_t node, float score)
{
    const FnBranch *branch = &search->model->tree[node];
    if (score < logarithm(0)) return;
    if (branch->left < 0) {
        search->answers[search->n++] = (Answer){score, node};
        return;
    }
    const float *row = search->model->output + (size_t)(node - search->model->labels) * (size_t)search->model->dim;
    float f = 0;
    for (int32_t i = 0; i < search->model->dim; i++) f += row[i] * search->hidden[i];
    f = (float)(1. / (double)(1 + expf(-f)));
    descend(search, branch->left, score + logarithm((float)(1.0 - (double)f)));
    descend(search, branch->right, score + logarithm(f));
}

static int by_score(const void *a, const void *b)
{
    const Answer *one = a, *other = b;
    if (one->score != other->score) return one->score > other->score ? -1 : 1;
    return one->label - other->label;
}

static PyObject *as_dict(Search *search)
{
    PyObject *found = PyDict_New();
    qsort(search->answers, (size_t)search->n, sizeof(Answer), by_score);
    for (int32_t i = 0; found != NULL && i < search->n; i++) {
        PyObject *value = PyFloat_FromDouble((double)expf(search->answers[i].score));
        if (value == NULL || PyDict_SetItem(found, search->model->names[search->answers[i].label], value) < 0)
            Py_CLEAR(found);
        Py_XDECREF(value);
    }
    return found;
}

static const char CAPSULE[] = "finest.recipe.native.language";

static void close_capsule(PyObject *capsule) { fn_close_model(PyCapsule_GetPointer(capsule, CAPSULE)); }

PyObject *fn_language_open(PyObject *self, PyObject *data)
{
    (void)self;
    if (!PyBytes_Check(data)) return PyErr_Format(PyExc_TypeError, "bytes are needed");
    FnModel *model = fn_read_model((const unsigned char *)PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data));
    if (model == NULL) {
        if (PyErr_Occurred()) return NULL;
        Py_RETURN_NONE;
    }
    PyObject *capsule = PyCapsule_New(model, CAPSULE, close_capsule);
    if (capsule == NULL) fn_close_model(model);
    return capsule;
}

PyObject *fn_language_scores(PyObject *self, PyObject *args)
{
    PyObject *capsule;
    const char *line;
    Py_ssize_t n;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oy#", &capsule, &line, &n)) return NULL;
    const FnModel *model = PyCapsule_GetPointer(capsule, CAPSULE);
    if (model == NULL) return NULL;
    if (n > INT32_MAX) return PyErr_Format(PyExc_ValueError, "the text is too long");
    float hidden[FN_MOST_DIM] = {0};
    Summing summing = {model, hidden, 0};
    char *copy = malloc((size_t)n + 2); /* with room for the marks around a token */
    Search search = {model, hidden, malloc((size_t)model->labels * sizeof(Answer)), 0};
    PyObject *found = NULL;
    if (copy == NULL || search.answers == NULL) {
        PyErr_NoMemory();
    } else {
        memcpy(copy + 1, line, (size_t)n);
        sum_line(&summing, copy + 1, (size_t)n);
        float mean = (float)(1.0 / (double)summing.count);
        for (int32_t i = 0; i < model->dim; i++) hidden[i] *= mean;
        if (summing.count > 0) descend(&search, 2 * model->labels - 2, 0);
        found = as_dict(&search);
    }
    free(copy);
    free(search.answers);
    return found;
}
