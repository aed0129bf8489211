/* Hashed n-grams of a text: quality_model/hashing.py.
 *
 * A processor guesses wrongly where most words end, and each wrong guess costs it more than hashing a word. So no step
 * here branches on single bytes: bytes are classified 64 at a time, the bounds of tokens are found in masks of bits, and
 * tokens are hashed eight bytes at a time. */
#include "quality.h"

#include <string.h>

enum { BLOCK = 64, EIGHT = 8, SHIFT = 64 - FN_QUALITY_MAX_BITS };
_Static_assert(FN_QUALITY_PIECE % BLOCK == 0, "a piece is so many blocks");
_Static_assert(FN_QUALITY_MAX_TEXT < UINT32_MAX, "places in a text have 32 bits");

/* The bytes of a block that belong to words, and those that are tokens alone; each a bit. */
typedef struct { uint64_t word, sign; } Kinds;

/* The last block has at least one byte after the text, which ends the last token; hash_of reads up to 7 bytes more. */
size_t fn_quality_folded_bytes(size_t n)
{
    if (n > FN_QUALITY_MAX_TEXT) n = FN_QUALITY_MAX_TEXT;
    return (n / BLOCK + 1) * BLOCK + EIGHT;
}

void fn_quality_begin(FnQualityReading *reading, const unsigned char *text, size_t n, unsigned char *folded)
{
    reading->text = text;
    reading->folded = folded;
    reading->n = n < FN_QUALITY_MAX_TEXT ? n : FN_QUALITY_MAX_TEXT;
    reading->at = reading->open = 0;
    reading->was_word = reading->was_sign = reading->previous = 0;
    reading->any = false;
}

/* Eight bytes, the first in the lowest bits; compilers make one instruction of this. */
static uint64_t eight_bytes(const unsigned char *p)
{
    uint64_t found = 0;
    for (int i = 0; i < EIGHT; i++) found |= (uint64_t)p[i] << 8 * i;
    return found;
}

/* A bit for each of 64 bytes that are 0 or 1: the product moves the lowest bits of eight bytes into its top byte. */
static uint64_t as_bits(const unsigned char *flags)
{
    uint64_t bits = 0;
    for (int i = 0; i < BLOCK; i += EIGHT) bits |= (eight_bytes(flags + i) * 0x0102040810204080ull >> 56) << i;
    return bits;
}

/* Fold a block to lower case. Compilers turn the loop into vector instructions. */
static Kinds read_block(const unsigned char *from, unsigned char *to)
{
    unsigned char words[BLOCK], signs[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
        unsigned char c = from[i], upper = (unsigned char)(c - 'A') < 26, lower = (unsigned char)(c - 'a') < 26;
        to[i] = (unsigned char)(c + (upper ? 32 : 0));
        words[i] = upper | lower | ((unsigned char)(c - '0') < 10) | (c >= 0x80);
        signs[i] = ((unsigned char)(c - '!') < 94) & (words[i] ^ 1);
    }
    return (Kinds){as_bits(words), as_bits(signs)};
}

/* Write the places of the bits that are set, in ascending order, and return the end of what was written. */
static uint32_t *places_of(uint64_t bits, size_t at, uint32_t *to)
{
    for (; bits != 0; bits &= bits - 1) *to++ = (uint32_t)at + (uint32_t)__builtin_ctzll(bits);
    return to;
}

/* Find the bounds of the tokens that end within the next piece, and return how many they are. */
static size_t find_tokens(FnQualityReading *reading)
{
    uint32_t *start = reading->starts + reading->open, *end = reading->ends;
    for (size_t block = 0; block < FN_QUALITY_PIECE / BLOCK && reading->at <= reading->n; block++) {
        unsigned char last[BLOCK] = {0};
        const unsigned char *from = reading->text + reading->at;
        if (reading->n - reading->at < BLOCK) from = memcpy(last, from, reading->n - reading->at);
        Kinds kinds = read_block(from, reading->folded + reading->at);
        uint64_t after_word = kinds.word << 1 | reading->was_word, after_sign = kinds.sign << 1 | reading->was_sign;
        start = places_of((kinds.word & ~after_word) | kinds.sign, reading->at, start);
        end = places_of((after_word & ~kinds.word) | after_sign, reading->at, end);
        reading->was_word = kinds.word >> 63;
        reading->was_sign = kinds.sign >> 63;
        reading->at += BLOCK;
    }
    size_t found = (size_t)(end - reading->ends);
    reading->open = (size_t)(start - reading->starts) - found;
    return found;
}

/* FNV-1a of at least one byte. After the last byte, up to seven zeros are hashed too, each of which multiplies by the
   prime; a product with the prime's inverse takes them back. */
static uint64_t hash_of(const unsigned char *p, size_t n)
{
    static const uint64_t inverses[] = {FN_QUALITY_FNV_INVERSES}; /* of the prime's powers from 0 to 7 */
    uint64_t hash = FN_QUALITY_FNV_BASIS, bytes;
    for (; n > EIGHT; n -= EIGHT, p += EIGHT) {
        bytes = eight_bytes(p);
        for (int i = 0; i < EIGHT; i++, bytes >>= 8) hash = (hash ^ (bytes & 0xff)) * FN_QUALITY_FNV_PRIME;
    }
    bytes = eight_bytes(p) & UINT64_MAX >> 8 * (EIGHT - n);
    for (int i = 0; i < EIGHT; i++, bytes >>= 8) hash = (hash ^ (bytes & 0xff)) * FN_QUALITY_FNV_PRIME;
    return hash * inverses[EIGHT - n];
}

bool fn_quality_read(FnQualityReading *reading, uint32_t *features, size_t *count)
{
    if (reading->at > reading->n) return false;
    size_t tokens = find_tokens(reading);
    uint32_t *next = features;
    for (size_t i = 0; i < tokens; i++) {
        uint64_t token = hash_of(reading->folded + reading->starts[i], reading->ends[i] - reading->starts[i]);
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
