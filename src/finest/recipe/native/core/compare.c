/* Run the steps and choose the best text: C port of extract/page.py, extract/compare.py and trafilatura's baseline. */
#include "core.h"

typedef struct { FnNode *body; size_t length; char first; } Candidate;

static bool has_paragraph_text(FnPage *page, FnNode *body)
{
    FnWalk walk = fn_walk_tag(page, body, FN_T_P, false);
    for (FnNode *paragraph; (paragraph = fn_walk_on(page, &walk)) != NULL;) {
        if (paragraph->text.p != NULL) return true;
        for (FnNode *node = fn_step(paragraph, paragraph); node != NULL; node = fn_step(paragraph, node))
            if (node->text.p != NULL || node->tail.p != NULL) return true;
    }
    return false;
}

static size_t count_of(FnPage *page, FnNode *body, uint32_t tag)
{
    return fn_list_of(page, fn_walk_tag(page, body, tag, false)).n;
}

/* readability's article if it is better than our own text; otherwise the body is NULL. */
static FnExtract readable_article(FnPage *page, FnNode *tree, FnMarkedList marked, const FnExtract *own)
{
    static const uint32_t PAGE_BITS[] = {FN_MARK_PAYWALL, FN_MARK_OVERALL, FN_MARK_HIDDEN};
    const FnExtract none = {NULL, 0};
    long doubled = 2 * (long)own->length;
    bool borderline = !has_paragraph_text(page, own->body) ||
                      count_of(page, own->body, FN_T_TABLE) > count_of(page, own->body, FN_T_P);
    bool too_short = false;
    fn_discard(page, marked, PAGE_BITS, 3);
    FnNode *article =
        fn_summary(page, tree, borderline && doubled > 2 * FN_MIN_CHARS ? 2 * FN_MIN_CHARS : doubled, &too_short);
    if (too_short) return none;
    if (article == NULL) fn_leave(page, FN_NO_TEXT); /* trafilatura returns no text for such a page */
    FnTrimmed count = {0};
    fn_count_text(page, article, &count, FN_NO_LIMIT);
    fn_trimmed_add(&count, article->tail, FN_NO_LIMIT);
    size_t length = count.chars;
    if (length == 0 || length == own->length || own->length > 2 * length) return none;
    if (own->length == 0 || (length > 2 * own->length && count.first != '{') || (borderline && length > 2 * FN_MIN_CHARS))
        return (FnExtract){article, length};
    return none;
}

static FnExtract justext_of(FnPage *page)
{
    static const uint32_t BITS[] = {FN_MARK_PAYWALL, FN_MARK_COMMENTS};
    FnNode *tree = page->host->source(page);
    fn_clean(page, tree);
    fn_discard(page, fn_below(page, tree, fn_mark(page, tree)), BITS, 2);
    FnNode *body = fn_good_paragraphs(page, tree);
    size_t length = fn_joined_length(page, body, true);
    return (FnExtract){length ? body : NULL, length};
}

/* Clean readability's article and convert its tags to those of our own text (trafilatura's sanitize_tree). */
static FnExtract sanitized(FnPage *page, FnNode *tree)
{
    fn_clean(page, tree);
    fn_strip_tag_sets(page, tree, 0, FN_T_A, FN_T_SPAN);
    fn_convert(page, tree);
    for (FnNode *node = tree; node != NULL; node = fn_step(tree, node)) {
        if (node->tag == FN_T_TR) node->tag = FN_T_ROW;
        else if (node->tag == FN_T_TD) node->tag = FN_T_CELL;
        else if (node->tag == FN_T_TH) {
            fn_set_attribute(page, node, FN_A_ROLE, FN_LIT("role"), FN_LIT("head"));
            node->tag = FN_T_CELL;
        }
    }
    fn_strip_tags_outside(page, tree, FN_IN(TEI));
    return (FnExtract){tree, fn_joined_length(page, tree, true)};
}

static FnExtract compare(FnPage *page, FnNode *tree, FnMarkedList marked, const FnExtract *own)
{
    FnExtract article = readable_article(page, tree, marked, own), best = article.body != NULL ? article : *own;
    if (fn_first_of_sets(page, best.body, FN_IN(UNCLEAN)) != NULL || best.length < FN_MIN_CHARS) {
        FnExtract found = justext_of(page);
        if (found.body != NULL) return best.length <= 4 * found.length ? found : best;
    }
    return article.body != NULL ? sanitized(page, article.body) : best;
}

/* ---- trafilatura's baseline ---- */

typedef struct { FnStr *slots; size_t room, n; } Seen;

static bool seen_before(FnPage *page, Seen *seen, FnStr text)
{
    if (2 * (seen->n + 1) > seen->room) {
        Seen larger = {NULL, seen->room ? seen->room * 2 : 256, 0};
        larger.slots = fn_take(page, larger.room * sizeof(FnStr));
        memset(larger.slots, 0, larger.room * sizeof(FnStr));
        for (size_t i = 0; i < seen->room; i++)
            if (seen->slots[i].p != NULL) seen_before(page, &larger, seen->slots[i]);
        *seen = larger;
    }
    uint64_t slot = fn_hash_bytes(page->seed, text.p, text.n) % seen->room;
    for (; seen->slots[slot].p != NULL; slot = (slot + 1) % seen->room) {
        fn_tick(page);
        if (fn_equals(seen->slots[slot], text)) return true;
    }
    seen->slots[slot] = text;
    seen->n++;
    return false;
}

/* Add a paragraph; return the length of all paragraphs' texts joined by spaces, as trafilatura computes it. */
static size_t add_paragraph(FnPage *page, FnNode *body, FnStr text, size_t length)
{
    fn_add_child(page, body, FN_T_P)->text = text;
    return length ? length + 1 + fn_char_count(text) : fn_char_count(text);
}

static FnStr lines_of(FnPage *page, const FnNode *body)
{
    FnBuffer buffer = {0};
    const FnNode *node = body;
    bool first = true;
    fn_put(page, &buffer, FN_LIT(" "));
    buffer.n = 0;
    for (;;) {
        if (node->text.p != NULL) {
            if (!first) fn_put(page, &buffer, FN_LIT("\n"));
            fn_put(page, &buffer, fn_trim(page, node->text));
            first = false;
        }
        fn_tick(page);
        if (node->first != NULL) {
            node = node->first;
            continue;
        }
        while (node != body) {
            if (node->tail.p != NULL) {
                if (!first) fn_put(page, &buffer, FN_LIT("\n"));
                fn_put(page, &buffer, fn_trim(page, node->tail));
                first = false;
            }
            if (node->next != NULL) break;
            node = node->parent;
        }
        if (node == body) break;
        node = node->next;
    }
    return (FnStr){buffer.p, buffer.n};
}

/* JSON-LD is left to Python, which has a JSON parser. */
static bool holds_json(FnPage *page, FnNode *tree)
{
    FnWalk walk = fn_walk_tag(page, tree, FN_T_SCRIPT, false);
    for (FnNode *script; (script = fn_walk_on(page, &walk)) != NULL;)
        if (fn_equals(fn_attribute_value(script, FN_A_TYPE), FN_LIT("application/ld+json")) &&
            fn_holds(script->text, FN_LIT("articleBody")))
            return true;
    return false;
}

static FnExtract baseline(FnPage *page, bool *by_python)
{
    FnNode *tree = page->host->source(page), *body = fn_new_node(page, FN_T_BODY);
    size_t length = 0;
    Seen seen = {0};
    if (holds_json(page, tree)) {
        *by_python = true;
        return (FnExtract){NULL, 0};
    }
    FnNodeList unwanted = fn_list_of(page, fn_walk_sets(page, tree, FN_IN(BASIC_CLEANED), false));
    for (size_t i = 0; i < unwanted.n; i++) fn_delete_node(page, unwanted.items[i]);
    FnWalk walk = fn_walk_tag(page, tree, FN_T_ARTICLE, false);
    for (FnNode *article; (article = fn_walk_on(page, &walk)) != NULL;) {
        FnStr text = fn_trim(page, fn_text_of(page, article));
        if (fn_char_count(text) > 100) length = add_paragraph(page, body, text, length);
    }
    if (body->first != NULL) return (FnExtract){body, length};
    walk = fn_walk_sets(page, tree, FN_IN(BASELINE_TEXTS), true);
    for (FnNode *node; (node = fn_walk_on(page, &walk)) != NULL;) {
        FnStr text = fn_trim(page, fn_text_of(page, node));
        if (!seen_before(page, &seen, text)) length = add_paragraph(page, body, text, length);
    }
    if (length > 100) return (FnExtract){body, length};
    body = fn_new_node(page, FN_T_BODY);
    FnNode *page_body = fn_first_below(page, tree, FN_T_BODY);
    if (page_body == NULL) return (FnExtract){body, 0};
    FnStr text = lines_of(page, page_body);
    fn_add_child(page, body, FN_T_P)->text = text;
    return (FnExtract){body, text.n};
}

/* ---- the steps in their order ---- */

FnNode *fn_best_body(FnPage *page, bool *by_python)
{
    static const uint32_t COMMENT_BITS[] = {FN_MARK_COMMENTS};
    FnNode *tree = page->host->source(page);
    FnMarkedList marked = fn_mark(page, tree), twins;
    FnNode *copy = fn_copy_tree(page, tree);
    bool comments = false;
    twins = (FnMarkedList){fn_take(page, (marked.n + 1) * sizeof(FnMarked)), 0};
    for (size_t i = 0; i < marked.n; i++) {
        if (marked.items[i].mask & (FN_MARK_PAYWALL | FN_MARK_OVERALL | FN_MARK_HIDDEN))
            twins.items[twins.n++] = (FnMarked){marked.items[i].node->twin, marked.items[i].mask};
    }
    fn_clean(page, tree);
    fn_convert(page, tree);
    marked = fn_below(page, tree, marked);
    for (size_t i = 0; i < marked.n; i++) comments = comments || marked.items[i].mask & FN_MARK_COMMENTS;
    if (comments) {
        fn_discard(page, marked, COMMENT_BITS, 1);
        marked = fn_below(page, tree, marked);
    }
    FnExtract own = fn_extract_content(page, tree, marked), best = compare(page, copy, twins, &own);
    if (best.length < FN_MIN_CHARS) best = baseline(page, by_python);
    return best.length ? best.body : NULL;
}
