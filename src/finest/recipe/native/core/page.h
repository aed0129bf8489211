/* The processing of a page, for the functions that Python calls. */
#ifndef FINEST_PAGE_H
#define FINEST_PAGE_H

#include "read_lxml.h"

/* State of the module; one per process, guarded by the GIL. */
extern struct FnModule {
    PyObject *refused, *baseline;   /* the exception, and the result of `extract` if Python must read JSON-LD */
    PyObject *stop_words;           /* called for jusText's stop words when a page first needs them */
    PyTypeObject *element_type;     /* lxml's */
    bool filled;                    /* whether the tables of extraction are filled */
    uint64_t seed;
} fn_module;

typedef struct {
    FnHost host;
    const FnXmlNode *source;
    PyObject *parse, *kept; /* `kept`: trees to which texts of this page point */
} FnCall;

FnCall fn_new_call(PyObject *parser, PyObject *kept);
FnPage *fn_new_page(FnCall *);                              /* NULL without memory, without an exception */
PyObject *fn_raise_status(const FnPage *, int status);      /* returns NULL and sets the exception for `status` */
bool fn_is_element(PyObject *);
bool fn_has_tables(void);                                   /* false with an exception */

/* page.c */
PyObject *fn_extract(PyObject *self, PyObject *args);       /* (tree, parse, doubtful): see _core.pyi */
PyObject *fn_plain(PyObject *self, PyObject *data);
/* probe.c */
PyObject *fn_probe(PyObject *self, PyObject *args);         /* (name, text): one function of the core */
PyObject *fn_serialized(PyObject *self, PyObject *tree);    /* the element as XML, as readability writes its article */

#endif
