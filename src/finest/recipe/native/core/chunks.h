/* The splitter and its pieces, which chunks.c and words.c share. */
#ifndef FINEST_CHUNKS_H
#define FINEST_CHUNKS_H

#include "texts.h" /* Python.h before core.h: both define _GNU_SOURCE */
#include "core.h"

#define FN_SPLITTER "finest.recipe.native.chunks" /* the name of its capsules */
enum { FN_CHARS = 128, FN_FEW_PIECES = 100 };
enum { FN_CODES = 0x30000 }; /* characters whose kind is stored; the planes beyond hold no letters but rare ideographs */
enum { FN_PUNT = -1 };

/* What a character is in a language; `_Kinds` of words.py says the same. */
enum {
    FN_KIND_KNOWN = 1,
    FN_KIND_LETTER = 2,
    FN_KIND_PREFIX = 4, /* a mark that is a prefix beside letters and such marks */
    FN_KIND_SUFFIX = 8,
    FN_KIND_DOT = 16, /* a dot after it, at the end of a chunk, is a suffix */
    FN_KIND_PUNCTUATION = 32,
    FN_KIND_WORD = 64, /* a letter that begins a prefix that is a word */
};

typedef struct { const char *p; size_t n; } FnPiece;
typedef struct { PyObject *tokens; int32_t next; } FnPattern; /* `next`: the next pattern with the same first token */
typedef struct {
    FnPiece key;
    int32_t pattern, open; /* `open`: tokens that end with this one, after which a next chunk may continue a special case */
    bool unit;
    PyObject *special; /* the tokens of a special case */
} FnSplitterSlot;
typedef struct {
    unsigned char prefix[FN_CHARS][FN_CHARS]; /* [character][next one, or 0]: length of the prefix */
    unsigned char suffix[FN_CHARS][FN_CHARS]; /* [previous one, or 0][character]: length of the suffix */
    bool english, letters, digits, dots; /* which chunks the core splits: of ASCII, letters, digits, with a last dot */
    unsigned char kinds[FN_CODES];       /* 0: not asked yet */
    PyObject *kind_table;                /* gives the kind of a code point */
    size_t longest;
    FnSplitterSlot *slots;
    size_t slot_count, used;
    FnPattern *patterns, *opens;
    PyObject *kept; /* the Python strings to which keys and patterns point */
} FnSplitter;

/* A chunk's tokens, stored in `room` if they are few, otherwise in allocated memory. */
typedef struct { FnPiece *pieces, room[FN_FEW_PIECES]; size_t n; } FnPieces;

/* Numbers of non-symbol tokens, of their characters, and of tokens with a letter. */
typedef struct { size_t non_symbol, chars, alpha; } FnCounts;

bool fn_begin_pieces(FnPieces *, size_t chars);     /* room for as many tokens as characters; false with an exception */
void fn_end_pieces(FnPieces *);
bool fn_split(FnSplitter *, const char *p, const char *end, FnPieces *); /* false: Python must split it, or an exception */
bool fn_add_counts(FnSplitter *, FnPiece token, FnCounts *);    /* false with an exception */
PyObject *fn_special_of(FnSplitter *, const char *p, const char *end); /* its text and tokens; NULL for any other piece */
bool fn_put_special(FnPieces *, PyObject *special, const char *p, const char *end);
void fn_put_piece(FnPieces *, const char *p, const char *end);
/* letters.c */
int fn_kind_of(FnSplitter *, const char **p, const char *end);  /* of the next character; FN_PUNT with an exception */
bool fn_split_letters(FnSplitter *, const char *p, const char *end, FnPieces *); /* as fn_split, before patterns are looked up */

#endif
