/* Which text is taken: page.py, compare.py and trafilatura's baseline over the core's nodes. */
#include "core.h"

typedef struct { Node *body; size_t length; char first; } Candidate;

static bool has_paragraph_text(Page *page, Node *body)
{
    Walk walk = walk_tag(page, body, T_P, false);
    for (Node *paragraph; (paragraph = walk_on(page, &walk)) != NULL;) {
        if (paragraph->text.p != NULL) return true;
        for (Node *node = step(paragraph, paragraph); node != NULL; node = step(paragraph, node))
            if (node->text.p != NULL || node->tail.p != NULL) return true;
    }
    return false;
}

static size_t count_of(Page *page, Node *body, uint32_t tag) { return list_of(page, walk_tag(page, body, tag, false)).n; }

/* readability's article where it is to be taken instead of our own text; its body is NULL where it is not. */
static Extract readable_article(Page *page, Node *tree, MarkedList marked, const Extract *own)
{
    static const uint32_t PAGE_BITS[] = {PAYWALL, OVERALL, HIDDEN};
    const Extract none = {NULL, 0};
    long doubled = 2 * (long)own->length;
    bool borderline = !has_paragraph_text(page, own->body) || count_of(page, own->body, T_TABLE) > count_of(page, own->body, T_P);
    bool too_short = false;
    discard(page, marked, PAGE_BITS, 3);
    Node *article = summary(page, tree, borderline && doubled > 2 * MIN_CHARS ? 2 * MIN_CHARS : doubled, &too_short);
    if (too_short) return none;
    if (article == NULL) leave(page, NO_TEXT); /* trafilatura gives up such a page */
    Trimmed count = {0};
    count_text(page, article, &count, NO_LIMIT);
    trimmed_add(&count, article->tail, NO_LIMIT);
    size_t length = count.chars;
    if (length == 0 || length == own->length || own->length > 2 * length) return none;
    if (own->length == 0 || (length > 2 * own->length && count.first != '{') || (borderline && length > 2 * MIN_CHARS))
        return (Extract){article, length};
    return none;
}

static Extract justext_of(Page *page)
{
    static const uint32_t BITS[] = {PAYWALL, COMMENTS};
    Node *tree = page->host->source(page);
    clean(page, tree);
    discard(page, below(page, tree, mark(page, tree)), BITS, 2);
    Node *body = good_paragraphs(page, tree);
    size_t length = joined_length(page, body, true);
    return (Extract){length ? body : NULL, length};
}

/* readability's article with tags that our own text has (trafilatura's sanitize_tree) */
static Extract sanitized(Page *page, Node *tree)
{
    clean(page, tree);
    strip_tag_sets(page, tree, 0, T_A, T_SPAN);
    convert(page, tree);
    for (Node *node = tree; node != NULL; node = step(tree, node)) {
        if (node->tag == T_TR) node->tag = T_ROW;
        else if (node->tag == T_TD) node->tag = T_CELL;
        else if (node->tag == T_TH) {
            set_attribute(page, node, A_ROLE, LIT("role"), LIT("head"));
            node->tag = T_CELL;
        }
    }
    strip_tags_outside(page, tree, IN(TEI));
    return (Extract){tree, joined_length(page, tree, true)};
}

static Extract compare(Page *page, Node *tree, MarkedList marked, const Extract *own)
{
    Extract article = readable_article(page, tree, marked, own), best = article.body != NULL ? article : *own;
    if (first_of_sets(page, best.body, IN(UNCLEAN)) != NULL || best.length < MIN_CHARS) {
        Extract found = justext_of(page);
        if (found.body != NULL) return best.length <= 4 * found.length ? found : best;
    }
    return article.body != NULL ? sanitized(page, article.body) : best;
}

/* ---- trafilatura's baseline ---- */

typedef struct { Str *slots; size_t room, n; } Seen;

static bool seen_before(Page *page, Seen *seen, Str text)
{
    if (2 * (seen->n + 1) > seen->room) {
        Seen larger = {NULL, seen->room ? seen->room * 2 : 256, 0};
        larger.slots = take(page, larger.room * sizeof(Str));
        memset(larger.slots, 0, larger.room * sizeof(Str));
        for (size_t i = 0; i < seen->room; i++)
            if (seen->slots[i].p != NULL) seen_before(page, &larger, seen->slots[i]);
        *seen = larger;
    }
    uint64_t slot = hash_bytes(page->seed, text.p, text.n) % seen->room;
    for (; seen->slots[slot].p != NULL; slot = (slot + 1) % seen->room) {
        tick(page);
        if (equals(seen->slots[slot], text)) return true;
    }
    seen->slots[slot] = text;
    seen->n++;
    return false;
}

/* Adds a paragraph; the length of all their texts joined by spaces, as trafilatura adds it up. */
static size_t add_paragraph(Page *page, Node *body, Str text, size_t length)
{
    add_child(page, body, T_P)->text = text;
    return length ? length + 1 + char_count(text) : char_count(text);
}

static Str lines_of(Page *page, const Node *body)
{
    Buffer buffer = {0};
    const Node *node = body;
    bool first = true;
    put(page, &buffer, LIT(" "));
    buffer.n = 0;
    for (;;) {
        if (node->text.p != NULL) {
            if (!first) put(page, &buffer, LIT("\n"));
            put(page, &buffer, trim(page, node->text));
            first = false;
        }
        tick(page);
        if (node->first != NULL) {
            node = node->first;
            continue;
        }
        while (node != body) {
            if (node->tail.p != NULL) {
                if (!first) put(page, &buffer, LIT("\n"));
                put(page, &buffer, trim(page, node->tail));
                first = false;
            }
            if (node->next != NULL) break;
            node = node->parent;
        }
        if (node == body) break;
        node = node->next;
    }
    return (Str){buffer.p, buffer.n};
}

/* JSON-LD is left to Python, which has a JSON parser. */
static bool holds_json(Page *page, Node *tree)
{
    Walk walk = walk_tag(page, tree, T_SCRIPT, false);
    for (Node *script; (script = walk_on(page, &walk)) != NULL;)
        if (equals(attribute_value(script, A_TYPE), LIT("application/ld+json")) && holds(script->text, LIT("articleBody"))) return true;
    return false;
}

static Extract baseline(Page *page, bool *by_python)
{
    Node *tree = page->host->source(page), *body = new_node(page, T_BODY);
    size_t length = 0;
    Seen seen = {0};
    if (holds_json(page, tree)) {
        *by_python = true;
        return (Extract){NULL, 0};
    }
    NodeList unwanted = list_of(page, walk_sets(page, tree, IN(BASIC_CLEANED), false));
    for (size_t i = 0; i < unwanted.n; i++) delete_node(page, unwanted.items[i]);
    Walk walk = walk_tag(page, tree, T_ARTICLE, false);
    for (Node *article; (article = walk_on(page, &walk)) != NULL;) {
        Str text = trim(page, text_of(page, article));
        if (char_count(text) > 100) length = add_paragraph(page, body, text, length);
    }
    if (body->first != NULL) return (Extract){body, length};
    walk = walk_sets(page, tree, IN(BASELINE_TEXTS), true);
    for (Node *node; (node = walk_on(page, &walk)) != NULL;) {
        Str text = trim(page, text_of(page, node));
        if (!seen_before(page, &seen, text)) length = add_paragraph(page, body, text, length);
    }
    if (length > 100) return (Extract){body, length};
    body = new_node(page, T_BODY);
    Node *page_body = first_below(page, tree, T_BODY);
    if (page_body == NULL) return (Extract){body, 0};
    Str text = lines_of(page, page_body);
    add_child(page, body, T_P)->text = text;
    return (Extract){body, text.n};
}

/* ---- the steps in their order ---- */

Node *best_body(Page *page, bool *by_python)
{
    static const uint32_t COMMENT_BITS[] = {COMMENTS};
    Node *tree = page->host->source(page);
    MarkedList marked = mark(page, tree), twins;
    Node *copy = copy_tree(page, tree);
    bool comments = false;
    twins = (MarkedList){take(page, (marked.n + 1) * sizeof(Marked)), 0};
    for (size_t i = 0; i < marked.n; i++) {
        if (marked.items[i].mask & (PAYWALL | OVERALL | HIDDEN))
            twins.items[twins.n++] = (Marked){marked.items[i].node->twin, marked.items[i].mask};
    }
    clean(page, tree);
    convert(page, tree);
    marked = below(page, tree, marked);
    for (size_t i = 0; i < marked.n; i++) comments = comments || marked.items[i].mask & COMMENTS;
    if (comments) {
        discard(page, marked, COMMENT_BITS, 1);
        marked = below(page, tree, marked);
    }
    Extract own = extract_content(page, tree, marked), best = compare(page, copy, twins, &own);
    if (best.length < MIN_CHARS) best = baseline(page, by_python);
    return best.length ? best.body : NULL;
}
