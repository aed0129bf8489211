/* Select the blocks of a page that are its main text: C port of extract/main_text.py. */
#define PY_SSIZE_T_CLEAN
#include "trees.h"

#define CAPSULE "finest.blocks"
_Static_assert(FN_FEATURE_NAME + 32 <= sizeof(((FnBlocks *)NULL)->weights) / sizeof(int32_t),
               "whatever bits a block has, its weights are there");

static void close_tables(PyObject *capsule)
{
    FnBlocks *tables = PyCapsule_GetPointer(capsule, CAPSULE);
    if (tables == NULL) return;
    Py_XDECREF(tables->entities);
    if (tables->trees != NULL) fn_trees_close(tables->trees);
    free(tables->trees);
    for (unsigned i = 0; i < tables->symbol_names.count; i++) free((char *)tables->symbols[i].p);
    free(tables);
}

static bool refused(const char *why)
{
    if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "no tables for pages: %s", why);
    return false;
}

static bool add_tag(FnBlocks *tables, PyObject *given)
{
    FnHtmlTag tag = {0};
    const char *name;
    Py_ssize_t n;
    if (!PyArg_ParseTuple(given, "s#IIIIIII", &name, &n, &tag.does, &tag.kind, &tag.flag, &tag.family, &tag.ends, &tag.within, &tag.role))
        return false;
    tag.whole = strcmp(name, "html") == 0 || strcmp(name, "body") == 0;
    int place = tag.kind >= FN_KINDS || tag.flag >> FN_FLAGS ? -1 : fn_add_name(&tables->tag_names, name, (size_t)n);
    if (place < 0) return refused("a tag");
    tables->tags[place] = tag;
    return true;
}

static bool add_word(FnBlocks *tables, PyObject *given)
{
    const char *name;
    Py_ssize_t n;
    uint32_t bits;
    int denies;
    if (!PyArg_ParseTuple(given, "s#Ip", &name, &n, &bits, &denies)) return false;
    int place = fn_add_name(&tables->word_names, name, (size_t)n);
    if (place < 0) return refused("a word");
    tables->words[place] = (FnNameWord){bits, denies};
    return true;
}

static bool add_class(FnBlocks *tables, PyObject *given)
{
    const char *name;
    Py_ssize_t n;
    unsigned bits;
    if (!PyArg_ParseTuple(given, "s#I", &name, &n, &bits)) return false;
    int place = fn_add_name(&tables->class_names, name, (size_t)n);
    if (place < 0) return refused("a class");
    tables->classes[place] = bits;
    return true;
}

static bool add_symbol(FnBlocks *tables, PyObject *given)
{
    const char *name, *text;
    Py_ssize_t n, length;
    if (!PyArg_ParseTuple(given, "s#s#", &name, &n, &text, &length)) return false;
    char *copy = strdup(text);
    if (copy == NULL) return PyErr_NoMemory() != NULL;
    int place = fn_add_name(&tables->symbol_names, name, (size_t)n);
    if (place < 0) {
        free(copy);
        return refused("a symbol");
    }
    tables->symbols[place] = (FnStr){copy, (size_t)length};
    return true;
}

static bool add_use(FnBlocks *tables, const char *name, size_t n, unsigned reads, unsigned value)
{
    int place = fn_find_name(&tables->attribute_names, name, n);
    if (place < 0) place = fn_add_name(&tables->attribute_names, name, n);
    if (place < 0) return refused("an attribute");
    tables->attributes[place].reads |= (uint8_t)reads;
    tables->attributes[place].value |= (uint8_t)value;
    return true;
}

static bool add_naming(FnBlocks *tables, PyObject *given)
{
    Py_ssize_t n;
    const char *name = PyUnicode_AsUTF8AndSize(given, &n);
    return name != NULL ? add_use(tables, name, (size_t)n, FN_READS_NAMES, 0) : refused("an attribute");
}

/* Add the attributes that the core itself reads. */
static bool add_attributes(FnBlocks *tables)
{
    static const FnStr VALUES[] = {
#define X(id, text) [FN_V_##id] = {text, sizeof(text) - 1},
        FN_ATTRIBUTE_NAMES(X)
#undef X
    };
    bool good = add_use(tables, "href", 4, FN_READS_HREF, 0) && add_use(tables, "hidden", 6, FN_READS_HIDDEN, 0) &&
                add_use(tables, "aria-hidden", 11, FN_READS_ARIA_HIDDEN, 0) && add_use(tables, "style", 5, FN_READS_STYLE, 0);
    for (unsigned i = 0; good && i < FN_ATTRIBUTES; i++) good = add_use(tables, VALUES[i].p, VALUES[i].n, 0, i + 1);
    return good;
}

static bool add_weight(FnBlocks *tables, PyObject *given)
{
    long value = PyLong_AsLong(given);
    if (value < INT16_MIN || value > INT16_MAX || PyErr_Occurred()) return refused("a weight"); /* no sum overflows */
    if (tables->weight_count == sizeof(tables->weights) / sizeof(*tables->weights)) return refused("weights");
    tables->weights[tables->weight_count++] = (int32_t)value;
    return true;
}

static bool add_each(FnBlocks *tables, PyObject *list, bool (*add)(FnBlocks *, PyObject *))
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
        if (!add(tables, PyList_GET_ITEM(list, i))) return false;
    return true;
}

static bool add_marks(FnBlocks *tables, const char *text, unsigned kind)
{
    for (const char *end = text + strlen(text); text < end;) {
        uint32_t code = fn_decode(&text, end);
        if (code < sizeof(tables->kinds)) {
            tables->kinds[code] |= (uint8_t)kind;
        } else {
            if (tables->mark_count + 2 > sizeof(tables->marks) / sizeof(*tables->marks)) return refused("a mark");
            tables->marks[tables->mark_count++] = code;
            tables->marks[tables->mark_count++] = kind;
        }
    }
    return true;
}

static bool add_trees(FnBlocks *tables, PyObject *stages)
{
    tables->trees = calloc(1, sizeof(struct FnTrees));
    if (tables->trees == NULL) return PyErr_NoMemory() != NULL;
    return fn_trees_open(tables->trees, stages);
}

static void add_blanks(FnBlocks *tables)
{
    for (uint32_t code = 0; code < sizeof(tables->kinds); code++)
        if (code < 0x20 || code == 0x7f || fn_is_space(code)) tables->kinds[code] = FN_CHAR_BLANK;
    tables->kinds[0] = FN_CHAR_NOTHING; /* as browsers drop it */
}

PyObject *fn_blocks_open(PyObject *self, PyObject *args)
{
    PyObject *tags, *words, *naming, *weights, *classes, *symbols, *stages;
    const char *ends, *commas, *dropped;
    (void)self;
    if (!PyArg_ParseTuple(
            args, "O!O!O!(sss)O!O!O!O!", &PyList_Type, &tags, &PyList_Type, &words, &PyList_Type, &naming, &ends, &commas, &dropped,
            &PyList_Type, &weights, &PyList_Type, &classes, &PyList_Type, &symbols,
            &PyList_Type, &stages))
        return NULL;
    FnBlocks *tables = calloc(1, sizeof(FnBlocks));
    if (tables == NULL) return PyErr_NoMemory();
    PyObject *capsule = PyCapsule_New(tables, CAPSULE, close_tables);
    if (capsule == NULL) {
        free(tables);
        return NULL;
    }
    add_blanks(tables);
    tables->entities = PyDict_New();
    bool good = tables->entities != NULL && add_each(tables, tags, add_tag) && add_each(tables, words, add_word) &&
                add_each(tables, naming, add_naming) && add_attributes(tables) && add_each(tables, weights, add_weight) &&
                add_each(tables, classes, add_class) && add_each(tables, symbols, add_symbol) &&
                add_marks(tables, ends, FN_CHAR_SENTENCE_END) && add_marks(tables, commas, FN_CHAR_COMMA) &&
                add_marks(tables, dropped, FN_CHAR_NOTHING);
    if (good && PyList_GET_SIZE(stages) > 0) good = add_trees(tables, stages);
    else if (good && tables->weight_count <= FN_FEATURE_NAME + 1) good = refused("too few weights");
    if (!good) Py_CLEAR(capsule);
    return capsule;
}

FnBlocks *fn_blocks_of(PyObject *capsule) { return PyCapsule_GetPointer(capsule, CAPSULE); }

/* ---- the choice ---- */

static unsigned log2_of(size_t n)
{
    unsigned found = 0;
    while (n > 1) n >>= 1, found++;
    return found;
}

static unsigned shape_of(const FnBlock *block)
{
    assert(block->chars > 0); /* fn_end_block drops blocks without characters */
    size_t eighths = (size_t)block->linked * 8 / block->chars;
    unsigned links = block->linked == 0 ? 0 : eighths < 2 ? 1 : eighths < 5 ? 2 : 3, length = log2_of(block->chars);
    return (length < 9 ? length : 9) * 4 + links;
}

static int32_t sum_of_bits(const int32_t *weights, uint32_t mask)
{
    int32_t sum = 0;
    for (; mask; mask >>= 1, weights++)
        if (mask & 1) sum += *weights;
    return sum;
}

static int32_t score_of(const FnBlocks *tables, const FnFound *found, size_t at)
{
    const FnBlock *block = &found->blocks[at];
    const int32_t *weights = tables->weights;
    assert(block->kind < FN_KINDS && block->flags >> FN_FLAGS == 0);
    unsigned before = at > 0 ? shape_of(block - 1) : FN_SHAPES,
             after = at + 1 < found->count ? shape_of(block + 1) : FN_SHAPES;
    unsigned commas = block->commas < 2 ? block->commas : 2, count = log2_of(found->count);
    int32_t sum = weights[tables->weight_count - 1] + weights[shape_of(block)] + weights[FN_FEATURE_BEFORE + before] +
                  weights[FN_FEATURE_AFTER + after];
    sum += weights[FN_FEATURE_KIND + block->kind] + weights[FN_FEATURE_ENDING + commas + (block->ends_sentence ? 3 : 0)];
    sum += weights[FN_FEATURE_PLACE + at * FN_PLACES / found->count] +
           weights[FN_FEATURE_COUNT + (count < FN_COUNTS ? count : FN_COUNTS - 1)];
    return sum + sum_of_bits(weights + FN_FEATURE_FLAG, block->flags) + sum_of_bits(weights + FN_FEATURE_NAME, block->names);
}

static bool write_main(const FnBlocks *tables, const FnFound *found, FnGrowing *out)
{
    bool was_main = false;
    for (size_t at = 0; at < found->count; at++) {
        const FnBlock *block = &found->blocks[at];
        bool beside = was_main && block->is_cell;
        was_main = score_of(tables, found, at) > 0;
        if (!was_main) continue;
        if (out->n > 0 && !fn_grow(out, beside ? "\t" : "\n", 1)) return false;
        if (block->is_item && !fn_grow(out, "- ", 2)) return false;
        if (!fn_grow(out, found->text.p + block->start, block->end - block->start)) return false;
    }
    return true;
}

PyObject *fn_blocks_extract(PyObject *self, PyObject *args)
{
    PyObject *capsule, *html, *text = NULL;
    FnPageText page;
    FnFound found = {0};
    FnGrowing out = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &capsule, &html)) return NULL;
    FnBlocks *tables = fn_blocks_of(capsule);
    if (tables == NULL || !fn_page_of(html, &page)) return NULL;
    if (tables->trees != NULL) PyErr_SetString(PyExc_ValueError, "the tables are of engine blocks-2");
    else if (fn_read_blocks(tables, page.p, page.n, &found, NULL) && write_main(tables, &found, &out))
        text = PyUnicode_DecodeUTF8(out.n ? out.p : "", (Py_ssize_t)out.n, "strict");
    fn_free_page(&page);
    free(found.blocks);
    free(found.text.p);
    free(out.p);
    return text;
}
