/* The Python side of quality_sum.c and quality_fasttext.c: models as capsules, and the scores of several at once. */
#define PY_SSIZE_T_CLEAN
#include "quality.h"
#include "texts.h"

enum { MOST_ROWS = FN_QUALITY_MAX_CLASSES, MOST_INDEX_BITS = 22 };

typedef struct {
    size_t rows; /* of a linear model; 0 for a fastText model */
    FnQualityTable table;
    FnQualityFasttext fasttext;
    Py_buffer buffers[3]; /* of a fastText model: keys, words, buckets */
    void *memory;         /* the weights of a linear model, or the index of a fastText model */
} Model;

static const char CAPSULE[] = "finest.recipe.native.quality";

static void close_model(Model *model)
{
    for (int i = 0; i < 3; i++)
        if (model->buffers[i].obj != NULL) PyBuffer_Release(&model->buffers[i]);
    free(model->memory);
    free(model);
}

static void close_capsule(PyObject *capsule)
{
    Model *model = PyCapsule_GetPointer(capsule, CAPSULE);
    if (model != NULL) close_model(model);
}

/* Takes the model; NULL with an exception if there is none, or no memory. */
static PyObject *as_capsule(Model *model)
{
    PyObject *capsule = NULL;
    if (model == NULL || model->memory == NULL) PyErr_NoMemory();
    else capsule = PyCapsule_New(model, CAPSULE, close_capsule);
    if (capsule == NULL && model != NULL) close_model(model);
    return capsule;
}

static PyObject *refused(void)
{
    PyErr_SetString(PyExc_ValueError, "a quality model of another size");
    return NULL;
}

PyObject *fn_quality_open(PyObject *self, PyObject *args)
{
    int bits, rows;
    Py_buffer weights;
    PyObject *capsule = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "iiy*", &bits, &rows, &weights)) return NULL;
    if (bits < FN_QUALITY_MIN_BITS || bits > FN_QUALITY_MAX_BITS || rows < 1 || rows > MOST_ROWS ||
        (size_t)weights.len != ((size_t)rows << bits) * sizeof(int16_t)) {
        refused();
    } else {
        Model *model = calloc(1, sizeof(Model));
        int16_t *to = model == NULL ? NULL : malloc((size_t)weights.len);
        const char *from = weights.buf;
        for (size_t row = 0; to != NULL && row < (size_t)rows; row++)
            for (size_t feature = 0; feature < (size_t)1 << bits; feature++, from += sizeof(int16_t))
                memcpy(&to[feature * (size_t)rows + row], from, sizeof(int16_t));
        if (model != NULL) {
            model->rows = (size_t)rows;
            model->memory = to;
            model->table = (FnQualityTable){bits, (size_t)rows, to};
        }
        capsule = as_capsule(model);
    }
    PyBuffer_Release(&weights);
    return capsule;
}

PyObject *fn_quality_open_fasttext(PyObject *self, PyObject *args)
{
    Model *model = calloc(1, sizeof(Model));
    (void)self;
    if (model == NULL) return PyErr_NoMemory();
    FnQualityFasttext *fasttext = &model->fasttext;
    Py_buffer *keys = &model->buffers[0], *words = &model->buffers[1], *buckets = &model->buffers[2];
    if (!PyArg_ParseTuple(args, "y*y*y*iii", keys, words, buckets, &fasttext->word_ngrams, &fasttext->minn,
                          &fasttext->maxn)) {
        free(model); /* on failure PyArg_ParseTuple has released the buffers */
        return NULL;
    }
    fasttext->keys = keys->buf;
    fasttext->words = words->buf;
    fasttext->buckets = buckets->buf;
    fasttext->word_count = (size_t)keys->len / sizeof(uint64_t);
    fasttext->bucket_count = (size_t)buckets->len / sizeof(int16_t);
    bool hashes = fasttext->word_ngrams > 1 || fasttext->maxn > 0;
    if ((size_t)words->len != fasttext->word_count * sizeof(int16_t) || fasttext->word_count >= UINT32_MAX ||
        (hashes && fasttext->bucket_count == 0) || fasttext->word_ngrams < 1 ||
        fasttext->word_ngrams > FN_QUALITY_MAX_WORD_NGRAMS) {
        close_model(model);
        return refused();
    }
    fasttext->index_bits = 1;
    while (fasttext->index_bits < MOST_INDEX_BITS && (size_t)1 << fasttext->index_bits < fasttext->word_count)
        fasttext->index_bits++;
    uint32_t *starts = malloc((((size_t)1 << fasttext->index_bits) + 1) * sizeof(uint32_t));
    if (starts != NULL) fn_quality_index(fasttext, starts);
    model->memory = starts;
    fasttext->starts = starts;
    return as_capsule(model);
}

/* False with an exception if out of memory. */
static bool take_room(FnQualityText *text, size_t n)
{
    size_t room = fn_quality_room(n);
    text->features = malloc(2 * room * sizeof(uint32_t));
    text->counts = text->features == NULL ? NULL : text->features + room;
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
        refused();
    } else if (take_room(&text, (size_t)data.len)) {
        fn_quality_read(&text, data.buf, (size_t)data.len);
        for (size_t i = 0; i < text.count; i++) text.features[i] >>= FN_QUALITY_MAX_BITS - bits;
        found = PyBytes_FromStringAndSize((const char *)text.features, (Py_ssize_t)(text.count * sizeof(uint32_t)));
    }
    free(text.features);
    PyBuffer_Release(&data);
    return found;
}

/* The text's features are read and sorted when the first linear model needs them. */
static PyObject *sums_of(PyObject *capsule, FnQualityText *text, const Py_buffer *data)
{
    int64_t sums[MOST_ROWS];
    Model *model = PyCapsule_GetPointer(capsule, CAPSULE);
    if (model == NULL) return NULL;
    if (model->rows == 0) return Py_BuildValue("(L)", (long long)fn_quality_fasttext(&model->fasttext, data->buf, (size_t)data->len));
    if (text->features == NULL) {
        if (!take_room(text, (size_t)data->len)) return NULL;
        fn_quality_read(text, data->buf, (size_t)data->len);
        fn_quality_sort(text);
    }
    fn_quality_sums(text, &model->table, sums);
    PyObject *found = PyTuple_New((Py_ssize_t)model->rows);
    for (size_t row = 0; found != NULL && row < model->rows; row++) {
        PyObject *sum = PyLong_FromLongLong(sums[row]);
        if (sum == NULL) Py_CLEAR(found);
        else PyTuple_SET_ITEM(found, (Py_ssize_t)row, sum);
    }
    return found;
}

PyObject *fn_quality_sums_of(PyObject *self, PyObject *args)
{
    PyObject *models, *all;
    Py_buffer data;
    FnQualityText text = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "O!s*", &PyTuple_Type, &models, &data)) return NULL;
    all = PyTuple_New(PyTuple_GET_SIZE(models));
    for (Py_ssize_t i = 0; all != NULL && i < PyTuple_GET_SIZE(models); i++) {
        PyObject *sums = sums_of(PyTuple_GET_ITEM(models, i), &text, &data);
        if (sums == NULL) Py_CLEAR(all);
        else PyTuple_SET_ITEM(all, i, sums);
    }
    free(text.features);
    PyBuffer_Release(&data);
    return all;
}
