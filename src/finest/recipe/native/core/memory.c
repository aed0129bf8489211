/* The memory of a page: an arena that is freed all at once. */
#include "core.h"

#include <stdio.h>
#include <stdlib.h>

struct FnChunk { /* a multiple of 16 bytes, as malloc's own memory is aligned */
    FnChunk *next;
    size_t size;
};

#ifndef __has_feature /* clang tests for sanitizers with this; gcc defines a macro */
#define __has_feature(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { CHUNK = 0, MOST_SPARE = 0 }; /* allocate each object separately, so that the sanitizer detects an overrun */
#else
enum { CHUNK = 1 << 20, MOST_SPARE = 8 };
#endif

_Static_assert(sizeof(FnChunk) % 16 == 0, "what follows a chunk's head is aligned as malloc aligns");

_Noreturn void fn_broken(const char *condition, const char *file, int line)
{
    fprintf(stderr,
            "finest's compiled core is broken (%s:%d: %s): please report it; FINEST_NATIVE=0 leaves the core out\n",
            file, line, condition);
    abort();
}

static FnChunk *spare; /* free chunks kept for the next page; the GIL guards them */
static int spare_count;

_Noreturn void fn_leave(FnPage *page, int status) { longjmp(page->jump, status); }

_Noreturn void fn_refuse(FnPage *page, const char *reason)
{
    page->reason = reason;
    fn_leave(page, FN_REFUSED);
}

void fn_tick_slowly(FnPage *page)
{
    page->ticks = 0;
    if (!page->host->poll(page->host->host)) fn_leave(page, FN_STOPPED);
}

static char *end_of(FnChunk *chunk) { return (char *)chunk + chunk->size; }

static void grow(FnPage *page, size_t bytes)
{
    size_t size = CHUNK ? CHUNK : bytes + sizeof(FnChunk);
    FnChunk *chunk = NULL;
    while (CHUNK > 0 && (size < bytes + sizeof(FnChunk) || size < page->allocated / MOST_SPARE)) size *= 2;
    if (page->allocated + size > page->most) fn_refuse(page, "memory");
    if (spare != NULL && size == CHUNK) {
        chunk = spare;
        spare = chunk->next;
        spare_count--;
    } else {
        chunk = malloc(size);
        if (chunk == NULL) fn_leave(page, FN_NO_MEMORY);
        chunk->size = size;
    }
    chunk->next = page->chunks;
    page->chunks = chunk;
    page->allocated += chunk->size;
    page->cur = (char *)(chunk + 1);
    page->end = end_of(chunk);
}

static char *take_bytes(FnPage *page, size_t bytes)
{
    if (CHUNK == 0 || (size_t)(page->end - page->cur) < bytes) grow(page, bytes);
    char *found = page->cur;
    page->cur += bytes;
    return found;
}

/* Allocate from the end of the free space. */
static char *take_last(FnPage *page, size_t bytes)
{
    if (CHUNK == 0 || (size_t)(page->end - page->cur) < bytes) grow(page, bytes);
    page->end -= bytes;
    return page->end;
}

void *fn_take(FnPage *page, size_t bytes)
{
    if (CHUNK == 0) return take_bytes(page, bytes);
    size_t odd = (size_t)(-(intptr_t)page->cur) & 15;
    if ((size_t)(page->end - page->cur) < odd + bytes) {
        grow(page, bytes);
        odd = 0; /* the memory after a chunk's header is aligned */
    }
    page->cur += odd;
    assert(((uintptr_t)page->cur & 15) == 0);
    return take_bytes(page, bytes);
}

void fn_page_free(FnPage *page)
{
    while (page->chunks != NULL) {
        FnChunk *chunk = page->chunks;
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

FnNode *fn_new_node(FnPage *page, uint32_t tag)
{
    FnNode *node = fn_take(page, sizeof(FnNode));
    memset(node, 0, sizeof(FnNode));
    node->tag = tag;
    return node;
}

void fn_push(FnPage *page, FnNodeList *list, FnNode *node)
{
    if (list->n == list->room) {
        size_t room = list->room ? list->room * 2 : 32;
        FnNode **items = fn_take(page, room * sizeof(FnNode *));
        if (list->n) memcpy(items, list->items, list->n * sizeof(FnNode *));
        list->items = items;
        list->room = room;
    }
    list->items[list->n++] = node;
}

void fn_put(FnPage *page, FnBuffer *buffer, FnStr text)
{
    if (text.n == 0) return;
    if (buffer->room - buffer->n < text.n) {
        size_t room = (buffer->room ? buffer->room : 1024) * 2;
        while (room - buffer->n < text.n) room *= 2;
        char *p = fn_take(page, room);
        if (buffer->n) memcpy(p, buffer->p, buffer->n);
        buffer->p = p;
        buffer->room = room;
    }
    memcpy(buffer->p + buffer->n, text.p, text.n);
    buffer->n += text.n;
}

/* Repeated concatenation takes linear time: a text that ends where the arena's free space begins grows in place, and so
 * does one that begins where the free space ends. */
static FnStr joined(FnPage *page, FnStr a, FnStr b)
{
    if (a.n == 0) return b;
    if (b.n == 0) return a;
    size_t n = a.n + b.n, room = (size_t)(page->end - page->cur);
    if (CHUNK > 0 && page->chunks != NULL && a.p + a.n == page->cur && a.p >= (char *)(page->chunks + 1) && room >= b.n) {
        memmove(page->cur, b.p, b.n);
        page->cur += b.n;
        return (FnStr){a.p, n};
    }
    if (CHUNK > 0 && page->chunks != NULL && b.p == page->end && b.p < end_of(page->chunks) && room >= a.n) {
        page->end -= a.n;
        memmove(page->end, a.p, a.n);
        return (FnStr){page->end, n};
    }
    char *p = a.n < b.n ? take_last(page, n) : take_bytes(page, n);
    memcpy(p, a.p, a.n);
    memcpy(p + a.n, b.p, b.n);
    return (FnStr){p, n};
}

FnStr fn_concat(FnPage *page, FnStr a, FnStr b)
{
    if (a.p == NULL) return b;
    if (b.p == NULL) return a;
    return joined(page, a, b);
}

FnStr fn_concat3(FnPage *page, FnStr a, FnStr b, FnStr c)
{
    FnStr found = joined(page, joined(page, a, b), c);
    return found.p == NULL ? FN_EMPTY : found;
}
