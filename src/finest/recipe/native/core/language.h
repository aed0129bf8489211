#ifndef FINEST_LANGUAGE_H
#define FINEST_LANGUAGE_H

#include <Python.h>

PyObject *fn_language_open(PyObject *self, PyObject *data);    /* (bytes of a model file): a capsule, or None for an unsupported kind */
PyObject *fn_language_scores(PyObject *self, PyObject *args);  /* (capsule, line as UTF-8 bytes): {label: probability}, best first */

#endif
