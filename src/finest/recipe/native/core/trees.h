/* The model of engine `blocks-2`: two stages of trees over columns of integers (trees.c, block_features.c). */
#ifndef FINEST_TREES_H
#define FINEST_TREES_H

#include "structure.h"

/* Values of a page's blocks: a block's value in a column is at `column * stride + block`. The indexes of its groups of
 * blocks, below `group_count`, are from `block * FN_GROUPS` on: one for each of its nests, and one for its path. */
enum { FN_GROUPS = FN_NESTS + 1 };
typedef struct { int16_t *values; size_t stride; uint32_t *groups; size_t group_count; } FnColumns;

/* Trees of one depth: on each level all nodes compare one column with one limit, and the bits lead to a leaf. */
typedef struct { unsigned count, depth; int32_t bias; uint8_t *columns; int16_t *limits, *leaves; } FnStage;

typedef struct FnTrees { FnStage stages[2]; } FnTrees;

bool fn_trees_open(FnTrees *, PyObject *stages); /* [(depth, bias, columns, limits, leaves)]; false with an exception */
void fn_trees_close(FnTrees *);
bool fn_describe(const FnFound *, FnColumns *);  /* the first FN_COLUMNS columns; false with an exception */
bool fn_scores(const FnTrees *, const FnFound *, int32_t *scores); /* above 0 for main text; false with an exception */

#endif
