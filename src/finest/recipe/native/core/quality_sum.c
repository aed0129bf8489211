/* Hashed n-grams of a text and the integer scores of linear models: quality_model/hashing.py and linear.py. */
#include "quality.h"

#include <string.h>

enum { HALF = FN_QUALITY_MAX_BITS / 2, DIGITS = 1 << HALF, SHIFT = 64 - FN_QUALITY_MAX_BITS, KNOWN_ROOTS = 256 };
_Static_assert(FN_QUALITY_MAX_BITS == 2 * HALF, "features are sorted by two digits");
_Static_assert(FN_QUALITY_MAX_TEXT <= 1 << 20, "sums fit into 64 bits: 15 bits of weight, 8 of root, 21 of features, 16");

/* What a byte is: 0 for a space or another that ends a token, 1 for visible ASCII alone, else its folded value. */
static const unsigned char KIND[256] = {
#define ALONE(c) [c] = 1, [c + 1] = 1, [c + 2] = 1, [c + 3] = 1, [c + 4] = 1, [c + 5] = 1
#define SAME(c) [c] = c, [c + 1] = c + 1
#define SAME16(c) SAME(c), SAME(c + 2), SAME(c + 4), SAME(c + 6), SAME(c + 8), SAME(c + 10), SAME(c + 12), SAME(c + 14)
#define FOLDED(c) [c] = c + 32, [c + 1] = c + 33
    ALONE('!'), ALONE('!' + 6), ['-'] = 1, ['.'] = 1, ['/'] = 1,
    SAME('0'), SAME('2'), SAME('4'), SAME('6'), SAME('8'),
    ALONE(':'), ['@'] = 1,
    FOLDED('A'), FOLDED('C'), FOLDED('E'), FOLDED('G'), FOLDED('I'), FOLDED('K'), FOLDED('M'), FOLDED('O'),
    FOLDED('Q'), FOLDED('S'), FOLDED('U'), FOLDED('W'), FOLDED('Y'),
    ALONE('['),
    SAME('a'), SAME('c'), SAME('e'), SAME('g'), SAME('i'), SAME('k'), SAME('m'), SAME('o'),
    SAME('q'), SAME('s'), SAME('u'), SAME('w'), SAME('y'),
    ['{'] = 1, ['|'] = 1, ['}'] = 1, ['~'] = 1,
    SAME16(0x80), SAME16(0x90), SAME16(0xa0), SAME16(0xb0), SAME16(0xc0), SAME16(0xd0), SAME16(0xe0), SAME16(0xf0),
};

size_t fn_quality_room(size_t n) { return n > 0 ? 2 * (n < FN_QUALITY_MAX_TEXT ? n : FN_QUALITY_MAX_TEXT) : 1; }

void fn_quality_read(FnQualityText *text, const unsigned char *p, size_t n)
{
    const unsigned char *end = p + (n < FN_QUALITY_MAX_TEXT ? n : FN_QUALITY_MAX_TEXT);
    uint32_t *next = text->features;
    uint64_t previous = 0;
    bool paired = false;
    while (p < end) {
        unsigned char kind = KIND[*p];
        uint64_t token = FN_QUALITY_FNV_BASIS;
        if (kind == 0) {
            p++;
            continue;
        }
        if (kind == 1) {
            token = (token ^ *p++) * FN_QUALITY_FNV_PRIME;
        } else {
            do token = (token ^ kind) * FN_QUALITY_FNV_PRIME;
            while (++p < end && (kind = KIND[*p]) > 1);
        }
        *next++ = (uint32_t)(token * FN_QUALITY_SPREAD >> SHIFT);
        if (paired) *next++ = (uint32_t)((previous * FN_QUALITY_PAIR ^ token) * FN_QUALITY_SPREAD >> SHIFT);
        previous = token;
        paired = true;
    }
    text->count = (size_t)(next - text->features);
}

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

/* Move the features into the order of one digit, counted in `places`; equal ones keep their order. */
static void sort_by(const uint32_t *from, uint32_t *to, size_t count, uint32_t *places, int shift)
{
    uint32_t before = 0;
    for (size_t digit = 0; digit < DIGITS; digit++) {
        uint32_t here = places[digit];
        places[digit] = before;
        before += here;
    }
    for (size_t i = 0; i < count; i++) to[places[from[i] >> shift & (DIGITS - 1)]++] = from[i];
}

/* After this, `features` holds each feature once, in ascending order, and `counts` how often it occurs. */
void fn_quality_sort(FnQualityText *text)
{
    uint32_t low[DIGITS] = {0}, high[DIGITS] = {0};
    for (size_t i = 0; i < text->count; i++) {
        low[text->features[i] & (DIGITS - 1)]++;
        high[text->features[i] >> HALF]++;
    }
    sort_by(text->features, text->counts, text->count, low, 0);
    sort_by(text->counts, text->features, text->count, high, HALF);
    size_t distinct = 0;
    uint32_t last = UINT32_MAX, count = 0; /* no feature has 32 bits */
    for (size_t i = 0; i < text->count; i++) {
        uint32_t feature = text->features[i];
        count = feature == last ? count + 1 : 1;
        distinct += feature != last;
        text->features[distinct - 1] = last = feature;
        text->counts[distinct - 1] = count;
    }
    text->distinct = distinct;
}

/* 256 times the square root of a count. */
static int64_t root_of_count(uint32_t *known, uint32_t count)
{
    if (count >= KNOWN_ROOTS) return (int64_t)root_of((uint64_t)count << 16);
    if (known[count] == 0) known[count] = (uint32_t)root_of((uint64_t)count << 16);
    return known[count];
}

void fn_quality_sums(const FnQualityText *text, const FnQualityTable *table, int64_t *sums)
{
    uint32_t known[KNOWN_ROOTS] = {0};
    const int shift = FN_QUALITY_MAX_BITS - table->bits;
    const size_t rows = table->rows;
    int64_t only = 0; /* the sum of a model with one row */
    memset(sums, 0, rows * sizeof(*sums));
    if (text->count == 0) return;
    for (size_t i = 0; i < text->distinct;) {
        uint32_t feature = text->features[i] >> shift, count = text->counts[i];
        for (i++; i < text->distinct && text->features[i] >> shift == feature; i++) count += text->counts[i];
        int64_t root = root_of_count(known, count);
        const int16_t *weights = table->weights + (size_t)feature * rows;
        only += *weights * root;
        if (rows == 1) continue;
        for (size_t row = 0; row < rows; row++) sums[row] += weights[row] * root;
    }
    if (rows == 1) sums[0] = only;
    int64_t length = (int64_t)root_of((uint64_t)text->count << 32);
    for (size_t row = 0; row < rows; row++) {
        int64_t scaled = sums[row] * 65536, whole = scaled / length;
        sums[row] = whole - (scaled % length < 0); /* rounded down, also below zero */
    }
}
