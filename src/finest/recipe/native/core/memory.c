/* Memory of a page: an arena that is given back at once. */
#include "core.h"

#include <stdlib.h>

struct Chunk { /* a multiple of 16 bytes, as malloc's own memory is aligned */
    Chunk *next;
    size_t size;
};

#ifndef __has_feature /* clang's way to ask; gcc defines a macro */
#define __has_feature(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { CHUNK = 0, MOST_SPARE = 0 }; /* each allocation alone, so that a step over its end is seen */
#else
enum { CHUNK = 1 << 20, MOST_SPARE = 8 };
#endif

static Chunk *spare; /* some chunks are kept for the next page; the GIL guards them */
static int spare_count;

_Noreturn void leave(Page *page, int status) { longjmp(page->jump, status); }

_Noreturn void refuse(Page *page, const char *reason)
{
    page->reason = reason;
    leave(page, REFUSED);
}

void tick_slowly(Page *page)
{
    page->ticks = 0;
    if (!page->host->poll(page->host->host)) leave(page, STOPPED);
}

static char *end_of(Chunk *chunk) { return (char *)chunk + chunk->size; }

static void grow(Page *page, size_t bytes)
{
    size_t size = CHUNK ? CHUNK : bytes + sizeof(Chunk);
    Chunk *chunk = NULL;
    while (CHUNK > 0 && (size < bytes + sizeof(Chunk) || size < page->allocated / MOST_SPARE)) size *= 2;
    if (page->allocated + size > page->most) refuse(page, "memory");
    if (spare != NULL && size == CHUNK) {
        chunk = spare;
        spare = chunk->next;
        spare_count--;
    } else {
        chunk = malloc(size);
        if (chunk == NULL) leave(page, NO_MEMORY);
        chunk->size = size;
    }
    chunk->next = page->chunks;
    page->chunks = chunk;
    page->allocated += chunk->size;
    page->cur = (char *)(chunk + 1);
    page->end = end_of(chunk);
}

static char *take_bytes(Page *page, size_t bytes)
{
    if (CHUNK == 0 || (size_t)(page->end - page->cur) < bytes) grow(page, bytes);
    char *found = page->cur;
    page->cur += bytes;
    return found;
}

/* From the other end of the free space. */
static char *take_last(Page *page, size_t bytes)
{
    if (CHUNK == 0 || (size_t)(page->end - page->cur) < bytes) grow(page, bytes);
    page->end -= bytes;
    return page->end;
}

void *take(Page *page, size_t bytes)
{
    if (CHUNK == 0) return take_bytes(page, bytes);
    size_t odd = (size_t)(-(intptr_t)page->cur) & 15;
    if ((size_t)(page->end - page->cur) < odd + bytes) {
        grow(page, bytes);
        odd = 0; /* behind a chunk's head */
    }
    page->cur += odd;
    return take_bytes(page, bytes);
}

void page_free(Page *page)
{
    while (page->chunks != NULL) {
        Chunk *chunk = page->chunks;
        page->chunks = chunk->next;
        if (spare_count < MOST_SPARE && chunk->size == CHUNK) {
            chunk->next = spare;
            spare = chunk;
            spare_count++;
        } else {
            free(chunk);
        }
    }
}

Node *new_node(Page *page, uint32_t tag)
{
    Node *node = take(page, sizeof(Node));
    memset(node, 0, sizeof(Node));
    node->tag = tag;
    return node;
}

void push(Page *page, NodeList *list, Node *node)
{
    if (list->n == list->room) {
        size_t room = list->room ? list->room * 2 : 32;
        Node **items = take(page, room * sizeof(Node *));
        if (list->n) memcpy(items, list->items, list->n * sizeof(Node *));
        list->items = items;
        list->room = room;
    }
    list->items[list->n++] = node;
}

void put(Page *page, Buffer *buffer, Str text)
{
    if (text.n == 0) return;
    if (buffer->room - buffer->n < text.n) {
        size_t room = (buffer->room ? buffer->room : 1024) * 2;
        while (room - buffer->n < text.n) room *= 2;
        char *p = take(page, room);
        if (buffer->n) memcpy(p, buffer->p, buffer->n);
        buffer->p = p;
        buffer->room = room;
    }
    memcpy(buffer->p + buffer->n, text.p, text.n);
    buffer->n += text.n;
}

/* Long runs of joins stay linear: a text that ends where the arena's free space begins grows in place, and so does one
 * that begins where the free space ends. */
static Str joined(Page *page, Str a, Str b)
{
    if (a.n == 0) return b;
    if (b.n == 0) return a;
    size_t n = a.n + b.n, room = (size_t)(page->end - page->cur);
    if (CHUNK > 0 && page->chunks != NULL && a.p + a.n == page->cur && a.p >= (char *)(page->chunks + 1) && room >= b.n) {
        memmove(page->cur, b.p, b.n);
        page->cur += b.n;
        return (Str){a.p, n};
    }
    if (CHUNK > 0 && page->chunks != NULL && b.p == page->end && b.p < end_of(page->chunks) && room >= a.n) {
        page->end -= a.n;
        memmove(page->end, a.p, a.n);
        return (Str){page->end, n};
    }
    char *p = a.n < b.n ? take_last(page, n) : take_bytes(page, n);
    memcpy(p, a.p, a.n);
    memcpy(p + a.n, b.p, b.n);
    return (Str){p, n};
}

Str concat(Page *page, Str a, Str b)
{
    if (a.p == NULL) return b;
    if (b.p == NULL) return a;
    return joined(page, a, b);
}

Str concat3(Page *page, Str a, Str b, Str c)
{
    Str found = joined(page, joined(page, a, b), c);
    return found.p == NULL ? EMPTY : found;
}
