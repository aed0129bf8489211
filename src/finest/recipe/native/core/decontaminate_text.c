/* The tokens of a text that is matched with an index: ngrams.py and characters.py of recipe/decontaminate. */
#include "decontaminate.h"
#include "spans.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(FN_SPANS_PIECE % FN_BLOCK == 0, "a piece is so many blocks");

/* The kind of the character that begins at `at`, of valid UTF-8, and its bytes; a character that is cut off separates. */
static unsigned kind_at(const FnSpans *spans, size_t at, size_t *size)
{
    const unsigned char *p = spans->text + at;
    uint32_t code;
    *size = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    if (*size > spans->n - at) return FN_DECONTAMINATE_SEPARATOR;
    code = *size == 1 ? *p : *p & (0xffu >> (*size + 1));
    for (size_t i = 1; i < *size; i++) code = code << 6 | (p[i] & 0x3fu);
    return code < FN_DECONTAMINATE_CODES ? spans->kinds[code] : FN_DECONTAMINATE_LETTER;
}

typedef struct { uint64_t word, high; } Kinds; /* bytes of ASCII words, and bytes from 0x80 on; each a bit */

/* Fold a block to lower case. Compilers turn the loop into vector instructions. */
static Kinds read_block(const unsigned char *from, unsigned char *to)
{
    unsigned char words[FN_BLOCK], highs[FN_BLOCK];
    for (int i = 0; i < FN_BLOCK; i++) {
        unsigned char c = from[i], upper = (unsigned char)(c - 'A') < 26, lower = (unsigned char)(c - 'a') < 26;
        to[i] = (unsigned char)(c + (upper ? 32 : 0));
        words[i] = upper | lower | ((unsigned char)(c - '0') < 10);
        highs[i] = c >= 0x80;
    }
    return (Kinds){fn_as_bits(words), fn_as_bits(highs)};
}

/* Find the bounds of the tokens that end within the next piece, and return how many they are. */
static size_t find_tokens(FnSpans *spans)
{
    uint32_t *start = spans->starts + spans->open, *end = spans->ends;
    for (size_t block = 0; block < FN_SPANS_PIECE / FN_BLOCK && spans->at <= spans->n; block++, spans->at += FN_BLOCK) {
        unsigned char last[FN_BLOCK] = {0};
        const unsigned char *from = spans->text + spans->at;
        if (spans->n - spans->at < FN_BLOCK) from = memcpy(last, from, spans->n - spans->at);
        Kinds kinds = read_block(from, spans->folded + spans->at);
        uint64_t word = kinds.word | spans->word, high = kinds.high & ~spans->taken, alone = 0, ends = spans->ends_at;
        spans->word = spans->taken = spans->ends_at = 0;
        while (high != 0) {
            size_t first = (size_t)__builtin_ctzll(high), size;
            unsigned kind = kind_at(spans, spans->at + first, &size);
            uint64_t bytes = (1ull << size) - 1, here = bytes << first;
            uint64_t beyond = first + size > FN_BLOCK ? bytes >> (FN_BLOCK - first) : 0;
            high &= ~here;
            spans->taken |= beyond;
            if (kind == FN_DECONTAMINATE_LETTER) {
                word |= here;
                spans->word |= beyond;
            } else if (kind != FN_DECONTAMINATE_SEPARATOR) {
                alone |= 1ull << first;
                if (first + size < FN_BLOCK) ends |= 1ull << (first + size);
                else spans->ends_at |= 1ull << (first + size - FN_BLOCK);
            }
        }
        uint64_t after_word = word << 1 | spans->was_word;
        start = fn_places_of((word & ~after_word) | alone, spans->at, start);
        end = fn_places_of((after_word & ~word) | ends, spans->at, end);
        spans->was_word = word >> 63;
    }
    size_t found = (size_t)(end - spans->ends);
    spans->open = (size_t)(start - spans->starts) - found;
    return found;
}

bool fn_spans_open(FnSpans *spans, const unsigned char *kinds, const unsigned char *text, size_t n)
{
    spans->kinds = kinds; /* the arrays are written before they are read */
    spans->text = text;
    spans->n = n;
    spans->at = spans->open = 0;
    spans->word = spans->taken = spans->ends_at = spans->was_word = 0;
    spans->folded = malloc(fn_folded_bytes(n));
    return spans->folded != NULL;
}

void fn_spans_close(FnSpans *spans) { free(spans->folded); }

bool fn_spans_next(FnSpans *spans, size_t *tokens)
{
    if (spans->at > spans->n) return false;
    if (spans->open == 1) spans->starts[0] = spans->starts[*tokens]; /* of the token that is open */
    *tokens = find_tokens(spans);
    return true;
}

uint64_t fn_spans_hash(const FnSpans *spans, size_t token, uint64_t *units)
{
    static const uint64_t units_of[] = {FN_DECONTAMINATE_UNITS};
    size_t start = spans->starts[token], size;
    unsigned kind = spans->text[start] < 0x80 ? FN_DECONTAMINATE_LETTER : kind_at(spans, start, &size);
    *units = units_of[kind];
    return fn_hash_of(spans->folded + start, spans->ends[token] - start);
}
