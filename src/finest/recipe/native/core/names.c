/* Tables of names: each is found by its first eight bytes, and a longer one by all of them. */
#define PY_SSIZE_T_CLEAN
#include "blocks.h"

static uint64_t four(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    return p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
}

/* Eight bytes with capital letters of ASCII made small: a bit of each byte that is one is moved to where it differs. */
static uint64_t lower(uint64_t eight)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x80 * ones, low = eight & ~high;
    uint64_t from_a = low + (0x80 - 'A') * ones, after_z = low + (0x7f - 'Z') * ones;
    return eight | ((from_a ^ after_z) & ~eight & high) >> 2;
}

/* The first bytes of a name, up to eight, in lower case; the first one is in the lowest bits. */
static uint64_t first_of(const char *p, size_t n)
{
    if (n >= 8) return lower(four(p) | four(p + 4) << 32);
    if (n >= 4) return lower(four(p) | four(p + n - 4) << 8 * (n - 4)); /* bytes that are in both are the same */
    uint64_t found = 0;
    for (size_t i = 0; i < n; i++) found |= (uint64_t)(unsigned char)p[i] << 8 * i;
    return lower(found);
}

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

int fn_look_up(const FnNames *names, const char *p, size_t n)
{
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
    if (*name >= 'a' && *name <= 'z') names->lengths[(unsigned char)*name - 32] |= 1ull << n;
    return (int)names->count - 1;
}
