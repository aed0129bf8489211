#ifndef FINEST_QUALITY_H
#define FINEST_QUALITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generated.h"

/* quality_sum.c and quality_fasttext.c need nothing of Python: a test compiles them alone for another processor. */

/* One linear model: the weights of its rows side by side for each feature, so w[feature * rows + row]. */
typedef struct { int bits; size_t rows; const int16_t *weights; } FnQualityTable;

/* Memory for one text: both arrays hold fn_quality_room(n) numbers. `features` are in the text's order until they are
   sorted; then it holds the distinct ones, and `counts` how often each occurs. `count` is the number of all. */
typedef struct { uint32_t *features, *counts; size_t count, distinct; } FnQualityText;

size_t fn_quality_room(size_t n); /* for the features of a text of n bytes */
void fn_quality_read(FnQualityText *text, const unsigned char *p, size_t n); /* the top 22 bits of each feature's hash */
void fn_quality_sort(FnQualityText *text);
void fn_quality_sums(const FnQualityText *text, const FnQualityTable *table, int64_t *sums); /* after sorting */

/* One fastText model. Of the words, whose keys ascend, `starts` says where each value of their top bits begins. */
typedef struct {
    const uint64_t *keys;
    const uint32_t *starts; /* 2^index_bits + 1 numbers, of fn_quality_index */
    const int16_t *words, *buckets;
    size_t word_count, bucket_count;
    int index_bits;
    int32_t word_ngrams, minn, maxn;
} FnQualityFasttext;

void fn_quality_index(const FnQualityFasttext *model, uint32_t *starts);
int64_t fn_quality_fasttext(const FnQualityFasttext *model, const unsigned char *p, size_t n); /* without bias */

#endif
