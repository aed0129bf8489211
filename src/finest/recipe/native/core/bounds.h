/* HTML's elements, and what each is to the tree: ELEMENTS of bounds.py once more. */
#ifndef FINEST_BOUNDS_H
#define FINEST_BOUNDS_H

#include <stdint.h>

#include "core.h"

enum { MOST_NAMES = 256 };
enum {
    VOID = 1, RAW = 2, FORMATTING = 4, SPECIAL = 8, STOP = 16, SCOPE = 32, CLOSES_P = 64, ITEM = 128, TERM = 256, CELL = 512,
    ROW = 1024, PART = 2048, HEADING = 4096, BLOCK = SPECIAL | STOP | CLOSES_P
};

/* Of HTML's elements; those that the code names come first. */
#define ELEMENTS(X) \
    X(p, SPECIAL | CLOSES_P) X(a, FORMATTING) X(li, SPECIAL | CLOSES_P | ITEM) X(dt, SPECIAL | CLOSES_P | TERM) \
    X(dd, SPECIAL | CLOSES_P | TERM) X(table, BLOCK | SCOPE) X(tr, SPECIAL | STOP | ROW) X(tbody, SPECIAL | STOP | PART) \
    X(thead, SPECIAL | STOP | PART) X(tfoot, SPECIAL | STOP | PART) X(button, SPECIAL | STOP) X(svg, 0) X(math, 0) \
    X(plaintext, 0) X(span, 0) X(label, 0) X(path, 0) X(g, 0) X(picture, 0) X(time, 0) X(sup, 0) X(sub, 0) X(abbr, 0) X(cite, 0) \
    X(html, VOID) X(body, VOID) \
    X(area, VOID) X(base, VOID) X(basefont, VOID) X(bgsound, VOID) X(br, VOID) X(col, VOID) X(embed, VOID) X(frame, VOID) \
    X(img, VOID) X(input, VOID) X(keygen, VOID) X(link, VOID) X(meta, VOID) X(param, VOID) X(source, VOID) X(track, VOID) \
    X(wbr, VOID) X(head, VOID) X(option, VOID) X(optgroup, VOID) X(hr, VOID | CLOSES_P) \
    X(script, RAW) X(style, RAW) X(xmp, RAW) X(iframe, RAW) X(noembed, RAW) X(noframes, RAW) X(textarea, RAW) X(title, RAW) \
    X(b, FORMATTING) X(big, FORMATTING) X(code, FORMATTING) X(em, FORMATTING) X(font, FORMATTING) X(i, FORMATTING) \
    X(nobr, FORMATTING) X(s, FORMATTING) X(small, FORMATTING) X(strike, FORMATTING) X(strong, FORMATTING) X(tt, FORMATTING) \
    X(u, FORMATTING) X(div, SPECIAL | CLOSES_P) X(address, SPECIAL | CLOSES_P) \
    X(article, BLOCK) X(aside, BLOCK) X(blockquote, BLOCK) X(center, BLOCK) X(details, BLOCK) X(dialog, BLOCK) X(dir, BLOCK) \
    X(dl, BLOCK) X(fieldset, BLOCK) X(figcaption, BLOCK) X(figure, BLOCK) X(footer, BLOCK) X(form, BLOCK) X(header, BLOCK) \
    X(hgroup, BLOCK) X(main, BLOCK) X(menu, BLOCK) X(nav, BLOCK) X(ol, BLOCK) X(pre, BLOCK) X(listing, BLOCK) X(search, BLOCK) \
    X(section, BLOCK) X(summary, BLOCK) X(ul, BLOCK) X(h1, BLOCK | HEADING) X(h2, BLOCK | HEADING) X(h3, BLOCK | HEADING) \
    X(h4, BLOCK | HEADING) X(h5, BLOCK | HEADING) X(h6, BLOCK | HEADING) X(td, SPECIAL | STOP | SCOPE | CELL) \
    X(th, SPECIAL | STOP | SCOPE | CELL) X(colgroup, SPECIAL | STOP | PART) X(caption, SPECIAL | STOP | SCOPE | PART) \
    X(applet, SPECIAL | STOP | SCOPE) X(marquee, SPECIAL | STOP | SCOPE) X(object, SPECIAL | STOP | SCOPE) \
    X(template, SPECIAL | STOP | SCOPE) X(noscript, SPECIAL | STOP) X(select, SPECIAL | STOP) X(frameset, SPECIAL | STOP)
enum {
#define X(name, does) E_##name,
    ELEMENTS(X)
#undef X
    OTHER, /* every name past MOST_NAMES, and with a character past Latin-1 */
    KNOWN,
    KEYS = KNOWN + MOST_NAMES
};
static const Str NAMES[] = {
#define X(name, does) {#name, sizeof(#name) - 1},
    ELEMENTS(X)
#undef X
};
static const uint16_t DOES[] = {
#define X(name, does) does,
    ELEMENTS(X)
#undef X
};

#endif
