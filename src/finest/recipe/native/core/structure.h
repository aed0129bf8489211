/* Engine `blocks-2`: blocks that know their structure. The reader of blocks.c calls what is here if it has a keeper. */
#ifndef FINEST_STRUCTURE_H
#define FINEST_STRUCTURE_H

#include "blocks.h"

/* The attributes whose values blocks-2 reads. */
#define FN_ATTRIBUTE_NAMES(X) \
    X(ID, "id") X(SRC, "src") X(ALT, "alt") X(TYPE, "type") X(ROLE, "role") X(MODE, "mode") X(CLASS, "class") \
    X(START, "start") X(STYLE, "style") X(COLSPAN, "colspan") X(ROWSPAN, "rowspan") X(DISPLAY, "display") \
    X(ALTTEXT, "alttext") X(ENCODING, "encoding") X(MATHVARIANT, "mathvariant") X(COLUMNALIGN, "columnalign") \
    X(LINETHICKNESS, "linethickness") X(SHADOWROOT, "shadowroot") X(SHADOWROOTMODE, "shadowrootmode")
enum {
#define X(id, text) FN_V_##id,
    FN_ATTRIBUTE_NAMES(X)
#undef X
    FN_ATTRIBUTES
};

/* `p` NULL: the page ends in the tag. The values are those whose bits are in `given`. */
typedef struct { const char *p; bool has_href, hides; uint32_t names, given; FnStr values[FN_ATTRIBUTES]; } FnAttributes;
_Static_assert(FN_ATTRIBUTES <= 32, "each value has a bit");

/* The value, whose `p` is NULL if it is missing. */
static inline FnStr fn_value(const FnAttributes *attributes, unsigned value)
{
    return attributes->given >> value & 1 ? attributes->values[value] : FN_NONE;
}

typedef struct { bool nested, presentation, headed; uint32_t rows, columns, cells, longest; } FnTable;

/* An open element of a formula; its TeX is in the formula's buffer from `start` on. */
typedef struct {
    unsigned role;
    size_t start, at[4];         /* `at`: where its first children begin */
    unsigned children, columns;
    char style[FN_MOST_ALIGNED + 1];
    size_t style_n;
    size_t fences[FN_MOST_FENCES]; /* where children begin that are open delimiters without a partner so far */
    unsigned fence_count;
    bool gap;                    /* white space after its last word */
} FnFrame;

typedef struct {
    bool open, display, too_long;
    FnFrame frames[FN_MOST_FRAMES];
    int depth;
    FnGrowing tex, scratch, annotation;
    uint64_t steps;
} FnFormula;

struct FnKeeper {
    FnFound found[2];            /* what is shown, and what is in <noscript> and <noframes> */
    FnTable *tables;
    size_t table_count, table_room;
    FnShape shape;
    FnAround around;
    uint32_t entered;            /* elements so far */
    int pre_from, code_from, unscripted_from;
    uint32_t counters[FN_MOST_LISTS + 1];
    int32_t row;
    uint32_t column, next_column, cell_chars;
    uint32_t until[FN_GRID_COLUMNS];
    unsigned marker, ruby;
    unsigned says;               /* what the class names of the element say that begins */
    bool drawn;                  /* an element has just begun whose text is a formula that MathJax is to draw */
    bool is_line;                /* whether the preformatted text is one line of code */
    FnStr language;
    uint64_t steps;
    uint32_t code_chars, formula_chars;
    unsigned newlines, wanted, marked;
    char blanks[FN_MOST_BLANKS];
    size_t blank_n;
    bool begun;
    enum { FN_NO_FORMULA, FN_BEFORE_FORMULA, FN_IN_FORMULA } formula;
    bool display;                /* of the formula that is being added */
    FnFormula math;
    bool failed;                 /* with an exception */
};

static inline FnShape fn_shape(const FnReader *reader)
{
    return reader->keeper != NULL ? reader->keeper->shape : (FnShape){0};
}

static inline FnAround fn_around(const FnReader *reader)
{
    return reader->keeper != NULL ? reader->keeper->around : (FnAround){0};
}

/* attributes.c */
void fn_read_attributes(FnReader *, const char *p, bool wanted, bool hiding, bool values, FnAttributes *);
bool fn_is_named(FnStr text, FnStr name); /* ignoring the text's case */
/* structure.c: those that return bool return false with an exception */
bool fn_keep_hides(const FnReader *, const FnHtmlTag *, const FnAttributes *);
bool fn_keep_is_shadow(const FnAttributes *); /* whether a <template> with these is shown */
bool fn_keep_inline(FnReader *, const FnHtmlTag *, FnStr name, const FnAttributes *, bool same, bool closed);
bool fn_keep_enter(FnReader *, const FnHtmlTag *, const FnAttributes *);
int fn_keep_end_in_math(FnReader *, const FnHtmlTag *); /* whether it went well, or -1 if there is more to do */
bool fn_keep_end_role(FnReader *, unsigned role);
bool fn_keep_ended(FnReader *, const FnHtmlTag *);
void fn_keep_spend(FnReader *, uint64_t steps);
void fn_keep_close(FnReader *, int depth);
const char *fn_keep_raw(FnReader *, const FnHtmlTag *, const char *p, const FnAttributes *); /* NULL with an exception */
/* structure_text.c */
bool fn_keep_chars(FnReader *, const char *p, const char *end);
bool fn_keep_formula(FnReader *, FnStr tex, bool display, bool is_value); /* `is_value`: of an attribute */
bool fn_keep_text(FnReader *, const char *p, const char *end);
bool fn_keep_mark(FnReader *, unsigned mark);
bool fn_keep_newline(FnReader *);
bool fn_keep_ruby(FnReader *, unsigned role);
bool fn_keep_end_math(FnReader *);
bool fn_keep_end_block(FnReader *);
bool fn_keep_in_code(const FnReader *);
/* code_lines.c */
bool fn_is_numbers(const char *p, const char *end);
char *fn_dedent(char *start, char *end); /* the text's new end */
/* formulas.c */
bool fn_formula_start(FnFormula *, unsigned role, FnStr style);
bool fn_formula_end(FnFormula *, const FnBlocks *, unsigned role);
bool fn_formula_word(FnFormula *, const char *p, size_t n);
bool fn_formula_blank(FnFormula *, bool is_no_break);
bool fn_formula_finish(FnFormula *, const FnBlocks *); /* its TeX is in `tex` */
FnStr fn_formula_style(unsigned role, const FnAttributes *);

#endif
