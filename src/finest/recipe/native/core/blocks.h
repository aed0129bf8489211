/* Engine `blocks-1`: a page's HTML as blocks of text (html.c), and which of them are its main text (blocks.c). */
#ifndef FINEST_BLOCKS_H
#define FINEST_BLOCKS_H

#include "texts.h" /* Python.h before core.h: both define _GNU_SOURCE */
#include "core.h"

enum { BR = 1, LINK = 2, RAW = 4, SKIPPED = 8, PUSHED = 16, CELL = 32, GRAPHIC = 64, ENDS_P = 128, CLOSABLE = 256, VOID = 512 };
enum { ITEM = 1, TERM = 2, ROW = 4, CELLS = 8, LIST = 16, TERMS = 32, TABLE = 64, PART = 128 };
enum { MOST_NAMES = 512, NAME_SLOTS = 2048, MOST_NAME = 24 };
enum { MOST_OPEN = 256, MOST_INDENT = 64, KIND_PRE = 5 };
enum { PLAIN = 0, BLANK = 1, NOTHING = 2, COMMA = 4, SENTENCE_END = 8 };

/* Names in lower case; what they stand for lies at the same places of other tables. */
typedef struct {
    struct { char p[MOST_NAME]; size_t n; } names[MOST_NAMES];
    uint16_t slots[NAME_SLOTS];
    unsigned count;
} Names;

typedef struct { unsigned does, kind, flag, family, ends, within; bool whole; } HtmlTag;
typedef struct { uint32_t bits; bool denies; } NameWord;

/* Tags, words and weights, as Python has them. */
typedef struct {
    Names tag_names, word_names;
    HtmlTag tags[MOST_NAMES];
    NameWord words[MOST_NAMES];
    unsigned weight_count;
    Str naming[8];
    unsigned naming_count;
    uint8_t kinds[0x3100];   /* of characters below it */
    uint32_t marks[64];      /* characters of a kind above it, and their kinds behind them */
    unsigned mark_count;
    int32_t weights[1024];
    PyObject *entities;      /* a memo of html.unescape */
} Blocks;

typedef struct {
    size_t start, end;       /* in `text` */
    uint32_t chars, linked, commas, flags, names;
    uint8_t kind;
    bool ends_sentence, is_item, is_cell;
} Block;

typedef struct { Block *blocks; size_t count, room; Growing text; } Found;

typedef struct { const HtmlTag *tag; uint32_t flags, names, near; } Open;

/* A page that is being read. */
typedef struct {
    Blocks *tables;
    const char *end;
    Found *found;
    Open open[MOST_OPEN];
    int depth, skipped_from, link_from, hidden_at;
    Str hidden;              /* name of a hidden element that `open` does not hold */
    long hidden_nested;
    uint32_t flags, names, near, own_names;
    unsigned kind, breaks;
    bool is_item, is_cell;
    Block block;             /* the one that is being read */
    bool line_begun, gap;    /* whether the line has text, and white space behind it */
    char indent[MOST_INDENT];
    size_t indent_n;
    unsigned last;           /* kind of the block's last character */
    const char *no_comment_end, *no_quote[2], *no_end_tag[MOST_NAMES]; /* from here on there is none */
} Reader;

static inline bool skips(const Reader *reader) { return reader->skipped_from >= 0 || reader->hidden.n > 0; }

/* html_text.c: false with an exception */
void new_block(Reader *);
bool add_text(Reader *, const char *p, const char *end);
bool end_line(Reader *);
bool end_block(Reader *);
/* html.c */
bool read_blocks(Blocks *, const char *html, size_t n, Found *); /* false with an exception */

#endif
