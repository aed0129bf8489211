"""`finest why`: the verdict of one page, with its text and every statistic next to its limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from finest.errors import LedgerError, UsageError
from finest.pipeline.damage import ParquetPart
from finest.pipeline.decontaminate.indexes import provide_index
from finest.pipeline.guarded import GuardedJudge
from finest.pipeline.ledger import Ledger
from finest.pipeline.quality_models import provide_models
from finest.pipeline.record import read_page
from finest.pipeline.verify import NOT_REPEATABLE
from finest.recipe.judge import PageState, Trail, Verdict
from finest.recipe.quality_model.explain import explain_scores
from finest.recipe.recipe import parse_recipe
from finest.recipe.toolbox import toolbox
from finest.warc.source import inspect, name_sources, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from finest.recipe.extract.pieces import Piece
    from finest.recipe.page import Page
    from finest.recipe.quality_model.explain import Explained
    from finest.recipe.recipe import Recipe
    from finest.warc.source import CommonCrawl


@dataclass(frozen=True, slots=True)
class Why:
    """A page's stored verdict and the verdict of judging it again, with all statistics."""

    stored: dict[str, Any]
    """The page's row in the verdict file."""
    verdict: Verdict
    trail: Trail
    recipe: dict[str, Any]
    """The resolved recipe, with every value filled in."""
    scores: tuple[Explained, ...] = ()
    """The scores of the recipe's quality models, with the n-grams that changed them most."""
    pieces: tuple[Piece, ...] = ()
    """The pieces of the page's text in their order, with what the extractor decided; none if there is no HTML."""


def find_verdicts(out: Path, wanted: str) -> list[dict[str, Any]]:
    """Find the verdicts of pages with that URL or record id, in file order.

    Of an id, case does not matter (RFC 9562, 4), and brackets and `urn:uuid:` are optional.
    """
    found = []
    for part in _verdict_files(out):
        with part.open() as file:
            for number in range(file.num_row_groups):
                table = file.read_row_group(number, columns=["url", "id"], use_threads=False)
                hit = pc.or_(
                    pc.equal(table["url"], wanted), pc.is_in(pc.utf8_lower(table["id"]), value_set=_ids(wanted))
                )
                if pc.any(hit).as_py():
                    found += file.read_row_group(number, use_threads=False).filter(hit).to_pylist()
    return found


def why(
    out: Path, wanted: str, cache: Path, specs: Sequence[str] = (), common_crawl: CommonCrawl | None = None
) -> list[Why]:
    """Judge again every page of a run with that URL or record id.

    `specs` names the current locations of the WARC files, if they differ from those in the ledger.
    Raises UsageError if the run has no such page, SourceError if its WARC can no longer be read.
    """
    ledger = Ledger.read(out)
    recipe = parse_recipe(ledger.plan.recipe)
    sources = {source.name: source for source in ledger.plan.sources}
    if specs:
        locations = resolve(specs, common_crawl)
        names = name_sources(locations)
        sources |= {name: inspect(location, name) for location, name in zip(locations, names, strict=True)}
    stored = find_verdicts(out, wanted)
    if not stored:
        raise UsageError(f"{out} holds no page with URL or record id {wanted!r}; give the complete URL or id")
    provide_models(recipe.quality_model, cache)
    provide_index(recipe, cache)
    answers = []
    with GuardedJudge(recipe, cache) as guarded:
        for row in stored:
            limit = recipe.payload.max_bytes * 2
            page = read_page(sources[row["file_path"]], row["offset"], row["id"], limit, row["url"])
            verdict, trail = _judged(row["reason"], page, guarded)
            pieces = tuple(guarded.pieces(page)) if trail.state.html else ()
            answers.append(Why(row, verdict, trail, ledger.plan.recipe, _scores(trail, recipe, cache), pieces))
    return answers


def _judged(reason: str, page: Page, guarded: GuardedJudge) -> tuple[Verdict, Trail]:
    """Judge the page again, unless the run stopped judging it at a limit: that would take as long again."""
    if reason in NOT_REPEATABLE:
        return Verdict(reason), Trail(PageState(page))
    return guarded.explain(page)


def _scores(trail: Trail, recipe: Recipe, cache: Path) -> tuple[Explained, ...]:
    """Explain the scores of a page; none if it was dropped before it had a text."""
    if not recipe.quality_model.models or trail.state.row_text is None:
        return ()
    names = [model.name for model in recipe.quality_model.models]
    return explain_scores(names, toolbox(recipe, cache).quality_models, trail.state.row_text)


def _verdict_files(out: Path) -> Iterator[ParquetPart]:
    if (out / "manifest.json").exists():
        yield from map(ParquetPart, sorted(out.glob("verdicts/*/*.parquet")))
        return
    found = False
    for part in Ledger.read(out).parquet("verdicts"):
        found = True
        yield part
    if not found:
        raise LedgerError(f"{out} holds no verdicts yet; start or continue with: finest refine SOURCE --out {out}")


def _ids(wanted: str) -> Any:
    lower = wanted.lower()
    bare = lower.removeprefix("<").removesuffix(">").removeprefix("urn:uuid:")
    return pa.array([lower, bare, f"<{bare}>", f"urn:uuid:{bare}", f"<urn:uuid:{bare}>"])
