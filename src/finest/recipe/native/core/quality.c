/* The Python side of quality_text.c, quality_sum.c and quality_fasttext.c: models as capsules, and their scores. */
#define PY_SSIZE_T_CLEAN
#include "quality.h"
#include "texts.h"

enum { MOST_ROWS = FN_QUALITY_MAX_CLASSES, MOST_INDEX_BITS = 22, SIZES = FN_QUALITY_MAX_BITS + 1 };

typedef struct {
    int bits;
    size_t rows; /* of a linear model; 0 for a fastText model */
    FnQualityFasttext fasttext;
    Py_buffer buffers[3]; /* of a linear model: weights; of a fastText model: keys, words, buckets */
    uint32_t *starts;     /* of a fastText model */
} Model;

/* Several models whose scores of a text are computed together. */
typedef struct {
    PyObject *models; /* a tuple of capsules */
    FnQualityGroup groups[SIZES];
    size_t group_count;
    size_t *firsts; /* for each linear model: number of its first row among the rows of all groups */
    int64_t *sums;  /* of the rows of all groups */
} Joined;

static const char MODEL[] = "finest.recipe.native.quality", JOINED[] = "finest.recipe.native.quality_joined";

static void close_model(Model *model)
{
    for (int i = 0; i < 3; i++)
        if (model->buffers[i].obj != NULL) PyBuffer_Release(&model->buffers[i]);
    free(model->starts);
    free(model);
}

static void close_model_capsule(PyObject *capsule)
{
    Model *model = PyCapsule_GetPointer(capsule, MODEL);
    if (model != NULL) close_model(model);
}

/* Takes the model. */
static PyObject *as_capsule(Model *model)
{
    PyObject *capsule = PyCapsule_New(model, MODEL, close_model_capsule);
    if (capsule == NULL) close_model(model);
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
    Model *model = calloc(1, sizeof(Model));
    (void)self;
    if (model == NULL) return PyErr_NoMemory();
    if (!PyArg_ParseTuple(args, "iiy*", &bits, &rows, &model->buffers[0])) {
        free(model); /* on failure PyArg_ParseTuple has released the buffer */
        return NULL;
    }
    if (bits < FN_QUALITY_MIN_BITS || bits > FN_QUALITY_MAX_BITS || rows < 1 || rows > MOST_ROWS ||
        (size_t)model->buffers[0].len != ((size_t)rows << bits) * sizeof(int16_t)) {
        close_model(model);
        return refused();
    }
    model->bits = bits;
    model->rows = (size_t)rows;
    return as_capsule(model);
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
    model->starts = malloc((((size_t)1 << fasttext->index_bits) + 1) * sizeof(uint32_t));
    if (model->starts == NULL) {
        close_model(model);
        return PyErr_NoMemory();
    }
    fn_quality_index(fasttext, model->starts);
    fasttext->starts = model->starts;
    return as_capsule(model);
}

static void close_joined(Joined *joined)
{
    for (size_t i = 0; i < joined->group_count; i++) fn_quality_group_close(&joined->groups[i]);
    Py_XDECREF(joined->models);
    free(joined->firsts);
    free(joined->sums);
    free(joined);
}

static void close_joined_capsule(PyObject *capsule)
{
    Joined *joined = PyCapsule_GetPointer(capsule, JOINED);
    if (joined != NULL) close_joined(joined);
}

static Model *model_at(const Joined *joined, Py_ssize_t i)
{
    return PyCapsule_GetPointer(PyTuple_GET_ITEM(joined->models, i), MODEL);
}

/* One group for each size, with the rows of the models of that size in their order. False if out of memory. */
static bool join(Joined *joined)
{
    size_t rows[SIZES] = {0}, all = 0;
    Py_ssize_t count = PyTuple_GET_SIZE(joined->models);
    for (Py_ssize_t i = 0; i < count; i++) rows[model_at(joined, i)->bits] += model_at(joined, i)->rows;
    joined->firsts = calloc((size_t)count + 1, sizeof(size_t));
    if (joined->firsts == NULL) return false;
    for (int bits = FN_QUALITY_MIN_BITS; bits < SIZES; bits++) {
        if (rows[bits] == 0) continue;
        FnQualityGroup *group = &joined->groups[joined->group_count++];
        size_t row = 0;
        if (!fn_quality_group_open(group, bits, rows[bits])) return false;
        for (Py_ssize_t i = 0; i < count; i++) {
            const Model *model = model_at(joined, i);
            if (model->bits != bits) continue;
            joined->firsts[i] = all + row;
            const char *weights = model->buffers[0].buf;
            for (size_t j = 0; j < model->rows; j++, row++, weights += sizeof(int16_t) << bits)
                fn_quality_group_fill(group, row, weights);
        }
        all += row;
    }
    joined->sums = calloc(all + 1, sizeof(int64_t));
    return joined->sums != NULL;
}

PyObject *fn_quality_join(PyObject *self, PyObject *args)
{
    PyObject *models, *capsule = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!", &PyTuple_Type, &models)) return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(models); i++)
        if (PyCapsule_GetPointer(PyTuple_GET_ITEM(models, i), MODEL) == NULL) return NULL;
    Joined *joined = calloc(1, sizeof(Joined));
    if (joined == NULL) return PyErr_NoMemory();
    joined->models = Py_NewRef(models);
    if (!join(joined)) PyErr_NoMemory();
    else capsule = PyCapsule_New(joined, JOINED, close_joined_capsule);
    if (capsule == NULL) close_joined(joined);
    return capsule;
}

PyObject *fn_quality_features(PyObject *self, PyObject *args)
{
    Py_buffer data;
    int bits;
    PyObject *found = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "s*i", &data, &bits)) return NULL;
    size_t n = (size_t)data.len < FN_QUALITY_MAX_TEXT ? (size_t)data.len : FN_QUALITY_MAX_TEXT, all = 0, count;
    unsigned char *folded = malloc(fn_quality_folded_bytes(n));
    uint32_t *features = malloc((2 * n + FN_QUALITY_FEATURES) * sizeof(uint32_t));
    if (bits < FN_QUALITY_MIN_BITS || bits > FN_QUALITY_MAX_BITS) {
        refused();
    } else if (folded == NULL || features == NULL) {
        PyErr_NoMemory();
    } else {
        FnQualityReading reading;
        fn_quality_begin(&reading, data.buf, n, folded);
        while (fn_quality_read(&reading, features + all, &count)) all += count;
        for (size_t i = 0; i < all; i++) features[i] >>= FN_QUALITY_MAX_BITS - bits;
        found = PyBytes_FromStringAndSize((const char *)features, (Py_ssize_t)(all * sizeof(uint32_t)));
    }
    free(folded);
    free(features);
    PyBuffer_Release(&data);
    return found;
}

/* The sums of a model's rows, as a tuple. */
static PyObject *sums_of(const Joined *joined, Py_ssize_t i, const Py_buffer *data)
{
    const Model *model = model_at(joined, i);
    if (model->rows == 0)
        return Py_BuildValue("(L)", (long long)fn_quality_fasttext(&model->fasttext, data->buf, (size_t)data->len));
    PyObject *found = PyTuple_New((Py_ssize_t)model->rows);
    for (size_t row = 0; found != NULL && row < model->rows; row++) {
        PyObject *sum = PyLong_FromLongLong(joined->sums[joined->firsts[i] + row]);
        if (sum == NULL) Py_CLEAR(found);
        else PyTuple_SET_ITEM(found, (Py_ssize_t)row, sum);
    }
    return found;
}

PyObject *fn_quality_sums_of(PyObject *self, PyObject *args)
{
    PyObject *capsule, *all = NULL;
    Py_buffer data;
    (void)self;
    if (!PyArg_ParseTuple(args, "Os*", &capsule, &data)) return NULL;
    Joined *joined = PyCapsule_GetPointer(capsule, JOINED);
    unsigned char *folded = joined == NULL ? NULL : malloc(fn_quality_folded_bytes((size_t)data.len));
    if (folded != NULL) {
        if (joined->group_count > 0)
            fn_quality_sums(joined->groups, joined->group_count, data.buf, (size_t)data.len, folded, joined->sums);
        all = PyTuple_New(PyTuple_GET_SIZE(joined->models));
        for (Py_ssize_t i = 0; all != NULL && i < PyTuple_GET_SIZE(joined->models); i++) {
            PyObject *sums = sums_of(joined, i, &data);
            if (sums == NULL) Py_CLEAR(all);
            else PyTuple_SET_ITEM(all, i, sums);
        }
    } else if (joined != NULL) {
        PyErr_NoMemory();
    }
    free(folded);
    PyBuffer_Release(&data);
    return all;
}
