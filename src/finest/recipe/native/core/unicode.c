/* White space, lines and words of UTF-8 text, as Python defines them. */
#include "core.h"

const uint8_t FN_BYTE_KIND[256] = {
    [9] = 1, [10] = 1, [11] = 1, [12] = 1, [13] = 1, [28] = 1, [29] = 1, [30] = 1, [31] = 1, [32] = 1,
    [0xc2 ... 0xf4] = 2,
};

/* Decode the next code point; U+FFFD for invalid UTF-8. Never reads past the end. */
uint32_t fn_decode(const char **at, const char *end)
{
    assert(*at < end);
    const unsigned char *p = (const unsigned char *)*at;
    size_t left = (size_t)(end - *at);
    uint32_t code = *p;
    size_t n = code < 0x80 ? 1 : code < 0xc2 ? 0 : code < 0xe0 ? 2 : code < 0xf0 ? 3 : code < 0xf5 ? 4 : 0;
    if (n == 1) {
        *at += 1;
        return code;
    }
    if (n == 0 || n > left) {
        *at += 1;
        return 0xfffd;
    }
    code &= 0x7fu >> n;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            *at += 1;
            return 0xfffd;
        }
        code = code << 6 | (p[i] & 0x3fu);
    }
    *at += n;
    return code;
}

bool fn_is_space(uint32_t code)
{
    if (code < 0x80) return FN_BYTE_KIND[code] == 1;
    if (code == 0x85 || code == 0xa0 || code == 0x1680 || code == 0x202f || code == 0x205f || code == 0x3000) return true;
    return (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029;
}

bool fn_is_line_break(uint32_t code)
{
    return (code >= 10 && code <= 13) || (code >= 28 && code <= 30) || code == 0x85 || code == 0x2028 || code == 0x2029;
}

size_t fn_space_at(const char *p, const char *end)
{
    unsigned char byte = (unsigned char)*p;
    if (byte < 0x80) return FN_BYTE_KIND[byte] == 1;
    if (byte != 0xc2 && byte != 0xe1 && byte != 0xe2 && byte != 0xe3) return 0;
    const char *at = p;
    return fn_is_space(fn_decode(&at, end)) ? (size_t)(at - p) : 0;
}

bool fn_is_blank(FnStr text)
{
    const char *p = text.p, *end = text.p + text.n;
    while (p < end) {
        size_t n = fn_space_at(p, end);
        if (n == 0) return false;
        p += n;
    }
    return true;
}

bool fn_has_text(FnStr text) { return text.n > 0 && !fn_is_blank(text); }

size_t fn_char_count(FnStr text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    return n;
}

FnStr fn_strip(FnStr text)
{
    const char *p = text.p, *end = text.p + text.n, *last;
    size_t n;
    while (p < end && (n = fn_space_at(p, end)) > 0) p += n;
    last = p;
    for (const char *at = p; at < end;) {
        n = fn_space_at(at, end);
        if (n == 0) {
            fn_decode(&at, end);
            last = at;
        } else {
            at += n;
        }
    }
    return (FnStr){p, (size_t)(last - p)};
}

/* " ".join(text.split()); returns the same slice if nothing changes. */
FnStr fn_trim(FnPage *page, FnStr text)
{
    const char *p = text.p, *end = text.p + text.n;
    bool after_space = true, clean = true;
    if (text.n == 0) return FN_EMPTY;
    while (p < end) {
        unsigned char byte = (unsigned char)*p;
        if (byte == ' ') {
            if (after_space) { clean = false; break; }
            after_space = true;
            p++;
        } else if (FN_BYTE_KIND[byte] != 0 && fn_space_at(p, end)) {
            clean = false;
            break;
        } else {
            after_space = false;
            p++;
        }
    }
    if (clean && !after_space) return text;
    char *out = fn_take(page, text.n), *o = out;
    bool pending = false;
    for (p = text.p; p < end;) {
        unsigned char byte = (unsigned char)*p;
        size_t n = FN_BYTE_KIND[byte] ? fn_space_at(p, end) : 0;
        if (n) {
            pending = true;
            p += n;
            continue;
        }
        if (pending && o > out) *o++ = ' ';
        pending = false;
        *o++ = *p++;
    }
    return (FnStr){out, (size_t)(o - out)};
}

/* True for bytes that are one character each, and neither a space nor a comma. */
static const bool SIMPLE[256] = {[0 ... 8] = true, [14 ... 27] = true, [33 ... ',' - 1] = true, [',' + 1 ... 127] = true};

bool fn_trimmed_add(FnTrimmed *count, FnStr text, size_t enough)
{
    const char *p = text.p, *end = text.p + text.n;
    size_t chars = count->chars;
    bool pending = count->pending, begun = count->begun;
    while (p < end) {
        unsigned char byte = (unsigned char)*p;
        if (byte == ' ') {
            pending = true;
            p++;
            continue;
        }
        size_t n = FN_BYTE_KIND[byte] ? fn_space_at(p, end) : 0;
        if (n) {
            pending = true;
            p += n;
            continue;
        }
        if (!begun) count->first = (char)byte;
        else if (pending) chars++;
        pending = false;
        begun = true;
        if (SIMPLE[byte]) {
            const char *from = p;
            while (p < end && SIMPLE[(unsigned char)*p]) p++;
            chars += (size_t)(p - from);
        } else {
            chars += (byte & 0xc0) != 0x80;
            count->commas += byte == ',';
            p++;
        }
        if (chars >= enough) break;
    }
    count->chars = chars;
    count->pending = pending;
    count->begun = begun;
    return chars < enough;
}

bool fn_holds(FnStr text, FnStr part)
{
    return part.n == 0 || (text.n >= part.n && memmem(text.p, text.n, part.p, part.n) != NULL);
}

bool fn_equals(FnStr a, FnStr b) { return a.n == b.n && memcmp(a.p, b.p, a.n) == 0; }

/* The ASCII letter that a case-insensitive pattern of `re` matches with this character; four non-ASCII ones match. */
static uint32_t folded(uint32_t code)
{
    if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 32 : code;
    if (code == 0x130 || code == 0x131) return 'i';
    if (code == 0x17f) return 's';
    if (code == 0x212a) return 'k';
    return code;
}

static const char *const FILTERED[] = {
#define X(word) word,
    FN_FILTERED_WORDS(X)
#undef X
};

/* Whether trafilatura's RE_FILTER matches one line. */
static bool line_is_filtered(FnPage *page, const char *p, const char *end)
{
    char word[32];
    size_t n = 0;
    bool more = false;
    while (p < end) {
        const char *at = p;
        uint32_t code = fn_decode(&at, end);
        bool is_word = code < 0x80 ? (code >= '0' && code <= '9') || (code >= 'a' && code <= 'z') ||
                                         (code >= 'A' && code <= 'Z') || code == '_'
                                   : page->host->is_word(code);
        if (is_word) break;
        p = at;
    }
    while (p < end) {
        uint32_t code = folded(fn_decode(&p, end));
        if (n >= 12 && more) { /* "more on this" and up to eight characters more */
            if (++n > FN_FILTERED_MAX_CHARS) return false;
            continue;
        }
        if (code >= 0x80 || n >= 15) return false;
        word[n++] = (char)code;
        more = n == 12 && memcmp(word, "more on this", 12) == 0;
    }
    if (more) return true;
    for (size_t i = 0; i < sizeof(FILTERED) / sizeof(*FILTERED); i++)
        if (strlen(FILTERED[i]) == n && memcmp(FILTERED[i], word, n) == 0) return true;
    return false;
}

bool fn_is_filtered(FnPage *page, FnStr text)
{
    if (!fn_has_text(text)) return true;
    const char *line = text.p, *end = text.p + text.n;
    for (const char *p = line; p < end;) {
        const char *at = p;
        unsigned char byte = (unsigned char)*p;
        if (FN_BYTE_KIND[byte] == 0) {
            p++;
            continue;
        }
        uint32_t code = fn_decode(&p, end);
        if (fn_is_line_break(code)) {
            if (line_is_filtered(page, line, at)) return true;
            if (code == 13 && p < end && *p == 10) p++;
            line = p;
        }
    }
    return line < end && line_is_filtered(page, line, end);
}

/* ---- characters that XML forbids ---- */

static bool is_forbidden_byte(unsigned char byte) { return byte < 32 && byte != '\t' && byte != '\n' && byte != '\r'; }

static bool is_noncharacter(const char *p, const char *end)
{
    return (unsigned char)*p == 0xef && end - p >= 3 && (unsigned char)p[1] == 0xbf && ((unsigned char)p[2] | 1) == 0xbf;
}

bool fn_holds_forbidden(FnStr text)
{
    for (const char *p = text.p, *end = text.p + text.n; p < end; p++)
        if (is_forbidden_byte((unsigned char)*p) || is_noncharacter(p, end)) return true;
    return false;
}

/* Whether the reference that begins here certainly names no forbidden character; false for unusual forms. */
static bool is_plain_reference(const char *p, const char *end)
{
    uint32_t number = 0;
    p += 2;
    bool hex = p < end && (*p | 32) == 'x';
    if (hex) p++;
    for (; p < end && number < 0x200000; p++) {
        unsigned char byte = (unsigned char)*p, lower = byte | 32;
        if (byte >= 0x80) return false;
        if (byte >= '0' && byte <= '9') number = number * (hex ? 16 : 10) + (byte - '0');
        else if (hex && lower >= 'a' && lower <= 'f') number = number * 16 + (lower - 'a' + 10u);
        else break;
    }
    return number >= 32 ? number < 0xfff0 : number == 9 || number == 10 || number == 13;
}

enum { BLOCK = 64 };

/* Whether nothing in the block needs a closer check, in a form that compilers vectorize. */
static bool is_plain_block(const unsigned char *p)
{
    unsigned char odd = 0;
    for (int i = 0; i < BLOCK; i++) {
        unsigned char byte = p[i];
        odd |= (unsigned char)((byte < 32) & (byte != '\t') & (byte != '\n') & (byte != '\r'));
        odd |= (unsigned char)((byte == '&') | (byte == 0xef));
    }
    return odd == 0;
}

bool fn_is_plain(FnStr html)
{
    const char *p = html.p, *end = html.p + html.n;
    while (p < end) {
        if (end - p >= BLOCK && is_plain_block((const unsigned char *)p)) {
            p += BLOCK;
            continue;
        }
        for (const char *stop = end - p >= BLOCK ? p + BLOCK : end; p < stop; p++) {
            unsigned char byte = (unsigned char)*p;
            if (byte == '&' && end - p > 1 && p[1] == '#' && !is_plain_reference(p, end)) return false;
            if (is_forbidden_byte(byte) || (byte == 0xef && is_noncharacter(p, end))) return false;
        }
    }
    return true;
}
