"""The sample's page templates, which surround prose with the navigation, sidebars and footers of real pages."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from finest.sample.boilerplate import ENGLISH, boilerplate_of
from finest.sample.prose import Article

COMMENTATORS = ("Marlies", "old_timer", "Jonas B.")
COOKIE_TEMPLATES = ("news", "shop", "recipe")
NAVIGATION = {
    "news": ("Front page", "Local", "Culture", "Sport", "Weather", "Jobs"),
    "docs": ("Guide", "Reference", "Download", "Changes", "Search"),
    "recipe": ("Soups", "Cakes", "Preserves", "Seasons", "About"),
    "forum": ("Forums", "New posts", "Members", "Rules", "Log in"),
    "shop": ("Spades", "Forks", "Shears", "Basket (0)", "My account"),
    "encyclopedia": ("Main page", "Contents", "Random article", "Recent changes"),
}


def render(article: Article) -> str:
    """Render the article as a complete HTML page in its template."""
    if article.template == "plain":
        return _plain(article)
    body = _BODIES.get(article.template, _article)(article)
    return _page(article, body)


def cookies(article: Article) -> str:
    """Return the banner that asks for consent to cookies, in the language of the page."""
    words = boilerplate_of(article)
    return (
        f'<div class="cookie-banner" role="dialog"><p>{words.cookies} '
        f"<a href='/privacy'>{words.privacy}</a></p><button>{words.accept}</button>"
        f"<button>{words.necessary}</button></div>"
    )


def blocks_html(blocks: tuple[str, ...]) -> str:
    """Return the blocks of an article as HTML elements."""
    return "\n".join(_block(block) for block in blocks)


def _block(block: str) -> str:
    lines = block.split("\n")
    if block.startswith("## "):
        return f"<h2>{escape(block[3:])}</h2>"
    if block.startswith("- "):
        return "<ul>" + "".join(f"<li>{escape(line[2:])}</li>" for line in lines) + "</ul>"
    if block.startswith("| "):
        rows = ([cell.strip() for cell in line.strip("| ").split("|")] for line in lines)
        return (
            "<table>"
            + "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in rows)
            + "</table>"
        )
    return f"<p>{escape(block.removeprefix('> '))}</p>"


def _page(article: Article, body: str) -> str:
    site, words = article.address.split("/")[0], boilerplate_of(article)
    links = "".join(f'<li><a href="/{i}">{name}</a></li>' for i, name in enumerate(_navigation(article)))
    aside = "".join(f'<li><a href="/s/{i}">{name}</a></li>' for i, name in enumerate(words.sidebar))
    direction = ' dir="rtl"' if article.language == "ar" else ""
    return f"""<!DOCTYPE html>
<html lang="{article.language}"{direction}>
<head>
<meta charset="utf-8">
<title>{escape(article.title)} | {site}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/style.css">
<script>window.settings = {{"theme": "light", "comments": true}};</script>
</head>
<body class="{article.template}">
{cookies(article) if article.template in COOKIE_TEMPLATES else ""}
<header><a class="logo" href="/">{site}</a><nav class="menu"><ul>{links}</ul></nav></header>
<div class="wrapper">
<main>
{body}
</main>
<aside class="sidebar"><h3>{words.more}</h3><ul>{aside}</ul></aside>
</div>
<footer class="footer"><p>&copy; 2024 {site}. {words.rights}</p><a href="/terms">{words.terms}</a></footer>
</body>
</html>
"""


def _navigation(article: Article) -> tuple[str, ...]:
    words = boilerplate_of(article)
    return NAVIGATION.get(article.template, words.navigation) if words is ENGLISH else words.navigation


def _article(article: Article) -> str:
    return f"<article>\n<h1>{escape(article.title)}</h1>\n{blocks_html(article.blocks)}\n</article>"


def _with_comments(article: Article) -> str:
    words = boilerplate_of(article)
    said = zip(COMMENTATORS, words.comments, strict=True)
    posts = "".join(f'<li class="comment"><b>{name}</b><p>{text}</p></li>' for name, text in said)
    links = f'<a href="/share">{words.share}</a> <a href="/mail">{words.mail}</a>'
    share = f'<div class="share-buttons">{links}</div>'
    comments = f'<section id="comments" class="comments"><h3>{words.comments_title}</h3><ol>{posts}</ol></section>'
    return f"{_article(article)}\n{share}\n{comments}"


def _news(article: Article) -> str:
    words = boilerplate_of(article)
    related = "".join(f'<li><a href="/n/{i}">{words.related} {i}</a></li>' for i in range(1, 6))
    byline = f'<p class="byline">{words.byline}, <time datetime="2024-05-18">{words.date}</time></p>'
    body = f"<h1>{escape(article.title)}</h1>{byline}<div class='article-body'>{blocks_html(article.blocks)}</div>"
    return f'<article>{body}</article><div class="related"><h3>{words.related_title}</h3><ul>{related}</ul></div>'


def _forum(article: Article) -> str:
    users = ("maja", "oakandash", "benchdog", "ruth_k", "plumb_line", "tinker")
    words = boilerplate_of(article)
    tools = f'<div class="post-tools"><a href="#">{words.reply}</a> <a href="#">{words.quote}</a></div>'
    posts = "".join(
        f'<div class="post" id="p{i}"><div class="post-author">{users[i % len(users)]}</div>'
        f'<div class="post-body">{_block(block)}</div>{tools}</div>'
        for i, block in enumerate(article.blocks)
    )
    return f'<h1>{escape(article.title)}</h1><div class="thread">{posts}</div>'


def _shop(article: Article) -> str:
    words = boilerplate_of(article)
    price = f'<div class="price">EUR 84.00</div><button class="add-to-cart">{words.basket}</button>'
    others = "".join(
        f'<div class="tile"><a href="/p/{i}">{words.item} {i}</a><span>EUR {i * 7}.00</span></div>'
        for i in range(2, 10)
    )
    described = f'<div class="product-description">{blocks_html(article.blocks)}</div>'
    return f'<h1>{escape(article.title)}</h1>{price}{described}<div class="also-bought">{others}</div>'


def _plain(article: Article) -> str:
    """Render a page like a handwritten one of the 1990s, with no structure except paragraphs and a rule."""
    title, paragraphs = escape(article.title), "\n\n<P>\n".join(escape(block) for block in article.blocks)
    return (
        f"<HTML><HEAD><TITLE>{title}</TITLE></HEAD>\n<BODY BGCOLOR=#ffffff>\n<H1>{title}</H1>\n"
        f"<P>\n{paragraphs}\n<HR>\n<A HREF=index.html>Back to the other notes</A>\n</BODY></HTML>\n"
    )


_BODIES: dict[str, Callable[[Article], str]] = {
    "blog": _with_comments,
    "magazine": _with_comments,
    "news": _news,
    "forum": _forum,
    "shop": _shop,
}
