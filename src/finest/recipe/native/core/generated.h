/* Constants of the Python modules. Written by `python -m finest.recipe.build_core_header`; do not edit. */
#ifndef FINEST_GENERATED_H
#define FINEST_GENERATED_H

/* marks.py: the expressions that select elements */
enum {
    FN_MARK_COMMENTS = 1, FN_MARK_OVERALL = 2, FN_MARK_HIDDEN = 4, FN_MARK_PAYWALL = 8, FN_MARK_CAPTION = 16,
    FN_MARK_TEASER = 32, FN_MARK_PRECISION = 64, FN_MARK_BODY_0 = 128, FN_MARK_BODY_2 = 256, FN_MARK_BODY_3 = 512,
    FN_MARK_BODY_4 = 1024
};

/* core_tables.py: sets of tags */
#define FN_TAG_SETS(X) \
    X(CLEANED) X(STRIPPED) X(CUT_EMPTY) X(FORMATTING) X(HEADINGS) X(CONTENT) X(UNCLEAN) X(TEI) X(NEWLINE) \
    X(SPECIAL_FORMATTING) X(PROTECTED) X(PARAGRAPHS) X(WILD) X(LINKS) X(SECTIONS) X(FRAMES) X(LISTS) X(CLEAN_COUNTED) \
    X(DIV_SCORES) X(BLOCK_SCORES) X(BAD_SCORES) X(STRUCTURE_SCORES) X(RAW_TEXT) X(CELLS) X(FORMS) X(SCRIPTS) \
    X(BASELINE_TEXTS) X(BASIC_CLEANED) X(LOOKS_LIKE_BLOCK) X(HOLDS_SELECT)

/* core_tables.py: what readability's patterns say of a name */
enum {
    FN_NAME_UNLIKELY = 1, FN_NAME_MAYBE = 2, FN_NAME_NEGATIVE = 4, FN_NAME_POSITIVE = 8
};

/* limits of the steps, each from the module of its name */
enum {
    FN_MIN_CHARS = 250, FN_PRUNE_KEEP_SHARE = 7, FN_DENSITY_MAX_LIMIT = 300, FN_DENSITY_SHORT_SECTION = 200,
    FN_FILTERED_MAX_CHARS = 20, FN_PARAGRAPHS_LENGTH_LOW = 50, FN_PARAGRAPHS_LENGTH_HIGH = 200,
    FN_READABILITY_MIN_TEXT = 25, FN_READABILITY_RETRY_LENGTH = 250, FN_READABILITY_ENOUGH_COMMAS = 10
};

#define FN_DENSITY_MAX_SHARE 0.8
#define FN_PARAGRAPHS_STOPWORDS_LOW 0.1
#define FN_PARAGRAPHS_STOPWORDS_HIGH 0.2
#define FN_PARAGRAPHS_MAX_LINK_DENSITY 0.2

/* trafilatura's RE_FILTER: lines that are dropped */
#define FN_FILTERED_WORDS(X) \
    X("drucken") X("email") X("e-mail") X("facebook") X("flipboard") X("google") X("instagram") X("linkedin") \
    X("mail") X("pdf") X("pinterest") X("pocket") X("print") X("qq") X("reddit") X("twitter") X("wechat") X("weibo") \
    X("whatsapp") X("xing") X("mehr zum thema") X("mehr zum thema:")

/* tags.py: what a tag does */
enum {
    FN_DOES_BR = 1, FN_DOES_LINK = 2, FN_DOES_RAW = 4, FN_DOES_SKIPPED = 8, FN_DOES_PUSHED = 16, FN_DOES_CELL = 32,
    FN_DOES_GRAPHIC = 64, FN_DOES_ENDS_P = 128, FN_DOES_CLOSABLE = 256, FN_DOES_VOID = 512, FN_DOES_INLINE = 1024
};

/* tags.py: families of tags that end one another */
enum {
    FN_FAMILY_ITEM = 1, FN_FAMILY_TERM = 2, FN_FAMILY_ROW = 4, FN_FAMILY_CELLS = 8, FN_FAMILY_LIST = 16,
    FN_FAMILY_TERMS = 32, FN_FAMILY_TABLE = 64, FN_FAMILY_PART = 128
};

/* main_text.py: where each group of features begins */
enum {
    FN_FEATURE_OWN = 0, FN_FEATURE_BEFORE = 40, FN_FEATURE_AFTER = 81, FN_FEATURE_KIND = 122, FN_FEATURE_ENDING = 131,
    FN_FEATURE_PLACE = 137, FN_FEATURE_COUNT = 147, FN_FEATURE_FLAG = 157, FN_FEATURE_NAME = 166
};

/* sizes and limits of engine blocks-1 */
enum {
    FN_KINDS = 9, FN_KIND_PRE = 5, FN_KIND_PARAGRAPH = 1, FN_FLAGS = 9, FN_SHAPES = 40, FN_PLACES = 10, FN_COUNTS = 10,
    FN_ENDINGS = 6, FN_BLOCKS_MOST_OPEN = 256, FN_MOST_INDENT = 64
};

#define FN_FORMATTING "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"

/* structure_tags.py: roles of tags */
enum {
    FN_ROLE_H1 = 1, FN_ROLE_H2 = 2, FN_ROLE_H3 = 3, FN_ROLE_H4 = 4, FN_ROLE_H5 = 5, FN_ROLE_H6 = 6, FN_ROLE_BULLETS = 7,
    FN_ROLE_NUMBERED = 8, FN_ROLE_LIST_ITEM = 9, FN_ROLE_DEFINED = 10, FN_ROLE_QUOTED = 11, FN_ROLE_PREFORMATTED = 12,
    FN_ROLE_TABLE_ROOT = 13, FN_ROLE_TABLE_ROW = 14, FN_ROLE_TABLE_CELL = 15, FN_ROLE_HEADER_CELL = 16,
    FN_ROLE_CODE = 17, FN_ROLE_IMAGE = 18, FN_ROLE_SCRIPT = 19, FN_ROLE_UNSCRIPTED = 20, FN_ROLE_RUBY = 21,
    FN_ROLE_RUBY_TEXT = 22, FN_ROLE_RUBY_MARK = 23, FN_ROLE_SPAN = 24, FN_ROLE_HEAD = 25, FN_ROLE_BODY = 26,
    FN_ROLE_MATH = 27, FN_ROLE_TEMPLATE = 28, FN_ROLE_ANNOTATION = 29, FN_ROLE_IDENTIFIER = 30, FN_ROLE_NUMBER = 31,
    FN_ROLE_MATH_TEXT = 32, FN_ROLE_MATH_ROW = 33, FN_ROLE_FRACTION = 34, FN_ROLE_SUPER = 35, FN_ROLE_SUB = 36,
    FN_ROLE_SUB_SUPER = 37, FN_ROLE_UNDER = 38, FN_ROLE_OVER = 39, FN_ROLE_UNDER_OVER = 40, FN_ROLE_ROOT_OF = 41,
    FN_ROLE_SQUARE_ROOT = 42, FN_ROLE_FENCED = 43, FN_ROLE_MATRIX = 44, FN_ROLE_MATRIX_ROW = 45,
    FN_ROLE_MATRIX_CELL = 46
};

/* structure_tags.py: what class names say */
enum {
    FN_CLASS_NUMBERS = 1, FN_CLASS_RENDERED = 2, FN_CLASS_SOURCE = 4, FN_CLASS_TEX = 8, FN_CLASS_CODE_LINE = 16,
    FN_CLASS_DRAWN = 32
};

/* structure_tags.py: TeX of elements of MathML */
#define FN_TEX_TEMPLATES(X) \
    X(FRACTION, "\\frac{\1}{\2}") X(SUPER, "{\1}^{\2}") X(SUB, "{\1}_{\2}") X(SUB_SUPER, "{\1}_{\2}^{\3}") \
    X(UNDER, "\\underset{\2}{\1}") X(OVER, "\\stackrel{\2}{\1}") X(UNDER_OVER, "{\1}_{\2}^{\3}") \
    X(ROOT_OF, "\\sqrt[\2]{\1}") X(SQUARE_ROOT, "\\sqrt{\4}") X(FENCED, "\\left(\4\\right)") \
    X(MATRIX, "\\begin{array}{\5}\4\\end{array}") X(MATH_TEXT, "\\text{\4}")

/* structure_tags.py: TeX of elements of MathML */
#define FN_TEX_LIMITS(X) \
    X(UNDER, "\1_{\2}") X(OVER, "\1^{\2}") X(UNDER_OVER, "\1_{\2}^{\3}")

/* structure_tags.py: TeX of elements of MathML */
#define FN_TEX_SEPARATORS(X) \
    X(FENCED, ",") X(MATRIX, "\\\\ ") X(MATRIX_ROW, "& ")

#define FN_TEX_STACKED "\\genfrac{}{}{0pt}{}{\1}{\2}"
#define FN_TEX_BOLD "\\mathbf"
#define FN_TEX_NORMAL "\\mathrm"
#define FN_DELIMITERS {"$$", "$$", 1}, {"$", "$", 0}, {"\\(", "\\)", 0}, {"\\[", "\\]", 1}
#define FN_ENVIRONMENT "\\begin{"
#define FN_TEX_SOURCES "latex", "mimetex", "mathtex", "equation?tex=", "math?formula=", "cht=tx"

/* limits of engine blocks-2 */
enum {
    FN_MOST_STEPS = 4194304, FN_BLOCK_STEPS = 16, FN_MOST_LISTS = 15, FN_MOST_BLANKS = 64, FN_MOST_NEWLINES = 3,
    FN_MOST_MARGIN = 60, FN_MOST_QUOTES = 8, FN_MOST_ROWSPAN = 1000, FN_MOST_NUMBER = 999999, FN_GRID_COLUMNS = 64,
    FN_MOST_FRAMES = 64, FN_MOST_TEX = 65536, FN_MOST_FENCES = 16, FN_MOST_ALIGNED = 16, FN_MOST_LANGUAGE = 20,
    FN_NESTS = 3, FN_NO_MARKER = 0, FN_BULLET = 1, FN_ORDINAL = 2, FN_DEFINITION = 3, FN_MARK_IN_CODE = 1,
    FN_MARK_IN_LINE = 2, FN_MARK_ON_DISPLAY = 3, FN_MARK_ENDED = 4, FN_LEAST_ROWS = 2, FN_LEAST_COLUMNS = 2,
    FN_MOST_CELL = 300, FN_MOST_HEADED_CELL = 1000, FN_SURE = 450, FN_HIGHEST_LIMIT = 400, FN_LOWEST_LIMIT = -600,
    FN_TABLE_LIMIT = -200, FN_CODE_LIMIT = -600, FN_FORMULA_LIMIT = -300, FN_GAP_LIMIT = -200, FN_LEAST_SHOWN = 250
};

/* block_features.py, trees.py: columns of the trees */
enum {
    FN_COLUMNS = 164, FN_ALL_COLUMNS = 183, FN_MOST_VALUE = 32767, FN_SHARE = 64, FN_NAME_BITS = 24,
    FN_LEAST_PROSE = 60, FN_MOST_SCORE = 5120, FN_MOST_DEPTH = 8, FN_MOST_TREES = 1000, FN_SCORE_NEAR = 7,
    FN_SCORE_WINDOWS = 3
};

#define FN_NEIGHBOUR_STEPS -2, -1, 1, 2
#define FN_WINDOW_REACHES 3, 10
#define FN_SCORE_STEPS -3, -2, -1, 1, 2, 3
#define FN_SCORE_REACHES 2, 5, 12

/* bounds.py: what an element is to the tree */
enum {
    FN_ELEMENT_VOID = 1, FN_ELEMENT_RAW = 2, FN_ELEMENT_FORMATTING = 4, FN_ELEMENT_SPECIAL = 8, FN_ELEMENT_STOP = 16,
    FN_ELEMENT_SCOPE = 32, FN_ELEMENT_CLOSES_P = 64, FN_ELEMENT_ITEM = 128, FN_ELEMENT_TERM = 256,
    FN_ELEMENT_CELL = 512, FN_ELEMENT_ROW = 1024, FN_ELEMENT_PART = 2048, FN_ELEMENT_HEADING = 4096
};

/* bounds.py: HTML's elements, and what each is */
#define FN_ELEMENTS(X) \
    X(area, 1) X(base, 1) X(basefont, 1) X(bgsound, 1) X(br, 1) X(col, 1) X(embed, 1) X(frame, 1) X(img, 1) \
    X(input, 1) X(keygen, 1) X(link, 1) X(meta, 1) X(param, 1) X(source, 1) X(track, 1) X(wbr, 1) X(html, 1) \
    X(head, 1) X(body, 1) X(option, 1) X(optgroup, 1) X(hr, 65) X(script, 2) X(style, 2) X(xmp, 2) X(iframe, 2) \
    X(noembed, 2) X(noframes, 2) X(textarea, 2) X(title, 2) X(a, 4) X(b, 4) X(big, 4) X(code, 4) X(em, 4) X(font, 4) \
    X(i, 4) X(nobr, 4) X(s, 4) X(small, 4) X(strike, 4) X(strong, 4) X(tt, 4) X(u, 4) X(p, 72) X(div, 72) \
    X(address, 72) X(article, 88) X(aside, 88) X(blockquote, 88) X(center, 88) X(details, 88) X(dialog, 88) X(dir, 88) \
    X(dl, 88) X(fieldset, 88) X(figcaption, 88) X(figure, 88) X(footer, 88) X(form, 88) X(header, 88) X(hgroup, 88) \
    X(main, 88) X(menu, 88) X(nav, 88) X(ol, 88) X(pre, 88) X(listing, 88) X(search, 88) X(section, 88) X(summary, 88) \
    X(ul, 88) X(h1, 4184) X(h2, 4184) X(h3, 4184) X(h4, 4184) X(h5, 4184) X(h6, 4184) X(li, 200) X(dt, 328) X(dd, 328) \
    X(table, 120) X(td, 568) X(th, 568) X(tr, 1048) X(tbody, 2072) X(thead, 2072) X(tfoot, 2072) X(colgroup, 2072) \
    X(caption, 2104) X(applet, 56) X(marquee, 56) X(object, 56) X(template, 56) X(button, 24) X(noscript, 24) \
    X(select, 24) X(frameset, 24) X(svg, 0) X(math, 0) X(plaintext, 0) X(span, 0) X(label, 0) X(path, 0) X(g, 0) \
    X(picture, 0) X(time, 0) X(sup, 0) X(sub, 0) X(abbr, 0) X(cite, 0)

/* bounds.py: limits */
enum {
    FN_BOUNDS_MOST_OPEN = 16384, FN_BOUNDS_MOST_NAMES = 256, FN_MOST_COLUMNS = 1000
};

/* tokens.py: what GPT-2's pattern takes a character for */
enum {
    FN_PIECE_UNKNOWN = 0, FN_PIECE_LETTER = 1, FN_PIECE_NUMBER = 2, FN_PIECE_OTHER = 3
};

/* limits of the statistics of a text */
enum {
    FN_TOKENS_KINDS = 12288, FN_CHUNKS_MAX_UNIT = 8
};

#define FN_MINHASH_PRIME 2305843009213693951ull

/* quality_model: limits */
enum {
    FN_QUALITY_MIN_BITS = 4, FN_QUALITY_MAX_BITS = 22, FN_QUALITY_MAX_TEXT = 1048576, FN_QUALITY_MAX_CLASSES = 32,
    FN_QUALITY_MAX_WORD_NGRAMS = 8
};

#define FN_QUALITY_FNV32_BASIS 2166136261u
#define FN_QUALITY_FNV32_PRIME 16777619u
#define FN_QUALITY_JOIN 116049371u
#define FN_QUALITY_FNV_BASIS 14695981039346656037ull
#define FN_QUALITY_FNV_PRIME 1099511628211ull
#define FN_QUALITY_SPREAD 11400714819323198485ull
#define FN_QUALITY_PAIR 14029467366897019727ull
#define FN_QUALITY_FNV_INVERSES 1ull, 14886173955864302971ull, 5772919263093090585ull, 11164797169880796163ull, 12758571492279420017ull, 13441252082715354955ull, 17512853380173678601ull, 3985727619402684755ull

/* decontaminate: kinds of characters and limits */
enum {
    FN_DECONTAMINATE_SEPARATOR = 0, FN_DECONTAMINATE_LETTER = 1, FN_DECONTAMINATE_CODES = 262144,
    FN_DECONTAMINATE_MOST_N = 32, FN_DECONTAMINATE_GAP_UNITS = 128
};

#define FN_DECONTAMINATE_UNITS 0, 4, 2, 1
#define FN_DECONTAMINATE_BASE 11400714819323198485ull
#define FN_DECONTAMINATE_MIX 18397679294719823053ull

#endif
