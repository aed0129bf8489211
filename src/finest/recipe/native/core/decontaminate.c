/* Find copies of evaluation items in a text: match.py and ngrams.py of recipe/decontaminate. */
#define PY_SSIZE_T_CLEAN
#include "texts.h"
#include "generated.h"
#include "large_pages.h"
#include "spans.h"

#include <stdint.h>

enum {
    MOST_TOKENS = 4 * FN_DECONTAMINATE_MOST_N, /* of an n-gram: one for each unit */
    FILTER_BITS_PER_NGRAM = 16, /* about 1 % of other n-grams pass the filter */
    PIECE = 1024,               /* bytes of a text that are read at a time, some blocks */
    MOST_NGRAMS = MOST_TOKENS + PIECE, /* that end in a piece; they are looked up together, so that waits for memory overlap */
};

typedef struct { uint64_t place; uint32_t found, ordinal, start; } Run; /* of an item; found is 0 before its first */

typedef struct {
    Py_buffer kinds, hashes, firsts, items, ordinals, needed;
    uint64_t units;      /* of an n-gram */
    uint64_t *filter;    /* two bits for each n-gram, in one word */
    uint32_t *directory; /* the first hash for each value of the top bits */
    int filter_bits, directory_bits;
    Run *runs;
    uint64_t place;      /* units before the current text: no run goes on from one text to the next */
} Matching;

typedef struct { size_t item; uint32_t found, needed, start, end; } Best;

/* `before` is the polynomial of all tokens before this one, `place` the units before it. */
typedef struct { uint64_t before, place; uint32_t start, end; } Token;

typedef struct { uint64_t hash; const Token *first, *last; } Ngram;

typedef struct {
    Matching *matching;
    uint64_t powers[MOST_TOKENS + 1];      /* of the base */
    Token tokens[MOST_TOKENS + PIECE + 1]; /* those that began no n-gram yet, those of a piece, and one without bounds */
    size_t open;                           /* how many began no n-gram yet */
    Best best;
} Reading;

static const char CAPSULE[] = "finest.recipe.native.decontaminate";

static void close_matching(Matching *matching)
{
    Py_buffer *buffers[] = {&matching->kinds, &matching->hashes, &matching->firsts,
                            &matching->items, &matching->ordinals, &matching->needed};
    for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++) PyBuffer_Release(buffers[i]);
    free(matching->filter);
    free(matching->directory);
    free(matching->runs);
    free(matching);
}

static void close_capsule(PyObject *capsule) { close_matching(PyCapsule_GetPointer(capsule, CAPSULE)); }

static int bits_for(uint64_t count) /* the smallest number of bits, from 6 on, with so many values */
{
    int bits = 6;
    while (bits < 40 && (1ull << bits) < count) bits++;
    return bits;
}

/* The word of the filter, by the top bits of a hash, and its two bits, by the lowest ones. */
static uint64_t *filter_word(const Matching *matching, uint64_t hash)
{
    return &matching->filter[hash >> (64 - matching->filter_bits) >> 6];
}

static uint64_t filter_mask(uint64_t hash) { return 1ull << hash % 64 | 1ull << (hash >> 6) % 64; }

/* Check that the buffers belong to an index, as index.py has checked in detail, and prepare the tables. */
static bool prepare(Matching *matching)
{
    const uint64_t *hashes = matching->hashes.buf;
    const uint32_t *firsts = matching->firsts.buf, *items = matching->items.buf;
    size_t count = (size_t)matching->hashes.len / 8, postings = (size_t)matching->items.len / 4;
    size_t needed = (size_t)matching->needed.len / 4;
    bool holds = matching->kinds.len == FN_DECONTAMINATE_CODES && count < UINT32_MAX &&
                 (size_t)matching->firsts.len == 4 * (count + 1) && matching->ordinals.len == matching->items.len;
    for (int c = 0; holds && c < 0x80; c++) /* read_block takes these, and no other ASCII, for parts of words */
        holds = (((const unsigned char *)matching->kinds.buf)[c] == FN_DECONTAMINATE_LETTER) ==
                ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
    for (size_t i = 0; holds && i < count; i++) holds = firsts[i] <= firsts[i + 1] && firsts[i + 1] <= postings;
    for (size_t i = 0; holds && i < postings; i++) holds = items[i] < needed;
    if (!holds) {
        PyErr_SetString(PyExc_ValueError, "no index");
        return false;
    }
    matching->filter_bits = bits_for(FILTER_BITS_PER_NGRAM * (uint64_t)count);
    matching->directory_bits = bits_for(count);
    size_t places = (size_t)1 << matching->directory_bits, words = ((size_t)1 << matching->filter_bits) / 64;
    matching->filter = fn_large_zeros(words * sizeof(uint64_t));
    matching->directory = malloc((places + 1) * sizeof(uint32_t));
    matching->runs = calloc(needed + 1, sizeof(Run));
    if (matching->filter == NULL || matching->directory == NULL || matching->runs == NULL) {
        PyErr_NoMemory();
        return false;
    }
    size_t next = 0;
    for (size_t i = 0; i < count; i++) {
        *filter_word(matching, hashes[i]) |= filter_mask(hashes[i]);
        for (; next <= hashes[i] >> (64 - matching->directory_bits); next++) matching->directory[next] = (uint32_t)i;
    }
    for (; next <= places; next++) matching->directory[next] = (uint32_t)count;
    return true;
}

PyObject *fn_decontaminate_open(PyObject *self, PyObject *args)
{
    int n;
    (void)self;
    Matching *matching = calloc(1, sizeof(Matching));
    if (matching == NULL) return PyErr_NoMemory();
    if (PyArg_ParseTuple(args, "y*iy*y*y*y*y*", &matching->kinds, &n, &matching->hashes, &matching->firsts,
                         &matching->items, &matching->ordinals, &matching->needed)) {
        matching->units = 4 * (uint64_t)n;
        if (n < 1 || n > FN_DECONTAMINATE_MOST_N) {
            PyErr_SetString(PyExc_ValueError, "an n-gram of too many or too few words");
        } else if (prepare(matching)) {
            PyObject *capsule = PyCapsule_New(matching, CAPSULE, close_capsule);
            if (capsule != NULL) return capsule;
        }
    }
    close_matching(matching);
    return NULL;
}

/* Return the number of the n-gram with that hash, or SIZE_MAX. */
static size_t find(const Matching *matching, uint64_t hash)
{
    const uint64_t *hashes = matching->hashes.buf;
    uint64_t place = hash >> (64 - matching->directory_bits);
    size_t low = matching->directory[place], end = matching->directory[place + 1], high = end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (hashes[middle] < hash) low = middle + 1;
        else high = middle;
    }
    return low < end && hashes[low] == hash ? low : SIZE_MAX;
}

/* Add an n-gram of an item to the item's run, or begin a new run. */
static void extend(Reading *reading, size_t item, uint32_t ordinal, const Ngram *ngram)
{
    Run *run = &reading->matching->runs[item];
    uint32_t needed = ((const uint32_t *)reading->matching->needed.buf)[item];
    bool is_new = run->found == 0 || ngram->first->place - run->place > FN_DECONTAMINATE_GAP_UNITS;
    if (!is_new && ordinal <= run->ordinal) {
        if (run->found > 1) return;
        is_new = true;
    }
    if (is_new) {
        run->found = 0;
        run->start = ngram->first->start;
    }
    run->found++;
    run->place = ngram->first->place;
    run->ordinal = ordinal;
    Best *best = &reading->best;
    if (best->found == 0 || (uint64_t)run->found * best->needed > (uint64_t)best->found * needed)
        *best = (Best){item, run->found, needed, run->start, ngram->last->end};
}

/* Find the n-grams that end with a token from `open` on, of `all` tokens, and return how many they are. */
static size_t find_ngrams(Reading *reading, size_t all, Ngram *found)
{
    const Matching *matching = reading->matching;
    const Token *first = reading->tokens;
    Ngram *next = found;
    for (const Token *last = first + reading->open; last < reading->tokens + all; last++) {
        for (; first <= last && last[1].place - first->place >= matching->units; first++) {
            uint64_t hash = last[1].before - first->before * reading->powers[last + 1 - first];
            hash = (hash ^ hash >> 32) * FN_DECONTAMINATE_MIX;
            hash ^= hash >> 29;
            *next++ = (Ngram){hash, first, last};
#ifdef __GNUC__
            __builtin_prefetch(filter_word(matching, hash));
#endif
        }
    }
    return (size_t)(next - found);
}

/* Look up n-grams, in their order. */
static void look_up(Reading *reading, Ngram *ngrams, size_t count)
{
    const Matching *matching = reading->matching;
    const uint32_t *firsts = matching->firsts.buf, *items = matching->items.buf, *ordinals = matching->ordinals.buf;
    size_t passed = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t mask = filter_mask(ngrams[i].hash), word = *filter_word(matching, ngrams[i].hash);
        ngrams[passed] = ngrams[i];
        passed += (word & mask) == mask;
    }
    for (size_t i = 0; i < passed; i++) {
        size_t number = find(matching, ngrams[i].hash);
        if (number == SIZE_MAX) continue;
        for (size_t j = firsts[number]; j < firsts[number + 1]; j++) extend(reading, items[j], ordinals[j], &ngrams[i]);
    }
}

/* A text that is read piece by piece. Tokens k begin at starts[k], and end before ends[k]. */
typedef struct {
    const unsigned char *kinds, *text;
    unsigned char *folded; /* the text with ASCII letters in lower case */
    size_t n, at;
    uint32_t starts[PIECE + 1], ends[PIECE];
    size_t open;                    /* 1 if the first token of the next piece began in this one */
    uint64_t word, taken, ends_at;  /* bits of the next block that are known: a character of several bytes reaches into it */
    uint64_t was_word;              /* whether the last byte belongs to a word */
} Spans;

/* The kind of the character that begins at `at`, of valid UTF-8, and its bytes; a character that is cut off separates. */
static unsigned kind_at(const Spans *spans, size_t at, size_t *size)
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
static size_t find_tokens(Spans *spans)
{
    uint32_t *start = spans->starts + spans->open, *end = spans->ends;
    for (size_t block = 0; block < PIECE / FN_BLOCK && spans->at <= spans->n; block++, spans->at += FN_BLOCK) {
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

/* Match the tokens of a piece. Afterwards those that began no n-gram yet are the first ones. */
static void match_tokens(Reading *reading, const Spans *spans, size_t count)
{
    static const uint64_t units[] = {FN_DECONTAMINATE_UNITS};
    Ngram ngrams[MOST_NGRAMS];
    Token *token = reading->tokens + reading->open;
    uint64_t before = token->before, place = token->place;
    for (size_t i = 0, size; i < count; i++) {
        uint32_t start = spans->starts[i], end = spans->ends[i];
        unsigned kind = spans->text[start] < 0x80 ? FN_DECONTAMINATE_LETTER : kind_at(spans, start, &size);
        *token++ = (Token){before, place, start, end};
        before = before * FN_DECONTAMINATE_BASE + fn_hash_of(spans->folded + start, end - start);
        place += units[kind];
    }
    *token = (Token){before, place, 0, 0};
    size_t all = reading->open + count, found = find_ngrams(reading, all, ngrams);
    look_up(reading, ngrams, found);
    reading->open = all - found;
    memmove(reading->tokens, reading->tokens + found, (reading->open + 1) * sizeof(Token));
}

PyObject *fn_decontaminate_match(PyObject *self, PyObject *args)
{
    PyObject *capsule;
    const char *text;
    Py_ssize_t n;
    (void)self;
    if (!PyArg_ParseTuple(args, "Os#", &capsule, &text, &n)) return NULL;
    Matching *matching = PyCapsule_GetPointer(capsule, CAPSULE);
    if (matching == NULL) return NULL;
    if ((uint64_t)n > UINT32_MAX) return PyErr_Format(PyExc_ValueError, "the text is too long");
    Reading reading; /* as below: the arrays are written before they are read */
    reading.matching = matching;
    reading.powers[0] = 1;
    for (size_t i = 1; i <= MOST_TOKENS; i++) reading.powers[i] = reading.powers[i - 1] * FN_DECONTAMINATE_BASE;
    reading.tokens[0] = (Token){0, matching->place, 0, 0};
    reading.open = 0;
    reading.best = (Best){0};
    Spans spans;
    spans.kinds = matching->kinds.buf;
    spans.text = (const unsigned char *)text;
    spans.n = (size_t)n;
    spans.at = spans.open = 0;
    spans.word = spans.taken = spans.ends_at = spans.was_word = 0;
    spans.folded = malloc(fn_folded_bytes(spans.n));
    if (spans.folded == NULL) return PyErr_NoMemory();
    while (spans.at <= spans.n) {
        size_t count = find_tokens(&spans);
        match_tokens(&reading, &spans, count);
        spans.starts[0] = spans.starts[count]; /* of the token that is open, if one is */
    }
    free(spans.folded);
    matching->place = reading.tokens[reading.open].place + FN_DECONTAMINATE_GAP_UNITS + 1;
    const Best *best = &reading.best;
    if (best->found == 0) Py_RETURN_NONE;
    return Py_BuildValue("nIIII", (Py_ssize_t)best->item, best->found, best->needed, best->start, best->end);
}
