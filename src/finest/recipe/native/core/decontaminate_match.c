/* Find copies of evaluation items in a text: match.py of recipe/decontaminate. */
#define _DEFAULT_SOURCE /* for madvise */
#include "decontaminate.h"
#include "large_pages.h"

enum {
    MOST_TOKENS = 4 * FN_DECONTAMINATE_MOST_N,  /* of an n-gram: one for each unit */
    MOST_NGRAMS = MOST_TOKENS + FN_SPANS_PIECE, /* that end in a piece; they are looked up together */
    FILTER_BITS_PER_NGRAM = 16,                 /* about 1 % of other n-grams pass the filter */
};

#ifdef __GNUC__
#define FETCH(place) __builtin_prefetch(place)
#else
#define FETCH(place) ((void)0)
#endif

typedef struct { uint64_t place; uint32_t found, ordinal, start; } Run; /* of an item; found is 0 before its first */

struct FnMatching {
    FnEvaluationItems items;
    uint64_t units;      /* of an n-gram */
    uint64_t *filter;    /* two bits for each n-gram, in one word */
    uint32_t *directory; /* the first hash for each value of the top bits */
    int filter_bits, directory_bits;
    Run *runs;
    uint64_t place;      /* units before the current text: no run goes on from one text to the next */
};

/* `before` is the polynomial of all tokens before this one, `place` the units before it. */
typedef struct { uint64_t before, place; uint32_t start, end; } Token;

typedef struct { uint64_t hash; const Token *first, *last; } Ngram;

typedef struct {
    FnMatching *matching;
    uint64_t powers[MOST_TOKENS + 1];      /* of the base */
    Token tokens[MOST_TOKENS + FN_SPANS_PIECE + 1]; /* those that began no n-gram yet, those of a piece, and one without bounds */
    size_t open;                           /* how many began no n-gram yet */
    FnBest best;
} Reading;

static int bits_for(uint64_t count) /* the smallest number of bits, from 6 on, with so many values */
{
    int bits = 6;
    while (bits < 40 && (1ull << bits) < count) bits++;
    return bits;
}

/* The word of the filter, by the top bits of a hash, and its two bits, by the lowest ones. */
static uint64_t *filter_word(const FnMatching *matching, uint64_t hash)
{
    return &matching->filter[hash >> (64 - matching->filter_bits) >> 6];
}

static uint64_t directory_place(const FnMatching *matching, uint64_t hash)
{
    return hash >> (64 - matching->directory_bits);
}

static uint64_t filter_mask(uint64_t hash) { return 1ull << hash % 64 | 1ull << (hash >> 6) % 64; }

void fn_matching_close(FnMatching *matching)
{
    if (matching == NULL) return;
    free(matching->filter);
    free(matching->directory);
    free(matching->runs);
    free(matching);
}

FnMatching *fn_matching_open(const FnEvaluationItems *items)
{
    FnMatching *matching = calloc(1, sizeof(FnMatching));
    if (matching == NULL) return NULL;
    const uint64_t *hashes = items->hashes;
    size_t count = items->ngram_count, next = 0;
    matching->items = *items;
    matching->units = 4 * (uint64_t)items->n;
    matching->filter_bits = bits_for(FILTER_BITS_PER_NGRAM * (uint64_t)count);
    matching->directory_bits = bits_for(count);
    size_t places = (size_t)1 << matching->directory_bits;
    matching->filter = fn_large_zeros(((size_t)1 << matching->filter_bits) / 8);
    matching->directory = fn_large_zeros((places + 1) * sizeof(uint32_t));
    matching->runs = calloc(items->item_count + 1, sizeof(Run));
    if (matching->filter == NULL || matching->directory == NULL || matching->runs == NULL) {
        fn_matching_close(matching);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        *filter_word(matching, hashes[i]) |= filter_mask(hashes[i]);
        for (; next <= directory_place(matching, hashes[i]); next++) matching->directory[next] = (uint32_t)i;
    }
    for (; next <= places; next++) matching->directory[next] = (uint32_t)count;
    return matching;
}

/* Return the number of the n-gram with that hash, or SIZE_MAX. */
static size_t find(const FnMatching *matching, uint64_t hash)
{
    const uint64_t *hashes = matching->items.hashes;
    uint64_t place = directory_place(matching, hash);
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
    uint32_t needed = reading->matching->items.needed[item];
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
    FnBest *best = &reading->best;
    if (best->found == 0 || (uint64_t)run->found * best->needed > (uint64_t)best->found * needed)
        *best = (FnBest){item, run->found, needed, run->start, ngram->last->end};
}

/* Find the n-grams that end with a token from `open` on, of `all` tokens, and return how many they are. */
static size_t find_ngrams(Reading *reading, size_t all, Ngram *found)
{
    const FnMatching *matching = reading->matching;
    const Token *first = reading->tokens;
    Ngram *next = found;
    for (const Token *last = first + reading->open; last < reading->tokens + all; last++) {
        for (; first <= last && last[1].place - first->place >= matching->units; first++) {
            uint64_t hash = last[1].before - first->before * reading->powers[last + 1 - first];
            hash = (hash ^ hash >> 32) * FN_DECONTAMINATE_MIX;
            hash ^= hash >> 29;
            *next++ = (Ngram){hash, first, last};
            FETCH(filter_word(matching, hash));
        }
    }
    return (size_t)(next - found);
}

/* Look up n-grams, in their order. What lies anywhere in memory is fetched for all of them before it is read. */
static void look_up(Reading *reading, Ngram *ngrams, size_t count)
{
    const FnMatching *matching = reading->matching;
    const FnEvaluationItems *items = &matching->items;
    size_t passed = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t mask = filter_mask(ngrams[i].hash), word = *filter_word(matching, ngrams[i].hash);
        ngrams[passed] = ngrams[i];
        passed += (word & mask) == mask;
    }
    for (size_t i = 0; i < passed; i++) FETCH(&matching->directory[directory_place(matching, ngrams[i].hash)]);
    for (size_t i = 0; i < passed; i++)
        FETCH(&items->hashes[matching->directory[directory_place(matching, ngrams[i].hash)]]);
    for (size_t i = 0; i < passed; i++) {
        size_t number = find(matching, ngrams[i].hash);
        if (number == SIZE_MAX) continue;
        for (size_t j = items->firsts[number]; j < items->firsts[number + 1]; j++)
            extend(reading, items->items[j], items->ordinals[j], &ngrams[i]);
    }
}

/* Match the tokens of a piece. Afterwards those that began no n-gram yet are the first ones. */
static void match_tokens(Reading *reading, const FnSpans *spans, size_t count)
{
    Ngram ngrams[MOST_NGRAMS];
    Token *token = reading->tokens + reading->open;
    uint64_t before = token->before, place = token->place, units;
    for (size_t i = 0; i < count; i++) {
        *token++ = (Token){before, place, spans->starts[i], spans->ends[i]};
        before = before * FN_DECONTAMINATE_BASE + fn_spans_hash(spans, i, &units);
        place += units;
    }
    *token = (Token){before, place, 0, 0};
    size_t all = reading->open + count, found = find_ngrams(reading, all, ngrams);
    look_up(reading, ngrams, found);
    reading->open = all - found;
    memmove(reading->tokens, reading->tokens + found, (reading->open + 1) * sizeof(Token));
}

bool fn_matching_best(FnMatching *matching, const unsigned char *text, size_t n, FnBest *best)
{
    FnSpans spans;
    Reading reading; /* its arrays are written before they are read */
    size_t tokens = 0;
    if (!fn_spans_open(&spans, matching->items.kinds, text, n)) return false;
    reading.matching = matching;
    reading.powers[0] = 1;
    for (size_t i = 1; i <= MOST_TOKENS; i++) reading.powers[i] = reading.powers[i - 1] * FN_DECONTAMINATE_BASE;
    reading.tokens[0] = (Token){0, matching->place, 0, 0};
    reading.open = 0;
    reading.best = (FnBest){0};
    while (fn_spans_next(&spans, &tokens)) match_tokens(&reading, &spans, tokens);
    fn_spans_close(&spans);
    matching->place = reading.tokens[reading.open].place + FN_DECONTAMINATE_GAP_UNITS + 1;
    *best = reading.best;
    return true;
}
