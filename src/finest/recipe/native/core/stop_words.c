/* jusText's stop words of all languages, in a hash set that is filled once, when a page first needs it. */
#include "stop_words.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct { uint32_t at; uint16_t n, check; } Slot;

static Slot *slots;
static size_t room;
static char *bytes;
static size_t used, bytes_room;

static uint64_t hash_of(const char *p, size_t n)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) hash = (hash ^ (unsigned char)p[i]) * 1099511628211u;
    return hash ^ hash >> 29;
}

bool fn_stop_words_ready(void) { return slots != NULL; }

bool fn_stop_words_begin(size_t count)
{
    room = 1024;
    while (room < 2 * count) room *= 2;
    slots = calloc(room, sizeof(Slot));
    return slots != NULL;
}

bool fn_stop_words_add(const char *word, size_t n)
{
    uint64_t hash = hash_of(word, n);
    size_t slot = hash & (room - 1);
    if (n == 0 || n > 400) return true; /* never looked up: empty, or too long */
    if (bytes_room - used < n) {
        size_t larger = bytes_room ? bytes_room * 2 : 1 << 20;
        char *moved = realloc(bytes, larger);
        if (moved == NULL || larger > UINT32_MAX) return false;
        bytes = moved;
        bytes_room = larger;
    }
    memcpy(bytes + used, word, n);
    while (slots[slot].n != 0) slot = (slot + 1) & (room - 1);
    slots[slot] = (Slot){(uint32_t)used, (uint16_t)n, (uint16_t)(hash >> 48)};
    used += n;
    return true;
}

bool fn_stop_words_hold(const char *word, size_t n)
{
    uint64_t hash = hash_of(word, n);
    for (size_t slot = hash & (room - 1); slots[slot].n != 0; slot = (slot + 1) & (room - 1))
        if (slots[slot].n == n && slots[slot].check == (uint16_t)(hash >> 48) && memcmp(bytes + slots[slot].at, word, n) == 0)
            return true;
    return false;
}
