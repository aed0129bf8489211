/* A page in UTF-8: several times faster than CPython's encoder where most characters are ASCII. */
#define PY_SSIZE_T_CLEAN
#include "blocks.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Write a character; returns the position after it, or NULL for half of a surrogate pair. */
static char *put_code(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
    } else {
        if (code >= 0xd800 && code < 0xe000) return NULL;
        if (code < 0x10000) {
            *out++ = (char)(0xe0 | code >> 12);
        } else {
            *out++ = (char)(0xf0 | code >> 18);
            *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *out++ = (char)(0x80 | (code & 0x3f));
    return out;
}

/* Write UNITS characters in one byte each; returns a bit for each one that is ASCII, and is written rightly. */
enum { UNITS = 16, ALL = (1 << UNITS) - 1 };

#ifdef __SSE2__
static inline __m128i sixteen(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
static inline unsigned ascii(__m128i narrow) { return (unsigned)_mm_movemask_epi8(narrow) & ALL; }

static inline unsigned narrow_1(char *out, const Py_UCS1 *p)
{
    __m128i units = sixteen(p);
    _mm_storeu_si128((__m128i *)out, units);
    return ~ascii(units) & ALL;
}

static inline unsigned narrow_2(char *out, const Py_UCS2 *p)
{
    const __m128i low = sixteen(p), high = sixteen(p + 8), wide = _mm_set1_epi16((short)0xff80), zero = _mm_setzero_si128();
    _mm_storeu_si128((__m128i *)out, _mm_packus_epi16(low, high));
    __m128i first = _mm_cmpeq_epi16(_mm_and_si128(low, wide), zero), second = _mm_cmpeq_epi16(_mm_and_si128(high, wide), zero);
    return ascii(_mm_packs_epi16(first, second));
}

static inline unsigned narrow_4(char *out, const Py_UCS4 *p)
{
    const __m128i wide = _mm_set1_epi32(~0x7f), zero = _mm_setzero_si128();
    __m128i units[4], good[4];
    for (int i = 0; i < 4; i++) {
        units[i] = sixteen(p + 4 * i);
        good[i] = _mm_cmpeq_epi32(_mm_and_si128(units[i], wide), zero);
    }
    __m128i low = _mm_packs_epi32(units[0], units[1]), high = _mm_packs_epi32(units[2], units[3]);
    _mm_storeu_si128((__m128i *)out, _mm_packus_epi16(low, high));
    return ascii(_mm_packs_epi16(_mm_packs_epi32(good[0], good[1]), _mm_packs_epi32(good[2], good[3])));
}
#else
#define NARROW(name, UNIT) \
    static inline unsigned name(char *out, const UNIT *p) \
    { \
        unsigned found = 0; \
        for (unsigned i = 0; i < UNITS; i++) out[i] = (char)p[i], found |= (unsigned)(p[i] < 0x80) << i; \
        return found; \
    }
NARROW(narrow_1, Py_UCS1)
NARROW(narrow_2, Py_UCS2)
NARROW(narrow_4, Py_UCS4)
#endif

/* Write a page's characters in UTF-8; returns the end, or NULL for half of a surrogate pair. There is room for UNITS bytes
 * wherever UNITS characters are left. */
#define ENCODE(name, UNIT, narrow) \
    static char *name(char *out, const UNIT *p, const UNIT *end) \
    { \
        while (end - p >= UNITS) { \
            unsigned others = ~narrow(out, p) & ALL, plain = others ? (unsigned)__builtin_ctz(others) : UNITS; \
            p += plain; \
            out += plain; \
            while (plain < UNITS && p < end && *p >= 0x80) \
                if ((out = put_code(out, *p++)) == NULL) return NULL; \
        } \
        while (p < end) \
            if ((out = put_code(out, *p++)) == NULL) return NULL; \
        return out; \
    }
ENCODE(encode_1, Py_UCS1, narrow_1)
ENCODE(encode_2, Py_UCS2, narrow_2)
ENCODE(encode_4, Py_UCS4, narrow_4)

enum { MOST_SPARE = 1 << 22 };
static FnPageText spare; /* memory kept for the next page, which the kernel need not clear; the GIL guards it */

static char *take_memory(FnPageText *page, size_t room)
{
    if (spare.room >= room) {
        page->own = spare.own;
        page->room = spare.room;
        spare = (FnPageText){0};
    } else {
        page->own = malloc(room);
        page->room = room;
    }
    return page->own;
}

void fn_free_page(FnPageText *page)
{
    bool keeps = page->room > spare.room && page->room <= MOST_SPARE;
    free(keeps ? spare.own : page->own);
    if (keeps) spare = *page;
}

bool fn_page_of(PyObject *text, FnPageText *page)
{
    *page = (FnPageText){0};
    if (!PyUnicode_Check(text)) return PyErr_Format(PyExc_TypeError, "a page is a str, not %s", Py_TYPE(text)->tp_name) != NULL;
    size_t n = (size_t)PyUnicode_GET_LENGTH(text);
    const void *data = PyUnicode_DATA(text);
    if (PyUnicode_IS_ASCII(text)) {
        *page = (FnPageText){data, n, NULL, 0};
        return true;
    }
    unsigned kind = PyUnicode_KIND(text); /* bytes of a character in memory; it takes at most one more in UTF-8 */
    if (take_memory(page, n * (kind < 4 ? kind + 1 : 4) + 1) == NULL) return PyErr_NoMemory() != NULL;
    char *end = kind == PyUnicode_1BYTE_KIND   ? encode_1(page->own, data, (const Py_UCS1 *)data + n)
                : kind == PyUnicode_2BYTE_KIND ? encode_2(page->own, data, (const Py_UCS2 *)data + n)
                                               : encode_4(page->own, data, (const Py_UCS4 *)data + n);
    if (end == NULL) {
        fn_free_page(page);
        PyUnicode_AsUTF8AndSize(text, NULL); /* raises */
        return false;
    }
    *end = 0;
    page->p = page->own;
    page->n = (size_t)(end - page->own);
    return true;
}

PyObject *fn_utf8(PyObject *self, PyObject *text)
{
    FnPageText page;
    (void)self;
    if (!fn_page_of(text, &page)) return NULL;
    PyObject *data = PyBytes_FromStringAndSize(page.p, (Py_ssize_t)page.n);
    fn_free_page(&page);
    return data;
}
