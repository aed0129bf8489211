"""Recipe `fineweb-2` beside DataTrove's own steps of FineWeb-2, page by page, in equality and CPU time.

    python -m bench --warc PATH... --language deu_Latn,fra_Latn

Both get the same extracted texts and the same labels (lid.176's), and do what follows: MinHash signatures, filters,
and the last steps. The first page of a language is not timed, since it loads the tokenizer. `--pages N` ends after N
pages of a language. Equality of the extraction is what `python -m bench` without `--language` shows; that of whole
runs, with the clusters of duplicates, is `tests/recipe/test_equal_to_fineweb2.py`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datatrove.pipeline.dedup import MinhashDedupSignature

from bench.reference_fineweb2 import KEPT, MINHASH, _dropped, _filters, finished
from finest.recipe.judge import judge
from finest.recipe.languages import language_settings
from finest.recipe.recipe import Recipe, load_recipe
from finest.recipe.table import ALL, find_languages, supported, with_languages
from finest.settings import default_cache
from finest.warc.slices import Slice, read_slice
from finest.warc.source import inspect

STAGES = ("dedup", "repetition", "fineweb", "quality", "ftfy", "pii", "symbol_lines")
"""Our stages that do what is compared."""


@dataclass(slots=True)
class Compared:
    """The pages of one language, and the CPU seconds of both sides."""

    pages: int = 0
    kept: int = 0
    ours: float = 0.0
    theirs: float = 0.0
    different: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs if self.theirs else 0.0


class Reference:
    """DataTrove's steps for one language."""

    def __init__(self, code: str, folder: Path) -> None:
        data = language_settings(code).model_dump()
        self._filters = _filters(code, data | {"stopwords": data["stop_words"]})
        self._signer = MinhashDedupSignature(str(folder / code), MINHASH, language=code)

    def judge(self, text: str) -> tuple[str, str, list[list[int]] | None]:
        """Return the reason, the text and the signature."""
        shingles = self._signer.get_shingles(text)
        signature = self._signer.get_signature(shingles) if shingles.size else None
        reason = _dropped(text, self._filters) or KEPT
        return reason, finished(text) if reason == KEPT else "", signature


def recipe_for(codes: str) -> Recipe:
    """Return the recipe with the shipped model for these languages, or `all`, without the gate."""
    whole = load_recipe("fineweb-2-lid176")
    found = supported(whole)[0] if codes == ALL else find_languages(codes.split(","))
    return with_languages(whole, found).without_gate()


def compare(warcs: Sequence[Path], codes: str, most: int = sys.maxsize) -> dict[str, Compared]:
    """Judge the pages of WARCs on both sides; at most `most` pages of a language."""
    recipe = recipe_for(codes)
    plain = Recipe.model_validate(recipe.resolved() | {"ftfy": {"enabled": False}})
    result: dict[str, Compared] = defaultdict(Compared)
    references: dict[str, Reference] = {}
    with tempfile.TemporaryDirectory() as folder:
        for page in _pages(warcs):
            clock: dict[str, float] = {}
            verdict = judge(page, recipe, default_cache(), clock)
            code = verdict.language or ""
            if code not in recipe.language.languages or verdict.reason in ("language", "language_english"):
                continue
            found, first = result[code], code not in references
            if found.pages >= most:
                continue
            if first:
                references[code] = Reference(code, Path(folder))
            # What a kept page's verdict has is the text after ftfy.
            text = judge(page, plain, default_cache()).seen if verdict.kept else verdict.seen
            before = time.process_time()
            reason, final, signature = references[code].judge(text)
            found.pages += 1
            found.kept += verdict.kept
            if not first:
                found.theirs += time.process_time() - before
                found.ours += sum(clock.get(stage, 0.0) for stage in STAGES)
            mine = None if verdict.signature is None else verdict.signature.tolist()
            if (reason, final or None, signature) != (verdict.reason, verdict.text, mine):
                found.different.append(f"{page.url}: {reason} there, {verdict.reason} here")
    return result


def _pages(warcs: Sequence[Path]) -> Iterator[Any]:
    for warc in warcs:
        source = inspect(str(warc), warc.name)
        for record in read_slice(source, Slice(0, 0, 0, source.size_bytes), max_record_bytes=1 << 26):
            yield record.page()


def report(result: dict[str, Compared]) -> str:
    """Return the comparison as a table."""
    head = ("language", "pages", "kept", "different", "CPU ms a page, DataTrove", "ours", "ratio")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    total = Counter[str]()
    for code, one in sorted(result.items(), key=lambda item: -item[1].pages):
        timed = max(one.pages - 1, 1)
        lines.append(
            f"| {code} | {one.pages} | {one.kept} | {len(one.different)} | {1000 * one.theirs / timed:.1f} | "
            f"{1000 * one.ours / timed:.1f} | {one.ratio:.3f} |"
        )
        total += Counter({"pages": one.pages, "different": len(one.different)})
    lines += [difference for one in result.values() for difference in one.different[:5]]
    return "\n".join([*lines, f"{total['different']} of {total['pages']} pages differ"])
