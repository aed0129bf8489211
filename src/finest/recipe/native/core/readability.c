/* trafilatura's fork of readability: readability.py over the core's nodes. */
#include "core.h"

enum { MIN_TEXT = 25, RETRY_LENGTH = 250, ENOUGH_COMMAS = 10 };

typedef struct {
    Page *page;
    Node *doc;
    long bound;
    bool failed, too_short; /* failed: trafilatura takes any exception for an empty article */
} Reading;

typedef struct { NodeList nodes; uint32_t run; } Scores;

static int name_weight(Str name)
{
    uint32_t kinds = name.n ? name_kinds(name) : 0;
    return (kinds & POSITIVE ? 25 : 0) - (kinds & NEGATIVE ? 25 : 0);
}

static int class_weight(const Node *node) { return name_weight(attribute_value(node, A_CLASS)) + name_weight(attribute_value(node, A_ID)); }

static double base_score(const Page *page, const Node *node)
{
    uint64_t sets = sets_of(page, node->tag);
    int score = class_weight(node);
    if (sets & IN(DIV_SCORES)) score += 5;
    else if (sets & IN(BLOCK_SCORES)) score += 3;
    else if (sets & IN(BAD_SCORES)) score -= 3;
    else if (sets & IN(STRUCTURE_SCORES)) score -= 5;
    return score;
}

/* Share of the element's text that is links; a length stays known for as long as `run` does. */
static double link_density(Page *page, Node *node, uint32_t run)
{
    size_t links = 0;
    Walk walk = walk_tag(page, node, T_A, false);
    for (Node *link; (link = walk_on(page, &walk)) != NULL;) {
        if (link->measured != run) {
            link->link_length = (uint32_t)trimmed_length(page, link, NO_LIMIT);
            link->measured = run;
        }
        links += link->link_length;
    }
    if (links == 0) return 0.0;
    size_t length = trimmed_length(page, node, NO_LIMIT);
    return (double)links / (double)(length ? length : 1);
}

static uint32_t new_run(Page *page) { return ++page->run; }

static void drop(Reading *reading, Node *node)
{
    if (node->parent == NULL) reading->failed = true;
    else delete_node(reading->page, node);
}

static void stop_if_short(Reading *reading, const Node *article)
{
    Trimmed count = {0};
    if (reading->bound < 0) return;
    size_t enough = (size_t)reading->bound + 1;
    if (count_text(reading->page, article, &count, enough) && trimmed_add(&count, article->tail, enough)) reading->too_short = true;
}

static void remove_unlikely(Page *page, Node *doc)
{
    NodeList elements = list_of(page, walk_any(page, doc, false));
    for (size_t i = 0; i < elements.n; i++) {
        Node *node = elements.items[i];
        if (node->attrs == NULL) continue;
        Str class = attribute_value(node, A_CLASS), id = attribute_value(node, A_ID);
        uint32_t kinds = (class.n ? name_kinds(class) : 0) | (id.n ? name_kinds(id) : 0);
        if (kinds & UNLIKELY && !(kinds & MAYBE) && !(sets_of(page, node->tag) & IN(FRAMES))) delete_node(page, node);
    }
}

static bool keeps_parents(const Page *page, const Node *node)
{
    if (sets_of(page, node->tag) & IN(LOOKS_LIKE_BLOCK)) return true;
    for (const Attr *attr = node->attrs; attr != NULL; attr = attr->next)
        if (attr->id == A_OTHER && holds(attr->name, LIT("<")) && looks_like_block(attr->name)) return true;
    return false;
}

static void wrap_texts(Page *page, Node *div)
{
    if (has_text(div->text)) {
        Node *paragraph = new_node(page, T_P);
        paragraph->text = div->text;
        div->text = NONE;
        insert_first(div, paragraph);
    }
    for (Node *child = div->last, *previous; child != NULL; child = previous) {
        previous = child->prev;
        if (has_text(child->tail)) {
            Node *paragraph = new_node(page, T_P);
            paragraph->text = child->tail;
            child->tail = NONE;
            insert_after(child, paragraph);
        }
        if (child->tag == T_BR) delete_node(page, child);
    }
}

static void divs_to_paragraphs(Page *page, Node *doc)
{
    NodeList divs = list_of(page, walk_tag(page, doc, T_DIV, false));
    if (divs.n == 0) return;
    for (Node *node = doc; node != NULL; node = step(doc, node)) {
        tick(page);
        node->flags &= ~(uint32_t)KEEP;
    }
    for (Node *up = doc->parent; up != NULL; up = up->parent) up->flags &= ~(uint32_t)KEEP;
    for (Node *node = doc; node != NULL; node = step(doc, node)) {
        tick(page);
        if (keeps_parents(page, node))
            for (Node *up = node->parent; up != NULL && !(up->flags & KEEP); up = up->parent) up->flags |= KEEP;
    }
    for (size_t i = 0; i < divs.n; i++)
        if (!(divs.items[i]->flags & KEEP)) divs.items[i]->tag = T_P;
    for (size_t i = 0; i < divs.n; i++)
        if (divs.items[i]->flags & KEEP) wrap_texts(page, divs.items[i]);
}

static Scores scores_of(Page *page, Node *doc)
{
    Scores scores = {{0}, new_run(page)};
    Walk walk = walk_any(page, doc, true);
    for (Node *paragraph; (paragraph = walk_on(page, &walk)) != NULL;) {
        if (paragraph->tag != T_P && paragraph->tag != T_PRE && paragraph->tag != T_TD) continue;
        Node *parent = paragraph->parent, *grandparent = parent != NULL ? parent->parent : NULL;
        Trimmed count = {0};
        if (parent == NULL) continue;
        count_text(page, paragraph, &count, NO_LIMIT);
        if (count.chars < MIN_TEXT) continue;
        Node *both[] = {parent, grandparent};
        for (int i = 0; i < 2; i++)
            if (both[i] != NULL && both[i]->scored != scores.run) {
                both[i]->scored = scores.run;
                both[i]->score = base_score(page, both[i]);
                push(page, &scores.nodes, both[i]);
            }
        double hundreds = (double)count.chars / 100;
        double score = (double)(2 + count.commas) + (hundreds < 3 ? hundreds : 3);
        parent->score += score;
        if (grandparent != NULL) grandparent->score += score / 2;
    }
    uint32_t run = new_run(page);
    for (size_t i = 0; i < scores.nodes.n; i++) scores.nodes.items[i]->score *= 1 - link_density(page, scores.nodes.items[i], run);
    return scores;
}

static bool holds_sentence_end(Str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '.' && (i + 1 == text.n || text.p[i + 1] == ' ' || (text.p[i + 1] == '\n' && i + 2 == text.n))) return true;
    return false;
}

/* Whether a paragraph beside the best element is text of the article. */
static bool belongs(Page *page, Node *paragraph)
{
    double density = link_density(page, paragraph, new_run(page));
    if (char_count(paragraph->text) > 80) return density < 0.25;
    return density == 0 && holds_sentence_end(paragraph->text);
}

static Node *article_of(Page *page, const Scores *scores)
{
    Node *best = scores->nodes.items[0];
    for (size_t i = 1; i < scores->nodes.n; i++)
        if (scores->nodes.items[i]->score > best->score) best = scores->nodes.items[i];
    double threshold = best->score * 0.2 > 10 ? best->score * 0.2 : 10;
    Node *output = add_child(page, add_child(page, new_node(page, T_HTML), T_BODY), T_DIV);
    NodeList siblings = {0};
    if (best->parent == NULL) push(page, &siblings, best);
    else
        for (Node *child = best->parent->first; child != NULL; child = child->next) push(page, &siblings, child);
    for (size_t i = 0; i < siblings.n; i++) {
        Node *node = siblings.items[i];
        if (node == best || (node->scored == scores->run && node->score >= threshold) || (node->tag == T_P && belongs(page, node)))
            append_child(output, node);
    }
    return output;
}

/* Whether the nearest siblings with text have more than 1000 characters; what is inside is then kept too. */
static bool stands_in_text(Page *page, Node *section)
{
    size_t sum = 0, n = 0, limit;
    for (Node *sibling = section->next; sibling != NULL && n == 0; sibling = sibling->next) {
        size_t length = trimmed_length(page, sibling, NO_LIMIT);
        sum += length;
        n += length > 0;
    }
    limit = n + 1;
    for (Node *sibling = section->prev; sibling != NULL && n < limit; sibling = sibling->prev) {
        size_t length = trimmed_length(page, sibling, NO_LIMIT);
        sum += length;
        n += length > 0;
    }
    if (sum <= 1000) return false;
    Walk walk = walk_any(page, section, true);
    for (Node *node; (node = walk_on(page, &walk)) != NULL;) {
        Str name = tag_name(page, node->tag);
        if (node->tag == T_TABLE || node->tag == T_UL || node->tag == T_DIV || equals(name, LIT("section"))) node->flags |= ALLOWED;
    }
    return true;
}

static bool is_clutter(Page *page, Node *section, const Scores *scores)
{
    long p = 0, img = 0, li = 0, embed = 0, input = 0;
    int weight = class_weight(section);
    Trimmed count = {0};
    if (weight + (section->scored == scores->run ? section->score : 0) < 0) return true;
    count_text(page, section, &count, NO_LIMIT);
    if (count.commas >= ENOUGH_COMMAS) return false;
    Walk walk = walk_sets(page, section, IN(CLEAN_COUNTED), false);
    for (Node *node; (node = walk_on(page, &walk)) != NULL;) {
        switch (node->tag) {
        case T_P: p++; break;
        case T_IMG: img++; break;
        case T_LI: li++; break;
        case T_EMBED: embed++; break;
        case T_INPUT: input += !equals(attribute_value(node, A_TYPE), LIT("hidden")); break;
        default: break;
        }
    }
    size_t length = count.chars;
    if (p && (double)img > 1 + (double)p * 1.3) return true;
    if (li - 100 > p && !(sets_of(page, section->tag) & IN(LISTS))) return true;
    if ((double)input > (double)p / 3 || (length < MIN_TEXT && (img == 0 || img > 2))) return true;
    if (link_density(page, section, new_run(page)) > (weight < 25 ? 0.2 : 0.5)) return true;
    if ((embed == 1 && length < 75) || embed > 1) return true;
    return !length && !stands_in_text(page, section);
}

static void sanitize(Reading *reading, Node *node, Node *root, const Scores *scores)
{
    Page *page = reading->page;
    Walk walk = walk_sets(page, node, IN(HEADINGS), true);
    for (Node *header; !reading->failed && (header = walk_on(page, &walk)) != NULL;)
        if (class_weight(header) < 0 || link_density(page, header, new_run(page)) > 0.33) drop(reading, header);
    if (reading->failed) return;
    walk = walk_sets(page, node, IN(FORMS), true);
    for (Node *form; !reading->failed && (form = walk_on(page, &walk)) != NULL;) drop(reading, form);
    if (reading->failed) return;
    walk = walk_tag(page, node, T_IFRAME, true);
    for (Node *frame; !reading->failed && (frame = walk_on(page, &walk)) != NULL;) {
        if (is_video(page, attribute_value(frame, A_SRC))) frame->text = LIT("VIDEO");
        else drop(reading, frame);
    }
    if (reading->failed) return;
    NodeList sections = list_of(page, walk_sets(page, root, IN(SECTIONS), true));
    for (Node *inner = root; inner != NULL; inner = step(root, inner)) {
        tick(page);
        inner->flags &= ~(uint32_t)ALLOWED;
    }
    for (size_t i = sections.n; i-- > 0 && !reading->failed;) {
        Node *section = sections.items[i];
        if (!(section->flags & ALLOWED) && is_clutter(page, section, scores)) drop(reading, section);
    }
}

static void read_article(Reading *reading, Buffer *markup)
{
    Page *page = reading->page;
    Node *root = root_of(reading->doc);
    bool ruthless = true;
    if (reading->doc->tag == T_SCRIPT || reading->doc->tag == T_STYLE) {
        reading->failed = true;
        return;
    }
    strip_subtrees(page, reading->doc, IN(SCRIPTS), 0, false);
    stop_if_short(reading, reading->doc);
    while (!reading->too_short) {
        Node *article;
        if (ruthless) remove_unlikely(page, reading->doc);
        divs_to_paragraphs(page, reading->doc);
        Scores scores = scores_of(page, reading->doc);
        if (scores.nodes.n > 0) {
            article = article_of(page, &scores);
            root = article->parent->parent;
            stop_if_short(reading, article);
            if (reading->too_short) return;
        } else if (ruthless) {
            ruthless = false;
            continue;
        } else {
            article = reading->doc->first;
            while (article != NULL && article->tag != T_BODY) article = article->next;
            if (article == NULL) article = reading->doc;
        }
        sanitize(reading, article, root, &scores);
        if (reading->failed) return;
        reading->doc = article;
        markup->n = 0;
        serialize(page, article, markup);
        if (ruthless && char_count((Str){markup->p, markup->n}) < RETRY_LENGTH) {
            ruthless = false;
            continue;
        }
        stop_if_short(reading, article);
        return;
    }
}

/* Texts of these grow when they are written as XML and read as HTML, and a video's frame gets a text. */
static bool may_grow(Page *page, Node *tree)
{
    Walk walk = walk_sets(page, tree, IN(RAW_TEXT), true);
    if (walk.next != NULL) return true;
    walk = walk_tag(page, tree, T_IFRAME, true);
    for (Node *frame; (frame = walk_on(page, &walk)) != NULL;)
        if (is_video(page, attribute_value(frame, A_SRC))) return true;
    return false;
}

/* The article as a new tree; NULL where lxml cannot read it, or, with `too_short`, where it would not be taken. */
Node *summary(Page *page, Node *tree, long bound, bool *too_short)
{
    Reading reading = {page, tree, may_grow(page, tree) ? -1 : bound, false, false};
    Buffer markup = {0};
    read_article(&reading, &markup);
    *too_short = reading.too_short && !reading.failed;
    if (*too_short) return NULL;
    if (reading.failed) return new_node(page, T_DIV);
    return page->host->parse(page, markup.p == NULL ? "" : markup.p, markup.n);
}
