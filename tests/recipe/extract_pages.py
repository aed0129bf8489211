"""Small pages written for the extraction tests: each takes one way through trafilatura."""

from __future__ import annotations

SENTENCE = "The ferry leaves the old harbour at seven, and with a little luck it is back before the storm. "
LONG = SENTENCE * 4
ARTICLE = f"<p>{LONG}</p><p>{SENTENCE}Second.</p><p>{LONG}Third, of the sea and of the people.</p>"


def page(body: str, head: str = "") -> str:
    return f"<!DOCTYPE html>\n<html><head><title>A page</title>{head}</head><body>{body}</body></html>"


def links(count: int, text: str = "Go there") -> str:
    return " ".join(f'<a href="/{number}">{text} {number}</a>' for number in range(count))


def article(more: str) -> str:
    return page(f"<article>{ARTICLE}{more}</article>")


CONTENT = {
    "article": page(f"<article><h1>Ferries</h1>{ARTICLE}</article>"),
    "class names the body": page(f'<div class="x">{LONG}</div><div class="entry-content">{ARTICLE}</div>'),
    "id names the body": page(f'<section id="story-body">{ARTICLE}</section>'),
    "role names the body": page(f'<div role="article"><p>{LONG}</p><p>{LONG}</p></div>'),
    "itemprop names the body": page(f'<div itemprop="articleBody"><p>{LONG}</p><p>{LONG}</p></div>'),
    "translated class": page(f'<div class="MAIN-FullText">{ARTICLE}</div>'),
    "main after a div called main": page(f'<div class="mainly"><p>x</p></div><main>{ARTICLE}</main>'),
    "main before a div called main": page(f'<main>{ARTICLE}</main><div class="mainly"><p>{LONG}</p></div>'),
    "first candidate is empty": page(f'<div class="post"><p>x</p></div><article>{ARTICLE}</article>'),
    "no candidate": page(f"<div><p>{LONG}</p><p>{LONG}</p></div>"),
    "divs only": page(f"<article><div>{LONG}<div>{SENTENCE}</div>{SENTENCE}</div></article>"),
    "trailing title": article("<h2>More</h2>"),
    "line breaks": page(f"<article><div>{LONG}<br/>{LONG}<br>{SENTENCE}<br/></div></article>"),
    "text after line breaks": page(f"<article><br/>{LONG}<br/> {SENTENCE}<br/>Print<p>{LONG}</p></article>"),
    "line breaks only": page(f'<div class="post">one {LONG}<br/>{SENTENCE}<br/>{LONG}</div>'),
    "nested divs": page("<div>" * 30 + ARTICLE + "</div>" * 30),
    "several html elements": f"<header><p>x</p></header><html><p>{LONG}</html></html><html><article><p>{LONG}</p>",
}

ELEMENTS = {
    "list": article("<ul>first<li>one</li><li>two <b>bold</b> end</li><li></li>tail</ul>"),
    "nested list": page(
        f"<article>{ARTICLE}<ul><li>one<ul><li>inner {SENTENCE}<ol><li>deep</li></ol></li></ul>after</li>"
        "<li><p>para</p> tail</li></ul></article>"
    ),
    "definitions": article(f"<dl><dt>word</dt><dd>{SENTENCE}</dd><dt>other</dt><dd></dd></dl>"),
    "quotes": article(f"<blockquote><p>{SENTENCE}</p><q>inner</q> tail</blockquote>"),
    "code": article(f"<pre><span>x = 1\n  y</span></pre><code>a\n b</code><p>{SENTENCE}</p>"),
    "highlighted code": page(
        f'<article>{ARTICLE}<pre><span class="hljs-meta">#!</span> <span class="hljs-x">run</span></pre>'
        f'<div class="highlight"><pre>make</pre></div><pre lang="c">int</pre><div class="w3-code">w3</div></article>'
    ),
    "table": page(
        f"<article>{ARTICLE}<table><thead><tr><th>A</th><th>B</th></tr></thead><tbody><tr><td>1</td>"
        "<td colspan='2'><p>two</p><ul><li>x</li></ul>tail</td></tr><tr><th>h</th></tr></tbody></table></article>"
    ),
    "table in a table": article("<table><tr><td>a<table><tr><td>b</td></tr></table></td><td>c</td></tr></table>"),
    "bad colspan": article('<table><tr><td colspan="wide">a</td></tr></table>'),
    "link table": article(f"<table><tr><td>{links(40)}</td></tr></table>"),
    "figure with table": article("<figure><table><tr><td>1</td></tr></table></figure>"),
    "details": article(f"<details><summary>Sum</summary>{SENTENCE}</details>"),
    "deletions": article(f"<p>a <del>b</del> <s>c</s> d</p><del>loose {SENTENCE}</del>"),
    "formatting": article("<b>bold</b><p><i>x</i><u>y</u> <em>z</em>tail</p>"),
    "paragraph in paragraph": article("<object><p>a<object><p>b</p></object>c</p></object>"),
    "headings with children": page(f"<article><h1>A <span>b</span><br/> c</h1>{ARTICLE}</article>"),
    "loose own tags": page(f"<div class='post'><hi>a</hi><p>{LONG}</p><hi><p>{LONG}</p></hi></div>"),
    "table of words": article(
        f"<table><tr><td>{LONG}</td><td>{links(2)}</td></tr><tr><td>{LONG * 3}</td></tr></table>"
    ),
    "list of divs": article("<ul><li><div>a</div> b <div></div> c</li> d <li><p></p>e</li></ul>"),
    "own tag names": page(
        f'<article>{ARTICLE}<list><item>i</item></list><hi rend="#b">hi</hi> <ref>r</ref><row span="3"><cell>c</cell>'
        "</row><graphic title='t' src='s'></graphic><quote>q</quote><lb></lb>tail<head>h</head></article>"
    ),
    "attribute XML cannot name": article('<ul><li><p @click="x">one</p> tail</li></ul>'),
    "filtered lines": article("<p>Facebook</p><p> Print </p><li>Pinterest</li>\n<p>E-Mail</p>"),
}

DISCARDS = {
    "comments": page(f'<article>{ARTICLE}</article><div id="Comments"><p>{LONG}</p></div>'),
    "teaser": article(f'<div class="Teaser-box"><p>{LONG}</p></div>tail'),
    "precision": page(f'<article><header>{LONG}</header>{ARTICLE}<p id="bottom">{LONG}</p></article>'),
    "hidden": article('<span style="display:none">no</span> t<i aria-hidden="true">x</i> u'),
    "caption": article(f'<p class="wp-caption">{SENTENCE}</p>'),
    "paywall": page(f'<article><p>{SENTENCE}</p><div id="paywall"><p>{LONG}</p></div>tail</article>'),
    "share": page(
        f'<article><div class="share-buttons">Share</div> lost tail{ARTICLE}<p class="byline">By</p></article>'
    ),
    "mostly discarded": page(f'<div class="post"><div class="sidebar"><p>{LONG * 3}</p></div><p>{SENTENCE}</p></div>'),
    "all discarded": page(
        f'<div class="post"><p class="meta">{LONG * 3}</p></div><div class="content">{ARTICLE}</div>'
    ),
    "no text to discard": page(f'<div class="post"><div><span></span></div></div><main>{ARTICLE}</main>'),
    "link list": article(f"<div>{links(6)}</div><ul><li>{links(3)}</li></ul>"),
    "links in paragraphs": article(f"<p>{links(5)}</p><p>{SENTENCE}{links(1)}</p>"),
    "backtracking": article(f"<div><p>words and words of a text</p><p>{links(1)}</p><p>more words here</p></div>"),
    "loose links": f"<html><body><p>{LONG}{links(2)}</p><section><p>{links(3)}{LONG}</p></section></body></html>",
    "nested same tag": page(
        f"<article>{ARTICLE}</article><nav>a<nav>b</nav>c</nav><nav>kept {SENTENCE}</nav>"
        "<aside><aside>d</aside></aside>"
    ),
}

FALLBACKS = {
    "readability": page(f'<div class="story"><p>Short.</p></div><div><td>{LONG}</td><p>{LONG * 3}</p></div>'),
    "readability only": page(f"<div><span>{LONG}</span></div><div><span>{LONG * 2}</span> tail<br>{SENTENCE}</div>"),
    "readability, retried": page(f'<div class="extra"><p>{LONG}</p></div><div class="comment"><p>{LONG}</p></div>'),
    "readability with a table": page(
        f"<div>{LONG * 3}<table><tr><th>Name</th><td>{SENTENCE}</td></tr><tr><td>{SENTENCE}</td></tr></table></div>"
    ),
    "readability, all unlikely": page(f'<div id="header">{LONG}</div><p class="sidebar">{LONG}</p>'),
    "readability without candidates": page("<div>One.</div><span>Two.</span><div>Three <br>four</div>"),
    "readability of a list": page(f"<ol><li><p>{LONG}</p></li></ol><h2><p>{LONG}</p></h2><div>{LONG * 6}</div>"),
    "readability beside text": page(
        f"<div><div>{LONG * 5}</div><div><img/></div><p>Mr. X came. He went.</p><p>{SENTENCE}{links(1)}</p>{LONG}</div>"
    ),
    "readability, table": page(
        f"<div><table><tr><th>Name</th><td>{LONG}</td></tr><tr><td>{LONG}</td><td>x</td></tr></table></div>"
    ),
    "readability, clutter": page(
        f'<div class="text"><div>{LONG}</div><form><input type="hidden"/><p>{LONG}</p></form><ul>{links(9)}</ul>'
        f'<iframe src="https://www.youtube.com/x"></iframe><h2 class="widget">w</h2><div><img/></div>{LONG}</div>'
    ),
    "readability, raw text": page(f"<div><xmp>&&&&&&&&&&{LONG}</xmp><span>{LONG}</span></div>"),
    "justext": page(f"<div>{LONG}{SENTENCE}</div><label>{LONG}</label><div>{LONG}<br><br>{LONG}</div><h2>Short</h2>"),
    "justext, short between good": page(
        f"<div>{LONG}</div><div>Short.</div><div>{LONG}</div><div>&copy; me {LONG}</div>"
    ),
    "JSON-LD": page("<p>x</p>", f'<script type="application/ld+json">{{"articleBody": "{LONG}"}}</script>'),
    "broken JSON-LD": page("<p>x</p>", '<script type="application/ld+json">{"articleBody": </script>'),
    "baseline, article": page("<article>" + "word " * 30 + "</article>"),
    "baseline, paragraphs": page("<p>a</p><p>a</p><blockquote>b</blockquote>"),
    "baseline, all text": page("<span>only</span> <span>some</span> text"),
}

ODD = {
    "empty": "",
    "spaces": "  \n ",
    "plain text": "Nothing but text, and no markup at all.",
    "one tag": "<p>One paragraph.</p>",
    "a fragment": f"<div><p>{LONG}</p><p>{LONG}</p></div>",
    "a fragment to be deleted": f"<form><p>{LONG}</p></form>",
    "two fragments": f"<p>{LONG}</p>tail<p>{LONG}</p>",
    "no html": '{"key": "value"}',
    "unclosed": f"<html><body><article><p>{LONG}<p>{LONG}<ul><li>one<li>two<table><tr><td>cell",
    "misnested": f"<html><body><b><p>{LONG}</b></p></i><article><p>{LONG}</div></article>",
    "deep": "<html><body>" + "<div>" * 3000 + ARTICLE,
    "deep lists": "<html><body><article>" + ARTICLE + "<ul><li>x" * 40,
    "doctype cut": f"<!DOCTYPE html><html><head><meta charset='utf-8'/><body><article>{ARTICLE}",
    "faulty html tag": f'<!DOCTYPE html>\n<html lang="en" />\n<body><article>{ARTICLE}</article></body>',
    "xml declaration": f'<?xml version="1.0" encoding="utf-8"?>\n<html><body><p>{LONG}</p><p>{LONG}</p></body></html>',
    "byte order mark": "\ufeff" + article(""),
    "NUL bytes": article("<p>a\0b</p>"),
    "control characters": article(f"<p>a\x08b {SENTENCE}</p>"),
    "control characters, untouched": page(f"<aside>a\x0bb</aside><article>{ARTICLE}</article>"),
    "control references": article(f"<p>a&#8;b &#x1; {SENTENCE}</p>"),
    "lone surrogate": article("<p>a\ud800b</p>"),
    "odd characters": article("<p>a\xadb \u200b&nbsp;&amp;nbsp; e\u0301 \u2028x\x85y &amp;#13; z</p>"),
    "comments and instructions": page(f"<article><!-- c -->{ARTICLE}<?pi?>x<![CDATA[ y ]]></article>"),
    "odd tag names": page(f"<article>{ARTICLE}<o:p>word</o:p><ul><li>a<o:p>b</o:p></li></ul><my-select>s</my-select>"),
    "attribute that looks like a tag": page(f"<div><div <p=1>{LONG}</div><div <x=1>{LONG}</div></div>"),
}

PAGES = {**CONTENT, **ELEMENTS, **DISCARDS, **FALLBACKS, **ODD}
