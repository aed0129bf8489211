/* Read a fastText model file into tables: the unpacked rows, and a bit for each n-gram that has one. */
#define PY_SSIZE_T_CLEAN
#include "language_model.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAGIC = 793712314,
    VERSION = 12,
    HIERARCHICAL = 1,
    SUPERVISED = 3,
    CENTROIDS = 256,
    MOST_LABELS = 4096
};

/* Count of a branch that is not built yet, as in fastText; a label with such a count would be mistaken for one. */
#define UNSEEN INT64_C(1000000000000000)

typedef struct { const unsigned char *p, *end; bool failed; } Reader;

static void take(Reader *reader, void *into, size_t n)
{
    if ((size_t)(reader->end - reader->p) < n) {
        reader->failed = true;
        memset(into, 0, n);
        return;
    }
    memcpy(into, reader->p, n);
    reader->p += n;
}

static int32_t take_int(Reader *reader)
{
    int32_t found;
    take(reader, &found, sizeof(found));
    return found;
}

static int64_t take_long(Reader *reader)
{
    int64_t found;
    take(reader, &found, sizeof(found));
    return found;
}

static bool take_bool(Reader *reader)
{
    unsigned char found;
    take(reader, &found, 1);
    return found != 0;
}

void fn_close_model(FnModel *model)
{
    if (model == NULL) return;
    if (model->names != NULL)
        for (int32_t i = 0; i < model->labels; i++) Py_XDECREF(model->names[i]);
    free(model->data);
    free(model->entries);
    free(model->slots);
    free(model->subwords);
    free(model->bits);
    free(model->ranks);
    free(model->row_of_rank);
    free(model->matrix);
    free(model->output);
    free(model->tree);
    free(model->names);
    free(model);
}

typedef struct { FnModel *model; bool failed; } Filling;

static void keep_subword(void *into, int32_t row)
{
    Filling *filling = into;
    FnModel *model = filling->model;
    if (model->subword_count == model->subword_room) {
        int32_t room = model->subword_room ? model->subword_room * 2 : 4096;
        int32_t *larger = realloc(model->subwords, (size_t)room * sizeof(int32_t));
        if (larger == NULL) {
            filling->failed = true;
            return;
        }
        model->subwords = larger;
        model->subword_room = room;
    }
    model->subwords[model->subword_count++] = row;
}

/* ---- reading a model file; each function returns false if the file is broken or without memory ---- */

static bool read_words(FnModel *model, Reader *reader)
{
    int32_t size = take_int(reader);
    model->words = take_int(reader);
    model->labels = take_int(reader);
    take_long(reader);
    int64_t pruned = take_long(reader);
    if (reader->failed || size < 1 || model->words < 0 || model->labels < 1 || model->labels > MOST_LABELS ||
        model->words + model->labels != size || pruned <= 0 || pruned > 1 << 24 || size > reader->end - reader->p)
        return false;
    model->entries = calloc((size_t)size, sizeof(FnWord));
    model->tree = calloc((size_t)(2 * model->labels - 1), sizeof(FnBranch));
    if (model->entries == NULL || model->tree == NULL) return false;
    for (int32_t i = 0; i < size; i++) {
        const unsigned char *end = memchr(reader->p, 0, (size_t)(reader->end - reader->p));
        if (end == NULL) return false;
        model->entries[i].text = (const char *)reader->p;
        model->entries[i].n = (uint32_t)(end - reader->p);
        reader->p = end + 1;
        int64_t count = take_long(reader);
        int8_t type;
        take(reader, &type, 1);
        if (reader->failed || type != (i >= model->words)) return false;
        if (i >= model->words && (count < 0 || count >= UNSEEN)) return false;
        if (i >= model->words) model->tree[i - model->words].count = count;
    }
    model->pruned = pruned;
    size_t groups = (size_t)model->bucket / 64 + 1;
    int32_t *second = calloc((size_t)model->bucket, sizeof(int32_t));
    model->bits = calloc(groups, sizeof(uint64_t));
    model->ranks = calloc(groups, sizeof(uint32_t));
    model->row_of_rank = calloc((size_t)pruned, sizeof(int32_t));
    bool good = second != NULL && model->bits != NULL && model->ranks != NULL && model->row_of_rank != NULL;
    for (int64_t i = 0; good && i < pruned; i++) {
        int32_t ngram = take_int(reader), row = take_int(reader);
        good = !reader->failed && ngram >= 0 && ngram < model->bucket && row >= 0;
        if (!good) break;
        model->bits[ngram / 64] |= 1ull << ngram % 64;
        second[ngram] = row;
    }
    uint32_t rank = 0;
    for (size_t group = 0; good && group < groups; group++) {
        model->ranks[group] = rank;
        for (int bit = 0; bit < 64; bit++)
            if (model->bits[group] >> bit & 1) model->row_of_rank[rank++] = second[group * 64 + (size_t)bit];
    }
    free(second);
    return good;
}

typedef struct { int32_t dim, parts, width, last; float *centroids; } Quantizer;

static bool read_quantizer(Quantizer *quantizer, Reader *reader, int32_t dim)
{
    quantizer->dim = take_int(reader);
    quantizer->parts = take_int(reader);
    quantizer->width = take_int(reader);
    quantizer->last = take_int(reader);
    if (reader->failed || quantizer->dim != dim || quantizer->width < 1 || quantizer->last < 1 || quantizer->parts < 1 ||
        ((int64_t)quantizer->parts - 1) * quantizer->width + quantizer->last != dim)
        return false;
    size_t bytes = (size_t)dim * CENTROIDS * sizeof(float);
    quantizer->centroids = malloc(bytes);
    if (quantizer->centroids == NULL) return false;
    take(reader, quantizer->centroids, bytes);
    return !reader->failed;
}

static const float *centroid(const Quantizer *quantizer, int32_t part, unsigned char code)
{
    int32_t width = part == quantizer->parts - 1 ? quantizer->last : quantizer->width;
    return quantizer->centroids + (size_t)part * CENTROIDS * (size_t)quantizer->width + (size_t)code * (size_t)width;
}

static bool unpack(FnModel *model, const unsigned char *codes, const unsigned char *norms, const Quantizer *rows,
                   const Quantizer *norm)
{
    model->matrix = malloc((size_t)model->rows * (size_t)model->dim * sizeof(float));
    if (model->matrix == NULL) return false;
    for (int32_t i = 0; i < model->rows; i++) {
        float *to = model->matrix + (size_t)i * (size_t)model->dim, factor = norm != NULL ? *centroid(norm, 0, norms[i]) : 1;
        for (int32_t part = 0; part < rows->parts; part++) {
            const float *from = centroid(rows, part, codes[(size_t)i * (size_t)rows->parts + (size_t)part]);
            int32_t width = part == rows->parts - 1 ? rows->last : rows->width;
            for (int32_t j = 0; j < width; j++) to[part * rows->width + j] = factor * from[j];
        }
    }
    return true;
}

static bool read_input(FnModel *model, Reader *reader)
{
    Quantizer rows = {0}, norm = {0};
    bool has_norm = take_bool(reader);
    int64_t m = take_long(reader), n = take_long(reader);
    int32_t size = take_int(reader);
    if (reader->failed || n != model->dim || m < model->words || m > 1 << 24 || size < 0 ||
        size > reader->end - reader->p)
        return false;
    const unsigned char *codes = reader->p, *norms = NULL;
    reader->p += size;
    bool good = read_quantizer(&rows, reader, model->dim) && (int64_t)size == m * rows.parts;
    if (good && has_norm) {
        norms = reader->p;
        good = reader->end - reader->p >= m;
        if (good) reader->p += m;
        good = good && read_quantizer(&norm, reader, 1);
    }
    model->rows = (int32_t)m;
    good = good && unpack(model, codes, norms, &rows, has_norm ? &norm : NULL);
    free(rows.centroids);
    free(norm.centroids);
    return good;
}

static bool read_output(FnModel *model, Reader *reader)
{
    int64_t m = take_long(reader), n = take_long(reader);
    if (reader->failed || m != model->labels || n != model->dim) return false;
    size_t bytes = (size_t)m * (size_t)n * sizeof(float);
    model->output = malloc(bytes);
    if (model->output == NULL) return false;
    take(reader, model->output, bytes);
    return !reader->failed;
}

static void build_tree(FnModel *model)
{
    int32_t n = model->labels, leaf = n - 1, node = n;
    for (int32_t i = 0; i < 2 * n - 1; i++) {
        model->tree[i].left = model->tree[i].right = -1;
        if (i >= n) model->tree[i].count = UNSEEN;
    }
    for (int32_t i = n; i < 2 * n - 1; i++) {
        int32_t both[2];
        for (int j = 0; j < 2; j++)
            both[j] = leaf >= 0 && model->tree[leaf].count < model->tree[node].count ? leaf-- : node++;
        model->tree[i].left = both[0];
        model->tree[i].right = both[1];
        model->tree[i].count = model->tree[both[0]].count + model->tree[both[1]].count;
    }
}

static bool index_words(FnModel *model)
{
    int32_t size = model->words + model->labels;
    Filling filling = {model, false};
    char marked[1024];
    model->slot_count = (int32_t)ceil(size / 0.7);
    model->slots = malloc((size_t)model->slot_count * sizeof(int32_t));
    if (model->slots == NULL) return false;
    for (int32_t i = 0; i < model->slot_count; i++) model->slots[i] = -1;
    for (int32_t i = 0; i < size; i++) {
        FnWord *word = &model->entries[i];
        model->slots[fn_find_word(model, word->text, word->n)] = i;
        if (i >= model->words) continue;
        word->first = model->subword_count;
        keep_subword(&filling, i);
        if (!fn_is_end(word->text, word->n)) {
            if (word->n > sizeof(marked) - 2) return false;
            marked[0] = '<';
            memcpy(marked + 1, word->text, word->n);
            marked[word->n + 1] = '>';
            fn_visit_ngrams(model, marked, word->n + 2u, keep_subword, &filling);
        }
        word->count = model->subword_count - word->first;
    }
    for (int32_t i = 0; i < model->subword_count; i++)
        if (model->subwords[i] < 0 || model->subwords[i] >= model->rows) return false;
    return !filling.failed;
}

static bool name_labels(FnModel *model)
{
    model->names = calloc((size_t)model->labels, sizeof(PyObject *));
    if (model->names == NULL) return false;
    for (int32_t i = 0; i < model->labels; i++) {
        const FnWord *word = &model->entries[model->words + i];
        model->names[i] = PyUnicode_DecodeUTF8(word->text, word->n, "strict");
        if (model->names[i] == NULL) return false;
    }
    return true;
}

/* Returns NULL without an exception if the file is of another kind. */
FnModel *fn_read_model(const unsigned char *data, size_t n)
{
    FnModel *model = calloc(1, sizeof(FnModel));
    if (model == NULL) return (FnModel *)PyErr_NoMemory();
    model->data = malloc(n);
    if (model->data == NULL) {
        fn_close_model(model);
        return (FnModel *)PyErr_NoMemory();
    }
    memcpy(model->data, data, n);
    Reader reader = {model->data, model->data + n, false};
    bool good = take_int(&reader) == MAGIC && take_int(&reader) == VERSION;
    model->dim = take_int(&reader);
    for (int i = 0; i < 4; i++) take_int(&reader); /* ws, epoch, minCount, neg */
    int32_t word_ngrams = take_int(&reader), loss = take_int(&reader), kind = take_int(&reader);
    model->bucket = take_int(&reader);
    model->minn = take_int(&reader);
    model->maxn = take_int(&reader);
    take_int(&reader);
    take_long(&reader); /* t */
    good = good && !reader.failed && word_ngrams == 1 && loss == HIERARCHICAL && kind == SUPERVISED && model->dim > 0 &&
           model->dim <= FN_MOST_DIM && model->bucket > 0 && model->bucket <= 1 << 24 && model->maxn > 0 && model->maxn < 100;
    good = good && read_words(model, &reader) && take_bool(&reader) && read_input(model, &reader) && !take_bool(&reader) &&
           read_output(model, &reader);
    for (int64_t rank = 0; good && rank < model->pruned; rank++)
        good = model->row_of_rank[rank] < model->rows - model->words;
    good = good && index_words(model) && name_labels(model);
    if (good) {
        build_tree(model);
        return model;
    }
    fn_close_model(model);
    return NULL;
}
