/* The compiled core of extraction: a page as a tree of the core's own nodes, and the steps on it.
 *
 * The core reads a page's tree once from lxml's (libxml2's) nodes and does not modify them. Texts are slices of UTF-8.
 * All memory of a page comes from its arena, which is freed all at once, so nothing is freed twice or used after that.
 * A step that cannot handle a page calls `fn_refuse`, and the Python path processes the page.
 */
#ifndef FINEST_CORE_H
#define FINEST_CORE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif

#include <assert.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "generated.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the core is written for little-endian machines; the Python path serves all"
#endif
_Static_assert(sizeof(size_t) == 8 && sizeof(long) == 8, "the core is written for 64 bits; the Python path serves all");

typedef struct { const char *p; size_t n; } FnStr; /* p is NULL where Python has None */

#define FN_NONE ((FnStr){NULL, 0})
#define FN_EMPTY ((FnStr){"", 0})
#define FN_LIT(s) ((FnStr){"" s, sizeof(s) - 1})

/* ---- invariants: see "Invariants" in README.md ----
 * `assert` documents why something holds; only builds with -UNDEBUG check it. FN_MUST is checked in every build and
 * ends the process; it is used only where continuing would access foreign memory. */
_Noreturn void fn_broken(const char *condition, const char *file, int line);
#define FN_MUST(condition) ((condition) ? (void)0 : fn_broken(#condition, __FILE__, __LINE__))

/* ---- hashes, with a secret seed that prevents crafted collisions ---- */
static inline uint64_t fn_mixed(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

/* FNV-1a, for tables whose words do not come from pages. */
static inline uint32_t fn_name_hash(const char *p, size_t n)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < n; i++) hash = (hash ^ (unsigned char)p[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static inline uint64_t fn_hash_bytes(uint64_t hash, const char *p, size_t n)
{
    uint64_t word;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&word, p, 8);
        hash = fn_mixed(hash, word);
    }
    word = n;
    for (size_t i = 0; i < n; i++) word = word << 8 | (unsigned char)p[i];
    return fn_mixed(hash, word);
}

/* ---- tags: each name has an id; the tags that the code names come first ---- */
#define FN_NAMED_TAGS(X) \
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
#define X(id, name) FN_T_##id,
    FN_NAMED_TAGS(X)
#undef X
    FN_NAMED_TAG_COUNT
};

/* ---- sets of tags: FN_TAG_SETS of generated.h, filled by extract/core_tables.py ---- */
enum {
#define X(id) FN_SET_##id,
    FN_TAG_SETS(X)
#undef X
    FN_TAG_SET_COUNT
};
_Static_assert(FN_TAG_SET_COUNT <= 64, "a tag's sets are the bits of one word");
#define FN_IN(set) (1ull << FN_SET_##set)

/* ---- attributes ---- */
#define FN_NAMED_ATTRIBUTES(X) \
    X(OTHER, "") X(CLASS, "class") X(ID, "id") X(LANG, "lang") X(COLSPAN, "colspan") X(SRC, "src") X(TYPE, "type") \
    X(TITLE, "title") X(ALT, "alt") X(SPAN, "span") X(REND, "rend") X(ROLE, "role") X(TARGET, "target")
enum {
#define X(id, name) FN_A_##id,
    FN_NAMED_ATTRIBUTES(X)
#undef X
    FN_NAMED_ATTRIBUTE_COUNT
};

typedef struct FnAttr {
    struct FnAttr *next;
    FnStr name, value;
    uint16_t id;
} FnAttr;

/* ---- nodes ---- */
enum { FN_NODE_HOLDER = 1, FN_NODE_LONG = 2, FN_NODE_CHOSEN = 4, FN_NODE_KEEP = 8, FN_NODE_ALLOWED = 16 };

typedef struct FnNode FnNode;
struct FnNode {
    FnNode *parent, *first, *last, *next, *prev;
    FnStr text, tail;
    FnAttr *attrs;
    FnNode *twin; /* its copy; valid only right after copying */
    double score;
    uint32_t tag, mask, flags, scored, measured; /* `scored`, `measured`: the run in which the next two were set */
    uint32_t link_length;
};

typedef struct { FnNode *node; uint32_t mask; } FnMarked;
typedef struct { FnMarked *items; size_t n; } FnMarkedList;
typedef struct { FnNode **items; size_t n, room; } FnNodeList;
typedef struct { char *p; size_t n, room; } FnBuffer;

/* ---- the processing of a page ---- */
typedef struct FnChunk FnChunk;
typedef struct FnPage FnPage;

typedef struct {
    bool (*poll)(void *host);                                   /* false: stop, an exception is set */
    FnNode *(*parse)(FnPage *, const char *markup, size_t n);       /* NULL: cannot be parsed */
    FnNode *(*source)(FnPage *);                                    /* reads the page's tree again */
    bool (*is_word)(uint32_t code);                             /* as re's \w */
    bool (*is_printable)(uint32_t code);
    bool (*is_stop_word)(FnPage *, const char *word, size_t n);
    void *host;
} FnHost;

enum { FN_NAMES_CACHED = 512 };

struct FnPage {
    const FnHost *host;
    FnChunk *chunks;
    char *cur, *end;
    size_t allocated, most;
    size_t ticks;
    uint64_t seed;
    uint32_t run;
    jmp_buf jump;
    const char *reason;
    bool doubtful;          /* refuse a tree with characters that XML forbids */
    FnStr *tag_names;         /* names of tags that are not in the tables */
    uint64_t *tag_sets;
    uint16_t *tag_slots;    /* a hash table of these tags */
    uint32_t tag_count, tag_room;
    struct { const void *name; uint32_t tag; } names[FN_NAMES_CACHED];
    struct { const void *name; uint16_t id; uint16_t mark; bool odd; } attr_names[FN_NAMES_CACHED];
};

enum { FN_ENDED = 0, FN_NO_TEXT = 1, FN_REFUSED = 2, FN_STOPPED = 3, FN_NO_MEMORY = 4, FN_FAILED_READING = 5 };
_Noreturn void fn_leave(FnPage *, int status);
_Noreturn void fn_refuse(FnPage *, const char *reason);

void fn_tick_slowly(FnPage *);
enum { FN_TICKS = 4096, FN_TICK_BYTES = 64 };

/* Count work done; after each FN_TICKS units the host decides whether to continue. */
static inline void fn_tick_by(FnPage *page, size_t work)
{
    page->ticks += work;
    if (page->ticks >= FN_TICKS) fn_tick_slowly(page);
}

static inline void fn_tick(FnPage *page) { fn_tick_by(page, 1); }

/* memory.c */
void *fn_take(FnPage *, size_t bytes);
void fn_page_free(FnPage *);
FnNode *fn_new_node(FnPage *, uint32_t tag);
void fn_push(FnPage *, FnNodeList *, FnNode *);
void fn_put(FnPage *, FnBuffer *, FnStr);
FnStr fn_concat(FnPage *, FnStr a, FnStr b);           /* None + None is None */
FnStr fn_concat3(FnPage *, FnStr a, FnStr b, FnStr c);   /* None counts as "" */

/* unicode.c */
extern const uint8_t FN_BYTE_KIND[256]; /* 0: plain ASCII, 1: ASCII space, 2: first byte of a longer sequence */
uint32_t fn_decode(const char **p, const char *end);
bool fn_is_space(uint32_t code);
size_t fn_space_at(const char *p, const char *end);    /* length in bytes of the white space that begins here, or 0 */
bool fn_has_text(FnStr);
bool fn_is_blank(FnStr);                                  /* empty or white space only */
size_t fn_char_count(FnStr);
FnStr fn_strip(FnStr);
FnStr fn_trim(FnPage *, FnStr);
bool fn_is_line_break(uint32_t code);
bool fn_is_filtered(FnPage *, FnStr text);
bool fn_holds(FnStr text, FnStr part);
bool fn_equals(FnStr a, FnStr b);

typedef struct { size_t chars, commas; bool begun, pending; char first; } FnTrimmed;
bool fn_trimmed_add(FnTrimmed *, FnStr, size_t enough);    /* false as soon as there are `enough` characters */

/* core_tables.c */
typedef struct { uint32_t present; } FnMarkAttribute;
int fn_tables_begin(uint32_t any_tag);
int fn_tables_tag(const char *name, size_t n, uint64_t sets, uint32_t bits, uint32_t candidate_bits);
int fn_tables_attribute(const char *name, size_t n, uint32_t present);
int fn_tables_literal(int attribute, const char *text, size_t n, uint32_t contains, uint32_t starts, uint32_t equals);
int fn_tables_name_word(const char *text, size_t n, uint32_t kind);
int fn_tables_cleaned(const char *name, size_t n);   /* in trafilatura's order */
int fn_tables_end(void);
extern uint32_t fn_cleaned_tags[128];
extern size_t fn_cleaned_count;
uint32_t fn_tag_of(FnPage *, const char *name, size_t n);
uint32_t fn_tag_of_interned(FnPage *, const char *name);
FnStr fn_tag_name(const FnPage *, uint32_t tag);
enum { FN_MOST_TAGS = 1024 };
extern uint64_t fn_known_sets[FN_MOST_TAGS];
static inline uint64_t fn_sets_of(const FnPage *page, uint32_t tag)
{
    return tag < FN_MOST_TAGS ? fn_known_sets[tag] : page->tag_sets[tag - FN_MOST_TAGS];
}
uint32_t fn_bits_of(uint32_t tag);
uint32_t fn_candidate_bits_of(uint32_t tag);
int fn_mark_attribute(const char *name, size_t n);     /* -1: no expression tests it */
uint16_t fn_attribute_id(const char *name, size_t n);
uint32_t fn_mask_of(int attribute, FnStr value);
uint32_t fn_name_kinds(FnStr name);
bool fn_looks_like_block(FnStr text);
bool fn_is_video(FnPage *, FnStr src);

/* tree.c */
typedef bool (*FnMatch)(const FnPage *, const FnNode *, uint64_t);
typedef struct { FnNode *top, *next; uint64_t sets; uint32_t tag; bool any; } FnWalk;
FnNode *fn_step(const FnNode *top, FnNode *node);             /* the next in document order, as lxml finds it */
FnWalk fn_walk_any(FnPage *, FnNode *top, bool inclusive);
FnWalk fn_walk_tag(FnPage *, FnNode *top, uint32_t tag, bool inclusive);
FnWalk fn_walk_sets(FnPage *, FnNode *top, uint64_t sets, bool inclusive);
FnNode *fn_walk_on(FnPage *, FnWalk *);
FnNode *fn_first_below(FnPage *, FnNode *top, uint32_t tag);
FnNode *fn_first_of_sets(FnPage *, FnNode *top, uint64_t sets);
FnNodeList fn_list_of(FnPage *, FnWalk);
size_t fn_child_count(const FnNode *, size_t enough);
bool fn_is_below(const FnNode *top, const FnNode *node);
FnNode *fn_root_of(FnNode *);
void fn_unlink_node(FnNode *);
void fn_append_child(FnNode *parent, FnNode *child);
void fn_insert_first(FnNode *parent, FnNode *child);
void fn_insert_after(FnNode *sibling, FnNode *node);
FnNode *fn_add_child(FnPage *, FnNode *parent, uint32_t tag);
FnNode *fn_copy_tree(FnPage *, const FnNode *);               /* with its tail; `twin` of each original is its copy */
void fn_join_before(FnPage *, FnNode *, FnStr text);    /* append the text to the text before the node */
void fn_strip_tag_sets(FnPage *, FnNode *top, uint64_t sets, uint32_t tag, uint32_t tag2);
void fn_strip_tags_outside(FnPage *, FnNode *top, uint64_t sets);
void fn_strip_subtrees(FnPage *, FnNode *top, uint64_t sets, uint32_t tag, bool with_tail);
const FnAttr *fn_attribute(const FnNode *, uint16_t id);
FnStr fn_attribute_value(const FnNode *, uint16_t id);      /* "" if there is none */
void fn_set_attribute(FnPage *, FnNode *, uint16_t id, FnStr name, FnStr value);
FnStr fn_text_of(FnPage *, FnNode *);
bool fn_count_text(FnPage *, const FnNode *, FnTrimmed *, size_t enough);
size_t fn_trimmed_length(FnPage *, const FnNode *, size_t enough); /* exact below `enough` */
size_t fn_text_chars(FnPage *, const FnNode *);             /* characters inside, untrimmed */

/* removal.c */
void fn_remove_node(FnPage *, FnNode *);              /* a space and the tail are appended to the tail before it */
void fn_delete_node(FnPage *, FnNode *);              /* the tail is appended to the text before it */

/* marks.c, prune.c */
uint32_t fn_attribute_mask(FnPage *, const char *name, size_t n, FnStr value);
FnMarkedList fn_mark(FnPage *, FnNode *tree);
uint32_t fn_bits_now(const FnMarked *);
FnMarkedList fn_below(FnPage *, FnNode *tree, FnMarkedList);
void fn_discard(FnPage *, FnMarkedList, const uint32_t *bits, size_t n);

/* the steps */
void fn_clean(FnPage *, FnNode *tree);
void fn_convert(FnPage *, FnNode *tree);
FnNode *fn_prune_sections(FnPage *, FnNode *tree, FnMarkedList);
void fn_clear_attributes(FnNode *);
size_t fn_joined_length(FnPage *, const FnNode *body, bool trimmed); /* of the texts inside, joined by spaces */
void fn_drop_boilerplate(FnPage *, FnNode *tree);
bool fn_is_link_table(FnPage *, FnNode *table);
FnNode *fn_handle(FnPage *, FnNode *, bool with_div);
typedef struct { FnNode *body; size_t length; } FnExtract;
FnExtract fn_extract_content(FnPage *, FnNode *tree, FnMarkedList);
FnNode *fn_summary(FnPage *, FnNode *tree, long bound, bool *too_short);
FnNode *fn_good_paragraphs(FnPage *, FnNode *tree);
FnNode *fn_best_body(FnPage *, bool *by_python);            /* NULL: no text */
void fn_write_text(FnPage *, FnNode *body, FnBuffer *);
FnStr fn_cleaned_text(FnPage *, FnStr raw);
bool fn_is_plain(FnStr html);                              /* certainly without characters that XML forbids */
bool fn_holds_forbidden(FnStr text);
void fn_serialize(FnPage *, const FnNode *, FnBuffer *);

#define FN_NO_LIMIT ((size_t)-1)

#endif
