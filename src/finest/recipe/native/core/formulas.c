/* TeX from MathML: C port of extract/formulas.py; keep the two in sync. */
#define PY_SSIZE_T_CLEAN
#include "structure.h"

#define FIRST_TOKEN FN_ROLE_IDENTIFIER
#define LAST_TOKEN FN_ROLE_MATH_TEXT
enum { ROLES = FN_ROLE_MATRIX_CELL + 1, ALL = 4, COLUMNS = 5 };
#define X(role, text) [FN_ROLE_##role] = text,
static const char *const TEMPLATES[ROLES] = {FN_TEX_TEMPLATES(X)}, *const LIMITS[ROLES] = {FN_TEX_LIMITS(X)},
                  *const SEPARATORS[ROLES] = {FN_TEX_SEPARATORS(X)};
#undef X

static bool holds_text(const FnFrame *frame)
{
    return frame->role == FN_ROLE_ANNOTATION ? frame->style_n > 0 : frame->role >= FIRST_TOKEN && frame->role <= LAST_TOKEN;
}

FnStr fn_formula_style(unsigned role, const FnAttributes *attributes)
{
    FnStr font = fn_value(attributes, FN_V_MATHVARIANT), value;
    switch (role) {
    case FN_ROLE_IDENTIFIER: case FN_ROLE_NUMBER:
        if (font.n == 4 && memcmp(font.p, "bold", 4) == 0) return FN_LIT(FN_TEX_BOLD);
        return font.n == 6 && memcmp(font.p, "normal", 6) == 0 ? FN_LIT(FN_TEX_NORMAL) : FN_EMPTY;
    case FN_ROLE_FRACTION:
        value = fn_value(attributes, FN_V_LINETHICKNESS);
        return value.n > 0 && *value.p == '0' ? FN_LIT("0") : FN_EMPTY;
    case FN_ROLE_MATRIX:
        return fn_value(attributes, FN_V_COLUMNALIGN);
    case FN_ROLE_ANNOTATION:
        value = fn_value(attributes, FN_V_ENCODING);
        for (size_t i = 0; i + 3 <= value.n; i++)
            if (fn_lower_of(value.p[i]) == 't' && fn_lower_of(value.p[i + 1]) == 'e' && fn_lower_of(value.p[i + 2]) == 'x')
                return FN_LIT("tex");
        return FN_EMPTY;
    default:
        return FN_EMPTY;
    }
}

/* The first letter of each word that is an alignment. */
static size_t alignment_of(FnStr value, char *out)
{
    size_t n = 0;
    bool begins = true;
    for (size_t i = 0; i < value.n && n < FN_MOST_ALIGNED; i++) {
        char c = value.p[i];
        if (begins && (c == 'l' || c == 'c' || c == 'r')) out[n++] = c;
        begins = c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
    }
    return n;
}

bool fn_formula_start(FnFormula *math, unsigned role, FnStr style)
{
    FnFrame *inside = &math->frames[math->depth - 1];
    if (math->depth == FN_MOST_FRAMES || inside->role == FN_ROLE_ANNOTATION || holds_text(inside)) return true;
    const char *separator = SEPARATORS[inside->role];
    if (separator != NULL && inside->children > 0 && role != FN_ROLE_ANNOTATION &&
        !fn_grow(&math->tex, separator, strlen(separator)))
        return false;
    FnFrame *frame = &math->frames[math->depth++];
    *frame = (FnFrame){.role = role, .start = math->tex.n};
    if (role == FN_ROLE_MATRIX) {
        frame->style_n = alignment_of(style, frame->style);
    } else {
        assert(style.n < sizeof(frame->style));
        memcpy(frame->style, style.p, style.n);
        frame->style_n = style.n;
    }
    return true;
}

/* Add white space to the text of an element; texts keep no-break spaces as spaces. */
bool fn_formula_blank(FnFormula *math, bool is_no_break)
{
    FnFrame *frame = &math->frames[math->depth - 1];
    if (is_no_break && frame->role == LAST_TOKEN) return fn_formula_word(math, " ", 1);
    frame->gap = math->tex.n > frame->start;
    return true;
}

bool fn_formula_word(FnFormula *math, const char *p, size_t n)
{
    FnFrame *frame = &math->frames[math->depth - 1];
    if (!holds_text(frame)) return true;
    if (frame->gap && !fn_grow(&math->tex, " ", 1)) return false;
    frame->gap = false;
    return fn_grow(&math->tex, p, n);
}

static bool add(FnFormula *math, const char *p, size_t n) { return fn_grow(&math->scratch, p, n); }
static bool add_text(FnFormula *math, const char *text) { return add(math, text, strlen(text)); }

static bool is_word(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!fn_is_letter(p[i])) return false;
    return true;
}

static bool write_identifier(FnFormula *math, const FnBlocks *tables, const char *p, size_t n)
{
    int place = fn_find_name(&tables->symbol_names, p, n);
    if (place >= 0) return add(math, tables->symbols[place].p, tables->symbols[place].n);
    if (n < 2 || !is_word(p, n)) return add(math, p, n);
    return add_text(math, "\\mathrm{") && add(math, p, n) && add(math, "}", 1);
}

static bool write_token(FnFormula *math, const FnBlocks *tables, const FnFrame *frame)
{
    const char *p = math->tex.p + frame->start;
    size_t n = math->tex.n - frame->start;
    if (n == 0) return true;
    if (frame->role == FN_ROLE_MATH_TEXT) return add_text(math, "\\text{") && add(math, p, n) && add(math, "}", 1);
    if (frame->style_n > 0 && !(add(math, frame->style, frame->style_n) && add(math, "{", 1))) return false;
    if (!(frame->role == FN_ROLE_IDENTIFIER ? write_identifier(math, tables, p, n) : add(math, p, n))) return false;
    return frame->style_n == 0 || add(math, "}", 1);
}

static FnStr child_of(const FnFormula *math, const FnFrame *frame, unsigned number)
{
    size_t end = number + 1 < frame->children ? frame->at[number + 1] : math->tex.n;
    return (FnStr){math->tex.p + frame->at[number], end - frame->at[number]};
}

static bool is_command(FnStr tex)
{
    return tex.n > 1 && *tex.p == '\\' && memchr(tex.p, ' ', tex.n) == tex.p + tex.n - 1;
}

static const char *template_of(const FnFormula *math, const FnFrame *frame)
{
    const char *template = TEMPLATES[frame->role];
    if (LIMITS[frame->role] != NULL && frame->children > 0 && is_command(child_of(math, frame, 0))) template = LIMITS[frame->role];
    if (frame->role == FN_ROLE_FRACTION && frame->style_n > 0) template = FN_TEX_STACKED;
    for (const char *c = template; c != NULL && *c; c++)
        if (*c < ALL && (unsigned)*c > frame->children) return NULL;
    return template;
}

static bool write_columns(FnFormula *math, const FnFrame *frame)
{
    for (unsigned i = 0; i < frame->columns; i++)
        if (!add(math, i < frame->style_n ? &frame->style[i] : "c", 1)) return false;
    return true;
}

static bool write_template(FnFormula *math, const FnFrame *frame, const char *template)
{
    for (const char *c = template; *c; c++) {
        FnStr child = {math->tex.p + frame->start, math->tex.n - frame->start};
        if (*c < ALL) child = child_of(math, frame, (unsigned)*c - 1);
        bool good = *c > COLUMNS ? add(math, c, 1) : *c == COLUMNS ? write_columns(math, frame) : add(math, child.p, child.n);
        if (!good) return false;
    }
    return true;
}

/* Replace what an element holds by its TeX. */
static bool convert(FnFormula *math, const FnBlocks *tables, const FnFrame *frame)
{
    math->scratch.n = 0;
    const char *template = holds_text(frame) ? NULL : template_of(math, frame);
    if (holds_text(frame)) {
        if (!write_token(math, tables, frame)) return false;
    } else if (template != NULL) {
        if (!write_template(math, frame, template)) return false;
    } else {
        return true;
    }
    math->tex.n = frame->start;
    return fn_grow(&math->tex, math->scratch.p, math->scratch.n);
}

/* Length of `\left` or `\right` where a delimiter may follow, or 0. */
static size_t fence_at(const char *p, const char *end)
{
    size_t n = end - p >= 5 && memcmp(p, "\\left", 5) == 0 ? 5 : end - p >= 6 && memcmp(p, "\\right", 6) == 0 ? 6 : 0;
    return n > 0 && p + n < end && fn_is_letter(p[n]) ? 0 : n;
}

/* What kind of delimiter the text from `start` on begins with: 5 for an open one, 6 for a closing one, or 0. */
static size_t fence_of(const FnFormula *math, size_t start, size_t end)
{
    return start < end ? fence_at(math->tex.p + start, math->tex.p + end) : 0;
}

static void note_fence(FnFormula *math, FnFrame *parent, size_t start)
{
    size_t fence = fence_of(math, start, math->tex.n);
    if (fence == 5 && parent->fence_count < FN_MOST_FENCES) parent->fences[parent->fence_count++] = start;
    else if (fence == 6 && parent->fence_count > 0) parent->fence_count--;
}

/* Let scripts on a closing delimiter stand on all that is delimited, which the row has before it. */
static void take_fenced(FnFormula *math, FnFrame *frame, FnFrame *row)
{
    if (frame->children == 0 || row->fence_count == 0) return;
    size_t end = frame->children > 1 ? frame->at[1] : math->tex.n;
    if (fence_of(math, frame->at[0], end) == 6) frame->start = frame->at[0] = row->fences[--row->fence_count];
}

static bool is_row(unsigned role)
{
    return role == 0 || role == FN_ROLE_MATH_ROW || role == FN_ROLE_SQUARE_ROOT || role == FN_ROLE_MATRIX_CELL;
}

static bool has_scripts(unsigned role)
{
    return role == FN_ROLE_SUPER || role == FN_ROLE_SUB || role == FN_ROLE_SUB_SUPER;
}

static bool close_frame(FnFormula *math, const FnBlocks *tables)
{
    FnFrame *frame = &math->frames[--math->depth], *parent = frame - 1;
    if (frame->role == FN_ROLE_ANNOTATION) {
        if (frame->style_n > 0) {
            math->annotation.n = 0;
            if (!fn_grow(&math->annotation, math->tex.p + frame->start, math->tex.n - frame->start)) return false;
        }
        math->tex.n = frame->start;
        return true;
    }
    if (has_scripts(frame->role) && is_row(parent->role)) take_fenced(math, frame, parent);
    if (math->too_long) math->tex.n = frame->start;
    else if (!convert(math, tables, frame)) return false;
    size_t size = math->tex.n - frame->start;
    math->too_long |= size > FN_MOST_TEX;
    math->steps += size;
    note_fence(math, parent, frame->start);
    if (parent->children < 4) parent->at[parent->children] = frame->start;
    parent->children++;
    if (frame->role == FN_ROLE_MATRIX_ROW && frame->children > parent->columns) parent->columns = frame->children;
    return true;
}

bool fn_formula_end(FnFormula *math, const FnBlocks *tables, unsigned role)
{
    math->steps += (uint64_t)math->depth;
    for (int depth = math->depth - 1; depth > 0; depth--)
        if (math->frames[depth].role == role) {
            while (math->depth > depth)
                if (!close_frame(math, tables)) return false;
            return true;
        }
    return true;
}

/* Whether each `\left` has its `\right` in the same group. */
static bool is_balanced(const char *p, const char *end)
{
    long depths[FN_MOST_FRAMES], depth = 0;
    unsigned count = 0;
    while (p < end) {
        size_t n = fence_at(p, end);
        if (n == 5) {
            if (count == FN_MOST_FRAMES) return false;
            depths[count++] = depth;
        } else if (n == 6) {
            if (count == 0 || depths[--count] != depth) return false;
        } else if (*p == '\\') {
            n = 2;
        } else {
            depth += (*p == '{') - (*p == '}');
            n = 1;
        }
        p += n;
    }
    return count == 0;
}

static void drop_fences(FnGrowing *tex)
{
    char *out = tex->p;
    for (const char *p = tex->p, *end = tex->p + tex->n; p < end;) {
        size_t n = fence_at(p, end);
        if (n > 0) p += n;
        else *out++ = *p++;
    }
    tex->n = (size_t)(out - tex->p);
}

bool fn_formula_finish(FnFormula *math, const FnBlocks *tables)
{
    while (math->depth > 1)
        if (!close_frame(math, tables)) return false;
    if (math->annotation.n > 0) {
        math->tex.n = 0;
        return fn_grow(&math->tex, math->annotation.p, math->annotation.n);
    }
    if (math->too_long || math->tex.n > FN_MOST_TEX) math->tex.n = 0;
    if (math->tex.n > 0 && !is_balanced(math->tex.p, math->tex.p + math->tex.n)) drop_fences(&math->tex);
    return true;
}
