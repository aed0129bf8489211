/* The Python side of quality_sum.c: models as capsules, and the scores of several models in one pass over a text. */
#define PY_SSIZE_T_CLEAN
#include "quality.h"
#include "texts.h"

enum { MOST_ROWS = FN_QUALITY_MAX_CLASSES };

typedef struct { FnQualityTable table; int16_t weights[]; } Model;

static const char CAPSULE[] = "finest.recipe.native.quality";

static void close_capsule(PyObject *capsule) { free(PyCapsule_GetPointer(capsule, CAPSULE)); }

PyObject *fn_quality_open(PyObject *self, PyObject *args)
{
    int bits, rows;
    Py_buffer weights;
    Model *model = NULL;
    PyObject *capsule = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "iiy*", &bits, &rows, &weights)) return NULL;
    if (bits < FN_QUALITY_MIN_BITS || bits > FN_QUALITY_MAX_BITS || rows < 1 || rows > MOST_ROWS ||
        (size_t)weights.len != ((size_t)rows << bits) * sizeof(int16_t)) {
        PyErr_SetString(PyExc_ValueError, "a table of another size");
    } else if ((model = malloc(sizeof(Model) + (size_t)weights.len)) == NULL) {
        PyErr_NoMemory();
    } else {
        size_t features = (size_t)1 << bits;
        const char *from = weights.buf;
        for (size_t row = 0; row < (size_t)rows; row++)
            for (size_t feature = 0; feature < features; feature++, from += sizeof(int16_t))
                memcpy(&model->weights[feature * (size_t)rows + row], from, sizeof(int16_t));
        model->table = (FnQualityTable){bits, (size_t)rows, model->weights};
        if ((capsule = PyCapsule_New(model, CAPSULE, close_capsule)) == NULL) free(model);
    }
    PyBuffer_Release(&weights);
    return capsule;
}

/* False with an exception if out of memory. */
static bool take_room(FnQualityText *text, size_t n)
{
    size_t room = fn_quality_room(n);
    text->features = malloc(2 * room * sizeof(uint32_t));
    text->sorted = text->features == NULL ? NULL : text->features + room;
    if (text->features == NULL) PyErr_NoMemory();
    return text->features != NULL;
}

PyObject *fn_quality_features(PyObject *self, PyObject *args)
{
    Py_buffer data;
    int bits;
    FnQualityText text = {0};
    PyObject *found = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "s*i", &data, &bits)) return NULL;
    if (bits < FN_QUALITY_MIN_BITS || bits > FN_QUALITY_MAX_BITS) {
        PyErr_SetString(PyExc_ValueError, "a number of bits out of range");
    } else if (take_room(&text, (size_t)data.len)) {
        fn_quality_read(&text, data.buf, (size_t)data.len);
        for (size_t i = 0; i < text.count; i++) text.features[i] >>= FN_QUALITY_MAX_BITS - bits;
        found = PyBytes_FromStringAndSize((const char *)text.features, (Py_ssize_t)(text.count * sizeof(uint32_t)));
    }
    free(text.features);
    PyBuffer_Release(&data);
    return found;
}

static PyObject *sums_of(PyObject *capsule, const FnQualityText *text)
{
    int64_t sums[MOST_ROWS];
    Model *model = PyCapsule_GetPointer(capsule, CAPSULE);
    if (model == NULL) return NULL;
    fn_quality_sums(text, &model->table, sums);
    PyObject *found = PyTuple_New((Py_ssize_t)model->table.rows);
    for (size_t row = 0; found != NULL && row < model->table.rows; row++) {
        PyObject *sum = PyLong_FromLongLong(sums[row]);
        if (sum == NULL) Py_CLEAR(found);
        else PyTuple_SET_ITEM(found, (Py_ssize_t)row, sum);
    }
    return found;
}

PyObject *fn_quality_sums_of(PyObject *self, PyObject *args)
{
    PyObject *models, *all = NULL;
    Py_buffer data;
    FnQualityText text = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "O!s*", &PyTuple_Type, &models, &data)) return NULL;
    if (take_room(&text, (size_t)data.len) && (all = PyTuple_New(PyTuple_GET_SIZE(models))) != NULL) {
        fn_quality_read(&text, data.buf, (size_t)data.len);
        fn_quality_sort(&text);
        for (Py_ssize_t i = 0; all != NULL && i < PyTuple_GET_SIZE(models); i++) {
            PyObject *sums = sums_of(PyTuple_GET_ITEM(models, i), &text);
            if (sums == NULL) Py_CLEAR(all);
            else PyTuple_SET_ITEM(all, i, sums);
        }
    }
    free(text.features);
    PyBuffer_Release(&data);
    return all;
}
