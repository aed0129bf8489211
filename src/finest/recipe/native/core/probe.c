/* Expose single functions of the core to the tests, which compare them with Python's. */
#define PY_SSIZE_T_CLEAN
#include "page.h"

PyObject *fn_probe(PyObject *self, PyObject *args)
{
    const char *name, *text;
    Py_ssize_t n;
    PyObject *result = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "ss#", &name, &text, &n) || !fn_has_tables()) return NULL;
    FnCall call = fn_new_call(Py_None, Py_None);
    FnPage *page = fn_new_page(&call);
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
        else if (strcmp(name, "is_stop_word") == 0) result = PyBool_FromLong(page->host->is_stop_word(page, text, (size_t)n));
        else if (strcmp(name, "name_kinds") == 0) result = PyLong_FromUnsignedLong(fn_name_kinds(given));
        else if (name[0] == '@' && fn_mark_attribute(name + 1, strlen(name + 1)) >= 0)
            result = PyLong_FromUnsignedLong(fn_mask_of(fn_mark_attribute(name + 1, strlen(name + 1)), given));
        else PyErr_SetString(PyExc_ValueError, "no such function");
        if (found.p != NULL) result = PyUnicode_DecodeUTF8(found.p, (Py_ssize_t)found.n, "strict");
    } else {
        result = fn_raise_status(page, status);
    }
    fn_page_free(page);
    PyMem_Free(page);
    return result;
}

/* Return the element as XML, as readability writes its article. */
PyObject *fn_serialized(PyObject *self, PyObject *tree)
{
    PyObject *result;
    (void)self;
    if (!fn_is_element(tree)) return PyErr_Format(PyExc_TypeError, "an lxml element is needed");
    if (!fn_has_tables()) return NULL;
    FnCall call = fn_new_call(Py_None, Py_None);
    FnPage *page = fn_new_page(&call);
    if (page == NULL) return PyErr_NoMemory();
    int status = setjmp(page->jump);
    if (status == FN_ENDED) {
        FnBuffer out = {0};
        fn_serialize(page, fn_read_tree(page, ((FnLxmlElement *)tree)->node), &out);
        result = PyUnicode_DecodeUTF8(out.p, (Py_ssize_t)out.n, "strict");
    } else {
        result = fn_raise_status(page, status);
    }
    fn_page_free(page);
    PyMem_Free(page);
    return result;
}
