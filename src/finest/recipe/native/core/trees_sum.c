/* Sum the leaves to which the values of blocks lead, a tile of blocks at a time: `score` of extract/trees.py.
 *
 * On a processor with AVX2, trees of four to six levels whose leaves fit in bytes are summed with its instructions: 32
 * blocks follow a tree at once, and the bytes of its leaves are looked up in registers. All sums are integers, so that
 * both ways give the same ones. */
#define PY_SSIZE_T_CLEAN
#include "trees.h"
#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_WIDE 1
#include <immintrin.h>
#else
#define HAS_WIDE 0
#endif

enum { TABLE = 16, LEAST_DEPTH = 4, MOST_PACKED_DEPTH = 6, MOST_BYTE = 255 };

/* The loops over blocks have no branches, so that the compiler does several at once. */
static void sum_trees(const FnStage *stage, const int16_t *restrict values, int32_t *restrict sums)
{
    int32_t total[FN_TILE];
    for (unsigned i = 0; i < FN_TILE; i++) total[i] = stage->bias;
    const int16_t *leaves = stage->leaves;
    for (size_t node = 0; node < (size_t)stage->count * stage->depth; node += stage->depth) {
        int16_t leaf[FN_TILE] = {0};
        for (unsigned level = 0; level < stage->depth; level++) {
            const int16_t *column = values + stage->columns[node + level] * FN_TILE, limit = stage->limits[node + level];
            const int16_t bit = (int16_t)(1 << level);
            for (unsigned i = 0; i < FN_TILE; i++) leaf[i] = (int16_t)(leaf[i] | (-(column[i] > limit) & bit));
        }
        for (unsigned i = 0; i < FN_TILE; i++) total[i] += leaves[leaf[i]];
        leaves += (size_t)1 << stage->depth;
    }
    memcpy(sums, total, sizeof(total));
}

#if HAS_WIDE
#define WIDE __attribute__((target("avx2")))

/* All bits of a block's byte are set if its value is above the limit of that node. */
WIDE static inline __m256i above(const FnStage *stage, const int16_t *values, size_t node)
{
    const int16_t *column = values + stage->columns[node] * FN_TILE;
    __m256i limit = _mm256_set1_epi16(stage->limits[node]);
    __m256i first = _mm256_cmpgt_epi16(_mm256_loadu_si256((const __m256i *)column), limit);
    __m256i second = _mm256_cmpgt_epi16(_mm256_loadu_si256((const __m256i *)(column + FN_TILE / 2)), limit);
    return _mm256_packs_epi16(first, second);
}

/* The leaves of one sixteenth of a tree's numbers: `numbers` have four bits. */
WIDE static inline __m256i leaves_of(const uint8_t *table, __m256i numbers)
{
    __m128i sixteen = _mm_loadu_si128((const __m128i *)table);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(sixteen), numbers);
}

WIDE static inline __m256i either(const uint8_t *tables, __m256i numbers, __m256i second)
{
    return _mm256_blendv_epi8(leaves_of(tables, numbers), leaves_of(tables + TABLE, numbers), second);
}

/* packs and unpack treat the halves of a register alike, so that the blocks stay in their order. */
WIDE static void sum_bytes(const FnStage *stage, const int16_t *values, int32_t *sums)
{
    const unsigned depth = stage->depth;
    const uint8_t *bytes = stage->bytes;
    const __m256i zero = _mm256_setzero_si256();
    __m256i first = zero, second = zero;
    for (size_t node = 0; node < (size_t)stage->count * depth; node += depth, bytes += (size_t)1 << depth) {
        __m256i numbers = _mm256_and_si256(above(stage, values, node), _mm256_set1_epi8(1));
        for (int level = 1; level < LEAST_DEPTH; level++)
            numbers = _mm256_or_si256(
                numbers, _mm256_and_si256(above(stage, values, node + (size_t)level), _mm256_set1_epi8((char)(1 << level))));
        __m256i leaf;
        if (depth == LEAST_DEPTH) {
            leaf = leaves_of(bytes, numbers);
        } else {
            __m256i fifth = above(stage, values, node + 4);
            leaf = either(bytes, numbers, fifth);
            if (depth == MOST_PACKED_DEPTH)
                leaf = _mm256_blendv_epi8(leaf, either(bytes + 2 * TABLE, numbers, fifth), above(stage, values, node + 5));
        }
        first = _mm256_add_epi16(first, _mm256_unpacklo_epi8(leaf, zero));
        second = _mm256_add_epi16(second, _mm256_unpackhi_epi8(leaf, zero));
    }
    uint16_t total[FN_TILE];
    _mm256_storeu_si256((__m256i *)total, first);
    _mm256_storeu_si256((__m256i *)(total + FN_TILE / 2), second);
    for (unsigned i = 0; i < FN_TILE; i++) sums[i] = stage->bias + stage->least + total[i];
}
#else
static void sum_bytes(const FnStage *stage, const int16_t *values, int32_t *sums) { sum_trees(stage, values, sums); }
#endif

static bool can_sum_bytes(void)
{
#if HAS_WIDE
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

/* Fill `bytes` if this processor sums them and if they can have the same sums; false with an exception. */
bool fn_pack_leaves(FnStage *stage)
{
    const size_t leaves = (size_t)1 << stage->depth, count = stage->count * leaves;
    bool fits = can_sum_bytes() && stage->depth >= LEAST_DEPTH && stage->depth <= MOST_PACKED_DEPTH &&
                stage->count <= UINT16_MAX / MOST_BYTE; /* no sum of bytes overflows */
    if (!fits) return true;
    stage->bytes = malloc(count + 1);
    if (stage->bytes == NULL) return PyErr_NoMemory() != NULL;
    for (size_t tree = 0; fits && tree < count; tree += leaves) {
        int32_t least = INT16_MAX;
        for (size_t i = 0; i < leaves; i++) least = stage->leaves[tree + i] < least ? stage->leaves[tree + i] : least;
        for (size_t i = 0; i < leaves; i++) {
            int32_t more = stage->leaves[tree + i] - least;
            fits = fits && more <= MOST_BYTE;
            stage->bytes[tree + i] = (uint8_t)more;
        }
        stage->least += least;
    }
    if (!fits) {
        free(stage->bytes);
        stage->bytes = NULL;
    }
    return true;
}

bool fn_run_stage(const FnStage *stage, const FnColumns *columns, int32_t *sums)
{
    for (size_t at = 0; at < columns->stride; at += FN_TILE) {
        if (PyErr_CheckSignals() != 0) return false;
        (stage->bytes != NULL ? sum_bytes : sum_trees)(stage, fn_column(columns, 0, at), sums + at);
    }
    return true;
}
