/* Choose the blocks of the main text and write them: C port of extract/render.py and extract/structured_text.py. */
#define PY_SSIZE_T_CLEAN
#include "trees.h"

typedef struct { const FnFound *found; const int32_t *scores; bool *kept; } Choice;

typedef struct {
    const FnKeeper *page;
    const FnFound *found;
    FnGrowing out;
    bool markdown, headed;
    int32_t table, row;
    int column;
    const FnBlock *before;
} Writer;

static bool is_data(const FnTable *table)
{
    return !table->nested && !table->presentation && table->rows >= FN_LEAST_ROWS && table->columns >= FN_LEAST_COLUMNS &&
           2 * (uint64_t)table->cells >= 3 * (uint64_t)table->rows &&
           table->longest <= (table->headed ? FN_MOST_HEADED_CELL : FN_MOST_CELL);
}

static int32_t table_of(const FnKeeper *page, const FnBlock *block)
{
    return block->row >= 0 && is_data(&page->tables[block->shape.table]) ? block->shape.table : -1;
}

static bool has_lines(const FnFound *found, const FnBlock *block)
{
    return memchr(found->text.p + block->start, '\n', block->end - block->start) != NULL;
}

/* ---- the choice ---- */

static void keep_tables(const FnKeeper *page, const Choice *choice)
{
    const FnBlock *blocks = choice->found->blocks;
    for (size_t start = 0, end, count = choice->found->count; start < count; start = end) {
        int32_t table = table_of(page, &blocks[start]);
        int64_t total = 0, chars = 0;
        for (end = start; end < count && table_of(page, &blocks[end]) == table; end++) {
            total += (int64_t)blocks[end].chars * choice->scores[end];
            chars += blocks[end].chars;
        }
        for (size_t at = start; table >= 0 && at < end; at++) choice->kept[at] = total > FN_TABLE_LIMIT * chars;
    }
}

static void keep_gaps(const Choice *choice)
{
    size_t last = SIZE_MAX;
    for (size_t at = 0; at < choice->found->count; at++) {
        if (!choice->kept[at]) continue;
        int64_t sum = 0;
        for (size_t i = last + 1; last != SIZE_MAX && i < at; i++) sum += choice->scores[i];
        for (size_t i = last + 1; last != SIZE_MAX && sum > FN_GAP_LIMIT && i < at; i++) choice->kept[i] = true;
        last = at;
    }
}

static int32_t limit_of(const FnFound *found, const FnBlock *block)
{
    if (block->is_code && has_lines(found, block)) return FN_CODE_LIMIT;
    return block->is_formula ? FN_FORMULA_LIMIT : 0;
}

/* Take the page's limit from the scores, but for those of code of two lines or more and of formulas. */
static void take_limit(const FnFound *found, int32_t *scores)
{
    int64_t total = 0, chars = 0;
    for (size_t at = 0; at < found->count; at++) {
        if (scores[at] <= 0) continue;
        total += (int64_t)found->blocks[at].chars * scores[at];
        chars += found->blocks[at].chars;
    }
    int32_t above = (chars > 0 ? (int32_t)(total / chars) : 0) - FN_SURE, limit = above > 0 ? above / 2 : -(-above * 3 / 2);
    if (limit > FN_HIGHEST_LIMIT) limit = FN_HIGHEST_LIMIT;
    if (limit < FN_LOWEST_LIMIT) limit = FN_LOWEST_LIMIT;
    for (size_t at = 0; at < found->count; at++)
        if (limit_of(found, &found->blocks[at]) == 0) scores[at] -= limit;
}

/* Count the characters of the blocks that are kept; `scores` has room for all. False with an exception. */
static bool choose(const FnBlocks *tables, const FnKeeper *page, const FnFound *found, int32_t *scores, bool *kept, size_t *chars)
{
    Choice choice = {found, scores, kept};
    if (!fn_scores(tables->trees, found, scores)) return false;
    take_limit(found, scores);
    for (size_t at = 0; at < found->count; at++) {
        const FnBlock *block = &found->blocks[at];
        kept[at] = scores[at] > limit_of(found, block);
    }
    keep_tables(page, &choice);
    keep_gaps(&choice);
    *chars = 0;
    for (size_t at = 0; at < found->count; at++) *chars += kept[at] ? found->blocks[at].chars : 0;
    return true;
}

/* ---- writing ---- */

static bool put(Writer *writer, const char *p, size_t n) { return fn_grow(&writer->out, p, n); }
static bool say(Writer *writer, const char *text) { return put(writer, text, strlen(text)); }

static bool repeat(Writer *writer, const char *text, int count)
{
    while (count-- > 0)
        if (!say(writer, text)) return false;
    return true;
}

static bool end_row(Writer *writer)
{
    if (!writer->markdown) return true;
    int columns = (int)writer->page->tables[writer->table].columns;
    if (!repeat(writer, " | ", columns - 1 - writer->column) || !say(writer, " |")) return false;
    bool first = !writer->headed;
    writer->headed = true;
    return !first || (say(writer, "\n|") && repeat(writer, " --- |", columns));
}

static bool end_table(Writer *writer)
{
    bool good = writer->table < 0 || end_row(writer);
    writer->table = -1;
    return good;
}

static bool separate(Writer *writer, const FnBlock *block)
{
    const FnBlock *before = writer->before;
    if (before == NULL) return true;
    bool tight = (block->marker == FN_DEFINITION || (block->marker && before->shape.lists)) && before->kind != FN_KIND_PRE;
    return say(writer, writer->markdown && !tight ? "\n\n" : "\n");
}

/* What precedes each further line of a block. */
static bool put_margin(Writer *writer, const FnBlock *block, bool blank)
{
    return repeat(writer, "> ", block->shape.quotes) && (blank || repeat(writer, " ", block->shape.margin));
}

static bool put_marker(Writer *writer, const FnBlock *block)
{
    const FnShape *shape = &block->shape;
    char number[16];
    if (writer->markdown && !repeat(writer, "> ", shape->quotes)) return false;
    if (block->marker == FN_NO_MARKER) return !writer->markdown || repeat(writer, " ", shape->margin);
    if (block->marker == FN_DEFINITION) return !writer->markdown || (repeat(writer, " ", shape->margin) && say(writer, ": "));
    if (!repeat(writer, " ", shape->margin - shape->width)) return false;
    if (block->marker == FN_BULLET) return say(writer, "- ");
    snprintf(number, sizeof(number), "%u. ", block->number);
    return say(writer, number);
}

static const char *sign_of(char mark)
{
    return mark == FN_MARK_IN_CODE ? "`" : mark == FN_MARK_IN_LINE ? "$" : "$$";
}

/* Write the text; `flat`: on one line, `cell`: of a table. Marks are dropped unless they are written as Markdown. */
static bool put_text(Writer *writer, const FnBlock *block, bool marks, bool flat, bool cell, bool margin)
{
    const char *text = writer->found->text.p, *p = text + block->start, *end = text + block->end, *sign = "";
    while (p < end) {
        const char *start = p;
        while (p < end && (unsigned char)*p > FN_MARK_ENDED && *p != '\n' && !(cell && *p == '|')) p++;
        if (!put(writer, start, (size_t)(p - start))) return false;
        if (p == end) break;
        char c = *p++;
        bool good;
        if (c == '\n') {
            bool blank = p < end && *p == '\n';
            good = flat ? say(writer, " ") : say(writer, "\n") && (!margin || put_margin(writer, block, blank));
        } else if (c == '|') {
            good = say(writer, "\\|");
        } else {
            if (c != FN_MARK_ENDED) sign = sign_of(c);
            good = !marks || say(writer, sign);
        }
        if (!good) return false;
    }
    return true;
}

static int longest_run(const char *p, const char *end)
{
    int longest = 0, run = 0;
    for (; p < end; p++) {
        if ((unsigned char)*p <= FN_MARK_ENDED) continue;
        run = *p == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

static bool put_fence(Writer *writer, const FnBlock *block)
{
    const char *text = writer->found->text.p;
    int run = longest_run(text + block->start, text + block->end);
    return repeat(writer, "`", run < 3 ? 3 : run + 1);
}

static bool write_code(Writer *writer, const FnBlock *block)
{
    if (!put_marker(writer, block)) return false;
    if (!writer->markdown) return put_text(writer, block, false, false, false, false);
    if (!put_fence(writer, block)) return false;
    for (size_t i = 0; i < block->language.n; i++) {
        char c = fn_lower_of(block->language.p[i]);
        if (!put(writer, &c, 1)) return false;
    }
    return say(writer, "\n") && put_margin(writer, block, false) && put_text(writer, block, false, false, false, true) &&
           say(writer, "\n") && put_margin(writer, block, false) && put_fence(writer, block);
}

static bool write_lines(Writer *writer, const FnBlock *block)
{
    int level = writer->markdown && !block->shape.lists ? block->shape.level : 0;
    return put_marker(writer, block) && (level == 0 || (repeat(writer, "#", level) && say(writer, " "))) &&
           put_text(writer, block, writer->markdown, level > 0, false, writer->markdown);
}

static bool start_row(Writer *writer, int32_t row)
{
    writer->row = row;
    writer->column = -1;
    return !writer->markdown || say(writer, "| ");
}

static bool write_cell(Writer *writer, const FnBlock *block, int32_t table)
{
    bool good = true;
    if (writer->table != table) {
        writer->table = table;
        writer->headed = false;
        good = start_row(writer, block->row);
    } else if (block->row != writer->row) {
        good = end_row(writer) && say(writer, "\n") && start_row(writer, block->row);
    } else if (block->column == writer->column) {
        good = say(writer, " ");
    }
    for (; good && writer->column < block->column; writer->column++)
        if (writer->column >= 0) good = say(writer, writer->markdown ? " | " : "\t");
    return good && put_text(writer, block, writer->markdown, true, writer->markdown, false);
}

static bool write_block(Writer *writer, const FnBlock *block)
{
    int32_t table = table_of(writer->page, block);
    if ((table < 0 || table != writer->table) && !(end_table(writer) && separate(writer, block))) return false;
    writer->before = block;
    if (table >= 0) return write_cell(writer, block, table);
    if (block->kind == FN_KIND_PRE || (block->is_code && has_lines(writer->found, block))) return write_code(writer, block);
    return write_lines(writer, block);
}

/* A new reference to a str. */
static PyObject *rendered(const FnKeeper *page, const FnFound *found, const bool *kept, bool markdown)
{
    Writer writer = {.page = page, .found = found, .markdown = markdown, .table = -1};
    PyObject *text = NULL;
    bool good = true;
    for (size_t at = 0; good && at < found->count; at++)
        if (kept[at]) good = write_block(&writer, &found->blocks[at]);
    if (good && end_table(&writer)) text = PyUnicode_DecodeUTF8(writer.out.n ? writer.out.p : "", (Py_ssize_t)writer.out.n, "strict");
    free(writer.out.p);
    return text;
}

static PyObject *all_formats(const FnBlocks *tables, const FnKeeper *page, PyObject *formats)
{
    const FnFound *found = &page->found[0], *other = &page->found[1];
    size_t room = found->count > other->count ? found->count : other->count;
    int32_t *scores = malloc((room + 1) * sizeof(int32_t));
    bool *kept = malloc(2 * (room + 1) * sizeof(bool)), *main = kept;
    PyObject *texts = scores != NULL && kept != NULL ? PyTuple_New(PyTuple_GET_SIZE(formats)) : PyErr_NoMemory();
    if (texts != NULL) {
        size_t chars = 0, others = 0;
        bool good = choose(tables, page, found, scores, kept, &chars) &&
                    (chars >= FN_LEAST_SHOWN || choose(tables, page, other, scores, kept + room + 1, &others));
        if (others > chars) {
            found = other;
            main = kept + room + 1;
        }
        if (!good) Py_CLEAR(texts);
    }
    for (Py_ssize_t i = 0; texts != NULL && i < PyTuple_GET_SIZE(formats); i++) {
        PyObject *text = rendered(page, found, main, PyTuple_GET_ITEM(formats, i) == Py_True);
        if (text == NULL) Py_CLEAR(texts);
        else PyTuple_SET_ITEM(texts, i, text);
    }
    free(scores);
    free(kept);
    return texts;
}

PyObject *fn_structure_extract(PyObject *self, PyObject *args)
{
    PyObject *capsule, *html, *formats, *texts = NULL;
    FnPageText given;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOO!", &capsule, &html, &PyTuple_Type, &formats)) return NULL;
    FnBlocks *tables = fn_blocks_of(capsule);
    if (tables == NULL) return NULL;
    FnKeeper *page = calloc(1, sizeof(FnKeeper));
    if (page == NULL) return PyErr_NoMemory();
    if (!fn_page_of(html, &given)) {
        free(page);
        return NULL;
    }
    page->shape = (FnShape){.width = 2, .table = -1};
    page->pre_from = page->code_from = page->unscripted_from = -1;
    if (tables->trees == NULL) PyErr_SetString(PyExc_ValueError, "the tables are of engine blocks-1");
    else if (fn_read_blocks(tables, given.p, given.n, &page->found[0], page)) texts = all_formats(tables, page, formats);
    for (int i = 0; i < 2; i++) {
        free(page->found[i].blocks);
        free(page->found[i].text.p);
    }
    free(page->tables);
    free(page->math.tex.p);
    free(page->math.scratch.p);
    free(page->math.annotation.p);
    free(page);
    fn_free_page(&given);
    return texts;
}
