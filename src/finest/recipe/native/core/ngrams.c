/* Count the repeated n-grams of a text exactly: top_chars and duplicated_chars of ngrams.py. */
#define PY_SSIZE_T_CLEAN
#include "texts.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

typedef struct { const char *p; size_t n; } Token;
typedef struct { uint64_t hash; uint32_t at, times; } Slot; /* `at`: first position, from 1; 0: free slot */

typedef struct {
    size_t n;
    Token *tokens;
    uint32_t *ids;      /* equal tokens have equal ids */
    size_t *chars;      /* characters before each token */
    size_t *bytes;      /* bytes before each token in `text` */
    char *text;         /* all tokens, joined without a separator */
    Slot *slots;
    size_t mask;
    uint64_t seed;
} Words;

static void free_words(Words *words)
{
    free(words->tokens);
    free(words->ids);
    free(words->chars);
    free(words->bytes);
    free(words->text);
    free(words->slots);
}

static bool make_room(Words *words, size_t bytes)
{
    size_t room = 1024;
    while (room < 2 * words->n + 2) room *= 2;
    words->mask = room - 1;
    words->tokens = malloc((words->n + 1) * sizeof(Token));
    words->ids = malloc((words->n + 1) * sizeof(uint32_t));
    words->chars = malloc((words->n + 1) * sizeof(size_t));
    words->bytes = malloc((words->n + 1) * sizeof(size_t));
    words->slots = malloc(room * sizeof(Slot));
    words->text = malloc(bytes + 1);
    if (words->tokens && words->ids && words->chars && words->bytes && words->slots && words->text &&
        words->n < UINT32_MAX)
        return true;
    PyErr_NoMemory();
    return false;
}

/* Split a text into its tokens, which are separated by spaces. */
static bool read_words(Words *words, const char *p, size_t size)
{
    const char *end = p + size;
    words->n = size > 0;
    for (const char *at = p; at < end; at++) words->n += *at == ' ';
    if (!make_room(words, size)) return false;
    size_t chars = 0, bytes = 0;
    for (size_t i = 0; i < words->n; i++) {
        const char *space = memchr(p, ' ', (size_t)(end - p));
        size_t n = (size_t)((space != NULL ? space : end) - p);
        words->tokens[i] = (Token){p, n};
        words->chars[i] = chars;
        words->bytes[i] = bytes;
        memcpy(words->text + bytes, p, n);
        for (size_t j = 0; j < n; j++) chars += ((unsigned char)p[j] & 0xc0) != 0x80;
        bytes += n;
        p += n + 1;
    }
    words->chars[words->n] = chars;
    words->bytes[words->n] = bytes;
    return true;
}

static void clear(Words *words) { memset(words->slots, 0, (words->mask + 1) * sizeof(Slot)); }

static void number_tokens(Words *words)
{
    clear(words);
    for (size_t i = 0; i < words->n; i++) {
        uint64_t hash = fn_hash_bytes(words->seed, words->tokens[i].p, words->tokens[i].n);
        size_t slot = hash & words->mask;
        for (; words->slots[slot].at != 0; slot = (slot + 1) & words->mask) {
            const Token *first = &words->tokens[words->slots[slot].at - 1];
            if (words->slots[slot].hash == hash && first->n == words->tokens[i].n &&
                memcmp(first->p, words->tokens[i].p, first->n) == 0)
                break;
        }
        if (words->slots[slot].at == 0) words->slots[slot] = (Slot){hash, (uint32_t)i + 1, 0};
        words->ids[i] = words->slots[slot].at;
    }
}

/* Length, with spaces, of the most frequent n-gram (the first on a tie) times its count. */
static size_t top_chars(Words *words, size_t n)
{
    size_t best = 0, most = 0;
    if (words->n < n) return 0;
    clear(words);
    for (size_t i = 0; i + n <= words->n; i++) {
        uint64_t hash = words->seed;
        for (size_t j = 0; j < n; j++) hash = fn_mixed(hash, words->ids[i + j]);
        size_t slot = hash & words->mask;
        for (; words->slots[slot].at != 0; slot = (slot + 1) & words->mask)
            if (words->slots[slot].hash == hash &&
                memcmp(words->ids + words->slots[slot].at - 1, words->ids + i, n * sizeof(uint32_t)) == 0)
                break;
        if (words->slots[slot].at == 0) words->slots[slot] = (Slot){hash, (uint32_t)i + 1, 0};
        size_t times = ++words->slots[slot].times, first = words->slots[slot].at - 1;
        if (times > most || (times == most && first < best)) {
            most = times;
            best = first;
        }
    }
    return most * (words->chars[best + n] - words->chars[best] + n - 1);
}

/* Number of characters in n-grams that occurred before, scanned from left to right without overlap. */
static size_t duplicated_chars(Words *words, size_t n)
{
    size_t total = 0;
    if (words->n < n) return 0;
    clear(words);
    for (size_t i = 0; i + n <= words->n;) {
        const char *p = words->text + words->bytes[i];
        size_t size = words->bytes[i + n] - words->bytes[i];
        uint64_t hash = fn_hash_bytes(words->seed, p, size);
        size_t slot = hash & words->mask;
        for (; words->slots[slot].at != 0; slot = (slot + 1) & words->mask) {
            size_t first = words->slots[slot].at - 1;
            if (words->slots[slot].hash == hash && words->bytes[first + n] - words->bytes[first] == size &&
                memcmp(words->text + words->bytes[first], p, size) == 0)
                break;
        }
        if (words->slots[slot].at == 0) {
            words->slots[slot] = (Slot){hash, (uint32_t)i + 1, 0};
            i++;
        } else {
            total += words->chars[i + n] - words->chars[i];
            i += n;
        }
    }
    return total;
}

static PyObject *counted(Words *words, PyObject *sizes, size_t (*count)(Words *, size_t))
{
    Py_ssize_t n = PyTuple_GET_SIZE(sizes);
    PyObject *found = PyList_New(n);
    for (Py_ssize_t i = 0; found != NULL && i < n; i++) {
        long size = PyLong_AsLong(PyTuple_GET_ITEM(sizes, i));
        if (size < 1 || PyErr_Occurred()) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "an n-gram has one word or more");
            Py_CLEAR(found);
            break;
        }
        PyObject *value = PyLong_FromSize_t(count(words, (size_t)size));
        if (value == NULL) Py_CLEAR(found);
        else PyList_SET_ITEM(found, i, value);
    }
    return found;
}

PyObject *fn_ngram_chars(PyObject *self, PyObject *args)
{
    PyObject *tops, *duplicates, *result = NULL;
    const char *text;
    Py_ssize_t size;
    unsigned long long seed;
    Words words = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "s#O!O!K", &text, &size, &PyTuple_Type, &tops, &PyTuple_Type, &duplicates, &seed))
        return NULL;
    words.seed = seed;
    if (read_words(&words, text, (size_t)size)) {
        number_tokens(&words);
        PyObject *one = counted(&words, tops, top_chars);
        PyObject *other = one != NULL ? counted(&words, duplicates, duplicated_chars) : NULL;
        if (other != NULL) result = PyTuple_Pack(2, one, other);
        Py_XDECREF(one);
        Py_XDECREF(other);
    }
    free_words(&words);
    return result;
}
