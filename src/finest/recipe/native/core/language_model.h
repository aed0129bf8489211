/* A fastText model in memory, which language_model.c reads and language.c uses. */
#ifndef FINEST_LANGUAGE_MODEL_H
#define FINEST_LANGUAGE_MODEL_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { FN_MOST_DIM = 512 };

typedef struct { const char *text; uint32_t n; int32_t first, count; } FnWord; /* its n-grams in `subwords` */
typedef struct { int32_t left, right; int64_t count; } FnBranch;

typedef struct {
    int32_t dim, minn, maxn, bucket, words, labels, rows;
    unsigned char *data;
    FnWord *entries;
    int32_t *slots, *subwords;
    int32_t slot_count, subword_count, subword_room;
    uint64_t *bits;        /* n-grams that have a row */
    uint32_t *ranks;       /* for each 64 bits, the number of set bits before them */
    int32_t *row_of_rank;
    int64_t pruned;         /* length of row_of_rank */
    float *matrix, *output; /* rows of `dim` floats */
    FnBranch *tree;
    PyObject **names;
} FnModel;

static inline __attribute__((always_inline)) uint32_t fn_hashed(uint32_t hash, char c) { return (hash ^ (uint32_t)(int8_t)c) * 16777619u; }

static inline __attribute__((always_inline)) int32_t fn_find_word(const FnModel *model, const char *text, uint32_t n)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < n; i++) hash = fn_hashed(hash, text[i]);
    int32_t slot = (int32_t)(hash % (uint32_t)model->slot_count);
    while (model->slots[slot] >= 0) {
        const FnWord *word = &model->entries[model->slots[slot]];
        if (word->n == n && memcmp(word->text, text, n) == 0) break;
        slot = (slot + 1) % model->slot_count;
    }
    return slot;
}

/* Row of an n-gram, or -1: pruned models keep only some rows. */
static inline __attribute__((always_inline)) int32_t fn_row_of(const FnModel *model, uint32_t ngram)
{
    uint64_t word = model->bits[ngram / 64], bit = 1ull << ngram % 64;
    if (!(word & bit)) return -1;
    return model->words + model->row_of_rank[model->ranks[ngram / 64] + (uint32_t)__builtin_popcountll(word & (bit - 1))];
}

static inline __attribute__((always_inline)) void fn_add_row(const FnModel *model, float *hidden, int32_t row)
{
    const float *from = model->matrix + (size_t)row * (size_t)model->dim;
    for (int32_t i = 0; i < model->dim; i++) hidden[i] += from[i];
}

typedef void (*FnVisit)(void *into, int32_t row);

static inline __attribute__((always_inline)) void fn_visit_ngrams(const FnModel *model, const char *text, size_t n, FnVisit visit, void *into)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t hash = 2166136261u;
        if ((text[i] & 0xc0) == 0x80) continue;
        size_t j = i;
        for (int32_t length = 1; j < n && length <= model->maxn; length++) {
            hash = fn_hashed(hash, text[j++]);
            while (j < n && (text[j] & 0xc0) == 0x80) hash = fn_hashed(hash, text[j++]);
            if (length < model->minn || (length == 1 && (i == 0 || j == n))) continue;
            int32_t row = fn_row_of(model, hash % (uint32_t)model->bucket);
            if (row >= 0) visit(into, row);
        }
    }
}

static inline __attribute__((always_inline)) bool fn_is_end(const char *text, uint32_t n) { return n == 4 && memcmp(text, "</s>", 4) == 0; }

FnModel *fn_read_model(const unsigned char *data, size_t n); /* NULL without an exception: the file is broken or of another kind */
void fn_close_model(FnModel *);

#endif
