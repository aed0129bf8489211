/* The integer score of an imported fastText model of two labels: quality_model/fasttext.py. */
#include "quality.h"

#include <string.h>

enum { END_BYTES = 4, LABEL_BYTES = 9 };

static const unsigned char END[] = "</s>", LABEL[] = "__label__";

typedef struct { const FnQualityFasttext *model; int64_t sum, count; } Summing;

/* The hashes of the last tokens, of which the newest is joined to up to word_ngrams - 1 earlier ones. */
typedef struct { uint64_t joined[FN_QUALITY_MAX_WORD_NGRAMS]; int32_t open; } Recent;

static bool is_gap(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == 0; }

/* fastText takes bytes as signed numbers, with their sign in the upper bits. */
static uint32_t hashed_signed(uint32_t hash, unsigned char c)
{
    return (hash ^ (c < 0x80 ? c : c | 0xffffff00u)) * FN_QUALITY_FNV32_PRIME;
}

void fn_quality_index(const FnQualityFasttext *model, uint32_t *starts)
{
    size_t slots = (size_t)1 << model->index_bits, word = 0;
    for (size_t slot = 0; slot <= slots; slot++) {
        while (word < model->word_count && model->keys[word] >> (64 - model->index_bits) < slot) word++;
        starts[slot] = (uint32_t)word;
    }
}

static void add_word(Summing *summing, uint64_t key)
{
    const FnQualityFasttext *model = summing->model;
    size_t slot = (size_t)(key >> (64 - model->index_bits));
    for (size_t word = model->starts[slot]; word < model->starts[slot + 1]; word++) {
        if (model->keys[word] != key) continue;
        summing->sum += model->words[word];
        summing->count++;
        return;
    }
}

static void add_bucket(Summing *summing, uint64_t hash)
{
    summing->sum += summing->model->buckets[hash % summing->model->bucket_count];
    summing->count++;
}

/* The byte `at` of the token between the marks '<' and '>'. */
static unsigned char marked(const unsigned char *token, size_t n, size_t at)
{
    return at == 0 ? '<' : at <= n ? token[at - 1] : '>';
}

static void add_subwords(Summing *summing, const unsigned char *token, size_t n)
{
    const FnQualityFasttext *model = summing->model;
    size_t end = n + 2;
    for (size_t from = 0; from < end; from++) {
        if ((marked(token, n, from) & 0xc0) == 0x80) continue;
        uint32_t hash = FN_QUALITY_FNV32_BASIS;
        size_t at = from;
        for (int32_t size = 1; at < end && size <= model->maxn; size++) {
            do hash = hashed_signed(hash, marked(token, n, at));
            while (++at < end && (marked(token, n, at) & 0xc0) == 0x80);
            if (size >= model->minn && !(size == 1 && (from == 0 || at == end))) add_bucket(summing, hash);
        }
    }
}

/* Join a token to the word n-grams that are open, and open one that begins with it. */
static void add_word_ngrams(Summing *summing, Recent *recent, uint32_t hash)
{
    int32_t most = summing->model->word_ngrams - 1;
    uint64_t extended = (uint64_t)(int64_t)(int32_t)hash; /* sign-extended, as in fastText */
    if (most < 1) return;
    for (int32_t i = 0; i < recent->open; i++) {
        recent->joined[i] = recent->joined[i] * FN_QUALITY_JOIN + extended;
        add_bucket(summing, recent->joined[i]);
    }
    if (recent->open == most) memmove(recent->joined, recent->joined + 1, (size_t)(--recent->open) * sizeof(uint64_t));
    recent->joined[recent->open++] = extended;
}

/* Returns false at the end of fastText's line. */
static bool add_token(Summing *summing, Recent *recent, const unsigned char *token, size_t n)
{
    uint64_t key = FN_QUALITY_FNV_BASIS;
    uint32_t hash = FN_QUALITY_FNV32_BASIS;
    bool is_end = n == END_BYTES && memcmp(token, END, END_BYTES) == 0;
    if (n >= LABEL_BYTES && memcmp(token, LABEL, LABEL_BYTES) == 0) return true;
    for (size_t i = 0; i < n; i++) {
        key = (key ^ token[i]) * FN_QUALITY_FNV_PRIME;
        hash = hashed_signed(hash, token[i]);
    }
    add_word(summing, key);
    if (!is_end && summing->model->maxn > 0) add_subwords(summing, token, n);
    add_word_ngrams(summing, recent, hash);
    return !is_end;
}

int64_t fn_quality_fasttext(const FnQualityFasttext *model, const unsigned char *p, size_t n)
{
    Summing summing = {model, 0, 0};
    Recent recent = {{0}, 0};
    const unsigned char *end = p + (n < FN_QUALITY_MAX_TEXT ? n : FN_QUALITY_MAX_TEXT);
    bool open = true;
    while (open && p < end) {
        if (is_gap(*p)) {
            p++;
            continue;
        }
        const unsigned char *token = p;
        while (p < end && !is_gap(*p)) p++;
        open = add_token(&summing, &recent, token, (size_t)(p - token));
    }
    if (open) add_token(&summing, &recent, END, END_BYTES);
    if (summing.count == 0) return 0;
    int64_t scaled = summing.sum * 256;
    return scaled / summing.count - (scaled % summing.count < 0); /* rounded down, also below zero */
}
