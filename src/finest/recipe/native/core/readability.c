/* trafilatura's fork of readability: C port of extract/readability.py. */
#include "core.h"

typedef struct {
    FnPage *page;
    FnNode *doc;
    long bound;
    bool failed, too_short; /* failed: trafilatura treats any exception as an empty article */
} Reading;

typedef struct { FnNodeList nodes; uint32_t run; } Scores;

static int name_weight(FnStr name)
{
    uint32_t kinds = name.n ? fn_name_kinds(name) : 0;
    return (kinds & FN_NAME_POSITIVE ? 25 : 0) - (kinds & FN_NAME_NEGATIVE ? 25 : 0);
}

static int class_weight(const FnNode *node)
{
    return name_weight(fn_attribute_value(node, FN_A_CLASS)) + name_weight(fn_attribute_value(node, FN_A_ID));
}

static double base_score(const FnPage *page, const FnNode *node)
{
    uint64_t sets = fn_sets_of(page, node->tag);
    int score = class_weight(node);
    if (sets & FN_IN(DIV_SCORES)) score += 5;
    else if (sets & FN_IN(BLOCK_SCORES)) score += 3;
    else if (sets & FN_IN(BAD_SCORES)) score -= 3;
    else if (sets & FN_IN(STRUCTURE_SCORES)) score -= 5;
    return score;
}

/* Share of the element's text that is in links; a cached length is valid during the same `run`. */
static double link_density(FnPage *page, FnNode *node, uint32_t run)
{
    size_t links = 0;
    FnWalk walk = fn_walk_tag(page, node, FN_T_A, false);
    for (FnNode *link; (link = fn_walk_on(page, &walk)) != NULL;) {
        if (link->measured != run) {
            link->link_length = (uint32_t)fn_trimmed_length(page, link, FN_NO_LIMIT);
            link->measured = run;
        }
        links += link->link_length;
    }
    if (links == 0) return 0.0;
    size_t length = fn_trimmed_length(page, node, FN_NO_LIMIT);
    return (double)links / (double)(length ? length : 1);
}

static uint32_t new_run(FnPage *page) { return ++page->run; }

static void drop(Reading *reading, FnNode *node)
{
    if (node->parent == NULL) reading->failed = true;
    else fn_delete_node(reading->page, node);
}

static void stop_if_short(Reading *reading, const FnNode *article)
{
    FnTrimmed count = {0};
    if (reading->bound < 0) return;
    size_t enough = (size_t)reading->bound + 1;
    if (fn_count_text(reading->page, article, &count, enough) && fn_trimmed_add(&count, article->tail, enough))
        reading->too_short = true;
}

static void remove_unlikely(FnPage *page, FnNode *doc)
{
    FnNodeList elements = fn_list_of(page, fn_walk_any(page, doc, false));
    for (size_t i = 0; i < elements.n; i++) {
        FnNode *node = elements.items[i];
        if (node->attrs == NULL) continue;
        FnStr class = fn_attribute_value(node, FN_A_CLASS), id = fn_attribute_value(node, FN_A_ID);
        uint32_t kinds = (class.n ? fn_name_kinds(class) : 0) | (id.n ? fn_name_kinds(id) : 0);
        if (kinds & FN_NAME_UNLIKELY && !(kinds & FN_NAME_MAYBE) && !(fn_sets_of(page, node->tag) & FN_IN(FRAMES)))
            fn_delete_node(page, node);
    }
}

static bool keeps_parents(const FnPage *page, const FnNode *node)
{
    if (fn_sets_of(page, node->tag) & FN_IN(LOOKS_LIKE_BLOCK)) return true;
    for (const FnAttr *attr = node->attrs; attr != NULL; attr = attr->next)
        if (attr->id == FN_A_OTHER && fn_holds(attr->name, FN_LIT("<")) && fn_looks_like_block(attr->name)) return true;
    return false;
}

static void wrap_texts(FnPage *page, FnNode *div)
{
    if (fn_has_text(div->text)) {
        FnNode *paragraph = fn_new_node(page, FN_T_P);
        paragraph->text = div->text;
        div->text = FN_NONE;
        fn_insert_first(div, paragraph);
    }
    for (FnNode *child = div->last, *previous; child != NULL; child = previous) {
        previous = child->prev;
        if (fn_has_text(child->tail)) {
            FnNode *paragraph = fn_new_node(page, FN_T_P);
            paragraph->text = child->tail;
            child->tail = FN_NONE;
            fn_insert_after(child, paragraph);
        }
        if (child->tag == FN_T_BR) fn_delete_node(page, child);
    }
}

static void divs_to_paragraphs(FnPage *page, FnNode *doc)
{
    FnNodeList divs = fn_list_of(page, fn_walk_tag(page, doc, FN_T_DIV, false));
    if (divs.n == 0) return;
    for (FnNode *node = doc; node != NULL; node = fn_step(doc, node)) {
        fn_tick(page);
        node->flags &= ~(uint32_t)FN_NODE_KEEP;
    }
    for (FnNode *up = doc->parent; up != NULL; up = up->parent) up->flags &= ~(uint32_t)FN_NODE_KEEP;
    for (FnNode *node = doc; node != NULL; node = fn_step(doc, node)) {
        fn_tick(page);
        if (keeps_parents(page, node))
            for (FnNode *up = node->parent; up != NULL && !(up->flags & FN_NODE_KEEP); up = up->parent)
                up->flags |= FN_NODE_KEEP;
    }
    for (size_t i = 0; i < divs.n; i++)
        if (!(divs.items[i]->flags & FN_NODE_KEEP)) divs.items[i]->tag = FN_T_P;
    for (size_t i = 0; i < divs.n; i++)
        if (divs.items[i]->flags & FN_NODE_KEEP) wrap_texts(page, divs.items[i]);
}

static Scores scores_of(FnPage *page, FnNode *doc)
{
    Scores scores = {{0}, new_run(page)};
    FnWalk walk = fn_walk_any(page, doc, true);
    for (FnNode *paragraph; (paragraph = fn_walk_on(page, &walk)) != NULL;) {
        if (paragraph->tag != FN_T_P && paragraph->tag != FN_T_PRE && paragraph->tag != FN_T_TD) continue;
        FnNode *parent = paragraph->parent, *grandparent = parent != NULL ? parent->parent : NULL;
        FnTrimmed count = {0};
        if (parent == NULL) continue;
        fn_count_text(page, paragraph, &count, FN_NO_LIMIT);
        if (count.chars < FN_READABILITY_MIN_TEXT) continue;
        FnNode *both[] = {parent, grandparent};
        for (int i = 0; i < 2; i++)
            if (both[i] != NULL && both[i]->scored != scores.run) {
                both[i]->scored = scores.run;
                both[i]->score = base_score(page, both[i]);
                fn_push(page, &scores.nodes, both[i]);
            }
        double hundreds = (double)count.chars / 100;
        double score = (double)(2 + count.commas) + (hundreds < 3 ? hundreds : 3);
        parent->score += score;
        if (grandparent != NULL) grandparent->score += score / 2;
    }
    uint32_t run = new_run(page);
    for (size_t i = 0; i < scores.nodes.n; i++)
        scores.nodes.items[i]->score *= 1 - link_density(page, scores.nodes.items[i], run);
    return scores;
}

static bool holds_sentence_end(FnStr text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '.' && (i + 1 == text.n || text.p[i + 1] == ' ' || (text.p[i + 1] == '\n' && i + 2 == text.n)))
            return true;
    return false;
}

/* Whether a sibling paragraph of the best element belongs to the article. */
static bool belongs(FnPage *page, FnNode *paragraph)
{
    double density = link_density(page, paragraph, new_run(page));
    if (fn_char_count(paragraph->text) > 80) return density < 0.25;
    return density == 0 && holds_sentence_end(paragraph->text);
}

static FnNode *article_of(FnPage *page, const Scores *scores)
{
    FnNode *best = scores->nodes.items[0];
    for (size_t i = 1; i < scores->nodes.n; i++)
        if (scores->nodes.items[i]->score > best->score) best = scores->nodes.items[i];
    double threshold = best->score * 0.2 > 10 ? best->score * 0.2 : 10;
    FnNode *output = fn_add_child(page, fn_add_child(page, fn_new_node(page, FN_T_HTML), FN_T_BODY), FN_T_DIV);
    FnNodeList siblings = {0};
    if (best->parent == NULL) fn_push(page, &siblings, best);
    else
        for (FnNode *child = best->parent->first; child != NULL; child = child->next) fn_push(page, &siblings, child);
    for (size_t i = 0; i < siblings.n; i++) {
        FnNode *node = siblings.items[i];
        if (node == best || (node->scored == scores->run && node->score >= threshold) ||
            (node->tag == FN_T_P && belongs(page, node)))
            fn_append_child(output, node);
    }
    return output;
}

/* Whether the nearest siblings with text have over 1000 characters; if so, allow the sections inside too. */
static bool stands_in_text(FnPage *page, FnNode *section)
{
    size_t sum = 0, n = 0, limit;
    for (FnNode *sibling = section->next; sibling != NULL && n == 0; sibling = sibling->next) {
        size_t length = fn_trimmed_length(page, sibling, FN_NO_LIMIT);
        sum += length;
        n += length > 0;
    }
    limit = n + 1;
    for (FnNode *sibling = section->prev; sibling != NULL && n < limit; sibling = sibling->prev) {
        size_t length = fn_trimmed_length(page, sibling, FN_NO_LIMIT);
        sum += length;
        n += length > 0;
    }
    if (sum <= 1000) return false;
    FnWalk walk = fn_walk_any(page, section, true);
    for (FnNode *node; (node = fn_walk_on(page, &walk)) != NULL;) {
        FnStr name = fn_tag_name(page, node->tag);
        if (node->tag == FN_T_TABLE || node->tag == FN_T_UL || node->tag == FN_T_DIV ||
            fn_equals(name, FN_LIT("section")))
            node->flags |= FN_NODE_ALLOWED;
    }
    return true;
}

static bool is_clutter(FnPage *page, FnNode *section, const Scores *scores)
{
    long p = 0, img = 0, li = 0, embed = 0, input = 0;
    int weight = class_weight(section);
    FnTrimmed count = {0};
    if (weight + (section->scored == scores->run ? section->score : 0) < 0) return true;
    fn_count_text(page, section, &count, FN_NO_LIMIT);
    if (count.commas >= FN_READABILITY_ENOUGH_COMMAS) return false;
    FnWalk walk = fn_walk_sets(page, section, FN_IN(CLEAN_COUNTED), false);
    for (FnNode *node; (node = fn_walk_on(page, &walk)) != NULL;) {
        switch (node->tag) {
        case FN_T_P: p++; break;
        case FN_T_IMG: img++; break;
        case FN_T_LI: li++; break;
        case FN_T_EMBED: embed++; break;
        case FN_T_INPUT: input += !fn_equals(fn_attribute_value(node, FN_A_TYPE), FN_LIT("hidden")); break;
        default: break;
        }
    }
    size_t length = count.chars;
    if (p && (double)img > 1 + (double)p * 1.3) return true;
    if (li - 100 > p && !(fn_sets_of(page, section->tag) & FN_IN(LISTS))) return true;
    if ((double)input > (double)p / 3 || (length < FN_READABILITY_MIN_TEXT && (img == 0 || img > 2))) return true;
    if (link_density(page, section, new_run(page)) > (weight < 25 ? 0.2 : 0.5)) return true;
    if ((embed == 1 && length < 75) || embed > 1) return true;
    return !length && !stands_in_text(page, section);
}

static void sanitize(Reading *reading, FnNode *node, FnNode *root, const Scores *scores)
{
    FnPage *page = reading->page;
    FnWalk walk = fn_walk_sets(page, node, FN_IN(HEADINGS), true);
    for (FnNode *header; !reading->failed && (header = fn_walk_on(page, &walk)) != NULL;)
        if (class_weight(header) < 0 || link_density(page, header, new_run(page)) > 0.33) drop(reading, header);
    if (reading->failed) return;
    walk = fn_walk_sets(page, node, FN_IN(FORMS), true);
    for (FnNode *form; !reading->failed && (form = fn_walk_on(page, &walk)) != NULL;) drop(reading, form);
    if (reading->failed) return;
    walk = fn_walk_tag(page, node, FN_T_IFRAME, true);
    for (FnNode *frame; !reading->failed && (frame = fn_walk_on(page, &walk)) != NULL;) {
        if (fn_is_video(page, fn_attribute_value(frame, FN_A_SRC))) frame->text = FN_LIT("VIDEO");
        else drop(reading, frame);
    }
    if (reading->failed) return;
    FnNodeList sections = fn_list_of(page, fn_walk_sets(page, root, FN_IN(SECTIONS), true));
    for (FnNode *inner = root; inner != NULL; inner = fn_step(root, inner)) {
        fn_tick(page);
        inner->flags &= ~(uint32_t)FN_NODE_ALLOWED;
    }
    for (size_t i = sections.n; i-- > 0 && !reading->failed;) {
        FnNode *section = sections.items[i];
        if (!(section->flags & FN_NODE_ALLOWED) && is_clutter(page, section, scores)) drop(reading, section);
    }
}

static void read_article(Reading *reading, FnBuffer *markup)
{
    FnPage *page = reading->page;
    FnNode *root = fn_root_of(reading->doc);
    bool ruthless = true;
    if (reading->doc->tag == FN_T_SCRIPT || reading->doc->tag == FN_T_STYLE) {
        reading->failed = true;
        return;
    }
    fn_strip_subtrees(page, reading->doc, FN_IN(SCRIPTS), 0, false);
    stop_if_short(reading, reading->doc);
    while (!reading->too_short) {
        FnNode *article;
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
            while (article != NULL && article->tag != FN_T_BODY) article = article->next;
            if (article == NULL) article = reading->doc;
        }
        sanitize(reading, article, root, &scores);
        if (reading->failed) return;
        reading->doc = article;
        markup->n = 0;
        fn_serialize(page, article, markup);
        if (ruthless && fn_char_count((FnStr){markup->p, markup->n}) < FN_READABILITY_RETRY_LENGTH) {
            ruthless = false;
            continue;
        }
        stop_if_short(reading, article);
        return;
    }
}

/* Whether the text can grow: by raw text elements written as XML and parsed as HTML, or by the text of video frames. */
static bool may_grow(FnPage *page, FnNode *tree)
{
    FnWalk walk = fn_walk_sets(page, tree, FN_IN(RAW_TEXT), true);
    if (walk.next != NULL) return true;
    walk = fn_walk_tag(page, tree, FN_T_IFRAME, true);
    for (FnNode *frame; (frame = fn_walk_on(page, &walk)) != NULL;)
        if (fn_is_video(page, fn_attribute_value(frame, FN_A_SRC))) return true;
    return false;
}

/* The article as a new tree; NULL if lxml cannot parse it, or, with `too_short` set, if it would not be used. */
FnNode *fn_summary(FnPage *page, FnNode *tree, long bound, bool *too_short)
{
    Reading reading = {page, tree, may_grow(page, tree) ? -1 : bound, false, false};
    FnBuffer markup = {0};
    read_article(&reading, &markup);
    *too_short = reading.too_short && !reading.failed;
    if (*too_short) return NULL;
    if (reading.failed) return fn_new_node(page, FN_T_DIV);
    return page->host->parse(page, markup.p == NULL ? "" : markup.p, markup.n);
}
