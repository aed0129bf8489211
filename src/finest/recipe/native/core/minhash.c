/* Compute MinHash over word n-grams with SHA-1 or xxHash64: the signature of minhash.py. */
#define PY_SSIZE_T_CLEAN
#include "texts.h"
#include "core.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, LANES = 16, BLOCK = 64 };

/* Compile a loop for each vector width; the widest that the processor supports is used. */
#define INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__) && defined(__GNUC__)
#define WIDTHS(name, parameters, arguments) \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static void name##_512 parameters { name##_any arguments; } \
    __attribute__((target("avx2"))) static void name##_256 parameters { name##_any arguments; } \
    static void name parameters \
    { \
        if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) name##_512 arguments; \
        else if (__builtin_cpu_supports("avx2")) name##_256 arguments; \
        else name##_any arguments; \
    }
#else
#define WIDTHS(name, parameters, arguments) static void name parameters { name##_any arguments; }
#endif

typedef uint32_t Lanes __attribute__((vector_size(LANES * sizeof(uint32_t)))); /* one word of each of LANES messages */

#define ROTATED(x, n) ((x) << (n) | (x) >> (32 - (n)))

/* Hash one block of each of LANES messages (FIPS 180-4, 6.1). */
INLINE void digest_block_any(uint32_t states[5][LANES], const uint32_t words[16][LANES])
{
    Lanes state[5], w[16];
    memcpy(state, states, sizeof(state));
    memcpy(w, words, sizeof(w));
    Lanes a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
#define ROUND(f, k) \
    do { \
        if (i >= 16) { \
            Lanes mixed = w[(i + 13) % 16] ^ w[(i + 8) % 16] ^ w[(i + 2) % 16] ^ w[i % 16]; \
            w[i % 16] = ROTATED(mixed, 1); \
        } \
        Lanes next = ROTATED(a, 5) + (f) + e + (uint32_t)(k) + w[i % 16]; \
        e = d; \
        d = c; \
        c = ROTATED(b, 30); \
        b = a; \
        a = next; \
    } while (0)
    for (int i = 0; i < 20; i++) ROUND((b & c) | (~b & d), 0x5a827999);
    for (int i = 20; i < 40; i++) ROUND(b ^ c ^ d, 0x6ed9eba1);
    for (int i = 40; i < 60; i++) ROUND((b & c) | (b & d) | (c & d), 0x8f1bbcdc);
    for (int i = 60; i < 80; i++) ROUND(b ^ c ^ d, 0xca62c1d6);
#undef ROUND
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    memcpy(states, state, sizeof(state));
}

WIDTHS(digest_block, (uint32_t states[5][LANES], const uint32_t words[16][LANES]), (states, words))

static uint32_t swapped(uint32_t x) { return x >> 24 | (x >> 8 & 0xff00) | (x << 8 & 0xff0000) | x << 24; }

typedef struct { const unsigned char *p; size_t n; } Message;

/* Write block `number` of a padded message: its bytes, a 1 bit, zeros, and in the last block the length in bits. */
static void put_block(uint32_t words[16][LANES], int lane, Message message, size_t number)
{
    unsigned char block[BLOCK] = {0};
    size_t from = number * BLOCK, left = message.n > from ? message.n - from : 0;
    memcpy(block, message.p + (left ? from : 0), left < BLOCK ? left : BLOCK);
    if (message.n >= from && left < BLOCK) block[left] = 0x80;
    if (number == (message.n + 8) / BLOCK)
        for (int i = 0; i < 8; i++) block[BLOCK - 1 - i] = (unsigned char)((uint64_t)message.n * 8 >> 8 * i);
    for (int i = 0; i < 16; i++) {
        const unsigned char *p = block + 4 * i;
        words[i][lane] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
}

/* Compute the first eight bytes of the digests of at most LANES messages, as little-endian numbers. */
static void sha1_starts(const Message *messages, int n, uint64_t *starts)
{
    static const uint32_t initial[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint32_t states[5][LANES], words[16][LANES] = {{0}};
    size_t most = 0;
    for (int i = 0; i < n; i++) most = messages[i].n > most ? messages[i].n : most;
    for (int i = 0; i < 5; i++)
        for (int lane = 0; lane < LANES; lane++) states[i][lane] = initial[i];
    for (size_t number = 0; number <= (most + 8) / BLOCK; number++) {
        for (int lane = 0; lane < n; lane++) put_block(words, lane, messages[lane], number);
        digest_block(states, (const uint32_t(*)[LANES])words);
        for (int lane = 0; lane < n; lane++)
            if (number == (messages[lane].n + 8) / BLOCK)
                starts[lane] = (uint64_t)swapped(states[0][lane]) | (uint64_t)swapped(states[1][lane]) << 32;
    }
}

static uint64_t rotated(uint64_t x, int n) { return x << n | x >> (64 - n); }

static uint64_t read64(const unsigned char *p)
{
    uint64_t x;
    memcpy(&x, p, 8); /* the core is built for little-endian machines */
    return x;
}

#define XXH_1 11400714785074694791u
#define XXH_2 14029467366897019727u
#define XXH_3 1609587929392839161u
#define XXH_4 9650029242287828579u
#define XXH_5 2870177450012600261u

static uint64_t xxh_round(uint64_t lane, uint64_t word) { return rotated(lane + word * XXH_2, 31) * XXH_1; }

/* XXH64 with seed 0, as the specification of xxHash defines it. */
static uint64_t xxh64(Message message)
{
    const unsigned char *p = message.p, *end = p + message.n;
    uint64_t hash = XXH_5;
    if (message.n >= 32) {
        uint64_t lanes[4] = {XXH_1 + XXH_2, XXH_2, 0, 0 - XXH_1};
        for (; end - p >= 32; p += 32)
            for (int i = 0; i < 4; i++) lanes[i] = xxh_round(lanes[i], read64(p + 8 * i));
        hash = rotated(lanes[0], 1) + rotated(lanes[1], 7) + rotated(lanes[2], 12) + rotated(lanes[3], 18);
        for (int i = 0; i < 4; i++) hash = (hash ^ xxh_round(0, lanes[i])) * XXH_1 + XXH_4;
    }
    hash += message.n;
    for (; end - p >= 8; p += 8) hash = rotated(hash ^ xxh_round(0, read64(p)), 27) * XXH_1 + XXH_4;
    if (end - p >= 4) {
        uint32_t word;
        memcpy(&word, p, 4);
        hash = rotated(hash ^ word * XXH_1, 23) * XXH_2 + XXH_3;
        p += 4;
    }
    for (; p < end; p++) hash = rotated(hash ^ *p * XXH_5, 11) * XXH_1;
    hash = (hash ^ hash >> 33) * XXH_2;
    hash = (hash ^ hash >> 29) * XXH_3;
    return hash ^ hash >> 32;
}

/* Minimum of (factor x shingle + offset) mod 2^64 mod (2^61 - 1) over the shingles, for each permutation. */
INLINE void permute_any(const uint64_t *shingles, size_t n, const uint64_t *factors, const uint64_t *offsets,
                        uint64_t *lowest, size_t count)
{
    for (size_t j = 0; j < count; j++) {
        uint64_t factor = factors[j], offset = offsets[j], low = lowest[j];
        for (size_t i = 0; i < n; i++) {
            uint64_t value = factor * shingles[i] + offset;
            value = (value & FN_MINHASH_PRIME) + (value >> 61);
            value = value >= FN_MINHASH_PRIME ? value - FN_MINHASH_PRIME : value;
            low = value < low ? value : low;
        }
        lowest[j] = low;
    }
}

WIDTHS(permute,
       (const uint64_t *shingles, size_t n, const uint64_t *factors, const uint64_t *offsets, uint64_t *lowest,
        size_t count),
       (shingles, n, factors, offsets, lowest, count))

PyObject *fn_minhash_lowest(PyObject *self, PyObject *args)
{
    PyObject *found = NULL;
    const char *text;
    Py_ssize_t n, bytes;
    Py_buffer factors, offsets;
    int by_sha1;
    (void)self;
    if (!PyArg_ParseTuple(args, "s#ny*y*p", &text, &bytes, &n, &factors, &offsets, &by_sha1)) return NULL;
    size_t count = (size_t)factors.len / 8, size = bytes > 0;
    for (Py_ssize_t i = 0; i < bytes; i++) size += text[i] == ' ';
    size_t *starts = malloc((size + 1) * sizeof(size_t)); /* of each word, and of an imaginary next one */
    if (factors.len != offsets.len || n < 1) {
        PyErr_SetString(PyExc_ValueError, "as many factors as offsets, and a word or more in a shingle");
    } else if (starts == NULL) {
        PyErr_NoMemory();
    } else if (size < (size_t)n) {
        found = Py_NewRef(Py_None);
    } else if ((found = PyBytes_FromStringAndSize(NULL, factors.len)) != NULL) {
        size_t word = 0;
        starts[word++] = 0;
        for (Py_ssize_t i = 0; i < bytes; i++)
            if (text[i] == ' ') starts[word++] = (size_t)i + 1;
        starts[word] = (size_t)bytes + 1;
        uint64_t *lowest = (uint64_t *)(void *)PyBytes_AS_STRING(found), shingles[BATCH];
        Message messages[BATCH];
        memset(lowest, 0xff, (size_t)factors.len);
        for (size_t from = 0, shingle_count = size - (size_t)n + 1; from < shingle_count; from += BATCH) {
            size_t batch = shingle_count - from < BATCH ? shingle_count - from : BATCH;
            for (size_t i = 0; i < batch; i++) {
                size_t start = starts[from + i];
                messages[i] = (Message){(const unsigned char *)text + start, starts[from + i + (size_t)n] - 1 - start};
            }
            for (size_t i = 0; !by_sha1 && i < batch; i++) shingles[i] = xxh64(messages[i]);
            for (size_t i = 0; by_sha1 && i < batch; i += LANES)
                sha1_starts(messages + i, (int)(batch - i < LANES ? batch - i : LANES), shingles + i);
            permute(shingles, batch, factors.buf, offsets.buf, lowest, count);
        }
    }
    free(starts);
    PyBuffer_Release(&factors);
    PyBuffer_Release(&offsets);
    return found;
}
