#ifndef FINEST_LARGE_PAGES_H
#define FINEST_LARGE_PAGES_H

/* Memory for tables of megabytes that are read at random: with large pages the processor finds addresses faster. A file
   that needs nothing of Python defines _DEFAULT_SOURCE before its first include, for madvise. */

#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

enum { FN_LARGE_PAGE = 2 << 20 };

/* Zeros, to be given to free(); in large pages where Linux has some. NULL if out of memory. */
static inline void *fn_large_zeros(size_t bytes)
{
    size_t whole = (bytes + FN_LARGE_PAGE - 1) / FN_LARGE_PAGE * FN_LARGE_PAGE;
    void *found = aligned_alloc(FN_LARGE_PAGE, whole);
    if (found == NULL) return NULL;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    (void)madvise(found, whole, MADV_HUGEPAGE); /* a hint, whose failure changes nothing */
#endif
    return memset(found, 0, bytes);
}

#endif
