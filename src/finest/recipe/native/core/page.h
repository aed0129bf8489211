/* A page at work, as the functions that Python calls need it. */
#ifndef FINEST_PAGE_H
#define FINEST_PAGE_H

#include "read_lxml.h"

/* What the module holds; one in a process, guarded by the GIL. */
extern struct FnModule {
    PyObject *refused, *baseline;   /* the exception, and what `extract` answers where Python reads JSON-LD */
    PyObject *stop_words;           /* gives jusText's stop words when a page first needs them */
    PyTypeObject *element_type;     /* lxml's */
    bool filled;                    /* the tables of extraction */
    uint64_t seed;
} fn_module;

typedef struct {
    FnHost host;
    const FnXmlNode *source;
    PyObject *parse, *kept; /* `kept`: trees that texts of this page lie in */
} FnCall;

FnCall fn_new_call(PyObject *parser, PyObject *kept);
FnPage *fn_new_page(FnCall *);                              /* NULL without memory, and no exception */
PyObject *fn_raise_status(const FnPage *, int status);      /* NULL, with the exception of a page that was left */
bool fn_is_element(PyObject *);
bool fn_has_tables(void);                                   /* false with an exception */

/* page.c */
PyObject *fn_extract(PyObject *self, PyObject *args);       /* (tree, parse, doubtful): see _core.pyi */
PyObject *fn_plain(PyObject *self, PyObject *data);
/* probe.c */
PyObject *fn_probe(PyObject *self, PyObject *args);         /* (name, text): one function of the core */
PyObject *fn_serialized(PyObject *self, PyObject *tree);    /* the element as XML, as readability writes its article */

#endif
