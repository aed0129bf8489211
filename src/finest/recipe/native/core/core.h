/* The native core of extraction: a page as a table of its own nodes, and the steps over it.
 *
 * A page's tree is read once from lxml's (libxml2's) nodes, which stay as they are. Texts are slices of UTF-8; all that
 * a page needs is allocated from its arena and given back at once, so nothing is freed twice or used after that.
 * Whatever a step does not handle ends in `refuse`, and the page goes to the Python path.
 */
#ifndef FINEST_CORE_H
#define FINEST_CORE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the core is written for little-endian machines; the Python path serves all"
#endif
_Static_assert(sizeof(size_t) == 8 && sizeof(long) == 8, "the core is written for 64 bits; the Python path serves all");

typedef struct { const char *p; size_t n; } Str; /* p is NULL where Python has None */

#define NONE ((Str){NULL, 0})
#define EMPTY ((Str){"", 0})
#define LIT(s) ((Str){"" s, sizeof(s) - 1})

/* ---- hashes: with a secret seed, so that no page can be written to fill one slot ---- */
static inline uint64_t mixed(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

/* FNV-1a, for tables whose words nobody else chooses. */
static inline uint32_t name_hash(const char *p, size_t n)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < n; i++) hash = (hash ^ (unsigned char)p[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static inline uint64_t hash_bytes(uint64_t hash, const char *p, size_t n)
{
    uint64_t word;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&word, p, 8);
        hash = mixed(hash, word);
    }
    word = n;
    for (size_t i = 0; i < n; i++) word = word << 8 | (unsigned char)p[i];
    return mixed(hash, word);
}

/* ---- tags: an id for each name; those that the code names come first ---- */
#define NAMED_TAGS(X) \
    X(NO_TAG, "") X(DONE, "done") X(P, "p") X(LIST, "list") X(CODE, "code") X(QUOTE, "quote") X(HEAD, "head") X(LB, "lb") \
    X(HI, "hi") X(REF, "ref") X(SPAN, "span") X(TABLE, "table") X(DIV, "div") X(ITEM, "item") X(TD, "td") X(TH, "th") \
    X(TR, "tr") X(ROW, "row") X(CELL, "cell") X(BODY, "body") X(A, "a") X(UL, "ul") X(OL, "ol") X(DL, "dl") X(LI, "li") \
    X(DD, "dd") X(DT, "dt") X(PRE, "pre") X(DETAILS, "details") X(SUMMARY, "summary") X(FIGURE, "figure") X(BR, "br") \
    X(HR, "hr") X(BLOCKQUOTE, "blockquote") X(Q, "q") X(DEL, "del") X(S, "s") X(STRIKE, "strike") X(HEADER, "header") \
    X(ARTICLE, "article") X(MAIN, "main") X(GRAPHIC, "graphic") X(SCRIPT, "script") X(STYLE, "style") \
    X(IFRAME, "iframe") X(FORM, "form") X(TEXTAREA, "textarea") X(HTML, "html") X(IMG, "img") X(EMBED, "embed") \
    X(INPUT, "input") X(COMMENTS, "comments") X(ASIDE, "aside") X(FOOTER, "footer") X(THEAD, "thead") X(TBODY, "tbody") \
    X(TFOOT, "tfoot") X(DOOMED, "finest-doomed")
enum {
#define X(id, name) T_##id,
    NAMED_TAGS(X)
#undef X
    NAMED_TAG_COUNT
};

/* ---- sets of tags, given by Python: see tables.py ---- */
#define TAG_SETS(X) \
    X(CLEANED) X(STRIPPED) X(CUT_EMPTY) X(FORMATTING) X(HEADINGS) X(CONTENT) X(UNCLEAN) X(TEI) X(NEWLINE) \
    X(SPECIAL_FORMATTING) X(PROTECTED) X(PARAGRAPHS) X(WILD) X(LINKS) X(SECTIONS) X(FRAMES) X(LISTS) X(CLEAN_COUNTED) \
    X(DIV_SCORES) X(BLOCK_SCORES) X(BAD_SCORES) X(STRUCTURE_SCORES) X(RAW_TEXT) X(CELLS) X(BASELINE_TEXTS) X(FORMS) X(SCRIPTS) \
    X(BASIC_CLEANED) X(LOOKS_LIKE_BLOCK) X(HOLDS_SELECT)
enum {
#define X(id) SET_##id,
    TAG_SETS(X)
#undef X
    TAG_SET_COUNT
};
#define IN(set) (1ull << SET_##set)

/* ---- attributes ---- */
#define NAMED_ATTRIBUTES(X) \
    X(OTHER, "") X(CLASS, "class") X(ID, "id") X(LANG, "lang") X(COLSPAN, "colspan") X(SRC, "src") X(TYPE, "type") \
    X(TITLE, "title") X(ALT, "alt") X(SPAN, "span") X(REND, "rend") X(ROLE, "role") X(TARGET, "target")
enum {
#define X(id, name) A_##id,
    NAMED_ATTRIBUTES(X)
#undef X
    NAMED_ATTRIBUTE_COUNT
};

typedef struct Attr {
    struct Attr *next;
    Str name, value;
    uint16_t id;
} Attr;

/* ---- nodes ---- */
enum { HOLDER = 1, LONG = 2, CHOSEN = 4, KEEP = 8, ALLOWED = 16 };

typedef struct Node Node;
struct Node {
    Node *parent, *first, *last, *next, *prev;
    Str text, tail;
    Attr *attrs;
    Node *twin; /* its copy, just after a copy */
    double score;
    uint32_t tag, mask, flags, scored, measured; /* `scored`, `measured`: the run in which the next two were set */
    uint32_t link_length;
};

typedef struct { Node *node; uint32_t mask; } Marked;
typedef struct { Marked *items; size_t n; } MarkedList;
typedef struct { Node **items; size_t n, room; } NodeList;
typedef struct { char *p; size_t n, room; } Buffer;

/* ---- a page at work ---- */
typedef struct Chunk Chunk;
typedef struct Page Page;

typedef struct {
    bool (*poll)(void *host);                                   /* false: stop, an exception is set */
    Node *(*parse)(Page *, const char *markup, size_t n);       /* NULL: cannot be parsed */
    Node *(*source)(Page *);                                    /* the page's tree, read again */
    bool (*is_word)(uint32_t code);                             /* as re's \w */
    bool (*is_printable)(uint32_t code);
    bool (*is_stop_word)(Page *, const char *word, size_t n);
    void *host;
} Host;

enum { NAMES_CACHED = 512 };

struct Page {
    const Host *host;
    Chunk *chunks;
    char *cur, *end;
    size_t allocated, most;
    size_t ticks;
    uint64_t seed;
    uint32_t run;
    jmp_buf jump;
    const char *reason;
    bool doubtful;          /* refuse a tree with characters that XML forbids */
    Str *tag_names;         /* of tags that only this page has */
    uint64_t *tag_sets;
    uint16_t *tag_slots;    /* a hash table of them */
    uint32_t tag_count, tag_room;
    struct { const void *name; uint32_t tag; } names[NAMES_CACHED];
    struct { const void *name; uint16_t id; uint16_t mark; bool odd; } attr_names[NAMES_CACHED];
};

enum { ENDED = 0, NO_TEXT = 1, REFUSED = 2, STOPPED = 3, NO_MEMORY = 4, FAILED_READING = 5 };
_Noreturn void leave(Page *, int status);
_Noreturn void refuse(Page *, const char *reason);

void tick_slowly(Page *);
enum { TICKS = 4096, TICK_BYTES = 64 };

/* Work done: after some of it the host is asked whether to go on. */
static inline void tick_by(Page *page, size_t work)
{
    page->ticks += work;
    if (page->ticks >= TICKS) tick_slowly(page);
}

static inline void tick(Page *page) { tick_by(page, 1); }

/* memory.c */
void *take(Page *, size_t bytes);
void page_free(Page *);
Node *new_node(Page *, uint32_t tag);
void push(Page *, NodeList *, Node *);
void put(Page *, Buffer *, Str);
Str concat(Page *, Str a, Str b);           /* None + None is None */
Str concat3(Page *, Str a, Str b, Str c);   /* None counts as "" */

/* unicode.c */
extern const uint8_t BYTE_KIND[256]; /* 0 plain ASCII, 1 ASCII space, 2 first of a longer sequence */
uint32_t decode(const char **p, const char *end);
bool is_space(uint32_t code);
size_t space_at(const char *p, const char *end);    /* bytes of the white space that begins here, or 0 */
bool has_text(Str);
bool is_blank(Str);                                  /* empty or white space only */
size_t char_count(Str);
Str strip(Str);
Str trim(Page *, Str);
bool is_line_break(uint32_t code);
bool is_filtered(Page *, Str text);
bool holds(Str text, Str part);
bool equals(Str a, Str b);

typedef struct { size_t chars, commas; bool begun, pending; char first; } Trimmed;
bool trimmed_add(Trimmed *, Str, size_t enough);    /* false as soon as `enough` characters are there */

/* tags.c */
typedef struct { uint32_t present; } MarkAttribute;
int tables_begin(uint32_t any_tag);
int tables_tag(const char *name, size_t n, uint64_t sets, uint32_t bits, uint32_t candidate_bits);
int tables_attribute(const char *name, size_t n, uint32_t present);
int tables_literal(int attribute, const char *text, size_t n, uint32_t contains, uint32_t starts, uint32_t equals);
int tables_name_word(const char *text, size_t n, uint32_t kind);
int tables_cleaned(const char *name, size_t n);   /* in trafilatura's order */
int tables_end(void);
extern uint32_t cleaned_tags[128];
extern size_t cleaned_count;
uint32_t tag_of(Page *, const char *name, size_t n);
uint32_t tag_of_interned(Page *, const char *name);
Str tag_name(const Page *, uint32_t tag);
enum { MOST_TAGS = 1024 };
extern uint64_t known_sets[MOST_TAGS];
static inline uint64_t sets_of(const Page *page, uint32_t tag)
{
    return tag < MOST_TAGS ? known_sets[tag] : page->tag_sets[tag - MOST_TAGS];
}
uint32_t bits_of(uint32_t tag);
uint32_t candidate_bits_of(uint32_t tag);
int mark_attribute(const char *name, size_t n);     /* -1: no expression tests it */
uint16_t attribute_id(const char *name, size_t n);
uint32_t mask_of(int attribute, Str value);
enum { UNLIKELY = 1, MAYBE = 2, NEGATIVE = 4, POSITIVE = 8 };
uint32_t name_kinds(Str name);
bool looks_like_block(Str text);
bool is_video(Page *, Str src);

/* tree.c */
typedef bool (*Match)(const Page *, const Node *, uint64_t);
typedef struct { Node *top, *next; uint64_t sets; uint32_t tag; bool any; } Walk;
Node *step(const Node *top, Node *node);             /* the next in document order as lxml's iterators find it */
Walk walk_any(Page *, Node *top, bool inclusive);
Walk walk_tag(Page *, Node *top, uint32_t tag, bool inclusive);
Walk walk_sets(Page *, Node *top, uint64_t sets, bool inclusive);
Node *walk_on(Page *, Walk *);
Node *first_below(Page *, Node *top, uint32_t tag);
Node *first_of_sets(Page *, Node *top, uint64_t sets);
NodeList list_of(Page *, Walk);
size_t child_count(const Node *, size_t enough);
bool is_below(const Node *top, const Node *node);
Node *root_of(Node *);
void unlink_node(Node *);
void append_child(Node *parent, Node *child);
void insert_first(Node *parent, Node *child);
void insert_after(Node *sibling, Node *node);
Node *add_child(Page *, Node *parent, uint32_t tag);
Node *copy_tree(Page *, const Node *);               /* with its tail; `twin` of each original is its copy */
void remove_node(Page *, Node *);                    /* removal.py: remove */
void delete_node(Page *, Node *);                    /* removal.py: delete */
void strip_tag_sets(Page *, Node *top, uint64_t sets, uint32_t tag, uint32_t tag2);
void strip_tags_outside(Page *, Node *top, uint64_t sets);
void strip_subtrees(Page *, Node *top, uint64_t sets, uint32_t tag, bool with_tail);
const Attr *attribute(const Node *, uint16_t id);
Str attribute_value(const Node *, uint16_t id);      /* "" where there is none */
void set_attribute(Page *, Node *, uint16_t id, Str name, Str value);
Str text_of(Page *, Node *);
bool count_text(Page *, const Node *, Trimmed *, size_t enough);
size_t trimmed_length(Page *, const Node *, size_t enough); /* exact below `enough` */
size_t text_chars(Page *, const Node *);             /* characters inside, untrimmed */

/* marks.c */
uint32_t attribute_mask(Page *, const char *name, size_t n, Str value);
MarkedList mark(Page *, Node *tree);
uint32_t bits_now(const Marked *);
MarkedList below(Page *, Node *tree, MarkedList);
void discard(Page *, MarkedList, const uint32_t *bits, size_t n);
enum {
    COMMENTS = 1, OVERALL = 2, HIDDEN = 4, PAYWALL = 8, CAPTION = 16, TEASER = 32, PRECISION = 64, BODY_0 = 128, BODY_2 = 256,
    BODY_3 = 512, BODY_4 = 1024
};

/* the steps */
void clean(Page *, Node *tree);
void convert(Page *, Node *tree);
Node *prune_sections(Page *, Node *tree, MarkedList);
void clear_attributes(Node *);
size_t joined_length(Page *, const Node *body, bool trimmed); /* of the texts inside, joined by spaces */
void drop_boilerplate(Page *, Node *tree);
bool is_link_table(Page *, Node *table);
Node *handle(Page *, Node *, bool with_div);
typedef struct { Node *body; size_t length; } Extract;
Extract extract_content(Page *, Node *tree, MarkedList);
Node *summary(Page *, Node *tree, long bound, bool *too_short);
Node *good_paragraphs(Page *, Node *tree);
Node *best_body(Page *, bool *by_python);            /* NULL: no text */
void write_text(Page *, Node *body, Buffer *);
Str cleaned_text(Page *, Str raw);
bool is_plain(Str html);                              /* surely without characters that XML forbids */
bool holds_forbidden(Str text);
void serialize(Page *, const Node *, Buffer *);

#define MIN_CHARS 250
#define NO_LIMIT ((size_t)-1)

#endif
