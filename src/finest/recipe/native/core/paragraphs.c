/* Run jusText on a tree: C port of extract/paragraphs.py. */
#include "core.h"

enum { GOOD, NEARGOOD, SHORT, BAD };

typedef struct Paragraph {
    struct Paragraph *next;
    FnBuffer text;
    size_t texts, link_chars;
    bool in_select;
    int kind;
} Paragraph;

typedef struct {
    FnPage *page;
    Paragraph *first, *last, *current;
    size_t count;
    bool in_link, after_break;
} Maker;

static void begin(Maker *maker, bool in_select)
{
    maker->current = fn_take(maker->page, sizeof(Paragraph));
    memset(maker->current, 0, sizeof(Paragraph));
    maker->current->in_select = in_select;
}

static void cut(Maker *maker, bool in_select)
{
    if (maker->current->texts == 0) {
        maker->current->in_select = in_select;
        maker->current->link_chars = 0;
        return;
    }
    if (maker->last != NULL) maker->last->next = maker->current;
    else maker->first = maker->current;
    maker->last = maker->current;
    maker->count++;
    begin(maker, in_select);
}

static size_t chars_with_single_spaces(FnStr text)
{
    size_t n = 0;
    bool after_space = false;
    for (const char *p = text.p, *end = text.p + text.n; p < end;) {
        unsigned char byte = (unsigned char)*p;
        size_t space = FN_BYTE_KIND[byte] ? fn_space_at(p, end) : 0;
        n += space ? !after_space : (byte & 0xc0) != 0x80;
        after_space = space > 0;
        p += space ? space : 1;
    }
    return n;
}

static void add(Maker *maker, FnStr text)
{
    if (!fn_has_text(text)) return;
    maker->current->texts++;
    fn_put(maker->page, &maker->current->text, text);
    if (maker->in_link) maker->current->link_chars += chars_with_single_spaces(text);
    maker->after_break = false;
}

static void walk_element(Maker *maker, const FnNode *node, bool in_select)
{
    uint64_t sets = fn_sets_of(maker->page, node->tag);
    bool block = (sets & FN_IN(PARAGRAPHS)) != 0, inside = in_select || sets & FN_IN(HOLDS_SELECT);
    fn_tick(maker->page);
    if (block || (node->tag == FN_T_BR && maker->after_break)) {
        cut(maker, inside);
    } else {
        maker->after_break = node->tag == FN_T_BR;
        if (node->tag == FN_T_BR) {
            maker->current->texts++;
            fn_put(maker->page, &maker->current->text, FN_LIT(" "));
        } else if (node->tag == FN_T_A) {
            maker->in_link = true;
        }
    }
    add(maker, node->text);
    for (const FnNode *child = node->first; child != NULL; child = child->next) walk_element(maker, child, inside);
    if (block) cut(maker, in_select);
    if (node->tag == FN_T_A) maker->in_link = false;
    add(maker, node->tail);
}

static int kind_of(FnPage *page, const Paragraph *paragraph)
{
    const char *p = paragraph->text.p, *end = p + paragraph->text.n;
    size_t words = 0, length = 0, stop_words = 0;
    FnTrimmed count = {0};
    FnStr text = {p, paragraph->text.n};
    fn_trimmed_add(&count, text, FN_NO_LIMIT);
    length = count.chars;
    if (length && (double)paragraph->link_chars / (double)length > FN_PARAGRAPHS_MAX_LINK_DENSITY) return BAD;
    if (paragraph->in_select || fn_holds(text, FN_LIT("\xc2\xa9")) || fn_holds(text, FN_LIT("&copy"))) return BAD;
    if (length < FN_PARAGRAPHS_LENGTH_LOW) return paragraph->link_chars > 0 ? BAD : SHORT;
    while (p < end) {
        size_t n;
        while (p < end && (n = fn_space_at(p, end)) > 0) p += n;
        const char *word = p;
        while (p < end && (FN_BYTE_KIND[(unsigned char)*p] == 0 || fn_space_at(p, end) == 0)) p++;
        if (p == word) break;
        fn_tick(page);
        words++;
        stop_words += page->host->is_stop_word(page, word, (size_t)(p - word));
    }
    double share = (double)stop_words / (double)words;
    if (share >= FN_PARAGRAPHS_STOPWORDS_HIGH) return length > FN_PARAGRAPHS_LENGTH_HIGH ? GOOD : NEARGOOD;
    return share >= FN_PARAGRAPHS_STOPWORDS_LOW ? NEARGOOD : BAD;
}

typedef struct { int decided, nearest; } Neighbours;

/* For each paragraph, the nearest kind before (or after) it among good and bad, and among good, bad and neargood. */
static Neighbours *neighbours(FnPage *page, Paragraph *const *all, size_t n, bool before)
{
    Neighbours *found = fn_take(page, (n + 1) * sizeof(Neighbours)), now = {BAD, BAD};
    for (size_t i = 0; i < n; i++) {
        size_t at = before ? i : n - 1 - i;
        found[at] = now;
        if (all[at]->kind == GOOD || all[at]->kind == BAD) now.decided = now.nearest = all[at]->kind;
        else if (all[at]->kind == NEARGOOD) now.nearest = NEARGOOD;
    }
    return found;
}

static int short_kind(Neighbours previous, Neighbours following)
{
    if (previous.decided == following.decided) return previous.decided;
    bool near = (previous.decided == BAD && previous.nearest == NEARGOOD) ||
                (following.decided == BAD && following.nearest == NEARGOOD);
    return near ? GOOD : BAD;
}

static void revise(FnPage *page, Paragraph *const *all, size_t n)
{
    const Neighbours *before = neighbours(page, all, n, true), *after = neighbours(page, all, n, false);
    for (size_t i = 0; i < n; i++)
        if (all[i]->kind == SHORT) all[i]->kind = short_kind(before[i], after[i]);
    after = neighbours(page, all, n, false);
    int previous = BAD;
    for (size_t i = 0; i < n; i++) {
        if (all[i]->kind == NEARGOOD) all[i]->kind = previous == BAD && after[i].decided == BAD ? BAD : GOOD;
        previous = all[i]->kind;
    }
}

/* Collapse each run of white space to one space, or to one line break if it contains one. */
static FnStr paragraph_text(FnPage *page, const Paragraph *paragraph)
{
    FnStr text = fn_strip((FnStr){paragraph->text.p, paragraph->text.n});
    char *out = fn_take(page, text.n + 1), *o = out;
    for (const char *p = text.p, *end = text.p + text.n; p < end;) {
        size_t n = FN_BYTE_KIND[(unsigned char)*p] ? fn_space_at(p, end) : 0;
        if (n == 0) {
            *o++ = *p++;
            continue;
        }
        char space = ' ';
        for (; p < end && (n = fn_space_at(p, end)) > 0; p += n)
            if (*p == '\n' || *p == '\r') space = '\n';
        *o++ = space;
    }
    return (FnStr){out, (size_t)(o - out)};
}

FnNode *fn_good_paragraphs(FnPage *page, FnNode *tree)
{
    Maker maker = {page, NULL, NULL, NULL, 0, false, false};
    FnNode *body = fn_new_node(page, FN_T_BODY);
    bool any = false;
    size_t n = 0;
    begin(&maker, false);
    walk_element(&maker, tree, false);
    cut(&maker, false);
    Paragraph **all = fn_take(page, (maker.count + 1) * sizeof(Paragraph *));
    for (Paragraph *paragraph = maker.first; paragraph != NULL; paragraph = paragraph->next) {
        paragraph->kind = kind_of(page, paragraph);
        any = any || paragraph->kind == GOOD || paragraph->kind == NEARGOOD;
        all[n++] = paragraph;
    }
    if (!any) return body;
    revise(page, all, n);
    for (size_t i = 0; i < n; i++)
        if (all[i]->kind == GOOD) fn_add_child(page, body, FN_T_P)->text = paragraph_text(page, all[i]);
    return body;
}
