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

static char *encode_1(char *out, const Py_UCS1 *p, const Py_UCS1 *end)
{
    while (p < end) {
        uint64_t eight;
        for (; end - p >= 8; p += 8, out += 8) {
            memcpy(&eight, p, 8);
            if (eight & 0x8080808080808080u) break;
            memcpy(out, &eight, 8);
        }
        for (unsigned i = 0; i < 8 && p < end; i++) out = put_code(out, *p++);
    }
    return out;
}

static char *encode_2(char *out, const Py_UCS2 *p, const Py_UCS2 *end)
{
    while (p < end) {
        uint64_t four;
#ifdef __SSE2__
        for (const __m128i wide = _mm_set1_epi16((short)0xff80); end - p >= 16; p += 16, out += 16) {
            __m128i low = _mm_loadu_si128((const __m128i *)p), high = _mm_loadu_si128((const __m128i *)(p + 8));
            __m128i found = _mm_cmpeq_epi16(_mm_and_si128(_mm_or_si128(low, high), wide), _mm_setzero_si128());
            if (_mm_movemask_epi8(found) != 0xffff) break;
            _mm_storeu_si128((__m128i *)out, _mm_packus_epi16(low, high));
        }
#endif
        for (; end - p >= 4; p += 4, out += 4) {
            memcpy(&four, p, 8);
            if (four & 0xff80ff80ff80ff80u) break;
            four = (four | four >> 8) & 0x0000ffff0000ffffu;
            four |= four >> 16;
            memcpy(out, &four, 4);
        }
        for (unsigned i = 0; i < 4 && p < end; i++)
            if ((out = put_code(out, *p++)) == NULL) return NULL;
    }
    return out;
}

static char *encode_4(char *out, const Py_UCS4 *p, const Py_UCS4 *end)
{
    while (p < end)
        if ((out = put_code(out, *p++)) == NULL) return NULL;
    return out;
}

bool fn_page_of(PyObject *text, FnPageText *page)
{
    *page = (FnPageText){0};
    if (!PyUnicode_Check(text)) return PyErr_Format(PyExc_TypeError, "a page is a str, not %s", Py_TYPE(text)->tp_name) != NULL;
    size_t n = (size_t)PyUnicode_GET_LENGTH(text);
    const void *data = PyUnicode_DATA(text);
    if (PyUnicode_IS_ASCII(text)) {
        *page = (FnPageText){data, n, NULL};
        return true;
    }
    unsigned kind = PyUnicode_KIND(text); /* bytes of a character in memory; it takes at most one more in UTF-8 */
    page->own = malloc(n * (kind < 4 ? kind + 1 : 4) + 1);
    if (page->own == NULL) return PyErr_NoMemory() != NULL;
    char *end = kind == PyUnicode_1BYTE_KIND   ? encode_1(page->own, data, (const Py_UCS1 *)data + n)
                : kind == PyUnicode_2BYTE_KIND ? encode_2(page->own, data, (const Py_UCS2 *)data + n)
                                               : encode_4(page->own, data, (const Py_UCS4 *)data + n);
    if (end == NULL) {
        free(page->own);
        PyUnicode_AsUTF8AndSize(text, NULL); /* raises */
        return false;
    }
    *end = 0;
    page->p = page->own;
    page->n = (size_t)(end - page->own);
    return true;
}
