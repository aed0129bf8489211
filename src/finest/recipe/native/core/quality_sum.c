/* The integer scores of linear models: quality_model/linear.py.
 *
 * Most of the time goes into waiting for memory: a text has some thousand features, which lie anywhere in tables of
 * megabytes. So all that belongs to a feature lies in one place, for all models of equal size, and is fetched ahead. */
#define _DEFAULT_SOURCE /* for madvise */
#include "large_pages.h"
#include "quality.h"

enum {
    AHEAD = 64, /* features between the count that is fetched and the one that is changed */
    WIDEST = 8, /* rows whose sums are in registers */
};
_Static_assert(FN_QUALITY_MAX_TEXT <= 1 << 20, "sums fit into 64 bits: 15 bits of weight, 8 of root, 21 of features, 16");

#ifdef __GNUC__
#define FETCH(place) __builtin_prefetch(place, 1)
#else
#define FETCH(place) ((void)0)
#endif

/* The integer square root, digit by digit in base 2. */
static uint64_t root_of(uint64_t x)
{
    uint64_t root = 0, bit = 1ull << 62;
    while (bit > x) bit >>= 2;
    for (; bit; bit >>= 2) {
        if (x >= root + bit) {
            x -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}

/* 256 times the square root of a count. */
static int64_t root_of_count(const FnQualityGroup *group, uint32_t count)
{
    return count < FN_QUALITY_ROOTS ? group->roots[count] : (int64_t)root_of((uint64_t)count << 16);
}

static size_t cell_bytes(size_t stride) { return sizeof(uint32_t) + (stride + stride % 2) * sizeof(int16_t); }

static unsigned char *cell_of(const FnQualityGroup *group, size_t stride, size_t feature)
{
    return group->cells + feature * cell_bytes(stride);
}

bool fn_quality_group_open(FnQualityGroup *group, int bits, size_t rows)
{
    size_t features = (size_t)1 << bits, stride = rows < 3 ? rows : rows < 5 ? 4 : (rows + WIDEST - 1) / WIDEST * WIDEST;
    *group = (FnQualityGroup){.bits = bits, .rows = rows, .stride = stride};
    group->cells = fn_large_zeros(features * cell_bytes(stride));
    group->distinct = malloc((features + 1) * sizeof(uint32_t)); /* one more than there are is written, but not kept */
    for (uint32_t count = 0; count < FN_QUALITY_ROOTS; count++) group->roots[count] = (uint32_t)root_of(count << 16);
    return group->cells != NULL && group->distinct != NULL;
}

void fn_quality_group_fill(FnQualityGroup *group, size_t row, const char *weights)
{
    size_t place = sizeof(uint32_t) + row * sizeof(int16_t);
    for (size_t feature = 0; feature < (size_t)1 << group->bits; feature++, weights += sizeof(int16_t))
        memcpy(cell_of(group, group->stride, feature) + place, weights, sizeof(int16_t));
}

void fn_quality_group_close(FnQualityGroup *group)
{
    free(group->cells);
    free(group->distinct);
}

/* `features` has AHEAD more numbers than `count`, which are features too. */
static void count_features(FnQualityGroup *group, const uint32_t *features, size_t count)
{
    const int shift = FN_QUALITY_MAX_BITS - group->bits;
    const size_t stride = group->stride;
    uint32_t *distinct = group->distinct;
    size_t found = group->found;
    for (size_t i = 0; i < AHEAD; i++) FETCH(cell_of(group, stride, features[i] >> shift));
    for (size_t i = 0; i < count; i++) {
        uint32_t feature = features[i] >> shift, *occurs = (uint32_t *)cell_of(group, stride, feature);
        FETCH(cell_of(group, stride, features[i + AHEAD] >> shift));
        distinct[found] = feature;
        found += *occurs == 0;
        ++*occurs;
    }
    group->found = found;
}

/* Add up, for `width` rows from `first` on, weights times roots of counts. After the last rows all counts are 0 again. */
static inline void add_up(FnQualityGroup *group, const size_t stride, size_t first, const size_t width, int64_t *sums)
{
    int64_t found[WIDEST] = {0};
    const bool is_last = first + width >= stride;
    for (size_t i = 0; i < group->found; i++) {
        uint32_t *occurs = (uint32_t *)cell_of(group, stride, group->distinct[i]);
        const int16_t *weights = (const int16_t *)(occurs + 1) + first;
        int64_t root = root_of_count(group, *occurs);
        if (is_last) *occurs = 0;
        for (size_t row = 0; row < width; row++) found[row] += weights[row] * root;
    }
    memcpy(sums + first, found, (is_last ? group->rows - first : width) * sizeof(int64_t));
}

/* The sums of a group's rows, before they are divided by the text's length; the compiler knows the usual strides. */
static void add_up_group(FnQualityGroup *group, int64_t *sums)
{
    switch (group->stride) {
    case 1: add_up(group, 1, 0, 1, sums); break;
    case 2: add_up(group, 2, 0, 2, sums); break;
    case 4: add_up(group, 4, 0, 4, sums); break;
    case 8: add_up(group, 8, 0, 8, sums); break;
    default:
        for (size_t first = 0; first < group->stride; first += WIDEST) add_up(group, group->stride, first, WIDEST, sums);
    }
    group->found = 0;
}

void fn_quality_sums(FnQualityGroup *groups, size_t group_count, const unsigned char *text, size_t n,
                     unsigned char *folded, int64_t *sums)
{
    uint32_t features[FN_QUALITY_FEATURES + AHEAD] = {0};
    FnQualityReading reading;
    size_t count, all = 0;
    fn_quality_begin(&reading, text, n, folded);
    while (fn_quality_read(&reading, features, &count)) {
        for (size_t i = 0; i < group_count; i++) count_features(&groups[i], features, count);
        all += count;
    }
    int64_t length = (int64_t)root_of((uint64_t)all << 32);
    for (size_t i = 0; i < group_count; sums += groups[i++].rows) {
        add_up_group(&groups[i], sums);
        for (size_t row = 0; all > 0 && row < groups[i].rows; row++) {
            int64_t scaled = sums[row] * 65536, whole = scaled / length;
            sums[row] = whole - (scaled % length < 0); /* rounded down, also below zero */
        }
    }
}
