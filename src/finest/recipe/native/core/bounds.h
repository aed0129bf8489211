/* HTML's elements with their numbers, names and roles in the tree: FN_ELEMENTS of generated.h, from bounds.py. */
#ifndef FINEST_BOUNDS_H
#define FINEST_BOUNDS_H

#include <stdint.h>

#include "core.h"

enum {
#define X(name, does) FN_E_##name,
    FN_ELEMENTS(X)
#undef X
    FN_E_OTHER, /* every name beyond MOST_NAMES, or with a character beyond Latin-1 */
    FN_E_KNOWN,
    FN_E_KEYS = FN_E_KNOWN + FN_BOUNDS_MOST_NAMES
};
static const FnStr FN_ELEMENT_NAMES[] = {
#define X(name, does) {#name, sizeof(#name) - 1},
    FN_ELEMENTS(X)
#undef X
};
static const uint16_t FN_ELEMENT_DOES[] = {
#define X(name, does) does,
    FN_ELEMENTS(X)
#undef X
};

_Static_assert(FN_E_OTHER < UINT8_MAX, "a known element's place and 1 fit into a byte");
_Static_assert(FN_E_KEYS <= INT16_MAX, "an open element's key fits into its field");

#endif
