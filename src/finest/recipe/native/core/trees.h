/* The model of engine `blocks-2`: two stages of trees over columns of integers (trees.c, block_features.c). */
#ifndef FINEST_TREES_H
#define FINEST_TREES_H

#include "structure.h"

/* Values of a page's blocks, in tiles of FN_TILE blocks: all values of a tile's first column, then of its second one, and
 * so on. The last tile may be larger than the page: `stride` is the number of blocks that there is room for. The indexes
 * of a block's groups of blocks, below `group_count`, are from `block * FN_GROUPS` on: one for each of its nests, and one
 * for its path. */
enum { FN_GROUPS = FN_NESTS + 1, FN_TILE = 32 };
typedef struct { int16_t *values; size_t stride; uint32_t *groups; size_t group_count; } FnColumns;

static inline int16_t *fn_column(const FnColumns *columns, unsigned column, size_t block)
{
    return columns->values + (block / FN_TILE * FN_ALL_COLUMNS + column) * FN_TILE + block % FN_TILE;
}

/* Trees of one depth: on each level all nodes compare one column with one limit, and the bits lead to a leaf. `bytes`, if
 * not NULL, are the leaves less the least one of their tree, and `least` is the sum of those. */
typedef struct { unsigned count, depth; int32_t bias, least; uint8_t *columns, *bytes; int16_t *limits, *leaves; } FnStage;

typedef struct FnTrees { FnStage stages[2]; } FnTrees;

/* trees.c */
bool fn_trees_open(FnTrees *, PyObject *stages); /* [(depth, bias, columns, limits, leaves)]; false with an exception */
void fn_trees_close(FnTrees *);
/* trees_sum.c: false with an exception; `sums` has room for the columns' stride */
bool fn_pack_leaves(FnStage *);
bool fn_run_stage(const FnStage *, const FnColumns *, int32_t *sums);
/* block_texts.c */
typedef struct { unsigned words, digits, capitals, stops, lines, begins; bool currency, copyright, is_cut; } FnCounts;
FnCounts fn_counts_of(FnStr text);
bool fn_same_text(FnStr, FnStr);                         /* but for marks, as the next one */
uint64_t fn_hash_of_block(uint64_t seed, FnStr text);
/* block_features.c */
bool fn_describe(const FnFound *, FnColumns *);  /* the first FN_COLUMNS columns; false with an exception */
bool fn_scores(const FnTrees *, const FnFound *, int32_t *scores); /* above 0 for main text; false with an exception */

#endif
