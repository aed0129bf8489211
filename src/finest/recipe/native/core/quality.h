#ifndef FINEST_QUALITY_H
#define FINEST_QUALITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generated.h"

/* quality_sum.c needs nothing of Python, so that a test can compile it alone for another processor. */

/* One linear model: the weights of its rows side by side for each feature, so w[feature * rows + row]. */
typedef struct { int bits; size_t rows; const int16_t *weights; } FnQualityTable;

/* Memory for one text: `features` in the text's order, and room for sorting; each holds fn_quality_room(n) numbers. */
typedef struct { uint32_t *features, *sorted; size_t count; } FnQualityText;

size_t fn_quality_room(size_t n); /* the most features that a text of n bytes can have, at least 1 */
void fn_quality_read(FnQualityText *text, const unsigned char *p, size_t n); /* the top 22 bits of each feature's hash */
void fn_quality_sort(FnQualityText *text);
void fn_quality_sums(const FnQualityText *text, const FnQualityTable *table, int64_t *sums); /* after sorting */

#endif
