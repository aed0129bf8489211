/* The Python module: its functions, including those with which extract/core_tables.py fills the tables. */
#define PY_SSIZE_T_CLEAN
#include "language.h"
#include "page.h"
#include "texts.h"

/* Set the secret seed of the hash tables with words from pages; native/__init__.py calls it when it loads the core. */
static PyObject *set_seed(PyObject *self, PyObject *number)
{
    (void)self;
    uint64_t bits = PyLong_AsUnsignedLongLong(number);
    if (PyErr_Occurred()) return NULL;
    fn_module.seed = bits;
    fn_bounds_begin(bits);
    Py_RETURN_NONE;
}

/* ---- the tables: fill_begin, then the others in any order, then fill_end; only core_tables.py calls them ---- */

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
    if (fn_module.filled || fn_module.stop_words != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the tables are fn_module.filled once");
        return NULL;
    }
    fn_module.stop_words = Py_NewRef(words);
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
    fn_module.filled = true;
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    {"extract", fn_extract, METH_VARARGS, "extract(tree, parse, doubtful=False): cleaned text, None, or BASELINE; raises Refused(reason)."},
    {"is_plain", fn_plain, METH_O, "is_plain(data): False where UTF-8 bytes may name a character that XML forbids."},
    {"language_open", fn_language_open, METH_O, "language_open(data): a model, or None where it is of a kind that is not read."},
    {"language_scores", fn_language_scores, METH_VARARGS, "language_scores(model, line): probabilities by label, best first."},
    {"tokens_open", fn_tokens_open, METH_VARARGS, "tokens_open(merges): of 32-bit pairs of symbols in order of rank."},
    {"tokens_count", fn_tokens_count, METH_VARARGS, "tokens_count(merges, text): GPT-2 tokens, and pieces that are left to Python."},
    {"splitter_open", fn_splitter_open, METH_VARARGS, "splitter_open(special, patterns, units, open_ends, kinds, prefixes, suffixes, english, letters, digits, dots)."},
    {"splitter_split", fn_splitter_split, METH_VARARGS, "splitter_split(splitter, chunk): tokens and counts, or None where Python decides."},
    {"splitter_words", fn_splitter_words, METH_VARARGS, "splitter_words(splitter, text, memo): tokens with spaces between them, and counts; the memo knows other chunks."},
    {"ngram_chars", fn_ngram_chars, METH_VARARGS, "ngram_chars(words, tops, duplicates, fn_module.seed): characters in repeated n-grams."},
    {"simplify", fn_simplify, METH_VARARGS, "simplify(text, kinds, table): the text as MinHash compares it, or None."},
    {"minhash_lowest", fn_minhash_lowest, METH_VARARGS, "minhash_lowest(words, n, factors, offsets, by_sha1): lowest permuted values of SHA-1 or xxHash64."},
    {"utf8", fn_utf8, METH_O, "utf8(text): its bytes in UTF-8."},
    {"blocks_open", fn_blocks_open, METH_VARARGS, "blocks_open(tags, words, attributes, marks, weights, classes, symbols): what a page is read by."},
    {"blocks_extract", fn_blocks_extract, METH_VARARGS, "blocks_extract(tables, html): the main text, empty where there is none."},
    {"structure_extract", fn_structure_extract, METH_VARARGS, "structure_extract(tables, html, formats): the main text in each format; raises Refused."},
    {"markup", fn_bounds_markup, METH_O, "markup(html): (tags, attributes, depth, nesting, cells), see bounds.py."},
    {"quality_open", fn_quality_open, METH_VARARGS, "quality_open(bits, rows, weights): a linear quality model."},
    {"quality_open_fasttext", fn_quality_open_fasttext, METH_VARARGS, "quality_open_fasttext(keys, words, buckets, word_ngrams, minn, maxn)."},
    {"quality_join", fn_quality_join, METH_VARARGS, "quality_join(models): models that score a text together."},
    {"quality_features", fn_quality_features, METH_VARARGS, "quality_features(text, bits): 32-bit indices, in the order of the text."},
    {"quality_sums", fn_quality_sums_of, METH_VARARGS, "quality_sums(joined, text): the rows' scores of each model, without bias."},
    {"decontaminate_open", fn_decontaminate_open, METH_VARARGS, "decontaminate_open(kinds, n, hashes, firsts, items, ordinals, needed): an index of evaluation items."},
    {"decontaminate_match", fn_decontaminate_match, METH_VARARGS, "decontaminate_match(index, text): the best run of an item, or None."},
    {"seed", set_seed, METH_O, "fn_module.seed(number): the secret of the hash tables, of 64 bits."},
    {"fill_begin", fill_begin, METH_VARARGS, NULL},
    {"fill_tag", fill_tag, METH_VARARGS, NULL},
    {"fill_cleaned", fill_cleaned, METH_VARARGS, NULL},
    {"fill_attribute", fill_attribute, METH_VARARGS, NULL},
    {"fill_literal", fill_literal, METH_VARARGS, NULL},
    {"fill_name_word", fill_name_word, METH_VARARGS, NULL},
    {"fill_end", fill_end, METH_NOARGS, NULL},
    {"probe", fn_probe, METH_VARARGS, NULL},
    {"serialize", fn_serialized, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_core", "The compiled core of extraction.", -1, METHODS, NULL, NULL, NULL, NULL};

/* Reject an lxml with a different memory layout of elements. */
static int find_element_type(void)
{
    PyObject *etree = PyImport_ImportModule("lxml.etree");
    PyObject *type = etree == NULL ? NULL : PyObject_GetAttrString(etree, "_Element");
    Py_XDECREF(etree);
    if (type == NULL) return -1;
    fn_module.element_type = (PyTypeObject *)type;
    if (!PyType_Check(type) || fn_module.element_type->tp_basicsize != sizeof(FnLxmlElement)) {
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
    fn_module.refused = PyErr_NewException("finest.recipe.native._core.Refused", NULL, NULL);
    fn_module.baseline = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    if (fn_module.refused == NULL || fn_module.baseline == NULL ||
        PyModule_AddObjectRef(module, "Refused", fn_module.refused) < 0 ||
        PyModule_AddObjectRef(module, "BASELINE", fn_module.baseline) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}

