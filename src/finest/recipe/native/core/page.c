/* Process one page, from lxml's tree to its text or a refusal, with calls of Python: C port of extract/page.py. */
#define PY_SSIZE_T_CLEAN
#include "page.h"
#include "stop_words.h"

enum { MOST_BYTES = 512 << 20 };

struct FnModule fn_module;

bool fn_is_element(PyObject *object)
{
    return PyObject_TypeCheck(object, fn_module.element_type) && ((FnLxmlElement *)object)->node != NULL;
}

static bool poll(void *host)
{
    (void)host;
    return PyErr_CheckSignals() == 0;
}

static FnNode *source(FnPage *page) { return fn_read_tree(page, ((FnCall *)page->host->host)->source); }

static FnNode *parse(FnPage *page, const char *markup, size_t n)
{
    FnCall *call = page->host->host;
    PyObject *tree = PyObject_CallFunction(call->parse, "y#", markup, (Py_ssize_t)n);
    if (tree == NULL) fn_leave(page, FN_STOPPED);
    int failed = PyList_Append(call->kept, tree);
    Py_DECREF(tree);
    if (failed) fn_leave(page, FN_STOPPED);
    if (tree == Py_None) return NULL;
    if (!fn_is_element(tree)) fn_refuse(page, "no_element");
    memset(page->names, 0, sizeof(page->names)); /* each document has its own dictionary of names */
    memset(page->attr_names, 0, sizeof(page->attr_names));
    return fn_read_tree(page, ((FnLxmlElement *)tree)->node);
}

static bool is_word(uint32_t code) { return Py_UNICODE_ISALNUM(code); }

static bool is_printable(uint32_t code) { return Py_UNICODE_ISPRINTABLE(code); }

/* Only the call of `stop_words` runs Python code, during which other threads may run. */
static bool fill_stop_words(void)
{
    PyObject *words = PyObject_CallNoArgs(fn_module.stop_words), *iterator, *word;
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

/* str.lower() of one word; Python handles characters whose lower case is not a single character. */
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

FnCall fn_new_call(PyObject *parser, PyObject *kept)
{
    FnCall call = {{poll, parse, source, is_word, is_printable, is_stop_word, NULL}, NULL, parser, kept};
    return call;
}

FnPage *fn_new_page(FnCall *call)
{
    FnPage *page = PyMem_Malloc(sizeof(FnPage));
    if (page == NULL) return NULL;
    memset(page, 0, sizeof(FnPage));
    call->host.host = call;
    page->host = &call->host;
    page->most = MOST_BYTES;
    page->seed = fn_module.seed;
    return page;
}

PyObject *fn_raise_status(const FnPage *page, int status)
{
    if (status == FN_REFUSED) PyErr_SetString(fn_module.refused, page->reason);
    else if (status == FN_NO_MEMORY) PyErr_NoMemory();
    return NULL;
}

/* Whether the tables are filled, which every step over a tree requires; returns false with an exception. */
bool fn_has_tables(void)
{
    if (!fn_module.filled)
        PyErr_SetString(PyExc_RuntimeError,
                        "the tables are not fn_module.filled: call core_tables.why_unfilled before");
    return fn_module.filled;
}

PyObject *fn_extract(PyObject *self, PyObject *args)
{
    PyObject *tree, *parser, *result = NULL;
    int doubtful = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO|p", &tree, &parser, &doubtful)) return NULL;
    if (!fn_is_element(tree)) return PyErr_Format(PyExc_TypeError, "an lxml element is needed");
    if (!fn_has_tables()) return NULL;
    PyObject *kept = PyList_New(0);
    if (kept == NULL) return NULL;
    FnCall call = fn_new_call(parser, kept);
    FnPage *page = fn_new_page(&call);
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
            result = Py_NewRef(json ? fn_module.baseline : Py_None);
        }
    } else if (status == FN_NO_TEXT) {
        result = Py_NewRef(Py_None);
    } else {
        result = fn_raise_status(page, status);
    }
    fn_page_free(page);
    PyMem_Free(page);
    Py_DECREF(kept);
    return result;
}

PyObject *fn_plain(PyObject *self, PyObject *data)
{
    (void)self;
    if (!PyBytes_Check(data)) return PyErr_Format(PyExc_TypeError, "bytes are needed");
    return PyBool_FromLong(fn_is_plain((FnStr){PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data)}));
}
