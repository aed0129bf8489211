"""Held-out text, which every model of a measurement has to predict.

It consists of records from WARCs that no miner was given, refined as the reference is, from hosts that do not occur in
the task. The seed draws them, so they are unknown until after the commitment. Some fixed documents that ship with the
package are added: they make measurements comparable, and are a tenth of English text. They are in the public domain in
English, and written for this purpose in ten other languages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finest.validator.quality.sample import Duplicates, Progress, host_of, judged, windows
from finest.validator.quality.tokens import pinned

if TYPE_CHECKING:
    from finest.recipe.recipe import Recipe
    from finest.warc.source import Source

ANCHORS = Path(__file__).with_name("anchors.txt")
ANCHORS_SHA256 = "f02b6767208eba27bae85ef01c4e4ea2f8e71bfcb1a5cd918ae200725087b47c"
"""The sha256 of the file that `build_model` writes."""
FIXED = Path(__file__).with_name("fixed")
FIXED_SHA256 = {
    "cmn_Hani": "a53ac7d41869552de571ff592da887f51c7e2bdabd0a02c900475cc4298589f0",
    "deu_Latn": "22c744bcbbadff54eb2a0cbab7b0b19d5fd2f7adc6417af4b84ceddd8ff1d793",
    "fra_Latn": "8c32e75048121fd8cfefecb8d703c952e352c7c7c3f2a9fe3292c3a58029b069",
    "ita_Latn": "6f1657b7d3924146cf682d0de193de87cc7eb4291c49c39cde69471aca9a8d75",
    "jpn_Jpan": "857a21fce201ca8fef0fa0e2e5968416214411953ef6092a8cdaf7be262966f1",
    "nld_Latn": "25c28550a7017b62e16d2c7d39f45262a3f1f88ace461984523dcfd366b85a6b",
    "pol_Latn": "0e4041667a77b068d10577005a1863f8d12124f6a61792cdaa94720cf6fe468a",
    "por_Latn": "de0e0bef87bc3f07a2151fa5e94a53768a7ed69c8d5a194240a8f26a10cefc0b",
    "rus_Cyrl": "306c0c6d5233272c59940c45a4c5c4ba1a1fec4fdbd4d4f9dcdc3e05d0daaaf9",
    "spa_Latn": "61103c6f830af01860c06582f6f55feca10aea526a0d0bf76b72a873b2a61842",
}
"""The sha256 of each language's file in that folder."""
HELDOUT_BYTES = 1_000_000
"""Bytes of held-out text to draw: with 0.9 MB the error over documents is 0.004 bpb."""
MAX_PAGES = 8_000
"""Pages to judge at most, about 2 CPU minutes."""
MAX_CHARS = 10_000
"""Characters of one document at most, so that no long page decides alone."""
MAX_PER_HOST = 3
"""Maximum documents of one host: pages of a site share their words, which would make the error look too small."""


def anchors(language: str | None = None) -> list[str]:
    """Return the fixed documents in English, or in a language (`deu_Latn`), of which there may be none.

    Raises RecipeError if the file is not the pinned one.
    """
    if language is not None and language not in FIXED_SHA256:
        return []
    path, sha256 = (FIXED / f"{language}.txt", FIXED_SHA256[language]) if language else (ANCHORS, ANCHORS_SHA256)
    head, *documents = pinned(path, sha256).decode("utf-8").split("\n\f\n")
    assert head.startswith("#")
    return [document for document in documents if document]


def draw_heldout(
    sources: Sequence[Source], hosts: Collection[str], recipe: Recipe, cache: Path, seed: str, *,
    wanted_bytes: int = HELDOUT_BYTES, progress: Progress = lambda _share, _words: None,
) -> list[str]:  # fmt: skip
    """Draw documents from the WARCs, skipping those of `hosts` and cutting each to MAX_CHARS; fewer if they run out.

    Raises SourceError if a source cannot be read.
    """
    found: list[str] = []
    size = pages = 0
    per_host: Counter[str] = Counter()
    duplicates = Duplicates()
    plan = windows(sources, f"held-out {seed}")
    for done, (source, window) in enumerate(plan, start=1):
        if size >= wanted_bytes or pages >= MAX_PAGES:
            break
        for record, verdict in judged(source, window, recipe, cache):
            pages += 1
            host = host_of(record.url)
            if verdict.text is None or host in hosts or per_host[host] >= MAX_PER_HOST:
                continue
            if not duplicates.has(verdict.signature):
                per_host[host] += 1
                found.append(verdict.text[:MAX_CHARS])
                size += len(found[-1].encode())
        share = max(done / len(plan), size / wanted_bytes, pages / MAX_PAGES)
        progress(min(share, 1.0), f"{pages:,} pages judged, {len(found):,} held-out documents")
    return found
