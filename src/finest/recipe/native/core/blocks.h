/* Engines `blocks-1` and `blocks-2`: split HTML into blocks of text (blocks.c), and select those of the main text
 * (main_text.c). What `blocks-2` adds is in structure.h. */
#ifndef FINEST_BLOCKS_H
#define FINEST_BLOCKS_H

#include "texts.h" /* Python.h before core.h: both define _GNU_SOURCE */
#include "core.h"

enum { FN_MOST_NAMES = 512, FN_NAME_SLOTS = 2048, FN_MOST_NAME = 40 };
enum { FN_CHAR_PLAIN = 0, FN_CHAR_BLANK = 1, FN_CHAR_NOTHING = 2, FN_CHAR_COMMA = 4, FN_CHAR_SENTENCE_END = 8 };

/* Names in lower case; other tables have their data at the same indexes. `first` are a name's first eight bytes. */
typedef struct {
    struct { char p[FN_MOST_NAME]; size_t n; uint64_t first; } names[FN_MOST_NAMES];
    uint16_t slots[FN_NAME_SLOTS];
    uint64_t lengths[256];   /* of the names that begin with a byte, in either case, as bits */
    unsigned count;
} FnNames;

typedef struct { unsigned does, kind, flag, family, ends, within, role; bool whole; } FnHtmlTag;
typedef struct { uint32_t bits; bool denies; } FnNameWord;

/* What is read of an attribute, and the number of its value for blocks-2 plus one, or 0. */
enum { FN_READS_NAMES = 1, FN_READS_HREF = 2, FN_READS_HIDDEN = 4, FN_READS_ARIA_HIDDEN = 8, FN_READS_STYLE = 16 };
typedef struct { uint8_t reads, value; } FnAttributeUse;

/* Tags, words and weights, from Python. */
typedef struct {
    FnNames tag_names, word_names, attribute_names;
    FnHtmlTag tags[FN_MOST_NAMES];
    FnNameWord words[FN_MOST_NAMES];
    FnAttributeUse attributes[FN_MOST_NAMES];
    unsigned weight_count;
    uint8_t kinds[0x10000];  /* of the characters of the basic plane */
    uint32_t marks[64];      /* other characters that have a kind, each followed by its kind */
    unsigned mark_count;
    int32_t weights[1024];
    PyObject *entities;      /* a memo of html.unescape */
    struct FnTrees *trees;   /* of blocks-2, or NULL */
    FnNames class_names, symbol_names;
    unsigned classes[FN_MOST_NAMES];
    FnStr symbols[FN_MOST_NAMES];
} FnBlocks;

/* What the elements around a block make of it. */
typedef struct { uint8_t quotes, lists, margin, width, level; bool ordered, in_cell; int32_t table; } FnShape;

/* The elements around a block, as the model of blocks-2 sees them. */
typedef struct { uint32_t above, path, nests[FN_NESTS]; } FnAround;

typedef struct {
    size_t start, end;       /* in `text` */
    uint32_t chars, linked, commas, flags, names;
    uint8_t kind;
    bool ends_sentence, is_item, is_cell;
    /* of blocks-2 */
    bool is_code, is_formula, is_line;
    uint8_t marker, column;
    uint16_t depth;
    uint32_t number;
    int32_t row;
    FnShape shape;
    FnAround around;
    FnStr language;          /* in the page, not yet in lower case */
} FnBlock;

typedef struct { FnBlock *blocks; size_t count, room; FnGrowing text; } FnFound;

typedef struct { const FnHtmlTag *tag; uint32_t flags, names, near; FnShape shape; FnAround around; } FnOpen;

typedef struct FnKeeper FnKeeper;

/* A page that is being read. */
typedef struct {
    FnBlocks *tables;
    const char *end;
    FnFound *found;
    FnOpen open[FN_BLOCKS_MOST_OPEN];
    int depth, skipped_from, link_from, hidden_at;
    FnKeeper *keeper;          /* of blocks-2, or NULL */
    FnStr hidden;              /* name of an open hidden element that is not in `open` */
    long hidden_nested;
    bool hidden_in_p;          /* whether the end of a <p> ends it */
    uint32_t flags, names, near, own_names;
    unsigned kind, breaks;
    bool is_item, is_cell;
    FnBlock block;             /* the current block */
    bool line_begun, gap;    /* whether the line has text, and white space after it */
    char indent[FN_MOST_INDENT];
    size_t indent_n;
    unsigned last;           /* kind of the block's last character */
    const char *no_comment_end, *no_quote[2], *no_end_tag[FN_MOST_NAMES]; /* no match at or after this position */
} FnReader;

/* What a byte is in a tag. */
enum { FN_TAG_SPACE = 1, FN_TAG_SLASH = 2, FN_TAG_CLOSE = 4, FN_TAG_EQUAL = 8 };
extern const uint8_t FN_IN_TAG[256];

static inline const char *fn_past(const char *p, const char *end, unsigned kinds)
{
    while (p < end && FN_IN_TAG[(unsigned char)*p] & kinds) p++;
    return p;
}

static inline const char *fn_up_to(const char *p, const char *end, unsigned kinds)
{
    while (p < end && !(FN_IN_TAG[(unsigned char)*p] & kinds)) p++;
    return p;
}

static inline bool fn_skips(const FnReader *reader) { return reader->skipped_from >= 0 || reader->hidden.n > 0; }

/* blocks_text.c: each returns false with an exception */
void fn_new_block(FnReader *);
bool fn_add_text(FnReader *, const char *p, const char *end);
bool fn_end_line(FnReader *);
bool fn_end_block(FnReader *);
bool fn_unescaped_text(FnReader *, const char *p, const char *end); /* without a look at what is skipped */
bool fn_add_chars(FnReader *, const char *p, const char *end); /* without character references */
unsigned fn_char_kind(const FnBlocks *, uint32_t code);
FnBlock *fn_push_block(FnFound *, const FnBlock *);
/* utf8.c */
typedef struct { const char *p; size_t n; char *own; size_t room; } FnPageText; /* `own`: its memory, or NULL */
bool fn_page_of(PyObject *text, FnPageText *); /* false with an exception, and then nothing to be freed */
void fn_free_page(FnPageText *);
/* blocks.c */
bool fn_read_blocks(FnBlocks *, const char *html, size_t n, FnFound *, FnKeeper *); /* false with an exception */
void fn_hide(FnReader *, FnStr name);
const char *fn_end_tag_at(FnReader *, const FnHtmlTag *, const char *p); /* where an end tag begins, or NULL */
const char *fn_pass_over(FnReader *, const FnHtmlTag *, const char *p);
/* names.c */
int fn_look_up(const FnNames *, const char *p, size_t n); /* of 1 to FN_MOST_NAME - 1 bytes */
int fn_add_name(FnNames *, const char *p, size_t n);      /* index of a new name, or -1 if there is no room */

/* Index of a name, ignoring case, or -1. */
static inline int fn_find_name(const FnNames *names, const char *p, size_t n)
{
    if (n == 0 || n >= FN_MOST_NAME || !(names->lengths[(unsigned char)*p] >> n & 1)) return -1;
    return fn_look_up(names, p, n);
}
/* main_text.c */
FnBlocks *fn_blocks_of(PyObject *capsule); /* NULL with an exception */

#endif
