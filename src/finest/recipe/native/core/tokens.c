/* Count GPT-2's tokens: its pattern and merges over pieces of known characters; Python handles the other pieces. */
#define PY_SSIZE_T_CLEAN
#include "texts.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

enum { LONGEST = 200, NO_MERGE = INT32_MAX, SEEN = 65536, LONGEST_SEEN = 22 };

typedef struct { uint64_t pair; int32_t rank; } Slot; /* `rank` of the merge; its symbol is 256 + rank */
typedef struct { uint8_t n, count; char text[LONGEST_SEEN]; } Seen; /* a recent match, and its number of tokens */
typedef struct { Slot *slots; size_t mask; uint8_t kinds[FN_TOKENS_KINDS]; Seen seen[SEEN]; } Merges;

static const char CAPSULE[] = "finest.recipe.native.tokens";

static size_t slot_of(uint64_t pair) { return (size_t)((pair * 0x9e3779b97f4a7c15u) >> 32); }

static int32_t rank_of(const Merges *merges, uint32_t left, uint32_t right)
{
    uint64_t pair = (uint64_t)left << 32 | right;
    for (size_t slot = slot_of(pair) & merges->mask; merges->slots[slot].rank >= 0; slot = (slot + 1) & merges->mask)
        if (merges->slots[slot].pair == pair) return merges->slots[slot].rank;
    return NO_MERGE;
}

static void close_capsule(PyObject *capsule)
{
    Merges *merges = PyCapsule_GetPointer(capsule, CAPSULE);
    if (merges != NULL) free(merges->slots);
    free(merges);
}

PyObject *fn_tokens_open(PyObject *self, PyObject *args)
{
    const char *pairs, *kinds;
    Py_ssize_t bytes, kind_count;
    (void)self;
    if (!PyArg_ParseTuple(args, "y#y#", &pairs, &bytes, &kinds, &kind_count)) return NULL;
    if (kind_count != FN_TOKENS_KINDS)
        return PyErr_Format(PyExc_ValueError, "kinds of %d characters are needed", FN_TOKENS_KINDS);
    size_t n = (size_t)bytes / 8, room = 1024;
    while (room < 3 * n) room *= 2;
    Merges *merges = calloc(1, sizeof(Merges));
    Slot *slots = malloc(room * sizeof(Slot));
    if (merges == NULL || slots == NULL) {
        free(merges);
        free(slots);
        return PyErr_NoMemory();
    }
    memcpy(merges->kinds, kinds, FN_TOKENS_KINDS);
    merges->slots = slots;
    merges->mask = room - 1;
    for (size_t i = 0; i < room; i++) slots[i].rank = -1;
    for (size_t i = 0; i < n; i++) {
        uint32_t both[2];
        memcpy(both, pairs + 8 * i, 8);
        uint64_t pair = (uint64_t)both[0] << 32 | both[1];
        size_t slot = slot_of(pair) & merges->mask;
        while (slots[slot].rank >= 0) slot = (slot + 1) & merges->mask;
        slots[slot] = (Slot){pair, (int32_t)i};
    }
    PyObject *capsule = PyCapsule_New(merges, CAPSULE, close_capsule);
    if (capsule == NULL) {
        free(slots);
        free(merges);
    }
    return capsule;
}

/* Number of tokens of one match of the pattern: the pair of lowest rank is merged first, from the left. */
static size_t merged(const Merges *merges, const char *p, size_t n)
{
    uint32_t symbols[LONGEST];
    int32_t ranks[LONGEST];
    if (n == 1) return 1;
    for (size_t i = 0; i < n; i++) symbols[i] = (unsigned char)p[i];
    for (size_t i = 0; i + 1 < n; i++) ranks[i] = rank_of(merges, symbols[i], symbols[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[best]) best = i;
        if (ranks[best] == NO_MERGE) break;
        symbols[best] = 256u + (uint32_t)ranks[best];
        memmove(symbols + best + 1, symbols + best + 2, (n - best - 2) * sizeof(*symbols));
        if (n > best + 2) memmove(ranks + best + 1, ranks + best + 2, (n - best - 2) * sizeof(*ranks));
        n--;
        if (best + 1 < n) ranks[best] = rank_of(merges, symbols[best], symbols[best + 1]);
        if (best > 0) ranks[best - 1] = rank_of(merges, symbols[best - 1], symbols[best]);
    }
    return n;
}

/* Count with a cache, because most words of a page have occurred before. */
static size_t remembered(Merges *merges, const char *p, size_t n)
{
    uint64_t key[3] = {n, 0, 0};
    if (n == 1) return 1;
    if (n > LONGEST_SEEN) return merged(merges, p, n);
    memcpy((char *)key + 2, p, n);
    Seen *seen = &merges->seen[(key[0] * 0x9e3779b97f4a7c15u ^ (key[1] ^ key[2]) * 0xc2b2ae3d27d4eb4fu) >> 48];
    if (seen->n != n || memcmp(seen->text, p, n) != 0) {
        seen->n = (uint8_t)n;
        memcpy(seen->text, p, n);
        seen->count = (uint8_t)merged(merges, p, n);
    }
    return seen->count;
}

static size_t contraction(const char *p, const char *end)
{
    if (end - p >= 2 && (p[1] == 's' || p[1] == 't' || p[1] == 'm' || p[1] == 'd')) return 2;
    if (end - p >= 3 && (memcmp(p, "'re", 3) == 0 || memcmp(p, "'ve", 3) == 0 || memcmp(p, "'ll", 3) == 0)) return 3;
    return 0;
}

static int kind_of(const Merges *merges, const char **p, const char *end)
{
    uint32_t code = (unsigned char)**p < 0x80 ? (unsigned char)*(*p)++ : fn_decode(p, end);
    return code < FN_TOKENS_KINDS ? merges->kinds[code] : FN_PIECE_UNKNOWN;
}

/* Length of one match in a piece of at most one space and then non-space characters; 0 at an unknown character. */
static size_t match_length(const Merges *merges, const char *p, const char *end)
{
    if (*p == '\'') {
        size_t n = contraction(p, end);
        if (n) return n;
    }
    const char *at = *p == ' ' && end - p > 1 ? p + 1 : p, *next = at;
    int kind = kind_of(merges, &next, end), found = kind;
    while (found == kind && (at = next) < end) found = kind_of(merges, &next, end);
    return kind != FN_PIECE_UNKNOWN && found != FN_PIECE_UNKNOWN ? (size_t)(at - p) : 0;
}

static bool is_ascii(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p < 0x80) p++;
    return p == end;
}

/* Returns false if Python must count the piece. */
static bool count_piece(Merges *merges, const char *p, const char *end, size_t *count)
{
    bool spaces = fn_space_at(p, end) != 0 && (*p != ' ' || end - p == 1 || fn_space_at(p + 1, end) != 0);
    size_t found = 0;
    if (spaces && !is_ascii(p, end)) return false;
    while (p < end) {
        size_t n = spaces ? (size_t)(end - p) : match_length(merges, p, end);
        if (n == 0 || n > LONGEST) return false;
        found += remembered(merges, p, n);
        p += n;
    }
    *count += found;
    return true;
}

/* End of the piece that begins here: ` ?\S+`, or white space, without its last character if text follows. */
static const char *piece_end(const char *p, const char *end)
{
    const char *at = p;
    size_t n = fn_space_at(at, end);
    if (n == 0 || (*p == ' ' && end - p > 1 && fn_space_at(p + 1, end) == 0)) {
        if (n) at += n;
        while (at < end && (FN_BYTE_KIND[(unsigned char)*at] == 0 || fn_space_at(at, end) == 0)) at++;
        return at;
    }
    const char *last = at;
    while (at < end && (n = fn_space_at(at, end)) > 0) {
        last = at;
        at += n;
    }
    return at == end || last == p ? at : last;
}

PyObject *fn_tokens_count(PyObject *self, PyObject *args)
{
    PyObject *capsule, *pieces;
    const char *p, *end;
    Py_ssize_t n;
    size_t count = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "Os#", &capsule, &p, &n)) return NULL;
    Merges *merges = PyCapsule_GetPointer(capsule, CAPSULE);
    if (merges == NULL || (pieces = PyList_New(0)) == NULL) return NULL;
    for (end = p + n; p < end;) {
        const char *stop = piece_end(p, end);
        if (!count_piece(merges, p, stop, &count)) {
            PyObject *piece = PyUnicode_DecodeUTF8(p, stop - p, "strict");
            if (piece == NULL || PyList_Append(pieces, piece) < 0) {
                Py_XDECREF(piece);
                Py_DECREF(pieces);
                return NULL;
            }
            Py_DECREF(piece);
        }
        p = stop;
    }
    return Py_BuildValue("nN", (Py_ssize_t)count, pieces);
}
