/* lxml's elements, as its public C interface (lxml/includes/etreepublic.pxd) and libxml2's tree.h lay them out. */
#ifndef FINEST_READ_H
#define FINEST_READ_H

#include <Python.h>

#include "core.h"

typedef struct XmlAttr {
    void *private_;
    int type;
    const char *name;
    struct XmlNode *children, *last;
    struct XmlNode *parent;
    struct XmlAttr *next, *prev;
    void *doc, *ns;
} XmlAttr;

typedef struct XmlNode {
    void *private_;
    int type;
    const char *name;
    struct XmlNode *children, *last, *parent, *next, *prev;
    void *doc, *ns;
    const char *content;
    XmlAttr *properties;
} XmlNode;

typedef struct {
    PyObject_HEAD
    PyObject *document;
    XmlNode *node;
    PyObject *tag;
} LxmlElement;

Node *read_tree(Page *, const XmlNode *wanted); /* the whole document; gives the node for `wanted` */

#endif
