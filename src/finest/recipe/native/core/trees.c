/* Score the blocks of a page by two stages of trees: C port of extract/trees.py; keep the two in sync. */
#define PY_SSIZE_T_CLEAN
#include "trees.h"

static int64_t floor_of(int64_t sum, int64_t by) { return sum / by - (sum % by < 0); }

/* ---- tables ---- */

static bool copied(const char *given, Py_ssize_t n, size_t wanted, void **to)
{
    if ((size_t)n != wanted) {
        PyErr_SetString(PyExc_ValueError, "no tables for pages: trees of another size");
        return false;
    }
    *to = malloc(wanted + 1);
    if (*to == NULL) return PyErr_NoMemory() != NULL;
    memcpy(*to, given, wanted);
    return true;
}

static bool open_stage(FnStage *stage, PyObject *given, unsigned most_columns)
{
    const char *columns, *limits, *leaves;
    Py_ssize_t n, limits_n, leaves_n;
    if (!PyArg_ParseTuple(given, "Iiy#y#y#", &stage->depth, &stage->bias, &columns, &n, &limits, &limits_n, &leaves, &leaves_n))
        return false;
    if (stage->depth == 0 || stage->depth > FN_MOST_DEPTH || n > FN_MOST_TREES * (Py_ssize_t)stage->depth ||
        stage->bias > INT16_MAX || stage->bias < INT16_MIN) { /* no sum overflows */
        PyErr_SetString(PyExc_ValueError, "no tables for pages: trees");
        return false;
    }
    stage->count = (unsigned)n / stage->depth;
    size_t nodes = (size_t)stage->count * stage->depth, found = (size_t)stage->count << stage->depth;
    if (!copied(columns, n, nodes, (void **)&stage->columns) || !copied(limits, limits_n, 2 * nodes, (void **)&stage->limits) ||
        !copied(leaves, leaves_n, 2 * found, (void **)&stage->leaves))
        return false;
    for (size_t i = 0; i < nodes; i++)
        if (stage->columns[i] >= most_columns) {
            PyErr_SetString(PyExc_ValueError, "no tables for pages: a column");
            return false;
        }
    return fn_pack_leaves(stage);
}

bool fn_trees_open(FnTrees *trees, PyObject *stages)
{
    if (PyList_GET_SIZE(stages) != 2) {
        PyErr_SetString(PyExc_ValueError, "no tables for pages: two stages of trees");
        return false;
    }
    return open_stage(&trees->stages[0], PyList_GET_ITEM(stages, 0), FN_COLUMNS) &&
           open_stage(&trees->stages[1], PyList_GET_ITEM(stages, 1), FN_ALL_COLUMNS);
}

void fn_trees_close(FnTrees *trees)
{
    for (unsigned i = 0; i < 2; i++) {
        free(trees->stages[i].columns);
        free(trees->stages[i].limits);
        free(trees->stages[i].leaves);
        free(trees->stages[i].bytes);
    }
}

/* ---- the second stage's columns: what the first stage says of a block's surroundings ---- */

typedef struct { int64_t sum, chars; } Mean;

static int32_t limited(int32_t score)
{
    return score > FN_MOST_SCORE ? FN_MOST_SCORE : score < -FN_MOST_SCORE ? -FN_MOST_SCORE : score;
}

static void put(const FnColumns *columns, unsigned column, size_t at, int64_t value)
{
    const int64_t most = FN_MOST_VALUE;
    *fn_column(columns, column, at) = (int16_t)(value > most ? most : value < -most ? -most : value);
}

/* Means over the groups whose indexes are in `groups`; `means` has room for all of them. */
static void put_means(const FnFound *found, const int32_t *scores, const uint32_t *groups, size_t step, Mean *means,
                      size_t count, const FnColumns *columns, unsigned column)
{
    memset(means, 0, count * sizeof(Mean));
    for (size_t at = 0; at < found->count; at++) {
        Mean *mean = &means[groups[at * step]];
        mean->sum += (int64_t)found->blocks[at].chars * scores[at];
        mean->chars += found->blocks[at].chars;
    }
    for (size_t at = 0; at < found->count; at++) {
        const Mean *mean = &means[groups[at * step]];
        put(columns, column, at, floor_of(mean->sum, mean->chars));
    }
}

static void put_near(const FnFound *found, const int32_t *scores, const FnColumns *columns)
{
    static const int steps[] = {FN_SCORE_STEPS};
    for (size_t at = 0; at < found->count; at++) {
        put(columns, FN_COLUMNS, at, scores[at]);
        for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
            int64_t near = (int64_t)at + steps[i];
            bool there = near >= 0 && near < (int64_t)found->count;
            put(columns, FN_COLUMNS + 1 + i, at, there ? scores[near] : -FN_MOST_SCORE);
        }
    }
}

/* `totals` has room for one more than the blocks. */
static void put_windows(const FnFound *found, const int32_t *scores, Mean *totals, const FnColumns *columns, unsigned column)
{
    static const size_t reaches[] = {FN_SCORE_REACHES};
    size_t count = found->count;
    totals[0] = (Mean){0};
    for (size_t at = 0; at < count; at++) {
        int64_t chars = found->blocks[at].chars;
        totals[at + 1] = (Mean){totals[at].sum + chars * scores[at], totals[at].chars + chars};
    }
    for (unsigned i = 0; i < sizeof(reaches) / sizeof(*reaches); i++)
        for (size_t at = 0; at < count; at++) {
            const Mean *start = &totals[at > reaches[i] ? at - reaches[i] : 0],
                       *end = &totals[count - at > reaches[i] ? at + reaches[i] + 1 : count];
            put(columns, column + i, at, floor_of(end->sum - start->sum, end->chars - start->chars));
        }
}

static void put_page(const FnFound *found, const int32_t *scores, const Mean *total, const FnColumns *columns, unsigned column)
{
    int64_t main = 0, highest = -FN_MOST_SCORE, first = FN_MOST_VALUE, last = -FN_MOST_VALUE;
    for (size_t at = 0; at < found->count; at++) {
        uint32_t chars = found->blocks[at].chars;
        if (scores[at] > highest) highest = scores[at];
        if (scores[at] <= 0) continue;
        main += chars;
        if (chars < FN_LEAST_PROSE) continue;
        if (first == FN_MOST_VALUE) first = (int64_t)at;
        last = (int64_t)at;
    }
    for (size_t at = 0; at < found->count; at++) {
        put(columns, column, at, main * FN_SHARE / total->chars);
        put(columns, column + 1, at, highest);
        put(columns, column + 2, at, floor_of(total->sum, total->chars));
        put(columns, column + 3, at, (int64_t)at - first);
        put(columns, column + 4, at, last - (int64_t)at);
    }
}

static bool put_second(const FnFound *found, int32_t *scores, const FnColumns *columns)
{
    size_t room = columns->group_count > found->count ? columns->group_count : found->count;
    Mean *means = malloc((room + 1) * sizeof(Mean));
    if (means == NULL) return PyErr_NoMemory() != NULL;
    unsigned column = FN_COLUMNS + FN_SCORE_NEAR;
    for (size_t at = 0; at < found->count; at++) scores[at] = limited(scores[at]);
    put_near(found, scores, columns);
    for (unsigned i = 0; i < FN_GROUPS; i++)
        put_means(found, scores, columns->groups + i, FN_GROUPS, means, columns->group_count, columns, column++);
    put_windows(found, scores, means, columns, column);
    put_page(found, scores, &means[found->count], columns, column + FN_SCORE_WINDOWS);
    free(means);
    return true;
}

bool fn_scores(const FnTrees *trees, const FnFound *found, int32_t *scores)
{
    if (found->count == 0) return true;
    size_t stride = (found->count + FN_TILE - 1) / FN_TILE * FN_TILE;
    FnColumns columns = {
        malloc(stride * FN_ALL_COLUMNS * sizeof(int16_t)), stride, malloc(found->count * FN_GROUPS * sizeof(uint32_t)), 0};
    int32_t *sums = malloc(2 * stride * sizeof(int32_t)); /* of the first stage, then of the second */
    bool good = columns.values != NULL && columns.groups != NULL && sums != NULL;
    if (!good) PyErr_NoMemory();
    good = good && fn_describe(found, &columns) && fn_run_stage(&trees->stages[0], &columns, sums) &&
           put_second(found, sums, &columns) && fn_run_stage(&trees->stages[1], &columns, sums + stride);
    for (size_t at = 0; good && at < found->count; at++) scores[at] = (int32_t)floor_of((int64_t)sums[at] + sums[stride + at], 2);
    free(columns.values);
    free(columns.groups);
    free(sums);
    return good;
}
