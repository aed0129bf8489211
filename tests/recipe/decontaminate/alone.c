/* Matches texts from standard input with an index, without Python: for another processor, or with sanitizers.
 *
 * Every part begins with its size in bytes as 32 bits. First come kinds, n, hashes, firsts, items, ordinals and needed; then
 * texts until the end. Prints item, found, needed, start and end for each text. Each text is in a block of memory of its
 * own size, so that a sanitizer sees what is read beyond it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "decontaminate.h"

static void *part(uint32_t *size)
{
    if (fread(size, sizeof(*size), 1, stdin) != 1) return NULL;
    char *data = malloc(*size > 0 ? *size : 1);
    if (data == NULL || fread(data, 1, *size, stdin) != *size) exit(1);
    return data;
}

int main(void)
{
    uint32_t size, hashes, needed;
    FnEvaluationItems items = {0};
    items.kinds = part(&size);
    int32_t *n = part(&size);
    items.n = *n;
    items.hashes = part(&hashes);
    items.firsts = part(&size);
    items.items = part(&size);
    items.ordinals = part(&size);
    items.needed = part(&needed);
    items.ngram_count = hashes / sizeof(uint64_t);
    items.item_count = needed / sizeof(uint32_t);
    FnMatching *matching = fn_matching_open(&items);
    if (matching == NULL) return 1;
    for (unsigned char *text; (text = part(&size)) != NULL; free(text)) {
        FnBest best;
        if (!fn_matching_best(matching, text, size, &best)) return 1;
        printf("%zu %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 "\n", best.item, best.found, best.needed, best.start, best.end);
    }
    fn_matching_close(matching);
    free(n);
    free((void *)items.kinds);
    free((void *)items.hashes);
    free((void *)items.firsts);
    free((void *)items.items);
    free((void *)items.ordinals);
    free((void *)items.needed);
    return 0;
}
