#ifndef FINEST_TEXTS_H
#define FINEST_TEXTS_H

#include <Python.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool fn_is_digit(char c) { return c >= '0' && c <= '9'; }

static inline bool fn_is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static inline char fn_lower_of(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* A text buffer that grows. */
typedef struct { char *p; size_t n, room; } FnGrowing;

static inline bool fn_grow(FnGrowing *text, const char *p, size_t n) /* false with an exception if out of memory */
{
    if (n == 0) return true; /* an empty buffer has no memory yet */
    if (n > text->room - text->n) {
        size_t room = 2 * text->room + n;
        char *larger = realloc(text->p, room);
        if (larger == NULL) {
            PyErr_NoMemory();
            return false;
        }
        text->p = larger;
        text->room = room;
    }
    memcpy(text->p + text->n, p, n);
    text->n += n;
    return true;
}

/* tokens.c */
PyObject *fn_tokens_open(PyObject *self, PyObject *args);      /* (32-bit pairs in order of rank, kinds of characters): a capsule */
PyObject *fn_tokens_count(PyObject *self, PyObject *args);     /* (capsule, text): (count, pieces that Python must count) */
/* chunks.c */
PyObject *fn_splitter_open(PyObject *self, PyObject *args);    /* (special cases, patterns, units, open ends, kinds, prefixes, suffixes, four flags) */
PyObject *fn_splitter_split(PyObject *self, PyObject *args);   /* (capsule, chunk): tokens and counts, or None */
/* words.c */
PyObject *fn_splitter_words(PyObject *self, PyObject *args);   /* (capsule, text, memo): tokens, their number, and counts */
/* ngrams.c */
PyObject *fn_ngram_chars(PyObject *self, PyObject *args);      /* (words, tops, duplicates): characters, as ngrams.py counts them */
/* simplify.c */
PyObject *fn_simplify(PyObject *self, PyObject *args);         /* (text, kinds of ASCII, table of the others): simplified, or None */
/* minhash.c */
PyObject *fn_minhash_lowest(PyObject *self, PyObject *args);   /* (words, n, factors, offsets, SHA-1?): lowest values as bytes, or None */
/* bounds.c */
void fn_bounds_begin(uint64_t seed);
PyObject *fn_bounds_markup(PyObject *self, PyObject *html);    /* (tags, attributes, depth, nesting, cells) of a page */
/* quality.c */
PyObject *fn_quality_open(PyObject *self, PyObject *args);     /* (bits, rows, 16-bit weights): a capsule */
PyObject *fn_quality_open_fasttext(PyObject *self, PyObject *args); /* (keys, words, buckets, word_ngrams, minn, maxn): a capsule */
PyObject *fn_quality_join(PyObject *self, PyObject *args);     /* (capsules): a capsule of all, to score a text together */
PyObject *fn_quality_features(PyObject *self, PyObject *args); /* (text, bits): indices of its n-grams, as bytes */
PyObject *fn_quality_sums_of(PyObject *self, PyObject *args);  /* (joined, text): scores of the rows of each model */
/* decontaminate.c */
PyObject *fn_decontaminate_open(PyObject *self, PyObject *args);  /* (kinds, n, hashes, firsts, items, ordinals, needed): a capsule */
PyObject *fn_decontaminate_match(PyObject *self, PyObject *args); /* (capsule, text): item, found, needed, start, end, or None */
/* main_text.c */
PyObject *fn_utf8(PyObject *self, PyObject *text);             /* its bytes */
PyObject *fn_blocks_open(PyObject *self, PyObject *args);      /* (tags, words, attributes, marks, weights, classes, symbols, trees): a capsule */
PyObject *fn_blocks_extract(PyObject *self, PyObject *args);   /* (capsule, html): the main text */
/* render.c */
PyObject *fn_structure_extract(PyObject *self, PyObject *args); /* (capsule, html, formats): its text in each format */

#endif
