/* Hashed n-grams of a text: quality_model/hashing.py. */
#include "quality.h"
#include "spans.h"

#include <string.h>

enum { SHIFT = 64 - FN_QUALITY_MAX_BITS };
_Static_assert(FN_QUALITY_PIECE % FN_BLOCK == 0, "a piece is so many blocks");
_Static_assert(FN_QUALITY_MAX_TEXT < UINT32_MAX, "places in a text have 32 bits");

/* The bytes of a block that belong to words, and those that are tokens alone; each a bit. */
typedef struct { uint64_t word, sign; } Kinds;

size_t fn_quality_folded_bytes(size_t n) { return fn_folded_bytes(n < FN_QUALITY_MAX_TEXT ? n : FN_QUALITY_MAX_TEXT); }

void fn_quality_begin(FnQualityReading *reading, const unsigned char *text, size_t n, unsigned char *folded)
{
    reading->text = text;
    reading->folded = folded;
    reading->n = n < FN_QUALITY_MAX_TEXT ? n : FN_QUALITY_MAX_TEXT;
    reading->at = reading->open = 0;
    reading->was_word = reading->was_sign = reading->previous = 0;
    reading->any = false;
}

/* Fold a block to lower case. Compilers turn the loop into vector instructions. */
static Kinds read_block(const unsigned char *from, unsigned char *to)
{
    unsigned char words[FN_BLOCK], signs[FN_BLOCK];
    for (int i = 0; i < FN_BLOCK; i++) {
        unsigned char c = from[i], upper = (unsigned char)(c - 'A') < 26, lower = (unsigned char)(c - 'a') < 26;
        to[i] = (unsigned char)(c + (upper ? 32 : 0));
        words[i] = upper | lower | ((unsigned char)(c - '0') < 10) | (c >= 0x80);
        signs[i] = ((unsigned char)(c - '!') < 94) & (words[i] ^ 1);
    }
    return (Kinds){fn_as_bits(words), fn_as_bits(signs)};
}

/* Find the bounds of the tokens that end within the next piece, and return how many they are. */
static size_t find_tokens(FnQualityReading *reading)
{
    uint32_t *start = reading->starts + reading->open, *end = reading->ends;
    for (size_t block = 0; block < FN_QUALITY_PIECE / FN_BLOCK && reading->at <= reading->n; block++) {
        unsigned char last[FN_BLOCK] = {0};
        const unsigned char *from = reading->text + reading->at;
        if (reading->n - reading->at < FN_BLOCK) from = memcpy(last, from, reading->n - reading->at);
        Kinds kinds = read_block(from, reading->folded + reading->at);
        uint64_t after_word = kinds.word << 1 | reading->was_word, after_sign = kinds.sign << 1 | reading->was_sign;
        start = fn_places_of((kinds.word & ~after_word) | kinds.sign, reading->at, start);
        end = fn_places_of((after_word & ~kinds.word) | after_sign, reading->at, end);
        reading->was_word = kinds.word >> 63;
        reading->was_sign = kinds.sign >> 63;
        reading->at += FN_BLOCK;
    }
    size_t found = (size_t)(end - reading->ends);
    reading->open = (size_t)(start - reading->starts) - found;
    return found;
}

bool fn_quality_read(FnQualityReading *reading, uint32_t *features, size_t *count)
{
    if (reading->at > reading->n) return false;
    size_t tokens = find_tokens(reading);
    uint32_t *next = features;
    for (size_t i = 0; i < tokens; i++) {
        uint64_t token = fn_hash_of(reading->folded + reading->starts[i], reading->ends[i] - reading->starts[i]);
        next[0] = (uint32_t)(token * FN_QUALITY_SPREAD >> SHIFT);
        next[1] = (uint32_t)((reading->previous * FN_QUALITY_PAIR ^ token) * FN_QUALITY_SPREAD >> SHIFT);
        next += 1 + reading->any; /* the first token has none before it, so the next one overwrites its pair */
        reading->any = true;
        reading->previous = token;
    }
    reading->starts[0] = reading->starts[tokens]; /* of the token that is open, if one is */
    *count = (size_t)(next - features);
    return true;
}
