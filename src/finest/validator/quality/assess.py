"""Measure one dataset: sample its WARCs, draw held-out text, read its rows, and compare them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from finest.errors import UsageError
from finest.recipe.recipe import load_recipe
from finest.tasks.reference import REFERENCE_RECIPE
from finest.validator.packet import PacketPages
from finest.validator.quality.heldout import anchors, draw_heldout
from finest.validator.quality.paired import NoEvidence, Quality, measure
from finest.validator.quality.sample import draw_sample, host_of, submitted
from finest.validator.quality.tier import N_GRAMS, Tier
from finest.validator.quality.tokens import ENGLISH
from finest.validator.subject import COMMON_CRAWL
from finest.warc.source import inspect, name_sources, resolve

if TYPE_CHECKING:
    from finest.dataset.open import Dataset
    from finest.recipe.recipe import Recipe
    from finest.warc.source import CommonCrawl, Source

Progress = Callable[[str, float, str], None]
"""Callback that receives the current step, the share of it that is done, and a description of the progress."""


def assess(
    dataset: Dataset, sources: Sequence[Source] | PacketPages, heldout_sources: Sequence[Source], cache: Path,
    seed: str, *, tier: Tier = N_GRAMS, tokens: int | None = None, reference: Recipe | None = None,
    progress: Progress = lambda _step, _share, _words: None,
) -> Quality | NoEvidence:  # fmt: skip
    """Measure an open dataset, given the WARCs or packet it was made from and some WARCs that no miner was given.

    Without the latter, only the anchors are predicted, with a larger error. `reference` is the recipe that the dataset
    is compared with, by default `fineweb`. Held-out text is what `fineweb` keeps, with the anchors in English; if
    `reference` is a recipe in languages, it is what that recipe keeps, with the anchors in these languages.
    Raises SourceError, HubUnavailable and similar errors if something cannot be read (no evidence), VerifyError if the
    dataset contradicts its manifest.
    """
    fineweb = load_recipe(REFERENCE_RECIPE)
    recipe = reference or fineweb
    languages: Sequence[str | None] = recipe.language.languages if recipe.language.table else (None,)
    vocabulary = tier.in_languages if recipe.language.table else ENGLISH
    sample = draw_sample(
        sources, recipe, cache, seed, tokens=tokens or tier.tokens, vocabulary=vocabulary,
        progress=lambda *done: progress("Drawing reference", *done),
    )  # fmt: skip
    hosts = sample.hosts | {host_of(url) for url in dataset.row_columns("url")["url"].to_pylist()}
    drawn = draw_heldout(
        heldout_sources, hosts, recipe if recipe.language.table else fineweb, cache, seed,
        progress=lambda *done: progress("Drawing held-out text", *done),
    )  # fmt: skip
    texts = submitted(dataset, sample, seed)
    fixed = [document for language in languages for document in anchors(language)]
    found = measure(
        texts, sample.reference, sample.raw, [*drawn, *fixed], seed, tier=tier, tokens=tokens,
        vocabulary=vocabulary, progress=lambda *done: progress("Learning", *done),
    )  # fmt: skip
    if isinstance(sources, PacketPages):
        source_bytes = sources.size_bytes
    else:
        source_bytes = sum(source.size_bytes for source in sources)
    return replace(found, kept_tokens=sample.kept_tokens, read_bytes=sample.read_bytes, source_bytes=source_bytes)


def places(dataset: Dataset, specs: Sequence[str], common_crawl: CommonCrawl) -> list[Source]:
    """Return the dataset's WARCs that `specs` name (all or some of them), by default all at Common Crawl's addresses.

    Raises UsageError for a WARC that is not a source of the dataset, SourceError for one that cannot be found.
    """
    known = {source.name for source in dataset.sources()}
    if not specs:
        elsewhere = sorted(name for name in known if not name.startswith(COMMON_CRAWL))
        if elsewhere:
            raise UsageError(f"{elsewhere[0]} is not named; say where the WARCs lie with --warc")
        specs = [name.removeprefix(COMMON_CRAWL) for name in sorted(known)]
    found = named(specs, common_crawl)
    strange = [source for source in found if source.name not in known]
    if strange:
        names = ", ".join(sorted(known))[:300]
        raise UsageError(f"{strange[0].address} is no source of the data set: those are {names}")
    return found


def unassigned(dataset: Dataset, specs: Sequence[str], common_crawl: CommonCrawl) -> list[Source]:
    """Return the WARCs to draw held-out text from; raises UsageError for a source of the dataset."""
    found = named(specs, common_crawl) if specs else []
    known = {source.name for source in dataset.sources()}
    own = [source for source in found if source.name in known]
    if own:
        raise UsageError(f"{own[0].address} is a source of the data set; held-out text has to come from another WARC")
    return found


def named(specs: Sequence[str], common_crawl: CommonCrawl) -> list[Source]:
    """Resolve and inspect the WARCs in `specs`."""
    locations = resolve(specs, common_crawl)
    return [inspect(location, name) for location, name in zip(locations, name_sources(locations), strict=True)]
