/* Describe the blocks of a page by integers: C port of extract/block_features.py; keep the two in sync.
 *
 * What the columns need of the whole page is computed first, then the columns of a tile of blocks after the other. */
#define PY_SSIZE_T_CLEAN
#include "page.h"
#include "trees.h"

enum { NEAR_COLUMNS = 4, GROUP_COLUMNS = 4, BESIDE = 8 };
enum { NEAR_CHARS, NEAR_LINKS, NEAR_ENDS, NEAR_LEVEL };

/* A group of blocks, and its columns in their order. */
typedef struct { uint32_t count; uint64_t chars, linked, prose; int16_t columns[GROUP_COLUMNS]; } Sums;

/* What is known of each block beside the block itself; `path` and `nests` are indexes of its groups in `sums`. */
typedef struct {
    uint32_t prose, repeats, path, nests[FN_NESTS];
    int32_t after, before, after_heading; /* distances in blocks, at most FN_MOST_VALUE */
} Known;

/* Sums up to a block. */
typedef struct { uint64_t chars, linked, prose; } Total;

typedef struct {
    const FnFound *found;
    size_t count;
    Known *known;
    Total *totals;
    int16_t *near[NEAR_COLUMNS]; /* columns of all blocks, with BESIDE zeros on each side */
    Sums *sums;
    size_t sum_count;
    uint32_t *keys;
    uint32_t *slots;             /* of a hash table: index + 1, or 0 */
    uint64_t mask, seed;
    uint32_t best[FN_NESTS];     /* groups with the most prose, or UINT32_MAX */
    uint32_t last_nest;
    int64_t first, last, h1;
    uint32_t longest;
    uint64_t named[FN_NAME_BITS]; /* share of the characters that an element of the group is around */
} Page;

static int16_t limited(int64_t value)
{
    const int64_t most = FN_MOST_VALUE;
    return (int16_t)(value > most ? most : value < -most ? -most : value);
}

static int64_t share(uint64_t part, uint64_t whole)
{
    if (whole == 0) return 0;
    if (part <= UINT32_MAX / FN_SHARE && whole <= UINT32_MAX) return (uint32_t)part * FN_SHARE / (uint32_t)whole; /* faster */
    return (int64_t)(part * FN_SHARE / whole);
}

/* ---- groups ---- */

static uint32_t path_of(const FnBlock *block) { return block->around.path ^ block->kind; }

static uint32_t new_group(Page *page)
{
    page->sums[page->sum_count] = (Sums){0};
    return (uint32_t)page->sum_count++;
}

/* Index in `sums` of the group of blocks with that path. */
static uint32_t group_of_path(Page *page, uint32_t path)
{
    for (uint64_t slot = fn_mixed(page->seed, path);; slot++) {
        uint32_t *at = &page->slots[slot & page->mask];
        if (*at == 0) {
            page->keys[page->sum_count] = path;
            *at = new_group(page) + 1;
        }
        if (page->keys[*at - 1] == path) return *at - 1;
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

/* `of_nests` has zeros for all elements. */
static void group_blocks(Page *page, uint32_t *of_nests)
{
    for (size_t at = 0; at < page->count; at++)
        add_to(page, page->known[at].path = group_of_path(page, path_of(&page->found->blocks[at])), at);
    size_t paths = page->sum_count;
    uint64_t most[FN_NESTS] = {0}, prose = page->totals[page->count].prose;
    for (size_t at = 0; at < page->count; at++) {
        const uint32_t *nests = page->found->blocks[at].around.nests;
        for (unsigned i = 0; i < FN_NESTS; i++) {
            uint32_t *group = &of_nests[nests[i]];
            if (*group == 0) *group = new_group(page) + 1;
            page->known[at].nests[i] = *group - 1;
            if (i == 0 || nests[i] != nests[i - 1]) add_to(page, *group - 1, at);
        }
    }
    for (unsigned i = 0; i < FN_NESTS; i++) page->best[i] = UINT32_MAX;
    for (size_t at = 0; at < page->count; at++)
        for (unsigned i = 0; i < FN_NESTS; i++) {
            uint32_t group = page->known[at].nests[i];
            if (page->sums[group].prose > most[i]) most[i] = page->sums[page->best[i] = group].prose;
        }
    for (size_t group = 0; group < page->sum_count; group++) {
        Sums *sums = &page->sums[group];
        const int64_t of_path[] = {sums->count, (int64_t)(sums->chars / sums->count), share(sums->linked, sums->chars)},
                      of_nest[] = {(int64_t)sums->chars, share(sums->linked, sums->chars), sums->count};
        for (unsigned i = 0; i < 3; i++) sums->columns[i] = limited(group < paths ? of_path[i] : of_nest[i]);
        sums->columns[3] = limited(share(sums->prose, prose));
    }
}

/* ---- texts ---- */

static FnStr text_of(const FnFound *found, const FnBlock *block)
{
    return (FnStr){found->text.p + block->start, block->end - block->start};
}

/* Count how often the text of each short block is on the page: first in that block which has it first. */
static void count_repeats(Page *page)
{
    uint32_t *firsts = page->keys;
    memset(page->slots, 0, (page->mask + 1) * sizeof(uint32_t));
    for (size_t at = 0; at < page->count; at++) {
        firsts[at] = (uint32_t)at;
        if (page->found->blocks[at].chars >= FN_LEAST_PROSE) {
            page->known[at].repeats = 1;
            continue;
        }
        FnStr text = text_of(page->found, &page->found->blocks[at]);
        uint64_t slot = fn_hash_of_block(page->seed, text);
        for (;; slot++) {
            uint32_t *first = &page->slots[slot & page->mask];
            if (*first == 0) *first = (uint32_t)at + 1;
            if (*first - 1 != at && !fn_same_text(text, text_of(page->found, &page->found->blocks[*first - 1]))) continue;
            firsts[at] = *first - 1;
            page->known[firsts[at]].repeats++;
            break;
        }
    }
    for (size_t at = 0; at < page->count; at++) page->known[at].repeats = page->known[firsts[at]].repeats;
}

/* ---- the page ---- */

static bool is_prose(const FnBlock *block)
{
    return block->chars >= FN_LEAST_PROSE && (uint64_t)block->linked * 4 <= block->chars &&
           (block->ends_sentence || block->commas > 0);
}

static int32_t farther(int32_t distance) { return distance < FN_MOST_VALUE ? distance + 1 : distance; }

static void measure_block(Page *page, size_t at)
{
    const FnBlock *block = &page->found->blocks[at];
    page->near[NEAR_CHARS][at] = limited(block->chars);
    page->near[NEAR_LINKS][at] = limited(share(block->linked, block->chars));
    page->near[NEAR_ENDS][at] = block->ends_sentence;
    page->near[NEAR_LEVEL][at] = block->shape.level;
    page->known[at].prose = is_prose(block) ? block->chars : 0;
    page->known[at].repeats = 0;
    for (uint32_t above = block->around.above; above; above &= above - 1) page->named[__builtin_ctz(above)] += block->chars;
    if (block->chars > page->longest) page->longest = block->chars;
    for (unsigned i = 0; i < FN_NESTS; i++)
        if (block->around.nests[i] > page->last_nest) page->last_nest = block->around.nests[i];
}

static void measure(Page *page)
{
    int32_t after = FN_MOST_VALUE, after_heading = FN_MOST_VALUE, before = FN_MOST_VALUE;
    Total total = {0};
    page->first = page->h1 = FN_MOST_VALUE;
    page->last = -FN_MOST_VALUE;
    for (size_t at = 0; at < page->count; at++) {
        const FnBlock *block = &page->found->blocks[at];
        Known *known = &page->known[at];
        measure_block(page, at);
        after = known->after = known->prose ? 0 : farther(after);
        after_heading = known->after_heading = block->shape.level ? 0 : farther(after_heading);
        page->totals[at] = total;
        total.chars += block->chars;
        total.linked += block->linked;
        total.prose += known->prose;
        if (known->prose && page->first == FN_MOST_VALUE) page->first = (int64_t)at;
        if (known->prose) page->last = (int64_t)at;
        if (block->shape.level == 1 && page->h1 == FN_MOST_VALUE) page->h1 = (int64_t)at;
    }
    page->totals[page->count] = total;
    for (unsigned bit = 0; bit < FN_NAME_BITS; bit++) page->named[bit] = (uint64_t)share(page->named[bit], total.chars);
    for (size_t at = page->count; at-- > 0;) before = page->known[at].before = page->known[at].prose ? 0 : farther(before);
}

/* ---- columns ---- */

/* The next columns of up to FN_TILE blocks. */
typedef struct { const Page *page; size_t from, n; int16_t *to; } Tile;

static void put_same(Tile *tile, int64_t value)
{
    for (unsigned i = 0; i < FN_TILE; i++) tile->to[i] = limited(value);
    tile->to += FN_TILE;
}

/* Columns of the block at `i` of the tile. */
static void put_values(const Tile *tile, size_t i, const int64_t *values, unsigned count)
{
    for (unsigned column = 0; column < count; column++) tile->to[column * FN_TILE + i] = limited(values[column]);
}

static void put_near(Tile *tile, unsigned column, int step)
{
    memcpy(tile->to, tile->page->near[column] + (ptrdiff_t)tile->from + step, FN_TILE * sizeof(int16_t));
    tile->to += FN_TILE;
}

static void put_bits(Tile *tile, const uint32_t *masks, unsigned count)
{
    for (unsigned bit = 0; bit < count; bit++, tile->to += FN_TILE)
        for (unsigned i = 0; i < FN_TILE; i++) tile->to[i] = (int16_t)(masks[i] >> bit & 1);
}

static void put_own(Tile *tile)
{
    enum { COUNT = 23 };
    const Page *page = tile->page;
    put_near(tile, NEAR_CHARS, 0);
    for (size_t i = 0; i < tile->n; i++) tile->to[i] = limited(page->found->blocks[tile->from + i].linked);
    tile->to += FN_TILE;
    put_near(tile, NEAR_LINKS, 0);
    for (size_t i = 0; i < tile->n; i++) {
        const FnBlock *block = &page->found->blocks[tile->from + i];
        const FnShape *shape = &block->shape;
        FnStr text = text_of(page->found, block);
        FnCounts counts = fn_counts_of(text);
        const int64_t values[COUNT] = {
            block->commas, block->ends_sentence, block->kind, block->is_item, block->is_cell, block->is_code, block->marker,
            shape->quotes, shape->lists, shape->level, block->row >= 0, shape->table >= 0, block->depth, counts.words,
            counts.digits, counts.capitals, counts.stops, counts.currency, counts.copyright, counts.is_cut, counts.begins,
            counts.lines, page->known[tile->from + i].repeats,
        };
        put_values(tile, i, values, COUNT);
    }
    tile->to += COUNT * FN_TILE;
}

static void put_names(Tile *tile)
{
    uint32_t flags[FN_TILE] = {0}, names[FN_TILE] = {0}, above[FN_TILE] = {0};
    for (size_t i = 0; i < tile->n; i++) {
        const FnBlock *block = &tile->page->found->blocks[tile->from + i];
        flags[i] = block->flags;
        names[i] = block->names;
        above[i] = block->around.above;
    }
    put_bits(tile, flags, FN_FLAGS);
    put_bits(tile, names, FN_NAME_BITS);
    put_bits(tile, above, FN_NAME_BITS);
    for (unsigned bit = 0; bit < FN_NAME_BITS; bit++) put_same(tile, (int64_t)tile->page->named[bit]);
}

static void put_group(Tile *tile, size_t i, uint32_t group)
{
    for (unsigned column = 0; column < GROUP_COLUMNS; column++)
        tile->to[column * FN_TILE + i] = tile->page->sums[group].columns[column];
}

static void put_groups(Tile *tile)
{
    const Known *known = tile->page->known + tile->from;
    for (unsigned nest = 0; nest < FN_NESTS; nest++) {
        for (size_t i = 0; i < tile->n; i++) {
            put_group(tile, i, known[i].nests[nest]);
            tile->to[GROUP_COLUMNS * FN_TILE + i] = tile->page->best[nest] == known[i].nests[nest];
        }
        tile->to += (GROUP_COLUMNS + 1) * FN_TILE;
    }
    for (size_t i = 0; i < tile->n; i++) put_group(tile, i, known[i].path);
    tile->to += GROUP_COLUMNS * FN_TILE;
}

static void put_window(Tile *tile, size_t reach)
{
    const Page *page = tile->page;
    for (size_t i = 0; i < tile->n; i++) {
        size_t at = tile->from + i;
        const Total *start = &page->totals[at > reach ? at - reach : 0],
                    *end = &page->totals[page->count - at > reach ? at + reach + 1 : page->count];
        uint64_t chars = end->chars - start->chars;
        const int64_t values[] = {
            (int64_t)chars, share(end->linked - start->linked, chars), share(end->prose - start->prose, chars)};
        put_values(tile, i, values, 3);
    }
    tile->to += 3 * FN_TILE;
}

static void put_place(Tile *tile)
{
    enum { COUNT = 16 };
    const Page *page = tile->page;
    const Total *total = &page->totals[page->count];
    const int64_t count = (int64_t)page->count, links = share(total->linked, total->chars), prose = share(total->prose, total->chars);
    for (size_t i = 0; i < tile->n; i++) {
        const int64_t at = (int64_t)(tile->from + i);
        const Known *known = &page->known[at];
        int64_t heading = at - known->after_heading;
        const int64_t values[COUNT] = {
            share((uint64_t)at, page->count), share(page->totals[at].chars, total->chars), count, (int64_t)total->chars, links,
            prose, page->longest, at - page->first, page->last - at, known->after, known->before, known->after_heading,
            heading >= 0 ? page->near[NEAR_LEVEL][heading] : 0, at - page->h1, at, count - 1 - at,
        };
        put_values(tile, i, values, COUNT);
    }
    tile->to += COUNT * FN_TILE;
}

static void describe(const Page *page, FnColumns *columns)
{
    static const int steps[] = {FN_NEIGHBOUR_STEPS};
    static const size_t reaches[] = {FN_WINDOW_REACHES};
    for (size_t from = 0; from < page->count; from += FN_TILE) {
        int16_t *start = fn_column(columns, 0, from);
        Tile tile = {page, from, page->count - from < FN_TILE ? page->count - from : FN_TILE, start};
        if (tile.n < FN_TILE) memset(start, 0, FN_ALL_COLUMNS * FN_TILE * sizeof(int16_t));
        put_own(&tile);
        put_names(&tile);
        for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++)
            for (unsigned column = 0; column < NEAR_COLUMNS; column++) put_near(&tile, column, steps[i]);
        put_groups(&tile);
        for (unsigned i = 0; i < sizeof(reaches) / sizeof(*reaches); i++) put_window(&tile, reaches[i]);
        put_place(&tile);
        FN_MUST(tile.to == start + FN_COLUMNS * FN_TILE);
    }
    for (size_t at = 0; at < page->count; at++) {
        memcpy(columns->groups + at * FN_GROUPS, page->known[at].nests, FN_NESTS * sizeof(uint32_t));
        columns->groups[at * FN_GROUPS + FN_NESTS] = page->known[at].path;
    }
    columns->group_count = page->sum_count;
}

static bool begin(Page *page, int16_t **near)
{
    size_t slots = 16, room = (page->count + FN_TILE - 1) / FN_TILE * FN_TILE + 2 * BESIDE;
    while (slots < 2 * page->count) slots *= 2;
    page->mask = slots - 1;
    page->known = malloc(page->count * sizeof(Known));
    page->totals = malloc((page->count + 1) * sizeof(Total));
    page->sums = malloc(page->count * FN_GROUPS * sizeof(Sums));
    page->slots = calloc(slots, sizeof(uint32_t));
    page->keys = malloc(page->count * sizeof(uint32_t));
    *near = calloc(NEAR_COLUMNS * room, sizeof(int16_t));
    for (unsigned i = 0; *near != NULL && i < NEAR_COLUMNS; i++) page->near[i] = *near + i * room + BESIDE;
    if (page->known != NULL && page->totals != NULL && page->sums != NULL && page->slots != NULL && page->keys != NULL &&
        *near != NULL)
        return true;
    return PyErr_NoMemory() != NULL;
}

bool fn_describe(const FnFound *found, FnColumns *columns)
{
    Page page = {.found = found, .count = found->count, .seed = fn_module.seed};
    int16_t *near = NULL;
    uint32_t *of_nests = NULL;
    bool good = begin(&page, &near);
    if (good) {
        measure(&page);
        of_nests = calloc((size_t)page.last_nest + 1, sizeof(uint32_t));
        good = of_nests != NULL || PyErr_NoMemory() != NULL;
    }
    if (good) {
        group_blocks(&page, of_nests);
        count_repeats(&page);
        describe(&page, columns);
    }
    free(page.known);
    free(page.totals);
    free(page.sums);
    free(page.slots);
    free(page.keys);
    free(near);
    free(of_nests);
    return good;
}
