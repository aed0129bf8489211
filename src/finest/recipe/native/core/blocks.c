/* Split a page's HTML into blocks of text in one pass: C port of extract/blocks.py; keep the two in sync. */
#define PY_SSIZE_T_CLEAN
#include "structure.h"

enum { TAGS_UNWATCHED = 4096 };

static const FnHtmlTag *find_tag(const FnBlocks *tables, const char *p, size_t n)
{
    int place = fn_find_name(&tables->tag_names, p, n);
    return place < 0 ? NULL : &tables->tags[place];
}

/* ---- elements ---- */

static bool break_here(FnReader *reader, const FnHtmlTag *tag)
{
    if (reader->keeper != NULL && reader->keeper->pre_from >= 0) return !reader->keeper->begun || fn_keep_newline(reader);
    if (!fn_end_block(reader)) return false;
    reader->own_names = 0;
    reader->is_cell &= (tag->does & FN_DOES_CELL) != 0;
    return true;
}

static unsigned kind_around(const FnReader *reader)
{
    return reader->depth > 0 ? reader->open[reader->depth - 1].tag->kind : 0;
}

static void close_at(FnReader *reader, int depth)
{
    assert(depth >= 0 && depth < reader->depth);
    if (reader->keeper != NULL) fn_keep_close(reader, depth);
    const FnOpen *open = &reader->open[depth];
    reader->flags = open->flags;
    reader->names = open->names;
    reader->near = open->near;
    reader->depth = depth;
    if (reader->skipped_from >= depth) reader->skipped_from = -1;
    if (reader->link_from > depth) reader->link_from = -1;
    if (reader->hidden_at > depth) reader->hidden.n = 0;
    reader->kind = kind_around(reader);
}

static void end_innermost(FnReader *reader, const FnHtmlTag *tag)
{
    if (reader->keeper != NULL) fn_keep_spend(reader, (uint64_t)reader->depth);
    for (int depth = reader->depth - 1; depth >= 0; depth--) {
        unsigned family = reader->open[depth].tag->family;
        if (family & tag->ends) {
            close_at(reader, depth);
            return;
        }
        if (family & tag->within) return;
    }
}

static bool is_formatting(FnStr name)
{
    static const char *const NAMES[] = {FN_FORMATTING};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++)
        if (fn_is_named(name, (FnStr){NAMES[i], strlen(NAMES[i])})) return true;
    return false;
}

void fn_hide(FnReader *reader, FnStr name)
{
    reader->hidden_in_p = reader->kind == FN_KIND_PARAGRAPH && !is_formatting(name);
    reader->hidden = name;
    reader->hidden_at = reader->depth;
    reader->hidden_nested = 0;
}

/* Whether the name is that of the hidden element; case is ignored if both are ASCII. */
static bool is_hidden_name(const FnReader *reader, const char *p, size_t n)
{
    if (reader->hidden.n != n || n == 0) return false;
    if (memcmp(reader->hidden.p, p, n) == 0) return true;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] >= 128 || fn_lower_of(p[i]) != fn_lower_of(reader->hidden.p[i])) return false;
    return true;
}

static bool hides(const FnReader *reader, const FnHtmlTag *tag, const FnAttributes *attributes)
{
    return reader->keeper != NULL ? fn_keep_hides(reader, tag, attributes) : attributes->hides;
}

static bool is_skipped(const FnHtmlTag *tag, const FnAttributes *attributes)
{
    return tag->does & FN_DOES_SKIPPED && !(tag->role == FN_ROLE_TEMPLATE && fn_keep_is_shadow(attributes));
}

static bool start_block(FnReader *reader, const FnHtmlTag *tag, FnStr name, const FnAttributes *attributes)
{
    if (!break_here(reader, tag)) return false;
    if (tag->ends) end_innermost(reader, tag);
    bool skipped = fn_skips(reader), hidden = !skipped && !tag->whole && hides(reader, tag, attributes);
    uint32_t names = skipped || tag->whole ? 0 : attributes->names;
    if (!(tag->does & FN_DOES_PUSHED)) {
        reader->kind = tag->kind;
        reader->own_names = names;
        if (hidden && tag->does & FN_DOES_CLOSABLE) fn_hide(reader, name);
        return true;
    }
    if (reader->depth == FN_BLOCKS_MOST_OPEN) {
        if (hidden) fn_hide(reader, name);
        reader->hidden_in_p &= !hidden;
        return true;
    }
    reader->open[reader->depth++] = (FnOpen){tag, reader->flags, reader->names, reader->near, fn_shape(reader), fn_around(reader)};
    reader->flags |= tag->flag;
    reader->near = reader->names | names;
    reader->names = names;
    reader->kind = tag->kind;
    reader->is_item |= tag->family == FN_FAMILY_ITEM;
    if (reader->skipped_from < 0 && (hidden || is_skipped(tag, attributes)))
        reader->skipped_from = reader->depth - 1;
    return reader->keeper == NULL || fn_keep_enter(reader, tag, attributes);
}

static void end_element(FnReader *reader, const FnHtmlTag *tag)
{
    if (reader->keeper != NULL) fn_keep_spend(reader, (uint64_t)reader->depth);
    for (int depth = reader->depth - 1; depth >= 0; depth--) {
        if (reader->open[depth].tag == tag) {
            close_at(reader, depth);
            return;
        }
        if (reader->open[depth].tag->family & FN_FAMILY_TABLE && !(tag->family & FN_FAMILY_PART)) return;
    }
}

static bool in_head(const FnReader *reader) { return reader->depth > 0 && reader->open[0].tag->role == FN_ROLE_HEAD; }

static bool end_tag(FnReader *reader, const FnHtmlTag *tag, const char *name, size_t n)
{
    if (reader->keeper != NULL) {
        int done = fn_keep_end_in_math(reader, tag);
        if (done >= 0) return done;
        if (tag != NULL && tag->role == FN_ROLE_HEAD && !in_head(reader)) return true;
    }
    if (is_hidden_name(reader, name, n)) reader->hidden_nested--;
    bool ends_p = reader->hidden_in_p && n == 1 && fn_lower_of(*name) == 'p';
    if (reader->hidden_nested < 0 || ends_p) reader->hidden.n = 0;
    if (tag == NULL || tag->does & (FN_DOES_RAW | FN_DOES_VOID)) return true;
    if (tag->does & FN_DOES_INLINE) return fn_skips(reader) || fn_keep_end_role(reader, tag->role);
    if (tag->does & FN_DOES_BR) return fn_end_line(reader);
    if (tag->does & FN_DOES_LINK) {
        reader->link_from = -1;
        return true;
    }
    if (!break_here(reader, tag)) return false;
    if (tag->family & (FN_FAMILY_ITEM | FN_FAMILY_LIST)) reader->is_item = false;
    if (tag->does & FN_DOES_PUSHED) end_element(reader, tag);
    else reader->kind = kind_around(reader);
    return reader->keeper == NULL || fn_keep_ended(reader, tag);
}

/* ---- markup ---- */

static const char *after(const char *p, const char *end, char c)
{
    const char *at = p < end ? memchr(p, c, (size_t)(end - p)) : NULL;
    return at != NULL ? at + 1 : end;
}

static const char *comment_end(FnReader *reader, const char *p)
{
    if (reader->no_comment_end != NULL && p >= reader->no_comment_end) return NULL;
    const char *at = memmem(p, (size_t)(reader->end - p), "-->", 3);
    if (at == NULL) reader->no_comment_end = p;
    return at;
}

/* Where an end tag begins, or NULL. */
const char *fn_end_tag_at(FnReader *reader, const FnHtmlTag *tag, const char *p)
{
    size_t place = (size_t)(tag - reader->tables->tags), n = reader->tables->tag_names.names[place].n;
    FnStr name = {reader->tables->tag_names.names[place].p, n};
    const char **missing = &reader->no_end_tag[place], *end = reader->end;
    for (const char *at = p; (*missing == NULL || p < *missing) && at < end;) {
        at = memchr(at, '<', (size_t)(end - at));
        if (at == NULL) break;
        at++;
        if ((size_t)(end - at) < n + 2 || *at != '/' || !fn_is_named((FnStr){at + 1, n}, name)) continue;
        if (FN_IN_TAG[(unsigned char)at[1 + n]] & (FN_TAG_SPACE | FN_TAG_SLASH | FN_TAG_CLOSE)) return at - 1;
    }
    if (*missing == NULL || p < *missing) *missing = p;
    return NULL;
}

/* Position after the end tag; without one, the end of the page, or `p` itself for a graphic. */
const char *fn_pass_over(FnReader *reader, const FnHtmlTag *tag, const char *p)
{
    const char *at = fn_end_tag_at(reader, tag, p);
    if (at == NULL) return tag->does & FN_DOES_GRAPHIC ? p : reader->end;
    return after(at + 2 + reader->tables->tag_names.names[tag - reader->tables->tags].n, reader->end, '>');
}

/* Returns NULL with an exception. */
static const char *read_start_tag(FnReader *reader, const char *start)
{
    const char *name_end = fn_up_to(start, reader->end, FN_TAG_SPACE | FN_TAG_SLASH | FN_TAG_CLOSE);
    const FnHtmlTag *tag = find_tag(reader->tables, start, (size_t)(name_end - start));
    FnStr name = {start, (size_t)(name_end - start)};
    bool skipped = reader->skipped_from >= 0; /* before this tag, which may end the hidden element */
    bool needed = !skipped || (tag != NULL && tag->ends), keeps = reader->keeper != NULL;
    bool wanted = tag != NULL && !(tag->does & (FN_DOES_RAW | FN_DOES_VOID | FN_DOES_INLINE)) && needed;
    FnAttributes attributes;
    fn_read_attributes(reader, name_end, wanted, keeps ? needed : tag == NULL && !fn_skips(reader), keeps && needed, &attributes);
    const char *p = attributes.p;
    if (p == NULL) return reader->end;
    bool same = is_hidden_name(reader, name.p, name.n);
    if (keeps && (tag == NULL || tag->does & FN_DOES_INLINE))
        return fn_keep_inline(reader, tag, name, &attributes, same, p[-2] == '/') ? p : NULL;
    if (tag == NULL) {
        if (same) reader->hidden_nested++;
        else if (!fn_skips(reader) && attributes.hides) fn_hide(reader, name);
        return p;
    }
    if (tag->does & FN_DOES_RAW) {
        if (tag->does & FN_DOES_GRAPHIC && p[-2] == '/') return p;
        return keeps ? fn_keep_raw(reader, tag, p, &attributes) : fn_pass_over(reader, tag, p);
    }
    if (keeps && !fn_keep_end_math(reader)) return NULL;
    if (tag->role == FN_ROLE_HEAD && reader->depth > 0) return p;
    if (tag->role == FN_ROLE_BODY && in_head(reader) && !end_tag(reader, reader->open[0].tag, "head", 4)) return NULL;
    if (same || (tag->does & FN_DOES_ENDS_P && reader->hidden_in_p)) {
        if (tag->does & FN_DOES_PUSHED && same) reader->hidden_nested++;
        else reader->hidden.n = 0;
    }
    if (tag->does & FN_DOES_VOID) return p;
    if (tag->does & FN_DOES_BR) return fn_end_line(reader) ? p : NULL;
    if (tag->does & FN_DOES_LINK) {
        if (fn_skips(reader)) return p;
        if (hides(reader, tag, &attributes)) fn_hide(reader, name);
        else if (attributes.has_href) reader->link_from = reader->depth;
        return p;
    }
    return start_block(reader, tag, name, &attributes) && !(keeps && reader->keeper->failed) ? p : NULL;
}

static const char *read_end_tag(FnReader *reader, const char *start)
{
    if (start >= reader->end || !fn_is_letter(*start)) return after(start, reader->end, '>');
    const char *name_end = fn_up_to(start, reader->end, FN_TAG_SPACE | FN_TAG_SLASH | FN_TAG_CLOSE);
    size_t n = (size_t)(name_end - start);
    if (!end_tag(reader, find_tag(reader->tables, start, n), start, n)) return NULL;
    return after(name_end, reader->end, '>');
}

static const char *read_markup(FnReader *reader, const char *start)
{
    const char *p = start + 1, *end = reader->end;
    if (reader->keeper != NULL) reader->keeper->drawn = false;
    if (p < end && (*p == '!' || *p == '?')) {
        const char *closed = end - p >= 3 && memcmp(p, "!--", 3) == 0 ? comment_end(reader, p + 1) : NULL;
        return closed != NULL ? closed + 3 : after(p, end, '>');
    }
    if (p < end && *p == '/') return read_end_tag(reader, p + 1);
    if (p < end && fn_is_letter(*p)) return read_start_tag(reader, p);
    return fn_add_text(reader, start, p) ? p : NULL;
}

bool fn_read_blocks(FnBlocks *tables, const char *html, size_t n, FnFound *found, FnKeeper *keeper)
{
    FnReader reader;
    memset(&reader, 0, sizeof(reader));
    reader.tables = tables;
    reader.end = html + n;
    reader.found = found;
    reader.keeper = keeper;
    reader.skipped_from = reader.link_from = -1;
    fn_new_block(&reader);
    unsigned tags = 0;
    for (const char *p = html; p < reader.end;) {
        if (++tags % TAGS_UNWATCHED == 0 && PyErr_CheckSignals() != 0) return false;
        const char *tag = memchr(p, '<', (size_t)(reader.end - p));
        if (tag == NULL) tag = reader.end;
        if (tag > p && !fn_add_text(&reader, p, tag)) return false;
        p = tag < reader.end ? read_markup(&reader, tag) : tag;
        if (p == NULL) return false;
    }
    return fn_end_block(&reader) && !(keeper != NULL && keeper->failed);
}
