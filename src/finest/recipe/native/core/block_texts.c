/* The text of a block as extract/block_features.py sees it: without marks, as counts, and compared with others. */
#define PY_SSIZE_T_CLEAN
#include "page.h"
#include "spans.h"
#include "trees.h"

static bool is_mark(char c) { return (unsigned char)c <= FN_MARK_ENDED; }

bool fn_same_text(FnStr one, FnStr other)
{
    const char *p = one.p, *q = other.p, *p_end = p + one.n, *q_end = q + other.n;
    for (;;) {
        while (p < p_end && is_mark(*p)) p++;
        while (q < q_end && is_mark(*q)) q++;
        if (p == p_end || q == q_end) return p == p_end && q == q_end;
        if (*p++ != *q++) return false;
    }
}

static bool has_mark(uint64_t eight)
{
    const uint64_t ones = 0x0101010101010101u; /* a byte below 5 borrows from its highest bit */
    return ((eight - (FN_MARK_ENDED + 1) * ones) & ~eight & 0x80 * ones) != 0;
}

/* Hash of the text without its marks, eight bytes at a time. */
uint64_t fn_hash_of_block(uint64_t hash, FnStr text)
{
    uint64_t eight = 0;
    unsigned n = 0;
    for (size_t i = 0; i < text.n;) {
        if (n == 0 && text.n - i >= 8) {
            uint64_t word = fn_eight_bytes((const unsigned char *)text.p + i);
            if (!has_mark(word)) {
                hash = fn_mixed(hash, word);
                i += 8;
                continue;
            }
        }
        char c = text.p[i++];
        if (is_mark(c)) continue;
        eight |= (uint64_t)(unsigned char)c << 8 * n++;
        if (n < 8) continue;
        hash = fn_mixed(hash, eight);
        eight = n = 0;
    }
    return fn_mixed(hash, eight | (uint64_t)n << 56);
}

/* Each byte adds to the counters of ten bits that it concerns. */
enum { COUNTER_BITS = 10, MOST_COUNTED = (1 << COUNTER_BITS) - 1 };
#define COUNTER(number) (1ull << (number) * COUNTER_BITS)
#define WORD COUNTER(0)
#define DIGIT COUNTER(1)
#define CAPITAL COUNTER(2)
#define STOP COUNTER(3)
#define LINE COUNTER(4)
#define SIGN COUNTER(5) /* perhaps */
static const uint64_t COUNTED[256] = {
    [' '] = WORD, ['\t'] = WORD, ['\n'] = WORD + LINE, ['0' ... '9'] = DIGIT, ['A' ... 'Z'] = CAPITAL,
    ['.'] = STOP, ['!'] = STOP, ['?'] = STOP, ['$'] = SIGN, [0xc2] = SIGN, [0xe2] = SIGN, [0xe3] = SIGN};

static unsigned counted(uint64_t counters, uint64_t counter) { return (unsigned)(counters / counter & MOST_COUNTED); }

static void find_signs(FnStr text, FnCounts *found)
{
    const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n;
    for (; p < end; p++) {
        if (*p == '$') found->currency = true;
        else if (*p == 0xc2 && end - p > 1) found->currency |= p[1] == 0xa3 || p[1] == 0xa5, found->copyright |= p[1] == 0xa9;
        else if (*p == 0xe2 && end - p > 2) found->currency |= p[1] == 0x82 && p[2] == 0xac;
        else if (*p == 0xe3 && end - p > 2) found->stops += p[1] == 0x80 && p[2] == 0x82;
    }
}

static bool is_cut(FnStr text)
{
    char last[3] = {0};
    size_t n = text.n;
    for (unsigned i = 3; i > 0 && n > 0; n--)
        if (!is_mark(text.p[n - 1])) last[--i] = text.p[n - 1];
    return memcmp(last, "...", 3) == 0 || memcmp(last, "\xe2\x80\xa6", 3) == 0;
}

static unsigned begins(FnStr text)
{
    size_t i = 0;
    while (i < text.n && is_mark(text.p[i])) i++;
    char c = i < text.n ? text.p[i] : 0;
    return fn_is_digit(c) ? 1 : c >= 'A' && c <= 'Z' ? 2 : c >= 'a' && c <= 'z' ? 3 : 0;
}

FnCounts fn_counts_of(FnStr text)
{
    FnCounts found = {.words = 1, .is_cut = is_cut(text), .begins = begins(text)};
    const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n;
    bool signs = false;
    while (p < end) {
        const unsigned char *stop = end - p > MOST_COUNTED ? p + MOST_COUNTED : end;
        uint64_t counters = 0;
        while (p < stop) counters += COUNTED[*p++];
        found.words += counted(counters, WORD);
        found.digits += counted(counters, DIGIT);
        found.capitals += counted(counters, CAPITAL);
        found.stops += counted(counters, STOP);
        found.lines += counted(counters, LINE);
        signs |= counted(counters, SIGN) > 0;
    }
    if (signs) find_signs(text, &found);
    return found;
}
