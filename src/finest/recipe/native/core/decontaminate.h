#ifndef FINEST_DECONTAMINATE_H
#define FINEST_DECONTAMINATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generated.h"

/* decontaminate_text.c and decontaminate_match.c need nothing of Python: a test compiles them alone for another
   processor, and with sanitizers. */

enum { FN_SPANS_PIECE = 1024 }; /* bytes of a text that are read at a time, some blocks */

/* A text that is read piece by piece. Tokens k begin at starts[k], and end before ends[k]. */
typedef struct {
    const unsigned char *kinds, *text;
    unsigned char *folded; /* the text with ASCII letters in lower case */
    size_t n, at;
    uint32_t starts[FN_SPANS_PIECE + 1], ends[FN_SPANS_PIECE];
    size_t open;                   /* 1 if the first token of the next piece began in this one */
    uint64_t word, taken, ends_at; /* bits of the next block that are known: a character of several bytes reaches into it */
    uint64_t was_word;             /* whether the last byte belongs to a word */
} FnSpans;

bool fn_spans_open(FnSpans *spans, const unsigned char *kinds, const unsigned char *text, size_t n); /* false: no memory */
bool fn_spans_next(FnSpans *spans, size_t *tokens); /* of the next piece; false after the last one */
uint64_t fn_spans_hash(const FnSpans *spans, size_t token, uint64_t *units);
void fn_spans_close(FnSpans *spans);

/* The arrays of an index, as index.py has checked them. */
typedef struct {
    const unsigned char *kinds;
    const uint64_t *hashes;
    const uint32_t *firsts, *items, *ordinals, *needed;
    size_t ngram_count, item_count;
    int n;
} FnEvaluationItems;

typedef struct FnMatching FnMatching;

typedef struct { size_t item; uint32_t found, needed, start, end; } FnBest; /* found is 0 if no n-gram is in the text */

FnMatching *fn_matching_open(const FnEvaluationItems *items); /* NULL if out of memory */
bool fn_matching_best(FnMatching *matching, const unsigned char *text, size_t n, FnBest *best); /* false: no memory */
void fn_matching_close(FnMatching *matching);

#endif
