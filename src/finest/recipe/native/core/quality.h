#ifndef FINEST_QUALITY_H
#define FINEST_QUALITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generated.h"

/* quality_text.c, quality_sum.c and quality_fasttext.c need nothing of Python: a test compiles them alone for another
   processor. */

enum {
    FN_QUALITY_PIECE = 1024,                          /* bytes of a text that are read at a time */
    FN_QUALITY_FEATURES = 2 * (FN_QUALITY_PIECE + 1), /* more than the features of a piece */
    FN_QUALITY_ROOTS = 256,                           /* counts whose square root is kept */
};

/* A text that is read piece by piece. Tokens k begin at starts[k], and end before ends[k]. */
typedef struct {
    const unsigned char *text;
    unsigned char *folded; /* fn_quality_folded_bytes(n) bytes for the caller to provide: the text in lower case */
    size_t n, at;
    uint32_t starts[FN_QUALITY_PIECE + 1], ends[FN_QUALITY_PIECE];
    size_t open; /* 1 if the first token of the next piece began in this one */
    uint64_t was_word, was_sign; /* whether the last byte was a letter or digit, or a token alone */
    uint64_t previous;           /* hash of the last token */
    bool any;                    /* whether there was one */
} FnQualityReading;

size_t fn_quality_folded_bytes(size_t n);
void fn_quality_begin(FnQualityReading *reading, const unsigned char *text, size_t n, unsigned char *folded);
/* The top 22 bits of the hash of each feature of the next piece, in the text's order; false after the last piece. */
bool fn_quality_read(FnQualityReading *reading, uint32_t *features, size_t *count);

/* All models with 2^bits weights a row. What belongs to a feature lies in one cell: first how often the current text has
   it, 32 bits that are 0 between texts; then its weight in each row, 16 bits each. */
typedef struct {
    int bits;
    size_t rows, stride; /* weights of a cell, at least as many as rows; the rest are zeros */
    unsigned char *cells;
    uint32_t *distinct; /* the features of the current text, each once */
    size_t found;       /* how many */
    uint32_t roots[FN_QUALITY_ROOTS];
} FnQualityGroup;

bool fn_quality_group_open(FnQualityGroup *group, int bits, size_t rows); /* false if out of memory; to be closed too */
void fn_quality_group_fill(FnQualityGroup *group, size_t row, const char *weights); /* with one row of int16 */
void fn_quality_group_close(FnQualityGroup *group);
/* The sums of all rows of all groups, without bias. `folded` has fn_quality_folded_bytes(n) bytes. */
void fn_quality_sums(FnQualityGroup *groups, size_t group_count, const unsigned char *text, size_t n,
                     unsigned char *folded, int64_t *sums);

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
