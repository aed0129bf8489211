/* The text of blocks for engine `blocks-2`: C port of extract/structure_text.py; keep the two in sync. */
#define PY_SSIZE_T_CLEAN
#include "structure.h"

static bool emit(FnReader *reader, const char *p, size_t n) { return fn_grow(&reader->found->text, p, n); }

bool fn_keep_in_code(const FnReader *reader) { return reader->keeper->pre_from >= 0 || reader->keeper->code_from >= 0; }

bool fn_keep_mark(FnReader *reader, unsigned mark)
{
    static const char ENDED[] = {FN_MARK_ENDED};
    FnKeeper *keeper = reader->keeper;
    bool was = keeper->marked != 0;
    keeper->marked = 0;
    keeper->wanted = mark;
    return !was || emit(reader, ENDED, 1);
}

bool fn_keep_newline(FnReader *reader)
{
    FnKeeper *keeper = reader->keeper;
    unsigned most = fn_keep_in_code(reader) ? FN_MOST_NEWLINES : 1;
    keeper->newlines = keeper->newlines < most ? keeper->newlines + 1 : most;
    keeper->blank_n = 0;
    keeper->begun = false;
    return keeper->marked == 0 || fn_keep_mark(reader, keeper->marked);
}

/* Add a part of a word after the line ends, the white space and the mark that precede it. */
static bool put(FnReader *reader, const char *p, size_t n, uint32_t chars)
{
    FnKeeper *keeper = reader->keeper;
    if (keeper->newlines > 0 && reader->block.chars > 0 && !emit(reader, "\n\n\n", keeper->newlines)) return false;
    keeper->newlines = 0;
    if (keeper->blank_n > 0 && !emit(reader, keeper->blanks, keeper->blank_n)) return false;
    keeper->blank_n = 0;
    if (keeper->wanted != 0) {
        char mark = (char)keeper->wanted;
        if (!emit(reader, &mark, 1)) return false;
        keeper->marked = keeper->wanted;
        keeper->wanted = 0;
    }
    keeper->begun = true;
    reader->breaks = 0;
    reader->block.chars += chars;
    if (reader->link_from >= 0) reader->block.linked += chars;
    if (keeper->code_from >= 0) keeper->code_chars += chars;
    if (keeper->formula == FN_IN_FORMULA) keeper->formula_chars += chars;
    return emit(reader, p, n);
}

static bool begin_formula(FnReader *reader)
{
    FnKeeper *keeper = reader->keeper;
    keeper->formula = FN_IN_FORMULA;
    return (!keeper->display || !keeper->begun || fn_keep_newline(reader)) &&
           fn_keep_mark(reader, keeper->display ? FN_MARK_ON_DISPLAY : FN_MARK_IN_LINE);
}

static bool add_word(FnReader *reader, const char *p, size_t n, uint32_t chars)
{
    const FnKeeper *keeper = reader->keeper;
    return (keeper->formula != FN_BEFORE_FORMULA || begin_formula(reader)) && put(reader, p, n, chars);
}

static bool add_blank(FnReader *reader, uint32_t code)
{
    FnKeeper *keeper = reader->keeper;
    if (keeper->formula != FN_NO_FORMULA) {
        if (keeper->formula == FN_IN_FORMULA) keeper->blanks[0] = ' ', keeper->blank_n = 1;
    } else if (keeper->pre_from >= 0 && code == '\n') {
        return fn_keep_newline(reader);
    } else if (keeper->pre_from >= 0 || (keeper->code_from >= 0 && code == 0xa0)) {
        bool tab = keeper->pre_from >= 0 && code == '\t';
        if (keeper->blank_n < FN_MOST_BLANKS) keeper->blanks[keeper->blank_n++] = tab ? '\t' : ' ';
    } else if (keeper->begun && keeper->blank_n == 0) {
        keeper->blanks[keeper->blank_n++] = ' ';
    }
    return true;
}

/* Add text to a formula of MathML. */
static bool add_to_math(FnReader *reader, const char *p, const char *end)
{
    FnFormula *math = &reader->keeper->math;
    while (p < end) {
        const char *start = p;
        uint32_t code = fn_decode(&p, end);
        unsigned kind = fn_char_kind(reader->tables, code);
        if (kind & FN_CHAR_NOTHING) continue;
        bool good = kind & FN_CHAR_BLANK ? fn_formula_blank(math, code == 0xa0) : fn_formula_word(math, start, (size_t)(p - start));
        if (!good) return false;
    }
    return true;
}

/* Characters that stand in the text as they do on the page: visible ones, with at most one space between two of them. */
typedef struct { const char *end; uint32_t chars, commas; unsigned last; } Run;

static Run run_of(const FnBlocks *tables, const char *p, const char *end)
{
    Run run = {p, 0, 0, 0};
    while (p < end) {
        const char *at = p;
        while (p < end && (unsigned char)*p < 128 && tables->kinds[(unsigned char)*p] == FN_CHAR_PLAIN) p++;
        if (p > at) {
            run.chars += (uint32_t)(p - at);
            run.last = FN_CHAR_PLAIN;
            run.end = at = p;
            if (p == end) break;
        }
        unsigned kind;
        if ((unsigned char)*p < 128) kind = tables->kinds[(unsigned char)*p++];
        else kind = fn_char_kind(tables, fn_decode(&p, end));
        if (kind & FN_CHAR_NOTHING) break;
        if (kind & FN_CHAR_BLANK) {
            if (*at != ' ' || at != run.end || run.chars == 0) break;
            continue;
        }
        run.chars++;
        run.commas += (kind & FN_CHAR_COMMA) != 0;
        run.last = kind;
        run.end = p;
    }
    return run;
}

/* Add the white space that the text begins with; returns the position after it, or NULL with an exception. */
static const char *add_blanks(FnReader *reader, const char *p, const char *end)
{
    const FnKeeper *keeper = reader->keeper;
    const uint8_t *kinds = reader->tables->kinds;
    bool one = keeper->pre_from < 0; /* further blanks of ASCII change nothing */
    const char *at = p;
    uint32_t code = fn_decode(&p, end);
    unsigned kind = fn_char_kind(reader->tables, code);
    if (!(kind & FN_CHAR_BLANK)) return kind & FN_CHAR_NOTHING ? p : at;
    if (!add_blank(reader, code)) return NULL;
    while (one && p < end && (unsigned char)*p < 128 && kinds[(unsigned char)*p] & FN_CHAR_BLANK) p++;
    return p;
}

bool fn_keep_chars(FnReader *reader, const char *p, const char *end)
{
    if (reader->keeper->math.open) return add_to_math(reader, p, end);
    while (p < end) {
        Run run = run_of(reader->tables, p, end);
        if (run.chars > 0) {
            reader->last = run.last;
            reader->block.commas += run.commas;
            if (!add_word(reader, p, (size_t)(run.end - p), run.chars)) return false;
            p = run.end;
        }
        if (p < end && (p = add_blanks(reader, p, end)) == NULL) return false;
    }
    return true;
}

/* Length of the line end of HTML that the text begins with, or 0. */
static size_t line_end_at(const char *p, const char *end)
{
    if (end - p < 4 || memcmp(p, "<br", 3) != 0) return 0;
    const char *at = p + 3;
    while (at < end && (*at == ' ' || *at == '/')) at++;
    return at < end && *at == '>' ? (size_t)(at + 1 - p) : 0;
}

/* Add the TeX that an attribute holds: without the dollar signs around it, and without HTML's line ends. */
static bool add_value(FnReader *reader, const char *p, const char *end)
{
    if (end - p > 1 && *p == '$' && end[-1] == '$') {
        while (p < end && *p == '$') p++;
        while (p < end && end[-1] == '$') end--;
    }
    for (const char *at = p; at < end;) {
        size_t n = line_end_at(at, end);
        if (n > 0) {
            if (at > p && !fn_unescaped_text(reader, p, at)) return false;
            if (!add_blank(reader, ' ')) return false;
            p = at + n;
        }
        at += n > 0 ? n : 1;
    }
    return p == end || fn_unescaped_text(reader, p, end);
}

bool fn_keep_formula(FnReader *reader, FnStr tex, bool display, bool is_value)
{
    FnKeeper *keeper = reader->keeper;
    if (tex.n == 0) return true;
    keeper->formula = FN_BEFORE_FORMULA;
    keeper->display = display;
    bool good = (is_value ? add_value : fn_keep_chars)(reader, tex.p, tex.p + tex.n);
    bool begun = keeper->formula == FN_IN_FORMULA;
    keeper->formula = FN_NO_FORMULA;
    if (!good || !begun) return good;
    keeper->blank_n = 0;
    return fn_keep_mark(reader, keeper->code_from >= 0 && keeper->pre_from < 0 ? FN_MARK_IN_CODE : 0) &&
           (!display || fn_keep_newline(reader));
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'; }

/* The TeX of a text that is a formula between delimiters, else an empty text. */
static FnStr delimited(const char *p, const char *end, bool *display)
{
    static const struct { const char *begin, *end; bool display; } DELIMITERS[] = {FN_DELIMITERS};
    while (p < end && is_space(*p)) p++;
    while (p < end && is_space(end[-1])) end--;
    for (unsigned i = 0; i < sizeof(DELIMITERS) / sizeof(*DELIMITERS); i++) {
        size_t n = strlen(DELIMITERS[i].begin), size = (size_t)(end - p);
        if (size <= 2 * n || memcmp(p, DELIMITERS[i].begin, n) != 0 || memcmp(end - n, DELIMITERS[i].end, n) != 0) continue;
        *display = DELIMITERS[i].display;
        return (FnStr){p + n, size - 2 * n};
    }
    return FN_EMPTY;
}

bool fn_keep_text(FnReader *reader, const char *p, const char *end)
{
    const FnKeeper *keeper = reader->keeper;
    if (keeper->ruby == FN_ROLE_RUBY_MARK) return true;
    if (keeper->drawn && !keeper->math.open && !fn_keep_in_code(reader)) {
        bool display = false;
        FnStr tex = delimited(p, end, &display);
        if (tex.n > 0) return fn_keep_formula(reader, tex, display, true);
    }
    return fn_unescaped_text(reader, p, end);
}

bool fn_keep_end_math(FnReader *reader)
{
    FnKeeper *keeper = reader->keeper;
    FnFormula *math = &keeper->math;
    if (!math->open) return true;
    bool good = fn_formula_finish(math, reader->tables);
    math->open = false;
    fn_keep_spend(reader, math->steps);
    return good && !keeper->failed && fn_keep_formula(reader, (FnStr){math->tex.p, math->tex.n}, math->display, false);
}

bool fn_keep_ruby(FnReader *reader, unsigned role)
{
    FnKeeper *keeper = reader->keeper;
    if (keeper->ruby == FN_ROLE_RUBY_TEXT) {
        keeper->blank_n = 0;
        reader->last = FN_CHAR_PLAIN;
        if (!put(reader, ")", 1, 1)) return false;
    }
    keeper->ruby = role;
    if (role != FN_ROLE_RUBY_TEXT) return true;
    reader->last = FN_CHAR_PLAIN;
    return put(reader, "(", 1, 1);
}

/* ---- blocks ---- */

static bool same_shape(FnShape one, FnShape other)
{
    return one.quotes == other.quotes && one.lists == other.lists && one.margin == other.margin && one.width == other.width &&
           one.level == other.level && one.ordered == other.ordered && one.in_cell == other.in_cell && one.table == other.table;
}

/* Whether both are lines of one block of code, each in an element of its own. */
static bool continues(const FnBlock *before, const FnBlock *block)
{
    bool is_pre = block->kind == FN_KIND_PRE;
    return before->is_code && block->is_code && before->kind == block->kind && before->is_line == is_pre && block->is_line == is_pre &&
           block->marker == FN_NO_MARKER && before->depth == block->depth && same_shape(before->shape, block->shape) &&
           before->row == -1 && block->row == -1;
}

static bool join(FnFound *found, FnBlock *before, const FnBlock *block)
{
    size_t n = block->end - block->start;
    if (!fn_grow(&found->text, "\n", 1)) return false;
    memmove(found->text.p + block->start + 1, found->text.p + block->start, n);
    found->text.p[block->start] = '\n';
    before->end = found->text.n;
    before->chars += block->chars;
    before->linked += block->linked;
    before->commas += block->commas;
    before->ends_sentence = block->ends_sentence;
    return true;
}

static bool has_environment(const char *p, size_t n)
{
    const char *first = memchr(p, FN_ENVIRONMENT[0], n);
    return first != NULL && memmem(first, n - (size_t)(first - p), FN_ENVIRONMENT, strlen(FN_ENVIRONMENT)) != NULL;
}

static bool add_block(FnReader *reader)
{
    FnKeeper *keeper = reader->keeper;
    FnFound *found = reader->found;
    FnBlock *block = &reader->block;
    fn_keep_spend(reader, FN_BLOCK_STEPS);
    bool in_pre = keeper->pre_from >= 0;
    char *text = found->text.p;
    bool is_line = in_pre && (keeper->is_line || memchr(text + block->start, '\n', found->text.n - block->start) == NULL);
    if (in_pre && !is_line) found->text.n = (size_t)(fn_dedent(text + block->start, text + found->text.n) - text);
    if (in_pre && fn_is_numbers(text + block->start, text + found->text.n)) {
        found->text.n = block->start;
        return true;
    }
    bool in_cell = keeper->shape.in_cell && !keeper->tables[keeper->shape.table].nested;
    block->end = found->text.n;
    block->kind = (uint8_t)(in_pre ? FN_KIND_PRE : reader->kind);
    block->flags = reader->flags;
    block->names = reader->near | reader->own_names;
    block->ends_sentence = reader->last & FN_CHAR_SENTENCE_END;
    block->is_item = reader->is_item;
    block->is_cell = reader->is_cell;
    block->is_code = in_pre || keeper->code_chars == block->chars;
    block->is_formula = 2 * (uint64_t)keeper->formula_chars >= block->chars ||
                        has_environment(text + block->start, block->end - block->start);
    block->is_line = is_line;
    block->marker = in_pre && keeper->is_line ? FN_NO_MARKER : (uint8_t)keeper->marker;
    block->number = keeper->counters[keeper->shape.lists];
    block->row = in_cell ? keeper->row : -1;
    block->column = (uint8_t)keeper->column;
    block->depth = (uint16_t)reader->depth;
    block->shape = keeper->shape;
    block->around = keeper->around;
    block->language = in_pre ? keeper->language : FN_NONE;
    if (in_cell) {
        FnTable *table = &keeper->tables[keeper->shape.table];
        keeper->cell_chars += block->chars;
        if (keeper->cell_chars > table->longest) table->longest = keeper->cell_chars;
    }
    FnBlock *before = found->count > 0 ? &found->blocks[found->count - 1] : NULL;
    if (before != NULL && continues(before, block) ? !join(found, before, block) : fn_push_block(found, block) == NULL) return false;
    reader->is_item = false;
    reader->is_cell = true;
    keeper->marker = FN_NO_MARKER;
    return true;
}

bool fn_keep_end_block(FnReader *reader)
{
    FnKeeper *keeper = reader->keeper;
    reader->breaks = 0;
    if (!fn_keep_end_math(reader)) return false;
    if (keeper->ruby != 0 && !fn_keep_ruby(reader, 0)) return false;
    if (!fn_keep_mark(reader, 0)) return false;
    if (reader->block.chars > 0) {
        if (!add_block(reader)) return false;
        reader->block = (FnBlock){0};
    }
    reader->block.start = reader->found->text.n;
    keeper->code_chars = keeper->formula_chars = 0;
    keeper->newlines = 0;
    keeper->blank_n = 0;
    keeper->begun = false;
    keeper->wanted = keeper->code_from >= 0 && keeper->pre_from < 0 ? FN_MARK_IN_CODE : 0;
    return true;
}
