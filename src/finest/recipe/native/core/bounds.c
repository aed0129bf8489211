/* Measure what a page's markup costs a parser, in one linear pass: C port of bounds.py; keep the two in sync. */
#define PY_SSIZE_T_CLEAN
#include "texts.h" /* Python.h before core.h: both define _GNU_SOURCE */
#include "core.h"
#include "bounds.h"

enum { SLOTS = 1024, WIDE = 0xff, MOST_KEPT = 1 << 20 };
static const uint8_t IN_TAG[256] = {[9] = 1, [10] = 1, [12] = 1, [13] = 1, [32] = 1, ['/'] = 2, ['>'] = 4, ['='] = 8};
enum { SPACE = 1, SLASH = 2, CLOSE = 4, EQUAL = 8 };

typedef struct { int32_t before, special, stop, scope, carried; int16_t key; bool alive; FnStr tag; } Open; /* `tag`: of formatting elements with attributes */
typedef struct { uint64_t hash; FnStr name; } Stranger;

typedef struct {
    const char *start, *end;
    const char *source; /* the str's own characters, `width` bytes each; `start` points to their copy by `narrowed` */
    int width;
    Open open[FN_BOUNDS_MOST_OPEN];
    int32_t count, special, stop, scope;
    long alive, depth, nesting, attributes, whole, rows, columns, widest, tags;
    int32_t last[FN_E_KEYS];
    Stranger strangers[FN_BOUNDS_MOST_NAMES];
    uint16_t slots[SLOTS];
    unsigned stranger_count;
    int32_t carried; /* formatting elements that another tag closed; parsers reopen them in what follows */
    FnStr carried_tag;
} Scan;

enum { KNOWN_SLOTS = 512 };
static struct { uint64_t head; uint8_t place; } known_slots[KNOWN_SLOTS]; /* of NAMES: `head_of`, and index plus 1 */
static uint64_t name_seed;

#define EACH(c) (0x0101010101010101u * (uint64_t)(c))
#define HIGHEST EACH(0x80)

/* Up to eight characters of a name in lower case, the first one in the lowest byte. */
static uint64_t head_of(const char *p, size_t n, const char *end)
{
    uint64_t word = 0;
    if (end - p >= 8) memcpy(&word, p, 8);
    else memcpy(&word, p, (size_t)(end - p));
    if (n < 8) word &= ((uint64_t)1 << 8 * n) - 1;
    uint64_t low = word & ~HIGHEST, upper = ((low + EACH(0x80 - 'A')) ^ (low + EACH(0x7f - 'Z'))) & ~word & HIGHEST;
    return word | upper >> 2;
}

static unsigned slot_of(uint64_t head) { return (unsigned)(head * 0x9e3779b97f4a7c15u >> 55); }

static uint64_t hash_name(const char *p, size_t n)
{
    uint64_t hash = name_seed;
    for (size_t i = 0; i < n; i++) hash = fn_mixed(hash, (unsigned char)fn_lower_of(p[i]));
    return hash;
}

static bool same_name(FnStr name, const char *p, size_t n)
{
    if (name.n != n) return false;
    for (size_t i = 0; i < n; i++)
        if (fn_lower_of(name.p[i]) != fn_lower_of(p[i])) return false;
    return true;
}

void fn_bounds_begin(uint64_t seed)
{
    name_seed = seed;
    memset(known_slots, 0, sizeof(known_slots));
    for (unsigned i = 0; i < FN_E_OTHER; i++) {
        uint64_t head = head_of(FN_ELEMENT_NAMES[i].p, FN_ELEMENT_NAMES[i].n, FN_ELEMENT_NAMES[i].p + FN_ELEMENT_NAMES[i].n);
        unsigned slot = slot_of(head);
        while (known_slots[slot].place) slot = (slot + 1) % KNOWN_SLOTS;
        known_slots[slot].head = head;
        known_slots[slot].place = (uint8_t)(i + 1);
    }
}

/* Index of a non-HTML name; `adds`: add the name if it is new. */
static int stranger_of(Scan *scan, const char *p, size_t n, bool adds)
{
    if (memchr(p, WIDE, n) != NULL) return FN_E_OTHER;
    uint64_t hash = hash_name(p, n);
    uint32_t slot = (uint32_t)(hash >> 32) % SLOTS;
    for (; scan->slots[slot]; slot = (slot + 1) % SLOTS) {
        const Stranger *found = &scan->strangers[scan->slots[slot] - 1];
        if (found->hash == hash && same_name(found->name, p, n)) return FN_E_KNOWN + scan->slots[slot] - 1;
    }
    if (!adds || scan->stranger_count == FN_BOUNDS_MOST_NAMES) return FN_E_OTHER;
    scan->strangers[scan->stranger_count++] = (Stranger){hash, {p, n}};
    scan->slots[slot] = (uint16_t)scan->stranger_count;
    return FN_E_KNOWN + (int)scan->stranger_count - 1;
}

static int key_of(Scan *scan, const char *p, size_t n, bool adds)
{
    uint64_t head = head_of(p, n, scan->end);
    for (unsigned slot = slot_of(head); known_slots[slot].place; slot = (slot + 1) % KNOWN_SLOTS) {
        int place = known_slots[slot].place - 1;
        if (known_slots[slot].head == head && FN_ELEMENT_NAMES[place].n == n &&
            (n <= 8 || same_name(FN_ELEMENT_NAMES[place], p, n)))
            return place;
    }
    return stranger_of(scan, p, n, adds);
}

static unsigned does_of(int key) { return key < FN_E_OTHER ? FN_ELEMENT_DOES[key] : 0; }
static int32_t most(int32_t a, int32_t b) { return a > b ? a : b; }

/* ---- the tree ---- */

/* Whether two tags are equal in every character. */
static bool same_tag(const Scan *scan, FnStr one, FnStr other)
{
    if (!fn_equals(one, other)) return false;
    size_t width = (size_t)scan->width;
    return width == 1 || one.n == 0 || memcmp(scan->source + (size_t)(one.p - scan->start) * width,
                                              scan->source + (size_t)(other.p - scan->start) * width, one.n * width) == 0;
}

/* `ended`: the element's own end tag closes it, and it is the last one. */
static void pop_until(Scan *scan, int32_t place, bool ended)
{
    while (scan->count > place || (scan->count > 0 && !scan->open[scan->count - 1].alive)) {
        const Open *gone = &scan->open[--scan->count];
        scan->special = gone->special;
        scan->stop = gone->stop;
        scan->scope = gone->scope;
        if (gone->alive) {
            scan->last[gone->key] = gone->before;
            scan->alive--;
        }
        if (does_of(gone->key) & FN_ELEMENT_SCOPE) {
            scan->carried = gone->carried;
        } else if (gone->alive && !ended && gone->tag.n > 0 && !same_tag(scan, gone->tag, scan->carried_tag)) {
            scan->carried++;
            scan->carried_tag = gone->tag;
        }
    }
}

static void pop_to(Scan *scan, int32_t place) { pop_until(scan, place, false); }

/* Close a formatting element without closing the elements inside it. */
static void remove_one(Scan *scan, int32_t place)
{
    if (place == scan->count - 1) {
        pop_until(scan, place, true);
        return;
    }
    Open *open = &scan->open[place];
    open->alive = false;
    scan->last[open->key] = open->before;
    scan->alive--;
}

static void open_one(Scan *scan, int key, unsigned does, FnStr tag)
{
    int32_t place = scan->count++;
    FN_MUST(place < FN_BOUNDS_MOST_OPEN); /* reading stops at that depth */
    scan->open[place] =
        (Open){scan->last[key], scan->special, scan->stop, scan->scope, scan->carried, (int16_t)key, true, tag};
    scan->last[key] = place;
    if (does & FN_ELEMENT_SPECIAL) scan->special = place;
    if (does & FN_ELEMENT_STOP) scan->stop = place;
    if (does & FN_ELEMENT_SCOPE) scan->scope = place;
    scan->alive++;
    long deep = scan->alive + scan->carried;
    if (place + 1 == FN_BOUNDS_MOST_OPEN || deep > FN_BOUNDS_MOST_OPEN) scan->depth = FN_BOUNDS_MOST_OPEN;
    else if (deep > scan->depth) scan->depth = deep;
}

static int32_t context_of(const Scan *scan, unsigned does)
{
    const int32_t *last = scan->last;
    int32_t place = last[FN_E_table];
    if (!(does & FN_ELEMENT_PART)) place = most(most(place, last[FN_E_tbody]), most(last[FN_E_thead], last[FN_E_tfoot]));
    return does & FN_ELEMENT_CELL ? most(place, last[FN_E_tr]) : place;
}

static void close_for(Scan *scan, int key, unsigned does)
{
    const int32_t *last = scan->last;
    if (does & FN_ELEMENT_CLOSES_P && last[FN_E_p] > scan->scope) pop_to(scan, last[FN_E_p]);
    if (does & FN_ELEMENT_ITEM && last[FN_E_li] > scan->stop) pop_to(scan, last[FN_E_li]);
    if (does & FN_ELEMENT_TERM && most(last[FN_E_dt], last[FN_E_dd]) > scan->stop)
        pop_to(scan, most(last[FN_E_dt], last[FN_E_dd]));
    if (does & (FN_ELEMENT_CELL | FN_ELEMENT_ROW | FN_ELEMENT_PART) && last[FN_E_table] >= 0)
        pop_to(scan, context_of(scan, does) + 1);
    if (does & FN_ELEMENT_HEADING && scan->count > 0 && does_of(scan->open[scan->count - 1].key) & FN_ELEMENT_HEADING)
        pop_to(scan, scan->count - 1);
    if (key == FN_E_a && last[FN_E_a] > scan->scope) remove_one(scan, last[FN_E_a]);
    if (key == FN_E_button && last[FN_E_button] > scan->scope) pop_to(scan, last[FN_E_button]);
}

static void end_tag(Scan *scan, int key)
{
    if (key == FN_E_OTHER) return; /* the end tag of an untracked name closes nothing */
    unsigned does = does_of(key);
    int32_t place = scan->last[key];
    if (does & FN_ELEMENT_FORMATTING && place < scan->scope + (scan->scope < 0) && scan->carried > 0) scan->carried--;
    if (place < 0) return;
    if (does & FN_ELEMENT_FORMATTING) {
        if (place > scan->scope) remove_one(scan, place);
    } else if (does & (FN_ELEMENT_CELL | FN_ELEMENT_ROW | FN_ELEMENT_PART)) {
        if (place > scan->last[FN_E_table]) pop_to(scan, place);
    } else if (does & FN_ELEMENT_ITEM) {
        if (place > scan->stop) pop_to(scan, place);
    } else if (key == FN_E_table || place >= (does & (FN_ELEMENT_SPECIAL | FN_ELEMENT_SCOPE) ? scan->scope : scan->special)) {
        pop_to(scan, place);
    }
}

/* ---- markup ---- */

static const char *after(const char *p, const char *end, char c)
{
    const char *at = p < end ? memchr(p, c, (size_t)(end - p)) : NULL;
    return at != NULL ? at + 1 : end;
}

static const char *comment_end(const char *p, const char *end)
{
    if (p < end && *p == '>') return p + 1;
    if (end - p >= 2 && p[0] == '-' && p[1] == '>') return p + 2;
    while (end - p >= 3 && (p = memmem(p, (size_t)(end - p), "--", 2)) != NULL) {
        if (end - p >= 3 && p[2] == '>') return p + 3;
        if (end - p >= 4 && p[2] == '!' && p[3] == '>') return p + 4;
        p++;
    }
    return end;
}

static long columns_of(const char *p, const char *end)
{
    long number = 0;
    while (p < end && IN_TAG[(unsigned char)*p] == SPACE) p++;
    if (p < end && *p == '+') p++;
    while (p < end && *p == '0') p++;
    for (int n = 0; n < 9 && p < end && fn_is_digit(*p); n++) number = 10 * number + (*p++ - '0');
    return number < 1 ? 1 : number < FN_MOST_COLUMNS ? number : FN_MOST_COLUMNS;
}

static const char *up_to(const char *p, const char *end, unsigned stops)
{
    while (p < end && !(IN_TAG[(unsigned char)*p] & stops)) p++;
    return p;
}

/* Position after the tag, or NULL if the page ends inside it. */
static const char *read_attributes(const char *p, const char *end, long *count, long *columns)
{
    *count = 0;
    *columns = 1;
    for (;;) {
        while (p < end && IN_TAG[(unsigned char)*p] & (SPACE | SLASH)) p++;
        if (p >= end) return NULL;
        if (*p == '>') return p + 1;
        const char *name = p;
        p = up_to(p + 1, end, SPACE | SLASH | CLOSE | EQUAL);
        size_t n = (size_t)(p - name);
        ++*count;
        while (p < end && IN_TAG[(unsigned char)*p] == SPACE) p++;
        if (p >= end || *p != '=') continue;
        p++;
        while (p < end && IN_TAG[(unsigned char)*p] == SPACE) p++;
        const char *value = p;
        if (p < end && (*p == '"' || *p == '\'')) {
            value = p + 1;
            p = memchr(value, *p, (size_t)(end - value));
            if (p == NULL) return NULL;
        } else {
            p = up_to(p, end, SPACE | CLOSE);
        }
        if (n == 7 && same_name(FN_LIT("colspan"), name, n)) *columns = columns_of(value, p);
        if (value > name && (value[-1] == '"' || value[-1] == '\'') && p < end && *p == value[-1]) p++;
    }
}

static const char *raw_end(int key, const char *p, const char *end)
{
    size_t n = FN_ELEMENT_NAMES[key].n;
    while (p < end && (p = memchr(p, '<', (size_t)(end - p))) != NULL) {
        if ((size_t)(end - p) > n + 2 && p[1] == '/' && same_name(FN_ELEMENT_NAMES[key], p + 2, n) &&
            IN_TAG[(unsigned char)p[2 + n]] & (SPACE | SLASH | CLOSE))
            return p;
        p++;
    }
    return end;
}

static const char *start_tag(Scan *scan, const char *name, size_t n, const char *p, long count, long columns)
{
    int known = key_of(scan, name, n, false);
    unsigned does = does_of(known);
    int32_t graphic = most(scan->last[FN_E_svg], scan->last[FN_E_math]);
    bool foreign = graphic > scan->scope, closed = p[-2] == '/';
    if (known == FN_E_html || known == FN_E_body) scan->whole += count;
    if (count > scan->attributes) scan->attributes = count;
    scan->tags += count;
    if (does & FN_ELEMENT_RAW && !foreign) return raw_end(known, p, scan->end);
    if (known == FN_E_plaintext) return scan->end;
    if (does & FN_ELEMENT_ROW) {
        scan->rows++;
        if (scan->columns > scan->widest) scan->widest = scan->columns;
        scan->columns = 0;
    } else if (does & FN_ELEMENT_CELL) {
        scan->columns += columns;
    }
    if (foreign && does & FN_ELEMENT_SPECIAL) pop_to(scan, graphic);
    else if (closed && (foreign || known == FN_E_svg || known == FN_E_math)) return p;
    close_for(scan, known, does);
    FnStr tag = does & FN_ELEMENT_FORMATTING && count ? (FnStr){name - 1, (size_t)(p - name + 1)} : FN_NONE;
    if (!(does & FN_ELEMENT_VOID)) open_one(scan, known == FN_E_OTHER ? key_of(scan, name, n, true) : known, does, tag);
    scan->nesting += scan->alive + scan->carried;
    scan->tags += scan->carried; /* reopened by parsers */
    return p;
}

static const char *read_one(Scan *scan, const char *p)
{
    const char *end = scan->end;
    bool ends = *p == '/';
    long count, columns;
    if (end - p >= 3 && memcmp(p, "!--", 3) == 0) return comment_end(p + 3, end);
    if (*p == '!' || *p == '?') return after(p + 1, end, '>');
    const char *name = p + ends;
    if (ends && (name >= end || !fn_is_letter(*name))) return after(name, end, '>');
    const char *behind = up_to(name, end, SPACE | SLASH | CLOSE);
    p = read_attributes(behind, end, &count, &columns);
    if (p == NULL) return end;
    if (!ends) return start_tag(scan, name, (size_t)(behind - name), p, count, columns);
    end_tag(scan, key_of(scan, name, (size_t)(behind - name), false));
    return p;
}

/* Count each `<` before a letter, in a loop that compilers vectorize. */
static long count_tags(const char *p, size_t n)
{
    long tags = 0;
    while (n > 1) {
        size_t part = n - 1 < 128 ? n - 1 : 128;
        uint8_t found = 0;
        for (size_t i = 0; i < part; i++)
            found = (uint8_t)(found + ((p[i] == '<') & ((uint8_t)(((uint8_t)p[i + 1] | 32) - 'a') < 26)));
        tags += found;
        p += part;
        n -= part;
    }
    return tags;
}

static void read_page(Scan *scan, const char *p, size_t n)
{
    memset(&scan->count, 0, sizeof(Scan) - offsetof(Scan, count));
    memset(scan->last, 0xff, sizeof(scan->last));
    scan->special = scan->stop = scan->scope = -1;
    scan->start = p;
    scan->end = p + n;
    scan->tags = count_tags(p, n);
    while (p < scan->end && scan->depth < FN_BOUNDS_MOST_OPEN && (p = memchr(p, '<', (size_t)(scan->end - p))) != NULL) {
        p++;
        if (p < scan->end && (fn_is_letter(*p) || *p == '/' || *p == '!' || *p == '?')) p = read_one(scan, p);
    }
}

/* Replace characters beyond Latin-1 by WIDE; they have no meaning in markup. */
static const char *narrowed(const void *source, int kind, size_t n, char *room)
{
    if (kind == PyUnicode_2BYTE_KIND)
        for (size_t i = 0; i < n; i++)
            room[i] = (char)(((const Py_UCS2 *)source)[i] < WIDE ? ((const Py_UCS2 *)source)[i] : WIDE);
    else
        for (size_t i = 0; i < n; i++)
            room[i] = (char)(((const Py_UCS4 *)source)[i] < WIDE ? ((const Py_UCS4 *)source)[i] : WIDE);
    return room;
}

/* Returns (tags, attributes, depth, nesting, cells) of a page. */
PyObject *fn_bounds_markup(PyObject *self, PyObject *html)
{
    static Scan room; /* safe because the GIL is held, so only one page is read at a time */
    static char narrow[MOST_KEPT];
    (void)self;
    if (!PyUnicode_Check(html)) return PyErr_Format(PyExc_TypeError, "a str is needed");
    if (PyUnicode_READY(html) < 0) return NULL;
    int kind = (int)PyUnicode_KIND(html);
    size_t n = (size_t)PyUnicode_GET_LENGTH(html);
    const char *p = room.source = PyUnicode_DATA(html);
    char *own = NULL;
    room.width = kind;
    if (kind != PyUnicode_1BYTE_KIND) {
        own = n > MOST_KEPT ? malloc(n) : NULL;
        if (n > MOST_KEPT && own == NULL) return PyErr_NoMemory();
        p = narrowed(p, kind, n, own != NULL ? own : narrow);
    }
    read_page(&room, p, n);
    free(own);
    long width = room.columns > room.widest ? room.columns : room.widest;
    if (width > FN_MOST_COLUMNS) width = FN_MOST_COLUMNS;
    long attributes = room.attributes > room.whole ? room.attributes : room.whole;
    return Py_BuildValue("(lllll)", room.tags, attributes, room.depth, room.nesting, room.rows * width);
}
