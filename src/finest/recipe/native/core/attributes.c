/* The attributes of a tag, in one pass: C port of what blocks.py, structure_tags.py and tags.py read of them. */
#define PY_SSIZE_T_CLEAN
#include "structure.h"

const uint8_t FN_IN_TAG[256] = {
    [9] = FN_TAG_SPACE, [10] = FN_TAG_SPACE, [12] = FN_TAG_SPACE, [13] = FN_TAG_SPACE, [32] = FN_TAG_SPACE,
    ['/'] = FN_TAG_SLASH, ['>'] = FN_TAG_CLOSE, ['='] = FN_TAG_EQUAL};

bool fn_is_named(FnStr text, FnStr name)
{
    if (name.n != text.n) return false;
    for (size_t i = 0; i < name.n; i++)
        if (fn_lower_of(text.p[i]) != name.p[i]) return false;
    return true;
}

static uint32_t names_of_one(const FnBlocks *tables, const char *p, const char *end)
{
    uint32_t bits = 0;
    bool first = true;
    while (p < end) {
        if (!fn_is_letter(*p)) {
            p++;
            continue;
        }
        const char *start = p;
        while (p < end && *p >= 'A' && *p <= 'Z') p++;
        while (p < end && *p >= 'a' && *p <= 'z') p++;
        int place = fn_find_name(&tables->word_names, start, (size_t)(p - start));
        if (place >= 0 && first && tables->words[place].denies) return 0;
        if (place >= 0) bits |= tables->words[place].bits;
        first = false;
    }
    return bits;
}

static uint32_t names_of(const FnBlocks *tables, const char *p, const char *end)
{
    uint32_t bits = 0;
    while (p < end) {
        while (p < end && FN_IN_TAG[(unsigned char)*p] == FN_TAG_SPACE) p++;
        const char *start = p;
        while (p < end && FN_IN_TAG[(unsigned char)*p] != FN_TAG_SPACE) p++;
        bits |= names_of_one(tables, start, p);
    }
    return bits;
}

/* Whether the text without white space equals `wanted`; `urgent`: a `!` ends the text. */
static bool is_bare(const char *p, const char *end, const char *wanted, bool urgent)
{
    for (; p < end; p++) {
        if (FN_IN_TAG[(unsigned char)*p] == FN_TAG_SPACE) continue;
        if (*wanted == 0) return urgent && *p == '!';
        if (fn_lower_of(*p) != *wanted++) return false;
    }
    return *wanted == 0;
}

static bool style_hides(const char *p, const char *end)
{
    static const char *const HIDING[] = {"display:none", "visibility:hidden", "visibility:collapse"};
    while (p < end) {
        const char *stop = memchr(p, ';', (size_t)(end - p));
        if (stop == NULL) stop = end;
        for (unsigned i = 0; i < 3; i++)
            if (is_bare(p, stop, HIDING[i], true)) return true;
        p = stop + 1;
    }
    return false;
}

static void take_hiding(FnAttributes *found, unsigned reads, FnStr value)
{
    if (reads & FN_READS_HIDDEN) found->hides = true;
    else if (reads & FN_READS_ARIA_HIDDEN) found->hides |= is_bare(value.p, value.p + value.n, "true", false);
    else if (reads & FN_READS_STYLE) found->hides |= style_hides(value.p, value.p + value.n);
}

static void take_attribute(const FnReader *reader, FnAttributes *found, FnAttributeUse use, FnStr value)
{
    if (use.reads & FN_READS_NAMES) found->names |= names_of(reader->tables, value.p, value.p + value.n);
    else if (use.reads & FN_READS_HREF) found->has_href = true;
    else take_hiding(found, use.reads, value);
}

static void take_value(FnAttributes *found, FnAttributeUse use, FnStr value)
{
    if (use.value == 0 || found->given >> (use.value - 1) & 1) return;
    found->values[use.value - 1] = value;
    found->given |= 1u << (use.value - 1);
}

static const char *quote_end(FnReader *reader, const char *p, char quote)
{
    const char **missing = &reader->no_quote[quote == '"'];
    if (*missing != NULL && p >= *missing) return NULL;
    const char *end = memchr(p, quote, (size_t)(reader->end - p));
    if (end == NULL) *missing = p;
    return end;
}

static FnStr read_value(FnReader *reader, const char **p)
{
    const char *start = *p, *end = NULL;
    if (start < reader->end && (*start == '"' || *start == '\'')) end = quote_end(reader, start + 1, *start);
    if (end != NULL) {
        *p = end + 1;
        return (FnStr){start + 1, (size_t)(end - start - 1)};
    }
    *p = fn_up_to(start, reader->end, FN_TAG_SPACE | FN_TAG_CLOSE);
    return (FnStr){start, (size_t)(*p - start)};
}

/* Set `p` to the position after the tag, or NULL if the page ends inside it. What is collected: names and links if
 * `wanted`, whether the element is hidden if `hiding`, and the values that blocks-2 reads if `values`. */
void fn_read_attributes(FnReader *reader, const char *p, bool wanted, bool hiding, bool values, FnAttributes *found)
{
    const char *end = reader->end;
    found->p = NULL;
    found->has_href = found->hides = false;
    found->names = found->given = 0;
    for (;;) {
        p = fn_past(p, end, FN_TAG_SPACE | FN_TAG_SLASH);
        if (p >= end) return;
        if (*p == '>') {
            found->p = p + 1;
            return;
        }
        const char *start = p;
        p = fn_up_to(p + 1, end, FN_TAG_SPACE | FN_TAG_SLASH | FN_TAG_CLOSE | FN_TAG_EQUAL);
        FnStr name = {start, (size_t)(p - start)}, value = {p, 0};
        const char *equal = fn_past(p, end, FN_TAG_SPACE);
        if (equal < end && *equal == '=') {
            p = fn_past(equal + 1, end, FN_TAG_SPACE);
            value = read_value(reader, &p);
        }
        int place = fn_find_name(&reader->tables->attribute_names, name.p, name.n);
        if (place < 0) continue;
        FnAttributeUse use = reader->tables->attributes[place];
        if (values) take_value(found, use, value);
        if (wanted) take_attribute(reader, found, use, value);
        else if (hiding) take_hiding(found, use.reads, value);
    }
}
