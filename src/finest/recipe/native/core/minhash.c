/* MinHash over word n-grams with SHA-1: minhash.py's signature. */
#define PY_SSIZE_T_CLEAN
#include "texts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PRIME ((1ull << 61) - 1)
enum { BATCH = 64 };

static uint32_t rotated(uint32_t x, int n) { return x << n | x >> (32 - n); }

/* FIPS 180-4, 6.1 */
static void digest_block(uint32_t state[5], const unsigned char *block)
{
    uint32_t w[80];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 80; i++) w[i] = rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
#define ROUND(f, k) \
    do { \
        uint32_t next = rotated(a, 5) + (f) + e + (k) + w[i]; \
        e = d; \
        d = c; \
        c = rotated(b, 30); \
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
}

static uint32_t swapped(uint32_t x) { return x >> 24 | (x >> 8 & 0xff00) | (x << 8 & 0xff0000) | x << 24; }

/* The first eight bytes of the digest as a little-endian number. */
static uint64_t sha1_start(const unsigned char *p, size_t n)
{
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    unsigned char last[128] = {0};
    size_t left = n % 64, size = left < 56 ? 64 : 128;
    for (size_t i = 0; i + 64 <= n; i += 64) digest_block(state, p + i);
    memcpy(last, p + (n - left), left);
    last[left] = 0x80;
    for (int i = 0; i < 8; i++) last[size - 1 - (size_t)i] = (unsigned char)((uint64_t)n * 8 >> 8 * i);
    for (size_t i = 0; i < size; i += 64) digest_block(state, last + i);
    return (uint64_t)swapped(state[0]) | (uint64_t)swapped(state[1]) << 32;
}

/* Lowest of (factor x shingle + offset) mod 2^64 mod 2^61 - 1 over the shingles, for each permutation. */
static void permute(const uint64_t *shingles, size_t n, const uint64_t *factors, const uint64_t *offsets, uint64_t *lowest, size_t count)
{
    for (size_t j = 0; j < count; j++) {
        uint64_t factor = factors[j], offset = offsets[j], low = lowest[j];
        for (size_t i = 0; i < n; i++) {
            uint64_t value = factor * shingles[i] + offset;
            value = (value & PRIME) + (value >> 61);
            value = value >= PRIME ? value - PRIME : value;
            low = value < low ? value : low;
        }
        lowest[j] = low;
    }
}

/* All words joined by spaces; the bytes before each. */
static char *joined(PyObject *words, size_t *starts)
{
    size_t n = (size_t)PyList_GET_SIZE(words), bytes = 0;
    for (size_t i = 0; i < n; i++) {
        Py_ssize_t size;
        if (PyUnicode_AsUTF8AndSize(PyList_GET_ITEM(words, (Py_ssize_t)i), &size) == NULL) return NULL;
        starts[i] = bytes;
        bytes += (size_t)size + 1;
    }
    starts[n] = bytes;
    char *text = malloc(bytes + 1);
    if (text == NULL) return (char *)PyErr_NoMemory();
    for (size_t i = 0; i < n; i++) {
        Py_ssize_t size;
        const char *word = PyUnicode_AsUTF8AndSize(PyList_GET_ITEM(words, (Py_ssize_t)i), &size);
        memcpy(text + starts[i], word, (size_t)size);
        text[starts[i] + (size_t)size] = ' ';
    }
    return text;
}

PyObject *minhash_lowest(PyObject *self, PyObject *args)
{
    PyObject *words, *found = NULL;
    Py_ssize_t n;
    Py_buffer factors, offsets;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!ny*y*", &PyList_Type, &words, &n, &factors, &offsets)) return NULL;
    size_t count = (size_t)factors.len / 8, size = (size_t)PyList_GET_SIZE(words);
    size_t *starts = malloc((size + 1) * sizeof(size_t));
    char *text = starts != NULL ? joined(words, starts) : (char *)PyErr_NoMemory();
    if (factors.len != offsets.len || n < 1) {
        PyErr_SetString(PyExc_ValueError, "as many factors as offsets, and a word or more in a shingle");
    } else if (text != NULL && size < (size_t)n) {
        found = Py_NewRef(Py_None);
    } else if (text != NULL && (found = PyBytes_FromStringAndSize(NULL, factors.len)) != NULL) {
        uint64_t *lowest = (uint64_t *)(void *)PyBytes_AS_STRING(found), shingles[BATCH];
        memset(lowest, 0xff, (size_t)factors.len);
        for (size_t from = 0, shingle_count = size - (size_t)n + 1; from < shingle_count; from += BATCH) {
            size_t batch = shingle_count - from < BATCH ? shingle_count - from : BATCH;
            for (size_t i = 0; i < batch; i++) {
                size_t start = starts[from + i];
                shingles[i] = sha1_start((const unsigned char *)text + start, starts[from + i + (size_t)n] - 1 - start);
            }
            permute(shingles, batch, factors.buf, offsets.buf, lowest, count);
        }
    }
    free(text);
    free(starts);
    PyBuffer_Release(&factors);
    PyBuffer_Release(&offsets);
    return found;
}
