"""Pages in several languages, written for the tests, and WARCs of them."""

# ruff: noqa: E501  sentences are not broken
from __future__ import annotations

import random
from pathlib import Path

from finest.sample.build_languages import drawn, response_of
from finest.sample.prose import Article
from finest.sample.warc_writer import Response, page_members, warcinfo

SENTENCES = {
    "de": [
        "Der Fluss entspringt in den Hügeln über der alten Stadt und wendet sich dort nach Süden, wo das Tal breiter wird.",
        "In jedem Frühjahr zeichnen die Leute die Höhe des Wassers an die Mauer der Mühle, wie es ihre Eltern taten.",
        "Das älteste Zeichen, das man noch lesen kann, wurde vor mehr als zweihundert Jahren von einem Müller geschnitten.",
        "Seitdem kommen die Hochwasser später im Jahr, und die Zeichen sind näher an den Boden gerückt.",
        "Eine Lehrerin der Schule schrieb sie alle in ein Heft und zeichnete eine Kurve, die den Rat der Stadt überraschte.",
        "Es zeigte sich, dass der Fluss an Wasser verlor, solange jemand sich die Mühe gemacht hatte, es zu messen.",
        "Am Markt verkauft eine Familie seit drei Generationen Brot, das in einem Ofen aus Stein gebacken wird.",
        "Wer früh genug aufsteht, kann den Bäcker sehen, wie er das Mehl aus dem Keller in die Backstube trägt.",
        "Die Kinder der Straße haben einen Garten angelegt, in dem Bohnen, Kürbisse und ein paar Sonnenblumen wachsen.",
        "Im Herbst treffen sich die Nachbarn dort, kochen eine große Suppe und erzählen von dem, was im Jahr gelungen ist.",
        "Der Zug in die Hauptstadt fährt zweimal am Tag, und im Winter kommt er selten zu der Zeit, die im Plan steht.",
        "Trotzdem möchte kaum jemand wegziehen, weil die Wege kurz sind und man sich auf die anderen verlassen kann.",
    ],
    "fr": [
        "La rivière prend sa source dans les collines au-dessus de la vieille ville et tourne vers le sud avec la vallée.",
        "Chaque printemps, les habitants marquent la hauteur de l'eau sur le mur du moulin, comme le faisaient leurs parents.",
        "La plus ancienne marque que l'on peut encore lire a été taillée par un meunier il y a plus de deux cents ans.",
        "Depuis, les crues viennent plus tard dans l'année, et les marques se sont rapprochées du sol.",
        "Une institutrice les a toutes recopiées dans un cahier et a tracé une courbe qui a surpris le conseil.",
        "Elle montrait que la rivière perdait de l'eau depuis que quelqu'un avait pris la peine de la mesurer.",
        "Sur le marché, une famille vend depuis trois générations un pain qui est cuit dans un four en pierre.",
        "Ceux qui se lèvent assez tôt peuvent voir le boulanger porter la farine de la cave jusqu'au fournil.",
        "Les enfants de la rue ont planté un jardin où poussent des haricots, des courges et quelques tournesols.",
        "En automne, les voisins s'y retrouvent, préparent une grande soupe et racontent ce qui a réussi dans l'année.",
        "Le train pour la capitale passe deux fois par jour, et en hiver il arrive rarement à l'heure qui est annoncée.",
        "Pourtant presque personne ne veut partir, parce que les chemins sont courts et que l'on peut compter sur les autres.",
    ],
    "en": [
        "The river rises in the hills above the old town and turns south where the valley opens to the plain.",
        "Every spring the people who live there mark the height of the water on the wall of the mill.",
        "The oldest mark that can still be read was cut more than two hundred years ago by a miller and his son.",
        "Since then the floods have come later in the year, and the marks have moved closer to the ground.",
        "A teacher from the school copied all of them into a notebook and drew a curve that surprised the council.",
        "It showed that the river had been losing water for as long as anyone had cared to measure it.",
        "On the market a family has sold bread for three generations, and it is baked in an oven made of stone.",
        "Those who rise early enough can see the baker carry the flour from the cellar to the bakery.",
        "The children of the street have planted a garden where beans, pumpkins and a few sunflowers grow.",
        "In autumn the neighbours meet there, cook a large soup and tell each other what went well in the year.",
    ],
}  # fmt: skip


def article(language: str, seed: int, sentences: int = 6) -> list[str]:
    """Return paragraphs that no other seed gives."""
    chosen = random.Random(f"{language} {seed}").sample(SENTENCES[language], min(sentences, len(SENTENCES[language])))
    return [f"{sentence[:-1]} {seed * 7 + place}." for place, sentence in enumerate(chosen)]


def html(language: str, paragraphs: list[str]) -> bytes:
    body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return (
        f"<!DOCTYPE html><html lang='{language}'><head><meta charset='utf-8'><title>Text</title></head>"
        f"<body><nav><a href='/'>Start</a></nav><article>{body}</article></body></html>"
    ).encode()


def response(name: str, language: str, paragraphs: list[str], share: float = 0.98) -> Response:
    return Response(f"https://{name}.example.org/{language}", html(language, paragraphs), ((language, share),))


def drawn_pages(code: str, count: int, sentences: int = 20) -> list[Response]:
    """Return distinct pages of the sample's sentences in a language, with navigation and comments around them."""
    gap = "" if code in ("zh", "ja") else " "
    pages = []
    for number in range(count):
        said = drawn(code, 1000 + number, sentences)
        blocks = tuple(gap.join(said[at : at + 4]) for at in range(0, sentences, 4))
        kind = ("blog", "news", "magazine")[number % 3]
        pages.append(response_of(Article(kind, f"{code}{number}.example.org/page", said[0], blocks, code)))
    return pages


def write_warc(path: Path, responses: list[Response]) -> Path:
    members = [warcinfo(path.name)]
    for number, one in enumerate(responses):
        members += page_members(number, one)
    path.write_bytes(b"".join(members))
    return path


def repetitive(language: str, seed: int) -> list[str]:
    """Return paragraphs with all that `article` has, and a line so often that the repetition filter drops the page."""
    return [*article(language, seed), *["Hier steht immer nur das Gleiche, und das immer wieder."] * 12]


def refrain(language: str, seed: int, times: int) -> list[str]:
    """Return an article with a short line that often: four times are too often for the filters, three are not."""
    return [*article(language, seed), *["Und immer so weiter."] * times]


def odd(language: str) -> list[list[str]]:
    """Return articles with text that the last steps change."""
    return [
        [*article(language, 80), "Das Café kostet drei â‚¬, und schÃ¶n ist es auch noch dazu.", "| |", "||", "Ende."],
        [*article(language, 81), "Schreiben Sie an info@example.net oder an 8.8.8.8, wenn Sie etwas wissen möchten."],
        [*article(language, 82), "Ein Satz mit einem Zeichen\u0085 und noch eines\u200b am Ende, mehr nicht.", "|"],
        article(language, 83, 2),
    ]


def responses() -> list[Response]:
    """Return pages in German, French and English, with clusters of duplicates in both wanted languages.

    In German, two clusters begin with a page that the filters drop; they keep the second page of the latter.
    """
    pages = [response(f"{code}{seed}", code, article(code, seed)) for seed in range(5) for code in SENTENCES]
    return [
        *pages,
        response("again-de-1", "de", article("de", 1)),
        response("again-fr-2", "fr", [*article("fr", 2), "Et c'est tout."]),
        response("again-de-1b", "de", [*article("de", 1), "Das war es."]),
        response("refrain-de", "de", refrain("de", 50, 4)),
        response("refrain-de-2", "de", refrain("de", 50, 3)),
        response("repeats-de", "de", repetitive("de", 70)),
        response("repeats-de-2", "de", [*repetitive("de", 70), "Das war alles, was hier zu sagen ist."]),
    ]


def sample(path: Path) -> Path:
    """Write a WARC with those pages."""
    return write_warc(path, responses())
