/* The Python module: tables in, one page's tree in, its text out. */
#define PY_SSIZE_T_CLEAN
#include "language.h"
#include "read_lxml.h"
#include "stop_words.h"
#include "texts.h"

enum { MOST_BYTES = 512 << 20 };

static PyObject *Refused, *Baseline, *stop_word_source;
static bool filled;
static uint64_t seed;

typedef struct {
    FnHost host;
    const FnXmlNode *source;
    PyObject *parse, *kept; /* `kept`: trees that texts of this page lie in */
} Call;

static bool poll(void *host)
{
    (void)host;
    return PyErr_CheckSignals() == 0;
}

static FnNode *source(FnPage *page) { return fn_read_tree(page, ((Call *)page->host->host)->source); }

static bool is_element(PyObject *object);

static FnNode *parse(FnPage *page, const char *markup, size_t n)
{
    Call *call = page->host->host;
    PyObject *tree = PyObject_CallFunction(call->parse, "y#", markup, (Py_ssize_t)n);
    if (tree == NULL) fn_leave(page, FN_STOPPED);
    int failed = PyList_Append(call->kept, tree);
    Py_DECREF(tree);
    if (failed) fn_leave(page, FN_STOPPED);
    if (tree == Py_None) return NULL;
    if (!is_element(tree)) fn_refuse(page, "no_element");
    memset(page->names, 0, sizeof(page->names)); /* another document has another dictionary */
    memset(page->attr_names, 0, sizeof(page->attr_names));
    return fn_read_tree(page, ((FnLxmlElement *)tree)->node);
}

static bool is_word(uint32_t code) { return Py_UNICODE_ISALNUM(code); }

static bool is_printable(uint32_t code) { return Py_UNICODE_ISPRINTABLE(code); }

/* Python code, and with it other threads, runs in the first call alone. */
static bool fill_stop_words(void)
{
    PyObject *words = PyObject_CallNoArgs(stop_word_source), *iterator, *word;
    if (words != NULL && fn_stop_words_ready()) {
        Py_DECREF(words);
        return true;
    }
    bool good = words != NULL && PyAnySet_Check(words) && fn_stop_words_begin((size_t)PySet_Size(words));
    iterator = good ? PyObject_GetIter(words) : NULL;
    good = iterator != NULL;
    while (good && (word = PyIter_Next(iterator)) != NULL) {
        Py_ssize_t n;
        const char *p = PyUnicode_AsUTF8AndSize(word, &n);
        good = p != NULL && fn_stop_words_add(p, (size_t)n);
        Py_DECREF(word);
    }
    Py_XDECREF(iterator);
    Py_XDECREF(words);
    if (!good && !PyErr_Occurred()) PyErr_NoMemory();
    return good && !PyErr_Occurred();
}

/* str.lower() of one word; characters whose lower case is not one character of its own are left to Python. */
static int lower(const char *word, size_t n, char *out, size_t *length)
{
    char *o = out;
    for (const char *p = word, *end = word + n; p < end;) {
        unsigned char byte = (unsigned char)*p;
        if (byte < 0x80) {
            *o++ = (char)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
            p++;
            continue;
        }
        uint32_t code = fn_decode(&p, end);
        if (code == 0x130 || code == 0x3a3) return -1;
        code = Py_UNICODE_TOLOWER(code);
        if (code < 0x80) {
            *o++ = (char)code;
        } else if (code < 0x800) {
            *o++ = (char)(0xc0 | code >> 6);
            *o++ = (char)(0x80 | (code & 0x3f));
        } else if (code < 0x10000) {
            *o++ = (char)(0xe0 | code >> 12);
            *o++ = (char)(0x80 | (code >> 6 & 0x3f));
            *o++ = (char)(0x80 | (code & 0x3f));
        } else {
            *o++ = (char)(0xf0 | code >> 18);
            *o++ = (char)(0x80 | (code >> 12 & 0x3f));
            *o++ = (char)(0x80 | (code >> 6 & 0x3f));
            *o++ = (char)(0x80 | (code & 0x3f));
        }
    }
    *length = (size_t)(o - out);
    return 0;
}

static bool is_stop_word(FnPage *page, const char *word, size_t n)
{
    char lowered[2048];
    size_t length;
    if (!fn_stop_words_ready() && !fill_stop_words()) fn_leave(page, FN_STOPPED);
    if (n > 1000) return false; /* the longest has 32 characters */
    if (lower(word, n, lowered, &length) == 0) return fn_stop_words_hold(lowered, length);
    PyObject *text = PyUnicode_DecodeUTF8(word, (Py_ssize_t)n, "strict");
    PyObject *lower_text = text == NULL ? NULL : PyObject_CallMethod(text, "lower", NULL);
    Py_ssize_t size = 0;
    const char *p = lower_text == NULL ? NULL : PyUnicode_AsUTF8AndSize(lower_text, &size);
    bool found = p != NULL && fn_stop_words_hold(p, (size_t)size);
    bool failed = p == NULL;
    Py_XDECREF(text);
    Py_XDECREF(lower_text);
    if (failed) fn_leave(page, FN_STOPPED);
    return found;
}

static Call new_call(PyObject *parser, PyObject *kept)
{
    Call call = {{poll, parse, source, is_word, is_printable, is_stop_word, NULL}, NULL, parser, kept};
    return call;
}

static FnPage *new_page(Call *call)
{
    FnPage *page = PyMem_Malloc(sizeof(FnPage));
    if (page == NULL) return NULL;
    memset(page, 0, sizeof(FnPage));
    call->host.host = call;
    page->host = &call->host;
    page->most = MOST_BYTES;
    page->seed = seed;
    return page;
}

static PyObject *raise_status(const FnPage *page, int status)
{
    if (status == FN_REFUSED) PyErr_SetString(Refused, page->reason);
    else if (status == FN_NO_MEMORY) PyErr_NoMemory();
    return NULL;
}

static PyTypeObject *element_type;

static bool is_element(PyObject *object) { return PyObject_TypeCheck(object, element_type) && ((FnLxmlElement *)object)->node != NULL; }

/* Whether the tables are filled, without which no step over a tree may run; false with an exception. */
static bool has_tables(void)
{
    if (!filled) PyErr_SetString(PyExc_RuntimeError, "the tables are not filled: call core_tables.why_unfilled before");
    return filled;
}

static PyObject *extract(PyObject *self, PyObject *args)
{
    PyObject *tree, *parser, *result = NULL;
    int doubtful = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO|p", &tree, &parser, &doubtful)) return NULL;
    if (!is_element(tree)) return PyErr_Format(PyExc_TypeError, "an lxml element is needed");
    if (!has_tables()) return NULL;
    PyObject *kept = PyList_New(0);
    if (kept == NULL) return NULL;
    Call call = new_call(parser, kept);
    FnPage *page = new_page(&call);
    if (page == NULL) {
        Py_DECREF(kept);
        return PyErr_NoMemory();
    }
    call.source = ((FnLxmlElement *)tree)->node;
    page->doubtful = doubtful;
    int status = setjmp(page->jump);
    if (status == FN_ENDED) {
        FnBuffer out = {0};
        bool json = false;
        FnNode *body = fn_best_body(page, &json);
        if (body != NULL) {
            fn_write_text(page, body, &out);
            FnStr text = fn_cleaned_text(page, (FnStr){out.p, out.n});
            result = PyUnicode_DecodeUTF8(text.p, (Py_ssize_t)text.n, "strict");
        } else {
            result = Py_NewRef(json ? Baseline : Py_None);
        }
    } else if (status == FN_NO_TEXT) {
        result = Py_NewRef(Py_None);
    } else {
        result = raise_status(page, status);
    }
    fn_page_free(page);
    PyMem_Free(page);
    Py_DECREF(kept);
    return result;
}

static PyObject *plain(PyObject *self, PyObject *data)
{
    (void)self;
    if (!PyBytes_Check(data)) return PyErr_Format(PyExc_TypeError, "bytes are needed");
    return PyBool_FromLong(fn_is_plain((FnStr){PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data)}));
}

/* The secret of every hash table whose words a page chooses; native/__init__.py sets it when it loads the core. */
static PyObject *set_seed(PyObject *self, PyObject *number)
{
    (void)self;
    uint64_t bits = PyLong_AsUnsignedLongLong(number);
    if (PyErr_Occurred()) return NULL;
    seed = bits;
    fn_bounds_begin(bits);
    Py_RETURN_NONE;
}

/* ---- the tables ---- */

static const char *const SET_NAMES[] = {
#define X(id) #id,
    FN_TAG_SETS(X)
#undef X
};

static int set_of_name(const char *name)
{
    for (int i = 0; i < FN_TAG_SET_COUNT; i++)
        if (strcmp(SET_NAMES[i], name) == 0) return i;
    return -1;
}

/* fill_begin(any_bits, stop_words), then fill_tag(name, sets, bits, candidate_bits), fill_attribute(name, present) and so
 * on, then fill_end(). extract/core_tables.py is the one caller. */
static PyObject *checked(int failed)
{
    if (failed < 0) {
        PyErr_SetString(PyExc_MemoryError, "no room in the tables");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *fill_begin(PyObject *self, PyObject *args)
{
    unsigned int any;
    PyObject *words;
    (void)self;
    if (!PyArg_ParseTuple(args, "IO", &any, &words)) return NULL;
    if (filled || stop_word_source != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the tables are filled once");
        return NULL;
    }
    stop_word_source = Py_NewRef(words);
    return checked(fn_tables_begin(any));
}

static PyObject *fill_tag(PyObject *self, PyObject *args)
{
    const char *name;
    Py_ssize_t n;
    PyObject *names;
    unsigned int bits, candidate_bits;
    uint64_t sets = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "s#O!II", &name, &n, &PyTuple_Type, &names, &bits, &candidate_bits)) return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        const char *set = PyUnicode_AsUTF8(PyTuple_GET_ITEM(names, i));
        int position = set == NULL ? -1 : set_of_name(set);
        if (set == NULL) return NULL;
        if (position < 0) return PyErr_Format(PyExc_ValueError, "no set of tags is called %s", set);
        sets |= 1ull << position;
    }
    return checked(fn_tables_tag(name, (size_t)n, sets, bits, candidate_bits));
}

static PyObject *fill_cleaned(PyObject *self, PyObject *args)
{
    const char *name;
    Py_ssize_t n;
    (void)self;
    if (!PyArg_ParseTuple(args, "s#", &name, &n)) return NULL;
    return checked(fn_tables_cleaned(name, (size_t)n));
}

static PyObject *fill_attribute(PyObject *self, PyObject *args)
{
    const char *name;
    Py_ssize_t n;
    unsigned int present;
    (void)self;
    if (!PyArg_ParseTuple(args, "s#I", &name, &n, &present)) return NULL;
    int position = fn_tables_attribute(name, (size_t)n, present);
    return position < 0 ? checked(-1) : PyLong_FromLong(position);
}

static PyObject *fill_literal(PyObject *self, PyObject *args)
{
    const char *text;
    Py_ssize_t n;
    int attribute_position;
    unsigned int contains, starts, equal;
    (void)self;
    if (!PyArg_ParseTuple(args, "is#III", &attribute_position, &text, &n, &contains, &starts, &equal)) return NULL;
    return checked(fn_tables_literal(attribute_position, text, (size_t)n, contains, starts, equal));
}

static PyObject *fill_name_word(PyObject *self, PyObject *args)
{
    const char *text;
    Py_ssize_t n;
    unsigned int kind;
    (void)self;
    if (!PyArg_ParseTuple(args, "s#I", &text, &n, &kind)) return NULL;
    return checked(fn_tables_name_word(text, (size_t)n, kind));
}

static PyObject *fill_end(PyObject *self, PyObject *none)
{
    (void)self;
    (void)none;
    if (fn_tables_end() < 0) return checked(-1);
    filled = true;
    Py_RETURN_NONE;
}

/* ---- single functions, for the tests that compare each with Python's ---- */

static PyObject *probe(PyObject *self, PyObject *args)
{
    const char *name, *text;
    Py_ssize_t n;
    PyObject *result = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "ss#", &name, &text, &n) || !has_tables()) return NULL;
    Call call = new_call(Py_None, Py_None);
    FnPage *page = new_page(&call);
    if (page == NULL) return PyErr_NoMemory();
    int status = setjmp(page->jump);
    if (status == FN_ENDED) {
        FnStr given = {text, (size_t)n}, found = FN_NONE;
        FnTrimmed count = {0};
        fn_trimmed_add(&count, given, FN_NO_LIMIT);
        if (strcmp(name, "clean") == 0) found = fn_cleaned_text(page, given);
        else if (strcmp(name, "trim") == 0) found = fn_trim(page, given);
        else if (strcmp(name, "strip") == 0) found = fn_strip(given);
        else if (strcmp(name, "trimmed_length") == 0) result = PyLong_FromSize_t(count.chars);
        else if (strcmp(name, "commas") == 0) result = PyLong_FromSize_t(count.commas);
        else if (strcmp(name, "is_filtered") == 0) result = PyBool_FromLong(fn_is_filtered(page, given));
        else if (strcmp(name, "has_text") == 0) result = PyBool_FromLong(fn_has_text(given));
        else if (strcmp(name, "is_video") == 0) result = PyBool_FromLong(fn_is_video(page, given));
        else if (strcmp(name, "looks_like_block") == 0) result = PyBool_FromLong(fn_looks_like_block(given));
        else if (strcmp(name, "is_stop_word") == 0) result = PyBool_FromLong(is_stop_word(page, text, (size_t)n));
        else if (strcmp(name, "name_kinds") == 0) result = PyLong_FromUnsignedLong(fn_name_kinds(given));
        else if (name[0] == '@' && fn_mark_attribute(name + 1, strlen(name + 1)) >= 0)
            result = PyLong_FromUnsignedLong(fn_mask_of(fn_mark_attribute(name + 1, strlen(name + 1)), given));
        else PyErr_SetString(PyExc_ValueError, "no such function");
        if (found.p != NULL) result = PyUnicode_DecodeUTF8(found.p, (Py_ssize_t)found.n, "strict");
    } else {
        result = raise_status(page, status);
    }
    fn_page_free(page);
    PyMem_Free(page);
    return result;
}

/* The element as XML, as readability writes its article. */
static PyObject *serialized(PyObject *self, PyObject *tree)
{
    PyObject *result;
    (void)self;
    if (!is_element(tree)) return PyErr_Format(PyExc_TypeError, "an lxml element is needed");
    if (!has_tables()) return NULL;
    Call call = new_call(Py_None, Py_None);
    FnPage *page = new_page(&call);
    if (page == NULL) return PyErr_NoMemory();
    int status = setjmp(page->jump);
    if (status == FN_ENDED) {
        FnBuffer out = {0};
        fn_serialize(page, fn_read_tree(page, ((FnLxmlElement *)tree)->node), &out);
        result = PyUnicode_DecodeUTF8(out.p, (Py_ssize_t)out.n, "strict");
    } else {
        result = raise_status(page, status);
    }
    fn_page_free(page);
    PyMem_Free(page);
    return result;
}

static PyMethodDef METHODS[] = {
    {"extract", extract, METH_VARARGS, "extract(tree, parse, doubtful=False): cleaned text, None, or BASELINE; raises Refused(reason)."},
    {"is_plain", plain, METH_O, "is_plain(data): False where UTF-8 bytes may name a character that XML forbids."},
    {"language_open", fn_language_open, METH_O, "language_open(data): a model, or None where it is of a kind that is not read."},
    {"language_scores", fn_language_scores, METH_VARARGS, "language_scores(model, line): probabilities by label, best first."},
    {"tokens_open", fn_tokens_open, METH_VARARGS, "tokens_open(merges): of 32-bit pairs of symbols in order of rank."},
    {"tokens_count", fn_tokens_count, METH_VARARGS, "tokens_count(merges, text): GPT-2 tokens, and pieces that are left to Python."},
    {"splitter_open", fn_splitter_open, METH_VARARGS, "splitter_open(special, patterns, prefixes, suffixes, punctuation)."},
    {"splitter_split", fn_splitter_split, METH_VARARGS, "splitter_split(splitter, chunk): tokens and counts, or None where Python decides."},
    {"splitter_words", fn_splitter_words, METH_VARARGS, "splitter_words(splitter, text, memo): tokens with spaces between them, and counts; the memo knows other chunks."},
    {"ngram_chars", fn_ngram_chars, METH_VARARGS, "ngram_chars(words, tops, duplicates, seed): characters in repeated n-grams."},
    {"simplify", fn_simplify, METH_VARARGS, "simplify(text, kinds, table): the text as MinHash compares it, or None."},
    {"minhash_lowest", fn_minhash_lowest, METH_VARARGS, "minhash_lowest(words, n, factors, offsets): lowest permuted SHA-1 values."},
    {"blocks_open", fn_blocks_open, METH_VARARGS, "blocks_open(tags, words, attributes, marks, weights): what a page is read by."},
    {"blocks_extract", fn_blocks_extract, METH_VARARGS, "blocks_extract(tables, html): the main text, empty where there is none."},
    {"markup", fn_bounds_markup, METH_O, "markup(html): (tags, attributes, depth, nesting, cells), see bounds.py."},
    {"seed", set_seed, METH_O, "seed(number): the secret of the hash tables, of 64 bits."},
    {"fill_begin", fill_begin, METH_VARARGS, NULL},
    {"fill_tag", fill_tag, METH_VARARGS, NULL},
    {"fill_cleaned", fill_cleaned, METH_VARARGS, NULL},
    {"fill_attribute", fill_attribute, METH_VARARGS, NULL},
    {"fill_literal", fill_literal, METH_VARARGS, NULL},
    {"fill_name_word", fill_name_word, METH_VARARGS, NULL},
    {"fill_end", fill_end, METH_NOARGS, NULL},
    {"probe", probe, METH_VARARGS, NULL},
    {"serialize", serialized, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_core", "The compiled core of extraction.", -1, METHODS, NULL, NULL, NULL, NULL};

/* An lxml whose elements are laid out otherwise is not read. */
static int find_element_type(void)
{
    PyObject *etree = PyImport_ImportModule("lxml.etree");
    PyObject *type = etree == NULL ? NULL : PyObject_GetAttrString(etree, "_Element");
    Py_XDECREF(etree);
    if (type == NULL) return -1;
    element_type = (PyTypeObject *)type;
    if (!PyType_Check(type) || element_type->tp_basicsize != sizeof(FnLxmlElement)) {
        PyErr_SetString(PyExc_ImportError, "this lxml lays its elements out in another way");
        return -1;
    }
    return 0;
}

PyMODINIT_FUNC PyInit__core(void)
{
    if (find_element_type() < 0) return NULL;
    PyObject *module = PyModule_Create(&MODULE);
    if (module == NULL) return NULL;
    Refused = PyErr_NewException("finest.recipe.native._core.Refused", NULL, NULL);
    Baseline = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    if (Refused == NULL || Baseline == NULL || PyModule_AddObjectRef(module, "Refused", Refused) < 0 ||
        PyModule_AddObjectRef(module, "BASELINE", Baseline) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
