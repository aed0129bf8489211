#ifndef FINEST_LANGUAGE_H
#define FINEST_LANGUAGE_H

#include <Python.h>

PyObject *fn_language_open(PyObject *self, PyObject *data);    /* of a model file's bytes: a capsule, or None for a kind it does not read */
PyObject *fn_language_scores(PyObject *self, PyObject *args);  /* (capsule, line as UTF-8 bytes): {label: probability}, best first */

#endif
