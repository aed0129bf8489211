"""The words around the prose of a page: navigation, cookie banner, comments and buttons, in eleven languages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from finest.sample.prose import LANGUAGE_TEMPLATES, Article


@dataclass(frozen=True, slots=True)
class Boilerplate:
    """The words of one language."""

    cookies: str
    privacy: str
    accept: str
    necessary: str
    navigation: tuple[str, ...]
    more: str
    sidebar: tuple[str, ...]
    rights: str
    terms: str
    comments_title: str
    comments: tuple[str, ...]
    share: str
    mail: str
    related_title: str
    related: str
    byline: str
    reply: str
    quote: str
    basket: str
    item: str
    date: str = "2024-05-18"


ENGLISH = Boilerplate(
    cookies="This site uses cookies to remember your choice.", privacy="Privacy policy",
    accept="Accept all", necessary="Only necessary",
    navigation=("Home", "Posts", "Tags", "Contact"), more="More",
    sidebar=("About this site", "Archive", "Most read this month", "Subscribe by mail", "Write to us"),
    rights="All rights reserved.", terms="Terms of use", comments_title="3 comments",
    comments=(
        "Thank you, I tried this at the weekend and it worked on the second attempt.",
        "My father did it exactly the other way round, and he lived to ninety-one.",
        "Is there a version of this page that I can print?",
    ),
    share="Share", mail="Send by mail", related_title="Related", related="Related story number",
    byline="By our own reporter", reply="Reply", quote="Quote", basket="Add to basket", item="Item", date="18 May 2024",
)  # fmt: skip


def boilerplate_of(article: Article) -> Boilerplate:
    """Return the words around an article; those of the sample's bare pages in a language are English."""
    is_english = article.template in LANGUAGE_TEMPLATES or article.language == "en"
    return ENGLISH if is_english else _others()[article.language]


@cache
def _others() -> dict[str, Boilerplate]:
    data = (resources.files("finest.sample") / "pages" / "languages" / "boilerplate.json").read_bytes()
    return {
        code: Boilerplate(**{key: _frozen(value) for key, value in words.items()})
        for code, words in json.loads(data).items()
    }


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
