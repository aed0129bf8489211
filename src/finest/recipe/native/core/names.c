/* Tables of names: each is found by its first eight bytes, and a longer one by all of them. */
#define PY_SSIZE_T_CLEAN
#include "blocks.h"

/* Up to eight bytes in lower case, the first in the lowest bits. */
static uint64_t eight_of(const char *p, size_t n)
{
    uint64_t eight = 0;
    for (size_t i = 0; i < n; i++) eight |= (uint64_t)(unsigned char)fn_lower_of(p[i]) << 8 * i;
    return eight;
}

static uint64_t first_of(const char *p, size_t n) { return eight_of(p, n < 8 ? n : 8); }

/* Where the search for a name begins. These names do not come from pages, so that the hash needs no secret. */
static uint32_t slot_of(uint64_t first, const char *p, size_t n)
{
    uint64_t hash = fn_mixed(n, first);
    for (size_t at = 8; at < n; at += 8) hash = fn_mixed(hash, first_of(p + at, n - at));
    return (uint32_t)(hash >> 40) % FN_NAME_SLOTS;
}

static bool is_rest(const char *name, const char *p, size_t n)
{
    for (size_t i = 8; i < n; i++)
        if (name[i] != fn_lower_of(p[i])) return false;
    return true;
}

int fn_find_name(const FnNames *names, const char *p, size_t n)
{
    if (n == 0 || n >= FN_MOST_NAME || !(names->lengths[(unsigned char)fn_lower_of(*p)] >> n & 1)) return -1;
    uint64_t first = first_of(p, n);
    for (uint32_t slot = slot_of(first, p, n); names->slots[slot]; slot = (slot + 1) % FN_NAME_SLOTS) {
        int place = names->slots[slot] - 1;
        if (names->names[place].n == n && names->names[place].first == first && is_rest(names->names[place].p, p, n)) return place;
    }
    return -1;
}

int fn_add_name(FnNames *names, const char *name, size_t n)
{
    if (names->count == FN_MOST_NAMES || n == 0 || n >= FN_MOST_NAME) return -1;
    uint64_t first = first_of(name, n);
    uint32_t slot = slot_of(first, name, n);
    while (names->slots[slot]) slot = (slot + 1) % FN_NAME_SLOTS;
    memcpy(names->names[names->count].p, name, n);
    names->names[names->count].n = n;
    names->names[names->count].first = first;
    names->slots[slot] = (uint16_t)++names->count;
    names->lengths[(unsigned char)*name] |= 1ull << n;
    return (int)names->count - 1;
}
