/* Tables of tag names, attribute names and words in attribute values, from trafilatura; filled once per process. */
#include "core.h"

#include <stdlib.h>

enum { FOUND = 0x8000, SLOTS = 4096, MOST_ATTRIBUTES = 32, MOST_ENTRIES = 4096, MOST_OWN_TAGS = 4096, OWN_SLOTS = 8192 };
_Static_assert(MOST_OWN_TAGS < OWN_SLOTS && OWN_SLOTS <= UINT16_MAX, "a search in the slots meets an empty one");

typedef struct { FnStr name; uint32_t bits, candidate_bits; } Tag;
typedef struct { int32_t attribute, next; uint32_t length, contains, starts, equals; } Entry;
typedef struct {
    int32_t states, room, classes;
    int32_t (*edges)[256];   /* used only while the table is built */
    uint16_t *next;          /* [state][class]; the highest bit means that words end there */
    uint8_t class_of[256];
    int32_t *first, *suffix; /* first entry of a state; nearest suffix that has entries */
} Automaton;

uint64_t fn_known_sets[FN_MOST_TAGS];
static Tag tags[FN_MOST_TAGS];
static uint32_t tag_count, any_bits;
static uint16_t slots[SLOTS];
static struct { FnStr name; uint32_t present; } attributes[MOST_ATTRIBUTES];
static int attribute_count;
static Entry entries[MOST_ENTRIES];
static int32_t entry_count;
static Automaton marks, words;

static const char *const NAMED[] = {
#define X(id, name) name,
    FN_NAMED_TAGS(X)
#undef X
};
static const char *const NAMED_ATTRIBUTE[] = {
#define X(id, name) name,
    FN_NAMED_ATTRIBUTES(X)
#undef X
};

static char *kept(const char *p, size_t n)
{
    char *copy = malloc(n + 1);
    if (copy == NULL) return NULL;
    memcpy(copy, p, n);
    copy[n] = 0;
    return copy;
}

static uint32_t find_tag(const char *name, size_t n)
{
    for (uint32_t slot = fn_name_hash(name, n) % SLOTS; slots[slot] != 0; slot = (slot + 1) % SLOTS) {
        const FnStr *found = &tags[slots[slot] - 1].name;
        if (found->n == n && memcmp(found->p, name, n) == 0) return slots[slot] - 1u;
    }
    return FN_MOST_TAGS;
}

static int add_tag(const char *name, size_t n)
{
    if (tag_count == FN_MOST_TAGS) return -1;
    char *copy = kept(name, n);
    if (copy == NULL) return -1;
    tags[tag_count] = (Tag){{copy, n}, any_bits, any_bits};
    uint32_t slot = fn_name_hash(name, n) % SLOTS;
    while (slots[slot] != 0) slot = (slot + 1) % SLOTS;
    slots[slot] = (uint16_t)++tag_count;
    return 0;
}

static int32_t new_state(Automaton *automaton)
{
    if (automaton->states == automaton->room) {
        int32_t room = automaton->room ? automaton->room * 2 : 256;
        if (room > FOUND) return -1;
        int32_t(*edges)[256] = realloc(automaton->edges, (size_t)room * sizeof(*edges));
        if (edges == NULL) return -1;
        automaton->edges = edges;
        int32_t *first = realloc(automaton->first, (size_t)room * sizeof(int32_t));
        if (first == NULL) return -1;
        automaton->first = first;
        automaton->room = room;
    }
    int32_t state = automaton->states++;
    memset(automaton->edges[state], 0xff, sizeof(automaton->edges[state]));
    automaton->first[state] = -1;
    return state;
}

static int add_word(Automaton *automaton, const char *text, size_t n, Entry entry)
{
    int32_t state = 0;
    if (entry_count == MOST_ENTRIES || n == 0) return -1;
    for (size_t i = 0; i < n; i++) {
        int32_t next = automaton->edges[state][(unsigned char)text[i]];
        if (next < 0) {
            next = new_state(automaton);
            if (next < 0) return -1;
            automaton->edges[state][(unsigned char)text[i]] = next;
        }
        state = next;
    }
    entry.next = automaton->first[state];
    entry.length = (uint32_t)n;
    automaton->first[state] = entry_count;
    entries[entry_count++] = entry;
    return 0;
}

static int finish(Automaton *automaton)
{
    int32_t n = automaton->states, head = 0, tail = 0;
    int32_t *fail = calloc((size_t)n, sizeof(int32_t)), *queue = calloc((size_t)n, sizeof(int32_t));
    automaton->suffix = calloc((size_t)n, sizeof(int32_t));
    if (fail == NULL || queue == NULL || automaton->suffix == NULL) goto no_memory;
    automaton->classes = 1;
    for (int byte = 0; byte < 256; byte++)
        for (int32_t state = 0; state < n; state++)
            if (automaton->edges[state][byte] >= 0) {
                automaton->class_of[byte] = (uint8_t)automaton->classes++;
                break;
            }
    for (int byte = 0; byte < 256; byte++) {
        int32_t next = automaton->edges[0][byte];
        if (next < 0) automaton->edges[0][byte] = 0;
        else queue[tail++] = next;
    }
    while (head < tail) {
        int32_t state = queue[head++], back = fail[state];
        automaton->suffix[state] = automaton->first[back] >= 0 ? back : automaton->suffix[back];
        for (int byte = 0; byte < 256; byte++) {
            int32_t next = automaton->edges[state][byte], other = automaton->edges[back][byte];
            if (next < 0) {
                automaton->edges[state][byte] = other;
            } else {
                fail[next] = other;
                queue[tail++] = next;
            }
        }
    }
    automaton->next = calloc((size_t)n * (size_t)automaton->classes, sizeof(uint16_t));
    if (automaton->next == NULL) goto no_memory;
    for (int32_t state = 0; state < n; state++)
        for (int byte = 0; byte < 256; byte++)
            if (automaton->class_of[byte]) {
                int32_t to = automaton->edges[state][byte],
                        found = automaton->first[to] >= 0 || automaton->suffix[to] ? FOUND : 0;
                automaton->next[state * automaton->classes + automaton->class_of[byte]] = (uint16_t)(to | found);
            }
    free(automaton->edges);
    automaton->edges = NULL;
    free(fail);
    free(queue);
    return 0;
no_memory:
    free(fail);
    free(queue);
    return -1;
}

/* ---- filling; each function returns -1 without memory or room ---- */

int fn_tables_begin(uint32_t any_tag)
{
    any_bits = any_tag;
    for (uint32_t i = 0; i < FN_NAMED_TAG_COUNT; i++)
        if (add_tag(NAMED[i], strlen(NAMED[i])) < 0) return -1;
    return new_state(&marks) < 0 || new_state(&words) < 0 ? -1 : 0;
}

int fn_tables_tag(const char *name, size_t n, uint64_t sets, uint32_t bits, uint32_t candidate_bits)
{
    uint32_t tag = find_tag(name, n);
    if (tag == FN_MOST_TAGS) {
        if (add_tag(name, n) < 0) return -1;
        tag = tag_count - 1;
    }
    fn_known_sets[tag] = sets;
    tags[tag].bits = bits;
    tags[tag].candidate_bits = candidate_bits;
    return 0;
}

int fn_tables_attribute(const char *name, size_t n, uint32_t present)
{
    if (attribute_count == MOST_ATTRIBUTES) return -1;
    char *copy = kept(name, n);
    if (copy == NULL) return -1;
    attributes[attribute_count].name = (FnStr){copy, n};
    attributes[attribute_count].present = present;
    return attribute_count++;
}

int fn_tables_literal(int attribute, const char *text, size_t n, uint32_t contains, uint32_t starts, uint32_t equal)
{
    return add_word(&marks, text, n, (Entry){attribute, 0, 0, contains, starts, equal});
}

int fn_tables_name_word(const char *text, size_t n, uint32_t kind)
{
    return add_word(&words, text, n, (Entry){0, 0, 0, kind, 0, 0});
}

uint32_t fn_cleaned_tags[128];
size_t fn_cleaned_count;

int fn_tables_cleaned(const char *name, size_t n)
{
    uint32_t tag = find_tag(name, n);
    if (tag == FN_MOST_TAGS || fn_cleaned_count == sizeof(fn_cleaned_tags) / sizeof(*fn_cleaned_tags)) return -1;
    fn_cleaned_tags[fn_cleaned_count++] = tag;
    return 0;
}

int fn_tables_end(void) { return finish(&marks) < 0 || finish(&words) < 0 ? -1 : 0; }

/* ---- tags ---- */

bool fn_looks_like_block(FnStr text)
{
    static const char *const BLOCKS[] = {"a", "blockquote", "dl", "div", "img", "ol", "p", "pre", "table", "ul"};
    for (size_t at = 0; at < text.n; at++) {
        if (text.p[at] != '<') continue;
        for (size_t i = 0; i < sizeof(BLOCKS) / sizeof(*BLOCKS); i++) {
            size_t n = strlen(BLOCKS[i]), j = 0;
            if (text.n - at - 1 < n) continue;
            while (j < n && ((unsigned char)text.p[at + 1 + j] | 32) == (unsigned char)BLOCKS[i][j]) j++;
            if (j == n) return true;
        }
    }
    return false;
}

static uint64_t sets_of_unknown(FnPage *page, const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] >= 0x80) fn_refuse(page, "tag_name");
    char *written = fn_take(page, n + 1);
    written[0] = '<';
    memcpy(written + 1, name, n);
    uint64_t sets = fn_looks_like_block((FnStr){written, n + 1}) ? FN_IN(LOOKS_LIKE_BLOCK) : 0;
    return fn_holds((FnStr){name, n}, FN_LIT("select")) ? sets | FN_IN(HOLDS_SELECT) : sets;
}

static uint16_t *own_slot(FnPage *page, const char *name, size_t n)
{
    if (page->tag_slots == NULL) {
        page->tag_slots = fn_take(page, OWN_SLOTS * sizeof(uint16_t));
        memset(page->tag_slots, 0, OWN_SLOTS * sizeof(uint16_t));
    }
    uint64_t slot = fn_hash_bytes(page->seed, name, n) % OWN_SLOTS;
    for (; page->tag_slots[slot] != 0; slot = (slot + 1) % OWN_SLOTS) {
        const FnStr *found = &page->tag_names[page->tag_slots[slot] - 1];
        if (found->n == n && memcmp(found->p, name, n) == 0) break;
    }
    return &page->tag_slots[slot];
}

uint32_t fn_tag_of(FnPage *page, const char *name, size_t n)
{
    uint32_t tag = find_tag(name, n);
    if (tag != FN_MOST_TAGS) return tag;
    uint16_t *slot = own_slot(page, name, n);
    if (*slot) return FN_MOST_TAGS + *slot - 1u;
    if (page->tag_count == MOST_OWN_TAGS) fn_refuse(page, "tag_names");
    if (page->tag_count == page->tag_room) {
        uint32_t room = page->tag_room ? page->tag_room * 2 : 16;
        FnStr *names = fn_take(page, room * sizeof(FnStr));
        uint64_t *sets = fn_take(page, room * sizeof(uint64_t));
        if (page->tag_count) {
            memcpy(names, page->tag_names, page->tag_count * sizeof(FnStr));
            memcpy(sets, page->tag_sets, page->tag_count * sizeof(uint64_t));
        }
        page->tag_names = names;
        page->tag_sets = sets;
        page->tag_room = room;
    }
    page->tag_names[page->tag_count] = (FnStr){name, n};
    page->tag_sets[page->tag_count] = sets_of_unknown(page, name, n);
    *slot = (uint16_t)++page->tag_count;
    return FN_MOST_TAGS + *slot - 1u;
}

/* libxml2 keeps one copy of each name in a document's dictionary, which lives longer than the page's processing. */
uint32_t fn_tag_of_interned(FnPage *page, const char *name)
{
    size_t slot = (size_t)((uintptr_t)name >> 3) % FN_NAMES_CACHED;
    if (page->names[slot].name != name) {
        page->names[slot].tag = fn_tag_of(page, name, strlen(name));
        page->names[slot].name = name;
    }
    return page->names[slot].tag;
}

FnStr fn_tag_name(const FnPage *page, uint32_t tag)
{
    assert(tag < FN_MOST_TAGS + page->tag_count);
    return tag < FN_MOST_TAGS ? tags[tag].name : page->tag_names[tag - FN_MOST_TAGS];
}

uint32_t fn_bits_of(uint32_t tag) { return tag < FN_MOST_TAGS ? tags[tag].bits : any_bits; }

uint32_t fn_candidate_bits_of(uint32_t tag) { return tag < FN_MOST_TAGS ? tags[tag].candidate_bits : any_bits; }

/* ---- attributes ---- */

int fn_mark_attribute(const char *name, size_t n)
{
    for (int i = 0; i < attribute_count; i++)
        if (attributes[i].name.n == n && memcmp(attributes[i].name.p, name, n) == 0) return i;
    return -1;
}

uint16_t fn_attribute_id(const char *name, size_t n)
{
    for (uint16_t i = 1; i < FN_NAMED_ATTRIBUTE_COUNT; i++)
        if (strlen(NAMED_ATTRIBUTE[i]) == n && memcmp(NAMED_ATTRIBUTE[i], name, n) == 0) return i;
    return FN_A_OTHER;
}

uint32_t fn_mask_of(int attribute, FnStr value)
{
    uint32_t mask = attributes[attribute].present;
    int32_t state = 0;
    for (size_t i = 0; i < value.n; i++) {
        int32_t next = marks.next[state * marks.classes + marks.class_of[(unsigned char)value.p[i]]];
        state = next & ~FOUND;
        if (next == state) continue;
        for (int32_t found = marks.first[state] >= 0 ? state : marks.suffix[state]; found != 0; found = marks.suffix[found])
            for (int32_t at = marks.first[found]; at >= 0; at = entries[at].next) {
                const Entry *entry = &entries[at];
                if (entry->attribute != attribute) continue;
                mask |= entry->contains;
                if (entry->length == i + 1) {
                    mask |= entry->starts;
                    if (entry->length == value.n) mask |= entry->equals;
                }
            }
    }
    return mask;
}

/* Kinds of the words of readability's patterns in a name. The patterns ignore case, so four non-ASCII letters match. */
uint32_t fn_name_kinds(FnStr name)
{
    uint32_t kinds = 0;
    int32_t state = 0;
    for (const char *p = name.p, *end = name.p + name.n; p < end;) {
        unsigned char byte = (unsigned char)*p;
        if (byte < 0x80) {
            if (byte >= 'A' && byte <= 'Z') byte += 32;
            p++;
        } else {
            uint32_t code = fn_decode(&p, end);
            byte = code == 0x130 || code == 0x131 ? 'i' : code == 0x17f ? 's' : code == 0x212a ? 'k' : 0;
        }
        int32_t next = words.next[state * words.classes + words.class_of[byte]];
        state = next & ~FOUND;
        if (next == state) continue;
        for (int32_t found = words.first[state] >= 0 ? state : words.suffix[state]; found != 0; found = words.suffix[found])
            for (int32_t at = words.first[found]; at >= 0; at = entries[at].next) kinds |= entries[at].contains;
    }
    return kinds;
}

/* Whether https?://(www.)?(youtube|vimeo).com occurs anywhere, ignoring case. */
bool fn_is_video(FnPage *page, FnStr src)
{
    char *lower = fn_take(page, src.n + 1);
    for (size_t i = 0; i < src.n; i++) {
        unsigned char byte = (unsigned char)src.p[i];
        if (byte >= 0x80) {
            const char *p = src.p + i;
            uint32_t code = fn_decode(&p, src.p + src.n);
            if (code == 0x130 || code == 0x131 || code == 0x17f || code == 0x212a) fn_refuse(page, "frame_source");
        }
        lower[i] = (char)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
    }
    lower[src.n] = 0;
    static const char *const STARTS[] = {"http://", "https://"};
    for (size_t at = 0; at < src.n; at++)
        for (int i = 0; i < 2; i++) {
            const char *p = lower + at;
            size_t n = strlen(STARTS[i]);
            if (src.n - at < n || memcmp(p, STARTS[i], n) != 0) continue;
            p += n;
            if (strncmp(p, "www.", 4) == 0) p += 4;
            if (strncmp(p, "youtube.com", 11) == 0 || strncmp(p, "vimeo.com", 9) == 0) return true;
        }
    return false;
}
