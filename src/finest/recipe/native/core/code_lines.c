/* Lines of code: the margin that all have, and numbers of lines: C port of `dedented` of extract/parts.py and of
 * `_is_numbers` of extract/structure_text.py. */
#define PY_SSIZE_T_CLEAN
#include "structure.h"

/* Whether the text is two or more numbers that count up, with white space between them. */
bool fn_is_numbers(const char *p, const char *end)
{
    long before = -1;
    size_t count = 0;
    while (p < end) {
        if (*p == ' ' || *p == '\t' || *p == '\n' || (unsigned char)*p <= FN_MARK_ENDED) {
            p++;
            continue;
        }
        long number = 0;
        int digits = 0;
        for (; p < end && *p != ' ' && *p != '\t' && *p != '\n'; p++) {
            if ((unsigned char)*p <= FN_MARK_ENDED) continue;
            if (!fn_is_digit(*p) || digits++ == 6) return false;
            number = 10 * number + (*p - '0');
        }
        if (count++ > 0 && number != before + 1) return false;
        before = number;
    }
    return count >= 2;
}

static size_t margin_of(const char *p, const char *end)
{
    const char *start = p;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    return (size_t)(p - start);
}

static const char *line_end_of(const char *p, const char *end)
{
    const char *at = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    return at != NULL ? at : end;
}

/* Remove the white space with which all lines of the text begin; returns its new end. */
char *fn_dedent(char *start, char *end)
{
    size_t margin = margin_of(start, end);
    for (const char *p = start; margin > 0 && p < end; p++) {
        const char *stop = line_end_of(p, end);
        size_t n = 0;
        while (n < margin && p + n < stop && p[n] == start[n]) n++;
        if (stop > p) margin = n;
        p = stop;
    }
    if (margin == 0) return end;
    char *out = start;
    for (const char *p = start; p < end;) {
        const char *stop = line_end_of(p, end);
        if (stop > p) p += margin;
        if (stop < end) stop++;
        memmove(out, p, (size_t)(stop - p));
        out += stop - p;
        p = stop;
    }
    return out;
}
