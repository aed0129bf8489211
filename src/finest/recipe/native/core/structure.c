/* The elements of a page for engine `blocks-2`: C port of extract/structure.py; keep the two in sync. */
#define PY_SSIZE_T_CLEAN
#include "page.h"
#include "structure.h"

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'; }

static bool begins_with(FnStr value, const char *text)
{
    size_t n = strlen(text);
    return value.n >= n && memcmp(value.p, text, n) == 0;
}

/* Whether `value`, without white space and with small ASCII letters, begins with `text`; `whole`: and ends with it. */
static bool is_dense(const char *p, const char *end, const char *text, bool whole)
{
    for (; p < end && (*text || whole); p++) {
        if (is_blank(*p)) continue;
        if (*text == 0 || fn_lower_of(*p) != *text++) return false;
    }
    return *text == 0;
}

static bool is_value(FnStr value, const char *text)
{
    return value.p != NULL && is_dense(value.p, value.p + value.n, text, true);
}

static bool holds_dense(FnStr value, const char *text)
{
    for (size_t at = 0; at < value.n; at++)
        if (!is_blank(value.p[at]) && is_dense(value.p + at, value.p + value.n, text, false)) return true;
    return false;
}

/* Whether `value`, ignoring case, holds one of the parts of the address of an image of a formula. */
static bool is_tex_source(FnStr value)
{
    static const char *const SOURCES[] = {FN_TEX_SOURCES};
    enum { COUNT = sizeof(SOURCES) / sizeof(*SOURCES) };
    bool begins[256] = {false};
    for (unsigned i = 0; i < COUNT; i++) begins[(unsigned char)*SOURCES[i]] = true;
    for (size_t at = 0; at < value.n; at++) {
        if (!begins[(unsigned char)fn_lower_of(value.p[at])]) continue;
        for (unsigned i = 0; i < COUNT; i++) {
            size_t n = 0;
            while (SOURCES[i][n] != 0 && at + n < value.n && fn_lower_of(value.p[at + n]) == SOURCES[i][n]) n++;
            if (SOURCES[i][n] == 0) return true;
        }
    }
    return false;
}

static uint32_t number_of(FnStr value, uint32_t otherwise)
{
    uint32_t number = 0;
    size_t n = 0;
    while (n < 6 && n < value.n && fn_is_digit(value.p[n])) number = 10 * number + (uint32_t)(value.p[n++] - '0');
    return n > 0 ? number : otherwise;
}

/* The next class name from `*p` on, or an empty text. */
static FnStr next_token(const char **p, const char *end)
{
    while (*p < end && is_blank(**p)) ++*p;
    const char *start = *p;
    while (*p < end && !is_blank(**p)) ++*p;
    return (FnStr){start, (size_t)(*p - start)};
}

static unsigned class_bits(const FnReader *reader, const FnAttributes *attributes)
{
    const FnBlocks *tables = reader->tables;
    FnStr value = fn_value(attributes, FN_V_CLASS), token;
    unsigned bits = 0;
    for (const char *p = value.p; value.n > 0 && (token = next_token(&p, value.p + value.n)).n > 0;) {
        int place = fn_find_name(&tables->class_names, token.p, token.n);
        if (place >= 0) bits |= tables->classes[place];
    }
    return bits;
}

static bool is_language(FnStr text)
{
    if (text.n == 0 || text.n > FN_MOST_LANGUAGE) return false;
    for (size_t i = 0; i < text.n; i++)
        if (!fn_is_letter(text.p[i]) && !fn_is_digit(text.p[i]) && memchr("+#._-", text.p[i], 5) == NULL) return false;
    return true;
}

static FnStr language_in(const FnAttributes *attributes)
{
    static const char *const PREFIXES[] = {"language-", "lang-"};
    FnStr value = fn_value(attributes, FN_V_CLASS), token;
    for (const char *p = value.p; value.n > 0 && (token = next_token(&p, value.p + value.n)).n > 0;)
        for (unsigned i = 0; i < 2; i++) {
            size_t n = strlen(PREFIXES[i]);
            FnStr rest = {token.p + n, token.n > n ? token.n - n : 0};
            if (rest.n > 0 && is_dense(token.p, token.p + n, PREFIXES[i], true) && is_language(rest)) return rest;
        }
    return FN_NONE;
}

bool fn_keep_hides(const FnReader *reader, const FnHtmlTag *tag, const FnAttributes *attributes)
{
    unsigned says = reader->keeper->says = class_bits(reader, attributes), role = tag != NULL ? tag->role : 0;
    bool numbered = role == FN_ROLE_SPAN || role == FN_ROLE_TABLE_CELL || role == FN_ROLE_HEADER_CELL ||
                    role == FN_ROLE_PREFORMATTED || reader->keeper->pre_from >= 0;
    if (says & FN_CLASS_RENDERED || (says & FN_CLASS_NUMBERS && numbered)) return true;
    if (attributes->hides) return !(says & FN_CLASS_SOURCE) && !begins_with(fn_value(attributes, FN_V_ID), "S:");
    return begins_with(fn_value(attributes, FN_V_ID), "MathJax-Element-");
}

bool fn_keep_is_shadow(const FnAttributes *attributes)
{
    FnStr mode = fn_value(attributes, FN_V_SHADOWROOTMODE), old = fn_value(attributes, FN_V_SHADOWROOT);
    return is_value(mode, "open") || is_value(mode, "closed") || is_value(old, "open") || is_value(old, "closed");
}

void fn_keep_spend(FnReader *reader, uint64_t steps)
{
    FnKeeper *keeper = reader->keeper;
    keeper->steps += steps;
    if (keeper->steps <= FN_MOST_STEPS || keeper->failed) return;
    PyErr_SetString(fn_module.refused, "steps");
    keeper->failed = true;
}

/* ---- elements ---- */

static bool add_image(FnReader *reader, const FnAttributes *attributes)
{
    FnStr source = fn_value(attributes, FN_V_SRC), tex = fn_value(attributes, FN_V_ALT);
    if (!(class_bits(reader, attributes) & FN_CLASS_TEX) && !is_tex_source(source)) return true;
    if (tex.n == 0) {
        const char *mark = source.n > 0 ? memchr(source.p, '?', source.n) : NULL;
        tex = mark != NULL ? (FnStr){mark + 1, (size_t)(source.p + source.n - mark - 1)} : FN_EMPTY;
    }
    return fn_keep_formula(reader, tex, false, true);
}

static bool start_role(FnReader *reader, unsigned role, const FnAttributes *attributes)
{
    FnKeeper *keeper = reader->keeper;
    keeper->drawn = role == FN_ROLE_SPAN && keeper->says & FN_CLASS_DRAWN;
    if (role == FN_ROLE_CODE) {
        keeper->code_from = reader->depth;
        if (keeper->pre_from < 0) return fn_keep_mark(reader, FN_MARK_IN_CODE);
        if (keeper->language.n == 0) keeper->language = language_in(attributes);
    } else if (role == FN_ROLE_RUBY || role == FN_ROLE_RUBY_TEXT || role == FN_ROLE_RUBY_MARK) {
        return fn_keep_ruby(reader, role == FN_ROLE_RUBY ? 0 : role);
    }
    return true;
}

bool fn_keep_inline(FnReader *reader, const FnHtmlTag *tag, FnStr name, const FnAttributes *attributes, bool same, bool closed)
{
    FnFormula *math = &reader->keeper->math;
    unsigned role = tag != NULL ? tag->role : 0;
    if (math->open) {
        if (role >= FN_ROLE_ANNOTATION)
            return fn_formula_start(math, role, fn_formula_style(role, attributes)) &&
                   (!closed || fn_formula_end(math, reader->tables, role));
        if (role == 0 || role == FN_ROLE_SPAN) return true;
        if (!fn_keep_end_math(reader)) return false;
    }
    if (role >= FN_ROLE_ANNOTATION) return true;
    if (role == FN_ROLE_IMAGE) return fn_skips(reader) || attributes->hides || add_image(reader, attributes);
    if (same) reader->hidden_nested++;
    else if (!fn_skips(reader) && fn_keep_hides(reader, tag, attributes)) fn_hide(reader, name);
    return fn_skips(reader) || start_role(reader, role, attributes);
}

static uint32_t least(uint32_t one, uint32_t other) { return one < other ? one : other; }
static uint32_t most(uint32_t one, uint32_t other) { return one > other ? one : other; }

static void enter_list(FnKeeper *keeper, bool ordered, const FnAttributes *attributes)
{
    FnShape *shape = &keeper->shape;
    shape->lists = (uint8_t)least(shape->lists + 1u, FN_MOST_LISTS);
    shape->width = ordered ? 3 : 2;
    shape->ordered = ordered;
    shape->margin = (uint8_t)least(shape->margin + shape->width, FN_MOST_MARGIN);
    keeper->counters[shape->lists] = ordered ? number_of(fn_value(attributes, FN_V_START), 1) - 1 : 0; /* may wrap */
}

static bool enter_table(FnKeeper *keeper, const FnAttributes *attributes)
{
    if (keeper->shape.table >= 0) keeper->tables[keeper->shape.table].nested = true;
    if (keeper->table_count == keeper->table_room) {
        size_t room = 2 * keeper->table_room + 16;
        FnTable *larger = realloc(keeper->tables, room * sizeof(FnTable));
        if (larger == NULL) return PyErr_NoMemory() != NULL;
        keeper->tables = larger;
        keeper->table_room = room;
    }
    FnStr role = fn_value(attributes, FN_V_ROLE);
    keeper->tables[keeper->table_count] = (FnTable){.presentation = is_value(role, "presentation") || is_value(role, "none")};
    keeper->shape.table = (int32_t)keeper->table_count++;
    keeper->shape.in_cell = false;
    keeper->row = 0;
    keeper->next_column = 0;
    memset(keeper->until, 0, sizeof(keeper->until));
    return true;
}

static void enter_cell(FnKeeper *keeper, FnTable *table, bool heads, const FnAttributes *attributes)
{
    table->rows = most(table->rows, 1);
    keeper->row = (int32_t)table->rows - 1;
    uint32_t at = keeper->next_column, row = table->rows - 1;
    while (at < FN_GRID_COLUMNS - 1 && keeper->until[at] > row) at++;
    uint32_t span = least(most(number_of(fn_value(attributes, FN_V_COLSPAN), 1), 1), FN_GRID_COLUMNS - at);
    uint32_t below = row + least(most(number_of(fn_value(attributes, FN_V_ROWSPAN), 1), 1), FN_MOST_ROWSPAN);
    for (uint32_t i = 0; i < span; i++) keeper->until[at + i] = below;
    keeper->column = at;
    keeper->next_column = least(at + span, FN_GRID_COLUMNS - 1);
    keeper->shape.in_cell = true;
    table->columns = most(table->columns, at + span);
    table->cells++;
    table->headed |= heads;
    keeper->cell_chars = 0;
}

static void enter_part(FnKeeper *keeper, unsigned role, const FnAttributes *attributes)
{
    if (keeper->shape.table < 0 || keeper->tables[keeper->shape.table].nested) return;
    FnTable *table = &keeper->tables[keeper->shape.table];
    if (role == FN_ROLE_TABLE_ROW) {
        table->rows++;
        keeper->next_column = 0;
    } else if (role == FN_ROLE_TABLE_CELL || role == FN_ROLE_HEADER_CELL) {
        enter_cell(keeper, table, role == FN_ROLE_HEADER_CELL, attributes);
    }
}

/* Whether the element's style keeps white space and line ends, as <pre> does. */
static bool keeps_lines(const FnAttributes *attributes)
{
    FnStr style = fn_value(attributes, FN_V_STYLE);
    for (const char *p = style.p, *end = style.p + style.n; style.n > 0 && p < end;) {
        const char *stop = memchr(p, ';', (size_t)(end - p));
        if (stop == NULL) stop = end;
        if (is_dense(p, stop, "white-space:pre", true)) return true;
        p = stop + 1;
    }
    return false;
}

static bool enter(FnReader *reader, unsigned role, const FnAttributes *attributes)
{
    FnKeeper *keeper = reader->keeper;
    FnShape *shape = &keeper->shape;
    keeper->is_line = keeper->says & FN_CLASS_CODE_LINE;
    keeper->drawn = keeper->says & FN_CLASS_DRAWN;
    if (keeper->is_line || (role == 0 && keeps_lines(attributes))) role = FN_ROLE_PREFORMATTED;
    switch (role) {
    case FN_ROLE_H1: case FN_ROLE_H2: case FN_ROLE_H3: case FN_ROLE_H4: case FN_ROLE_H5: case FN_ROLE_H6:
        shape->level = (uint8_t)(role - FN_ROLE_H1 + 1);
        return true;
    case FN_ROLE_BULLETS: case FN_ROLE_NUMBERED:
        enter_list(keeper, role == FN_ROLE_NUMBERED, attributes);
        return true;
    case FN_ROLE_LIST_ITEM:
        if (keeper->counters[shape->lists] != FN_MOST_NUMBER) keeper->counters[shape->lists]++;
        keeper->marker = shape->ordered ? FN_ORDINAL : FN_BULLET;
        return true;
    case FN_ROLE_DEFINED:
        keeper->marker = FN_DEFINITION;
        return true;
    case FN_ROLE_QUOTED:
        shape->quotes = (uint8_t)least(shape->quotes + 1u, FN_MOST_QUOTES);
        return true;
    case FN_ROLE_PREFORMATTED:
        keeper->pre_from = reader->depth - 1;
        keeper->language = language_in(attributes);
        return fn_keep_mark(reader, 0);
    case FN_ROLE_UNSCRIPTED:
        if (keeper->unscripted_from >= 0) return true;
        keeper->unscripted_from = reader->depth - 1;
        reader->found = &keeper->found[1];
        reader->block.start = reader->found->text.n;
        return true;
    case FN_ROLE_TABLE_ROOT:
        return enter_table(keeper, attributes);
    default:
        enter_part(keeper, role, attributes);
        return true;
    }
}

/* Take note of one more element around what follows; its names are the reader's. */
static void surround(FnReader *reader, const FnHtmlTag *tag)
{
    FnAround *around = &reader->keeper->around;
    uint32_t code = tag->does + (tag->kind << 12) + (tag->flag << 16) + (tag->role << 25);
    around->above |= reader->names;
    around->path = ((around->path + code) * 0x9e3779b1u) ^ reader->names;
    memmove(around->nests + 1, around->nests, (FN_NESTS - 1) * sizeof(uint32_t));
    around->nests[0] = ++reader->keeper->entered;
}

bool fn_keep_enter(FnReader *reader, const FnHtmlTag *tag, const FnAttributes *attributes)
{
    if (reader->keeper->failed) return false;
    surround(reader, tag);
    return fn_skips(reader) || reader->keeper->pre_from >= 0 || enter(reader, tag->role, attributes);
}

int fn_keep_end_in_math(FnReader *reader, const FnHtmlTag *tag)
{
    FnFormula *math = &reader->keeper->math;
    if (!math->open) return -1;
    if (tag == NULL || tag->role == FN_ROLE_SPAN) return true;
    if (tag->role >= FN_ROLE_ANNOTATION) return fn_formula_end(math, reader->tables, tag->role);
    return fn_keep_end_math(reader) ? -1 : false;
}

bool fn_keep_end_role(FnReader *reader, unsigned role)
{
    if (role == FN_ROLE_CODE) {
        reader->keeper->code_from = -1;
        return fn_keep_mark(reader, 0);
    }
    return (role != FN_ROLE_RUBY && role != FN_ROLE_RUBY_TEXT && role != FN_ROLE_RUBY_MARK) || fn_keep_ruby(reader, 0);
}

bool fn_keep_ended(FnReader *reader, const FnHtmlTag *tag)
{
    if (!fn_skips(reader) && tag->family & (FN_FAMILY_ITEM | FN_FAMILY_LIST | FN_FAMILY_TERM | FN_FAMILY_TERMS))
        reader->keeper->marker = FN_NO_MARKER;
    return !reader->keeper->failed;
}

void fn_keep_close(FnReader *reader, int depth)
{
    FnKeeper *keeper = reader->keeper;
    bool good = true;
    if (keeper->pre_from >= depth) {
        good = fn_end_block(reader);
        keeper->pre_from = -1;
    }
    if (keeper->code_from > depth) {
        keeper->code_from = -1;
        good = fn_keep_mark(reader, 0) && good;
    }
    if (keeper->unscripted_from >= depth) {
        keeper->unscripted_from = -1;
        reader->found = &keeper->found[0];
        reader->block.start = reader->found->text.n;
    }
    keeper->shape = reader->open[depth].shape;
    keeper->around = reader->open[depth].around;
    keeper->failed |= !good;
}

/* ---- formulas ---- */

static bool is_tex(FnStr text)
{
    for (size_t i = 0; i < text.n; i++)
        if (memchr("\\^_{", text.p[i], 4) != NULL) return true;
    return false;
}

static const char *read_script(FnReader *reader, const FnHtmlTag *tag, const char *p, const FnAttributes *attributes)
{
    FnStr type = fn_value(attributes, FN_V_TYPE);
    const char *type_end = type.p + type.n;
    if (type.n > 0 && (is_dense(type.p, type_end, "math/tex", false) || is_dense(type.p, type_end, "math/asciimath", false))) {
        const char *end = fn_end_tag_at(reader, tag, p);
        FnStr tex = {p, (size_t)((end != NULL ? end : reader->end) - p)};
        if (!fn_keep_formula(reader, tex, holds_dense(type, "mode=display"), false)) return NULL;
    }
    return fn_pass_over(reader, tag, p);
}

const char *fn_keep_raw(FnReader *reader, const FnHtmlTag *tag, const char *p, const FnAttributes *attributes)
{
    FnFormula *math = &reader->keeper->math;
    if (!fn_keep_end_math(reader)) return NULL;
    if (fn_skips(reader)) return fn_pass_over(reader, tag, p);
    if (tag->role == FN_ROLE_SCRIPT) return read_script(reader, tag, p, attributes);
    if (tag->role != FN_ROLE_MATH || attributes->hides) return fn_pass_over(reader, tag, p);
    bool display = is_value(fn_value(attributes, FN_V_DISPLAY), "block") || is_value(fn_value(attributes, FN_V_MODE), "display");
    FnStr tex = fn_value(attributes, FN_V_ALTTEXT);
    if (is_tex(tex)) return fn_keep_formula(reader, tex, display, true) ? fn_pass_over(reader, tag, p) : NULL;
    math->open = true;
    math->display = display;
    math->too_long = false;
    math->steps = 0;
    math->tex.n = math->annotation.n = 0;
    math->depth = 1;
    math->frames[0] = (FnFrame){0};
    return p;
}
