/* The splitter and its pieces, which chunks.c and words.c share. */
#ifndef FINEST_CHUNKS_H
#define FINEST_CHUNKS_H

#include "texts.h" /* Python.h before core.h: both define _GNU_SOURCE */
#include "core.h"

#define FN_SPLITTER "finest.recipe.native.chunks" /* the name of its capsules */
enum { FN_CHARS = 128, FN_FEW_PIECES = 100, FN_SPLITTER_SLOTS = 8192 };

typedef struct { const char *p; size_t n; } FnPiece;
typedef struct { PyObject *tokens; int32_t next; } FnPattern; /* `next`: the next pattern with the same first token */
typedef struct { FnPiece key; int32_t pattern; bool unit; PyObject *special; } FnSplitterSlot; /* `special`: the tokens of a special case */
typedef struct {
    unsigned char prefix[FN_CHARS][FN_CHARS]; /* [character][next one, or 0]: length of the prefix */
    unsigned char suffix[FN_CHARS][FN_CHARS]; /* [previous one, or 0][character]: length of the suffix */
    bool punctuation[FN_CHARS];
    size_t longest;
    FnSplitterSlot slots[FN_SPLITTER_SLOTS];
    size_t used;
    FnPattern *patterns;
    int32_t pattern_count;
    PyObject *kept; /* the Python strings to which keys and patterns point */
} FnSplitter;

/* A chunk's tokens, stored in `room` if they are few, otherwise in allocated memory. */
typedef struct { FnPiece *pieces, room[FN_FEW_PIECES]; size_t n; } FnPieces;

/* Numbers of non-symbol tokens, of their characters, and of tokens with a letter. */
typedef struct { size_t non_symbol, chars, alpha; } FnCounts;

bool fn_begin_pieces(FnPieces *, size_t chars);     /* room for as many tokens as characters; false with an exception */
void fn_end_pieces(FnPieces *);
bool fn_split(FnSplitter *, const char *p, const char *end, FnPieces *); /* false: Python must split it, or an exception */
void fn_add_counts(const FnSplitter *, FnPiece token, FnCounts *);

#endif
