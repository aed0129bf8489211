/* Describe the blocks of a page by integers: C port of extract/block_features.py; keep the two in sync. */
#define PY_SSIZE_T_CLEAN
#include "page.h"
#include "trees.h"

typedef struct { uint32_t count; uint64_t chars, linked, prose; } Sums;

/* What is known of each block beside the block itself; `of` are indexes of its groups in `sums`. */
typedef struct {
    uint32_t prose, repeats, path, nests[FN_NESTS];
    int32_t after, before, after_heading; /* distances in blocks, at most FN_MOST_VALUE */
    bool ends;
} Known;

/* Sums up to a block. */
typedef struct { uint64_t chars, linked, prose; } Total;

typedef struct {
    const FnFound *found;
    size_t count;
    Known *known;
    Total *totals;
    Sums *sums;
    size_t sum_count;
    uint32_t *slots;             /* of a hash table: index + 1, or 0 */
    uint64_t mask, seed;
    uint32_t best[FN_NESTS];     /* groups with the most prose, or UINT32_MAX */
    int64_t first, last, h1;
    uint32_t longest;
    uint64_t named[FN_NAME_BITS]; /* share of the characters that an element of the group is around */
} Page;

typedef struct { int16_t *to; unsigned column; } Row;

static void put(Row *row, int64_t value)
{
    const int64_t most = FN_MOST_VALUE;
    row->to[row->column++ * FN_TILE] = (int16_t)(value > most ? most : value < -most ? -most : value);
}

static uint64_t share(uint64_t part, uint64_t whole)
{
    if (whole == 0) return 0;
    if (part <= UINT32_MAX / FN_SHARE && whole <= UINT32_MAX) return (uint32_t)part * FN_SHARE / (uint32_t)whole; /* faster */
    return part * FN_SHARE / whole;
}

/* ---- groups ---- */

static uint32_t path_of(const FnBlock *block) { return block->around.path ^ block->kind; }

/* Index in `sums` of the group with that key; `keys` are those of the groups from `from` on. */
static uint32_t group_of(Page *page, uint32_t *keys, size_t from, uint32_t key)
{
    uint64_t slot = fn_mixed(page->seed, key);
    for (;; slot++) {
        uint32_t *at = &page->slots[slot & page->mask];
        if (*at == 0) {
            keys[page->sum_count - from] = key;
            page->sums[page->sum_count] = (Sums){0};
            *at = (uint32_t)++page->sum_count;
        }
        if (keys[*at - 1 - from] == key) return *at - 1;
    }
}

static void add_to(Page *page, uint32_t group, size_t at)
{
    const FnBlock *block = &page->found->blocks[at];
    Sums *sums = &page->sums[group];
    sums->count++;
    sums->chars += block->chars;
    sums->linked += block->linked;
    sums->prose += page->known[at].prose;
}

static void clear_slots(Page *page) { memset(page->slots, 0, (page->mask + 1) * sizeof(uint32_t)); }

static void group_blocks(Page *page, uint32_t *keys)
{
    for (size_t at = 0; at < page->count; at++)
        add_to(page, page->known[at].path = group_of(page, keys, 0, path_of(&page->found->blocks[at])), at);
    clear_slots(page);
    size_t from = page->sum_count;
    for (size_t at = 0; at < page->count; at++) {
        const uint32_t *nests = page->found->blocks[at].around.nests;
        for (unsigned i = 0; i < FN_NESTS; i++) {
            uint32_t group = page->known[at].nests[i] = group_of(page, keys, from, nests[i]);
            if (i == 0 || nests[i] != nests[i - 1]) add_to(page, group, at);
        }
    }
    for (unsigned i = 0; i < FN_NESTS; i++) {
        uint64_t most = 0;
        page->best[i] = UINT32_MAX;
        for (size_t at = 0; at < page->count; at++) {
            uint32_t group = page->known[at].nests[i];
            if (page->sums[group].prose > most) most = page->sums[page->best[i] = group].prose;
        }
    }
}

/* ---- texts ---- */

static FnStr text_of(const FnFound *found, const FnBlock *block)
{
    return (FnStr){found->text.p + block->start, block->end - block->start};
}

static bool is_mark(char c) { return (unsigned char)c <= FN_MARK_ENDED; }

static bool same_text(FnStr one, FnStr other)
{
    const char *p = one.p, *q = other.p, *p_end = p + one.n, *q_end = q + other.n;
    for (;;) {
        while (p < p_end && is_mark(*p)) p++;
        while (q < q_end && is_mark(*q)) q++;
        if (p == p_end || q == q_end) return p == p_end && q == q_end;
        if (*p++ != *q++) return false;
    }
}

static uint64_t hash_of(uint64_t hash, FnStr text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!is_mark(text.p[i])) hash = (hash ^ (unsigned char)text.p[i]) * 0x100000001b3u;
    return fn_mixed(hash, text.n > 0);
}

/* Count how often the text of each short block is on the page: first in that block which has it first. */
static void count_repeats(Page *page, uint32_t *firsts)
{
    clear_slots(page);
    for (size_t at = 0; at < page->count; at++) {
        firsts[at] = (uint32_t)at;
        if (page->found->blocks[at].chars >= FN_LEAST_PROSE) {
            page->known[at].repeats = 1;
            continue;
        }
        FnStr text = text_of(page->found, &page->found->blocks[at]);
        uint64_t slot = hash_of(page->seed, text);
        for (;; slot++) {
            uint32_t *first = &page->slots[slot & page->mask];
            if (*first == 0) *first = (uint32_t)at + 1;
            if (*first - 1 != at && !same_text(text, text_of(page->found, &page->found->blocks[*first - 1]))) continue;
            firsts[at] = *first - 1;
            page->known[firsts[at]].repeats++;
            break;
        }
    }
    for (size_t at = 0; at < page->count; at++) page->known[at].repeats = page->known[firsts[at]].repeats;
}

typedef struct { unsigned words, digits, capitals, stops, lines; bool currency, copyright; } Counts;

static Counts counts_of(FnStr text)
{
    Counts found = {.words = 1};
    const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n;
    for (; p < end; p++) {
        if (*p >= 'a' && *p <= 'z') continue;
        if (*p == ' ' || *p == '\t') found.words++;
        else if (*p == '\n') found.words++, found.lines++;
        else if (*p >= '0' && *p <= '9') found.digits++;
        else if (*p >= 'A' && *p <= 'Z') found.capitals++;
        else if (*p == '.' || *p == '!' || *p == '?') found.stops++;
        else if (*p == '$') found.currency = true;
        else if (*p == 0xc2 && end - p > 1) found.currency |= p[1] == 0xa3 || p[1] == 0xa5, found.copyright |= p[1] == 0xa9;
        else if (*p == 0xe2 && end - p > 2) found.currency |= p[1] == 0x82 && p[2] == 0xac;
        else if (*p == 0xe3 && end - p > 2) found.stops += p[1] == 0x80 && p[2] == 0x82;
    }
    return found;
}

static bool is_cut(FnStr text)
{
    char last[3] = {0};
    size_t n = text.n;
    for (unsigned i = 3; i > 0 && n > 0; n--)
        if (!is_mark(text.p[n - 1])) last[--i] = text.p[n - 1];
    return memcmp(last, "...", 3) == 0 || memcmp(last, "\xe2\x80\xa6", 3) == 0;
}

static unsigned begins(FnStr text)
{
    size_t i = 0;
    while (i < text.n && is_mark(text.p[i])) i++;
    char c = i < text.n ? text.p[i] : 0;
    return fn_is_digit(c) ? 1 : c >= 'A' && c <= 'Z' ? 2 : c >= 'a' && c <= 'z' ? 3 : 0;
}

/* ---- the page ---- */

static void measure(Page *page)
{
    int32_t after = FN_MOST_VALUE, after_heading = FN_MOST_VALUE, before = FN_MOST_VALUE;
    Total total = {0};
    page->first = page->h1 = FN_MOST_VALUE;
    page->last = -FN_MOST_VALUE;
    for (size_t at = 0; at < page->count; at++) {
        const FnBlock *block = &page->found->blocks[at];
        Known *known = &page->known[at];
        known->ends = block->ends_sentence;
        bool prosaic = block->chars >= FN_LEAST_PROSE && (uint64_t)block->linked * 4 <= block->chars &&
                       (block->ends_sentence || block->commas > 0);
        known->prose = prosaic ? block->chars : 0;
        after = known->after = prosaic ? 0 : after < FN_MOST_VALUE ? after + 1 : after;
        after_heading = known->after_heading = block->shape.level ? 0 : after_heading < FN_MOST_VALUE ? after_heading + 1 : after_heading;
        page->totals[at] = total;
        total.chars += block->chars;
        total.linked += block->linked;
        total.prose += known->prose;
        if (prosaic && page->first == FN_MOST_VALUE) page->first = (int64_t)at;
        if (prosaic) page->last = (int64_t)at;
        if (block->shape.level == 1 && page->h1 == FN_MOST_VALUE) page->h1 = (int64_t)at;
        for (unsigned bit = 0; bit < FN_NAME_BITS; bit++)
            if (block->around.above >> bit & 1) page->named[bit] += block->chars;
        if (block->chars > page->longest) page->longest = block->chars;
    }
    page->totals[page->count] = total;
    for (unsigned bit = 0; bit < FN_NAME_BITS; bit++) page->named[bit] = share(page->named[bit], total.chars);
    for (size_t at = page->count; at-- > 0;)
        before = page->known[at].before = page->known[at].prose ? 0 : before < FN_MOST_VALUE ? before + 1 : before;
}

static void put_bits(Row *row, uint32_t mask, unsigned count)
{
    for (unsigned bit = 0; bit < count; bit++) put(row, mask >> bit & 1);
}

static void put_own(const Page *page, size_t at, Row *row)
{
    const FnBlock *block = &page->found->blocks[at];
    const FnShape *shape = &block->shape;
    FnStr text = text_of(page->found, block);
    Counts counts = counts_of(text);
    const int64_t values[] = {
        block->chars, block->linked, (int64_t)share(block->linked, block->chars), block->commas, block->ends_sentence,
        block->kind, block->is_item, block->is_cell, block->is_code, block->marker, shape->quotes, shape->lists,
        shape->level, block->row >= 0, shape->table >= 0, block->depth, counts.words, counts.digits, counts.capitals,
        counts.stops, counts.currency, counts.copyright, is_cut(text), begins(text), counts.lines, page->known[at].repeats,
    };
    for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++) put(row, values[i]);
}

static void put_neighbour(const Page *page, int64_t at, Row *row)
{
    const FnBlock *block = at >= 0 && at < (int64_t)page->count ? &page->found->blocks[at] : NULL;
    put(row, block != NULL ? block->chars : 0);
    put(row, block != NULL ? (int64_t)share(block->linked, block->chars) : 0);
    put(row, block != NULL && block->ends_sentence);
    put(row, block != NULL ? block->shape.level : 0);
}

static void put_window(const Page *page, size_t at, size_t reach, Row *row)
{
    const Total *start = &page->totals[at > reach ? at - reach : 0],
                *end = &page->totals[page->count - at > reach ? at + reach + 1 : page->count];
    uint64_t chars = end->chars - start->chars;
    put(row, (int64_t)chars);
    put(row, (int64_t)share(end->linked - start->linked, chars));
    put(row, (int64_t)share(end->prose - start->prose, chars));
}

static void put_groups(const Page *page, size_t at, Row *row)
{
    const Known *known = &page->known[at];
    uint64_t prose = page->totals[page->count].prose;
    for (unsigned i = 0; i < FN_NESTS; i++) {
        const Sums *sums = &page->sums[known->nests[i]];
        put(row, (int64_t)sums->chars);
        put(row, (int64_t)share(sums->linked, sums->chars));
        put(row, sums->count);
        put(row, (int64_t)share(sums->prose, prose));
        put(row, page->best[i] == known->nests[i]);
    }
    const Sums *sums = &page->sums[known->path];
    put(row, sums->count);
    put(row, (int64_t)(sums->chars / sums->count));
    put(row, (int64_t)share(sums->linked, sums->chars));
    put(row, (int64_t)share(sums->prose, prose));
}

static void put_place(const Page *page, size_t at, Row *row)
{
    const Known *known = &page->known[at];
    const Total *total = &page->totals[page->count];
    int64_t here = (int64_t)at, heading = here - known->after_heading;
    const int64_t values[] = {
        (int64_t)(at * FN_SHARE / page->count), (int64_t)share(page->totals[at].chars, total->chars), (int64_t)page->count,
        (int64_t)total->chars, (int64_t)share(total->linked, total->chars), (int64_t)share(total->prose, total->chars),
        page->longest, here - page->first, page->last - here, known->after, known->before, known->after_heading,
        heading >= 0 ? page->found->blocks[heading].shape.level : 0, here - page->h1, here, (int64_t)page->count - 1 - here,
    };
    for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++) put(row, values[i]);
}

static void describe(const Page *page, FnColumns *columns)
{
    static const int steps[] = {FN_NEIGHBOUR_STEPS};
    static const size_t reaches[] = {FN_WINDOW_REACHES};
    for (size_t at = 0; at < page->count; at++) {
        const FnBlock *block = &page->found->blocks[at];
        Row row = {fn_column(columns, 0, at), 0};
        put_own(page, at, &row);
        put_bits(&row, block->flags, FN_FLAGS);
        put_bits(&row, block->names, FN_NAME_BITS);
        put_bits(&row, block->around.above, FN_NAME_BITS);
        for (unsigned bit = 0; bit < FN_NAME_BITS; bit++)
            put(&row, (int64_t)page->named[bit]);
        for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++) put_neighbour(page, (int64_t)at + steps[i], &row);
        put_groups(page, at, &row);
        for (unsigned i = 0; i < sizeof(reaches) / sizeof(*reaches); i++) put_window(page, at, reaches[i], &row);
        put_place(page, at, &row);
        FN_MUST(row.column == FN_COLUMNS);
        memcpy(columns->groups + at * FN_GROUPS, page->known[at].nests, FN_NESTS * sizeof(uint32_t));
        columns->groups[at * FN_GROUPS + FN_NESTS] = page->known[at].path;
    }
    columns->group_count = page->sum_count;
}

static bool begin(Page *page, uint32_t **keys)
{
    size_t slots = 16, groups = page->count * FN_GROUPS;
    while (slots < 2 * groups) slots *= 2;
    page->mask = slots - 1;
    page->known = calloc(page->count, sizeof(Known));
    page->totals = malloc((page->count + 1) * sizeof(Total));
    page->sums = malloc(groups * sizeof(Sums));
    page->slots = calloc(slots, sizeof(uint32_t));
    *keys = malloc(groups * sizeof(uint32_t));
    if (page->known != NULL && page->totals != NULL && page->sums != NULL && page->slots != NULL && *keys != NULL) return true;
    return PyErr_NoMemory() != NULL;
}

bool fn_describe(const FnFound *found, FnColumns *columns)
{
    Page page = {.found = found, .count = found->count, .seed = fn_module.seed};
    uint32_t *keys = NULL;
    bool good = begin(&page, &keys);
    if (good) {
        measure(&page);
        group_blocks(&page, keys);
        count_repeats(&page, keys);
        describe(&page, columns);
    }
    free(page.known);
    free(page.totals);
    free(page.sums);
    free(page.slots);
    free(keys);
    return good;
}
