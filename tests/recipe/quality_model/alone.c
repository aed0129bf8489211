/* Scores texts from standard input with one linear and one fastText model, without Python: for another processor, or with
 * sanitizers.
 *
 * Every part begins with its size in bytes as 32 bits. First come bits, rows and weights of the linear model; word_ngrams,
 * minn, maxn, keys, words and buckets of the fastText model; then texts until the end. Prints the sums of each text. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "quality.h"

static void *part(uint32_t *size)
{
    if (fread(size, sizeof(*size), 1, stdin) != 1) return NULL;
    char *data = malloc(*size > 0 ? *size : 1);
    if (data == NULL || fread(data, 1, *size, stdin) != *size) exit(1);
    return data;
}

static int32_t number(void)
{
    uint32_t size;
    int32_t *data = part(&size), found = *data;
    free(data);
    return found;
}

int main(void)
{
    uint32_t size, words, buckets;
    FnQualityGroup group;
    FnQualityFasttext fasttext = {0};
    int32_t bits = number(), rows = number();
    char *weights = part(&size);
    if (!fn_quality_group_open(&group, bits, (size_t)rows)) return 1;
    for (size_t row = 0; row < group.rows; row++)
        fn_quality_group_fill(&group, row, weights + (row << bits) * sizeof(int16_t));
    fasttext.word_ngrams = number();
    fasttext.minn = number();
    fasttext.maxn = number();
    fasttext.keys = part(&words);
    fasttext.words = part(&size);
    fasttext.buckets = part(&buckets);
    fasttext.word_count = words / sizeof(uint64_t);
    fasttext.bucket_count = buckets / sizeof(int16_t);
    fasttext.index_bits = 6;
    uint32_t starts[65];
    fn_quality_index(&fasttext, starts);
    fasttext.starts = starts;
    for (unsigned char *data; (data = part(&size)) != NULL; free(data)) {
        int64_t sums[FN_QUALITY_MAX_CLASSES];
        unsigned char *folded = malloc(fn_quality_folded_bytes(size));
        fn_quality_sums(&group, 1, data, size, folded, sums);
        for (size_t row = 0; row < group.rows; row++) printf("%" PRId64 " ", sums[row]);
        printf("%" PRId64 "\n", fn_quality_fasttext(&fasttext, data, size));
        free(folded);
    }
    fn_quality_group_close(&group);
    free(weights);
    free((void *)fasttext.keys);
    free((void *)fasttext.words);
    free((void *)fasttext.buckets);
    return 0;
}
