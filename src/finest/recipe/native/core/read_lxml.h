/* Memory layout of lxml's elements: its public C interface (lxml/includes/etreepublic.pxd) and libxml2's tree.h. */
#ifndef FINEST_READ_H
#define FINEST_READ_H

#include <Python.h>

#include "core.h"

typedef struct FnXmlAttr {
    void *private_;
    int type;
    const char *name;
    struct FnXmlNode *children, *last;
    struct FnXmlNode *parent;
    struct FnXmlAttr *next, *prev;
    void *doc, *ns;
} FnXmlAttr;

typedef struct FnXmlNode {
    void *private_;
    int type;
    const char *name;
    struct FnXmlNode *children, *last, *parent, *next, *prev;
    void *doc, *ns;
    const char *content;
    FnXmlAttr *properties;
} FnXmlNode;

typedef struct {
    PyObject_HEAD
    PyObject *document;
    FnXmlNode *node;
    PyObject *tag;
} FnLxmlElement;

FnNode *fn_read_tree(FnPage *, const FnXmlNode *wanted); /* reads the whole document; returns the node for `wanted` */

#endif
