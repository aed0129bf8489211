#ifndef FINEST_SPANS_H
#define FINEST_SPANS_H

/* Finding and hashing the tokens of a text without a branch for each byte: what quality_text.c and decontaminate.c share.
 *
 * A processor guesses wrongly where most words end, and each wrong guess costs it more than hashing a word. So bytes are
 * classified 64 at a time, a mask of bits says which of them begin or end a token, and tokens are hashed eight bytes at a
 * time. Nothing here needs Python. */

#include <stddef.h>
#include <stdint.h>

#include "generated.h"

enum { FN_BLOCK = 64, FN_EIGHT = 8 };

/* Bytes of a folded text of n bytes: at least one after the text, which ends the last token, in whole blocks; and those
   that fn_hash_of reads after a token. */
static inline size_t fn_folded_bytes(size_t n) { return (n / FN_BLOCK + 1) * FN_BLOCK + FN_EIGHT; }

/* Eight bytes, the first in the lowest bits; compilers make one instruction of this. */
static inline uint64_t fn_eight_bytes(const unsigned char *p)
{
    uint64_t found = 0;
    for (int i = 0; i < FN_EIGHT; i++) found |= (uint64_t)p[i] << 8 * i;
    return found;
}

/* A bit for each of 64 bytes that are 0 or 1: the product moves the lowest bits of eight bytes into its top byte. */
static inline uint64_t fn_as_bits(const unsigned char *flags)
{
    uint64_t bits = 0;
    for (int i = 0; i < FN_BLOCK; i += FN_EIGHT) bits |= (fn_eight_bytes(flags + i) * 0x0102040810204080ull >> 56) << i;
    return bits;
}

/* Write the places of the bits that are set, in ascending order, and return the end of what was written. */
static inline uint32_t *fn_places_of(uint64_t bits, size_t at, uint32_t *to)
{
    for (; bits != 0; bits &= bits - 1) *to++ = (uint32_t)at + (uint32_t)__builtin_ctzll(bits);
    return to;
}

/* FNV-1a of at least one byte; up to seven bytes more are read. After the last byte, up to seven zeros are hashed too,
   each of which multiplies by the prime; a product with the prime's inverse takes them back. */
static inline uint64_t fn_hash_of(const unsigned char *p, size_t n)
{
    static const uint64_t inverses[] = {FN_QUALITY_FNV_INVERSES}; /* of the prime's powers from 0 to 7 */
    uint64_t hash = FN_QUALITY_FNV_BASIS, bytes;
    for (; n > FN_EIGHT; n -= FN_EIGHT, p += FN_EIGHT) {
        bytes = fn_eight_bytes(p);
        for (int i = 0; i < FN_EIGHT; i++, bytes >>= 8) hash = (hash ^ (bytes & 0xff)) * FN_QUALITY_FNV_PRIME;
    }
    bytes = fn_eight_bytes(p) & UINT64_MAX >> 8 * (FN_EIGHT - n);
    for (int i = 0; i < FN_EIGHT; i++, bytes >>= 8) hash = (hash ^ (bytes & 0xff)) * FN_QUALITY_FNV_PRIME;
    return hash * inverses[FN_EIGHT - n];
}

#endif
